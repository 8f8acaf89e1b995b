"""Clipping of gradients by their length: of one, and of several together. A NaN stays visible."""

from __future__ import annotations

from collections.abc import Sequence

from .. import ops
from ..tensor import Tensor


def by_norm(gradient: Tensor, limit: float) -> Tensor:
    """gradient · min(1, limit / |gradient|)."""
    norm = ops.sqrt(ops.sum(ops.square(gradient)))
    return gradient * (limit / ops.maximum(norm, limit))


def by_global_norm(gradients: Sequence[Tensor], limit: float) -> list[Tensor]:
    """Each gradient · min(1, limit / length), with the length of all together; all NaN if that is not finite.

    Reference: Pascanu et al. 2013, algorithm 1.
    """
    norm = ops.sqrt(sum(ops.cast(ops.sum(ops.square(g)), "float32") for g in gradients))
    scale = limit / ops.maximum(norm, limit) + (norm - norm)  # the second term is 0, or NaN
    return [g * ops.cast(scale, g.dtype) for g in gradients]
