"""Gradients of fused gradients: a primitive that computes a gradient has that of the composition it stands for.

Its operands are the gradients of what the composition gives, what was kept of the forward run, and the composition's
inputs. The rule runs the composition again, and its gradient by one tape, and takes the gradient of that by another; so
third and higher orders come of ordinary operations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import dimensions, dtypes
from .ops import recurrences, unrolled
from .primitive import Primitive
from .tape import GradientTape
from .tensor import AbstractTensor, Operand, dims, wrap


def stands_for(fused: Primitive[...], given: int, kept: int, gradient: Callable[..., tuple[Any, ...]]) -> None:
    """Defines the gradient of a fused gradient.

    Args:
      fused: the primitive.
      given: how many of its operands are gradients.
      kept: how many, after them, were kept of the forward run; they get no gradient of their own.
      gradient: from the given gradients, then the inputs, to what the primitive computes, by the composition.
    """

    def rule(wanted: Any, g: Any, y: Any, *operands: Any, **params: Any) -> list[Any]:
        free = [i for i, x in enumerate(operands) if dtypes.is_float(x.dtype) and not given <= i < given + kept]
        results: list[Any] = [None] * len(operands)
        if not all(dimensions.known(dims(x)) for x in operands):  # no steps to run: a gradient is like its operand
            for i in free:
                results[i] = AbstractTensor(dims(operands[i]), operands[i].dtype)
            return results
        tensors = [x if isinstance(x, Operand) else wrap(x) for x in operands]
        with GradientTape() as tape:
            tape.watch([tensors[i] for i in free])
            outputs = gradient(tensors[:given], tensors[given + kept :], **params)
        found = tape.gradient(outputs, tuple(tensors[i] for i in free), tuple(g), unconnected_gradients="zero")
        for i, result in zip(free, found, strict=True):
            results[i] = result if isinstance(operands[i], Operand) else result.numpy()
        return results

    fused.defvjp_all(rule)


def _lstm_gradient(given: list[Any], inputs: list[Any], backwards: bool = False) -> tuple[Any, ...]:
    z, h0, c0, kernel, bias, *masks = inputs
    mask = masks[0] if masks else None
    with GradientTape() as tape:
        tape.watch([z, h0, c0, bias])
        *outputs, before = unrolled.lstm(z, h0, c0, kernel, bias, mask, backwards)
    return *tape.gradient(outputs, (z, h0, c0, bias), given, unconnected_gradients="zero"), before


def _gru_gradient(
    given: list[Any], inputs: list[Any], backwards: bool = False, reset_after: bool = True
) -> tuple[Any, ...]:
    z, h0, kernel, bias, *masks = inputs
    mask = masks[0] if masks else None
    inner = [wrap(np.zeros(dims(z), z.dtype))] if reset_after else []
    sources = [z, h0, bias, *inner]
    with GradientTape() as tape:
        tape.watch(sources)
        y, h, *others = unrolled.gru(z, h0, kernel, bias, mask, backwards, reset_after, *inner)
    dz, dh0, dbias, *of_inner = tape.gradient([y, h], sources, given, unconnected_gradients="zero")
    before, *gated = others
    return dz, dh0, dbias, before, *of_inner, *gated


stands_for(recurrences.lstm_steps_gradient, 3, 3, _lstm_gradient)
stands_for(recurrences.gru_steps_gradient, 2, 2, _gru_gradient)
