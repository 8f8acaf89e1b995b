"""Every layer beside Keras's with the same weights: outputs, gradients, and what training leaves behind."""

import inspect
import zlib

import keras
import pytest

from eagerly import layers
from parity.comparing import differences, unequal
from parity.drawing import Draw, given
from parity.layers import LAYERS
from parity.running import from_torch, run_ours, run_torch

BASES = {"Layer", "InputSpec"}


def made(name, row):
    """Both layers of each draw, built and with the same weights, and the call's arguments."""
    for dtype in row.dtypes:
        for k in range(row.draws):
            d = Draw(zlib.crc32(f"layers.{name}/{dtype}/{k}".encode()), dtype)
            drawn = row.draw(d)
            options = {**drawn.make, "dtype": dtype}
            ours, theirs = getattr(layers, name)(**options), getattr(keras.layers, name)(**options)
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
    classes = {name for name, value in vars(layers).items() if inspect.isclass(value) and name[0] != "_"}
    assert classes - BASES == set(LAYERS)
    assert [name for name in LAYERS if not hasattr(keras.layers, name)] == []


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
