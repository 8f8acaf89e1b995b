"""Initializers: each against its formula, its names, its seeds and its configuration."""

import copy
import inspect
import json
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eagerly import initializers, random
from eagerly.configurable import serialize
from eagerly.initializers import Initializer
from eagerly.random import SeedGenerator
from eagerly.tensor import Tensor
from eagerly.variable import Variable
from laws import distance, normal, truncated, uniform

# Each public class with arguments that are not its defaults; the random ones take a seed as well.
TABLE = {
    "Zeros": {},
    "Ones": {},
    "Constant": {"value": -1.5},
    "Identity": {"gain": 0.5},
    "RandomNormal": {"mean": 1.0, "stddev": 2.0},
    "TruncatedNormal": {"mean": 1.0, "stddev": 2.0},
    "RandomUniform": {"minval": -1.0, "maxval": 3.0},
    "Orthogonal": {"gain": 2.0},
    "VarianceScaling": {"scale": 3.0, "mode": "fan_out", "distribution": "untruncated_normal"},
    "GlorotUniform": {},
    "GlorotNormal": {},
    "HeNormal": {},
    "HeUniform": {},
    "LecunNormal": {},
    "LecunUniform": {"input_axes": [0], "output_axes": [-1]},
}
RANDOM = [name for name in TABLE if "seed" in inspect.signature(getattr(initializers, name)).parameters]
SCALED = ["VarianceScaling", "GlorotUniform", "GlorotNormal", "HeNormal", "HeUniform", "LecunNormal", "LecunUniform"]


def make(name, **more):
    return getattr(initializers, name)(**{**TABLE[name], **more})


def same(a, b):
    return np.array_equal(np.asarray(a), np.asarray(b))


def refused(message):
    return pytest.raises(ValueError, match=re.escape(message))


def test_the_table_lists_every_public_class():
    classes = {
        value.__name__
        for name, value in vars(initializers).items()
        if inspect.isclass(value) and issubclass(value, Initializer) and not name.startswith("_")
    }
    assert classes - {"Initializer"} == set(TABLE)


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", None])
def test_shape_and_dtype(name, dtype):
    value = make(name)((4, 6), dtype)
    assert isinstance(value, Tensor)
    assert (value.shape, value.dtype.name) == ((4, 6), dtype or "float32")
    assert np.isfinite(value.numpy().astype("float64")).all()


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("shape", [(), (5,), (0,), (3, 4), (2, 3, 4, 5), [2, 3]])
def test_every_shape_that_makes_sense(name, shape):
    if (name == "Identity" and len(shape) != 2) or (name == "Orthogonal" and len(shape) < 2):
        return
    if "input_axes" in TABLE[name] and not len(shape):
        return
    assert make(name)(shape).shape == tuple(shape)


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("shape", [(None, 2), (2, -1), (2.0, 2)])
def test_unknown_sizes_are_refused(name, shape):
    with refused(f"{name}: expected a shape of known sizes >= 0, got {shape}."):
        make(name)(shape)


@pytest.mark.parametrize("name", TABLE)
def test_config_round_trip(name):
    instance = make(name, seed=11) if name in RANDOM else make(name)
    config = instance.get_config()
    parameters = inspect.signature(type(instance)).parameters.values()
    assert list(config) == [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert {**TABLE[name], **({"seed": 11} if name in RANDOM else {})}.items() <= config.items()
    config = json.loads(json.dumps(config))
    for twin in (
        type(instance).from_config(config),
        instance.clone(),
        copy.deepcopy(instance),
        initializers.get({"class_name": name, "config": config}),
        initializers.get(json.loads(json.dumps(serialize(instance)))),
    ):
        assert type(twin) is type(instance)
        assert twin.get_config() == instance.get_config()
        assert same(twin((4, 6)), instance((4, 6)))


@pytest.mark.parametrize("name", TABLE)
def test_names(name):
    kind = getattr(initializers, name)
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    assert getattr(initializers, snake) is kind
    for identifier in (name, snake, kind, kind(), {"class_name": snake, "config": {}}):
        assert type(initializers.get(identifier)) is kind


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("zero", "Zeros"),
        ("one", "Ones"),
        ("normal", "RandomNormal"),
        ("uniform", "RandomUniform"),
        ("IdentityInitializer", "Identity"),
        ("OrthogonalInitializer", "Orthogonal"),
    ],
)
def test_aliases_of_keras(alias, name):
    assert type(initializers.get(alias)).__name__ == name


def test_get():
    def ramp(shape, dtype=None):
        return np.arange(math.prod(shape)).reshape(shape)

    assert initializers.get(None) is None
    assert initializers.get(ramp) is ramp
    for value in (np.array([1.0, 2.0]), Tensor([1.0, 2.0]), Variable([1.0, 2.0])):
        assert initializers.get(value)((2,)).tolist() == [1.0, 2.0]
    with refused("Unknown initializer: 'glorot_unifrom'. Did you mean 'glorot_uniform'?"):
        initializers.get("glorot_unifrom")
    with refused("Expected the name of a known initializer or a callable, got 3."):
        initializers.get(3)
    for name in ("Initializer", "_Random", "Tensor"):
        with refused(f"Unknown initializer: {name!r}."):
            initializers.get(name)


def test_a_variable_takes_an_initializer():
    variable = Variable(initializers.Ones(), shape=(2, 3), dtype="float64")
    assert variable.dtype == "float64" and variable.numpy().sum() == 6


def test_the_base_is_abstract():
    with pytest.raises(NotImplementedError, match=r"Mine: expected a __call__\(shape, dtype=None\) of its own"):
        type("Mine", (Initializer,), {})()((2,))


def test_no_arguments_where_none_are_taken():
    with pytest.raises(TypeError, match="Zeros: expected no arguments, got"):
        initializers.Zeros(3)
    with pytest.raises(TypeError, match="Ones: expected no arguments, got"):
        initializers.Ones(value=3)


# Values without chance.


def test_constant():
    assert same(initializers.Constant(0.1)((2,), "float64"), [0.1, 0.1])
    assert same(initializers.Constant(7)((2, 2), "int32"), np.full((2, 2), 7, np.int32))
    assert initializers.Zeros()((2,), "bool").tolist() == [False, False]
    assert initializers.Ones()((1,), "uint8").dtype == "uint8"
    row = np.array([1.0, 2.0, 3.0])
    constant = initializers.Constant(row)
    row[:] = 0
    value = constant((2, 3))
    assert value.tolist() == [[1, 2, 3], [1, 2, 3]] and np.asarray(value).flags.c_contiguous
    assert constant.get_config() == {"value": [1.0, 2.0, 3.0]}
    with refused("Constant: expected a shape that float64[3] broadcasts to, got (3, 2)."):
        constant((3, 2))
    with refused("Constant: expected numbers as value, got 'one'."):
        initializers.Constant("one")


def test_identity():
    assert initializers.Identity(2)((2, 3)).tolist() == [[2, 0, 0], [0, 2, 0]]
    assert initializers.Identity()((3, 2), "int32").tolist() == [[1, 0], [0, 1], [0, 0]]
    with refused("Identity: expected the shape of a matrix, (rows, columns), got (2, 2, 2)."):
        initializers.Identity()((2, 2, 2))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    shape=st.lists(st.integers(1, 5), min_size=2, max_size=4),
    gain=st.sampled_from([1.0, 0.5, 3.0]),
    seed=st.integers(-5, 2**70),
)
def test_orthogonal(shape, gain, seed):
    matrix = initializers.Orthogonal(gain, seed)(shape, "float64").numpy().reshape(-1, shape[-1])
    rows, columns = matrix.shape
    gram = matrix.T @ matrix if rows >= columns else matrix @ matrix.T
    np.testing.assert_allclose(gram, gain**2 * np.eye(len(gram)), atol=1e-12)


def test_orthogonal_matrices_are_uniform():
    """Every entry of a uniform orthogonal matrix has mean 0 and variance 1/n; QR alone would bias the diagonal."""
    initializer = initializers.Orthogonal(seed=SeedGenerator(3))
    many = np.stack([initializer((3, 3), "float64").numpy() for _ in range(2000)])
    np.testing.assert_allclose(many.mean(axis=0), 0, atol=5 / math.sqrt(3 * 2000))
    np.testing.assert_allclose((many**2).mean(axis=0), 1 / 3, atol=0.035)
    assert abs((np.linalg.det(many) > 0).mean() - 0.5) < 0.06


def test_orthogonal_needs_two_axes():
    with refused("Orthogonal: expected a shape of at least two axes, got (4,)."):
        initializers.Orthogonal()((4,))


# Distributions, by the greatest distance between the drawn and the exact distribution function.

LEFT = 0.87962566103423978  # of a standard deviation, after the truncation


def law(distribution, variance):
    """The distribution function of a scaled initializer."""
    if distribution == "uniform":
        return uniform(-math.sqrt(3 * variance), math.sqrt(3 * variance))
    stddev = math.sqrt(variance)
    return normal(0, stddev) if distribution == "untruncated_normal" else truncated(0, stddev / LEFT)


SHAPE = (3, 4, 20, 30)  # 240 inputs and 360 outputs
LAWS = {
    "RandomNormal": normal(1.0, 2.0),
    "TruncatedNormal": truncated(1.0, 2.0),
    "RandomUniform": uniform(-1.0, 3.0),
    "Orthogonal": None,
    "VarianceScaling": law("untruncated_normal", 3 / 360),
    "GlorotUniform": law("uniform", 1 / 300),
    "GlorotNormal": law("truncated", 1 / 300),
    "HeNormal": law("truncated", 2 / 240),
    "HeUniform": law("uniform", 2 / 240),
    "LecunNormal": law("truncated", 1 / 240),
    "LecunUniform": law("uniform", 1 / 3),  # by input_axes=[0]
}


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_distribution(name, dtype):
    assert LAWS.keys() == set(RANDOM)
    if LAWS[name] is not None:
        assert distance(make(name, seed=5)(SHAPE, dtype), LAWS[name]) < 1.95


def test_the_test_of_distributions_tells_them_apart():
    values = initializers.HeNormal(seed=5)((3, 4, 20, 150))
    for other in (law("untruncated_normal", 2 / 240), law("uniform", 2 / 240), law("truncated", 2 / 240 * LEFT**2)):
        assert distance(values, other) > 1.95


FANS = [
    ((), (1, 1)),
    ((7,), (7, 7)),
    ((5, 8), (5, 8)),
    ((3, 5, 8), (15, 24)),
    ((2, 3, 5, 8), (30, 48)),
    ((2, 2, 3, 5, 8), (60, 96)),
]


@pytest.mark.parametrize("distribution", ["uniform", "truncated_normal", "untruncated_normal", "normal", "Uniform"])
@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
@pytest.mark.parametrize(("shape", "fans"), FANS)
def test_variance_scaling(shape, fans, mode, distribution):
    """The values are those of the distribution with the scale of the formula, from the same seed."""
    fan = {"fan_in": fans[0], "fan_out": fans[1], "fan_avg": sum(fans) / 2}[mode]
    stddev = math.sqrt(2.5 / fan)
    expected = {
        "uniform": lambda: random.uniform(shape, -math.sqrt(3) * stddev, math.sqrt(3) * stddev, seed=4),
        "untruncated_normal": lambda: random.normal(shape, 0.0, stddev, seed=4),
    }.get(distribution.lower(), lambda: random.truncated_normal(shape, 0.0, stddev / LEFT, seed=4))()
    actual = initializers.VarianceScaling(2.5, mode, distribution, seed=4)(shape)
    np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "scale", "mode", "distribution"),
    [
        ("GlorotUniform", 1, "fan_avg", "uniform"),
        ("GlorotNormal", 1, "fan_avg", "normal"),
        ("HeNormal", 2, "fan_in", "normal"),
        ("HeUniform", 2, "fan_in", "uniform"),
        ("LecunNormal", 1, "fan_in", "normal"),
        ("LecunUniform", 1, "fan_in", "uniform"),
    ],
)
def test_named_scalings(name, scale, mode, distribution):
    axes = {"input_axes": [0, 1], "output_axes": [2]}
    for options in ({}, axes):
        general = initializers.VarianceScaling(scale, mode, distribution, seed=9, **options)
        assert same(getattr(initializers, name)(seed=9, **options)((4, 5, 6)), general((4, 5, 6)))


def test_axes_of_the_fans():
    bound = math.sqrt(3 / 8)  # attention's query kernel: [features, heads, size]
    values = initializers.LecunUniform(seed=1, input_axes=[0], output_axes=[1, 2])((8, 40, 50)).numpy()
    assert 0.99 * bound < values.max() <= bound
    with refused("GlorotUniform: expected input_axes and output_axes, or neither, got [0] and None."):
        initializers.GlorotUniform(input_axes=[0])
    with refused("HeNormal: expected a shape with the axes (0, 2), got (3, 4)."):
        initializers.HeNormal(input_axes=[0, 2], output_axes=[1])((3, 4))


def test_no_division_by_an_empty_fan():
    for name in SCALED:
        assert make(name)((0, 3)).shape == (0, 3)
        assert np.isfinite(make(name)((3, 0)).numpy()).all()


# Seeds.


@pytest.mark.parametrize("name", RANDOM)
def test_an_unseeded_initializer_moves_on(name):
    first = make(name)
    values = [first((4, 6)), first((4, 6)), make(name)((4, 6))]
    assert not any(same(a, b) for a, b in ((values[0], values[1]), (values[0], values[2]), (values[1], values[2])))


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize("seed", [0, 7, -3, 2**80, np.int64(7)])
def test_an_integer_seed_repeats(name, seed):
    first = make(name, seed=seed)
    assert same(first((4, 6)), first((4, 6)))
    assert same(first((4, 6)), make(name, seed=int(seed))((4, 6)))
    assert not same(first((4, 6)), make(name, seed=int(seed) + 1)((4, 6)))


@pytest.mark.parametrize("name", RANDOM)
def test_a_generator_is_drawn_from(name):
    generator = SeedGenerator(3)
    first, second = make(name, seed=generator), make(name, seed=generator)
    values = [first((4, 6)), second((4, 6)), first((4, 6))]
    assert len({value.numpy().tobytes() for value in values}) == 3
    assert generator.state.numpy()[1] == 3
    twin = type(first).from_config(json.loads(json.dumps(first.get_config())))
    assert isinstance(twin.seed, SeedGenerator) and twin.seed is not generator
    assert same(twin((4, 6)), values[0])


@pytest.mark.parametrize("name", RANDOM)
def test_set_seed_repeats_unseeded_initializers(name):
    values = []
    for _ in range(2):
        random.set_seed(12)
        values.append([make(name)((4, 6)) for _ in range(2)])
    assert same(values[0][0], values[1][0]) and same(values[0][1], values[1][1])
    assert not same(values[0][0], values[0][1])


def test_initializers_leave_the_other_streams_alone():
    random.set_seed(5)
    alone = random.uniform((3,))
    random.set_seed(5)
    initializers.HeNormal()((3, 3))
    assert same(alone, random.uniform((3,)))


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize("seed", ["7", 1.5, True, [1], {"class_name": "Dense", "config": {}}])
def test_other_seeds_are_refused(name, seed):
    with refused(f"{name}: expected an integer, a SeedGenerator or None as seed, got "):
        make(name, seed=seed)


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize("dtype", ["int32", "bool"])
def test_random_integers_are_refused(name, dtype):
    with refused(f"{name}: expected a floating-point dtype, got {dtype}."):
        make(name)((4, 6), dtype)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("RandomNormal", {"stddev": -1.0}, "RandomNormal: expected a stddev >= 0, got -1.0."),
        ("TruncatedNormal", {"stddev": float("nan")}, "TruncatedNormal: expected a stddev >= 0, got nan."),
        ("RandomUniform", {"minval": 2, "maxval": 1}, "RandomUniform: expected minval <= maxval, got 2 and 1."),
        ("VarianceScaling", {"scale": 0}, "VarianceScaling: expected a scale > 0, got 0."),
        (
            "VarianceScaling",
            {"mode": "fan"},
            "VarianceScaling: expected 'fan_in', 'fan_out' or 'fan_avg' as mode, got 'fan'.",
        ),
        (
            "VarianceScaling",
            {"distribution": "cauchy"},
            "VarianceScaling: expected 'truncated_normal', 'untruncated_normal' or 'uniform' as distribution, "
            "got 'cauchy'.",
        ),
        ("VarianceScaling", {"distribution": None}, "got None."),
    ],
)
def test_bad_arguments_are_refused(name, arguments, message):
    with refused(message):
        getattr(initializers, name)(**arguments)
