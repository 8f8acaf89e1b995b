"""The float32 matrix product equals the one in float64 within what float32 sums may lose, for any sizes and strides."""

import itertools

import numpy as np
import pytest

from eagerly.kernels import gemm

EDGES = (1, 2, 3, 5, 6, 7, 13, 14, 15, 16, 17, 27, 31, 32, 33, 57)
LAYOUTS = ("rows", "columns", "scattered", "backward")
LARGE = [(3, 700, 40), (130, 321, 65), (1121, 33, 40), (20, 5, 2100), (64, 641, 64)]


def matrix(rng, rows, columns, layout):
    if layout == "rows":
        return rng.normal(size=(rows, columns)).astype(np.float32)
    if layout == "columns":
        return rng.normal(size=(columns, rows)).astype(np.float32).T
    if layout == "scattered":
        return rng.normal(size=(2 * rows, 3 * columns)).astype(np.float32)[::2, ::3]
    return rng.normal(size=(rows, columns)).astype(np.float32)[::-1, ::-1]


def check(a, b):
    y = gemm.matmul(a, b)
    exact = a.astype(np.float64) @ b.astype(np.float64)
    scale = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)
    assert y.dtype == np.float32 and y.shape == exact.shape
    # Higham 2002, eq. 3.13, with the n of a block's sums, which follow one another.
    assert (np.abs(y - exact) <= scale * (min(a.shape[1], gemm.DEPTH) + 8) * 2.0**-24).all()


def test_every_tail(target):
    rng = np.random.default_rng(0)
    for m, n in itertools.product(EDGES, EDGES):
        check(matrix(rng, m, 9, "rows"), matrix(rng, 9, n, "rows"))


@pytest.mark.parametrize("layouts", [(a, b) for a in LAYOUTS for b in LAYOUTS])
def test_every_layout(target, layouts):
    rng = np.random.default_rng(1)
    for m, k, n in [(1, 1, 1), (15, 20, 33), (31, 47, 70), *LARGE]:
        check(matrix(rng, m, k, layouts[0]), matrix(rng, k, n, layouts[1]))


def test_same_bits_for_any_number_of_threads_and_rows(target, threads):
    rng = np.random.default_rng(2)
    a, b = matrix(rng, 330, 700, "rows"), matrix(rng, 700, 300, "columns")
    results = []
    for number in (1, 2, 3, 7):
        threads(number)
        results.append(gemm.matmul(a, b).tobytes())
    assert len(set(results)) == 1
    whole = gemm.matmul(a, b)
    for rows in (1, 2, 5, 14, 17, 200):
        assert gemm.matmul(a[:rows], b).tobytes() == whole[:rows].tobytes()


def test_not_a_number_and_infinity_stay_where_they_belong(target):
    a, b = np.ones((20, 40), np.float32), np.ones((40, 50), np.float32)
    a[17, 3], a[2, 5], b[7, 49] = np.nan, np.inf, -np.inf
    y = gemm.matmul(a, b)
    with np.errstate(invalid="ignore"):
        expected = a @ b
    np.testing.assert_array_equal(y, expected)


def test_operands_stay_as_they_are_and_memory_is_bounded(target):
    rng = np.random.default_rng(3)
    a, b = matrix(rng, 33, 50, "rows"), matrix(rng, 50, 35, "rows")
    before = a.copy(), b.copy()
    gemm._free.clear()
    for _ in range(3):
        gemm.matmul(a, b)
    assert (a == before[0]).all() and (b == before[1]).all()
    assert len(gemm._free) == 1  # one pair of panels serves all calls of one thread
