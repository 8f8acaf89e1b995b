"""Activations: values against NumPy, gradients against differences, extremes, dtypes, symbols and names."""

import inspect
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from eagerly import activations, ops
from eagerly.dimensions import unknown
from eagerly.tensor import AbstractTensor, Tensor
from eagerly.variable import Variable
from gradients import check_gradients
from public_ops.nonlinear import sparsemax
from public_ops.transcendental import erfc


def sigmoid(x):
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


def softplus(x):
    return np.logaddexp(0, x)


def elu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def softmax(x, axis=-1):
    weights = np.exp(x - x.max(axis=axis, keepdims=True))
    return weights / weights.sum(axis=axis, keepdims=True)


def glu(x, axis=-1):
    a, b = np.split(x, 2, axis)
    return a * sigmoid(b)


def general_relu(x, negative_slope=0.0, max_value=None, threshold=0.0):
    y = x if max_value is None else np.minimum(x, max_value)
    return np.where(x > threshold, y, negative_slope * (x - threshold))


# Each public function: its formula, options other than the defaults to try, and where it has no gradient.
TABLE = {
    "linear": (lambda x: x, [{}], []),
    "relu": (
        general_relu,
        [
            {},
            {"negative_slope": 0.1},
            {"max_value": 2.0},
            {"threshold": 1.0},
            dict(negative_slope=0.1, max_value=2.0, threshold=1.0),
        ],
        [0, 1, 2],
    ),
    "relu6": (lambda x: np.clip(x, 0, 6), [{}], [0, 6]),
    "leaky_relu": (
        lambda x, negative_slope=0.2: np.where(x > 0, x, negative_slope * x),
        [{}, {"negative_slope": 0.5}],
        [0],
    ),
    "elu": (elu, [{}, {"alpha": 0.5}], [0]),
    "celu": (
        lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha)),
        [{}, {"alpha": 0.5}],
        [0],
    ),
    "selu": (lambda x: 1.0507009873554805 * elu(x, 1.6732632423543772), [{}], [0]),
    "silu": (lambda x: x * sigmoid(x), [{}], []),
    "mish": (lambda x: x * np.tanh(softplus(x)), [{}], []),
    "gelu": (
        lambda x, approximate=False: (
            x * sigmoid(math.sqrt(8 / math.pi) * (x + 0.044715 * x**3))
            if approximate
            else x * erfc(-x / math.sqrt(2)) / 2
        ),
        [{}, {"approximate": True}],
        [],
    ),
    "softplus": (softplus, [{}], []),
    "softsign": (lambda x: x / (1 + np.abs(x)), [{}], [0]),
    "squareplus": (lambda x, b=4: (x + np.sqrt(x * x + b)) / 2, [{}, {"b": 1.0}], []),
    "sparse_plus": (lambda x: np.where(x <= -1, 0, np.where(x < 1, (x + 1) ** 2 / 4, x)), [{}], [-1, 1]),
    "sigmoid": (sigmoid, [{}], []),
    "sparse_sigmoid": (lambda x: np.clip((x + 1) / 2, 0, 1), [{}], [-1, 1]),
    "log_sigmoid": (lambda x: -softplus(-x), [{}], []),
    "hard_sigmoid": (lambda x: np.clip(x / 6 + 0.5, 0, 1), [{}], [-3, 3]),
    "hard_silu": (lambda x: x * np.clip(x / 6 + 0.5, 0, 1), [{}], [-3, 3]),
    "hard_tanh": (lambda x: np.clip(x, -1, 1), [{}], [-1, 1]),
    "hard_shrink": (
        lambda x, threshold=0.5: np.where(np.abs(x) > threshold, x, 0),
        [{}, {"threshold": 1.0}],
        [-0.5, 0.5, -1, 1],
    ),
    "soft_shrink": (
        lambda x, threshold=0.5: np.sign(x) * np.maximum(np.abs(x) - threshold, 0),
        [{}, {"threshold": 1.0}],
        [-0.5, 0.5, -1, 1],
    ),
    "tanh_shrink": (lambda x: x - np.tanh(x), [{}], []),
    "threshold": (
        lambda x, threshold, default_value: np.where(x > threshold, x, default_value),
        [{"threshold": 0.5, "default_value": 7.0}],
        [0.5],
    ),
    "tanh": (np.tanh, [{}], []),
    "exponential": (np.exp, [{}], []),
    "softmax": (softmax, [{}, {"axis": 0}, {"axis": (0, 1)}], []),
    "log_softmax": (lambda x, axis=-1: np.log(softmax(x, axis)), [{}, {"axis": 0}], []),
    "sparsemax": (sparsemax, [{}, {"axis": 0}], []),
    "glu": (glu, [{}, {"axis": -2}], []),
}
ALIASES = {"swish": "silu", "hard_swish": "hard_silu"}
CASES = [(name, options) for name, row in TABLE.items() for options in row[1]]
ELEMENTWISE = sorted(set(TABLE) - {"softmax", "log_softmax", "sparsemax", "glu"})


def refused(message):
    return pytest.raises(ValueError, match=re.escape(message))


def test_the_table_lists_every_public_function():
    assert set(activations.__all__) == {"get", *TABLE, *ALIASES}


@pytest.mark.parametrize(("name", "options"), CASES)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data())
def test_values(name, options, data):
    shape = (4, 6) if name not in ELEMENTWISE else data.draw(array_shapes(min_dims=0, min_side=0))
    x = data.draw(arrays(np.float64, shape, elements=st.floats(-30, 30)))
    before = x.tobytes()
    expected = TABLE[name][0](x, **options)
    for value in (x, Tensor(x), Variable(x), x.T.copy().T):
        y = getattr(activations, name)(value, **options)
        assert y.dtype == "float64" and y.shape == expected.shape
        np.testing.assert_allclose(np.asarray(y), expected, rtol=1e-9, atol=1e-12)
    assert x.tobytes() == before


@pytest.mark.parametrize(("name", "options"), CASES)
@settings(max_examples=10, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000))
def test_gradients(name, options, seed):
    x = np.random.default_rng(seed).uniform(-8, 8, (2, 4, 3) if name == "glu" else (4, 3))
    for kink in TABLE[name][2]:
        x = np.where(np.abs(x - kink) < 1e-2, kink + 2e-2, x)
    if name == "glu" and options == {}:
        x = np.moveaxis(x, -1, 1)
    check_gradients(lambda t: getattr(activations, name)(t, **options), [x], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_the_dtype_stays(name, options, dtype):
    x = Tensor(np.linspace(-3, 3, 24).reshape(4, 6), dtype)
    y = getattr(activations, name)(x, **options)
    assert y.dtype == x.dtype
    expected = TABLE[name][0](x.numpy().astype("float64"), **options)
    tolerance = {"float16": 2e-2, "bfloat16": 1e-1, "float32": 1e-5}[dtype]
    np.testing.assert_allclose(y.numpy().astype("float64"), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_nothing_overflows_on_the_way(name, options):
    """Far from 0 the values are the limits: no NaN from inf - inf or 0 · inf, in the gradient neither."""
    x = np.array([[-1e4, 1e4], [1e4, -1e4]], np.float32)
    with np.errstate(all="ignore"):
        expected = TABLE[name][0](x.astype("float64"), **options)
    if name == "log_softmax":
        expected = np.array([[-2e4, 0], [0, -2e4]])
    if name == "exponential":
        expected = np.array([[0, np.inf], [np.inf, 0]])
    np.testing.assert_allclose(getattr(activations, name)(x, **options).numpy(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_infinity(name):
    """NaN stays NaN; an infinity gives the limit, but where the formula is inf · 0 or inf / inf, as in Keras."""
    y = getattr(activations, name)(np.array([-np.inf, np.inf, np.nan]), **TABLE[name][1][0]).numpy()
    undefined = {"silu": [0], "mish": [0], "hard_silu": [0], "gelu": [0], "softsign": [0, 1]}
    assert np.flatnonzero(np.isnan(y)).tolist() == [*undefined.get(name, []), 2]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_symbols(name, options):
    batch = unknown("batch")
    y = getattr(activations, name)(AbstractTensor((batch, 6, 4)), **options)
    sizes = {("glu", None): (batch, 6, 2), ("glu", -2): (batch, 3, 4)}.get((name, options.get("axis")), (batch, 6, 4))
    assert isinstance(y, AbstractTensor) and y.dims == sizes and y.dtype == "float32"


@pytest.mark.parametrize(("name", "options"), CASES)
def test_lists_and_integers_are_taken(name, options):
    x = [[-3, 0, 1, 4], [2, -1, 5, 7]]
    y = getattr(activations, name)(x, **options)
    expected = TABLE[name][0](np.array(x, np.float64), **options)
    assert isinstance(y, Tensor)
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", TABLE)
def test_signatures_are_keras(name):
    """Keras 3.15's arguments, their order and defaults."""
    expected = {
        "relu": "negative_slope=0.0, max_value=None, threshold=0.0",
        "leaky_relu": "negative_slope=0.2",
        "elu": "alpha=1.0",
        "celu": "alpha=1.0",
        "gelu": "approximate=False",
        "squareplus": "b=4",
        "hard_shrink": "threshold=0.5",
        "soft_shrink": "threshold=0.5",
        "threshold": "threshold, default_value",
        "softmax": "axis=-1",
        "log_softmax": "axis=-1",
        "sparsemax": "axis=-1",
        "glu": "axis=-1",
    }.get(name)
    parameters = inspect.signature(getattr(activations, name)).parameters.values()
    bare = [p.name if p.default is p.empty else f"{p.name}={p.default}" for p in parameters]
    assert ", ".join(bare) == ("x" if expected is None else f"x, {expected}")


@pytest.mark.parametrize("name", [*TABLE, *ALIASES])
def test_names(name):
    function = getattr(activations, name)
    assert activations.get(name) is function
    assert activations.get(function) is function
    assert function.__doc__
    if name in ALIASES:
        assert function is getattr(activations, ALIASES[name])
    elif name != "exponential":
        assert activations.get(function.__name__) is function


def test_get():
    assert activations.get(None) is activations.linear
    for unknown_name, near in (("ReLU", "relu"), ("sofmax", "softmax"), ("leaky-relu", "leaky_relu")):
        with refused(f"Unknown activation: {unknown_name!r}. Did you mean {near!r}?"):
            activations.get(unknown_name)
    for tool in ("resolve", "dims", "get", "ops", "Tensor", "_KNOWN", ""):
        with refused(f"Unknown activation: {tool!r}."):
            activations.get(tool)
    with refused("Expected the name of a known activation or a callable, got 1."):
        activations.get(1)


def test_linear_gives_what_came():
    x = Tensor([1.0])
    assert activations.linear(x) is x
    assert isinstance(activations.linear(Variable([1.0])), Tensor)
    assert isinstance(activations.linear(2.0), Tensor)


def test_the_catalogue_is_not_wrapped_again():
    assert activations.tanh is ops.tanh and activations.softmax is ops.softmax


@pytest.mark.parametrize("option", ["negative_slope", "max_value", "threshold"])
@pytest.mark.parametrize("value", [-0.5, float("nan")])
def test_relu_refuses_negative_options(option, value):
    with refused(f"relu: expected a {option} >= 0, got {value}."):
        activations.relu([1.0], **{option: value})


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan")])
def test_celu_refuses_an_alpha_that_is_not_positive(alpha):
    with refused(f"celu: expected an alpha > 0, got {alpha}."):
        activations.celu([1.0], alpha)


def test_glu_refuses_an_odd_size():
    with refused("glu: expected an even size along axis 1, got float32[2, 3]."):
        activations.glu(np.zeros((2, 3), np.float32))
    with refused("axis"):
        activations.glu([1.0, 2.0], axis=1)
