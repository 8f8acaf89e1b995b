"""How `call` methods are called: which arguments they name, and what they get.

The first argument is data; `training` is resolved from the explicit argument, the enclosing call, then the default,
and given only to a `call` that names it; shapes for `build` follow Keras's naming rule.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import nest
from ..context import context
from ..errors import describe
from ..ops import creation
from ..tensor import Tensor, to_array, wrap


class CallSignature:
    """What one class's `call` takes.

    names: the parameters that may be given by position, without self; `places` are theirs.
    takes_training: whether it names `training`; `training_default` is that parameter's default.
    takes_mask: whether it names `mask`.
    """

    __slots__ = ("names", "places", "takes_mask", "takes_training", "training_default")

    def __init__(self, call: Callable[..., Any]):
        parameters = list(inspect.signature(call).parameters.values())[1:]
        self.names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        self.places = {name: place for place, name in enumerate(self.names)}
        by_name = {p.name: p for p in parameters}
        self.takes_training = "training" in by_name
        self.takes_mask = "mask" in by_name
        default = by_name["training"].default if self.takes_training else None
        self.training_default = None if default is inspect.Parameter.empty else default

    def resolve_training(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """The training mode of this call."""
        explicit = self._given("training", args, kwargs) if kwargs or self.takes_training else None
        mode = context.training if explicit is None else explicit
        mode = self.training_default if mode is None else mode
        if mode is None or mode is True or mode is False:
            return bool(mode)
        if isinstance(mode, (np.bool_, int)):
            return bool(mode)
        raise ValueError(f"training: expected True, False or None, got {describe(mode)}. Several inputs go in a list.")

    def prepare(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], training: bool, mask: Any
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with the training mode, taken out where `call` does not name it, and a mask not given."""
        if self.takes_training:
            args, kwargs = self._put("training", training, args, kwargs)
        else:
            kwargs = {name: value for name, value in kwargs.items() if name != "training"}
        if self.takes_mask and mask is not None and self._given("mask", args, kwargs) is None:
            args, kwargs = self._put("mask", mask, args, kwargs)
        return args, kwargs

    def _given(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        place = self.places.get(name, len(args))
        return args[place] if place < len(args) else kwargs.get(name)

    def _put(
        self, name: str, value: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        place = self.places.get(name, len(args))
        if place < len(args):
            return (*args[:place], value, *args[place + 1 :]), kwargs
        return args, {**kwargs, name: value}


@functools.cache
def call_signature(call: Callable[..., Any]) -> CallSignature:
    """The signature of a layer class's `call`, read once."""
    return CallSignature(call)


@functools.cache
def build_parameters(build: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The shapes that a layer class's `build` takes, by name."""
    parameters = list(inspect.signature(inspect.unwrap(build)).parameters.values())[1:]
    return {p.name: p for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}


def shape_of(value: Any) -> Any:
    """The shapes of a structure of tensors, in that structure."""
    return nest.map_structure(lambda leaf: getattr(leaf, "shape", None), value)


def map_shapes(function: Callable[[Any], Any], shapes: Any) -> Any:
    """`function` of each shape in a structure; a tuple or list of sizes is a shape."""
    if isinstance(shapes, dict):
        return {key: map_shapes(function, item) for key, item in shapes.items()}
    if any(isinstance(item, (tuple, list, dict)) for item in shapes):
        return type(shapes)(map_shapes(function, item) for item in shapes)
    return function(tuple(shapes))


def build_shapes(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The shapes for `build`: the first argument's if it takes one, else `<argument>_shape` for each it names."""
    wanted = build_parameters(type(layer).build)
    names = call_signature(type(layer).call).names
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    if len(wanted) <= 1:
        first = args[0] if args else next(iter(given.values()), None)
        return {name: shape_of(first) for name in wanted}
    shapes = {
        f"{name}_shape": shape_of(value)
        for name, value in given.items()
        if f"{name}_shape" in wanted and any(hasattr(leaf, "shape") for leaf in nest.flatten(value))
    }
    lacking = [name for name, wish in wanted.items() if wish.default is wish.empty and name not in shapes]
    if lacking:
        raise ValueError(
            f"{type(layer).__name__} {layer.name!r}: expected call() to get a tensor for each shape that build() "
            f"takes, `x` for `x_shape`; got none for {', '.join(lacking)} among the arguments {', '.join(given)}."
        )
    return shapes


def as_tensors(data: Any) -> Any:
    """Arrays, lists and numbers in a structure as tensors; Variables as their values."""
    if type(data) is np.ndarray:
        return wrap(to_array(data))
    if isinstance(data, (list, tuple)) and not any(hasattr(leaf, "shape") for leaf in nest.flatten(data)):
        return creation.convert_to_tensor(data)
    return nest.map_structure(_as_tensor, data)


def _as_tensor(leaf: Any) -> Any:
    if leaf is None or isinstance(leaf, str):
        return leaf
    return creation.convert_to_tensor(leaf) if hasattr(leaf, "__array__") or isinstance(leaf, (int, float)) else leaf


def mask_of(data: Any) -> Any:
    """The mask of a tensor, masks in a structure, None if there is none."""
    if type(data) is Tensor:
        return getattr(data, "_mask", None)
    masks = nest.map_structure(lambda leaf: getattr(leaf, "_mask", None), data)
    return masks if any(mask is not None for mask in nest.flatten(masks)) else None
