"""How to call pooling, convolutions by channel, and images as columns."""

import numpy as np

from eagerly import ops
from public_ops.rows import Row


def windows(x, window, strides=None, pads=0):
    """The windows of an image [batch, high, wide, channels], NaN where they reach beyond: [batch, h, w, c, kh, kw]."""
    x = np.pad(x, ((0, 0), (pads, pads), (pads, pads), (0, 0)), constant_values=np.nan)
    seen = np.lib.stride_tricks.sliding_window_view(x, window, axis=(1, 2))
    high, wide = strides or window
    return seen[:, ::high, ::wide]


def adaptive(x, parts, reduce):
    """Space cut into windows from floor to ceiling, for images with one or two axes of space."""
    for axis, count in enumerate(parts, 1):
        size = x.shape[axis]
        places = [range(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]
        x = np.stack([reduce(x.take(list(place), axis), axis) for place in places], axis)
    return x


def by_channel(x, kernel):
    return np.einsum("bhwcij,ijcm->bhwcm", windows(x, kernel.shape[:2], (1, 1)), kernel).reshape(
        len(x), x.shape[1] - kernel.shape[0] + 1, x.shape[2] - kernel.shape[1] + 1, -1
    )


def columns(x, window):
    """The windows of an image [batch, channels, high, wide] as columns."""
    seen = np.lib.stride_tricks.sliding_window_view(x, window, axis=(2, 3))
    batch, channels, high, wide = seen.shape[:4]
    return seen.transpose(0, 1, 4, 5, 2, 3).reshape(batch, channels * window[0] * window[1], high * wide)


ROWS: dict[str, list[Row]] = {
    "average_pool": [
        Row(
            lambda n, m: [(n, 4, m + 3, 2)],
            lambda x: ops.average_pool(x, 2),
            lambda x: windows(x, (2, 2)).mean((-2, -1)),
        ),
        Row(
            lambda n, m: [(n, m + 3, 5, 2)],
            lambda x: ops.average_pool(x, 3, 1, "same"),
            lambda x: np.nanmean(windows(x, (3, 3), (1, 1), 1), (-2, -1)),
        ),
        Row(lambda n, m: [(n, 2, m + 4)], lambda x: ops.average_pool(x, 2, 3, "same", "channels_first"), None),
    ],
    "adaptive_average_pool": [
        Row(
            lambda n, m: [(n, m + 4, 6, 2)],
            lambda x: ops.adaptive_average_pool(x, (3, 2)),
            lambda x: adaptive(x, (3, 2), np.mean),
        ),
        Row(
            lambda n, m: [(n, 2, m)],
            lambda x: ops.adaptive_average_pool(x, 4, "channels_first"),
            lambda x: np.moveaxis(adaptive(np.moveaxis(x, 1, -1), (4,), np.mean), -1, 1),
        ),
    ],
    "adaptive_max_pool": [
        Row(
            lambda n, m: [(n, m + 4, 7, 2)],
            lambda x: ops.adaptive_max_pool(x, (2, 3)),
            lambda x: adaptive(x, (2, 3), np.max),
        ),
        Row(
            lambda n, m: [(n, m * 2, 2)],
            lambda x: ops.adaptive_max_pool(x, 2),
            lambda x: adaptive(x, (2,), np.max),
        ),
    ],
    "depthwise_conv": [
        Row(lambda n, m: [(n, 5, 4, m), (3, 2, m, 2)], ops.depthwise_conv, by_channel),
        Row(lambda n, m: [(n, 5, 4, 1), (3, 2, 1, 2)], ops.depthwise_conv, by_channel),
        Row(
            lambda n, m: [(n, 3, m + 2), (2, 3, 1)],
            lambda x, k: ops.depthwise_conv(x, k, 2, "same", "channels_first"),
            None,
        ),
        Row(lambda n, m: [(n, m + 4, 3), (2, 3, 2)], lambda x, k: ops.depthwise_conv(x, k, dilation_rate=3), None),
    ],
    "separable_conv": [
        Row(
            lambda n, m: [(n, 5, 4, 3), (3, 2, 3, 2), (1, 1, 6, 4)],
            ops.separable_conv,
            lambda x, k, p: by_channel(x, k) @ p[0, 0],
        ),
        Row(
            lambda n, m: [(n, 3, m + 2), (2, 3, 2), (1, 6, 4)],
            lambda x, k, p: ops.separable_conv(x, k, p, 2, "same", "channels_first"),
            None,
        ),
    ],
    "unfold": [
        Row(lambda n, m: [(n, 2, m + 2, 4)], lambda x: ops.unfold(x, (3, 2)), lambda x: columns(x, (3, 2))),
        Row(
            lambda n, m: [(n, m, 4, 5)],
            lambda x: ops.unfold(x, 2, padding=(1, 0)),
            lambda x: columns(np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0))), (2, 2)),
        ),
        Row(lambda n, m: [(n, 2, m + 3, 6)], lambda x: ops.unfold(x, 2, (1, 2), 1, (2, 1)), None),
    ],
    "fold": [
        Row(
            lambda n, m: [(n, m * 6, 4)],
            lambda x: ops.fold(x, (4, 6), (2, 3), stride=(2, 3)),
            lambda x: (
                x.reshape(len(x), -1, 2, 3, 2, 2).transpose(0, 1, 4, 2, 5, 3).reshape(len(x), x.shape[1] // 6, 4, 6)
            ),
        ),
        Row(lambda n, m: [(n, 8, 20)], lambda x: ops.fold(x, (3, 4), 2, padding=1), None),
    ],
}
