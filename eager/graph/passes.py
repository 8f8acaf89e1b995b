"""Passes: from a graph to a smaller one that means the same. Every result is checked.

`specialize` puts sizes in the place of unknown dimensions; `simplify` leaves out what changes nothing and computes what
is constant; `share` computes equal things once, `before_spreading` some of them where there are fewer elements;
`prune` leaves out what nobody needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..context import context
from ..dimensions import Atom, Dim, Shape, bind, evaluate, known, same
from ..primitive import Primitive
from ..tensor import AbstractTensor, Tensor, dims, wrap
from .graph import Graph, Node
from .spreading import before_spreading

LARGEST_CONSTANT = 4096  # elements that are computed ahead; more would be kept for each graph


def optimize(graph: Graph) -> Graph:
    """The graph after every pass."""
    for one in (prune, simplify, share, before_spreading, prune):
        graph = one(graph).check()
    return graph


def specialize(graph: Graph, inputs: Sequence[AbstractTensor]) -> Graph:
    """The graph for inputs of known sizes."""
    sizes: dict[Atom, Any] = {}
    for old, new in zip(graph.inputs, inputs, strict=True):
        sizes |= bind(old.dims, new.dims)
    if not sizes:
        return graph
    now: dict[int, Any] = {id(old): new for old, new in zip(graph.inputs, inputs, strict=True)}
    nodes = []
    for node in graph.nodes:
        given = tuple(now.get(id(x), x) if isinstance(x, AbstractTensor) else sized(x, sizes) for x in node.inputs)
        params = {name: sized(value, sizes) for name, value in node.params.items()}
        outputs = _outputs(node, given, params, sizes)
        made = outputs if type(outputs) is tuple else (outputs,)
        now.update((id(old), new) for old, new in zip(node.outputs, made, strict=True))
        nodes.append(Node(for_sizes(node.primitive, sizes), given, params, made))
    return _with(graph, nodes, now, list(inputs)).check()


def for_sizes(primitive: Any, sizes: Mapping[Atom, Any]) -> Any:
    """The primitive itself; control flow keeps the sizes that are known now."""
    return primitive if isinstance(primitive, Primitive) or not hasattr(primitive, "sized") else primitive.sized(sizes)


def _outputs(node: Node, inputs: Sequence[Any], params: dict[str, Any], sizes: Mapping[Atom, Any]) -> Any:
    """A node's outputs for inputs of known sizes."""
    if isinstance(node.primitive, Primitive):
        return node.primitive._infer(inputs, params)
    return tuple([AbstractTensor(tuple(evaluate(n, sizes) for n in y.dims), y.dtype) for y in node.outputs])


def sized(value: Any, sizes: Mapping[Atom, Any]) -> Any:
    """A param with sizes for its dimensions."""
    if isinstance(value, Dim):
        return evaluate(value, sizes)
    if isinstance(value, (tuple, list)):
        return type(value)(sized(item, sizes) for item in value)
    if isinstance(value, slice):
        return slice(*(sized(x, sizes) for x in (value.start, value.stop, value.step)))
    return value


def _with(graph: Graph, nodes: list[Node], now: Mapping[int, Any], inputs: list[AbstractTensor] | None = None) -> Graph:
    """A graph of other nodes, with its results put in."""
    return Graph(
        graph.inputs if inputs is None else inputs,
        graph.variables,
        nodes,
        [_now(x, now) for x in graph.outputs],
        [(variable, _now(x, now)) for variable, x in graph.updates],
        graph.name,
        graph.checks,
    )


def _now(x: Any, now: Mapping[int, Any]) -> Any:
    """What stands for an input by now."""
    return now.get(id(x), x) if isinstance(x, AbstractTensor) else x


def prune(graph: Graph) -> Graph:
    """Without operations that no result needs, and reads of Variables that nobody uses."""
    needed = {id(x) for x in graph.results()}
    kept = []
    for node in reversed(graph.nodes):
        if any(id(y) in needed for y in node.outputs):
            kept.append(node)
            needed.update(map(id, node.values()))
    kept.reverse()
    pruned = _with(graph, kept, {})
    pruned.variables = [(variable, value) for variable, value in graph.variables if id(value) in needed]
    return pruned


def share(graph: Graph) -> Graph:
    """With equal operations computed once; every primitive is a function of its inputs and params."""
    now: dict[int, Any] = {}
    seen: dict[Any, tuple[AbstractTensor, ...]] = {}
    nodes = []
    for node in graph.nodes:
        node = Node(node.primitive, tuple(_now(x, now) for x in node.inputs), node.params, node.outputs)
        key = _key(node)
        before = None if key is None else seen.get(key)
        if before is not None:
            now.update((id(old), new) for old, new in zip(node.outputs, before, strict=True))
            continue
        if key is not None:
            seen[key] = node.outputs
        nodes.append(node)
    return _with(graph, nodes, now)


def _key(node: Node) -> Any:
    """What two equal operations have in common; None if it cannot be told."""
    key = (node.primitive.name, tuple(map(_token, node.inputs)), tuple((k, _token(v)) for k, v in node.params.items()))
    try:
        hash(key)
    except TypeError:
        return None
    return key


def _token(x: Any) -> Any:
    if isinstance(x, AbstractTensor):
        return ("value", id(x))
    if isinstance(x, Tensor):
        array = x._array
        return (array.dtype.str, array.shape, array.tobytes()) if array.size <= LARGEST_CONSTANT else ("at", id(x))
    if isinstance(x, slice):
        return ("slice", x.start, x.stop, x.step)
    if isinstance(x, (tuple, list)):
        return tuple(map(_token, x))
    return exact(x)


def exact(x: Any) -> Any:
    """What tells a value from others that are equal to it: 1, 1.0 and True have different dtypes, 0.0 has a sign."""
    return (type(x).__name__, x.hex() if type(x) is float else repr(x) if type(x) is complex else x)


def simplify(graph: Graph) -> Graph:
    """Without operations that change nothing, and with constants computed."""
    now: dict[int, Any] = {}
    nodes = []
    for node in graph.nodes:
        node = Node(node.primitive, tuple(_now(x, now) for x in node.inputs), node.params, node.outputs)
        result = _simpler(node)
        if result is None:
            nodes.append(node)
        else:
            now[id(node.outputs[0])] = result
    return _with(graph, nodes, now)


def _simpler(node: Node) -> Any:
    """A value or a constant that equals the node's only output; None if there is none."""
    if len(node.outputs) != 1:
        return None
    output = node.outputs[0]
    rule = _RULES.get(node.primitive.name)
    found = None if rule is None else rule(node)
    if found is not None and found.dtype == output.dtype and _alike(dims(found), dims(output)):
        return found
    if not known(output.dims) or any(isinstance(x, Dim) for x in node.inputs):
        return None
    if not any(isinstance(x, AbstractTensor) for x in node.inputs) and output_size(output) <= LARGEST_CONSTANT:
        return _computed(node.primitive, node.inputs, node.params)
    if node.primitive.name == "full_like":
        return _full(node, output)
    if node.primitive.name == "broadcast_to" and isinstance(node.inputs[0], Tensor):
        return wrap(np.broadcast_to(node.inputs[0]._array, _sizes(output)))
    return None


def _alike(a: Shape, b: Shape) -> bool:
    return len(a) == len(b) and all(same(m, n) is True for m, n in zip(a, b, strict=True))


def _computed(primitive: Primitive[...], inputs: Sequence[Any], params: Mapping[str, Any]) -> Any:
    arrays = [x._array if isinstance(x, Tensor) else x for x in inputs]
    return wrap(context.run(primitive.implementation, *arrays, **params))


def output_size(value: AbstractTensor) -> int:
    """The number of elements of a value of known size."""
    return int(np.prod(_sizes(value), dtype=np.int64))


def _sizes(value: AbstractTensor) -> tuple[int, ...]:
    return tuple([int(n) for n in value.dims])


def _full(node: Node, output: AbstractTensor) -> Any:
    """A constant that takes no memory for its repetition."""
    fill = node.params["fill_value"] if "fill_value" in node.params else node.inputs[1]
    if isinstance(fill, AbstractTensor):
        return None
    fill = fill._array if isinstance(fill, Tensor) else fill
    return wrap(np.broadcast_to(np.asarray(fill, output.dtype), _sizes(output)))


def _is_number(x: Any, number: float) -> bool:
    if isinstance(x, Tensor):
        return splat_value(x) == number
    return isinstance(x, (int, float)) and not isinstance(x, bool) and x == number


def splat_value(x: Tensor) -> Any:
    """The number that all elements of a constant are; None if they differ."""
    array = x._array
    if array.size == 1 or (array.size and not any(array.strides)):
        return array.reshape(-1)[:1].item() if array.size == 1 else array[(0,) * array.ndim].item()
    return None


def _first(node: Node) -> Any:
    return node.inputs[0]


def _without(number: float, both: bool) -> Callable[[Node], Any]:
    """The rule that an operand equal to a number leaves the other as it is."""

    def rule(node: Node) -> Any:
        a, b = node.inputs
        if _is_number(b, number):
            return a if isinstance(a, (AbstractTensor, Tensor)) else None
        return b if both and _is_number(a, number) and isinstance(b, (AbstractTensor, Tensor)) else None

    return rule


def _selected(node: Node) -> Any:
    condition, yes, no = node.inputs
    if not isinstance(condition, Tensor) or (truth := splat_value(condition)) is None:
        return None
    chosen = yes if truth else no
    return chosen if isinstance(chosen, (AbstractTensor, Tensor)) else None


def _untransposed(node: Node) -> Any:
    axes = node.params.get("axes")
    x = node.inputs[0]
    rank = len(x.shape)
    order = tuple(reversed(range(rank))) if axes is None else tuple(axis % rank for axis in axes)
    return x if [n for n in order if x.shape[n] != 1] == [n for n in range(rank) if x.shape[n] != 1] else None


# What may equal an operand; `_simpler` looks at shape and dtype. A sum over one element changes nothing.
_RULES: dict[str, Callable[[Node], Any]] = {
    **dict.fromkeys(("identity", "stop_gradient", "cast", "reshape", "broadcast_to", "sum"), _first),
    "transpose": _untransposed,
    "multiply": _without(1, both=True),
    "divide": _without(1, both=False),
    "power": _without(1, both=False),
    "select": _selected,
}
