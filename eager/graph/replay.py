"""A graph run once more, operation by operation: how gradients of it are taken, and what control flow runs inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..tensor import AbstractTensor
from .graph import Node
from .passes import for_sizes, sized


def replay(
    nodes: Sequence[Node],
    values: Mapping[int, Any],
    results: Sequence[Any],
    instead: Callable[[AbstractTensor, Any], Any] = lambda symbol, value: value,
    sizes: Mapping[Any, Any] | None = None,
) -> list[Any]:
    """The results of nodes, for tensors that stand for the values with these identities; recorders are told.

    Args:
      nodes: the operations.
      values: the tensors, by the identities of the symbols.
      results: the symbols to give the values of, and constants.
      instead: is given each value that is made, with its symbol, and gives what stands for it from there on.
      sizes: of the dimensions that were unknown when the operations were traced.
    """
    now = dict(values)

    def of(x: Any) -> Any:
        return now.get(id(x), x) if isinstance(x, AbstractTensor) else sized(x, sizes) if sizes else x

    for node in nodes:
        params = {name: sized(value, sizes) for name, value in node.params.items()} if sizes else node.params
        primitive = for_sizes(node.primitive, sizes) if sizes else node.primitive
        made = primitive(*map(of, node.inputs), **params)
        for symbol, value in zip(node.outputs, made if type(made) in (tuple, list) else (made,), strict=True):
            now[id(symbol)] = instead(symbol, value)
    return [of(x) for x in results]
