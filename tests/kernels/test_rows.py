"""Picking and adding rows equals NumPy to the bit, for every tail, any threads; no index out of range is followed."""

import numpy as np
import pytest

from eagerly import GradientTape, Tensor, Variable, kernels, ops
from eagerly.kernels import headers, launches
from eagerly.layers import Embedding
from eagerly.ops import arrays, lookups
from eagerly.ops.indexing import PLACE
from eagerly.primitive import REGISTRY
from eagerly.tensor import AbstractTensor

INTEGERS = [np.int32, np.int64]
COLUMNS = [*range(1, 19), 31, 32, 33, 47, 64, 65, 100]


@pytest.fixture(autouse=True)
def any_size(made, monkeypatch):
    """Kernels are asked for, whatever the size."""
    monkeypatch.setattr(lookups, "_MANY", 0)
    monkeypatch.setattr(lookups, "_SOME", 0)


def floats(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def integers(low, high, *shape, dtype=np.int64):
    return np.random.default_rng(1).integers(low, high, shape).astype(dtype)


def sums(shape, index, values):
    expected = np.zeros(shape, np.float32)
    np.add.at(expected, index, values)
    return expected


@pytest.mark.parametrize("dtype", INTEGERS)
def test_rows(dtype):
    for columns in COLUMNS:
        table, index, values = floats(11, columns), integers(-11, 11, 40, dtype=dtype), floats(40, columns, seed=2)
        values[3], values[4] = np.nan, np.inf
        np.testing.assert_array_equal(lookups.taken(table, [index], (PLACE,)), table[index])
        np.testing.assert_array_equal(lookups.added(values, (index,), table.shape), sums(table.shape, index, values))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "float16", "float64", "complex128", "bfloat16"])
def test_rows_of_other_dtypes(dtype):
    table = ops.cast(integers(0, 2, 7, 3, 5), dtype).numpy()
    index = integers(-7, 7, 2, 4)
    np.testing.assert_array_equal(lookups.taken(table, [index], (PLACE,)), table[index])
    assert (lookups.added(table, (index,), (9, 3, 5)) is None) or dtype == "float32"


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("shape", [(1,), (5,), (3, 7), (2, 3, 50), (600, 40)])
@pytest.mark.parametrize("count", [1, 2, 9])
def test_along_the_last_axis(dtype, shape, count):
    x, index = floats(*shape), integers(-shape[-1], shape[-1], *shape[:-1], count, dtype=dtype)
    values = floats(*index.shape, seed=3)
    for axis in (-1, len(shape) - 1):
        np.testing.assert_array_equal(lookups.taken_along(x, index, axis), np.take_along_axis(x, index, axis))
        places = list(np.ogrid[tuple(map(slice, shape))])
        places[-1] = index
        found = lookups.added_along(values, index, axis, shape)
        np.testing.assert_array_equal(found, sums(shape, tuple(places), values))
    wide = x.astype(np.float64)
    np.testing.assert_array_equal(lookups.taken_along(wide, index, -1), np.take_along_axis(wide, index, -1))


def test_what_is_left_to_numpy():
    x, index = floats(4, 5), integers(0, 4, 4, 2)
    assert lookups.taken(x.T, [index], (PLACE,)) is None
    assert lookups.taken(x, [index.astype(np.int16)], (PLACE,)) is None
    assert lookups.taken(x, [index], (slice(None), PLACE)) is None
    assert lookups.taken_along(x, index, 0) is None
    assert lookups.taken_along(x, index[:1], 1) is None  # which broadcasts
    assert lookups.added(floats(5), (index,), (4, 5)) is None  # which broadcasts too
    assert lookups.added(floats(4, 2), (slice(2), index), (4, 5)) is None


def test_same_bits_for_any_number_of_threads(threads):
    table, index, values = floats(3000, 100), integers(0, 30, 5000), floats(5000, 100, seed=4)
    along, picked = integers(0, 100, 3000, 7), floats(3000, 7)
    results = []
    for number in (1, 2, 3, 7):
        threads(number)
        found = (
            lookups.taken(table, [index], (PLACE,)),
            lookups.added(values, (index,), table.shape),
            lookups.taken_along(table, along, 1),
            lookups.added_along(picked, along, 1, table.shape),
        )
        results.append([y.tobytes() for y in found])
    assert all(result == results[0] for result in results)


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("wrong", [5, -6, 2**31 - 1, -(2**31)])
def test_index_out_of_range_raises_what_numpy_raises(dtype, wrong):
    x, index = floats(5, 5), np.full((5, 3), 4, dtype)
    index[1, 1], index[2, 0] = wrong, 99
    calls = [
        (0, lambda: arrays.getitem(x, index, key=(PLACE,))),
        (0, lambda: arrays.scatter(floats(5, 3, 5), index, key=(PLACE,), shape=(5, 5))),
        (1, lambda: arrays.take_along_axis(x, index, axis=1)),
        (1, lambda: arrays.add_along_axis(floats(5, 3), index, axis=1, shape=(5, 5))),
    ]
    for axis, call in calls:
        with pytest.raises(IndexError, match=rf"^index {wrong} is out of bounds for axis {axis} with size 5"):
            call()


def test_huge_indices_are_seen():
    for wrong in (2**63 - 1, -(2**63), 2**32):
        with pytest.raises(IndexError, match=f"^index {wrong} is out of bounds for axis 0 with size 5"):
            lookups.taken(floats(5, 5), [np.array([0, wrong])], (PLACE,))


def test_table_without_rows():
    with pytest.raises(IndexError, match="index 0 is out of bounds for axis 0 with size 0"):
        lookups.taken(np.empty((0, 3), np.float32), [np.array([0])], (PLACE,))
    assert lookups.taken(np.empty((0, 3), np.float32), [np.empty(0, np.int64)], (PLACE,)).shape == (0, 3)


def table_of(*calls):
    """The launches with their operands as a table, and these operands."""
    operands = [operand for _, arrays in calls for operand in arrays]
    blocks = [np.array([*[0] * (len(arrays) + 1), *launch.words], np.int64) for launch, arrays in calls]
    entries = [
        word for (launch, _), block in zip(calls, blocks, strict=True) for word in (launch.address, block.ctypes.data)
    ]
    words = [
        block.ctypes.data + 8 * i for (_, arrays), block in zip(calls, blocks, strict=True) for i in range(len(arrays))
    ]
    places = np.array([(number, word, 0, headers.IN_ORDER) for number, word in enumerate(words)], np.int64)
    table = launches.Table(np.array(entries, np.int64), places, len(operands))
    return lambda: (blocks, table.run([*map(id, operands)], 0, len(calls)))[1]


def test_a_table_of_launches_ends_where_one_fails():
    take, along = kernels.launch("rows", "take", 2, 5, 3), kernels.launch("rows", "take_along", 2, 3, 1)
    x, y, z, index = floats(5, 3), np.zeros((2, 3), np.float32), np.zeros((2, 1), np.float32), np.array([1, 7])
    run = table_of((take, (y, x, index)), (along, (z, y, np.zeros(2, np.int64))))
    for _ in range(2):
        with pytest.raises(IndexError, match="^index 7 is out of bounds for axis 0 with size 5$"):
            run()
        assert not y.any() and not z.any()
    index[1] = -1
    assert run() == -1
    assert (y == x[[1, 4]]).all() and (z == y[:, :1]).all()


def test_who_can_fail_says_how():
    with pytest.raises(ValueError, match="a kernel that can fail has a status and an error"):
        launches.Launch(1600 + 4, 1, ())
    with pytest.raises(ValueError, match="a kernel that can fail has a status and an error"):
        launches.Launch(1600, 1, (), 0, IndexError)


def test_rules_for_graphs():
    def abstract(x):
        return AbstractTensor(x.shape, x.dtype)

    x, index, along = floats(6, 2, 3), integers(-6, 6, 4), integers(0, 3, 6, 2, 5)
    values = {"scatter": floats(4, 2, 3), "add_along_axis": floats(6, 2, 5)}
    for name, operands, options in [
        ("getitem", (x, index), {"key": (PLACE,)}),
        ("scatter", (values["scatter"], index), {"key": (PLACE,), "shape": x.shape}),
        ("take_along_axis", (x, along), {"axis": 2}),
        ("add_along_axis", (values["add_along_axis"], along), {"axis": -1, "shape": x.shape}),
    ]:
        launch = REGISTRY[name].kernel_rule(*map(abstract, operands), **options)
        expected = REGISTRY[name](
            *(operand.astype(np.float64) if operand is operands[0] else operand for operand in operands), **options
        )
        y = np.empty(expected.shape, np.float32)
        launch(y, *operands)
        np.testing.assert_allclose(y, expected, rtol=1e-6)


def test_embedding_with_kernels_equals_one_without(monkeypatch):
    layer = Embedding(50, 12)
    index = integers(0, 50, 8, 30)

    def step():
        with GradientTape() as tape:
            loss = ops.sum(ops.square(layer(index)))
        return loss.numpy(), tape.gradient(loss, layer.trainable_variables)[0].numpy()

    with_kernels = step()
    monkeypatch.setattr(kernels, "launch", lambda *key: None)
    for one, other in zip(with_kernels, step(), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match=r"expected integers in \[0, 50\), got 50"):
        layer(np.array([[50]]))


def test_gradient_of_a_gradient():
    table, index = Variable(floats(7, 5)), Tensor(integers(0, 7, 9))
    with GradientTape() as outer:
        with GradientTape() as inner:
            y = ops.sum(ops.take(table, index, axis=0) ** 3)
        (g,) = inner.gradient(y, [table])
        z = ops.sum(ops.convert_to_tensor(g) ** 2)
    counts = np.bincount(index.numpy(), minlength=7)[:, None]
    x = table.numpy()
    np.testing.assert_allclose(outer.gradient(z, table).numpy(), 36 * counts**2 * x**3, rtol=1e-5)
