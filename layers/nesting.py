"""Layers among the arguments of layers: as such, or as the configuration that `get_config` makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import suggest
from .base import Layer


def nested_layer(value: Any) -> Any:
    """The layer of a configuration `{"class_name": …, "config": …}`; anything else as it is.

    Every class that derives from Layer is known by its name, the library's own before a user's.

    Raises:
      ValueError: for a name that no class has, or several classes of users have.
    """
    if not isinstance(value, Mapping) or "class_name" not in value:
        return value
    name = value["class_name"]
    known = _subclasses(Layer)
    found = [cls for cls in known if cls.__name__ == name]
    found = [cls for cls in found if cls.__module__.partition(".")[0] == __package__.partition(".")[0]] or found
    if len(found) != 1:
        several = f" It is the name of {len(found)} classes." if found else suggest(name, [c.__name__ for c in known])
        raise ValueError(f"Expected the name of a layer class, got {name!r}.{several}")
    return found[0].from_config(dict(value.get("config") or {}))


def _subclasses(cls: type[Layer]) -> list[type[Layer]]:
    found: dict[type[Layer], None] = {}
    waiting = [cls]
    while waiting:
        for subclass in waiting.pop().__subclasses__():
            if subclass not in found:
                found[subclass] = None
                waiting.append(subclass)
    return list(found)
