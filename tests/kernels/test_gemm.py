"""The float32 matrix product equals the one in float64 within what float32 sums may lose, for any sizes and strides."""

import itertools

import numpy as np
import pytest

from eagerly.kernels import gemm

EDGES = (1, 2, 3, 5, 6, 7, 13, 14, 15, 16, 17, 27, 31, 32, 33, 57)
LAYOUTS = ("rows", "columns", "scattered", "backward")
LARGE = [(3, 700, 40), (130, 321, 65), (1121, 33, 40), (20, 5, 2100), (64, 641, 64)]
FEW = [
    (1, 700, 300),
    (300, 700, 1),
    (300, 700, 2),
    (40, 33, 4),
    (4, 40, 4),
    (1, 40, 1),
    (2, 40, 1),
    (1, 1, 5),
    (5, 1, 1),
]
BATCHES = [
    ((5, 7, 9), (9, 33)),
    ((7, 9), (5, 9, 33)),
    ((2, 3, 16, 20), (2, 3, 20, 16)),
    ((2, 1, 16, 20), (3, 20, 16)),
    ((2, 1, 3, 8, 20), (5, 1, 20, 4)),
    ((300, 8, 20), (300, 20, 4)),
    ((3, 1, 20), (20, 40)),
    ((3, 1, 20), (3, 20, 40)),
    ((3, 40, 20), (3, 20, 1)),
    ((3, 200, 20), (3, 20, 2)),
    ((2, 300, 350), (2, 350, 300)),
]


def matrix(rng, *shape, layout="rows"):
    *batch, rows, columns = shape
    if layout == "rows":
        return rng.normal(size=shape).astype(np.float32)
    if layout == "columns":
        return rng.normal(size=(*batch, columns, rows)).astype(np.float32).swapaxes(-1, -2)
    if layout == "scattered":
        return rng.normal(size=(*batch, 2 * rows, 3 * columns)).astype(np.float32)[..., ::2, ::3]
    return rng.normal(size=shape).astype(np.float32)[..., ::-1, ::-1]


def strides(x):
    return tuple(stride // 4 for stride in x.strides)


def product(a, b, bias=None, relu=False):
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    m, k, n = *a.shape[-2:], b.shape[-1]
    wide = (strides(np.broadcast_to(x, batch + x.shape[-2:])) for x in (a, b))
    (*a_batch, a_row, a_column), (*b_batch, b_row, b_column) = wide
    launch = gemm.launch(
        *(m, n, k, (a_row, a_column), (b_row, b_column)),
        *(batch, tuple(a_batch), tuple(b_batch), bias is not None, relu),
    )
    y = np.full((*batch, m, n), np.nan, np.float32)
    launch(y, a, b, *([] if bias is None else [bias]))
    return y


def check(a, b, bias=None, relu=False):
    y = product(a, b, bias, relu)
    exact = a.astype(np.float64) @ b.astype(np.float64)
    scale = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)
    if bias is not None:
        exact, scale = exact + bias, scale + np.abs(bias)
    if relu:
        exact = np.maximum(exact, 0)
    assert y.dtype == np.float32 and y.shape == exact.shape
    # Higham 2002, eq. 3.13, with the n of a block's sums, which follow one another.
    assert (np.abs(y - exact) <= scale * (min(a.shape[-1], gemm.items.DEEPEST) + 8) * 2.0**-24).all()


def test_every_tail(target):
    rng = np.random.default_rng(0)
    for m, n in itertools.product(EDGES, EDGES):
        check(matrix(rng, m, 9), matrix(rng, 9, n))


def test_every_layout(target):
    rng = np.random.default_rng(1)
    for left, right in itertools.product(LAYOUTS, LAYOUTS):
        for m, k, n in [(1, 1, 1), (15, 20, 33), (31, 47, 70), *LARGE, *FEW]:
            check(matrix(rng, m, k, layout=left), matrix(rng, k, n, layout=right))


@pytest.mark.parametrize("relu", (False, True))
def test_bias_and_relu(target, relu):
    rng = np.random.default_rng(2)
    for m, k, n in [(15, 20, 33), (31, 700, 70), (1, 50, 40), (1, 700, 300), (60, 50, 1), (60, 50, 3), (1, 1, 1)]:
        for layout in ("rows", "columns"):
            a, b = matrix(rng, m, k, layout=layout) / 9, matrix(rng, k, n, layout=layout)
            check(a, b, matrix(rng, n, 1)[:, 0], relu)
            check(a, b, None, relu)


def test_relu_of_what_is_no_number(target):
    b = np.float32([[np.nan, np.inf, -np.inf, -1, 1]])
    for rows in (1, 20):
        y = product(np.ones((rows, 1), np.float32), b, np.float32([1, 1, 1, np.nan, -3]), True)
        np.testing.assert_array_equal(y, np.float32([[np.nan, np.inf, 0, np.nan, 0]] * rows))


def test_batches(target):
    rng = np.random.default_rng(3)
    for layouts in [("rows", "rows"), ("columns", "rows"), ("rows", "columns")]:
        for shapes in BATCHES:
            a, b = (matrix(rng, *shape, layout=layout) for shape, layout in zip(shapes, layouts, strict=True))
            check(a, b)
            check(a, b, matrix(rng, b.shape[-1], 1)[:, 0], True)


def test_heads_beside_each_other_are_a_batch(target):
    """Attention's operands: [batch, length, heads, size], seen as [batch, heads, length, size]."""
    rng = np.random.default_rng(4)
    q, k = (rng.normal(size=(3, 20, 4, 8)).astype(np.float32).swapaxes(1, 2) for _ in range(2))
    check(q, k.swapaxes(-1, -2))


def test_none_where_there_is_nothing_to_multiply_or_too_many_strides(target):
    assert gemm.launch(0, 3, 3, (3, 1), (3, 1)) is None
    assert gemm.launch(3, 3, 0, (3, 1), (3, 1)) is None
    assert gemm.launch(3, 3, 3, (3, 1), (3, 1), (0,), (9,), (9,)) is None
    four = (2, 2, 2, 2)
    assert gemm.launch(3, 3, 3, (3, 1), (3, 1), four, (100, 200, 400, 800), (9, 18, 36, 72)) is None
    assert gemm.launch(3, 3, 3, (3, 1), (3, 1), four, (72, 36, 18, 9), (72, 36, 18, 9)) is not None


def test_same_bits_for_any_number_of_threads_and_rows(target, threads):
    rng = np.random.default_rng(5)
    a, b = matrix(rng, 330, 700), matrix(rng, 700, 300, layout="columns")
    many = matrix(rng, 200, 16, 40), matrix(rng, 200, 40, 33)
    results = []
    for number in (1, 2, 3, 7):
        threads(number)
        results.append(product(a, b).tobytes() + product(*many).tobytes() + product(a, b[:, :2]).tobytes())
    assert len(set(results)) == 1
    whole = product(a, b)
    for rows in (2, 5, 14, 17, 200):
        assert product(a[:rows], b).tobytes() == whole[:rows].tobytes()


def test_launch_made_for_other_threads_serves(target, threads):
    rng = np.random.default_rng(6)
    a, b = matrix(rng, 330, 700), matrix(rng, 700, 300)
    threads(2)
    launch = gemm.launch(330, 300, 700, (700, 1), (300, 1))
    results = []
    for number in (2, 1, 5):
        threads(number)
        y = np.empty((330, 300), np.float32)
        launch(y, a, b)
        results.append(y.tobytes())
    assert len(set(results)) == 1


@pytest.mark.parametrize("rows", [1, 20])
def test_not_a_number_and_infinity_stay_where_they_belong(target, rows):
    a, b = np.ones((rows, 40), np.float32), np.ones((40, 50), np.float32)
    a[rows - 1, 3], b[7, 49] = np.nan, -np.inf
    if rows > 1:
        a[2, 5] = np.inf
    with np.errstate(invalid="ignore"):
        expected = a @ b
    for layout in (b, np.asfortranarray(b)):
        np.testing.assert_array_equal(product(a, layout), expected)
        np.testing.assert_array_equal(product(a, layout, np.zeros(50, np.float32), True), np.maximum(expected, 0))


def test_operands_and_what_lies_around_the_result_stay_as_they_are(target):
    rng = np.random.default_rng(7)
    for m, k, n in [(33, 50, 35), (1, 50, 35), (33, 50, 1), (33, 50, 3)]:
        a, b = matrix(rng, m, k), matrix(rng, k, n)
        before = a.copy(), b.copy()
        memory = np.full(m * n + 64, 7.0, np.float32)
        gemm.launch(m, n, k, (k, 1), (n, 1))(memory[32:-32], a, b)
        assert (a == before[0]).all() and (b == before[1]).all()
        assert (memory[:32] == 7).all() and (memory[-32:] == 7).all()
