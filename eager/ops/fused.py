"""Fused operations: a composition that runs as one, by native code made of its graph, where that is worth it.

Called on float32 tensors that are large enough, a fused operation is one run of a plan, and one operation for a tape;
so is its gradient of first order. Everywhere else it is its composition: on symbols, for other dtypes and small
operands, where somebody listens who wants to be told of every step, and for gradients of higher order. The compiler
stands above the operations: the façade sets `make`.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np

from ..context import context
from ..dtypes import FLOATX
from ..tensor import AbstractTensor, Operand, Tensor

P = ParamSpec("P")
R = TypeVar("R")
LEAST = 1024  # elements from which a plan is worth its call
MOST = 512  # plans kept for each operation
_OPTIONS = frozenset((type(None), bool, int, float, str))
_new = Tensor.__new__

# From a composition, its gradient, `seen` and the arguments of a call to what runs such calls; None if nothing does.
make: Callable[..., Any]


def fused(
    at: tuple[int, ...] = (0,), gradient: Callable[..., Any] | None = None, least: int = LEAST, seen: int = MOST
) -> Callable[..., Any]:
    """Makes a composition of operations a fused one.

    Its arguments are tensors, arrays, Variables, None, and hashable options.

    Args:
      at: the places of the operands of which one that is large enough says that a plan is worth it.
      gradient: a composition `(g, y, *args, **options)` of the gradients of first order, one for each argument, where
        there is a shorter one than that of the composition; it gives None for arguments for which there is not.
      least: the elements from which a plan is worth it.
      seen: how many results have gradients; those after them are there for the gradient of the others, or stop one.
    """

    def decorate(composition: Callable[P, R]) -> Callable[P, R]:
        kept: dict[Any, Any] = {}
        definition = composition, gradient, seen

        @functools.wraps(composition)
        def operation(*args: P.args, **options: P.kwargs) -> R:
            for place in at:
                if place < len(args) and _is_large(args[place], least):
                    result = _run(definition, kept, args, options)
                    if result is not _UNDONE:
                        return result  # type: ignore[return-value]
                    break
            return composition(*args, **options)

        operation.plans = kept  # type: ignore[attr-defined]
        return operation

    return decorate


def _is_large(x: Any, least: int) -> bool:
    kind = type(x)
    if kind is Tensor:
        x = x._array
    elif kind is not np.ndarray and (kind is AbstractTensor or not isinstance(x, Operand)):
        return False
    return x.size >= least and x.dtype is FLOATX  # type: ignore[attr-defined]


_UNDONE = object()


def _run(definition: Any, kept: dict[Any, Any], args: Any, options: dict[str, Any]) -> Any:
    """The result by a plan; _UNDONE if there is none."""
    if context.tracing is not None or context.symbolic_call:
        return _UNDONE
    recorders = context.recorders
    for recorder in recorders:
        if not recorder.takes_whole:
            return _UNDONE
    key: list[Any] = []
    inputs: list[Any] = []
    arrays: list[Any] = []
    wrapped = False
    for x in itertools.chain(args, options.values()) if options else args:
        kind = type(x)
        if kind is Tensor:
            array, wrapped = x._array, True
        elif kind is np.ndarray:
            array = x
        elif kind in _OPTIONS:
            key += kind, x
            continue
        elif isinstance(x, Operand) and kind is not AbstractTensor:
            x = x.read()
            if type(x) is not Tensor:
                return _UNDONE
            array, wrapped = x._array, True
        elif kind is tuple or callable(x):
            key += kind, x
            continue
        else:
            return _UNDONE
        key.append(array.shape)
        key.append(array.dtype)
        inputs.append(x)
        arrays.append(array)
    if options:
        key += options
    whole = tuple(key)
    try:
        plan = kept[whole]
    except KeyError:
        if len(kept) >= MOST:
            kept.clear()
        plan = kept[whole] = make(*definition, args, options)  # noqa: F821 - the façade sets it
    if plan is None:
        return _UNDONE
    results = plan.run(arrays)
    if not wrapped:
        return tuple(results) if plan.several else results[0]
    if not recorders and not plan.several:
        tensor = _new(Tensor)
        tensor._array = results[0]
        return tensor
    outputs = []
    for array in results:
        tensor = _new(Tensor)
        tensor._array = array
        outputs.append(tensor)
    told: Any = tuple(outputs) if plan.several else outputs[0]
    if recorders:
        operands = tuple(inputs)
        for recorder in recorders:
            recorder.record(plan, operands, {}, told)
    return told
