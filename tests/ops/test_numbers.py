"""What integers and floating-point numbers have of their own: edges of their ranges, ties, refusals, and operators."""

import math
import operator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from eagerly import dtypes, ops
from eagerly.dimensions import unknown
from eagerly.errors import TraceError
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from eagerly.variable import Variable
from gradients import check_gradients

INF, NAN = math.inf, math.nan
FLOATS = ("float16", "bfloat16", "float32", "float64")
INTEGERS = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64")
QUICK = settings(max_examples=20, deadline=None, derandomize=True)


def gradient(function, *values, dtype="float32"):
    tensors = [Tensor(x, dtype) for x in values]
    with GradientTape() as tape:
        tape.watch(tensors)
        y = function(*tensors)
    return [None if g is None else g.tolist() for g in tape.gradient(y, tensors)]


def drawn(data, dtype, **options):
    return data.draw(npst.arrays(dtype, (3, 2), **options))


# Integers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bitwise_and", "bitwise_or", "bitwise_xor", "gcd", "lcm"])
@pytest.mark.parametrize("dtype", INTEGERS)
@QUICK
@given(data=st.data())
def test_integers_of_all_sizes(name, dtype, data):
    x, y = drawn(data, dtype), drawn(data, dtype)
    result = getattr(ops, name)(x, y)
    assert result.dtype == dtype
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(x, y)
    limit = abs(int(np.iinfo(dtype).min)) if name in ("gcd", "lcm") else 0  # |min| is no number of the dtype
    usual = (x.astype(object) != -limit) & (y.astype(object) != -limit) if limit else np.True_
    if name == "lcm":  # what does not fit is another matter
        fits = [math.lcm(int(a), int(b)) <= int(np.iinfo(dtype).max) for a, b in zip(x.flat, y.flat, strict=True)]
        usual = usual & np.reshape(fits, x.shape)
    np.testing.assert_array_equal(np.where(usual, result.numpy(), 0), np.where(usual, expected, 0))


@pytest.mark.parametrize("dtype", INTEGERS)
@QUICK
@given(data=st.data())
def test_shifts_of_any_distance(dtype, data):
    bits = np.iinfo(dtype).bits
    x = drawn(data, dtype)
    y = drawn(data, dtype, elements=st.integers(0 if dtype[0] == "u" else -3, bits + 3))
    left, right = ops.left_shift(x, y), ops.right_shift(x, y)
    assert left.dtype == right.dtype == dtype
    for a, b, up, down in zip(x.flat, y.flat, left.numpy().flat, right.numpy().flat, strict=True):
        a, b = int(a), int(b)
        within = 0 <= b < bits
        assert int(up) % 2**bits == (a << b if within else 0) % 2**bits
        assert int(down) == (a >> b if within else min(a, 0) >> bits)
    assert (~Tensor(x)).tolist() == np.invert(x).tolist()


def test_truth_values_are_bits_or_numbers():
    x, y = Tensor([True, True, False]), Tensor([True, False, False])
    assert ops.bitwise_and(x, y).tolist() == [True, False, False]
    assert ops.bitwise_or(x, y).tolist() == [True, True, False]
    assert ops.bitwise_xor(x, y).tolist() == [False, True, False]
    assert ops.bitwise_invert(x).tolist() == [False, False, True]
    assert ops.bitwise_and(x, 3).tolist() == [1, 1, 0]
    for name in ("left_shift", "right_shift", "gcd", "lcm"):
        assert getattr(ops, name)(x, y).dtype == "int32"
    assert ops.left_shift(x, y).tolist() == [2, 1, 0]


# What `keras.ops` 3.15 gives on PyTorch, but for two booleans, which it refuses to shift or divide.
@pytest.mark.parametrize(
    "name", ["bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift", "gcd", "lcm"]
)
@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [("uint8", "int8", "int16"), ("bool", "int32", "int32"), ("int64", "int32", "int64"), ("uint8", int, "uint8")],
)
def test_integers_promote(name, first, second, expected):
    x, y = Tensor([3, 1], first), 1 if second is int else Tensor([1, 1], second)
    for operands in ((x, y), (y, x)):
        assert getattr(ops, name)(*operands).dtype == expected
        symbols = [v if v is y else AbstractTensor((unknown("n"),), v.dtype) for v in operands]
        assert getattr(ops, name)(*symbols).dtype == expected


def test_divisors_of_zero_and_of_negative_numbers():
    assert ops.gcd([0, -4, 6, 0], [0, 6, 0, -3]).tolist() == [0, 2, 6, 3]
    assert ops.lcm([0, -4, 6, 0], [0, 6, 0, -3]).tolist() == [0, 12, 0, 0]
    assert ops.lcm(6, 4).tolist() == 12 and ops.gcd(6, 4).dtype == "int32"
    assert ops.gcd(Tensor([[6], [9]], "uint8"), 3).tolist() == [[3], [3]]


@pytest.mark.parametrize(
    "name", ["bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift", "gcd", "lcm"]
)
@pytest.mark.parametrize("symbolic", [False, True])
def test_floats_have_no_bits(name, symbolic):
    x = AbstractTensor((2,), "float32") if symbolic else Tensor([1.0, 2.0])
    for other in (x, 1, Tensor([1, 2])):
        with pytest.raises(TypeError, match=rf"^{name}: expected integers or truth values.*got float32\[2\], "):
            getattr(ops, name)(x, other)
    integers = AbstractTensor((2,), "int32") if symbolic else Tensor([1, 2])
    with pytest.raises(TypeError, match=f"^{name}: expected integers or truth values.*Use ops.logical_and"):
        getattr(ops, name)(integers, 1.5)
    with pytest.raises(TypeError, match=r"^bitwise_invert: expected integers or truth values, got float32\[2\]\. Use "):
        ops.bitwise_invert(x)


def test_numbers_that_the_dtype_cannot_hold_are_refused():
    with pytest.raises(OverflowError, match="300 out of bounds for uint8"):
        ops.bitwise_and(Tensor([1], "uint8"), 300)


# Operators ----------------------------------------------------------------------------------------------------------

OPERATORS = [operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift]


@pytest.mark.parametrize("function", OPERATORS)
def test_operators_on_integers_are_bitwise(function):
    x, y = np.array([12, -7, 5], "int32"), np.array([1, 3, 2], "int32")
    expected = function(x, y).tolist()
    for a in (Tensor(x), Variable(x, trainable=False)):
        assert (
            function(a, Tensor(y)).tolist() == function(a, y).tolist() == function(a, y.tolist()).tolist() == expected
        )
        assert function(x, Tensor(y)).tolist() == expected
        assert function(a, 2).tolist() == function(x, 2).tolist()
        assert function(9, Tensor(y)).tolist() == function(np.int32(9), y).tolist()
    symbol = AbstractTensor((unknown("n"), 3), "int32")
    for z in (function(symbol, 2), function(2, symbol), function(Tensor(y), symbol)):
        assert isinstance(z, AbstractTensor) and z.shape == (None, 3) and z.dtype == "int32"
        assert list(map(id, z.node.inputs())) == [id(symbol)]


def test_operators_on_truth_values_are_logical():
    x, y = Tensor([True, True, False]), Tensor([True, False, False])
    assert (x & y).tolist() == [True, False, False] and (x | y).tolist() == [True, True, False]
    assert (x ^ True).tolist() == [False, False, True] and (~x).tolist() == [False, False, True]
    assert (~AbstractTensor((2,), "bool")).dtype == "bool"
    assert (~Tensor([0, 5], "uint8")).tolist() == [255, 250] and (~Tensor([0, 5])).tolist() == [-1, -6]


def test_operators_on_floats_ask_for_zero():
    """As those of Keras's Variables and symbols."""
    for x in (Tensor([0.5, 0.0]), Variable([0.5, 0.0]), Tensor([0.5, 0.0], "bfloat16")):
        assert (x & 1).tolist() == (x & Tensor([3, 3])).tolist() == (2.5 & x).tolist() == [True, False]
        assert (x | 0).tolist() == (x ^ False).tolist() == [True, False]
        assert (~x).tolist() == [False, True]
    symbol = AbstractTensor((unknown("n"),))
    for y in (symbol & 1, 1 | symbol, ~symbol):
        assert y.dtype == "bool" and y.shape == (None,) and list(map(id, y.node.inputs())) == [id(symbol)]
    with pytest.raises(TypeError, match="^left_shift: expected integers or truth values"):
        Tensor([1.0]) << 2


def test_divmod():
    for dtype in ("int32", "float32"):
        x = Tensor([7, -7, 6], dtype)
        quotient, remainder = divmod(x, 4)
        assert (quotient.tolist(), remainder.tolist()) == ([1, -2, 1], [3, 1, 2])
        quotient, remainder = divmod(20, x)
        assert (quotient.tolist(), remainder.tolist()) == ([2, -3, 3], [6, -1, 2])
        assert quotient.dtype == remainder.dtype == dtype
    quotient, remainder = divmod(AbstractTensor((unknown("n"),)), 2)
    assert quotient.shape == remainder.shape == (None,)
    assert quotient.node is remainder.node
    with pytest.raises(TypeError, match="unsupported operand"):
        divmod(x, "two")


# Floats -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
def test_strange_values(dtype):
    x = Tensor([NAN, INF, -INF, -0.0, 0.0, 1.5, -1.5], dtype)
    assert ops.isposinf(x).tolist() == [False, True, *[False] * 5]
    assert ops.isneginf(x).tolist() == [False, False, True, *[False] * 4]
    assert ops.signbit(x).tolist() == [False, False, True, True, False, False, True]
    np.testing.assert_array_equal(ops.trunc(x).numpy().astype("float64"), np.array([NAN, INF, -INF, -0.0, 0, 1, -1]))
    assert np.signbit(ops.trunc(Tensor([-0.0, -0.5], dtype)).numpy()).tolist() == [True, True]
    np.testing.assert_array_equal(ops.fabs(x).numpy().astype("float64"), np.array([NAN, INF, INF, 0, 0, 1.5, 1.5]))
    limit = float(ops.nan_to_num(Tensor(INF, dtype)))
    assert limit == {"float16": 65504.0, "bfloat16": 3.3895313892515355e38, "float32": 3.4028234663852886e38}.get(
        dtype, 1.7976931348623157e308
    )
    assert ops.nan_to_num(x).tolist() == [0.0, limit, -limit, 0.0, 0.0, 1.5, -1.5]
    assert ops.nan_to_num(x, 7, posinf=8, neginf=9.0).tolist() == [7.0, 8.0, 9.0, 0.0, 0.0, 1.5, -1.5]
    assert ops.nan_to_num(x).dtype == dtype


def test_strange_values_of_integers():
    for dtype in (*INTEGERS, "bool"):
        x = Tensor([0, 1], dtype)
        assert ops.isposinf(x).tolist() == ops.isneginf(x).tolist() == ops.signbit(x).tolist() == [False, False]
        assert ops.trunc(x).dtype == ops.nan_to_num(x).dtype == ops.copy(x).dtype == dtype
        assert ops.fabs(x).dtype == "float32"
        assert type(ops.trunc(Variable(x, trainable=False))) is type(ops.copy(Variable(x, trainable=False))) is Tensor
    assert ops.signbit(Tensor([-1, 2], "int8")).tolist() == [True, False]
    assert ops.fabs(Tensor([-128], "int8")).tolist() == [128.0]


def test_gradients_of_what_replaces_values():
    assert gradient(ops.nan_to_num, [NAN, INF, -INF, 2.0]) == [[0.0, 0.0, 0.0, 1.0]]
    x, filler = Tensor([NAN, INF, 1.0]), Variable(5.0, dtype="float64")
    with GradientTape() as tape:
        y = ops.nan_to_num(x, filler, posinf=filler)
    assert y.dtype == "float32" and y.tolist() == [5.0, 5.0, 1.0]
    assert float(tape.gradient(y, filler)) == 2.0
    assert gradient(ops.fabs, [-2.0, 0.0, 3.0]) == [[-1.0, 0.0, 1.0]]
    assert gradient(ops.trunc, [1.5]) == gradient(ops.heaviside, [0.0], [2.0])[:1] == [None]
    assert gradient(ops.heaviside, [-1.0, 0.0, 1.0], [7.0, 7.0, 7.0])[1] == [0.0, 1.0, 0.0]
    assert gradient(ops.nextafter, [1.0], [2.0]) == [None, None]


def test_the_number_wins_over_nan_and_the_first_of_equal_ones_has_the_gradient():
    x, y = [1.0, NAN, 1.0, NAN, 0.0, 2.0], [1.0, 1.0, NAN, NAN, -0.0, 3.0]
    for name, last, slope in (("fmax", 3.0, 0.0), ("fmin", 2.0, 1.0)):
        function = getattr(ops, name)
        np.testing.assert_array_equal(function(Tensor(x), Tensor(y)).numpy(), [1, 1, 1, NAN, 0, last])
        assert gradient(function, x, y) == [[1.0, 0.0, 1.0, 1.0, 1.0, slope], [0.0, 1.0, 0.0, 0.0, 0.0, 1.0 - slope]]
        assert function(Tensor([1, 5]), 3).dtype == "int32"
        assert function(Tensor([1, 5]), 2.5).dtype == "float32"
        assert function(Tensor([True]), Tensor([False])).dtype == "bool"
        assert function(2.5, Tensor([1.0, NAN], "bfloat16")).dtype == "bfloat16"
        check_gradients(function, [[[1.0], [5.0]], [2.0, 3.0, 7.0]])


@QUICK
@given(npst.arrays("float64", 4, elements=st.floats(-9, 9)), npst.arrays("float64", 4, elements=st.floats(0.01, 3)))
def test_remainders_have_the_sign_of_the_first(x, y):
    y = y * np.array([1, -1, 1, -1])
    expected = [math.fmod(a, b) for a, b in zip(x, y, strict=True)]
    assert ops.fmod(x, y).tolist() == expected
    quotients = [round((a - r) / b) for a, b, r in zip(x, y, expected, strict=True)]
    assert gradient(ops.fmod, x, y, dtype="float64") == [[1.0] * 4, [-float(q) for q in quotients]]


def test_remainders_at_the_edge():
    assert ops.fmod([5, -5, -5, 5], [3, 3, -3, 0]).tolist() == [2, -2, -2, 0]
    assert ops.fmod(Tensor([-128, -128], "int8"), Tensor([3, -1], "int8")).tolist() == [-2, 0]
    x, y = np.float32([5, INF, 3, -0.0, 1]), np.float32([0, 2, INF, 1, 1e-40])
    np.testing.assert_array_equal(
        ops.fmod(x, y).numpy(), [NAN, NAN, 3, -0.0, np.fmod(np.float32(1), np.float32(1e-40))]
    )
    assert gradient(ops.fmod, [1.0], [0.1], dtype="float64")[1] == [-9.0]  # 1 / 0.1 rounds to 10, but 10 do not fit
    assert ops.fmod(Tensor([True]), Tensor([True])).dtype == "int32"


def test_heaviside():
    x = np.array([-INF, -1, -0.0, 0.0, 2, NAN], "float32")
    np.testing.assert_array_equal(ops.heaviside(x, 0.5).numpy(), [0, 0, 0.5, 0.5, 1, NAN])
    assert ops.heaviside(Tensor([-1, 0, 1]), 5).tolist() == [0.0, 5.0, 1.0]
    for dtype, expected in (
        ("bool", "float32"),
        ("int32", "float32"),
        ("float16", "float16"),
        ("bfloat16", "bfloat16"),
    ):
        assert ops.heaviside(Tensor([1], dtype), Tensor([1], "int32")).dtype == expected
    check_gradients(lambda y: ops.heaviside(np.array([[0.0], [1.0]]), y), [[1.0, 2.0]])


@pytest.mark.parametrize("dtype", FLOATS)
def test_neighbors(dtype):
    x = Tensor([1.0, 1.0, 0.0, 5.0, NAN, INF], dtype)
    y = ops.nextafter(x, Tensor([2.0, 0.0, 1.0, 5.0, 1.0, 0.0], dtype)).numpy().astype("float64")
    bits, least = {"float16": (10, -24), "bfloat16": (7, -133), "float32": (23, -149), "float64": (52, -1074)}[dtype]
    limit = float(ops.nan_to_num(Tensor(INF, dtype)))
    np.testing.assert_array_equal(y, [1 + 2.0**-bits, 1 - 2.0 ** -(bits + 1), 2.0**least, 5, NAN, limit])
    assert ops.nextafter(Tensor([1]), Tensor([2.0], dtype)).dtype == dtype


def test_ldexp_is_exact_to_the_ends_of_the_range():
    x = Tensor([1.0, -3.0, 2.0**-149, INF, NAN, 0.0])
    assert ops.ldexp(x, [127, 3, 276, -9, 1, 9]).tolist()[:4] == [2.0**127, -24.0, 2.0**127, INF]
    assert ops.ldexp(Tensor(1.0), Tensor([-149, -150, 128, 2**31 - 1, -(2**31)])).tolist() == [
        2.0**-149,
        0,
        INF,
        INF,
        0,
    ]
    for exponent in (*INTEGERS, int):
        n = 3 if exponent is int else Tensor([3, 0], exponent)
        for dtype in FLOATS:
            assert ops.ldexp(Tensor([1.5, 2.0], dtype), n).dtype == dtype
        assert ops.ldexp(Tensor([3, 3]), n).tolist()[0] == 24.0
    assert ops.ldexp(2, 3).dtype == "float32"
    assert ops.ldexp(Tensor(1.0, "float64"), Tensor(2**63 + 5, "uint64")).tolist() == INF
    check_gradients(lambda t: ops.ldexp(t, [[2], [-3]]), [[0.5, 1.5, -2.0]])
    assert gradient(lambda t: ops.ldexp(t, -2), [1.0]) == [[0.25]]  # PyTorch: 0
    y = ops.ldexp(AbstractTensor((unknown("n"), 1), "float16"), AbstractTensor((4,), "int32"))
    assert y.shape == (None, 4) and y.dtype == "float16"


@pytest.mark.parametrize("exponents", [2.0, True, Tensor([1.0]), AbstractTensor((1,)), np.ones(1)])
def test_ldexp_refuses_exponents_that_are_no_integers(exponents):
    with pytest.raises(TypeError, match=r"^ldexp: expected integers as exponents x2 \(got float32\[1\], "):
        ops.ldexp(Tensor([1.0]), exponents)


def test_closeness():
    x = np.array([1.0, 1.0, INF, INF, NAN, 0.0, 1e30], "float32")
    y = np.array([1.000009, 1.0001, INF, -INF, NAN, 1e-9, INF], "float32")
    for kwargs in ({}, {"equal_nan": True}, {"rtol": 0.0, "atol": 0.0}, {"rtol": 1e-3}, {"atol": 1.0}):
        assert ops.isclose(x, y, **kwargs).tolist() == np.isclose(x, y, **kwargs).tolist(), kwargs
    assert ops.isclose(x, y, rtol=INF).tolist() == [True, True, True, False, False, True, False]
    assert ops.isclose(Tensor([100_000]), Tensor([100_001])).tolist() == [False]  # integers are equal or not
    assert ops.isclose(Tensor([True]), 1).tolist() == [True]
    assert ops.isclose(Tensor([65504.0], "float16"), Tensor([-65504.0], "float16")).tolist() == [False]
    assert ops.isclose(1.0, Tensor([1.00001, 2.0], "bfloat16")).tolist() == [True, False]
    assert ops.allclose([1.0, NAN], [1.0, NAN]).tolist() is False
    assert ops.allclose([1.0, NAN], [1.0, NAN], equal_nan=True).tolist() is True
    assert ops.allclose(np.zeros((0, 2)), 1.0).tolist() is True
    with pytest.raises(ValueError, match=r"shapes \(2,\) and \(3,\) do not broadcast"):
        ops.isclose(np.zeros(2), np.zeros(3))


@pytest.mark.parametrize("source", FLOATS)
@pytest.mark.parametrize("target", [*INTEGERS, *FLOATS])
def test_saturation(source, target):
    values = [0, -1, 1, 2.5, 126.5, 255.5, -300, 65504, 65519, 7e4, -7e4, 2.0**31, -1e10, 1e30, -1e300, INF, -INF]
    x = Tensor(values, source)
    y = ops.saturate_cast(x, target)
    assert y.dtype == target
    largest = {name: float(ops.nan_to_num(Tensor(INF, name))) for name in FLOATS}
    high = int(min(largest.get(target, math.inf), largest[source]))
    low = -high
    if target in INTEGERS:
        low, high = (max(low, int(np.iinfo(target).min)), min(high, int(np.iinfo(target).max)))
    for given_value, result in zip(x.numpy().astype("float64").tolist(), y.tolist(), strict=True):
        exact = min(max(given_value, low), high)
        if target in INTEGERS:
            assert result == int(exact), given_value
        else:
            assert result == float(Tensor(float(exact), target)), given_value


def test_saturation_of_nan_integers_and_truth():
    assert ops.saturate_cast(Tensor([NAN]), "int32").tolist() == [0]
    assert np.isnan(ops.saturate_cast(Tensor([NAN]), "float16").numpy()).all()
    assert ops.saturate_cast(Tensor([-3, 300]), "uint8").tolist() == [0, 255]
    assert ops.saturate_cast(Tensor([2**32 - 1], "uint32"), "int32").tolist() == [2**31 - 1]
    assert ops.saturate_cast(Tensor([-1], "int8"), "uint64").tolist() == [0]
    assert ops.saturate_cast(Tensor([200], "uint8"), "int64").tolist() == [200]
    assert ops.saturate_cast(Tensor([70_000, -70_000]), "float16").tolist() == [65504.0, -65504.0]
    assert ops.saturate_cast(Tensor([-3.0, 0.0, 0.5, 2.0]), "bool").tolist() == [False, False, True, True]
    assert ops.saturate_cast(Tensor([-3, 0, 5]), "bool").tolist() == [False, False, True]
    assert ops.saturate_cast(Tensor([True, False]), "uint8").tolist() == [1, 0]
    assert ops.saturate_cast(AbstractTensor((unknown("n"), 2)), "int8").shape == (None, 2)
    with pytest.raises(ValueError, match="dtype: expected one of"):
        ops.saturate_cast([1.0], "float23")


def test_saturation_stops_the_gradient_out_of_range():
    x = Tensor([1.0, 7e4, -INF, 65504.0])
    with GradientTape() as tape:
        tape.watch(x)
        y = ops.saturate_cast(x, "float16")
    g = tape.gradient(y, x)
    assert g.tolist() == [1.0, 0.0, 0.0, 1.0] and g.dtype == "float32"


# What has no values, or gives no tensor -----------------------------------------------------------------------------


def test_sizes():
    n = unknown("n")
    assert ops.size(np.zeros((2, 0, 3))).tolist() == 0 and ops.size(5).tolist() == 1
    assert ops.size([[1, 2, 3]]).tolist() == 3 and ops.size([1]).dtype == "int32"
    symbol = ops.size(AbstractTensor((n, 3)))
    assert isinstance(symbol, AbstractTensor) and symbol.shape == () and symbol.dtype == "int32"
    assert ops.size(AbstractTensor((2, 3))).tolist() == 6


def test_empty_tensors_hold_zeros():
    assert ops.empty(3).tolist() == [0.0] * 3 and ops.empty((2, 0), "int8").shape == (2, 0)
    assert ops.empty((unknown("n"), 2)).shape == (None, 2)
    x = ops.empty_like(AbstractTensor((unknown("n"), 2), "bool"), dtype="float16")
    assert x.shape == (None, 2) and x.dtype == "float16"
    assert ops.empty_like([1, 2]).dtype == "int32"


def test_a_copy_has_the_gradient_and_not_the_array():
    x = np.ones(2)
    y = ops.copy(x)
    x[0] = 5
    assert y.tolist() == [1.0, 1.0]
    assert gradient(ops.copy, [1.0, 2.0]) == [[1.0, 1.0]]


def test_names_of_dtypes():
    for name in (*FLOATS, *INTEGERS, "bool"):
        for x in (Tensor([1], name), Variable([1], dtype=name, trainable=False), AbstractTensor((2,), name)):
            assert ops.dtype(x) == name and type(ops.dtype(x)) is str
        assert ops.dtype(np.zeros(1, dtypes.dtype(name))) == name
    assert ops.dtype(1.5) == "float32" and ops.dtype([1, 2]) == "int32" and ops.dtype(True) == "bool"


def test_what_is_a_tensor():
    assert ops.is_tensor(Tensor(1.0)) and ops.is_tensor(AbstractTensor(()))
    assert not any(map(ops.is_tensor, (1.0, [Tensor(1.0)], np.ones(2), Variable(1.0), None)))


def test_numpy_arrays_of_ones_own():
    x = Tensor([1.0, 2.0], "bfloat16")
    for value in (x, Variable([1.0, 2.0]), np.array([1.0, 2.0]), [1.0, 2.0]):
        y = ops.convert_to_numpy(value)
        assert type(y) is np.ndarray and y.tolist() == [1.0, 2.0] and y.dtype.name == ops.dtype(value)
        y[0] = 9
        assert np.asarray(value).tolist() == [1.0, 2.0]
    assert ops.convert_to_numpy(3).shape == ()
    with pytest.raises(TraceError, match="has no value"):
        ops.convert_to_numpy(AbstractTensor((2,)))
