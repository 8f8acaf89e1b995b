"""What differs between two outcomes.

The rule for dtypes: they are equal, but where Keras gives PyTorch's int64 we give int32, Keras's default integer (and
what its symbolic rule and its other backends give), unless an argument brought 64 bits; and Python's numbers need only
be numbers. A gradient has the dtype of its argument.
"""

from dataclasses import dataclass

import numpy as np

from parity.drawing import BFLOAT16, is_float
from parity.running import flatten

# How far values may be apart, as a part of the largest one.
TOLERANCE = {"float64": 1e-9, "complex128": 1e-9, "float32": 2e-5, "complex64": 2e-5, "float16": 4e-3, "bfloat16": 3e-2}
WIDE = ("int64", "uint32", "uint64")
SHORT = ("float16", "bfloat16")


@dataclass(frozen=True)
class Difference:
    """One aspect in which the sides differ: error, keras_error, structure, shape, dtype, value or gradient."""

    aspect: str
    text: str

    def __str__(self):
        return f"{self.aspect}: {self.text}"


def differences(ours, theirs, given, compare=("value", "dtype", "gradient"), tolerance=1.0):
    """All differences of two outcomes of the same call."""
    if theirs.error is not None:
        mine = "" if ours.error is None else f"; ours {_short(ours.error)}"
        return [Difference("keras_error", _short(theirs.error) + mine)]
    if ours.error is not None:
        return [Difference("error", _short(ours.error))]
    if len(ours.leaves) != len(theirs.leaves):
        return [Difference("structure", f"{len(ours.leaves)} results, Keras {len(theirs.leaves)}")]
    arguments = flatten([*given.args, *given.kwargs.values()])
    arrays = [x for x in arguments if isinstance(x, np.ndarray)]
    found = list(_of_results(ours, theirs, arguments, arrays, compare, tolerance))
    if "gradient" in compare:
        found += _of_gradients(ours, theirs, arrays, 3 * tolerance)
    return found


def _of_results(ours, theirs, arguments, arrays, compare, tolerance):
    wide = any(x.dtype.name in WIDE for x in arrays) or any(x in WIDE for x in arguments if isinstance(x, str))
    short = [x for x in arrays if x.dtype.name in SHORT]
    floor = max([float(np.abs(x[np.isfinite(x)].astype("float64")).max(initial=0)) for x in short], default=0.0)
    for i, (x, y) in enumerate(zip(ours.leaves, theirs.leaves, strict=True)):
        where = f"result {i}: " if len(ours.leaves) > 1 else ""
        if np.shape(x) != np.shape(y):
            yield Difference("shape", f"{where}{np.shape(x)}, Keras {np.shape(y)}")
            continue
        if "dtype" in compare and (text := _dtypes(x, y, wide)):
            yield Difference("dtype", where + text)
        if "value" in compare and (text := unequal(x, y, tolerance, [z.dtype.name for z in short], floor)):
            yield Difference("value", where + text)


def _of_gradients(ours, theirs, arrays, tolerance):
    """Those of arguments of 16 bits are looked at for their dtype alone."""
    sources = [x for x in arrays if is_float(x.dtype)]
    short = any(x.dtype.name in SHORT for x in arrays)
    all_of_them = [*theirs.gradients, *theirs.of_weights]
    floor = max([float(np.abs(x[np.isfinite(x)].astype("float64")).max(initial=0)) for x in all_of_them], default=0.0)
    for i, (x, y, source) in enumerate(zip(ours.gradients, theirs.gradients, sources, strict=True)):
        where = f"argument {i}: " if len(sources) > 1 else ""
        if x.dtype != source.dtype or x.shape != source.shape:
            yield Difference("gradient", f"{where}{x.dtype}{x.shape}, the argument is {source.dtype}{source.shape}")
        elif not short and (text := unequal(x, y, tolerance, floor=floor)):
            yield Difference("gradient", where + text)
    for i, (x, y) in enumerate(zip(ours.of_weights, theirs.of_weights, strict=True)):
        if text := unequal(x, y, tolerance, floor=floor):
            yield Difference("gradient", f"weight {i}: {text}")


def _short(error):
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:200]}"


def _dtypes(x, y, wide):
    if not hasattr(x, "dtype") or not hasattr(y, "dtype"):
        same = type(x) is type(y) or (isinstance(x, (int, np.integer)) and isinstance(y, (int, np.integer)))
        return "" if same else f"{type(x).__name__}, Keras {type(y).__name__}"
    if x.dtype == y.dtype or (x.dtype == "int32" and y.dtype == "int64" and not wide):
        return ""
    return f"{x.dtype.name}, Keras {y.dtype.name}"


def unequal(x, y, tolerance=1.0, short=(), floor=0.0):
    """Where values of one shape are further apart than their dtypes explain; "" if nowhere.

    `short`: the names of dtypes with 16 bits among the arguments, which bound what can be expected of any result.
    `floor`: the size of what the values were made of, which may have canceled out.
    """
    x, y = np.asarray(x), np.asarray(y)
    if x.dtype.kind == "U" or y.dtype.kind == "U":
        return "" if np.array_equal(x, y) else f"{x}, Keras {y}"
    exact = not any(is_float(z.dtype) or z.dtype.kind == "c" for z in (x, y))
    bound = 0.0 if exact else tolerance * max(TOLERANCE.get(z, 0.0) for z in (x.dtype.name, y.dtype.name, *short))
    with np.errstate(all="ignore"):
        a, b = _wide(x), _wide(y)
        finite = np.isfinite(a) & np.isfinite(b)
        scale = max(np.abs(b[finite]).max(initial=0.0), floor)
        same = (
            (a == b) | (np.isnan(a) & np.isnan(b)) | (finite & (np.abs(a - b) <= bound * np.maximum(np.abs(b), scale)))
        )
    if same.all():
        return ""
    at = tuple(int(i[0]) for i in np.nonzero(~np.atleast_1d(same)))
    ours, theirs = np.atleast_1d(a)[at], np.atleast_1d(b)[at]
    return f"{ours!r}, Keras {theirs!r} at {list(at)}; {(~same).sum()} of {same.size} differ"


def _wide(x):
    if x.dtype == BFLOAT16:
        return x.astype("float64")
    return x.astype("complex128" if x.dtype.kind == "c" else "float64")
