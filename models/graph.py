"""The graph of a functional model: the calls between its inputs and its outputs, run again on real data.

Slots number the tensors; a plan lists, for each call, where its arguments come from and where its outputs go.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

from .. import nest
from ..configurable import snake_case
from ..dimensions import Atom, Dim, bind, evaluate
from ..errors import describe
from ..layers import Layer
from ..symbolic import Node
from ..tensor import AbstractTensor, Operand, dims
from ..variable import Variable


class _Slot:
    """Where an argument comes from."""

    __slots__ = ("number",)

    def __init__(self, number: int):
        self.number = number


class _Step(NamedTuple):
    """One call; its outputs go to the slots from `first` on. `only` is the number of the one slot it takes, if so."""

    operation: Any
    args: Any
    kwargs: Any
    first: int
    only: int | None


class Graph:
    """The calls that lead from input symbols to output symbols.

    Args:
      inputs: symbols, in any structure; usually those of `Input`.
      outputs: symbols computed from them, in any structure.

    Raises:
      ValueError: if a leaf is no symbol, an input is given twice, or an output needs an input that is not given.
    """

    def __init__(self, inputs: Any, outputs: Any):
        self.inputs, self.outputs = inputs, outputs
        self.input_symbols = nest.flatten(inputs)
        for kind, structure in (("inputs", inputs), ("outputs", outputs)):
            for leaf in nest.flatten(structure):
                if not isinstance(leaf, AbstractTensor):
                    raise ValueError(f"Model: expected {kind} that come from Input(), got {describe(leaf)}.")
        if len({id(symbol) for symbol in self.input_symbols}) != len(self.input_symbols):
            raise ValueError(f"Model: expected different inputs, got one twice among {self.input_symbols}.")
        slots: dict[Any, int] = {_key(symbol): i for i, symbol in enumerate(self.input_symbols)}
        self.nodes = self._sorted_nodes(slots)
        self._size = len(slots)
        self._steps: list[_Step] = []
        for node in self.nodes:
            args, kwargs = nest.map_structure(lambda leaf: _placed(leaf, slots), (node.args, node.kwargs))
            alone = len(args) == 1 and not kwargs and type(args[0]) is _Slot
            self._steps.append(_Step(node.operation, args, kwargs, self._size, args[0].number if alone else None))
            for index in range(len(nest.flatten(node.structure))):
                slots.setdefault((id(node), index), self._size)  # an input stays what it is given
                self._size += 1
        self._has_sizes = any(
            _holds_size(leaf) for node in self.nodes for leaf in nest.flatten((node.args, node.kwargs))
        )
        self._places = [slots[_key(leaf)] for leaf in nest.flatten(outputs)]
        self._single = not nest.is_nested(inputs)

    def _sorted_nodes(self, slots: dict[Any, int]) -> list[Node]:
        """The nodes, each after those it needs; depth first, without recursion."""
        order: list[Node] = []
        done: set[int] = set()
        stack: list[tuple[AbstractTensor, bool]] = [(leaf, False) for leaf in reversed(nest.flatten(self.outputs))]
        while stack:
            symbol, expanded = stack.pop()
            node = symbol.node
            if _key(symbol) in slots or (node is not None and id(node) in done):
                continue
            if node is None:
                raise ValueError(
                    f"Model: an output needs {symbol!r}, which is not among the inputs {self.input_symbols}. "
                    "Add it to them."
                )
            if expanded:
                done.add(id(node))
                order.append(node)
                continue
            stack.append((symbol, True))
            stack.extend((needed, False) for needed in reversed(node.inputs()))
        return order

    def layers(self) -> list[Layer]:
        """The layers called, each once, in the order of their first call; also those given to operations."""
        return self._used(Layer)

    def variables(self) -> list[Variable]:
        """The Variables given to operations, each once, in the order of their first use."""
        return self._used(Variable)

    def _used(self, kind: type) -> list[Any]:
        found: dict[int, Any] = {}
        for node in self.nodes:
            for value in (node.operation, *nest.flatten((node.args, node.kwargs))):
                if isinstance(value, kind):
                    found.setdefault(id(value), value)
        return list(found.values())

    def output_names(self) -> list[str]:
        """A name for each output: that of the layer which made it, numbered if made more than once."""
        names: list[str] = []
        for leaf in nest.flatten(self.outputs):
            operation = leaf.node.operation if leaf.node is not None else None
            base = getattr(operation, "name", None) or leaf.name or getattr(operation, "__name__", "output")
            numbered = (f"{base}_{number}" for number in itertools.count(1))
            names.append(next(name for name in itertools.chain((base,), numbered) if name not in names))
        return names

    def run(self, values: list[Any]) -> Any:
        """The outputs for one value per input."""
        slots: list[Any] = [*values, *[None] * (self._size - len(values))]
        sizes: dict[Atom, Any] = {}
        if self._has_sizes:
            for symbol, value in zip(self.input_symbols, values, strict=True):
                sizes |= bind(symbol.dims, dims(value))
        # No function here that calls itself: its cycle would hold tensors.
        fill = functools.partial(_filled, slots, sizes)
        for operation, args, kwargs, first, only in self._steps:
            if only is not None:
                result = operation(slots[only])
            else:
                args, kwargs = nest.map_structure(fill, (args, kwargs))
                result = operation(*args, **kwargs)
            if isinstance(result, Operand):
                slots[first] = result
            else:
                for place, leaf in enumerate(nest.flatten(result), first):
                    slots[place] = leaf
        return nest.pack(self.outputs, [slots[place] for place in self._places])

    def arrange(self, data: Any) -> list[Any]:
        """Data in the order of the inputs: of their structure, a flat list, or a dictionary by their names.

        Raises:
          ValueError: if their number or names do not fit.
        """
        if self._single and not nest.is_nested(data):
            return [data]
        names = [symbol.name for symbol in self.input_symbols]
        if isinstance(data, dict) and not isinstance(self.inputs, dict):
            missing = [name for name in names if name not in data]
            if missing:
                raise ValueError(f"expected a value for each of the inputs {names}, got {describe(data)}")
            return [data[name] for name in names]
        if isinstance(data, dict) and set(data) != set(self.inputs):
            raise ValueError(f"expected the inputs {sorted(self.inputs)}, got {describe(data)}")
        leaves = nest.flatten(data)
        if len(leaves) != len(names):
            raise ValueError(f"expected {len(names)} inputs, got {len(leaves)}: {describe(data)}")
        return leaves


def _filled(slots: list[Any], sizes: dict[Atom, Any], leaf: Any) -> Any:
    """What stands for a leaf of a call's arguments in one run."""
    if type(leaf) is _Slot:
        return slots[leaf.number]
    if type(leaf) is Dim:
        return evaluate(leaf, sizes)
    if type(leaf) is slice:
        return slice(*(_filled(slots, sizes, part) for part in (leaf.start, leaf.stop, leaf.step)))
    return leaf


def _holds_size(leaf: Any) -> bool:
    return isinstance(leaf, Dim) or (
        isinstance(leaf, slice) and any(map(_holds_size, (leaf.start, leaf.stop, leaf.step)))
    )


def _placed(leaf: Any, slots: dict[Any, int]) -> Any:
    if isinstance(leaf, slice):
        return slice(*(_placed(part, slots) for part in (leaf.start, leaf.stop, leaf.step)))
    return _Slot(slots[_key(leaf)]) if isinstance(leaf, AbstractTensor) else leaf


def _key(symbol: AbstractTensor) -> Any:
    """What two appearances of one tensor share: the symbol itself for an input, else its node and place."""
    return id(symbol) if symbol.node is None else (id(symbol.node), symbol.node_index)


def named_layers(layers: list[Layer]) -> Iterator[tuple[str, Layer]]:
    """The layers with the names they have in files: the user's, else `<class>_<k>` counted within the model.

    Raises:
      ValueError: if two layers were given one name.
    """
    taken: dict[str, Layer] = {}
    for layer in layers:
        if layer.given_name is not None:
            if layer.given_name in taken:
                raise ValueError(f"Expected different names for the layers of a model, got {layer.given_name!r} twice.")
            taken[layer.given_name] = layer
    counts: dict[str, int] = {}
    for layer in layers:
        name = layer.given_name
        while name is None:
            base = snake_case(type(layer).__name__)
            number = counts.setdefault(base, 0)
            counts[base] += 1
            name = f"{base}_{number}" if f"{base}_{number}" not in taken else None
        yield name, layer
