"""The small families beside Keras's: activations, initializers, regularizers, constraints, random functions, dtypes."""

import inspect
import itertools
import json
import zlib
from pathlib import Path

import keras
import numpy as np
import pytest

import eagerly
from eagerly import activations, constraints, dtypes, initializers, random, regularizers
from parity.comparing import differences, unequal
from parity.drawing import FLOATS, SHORT, Draw, given
from parity.known import known
from parity.running import NARROWED, from_torch, run_ours, run_torch, to_torch

DRAWS = 6
RANDOM = json.loads((Path(__file__).parent.parent / "keras_signatures.json").read_text(encoding="utf-8"))["random"]


def draws(name, kinds=FLOATS):
    """One Draw for each draw of a name."""
    for dtype in kinds:
        for k in range(DRAWS):
            yield Draw(zlib.crc32(f"{name}/{dtype}/{k}".encode()), dtype)


# Options of activations, beside the array.
OPTIONS = {
    "celu": {"alpha": (0.5, 2.0)},
    "elu": {"alpha": (0.5, 2.0)},
    "glu": {"axis": (0, -1)},
    "hard_shrink": {"threshold": (0.25, 1.0)},
    "leaky_relu": {"negative_slope": (0.0, 0.5)},
    "log_softmax": {"axis": (0, -1)},
    "relu": {"negative_slope": (0.25,), "max_value": (1.0, None), "threshold": (0.0, 0.5)},
    "soft_shrink": {"threshold": (0.25, 1.0)},
    "softmax": {"axis": (0, -1)},
    "squareplus": {"b": (1, 4.5)},
}
NEEDED = {"threshold": {"threshold": 0.5, "default_value": 3.0}}


@pytest.mark.parametrize("name", sorted({*activations.__all__} - {"get"}))
def test_an_activation_is_keras(name):
    ours, theirs = getattr(activations, name), getattr(keras.activations, name)
    new = []
    for d in draws(f"activations.{name}", (*FLOATS, *SHORT)):
        chosen = {key: d.pick(*values) for key, values in OPTIONS.get(name, {}).items()}
        call = given(d.array((4, 2, 6), -3, 3), **d.maybe(**chosen), **NEEDED.get(name, {}))
        slope_of_a_sixth = 100 if name == "hard_sigmoid" else 1  # PyTorch has it in 32 bits
        found = differences(run_ours(ours, call), run_torch(theirs, call), call, tolerance=slope_of_a_sixth)
        new += [f"{name}{call}\n    {text}" for text in found if not known(name, call, text)]
    assert not new, f"{len(new)} differences\n" + "\n".join(new[:8])


def test_every_name_of_an_activation_means_the_same():
    for name in {*activations.__all__} - {"get"}:
        assert keras.activations.get(name) is not None
        assert activations.get(name) is getattr(activations, name)


def classes_of(module, base):
    """The public classes of a module by their own names."""
    return sorted(
        {value.__name__ for value in map(vars(module).get, module.__all__) if inspect.isclass(value)} - {base}
    )


def config(thing):
    """A configuration with lists for tuples, and numbers for 0-d arrays."""
    return json.loads(json.dumps(thing.get_config(), default=float))


FIXED = {"Constant": {"value": 2.5}, "Identity": {"gain": 2.0}, "Zeros": {}, "Ones": {}}
SCALED = {
    "VarianceScaling": {"scale": 2.0, "mode": "fan_out", "distribution": "uniform"},
    "RandomNormal": {"mean": 1.0, "stddev": 0.5},
    "TruncatedNormal": {"mean": 1.0, "stddev": 0.5},
    "RandomUniform": {"minval": -1.0, "maxval": 2.0},
    "Orthogonal": {"gain": 2.0},
}


@pytest.mark.parametrize("name", classes_of(initializers, "Initializer"))
def test_an_initializer_is_keras(name):
    own = FIXED.get(name, SCALED.get(name, {}))
    for options in ({}, own) if name != "Constant" else (own,):
        seed = {} if name in FIXED else {"seed": 7}
        ours = getattr(initializers, name)(**options, **seed)
        theirs = getattr(keras.initializers, name)(**options, **seed)
        mine_config, keras_config = config(ours), config(theirs)
        assert {key: mine_config[key] for key in keras_config} == keras_config
        for shape in ((60, 50), (5, 5, 8, 30)) if name != "Identity" else ((4, 4), (4, 6)):
            x, y = ours(shape).numpy(), from_torch(theirs(shape))
            assert x.dtype == y.dtype and x.shape == y.shape
            if name in FIXED:
                assert unequal(x, y) == ""
            else:  # other random numbers of the same law
                assert abs(x.mean() - y.mean()) < 5 * y.std() / np.sqrt(y.size)
                assert abs(x.std() / y.std() - 1) < 0.05
                assert abs(abs(x).max() / abs(y).max() - 1) < 0.2
            if name.startswith("Orthogonal"):
                flat = [z.reshape(-1, z.shape[-1]).astype("float64") for z in (x, y)]
                assert unequal(*[np.linalg.svd(z, compute_uv=False) for z in flat], 1e4) == ""


@pytest.mark.parametrize("name", classes_of(regularizers, "Regularizer"))
def test_a_regularizer_is_keras(name):
    options = {"L1L2": {"l1": 0.5, "l2": 0.25}, "OrthogonalRegularizer": {"mode": "columns"}}.get(name, {})
    for chosen in ({}, options):
        ours, theirs = getattr(regularizers, name)(**chosen), getattr(keras.regularizers, name)(**chosen)
        assert config(ours) == pytest.approx(config(theirs))
        for d in draws(f"regularizers.{name}"):
            call = given(d.array((4, 3)))
            outcomes = run_ours(ours, call), run_torch(theirs, call)
            found = differences(*outcomes, call, tolerance=100 if d.dtype == "float64" else 10)  # factors in 32 bits
            assert not found, f"{name}({chosen}){call}: {found[0]}"


@pytest.mark.parametrize("name", classes_of(constraints, "Constraint"))
def test_a_constraint_is_keras(name):
    options = {"MaxNorm": {"max_value": 0.5, "axis": 1}, "UnitNorm": {"axis": [0, 1]}}
    options["MinMaxNorm"] = {"min_value": 0.5, "max_value": 1.5, "rate": 0.5, "axis": 1}
    for chosen in ({}, options.get(name, {})):
        ours, theirs = getattr(constraints, name)(**chosen), getattr(keras.constraints, name)(**chosen)
        assert config(ours) == config(theirs)
        for d in draws(f"constraints.{name}"):
            call = given(d.array((4, 3), -2, 2))
            outcomes = run_ours(ours, call, False), run_torch(theirs, call, False)
            found = differences(*outcomes, call, ("value", "dtype"), 1e4 if d.dtype == "float64" else 1)
            assert not found, f"{name}({chosen}){call}: {found[0]}"


SHAPE = (2, 3)
KINDS = ("float32", "float64", "float16", "bfloat16")
# How to call each random function; a pair of calls gives the dtype and the shape of both sides.
CALLS = {
    "normal": [
        lambda r, x: r.normal(SHAPE, seed=1),
        *[lambda r, x, k=k: r.normal((), 1.0, 2.0, k, seed=1) for k in KINDS],
    ],
    "uniform": [
        lambda r, x: r.uniform(SHAPE, seed=1),
        *[lambda r, x, k=k: r.uniform((3,), -1, 2.0, k, seed=1) for k in KINDS],
    ],
    "truncated_normal": [
        lambda r, x: r.truncated_normal(SHAPE, seed=1),
        *[lambda r, x, k=k: r.truncated_normal(SHAPE, 1.0, 2.0, k, seed=1) for k in KINDS],
    ],
    "randint": [
        lambda r, x: r.randint(SHAPE, 0, 5, seed=1),
        *[
            lambda r, x, k=k: r.randint((3,), -3 if k != "uint8" else 0, 5, k, seed=1)
            for k in ("int64", "int8", "uint8")
        ],
    ],
    "categorical": [
        lambda r, x: r.categorical(x([[0.5, 0.2, 0.1], [1.0, 2.0, 3.0]]), 4, seed=1),
        lambda r, x: r.categorical(x([[0.5, 0.2, 0.1]]), 4, "int64", seed=1),
    ],
    "dropout": [
        lambda r, x: r.dropout(x([[0.5, 0.2], [1.0, 2.0]]), 0.5, seed=1),
        lambda r, x: r.dropout(x([[0.5, 0.2], [1.0, 2.0]]), 0.5, noise_shape=(2, 1), seed=1),
        lambda r, x: r.dropout(x([[0.5, 0.2], [1.0, 2.0]]), 0.0, seed=1),
    ],
    "shuffle": [
        lambda r, x: r.shuffle(x([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), seed=1),
        lambda r, x: r.shuffle(x([[1.0, 2.0, 3.0]]), axis=1, seed=1),
    ],
    "beta": [
        lambda r, x: r.beta(SHAPE, 2.0, 3.0, seed=1),
        lambda r, x: r.beta((2,), x([1.0, 2.0]), 3.0, "float64", seed=1),
    ],
    "gamma": [lambda r, x: r.gamma(SHAPE, 2.0, seed=1), lambda r, x: r.gamma((2,), x([1.0, 2.0]), "float64", seed=1)],
    "binomial": [
        lambda r, x: r.binomial(SHAPE, 5.0, 0.25, seed=1),
        lambda r, x: r.binomial((2,), x([1.0, 2.0]), 0.25, "float64", seed=1),
    ],
    "SeedGenerator": [lambda r, x: r.normal(SHAPE, seed=r.SeedGenerator(3))],
}


def test_every_random_function_has_calls():
    assert set(CALLS) == set(RANDOM)


@pytest.mark.parametrize("name", sorted(CALLS))
def test_a_random_function_gives_shapes_and_dtypes_of_keras(name):
    assert hasattr(random, name), f"eagerly.random.{name} is missing"
    for i, call in enumerate(CALLS[name]):
        mine = call(random, lambda values: eagerly.Tensor(np.array(values, "float32"))).numpy()
        theirs = from_torch(call(keras.random, lambda values: to_torch(np.array(values, "float32"))))
        assert (mine.shape, mine.dtype) == (theirs.shape, theirs.dtype), f"call {i}"


NAMES = (*dtypes.NAMES, "int", "float")


@pytest.mark.parametrize("name", NAMES)
def test_dtypes_promote_as_in_keras(name):
    kinds = {"int": int, "float": float}
    for count in (1, 2):
        for others in itertools.product(NAMES, repeat=count):
            operands = [kinds.get(operand, operand) for operand in (name, *others)]
            mine = dtypes.result_type(*operands).name
            assert mine == keras.backend.result_type(*operands), operands


def test_keras_narrows_what_it_promotes(monkeypatch):
    """Its whole rule, with the step that the comparisons do without: it is the only difference."""
    from keras.src.backend.common import dtypes as keras_dtypes

    monkeypatch.setattr(keras_dtypes, "BIT64_TO_BIT32_DTYPE", NARROWED)
    for pair in itertools.product(dtypes.NAMES, repeat=2):
        mine = dtypes.result_type(*pair).name
        assert NARROWED.get(mine, mine) == keras.backend.result_type(*pair), pair
    assert NARROWED["float64"] == "float32"
