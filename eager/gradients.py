"""Functions of gradients: what a tape does, for a function at a time.

Everything here is a GradientTape around a call. A gradient function of one's own (`custom_gradient`) and one that
computes again instead of remembering (`recompute_grad`) are recorded as one operation, whose rule is that function.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from . import dtypes, fused_gradients, nest, ops  # noqa: F401 - what fused gradients' own gradients are
from .context import context, scoped
from .errors import GradientError, describe, suggest
from .ops import creation, elementwise
from .recorder import Recorder, start, stop
from .slices import IndexedSlices
from .tape import GradientTape
from .tensor import Operand, Tensor, wrap
from .variable import Variable

__all__ = [
    "custom_gradient",
    "gradients_function",
    "hvp",
    "implicit_gradients",
    "implicit_value_and_gradients",
    "jvp",
    "recompute_grad",
    "value_and_gradients_function",
]


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _positions(function: Callable[..., Any], params: Sequence[int | str] | None, count: int) -> list[int]:
    """The places of the arguments to differentiate by, which are named or numbered; all if None."""
    if params is None:
        return list(range(count))
    names = list(inspect.signature(function).parameters)
    found = []
    for param in params:
        if isinstance(param, str) and param not in names:
            raise ValueError(f"{_name(function)}: expected an argument's name, got {param!r}.{suggest(param, names)}")
        place = names.index(param) if isinstance(param, str) else param
        if not 0 <= place < count:
            raise ValueError(f"{_name(function)}: expected an argument in [0, {count}) as params, got {param!r}.")
        found.append(place)
    if len(set(found)) != len(found):
        raise ValueError(f"{_name(function)}: expected each argument once as params, got {list(params)}.")
    return found


def value_and_gradients_function(
    f: Callable[..., Any], params: Sequence[int | str] | None = None
) -> Callable[..., tuple[Any, list[Any]]]:
    """A function that gives the value of f and its gradients by its positional arguments.

    Args:
      f: from tensors to a floating-point tensor, or a structure of them, which are added up.
      params: the arguments to differentiate by, by number or name; all positional ones if None.

    Returns:
      A function of the same arguments, and `dy`, weights of the result's elements, that gives `(value, gradients)`:
      a gradient, in the structure of the argument, for each param; None where the value does not depend on it.

    Raises:
      ValueError: for params that f does not have.
      GradientError: if an argument to differentiate by is no floating-point tensor or number.

    >>> value, (gx, gy) = value_and_gradients_function(lambda x, y: x * x * y)(3.0, 2.0)
    >>> float(value), float(gx), float(gy)
    (18.0, 12.0, 9.0)
    """

    @functools.wraps(f)
    def value_and_gradients(*args: Any, dy: Any = None, **kwargs: Any) -> tuple[Any, list[Any]]:
        arguments = list(args)
        places = _positions(f, params, len(arguments))
        arguments = [_fresh(x) if i in places else _number_as_tensor(x) for i, x in enumerate(arguments)]
        with GradientTape() as tape:
            tape.watch([arguments[place] for place in places])
            value = f(*arguments, **kwargs)
        if value is None:
            raise GradientError(f"{_name(f)}: expected a tensor to differentiate, got None. Is its return missing?")
        return value, tape.gradient(value, [arguments[place] for place in places], output_gradients=dy)

    return value_and_gradients


def _fresh(argument: Any) -> Any:
    """An argument as tensors of its own, so that one given twice is two; a list of numbers is a tensor."""
    if isinstance(argument, dict) or (isinstance(argument, (list, tuple)) and _holds_arrays(argument)):
        return nest.pack(argument, [_fresh(leaf) for leaf in nest.flatten(argument)])
    if isinstance(argument, Variable):
        return argument
    tensor = creation.convert_to_tensor(argument)
    return elementwise.identity(tensor) if tensor is argument else tensor


def _holds_arrays(structure: Any) -> bool:
    return any(isinstance(leaf, (Operand, np.ndarray)) for leaf in nest.flatten(structure))


def gradients_function(f: Callable[..., Any], params: Sequence[int | str] | None = None) -> Callable[..., list[Any]]:
    """A function that gives the gradients of f by its positional arguments; as `value_and_gradients_function`.

    >>> square = lambda x: x * x
    >>> grad = gradients_function(square)
    >>> gradgrad = gradients_function(lambda x: grad(x)[0])
    >>> gradgradgrad = gradients_function(lambda x: gradgrad(x)[0])
    >>> float(grad(3.0)[0]), float(gradgrad(3.0)[0]), gradgradgrad(3.0)
    (6.0, 2.0, [None])
    """
    both = value_and_gradients_function(f, params)

    @functools.wraps(f)
    def gradients(*args: Any, dy: Any = None, **kwargs: Any) -> list[Any]:
        return both(*args, dy=dy, **kwargs)[1]

    return gradients


def implicit_value_and_gradients(f: Callable[..., Any]) -> Callable[..., tuple[Any, list[tuple[Any, Variable]]]]:
    """A function that gives the value of f and `(gradient, variable)` for each trainable Variable that f reads.

    Args:
      f: a function that reads Variables and gives a floating-point tensor.

    Raises:
      GradientError: if f reads no trainable Variable, or gives nothing.

    >>> w = Variable(3.0)
    >>> value, [(gradient, variable)] = implicit_value_and_gradients(lambda x: w * w * x)(2.0)
    >>> float(value), float(gradient), variable is w
    (18.0, 12.0, True)
    """

    @functools.wraps(f)
    def value_and_gradients(*args: Any, **kwargs: Any) -> tuple[Any, list[tuple[Any, Variable]]]:
        with GradientTape() as tape:
            value = f(*args, **kwargs)
        if value is None:
            raise GradientError(f"{_name(f)}: expected a tensor to differentiate, got None. Is its return missing?")
        variables = tape.watched_variables()
        if not variables:
            raise GradientError(
                f"{_name(f)}: expected a function that reads a trainable Variable, and this one read none."
            )
        return value, list(zip(tape.gradient(value, variables), variables, strict=True))

    return value_and_gradients


def implicit_gradients(f: Callable[..., Any]) -> Callable[..., list[tuple[Any, Variable]]]:
    """A function that gives `(gradient, variable)` for each trainable Variable that f reads, ready for an optimizer.

    >>> w = Variable(3.0)
    >>> [(gradient, variable)] = implicit_gradients(lambda: w * w)()
    >>> float(gradient)
    6.0
    """
    both = implicit_value_and_gradients(f)

    @functools.wraps(f)
    def gradients(*args: Any, **kwargs: Any) -> list[tuple[Any, Variable]]:
        return both(*args, **kwargs)[1]

    return gradients


def jvp(
    fun: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False
) -> tuple[Any, ...]:
    """The value of fun and how it changes along the tangents: (f(x), J(x) · t).

    Two backward passes: the gradient of u ↦ Jᵀu, which is linear in u, along t (Townsend 2017, "A new trick for
    calculating Jacobian vector products").

    Args:
      fun: from tensors to a tensor or a structure of them; with has_aux to a pair of that and anything else.
      primals: the arguments.
      tangents: a direction for each argument, of its shape and structure.
      has_aux: whether fun gives something beside its value.

    Returns:
      `(value, tangent)`, and what fun gave beside it.

    Raises:
      ValueError: if primals and tangents do not belong together.

    >>> value, tangent = jvp(lambda x: x * x, (3.0,), (1.0,))
    >>> float(value), float(tangent)
    (9.0, 6.0)
    """
    inputs, directions = _paired("jvp", primals, tangents)
    pairs = [pair for pair in zip(nest.flatten(inputs), directions, strict=True) if dtypes.is_float(pair[0].dtype)]
    floats, directions = [x for x, _ in pairs], [direction for _, direction in pairs]
    with GradientTape(watch_accessed_variables=False) as outer:
        with GradientTape(watch_accessed_variables=False) as inner:
            inner.watch(floats)
            result = fun(*inputs)
            value, aux = result if has_aux else (result, None)
        leaves = nest.flatten(value)
        weights = [creation.zeros_like(leaf) for leaf in leaves]
        outer.watch(weights)
        pulled = inner.gradient(leaves, floats, output_gradients=weights, unconnected_gradients="zero")
    pushed = outer.gradient(pulled, weights, output_gradients=directions, unconnected_gradients="zero")
    tangent = nest.pack(value, pushed)
    return (value, tangent, aux) if has_aux else (value, tangent)


def hvp(fun: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, list[Any]]:
    """The value of fun and its Hessian times a vector: (f(x), ∇²f(x) · t), without the Hessian itself.

    The gradient of ⟨∇f(x), t⟩ (Pearlmutter 1994).

    Args:
      fun: from tensors to one scalar.
      primals: the arguments.
      tangents: a direction for each argument, of its shape.

    Returns:
      The value, and for each argument its part of the product.

    Raises:
      ValueError: if fun gives no scalar, or primals and tangents do not belong together.

    >>> value, [product] = hvp(lambda x: ops.sum(x * x * x), ([1.0, 2.0],), ([1.0, 0.0],))
    >>> product.tolist()
    [6.0, 0.0]
    """
    inputs, directions = _paired("hvp", primals, tangents)
    with GradientTape() as outer:
        outer.watch(inputs)
        with GradientTape() as inner:
            inner.watch(inputs)
            value = fun(*inputs)
        if not isinstance(value, Operand) or value.shape != ():
            raise ValueError(f"hvp: expected a function that gives one scalar, got {describe(value)}.")
        slope = inner.gradient(value, nest.flatten(inputs), unconnected_gradients="zero")
    product = outer.gradient(slope, inputs, output_gradients=directions, unconnected_gradients="zero")
    return value, product


def _paired(name: str, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Arguments as tensors, and their directions as a flat list."""
    if not isinstance(primals, (list, tuple)) or not isinstance(tangents, (list, tuple)):
        raise ValueError(
            f"{name}: expected lists or tuples of primals and tangents, got {describe(primals)} and "
            f"{describe(tangents)}."
        )
    if len(primals) != len(tangents):
        raise ValueError(f"{name}: expected a tangent for each of {len(primals)} primals, got {len(tangents)}.")
    inputs = [_fresh(primal) for primal in primals]
    directions: list[Any] = []
    for primal, tangent in zip(inputs, tangents, strict=True):
        leaves = [tangent]
        if nest.is_nested(primal):
            nest.assert_same(primal, tangent)
            leaves = nest.flatten(tangent)
        for x, direction in zip(nest.flatten(primal), leaves, strict=True):
            tensor = creation.convert_to_tensor(direction, x.dtype)
            if tensor.shape != x.shape:
                raise ValueError(f"{name}: expected a tangent of the primal's shape {x.shape}, got {describe(tensor)}.")
            directions.append(tensor)
    return inputs, directions


class _FunctionGradient:
    """One call of a user's function as an operation: what a tape records for it."""

    custom = True
    differentiable = True
    complex_rules = True
    rules: tuple[Any, ...] = ()
    row_rule: Any = None

    def __init__(self, name: str, outputs: int, rule: Callable[[Any], list[Any]]):
        self.name = name
        self.outputs = outputs
        self.rule = rule

    def rule_for_all(self, wanted: Any, g: Any, y: Any, *inputs: Any) -> list[Any]:
        """The gradients that the function gives for those of its results, as arrays where they came as arrays."""
        upstream = [x if isinstance(x, Operand) else wrap(x) for x in (g if isinstance(g, tuple) else (g,))]
        results = self.rule(upstream)
        bare = not any(isinstance(x, Operand) for x in inputs)
        if not bare:
            return [None if r is None else r.read() for r in results]
        return [r if r is None or type(r) is IndexedSlices else r._array for r in results]

    def __repr__(self) -> str:
        return f"<gradient of {self.name}>"


class _Reads(Recorder):
    """The trainable Variables that a function reads, and what all that it reads or assigns were before."""

    __slots__ = ("before", "variables")

    def __init__(self) -> None:
        self.variables: dict[int, Variable] = {}
        self.before: dict[int, tuple[Variable, Tensor]] = {}

    def read(self, variable: Any, value: Any) -> Any:
        self.before.setdefault(id(variable), (variable, value))
        if variable.trainable and dtypes.is_float(variable.dtype):
            self.variables.setdefault(id(variable), variable)
        return value

    def assign(self, variable: Any, before: Any) -> None:
        self.before.setdefault(id(variable), (variable, before))


@contextmanager
def _listening(recorder: Recorder) -> Iterator[None]:
    start(recorder)
    try:
        yield
    finally:
        stop(recorder)


def recorded(name: str, inputs: list[Any], outputs: Any, rule: Callable[[list[Any]], list[Any]]) -> Any:
    """Tells the recorders of one operation from inputs to outputs, which come out as tensors of their own."""
    leaves = [creation.convert_to_tensor(leaf) for leaf in nest.flatten(outputs)]
    fresh = [wrap(leaf.read()._array) for leaf in leaves]
    operation: Any = _FunctionGradient(name, len(fresh), rule)
    told = fresh[0] if len(fresh) == 1 else tuple(fresh)
    for recorder in context.recorders:
        recorder.record(operation, tuple(inputs), {}, told)
    return nest.pack(outputs, fresh)


def custom_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a function a gradient of one's own.

    Args:
      f: from tensors to `(results, grad)`. `grad` takes the gradients of the results, one argument for each, and gives
        those of f's tensors, one for each. If f reads trainable Variables, `grad` takes `variables=`, a list, and gives
        `(gradients, gradients of the variables)`.

    Returns:
      The function of the same arguments that gives the results alone.

    Raises:
      GradientError: if f does not give such a pair, reads Variables that `grad` does not take, or `grad` gives another
        number of gradients or another shape.

    Example:
      >>> @custom_gradient
      ... def log1pexp(x):
      ...     e = ops.exp(x)
      ...     return ops.log(1 + e), lambda upstream: upstream * (1 - 1 / (1 + e))
      >>> float(gradients_function(log1pexp)(100.0)[0])
      1.0
    """

    @functools.wraps(f)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        arguments = nest.map_structure(_as_tensor, list(args))
        reads = _Reads()
        with _listening(reads):
            pair = f(*arguments, **kwargs)
        if not isinstance(pair, tuple) or len(pair) != 2 or not callable(pair[1]):
            raise GradientError(
                f"custom_gradient: expected {_name(f)} to give (results, grad), with a function grad, "
                f"got {describe(pair)}."
            )
        outputs, grad = pair
        inputs = [leaf for leaf in nest.flatten(arguments) if isinstance(leaf, Operand)]
        variables = list(reads.variables.values())
        takes = inspect.signature(grad).parameters
        by_name = "variables" in takes or any(p.kind is p.VAR_KEYWORD for p in takes.values())
        if variables and not by_name:
            raise GradientError(
                f"custom_gradient: {_name(f)} reads the Variables {', '.join(repr(v.path) for v in variables)}, so its "
                "gradient must take variables= and give (gradients, gradients of the variables)."
            )

        def rule(upstream: list[Any]) -> list[Any]:
            if not variables:
                return _checked(f, inputs, _listed(grad(*upstream)))
            both = grad(*upstream, variables=variables)
            if not isinstance(both, tuple) or len(both) != 2:
                raise GradientError(
                    f"custom_gradient: expected the gradient of {_name(f)} to give (gradients, gradients of the "
                    f"variables), got {describe(both)}."
                )
            return [
                *_checked(f, inputs, _listed(both[0])),
                *_checked(f, variables, _listed(both[1]), "Variables"),
            ]

        return recorded(_name(f), [*inputs, *(v.read() for v in variables)], outputs, rule)

    return wrapper


def _as_tensor(leaf: Any) -> Any:
    """A Variable's value, a tensor of an array or a number, anything else as it is."""
    return leaf.read() if isinstance(leaf, Variable) else _number_as_tensor(leaf)


def _number_as_tensor(leaf: Any) -> Any:
    number = isinstance(leaf, (int, float, np.ndarray, np.generic)) and not isinstance(leaf, bool)
    return creation.convert_to_tensor(leaf) if number else leaf


def _listed(gradients: Any) -> list[Any]:
    return nest.flatten(gradients) if isinstance(gradients, (list, tuple, dict)) else [gradients]


def _checked(f: Callable[..., Any], inputs: Sequence[Any], gradients: list[Any], what: str = "tensors") -> list[Any]:
    if len(gradients) != len(inputs):
        raise GradientError(
            f"custom_gradient: expected {len(inputs)} gradients, one for each of the {what} of {_name(f)}, "
            f"got {len(gradients)}."
        )
    checked = []
    for x, g in zip(inputs, gradients, strict=True):
        tensor = None if g is None else creation.convert_to_tensor(g, x.dtype)
        if tensor is not None and tensor.shape != x.shape:
            raise GradientError(
                f"custom_gradient: expected a gradient of shape {x.shape} for {describe(x)} of {_name(f)}, "
                f"got {describe(tensor)}."
            )
        checked.append(tensor)
    return checked


def recompute_grad(f: Callable[..., Any]) -> Callable[..., Any]:
    """Runs a function without keeping what its gradient needs, and runs it again when the gradient is asked for.

    Memory for the results alone, for the time of a second forward pass. The second run sees random streams and other
    Variables that f assigns as the first one did.

    Args:
      f: a function or a layer, of tensors; its trainable Variables get their gradients too.

    Example:
      >>> w = Variable(2.0)
      >>> with GradientTape() as tape:
      ...     y = recompute_grad(lambda x: ops.tanh(x * w))(Tensor(0.5))
      >>> round(float(tape.gradient(y, w)), 4)
      0.21

    Reference: Chen et al. 2016, "Training deep nets with sublinear memory cost".
    """

    @functools.wraps(f, updated=())
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        arguments, options = nest.map_structure(_as_tensor, (list(args), kwargs))
        reads = _Reads()
        training = context.training
        others = tuple(r for r in context.recorders if not isinstance(r, GradientTape))
        with scoped(recorders=others), _listening(reads):
            outputs = f(*arguments, **options)
        inputs = [leaf for leaf in nest.flatten((arguments, options)) if isinstance(leaf, Operand)]
        variables = list(reads.variables.values())
        sources = [x for x in (*inputs, *variables) if dtypes.is_float(x.dtype)]

        def rule(upstream: list[Any]) -> list[Any]:
            with _as_it_was(reads), scoped(training=training), GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(sources)
                again = nest.flatten(f(*arguments, **options))
            found = iter(tape.gradient(again, sources, output_gradients=upstream))
            return [next(found) if dtypes.is_float(x.dtype) else None for x in (*inputs, *variables)]

        return recorded(_name(f), [*inputs, *(v.read() for v in variables)], outputs, rule)

    return wrapper


@contextmanager
def _as_it_was(reads: _Reads) -> Iterator[None]:
    """Variables have the values that were read, and afterwards those of now again."""
    now = [(variable, variable._value) for variable, _ in reads.before.values()]
    for variable, value in reads.before.values():
        variable._value = value
    try:
        yield
    finally:
        for variable, value in now:
            variable._value = value


# Keras has these two among its operations, which know no tape.
for _module, _function in ((ops, custom_gradient), (ops, jvp), (ops.linalg, jvp)):
    setattr(_module, _function.__name__, _function)
