"""Mean and Sum, and the mean of a function of labels and predictions, which most metrics are.

Totals and counts are float64: a float32 count of single examples stops at 2²⁴, and rounding of a float32 total would
depend on the batches. A metric that is the mean of a function is one line, `class Name(FunctionMetric, function=name)`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from .. import dimensions, dtypes, ops
from ..errors import describe
from ..losses.base import generate_constructor, options_of, parameter
from ..losses.functions import aligned, amount, at_least_float32, combined, per_example
from ..tensor import Tensor, TensorLike, dims
from .base import Metric


def _accumulable(values: TensorLike) -> Tensor:
    """The values in float64, cut off from gradients."""
    return ops.convert_to_tensor(ops.stop_gradient(values), "float64")


class Sum(Metric):
    """The weighted sum of all values.

    Args:
      name: shown in messages and logs.
      dtype: the dtype of the result, float32 if None.

    Shapes:
      values: any
      sample_weight: (), (batch,), (batch, 1), or the shape of the values, or how it begins

    Raises:
      ValueError: if the weights do not fit.

    Example:
      >>> Sum()([1.0, 3.0], sample_weight=[1.0, 2.0])
      Tensor(7., shape=(), dtype=float32)
    """

    def __init__(self, name: str | None = "sum", dtype: Any = None):
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable((), "zeros", "float64", "total")

    def update_state(self, values: TensorLike, sample_weight: TensorLike | None = None) -> None:
        mask = getattr(values, "_mask", None)
        values = _accumulable(values)
        weight = combined(values, sample_weight, mask, self)
        self.total.assign_add(ops.sum(values if weight is None else values * weight))

    def result(self) -> Tensor:
        return ops.cast(self.total, self.dtype)


class Mean(Metric):
    """The weighted mean of all values; 0 before the first.

    Values with several axes are averaged over all but the first; each example counts once, or by its weight.

    Args:
      name: shown in messages and logs.
      dtype: the dtype of the result, float32 if None.

    Shapes:
      values: any
      sample_weight: (), (batch,), (batch, 1), or the shape of the values, or how it begins

    Raises:
      ValueError: if the weights do not fit.

    Example:
      >>> mean = Mean()
      >>> mean(0.0)
      Tensor(0., shape=(), dtype=float32)
      >>> mean(5.0)
      Tensor(2.5, shape=(), dtype=float32)
      >>> mean([8.0, 9.0])
      Tensor(5.5, shape=(), dtype=float32)
    """

    def __init__(self, name: str | None = "mean", dtype: Any = None):
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable((), "zeros", "float64", "total")
        self.count = self.add_variable((), "zeros", "float64", "count")

    def update_state(self, values: TensorLike, sample_weight: TensorLike | None = None) -> None:
        mask = getattr(values, "_mask", None)
        values = _accumulable(values)
        weight = combined(values, sample_weight, mask, self)
        each: Any = dimensions.product(dims(values)[1:])
        self.total.assign_add(ops.sum(values if weight is None else values * weight) / each)
        self.count.assign_add(amount(weight, values) / each)

    def result(self) -> Tensor:
        return ops.cast(ops.divide_no_nan(self.total, self.count), self.dtype)


class _MeanOfFunction(Metric):
    """Has the mean of a function of labels and predictions."""

    def __init__(self, name: str | None, dtype: Any, fn: Callable[..., Any], options: dict[str, Any]):
        super().__init__(name=name, dtype=dtype)
        self.fn = fn
        self.options = options
        self.mean = Mean(dtype=dtype)

    def update_state(self, y_true: TensorLike, y_pred: TensorLike, sample_weight: TensorLike | None = None) -> None:
        mask = getattr(y_pred, "_mask", None)
        y_pred = ops.stop_gradient(ops.convert_to_tensor(y_pred))
        if dtypes.is_float(y_pred.dtype):
            y_pred = at_least_float32(y_pred)
        values = ops.convert_to_tensor(self._compute(ops.convert_to_tensor(y_true), y_pred))
        weight = combined(values, sample_weight, mask, self)
        self.mean.update_state(values, weight)

    def _compute(self, y_true: Tensor, y_pred: Tensor) -> Any:
        return per_example(self, self.fn, y_true, y_pred, self.options)

    def result(self) -> Tensor:
        return self.mean.result()


class FunctionMetric(_MeanOfFunction):
    """Base of the metrics that are a function's mean: `class Name(FunctionMetric, function=name)`.

    The constructor takes name and dtype, then the function's options; the name is the function's unless `default_name`
    says otherwise.
    """

    function: ClassVar[Callable[..., Any]]

    def __init_subclass__(
        cls, function: Callable[..., Any] | None = None, default_name: str | None = None, **kwargs: Any
    ):
        super().__init_subclass__(**kwargs)
        if function is not None:
            name = parameter("name", default_name or function.__name__)
            cls.function = staticmethod(function)
            generate_constructor(cls, [name, parameter("dtype", None), *options_of(function)])

    def __init__(self, *args: Any, **kwargs: Any):
        raise TypeError(f"{type(self).__name__}: expected `class {type(self).__name__}(FunctionMetric, function=...)`.")

    def _setup(self, name: str | None, dtype: Any, **options: Any) -> None:
        super().__init__(name, dtype, type(self).function, options)


class MeanMetricWrapper(_MeanOfFunction):
    """The weighted mean of a function of labels and predictions over all examples.

    Args:
      fn: `fn(y_true, y_pred, **kwargs)`, with a value for each example.
      name: the function's name if None.
      dtype: the dtype of the result, float32 if None.
      **kwargs: options handed to the function.

    Raises:
      ValueError: if `fn` is not callable, or the weights do not fit the values.

    Example:
      >>> distance = MeanMetricWrapper(lambda y_true, y_pred: ops.abs(y_true - y_pred), name="distance")
      >>> distance([1.0, 2.0], [1.0, 4.0])
      Tensor(1., shape=(), dtype=float32)
    """

    def __init__(self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **kwargs: Any):
        if not callable(fn):
            raise ValueError(
                f"{type(self).__name__}: expected a function of labels and predictions, got {describe(fn)}."
            )
        super().__init__(name or getattr(fn, "__name__", None), dtype, fn, kwargs)

    def _compute(self, y_true: Tensor, y_pred: Tensor) -> Any:
        return per_example(self, self.fn, *aligned(y_true, y_pred), self.options)
