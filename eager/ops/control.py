"""Control flow: branches and loops that take functions.

On values they are Python's own if, while and for, so a tape records what really ran. On symbols the functions run once
to tell structure, shapes and dtypes, which a loop must keep and branches must share; the call becomes one node, and
running the model runs the control flow on real values. A function may then use nothing of the functional model but
its arguments: a symbol that it captures from around it cannot be replaced by a value, and is refused.
"""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from .. import dimensions, dtypes, nest, symbolic
from ..context import context
from ..dimensions import Dim
from ..errors import TraceError, describe
from ..tensor import AbstractTensor, Operand, abstract
from . import creation

Function = Callable[..., Any]
F = TypeVar("F", bound=Function)


def takes_functions(functions: str, data: str, instead: str, operands: bool = True) -> Callable[[F], F]:
    """Makes an operation on symbols of one that takes functions: a node that runs the real control flow.

    Args:
      functions: the names of the parameters that are functions, or sequences of them.
      data: the names of the parameters whose symbols make a node of the call.
      instead: what to do about a function that captures a symbol.
      operands: whether the functions are given arguments; if not, even their first run can tell what they capture.
    """

    def decorate(function: F) -> F:
        signature = inspect.signature(function)
        name = function.__name__.strip("_")

        def guarded(bound: inspect.BoundArguments) -> Any:
            for parameter in functions.split():
                given = bound.arguments[parameter]
                several = isinstance(given, (list, tuple))
                guards = [_guarded(name, f, instead) for f in (given if several else [given])]
                bound.arguments[parameter] = guards if several else guards[0]
            return function(*bound.args, **bound.kwargs)

        def on_symbols(bound: inspect.BoundArguments) -> bool:
            return any_unknown([bound.arguments.get(parameter) for parameter in data.split()])

        def trace(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs) if operands else guarded(signature.bind(*args, **kwargs))

        @functools.wraps(function)
        def replay(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs)
            if on_symbols(bound):  # the model is called on symbols
                return operation(*args, **kwargs)
            return nest.map_structure(to_tensor, guarded(bound))

        @functools.wraps(function)
        def operation(*args: Any, **kwargs: Any) -> Any:
            if context.tracing is not None and on_symbols(bound := signature.bind(*args, **kwargs)):
                bound.apply_defaults()
                places = [list(bound.arguments).index(parameter) for parameter in functions.split()]
                return context.tracing.control(name, function, bound.args, places)
            if not context.symbolic_call and on_symbols(signature.bind(*args, **kwargs)):
                return symbolic.call(replay, trace, args, kwargs)
            return function(*args, **kwargs)

        replay.__name__, replay.__qualname__ = name, f"{function.__qualname__}.replay"  # where pickle finds it
        setattr(operation, "replay", replay)  # noqa: B010 - mypy refuses a plain assignment to a function
        return operation  # type: ignore[return-value]

    return decorate


def _guarded(name: str, function: Any, instead: str) -> Any:
    """The function, refused if there is a symbol among its results but none among its arguments: it captured one."""
    if not callable(function):
        return function

    @functools.wraps(function, updated=())
    def run(*args: Any, **kwargs: Any) -> Any:
        if any_unknown(args, kwargs):
            return function(*args, **kwargs)
        refusal = (
            f"{name}: expected a function of its arguments alone, but {name_of(function)} uses a symbol or a size of "
            f"the functional model around it, for which no value can be put in when the model runs. {instead}"
        )
        try:
            result = function(*args, **kwargs)
        except TraceError as error:
            raise TraceError(refusal) from error
        if any_unknown(result):
            raise TraceError(refusal)
        return result

    return run


def name_of(function: Any) -> str:
    """A function as messages show it."""
    return str(getattr(function, "__name__", None) or describe(function))


def is_unknown(leaf: Any) -> bool:
    """Whether a leaf has no value yet."""
    return isinstance(leaf, (AbstractTensor, Dim))


def any_unknown(*structures: Any) -> bool:
    """Whether there is a leaf without a value."""
    return any(is_unknown(leaf) for leaf in nest.flatten(structures))


def to_tensor(leaf: Any) -> Any:
    """A leaf of loop variables as a tensor; None, which stands for no tensor, stays."""
    return leaf if leaf is None or is_unknown(leaf) else creation.convert_to_tensor(leaf)


def _entering(leaf: Any) -> Any:
    """An operand as a function receives it: arrays become tensors, Python numbers stay."""
    return creation.convert_to_tensor(leaf) if isinstance(leaf, (np.ndarray, np.generic)) else leaf


def expect_callable(name: str, what: str, function: Any, error: type[Exception] = TypeError) -> None:
    """Refuses what cannot be called."""
    if not callable(function):
        raise error(f"{name}: expected a function as {what}, got {describe(function)}.")


def spec(leaf: Any) -> Any:
    """Shape and dtype of a leaf as an abstract tensor of its own; None stays."""
    if leaf is None:
        return None
    if isinstance(leaf, Dim):
        return AbstractTensor((), dtypes.INTX)
    found = abstract(leaf if isinstance(leaf, Operand) else creation.convert_to_tensor(leaf))
    return AbstractTensor(found.dims, found.dtype)


def specs(structure: Any) -> Any:
    """Shape and dtype of every leaf."""
    return nest.map_structure(spec, structure)


def agreed(rule: str, first: Any, second: Any) -> Any:
    """What two structures have in common, as specs: they may differ in nothing but sizes that are unknown in both.

    Raises:
      ValueError: that begins with `rule`, shows both, and names the first place where they differ.
    """
    first, second = specs(first), specs(second)
    keep_structure(rule, first, second)
    leaves = []
    for path, a, b in zip(nest.paths(first), nest.flatten(first), nest.flatten(second), strict=True):
        if not _fit(a, b):
            where = f"At {path}, " if path else ""
            raise ValueError(
                f"{rule}, got {describe(first)} and {describe(second)}. "
                f"{where}{describe(a)} and {describe(b)} differ{_sizes(a, b)}."
            )
        leaves.append(a if a is None else AbstractTensor(tuple(map(_common, a.dims, b.dims)), a.dtype))
    return nest.pack(first, leaves)


def _fit(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return a is b
    return a.shape == b.shape and a.dtype == b.dtype and False not in map(dimensions.same, a.dims, b.dims)


def _sizes(a: Any, b: Any) -> str:
    """The symbolic sizes, for messages in which both show as None."""
    alike = a is not None and b is not None and (a.shape, a.dtype) == (b.shape, b.dtype)
    return f": {a.dims} and {b.dims}" if alike else ""


def _common(a: Any, b: Any) -> Any:
    return a if dimensions.same(a, b) else dimensions.unknown()


def keep_structure(rule: str, first: Any, second: Any) -> None:
    """Refuses two structures that differ, whatever their leaves are."""
    try:
        nest.assert_same(first, second)
    except ValueError as error:
        raise ValueError(f"{rule}, got {describe(first)} and {describe(second)}. {error}") from None


def _truth(name: str, what: str, value: Any) -> bool:
    """The one truth value of a number, a tensor or an array."""
    if isinstance(value, AbstractTensor):
        raise TraceError(
            f"{name}: expected a value as {what}, got {value!r}, which has none before the model runs. "
            f"Let it depend on the arguments of {name} alone."
        )
    if isinstance(value, (bool, int, float, np.generic)) or (_is_array(value) and value.size == 1):
        return bool(value)
    raise ValueError(f"{name}: expected one truth value as {what}, got {describe(value)}.{_elementwise(value)}")


def _is_array(value: Any) -> bool:
    return isinstance(value, (Operand, np.ndarray)) and not isinstance(value, AbstractTensor)


def _elementwise(value: Any) -> str:
    return " Use ops.where to choose for each element." if hasattr(value, "dtype") else ""


def _expect_one(name: str, what: str, value: Any) -> None:
    """Refuses a symbol that stands for several elements, or may."""
    if not all(dimensions.same(size, 1) for size in value.dims):
        raise ValueError(f"{name}: expected one element as {what}, got {describe(value)}.{_elementwise(value)}")


def integer(name: str, what: str, value: Any) -> Any:
    """An integer as Python's own; what has no value yet stays."""
    if isinstance(value, AbstractTensor) and value.dtype.kind in "iub":
        _expect_one(name, what, value)
        return value
    if isinstance(value, Dim):
        return value
    if (_is_array(value) or isinstance(value, np.bool_)) and value.size == 1 and value.dtype.kind in "iub":
        return int(np.asarray(value).item())
    try:
        return int(operator.index(value))
    except TypeError:
        raise TypeError(f"{name}: expected an integer as {what}, got {describe(value)}.") from None


@takes_functions(
    "true_fn false_fn",
    "pred",
    "The branches of cond have no arguments: give what they need to ops.switch, as in "
    "ops.switch(ops.cast(pred, 'int32'), [false_fn, true_fn], x).",
    operands=False,
)
def cond(pred: Any, true_fn: Function, false_fn: Function) -> Any:
    """What true_fn() returns if pred is true, else what false_fn() returns; the other one does not run.

    On a symbol both run once, and must agree in structure, shapes and dtypes. Weights of a layer that they call belong
    to the model only if the layer is itself one of the two functions, or part of the model elsewhere.

    Args:
      pred: one truth value: a bool, a number, or a tensor with one element.
      true_fn: a function without arguments.
      false_fn: a function without arguments.

    Raises:
      TypeError: if one of the functions cannot be called.
      ValueError: if pred has not exactly one element, or pred is a symbol and the results do not agree.
      TraceError: if pred is a symbol and a function captures another one.

    >>> cond(Tensor(3.0) > 2, lambda: "large", lambda: "small")
    'large'
    """
    expect_callable("cond", "true_fn", true_fn)
    expect_callable("cond", "false_fn", false_fn)
    if isinstance(pred, AbstractTensor):
        _expect_one("cond", "pred", pred)
        return agreed("cond: expected results of one structure, shape and dtype", true_fn(), false_fn())
    return true_fn() if _truth("cond", "pred", pred) else false_fn()


@takes_functions("branches", "index", "Pass it as an operand: ops.switch(index, branches, x).")
def switch(index: Any, branches: Sequence[Function], *operands: Any) -> Any:
    """What branches[index](*operands) returns; an index out of range counts as the nearest end. No other branch runs.

    On a symbolic index every branch runs once, and all must agree in structure, shapes and dtypes.

    Args:
      index: an integer, or an integer tensor with one element.
      branches: functions of the operands.
      *operands: what the chosen branch is called with: tensors, numbers, or structures of them.

    Raises:
      TypeError: if the index is no integer, or a branch cannot be called.
      ValueError: if there are no branches, or the index is a symbol and the results do not agree.
      TraceError: if a branch captures a symbol.

    >>> switch(1, [lambda x: x, lambda x: x * x], Tensor(3.0))
    Tensor(9., shape=(), dtype=float32)
    """
    if not isinstance(branches, (list, tuple)) or not branches:
        raise ValueError(f"switch: expected a list of at least one function as branches, got {describe(branches)}.")
    for i, branch in enumerate(branches):
        expect_callable("switch", f"branches[{i}]", branch)
    chosen = integer("switch", "index", index)
    operands = nest.map_structure(_entering, operands)
    if is_unknown(chosen):
        result = specs(branches[0](*operands))
        for branch in branches[1:]:
            result = agreed("switch: expected results of one structure, shape and dtype", result, branch(*operands))
        return result
    return branches[min(max(chosen, 0), len(branches) - 1)](*operands)


@takes_functions("cond body", "loop_vars maximum_iterations", "Pass it along as one more of loop_vars.")
def while_loop(cond: Function, body: Function, loop_vars: Any, maximum_iterations: Any = None) -> Any:
    """loop_vars = body(*loop_vars), for as long as cond(*loop_vars) is true.

    Args:
      cond: from the loop variables to one truth value.
      body: from the loop variables to their next values, in the same structure. If they are symbols, each keeps its
        shape and dtype.
      loop_vars: a tuple or list, each item of which is an argument of cond and body, or else the only argument. Items
        may be structures; numbers become tensors.
      maximum_iterations: how often the body runs at most; None for no limit.

    Returns:
      The last loop variables: a tuple for a tuple or list, else the only one.

    Raises:
      TypeError: if cond or body cannot be called, or maximum_iterations is no integer.
      ValueError: if cond gives no single truth value, or body another structure (shape or dtype, of symbols).
      TraceError: if cond or body captures a symbol.

    >>> while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * 2), (0, 1.0))
    (Tensor(3, shape=(), dtype=int32), Tensor(8., shape=(), dtype=float32))
    """
    expect_callable("while_loop", "cond", cond)
    expect_callable("while_loop", "body", body)
    several = isinstance(loop_vars, (tuple, list))
    values = tuple(nest.map_structure(to_tensor, loop_vars if several else (loop_vars,)))
    limit = None if maximum_iterations is None else integer("while_loop", "maximum_iterations", maximum_iterations)
    rule = "while_loop: expected body to return values like its arguments, of the same structure"
    if any_unknown(limit, values):
        goes_on = cond(*values)
        if isinstance(goes_on, AbstractTensor):
            _expect_one("while_loop", "the result of cond", goes_on)
        else:
            _truth("while_loop", "the result of cond", goes_on)
        values = agreed(f"{rule}, shapes and dtypes", values, _as_tuple(body(*values)))
    else:
        rounds = 0
        while (limit is None or rounds < limit) and _truth("while_loop", "the result of cond", cond(*values)):
            following = _as_tuple(body(*values))
            keep_structure(rule, values, following)
            values = nest.map_structure(to_tensor, following)
            rounds += 1
    return values if several else values[0]


def _as_tuple(result: Any) -> tuple[Any, ...]:
    return tuple(result) if isinstance(result, (tuple, list)) else (result,)


@takes_functions("body_fun", "lower upper init_val", "Pass it along as a part of init_val.")
def fori_loop(lower: Any, upper: Any, body_fun: Function, init_val: Any) -> Any:
    """value = body_fun(i, value) for i in range(lower, upper), from init_val on.

    The loop variable i is a Python integer, and a Python number in init_val stays one.

    Args:
      lower: the first i, an integer or an integer tensor with one element.
      upper: the i to stop before.
      body_fun: from i and the value to the next value, in the same structure. If there are symbols, each part keeps
        its shape and dtype.
      init_val: the first value: a tensor, a number, or a structure of them.

    Raises:
      TypeError: if a bound is no integer, or body_fun cannot be called.
      ValueError: if body_fun returns another structure (shape or dtype, of symbols).
      TraceError: if body_fun captures a symbol.

    >>> fori_loop(0, 5, lambda i, total: total + i, Tensor(0))
    Tensor(10, shape=(), dtype=int32)
    """
    expect_callable("fori_loop", "body_fun", body_fun)
    first, last = integer("fori_loop", "lower", lower), integer("fori_loop", "upper", upper)
    value = nest.map_structure(_entering, init_val)
    rule = "fori_loop: expected body_fun to return a value like its second argument, of the same structure"
    if not any_unknown(first, last, value):
        for i in range(first, last):
            following = body_fun(i, value)
            keep_structure(rule, value, following)
            value = following
        return value
    if not any_unknown(first, last) and first >= last:
        return specs(value)
    following = body_fun(0 if is_unknown(first) else first, value)
    return agreed(f"{rule}, shape and dtype", value, following)
