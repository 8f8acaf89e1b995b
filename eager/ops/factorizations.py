"""Matrices as products: Cholesky, LU, QR, eigenvectors.

A factor is unique up to signs that LAPACK chooses; gradients are those of the factor it gives. cholesky and eigh are
functions of (x + xᵀ) / 2, so that their gradient is defined at every x and is symmetric.
"""

from __future__ import annotations

import math
from typing import Any, NoReturn

import numpy as np

from .. import dimensions, dtypes
from ..errors import GradientError, describe
from ..primitive import primitive
from ..tensor import AbstractTensor, TensorLike, dims
from . import arrays, diagonals, elementwise, matrices, systems
from .linear import matmul, swapped


def _hermitian(x: Any) -> Any:
    x = np.asarray(x)
    return (x + np.swapaxes(x, -1, -2).conj()) * x.dtype.type(0.5)


@primitive(shape=matrices.like_square, promote=matrices.to_lapack)
def cholesky_lower(x: TensorLike) -> Any:
    """The lower triangular L with L @ Lᵀ = (x + xᵀ) / 2."""
    return matrices.lapack("cholesky", "positive-definite matrices", np.linalg.cholesky, _hermitian(x))


def _cholesky_back(g: Any, y: Any, x: Any) -> Any:
    # Murray 2016, "Differentiation of the Cholesky decomposition", eq. 10: Φ halves the diagonal of a lower triangle.
    product = matmul(swapped(y), g)
    middle = (diagonals.tril(product) + diagonals.tril(product, -1)) * 0.5
    upper = swapped(y)
    left = systems.solve_triangular(upper, middle)
    return matrices.symmetric(systems.solve_triangular(upper, swapped(left)))


cholesky_lower.defvjp(_cholesky_back)


def cholesky(x: TensorLike, upper: bool = False) -> Any:
    """The Cholesky factor of symmetric positive-definite matrices: L with L @ Lᵀ = x, or U = Lᵀ with Uᵀ @ U = x.

    Of matrices that are not symmetric, the symmetric part (x + xᵀ) / 2 counts.

    Args:
      x: matrices, (..., m, m).
      upper: whether to return U instead of L.

    Raises:
      numpy.linalg.LinAlgError: if a matrix is not positive-definite.

    >>> eagerly.ops.cholesky([[4.0, 2.0], [2.0, 5.0]])
    Tensor([[2., 0.],
            [1., 2.]], shape=(2, 2), dtype=float32)
    """
    matrices.check("cholesky", x, square=True)
    lower = cholesky_lower(x)
    return matrices.adjoint(lower) if upper else lower


def _factored(x: Any) -> tuple[AbstractTensor, AbstractTensor, AbstractTensor]:
    batch, rows, columns = matrices.split(x)
    count = dimensions.minimum(rows, columns)
    return (
        AbstractTensor(x.dims, x.dtype),
        AbstractTensor((*batch, count), dtypes.INTX),
        AbstractTensor((*batch, rows), dtypes.INTX),
    )


@primitive(shape=_factored, outputs=2, residuals=1, promote=matrices.to_lapack)
def eliminate(x: TensorLike) -> Any:
    """L below the diagonal and U from it on, the pivots, and the place of each row of x after all swaps."""
    x = np.asarray(x)
    if matrices.problem(x, square=False):
        raise ValueError("no matrices")  # the shape rule says it better
    *batch, rows, columns = x.shape
    lu = x.reshape(math.prod(batch), rows, columns).copy()
    pivots, origin = _eliminate(lu)
    place = np.argsort(origin, axis=-1).astype(dtypes.INTX)
    return lu.reshape(x.shape), pivots.reshape(*batch, min(rows, columns)), place.reshape(*batch, rows)


def _eliminate(lu: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Factors a batch in place, by panels (Golub & Van Loan 2013, section 3.4.7); pivots, and where each row was."""
    batch, rows, columns = lu.shape
    count = min(rows, columns)
    each = np.arange(batch)
    pivots = np.zeros((batch, count), dtypes.INTX)
    origin = np.tile(np.arange(rows, dtype=dtypes.INTX), (batch, 1))
    for start in range(0, count, 32):
        stop = min(start + 32, count)
        for j in range(start, stop):
            column = lu[:, j:, j]
            size = np.abs(column.real) + np.abs(column.imag) if lu.dtype.kind == "c" else np.abs(column)
            pivots[:, j] = pivot = np.argmax(size, axis=1) + j
            for rowwise in (lu, origin):
                chosen = rowwise[each, pivot]
                rowwise[each, pivot] = rowwise[:, j]
                rowwise[:, j] = chosen
            divisor = lu[:, j, j, None]
            lu[:, j + 1 :, j] /= np.where(divisor == 0, lu.dtype.type(1), divisor)
            lu[:, j + 1 :, j + 1 : stop] -= lu[:, j + 1 :, j, None] * lu[:, j, None, j + 1 : stop]
        unit = np.tril(lu[:, start:stop, start:stop], -1) + np.eye(stop - start, dtype=lu.dtype)
        lu[:, start:stop, stop:] = np.linalg.solve(unit, lu[:, start:stop, stop:])
        lu[:, stop:, stop:] -= lu[:, stop:, start:stop] @ lu[:, start:stop, stop:]
    return pivots, origin


def _lu_back(g: Any, y: Any, x: Any) -> Any:
    """With x = P [L1; L2] [U1, U2], L1 and U1 square: first the parts beside the square, then it."""
    lu, _, place = y
    g = g[0]
    rows, columns = dims(x)[-2:]
    count = dimensions.minimum(rows, columns)
    first, rest = slice(None, count), slice(count, None)
    square, beside, below = (..., first, first), (..., first, rest), (..., rest, first)
    upper = diagonals.triu(lu[square])
    turned = swapped(diagonals.tril(lu[square], -1) + matrices.identity_like(lu[square]))
    with matrices.gradient_of("lu_factor", x):
        of_beside = systems.solve_triangular(turned, g[beside])
        of_below = _over_transposed(g[below], upper)
        of_lower = g[square] - matmul(of_beside, swapped(lu[beside]))
        of_upper = g[square] - matmul(swapped(lu[below]), of_below)
        middle = diagonals.tril(matmul(turned, of_lower), -1) + diagonals.triu(matmul(of_upper, swapped(upper)))
        of_square = systems.solve_triangular(turned, _over_transposed(middle, upper))
    nothing = arrays.broadcast_to(elementwise.zeros_as(x), shape=(*dims(x)[:-2], rows - count, columns - count))
    above = arrays.concatenate(of_square, of_beside, axis=-1)
    swapped_rows = arrays.concatenate(above, arrays.concatenate(of_below, nothing, axis=-1), axis=-2)
    return arrays.take_along_axis(swapped_rows, arrays.expand_dims(place, -1), axis=-2)


def _over_transposed(b: Any, upper: Any) -> Any:
    """b @ upper⁻ᵀ."""
    return swapped(systems.solve_triangular(upper, swapped(b)))


eliminate.defvjp(_lu_back)


def lu_factor(x: TensorLike) -> Any:
    """The LU factorization with partial pivoting, of matrices of any shape (..., m, n).

    Returns:
      U in the upper triangle and L, whose diagonal is 1, below it; and the pivots (..., min(m, n)): row i was swapped
      with row pivots[i], in this order. U has a 0 on its diagonal if a matrix is singular.

    >>> lu, pivots = eagerly.ops.lu_factor([[1.0, 2.0], [2.0, 6.0]])
    >>> lu
    Tensor([[ 2. ,  6. ],
            [ 0.5, -1. ]], shape=(2, 2), dtype=float32)
    """
    matrices.check("lu_factor", x)
    return eliminate(x)[:2]


def _orthogonal(x: Any, mode: str = "reduced") -> tuple[AbstractTensor, AbstractTensor]:
    batch, rows, columns = matrices.split(x)
    if mode not in ("reduced", "complete"):
        raise ValueError(f"mode: expected 'reduced' or 'complete', got {mode!r}")
    inner = rows if mode == "complete" else dimensions.minimum(rows, columns)
    return AbstractTensor((*batch, rows, inner), x.dtype), AbstractTensor((*batch, inner, columns), x.dtype)


@primitive(shape=_orthogonal, outputs=2, promote=matrices.to_lapack)
def qr(x: TensorLike, mode: str = "reduced") -> Any:
    """The QR factorization q @ r = x of matrices (..., m, n): q has orthonormal columns, r is upper triangular.

    The gradient needs the first min(m, n) columns of x to be independent; Walter & Lehmann 2018, "Algorithmic
    differentiation of linear algebra functions with application in optimum experimental design".

    Args:
      x: matrices of any shape.
      mode: "reduced" for min(m, n) columns of q, "complete" for m, which have no gradient if m > n.

    Raises:
      ValueError: for another mode.
      GradientError: for a gradient at dependent columns, or of complete factors.

    >>> q, r = eagerly.ops.qr([[0.0, 2.0], [-1.0, 1.0]])
    >>> eagerly.ops.absolute(r)
    Tensor([[1., 1.],
            [0., 2.]], shape=(2, 2), dtype=float32)
    """
    if mode not in ("reduced", "complete"):
        raise ValueError("another mode")  # the shape rule says it better
    return tuple(matrices.lapack("qr", "matrices", np.linalg.qr, x, mode=mode))


def _qr_back(g: Any, y: Any, x: Any, mode: str = "reduced") -> Any:
    """With x = q [u, v] and u square: v = qᵀ x beside it gives its part to q and x."""
    q, r = y
    of_q, of_r = g
    rows, columns = dims(x)[-2:]
    if mode == "complete" and dimensions.same(dimensions.minimum(rows, columns), rows) is not True:
        raise GradientError(f"qr: complete factors of more rows than columns have no gradient, got {describe(x)}.")
    count = dims(q)[-1]
    square, beside = (..., slice(None), slice(None, count)), (..., slice(None), slice(count, None))
    of_q = of_q + matmul(x[beside], swapped(of_r[beside]))
    product = matmul(r[square], swapped(of_r[square])) - matmul(swapped(of_q), q)
    mirrored = diagonals.tril(product) + swapped(diagonals.tril(product, -1))
    with matrices.gradient_of("qr", x):
        of_square = _over_transposed(of_q + matmul(q, mirrored), r[square])
    return arrays.concatenate(of_square, matmul(q, of_r[beside]), axis=-1)


qr.defvjp(_qr_back)


def _real_spectrum(x: Any) -> tuple[AbstractTensor, AbstractTensor]:
    batch, size, _ = matrices.split(x, square=True)
    return AbstractTensor((*batch, size), dtypes.real_part(x.dtype)), AbstractTensor(x.dims, x.dtype)


@primitive(shape=_real_spectrum, outputs=2, promote=matrices.to_lapack)
def eigh(x: TensorLike) -> Any:
    """Eigenvalues, ascending, and eigenvectors, in columns, of symmetric (Hermitian) matrices.

    Of matrices that are not symmetric, the symmetric part (x + xᵀ) / 2 counts. The gradient of eigenvectors is that at
    distinct eigenvalues, and infinite or NaN at equal ones; Giles 2008, section 3.1. That of eigenvalues is always
    defined, the second one at distinct eigenvalues.

    Raises:
      numpy.linalg.LinAlgError: if the computation does not converge, as it may not for NaN or infinity.

    >>> eagerly.ops.eigh([[2.0, 0.0], [0.0, 1.0]])[0]
    Tensor([1., 2.], shape=(2,), dtype=float32)
    """
    return tuple(matrices.lapack("eigh", "finite matrices", np.linalg.eigh, _hermitian(x)))


def _eigh_back(g: Any, y: Any, x: Any) -> Any:
    values, vectors = y
    of_values, of_vectors = g
    with matrices.gradient_of("eigh", x):
        gaps = arrays.expand_dims(values, -2) - arrays.expand_dims(values, -1)
        middle = matrices.diagonal_matrix(of_values) + matrices.over_gaps(matmul(swapped(vectors), of_vectors), gaps)
        return matrices.symmetric(matmul(matmul(vectors, middle), swapped(vectors)))


eigh.defvjp(_eigh_back)


def _spectrum(x: Any) -> tuple[AbstractTensor, AbstractTensor]:
    batch, size, _ = matrices.split(x, square=True)
    dtype = dtypes.with_imaginary_part(x.dtype)
    return AbstractTensor((*batch, size), dtype), AbstractTensor(x.dims, dtype)


@primitive(shape=_spectrum, outputs=2, promote=matrices.to_lapack)
def eig(x: TensorLike) -> Any:
    """Eigenvalues and eigenvectors, in columns, of square matrices: always complex, and without a gradient.

    Raises:
      numpy.linalg.LinAlgError: if there is NaN or infinity among the matrices.
      GradientError: for a gradient; `eigh` has one.

    >>> eagerly.ops.eig([[0.0, -1.0], [1.0, 0.0]])[0]
    Tensor([0.+1.j, 0.-1.j], shape=(2,), dtype=complex64)
    """
    values, vectors = matrices.lapack("eig", "finite matrices", np.linalg.eig, x)
    dtype = dtypes.with_imaginary_part(np.asarray(x).dtype)
    return values.astype(dtype), vectors.astype(dtype)


def _eig_back(wanted: Any, g: Any, y: Any, x: Any) -> NoReturn:
    raise GradientError("eig: no gradient is defined. For symmetric matrices, ops.eigh has one.")


eig.defvjp_all(_eig_back)
