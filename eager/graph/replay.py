"""A graph run once more, operation by operation: how gradients of it are taken, and what control flow runs inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..tensor import AbstractTensor
from .graph import Node


def replay(
    nodes: Sequence[Node],
    values: Mapping[int, Any],
    results: Sequence[Any],
    instead: Callable[[AbstractTensor, Any], Any] = lambda symbol, value: value,
) -> list[Any]:
    """The results of nodes, for tensors that stand for the values with these identities; recorders are told.

    `instead` is given each value that is made, with its symbol, and gives what stands for it from there on.
    """
    now = dict(values)

    def of(x: Any) -> Any:
        return now.get(id(x), x) if isinstance(x, AbstractTensor) else x

    for node in nodes:
        made = node.primitive(*map(of, node.inputs), **node.params)
        for symbol, value in zip(node.outputs, made if type(made) is tuple else (made,), strict=True):
            now[id(symbol)] = instead(symbol, value)
    return [of(x) for x in results]
