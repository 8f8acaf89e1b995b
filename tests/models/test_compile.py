"""compile: losses and metrics find their outputs, by structure, order or name, and say so when they do not."""

import functools

import numpy as np
import pytest

from eagerly import Input, Layer, Model, Sequential, losses, metrics, ops, optim
from eagerly.layers import Dense
from eagerly.regularizers import L2
from tiny import CLASSES, X, Y, compiled, functional, two_outputs

LABELS = {"p": Y, "q": CLASSES % 2}
MAE, SPARSE = "mae", "sparse_categorical_crossentropy"


def results(model, y, **options):
    return model.evaluate(X, y, verbose=0, return_dict=True, **options)


@pytest.mark.parametrize(
    ("spec", "as_dict"),
    [
        ({"p": MAE, "q": SPARSE}, True),
        ([MAE, SPARSE], True),
        ([losses.MeanAbsoluteError(), losses.SparseCategoricalCrossentropy], False),
        ((losses.mean_absolute_error, SPARSE), False),
        ({"a": MAE, "b": losses.sparse_categorical_crossentropy}, False),
    ],
)
def test_several_losses(spec, as_dict):
    model = two_outputs(as_dict)
    model.compile("sgd", spec, loss_weights={"p": 2.0} if as_dict else [2.0, 1.0])
    names = ("p", "q") if as_dict else ("a", "b")
    for y in ([LABELS["p"], LABELS["q"]], dict(zip(names, LABELS.values(), strict=True))):
        made = results(model, y)
        p, q = model(X).values() if as_dict else model(X)
        first = float(losses.MeanAbsoluteError()(Y, p))
        second = float(losses.SparseCategoricalCrossentropy()(LABELS["q"], q))
        expected = {"loss": 2 * first + second, f"{names[0]}_loss": first, f"{names[1]}_loss": second}
        assert list(made) == list(expected) and np.allclose(list(made.values()), list(expected.values()), rtol=1e-6)


def test_one_loss_for_several_outputs_and_outputs_without_one():
    model = two_outputs(as_dict=False)
    model.compile("sgd", "mse")
    assert set(results(model, [Y, np.ones((10, 2))])) == {"loss", "a_loss", "b_loss"}
    model.compile("sgd", [None, SPARSE], metrics=[["mae"], None])
    assert set(results(model, [Y, LABELS["q"]])) == {"loss", "a_mae"}
    model = two_outputs()
    model.compile("sgd", {"p": "mse"}, metrics={"p": ["mae"]})
    assert set(results(model, {"p": Y})) == {"loss", "p_mae"}


def test_outputs_of_a_subclass_are_called_by_key_or_number():
    class Pair(Model):
        def __init__(self, as_dict):
            super().__init__()
            self.as_dict, self.dense = as_dict, Dense(1)

        def call(self, inputs):
            y = self.dense(inputs)
            return {"z": y, "y": y * 2} if self.as_dict else (y, y * 2)

    model = Pair(True)
    model.compile("sgd", {"z": "mse", "y": "mae"})
    assert list(results(model, {"z": Y, "y": Y})) == ["loss", "y_loss", "z_loss"]
    model = Pair(False)
    model.compile("sgd", ["mse", "mae"], metrics=[["mae"], []])
    assert list(results(model, [Y, Y])) == ["loss", "output_0_loss", "output_1_loss", "output_0_mae"]


@pytest.mark.parametrize(
    ("options", "y", "message"),
    [
        ({"loss": {"x": "mse"}}, [Y, Y], r"the loss names the output 'x', but the outputs are \['a', 'b'\]"),
        ({"loss": ["mse"]}, [Y, Y], r"expected a loss for each of the outputs \['a', 'b'\], got 1"),
        ({"loss": "mse", "loss_weights": [1.0]}, [Y, Y], "expected a loss_weights for each of the outputs"),
        ({"loss": "mse", "loss_weights": {"c": 1.0}}, [Y, Y], "the loss_weights names the output 'c'"),
        ({"loss": "mse", "metrics": {"c": "mae"}}, [Y, np.ones((10, 2))], "the metrics names the output 'c'"),
        ({"loss": "mse"}, [Y], r"labels y: expected 2 of them for the outputs \['a', 'b'\], got 1"),
        ({"loss": "mse"}, {"a": Y}, r"labels y: expected values for the outputs \['a', 'b'\], got {'a': float32"),
        ({"loss": "mse"}, None, r"The loss of \['a', 'b'\] expected labels y, got None"),
    ],
)
def test_what_does_not_fit_the_outputs(options, y, message):
    model = two_outputs(as_dict=False)
    model.compile("sgd", **options)
    with pytest.raises(ValueError, match=message):
        model.fit(X, y, verbose=0)


def test_labels_of_another_shape_are_refused_with_both_shapes():
    with pytest.raises(ValueError, match=r"float32\[10, 3\] and float32\[10, 1\]"):
        compiled().fit(X, np.ones((10, 3)), verbose=0, shuffle=False)


def test_unknown_names_are_refused_at_once_and_change_nothing():
    model = compiled(metrics=["mae"])
    optimizer = model.optimizer
    for options in (
        {"optimizer": "adamm"},
        {"loss": "mze"},
        {"loss": {"a": "mze"}},
        {"metrics": ["acuracy"]},
        {"metrics": {"dense": ["maee"]}},
        {"weighted_metrics": ["maee"]},
        {"loss_weights": ["much"]},
    ):
        with pytest.raises(ValueError):
            model.compile(**options)
    with pytest.raises(ValueError, match="Did you mean 'adam'"):
        model.compile("adamm")
    with pytest.raises(ValueError, match="expected steps_per_execution=1, got 2"):
        model.compile(steps_per_execution=2)
    with pytest.raises(ValueError, match="expected jit_compile='auto', True or False, got 'yes'"):
        model.compile(jit_compile="yes")
    with pytest.raises(ValueError, match="jit_compile=True needs run_eagerly=False and check_numerics=False"):
        model.compile(jit_compile=True, run_eagerly=True)
    assert model.optimizer is optimizer and model.evaluate(X, Y, verbose=0)


def test_compiling_again_begins_anew():
    model = compiled("adam", "mse", metrics=["mae"])
    model.fit(X, Y, verbose=0)
    weights = model.get_weights()
    model.compile("sgd", "mae")
    assert isinstance(model.optimizer, optim.SGD) and int(model.optimizer.iterations) == 0
    assert all(map(np.array_equal, weights, model.get_weights()))
    assert list(model.fit(X, Y, verbose=0).history) == ["loss"]


def unweighted(y_true, y_pred):
    return ops.mean(ops.abs(y_true - y_pred), axis=-1)


def test_metrics_of_every_kind_have_the_name_that_was_given():
    given = ["mae", unweighted, metrics.MeanSquaredError, metrics.MeanSquaredError(name="mine"), "MeanSquaredError"]
    model = compiled(metrics=given)
    made = results(model, Y)
    assert list(made) == ["loss", "mae", "unweighted", "mean_squared_error", "mine", "MeanSquaredError"]
    assert made["mae"] == pytest.approx(made["unweighted"]) and made["mine"] == pytest.approx(made["loss"])
    assert list(results(compiled(metrics="mae"), Y)) == ["loss", "mae"]
    anonymous = functools.partial(unweighted)
    assert "mae" in results(compiled(metrics=[anonymous, "mae"]), Y)


def test_metrics_of_one_name_are_told_apart():
    model = compiled(metrics=["mae", "mae", "mse"], weighted_metrics=["mae", "mae"])
    made = results(model, Y, sample_weight=np.arange(10.0))
    assert list(made) == ["loss", "mae", "mae_1", "mse", "weighted_mae", "weighted_mae_1"]
    model = two_outputs(as_dict=False)
    model.compile("sgd", "mse", metrics=[["mae", "mae"], []], weighted_metrics=[["mae"], ["mae"]])
    assert list(results(model, [Y, np.ones((10, 2))]))[3:] == ["a_mae", "a_mae_1", "a_weighted_mae", "b_mae"]


def test_sample_weights_weigh_losses_and_weighted_metrics_alone():
    model = compiled("sgd", "mse", metrics=["mae"], weighted_metrics=["mse"])
    weights = np.arange(10.0)
    made = results(model, Y, sample_weight=weights)
    difference = np.asarray(model(X)) - Y
    assert made["loss"] == pytest.approx((difference[:, 0] ** 2 * weights).mean(), rel=1e-5)
    assert made["mse"] == pytest.approx(np.average(difference[:, 0] ** 2, weights=weights), rel=1e-5)
    assert made["mae"] == pytest.approx(np.abs(difference).mean(), rel=1e-5)


def test_sample_weights_by_output():
    model = two_outputs(as_dict=False)
    model.compile("sgd", ["mse", "mse"], weighted_metrics=[["mse"], []])
    y, w = [Y, np.ones((10, 2))], np.arange(10.0)
    one = results(model, y, sample_weight=[w, w * 0])
    assert one["b_loss"] == 0 and one["loss"] == pytest.approx(one["a_loss"])
    by_name = results(model, y, sample_weight={"a": w})
    assert by_name["a_loss"] == one["a_loss"] and by_name["b_loss"] > 0 and by_name["a_mse"] == one["a_mse"]
    both = results(model, y, sample_weight=w)
    assert both["a_loss"] == one["a_loss"] and both["b_loss"] > 0
    with pytest.raises(ValueError, match="sample_weight: expected 2 of them"):
        results(model, y, sample_weight=[w, w, w])


@pytest.mark.parametrize("name", ["accuracy", "acc", "crossentropy", "ce"])
@pytest.mark.parametrize(
    ("units", "labels", "kind"),
    [
        (1, CLASSES % 2, "Binary"),
        (1, (CLASSES % 2)[:, None], "Binary"),
        (3, CLASSES, "SparseCategorical"),
        (3, CLASSES[:, None], "SparseCategorical"),
        (3, np.eye(3)[CLASSES], "Categorical"),
    ],
)
def test_accuracy_and_crossentropy_are_the_kind_that_the_shapes_call_for(name, units, labels, kind):
    activation = "sigmoid" if units == 1 else "softmax"
    loss = {"Binary": "binary", "SparseCategorical": "sparse_categorical", "Categorical": "categorical"}[kind]
    model = functional(units, activation)
    model.compile("sgd", f"{loss}_crossentropy", metrics=[name])
    made = results(model, labels)
    (metric,) = model.compiled_metrics.metrics
    assert type(metric).__name__ == kind + ("Accuracy" if name[0] == "a" else "Crossentropy")
    assert list(made) == ["loss", name]


def test_accuracy_of_one_number_for_each_row_is_binary():
    x = Input((4,))
    model = Model(x, Dense(1, "sigmoid")(x)[:, 0])
    model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    made = results(model, CLASSES % 2)
    expected = np.mean((np.asarray(model(X)) > 0.5) == CLASSES % 2)
    assert made["accuracy"] == pytest.approx(expected)


def test_labels_that_failed_do_not_decide_the_kind_of_accuracy():
    model = functional(3, "softmax")
    model.compile("sgd", losses.LossFunctionWrapper(lambda a, b: ops.mean(b, axis=-1)), metrics=["accuracy"])
    with pytest.raises(ValueError):
        results(model, np.eye(4)[CLASSES])
    with pytest.raises(ValueError):
        model.fit(X, np.eye(4)[CLASSES], verbose=0)
    assert "accuracy" in results(model, CLASSES)


class Sparse(Layer):
    """Adds a term to the loss, and regularizes its output."""

    def call(self, inputs):
        self.add_loss(ops.mean(ops.square(inputs)) * 3)
        return inputs


def test_a_model_with_losses_of_its_own_needs_none_and_no_labels():
    x = Input((4,))
    model = Model(x, Sparse()(Dense(1, kernel_regularizer=L2(0.5))(x)))
    model.compile(optim.SGD(0.01))
    history = model.fit(X, epochs=3, verbose=0).history["loss"]
    assert history[0] > history[1] > history[2]
    expected = 3 * np.mean(np.square(model(X))) + 0.5 * np.sum(np.square(model.weights[0]))
    assert model.evaluate(X, verbose=0) == pytest.approx(expected, rel=1e-5)
    model.compile("sgd", "mse")
    total = model.evaluate(X, Y, verbose=0)
    assert total == pytest.approx(expected + np.mean(np.square(model(X) - Y)), rel=1e-5)


def test_nothing_to_minimize_and_nothing_to_train():
    model = compiled("sgd", None)
    with pytest.raises(
        ValueError, match=r"Sequential: nothing to minimize: expected a loss in compile\(\) or add_loss"
    ):
        model.fit(X, Y, verbose=0)
    model = compiled()
    model.trainable = False
    before = model.get_weights()
    with pytest.warns(UserWarning, match=r"Sequential 'sequential\w*' has nothing to train: no variable is trainable"):
        history = model.fit(X, Y, batch_size=len(X), verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


@pytest.mark.parametrize("optimizer", [None, 3, Dense(2)])
def test_what_is_no_optimizer(optimizer):
    model = Sequential([Dense(1)])
    with pytest.raises(ValueError, match=r"[Ee]xpected the name of (an|a known) optimizer or an Optimizer, got "):
        model.compile(optimizer, "mse")
    assert not model.compiled


def test_a_call_that_returns_nothing():
    class Forgetful(Model):
        def call(self, inputs):
            inputs + 1

    model = Forgetful(name="mine")
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"Forgetful 'mine': expected call\(\) to return tensors, got None"):
        model.fit(X, Y, verbose=0)


def test_a_frozen_layer_is_not_trained():
    model = compiled(layers=[Input((4,)), Dense(3, name="frozen"), Dense(1)])
    model.get_layer("frozen").trainable = False
    before = model.get_weights()
    model.fit(X, Y, verbose=0)
    assert [np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)] == [
        True,
        True,
        False,
        False,
    ]


def test_metrics_that_a_model_or_a_layer_holds_are_reset_and_shown():
    class Watched(Layer):
        def __init__(self):
            super().__init__()
            self.size = metrics.Mean(name="size")

        def call(self, inputs):
            self.size.update_state(ops.abs(inputs))
            return inputs

    class Net(Model):
        def __init__(self):
            super().__init__()
            self.watched, self.dense, self.calls = Watched(), Dense(1), metrics.Sum(name="calls")

        def call(self, inputs):
            self.calls.update_state(1.0)
            return self.dense(self.watched(inputs))

    model = Net()
    model.compile("sgd", "mse", metrics=["mae"])
    history = model.fit(X, Y, batch_size=5, epochs=2, verbose=0).history
    assert list(history) == ["loss", "mae", "calls", "size"]
    assert history["calls"] == [2.0, 2.0] and np.allclose(history["size"], np.abs(X).mean())
    assert [metric.name for metric in Net().metrics] == ["calls", "size"]


def test_a_metric_with_several_results():
    class Extremes(metrics.Metric):
        def __init__(self):
            super().__init__(name="extremes")
            self.low, self.high = self.add_variable(()), self.add_variable(())

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.low.assign(ops.minimum(self.low, ops.min(y_pred)))
            self.high.assign(ops.maximum(self.high, ops.max(y_pred)))

        def result(self):
            return {"low": self.low.value, "high": self.high.value}

    model = compiled(metrics=[Extremes()])
    made = results(model, Y)
    assert list(made) == ["loss", "low", "high"] and made["high"] == pytest.approx(float(np.max(model(X))))


def test_metrics_in_the_place_of_loss_weights():
    model = Sequential([Dense(1)])
    with pytest.raises(
        ValueError, match=r"compile: expected numbers as loss_weights, got 'mae'. Metrics come as metrics="
    ):
        model.compile("sgd", "mse", ["mae"])
    assert not model.compiled
