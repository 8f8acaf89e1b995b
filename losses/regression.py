"""Losses of regression: how far numbers are from numbers, averaged over the last axis.

Each function gives float[batch, ...] for labels and predictions float[batch, ..., outputs]; each class is the function
with weights and a reduction.
"""

from __future__ import annotations

import math

from .. import ops
from ..ops.crossentropy import EPSILON
from ..tensor import Tensor, TensorLike
from .base import FunctionLoss
from .functions import elementwise


@elementwise
def mean_squared_error(y_true: TensorLike, y_pred: TensorLike) -> Tensor:
    """mean((y_true - y_pred)²) over the last axis.

    >>> mean_squared_error([[0.0, 1.0]], [[2.0, 1.0]]).tolist()
    [2.0]
    """
    return ops.mean(ops.square(ops.subtract(y_true, y_pred)), axis=-1)


@elementwise
def mean_absolute_error(y_true: TensorLike, y_pred: TensorLike) -> Tensor:
    """mean(|y_true - y_pred|) over the last axis.

    >>> mean_absolute_error([[0.0, 1.0]], [[2.0, 1.0]]).tolist()
    [1.0]
    """
    return ops.mean(ops.abs(ops.subtract(y_true, y_pred)), axis=-1)


@elementwise
def mean_absolute_percentage_error(y_true: TensorLike, y_pred: TensorLike) -> Tensor:
    """100 · mean(|y_true - y_pred| / max(|y_true|, 1e-7)) over the last axis.

    >>> mean_absolute_percentage_error([[2.0, 4.0]], [[1.0, 4.0]]).tolist()
    [25.0]
    """
    scale = ops.maximum(ops.abs(y_true), EPSILON)
    return ops.mean(ops.abs(ops.subtract(y_true, y_pred)) / scale, axis=-1) * 100.0


@elementwise
def mean_squared_logarithmic_error(y_true: TensorLike, y_pred: TensorLike) -> Tensor:
    """mean((log(1 + y_true) - log(1 + y_pred))²) over the last axis; values below 1e-7 count as that.

    >>> mean_squared_logarithmic_error([[0.0, 3.0]], [[-1.0, 3.0]]).tolist()
    [0.0]
    """
    true, predicted = ops.log1p(ops.maximum(y_true, EPSILON)), ops.log1p(ops.maximum(y_pred, EPSILON))
    return ops.mean(ops.square(true - predicted), axis=-1)


@elementwise
def huber(y_true: TensorLike, y_pred: TensorLike, delta: float = 1.0) -> Tensor:
    """mean(e² / 2 if |e| <= delta, else delta · |e| - delta² / 2) of the errors e, over the last axis.

    >>> huber([[0.0, 1.0]], [[4.0, 0.0]]).tolist()
    [2.0]

    Reference: Huber 1964, "Robust Estimation of a Location Parameter", section 5.
    """
    error = ops.abs(ops.subtract(y_true, y_pred))
    inner = ops.minimum(error, delta)  # at most delta, so that no branch overflows where the other one is taken
    return ops.mean(inner * inner * 0.5 + (error - inner) * delta, axis=-1)


@elementwise
def log_cosh(y_true: TensorLike, y_pred: TensorLike) -> Tensor:
    """mean(log(cosh(y_pred - y_true))) over the last axis, without overflow.

    >>> round(log_cosh([[0.0]], [[100.0]]).item(), 3)
    99.307
    """
    error = ops.subtract(y_pred, y_true)
    return ops.mean(error + ops.softplus(error * -2.0) - math.log(2.0), axis=-1)


class MeanSquaredError(FunctionLoss, function=mean_squared_error):
    """`mean_squared_error` with weights and a reduction.

    >>> MeanSquaredError()([[0.0], [1.0]], [[2.0], [1.0]])
    Tensor(2., shape=(), dtype=float32)
    """


class MeanAbsoluteError(FunctionLoss, function=mean_absolute_error):
    """`mean_absolute_error` with weights and a reduction."""


class MeanAbsolutePercentageError(FunctionLoss, function=mean_absolute_percentage_error):
    """`mean_absolute_percentage_error` with weights and a reduction."""


class MeanSquaredLogarithmicError(FunctionLoss, function=mean_squared_logarithmic_error):
    """`mean_squared_logarithmic_error` with weights and a reduction."""


class Huber(FunctionLoss, function=huber, default_name="huber_loss"):
    """`huber` with weights and a reduction."""


class LogCosh(FunctionLoss, function=log_cosh):
    """`log_cosh` with weights and a reduction."""
