"""What loops know: which operations they do element by element, which reductions, and how others are made of these."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import numpy as np

from ..kernels import SLAB, supported
from ..ops import arrays, reductions
from ..ops.rules import normalize_axes
from ..primitive import cast
from ..tensor import AbstractTensor, Tensor
from . import views
from .graph import Graph, Node
from .views import shape_of

REDUCTIONS = frozenset(("sum", "max", "min", "any", "all", "argmax", "argmin"))
# Whole reductions of more elements go in two stages, so that threads share them.
LARGE = 1 << 16


def reduced_axes(node: Node) -> tuple[int, ...]:
    """The axes that a reduction goes over."""
    return tuple(sorted(normalize_axes(node.params.get("axis"), len(shape_of(node.inputs[0])))))


def is_elementwise(node: Node) -> bool:
    """Whether a loop can do an operation element by element."""
    tensors = [x for x in node.inputs if isinstance(x, (AbstractTensor, Tensor))]
    if len(node.outputs) != 1 or not tensors or not all(shape_of(node.outputs[0])):
        return False
    name = node.primitive.name
    of = [x.dtype.name for x in tensors]
    given = node.outputs[0].dtype.name
    if any(isinstance(x, int) and not _holds(tensors[-1].dtype, x) for x in node.inputs):
        return False
    if not supported("cast", given) or not all(supported("cast", dtype) for dtype in of):
        return False
    if name in (
        "cast",
        "leaky_relu",
        "identity",
        "picked",
        "logical_and",
        "logical_or",
        "logical_xor",
        "logical_not",
        "select",
    ):
        return True
    if name == "floor_divide":
        divisor = node.inputs[1]
        return isinstance(divisor, int) and divisor > 0 and supported(name, of[0])
    if name == "add_along_axis":
        return _along_last(node.outputs[0], node) and tuple(node.inputs[0].shape[:-1]) == tuple(
            node.outputs[0].shape[:-1]
        )
    return supported(name, of[0])


def knows_columns(node: Node) -> bool:
    """Whether an elementwise operation looks at an element's place along the last axis, which a loop's columns are."""
    return node.primitive.name in ("picked", "add_along_axis")


def _holds(dtype: Any, number: int) -> bool:
    """Whether an integer is one of a dtype; NumPy compares with any other exactly, and refuses to compute with it."""
    return dtype.kind not in "iu" or np.iinfo(dtype).min <= number <= np.iinfo(dtype).max


def is_reduction(node: Node) -> bool:
    """Whether a loop can do a reduction."""
    x = node.inputs[0] if node.inputs else None
    if node.primitive.name not in REDUCTIONS or not isinstance(x, AbstractTensor):
        return False
    if not supported("cast", x.dtype.name) or not all(shape_of(x)):
        return False
    if not reduced_axes(node):
        return False
    initial = node.params.get("initial")
    neutral = initial is None or (node.primitive.name == "max" and initial == -np.inf and x.dtype.kind == "f")
    if node.primitive.name.startswith("arg") and x.dtype.kind == "b":
        return False
    return neutral


def _along_last(x: Any, node: Node) -> bool:
    """Whether an operation picks one element of the last axis for each row."""
    rank = len(x.shape)
    indices = node.inputs[1]
    return (
        node.params["axis"] % rank == rank - 1
        and isinstance(indices, (AbstractTensor, Tensor))
        and tuple(indices.shape) == (*tuple(x.shape)[:-1], 1)
        and node.inputs[0].dtype.kind == "f"
    )


def parts(node: Node, looked_at: Container[int] = ()) -> list[Node]:
    """An operation as the operations that loops know.

    Args:
      node: the operation.
      looked_at: the values, by identity, whose elements are looked at before a run: these are indices of something.
    """
    name = node.primitive.name
    if (
        name == "take_along_axis"
        and isinstance(node.inputs[0], AbstractTensor)
        and id(node.inputs[1]) in looked_at  # a loop would give 0 for what is no index
        and _along_last(node.inputs[0], node)
    ):
        x, indices = node.inputs
        hit = AbstractTensor(shape_of(x), x.dtype)
        return [
            Node(picked, (x, indices), {}, (hit,)),
            Node(reductions.sum, (hit,), {"axis": (len(x.shape) - 1,), "keepdims": True}, node.outputs),
        ]
    if name in ("sum", "any", "all") and node.outputs[0].dtype != node.inputs[0].dtype:
        x = node.inputs[0]
        if isinstance(x, AbstractTensor):
            wide = AbstractTensor(shape_of(x), node.outputs[0].dtype)
            first = Node(cast, (x,), {"dtype": wide.dtype}, (wide,))
            return [first, *parts(Node(node.primitive, (wide,), node.params, node.outputs))]
    if is_reduction(node) and name in ("sum", "max", "min"):
        return _in_stages(node)
    return [node]


def _in_stages(node: Node) -> list[Node]:
    """A reduction of a large tensor to one number as one of its rows, then of what these give."""
    x, output = node.inputs[0], node.outputs[0]
    total = views.size_of(x)
    if total <= LARGE or views.size_of(output) != 1:
        return [node]
    columns = next((n for n in range(SLAB, SLAB // 64, -1) if total % n == 0), None)
    if columns is None:
        return [node]
    rows = AbstractTensor((total // columns, columns), x.dtype)
    partial, whole = AbstractTensor((total // columns,), x.dtype), AbstractTensor((), x.dtype)
    return [
        Node(arrays.reshape, (x,), {"newshape": rows.dims}, (rows,)),
        Node(node.primitive, (rows,), {"axis": 1}, (partial,)),
        Node(node.primitive, (partial,), {"axis": 0}, (whole,)),
        Node(arrays.reshape, (whole,), {"newshape": shape_of(output)}, (output,)),
    ]


class _Picked:
    """x where the column's number is the row's index, else 0."""

    name = "picked"
    kernel_rule = None

    @staticmethod
    def implementation(x: Any, indices: Any) -> Any:
        return np.where(np.arange(x.shape[-1]) == np.where(indices < 0, indices + x.shape[-1], indices), x, 0)


picked: Any = _Picked()


_CHEAP = frozenset(
    ("greater", "greater_equal", "less", "less_equal", "equal", "not_equal", "cast", "negative", "logical_not")
)


def with_late_ones(graph: Graph) -> tuple[list[Node], dict[int, Node]]:
    """The nodes with each cheap one that has one consumer moved next to it; and for those what ends their chain."""
    consumers: dict[int, list[Node]] = {}
    for node in graph.nodes:
        for x in node.values():
            consumers.setdefault(id(x), []).append(node)
    results = {id(x) for x in graph.results()}
    moved: dict[int, list[Node]] = {}
    ends: dict[int, Node] = {}
    ordered: list[Node] = []
    for node in reversed(graph.nodes):
        uses = consumers.get(id(node.outputs[0]), [])
        if node.primitive.name in _CHEAP and len(uses) == 1 and id(node.outputs[0]) not in results:
            end = uses[0]
            ends[id(node)] = ends.get(id(end), end)
            moved.setdefault(id(end), []).append(node)
    for node in graph.nodes:
        if id(node) not in ends:
            _append(ordered, node, moved)
    return ordered, ends


def _append(ordered: list[Node], node: Node, moved: dict[int, list[Node]]) -> None:
    """Adds a node after those that were moved to it."""
    for other in moved.get(id(node), ()):
        _append(ordered, other, moved)
    ordered.append(node)
