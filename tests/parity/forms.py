"""Forms that many rows have: one array, two that broadcast, a reduction."""

from dataclasses import replace

import numpy as np

from parity.drawing import ALL, FLOATS, MIXED, NUMBERS, Row, given

EDGES = (0.0, -0.0, 1.0, -1.0, 0.5, 2.5, -2.5, 3.5, 1e-30, 1e30, -1e30, np.inf, -np.inf, np.nan)


def edges(d):
    """Values where functions have their corners."""
    return np.array(EDGES, d.own())


def one(low=-2.0, high=2.0, away=0.0, **options):
    """Draws one array of any shape."""
    return lambda d: given(d.array(d.shape(), low, high, away=away), **options)


def unary(low=-2.0, high=2.0, dtypes=ALL, away=0.0, corners=True):
    """Rows of an elementwise function: values and gradients, then the values at the corners."""
    rows = [Row(one(low, high, away), dtypes=dtypes, draws=3)]
    rows.append(Row(lambda d: given(d.grid((5,), low, high, away)), dtypes=("float64",), draws=6))
    if corners:
        rows.append(Row(lambda d: given(edges(d)), compare=("value", "dtype"), draws=1))
    return rows


def pair(low=-3.0, high=3.0, away=0.0):
    """Draws two arrays that broadcast; now and then one is a Python number.

    PyTorch takes an array without axes for a weak number, so those have one dtype.
    """

    def draw(d):
        mixed = d.dtype == "mixed"
        shape = d.shape(1 if mixed else 0)
        other = d.broadcastable(shape) or ((1,) if mixed else ())
        x, y = d.array(shape, low, high), d.array(other, low, high, away=away)
        if x.dtype == y.dtype == bool and mixed:
            x = x.astype("int32")  # rows of one dtype look at two truth values
        if away or d.flip():
            return given(x, d.pick(2, 1.5) if shape and d.rng.random() < 0.3 else y)
        return given(d.pick(2, 1.5) if shape and d.rng.random() < 0.3 else y, x)

    return draw


def corners_of_two(d):
    """Every corner with every corner."""
    x = edges(d)
    return given(x[:, None], x)


def binary(low=-3.0, high=3.0, dtypes=MIXED, away=0.0, corners=True, compare=("value", "dtype", "gradient")):
    """Rows of an elementwise function of two arguments."""
    rows = [Row(pair(low, high, away), dtypes=dtypes, draws=3, compare=compare)]
    ties = Row(
        lambda d: given(d.grid((4,), low, high, away), d.grid((4,), low, high, away)), dtypes=("float64",), draws=6
    )
    rows.append(replace(ties, compare=compare))
    if corners:
        rows.append(Row(corners_of_two, compare=("value", "dtype"), draws=1))
    return rows


def reduction(dtypes=ALL, several=True, distinct=False, draws=4, keepdims=True, compare=("value", "dtype", "gradient")):
    """A row of a reduction along any axes."""

    def draw(d):
        shape, options = d.reduction(several)
        if not keepdims:
            options.pop("keepdims")
        return given(d.distinct(shape) if distinct else d.array(shape), **options)

    return Row(draw, dtypes=dtypes, draws=draws, compare=compare)


def holes(d, shape):
    """Values of which no two are equal, and NaN here and there."""
    x = d.distinct(shape)
    return np.where(d.rng.random(shape) < 0.3, np.nan, x).astype(x.dtype)


__all__ = [
    "ALL",
    "FLOATS",
    "MIXED",
    "NUMBERS",
    "Row",
    "binary",
    "edges",
    "given",
    "holes",
    "one",
    "pair",
    "reduction",
    "unary",
]
