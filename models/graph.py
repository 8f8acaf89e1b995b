"""The graph of a functional model: the calls between its inputs and its outputs, run again on real data.

Slots number the tensors; a plan lists, for each call, where its arguments come from and where its outputs go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .. import nest
from ..configurable import snake_case
from ..errors import describe
from ..layers import Layer
from ..symbolic import Node
from ..tensor import AbstractTensor


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
        self._slots: dict[Any, int] = {_key(symbol): i for i, symbol in enumerate(self.input_symbols)}
        self.nodes = self._sorted_nodes()
        for node in self.nodes:
            for index in range(len(nest.flatten(node.structure))):
                self._slots.setdefault((id(node), index), len(self._slots))
        self._places = [self._slots[_key(leaf)] for leaf in nest.flatten(outputs)]

    def _sorted_nodes(self) -> list[Node]:
        """The nodes, each after those it needs; depth first, without recursion."""
        order: list[Node] = []
        done: set[int] = set()
        stack: list[tuple[AbstractTensor, bool]] = [(leaf, False) for leaf in reversed(nest.flatten(self.outputs))]
        while stack:
            symbol, expanded = stack.pop()
            node = symbol.node
            if _key(symbol) in self._slots or (node is not None and id(node) in done):
                continue
            if node is None:
                raise ValueError(
                    f"Model: an output needs {symbol!r}, which is not among the inputs {self.input_symbols}. Add it to them."
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
        found: dict[int, Layer] = {}
        for node in self.nodes:
            for value in (node.operation, *nest.flatten((node.args, node.kwargs))):
                if isinstance(value, Layer):
                    found.setdefault(id(value), value)
        return list(found.values())

    def output_names(self) -> list[str]:
        """A name for each output: that of the layer which made it, numbered if made more than once."""
        names: list[str] = []
        for leaf in nest.flatten(self.outputs):
            operation = leaf.node.operation if leaf.node is not None else None
            base = getattr(operation, "name", None) or leaf.name or getattr(operation, "__name__", "output")
            names.append(base if base not in names else f"{base}_{sum(n.startswith(base) for n in names)}")
        return names

    def run(self, values: list[Any]) -> Any:
        """The outputs for one value per input."""
        slots: list[Any] = [*values, *[None] * (len(self._slots) - len(values))]
        lookup = self._slots

        def fill(leaf: Any) -> Any:
            return slots[lookup[_key(leaf)]] if type(leaf) is AbstractTensor else leaf

        for node in self.nodes:
            if not node.kwargs and len(node.args) == 1:
                only = node.args[0]
                result = node.operation(fill(only) if type(only) is AbstractTensor else nest.map_structure(fill, only))
            else:
                args, kwargs = nest.map_structure(fill, (node.args, node.kwargs))
                result = node.operation(*args, **kwargs)
            for i, leaf in enumerate([result] if not nest.is_nested(result) else nest.flatten(result)):
                slots[lookup[(id(node), i)]] = leaf
        return nest.pack(self.outputs, [slots[place] for place in self._places])

    def arrange(self, data: Any) -> list[Any]:
        """Data in the order of the inputs: of their structure, a flat list, or a dictionary by their names.

        Raises:
          ValueError: if their number or names do not fit.
        """
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
