"""Convolutions over the axes of space, in Keras's terms.

Layouts: "channels_last" [batch, *space, channels] and "channels_first" [batch, channels, *space].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import dimensions
from ..dimensions import Size
from ..errors import describe
from ..tensor import TensorLike, dims
from . import arrays, windows
from .convolution_primitives import convolution, convolution_input_gradient


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

    Args:
      inputs: [batch, *space, channels], or [batch, channels, *space] for "channels_first".
      kernel: [*window, channels / groups, filters].
      strides: the step from window to window along each axis of space, or along all of them.
      padding: "valid", "same" for ceil(size / stride) windows, or "causal": all padding stands before.
      data_format: "channels_last" (None means it) or "channels_first".
      dilation_rate: the distance between the pixels that a window sees; beside strides too.

    Raises:
      ValueError: if ranks, channels or groups do not fit, or for an option that is none of these.

    Example:
      >>> conv(np.array([[[1.0], [2.0], [4.0]]]), np.array([[[-1.0]], [[1.0]]])).tolist()
      [[[1.0], [2.0]]]
    """
    x: Any = windows.channels_last(inputs, data_format)
    *window, depth, filters = dims(kernel)
    rank = len(window)
    if rank < 1 or x.ndim != rank + 2:
        raise ValueError(
            f"conv: expected inputs with {rank + 2} axes for the kernel {describe(kernel)}, got {describe(inputs)}."
        )
    channels = dims(x)[-1]
    if channels % depth or filters % (channels // depth):
        raise ValueError(
            f"conv: the input's {channels} channels must be a multiple of the kernel's {depth}, and its {filters} "
            f"filters a multiple of the groups; got inputs {describe(inputs)} and kernel {describe(kernel)}."
        )
    padding = windows.one_of(padding, "valid", "same", "causal")
    steps, gaps = windows.each(strides, rank, "strides"), windows.each(dilation_rate, rank, "dilation_rate")
    pads = windows.padding_of(dims(x)[1:-1], window, steps, gaps, padding)
    if depth == 1 and not dimensions.same(channels, 1):  # every channel is a group
        x = _repeated(x, filters // channels)
        channels = filters
    options = {"strides": steps, "pads": tuple(pads), "dilation": gaps, "groups": channels // depth}
    return windows.as_given(convolution(x, kernel, **options), data_format)


def _repeated(x: Any, times: Size) -> Any:
    """Each channel so often, one beside the other."""
    if dimensions.same(times, 1):
        return x
    *shape, channels = dims(x)
    wide = arrays.broadcast_to(arrays.expand_dims(x, -1), shape=(*shape, channels, times))
    return arrays.reshape(wide, newshape=(*shape, channels * times))


def depthwise_conv(
    inputs: TensorLike,
    kernel: TensorLike,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: int | Sequence[int] = 1,
) -> Any:
    """A convolution of each channel by itself, with a kernel [*window, channels, multiplier].

    Output channel c · multiplier + m comes from input channel c.

    Raises:
      ValueError: if ranks or channels do not fit.

    Example:
      >>> depthwise_conv(np.ones((1, 3, 2)), np.ones((2, 2, 1))).tolist()
      [[[2.0, 2.0], [2.0, 2.0]]]
    """
    *window, channels, multiplier = dims(kernel)
    found = dims(inputs)[1 if data_format == "channels_first" else -1] if len(dims(inputs)) == len(window) + 2 else None
    if found is None or dimensions.same(found, channels) is False:
        raise ValueError(
            f"depthwise_conv: expected inputs with {len(window) + 2} axes and {channels} channels for the kernel "
            f"{describe(kernel)}, got {describe(inputs)}."
        )
    rows = arrays.reshape(kernel, newshape=(*window, 1, channels * multiplier))
    return conv(inputs, rows, strides, padding, data_format, dilation_rate)


def separable_conv(
    inputs: TensorLike,
    depthwise_kernel: TensorLike,
    pointwise_kernel: TensorLike,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: int | Sequence[int] = 1,
) -> Any:
    """`depthwise_conv` with a kernel [*window, channels, multiplier], then `conv` with one [1, …, channels', filters].

    channels' is channels · multiplier. Strides, padding and dilation are those of the first.

    Raises:
      ValueError: if ranks or channels do not fit.

    Example:
      >>> separable_conv(np.ones((1, 3, 2)), np.ones((2, 2, 1)), np.ones((1, 2, 3))).tolist()
      [[[4.0, 4.0, 4.0], [4.0, 4.0, 4.0]]]
    """
    y = depthwise_conv(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)
    found, expected = dims(pointwise_kernel), dims(y)[1 if data_format == "channels_first" else -1]
    ones = all(dimensions.same(size, 1) for size in found[:-2])
    if len(found) != len(dims(y)) or not ones or dimensions.same(found[-2], expected) is False:
        raise ValueError(
            f"separable_conv: expected a pointwise kernel [{'1, ' * (len(dims(y)) - 2)}{expected}, filters] for the "
            f"depthwise kernel {describe(depthwise_kernel)}, got {describe(pointwise_kernel)}."
        )
    return conv(y, pointwise_kernel, data_format=data_format)


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

    Args:
      inputs: [batch, *space, channels], or [batch, channels, *space] for "channels_first".
      kernel: [*window, filters, channels].
      strides: the step between the places at which two pixels add the kernel.
      padding: "valid", or "same" for size · stride.
      output_padding: how much larger than the least the result is; None for the sizes of `transposed_size`.
      data_format: "channels_last" (None means it) or "channels_first".
      dilation_rate: the distance between the pixels of a window.

    Raises:
      ValueError: if ranks or channels do not fit, or for an option that is none of these.

    Example:
      >>> conv_transpose(np.array([[[1.0], [2.0]]]), np.array([[[1.0]], [[10.0]]]), 2).tolist()
      [[[1.0], [10.0], [2.0], [20.0]]]
    """
    x: Any = windows.channels_last(inputs, data_format)
    *window, filters, depth = dims(kernel)
    rank = len(window)
    if x.ndim != rank + 2 or dimensions.same(dims(x)[-1], depth) is False:
        raise ValueError(
            f"conv_transpose: expected {rank + 2} axes and {depth} channels for the kernel {describe(kernel)}, "
            f"got {describe(inputs)}."
        )
    padding = windows.one_of(padding, "valid", "same")
    steps, gaps = windows.each(strides, rank, "strides"), windows.each(dilation_rate, rank, "dilation_rate")
    extra = output_padding if isinstance(output_padding, (tuple, list)) else (output_padding,) * rank
    space, pads = [], []
    for size, width, stride, more, gap in zip(dims(x)[1:-1], window, steps, extra, gaps, strict=True):
        full = (size - 1) * stride + (width - 1) * gap + 1
        target = transposed_size(size, width, stride, padding, more, gap)
        before = dimensions.maximum(full - target, 0) // 2
        space.append(target)
        pads.append((before, full - target - before))
    options = {"strides": steps, "pads": tuple(pads), "dilation": gaps, "groups": 1}
    return windows.as_given(convolution_input_gradient(x, kernel, space=tuple(space), **options), data_format)
