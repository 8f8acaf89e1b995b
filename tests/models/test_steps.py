"""Steps: one's own as Keras documents them, and a step that fails leaves everything as it was."""

import gc

import numpy as np
import pytest

import eagerly
from eagerly import GradientTape, Input, Layer, Model, Sequential, metrics, ops, optim
from eagerly.callbacks import Callback
from eagerly.context import context
from eagerly.data.batches import unpack
from eagerly.layers import BatchNormalization, Dense, Dropout
from tiny import X, Y, compiled, functional, same_bits, values, with_cosines


class Documented(Model):
    """The train_step of Keras's guide, with metrics found in a loop."""

    def train_step(self, data):
        x, y = data
        with GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(y=y, y_pred=y_pred)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, y_pred)
        return {metric.name: metric.result() for metric in self.metrics}


def made(cls=Model, **options):
    x = Input((4,))
    model = with_cosines(cls(x, Dense(1)(Dense(3, activation="tanh")(x))))
    model.compile(optim.Adam(0.05), "mse", **options)
    return model


def test_a_step_as_in_the_guide_trains_as_the_stock_one():
    own, stock = made(Documented, metrics=["mae"]), made(metrics=["mae"], run_eagerly=True)
    first = own.fit(X, Y, batch_size=5, epochs=3, shuffle=False, verbose=0).history
    second = stock.fit(X, Y, batch_size=5, epochs=3, shuffle=False, verbose=0).history
    assert values(own.optimizer) == values(stock.optimizer)
    assert np.allclose(first["loss"], second["loss"]) and np.allclose(first["mae"], second["mae"])


def test_what_a_step_is_given():
    seen = []

    class Look(Sequential):
        def train_step(self, data):
            seen.append(data)
            return {"loss": 0.0}

        test_step = train_step

        def predict_step(self, data):
            seen.append(data)
            return ops.zeros(len(data[0] if isinstance(data, tuple) else data))

    model = Look([Dense(1)])
    model.compile()
    model.fit(X, verbose=0)
    model.fit(X, Y, verbose=0)
    model.fit(X, Y, sample_weight=np.ones(10), verbose=0)
    model.evaluate(X, Y, verbose=0)
    model.fit((X, X), verbose=0)
    model.predict(X)
    shapes = [len(data) if isinstance(data, tuple) else "x" for data in seen]
    assert shapes == ["x", 2, 3, 2, 1, "x"]
    assert [len(unpack(data)) for data in seen] == [3] * 6


def test_overridden_evaluation_prediction_loss_and_metrics():
    class Own(Model):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.seen = metrics.Mean(name="seen")

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
            return ops.mean(ops.square(y - y_pred)) * 2

        def compute_metrics(self, x, y, y_pred, sample_weight=None):
            results = super().compute_metrics(x, y, y_pred, sample_weight)
            self.seen.update_state(ops.cast(len(x), "float32"))
            return {**results, "seen": self.seen.result(), "constant": 3}

        def predict_step(self, data):
            return {"y": super().predict_step(data) + 1}

    model = made(Own, metrics=["mae"])
    stock = made()
    results = model.evaluate(X, Y, batch_size=5, verbose=0, return_dict=True)
    assert results["loss"] == pytest.approx(2 * stock.evaluate(X, Y, verbose=0), rel=1e-6)
    assert results["seen"] == 5 and results["constant"] == 3 and "mae" in results
    history = model.fit(X, Y, batch_size=5, verbose=0).history
    assert history["constant"] == [3] and history["seen"] == [5]
    assert np.allclose(model.predict(X)["y"], np.asarray(model(X)) + 1)


def test_a_test_step_of_ones_own():
    class Own(Model):
        def test_step(self, data):
            x, y = data
            return {"largest": ops.max(ops.abs(self(x, training=False) - y))}

    model = made(Own)
    largest = np.abs(np.asarray(model(X)) - Y).max()
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(largest)
    assert model.fit(X, Y, verbose=0, validation_data=(X, Y)).history["val_largest"][0] > 0


def test_optimizers_and_metrics_of_ones_own_as_in_the_guide_on_gans():
    class Pair(Model):
        def __init__(self):
            super().__init__()
            self.a, self.b = Dense(1), Dense(1)
            self.a_loss, self.b_loss = metrics.Mean(name="a_loss"), metrics.Mean(name="b_loss")

        def compile(self, a_optimizer, b_optimizer, loss_fn):
            super().compile()
            self.a_optimizer, self.b_optimizer, self.loss_fn = a_optimizer, b_optimizer, loss_fn

        @property
        def metrics(self):
            return [self.a_loss, self.b_loss]

        def train_step(self, data):
            if isinstance(data, tuple):
                data = data[0]
            for layer, optimizer, mean in (
                (self.a, self.a_optimizer, self.a_loss),
                (self.b, self.b_optimizer, self.b_loss),
            ):
                with GradientTape() as tape:
                    loss = self.loss_fn(ops.ones((len(data), 1)), layer(data))
                optimizer.apply(tape.gradient(loss, layer.trainable_weights), layer.trainable_weights)
                mean.update_state(loss)
            return {"a_loss": self.a_loss.result(), "b_loss": self.b_loss.result()}

    model = Pair()
    model.compile(optim.Adam(0.1), optim.SGD(0.1), eagerly.losses.MeanSquaredError())
    history = model.fit(X, epochs=4, verbose=0).history
    assert list(history) == ["a_loss", "b_loss"] and history["a_loss"][-1] < history["a_loss"][0]


def test_a_step_that_gives_no_dictionary():
    class Own(Sequential):
        def train_step(self, data):
            return ops.zeros(())

    model = Own([Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"return a dictionary of metrics by name, got float32\[\]"):
        model.fit(X, Y, verbose=0)


# All or nothing.


class Explosive(Layer):
    """Raises in the call after `fuse` runs out."""

    fuse = 10**9
    error: BaseException = RuntimeError("boom")

    def call(self, inputs):
        Explosive.fuse -= 1
        if Explosive.fuse < 0:
            raise Explosive.error
        return inputs


def in_loss(y_true, y_pred):
    Explosive()(y_pred)
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


class InMetric(metrics.Metric):
    def __init__(self):
        super().__init__(name="in_metric")
        self.total = self.add_variable(())

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.total.assign_add(1.0)
        Explosive()(y_pred)

    def result(self):
        return self.total.value


class InConstraint(eagerly.constraints.Constraint):
    """Runs after a variable was updated, in the middle of the optimizer's step."""

    def __call__(self, w):
        return Explosive()(w)


PLACES = {
    "call": {"layers": [Explosive()]},
    "loss": {"loss": in_loss},
    "metric": {"metrics": [InMetric]},
    "optimizer": {"constraint": InConstraint()},
}


def explosive(place, known_input=True):
    eagerly.random.set_seed(11)
    options = PLACES[place]
    model = Sequential(
        [
            *([Input((4,))] if known_input else []),
            Dense(3),
            BatchNormalization(),
            Dropout(0.5),
            *options.get("layers", []),
            Dense(1, kernel_constraint=options.get("constraint")),
        ]
    )
    metric = [kind() for kind in options.get("metrics", [])]
    model.compile(optim.Adam(0.1), options.get("loss", "mse"), metrics=["mae", *metric])
    return model


@pytest.fixture
def disarmed():
    Explosive.fuse, Explosive.error = 10**9, RuntimeError("boom")
    yield
    Explosive.fuse, Explosive.error = 10**9, RuntimeError("boom")


class Snapshot(Callback):
    def on_train_batch_begin(self, batch, logs=None):
        self.before = values(self.model)


@pytest.mark.parametrize("error", [RuntimeError("boom"), KeyboardInterrupt()], ids=["error", "interrupt"])
@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("place", PLACES)
def test_a_step_that_fails_leaves_everything_as_it_was(place, steps, error, disarmed):
    model, snapshot = explosive(place), Snapshot()
    model.fit(X, Y, batch_size=2, verbose=0, shuffle=False)
    Explosive.fuse, Explosive.error = steps, error
    with pytest.raises(type(error)):
        model.fit(X, Y, batch_size=2, verbose=0, callbacks=[snapshot])
    assert values(model) == snapshot.before and context.is_clean()
    assert int(model.optimizer.iterations) == 5 + steps
    # Training goes on as if nothing had happened.
    Explosive.fuse = 10**9
    twin = explosive(place)
    twin.fit(X, Y, batch_size=2, verbose=0, shuffle=False)
    twin.fit(X, Y, batch_size=2, verbose=0, steps_per_epoch=steps)
    history = [m.fit(X, Y, batch_size=2, verbose=0, shuffle=False).history for m in (model, twin)]
    assert history[0] == history[1] and values(model) == values(twin)


@pytest.mark.parametrize("known_input", [True, False])
@pytest.mark.parametrize("place", PLACES)
def test_a_first_step_that_fails_leaves_everything_as_it_was(place, known_input, disarmed):
    model = explosive(place, known_input)
    before = values(model)
    Explosive.fuse = 0
    with pytest.raises(RuntimeError, match="boom"):
        model.fit(X, Y, shuffle=False, verbose=0)
    assert values(model) == before and model.built is known_input and not model.optimizer.built
    assert model.metrics_names == ["loss"] and context.is_clean()
    Explosive.fuse = 10**9
    assert model.fit(X, Y, shuffle=False, verbose=0).history["loss"][0] > 0


def test_labels_that_do_not_fit_leave_everything_as_it_was():
    model = explosive("call")
    model.fit(X, Y, verbose=0)
    before = values(model)
    for y in (np.ones((10, 2)), None, [Y, Y]):
        with pytest.raises(ValueError):
            model.fit(X, y, verbose=0, shuffle=False)
        assert values(model)[1:] == before[1:] or len(values(model)) == len(before)
    assert {v for v in values(model.optimizer)} <= set(before)
    assert same_bits(model.optimizer.iterations, np.int64(1))
    assert model.fit(X, Y, verbose=0).history["loss"]


def test_an_error_names_the_layer_and_the_data(disarmed):
    model = explosive("call")
    Explosive.fuse = 0
    with pytest.raises(RuntimeError) as caught:
        model.fit(X, Y, verbose=0)
    assert "explosive" in "".join(caught.value.__notes__) and "float32[10, 3]" in "".join(caught.value.__notes__)


# Nothing grows.


def test_steps_leave_nothing_behind():
    model = functional()
    model.compile("adam", "mse", metrics=["mae"])
    data = (ops.convert_to_tensor(X), ops.convert_to_tensor(Y))

    def steps(count):
        for _ in range(count):
            model.train_step(data)

    steps(3)
    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        steps(300)
        assert abs(len(gc.get_objects()) - before) < 20
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_epochs_leave_no_cycles_behind():
    model = compiled("adam", "mse", metrics=["mae"])
    model.fit(X, Y, batch_size=2, verbose=0, validation_data=(X, Y))
    model.predict(X)  # making a kernel leaves cycles, once
    gc.collect()
    gc.disable()
    try:
        model.fit(X, Y, batch_size=2, epochs=20, verbose=0, validation_data=(X, Y))
        model.evaluate(X, Y, verbose=0)
        model.predict(X)
        assert gc.collect() < 30  # the last History and its model, once for a fit and not for a step
    finally:
        gc.enable()
