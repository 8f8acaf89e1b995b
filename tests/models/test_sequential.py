"""Sequential: a stack that is built at once if it knows its input, else by the first data."""

import numpy as np
import pytest

from eagerly import Input, Layer, Model, Sequential, ops
from eagerly.checkpoint import Checkpoint
from eagerly.errors import RestoreError
from eagerly.layers import Dense, Dropout, Flatten
from tiny import X, same_bits


def test_with_and_without_input():
    known, unknown = Sequential([Input((4,)), Dense(3), Dense(2)]), Sequential([Dense(3), Dense(2)])
    assert known.built and len(known.weights) == 4
    assert not unknown.built and unknown.weights == []
    assert known(X).shape == unknown(X).shape == (10, 2)
    assert unknown.built and len(unknown.weights) == 4


def test_add_and_pop():
    model = Sequential(name="stack")
    for layer in (Input((4,)), Dense(3), Dense(2)):
        model.add(layer)
    assert model.built and model(X).shape == (10, 2)
    last = model.pop()
    assert isinstance(last, Dense) and model(X).shape == (10, 3) and len(model.weights) == 2
    model.add(Dense(5))
    assert model.built and model(X).shape == (10, 5)


def test_a_layer_added_to_a_stack_that_ran():
    model = Sequential([Dense(3)])
    model(X)
    model.add(Dense(2))
    assert not model.built
    assert model(X).shape == (10, 2) and model.built


def test_build_with_a_shape():
    model = Sequential([Dense(3), Flatten(), Dense(2)])
    model.build((None, 5, 4))
    assert model.built and [w.shape for w in model.weights] == [(4, 3), (3,), (15, 2), (2,)]


def test_nested_stacks_share_and_train():
    inner = Sequential([Dense(3, activation="tanh")])
    model = Sequential([inner, Sequential([Dropout(0.5), Dense(1)])])
    model.compile("sgd", "mse")
    model.fit(X, X[:, :1], verbose=0)
    assert len(model.weights) == 4 and model.layers[0] is inner


def test_the_first_axis_of_size_1_and_the_dtype_follow_the_input():
    model = Sequential([Input((1,)), Dense(2)])
    assert same_bits(model(np.arange(3)), model(np.arange(3.0)[:, None]))
    with pytest.raises(ValueError, match=r"expected \[batch, 1\], got float32\[10, 4\]"):
        model(X)


def test_errors():
    model = Sequential([Dense(1, name="a")], name="stack")
    with pytest.raises(ValueError, match="Sequential 'stack': expected a layer, got 3"):
        model.add(3)
    with pytest.raises(ValueError, match="Sequential 'stack': expected Input first and once"):
        model.add(Input((4,)))
    with pytest.raises(ValueError, match="is in the stack already"):
        model.add(model.layers[0])
    with pytest.raises(ValueError, match="got 'a' twice"):
        model.add(Dense(2, name="a"))
    assert len(model.layers) == 1
    with pytest.raises(ValueError, match="Input first and once"):
        Sequential([Input((4,)), Input((4,))])
    with pytest.raises(ValueError, match="Sequential 'empty': there is no layer to take off"):
        Sequential(name="empty").pop()


def test_a_layer_that_does_not_fit_is_not_added():
    model = Sequential([Input((4,)), Dense(3)])

    class Wrong(Layer):
        def call(self, inputs):
            return ops.reshape(inputs, (5, 7, -2))

    with pytest.raises((ValueError, TypeError)):
        model.add(Wrong())
    assert len(model.layers) == 1 and model.built and model(X).shape == (10, 3)


def test_a_failed_first_call_leaves_it_unbuilt():
    model = Sequential([Dense(3), Dense(2)])
    with pytest.raises(ValueError, match="Dense"):
        model(np.zeros(4))
    assert not model.built and model.weights == []
    assert model(X).shape == (10, 2)


@pytest.mark.parametrize("built_when_restored", [True, False])
def test_checkpoints(tmp_path, built_when_restored):
    made, other = Sequential([Dense(3), Dense(2)]), Sequential([Dense(3), Dense(2)])
    expected = made(X).numpy()
    path = Checkpoint(model=made).save(tmp_path / "m.h5")
    if built_when_restored:
        other(X)
    status = Checkpoint(model=other).restore(path)
    assert len(status.pending) == (0 if built_when_restored else 4)
    assert same_bits(other(X), expected)
    status.assert_consumed()


def test_an_unbuilt_one_saved_has_no_weights(tmp_path):
    path = Checkpoint(model=Sequential([Dense(3)])).save(tmp_path / "m.h5")
    built = Sequential([Dense(3)])
    built(X)
    with pytest.raises(RestoreError, match="model/layers/dense_0/kernel"):
        Checkpoint(model=built).restore(path)


def test_restored_values_survive_a_first_call_that_fails(tmp_path):
    class Picky(Layer):
        patient = False

        def call(self, inputs):
            if not Picky.patient:
                raise RuntimeError("not now")
            return inputs

    Picky.patient = True
    made, other = Sequential([Dense(2), Picky()]), Sequential([Dense(2), Picky()])
    expected = made(X).numpy()
    path = Checkpoint(model=made).save(tmp_path / "m.h5")
    status = Checkpoint(model=other).restore(path)
    Picky.patient = False
    with pytest.raises(RuntimeError, match="not now"):
        other(X)
    assert len(status.pending) == 2
    Picky.patient = True
    assert same_bits(other(X), expected)


def test_a_stack_in_a_functional_model():
    stack = Sequential([Dense(3), Dense(2)])
    x = Input((4,))
    model = Model(x, stack(x))
    assert stack.built and same_bits(model(X), stack(X))


def test_config_lists_the_layers():
    config = Sequential([Dense(3), Dense(2)], name="s").get_config()
    assert config["name"] == "s" and [layer["class_name"] for layer in config["layers"]] == ["Dense", "Dense"]


def test_where_a_stack_with_an_input_begins_and_ends():
    symbol = Input((4,))
    model = Sequential([symbol, Dense(3, name="feature"), Dense(2, name="head")])
    assert model.inputs == [symbol] and model.input_shape == (None, 4) and model.output_shape == (None, 2)
    assert model.output_names == ["head"]
    features = Model(model.inputs, model.get_layer("feature").output)
    assert np.array_equal(features(X), model.layers[0](X))
    model.pop()
    assert model.output_shape == (None, 3)
    assert Sequential([Dense(3)]).inputs is None


def test_one_array_in_a_list_is_the_input():
    model = Sequential([Dense(2)])
    assert np.array_equal(model([X]), model(X))
