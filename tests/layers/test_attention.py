"""Attention layers: masks, weights that come back, dropout, axes, and refusals."""

import re

import numpy as np
import pytest

from eagerly import nest, ops
from eagerly.layers import AdditiveAttention, Attention, Embedding, Input, MultiHeadAttention
from eagerly.models import Model
from eagerly.tape import GradientTape
from eagerly.tensor import Tensor
from gradients import check_gradients
from layer_table import spread_weights

RNG = np.random.default_rng(5)
Q, V, K = (RNG.uniform(-1, 1, shape) for shape in ((2, 3, 4), (2, 5, 6), (2, 5, 4)))
KEPT = np.array([[True, True, False, True, False], [True, False, False, False, False]])
SINGLE = pytest.mark.parametrize("layer", [Attention, AdditiveAttention], ids=["dot", "additive"])


def heads(**options):
    """Two heads with weights that differ, built for Q, V and K."""
    layer = MultiHeadAttention(num_heads=2, key_dim=3, **{"dtype": "float64", **options})
    layer(Q, V, K)
    return spread_weights(layer)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def by_hand(layer, query, value, key, allowed=True):
    """What several heads give, head by head."""
    (qk, qb), (kk, kb), (vk, vb), (ok, ob) = np.split(np.array(layer.get_weights(), object), 4)
    y = np.zeros((*query.shape[:2], ok.shape[-1])) + ob
    weights = []
    for n in range(2):
        q, k, v = query @ qk[:, n] + qb[n], key @ kk[:, n] + kb[n], value @ vk[:, n] + vb[n]
        weights.append(softmax(np.where(allowed, q @ k.swapaxes(1, 2) / np.sqrt(3), -1e30)))
        y = y + weights[-1] @ v @ ok[n]
    return y, np.stack(weights, 1)


# --- several heads


@pytest.mark.parametrize("causal", [False, True])
def test_heads_by_hand(causal):
    layer = heads()
    y, weights = by_hand(layer, Q, V, K, np.tri(3, 5) > 0 if causal else True)
    np.testing.assert_allclose(layer(Q, V, K, use_causal_mask=causal), y, rtol=1e-9)
    both = layer(Q, V, K, use_causal_mask=causal, return_attention_scores=True)
    np.testing.assert_allclose(both[0], y, rtol=1e-9)
    np.testing.assert_allclose(both[1], weights, atol=1e-9)


def test_gradients_of_heads():
    layer = heads(use_gate=True)
    mask = np.array([[True, False, True, True, False]] * 3)
    check_gradients(lambda q, v, k: layer(q, v, k, attention_mask=mask), [Q, V, K])
    check_gradients(lambda q, v, k: layer(q, v, k, return_attention_scores=True), [Q, V, K])


@pytest.mark.parametrize("scores", [False, True])
def test_masks_are_one(scores):
    layer = heads()
    queries = np.array([[True, True, True], [True, True, False]])
    allowed = KEPT[:, None] & queries[..., None]
    expected, weights = by_hand(layer, Q, V, K, KEPT[:, None])
    calls = [
        {"value_mask": KEPT},
        {"key_mask": KEPT},
        {"attention_mask": np.repeat(KEPT[:, None], 3, 1)},
        {"attention_mask": np.repeat(KEPT[:, None, None], 2, 1)},
        {"value_mask": KEPT, "key_mask": np.ones((2, 5), bool), "attention_mask": np.ones((1, 1, 3, 5))},
        {"value_mask": KEPT, "query_mask": queries},
        {"attention_mask": allowed},
    ]
    for call in calls:
        y = layer(Q, V, K, return_attention_scores=scores, **call)
        y, found = y if scores else (y, None)
        taken = queries[..., None] if call is calls[-1] or call is calls[-2] else np.ones((2, 3, 1), bool)
        np.testing.assert_allclose(np.where(taken, y, 0), np.where(taken, expected, 0), rtol=1e-9)
        if scores:
            np.testing.assert_allclose(found, np.where(taken[:, None], weights, 0), atol=1e-9)


def test_masks_that_tensors_carry():
    embed = Embedding(9, 4, mask_zero=True, dtype="float64")
    query, value = embed(np.array([[1, 2, 0], [3, 0, 0]])), embed(np.array([[1, 2, 3, 0, 0], [4, 0, 0, 0, 0]]))
    layer = MultiHeadAttention(num_heads=2, key_dim=3, dtype="float64")
    y = layer(query, value)
    assert y._mask is query._mask
    kept = value.numpy() * 1.0, np.array([[True] * 3 + [False] * 2, [True] + [False] * 4])
    np.testing.assert_allclose(
        y.numpy()[:, 0], layer(query.numpy(), kept[0], value_mask=kept[1]).numpy()[:, 0], rtol=1e-9
    )
    y, scores = layer(query, value, return_attention_scores=True)
    assert y._mask is query._mask and getattr(scores, "_mask", None) is None
    assert not scores.numpy()[0, :, :, 3:].any()


def test_a_query_without_a_place():
    layer = heads()
    none = np.zeros((2, 3, 5), bool)
    mean = by_hand(layer, Q, V, K, False)[0]
    np.testing.assert_allclose(layer(Q, V, K, attention_mask=none), mean, rtol=1e-9)
    y, scores = layer(Q, V, K, attention_mask=none, return_attention_scores=True)
    assert not scores.numpy().any()
    np.testing.assert_allclose(y, np.broadcast_to(layer.get_weights()[-1], y.shape), rtol=1e-9)


@pytest.mark.parametrize("window", [1, 2])
def test_sliding_window(window):
    layer = heads(sliding_window=window)
    near = np.abs(np.arange(3)[:, None] - np.arange(5)) < window
    np.testing.assert_allclose(layer(Q, V, K), by_hand(layer, Q, V, K, near)[0], rtol=1e-9)


def test_dropout_of_weights():
    layer = heads(dropout=0.5, seed=3)
    quiet, scores = layer(Q, V, K, return_attention_scores=True)
    np.testing.assert_allclose(quiet, by_hand(layer, Q, V, K)[0], rtol=1e-9)
    y, same = layer(Q, V, K, return_attention_scores=True, training=True)
    np.testing.assert_array_equal(scores, same)
    assert np.abs(y - quiet).max() > 1e-3
    assert "seed_generator_state" in [v.name for v in layer.variables]


def test_several_axes_are_as_one_long_axis():
    layer = MultiHeadAttention(num_heads=2, key_dim=3, attention_axes=(1, 2), dtype="float64")
    x = RNG.uniform(-1, 1, (2, 3, 2, 4))
    y, scores = layer(x, x, return_attention_scores=True)
    flat = MultiHeadAttention(num_heads=2, key_dim=3, dtype="float64")
    flat(x.reshape(2, 6, 4), x.reshape(2, 6, 4))
    flat.set_weights(layer.get_weights())
    expected, weights = flat(x.reshape(2, 6, 4), x.reshape(2, 6, 4), return_attention_scores=True)
    np.testing.assert_allclose(y.numpy().reshape(2, 6, 4), expected, rtol=1e-9)
    np.testing.assert_allclose(scores.numpy().reshape(2, 2, 6, 6), weights, rtol=1e-9)


def test_one_axis_of_several_attends_by_itself():
    layer = MultiHeadAttention(num_heads=2, key_dim=3, attention_axes=-2, dtype="float64")
    x = RNG.uniform(-1, 1, (2, 3, 2, 4))
    y = layer(x, x, use_causal_mask=True)
    for i in range(3):
        np.testing.assert_allclose(y[:, i : i + 1], layer(x[:, i : i + 1], x[:, i : i + 1], use_causal_mask=True))
    flat = MultiHeadAttention(num_heads=2, key_dim=3, dtype="float64")
    flat(x[:, 0], x[:, 0])
    flat.set_weights(layer.get_weights())
    np.testing.assert_allclose(y[:, 0], flat(x[:, 0], x[:, 0], use_causal_mask=True), rtol=1e-9)


def test_other_arguments_are_data_too():
    layer = heads(dtype="float32")
    y = layer(Q, V, K)
    assert y.dtype == "float32"
    np.testing.assert_array_equal(y, layer(Q.astype("float32"), Tensor(V, "float32"), key=K.astype("float32")))
    assert layer(query=Q, value=V, key=K).dtype == "float32"


@pytest.mark.parametrize("options", [{}, {"use_causal_mask": True}, {"return_attention_scores": True}], ids=str)
def test_any_number_of_places_in_a_model(options):
    query, value = Input((None, 4)), Input((None, 6))
    layer = MultiHeadAttention(num_heads=2, key_dim=3, sliding_window=4)
    y = layer(query, value, **options)
    model = Model([query, value], list(y) if isinstance(y, tuple) else y)
    for places in (1, 5):
        data = np.ones((2, 3, 4), "float32"), RNG.uniform(-1, 1, (2, places, 6)).astype("float32")
        expected = layer(*data, **options)
        for a, b in zip(nest.flatten(model(list(data))), nest.flatten(expected), strict=True):
            np.testing.assert_array_equal(a, b)


def test_output_shapes():
    assert heads(output_shape=7)(Q, V, K).shape == (2, 3, 7)
    assert heads(output_shape=(2, 5))(Q, V, K).shape == (2, 3, 2, 5)
    shapes = [w.shape for w in heads(value_dim=5, use_gate=True, use_bias=False).weights]
    assert shapes == [(4, 2, 3), (4, 2, 3), (4, 2, 5), (6, 2, 5), (2, 5, 4)]
    assert heads().compute_dtype == "float64"


def test_terms_of_every_projection():
    layer = heads(kernel_regularizer="l2", activity_regularizer="l1", bias_constraint="non_neg")
    layer(Q, V, K)
    assert len(layer.losses) == 8
    assert all(w.constraint is not None for w in layer.weights if w.name == "bias")


# --- single vectors


@SINGLE
def test_masks_of_query_and_value(layer):
    layer = layer(dtype="float64")
    value = RNG.uniform(-1, 1, (2, 5, 4))
    queries = np.array([[True, True, False], [True, False, False]])
    y, weights = layer([Q, value], mask=[queries, KEPT], return_attention_scores=True)
    assert not y.numpy()[~queries].any() and y.numpy()[queries].all()
    assert not weights.numpy()[np.repeat(~KEPT[:, None], 3, 1)].any()
    np.testing.assert_allclose(weights.numpy().sum(-1), 1)
    np.testing.assert_allclose(layer([Q[:1], value[:1, KEPT[0]]]), layer([Q[:1], value[:1]], mask=[None, KEPT[:1]]))


@SINGLE
def test_later_places_are_not_seen(layer):
    layer = layer(dtype="float64")
    value = RNG.uniform(-1, 1, (2, 5, 4))
    y, weights = layer([Q, value, K], use_causal_mask=True, return_attention_scores=True)
    assert not weights.numpy()[:, np.tri(3, 5) == 0].any()
    np.testing.assert_allclose(y[:, :1], value[:, :1])
    masked = layer([Q, value, K], use_causal_mask=True, mask=[None, np.array([[True] + [False] * 4] * 2)])
    np.testing.assert_allclose(masked, np.repeat(value[:, :1], 3, 1))


@SINGLE
def test_masks_that_inputs_carry(layer):
    embed = Embedding(9, 4, mask_zero=True)
    query, value = embed(np.array([[1, 2, 0]])), embed(np.array([[1, 2, 0, 0]]))
    layer = layer()
    y, weights = layer([query, value], return_attention_scores=True)
    assert y._mask.tolist() == [[True, True, False]] and getattr(weights, "_mask", None) is None
    assert not weights.numpy()[..., 2:].any() and not y.numpy()[0, 2].any()
    assert getattr(layer([+query, value]), "_mask", None) is None
    assert getattr(layer([+query, +value]), "_mask", None) is None


@SINGLE
def test_dropout_of_single_vectors(layer):
    layer = layer(dropout=0.5, seed=1)
    value = np.ones((2, 5, 4))
    np.testing.assert_allclose(layer([Q, value]), 1, rtol=1e-6)
    assert np.abs(layer([Q, value], training=True) - 1).max() > 0.1


def test_float16_holds_what_masks_subtract():
    y, weights = Attention(dtype="float16")([Q, K], mask=[None, KEPT], return_attention_scores=True)
    assert y.dtype == weights.dtype == "float16" and np.isfinite(y.numpy()).all()
    assert not weights.numpy()[np.repeat(~KEPT[:, None], 3, 1)].any()


@SINGLE
def test_scales_are_trained(layer):
    layer = layer(use_scale=True)
    with GradientTape() as tape:
        y = ops.sum(ops.square(layer([Q, K])))
    (scale,) = layer.trainable_weights
    assert scale.name == "scale" and tape.gradient(y, scale).numpy().any()
    assert type(layer)(use_scale=False)([Q, K]).shape == (2, 3, 4)


# --- refusals


@pytest.mark.parametrize(
    ("make", "message"),
    [
        ({"num_heads": 0}, "num_heads must be an integer > 0, got 0"),
        ({"key_dim": 1.5}, "key_dim must be an integer > 0, got 1.5"),
        ({"value_dim": -1}, "value_dim must be an integer > 0, got -1"),
        ({"dropout": 2}, "dropout must be in [0, 1], got 2"),
        ({"output_shape": "wide"}, "output_shape must be an integer or several, got 'wide'"),
        ({"output_shape": (2, 0)}, "output_shape must be an integer > 0, got 0"),
        ({"attention_axes": 1.5}, "attention_axes must be an integer or several, got 1.5"),
        ({"sliding_window": 0}, "sliding_window must be an integer > 0, got 0"),
        ({"flash_attention": True}, "flash_attention must be False or None, got True. It is an algorithm for GPUs"),
        ({"kernel_initializer": "glorrot"}, "kernel_initializer: Unknown initializer: 'glorrot'"),
    ],
)
def test_arguments_are_checked(make, message):
    with pytest.raises(ValueError, match=re.escape(f"MultiHeadAttention 'a': {message}")):
        MultiHeadAttention(**{"num_heads": 2, "key_dim": 3, "name": "a", **make})


@pytest.mark.parametrize(
    ("axes", "inputs", "options", "message"),
    [
        (None, (Q, V, K[:, :4]), {}, "expected a key for each value, got values of shape (2, 5, 6) and keys of shape"),
        (None, (Q[0], V), {}, "expected query and value [batch, places, ..., features] of one rank, got shapes (3, 4)"),
        (2, (Q, V), {}, "attention_axes must be in [1, 1] for inputs of rank 3, got (2,)"),
        (
            (1, 2),
            (Q[:, None], Q[:, None]),
            {"use_causal_mask": True},
            "expected no other mask than attention_mask for several attention_axes, (1, 2), got one of query",
        ),
    ],
)
def test_inputs_are_checked(axes, inputs, options, message):
    layer = MultiHeadAttention(num_heads=2, key_dim=3, attention_axes=axes, name="a")
    with pytest.raises(ValueError, match=re.escape(f"MultiHeadAttention 'a': {message}")):
        layer(*inputs, **options)


@pytest.mark.parametrize("inputs", [Q, [Q], [Q, V, V, V]], ids=["tensor", "one", "four"])
def test_single_vectors_come_in_a_list(inputs):
    for cls in (Attention, AdditiveAttention):
        with pytest.raises(
            ValueError, match=re.escape(f"{cls.__name__} 'a': expected inputs as a list [query, value] or")
        ):
            cls(name="a")(inputs)
    with pytest.raises(
        ValueError, match=re.escape("'a': expected mask as a list [mask of the query, mask of the value]")
    ):
        Attention(name="a")([Q, K], mask=KEPT)


def test_scores_are_of_a_known_kind():
    with pytest.raises(
        ValueError, match=re.escape("Attention 'a': score_mode must be one of ('dot', 'concat'), got 'sum'")
    ):
        Attention(score_mode="sum", name="a")
