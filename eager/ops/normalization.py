"""Normalization: x less its mean, in units of its deviation. Compositions, the oracles of fused kernels.

16-bit floats are normalized in 32 bits; integers come out as float32.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from .. import dimensions
from ..errors import describe
from ..tensor import TensorLike, dims
from . import arrays, reductions, rules
from .crossentropy import EPSILON
from .elementwise import absolute, cast_like, maximum, power, sqrt, where
from .fused import fused


@fused()
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


def _normalized_gradient(
    g: Any, y: Any, x: Any, offset: Any, scale: Any, axis: int, epsilon: float
) -> tuple[Any, Any, Any]:
    """Ioffe & Szegedy 2015, the equations of section 3, put together."""
    _, mean, variance = y
    rank = len(dims(x))
    axes = tuple(i for i in range(rank) if i != axis)
    shape = tuple(size if i == axis else 1 for i, size in enumerate(dims(x)))

    def along(vector: Any) -> Any:
        return arrays.reshape(vector, newshape=shape)

    factor = 1.0 / sqrt(variance + epsilon)
    normal = (x - along(mean)) * along(factor)
    of_offset = reductions.sum(g, axis=axes)
    of_scale = reductions.sum(g * normal, axis=axes)
    share = 1.0 / reductions.count(x, axes)
    inner = g - along(of_offset * share) - normal * along(of_scale * share)
    return inner * along(factor if scale is None else factor * scale), of_offset, of_scale


@fused(gradient=_normalized_gradient, seen=1)
def normalization_by_batch(x: Any, offset: Any, scale: Any, axis: int, epsilon: float) -> tuple[Any, Any, Any]:
    """`batch_normalization` by x's own moments over all other axes, and these; a gradient flows through the first."""
    mean, variance = reductions.moments(x, tuple(i for i in range(len(dims(x))) if i != axis))
    return batch_normalization(x, mean, variance, axis, offset, scale, epsilon), mean, variance


def _laid_along(name: str, vector: Any, x: Any, axes: tuple[int, ...]) -> Any:
    """A parameter in a shape that broadcasts with x: one of another rank has the sizes of the normalized axes."""
    shape = dims(x)
    rank = len(dims(vector))
    vector = cast_like(vector, x)
    if rank in (0, len(shape)) or axes == tuple(range(len(shape) - rank, len(shape))):
        return vector
    expected = tuple(shape[i] for i in axes)
    if rank != len(axes) or any(dimensions.same(a, b) is False for a, b in zip(dims(vector), expected, strict=True)):
        raise ValueError(
            f"{name} of shape {dimensions.display(expected)}, the axes {axes} of {describe(x)}, got {describe(vector)}."
        )
    return arrays.reshape(vector, newshape=tuple(size if i in axes else 1 for i, size in enumerate(shape)))


def layer_normalization(
    x: TensorLike,
    gamma: TensorLike | None = None,
    beta: TensorLike | None = None,
    axis: int | Sequence[int] = -1,
    epsilon: float | None = None,
    **kwargs: Any,
) -> Any:
    """(x - mean(x)) / sqrt(var(x) + epsilon) · gamma + beta, with moments over `axis`.

    Args:
      x: what to normalize.
      gamma: a scale with the sizes of the normalized axes, or one of x's rank that broadcasts; None for 1.
      beta: an offset in the same shape; None for 0.
      axis: the axis or axes to normalize over.
      epsilon: what the variance has more; 1e-7 if None.
      **kwargs: `rms_scaling`, deprecated in Keras: if true, x / sqrt(var(x) + epsilon) · gamma.

    Raises:
      ValueError: if a parameter does not fit, or for an argument unknown.

    Example:
      >>> layer_normalization(np.array([[1.0, 3.0]]), epsilon=0.0).tolist()
      [[-1.0, 1.0]]

    Reference: Ba, Kiros & Hinton 2016, eq. 3.
    """
    deviation_only = kwargs.pop("rms_scaling", False)
    if kwargs:
        raise ValueError(f"layer_normalization: expected no further argument than rms_scaling, got {sorted(kwargs)}.")
    if deviation_only:
        warnings.warn(
            "layer_normalization: rms_scaling=True divides by the deviation, which is no root mean square, and leaves "
            "beta out. It is kept for old Keras code; use rms_normalization.",
            stacklevel=2,
        )
    axes = tuple(sorted(rules.normalize_axes(axis, len(dims(x)))))
    return _layer_normalization(x, gamma, beta, axes, EPSILON if epsilon is None else epsilon, bool(deviation_only))


@fused()
def _layer_normalization(
    x: Any, gamma: Any, beta: Any, axes: tuple[int, ...], epsilon: float, deviation_only: bool
) -> Any:
    def normalized(wide: Any) -> tuple[Any]:
        mean, variance = reductions.moments(wide, axes, keepdims=True)
        factor = 1.0 / sqrt(variance + epsilon)
        if gamma is not None:
            factor = factor * _laid_along("layer_normalization: expected gamma", gamma, wide, axes)
        if deviation_only:
            return (wide * factor,)
        y = (wide - mean) * factor
        return (y if beta is None else y + _laid_along("layer_normalization: expected beta", beta, wide, axes),)

    return reductions.in_float(normalized, x)[0]


def rms_normalization(
    x: TensorLike, scale: TensorLike | None = None, axis: int | Sequence[int] = -1, epsilon: float | None = None
) -> Any:
    """x / sqrt(mean(x²) + epsilon) · scale, with the mean over `axis`.

    Args:
      x: what to normalize.
      scale: a scale with the sizes of the normalized axes, or one of x's rank that broadcasts; None for 1.
      axis: the axis or axes to normalize over.
      epsilon: what the mean square has more; 1e-7 if None.

    Raises:
      ValueError: if the scale does not fit.

    Example:
      >>> rms_normalization(np.array([[4.0, 0.0, 0.0, 0.0]]), epsilon=0.0).tolist()
      [[2.0, 0.0, 0.0, 0.0]]

    Reference: Zhang & Sennrich 2019, eq. 4.
    """
    axes = tuple(sorted(rules.normalize_axes(axis, len(dims(x)))))
    return _rms_normalization(x, scale, axes, EPSILON if epsilon is None else epsilon)


@fused()
def _rms_normalization(x: Any, scale: Any, axes: tuple[int, ...], epsilon: float) -> Any:
    def normalized(wide: Any) -> tuple[Any]:
        square = reductions.mean(wide * wide, axis=axes, keepdims=True)
        factor = 1.0 / sqrt(square + epsilon)
        if scale is not None:
            factor = factor * _laid_along("rms_normalization: expected a scale", scale, wide, axes)
        return (wide * factor,)

    return reductions.in_float(normalized, x)[0]


def normalize(
    x: TensorLike, axis: int | Sequence[int] | None = -1, order: int = 2, epsilon: float | None = None
) -> Any:
    """x / max(norm(x), epsilon), with the norm (Σ |x|^order)^(1 / order) over `axis`.

    Args:
      x: what to normalize; a single number counts as a vector of one.
      axis: the axis or axes that a vector lies along; None for all.
      order: the exponent, an integer >= 1.
      epsilon: the least norm to divide by; 1e-7 if None.

    Raises:
      ValueError: for another order.

    Example:
      >>> normalize(np.array([[3.0, 1.0]]), order=1).tolist()
      [[0.75, 0.25]]
    """
    if not isinstance(order, int) or order < 1:
        raise ValueError(f"normalize: expected an integer >= 1 as order, got {order!r}.")
    x = x if dims(x) else arrays.reshape(x, newshape=(1,))
    least = EPSILON if epsilon is None else epsilon

    def normalized(wide: Any) -> tuple[Any]:
        terms = wide * wide if order == 2 else power(absolute(wide), order)
        total = reductions.sum(terms, axis=axis, keepdims=True)
        if order == 1:
            return (wide / maximum(total, least),)
        nothing = total <= 0  # where a root has an infinite gradient
        norm = power(where(nothing, 1.0, total), 1.0 / order) if order > 2 else sqrt(where(nothing, 1.0, total))
        return (wide / where(nothing, least, maximum(norm, least)),)

    return reductions.in_float(normalized, x)[0]
