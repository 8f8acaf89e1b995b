"""Activations at their kinks and far from 0, sparsemax, and what they refuse."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from eagerly import ops
from eagerly.dimensions import unknown
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from eagerly.variable import Variable
from gradients import check_gradients
from public_ops.nonlinear import sparsemax

INF, NAN = math.inf, math.nan


def gradient(function, x, dtype="float32"):
    x = Tensor(x, dtype)
    with GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return tape.gradient(y, x).numpy().astype("float64")


# PyTorch's slopes at the kinks.
KINKS = [
    ("relu6", [0, 6, 3, 7], [0, 0, 1, 0]),
    ("hard_tanh", [-1, 1, 0], [0, 0, 1]),
    ("hard_sigmoid", [-3, 3, 0], [0, 0, 1 / 6]),
    ("hard_silu", [-3, 3, 0], [0, 1, 0.5]),
    ("celu", [-1, 0, 1], [math.exp(-1), 1, 1]),
    ("hard_shrink", [-0.5, 0, 0.5, 1], [0, 0, 0, 1]),
    ("soft_shrink", [-0.5, 0, 0.5, 1], [0, 0, 0, 1]),
    ("sparse_plus", [-1, 0, 1, 2], [0, 0.5, 1, 1]),
    ("sparse_sigmoid", [-1, 0, 1], [0, 0.5, 0]),
    ("squareplus", [0], [0.5]),
]


@pytest.mark.parametrize(("name", "x", "slopes"), KINKS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_slopes_at_kinks(name, x, slopes, dtype):
    unit = {"float16": 1e-3, "bfloat16": 8e-3, "float32": 1e-6, "float64": 1e-14}[dtype]
    np.testing.assert_allclose(gradient(getattr(ops, name), x, dtype), slopes, rtol=unit)


def test_the_slope_of_a_threshold():
    assert gradient(lambda x: ops.threshold(x, 1.0, 9.0), [0, 1, 2]).tolist() == [0, 0, 1]
    fallback = Variable(9.0)
    with GradientTape() as tape:
        y = ops.threshold(np.float32([0, 1, 2]), 1.0, fallback)
    assert y.tolist() == [9.0, 9.0, 2.0] and float(tape.gradient(y, fallback)) == 2.0
    assert ops.threshold(Tensor([0, 1, 2]), 1, 9).tolist() == [9, 9, 2]


@pytest.mark.parametrize(
    ("name", "x", "values"),
    [
        ("squareplus", [-300, 300, 6e4], [1 / 300, 300, 6e4]),
        ("sparse_plus", [-300, 300], [0, 300]),
        ("gelu", [-300, 300, -INF], [0, 300, NAN]),
        ("celu", [-300, 300, -INF], [-1, 300, -1]),
        ("tanh_shrink", [-300, 300], [-299, 299]),
    ],
)
def test_float16_does_not_overflow_on_the_way(name, x, values):
    np.testing.assert_allclose(getattr(ops, name)(Tensor(x, "float16")).numpy().astype("float64"), values, rtol=2e-3)
    assert np.isfinite(gradient(getattr(ops, name), x[:2], "float16")).all()


def test_tails_are_not_lost_to_cancellation():
    x = np.array([-12.0, -6.0, -3.0])
    exact = [x * math.erfc(-x / math.sqrt(2)) / 2 for x in x]
    np.testing.assert_allclose(ops.gelu(x.astype("float32"), False).numpy(), exact, rtol=2e-5)
    np.testing.assert_allclose(ops.gelu(x, approximate=False).numpy(), exact, rtol=1e-13)
    np.testing.assert_allclose(ops.squareplus(np.float32([-1e4, -1e20])).numpy(), [1e-4, 1e-20], rtol=1e-6)
    np.testing.assert_allclose(gradient(ops.squareplus, [-1e4, 1e20]), [1e-8, 1], rtol=1e-6)
    assert ops.squareplus(Tensor([-INF, INF])).tolist() == [0.0, INF]


@pytest.mark.parametrize("approximate", [False, True])
def test_gelu_far_from_zero(approximate):
    x = Tensor([-1e18, 1e18, INF, NAN])
    y = ops.gelu(x, approximate).numpy()
    np.testing.assert_array_equal(y, np.float32([0, 1e18, INF, NAN]))
    np.testing.assert_array_equal(gradient(lambda t: ops.gelu(t, approximate), [-1e18, 1e18]), [0, 1])
    wide = np.linspace(-5, 5, 1001)
    wide = wide[wide != 0]
    ratio = np.abs(ops.gelu(wide) - ops.gelu(wide, False)) / np.abs(wide)
    assert 1e-4 < ratio.max() < 2e-4


def test_the_gradients_of_options():
    check_gradients(ops.squareplus, [[-2.0, 0.5, 3.0], 1.5])
    check_gradients(ops.soft_shrink, [[-2.0, 0.3, 3.0], 0.5])
    check_gradients(ops.celu, [[-2.0, 0.3, -0.4], 0.7])
    check_gradients(lambda x: ops.glu(x, 0), [np.linspace(-1, 1, 8).reshape(4, 2)])


@pytest.mark.parametrize(
    "name", "celu gelu glu hard_shrink soft_shrink tanh_shrink sparse_plus sparse_sigmoid sparsemax squareplus".split()
)
def test_dtypes(name):
    for dtype in ("float16", "bfloat16", "float32", "float64"):
        x = Tensor(np.ones((2, 2)), dtype)
        assert getattr(ops, name)(x).dtype == dtype
        assert getattr(ops, name)(AbstractTensor((unknown("n"), 2), dtype)).dtype == dtype
    for dtype in ("uint8", "int32", "int64"):  # PyTorch refuses most of them
        expected = dtype if name == "hard_shrink" else "float32"
        assert getattr(ops, name)(Tensor(np.ones((2, 2)), dtype)).dtype == expected


LOGITS = npst.arrays("float64", npst.array_shapes(min_dims=1, max_dims=3, max_side=5), elements=st.floats(-3, 3))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(LOGITS, st.data())
def test_sparsemax_is_the_nearest_distribution(x, data):
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    y = ops.sparsemax(x, axis).numpy()
    np.testing.assert_allclose(y.sum(axis), 1, rtol=1e-14)
    assert (y >= 0).all()
    np.testing.assert_allclose(y, sparsemax(x, axis), atol=1e-12)
    np.testing.assert_allclose(gradient(lambda t: ops.sparsemax(t, axis), x, "float64"), 0, atol=1e-12)


def test_sparsemax_of_the_paper():
    """Two classes give the sparse sigmoid of the difference (Martins & Astudillo 2016, section 2.2)."""
    t = np.linspace(-1.5, 1.5, 13, dtype="float32")
    pairs = np.stack([t, np.zeros_like(t)], -1)
    np.testing.assert_allclose(ops.sparsemax(pairs).numpy()[:, 0], ops.sparse_sigmoid(t).numpy(), atol=1e-7)
    assert ops.sparsemax([1.0, 0.0, -1.0]).tolist() == [1.0, 0.0, 0.0]
    assert ops.sparsemax([0.5, 0.5, 0.5, 0.5]).tolist() == [0.25] * 4
    assert ops.sparsemax([1.25, 1.0, 0.0]).tolist() == [0.625, 0.375, 0.0]  # Keras 3.15 gives zeros here


def test_sparsemax_far_from_zero():
    for dtype, large in (("float32", 1e30), ("float16", 6e4), ("bfloat16", 1e30), ("float64", 1e300)):
        y = ops.sparsemax(Tensor([[large, large, -large], [-large, 0.0, 0.5]], dtype))
        assert y.tolist() == [[0.5, 0.5, 0.0], [0.0, 0.25, 0.75]] and y.dtype == dtype
    assert ops.sparsemax([0.0, -INF]).tolist() == [1.0, 0.0]
    assert np.isnan(ops.sparsemax(Tensor([[0.0, NAN], [INF, 0.0]])).numpy()).all()
    assert ops.sparsemax(np.zeros((0, 3))).shape == (0, 3)
    assert ops.sparsemax([1, 2], axis=0).tolist() == [0.0, 1.0]


def test_gradients_of_sparsemax():
    x = np.array([[0.1, 0.5, 0.45, -2.0], [3.0, 0.2, 0.1, 0.0], [0.3, 0.35, 0.4, 0.45]])
    check_gradients(ops.sparsemax, [x])
    check_gradients(lambda t: ops.sparsemax(t, 0), [x])
    with GradientTape() as tape:
        tape.watch(t := Tensor([1.0, 0.0]))  # the second element just becomes 0
        y = ops.sparsemax(t)[1]
    assert tape.gradient(y, t).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: ops.celu([1.0], 0.0), "celu: expected an alpha > 0, got 0.0."),
        (lambda: ops.celu([1.0], NAN), "celu: expected an alpha > 0, got nan."),
        (lambda: ops.glu(np.zeros((2, 3), "float32")), "glu: expected an even size along axis 1, got float32[2, 3]."),
        (lambda: ops.glu(AbstractTensor((unknown("n"), 3))), "glu: expected an even size along axis 1, got float32["),
        (lambda: ops.glu([1.0, 2.0], 1), "axis: expected an integer in [-1, 1) for 1 axes, got 1"),
        (lambda: ops.soft_shrink([1.0], -0.5), "soft_shrink: expected a threshold >= 0, got -0.5."),
        (lambda: ops.squareplus([1.0], -1), "squareplus: expected a b >= 0, got -1."),
        (lambda: ops.sparsemax([1.0], 1), "axis: expected an integer in [-1, 1) for 1 axes, got 1"),
        (lambda: ops.sparsemax(np.zeros((2, 0))), "zero-size"),
    ],
)
def test_refusals(call, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        call()
