"""What moves, joins, cuts and repeats arrays."""

import numpy as np

from parity.drawing import ALL, FLOATS, MIXED, Row, given
from parity.forms import one

SOME = ("float32", "float64", "int32", "bool", "bfloat16")


def reshaped(d):
    """An array, and another shape for it, one size maybe left open."""
    shape = d.shape(1, 3)
    total = int(np.prod(shape))
    factor = d.pick(*[k for k in range(1, total + 1) if total % k == 0])
    return given(d.array(shape), d.pick((factor, total // factor), (factor, -1), (-1,), -1, (1, total)))


def broadcast(d):
    """An array, and a shape that it broadcasts to."""
    shape = d.shape()
    return given(d.array(d.broadcastable(shape)), shape)


def squeezed(d):
    """An array with axes of one element, and which to drop."""
    shape = tuple(d.pick(1, 1, 3) for _ in range(d.size(1, 4)))
    single = [i - d.pick(0, len(shape)) for i, size in enumerate(shape) if size == 1]
    return given(d.array(shape), axis=d.pick(None, d.pick(*single), tuple(single)) if single else None)


def expanded(d):
    """An array, and where to put axes of one element."""
    shape = d.shape()
    rank = len(shape) + 1
    return given(d.array(shape), d.pick(d.axis(rank), (0, -1)))


def ordered(d):
    """An array, and an order of its axes."""
    shape = d.shape(0, 4)
    return given(d.array(shape), axes=d.pick(None, [int(i) for i in d.rng.permutation(len(shape))]))


def moved(d):
    """An array, and axes to move."""
    a, b = d.rng.permutation(3)[:2], d.rng.permutation(3)[:2]
    if d.flip():
        return given(d.array(d.shape(3)), int(a[0]), int(b[0]) - 3)
    return given(d.array(d.shape(3)), tuple(map(int, a)), tuple(map(int, b)))


def joined(d):
    """Arrays of one shape but along an axis."""
    shape = d.shape(1, 3)
    axis = d.axis(len(shape))

    def part():
        sizes = list(shape)
        sizes[axis] = d.size(0, 3)
        return d.array(tuple(sizes))

    return given([part() for _ in range(d.size(1, 3))], axis=axis)


def stacked(d):
    """Arrays of one shape."""
    shape = d.shape()
    return given([d.array(shape) for _ in range(d.size(1, 3))], axis=d.axis(len(shape) + 1))


def several(low=1, high=3):
    """Arrays of one shape, in a list."""

    def draw(d):
        shape = d.shape(low, high)
        return given([d.array(shape) for _ in range(d.size(1, 3))])

    return draw


def cut(axis, sections=(2, 3, [1, 4], (2,)), least=6, named=True):
    """An array of six entries along the axis, or more, and where to cut it."""

    def draw(d):
        shape = [2, 2, 2]
        shape[axis] = d.size(least, 6)
        return given(d.array(tuple(shape)), d.pick(*sections), **({"axis": axis} if named else {}))

    return draw


def widths(d, rank, most):
    """How far to pad each axis."""
    return [[d.size(0, most), d.size(0, most)] for _ in range(rank)]


def padded(d):
    """An array, and zeros or a number around it."""
    shape = d.shape(1, 3)
    return given(d.array(shape), widths(d, len(shape), 2), **d.maybe(constant_values=d.pick(1, 2)))


def mirrored(mode):
    """An array, and itself around it."""

    def draw(d):
        shape = d.shape(1, 3, least=3)
        around = [[0, 0]] * (len(shape) - 1) + widths(d, 1, 1 if mode == "symmetric" else 2)
        return given(d.array(shape), around, mode=mode)

    return draw


def repeated(d):
    """An array, and how often to repeat its entries."""
    shape = d.shape(1, 3)
    axis = d.pick(None, d.axis(len(shape)))
    counts = d.integers((shape[axis],), 0, 3) if axis is not None and d.flip() else d.size(1, 3)
    return given(d.array(shape), counts, axis=axis)


def rolled(d):
    """An array, and how far to roll it."""
    if d.flip():
        return given(d.array((3, 4)), d.size(-5, 5), **d.maybe(axis=d.pick(0, -1)))
    return given(d.array((3, 4)), (d.size(-5, 5), 1), axis=(0, 1))


def flipped(d):
    """An array, and axes to reverse."""
    shape = d.shape(1, 3)
    return given(d.array(shape), axis=d.axes(len(shape)))


def triangle(d):
    """A matrix or several, and which diagonal."""
    return given(d.array((*d.shape(0, 1), d.size(), d.size())), d.size(-2, 2))


def diagonal(d):
    """An array, and two of its axes."""
    return given(
        d.array((3, 4, 2)), offset=d.size(-1, 1), **d.pick({}, {"axis1": 1, "axis2": 2}, {"axis1": -1, "axis2": 0})
    )


def rearranged(d):
    """An image batch, and a pattern."""
    pattern, sizes = d.pick(
        ("b h w c -> b c h w", {}),
        ("b h w c -> (b h) w c", {}),
        ("b h w c -> b (c h w)", {}),
        ("b (h1 h) w c -> b h1 h (w c)", {"h1": 2}),
        ("b (h h1) (w w1) c -> b h w (c h1 w1)", {"h1": 2, "w1": 2}),
    )
    return given(d.array((2, 4, 6, 3)), pattern, **sizes)


ROWS = {
    "reshape": [Row(reshaped, dtypes=SOME)],
    "ravel": [Row(one(), dtypes=ALL)],
    "broadcast_to": [Row(broadcast, dtypes=SOME)],
    "squeeze": [Row(squeezed, dtypes=SOME)],
    "expand_dims": [Row(expanded, dtypes=SOME)],
    "transpose": [Row(ordered, dtypes=SOME)],
    "moveaxis": [Row(moved, dtypes=SOME)],
    "swapaxes": [Row(lambda d: given(d.array((2, 3, 4)), d.axis(3), d.axis(3)), dtypes=SOME)],
    "concatenate": [Row(joined, dtypes=MIXED)],
    "stack": [Row(stacked, dtypes=MIXED)],
    "append": [
        Row(lambda d: given(d.array((2, 3)), d.array((2, 3)), axis=d.pick(None, 0, -1)), dtypes=MIXED),
        Row(lambda d: given(d.array((2, 3)), d.array((4,)))),
    ],
    "hstack": [Row(several(), dtypes=MIXED)],
    "vstack": [Row(several(), dtypes=MIXED)],
    "dstack": [Row(several(), dtypes=MIXED)],
    "unstack": [Row(lambda d: given(d.array((2, 3, 2)), **d.maybe(axis=d.axis(3))), dtypes=SOME)],
    "split": [
        Row(cut(0), dtypes=SOME),
        Row(cut(1)),
        Row(lambda d: given(d.array((6,)), d.pick(3, [2, 2, 5], [0, 6], 1))),
    ],
    "array_split": [Row(cut(0, (2, 3, 4), least=4), dtypes=SOME), Row(cut(2, (2, 3, 4), least=4))],
    "hsplit": [Row(cut(1, named=False), dtypes=SOME), Row(lambda d: given(d.array((6,)), d.pick(2, [1, 4])))],
    "vsplit": [Row(cut(0, named=False), dtypes=SOME)],
    "dsplit": [Row(cut(2, named=False), dtypes=SOME)],
    "pad": [
        Row(padded, dtypes=SOME, draws=8),
        Row(mirrored("reflect"), dtypes=(*FLOATS, "int32")),
        Row(mirrored("symmetric"), dtypes=(*FLOATS, "int32")),
        # Of one number or pair Keras's symbolic rule has it for all axes, PyTorch for the last.
        Row(lambda d: given(d.array((3,)), d.pick(1, (1, 2), ((1, 2),))), draws=8),
    ],
    "repeat": [Row(repeated, dtypes=SOME, draws=8)],
    "tile": [Row(lambda d: given(d.array(d.shape(1)), d.pick(2, (2, 1), (1, 2, 2), [3])), dtypes=SOME, draws=8)],
    "roll": [Row(rolled, dtypes=SOME, draws=8)],
    "flip": [Row(flipped, dtypes=SOME)],
    "fliplr": [Row(lambda d: given(d.array(d.shape(2))), dtypes=SOME)],
    "flipud": [Row(lambda d: given(d.array(d.shape(1))), dtypes=SOME)],
    "rot90": [
        Row(lambda d: given(d.array((2, 3, 4)), k=d.size(-3, 5), axes=d.pick((0, 1), (1, 0), (-1, 1))), dtypes=SOME)
    ],
    "diag": [Row(lambda d: given(d.array(d.shape(1, 2)), d.size(-1, 1)), dtypes=SOME, draws=8)],
    "diagflat": [Row(lambda d: given(d.array(d.shape(1, 2)), d.size(-2, 2)), dtypes=SOME)],
    "diagonal": [Row(diagonal, dtypes=SOME)],
    "trace": [Row(diagonal, dtypes=ALL)],
    "tril": [Row(triangle, dtypes=ALL)],
    "triu": [Row(triangle, dtypes=ALL)],
    "kron": [Row(lambda d: given(d.array(d.pick((2,), (2, 3))), d.array(d.pick((3,), (1, 2)))), dtypes=MIXED)],
    "extract_sequences": [Row(lambda d: given(d.array((*d.shape(0, 2), 8)), d.size(1, 5), d.size(1, 4)), dtypes=SOME)],
    "rearrange": [Row(rearranged, dtypes=SOME)],
    "depth_to_space": [
        Row(lambda d: given(d.array((2, 2, 3, 8)), 2, **d.maybe(data_format="channels_last")), dtypes=SOME),
        Row(lambda d: given(d.array((2, 8, 3, 2)), 2, data_format="channels_first")),
    ],
    "space_to_depth": [
        Row(lambda d: given(d.array((2, 4, 6, 3)), 2, **d.maybe(data_format="channels_last")), dtypes=SOME),
        Row(lambda d: given(d.array((2, 3, 4, 6)), 2, data_format="channels_first")),
    ],
}
