"""Callbacks: every hook is called, in order, with metrics; and what is shown while training."""

import io
import sys
import types

import numpy as np
import pytest

from eagerly import callbacks
from eagerly.adapters import progress
from eagerly.callbacks import Callback, CallbackList, History, ProgressBar
from eagerly.models.callbacks.progress import resolve_verbose
from tiny import X, Y, compiled

HOOKS = [name for name in dir(Callback) if name.startswith("on_")]
PUBLIC = {
    "Callback": Callback,
    "CallbackList": lambda: CallbackList([], None, {}),
    "EarlyStopping": callbacks.EarlyStopping,
    "History": History,
    "LearningRateScheduler": lambda: callbacks.LearningRateScheduler(lambda epoch: 0.1),
    "ProgressBar": ProgressBar,
    "ReduceLROnPlateau": callbacks.ReduceLROnPlateau,
}


def test_conformance_table_lists_every_public_name():
    public = {name for name, value in vars(callbacks).items() if isinstance(value, type)}
    assert public == set(PUBLIC)
    assert all(make() is not None for make in PUBLIC.values())


def recorder(names=HOOKS):
    """A callback of those hooks, and the list it writes to."""
    calls = []

    def hook(name):
        def called(self, *args, logs=None):
            *places, last = (*args, logs) if logs is not None else args
            calls.append((name, *places, sorted(last)))

        return called

    return type("Recorder", (Callback,), {name: hook(name) for name in names})(), calls


def test_hooks_in_keras_order_with_logs():
    # The order of Keras 3.15, but for its two `on_test_batch_begin` in a row.
    model = compiled()
    watch, calls = recorder([name for name in HOOKS if name not in ("on_batch_begin", "on_batch_end")])
    model.fit(X, Y, batch_size=5, verbose=0, callbacks=watch, validation_data=(X, Y))
    assert calls == [
        ("on_train_begin", []),
        ("on_epoch_begin", 0, []),
        ("on_train_batch_begin", 0, []),
        ("on_train_batch_end", 0, ["loss"]),
        ("on_train_batch_begin", 1, []),
        ("on_train_batch_end", 1, ["loss"]),
        ("on_test_begin", []),
        ("on_test_batch_begin", 0, []),
        ("on_test_batch_end", 0, ["loss"]),
        ("on_test_batch_begin", 1, []),
        ("on_test_batch_end", 1, ["loss"]),
        ("on_test_end", ["loss"]),
        ("on_epoch_end", 0, ["loss", "val_loss"]),
        ("on_train_end", ["loss", "val_loss"]),
    ]
    calls.clear()
    model.predict(X, callbacks=[[watch]])
    model.evaluate(X, Y, verbose=0, callbacks=[watch])
    assert calls == [
        ("on_predict_begin", []),
        ("on_predict_batch_begin", 0, []),
        ("on_predict_batch_end", 0, ["outputs"]),
        ("on_predict_end", []),
        ("on_test_begin", []),
        ("on_test_batch_begin", 0, []),
        ("on_test_batch_end", 0, ["loss"]),
        ("on_test_end", ["loss"]),
    ]


def test_keras_older_names_of_the_batch_hooks():
    watch, calls = recorder(["on_batch_begin", "on_batch_end"])
    compiled().fit(X, Y, verbose=0, callbacks=[watch])
    assert calls == [("on_batch_begin", 0, []), ("on_batch_end", 0, ["loss"])]


def test_a_hook_may_be_set_on_the_instance():
    callback, seen = Callback(), []
    callback.on_epoch_end = lambda epoch, logs: seen.append((epoch, logs["loss"]))
    history = compiled().fit(X, Y, epochs=2, verbose=0, callbacks=[callback])
    assert seen == list(zip([0, 1], history.history["loss"], strict=True))


def test_model_and_params():
    callback = Callback()
    model = compiled()
    model.fit(X, Y, batch_size=4, epochs=2, verbose=0, callbacks=callback)
    assert callback.model is model and callback.params == {"verbose": 0, "epochs": 2, "steps": 3}
    model.fit(iter([(X, Y)]), verbose=0, callbacks=callback)
    assert callback.params["steps"] is None
    assert list(callback.children()) == []


@pytest.mark.parametrize("hook", ["on_epoch_end", "on_train_batch_end", "on_epoch_begin"])
def test_training_stops_when_a_callback_says_so(hook):
    class Stop(Callback):
        pass

    def stop(self, place, logs=None):
        self.model.stop_training = True

    setattr(Stop, hook, stop)
    model = compiled()
    history = model.fit(X, Y, batch_size=4, epochs=5, verbose=0, callbacks=[Stop()])
    assert history.epoch == [0] and int(model.optimizer.iterations) == (3 if hook == "on_epoch_end" else 1)
    assert model.fit(X, Y, epochs=2, verbose=0).epoch == [0, 1]


def test_logs_of_a_batch_are_those_so_far():
    seen = []

    class Look(Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(dict(logs))

    history = compiled(metrics=["mae"]).fit(X, Y, batch_size=5, verbose=0, callbacks=[Look()]).history
    assert list(seen[0]) == ["loss", "mae"] and type(seen[0]["mae"]) is float
    assert seen[-1]["loss"] == history["loss"][0] != seen[0]["loss"]


def test_history_keeps_its_state():
    history = compiled().fit(X, Y, epochs=2, verbose=0)
    twin = History()
    twin.set_state(history.get_state())
    assert twin.epoch == [0, 1] and twin.history == history.history and twin.history is not history.history


def test_no_output_when_silent_and_never_on_stderr(capsys):
    model = compiled()
    for verbose in (0, 1, 2, "auto"):
        model.fit(X, Y, verbose=verbose, validation_data=(X, Y))
        model.evaluate(X, Y, verbose=verbose)
        model.predict(X, verbose=verbose)
        captured = capsys.readouterr()
        assert captured.err == "" and bool(captured.out) == bool(verbose)


def test_a_line_for_each_epoch(capsys):
    compiled(metrics=["mae"]).fit(X, Y, epochs=2, verbose=2, validation_data=(X, Y))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[0].startswith("Epoch 1/2 - ") and lines[1].startswith("Epoch 2/2 - ")
    for name in (" - loss: ", " - mae: ", " - val_loss: ", " - val_mae: "):
        assert name in lines[0]


def test_a_bar_for_each_epoch(capsys):
    model = compiled()
    history = model.fit(X, Y, batch_size=2, epochs=2, verbose=1)
    out = capsys.readouterr().out
    assert "Epoch 1/2: 100%" in out and "Epoch 2/2: 100%" in out and "5/5" in out
    assert f"loss: {history.history['loss'][-1]:.4g}" in out
    model.evaluate(X, Y, batch_size=5, verbose=1)
    assert "Evaluating: 100%" in capsys.readouterr().out
    model.predict(X, batch_size=5, verbose=1)
    assert "Predicting: 100%" in capsys.readouterr().out
    model.fit(iter([(X, Y)] * 3), verbose=1)
    assert "3it" in capsys.readouterr().out


def test_a_bar_that_a_failure_left_open_does_no_harm(capsys):
    model = compiled()
    with pytest.raises(ValueError):
        model.fit(X, np.ones((10, 3)), verbose=1)
    model.fit(X, Y, verbose=1)
    assert capsys.readouterr().err == ""


def test_auto_is_a_bar_in_terminals_and_notebooks(monkeypatch):
    assert resolve_verbose("auto") == 2
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stdout", terminal)
    assert resolve_verbose("auto") == 1
    terminal.isatty = lambda: False
    assert resolve_verbose("auto") == 2
    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    assert resolve_verbose("auto") == 1 and progress.in_notebook()
    shell = type("TerminalInteractiveShell", (), {})()
    assert resolve_verbose("auto") == 2 and not progress.in_notebook()


def test_a_notebook_without_widgets_gets_a_text_bar(monkeypatch, capsys):
    monkeypatch.setattr(progress, "in_notebook", lambda: True)
    monkeypatch.setattr(progress.importlib.util, "find_spec", lambda name: None)
    bar = progress.progress_bar(2, "Working")
    bar.update(2)
    bar.close()
    captured = capsys.readouterr()
    assert "Working: 100%" in captured.out and captured.err == ""


def test_verbose_is_checked():
    assert [resolve_verbose(value) for value in (0, 1, 2, True, False)] == [0, 1, 2, 1, 0]
    for wrong in (3, "loud", None):
        with pytest.raises(ValueError, match="verbose: expected 'auto', 0, 1 or 2, got"):
            resolve_verbose(wrong)
