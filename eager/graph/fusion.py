"""Fusion: a graph as steps, of which each runs as one kernel or as one call from Python.

Elementwise operations and reductions join the step that makes an operand of theirs, if the element that they need is
the one at hand there: at the same place of a linear index, or one for the whole row. A step never waits for a step that
waits for it. What only moves indices becomes a view of its operand and no step at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from ..ops import elementwise
from ..tensor import AbstractTensor, Tensor
from . import views
from .graph import Graph, Node
from .kinds import is_elementwise, is_reduction, knows_columns, parts, reduced_axes, with_late_ones
from .passes import splat_value
from .views import View, broadcast, pattern, shape_of, whole

MOST_NODES = 64  # in a kernel, whose compilation takes longer the more there are


@dataclass(eq=False)
class Step:
    """Operations that run together.

    kind: "flat", "rows" or "columns" for a loop; "call" for one operation by its kernel or from Python.
    total: the elements that a loop goes through: outer · rows · columns.
    roles: for the values made, by identity, whether they are there for each element ("f") or each row ("r").
    """

    kind: str
    nodes: list[tuple[int, Node]]
    total: int = 0
    outer: int = 1
    rows: int = 1
    columns: int = 1
    roles: dict[int, str] = field(default_factory=dict)
    bits: int = 0
    reach: int = 0

    @property
    def order(self) -> int:
        """The place of its last operation in the graph."""
        return self.nodes[-1][0]


@dataclass(eq=False)
class Fused:
    """The steps of a graph, in an order in which they can run, and the view that each value is."""

    steps: list[Step]
    views: dict[int, View]
    copies: dict[int, View]  # of results that are parts of other values

    def view(self, x: Any) -> View:
        """Where a value or constant is."""
        return self.views.get(id(x)) or whole(x)

    def result(self, x: Any) -> View:
        """Where a result is taken from."""
        return self.copies.get(id(x)) or self.view(x)


def fuse(graph: Graph) -> Fused:
    """The steps of a graph of known sizes."""
    nodes, ends = with_late_ones(graph)
    fusion = _Fusion(ends)
    number = 0
    looked_at = graph.looked_at()
    for node in nodes:
        for part in parts(node, looked_at):
            fusion.add(number, part)
            number += 1
    copies: dict[int, View] = {}
    for result in graph.results():
        view = fusion.view(result)
        if not view.is_whole and not isinstance(view.base, Tensor) and id(result) not in copies:
            copies[id(result)] = whole(fusion.copy(number, result))
            number += 1
    return Fused(_ordered(fusion.steps), fusion.views, copies)


def _ordered(steps: list[Step]) -> list[Step]:
    """Steps after what they wait for, else in the order of their operations."""
    waiting = sorted(steps, key=lambda step: step.order)
    done = 0
    ordered = []
    everything = 0
    for step in steps:
        everything |= step.bits
    while waiting:
        step = next(step for step in waiting if not step.reach & everything & ~done & ~step.bits)
        waiting.remove(step)
        ordered.append(step)
        done |= step.bits
    return ordered


class _Fusion:
    """The steps so far."""

    def __init__(self, ends: dict[int, Node]) -> None:
        self.ends = ends  # of chains that were moved to where they are needed
        self.steps: list[Step] = []
        self.views: dict[int, View] = {}
        self.makers: dict[int, Step] = {}  # of bases, by identity
        self.count = 0
        self.keep: list[Any] = []  # what identities are of

    def view(self, x: Any) -> View:
        view = self.views.get(id(x))
        if view is None:
            view = self.views[id(x)] = whole(x)
        return view

    def maker(self, x: Any) -> Step | None:
        return self.makers.get(id(self.view(x).base))

    def add(self, number: int, node: Node) -> None:
        """Finds the place of an operation."""
        self.keep.append(node)
        if node.primitive.name in views.NAMES and isinstance(node.inputs[0], AbstractTensor):
            view = views.moved(self.view(node.inputs[0]), node)
            if view is not None:
                self.views[id(node.outputs[0])] = view
                return
            if node.primitive.name == "reshape":
                copy = self.copy(number, node.inputs[0])
                again = views.moved(self.view(copy), node)
                assert again is not None
                self.views[id(node.outputs[0])] = again
                return
        if is_elementwise(node):
            self.add_elementwise(number, node)
        elif is_reduction(node):
            self.add_reduction(number, node)
        else:
            if node.primitive.kernel_rule is not None:  # it takes operands as they lie in memory of their own
                twins = {id(x): self.copy(number, x) for x in node.values() if not self.view(x).is_whole}
                inputs = tuple([twins.get(id(x), x) for x in node.inputs])
                node = Node(node.primitive, inputs, node.params, node.outputs)
            self.new(Step("call", [(number, node)]))

    def copy(self, number: int, x: Any) -> Any:
        """A copy of a value, in memory of its own and in order."""
        view = self.view(x)
        source, twin = AbstractTensor(view.shape, x.dtype), AbstractTensor(view.shape, x.dtype)
        self.views[id(source)] = view
        node = Node(elementwise.identity, (source,), {}, (twin,))
        self.keep.append(node)
        step = Step("flat" if is_elementwise(node) else "call", [(number, node)], view.size, columns=view.size)
        step.roles[id(twin)] = "f"
        self.new(step)
        return twin

    def new(self, step: Step) -> Step:
        step.bits = 1 << self.count
        self.count += 1
        self.steps.append(step)
        for _, node in step.nodes:
            for y in node.outputs:
                self.makers[id(y)] = step
            self.wait(step, node)
        return step

    def wait(self, step: Step, node: Node) -> None:
        """The step waits for what makes the node's operands, and so does whoever waits for it."""
        reach = step.reach
        for x in node.values():
            maker = self.maker(x)
            if maker is not None and maker is not step:
                reach |= maker.reach | maker.bits
        if reach != step.reach:
            step.reach = reach
            for other in self.steps:
                if other.reach & step.bits:
                    other.reach |= reach

    def may_join(self, step: Step, node: Node) -> bool:
        """Whether no operand waits for the step from outside of it."""
        if len(step.nodes) >= MOST_NODES:
            return False
        makers = (self.maker(x) for x in node.values())
        return not any(m is not None and m is not step and m.reach & step.bits for m in makers)

    def join(self, step: Step, number: int, node: Node, role: str) -> None:
        step.nodes.append((number, node))
        for y in node.outputs:
            step.roles[id(y)] = role
            self.makers[id(y)] = step
        self.wait(step, node)

    def candidates(self, node: Node) -> list[Step]:
        """The loops that make operands."""
        makers = [self.maker(x) for x in node.values()]
        return list(dict.fromkeys(m for m in reversed(makers) if m is not None and m.kind != "call"))

    # --- elementwise

    def add_elementwise(self, number: int, node: Node) -> None:
        shape = shape_of(node.outputs[0])
        total = math.prod(shape)
        columns = shape[-1] if knows_columns(node) else None
        candidates = [] if self.is_cheaper_later(node) else self.candidates(node)
        if total == 1:
            candidates += [step for step in reversed(self.steps) if step.kind in ("flat", "rows") and step.rows == 1]
        for step in candidates:
            before = self.shape(step)
            if columns is not None and not self.takes_rows(step, total, columns):
                continue
            role = self.role(step, node, shape, total)
            if role and self.may_join(step, node) and self.refines(step, node, role):
                for other in candidates:
                    if other is not step and self.may_join(other, node) and not self.takes_columns(other, node):
                        self.merge(step, other, node, shape, role)
                self.join(step, number, node, role)
                return
            step.kind, step.outer, step.rows, step.columns = before
        step = Step("flat", [(number, node)], total=total, rows=1, columns=total)
        if columns is not None:
            step.kind, step.rows, step.columns = "rows", total // columns, columns
        step.roles[id(node.outputs[0])] = "f"
        self.new(step)

    def takes_rows(self, step: Step, total: int, columns: int) -> bool:
        """Whether a loop over so many elements goes by rows of so many columns, as a flat one does from now on."""
        if step.kind == "flat" and step.total == total and self.shapes(step, "rows", columns):
            step.kind, step.rows, step.columns = "rows", total // columns, columns
        return step.kind != "flat" and step.total == total and step.columns == columns

    def takes_columns(self, step: Step, node: Node) -> bool:
        """Whether an operand is what a loop reduces columns to, which is there when the loop has ended."""
        return step.kind == "columns" and any(id(self.view(x).base) in self.reduced(step) for x in node.values())

    def is_cheaper_later(self, node: Node) -> bool:
        """Whether what needs a cheap operation cannot join the loop that makes its operands.

        Computing it there costs less than keeping its result, such as where a relu was not cut off.
        """
        end = self.ends.get(id(node))
        if end is None:
            return False
        makers = [maker for x in end.values() if (maker := self.maker(x)) is not None]
        return any(m.reach & step.bits for step in self.candidates(node) for m in makers)

    def role(self, step: Step, node: Node, shape: tuple[int, ...], total: int) -> str | None:
        """What an elementwise operation would be in a step; None if it does not fit."""
        if total == step.total:
            role = "f"
        elif step.kind == "rows" and total == step.rows:
            role = "r"
        else:
            return None
        return role if all(self.fits(step, x, shape, role) for x in loaded(node)) else None

    def fits(self, step: Step, x: Any, shape: tuple[int, ...], role: str) -> bool:
        """Whether an operand is either made elsewhere, or made here at the place where it is needed."""
        view = self.view(x)
        made = step.roles.get(id(view.base))
        way = pattern(shape, broadcast(view, shape))
        if made is None:
            return role == "f" or way in (((step.rows, 1),), ((step.rows, 0),), ())
        if step.kind == "columns" and id(view.base) in self.reduced(step):
            return False
        return self.is_at_hand(step, made, view, shape, role)

    @staticmethod
    def is_at_hand(step: Step, made: str, view: View, shape: tuple[int, ...], role: str) -> bool:
        """Whether what a step makes, for each element or row, is there at the place where it is needed."""
        way = pattern(shape, broadcast(view, shape))
        if view.offset:
            return False
        if made == "f":
            return role == "f" and way in (((step.total, 1),), ())
        here = pattern((step.rows, step.columns), (1, 0)) if role == "f" else pattern((step.rows,), (1,))
        return way == here

    @staticmethod
    def reduced(step: Step) -> set[int]:
        return {id(node.outputs[0]) for _, node in step.nodes if is_reduction(node)}

    def merge(self, step: Step, other: Step, node: Node, shape: tuple[int, ...], role: str) -> None:
        """Takes over a loop that makes an operand of a node, over the same elements or over one for each row.

        If neither waits for the other, and what the node needs of it is at hand then.
        """
        if other not in self.steps or len(step.nodes) + len(other.nodes) > MOST_NODES:
            return
        if step.reach & other.bits or other.reach & step.bits:
            return
        by_row = step.kind == "rows" and other.kind == "flat" and other.total == step.rows != step.total
        shaped = step if step.kind != "flat" else other
        if not by_row:
            alike = other.kind == "flat" or step.kind == "flat" or self.shape(step) == self.shape(other)
            if other.kind == "call" or other.total != step.total or not alike:
                return
        roles = dict.fromkeys(other.roles, "r") if by_row else other.roles
        for view in (self.view(x) for x in node.values() if self.maker(x) is other):
            apart = shaped.kind == "columns" and id(view.base) in self.reduced(other)
            if apart or not self.is_at_hand(shaped, roles[id(view.base)], view, shape, role):
                return
        ways = [*self.patterns(step, shaped), *self.patterns(other, shaped, roles)]
        if views.refine(ways, step.total, shaped.columns if shaped.kind != "flat" else None) is None:
            return
        step.kind, step.outer, step.rows, step.columns = self.shape(shaped)
        step.nodes = sorted([*step.nodes, *other.nodes], key=lambda pair: pair[0])
        step.roles |= roles
        step.bits |= other.bits
        step.reach |= other.reach
        for _, node in other.nodes:
            for y in node.outputs:
                self.makers[id(y)] = step
        self.steps = [s for s in self.steps if s is not other]
        for s in self.steps:
            if s.reach & step.bits:
                s.reach |= step.reach | step.bits

    @staticmethod
    def shape(step: Step) -> tuple[str, int, int, int]:
        return step.kind, step.outer, step.rows, step.columns

    def refines(self, step: Step, node: Node, role: str) -> bool:
        """Whether a loop's axes can be cut so that every operand has a stride along each."""
        ways = self.patterns(step)
        ways += [self.way(step, x, node, role) for x in loaded(node) if self.maker(x) is not step]
        return views.refine(ways, step.total, None if step.kind == "flat" else step.columns) is not None

    def patterns(
        self, step: Step, shaped: Step | None = None, roles: dict[int, str] | None = None
    ) -> list[views.Pattern]:
        """The ways of the operands that a loop loads, if it had another shape and roles."""
        roles = roles or step.roles
        return [
            self.way(shaped or step, x, node, roles[id(node.outputs[0])])
            for _, node in step.nodes
            for x in loaded(node)
            if self.maker(x) is not step
        ]

    def way(self, step: Step, x: Any, node: Node, role: str) -> views.Pattern:
        return way_of(step, self.view(x), node, role)

    # --- reductions

    def add_reduction(self, number: int, node: Node) -> None:
        x = node.inputs[0]
        shape, axes = shape_of(x), reduced_axes(node)
        kept = [size for axis, size in enumerate(shape) if axis not in axes]
        total = math.prod(shape)
        gone = math.prod([shape[axis] for axis in axes])
        first = min((axis for axis in axes if shape[axis] != 1), default=len(shape))
        trailing = all(shape[axis] == 1 or axis in axes for axis in range(first, len(shape)))
        view = self.view(x)
        if trailing or not _together(shape, axes) or node.primitive.name.startswith("arg"):
            kind, outer, rows, columns = "rows", 1, math.prod(kept), gone
        else:
            before = [shape[axis] for axis in range(min(axes))]
            outer = math.prod(before)
            kind, rows, columns = "columns", gone, total // max(1, outer * gone)
        in_order = trailing or kind == "columns"
        step = self.maker(x)
        if step is not None and step.kind != "call" and in_order and step.roles.get(id(view.base)) == "f":
            flat = step.kind == "flat" and step.total == total and self.shapes(step, kind, columns)
            same = step.kind == kind and (step.outer, step.rows, step.columns) == (outer, rows, columns)
            if (flat or same) and self.fits(step, x, shape, "f") and self.may_join(step, node):
                step.kind, step.outer, step.rows, step.columns = kind, outer, rows, columns
                self.join(step, number, node, "r")
                return
        new = Step(kind, [(number, node)], total=total, outer=outer, rows=rows, columns=columns)
        new.roles[id(node.outputs[0])] = "r"
        way = way_of(new, view, node, "r")
        if views.refine([way], total, columns) is None:
            node = self.in_order(number, node, axes)
            new.kind, new.outer, new.rows, new.columns = "rows", 1, total // gone, gone
            new.nodes, new.roles = [(number, node)], {id(node.outputs[0]): "r"}
        self.new(new)

    def in_order(self, number: int, node: Node, axes: tuple[int, ...]) -> Node:
        """A reduction over a copy in which what it goes over lies together, at the end."""
        view = self.view(node.inputs[0])
        kept = [axis for axis in range(len(view.shape)) if axis not in axes]
        shape, strides = ([of[axis] for axis in (*kept, *axes)] for of in (view.shape, view.strides))
        turned = AbstractTensor(tuple(shape), node.inputs[0].dtype)
        self.views[id(turned)] = View(view.base, tuple(shape), tuple(strides), view.offset)
        y = node.outputs[0]
        made = AbstractTensor(tuple(shape[: len(kept)]), y.dtype)
        last = len(kept) if node.primitive.name.startswith("arg") else tuple(range(len(kept), len(shape)))
        params = {**node.params, "axis": last if kept else None, "keepdims": False}
        self.keep.append(turned)
        self.views[id(y)] = View(made, shape_of(y), views.contiguous(shape_of(y)))
        return Node(node.primitive, (self.copy(number, turned),), params, (made,))

    def shapes(self, step: Step, kind: str, columns: int) -> bool:
        """Whether a flat loop can go by rows of so many columns."""
        shaped = Step(kind, [], total=step.total, rows=step.total // max(columns, 1), columns=columns)
        return views.refine(self.patterns(step, shaped), step.total, columns) is not None


def loaded(node: Node) -> list[Any]:
    """The operands that a loop gets from memory unless it makes them: values, and constants of several numbers."""
    return [
        x for x in node.inputs if isinstance(x, AbstractTensor) or (isinstance(x, Tensor) and splat_value(x) is None)
    ]


def way_of(step: Step, view: View, node: Node, role: str) -> views.Pattern:
    """How a loop goes through an operand that it loads, in the order of its linear index."""
    if is_reduction(node):
        shape, axes = shape_of(node.inputs[0]), reduced_axes(node)
        strides = broadcast(view, shape)
        if step.kind == "rows":
            order = [axis for axis in range(len(shape)) if axis not in axes] + list(axes)
            return pattern([shape[axis] for axis in order], [strides[axis] for axis in order])
        return pattern(shape, strides)
    shape = shape_of(node.outputs[0])
    strides = broadcast(view, shape)
    if role == "r":
        return pattern((*shape, step.columns), (*strides, 0))
    return pattern(shape, strides)


def _together(shape: tuple[int, ...], axes: tuple[int, ...]) -> bool:
    """Whether no axis of more than one element lies between the axes."""
    return all(axis in axes or shape[axis] == 1 for axis in range(min(axes), max(axes) + 1))
