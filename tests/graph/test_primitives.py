"""Compiled operations are what they are eagerly: every primitive, edge values of every dtype, random graphs."""

import math
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eagerly
import eagerly.random
from domains import DOMAINS
from eagerly import dtypes, kernels, ops
from eagerly.errors import TraceError
from eagerly.primitive import REGISTRY
from eagerly.tensor import Tensor, wrap

TYPED = [(name, dtype) for name, domain in DOMAINS.items() for dtype in domain.dtypes]
# Functions that a loop computes with its own polynomials or the C library's: how far they may be from NumPy's.
CLOSE = 4
TRANSCENDENTAL = frozenset(
    ("exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "erf", "erfc", "sigmoid", "power", "sinh", "cosh", "arctan",
     "arcsin", "arccos", "arcsinh", "arccosh", "arctan2", "hypot", "cbrt", "log2", "log10")
)  # fmt: skip
# The rest of what is not exact adds up in another order; recurrences do so at every step.
SUMS = {"float32": 3e-6, "float64": 1e-13, "float16": 2e-3, "bfloat16": 1e-2, "complex64": 3e-6, "complex128": 1e-13}
STEPS = {"float32": 1e-5}
BY_VALUE = {"places", "distinct"}  # their shapes depend on values


@pytest.fixture(autouse=True)
def every_loop_compiles():
    """A loop that cannot be compiled runs from Python, unnoticed but for this."""
    yield
    assert not kernels.failures


def flat(result):
    return list(result) if isinstance(result, tuple) else [result]


def assert_alike(name, got, want):
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    a, b = got.numpy(), want.numpy()
    if a.dtype.kind in "biu" or a.tobytes() == b.tobytes():
        np.testing.assert_array_equal(a, b)
        return
    complex_or_real = np.complex128 if a.dtype.kind == "c" else np.float64
    wide_a, wide_b = a.astype(complex_or_real), b.astype(complex_or_real)
    if name in TRANSCENDENTAL:
        assert_within(a, b, CLOSE)
        return
    rtol = (STEPS if "steps" in name else SUMS).get(a.dtype.name, SUMS[a.dtype.name])
    finite = np.abs(wide_b[np.isfinite(wide_b)])
    np.testing.assert_allclose(wide_a, wide_b, rtol=rtol, atol=rtol * finite.max(initial=0.1))


def assert_within(got, want, ulps):
    """NaN, infinities and the signs of zeros are alike; the rest is off by so many units in the last place."""
    with np.errstate(all="ignore"):
        unit = np.spacing(np.abs(want)).astype(np.float64)
    got, want = got.astype(np.float64), want.astype(np.float64)
    assert (np.isnan(got) == np.isnan(want)).all()
    exact = ~np.isfinite(want) | (want == 0)
    np.testing.assert_array_equal(got[exact], want[exact])
    np.testing.assert_array_equal(np.signbit(got[want == 0]), np.signbit(want[want == 0]))
    with np.errstate(all="ignore"):
        off = np.abs(got - want)[~exact]
    assert (off <= ulps * unit[~exact]).all(), (off / unit[~exact]).max()


def apart(array):
    """The same values, with a gap between any two and in the other order."""
    if not array.ndim:
        return array
    spread = np.zeros((*(2 * size for size in array.shape),), array.dtype, order="F")
    view = spread[(slice(None, None, 2),) * array.ndim]
    view[...] = array
    return view


@pytest.mark.parametrize(("name", "dtype"), [row for row in TYPED if row[0] not in BY_VALUE])
def test_every_primitive(name, dtype):
    domain, primitive = DOMAINS[name], REGISTRY[name]
    for index, case in enumerate(domain.cases):
        for n, m in [(2, 3), (1, 1), (5, 2), *([(0, 3)] if domain.empty else [])]:
            rng = np.random.default_rng([zlib.crc32(f"{name} {index}".encode()), n])
            arrays, params = domain.draw(rng, case, n, m, dtype)
            compiled = eagerly.function(lambda *xs, params=params: flat(primitive(*xs, **params)), name=name)
            want = flat(primitive(*map(Tensor, arrays), **params))
            got = compiled(*map(Tensor, arrays))
            spread = compiled(*(wrap(apart(x)) for x in arrays)) if n == 5 else got
            assert len(got) == len(want)
            for x, y, z in zip(got, spread, want, strict=True):
                assert_alike(name, x, z)
                assert x.numpy().tobytes() == y.numpy().tobytes()


@pytest.mark.parametrize("name", sorted(BY_VALUE))
def test_shapes_that_depend_on_values_are_refused(name):
    compiled = eagerly.function(REGISTRY[name])
    with pytest.raises(TraceError, match="has no value before run time"):
        compiled(Tensor([1.0, 0.0]))


# --- edge values

EDGES = [0, 1, 0.5, 2.5, 3.5, 1e-3, 1e-40, 1e-45, 88, 104, 710, 255.5, 65520, 2**31, 2**32, 2**63, 1e10, 3e38, np.inf]
NAMES = ("float32", "float64", "float16", "bfloat16", "bool") + tuple(
    f"{sign}int{bits}" for bits in (8, 16, 32, 64) for sign in ("", "u")
)
LOOPS = sorted(
    {*TRANSCENDENTAL, "add", "subtract", "multiply", "divide", "floor_divide", "mod", "maximum", "minimum", "negative",
     "absolute", "sign", "square", "sqrt", "relu", "floor", "ceil", "rint", "equal", "not_equal", "less", "less_equal",
     "greater", "greater_equal", "isnan", "isinf", "isfinite", "bitwise_and", "bitwise_or", "bitwise_xor",
     "left_shift", "right_shift", "logical_and", "logical_or", "logical_xor", "logical_not", "leaky_relu"}
)  # fmt: skip


def edges(dtype):
    """The values of a dtype where operations are different from elsewhere."""
    kind = dtypes.dtype(dtype)
    if dtype == "bool":
        return np.array([False, True] * 9)[:17]
    if dtypes.is_float(kind):
        with np.errstate(all="ignore"):
            return np.array([*EDGES, *(-x for x in EDGES), np.nan, -0.0]).astype(kind)
    low, high = np.iinfo(kind).min, np.iinfo(kind).max
    signed = [-1, -2, -3, -7, low + 1] if low else []
    return np.array([low, high, high - 1, high // 2, high // 2 + 1, 0, 1, 2, 3, 5, 7, 17, *signed], kind)


def outcome(function, *args):
    """What comes out, be it an error."""
    try:
        return function(*args)
    except (TypeError, OverflowError, ZeroDivisionError, ValueError) as error:
        return type(error)


def assert_same_outcome(name, function, *args):
    want, got = outcome(function, *args), outcome(eagerly.function(function), *args)
    if isinstance(want, type):
        assert got is want or (isinstance(got, type) and issubclass(got, want))
        return
    assert isinstance(got, Tensor), got
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    a, b = got.numpy(), want.numpy()
    if a.dtype.kind in "biu":
        np.testing.assert_array_equal(a, b)
    else:
        assert_within(a, b, CLOSE if name in TRANSCENDENTAL else 0)


@pytest.mark.parametrize("name", LOOPS)
def test_edge_values(name):
    primitive = REGISTRY[name]
    binary = len(DOMAINS[name].cases[0](2, 3)[0]) == 2
    for dtype in NAMES if name in ("add", "less", "power", "sign") else NAMES[:2] + ("bool", "int8", "uint32", "int64"):
        values = edges(dtype)
        if not binary:
            assert_same_outcome(name, primitive, Tensor(values))
            continue
        pairs = [x.ravel() for x in np.meshgrid(values, values)]
        assert_same_outcome(name, primitive, *map(Tensor, pairs))


NUMBERED = ("add", "subtract", "multiply", "divide", "floor_divide", "mod", "power", "maximum", "less", "not_equal",
            "logical_and", "bitwise_or")  # fmt: skip


@pytest.mark.parametrize("name", NUMBERED)
@pytest.mark.parametrize("dtype", ["float32", "int8", "uint64", "bool"])
def test_python_numbers(name, dtype):
    """Those out of a dtype's range too: NumPy compares with them exactly and refuses to compute."""
    primitive, x = REGISTRY[name], Tensor(edges(dtype))
    for number in (2, -1, 0.5, 3, True, 300):
        assert_same_outcome(name, lambda x, number=number: primitive(x, number), x)
        assert_same_outcome(name, lambda x, number=number: primitive(number, x), x)


@pytest.mark.parametrize(
    "source", ["float32", "float64", "float16", "bool", "int8", "uint8", "int32", "int64", "uint64"]
)
def test_casts(source):
    for target in NAMES:
        function = eagerly.function(lambda x, target=target: ops.cast(x, target))
        x = Tensor(edges(source))
        if source.startswith("float") and target == "uint32":
            x = Tensor(
                edges(source)[np.abs(edges(source).astype("float64")) < 2**31]
            )  # NumPy's own casts of others differ by position
        got, want = function(x), ops.cast(x, target)
        assert got.dtype == want.dtype
        assert_within(got.numpy(), want.numpy(), 0)


@pytest.mark.parametrize("number", [1e300, -1e300, float("nan"), float("inf"), 1e-50, -0.0])
def test_numbers_beyond_float32(number):
    x = Tensor([1.0, -2.0, float("inf"), float("nan"), 0.0])
    for name in ("add", "multiply", "less", "maximum", "divide"):
        assert_same_outcome(name, lambda x, name=name: REGISTRY[name](x, number), x)


@pytest.mark.parametrize("name", ["sum", "max", "min", "any", "all", "argmax", "argmin"])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_reductions_of_edge_values(name, axis):
    reduce = getattr(ops, name)
    for dtype in ("float32", "float64", "int8", "uint64", "int32", "bool"):
        values = edges(dtype)
        rows = Tensor(np.stack([np.roll(values, shift) for shift in range(0, 17, 4)]))
        finite = np.isfinite(np.asarray(rows, np.float64)) & (np.abs(np.asarray(rows, np.float64)) < 1e4)
        for x in (rows, Tensor(np.where(finite, rows, 0).astype(dtype))):
            got, want = eagerly.function(lambda x: reduce(x, axis=axis))(x), reduce(x, axis=axis)
            assert (got.dtype, got.shape) == (want.dtype, want.shape)
            np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-6 if dtype == "float32" else 1e-13, atol=1e-3)


@pytest.mark.parametrize("columns", [1, 3, 15, 16, 17, 33, 1000, 4096, 4097, 5001])
@pytest.mark.parametrize("rows", [1, 7])
def test_rows_of_every_length(rows, columns):
    """Reductions and what follows them, along rows and down columns, with every kind of tail."""
    rng = np.random.default_rng(columns)
    x = Tensor(rng.normal(size=(rows, columns)).astype("float32"))

    def function(x):
        shifted = ops.exp(x - ops.max(x, axis=1, keepdims=True))
        soft = shifted / ops.sum(shifted, axis=1, keepdims=True)
        centered = x - ops.mean(x, axis=0)
        return soft, ops.argmax(x, axis=-1), ops.sum(centered * centered, axis=0), ops.min(x), ops.mean(soft * x)

    for got, want in zip(eagerly.function(function)(x), function(x), strict=True):
        assert (got.shape, got.dtype) == (want.shape, want.dtype)
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=2e-5, atol=1e-6)


def test_one_row_of_all_elements():
    x = Tensor(np.random.default_rng(0).normal(size=100_000).astype("float32"))
    y = Tensor(np.arange(100_000) % 1000 == 7)

    def function(x, y):
        return ops.sum(x * x), ops.max(x), ops.argmin(x), ops.any(y), ops.all(y), ops.sum(ops.cast(y, "int32"))

    got = eagerly.function(function)(x, y)
    for a, b in zip(got, function(x, y), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (1, 5, 7), (5, 1, 7), (2, 5, 7), (2, 1, 5, 1, 7, 1), (5, 1)])
def test_reductions_along_every_axis_of_what_the_loop_makes(shape):
    """Axes of one element, wherever they stand, do not change which way a reduction goes."""
    x = Tensor(np.arange(float(np.prod(shape))).reshape(shape) - 9, "float32")
    kinds = [(ops.sum, n) for n in (0, 1, -1, (0, 1), (-2, -1), (0, -1), None)] + [(ops.argmax, 0), (ops.argmin, -1)]

    def function(x):
        return [reduce(x * 2 + 1, axis=axis) for reduce, axis in kinds] + [ops.max(x - 1, axis=0, keepdims=True) * 2]

    for got, want in zip(eagerly.function(function)(x), function(x), strict=True):
        assert (got.shape, got.dtype) == (want.shape, want.dtype)
        np.testing.assert_allclose(got, want, rtol=1e-5)


# --- views

VIEWS = {
    "transposed": lambda x: ops.transpose(x),
    "a row of it": lambda x: x[1],
    "every other": lambda x: x[:, ::2],
    "backwards": lambda x: x[::-1, ::-1],
    "repeated": lambda x: ops.broadcast_to(x[:1], (5, *x.shape)),
    "flattened turned": lambda x: ops.reshape(ops.transpose(x), (-1,)),
    "nothing": lambda x: x[2:2],
}


@pytest.mark.parametrize("name", VIEWS)
def test_views(name):
    """What only moves indices is a result, an operand and reduced; before and after others have used it."""
    x, view = Tensor(np.arange(12, dtype="float32").reshape(3, 4) + 1), VIEWS[name]

    def function(x):
        y = view(x)
        z = view(ops.exp(x))
        return y, ops.log(y), z, ops.sqrt(z), ops.sum(y), ops.sum(z, axis=0), y * 2, y

    for got, want in zip(eagerly.function(function)(x), function(x), strict=True):
        assert (got.shape, got.dtype) == (want.shape, want.dtype)
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["bool", "int8", "float16", "bfloat16", "float64", "complex64", "uint64"])
def test_views_of_every_dtype(dtype):
    x = Tensor(np.arange(12).reshape(3, 4) % 3, dtype)

    def function(x):
        turned = ops.transpose(x)
        return turned, ops.reshape(turned, (2, 6)), turned[1:, ::-1], ops.broadcast_to(x[0], (2, 4)), turned == turned

    for got, want in zip(eagerly.function(function)(x), function(x), strict=True):
        assert (got.shape, got.dtype) == (want.shape, want.dtype)
        assert got.numpy().tobytes() == want.numpy().tobytes()


TURNED = {
    "backwards": lambda x: x[:, ::-1],
    "transposed": lambda x: ops.transpose(x, (1, 0, 2)),
    "rolled": lambda x: ops.roll(x, 1, axis=2),
    "repeated": lambda x: ops.broadcast_to(x[:1], x.shape),
    "a part, repeated": lambda x: x[:, :, 1:2],
    "in order": lambda x: x,
}


@pytest.mark.parametrize("name", TURNED)
def test_what_is_made_in_another_order_is_not_at_hand(name):
    """Two loops over as many elements are one only if each element needs of the other's what is at its own place."""
    x, y = Tensor(np.arange(75.0).reshape(5, 5, 3), "float32"), Tensor(np.arange(25).reshape(5, 5) % 3 > 0)
    turned = TURNED[name]

    def function(x, y):
        made, mask = x * 2 + 1, ops.where(y[:, :, None], x, 0)
        rows = ops.sum(x * 3, axis=-1, keepdims=True)
        return (
            x * 3 + turned(made), mask + turned(ops.where(turned(x) > 30, made, 0)), turned(made) * made,
            ops.sum(turned(made) + mask, axis=0), turned(made) + rows, ops.max(turned(made) - made, axis=(1, 2)),
            turned(rows + made) + turned(mask),
        )  # fmt: skip

    for got, want in zip(eagerly.function(function)(x, y), function(x, y), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-6)


# --- random graphs

SIZES = st.sampled_from([1, 2, 3, 15, 16, 17, 33, 0])
# What jumps does so away from where tanh and sigmoid end: there a rounding would decide.
UNARY = (
    ops.tanh, ops.negative, ops.abs, ops.relu, ops.sigmoid, ops.square, lambda x: ops.sign(x + 0.37),
    lambda x: ops.floor(x + 0.37), lambda x: x * 0.5 + 1,
)  # fmt: skip
BINARY = (ops.add, ops.subtract, ops.multiply, ops.maximum, ops.minimum, lambda a, b: ops.where(a > b, a - b, 0.0))


class Maker:
    """Draws a program: operations on what it has made so far."""

    def __init__(self, draw):
        self.draw = draw

    def program(self, steps):
        return [
            (self.draw(st.sampled_from(KINDS)), self.draw(st.integers(0, 9)), self.draw(st.integers(0, 9)),
             self.draw(st.integers(0, 99)))
            for _ in range(steps)
        ]  # fmt: skip


KINDS = ("unary", "binary", "transpose", "reshape", "slice", "reduce", "matmul", "broadcast", "constant", "integer",
         "concatenate", "number")  # fmt: skip


def run(program, x, y):
    """What a program makes; a step whose operands do not fit each other does nothing."""
    made = [x, y]
    for kind, i, j, k in program:
        a, b = made[-1 - i % min(len(made), 4)], made[-1 - j % min(len(made), 4)]
        rank = len(a.shape)
        if kind == "unary":
            made.append(UNARY[k % len(UNARY)](a))
        elif kind == "binary":
            try:
                np.broadcast_shapes(a.shape, b.shape)
            except ValueError:
                continue
            made.append(BINARY[k % len(BINARY)](a, b))
        elif kind == "transpose":
            order = list(np.random.default_rng(k).permutation(rank))
            made.append(ops.transpose(a, [int(n) for n in order]))
        elif kind == "reshape":
            made.append(
                ops.reshape(a, [(-1,), (1, *a.shape), (*a.shape, 1), a.shape[::-1]][k % 4 if math.prod(a.shape) else 1])
            )
        elif kind == "slice" and rank:
            keys = (slice(1, None), slice(None, None, 2), slice(None, None, -1), slice(0, 1), slice(None, -1))
            made.append(a[(Ellipsis, keys[k % 5])] if j % 2 else a[keys[k % 5]])
        elif kind == "reduce" and rank:
            axes = [n for n in range(rank) if (k >> n) % 2] or None
            reduce = (ops.sum, ops.mean, ops.max)[j % 3]
            if reduce is ops.sum or math.prod(a.shape):
                made.append(reduce(a, axis=axes, keepdims=bool(i % 2)))
        elif kind == "matmul" and rank >= 2:
            made.append(ops.tanh(ops.matmul(a, ops.swapaxes(a, -1, -2))))
        elif kind == "broadcast" and rank < 3:
            made.append(ops.broadcast_to(a, (2 + k % 2, *a.shape)))
        elif kind == "constant":
            made.append(a + np.float32(k) / 10)
        elif kind == "number":
            made.append((a - k) / (k + 1) if j % 2 else 2 - a)
        elif kind == "integer":
            whole = ops.cast(made[i % 2] * 3, "int32")
            made.append(ops.cast(whole // (1 + k % 7) + whole % (1 + j), "float32"))
        elif kind == "concatenate" and rank:
            made.append(ops.concatenate([a, a], axis=k % rank))
    return made[2:]


@st.composite
def programs(draw):
    n, m = draw(SIZES), draw(SIZES)
    shapes = draw(st.sampled_from([((n, m), (m,)), ((n, m), (n, 1)), ((n,), (n,)), ((2, n, m), (n, m)), ((), (m,))]))
    return shapes, Maker(draw).program(draw(st.integers(1, 9))), draw(st.integers(0, 2**32 - 1))


@settings(max_examples=400, deadline=None, derandomize=True)
@given(programs())
def test_random_graphs(given_program):
    shapes, program, seed = given_program
    rng = np.random.default_rng(seed)
    x, y = (Tensor(rng.normal(size=shape).astype("float32")) for shape in shapes)
    want = run(program, x, y)
    got = eagerly.function(lambda x, y: run(program, x, y))(x, y)
    for a, b in zip(got, want, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(3, 0, 3), (0, 5), (5, 0)])
def test_nothing_in_other_shapes(shape):
    def function(x):
        y = ops.transpose(x)
        return ops.reshape(y, (0,)), ops.reshape(y[..., ::-1], (0, 2, 7)), ops.reshape(x * 2, shape[::-1]), y + 1

    for got, want in zip(eagerly.function(function)(ops.ones(shape)), function(ops.ones(shape)), strict=True):
        assert (got.shape, got.dtype) == (want.shape, want.dtype)
