"""Control flow in a trace: a branch or a loop is one operation, which runs Python's own on real values.

Its functions are traced as graphs of their own. What these take from around them, tensors of the outer trace and
Variables, becomes inputs of the operation. Its gradient is another such operation: a tape sees what really runs.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import dtypes, nest
from ..context import context, scoped
from ..dimensions import evaluate
from ..errors import GradientError, TraceError
from ..ops import creation
from ..tape import GradientTape
from ..tensor import AbstractTensor, Operand, Tensor, dims, wrap
from ..variable import Variable
from .replay import replay


class Body:
    """A function of a control-flow operation, traced: called with tensors it runs its graph."""

    def __init__(self, function: Callable[..., Any], outer: Any, captured: dict[int, Any]):
        self.function, self.outer, self.captured = function, outer, captured
        self.now: dict[int, Any] = {}  # what stands for the captured values while the operation runs
        self.sizes: dict[Any, Any] = {}  # of unknown dimensions, then
        self.template: Any = None

    def __call__(self, *args: Any) -> Any:
        leaves = nest.flatten(args)
        if any(isinstance(leaf, AbstractTensor) for leaf in leaves) or not self.now:
            return self.trace(args)
        values = {**self.now, **dict(zip(map(id, self.inputs), leaves, strict=True))}
        return nest.pack(self.template, replay(self.nodes, values, self.results, sizes=self.sizes))

    def trace(self, args: Any) -> Any:
        """Runs the function on symbols, and keeps what it does."""
        listener = type(self.outer)()
        listener.now, listener.start = dict(self.outer.now), self.outer.start
        with scoped(recorders=(listener,), tracing=listener, symbolic_call=False):
            given = nest.map_structure(_alike, args)
            result = self.function(*given)
        if listener.assigned:
            paths = ", ".join(repr(variable.path) for variable in listener.assigned.values())
            raise TraceError(
                f"Control flow in a traced function: expected functions that assign no Variable, got an assignment of "
                f"{paths}. Return the value, and assign it after."
            )
        self.outer.now.update({key: x for key, x in listener.now.items() if key not in self.outer.now})
        self.nodes, self.template = listener.nodes, result
        self.inputs = nest.flatten(given)
        self.results = [x.read() if isinstance(x, Operand) else x for x in nest.flatten(result)]
        made = {id(x) for x in self.inputs} | {id(y) for node in self.nodes for y in node.outputs}
        for x in (*(x for node in self.nodes for x in node.inputs), *self.results):
            if isinstance(x, AbstractTensor) and id(x) not in made:
                self.captured[id(x)] = x
        return nest.pack(result, self.results)


def _alike(x: Any) -> Any:
    """A symbol for an argument, even if its first value is known: others follow."""
    if isinstance(x, (int, float)) and not isinstance(x, bool):
        return AbstractTensor((), dtypes.INTX if isinstance(x, int) else dtypes.FLOATX)
    return AbstractTensor(dims(x), x.dtype) if isinstance(x, (AbstractTensor, Tensor)) else x


class Control:
    """One use of a control-flow operation, as the primitive of a node.

    Its inputs are the symbols among its arguments, then the captured ones.
    """

    custom = differentiable = complex_rules = True
    rules: tuple[Any, ...] = ()
    row_rule = kernel_rule = promote = None

    def __init__(self, name: str, operation: Callable[..., Any], args: Any, bodies: Sequence[Body]):
        self.name, self.operation, self.args, self.bodies = name, operation, args, bodies
        self.data = [x for x in nest.flatten(args) if isinstance(x, AbstractTensor)]
        self.captured: list[AbstractTensor] = []
        self.template: Any = None
        self.made: tuple[AbstractTensor, ...] = ()
        self.known: dict[Any, Any] = {}  # sizes of dimensions that were unknown when this was traced
        self.lock = threading.RLock()  # what stands for captured values is noted in the bodies

    @property
    def outputs(self) -> int:
        """The number of its results."""
        return len(self.made)

    def sized(self, sizes: Mapping[Any, Any]) -> Control:
        """The operation for known sizes."""
        twin = copy.copy(self)
        twin.known = {**self.known, **sizes}
        twin.made = tuple([AbstractTensor(tuple(evaluate(n, sizes) for n in y.dims), y.dtype) for y in self.made])
        return twin

    def run(self, tensors: Sequence[Any]) -> list[Any]:
        """The results for tensors in the place of the inputs."""
        data, captured = tensors[: len(self.data)], tensors[len(self.data) :]
        now = dict(zip(map(id, self.captured), captured, strict=True)) | {0: None}
        rest = iter(data)
        args = nest.map_structure(lambda x: next(rest) if isinstance(x, AbstractTensor) else x, self.args)
        with self.lock:
            for body in self.bodies:
                body.now, body.sizes = now, self.known
            try:
                return [creation.convert_to_tensor(x) for x in nest.flatten(self.operation(*args))]
            finally:
                for body in self.bodies:
                    body.now = {}

    def __call__(self, *inputs: Any, **params: Any) -> Any:
        if any(isinstance(x, AbstractTensor) for x in inputs):  # again a part of a trace
            made = tuple([AbstractTensor(y.dims, y.dtype) for y in self.made])
            told = made[0] if len(made) == 1 else made
            for recorder in context.recorders:
                recorder.record(self, inputs, {}, told)
            return told
        results = self.run([x.read() if isinstance(x, Operand) else wrap(x) for x in inputs])
        return results[0] if len(results) == 1 else tuple(results)

    def implementation(self, *arrays: Any) -> Any:
        """The results for arrays, as a graph calls it."""
        return _on_arrays(self.run, arrays)

    def rule_for_all(self, wanted: Sequence[bool], g: Any, y: Any, *inputs: Any) -> list[Any]:
        """The gradients of the wanted inputs."""
        upstream = g if isinstance(g, tuple) else (g,)
        operation = ControlGradient(self, tuple(wanted), len(upstream))
        results = operation(*upstream, *inputs)
        return [results.pop(0) if want else None for want in wanted]


def _on_arrays(run: Callable[[list[Any]], list[Any]], arrays: Sequence[Any]) -> tuple[Any, ...]:
    """Runs on arrays, in a context of its own: what runs inside are operations."""
    with scoped(recorders=(), tracing=None, symbolic_call=False, run=_directly):
        return tuple([x._array for x in run([wrap(x) for x in arrays])])


def _directly(function: Callable[..., Any], *args: Any, **params: Any) -> Any:
    with np.errstate(all="ignore"):
        return function(*args, **params)


class ControlGradient:
    """The gradient of a control-flow operation, as the primitive of a node; its inputs are g, then the operation's."""

    custom = complex_rules = True
    differentiable: bool | None = True
    rules: tuple[Any, ...] = ()
    row_rule = kernel_rule = promote = None

    def __init__(self, control: Control, wanted: tuple[bool, ...], given: int):
        self.control, self.wanted, self.given = control, wanted, given
        self.name = f"{control.name}_gradient"
        self.outputs = sum(wanted)

    def sized(self, sizes: Mapping[Any, Any]) -> ControlGradient:
        """The operation for known sizes."""
        return ControlGradient(self.control.sized(sizes), self.wanted, self.given)

    def __call__(self, *inputs: Any) -> list[Any]:
        if any(isinstance(x, AbstractTensor) for x in inputs):
            sources = [x for x, want in zip(inputs[self.given :], self.wanted, strict=True) if want]
            made = tuple([AbstractTensor(x.dims, x.dtype) for x in sources])
            told = made[0] if len(made) == 1 else made
            for recorder in context.recorders:
                recorder.record(self, tuple(inputs), {}, told)
            return list(made)
        bare = not any(isinstance(x, Operand) for x in inputs)
        results = self.run([x.read() if isinstance(x, Operand) else wrap(x) for x in inputs])
        return [x._array for x in results] if bare else results

    def run(self, tensors: Sequence[Any]) -> list[Any]:
        """The gradients for tensors in the place of the inputs."""
        g, values = tensors[: self.given], tensors[self.given :]
        sources = [x for x, want in zip(values, self.wanted, strict=True) if want]
        with GradientTape() as tape:
            tape.watch(sources)
            results = self.control.run(values)
        found = tape.gradient(results, sources, list(g), unconnected_gradients="zero")
        return [x.read() for x in found]

    def implementation(self, *arrays: Any) -> Any:
        """The gradients for arrays, as a graph calls it."""
        return _on_arrays(self.run, arrays)

    def rule_for_all(self, *_: Any) -> Any:
        """Refused.

        Raises:
          GradientError: always.
        """
        raise GradientError(
            f"{self.control.name}: a traced function has no second-order gradient through control flow. Take it "
            "outside of eagerly.function, or use ops.where."
        )


def control(outer: Any, name: str, operation: Callable[..., Any], args: Sequence[Any], places: Sequence[int]) -> Any:
    """The result of a control-flow operation on symbols, kept as one node of a trace.

    Args:
      outer: the trace.
      name: the operation's name.
      operation: what runs it on values and on symbols, given its arguments.
      args: the arguments.
      places: which of them are functions, or lists of functions.
    """
    captured: dict[int, AbstractTensor] = {}
    bodies: list[Body] = []

    def traced(function: Any) -> Any:
        if not callable(function):
            return function
        bodies.append(Body(function, outer, captured))
        return bodies[-1]

    given = [
        (nest.map_structure(traced, x) if isinstance(x, (list, tuple)) else traced(x)) if i in places else _read(x)
        for i, x in enumerate(args)
    ]
    node = Control(name, operation, given, bodies)
    with scoped(symbolic_call=True, recorders=(), tracing=None):
        result = operation(*given)
    node.captured = list(captured.values())
    leaves = [
        AbstractTensor(x.dims, x.dtype) if isinstance(x, AbstractTensor) else creation.convert_to_tensor(x)
        for x in nest.flatten(result)
    ]
    symbols = tuple([AbstractTensor(tuple(x.shape), x.dtype) if isinstance(x, Tensor) else x for x in leaves])
    node.made = symbols
    for key, (variable, _) in list(outer.start.items()):
        if id(outer.now[key]) in captured:
            variable.read()  # which tapes around the operation are told of
    inputs = (*node.data, *node.captured)
    for recorder in context.recorders:
        recorder.record(node, inputs, {}, symbols[0] if len(symbols) == 1 else symbols)
    return nest.pack(result, symbols)


def _read(x: Any) -> Any:
    return nest.map_structure(lambda leaf: leaf.read() if isinstance(leaf, Variable) else leaf, x)
