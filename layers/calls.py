"""How `call` methods are called: which arguments they name, and what they get.

The first argument is data; `training` is resolved from the explicit argument, the enclosing call, then the default,
and given only to a `call` that names it; shapes for `build` follow Keras's naming rule.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from .. import nest
from ..context import context
from ..tensor import Operand


class CallSignature:
    """What one class's `call` takes.

    names: the parameters that may be given by position, without self.
    takes_training: whether it names `training`; `training_default` is that parameter's default.
    takes_mask: whether it names `mask`.
    """

    __slots__ = ("names", "takes_mask", "takes_training", "training_default")

    def __init__(self, call: Callable[..., Any]):
        parameters = list(inspect.signature(call).parameters.values())[1:]
        self.names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        by_name = {p.name: p for p in parameters}
        self.takes_training = "training" in by_name
        self.takes_mask = "mask" in by_name
        default = by_name["training"].default if self.takes_training else None
        self.training_default = None if default is inspect.Parameter.empty else default

    def resolve_training(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """The training mode of this call."""
        explicit = kwargs.get("training")
        if explicit is None and self.takes_training:
            place = self.names.index("training") if "training" in self.names else len(args)
            explicit = args[place] if place < len(args) else None
        for candidate in (explicit, context.training, self.training_default):
            if candidate is not None:
                return bool(candidate)
        return False

    def prepare(self, args: tuple[Any, ...], kwargs: dict[str, Any], training: bool) -> dict[str, Any]:
        """The keyword arguments with the training mode put in, or taken out where `call` does not name it."""
        if not self.takes_training:
            return {name: value for name, value in kwargs.items() if name != "training"}
        if "training" in self.names and self.names.index("training") < len(args):
            return kwargs
        return {**kwargs, "training": training}


@functools.cache
def call_signature(call: Callable[..., Any]) -> CallSignature:
    """The signature of a layer class's `call`, read once."""
    return CallSignature(call)


@functools.cache
def build_parameters(build: Callable[..., Any]) -> list[str]:
    """The names of the shapes that a layer class's `build` takes."""
    parameters = list(inspect.signature(inspect.unwrap(build)).parameters.values())[1:]
    return [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]


def shape_of(value: Any) -> Any:
    """The shapes of a structure of tensors, in that structure."""
    return nest.map_structure(lambda leaf: getattr(leaf, "shape", None), value)


def build_shapes(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The shapes for `build`: the first argument's if it takes one, else `<argument>_shape` for each it names."""
    wanted = build_parameters(type(layer).build)
    names = call_signature(type(layer).call).names
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    if len(wanted) <= 1:
        return {name: shape_of(next(iter(given.values()), None)) for name in wanted}
    return {
        f"{name}_shape": shape_of(value)
        for name, value in given.items()
        if f"{name}_shape" in wanted and any(isinstance(leaf, Operand) for leaf in nest.flatten(value))
    }
