"""Regularizers: values against NumPy, gradients, names, configurations and refusals."""

import inspect
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from eagerly import regularizers
from eagerly.configurable import serialize
from eagerly.regularizers import Regularizer
from eagerly.tape import GradientTape
from eagerly.tensor import Tensor
from eagerly.variable import Variable
from gradients import check_gradients


def mean_cosine(vectors):
    lengths = np.maximum(np.sqrt((vectors**2).sum(axis=1)), 1e-7)
    cosines = np.abs(vectors @ vectors.T) / np.outer(lengths, lengths)
    pairs = [cosines[i, j] for i in range(len(vectors)) for j in range(i)]
    return np.mean(pairs) if pairs else 0.0


# Each public class: arguments, the formula, its other names.
TABLE = {
    "L1": ({"l1": 0.3}, lambda x: 0.3 * np.abs(x).sum(), ["l1"]),
    "L2": ({"l2": 0.2}, lambda x: 0.2 * (x**2).sum(), ["l2"]),
    "L1L2": ({"l1": 0.3, "l2": 0.2}, lambda x: 0.3 * np.abs(x).sum() + 0.2 * (x**2).sum(), ["l1_l2"]),
    "OrthogonalRegularizer": (
        {"factor": 0.4, "mode": "columns"},
        lambda x: 0.4 * mean_cosine(x.T),
        ["orthogonal_regularizer"],
    ),
}
FACTORS = [(name, key) for name, row in TABLE.items() for key in row[0] if key != "mode"]


def make(name):
    return getattr(regularizers, name)(**TABLE[name][0])


def refused(message):
    return pytest.raises(ValueError, match=re.escape(message))


def test_the_table_lists_every_public_class():
    classes = {
        value.__name__
        for value in vars(regularizers).values()
        if inspect.isclass(value) and issubclass(value, Regularizer)
    }
    assert classes - {"Regularizer"} == set(TABLE)


@pytest.mark.parametrize("name", TABLE)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_values(name, data):
    shape = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 4)) if "Orth" in name else array_shapes(min_dims=0))
    x = data.draw(arrays(np.float64, shape, elements=st.floats(-10, 10)))
    before = x.tobytes()
    for value in (x, Tensor(x), Variable(x)):
        penalty = make(name)(value)
        assert isinstance(penalty, Tensor) and penalty.shape == () and penalty.dtype == "float64"
        np.testing.assert_allclose(float(penalty), TABLE[name][1](x), rtol=1e-9, atol=1e-12)
    assert x.tobytes() == before


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_the_dtype_is_the_weights(name, dtype):
    assert make(name)(Tensor([[1.0, -2.0], [0.5, 3.0]], dtype)).dtype == Tensor(0, dtype).dtype


@pytest.mark.parametrize("name", TABLE)
@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1000))
def test_gradients(name, seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.3, 2, (3, 4)) * rng.choice([-1, 1], (3, 4))
    cosines = x.T @ x
    if np.abs(cosines).min() < 1e-2:  # next to a kink of |cos|
        return
    check_gradients(make(name), [x])


@pytest.mark.parametrize("name", TABLE)
def test_the_gradient_at_zero_is_finite(name):
    weight = Variable(np.zeros((3, 2)))
    with GradientTape() as tape:
        penalty = make(name)(weight)
    assert np.isfinite(tape.gradient(penalty, weight).numpy()).all()


@pytest.mark.parametrize("name", TABLE)
def test_config_round_trip(name):
    instance, arguments = make(name), TABLE[name][0]
    assert instance.get_config() == arguments
    x = np.array([[1.0, -2.0], [0.5, 3.0], [1.0, 1.0]])
    for twin in (
        type(instance).from_config(json.loads(json.dumps(arguments))),
        regularizers.get({"class_name": name, "config": arguments}),
        regularizers.get(json.loads(json.dumps(serialize(instance)))),
    ):
        assert type(twin) is type(instance) and twin.get_config() == arguments
        assert float(twin(x)) == float(instance(x))


@pytest.mark.parametrize("name", TABLE)
def test_names(name):
    kind = getattr(regularizers, name)
    for other in TABLE[name][2]:
        assert getattr(regularizers, other) is kind
        assert type(regularizers.get(other)) is kind
    for identifier in (name, kind, make(name)):
        assert type(regularizers.get(identifier)) is kind


def test_defaults():
    defaults = {"L1": {"l1": 0.01}, "L2": {"l2": 0.01}, "L1L2": {"l1": 0.0, "l2": 0.0}}
    defaults["OrthogonalRegularizer"] = {"factor": 0.01, "mode": "rows"}
    assert {name: getattr(regularizers, name)().get_config() for name in TABLE} == defaults


def test_get():
    assert regularizers.get(None) is None
    assert regularizers.get(abs) is abs
    assert type(regularizers.get("l1l2")) is regularizers.L1L2
    with refused("Unknown regularizer: 'l1_l3'. Did you mean 'l1_l2'?"):
        regularizers.get("l1_l3")
    with refused("Expected the name of a known regularizer or a callable, got 0.01."):
        regularizers.get(0.01)
    with refused("Unknown regularizer: 'Regularizer'."):
        regularizers.get("Regularizer")


def test_the_base_is_abstract():
    with pytest.raises(NotImplementedError, match=r"Mine: expected a __call__\(x\) of its own"):
        type("Mine", (Regularizer,), {})()([1.0])


@pytest.mark.parametrize(("name", "key"), FACTORS)
@pytest.mark.parametrize("value", [-0.1, float("inf"), float("nan"), "0.1", True, [0.1]])
def test_bad_factors_are_refused(name, key, value):
    with refused(f"{name}: expected a finite {key} >= 0, got {value!r}."):
        getattr(regularizers, name)(**{key: value})


def test_no_factor_is_zero_in_l1_l2():
    penalty = regularizers.L1L2(None, None)
    assert (penalty.l1, penalty.l2) == (0.0, 0.0)
    assert float(regularizers.L1L2.from_config(penalty.get_config())([5.0])) == 0.0


def test_orthogonal_regularizer():
    rows, columns = (regularizers.OrthogonalRegularizer(1.0, mode) for mode in ("rows", "columns"))
    slanted = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    np.testing.assert_allclose(float(rows(slanted)), np.sqrt(0.5))
    np.testing.assert_allclose(float(columns(slanted)), np.sqrt(0.5) / 3)
    assert float(rows(np.eye(4))) == float(columns(np.eye(4))) == 0.0
    assert float(rows([[3.0, 4.0]])) == 0.0  # one vector makes no pair
    with refused("OrthogonalRegularizer: expected a matrix, got float32[2]."):
        rows([1.0, 2.0])
    with refused("OrthogonalRegularizer: expected 'rows' or 'columns' as mode, got 'both'."):
        regularizers.OrthogonalRegularizer(mode="both")
