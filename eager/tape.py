"""GradientTape: keeps what was computed and replays it backwards.

A record is kept only if one of its inputs is tracked; tracking is by object, held strongly, so that an `id` never
outlives its tensor. The rules are operations: if another recorder listens while a gradient is computed they run
on Tensors and are recorded (higher order), else on bare arrays.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from . import dtypes, nest, recorder
from .context import context, quiet
from .errors import GradientError, describe
from .ops import creation
from .primitive import Primitive, cast
from .tensor import AbstractTensor, Operand, Tensor, wrap

Record = tuple[Primitive[...], tuple[Any, ...], dict[str, Any], Any]


class GradientTape(recorder.Recorder):
    """Records operations for automatic differentiation; trainable Variables that are read are watched by themselves.

    Args:
      persistent: whether `gradient` may be called more than once; the records are kept as long as the tape.
      watch_accessed_variables: whether trainable Variables are watched when read.

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
        "_persistent",
        "_read_before",
        "_reads",
        "_records",
        "_tracked",
        "_used",
        "_watch_accessed",
        "_watched",
    )

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True):
        self._persistent = persistent
        self._watch_accessed = watch_accessed_variables
        self._active = False
        self.reset()

    def reset(self) -> None:
        """Forgets everything recorded so far."""
        self._records: list[Record] = []
        self._tracked: dict[int, Any] = {}
        self._watched: dict[int, Any] = {}
        self._reads: dict[int, tuple[Any, dict[int, Any]]] = {}
        self._used = False
        self._read_before: tuple[Any, ...] = ()

    def __enter__(self) -> GradientTape:
        if any(active is self for active in context.recorders):
            raise GradientError("This GradientTape is recording already. Make a second tape to nest them.")
        if self._used:
            self.reset()
        self._active = True
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
            if not isinstance(leaf, Operand) or not dtypes.is_float(leaf.dtype):
                raise GradientError(f"watch: expected floating-point Tensors or Variables, got {describe(leaf)}.")
            if isinstance(leaf, (Tensor, AbstractTensor)):
                self._tracked[id(leaf)] = leaf
            else:
                self._watched[id(leaf)] = leaf

    def watched_variables(self) -> tuple[Any, ...]:
        """The Variables read so far, in the order of their first reading."""
        return self._read_before or tuple(variable for variable, _ in self._reads.values())

    def read(self, variable: Any, value: Any) -> Any:
        """Tracks a Variable's tensor, if the Variable is watched."""
        if (self._watch_accessed and variable.trainable) or id(variable) in self._watched:
            if value.dtype.kind == "f" or dtypes.is_float(value.dtype):
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
            return
        if not primitive.differentiable:
            if primitive.differentiable is None:
                raise GradientError(f"{primitive!r} has no gradient rule: give it one, or say so with defvjp(None).")
            return
        self._records.append((primitive, inputs, params, outputs))
        if type(outputs) is not tuple:
            tracked[id(outputs)] = outputs
        else:
            for output in outputs[: primitive.outputs]:
                tracked[id(output)] = output

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
        seeds = self._seeds(nest.flatten(target), output_gradients)
        if not self._persistent:
            self._active = False
            recorder.stop(self)
        bare = not context.recorders
        with quiet():
            gradients = self._replay(seeds, leaves, bare)
            results = [self._of_source(leaf, gradients) for leaf in leaves]
            if unconnected_gradients == "zero":
                results = [creation.zeros_like(x) if g is None else g for x, g in zip(leaves, results, strict=True)]
        if not self._persistent:
            read = self.watched_variables()
            self.reset()
            self._used, self._read_before = True, read
        results = [g if g is None or isinstance(g, Operand) else wrap(g) for g in results]
        return nest.pack(sources, results)

    def _seeds(self, targets: list[Any], output_gradients: Any) -> list[tuple[Any, Any]]:
        weights = [None] * len(targets) if output_gradients is None else nest.flatten(output_gradients)
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
        tracked = self._tracked
        unwrap = _array if bare else _identity
        wanted_ids = {id(source) for source in sources}
        for variable, values in self._reads.values():
            if id(variable) in wanted_ids:
                wanted_ids.update(values)
        gradients: dict[int, Any] = {}
        for tensor, seed in seeds:
            _accumulate(gradients, id(tensor), unwrap(seed))
        for primitive, inputs, params, outputs in reversed(tuple(self._records)):
            if type(outputs) is not tuple:
                key = id(outputs)
                g = gradients.get(key)
                if g is None:
                    continue
                if key not in wanted_ids:
                    del gradients[key]
                y: Any = unwrap(outputs)
            else:
                g = self._output_gradients(gradients, primitive, outputs, wanted_ids, unwrap)
                if g is None:
                    continue
                y = tuple(map(unwrap, outputs))
            wanted = tuple([id(x) in tracked for x in inputs])
            operands = tuple(map(unwrap, inputs))
            results = primitive.vjp(wanted, g, y, operands, params)
            for x, operand, want, result in zip(inputs, operands, wanted, results, strict=True):
                if want and result is not None:
                    if bare and result.dtype is not operand.dtype:  # NumPy's rule for bfloat16 is not ours
                        result = cast(result, dtype=operand.dtype)
                    _accumulate(gradients, id(x), result)
        return gradients

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
                total = gradients[key] if total is None else total + gradients[key]
        return total


def _array(x: Any) -> Any:
    return x._array if type(x) is Tensor else x


def _identity(x: Any) -> Any:
    return x


def _accumulate(gradients: dict[int, Any], key: int, gradient: Any) -> None:
    before = gradients.get(key)
    gradients[key] = gradient if before is None else before + gradient
