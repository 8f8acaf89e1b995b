"""How often predictions are right.

Each function gives 1 or 0 for each prediction; each class is its mean over all examples.
"""

from __future__ import annotations

from .. import ops
from ..losses.functions import class_labels, elementwise, vectorwise
from ..tensor import Tensor, TensorLike
from .reductions import FunctionMetric


@elementwise
def accuracy(y_true: TensorLike, y_pred: TensorLike) -> Tensor:
    """1 where y_true = y_pred, else 0.

    >>> accuracy([1, 2], [1, 3]).tolist()
    [1.0, 0.0]
    """
    return ops.cast(ops.equal(y_true, y_pred), "float32")


@elementwise
def binary_accuracy(y_true: TensorLike, y_pred: TensorLike, threshold: float = 0.5) -> Tensor:
    """1 where y_true = (y_pred > threshold), else 0.

    >>> binary_accuracy([1, 0], [0.7, 0.7]).tolist()
    [1.0, 0.0]
    """
    return ops.cast(ops.equal(y_true, ops.greater(y_pred, threshold)), "float32")


@vectorwise
def categorical_accuracy(y_true: TensorLike, y_pred: TensorLike) -> Tensor:
    """1 where y_true and y_pred are largest at the same class of the last axis, else 0.

    >>> categorical_accuracy([[0, 1], [1, 0]], [[0.4, 0.6], [0.3, 0.7]]).tolist()
    [1.0, 0.0]
    """
    return ops.cast(ops.equal(ops.argmax(y_true, axis=-1), ops.argmax(y_pred, axis=-1)), "float32")


def sparse_categorical_accuracy(y_true: TensorLike, y_pred: TensorLike) -> Tensor:
    """1 where y_pred is largest at class y_true of the last axis, else 0.

    Shapes:
      y_true: int[batch, ...] or int[batch, ..., 1]
      y_pred: float[batch, ..., classes]
      result: float32[batch, ...]

    Raises:
      ValueError: if the shapes do not belong together.

    >>> sparse_categorical_accuracy([1, 0], [[0.4, 0.6], [0.3, 0.7]]).tolist()
    [1.0, 0.0]
    """
    y_pred = ops.convert_to_tensor(y_pred)
    labels, axis = class_labels("sparse_categorical_accuracy", y_true, y_pred, -1)
    return ops.cast(ops.equal(labels, ops.argmax(y_pred, axis=axis)), "float32")


class Accuracy(FunctionMetric, function=accuracy):
    """The share of predictions that equal their labels.

    >>> Accuracy()([1, 2, 3, 4], [0, 2, 3, 4])
    Tensor(0.75, shape=(), dtype=float32)
    """


class BinaryAccuracy(FunctionMetric, function=binary_accuracy):
    """The share of predictions on their label's side of the threshold.

    >>> BinaryAccuracy(threshold=0.6)([1, 0], [[0.7], [0.3]])
    Tensor(1., shape=(), dtype=float32)
    """


class CategoricalAccuracy(FunctionMetric, function=categorical_accuracy):
    """The share of predictions that are largest at the class of a one-hot label.

    >>> CategoricalAccuracy()([[0, 1], [1, 0]], [[0.4, 0.6], [0.3, 0.7]])
    Tensor(0.5, shape=(), dtype=float32)
    """


class SparseCategoricalAccuracy(FunctionMetric, function=sparse_categorical_accuracy):
    """The share of predictions that are largest at the class of an integer label.

    >>> SparseCategoricalAccuracy()([1, 0], [[0.4, 0.6], [0.3, 0.7]], sample_weight=[3, 1])
    Tensor(0.75, shape=(), dtype=float32)
    """
