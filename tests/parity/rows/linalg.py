"""Products, decompositions and Fourier transforms.

A decomposition is unique up to signs only, so its rows look at what does not depend on them.
"""

import numpy as np

from parity.drawing import MIXED, REALS, SHORT, Row, given

NO_GRADIENT = ("value", "dtype")


def batch(d):
    """The leading axes of a few matrices."""
    return d.shape(0, 1, most=3)


def product(d):
    """Two arrays that a matrix product takes."""
    n, k, m = d.size(), d.size(), d.size()
    left, right = d.pick(
        ((n, k), (k, m)), ((2, n, k), (k, m)), ((k,), (k, m)), ((n, k), (k,)), ((2, 1, n, k), (3, k, m)), ((k,), (k,))
    )
    return given(d.array(left), d.array(right))


def dotted(d):
    """Two arrays, the last axis of one as long as the last but one of the other."""
    left, right = d.pick(((3,), (3,)), ((2, 3), (3,)), ((2, 3), (3, 4)), ((), (2, 3)))
    return given(d.array(left), d.array(right))


def contracted(d):
    """Two arrays and the axes to sum over."""
    axes = d.pick(1, ((1,), (0,)), (1, 0), ([0], [1]))
    shapes = ((3, 4), (4, 2)) if axes != ([0], [1]) else ((4, 3), (2, 4))
    return given(d.array(shapes[0]), d.array(shapes[1]), axes=axes)


def einsum(d):
    """A formula and its arrays."""
    formula, *shapes = d.pick(
        ("ij,jk->ik", (2, 3), (3, 4)),
        ("bij,bjk->bik", (2, 2, 3), (2, 3, 4)),
        ("ij->ji", (2, 3)),
        ("ii->i", (3, 3)),
        ("ij->", (2, 3)),
        ("ij,ij->j", (2, 3), (2, 3)),
        ("i,j->ij", (2,), (3,)),
        ("...ij,jk->...ik", (2, 2, 3), (3, 4)),
        ("ij,jk,kl->il", (2, 3), (3, 2), (2, 4)),
        ("abc,cd->abd", (2, 3, 4), (4, 2)),
        ("bqhd,bkhd->bhqk", (1, 3, 2, 4), (1, 2, 2, 4)),
        ("ij,jk", (2, 3), (3, 4)),
    )
    return given(formula, *[d.array(shape) for shape in shapes])


def square(d, shift=0.0):
    """Square matrices."""
    n = d.size(1, 4)
    x = d.array((*batch(d), n, n))
    return (x + shift * np.eye(n)).astype(x.dtype)


def definite(d):
    """Symmetric matrices with positive eigenvalues, not near each other."""
    n = d.size(1, 4)
    x = d.array((*batch(d), n, n), -1, 1)
    return (x @ np.swapaxes(x, -1, -2) + np.diag(np.arange(1, n + 1))).astype(x.dtype)


def of_definite(function):
    """A call on the symmetric part, so that the gradient of every entry counts as in PyTorch."""
    return lambda ops, x, *args, **kwargs: function(ops, (x + ops.swapaxes(x, -1, -2)) * 0.5, *args, **kwargs)


def eigen(ops, x):
    """Eigenvalues, and eigenvectors up to sign."""
    values, vectors = ops.eigh(x)
    return values, vectors * vectors


def singular(ops, x):
    """Singular values, and vectors up to sign."""
    u, s, v = ops.svd(x, full_matrices=False)
    return s, u * u, v * v, ops.matmul(u * s[..., None, :], v)


def orthogonal(ops, x, mode):
    """Both factors with the sign that makes the diagonal of R positive."""
    q, r = ops.qr(x, mode=mode)
    n = min(x.shape[-2:])
    sign = ops.sign(ops.diagonal(r[..., :n, :n], axis1=-2, axis2=-1))
    return q[..., :n] * sign[..., None, :], r[..., :n, :] * sign[..., :, None]


def general(ops, x):
    """Eigenvalues of any matrix, in an order of their own, as real and imaginary parts."""
    values = ops.convert_to_numpy(ops.eig(x)[0])
    return np.sort(values.real), np.sort(abs(values.imag))


def system(d):
    """Matrices and right-hand sides."""
    a = square(d, 3.0)
    n = a.shape[-1]
    b = d.array((*a.shape[:-2], n, d.size(1, 3))) if a.ndim > 2 or d.flip() else d.array((n,))
    return a, b


def normed(d):
    """An array and a norm."""
    if d.flip():
        return given(d.array((2, 3, 4)), ord=d.pick(None, 1, 2, 3, np.inf, -np.inf), axis=d.axis(3), keepdims=d.flip())
    if d.flip():
        return given(
            d.array((3, 4)),
            ord=d.pick(*([None, "fro"] if d.dtype in SHORT else [None, "fro", "nuc", 1, 2, np.inf, -1, -np.inf])),
            axis=(-2, -1),
            keepdims=d.flip(),
        )
    return given(d.array(d.shape(1, 2)), **d.maybe(keepdims=True))


def vectors(d):
    """Two arrays of vectors in space."""
    shape = d.shape(0, 2)
    return given(d.array((*shape, 3)), d.array((*shape, 3)), axis=-1)


def spectrum(d, n=None):
    """The real and the imaginary part of an array."""
    shape = (*d.shape(0, 1), *(n or (d.size(1, 8),)))
    return d.array(shape), d.array(shape)


def framed(d):
    """A signal, and how it is cut into frames."""
    length = d.pick(4, 6, 8)
    fft_length = d.pick(length, 8)
    options = d.maybe(window=d.pick("hann", "hamming"), center=False)
    return given(d.array((*d.shape(0, 2), 24)), length, d.pick(2, 3), fft_length, **options)


def back_again(ops, x, length, stride, **options):
    """A signal's frames put together again."""
    return ops.istft(ops.stft(x, length, stride, length, **options), length, stride, length, **options)


ROWS = {
    "matmul": [Row(product, dtypes=MIXED, draws=8)],
    "dot": [Row(dotted, dtypes=MIXED, draws=6)],
    "vdot": [Row(lambda d: given(d.array((5,)), d.array((5,))), dtypes=MIXED)],
    "inner": [Row(lambda d: given(d.array(d.pick((3,), (2, 3))), d.array(d.pick((3,), (4, 3)))), dtypes=MIXED)],
    "outer": [Row(lambda d: given(d.array(d.shape(1, 2)), d.array((3,))), dtypes=MIXED)],
    "tensordot": [Row(contracted, dtypes=MIXED, draws=6), Row(lambda d: given(d.array((2, 3, 4)), d.array((3, 4, 2))))],
    "einsum": [Row(einsum, draws=30), Row(einsum, dtypes=("int32", "float16", "bfloat16"), draws=8)],
    "cross": [Row(vectors, dtypes=(*REALS, "int64", "int8", "uint8"))],
    "correlate": [
        Row(lambda d: given(d.array((6,)), d.array((3,)), mode=d.pick("valid", "same", "full")), dtypes=REALS, draws=6)
    ],
    "det": [Row(lambda d: given(square(d)))],
    "slogdet": [Row(lambda d: given(square(d, 3.0)))],
    "logdet": [Row(lambda d: given(definite(d)))],
    "inv": [Row(lambda d: given(square(d, 3.0)))],
    "solve": [Row(lambda d: given(*system(d)), draws=8)],
    "solve_triangular": [
        Row(lambda d: given(np.tril(a := square(d, 3.0)), d.array((*a.shape[:-1], 2)), lower=True)),
        Row(lambda d: given(np.triu(a := square(d, 3.0)), d.array((*a.shape[:-1], 2)))),
        Row(lambda d: given(np.triu(d.array((3, 3), away=0.5)), d.array((3,)))),
    ],
    "cholesky": [
        Row(lambda d: given(definite(d), **d.maybe(upper=True)), of_definite(lambda ops, x, **k: ops.cholesky(x, **k)))
    ],
    "cholesky_inverse": [
        # PyTorch gives a gradient to the half that is not read.
        Row(lambda d: given(np.linalg.cholesky(definite(d))), lambda ops, x: ops.cholesky_inverse(ops.tril(x))),
        Row(
            lambda d: given(np.swapaxes(np.linalg.cholesky(definite(d)), -1, -2)),
            lambda ops, x: ops.cholesky_inverse(ops.triu(x), upper=True),
        ),
    ],
    "eigh": [Row(lambda d: given(definite(d)), of_definite(eigen), tolerance=10)],
    "eig": [Row(lambda d: given(square(d)[..., :, :]), general, compare=("value",), tolerance=10)],
    "svd": [
        Row(lambda d: given(d.array((*batch(d), 3, 3)) + np.diag([1.0, 3, 6]).astype(d.own())), singular, tolerance=20),
        Row(
            lambda d: given(d.array((*batch(d), 3, d.size(2, 4)))),
            lambda ops, x: ops.svd(x, compute_uv=False),
            tolerance=10,
        ),
        Row(
            lambda d: given(d.array((2, d.size(2, 4)))),
            lambda ops, x: [ops.shape(y) for y in ops.svd(x)],
            compare=("value",),
        ),
    ],
    "qr": [
        Row(lambda d: given(d.array((*batch(d), 4, d.size(1, 4))), "reduced"), orthogonal, tolerance=20),
        Row(lambda d: given(d.array((3, d.size(2, 3))), "complete"), orthogonal, tolerance=20, compare=NO_GRADIENT),
    ],
    "lu_factor": [Row(lambda d: given(square(d, 3.0)))],
    "lstsq": [
        Row(lambda d: given(d.array((5, 3)), d.array(d.pick((5, 2), (5, 1)))), tolerance=20),
        Row(lambda d: given(d.array((5, 3)), d.array((5, 2)), rcond=1e-4), tolerance=20, compare=NO_GRADIENT),
    ],
    "pinv": [Row(lambda d: given(d.array((*batch(d), d.size(2, 4), 3)), **d.maybe(rcond=1e-5)), tolerance=50)],
    "matrix_rank": [
        Row(lambda d: given(d.array((3, 4)) * np.float32(d.pick(0, 1))), compare=NO_GRADIENT),
        Row(lambda d: given(np.outer(d.array((3,)), d.array((3,))), **d.maybe(tol=0.1)), compare=NO_GRADIENT),
    ],
    "norm": [
        Row(
            lambda d: given(d.grid((3, 2), -1, 1), ord=d.pick(1, 2, 3, np.inf, -np.inf), axis=-1),
            dtypes=("float64",),
            draws=9,
        ),
        Row(lambda d: given(d.grid((3, 2), -1, 1) * 0, axis=d.pick(None, 0)), dtypes=("float64",)),
        Row(normed, draws=30),
        Row(normed, dtypes=("int32", "float16", "bfloat16")),
    ],
    "jvp": [
        Row(lambda d: given(d.array((3,)), d.array((3,))), lambda ops, x, t: ops.jvp(ops.sin, (x,), (t,))),
        Row(
            lambda d: given(d.array((3,)), d.array((3,)), d.array((3,)), d.array((3,))),
            lambda ops, x, y, s, t: ops.jvp(lambda a, b: a * ops.exp(b), (x, y), (s, t)),
        ),
    ],
    "fft": [Row(lambda d: given(spectrum(d)))],
    "fft2": [Row(lambda d: given(spectrum(d, (3, d.size(1, 4)))))],
    "ifft2": [Row(lambda d: given(spectrum(d, (3, d.size(1, 4)))))],
    "rfft": [
        Row(lambda d: given(d.array((*d.shape(0, 1), d.size(1, 8))), **d.maybe(fft_length=d.size(1, 9))), draws=8)
    ],
    "irfft": [Row(lambda d: given(spectrum(d, (d.size(2, 6),)), **d.maybe(fft_length=d.size(2, 9))), draws=8)],
    "stft": [
        Row(framed, draws=10),
        Row(lambda d: given(d.array((20,)), 4, 2, 6, window=d.pick(None, d.array((4,), 0.1, 1)), center=d.flip())),
    ],
    "istft": [
        Row(lambda d: given(d.array((24,)), 8, d.pick(2, 4), **d.maybe(window="hamming")), back_again),
        Row(lambda d: given(spectrum(d, (5, 5)), 8, 2, 8, **d.maybe(length=7))),
        Row(lambda d: given(spectrum(d, (5, 5)), 6, 2, 8)),
    ],
}
