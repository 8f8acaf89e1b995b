"""Primitives: operations defined once.

A primitive has a NumPy implementation, a shape rule and gradient rules written with operations; eager execution,
tapes, symbols, graphs and export come from these. Data are its positional arguments, params its keyword ones.

- Bare arrays in, bare arrays out: gradient rules of a first-order tape run without wrapping.
- The shape rule runs for abstract tensors, or after the implementation has raised, to make the message.
- `REGISTRY` holds every primitive by name, written once; its test proves each rule against the implementation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, ParamSpec

import numpy as np

from . import dtypes
from .context import context
from .dimensions import Dim
from .errors import GradientError, TraceError, describe
from .tensor import AbstractTensor, Operand, Tensor, TensorLike, abstract, wrap

P = ParamSpec("P")
_new = Tensor.__new__
REGISTRY: dict[str, Primitive[...]] = {}
Rule = Callable[..., Any]
_SETTLED = frozenset(np.dtype(name).num for name in ("float32", "float64"))
_settling: set[Rule] = set()


class Primitive(Generic[P]):
    """An operation with an implementation, a shape rule and gradient rules; call it with data, then params by name.

    Args:
      implementation: from arrays and params to an array, or to a tuple of outputs followed by residuals. It calls no
        primitive, only what one is made of, since it runs in a context that cannot be entered twice.
      shape: from abstract tensors, Python numbers and params to abstract tensors.
      outputs: the number of outputs that a caller sees.
      residuals: the number of further outputs, kept for the gradient rule alone.
      promote: from the operands to the dtype that all are cast to first, or None to leave them as they are.
    """

    custom = False  # whether the gradient is a user's own

    complex_rules: bool = False  # whether the gradient rules hold for complex operands; see ops/complexes.py

    def __init__(
        self,
        implementation: Callable[P, Any],
        shape: Callable[..., Any],
        outputs: int = 1,
        residuals: int = 0,
        promote: Callable[..., np.dtype[Any] | None] | None = None,
    ):
        self.name = implementation.__name__.strip("_")
        self.__name__ = implementation.__name__
        self.__qualname__ = implementation.__qualname__
        self.__module__ = implementation.__module__
        self.__doc__ = implementation.__doc__
        self.__wrapped__ = implementation
        self.__annotations__ = implementation.__annotations__
        self.implementation = implementation
        self.shape = shape
        self.outputs = outputs
        self.residuals = residuals
        self.promote = promote
        self.settled = _SETTLED if promote in _settling else frozenset()
        self.rules: tuple[Rule | None, ...] = ()
        self.rule_for_all: Rule | None = None
        self.row_rule: Rule | None = None
        self.kernel_rule: Rule | None = None
        self.differentiable: bool | None = None
        if self.name in REGISTRY:
            raise ValueError(f"Primitive {self.name!r} is defined twice.")
        REGISTRY[self.name] = self

    def defvjp(self, *rules: Rule | None) -> None:
        """One rule `(g, y, *inputs, **params)` per input, the last one serving all further ones; None: no gradient."""
        self.rules = rules
        self.differentiable = any(rules)

    def defvjp_all(self, rule: Rule) -> None:
        """One rule `(wanted, g, y, *inputs, **params)` for all inputs, told which gradients are wanted.

        `g` and `y` are what the primitive returns: one value, or tuples; residuals appear in `y` alone.
        """
        self.rule_for_all = rule
        self.differentiable = True

    def defrows(self, rule: Rule) -> None:
        """One rule `(g, *inputs, **params)` for the gradient of a Variable that is the first input.

        It gives IndexedSlices for that and None for the others, or None where the gradient is not row-sparse.
        """
        self.row_rule = rule

    def defkernel(self, rule: Rule) -> None:
        """The rule `(*inputs, **params)` for a compiled graph: the Launch that computes it, None if there is no kernel.

        The inputs are abstract tensors of known sizes, or arrays, and Python numbers, which are no operands. The
        launch takes the outputs, residuals among them, then the inputs, all C-contiguous.
        """
        self.kernel_rule = rule

    def __call__(self, *args: P.args, **params: P.kwargs) -> Any:
        """Runs the operation on tensors, Variables, arrays and Python numbers; told to the active recorders."""
        arrays: list[Any] = []
        inputs: tuple[Any, ...] = args
        wrapped = False
        for x in args:
            if type(x) is Tensor:
                arrays.append(x._array)
                wrapped = True
            elif isinstance(x, Operand):
                inputs = tuple([y if type(y) is Tensor else y.read() if isinstance(y, Operand) else y for y in args])
                arrays, wrapped = [], True
                for y in inputs:
                    if type(y) is AbstractTensor:
                        return self._call_on_symbols(inputs, params)
                    arrays.append(y._array if type(y) is Tensor else y)
                break
            else:
                arrays.append(x)
        promote = self.promote
        if promote is not None:
            first: Any = arrays[0] if arrays else None
            settled = type(first) is np.ndarray and first.dtype.num in self.settled
            if len(arrays) > 1 and settled:
                second = arrays[1]
                settled = type(second) is np.ndarray and second.dtype is first.dtype and len(arrays) == 2
            if not settled and (target := promote(*arrays)) is not None:
                return self(*_cast_all(inputs, target), **params)
        try:
            result = context.run(self.implementation, *arrays, **params)
        except TraceError:  # an unknown dimension is among the operands or params
            return self._call_on_symbols(inputs, params)
        except Exception as error:
            self._explain(error, arrays, params)
            raise
        if not wrapped:
            return result
        outputs: Any
        if type(result) is np.ndarray:
            outputs = _new(Tensor)
            outputs._array = result
        else:
            outputs = tuple(map(wrap, result)) if type(result) is tuple else wrap(result)
        recorders = context.recorders
        if recorders:
            self._tell(recorders, inputs, params, outputs)
        return outputs

    def _tell(self, recorders: tuple[Any, ...], inputs: tuple[Any, ...], params: dict[str, Any], outputs: Any) -> None:
        """Tells the recorders, with params that later changes of the caller's lists and arrays cannot reach."""
        if params:
            params = {name: _frozen(value) for name, value in params.items()}
        for recorder in recorders:
            recorder.record(self, inputs, params, outputs)

    def _call_on_symbols(self, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """The call with abstract tensors among the inputs: the shape rule's answer."""
        if self.promote is not None:
            target = self.promote(*(x._array if isinstance(x, Tensor) else x for x in inputs))
            if target is not None:
                inputs = _cast_all(inputs, target)
        outputs = self._infer(inputs, params)
        if context.recorders:
            self._tell(context.recorders, inputs, params, outputs)
        return outputs

    def _infer(self, inputs: Any, params: dict[str, Any]) -> Any:
        specs = [abstract(x) for x in inputs]
        try:
            return self.shape(*specs, **params)
        except (ValueError, TypeError, IndexError) as error:
            raise type(error)(f"{self.name}: {error} (got {', '.join(map(describe, specs))})") from None

    def _explain(self, error: Exception, arrays: list[Any], params: dict[str, Any]) -> None:
        """Raises what the shape rule says of arguments that made the implementation fail; else adds what came."""
        if isinstance(error, (ValueError, TypeError, IndexError)):
            try:
                self._infer(arrays, params)
            except (ValueError, TypeError, IndexError) as better:
                raise better from error
            except AttributeError:
                pass  # Python numbers alone have no shape to tell about
        error.add_note(f"In the operation {self.name} on {', '.join(map(describe, map(abstract, arrays)))}.")

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"


def primitive(shape: Callable[..., Any], **options: Any) -> Callable[[Callable[P, Any]], Primitive[P]]:
    """Makes a primitive of the NumPy implementation below it; see `Primitive`."""
    return lambda implementation: Primitive(implementation, shape, **options)


def no_complex_gradient(name: str) -> GradientError:
    """The error for a complex operand of an operation whose gradient rules are for real ones."""
    return GradientError(
        f"{name}: no gradient is defined for complex operands. Compute on ops.real(x) and ops.imag(x), or with the "
        "operations that have one: arithmetic, exp, absolute, angle, matmul, sum, mean, moves and the fft family."
    )


def _frozen(value: Any) -> Any:
    if type(value) is list:
        return tuple(map(_frozen, value))
    return value.copy() if type(value) is np.ndarray else value


def _cast_all(inputs: tuple[Any, ...], target: np.dtype[Any]) -> tuple[Any, ...]:
    return tuple(_cast_one(x, target) for x in inputs)


def _cast_one(x: Any, target: np.dtype[Any]) -> Any:
    if isinstance(x, (bool, int, float)):
        return x if target.kind != "V" else np.asarray(x, target)
    return x if isinstance(x, Dim) or x.dtype == target else cast(x, dtype=target)


def settles_floats(promote: Rule) -> Rule:
    """Says of a rule of promotion that it leaves one or two operands of float32, or of float64, as they are."""
    _settling.add(promote)
    return promote


@settles_floats
def promote_together(*operands: Any) -> np.dtype[Any] | None:
    """For arithmetic: the common dtype by Keras's rule, None if nothing has to be cast."""
    if len(operands) == 2:
        a, b = operands
        left, right = getattr(a, "dtype", None), getattr(b, "dtype", None)
        if left is right and left is not None:
            return None
        array, scalar = (left, b) if right is None else (right, a)
        if (left is None or right is None) and array is not None:  # weak numbers that NumPy treats as we do
            if array.kind == "f" or (array.kind in "iu" and type(scalar) is int):
                return None
    return _unless_reached(dtypes.result_type(*operands), operands)


@settles_floats
def promote_numbers(*operands: Any) -> np.dtype[Any] | None:
    """For arithmetic that truth values do not have: as `promote_together`, with int32 for them."""
    array = operands[0] if hasattr(operands[0], "dtype") else operands[-1]
    if getattr(array, "dtype", dtypes.FLOATX).kind == "b":
        return dtypes.result_type(*operands, int)
    return promote_together(*operands) if len(operands) > 1 else None


@settles_floats
def promote_to_float(*operands: Any) -> np.dtype[Any] | None:
    """For division, roots, exponentials: the common dtype, float32 for integers."""
    first = operands[0]
    if len(operands) == 1 and getattr(first, "dtype", dtypes.FLOATX).kind == "f":
        return None
    return _unless_reached(dtypes.result_type(*operands, float), operands)


def _unless_reached(target: np.dtype[Any], operands: tuple[Any, ...]) -> np.dtype[Any] | None:
    weak = target.kind != "V"  # bfloat16 with a Python number is no bfloat16 for NumPy
    return None if all(x.dtype == target if hasattr(x, "dtype") else weak for x in operands) else target


@primitive(shape=lambda x, dtype: AbstractTensor(x.dims, dtype))
def cast(x: TensorLike, dtype: Any) -> Any:
    """The values converted to another dtype, complex ones to their real part; no gradient passes integers or bool."""
    array, target = np.asarray(x), dtypes.dtype(dtype)
    if array.dtype.kind == "c" and target.kind not in "cb":
        array = array.real
    return array.astype(target, copy=False)


def _cast_back(g: Any, y: Any, x: Any, dtype: Any) -> Any:
    return cast(g, dtype=x.dtype) if dtypes.has_gradient(dtype) and dtypes.has_gradient(x.dtype) else None


cast.defvjp(_cast_back)
