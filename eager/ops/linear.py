"""Matrix products, and the dense layer made of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes, kernels
from ..primitive import primitive, promote_together, settles_floats
from ..tensor import TensorLike, dims
from . import arrays, rules
from .fused import fused
from .parts import conj
from .reductions import unbroadcast


@settles_floats
def promote_product(x1: Any, x2: Any) -> np.dtype[Any] | None:
    """int32 for int8 with its like or with truth values, as sums soon leave int8; else the common dtype."""
    left, right = getattr(x1, "dtype", dtypes.FLOATX), getattr(x2, "dtype", dtypes.FLOATX)
    if left.itemsize == right.itemsize == 1 and {left.kind, right.kind} in ({"i"}, {"i", "b"}):
        return dtypes.INTX
    return promote_together(x1, x2)


@primitive(shape=rules.matmul, promote=promote_product)
def matmul(x1: TensorLike, x2: TensorLike) -> Any:
    """The matrix product x1 @ x2 over the last two axes; a vector is a row on the left, a column on the right."""
    y = kernels.product(x1, x2)
    if y is None:
        y = np.matmul(x1, x2)
    return y if y.dtype is x1.dtype or y.dtype == x1.dtype else y.astype(x1.dtype)  # bfloat16 comes as float32


def _as_matrices(g: Any, a: Any, b: Any) -> tuple[Any, Any, Any]:
    """Operands and gradient with vectors made matrices."""
    if a.ndim == 1:
        a, g = arrays.expand_dims(a, 0), arrays.expand_dims(g, -1 if b.ndim == 1 else -2)
    if b.ndim == 1:
        b, g = arrays.expand_dims(b, 1), arrays.expand_dims(g, -1)
    return g, a, b


def swapped(x: Any) -> Any:
    """Each matrix transposed."""
    order = tuple(range(x.ndim))
    return arrays.transpose(x, axes=(*order[:-2], order[-1], order[-2]))


def _matmul_left(g: Any, y: Any, x1: Any, x2: Any) -> Any:
    if x1.ndim == x2.ndim == 2 and g.dtype.kind != "c":
        return matmul(g, x2.T)
    g, left, right = _as_matrices(g, x1, x2)
    return arrays.reshape(unbroadcast(matmul(g, conj(swapped(right))), left), newshape=dims(x1))


def _matmul_right(g: Any, y: Any, x1: Any, x2: Any) -> Any:
    if x1.ndim == x2.ndim == 2 and g.dtype.kind != "c":
        return matmul(x1.T, g)
    if x2.ndim == 2 and x1.ndim > 2 and g.dtype.kind != "c":  # one product over all rows of the batch
        rows, columns = dims(x2)
        left, g = arrays.reshape(x1, newshape=(-1, rows)), arrays.reshape(g, newshape=(-1, columns))
        return matmul(left.T, g)
    g, left, right = _as_matrices(g, x1, x2)
    return arrays.reshape(unbroadcast(matmul(conj(swapped(left)), g), right), newshape=dims(x2))


matmul.defvjp(_matmul_left, _matmul_right)


def dense(
    inputs: TensorLike,
    kernel: TensorLike,
    bias: TensorLike | None = None,
    activation: Callable[[Any], Any] | None = None,
) -> Any:
    """activation(inputs @ kernel + bias)."""
    if activation is None or _is_own(activation):
        return _dense(inputs, kernel, bias, activation)
    return activation(_dense(inputs, kernel, bias, None))


@fused(at=(1, 0))
def _dense(inputs: Any, kernel: Any, bias: Any, activation: Callable[[Any], Any] | None) -> Any:
    y = matmul(inputs, kernel)
    y = y if bias is None else y + bias
    return y if activation is None else activation(y)


def finished(y: Any, bias: Any, activation: Callable[[Any], Any]) -> Any:
    """activation(y + bias)."""
    if bias is not None and _is_own(activation):
        return _finished(y, bias, activation)
    return activation(y if bias is None else y + bias)


@fused()
def _finished(y: Any, bias: Any, activation: Callable[[Any], Any]) -> Any:
    return activation(y + bias)


# The library's activations whose gradients need what they give alone, so that no product is computed again.
_OWN = frozenset(("linear", "relu", "sigmoid", "tanh"))
_HOMES = frozenset((__package__, f"{__package__.rpartition('.')[0]}.activations"))


def _is_own(activation: Any) -> bool:
    return getattr(activation, "__module__", None) in _HOMES and getattr(activation, "__name__", None) in _OWN
