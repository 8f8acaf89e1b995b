"""Reductions of segments, and counts: every way through `segment_reduce`, ties, zeros, dtypes and messages."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eagerly import ops
from eagerly.dimensions import unknown
from eagerly.ops import segments
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from gradients import check_gradients

INF, NAN = np.inf, np.nan
KINDS = {"sum": (np.sum, 0.0), "prod": (np.prod, 1.0), "max": (np.max, -INF), "min": (np.min, INF)}
FLOATS = ("float16", "bfloat16", "float32", "float64")


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.sampled_from(list(KINDS)),
    st.integers(0, 9),
    st.sampled_from([(), (1,), (3,), (2, 2), (0,)]),
    st.integers(0, 5) | st.none(),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_segments_are_those_of_a_loop(kind, size, rest, number, ordered, seed):
    rng = np.random.default_rng(seed)
    data = rng.integers(-3, 4, (size, *rest)).astype("float32")
    ids = rng.integers(-2, 6, size).astype("int32")
    ids = np.sort(ids) if ordered else ids
    function, nothing = KINDS[kind]
    found = getattr(ops, f"segment_{kind}")(data, ids, number, sorted=ordered).numpy()
    assert found.shape == (max(ids.max(initial=-1) + 1, 0) if number is None else number, *rest)
    for segment, row in enumerate(found):
        own = data[ids == segment]
        np.testing.assert_array_equal(row, function(own, axis=0) if len(own) else np.full(rest, nothing, "float32"))


IDS = [0, 2, -1, 0, 3, 2, 0, 9]


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("rest", [(), (2,)])
@pytest.mark.parametrize("ids", [IDS, sorted(IDS)])
def test_gradients(kind, rest, ids):
    function = getattr(ops, f"segment_{kind}")
    data = np.random.default_rng(5).permutation(8 * (rest or (1,))[0]).reshape(8, *rest) * 0.3 - 1
    check_gradients(lambda x: ops.where(ops.isfinite(y := function(x, ids, 5)), y, 0), [data])
    if kind == "prod":
        for zeros in ([0], [0, 3], [1, 5, 2], [4]):
            data[zeros] = 0
            check_gradients(lambda x: function(x, ids, 5), [data])


def test_equal_extrema_share_the_gradient():
    x = Tensor([1.0, 3.0, 3.0, 2.0, 2.0, 5.0])
    with GradientTape(persistent=True) as tape:
        tape.watch(x)
        high = ops.segment_max(x, [0, 0, 0, 1, 1, -1], 3)
        low = ops.segment_min(x, [0, 0, 0, 1, 1, -1], 3)
    assert high.tolist() == [3.0, 2.0, -INF] and low.tolist() == [1.0, 2.0, INF]
    assert tape.gradient(high, x).tolist() == [0.0, 0.5, 0.5, 0.5, 0.5, 0.0]
    assert tape.gradient(low, x).tolist() == [1.0, 0.0, 0.0, 0.5, 0.5, 0.0]


def test_nan_stays_in_its_segment():
    x = Tensor([NAN, 2.0, 3.0, 4.0, INF, 1.0, 2.0, 5.0, NAN])
    ids = [0, 0, 1, 1, -1, 2, 2, 2, 7]
    with GradientTape(persistent=True) as tape:
        tape.watch(x)
        results = {kind: getattr(ops, f"segment_{kind}")(x, ids, 3) for kind in KINDS}
    assert {kind: y.tolist()[1:] for kind, y in results.items()} == {
        "sum": [7.0, 8.0],
        "prod": [12.0, 10.0],
        "max": [4.0, 5.0],
        "min": [3.0, 1.0],
    }
    np.testing.assert_array_equal(tape.gradient(results["prod"], x).numpy(), [2, NAN, 4, 3, 0, 10, 5, 2, 0])
    np.testing.assert_array_equal(tape.gradient(results["sum"], x).numpy(), [1, 1, 1, 1, 0, 1, 1, 1, 0])
    np.testing.assert_array_equal(tape.gradient(results["max"], x).numpy()[2:], [0, 1, 0, 0, 0, 1, 0])


def test_segments_without_elements_do_not_spoil_second_gradients():
    x = Tensor([1.0, 2.0], "float64")
    with GradientTape() as outer:
        outer.watch(x)
        with GradientTape() as inner:
            inner.watch(x)
            y = ops.square(ops.segment_max(x, [0, 0], 3)[:1])
        first = inner.gradient(y, x)
    assert first.tolist() == [0.0, 4.0]
    assert outer.gradient(first, x).tolist() == [0.0, 2.0]


@pytest.mark.parametrize("kind", list(KINDS))
def test_dtypes_stay(kind):
    function = getattr(ops, f"segment_{kind}")
    nothing = {"sum": 0, "prod": 1}
    for dtype in ("uint8", "int8", "int32", "int64", *FLOATS):
        for ids in ([1, 1], Tensor([1, 1], "uint8"), Tensor([1, 1], "uint64"), Tensor([1, 1], "int64")):
            y = function(Tensor([3, 5], dtype), ids, 300)
            assert y.dtype == dtype
            assert y.tolist()[1] == {"sum": 8, "prod": 15, "max": 5, "min": 3}[kind]
        if dtype in FLOATS:
            limit = INF if kind == "min" else -INF
        else:
            limit = np.iinfo(dtype).max if kind == "min" else np.iinfo(dtype).min
        assert y.tolist()[0] == nothing.get(kind, limit)
        assert function(AbstractTensor((2,), dtype), [0, 1]).dtype == dtype
    truth = function(Tensor([True, False]), [1, 1], 3)
    assert truth.dtype == "bool"
    assert (
        truth.tolist()
        == {
            "sum": [False, True, False],
            "prod": [True, False, True],
            "max": [False, True, False],
            "min": [True, False, True],
        }[kind]
    )


def test_sixteen_bits_are_summed_and_ties_counted_in_thirty_two():
    for ids in (np.zeros(4096, "int32"), np.arange(4096) % 2):
        x = Tensor(np.ones(4096), "bfloat16")
        with GradientTape() as tape:
            tape.watch(x)
            y = ops.segment_max(x, ids)
        assert ops.segment_sum(x, ids).tolist()[0] == 4096 / (1 + ids.max())
        assert tape.gradient(y, x).tolist()[0] == (1 + ids.max()) / 4096


def test_many_segments():
    ids = np.random.default_rng(0).integers(0, 200_000, 300).astype("int32")
    data = np.random.default_rng(1).normal(size=(300, 2))
    expected = np.zeros((200_000, 2))
    np.add.at(expected, ids, data)
    np.testing.assert_allclose(ops.segment_sum(data, ids, 200_000).numpy(), expected)


def test_unknown_sizes():
    n = unknown("n")
    data, ids = AbstractTensor((n, 3)), AbstractTensor((n,), "int32")
    assert ops.segment_sum(data, ids).shape == (None, 3)
    assert ops.segment_sum(data, ids).dims[0] is not n
    assert ops.segment_max(data, ids, num_segments=n).dims[0] is n
    assert ops.segment_max(AbstractTensor((3, n)), [0, 4, 1]).dims == (5, n)
    for kind in KINDS:
        x = AbstractTensor((n, 3))
        with GradientTape() as tape:
            tape.watch(x)
            y = getattr(segments, f"segment_{kind}")(x, ids)
        assert tape.gradient(y, x).dims == (n, 3)
    assert ops.bincount(ids).shape == (None,)
    assert ops.bincount(AbstractTensor((n, 3), "int32"), minlength=2).dims[0] == n


def test_counts():
    assert ops.bincount([1, 2, 2, 4], minlength=7).tolist() == [0, 1, 2, 0, 1, 0, 0]
    assert ops.bincount([[0, 3], [3, 1]]).tolist() == [[1, 0, 0, 1], [0, 1, 0, 1]]
    assert ops.bincount(np.zeros(0, "uint8")).tolist() == []
    for weights, dtype in (([1, 2], "int32"), ([0.5, 1], "float32"), (Tensor([1, 2], "bfloat16"), "bfloat16")):
        for x in (Tensor([1, 1], "uint8"), AbstractTensor((2,), "uint8")):
            assert ops.bincount(x).dtype == "int32"
            assert ops.bincount(x, weights).dtype == dtype
    many = np.ones(5000, "int32")
    assert ops.bincount(many, Tensor(np.ones(5000), "bfloat16")).tolist() == [0.0, 4992.0]  # the nearest it has
    check_gradients(lambda w: ops.bincount([1, 3, 1], w), [np.array([0.5, 1.5, 2.0])])
    check_gradients(lambda w: ops.bincount([[1, 3], [0, 1]], weights=w), [np.array([[0.5, 1.5], [2.0, 1.0]])])


def test_what_is_not_zero():
    assert ops.count_nonzero([[0.0, NAN], [-1.0, 0.0]]).tolist() == 2
    for x in (Tensor([[True, False]]), Tensor([[0, 3]], "uint8"), AbstractTensor((1, 2), "bfloat16")):
        assert ops.count_nonzero(x, 0).dtype == "int32"
        assert ops.count_nonzero(x, ()).shape == (1, 2)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.floats(-4, 4, width=32), max_size=20),
    st.integers(1, 7),
    st.none() | st.tuples(st.integers(-3, 0), st.integers(0, 3)),
)
def test_histograms_hold_what_numpy_puts_in(values, bins, limits):
    x = np.array(values, "float64")
    counts, edges = ops.histogram(x, bins, limits)
    expected_counts, expected_edges = np.histogram(x, bins, limits)
    np.testing.assert_allclose(edges.numpy(), expected_edges, atol=1e-12)
    assert counts.numpy().sum() == expected_counts.sum()
    away = (
        np.abs(x[:, None] - expected_edges[1:-1]).min(axis=1, initial=INF) > 1e-9
    )  # from edges, where rounding decides
    if away.all():
        np.testing.assert_array_equal(counts.numpy(), expected_counts)


def test_histograms_at_their_ends():
    counts, edges = ops.histogram([1.0, 2.0, 2.5, 5.0], bins=2)
    assert (counts.tolist(), edges.tolist()) == ([3.0, 1.0], [1.0, 3.0, 5.0])
    counts, edges = ops.histogram([1.0, NAN, 3.0, 5.0, -INF], bins=2, range=(1, 3))
    assert (counts.tolist(), edges.tolist()) == ([1.0, 1.0], [1.0, 2.0, 3.0])
    assert [y.tolist() for y in ops.histogram([2.0, 2.0], 1)] == [[2.0], [1.5, 2.5]]
    assert [y.tolist() for y in ops.histogram(np.zeros(0, "float32"), 2)] == [[0.0, 0.0], [0.0, 0.5, 1.0]]
    third = np.array([0.1, 0.2, 0.3], "float32")
    assert ops.histogram(third, 3)[0].numpy().sum() == 3.0
    for dtype, expected in (("int32", "float32"), ("bool", "float32"), *((name, name) for name in FLOATS)):
        for x in (Tensor([1, 0], dtype), AbstractTensor((2,), dtype)):
            assert [y.dtype.name for y in ops.histogram(x, range=(0, 1))] == [expected] * 2


def refused(call, text):
    with pytest.raises(ValueError) as caught:
        call()
    assert str(caught.value).startswith(text), str(caught.value)


def test_messages():
    x = np.ones((2, 3), "float32")
    for kind in KINDS:
        function = getattr(ops, f"segment_{kind}")
        one_each = f"segment_{kind}: expected one segment number for each slice along the first axis of data, got "
        refused(lambda f=function: f(x, [0]), one_each + "segment_ids int32[1] for data float32[2, 3].")
        refused(lambda f=function: f(x, [[0, 1]]), one_each + "segment_ids int32[1, 2] for data float32[2, 3].")
        refused(lambda f=function: f(1.0, [0]), one_each + "segment_ids int32[1] for data 1.0.")
        refused(lambda f=function: f(x, [0.0, 1]), f"segment_{kind}: expected integers as segment_ids, got float32[2].")
        refused(lambda f=function: f(x, [0, 1], 2.0), f"segment_{kind}: expected an integer as num_segments, got 2.0.")
        refused(lambda f=function: f(x, [0, 1], -1), f"segment_{kind}: expected num_segments of at least 0, got -1.")
    refused(lambda: ops.bincount([1], sparse=True), "bincount: expected sparse=False, got True.")
    refused(lambda: ops.bincount(x), "bincount: expected integers with one axis or two, got float32[2, 3].")
    refused(lambda: ops.bincount(3), "bincount: expected integers with one axis or two, got int32[].")
    refused(lambda: ops.bincount([1, -2]), "bincount: expected no negative numbers, got -2 in int32[2].")
    refused(lambda: ops.bincount([1], [1, 2]), "bincount: expected weights of the shape of x, got int32[2] for")
    refused(lambda: ops.bincount([1], minlength=-1), "bincount: expected minlength of at least 0, got -1.")
    refused(lambda: ops.bincount([1], minlength=1.5), "bincount: expected an integer as minlength, got 1.5.")
    refused(lambda: ops.histogram(x), "histogram: expected a tensor with one axis, got float32[2, 3].")
    refused(lambda: ops.histogram(x[0], 0), "histogram: expected at least one bin, got 0.")
    refused(lambda: ops.histogram(x[0], [1, 2]), "histogram: expected an integer as bins, got [1, 2].")
    refused(lambda: ops.histogram([NAN, 1.0]), "histogram: expected finite elements, or a range, got float32[2]")
    for limits in ((1, 0), (0, INF), (1,), 3, (Tensor(0.0), Tensor(1.0))):
        refused(
            lambda limits=limits: ops.histogram(x[0], 2, limits),
            "histogram: expected two finite numbers in ascending order as range, got ",
        )
