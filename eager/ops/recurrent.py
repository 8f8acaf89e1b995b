"""Whole recurrent sequences, each as one function: LSTM and GRU.

Everything comes at once, the inputs of all steps (projected by one matrix product), a mask, the first states and the
weights; out go the outputs of all steps and the last states. One primitive does it, and one its gradient.
Where the mask is false a step is skipped: states stay, and the output is the one before, zeros before the first step
that was taken. With go_backwards, steps are taken, and outputs stand, from the last to the first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dimensions, dtypes
from ..errors import describe
from ..tensor import TensorLike, dims
from . import arrays, creation, linear, recurrences, unrolled
from .elementwise import cast_like

FUSED = (np.dtype("float32"), np.dtype("float64"))  # the dtypes that have primitives of all steps


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
    units = dims(recurrent_kernel)[0]
    bias = creation.zeros((4 * units,), x.dtype) if bias is None else bias
    operands = (_projected(x, kernel), h0, c0, recurrent_kernel, bias)
    return _run(recurrences.lstm_steps, unrolled.lstm, operands, mask, go_backwards)


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
    if bias is None:
        bias = creation.zeros((2, 3 * units) if reset_after else (3 * units,), x.dtype)
    operands = (_projected(x, kernel), h0, recurrent_kernel, bias)
    return _run(recurrences.gru_steps, unrolled.gru, operands, mask, go_backwards, reset_after=bool(reset_after))


def _projected(x: Any, kernel: Any) -> Any:
    """x @ kernel, of all steps in one product."""
    batch, steps, features = dims(x)
    z = linear.matmul(arrays.reshape(x, newshape=(batch * steps, features)), kernel)
    return arrays.reshape(z, newshape=(batch, steps, dims(kernel)[1]))


def _run(
    fused: Any, composed: Any, operands: tuple[Any, ...], mask: Any, go_backwards: bool, **options: Any
) -> tuple[Any, ...]:
    """Outputs and last states, by a primitive for all steps if there is one for the dtype."""
    mask = None if mask is None else cast_like(mask, dtypes.BOOL)
    if operands[0].dtype not in FUSED:
        results = composed(*operands, mask, go_backwards, **options)
    else:
        given = operands if mask is None else (*operands, mask)
        results = fused(*given, backwards=bool(go_backwards), **options)
    return tuple(results[: fused.outputs])


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
