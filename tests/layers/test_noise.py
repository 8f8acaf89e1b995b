"""Noise and dropped channels: their distributions, their streams, their masks, and what they refuse."""

import re

import numpy as np
import pytest

from eagerly import layers, random
from eagerly.layers import (
    AlphaDropout,
    Embedding,
    GaussianDropout,
    GaussianNoise,
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
)
from eagerly.tape import GradientTape
from eagerly.tensor import Tensor

SPATIAL = [SpatialDropout1D, SpatialDropout2D, SpatialDropout3D]
NOISE = [AlphaDropout, GaussianDropout, GaussianNoise]
ALL = pytest.mark.parametrize("kind", NOISE + SPATIAL, ids=lambda kind: kind.__name__)
MANY = np.random.default_rng(0).normal(size=(200, 500)).astype(np.float32)


def refused(message):
    return pytest.raises(ValueError, match=re.escape(message))


def shaped(kind, size=4):
    return np.ones((2, *(size,) * (int(kind.__name__[-2]) if kind in SPATIAL else 0), 3), np.float32)


@ALL
def test_nothing_happens_outside_of_training(kind):
    x = shaped(kind)
    assert kind(0.5)(x).tolist() == kind(0.5)(x, training=False).tolist() == x.tolist()
    off = kind(0)
    assert off(x, training=True).tolist() == x.tolist() and off.variables == []


@ALL
def test_each_call_draws_anew_and_a_seed_repeats(kind):
    x = shaped(kind)
    layer, twin = kind(0.5, seed=3), kind(0.5, seed=3)
    first, second = layer(x, training=True), layer(x, training=True)
    assert first.tolist() == twin(x, training=True).tolist() and first.tolist() != second.tolist()
    random.set_seed(7)
    a = kind(0.5)(x, training=True)
    random.set_seed(7)
    assert a.tolist() == kind(0.5)(x, training=True).tolist()


@ALL
def test_they_hand_masks_on(kind):
    x = shaped(kind)
    tensor = Tensor(x)
    tensor._mask = Tensor(np.array([True, False]))
    for training in (False, True):
        assert kind(0.5)(tensor, training=training)._mask.tolist() == [True, False]


def test_gaussian_noise():
    y = GaussianNoise(0.5, seed=1)(MANY, training=True).numpy() - MANY
    assert abs(y.mean()) < 0.01 and abs(y.std() - 0.5) < 0.01


def test_gaussian_dropout():
    y = GaussianDropout(0.2, seed=1)(np.full_like(MANY, 2.0), training=True).numpy()
    assert abs(y.mean() - 2) < 0.01 and abs(y.std() - 2 * 0.5) < 0.01  # sqrt(0.2 / 0.8)


# Klambauer et al. 2017: mean 0 and variance 1 stay.
def test_alpha_dropout_keeps_the_moments():
    y = AlphaDropout(0.3, seed=1)(MANY, training=True).numpy()
    assert abs(y.mean()) < 0.01 and abs(y.std() - 1) < 0.01
    values, counts = np.unique(y, return_counts=True)
    least = -1.7580993408473766
    scale = (0.7 * (1 + 0.3 * least**2)) ** -0.5
    np.testing.assert_allclose(values[counts.argmax()], scale * least - scale * least * 0.3, rtol=1e-5)
    assert abs(counts.max() / y.size - 0.3) < 0.01
    kept = y != values[counts.argmax()]
    np.testing.assert_allclose(y[kept], scale * MANY[kept] - scale * least * 0.3, rtol=1e-4, atol=1e-5)


def test_alpha_dropout_in_shared_draws():
    y = AlphaDropout(0.5, (None, 1), seed=1)(np.ones((64, 5)), training=True).numpy()
    assert all(len(set(row)) == 1 for row in y.tolist()) and len(np.unique(y)) == 2
    with refused("expected a noise_shape that broadcasts to (2, 3), got (4, 3)."):
        AlphaDropout(0.5, (4, 3))(np.ones((2, 3)), training=True)


@pytest.mark.parametrize("kind", SPATIAL)
@pytest.mark.parametrize("first", [False, True])
def test_whole_channels_are_left_out(kind, first):
    rank = int(kind.__name__[-2])
    if first and rank == 1:
        first = False
    x = np.random.default_rng(1).uniform(1, 2, (50, *(3,) * rank, 8)).astype(np.float32)
    layer = kind(0.25, seed=2, **({"data_format": "channels_first"} if first else {}))
    y = layer(np.moveaxis(x, -1, 1) if first else x, training=True).numpy()
    factors = (np.moveaxis(y, 1, -1) if first else y) / x
    of_channel = factors.reshape(50, -1, 8)
    np.testing.assert_allclose(of_channel, np.broadcast_to(of_channel[:, :1], of_channel.shape), rtol=1e-5)
    np.testing.assert_allclose(np.unique(of_channel.round(3)), [0, 1.333], rtol=1e-6)
    assert abs((of_channel[:, 0] == 0).mean() - 0.25) < 0.05


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
@ALL
def test_dtypes(kind, dtype):
    y = kind(0.5, dtype=dtype)(shaped(kind), training=True)
    assert y.dtype == Tensor(0, dtype).dtype


def test_gradients_know_what_was_drawn():
    x = Tensor(np.ones((4, 3), np.float32))
    for layer in (GaussianDropout(0.5, seed=1), AlphaDropout(0.5, seed=1), GaussianNoise(0.5, seed=1)):
        with GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
        gradient = tape.gradient(y, x).numpy()
        if isinstance(layer, GaussianDropout):
            np.testing.assert_array_equal(gradient, y)
        elif isinstance(layer, GaussianNoise):
            np.testing.assert_array_equal(gradient, np.ones((4, 3)))
        else:
            assert (gradient == 0).any() and len(np.unique(gradient)) == 2


def test_an_embedding_of_masked_words_keeps_its_mask():
    y = SpatialDropout1D(0.5)(Embedding(4, 2, mask_zero=True)(np.array([[1, 0]])), training=True)
    assert y._mask.tolist() == [[True, False]]


# --- what they refuse


@pytest.mark.parametrize("value", [-0.1, 1.1, None, "a", True, float("nan")])
def test_strengths_that_are_refused(value):
    for kind in SPATIAL:
        with refused(f"{kind.__name__} 'x': rate must be in [0, 1], got {value!r}."):
            kind(value, name="x")
    with refused(f"GaussianNoise 'x': stddev must be in [0, 1], got {value!r}."):
        GaussianNoise(value, name="x")
    for kind in (GaussianDropout, AlphaDropout):
        with refused(f"{kind.__name__} 'x': rate must be in [0, 1), got {value!r}."):
            kind(value, name="x")


def test_noise_beyond_all_bounds():
    for name in ("GaussianDropout", "AlphaDropout"):
        with refused(f"{name} 'x': rate must be in [0, 1), got 1."):
            getattr(layers, name)(1, name="x")


@pytest.mark.parametrize("kind", SPATIAL)
def test_images_and_layouts_that_are_refused(kind):
    rank = int(kind.__name__[-2])
    with refused(f"{kind.__name__} 'x': expected [batch{', *' * (rank + 1)}], got float64[2, 2]."):
        kind(0.5, name="x")(np.zeros((2, 2)))
    if rank > 1:
        with refused(f"{kind.__name__} 'x': data_format must be one of ('channels_last', 'channels_first'), got 'x'."):
            kind(0.5, "x", name="x")
