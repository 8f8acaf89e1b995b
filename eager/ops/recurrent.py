"""Whole recurrent sequences, each as one function: LSTM and GRU.

Everything comes at once, the inputs of all steps (projected by one matrix product), a mask, the first states and the
weights; out go the outputs of all steps and the last states, so that one kernel can take the place of the composition.
Where the mask is false a step is skipped: states stay, and the output is the one before, zeros before the first step
that was taken. With go_backwards, steps are taken, and outputs stand, from the last to the first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import dimensions, dtypes
from ..context import context
from ..dimensions import Dim
from ..errors import describe
from ..tensor import AbstractTensor, TensorLike, dims
from . import arrays, creation, linear, scans
from .elementwise import cast_like, greater, sigmoid, tanh, where
from .loops import slices


def lstm_sequence(
    x: TensorLike,
    h0: TensorLike,
    c0: TensorLike,
    kernel: TensorLike,
    recurrent_kernel: TensorLike,
    bias: TensorLike | None = None,
    mask: TensorLike | None = None,
    go_backwards: bool = False,
) -> Any:
    """All outputs of a long short-term memory, and its last states: (outputs, h, c).

    i, f, g, o = split(x[t] @ kernel + h @ recurrent_kernel + bias); c = sigmoid(f) · c + sigmoid(i) · tanh(g);
    h = sigmoid(o) · tanh(c), which is the output.

    Args:
      x: [batch, steps, features].
      h0: the first h, [batch, units].
      c0: the first c, [batch, units].
      kernel: [features, 4 · units].
      recurrent_kernel: [units, 4 · units].
      bias: [4 · units] or None.
      mask: bool[batch, steps], false for steps to skip; None for none.
      go_backwards: whether to go from the last step to the first.

    Raises:
      ValueError: if the shapes do not belong together.

    Example:
      >>> x, weights = np.ones((1, 3, 2)), np.zeros((2, 4))
      >>> outputs, h, c = eagerly.ops.lstm(x, np.ones((1, 1)), np.ones((1, 1)), weights, weights[:1])
      >>> c.tolist(), outputs.shape
      ([[0.125]], (1, 3, 1))

    Reference: Hochreiter & Schmidhuber 1997; Gers et al. 2000 for the gate f.
    """
    _check("lstm", 4, x, mask, (h0, c0), kernel, recurrent_kernel, bias, False)
    x, h0, c0, kernel, recurrent_kernel, bias = _alike(x, h0, c0, kernel, recurrent_kernel, bias)

    def step(z: Any, states: tuple[Any, ...]) -> tuple[Any, ...]:
        h, c = states
        i, f, g, o = _columns(z + linear.matmul(h, recurrent_kernel), 4)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        return sigmoid(o) * tanh(c), c

    return _sequence(x, mask, (h0, c0), kernel, bias, step, go_backwards)


def gru_sequence(
    x: TensorLike,
    h0: TensorLike,
    kernel: TensorLike,
    recurrent_kernel: TensorLike,
    bias: TensorLike | None = None,
    mask: TensorLike | None = None,
    reset_after: bool = True,
    go_backwards: bool = False,
) -> Any:
    """All outputs of gated recurrent units, and their last state: (outputs, h).

    z, r, n = split(x[t] @ kernel + bias[0]), and a, b, m = split(h @ recurrent_kernel + bias[1]); then
    z = sigmoid(z + a), r = sigmoid(r + b) and h = z · h + (1 - z) · tanh(n + r · m), which is the output. With
    reset_after=False there is one bias, and r · m becomes (r · h) @ the last third of recurrent_kernel.

    Args:
      x: [batch, steps, features].
      h0: the first h, [batch, units].
      kernel: [features, 3 · units].
      recurrent_kernel: [units, 3 · units].
      bias: [2, 3 · units], [3 · units] with reset_after=False, or None.
      mask: bool[batch, steps], false for steps to skip; None for none.
      reset_after: whether r multiplies after the matrix product.
      go_backwards: whether to go from the last step to the first.

    Raises:
      ValueError: if the shapes do not belong together.

    Example:
      >>> x, weights = np.ones((1, 2, 2)), np.zeros((2, 3))
      >>> eagerly.ops.gru(x, np.ones((1, 1)), weights, weights[:1])[1].tolist()
      [[0.25]]

    Reference: Cho et al. 2014, version 3 for reset_after=True, version 1 for False.
    """
    _check("gru", 3, x, mask, (h0,), kernel, recurrent_kernel, bias, reset_after)
    x, h0, kernel, recurrent_kernel, bias = _alike(x, h0, kernel, recurrent_kernel, bias)
    units = dims(recurrent_kernel)[0]
    first, second = (bias, None) if bias is None or not reset_after else (bias[0], bias[1])
    gates, last = (recurrent_kernel, None) if reset_after else _parted(recurrent_kernel, 2 * units)

    def step(x: Any, states: tuple[Any, ...]) -> tuple[Any, ...]:
        (h,) = states
        z, r, n = _columns(x, 3)
        inner = linear.matmul(h, gates)
        a, b, *rest = _columns(inner if second is None else inner + second, 3 if reset_after else 2)
        z, r = sigmoid(z + a), sigmoid(r + b)
        n = tanh(n + (r * rest[0] if reset_after else linear.matmul(r * h, last)))
        return (z * h + (1 - z) * n,)

    return _sequence(x, mask, (h0,), kernel, first, step, go_backwards)


def _sequence(
    x: Any,
    mask: Any,
    states: tuple[Any, ...],
    kernel: Any,
    bias: Any,
    step: Callable[[Any, tuple[Any, ...]], tuple[Any, ...]],
    go_backwards: bool,
) -> tuple[Any, ...]:
    """The outputs of all steps, and the last states; `step` gets the projection of a step's input."""
    batch, steps, features = dims(x)
    width, units = dims(kernel)[1], dims(states[0])[1]
    if isinstance(steps, Dim) or context.symbolic_call:  # nobody asks for values: shapes need no loop
        specs = [AbstractTensor((batch, units), x.dtype) for _ in states]
        return AbstractTensor((batch, steps, units), x.dtype), *specs
    z = arrays.reshape(arrays.transpose(x, axes=(1, 0, 2)), newshape=(steps * batch, features))
    z = linear.matmul(z, kernel)
    rows = slices(arrays.reshape(z if bias is None else z + bias, newshape=(steps, batch, width)), steps)
    if go_backwards:
        rows = rows[::-1]
    if mask is not None:
        mask = cast_like(mask, dtypes.BOOL)
        mask = scans.backwards(mask, 1) if go_backwards else mask
        taken = slices(arrays.expand_dims(arrays.transpose(mask, axes=(1, 0)), -1), steps)
    outputs = []
    for t, row in enumerate(rows):
        after = step(row, states)
        if mask is not None:
            after = tuple(where(taken[t], new, old) for new, old in zip(after, states, strict=True))
        states = after
        outputs.append(states[0])
    if not outputs:
        return creation.zeros((batch, 0, units), x.dtype), *states
    y = arrays.reshape(arrays.concatenate(*outputs, axis=1), newshape=(batch, steps, units))
    if mask is not None:
        begun = greater(scans.running_sum(cast_like(mask, dtypes.INTX), axis=1), 0)
        y = where(arrays.expand_dims(begun, -1), y, 0)
    return y, *states


def _columns(x: Any, count: int) -> list[Any]:
    """A matrix in equal parts side by side."""
    width = dims(x)[1] // count
    return [x[:, k * width : (k + 1) * width] for k in range(count)]


def _parted(x: Any, place: Any) -> tuple[Any, Any]:
    return x[:, :place], x[:, place:]


def _alike(*operands: Any) -> list[Any]:
    """The operands in the floating dtype that they have in common."""
    target = dtypes.result_type(*(x for x in operands if x is not None), float)
    return [None if x is None else cast_like(x, target) for x in operands]


def _check(
    name: str,
    gates: int,
    x: Any,
    mask: Any,
    states: tuple[Any, ...],
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any,
    two_biases: bool,
) -> None:
    if len(dims(x)) != 3:
        raise ValueError(f"{name}: expected x [batch, steps, features], got {describe(x)}.")
    if len(dims(recurrent_kernel)) != 2:
        raise ValueError(
            f"{name}: expected recurrent_kernel [units, {gates} * units], got {describe(recurrent_kernel)}."
        )
    batch, steps, features = dims(x)
    units = dims(recurrent_kernel)[0]
    width = gates * units
    wanted = {
        "kernel": (kernel, (features, width)),
        "recurrent_kernel": (recurrent_kernel, (units, width)),
        "bias": (bias, (2, width) if two_biases else (width,)),
        "mask": (mask, (batch, steps)),
    }
    wanted |= {f"{letter}0": (state, (batch, units)) for letter, state in zip("hc", states, strict=False)}
    for what, (operand, shape) in wanted.items():
        if operand is None:
            continue
        got = dims(operand)
        if len(got) != len(shape) or any(dimensions.same(a, b) is False for a, b in zip(got, shape, strict=True)):
            raise ValueError(
                f"{name}: expected {what} of shape {dimensions.display(shape)} for x {describe(x)} and "
                f"{dimensions.display((units,))[0]} units, got {describe(operand)}."
            )
