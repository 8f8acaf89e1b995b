"""Gamma, beta, binomial and categorical draws, integers of wide ranges, and parameters that are tensors."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import laws
from eagerly import random
from eagerly.dimensions import unknown
from eagerly.layers import Layer
from eagerly.ops.sampling import random_binomial, random_category, random_log_gamma
from eagerly.random import SeedGenerator
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from eagerly.variable import Variable

STATE = np.array([2**50 + 11, 3], np.uint64)
BATCH = unknown("batch")


def refused(message):
    return pytest.raises(ValueError, match=re.escape(message))


# Gamma.


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.97, 1.0, 1.03, 3.0, 40.0, 1e4])
def test_gamma_law(alpha, dtype):
    values = random.gamma((20_001,), alpha, dtype, seed=3)
    assert values.dtype == dtype
    assert laws.distance(values, laws.gamma(alpha)) < 1.95
    assert laws.distance(values, laws.gamma(alpha * (1 + 0.1 / math.sqrt(alpha)))) > 1.95


def test_the_laws_of_the_tests_are_right():
    """Against closed forms: gamma(1) is exponential, beta(1, b) and beta(a, 1) are powers."""
    x = np.geomspace(1e-3, 6, 50)
    np.testing.assert_allclose(laws.gamma(1.0)(x), 1 - np.exp(-x), atol=1e-5)
    erf = np.array([math.erf(math.sqrt(value)) for value in x])
    np.testing.assert_allclose(laws.gamma(0.5)(x), erf, atol=1e-5)
    u = np.linspace(0.01, 0.99, 50)
    np.testing.assert_allclose(laws.beta(1.0, 3.0)(u), 1 - (1 - u) ** 3, atol=1e-5)
    np.testing.assert_allclose(laws.beta(0.5, 0.5)(u), 2 / np.pi * np.arcsin(np.sqrt(u)), atol=1e-5)
    np.testing.assert_allclose(laws.binomial(3, 0.25), [27 / 64, 27 / 64, 9 / 64, 1 / 64])


@pytest.mark.parametrize("alpha", [1e-3, 0.3, 2.5, 1e3, 1e9, 1e18])
def test_gamma_moments(alpha):
    n = 100_000
    values = np.exp(random_log_gamma(STATE, alpha, shape=(n,)))
    kurtosis = 3 + 6 / alpha
    assert abs(values.mean() - alpha) < 4 * math.sqrt(alpha / n)
    assert abs(values.var() / alpha - 1) < 4 * math.sqrt((kurtosis - 1) / n)


def test_gamma_of_extreme_parameters():
    tiny = random.gamma((1000,), 1e-30, seed=1)
    assert tiny.tolist() == [2.0**-126] * 1000  # never 0, whose logarithm is infinite
    assert random.gamma((9,), 1e-300, "float64", seed=1).tolist() == [2.0**-1022] * 9
    assert random.gamma((9,), 1e-3, "float16", seed=1).numpy().min() == np.float16(2.0**-14)
    assert (random.gamma((9,), 1e-3, "bfloat16", seed=1).numpy() > 0).all()
    np.testing.assert_allclose(random.gamma((9,), 1e300, "float64", seed=1), 1e300, rtol=1e-12)
    assert np.isinf(random.gamma((9,), 1e300, seed=1)).all()
    logs = np.asarray(random_log_gamma(STATE, 1e-200, shape=(1000,)))
    assert np.isfinite(logs).all() and len(set(logs.tolist())) == 1000


def test_gamma_draws_are_pure_functions_of_state_place_and_parameter():
    """Whatever else is drawn beside them, and however often that is rejected."""
    few, many = (random.gamma((n,), 0.7, "float64", seed=9).numpy() for n in (7, 5000))
    assert few.tobytes() == many[:7].tobytes()
    alphas = np.linspace(0.01, 5, 5000)
    alphas[:7] = 0.7
    assert random.gamma((5000,), alphas, "float64", seed=9).numpy()[:7].tobytes() == few.tobytes()
    assert random.gamma((50, 100), 0.7, "float64", seed=9).numpy().tobytes() == many.tobytes()


def test_the_numbers_of_a_seed_stay_the_same():
    """In every version: rounded, because libraries differ in the last bits of logarithms."""
    np.testing.assert_allclose(
        random.gamma((3,), [0.5, 1.0, 9.0], "float64", seed=5),
        [1.7681671066544, 0.19665732694014, 7.1083822679381],
        rtol=1e-12,
    )
    np.testing.assert_allclose(
        random.beta((3,), [0.1, 1.0, 9.0], 2.0, "float64", seed=5),
        [0.17026200104103, 0.029909634533998, 0.870038103273],
        rtol=1e-12,
    )
    assert random.binomial((6,), [5, 10, 100, 1000, 10**6, 10**9], 0.3, "int32", seed=5).tolist() == [
        3,
        1,
        29,
        303,
        299843,
        300018177,
    ]
    assert random.categorical(np.zeros((1, 100)), 5, seed=5).tolist() == [[93, 93, 81, 60, 5]]


# Beta.


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.5, 0.5), (0.2, 3.0), (4.0, 0.6), (30.0, 10.0)])
def test_beta_law(alpha, beta):
    for dtype in ("float32", "float64"):
        values = random.beta((20_001,), alpha, beta, dtype, seed=6).numpy()
        assert values.dtype == dtype
        inside = np.clip(values.astype("float64"), 1e-300, 1 - 1e-16)
        assert laws.distance(inside, laws.beta(alpha, beta)) < 1.95
        assert laws.distance(inside, laws.beta(alpha, beta * 1.2)) > 1.95


def test_beta_of_extreme_parameters():
    """For tiny ones, X / (X + Y) would be 0 / 0; their law is almost that of a coin."""
    for tiny in (1e-5, 1e-30, 1e-200):
        coin = random.beta((4000,), tiny, 3 * tiny, seed=2).numpy()
        ones = (coin > 0.5).mean()
        assert ((coin < 1e-6) | (coin > 1 - 1e-6)).mean() > 0.99
        assert abs(ones - 0.25) < 4 * math.sqrt(0.25 * 0.75 / 4000)
        assert 0 < coin.min() and coin.max() == np.float32(1 - 2.0**-24)
    np.testing.assert_allclose(random.beta((9,), 1e30, 3e30, seed=1), 0.25, rtol=1e-6)
    assert random.beta((9,), 1e-3, 1e9, seed=1).numpy().max() < 1e-6
    for dtype, most in (("float16", 1 - 2.0**-11), ("bfloat16", 1 - 2.0**-8)):
        values = random.beta((99,), 1e-4, 1e-4, dtype, seed=1).numpy().astype("float64")
        assert 0 < values.min() and values.max() == most


# Binomial.


@pytest.mark.parametrize(
    ("n", "p"),
    [
        (1, 0.3),
        (7, 0.5),
        (10, 0.99),
        (19, 0.5),
        (20, 0.5),
        (30, 0.4),
        (99, 0.1),
        (150, 0.93),
        (2000, 0.004),
        (2000, 0.3),
    ],
)
def test_binomial_law(n, p):
    values = random.binomial((30_000,), n, p, seed=4)
    assert values.dtype == "float32"
    assert laws.excess(values.numpy(), laws.binomial(n, p)) < 3.5
    assert laws.excess(values.numpy(), laws.binomial(n, p * (1 - 0.1 * (1 - p)))) > 3.5


@pytest.mark.parametrize(("n", "p"), [(10**6, 1e-5), (10**6, 0.5), (10**9, 3e-8), (10**12, 0.01), (2**52, 0.7)])
def test_binomial_moments_of_many_trials(n, p):
    size, spread = 50_000, math.sqrt(n * p * (1 - p))
    standard = (random_binomial(STATE, float(n), p, shape=(size,)) - n * p) / spread
    assert abs(standard.mean()) < 4 / math.sqrt(size)
    assert abs(standard.var() - 1) < 4 * math.sqrt((2 + 1 / spread**2) / size)
    skew = (1 - 2 * p) / spread
    assert abs((standard**3).mean() - skew) < 4 * math.sqrt((15 + 40 / spread**2) / size)


def test_binomial_of_extreme_parameters():
    n = np.array([0, 1, 5, 1000, 2**40], "float64")
    assert random.binomial((5,), n, 0.0, "float64", seed=1).tolist() == [0.0] * 5
    assert random.binomial((5,), n, 1.0, "float64", seed=1).tolist() == n.tolist()
    assert random.binomial((5,), n, 1e-300, seed=1).tolist() == [0.0] * 5
    assert random.binomial((9,), 5, 1 - 1e-7, seed=1).tolist() == [5.0] * 9
    for p in (0.001, 0.2, 0.5, 0.8, 0.999):
        values = random.binomial((5000,), 40, p, "int32", seed=1).numpy()
        assert values.min() >= 0 and values.max() <= 40 and values.dtype == "int32"


def test_binomial_draws_are_pure_functions_of_state_place_and_parameters():
    n = np.tile([3, 50, 4000, 10**7], 500)
    p = np.tile([0.5, 0.7, 0.001, 0.4, 0.2], 400)
    together = random.binomial((2000,), n, p, "float64", seed=2).numpy()
    for i in (0, 1, 2, 3, 1999):
        others = np.full(2000, 77)
        others[i] = n[i]
        assert random.binomial((2000,), others, p[i], "float64", seed=2).numpy()[i] == together[i]
    assert random.binomial((4,), n[:4], p[:4], "float64", seed=2).numpy().tobytes() == together[:4].tobytes()


# Categorical.


def test_categorical_law():
    weights = np.array([[1, 2, 3, 0, 4], [1, 0, 0, 0, 1], [5, 1, 1, 1, 1]])
    with np.errstate(divide="ignore"):
        logits = np.log(weights) + [[3], [-800], [700]]
    found = random.categorical(logits, 20_000, seed=7)
    assert found.shape == (3, 20_000) and found.dtype == "int32"
    for row, w in zip(found.numpy(), weights, strict=True):
        assert laws.excess(row, w / w.sum()) < 3.5
    assert laws.excess(found.numpy()[0], np.ones(5) / 5) > 3.5


@settings(max_examples=40, deadline=None, derandomize=True)
@given(rows=st.integers(1, 4), classes=st.integers(1, 40), samples=st.integers(0, 9), seed=st.integers(0, 99))
def test_categories_are_those_of_the_uniform_numbers(rows, classes, samples, seed):
    """The search in steps finds what counting finds, weights of 0 and ties included."""
    rng = np.random.default_rng(seed)
    logits = np.where(rng.random((rows, classes)) < 0.3, -np.inf, rng.integers(-2, 3, (rows, classes)))
    logits[:, rng.integers(classes)] = 0.5
    found = random_category(STATE, logits, num_samples=samples)
    assert found.shape == (rows, samples) and found.dtype == np.int32
    for row, line in zip(found, logits, strict=True):
        assert (line[row] > -np.inf).all()
    again = random_category(STATE, np.concatenate([logits, np.full((rows, 3), -np.inf)], 1), num_samples=samples)
    np.testing.assert_array_equal(again, found)


def test_categorical_of_one_class_of_none_and_of_many():
    assert random.categorical([[0.3], [-5.0]], 3).tolist() == [[0] * 3] * 2
    assert random.categorical(np.zeros((0, 4)), 3).shape == (0, 3)
    assert random.categorical(np.zeros((2, 4)), 0).shape == (2, 0)
    assert random.categorical(np.zeros((0, 0)), 2).shape == (0, 2)
    many = random.categorical(np.zeros((2, 1000)), 20_000, seed=1).numpy()
    assert laws.excess(many, np.full(1000, 1e-3)) < 3.5
    assert abs(np.corrcoef(many)[0, 1]) < 4 / math.sqrt(20_000)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "int32"])
def test_dtypes_of_categorical(dtype):
    logits = Tensor([[0, 9, 0], [9, 0, 0]], dtype)
    for asked in ("int32", "int64", "uint8", "float32", None):
        found = random.categorical(logits, 50, asked, seed=1)
        assert found.dtype == (asked or "int32")
        assert set(found.numpy()[0].tolist()) == {1.0} and set(found.numpy()[1].tolist()) == {0.0}


# Integers.


@pytest.mark.parametrize(
    ("low", "high"), [(0, 3 * 2**30), (-(2**62), 2**62), (0, 3 * 2**62), (-(2**63), 2**63), (2**40, 2**40 + 2**33 + 1)]
)
def test_wide_ranges_of_integers_are_uniform_too(low, high):
    values = random.randint((20_001,), low, high, "uint64" if high > 2**63 else "int64", seed=2).numpy()
    assert low <= int(values.min()) and int(values.max()) < high
    assert laws.distance(values.astype("float64"), laws.uniform(low, high)) < 1.95
    assert len(set((values % 1024).tolist())) == 1024  # the lowest bits as well


@settings(max_examples=60, deadline=None, derandomize=True)
@given(words=st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=3), span=st.integers(1, 2**64 - 1))
def test_words_scaled_to_a_span(words, span):
    whole = sum(word << 32 * place for place, word in enumerate(reversed(words)))
    found = random._scaled(np.array(words, np.uint32).reshape(-1, 1), len(words), span)
    assert np.asarray(found).tolist() == [whole * span >> 32 * len(words)]


def test_integers_may_be_given_as_whole_floats_and_tensors():
    expected = random.randint((9,), 2, 7, seed=3).tolist()
    for low, high in ((2.0, 7.0), (np.int64(2), Tensor(7)), (np.array([2]), Tensor([7.0]))):
        assert random.randint((9,), low, high, None, seed=3).tolist() == expected
    for low, high, bad in (
        (0.5, 2, "minval, got 0.5"),
        (0, np.inf, "maxval, got inf"),
        (0, [1, 2], "maxval, got [1, 2]"),
    ):
        with refused(f"randint: expected an integer as {bad}."):
            random.randint((2,), low, high)


# Parameters that are tensors.

PARAMETERS = {
    "gamma": lambda shape, x, seed: random.gamma(shape, x, seed=seed),
    "beta": lambda shape, x, seed: random.beta(shape, x, x + 1, seed=seed),
    "binomial": lambda shape, x, seed: random.binomial(shape, 12, x / 8, seed=seed),
    "categorical": lambda shape, x, seed: random.categorical(x + [[0.0, 1.0, 2.0]], 4, "float32", seed=seed),
    "uniform": lambda shape, x, seed: random.uniform(shape, x, x + 1, seed=seed),
    "normal": lambda shape, x, seed: random.normal(shape, x, x / 8, seed=seed),
    "truncated_normal": lambda shape, x, seed: random.truncated_normal(shape, x, x / 8, seed=seed),
}
CONSTANT = ("gamma", "beta", "binomial", "categorical")


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_may_be_arrays_tensors_and_variables(name):
    values = np.array([[1.0], [2.0], [4.0]], "float32")
    results = [
        PARAMETERS[name]((3, 4), x, 5)
        for x in (values, Tensor(values), Variable(values), values.astype("float64"), Tensor(values, "bfloat16"))
    ]
    for result in results:
        assert result.dtype == "float32" and result.shape == (3, 4)
        np.testing.assert_allclose(result.numpy(), results[0].numpy(), rtol=1e-5)
    if name != "categorical":
        single = PARAMETERS[name]((3, 4), 4.0, 5)
        np.testing.assert_allclose(single.numpy()[2], results[0].numpy()[2], rtol=1e-5)
        means = [np.mean(PARAMETERS[name]((3, 2000), values, 5).numpy()[i]) for i in range(3)]
        assert np.argsort(means).tolist() == [0, 1, 2]


@pytest.mark.parametrize("name", PARAMETERS)
def test_gradients_of_parameters(name):
    x = Variable([[1.0], [2.0], [4.0]])
    with GradientTape() as tape:
        y = PARAMETERS[name]((3, 4), x, 5)
    gradient = tape.gradient(y, x)
    if name in CONSTANT:
        assert gradient is None
    elif name == "uniform":
        np.testing.assert_allclose(gradient, [[4.0]] * 3, rtol=1e-6)  # of x and of x + 1, in shares that add up to 1
    else:
        np.testing.assert_allclose(gradient, (y / x).numpy().sum(1, keepdims=True), rtol=1e-5)


def test_the_gradient_of_a_bound():
    low, high = Variable(1.0), Variable(3.0)
    with GradientTape() as tape:
        y = random.uniform((1000,), low, high, seed=1)
    of_low, of_high = tape.gradient(y, [low, high])
    share = (y.numpy() - 1) / 2
    np.testing.assert_allclose(float(of_high), share.sum(), rtol=1e-5)
    np.testing.assert_allclose(float(of_low), 1000 - share.sum(), rtol=1e-5)
    narrow = random.uniform((4000,), Tensor([1.0], "float16"), Tensor(1.25, "float16"), "float16", seed=1).numpy()
    assert 1 <= narrow.min() and narrow.max() < 1.25


def test_unknown_dimensions():
    x = AbstractTensor((BATCH, 1))
    for name, draw in PARAMETERS.items():
        for parameter in (x, 2.0):
            if name != "categorical" or parameter is x:
                y = draw((BATCH, 4), parameter, None)
                assert isinstance(y, AbstractTensor) and y.dims == (BATCH, 4) and y.dtype == "float32"
    assert random.randint((BATCH, 2), 0, 2**40, "int64").dims == (BATCH, 2)
    assert random.shuffle(AbstractTensor((BATCH, 3))).dims == (BATCH, 3)
    assert random.shuffle(AbstractTensor((BATCH, 3)), axis=1).dims == (BATCH, 3)
    assert random.dropout(AbstractTensor((BATCH, 3)), 0.5, (None, 1)).dims == (BATCH, 3)


class Sampler(Layer):
    """Draws with parameters that are symbols when the layer is connected."""

    def build(self, input_shape):
        self.seed_generator = SeedGenerator(3)

    def call(self, inputs):
        chosen = random.categorical(inputs, 2, seed=self.seed_generator)
        return random.shuffle(inputs, seed=self.seed_generator) * random.gamma((3,), 2.0, seed=1), chosen


def test_draws_in_a_layer_on_symbols_and_on_values():
    layer = Sampler()
    y, chosen = layer(AbstractTensor((BATCH, 3)))
    assert y.shape == (None, 3) and (chosen.shape, chosen.dtype) == ((None, 2), "int32")
    assert layer.seed_generator.state.numpy()[1] == 0  # a call on symbols draws nothing
    y, chosen = layer(np.zeros((5, 3), "float32"))
    assert y.shape == (5, 3) and chosen.shape == (5, 2) and layer.seed_generator.state.numpy()[1] == 2


# Refusals.


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: random.gamma((2,), 0.0), "gamma: expected alpha to be > 0 and finite, got 0.0."),
        (lambda: random.gamma((2,), -1), "gamma: expected alpha to be > 0 and finite, got -1."),
        (lambda: random.gamma((2,), np.inf), "gamma: expected alpha to be > 0 and finite, got inf."),
        (lambda: random.gamma((2,), [1.0, np.nan]), "gamma: expected alpha to be > 0 and finite, got float32[2]."),
        (
            lambda: random.gamma((2,), np.ones(3)),
            "gamma: expected alpha to broadcast to the shape (2,), got float64[3].",
        ),
        (
            lambda: random.gamma((2,), np.ones((1, 1))),
            "gamma: expected alpha to broadcast to the shape (2,), got float64",
        ),
        (
            lambda: random.gamma((2, 1), np.ones(3)),
            "gamma: expected alpha to broadcast to the shape (2, 1), got float64",
        ),
        (
            lambda: random.gamma((BATCH, 1), np.ones(3)),
            "gamma: expected alpha to broadcast to the shape (None, 1), got float64[3].",
        ),
        (lambda: random.gamma((2,), 1.0, "int32"), "gamma: expected a floating-point dtype, got int32."),
        (lambda: random.beta((2,), 1.0, 0.0), "beta: expected beta to be > 0 and finite, got 0.0."),
        (lambda: random.beta((2,), Tensor(-1.0), 1.0), "beta: expected alpha to be > 0 and finite, got -1.0."),
        (
            lambda: random.beta((2,), 1.0, np.ones(3)),
            "beta: expected beta to broadcast to the shape (2,), got float64[3].",
        ),
        (lambda: random.binomial((2,), -1, 0.5), "binomial: expected counts to be whole numbers >= 0, got -1."),
        (lambda: random.binomial((2,), 2.5, 0.5), "binomial: expected counts to be whole numbers >= 0, got 2.5."),
        (lambda: random.binomial((2,), np.inf, 0.5), "binomial: expected counts to be whole numbers >= 0, got inf."),
        (lambda: random.binomial((2,), 2, 1.5), "binomial: expected probabilities to be in [0, 1], got 1.5."),
        (
            lambda: random.binomial((2,), 2, [0.5, np.nan]),
            "binomial: expected probabilities to be in [0, 1], got float32",
        ),
        (lambda: random.categorical(np.zeros(3), 2), "categorical: expected logits [rows, classes], got float64[3]."),
        (lambda: random.categorical(np.zeros((1, 0)), 2), "got rows with [-inf] in float64[1, 0]."),
        (
            lambda: random.categorical([[0.0, np.nan], [-np.inf, -np.inf], [np.inf, 1.0]], 2),
            "categorical: expected rows of logits with a largest one that is finite, got rows with [",
        ),
        (lambda: random.categorical(np.zeros((1, 2)), -1), "categorical: num_samples: expected a shape"),
        (lambda: random.normal((2,), 0.0, -1.0), "normal: expected stddev to be >= 0, got -1.0."),
        (
            lambda: random.normal((2,), [1.0] * 3),
            "normal: expected mean to broadcast to the shape (2,), got float32[3].",
        ),
        (lambda: random.truncated_normal((2,), 0.0, [1.0, -1.0]), "truncated_normal: expected stddev to be >= 0, got"),
        (lambda: random.uniform((2,), [0.0, 5.0], 1.0), "uniform: expected minval <= maxval, got float32[2], 1.0."),
        (lambda: random.uniform((2,), 0.0, np.ones(3)), "uniform: expected maxval to broadcast to the shape (2,), got"),
        (lambda: random.normal(3), "normal: expected a shape, a sequence of integers >= 0, got 3."),
        (lambda: random.uniform((2, None)), "uniform: expected a shape, a sequence of integers >= 0, got (2, None)."),
        (lambda: random.gamma((-1,), 1.0), "gamma: expected a shape, a sequence of integers >= 0, got (-1)."),
        (lambda: random.randint((1.5,), 0, 2), "randint: expected a shape, a sequence of integers >= 0, got (1.5)."),
    ],
)
def test_what_draws_refuse(call, text):
    with refused(text):
        call()


def test_shapes_may_be_lists_arrays_and_tensors():
    for shape in ([2, 3], np.array([2, 3]), Tensor([2, 3]), (np.int64(2), Tensor(3))):
        assert random.normal(shape, seed=1).tolist() == random.normal((2, 3), seed=1).tolist()
