"""The rows of linear algebra: matrices far from singular, with eigenvalues and singular values far from each other."""

import numpy as np

from domains.values import Domain
from eagerly import dtypes

REAL = ("float32", "float64", "int32")
LAPACK = (*REAL, "complex64")


def with_spectrum(rng, shape, dtype, symmetric):
    """Matrices whose singular values are 1, 2, … in random directions; of integers, diagonally dominant ones."""
    *batch, rows, columns = shape
    count = min(rows, columns)
    if dtype == "int32":
        noise = rng.integers(-1, 2, shape)
        noise = noise + np.swapaxes(noise, -1, -2) if symmetric else noise
        return np.asarray(noise + np.eye(rows, columns) * (3 * max(rows, columns) + np.arange(columns)), dtype)

    def directions(size):
        values = rng.normal(size=(*batch, size, size)) + (1j * rng.normal(size=(*batch, size, size)) if complex_ else 0)
        return np.linalg.qr(values)[0][..., :count]

    complex_ = "complex" in dtype
    left = directions(rows)
    right = left if symmetric else directions(columns)
    values = np.arange(1, count + 1) + rng.uniform(0, 0.4, (*batch, count))
    return np.asarray(left * values[..., None, :] @ np.swapaxes(right, -1, -2).conj(), dtypes.dtype(dtype))


def matrix(rng, shape, dtype):
    """Matrices of full rank."""
    return with_spectrum(rng, shape, dtype, False)


def definite(rng, shape, dtype):
    """Symmetric positive-definite matrices."""
    return with_spectrum(rng, shape, dtype, True)


SQUARE = (
    lambda n, m: ([(m, m)], {}),
    lambda n, m: ([(n, m, m)], {}),
    lambda n, m: ([(2, n, 3, 3)], {}),
)
ANY = (*SQUARE, lambda n, m: ([(n, 4, 3)], {}), lambda n, m: ([(m, 5)], {}), lambda n, m: ([(n, 2, m)], {}))


def each(cases, *options):
    return tuple(lambda n, m, c=case, o=o: (c(n, m)[0], o) for case in cases for o in options)


DOMAINS: dict[str, Domain] = {
    "solve_matrix": Domain(
        (
            lambda n, m: ([(m, m), (m, n)], {}),
            lambda n, m: ([(n, m, m), (m, 2)], {}),
            lambda n, m: ([(3, 3), (n, 3, m)], {}),
            lambda n, m: ([(2, 1, m, m), (n, m, 1)], {}),
        ),
        (matrix, matrix),
        LAPACK,
    ),
    "det": Domain(SQUARE, (matrix,), LAPACK),
    "slogdet": Domain(SQUARE, (matrix,), LAPACK),
    "cholesky_lower": Domain(SQUARE, (definite,), LAPACK),
    "eliminate": Domain(ANY, (matrix,), LAPACK),
    "qr": Domain(each(ANY, {}, {"mode": "reduced"}), (matrix,), LAPACK),
    "eigh": Domain(SQUARE, (definite,), LAPACK),
    "eig": Domain(SQUARE, (matrix,), ("float32", "int32", "complex64")),  # no gradient
    "decompose": Domain(each(ANY, {"full_matrices": False}), (matrix,), LAPACK),
    "singular_values": Domain(ANY, (matrix,), LAPACK),
    "pinv": Domain(each(ANY, {}, {"rcond": 0.01}), (matrix,), LAPACK),
}
