"""Losses between probabilities: how surprising labels are under predictions.

Predictions are probabilities, or any numbers ("logits") with `from_logits=True`, which is faster and more exact.
Probabilities are kept 1e-7 away from 0 and 1, as in Keras. Each class is the function with weights and a reduction.
"""

from __future__ import annotations

from typing import Any

from .. import dimensions, ops
from ..errors import Mismatch, describe
from ..ops.crossentropy import EPSILON
from ..tensor import Tensor, TensorLike, dims
from .base import FunctionLoss
from .functions import as_tensor, class_labels, elementwise, vectorwise


def _check_smoothing(name: str, label_smoothing: float) -> None:
    if not 0 <= label_smoothing <= 1:
        raise Mismatch(name, f"expected label_smoothing in [0, 1], got {label_smoothing!r}.")


@elementwise
def binary_crossentropy(
    y_true: TensorLike, y_pred: TensorLike, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Tensor:
    """mean(-y_true · log(y_pred) - (1 - y_true) · log(1 - y_pred)) over an axis.

    Args:
      y_true: labels in [0, 1], of the shape of y_pred.
      y_pred: probabilities of label 1, or their logits.
      from_logits: whether y_pred are logits.
      label_smoothing: in [0, 1]; how far labels are moved toward 1/2.
      axis: the axis of the mean.

    Raises:
      ValueError: if the shapes differ, or label_smoothing is out of range.

    >>> binary_crossentropy([[0.0, 1.0]], [[0.5, 0.5]]).numpy().round(3).tolist()
    [0.6930000185966492]
    """
    _check_smoothing("binary_crossentropy", label_smoothing)
    if label_smoothing:
        y_true = ops.multiply(y_true, 1.0 - label_smoothing) + 0.5 * label_smoothing
    return ops.mean(ops.binary_crossentropy(y_true, y_pred, from_logits), axis=axis)


@vectorwise
def categorical_crossentropy(
    y_true: TensorLike, y_pred: TensorLike, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Tensor:
    """-sum(y_true · log(y_pred)) over the axis of classes; probabilities are scaled to sum 1 first.

    Args:
      y_true: the probabilities of the classes, such as one-hot labels.
      y_pred: predicted probabilities of the classes, or their logits.
      from_logits: whether y_pred are logits.
      label_smoothing: in [0, 1]; how far labels are moved toward equal probabilities.
      axis: the axis of classes.

    Shapes:
      y_true, y_pred: float[batch, ..., classes]
      result: float[batch, ...]

    Raises:
      ValueError: if the shapes differ, there is only one class, or label_smoothing is out of range.

    >>> categorical_crossentropy([[0.0, 1.0]], [[0.5, 0.5]]).numpy().round(3).tolist()
    [0.6930000185966492]
    """
    _check_smoothing("categorical_crossentropy", label_smoothing)
    rank = len(dims(y_pred))
    if not -rank <= axis < rank or dimensions.same(dims(y_pred)[axis], 1):
        raise Mismatch(
            "categorical_crossentropy",
            f"expected two or more classes along axis {axis}, got y_pred {describe(y_pred)}. With one class the loss "
            "is always 0; for two classes and one output use binary_crossentropy.",
        )
    if label_smoothing:
        classes: Any = dims(y_true)[axis]
        y_true = ops.multiply(y_true, 1.0 - label_smoothing) + label_smoothing / classes
    return ops.categorical_crossentropy(y_true, y_pred, from_logits, axis)


def sparse_categorical_crossentropy(
    y_true: TensorLike, y_pred: TensorLike, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> Tensor:
    """-log(y_pred[y_true]) along the axis of classes; probabilities are scaled to sum 1 first.

    Args:
      y_true: the number of the right class, counted from 0.
      y_pred: predicted probabilities of the classes, or their logits.
      from_logits: whether y_pred are logits.
      ignore_class: a label, in the range or not, whose examples give 0 and are left out of means.
      axis: the axis of classes.

    Shapes:
      y_true: int[batch, ...], or with a size of 1 along the axis of classes
      y_pred: float[batch, ..., classes]
      result: float[batch, ...]

    Raises:
      ValueError: if the shapes do not belong together, or a label is no class.

    >>> sparse_categorical_crossentropy([1], [[0.5, 0.5]]).numpy().round(3).tolist()
    [0.6930000185966492]
    """
    name = "sparse_categorical_crossentropy"
    y_pred = logits = as_tensor(y_pred)
    labels, axis = class_labels(name, y_true, logits, axis)
    valid: Any = None
    if ignore_class is not None:
        valid = ops.not_equal(labels, ignore_class)
        labels = ops.where(valid, labels, 0)
        y_pred = ops.where(ops.expand_dims(valid, axis), y_pred, 1.0)  # so that no NaN of theirs has a gradient
    losses = ops.sparse_categorical_crossentropy(labels, y_pred, from_logits, axis)
    if valid is not None:
        losses = ops.where(valid, losses, 0.0)
        losses._mask = valid
    return losses


sparse_categorical_crossentropy.keeps_integers = True  # type: ignore[attr-defined] # of labels, which are no numbers to it


@vectorwise
def kl_divergence(y_true: TensorLike, y_pred: TensorLike) -> Tensor:
    """sum(y_true · log(y_true / y_pred)) over the last axis; probabilities are cut off at 1e-7 and 1.

    >>> kl_divergence([[0.0, 1.0]], [[0.5, 0.5]]).numpy().round(3).tolist()
    [0.6930000185966492]

    Reference: Kullback & Leibler 1951, eq. 2.4.
    """
    true, predicted = ops.clip(y_true, EPSILON, 1), ops.clip(y_pred, EPSILON, 1)
    return ops.sum(true * ops.log(true / predicted), axis=-1)


@elementwise
def poisson(y_true: TensorLike, y_pred: TensorLike) -> Tensor:
    """mean(y_pred - y_true · log(y_pred + 1e-7)) over the last axis: counts under predicted rates, less a constant.

    >>> poisson([[0.0, 0.0]], [[1.0, 2.0]]).tolist()
    [1.5]
    """
    return ops.mean(y_pred - y_true * ops.log(ops.add(y_pred, EPSILON)), axis=-1)  # type: ignore[operator]


class BinaryCrossentropy(FunctionLoss, function=binary_crossentropy):
    """`binary_crossentropy` with weights and a reduction.

    >>> BinaryCrossentropy(from_logits=True)([1, 0], [[0.0], [0.0]]).numpy().round(3).item()
    0.6930000185966492
    """


class CategoricalCrossentropy(FunctionLoss, function=categorical_crossentropy):
    """`categorical_crossentropy` with weights and a reduction."""


class SparseCategoricalCrossentropy(FunctionLoss, function=sparse_categorical_crossentropy, reduction_at=2):
    """`sparse_categorical_crossentropy` with weights and a reduction.

    >>> SparseCategoricalCrossentropy(from_logits=True)([1, 0], np.zeros((2, 2))).numpy().round(3).item()
    0.693
    """


class KLDivergence(FunctionLoss, function=kl_divergence):
    """`kl_divergence` with weights and a reduction."""


class Poisson(FunctionLoss, function=poisson):
    """`poisson` with weights and a reduction."""
