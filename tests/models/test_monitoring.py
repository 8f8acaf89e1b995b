"""Callbacks that go by a metric: Keras's behavior, and what they know survives a checkpoint."""

import re

import numpy as np
import pytest

import eagerly
from eagerly import Input, Sequential, optim
from eagerly.callbacks import Callback, EarlyStopping, History, LearningRateScheduler, ReduceLROnPlateau
from eagerly.checkpoint import Checkpoint
from eagerly.errors import RestoreError
from eagerly.layers import Dense, Dropout
from tiny import X, Y, compiled, values


class Script(Callback):
    """Puts metrics of its own into the logs, before the callbacks that follow look at them."""

    def __init__(self, **metrics):
        self.metrics = metrics

    def on_epoch_end(self, epoch, logs=None):
        logs.update({name: series[epoch] for name, series in self.metrics.items()})


def numbers(variables):
    return [variable.numpy().tobytes() for variable in variables]


def run(callback, epochs=8, initial_epoch=0, model=None, **metrics):
    model = model or compiled()
    history = History()
    callbacks = [Script(**metrics), callback, history]
    model.fit(X, Y, epochs=epochs, initial_epoch=initial_epoch, verbose=0, callbacks=callbacks)
    return model, history


@pytest.mark.parametrize(
    ("options", "series", "last"),
    [
        ({}, [3, 2, 2, 1, 1, 1, 1, 1], 2),
        ({"patience": 2}, [3, 2, 2, 1, 1, 1, 1, 1], 5),
        ({"patience": 2, "min_delta": 0.5}, [3, 2, 1.9, 1.8, 1, 1, 1, 1], 3),
        ({"patience": 1, "mode": "max"}, [1, 2, 3, 3, 9, 9, 9, 9], 3),
        ({"patience": 2, "baseline": 1.5}, [3, 2, 1.9, 1, 1, 1, 1, 1], 5),
        ({"patience": 1, "start_from_epoch": 4}, [1, 2, 3, 4, 5, 6, 7, 8], 5),
        ({"patience": 1}, [float("nan")] * 8, 1),
    ],
    ids=str,
)
def test_training_stops_as_with_keras(options, series, last):
    """The last epochs are those of keras.callbacks.EarlyStopping 3.15."""
    stopping = EarlyStopping("val_x_loss", **options)
    _, history = run(stopping, val_x_loss=series)
    assert history.epoch == list(range(last + 1))
    assert stopping.stopped_epoch == last


def test_the_best_weights_come_back(capsys):
    kept = []

    class Keep(Callback):
        def on_epoch_end(self, epoch, logs=None):
            kept.append(numbers(self.model.weights))

    model, stopping = compiled(), EarlyStopping("my_loss", patience=2, restore_best_weights=True, verbose=1)
    script = Script(my_loss=[3, 1, 2, 2, 0])
    model.fit(X, Y, epochs=5, verbose=0, callbacks=[Keep(), script, stopping])
    assert len(kept) == 4 and stopping.best_epoch == 1 and numbers(model.weights) == kept[1] != kept[3]
    out = capsys.readouterr().out
    assert "Epoch 4: early stopping" in out and "Restoring the weights of epoch 2, the best one" in out


@pytest.mark.parametrize(
    ("name", "falls"),
    [("loss", True), ("val_mse", True), ("mean_absolute_error", True), ("val_accuracy", False), ("auc", False)],
)
def test_the_mode_goes_by_the_name(name, falls):
    stopping = EarlyStopping(name)
    assert stopping.improves(1.0, 2.0) is falls and stopping.improves(2.0, 1.0) is not falls


def test_what_is_refused(recwarn):
    with pytest.raises(ValueError, match=r"EarlyStopping: expected the mode 'auto', 'min' or 'max', got 'least'\."):
        EarlyStopping(mode="least")
    with pytest.raises(ValueError, match=r"ReduceLROnPlateau: expected a factor < 1, got 1\."):
        ReduceLROnPlateau(factor=1)
    for name in ("speed", "accuracy_loss"):
        message = f"EarlyStopping: expected a metric that is known to rise or to fall, got '{name}'. Pass mode='max'"
        with pytest.raises(ValueError, match=re.escape(message)):
            run(EarlyStopping(name), **{name: [1.0] * 8})
    with pytest.raises(ValueError, match=r"LearningRateScheduler: expected a number from the schedule, got None\."):
        run(LearningRateScheduler(lambda epoch: None))


@pytest.mark.parametrize("kind", [EarlyStopping, ReduceLROnPlateau])
def test_a_metric_that_is_not_there_is_told(kind):
    with pytest.warns(UserWarning, match=f"{kind.__name__}: expected the metric 'val_loss', got loss"):
        _, history = run(kind(), epochs=2)
    assert history.epoch == [0, 1]


def test_the_learning_rate_falls(capsys):
    plateau = ReduceLROnPlateau("my_loss", factor=0.5, patience=2, cooldown=1, min_lr=0.2, verbose=1)
    model = compiled()
    model.optimizer.learning_rate = 1.0
    _, history = run(plateau, epochs=10, model=model, my_loss=[3, 2, 2, 2, 2, 2, 2, 2, 2, 2])
    # Two epochs without better, then one that does not count, and never below min_lr.
    np.testing.assert_allclose(history.history["learning_rate"], [1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2])
    assert "Epoch 4: the learning rate falls from 1 to 0.5" in capsys.readouterr().out


def test_the_learning_rate_follows_a_schedule(capsys):
    _, history = run(LearningRateScheduler(lambda epoch: 1 / (epoch + 1), verbose=1), epochs=3)
    np.testing.assert_allclose(history.history["learning_rate"], [1, 1 / 2, 1 / 3], rtol=1e-6)
    assert "Epoch 2: the learning rate is 0.5" in capsys.readouterr().out
    model = compiled()
    model.optimizer.learning_rate = 1.0
    _, history = run(LearningRateScheduler(lambda epoch, rate: rate / 2), epochs=3, model=model)
    assert history.history["learning_rate"] == [0.5, 0.25, 0.125]


def network(seed):
    eagerly.random.set_seed(seed)
    model = Sequential([Input((4,)), Dense(5, "relu"), Dropout(0.3), Dense(1)])
    model.compile(optim.Adam(0.05), "mse")
    return model


def with_callbacks(seed):
    stopping = EarlyStopping("val_loss", patience=3, min_delta=0.01, restore_best_weights=True)
    plateau = ReduceLROnPlateau("val_loss", factor=0.3, patience=1, min_delta=0.05, cooldown=1)
    return network(seed), [stopping, plateau, History()]


class Save(Callback):
    """Saves at the end of each epoch; it is the last of the callbacks."""

    def __init__(self, checkpoint, folder):
        self.checkpoint, self.folder = [checkpoint], folder

    def on_epoch_end(self, epoch, logs=None):
        self.checkpoint[0].write(self.folder / f"{epoch}.h5", sync=False)


def known(callbacks):
    return [callback.get_state() for callback in callbacks]


def test_a_resumed_run_is_the_one_that_was_not_interrupted(tmp_path):
    options = {"epochs": 40, "batch_size": 3, "verbose": 0, "validation_data": (X[::-1], Y)}
    whole, callbacks = with_callbacks(1)
    checkpoint = Checkpoint(model=whole, callbacks=callbacks, random=eagerly.random.streams)
    whole.fit(X, Y, callbacks=[*callbacks, Save(checkpoint, tmp_path)], **options)
    last = callbacks[0].stopped_epoch
    assert 3 < last < 39 and callbacks[0].best_epoch < last and float(whole.optimizer.learning_rate) < 0.04
    for epoch in range(last):
        model, others = with_callbacks(2)
        status = Checkpoint(model=model, callbacks=others, random=eagerly.random.streams).restore(
            tmp_path / f"{epoch}.h5"
        )
        assert others[0].get_state()["best"] is not None
        model.fit(X, Y, callbacks=others, initial_epoch=epoch + 1, **options)
        status.assert_consumed()
        assert known(others) == known(callbacks), epoch
        assert values(model) == values(whole), epoch
        assert numbers(others[0].best_weights) == numbers(callbacks[0].best_weights)


def test_a_fit_from_the_first_epoch_begins_anew():
    stopping = EarlyStopping("my_loss", patience=1, restore_best_weights=True)
    for _ in range(2):
        _, history = run(stopping, my_loss=[3, 2, 2, 1, 1, 1, 1, 1])
        assert history.epoch == [0, 1, 2] and stopping.best == 2


def test_best_weights_that_do_not_fit_are_refused(tmp_path):
    stopping = EarlyStopping("loss", restore_best_weights=True)
    compiled(layers=[Dense(3), Dense(1)]).fit(X, Y, epochs=2, verbose=0, callbacks=[stopping])
    path = Checkpoint(stopping=stopping).write(tmp_path / "c.h5")
    other = EarlyStopping("loss", restore_best_weights=True)
    status = Checkpoint(stopping=other).restore(path)
    assert len(status.pending) == 4 and other.best == stopping.best
    with pytest.raises(RestoreError, match="what was created does not fit the values that wait for it"):
        compiled(layers=[Dense(2), Dense(1)]).fit(X, Y, epochs=3, initial_epoch=2, verbose=0, callbacks=[other])
    with pytest.raises(RestoreError, match="not in the objects:\n  stopping/best_weights"):
        Checkpoint(stopping=EarlyStopping("loss")).restore(path)
