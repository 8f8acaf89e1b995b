"""Connectionist temporal classification: the loss of Graves et al. 2006, and decoding.

Labels with blanks before, between and after them are the states of a path: from one time to the next it stays, steps to
the next state, or leaves out a blank between different labels. `log_scan` sums over all paths in the log domain, over
batch and states at once; its gradient is `band_scan`, a linear recurrence that is its own dual, run the other way.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dimensions, dtypes
from ..errors import describe
from ..primitive import cast, primitive
from ..tensor import AbstractTensor, TensorLike, dims
from . import arrays, creation, reductions
from .elementwise import cast_like, equal, exp, maximum, minimum, not_equal, select, where
from .nonlinear import log_softmax, logsumexp

STEPS = (0, 1, 2)  # how many states a path goes ahead


def _moved(states: Any, step: int, fill: float = 0.0) -> Any:
    """What stood `step` states before, along the last axis."""
    if not step:
        return states
    widths = (*((0, 0),) * (states.ndim - 1), (step, 0))
    return arrays.getitem(arrays.pad(states, widths=widths, value=fill), key=(..., slice(0, dims(states)[-1])))


@primitive(shape=lambda start, scores, skip: AbstractTensor(scores.dims, scores.dtype))
def log_scan(start: TensorLike, scores: TensorLike, skip: TensorLike) -> Any:
    """z_0 = start; z_t(s) = log Σ_k exp(z_{t-1}(s - k) + scores_{t-1}(s - k)) over k = 0, 1, and 2 where skip(s).

    start: [batch, states]; scores: [time, batch, states]; skip: bool[batch, states].
    """
    scores, skip = np.asarray(scores), np.asarray(skip)
    z = np.empty(scores.shape, scores.dtype)
    if not len(z):
        return z
    z[0] = start
    before = np.full(
        (*scores.shape[1:-1], scores.shape[-1] + 2), -np.inf, scores.dtype
    )  # two states ahead of the first
    for t in range(1, len(z)):
        np.add(z[t - 1], scores[t - 1], out=before[:, 2:])
        stay, next_, over = before[:, 2:], before[:, 1:-1], np.where(skip, before[:, :-2], -np.inf)
        top = np.maximum(np.maximum(stay, next_), over)
        top = np.where(top == -np.inf, 0, top).astype(scores.dtype)  # nothing leads here: log 0 below
        z[t] = np.log(np.exp(stay - top) + np.exp(next_ - top) + np.exp(over - top)) + top
    return z


def _log_scan_back(wanted: Any, g: Any, y: Any, start: Any, scores: Any, skip: Any) -> Any:
    last = slice(0, dimensions.maximum(dims(y)[0] - 1, 0))
    before = arrays.getitem(y + scores, key=(last,))
    after = arrays.getitem(y, key=(slice(1, None),))
    after = where(equal(after, -np.inf), 0, after)
    weights = [exp(_moved(before, step, -np.inf) - after) for step in STEPS]
    weights[2] = where(skip, weights[2], 0)
    total = band_scan(g, weights[0], weights[1], weights[2], reverse=True)
    first = reductions.sum(arrays.getitem(total, key=(slice(0, 1),)), axis=0) if wanted[0] else None
    return [first, total - g if wanted[1] else None, None]


log_scan.defvjp_all(_log_scan_back)


@primitive(shape=lambda x, w0, w1, w2, reverse: AbstractTensor(x.dims, x.dtype))
def band_scan(x: TensorLike, w0: TensorLike, w1: TensorLike, w2: TensorLike, reverse: bool) -> Any:
    """y_0 = x_0; y_t(s) = x_t(s) + Σ_k w_k,t-1(s) · y_{t-1}(s - k); in reverse its transpose, from the last time on.

    x: [time, batch, states]; w0, w1, w2: [time - 1, batch, states].
    """
    y = np.array(x)
    for t in range(len(y) - 2, -1, -1) if reverse else range(1, len(y)):
        for step, w in zip(STEPS, (w0, w1, w2), strict=True):
            if reverse:
                part = np.asarray(w[t][:, step:] * y[t + 1][:, step:])
                y[t][:, : part.shape[1]] += part
            else:
                part = np.asarray(w[t - 1][:, step:] * y[t - 1][:, : y.shape[2] - step if step else None])
                y[t][:, step : step + part.shape[1]] += part
    return y


def _band_scan_back(wanted: Any, g: Any, y: Any, x: Any, w0: Any, w1: Any, w2: Any, reverse: bool) -> Any:
    """The transpose of a linear map; a weight's share is what it multiplied on both sides."""
    back = band_scan(g, w0, w1, w2, reverse=not reverse)
    early, late = (back, y) if reverse else (y, back)
    early = arrays.getitem(early, key=(slice(0, dimensions.maximum(dims(g)[0] - 1, 0)),))
    late = arrays.getitem(late, key=(slice(1, None),))
    shares = [late * _moved(early, step) if want else None for step, want in zip(STEPS, wanted[1:], strict=True)]
    return [back if wanted[0] else None, *shares]


band_scan.defvjp_all(_band_scan_back)


def ctc_loss(
    target: TensorLike,
    output: TensorLike,
    target_length: TensorLike,
    output_length: TensorLike,
    mask_index: int = 0,
) -> Any:
    """-log of the probability that a path through the output spells the target, for each example.

    Infinite, with a gradient of 0, where the output is too short for the target.

    Args:
      target: labels [batch, longest target]; what stands after an example's target is not looked at.
      output: logits [batch, longest output, classes].
      target_length: [batch].
      output_length: [batch].
      mask_index: the class that means no label, the blank.

    Raises:
      ValueError: if shapes do not belong together, or a length or label is out of range.

    Example:
      >>> f"{ctc_loss(np.array([[1]]), np.zeros((1, 2, 2)), np.array([1]), np.array([2]))[0]:.3f}"
      '0.288'

    Reference: Graves et al. 2006, section 4.1.
    """
    _check(target, output, target_length, output_length, mask_index)
    logs = log_softmax(cast_like(output, dtypes.result_type(output, dtypes.FLOATX)))
    labels = minimum(maximum(cast(target, dtype=dtypes.INTX), 0), dims(output)[-1] - 1)
    batch, count = dims(labels)
    blanks = creation.full_like(labels, fill_value=mask_index)
    states = arrays.reshape(arrays.stack([blanks, labels], axis=2), newshape=(batch, count * 2))
    states = arrays.pad(states, widths=((0, 0), (0, 1)), value=mask_index)
    skip = not_equal(_moved(states, 2), states)
    scores = arrays.take_along_axis(logs, arrays.expand_dims(states, 1), axis=2)
    scores = arrays.transpose(scores, axes=(1, 0, 2))
    first = arrays.pad(creation.zeros((batch, 1), logs.dtype), widths=((0, 0), (0, count * 2)), value=-np.inf)
    start = maximum(first, _moved(first, 1, -np.inf))  # a path begins in the first blank or in the first label
    paths = log_scan(start, scores, skip) + scores
    paths = arrays.concatenate(arrays.expand_dims(first, 0), paths, axis=0)  # after no output at all, then after each
    length, reach = (cast(x, dtype=dtypes.INTX) for x in (target_length, output_length))
    final = arrays.take_along_axis(paths, arrays.reshape(reach, newshape=(1, batch, 1)), axis=0)
    final = arrays.reshape(final, newshape=(batch, count * 2 + 1))
    blank = arrays.expand_dims(length * 2, 1)  # a path ends in the last label or in the blank behind it
    ends = [arrays.take_along_axis(final, maximum(blank - 1, 0), axis=1), arrays.take_along_axis(final, blank, axis=1)]
    ends[0] = where(equal(blank, 0), -np.inf, ends[0])
    total = arrays.concatenate(*ends, axis=1)
    possible = reductions.any(not_equal(total, -np.inf), axis=1)
    loss = -logsumexp(select(arrays.expand_dims(possible, 1), total, cast_like(0.0, logs)), axis=1)
    return where(possible, loss, np.inf)


def _check(target: Any, output: Any, target_length: Any, output_length: Any, mask_index: int) -> None:
    shapes = [dims(x) for x in (target, output, target_length, output_length)]
    ranks = tuple(map(len, shapes))
    if ranks != (2, 3, 1, 1) or any(dimensions.same(shapes[0][0], shape[0]) is False for shape in shapes):
        raise ValueError(
            "ctc_loss: expected target [batch, longest target], output [batch, longest output, classes] and two "
            f"lengths [batch], got target {describe(target)}, output {describe(output)}, target_length "
            f"{describe(target_length)} and output_length {describe(output_length)}."
        )
    classes = shapes[1][2]
    if isinstance(classes, int) and not 0 <= mask_index < classes:
        raise ValueError(f"ctc_loss: expected a class in [0, {classes}) as mask_index, got {mask_index!r}.")
    for name, length, limit in (
        ("target_length", target_length, shapes[0][1]),
        ("output_length", output_length, shapes[1][1]),
    ):
        _check_range(name, length, limit, f"lengths in [0, {limit}]")
    if all(isinstance(x, AbstractTensor) is False for x in (target, target_length)) and isinstance(classes, int):
        values = np.asarray(target)
        inside = np.arange(values.shape[1]) < np.asarray(target_length)[:, None]
        _check_range("target", np.where(inside, values, 0), classes - 1, f"labels in [0, {classes})")


def _check_range(name: str, given: Any, limit: Any, expected: str) -> None:
    """Refuses what is out of range; symbols, which have no values, pass."""
    if isinstance(given, AbstractTensor) or not isinstance(limit, int):
        return
    values = np.asarray(given)
    wrong = np.argwhere(~((values >= 0) & (values <= limit)))
    if len(wrong):
        at = tuple(int(i) for i in wrong[0])
        raise ValueError(f"ctc_loss: expected {expected} as {name}, got {values[at]} at {at}.")
