"""Losses that are the mean of the library's function run as one operation; what is more than that does not."""

import math

import numpy as np
import pytest

from eagerly import losses
from eagerly.ops import fused
from eagerly.tape import GradientTape
from eagerly.tensor import Tensor

ROWS, CLASSES = 30, 4
FUNCTIONS = losses.base.FunctionLoss.__subclasses__()
LOSSES = [cls for cls in FUNCTIONS if cls.__module__.startswith("eagerly.")]


def batch(loss):
    rng = np.random.default_rng(0)
    y_pred = rng.uniform(0.05, 0.95, (ROWS, CLASSES)).astype(np.float32)
    if loss is losses.SparseCategoricalCrossentropy:
        return rng.integers(0, CLASSES, ROWS), y_pred
    return rng.uniform(0.05, 0.95, (ROWS, CLASSES)).astype(np.float32), y_pred


@pytest.mark.parametrize("kind", LOSSES, ids=lambda kind: kind.__name__)
def test_means_as_one_operation_are_those_of_the_values(kind, monkeypatch):
    y_true, y_pred = batch(kind)
    loss, runs, run = kind(), [], fused._run

    def counted(*args):
        runs.append(run(*args))
        return runs[-1]

    def result():
        with GradientTape() as tape:
            tape.watch(x)
            y = loss(y_true, x)
        return y, tape.gradient(y, x)

    x = Tensor(y_pred)
    monkeypatch.setattr(fused, "_run", counted)
    value, gradient = result()
    assert [y is value for y in runs] == [True]
    np.testing.assert_allclose(value, kind.function(y_true, y_pred.astype("f8")).numpy().mean(), rtol=1e-5)
    monkeypatch.setattr(fused, "_run", lambda *_: fused._UNDONE)
    other, expected = result()
    np.testing.assert_allclose(value, other, rtol=1e-5)
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-7)


def test_what_is_more_than_a_mean_is_no_one_operation(monkeypatch):
    y_true, y_pred = batch(losses.SparseCategoricalCrossentropy)
    x, masked = Tensor(y_pred), Tensor(y_pred)
    masked._mask = Tensor(np.arange(30) < 10)

    class Doubled(losses.SparseCategoricalCrossentropy):
        def call(self, y_true, y_pred):
            return super().call(y_true, y_pred) * 2

    class Other(losses.SparseCategoricalCrossentropy):
        function = staticmethod(lambda y_true, y_pred, **options: y_pred[:, 1])

    replaced = losses.SparseCategoricalCrossentropy()
    replaced.call = lambda y_true, y_pred: y_pred[:, 0]
    values = losses.sparse_categorical_crossentropy(y_true, y_pred).numpy()
    sparse = losses.SparseCategoricalCrossentropy
    for loss, arguments, expected in (
        (Doubled(), (x,), 2 * values.mean()),
        (Other(), (x,), y_pred[:, 1].mean()),
        (replaced, (x,), y_pred[:, 0].mean()),
        (sparse(), (masked,), values[:10].mean()),
        (sparse(), (x, np.arange(30.0)), (values * np.arange(30)).mean()),
        (sparse(reduction="sum"), (x,), values.sum()),
        (sparse(reduction=None), (x,), values),
        (sparse(ignore_class=1), (x,), values[y_true != 1].mean()),
        (sparse(dtype="float64"), (x,), values.mean()),
    ):
        np.testing.assert_allclose(loss(y_true, *arguments), expected, rtol=1e-5)
        assert loss._at_once(y_true, arguments[0]) is None or len(arguments) == 2
    assert sparse()._at_once(y_true, x) is not None


def test_a_users_function_is_not_compiled():
    class Mine(losses.base.FunctionLoss, function=lambda y_true, y_pred: [seen.append(type(y_pred)), y_pred][1]):
        pass

    seen = []
    for _ in range(3):
        assert float(Mine(name="mine")(np.zeros(100), Tensor(np.ones(100, "float32")))) == 1.0
    assert seen == [Tensor] * 3


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "float32"])
@pytest.mark.parametrize("rows", [5, 200])
def test_labels_that_are_no_class_are_refused_by_the_loss_in_every_call(dtype, rows):
    loss, y_pred = losses.SparseCategoricalCrossentropy(name="head"), Tensor(np.full((rows, 4), 0.25, "float32"))
    labels = np.zeros(rows, dtype)
    for wrong in (4, 250, *([] if dtype == "uint8" else [-1])):
        assert float(loss(labels, y_pred)) == pytest.approx(math.log(4))
        bad = np.where(np.arange(rows) == 3, wrong, labels).astype(dtype)
        message = rf"^SparseCategoricalCrossentropy 'head': expected integer labels in \[0, 4\).*got {wrong} at \(3,"
        with pytest.raises(ValueError, match=message):
            loss(bad, y_pred)
        with pytest.raises(ValueError, match=message):
            loss(bad[:, None], y_pred)


def test_integer_labels_stay_what_they_are():
    """Of numbers that float32 does not have."""
    classes = (1 << 24) + 2
    x = Tensor(np.zeros((1, classes), "float32"))
    with GradientTape() as tape:
        tape.watch(x)
        y = losses.SparseCategoricalCrossentropy(from_logits=True)(np.array([classes - 1]), x)
    assert np.argmin(tape.gradient(y, x).numpy()) == classes - 1
