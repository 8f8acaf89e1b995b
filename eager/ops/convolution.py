"""Convolutions and pooling over one, two or three axes of space, as compositions of windows and matrix products.

Layouts: "channels_last" [batch, *space, channels] and "channels_first" [batch, channels, *space]. Paddings: "valid",
"same" (output ceil(size / stride), the odd pixel after), "causal" for one axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dimensions
from ..dimensions import Size
from ..errors import describe
from ..tensor import TensorLike, dims
from . import arrays, linear


def _each(value: Any, rank: int, name: str) -> tuple[int, ...]:
    values = (value,) * rank if isinstance(value, (int, np.integer)) else tuple(value)
    if len(values) != rank or any(int(v) < 1 for v in values):
        raise ValueError(f"{name}: expected {rank} integers > 0, got {value!r}.")
    return tuple(int(v) for v in values)


def _padding(space: Any, window: Any, strides: Any, dilation: Any, padding: str) -> list[tuple[Size, Size]]:
    if padding not in ("valid", "same", "causal"):
        raise ValueError(f"padding: expected 'valid', 'same' or 'causal', got {padding!r}.")
    pads: list[tuple[Size, Size]] = []
    for size, width, stride, gap in zip(space, window, strides, dilation, strict=True):
        reach = (width - 1) * gap + 1
        if padding == "same":
            needed = (-(-size // stride) - 1) * stride + reach - size
            total = dimensions.maximum(needed, 0)
            pads.append((total // 2, total - total // 2))
        else:
            pads.append((reach - 1 if padding == "causal" else 0, 0))
    return pads


def _padded(x: Any, pads: list[tuple[Size, Size]], value: float = 0) -> Any:
    if all(dimensions.same(size, 0) for pair in pads for size in pair):
        return x
    return arrays.pad(x, widths=((0, 0), *pads, (0, 0)), value=value)


def _channels_last(x: Any, data_format: str | None) -> Any:
    if data_format in (None, "channels_last"):
        return x
    if data_format != "channels_first":
        raise ValueError(f"data_format: expected 'channels_last' or 'channels_first', got {data_format!r}.")
    return arrays.transpose(x, axes=(0, *range(2, x.ndim), 1))


def _as_given(y: Any, data_format: str | None) -> Any:
    return y if data_format != "channels_first" else arrays.transpose(y, axes=(0, y.ndim - 1, *range(1, y.ndim - 1)))


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
    x: Any = _channels_last(inputs, data_format)
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
    steps, gaps = _each(strides, rank, "strides"), _each(dilation_rate, rank, "dilation_rate")
    x = _padded(x, _padding(dims(x)[1:-1], window, steps, gaps, padding))
    windows = linear.unfold(x, window=tuple(window), strides=steps, dilation=gaps)
    batch, *space = dims(windows)[: rank + 1]
    groups = channels // depth
    reach = dimensions.product(window)
    if groups == 1:
        rows = arrays.reshape(windows, newshape=(-1, reach * depth))
        y = linear.matmul(rows, arrays.reshape(kernel, newshape=(reach * depth, filters)))
    else:
        rows = arrays.reshape(windows, newshape=(-1, reach, groups, depth))
        rows = arrays.reshape(arrays.transpose(rows, axes=(2, 0, 1, 3)), newshape=(groups, -1, reach * depth))
        columns = arrays.reshape(kernel, newshape=(reach * depth, groups, filters // groups))
        y = arrays.transpose(linear.matmul(rows, arrays.transpose(columns, axes=(1, 0, 2))), axes=(1, 0, 2))
    return _as_given(arrays.reshape(y, newshape=(batch, *space, filters)), data_format)


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
    x: Any = _channels_last(inputs, data_format)
    *window, filters, depth = dims(kernel)
    rank = len(window)
    if x.ndim != rank + 2 or dimensions.same(dims(x)[-1], depth) is False:
        raise ValueError(
            f"conv_transpose: expected {rank + 2} axes and {depth} channels for the kernel {describe(kernel)}, "
            f"got {describe(inputs)}."
        )
    if padding not in ("valid", "same"):
        raise ValueError(f"padding: expected 'valid' or 'same', got {padding!r}.")
    steps, gaps = _each(strides, rank, "strides"), _each(dilation_rate, rank, "dilation_rate")
    extra = output_padding if isinstance(output_padding, (tuple, list)) else (output_padding,) * rank
    batch, *space, _ = dims(x)
    columns = arrays.transpose(arrays.reshape(kernel, newshape=(-1, depth)))
    windows = linear.matmul(arrays.reshape(x, newshape=(-1, depth)), columns)
    windows = arrays.reshape(windows, newshape=(batch, *space, *window, filters))
    reached, key = [], []
    for size, width, stride, more, gap in zip(space, window, steps, extra, gaps, strict=True):
        full = (size - 1) * stride + (width - 1) * gap + 1
        target = transposed_size(size, width, stride, padding, more, gap)
        before = dimensions.maximum(full - target, 0) // 2
        reached.append(dimensions.maximum(full, before + target))
        key.append(slice(before, before + target))
    y = linear.fold(windows, space=tuple(reached), strides=steps, dilation=gaps)
    return _as_given(arrays.getitem(y, key=(slice(None), *key)), data_format)


def max_pool(
    inputs: TensorLike,
    pool_size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """The largest element of each window; of equal ones, the first gets the gradient."""
    x: Any = _channels_last(inputs, data_format)
    window = _each(pool_size, x.ndim - 2, "pool_size")
    steps = window if strides is None else _each(strides, x.ndim - 2, "strides")
    lowest = -np.inf if x.dtype.kind not in "iub" else np.iinfo(x.dtype).min
    x = _padded(x, _padding(dims(x)[1:-1], window, steps, (1,) * len(window), padding), lowest)
    return _as_given(linear.max_pool_windows(x, window=window, strides=steps)[0], data_format)
