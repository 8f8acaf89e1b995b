"""Running sums and products: zeros, non-finite values, dtypes, and the linear recurrence behind their gradients."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eagerly import ops
from eagerly.ops import scans
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from gradients import check_gradients

INF, NAN = np.inf, np.nan


@pytest.mark.parametrize("zeros", [[], [0], [4], [1, 3], [2, 3, 4], [0, 1, 2, 3, 4]])
@pytest.mark.parametrize(
    "call",
    [
        lambda x: ops.cumprod(x, axis=1),
        lambda x: ops.cumprod(x),
        lambda x: ops.prod(x, axis=-1),
        lambda x: ops.prod(x * x, axis=(1, 0), keepdims=True),
        lambda x: ops.prod(x),
        lambda x: ops.nanprod(x, axis=0),
        lambda x: ops.nancumprod(x, axis=-1),
    ],
)
def test_gradients_of_products_with_zeros(call, zeros):
    x = np.random.default_rng(1).uniform(0.5, 2, (2, 5))
    x[0, zeros] = 0
    check_gradients(call, [x])


@pytest.mark.parametrize("call", [lambda x: ops.cumsum(x), lambda x: ops.cumsum(x, -2), lambda x: ops.nancumsum(x, 1)])
def test_gradients_of_running_sums(call):
    check_gradients(call, [np.random.default_rng(2).normal(size=(3, 4))])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 17), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_a_linear_scan_is_its_recurrence(length, width, seed):
    rng = np.random.default_rng(seed)
    a, b = (rng.choice([0.0, 1.0, -2.0, 0.5, 3.0], (length, width)) for _ in range(2))
    expected, last = np.zeros((length, width)), np.zeros(width)
    for i in range(length):
        expected[i] = last = a[i] * last + b[i]
    np.testing.assert_allclose(scans.linear_scan(a, b, axis=0), expected)
    np.testing.assert_allclose(scans.linear_scan(a.T, b.T, axis=-1), expected.T)


def test_a_factor_of_zero_begins_anew():
    a, b = np.array([1, 2, 0, 3, INF, 0, 2.0]), np.array([NAN, 1, 1, 1, 1, 5, 1.0])
    np.testing.assert_array_equal(scans.linear_scan(a, b, axis=0), [NAN, NAN, 1, 4, INF, 5, 11])
    a, b = np.array([1, 0, INF, 1, 1, 1, 0.0]), np.array([NAN, 1, 0, 1, 1, 1, 2.0])
    np.testing.assert_array_equal(scans.linear_scan(a, b, axis=0), [NAN, 1, INF, INF, INF, INF, 2])


def test_nan_reaches_only_the_gradients_that_it_must():
    x = Tensor([2.0, NAN, 3.0])
    with GradientTape(persistent=True) as tape:
        tape.watch(x)
        total = ops.prod(x)
        without = ops.nanprod(x)
    np.testing.assert_array_equal(tape.gradient(total, x).numpy(), [NAN, 6, NAN])
    np.testing.assert_array_equal(tape.gradient(without, x).numpy(), [3, 0, 2])


KEPT = ("uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64")


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "nancumsum", "nancumprod"])
def test_running_sums_and_products_keep_the_dtype(name):
    function = getattr(ops, name)
    for dtype in KEPT:
        for x in (Tensor([[1, 1], [0, 1]], dtype), AbstractTensor((2, 2), dtype)):
            assert function(x, 0).dtype == dtype
            assert function(x, dtype="float64").dtype == "float64"
            assert function(x, 1, "int8").dtype == "int8"
            assert function(x, 1, "bool").dtype == "int32"
    assert function(Tensor([True, False])).dtype == "int32"
    assert function(Tensor(2.0)).shape == (1,)


@pytest.mark.parametrize("name", ["prod", "nanprod"])
def test_products_of_small_integers_are_wider(name):
    wide = {"bool": "int32", "int8": "int32", "int16": "int32", "uint8": "uint32", "uint16": "uint32"}
    for dtype in (*KEPT, *wide):
        for x in (Tensor([[1, 1], [0, 1]], dtype), AbstractTensor((2, 2), dtype)):
            assert getattr(ops, name)(x, 0).dtype == wide.get(dtype, dtype)
    assert ops.prod(Tensor([100, 100], "int8")).tolist() == 10_000


@pytest.mark.parametrize(("dtype", "expected"), [("int8", "int8"), ("float16", "float16"), ("bool", "bool")])
def test_the_dtype_of_a_product_is_what_is_asked(dtype, expected):
    assert ops.prod([[2.0, 3.0]], 1, dtype=dtype).dtype == expected
    assert ops.prod(AbstractTensor((2, 2)), 1, dtype=dtype).dtype == expected


def test_sixteen_bits_are_accumulated_in_thirty_two():
    ones = Tensor(np.ones(5000), "bfloat16")
    assert ops.cumsum(ones).numpy()[-1] == 4992  # the nearest that bfloat16 has; summed in it, 256 would be the last
    x = Tensor([2.0**15, 4.0, 2.0**-4], "float16")
    assert ops.cumprod(x).tolist() == [2.0**15, INF, 2.0**13]
    assert ops.prod(x).tolist() == 2.0**13


def test_of_nothing():
    empty = np.zeros((0, 3), "float32")
    assert ops.prod(empty).tolist() == 1.0 and ops.prod(empty, 0).tolist() == [1.0] * 3
    assert ops.cumsum(empty, 0).shape == (0, 3) and ops.cumprod(empty).shape == (0,)
    assert ops.nanprod(np.full(2, NAN)).tolist() == 1.0
    check_gradients(lambda x: ops.prod(x, 1) + 1, [np.zeros((2, 0))])


@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
def test_an_axis_that_is_not_there(name):
    with pytest.raises(ValueError, match=rf"^{name}: axis: expected an integer in \[-2, 2\) for 2 axes, got 2"):
        getattr(ops, name)(np.ones((2, 3)), 2)
    with pytest.raises(ValueError, match=r"axis: expected an integer in \[-2, 2\) for 2 axes, got -3"):
        ops.prod(AbstractTensor((2, 3)), -3)
