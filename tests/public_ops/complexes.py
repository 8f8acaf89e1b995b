"""How to call complex numbers and Fourier transforms: on tensors made of pairs, so that values are drawn as reals."""

import numpy as np

from domains.complexes import complexes
from domains.values import positive, real
from eagerly import ops
from public_ops.rows import Row


def pairs(n, m):
    return [(n, m, 2)]


def both(n, m):
    return [(n, m), (n, m)]


def joined(x):
    return x[..., 0] + 1j * x[..., 1]


def of_complex(name, reference):
    """A row on complex numbers, and one on real ones."""
    function = getattr(ops, name)
    return [
        Row(pairs, lambda x: function(ops.view_as_complex(x)), lambda x: reference(joined(x))),
        Row(pairs, function, reference),
    ]


def parts(z):
    return z.real, z.imag


def on_pair(name, reference, shapes=both, **options):
    """A row of what takes (real, imag)."""
    return Row(shapes, lambda a, b: getattr(ops, name)((a, b), **options), lambda a, b: reference(a + 1j * b))


def frames(x, length, stride):
    count = 1 + (x.shape[-1] - length) // stride
    return np.stack([x[..., i * stride : i * stride + length] for i in range(count)], axis=-2)


def window_of(window, length, size):
    """The factors of a window, in the middle of zeros."""
    k = np.arange(length) / length
    values = {
        "hann": 0.5 - 0.5 * np.cos(2 * np.pi * k),
        "hamming": 0.54 - 0.46 * np.cos(2 * np.pi * k),
        None: np.ones(length),
    }
    found = values[window] if window is None or isinstance(window, str) else np.asarray(window, np.float64)
    before = (size - length) // 2
    return np.pad(found, (before, size - length - before))


def stft(x, length, stride, size, window="hann", center=True):
    if center:
        x = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(size // 2, size // 2)], "reflect")
    return parts(np.fft.rfft(frames(x, size, stride) * window_of(window, length, size)))


def added(pieces, stride):
    *batch, count, size = pieces.shape
    y = np.zeros((*batch, (count - 1) * stride + size))
    for i in range(count):
        y[..., i * stride : i * stride + size] += pieces[..., i, :]
    return y


def istft(z, length, stride, size, window="hann", center=True):
    """Without `length`; over pieces that are there if centered and of full length, else over endlessly many."""
    pieces = np.fft.irfft(z, size)
    factors = window_of(window, length, size)
    if window is None:
        y = added(pieces, stride)
    elif center and length == size:
        squares = np.broadcast_to(factors**2, pieces.shape[-2:])
        with np.errstate(invalid="ignore"):
            y = added(pieces * factors, stride) / added(squares, stride)
    else:
        weight = [sum(factors[k] ** 2 for k in range(size) if (k - i) % stride == 0) for i in range(size)]
        y = added(pieces * factors / weight, stride)
    return y[..., size // 2 : y.shape[-1] - size // 2] if center else y


SHORT_TIME = (
    {"sequence_length": 4, "sequence_stride": 2, "fft_length": 4},
    {"sequence_length": 3, "sequence_stride": 1, "fft_length": 4, "window": "hamming"},
    {"sequence_length": 5, "sequence_stride": 3, "fft_length": 5, "window": "hamming", "center": False},
    {"sequence_length": 4, "sequence_stride": 4, "fft_length": 4, "window": None},
    {"sequence_length": 3, "sequence_stride": 2, "fft_length": 6, "window": np.array([0.5, 1.0, 0.25])},
    {"sequence_length": 2, "sequence_stride": 3, "fft_length": 5, "window": None, "center": False},
)


def as_positions(options):
    return (options["sequence_length"], options["sequence_stride"], options["fft_length"]), {
        k: v for k, v in options.items() if k in ("window", "center")
    }


def short_time(options):
    args, rest = as_positions(options)
    return Row(lambda n, m: [(n, m * 8)], lambda x: ops.stft(x, **options), lambda x: stft(x, *args, **rest))


def inverse_short_time(options, cut=None):
    args, rest = as_positions(options)
    bins = options["fft_length"] // 2 + 1

    def reference(a, b):
        y = istft(a + 1j * b, *args, **rest)
        return y if cut is None else y[..., :cut]

    return Row(
        lambda n, m: [(n, m, bins), (n, m, bins)], lambda a, b: ops.istft((a, b), length=cut, **options), reference
    )


ALIASES = {"conj": "conjugate"}
ROWS: dict[str, list[Row]] = {
    "angle": of_complex("angle", np.angle),
    "conjugate": of_complex("conjugate", np.conj),
    "real": of_complex("real", np.real),
    "imag": of_complex("imag", np.imag),
    "isreal": [
        *of_complex("isreal", np.isreal),
        Row(pairs, lambda x: ops.isreal(ops.view_as_complex(ops.round(x))), lambda x: np.round(x[..., 1]) == 0),
    ],
    "polar": [
        Row(both, ops.polar, lambda a, b: a * np.exp(1j * b), (positive, real)),
        Row(lambda n, m: [(n, m), (m,)], ops.polar, lambda a, b: a * np.exp(1j * b), (positive, real)),
    ],
    "view_as_complex": [Row(pairs, ops.view_as_complex, joined, (complexes,))],
    "view_as_real": [Row(pairs, lambda x: ops.view_as_real(ops.view_as_complex(x)), lambda x: x)],
    "fft": [on_pair("fft", lambda z: parts(np.fft.fft(z)))],
    "fft2": [on_pair("fft2", lambda z: parts(np.fft.fft2(z)))],
    "ifft2": [on_pair("ifft2", lambda z: parts(np.fft.ifft2(z)), lambda n, m: [(2, n, m), (2, n, m)])],
    "rfft": [
        Row(
            lambda n, m: [(n, m)],
            lambda x, k=size: ops.rfft(x, fft_length=k),
            lambda x, k=size: parts(np.fft.rfft(x, k)),
        )
        for size in (None, 1, 2, 5, 6)
    ],
    "irfft": [on_pair("irfft", lambda z, k=size: np.fft.irfft(z, k), fft_length=size) for size in (None, 1, 3, 6, 7)],
    "extract_sequences": [
        Row(
            lambda n, m: [(n, m * 4)],
            lambda x, o=options: ops.extract_sequences(x, *o),
            lambda x, o=options: frames(x, *o),
        )
        for options in ((3, 2), (4, 1), (2, 3), (1, 1), (5, 5))
    ],
    "stft": [short_time(options) for options in SHORT_TIME],
    "istft": [
        *(inverse_short_time(options) for options in SHORT_TIME),
        inverse_short_time(SHORT_TIME[0], 2),
        inverse_short_time(SHORT_TIME[1], 1),
    ],
}
