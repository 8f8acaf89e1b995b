"""What runs a fused operation: the plan of its composition's graph, and those of its gradients.

There is one for each kind of operands and each set of options. A tape keeps it as the operation of a record. Its
gradient is a plan too where the tape computes on arrays; where somebody else listens, the composition runs once more
under a tape of its own, so that gradients of every order are made of ordinary operations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..context import scoped
from ..ops import elementwise
from ..tape import GradientTape
from ..tensor import AbstractTensor, Operand, wrap
from .executor import Plan
from .graph import Graph, Node
from .passes import optimize
from .tracing import trace

Array = np.ndarray[Any, Any]


def made(composition: Callable[..., Any], gradient: Any, seen: int, args: Any, options: Any) -> FusedCall | None:
    """What runs calls like this one; None where the composition has to."""
    try:
        with scoped(recorders=()):
            call = FusedCall(composition, gradient, seen, args, options)
    except Exception:  # the composition says what is wrong
        return None
    return call if call.forward.usable and call.forward.computes else None


class FusedCall:
    """Calls of a fused operation with operands of some kinds and with some options; the primitive of a record."""

    custom = False
    complex_rules = differentiable = True
    rules: tuple[Any, ...] = ()
    row_rule = None

    def __init__(self, composition: Callable[..., Any], gradient: Any, seen: int, args: Any, options: dict[str, Any]):
        self.name = composition.__name__.strip("_")
        self.composition, self.gradient = composition, gradient
        values = [*args, *options.values()]
        self.names = list(options)
        self.template = [None if _is_data(x) else x for x in values]
        self.places = [place for place, x in enumerate(values) if _is_data(x)]
        self.kinds = [(tuple(values[place].shape), values[place].dtype) for place in self.places]
        if any(0 in shape or dtype.kind not in "biuf" for shape, dtype in self.kinds):
            raise ValueError("nothing to compute, or nothing that kernels compute with")
        self.several = False
        graph = self._traced(self._listed, self._symbols())
        self.outputs = min(seen, len(graph.outputs))
        self.results = [(tuple(y.shape), y.dtype) for y in graph.outputs]
        self.forward = _Plans(optimize(graph))
        self.run = self.forward.run
        self._backward: dict[tuple[bool, ...], tuple[_Plans | None, list[int]]] = {}

    def _symbols(self) -> list[AbstractTensor]:
        return [AbstractTensor(shape, dtype) for shape, dtype in self.kinds]

    def _traced(self, function: Callable[..., list[Any]], symbols: list[AbstractTensor]) -> Graph:
        return trace(function, symbols, self.name)

    def arguments(self, operands: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of a call with these operands."""
        values = list(self.template)
        for place, x in zip(self.places, operands, strict=True):
            values[place] = x
        count = len(values) - len(self.names)
        return values[:count], dict(zip(self.names, values[count:], strict=True))

    def _listed(self, *operands: Any) -> list[Any]:
        args, options = self.arguments(operands)
        result = self.composition(*args, **options)
        self.several = isinstance(result, (tuple, list))
        return list(result) if self.several else [result]

    # --- gradients

    def rule_for_all(self, wanted: tuple[bool, ...], g: Any, y: Any, *operands: Any) -> list[Any]:
        """The gradients of the operands that are wanted."""
        given = g if isinstance(g, tuple) else (g,)
        if any(isinstance(x, Operand) for x in operands):
            return self._by_operations(wanted, given, operands)
        found = self._backward.get(wanted)
        if found is None:
            found = self._backward[wanted] = self._planned(wanted)
        plans, places = found
        if plans is None or not plans.usable:
            tensors = self._by_operations(wanted, [*map(wrap, given)], operands)
            return [None if x is None else x._array for x in tensors]
        results: list[Any] = [None] * len(wanted)
        arrays = [*given, *(y if isinstance(y, tuple) else (y,)), *operands]
        for place, gradient in zip(places, plans.run(arrays), strict=True):
            results[place] = gradient
        return results

    def _by_operations(self, wanted: Sequence[bool], given: Sequence[Any], operands: Sequence[Any]) -> list[Any]:
        """The gradients as operations, which recorders are told of."""
        tensors: list[Any] = []
        for x in operands:
            same = any(x is other for other in tensors)  # whose gradients add up outside
            tensors.append(elementwise.identity(x) if same else x if isinstance(x, Operand) else wrap(x))
        sources = [x for x, want in zip(tensors, wanted, strict=True) if want]
        tape = GradientTape(watch_accessed_variables=False)
        tape.takes_whole = False
        with tape:
            tape.watch(sources)
            results = self._listed(*tensors)
        targets = [(x, g) for x, g in zip(results, given, strict=False) if dtypes.is_float(x.dtype)]
        found = iter(tape.gradient([x for x, _ in targets], sources, [g for _, g in targets]))
        return [next(found) if want else None for want in wanted]

    def _planned(self, wanted: tuple[bool, ...]) -> tuple[_Plans | None, list[int]]:
        """The plan of the gradients, from those of the results, the results and the operands; and whose they are."""
        places: list[int] = []
        again: list[Any] = []

        def function(*symbols: Any) -> list[Any]:
            given, results, operands = symbols[:first], symbols[first:last], symbols[last:]
            args, options = self.arguments(operands)
            y, found = results if self.several else results[0], None
            if self.gradient is not None:
                found = self.gradient(given[0] if self.outputs == 1 else given, y, *args, **options)
            if found is None:
                found = self._gradients(wanted, given, operands, again)
            else:
                found = [found[place] if want else None for place, want in zip(self.places, wanted, strict=True)]
            places.extend(place for place, x in enumerate(found) if x is not None)
            return [x for x in found if x is not None]

        first, last = self.outputs, self.outputs + len(self.results)
        kinds = (*self.results[:first], *self.results, *self.kinds)
        symbols = [AbstractTensor(shape, dtype) for shape, dtype in kinds]
        try:
            with scoped(recorders=()):
                graph = self._traced(function, symbols)
            return _Plans(optimize(_given(graph, again, symbols[first:last]))), places
        except Exception:  # the gradient of the composition says what is wrong
            return None, places

    def _gradients(self, wanted: Sequence[bool], given: Any, operands: Any, again: list[Any]) -> list[Any]:
        sources = [x for x, want in zip(operands, wanted, strict=True) if want]
        with GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(sources)
            again += self._listed(*operands)
        targets = [(x, g) for x, g in zip(again, given, strict=False) if dtypes.is_float(x.dtype)]
        found = iter(tape.gradient([x for x, _ in targets], sources, [g for _, g in targets]))
        return [next(found) if want else None for want in wanted]

    def __repr__(self) -> str:
        return f"<fused {self.name}>"


def _is_data(x: Any) -> bool:
    return isinstance(x, (Operand, np.ndarray))


def _given(graph: Graph, again: Sequence[Any], results: Sequence[AbstractTensor]) -> Graph:
    """A graph that takes what a forward run gave instead of computing it again."""
    now: dict[int, Any] = {id(x): y for x, y in zip(again, results, strict=False) if isinstance(x, AbstractTensor)}
    for x in graph.inputs:
        now.pop(id(x), None)
    nodes = [
        Node(node.primitive, tuple([now.get(id(x), x) for x in node.inputs]), node.params, node.outputs)
        for node in graph.nodes
    ]
    outputs = [now.get(id(x), x) for x in graph.outputs]
    return Graph(graph.inputs, graph.variables, nodes, outputs, graph.updates, graph.name)  # checked before


class _Plans:
    """Plans of one graph, of which each runs one call at a time."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.checks = graph.checks
        first = Plan(graph)
        self.usable = first.is_pure
        self.computes = bool(first.tasks)
        self._idle = [first] if self.usable else []

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        """The results for arrays of the graph's sizes."""
        if self.checks:
            for number, look in self.checks:
                look(arrays[number])
        try:
            plan = self._idle.pop()
        except IndexError:  # all are running, in other threads
            plan = Plan(self.graph)
        results = plan.run_pure(arrays)
        self._idle.append(plan)
        return results
