"""Joining and cutting: NumPy on random parts, gradients, dtypes, unknown sizes, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eagerly import ops
from eagerly.dimensions import unknown
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from eagerly.variable import Variable
from gradients import check_gradients


def run(max_examples):
    return settings(max_examples=max_examples, deadline=None, derandomize=True)


def numbered(shape):
    return np.arange(int(np.prod(shape)), dtype=np.float64).reshape(shape)


SHAPES = st.lists(st.integers(0, 4), min_size=1, max_size=4).map(tuple)


def same_parts(results, expected):
    assert type(results) is list
    for result, part in zip(results, expected, strict=True):
        assert type(result) is Tensor and result.shape == part.shape
        np.testing.assert_array_equal(result.numpy(), part)


@run(100)
@given(SHAPES, st.data())
def test_parts_are_those_of_numpy(shape, data):
    x = numbered(shape)
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    count = data.draw(st.integers(1, 5))
    same_parts(ops.array_split(x, count, axis), np.array_split(x, count, axis))
    if shape[axis] % count == 0:
        same_parts(ops.split(x, count, axis), np.split(x, count, axis))
    else:
        with pytest.raises(ValueError, match=f"split: expected a size that {count} sections divide"):
            ops.split(x, count, axis)
    cuts = data.draw(st.lists(st.integers(-5, 6), max_size=4))
    for given_as in (cuts, tuple(cuts), np.array(cuts, int), Tensor(cuts, "int32")):
        same_parts(ops.split(x, given_as, axis), np.split(x, cuts, axis))
        same_parts(ops.array_split(x, given_as, axis), np.array_split(x, cuts, axis))
    same_parts(ops.unstack(Variable(x), axis=axis), list(np.moveaxis(x, axis, 0)))


@run(100)
@given(st.lists(st.lists(st.integers(1, 3), max_size=4).map(tuple), min_size=1, max_size=3))
def test_stacks_are_those_of_numpy(shapes):
    arrays = [numbered(shape) for shape in shapes]
    for name in ("hstack", "vstack", "dstack"):
        try:
            expected = getattr(np, name)(arrays)
        except ValueError:
            with pytest.raises(ValueError, match="concatenate: expected equal shapes"):
                getattr(ops, name)(arrays)
            continue
        result = getattr(ops, name)(tuple(arrays))
        assert result.shape == expected.shape
        np.testing.assert_array_equal(result.numpy(), expected)


@run(40)
@given(st.lists(st.lists(st.integers(0, 3), max_size=2).map(tuple), max_size=4), st.sampled_from(["xy", "ij"]))
def test_grids_are_those_of_numpy(shapes, indexing):
    arrays = [numbered(shape) for shape in shapes]
    same_parts(ops.meshgrid(*arrays, indexing=indexing), np.meshgrid(*arrays, indexing=indexing))


def test_a_tensor_of_rows_is_a_sequence_of_them():
    x = Tensor([[1, 2], [3, 4]])
    assert ops.hstack(x).tolist() == [1, 2, 3, 4]
    assert ops.vstack(x.numpy()).tolist() == [[1, 2], [3, 4]]


def test_grids_of_numbers_and_of_different_dtypes():
    a, b, c = ops.meshgrid(2, [1.5, 2.5], True)
    assert [x.dtype.name for x in (a, b, c)] == ["int32", "float32", "bool"]
    assert b.tolist() == [[[1.5]], [[2.5]]]


@run(60)
@given(st.integers(1, 4), st.integers(0, 2**32))
def test_choices_are_those_of_numpy(count, seed):
    rng = np.random.default_rng(seed)
    conditions = [rng.integers(0, 2, (3, 1) if i % 2 else (4,)).astype(bool) for i in range(count)]
    choices = [rng.standard_normal((3, 4)) for _ in range(count)]
    for default in (0, 2.5, rng.standard_normal(4)):
        expected = np.select([np.broadcast_to(c, (3, 4)) for c in conditions], choices, default)
        np.testing.assert_array_equal(ops.select(conditions, choices, default).numpy(), expected)


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (lambda x, y: ops.append(x, y), [(2, 3), (2,)]),
        (lambda x, y: ops.append(x, y, -1), [(2, 3), (2, 1)]),
        (lambda x, y: ops.hstack([x, y, x]), [(2, 3), (2, 2)]),
        (lambda x, y: ops.vstack([x, y]), [(3,), (2, 3)]),
        (lambda x, y: ops.dstack([x, y]), [(2, 3), (2, 3, 2)]),
        (lambda x: ops.split(x, [1, 2, 2, -1], 1), [(2, 5)]),
        (lambda x: ops.array_split(x, 3, 1)[1:], [(2, 5)]),
        (lambda x: ops.unstack(x, axis=1)[::2], [(2, 3)]),
        (lambda x, y: ops.meshgrid(x, y), [(3,), (2,)]),
        (lambda x, y: ops.select([x > y, x > 0], [x, x * y], y), [(3, 4), (4,)]),
    ],
)
def test_gradients(function, shapes):
    arrays = [np.random.default_rng(i).standard_normal(shape) for i, shape in enumerate(shapes)]
    check_gradients(lambda *xs: function(*map(ops.square, xs)), arrays)


def test_the_default_of_a_choice_has_a_gradient():
    value = Variable(2.0)
    with GradientTape() as tape:
        y = ops.select([[True, False, False]], [[1.0, 2.0, 3.0]], value)
    assert y.tolist() == [1.0, 2.0, 2.0]
    assert float(tape.gradient(y, value)) == 2.0


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda x: ops.append(x("int32"), x("float16")), "float16"),
        (lambda x: ops.append(x("float16"), x("bfloat16"), 0), "float32"),
        (lambda x: ops.append(x("float16"), 2.5), "float16"),  # PyTorch's makes a float32 of the number first
        (lambda x: ops.hstack([x("uint8"), x("int8")]), "int16"),
        (lambda x: ops.vstack([x("bool"), x("bool")]), "bool"),
        (lambda x: ops.dstack([x("int32"), x("float32")]), "float32"),
        (lambda x: ops.select([x("bool")], [x("int8")], 2), "int8"),
        (lambda x: ops.select([x("bool")], [x("int8")], 0.5), "float32"),
        (lambda x: ops.select([x("bool")], [x("bool")]), "int32"),
        (lambda x: ops.select([x("bool"), x("int32")], [x("float16"), x("bfloat16")]), "float32"),
        (lambda x: ops.split(x("bfloat16"), 2)[1], "bfloat16"),
    ],
)
def test_dtypes(call, expected):
    assert call(lambda dtype: Tensor([[1, 0], [1, 1]], dtype)).dtype == expected
    assert call(lambda dtype: AbstractTensor((2, 2), dtype)).dtype == expected


def test_unknown_sizes():
    n, m = unknown("n"), unknown("m")
    x = AbstractTensor((n, m))
    assert [part.dims for part in ops.split(x, 2)] == [(n // 2, m)] * 2
    assert [part.dims for part in ops.array_split(AbstractTensor((n * 2,)), 2)] == [(n,)] * 2
    assert [part.dims for part in ops.array_split(x, 2, 1)] == [(n, (m + 1) // 2), (n, m // 2)]
    assert [part.dims for part in ops.unstack(x, 3)] == [(m,)] * 3
    assert [part.dims for part in ops.unstack(AbstractTensor((n, 2)), axis=-1)] == [(n,)] * 2
    assert ops.append(x, AbstractTensor((2, m)), 0).dims == (n + 2, m)
    assert ops.append(x, x).dims == (n * m * 2,)
    assert ops.hstack([AbstractTensor((n,)), AbstractTensor((m,))]).dims == (n + m,)
    assert [grid.dims for grid in ops.meshgrid(AbstractTensor((n,)), AbstractTensor((m,)))] == [(m, n)] * 2
    assert ops.select([AbstractTensor((m,), "bool")], [x]).dims == (n, m)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ops.append(np.ones((2, 3)), np.ones(3), 0), ["concatenate", "equal shapes", "axis 0"]),
        (lambda: ops.hstack([]), ["concatenate", "at least one tensor"]),
        (lambda: ops.split(np.ones(5), 2), ["split", "2 sections divide", "axis 0", "float64[5]", "array_split"]),
        (lambda: ops.split(np.ones(5), 0), ["split", "sections > 0", "got 0"]),
        (lambda: ops.split(np.ones(5), 2.5), ["split: indices_or_sections", "expected integers", "2.5"]),
        (lambda: ops.split(np.ones(5), [1.5]), ["split: indices_or_sections", "expected integers", "[1.5]"]),
        (lambda: ops.split(np.ones(5), 5, 1), ["split: axis", "[-1, 1)", "got 1"]),
        (lambda: ops.array_split(np.ones(5), -1), ["array_split", "sections > 0", "got -1"]),
        (lambda: ops.array_split(np.ones(5), unknown("n")), ["array_split", "sections > 0", "got n"]),
        (lambda: ops.hsplit(np.ones(()), 1), ["hsplit", "at least 1 axes", "float64[]"]),
        (lambda: ops.hsplit(np.ones(3), 2), ["hsplit", "2 sections divide"]),
        (lambda: ops.vsplit(np.ones(4), 2), ["vsplit", "at least 2 axes", "float64[4]"]),
        (lambda: ops.dsplit(np.ones((4, 4)), 2), ["dsplit", "at least 3 axes", "float64[4, 4]"]),
        (lambda: ops.unstack(np.ones((2, 3)), 3), ["unstack", "the size 2 of axis 0", "got 3", "float64[2, 3]"]),
        (lambda: ops.unstack(np.ones(2), axis=1), ["unstack: axis", "[-1, 1)"]),
        (lambda: ops.unstack(AbstractTensor((unknown("n"), 2))), ["unstack", "expected num", "float32[None, 2]"]),
        (lambda: ops.meshgrid([1], indexing="yx"), ["meshgrid", "'xy' or 'ij'", "'yx'"]),
        (lambda: ops.select([], []), ["select", "not empty", "[] and []"]),
        (lambda: ops.select([[True]], [[1], [2]]), ["select", "as many choices", "int32[1]"]),
        (lambda: ops.select(Tensor([True]), [[1]]), ["select", "in two lists", "bool[1]"]),
    ],
)
def test_errors_name_operation_expected_and_given(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)
