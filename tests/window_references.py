"""Windows of an image by plain loops: the references of convolutions and pooling."""

import itertools

import numpy as np

SPACES = {1: (7,), 2: (6, 5), 3: (4, 3, 5)}
WINDOWS = {1: (3,), 2: (3, 2), 3: (2, 1, 3)}
FORMATS = ("channels_last", "channels_first")


def each(value, rank):
    return (value,) * rank if isinstance(value, int) else tuple(value)


def first(data_format):
    return data_format == "channels_first"


def to_last(x, data_format):
    return np.moveaxis(x, 1, -1) if first(data_format) else x


def from_last(x, data_format):
    return np.moveaxis(x, -1, 1) if first(data_format) else x


def padded(x, window, strides, dilation, padding, value=0.0):
    """The image with TensorFlow's padding: "same" gives ceil(size / stride) outputs, the odd pixel comes after."""
    pads = []
    for size, width, stride, gap in zip(x.shape[1:-1], window, strides, dilation, strict=True):
        reach = (width - 1) * gap + 1
        if padding == "same":
            total = max((int(np.ceil(size / stride)) - 1) * stride + reach - size, 0)
            pads.append((total // 2, total - total // 2))
        else:
            pads.append((reach - 1, 0) if padding == "causal" else (0, 0))
    return np.pad(x, ((0, 0), *pads, (0, 0)), constant_values=value)


def windows(x, window, strides, dilation):
    """Each output position with the part of the image that it sees."""
    counts = [
        (size - (width - 1) * gap - 1) // stride + 1
        for size, width, stride, gap in zip(x.shape[1:-1], window, strides, dilation, strict=True)
    ]
    for place in itertools.product(*map(range, counts)):
        key = tuple(
            slice(i * stride, i * stride + (width - 1) * gap + 1, gap)
            for i, width, stride, gap in zip(place, window, strides, dilation, strict=True)
        )
        yield counts, place, x[(slice(None), *key)]


def plain_pool(reduce, border, x, pool_size, strides=None, padding="valid", data_format=None):
    """`reduce` of each window, with a value around the image."""
    rank = x.ndim - 2
    window = each(pool_size, rank)
    strides = window if strides is None else each(strides, rank)
    ones = (1,) * rank
    x = padded(to_last(x, data_format), window, strides, ones, padding, border)
    result = None
    for counts, place, seen in windows(x, window, strides, ones):
        if result is None:
            result = np.zeros((len(x), *counts, x.shape[-1]))
        result[(slice(None), *place)] = reduce(seen, tuple(range(1, 1 + rank)))
    return from_last(result, data_format)


def plain_conv(x, kernel, strides=1, padding="valid", data_format=None, dilation_rate=1):
    *window, depth, filters = kernel.shape
    strides, dilation = each(strides, len(window)), each(dilation_rate, len(window))
    x = padded(to_last(x, data_format), window, strides, dilation, padding)
    groups = x.shape[-1] // depth
    result = None
    for counts, place, seen in windows(x, window, strides, dilation):
        if result is None:
            result = np.zeros((len(x), *counts, filters))
        for f in range(filters):
            group = f // (filters // groups)
            part = seen[..., group * depth : (group + 1) * depth]
            result[(slice(None), *place, f)] = (part * kernel[..., f]).reshape(len(x), -1).sum(1)
    return from_last(result, data_format)


def image(rank, channels, data_format="channels_last", batch=2):
    rng = np.random.default_rng(rank * 10 + channels)
    return from_last(rng.uniform(-1, 1, (batch, *SPACES[rank], channels)), data_format)


def kernel(rank, depth, filters):
    return np.random.default_rng(5).uniform(-1, 1, (*WINDOWS[rank], depth, filters))
