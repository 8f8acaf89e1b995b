"""What makes arrays from sizes and numbers, and what tells about arrays."""

from parity.drawing import ALL, FLOATS, REALS, Row, given
from parity.forms import one

NO_GRADIENT = ("value", "dtype")
SHAPE_ONLY = ("shape", "dtype")
ONCE = ("float32",)
KINDS = ("float32", "float64", "float16", "bfloat16", "int32", "uint8", "bool")


def filled(d):
    """A shape, and maybe a dtype."""
    return given(d.pick(d.shape(), 3), **d.maybe(dtype=d.pick(*KINDS)))


def like(d):
    """An array, and maybe another dtype."""
    return given(d.array(d.shape()), **d.maybe(dtype=d.pick(*KINDS)))


def spaced(low, high):
    """Two ends and the number of points between them."""

    def draw(d):
        options = d.maybe(num=d.size(2, 6), endpoint=d.flip(), dtype=d.pick("float32", "float64"))
        return given(d.pick(1, d.number(low, high)), d.pick(3, d.number(low, high)), **options)

    return draw


def between_arrays(low, high):
    """Arrays of ends."""
    return lambda d: given(d.array((3,), low, high), d.array((3,), low, high), num=d.size(2, 6))


def diagonal_of(d):
    """Sizes, and which diagonal."""
    return given(d.size(1, 4), d.pick(None, d.size(1, 4)), d.size(-2, 2), **d.maybe(dtype=d.pick(*KINDS)))


def ends(d):
    """Where a range starts and stops, and its step."""
    if d.flip():
        args = d.pick((0.0, 1.0, 0.25), (2.5,), (3, 8.0, 1), (9, 1, -2))
        return given(*args, **d.maybe(dtype=d.pick("float32", "float64", "float16")))
    return given(
        *d.pick((5,), (2, 7), (1, 9, 2)), **d.maybe(dtype=d.pick("float32", "int32", "int64", "float16", "uint8"))
    )


ROWS = {
    **{name: [Row(filled, dtypes=ONCE, draws=16)] for name in ("zeros", "ones")},
    "empty": [
        Row(
            lambda d: given(d.shape(), **d.maybe(dtype=d.pick("float64", "int32", "uint8"))),
            dtypes=ONCE,
            draws=8,
            compare=SHAPE_ONLY,
        )
    ],
    "empty_like": [Row(one(), dtypes=("float32", "int32", "bool"), compare=SHAPE_ONLY)],
    **{name: [Row(like, dtypes=ALL)] for name in ("zeros_like", "ones_like")},
    "full": [
        Row(lambda d: given(d.shape(), d.pick(2, 1.5, True), **d.maybe(dtype=d.pick(*KINDS))), dtypes=ONCE, draws=16),
        Row(lambda d: given((2, 3), d.array((3,), dtype="float32"), dtype="float32"), dtypes=ONCE),
    ],
    "full_like": [
        Row(lambda d: given(d.array(d.shape()), d.pick(2, 1.5, True), **d.maybe(dtype=d.pick(*KINDS))), dtypes=ALL),
    ],
    "arange": [Row(ends, dtypes=ONCE, draws=30)],
    "linspace": [
        Row(spaced(-3, 3), dtypes=ONCE, draws=12),
        Row(lambda d: given(0, 2, d.size(2, 5), endpoint=d.flip(), retstep=True), dtypes=ONCE, compare=("value",)),
        Row(between_arrays(-3, 3)),
    ],
    "logspace": [
        Row(spaced(-2, 2), dtypes=ONCE, draws=12),
        Row(lambda d: given(0, 2, num=4, base=d.pick(2, 2.5)), dtypes=ONCE),
        Row(between_arrays(-2, 2)),
    ],
    "geomspace": [Row(spaced(0.5, 4), dtypes=ONCE, draws=12), Row(between_arrays(0.5, 4))],
    "eye": [Row(diagonal_of, dtypes=ONCE, draws=24)],
    "tri": [Row(diagonal_of, dtypes=ONCE, draws=24)],
    "identity": [Row(lambda d: given(d.size(0, 4), **d.maybe(dtype=d.pick(*KINDS))), dtypes=ONCE, draws=12)],
    "array": [Row(like, dtypes=ALL), Row(lambda d: given(d.pick(3, 2.5, True, [1, 2.5], [[1], [2]])), dtypes=ONCE)],
    "convert_to_tensor": [
        Row(like, dtypes=ALL),
        Row(lambda d: given(d.pick(3, 2.5, True, [1, 2.5], [[1], [2]], [True, False], [])), dtypes=ONCE, draws=14),
    ],
    "convert_to_numpy": [
        Row(one(), dtypes=FLOATS, compare=NO_GRADIENT),
        Row(one(), dtypes=("int32", "bool"), compare=NO_GRADIENT),
    ],
    "is_tensor": [
        Row(one(), dtypes=ALL),
        Row(lambda d: given(d.pick(1, 2.5, [1, 2], "x", None)), dtypes=ONCE, draws=10),
    ],
    "dtype": [Row(one(), lambda ops, x: ops.dtype(x), dtypes=ALL)],
    "shape": [Row(one(), dtypes=ALL)],
    "ndim": [Row(one(), dtypes=ALL)],
    "size": [Row(one(), dtypes=ALL)],
    "vander": [
        Row(
            lambda d: given(d.array((4,)), **d.maybe(N=d.size(1, 5), increasing=True)),
            dtypes=REALS,
            compare=NO_GRADIENT,
        )
    ],
    "one_hot": [
        Row(
            lambda d: given(d.integers(d.shape(), -1, 4), 4, **d.maybe(axis=d.pick(-1, 0), dtype=d.pick(*KINDS))),
            dtypes=ONCE,
            draws=16,
        ),
        Row(lambda d: given(d.integers((3,), 0, 4, d.pick("int64", "uint8", "int8")), 4), dtypes=ONCE),
    ],
    "multi_hot": [
        Row(
            lambda d: given(d.integers(d.pick((3,), (2, 3)), -1, 4), 4, **d.maybe(dtype=d.pick(*KINDS))),
            dtypes=ONCE,
            draws=16,
        ),
    ],
    "meshgrid": [
        Row(
            lambda d: given(*[d.array((d.size(),)) for _ in range(d.size(1, 3))], indexing=d.pick("xy", "ij")),
            dtypes=(*FLOATS, "int32"),
        ),
    ],
}
