"""Python's operators on tensors, installed once when the operations load.

Tensors and Variables go straight to the primitives; abstract tensors go through the public operations, which keep a
node. A list or array on the other side is converted; anything else is left to Python's own error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes, symbolic
from ..dimensions import Dim
from ..tensor import AbstractTensor, Operand, Tensor, TensorLike
from . import arrays, creation, elementwise, integers, linear
from .public import public


def _bits_or_truth(bits: Callable[..., Any], truth: Callable[..., Any]) -> Callable[..., Any]:
    """Bitwise for integers; for floats, which have no bits to speak of, whether they are zero."""

    def operation(x1: TensorLike, x2: TensorLike) -> Any:
        return (truth if dtypes.is_float(dtypes.result_type(x1, x2)) else bits)(x1, x2)

    return operation


def _inverted(x: TensorLike) -> Any:
    """Every bit flipped; for floats, whether they are zero."""
    return elementwise.logical_not(x) if dtypes.is_float(x) else integers.bitwise_invert(x)


def _divmod(x1: TensorLike, x2: TensorLike) -> Any:
    """(x1 // x2, x1 % x2)."""
    return elementwise.floor_divide(x1, x2), elementwise.mod(x1, x2)


BINARY: dict[str, Callable[..., Any]] = {
    "add": elementwise.add,
    "sub": elementwise.subtract,
    "mul": elementwise.multiply,
    "truediv": elementwise.divide,
    "floordiv": elementwise.floor_divide,
    "mod": elementwise.mod,
    "pow": elementwise.power,
    "matmul": linear.matmul,
    "and": _bits_or_truth(integers.bitwise_and, elementwise.logical_and),
    "or": _bits_or_truth(integers.bitwise_or, elementwise.logical_or),
    "xor": _bits_or_truth(integers.bitwise_xor, elementwise.logical_xor),
    "lshift": integers.left_shift,
    "rshift": integers.right_shift,
    "divmod": _divmod,
}
COMPARE: dict[str, Callable[..., Any]] = {
    "lt": elementwise.less,
    "le": elementwise.less_equal,
    "gt": elementwise.greater,
    "ge": elementwise.greater_equal,
    "eq": elementwise.equal,
    "ne": elementwise.not_equal,
}
UNARY: dict[str, Callable[..., Any]] = {
    "neg": elementwise.negative,
    "pos": elementwise.identity,
    "abs": elementwise.absolute,
    "invert": _inverted,
}
CONVERTIBLE = (bool, int, float, Dim, Operand)


def _coerce(other: Any, beside: Any) -> Any:
    """The other operand as a primitive takes it, NotImplemented if it is no number, array or list."""
    if isinstance(other, CONVERTIBLE):
        return other
    if type(other) is complex:
        return Tensor(other, dtypes.result_type(beside, complex))
    if isinstance(other, (np.ndarray, np.generic, list, tuple)):
        return creation.convert_to_tensor(other)
    return NotImplemented


def _binary(function: Callable[..., Any], swapped: bool) -> Callable[..., Any]:
    def operator(self: Any, other: Any) -> Any:
        if type(other) is not Tensor:
            other = _coerce(other, self)
            if other is NotImplemented or type(other) is AbstractTensor:
                return NotImplemented
        return function(self, other)

    def reflected(self: Any, other: Any) -> Any:
        other = _coerce(other, self)
        return other if other is NotImplemented or type(other) is AbstractTensor else function(other, self)

    return reflected if swapped else operator


def _symbolic_binary(function: Callable[..., Any], swapped: bool) -> Callable[..., Any]:
    def operator(self: Any, other: Any) -> Any:
        other = _coerce(other, self)
        if other is NotImplemented:
            return NotImplemented
        return function(other, self) if swapped else function(self, other)

    return operator


def _index(self: Any, key: Any) -> Any:
    if isinstance(key, (tuple, AbstractTensor)) and symbolic.symbols(key):
        return symbolic.call(_index, arrays.index, (self, key), {})
    return arrays.index(self, key)


def _symbolic_index(self: Any, key: Any) -> Any:
    return symbolic.call(_index, arrays.index, (self, key), {})


def _install(cls: type, binary: Callable[..., Any], prepare: Callable[..., Any]) -> None:
    for name, function in BINARY.items():
        function = prepare(function)
        setattr(cls, f"__{name}__", binary(function, False))
        setattr(cls, f"__r{name}__", binary(function, True))
    for name, function in COMPARE.items():
        setattr(cls, f"__{name}__", binary(prepare(function), False))
    for name, function in UNARY.items():
        setattr(cls, f"__{name}__", _unary(prepare(function)))


def _unary(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self: function(self)


def _itself(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def _transposed(self: Any) -> Any:
    """The tensor with its axes in reverse order."""
    return arrays.transpose(self)


_install(Operand, _binary, _itself)
_install(AbstractTensor, _symbolic_binary, public)
setattr(Operand, "__getitem__", _index)  # noqa: B010 - mypy refuses a plain assignment to a method
setattr(AbstractTensor, "__getitem__", _symbolic_index)  # noqa: B010
setattr(Operand, "T", property(_transposed))  # noqa: B010
setattr(AbstractTensor, "T", property(public(arrays.transpose)))  # noqa: B010
