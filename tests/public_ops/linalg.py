"""How to call linear algebra. Vectors that have a sign of LAPACK's choice are compared by what they make."""

import numpy as np

from domains.linalg import definite, matrix
from domains.values import real
from eagerly import ops
from public_ops.rows import Row


def square(n, m):
    return [(n, m, m)]


def swapped(x):
    return np.swapaxes(x, -1, -2)


def unary(name, reference, values=matrix, shapes=square, **options):
    return Row(shapes, lambda x: getattr(ops, name)(x, **options), reference, (values,))


def pair(name, reference, *shapes, **options):
    return [Row(s, lambda a, b: getattr(ops, name)(a, b, **options), reference, (matrix, real)) for s in shapes]


def lower_inverse(x):
    low = np.tril(x)
    return np.linalg.inv(low @ swapped(low))


def upper_inverse(x):
    high = np.triu(x)
    return np.linalg.inv(swapped(high) @ high)


def eliminated(x):
    """LU by hand, for matrices of more columns than rows: the packed factors and the pivots."""
    lu = x.copy()
    pivots = np.zeros(x.shape[:-1], np.int32)
    for batch in np.ndindex(*x.shape[:-2]):
        a = lu[batch]
        for j in range(len(a)):
            pivots[(*batch, j)] = p = j + np.argmax(np.abs(a[j:, j]))
            a[[j, p]] = a[[p, j]]
            for i in range(j + 1, len(a)):
                a[i, j] /= a[j, j]
                a[i, j + 1 :] -= a[i, j] * a[j, j + 1 :]
    return lu, pivots


def sums(q):
    """What is the same whatever the signs of the columns."""
    return q @ swapped(q)


def wide(n, m):
    return [(n, m, 5)]


def tall(n, m):
    return [(n, 5, m)]


COLUMNS = (
    lambda n, m: [(n, m, m), (n, m, 2)],
    lambda n, m: [(n, m, m), (n, m)],
    lambda n, m: [(m, m), (m,)],
)


def solved(a, b):
    vector = b.ndim == a.ndim - 1
    x = np.linalg.solve(a, b[..., None] if vector else b)
    return x[..., 0] if vector else x


def norms(shape, orders, axes=(None,), values=real):
    """Rows of norms, with and without the axes kept."""
    return [
        Row(
            shape,
            lambda x, o=order, a=axis, k=keepdims: ops.norm(x, ord=o, axis=a, keepdims=k),
            lambda x, o=order, a=axis, k=keepdims: np.linalg.norm(x, o, a, k),
            (values,),
        )
        for order in orders
        for axis in axes
        for keepdims in (False, True)
    ]


INF = float("inf")
VECTORS = (None, INF, -INF, 0, 1, -1, 2, -2, 3, 0.5)
MATRICES = (None, "fro", "nuc", INF, -INF, 1, -1, 2, -2)

ROWS: dict[str, list[Row]] = {
    "cholesky": [
        unary("cholesky", np.linalg.cholesky, definite),
        unary("cholesky", lambda x: swapped(np.linalg.cholesky(x)), definite, upper=True),
    ],
    "cholesky_inverse": [
        unary("cholesky_inverse", lower_inverse, definite),
        unary("cholesky_inverse", upper_inverse, definite, upper=True),
    ],
    "det": [unary("det", np.linalg.det)],
    "slogdet": [unary("slogdet", lambda x: tuple(np.linalg.slogdet(x)))],
    "logdet": [unary("logdet", lambda x: np.linalg.slogdet(x)[1], definite)],
    "inv": [unary("inv", np.linalg.inv)],
    "eig": [
        Row(
            square,
            lambda x: (lambda w, v: ops.real((v * ops.expand_dims(w, -2)) @ ops.inv(v)))(*ops.eig(x)),
            lambda x: x,
            (matrix,),
        )
    ],
    "eigh": [
        Row(
            square,
            lambda x: (lambda w, v: (w, (v * ops.expand_dims(w, -2)) @ ops.transpose(v, (0, 2, 1))))(*ops.eigh(x)),
            lambda x: (np.linalg.eigvalsh(x), x),
            (definite,),
        )
    ],
    "lstsq": [
        *pair(
            "lstsq",
            lambda a, b: solved(swapped(a) @ a, swapped(a) @ b),
            lambda n, m: [(n, 5, m), (n, 5, 2)],
        ),
        *pair("lstsq", lambda a, b: np.linalg.lstsq(a, b, rcond=None)[0], lambda n, m: [(5, m), (5,)]),
        *pair("lstsq", lambda a, b: np.linalg.lstsq(a, b, rcond=0.5)[0], lambda n, m: [(m, 5), (m, n)], rcond=0.5),
    ],
    "lu_factor": [unary("lu_factor", eliminated, shapes=wide)],
    "matrix_rank": [
        unary("matrix_rank", np.linalg.matrix_rank),
        unary("matrix_rank", lambda x: np.linalg.matrix_rank(x, tol=1.5), shapes=wide, tol=1.5),
    ],
    "norm": [
        *norms(lambda n, m: [(m,)], VECTORS),
        *norms(lambda n, m: [(n, m, 2)], VECTORS, (1, -1)),
        *norms(lambda n, m: [(n, m)], MATRICES, values=matrix),
        *norms(lambda n, m: [(n, m, 2)], MATRICES, ((0, 1), (-1, 0))),
        *norms(lambda n, m: [(n, m, 2)], (None,)),
    ],
    "pinv": [
        unary("pinv", lambda x: np.linalg.pinv(x), shapes=wide),
        unary("pinv", lambda x: np.linalg.pinv(x, 0.5), shapes=tall, rcond=0.5),
    ],
    "qr": [
        unary("qr", lambda x: tuple(np.linalg.qr(x)), shapes=wide),
        unary("qr", lambda x: tuple(np.linalg.qr(x)), shapes=tall),
        Row(
            tall,
            lambda x: (lambda q, r: (q @ ops.transpose(q, (0, 2, 1)), ops.matmul(q, r)))(*ops.qr(x, mode="complete")),
            lambda x: (np.broadcast_to(np.eye(5), (len(x), 5, 5)), x),
            (matrix,),
        ),
    ],
    "solve": [
        *pair("solve", solved, *COLUMNS),
        *pair("solve", np.linalg.solve, lambda n, m: [(n, m, m), (m, m + 1)], lambda n, m: [(m, m), (n, m, 1)]),
    ],
    "solve_triangular": [
        *pair("solve_triangular", lambda a, b: solved(np.triu(a), b), *COLUMNS),
        *pair("solve_triangular", lambda a, b: solved(np.tril(a), b), *COLUMNS, lower=True),
    ],
    "svd": [
        unary("svd", lambda x: np.linalg.svd(x)[1], shapes=wide, compute_uv=False),
        *(
            Row(
                shapes,
                lambda x, o=options: (lambda u, s, v: (sums_of(u), s, sums_of(ops.transpose(v, (0, 2, 1)))))(
                    *ops.svd(x, **o)
                ),
                lambda x, o=options: (lambda u, s, v: (sums(u), s, sums(swapped(v))))(*np.linalg.svd(x, **o)),
                (matrix,),
            )
            for shapes in (wide, tall)
            for options in ({}, {"full_matrices": False})
        ),
    ],
}


def sums_of(q):
    """`sums` of a tensor."""
    return q @ ops.transpose(q, (0, 2, 1))
