"""Constraints: values against NumPy, what they promise, names, configurations and refusals."""

import inspect
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from eagerly import constraints
from eagerly.configurable import serialize
from eagerly.constraints import Constraint
from eagerly.tensor import Tensor
from eagerly.variable import Variable


def lengths(w, axis):
    return np.sqrt((w**2).sum(axis=tuple(axis) if isinstance(axis, list) else axis, keepdims=True))


def rescaled(w, axis, wanted):
    return w * wanted(lengths(w, axis)) / (lengths(w, axis) + 1e-7)


# Each public class: arguments, the formula, its other name.
TABLE = {
    "NonNeg": ({}, lambda w: np.where(w > 0, w, 0), "non_neg"),
    "MaxNorm": (
        {"max_value": 1.5, "axis": 1},
        lambda w: rescaled(w, 1, lambda n: np.minimum(n, 1.5)),
        "max_norm",
    ),
    "UnitNorm": ({"axis": [0, 1]}, lambda w: rescaled(w, [0, 1], np.ones_like), "unit_norm"),
    "MinMaxNorm": (
        {"min_value": 0.5, "max_value": 1.5, "rate": 0.25, "axis": -1},
        lambda w: rescaled(w, -1, lambda n: 0.25 * np.clip(n, 0.5, 1.5) + 0.75 * n),
        "min_max_norm",
    ),
}


def make(name):
    return getattr(constraints, name)(**TABLE[name][0])


def refused(message):
    return pytest.raises(ValueError, match=re.escape(message))


def test_the_table_lists_every_public_class():
    classes = {
        value.__name__
        for value in vars(constraints).values()
        if inspect.isclass(value) and issubclass(value, Constraint)
    }
    assert classes - {"Constraint"} == set(TABLE)


@pytest.mark.parametrize("name", TABLE)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_values(name, data):
    w = data.draw(arrays(np.float64, array_shapes(min_dims=2), elements=st.floats(-10, 10)))
    before = w.tobytes()
    for value in (w, Tensor(w), Variable(w)):
        projected = make(name)(value)
        assert isinstance(projected, Tensor) and projected.shape == w.shape and projected.dtype == "float64"
        np.testing.assert_allclose(projected.numpy(), TABLE[name][1](w), rtol=1e-9, atol=1e-12)
    assert w.tobytes() == before


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_zeros_and_small_dtypes_stay_finite(name, dtype):
    projected = make(name)(Tensor(np.zeros((2, 3)), dtype))
    assert projected.dtype == Tensor(0, dtype).dtype
    assert projected.numpy().astype("float32").tolist() == np.zeros((2, 3)).tolist()


@settings(max_examples=40, deadline=None, derandomize=True)
@given(w=arrays(np.float64, (3, 4), elements=st.floats(-10, 10)), axis=st.sampled_from([0, 1, -1, (0, 1), None]))
def test_what_the_lengths_become(w, axis):
    def after(constraint):
        return lengths(constraint(w).numpy(), axis)

    before = lengths(w, axis)
    assert (after(constraints.MaxNorm(2, axis)) <= 2).all()
    assert (after(constraints.MinMaxNorm(0.5, 2, axis=axis)) <= 2).all()
    long = before > 1e-3
    np.testing.assert_allclose(after(constraints.UnitNorm(axis))[long], 1, rtol=2e-4)
    assert (after(constraints.MinMaxNorm(0.5, 2, axis=axis))[long] > 0.499).all()
    np.testing.assert_allclose(after(constraints.MinMaxNorm(0.5, 2, 0.0, axis))[long], before[long], rtol=2e-4)


def test_a_negative_weight_becomes_a_positive_zero():
    projected = constraints.NonNeg()(np.array([-1.0, -0.0, 2.0, np.inf]))
    assert projected.tolist() == [0, 0, 2, np.inf]
    assert not np.signbit(projected.numpy()[0])


def test_a_weight_that_is_not_a_number_stays_visible():
    for name in TABLE:
        assert np.isnan(make(name)([[np.nan, 1.0]]).numpy()[0, 0])


@pytest.mark.parametrize("name", TABLE)
def test_config_round_trip(name):
    instance, arguments = make(name), TABLE[name][0]
    assert instance.get_config() == arguments
    w = np.array([[1.0, -2.0], [0.5, 3.0], [1.0, 1.0]])
    for twin in (
        type(instance).from_config(json.loads(json.dumps(arguments))),
        constraints.get({"class_name": name, "config": arguments}),
        constraints.get(json.loads(json.dumps(serialize(instance)))),
    ):
        assert type(twin) is type(instance) and twin.get_config() == arguments
        assert twin(w).tolist() == instance(w).tolist()


@pytest.mark.parametrize("name", TABLE)
def test_names(name):
    kind, other = getattr(constraints, name), TABLE[name][2]
    assert getattr(constraints, other) is kind
    for identifier in (name, other, kind, make(name)):
        assert type(constraints.get(identifier)) is kind


def test_defaults():
    assert {name: getattr(constraints, name)().get_config() for name in TABLE} == {
        "NonNeg": {},
        "MaxNorm": {"max_value": 2, "axis": 0},
        "UnitNorm": {"axis": 0},
        "MinMaxNorm": {"min_value": 0.0, "max_value": 1.0, "rate": 1.0, "axis": 0},
    }


def test_get():
    assert constraints.get(None) is None
    assert constraints.get(abs) is abs
    with refused("Unknown constraint: 'max_nrm'. Did you mean 'max_norm'?"):
        constraints.get("max_nrm")
    with refused("Expected the name of a known constraint or a callable, got 2."):
        constraints.get(2)
    with refused("Unknown constraint: 'Constraint'."):
        constraints.get("Constraint")


def test_the_base_is_abstract():
    with pytest.raises(NotImplementedError, match=r"Mine: expected a __call__\(w\) of its own"):
        type("Mine", (Constraint,), {})()([1.0])


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("MaxNorm", {"max_value": -1}, "MaxNorm: expected a max_value >= 0, got -1."),
        ("MaxNorm", {"max_value": float("nan")}, "MaxNorm: expected a max_value >= 0, got nan."),
        (
            "MinMaxNorm",
            {"min_value": 2.0},
            "MinMaxNorm: expected 0 <= min_value <= max_value, got 2.0 and 1.0.",
        ),
        ("MinMaxNorm", {"min_value": -1}, "MinMaxNorm: expected 0 <= min_value <= max_value, got -1 and 1.0."),
        ("MinMaxNorm", {"rate": 1.5}, "MinMaxNorm: expected a rate in [0, 1], got 1.5."),
    ],
)
def test_bad_arguments_are_refused(name, arguments, message):
    with refused(message):
        getattr(constraints, name)(**arguments)


def test_an_axis_out_of_range_is_refused():
    with refused("axis"):
        constraints.UnitNorm(axis=2)(np.ones((2, 3)))
