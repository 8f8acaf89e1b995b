"""Clipping of gradients by their length: of one, and of several together. A NaN stays visible.

Of a row-sparse gradient only the rows are touched, each once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .. import ops
from ..slices import IndexedSlices
from ..tensor import Tensor


def each(gradient: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """The function of a gradient that leaves zeros as they are."""
    if not isinstance(gradient, IndexedSlices):
        return function(gradient)
    rows = gradient.merged()
    return rows.with_values(function(rows.values))


def _squares(gradient: Tensor) -> Tensor:
    return ops.sum(ops.square(gradient.merged().values if isinstance(gradient, IndexedSlices) else gradient))


def by_value(gradient: Tensor, limit: float) -> Tensor:
    """Each element cut off at -limit and limit."""
    return each(gradient, lambda g: ops.clip(g, -limit, limit))


def by_norm(gradient: Tensor, limit: float) -> Tensor:
    """gradient · min(1, limit / |gradient|)."""
    factor = limit / ops.maximum(ops.sqrt(_squares(gradient)), limit)
    return each(gradient, lambda g: g * factor)


def by_global_norm(gradients: Sequence[Tensor], limit: float) -> list[Tensor]:
    """Each gradient · min(1, limit / length), with the length of all together; all NaN if that is not finite.

    Reference: Pascanu et al. 2013, algorithm 1.
    """
    norm = ops.sqrt(sum(ops.cast(_squares(g), "float32") for g in gradients))
    scale = limit / ops.maximum(norm, limit) + (norm - norm)  # the second term is 0, or NaN
    return [each(gradient, lambda g: g * ops.cast(scale, g.dtype)) for gradient in gradients]
