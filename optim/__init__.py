"""The optimizers of `eagerly.optim`, under the names and with the arguments of `keras.optimizers` 3."""

from __future__ import annotations

from collections.abc import Mapping as _Mapping
from typing import Any as _Any

from .. import configurable as _configurable
from ..errors import describe as _describe
from .adam import Adam as Adam
from .adam import AdamW as AdamW
from .base import Optimizer as Optimizer
from .rmsprop import RMSprop as RMSprop
from .sgd import SGD as SGD

_CLASSES = _configurable.known_names(globals())
_KNOWN = {**_CLASSES, **{name.lower(): value for name, value in _CLASSES.items()}}


def get(identifier: _Any) -> _Any:
    """The optimizer of a name (in any case), a configuration, a class, or the optimizer itself; None stays None.

    Raises:
      ValueError: for an unknown name, with the nearest known one, or what is no optimizer.

    >>> get("adam"), get({"class_name": "SGD", "config": {"momentum": 0.9}}).momentum
    (<Adam 'adam'>, 0.9)
    """
    if isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, str):
        identifier = identifier if identifier in _KNOWN else identifier.lower()
    elif isinstance(identifier, _Mapping) and str(identifier.get("class_name")).lower() in _KNOWN:
        identifier = {**identifier, "class_name": identifier["class_name"].lower()}
    elif identifier is not None and not (isinstance(identifier, type) and issubclass(identifier, Optimizer)):
        raise ValueError(f"Expected the name of a known optimizer or an Optimizer, got {_describe(identifier)}.")
    return _configurable.resolve(identifier, _KNOWN, "optimizer")
