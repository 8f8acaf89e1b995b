"""Lowering: steps as launches of kernels, or as calls from Python where there is no kernel.

A loop's operations become a `Spec`; what they load, where it is and how it is gone through become operands and strides.
An operation with a kernel of its own is a call (`calls.py`). Nothing here knows memory: operands are bases and offsets.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import kernels
from ..tensor import AbstractTensor, Operand, Tensor
from . import views
from .calls import bias_of, ended, launch_of, operands, options_of
from .fusion import Fused, Step, way_of
from .graph import Graph, Node
from .kinds import REDUCTIONS, is_reduction
from .passes import splat_value
from .recomputing import recomputed
from .views import View

# Numbers that stand in the code; any other one is a word of the block, so that loops that differ in it are one kernel.
_IN_CODE = frozenset((0, 1, -1, 2, 0.5))


@dataclass(eq=False)
class Task:
    """What runs as one: a launch, or a node called from Python.

    outputs: the values made. inputs: the operands, as views of their bases.
    nodes: of a call, its operation, and those that end it.
    """

    outputs: list[AbstractTensor]
    inputs: list[View]
    launch: Any = None
    nodes: Sequence[Node] = ()
    in_place: bool = False  # whether an output may lie where an input is that is gone through alike

    def __str__(self) -> str:
        if not self.nodes:
            return "loop"
        return f"{'python' if self.launch is None else 'kernel'} {' + '.join(x.primitive.name for x in self.nodes)}"


def lower(graph: Graph, fused: Fused) -> list[Task]:
    """The tasks of a graph, in the order of its steps."""
    with kernels.ahead() as wait:
        steps = recomputed(graph, replace(fused, steps=ended(graph, fused)))
        tasks = _lowered(graph, fused, steps)
        while wait():
            tasks = _lowered(graph, fused, steps)
    return tasks


def _lowered(graph: Graph, fused: Fused, steps: list[Step]) -> list[Task]:
    """The same, where a task whose code is being made yet has no launch."""
    needed = {id(fused.result(x).base) for x in graph.results()}
    for step in steps:
        own = {id(y) for _, node in step.nodes for y in node.outputs}
        for _, node in step.nodes:
            for x in node.values():
                base = fused.view(x).base
                if step.kind == "call" or id(base) not in own:
                    needed.add(id(base))
    tasks: list[Task] = []
    for step in steps:
        if step.kind == "call":
            tasks += _call([node for _, node in step.nodes], fused)
        else:
            tasks += _loop(step, fused, needed)
    return tasks


def _call(nodes: Sequence[Node], fused: Fused) -> list[Task]:
    """An operation and what ends it, as a launch; one by one if there is no kernel."""
    node, *ending = nodes
    inputs = operands(node, fused)
    launch = None
    with contextlib.suppress(kernels.NotYet):
        launch = launch_of(node, inputs, **(options_of(ending) if ending else {}))
    if launch is None and ending:
        return [task for one in nodes for task in _call([one], fused)]
    biases = [bias for other in ending if (bias := bias_of(node, other, fused)) is not None]
    return [Task(list(nodes[-1].outputs), [*inputs, *biases], launch, nodes)]


# --- loops


def _loop(step: Step, fused: Fused, needed: set[int]) -> list[Task]:
    """A loop as a launch; its operations one by one if there is no kernel."""
    outputs = [y for _, node in step.nodes for y in node.outputs if id(y) in needed]
    made = None
    with contextlib.suppress(kernels.NotYet):
        made = _Loop(step, fused, outputs).launch()
    if made is None:
        return [task for _, node in step.nodes for task in _call([node], fused)]
    launch, inputs = made
    return [Task(outputs, inputs, launch, in_place=step.kind == "flat")]


class _Loop:
    """Builds the spec of a step."""

    def __init__(self, step: Step, fused: Fused, outputs: list[AbstractTensor]):
        self.step, self.fused, self.outputs = step, fused, outputs
        self.ops: list[tuple[Any, ...]] = []
        self.found: dict[Any, int] = {}  # of operations that are equal
        self.made: dict[int, int] = {}  # of values, by identity
        self.loads: list[tuple[View, views.Pattern]] = []
        self.parameters: list[tuple[str, Any]] = []

    def launch(self) -> tuple[Any, list[View]] | None:
        step = self.step
        for _, node in step.nodes:
            self.made[id(node.outputs[0])] = self.operation(node)
        columns = None if step.kind == "flat" else step.columns
        refined = views.refine([way for _, way in self.loads], step.total, columns)
        assert refined is not None, "the fusion has looked at this"
        sizes, strides = refined
        flat = step.kind == "flat" and len(sizes) <= 1
        if flat:
            rows, width = -(-step.total // kernels.SLAB), min(step.total, kernels.SLAB)
            outer = [rows]
            along: list[tuple[int, ...]] = [(kernels.SLAB * s[0] if s else 0, s[0] if s else 0) for s in strides]
            inner = ["v" if s[-1] == 1 else "s" if s[-1] == 0 else "g" for s in along]
        else:
            outer, width = sizes[:-1] or [1], sizes[-1]
            along = [tuple(s) if len(s) > 1 else (0, *s) for s in strides]
            inner = ["v" if s[-1] == 1 else "s" if s[-1] == 0 else "g" for s in along]
            rows = step.total // max(1, width)
        if step.kind == "columns":
            rows = step.rows
        kind = "columns" if step.kind == "columns" else "rows"
        ops, stores = self.placed(inner)
        keeps = step.kind == "rows" and width <= kernels.LONGEST_KEPT
        spec = (kind, len(outer), tuple(ops), tuple(inner), stores, keeps)
        launch = kernels.launch(
            "loops", spec, step.outer if kind == "columns" else 1, rows, width, tuple(outer), tuple(along),
            tuple(self.parameters), step.total,
        )  # fmt: skip
        return None if launch is None else (launch, [view for view, _ in self.loads])

    def placed(self, inner: list[str]) -> tuple[list[tuple[Any, ...]], tuple[int, ...]]:
        """The operations, with those that are the same along a row there once for each row; and the outputs."""
        ops: list[tuple[Any, ...]] = []
        for name, dtype, args, over, extra in self.ops:
            if self.step.kind != "columns":
                once = name in ("constant", "parameter") or (name == "load" and inner[extra] == "s")
                if once or (args and all(ops[i][3] == "r" for i in args)):
                    over = "r"
            else:
                over = "f" if name not in REDUCTIONS else "r"
            ops.append((name, dtype, args, over, extra))
        stores = []
        for y in self.outputs:
            number = self.made[id(y)]
            if ops[number][3] == "r" and self.step.roles[id(y)] == "f":  # all elements are equal, and all are written
                ops.append(("cast", ops[number][1], (number,), "f", None))
                number = len(ops) - 1
            stores.append(number)
        return ops, tuple(stores)

    def op(self, name: str, dtype: str, *args: int, over: str = "f", extra: Any = None) -> int:
        """The number of an operation, added if there is none like it."""
        key = (name, dtype, args, over, extra)
        apart = self.step.kind == "columns" and name in REDUCTIONS  # where each has one output
        if key not in self.found or apart:
            self.found[key] = len(self.ops)
            self.ops.append(key)
        return self.found[key]

    def operation(self, node: Node) -> int:
        name, output = node.primitive.name, node.outputs[0]
        role = self.step.roles[id(output)]
        dtype = output.dtype.name
        tensors = [x for x in node.inputs if isinstance(x, (AbstractTensor, Tensor))]
        of = tensors[0].dtype.name
        if is_reduction(node):
            return self.op(name, dtype, self.operand(node.inputs[0], node, role, of), over="r")
        if name in ("picked", "add_along_axis"):
            hit = self.hit(node, 1, role)
            return self.op("select", dtype, hit, self.operand(node.inputs[0], node, role, dtype), self.number(0, dtype))
        if name in ("identity", "cast"):
            x = self.operand(node.inputs[0], node, role, of)
            return (
                x if of == dtype and role == "f" and self.ops[x][0] != "load" else self.op("cast", dtype, x, over=role)
            )
        if name.startswith("logical_"):
            args = [
                self.as_bool(self.operand(x, node, role, x.dtype.name))
                if isinstance(x, Operand)
                else self.number(bool(x), "bool")
                for x in node.inputs
            ]
            return self.op(name, "bool", *args, over=role)
        if name == "select":
            condition = node.inputs[0]
            first = self.as_bool(self.operand(condition, node, role, condition.dtype.name))
            args = [self.operand(x, node, role, dtype) for x in node.inputs[1:]]
            return self.op("select", dtype, first, *args, over=role)
        if name == "leaky_relu":
            x = self.operand(node.inputs[0], node, role, of)
            slope = self.number(node.params.get("negative_slope", 0.2), dtype)
            above = self.op("greater", "bool", x, self.number(0, of), over=role)
            return self.op("select", dtype, above, x, self.op("multiply", dtype, x, slope, over=role), over=role)
        if name == "power" and isinstance(node.inputs[1], (int, float)):
            simple = self.power(self.operand(node.inputs[0], node, role, of), node.inputs[1], dtype, role)
            if simple is not None:
                return simple
        in_code = name == "floor_divide"
        args = [
            self.operand(x, node, role, of) if isinstance(x, (AbstractTensor, Tensor)) else self.number(x, of, in_code)
            for x in node.inputs
        ]
        return self.op(name, dtype, *args, over=role)

    def power(self, x: int, exponent: float, dtype: str, role: str) -> int | None:
        """A power that takes no logarithm."""
        if exponent == 2:
            return self.op("square", dtype, x, over=role)
        if exponent == 0.5:
            return self.op("sqrt", dtype, x, over=role)
        if exponent == -1:
            return self.op("divide", dtype, self.number(1, dtype), x, over=role)
        if exponent == 3:
            return self.op("multiply", dtype, self.op("square", dtype, x, over=role), x, over=role)
        return None

    def hit(self, node: Node, index: int, role: str) -> int:
        """Whether the column is the one that an index, which may count from the end, tells for the row."""
        indices = node.inputs[index]
        dtype = indices.dtype.name
        number = self.op("cast", "int32", self.operand(indices, node, role, dtype), over="f")
        below = self.op("less", "bool", number, self.number(0, "int32"))
        from_end = self.op("add", "int32", number, self.number(views.shape_of(node.outputs[0])[-1], "int32"))
        wanted = self.op("select", "int32", below, from_end, number)
        return self.op("equal", "bool", self.op("column", "int32"), wanted)

    def as_bool(self, x: int) -> int:
        over = self.ops[x][3]
        return x if self.ops[x][1] == "bool" else self.op("cast", "bool", x, over=over)

    def number(self, value: Any, dtype: str, in_code: bool = False) -> int:
        """A number in a dtype, in the code or as a word of the block."""
        if isinstance(value, (np.generic, np.ndarray)):
            value = value.item()
        with np.errstate(over="ignore"):
            value = float(np.dtype(dtype).type(value)) if dtype.startswith("float") else int(value)
        if in_code or (value in _IN_CODE and str(value) != "-0.0") or math.isinf(value):
            return self.op("constant", dtype, extra=value)
        key = (dtype, value)
        if key not in self.parameters:
            self.parameters.append(key)
        return self.op("parameter", dtype, extra=self.parameters.index(key))

    def operand(self, x: Any, node: Node, role: str, dtype: str) -> int:
        """The number of the operation that gives an operand."""
        if not isinstance(x, (AbstractTensor, Tensor)):
            return self.number(x, dtype)
        if isinstance(x, Tensor) and (value := splat_value(x)) is not None:
            return self.number(value, x.dtype.name)
        view = self.fused.view(x)
        made = self.made.get(id(view.base))
        if made is not None:
            return made
        way = way_of(self.step, view, node, role)
        same = (
            number
            for number, (other, its) in enumerate(self.loads)
            if other.base is view.base and other.offset == view.offset and its == way
        )
        place = next(same, len(self.loads))
        if place == len(self.loads):
            self.loads.append((view, way))
        return self.op("load", x.dtype.name, extra=place)
