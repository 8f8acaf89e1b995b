"""Filters that look at a pixel's neighbors: blur, edges, structural similarity.

Their kernels are products of one for each axis, so an image is filtered along one axis after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dimensions, dtypes
from ..dimensions import Size
from ..errors import describe
from ..tensor import TensorLike, dims
from . import arrays, creation, linear, pixels, reductions, rules, windows
from .elementwise import cast_like, exp, where

NARROW = 16  # elements: with fewer of them after an axis, it is better moved to the front first


def correlated(x: Any, kernel: Any, axis: int, padding: str = "same") -> Any:
    """The sums of neighbors along an axis, weighted by a kernel [k]; for "same" there are zeros beyond the border."""
    shape = dims(x)
    axis = rules.normalize_axis(axis, len(shape))
    (reach,) = dims(kernel)
    if padding == "same" and reach != 1:
        widths = [(0, 0)] * len(shape)
        widths[axis] = ((reach - 1) // 2, reach // 2)
        x = arrays.pad(x, widths=tuple(widths))
        shape = dims(x)
    rest: Size = dimensions.product(shape[axis + 1 :])
    if axis and isinstance(rest, int) and rest < NARROW:
        order = (axis, *(i for i in range(len(shape)) if i != axis))
        y = correlated(arrays.transpose(x, axes=order), kernel, 0, "valid")
        return arrays.transpose(y, axes=tuple(order.index(i) for i in range(len(shape))))
    rows = arrays.reshape(x, newshape=(dimensions.product(shape[:axis]), shape[axis], rest))
    y = linear.matmul(kernel, windows.unfold(rows, window=(reach,), strides=(1,), dilation=(1,)))
    return arrays.reshape(y, newshape=(*shape[:axis], dims(y)[1], *shape[axis + 1 :]))


def bell(size: int, sigma: Any) -> Any:
    """exp(-x² / 2σ²) at `size` places around 0 at distance 1, with the sum 1; all of it at 0 for sigma 0."""
    place = np.arange(size, dtype=sigma.dtype) - (size - 1) / 2
    weights = where(place == 0, 1.0, exp(-(place * place) / (sigma * sigma * 2.0)))
    return weights / reductions.sum(weights)


def gaussian_blur(
    images: TensorLike,
    kernel_size: int | Sequence[int] = (3, 3),
    sigma: TensorLike = (1.0, 1.0),
    data_format: str | None = None,
) -> Any:
    """Images in which each pixel is a mean of its neighbors, weighted by exp(-(x² / 2σ₀² + y² / 2σ₁²)).

    Beyond the border there are zeros, so that it gets darker. As Keras computes, not as it says, the first number of
    `kernel_size` and of `sigma` belongs to the width, the second to the height. Gradients flow into sigma too.

    Args:
      images: floats, or integers, for which results are rounded.
      kernel_size: how many pixels across and down count.
      sigma: the standard deviations across and down, in pixels.
      data_format: "channels_last" (None too) or "channels_first".

    Raises:
      ValueError: unless the kernel has two sizes > 0, and sigma two numbers.

    >>> np.round(gaussian_blur(np.ones((3, 3, 1)))[1, :, 0], 2).tolist()
    [0.73, 1.0, 0.73]
    """
    down, across, _ = pixels.axes("gaussian_blur", images, data_format)
    try:
        columns, rows = windows.each(kernel_size, 2, "kernel_size")
    except ValueError as error:
        raise ValueError(f"gaussian_blur: {error}") from None
    spread: Any = creation.convert_to_tensor(sigma)
    if len(dims(spread)) != 1 or dimensions.same(dims(spread)[0], 2) is False:
        raise ValueError(f"gaussian_blur: expected two numbers, across and down, as sigma, got {describe(sigma)}.")

    def blur(x: Any) -> Any:
        deviations = cast_like(spread, x)
        for axis, size, i in ((down, rows, 1), (across, columns, 0)):
            x = correlated(x, bell(size, arrays.getitem(deviations, key=(i,))), axis)
        return x

    return pixels.in_float(blur, images)


SMOOTH = (1.0, 2.0, 1.0)
SLOPE = (-1.0, 0.0, 1.0)


def sobel_edges(images: TensorLike, data_format: str | None = None) -> Any:
    """How much images change down and across at each pixel, in a new last axis (Sobel & Feldman 1968).

    The change along an axis, x[i + 1] - x[i - 1], is summed over three rows with the weights 1, 2, 1. Beyond the
    border there are zeros. Integers are held in range, so use floats or signed ones.

    Raises:
      ValueError: if the images have neither 3 nor 4 axes.

    >>> sobel_edges(np.array([[[0.0], [0.0], [1.0], [1.0]]] * 3))[1, 1, 0].tolist()
    [0.0, 4.0]
    """
    down, across, _ = pixels.axes("sobel_edges", images, data_format)

    def edges(x: Any) -> Any:
        smooth, slope = (np.asarray(kernel, x.dtype) for kernel in (SMOOTH, SLOPE))
        vertical = correlated(correlated(x, slope, down), smooth, across)
        horizontal = correlated(correlated(x, smooth, down), slope, across)
        return arrays.stack([vertical, horizontal], -1)

    return pixels.in_float(edges, images)


def ssim(
    image1: TensorLike,
    image2: TensorLike,
    max_val: float = 1.0,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    data_format: str | None = None,
) -> Any:
    """The mean structural similarity of two images, at most 1, for each pair of a batch (Wang et al. 2004, eq. 13).

    (2 μ₁ μ₂ + c₁) (2 σ₁₂ + c₂) / ((μ₁² + μ₂² + c₁) (σ₁² + σ₂² + c₂)), with means μ, variances σ² and the covariance
    σ₁₂ of the neighbors weighted by a Gaussian, c₁ = (k₁ max_val)² and c₂ = (k₂ max_val)².

    Args:
      image1: an image or a batch; integers are taken as float32, and so is the result.
      image2: images of the same shape.
      max_val: the difference between white and black: 255 for images of uint8.
      filter_size: how many pixels across and down count.
      filter_sigma: the Gaussian's standard deviation in pixels.
      k1: the stabilization of the means.
      k2: the stabilization of the variances.
      data_format: "channels_last" (None too) or "channels_first".

    Raises:
      ValueError: if the shapes differ, or an image is smaller than the filter.

    >>> x = np.random.default_rng(0).uniform(size=(2, 16, 16, 3))
    >>> np.round(ssim(x, x), 3).tolist()
    [1.0, 1.0]
    """
    axes = pixels.axes("ssim", image1, data_format)
    shape, other = dims(image1), dims(image2)
    if len(shape) != len(other) or any(dimensions.same(a, b) is False for a, b in zip(shape, other, strict=True)):
        raise ValueError(f"ssim: expected images of the same shape, got {describe(image1)} and {describe(image2)}.")
    if not isinstance(filter_size, (int, np.integer)) or filter_size < 1 or not filter_sigma > 0:
        raise ValueError(
            f"ssim: expected an integer filter_size >= 1 and a filter_sigma > 0, got {filter_size!r}, {filter_sigma!r}."
        )
    for size in (shape[axes[0]], shape[axes[1]]):
        if isinstance(size, int) and size < filter_size:
            raise ValueError(
                f"ssim: expected images of at least {filter_size} pixels down and across, as many as the filter has, "
                f"got {describe(image1)}. Give a smaller filter_size."
            )
    target = dtypes.result_type(image1, image2, float)
    kind = dtypes.to_compute_in(target)
    kernel = bell(int(filter_size), np.asarray(filter_sigma, np.float64)).astype(kind)
    a, b = cast_like(image1, kind), cast_like(image2, kind)
    maps = arrays.stack([a, b, a * a, b * b, a * b])
    for axis in axes[:2]:
        maps = correlated(maps, kernel, axis, "valid")
    mean_a, mean_b, square_a, square_b, product = (arrays.getitem(maps, key=(i,)) for i in range(5))
    means, squares = mean_a * mean_b, mean_a * mean_a + mean_b * mean_b
    c1, c2 = (k1 * max_val) ** 2, (k2 * max_val) ** 2
    similarity = (means * 2.0 + c1) * ((product - means) * 2.0 + c2)
    similarity = similarity / ((squares + c1) * (square_a + square_b - squares + c2))
    return cast_like(reductions.mean(similarity, axis=axes), target)
