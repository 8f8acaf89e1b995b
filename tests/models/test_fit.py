"""fit, evaluate, predict: the numbers are Keras's, the steps those of a loop of one's own, the data are checked."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eagerly
from eagerly import GradientTape, Input, Layer, Model, Sequential, losses, metrics, ops, optim
from eagerly.callbacks import Callback, History
from eagerly.layers import BatchNormalization, Dense, Dropout
from tiny import CLASSES, X, Y, compiled, functional, two_outputs, values

WEIGHTS = np.linspace(0, 2, 10)


def assert_history(history, expected):
    assert set(history.history) == set(expected)
    for name, numbers in expected.items():
        assert np.allclose(history.history[name], numbers, rtol=1e-5, atol=1e-6), (name, history.history[name])


# The numbers of Keras 3.15 on torch 2, for the same weights and data in the same order.


def test_as_keras_with_adam_weights_regularizer_and_validation():
    model = functional()
    model.compile(optim.Adam(0.05), "mse", metrics=["mae"], weighted_metrics=["mae"])
    history = model.fit(
        X, Y, 4, epochs=3, shuffle=False, verbose=0, sample_weight=WEIGHTS, validation_data=(X[:5], Y[:5])
    )
    assert_history(
        history,
        {
            "loss": [3.803051, 2.368036, 1.58795],
            "mae": [1.795607, 1.371816, 1.076924],
            "weighted_mae": [1.776975, 1.421025, 1.161602],
            "val_loss": [3.119055, 2.057953, 1.458109],
            "val_mae": [1.498177, 1.126916, 0.9784342],
            "val_weighted_mae": [1.498177, 1.126916, 0.9784342],
        },
    )


def test_as_keras_with_momentum_class_weights_and_validation_split():
    model = functional(3, "softmax")
    model.compile(optim.SGD(0.1, momentum=0.9, nesterov=True), "sparse_categorical_crossentropy", metrics=["accuracy"])
    weights = {0: 1.0, 1: 2.0, 2: 0.5}
    history = model.fit(X, CLASSES, 3, 3, shuffle=False, verbose=0, class_weight=weights, validation_split=0.3)
    assert_history(
        history,
        {
            "loss": [1.207679, 1.045668, 0.9054886],
            "accuracy": [0.4285714, 0.4285714, 0.5714286],
            "val_loss": [1.157052, 1.029662, 0.9784635],
            "val_accuracy": [0.3333333, 0.6666667, 0.6666667],
        },
    )


def test_as_keras_with_names_alone():
    model = functional()
    model.compile("rmsprop", "huber")
    assert_history(model.fit(X, Y, 4, 2, shuffle=False, verbose=0), {"loss": [1.493532, 1.468835]})


def test_as_keras_with_two_outputs():
    model = two_outputs()
    model.compile(
        optim.SGD(0.05),
        {"p": "mae", "q": "sparse_categorical_crossentropy"},
        loss_weights={"p": 1.0, "q": 0.3},
        metrics={"q": ["accuracy"]},
    )
    assert_history(
        model.fit(X, {"p": Y, "q": CLASSES % 2}, batch_size=4, epochs=2, shuffle=False, verbose=0),
        {
            "loss": [1.79577, 1.70164],
            "p_loss": [1.576597, 1.486951],
            "q_loss": [0.7305777, 0.715629],
            "q_accuracy": [0.5, 0.5],
        },
    )
    assert np.allclose(model.predict(X[:2])["p"].ravel(), [0.8829973, -0.5750474], atol=1e-5)


# What fit does.


@pytest.mark.parametrize("run_eagerly", [True, False])
def test_fit_trains_like_a_loop_of_ones_own(run_eagerly):
    def made():
        eagerly.random.set_seed(3)
        return Sequential([Input((4,)), Dense(8, "relu"), BatchNormalization(), Dropout(0.3), Dense(1)])

    fitted, looped = made(), made()
    fitted.compile(optim.Adam(0.01), "mse", run_eagerly=run_eagerly)
    fitted.fit(X, Y, batch_size=4, epochs=3, shuffle=False, verbose=0)
    optimizer, loss = optim.Adam(0.01), losses.MeanSquaredError()
    for _ in range(3):
        for start in range(0, 10, 4):
            with GradientTape() as tape:
                value = loss(Y[start : start + 4], looped(X[start : start + 4], training=True))
            optimizer.apply(tape.gradient(value, looped.trainable_variables), looped.trainable_variables)
    if run_eagerly:
        assert [v.tobytes() for v in fitted.get_weights()] == [v.tobytes() for v in looped.get_weights()]
        assert values(fitted.optimizer) == values(optimizer)
    for a, b in zip(fitted.get_weights(), looped.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_history_and_what_fit_returns():
    model = compiled(metrics=["mae"])
    history = model.fit(X, Y, epochs=3, initial_epoch=1, verbose=0)
    assert isinstance(history, History) and model.history is history
    assert history.epoch == [1, 2] and list(history.history) == ["loss", "mae"]
    assert all(type(value) is float for numbers in history.history.values() for value in numbers)
    assert model.fit(X, Y, epochs=2, initial_epoch=2, verbose=0).history == {}


def seen_by(fit, **options):
    """The first columns of all batches that training sees."""
    seen = []

    class Look(Layer):
        def call(self, inputs, training=False):
            if training:
                seen.append(inputs[:, 0].numpy().tolist())
            return inputs

    model = compiled(layers=[Look(), Dense(1)])
    fit(model, **options)
    return seen


def test_shuffling_differs_between_epochs_and_repeats_with_the_seed():
    def run():
        eagerly.random.set_seed(5)
        return seen_by(lambda model: model.fit(X, Y, batch_size=5, epochs=3, verbose=0))

    first, second = run(), run()
    assert first == second
    epochs = [sum(first[i : i + 2], []) for i in (0, 2, 4)]
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert all(sorted(epoch) == sorted(X[:, 0].tolist()) for epoch in epochs)
    in_order = seen_by(lambda model: model.fit(X, Y, epochs=2, shuffle=False, verbose=0))
    assert in_order == [X[:, 0].tolist()] * 2


def test_rows_of_labels_and_weights_follow_the_shuffle():
    class Together(losses.Loss):
        def call(self, y_true, y_pred):
            return ops.sum(y_pred * 0, axis=-1) + y_true[:, 0]

    model = compiled("sgd", Together())
    row = np.arange(10.0)
    history = model.fit(X, row[:, None], batch_size=3, verbose=0, sample_weight=(row == 4).astype("float32"))
    assert np.isclose(history.history["loss"][0], 0.4)


class Rounds:
    """A source of batches that can be iterated over again, and counts how often."""

    def __init__(self, batches):
        self.batches, self.rounds = batches, 0

    def __iter__(self):
        self.rounds += 1
        return iter(self.batches)


BATCHES = [(X[i : i + 2], Y[i : i + 2]) for i in range(0, 10, 2)]
FIRST = [[X[i, 0].item(), X[i + 1, 0].item()] for i in range(0, 10, 2)]


def test_an_iterable_gives_each_epoch_anew():
    source = Rounds(BATCHES)
    assert seen_by(lambda model: model.fit(source, epochs=2, verbose=0)) == FIRST * 2
    assert source.rounds == 2


def test_steps_per_epoch_goes_on_where_the_last_epoch_stopped():
    expected = (FIRST * 2)[:9]
    for source in (Rounds(BATCHES), (batch for batch in BATCHES * 2)):
        assert seen_by(lambda model, s=source: model.fit(s, epochs=3, steps_per_epoch=3, verbose=0)) == expected
    arrays = seen_by(lambda model: model.fit(X, Y, 2, epochs=3, steps_per_epoch=3, shuffle=False, verbose=0))
    assert arrays == expected


def test_a_generator_without_steps_is_one_epoch():
    model = compiled()
    model.fit(iter(BATCHES), verbose=0)
    with pytest.raises(ValueError, match="the iterable ended after 0 batches of an epoch. Pass one that can be"):
        model.fit(iter(BATCHES), epochs=2, verbose=0)
    with pytest.raises(ValueError, match="the iterable ended after 2 batches of an epoch of 3"):
        model.fit(iter(BATCHES), epochs=2, steps_per_epoch=3, verbose=0)


def test_batches_are_tuples_or_lists_of_two_or_three_or_x_alone():
    model = compiled()
    expected = model.evaluate(X, Y, verbose=0)
    assert model.evaluate(iter([[X, Y]]), verbose=0) == expected
    assert model.evaluate(iter([(X, Y, np.ones(10))]), verbose=0) == expected
    assert np.array_equal(model.predict(iter([X])), model.predict(X))
    assert np.array_equal(model.predict(iter([(X,), (X, Y)])), np.concatenate([model.predict(X)] * 2))
    with pytest.raises(ValueError, match=r"expected \(x,\), \(x, y\) or \(x, y, sample_weight\), got a tuple of 4"):
        model.fit(iter([(X, Y, Y, Y)]), verbose=0)


def test_validation_data_of_every_kind():
    model = compiled(metrics=["mae"])
    expected = None
    for data in ((X, Y), [X, Y], (X, Y, np.ones(10)), Rounds(BATCHES), iter(BATCHES)):
        eagerly.random.set_seed(1)
        model = compiled(metrics=["mae"])
        history = model.fit(X, Y, shuffle=False, verbose=0, validation_data=data).history
        expected = expected or history
        assert np.allclose(history["val_mae"], expected["val_mae"]) and np.allclose(
            history["val_loss"], expected["val_loss"]
        )
    assert np.isclose(expected["val_loss"][0], model.evaluate(X, Y, verbose=0)[0])


def test_validation_split_takes_the_last_rows_and_trains_on_the_first():
    model = compiled()
    seen = seen_by(lambda m: m.fit(X, Y, validation_split=0.25, shuffle=False, verbose=0))
    assert seen == [X[:7, 0].tolist()]
    history = model.fit(X, Y, validation_split=0.25, shuffle=False, verbose=0, sample_weight=WEIGHTS)
    expected = model.evaluate(X[7:], Y[7:], sample_weight=WEIGHTS[7:], verbose=0)
    assert np.isclose(history.history["val_loss"][0], expected)


def test_validation_begins_with_the_first_batch_every_time():
    model = compiled()
    history = model.fit(
        X, Y, epochs=2, shuffle=False, verbose=0, validation_data=(X, Y), validation_steps=2, validation_batch_size=2
    )
    assert np.isclose(history.history["val_loss"][-1], model.evaluate(X[:4], Y[:4], verbose=0))


@pytest.mark.parametrize(("frequency", "count"), [(1, 5), (2, 2), (7, 0), ([1, 4], 2), ((2,), 1)])
def test_validation_freq(frequency, count):
    history = compiled().fit(X, Y, epochs=5, verbose=0, validation_data=(X, Y), validation_freq=frequency).history
    assert len(history["loss"]) == 5 and len(history.get("val_loss", [])) == count


def test_class_weights_are_those_of_the_rounded_or_one_hot_class():
    model = compiled("sgd", "mse", layers=[Input((4,)), Dense(1)])
    weights = {np.int64(1): 3.0, 2: 0.0}

    def loss(y):
        twin = compiled("sgd", "mse", layers=[Input((4,)), Dense(y.shape[-1] if y.ndim > 1 else 1)])
        return twin.fit(X, y, verbose=0, class_weight=weights).history["loss"][0]

    by_hand = np.where(CLASSES == 1, 3.0, np.where(CLASSES == 2, 0.0, 1.0))
    expected = model.evaluate(X, CLASSES, sample_weight=by_hand, verbose=0)
    assert np.isclose(loss(CLASSES), expected) and np.isclose(loss(CLASSES[:, None]), expected)
    almost = CLASSES - 0.1
    assert np.isclose(loss(almost), model.evaluate(X, almost, sample_weight=by_hand, verbose=0))
    one_hot = np.eye(3, dtype="float32")[CLASSES]
    three = compiled("sgd", "mse", layers=[Input((4,)), Dense(3)])
    assert np.isclose(loss(one_hot), three.evaluate(X, one_hot, sample_weight=by_hand, verbose=0))
    both = compiled().fit(X, CLASSES, verbose=0, class_weight=weights, sample_weight=np.full(10, 2.0))
    assert np.isclose(both.history["loss"][0], 2 * expected)


def test_class_weights_that_do_not_fit():
    model = compiled()
    for wrong in ([1.0, 2.0], {"a": 1.0}, {-1: 1.0}):
        with pytest.raises(ValueError, match="class_weight: expected a dictionary from class numbers to weights, got"):
            model.fit(X, Y, verbose=0, class_weight=wrong)
    pair = two_outputs(as_dict=False)
    pair.compile("sgd", "mse")
    before = values(pair)
    with pytest.raises(ValueError, match="class_weight: expected labels y for one output, got"):
        pair.fit(X, [Y, np.ones((10, 2))], verbose=0, shuffle=False, class_weight={0: 1.0})
    assert values(pair) == before


# Evaluation and prediction.


@given(
    size=st.integers(1, 12),
    seed=st.integers(0, 3),
    reduction=st.sampled_from(["sum_over_batch_size", "mean_with_sample_weight"]),
)
@settings(max_examples=25, deadline=None, derandomize=True)
def test_evaluation_does_not_depend_on_the_batch_size(size, seed, reduction):
    model = functional()
    loss = losses.MeanSquaredError(reduction=reduction)
    model.compile("sgd", loss, metrics=["mae", metrics.RootMeanSquaredError()], weighted_metrics=["mae"])
    weights = np.random.default_rng(seed).uniform(size=10)
    whole = model.evaluate(X, Y, batch_size=10, sample_weight=weights, verbose=0)
    assert np.allclose(model.evaluate(X, Y, batch_size=size, sample_weight=weights, verbose=0), whole, rtol=1e-5)


@given(size=st.integers(1, 12))
@settings(max_examples=8, deadline=None, derandomize=True)
def test_evaluation_of_sequences_of_several_lengths_counts_values(size):
    x = Input((None, 1))
    model = Model(x, x * 2)
    model.compile("sgd", "mse")
    batches = [(np.full((2, n, 1), n, "float32"), np.zeros((2, n, 1), "float32")) for n in (1, size)]
    expected = np.concatenate([(2 * b[0].ravel()) ** 2 for b in batches]).mean()
    assert np.isclose(model.evaluate(Rounds(batches), verbose=0), expected)


def test_what_evaluate_returns():
    model = compiled()
    assert isinstance(model.evaluate(X, Y, verbose=0), float)
    model = compiled(metrics=["mae", "mse"])
    results = model.evaluate(X, Y, verbose=0)
    assert isinstance(results, list) and model.metrics_names == ["loss", "mae", "mse"]
    assert model.evaluate(X, Y, verbose=0, return_dict=True) == dict(zip(model.metrics_names, results, strict=True))
    assert np.isclose(results[0], results[2])
    assert np.isclose(
        model.evaluate(X, Y, batch_size=2, steps=2, verbose=0)[0], model.evaluate(X[:4], Y[:4], verbose=0)[0]
    )
    with pytest.raises(ValueError, match="ended after 5 batches of an epoch of 6"):
        model.evaluate(X, Y, batch_size=2, steps=6, verbose=0)


def test_predict_keeps_structure_order_and_rows():
    x = Input((4,))
    model = Model(x, {"a": [x, x * 2], "b": (x[:, 0],)})
    made = model.predict(X, batch_size=3)
    assert isinstance(made["a"], list) and isinstance(made["b"], tuple)
    assert all(type(leaf) is np.ndarray for leaf in (*made["a"], *made["b"]))
    assert np.array_equal(made["a"][1], X * 2) and made["b"][0].shape == (10,)
    made["a"][0][:] = 0  # one's own
    assert len(model.predict(X, batch_size=3, steps=2)["a"][0]) == 6
    assert compiled(layers=[Dropout(0.9)]).predict(X).tolist() == X.tolist()


def test_uncompiled_models_predict_and_say_what_they_lack():
    model = functional()
    assert model.predict(X).shape == (10, 1) and model.metrics == [] and model.get_metrics_result() == {}
    for method in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=r"Model: expected compile\(\) before (fit|evaluate)\(\)"):
            method(X, Y)


# Bad arguments and data.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": None}, "Data: expected x, got None"),
        ({"y": Y[:9]}, r"expected one number of rows in all arrays, got x: float32\[10, 4\], y: float32\[9, 1\]"),
        ({"sample_weight": np.ones(3)}, r"sample_weight: float32\[3\]"),
        ({"x": X[:0], "y": Y[:0]}, r"expected at least one row, got float32\[0, 4\]"),
        ({"x": np.array(["a"] * 10)}, r"x: expected arrays of numbers with a batch axis, got <U1\[10\]"),
        ({"y": 3.0}, "y: expected arrays of numbers with a batch axis, got 3.0"),
        ({"x": "name"}, "an iterable brings its own y"),
        ({"batch_size": 0}, "batch_size: expected an integer > 0, got 0"),
        ({"batch_size": 2.5}, "batch_size: expected an integer > 0, got 2.5"),
        ({"epochs": 0, "initial_epoch": 1}, "expected epochs >= initial_epoch = 1, got 0"),
        ({"epochs": 1.5}, "expected epochs >= initial_epoch = 0, got 1.5"),
        ({"verbose": 3}, "verbose: expected 'auto', 0, 1 or 2, got 3"),
        ({"steps_per_epoch": 0}, "steps: expected an integer > 0 or None, got 0"),
        ({"validation_split": 1.0}, "a fraction that leaves rows on both sides of 10, got 1.0"),
        ({"validation_split": 0.5, "validation_data": (X, Y)}, "validation_split needs arrays"),
        ({"validation_data": (X, Y[:3])}, "expected one number of rows"),
        ({"validation_freq": 0, "validation_data": (X, Y)}, "or a list of epochs as validation_freq, got 0"),
        ({"callbacks": ["early"]}, "callbacks: expected Callback instances, got 'early'"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_arguments_are_refused_before_any_training(arguments, message):
    steps = []

    class Count(Callback):
        def on_train_batch_begin(self, batch, logs=None):
            steps.append(batch)

    model = compiled()
    before = values(model)
    given = {"x": X, "y": Y, "verbose": 0, "callbacks": [Count()], **arguments}
    with pytest.raises(ValueError, match=message):
        model.fit(**given)
    assert steps == [] and values(model) == before


def test_an_iterable_brings_everything_itself():
    model = compiled()
    for name, value in (("y", Y), ("sample_weight", Y), ("batch_size", 2)):
        with pytest.raises(ValueError, match=f"an iterable brings its own {name}, so {name} must be None"):
            model.fit(iter(BATCHES), verbose=0, **{name: value})
    with pytest.raises(ValueError, match="validation_split needs arrays"):
        model.fit(iter(BATCHES), verbose=0, validation_split=0.5)


def test_the_users_arrays_stay_as_they_are():
    x, y, weights = X.copy(), Y.copy(), np.ones(10)
    for array in (x, y, weights):
        array.flags.writeable = False
    model = compiled()
    model.fit(x, y, sample_weight=weights, epochs=2, verbose=0, validation_split=0.2)
    assert np.array_equal(x, X) and np.array_equal(y, Y)


def test_changing_an_array_during_a_step_changes_nothing_recorded():
    x = X.copy()

    class Spoil(Layer):
        def call(self, inputs):
            y = inputs * inputs
            x[:] = np.nan
            return y

    model = compiled(layers=[Spoil(), Dense(1)])
    assert np.isfinite(model.fit(x, Y, verbose=0).history["loss"][0])
    given = X.copy()

    def spoiled():
        yield given, Y
        given[:] = np.nan

    assert np.isfinite(compiled().fit(spoiled(), verbose=0).history["loss"][0])


def test_lists_numbers_tensors_and_other_dtypes_are_data():
    model = compiled()
    expected = model.evaluate(X, Y, verbose=0)
    for x, y in ((X.tolist(), Y.ravel().tolist()), (ops.convert_to_tensor(X), Y), (X.astype("float64"), Y[:, 0])):
        assert np.isclose(model.evaluate(x, y, verbose=0), expected)
    images = (np.arange(40).reshape(10, 4)).astype("uint8")
    assert np.isclose(model.evaluate(images, Y, verbose=0), model.evaluate(images.astype("float32"), Y, verbose=0))
