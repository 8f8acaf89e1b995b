"""History: the metrics of every epoch."""

from __future__ import annotations

from typing import Any

from .base import Callback, Logs


class History(Callback):
    """The metrics of each epoch; `fit` returns it.

    `epoch` lists the epochs' numbers, `history` the metrics' values by name, one for each epoch.
    """

    def __init__(self) -> None:
        self.epoch: list[int] = []
        self.history: dict[str, list[float]] = {}

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)

    def get_state(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "history": self.history}

    def set_state(self, state: dict[str, Any]) -> None:
        self.epoch, self.history = list(state["epoch"]), {name: list(v) for name, v in state["history"].items()}
