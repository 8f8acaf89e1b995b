"""The training loop: compile, fit, evaluate, predict.

`fit` does what a loop of your own would: `train_step` on each batch, metrics as objects, callbacks around it. Override
`train_step`, `test_step` or `predict_step` to change a step; nothing else in the loop has to know.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from .. import nest, optim
from ..checkpoint import pending_paths
from ..context import quiet
from ..data.batches import batches, check_class_weight, unpack, with_class_weight
from ..errors import RestoreError
from ..random import SeedGenerator
from ..tape import GradientTape
from ..tensor import dims
from ..trackable import Trackable, all_variables
from ..variable import Variable, rollback
from .callbacks import CallbackList, History, ProgressBar
from .callbacks.progress import resolve_verbose
from .compiled import CompiledLoss, CompiledMetrics, names_of

_COMPILED = ("optimizer", "compiled_loss", "compiled_metrics", "compiled_weighted_metrics", "shuffle_generator")


class Trainer(Trackable):
    """What `Model` adds to a layer: training, evaluation and prediction."""

    _untracked: ClassVar[frozenset[str]] = frozenset({"history"})
    compiled = False
    stop_training = False
    optimizer: Any = None
    compiled_loss: CompiledLoss
    compiled_metrics: CompiledMetrics
    compiled_weighted_metrics: CompiledMetrics
    shuffle_generator: SeedGenerator

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
    ) -> None:
        """Says how to train.

        Args:
          optimizer: a name or an optimizer.
          loss: a name, function or Loss; a list or dictionary of them by output; None if the model adds its own.
          loss_weights: factors of the outputs' losses in the total.
          metrics: names, functions or Metrics; "accuracy" becomes the kind that labels and outputs call for.
          weighted_metrics: metrics that see the sample weights.
          run_eagerly: kept for Keras's sake: steps run eagerly in any case.
          steps_per_execution: 1.
          jit_compile: "auto" or False.

        Raises:
          ValueError: for an unknown name or a value that is not supported; the model keeps what it was compiled with.
        """
        if steps_per_execution != 1:
            raise ValueError(
                f"compile: expected steps_per_execution=1, got {steps_per_execution!r}; steps run one by one."
            )
        if jit_compile not in ("auto", False, None):
            raise ValueError(f"compile: expected jit_compile='auto' or False, got {jit_compile!r}; steps run eagerly.")
        made = (
            optim.get(optimizer),
            CompiledLoss(loss, loss_weights),
            CompiledMetrics(metrics),
            CompiledMetrics(weighted_metrics, weighted=True),
            SeedGenerator(stream="shuffle"),
        )
        for name, value in zip(_COMPILED, made, strict=True):
            setattr(self, name, value)
        self.compiled = True
        self.resolve_pending()

    def may_grow(self, name: Any) -> bool:
        """What `compile` makes appears with it."""
        return not self.compiled and name in _COMPILED

    @property
    def metrics(self) -> list[Any]:
        """The metrics of training: the loss's mean, the outputs', then those compiled."""
        if not self.compiled:
            return []
        loss = self.compiled_loss
        return [
            loss.total,
            *loss.by_output.values(),
            *self.compiled_metrics.metrics,
            *self.compiled_weighted_metrics.metrics,
        ]

    @property
    def metrics_names(self) -> list[str]:
        """The names under which `metrics` appear in logs."""
        return [getattr(metric, "display_name", metric.name) for metric in self.metrics]

    def reset_metrics(self) -> None:
        """Begins every metric anew."""
        for metric in self.metrics:
            metric.reset_state()

    def get_metrics_result(self) -> dict[str, Any]:
        """The metrics' results so far, by name."""
        return {name: metric.result() for name, metric in zip(self.metrics_names, self.metrics, strict=True)}

    def _output_names(self, y_pred: Any) -> list[str]:
        return names_of(y_pred, getattr(self, "output_names", None))

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The compiled loss of a batch plus the terms that layers and regularizers add.

        Raises:
          ValueError: if there is neither.
        """
        total = self.compiled_loss(y, y_pred, sample_weight, self._output_names(y_pred))
        for term in self.losses:  # type: ignore[attr-defined]
            total = term if total is None else total + term
        if total is None:
            raise ValueError(
                f"{type(self).__name__}: nothing to minimize: expected a loss in compile() or add_loss() in a layer."
            )
        return total

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Takes a batch into the metrics and returns their results so far."""
        names = self._output_names(y_pred)
        self.compiled_metrics.update(y, y_pred, sample_weight, names)
        self.compiled_weighted_metrics.update(y, y_pred, sample_weight, names)
        return self.get_metrics_result()

    def train_step(self, data: Any) -> dict[str, Any]:
        """One step of training on `(x, y, sample_weight)`; returns the metrics so far."""
        x, y, sample_weight = unpack(data)
        with GradientTape() as tape:
            y_pred = self(x, training=True)  # type: ignore[operator]
            loss = self.compute_loss(x, y, y_pred, sample_weight, training=True)
        variables = self.trainable_variables  # type: ignore[attr-defined]
        if not variables:
            raise ValueError(
                f"{type(self).__name__}: expected trainable variables, got none. Is `trainable` off everywhere?"
            )
        gradients = tape.gradient(loss, variables)
        self.optimizer.apply(gradients, variables)
        self.compiled_loss.total.update_state(loss, sample_weight=_rows(x))
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def test_step(self, data: Any) -> dict[str, Any]:
        """One step of evaluation on `(x, y, sample_weight)`; returns the metrics so far."""
        x, y, sample_weight = unpack(data)
        y_pred = self(x, training=False)  # type: ignore[operator]
        loss = self.compute_loss(x, y, y_pred, sample_weight, training=False)
        self.compiled_loss.total.update_state(loss, sample_weight=_rows(x))
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def predict_step(self, data: Any) -> Any:
        """The outputs for one batch."""
        return self(unpack(data)[0], training=False)  # type: ignore[operator]

    def _check_compiled(self, method: str) -> None:
        if not self.compiled:
            raise ValueError(
                f"{type(self).__name__}: expected compile() before {method}(). Call model.compile(optimizer, loss)."
            )

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Sequence[Any] | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int = 1,
    ) -> History:
        """Trains for a number of epochs.

        Args:
          x: inputs: an array, a structure of arrays, or an iterable of `(x, y[, sample_weight])`.
          y: labels, in the outputs' structure.
          batch_size: rows in a batch, 32 if None.
          epochs: the number of the epoch to stop at.
          verbose: 0 silent, 1 a progress bar, 2 a line per epoch; "auto" is 1 in terminals and notebooks, else 2.
          callbacks: Callback instances.
          validation_split: share of the rows, from the end, that is not trained on but evaluated after each epoch.
          validation_data: `(x, y[, sample_weight])` or an iterable of batches to evaluate after each epoch.
          shuffle: whether rows come in a new random order in each epoch.
          class_weight: factors of the rows' losses by class.
          sample_weight: factors of the rows' losses.
          initial_epoch: the number of the epoch to begin with.
          steps_per_epoch: batches in an epoch; None for all.
          validation_steps: batches in an evaluation; None for all.
          validation_batch_size: rows in an evaluation's batch; `batch_size` if None.
          validation_freq: evaluate after every so many epochs.

        Returns:
          A History: `.history` has each epoch's metrics by name.

        Raises:
          ValueError: if the model is not compiled or the data do not fit together; nothing is trained then.
          RestoreError: if, at the end, restored values still wait for variables that never appeared.
        """
        self._check_compiled("fit")
        if not isinstance(epochs, int) or epochs < initial_epoch:
            raise ValueError(f"fit: expected epochs >= initial_epoch = {initial_epoch}, got {epochs!r}.")
        weights = None if class_weight is None else check_class_weight(class_weight)
        source: Any = batches(x, y, sample_weight, batch_size, None, self.shuffle_generator if shuffle else None)
        if validation_split:
            if validation_data is not None or not hasattr(source, "split"):
                raise ValueError("fit: validation_split needs arrays, and no validation_data beside it.")
            source, validation_data = source.split(validation_split)
        if steps_per_epoch is not None:
            source = batches(iter_forever(source) if hasattr(source, "split") else x, steps=steps_per_epoch)
        validation = None
        if validation_data is not None:
            is_tuple = isinstance(validation_data, (tuple, list))
            val_x, val_y, val_weight = unpack(tuple(validation_data) if is_tuple else validation_data)
            val_size = validation_batch_size or (batch_size if is_tuple else None)
            validation = batches(val_x, val_y, val_weight, val_size, validation_steps)
        history = History()
        params = {"verbose": resolve_verbose(verbose), "epochs": epochs, "steps": len(source)}
        shown = [ProgressBar()] if params["verbose"] else []
        hooks = CallbackList([*shown, *(callbacks or ()), history], self, params)
        self.history = history
        self.stop_training = False
        hooks("on_train_begin", None)
        logs: dict[str, Any] = {}
        for epoch in range(initial_epoch, epochs):
            self.reset_metrics()
            hooks("on_epoch_begin", epoch, None)
            logs = self._run_epoch(source, hooks, weights)
            if validation is not None and (epoch + 1) % validation_freq == 0:
                self.reset_metrics()
                results = self._evaluate(validation, CallbackList([*(callbacks or ())], self, params))
                logs.update({f"val_{name}": value for name, value in results.items()})
            hooks("on_epoch_end", epoch, logs)
            if self.stop_training:
                break
        hooks("on_train_end", logs)
        self._check_pending()
        return history

    def _run_epoch(self, source: Any, hooks: CallbackList, class_weight: dict[int, float] | None) -> dict[str, Any]:
        results: dict[str, Any] = {}
        variables: list[Variable] = []
        with quiet():
            for step, (x, y, sample_weight) in enumerate(source):
                if class_weight is not None:
                    sample_weight = with_class_weight(y, sample_weight, class_weight)
                hooks("on_train_batch_begin", step, None)
                variables = all_variables(self) if step < 2 else variables
                with rollback(variables):
                    results = self.train_step((x, y, sample_weight))
                hooks("on_train_batch_end", step, _numbers_of(results))
                if self.stop_training:
                    break
        return _numbers(results)

    def _check_pending(self) -> None:
        waiting = pending_paths(self)
        if waiting:
            raise RestoreError(
                f"fit: restored values still wait for variables that training never made: {', '.join(waiting)}. "
                "Call expect_partial() on the status of restore() if that is meant."
            )

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Sequence[Any] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """The loss and the metrics on data; the same whatever the batch size.

        Returns:
          The loss if there are no metrics, else a list in the order of `metrics_names`; a dictionary if asked for.

        Raises:
          ValueError: if the model is not compiled or the data do not fit together.
        """
        self._check_compiled("evaluate")
        source = batches(x, y, sample_weight, batch_size, steps)
        params = {"verbose": resolve_verbose(verbose), "epochs": 1, "steps": len(source)}
        hooks = CallbackList([*([ProgressBar()] if params["verbose"] else []), *(callbacks or ())], self, params)
        self.reset_metrics()
        results = self._evaluate(source, hooks)
        values = list(results.values())
        return results if return_dict else values[0] if len(values) == 1 else values

    def _evaluate(self, source: Any, hooks: CallbackList) -> dict[str, Any]:
        results: dict[str, Any] = {}
        hooks("on_test_begin", None)
        with quiet():
            for step, batch in enumerate(source):
                hooks("on_test_batch_begin", step, None)
                results = self.test_step(batch)
                hooks("on_test_batch_end", step, _numbers_of(results))
        numbers = _numbers(results)
        hooks("on_test_end", numbers)
        return numbers

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = 0,
        steps: int | None = None,
        callbacks: Sequence[Any] | None = None,
    ) -> Any:
        """The outputs for all rows, as NumPy arrays in the outputs' structure.

        Raises:
          ValueError: if the data do not fit together.
        """
        source = batches(x, batch_size=batch_size, steps=steps)
        params = {"verbose": resolve_verbose(verbose), "epochs": 1, "steps": len(source)}
        hooks = CallbackList([*([ProgressBar()] if params["verbose"] else []), *(callbacks or ())], self, params)
        hooks("on_predict_begin", None)
        parts = []
        with quiet():
            for step, batch in enumerate(source):
                hooks("on_predict_batch_begin", step, None)
                outputs = self.predict_step(batch)
                parts.append(outputs)
                hooks("on_predict_batch_end", step, {"outputs": outputs})
        hooks("on_predict_end", None)
        return nest.map_structure(lambda *leaves: np.concatenate([np.asarray(leaf) for leaf in leaves]), *parts)


def iter_forever(source: Any) -> Any:
    """The batches of one epoch after another, for epochs of a given number of steps."""
    while True:
        yield from source


def _rows(x: Any) -> int:
    return int(dims(nest.flatten(x)[0])[0])


def _numbers(results: dict[str, Any]) -> dict[str, float]:
    """Results as Python numbers."""
    return {name: float(value) if dims(value) == () else value for name, value in results.items()}


def _numbers_of(results: dict[str, Any]) -> Any:
    return lambda: _numbers(results)
