"""Calls: operations that bring a kernel of their own, and what such a kernel does to its result before it is stored.

Kernels of products and convolutions add a bias and apply a relu while the sums are in registers. A step of theirs takes
these operations over from the loop that the fusion has put them in, where this saves the loop a result to store. What
the loop only needs at hand stays there, where it costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .. import dtypes, kernels
from ..tensor import AbstractTensor, Tensor, wrap
from . import views
from .fusion import Fused, Step
from .graph import Graph, Node
from .views import View


def operands(node: Node, fused: Fused) -> list[View]:
    """What a node's kernel takes, constants with all their elements in order."""
    return [fused.view(_in_order(x)) for x in node.inputs if isinstance(x, (AbstractTensor, Tensor))]


def _in_order(x: Any) -> Any:
    if not isinstance(x, Tensor) or x._array.flags.c_contiguous:
        return x
    return wrap(np.ascontiguousarray(x._array))


def launch_of(node: Node, inputs: list[View], **ending: bool) -> Any:
    """The launch of a node's kernel, told which `ending` it has: bias, relu; None if there is none."""
    special = _LAUNCHES.get(node.primitive.name)
    if special is not None:
        return special(node, inputs, **ending)
    if node.primitive.kernel_rule is None or not all(view.is_whole for view in inputs):
        return None
    return node.primitive.kernel_rule(*node.inputs, **node.params, **ending)


def _matmul(node: Node, inputs: list[View], **ending: bool) -> Any:
    """The launch of a matrix product, whose operands may be views."""
    if len(inputs) != 2 or any(view.base.dtype != dtypes.FLOATX for view in inputs):
        return None
    a, b = inputs
    if len(a.shape) < 2 or len(b.shape) < 2 or not a.size or not b.size:
        return None
    batch = views.shape_of(node.outputs[0])[:-2]
    (m, k), n = a.shape[-2:], b.shape[-1]
    if len(b.shape) == 2 and batch and views.is_contiguous(a.shape, a.strides):
        m, batch = m * math.prod(batch), ()
        a = View(a.base, (m, k), (k, 1), a.offset)
    along = [views.broadcast(view, (*batch, *view.shape[-2:]))[: len(batch)] for view in (a, b)]
    options = ending.get("bias", False), ending.get("relu", False)
    return kernels.launch("gemm", m, n, k, a.strides[-2:], b.strides[-2:], batch, *along, *options)


_LAUNCHES: dict[str, Callable[..., Any]] = {"matmul": _matmul}
_WITH_ENDINGS = frozenset(("matmul", "convolution", "convolution_input_gradient"))


# --- endings


def ended(graph: Graph, fused: Fused) -> list[Step]:
    """The steps of a graph, with endings: the nodes that follow a product's own in its step."""
    makers = {id(y): step for step in fused.steps for _, node in step.nodes for y in node.outputs}
    users: dict[int, list[tuple[int, Node] | None]] = {}
    for x in graph.results():
        users.setdefault(id(fused.result(x).base), []).append(None)
    for step in fused.steps:
        for pair in step.nodes:
            for x in pair[1].values():
                users.setdefault(id(fused.view(x).base), []).append(pair)
    moved: dict[int, list[Step]] = {}  # products with endings, by the loop that these were in
    taken: set[int] = set()
    for step in fused.steps:
        if step.kind == "call" and step.nodes[0][1].primitive.name in _WITH_ENDINGS:
            ending = _ending(step.nodes[0][1], fused, makers, users)
            if ending and not any(id(node) in taken for _, node in ending):
                loop = makers[id(ending[0][1].outputs[0])]
                moved.setdefault(id(loop), []).append(Step("call", [*step.nodes, *ending]))
                taken.update(id(node) for _, node in (*step.nodes, *ending))
    steps = []
    for step in fused.steps:
        steps += moved.get(id(step), [])
        left = [pair for pair in step.nodes if id(pair[1]) not in taken]
        if left:
            steps.append(replace(step, nodes=left))
    return steps


def _ending(product: Node, fused: Fused, makers: dict[int, Step], users: dict[int, Any]) -> list[tuple[int, Node]]:
    """The bias and the relu that a loop applies to a product that nobody else needs, to store what they give."""
    value, loop = product.outputs[0], None
    ending: list[tuple[int, Node]] = []
    while len(users.get(id(value), ())) == 1 and (pair := users[id(value)][0]) is not None:
        node, step = pair[1], makers[id(pair[1].outputs[0])]
        if step.kind == "call" or (loop is not None and step is not loop):
            break
        bias = bias_of(product, node, fused)
        if not (node.primitive.name == "relu" or (bias is not None and not ending)):
            break
        if bias is not None and makers.get(id(bias.base)) is step:
            break
        ending.append(pair)
        value, loop = node.outputs[0], step
        if node.primitive.name == "relu":
            break
    stored = any(pair is None or makers[id(pair[1].outputs[0])] is not loop for pair in users.get(id(value), ()))
    return ending if stored and _has_kernel(product, [node for _, node in ending], fused) else []


def _has_kernel(product: Node, ending: Sequence[Node], fused: Fused) -> bool:
    try:
        return launch_of(product, operands(product, fused), **options_of(ending)) is not None
    except kernels.NotYet:
        return True


def options_of(ending: Sequence[Node]) -> dict[str, bool]:
    """What a kernel is told of its ending."""
    names = [node.primitive.name for node in ending]
    return {"bias": "add" in names, "relu": "relu" in names}


def bias_of(product: Node, node: Node, fused: Fused) -> View | None:
    """The vector along the product's last axis that a node adds to it; None if it does something else."""
    shape = views.shape_of(node.outputs[0])
    columns, size = (views.shape_of(product.outputs[0]) or (1,))[-1], views.size_of(product.outputs[0])
    along = views.pattern((size // max(columns, 1), columns), (0, 1))
    tensors = [fused.view(x) for x in node.inputs if isinstance(x, (AbstractTensor, Tensor))]
    if node.primitive.name != "add" or len(tensors) != 2 or views.size_of(node.outputs[0]) != size:
        return None
    if tensors[0].base is not product.outputs[0]:
        tensors.reverse()
    whole, other = tensors
    if whole.base is not product.outputs[0] or not whole.is_whole or other.base.dtype != dtypes.FLOATX:
        return None
    return other if views.pattern(shape, views.broadcast(other, shape)) == along else None
