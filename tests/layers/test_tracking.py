"""What layers own: weights in Keras's order, inner layers wherever they are kept, freezing, and losses."""

import copy
import pickle
import re

import numpy as np
import pytest

from eagerly import ops
from eagerly.layers import BatchNormalization, Concatenate, Dense, Dropout, Embedding, Input, Layer
from eagerly.models import Model, Sequential
from eagerly.tape import GradientTape
from eagerly.tensor import Tensor
from eagerly.variable import Variable

X = np.array([[1.0, -2.0], [0.5, 3.0]], np.float32)


def refused(message, kind=ValueError):
    return pytest.raises(kind, match=re.escape(message))


class Holder(Layer):
    """Calls every layer it has been given, wherever it keeps it."""

    def call(self, x):
        for layer in self.sublayers():
            x = layer(x)
        return x


def names(variables):
    return [variable.path.rpartition("/")[0].rpartition("/")[2] + "." + variable.name for variable in variables]


# --- tracking


def test_layers_are_found_in_attributes_and_containers():
    holder = Holder()
    holder.late = Dense(2, name="late")
    holder.listed = [Dense(2, name="first"), (Dense(2, name="second"), {"k": Dense(2, name="third")}), 3]
    holder.table = {"b": Dense(2, name="b"), "a": Dense(2, name="a")}
    holder.text, holder.nothing, holder.array = "text", None, np.zeros(2)
    expected = ["late", "first", "second", "third", "b", "a"]
    assert [layer.name for layer in holder.sublayers()] == expected
    holder(X)
    assert names(holder.weights) == [f"{name}.{kind}" for name in expected for kind in ("kernel", "bias")]
    holder.listed.append(Dense(2, name="appended"))
    holder(X)
    assert [layer.name for layer in holder.sublayers()] == [*expected[:4], "appended", *expected[4:]]
    del holder.table
    holder.late = None
    assert len(holder.weights) == 8


def test_ones_own_weights_come_first_and_trained_ones_before_others():
    class Mixed(Layer):
        def __init__(self):
            super().__init__(name="mixed")
            self.inner = Dense(2, name="inner")
            self.norm = BatchNormalization(name="norm")
            self.drop = Dropout(0.5, name="drop")

        def build(self, input_shape):
            self.count = self.add_weight((), "zeros", trainable=False, name="count")
            self.scale = self.add_weight((2,), name="scale")
            self.more = [self.add_weight((2,), name="listed"), Variable(1.0, trainable=False, name="free")]

        def call(self, x, training=None):
            return self.drop(self.norm(self.inner(x * self.scale + self.more[0])))

    layer = Mixed()
    layer(X)
    assert names(layer.weights) == [
        *("mixed.scale", "mixed.listed", "mixed.count", "mixed.free", "inner.kernel", "inner.bias"),
        *("norm.gamma", "norm.beta", "norm.moving_mean", "norm.moving_variance"),
    ]
    trained = ["mixed.scale", "mixed.listed", "inner.kernel", "inner.bias", "norm.gamma", "norm.beta"]
    assert names(layer.trainable_weights) == names(layer.trainable_variables) == trained
    assert [v.name for v in layer.non_trainable_variables] == [
        *("count", "free", "moving_mean", "moving_variance", "seed_generator_state")
    ]
    assert [w.name for w in layer.non_trainable_weights] == ["count", "free", "moving_mean", "moving_variance"]
    assert layer.count_params() == 2 + 2 + 1 + 1 + 6 + 8


def test_shared_layers_and_weights_count_once():
    shared = Dense(2)
    holder = Holder()
    holder.a, holder.b, holder.c = shared, [shared], Sequential([shared])
    holder(X)
    assert len(holder.weights) == 2
    holder.tied = shared.kernel
    assert [w.name for w in holder.weights] == ["kernel", "bias"] and holder.count_params() == 6


def test_layers_that_know_each_other():
    parent, child = Holder(), Dense(2)
    parent.child, child.parent = child, parent
    child(X)
    assert [w.name for w in parent.weights] == [w.name for w in child.weights] == ["kernel", "bias"]
    parent.trainable = False
    assert child.trainable_weights == []


def test_copies_of_nested_layers_share_among_themselves():
    shared = Dense(2, kernel_regularizer="l2")
    holder = Holder()
    holder.a, holder.b = shared, {"k": shared}
    holder(X)
    twin = copy.deepcopy(holder)
    assert twin.a is twin.b["k"] and twin.a is not shared
    assert twin(X).tolist() == holder(X).tolist() and len(twin.losses) == 1


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))], ids=["copy", "pickle"])
def test_duplicates_of_a_frozen_weight_can_be_trained_again(duplicate):
    layer = Dense(2, kernel_regularizer="l2", kernel_constraint="non_neg")
    layer(X)
    layer.trainable = False
    holder = Layer()
    holder.w = duplicate(layer.kernel)
    assert holder.w.path == layer.kernel.path and not holder.w.trainable
    assert [repr(f) for f in (holder.w.regularizer, holder.w.constraint)] == ["L2()", "NonNeg()"]
    holder.trainable = True
    assert holder.w.trainable and holder.trainable_weights[0] is holder.w


# --- freezing


def test_freezing_reaches_every_layer_and_comes_back():
    inner = Sequential([Dense(2), BatchNormalization()])
    outer = Holder()
    outer.stack = [inner, {"k": Dense(2)}]
    outer(X)
    every = names(outer.trainable_weights)
    outer.trainable = False
    assert not any(layer.trainable for layer in (inner, *inner.layers, outer.stack[1]["k"]))
    assert outer.trainable_weights == inner.trainable_weights == []
    assert len(outer.non_trainable_weights) == len(outer.weights)
    inner.trainable = True
    assert outer.trainable_weights == [] and len(inner.trainable_weights) == 4
    outer.trainable = True
    assert names(outer.trainable_weights) == every


def test_a_layer_frozen_before_it_is_built():
    for frozen in (Dense(2, trainable=False), Dense(2)):
        frozen.trainable = False
        frozen(X)
        assert frozen.trainable_weights == [] and [w.trainable for w in frozen.weights] == [False, False]
        frozen.trainable = True
        assert len(frozen.trainable_weights) == 2


def test_one_weight_can_be_frozen():
    dense = Dense(2)
    dense(X)
    dense.bias.trainable = False
    assert dense.trainable_weights[0] is dense.kernel and len(dense.trainable_weights) == 1
    assert dense.non_trainable_weights[0] is dense.bias


def test_frozen_weights_get_no_gradients_and_others_do():
    first, second = Dense(2), Dense(1)
    model = Sequential([first, second])
    model(X)
    first.trainable = False
    with GradientTape() as tape:
        y = ops.sum(model(X))
    gradients = tape.gradient(y, model.weights)
    assert [g is None for g in gradients] == [True, True, False, False]


# --- losses


class Penalty(Layer):
    """Adds terms of its own."""

    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x):
        self.add_loss(ops.sum(x) * self.factor)
        return x


def values(losses):
    return [round(float(loss), 4) for loss in losses]


# Every rule about `losses` is Keras 3's; the values were read off it.


def test_losses_are_those_of_the_last_call():
    layer = Penalty(2.0)
    assert layer.losses == []
    layer(X)
    layer(X[:1])
    assert values(layer.losses) == [-2.0]
    layer(X)
    assert values(layer.losses) == [5.0]


def test_losses_reach_every_enclosing_layer():
    first, second = Penalty(1.0), Penalty(10.0)
    inner = Sequential([first, second])
    outer = Holder()
    outer.inner = inner
    outer(X)
    assert values(outer.losses) == values(inner.losses) == [2.5, 25.0]
    assert values(first.losses) == [2.5] and values(second.losses) == [25.0]
    inner(X[:1])
    assert values(inner.losses) == values(outer.losses) == [-1.0, -10.0]


def test_losses_of_layers_called_by_themselves():
    first, second = Penalty(1.0), Penalty(10.0)
    holder = Holder()
    holder.both = [first, second]
    first(X)
    assert values(holder.losses) == [2.5]
    second(X)
    assert values(holder.losses) == [2.5, 25.0]
    first(X[:1])
    assert values(holder.losses) == [-1.0, 25.0]


def test_a_layer_left_out_of_a_call_adds_nothing():
    class Choice(Holder):
        def call(self, x, second=True):
            x = self.both[0](x)
            return self.both[1](x) if second else x

    holder = Choice()
    holder.both = [Penalty(1.0), Penalty(10.0)]
    holder(X)
    assert values(holder.losses) == [2.5, 25.0]
    holder(X[:1], second=False)
    assert values(holder.losses) == [-1.0]


def test_a_layer_called_twice_adds_twice():
    layer = Penalty(1.0)

    class Twice(Layer):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def call(self, x):
            return self.layer(self.layer(x) + 1.0)

    twice = Twice()
    twice(X)
    assert values(twice.losses) == values(layer.losses) == [2.5, 6.5]


def test_regularizers_of_trained_weights():
    stack = Sequential(
        [
            Dense(2, None, True, "ones", "ones", kernel_regularizer="l2", bias_regularizer="l1"),
            Embedding(3, 2, embeddings_initializer="ones", embeddings_regularizer="l1"),
            Penalty(1.0),
        ]
    )
    stack.layers[0](X)
    assert values(stack.losses) == [0.04, 0.02]
    stack.layers[1](np.array([1]))
    stack.layers[2](X)
    assert values(stack.losses) == [2.5, 0.04, 0.02, 0.06]
    stack.layers[1].trainable = False
    assert values(stack.losses) == [2.5, 0.04, 0.02]
    stack.layers[0].kernel.assign(np.zeros((2, 2)))
    assert values(stack.losses) == [2.5, 0.0, 0.02]


def test_activity_regularizers():
    # Keras 3 gives 0.18: the sum over the batch, not its mean.
    dense = Dense(2, activity_regularizer="l2", kernel_initializer="ones")
    dense(np.ones((1, 3)))
    dense(np.ones((1, 3)))
    assert values(dense.losses) == [0.18]

    class Two(Layer):
        def call(self, x):
            return x, {"k": [x * 2.0, None]}

    layer = Two(activity_regularizer="l1")
    layer(np.ones((1, 2)))
    assert values(layer.losses) == [0.02, 0.04]


def test_gradients_of_losses():
    dense = Dense(1, kernel_regularizer="l2", activity_regularizer="l1", kernel_initializer="ones", use_bias=False)
    with GradientTape() as tape:
        dense(np.ones((1, 2)))
        total = sum(dense.losses, start=ops.zeros(()))
    np.testing.assert_allclose(tape.gradient(total, dense.kernel), [[0.03], [0.03]], rtol=1e-5)


def test_symbols_leave_no_losses():
    layers = [Dense(2, activity_regularizer="l2"), Penalty(1.0)]
    x = Input((2,))
    model = Model(x, layers[1](layers[0](x)))
    assert model.losses == layers[0].losses == layers[1].losses == []
    model(X)
    assert len(model.losses) == 2 and all(type(loss) is Tensor for loss in model.losses)


def test_losses_are_scalars():
    class Wide(Layer):
        def call(self, x):
            self.add_loss([ops.sum(x), x])
            return x

    layer = Wide(name="wide")
    with refused("Wide 'wide': expected a scalar loss, got float32[2, 2]. Reduce it first."):
        layer(X)
    assert layer.losses == []


def test_add_loss_outside_of_a_call():
    layer = Concatenate()
    layer.add_loss(3)
    assert values(layer.losses) == [3.0]
