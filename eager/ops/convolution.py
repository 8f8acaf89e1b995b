"""Convolutions over one, two or three axes of space, as compositions of windows and matrix products.

Layouts: "channels_last" [batch, *space, channels] and "channels_first" [batch, channels, *space].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import dimensions
from ..dimensions import Size
from ..errors import describe
from ..tensor import TensorLike, dims
from . import arrays, linear, windows


def conv(
    inputs: TensorLike,
    kernel: TensorLike,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: int | Sequence[int] = 1,
) -> Any:
    """Cross-correlation of an image with a kernel [*window, channels / groups, filters].

    The number of groups is the input's channels over the kernel's.

    Raises:
      ValueError: if ranks, channels or groups do not fit.
    """
    x: Any = windows.channels_last(inputs, data_format)
    *window, depth, filters = dims(kernel)
    rank = len(window)
    if x.ndim != rank + 2:
        raise ValueError(
            f"conv: expected inputs with {rank + 2} axes for the kernel {describe(kernel)}, got {describe(inputs)}."
        )
    channels = dims(x)[-1]
    if channels % depth or filters % (channels // depth):
        raise ValueError(
            f"conv: the input's {channels} channels must be a multiple of the kernel's {depth}, and its {filters} "
            f"filters a multiple of the groups; got inputs {describe(inputs)} and kernel {describe(kernel)}."
        )
    steps, gaps = windows.each(strides, rank, "strides"), windows.each(dilation_rate, rank, "dilation_rate")
    x = windows.padded(x, windows.padding_of(dims(x)[1:-1], window, steps, gaps, padding))
    patches = windows.unfold(x, window=tuple(window), strides=steps, dilation=gaps)
    batch, *space = dims(patches)[: rank + 1]
    groups = channels // depth
    reach = dimensions.product(window)
    if groups == 1:
        rows = arrays.reshape(patches, newshape=(-1, reach * depth))
        y = linear.matmul(rows, arrays.reshape(kernel, newshape=(reach * depth, filters)))
    else:
        rows = arrays.reshape(patches, newshape=(-1, reach, groups, depth))
        rows = arrays.reshape(arrays.transpose(rows, axes=(2, 0, 1, 3)), newshape=(groups, -1, reach * depth))
        columns = arrays.reshape(kernel, newshape=(reach * depth, groups, filters // groups))
        y = arrays.transpose(linear.matmul(rows, arrays.transpose(columns, axes=(1, 0, 2))), axes=(1, 0, 2))
    return windows.as_given(arrays.reshape(y, newshape=(batch, *space, filters)), data_format)


def transposed_size(size: Size, width: int, stride: int, padding: str, output_padding: int | None, gap: int) -> Size:
    """The extent that a transposed convolution gives, as TensorFlow and Keras define it."""
    reach = (width - 1) * gap + 1
    if padding == "valid":
        extra = max(reach, stride) - reach if output_padding is None else output_padding
        return (size - 1) * stride + reach + extra
    return size * stride if output_padding is None else (size - 1) * stride + reach % 2 + output_padding


def conv_transpose(
    inputs: TensorLike,
    kernel: TensorLike,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    output_padding: int | Sequence[int] | None = None,
    data_format: str | None = None,
    dilation_rate: int | Sequence[int] = 1,
) -> Any:
    """The gradient of a convolution with respect to its input; the kernel is [*window, filters, channels].

    Raises:
      ValueError: if ranks or channels do not fit.
    """
    x: Any = windows.channels_last(inputs, data_format)
    *window, filters, depth = dims(kernel)
    rank = len(window)
    if x.ndim != rank + 2 or dimensions.same(dims(x)[-1], depth) is False:
        raise ValueError(
            f"conv_transpose: expected {rank + 2} axes and {depth} channels for the kernel {describe(kernel)}, "
            f"got {describe(inputs)}."
        )
    if padding not in ("valid", "same"):
        raise ValueError(f"padding: expected 'valid' or 'same', got {padding!r}.")
    steps, gaps = windows.each(strides, rank, "strides"), windows.each(dilation_rate, rank, "dilation_rate")
    extra = output_padding if isinstance(output_padding, (tuple, list)) else (output_padding,) * rank
    batch, *space, _ = dims(x)
    columns = arrays.transpose(arrays.reshape(kernel, newshape=(-1, depth)))
    patches = linear.matmul(arrays.reshape(x, newshape=(-1, depth)), columns)
    patches = arrays.reshape(patches, newshape=(batch, *space, *window, filters))
    reached, key = [], []
    for size, width, stride, more, gap in zip(space, window, steps, extra, gaps, strict=True):
        full = (size - 1) * stride + (width - 1) * gap + 1
        target = transposed_size(size, width, stride, padding, more, gap)
        before = dimensions.maximum(full - target, 0) // 2
        reached.append(dimensions.maximum(full, before + target))
        key.append(slice(before, before + target))
    y = windows.fold(patches, space=tuple(reached), strides=steps, dilation=gaps)
    return windows.as_given(arrays.getitem(y, key=(slice(None), *key)), data_format)
