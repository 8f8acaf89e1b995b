"""The training loop: compile, fit, evaluate, predict.

`fit` does what a loop of your own would: `train_step` on each batch, metrics as objects, callbacks around it. Override
`train_step`, `test_step` or `predict_step` to change a step; nothing else in the loop has to know.
"""

from __future__ import annotations

import inspect
import itertools
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, ClassVar

import numpy as np

from .. import nest, optim
from ..checkpoint import pending_paths
from ..checkpoint.graph import trackables
from ..context import context, quiet, scoped
from ..data.batches import batches, check_class_weight, pack, repeated, unpack, with_class_weight
from ..debugging import check_numerics
from ..errors import NumericsError, RestoreError, describe
from ..graph import Function
from ..layers.journal import Before, undo
from ..metrics import Metric
from ..random import SeedGenerator
from ..tape import GradientTape
from ..tensor import dims
from ..trackable import Trackable, all_variables, direct_children
from ..variable import Variable, rollback
from .callbacks import CallbackList, History, ProgressBar
from .callbacks.progress import resolve_verbose
from .compiled import CompiledLoss, CompiledMetrics, names_of
from .steps import Steps

_COMPILED = ("optimizer", "compiled_loss", "compiled_metrics", "compiled_weighted_metrics", "shuffle_generator")


class Trainer(Trackable):
    """What `Model` adds to a layer: training, evaluation and prediction."""

    _untracked: ClassVar[frozenset[str]] = frozenset({"history", "_named", "_steps"})
    name: str
    compiled = False
    check_numerics = False
    run_eagerly = False
    jit_compile: Any = "auto"
    stop_training = False
    optimizer: Any = None
    _named: dict[str, Metric] | None = None
    _steps: Steps | None = None
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
        check_numerics: bool = False,
    ) -> None:
        """Says how to train.

        Args:
          optimizer: a name or an optimizer.
          loss: a name, function or Loss; a list or dictionary of them by output; None if the model adds its own.
          loss_weights: factors of the outputs' losses in the total.
          metrics: names, functions or Metrics; "accuracy" becomes the kind that labels and outputs call for.
          weighted_metrics: metrics that see the sample weights.
          run_eagerly: whether steps run one operation after the other, as written, under any debugger.
          steps_per_execution: 1.
          jit_compile: whether steps run as compiled graphs: "auto" if all code in them is the library's, True for code
            of yours too, which then follows the rules of `eagerly.function`; False never.
          check_numerics: whether the first NaN or infinity in a step is an error that says where it came up; see
            `eagerly.debugging.check_numerics`.

        Raises:
          ValueError: for an unknown name or a value that is not supported; the model keeps what it was compiled with.
        """
        if steps_per_execution != 1:
            raise ValueError(
                f"compile: expected steps_per_execution=1, got {steps_per_execution!r}; steps run one by one."
            )
        if jit_compile not in ("auto", True, False, None):
            raise ValueError(f"compile: expected jit_compile='auto', True or False, got {jit_compile!r}.")
        if jit_compile is True and (run_eagerly or check_numerics):
            raise ValueError("compile: jit_compile=True needs run_eagerly=False and check_numerics=False.")
        chosen = optim.get(optimizer)
        if not isinstance(chosen, optim.Optimizer):
            raise ValueError(f"compile: expected the name of an optimizer or an Optimizer, got {describe(optimizer)}.")
        made = (
            chosen,
            CompiledLoss(loss, loss_weights),
            CompiledMetrics(metrics),
            CompiledMetrics(weighted_metrics, weighted=True),
            SeedGenerator(stream="shuffle"),
        )
        for name, value in zip(_COMPILED, made, strict=True):
            setattr(self, name, value)
        self.check_numerics = bool(check_numerics)
        self.run_eagerly = bool(run_eagerly)
        self.jit_compile = jit_compile
        self.compiled = True
        self.resolve_pending()

    def may_grow(self, name: Any) -> bool:
        """What `compile` makes appears with it."""
        return not self.compiled and name in _COMPILED

    @property
    def metrics(self) -> list[Any]:
        """The metrics of training: the loss's mean, the outputs', those compiled, and those that layers here hold."""
        made: list[Any] = []
        if self.compiled:
            loss = self.compiled_loss
            made = [loss.total, *loss.by_output]
            made += [*self.compiled_metrics.metrics, *self.compiled_weighted_metrics.metrics]
        for layer, *_ in self._walk():  # type: ignore[attr-defined]
            if layer is self or not isinstance(layer, Trainer):
                made += [child for child in direct_children(layer) if isinstance(child, Metric)]
        return list({id(metric): metric for metric in made}.values())

    @property
    def metrics_names(self) -> list[str]:
        """The names under which `metrics` appear in logs."""
        return list(self._name_metrics())

    def _name_metrics(self) -> dict[str, Metric]:
        """The metrics by name, each with one of its own."""
        choices = {}
        if self.compiled:
            for compiled in (self.compiled_metrics, self.compiled_weighted_metrics):
                choices.update({id(m): names for m, names in zip(compiled.metrics, compiled.names, strict=True)})
        named: dict[str, Metric] = {}
        for metric in self.metrics:
            first, second = choices.get(id(metric), (metric.name, metric.name))
            numbered = (f"{second}_{number}" for number in itertools.count(1))
            named[next(name for name in itertools.chain((first, second), numbered) if name not in named)] = metric
        return named

    def reset_metrics(self) -> None:
        """Begins every metric anew."""
        self._named = None
        for metric in self.metrics:
            metric.reset_state()
        if self.compiled:
            for compiled in (self.compiled_loss, self.compiled_metrics, self.compiled_weighted_metrics):
                compiled.reset()

    def get_metrics_result(self) -> dict[str, Any]:
        """The metrics' results so far, by name; a metric that gives a dictionary has its entries here."""
        if self._named is None:
            self._named = self._name_metrics()
        results: dict[str, Any] = {}
        for name, metric in self._named.items():
            result = metric.result()
            results.update(result if isinstance(result, dict) else {name: result})
        return results

    def _output_names(self, y_pred: Any) -> list[str]:
        return names_of(y_pred, getattr(self, "output_names", None))

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The compiled loss of a batch plus the terms that layers and regularizers add.

        Raises:
          ValueError: if there is neither.
        """
        names = self._output_names(y_pred)
        if self.compiled_loss.may_grow("by_output"):
            self._named = None
        total = self.compiled_loss(y, y_pred, sample_weight, names)
        self._bind_metrics(y, y_pred, names)
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
        self._bind_metrics(y, y_pred, names)
        self.compiled_metrics.update(y, y_pred, sample_weight, names)
        self.compiled_weighted_metrics.update(y, y_pred, sample_weight, names)
        return self.get_metrics_result()

    def _bind_metrics(self, y: Any, y_pred: Any, names: list[str]) -> None:
        """Makes the compiled metrics with the first batch, so that a `train_step` of the user's finds them."""
        for compiled in (self.compiled_metrics, self.compiled_weighted_metrics):
            if compiled.bind(y, y_pred, names):
                self._named = None

    def _metrics_may_grow(self) -> bool:
        parts = (self.compiled_loss, self.compiled_metrics, self.compiled_weighted_metrics)
        return any(part.may_grow("metrics") for part in parts)

    def _loss_of_step(self, batch: Any, y_pred: Any, training: bool) -> Any:
        """What `compute_loss` gives, and how much it counts in the mean over batches."""
        x, y, sample_weight = batch
        if y_pred is None:
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: expected call() to return tensors, got None. "
                "Is its return missing?"
            )
        self.compiled_loss.amount = None
        more = {"training": training} if _takes_training(self.compute_loss) else {}
        loss = self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, **more)
        amount = self.compiled_loss.amount
        return loss, _rows(x) if amount is None else amount

    def train_step(self, data: Any) -> dict[str, Any]:
        """One step of training on `(x, y, sample_weight)`; returns the metrics so far."""
        x, y, sample_weight = batch = unpack(data)
        with GradientTape() as tape:
            y_pred = self(x, training=True)  # type: ignore[operator]
            loss, amount = self._loss_of_step(batch, y_pred, training=True)
        variables = self.trainable_variables  # type: ignore[attr-defined]
        if variables:
            self.optimizer.apply(tape.gradient(loss, variables), variables)
        else:
            warnings.warn(
                f"{type(self).__name__} {self.name!r} has nothing to train: no variable is trainable.", stacklevel=3
            )
        self.compiled_loss.total.update_state(loss, sample_weight=amount)
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def test_step(self, data: Any) -> dict[str, Any]:
        """One step of evaluation on `(x, y, sample_weight)`; returns the metrics so far."""
        x, y, sample_weight = batch = unpack(data)
        y_pred = self(x, training=False)  # type: ignore[operator]
        loss, amount = self._loss_of_step(batch, y_pred, training=False)
        self.compiled_loss.total.update_state(loss, sample_weight=amount)
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
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
    ) -> History:
        """Trains for a number of epochs.

        Args:
          x: inputs: an array, a structure of arrays, or an iterable of `(x, y[, sample_weight])`.
          y: labels, in the outputs' structure.
          batch_size: rows in a batch, 32 if None.
          epochs: the number of the epoch to stop at.
          verbose: 0 silent, 1 a progress bar, 2 a line per epoch; "auto" is 1 in terminals and notebooks, else 2.
          callbacks: Callback instances, one or a list.
          validation_split: share of the rows, from the end, that is not trained on but evaluated after each epoch.
          validation_data: `(x, y[, sample_weight])` or an iterable of batches to evaluate after each epoch.
          shuffle: whether rows come in a new random order in each epoch.
          class_weight: factors of the rows' losses by class.
          sample_weight: factors of the rows' losses.
          initial_epoch: the number of the epoch to begin with.
          steps_per_epoch: batches in an epoch; None for all.
          validation_steps: batches in an evaluation; None for all.
          validation_batch_size: rows in an evaluation's batch; `batch_size` if None.
          validation_freq: evaluate after every so many epochs, or after those in a list, which counts from 1.

        Returns:
          A History: `.history` has each epoch's metrics by name.

        Raises:
          ValueError: if the model is not compiled or the data do not fit together; nothing is trained then.
          RestoreError: if, at the end, restored values still wait for variables that never appeared.
        """
        self._check_compiled("fit")
        if not isinstance(epochs, (int, np.integer)) or epochs < initial_epoch:
            raise ValueError(f"fit: expected epochs >= initial_epoch = {initial_epoch}, got {epochs!r}.")
        if not isinstance(validation_freq, (list, tuple)) and not (
            isinstance(validation_freq, int) and validation_freq > 0
        ):
            raise ValueError(
                f"fit: expected an integer > 0 or a list of epochs as validation_freq, got {validation_freq!r}."
            )
        weights = None if class_weight is None else check_class_weight(class_weight)
        source: Any = batches(x, y, sample_weight, batch_size, None, self.shuffle_generator if shuffle else None)
        if validation_split:
            if validation_data is not None or not hasattr(source, "split"):
                raise ValueError("fit: validation_split needs arrays, and no validation_data beside it.")
            source, validation_data = source.split(validation_split)
        if steps_per_epoch is not None:
            source = batches(repeated(source if hasattr(source, "split") else x), steps=steps_per_epoch)
        validation = None
        if validation_data is not None:
            parts = unpack(validation_data)
            size = validation_batch_size or (None if parts[1] is None else batch_size)
            validation = batches(*parts, batch_size=size, steps=validation_steps)
        history = History()
        params = {"verbose": resolve_verbose(verbose), "epochs": epochs, "steps": len(source) or None}
        hooks = CallbackList([_bar(params), callbacks, history], self, params)
        self.history = history
        self.stop_training = False
        hooks("on_train_begin", None)
        logs: dict[str, Any] = {}
        for epoch in range(initial_epoch, epochs):
            self.reset_metrics()
            hooks("on_epoch_begin", epoch, None)
            logs = self._run_epoch(source, hooks, weights, epoch, first=epoch == initial_epoch)
            if validation is not None and _is_due(epoch + 1, validation_freq):
                self.reset_metrics()
                results = self._evaluate(validation, CallbackList(callbacks, self, params))
                logs.update({f"val_{name}": value for name, value in results.items()})
            hooks("on_epoch_end", epoch, logs)
            if self.stop_training:
                break
        hooks("on_train_end", logs)
        self._check_pending()
        return history

    def _run_epoch(
        self, source: Any, hooks: CallbackList, class_weight: dict[int, float] | None, epoch: int, first: bool
    ) -> dict[str, Any]:
        results: dict[str, Any] = {}
        variables: list[Variable] = []
        train_step = self._step("train")
        compiled = isinstance(train_step, Function)
        with quiet():
            for step, (x, y, sample_weight) in enumerate(source):
                if class_weight is not None:
                    sample_weight = with_class_weight(y, sample_weight, class_weight)
                hooks("on_train_batch_begin", step, None)
                if step < 2 and not compiled:  # all that there is, once the first step has made it
                    variables = all_variables(self)
                traces = train_step.trace_count if compiled else 0
                growing = first and step == 0 and not traces
                whole = _all_or_nothing(self) if growing else nullcontext() if compiled else rollback(variables)
                with whole, self._checked_numerics(step, epoch):
                    results = train_step(pack((x, y, sample_weight)))
                if compiled and train_step.trace_count != traces:
                    self._traced()
                hooks("on_train_batch_end", step, _numbers_of(results))
                if self.stop_training:
                    break
        return _numbers(results)

    def _step(self, kind: str) -> Any:
        """One step's function, compiled if that is wanted."""
        if context.recorders or context.tracing is not None:
            return getattr(self, f"{kind}_step")
        if self._steps is None:
            self._steps = Steps()
        return self._steps.of(self, kind)

    def _traced(self) -> None:
        """After the first compiled step: what it has made is no change, and no layer keeps a term of the trace."""
        for layer, *_ in self._walk():  # type: ignore[attr-defined]
            layer._losses = []
        if self._steps is not None:
            self._steps.grown(self)

    def _checked_numerics(self, batch: int, epoch: int | None = None) -> Any:
        """The block of one step: where numerics are checked, an error says which step it is."""
        return _numbered(batch, epoch, self) if self.check_numerics or context.lines else nullcontext()

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
        callbacks: Any = None,
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
        params = {"verbose": resolve_verbose(verbose), "epochs": 1, "steps": len(source) or None}
        hooks = CallbackList([_bar(params), callbacks], self, params)
        self.reset_metrics()
        results = self._evaluate(source, hooks)
        values = list(results.values())
        return results if return_dict else values[0] if len(values) == 1 else values

    def _evaluate(self, source: Any, hooks: CallbackList) -> dict[str, Any]:
        results: dict[str, Any] = {}
        hooks("on_test_begin", None)
        test_step = self._step("test")
        with quiet():
            for step, batch in enumerate(source):
                hooks("on_test_batch_begin", step, None)
                whole = _all_or_nothing(self) if step == 0 and self._metrics_may_grow() else nullcontext()
                with whole, self._checked_numerics(step):
                    results = test_step(pack(batch))
                if step == 0 and isinstance(test_step, Function):
                    self._traced()
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
        callbacks: Any = None,
    ) -> Any:
        """The outputs for all rows, as NumPy arrays in the outputs' structure.

        Raises:
          ValueError: if the data do not fit together.
        """
        source = batches(x, batch_size=batch_size, steps=steps)
        params = {"verbose": resolve_verbose(verbose), "epochs": 1, "steps": len(source) or None}
        hooks = CallbackList([_bar(params), callbacks], self, params)
        hooks("on_predict_begin", None)
        parts = []
        predict_step = self._step("predict")
        with quiet():
            for step, batch in enumerate(source):
                hooks("on_predict_batch_begin", step, None)
                outputs = predict_step(pack(batch))
                parts.append(outputs)
                hooks("on_predict_batch_end", step, {"outputs": outputs})
        hooks("on_predict_end", None)
        return nest.map_structure(_joined, *parts)


@contextmanager
def _all_or_nothing(model: Trainer) -> Iterator[None]:
    """A first step, which makes variables: if it fails the model, its optimizer and its metrics are what they were."""
    journal = [Before(trackable) for trackable in trackables(model)]
    with scoped(journal=journal):
        try:
            yield
        except BaseException:
            undo(journal)
            raise


@contextmanager
def _numbered(batch: int, epoch: int | None, model: Trainer) -> Iterator[None]:
    try:
        with check_numerics() if model.check_numerics else nullcontext():
            yield
    except NumericsError as error:
        error.when = f", in batch {batch}" if epoch is None else f", in epoch {epoch}, batch {batch}"
        if epoch is not None:
            error.when += f", after {int(model.optimizer.iterations)} steps"
        raise


def _joined(*leaves: Any) -> np.ndarray[Any, Any]:
    """One output of all batches, as an array of one's own."""
    return np.concatenate([np.asarray(leaf) for leaf in leaves]) if len(leaves) > 1 else leaves[0].numpy()


def _is_due(epoch: int, frequency: Any) -> bool:
    """Whether an epoch, counted from 1, is one to evaluate after."""
    return epoch in frequency if isinstance(frequency, (list, tuple)) else epoch % frequency == 0


def _takes_training(compute_loss: Any) -> bool:
    """Whether a `compute_loss`, which may be a user's from before Keras 3.7, takes the training mode."""
    code = getattr(compute_loss, "__func__", None)
    if code is Trainer.compute_loss:
        return True
    parameters = inspect.signature(compute_loss).parameters
    return "training" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _bar(params: dict[str, Any]) -> ProgressBar | None:
    return ProgressBar() if params["verbose"] else None


def _rows(x: Any) -> Any:
    return dims(nest.flatten(x)[0])[0]


def _numbers(results: dict[str, Any]) -> dict[str, Any]:
    """Results as Python numbers.

    Raises:
      ValueError: if a step gave something else than a dictionary.
    """
    if not isinstance(results, dict):
        raise ValueError(f"A step is expected to return a dictionary of metrics by name, got {describe(results)}.")
    return {name: float(value) if dims(value) == () else value for name, value in results.items()}


def _numbers_of(results: dict[str, Any]) -> Any:
    return lambda: _numbers(results)
