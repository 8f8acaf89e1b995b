"""Flips, rolls, repeats and differences: NumPy on random options, gradients, dtypes, unknown sizes, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eagerly import ops
from eagerly.dimensions import unknown
from eagerly.errors import TraceError
from eagerly.tensor import AbstractTensor, Tensor
from eagerly.variable import Variable
from gradients import check_gradients


def run(max_examples):
    return settings(max_examples=max_examples, deadline=None, derandomize=True)


def numbered(shape):
    return np.arange(int(np.prod(shape)), dtype=np.float64).reshape(shape)


@st.composite
def shaped(draw, least=0):
    return tuple(draw(st.lists(st.integers(0, 3), min_size=least, max_size=4)))


def axes_of(shape, draw, least=0):
    """Some of the axes, in any order, of either sign."""
    axes = draw(st.permutations(range(len(shape))))[: draw(st.integers(least, len(shape)))]
    return [axis - draw(st.sampled_from([0, len(shape)])) for axis in axes]


def same(result, expected):
    assert type(result) is Tensor
    assert result.shape == expected.shape
    np.testing.assert_array_equal(result.numpy(), expected)


@run(100)
@given(shaped(), st.data())
def test_axes_in_another_order(shape, data):
    x = numbered(shape)
    source = axes_of(shape, data.draw)
    target = [axis for axis in data.draw(st.permutations(range(len(shape))))][: len(source)]
    same(ops.moveaxis(x, source, target), np.moveaxis(x, source, target))
    axes = data.draw(st.none() | st.just(tuple(source)))
    same(ops.flip(x, axes), np.flip(x, axes))
    if shape:
        first, second = source[0] if source else 0, len(shape) - 1
        same(ops.swapaxes(x, first, second), np.swapaxes(x, first, second))


@run(100)
@given(shaped(), st.data())
def test_rolls(shape, data):
    x = numbered(shape)
    shifts = st.integers(-9, 9)
    same(ops.roll(x, shift := data.draw(shifts)), np.roll(x, shift))
    if axes := axes_of(shape, data.draw):
        each = data.draw(st.lists(shifts, min_size=len(axes), max_size=len(axes)))
        same(ops.roll(x, each, axes), np.roll(x, each, axes))
        same(ops.roll(x, shift, axes), np.roll(x, shift, axes))
        same(ops.roll(Variable(x), Tensor(each), Tensor(axes)), np.roll(x, each, axes))


@run(100)
@given(shaped(), st.data())
def test_tiles_and_repeats(shape, data):
    x = numbered(shape)
    counts = data.draw(st.lists(st.integers(0, 3), min_size=0, max_size=5))
    same(ops.tile(x, counts), np.tile(x, counts))
    same(ops.tile(x, np.array(counts, int)), np.tile(x, counts))
    axis = data.draw(st.sampled_from([None, *range(-len(shape), len(shape))]))
    count = data.draw(st.integers(0, 3))
    same(ops.repeat(x, count, axis), np.repeat(x, count, axis))
    size = x.size if axis is None else shape[axis]
    each = np.array(data.draw(st.lists(st.integers(0, 3), min_size=size, max_size=size)), int)
    for given_as in (each.tolist(), Tensor(each, "int32"), each):
        same(ops.repeat(x, given_as, axis), np.repeat(x, each, axis))


@run(60)
@given(shaped(least=1), st.data())
def test_differences(shape, data):
    x = numbered(shape) ** 2
    axis, n = data.draw(st.integers(-len(shape), len(shape) - 1)), data.draw(st.integers(0, 5))
    same(ops.diff(x, n, axis), np.diff(x, n, axis))
    truth = x % 3 == 0
    same(ops.diff(truth, n, axis), np.diff(truth, n, axis))


@run(40)
@given(shaped(least=2), st.integers(-5, 5), st.data())
def test_turns(shape, k, data):
    x = numbered(shape)
    axes = tuple(data.draw(st.permutations(range(-len(shape), 0)))[:2])
    same(ops.rot90(x, k, axes), np.rot90(x, k, axes))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: ops.moveaxis(x, 0, -1),
        lambda x: ops.swapaxes(x, 0, 2),
        lambda x: ops.flip(x, (0, 2)),
        lambda x: ops.rot90(x, 3, (0, 2)),
        lambda x: ops.roll(x, 4),
        lambda x: ops.roll(x, (1, -2), (0, 2)),
        lambda x: ops.tile(x, (2, 1, 3, 2)),
        lambda x: ops.repeat(x, 3, 1),
        lambda x: ops.repeat(x, [2, 0, 1], 1),
        lambda x: ops.diff(x, 2),
        lambda x: ops.diff(x, 1, 0),
        lambda x: ops.ravel(x),
    ],
)
def test_gradients(function):
    check_gradients(lambda x: function(ops.square(x)), [np.random.default_rng(0).standard_normal((2, 3, 4))])


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int32", "float16", "bfloat16", "float32", "float64"])
def test_every_dtype_stays(dtype):
    x = Tensor(np.array([[0, 1], [1, 0]]), dtype)
    for y in (
        ops.flip(x),
        ops.roll(x, 1, 0),
        ops.rot90(x),
        ops.tile(x, 2),
        ops.repeat(x, 2),
        ops.repeat(x, [1, 2], 0),
        ops.diff(x),
        ops.moveaxis(x, 0, 1),
        ops.ravel(x),
    ):
        assert y.dtype == x.dtype


def test_unknown_sizes_keep_their_symbols():
    n, m = unknown("n"), unknown("m")
    x = AbstractTensor((n, m))
    assert ops.roll(x, 3, (0, 1)).dims == (n, m)
    assert ops.roll(x, n, 0).dims == (n, m)
    assert ops.flip(x).dims == (n, m)
    assert ops.rot90(x).dims == (m, n)
    assert ops.tile(x, (2, n)).dims == (n * 2, m * n)
    assert ops.repeat(x, m, 0).dims == (n * m, m)
    assert ops.repeat(x, [1, 2, 3], 0).dims == (6, m)
    assert (ops.diff(AbstractTensor((n + 1, 2)), axis=0) + AbstractTensor((n, 2))).dims == (n, 2)
    with pytest.raises(TraceError, match="has no value"):
        ops.repeat(x, AbstractTensor((), "int32"), 0)
    with pytest.raises(TraceError, match="has no value"):
        ops.roll(x, AbstractTensor((), "int32"))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ops.moveaxis(np.ones((2, 3)), 2, 0), ["moveaxis: source", "[-2, 2)", "got 2"]),
        (lambda: ops.moveaxis(np.ones((2, 3)), 0, 5), ["moveaxis: destination", "got 5"]),
        (lambda: ops.moveaxis(np.ones((2, 3)), (0, -2), (0, 1)), ["moveaxis: source", "different axes", "(0, -2)"]),
        (lambda: ops.moveaxis(np.ones((2, 3)), (0, 1), 0), ["moveaxis", "as many destinations", "(0, 1) and 0"]),
        (lambda: ops.swapaxes(np.ones(2), 0, 1), ["swapaxes: axis2", "[-1, 1)", "got 1"]),
        (lambda: ops.swapaxes(np.ones(2), 3, 0), ["swapaxes: axis1", "got 3"]),
        (lambda: ops.flip(np.ones(2), 1), ["flip: axis", "[-1, 1)", "got 1"]),
        (lambda: ops.fliplr(np.ones(2)), ["fliplr", "at least 2 axes", "float64[2]"]),
        (lambda: ops.flipud(np.ones(())), ["flipud", "at least 1 axes", "float64[]"]),
        (lambda: ops.rot90(np.ones((2, 2)), 1, (0, 1, 2)), ["rot90", "two axes", "(0, 1, 2)"]),
        (lambda: ops.rot90(np.ones((2, 2)), 1, (0, 0)), ["rot90: axes", "different axes", "(0, 0)"]),
        (lambda: ops.rot90(np.ones(2)), ["rot90: axes", "[-1, 1)", "got 1"]),
        (
            lambda: ops.roll(np.ones((2, 2)), (1, 2, 3), (0, 1)),
            ["roll", "as many shifts", "(1, 2, 3)", "float64[2, 2]"],
        ),
        (lambda: ops.roll(np.ones(2), 1, 1), ["roll: axis", "[-1, 1)", "got 1"]),
        (lambda: ops.roll(np.ones(2), 1.5), ["roll: shift", "expected integers", "1.5"]),
        (lambda: ops.roll(np.ones(2), Tensor([1.5])), ["roll: shift", "expected integers", "[1.5]"]),
        (lambda: ops.tile(np.ones(2), -1), ["tile", "repeats >= 0", "-1"]),
        (lambda: ops.tile(np.ones(2), "2"), ["tile: repeats", "expected integers", "'2'"]),
        (lambda: ops.repeat(np.ones(2), -1), ["repeat", "repeats >= 0", "-1"]),
        (lambda: ops.repeat(np.ones(2), [1, -1]), ["repeat", "repeats >= 0", "[1, -1]"]),
        (lambda: ops.repeat(np.ones((2, 3)), [1, 2, 3], 0), ["repeat", "one number or 2", "axis 0", "got 3"]),
        (lambda: ops.repeat(np.ones(2), 1, 1), ["repeat: axis", "[-1, 1)", "got 1"]),
        (lambda: ops.diff(np.ones(2), -1), ["diff", "n >= 0", "-1"]),
        (lambda: ops.diff(np.ones(())), ["diff: axis", "got -1"]),
    ],
)
def test_errors_name_operation_expected_and_given(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)
