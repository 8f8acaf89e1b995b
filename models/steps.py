"""Compiled steps of a model: when `fit`, `evaluate` and `predict` compile, and what they keep.

Nothing that a user wrote is compiled unless asked for, so the whole of a model is looked at before a step is traced:
every object that it reaches and every function among their attributes has to come from this package, with no method
replaced. The same look gives a fingerprint of all plain attributes, and a step is traced anew when that has changed.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
import types
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from ..graph import Function
from ..tensor import Operand
from ..trackable import Trackable, attributes
from ..variable import Variable, changes

_PACKAGE = __name__.partition(".")[0]
# What a run itself changes and no step depends on.
_OF_A_RUN = frozenset(
    ("history", "stop_training", "amount", "_named", "_steps", "_losses", "_losses_run", "_run_number", "_fresh",
     "_connection", "_seeds", "_metrics")
)  # fmt: skip
# Of the standard library, with functions that make functions of others.
_MAKERS = frozenset(("contextlib", "functools", "dataclasses", "reprlib"))
_PLAIN = (bool, int, float, complex, str, bytes, type(None), np.dtype, np.generic)


class Look:
    """What can be seen of a model without running it.

    ours: whether all code that a step would run comes from this package.
    print: a value that is equal as long as no plain attribute and no object has changed.
    """

    def __init__(self, *roots: Any):
        self.ours = True
        self._seen: dict[int, Any] = {}
        self._classes: set[type] = set()
        self.print = tuple([self._of(root) for root in roots])

    def _of(self, value: Any) -> Any:
        if isinstance(value, _PLAIN):
            return (type(value), value)
        if isinstance(value, (list, tuple)):
            return (len(value), *[self._of(item) for item in value])
        if isinstance(value, (set, frozenset)):
            return (len(value), id(value))
        if isinstance(value, dict):
            return tuple([(key, self._of(item)) for key, item in value.items()])
        if id(value) in self._seen:
            return id(value)
        self._seen[id(value)] = value
        if isinstance(value, Variable):
            return (id(value), value.trainable, self._of(value.regularizer), self._of(value.constraint))
        if isinstance(value, (Operand, np.ndarray)):
            return id(value)
        if isinstance(value, (types.FunctionType, types.BuiltinFunctionType, type)):
            self.ours &= _is_ours(value)
            return id(value)
        if isinstance(value, types.MethodType):
            return (self._of(value.__func__), self._of(value.__self__))
        if isinstance(value, functools.partial):
            return (self._of(value.func), self._of(value.args), self._of(value.keywords))
        kind = type(value)
        if not _is_ours(kind):
            self.ours &= not callable(value) and not isinstance(value, Trackable)
            return id(value)
        if kind not in self._classes:
            self._classes.update(kind.__mro__)
            self.ours &= all(map(_methods_are_ours, kind.__mro__))
        found = attributes(value) if hasattr(value, "__dict__") else {}  # symbols, slots and the like: no settings
        return (id(value), *[(name, self._of(item)) for name, item in found.items() if name not in _OF_A_RUN])


def _is_ours(value: Any) -> bool:
    """Whether a class or function is this package's.

    A function that wraps another one says that it is where that one is, so it is asked where its names come from.
    """
    modules = {getattr(value, "__module__", None) or ""}
    if isinstance(value, types.FunctionType):
        modules.add(value.__globals__.get("__name__", ""))
    return all(m.partition(".")[0] == _PACKAGE for m in modules - _MAKERS) and not modules <= _MAKERS


def _methods_are_ours(kind: type) -> bool:
    """Whether no method of a class itself comes from elsewhere; looked at anew when a member is another object."""
    members = tuple(vars(kind).values())
    known = _classes.get(kind)
    if known is not None and len(known[0]) == len(members) and all(map(operator.is_, known[0], members)):
        return known[1]
    functions = [part for member in members for part in _parts(member) if isinstance(part, types.FunctionType)]
    functions = [one for one in functions if one.__globals__ is not vars(dataclasses)]  # `__replace__`, from 3.13 on
    ours = kind.__module__ in ("builtins", "typing", "abc", "enum") or all(map(_is_ours, functions))
    _classes[kind] = members, ours
    return ours


def _parts(member: Any) -> tuple[Any, ...]:
    """What a member of a class runs."""
    if isinstance(member, property):
        return member.fget, member.fset
    if isinstance(member, functools.cached_property):
        return (member.func,)
    return (getattr(member, "__func__", member),)  # of a static or class method


_classes: weakref.WeakKeyDictionary[type, tuple[tuple[Any, ...], bool]] = weakref.WeakKeyDictionary()


class Steps:
    """The compiled steps of one model, as long as it stays what it was."""

    def __init__(self) -> None:
        self._print: Any = None
        self._functions: dict[str, Function] = {}
        self._looked_at = -1

    def of(self, model: Any, kind: str) -> Callable[[Any], Any]:
        """`train_step`, `test_step` or `predict_step` of a model, compiled if it is to be."""
        if kind == "predict" and self._looked_at == changes[0] and kind in self._functions:
            return self._functions[kind]  # which trains nothing: that a Variable is trainable makes no difference
        method: Callable[[Any], Any] = getattr(model, f"{kind}_step")
        if not wanted(model):
            return method
        look = Look(model)
        if not look.ours and model.jit_compile is not True:
            return method
        if look.print != self._print:
            self._print, self._functions = look.print, {}
        self._looked_at = changes[0]
        if kind not in self._functions:
            this = weakref.ref(model)  # a model that nobody needs is freed at once

            def step(data: Any) -> Any:
                return getattr(this(), f"{kind}_step")(data)

            self._functions[kind] = Function(step, name=f"{kind}_step", rows=True)
        return self._functions[kind]

    def __reduce__(self) -> Any:
        return Steps, ()  # a copy makes its own

    def grown(self, model: Any) -> None:
        """Told that a step has made what it needs: that is no change."""
        if self._functions:
            self._print = Look(model).print


def wanted(model: Any) -> bool:
    """Whether `compile` leaves a step to be compiled, and nothing listens that wants to see its operations."""
    if model.jit_compile not in ("auto", True) or model.run_eagerly or model.check_numerics:
        return False
    return not getattr(model.optimizer, "lazy", False)
