"""Bidirectional and TimeDistributed: what they run, masks, states, configurations, and refusals."""

import re

import numpy as np
import pytest

from eagerly.layers import (
    GRU,
    LSTM,
    RNN,
    BatchNormalization,
    Bidirectional,
    Conv2D,
    Dense,
    Embedding,
    GRUCell,
    Input,
    Layer,
    SimpleRNN,
    TimeDistributed,
)
from eagerly.models import Model
from layer_table import spread_weights

RNG = np.random.default_rng(4)
X = RNG.uniform(-1, 1, (2, 5, 4)).astype("float32")
MASK = np.array([[True, True, True, False, False], [False, True, True, True, True]])


def both(layer, **options):
    """A wrapper with weights that differ."""
    wrapper = Bidirectional(layer, **options)
    wrapper(X)
    return spread_weights(wrapper)


def ways(wrapper, **call):
    """What the two layers give by themselves, in the order of the steps."""
    there, back = wrapper.forward_layer(X, **call).numpy(), wrapper.backward_layer(X, **call).numpy()
    return there, back[:, ::-1] if wrapper.return_sequences else back


MERGES = {
    "concat": lambda a, b: np.concatenate([a, b], -1),
    "sum": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "ave": lambda a, b: (a + b) / 2,
}


@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("merge", MERGES)
def test_outputs_are_merged(merge, sequences):
    wrapper = both(LSTM(3, return_sequences=sequences), merge_mode=merge)
    np.testing.assert_allclose(wrapper(X), MERGES[merge](*ways(wrapper)), rtol=1e-6)


def test_the_backward_layer_starts_from_the_end():
    wrapper = both(SimpleRNN(3, return_sequences=True), merge_mode=None)
    wrapper.backward_layer.set_weights(wrapper.forward_layer.get_weights())
    there, back = wrapper(X)
    np.testing.assert_allclose(back[:, ::-1], wrapper.forward_layer(X[:, ::-1]), rtol=1e-6)
    assert there.shape == back.shape == (2, 5, 3)


def test_states_of_both():
    wrapper = both(LSTM(3, return_state=True))
    y, *states = wrapper(X)
    assert y.shape == (2, 6) and [s.shape for s in states] == [(2, 3)] * 4
    np.testing.assert_array_equal(states[0], y[:, :3])
    np.testing.assert_array_equal(states[2], y[:, 3:])
    z = wrapper(X, initial_state=states)[0]
    np.testing.assert_array_equal(z[:, :3], wrapper.forward_layer(X, initial_state=states[:2])[0])
    np.testing.assert_array_equal(z[:, 3:], wrapper.backward_layer(X, initial_state=states[2:])[0])
    apart = both(GRU(3, return_state=True), merge_mode=None)(X)
    assert [leaf.shape for leaf in apart] == [(2, 3)] * 4


@pytest.mark.parametrize("merge", ["concat", None])
def test_masked_steps_give_zeros_and_masks_are_handed_on(merge):
    x = Embedding(4, 4, mask_zero=True)(np.array([[1, 2, 3, 0]]))
    y = both(LSTM(3, return_sequences=True), merge_mode=merge)(x)
    for leaf in y if merge is None else [y]:
        assert leaf._mask is x._mask
        assert not leaf.numpy()[:, 3].any() and leaf.numpy()[:, :3].all()
    z = both(LSTM(3, return_sequences=True, return_state=True))(x)
    assert z[0]._mask is x._mask and getattr(z[1], "_mask", None) is None
    assert getattr(both(LSTM(3))(x), "_mask", None) is None


def test_kept_states():
    wrapper = Bidirectional(GRU(3, stateful=True))
    wrapper(X)
    assert len(wrapper.states) == 2
    first = wrapper(X).numpy()
    for reset in (wrapper.reset_state, wrapper.reset_states):
        wrapper(X)
        reset()
        wrapper(X)
        np.testing.assert_array_equal(wrapper(X), first)
    loose = Bidirectional(GRU(3))
    assert loose.states is None
    with pytest.raises(AttributeError, match="'bidirectional.*': expected a stateful layer to reset the states of"):
        loose.reset_state()


def test_weights_that_are_given():
    values = both(LSTM(3)).get_weights()
    wrapper = Bidirectional(LSTM(3), weights=values)
    wrapper(X)
    for given, found in zip(values, wrapper.get_weights(), strict=True):
        np.testing.assert_array_equal(given, found)


def test_the_layer_is_an_example_and_is_not_used():
    layer = LSTM(3, name="mine")
    wrapper = both(layer)
    assert not layer.built
    assert [each.name for each in (wrapper.forward_layer, wrapper.backward_layer)] == ["forward_mine", "backward_mine"]
    assert wrapper.backward_layer.go_backwards and not wrapper.forward_layer.go_backwards


@pytest.mark.parametrize("other", [None, GRU(3, activation="relu", go_backwards=True, return_sequences=True)])
def test_configuration_of_both_layers(other):
    wrapper = both(GRU(3, return_sequences=True), backward_layer=other, merge_mode="sum")
    config = wrapper.get_config()
    assert config["backward_layer"]["config"]["go_backwards"]
    twin = Bidirectional.from_config(config)
    assert twin.get_config() == config
    twin(X)
    twin.set_weights(wrapper.get_weights())
    np.testing.assert_array_equal(twin(X), wrapper(X))


def test_cells_both_ways_in_a_model():
    x = Input((None, 4))
    wrapper = Bidirectional(RNN([GRUCell(3), GRUCell(2)], return_sequences=True))
    y = wrapper(x)
    assert y.shape == (None, None, 4)
    np.testing.assert_array_equal(Model(x, y)(X), wrapper(X))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Bidirectional(Dense(2), name="a"), "layer must be a recurrent layer, got Dense(units=2)"),
        (lambda: Bidirectional("lstm", name="a"), "layer must be a recurrent layer, got 'lstm'"),
        (lambda: Bidirectional(LSTM(2), backward_layer=3, name="a"), "backward_layer must be a recurrent layer, got 3"),
        (
            lambda: Bidirectional(LSTM(2), merge_mode="max", name="a"),
            "merge_mode must be one of ('concat', 'sum', 'ave', 'mul', None), got 'max'",
        ),
        (
            lambda: Bidirectional(LSTM(2), backward_layer=LSTM(2), name="a"),
            "expected layer and backward_layer to go in different directions, got go_backwards=False for both",
        ),
        (
            lambda: Bidirectional(LSTM(2, go_backwards=True), name="a"),
            "expected layer and backward_layer to go in different directions, got go_backwards=True for both",
        ),
        (
            lambda: Bidirectional(LSTM(2), backward_layer=LSTM(2, go_backwards=True, stateful=True), name="a"),
            "expected the same stateful for layer and backward_layer, got False and True",
        ),
    ],
)
def test_what_does_not_go_both_ways_is_refused(make, message):
    with pytest.raises(ValueError, match=re.escape(f"Bidirectional 'a': {message}")):
        make()


# --- every step by itself


def test_every_step_gets_the_layer():
    images = RNG.uniform(-1, 1, (2, 3, 5, 5, 2)).astype("float32")
    layer = TimeDistributed(Conv2D(4, 3))
    y = layer(images)
    assert y.shape == (2, 3, 3, 3, 4)
    for t in range(3):
        np.testing.assert_array_equal(y[:, t], layer.layer(images[:, t]))


def test_any_number_of_steps():
    x = Input((None, 4))
    layer = TimeDistributed(Dense(3))
    model = Model(x, layer(x))
    assert layer(x).shape == (None, None, 3)
    for steps in (1, 5):
        np.testing.assert_allclose(model(X[:, :steps]), layer.layer(X[:, :steps]), rtol=1e-5)


def test_statistics_are_those_of_a_step():
    layer = TimeDistributed(BatchNormalization(momentum=0.0))
    y = layer(X, training=True)
    np.testing.assert_allclose(y.numpy().mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(layer.layer.moving_mean, X[:, -1].mean(0), rtol=1e-5)


def test_the_layer_gets_the_mask_of_its_step():
    class Asks(Layer):
        seen = None

        def call(self, x, mask=None):
            self.seen = [*(self.seen or []), None if mask is None else mask.tolist()]
            return x

    layer = TimeDistributed(Asks())
    layer(X)
    assert layer.layer.seen == [None] * 5
    layer.layer.seen = None
    y = layer(X, mask=MASK)
    assert layer.layer.seen == MASK.T.tolist() and y.shape == X.shape
    x = Embedding(4, 4, mask_zero=True)(np.array([[1, 2, 0]]))
    assert TimeDistributed(Dense(2))(x)._mask is x._mask


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TimeDistributed("dense", name="a"), "layer must be a layer, got 'dense'"),
        (lambda: TimeDistributed(Dense(2), name="a")(X[0]), "expected [batch, steps, ...], got inputs of shape (5, 4)"),
        (lambda: TimeDistributed(Dense(2), name="a")(X[:, :0]), "expected at least one step, got float32[2, 0, 4]"),
        (
            lambda: TimeDistributed(Dense(2), name="a")(X, mask=MASK[:, :4]),
            "expected a mask [batch, steps, ...] for inputs float32[2, 5, 4], got bool[2, 4]",
        ),
        (
            lambda: TimeDistributed(Dense(2), name="a")(X, mask=MASK[0]),
            "expected a mask [batch, steps, ...] for inputs",
        ),
    ],
)
def test_what_has_no_steps_is_refused(make, message):
    with pytest.raises(ValueError, match=re.escape(f"TimeDistributed 'a': {message}")):
        make()
