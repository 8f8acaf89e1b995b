"""Averages, spreads, quantiles, correlations and distances, NaN left out or not: gradients, edges, dtypes, messages."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from eagerly import ops
from eagerly.dimensions import unknown
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from gradients import check_gradients

INF, NAN = np.inf, np.nan
FLOATS = ("float16", "bfloat16", "float32", "float64")
RNG = np.random.default_rng(11)
X = RNG.permutation(24).reshape(4, 3, 2) * 0.3 - 2
HOLES = np.where(np.arange(24).reshape(4, 3, 2) % 5 == 1, NAN, X)
W = RNG.uniform(0.5, 2, (4, 3, 2))
REDUCED = ({}, {"axis": 1}, {"axis": (0, -1), "keepdims": True})
QUANTILES = ("quantile", "nanquantile")
METHODS = ("linear", "lower", "higher", "midpoint", "nearest")


def gradient(call, *inputs):
    tensors = [x if isinstance(x, Tensor) else Tensor(x, "float64") for x in inputs]
    with GradientTape() as tape:
        tape.watch(tensors)
        y = call(*tensors)
    return [None if g is None else g.numpy() for g in tape.gradient(y, tensors)]


@pytest.mark.parametrize("name", ["amax", "amin", "ptp", "std", "median"])
@pytest.mark.parametrize("options", REDUCED)
def test_gradients_of_reductions(name, options):
    check_gradients(lambda x: getattr(ops, name)(x, **options), [X])


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "std", "max", "min", "median", "cumsum", "cumprod"])
def test_gradients_without_nan(name):
    function = getattr(ops, f"nan{name}")
    holes = np.isnan(HOLES)
    for options in ({}, {"axis": 1}):
        check_gradients(lambda x, o=options: function(ops.where(holes, NAN, x), **o), [X])
        (found,) = gradient(lambda x, o=options: function(x, **o), HOLES)
        assert np.isfinite(found).all() and (found[holes] == 0).all()


@pytest.mark.parametrize(
    "call",
    [
        lambda x, w: ops.average(x, weights=w),
        lambda x, w: ops.average(x, (0, 2), w),
        lambda x, w: ops.average(x, 1, w[0, :, 0]),
        lambda x, w: ops.trapezoid(x, w, axis=0),
        lambda x, w: ops.trapezoid(x, w[0, 0]),
        lambda x, w: ops.trapezoid(x, dx=w[0, 0, 0], axis=1),
        lambda x, w: ops.corrcoef(x[:, 0] * w[:, 1]),
        lambda x, w: ops.corrcoef(ops.reshape(x, (4, -1))),
        lambda x, w: ops.cdist(x, w),
        lambda x, w: ops.cdist(x[:, :1], w[0]),
        *(
            lambda x, w, mode=mode, n=n, m=m: ops.correlate(ops.reshape(x, (-1,))[:n], w[:m, 0, 0], mode)
            for mode in ("full", "same", "valid")
            for n, m in ((7, 4), (7, 3), (3, 4), (1, 4), (4, 4))
        ),
    ],
)
def test_gradients_of_both_operands(call):
    check_gradients(call, [X, W])


@pytest.mark.parametrize("name", QUANTILES)
@pytest.mark.parametrize("method", METHODS)
def test_gradients_of_quantiles(name, method):
    function = getattr(ops, name)
    for q in ([0.2, 0.55, 0.9], 0.7):
        for axis in (None, 1, (0, 2)):
            check_gradients(lambda x, q, a=axis: function(x, q, a, method), [X, np.array(q)])
            check_gradients(lambda x, q, a=axis: function(ops.where(np.isnan(HOLES), 5.0, x), q, a, method), [X, q])


def test_equal_elements_have_a_standard_deviation_without_gradient():
    x = np.array([[2.0, 2.0, 2.0], [1.0, 2.0, 3.0]])
    for function in (ops.std, ops.nanstd):
        (found,) = gradient(lambda x, f=function: f(x, axis=1), x)
        np.testing.assert_allclose(found, [[0, 0, 0], [-(6**-0.5), 0, 6**-0.5]])
        check_gradients(lambda x, f=function: f(x), [x])
    x, y = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 2.0], [4.0, 4.0]])
    of_x, of_y = gradient(ops.cdist, x, y)
    assert np.isfinite(of_x).all() and np.isfinite(of_y).all()
    assert gradient(lambda x, y: ops.cdist(x, y)[0, 0], x, y)[0].tolist() == [[0.0, 0.0]] * 2
    assert np.isnan(gradient(ops.std, [NAN, 1.0])[0]).all()


def test_equal_elements_share_the_gradient_of_an_extremum():
    for function in (ops.amax, ops.amin, ops.nanmax, ops.nanmin):
        assert gradient(function, [[2.0, 2.0], [2.0, 2.0]])[0].tolist() == [[0.25, 0.25]] * 2
    assert gradient(ops.nanmax, [1.0, NAN, 1.0])[0].tolist() == [0.5, 0.0, 0.5]


ODD = npst.arrays(
    np.float64,
    npst.array_shapes(max_dims=2, max_side=6),
    elements=st.sampled_from([-INF, -1.0, 0.0, 0.5, 2.0, 3.0, INF, NAN]),
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(ODD, st.sampled_from([0.0, 0.25, 0.4, 0.5, 1.0]), st.sampled_from(METHODS), st.booleans())
def test_quantiles_of_anything(x, q, method, leave_out):
    """Against Python's arithmetic on the sorted elements: NumPy's own gives NaN between infinite ones."""
    found = (ops.nanquantile if leave_out else ops.quantile)(x, q, axis=-1, method=method).numpy()
    for row, y in zip(x.reshape(-1, x.shape[-1]), found.reshape(-1), strict=True):
        kept = np.sort(row[~np.isnan(row)])
        if len(kept) == 0 or (not leave_out and len(kept) < len(row)):
            assert np.isnan(y)
            continue
        position = q * (len(kept) - 1)
        low, high = kept[int(np.floor(position))], kept[int(np.ceil(position))]
        rest = position - np.floor(position)
        with warnings.catch_warnings(action="ignore"):
            expected = {
                "lower": low,
                "higher": high,
                "nearest": kept[int(np.rint(position))],
                "midpoint": low if low == high else 0.5 * low + 0.5 * high,
                "linear": low if rest == 0 or low == high else (1 - rest) * low + rest * high,
            }[method]
        np.testing.assert_allclose(y, expected)


def test_medians():
    assert ops.median([4, 1, 2, 3]).tolist() == 2.5
    assert ops.median([[1.0, INF, INF], [-INF, 0.0, INF]], axis=1).tolist() == [INF, 0.0]
    assert np.isnan(ops.median([1.0, NAN]).numpy()) and ops.nanmedian([1.0, NAN]).tolist() == 1.0
    assert gradient(ops.median, [3.0, 1.0, 2.0])[0].tolist() == [0.0, 0.0, 1.0]
    assert gradient(ops.median, [3.0, 3.0, 1.0, 3.0])[0].tolist() == [0.5, 0.5, 0.0, 0.0]
    assert ops.median(7).tolist() == 7.0 and ops.median(np.ones((2, 3)), ()).shape == (2, 3)


def test_q_is_as_precise_as_it_comes():
    x = np.arange(11.0)
    np.testing.assert_allclose(ops.quantile(x, 0.37).numpy(), 3.7, rtol=1e-12)
    np.testing.assert_allclose(ops.percentile(x, [37, 99]).numpy(), [3.7, 9.9], rtol=1e-12)
    assert ops.quantile(x, 1).tolist() == 10.0 and ops.percentile(x, 100).tolist() == 10.0


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from(["full", "same", "valid"]))
def test_correlations_of_any_lengths(n, m, mode):
    x, y = np.random.default_rng([n, m]).normal(size=(2, 9))
    np.testing.assert_allclose(ops.correlate(x[:n], y[:m], mode).numpy(), np.correlate(x[:n], y[:m], mode), atol=1e-12)
    for a, b in ((AbstractTensor((unknown("n"),)), y[:m]), (x[:n], AbstractTensor((unknown("m"),)))):
        assert ops.correlate(a, b, mode).shape == (None,)


def test_correlation_coefficients():
    x = np.array([[1.0, 2.0, 4.0], [-2.0, -4.0, -8.0], [5.0, 5.0, 5.0]], "float32")
    found = ops.corrcoef(x).numpy()
    np.testing.assert_allclose(found, [[1, -1, NAN], [-1, 1, NAN], [NAN] * 3], rtol=1e-6)
    assert (np.abs(ops.corrcoef(np.random.default_rng(0).normal(size=(40, 3)).astype("float32")).numpy()) <= 1).all()
    assert ops.corrcoef([1.0, 3.0, 2.0]).tolist() == pytest.approx(1.0)


def test_nothing_but_nan():
    nan = np.full((2, 3), NAN)
    for name in ("mean", "var", "std", "max", "min", "median"):
        assert np.isnan(getattr(ops, f"nan{name}")(nan, axis=1).numpy()).all()
        assert (gradient(lambda x, n=name: getattr(ops, f"nan{n}")(x, axis=1), nan)[0] == 0).all(), name
    assert ops.nansum(nan).tolist() == 0.0 and ops.nanprod(nan).tolist() == 1.0
    assert ops.nanargmax(nan, 1).tolist() == ops.nanargmin(nan, 1).tolist() == [-1, -1]
    assert ops.nanargmax(nan).tolist() == -1
    assert ops.nanmax([-INF, NAN]).tolist() == -INF
    assert ops.nancumsum([NAN, INF, 1.0]).tolist() == [0.0, INF, INF]


def test_no_axes_at_all():
    for name in ("nansum", "nanprod", "nanmean", "nanmax", "nanmin", "nanmedian", "amax", "median"):
        assert getattr(ops, name)([[2.0, 3.0]], axis=()).tolist() == [[2.0, 3.0]]
    assert ops.std([2.0, 3.0], axis=()).tolist() == ops.ptp([2.0, 3.0], axis=()).tolist() == [0.0, 0.0]
    assert ops.trapezoid(np.ones((2, 1))).tolist() == ops.trapezoid(np.ones((2, 0))).tolist() == [0.0, 0.0]


FLOAT = {**dict.fromkeys(("bool", "uint8", "int8", "int32", "int64"), "float32"), **{name: name for name in FLOATS}}
SAME = {name: name for name in ("uint8", "int8", "int32", "int64", *FLOATS)}
SUMMED = {**SAME, "bool": "int32", "int8": "int32", "int16": "int32", "uint8": "uint32"}
# What Keras 3.15 gives on PyTorch, but for PyTorch's want of uint32, and float64 for the int64 of corrcoef.
DTYPES = [
    *((lambda x, n=name: getattr(ops, n)(x), FLOAT) for name in ("average", "std", "median", "nanmean", "nanvar")),
    *((lambda x, n=name: getattr(ops, n)(x), FLOAT) for name in ("nanstd", "nanmedian", "corrcoef", "trapezoid")),
    *((lambda x, n=name: getattr(ops, n)(x, 0.5), FLOAT) for name in QUANTILES),
    *((lambda x, n=name: getattr(ops, n)(x, [30.0, 50.0]), FLOAT) for name in ("percentile", "nanpercentile")),
    (lambda x: ops.quantile(x, Tensor(0.5, "float64")), FLOAT),
    (lambda x: ops.cdist(x, x), FLOAT),
    (lambda x: ops.correlate(x[0], x[1]), FLOAT),
    *((lambda x, n=name: getattr(ops, n)(x), SAME | {"bool": "bool"}) for name in ("amax", "amin", "nanmax", "nanmin")),
    (ops.ptp, SAME),
    (ops.nansum, SUMMED),
    (lambda x: ops.nanargmax(x), dict.fromkeys((*SAME, "bool"), "int32")),
    (lambda x: ops.nanargmin(x, 1), dict.fromkeys((*SAME, "bool"), "int32")),
]


@pytest.mark.parametrize(("call", "table"), DTYPES)
def test_dtypes(call, table):
    for given_, expected in table.items():
        for x in (Tensor([[1, 0, 1], [0, 1, 1]], given_), AbstractTensor((2, 3), given_)):
            assert call(x).dtype == expected, given_


def test_dtypes_of_two():
    for call in (
        ops.cdist,
        lambda x, y: ops.correlate(x[0], y[0]),
        lambda x, y: ops.average(x, weights=y),
        ops.trapezoid,
    ):
        for a, b, expected in (
            ("int32", "float16", "float16"),
            ("float16", "bfloat16", "float32"),
            ("uint8", "int8", "float32"),
            ("float32", "float64", "float64"),
        ):
            for x, y in ((Tensor([[1, 2]], a), Tensor([[1, 2]], b)), (AbstractTensor((1, 2), a), Tensor([[1, 2]], b))):
                assert call(x, y).dtype == expected
    assert ops.trapezoid(Tensor([1.0, 2.0], "float16"), dx=0.5).dtype == "float16"
    assert ops.trapezoid([1, 2], dx=2).dtype == "float32"


def test_sixteen_bits_are_computed_in_thirty_two():
    many = Tensor(np.full(70_000, 2.0), "float16")
    assert ops.std(many).tolist() == ops.nanvar(many).tolist() == 0.0
    assert ops.average(many).tolist() == ops.average(many, weights=many).tolist() == ops.nanmean(many).tolist() == 2.0
    assert ops.trapezoid(many, dx=2.0**-3).tolist() == 17_504.0  # 17499.75 to 11 bits
    assert ops.cdist(Tensor([[300.0]], "float16"), Tensor([[0.0]], "float16")).tolist() == [[300.0]]
    assert ops.quantile(Tensor(np.arange(2048.0), "float16"), Tensor(0.1, "float64")).tolist() == 204.75
    check = ops.corrcoef(Tensor([[200.0, 400.0], [1.0, 2.0]], "float16"))
    assert check.dtype == "float16" and check.tolist() == [[1.0, 1.0]] * 2


def test_unknown_sizes():
    n = unknown("n")
    x = AbstractTensor((n, 3))
    assert ops.average(x, 0, AbstractTensor((unknown("m"),))).shape == (3,)
    assert ops.trapezoid(x, AbstractTensor((unknown("m"),)), axis=0).shape == (3,)
    assert ops.quantile(x, AbstractTensor((2,)), 0).shape == (2, 3)
    assert ops.quantile(AbstractTensor((2, 3)), AbstractTensor((n,)), 0).dims[0] == n
    assert ops.cdist(x, AbstractTensor((5, 3))).dims == (n, 5)
    assert ops.corrcoef(x).dims == (n, n)


def refused(call, text):
    with pytest.raises(ValueError) as caught:
        call()
    assert str(caught.value).startswith(text), str(caught.value)


def test_messages():
    x = np.ones((2, 3), "float32")
    refused(lambda: ops.ptp([True, False]), "ptp: expected numbers, got bool[2]. For truth values use ops.any")
    expected = (
        "average: expected weights of the shape of x, or of one axis with a weight for each slice along a single "
    )
    refused(
        lambda: ops.average(x, 1, [1.0, 2]), expected + "axis, got weights float32[2] for float32[2, 3] and axis=1."
    )
    refused(lambda: ops.average(x, None, [1.0, 2, 3]), expected)
    refused(lambda: ops.average(x, (0, 1), [1.0, 2, 3]), expected)
    refused(lambda: ops.average(x, 1, np.ones((3, 2))), expected)
    refused(lambda: ops.trapezoid(x, axis=2), "trapezoid: axis: expected an integer in [-2, 2) for 2 axes, got 2")
    refused(lambda: ops.trapezoid(1.0), "trapezoid: axis: expected an integer in [0, 0) for 0 axes, got -1")
    refused(
        lambda: ops.trapezoid(x, [1.0, 2]),
        "trapezoid: expected x with a place for each of the 3 values along axis 1, got float32[2].",
    )
    refused(lambda: ops.corrcoef(1.0), "corrcoef: expected a tensor with one axis or two, got float32[].")
    refused(lambda: ops.corrcoef(np.ones((1, 1, 1))), "corrcoef: expected a tensor with one axis or two, got float64[1")
    refused(
        lambda: ops.correlate(x[0], x[0], "all"), "correlate: expected 'full', 'same' or 'valid' as mode, got 'all'."
    )
    refused(
        lambda: ops.correlate(x, x[0]), "correlate: expected x1 with one axis that is not empty, got float32[2, 3]."
    )
    refused(
        lambda: ops.correlate(x[0], x[0, :0]), "correlate: expected x2 with one axis that is not empty, got float32[0]."
    )
    rows = "cdist: expected two tensors of rows with equal last axes, got x float32[2, 3] and y "
    refused(lambda: ops.cdist(x, x[:, :2]), rows + "float32[2, 2].")
    refused(lambda: ops.cdist(x, x[0]), rows + "float32[3].")
    refused(
        lambda: ops.cdist(np.ones((2, 1, 3)), np.ones((3, 1, 3))),
        "cdist: shapes (2,) and (3,) do not broadcast: axis -1 has sizes 2 and 3 (got x float64[2, 1, 3] and y ",
    )
    for name, whole in (("quantile", 1), ("percentile", 100), ("nanquantile", 1), ("nanpercentile", 100)):
        function = getattr(ops, name)
        methods = "linear, lower, higher, midpoint, nearest"
        refused(
            lambda f=function: f(x, 0, method="hazen"), f"{name}: expected one of {methods} as method, got 'hazen'."
        )
        refused(lambda f=function: f(x, [-0.5, 1]), f"{name}: expected q from 0 to {whole}, got [-0.5, 1.0].")
        refused(lambda f=function, w=whole: f(x, 2 * w), f"{name}: expected q from 0 to {whole}, got {2 * whole}.")
        refused(lambda f=function: f(x, NAN), f"{name}: expected q from 0 to {whole}, got nan.")
        refused(
            lambda f=function: f(x, [[0, 1]]),
            f"{name}: expected q to be a number or to have one axis, got int32[1, 2].",
        )
        refused(lambda f=function: f(x, 0, axis=2), "axis: expected an integer in [-2, 2) for 2 axes, got 2")
