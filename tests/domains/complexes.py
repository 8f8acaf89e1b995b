"""The rows of complex numbers and Fourier transforms; their gradients are in `ops/test_complexes.py`."""

import numpy as np

from domains.values import ALL, UNARY, Domain, real
from eagerly import dtypes

COMPLEX = ("complex64", "complex128")


def complexes(rng, shape, dtype):
    """Complex numbers away from 0 and the axes; of other dtypes, as `real`."""
    if dtype not in COMPLEX:
        return real(rng, shape, dtype)
    angles = rng.uniform(0.1, 1.4, shape) + np.pi / 2 * rng.integers(0, 4, shape)
    return np.asarray(rng.uniform(0.5, 2, shape) * np.exp(1j * angles), dtypes.dtype(dtype))


DOMAINS: dict[str, Domain] = {
    "view_as_complex": Domain((lambda n, m: ([(n, m, 2)], {}), lambda n, m: ([(2,)], {}))),
    "view_as_real": Domain(UNARY, (complexes,), COMPLEX),
    "conjugate": Domain(UNARY, (complexes,), (*ALL, *COMPLEX)),
    "dft": Domain(
        (
            lambda n, m: ([(n, m)], {"axes": (-1,)}),
            lambda n, m: ([(n, m)], {"axes": (-1,), "inverse": True}),
            lambda n, m: ([(n, 5, m)], {"axes": (-2, -1)}),
        ),
        (complexes,),
        COMPLEX,
    ),
    "rdft": Domain(
        (
            lambda n, m: ([(n, m)], {}),
            lambda n, m: ([(n, 2, 6)], {}),
            lambda n, m: ([(5,)], {}),
        ),
        dtypes=("float32", "float64"),
    ),
    "irdft": Domain(
        (
            lambda n, m: ([(n, m + 1)], {"size": m * 2}),
            lambda n, m: ([(n, 3)], {"size": 5}),
            lambda n, m: ([(1,)], {"size": 1}),
        ),
        (complexes,),
        COMPLEX,
    ),
}
