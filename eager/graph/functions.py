"""`function`: a Python function that runs as a compiled graph.

It is traced once for each signature: the structure of its arguments, the shapes and dtypes of tensors, the values of
everything else. A trace is planned once for each size that an unknown dimension turns out to have. Inside of another
traced function it is a part of that one's graph.
"""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import dtypes, nest
from ..context import context
from ..dimensions import BATCH, bind, evaluate, unknown
from ..errors import TraceError, describe
from ..gradients import recorded
from ..ops import creation, elementwise
from ..tape import GradientTape
from ..tensor import AbstractTensor, Operand, Tensor, dims
from ..variable import Variable
from .executor import Plan
from .graph import Graph
from .passes import exact, optimize, specialize
from .replay import replay
from .tracing import trace

MOST_TRACES = 32
MOST_SIZES = 16


class TensorSpec(NamedTuple):
    """Shape and dtype of a tensor that a function is to be traced for; None is a size that calls may choose.

    A first axis of unknown size is the batch, the same in all arguments of a call.

    >>> TensorSpec((None, 3))
    TensorSpec(shape=(None, 3), dtype='float32', name=None)
    """

    shape: tuple[int | None, ...]
    dtype: Any = "float32"
    name: str | None = None

    def symbol(self) -> AbstractTensor:
        """An abstract tensor of this kind."""
        sizes = [
            (BATCH if axis == 0 else unknown()) if size is None else int(size) for axis, size in enumerate(self.shape)
        ]
        return AbstractTensor(tuple(sizes), dtypes.dtype(self.dtype), self.name)


class Function:
    """A function that runs as a graph; made by `function`."""

    def __init__(
        self,
        python_function: Callable[..., Any],
        input_signature: Any = None,
        name: str | None = None,
        rows: bool = False,
    ):
        functools.update_wrapper(self, python_function, updated=())
        self.python_function = python_function
        self.name: str = name or str(getattr(python_function, "__name__", "function"))
        self.input_signature = input_signature
        self._rows = rows  # whether the first axes of all tensors are one batch of unknown size
        self._traces: OrderedDict[Any, Traced] = OrderedDict()
        self._seen: dict[Any, Traced] = {}  # traces by the plainest calls, of tensors and tuples of them
        self._reasons: list[str] = []
        self._lock = threading.Lock()  # of the traces and the reasons
        self._is_method = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if context.tracing is not None or context.symbolic_call:
            return self.python_function(*args, **kwargs)
        glance = None if kwargs or self.input_signature is not None else _at_a_glance(args)
        if glance is not None and glance[1] in self._seen and not context.recorders:
            return self._seen[glance[1]](glance[0])
        call = _Call(args, kwargs)
        traced = self._traced(args, kwargs, call)
        if glance is not None:
            self._seen[glance[1]] = traced
        return traced.told(call.tensors) if context.recorders else traced(call.tensors)

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        """The function as a method; each owner has traces of its own."""
        if owner is None:
            return self
        name = f"_function_{self.python_function.__qualname__}"  # a method and the one that it overrides have two
        bound = vars(owner).get(name)
        if bound is None or bound.python_function.__func__ is not self.python_function:
            bound = Function(self.python_function.__get__(owner, kind), self.input_signature, self.name)
            bound._is_method = True
            owner.__dict__[name] = bound
        return bound

    def __reduce__(self) -> Any:
        if self._is_method:  # that of the owner's copy
            method: Any = self.python_function
            return getattr, (method.__self__, method.__name__)
        return vars(self)["__qualname__"]  # as a function of Python is copied and pickled

    def _traced(self, args: tuple[Any, ...], kwargs: dict[str, Any], call: _Call) -> Traced:
        specs = None
        if self.input_signature is not None:
            specs = self._fitting(call)
            key: Any = call.key(shapes=False)
        else:
            key = call.key(shapes=True, skip=1 if self._rows else 0)
        with self._lock:
            found = self._traces.get(key)
            if found is not None:
                self._traces.move_to_end(key)
                return found
        if specs is None and self._rows:
            specs = [
                TensorSpec((None, *x.shape[1:]), x.dtype) if x.ndim else TensorSpec((), x.dtype) for x in call.tensors
            ]
        try:
            found = Traced(self, call, call.symbols(specs))
        except (TraceError, ValueError, TypeError):
            if not self._rows:
                raise  # else either something depends on the size of the batch, or the message gets better
            key = call.key(shapes=True)
            found = self._traces.get(key) or Traced(self, call, call.symbols(None))
        found.key = call.without_values()
        with self._lock:
            self._reasons.append(self._reason(call))
            self._traces[key] = found
            self._seen.clear()
            if len(self._traces) > MOST_TRACES:
                self._traces.popitem(last=False)
        return found

    def _fitting(self, call: _Call) -> list[TensorSpec]:
        """The specs of the tensors of a call.

        Raises:
          ValueError: if they do not fit the signature.
        """
        specs = [leaf for leaf in _specs(self.input_signature)]
        if len(specs) != call.count:
            raise ValueError(
                f"{self.name}: expected {len(specs)} tensors, as its input_signature says, got {call.count}."
            )
        for number, (spec, x) in enumerate(zip(specs, call.tensors, strict=False)):
            fits = len(spec.shape) == x.ndim and x.dtype == dtypes.dtype(spec.dtype)
            if not fits or any(n not in (None, m) for n, m in zip(spec.shape, x.shape, strict=True)):
                raise ValueError(
                    f"{self.name}: expected {dtypes.dtype(spec.dtype).name}{list(spec.shape)} as tensor {number} of "
                    f"its input_signature, got {describe(x)}. Convert it, or leave the input_signature out."
                )
        return specs

    def _reason(self, call: _Call) -> str:
        """Why a call was traced."""
        if not self._traces:
            return f"traced for {call}: the first call"
        last = next(reversed(self._traces.values())).key
        return f"traced for {call}: {call.difference(last)}"

    @property
    def trace_count(self) -> int:
        """How many traces are kept; after the first, there are all Variables that the function makes."""
        return len(self._traces)

    def explain(self) -> str:
        """Each trace, in order, and why it was made: what differed from the call that was traced before."""
        return "\n".join(f"{self.name} {reason}." for reason in self._reasons) or f"{self.name} has not been called."

    def graph(self, *args: Any, **kwargs: Any) -> Graph:
        """The graph that a call with these arguments runs; printing it shows the operations."""
        call = _Call(args, kwargs)
        return self._traced(args, kwargs, call).graph

    def __repr__(self) -> str:
        return f"<function {self.name!r} with {len(self._traces)} traces>"


def function(func: Callable[..., Any] | None = None, *, input_signature: Any = None, name: str | None = None) -> Any:
    """Makes a function run as a compiled graph; a decorator, with options or without.

    Python code in it runs when it is traced, once for each kind of arguments; only operations on tensors, reads and
    assignments of Variables, and draws of random numbers run in each call. Variables change together at its end.

    Args:
      func: a function of tensors, in any structure; other arguments are constants of a trace.
      input_signature: a `TensorSpec` for each tensor, in the structure of the arguments: the function is traced once,
        with sizes that are None there unknown, and refuses anything else.
      name: shown in messages and graphs.

    Raises:
      TraceError: when called, if the Python code needs the value of a tensor: `if`, `float(x)`, `x.numpy()`.
      ValueError: when called with what does not fit the signature.

    Example:
      >>> @function
      ... def squares(x):
      ...     return ops.sum(x * x)
      >>> squares(Tensor([1.0, 2.0]))
      Tensor(5., shape=(), dtype=float32)
    """
    if func is None:
        return functools.partial(function, input_signature=input_signature, name=name)
    if not callable(func):
        raise TypeError(f"function: expected a function to compile, got {describe(func)}.")
    return Function(func, input_signature, name)


def _at_a_glance(args: tuple[Any, ...]) -> tuple[list[Tensor], tuple[Any, ...]] | None:
    """The tensors of a call with tensors and tuples of them alone, and what makes it like another; None for others."""
    tensors: list[Tensor] = []
    key: list[Any] = []
    for argument in args:
        several = type(argument) is tuple
        key.append(len(argument) if several else -1)
        for x in argument if several else (argument,):
            if type(x) is not Tensor or getattr(x, "_mask", None) is not None:
                return None
            tensors.append(x)
            key += x._array.shape, x._array.dtype.num
    return tensors, tuple(key)


class _Call:
    """The arguments of one call: the tensors, and everything else."""

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]):
        self.structure = (args, kwargs)
        self.leaves = nest.flatten(self.structure)
        self.tensors: list[Tensor] = []
        for i, leaf in enumerate(self.leaves):
            if isinstance(leaf, (np.ndarray, np.generic)):
                leaf = self.leaves[i] = creation.convert_to_tensor(leaf)
            if isinstance(leaf, Tensor):
                self.tensors.append(leaf)
        self.count = len(self.tensors)
        self.masked = tuple([i for i, x in enumerate(self.tensors) if getattr(x, "_mask", None) is not None])
        self.tensors += [self.tensors[i]._mask for i in self.masked]  # type: ignore[misc]

    def key(self, shapes: bool, skip: int = 0) -> Any:
        """What two calls of one trace have in common; of a tensor's sizes the first so many are not."""
        tokens = [_token(leaf, shapes, skip) for leaf in (*self.leaves, *self.tensors[self.count :])]
        return _form(self.structure), tuple(tokens), self.masked

    def symbols(self, specs: list[TensorSpec] | None) -> list[AbstractTensor]:
        """What stands for the tensors: of their shapes, or as they are specified; a mask is as long as its tensor."""
        made = [AbstractTensor(x.shape, x.dtype) if specs is None else specs[i].symbol()
                for i, x in enumerate(self.tensors[: self.count])]  # fmt: skip
        for i, mask in zip(self.masked, self.tensors[self.count :], strict=True):
            alike = self.tensors[i].shape[: mask.ndim] == mask.shape
            made[i]._mask = AbstractTensor(made[i].dims[: mask.ndim] if alike else mask.shape, mask.dtype)
        return [*made, *(made[i]._mask for i in self.masked)]

    def filled(self, symbols: Sequence[AbstractTensor]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with symbols for the tensors."""
        rest = iter(symbols)
        args: tuple[Any, ...]
        args, kwargs = nest.pack(
            self.structure, [next(rest) if isinstance(leaf, Tensor) else leaf for leaf in self.leaves]
        )
        return args, kwargs

    def without_values(self) -> _Call:
        """A call of the same kind that keeps no tensor in memory."""
        return _Call(*nest.map_structure(_symbol, self.structure))

    def difference(self, other: _Call) -> str:
        """What is different in another call."""
        if _form(self.structure) != _form(other.structure):
            return "the structure of its arguments is another one"
        paths = nest.paths(self.structure)
        changes = [
            f"argument {path[3:]} "
            + ("is another object" if _shown(old) == _shown(new) else f"was {_shown(old)} and is {_shown(new)}")
            for path, old, new in zip(paths, other.leaves, self.leaves, strict=True)
            if _token(old, True) != _token(new, True)
        ]
        return "; ".join(changes) or "an earlier trace was forgotten"

    def __str__(self) -> str:
        return ", ".join(map(_shown, self.leaves))


def _symbol(leaf: Any) -> Any:
    return AbstractTensor(leaf.shape, leaf.dtype) if isinstance(leaf, (Tensor, np.ndarray, np.generic)) else leaf


def _specs(signature: Any) -> list[TensorSpec]:
    if isinstance(signature, TensorSpec):
        return [signature]
    if isinstance(signature, dict):
        return [spec for key in sorted(signature) for spec in _specs(signature[key])]
    if isinstance(signature, (list, tuple)):
        return [spec for item in signature for spec in _specs(item)]
    if signature is None:
        return []
    raise TypeError(f"input_signature: expected TensorSpecs, in the structure of the arguments, got {signature!r}.")


def _form(structure: Any) -> Any:
    """The containers of a structure."""
    if isinstance(structure, dict):
        return ("dict", tuple((key, _form(structure[key])) for key in structure))
    if isinstance(structure, (list, tuple)):
        return (type(structure), tuple(map(_form, structure)))
    return None


def _token(leaf: Any, shapes: bool, skip: int = 0) -> Any:
    """What a leaf contributes to a signature; an object's is itself, so that it is kept as long as the trace."""
    if isinstance(leaf, (Tensor, AbstractTensor)):
        return (leaf.ndim, leaf.shape[skip:], leaf.dtype) if shapes else (leaf.ndim, leaf.dtype)
    if isinstance(leaf, (bool, int, float, complex, str, bytes)) or leaf is None:
        return exact(leaf)
    return _Same(leaf)


class _Same:
    """Equal for one object only."""

    def __init__(self, value: Any):
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


def _shown(leaf: Any) -> str:
    if isinstance(leaf, Variable):
        return f"Variable {leaf.path!r}"
    return repr(leaf) if isinstance(leaf, (bool, int, float, str)) or leaf is None else describe(leaf)


class Traced:
    """A graph with its plans: what one signature of a function runs."""

    key: _Call

    def __init__(self, owner: Function, call: _Call, symbols: Sequence[AbstractTensor]):
        self.template: Any = None

        def flat(*inputs: AbstractTensor) -> list[Any]:
            args, kwargs = call.filled(inputs)
            self.template = owner.python_function(*args, **kwargs)
            leaves = nest.flatten(self.template)
            self.places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Operand)]
            self.masked = [i for i in self.places if getattr(leaves[i], "_mask", None) is not None]
            return [*(leaves[i] for i in self.places), *(leaves[i]._mask for i in self.masked)]

        self.symbols = list(symbols)
        self.traced = trace(flat, self.symbols, owner.name)
        self.graph = optimize(self.traced)
        self.leaves = [None if isinstance(leaf, Operand) else leaf for leaf in nest.flatten(self.template)]
        self.template = nest.map_structure(lambda leaf: None, self.template)
        self._idle: OrderedDict[Any, list[Plan]] = OrderedDict()
        self._backward: Function | None = None

    def __call__(self, tensors: Sequence[Tensor]) -> Any:
        """The results for tensors, in the function's structure."""
        arrays = [x._array for x in tensors]
        sizes = tuple([x.shape for x in arrays])
        idle = self._idle.get(sizes)
        if idle is None:
            idle = self._plan_for(sizes)
        try:
            plan = idle.pop()
        except IndexError:  # all are running, in other threads
            plan = Plan(self._specialized(sizes))
        for number, look in self.graph.checks:
            look(arrays[number])
        outputs = plan.run(arrays)
        idle.append(plan)
        if self.template is None and self.places and not self.masked:
            return outputs[0]
        leaves = list(self.leaves)
        for place, output in zip(self.places, outputs, strict=False):
            leaves[place] = output
        for place, mask in zip(self.masked, outputs[len(self.places) :], strict=True):
            leaves[place]._mask = mask  # type: ignore[union-attr]
        return nest.pack(self.template, leaves)

    def told(self, tensors: Sequence[Tensor]) -> Any:
        """The results, after telling the recorders: for a tape, all that a call computes is one operation.

        Its gradient is a function of its own, which computes the results once more on the way.
        """
        variables = self._of_gradients()
        values = [variable.read() for variable in variables]  # as they are now, whatever this assigns
        for variable, _ in self.graph.updates:
            for recorder in context.recorders:
                recorder.assign(variable, variable._value)
        outputs = self(tensors)
        if not self.places:
            return outputs
        leaves = nest.flatten(outputs)
        inputs = [*tensors, *values]

        def rule(upstream: list[Any]) -> list[Any]:
            if self._backward is None:
                self._backward = Function(self._gradients, name=f"gradient of {self.graph.name}")
            found: list[Any] = self._backward(inputs, upstream)
            return found

        results = recorded(self.graph.name, inputs, [leaves[place] for place in self.places], rule)
        for place, result in zip(self.places, results, strict=True):
            result._mask = getattr(leaves[place], "_mask", None)
            leaves[place] = result
        return nest.pack(outputs, leaves)

    def _of_gradients(self) -> list[Variable]:
        """The Variables that a gradient may be of, those that are read first."""
        read = [variable for variable, _ in self.traced.variables]
        return list({id(v): v for v in (*read, *self.traced.breaks.values()) if v is not None}.values())

    def _gradients(self, inputs: list[Any], upstream: list[Any]) -> list[Any]:
        """The gradients of the results with respect to the inputs and the Variables' values, None for integers."""
        graph, first = self.traced, len(self.symbols)
        numbers = {id(variable): first + i for i, variable in enumerate(self._of_gradients())}
        inputs = [elementwise.identity(x) for x in inputs]  # one tensor may come twice
        sources = [(number, x) for number, x in enumerate(inputs) if dtypes.has_gradient(x.dtype)]

        sizes = {
            atom: n for s, x in zip(self.symbols, inputs, strict=False) for atom, n in bind(s.dims, dims(x)).items()
        }

        def instead(symbol: AbstractTensor, value: Any) -> Any:
            if id(symbol) not in graph.breaks:
                return value
            value, variable = elementwise.stop_gradient(value), graph.breaks[id(symbol)]
            if variable is not None and dtypes.has_gradient(value.dtype):
                tape.watch(value)
                sources.append((numbers[id(variable)], value))
            return value

        with GradientTape() as tape:
            tape.watch([x for _, x in sources])
            values = dict(zip(map(id, graph.sources()), inputs, strict=False))
            results = replay(graph.nodes, values, graph.outputs[: len(self.places)], instead, sizes)
        targets = [(x, g) for x, g in zip(results, upstream, strict=True) if dtypes.is_float(x.dtype)]
        found = tape.gradient([x for x, _ in targets], [x for _, x in sources], [g for _, g in targets])
        gradients: list[Any] = [None] * len(inputs)
        for (number, _), gradient in zip(sources, found, strict=True):
            if gradient is not None:
                gradients[number] = gradient if gradients[number] is None else gradients[number] + gradient
        return gradients

    def plan(self, tensors: Sequence[Tensor]) -> Plan:
        """The plan for tensors of these sizes; it runs one call at a time."""
        sizes = tuple([x.shape for x in tensors])
        idle = self._idle.get(sizes) or self._plan_for(sizes)
        if not idle:
            idle.append(Plan(self._specialized(sizes)))
        return idle[-1]

    def _plan_for(self, sizes: tuple[tuple[int, ...], ...]) -> list[Plan]:
        idle = self._idle[sizes] = [Plan(self._specialized(sizes))]
        if len(self._idle) > MOST_SIZES:
            self._idle.popitem(last=False)
        return idle

    def _specialized(self, sizes: tuple[tuple[int, ...], ...]) -> Graph:
        known: dict[Any, Any] = {}
        for symbol, shape in zip(self.symbols, sizes, strict=True):
            found = bind(symbol.dims, shape)
            for atom, size in found.items():
                if known.setdefault(atom, size) != size:
                    raise ValueError(
                        f"{self.graph.name}: expected one size of the dimension {atom.text!r} in all tensors, got "
                        f"{known[atom]} and {size}."
                    )
        inputs = [
            AbstractTensor(tuple(int(evaluate(n, known)) for n in symbol.dims), symbol.dtype, symbol.name)
            for symbol in self.symbols
        ]
        return optimize(specialize(self.graph, inputs))
