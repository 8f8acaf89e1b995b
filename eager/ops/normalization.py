"""Normalization: x less its mean, in units of its deviation. Compositions, the oracles of fused kernels."""

from __future__ import annotations

from typing import Any

from ..tensor import TensorLike, dims
from . import arrays, rules
from .elementwise import sqrt


def batch_normalization(
    x: TensorLike,
    mean: TensorLike,
    variance: TensorLike,
    axis: int,
    offset: TensorLike | None = None,
    scale: TensorLike | None = None,
    epsilon: float = 1e-3,
) -> Any:
    """(x - mean) / sqrt(variance + epsilon) · scale + offset, for vectors that lie along `axis`."""
    rank = len(dims(x))
    axis = rules.normalize_axis(axis, rank)
    place = [1] * rank
    place[axis] = -1

    def along(vector: Any) -> Any:
        return vector if axis == rank - 1 else arrays.reshape(vector, newshape=place)

    factor = 1.0 / sqrt(variance + epsilon)
    factor = factor if scale is None else factor * scale
    y = (x - along(mean)) * along(factor)
    return y if offset is None else y + along(offset)
