"""Linear systems and determinants.

Gradients: Giles 2008, "An extended collection of matrix derivative results for forward and reverse mode algorithmic
differentiation", sections 2.2.3 (inverse), 2.2.4 (determinant) and 2.3.1 (systems).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dimensions, dtypes
from ..dimensions import Shape
from ..errors import describe
from ..primitive import primitive
from ..tensor import AbstractTensor, TensorLike, dims
from . import arrays, complexes, diagonals, elementwise, matrices, parts
from .linear import matmul, swapped
from .reductions import unbroadcast

# Triangular systems up to this size are solved as general ones; larger ones in halves, which costs n² instead of n³.
BLOCK = 64


def _solved(a: Any, b: Any) -> AbstractTensor:
    batch, size, _ = matrices.split(a, square=True)
    other, rows, columns = matrices.split(b)
    if dimensions.same(size, rows) is False:
        raise ValueError(f"expected as many rows of b as a has, but {rows} and {size} differ")
    return AbstractTensor((*dimensions.broadcast(batch, other), rows, columns), a.dtype)


@primitive(shape=_solved, promote=matrices.to_lapack)
def solve_matrix(a: TensorLike, b: TensorLike) -> Any:
    """The matrix x with a @ x = b."""
    return matrices.lapack("solve", "invertible matrices", np.linalg.solve, a, np.asarray(b))


def _solve_back(wanted: Any, g: Any, y: Any, a: Any, b: Any) -> list[Any]:
    of_b = solve_matrix(swapped(a), g)
    return [
        unbroadcast(matmul(-of_b, swapped(y)), a) if wanted[0] else None,
        unbroadcast(of_b, b) if wanted[1] else None,
    ]


solve_matrix.defvjp_all(_solve_back)


def _with_column(name: str, a: Any, b: Any, is_vector: bool) -> Any:
    matrices.check(name, a, square=True)
    if not dims(b):
        raise ValueError(f"{name}: expected b with at least one axis, got {describe(b)}.")
    column = arrays.expand_dims(b, -1) if is_vector else b
    matrices.check(name, column)
    if dimensions.same(dims(a)[-1], dims(column)[-2]) is False:
        raise ValueError(f"{name}: expected as many rows of b as a has, got {describe(a)} and {describe(b)}.")
    return column


def solve(a: TensorLike, b: TensorLike) -> Any:
    """The solution x of a @ x = b.

    b holds vectors if it has one axis, or if its shape is that of a without the last axis; else matrices. The batches
    of a and b broadcast.

    Args:
      a: square matrices, (..., m, m).
      b: right-hand sides, (..., m) or (..., m, n).

    Raises:
      ValueError: if the shapes do not fit.
      TraceError: if unknown sizes leave open whether b holds vectors.
      numpy.linalg.LinAlgError: if a matrix is singular.

    >>> eagerly.ops.solve([[2.0, 0.0], [0.0, 4.0]], [2.0, 2.0])
    Tensor([1. , 0.5], shape=(2,), dtype=float32)
    """
    is_vector = len(dims(b)) == 1 or _is_one_shape(dims(b), dims(a)[:-1])
    x = solve_matrix(a, _with_column("solve", a, b, is_vector))
    return arrays.squeeze(x, -1) if is_vector else x


def _is_one_shape(a: Shape, b: Shape) -> bool:
    if len(a) != len(b) or any(dimensions.same(p, q) is False for p, q in zip(a, b, strict=True)):
        return False
    return all(p == q for p, q in zip(a, b, strict=True))  # which raises where it cannot be decided


def solve_triangular(a: TensorLike, b: TensorLike, lower: bool = False) -> Any:
    """The solution x of a @ x = b, where only one triangle of a is looked at.

    Args:
      a: matrices, (..., m, m).
      b: right-hand sides, vectors (..., m) if b has one axis less than a, else matrices (..., m, n).
      lower: whether the lower triangle counts; the upper one if not.

    Raises:
      ValueError: if the shapes do not fit.
      numpy.linalg.LinAlgError: if there is a 0 on a diagonal.

    >>> eagerly.ops.solve_triangular([[2.0, 1.0], [9.0, 4.0]], [4.0, 8.0])
    Tensor([1., 2.], shape=(2,), dtype=float32)
    """
    is_vector = len(dims(b)) == len(dims(a)) - 1
    column = _with_column("solve_triangular", a, b, is_vector)
    with matrices.renamed("solve_triangular"):
        x = _substitute(a, column, lower)
    return arrays.squeeze(x, -1) if is_vector else x


def _substitute(a: Any, b: Any, lower: bool) -> Any:
    """Forward or backward substitution by blocks."""
    size = dims(a)[-1]
    if not isinstance(size, int) or size <= BLOCK:
        return solve_matrix(diagonals.tril(a) if lower else diagonals.triu(a), b)
    half = size // 2
    first, last = slice(None, half), slice(half, None)
    early, late = (first, last) if lower else (last, first)
    head = _substitute(a[..., early, early], b[..., early, :], lower)
    rest = b[..., late, :] - matmul(a[..., late, early], head)
    tail = _substitute(a[..., late, late], rest, lower)
    return arrays.concatenate(*((head, tail) if lower else (tail, head)), axis=-2)


def inv(x: TensorLike) -> Any:
    """The inverse of square matrices.

    Raises:
      numpy.linalg.LinAlgError: if a matrix is singular.

    >>> eagerly.ops.inv([[2.0, 0.0], [0.0, 4.0]])
    Tensor([[0.5 , 0.  ],
            [0.  , 0.25]], shape=(2, 2), dtype=float32)
    """
    matrices.check("inv", x, square=True)
    with matrices.renamed("inv"):
        return solve_matrix(x, matrices.identity_like(x))


def cholesky_inverse(x: TensorLike, upper: bool = False) -> Any:
    """The inverse of the matrix whose Cholesky factor is x: (L @ Lᵀ)⁻¹, or (Uᵀ @ U)⁻¹ for an upper one.

    Only that triangle of x is looked at.

    Raises:
      numpy.linalg.LinAlgError: if there is a 0 on a diagonal.

    >>> eagerly.ops.cholesky_inverse([[2.0, 0.0], [0.0, 0.5]])
    Tensor([[0.25, 0.  ],
            [0.  , 4.  ]], shape=(2, 2), dtype=float32)
    """
    matrices.check("cholesky_inverse", x, square=True)
    with matrices.renamed("cholesky_inverse"):
        root = _substitute(x, matrices.identity_like(x), not upper)
    return matmul(root, matrices.adjoint(root)) if upper else matmul(matrices.adjoint(root), root)


def _inverse_transposed(name: str, x: Any) -> Any:
    with matrices.gradient_of(name, x):
        return swapped(solve_matrix(x, matrices.identity_like(x)))


def _per_matrix(g: Any) -> Any:
    return arrays.reshape(g, newshape=(*dims(g), 1, 1))


@primitive(shape=lambda x: AbstractTensor(matrices.split(x, square=True)[0], x.dtype), promote=matrices.to_lapack)
def det(x: TensorLike) -> Any:
    """The determinant of square matrices; no gradient at singular ones.

    >>> eagerly.ops.det([[1.0, 2.0], [3.0, 5.0]])
    Tensor(-1., shape=(), dtype=float32)
    """
    return matrices.lapack("det", "matrices", np.linalg.det, x)


det.defvjp(lambda g, y, x: _per_matrix(g * y) * _inverse_transposed("det", x))


def _signed(x: Any) -> tuple[AbstractTensor, AbstractTensor]:
    batch = matrices.split(x, square=True)[0]
    return AbstractTensor(batch, x.dtype), AbstractTensor(batch, dtypes.real_part(x.dtype))


@primitive(shape=_signed, outputs=2, promote=matrices.to_lapack)
def slogdet(x: TensorLike) -> Any:
    """Sign and log |det(x)| of square matrices; 0 and -inf for singular ones, which have no gradient.

    >>> eagerly.ops.slogdet([[0.0, 1.0], [1.0, 0.0]])
    (Tensor(-1., shape=(), dtype=float32), Tensor(0., shape=(), dtype=float32))
    """
    return tuple(matrices.lapack("slogdet", "matrices", np.linalg.slogdet, x))


slogdet.defvjp(lambda g, y, x: _per_matrix(g[1]) * _inverse_transposed("slogdet", x))


def logdet(x: TensorLike) -> Any:
    """log(det(x)) of square matrices; NaN where the determinant is negative.

    >>> eagerly.ops.logdet([[2.0, 0.0], [0.0, 0.5]])
    Tensor(0., shape=(), dtype=float32)
    """
    matrices.check("logdet", x, square=True)
    sign, size = slogdet(x)
    if sign.dtype.kind == "c":
        return parts.from_parts(size, complexes.angle(sign))
    return elementwise.where(elementwise.less(sign, 0), np.asarray(np.nan, size.dtype), size)
