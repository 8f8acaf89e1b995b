"""Images as matrices of their windows, and back: `keras.ops.unfold` and `fold`, channels first.

A column is a window, flattened as [channels, *window]; the columns stand in the order of the windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import dimensions
from ..dimensions import Size
from ..errors import describe
from ..tensor import TensorLike, dims
from . import arrays, windows


def _pair(value: Any, name: str, least: int = 1) -> tuple[int, int]:
    low, high = windows.each(value, 2, name, least)
    return low, high


def unfold(
    x: TensorLike,
    kernel_size: int | Sequence[int],
    dilation: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    stride: int | Sequence[int] = 1,
) -> Any:
    """The windows of an image [batch, channels, height, width] as columns: [batch, channels · window, count].

    Args:
      x: the image.
      kernel_size: the window's height and width, or one number for both; so are the others.
      dilation: the distance between the rows that a window sees.
      padding: rows of zeros on either side.
      stride: the step from window to window.

    Raises:
      ValueError: for an image without four axes, or an option that is none of these.

    Example:
      >>> unfold(np.arange(4.0).reshape(1, 1, 2, 2), (1, 2)).tolist()
      [[[0.0, 2.0], [1.0, 3.0]]]
    """
    if len(dims(x)) != 4:
        raise ValueError(f"unfold: expected an image [batch, channels, height, width], got {describe(x)}.")
    window, gaps = _pair(kernel_size, "kernel_size"), _pair(dilation, "dilation")
    pads, steps = _pair(padding, "padding", 0), _pair(stride, "stride")
    image = windows.padded(windows.channels_last(x, "channels_first"), [(n, n) for n in pads])
    seen = windows.unfold(image, window=window, strides=steps, dilation=gaps)
    batch, high, wide, *_, channels = dims(seen)
    columns = arrays.transpose(seen, axes=(0, 5, 3, 4, 1, 2))
    return arrays.reshape(columns, newshape=(batch, channels * window[0] * window[1], high * wide))


def fold(
    x: TensorLike,
    output_size: int | Sequence[int],
    kernel_size: int | Sequence[int],
    dilation: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    stride: int | Sequence[int] = 1,
) -> Any:
    """The image [batch, channels, *output_size] to which columns [batch, channels · window, count] add up.

    The dual of `unfold` with the same options: where windows overlap, their elements are added.

    Args:
      x: the columns.
      output_size: the image's height and width, or one number for both; so are the others.
      kernel_size: the window.
      dilation: the distance between the rows that a window sees.
      padding: rows on either side that are left out of the image.
      stride: the step from window to window.

    Raises:
      ValueError: if there are not as many columns, or rows in them, as such an image has.

    Example:
      >>> fold(np.ones((1, 2, 2)), (2, 2), (1, 2)).tolist()
      [[[[1.0, 1.0], [1.0, 1.0]]]]
    """
    if len(dims(x)) != 3:
        raise ValueError(f"fold: expected columns [batch, channels * window, count], got {describe(x)}.")
    window, gaps = _pair(kernel_size, "kernel_size"), _pair(dilation, "dilation")
    pads, steps = _pair(padding, "padding", 0), _pair(stride, "stride")
    size = _pair(output_size, "output_size")
    whole = [n + 2 * pad for n, pad in zip(size, pads, strict=True)]
    high, wide = (windows.window_count(*axis) for axis in zip(whole, window, steps, gaps, strict=True))
    batch, rows, count = dims(x)
    reach: Size = window[0] * window[1]
    if dimensions.same(count, high * wide) is False or dimensions.same(rows % reach, 0) is False:
        raise ValueError(
            f"fold: expected [batch, channels * {reach}, {high * wide}], the {high} x {wide} windows {window} of an "
            f"image {size}, got {describe(x)}."
        )
    seen = arrays.reshape(x, newshape=(batch, rows // reach, *window, high, wide))
    seen = arrays.transpose(seen, axes=(0, 4, 5, 2, 3, 1))
    image = windows.fold(seen, space=tuple(whole), strides=steps, dilation=gaps)
    key = (slice(None), *(slice(pad, pad + n) for n, pad in zip(size, pads, strict=True)))
    return windows.as_given(arrays.getitem(image, key=key), "channels_first")
