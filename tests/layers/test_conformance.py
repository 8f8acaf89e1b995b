"""What holds for every layer: one row of `layer_table` for each public class, and every promise checked on it."""

import copy
import inspect
import json

import numpy as np
import pytest

from eagerly import layers, nest, ops
from eagerly.checkpoint import Checkpoint
from eagerly.context import context
from eagerly.layers import Input, Layer
from eagerly.models import Model, Sequential
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from eagerly.variable import Variable
from gradients import check_gradients
from layer_table import ROWS, built, data, make, spread_weights, unknown

BY_NAME = pytest.mark.parametrize("name", ROWS)
WITH_WEIGHTS = pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.weights])


def symbols(name, axes):
    dtype = "int32" if ROWS[name].integers is not None else None
    shapes = unknown(name, axes)
    inputs = [Input(batch_shape=shape, dtype=dtype) for shape in (shapes if isinstance(shapes, list) else [shapes])]
    return inputs if isinstance(shapes, list) else inputs[0]


def same(first, second):
    assert type(first) is type(second) is Tensor
    assert first.dtype == second.dtype
    np.testing.assert_array_equal(first, second)


def test_the_table_lists_every_public_layer():
    public = {
        name
        for name, value in vars(layers).items()
        if inspect.isclass(value) and issubclass(value, Layer) and value.__name__ == name
    }
    assert public - {"Layer"} == set(ROWS)


# As Keras 3 has them; `make parity` compares the two.
OTHER_NAMES = {
    "AvgPool1D": "AveragePooling1D",
    "AvgPool2D": "AveragePooling2D",
    "AvgPool3D": "AveragePooling3D",
    "Convolution1D": "Conv1D",
    "Convolution1DTranspose": "Conv1DTranspose",
    "Convolution2D": "Conv2D",
    "Convolution2DTranspose": "Conv2DTranspose",
    "Convolution3D": "Conv3D",
    "Convolution3DTranspose": "Conv3DTranspose",
    "GlobalAvgPool1D": "GlobalAveragePooling1D",
    "GlobalAvgPool2D": "GlobalAveragePooling2D",
    "GlobalAvgPool3D": "GlobalAveragePooling3D",
    "GlobalMaxPool1D": "GlobalMaxPooling1D",
    "GlobalMaxPool2D": "GlobalMaxPooling2D",
    "GlobalMaxPool3D": "GlobalMaxPooling3D",
    "MaxPool1D": "MaxPooling1D",
    "MaxPool2D": "MaxPooling2D",
    "MaxPool3D": "MaxPooling3D",
    "SeparableConvolution1D": "SeparableConv1D",
    "SeparableConvolution2D": "SeparableConv2D",
}


def test_other_names():
    classes = {name: value.__name__ for name, value in vars(layers).items() if inspect.isclass(value)}
    assert {name: kind for name, kind in classes.items() if name != kind} == OTHER_NAMES


@BY_NAME
def test_eager_output(name):
    layer = make(name)
    assert not layer.built
    y = layer(data(name))
    assert layer.built and type(y) is Tensor
    assert (y.shape, y.dtype) == (ROWS[name].output, np.float32)
    assert np.isfinite(y.numpy()).all()
    same(y, layer(data(name)))


@BY_NAME
@pytest.mark.parametrize("free", ["none", "batch", "all"])
def test_symbolic_output(name, free):
    row = ROWS[name]
    axes = {"none": (), "batch": (0,), "all": row.free}[free]
    layer = make(name)
    x = symbols(name, axes)
    y = layer(x)
    assert type(y) is AbstractTensor and y.dtype == "float32" and layer.built
    assert len(y.shape) == len(row.output)
    assert all(size in (None, wanted) for size, wanted in zip(y.shape, row.output, strict=True))
    if free != "all":
        assert y.shape == tuple(None if i in axes else size for i, size in enumerate(row.output))
    same(Model(x, y)(data(name)), layer(data(name)))


@BY_NAME
def test_symbolic_calls_record_nothing_and_change_nothing(name):
    layer = built(name)
    before = [v.numpy().tobytes() for v in layer.variables]
    with GradientTape(persistent=True) as tape:
        layer(symbols(name, (0,)), training=True)
    assert [v.numpy().tobytes() for v in layer.variables] == before
    assert tape.watched_variables() == () and layer.losses == []


@BY_NAME
def test_compute_output_shape(name):
    row = ROWS[name]
    layer = make(name)
    assert layer.compute_output_shape(row.shape) == row.output
    assert not layer.built and layer.weights == []
    blurred = layer.compute_output_shape(unknown(name, (0,)))
    assert blurred == (None, *row.output[1:])
    layer(data(name))
    assert layer.compute_output_shape(unknown(name, (0,))) == blurred


@BY_NAME
def test_configuration(name):
    layer = built(name, name="mine", trainable=False, dtype="float64")
    config = layer.get_config()
    assert json.loads(json.dumps(config)) == config
    assert (config["name"], config["trainable"], config["dtype"]) == ("mine", False, "float64")
    arguments = {"name", "trainable", "dtype", *inspect.signature(type(layer).__init__).parameters}
    assert arguments - {"self", "kwargs"} == set(config)
    twin = type(layer).from_config(json.loads(json.dumps(config)))
    assert twin.get_config() == config and not twin.built
    twin(data(name))
    twin.set_weights(layer.get_weights())
    same(twin(data(name)), layer(data(name)))


@BY_NAME
def test_repr_shows_the_arguments(name):
    text = repr(make(name, name="mine"))
    assert text.startswith(f"{name}(") and "name='mine'" in text
    for key, value in ROWS[name].make.items():
        default = inspect.signature(getattr(layers, name).__init__).parameters[key].default
        assert (f"{key}={value!r}" in text) == (value != default)


@BY_NAME
def test_gradients(name):
    layer = built(name, dtype="float64")
    x = data(name, dtype="float64")
    variables = layer.trainable_weights
    inputs = [] if ROWS[name].integers is not None else nest.flatten(x)

    def run(*tensors):
        fed = nest.pack(x, tensors[: len(inputs)]) if inputs else x
        for variable, value in zip(variables, tensors[len(inputs) :], strict=True):
            variable._value = value
        return layer(fed)

    if inputs or variables:
        before = [v._value for v in variables]
        check_gradients(run, [*inputs, *(v.numpy() for v in variables)], order=2)
        for variable, value in zip(variables, before, strict=True):
            variable._value = value
    with GradientTape() as tape:
        y = layer(x)
    for variable, gradient in zip(variables, tape.gradient(y, variables), strict=True):
        assert (gradient.shape, gradient.dtype) == (variable.shape, variable.dtype)
        assert np.any(gradient.numpy())


def test_gradients_through_batch_statistics():
    layer = built("BatchNormalization", dtype="float64")
    x = data("BatchNormalization", dtype="float64")
    check_gradients(lambda x: layer(x, training=True), [x], order=2)
    masked = Tensor(np.arange(20).reshape(4, 5) % 3 > 0)
    check_gradients(lambda x: layer(x, training=True, mask=masked), [x], order=2)


@BY_NAME
def test_save_and_restore(name, tmp_path):
    layer = built(name)
    layer(data(name), training=True)
    path = Checkpoint(layer=layer).save(tmp_path / "layer.h5")
    expected = layer(data(name, 5))
    drawn = layer(data(name, 5), training=True)

    after = make(name)
    after(data(name), training=True)
    Checkpoint(layer=after).restore(path).assert_consumed()
    same(after(data(name, 5)), expected)
    same(after(data(name, 5), training=True), drawn)

    before = make(name)
    status = Checkpoint(layer=before).restore(path)
    assert len(status.pending) == len(ROWS[name].weights)
    same(before(data(name, 5)), expected)
    status.assert_consumed()
    same(before(data(name, 5), training=True), drawn)

    connected = make(name)
    Checkpoint(layer=connected).restore(path)
    connected(symbols(name, (0,)))
    same(connected(data(name, 5)), expected)


@BY_NAME
def test_restored_values_survive_a_failed_first_call(name, tmp_path):
    class Failing(Layer):
        fail = True

        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def call(self, x):
            y = self.inner(x)
            if Failing.fail:
                raise RuntimeError("no")
            return y

    Failing.fail = False
    layer = Failing(make(name))
    layer(data(name))
    spread_weights(layer)
    path = Checkpoint(layer=layer).save(tmp_path / "layer.h5")
    twin = Failing(make(name))
    status = Checkpoint(layer=twin).restore(path)
    waiting = status.pending
    Failing.fail = True
    with pytest.raises(RuntimeError, match="no"):
        twin(data(name), training=True)
    assert not twin.built and not twin.inner.built and twin.weights == [] and status.pending == waiting
    Failing.fail = False
    same(twin(data(name)), layer(data(name)))
    status.assert_consumed()


@BY_NAME
@pytest.mark.parametrize("dtype", ["float16", "float64", "bfloat16"])
def test_dtype_policies(name, dtype):
    layer = make(name, dtype=dtype)
    expected = built(name)(data(name))
    y = layer(data(name))
    assert layer.dtype == layer.compute_dtype == dtype and y.dtype == Tensor(0, dtype).dtype
    assert all(weight.dtype == y.dtype for weight in layer.weights)
    assert layer(symbols(name, (0,))).dtype == y.dtype
    spread_weights(layer)
    np.testing.assert_allclose(
        ops.cast(layer(data(name)), "float64"),
        ops.cast(expected, "float64"),
        rtol={"float16": 1e-2, "bfloat16": 1e-1}.get(dtype, 1e-5),
        atol={"float16": 1e-2, "bfloat16": 1e-1}.get(dtype, 1e-5),
    )
    if layer.trainable_weights:
        with GradientTape() as tape:
            total = ops.sum(layer(data(name), training=True))
        for gradient in tape.gradient(total, layer.trainable_weights):
            assert gradient.dtype == y.dtype and np.isfinite(ops.cast(gradient, "float32").numpy()).all()


@BY_NAME
def test_weights_in_order(name):
    row = ROWS[name]
    layer = built(name, name="mine")
    assert [w.name for w in layer.weights] == list(row.weights)
    assert [w.path for w in layer.weights] == [f"mine/{weight}" for weight in row.inside or row.weights]
    assert [w.name for w in layer.trainable_weights] == list(row.weights[: row.trainable])
    assert [w.name for w in layer.non_trainable_weights] == list(row.weights[row.trainable :])
    assert [v.name for v in layer.variables] == list(row.variables)
    assert [v.name for v in layer.non_trainable_variables] == [*row.weights[row.trainable :], *row.states]
    values = layer.get_weights()
    assert [type(value) for value in values] == [np.ndarray] * len(row.weights)
    assert layer.count_params() == sum(value.size for value in values)
    layer.set_weights([value + 1 for value in values])
    for after, before in zip(layer.get_weights(), values, strict=True):
        np.testing.assert_array_equal(after, before + 1)


@BY_NAME
def test_freezing(name):
    row = ROWS[name]
    for layer in (built(name), built(name, trainable=False)):
        layer.trainable = False
        assert layer.trainable is False
        assert layer.trainable_variables == layer.trainable_weights == []
        assert [v.name for v in layer.non_trainable_variables] == list(row.variables)
        with GradientTape() as tape:
            layer(data(name), training=True)
        assert tape.watched_variables() == ()
        for twin in (layer, copy.deepcopy(layer)):
            twin.trainable = True
            assert [w.name for w in twin.trainable_weights] == list(row.weights[: row.trainable])


@BY_NAME
def test_inside_models(name):
    layer = built(name)
    expected = layer(data(name))
    x = symbols(name, (0,))
    functional = Model(x, layer(x))
    same(functional(data(name)), expected)
    assert [id(w) for w in functional.weights] == [id(w) for w in layer.weights]
    sequential = Sequential([layer])
    same(sequential(data(name)), expected)
    assert [id(w) for w in sequential.weights] == [id(w) for w in layer.weights]
    if not isinstance(x, list):
        early = Sequential([symbols(name, (0,)), copy.deepcopy(layer)])
        same(early(data(name)), expected)


@BY_NAME
def test_anything_array_like(name):
    layer = built(name)
    x = data(name)
    expected = layer(x)
    same(layer(nest.map_structure(Tensor, x)), expected)
    same(layer(nest.map_structure(Variable, x)), expected)
    if isinstance(x, list):
        same(layer(tuple(x)), expected)
    else:
        same(layer(x.tolist()), expected)
        same(layer(**{next(iter(inspect.signature(layer.call).parameters)): x}), expected)
    if ROWS[name].integers is None:
        wide = nest.map_structure(lambda leaf: leaf.astype("float64"), x)
        same(layer(wide), expected)
        strided = nest.map_structure(lambda leaf: np.repeat(leaf, 2, axis=-1)[..., ::2], x)
        same(layer(strided), expected)


@BY_NAME
def test_inputs_are_left_alone(name):
    layer, x = built(name), data(name)
    tensors = nest.map_structure(Tensor, x)
    before = [leaf.tobytes() for leaf in nest.flatten(x)]
    y = layer(tensors, training=True)
    bytes_of_y = y.numpy().tobytes()
    for leaf in nest.flatten(x):
        leaf[...] = 0
    assert [leaf.numpy().tobytes() for leaf in nest.flatten(tensors)] == before
    assert y.numpy().tobytes() == bytes_of_y


@BY_NAME
@pytest.mark.parametrize("training", [False, True])
def test_a_tape_leaves_nothing(name, training):
    layer = built(name)
    attributes = set(vars(layer))
    with GradientTape(persistent=True) as tape:
        first = layer(data(name), training=training)
    again = built(name)(data(name), training=training)
    same(first, again)
    assert set(vars(layer)) == attributes and context.is_clean()
    watched = {id(v) for v in tape.watched_variables()}
    assert watched == {id(v) for v in layer.trainable_variables}


@BY_NAME
def test_deep_copies_stand_alone(name):
    layer = built(name)
    expected = layer(data(name))
    twin = copy.deepcopy(layer)
    same(twin(data(name)), expected)
    assert repr(twin) == repr(layer)
    assert not {id(v) for v in twin.variables} & {id(v) for v in layer.variables}
    assert [v.path for v in twin.variables] == [v.path for v in layer.variables]
    twin.set_weights([np.zeros(w.shape) for w in twin.weights])
    twin(data(name), training=True)
    same(layer(data(name)), expected)
    fresh = copy.deepcopy(make(name))
    assert not fresh.built and fresh(data(name)).shape == ROWS[name].output


@BY_NAME
def test_no_rows(name):
    layer = built(name)
    empty = nest.map_structure(lambda leaf: leaf[:0], data(name))
    assert layer(empty).shape == (0, *ROWS[name].output[1:])


@WITH_WEIGHTS
def test_set_weights_takes_all_or_nothing(name):
    layer = built(name, name="mine")
    before = layer.get_weights()
    count = len(before)
    with pytest.raises(ValueError, match=f"{name} 'mine': expected {count} weights, got {count + 1}"):
        layer.set_weights([*before, np.zeros(1)])
    wrong = [np.zeros_like(value) for value in before]
    wrong[-1] = np.zeros((7, 7))
    with pytest.raises(ValueError, match=r"expected shape \(.*\) for 'mine/.*', got float64\[7, 7\]"):
        layer.set_weights(wrong)
    wrong[-1] = np.full(before[-1].shape, "x")
    with pytest.raises(ValueError, match="numbers"):
        layer.set_weights(wrong)
    for after, value in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(after, value)


@BY_NAME
def test_unknown_arguments_are_refused(name):
    with pytest.raises(ValueError, match=f"{name}: unknown argument trainble=False. Did you mean 'trainable'?"):
        make(name, trainble=False)


@WITH_WEIGHTS
def test_counting_needs_weights(name):
    with pytest.raises(ValueError, match=f"{name} 'mine': expected a built layer to count weights of"):
        make(name, name="mine").count_params()
