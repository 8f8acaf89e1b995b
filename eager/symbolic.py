"""Calls on abstract tensors, kept as nodes: what a functional model is made of.

A node is the call of a layer or of a public operation, with its nested arguments as they were given; running the
model runs the call again. An abstract tensor knows the node that made it, a node knows its arguments, and nothing
points forward, so a graph dies with its outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import nest
from .context import context, scoped
from .tensor import AbstractTensor


class Node:
    """One call `operation(*args, **kwargs)` with abstract tensors among its arguments; arrays are copied."""

    __slots__ = ("args", "kwargs", "operation", "structure")

    def __init__(self, operation: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], outputs: Any):
        self.operation = operation
        self.args, self.kwargs = nest.map_structure(_copied, (args, kwargs))
        self.structure = nest.map_structure(lambda leaf: None, outputs)

    def inputs(self) -> list[AbstractTensor]:
        """The symbols among the arguments, nested ones included."""
        return symbols((self.args, self.kwargs))


def _copied(leaf: Any) -> Any:
    """The leaf, an array as it is now: changing it later changes no model."""
    return leaf.copy() if isinstance(leaf, np.ndarray) else leaf


def symbols(structure: Any) -> list[AbstractTensor]:
    """The abstract tensors among the leaves of a structure."""
    return [leaf for leaf in nest.flatten(structure) if isinstance(leaf, AbstractTensor)]


def call(operation: Callable[..., Any], run: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The result of `run(*args, **kwargs)` on symbols, kept as a node of `operation`.

    Nothing inside is recorded by a tape, makes nodes of its own or assigns Variables. Inside another such call, or a
    function that is traced, this only runs.
    """
    if context.symbolic_call or context.tracing is not None:
        return run(*args, **kwargs)
    with scoped(recorders=(), symbolic_call=True):
        outputs = run(*args, **kwargs)
    leaves = [
        AbstractTensor(leaf.dims, leaf.dtype) if isinstance(leaf, AbstractTensor) else leaf
        for leaf in nest.flatten(outputs)
    ]
    node = Node(operation, args, kwargs, outputs)
    for index, (leaf, old) in enumerate(zip(leaves, nest.flatten(outputs), strict=True)):
        if isinstance(leaf, AbstractTensor):
            leaf.node, leaf.node_index, leaf.name = node, index, old.name
            leaf._mask = getattr(old, "_mask", None)
    return nest.pack(outputs, leaves)
