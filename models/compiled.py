"""What `compile` is given, matched to a model's outputs: losses and metrics by structure, name or order.

Both sides of every pair are checked before the first step, and numerators and denominators are accumulated, so that
results do not depend on how the data were cut into batches.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from .. import losses as losses_module
from .. import metrics as metrics_module
from .. import nest
from ..context import scoped
from ..errors import describe, suggest
from ..losses import Loss
from ..losses.base import quotient
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
    """Predictions in the order of the outputs.

    Raises:
      ValueError: if their number differs from the outputs'.
    """
    if isinstance(value, dict):
        return [value[name] for name in names]
    leaves = nest.flatten(value)
    if len(leaves) != len(names):
        raise ValueError(f"{kind}: expected {len(names)} of them for the outputs {names}, got {len(leaves)}.")
    return leaves


def names_of(y_pred: Any, given: list[str] | None) -> list[str]:
    """The outputs' names: those of a functional model, the keys of a dictionary, else `output_0` and so on."""
    if isinstance(y_pred, dict):
        return sorted(y_pred)
    count = len(nest.flatten(y_pred))
    if given is not None and len(given) == count:
        return given
    return [f"output_{i}" for i in range(count)]


def labels_of(y_true: Any, names: list[str], wanted: list[str], kind: str = "labels y") -> dict[str, Any]:
    """The labels (or weights, which may be missing) by output, of a dictionary or in order.

    In order, there is one for each output, or for each that wants one.

    Raises:
      ValueError: if one that is wanted is missing, or their number is another.
    """
    if isinstance(y_true, dict):
        if kind == "labels y" and any(name not in y_true for name in wanted):
            raise ValueError(f"{kind}: expected values for the outputs {wanted}, got {describe(y_true)}.")
        return y_true
    leaves = nest.flatten(y_true)
    if len(leaves) not in (len(names), len(wanted)):
        raise ValueError(f"{kind}: expected {len(names)} of them for the outputs {names}, got {len(leaves)}.")
    return dict(zip(names if len(leaves) == len(names) else wanted, leaves, strict=True))


class CompiledLoss(Trackable):
    """The losses of a model's outputs, their weights, and the running means of each.

    `amount` is what the last batch's loss counts in a mean over batches, None if that is the number of its rows.

    Args:
      loss: a name, function or Loss; or a list or dictionary of them by output; None for a model that adds its own.
      loss_weights: a factor for each output, likewise.
    """

    def __init__(self, loss: Any, loss_weights: Any = None):
        self.total = Mean(name="loss")
        self.by_output: list[Mean] = []
        self.amount: Any = None
        self._loss = nest.map_structure(_as_loss, loss)
        for weight in nest.flatten(loss_weights):
            if weight is not None and (isinstance(weight, bool) or not isinstance(weight, (int, float, np.number))):
                raise ValueError(
                    f"compile: expected numbers as loss_weights, got {weight!r}. Metrics come as metrics=."
                )
        self._weights = nest.map_structure(lambda weight: None if weight is None else float(weight), loss_weights)
        self._bound: list[tuple[str, Loss | None, float]] | None = None
        self._fresh = False

    def may_grow(self, name: Any) -> bool:
        """The outputs' means appear with the first batch."""
        return self._bound is None

    def reset(self) -> None:
        """Begins the means anew, those that the first batch will bring included."""
        self._fresh = True
        for mean in (self.total, *self.by_output):
            mean.reset_state()

    def _bind(self, names: list[str]) -> list[tuple[str, Loss | None, float]]:
        weights = by_output(1.0 if self._weights is None else self._weights, names, "loss_weights")
        chosen = by_output(self._loss, names, "loss")
        bound = [
            (name, loss, 1.0 if weight is None else weight)
            for name, loss, weight in zip(names, chosen, weights, strict=True)
        ]
        labeled = [name for name, loss, _ in bound if loss is not None]
        if len(labeled) > 1:
            self.by_output = [Mean(name=f"{name}_loss") for name in labeled]
            _begin(self.by_output, self._fresh)
        self._bound = bound
        return bound

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any, names: list[str]) -> Any:
        """The weighted sum of the outputs' losses, None if no output has one."""
        self.amount = None
        bound = self._bound or self._bind(names)
        labeled = [name for name, loss, _ in bound if loss is not None]
        if not labeled:
            return None
        if y_true is None:
            raise ValueError(f"The loss of {labeled} expected labels y, got None.")
        predictions = flat_outputs(y_pred, names, "predictions")
        labels = labels_of(y_true, names, labeled)
        weights = _weights_for(sample_weight, names, labeled)
        means = iter(self.by_output)
        total: Any = None
        for prediction, (name, loss, factor) in zip(predictions, bound, strict=True):
            if loss is None:
                continue
            value, amount = _value_and_amount(loss, labels[name], prediction, weights[name])
            if self.by_output:
                next(means).update_state(value, sample_weight=amount)
            else:
                self.amount = amount
            value = value if factor == 1.0 else value * factor
            total = value if total is None else total + value
        return total


def _value_and_amount(loss: Loss, y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Any, Any]:
    """A batch's loss, and what it counts in a mean over batches: what it was divided by, if it is a mean itself."""
    if type(loss).__call__ is not Loss.__call__ or loss.reduction in ("sum", "none", None):
        return loss(y_true, y_pred, sample_weight), dims(y_pred)[0]
    total, count = loss.total_and_count(y_true, y_pred, sample_weight)
    return quotient(total, count), count


def _begin(metrics: list[Any], fresh: bool) -> None:
    """Resets metrics that came with the first batch, if that batch began anew: restored values are of the past then."""
    with scoped(recorders=(), tracing=None):  # no part of a step that is being traced
        for metric in metrics if fresh else ():
            metric.reset_state()


def _as_loss(loss: Any) -> Any:
    """A Loss for a name, function, class or Loss; None stays None."""
    if loss is None or isinstance(loss, Loss):
        return loss
    found = losses_module.get(loss)
    return found if isinstance(found, Loss) else losses_module.LossFunctionWrapper(found)


def _weights_for(sample_weight: Any, names: list[str], wanted: list[str]) -> dict[str, Any]:
    """The sample weights by output: one array for all, or one for each."""
    if isinstance(sample_weight, (dict, list, tuple)):
        return {**dict.fromkeys(names), **labels_of(sample_weight, names, wanted, "sample_weight")}
    return dict.fromkeys(names, sample_weight)


class CompiledMetrics(Trackable):
    """The metrics of a model's outputs; "accuracy" becomes the kind that the first batch's shapes call for.

    `names` has two choices for each of `metrics`: the second is for a name that is taken.

    Args:
      metrics: names, functions or Metrics: one or a list for one output; lists by order or name for several.
      weighted: whether they see the sample weights.
    """

    _untracked: ClassVar[frozenset[str]] = Trackable._untracked | {"_spec", "_bound"}

    def __init__(self, metrics: Any, weighted: bool = False):
        self._spec = metrics
        self._weighted = weighted
        self.metrics: list[Metric] = []
        self.names: list[tuple[str, str]] = []
        self._bound: list[tuple[str, list[Metric]]] | None = None
        self._fresh = False
        for entry in nest.flatten(metrics):
            if entry is not None and entry not in _BY_SHAPE:
                _as_metric(entry)

    def may_grow(self, name: Any) -> bool:
        """The metrics appear with the first batch."""
        return bool(self._spec) and self._bound is None

    def reset(self) -> None:
        """Begins the metrics anew, those that the first batch will bring included."""
        self._fresh = True
        for metric in self.metrics:
            metric.reset_state()

    def bind(self, y_true: Any, y_pred: Any, names: list[str]) -> bool:
        """Makes the metrics for outputs and labels of these shapes, once; whether it did so now.

        Raises:
          ValueError: if metrics and outputs, or outputs and labels, do not belong together.
        """
        if self._bound is not None or not self._spec or y_true is None:
            return False
        spec = self._spec
        if len(names) == 1 and not isinstance(spec, dict):
            spec = [spec]
        chosen = dict(zip(names, map(_entries, by_output(spec, names, "metrics")), strict=True))
        wanted = [name for name in names if chosen[name]]
        labels = labels_of(y_true, names, wanted)
        predictions = dict(zip(names, flat_outputs(y_pred, names, "predictions"), strict=True))
        bound = [(name, [_made(entry, labels[name], predictions[name]) for entry in chosen[name]]) for name in wanted]
        for name, metrics in bound:
            start = "" if len(names) == 1 else f"{name}_"
            again = f"{start}weighted_" if self._weighted else start
            self.names += [(start + metric.name, again + metric.name) for metric in metrics]
        self.metrics = [metric for _, metrics in bound for metric in metrics]
        _begin(self.metrics, self._fresh)
        self._bound = bound
        return True

    def update(self, y_true: Any, y_pred: Any, sample_weight: Any, names: list[str]) -> None:
        """Takes in one batch."""
        if y_true is None or not self._spec:
            return
        self.bind(y_true, y_pred, names)
        bound = self._bound or []
        wanted = [name for name, _ in bound]
        labels = labels_of(y_true, names, wanted)
        predictions = dict(zip(names, flat_outputs(y_pred, names, "predictions"), strict=True))
        weights = _weights_for(sample_weight if self._weighted else None, names, wanted)
        for name, metrics in bound:
            for metric in metrics:
                metric.update_state(labels[name], predictions[name], sample_weight=weights[name])


def _entries(entries: Any) -> list[Any]:
    """One output's metrics as a list."""
    return [entry for entry in nest.flatten(entries) if entry is not None]


# What the shapes of labels and predictions decide: the kinds for one output, for integer labels, for others.
_ACCURACIES = (
    metrics_module.BinaryAccuracy,
    metrics_module.SparseCategoricalAccuracy,
    metrics_module.CategoricalAccuracy,
)
_CROSSENTROPIES = (
    metrics_module.BinaryCrossentropy,
    metrics_module.SparseCategoricalCrossentropy,
    metrics_module.CategoricalCrossentropy,
)
_BY_SHAPE = {"accuracy": _ACCURACIES, "acc": _ACCURACIES, "crossentropy": _CROSSENTROPIES, "ce": _CROSSENTROPIES}


def _made(entry: Any, y_true: Any, y_pred: Any) -> Metric:
    """The Metric for an entry, given labels and predictions of one output."""
    kinds = _BY_SHAPE.get(entry) if isinstance(entry, str) else None
    if kinds is None:
        return _as_metric(entry)
    true, prediction = dims(y_true), dims(y_pred)
    if len(prediction) == 1 or prediction[-1] == 1:
        return kinds[0](name=entry)
    return kinds[1 if len(true) < len(prediction) or true[-1] == 1 else 2](name=entry)


def _as_metric(entry: Any) -> Metric:
    """A Metric for a name, function, class or Metric; a name stays its name."""
    found = entry if isinstance(entry, Metric) else metrics_module.get(entry)
    if not isinstance(found, Metric):
        found = metrics_module.MeanMetricWrapper(found, name=getattr(found, "__name__", None))
    if isinstance(entry, str):
        found.name = entry
    return found
