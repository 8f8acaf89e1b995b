"""Callback: what `fit`, `evaluate` and `predict` call while they run, and the list that calls them."""

from __future__ import annotations

from typing import Any, ClassVar

from ... import nest
from ...errors import describe
from ...trackable import Trackable

Logs = dict[str, Any]


class Callback(Trackable):
    """Called at the beginning and end of training, epochs and batches; override the hooks you need.

    `model` and `params` (epochs, steps, verbose) are set before the first hook runs. `logs` are metrics by name, empty
    at beginnings.

    Example:
      >>> class Announce(Callback):
      ...     def on_epoch_end(self, epoch, logs=None):
      ...         print(epoch, sorted(logs))
    """

    _untracked: ClassVar[frozenset[str]] = Trackable._untracked | {"model", "params"}
    model: Any = None
    params: dict[str, Any] = {}

    def set_model(self, model: Any) -> None:
        """Told which model is trained."""
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Told what `fit` was asked for."""
        self.params = params

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """After the last epoch."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Before an epoch."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """After an epoch and its validation."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a training step."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a training step."""
        self.on_batch_end(batch, logs)

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """The same as `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """The same as `on_train_batch_end`."""

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Before an evaluation."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """After an evaluation."""

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before an evaluation step."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After an evaluation step."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Before a prediction."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """After a prediction."""

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a prediction step."""

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a prediction step."""


class CallbackList:
    """Calls the hooks of several callbacks in order; a hook that nobody defines costs nothing.

    Args:
      callbacks: the callbacks: one, or lists of them; None for none.
      model: the model that is trained.
      params: what `fit` was asked for.

    Raises:
      ValueError: if an item is no Callback.
    """

    def __init__(self, callbacks: Any, model: Any, params: dict[str, Any]):
        self.callbacks = [callback for callback in nest.flatten(callbacks) if callback is not None]
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                raise ValueError(f"callbacks: expected Callback instances, got {describe(callback)}.")
        for callback in self.callbacks:
            callback.set_model(model)
            callback.set_params(params)

    def __call__(self, hook: str, *args: Any) -> None:
        """Calls one hook of each callback that defines it; the last argument may be a function that makes the logs."""
        defined = [callback for callback in self.callbacks if _defines(callback, hook)]
        if not defined:
            return
        *places, logs = args
        logs = logs() if callable(logs) else logs
        for callback in defined:
            getattr(callback, hook)(*places, {} if logs is None else logs)


# A hook whose default calls another one.
_CALLS = {"on_train_batch_begin": "on_batch_begin", "on_train_batch_end": "on_batch_end"}


def _defines(callback: Callback, hook: str) -> bool:
    """Whether a callback has a hook of its own, in its class or in the instance."""
    mine = getattr(getattr(callback, hook), "__func__", None)
    return mine is not getattr(Callback, hook) or (hook in _CALLS and _defines(callback, _CALLS[hook]))
