"""Monitoring: what callbacks share that act on whether a metric gets better."""

from __future__ import annotations

import re
import warnings

from .base import Callback, Logs

_FALLS = re.compile("loss|error|entropy|divergence|poisson|log_?cosh|(^|_)m(s|a|ap|sl)e$")
_RISES = re.compile("acc|auc|precision|recall|score|similarity|iou|sensitivity|specificity")


class Monitoring(Callback):
    """A callback that goes by one metric.

    A fit from epoch 0 on begins anew; one with an `initial_epoch` goes on with what there is, be it from the fit before
    or out of a checkpoint.
    """

    def __init__(self, monitor: str, mode: str, min_delta: float):
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"{type(self).__name__}: expected the mode 'auto', 'min' or 'max', got {mode!r}.")
        self.monitor = monitor
        self.mode = mode
        self.min_delta = abs(min_delta)
        self.best: float | None = None
        self.wait = 0

    def begin(self) -> None:
        """Forgets what was before."""
        self.best, self.wait = None, 0

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        if epoch == 0:
            self.begin()

    def current(self, logs: Logs | None) -> float | None:
        """The metric of an epoch; None, and a warning, if it is not there."""
        value = (logs or {}).get(self.monitor)
        if value is None:
            warnings.warn(
                f"{type(self).__name__}: expected the metric {self.monitor!r}, got {', '.join(logs or ()) or 'none'}. "
                "This epoch does not count.",
                stacklevel=2,
            )
            return None
        return float(value)

    def improves(self, value: float, reference: float | None) -> bool:
        """Whether a value is better than another one by more than `min_delta`."""
        if reference is None:
            return True
        return value + self.min_delta < reference if self._falls() else value - self.min_delta > reference

    def _falls(self) -> bool:
        if self.mode != "auto":
            return self.mode == "min"
        name = self.monitor.removeprefix("val_")
        if bool(_FALLS.search(name)) is bool(_RISES.search(name)):
            raise ValueError(
                f"{type(self).__name__}: expected a metric that is known to rise or to fall, got {self.monitor!r}. "
                "Pass mode='max' or mode='min'."
            )
        return bool(_FALLS.search(name))
