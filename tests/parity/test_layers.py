"""Every layer beside Keras's with the same weights: outputs, gradients, and what training leaves behind."""

import inspect
import zlib

import keras
import pytest

from eagerly import layers
from parity.comparing import differences, unequal
from parity.drawing import Draw, given
from parity.layers import LAYERS as BASIC
from parity.layers_of_attention import LAYERS as OF_ATTENTION
from parity.layers_of_sequences import LAYERS as OF_SEQUENCES
from parity.layers_of_space import LAYERS as OF_SPACE
from parity.layers_of_values import LAYERS as OF_VALUES
from parity.running import from_torch, run_ours, run_torch

BASES = {"Layer", "InputSpec"}
LAYERS = {**BASIC, **OF_SPACE, **OF_VALUES, **OF_SEQUENCES, **OF_ATTENTION}
FUNCTIONS = ("add", "average", "concatenate", "dot", "maximum", "minimum", "multiply", "subtract")


def made(name, row):
    """Both layers of each draw, built and with the same weights, and the call's arguments."""
    for dtype in row.dtypes:
        for k in range(row.draws):
            d = Draw(zlib.crc32(f"layers.{name}/{dtype}/{k}".encode()), dtype)
            drawn = row.draw(d)
            ours, theirs = (
                getattr(side, name)(**{**drawn.arguments(side, dtype), "dtype": dtype})
                for side in (layers, keras.layers)
            )
            inputs = given(drawn.inputs, **drawn.call)
            run_ours(ours, inputs, gradient=False)
            run_torch(theirs, inputs, gradient=False)
            told = f"{name}({drawn.make})({inputs})"
            assert [(w.name, tuple(w.shape)) for w in ours.weights] == [
                (w.name, tuple(w.shape)) for w in theirs.weights
            ], told
            assert [w.name for w in ours.trainable_weights] == [w.name for w in theirs.trainable_weights], told
            values = [
                d.rng.uniform(0.2, 1.2, w.shape) * (1 if "var" in w.name else d.pick(-1, 1)) for w in ours.weights
            ]
            ours.set_weights([value.astype("float64") for value in values])
            theirs.set_weights([value.astype("float64") for value in values])
            yield told, ours, theirs, inputs


def test_every_layer_has_a_row():
    classes = {name for name, value in vars(layers).items() if inspect.isclass(value) and value.__name__ == name}
    assert classes - BASES == set(LAYERS)
    assert [name for name in LAYERS if not hasattr(keras.layers, name)] == []


def test_other_names_are_those_of_keras():
    """Each class that is here has all of its names in Keras, and no other."""
    theirs = {name: value.__name__ for name, value in vars(keras.layers).items() if inspect.isclass(value)}
    theirs = {name: kind for name, kind in theirs.items() if kind in LAYERS}
    ours = {name: value.__name__ for name, value in vars(layers).items() if inspect.isclass(value)}
    assert {name: kind for name, kind in ours.items() if kind in LAYERS} == theirs


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_its_arguments_are_those_of_keras(name):
    """Names, order and defaults; Keras's further ones of a few layers are not here, some of ours take `**kwargs`."""
    mine, theirs = (
        {p.name: p.default for p in inspect.signature(getattr(side, name).__init__).parameters.values()}
        for side in (layers, keras.layers)
    )
    shared = {argument: default for argument, default in theirs.items() if argument in mine}
    assert set(mine) - set(theirs) <= {"kwargs"}
    assert list(shared.items()) == [(argument, default) for argument, default in mine.items() if argument in theirs]
    assert set(theirs) - set(mine) <= {
        "BatchNormalization": {"renorm", "renorm_clipping", "renorm_momentum", "synchronized"},
        "Dense": {"lora_rank", "lora_alpha", "quantization_config"},
        "Embedding": {"weights", "lora_rank", "lora_alpha", "quantization_config"},
    }.get(name, set())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_that_make_and_call_a_layer(name):
    d = Draw(3)
    inputs = given([d.array((2, 3)), d.array((2, 3))], **({"axes": 1} if name == "dot" else {}))
    mine, theirs = (inspect.signature(getattr(side, name)) for side in (layers, keras.layers))
    assert [(p.name, p.default) for p in mine.parameters.values()] == [
        (p.name, p.default) for p in theirs.parameters.values()
    ]
    outcomes = run_ours(getattr(layers, name), inputs), run_torch(getattr(keras.layers, name), inputs)
    assert not list(differences(*outcomes, inputs))


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_it_does_what_keras_does(name):
    new = []
    for row in LAYERS[name]:
        for told, ours, theirs, inputs in made(name, row):
            for training in (False, True) if row.training else (False,):
                if row.training:
                    inputs.kwargs["training"] = training
                outcomes = (
                    run_ours(ours, inputs, row.gradient, ours.trainable_weights if row.gradient else ()),
                    run_torch(theirs, inputs, row.gradient, theirs.trainable_weights if row.gradient else ()),
                )
                compare = ("value", "dtype", "gradient") if row.gradient else ("value", "dtype")
                new += [f"{told}\n    {text}" for text in differences(*outcomes, inputs, compare, row.tolerance)]
            for mine, keras_weight in zip(ours.weights, theirs.weights, strict=True):
                if text := unequal(mine.numpy(), from_torch(keras_weight.value), row.tolerance):
                    new.append(f"{told}\n    {mine.name} afterwards: {text}")
    assert not new, f"{len(new)} differences\n" + "\n".join(new[:8])


def test_weights_that_differ_are_noticed():
    """The comparison can fail: where one layer holds another kernel."""
    row = LAYERS["Dense"][0]
    _, ours, theirs, inputs = next(made("Dense", row))
    ours.kernel.assign(ours.kernel * 2.0 + 0.1)
    found = differences(
        run_ours(ours, inputs, True, ours.trainable_weights),
        run_torch(theirs, inputs, True, theirs.trainable_weights),
        inputs,
    )
    assert {difference.aspect for difference in found} >= {"value", "gradient"}
