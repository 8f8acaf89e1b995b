"""Diagonals and triangles: NumPy on random shapes and offsets, gradients, dtypes, unknown sizes, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eagerly import ops
from eagerly.dimensions import Dim, unknown
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from gradients import check_gradients

RUN = settings(max_examples=100, deadline=None, derandomize=True)


def numbered(shape):
    return np.arange(int(np.prod(shape)), dtype=np.float64).reshape(shape) + 1


@RUN
@given(st.lists(st.integers(0, 4), min_size=2, max_size=4), st.integers(-5, 5), st.data())
def test_diagonals_are_those_of_numpy(shape, offset, data):
    x = numbered(shape)
    first, second = data.draw(st.permutations(range(len(shape))))[:2]
    axes = first, second - data.draw(st.sampled_from([0, len(shape)]))
    expected = np.diagonal(x, offset, *axes)
    symbols = tuple(map(unknown, "abcd"[: len(shape)]))
    abstract = ops.diagonal(AbstractTensor(symbols), offset, *axes)
    sizes = [eval(repr(d), {"min": min, "max": max}, dict(zip("abcd", shape, strict=False))) for d in abstract.dims]
    for result, wanted in (
        (ops.diagonal(x, offset, *axes), expected),
        (ops.trace(x, offset, *axes), np.trace(x, offset, *axes)),
        (ops.tril(x, offset), np.tril(x, offset)),
        (ops.triu(x, offset), np.triu(x, offset)),
        (ops.diagflat(x, offset), np.diagflat(x, offset)),
    ):
        assert result.shape == wanted.shape
        np.testing.assert_array_equal(result.numpy(), wanted)
    assert tuple(sizes) == expected.shape
    with GradientTape() as tape:
        tape.watch(t := Tensor(x))
        y = ops.diagonal(t, offset, *axes)
    dual = np.zeros(shape)
    weights = np.random.default_rng(0).standard_normal(expected.shape)
    places = np.diagonal(np.arange(x.size).reshape(shape), offset, *axes)
    dual.reshape(-1)[places] = weights
    np.testing.assert_array_equal(tape.gradient(y, t, output_gradients=Tensor(weights)).numpy(), dual)


@RUN
@given(st.integers(0, 5), st.integers(0, 5), st.integers(-6, 6))
def test_matrices_are_those_of_numpy(rows, columns, k):
    for vector_or_matrix in (numbered((rows,)), numbered((rows, columns))):
        np.testing.assert_array_equal(ops.diag(vector_or_matrix, k).numpy(), np.diag(vector_or_matrix, k))
    np.testing.assert_array_equal(ops.tri(rows, columns, k).numpy(), np.tri(rows, columns, k))


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (lambda x: ops.diag(x, -1), (3,)),
        (lambda x: ops.diag(x, 1), (3, 4)),
        (lambda x: ops.diagflat(x, 2), (2, 2)),
        (lambda x: ops.diagonal(x, -1, 2, 0), (2, 3, 4)),
        (lambda x: ops.trace(x, 1, -1, 0), (4, 2, 3)),
        (lambda x: ops.tril(x, -1), (2, 3, 4)),
        (lambda x: ops.triu(x, 1), (2, 3, 4)),
    ],
)
def test_gradients(function, shape):
    check_gradients(lambda x: function(ops.square(x)), [np.random.default_rng(0).standard_normal(shape)])


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int32", "float16", "bfloat16", "float32", "float64"])
def test_dtypes(dtype):
    x = Tensor([[1, 0], [1, 1]], dtype)
    for function in (ops.diag, ops.diagonal, ops.diagflat, ops.tril, ops.triu):
        assert function(x).dtype == function(AbstractTensor((2, 2), dtype)).dtype == dtype
    # uint32 is what Keras gives but on PyTorch, which has no such dtype
    summed = {"bool": "int32", "int8": "int32", "uint8": "uint32"}.get(dtype, dtype)
    assert ops.trace(x).dtype == summed and float(ops.trace(x)) == 2
    assert ops.tri(2, dtype=dtype).dtype == dtype
    assert ops.tri(2).dtype == "float32"


def test_what_a_triangle_leaves_out_does_not_matter():
    x = Tensor([[1.0, np.nan], [np.inf, 2.0]])
    assert ops.tril(x).tolist() == [[1.0, 0.0], [np.inf, 2.0]]
    assert ops.triu(ops.tril(x)).tolist() == [[1.0, 0.0], [0.0, 2.0]]


def test_unknown_sizes():
    n, m = unknown("n"), unknown("m")
    x = AbstractTensor((2, n, m))
    assert ops.tril(x).dims == ops.triu(x, -1).dims == (2, n, m)
    assert ops.diagonal(AbstractTensor((n, n))).dims == (n,)
    assert isinstance(ops.diagonal(x, axis1=1, axis2=2).dims[1], Dim)
    assert ops.diag(AbstractTensor((n,)), -2).dims == (n + 2, n + 2)
    assert ops.diagflat(AbstractTensor((n, m))).dims == (n * m, n * m)
    assert ops.trace(x, axis1=1, axis2=2).dims == (2,)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ops.diagonal(np.ones(3)), ["diagonal", "at least two axes", "float64[3]"]),
        (lambda: ops.diagonal(AbstractTensor((3,))), ["diagonal", "at least two axes", "float32[3]"]),
        (lambda: ops.diagonal(np.ones((3, 3)), axis1=1), ["diagonal", "two different axes", "1 and 1"]),
        (lambda: ops.diagonal(np.ones((3, 3)), axis2=2), ["diagonal", "axis2", "[-2, 2)", "got 2"]),
        (lambda: ops.trace(np.ones((3, 3)), axis1=-3), ["diagonal", "axis1", "got -3"]),
        (lambda: ops.diag(np.ones((3, 3, 3))), ["diag", "one or two axes", "float64[3, 3, 3]"]),
        (lambda: ops.diag(1.0), ["diag", "one or two axes", "float32[]"]),
        (lambda: ops.tril(np.ones(3)), ["tril", "at least two axes", "float64[3]"]),
        (lambda: ops.triu(np.ones(3)), ["triu", "at least two axes", "float64[3]"]),
    ],
)
def test_errors_name_operation_expected_and_given(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)
