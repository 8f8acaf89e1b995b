"""Cross-entropies of labels and predictions, for each example; labels are never broadcast."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dimensions, dtypes
from ..context import context
from ..errors import Mismatch, describe
from ..primitive import cast
from ..tensor import AbstractTensor, TensorLike, dims
from . import arrays, reductions, rules
from .elementwise import absolute, cast_like, clip, exp, log, log1p, maximum
from .fused import fused
from .nonlinear import log_softmax

EPSILON = 1e-7  # Keras's backend.epsilon(): how far from 0 and 1 probabilities are kept


def _check_same_shape(target: Any, output: Any, name: str) -> None:
    a, b = dims(target), dims(output)
    if len(a) != len(b) or any(dimensions.same(m, n) is False for m, n in zip(a, b, strict=True)):
        raise ValueError(
            f"{name}: expected target and output of one shape, "
            f"got target {describe(target)} and output {describe(output)}."
        )


def _wide(output: Any) -> Any:
    """The output with 32 bits if it has 16, in which 1 less the least distance from it is 1."""
    return cast_like(output, dtypes.to_compute_in(output.dtype))


def _as_dtype(loss: Any, target: Any, output: Any) -> Any:
    return cast_like(loss, dtypes.result_type(target, output, float))


@fused(at=(1,), least=256)
def binary_crossentropy(target: TensorLike, output: TensorLike, from_logits: bool = False) -> Any:
    """-target · log(output) - (1 - target) · log(1 - output), elementwise."""
    _check_same_shape(target, output, "binary_crossentropy")
    x = _wide(output)
    if from_logits:
        return _as_dtype(maximum(x, 0) - x * target + log1p(exp(-absolute(x))), target, output)
    x = clip(x, EPSILON, 1 - EPSILON)
    return _as_dtype(-(target * log(x) + (1.0 - target) * log(1.0 - x)), target, output)


@fused(at=(1,), least=256)
def categorical_crossentropy(target: TensorLike, output: TensorLike, from_logits: bool = False, axis: int = -1) -> Any:
    """-sum(target · log(output)) along the axis of classes; probabilities are scaled to sum 1."""
    _check_same_shape(target, output, "categorical_crossentropy")
    logs = _log_probabilities(_wide(output), from_logits, axis)
    return _as_dtype(-reductions.sum(target * logs, axis=axis), target, output)


def _log_probabilities(output: Any, from_logits: bool, axis: int) -> Any:
    if from_logits:
        return log_softmax(output, axis)
    return log(clip(output / reductions.sum(output, axis=axis, keepdims=True), EPSILON, 1 - EPSILON))


_UNSIGNED: dict[Any, Any] = {np.dtype(np.int32): np.dtype(np.uint32), np.dtype(np.int64): np.dtype(np.uint64)}


def _check_labels(name: str, labels: Any, classes: Any) -> None:
    """Refuses labels that are no class; symbols, which have no values, pass, those of a trace until it runs."""
    if isinstance(labels, AbstractTensor):
        if context.tracing is not None:
            context.tracing.check(labels, lambda values: _check_labels(name, values, classes))
        return
    values = np.asarray(labels)
    if not values.size:
        return
    if values.dtype in _UNSIGNED and np.maximum.reduce(values.view(_UNSIGNED[values.dtype]), axis=None) < classes:
        return  # at a glance: as unsigned numbers negative ones are greater than all classes
    whole = values.dtype.kind in "iub" or bool((values == np.floor(values)).all())
    if whole and values.min() >= 0 and values.max() < classes:
        return
    wrong = ~((values >= 0) & (values < classes) & (values == np.floor(values)))
    at = tuple(int(i) for i in np.argwhere(wrong)[0])
    label = values[at].item()
    raise Mismatch(
        name,
        f"expected integer labels in [0, {classes}), for the {classes} classes of the predictions, got "
        f"{label if label % 1 else int(label)} at {at}. Labels count from 0; a loss's ignore_class leaves one out.",
    )


@fused(at=(1,), least=256)
def sparse_categorical_crossentropy(
    target: TensorLike, output: TensorLike, from_logits: bool = False, axis: int = -1
) -> Any:
    """-log(output[target]) along the axis of classes, for integer targets of one axis less than the output.

    Raises:
      ValueError: if the shapes do not belong together, the output is no float, or a target is no class.
    """
    axis = rules.normalize_axis(axis, len(dims(output)))
    classes = dims(output)[axis]
    if len(dims(target)) == len(dims(output)) and dimensions.same(dims(target)[axis], 1):
        target = arrays.squeeze(target, axis)
    rows = AbstractTensor(rules.reduced_shape(dims(output), axis, False), output.dtype)
    _check_same_shape(target, rows, f"sparse_categorical_crossentropy (classes along axis {axis})")
    _check_labels("sparse_categorical_crossentropy", target, classes)
    target = cast(target, dtype=dtypes.INTX)
    if not dtypes.is_float(output.dtype):
        raise ValueError(f"sparse_categorical_crossentropy: expected floating-point output, got {describe(output)}.")
    logs = _log_probabilities(_wide(output), from_logits, axis)
    chosen = arrays.take_along_axis(logs, arrays.expand_dims(target, axis), axis=axis)
    return cast_like(-arrays.squeeze(chosen, axis), output)
