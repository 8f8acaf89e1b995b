"""Random arguments: the same ones for the same seed, on every machine and for both sides of a comparison."""

from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)

FLOATS = ("float32", "float64")
SHORT = ("float16", "bfloat16")
REALS = (*FLOATS, *SHORT, "int32")
WHOLE = ("int32", "int64", "int8", "uint8")
NUMBERS = (*FLOATS, *SHORT, *WHOLE)
ALL = (*NUMBERS, "bool")
MIXED = (*ALL, *["mixed"] * 8)
_MIX = (*ALL, "int16")


@dataclass
class Given:
    """The arguments of one call; arrays among them become tensors of each side."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    dtype: str = ""

    def __str__(self):
        words = [_told(x) for x in self.args] + [f"{name}={_told(x)}" for name, x in self.kwargs.items()]
        return f"({', '.join(words)})"


def given(*args, **kwargs):
    """The arguments as a row's `draw` returns them."""
    return Given(args, kwargs)


def _told(x):
    if isinstance(x, np.ndarray):
        return f"{x.dtype.name}{list(x.shape)}" + (f"={x.tolist()}" if x.size <= 3 else "")
    if isinstance(x, (list, tuple)):
        words = ", ".join(map(_told, x))
        return f"[{words}]" if isinstance(x, list) else f"({words})"
    return getattr(x, "__name__", None) or repr(x)


def is_float(dtype):
    """Whether a NumPy dtype is a floating one."""
    return dtype.kind == "f" or dtype == BFLOAT16


class Draw:
    """What rows draw from: one seed, and the dtype that arrays get when none is named ("mixed": any, each its own)."""

    def __init__(self, seed, dtype="float32"):
        self.rng = np.random.default_rng(seed)
        self.dtype = dtype

    def pick(self, *options):
        """One of the options."""
        return options[self.rng.integers(len(options))]

    def flip(self):
        """True half of the time."""
        return bool(self.rng.random() < 0.5)

    def size(self, low=1, high=4):
        """An integer from low to high, both included."""
        return int(self.rng.integers(low, high + 1))

    def maybe(self, **options):
        """Each of the options, or its default."""
        return {name: value for name, value in options.items() if self.flip()}

    def number(self, low=-2.0, high=2.0):
        """A Python float that all dtypes can hold."""
        return round(float(self.rng.uniform(low, high)) * 32) / 32

    def shape(self, low=0, high=3, least=1, most=4):
        """Sizes from least to most; a rank from low to high."""
        return tuple(self.size(least, most) for _ in range(self.size(low, high)))

    def axis(self, rank):
        """One axis, counted from either end."""
        return self.size(-rank, rank - 1)

    def axes(self, rank):
        """None, one axis or several."""
        if rank == 0 or self.rng.random() < 0.2:
            return None
        if self.rng.random() < 0.5:
            return self.axis(rank)
        chosen = self.rng.permutation(rank)[: self.size(1, rank)]
        return tuple(int(a) - (rank if self.flip() else 0) for a in chosen)

    def own(self, dtype=None):
        """The dtype of the next array."""
        name = dtype or self.dtype
        if name == "mixed":
            name = self.pick(*_MIX)
        return BFLOAT16 if name == "bfloat16" else np.dtype(name)

    def array(self, shape, low=-2.0, high=2.0, dtype=None, away=0.0):
        """Values from low to high, at least `away` from 0; whole ones and truth values for such dtypes."""
        dtype = self.own(dtype)
        shape = shape if isinstance(shape, tuple) else (shape,)
        if dtype.kind == "b":
            return np.ones(shape, bool) if away else np.asarray(self.rng.random(shape) < 0.5)
        if dtype.kind in "iu":
            low, high = int(np.ceil(low)), int(np.floor(high))
            low = max(low, 0) if dtype.kind == "u" else low
            values = np.asarray(self.rng.integers(low, max(high, low) + 1, shape))
            return np.where(values == 0, max(low, 1), values).astype(dtype) if away else values.astype(dtype)
        values = np.asarray(self.rng.uniform(low, high, shape))
        values = np.where(np.abs(values) < away, values + np.where(values < 0, -away, away), values)
        return values.astype(dtype)

    def grid(self, shape, low=-2.0, high=2.0, away=0.0):
        """Multiples of a half: ties, and the places where a function has a corner."""
        x = self.array(shape, low, high, away=away)
        if x.dtype.kind in "biu":
            return x
        halves = (np.round(x.astype("float64") * 2) / 2).clip(low, high)
        return np.where((halves == 0) & (away > 0), 0.5, halves).astype(x.dtype)

    def distinct(self, shape, low=-1.5, high=2.25, dtype=None):
        """Values of which no two are equal, a step apart; whole numbers around 0 for integers."""
        dtype = self.own(dtype)
        shape = shape if isinstance(shape, tuple) else (shape,)
        count = int(np.prod(shape))
        order = self.rng.permutation(count).reshape(shape)
        if dtype.kind == "b":
            return order % 2 == 0
        if dtype.kind in "iu":
            return (order - (0 if dtype.kind == "u" else count // 2)).astype(dtype)
        return (low + (high - low) * (order + 0.5) / max(count, 1)).astype(dtype)

    def integers(self, shape, low, high, dtype="int32"):
        """Whole numbers from low to high, high not included."""
        return np.asarray(self.rng.integers(low, high, shape)).astype(dtype)

    def truth(self, shape):
        """Truth values."""
        return np.asarray(self.rng.random(shape) < 0.5)

    def broadcastable(self, shape):
        """A shape that broadcasts against the given one."""
        kept = shape[self.size(0, len(shape)) :] if self.flip() else shape
        return tuple(1 if self.rng.random() < 0.2 else size for size in kept)

    def reduction(self, several=True):
        """An array's shape and the options of a reduction over it."""
        shape = self.shape(1, 3)
        axis = self.axes(len(shape)) if several else self.pick(None, self.axis(len(shape)))
        return shape, {"axis": axis, "keepdims": self.flip()}


@dataclass(frozen=True)
class Row:
    """One way to call an operation: how to draw arguments, and what to compare.

    draw: from a Draw to the Given arguments.
    call: from a side's `ops` and the arguments to the result; None calls the operation of the row's name.
    dtypes: what arrays are made of, one after the other.
    draws: how many draws there are for each dtype.
    compare: of "value", "shape", "dtype" and "gradient" those to look at.
    tolerance: the factor on the usual one, where the values are differences of large ones.
    """

    draw: Any
    call: Any = None
    dtypes: tuple[str, ...] = FLOATS
    draws: int = 4
    compare: tuple[str, ...] = ("value", "dtype", "gradient")
    tolerance: float = 1.0
