"""What the image operations share: layouts, grids of pixels, and results in the dtype of the images.

An image is [height, width, channels] or, with data_format="channels_first", [channels, height, width]; a batch has an
axis before. Integers and 16-bit floats are computed in float32, and integers are then rounded and held in range.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes
from ..dimensions import Size
from ..errors import describe
from ..primitive import cast
from ..tensor import AbstractTensor, Operand, dims
from . import arrays, elementwise

WHOLE = np.dtype(np.int64)  # of indices into all pixels of a batch, of which there may be more than 2³¹


def axes(name: str, images: Any, data_format: str | None) -> tuple[int, int, int]:
    """The places of height, width and channels, counted from the end.

    Raises:
      ValueError: if the images have neither 3 nor 4 axes, or the format is no format.
    """
    if data_format not in (None, "channels_last", "channels_first"):
        raise ValueError(f"{name}: expected data_format 'channels_last' or 'channels_first', got {data_format!r}.")
    if len(dims(images)) not in (3, 4):
        raise ValueError(f"{name}: expected an image with 3 axes or a batch with 4, got {describe(images)}.")
    return (-2, -1, -3) if data_format == "channels_first" else (-3, -2, -1)


def one_of(name: str, option: str, value: Any, known: Any) -> Any:
    """The value, if it is a known one.

    Raises:
      ValueError: if it is not.
    """
    if value not in known:
        raise ValueError(f"{name}: expected {option} to be one of {', '.join(map(repr, known))}, got {value!r}.")
    return value


def as_batch(images: Any, data_format: str | None) -> Any:
    """The images as [batch, height, width, channels]."""
    shape = dims(images)
    if len(shape) == 3:
        images = arrays.reshape(images, newshape=(1, *shape))
    return images if data_format != "channels_first" else arrays.transpose(images, axes=(0, 2, 3, 1))


def as_given(batch: Any, images: Any, data_format: str | None) -> Any:
    """A batch in the layout that the images were given in."""
    y = batch if data_format != "channels_first" else arrays.transpose(batch, axes=(0, 3, 1, 2))
    return y if len(dims(images)) == 4 else arrays.reshape(y, newshape=dims(y)[1:])


def count_from(size: Size, dtype: Any) -> Any:
    """0, 1, … below the size, without values if that is unknown."""
    return np.arange(size, dtype=dtype) if isinstance(size, int) else AbstractTensor((size,), dtype)


def wide(x: Any) -> Any:
    """The values in the dtype to compute in."""
    return elementwise.cast_like(x, dtypes.to_compute_in(x.dtype))


def in_float(function: Callable[[Any], Any], images: Any) -> Any:
    """function(images), computed in float and given in the dtype of the images."""
    return in_dtype(function(wide(images)), images.dtype)


def in_dtype(y: Any, dtype: np.dtype[Any]) -> Any:
    """Floats in a dtype of images: rounded and held in range for integers; true unless 0 for bool."""
    if y.dtype == dtype:
        return y
    if dtype.kind in "iu":
        low, high = limits(dtype, y.dtype)
        y = elementwise.clip(elementwise.rint(y), low, high)
    return cast(y, dtype=dtype)


def limits(dtype: np.dtype[Any], real: np.dtype[Any]) -> tuple[Any, Any]:
    """The least and the largest float that an integer dtype holds: not 2³¹ for int32, which float32 rounds up to."""
    info = np.iinfo(dtype)
    low, high = np.asarray(info.min, real), np.asarray(info.max, real)
    return low, np.nextafter(high, low) if int(high) > info.max else high


def fill(name: str, value: Any, dtype: np.dtype[Any], rounded: bool = False) -> Any:
    """A number for pixels of the dtype: for integers without its fraction, or rounded, and held in range."""
    if isinstance(value, Operand) or dtype.kind not in "iu":
        return value
    if not np.isfinite(value):
        raise ValueError(f"{name}: expected a finite fill_value for {dtype} images, got {value!r}.")
    info = np.iinfo(dtype)
    return min(max(round(value) if rounded else int(value), int(info.min)), int(info.max))
