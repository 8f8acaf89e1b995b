"""Pooling over the axes of space, in the layouts of convolutions: by the size of windows or by their number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import dimensions
from ..dimensions import Size
from ..errors import describe
from ..tensor import TensorLike, dims
from . import arrays, pools, reductions, windows


def _space(name: str, inputs: Any, data_format: str | None) -> tuple[Any, int]:
    """The image with channels last, and how many axes its space has."""
    rank = len(dims(inputs)) - 2
    if rank < 1:
        raise ValueError(f"{name}: expected inputs with axes of batch, space and channels, got {describe(inputs)}.")
    return windows.channels_last(inputs, data_format), rank


def max_pool(
    inputs: TensorLike,
    pool_size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """The largest element of each window; of equal ones, the first gets the gradient.

    Args:
      inputs: [batch, *space, channels], or [batch, channels, *space] for "channels_first".
      pool_size: the window along each axis of space, or along all of them.
      strides: the steps from window to window; the window's size if None.
      padding: "valid", or "same" for ceil(size / stride) windows.
      data_format: "channels_last" (None means it) or "channels_first".

    Raises:
      ValueError: for inputs without space, or an option that is none of these.

    Example:
      >>> max_pool(np.array([[[1.0], [3.0], [2.0]]]), 2, 1).tolist()
      [[[3.0], [3.0]]]
    """
    x, rank = _space("max_pool", inputs, data_format)
    window = windows.each(pool_size, rank, "pool_size")
    steps = window if strides is None else windows.each(strides, rank, "strides")
    padding = windows.one_of(padding, "valid", "same")
    y = pools.max_pool_windows(x, window=window, strides=steps, padding=padding)[0]
    return windows.as_given(y, data_format)


def average_pool(
    inputs: TensorLike,
    pool_size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """The mean of each window, over the elements that lie inside of the image.

    Args:
      inputs: [batch, *space, channels], or [batch, channels, *space] for "channels_first".
      pool_size: the window along each axis of space, or along all of them.
      strides: the steps from window to window; the window's size if None.
      padding: "valid", or "same" for ceil(size / stride) windows.
      data_format: "channels_last" (None means it) or "channels_first".

    Raises:
      ValueError: for inputs without space, or an option that is none of these.

    Example:
      >>> average_pool(np.array([[[1.0], [3.0], [5.0]]]), 2, padding="same").tolist()
      [[[2.0], [5.0]]]
    """
    x, rank = _space("average_pool", inputs, data_format)
    window = windows.each(pool_size, rank, "pool_size")
    steps = window if strides is None else windows.each(strides, rank, "strides")
    padding = windows.one_of(padding, "valid", "same")

    def means(image: Any) -> tuple[Any]:
        return (pools.average_pool_windows(image, window=window, strides=steps, padding=padding),)

    return windows.as_given(reductions.in_float(means, x)[0], data_format)


def _in_parts(x: Any, parts: Sequence[int], reduce: Callable[..., Any]) -> Any:
    """Space cut into a number of windows: the i-th of k along a size n is [floor(i n / k), ceil((i + 1) n / k))."""
    for axis, count in reversed(list(enumerate(parts, 1))):
        shape = dims(x)
        size: Size = shape[axis]
        if dimensions.same(size % count, 0):
            cut = arrays.reshape(x, newshape=(*shape[:axis], count, size // count, *shape[axis + 1 :]))
            x = reduce(cut, axis=axis + 1)
            continue
        pieces = []
        for i in range(count):
            window = slice(size * i // count, -(-size * (i + 1) // count))
            piece = arrays.getitem(x, key=(*(slice(None),) * axis, window))
            pieces.append(reduce(piece, axis=axis, keepdims=True))
        x = arrays.concatenate(*pieces, axis=axis)
    return x


def adaptive_average_pool(inputs: TensorLike, output_size: int | Sequence[int], data_format: str | None = None) -> Any:
    """The means of `output_size` windows that cover an image of any size; neighbors may share a row.

    Args:
      inputs: [batch, *space, channels], or [batch, channels, *space] for "channels_first".
      output_size: how many windows along each axis of space, or along all of them.
      data_format: "channels_last" (None means it) or "channels_first".

    Raises:
      ValueError: for inputs without space, or sizes below 1.

    Example:
      >>> adaptive_average_pool(np.array([[[1.0], [3.0], [5.0]]]), 2).tolist()
      [[[2.0], [4.0]]]
    """
    x, rank = _space("adaptive_average_pool", inputs, data_format)
    parts = windows.each(output_size, rank, "output_size")
    y = reductions.in_float(lambda image: (_in_parts(image, parts, reductions.mean),), x)[0]
    return windows.as_given(y, data_format)


def adaptive_max_pool(inputs: TensorLike, output_size: int | Sequence[int], data_format: str | None = None) -> Any:
    """The largest elements of `output_size` windows that cover an image of any size; equal ones share the gradient.

    Args:
      inputs: [batch, *space, channels], or [batch, channels, *space] for "channels_first".
      output_size: how many windows along each axis of space, or along all of them; neighbors may share a row.
      data_format: "channels_last" (None means it) or "channels_first".

    Raises:
      ValueError: for inputs without space, or sizes below 1.

    Example:
      >>> adaptive_max_pool(np.array([[[1.0], [3.0], [5.0]]]), 2).tolist()
      [[[3.0], [5.0]]]
    """
    x, rank = _space("adaptive_max_pool", inputs, data_format)
    parts = windows.each(output_size, rank, "output_size")
    return windows.as_given(_in_parts(x, parts, reductions.max), data_format)
