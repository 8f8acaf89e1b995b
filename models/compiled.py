"""What `compile` is given, matched to a model's outputs: losses and metrics by structure, name or order.

Both sides of every pair are checked before the first step, and numerators and denominators are accumulated, so that
results do not depend on how the data were cut into batches.
"""

from __future__ import annotations

from typing import Any

from .. import losses as losses_module
from .. import metrics as metrics_module
from .. import nest
from ..errors import describe, suggest
from ..losses import Loss
from ..metrics import Mean, Metric
from ..tensor import dims
from ..trackable import Trackable


def by_output(spec: Any, names: list[str], kind: str) -> list[Any]:
    """One entry of a loss or metric specification for each output: given once, in a list, or by name.

    Raises:
      ValueError: if a list has another length, or a name is no output's.
    """
    if isinstance(spec, dict):
        for key in spec:
            if key not in names:
                raise ValueError(
                    f"compile: the {kind} names the output {key!r}, but the outputs are {names}.{suggest(key, names)}"
                )
        return [spec.get(name) for name in names]
    if isinstance(spec, (list, tuple)):
        if len(spec) != len(names):
            raise ValueError(f"compile: expected a {kind} for each of the outputs {names}, got {len(spec)}: {spec!r}.")
        return list(spec)
    return [spec] * len(names)


def flat_outputs(value: Any, names: list[str], kind: str) -> list[Any]:
    """Predictions or labels in the order of the outputs.

    Raises:
      ValueError: if their number or names differ from the outputs'.
    """
    if isinstance(value, dict):
        missing = [name for name in names if name not in value]
        if missing and set(value) != set(names):
            raise ValueError(f"{kind}: expected values for the outputs {names}, got {describe(value)}.")
        return [value[name] for name in names]
    leaves = nest.flatten(value)
    if len(leaves) != len(names):
        raise ValueError(f"{kind}: expected {len(names)} of them for the outputs {names}, got {len(leaves)}.")
    return leaves


def names_of(y_pred: Any, given: list[str] | None) -> list[str]:
    """The outputs' names: those of a functional model, the keys of a dictionary, else `output_0`, …"""
    if isinstance(y_pred, dict):
        return sorted(y_pred)
    count = len(nest.flatten(y_pred))
    if given is not None and len(given) == count:
        return given
    return [f"output_{i}" for i in range(count)]


class CompiledLoss(Trackable):
    """The losses of a model's outputs, their weights, and the running means of each.

    Args:
      loss: a name, function or Loss; or a list or dictionary of them by output; None for a model that adds its own.
      loss_weights: a factor for each output, likewise.
    """

    def __init__(self, loss: Any, loss_weights: Any = None):
        self.total = Mean(name="loss")
        self.by_output: dict[str, Mean] = {}
        self._loss = nest.map_structure(_as_loss, loss)
        self._weights = loss_weights
        self._bound: list[tuple[str, Loss | None, float]] | None = None

    def may_grow(self, name: Any) -> bool:
        """The outputs' means appear with the first batch."""
        return self._bound is None

    def _bind(self, names: list[str]) -> list[tuple[str, Loss | None, float]]:
        weights = by_output(1.0 if self._weights is None else self._weights, names, "loss_weights")
        chosen = by_output(self._loss, names, "loss")
        bound = [
            (name, loss, 1.0 if weight is None else float(weight))
            for name, loss, weight in zip(names, chosen, weights, strict=True)
        ]
        if len([loss for _, loss, _ in bound if loss is not None]) > 1:
            self.by_output = {name: Mean(name=f"{name}_loss") for name, loss, _ in bound if loss is not None}
        self._bound = bound
        return bound

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any, names: list[str]) -> Any:
        """The weighted sum of the outputs' losses, None if no output has one."""
        bound = self._bound or self._bind(names)
        labelled = [name for name, loss, _ in bound if loss is not None]
        if not labelled:
            return None
        if y_true is None:
            raise ValueError(f"The loss of {labelled} expected labels y, got None.")
        predictions = flat_outputs(y_pred, names, "predictions")
        labels = flat_outputs(y_true, labelled if len(nest.flatten(y_true)) == len(labelled) else names, "labels y")
        weights = _weights_for(sample_weight, labelled)
        total: Any = None
        remaining = (
            iter(labels)
            if len(labels) == len(labelled)
            else iter([label for label, (_, loss, _) in zip(labels, bound, strict=True) if loss is not None])
        )
        for prediction, (name, loss, factor) in zip(predictions, bound, strict=True):
            if loss is None:
                continue
            value = loss(next(remaining), prediction, weights[name])
            if name in self.by_output:
                self.by_output[name].update_state(value, sample_weight=int(dims(prediction)[0]))
            value = value if factor == 1.0 else value * factor
            total = value if total is None else total + value
        return total


def _as_loss(loss: Any) -> Any:
    """A Loss for a name, function, class or Loss; None stays None."""
    if loss is None or isinstance(loss, Loss):
        return loss
    found = losses_module.get(loss)
    return found if isinstance(found, Loss) else losses_module.LossFunctionWrapper(found)


def _weights_for(sample_weight: Any, labelled: list[str]) -> dict[str, Any]:
    if isinstance(sample_weight, dict):
        return {name: sample_weight.get(name) for name in labelled}
    if isinstance(sample_weight, (list, tuple)):
        if len(sample_weight) != len(labelled):
            raise ValueError(f"sample_weight: expected one for each of {labelled}, got {len(sample_weight)}.")
        return dict(zip(labelled, sample_weight, strict=True))
    return dict.fromkeys(labelled, sample_weight)


class CompiledMetrics(Trackable):
    """The metrics of a model's outputs; "accuracy" becomes the kind that the first batch's shapes call for.

    Args:
      metrics: names, functions or Metrics: one or a list for one output; lists by order or name for several.
      weighted: whether they see the sample weights.
    """

    def __init__(self, metrics: Any, weighted: bool = False):
        self._spec = metrics
        self._weighted = weighted
        self.metrics: list[Metric] = []
        self._bound: list[list[Metric]] | None = None
        if not isinstance(metrics, dict):
            for entry in nest.flatten(metrics):
                if entry is not None and not _is_accuracy(entry):
                    _as_metric(entry)

    def may_grow(self, name: Any) -> bool:
        """The metrics appear with the first batch."""
        return self._bound is None

    def _bind(self, y_true: list[Any], y_pred: list[Any], names: list[str]) -> list[list[Metric]]:
        spec = self._spec
        if len(names) == 1 and not isinstance(spec, dict):
            spec = [[] if spec is None else spec]
        chosen = by_output([] if spec is None else spec, names, "metrics") if spec else [[] for _ in names]
        bound: list[list[Metric]] = []
        for name, entries, true, prediction in zip(names, chosen, y_true, y_pred, strict=True):
            entries = [] if entries is None else entries if isinstance(entries, (list, tuple)) else [entries]
            bound.append([self._make(entry, true, prediction) for entry in nest.flatten(entries)])
            for metric in bound[-1]:
                metric.display_name = metric.name if len(names) == 1 else f"{name}_{metric.name}"
        self.metrics = [metric for group in bound for metric in group]
        self._bound = bound
        return bound

    @staticmethod
    def _make(entry: Any, y_true: Any, y_pred: Any) -> Metric:
        if _is_accuracy(entry):
            classes = dims(y_pred)[-1]
            if classes == 1:
                return metrics_module.BinaryAccuracy(name=entry)
            if len(dims(y_true)) < len(dims(y_pred)) or dims(y_true)[-1] == 1:
                return metrics_module.SparseCategoricalAccuracy(name=entry)
            return metrics_module.CategoricalAccuracy(name=entry)
        return _as_metric(entry)

    def update(self, y_true: Any, y_pred: Any, sample_weight: Any, names: list[str]) -> None:
        """Takes in one batch."""
        if not self._spec or y_true is None:
            return
        labels, predictions = flat_outputs(y_true, names, "labels y"), flat_outputs(y_pred, names, "predictions")
        weights = _weights_for(sample_weight if self._weighted else None, names)
        for group, name, label, prediction in zip(
            self._bound or self._bind(labels, predictions, names), names, labels, predictions, strict=True
        ):
            for metric in group:
                metric.update_state(label, prediction, sample_weight=weights[name])


def _is_accuracy(entry: Any) -> bool:
    return isinstance(entry, str) and entry in ("accuracy", "acc")


def _as_metric(entry: Any) -> Metric:
    """A Metric for a name, function, class or Metric."""
    found = entry if isinstance(entry, Metric) else metrics_module.get(entry)
    return found if isinstance(found, Metric) else metrics_module.MeanMetricWrapper(found, name=found.__name__)
