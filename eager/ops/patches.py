"""Parts of images: patches of equal size, a border cut off, a border added."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dimensions
from ..dimensions import Size
from ..errors import describe
from ..tensor import TensorLike, dims
from . import arrays, pixels, windows


def _extracted(name: str, x: Any, size: Any, strides: Any, dilation_rate: Any, padding: str, data_format: Any) -> Any:
    """The patches of an image with as many axes of space as `size` has numbers."""
    rank = len(size)
    if len(dims(x)) not in (rank + 1, rank + 2):
        raise ValueError(f"{name}: expected {rank + 1} axes, or {rank + 2} with a batch, got {describe(x)}.")
    if padding not in ("valid", "same"):
        raise ValueError(f"{name}: expected padding 'valid' or 'same', got {padding!r}.")
    try:
        window = windows.each(size, rank, "size")
        steps = windows.each(size if strides is None else strides, rank, "strides")
        gaps = windows.each(dilation_rate, rank, "dilation_rate")
        batch = x if len(dims(x)) == rank + 2 else arrays.expand_dims(x, 0)
        batch = windows.channels_last(batch, data_format)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    batch = windows.padded(batch, windows.padding_of(dims(batch)[1:-1], window, steps, gaps, padding))
    found = windows.unfold(batch, window=window, strides=steps, dilation=gaps)
    shape = dims(found)
    flat = arrays.reshape(found, newshape=(*shape[: rank + 1], dimensions.product(shape[rank + 1 :])))
    y = windows.as_given(flat, data_format)
    return y if batch is x or len(dims(x)) == rank + 2 else arrays.reshape(y, newshape=dims(y)[1:])


def extract_patches(
    images: TensorLike,
    size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    dilation_rate: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """All patches, each one flattened into channels: row by row, the channels of a pixel together.

    Args:
      images: images, or volumes [depth, height, width, channels] if size has three numbers, with or without a batch.
      size: the patch's height and width, or depth, height and width; an integer is height and width.
      strides: the distances between patches; size if None, so that patches lie side by side.
      dilation_rate: the distances between the pixels of a patch.
      padding: "valid" for patches inside of the image, "same" for zeros around it: ceil(size / stride) patches.
      data_format: "channels_last" (None too) or "channels_first", for both images and result.

    Raises:
      ValueError: if size has neither two nor three numbers, or the images other axes than that needs.

    >>> extract_patches(np.zeros((2, 20, 20, 3)), (5, 5)).shape
    (2, 4, 4, 75)
    """
    size = (size, size) if isinstance(size, (int, np.integer)) else tuple(size)
    if len(size) not in (2, 3):
        raise ValueError(f"extract_patches: expected an integer, or two or three, as size, got {size!r}.")
    return _extracted("extract_patches", images, size, strides, dilation_rate, padding, data_format)


def extract_patches_3d(
    volumes: TensorLike,
    size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    dilation_rate: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """`extract_patches` of volumes [depth, height, width, channels]; an integer is depth, height and width.

    Raises:
      ValueError: if size has not three numbers, or the volumes neither four nor five axes.

    >>> extract_patches_3d(np.zeros((2, 6, 6, 6, 1)), 3).shape
    (2, 2, 2, 2, 27)
    """
    size = (size,) * 3 if isinstance(size, (int, np.integer)) else tuple(size)
    if len(size) != 3:
        raise ValueError(f"extract_patches_3d: expected an integer, or three, as size, got {size!r}.")
    return _extracted("extract_patches_3d", volumes, size, strides, dilation_rate, padding, data_format)


def _split(
    name: str, images: Any, size: Size, before: tuple[str, Any], after: tuple[str, Any], target: tuple[str, Any]
) -> tuple[Size, Size]:
    """What is cut off (sign -1) or added (+1) before and after along an axis, of which two numbers are given.

    Raises:
      ValueError: unless exactly two of the three are given, or if one is negative.
    """
    given = (before, after, target)
    sign = 1 if name == "pad_images" else -1
    if sum(value is None for _, value in given) != 1:
        names = ", ".join(option for option, _ in given)
        values = ", ".join(repr(value) for _, value in given)
        raise ValueError(f"{name}: expected exactly two of {names}, got {values}.")
    first, last, reached = (value for _, value in given)
    if first is None:
        first = (reached - size) * sign - last
    elif last is None:
        last = (reached - size) * sign - first
    else:
        reached = size + (first + last) * sign
    for (option, _), value in zip(given, (first, last, reached), strict=True):
        if isinstance(value, (int, np.integer)) and value < 0:
            raise ValueError(f"{name}: expected {option} >= 0, got {value} for {describe(images)}.")
    return first, last


def pad_images(
    images: TensorLike,
    top_padding: int | None = None,
    left_padding: int | None = None,
    bottom_padding: int | None = None,
    right_padding: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
) -> Any:
    """Images with rows and columns of zeros around them; two of top, bottom and target height are given, and so on.

    Raises:
      ValueError: unless two of each three are given, or if one is negative or would have to be.

    >>> pad_images(np.ones((2, 15, 25, 3)), 2, 3, target_height=20, target_width=30).shape
    (2, 20, 30, 3)
    """
    across, along, _ = pixels.axes("pad_images", images, data_format)
    shape = dims(images)
    widths: list[tuple[Size, Size]] = [(0, 0)] * len(shape)
    widths[across] = _split(
        "pad_images", images, shape[across],
        ("top_padding", top_padding), ("bottom_padding", bottom_padding), ("target_height", target_height),
    )  # fmt: skip
    widths[along] = _split(
        "pad_images", images, shape[along],
        ("left_padding", left_padding), ("right_padding", right_padding), ("target_width", target_width),
    )  # fmt: skip
    return arrays.pad(images, widths=tuple(widths))  # type: ignore[arg-type] # sizes may be symbols


def crop_images(
    images: TensorLike,
    top_cropping: int | None = None,
    left_cropping: int | None = None,
    bottom_cropping: int | None = None,
    right_cropping: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
) -> Any:
    """Images without rows and columns at their borders; two of top, bottom and target height are given, and so on.

    Raises:
      ValueError: unless two of each three are given, or if one is negative or would have to be.

    >>> crop_images(np.arange(9.0).reshape(3, 3, 1), 0, 1, target_height=2, target_width=2)[..., 0].tolist()
    [[1.0, 2.0], [4.0, 5.0]]
    """
    across, along, _ = pixels.axes("crop_images", images, data_format)
    shape = dims(images)
    key = [slice(None)] * len(shape)
    top, bottom = _split(
        "crop_images", images, shape[across],
        ("top_cropping", top_cropping), ("bottom_cropping", bottom_cropping), ("target_height", target_height),
    )  # fmt: skip
    left, right = _split(
        "crop_images", images, shape[along],
        ("left_cropping", left_cropping), ("right_cropping", right_cropping), ("target_width", target_width),
    )  # fmt: skip
    key[across] = slice(top, shape[across] - bottom)
    key[along] = slice(left, shape[along] - right)
    return arrays.getitem(images, key=tuple(key))
