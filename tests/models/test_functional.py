"""The functional API: a model is the calls between its inputs and outputs, whatever their structure."""

import copy
import re
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eagerly import Input, Model, Sequential, ops
from eagerly.checkpoint import Checkpoint
from eagerly.checkpoint.graph import walk
from eagerly.layers import BatchNormalization, Dense, Dropout, Flatten, Layer
from eagerly.variable import Variable
from tiny import X, functional, same_bits


class Scale(Layer):
    """Takes a second tensor and an option."""

    def call(self, inputs, factor, offset=0.0, more=None):
        y = inputs * factor + offset
        return y if more is None else y + more["a"][0]


class Halves(Layer):
    def call(self, inputs):
        return {"low": inputs[:, :2], "high": [inputs[:, 2:]]}


def test_equals_the_layers_called_by_hand_bit_for_bit():
    x = Input((4,))
    a, b = Dense(3, activation="relu"), Dense(2)
    model = Model(x, b(a(x)))
    for rows in (1, 3, 10):
        assert same_bits(model(X[:rows]), b(a(X[:rows])))
    assert same_bits(model(X), model(X))


def test_nested_inputs_and_outputs():
    inputs = {"left": [Input((4,)), Input((2,))], "right": Input((4,))}
    total = inputs["left"][0] + inputs["right"]
    model = Model(inputs, {"sum": total, "parts": (inputs["left"][1] * 2, [total[:, :1]])})
    data = {"left": [X, X[:, :2]], "right": X}
    made = model(data)
    assert list(made) == ["sum", "parts"] and isinstance(made["parts"], tuple) and isinstance(made["parts"][1], list)
    assert np.array_equal(made["sum"], X + X) and np.array_equal(made["parts"][0], X[:, :2] * 2)
    assert np.array_equal(made["parts"][1][0], (X + X)[:, :1])
    assert model.input_shape == {"left": [(None, 4), (None, 2)], "right": (None, 4)}
    assert model.output_shape == {"sum": (None, 4), "parts": ((None, 2), [(None, 1)])}
    assert len(model.inputs) == len(model.outputs) == 3


def test_inputs_by_structure_position_and_name():
    a, b = Input((4,), name="a"), Input((2,), name="b")
    model = Model([a, b], ops.concatenate([a, b], axis=-1))
    expected = np.concatenate([X, X[:, :2]], axis=-1)
    for data in ([X, X[:, :2]], (X, X[:, :2]), {"a": X, "b": X[:, :2]}, {"b": X[:, :2], "a": X}):
        assert np.array_equal(model(data), expected)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"a": X}, r"expected a value for each of the inputs \['a', 'b'\], got {'a': float32\[10, 4\]}"),
        ([X], r"expected 2 inputs, got 1: \[float32\[10, 4\]\]"),
        ([X, X, X], "expected 2 inputs, got 3"),
        ([X, X], r"expected \[batch, 2\] for the input 'b', got float32\[10, 4\]"),
        ([X[0], X[:, :2]], r"expected \[batch, 4\] for the input 'a', got float32\[4\]"),
    ],
)
def test_data_that_do_not_fit_the_inputs(data, message):
    a, b = Input((4,), name="a"), Input((2,), name="b")
    model = Model([a, b], a[:, :2] + b, name="m")
    with pytest.raises(ValueError, match="Model 'm': " + message):
        model(data)


def test_a_dictionary_for_a_dictionary_has_its_keys():
    inputs = {"x": Input((4,)), "y": Input((4,))}
    model = Model(inputs, inputs["x"] - inputs["y"])
    with pytest.raises(ValueError, match=r"expected the inputs \['x', 'y'\], got {'x': float32"):
        model({"x": X, "z": X})


def test_a_missing_last_axis_of_size_1_is_put_in_and_one_too_many_taken_off():
    x = Input((1,))
    assert Model(x, x * 2)(np.arange(3.0)).shape == (3, 1)
    x = Input(())
    assert Model(x, x * 2)(np.ones((3, 1))).shape == (3,)
    x = Input((2,))
    with pytest.raises(ValueError, match=r"expected \[batch, 2\], got float64\[3\]"):
        Model(x, x)(np.arange(3.0))


def test_data_are_cast_to_the_dtype_of_the_input():
    x, n = Input((4,)), Input((4,), dtype="int32")
    model = Model([x, n], [x, n + 1])
    for data in (X.astype("float64"), np.ones((2, 4), "int64"), np.ones((2, 4), bool), np.ones((2, 4), "uint8")):
        y, m = model([data, data])
        assert y.dtype == "float32" and m.dtype == "int32"
        assert np.array_equal(y, data.astype("float32")) and np.array_equal(m, data.astype("int32") + 1)


OPERATORS = {
    "add": lambda x, a: x + a,
    "radd": lambda x, a: a + x,
    "sub": lambda x, a: x - a,
    "rsub": lambda x, a: a - x,
    "mul": lambda x, a: a * x,
    "div": lambda x, a: x / (a + 3),
    "rdiv": lambda x, a: a / (x + 3),
    "floordiv": lambda x, a: (a + 1) // (x + 3),
    "mod": lambda x, a: x % (a + 3),
    "pow": lambda x, a: (x + 3) ** a,
    "rpow": lambda x, a: (a + 3) ** x,
    "matmul": lambda x, a: x @ np.ones((4, 2), "float32"),
    "rmatmul": lambda x, a: np.ones((3, 2, 1), "float32") @ x[:3, None, :],
    "neg": lambda x, a: -x + abs(x),
    "compare": lambda x, a: ops.where((x > a) | (a >= x), x, a),
    "slice": lambda x, a: x[:, 1:3] * x[..., :1],
    "newaxis": lambda x, a: x[:, None, ::2],
    "index": lambda x, a: x[:, -1],
    "list": lambda x, a: ops.concatenate([x, a * ops.ones_like(x), x], axis=-1),
    "stack": lambda x, a: ops.stack([x, x * 2], axis=1),
    "keyword": lambda x, a: ops.sum(x=x, axis=-1, keepdims=True),
    "method chain": lambda x, a: ops.reshape(ops.transpose(x), (4, -1)),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_and_operations_on_symbols(name):
    made, array = OPERATORS[name], np.linspace(-1, 1, 4, dtype="float32")
    x = Input((4,), batch_size=10 if name in ("rmatmul", "method chain") else None)
    model = Model(x, made(x, array))
    expected = made(ops.convert_to_tensor(X), array)
    assert same_bits(model(X), expected)
    size = (10, *expected.shape[1:]) if x.shape[0] else (None, *expected.shape[1:])
    if name not in ("rmatmul", "method chain"):
        assert model.output_shape == size


def test_arrays_in_a_call_are_those_of_the_moment():
    x, array, more = Input((4,)), np.ones(4, "float32"), {"a": [np.ones(4, "float32")]}
    model = Model(x, ops.add(Scale()(x, array, offset=array, more=more) * array, array))
    before = model(X).numpy()
    array[:] = 9
    more["a"][0][:] = 9
    assert same_bits(model(X), before)


def test_options_and_further_tensors_of_a_layer():
    x, factor = Input((4,)), Input((4,))
    scale = Scale()
    y = scale(x, factor, offset=1.0, more={"a": (x, None)})
    model = Model([x, factor], [y, scale(x, factor=2.0)])
    first, second = model([X, X + 1])
    assert np.array_equal(first, X * (X + 1) + 1 + X) and np.array_equal(second, X * 2)


def test_a_shared_layer_is_one_layer():
    x, z = Input((4,)), Input((4,))
    dense = Dense(2, name="shared")
    model = Model([x, z], [dense(x), dense(z), dense(x + z)])
    assert model.layers == [dense] and len(model.weights) == 2
    assert model.output_names == ["shared", "shared_1", "shared_2"]
    assert same_bits(model([X, X * 2])[1], dense(X * 2))


def test_output_names_are_different_whatever_the_layers_are_called():
    x = Input((4,))
    a = Dense(1, name="a")
    assert Model(x, [a(x), Dense(1, name="a_1")(x), a(x), Dense(1, name="a_2")(x)]).output_names == [
        "a", "a_1", "a_2", "a_2_1",
    ]  # fmt: skip


def test_a_node_reached_twice_runs_once():
    calls = []

    class Count(Layer):
        def call(self, inputs):
            calls.append(type(inputs).__name__)
            return inputs + 1

    x = Input((4,))
    y = Count()(x)
    model = Model(x, [y, y * 2, y + y])
    calls.clear()
    first, second, third = model(X)
    assert calls == ["Tensor"]
    assert np.array_equal(second, third) and np.array_equal(first, X + 1)


def test_several_outputs_of_one_call():
    x = Input((4,))
    halves = Halves()(x)
    model = Model(x, [halves["high"][0], halves["low"] * 2])
    high, low = model(X)
    assert np.array_equal(high, X[:, 2:]) and np.array_equal(low, X[:, :2] * 2)


def test_an_intermediate_tensor_as_input_and_output():
    x = Input((4,))
    first, second = Dense(3), Dense(2)
    hidden = first(x)
    y = second(hidden)
    tail, whole = Model(hidden, y), Model(x, [hidden, y])
    inside = first(X)
    assert same_bits(tail(inside), second(inside)) and same_bits(whole(X)[0], inside)
    assert tail.layers == [second] and whole.layers == [first, second]


def test_an_intermediate_input_is_what_is_given_even_if_its_call_runs():
    x = Input((4,))
    halves = Halves()(x)
    model = Model([x, halves["low"]], halves["low"] + halves["high"][0])
    assert np.array_equal(model([X, np.zeros((10, 2))]), X[:, 2:])


def test_an_input_may_be_an_output():
    x = Input((4,), name="x")
    model = Model(x, [x, x * 2])
    assert same_bits(model(X)[0], X) and model.output_names[0] == "x"


@given(rows=st.lists(st.integers(1, 9), min_size=1, max_size=4), width=st.integers(1, 6))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_ragged_batches_and_unknown_sizes(rows, width):
    x = Input((None, 2))
    model = Model(x, ops.sum(x, axis=1) + ops.max(ops.reshape(x, (ops.shape(x)[0], -1)), axis=-1, keepdims=True))
    for count in rows:
        data = np.random.default_rng(count).normal(size=(count, width, 2)).astype("float32")
        expected = data.sum(1) + data.reshape(count, -1).max(-1, keepdims=True)
        assert np.allclose(model(data), expected, atol=1e-5)


def test_an_unknown_size_does_not_fit_a_weight():
    with pytest.raises(ValueError, match="None"):
        Dense(2)(Flatten()(Input((None, 2))))


def test_a_model_is_a_layer():
    inner = functional()
    x = Input((4,))
    y = inner(x * 2)
    outer = Model(x, [y, inner(x), Sequential([Dense(2)])(y)])
    assert same_bits(outer(X)[0], inner(X * 2)) and same_bits(outer(X)[1], inner(X))
    assert outer.layers[0] is inner and len(outer.weights) == 6
    assert same_bits(Model(x, Model(x, inner(x))(x))(X), inner(X))


def test_a_deep_graph_needs_no_recursion():
    x = y = Input((4,))
    for _ in range(2000):
        y = y + 1
    shared = Dense(4, kernel_initializer="identity")
    for _ in range(200):
        y = shared(y)
    model = Model(x, y)
    assert np.allclose(model(X), X + 2000, rtol=1e-5)
    assert len(model.weights) == 2
    del model, y


def test_training_mode_reaches_every_layer():
    x = Input((4,))
    norm = BatchNormalization()
    model = Model(x, Dropout(0.5)(norm(x)))
    assert same_bits(model(X), model(X, training=False))
    moved = norm.moving_mean.numpy()
    zeros = np.mean(model(X, training=True).numpy() == 0)
    assert 0.2 < zeros < 0.8 and not np.array_equal(norm.moving_mean, moved)


def test_subclass_with_a_graph_and_attributes():
    class Autoencoder(Model):
        def __init__(self, units):
            x = Input((4,))
            self_encoder, self_decoder = Dense(units), Dense(4)
            super().__init__(inputs=x, outputs=self_decoder(self_encoder(x)))
            self.encoder, self.decoder = self_encoder, self_decoder
            self.scale = Variable(2.0, name="scale")

    model = Autoencoder(2)
    assert same_bits(model(X), model.decoder(model.encoder(X)))
    assert len(model.weights) == 5 and model.layers == [model.encoder, model.decoder]
    children = model.children()
    assert list(children) == ["layers", "encoder", "decoder", "scale"]
    assert list(children["layers"].values()) == [model.encoder, model.decoder]
    assert len({id(node.value) for node in walk(model) if isinstance(node.value, Dense)}) == 2


def test_get_layer():
    x = Input((4,))
    a, b = Dense(1, name="a"), Dense(1, name="b")
    model = Model(x, b(a(x)), name="m")
    assert model.get_layer("b") is b and model.get_layer(index=0) is a and model.get_layer(index=-1) is b
    with pytest.raises(ValueError, match=r"Model 'm': no layer 'c'. It has \['a', 'b'\]"):
        model.get_layer("c")
    with pytest.raises(ValueError, match="Model 'm': expected an index of its 2 layers, got 2"):
        model.get_layer(index=2)
    with pytest.raises(ValueError, match="a name or an index, got None and None"):
        model.get_layer()


def test_errors_of_construction():
    x, z = Input((4,), name="x"), Input((4,), name="z")
    with pytest.raises(ValueError, match=r"an output needs <AbstractTensor 'z'.*which is not among the inputs.*Add it"):
        Model(x, x + z)
    with pytest.raises(ValueError, match="expected different inputs, got one twice"):
        Model([x, x], x)
    with pytest.raises(ValueError, match=r"expected outputs that come from Input\(\), got float32\[2\]"):
        Model(x, [x, ops.ones(2)])
    with pytest.raises(ValueError, match=r"expected inputs that come from Input\(\), got float32\[10, 4\]"):
        Model(X, x)
    with pytest.raises(ValueError, match="expected both inputs and outputs, or none of them"):
        Model(inputs=x)
    with pytest.raises(ValueError, match="Expected different names for the layers of a model, got 'same' twice"):
        Model(x, Dense(1, name="same")(Dense(1, name="same")(x)))
    with pytest.raises(ValueError, match="a functional model has no configuration yet"):
        functional().get_config()


def test_a_subclass_without_call_says_so():
    with pytest.raises(NotImplementedError, match=r"expected a call\(\) method"):
        Model()(X)


def test_build_of_a_subclass_makes_the_weights():
    class Two(Model):
        def __init__(self):
            super().__init__()
            self.a, self.b = Dense(3), Dense(2)

        def call(self, inputs):
            return self.b(self.a(inputs["x"]))

    model = Two()
    model.build({"x": (None, 4)})
    assert model.built and [weight.shape for weight in model.weights] == [(4, 3), (3,), (3, 2), (2,)]
    assert model({"x": X}).shape == (10, 2)


def test_a_build_of_ones_own_may_call_that_of_model():
    class Own(Model):
        def build(self, input_shape):
            self.w = self.add_weight((input_shape[-1], 2), name="w")
            super().build(input_shape)

        def call(self, inputs):
            return inputs @ self.w

    assert Own()(X).shape == (10, 2)


def test_a_copy_is_independent():
    model = functional()
    twin = copy.deepcopy(model)
    before = model(X).numpy()
    assert same_bits(twin(X), before)
    twin.weights[0].assign(twin.weights[0] * 0)
    assert same_bits(model(X), before) and not same_bits(twin(X), before)


NAMES = """
    import numpy as np
    from eagerly import Input, Model, Sequential
    from eagerly.layers import Dense
    from eagerly.checkpoint.graph import walk
    for _ in range({before}):
        Dense(1)
    x = Input((4,))
    model = Model(x, [Dense(2)(Dense(3)(x)), Sequential([Dense(2), Dense(2, name="mine")])(x)])
    model.compile("sgd", "mse", metrics=[["mae"], ["mae"]])
    model.fit(np.ones((2, 4)), [np.ones((2, 2))] * 2, verbose=0)
    print([node.path for node in walk(model)])
"""


def test_names_in_files_do_not_depend_on_what_was_made_before():
    lists = []
    for before in (0, 3):
        code = textwrap.dedent(NAMES).format(before=before)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        lists.append(done.stdout)
    assert lists[0] == lists[1]
    for path in ("layers/dense_0/kernel", "layers/dense_1/bias", "layers/sequential_0/layers/mine/kernel"):
        assert f"'{path}'" in lists[0]
    assert not re.search(r"%bound|_spec|_bound", lists[0])


def test_a_given_name_that_looks_like_a_number_is_not_taken_twice():
    x = Input((4,))
    model = Model(x, Dense(1)(Dense(1, name="dense_0")(Dense(1)(x))))
    assert list(model.children()["layers"]) == ["dense_1", "dense_0", "dense_2"]


def test_restored_into_a_model_of_the_same_code(tmp_path):
    path = Checkpoint(model=functional()).save(tmp_path / "m.h5")
    other = functional()
    other.weights[0].assign(other.weights[0] * 0)
    Checkpoint(model=other).restore(path).assert_consumed()
    assert same_bits(other(X), functional()(X))


def test_a_variable_given_to_an_operation_belongs_to_the_model():
    scale = Variable([1.0, 2.0], name="scale")
    x = Input((2,))
    model = Model(x, Dense(1)(x * scale))
    assert [id(v) for v in model.trainable_variables].count(id(scale)) == 1
    model.compile("sgd", "mse")
    before = scale.numpy()
    model.fit(np.ones((4, 2), np.float32), np.zeros((4, 1), np.float32), verbose=0)
    assert not np.array_equal(scale.numpy(), before)
