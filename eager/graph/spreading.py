"""What follows the gradient of max-pooling is done before it, where there are fewer elements.

It spreads each element to the largest pixel of its window. So its sum over the pixels is that over the elements; and
where it is to be kept for pixels that are greater than a number, it is enough to keep the elements of windows whose
largest pixel is, which is what the pooling has given.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..ops.rules import normalize_axes
from ..tensor import AbstractTensor
from .graph import Graph, Node


def before_spreading(graph: Graph) -> Graph:
    """The graph with masks and sums of max-pooling's gradients taken before these are spread.

    A mask stays where something goes through the pixels anyway.
    """
    makers = {id(y): node for node in graph.nodes for y in node.outputs}
    pools = {id(node.outputs[1]): node for node in graph.nodes if node.primitive.name == "max_pool_windows"}
    busy = {id(x) for x in graph.results()}  # values that are needed pixel by pixel
    users = Counter(id(x) for node in graph.nodes for x in node.values())
    for node in graph.nodes:
        if node.primitive.kernel_rule is None and not _is_over_space(node):
            busy.update(map(id, node.values()))
    nodes: list[Node] = []
    for node in graph.nodes:
        alone = id(node.outputs[0]) not in busy and all(users[id(x)] == 1 for x in node.values())
        made = (_masked(node, makers, pools) if alone else None) or _summed(node, makers) or [node]
        makers.update((id(y), one) for one in made for y in one.outputs)
        nodes += made
    return Graph(graph.inputs, graph.variables, nodes, graph.outputs, graph.updates, graph.name, graph.checks)


def _is_over_space(node: Node) -> bool:
    """Whether an operation is a sum over all axes of space."""
    if node.primitive.name != "sum":
        return False
    rank = len(node.inputs[0].shape)
    return set(range(1, rank - 1)) <= set(normalize_axes(node.params.get("axis"), rank))


def _made_by(name: str, x: Any, makers: dict[int, Node]) -> Node | None:
    """The operation of a name that made a value, if one has."""
    node = makers.get(id(x))
    return node if node is not None and node.primitive.name == name else None


def _masked(node: Node, makers: dict[int, Node], pools: dict[int, Node]) -> list[Node] | None:
    """spread(g) · (x > number) as spread(g · (the pooled x > number))."""
    if node.primitive.name != "multiply":
        return None
    for x, factor in (node.inputs, node.inputs[::-1]):
        spread, cast = _made_by("max_pool_gradient", x, makers), _made_by("cast", factor, makers)
        if spread is None or cast is None:
            continue
        test, pool = _made_by("greater", cast.inputs[0], makers), pools.get(id(spread.inputs[1]))
        if test is None or pool is None or test.inputs[0] is not pool.inputs[0]:
            continue
        if not isinstance(test.inputs[1], (int, float)):
            continue
        g, best = spread.inputs[0], pool.outputs[0]
        truth, mask, kept = (AbstractTensor(best.dims, y.dtype) for y in (test.outputs[0], factor, g))
        return [
            Node(test.primitive, (best, test.inputs[1]), test.params, (truth,)),
            Node(cast.primitive, (truth,), cast.params, (mask,)),
            Node(node.primitive, (g, mask), node.params, (kept,)),
            Node(spread.primitive, (kept, *spread.inputs[1:]), spread.params, node.outputs),
        ]
    return None


def _summed(node: Node, makers: dict[int, Node]) -> list[Node] | None:
    """The sum of spread(g) over all of space as that of g."""
    spread = _made_by("max_pool_gradient", node.inputs[0], makers) if _is_over_space(node) else None
    if spread is None:
        return None
    return [Node(node.primitive, (spread.inputs[0], *node.inputs[1:]), node.params, node.outputs)]
