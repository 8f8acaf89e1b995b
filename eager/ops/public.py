"""What turns an operation of a family into the public one: it takes anything array-like and always gives Tensors.

The parameters annotated `TensorLike` are data and get converted, `*operands` too; a call on abstract tensors becomes a
node of the functional graph. Inside a family the bare functions call each other, so that gradient rules stay on arrays.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec

from .. import dtypes, symbolic
from ..dimensions import Dim
from ..errors import describe
from ..primitive import Primitive
from ..tensor import AbstractTensor, Operand, Tensor, leaf_types, wrap
from . import creation

P = ParamSpec("P")


def public(function: Callable[P, Any], name: str | None = None) -> Callable[P, Tensor]:
    """The function with conversion of its data arguments, wrapping of its results, and nodes for symbols."""
    target = function.implementation if isinstance(function, Primitive) else inspect.unwrap(function)
    code = target.__code__  # type: ignore[attr-defined]
    names = code.co_varnames[: code.co_argcount]
    variadic = bool(code.co_flags & inspect.CO_VARARGS)
    kinds = [str(target.__annotations__.get(name, "")) for name in names]
    data_places = frozenset(i for i, kind in enumerate(kinds) if "TensorLike" in kind)
    nested = frozenset(i for i in data_places if "Sequence" in kinds[i])
    count = next((i for i in range(len(kinds)) if i not in data_places), len(kinds))
    leading = frozenset(names[:count])
    needed = min(count, len(names) - len(target.__defaults__ or ()))  # those that cannot be None
    trailing = frozenset(names[i] for i in data_places if i >= count)  # data that stands after an option
    first_trailing = len(names) if variadic else next((i for i in sorted(data_places) if i >= count), 1 << 30)
    by_keyword = names[count:] if isinstance(function, Primitive) else ()
    signature: list[inspect.Signature] = []  # made when a call first gives data by name

    def call(data: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if args and by_keyword:
            kwargs, args = {**kwargs, **dict(zip(by_keyword, args, strict=False))}, ()
        result = function(*data, *args, **kwargs)  # type: ignore[call-arg]
        return result if type(result) is Tensor else _wrapped(result)

    def run(*args: Any, **kwargs: Any) -> Any:
        data = [x if type(x) is complex else _convert(x, i in nested) for i, x in enumerate(args[:count])]
        for place, x in enumerate(data[:needed]):
            if x is None:
                expected = f"expected a tensor, an array or numbers as {names[place]}, got None."
                raise TypeError(f"{operation.__name__}: {expected}")
        rest = args[count:]
        if len(args) > first_trailing:
            rest = tuple(
                _convert(x, i in nested) if i in data_places or i >= len(names) else x
                for i, x in enumerate(rest, count)
            )
        return call(_with_tensor(data), rest, kwargs)

    def dispatch(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        by_name = bool(kwargs) and (
            not (kwargs.keys().isdisjoint(leading) and kwargs.keys().isdisjoint(trailing))
            or AbstractTensor in map(type, kwargs.values())  # in an option, where it makes a node all the same
        )
        if count <= len(args) <= first_trailing and not by_name and _ready(args[:count], needed):
            return call(args[:count], args[count:], kwargs)
        if by_name:
            if not signature:
                signature.append(inspect.signature(target))
            bound = signature[0].bind(*args, **kwargs)
            bound.apply_defaults()
            args, kwargs = bound.args, bound.kwargs
        for x in args:
            if type(x) is AbstractTensor or (type(x) in (list, tuple) and AbstractTensor in leaf_types(x)):
                return symbolic.call(operation, run, args, kwargs)
        return run(*args, **kwargs)

    @functools.wraps(target)
    def operation(*args: Any, **kwargs: Any) -> Any:
        try:
            if count == 1 and not kwargs and len(args) == 1 and type(args[0]) is Tensor:
                result = function(args[0])  # type: ignore[call-arg]
                return result if type(result) is Tensor else _wrapped(result)
            if not kwargs and not by_keyword and count <= len(args) <= first_trailing and _ready(args[:count], needed):
                result = function(*args)  # type: ignore[call-arg]
                return result if type(result) is Tensor else _wrapped(result)
            return dispatch(args, kwargs)
        except Exception as error:
            _note(error, operation.__name__, args, kwargs)
            raise

    operation.__module__ = __package__ or operation.__module__  # where pickle and help() find it
    operation.__name__ = operation.__qualname__ = name or target.__name__.strip("_")
    return operation


def _note(error: Exception, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Adds the call to an error that does not name it: the operation, what it was given, its options."""
    text = str(error)
    if text.startswith(f"{name}: ") and (not args or describe(args[0]) in text):
        return
    given = [*map(describe, args), *(f"{key}={describe(value)}" for key, value in kwargs.items())]
    error.add_note(f"In ops.{name}({', '.join(given)}).")


def _ready(data: tuple[Any, ...], needed: int) -> bool:
    """Whether nothing has to be converted: concrete tensors, with numbers, and None where it may stand, beside them."""
    found = False
    for place, x in enumerate(data):
        kind = type(x)
        if kind is Tensor:
            found = True
        elif kind is float or kind is int or kind is bool:
            continue
        elif x is None:
            if place < needed:
                return False
        elif isinstance(x, Operand) and kind is not AbstractTensor:
            found = True
        else:
            return False
    return found


def _convert(x: Any, nested: bool) -> Any:
    if isinstance(x, (Operand, bool, int, float, Dim)) or x is None:
        return x
    if nested:
        return [creation.convert_to_tensor(item) for item in x]
    return creation.convert_to_tensor(x)


def _with_tensor(data: list[Any]) -> list[Any]:
    """Python numbers alone have no dtype: the first becomes a tensor. So do complex ones, as precise as the others."""
    if complex in map(type, data):
        target = dtypes.result_type(*(x for x in data if isinstance(x, (Operand, complex))))
        data = [Tensor(x, target) if type(x) is complex else x for x in data]
    if data and isinstance(data[0], (bool, int, float)) and not any(isinstance(x, Operand) for x in data[1:]):
        data[0] = Tensor(data[0])
    return data


def _wrapped(result: Any) -> Any:
    if isinstance(result, Operand):
        return result
    if isinstance(result, (tuple, list)):
        return type(result)(map(_wrapped, result))
    return wrap(result)
