"""Layers on the symbols of `Input`: shapes, the user's own shape computations, what runs and what does not."""

import re

import numpy as np
import pytest

from eagerly import ops
from eagerly.context import context
from eagerly.dimensions import BATCH, same
from eagerly.errors import TraceError
from eagerly.layers import BatchNormalization, Concatenate, Conv2D, Dense, Dropout, Embedding, Flatten, Input, Layer
from eagerly.models import Model
from eagerly.tensor import AbstractTensor

X = np.array([[1.0, -2.0], [0.5, 3.0]], np.float32)


def refused(message, kind=ValueError):
    return pytest.raises(kind, match=re.escape(message))


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({"shape": (3, 4)}, (None, 3, 4)),
        ({"shape": 3}, (None, 3)),
        ({"shape": ()}, (None,)),
        ({"shape": (None, 3), "batch_size": 5}, (5, None, 3)),
        ({"batch_shape": (None, 3)}, (None, 3)),
        ({"batch_shape": (2, 3)}, (2, 3)),
    ],
)
def test_input_shapes(options, shape):
    x = Input(**options, name="x", dtype="int32")
    assert (x.shape, x.dtype.name, x.name) == (shape, "int32", "x")


def test_inputs_share_the_batch_and_nothing_else():
    a, b = Input((None,)), Input((None,))
    assert a.dims[0] is b.dims[0] is BATCH and same(a.dims[1], b.dims[1]) is None and same(a.dims[1], BATCH) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "Input: expected either shape or batch_shape, got None and None."),
        ({"shape": (1,), "batch_shape": (1,)}, "Input: expected either shape or batch_shape, got (1,) and (1,)."),
        ({"shape": (-1,)}, "Input: expected integers >= 0 or None as sizes, got (None, -1)."),
        ({"shape": (2.5,)}, "Input: expected integers >= 0 or None as sizes, got (None, 2.5)."),
        ({"shape": (3,), "batch_size": True}, "Input: expected integers >= 0 or None as sizes, got (True, 3)."),
        ({"shape": (3,), "dtype": "flaot32"}, "Did you mean 'float32'?"),
    ],
)
def test_inputs_that_are_refused(options, message):
    with refused(message):
        Input(**options)


@pytest.mark.parametrize("dtype", ["float16", "float64", "float32"])
def test_a_model_casts_as_its_layers_do(dtype):
    x = Input((2,), dtype=dtype)
    dense = Dense(3)
    y = dense(x)
    assert y.dtype == "float32"
    assert Model(x, y)(X.astype(dtype)).tolist() == dense(X.astype(dtype)).tolist()


def test_arrays_beside_symbols():
    constant = np.ones((1, 2))
    x = Input(batch_shape=(1, 2), dtype="float64")
    y = Concatenate(0)([x, constant])
    constant[...] = 5
    assert y.shape == (2, 2) and y.dtype == "float32"
    assert Model(x, y)(X[:1]).tolist() == [[1.0, -2.0], [1.0, 1.0]]


def test_symbols_in_further_arguments():
    class Gate(Layer):
        def call(self, x, gate=None, *, options=None):
            return x * gate + options["shift"][0]

    x, gate, shift = Input((2,)), Input((2,)), Input((2,))
    layer = Gate()
    model = Model([x, gate, shift], layer(x, gate, options={"shift": [shift]}))
    assert model([X, 2 * X, X]).tolist() == (2 * X * X + X).tolist()
    fixed = Model(gate, Gate()(X, gate=gate, options={"shift": [1.0]}))
    assert fixed(X).tolist() == (X * X + 1).tolist()


def test_python_control_flow_needs_values():
    class Branches(Layer):
        def call(self, x):
            return x if ops.sum(x) > 0 else -x

    layer = Branches(name="branches")
    assert layer(X).tolist() == X.tolist() and layer(-X).tolist() == X.tolist()
    with refused("has no value: it stands for data that comes later", TraceError) as raised:
        layer(Input((2,)))
    assert raised.value.__notes__ == ["In Branches 'branches' (branches), called on float32[None, 2]."]
    assert context.is_clean()


class Doubling(Layer):
    """Says its shape without running."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.calls = 0

    def build(self, input_shape):
        self.w = self.add_weight((input_shape[-1],), "ones")

    def call(self, x, flag=False):
        self.calls += 1
        if float(ops.sum(x)) > 0:
            return ops.concatenate([x, x], axis=-1) * 1.0
        return ops.concatenate([x, -x], axis=-1)


class ByShape(Doubling):
    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 2 * input_shape[-1])


class BySpec(Doubling):
    def compute_output_spec(self, x, flag=False):
        assert flag
        return AbstractTensor((x.dims[0], 2 * x.dims[1]), "float16")


def test_ones_own_shape_instead_of_a_run():
    layer = ByShape()
    x = Input((2,))
    y = layer(x)
    assert y.shape == (None, 4) and y.dtype == "float32" and layer.calls == 0 and layer.built
    assert same(y.dims[0], x.dims[0])
    assert Model(x, y)(X).shape == (2, 4) and layer.calls == 1
    assert layer.compute_output_shape((7, 3)) == (7, 6)


def test_ones_own_spec_instead_of_a_run():
    layer = BySpec()
    x = Input((2,))
    y = layer(x, flag=True)
    assert y.shape == (None, 4) and y.dtype == "float16" and layer.calls == 0 and layer.built
    assert Model(x, y)(X).shape == (2, 4)


def test_without_either_the_layer_runs_once():
    class Counting(Layer):
        calls = 0

        def call(self, x):
            self.calls += 1
            return x * 2.0

    layer = Counting()
    x = Input((2,))
    model = Model(x, layer(x))
    assert layer.calls == 1
    model(X)
    assert layer.calls == 2


def test_unknown_sizes_of_a_computed_shape_are_not_the_batch():
    class Unknown(Layer):
        def call(self, x):
            return x

        def compute_output_shape(self, input_shape):
            return [input_shape[0], None, None]

    y = Unknown()(Input((3,)))
    assert y.shape == (None, None, None)
    assert [same(size, BATCH) for size in y.dims] == [True, None, None] and same(y.dims[1], y.dims[2]) is None


def test_computed_shapes_of_several_outputs():
    class Several(Layer):
        def call(self, inputs):
            return inputs

        def compute_output_shape(self, input_shape):
            return {"a": input_shape["a"], "b": [input_shape["b"][0], (None, 7)]}

    y = Several()({"a": Input((2,)), "b": (Input(()),)})
    assert (y["a"].shape, [part.shape for part in y["b"]]) == ((None, 2), [(None,), (None, 7)])


def test_shapes_of_several_inputs():
    assert Concatenate().compute_output_shape([(2, 3), (2, 4)]) == (2, 7)
    assert Concatenate(1).compute_output_shape([(None, 3, 2), (None, None, 2)]) == (None, None, 2)


def test_asking_for_a_shape_builds_nothing():
    class Nested(Layer):
        def __init__(self):
            super().__init__()
            self.inner = [Dense(3), BatchNormalization()]

        def call(self, x, training=None):
            return self.inner[1](self.inner[0](x))

    layer = Nested()
    assert layer.compute_output_shape((None, 4)) == (None, 3)
    assert not layer.built and not layer.inner[0].built and layer.weights == []
    assert layer(X).shape == (2, 3)
    with refused("expected [batch, *, ...]"):
        Dense(3).compute_output_shape((4,))


def test_state_stays_as_it_is():
    norm, dropout = BatchNormalization(), Dropout(0.5, seed=1)
    x = Input((2,))
    y = dropout(norm(x, training=True), training=True)
    assert norm.moving_mean.numpy().tolist() == [0.0, 0.0] and norm.moving_variance.numpy().tolist() == [1.0, 1.0]
    assert dropout.seed_generator.state.numpy()[1] == 0
    model = Model(x, y)
    model(X)
    assert norm.moving_mean.numpy().any() and dropout.seed_generator.state.numpy()[1] == 1


def test_masks_of_symbols():
    x = Input((3,), dtype="int32")
    y = Dense(2)(Embedding(4, 2, mask_zero=True)(x))
    assert y._mask.shape == (None, 3) and y._mask.dtype == "bool"


def test_unknown_space():
    x = Input((None, None, 2))
    y = Conv2D(3, 3, strides=2, padding="same")(x)
    assert y.shape == (None, None, None, 3)
    image = np.random.default_rng(0).normal(size=(2, 5, 7, 2))
    assert Model(x, y)(image).shape == (2, 3, 4, 3)
    flat = Flatten()(x)
    assert flat.shape == (None, None) and Model(x, flat)(image).shape == (2, 70)


def test_shapes_that_cannot_fit():
    message = "Concatenate 'join': expected equal shapes except along axis -1"
    with refused(f"{message}, got [float32[None, 2], float32[3, 2, 2]]."):
        Concatenate(name="join")([Input((2,)), np.zeros((3, 2, 2), np.float32)])
    with refused("Dense 'head': expected [batch, ..., 2], got float32[None, 3]."):
        head = Dense(1, name="head")
        head(X)
        head(Input((3,)))
