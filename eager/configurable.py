"""Captured configuration: the base binds the constructor's arguments, so no class writes its own `get_config`.

Names are the registry: an identifier is looked up among a package's public names, then in its table of Keras's
aliases; what is unknown is refused with the nearest known name.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np

from .errors import describe, suggest
from .tensor import Tensor
from .variable import Variable


@functools.cache
def _signature(cls: type) -> inspect.Signature:
    """The constructor's signature without the instance, whatever that parameter is called."""
    signature = inspect.signature(cls.__init__)  # type: ignore[misc]
    parameters = list(signature.parameters.values())
    if parameters and parameters[0].kind is not inspect.Parameter.VAR_POSITIONAL:
        del parameters[0]  # kept, the instance would be part of its own configuration
    return signature.replace(parameters=parameters)


def _snapshot(value: Any) -> Any:
    """A value that later changes of a list, dictionary or array do not reach."""
    if type(value) in (list, tuple):
        return type(value)(map(_snapshot, value))
    if type(value) is dict:
        return {key: _snapshot(item) for key, item in value.items()}
    return value.copy() if type(value) is np.ndarray else value


class Configurable:
    """Remembers what it was made with; `from_config(get_config())` makes another like it."""

    _arguments: inspect.BoundArguments | None = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        if cls.__init__ is object.__init__ and (args or kwargs):  # object itself checks only if __new__ is its own too
            raise TypeError(f"{cls.__name__}: expected no arguments, got {describe([*args, *kwargs.values()])}.")
        instance = object.__new__(cls)
        try:
            bound = _signature(cls).bind(*args, **kwargs)  # type: ignore[arg-type]
        except TypeError:
            return instance  # the constructor itself will say what is wrong
        bound.apply_defaults()
        for name, value in bound.arguments.items():
            bound.arguments[name] = _snapshot(value)
        object.__setattr__(instance, "_arguments", bound)
        return instance

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments by name, defaults included, with nested objects as dictionaries."""
        config: dict[str, Any] = {}
        if self._arguments is None:
            return config
        for name, parameter in self._arguments.signature.parameters.items():
            value = self._arguments.arguments.get(name)
            if parameter.kind is parameter.VAR_KEYWORD:
                config.update({key: serialize(item) for key, item in (value or {}).items()})
            elif parameter.kind is parameter.VAR_POSITIONAL:
                if not value:
                    continue
                raise ValueError(
                    f"{type(self).__name__}: expected a get_config() of its own, because the constructor takes *{name}."
                )
            else:
                config[name] = serialize(value)
        return config

    def __repr__(self) -> str:
        """The class and the arguments that differ from their defaults."""
        if self._arguments is None:
            return f"{type(self).__name__}()"
        shown: list[str] = []
        for name, parameter in self._arguments.signature.parameters.items():
            value = self._arguments.arguments.get(name)
            if parameter.kind is parameter.VAR_KEYWORD:
                shown.extend(f"{key}={item!r}" for key, item in (value or {}).items())
            elif parameter.kind is parameter.VAR_POSITIONAL and not value:
                continue
            elif not (value is parameter.default or repr(value) == repr(parameter.default)):
                shown.append(f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """An instance made with the arguments in `config`."""
        return cls(**config)


def snake_case(name: str) -> str:
    """A class's name as Keras spells it in lower case.

    >>> snake_case("Conv2DTranspose"), snake_case("LeakyReLU"), snake_case("ConvLSTM1D")
    ('conv2d_transpose', 'leaky_re_lu', 'conv_lstm1d')
    """
    spaced = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", spaced).lower()


def serialize(value: Any) -> Any:
    """A constructor's argument as plain data: objects become `{"class_name", "config"}`, functions their names."""
    if isinstance(value, Configurable):
        return {"class_name": type(value).__name__, "config": value.get_config()}
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, (Tensor, Variable, np.ndarray)):
        return np.asarray(value).tolist()
    if isinstance(value, np.dtype):
        return value.name
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        return [serialize(item) for item in value]
    if isinstance(value, dict):
        return {key: serialize(item) for key, item in value.items()}
    return value.__name__ if callable(value) and hasattr(value, "__name__") else value


def known_names(namespace: Mapping[str, Any]) -> dict[str, Any]:
    """The public classes and functions of a package, by name."""
    return {
        name: value
        for name, value in namespace.items()
        if not name.startswith("_") and callable(value) and name not in ("get", "Any", "annotations")
    }


def resolve(identifier: Any, known: Mapping[str, Any], kind: str) -> Any:
    """What an identifier stands for: a name, a `{"class_name", "config"}`, a class, or the thing itself.

    Args:
      identifier: the identifier; None stays None.
      known: the classes, instances and functions that names stand for.
      kind: the word for them in messages: "activation", "loss".

    Raises:
      ValueError: for an unknown name, with the nearest known one.
    """
    if identifier is None:
        return None
    config: Mapping[str, Any] = {}
    found = identifier
    if isinstance(identifier, Mapping) and "class_name" in identifier:
        found, config = identifier["class_name"], identifier.get("config") or {}
    if isinstance(found, str):
        if found not in known:
            raise ValueError(f"Unknown {kind}: {found!r}.{suggest(found, known)} Pass a known name or a callable.")
        found = known[found]
    if inspect.isclass(found):
        return found.from_config(config) if issubclass(found, Configurable) else found(**config)
    if not callable(found):
        raise ValueError(f"Expected the name of a known {kind} or a callable, got {describe(identifier)}.")
    return found


def aliased(known: Mapping[str, Any], aliases: Mapping[str, str]) -> dict[str, Callable[..., Any]]:
    """The known names together with Keras's aliases for them."""
    return {**known, **{alias: known[name] for alias, name in aliases.items()}}
