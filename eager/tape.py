"""GradientTape: keeps what was computed and replays it backwards.

A record is kept only if one of its inputs is tracked; tracking is by object, held strongly, so that an `id` never
outlives its tensor. The rules are operations: if another recorder listens while a gradient is computed they run
on Tensors and are recorded (higher order), else on bare arrays. What ends a gradient is noted too, for `explain`.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from . import dtypes, explanation, nest, recorder, slices
from .context import context, quiet, scoped
from .dimensions import Size, known, product
from .errors import GradientError, describe
from .frames import Line, user_line
from .ops import arrays, creation
from .primitive import Primitive, cast, no_complex_gradient
from .tensor import AbstractTensor, Operand, Tensor, dims, wrap


class Place(NamedTuple):
    """Where an operation ran: the layers around it, and the user's line if the tape looks for bugs."""

    scope: tuple[Any, ...]
    line: Line | None = None


# One operation with all that its gradient needs; the last is the scope alone, or a Place.
Record = tuple[Primitive[...], tuple[Any, ...], dict[str, Any], Any, Any]


class GradientTape(recorder.Recorder):
    """Records operations for automatic differentiation; trainable Variables that are read are watched by themselves.

    Args:
      persistent: whether `gradient` may be called more than once; the records are kept as long as the tape.
      watch_accessed_variables: whether trainable Variables are watched when read.
      debug: whether every operation is kept, with the line of code that ran it, so that `explain` and errors name it.
        It costs time and memory.

    Raises:
      GradientError: if `gradient` is called twice on a tape that is not persistent.

    Example:
      >>> x = Variable(3.0)
      >>> with GradientTape() as tape:
      ...     y = x * x
      >>> tape.gradient(y, x)
      Tensor(6., shape=(), dtype=float32)
    """

    __slots__ = (
        "_active",
        "_debug",
        "_ends",
        "_exits",
        "_lines",
        "_persistent",
        "_read_before",
        "_reads",
        "_records",
        "_remains",
        "_tensors_watched",
        "_tracked",
        "_used",
        "_watch_accessed",
        "_watched",
        "takes_whole",
    )

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True, *, debug: bool = False):
        self._persistent = persistent
        self._watch_accessed = watch_accessed_variables
        self._debug = debug
        self._active = self._lines = False
        self.takes_whole = not debug
        self.reset()

    def reset(self) -> None:
        """Forgets everything recorded so far."""
        self._records: list[Record] = []
        self._ends: list[explanation.End] = []
        self._exits: list[explanation.Exit] = []
        self._remains: explanation.Account | None = None
        self._tracked: dict[int, Any] = {}
        self._watched: dict[int, Any] = {}
        self._reads: dict[int, tuple[Any, dict[int, Any]]] = {}
        self._used = self._tensors_watched = False
        self._read_before: tuple[Any, ...] = ()

    def __enter__(self) -> GradientTape:
        if any(active is self for active in context.recorders):
            raise GradientError("This GradientTape is recording already. Make a second tape to nest them.")
        if self._used:
            self.reset()
        self._active = True
        self._lines = self._debug or context.lines
        if context.recorders and not any(isinstance(active, GradientTape) for active in context.recorders):
            for active in context.recorders:
                active.begin()
        recorder.start(self)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._active = False
        recorder.stop(self)

    @contextlib.contextmanager
    def stop_recording(self) -> Iterator[None]:
        """Nothing inside the `with` block is recorded by this tape."""
        was_recording = any(active is self for active in context.recorders)
        recorder.stop(self)
        try:
            yield
        finally:
            if was_recording and self._active and not any(active is self for active in context.recorders):
                recorder.start(self)

    def watch(self, tensor: Any) -> None:
        """Tracks tensors or Variables (a structure of them) from now on.

        Raises:
          GradientError: for anything but floating-point tensors and Variables.
        """
        for leaf in nest.flatten(tensor):
            if not isinstance(leaf, Operand) or not dtypes.has_gradient(leaf.dtype):
                raise GradientError(f"watch: expected floating-point Tensors or Variables, got {describe(leaf)}.")
            if isinstance(leaf, (Tensor, AbstractTensor)):
                self._tracked[id(leaf)] = leaf
                self._tensors_watched = True
            else:
                self._watched[id(leaf)] = leaf

    def watched_variables(self) -> tuple[Any, ...]:
        """The Variables read so far, in the order of their first reading."""
        return self._read_before or tuple(variable for variable, _ in self._reads.values())

    def read(self, variable: Any, value: Any) -> Any:
        """Tracks a Variable's tensor, if the Variable is watched."""
        if id(value) in self._tracked:  # read before
            return value
        if (self._watch_accessed and variable.trainable) or id(variable) in self._watched:
            if value.dtype.kind == "f" or dtypes.has_gradient(value.dtype):
                self._tracked[id(value)] = value
                entry = self._reads.get(id(variable))
                if entry is None:
                    entry = self._reads[id(variable)] = (variable, {})
                entry[1][id(value)] = value
        return value

    def record(self, primitive: Primitive[...], inputs: tuple[Any, ...], params: dict[str, Any], outputs: Any) -> None:
        """Keeps an operation if one of its inputs is tracked; its outputs are tracked then."""
        tracked = self._tracked
        for x in inputs:
            if id(x) in tracked:
                break
        else:
            if self._debug:
                self._end(primitive, inputs, outputs, untracked=True)
            return
        if not primitive.differentiable:
            if primitive.differentiable is None:
                raise GradientError(f"{primitive!r} has no gradient rule: give it one, or say so with defvjp(None).")
            self._end(primitive, inputs, outputs)
            return
        place = Place(context.scope, user_line()) if self._lines else context.scope
        self._records.append((primitive, inputs, params, outputs, place))
        if type(outputs) is not tuple:
            tracked[id(outputs)] = outputs
        else:
            for output in outputs[: primitive.outputs]:
                tracked[id(output)] = output

    def _end(self, primitive: Primitive[...], inputs: Any, outputs: Any, untracked: bool = False) -> None:
        """Notes an operation that carries no gradient on; its tensors are held only if every operation is kept."""
        results = outputs if type(outputs) is tuple else (outputs,)
        place = Place(context.scope, user_line() if self._debug else None)
        ids = tuple(id(x) for x in inputs if untracked or id(x) in self._tracked)
        held = (*results, *inputs) if self._debug else tuple(map(weakref.ref, results))
        order, dtype = len(self._records), results[0].dtype
        self._ends.append(
            explanation.End(primitive, ids, tuple(map(id, results)), place, order, dtype, held, untracked)
        )

    def leave(self, operand: Any, door: str) -> None:
        """Notes that the values of something tracked leave for Python or NumPy, where no tape follows."""
        if self._debug or id(operand) in self._tracked or not isinstance(operand, Tensor):
            line = user_line() if self._debug else None
            self._exits.append(explanation.Exit(operand, door, Place(context.scope, line)))

    def explain(self, target: Any, source: Any) -> str:
        """Why `gradient(target, source)` is None, or along which operations it flows, in words.

        Works before and after `gradient`; after that of a tape that is not persistent, for the targets and the sources
        that it was asked for. With `GradientTape(debug=True)` it knows every operation and its line of code.

        Raises:
          GradientError: for anything but tensors and Variables, or if the tape no longer knows.

        >>> x = Variable(3.0, name="x")
        >>> with GradientTape() as tape:
        ...     y = ops.stop_gradient(x * x)
        >>> print(tape.explain(y, x))
        The gradient of float32[] with respect to Variable 'x' is None: stop_gradient stopped it, after multiply.
        """
        for role, leaf in (("target", target), ("source", source)):
            if not isinstance(leaf, Operand):
                raise GradientError(
                    f"explain: expected a Tensor or a Variable as {role}, got {describe(leaf)}. Values that left "
                    "through NumPy or Python numbers carry no gradient."
                )
        account = self._remains or self._account()
        if self._remains is not None and not account.knows(target, source):
            raise GradientError(
                "explain: this GradientTape has given its gradient and forgotten the rest. Ask for a target and a "
                "source of that gradient, or use GradientTape(persistent=True)."
            )
        return account.explain(target, source)

    def _account(self) -> explanation.Account:
        reads = {key: tuple(values) for key, (_, values) in self._reads.items()}
        lists = (self._records, self._ends, self._exits)
        return explanation.account(*lists, reads, self._tracked, self._watched, self._watch_accessed)

    def gradient(
        self, target: Any, sources: Any, output_gradients: Any = None, unconnected_gradients: str = "none"
    ) -> Any:
        """d target / d sources, summed over all elements of all targets.

        Args:
          target: a floating-point tensor or a structure of them.
          sources: Variables or watched tensors, in any structure; the result has the same one.
          output_gradients: weights for the elements of each target, ones if None.
          unconnected_gradients: what an unrelated source gets: "none" (None) or "zero" (zeros).

        Raises:
          GradientError: for an integer target, a source that is no tensor, or a second call without `persistent`.
        """
        leaves = self._sources(sources, unconnected_gradients)
        weights = nest.flatten(output_gradients) if nest.is_nested(target) else [output_gradients]
        seeds = self._seeds(nest.flatten(target), None if output_gradients is None else weights)
        if not self._persistent:
            self._active = False
            recorder.stop(self)
        with quiet():
            results = self._gradients(seeds, leaves, unconnected_gradients)
        self._finish([target for target, _ in seeds], leaves, results)
        return nest.pack(sources, results)

    def _sources(self, sources: Any, unconnected_gradients: str) -> list[Any]:
        """The sources of a gradient that may be asked for."""
        if self._used:
            raise GradientError(
                "A GradientTape that is not persistent gives one gradient, and this one was asked already. "
                "Use GradientTape(persistent=True), or ask for all gradients in one call."
            )
        if unconnected_gradients not in ("none", "zero"):
            raise ValueError(f"unconnected_gradients: expected 'none' or 'zero', got {unconnected_gradients!r}.")
        leaves = nest.flatten(sources)
        for leaf in leaves:
            if not isinstance(leaf, Operand):
                raise GradientError(f"gradient: expected Tensors or Variables as sources, got {describe(leaf)}.")
        return leaves

    def _gradients(self, seeds: list[tuple[Any, Any]], leaves: list[Any], unconnected_gradients: str) -> list[Any]:
        """The gradient of each source for the seeds: a tensor, or None if there is none and none is made up."""
        with scoped(backward=None) if context.recorders else contextlib.nullcontext():
            results = recorder.as_one(lambda: self._results(seeds, leaves), list)
        if unconnected_gradients == "zero":
            results = [creation.zeros_like(x) if g is None else g for x, g in zip(leaves, results, strict=True)]
        return [g if g is None or isinstance(g, Operand) else wrap(g) for g in results]

    def _results(self, seeds: list[tuple[Any, Any]], leaves: list[Any]) -> list[Any]:
        gradients = self._replay(seeds, leaves, bare=not context.recorders)
        return [self._of_source(leaf, gradients) for leaf in leaves]

    def _finish(self, targets: list[Any], sources: list[Any], results: list[Any]) -> None:
        """Forgets all, if the tape gives one gradient only, but what explains the gradients that are None."""
        if self._persistent:
            return
        remains = None
        if any(g is None for g in results):
            remains = self._account().about(targets, sources)
        read = self.watched_variables()
        self.reset()
        self._used, self._read_before, self._remains = True, read, remains

    def jacobian(self, target: Any, sources: Any, unconnected_gradients: str = "none") -> Any:
        """d target[i] / d source[j] for all elements: the target's shape followed by the source's, for each source.

        One backward pass for each element of the target.

        Args:
          target: one floating-point tensor.
          sources: Variables or watched tensors, in any structure; the result has the same one.
          unconnected_gradients: what an unrelated source gets: "none" (None) or "zero" (zeros).

        Raises:
          GradientError: as `gradient`; and for a target of unknown size.

        >>> x = Variable([1.0, 2.0])
        >>> with GradientTape() as tape:
        ...     y = x * x
        >>> tape.jacobian(y, x).tolist()
        [[2.0, 0.0], [0.0, 4.0]]
        """
        leaves = self._sources(sources, unconnected_gradients)
        rows = self._rows("jacobian", target, leaves, (), unconnected_gradients)
        results = [
            _stacked([row[i] for row in rows], 0, (*dims(target), *dims(leaf)), leaf) for i, leaf in enumerate(leaves)
        ]
        self._finish([target], leaves, results)
        return nest.pack(sources, results)

    def batch_jacobian(self, target: Any, source: Any, unconnected_gradients: str = "none") -> Any:
        """d target[b, i] / d source[b, j] for each example b: [batch, *target.shape[1:], *source.shape[1:]].

        Meant for targets whose rows depend on the source's row of the same number alone: one backward pass for each
        element of a row, instead of one for each element.

        Args:
          target: a floating-point tensor [batch, ...].
          source: a Variable or watched tensor [batch, ...].
          unconnected_gradients: what an unrelated source gets: "none" (None) or "zero" (zeros).

        Raises:
          GradientError: as `gradient`; and if the target is not of known size.
          ValueError: if the first axes differ.

        >>> x = Variable([[1.0, 2.0], [3.0, 4.0]])
        >>> with GradientTape() as tape:
        ...     y = x * x
        >>> tape.batch_jacobian(y, x).tolist()
        [[[2.0, 0.0], [0.0, 4.0]], [[6.0, 0.0], [0.0, 8.0]]]
        """
        leaves = self._sources([source], unconnected_gradients)
        if not isinstance(target, Operand) or not dims(target) or dims(target)[:1] != dims(source)[:1]:
            raise ValueError(
                f"batch_jacobian: expected target and source with one first axis, got target {describe(target)} and "
                f"source {describe(source)}."
            )
        batch, *inner = dims(target)
        columns = [row[0] for row in self._rows("batch_jacobian", target, leaves, (batch,), unconnected_gradients)]
        result = _stacked(columns, 1, (batch, *inner, *dims(source)[1:]), source)
        self._finish([target], leaves, [result])
        return result

    def _rows(
        self, name: str, target: Any, sources: list[Any], batch: tuple[Size, ...], unconnected_gradients: str
    ) -> list[list[Any]]:
        """The gradients of the target's elements one after the other; those at one place of all rows count as one."""
        shape = dims(target) if isinstance(target, Operand) else ()
        inner = shape[len(batch) :]
        if not known(shape):
            raise GradientError(f"{name}: expected a target of known size, got {describe(target)}.")
        if not self._persistent:
            self._active = False
            recorder.stop(self)
        count = int(product(inner))
        rows = []
        with quiet():
            for place in range(count):
                weights = np.zeros((*batch, count), target.dtype)
                weights[..., place] = 1
                seeds = self._seeds([target], [wrap(weights.reshape(shape))])
                rows.append(self._gradients(seeds, sources, unconnected_gradients))
        return rows

    def _seeds(self, targets: list[Any], output_gradients: list[Any] | None) -> list[tuple[Any, Any]]:
        weights = [None] * len(targets) if output_gradients is None else output_gradients
        if len(weights) != len(targets):
            raise ValueError(f"output_gradients: expected {len(targets)} of them, got {len(weights)}.")
        seeds = []
        for target, weight in zip(targets, weights, strict=True):
            if not isinstance(target, Operand):
                raise GradientError(
                    f"gradient: expected a Tensor as target, got {describe(target)}. Values that left through NumPy or "
                    "Python numbers carry no gradient."
                )
            if not dtypes.is_float(target.dtype):
                raise GradientError(f"gradient: expected a floating-point target, got {describe(target)}.")
            tensor = target if isinstance(target, (Tensor, AbstractTensor)) else target._value  # type: ignore[attr-defined]
            if weight is None:
                seeds.append((tensor, creation.ones_like(tensor)))
                continue
            weight = weight if isinstance(weight, Operand) else Tensor(weight, target.dtype)
            if weight.shape != target.shape:
                raise ValueError(f"output_gradients: expected shape {target.shape}, got {describe(weight)}.")
            weight = weight.read()
            seeds.append((tensor, weight if weight.dtype == target.dtype else cast(weight, dtype=target.dtype)))
        return seeds

    def _replay(self, seeds: list[tuple[Any, Any]], sources: list[Any], bare: bool) -> dict[int, Any]:
        """The gradients by tensor id; those of tensors that are no source are dropped on the way."""
        unwrap = _array if bare else _identity
        kept = {id(source) for source in sources}
        of_variables = {key for v, values in self._reads.values() if id(v) in kept for key in values}
        whole = not self._tensors_watched and len(of_variables) == sum(
            len(values) for _, values in self._reads.values()
        )
        kept |= of_variables
        tracked = self._tracked if whole else self._reached(kept)
        gradients: dict[int, Any] = {}
        for tensor, seed in seeds:
            _accumulate(gradients, id(tensor), unwrap(seed))
        for primitive, inputs, params, outputs, place in reversed(tuple(self._records)):
            if type(outputs) is not tuple:
                key = id(outputs)
                g = gradients.get(key) if key in kept else gradients.pop(key, None)
                if g is None:
                    continue
                y: Any = outputs._array if bare and type(outputs) is Tensor else outputs
            else:
                g = self._output_gradients(gradients, primitive, outputs, kept, unwrap)
                if g is None:
                    continue
                y = tuple(map(unwrap, outputs))
            if not whole and (id(outputs) if type(outputs) is not tuple else id(outputs[0])) not in tracked:
                continue  # a target that depends on no source
            if not primitive.complex_rules and type(g) is not tuple and g.dtype.kind == "c":
                raise no_complex_gradient(primitive.name)
            operands = [x._array if type(x) is Tensor else x for x in inputs] if bare else inputs
            rules, results = primitive.rules, None
            if not bare:
                context.backward = (primitive, place)
            elif primitive.row_rule is not None and id(inputs[0]) in of_variables:
                results = primitive.row_rule(g, *operands, **params)
            if results is None and primitive.rule_for_all is not None:
                wanted = tuple([id(x) in tracked for x in inputs])
                results = primitive.rule_for_all(wanted, g, y, *operands, **params)
            last = len(rules) - 1
            for i, x in enumerate(inputs):
                key = id(x)
                if key not in tracked:
                    continue
                if results is not None:
                    result = results[i]
                else:
                    rule = rules[i if i < last else last]
                    result = None if rule is None else rule(g, y, *operands, **params)
                if result is not None:
                    if bare and result.dtype is not operands[i].dtype:  # NumPy's rule for bfloat16 is not ours
                        result = cast(result, dtype=operands[i].dtype)
                    gradients[key] = slices.add(gradients[key], result) if key in gradients else result
        return gradients

    def _reached(self, sources: set[int]) -> set[int]:
        """The tensors that depend on sources, and these, by identity: gradients of others are not asked for."""
        reached = set(sources)
        for primitive, inputs, _, outputs, _ in self._records:
            for x in inputs:
                if id(x) in reached:
                    if type(outputs) is tuple:
                        reached.update(map(id, outputs[: primitive.outputs]))
                    else:
                        reached.add(id(outputs))
                    break
        return reached

    @staticmethod
    def _output_gradients(
        gradients: dict[int, Any], primitive: Primitive[...], outputs: Any, wanted: set[int], unwrap: Any
    ) -> Any:
        """The gradients of several outputs, zeros where there is none; None if there is none at all."""
        seen = outputs[: primitive.outputs]
        found = [gradients.get(id(output)) for output in seen]
        if all(g is None for g in found):
            return None
        for output in seen:
            if id(output) not in wanted:
                gradients.pop(id(output), None)
        found = [unwrap(creation.zeros_like(x)) if g is None else g for x, g in zip(seen, found, strict=True)]
        return found[0] if primitive.outputs == 1 else tuple(found)

    def _of_source(self, source: Any, gradients: dict[int, Any]) -> Any:
        if isinstance(source, (Tensor, AbstractTensor)):
            return gradients.get(id(source))
        total = None
        for key in self._reads.get(id(source), (None, {}))[1]:
            if key in gradients:
                total = gradients[key] if total is None else slices.add(total, gradients[key])
        return total


def _array(x: Any) -> Any:
    return x._array if type(x) is Tensor else x


def _identity(x: Any) -> Any:
    return x


def _accumulate(gradients: dict[int, Any], key: int, gradient: Any) -> None:
    before = gradients.get(key)
    gradients[key] = gradient if before is None else slices.add(before, gradient)


def _stacked(rows: list[Any], axis: int, shape: tuple[Size, ...], source: Any) -> Any:
    """Gradients stacked along an axis, in the shape of a jacobian; None if there is none."""
    if not rows:
        return creation.zeros(shape, source.dtype)
    return None if rows[0] is None else arrays.reshape(arrays.stack([g.read() for g in rows], axis), newshape=shape)
