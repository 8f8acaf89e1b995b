"""ProgressBar: what `fit`, `evaluate` and `predict` show while they run."""

from __future__ import annotations

import sys
import time
from typing import Any, ClassVar

from ...adapters.progress import in_notebook, progress_bar
from ...tensor import dims
from .base import Callback, Logs


def shown(logs: Logs | None) -> str:
    """Metrics as a line of text."""
    return " - ".join(
        f"{name}: {float(value):.4g}" if dims(value) == () else f"{name}: {value}"
        for name, value in (logs or {}).items()
    )


def resolve_verbose(verbose: Any) -> int:
    """0: silent, 1: a bar, 2: a line for each epoch; "auto" is a bar in terminals and notebooks, else lines.

    Raises:
      ValueError: for another value.
    """
    if verbose == "auto":
        return 1 if in_notebook() or sys.stdout.isatty() else 2
    if verbose not in (0, 1, 2):
        raise ValueError(f"verbose: expected 'auto', 0, 1 or 2, got {verbose!r}.")
    return int(verbose)


class ProgressBar(Callback):
    """A bar for each epoch (verbose 1), or a line (verbose 2), with the metrics."""

    _untracked: ClassVar[frozenset[str]] = Callback._untracked | {"_bar"}

    def __init__(self) -> None:
        self._bar: Any = None
        self._next = 0.0

    def _open(self, description: str) -> None:
        self._start = time.perf_counter()
        self._next = 0.0
        self._done = 0
        if self.params["verbose"] == 1:
            self._bar = progress_bar(self.params["steps"] or None, description)

    def _advance(self, logs: Logs | None) -> None:
        self._done += 1
        now = time.perf_counter()
        if self._bar is not None and now >= self._next:  # metrics become text ten times a second at most
            self._bar.set_postfix_str(shown(logs), refresh=False)
            self._bar.update(self._done - self._bar.n)
            self._next = now + 0.1

    def _close(self, description: str, logs: Logs | None) -> None:
        if self._bar is not None:
            self._bar.set_postfix_str(shown(logs), refresh=False)
            self._bar.update(self._done - self._bar.n)
            self._bar.close()
            self._bar = None
        elif self.params["verbose"] == 2:
            print(f"{description} - {time.perf_counter() - self._start:.1f} s - {shown(logs)}", flush=True)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._open(f"Epoch {epoch + 1}/{self.params['epochs']}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._close(f"Epoch {epoch + 1}/{self.params['epochs']}", logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._advance(logs)

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def on_test_begin(self, logs: Logs | None = None) -> None:
        self._open("Evaluating")

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._advance(logs)

    def on_test_end(self, logs: Logs | None = None) -> None:
        self._close("Evaluated", logs)

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        self._open("Predicting")

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._advance(None)

    def on_predict_end(self, logs: Logs | None = None) -> None:
        self._close("Predicted", logs)
