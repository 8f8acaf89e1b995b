"""Checks of constructor arguments: a bad one is refused where it enters, with its value."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np

from .. import activations, constraints, initializers, regularizers
from ..errors import describe


def positive(layer: Any, name: str, value: Any) -> int:
    """An integer > 0.

    Raises:
      ValueError: naming the layer, the argument and what came.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value <= 0:
        raise ValueError(f"{type(layer).__name__} {layer.name!r}: {name} must be an integer > 0, got {value!r}.")
    return int(value)


def sizes(layer: Any, name: str, value: Any, rank: int) -> tuple[int, ...]:
    """`rank` integers > 0; one integer stands for all of them.

    Raises:
      ValueError: naming the layer, the argument and what came.
    """
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * rank
    try:
        result = tuple(positive(layer, name, item) for item in values)
    except ValueError:
        result = ()
    if len(result) != rank:
        raise ValueError(
            f"{type(layer).__name__} {layer.name!r}: {name} must be an integer > 0 or {rank} of them, got {value!r}."
        )
    return result


def borders(layer: Any, name: str, value: Any, rank: int) -> tuple[tuple[int, int], ...]:
    """Two integers >= 0 for each axis; one integer stands for both of an axis, or for all.

    Raises:
      ValueError: naming the layer, the argument and what came.
    """
    values = (value,) if rank == 1 else tuple(value) if isinstance(value, (tuple, list)) else (value,) * rank
    pairs = tuple(tuple(item) if isinstance(item, (tuple, list)) else (item, item) for item in values)
    whole = all(
        isinstance(width, (int, np.integer)) and not isinstance(width, bool) and width >= 0
        for pair in pairs
        for width in pair
    )
    if len(pairs) != rank or not whole or any(len(pair) != 2 for pair in pairs):
        wanted = "an integer >= 0 or 2 of them" if rank == 1 else f"an integer >= 0, {rank} of them, or {rank} pairs"
        raise ValueError(f"{type(layer).__name__} {layer.name!r}: {name} must be {wanted}, got {value!r}.")
    return tuple((int(before), int(after)) for before, after in pairs)


def number(layer: Any, name: str, value: Any, low: float, high: float = math.inf) -> Any:
    """A real number in [low, high].

    Raises:
      ValueError: naming the layer, the argument and what came.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not low <= value <= high:  # type: ignore[operator]
        wanted = f">= {low}" if high == math.inf else f"in [{low}, {high}]"
        raise ValueError(f"{type(layer).__name__} {layer.name!r}: {name} must be {wanted}, got {value!r}.")
    return value


def below_one(layer: Any, name: str, value: Any) -> Any:
    """A real number in [0, 1).

    Raises:
      ValueError: naming the layer, the argument and what came.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= value < 1:  # type: ignore[operator]
        raise ValueError(f"{type(layer).__name__} {layer.name!r}: {name} must be in [0, 1), got {value!r}.")
    return value


def fits_window(layer: Any, inputs: Any, window: tuple[int, ...], dilation: tuple[int, ...]) -> None:
    """Refuses an image that is smaller than the window, where nothing is padded: no output would be left.

    Raises:
      ValueError: naming the layer, the extent of its window and what came.
    """
    first = layer.data_format == "channels_first"
    reach = tuple((width - 1) * gap + 1 for width, gap in zip(window, dilation, strict=True))
    space = inputs.shape[2:] if first else inputs.shape[1:-1]
    if any(size is not None and size < wanted for size, wanted in zip(space, reach, strict=True)):
        raise ValueError(
            f"{type(layer).__name__} {layer.name!r}: expected an image of at least {' x '.join(map(str, reach))}, "
            f"which the window covers, got {describe(inputs)}. Use a smaller window or padding='same'."
        )


def one_of(layer: Any, name: str, value: Any, choices: tuple[Any, ...]) -> Any:
    """One of the choices; strings in any case.

    Raises:
      ValueError: naming the layer, the argument and what came.
    """
    folded = value.lower() if isinstance(value, str) else value
    if folded not in choices:
        raise ValueError(f"{type(layer).__name__} {layer.name!r}: {name} must be one of {choices}, got {value!r}.")
    return folded


def weight_options(
    layer: Any, weight: str, initializer: Any, regularizer: Any, constraint: Any
) -> tuple[Any, Any, Any]:
    """What a constructor takes for one weight, resolved.

    Raises:
      ValueError: for an unknown name, naming the layer and the argument.
    """
    families = (
        ("initializer", initializers.get, initializer),
        ("regularizer", regularizers.get, regularizer),
        ("constraint", constraints.get, constraint),
    )
    first, second, third = (_named(layer, f"{weight}_{role}", get, given) for role, get, given in families)
    return first, second, third


def activation(layer: Any, identifier: Any) -> Any:
    """An activation function.

    Raises:
      ValueError: for an unknown name, naming the layer.
    """
    return _named(layer, "activation", activations.get, identifier)


def _named(layer: Any, name: str, get: Callable[[Any], Any], identifier: Any) -> Any:
    try:
        return get(identifier)
    except ValueError as error:
        raise ValueError(f"{type(layer).__name__} {layer.name!r}: {name}: {error}") from None
