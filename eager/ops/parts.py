"""Complex numbers and their parts.

`view_as_complex` and `view_as_real` are each other's gradient, and both are views: a complex tensor is taken apart and
put together without arithmetic. The gradient of a real loss L for z = x + iy is dL/dx + i dL/dy, as in PyTorch; a rule
for a holomorphic f is therefore g · conj(f'(z)).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dimensions, dtypes
from ..primitive import primitive
from ..tensor import AbstractTensor, TensorLike, dims
from . import arrays, rules


def _to_parts(x: Any) -> np.dtype[Any] | None:
    """float64 stays; other real numbers become float32, of which there are pairs."""
    target = dtypes.real_part(dtypes.with_imaginary_part(x.dtype))
    return None if x.dtype.kind == "c" or x.dtype == target else target


def _joined(x: Any) -> AbstractTensor:
    if x.dtype.kind == "c" or not x.dims or dimensions.same(x.dims[-1], 2) is False:
        raise ValueError("expected a real tensor whose last axis has the real and the imaginary part, size 2")
    return AbstractTensor(x.dims[:-1], dtypes.with_imaginary_part(x.dtype))


@primitive(shape=_joined, promote=_to_parts)
def view_as_complex(x: TensorLike) -> Any:
    """x[..., 0] + i · x[..., 1]: complex64, or complex128 of float64.

    >>> eagerly.ops.view_as_complex([[1.0, 2.0], [3.0, -4.0]])
    Tensor([1.+2.j, 3.-4.j], shape=(2,), dtype=complex64)
    """
    x = np.asarray(x)
    if x.dtype.kind != "f" or not x.ndim or x.shape[-1] != 2:
        raise ValueError("no pairs of real numbers")  # the shape rule says it better
    return np.ascontiguousarray(x).view(dtypes.with_imaginary_part(x.dtype))[..., 0]


def _parted(x: Any) -> AbstractTensor:
    if x.dtype.kind != "c":
        raise ValueError("expected a complex tensor")
    return AbstractTensor((*x.dims, 2), dtypes.real_part(x.dtype))


@primitive(shape=_parted)
def view_as_real(x: TensorLike) -> Any:
    """A last axis with the real and the imaginary part of complex numbers.

    >>> eagerly.ops.view_as_real([1 + 2j, 3 - 4j])
    Tensor([[ 1.,  2.],
            [ 3., -4.]], shape=(2, 2), dtype=float32)
    """
    x = np.asarray(x)
    if x.dtype.kind != "c":
        raise ValueError("no complex numbers")
    return np.ascontiguousarray(x).reshape(*x.shape, 1).view(dtypes.real_part(x.dtype))


view_as_complex.defvjp(lambda g, y, x: view_as_real(g))
view_as_real.defvjp(lambda g, y, x: view_as_complex(g))


@primitive(shape=rules.same_as_input)
def conjugate(x: TensorLike) -> Any:
    """The complex conjugate; real numbers stay as they are."""
    return np.asarray(x).conj()


conjugate.defvjp(lambda g, y, x: conjugate(g))


def conj(x: Any) -> Any:
    """The conjugate of a factor in a gradient rule, which may be a number."""
    return conjugate(x) if hasattr(x, "dtype") and x.dtype.kind == "c" else x


def real(x: TensorLike) -> Any:
    """The real part; real numbers stay as they are."""
    return view_as_real(x)[..., 0] if x.dtype.kind == "c" else conjugate(x)


def imag(x: TensorLike) -> Any:
    """The imaginary part, 0 for real numbers."""
    return view_as_real(x)[..., 1] if x.dtype.kind == "c" else _nothing(x)


def _nothing(x: Any) -> Any:
    return arrays.broadcast_to(np.zeros((), x.dtype), shape=dims(x))


def from_parts(real: Any, imag: Any) -> Any:
    """real + i · imag, of one shape."""
    return view_as_complex(arrays.stack([real, imag], axis=-1))
