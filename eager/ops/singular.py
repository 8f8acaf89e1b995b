"""Singular values, and what is made of them: pseudoinverse, least squares, rank."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dimensions, dtypes
from ..dimensions import Size
from ..errors import GradientError, describe
from ..primitive import cast, primitive
from ..tensor import AbstractTensor, Operand, TensorLike, dims
from . import arrays, elementwise, matrices, reductions, rules
from .linear import matmul, swapped

FINITE = "finite matrices"


def _decomposed(x: Any, full_matrices: bool = True) -> tuple[AbstractTensor, AbstractTensor, AbstractTensor]:
    batch, rows, columns = matrices.split(x)
    count = dimensions.minimum(rows, columns)
    return (
        AbstractTensor((*batch, rows, rows if full_matrices else count), x.dtype),
        AbstractTensor((*batch, count), dtypes.real_part(x.dtype)),
        AbstractTensor((*batch, columns if full_matrices else count, columns), x.dtype),
    )


@primitive(shape=_decomposed, outputs=3, promote=matrices.to_lapack)
def decompose(x: TensorLike, full_matrices: bool = True) -> Any:
    """The u, s and vᵀ with u @ diag(s) @ vᵀ = x."""
    return tuple(matrices.lapack("svd", FINITE, np.linalg.svd, x, full_matrices=full_matrices))


def _kept(g: Any, count: Size, axis: int, x: Any) -> Any:
    """The gradient of the first vectors; one of the others, which are arbitrary, is refused."""
    key = (slice(None),) * (axis % g.ndim)
    if not isinstance(g, AbstractTensor) and np.any(np.asarray(g)[(*key, slice(count, None))]):
        raise GradientError(
            "svd: no gradient is defined for singular vectors beyond the first min(m, n) of full matrices, "
            f"got {describe(x)}. Use full_matrices=False."
        )
    return g[(*key, slice(None, count))]


def _decompose_back(g: Any, y: Any, x: Any, full_matrices: bool = True) -> Any:
    # Townsend 2016, "Differentiating the singular value decomposition", with the wide case as its transpose.
    rows, columns = dims(x)[-2:]
    u, s, vh = y
    count = dims(s)[-1]
    of_u, of_s, of_v = _kept(g[0], count, -1, x), g[1], swapped(_kept(g[2], count, -2, x))
    u, v = u[..., :, :count], swapped(vh[..., :count, :])
    with matrices.gradient_of("svd", x):
        column, row = arrays.expand_dims(s, -1), arrays.expand_dims(s, -2)
        gaps = (row - column) * (row + column)
        of_left, of_right = (matmul(swapped(a), b) for a, b in ((u, of_u), (v, of_v)))
        left, right = (matrices.over_gaps(a - swapped(a), gaps) for a in (of_left, of_right))
        middle = left * row + column * right + matrices.diagonal_matrix(of_s)
        result = matmul(matmul(u, middle), swapped(v))
        if not dimensions.same(rows, count):
            result = result + matmul(_ratio(of_u - matmul(u, of_left), row), swapped(v))
        if not dimensions.same(columns, count):
            result = result + matmul(u, swapped(_ratio(of_v - matmul(v, of_right), row)))
        return result


def _ratio(x: Any, divisor: Any) -> Any:
    """x / divisor, and 0 for 0 / 0."""
    zero = elementwise.logical_and(elementwise.equal(x, 0), elementwise.equal(divisor, 0))
    return x / elementwise.where(zero, 1, divisor)


decompose.defvjp(_decompose_back)


def _only_values(x: Any) -> AbstractTensor:
    batch, rows, columns = matrices.split(x)
    return AbstractTensor((*batch, dimensions.minimum(rows, columns)), dtypes.real_part(x.dtype))


# A primitive beside `decompose`, because LAPACK finds the values alone several times as fast as the vectors too.
@primitive(shape=_only_values, promote=matrices.to_lapack)
def singular_values(x: TensorLike) -> Any:
    """The singular values, descending."""
    return matrices.lapack("svd", FINITE, np.linalg.svd, x, compute_uv=False)


def _values_back(g: Any, y: Any, x: Any) -> Any:
    with matrices.gradient_of("svd", x):
        u, _, vh = decompose(x, full_matrices=False)
        return matmul(u * arrays.expand_dims(g, -2), vh)


singular_values.defvjp(_values_back)


def svd(x: TensorLike, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """The singular value decomposition u @ diag(s) @ vᵀ = x of matrices (..., m, n), s descending.

    The gradient of singular vectors is that at distinct singular values, and NaN at equal ones; of vectors beyond the
    first min(m, n) there is none. The gradient of singular values is always defined, the second one at distinct values.

    Args:
      x: matrices of any shape.
      full_matrices: whether u is (..., m, m) and vᵀ is (..., n, n); they have min(m, n) vectors if not.
      compute_uv: whether to return (u, s, vᵀ); s alone if not.

    Raises:
      numpy.linalg.LinAlgError: if there is NaN or infinity among the matrices.

    >>> eagerly.ops.svd([[0.0, 2.0], [1.0, 0.0]], compute_uv=False)
    Tensor([2., 1.], shape=(2,), dtype=float32)
    """
    matrices.check("svd", x)
    return decompose(x, full_matrices=full_matrices) if compute_uv else singular_values(x)


def _inverted(x: Any, rcond: float | None = None) -> AbstractTensor:
    rules.refuse_tensor("rcond", rcond, "the pseudoinverse with ops.svd")
    batch, rows, columns = matrices.split(x)
    return AbstractTensor((*batch, columns, rows), x.dtype)


@primitive(shape=_inverted, promote=matrices.to_lapack)
def pinv(x: TensorLike, rcond: float | None = None) -> Any:
    """The Moore-Penrose pseudoinverse of matrices (..., m, n). Its gradient is that among matrices of the same rank.

    Args:
      x: matrices of any shape.
      rcond: singular values up to this share of the largest count as 0; max(m, n) · ε if None.

    Raises:
      numpy.linalg.LinAlgError: if there is NaN or infinity among the matrices.

    >>> eagerly.ops.pinv([[2.0, 0.0], [0.0, 0.0]])
    Tensor([[0.5, 0. ],
            [0. , 0. ]], shape=(2, 2), dtype=float32)
    """
    if isinstance(rcond, Operand):
        raise ValueError("no number")  # the shape rule says it better
    x = np.asarray(x)
    share = max(x.shape[-2:]) * np.finfo(x.dtype).eps if rcond is None else rcond
    return matrices.lapack("pinv", FINITE, np.linalg.pinv, x, share)


def _pinv_back(g: Any, y: Any, x: Any, rcond: float | None = None) -> Any:
    # Golub & Pereyra 1973, "The differentiation of pseudo-inverses and nonlinear least squares problems", eq. 4.12.
    with matrices.gradient_of("pinv", x):
        turned, of_x = swapped(y), swapped(g)
        first = of_x - matmul(x, matmul(y, of_x))
        last = of_x - matmul(matmul(of_x, y), x)
        return matmul(matmul(first, y), turned) + matmul(turned, matmul(y, last)) - matmul(matmul(turned, g), turned)


pinv.defvjp(_pinv_back)


def lstsq(a: TensorLike, b: TensorLike, rcond: float | None = None) -> Any:
    """The x of least norm among those that make |a @ x - b| least: pinv(a, rcond) @ b.

    Args:
      a: matrices, (..., m, n).
      b: right-hand sides, vectors (..., m) if b has one axis less than a, else matrices (..., m, k).
      rcond: as for `pinv`.

    Raises:
      ValueError: if the shapes do not fit.

    >>> eagerly.ops.lstsq([[2.0], [0.0]], [3.0, 1.0])
    Tensor([1.5], shape=(1,), dtype=float32)
    """
    matrices.check("lstsq", a)
    matrices.refuse_tensor("lstsq", "rcond", rcond)
    is_vector = len(dims(b)) == len(dims(a)) - 1
    column = arrays.expand_dims(b, -1) if is_vector else b
    if len(dims(column)) < 2 or dimensions.same(dims(a)[-2], dims(column)[-2]) is False:
        raise ValueError(f"lstsq: expected as many rows of b as a has, got {describe(a)} and {describe(b)}.")
    target = dtypes.result_type(a, b, float)
    matrix, column = elementwise.cast_like(a, target), elementwise.cast_like(column, target)
    with matrices.renamed("lstsq"):
        x = matmul(pinv(matrix, rcond=rcond), column)
    return arrays.squeeze(x, -1) if is_vector else x


def matrix_rank(x: TensorLike, tol: float | None = None) -> Any:
    """How many singular values of matrices (..., m, n) exceed `tol`; int32, without a gradient.

    Args:
      x: matrices of any shape.
      tol: a number; max(m, n) · ε times the largest singular value if None.

    >>> eagerly.ops.matrix_rank([[1.0, 2.0], [2.0, 4.0]])
    Tensor(1, shape=(), dtype=int32)
    """
    matrices.check("matrix_rank", x)
    matrices.refuse_tensor("matrix_rank", "tol", tol)
    with matrices.renamed("matrix_rank"):
        values = singular_values(elementwise.stop_gradient(x))
    limit: Any = tol
    if tol is None:
        longer = dimensions.maximum(*dims(x)[-2:])
        limit = reductions.max(values, axis=-1, keepdims=True, initial=0) * longer * float(np.finfo(values.dtype).eps)
    counted = elementwise.greater(cast(values, dtype=np.dtype(np.float64)), limit)  # as exact as tol
    return reductions.sum(cast(counted, dtype=dtypes.INTX), axis=-1)
