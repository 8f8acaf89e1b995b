"""Resampling along height and width: each result is a weighted sum of pixels, so each axis is one matrix product.

Pixels are squares: pixel i of n has its center at (i + 1/2) / n of the extent. A matrix [results, pixels] holds the
weights, which are made of the sizes alone and sum to 1 for each result; near the border, weights of pixels that are
not there are left out before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import dimensions, dtypes
from ..dimensions import Size
from ..errors import describe
from ..tensor import AbstractTensor, Operand, TensorLike, dims
from . import arrays, linear, pixels, reductions, rules
from .elementwise import (
    absolute,
    cast_like,
    clip,
    greater,
    greater_equal,
    less,
    less_equal,
    logical_and,
    maximum,
    rint,
    sin,
    where,
)


def _triangle(x: Any) -> Any:
    """1 - |x| up to distance 1: linear interpolation."""
    return maximum(1.0 - x, 0.0)


def _cubic(x: Any) -> Any:
    """The cubic of Keys 1981, eq. 15, with a = -1/2."""
    near = ((x * 1.5 - 2.5) * x) * x + 1.0
    far = ((x * -0.5 + 2.5) * x - 4.0) * x + 2.0
    return where(less(x, 1.0), near, where(less(x, 2.0), far, 0.0))


def _lanczos(radius: float) -> Callable[[Any], Any]:
    """sinc(x) · sinc(x / radius) up to distance `radius` (Duchon 1979)."""

    def kernel(x: Any) -> Any:
        apart = greater(x, 1e-3)
        place = where(apart, x, 1.0) * math.pi
        value = sin(place) * sin(place / radius) * radius / (place * place)
        return where(greater(x, radius), 0.0, where(apart, value, 1.0))

    return kernel


KERNELS: dict[str, Callable[[Any], Any]] = {
    "bilinear": _triangle,
    "bicubic": _cubic,
    "lanczos3": _lanczos(3.0),
    "lanczos5": _lanczos(5.0),
}
INTERPOLATIONS = ("nearest", *KERNELS, "area")
METHODS = {
    **dict.fromkeys(("linear", "bilinear", "trilinear", "triangle"), KERNELS["bilinear"]),
    **dict.fromkeys(("cubic", "bicubic", "tricubic"), KERNELS["bicubic"]),
    "lanczos3": KERNELS["lanczos3"],
    "lanczos5": KERNELS["lanczos5"],
}


def _sampled(size: int, count: int, scale: Any, translation: Any, kernel: Any, antialias: bool) -> Any:
    """The weights [count, size] of samples at the pixels' centers, moved by x · scale + translation.

    With antialias, and if pixels get smaller, the kernel is as much wider as the pixels that it reads are closer.
    """
    step = 1.0 / scale
    samples = (np.arange(count, dtype=scale.dtype) + 0.5 - translation) * step - 0.5
    distances = absolute(arrays.expand_dims(samples, 1) - np.arange(size, dtype=scale.dtype))
    weights = kernel(distances / maximum(step, 1.0) if antialias else distances)
    inside = logical_and(greater_equal(samples, -0.5), less_equal(samples, size - 0.5))
    inside = arrays.expand_dims(inside, 1)  # then a pixel is at most 1/2 away, and the sum far from 0
    total = where(inside, reductions.sum(weights, axis=1, keepdims=True), 1.0)
    return where(inside, weights / total, 0.0)


def _overlaps(size: int, count: int) -> Any:
    """The weights [count, size] of pixels by the area that a result covers of each."""
    edges = np.arange(count + 1) * (size / count)
    start, stop = edges[:-1, None], edges[1:, None]
    pixel = np.arange(size)
    shared = np.clip(np.minimum(stop, pixel + 1) - np.maximum(start, pixel), 0, None)
    return shared / shared.sum(1, keepdims=True)


def _weights(size: Size, count: int, interpolation: str, antialias: bool, dtype: np.dtype[Any]) -> Any:
    """The matrix that resizes an axis; without values for an unknown size."""
    if not isinstance(size, int):
        return AbstractTensor((count, size), dtype)
    if interpolation == "area":
        return _overlaps(size, count).astype(dtype)
    scale = np.asarray(count / size)
    return _sampled(size, count, scale, 0.0, KERNELS[interpolation], antialias).astype(dtype)


def _nearest(size: Size, count: int) -> Any:
    """The index of the pixel that each result's center lies in."""
    if not isinstance(size, int):
        return AbstractTensor((count,), pixels.WHOLE)
    return (np.arange(count) * 2 + 1) * size // (2 * count)


def along(x: Any, matrix: Any, axis: int) -> Any:
    """The matrix [m, n] applied to each vector of n elements along an axis."""
    shape = dims(x)
    axis = rules.normalize_axis(axis, len(shape))
    lead, rest = dimensions.product(shape[:axis]), dimensions.product(shape[axis + 1 :])
    count = dims(matrix)[0]
    if axis == len(shape) - 1:
        y = linear.matmul(arrays.reshape(x, newshape=(lead, shape[axis])), arrays.transpose(matrix))
    else:
        y = linear.matmul(matrix, arrays.reshape(x, newshape=(lead, shape[axis], rest)))
    return arrays.reshape(y, newshape=(*shape[:axis], count, *shape[axis + 1 :]))


def _fitted(extent: tuple[Size, Size], size: tuple[int, int], larger: bool) -> tuple[Size, Size]:
    """The height and width nearest to the extent, not below or not above it, with the aspect ratio of `size`."""
    (height, width), (rows, columns) = extent, size
    ratio = width * rows // columns, height * columns // rows
    if larger:
        return dimensions.maximum(height, ratio[0]), dimensions.maximum(width, ratio[1])
    high, wide = (dimensions.minimum(old, new) for old, new in zip(extent, ratio, strict=True))
    return dimensions.maximum(high, 1), dimensions.maximum(wide, 1)


def resize(
    images: TensorLike,
    size: Sequence[int],
    interpolation: str = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    data_format: str | None = None,
) -> Any:
    """Images in another height and width, in the same dtype.

    Args:
      images: floats, or integers, for which results are rounded and held in range.
      size: the new height and width.
      interpolation: "nearest" (the pixel that a result's center lies in), "bilinear", "bicubic" (Keys's with a = -1/2),
        "lanczos3", "lanczos5", or "area" (the mean over what a result covers).
      antialias: whether kernels grow as the image shrinks, so that every pixel counts; "nearest" and "area" ignore it.
      crop_to_aspect_ratio: whether to cut off, evenly, what keeps the image from having the new aspect ratio.
      pad_to_aspect_ratio: whether to add, evenly, what it needs to have the new aspect ratio.
      fill_mode: "constant", the only way to pad.
      fill_value: the number to pad with.
      data_format: "channels_last" (None too) or "channels_first".

    Raises:
      ValueError: for an unknown option, a size below 1, an image without pixels, or if the image is to be both cropped
        and padded.

    >>> resize(np.array([[[0.0], [1.0]]]), (1, 4))[..., 0].tolist()
    [[0.0, 0.25, 0.75, 1.0]]
    """
    axes = pixels.axes("resize", images, data_format)[:2]
    pixels.one_of("resize", "interpolation", interpolation, INTERPOLATIONS)
    pixels.one_of("resize", "fill_mode", fill_mode, ("constant",))
    target = _two_integers(size)
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError("resize: expected at most one of crop_to_aspect_ratio and pad_to_aspect_ratio to be True.")
    height, width = extent = tuple(dims(images)[axis] for axis in axes)
    if dimensions.same(height, 0) or dimensions.same(width, 0):
        raise ValueError(f"resize: expected an image with pixels, got {describe(images)}.")
    if isinstance(fill_value, Operand):
        raise ValueError(
            f"resize: expected a number as fill_value, got {describe(fill_value)}. No gradient flows into it; for one "
            "write resize(images - fill_value, …) + fill_value"
        )

    def compute(x: Any) -> Any:
        if pad_to_aspect_ratio:
            widths: list[tuple[Size, Size]] = [(0, 0)] * len(dims(x))
            for axis, old, new in zip(axes, extent, _fitted((height, width), target, True), strict=True):
                widths[axis] = ((new - old) // 2,) * 2
            value = pixels.fill("resize", fill_value, x.dtype, rounded=True)
            x = arrays.pad(x, widths=tuple(widths), value=value)  # type: ignore[arg-type] # sizes may be symbols
        for axis, count in zip(axes, target, strict=True):
            old = dims(x)[axis]
            if interpolation == "nearest":
                x = arrays.take(x, _nearest(old, count), axis)
            else:
                x = along(x, _weights(old, count, interpolation, antialias, x.dtype), axis)
        return x

    x: Any = images
    if crop_to_aspect_ratio:
        key = [slice(None)] * len(dims(x))
        for axis, old, new in zip(axes, extent, _fitted((height, width), target, False), strict=True):
            key[axis] = slice((old - new) // 2, (old - new) // 2 + new)
        x = arrays.getitem(x, key=tuple(key))
    return compute(x) if interpolation == "nearest" else pixels.in_float(compute, x)


def _two_integers(size: Any) -> tuple[int, int]:
    try:
        height, width = (int(n) for n in size)
    except (TypeError, ValueError):
        raise ValueError(f"resize: expected two integers, height and width, as size, got {size!r}.") from None
    if height < 1 or width < 1:
        raise ValueError(f"resize: expected a height and a width >= 1 as size, got {size!r}.")
    return height, width


def scale_and_translate(
    images: TensorLike,
    output_shape: Sequence[Any],
    scale: TensorLike,
    translation: TensorLike,
    spatial_dims: Sequence[int],
    method: str,
    antialias: bool = True,
) -> Any:
    """Images resampled along some axes, where x becomes x · scale + translation; 0 where no pixel comes to lie.

    Pixel i has its center at i + 1/2. Gradients flow into the images, the scale and the translation.

    Args:
      images: a tensor of any rank; integers are rounded and held between the least and the largest of them.
      output_shape: the shape of the result, as that of the images but for `spatial_dims`; None stands for an old size.
      scale: a number for each of `spatial_dims`.
      translation: a number for each of `spatial_dims`, in pixels of the result.
      spatial_dims: the axes to resample.
      method: "linear" (or "bilinear", "trilinear", "triangle"), "cubic" (or "bicubic", "tricubic"; Keys's with
        a = -1/2), "lanczos3" or "lanczos5".
      antialias: whether kernels grow where scale < 1, so that every pixel counts.

    Raises:
      ValueError: for an unknown method, or if shapes and axes do not fit.

    >>> x = np.arange(3.0)
    >>> scale_and_translate(x, (5,), np.array([2.0]), np.array([-0.5]), (0,), "linear").tolist()
    [0.0, 0.5, 1.0, 1.5, 2.0]
    """
    kernel = METHODS[pixels.one_of("scale_and_translate", "method", method, METHODS)]
    shape, rank = dims(images), len(dims(images))
    axes = tuple(int(axis) for axis in spatial_dims)
    if any(not -rank <= axis < rank for axis in axes) or len({axis % rank for axis in axes}) != len(axes):
        raise ValueError(
            f"scale_and_translate: expected different axes in [{-rank}, {rank}) as spatial_dims, got {axes}."
        )
    for name, value in (("scale", scale), ("translation", translation)):
        if len(dims(value)) != 1 or dimensions.same(dims(value)[0], len(axes)) is False:
            raise ValueError(
                f"scale_and_translate: expected a number for each of the {len(axes)} spatial_dims as {name}, "
                f"got {describe(value)}."
            )
    axes = tuple(axis % rank for axis in axes)
    target = tuple(output_shape)
    if len(target) != rank or any(
        new is not None and dimensions.same(old, new) is False
        for axis, (old, new) in enumerate(zip(shape, target, strict=True))
        if axis not in axes
    ):
        raise ValueError(
            f"scale_and_translate: expected an output_shape as that of the images but for the axes {axes}, "
            f"got {target} for {describe(images)}."
        )
    exact = dtypes.to_compute_in(dtypes.result_type(scale, translation, float))
    factors, offsets = cast_like(scale, exact), cast_like(translation, exact)
    y: Any = pixels.wide(images)
    for i, axis in enumerate(axes):
        count = shape[axis] if target[axis] is None else target[axis]
        if isinstance(shape[axis], int) and isinstance(count, int):
            key = (i,)
            factor, offset = arrays.getitem(factors, key=key), arrays.getitem(offsets, key=key)
            matrix = cast_like(_sampled(shape[axis], count, factor, offset, kernel, antialias), y)
        else:
            matrix = AbstractTensor((count, shape[axis]), y.dtype)
        y = along(y, matrix, axis)
    dtype: np.dtype[Any] = images.dtype  # type: ignore[union-attr]
    if axes and dtype.kind in "iu":
        info = np.iinfo(dtype)
        low, high = reductions.min(images, initial=info.max), reductions.max(images, initial=info.min)
        y = clip(rint(y), cast_like(low, y), cast_like(high, y))
    return pixels.in_dtype(y, dtype)
