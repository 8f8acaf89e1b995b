"""Recurrent layers: both ways to run them, dropout, kept states, masks, cells of users, and refusals."""

import re

import numpy as np
import pytest

from eagerly import nest, ops
from eagerly import random as eagerly_random
from eagerly.checkpoint import Checkpoint
from eagerly.layers import (
    GRU,
    LSTM,
    RNN,
    Embedding,
    GRUCell,
    Input,
    Layer,
    LSTMCell,
    SimpleRNN,
    SimpleRNNCell,
    StackedRNNCells,
)
from eagerly.models import Model, Sequential
from eagerly.tape import GradientTape
from eagerly.tensor import Tensor
from layer_table import spread_weights

RNG = np.random.default_rng(3)
X = RNG.uniform(-1, 1, (2, 5, 4))
MASK = np.array([[True, True, False, True, False], [False, False, True, True, True]])
KINDS = {"lstm": (LSTM, {}), "gru": (GRU, {}), "gru before": (GRU, {"reset_after": False})}


def ready(layer, x=X):
    """A layer that is built, with weights that differ."""
    layer(x)
    return spread_weights(layer)


def outcome(layer, *args, **kwargs):
    """The results of a call, and the gradients of the input and the weights."""
    x = Tensor(args[0])
    with GradientTape() as tape:
        tape.watch(x)
        y = nest.flatten(layer(x, *args[1:], **kwargs))
        total = sum(ops.sum(leaf * (k + 1.0) * leaf) for k, leaf in enumerate(y))
    return [*y, *tape.gradient(total, [x, *layer.trainable_weights], unconnected_gradients="zero")]


def close(first, second, rtol=1e-10):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-12)


# --- as a whole and step by step


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "masked"])
@pytest.mark.parametrize(
    "options",
    [
        {"return_sequences": True, "return_state": True},
        {"go_backwards": True, "return_state": True, "zero_output_for_mask": True},
        {"go_backwards": True, "return_sequences": True, "zero_output_for_mask": True},
        {},
    ],
    ids=str,
)
def test_both_ways_give_the_same_values_and_gradients(kind, mask, options):
    cls, own = KINDS[kind]
    whole = ready(cls(3, **own, **options, dtype="float64"))
    assert whole._as_a_whole(training=True)
    stepwise = RNN(whole.cell, **options, dtype="float64")
    states = [RNG.uniform(-1, 1, (2, 3)) for _ in whole.state_size]
    for given in ({}, {"initial_state": states}):
        close(outcome(whole, X, mask=mask, **given), outcome(stepwise, X, mask=mask, **given))


@pytest.mark.parametrize("kind", KINDS)
def test_both_ways_drop_the_same(kind):
    cls, own = KINDS[kind]
    whole = ready(cls(3, dropout=0.5, seed=1, **own, dtype="float64"))
    stepwise = RNN(whole.cell, dtype="float64")
    results = []
    for layer in (whole, stepwise):
        whole.cell.seed_generator.state.assign(np.array([7, 0], np.uint64))
        results.append(outcome(layer, X, training=True))
    close(*results)
    assert np.abs(results[0][0] - whole(X)).max() > 1e-3


@pytest.mark.parametrize(
    "options",
    [{"activation": "relu"}, {"recurrent_activation": "tanh"}, {"recurrent_dropout": 0.5}],
    ids=str,
)
def test_what_is_not_the_operation_goes_step_by_step(options):
    assert not LSTM(3, **options)._as_a_whole(training=True)
    assert LSTM(3, recurrent_dropout=0.5)._as_a_whole(training=False)
    assert not GRU(3, dropout=0.5, implementation=1)._as_a_whole(training=True)


def test_a_cell_whose_call_is_replaced_is_called():
    layer = ready(LSTM(3))
    layer.cell.call = lambda inputs, states, training=False: (states[0] + 1.0, [states[0] + 1.0, states[1]])
    assert layer(X).tolist() == [[5.0] * 3] * 2


# --- dropout


@pytest.mark.parametrize("cls", [LSTM, GRU, SimpleRNN])
@pytest.mark.parametrize("options", [{"dropout": 0.5}, {"recurrent_dropout": 0.5}], ids=str)
def test_dropout_acts_in_training_alone_and_differs_from_call_to_call(cls, options):
    layer = cls(8, seed=3, **options)
    layer(X)
    quiet = layer(X)
    np.testing.assert_array_equal(quiet, layer(X))
    first, second = (layer(X, training=True).numpy() for _ in range(2))
    assert np.abs(first - quiet).max() > 1e-3 and np.abs(first - second).max() > 1e-3
    twin = cls(8, seed=3, **options)
    twin(X)
    twin.set_weights(layer.get_weights())
    np.testing.assert_array_equal(twin(X, training=True), first)


def test_what_is_dropped_is_the_same_at_every_step():
    layer = SimpleRNN(6, activation=None, dropout=0.5, seed=2, use_bias=False, return_sequences=True)
    layer(np.ones((1, 4, 6)))
    layer.set_weights([np.eye(6), np.zeros((6, 6))])
    y = layer(np.ones((1, 4, 6)), training=True).numpy()
    assert set(y.ravel()) == {0.0, 2.0} and (y == y[:, :1]).all()


@pytest.mark.parametrize(("make", "differs"), [({}, False), ({"implementation": 1}, True)])
def test_gates_drop_the_same_input_unless_told(make, differs):
    cell = LSTMCell(2, dropout=0.5, seed=4, **make)
    mask = cell.get_dropout_mask(Tensor(np.ones((3, 20))))
    assert isinstance(mask, list) == differs
    if differs:
        assert len(mask) == 4 and not (mask[0] == mask[1]).numpy().all()
        assert isinstance(GRUCell(2, recurrent_dropout=0.5).get_recurrent_dropout_mask(mask[0]), list)


def test_a_cell_keeps_what_it_drops_until_told_or_given_another_batch():
    cell = SimpleRNNCell(8, dropout=0.5, recurrent_dropout=0.5, seed=1)
    x, h = np.ones((2, 6)), [np.ones((2, 8))]
    first, again = (cell(x, h, training=True)[0].numpy() for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert cell(np.ones((3, 6)), [np.ones((3, 8))], training=True)[0].shape == (3, 8)
    cell.reset_dropout_mask()
    cell.reset_recurrent_dropout_mask()
    assert np.abs(cell(x, h, training=True)[0] - first).max() > 1e-3


@pytest.mark.parametrize("cell", [LSTMCell(3), GRUCell(3), SimpleRNNCell(3)], ids=lambda cell: type(cell).__name__)
def test_states_are_computed_with_in_the_dtype_of_the_cell(cell):
    states = [np.ones((2, 3)) for _ in cell.get_initial_state(2)]
    y, new = cell(X[:, 0], states)
    assert {y.dtype.name, *(state.dtype.name for state in new)} == {"float32"}


def test_dropping_everything_leaves_the_biases():
    layer = ready(LSTM(3, dropout=1.0))
    np.testing.assert_allclose(layer(X, training=True), layer(np.zeros(X.shape)), rtol=1e-6)


def test_calls_on_symbols_draw_nothing():
    eagerly_random.set_seed(1)
    layer = GRU(3, dropout=0.5, recurrent_dropout=0.5)
    before = layer.cell.seed_generator.state.numpy().tolist()
    layer(Input((None, 4)), training=True)
    assert layer.cell.seed_generator.state.numpy().tolist() == before
    assert layer.cell._dropout_mask is None and layer.cell._recurrent_dropout_mask is None


# --- states that are kept


@pytest.mark.parametrize("cls", [LSTM, GRU, SimpleRNN])
def test_a_stateful_layer_goes_on_where_it_was(cls):
    kept = spread_weights_of(cls(3, stateful=True, return_sequences=True))
    whole = cls(3, return_sequences=True)
    whole(X)
    whole.set_weights(kept.get_weights())
    halves = [kept(X[:, :2]).numpy(), kept(X[:, 2:]).numpy()]
    np.testing.assert_allclose(np.concatenate(halves, axis=1), whole(X), rtol=1e-5)
    for reset in (kept.reset_state, kept.reset_states):
        reset()
        assert not any(state.numpy().any() for state in kept.states)
        np.testing.assert_array_equal(kept(X[:, :2]), halves[0])


def spread_weights_of(layer):
    ready(layer)
    layer.reset_state()
    return layer


def test_kept_states_are_saved_but_are_no_weights(tmp_path):
    layer = spread_weights_of(LSTM(3, stateful=True))
    layer(X)
    assert len(layer.weights) == 3 and [v.trainable for v in layer.states] == [False, False]
    path = Checkpoint(layer=layer).save(tmp_path / "layer.h5")
    expected = layer(X)
    twin = LSTM(3, stateful=True)
    status = Checkpoint(layer=twin).restore(path)
    np.testing.assert_array_equal(twin(X), expected)
    status.assert_consumed()
    assert np.abs(twin(X) - expected).max() > 1e-4
    Checkpoint(layer=twin).restore(path)
    np.testing.assert_array_equal(twin(X), expected)


def test_stacked_cells_keep_their_states():
    layer = RNN([LSTMCell(3), GRUCell(2)], stateful=True, return_state=True)
    y, first, second = layer(X)
    assert [len(first), len(second)] == [2, 1]
    for kept, state in zip(nest.flatten(layer.states), nest.flatten([first, second]), strict=True):
        np.testing.assert_array_equal(kept, state)
    np.testing.assert_array_equal(y, second[0])


def test_no_gradient_flows_into_the_call_before():
    layer = spread_weights_of(GRU(3, stateful=True))
    first, second = Tensor(X, "float32"), Tensor(X, "float32")
    with GradientTape() as tape:
        tape.watch([first, second])
        layer(first)
        y = layer(second)
    before, now = tape.gradient(y, [first, second])
    assert before is None and now.numpy().any()


def test_a_stateful_layer_wants_its_batch_size():
    layer = LSTM(3, stateful=True, name="memory")
    with pytest.raises(
        ValueError, match=re.escape("LSTM 'memory': expected a fixed batch size for stateful=True, got")
    ):
        layer(Input((5, 4)))
    assert layer.states is None
    layer.reset_state()
    layer(Input(batch_shape=(2, None, 4)))
    assert layer(Input((None, 4))).shape[1:] == (3,)
    assert not np.any([state.numpy() for state in layer.states])
    with pytest.raises(
        ValueError, match=re.escape("LSTM 'memory': expected the batch size 2, with which it was built")
    ):
        layer(np.ones((3, 5, 4)))


# --- masks


@pytest.mark.parametrize("cls", [LSTM, GRU, SimpleRNN])
def test_padding_changes_nothing(cls):
    words = np.array([[1, 2, 3, 0, 0]])
    embedding, layer = Embedding(4, 4, mask_zero=True), cls(3)
    np.testing.assert_allclose(layer(embedding(words)), layer(embedding(words[:, :3])), rtol=1e-6)
    assert np.abs(layer(embedding(words)) - layer(+embedding(words))).max() > 1e-4


def test_masks_are_handed_on_with_sequences_alone():
    x = Embedding(4, 4, mask_zero=True)(np.array([[1, 2, 0]]))
    assert getattr(LSTM(3)(x), "_mask", None) is None
    y, *states = LSTM(3, return_sequences=True, return_state=True)(x)
    assert y._mask.tolist() == [[True, True, False]]
    assert [getattr(state, "_mask", None) for state in states] == [None, None]
    assert SimpleRNN(2, return_sequences=True)(y)._mask is y._mask


def test_outputs_of_skipped_steps():
    layer = ready(SimpleRNN(3, return_sequences=True))
    y = layer(X, mask=MASK).numpy()
    assert not y[1, :2].any()
    np.testing.assert_array_equal(y[0, 2], y[0, 1])
    zeros = SimpleRNN(3, return_sequences=True, zero_output_for_mask=True)
    zeros(X)
    zeros.set_weights(layer.get_weights())
    np.testing.assert_array_equal(zeros(X, mask=MASK), np.where(MASK[..., None], y, 0))


# --- functional models


@pytest.mark.parametrize("cls", [LSTM, GRU, SimpleRNN])
def test_any_number_of_steps_and_rows(cls):
    x = Input((None, 4))
    layer = cls(3, return_sequences=True, return_state=True)
    outputs = layer(x)
    assert outputs[0].shape == (None, None, 3) and outputs[1].shape == (None, 3)
    model = Model(x, list(outputs))
    for shape in ((2, 5, 4), (1, 1, 4), (3, 9, 4)):
        data = np.ones(shape, "float32")
        for y, expected in zip(model(data), layer(data), strict=True):
            np.testing.assert_array_equal(y, expected)


def test_states_lead_from_one_layer_to_another():
    source, target = Input((None, 4)), Input((None, 2))
    encoder, decoder = LSTM(3, return_state=True), LSTM(3, return_sequences=True)
    _, *states = encoder(source)
    model = Model([source, target], decoder(target, initial_state=states))
    other = RNG.uniform(-1, 1, (2, 3, 2)).astype("float32")
    expected = decoder(other, initial_state=list(encoder(X)[1:]))
    np.testing.assert_array_equal(model([X, other]), expected)
    assert np.abs(expected - decoder(other)).max() > 1e-3


def test_training():
    model = Sequential([Embedding(8, 4, mask_zero=True), LSTM(8, return_sequences=True), GRU(4)])
    model.compile("adam", "mse")
    words = RNG.integers(0, 8, (16, 6))
    history = model.fit(words, np.ones((16, 4)) * 0.5, epochs=8, verbose=0).history["loss"]
    assert history[-1] < history[0]


# --- cells of users


class AddsUp(Layer):
    """A cell that adds up, with one state in no list."""

    state_size = 4

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.calls = 0

    def call(self, inputs, states):
        self.calls += 1
        new = states[0] + inputs
        return new * 2.0, new


class Plain:
    """A cell that is no layer, with its own first states."""

    state_size = [2, 4]
    output_size = 4

    def call(self, inputs, states):
        return inputs + states[1], [states[0] + 1.0, states[1]]

    def get_initial_state(self, batch_size=None):
        return [ops.zeros((batch_size, 2)), ops.ones((batch_size, 4))]


def test_a_layer_as_cell():
    x = X.astype("float32")
    y, state = RNN(AddsUp(), return_state=True)(x)
    np.testing.assert_allclose(y, 2 * x.sum(1), rtol=1e-5)
    np.testing.assert_allclose(state, x.sum(1), rtol=1e-5)
    masked = RNN(AddsUp(), return_sequences=True)(x, mask=MASK)
    np.testing.assert_allclose(masked, 2 * np.cumsum(x * MASK[..., None], axis=1), rtol=1e-5)


def test_any_object_as_cell():
    layer = RNN(Plain(), return_sequences=True, return_state=True)
    for data in (X.astype("float32"), np.ones((3, 2, 4), "float32")):
        y, steps, ones = layer(data)
        np.testing.assert_allclose(y, data + 1)
        assert (steps.numpy() == data.shape[1]).all() and (ones.numpy() == 1).all()
    stacked = RNN([Plain(), Plain(), AddsUp()])
    np.testing.assert_allclose(stacked(X.astype("float32")), 2 * (X + 2).sum(1), rtol=1e-5)
    x = Input((None, 4))
    np.testing.assert_array_equal(Model(x, stacked(x))(X), stacked(X))


def test_shapes_ask_a_cell_once():
    cell = AddsUp()
    assert RNN(cell)(Input((100_000, 4))).shape == (None, 4)
    assert cell.calls == 1


def test_steps_may_be_images():
    class Blur(Layer):
        state_size = 3

        def get_initial_state(self, batch_size=None):
            return [ops.zeros((batch_size, 2, 3))]

        def call(self, inputs, states):
            y = inputs + states[0]
            return y, [y]

    x = np.ones((2, 4, 2, 3), "float32")
    assert RNN(Blur(), return_sequences=True)(x, mask=MASK[:, :4]).numpy()[1, :, 0, 0].tolist() == [0, 0, 1, 2]


def test_one_state_needs_no_list():
    layer = ready(GRU(3))
    state = RNG.uniform(-1, 1, (2, 3)).astype("float32")
    np.testing.assert_array_equal(layer(X, initial_state=state), layer(X, initial_state=[state]))
    for cell in (ready_cell(GRUCell(3)), ready_cell(SimpleRNNCell(3))):
        y, new = cell(X[:, 0], state)
        listed, in_list = cell(X[:, 0], [state])
        np.testing.assert_array_equal(y, listed)
        np.testing.assert_array_equal(new, in_list[0])


def ready_cell(cell):
    cell(X[:, 0], cell.get_initial_state(2))
    return spread_weights(cell)


# --- weights and configuration


def test_first_weights():
    cell = LSTMCell(2, bias_initializer="ones", name="cell")
    cell.build((None, 3))
    assert cell.bias.numpy().tolist() == [1] * 8
    cell = LSTMCell(2)
    cell.build((None, 3))
    assert cell.bias.numpy().tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    np.testing.assert_allclose(cell.recurrent_kernel.numpy() @ cell.recurrent_kernel.numpy().T, np.eye(2), atol=1e-6)
    shapes = {True: (2, 6), False: (6,)}
    for reset_after, shape in shapes.items():
        cell = GRUCell(2, reset_after=reset_after)
        cell.build((None, 3))
        assert cell.bias.shape == shape
    assert [w.shape for w in ready(GRU(2, use_bias=False)).weights] == [(4, 6), (2, 6)]


def test_regularizers_and_constraints_reach_the_weights():
    options = {"kernel_regularizer": "l2", "recurrent_constraint": "non_neg", "bias_regularizer": "l1"}
    layer = ready(LSTM(2, activity_regularizer="l2", **options))
    layer(X)
    assert len(layer.losses) == 3
    assert layer.cell.recurrent_kernel.constraint is not None


def test_a_layer_shows_what_its_cell_was_given():
    layer = GRU(3, activation="relu", dropout=0.2, recurrent_dropout=0.1, reset_after=False, use_bias=False)
    assert (layer.units, layer.dropout, layer.recurrent_dropout) == (3, 0.2, 0.1)
    assert (layer.reset_after, layer.use_bias) == (False, False)
    assert layer.activation is layer.cell.activation and layer.recurrent_activation is layer.cell.recurrent_activation
    assert LSTM(3).unit_forget_bias and LSTM(3).state_size == [3, 3] and GRU(3).state_size == [3]


def test_configurations_of_nested_cells():
    layer = RNN([LSTMCell(3), StackedRNNCells([GRUCell(2, implementation=1)])], return_sequences=True)
    twin = RNN.from_config(layer.get_config())
    assert twin.get_config() == layer.get_config() and twin.return_sequences
    assert twin.cell.cells[1].cells[0].implementation == 1
    layer(X)
    twin(X)
    twin.set_weights(layer.get_weights())
    np.testing.assert_array_equal(twin(X), layer(X))


def test_configuration_of_a_cell_of_the_users():
    layer = RNN(AddsUp(name="adds_up"))
    assert layer.get_config()["cell"] == {
        "class_name": "AddsUp",
        "config": {"name": "adds_up", "trainable": True, "dtype": "float32"},
    }
    assert type(RNN.from_config(layer.get_config()).cell) is AddsUp


def test_names_of_classes_that_are_not_known():
    with pytest.raises(ValueError, match=re.escape("Expected the name of a layer class, got 'LSTNCell'. Did you mean")):
        RNN({"class_name": "LSTNCell", "config": {}})

    def cell():
        return type("Doubled", (AddsUp,), {})

    kept = [cell(), cell()]
    with pytest.raises(ValueError, match=f"got 'Doubled'. It is the name of {len(kept)} classes"):
        RNN({"class_name": "Doubled", "config": {}})


# --- refusals


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LSTM(0), "LSTMCell 'lstm_cell': units must be an integer > 0, got 0"),
        (lambda: GRU(2, dropout=1.5), "GRUCell 'gru_cell': dropout must be in [0, 1], got 1.5"),
        (lambda: SimpleRNN(2, recurrent_dropout=-1), "recurrent_dropout must be in [0, 1], got -1"),
        (lambda: LSTM(2, recurrent_initializer="orthogonall"), "recurrent_initializer: Unknown initializer"),
        (lambda: LSTM(2, recurrent_activation="sigmoyd"), "LSTMCell 'lstm_cell': activation: Unknown activation"),
        (
            lambda: LSTM(2, use_cudnn="yes", name="a"),
            "LSTM 'a': use_cudnn must be one of ('auto', True, False), got 'yes'",
        ),
        (lambda: GRUCell(2, implementation=3, name="a"), "GRUCell 'a': implementation must be 1 or 2, got 3"),
        (lambda: StackedRNNCells([], name="a"), "'a': cells must be a list of at least one cell, got []"),
        (
            lambda: StackedRNNCells(LSTMCell(2), name="a"),
            "'a': cells must be a list of at least one cell, got LSTMCell",
        ),
        (lambda: RNN(Layer(), name="a"), "RNN 'a': cell must have 'state_size', as a recurrent cell has, got Layer()"),
        (lambda: RNN("lstm", name="a"), "RNN 'a': cell must have 'call', as a recurrent cell has, got 'lstm'"),
        (lambda: RNN(sized("many"), name="a"), "RNN 'a': cell must have integers as state_size, got 'many'"),
        (lambda: GRU(2, name="a")(np.ones((2, 3))), "GRU 'a': expected [batch, *, *], got float64[2, 3]"),
        (
            lambda: GRU(2, name="a")(np.ones((2, 0, 3))),
            "GRU 'a': expected [batch, steps >= 1, ...], got float32[2, 0, 3]",
        ),
        (lambda: RNN(AddsUp(), name="a")(np.ones((2, 3))), "RNN 'a': expected [batch, steps >= 1, ...], got"),
        (
            lambda: LSTM(2, name="a")(X, initial_state=np.ones((2, 2))),
            "LSTM 'a': expected 2 initial states, of the sizes [2, 2], got [float64[2, 2]]",
        ),
        (lambda: GRU(2, name="a")(X, mask=np.ones(5)), "GRU 'a': expected a mask [batch, steps], got bool[5] for"),
        (lambda: GRU(2)(X, mask=np.ones((2, 4))), "gru: expected mask of shape (2, 5) for x float32[2, 5, 4]"),
        (lambda: ready(GRU(2, name="a"))(X[..., :3]), "GRU 'a': expected [batch, *, 4], got"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


def sized(size):
    return type("Sized", (), {"call": lambda self, x, states: (x, states), "state_size": size})()


def test_cells_called_by_hand_are_checked():
    with pytest.raises(ValueError, match="not enough values to unpack"):
        LSTMCell(2)(X[:, 0], [np.ones((2, 2))])
