"""Random numbers: known bits, distributions, seeds and streams."""

import contextlib
import copy
import inspect
import json
import math
import pickle
import re
import statistics
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eagerly import random
from eagerly.dimensions import unknown
from eagerly.ops.draws import normal_from, normal_quantile, philox, random_bits, uniform_from
from eagerly.random import SeedGenerator, derive_key
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from eagerly.variable import Variable
from laws import distance, normal, truncated, uniform

# Each public function of shape and seed, with arguments.
DRAWS = {
    "uniform": lambda **options: random.uniform((5, 3), **options),
    "normal": lambda **options: random.normal((5, 3), **options),
    "truncated_normal": lambda **options: random.truncated_normal((5, 3), **options),
    "randint": lambda **options: random.randint((5, 3), 0, 1000, **options),
    "dropout": lambda **options: random.dropout(np.ones((20, 3), np.float32), 0.5, **options),
    "shuffle": lambda **options: random.shuffle(np.arange(20), **options),
    "gamma": lambda **options: random.gamma((5, 3), 2.5, **options),
    "beta": lambda **options: random.beta((5, 3), 0.7, 2.0, **options),
    "binomial": lambda **options: random.binomial((5, 3), 1000, 0.4, **options),
    "categorical": lambda **options: random.categorical(np.zeros((5, 40)), 3, **options),
    "permutation": lambda **options: random.permutation(20, **options),
}
NO_DRAWS = {"SeedGenerator", "Streams", "set_seed", "derive_key"}


def refused(message):
    return pytest.raises(ValueError, match=re.escape(message))


def same(a, b):
    return np.array_equal(np.asarray(a), np.asarray(b))


def test_the_table_lists_every_public_function():
    public = {
        name
        for name, value in vars(random).items()
        if inspect.isroutine(value) or inspect.isclass(value)
        if value.__module__ == random.__name__ and name[0] != "_"
    }
    assert public == DRAWS.keys() | NO_DRAWS


# Bits: the known answers that come with the authors' Random123.


@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [
        ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_philox_known_answers(counter, key, answer):
    words = [np.array([int(word, 16) for word in text.split()], np.uint64) for text in (counter, key, answer)]
    assert philox(words[0].reshape(4, 1), words[1])[:, 0].tolist() == words[2].tolist()
    together = philox(np.stack([words[0], np.zeros(4, np.uint64)], axis=1), words[1])
    assert together[:, 0].tolist() == words[2].tolist()


def test_random_bits_are_philox_of_key_block_and_draw():
    key, draw = 0x0123456789ABCDEF, 0xFEDCBA9876543210
    bits = random_bits(Tensor(np.array([key, draw], np.uint64)), shape=(10,)).numpy()
    assert bits.dtype == np.uint32
    counter = np.array([[0, 1, 2], [0, 0, 0], [draw & 0xFFFFFFFF] * 3, [draw >> 32] * 3], np.uint64)
    blocks = philox(counter, np.array([key & 0xFFFFFFFF, key >> 32], np.uint64))
    assert bits.tolist() == blocks.T.reshape(-1)[:10].tolist()


@settings(max_examples=30, deadline=None, derandomize=True)
@given(shape=st.lists(st.integers(0, 5), max_size=4), more=st.integers(0, 9))
def test_bits_do_not_depend_on_how_many_are_drawn(shape, more):
    state = Tensor(np.array([5, 6], np.uint64))
    size = math.prod(shape)
    few = random_bits(state, shape=tuple(shape)).numpy()
    many = random_bits(state, shape=(size + more,)).numpy()
    assert few.shape == tuple(shape)
    assert few.reshape(-1).tolist() == many[:size].tolist()


# Distributions.


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", None])
@pytest.mark.parametrize("name", ["uniform", "normal", "truncated_normal", "gamma", "beta"])
def test_floating_dtypes(name, dtype):
    value = DRAWS[name](dtype=dtype, seed=1)
    assert isinstance(value, Tensor) and value.shape == (5, 3) and value.dtype.name == (dtype or "float32")
    exact = DRAWS[name](dtype="float32", seed=1).numpy()
    np.testing.assert_allclose(value.numpy().astype("float64"), exact, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("draw", "law"),
    [
        (random.uniform, uniform(0, 1)),
        (lambda shape, **options: random.uniform(shape, -3.0, 5.0, **options), uniform(-3, 5)),
        (random.normal, normal(0, 1)),
        (lambda shape, **options: random.normal(shape, 2.0, 0.1, **options), normal(2, 0.1)),
        (random.truncated_normal, truncated(0, 1)),
        (lambda shape, **options: random.truncated_normal(shape, 2.0, 0.1, **options), truncated(2, 0.1)),
    ],
)
def test_distribution(draw, law, dtype):
    value = draw((40_001,), dtype=dtype, seed=8)
    assert distance(value, law) < 1.95
    assert distance(value, lambda x: law(x * 1.05)) > 1.95  # a scale that is off by 5 % would be noticed


def test_moments():
    n = 200_000
    u, z, t = (
        f((n,), seed=21).numpy().astype("float64") for f in (random.uniform, random.normal, random.truncated_normal)
    )
    for values, mean, variance in ((u, 0.5, 1 / 12), (z, 0, 1), (t, 0, 0.87962566103423978**2)):
        assert abs(values.mean() - mean) < 4 * math.sqrt(variance / n)
        assert abs(values.var() / variance - 1) < 4 * math.sqrt(2 / n)
    assert abs((z**3).mean()) < 4 * math.sqrt(15 / n)
    assert abs((z**4).mean() - 3) < 4 * math.sqrt(96 / n)
    assert 0 < u.min() and u.max() < 1
    assert np.abs(t).max() <= 2
    assert abs(np.corrcoef(z[:-1], z[1:])[0, 1]) < 4 / math.sqrt(n)


@pytest.mark.parametrize(
    ("dtype", "least", "most"),
    [
        ("float32", 2.0**-24, 1 - 2.0**-24),
        ("float64", 2.0**-33, 1 - 2.0**-33),
        ("float16", 2.0**-24, 1 - 2.0**-11),
        ("bfloat16", 2.0**-24, 1 - 2.0**-8),
    ],
)
def test_unit_numbers_stay_inside_the_open_interval(dtype, least, most):
    """Neither 0, whose logarithm is infinite, nor 1."""
    bits = np.array([0, 2**32 - 1], np.uint32)
    unit = uniform_from(bits, dtype)
    assert unit.dtype == dtype
    assert unit.tolist() == [least, most]
    assert normal_from(np.stack([bits, bits]), dtype).dtype == dtype
    normal_extremes = math.sqrt(-2 * math.log(least))
    assert normal_extremes < 7


def test_the_normal_quantile():
    p = np.concatenate([np.geomspace(1e-7, 0.5, 200), 1 - np.geomspace(1e-7, 0.5, 200), [0.075, 0.925, 0.5]])
    expected = [statistics.NormalDist().inv_cdf(value) for value in p]
    np.testing.assert_allclose(np.asarray(normal_quantile(p)), expected, rtol=1e-13, atol=1e-15)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(low=st.integers(-(2**31), 2**31 - 2), width=st.integers(1, 2**32), seed=st.integers(0, 99))
def test_randint_range(low, width, seed):
    high = min(low + width, 2**31)
    values = random.randint((50,), low, high, seed=seed)
    assert values.dtype == "int32"
    assert low <= values.numpy().min() and values.numpy().max() < high


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_randint_dtypes(dtype):
    """Both ends of each dtype's range are reached, and nothing wraps around."""
    limits = np.iinfo(dtype)
    for low, high in ((limits.min, limits.min + 3), (limits.max - 2, limits.max + 1)):
        values = random.randint((200,), low, high, dtype, seed=1)
        assert values.dtype == dtype
        assert sorted(set(values.tolist())) == list(range(low, high))


def test_randint_is_uniform():
    counts = np.bincount(random.randint((60_000,), 0, 6, seed=3).numpy(), minlength=6)
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 20.5  # chi square with 5 degrees of freedom: once in a thousand


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dropout(rate, dtype):
    x = np.ones((100, 100), dtype)
    y = random.dropout(x, rate, seed=5)
    assert y.dtype == dtype
    values = y.numpy().astype("float64")
    kept = values != 0
    np.testing.assert_allclose(values[kept], 1 / (1 - rate), rtol=1e-3)
    assert abs(kept.mean() - (1 - rate)) < 4 * math.sqrt(rate * (1 - rate) / x.size)


def test_dropout_at_the_ends_and_with_a_noise_shape():
    x = Tensor(np.ones((4, 5, 6)))
    assert random.dropout(x, 0) is x
    assert not random.dropout(x, 1).numpy().any()
    y = random.dropout(x, 0.5, noise_shape=(None, 1, 6), seed=2).numpy()
    assert (y == y[:, :1]).all() and not (y == y[:1]).all()
    y = random.dropout(x, 0.5, noise_shape=(5, 1), seed=2).numpy()
    assert (y == y[:1, :, :1]).all() and not (y == y[:, :1]).all()
    for shape in ((4, 1), (1, 4, 5, 6), (None, 1), (None,) * 4):
        with refused(f"dropout: expected a noise_shape that broadcasts to (4, 5, 6), got {shape}."):
            random.dropout(x, 0.5, noise_shape=shape)
    for rate in (-0.1, 1.5, float("nan")):
        with refused(f"dropout: expected a rate in [0, 1], got {rate}."):
            random.dropout(x, rate)


def test_the_gradient_of_dropout_is_its_mask():
    x = Variable(np.linspace(1, 2, 50))
    with GradientTape() as tape:
        y = random.dropout(x, 0.4, seed=5)
    np.testing.assert_allclose(tape.gradient(y, x).numpy(), np.where(y.numpy() != 0, 1 / 0.6, 0))


@pytest.mark.parametrize("rate", [0.5, 1])
def test_dropout_drops_what_is_no_number(rate):
    bad = np.tile([np.nan, np.inf, -np.inf, 1.0], 50).astype("float32")
    x = Variable(bad)
    with GradientTape() as tape:
        y = random.dropout(x, rate, seed=3)
    kept = random.dropout(np.ones_like(bad), rate, seed=3).numpy() != 0
    np.testing.assert_array_equal(y.numpy(), np.where(kept, bad * 2, 0))
    np.testing.assert_array_equal(tape.gradient(y, x).numpy(), np.where(kept, 2, 0))
    assert y.dtype == "float32" and kept.any() == (rate != 1)
    assert random.dropout(np.ones(3, "int32"), rate, seed=3).dtype == "float32"


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [("float16", 0, 1), ("bfloat16", 0, 1), ("float16", -3.0, -1.0), ("float32", 1.0, 2.0), ("float16", 0.0, 0.1)],
)
def test_uniform_values_stay_below_maxval(dtype, low, high):
    values = random.uniform((400_000,), low, high, dtype, seed=1)
    assert values.dtype == dtype
    wide = values.numpy().astype("float64")
    assert low <= wide.min() and wide.max() < float(Tensor(high, dtype))


def test_uniform_of_no_range():
    assert random.uniform((2,), 1.5, 1.5, seed=1).tolist() == [1.5, 1.5]
    for low, high in ((1.0, 0.5), (float("nan"), 1.0)):
        with refused(f"uniform: expected minval <= maxval, got {low}, {high}."):
            random.uniform((2,), low, high)


def test_permutations_are_uniform():
    generator = SeedGenerator(4)
    counts = {}
    for _ in range(3000):
        order = tuple(random.permutation(3, generator).tolist())
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 6 and sum((n - 500) ** 2 / 500 for n in counts.values()) < 20.5


def test_shuffle():
    x = np.arange(24).reshape(2, 3, 4)
    y = random.shuffle(x, axis=-1, seed=3).numpy()
    order = y[0, 0]
    assert sorted(order) == [0, 1, 2, 3] and order.tolist() != [0, 1, 2, 3]
    assert (y == x[:, :, order]).all()
    assert random.shuffle(np.zeros((0, 2))).shape == (0, 2)
    with refused("axis"):
        random.shuffle(x, axis=3)


def test_an_unknown_batch_size():
    batch = unknown("batch")
    for draw in (random.uniform, random.normal, random.truncated_normal):
        y = draw((batch, 3))
        assert isinstance(y, AbstractTensor) and y.dims == (batch, 3) and y.dtype == "float32"
    assert random.dropout(AbstractTensor((batch, 3)), 0.5).dims == (batch, 3)


# Seeds and streams.


@pytest.mark.parametrize("name", DRAWS)
def test_seeds(name):
    draw = DRAWS[name]
    assert not same(draw(), draw())
    for seed in (0, 7, -3, 2**80, np.int64(7)):
        assert same(draw(seed=seed), draw(seed=seed))
        assert same(draw(seed=seed), draw(seed=SeedGenerator(int(seed))))
    assert not same(draw(seed=1), draw(seed=2))
    generator = SeedGenerator(1)
    assert not same(draw(seed=generator), draw(seed=generator))
    for bad in ("1", 1.5, True, [1]):
        with refused("seed: expected an integer, a SeedGenerator or None, got "):
            draw(seed=bad)


@pytest.mark.parametrize("name", DRAWS)
def test_set_seed_repeats(name):
    draw, values = DRAWS[name], []
    for seed in (3, 3, 4):
        random.set_seed(seed)
        values.append([draw(), draw()])
    assert all(map(same, values[0], values[1]))
    assert not same(values[0][0], values[2][0]) and not same(values[0][0], values[0][1])


@pytest.mark.parametrize("name", DRAWS)
def test_numpys_global_state_is_neither_read_nor_written(name):
    np.random.seed(0)
    random.set_seed(3)
    before = np.random.get_state()
    first = DRAWS[name]()
    after = np.random.get_state()
    assert before[0] == after[0] and (before[1] == after[1]).all() and before[2:] == after[2:]
    np.random.seed(1)
    random.set_seed(3)
    assert same(first, DRAWS[name]())


def keys(*streams):
    return [int(SeedGenerator(stream=stream).state.numpy()[0]) for stream in streams]


def test_streams_do_not_disturb_each_other():
    random.set_seed(3)
    alone = keys("init", "init", "dropout")
    random.set_seed(3)
    mixed = keys("init", "shuffle", "user", "init", "user", "dropout")
    assert [mixed[0], mixed[3], mixed[5]] == alone
    assert len(set(mixed)) == len(mixed)


def test_a_running_generator_is_left_alone_by_set_seed():
    generator, twin = SeedGenerator(5), SeedGenerator(5)
    random.uniform((2,), seed=generator)
    random.uniform((2,), seed=twin)
    random.set_seed(0)
    assert same(random.uniform((2,), seed=generator), random.uniform((2,), seed=twin))


def test_the_state_counts_the_draws():
    generator = SeedGenerator(9, name="mine")
    assert generator.name == "mine"
    assert generator.state.dtype == "uint64" and not generator.state.trainable
    for draws in range(3):
        assert generator.state.numpy().tolist() == [derive_key(9, "seed"), draws]
        state = generator.next()
        assert state.numpy().tolist() == [derive_key(9, "seed"), draws]
    assert generator.next(ordered=False).numpy()[1] == 3 and generator.next().numpy()[1] == 4
    assert list(generator.children()) == ["state"]


def test_a_restored_state_continues():
    generator = SeedGenerator(9)
    random.normal((3,), seed=generator)
    saved = generator.state.numpy()
    ahead = random.normal((3,), seed=generator)
    other = SeedGenerator()
    other.state.assign(saved)
    assert same(random.normal((3,), seed=other), ahead)


def test_generators_have_a_config():
    config = SeedGenerator(9, "mine", "dropout").get_config()
    assert config == {"seed": 9, "name": "mine", "stream": "dropout"}
    twin = SeedGenerator.from_config(json.loads(json.dumps(config)))
    assert same(random.uniform((2,), seed=twin), random.uniform((2,), seed=9))


def test_keys_are_fixed_by_seed_stream_and_ordinal():
    """The same in every process and version: a saved seed means the same numbers tomorrow."""
    assert derive_key(0, "init") == 1801107035658318964
    assert derive_key(1, "dropout", 2) == 11423883500851600990
    assert len({derive_key(a, b, c) for a in range(5) for b in ("x", "y") for c in range(5)}) == 50
    assert all(0 <= derive_key(seed, "seed") < 2**64 for seed in range(100))


def test_threads_get_generators_of_their_own():
    random.set_seed(1)
    made = []
    threads = [threading.Thread(target=lambda: made.extend(keys(*["init"] * 50))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    random.set_seed(1)
    assert sorted(made) == sorted(keys(*["init"] * 200))


def in_threads(work, count=4):
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def meeting(function):
    """The function, which two threads that may run it at once begin together; one alone waits a moment."""
    both = threading.Barrier(2)

    def run(*args):
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.2)
        return function(*args)

    return run


def test_threads_never_draw_from_the_same_state(monkeypatch):
    generator, seen = SeedGenerator(3), []
    monkeypatch.setattr(random.elementwise, "add", meeting(random.elementwise.add))
    in_threads(lambda: seen.append(int(generator.next()[1])))
    assert sorted(seen) == [0, 1, 2, 3]
    for twin in (copy.deepcopy(generator), pickle.loads(pickle.dumps(generator))):
        assert same(twin.next(), [generator.state.numpy()[0], 4])


def test_threads_share_one_user_stream(monkeypatch):
    made = []

    class Slow(SeedGenerator):
        __init__ = meeting(SeedGenerator.__init__)

    streams = random.Streams()
    monkeypatch.setattr(random, "SeedGenerator", Slow)
    in_threads(lambda: made.append(streams.user()), 2)
    assert len(made) == 2 and made[0] is made[1]


def test_without_a_seed_the_root_is_entropy():
    first, second = random.Streams(), random.Streams()
    assert first.seed != second.seed


# Refusals.


@pytest.mark.parametrize("seed", ["1", 1.5, None, True])
def test_set_seed_refuses_what_is_no_integer(seed):
    with refused(f"set_seed: expected an integer, got {seed!r}."):
        random.set_seed(seed)


@pytest.mark.parametrize("seed", ["1", 1.5, True])
def test_a_generator_refuses_what_is_no_integer(seed):
    with refused(f"SeedGenerator: expected an integer seed or None, got {seed!r}."):
        SeedGenerator(seed)


@pytest.mark.parametrize("name", ["uniform", "normal", "truncated_normal", "gamma", "beta"])
@pytest.mark.parametrize("dtype", ["int32", "bool"])
def test_floating_distributions_refuse_integers(name, dtype):
    with refused(f"{name}: expected a floating-point dtype, got {dtype}."):
        DRAWS[name](dtype=dtype)


@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [
        (3, 3, "int32"),
        (4, 3, "int32"),
        (-1, 3, "uint8"),
        (0, 257, "uint8"),
        (0, 2**31 + 1, "int32"),
        (-(2**63) - 1, 0, "int64"),
    ],
)
def test_randint_refuses_a_range_it_cannot_fill(low, high, dtype):
    message = f"minval < maxval in the range of {dtype}, got {low}, {high}."
    with refused(f"randint: expected {message}"):
        random.randint((2,), low, high, dtype)


def test_randint_refuses_floating_dtypes():
    with refused("randint: expected an integer dtype, got float32."):
        random.randint((2,), 0, 3, "float32")
