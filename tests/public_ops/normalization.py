"""How to call normalizations, encodings of labels and the signal-to-noise ratio."""

import numpy as np

from domains.values import below, nonzero, real
from eagerly import ops
from public_ops.rows import Row


def layer_norm(x, gamma=1.0, beta=0.0, axis=-1, epsilon=1e-7):
    centered = x - x.mean(axis, keepdims=True)
    return centered / np.sqrt(x.var(axis, keepdims=True) + epsilon) * gamma + beta


def rms_norm(x, scale=1.0, axis=-1, epsilon=1e-7):
    return x / np.sqrt((x * x).mean(axis, keepdims=True) + epsilon) * scale


def unit(x, axis, order):
    return x / (np.abs(x) ** order).sum(axis, keepdims=True) ** (1 / order)


ROWS: dict[str, list[Row]] = {
    "layer_normalization": [
        Row(lambda n, m: [(n, 2, m), (m,), (m,)], ops.layer_normalization, layer_norm),
        Row(
            lambda n, m: [(n, m, 3), (m,)],
            lambda x, b: ops.layer_normalization(x, beta=b, axis=1, epsilon=0.5),
            lambda x, b: layer_norm(x, beta=b[:, None], axis=1, epsilon=0.5),
        ),
        Row(
            lambda n, m: [(n, m, 3), (m, 3)],
            lambda x, g: ops.layer_normalization(x, g, axis=[-1, 1]),
            lambda x, g: layer_norm(x, g, axis=(1, 2)),
        ),
        Row(
            lambda n, m: [(n, m, 3), (n, 3)],
            lambda x, g: ops.layer_normalization(x, g, axis=(0, 2)),
            lambda x, g: layer_norm(x, g[:, None], axis=(0, 2)),
        ),
    ],
    "rms_normalization": [
        Row(lambda n, m: [(n, 2, m), (m,)], ops.rms_normalization, rms_norm),
        Row(
            lambda n, m: [(n, m, 3), (m,)],
            lambda x, s: ops.rms_normalization(x, s, 1, 0.5),
            lambda x, s: rms_norm(x, s[:, None], 1, 0.5),
        ),
        Row(
            lambda n, m: [(n, m, 3)],
            lambda x: ops.rms_normalization(x, axis=(0, 1)),
            lambda x: rms_norm(x, axis=(0, 1)),
        ),
    ],
    "normalize": [
        Row(lambda n, m: [(n, m)], ops.normalize, lambda x: unit(x, -1, 2), (nonzero,)),
        Row(lambda n, m: [(n, m)], lambda x: ops.normalize(x, 0, 1), lambda x: unit(x, 0, 1), (nonzero,)),
        Row(lambda n, m: [(n, m)], lambda x: ops.normalize(x, (0, 1), 3), lambda x: unit(x, (0, 1), 3), (nonzero,)),
        Row(lambda n, m: [(n, m)], lambda x: ops.normalize(x, None, epsilon=100), lambda x: x / 100, (nonzero,)),
    ],
    "multi_hot": [
        Row(
            lambda n, m: [(n, m)],
            lambda x: ops.multi_hot(x, 4),
            lambda x: (x[..., None] == np.arange(4)).max(1) * 1.0,
            (below(5),),
        ),
        Row(
            lambda n, m: [(m,)],
            lambda x: ops.multi_hot(x, num_tokens=4, dtype="int32"),
            lambda x: (x[:, None] == np.arange(4)).max(0),
            (below(4),),
        ),
        Row(
            lambda n, m: [(n, m, 2)],
            lambda x: ops.multi_hot(x, 3, axis=2, dtype="bool"),
            lambda x: (x[:, :, None] == np.arange(3)[:, None]).max(1),
            (below(4),),
        ),
    ],
    "psnr": [
        Row(
            lambda n, m: [(n, m)] * 2,
            lambda x, y: ops.psnr(x, y, 2.0),
            lambda x, y: 20 * np.log10(2) - 10 * np.log10(((x - y) ** 2).mean()),
        ),
        Row(
            lambda n, m: [(n, m, 2)] * 2 + [()],
            lambda x, y, peak: ops.psnr(x, y, ops.exp(peak)),
            lambda x, y, peak: 20 * np.log10(np.exp(peak)) - 10 * np.log10(((x - y) ** 2).mean()),
            (real,),
        ),
    ],
}
