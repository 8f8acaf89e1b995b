"""EarlyStopping: ends training when a metric has not got better for some epochs."""

from __future__ import annotations

from typing import Any

from ...variable import Variable
from .base import Logs
from .monitoring import Monitoring


class EarlyStopping(Monitoring):
    """Ends training when a metric has not got better for `patience` epochs.

    What it knows is saved with a checkpoint that holds it, the best weights too.

    Args:
      monitor: the metric's name in the logs.
      min_delta: how much better counts as better.
      patience: the epochs without anything better after which training ends.
      verbose: 1 prints when it ends.
      mode: "min" or "max" is better; "auto" goes by the name.
      baseline: what has to be reached for patience to begin anew.
      restore_best_weights: whether the model gets the weights of its best epoch at the end.
      start_from_epoch: the epochs before this one do not count.

    Raises:
      ValueError: for another mode; in `fit`, if "auto" knows no mode for the name.

    Example:
      >>> stopping = EarlyStopping("val_loss", patience=3, restore_best_weights=True)
      >>> stopping.get_state()
      {'best': None, 'wait': 0, 'best_epoch': 0, 'stopped_epoch': 0}
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ):
        super().__init__(monitor, mode, min_delta)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self.best_epoch = self.stopped_epoch = 0
        self.best_weights: list[Variable] = []

    def begin(self) -> None:
        super().begin()
        self.best_epoch = self.stopped_epoch = 0
        self.best_weights = []

    def may_grow(self, name: Any) -> bool:
        return name == "best_weights" and self.restore_best_weights and not self.best_weights

    def get_state(self) -> dict[str, Any]:
        names = ("best", "wait", "best_epoch", "stopped_epoch")
        return {name: getattr(self, name) for name in names}

    def set_state(self, state: dict[str, Any]) -> None:
        self.best, self.wait = state["best"], state["wait"]
        self.best_epoch, self.stopped_epoch = state["best_epoch"], state["stopped_epoch"]

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.restore_best_weights and not self.best_weights:
            # Where a checkpoint has some, they arrive with this.
            self.best_weights = [Variable(weight.value, trainable=False) for weight in self.model.weights]
        value = self.current(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self.improves(value, self.best):
            self.best, self.best_epoch = value, epoch
            for kept, weight in zip(self.best_weights, self.model.weights, strict=False):
                kept.assign(weight.value)
            if self.baseline is None or self.improves(value, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.stopped_epoch and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.best_weights:
            if self.verbose:
                print(f"Restoring the weights of epoch {self.best_epoch + 1}, the best one")
            for kept, weight in zip(self.best_weights, self.model.weights, strict=True):
                weight.assign(kept.value)
