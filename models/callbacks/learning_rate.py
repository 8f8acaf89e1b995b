"""Callbacks that change the learning rate, which is the optimizer's and saved with it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from .base import Callback, Logs
from .monitoring import Monitoring


class ReduceLROnPlateau(Monitoring):
    """Lowers the learning rate when a metric has not got better for some epochs.

    What it knows is saved with a checkpoint that holds it.

    Args:
      monitor: the metric's name in the logs.
      factor: what the learning rate is multiplied by, < 1.
      patience: the epochs without anything better after which it is.
      verbose: 1 prints each change.
      mode: "min" or "max" is better; "auto" goes by the name.
      min_delta: how much better counts as better.
      cooldown: the epochs after a change that do not count.
      min_lr: the lowest learning rate.

    Raises:
      ValueError: for a factor of 1 or more, or another mode; in `fit`, if "auto" knows no mode for the name.

    Example:
      >>> ReduceLROnPlateau("loss", factor=0.5, patience=2).get_state()
      {'best': None, 'wait': 0, 'cooldown_counter': 0}
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ):
        super().__init__(monitor, mode, min_delta)
        if factor >= 1:
            raise ValueError(f"ReduceLROnPlateau: expected a factor < 1, got {factor}.")
        self.factor = factor
        self.patience = patience
        self.verbose = verbose
        self.cooldown = cooldown
        self.min_lr = min_lr
        self.cooldown_counter = 0

    def begin(self) -> None:
        super().begin()
        self.cooldown_counter = 0

    def get_state(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("best", "wait", "cooldown_counter")}

    def set_state(self, state: dict[str, Any]) -> None:
        self.best, self.wait, self.cooldown_counter = state["best"], state["wait"], state["cooldown_counter"]

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        _tell(self, logs)
        value = self.current(logs)
        if value is None:
            return
        if self.cooldown_counter:
            self.cooldown_counter -= 1
            self.wait = 0
        if self.improves(value, self.best):
            self.best, self.wait = value, 0
        elif not self.cooldown_counter:
            self.wait += 1
            if self.wait >= self.patience:
                self._reduce(epoch)

    def _reduce(self, epoch: int) -> None:
        optimizer = self.model.optimizer
        before = float(optimizer.learning_rate)
        after = max(before * self.factor, self.min_lr)
        if after < before:
            optimizer.learning_rate = after
            self.cooldown_counter, self.wait = self.cooldown, 0
            if self.verbose:
                print(f"Epoch {epoch + 1}: the learning rate falls from {before:.6g} to {after:.6g}")


class LearningRateScheduler(Callback):
    """Sets the learning rate at the beginning of each epoch.

    Args:
      schedule: gives the new one for the epoch, counted from 0, and if it takes two arguments the one before.
      verbose: 1 prints it.

    Raises:
      ValueError: in `fit`, if the schedule gives no number.

    Example:
      >>> scheduler = LearningRateScheduler(lambda epoch, rate: rate if epoch < 10 else rate * 0.9)
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0):
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        optimizer = self.model.optimizer
        both = (epoch, float(optimizer.learning_rate))
        rate = self.schedule(*both[: len(inspect.signature(self.schedule).parameters)])
        try:
            optimizer.learning_rate = float(rate)
        except TypeError:
            raise ValueError(f"LearningRateScheduler: expected a number from the schedule, got {rate!r}.") from None
        if self.verbose:
            print(f"Epoch {epoch + 1}: the learning rate is {float(rate):.6g}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        _tell(self, logs)


def _tell(callback: Callback, logs: Logs | None) -> None:
    """The learning rate among the metrics, where History and others see it."""
    if logs is not None:
        logs["learning_rate"] = float(callback.model.optimizer.learning_rate)
