"""Functions of one number, predicates and windows."""

from parity.drawing import ALL, FLOATS, NUMBERS, REALS, Row, given
from parity.forms import edges, one, unary

NO_GRADIENT = ("value", "dtype")


def number(d):
    """A window's length, and options."""
    return given(d.pick(1, d.size(3, 9)))


ROWS = {
    **{name: unary() for name in ("abs", "absolute", "fabs", "square", "exp", "expm1", "exp2", "tanh", "erf", "erfc")},
    **{name: unary() for name in ("sin", "cos", "tan", "sinh", "cosh", "arctan", "arcsinh", "cbrt", "sinc")},
    **{name: unary() for name in ("deg2rad", "rad2deg", "copy")},
    **{name: unary(dtypes=NUMBERS) for name in ("negative", "sign")},
    **{name: unary(0.1, 4.0, away=0.1) for name in ("log", "log10", "log1p", "log2", "sqrt", "rsqrt")},
    "reciprocal": unary(away=0.1, dtypes=NUMBERS),
    "arccos": unary(-0.9, 0.9),
    "arcsin": unary(-0.9, 0.9),
    "arctanh": unary(-0.9, 0.9, dtypes=REALS),
    "arccosh": unary(1.1, 5.0),
    "erfinv": unary(-0.9, 0.9, dtypes=FLOATS, corners=False),
    "i0": unary(-9.0, 9.0),
    "floor": unary(),
    "ceil": unary(),
    "trunc": unary(),
    "signbit": unary(),
    "round": [
        *unary(-20.0, 20.0, dtypes=NUMBERS),
        Row(lambda d: given(d.array(d.shape(), -20, 20), d.pick(-1, 0, 1, 2))),
        Row(lambda d: given(d.array(d.shape(), -200, 200), decimals=d.pick(-1, 0, 1)), dtypes=("int32", "int64")),
    ],
    "isfinite": unary(),
    "isinf": unary(),
    "isnan": unary(),
    "isneginf": unary(),
    "isposinf": unary(),
    "logical_not": unary(),
    "nan_to_num": [
        *unary(),
        Row(lambda d: given(edges(d), nan=d.number(), posinf=d.pick(None, 7.0), neginf=d.pick(None, -7.0))),
    ],
    "bitwise_invert": [Row(one(-9, 9), dtypes=("int32", "int64", "int8", "uint8", "bool"))],
    "bitwise_not": [Row(one(-9, 9), dtypes=("int32", "int64", "int8", "uint8", "bool"))],
    **{name: [Row(number, dtypes=("float32",), draws=8)] for name in ("bartlett", "blackman", "hamming", "hanning")},
    "kaiser": [Row(lambda d: given(d.size(2, 9), d.number(0, 9)), dtypes=("float32",), draws=8)],
    "stop_gradient": [Row(one())],
    "view": [
        Row(lambda d: given(d.array((*d.shape(), 4)), "float32"), dtypes=ALL, compare=NO_GRADIENT),
        Row(
            lambda d: given(d.array((2, 4)), d.pick("int8", "uint8", "int16", "float16", "float64")),
            compare=NO_GRADIENT,
            draws=9,
        ),
        Row(one(), dtypes=("float32",), compare=NO_GRADIENT),
    ],
    "clip": [
        Row(lambda d: given(d.array(d.shape(1)), -d.number(0.1, 1), d.number(0.1, 1)), dtypes=ALL),
        Row(lambda d: given(d.array((2, 3)), d.array((3,), -1, 0), x_max=d.array((2, 1), 0.1, 1)), draws=6),
        Row(lambda d: given(d.array(d.shape(1), -9, 9), d.pick(1, 2), 5), dtypes=ALL),
    ],
    "cast": [Row(lambda d: given(d.array(d.shape(), 0, 99), d.pick(*ALL)), dtypes=ALL, draws=9)],
    "saturate_cast": [
        Row(lambda d: given(d.array(d.shape(), -999, 999), d.pick(*ALL[:4], *ALL[5:])), dtypes=ALL, draws=9)
    ],
}
