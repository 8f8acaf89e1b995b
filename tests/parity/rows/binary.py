"""Functions of two arguments that broadcast: arithmetic, comparison, logic, bits."""

from parity.drawing import ALL, FLOATS, MIXED, REALS, WHOLE, Row, given
from parity.forms import binary, edges, pair

NO_GRADIENT = ("value", "dtype")
NUMERIC = tuple(x for x in MIXED if x != "bool")


def whole(low=-9, high=9, away=0.0):
    """Two arrays of integers."""

    def draw(d):
        shape = d.shape()
        return given(d.array(shape, low, high), d.array(d.broadcastable(shape), low, high, away=away))

    return draw


def bits(*extra):
    """Rows of a function on integers, their dtypes equal or not."""
    own = (*WHOLE, *extra)

    def mixed(d):
        shape = d.shape(1)
        kinds = (*own, "int16")
        other = d.broadcastable(shape) or (1,)
        return given(d.array(shape, -9, 9, d.pick(*kinds)), d.array(other, -9, 9, d.pick(*kinds)))

    return [Row(whole(), dtypes=own, draws=3), Row(mixed, dtypes=("int32",), draws=9)]


def shifts(d):
    """Integers, and by how many bits to shift them."""
    shape = d.shape()
    return given(d.array(shape, 0, 9), d.array(d.broadcastable(shape), 0, 4))


def near(d):
    """Numbers, and others close to some of them."""
    x = d.array(d.shape(1))
    y = (x * d.pick(1, 1 + 1e-6, 1 + 1e-3) + d.pick(0, 1e-9, 1e-2)).astype(x.dtype)
    options = {"rtol": d.pick(1e-5, 1e-2), "atol": d.pick(1e-8, 1e-1), "equal_nan": d.flip()}
    return given(x, y, **{key: value for key, value in options.items() if d.flip()})


ROWS = {
    **{name: binary() for name in ("add", "multiply", "maximum", "minimum", "arctan2", "logaddexp")},
    "hypot": binary(dtypes=NUMERIC),
    **{name: binary() for name in ("logaddexp2", "fmax", "fmin")},
    "subtract": binary(dtypes=NUMERIC),
    **{name: binary(away=0.2) for name in ("divide", "true_divide", "divide_no_nan")},
    **{name: binary(away=0.2, dtypes=NUMERIC) for name in ("mod", "fmod")},
    "floor_divide": binary(away=0.2, dtypes=NUMERIC, compare=NO_GRADIENT),
    "power": [
        *binary(0.2, 3.0, away=0.2, dtypes=NUMERIC),
        Row(lambda d: given(d.array(d.shape(), -2, 2, away=0.1), d.pick(0, 1, 2, 3, -1, 0.0, 2.0))),
    ],
    **{name: binary() for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")},
    **{name: binary() for name in ("logical_and", "logical_or", "logical_xor")},
    **{name: bits("bool") for name in ("bitwise_and", "bitwise_or", "bitwise_xor")},
    **{
        name: [Row(shifts, dtypes=WHOLE, draws=3)]
        for name in ("bitwise_left_shift", "bitwise_right_shift", "left_shift", "right_shift")
    },
    "gcd": bits(),
    "lcm": bits(),
    "heaviside": [
        Row(pair(-2, 2), dtypes=REALS, compare=NO_GRADIENT),
        Row(lambda d: given(edges(d), 0.5), compare=NO_GRADIENT),
    ],
    "nextafter": [Row(lambda d: given(d.array((2, 3)), d.array((3,))), compare=NO_GRADIENT)],
    "ldexp": [Row(lambda d: given(d.array((2, 3)), d.integers((3,), -4, 5)), dtypes=("float32", "float64", "int32"))],
    "isclose": [Row(near, dtypes=FLOATS, draws=12), Row(lambda d: given(edges(d), edges(d), equal_nan=d.flip()))],
    "allclose": [Row(near, dtypes=FLOATS, draws=12), Row(lambda d: given(edges(d), edges(d), equal_nan=d.flip()))],
    "psnr": [Row(lambda d: given(d.array((2, 4)), d.array((2, 4)), d.pick(1.0, 255)))],
    "where": [
        Row(
            lambda d: given(d.truth((2, 3)), d.array(d.pick((2, 3), (3,), (1,))), d.array(d.pick((2, 1), (3,)))),
            dtypes=MIXED,
        ),
        Row(lambda d: given(d.truth((2, 3)), d.array((2, 3)), d.pick(0, 1.5)), dtypes=ALL, draws=2),
        Row(lambda d: given(d.truth(d.shape(1))), lambda ops, x: list(ops.where(x)), dtypes=("bool",), draws=8),
        Row(lambda d: given(d.integers(d.shape(1), -1, 2)), lambda ops, x: list(ops.where(x)), dtypes=("int32",)),
    ],
}
