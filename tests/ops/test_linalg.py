"""Linear algebra: gradients of what is composed, equal and zero values, singular matrices, dtypes, messages."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domains.linalg import definite, matrix
from eagerly import dtypes, ops
from eagerly.dimensions import unknown
from eagerly.errors import GradientError, TraceError
from eagerly.ops import systems
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from eagerly.variable import Variable
from gradients import check_gradients

INF = float("inf")
SINGULAR = np.float32([[[1, 0], [0, 1]], [[1, 2], [2, 4]]])
OF_SQUARE = ("cholesky", "cholesky_inverse", "det", "eig", "eigh", "inv", "slogdet", "logdet")
OF_ANY = ("lu_factor", "matrix_rank", "pinv", "qr", "svd")


def full(*shape, seed=0, kind=matrix, dtype="float64"):
    return kind(np.random.default_rng([seed, *shape]), shape, dtype)


def gradient_of(function, *values):
    sources = [Variable(x) for x in values]
    with GradientTape() as tape:
        y = function(*sources)
    found = tape.gradient(y, sources)
    return found[0] if len(found) == 1 else found


@pytest.mark.parametrize(
    ("function", "arrays"),
    [
        (ops.inv, [full(2, 3, 3)]),
        (lambda x: ops.cholesky(x, upper=True), [full(3, 3, kind=definite)]),
        (ops.cholesky_inverse, [full(2, 3, 3, kind=definite)]),
        (lambda x: ops.cholesky_inverse(x, upper=True), [full(3, 3, kind=definite)]),
        (ops.logdet, [full(2, 3, 3, kind=definite)]),
        (ops.solve, [full(2, 3, 3), full(2, 3)]),
        (ops.solve, [full(3, 3), full(2, 3, 2)]),
        (ops.solve_triangular, [full(2, 3, 3), full(2, 3)]),
        (lambda a, b: ops.solve_triangular(a, b, lower=True), [full(3, 3), full(3, 2)]),
        (ops.lstsq, [full(4, 3), full(4, 1)[:, 0]]),
        (ops.lstsq, [full(2, 3, 4), full(2, 3, 2)]),
        (ops.lu_factor, [full(3, 3)]),
        (ops.svd, [full(3, 3)]),
        (lambda x: ops.svd(x)[1], [full(2, 4, 3)]),
        (lambda x: ops.svd(x)[0][..., :2], [full(4, 2)]),
        (lambda x: ops.svd(x)[2][..., :2, :], [full(2, 4)]),
        (lambda x: ops.qr(x, mode="complete"), [full(3, 4)]),
    ],
)
def test_gradients_of_compositions(function, arrays):
    check_gradients(function, arrays)


@pytest.mark.parametrize(
    ("shape", "ord", "axis"),
    [
        *(((4,), ord, None) for ord in (None, INF, -INF, 0, 1, -1, 2, -2, 3, 0.5, -1.5)),
        *(((4, 3), ord, 0) for ord in (None, INF, -INF, 0, 1, -1, 2, -2, 3, 0.5, -1.5)),
        *(
            ((2, 4, 3), ord, axis)
            for ord in (None, "fro", "nuc", INF, -INF, 1, -1, 2, -2)
            for axis in ((1, 2), (-1, 0))
        ),
        ((2, 4, 3), None, None),
    ],
)
def test_gradients_of_norms(shape, ord, axis):
    check_gradients(lambda x: ops.norm(x, ord=ord, axis=axis), [np.random.default_rng(5).normal(size=shape)])


def test_gradients_of_norms_at_zero_and_at_ties_are_those_of_pytorch():
    zero = np.zeros(3, np.float32)
    for ord in (None, 1, 2, 3, INF, -INF, 0.5, -1):
        assert gradient_of(lambda x, o=ord: ops.norm(x, ord=o), zero).tolist() == [0.0, 0.0, 0.0]
    tie = np.float32([4, -4, 1, 0])
    for ord, expected in ((INF, [0.5, -0.5, 0, 0]), (1, [1, -1, 1, 0]), (0.5, [3 - 0.5, 0.5 - 3, 5, 0]), (-1, [0] * 4)):
        np.testing.assert_allclose(gradient_of(lambda x, o=ord: ops.norm(x, ord=o), tie).numpy(), expected, rtol=1e-6)
    assert gradient_of(lambda x: ops.norm(x, ord=0), tie) is None
    for ord, share in ((2, 0.5), (-2, 0.5), ("nuc", 1.0)):
        for x in (np.eye(2, dtype="float32"), np.zeros((2, 2), "float32")):
            gradient = gradient_of(lambda x, o=ord: ops.norm(x, ord=o), x)
            np.testing.assert_allclose(gradient.numpy(), np.eye(2) * share, atol=1e-6)


def test_norms_of_little_many_and_complex_numbers():
    assert ops.norm(3.0).tolist() == 3.0
    assert ops.norm(np.zeros((0,), "float32")).tolist() == 0.0
    assert ops.norm(np.zeros((2, 0)), axis=1).tolist() == [0.0, 0.0]
    half = ops.norm(ops.cast(np.full(1000, 300.0), "float16"))
    assert half.dtype == "float16" and half.tolist() == 9488.0  # its square does not fit into 16 bits
    for name, expected in (("int32", "float32"), ("bool", "float32"), ("bfloat16", "bfloat16"), ("float64", "float64")):
        x = Tensor([[3, 4], [1, 2]], name)
        for options in ({}, {"ord": 1, "axis": 0}, {"ord": "nuc"}, {"ord": INF}, {"ord": 0, "axis": 1}):
            assert ops.norm(x, **options).dtype == ops.norm(AbstractTensor((2, 2), name), **options).dtype == expected
    z = Tensor([[3 + 4j, 0], [0, -1j]])
    assert [ops.norm(z, ord=o).tolist() for o in (None, 1, "nuc", -2)] == [np.float32(26**0.5), 5.0, 6.0, 1.0]
    assert np.isnan(ops.norm(Tensor([1.0, np.nan]), ord=INF).numpy())
    with pytest.raises(ValueError, match="no identity"):
        ops.norm(np.zeros(0), ord=INF)


@pytest.mark.parametrize("name", [*OF_SQUARE, *OF_ANY])
def test_dtypes(name):
    function = getattr(ops, name)
    for source in ("bool", "int32", "uint8", "float32", "float64", "complex64", "complex128"):
        x = Tensor(np.eye(3) * 2, source)
        wide = source if source[:1] in "fc" else "float32"
        part = dtypes.real_part(dtypes.dtype(wide)).name
        whole = dtypes.with_imaginary_part(dtypes.dtype(wide)).name
        expected = {
            "eig": [whole, whole],
            "eigh": [part, wide],
            "slogdet": [wide, part],
            "lu_factor": [wide, "int32"],
            "matrix_rank": ["int32"],
            "qr": [wide, wide],
            "svd": [wide, part, wide],
        }.get(name, [wide])
        for result in (function(x), function(AbstractTensor((3, 3), source))):
            assert [y.dtype.name for y in (result if isinstance(result, tuple) else (result,))] == expected
    for source in ("float16", "bfloat16"):
        for x in (Tensor(np.eye(3), source), AbstractTensor((3, 3), source)):
            with pytest.raises(ValueError, match=rf"^{name}: expected float32, float64 .* {source}\[3, 3\]"):
                function(x)


def test_operands_promote_together():
    a, b = np.eye(2, dtype="float32"), np.ones((2, 1))
    for function in (ops.solve, ops.solve_triangular, ops.lstsq):
        assert function(a, b).dtype == function(a, AbstractTensor((2, 1), "float64")).dtype == "float64"
        assert function(a, Tensor([1, 2], "int32")).dtype == "float32"
        assert function(a, [1j, 2]).dtype == "complex64"
        for x in (ops.cast(b, "float16"), AbstractTensor((2, 1), "float16")):
            with pytest.raises(ValueError, match="expected float32, float64"):
                function(ops.cast(a, "float16"), x)


@pytest.mark.parametrize("name", [*OF_SQUARE, *OF_ANY])
def test_what_is_no_matrix_is_refused(name):
    function = getattr(ops, name)
    for x in (np.ones(3), AbstractTensor((3,))):
        with pytest.raises(
            ValueError, match=rf"^{name}: expected matrices, which have two axes or more.*float\d\d\[3\]"
        ):
            function(x)
    if name in OF_SQUARE:
        for x, shown in ((np.ones((4, 2, 3)), "4, 2, 3"), (AbstractTensor((unknown("n"), 2, 3)), "None, 2, 3")):
            with pytest.raises(
                ValueError, match=rf"^{name}: expected square .* 2 rows and 3 columns differ.*\[{shown}\]"
            ):
                function(x)


def test_no_rows_and_no_matrices():
    for shape in ((0, 0), (0, 2, 2)):
        x = np.zeros(shape, "float32")
        for name in (*OF_SQUARE, *OF_ANY):
            result = getattr(ops, name)(x)
            first = result[0] if isinstance(result, tuple) else result
            assert first.shape[: len(shape) - 2] == shape[:-2]
    assert [float(f(np.zeros((0, 0)))) for f in (ops.det, ops.logdet, ops.matrix_rank)] == [1.0, 0.0, 0.0]
    assert ops.solve(np.zeros((0, 0)), np.zeros(0)).shape == (0,)
    assert ops.pinv(np.zeros((2, 0))).shape == (0, 2)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: ops.inv(SINGULAR), r"inv: expected invertible matrices, but not all of float32\[2, 2, 2\] are"),
        (lambda: ops.solve(SINGULAR, np.ones(2)), r"solve: expected invertible matrices, .* float64\[2, 2, 2\]"),
        (lambda: ops.solve_triangular(SINGULAR - 1, np.ones((2, 2))), "solve_triangular: expected invertible"),
        (lambda: ops.cholesky_inverse(np.zeros((2, 2))), "cholesky_inverse: expected invertible matrices"),
        (lambda: ops.cholesky(-SINGULAR), r"cholesky: expected positive-definite matrices, .* float32\[2, 2, 2\]"),
        (lambda: ops.eig(SINGULAR * np.nan), r"eig: expected finite matrices, but not all of float32\[2, 2, 2\] are"),
        (lambda: ops.svd(SINGULAR * np.nan), "svd: expected finite matrices"),
        (lambda: ops.pinv(SINGULAR * np.nan), "pinv: expected finite matrices"),
        (lambda: ops.lstsq(SINGULAR * np.nan, np.ones((2, 2))), "lstsq: expected finite matrices"),
        (lambda: ops.matrix_rank(SINGULAR * np.nan), "matrix_rank: expected finite matrices"),
    ],
)
def test_failures_are_value_errors_in_words(call, text):
    with pytest.raises(np.linalg.LinAlgError, match=f"^{text}") as caught:
        call()
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: ops.solve(np.eye(2), np.ones((3, 1))),
            r"solve: expected as many rows .* float64\[2, 2\] and .*\[3, 1\]",
        ),
        (lambda: ops.solve(np.eye(2), 1.0), "solve: expected b with at least one axis, got 1.0"),
        (lambda: ops.solve(np.ones((2, 3)), np.ones(2)), "solve: expected square matrices, but 2 rows and 3 columns"),
        (lambda: ops.solve(AbstractTensor((3, 3)), AbstractTensor((2, 2))), "solve: expected as many rows of b"),
        (lambda: ops.solve_triangular(np.eye(3), np.ones(2)), "solve_triangular: expected as many rows of b as a has"),
        (
            lambda: ops.lstsq(np.ones((3, 2)), np.ones(2)),
            r"lstsq: expected as many rows .* float64\[3, 2\] and .*\[2\]",
        ),
        (lambda: ops.lstsq(np.ones((3, 2)), 1.0), "lstsq: expected as many rows of b as a has"),
        (lambda: ops.qr(np.eye(2), mode="r"), "qr: mode: expected 'reduced' or 'complete', got 'r'"),
        (lambda: ops.qr(AbstractTensor((2, 2)), mode="r"), "qr: mode: expected 'reduced' or 'complete', got 'r'"),
        (lambda: ops.pinv(np.eye(2), rcond=Tensor(1.0)), "pinv: expected a number as rcond"),
        (lambda: ops.pinv(AbstractTensor((2, 2)), rcond=Tensor(1.0)), "pinv: expected a number as rcond"),
        (lambda: ops.lstsq(np.eye(2), np.ones(2), rcond=Variable(1.0)), "lstsq: expected a number or None as rcond"),
        (
            lambda: ops.matrix_rank(np.eye(2), tol=Tensor(1.0)),
            r"matrix_rank: expected a number .* tol, got float32\[\]",
        ),
        (lambda: ops.norm(np.ones(2), ord=Tensor(1.0)), "norm: expected a number or None as ord"),
        (lambda: ops.norm(np.ones((2, 2, 2)), ord=1), r"norm: expected one or two axes if ord .* float64\[2, 2, 2\]"),
        (lambda: ops.norm(1.0, ord=1), r"norm: expected one or two axes if ord .* float32\[\]"),
        (lambda: ops.norm(np.ones((2, 2, 2)), axis=(0, 1, 2)), r"norm: expected one axis or two, got axis=\(0, 1, 2\)"),
        (lambda: ops.norm(np.ones(2), ord="fro"), "norm: expected a number or None as ord of vectors, got 'fro'"),
        (lambda: ops.norm(np.ones((2, 2)), ord=3), "norm: expected None, 'fro', 'nuc', 1, 2, inf, .* got 3"),
        (lambda: ops.norm(np.ones((2, 2)), ord=0), "norm: expected None, 'fro', 'nuc', .* got 0"),
        (lambda: ops.norm(np.ones((2, 2)), ord="max"), "norm: expected None, 'fro', 'nuc', .* got 'max'"),
        (lambda: ops.norm(AbstractTensor((2, 2)), ord="max"), "norm: expected None, 'fro', 'nuc', .* got 'max'"),
    ],
)
def test_bad_arguments_are_refused(call, text):
    with pytest.raises(ValueError, match=f"^{text}"):
        call()


def test_an_open_question_about_vectors_is_an_error():
    a, n = AbstractTensor((unknown("n"), 3, 3)), unknown("k")
    with pytest.raises(TraceError, match="Cannot decide whether"):
        ops.solve(a, AbstractTensor((n, 3)))
    assert ops.solve(a, AbstractTensor((3, 2))).shape == (None, 3, 2)
    assert ops.solve(a, AbstractTensor((a.dims[0], 3))).shape == (None, 3)


@pytest.mark.parametrize("name", ["det", "slogdet", "lu_factor", "qr"])
def test_no_gradient_where_an_inverse_is_missing(name):
    def function(x):
        result = getattr(ops, name)(x)
        return ops.sum(result[1 if name == "slogdet" else 0] if isinstance(result, tuple) else result)

    x = SINGULAR if name != "qr" else SINGULAR * 0
    with pytest.raises(GradientError, match=rf"^{name}: its gradient needs an inverse, .* float32\[2, 2, 2\]"):
        gradient_of(function, x)


def test_gradients_that_are_not_defined_are_refused():
    with pytest.raises(GradientError, match=r"^eig: no gradient is defined\. For symmetric matrices, ops\.eigh"):
        gradient_of(lambda x: ops.sum(ops.real(ops.eig(x)[0])), np.eye(2))
    with pytest.raises(GradientError, match=r"^qr: complete factors of more rows than columns .* float64\[3, 2\]"):
        gradient_of(lambda x: ops.sum(ops.qr(x, mode="complete")[1]), full(3, 2))
    for place, shape in ((0, (3, 2)), (2, (2, 3))):
        with pytest.raises(GradientError, match=r"^svd: no gradient is defined for singular vectors beyond"):
            gradient_of(lambda x, p=place: ops.sum(ops.svd(x)[p]), full(*shape))
    assert gradient_of(lambda x: ops.sum(ops.cast(ops.matrix_rank(x), "float64")), np.eye(2)) is None


def test_equal_values():
    x = np.eye(3)
    assert gradient_of(lambda x: ops.sum(ops.eigh(x)[0] * [1.0, 2.0, 4.0]), x).shape == (3, 3)
    np.testing.assert_allclose(gradient_of(lambda x: ops.sum(ops.eigh(x)[0]), x).numpy(), x, atol=1e-12)
    np.testing.assert_allclose(gradient_of(lambda x: ops.sum(ops.svd(x)[1]), x).numpy(), x, atol=1e-12)
    np.testing.assert_allclose(gradient_of(lambda x: ops.sum(ops.svd(x, compute_uv=False)), x).numpy(), x, atol=1e-12)
    assert np.isnan(gradient_of(lambda x: ops.sum(ops.eigh(x)[1] * full(3, 3)), x).numpy()).any()
    assert np.isnan(gradient_of(lambda x: ops.sum(ops.svd(x)[0] * full(3, 3)), x).numpy()).any()
    check_gradients(ops.pinv, [x])  # which has no trouble with them


def test_the_symmetric_part_counts():
    x = full(3, 3, kind=definite)
    skew = np.triu(np.ones((3, 3)), 1) - np.tril(np.ones((3, 3)), -1)
    for function in (ops.cholesky, lambda x: ops.cholesky(x, upper=True), lambda x: ops.eigh(x)[0]):
        np.testing.assert_allclose(function(x + skew).numpy(), function(x).numpy(), rtol=1e-12)
        gradient = gradient_of(lambda x, f=function: ops.sum(f(x)), x).numpy()
        np.testing.assert_allclose(gradient, gradient.T, rtol=1e-12)
    z = full(3, 3, kind=definite, dtype="complex128")
    low = ops.cholesky(z).numpy()
    np.testing.assert_allclose(low @ low.conj().T, z, atol=1e-12)
    np.testing.assert_allclose(ops.cholesky(z, upper=True).numpy(), low.conj().T, atol=1e-12)
    np.testing.assert_allclose(ops.cholesky_inverse(low).numpy(), np.linalg.inv(z), atol=1e-12)


def test_only_one_triangle_counts():
    x, b = full(3, 3), np.ones(3)
    noise = np.triu(np.full((3, 3), np.nan), 1)
    for function, garbage in (
        (lambda x: ops.solve_triangular(x, b, lower=True), noise),
        (lambda x: ops.solve_triangular(x, b), noise.T),
        (ops.cholesky_inverse, noise),
        (lambda x: ops.cholesky_inverse(x, upper=True), noise.T),
    ):
        np.testing.assert_array_equal(function(x + garbage).numpy(), function(x).numpy())
        gradient = gradient_of(lambda x, f=function: ops.sum(f(x)), x).numpy()
        assert (gradient[np.isnan(garbage)] == 0).all() and gradient.any()


def test_large_triangular_systems_are_solved_by_blocks(monkeypatch):
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, 11, 11)) + 5 * np.eye(11), rng.normal(size=(2, 11, 3))
    whole = [ops.solve_triangular(a, b, lower=lower).numpy() for lower in (True, False)]
    monkeypatch.setattr(systems, "BLOCK", 4)
    for lower, expected in zip((True, False), whole, strict=True):
        np.testing.assert_allclose(ops.solve_triangular(a, b, lower=lower).numpy(), expected, rtol=1e-10)
        check_gradients(lambda a, b, low=lower: ops.solve_triangular(a, b, lower=low), [a, b])


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    st.integers(0, 40), st.integers(0, 40), st.integers(0, 2), st.sampled_from(["float64", "complex128"]), st.booleans()
)
def test_lu_and_pivots_make_the_matrix(rows, columns, batch, dtype, singular):
    rng = np.random.default_rng([rows, columns, batch])
    x = rng.normal(size=(batch, rows, columns)).astype(dtype)
    if dtype == "complex128":
        x += 1j * rng.normal(size=x.shape)
    if singular and columns > 1:
        x[..., 1] = x[..., 0]
    lu, pivots = (y.numpy() for y in ops.lu_factor(x))
    count = min(rows, columns)
    low = np.tril(lu[..., :count], -1) + np.eye(rows, count)
    made = low @ np.triu(lu[..., :count, :])
    assert pivots.dtype == np.int32 and (np.abs(low) <= np.sqrt(2)).all()
    for i in range(batch):
        for j in reversed(range(count)):
            made[i, [j, pivots[i, j]]] = made[i, [pivots[i, j], j]]
    np.testing.assert_allclose(made, x, atol=1e-12)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.integers(1, 5), st.integers(1, 3), st.sampled_from([(), (2,), (3, 1), (1, 2)]), st.booleans())
def test_solutions_solve(size, columns, batch, complex_):
    dtype = "complex128" if complex_ else "float64"
    a, b = full(*batch, size, size, dtype=dtype), full(*batch, size, columns, seed=1, dtype=dtype)
    np.testing.assert_allclose(a @ ops.solve(a, b).numpy(), b, atol=1e-12)
    np.testing.assert_allclose(np.tril(a) @ ops.solve_triangular(a, b, lower=True).numpy(), b, atol=1e-9)
    np.testing.assert_allclose(a @ ops.inv(a).numpy() @ b, b, atol=1e-12)
    np.testing.assert_allclose(a @ ops.pinv(a).numpy() @ b, b, atol=1e-12)
    np.testing.assert_allclose(a @ ops.lstsq(a, b).numpy(), b, atol=1e-12)


def test_determinants():
    x = np.float64([[[0, 2], [3, 0]], [[1, 2], [2, 4]], [[2, 0], [0, 3]]])
    assert ops.det(x).tolist() == [-6.0, 0.0, 6.0]
    sign, size = ops.slogdet(x)
    assert sign.tolist() == [-1.0, 0.0, 1.0] and size[1].tolist() == -INF
    log = ops.logdet(x).numpy()
    assert np.isnan(log[0]) and log[1] == -INF and log[2] == np.log(6.0)
    z = Tensor([[1j, 0], [0, 2]], "complex128")
    np.testing.assert_allclose(ops.logdet(z).numpy(), np.log(2) + 0.5j * np.pi, rtol=1e-12)
    assert gradient_of(lambda x: ops.sum(ops.slogdet(x)[0]), np.eye(2)).tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_rank_and_pseudoinverse_cut_off():
    x = np.diag(np.float32([1, 0.1, 0.01]))
    assert [ops.matrix_rank(x, tol=t).tolist() for t in (None, 0.1, 0.01, 2.0)] == [
        3,
        2,
        2,
        0,
    ]  # as PyTorch, in 64 bits
    np.testing.assert_allclose(ops.pinv(x, rcond=0.05).numpy(), np.diag([1, 10, 0]), rtol=1e-6)
    low = np.float64([[1, 2], [2, 4]])
    np.testing.assert_allclose(ops.pinv(low).numpy(), low / 25, rtol=1e-12)
    np.testing.assert_allclose(ops.lstsq(low, [1.0, 3.0]).numpy(), [0.28, 0.56], rtol=1e-12)

    def of_rank_one(column, row):  # the gradient is that among matrices of one rank
        return ops.pinv(column * row)

    check_gradients(of_rank_one, [np.float64([[1], [2], [0.5]]), np.float64([[1, 3]])])


def test_values_that_are_not_finite():
    nan = np.full((2, 2), np.nan)
    for function in (ops.inv, ops.det, ops.cholesky, lambda x: ops.solve(x, nan), lambda x: ops.slogdet(x)[1]):
        assert np.isnan(function(nan).numpy()).any()
