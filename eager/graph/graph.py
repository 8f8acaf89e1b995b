"""A graph: the operations of one run in their order, as straight-line code over abstract tensors.

A value is an AbstractTensor, known by its identity, and is made once: as an input, as the value that a Variable has at
the start, or by one node. Nothing is changed in place; what Variables become is listed in `updates`, and takes effect
together after the run. Passes make new graphs of old ones and `check` looks at each. `print(graph)` shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import describe
from ..primitive import Primitive
from ..tensor import AbstractTensor, Tensor
from ..variable import Variable

SAME_ELEMENTS = frozenset(("cast", "reshape", "identity", "stop_gradient", "broadcast_to"))


@dataclass(eq=False)
class Node:
    """One run of a primitive. Inputs are values, constant Tensors, Python numbers and dimensions."""

    primitive: Primitive[...]
    inputs: tuple[Any, ...]
    params: dict[str, Any]
    outputs: tuple[AbstractTensor, ...]

    def values(self) -> Iterator[AbstractTensor]:
        """The values among the inputs."""
        return (x for x in self.inputs if isinstance(x, AbstractTensor))


@dataclass(eq=False)
class Graph:
    """Operations with their inputs and results.

    inputs: the values that a call brings.
    variables: the Variables that are read, each with the value that it has at the start.
    nodes: the operations, each after what it needs.
    outputs: what a call gives: values and constant Tensors.
    updates: the Variables that are assigned, each with what it becomes.
    checks: for inputs by number, what looks at their elements before a run and raises if they are wrong.
    breaks: the values where no gradient passes, by identity, each with the Variable that it is the new value of, whose
      gradient it has then, or None. Known as long as a graph is what was traced.
    """

    inputs: list[AbstractTensor]
    variables: list[tuple[Variable, AbstractTensor]]
    nodes: list[Node]
    outputs: list[Any]
    updates: list[tuple[Variable, Any]]
    name: str = "graph"
    checks: list[tuple[int, Callable[[Any], None]]] = field(default_factory=list)
    breaks: dict[int, Variable | None] = field(default_factory=dict)

    def results(self) -> list[Any]:
        """What must be computed: the outputs and what Variables become."""
        return [*self.outputs, *(value for _, value in self.updates)]

    def sources(self) -> list[AbstractTensor]:
        """The values that no node makes."""
        return [*self.inputs, *(value for _, value in self.variables)]

    def looked_at(self) -> set[int]:
        """The identities of the values that `checks` look at, and of those with the same elements."""
        found = {id(self.inputs[number]) for number, _ in self.checks}
        for node in self.nodes:
            if node.primitive.name in SAME_ELEMENTS and id(node.inputs[0]) in found:
                found.add(id(node.outputs[0]))
        return found

    def check(self) -> Graph:
        """The graph itself.

        Raises:
          AssertionError: if a value is used before it is made, made twice, or an update does not fit its Variable.
        """
        made: dict[int, AbstractTensor] = {}

        def make(value: AbstractTensor, by: str) -> None:
            assert id(value) not in made, f"{self.name}: {describe(value)} is made twice, the second time by {by}."
            made[id(value)] = value

        for value in self.sources():
            make(value, "an input")
        for number, node in enumerate(self.nodes):
            for value in node.values():
                assert id(value) in made, (
                    f"{self.name}: operation {number}, {node.primitive.name}, uses {describe(value)} before it is made."
                )
            for value in node.outputs:
                make(value, node.primitive.name)
        for value in self.results():
            assert not isinstance(value, AbstractTensor) or id(value) in made, (
                f"{self.name}: the result {describe(value)} is never made. Did it come from another trace?"
            )
        for variable, value in self.updates:
            assert tuple(value.shape) == variable.shape and value.dtype == variable.dtype, (
                f"{self.name}: Variable {variable.path!r} cannot become {describe(value)}."
            )
        return self

    def names(self) -> dict[int, str]:
        """A short name for each value, in the order in which they are made."""
        names: dict[int, str] = {}
        for i, value in enumerate(self.inputs):
            names[id(value)] = value.name or f"x{i}"
        for variable, value in self.variables:
            names[id(value)] = variable.path
        numbers = iter(range(1 << 62))
        for node in self.nodes:
            for value in node.outputs:
                names[id(value)] = f"%{next(numbers)}"
        return names

    def __str__(self) -> str:
        names = self.names()
        arguments = ", ".join(f"{names[id(x)]}: {describe(x)}" for x in self.inputs)
        lines = [f"{self.name}({arguments}):"]
        lines += [f"  read {variable.path}: {describe(value)}" for variable, value in self.variables]
        for node in self.nodes:
            given = [shown(x, names) for x in node.inputs]
            given += [f"{name}={_option(value)}" for name, value in node.params.items()]
            made = ", ".join(f"{names[id(y)]}: {describe(y)}" for y in node.outputs)
            lines.append(f"  {made} = {node.primitive.name}({', '.join(given)})")
        lines += [f"  assign {variable.path} = {shown(value, names)}" for variable, value in self.updates]
        lines.append(f"  return {', '.join(shown(x, names) for x in self.outputs)}")
        return "\n".join(lines)


def shown(x: Any, names: Mapping[int, str]) -> str:
    """An input of a node as `print` shows it."""
    if isinstance(x, AbstractTensor):
        return names.get(id(x), "?")
    if isinstance(x, Tensor):
        return repr(x._array.item()) if not x._array.ndim else f"constant {describe(x)}"
    return repr(x)


def _option(value: Any) -> str:
    return value.name if isinstance(value, np.dtype) else repr(value)
