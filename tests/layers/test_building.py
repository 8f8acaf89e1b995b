"""How layers come to be: names, constructor errors, lazy building, and first calls that fail."""

import re
import threading

import numpy as np
import pytest

import eagerly.layers.base as base
from eagerly import initializers, ops
from eagerly.checkpoint import Checkpoint
from eagerly.context import context
from eagerly.layers import BatchNormalization, Concatenate, Conv2D, Dense, Dropout, Input, Layer
from eagerly.models import Sequential
from eagerly.tape import GradientTape
from eagerly.tensor import Tensor
from eagerly.variable import Variable

X = np.array([[1.0, -2.0], [0.5, 3.0]], np.float32)


def refused(message, kind=ValueError):
    return pytest.raises(kind, match=re.escape(message))


class Scale(Layer):
    """A weight for each feature."""

    def build(self, input_shape):
        self.scale = self.add_weight((input_shape[-1],), "ones", name="scale")

    def call(self, inputs):
        return inputs * self.scale


class Failing(Layer):
    """Calls what it is given, then fails as long as it is told to."""

    def __init__(self, *inner, **kwargs):
        super().__init__(**kwargs)
        self.inner = list(inner)
        self.fail = True

    def call(self, x):
        for layer in self.inner:
            x = layer(x)
        if self.fail:
            raise RuntimeError("not yet")
        return x


# --- names


def test_names_count_up_in_the_process(monkeypatch):
    monkeypatch.setattr(base, "_display_names", {})
    assert [Dense(1).name for _ in range(3)] == ["dense", "dense_1", "dense_2"]
    assert [Conv2D(1, 1).name, BatchNormalization().name, Scale().name] == ["conv2d", "batch_normalization", "scale"]
    assert Dense(1, name="head").name == "head"
    assert Dense(1).name == "dense_3"


@pytest.mark.parametrize("name", ["a/b", "", 3, "/"])
def test_names_that_are_refused(name):
    with refused(f"Dense: expected a name without '/', got {name!r}."):
        Dense(1, name=name)


def test_a_given_name_is_told_from_an_automatic_one():
    assert Dense(1, name="head").given_name == "head"
    assert Dense(1).given_name is None


def test_the_path_names_the_layers_being_called():
    paths = []

    class Inner(Layer):
        def build(self, input_shape):
            self.w = self.add_weight((), name="w", initializer="ones")

        def call(self, x):
            paths.append(self.path)
            return x * self.w

    class Outer(Layer):
        def __init__(self, inner, **kwargs):
            super().__init__(**kwargs)
            self.inner = inner

        def call(self, x):
            return self.inner(x)

    inner = Inner(name="inner")
    model = Outer(Outer(inner, name="middle"), name="outer")
    model(X)
    inner(X)
    assert paths == ["outer/middle/inner", "inner"]
    assert inner.w.path == "outer/middle/inner/w"


# --- constructors


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dense(3, actvation="relu"), "Dense: unknown argument actvation='relu'. Did you mean 'activation'?"),
        (lambda: Dense(3, dtipe="float64"), "Dense: unknown argument dtipe='float64'. Did you mean 'dtype'?"),
        (lambda: Scale(zzz=1), "Scale: unknown argument zzz=1."),
        (lambda: Scale(kwarg=1), "Scale: unknown argument kwarg=1."),
        (lambda: Scale(dtype="floot32"), "got 'floot32'. Did you mean 'float32'?"),
        (lambda: Scale(activity_regularizer="l9"), "Unknown regularizer: 'l9'."),
        (lambda: Dense(3, activation="rellu"), "Unknown activation: 'rellu'. Did you mean 'relu'?"),
    ],
)
def test_arguments_that_are_refused(make, message):
    with refused(message) as raised:
        make()
    assert "kwargs" not in str(raised.value)


def test_a_forgotten_super_is_named():
    class Forgetful(Layer):
        def __init__(self):
            self.inner = Dense(3)

        def call(self, x):
            return self.inner(x)

    class Eager(Layer):
        def __init__(self):
            self.w = self.add_weight((1,))

    message = "expected super().__init__() to be called in __init__, which it is not."
    with refused(f"Forgetful: {message}", RuntimeError):
        Forgetful()(X)
    with refused(f"Eager: {message}", RuntimeError):
        Eager()


def test_attributes_set_before_super_are_kept():
    class Early(Layer):
        def __init__(self):
            self.inner = Dense(3)
            super().__init__()

        def call(self, x):
            return self.inner(x)

    layer = Early()
    assert layer(X).shape == (2, 3) and len(layer.weights) == 2


def test_a_layer_without_call():
    with refused("Layer 'bare': expected a call() method, which it lacks.", NotImplementedError):
        Layer(name="bare")(X)


# --- weights


def test_add_weight_options():
    layer = Layer(name="owner", dtype="float64")
    layer.a = layer.add_weight((2, 3), regularizer="l2", constraint="non_neg", name="a")
    layer.b = layer.add_weight(4, "ones", dtype="int32", trainable=False)
    layer.c = layer.add_weight(name="c")
    layer.d = layer.add_weight((2,), dtype="int32", trainable=False)
    layer.e = layer.add_weight((2,), initializers.Constant(3.0))
    assert [(w.shape, w.dtype.name, w.trainable) for w in layer.weights] == [
        ((2, 3), "float64", True),
        ((), "float64", True),
        ((2,), "float64", True),
        ((4,), "int32", False),
        ((2,), "int32", False),
    ]
    assert layer.b.numpy().tolist() == [1] * 4 and layer.d.numpy().tolist() == [0, 0]
    assert layer.e.numpy().tolist() == [3.0, 3.0]
    assert layer.a.path == "owner/a" and layer.b.path == "owner/variable"
    assert layer.a.regularizer is not None and layer.a.constraint is not None and layer.c.constraint is None


@pytest.mark.parametrize("shape", [(None, 3), (2, -1), (1.5,), ("3",)])
def test_weights_need_sizes(shape):
    message = f"Layer 'owner': expected integers >= 0 as shape of the weight 'w', got {shape}."
    with refused(message):
        Layer(name="owner").add_weight(shape, name="w")


def test_an_unknown_channel_cannot_build_a_layer():
    dense = Dense(3, name="head")
    with refused("Dense 'head': expected integers >= 0 as shape of the weight 'kernel', got (None, 3)."):
        dense(Input((None,)))
    assert not dense.built and dense(X).shape == (2, 3)


# --- building


def test_weights_appear_at_the_first_call():
    layer = Scale()
    assert not layer.built and layer.weights == [] and layer.built_shapes is None
    layer(X)
    first = layer.scale
    assert layer.built and layer.built_shapes == {"input_shape": (2, 2)}
    layer(X[:1])
    assert layer.scale is first and layer.built_shapes == {"input_shape": (2, 2)}


def test_building_by_hand():
    layer = Dense(3)
    layer.build((None, 4))
    assert layer.built and layer.kernel.shape == (4, 3) and layer.built_shapes == {"input_shape": (None, 4)}
    with refused("expected [batch, ..., 4], got float32[2, 2]. It was built for inputs of shape (None, 4)."):
        layer(X)


def test_building_is_seen_by_no_tape():
    class Computed(Layer):
        def build(self, input_shape):
            self.w = self.add_weight((2,), "ones", name="w")
            self.start = self.w * 2.0

        def call(self, x):
            return x * self.w

    layer = Computed()
    with GradientTape(persistent=True) as tape:
        y = layer(X)
    assert tape.gradient(y, layer.w).tolist() == [1.5, 1.0]
    assert tape.gradient(layer.start, layer.w) is None


def test_a_build_that_calls_its_parents_is_one_build(tmp_path):
    class Extended(Dense):
        def build(self, input_shape):
            super().build(input_shape)
            assert not self.built
            self.extra = self.add_weight((self.units,), "random_normal", name="extra")

        def call(self, inputs):
            return super().call(inputs) + self.extra

    layer = Extended(3)
    expected = layer(X)
    path = Checkpoint(layer=layer).save(tmp_path / "a.h5")
    twin = Extended(3)
    Checkpoint(layer=twin).restore(path)
    assert twin(X).tolist() == expected.tolist()
    assert [w.name for w in twin.weights] == ["kernel", "bias", "extra"]


def test_a_build_from_beside_layer_builds_once():
    class Mixin:
        def build(self, input_shape):
            self.builds = getattr(self, "builds", 0) + 1

    class Mixed(Mixin, Layer):
        def call(self, x):
            return x

    layer = Mixed()
    layer(X)
    layer(X)
    assert layer.built and layer.builds == 1


class Shapes(Layer):
    """Keeps what build was given."""

    def call(self, query, value, key=None, scale=1.0):
        return query

    def build(self, query_shape, value_shape, key_shape=None):
        self.shapes = (query_shape, value_shape, key_shape)


def test_build_takes_a_shape_for_each_tensor_argument():
    layer = Shapes()
    layer(X, np.zeros((3, 1)), scale=2.0)
    assert layer.shapes == ((2, 2), (3, 1), None)
    assert layer.built_shapes == {"query_shape": (2, 2), "value_shape": (3, 1)}
    layer = Shapes()
    layer(query=X, key=Tensor([1.0]), value=Variable([[1.0]]))
    assert layer.shapes == ((2, 2), (1, 1), (1,))


def test_a_shape_without_its_tensor_is_refused():
    message = (
        "Shapes 'cross': expected call() to get a tensor for each shape that build() takes, `x` for `x_shape`; "
        "got none for value_shape among the arguments query, value."
    )
    with refused(message):
        Shapes(name="cross")(X, None)


def test_a_build_of_one_argument_gets_the_first_shape_whatever_its_name():
    class One(Layer):
        def build(self, anything):
            self.seen = anything

        def call(self, a, b=None):
            return a

    layer = One()
    layer(X, np.zeros(7))
    assert layer.seen == (2, 2)
    layer = One()
    layer({"b": X, "a": [X[:1], (np.zeros((1, 1, 3)),)]})
    assert layer.seen == {"b": (2, 2), "a": [(1, 2), ((1, 1, 3),)]}


def test_a_build_without_arguments():
    class Constant(Layer):
        def build(self):
            self.w = self.add_weight((), "ones")

        def call(self, x):
            return x + self.w

    layer = Constant()
    assert layer(X).tolist() == (X + 1).tolist() and layer.built_shapes == {}


def test_errors_in_build_say_whose():
    class Bad(Layer):
        def build(self, input_shape):
            raise KeyError("oops")

    outer = Failing(Bad(name="bad"), name="outer")
    with pytest.raises(KeyError) as raised:
        outer(X)
    assert raised.value.__notes__ == [
        "In the build of Bad 'bad' (outer/bad).",
        "In Failing 'outer' (outer), called on float32[2, 2].",
    ]


# --- first calls that fail


def test_a_failed_first_call_changes_nothing():
    norm = BatchNormalization()
    norm(X)
    outer = Failing(Dense(3), Sequential([Dense(2), Failing(norm, Dropout(0.5, seed=1))]))
    outer.inner[1].layers[1].fail = False
    dropout = outer.inner[1].layers[1].inner[1]
    before = [v.numpy().tobytes() for v in outer.variables]
    with refused("not yet", RuntimeError):
        outer(X, training=True)
    inside = [outer, *outer.inner, *outer.inner[1].layers, dropout]
    assert [layer.built for layer in inside] == [False] * len(inside)
    assert [v.numpy().tobytes() for v in outer.variables] == before
    assert norm.built and norm.moving_mean.numpy().tolist() == [0.0, 0.0]
    assert context.is_clean()
    outer.fail = False
    assert outer(np.zeros((4, 7)), training=True).shape == (4, 2)
    assert all(layer.built for layer in inside) and outer.inner[0].kernel.shape == (7, 3)


def test_what_a_failed_build_has_made_is_gone():
    class Blocks(Layer):
        def __init__(self):
            super().__init__()
            self.blocks = []
            self.table = {"a": [1]}
            self.pair = ([], 1)

        def build(self, input_shape):
            self.head = Dense(1)
            self.head.build(input_shape)
            self.blocks.append(Dense(2))
            self.table["a"].append(2)
            self.table["b"] = Dense(3)
            self.pair[0].append(3)
            self.w = self.add_weight((1,))

        def call(self, x):
            self.add_loss(ops.sum(x))
            raise RuntimeError("not yet")

    layer = Blocks()
    blocks, attributes = layer.blocks, set(vars(layer))
    with refused("not yet", RuntimeError):
        layer(X)
    assert set(vars(layer)) == attributes and layer.blocks is blocks
    assert (layer.blocks, layer.table, layer.pair) == ([], {"a": [1]}, ([], 1))
    assert layer.losses == [] and layer.weights == []


def test_a_layer_built_inside_another_build_is_unbuilt_with_it():
    class Wrapper(Layer):
        def __init__(self):
            super().__init__()
            self.inner = Dense(2)

        def build(self, input_shape):
            self.inner.build(input_shape)
            raise RuntimeError("not yet")

    layer = Wrapper()
    with refused("not yet", RuntimeError):
        layer(X)
    assert not layer.inner.built and layer.weights == []
    with refused("not yet", RuntimeError):
        layer.build((2, 2))
    assert not layer.inner.built and layer.weights == [] and not layer.built


def test_a_failure_that_the_user_catches_undoes_the_inner_layer_alone():
    class Either(Layer):
        def __init__(self):
            super().__init__()
            self.first, self.second = Failing(Dense(2)), Dense(3)

        def call(self, x):
            try:
                return self.first(x)
            except RuntimeError:
                return self.second(x)

    layer = Either()
    assert layer(X).shape == (2, 3)
    assert layer.built and layer.second.built and not layer.first.built and not layer.first.inner[0].built
    assert len(layer.weights) == 2
    layer.first.fail = False
    assert layer(X).shape == (2, 2)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_interrupts_undo_too(stop):
    class Stops(Layer):
        def build(self, input_shape):
            self.w = self.add_weight((1,))

        def call(self, x):
            raise stop

    layer = Stops()
    with pytest.raises(stop):
        layer(X)
    assert not layer.built and not hasattr(layer, "w") and context.is_clean()


def test_a_failed_call_on_wrong_data_leaves_the_layer_free():
    for layer, wrong, right in (
        (Dense(3), np.zeros(3), X),
        (Conv2D(2, 3, groups=2), np.zeros((1, 4, 4, 3)), np.zeros((1, 4, 4, 2))),
        (Concatenate(), X, [X, X]),
        (BatchNormalization(axis=3), X, np.zeros((1, 2, 2, 3))),
    ):
        with pytest.raises(ValueError, match=type(layer).__name__):
            layer(wrong)
        assert not layer.built and layer.weights == []
        layer(right)
        assert layer.built


def test_a_failed_symbolic_first_call():
    class Branches(Layer):
        def __init__(self):
            super().__init__()
            self.inner = Dense(2)

        def call(self, x):
            y = self.inner(x)
            return y if ops.sum(x) > 0 else -y

    layer = Branches()
    with refused("has no value", TypeError):
        layer(Input((2,)))
    assert not layer.built and not layer.inner.built and context.is_clean()
    assert layer(X).shape == (2, 2)


def test_threads_build_their_own_layers():
    results, start = {}, threading.Barrier(4)

    def work(number):
        start.wait()
        layer = Failing(Dense(2), name=f"thread{number}")
        try:
            layer(X, training=bool(number % 2))
        except RuntimeError as error:
            results[number] = (layer.inner[0].built, error.__notes__, context.is_clean())

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(4):
        note = f"In Failing 'thread{i}' (thread{i}), called on float32[2, 2]."
        assert results[i] == (False, [note], True)
