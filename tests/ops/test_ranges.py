"""Counts, distances and ratios: NumPy on random bounds, exact ends, gradients, dtypes, unknown sizes, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eagerly import ops
from eagerly.dimensions import Dim, unknown
from eagerly.errors import TraceError
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from eagerly.variable import Variable
from gradients import check_gradients


def run(max_examples):
    return settings(max_examples=max_examples, deadline=None, derandomize=True)


BOUNDS = st.floats(-100, 100, allow_nan=False).filter(lambda x: x == 0 or abs(x) > 1e-3)


@run(150)
@given(BOUNDS, BOUNDS, st.integers(0, 9), st.booleans())
def test_spaces_between_numbers(start, stop, num, endpoint):
    for convert in (lambda x: x, np.float64, lambda x: Variable(x, dtype="float64")):
        first, last = convert(start), convert(stop)
        values, step = ops.linspace(first, last, num, endpoint, retstep=True, dtype="float64")
        expected, distance = np.linspace(start, stop, num, endpoint, retstep=True)
        np.testing.assert_allclose(values.numpy(), expected, rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(step.numpy(), distance, rtol=1e-6)
        if endpoint and num > 1:
            assert (values.tolist()[0], values.tolist()[-1]) == (start, stop)
        narrow = ops.linspace(first, last, num, endpoint, dtype="float32").numpy()
        np.testing.assert_allclose(narrow, np.linspace(start, stop, num, endpoint, dtype="float32"), rtol=2e-7)
        exponents = ops.logspace(start / 50, stop / 50, num, endpoint, dtype="float64")
        np.testing.assert_allclose(exponents.numpy(), np.logspace(start / 50, stop / 50, num, endpoint), rtol=1e-12)
        if start * stop > 0:
            values = ops.geomspace(first, last, num, endpoint, dtype="float64")
            np.testing.assert_allclose(values.numpy(), np.geomspace(start, stop, num, endpoint), rtol=1e-12)


@run(60)
@given(st.integers(0, 2**32), st.integers(0, 4), st.booleans())
def test_spaces_between_tensors(seed, num, endpoint):
    rng = np.random.default_rng(seed)
    shapes = [(2, 3), (3,), (2, 1), (), (1, 3)]
    first, last = (rng.uniform(0.5, 2, shapes[rng.integers(5)]) for _ in range(2))
    rank = max(first.ndim, last.ndim)
    axis = int(rng.integers(-rank - 1, rank + 1))
    for name in ("linspace", "logspace", "geomspace"):
        expected = getattr(np, name)(first, last, num, endpoint, axis=axis)
        result = getattr(ops, name)(first, last, num, endpoint, axis=axis)
        assert result.shape == expected.shape
        np.testing.assert_allclose(result.numpy(), expected, rtol=1e-12)
    _, step = ops.linspace(first, last, 3, retstep=True, axis=axis)
    np.testing.assert_allclose(step.numpy(), np.linspace(first, last, 3, retstep=True, axis=axis)[1], rtol=1e-12)


def test_float32_values_are_rounded_once():
    assert ops.linspace(0, 1, 11).tolist() == np.linspace(0, 1, 11).astype(np.float32).tolist()
    assert ops.linspace(0.1, 0.7, 7, dtype="float64").tolist() == pytest.approx(np.linspace(0.1, 0.7, 7), abs=1e-16)
    assert ops.linspace(-3, 3, 7, dtype="int32").tolist() == [-3, -2, -1, 0, 1, 2, 3]
    assert ops.linspace(-2, 1, 4, endpoint=False, dtype="int32").tolist() == [-2, -2, -1, 0]
    assert ops.logspace(0, 3, 4, dtype="int32").tolist() == [1, 10, 100, 1000]
    assert ops.arange(0, 1, 0.1).tolist() == np.arange(0, 1, 0.1).astype(np.float32).tolist()


def test_signs_and_zeros_of_ratios():
    assert ops.geomspace(-1, -100, 3).tolist() == [-1.0, -10.0, -100.0]
    assert np.isnan(ops.geomspace(-1, 100, 3).numpy()).all()
    assert np.isnan(ops.geomspace(0, 100, 3).numpy()).any()
    assert ops.geomspace(5, 100, 1).tolist() == [5.0]


@pytest.mark.parametrize(
    "function",
    [
        lambda a, b: ops.linspace(a, b, 5),
        lambda a, b: ops.linspace(a, b, 4, endpoint=False, retstep=True, axis=-1),
        lambda a, b: ops.linspace(a, 3.0, 1),
        lambda a, b: ops.logspace(a, b, 4, base=2),
        lambda a, b: ops.logspace(0, a, 3, base=b[0]),
        lambda a, b: ops.geomspace(a, b, 4, axis=1),
        lambda a, b: ops.geomspace(-a, -b, 3, endpoint=False),
        lambda a, b: ops.arange(a[0, 0], 9.5, b[1]),
        lambda a, b: ops.vander(b, 4),
        lambda a, b: ops.vander(b, increasing=True),
    ],
)
def test_gradients(function):
    rng = np.random.default_rng(0)
    check_gradients(function, [rng.uniform(1, 2, (2, 3)), rng.uniform(1, 2, 3)])


def test_gradients_at_zero_of_powers():
    x = Variable([0.0, -2.0])
    with GradientTape() as tape:
        y = ops.vander(x, 3)
    assert y.tolist() == [[0.0, 0.0, 1.0], [4.0, -2.0, 1.0]]
    assert tape.gradient(y, x).tolist() == [1.0, -3.0]


def test_arange_of_tensors():
    for convert in (Tensor, lambda x: Variable(x, trainable=False), np.asarray):
        assert ops.arange(convert(3)).tolist() == [0, 1, 2]
        assert ops.arange(convert(1), 6, convert(2)).tolist() == [1, 3, 5]
    start, step = Variable(1.0), Variable(0.5)
    with GradientTape() as tape:
        y = ops.arange(start, 3, step)
    assert y.tolist() == [1.0, 1.5, 2.0, 2.5]
    assert [float(g) for g in tape.gradient(y, [start, step])] == [4.0, 6.0]
    with pytest.raises(TraceError, match="has no value"):
        ops.arange(AbstractTensor((), "int32"))


@run(60)
@given(st.integers(-5, 5), st.integers(0, 6), st.integers(-3, 3).filter(bool))
def test_arange_of_unknown_sizes(other, size, step):
    n = unknown("n")
    for start, stop in ((other, n), (n, other)):
        result = ops.arange(start, stop, step)
        first, last = (size if isinstance(x, Dim) else x for x in (start, stop))
        (found,) = result.dims
        assert eval(repr(found), {"max": max}, {"n": size}) == len(range(first, last, step)), found
        assert result.dtype == "int32"
    assert ops.arange(n, dtype="float16").dtype == "float16"
    assert ops.arange(n).dims == (n,)


DTYPES = ["uint8", "int8", "int32", "float16", "bfloat16", "float32", "float64"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(dtype):
    expected = dtype if "float" in dtype else "float32"
    for x in (Tensor([1, 2], dtype), AbstractTensor((2,), dtype)):
        for function in (ops.linspace, ops.logspace, ops.geomspace):
            assert function(x, x, 3).dtype == expected
            assert function(1, x, 3).dtype == function(x, 2.5, 3).dtype == expected
            assert function(x, x, 3, dtype="int32").dtype == "int32"
        assert ops.vander(x).dtype == dtype
    assert [part.dtype for part in ops.linspace(Tensor(1, dtype), 2, retstep=True)] == [expected] * 2
    assert ops.arange(Tensor(3, dtype)).dtype == dtype
    assert ops.arange(Tensor(3, dtype), dtype="float16").dtype == "float16"
    assert ops.vander(Tensor([True, False])).tolist() == [[True, True], [False, True]]


def test_unknown_sizes():
    n = unknown("n")
    x = AbstractTensor((n, 2))
    assert ops.linspace(x, 1.0, 5).dims == (5, n, 2)
    assert ops.geomspace(1.0, x, 5, axis=-1).dims == (n, 2, 5)
    assert [y.dims for y in ops.linspace(x, x, 0, retstep=True, axis=1)] == [(n, 0, 2), (n, 2)]
    assert ops.vander(AbstractTensor((n,))).dims == (n, n)
    assert ops.unravel_index(AbstractTensor((n,), "int32"), (n, 3))[1].dims == (n,)


def test_a_bound_that_is_a_symbol_makes_a_node():
    x = AbstractTensor((2,))
    for y in (ops.linspace(start=x, stop=1.0), ops.logspace(0.0, stop=x), ops.geomspace(1.0, x, num=3)):
        assert any(found is x for found in y.node.inputs())


@run(60)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(0, 2**32))
def test_coordinates_are_those_of_numpy(shape, seed):
    total = int(np.prod(shape))
    indices = np.random.default_rng(seed).integers(0, total, (2, 3))
    for dtype in ("uint8", "int8", "int32", "int64", "uint32"):
        if total > np.iinfo(dtype).max:
            continue
        places = ops.unravel_index(Tensor(indices, dtype), shape)
        assert type(places) is tuple
        for place, expected in zip(places, np.unravel_index(indices, shape), strict=True):
            assert place.dtype == dtype
            np.testing.assert_array_equal(place.numpy(), expected)
    from_end = ops.unravel_index(indices - total, Tensor(shape))
    np.testing.assert_array_equal(np.ravel_multi_index([p.numpy() for p in from_end], shape), indices)


def test_coordinates_in_a_shape_larger_than_the_dtype():
    assert [place.tolist() for place in ops.unravel_index(Tensor([200], "uint8"), (1000,))] == [[200]]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: ops.arange(0, 3, 0), ValueError, ["arange", "other than 0", "got 0"]),
        (lambda: ops.linspace(0, 1, -1), ValueError, ["linspace", "num >= 0", "-1"]),
        (lambda: ops.logspace(0, 1, -1), ValueError, ["logspace", "num >= 0", "-1"]),
        (lambda: ops.geomspace(1, 2, -1), ValueError, ["geomspace", "num >= 0", "-1"]),
        (lambda: ops.linspace(0, 1, 2.5), TypeError, ["float", "integer"]),
        (lambda: ops.linspace(0, 1, 3, axis=1), ValueError, ["axis", "[-1, 1)", "got 1"]),
        (lambda: ops.linspace(np.ones(2), np.ones(3)), ValueError, ["(1, 2)", "(1, 3)", "broadcast"]),
        (lambda: ops.vander(np.ones((2, 2))), ValueError, ["vander", "a vector", "float64[2, 2]"]),
        (lambda: ops.vander(np.ones(2), -1), ValueError, ["vander", "N >= 0", "-1"]),
        (lambda: ops.vander(np.ones(2), 1.5), ValueError, ["vander: N", "expected integers", "1.5"]),
        (lambda: ops.unravel_index([1.5], (2,)), ValueError, ["unravel_index", "expected integers", "float32[1]"]),
        (lambda: ops.unravel_index([6], (2, 3)), IndexError, ["unravel_index", "6 elements", "int32[1]"]),
        (lambda: ops.unravel_index([-7], (2, 3)), IndexError, ["unravel_index", "6 elements"]),
        (lambda: ops.unravel_index([1], "a"), ValueError, ["unravel_index: shape", "expected integers", "'a'"]),
    ],
)
def test_errors_name_operation_expected_and_given(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)
