"""Batches: every row once, of every kind of data, cut into arrays of their own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eagerly import ops
from eagerly.data.batches import (
    ArrayBatches,
    IterableBatches,
    batches,
    check_class_weight,
    pack,
    repeated,
    unpack,
    with_class_weight,
)
from eagerly.random import SeedGenerator
from eagerly.tensor import Tensor


@given(rows=st.integers(1, 20), size=st.integers(1, 25), seed=st.none() | st.integers(0, 9))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_every_row_comes_once_with_its_label_and_weight(rows, size, seed):
    x, y = np.arange(rows * 2.0).reshape(rows, 2), np.arange(rows)
    source = ArrayBatches({"a": [x]}, y, y * 0.5, size, None if seed is None else SeedGenerator(seed))
    parts = list(source)
    assert len(parts) == len(source) and all(len(part[1]) == size for part in parts[:-1])
    a = np.concatenate([np.asarray(part[0]["a"][0]) for part in parts])
    labels = np.concatenate([np.asarray(part[1]) for part in parts])
    weights = np.concatenate([np.asarray(part[2]) for part in parts])
    assert sorted(labels) == list(range(rows))
    assert np.array_equal(a, x[labels]) and np.array_equal(weights, labels * 0.5)
    if seed is None:
        assert np.array_equal(labels, y)


@given(rows=st.integers(2, 30), fraction=st.floats(0.01, 0.99))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_split_keeps_the_order_and_loses_nothing(rows, fraction):
    source = ArrayBatches(np.arange(rows), np.arange(rows) * 2, None, 4)
    kept = int(rows * (1 - fraction))
    if not 0 < kept < rows:
        with pytest.raises(ValueError, match=f"leaves rows on both sides of {rows}"):
            source.split(fraction)
        return
    first, (x, y, weight) = source.split(fraction)
    assert first.rows == kept and weight is None
    assert np.array_equal(np.concatenate([np.asarray(part[0]) for part in first]), np.arange(kept))
    assert np.array_equal(x, np.arange(kept, rows)) and np.array_equal(y, x * 2)


@pytest.mark.parametrize("shuffle", [None, SeedGenerator(1)])
def test_batches_are_copies(shuffle):
    x = np.ones((4, 2), "float32")
    (batch,) = ArrayBatches(x, shuffle=shuffle)
    x[:] = 0
    assert isinstance(batch[0], Tensor) and np.all(np.asarray(batch[0]) == 1)
    x = np.ones((4, 2), "float32")
    (batch,) = IterableBatches([(x, x)])
    x[:] = 0
    assert np.all(np.asarray(batch[0]) == 1) and np.all(np.asarray(batch[1]) == 1)


def test_float64_becomes_the_default_float_and_other_dtypes_stay():
    for dtype in ("float64", "float32", "float16", "int64", "uint8", "bool"):
        (batch,) = ArrayBatches(np.ones((2, 1), dtype))
        assert batch[0].dtype == ("float32" if dtype == "float64" else dtype)


def test_data_that_is_not_arrays():
    (batch,) = batches([[1.0, 2.0], [3.0, 4.0]], [1, 2])
    assert batch[0].shape == (2, 2) and batch[1].tolist() == [1, 2]
    (batch,) = batches(ops.convert_to_tensor([[1.0], [2.0]]))
    assert batch[0].shape == (2, 1)
    (batch,) = batches((np.ones((2, 1)), np.zeros((2, 3))))
    assert [part.shape for part in batch[0]] == [(2, 1), (2, 3)]

    class Endless:
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return np.ones((2, 1))

    for wrong in (3, object(), np.float32(1), {"a": "text"}, np.array([None, 1]), [[1, 2], [3]], Endless()):
        with pytest.raises(ValueError, match="x: expected arrays of numbers with a batch axis, got"):
            batches(wrong)


def test_iterables():
    assert len(batches(iter([]))) == 0 and len(batches(iter([]), steps=3)) == 3

    class Sized:
        def __len__(self):
            return 2

        def __iter__(self):
            return iter([np.ones((2, 1))] * 2)

    source = batches(Sized())
    assert len(source) == 2 and len(list(source)) == len(list(source)) == 2
    generator = batches((np.full((1, 1), i) for i in range(5)), steps=2)
    assert [int(x[0, 0]) for x, _, _ in generator] == [0, 1] and [int(x[0, 0]) for x, _, _ in generator] == [2, 3]
    with pytest.raises(ValueError, match="the iterable ended after 1 batches of an epoch of 2"):
        list(generator)
    with pytest.raises(ValueError, match="ended after 0 batches of an epoch. Pass one that can be iterated over again"):
        list(batches(iter([])))
    for wrong in (0, -1, 1.5):
        with pytest.raises(ValueError, match="steps: expected an integer > 0 or None, got"):
            batches(iter([]), steps=wrong)
    with pytest.raises(ValueError, match="data: expected arrays of numbers"):
        list(batches(iter(["text"])))


def test_repeated():
    source = repeated(range(2))
    assert [next(source) for _ in range(5)] == [0, 1, 0, 1, 0]
    assert list(repeated(iter([1, 2]))) == [1, 2] and list(repeated([])) == []


def test_pack_and_unpack_are_inverse():
    x, y, w = object(), object(), object()
    for batch, packed in (
        ((x, None, None), x),
        ((x, y, None), (x, y)),
        ((x, y, w), (x, y, w)),
        (((x, y), None, None), ((x, y),)),
    ):
        assert pack(batch) == packed and unpack(packed) == batch
    assert unpack([x, y]) == (x, y, None) and unpack((x,)) == (x, None, None)
    assert unpack(pack(([x, y], None, None))) == ([x, y], None, None)
    assert unpack((x, None, w)) == (x, None, w) == pack((x, None, w))
    for wrong in ((), (x, y, w, x)):
        with pytest.raises(ValueError, match=f"got a tuple of {len(wrong)}"):
            unpack(wrong)


def test_class_weights():
    assert check_class_weight({np.int64(1): 2, 0: np.float32(1)}) == {1: 2.0, 0: 1.0}
    table = {0: 0.5, 2: 4.0, 7: 9.0}
    for y in ([0, 1, 2], [[0], [1], [2]], [0.2, 1.1, 1.9], np.eye(3)):
        assert with_class_weight(np.array(y), None, table).tolist() == [0.5, 1.0, 4.0]
    assert with_class_weight(np.array([0, -1]), None, table).tolist() == [0.5, 1.0]
    assert with_class_weight(np.array([0, 2]), np.array([[2.0], [3.0]]), table).tolist() == [1.0, 12.0]
    assert with_class_weight(np.array([[0, 2], [1, 0]])[..., None], None, table).tolist() == [[0.5, 4.0], [1.0, 0.5]]
    for y in (None, [np.zeros(2)], {"a": np.zeros(2)}):
        with pytest.raises(ValueError, match="class_weight: expected labels y for one output, got"):
            with_class_weight(y, None, table)
