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


def _whole_kept(given):
    return given.kwargs.get("axis") is None and given.kwargs.get("keepdims", False)


def _single_channel(given):
    return 1 in given.args[1].shape[-2:]


def _two_axes_left(given):
    axis = given.kwargs["axis"]
    return given.args[0].ndim == 3 and axis is not None and np.size(axis) == 1


def _negative_power(given):
    return bool((given.args[1] < 0).any())


def _one_alone(given):
    axis = given.kwargs.get("axis")
    axis = tuple(axis) if isinstance(axis, (list, tuple)) else axis
    return bool((np.sum(~np.isnan(given.args[0].astype("float64")), axis=axis) <= 1).any())


def _nothing(given):
    axis = given.kwargs.get("axis")
    axis = tuple(axis) if isinstance(axis, (list, tuple)) else axis
    return bool(np.isnan(given.args[0]).all(axis=axis).any())


def _scalar_or_int64(given):
    return given.args[0].ndim == 0 or given.args[0].dtype == "int64"


def _int8_and_truth(given):
    return {x.dtype.name for x in _arrays(given)} == {"int8", "bool"}


def _is(*names):
    return lambda given: given.dtype in names


def _any_of(*names):
    return lambda given: any(x.dtype.name in names for x in _arrays(given))


def _number_beside(given):
    return any(isinstance(x, (int, float)) for x in given.args)


def _cubic(given):
    return given.kwargs.get("interpolation") == "bicubic" and not given.kwargs.get("antialias")


def _whole_to_float(given):
    return given.args[0].dtype.kind in "iu" and given.args[1] in ("bfloat16", "float32", "float64")


def _same(given):
    return given.kwargs.get("padding") == "same"


KEEPS = Known(
    "shape", "Keras on PyTorch forgets keepdims where axis is None; its symbolic rule keeps them", _whole_kept
)
KERNEL = Known("keras_error", "PyTorch cannot give the gradient of some kernels with one channel", _single_channel)
UNSIGNED = Known("dtype", "sums of uint8 are uint32, as Keras's on JAX; PyTorch cannot add those", _is("uint8"))
OF_INT64 = Known("dtype", "float32 of int64, as of any integer; a few of Keras's alone give float64", _any_of("int64"))
WEAK = Known(
    "dtype", "Keras makes float32 of Python's numbers for PyTorch; its symbolic rule has them weak", _number_beside
)
NAN = Known("value", "PyTorch gives 0 for NaN, where NumPy and Keras's other backends give NaN", _has_nan)
NOTHING = Known("gradient", "what is said of nothing but NaN has no gradient; on PyTorch it has NaN or any", _nothing)
POOL = "Keras on PyTorch averages over copies of the border, where its other backends leave them out"
SCAN = "Keras on PyTorch puts the results into arrays of float32"

KNOWN: dict[str, list[Known]] = {
    "sign": [NAN],
    "heaviside": [NAN, WEAK],
    **{name: [OF_INT64] for name in ("deg2rad", "rad2deg")},
    "cbrt": [OF_INT64, Known("gradient", "infinite at 0, where Keras on PyTorch has infinity times 0", _is("float64"))],
    "hypot": [OF_INT64, WEAK],
    **{name: [WEAK] for name in ("arctan2", "logaddexp", "logaddexp2")},
    "i0": [OF_INT64, Known("value", "PyTorch gives NaN at infinity, where it is infinity", _has_nan)],
    "ldexp": [Known("gradient", "PyTorch takes 2 to a negative integer for 0 in the gradient", _negative_power)],
    "power": [Known("keras_error", "PyTorch has no gradient of a power with truth values", _has_truth)],
    **{name: [KEEPS, UNSIGNED] for name in ("sum", "prod", "nanprod")},
    **{name: [KEEPS] for name in ("max", "min", "amax", "amin", "ptp")},
    **{name: [UNSIGNED] for name in ("nansum", "trace")},
    **{name: [NOTHING] for name in ("nanmean", "nanvar", "nanmedian", "nanquantile", "nanpercentile")},
    "nanstd": [
        Known(
            "gradient", "no variance: the gradient is 0, as PyTorch's own of std, but NaN in Keras's nanstd", _one_alone
        )
    ],
    "segment_min": [
        Known("value", "Keras on PyTorch takes infinity for the largest int32, and gets the smallest", _is("int32"))
    ],
    "count_nonzero": [
        Known(aspect, "Keras on PyTorch transposes what is left of three axes", _two_axes_left)
        for aspect in ("shape", "value")
    ],
    "saturate_cast": [
        Known("value", "Keras takes a float's limits into integers, where they are beyond all bounds", _whole_to_float),
    ],
    "size": [
        Known("dtype", "int32, as Keras's symbolic rule; on PyTorch it makes a tensor of the shape", _scalar_or_int64),
    ],
    "hard_sigmoid": [Known("gradient", "PyTorch holds the slope of 1/6 in 32 bits", _is("float64"))],
    "squareplus": [Known("value", "Keras squares large numbers beyond all bounds", _has_nan)],
    "sparsemax": [
        Known(aspect, "Keras adds up sums (Martins & Astudillo 2016, Alg. 1 takes one); its results do not sum to 1")
        for aspect in ("value", "gradient")
    ],
    "matmul": [Known("dtype", "int8 with truth values gives int32 too: its sums soon leave int8", _int8_and_truth)],
    "conv": [KERNEL],
    "conv_transpose": [KERNEL],
    "average_pool": [Known(aspect, POOL, _same) for aspect in ("value", "gradient")],
    "image.resize": [
        Known(aspect, "Keys's cubic has -1/2, as on Keras's other backends; PyTorch's -3/4 without antialias", _cubic)
        for aspect in ("value", "gradient")
    ],
    "associative_scan": [
        Known("dtype", SCAN, lambda given: given.dtype != "float32"),
        Known("gradient", SCAN, _is("float64")),
    ],
}


def known(name, given, difference):
    """Whether the list explains a difference that a call of the operation shows."""
    return any(entry.aspect == difference.aspect and entry.when(given) for entry in KNOWN.get(name, ()))
