"""Losses as metrics: the mean of a loss function over all examples, whatever the model is trained with."""

from __future__ import annotations

from typing import Any

from .. import losses, ops
from ..tensor import Tensor, TensorLike
from .base import Metric
from .reductions import FunctionMetric


class MeanSquaredError(FunctionMetric, function=losses.mean_squared_error):
    """The mean of `losses.mean_squared_error`.

    >>> MeanSquaredError()([[0.0], [1.0]], [[2.0], [1.0]])
    Tensor(2., shape=(), dtype=float32)
    """


class MeanAbsoluteError(FunctionMetric, function=losses.mean_absolute_error):
    """The mean of `losses.mean_absolute_error`."""


class MeanAbsolutePercentageError(FunctionMetric, function=losses.mean_absolute_percentage_error):
    """The mean of `losses.mean_absolute_percentage_error`."""


class MeanSquaredLogarithmicError(FunctionMetric, function=losses.mean_squared_logarithmic_error):
    """The mean of `losses.mean_squared_logarithmic_error`."""


class LogCoshError(FunctionMetric, function=losses.log_cosh, default_name="logcosh"):
    """The mean of `losses.log_cosh`."""


class BinaryCrossentropy(FunctionMetric, function=losses.binary_crossentropy):
    """The mean of `losses.binary_crossentropy`."""


class CategoricalCrossentropy(FunctionMetric, function=losses.categorical_crossentropy):
    """The mean of `losses.categorical_crossentropy`."""


class SparseCategoricalCrossentropy(FunctionMetric, function=losses.sparse_categorical_crossentropy):
    """The mean of `losses.sparse_categorical_crossentropy`; examples of `ignore_class` do not count."""


class KLDivergence(FunctionMetric, function=losses.kl_divergence):
    """The mean of `losses.kl_divergence`."""


class Poisson(FunctionMetric, function=losses.poisson):
    """The mean of `losses.poisson`."""


class RootMeanSquaredError(Metric):
    """sqrt(mean((y_true - y_pred)²)).

    Args:
      name: shown in messages and logs.
      dtype: the dtype of the result, float32 if None.

    Shapes:
      y_true, y_pred: float[batch, ...], or one of them with a last axis of size 1 more
      sample_weight: (), (batch,), (batch, 1), or how the shape of y_pred begins

    Raises:
      ValueError: if the shapes do not belong together.

    Example:
      >>> RootMeanSquaredError()([[0.0], [1.0]], [[2.0], [3.0]])
      Tensor(2., shape=(), dtype=float32)
    """

    def __init__(self, name: str | None = "root_mean_squared_error", dtype: Any = None):
        super().__init__(name=name, dtype=dtype)
        self.squares = MeanSquaredError(name=self.name, dtype="float64")

    def update_state(self, y_true: TensorLike, y_pred: TensorLike, sample_weight: TensorLike | None = None) -> None:
        self.squares.update_state(y_true, y_pred, sample_weight)

    def result(self) -> Tensor:
        return ops.cast(ops.sqrt(self.squares.result()), self.dtype)
