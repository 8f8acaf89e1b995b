"""What reads and writes by index."""

import numpy as np

from parity.drawing import FLOATS, WHOLE, Row, given

NO_GRADIENT = ("value", "dtype")
SOME = ("float32", "float64", "int32", "bool", "bfloat16")
REDUCTIONS = (None, "add", "max", "min", "mul")


def taken(d):
    """An array, and indices along an axis or into all of it."""
    shape = d.shape(1, 3)
    axis = d.pick(None, d.axis(len(shape)))
    size = int(np.prod(shape)) if axis is None else shape[axis]
    low = 0 if axis is None else -size
    return given(d.array(shape), d.integers(d.shape(0, 2), low, size), axis=axis)


def taken_along(d):
    """An array, and indices of the same rank."""
    shape = d.shape(1, 3)
    axis = d.axis(len(shape))
    sizes = list(shape)
    sizes[axis] = d.size()
    return given(d.array(shape), d.integers(tuple(sizes), -shape[axis], shape[axis]), axis=axis)


def keyed(d):
    """An array, and a key."""
    return given(
        d.array((3, 4, 2)),
        d.pick(
            1, -1, slice(1, None), (slice(None), 2), (..., 0), (0, 1, 1), (None, 1), (slice(None, None, 2), slice(1, 3))
        ),
    )


def scattered(d):
    """Places, not all different, values for them, and the shape of the whole."""
    inner = d.shape(0, 1)
    return given(d.integers((5, 2), 0, 3), d.array((5, *inner)), (3, 4, *inner))


def updates(*reductions):
    """An array, places in it, and what to put there; only sums may have a place twice."""

    def draw(d):
        reduction = d.pick(*reductions)
        options = {} if reduction is None else {"reduction": reduction}
        if d.flip():
            flat = d.integers((4,), 0, 12) if reduction == "add" else d.rng.permutation(12)[:4]
            return given(d.array((3, 4)), np.stack([flat // 4, flat % 4], 1).astype("int32"), d.array((4,)), **options)
        rows = d.rng.permutation(3)[:2, None].astype("int32")
        return given(d.array((3, 4)), rows, d.array((2, 4)), **options)

    return draw


ROWS = {
    "take": [
        Row(taken, dtypes=SOME, draws=8),
        Row(lambda d: given(d.array((4, 3)), d.integers((2,), 0, 4, d.pick(*WHOLE)), axis=0), draws=8),
    ],
    "take_along_axis": [
        Row(taken_along, dtypes=SOME, draws=8),
        Row(lambda d: given(d.array((2, 3)), d.integers((4,), 0, 6)), dtypes=SOME),
    ],
    "get_item": [Row(keyed, dtypes=SOME, draws=10)],
    "slice": [
        Row(lambda d: given(d.array((3, 4)), (d.size(0, 1), d.size(0, 2)), (2, d.size(0, 2))), dtypes=SOME),
        Row(lambda d: given(d.array((3, 4)), d.integers((2,), 0, 2), (2, 2)), dtypes=SOME),
    ],
    "slice_update": [
        Row(lambda d: given(d.array((3, 4)), (d.size(0, 1), d.size(0, 2)), d.array((2, 2))), dtypes=SOME),
        Row(lambda d: given(d.array((3, 4)), d.integers((2,), 0, 2), d.array((2, 2))), dtypes=SOME),
    ],
    "scatter": [Row(scattered, dtypes=(*FLOATS, "int32", "bfloat16"), draws=8)],
    "scatter_update": [
        Row(updates(*REDUCTIONS), dtypes=(*FLOATS, "int32"), draws=20, compare=NO_GRADIENT),
        Row(updates(None, "add"), draws=10),
    ],
    "nonzero": [
        Row(
            lambda d: given(d.array(d.shape(1), -2, 2)),
            lambda ops, x: list(ops.nonzero(x)),  # several arrays, or one of them
            dtypes=("int32", "bool", "uint8"),
        )
    ],
    "unravel_index": [
        Row(
            lambda d: given(d.integers(d.shape(0, 2), 0, 24, d.pick("int32", "int64")), (2, 3, 4)),
            dtypes=("int32",),
            draws=8,
        ),
    ],
}
