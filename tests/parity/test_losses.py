"""Every loss and metric beside Keras's, with options, weights, masks and reductions; and what they are made of."""

import inspect
import zlib

import keras
import numpy as np
import pytest

import eagerly
from eagerly import losses, metrics
from parity.comparing import differences, unequal
from parity.drawing import FLOATS, Draw, given
from parity.running import from_torch, run_ours, run_torch, to_torch

DRAWS = 12
# What labels and predictions each takes, and the options to draw from.
KINDS = {
    "MeanSquaredError": ("numbers", {}),
    "MeanAbsoluteError": ("numbers", {}),
    "MeanAbsolutePercentageError": ("numbers", {}),
    "MeanSquaredLogarithmicError": ("positive", {}),
    "Huber": ("numbers", {"delta": (0.5, 2.0)}),
    "LogCosh": ("numbers", {}),
    "Poisson": ("positive", {}),
    "KLDivergence": ("probabilities", {}),
    "BinaryCrossentropy": ("binary", {"from_logits": (True,), "label_smoothing": (0.1,)}),
    "CategoricalCrossentropy": ("probabilities", {"from_logits": (True,), "label_smoothing": (0.1,)}),
    "SparseCategoricalCrossentropy": ("sparse", {"from_logits": (True,), "ignore_class": (0,)}),
}
METRICS = {
    **{name: kind for name, kind in KINDS.items() if name not in ("Huber", "LogCosh")},
    "LogCoshError": ("numbers", {}),
    "RootMeanSquaredError": ("numbers", {}),
    "Accuracy": ("whole", {}),
    "BinaryAccuracy": ("binary", {"threshold": (0.3,)}),
    "CategoricalAccuracy": ("probabilities", {}),
    "SparseCategoricalAccuracy": ("sparse", {}),
    # Without ignore_class: Keras's metric counts what is left out as zeros, ours does not count it, as the losses do.
    "SparseCategoricalCrossentropy": ("sparse", {"from_logits": (True,)}),
}
VALUES = {"Mean", "Sum"}
BASES = {"Loss", "LossFunctionWrapper", "Metric", "MeanMetricWrapper"}
TOLERANCE = dict.fromkeys(("LogCosh", "LogCoshError", "log_cosh"), 10)  # Keras has its log(2) in 32 bits
REDUCTIONS = ("sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none", None)
FUNCTIONS = {name: value for name, value in vars(losses).items() if inspect.isfunction(value) and name not in {"get"}}
CLASS_OF = {"kl_divergence": "KLDivergence", "log_cosh": "LogCosh"}


def labels(d, kind, shape):
    """Labels and predictions of a kind."""
    classes = 4
    full = (*shape, classes)
    if kind == "sparse":
        return d.integers(d.pick(shape, (*shape, 1)), 0, classes), d.array(full, 0.05, 1)
    if kind == "whole":
        return d.integers(full, 0, 3), d.integers(full, 0, 3).astype("float32")
    if kind == "probabilities":
        x = d.array(full, 0.05, 1)
        return x / x.sum(-1, keepdims=True), d.array(full, 0.05, 1)
    if kind == "binary":
        return d.integers(full, 0, 2, d.pick("int32", "float32")), d.array(full, 0.05, 0.95)
    low = 0.05 if kind == "positive" else -2
    return d.array(full, low, 2, away=0.1 if low < 0 else 0), d.array(full, low, 2)


def chosen(d, options):
    """Some of the options, each with one of its values."""
    return d.maybe(**{name: d.pick(*values) for name, values in options.items()})


def weights(d, shape):
    """None, or a weight for each value.

    Fewer weights are a matter of their own: Keras on PyTorch lays one per example along the last axis, fails where it
    changes them in their place, and divides by the sum of those given, not of those used.
    """
    return d.pick(None, None, d.array(shape, 0, 2, "float32"))


def draws(name):
    """One Draw for each draw of a name."""
    for dtype in FLOATS:
        for k in range(DRAWS):
            yield Draw(zlib.crc32(f"losses.{name}/{dtype}/{k}".encode()), dtype)


def public(module):
    return {name for name, value in vars(module).items() if inspect.isclass(value) and name[0] != "_"} - BASES


def test_every_loss_and_metric_has_a_row():
    assert public(losses) == set(KINDS)
    assert public(metrics) == {*METRICS, *VALUES}
    assert [name for name in KINDS if not hasattr(keras.losses, name)] == []
    assert [name for name in (*METRICS, *VALUES) if not hasattr(keras.metrics, name)] == []


def dressed(function, weight, mask):
    """A loss with weights, which Keras may change in their place, and with a mask on the predictions."""

    def call(y_true, y_pred):
        ours = isinstance(y_pred, eagerly.Tensor)
        tensor = eagerly.Tensor if ours else to_torch
        if mask is not None:
            setattr(y_pred, "_mask" if ours else "_keras_mask", tensor(mask))
        return function(y_true, y_pred, **({} if weight is None else {"sample_weight": tensor(weight)}))

    return call


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_loss_is_keras(name):
    kind, options = KINDS[name]
    new = []
    for d in draws(name):
        shape = d.shape(1, 2, least=2)
        call = given(*labels(d, kind, shape))
        make = {"reduction": d.pick(*REDUCTIONS), "dtype": d.dtype, **chosen(d, options)}
        weight, mask = weights(d, shape), d.pick(None, None, d.truth(shape))
        if mask is not None:
            mask[0] = True
        mine, theirs = getattr(losses, name)(**make), getattr(keras.losses, name)(**make)
        outcomes = run_ours(dressed(mine, weight, mask), call), run_torch(dressed(theirs, weight, mask), call)
        told = f"{name}({make}){call} weight={weight} mask={mask}"
        new += [f"{told}\n    {text}" for text in differences(*outcomes, call, tolerance=TOLERANCE.get(name, 1))]
    assert not new, f"{len(new)} differences\n" + "\n".join(new[:8])


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_function_is_keras(name):
    kind, options = KINDS[CLASS_OF.get(name, "".join(part.title() for part in name.split("_")))]
    new = []
    for d in draws(f"function.{name}"):
        call = given(*labels(d, kind, d.shape(1, 2, least=2)), **chosen(d, options))
        outcomes = run_ours(FUNCTIONS[name], call), run_torch(getattr(keras.losses, name), call)
        new += [f"{name}{call}\n    {text}" for text in differences(*outcomes, call, tolerance=TOLERANCE.get(name, 1))]
    assert not new, f"{len(new)} differences\n" + "\n".join(new[:8])


@pytest.mark.parametrize("name", sorted({*METRICS, *VALUES}))
def test_a_metric_is_keras(name):
    kind, options = METRICS.get(name, ("values", {}))
    new = []
    for d in draws(f"metrics.{name}"):
        make = {"dtype": d.dtype, **chosen(d, options)}
        mine, theirs = getattr(metrics, name)(**make), getattr(keras.metrics, name)(**make)
        rank = d.size(1, 2)
        for batch in range(3):
            shape = d.shape(rank, rank, least=2)
            data = (d.array(shape),) if kind == "values" else labels(d, kind, shape)
            call = given(*data, **({} if (w := weights(d, shape)) is None else {"sample_weight": w}))
            outcomes = run_ours(mine.update_state, call, False), run_torch(theirs.update_state, call, False)
            told = f"{name}({make})\n    batch {batch} {call}: "
            if outcomes[0].error or outcomes[1].error:
                new.append(f"{told}ours {outcomes[0].error}, Keras {outcomes[1].error}")
            elif text := unequal(mine.result().numpy(), from_torch(theirs.result()), TOLERANCE.get(name, 1)):
                new.append(told + text)
        mine.reset_state()
        theirs.reset_state()
        if text := unequal(mine.result().numpy(), from_torch(theirs.result())):
            new.append(f"{name} reset: {text}")
    assert not new, f"{len(new)} differences\n" + "\n".join(new[:8])


@pytest.mark.parametrize("name", ["binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy"])
def test_an_accuracy_is_keras(name):
    kind = METRICS["".join(part.title() for part in name.split("_"))][0]
    for d in draws(f"metrics.{name}"):
        call = given(*labels(d, kind, d.shape(1, 2, least=2)))
        outcomes = run_ours(getattr(metrics, name), call, False), run_torch(getattr(keras.metrics, name), call, False)
        assert unequal(outcomes[0].leaves[0], outcomes[1].leaves[0]) == "", str(call)


def test_a_loss_that_differs_is_noticed():
    call = given(np.array([[0.0, 1.0]], "float32"), np.array([[0.5, 0.75]], "float32"))
    found = differences(
        run_ours(losses.MeanSquaredError(), call), run_torch(keras.losses.MeanAbsoluteError(), call), call
    )
    assert [difference.aspect for difference in found] == ["value", "gradient", "gradient"]
