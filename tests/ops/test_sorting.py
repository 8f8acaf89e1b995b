"""Sorting, selecting, searching and sets: ties, NaN, dtypes, gradients and messages."""

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
FEW = settings(max_examples=80, deadline=None, derandomize=True)
ALL = ("bool", "uint8", "int8", "int32", "int64", "float16", "bfloat16", "float32", "float64")
# Few values, so that there are ties, and what is hard to order.
TIED = npst.arrays(
    np.float32, npst.array_shapes(max_dims=3, max_side=9), elements=st.sampled_from([-INF, -1, -0.0, 0, 1, 2, INF, NAN])
)


@FEW
@given(TIED, st.integers(0, 2))
def test_sorting_is_stable_with_nan_last(x, axis):
    axis %= x.ndim
    order = ops.argsort(x, axis).numpy()
    np.testing.assert_array_equal(order, np.argsort(x, axis, kind="stable"))
    np.testing.assert_array_equal(ops.sort(x, axis).numpy(), np.take_along_axis(x, order, axis))
    for dtype in ("bfloat16", "float16"):
        narrow = Tensor(x, dtype)
        np.testing.assert_array_equal(ops.argsort(narrow, axis).numpy(), order)
        np.testing.assert_array_equal(ops.sort(narrow, axis).numpy().astype("float32"), np.sort(x, axis))


@FEW
@given(TIED, st.integers(0, 8), st.integers(0, 2))
def test_a_partition_is_that_of_the_stable_order(x, kth, axis):
    axis %= x.ndim
    kth %= x.shape[axis]
    order = np.moveaxis(np.argsort(x, axis, kind="stable"), axis, -1)
    found = np.moveaxis(ops.argpartition(x, kth, axis).numpy(), axis, -1)
    np.testing.assert_array_equal(found[..., :kth], np.sort(order[..., :kth], -1))
    np.testing.assert_array_equal(found[..., kth], order[..., kth])
    np.testing.assert_array_equal(found[..., kth + 1 :], np.sort(order[..., kth + 1 :], -1))
    negative = ops.argpartition(Tensor(x, "bfloat16"), kth - x.shape[axis], axis)
    np.testing.assert_array_equal(np.moveaxis(negative.numpy(), axis, -1), found)


@FEW
@given(TIED, st.integers(0, 9))
def test_the_largest_come_in_order_the_first_of_equal_ones_first(x, k):
    size = x.shape[-1]
    k = min(k, size)
    descending = size - 1 - np.argsort(x[..., ::-1], -1, kind="stable")[..., ::-1][..., :k]
    values, indices = ops.top_k(x, k)
    np.testing.assert_array_equal(indices.numpy(), descending)
    np.testing.assert_array_equal(values.numpy(), np.take_along_axis(x, descending, -1))
    assert indices.dtype == "int32" and values.dtype == x.dtype


def test_the_largest_of_many_are_found_without_a_full_sort():
    x = np.array([[3, 9, 9, 1, 9, 0, 2, 5, 9], [NAN, 1, 2, NAN, 3, NAN, 0, 0, 0]], "float32")
    values, indices = ops.top_k(x, 2)
    assert indices.tolist() == [[1, 2], [0, 3]]
    np.testing.assert_array_equal(values.numpy(), [[9, 9], [NAN, NAN]])
    assert ops.top_k(np.zeros(50, "uint8"), 3)[1].tolist() == [0, 1, 2]
    assert ops.top_k(np.array([False, True] * 5), 2)[1].tolist() == [1, 3]


@pytest.mark.parametrize(
    "call",
    [
        lambda x: ops.sort(x),
        lambda x: ops.sort(x, 0),
        lambda x: ops.sort(x, None),
        lambda x: ops.top_k(x, 2)[0],
        lambda x: ops.top_k(x, 1)[0],
        lambda x: ops.top_k(ops.reshape(x, (-1,)), 3)[0],
        lambda x: ops.unique(x),
        lambda x: ops.unique(x, axis=1, size=6),
        lambda x: ops.unique(x, size=3, fill_value=2.0),
    ],
)
def test_the_gradient_goes_where_the_element_came_from(call):
    check_gradients(call, [np.random.default_rng(3).permutation(20).reshape(4, 5) * 0.3])


def test_indices_have_no_gradient():
    x = Tensor([3.0, 1.0, 2.0])
    for call in (
        lambda: ops.argsort(x),
        lambda: ops.argpartition(x, 1),
        lambda: ops.top_k(x, 2)[1],
        lambda: ops.searchsorted(x, x),
        lambda: ops.nonzero(x)[0],
        lambda: ops.unique(x, return_inverse=True)[1],
    ):
        with GradientTape() as tape:
            tape.watch(x)
            y = ops.cast(call(), "float32")
        assert tape.gradient(y, x) is None


def test_equal_elements_leave_the_gradient_to_the_first_and_a_fill_value_has_its_own():
    x, fill = Tensor([2.0, 1.0, 2.0]), Tensor(7.0)
    with GradientTape() as tape:
        tape.watch([x, fill])
        y = ops.unique(x, size=4, fill_value=fill)
    gradient, of_fill = tape.gradient(y, [x, fill])
    assert y.tolist() == [1.0, 2.0, 7.0, 7.0]
    assert gradient.tolist() == [1.0, 1.0, 0.0] and float(of_fill) == 2.0


@pytest.mark.parametrize("dtype", ALL)
def test_dtypes(dtype):
    for x in (Tensor([[1, 0, 1], [0, 1, 1]], dtype), AbstractTensor((2, 3), dtype)):
        assert ops.sort(x).dtype == dtype
        assert ops.argsort(x).dtype == ops.argpartition(x, 1).dtype == "int32"
        assert [y.dtype.name for y in ops.top_k(x, 1)] == [dtype, "int32"]
        assert ops.in_top_k([0, 1], x, 1).dtype == ops.isin(x, x).dtype == "bool"
        assert ops.searchsorted(x[0], x).dtype == ops.digitize(x, x[0]).dtype == "int32"
        assert [y.dtype.name for y in ops.unique(x, return_index=True, return_counts=True)] == [dtype, "int32", "int32"]
        assert [y.dtype.name for y in ops.nonzero(x)] == ["int32"] * 2


def test_values_are_compared_in_the_dtype_that_they_promote_to():
    assert ops.searchsorted([1, 2, 3], [1.5, 2.5]).tolist() == [1, 2]
    assert ops.searchsorted([1, 2, 3], 2.5).tolist() == 2
    assert ops.digitize(Tensor([1, 2], "uint8"), [1.5]).tolist() == [0, 1]
    assert ops.isin(Tensor([1, 2], "uint8"), [2.0, 1.5]).tolist() == [False, True]
    assert ops.isin([True, False], [1]).tolist() == [True, False]
    assert ops.isin(3, [1, 2, 3]).tolist() is True
    assert ops.searchsorted(Tensor([1.0, NAN], "bfloat16"), Tensor([NAN, 2.0], "bfloat16")).tolist() == [1, 1]


def test_nan_equals_nothing_and_nothing_is_in_nothing():
    assert ops.isin([NAN, 1.0], [NAN, 1.0]).tolist() == [False, True]
    assert ops.isin([NAN, 1.0], [NAN, 1.0], invert=True).tolist() == [True, False]
    assert ops.isin([1.0, 2.0], np.zeros(0, "float32")).tolist() == [False, False]
    np.testing.assert_array_equal(ops.unique([NAN, 1.0, NAN]).numpy(), [1, NAN, NAN])


def test_targets_among_the_largest():
    predictions = np.array([[0.1, 0.4, 0.4, 0.2], [NAN, 3, 2, 1], [1, 2, 3, 4]], "float32")
    assert ops.in_top_k([2, 1, 0], predictions, 1).tolist() == [True, False, False]
    assert ops.in_top_k([1, 1, 0], predictions, 2).tolist() == [True, True, False]
    assert ops.in_top_k([3, 2, 0], predictions, 3).tolist() == [True, True, False]
    assert ops.in_top_k(2, predictions[0], 1).tolist() is True
    assert ops.in_top_k(targets=[[0, 1]], predictions=predictions[None, :2], k=4).tolist() == [[True, True]]
    assert ops.in_top_k([0], [[NAN, 1.0]], 1).tolist() == [False]  # how large NaN is cannot be told


@FEW
@given(
    npst.arrays(
        np.int32, npst.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=6), elements=st.integers(0, 3)
    ),
    st.sampled_from([None, 0, -1]),
    st.integers(0, 7),
)
def test_distinct_elements(x, axis, size):
    if axis is not None and 0 in x.shape:
        return
    values, first, inverse, counts = np.unique(x, True, True, True, axis)
    inverse = inverse.reshape(x.shape if axis is None else -1)
    options = {"return_index": True, "return_inverse": True, "return_counts": True, "axis": axis}
    found = ops.unique(x, **options)
    place = 0 if axis is None else axis
    for y, expected in zip(found, (values, first, inverse, counts), strict=True):
        np.testing.assert_array_equal(y.numpy(), expected)
    fitted = ops.unique(x, size=size, fill_value=-5, **options)
    number = values.shape[place]
    head = [slice(None)] * values.ndim
    head[place] = slice(0, min(size, number))
    np.testing.assert_array_equal(fitted[0].numpy()[tuple(head)], values[tuple(head)])
    head[place] = slice(number, None)
    assert fitted[0].shape[place] == size and (fitted[0].numpy()[tuple(head)] == -5).all()
    for y, expected in ((fitted[1], first), (fitted[3], counts)):
        assert y.tolist() == [*expected[:size], *[0] * (size - number)]
    np.testing.assert_array_equal(fitted[2].numpy(), found[2].numpy())


def test_how_many_results_a_unique_gives():
    assert ops.unique([3, 1, 3]).tolist() == [1, 3]
    values, counts = ops.unique([3, 1, 3], return_counts=True)
    assert (values.tolist(), counts.tolist()) == ([1, 3], [1, 2])
    assert ops.unique(5, return_index=True)[1].tolist() == [0]
    assert ops.unique([[1, 0, 0], [0, 1, 0], [1, 0, 0]], axis=0).tolist() == [[0, 1, 0], [1, 0, 0]]


def test_unknown_sizes():
    n = unknown("n")
    x = AbstractTensor((n, 3))
    assert ops.unique(x).shape == (None,) and ops.unique(x).dims[0] is not n
    assert [y.shape for y in ops.unique(x, axis=1, return_inverse=True)] == [(None, None), (3,)]
    assert ops.unique(x, axis=1).dims[0] == n
    assert [y.shape for y in ops.nonzero(x)] == [(None,)] * 2
    assert ops.nonzero(x)[0].dims[0] is not n
    assert ops.top_k(AbstractTensor((2, n)), 5)[0].shape == (2, 5)
    assert ops.argpartition(AbstractTensor((n,)), -2).dims == (n,)


def refused(call, text):
    with pytest.raises(ValueError) as caught:
        call()
    assert str(caught.value).startswith(text), str(caught.value)


def test_messages():
    x = np.ones((2, 3), "float32")
    refused(lambda: ops.sort(x, 2), "sort: axis: expected an integer in [-2, 2) for 2 axes, got 2")
    refused(lambda: ops.sort(x, (0, 1)), "sort: axis: expected an integer in [-2, 2) for 2 axes, got (0, 1)")
    refused(lambda: ops.argsort(x, 0.5), "argsort: axis: expected an integer in [-2, 2) for 2 axes, got 0.5")
    refused(lambda: ops.argsort(1.0), "argsort: axis: expected an integer in [0, 0) for 0 axes, got -1")
    refused(lambda: ops.argpartition(x, 3), "argpartition: expected kth from -3 to 2 along axis 1, got 3.")
    refused(lambda: ops.argpartition(x, 1.5), "argpartition: expected an integer as kth, got 1.5.")
    refused(lambda: ops.argpartition(x, 0, 2), "argpartition: axis: expected an integer in [-2, 2)")
    refused(
        lambda: ops.top_k(x, 4), "top_k: expected k from 0 to the size of the last axis, got k=4 for float32[2, 3]."
    )
    refused(lambda: ops.top_k(x, -1), "top_k: expected k from 0 to the size of the last axis, got k=-1")
    refused(lambda: ops.top_k(x, 1.0), "top_k: expected an integer as k, got 1.0.")
    refused(lambda: ops.top_k(1.0, 1), "top_k: expected a tensor with at least one axis, got float32[].")
    refused(
        lambda: ops.in_top_k([1], x, 1),
        "in_top_k: expected a target for each row of predictions, got targets int32[1] and predictions float32[2, 3].",
    )
    refused(lambda: ops.in_top_k([[1, 1]], x, 1), "in_top_k: expected a target for each row of predictions")
    refused(lambda: ops.in_top_k([1.0, 2], x, 1), "in_top_k: expected integers as targets, got float32[2].")
    refused(
        lambda: ops.searchsorted(x, 1.0), "searchsorted: expected a sorted sequence with one axis, got float32[2, 3]."
    )
    refused(
        lambda: ops.searchsorted(x[0], x, "middle"), "searchsorted: expected 'left' or 'right' as side, got 'middle'."
    )
    refused(lambda: ops.digitize(x, x), "digitize: expected bins with one axis, got float32[2, 3].")
    refused(lambda: ops.nonzero(1.0), "nonzero: expected a tensor with at least one axis, got float32[].")
    refused(lambda: ops.unique(x, axis=2), "unique: axis: expected an integer in [-2, 2) for 2 axes, got 2")
    refused(lambda: ops.unique(x, size=-1), "unique: expected a size of at least 0, got -1.")
    refused(lambda: ops.unique(x, size=2.5), "unique: expected an integer as size, got 2.5.")
