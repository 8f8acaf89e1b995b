"""What a loop computes again for less than it costs to store it in one loop and to load it in others.

Such as an image less its mean: whoever loads the image has it for a subtraction. The operation then stands in each loop
that needs its result, which is stored nowhere.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any

from . import views
from .fusion import MOST_NODES, Fused, Step, loaded, way_of
from .graph import Graph, Node

_CHEAP = frozenset(("add", "subtract", "multiply", "negative", "relu"))
_SMALL = 8  # times fewer elements, of an operand that costs nothing to load


def recomputed(graph: Graph, fused: Fused) -> list[Step]:
    """The steps of a graph, with cheap operations in each loop that needs them."""
    steps = [replace(step, nodes=[*step.nodes], roles={**step.roles}) for step in fused.steps]
    users: dict[int, list[Step | None]] = defaultdict(list)  # that load a value, or store it as a result
    for x in graph.results():
        users[id(fused.result(x).base)].append(None)
    for step in steps:
        own = _made_in(step)
        for _, node in step.nodes:
            for view in map(fused.view, node.values()):
                if id(view.base) not in own:
                    users[id(view.base)].append(step)
    updated = {id(value) for _, value in graph.variables}  # perhaps where they are, before another loop would load them
    for step in steps:
        for pair in [*step.nodes] if step.kind != "call" else ():
            node, y = pair[1], pair[1].outputs[0]
            others = list(dict.fromkeys(users[id(y)]))
            if not others or not _is_cheap(node, step, fused, users, updated):
                continue
            if not all(_fits(node, other, fused) for other in others):
                continue
            for other in others:
                assert other is not None, "it would not fit"
                other.nodes.insert(0, pair)
                other.roles[id(y)] = "f"
                for x in node.values():
                    users[id(fused.view(x).base)].append(other)
            users[id(y)] = []
            if not any(fused.view(x).base is y for _, one in step.nodes for x in one.values()):
                step.nodes.remove(pair)
    return [step for step in steps if step.nodes]


def _made_in(step: Step) -> set[int]:
    return {id(y) for _, node in step.nodes for y in node.outputs}


def _is_cheap(node: Node, step: Step, fused: Fused, users: dict[int, Any], updated: set[int]) -> bool:
    """Whether an operation takes one large operand, which is in memory anyway and in order, and else small ones."""
    if node.primitive.name not in _CHEAP or step.roles[id(node.outputs[0])] != "f":
        return False
    own = _made_in(step)
    large = 0
    for view in map(fused.view, node.values()):
        small = view.size * _SMALL <= step.total
        stored = id(view.base) not in own or bool(users[id(view.base)])
        if small and (stored or step.roles[id(view.base)] == "r"):
            continue
        if small or not stored or way_of(step, view, node, "f") != ((step.total, 1),) or id(view.base) in updated:
            return False
        large += 1
    return large == 1


def _fits(node: Node, step: Step | None, fused: Fused) -> bool:
    """Whether a loop has the elements of an operation at the places where it needs them."""
    if step is None or step.kind == "call" or len(step.nodes) >= MOST_NODES:
        return False
    own, y = _made_in(step), node.outputs[0]
    ways = [way_of(step, fused.view(x), node, "f") for x in loaded(node)]
    if any(id(fused.view(x).base) in own for x in node.values()):
        return False
    for _, one in step.nodes:
        for x in loaded(one):
            view = fused.view(x)
            way = way_of(step, view, one, step.roles[id(one.outputs[0])])
            if view.base is y:
                if view.offset or view.size != step.total or way not in (((step.total, 1),), ()):
                    return False
            elif id(view.base) not in own:
                ways.append(way)
    return views.refine(ways, step.total, None if step.kind == "flat" else step.columns) is not None
