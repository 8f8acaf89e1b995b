"""The differences that are meant, each with its reason; one that no draw shows any more fails `test_ops.py`."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from parity.drawing import Given


@dataclass(frozen=True)
class Known:
    """One aspect in which an operation differs from Keras on PyTorch, and why.

    aspect: as in `comparing.Difference`.
    reason: a sentence.
    when: which calls show it; all by default.
    """

    aspect: str
    reason: str
    when: Callable[[Given], bool] = lambda given: True


def _arrays(given):
    return [x for x in given.args if isinstance(x, np.ndarray)]


def _has_nan(given):
    return any(np.isnan(x.astype("float64")).any() for x in _arrays(given))


def _has_truth(given):
    return any(x.dtype == bool for x in _arrays(given))


def _small(given):
    return given.dtype in ("int8", "uint8")


def _whole_kept(given):
    return given.kwargs.get("axis") is None and given.kwargs.get("keepdims", False)


def _single_channel(given):
    return 1 in given.args[1].shape[-2:]


def _two_axes_left(given):
    return given.args[0].ndim == 3 and isinstance(given.kwargs["axis"], int)


KEEPS = Known(
    "shape", "Keras on PyTorch forgets keepdims where axis is None; its symbolic rule keeps them", _whole_kept
)
KERNEL = Known("keras_error", "PyTorch cannot give the gradient of some kernels with one channel", _single_channel)

KNOWN: dict[str, list[Known]] = {
    "sign": [Known("value", "PyTorch's sign of NaN is 0; it is NaN in NumPy and on Keras's other backends", _has_nan)],
    "clip": [
        Known("dtype", "Keras makes int32 of Python's integers for PyTorch; its symbolic rule keeps x's dtype", _small)
    ],
    "power": [Known("keras_error", "PyTorch has no gradient of a power with truth values", _has_truth)],
    "sum": [
        KEEPS,
        Known(
            "dtype",
            "sums of uint8 are uint32, as Keras's on JAX; PyTorch has no such sums",
            lambda g: g.dtype == "uint8",
        ),
    ],
    "max": [KEEPS],
    "min": [KEEPS],
    "count_nonzero": [
        Known(aspect, "Keras on PyTorch transposes what is left of three axes", _two_axes_left)
        for aspect in ("shape", "value")
    ],
    "hard_sigmoid": [
        Known("gradient", "PyTorch holds the slope of 1/6 in 32 bits", lambda g: g.dtype == "float64"),
    ],
    "conv": [KERNEL],
    "conv_transpose": [KERNEL],
}
