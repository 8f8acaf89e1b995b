"""Padding in every mode against NumPy, gradients, dtypes, unknown sizes, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eagerly import ops
from eagerly.dimensions import unknown
from eagerly.primitive import REGISTRY
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from eagerly.variable import Variable
from gradients import check_gradients

REPEATING = ("edge", "reflect", "symmetric", "wrap", "circular")
OTHERS = ("linear_ramp", "maximum", "minimum", "mean", "median")


def by_numpy(x, widths, mode, **options):
    return np.pad(x, widths, "wrap" if mode == "circular" else mode, **options)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.sampled_from(["constant", *REPEATING, *OTHERS]), st.lists(st.integers(0, 4), min_size=1, max_size=3), st.data()
)
def test_values_are_those_of_numpy(mode, shape, data):
    x = np.random.default_rng(sum(shape)).standard_normal(shape)
    width = st.integers(0, 6)
    pair = st.tuples(width, width)
    widths = data.draw(width | pair | st.lists(pair, min_size=len(shape), max_size=len(shape)))
    try:
        expected = by_numpy(x, widths, mode)
    except ValueError:  # nothing to continue
        with pytest.raises(ValueError, match="^pad: expected elements along axis"):
            ops.pad(x, widths, mode)
        return
    result = ops.pad(Variable(x), widths, mode)
    assert type(result) is Tensor and result.shape == expected.shape
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-12, atol=1e-12)
    whole = (x * 10).astype(np.int32)
    np.testing.assert_array_equal(ops.pad(whole, widths, mode).numpy(), by_numpy(whole, widths, mode))
    assert ops.pad(whole, widths, mode).dtype == "int32"


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 3), min_size=2, max_size=2), st.data())
def test_constants_are_those_of_numpy(shape, data):
    x = np.random.default_rng(0).standard_normal(shape)
    number, width = st.integers(-3, 3).map(lambda n: n / 2), st.integers(0, 2)
    widths = data.draw(st.lists(st.tuples(width, width), min_size=2, max_size=2))
    values = data.draw(number | st.tuples(number, number) | st.tuples(*[st.tuples(number, number)] * 2))
    expected = np.pad(x, widths, constant_values=values)
    for given_as in (values, Tensor(values, "float64"), np.array(values)):
        np.testing.assert_array_equal(ops.pad(x, widths, constant_values=given_as).numpy(), expected)
    assert ops.pad(x, Tensor(widths, "int32"), "empty").shape == expected.shape


@pytest.mark.parametrize("mode", ["constant", *REPEATING, *OTHERS])
def test_gradients(mode):
    x = np.random.default_rng(1).standard_normal((3, 2, 4))
    for widths in (((1, 2), (0, 3), (5, 0)), 1):
        check_gradients(lambda x, widths=widths: ops.pad(ops.square(x), widths, mode), [x])


def test_gradients_of_constants():
    x = np.random.default_rng(1).standard_normal((3, 2))
    check_gradients(lambda x, v: ops.pad(x, 2, constant_values=ops.square(v)), [x, np.array(1.5)])
    check_gradients(lambda x, v: ops.pad(x, ((1, 0), (0, 2)), constant_values=((v[0], v[1]), (v[1], 3))), [x, [1.5, 2]])
    value = Variable(2.0)
    with GradientTape() as tape:
        y = ops.pad(Tensor([[np.inf, np.nan]]), ((0, 0), (1, 2)), constant_values=value)
    assert float(tape.gradient(y, value)) == 3.0


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int32", "float16", "bfloat16", "float32", "float64"])
def test_every_dtype_stays(dtype):
    x = Tensor([[1, 0, 1], [1, 1, 0]], dtype)
    for mode in ("constant", "empty", *REPEATING, *OTHERS):
        assert ops.pad(x, 2, mode).dtype == dtype
        assert ops.pad(AbstractTensor((2, 3), dtype), 2, mode).dtype == dtype
    assert ops.pad(x, 1, constant_values=1.5).dtype == dtype
    assert ops.pad(x, 1, constant_values=Tensor(1.5)).dtype == dtype


def test_a_scalar_has_no_axis_to_pad():
    assert ops.pad(5.0, 1).tolist() == ops.pad(5.0, 1, "edge").tolist() == 5.0


def test_symmetric_mirrors_the_outermost_element_too():
    assert ops.pad([1, 2, 3], 2, "symmetric").tolist() == [2, 1, 1, 2, 3, 3, 2]  # on PyTorch Keras repeats the edge
    assert ops.pad([1, 2, 3], 2, "edge").tolist() == [1, 1, 1, 2, 3, 3, 3]


@pytest.mark.parametrize("mode", ["constant", "empty", *REPEATING, *OTHERS])
def test_unknown_sizes(mode):
    n, m = unknown("n"), unknown("m")
    assert ops.pad(AbstractTensor((n, 3)), ((1, 2), (0, 1)), mode).dims == (n + 3, 4)
    assert ops.pad(AbstractTensor((4, 3)), ((m, 0), (0, m)), mode).dims == (m + 4, m + 3)


def test_a_symbol_as_constant_makes_a_node():
    x, value = AbstractTensor((2,)), AbstractTensor(())
    for y in (ops.pad([1.0, 2.0], 1, constant_values=value), ops.pad(x, 1, "constant", value)):
        assert any(found is value for found in y.node.inputs())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ops.pad(np.ones(2), 1, "reflct"), ["pad", "mode", "'reflct'", "Did you mean 'reflect'?"]),
        (lambda: ops.pad(np.ones(2), 1, "edge", 0), ["pad", "constant_values", "'constant' alone", "'edge'"]),
        (lambda: ops.pad(np.ones(2), -1), ["pad", "integers >= 0", "got -1"]),
        (lambda: ops.pad(np.ones(2), 1.5), ["pad", "integers >= 0", "got 1.5"]),
        (lambda: ops.pad(np.ones(2), ((1, 2), (3, 4))), ["pad", "pad_width", "1 axes", "float64[2]", "(3, 4)"]),
        (lambda: ops.pad(np.ones((2, 2)), ((1, 2, 3), (3, 4, 5))), ["pad", "pad_width", "2 axes", "(1, 2, 3)"]),
        (lambda: ops.pad(np.ones((2, 2)), (1, 2, 3)), ["pad", "pad_width", "(1, 2, 3)"]),
        (lambda: ops.pad(np.ones((2, 2)), (1, (2, 3))), ["pad", "pad_width", "(1, (2, 3))"]),
        (lambda: ops.pad(np.ones(2), 1, constant_values=(1, 2, 3)), ["pad", "constant_values", "(1, 2, 3)"]),
        (
            lambda: REGISTRY["positions"](np.ones((2, 0)), axis=1, before=1),
            ["positions", "axis of size 0", "'edge'", "float64[2, 0]"],
        ),
        (lambda: ops.pad(AbstractTensor((2, 0)), 1, "wrap"), ["pad", "axis 1", "'wrap'", "float32[2, 0]"]),
        (lambda: ops.pad(np.ones((2, 0)), 1, "edge"), ["pad", "axis 1", "'edge'", "float64[2, 0]"]),
    ],
)
def test_errors_name_operation_expected_and_given(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)
