"""Recurrent sequences composed of the operations of each step: what the fused ones mean, for any dtype and order.

Inputs come projected, as in `recurrences`, and so do masks. `before` is the h that each step began with, where its
inputs stand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import dtypes
from ..context import context
from ..dimensions import Dim
from ..tensor import AbstractTensor, dims
from . import arrays, creation, linear, scans
from .elementwise import cast_like, greater, sigmoid, tanh, where
from .loops import slices


def lstm(
    z: Any, h0: Any, c0: Any, recurrent_kernel: Any, bias: Any, mask: Any = None, backwards: bool = False
) -> tuple[Any, ...]:
    """What `lstm_sequence` says: outputs, h, c, and before."""

    def step(z: Any, states: tuple[Any, ...]) -> tuple[Any, ...]:
        h, c = states
        i, f, g, o = columns(z + linear.matmul(h, recurrent_kernel), 4)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        return sigmoid(o) * tanh(c), c

    return _sequence(z + bias, mask, (h0, c0), step, backwards)


def gru(
    z: Any,
    h0: Any,
    recurrent_kernel: Any,
    bias: Any,
    mask: Any = None,
    backwards: bool = False,
    reset_after: bool = True,
    inner: Any = None,
) -> tuple[Any, ...]:
    """What `gru_sequence` says: outputs, h, and before; r · h in the order of z, without reset_after.

    `inner`, like z, is added to what comes of h, with reset_after.
    """
    gated: list[Any] = []
    units = dims(h0)[1]
    first, second = (bias[0], bias[1]) if reset_after else (bias, None)
    gates, last = (recurrent_kernel, None) if reset_after else _parted(recurrent_kernel, 2 * units)

    def step(z: Any, states: tuple[Any, ...]) -> tuple[Any, ...]:
        (h,) = states
        z, r, n, *given = columns(z, 3 if inner is None else 6)
        product = linear.matmul(h, gates)
        parts = columns(product if second is None else product + second, 3 if reset_after else 2)
        a, b, *m = parts if inner is None else [x + y for x, y in zip(parts, given, strict=True)]
        z, r = sigmoid(z + a), sigmoid(r + b)
        if not reset_after:
            gated.append(r * h)
        n = tanh(n + (r * m[0] if reset_after else linear.matmul(gated[-1], last)))
        return (z * h + (1 - z) * n,)

    z = z + first
    z = z if inner is None else arrays.concatenate(z, inner, axis=2)
    *results, before = _sequence(z, mask, (h0,), step, backwards)
    others = [_together(gated[::-1] if backwards else gated, dims(before))] if gated else []
    return *results, before, *others


def _parted(x: Any, place: Any) -> tuple[Any, Any]:
    return x[:, :place], x[:, place:]


def _sequence(
    z: Any,
    mask: Any,
    states: tuple[Any, ...],
    step: Callable[[Any, tuple[Any, ...]], tuple[Any, ...]],
    backwards: bool,
) -> tuple[Any, ...]:
    """The outputs of all steps, the last states, and what each step began with."""
    batch, steps, _ = dims(z)
    units = dims(states[0])[1]
    if isinstance(steps, Dim) or context.symbolic_call:  # nobody asks for values: shapes need no loop
        whole = AbstractTensor((batch, steps, units), z.dtype)
        return whole, *(AbstractTensor((batch, units), z.dtype) for _ in states), whole
    rows = slices(arrays.transpose(z, axes=(1, 0, 2)), steps)
    if backwards:
        rows = rows[::-1]
    if mask is not None:
        mask = cast_like(mask, dtypes.BOOL)
        mask = scans.backwards(mask, 1) if backwards else mask
        taken = slices(arrays.expand_dims(arrays.transpose(mask, axes=(1, 0)), -1), steps)
    outputs, before = [], []
    for t, row in enumerate(rows):
        before.append(states[0])
        after = step(row, states)
        if mask is not None:
            after = tuple(where(taken[t], new, old) for new, old in zip(after, states, strict=True))
        states = after
        outputs.append(states[0])
    if not outputs:
        nothing = creation.zeros((batch, 0, units), z.dtype)
        return nothing, *states, nothing
    y = _together(outputs, (batch, steps, units))
    if mask is not None:
        begun = greater(scans.running_sum(cast_like(mask, dtypes.INTX), axis=1), 0)
        y = where(arrays.expand_dims(begun, -1), y, 0)
    return y, *states, _together(before[::-1] if backwards else before, (batch, steps, units))


def _together(steps: list[Any], shape: tuple[Any, ...]) -> Any:
    return arrays.reshape(arrays.concatenate(*steps, axis=1), newshape=shape)


def columns(x: Any, count: int) -> list[Any]:
    """A matrix in equal parts side by side."""
    width = dims(x)[1] // count
    return [x[:, k * width : (k + 1) * width] for k in range(count)]
