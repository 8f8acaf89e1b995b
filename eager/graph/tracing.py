"""Tracing: a function runs once on abstract tensors, and its operations are kept as a graph.

A Trace is a recorder. Operations on abstract tensors become nodes; those on Tensors alone run at once, and what they
give is a constant of the graph. Reading a Variable gives the value that stands for it, assigning one notes what it
becomes; nothing outside is changed. What would need a value, such as `if` on a tensor, raises TraceError.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from ..context import scoped
from ..errors import TraceError, describe
from ..frames import user_line
from ..ops import elementwise
from ..primitive import Primitive, cast
from ..recorder import Recorder
from ..tensor import AbstractTensor, Operand, to_array, wrap
from ..variable import Variable
from .control import control
from .graph import SAME_ELEMENTS, Graph, Node


class Trace(Recorder):
    """What a function does, while it is being traced."""

    __slots__ = ("assigned", "breaks", "checks", "nodes", "now", "start")

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.start: dict[int, tuple[Variable, AbstractTensor]] = {}  # of the Variables that were read
        self.now: dict[int, Any] = {}  # what stands for each Variable's value
        self.assigned: dict[int, Variable] = {}
        self.breaks: dict[int, Variable | None] = {}
        self.checks: list[tuple[Any, Callable[[Any], None]]] = []

    def record(self, primitive: Primitive[...], inputs: tuple[Any, ...], params: dict[str, Any], outputs: Any) -> None:
        made = outputs if type(outputs) is tuple else (outputs,)
        if any(isinstance(y, AbstractTensor) for y in made):
            inputs = tuple([wrap(x) if isinstance(x, (np.ndarray, np.generic)) else x for x in inputs])
            self.nodes.append(Node(primitive, inputs, params, made))

    def read(self, variable: Any, value: Any) -> Any:
        key = id(variable)
        if key not in self.now:
            symbol = AbstractTensor(variable.shape, variable.dtype, name=variable.path)
            self.start[key] = (variable, symbol)
            self.now[key] = symbol
        return self.now[key]

    def assign_symbol(self, variable: Any, value: Any) -> Any:
        """Notes what a Variable becomes; gives it as a tensor."""
        value = value.read() if isinstance(value, Operand) else wrap(to_array(value, variable.dtype))
        if value.dtype != variable.dtype:
            value = cast(value, dtype=variable.dtype)
        if tuple(value.shape) != variable.shape:
            raise ValueError(
                f"Variable {variable.path!r}: expected a value of shape {variable.shape}, got {describe(value)}. "
                "A Variable keeps its shape."
            )
        self.assigned[id(variable)] = variable
        with scoped(recorders=(self,)):  # a tape does not follow a Variable's value to what it was made of
            new, result = elementwise.identity(value), elementwise.identity(value)
        self.now[id(variable)] = new
        self.breaks |= {id(new): variable, id(result): None}
        return result

    def check(self, value: Any, look: Callable[[Any], None]) -> None:
        """Asks for a look at the elements of a value in each run, which raises if they are wrong.

        It is done for inputs, and what is an input cast or reshaped.
        """
        self.checks.append((value, look))

    def checks_of(self, inputs: Sequence[AbstractTensor]) -> list[tuple[int, Callable[[Any], None]]]:
        """The checks of inputs, by number."""
        makers = {id(y): node for node in self.nodes for y in node.outputs}
        numbers = {id(x): number for number, x in enumerate(inputs)}
        found = []
        for value, look in self.checks:
            while id(value) in makers and makers[id(value)].primitive.name in SAME_ELEMENTS:
                value = makers[id(value)].inputs[0]
            if id(value) in numbers:
                found.append((numbers[id(value)], look))
        return found

    def control(self, name: str, operation: Callable[..., Any], args: Sequence[Any], places: Sequence[int]) -> Any:
        """The result of a control-flow operation on symbols, kept as one operation."""
        return control(self, name, operation, args, places)

    def leave(self, operand: Any, door: str) -> None:
        if isinstance(operand, Variable):
            refuse(f"Variable {operand.path!r}", door)


def refuse(what: str, door: str) -> NoReturn:
    """Raises the error for a value that leaves a trace."""
    line = user_line()
    place = "" if line is None else f" ({line})"
    raise TraceError(
        f"{what} leaves by {door} while a function is traced, and has no value then{place}. Compute with operations "
        "(ops.where, ops.cond, ops.while_loop), or read it outside of the function."
    )


def trace(function: Callable[..., Sequence[Any]], inputs: Sequence[AbstractTensor], name: str) -> Graph:
    """The graph of `function(*inputs)`, which gives a flat list of tensors, None and numbers."""
    listener = Trace()
    with scoped(recorders=(listener,), tracing=listener, rollbacks=()):
        outputs = [_result(x) for x in function(*inputs)]
    updates = [(variable, _result(listener.now[key])) for key, variable in listener.assigned.items()]
    variables = list(listener.start.values())
    _refuse_unmade(listener, inputs, [*outputs, *(value for _, value in updates)], name)
    checks = listener.checks_of(inputs)
    return Graph(list(inputs), variables, listener.nodes, outputs, updates, name, checks, listener.breaks).check()


def _refuse_unmade(listener: Trace, inputs: Sequence[AbstractTensor], results: Sequence[Any], name: str) -> None:
    """Raises TraceError if something computes with a symbol that no traced operation has made."""
    made = {id(x) for x in inputs} | {id(symbol) for _, symbol in listener.start.values()}
    for node in listener.nodes:
        for value in node.values():
            if id(value) not in made:
                raise TraceError(
                    f"{name}: {node.primitive.name} takes {describe(value)}, whose values depend on an unknown size or "
                    "come from outside of the function. Give it tensors as arguments, of known sizes."
                )
        made.update(map(id, node.outputs))
    for value in results:
        if isinstance(value, AbstractTensor) and id(value) not in made:
            raise TraceError(
                f"{name}: the result {describe(value)} depends on an unknown size or comes from outside of it."
            )


def _result(x: Any) -> Any:
    """A result of a function: a value of the graph, or a constant."""
    return x.read() if isinstance(x, Operand) else wrap(to_array(x))
