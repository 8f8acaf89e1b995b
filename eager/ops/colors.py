"""Color spaces: gray, RGB and HSV, pixel by pixel."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dimensions, dtypes
from ..errors import describe
from ..tensor import TensorLike, dims
from . import arrays, pixels
from .elementwise import absolute, cast_like, clip, equal, greater, identity, less, maximum, minimum, mod, where


def _planes(images: Any, axis: int) -> list[Any]:
    """The three channels, each with the axis of channels left in."""
    after = (slice(None),) * (-1 - axis)
    return [arrays.getitem(images, key=(Ellipsis, slice(i, i + 1), *after)) for i in range(3)]


def rgb_to_grayscale(images: TensorLike, data_format: str | None = None) -> Any:
    """0.2989 · red + 0.587 · green + 0.114 · blue (ITU-R BT.601), in one channel; integers lose the fraction.

    Gray images, which have one channel, come back as they are.

    Raises:
      ValueError: if the channels are neither 1 nor 3.

    >>> np.round(rgb_to_grayscale(np.full((1, 1, 3), 100.0)), 2).tolist()
    [[[99.99]]]
    """
    axis = pixels.axes("rgb_to_grayscale", images, data_format)[2]
    channels = dims(images)[axis]
    if channels == 1:
        return identity(images)
    if channels != 3:
        raise ValueError(f"rgb_to_grayscale: expected 1 or 3 channels along axis {axis}, got {describe(images)}.")
    red, green, blue = _planes(pixels.wide(images), axis)
    return cast_like(red * 0.2989 + green * 0.587 + blue * 0.114, images)


def _three(name: str, images: Any, data_format: str | None) -> int:
    """The axis of the three channels."""
    axis = pixels.axes(name, images, data_format)[2]
    if not dtypes.is_float(images.dtype):
        raise ValueError(f"{name}: expected floats in [0, 1], got {describe(images)}. Cast and divide by 255 first.")
    if dimensions.same(dims(images)[axis], 3) is False:
        raise ValueError(f"{name}: expected 3 channels along axis {axis}, got {describe(images)}.")
    return axis


def rgb_to_hsv(images: TensorLike, data_format: str | None = None) -> Any:
    """Hue, saturation and value, each in [0, 1], of red, green and blue in [0, 1] (Smith 1978).

    value = max(r, g, b), saturation = (max - min) / max, hue = 0 for red, 1/3 for green, 2/3 for blue; saturation of
    black and hue of grays are 0. Numbers below the dtype's epsilon count as 0.

    Raises:
      ValueError: if the images are no floats or have not 3 channels.

    >>> np.round(rgb_to_hsv(np.array([[[0.0, 0.0, 0.5]]])), 3).tolist()
    [[[0.667, 1.0, 0.5]]]
    """
    axis = _three("rgb_to_hsv", images, data_format)
    one = np.ones((), images.dtype)  # type: ignore[union-attr]
    epsilon = float(np.nextafter(one, one + one)) - 1.0

    def convert(x: Any) -> Any:
        red, green, blue = _planes(where(absolute(x) < epsilon, 0.0, x), axis)
        value = maximum(maximum(red, green), blue)
        spread = value - minimum(minimum(red, green), blue)
        colored = greater(spread, 0)
        saturation = where(greater(value, 0), spread / where(greater(value, 0), value, 1.0), 0.0)
        sixth = 1.0 / (where(colored, spread, 1.0) * 6.0)
        hue = where(equal(value, green), sixth * (blue - red) + 2 / 6, sixth * (red - green) + 4 / 6)
        hue = where(equal(value, red), sixth * (green - blue), hue)
        hue = where(colored, hue, 0.0)
        hue = hue + cast_like(less(hue, 0), hue)
        return arrays.concatenate(hue, saturation, value, axis=axis)

    return pixels.in_float(convert, images)


def hsv_to_rgb(images: TensorLike, data_format: str | None = None) -> Any:
    """Red, green and blue in [0, 1] of hue, saturation and value in [0, 1]; the hue has period 1 (Smith 1978).

    Raises:
      ValueError: if the images are no floats or have not 3 channels.

    >>> np.round(hsv_to_rgb(np.array([[[1 / 3, 1.0, 0.5]]])), 3).tolist()
    [[[0.0, 0.5, 0.0]]]
    """
    axis = _three("hsv_to_rgb", images, data_format)

    def convert(x: Any) -> Any:
        hue, saturation, value = _planes(x, axis)
        place = mod(hue, 1.0) * 6.0
        red = clip(absolute(place - 3.0) - 1.0, 0.0, 1.0)
        green = clip(2.0 - absolute(place - 2.0), 0.0, 1.0)
        blue = clip(2.0 - absolute(place - 4.0), 0.0, 1.0)
        gray = 1.0 - saturation
        return arrays.concatenate(*(value * (gray + saturation * color) for color in (red, green, blue)), axis=axis)

    return pixels.in_float(convert, images)
