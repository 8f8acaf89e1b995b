"""Loss: the base of every loss.

`call` gives a value for each example; a mask and weights scale them; a reduction makes one number of them. A mean has
two halves, `total_and_count`, that add up over batches: the same mean for any batching. A loss that is a function with
options is one line, `class Name(FunctionLoss, function=name)`, whose constructor takes the function's options.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ClassVar

from .. import dtypes, ops
from ..configurable import Configurable, snake_case
from ..errors import describe, suggest
from ..ops.fused import fused
from ..tensor import Tensor, TensorLike
from .functions import aligned, amount, as_tensor, at_least_float32, combined, fit, per_example

_PACKAGE = __name__.partition(".")[0]
REDUCTIONS = ("sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none")


class Loss(Configurable):
    """A number that says how far predictions are from labels; subclass it and define `call`.

    Args:
      name: shown in messages and logs; made from the class's name if None.
      reduction: "sum_over_batch_size" or "mean" divide the weighted sum by the number of values,
        "mean_with_sample_weight" by the sum of the weights; "sum" does not divide; "none" or None reduces nothing.
        Values that a mask leaves out are not counted.
      dtype: what labels and predictions are cast to; None for the predictions' dtype, at least float32.
        Integer labels become at least float32 in any case, so that they keep their values.

    Shapes:
      y_true, y_pred: as `call` wants them
      sample_weight: (), (batch,), (batch, 1), or the shape of what `call` returns, or how it begins

    Raises:
      ValueError: for an unknown reduction, or weights that do not fit.

    Example:
      >>> class Distance(Loss):
      ...     def call(self, y_true, y_pred):
      ...         return ops.mean(ops.abs(y_true - y_pred), axis=-1)
      >>> Distance()([[0.0, 2.0], [1.0, 1.0]], [[0.0, 0.0], [1.0, 1.0]])
      Tensor(0.5, shape=(), dtype=float32)
    """

    _keeps_integers: ClassVar[bool] = False  # whether labels that are integers stay what they are

    def __init__(self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: Any = None):
        if reduction is not None and reduction not in REDUCTIONS:
            raise ValueError(
                f"{type(self).__name__}: expected one of {', '.join(map(repr, REDUCTIONS))} or None as reduction, "
                f"got {reduction!r}.{suggest(str(reduction), REDUCTIONS)}"
            )
        self.name = name or snake_case(type(self).__name__)
        self.reduction = reduction
        self.dtype = dtypes.dtype(dtype)
        self._exact_dtype = dtype is not None

    def call(self, y_true: Tensor, y_pred: Tensor) -> Any:
        """The loss of each example, before weights and reduction."""
        raise NotImplementedError(f"{type(self).__name__} {self.name!r}: expected a call() method, which it lacks.")

    def __call__(self, y_true: TensorLike, y_pred: TensorLike, sample_weight: TensorLike | None = None) -> Tensor:
        """The weighted and reduced loss."""
        if sample_weight is None and (mean := self._at_once(y_true, y_pred)) is not None:
            return mean
        values, weight, mask = self._values(y_true, y_pred, sample_weight)
        if self.reduction in (None, "none"):
            return values if weight is None else values * weight
        return quotient(*self._halves(values, weight, mask))

    def total_and_count(
        self, y_true: TensorLike, y_pred: TensorLike, sample_weight: TensorLike | None = None
    ) -> tuple[Tensor, Any]:
        """The numerator and the denominator of the reduced loss, each to be summed over batches.

        The count is a number or a tensor, and None for the reduction "sum", whose total stands alone.

        Raises:
          ValueError: if the loss reduces nothing.

        >>> distance = LossFunctionWrapper(lambda y_true, y_pred: ops.abs(y_true - y_pred), name="distance")
        >>> distance.total_and_count([1.0, 2.0], [4.0, 2.0], sample_weight=[0.5, 1.0])
        (Tensor(1.5, shape=(), dtype=float32), 2)
        """
        if self.reduction in (None, "none"):
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: expected a reduction to one number, got {self.reduction!r}."
            )
        return self._halves(*self._values(y_true, y_pred, sample_weight))

    def _values(self, y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """The loss of each example, its weight with the mask in it, and the mask; the latter two may be None."""
        given = getattr(y_pred, "_mask", None)
        y_pred = ops.convert_to_tensor(y_pred, self.dtype) if self._exact_dtype else at_least_float32(y_pred)
        values = as_tensor(self.call(self._labels(y_true, y_pred.dtype), y_pred))
        masks = [fit(m, values, self, "a mask") for m in (given, getattr(values, "_mask", None)) if m is not None]
        mask = functools.reduce(ops.multiply, masks) if masks else None
        return values, combined(values, sample_weight, mask, self), mask

    def _at_once(self, y_true: TensorLike, y_pred: TensorLike) -> Any:
        """The loss without weights as one operation, where it is one: the mean of a function that nothing masks."""
        return None

    def _labels(self, y_true: Any, dtype: Any) -> Tensor:
        """Labels in a dtype, integers in one of at least 32 bits: 257, the number of a class, is no bfloat16."""
        labels = as_tensor(y_true)
        if self._keeps_integers and labels.dtype.kind in "iu":
            return labels
        exact = dtype is dtypes.FLOATX or dtypes.is_float(labels.dtype)
        return ops.convert_to_tensor(labels, dtype if exact else dtypes.result_type(dtypes.FLOATX, dtype))

    def _halves(self, values: Tensor, weight: Tensor | None, mask: Tensor | None) -> tuple[Tensor, Any]:
        total = ops.sum(values if weight is None else values * weight)
        if self.reduction == "sum":
            return total, None
        if self.reduction == "mean_with_sample_weight":
            return total, amount(weight, values)
        return total, amount(mask, values)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}, reduction={self.reduction!r}>"


def quotient(total: Tensor, count: Any) -> Tensor:
    """What a loss reduces to: its total over its count, 0 where nothing counts; a count of None does not divide."""
    if count is None:
        return total
    return ops.divide(total, max(count, 1)) if isinstance(count, int) else ops.divide_no_nan(total, count)


def generate_constructor(cls: Any, parameters: list[inspect.Parameter]) -> None:
    """Gives a class the constructor with these parameters, which hands them to `_setup` by name."""
    first = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    signature = inspect.Signature([first, *parameters])

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        try:
            bound = signature.bind(self, *args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{cls.__name__}: {error}") from None
        bound.apply_defaults()
        self._setup(**{name: value for name, value in bound.arguments.items() if name != "self"})

    __init__.__signature__ = signature  # type: ignore[attr-defined]
    cls.__init__ = __init__


def options_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters of a function of labels and predictions after these two."""
    return list(inspect.signature(function).parameters.values())[2:]


def parameter(name: str, default: Any) -> inspect.Parameter:
    """A parameter with a default, given by position or by name."""
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)


class FunctionLoss(Loss):
    """Base of the losses that are a function: `class Name(FunctionLoss, function=name)`.

    The constructor takes the function's options, then reduction (or at the place `reduction_at`), name and dtype; the
    name is the function's unless `default_name` says otherwise.
    """

    function: ClassVar[Callable[..., Any]]
    _mean_of: ClassVar[Any] = None, None  # a function of the library, and the mean of its values as one operation

    def __init_subclass__(
        cls,
        function: Callable[..., Any] | None = None,
        default_name: str | None = None,
        reduction_at: int | None = None,
        **kwargs: Any,
    ):
        super().__init_subclass__(**kwargs)
        if function is not None:
            parameters = options_of(function)
            place = len(parameters) if reduction_at is None else reduction_at
            parameters.insert(place, parameter("reduction", "sum_over_batch_size"))
            parameters += [parameter("name", default_name or function.__name__), parameter("dtype", None)]
            cls.function = staticmethod(function)
            ours = function.__module__.partition(".")[0] == _PACKAGE
            cls._mean_of = (function, _mean_of(function)) if ours else (None, None)
            cls._keeps_integers = getattr(function, "keeps_integers", False)
            generate_constructor(cls, parameters)

    def __init__(self, *args: Any, **kwargs: Any):
        raise TypeError(f"{type(self).__name__}: expected `class {type(self).__name__}(FunctionLoss, function=...)`.")

    def _setup(self, reduction: str | None, name: str | None, dtype: Any, **options: Any) -> None:
        super().__init__(name, reduction, dtype)
        self.options = options

    def _at_once(self, y_true: TensorLike, y_pred: TensorLike) -> Any:
        function, mean = type(self)._mean_of
        if (
            function is type(self).function
            and type(y_pred) is Tensor
            and y_pred._array.dtype is dtypes.FLOATX
            and getattr(y_pred, "_mask", None) is None
            and self.reduction in _MEANS
            and not self._exact_dtype
            and self.options.get("ignore_class") is None
            and type(self).call is FunctionLoss.call
            and "call" not in vars(self)
        ):
            return per_example(self, mean, self._labels(y_true, dtypes.FLOATX), y_pred, self.options)
        return None

    def call(self, y_true: Tensor, y_pred: Tensor) -> Any:
        return per_example(self, type(self).function, y_true, y_pred, self.options)


_MEANS = frozenset(("sum_over_batch_size", "mean", "mean_with_sample_weight"))


def _mean_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """The mean of the function's values."""

    @fused(at=(1,), least=64)  # of which the composition takes ten times as long
    @functools.wraps(function)
    def mean(y_true: Any, y_pred: Any, **options: Any) -> Any:
        values = as_tensor(function(y_true, y_pred, **options))
        return quotient(ops.sum(values), amount(None, values))

    return mean


class LossFunctionWrapper(Loss):
    """A function of labels and predictions, with a value for each example, as a loss.

    Args:
      fn: `fn(y_true, y_pred, **kwargs)`; ranks are aligned before if they differ by a last axis of size 1.
      reduction: as for `Loss`.
      name: the function's name if None.
      dtype: as for `Loss`.
      **kwargs: options handed to the function.

    Raises:
      ValueError: if `fn` is not callable.

    Example:
      >>> distance = LossFunctionWrapper(lambda a, b: ops.mean(ops.abs(a - b), axis=-1), name="distance")
      >>> distance([1.0, 2.0], [[1.0], [4.0]])
      Tensor(1., shape=(), dtype=float32)
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ):
        if not callable(fn):
            raise ValueError(
                f"{type(self).__name__}: expected a function of labels and predictions, got {describe(fn)}."
            )
        super().__init__(name or getattr(fn, "__name__", None), reduction, dtype)
        self.fn = fn
        self.options = kwargs

    def call(self, y_true: Tensor, y_pred: Tensor) -> Any:
        return per_example(self, self.fn, *aligned(y_true, y_pred), self.options)
