"""Checks of constructor arguments: a bad one is refused where it enters, with its value."""

from __future__ import annotations

from typing import Any

import numpy as np


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


def one_of(layer: Any, name: str, value: Any, choices: tuple[Any, ...]) -> Any:
    """One of the choices; strings in any case.

    Raises:
      ValueError: naming the layer, the argument and what came.
    """
    folded = value.lower() if isinstance(value, str) else value
    if folded not in choices:
        raise ValueError(f"{type(layer).__name__} {layer.name!r}: {name} must be one of {choices}, got {value!r}.")
    return folded
