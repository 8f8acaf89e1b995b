"""Indexing against NumPy, for keys of every kind."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from eagerly import ops
from eagerly.dimensions import Dim, unknown
from eagerly.errors import TraceError
from eagerly.ops import indexing
from eagerly.ops.indexing import PLACE
from eagerly.primitive import REGISTRY
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from eagerly.variable import Variable
from gradients import check_gradients

SHAPES = npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


def run(max_examples):
    return settings(max_examples=max_examples, deadline=None, derandomize=True)


def numbered(shape):
    return np.arange(int(np.prod(shape)), dtype=np.float64).reshape(shape)


@st.composite
def advanced_key(draw, shape):
    """A key that mixes integers, slices, None, an ellipsis, integer arrays and boolean masks."""
    result_shape = draw(st.sampled_from([(), (1,), (2,), (2, 1), (1, 3)]))
    items, axis = [], 0
    ellipsis_at = draw(st.none() | st.integers(0, len(shape)))
    while axis < len(shape):
        if ellipsis_at == axis:
            items.append(Ellipsis)
            ellipsis_at = None
            axis += draw(st.integers(0, len(shape) - axis))
            continue
        size = shape[axis]
        kind = draw(st.sampled_from(["slice", "none", "stop", *(["int", "array", "mask"] if size else ["mask"])]))
        if kind == "stop":
            break
        if kind == "none":
            items.append(None)
            continue
        if kind == "slice":
            items.append(draw(st.slices(size)))
        elif kind == "int":
            items.append(draw(st.integers(-size, size - 1)))
        elif kind == "mask":
            count = 1 if result_shape in ((), (1,)) else result_shape[-1]
            mask = np.zeros(size, bool)
            mask[draw(st.permutations(range(size)))[: min(count, size)]] = True
            if mask.sum() != count and len(items) + 1 < len(shape):
                items.append(slice(None))
            else:
                items.append(mask)
        else:
            wanted = draw(st.sampled_from([result_shape, (1,), ()]))
            items.append(draw(npst.arrays(np.int64, wanted, elements=st.integers(-size, size - 1))))
        axis += 1
    return tuple(items)


@st.composite
def indexed(draw, advanced):
    shape = draw(SHAPES)
    if advanced:
        return shape, draw(advanced_key(shape))
    return shape, draw(npst.basic_indices(shape, min_dims=0, max_dims=5, allow_newaxis=True))


def has_mask(key):
    return any(
        np.asarray(i).dtype == bool for i in (key if isinstance(key, tuple) else (key,)) if not isinstance(i, slice)
    )


def check(shape, key):
    """Values, the shape rule and the dual of one key; NumPy decides what is allowed."""
    array = numbered(shape)
    x = Tensor(array)
    try:
        expected = array[key]
    except IndexError:
        with pytest.raises(IndexError):
            x[key]
        return
    result = x[key]
    assert type(result) is Tensor
    assert result.shape == expected.shape
    np.testing.assert_array_equal(result.numpy(), expected)
    inferred = AbstractTensor(shape, "float64")[key].shape  # a mask's number of elements is not known to it
    assert len(inferred) == expected.ndim
    assert all(size in (None, found) for size, found in zip(inferred, expected.shape, strict=True))
    assert None not in inferred or has_mask(key)
    with GradientTape() as tape:
        tape.watch(x)
        y = x[key]
    weights = np.random.default_rng(0).uniform(1, 2, expected.shape)
    gradient = tape.gradient(y, x, output_gradients=Tensor(weights))
    dual = np.zeros(shape)
    np.add.at(dual, key, weights)
    np.testing.assert_allclose(gradient.numpy(), dual, rtol=1e-12)


@run(150)
@given(indexed(advanced=False))
def test_basic_keys(case):
    check(*case)


@run(150)
@given(indexed(advanced=True))
def test_mixed_keys(case):
    check(*case)


def any_key(seed):
    """A shape and a key of every form that NumPy knows, also of some that it refuses."""
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(0, 4, rng.integers(0, 5)).tolist())
    result_shape = [(), (1,), (2,), (2, 1), (1, 3)][rng.integers(5)]

    def indices(size, shape=()):
        slack = int(rng.random() < 0.05)  # sometimes out of range
        return rng.integers(-size - slack, max(size + slack, 1 - size), shape)

    def bounds(size):
        start, stop = (None if rng.random() < 0.3 else int(rng.integers(-size - 2, size + 3)) for _ in range(2))
        return slice(start, stop, None if rng.random() < 0.4 else int(rng.integers(-3, 4)))

    forms = [
        bounds,
        lambda size: [None, Ellipsis, True, False, [], [[]]][rng.integers(6)],
        lambda size: [1.5, "a", [0.5], slice(1.5), slice(None)][rng.integers(5)],
        lambda size: int(indices(size)),
        lambda size: np.int8(indices(size)),
        lambda size: np.array(indices(size)),
        lambda size: indices(size, [result_shape, (1,), ()][rng.integers(3)]).astype(np.int32),
        lambda size: rng.integers(0, max(size, 1), result_shape).astype(np.uint8),
        lambda size: indices(size, result_shape).tolist(),
        lambda size: tuple(indices(size, 2).tolist()),
        lambda size: range(rng.integers(size + 1)),
        lambda size: rng.integers(0, 2, size).astype(bool),
        lambda size: rng.integers(0, 2, shape[axis : axis + 2]).astype(bool),
        lambda size: rng.integers(0, 2, size).astype(bool).tolist(),
    ]
    items, axis = [], 0
    for _ in range(rng.integers(0, len(shape) + 2)):
        items.append(forms[rng.integers(len(forms))](shape[axis] if axis < len(shape) else 1))
        axis += axes_of(items[-1])
    return shape, items[0] if len(items) == 1 and rng.integers(2) else tuple(items)


def axes_of(item):
    if item is None or item is Ellipsis or isinstance(item, bool):
        return 0
    return item.ndim if isinstance(item, np.ndarray) and item.dtype == bool else 1


def as_operands(key, kind):
    """The key with Tensors or Variables for numbers, arrays and the bounds of slices."""
    if isinstance(key, tuple):
        return tuple(as_operands(item, kind) for item in key)
    if isinstance(key, slice):
        return slice(*(bound if bound is None else kind(bound) for bound in (key.start, key.stop, key.step)))
    return kind(key) if isinstance(key, int | np.integer | np.ndarray) else key


def check_operands(shape, key, kind):
    """Keys of Tensors and Variables, on either, and the gradient of the gradient."""
    try:
        expected = numbered(shape)[key]
    except (IndexError, TypeError, ValueError):
        with pytest.raises((IndexError, TypeError, ValueError)):
            kind(numbered(shape))[key]
        return
    x = kind(numbered(shape))
    key = key if isinstance(key, tuple) and any(isinstance(item, tuple) for item in key) else as_operands(key, kind)
    np.testing.assert_array_equal(x[key].numpy(), expected)
    np.testing.assert_array_equal(ops.get_item(x, key).numpy(), expected)
    with GradientTape() as outer:
        outer.watch(x)
        with GradientTape() as inner:
            inner.watch(x)
            y = ops.power(x[key], 3)
        gradient = inner.gradient(y, x)
    places = np.asarray(numbered(shape)[key_of(key)], int).ravel()
    second = np.zeros(int(np.prod(shape)))
    np.add.at(second, places, 6.0 * places)
    np.testing.assert_array_equal(outer.gradient(gradient, x).numpy().ravel(), second)


def key_of(key):
    """The key as NumPy takes it."""
    if isinstance(key, tuple):
        return tuple(map(key_of, key))
    if isinstance(key, slice):
        return slice(*(bound if bound is None else int(bound) for bound in (key.start, key.stop, key.step)))
    return np.asarray(key) if isinstance(key, Tensor | Variable) else key


@run(600)
@given(st.integers(0, 2**32), st.sampled_from([Tensor, Variable]))
def test_keys_of_every_form(seed, kind):
    shape, key = any_key(seed)
    try:
        numbered(shape)[key]
    except (IndexError, TypeError, ValueError):
        with pytest.raises((IndexError, TypeError, ValueError)):
            Tensor(numbered(shape))[key]
    else:
        check(shape, key)
    check_operands(shape, key, kind)


@run(300)
@given(st.integers(0, 2**32))
def test_keys_of_every_form_on_unknown_sizes(seed):
    shape, key = any_key(seed)
    try:
        expected = numbered(shape)[key].shape
    except (IndexError, TypeError, ValueError):
        return
    symbols = {f"d{i}": size for i, size in enumerate(shape)}
    result = AbstractTensor(tuple(map(unknown, symbols)))[key].dims
    assert len(result) == len(expected)
    for size, found in zip(result, expected, strict=True):
        if "nonzero" not in repr(size):
            assert eval(repr(size), {"min": min, "max": max}, symbols) == found, size


@run(60)
@given(npst.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4), st.data())
def test_masks_of_several_axes(shape, data):
    axes = data.draw(st.integers(1, len(shape)))
    mask = data.draw(npst.arrays(bool, shape[:axes]))
    check(shape, mask)
    check(shape, (Ellipsis, data.draw(npst.arrays(bool, shape[-axes:]))))


@pytest.mark.parametrize(
    "key",
    [
        True,
        False,
        np.True_,
        (None, True),
        np.array(2),
        np.int8(1),
        [0, 2],
        [[0], [2]],
        [],
        [True, False, True],
        (0, [1, 0], slice(None), [1, 1]),
        ([1, 0], 0),
        (slice(None), [1, 0], ..., [0, 1]),
        (slice(None), 0, [1, 0]),
        (..., None, [0, 1]),
        (slice(None), [0, 1], None, [0, 1]),
        (np.array([True, False, True]), 0),
        (slice(None), np.ones((2, 3), bool)),
        (slice(np.int64(1), np.int64(3)),),
        (slice(None), 0, [0], ..., 0),
        ((0, 1), 0),
        (range(2), 0),
        slice(np.int64(-1), None, np.int8(-1)),
        (np.array([], bool), 0),
    ],
)
def test_particular_keys(key):
    check((3, 2, 3, 2), key)


def test_tensors_and_variables_in_the_key():
    x = Tensor(numbered((4, 3)))
    assert x[Tensor(2)].tolist() == numbered((4, 3))[2].tolist()
    assert x[Tensor([3, 0]), 1].tolist() == [10.0, 1.0]
    assert x[Tensor(1) : Tensor(3)].shape == (2, 3)
    assert x[x > 5].tolist() == [6.0, 7.0, 8.0, 9.0, 10.0, 11.0]
    assert Tensor([5.0])[0].shape == ()


def test_a_key_is_copied_when_it_is_recorded():
    x, indices = Tensor([1.0, 2.0, 3.0]), np.array([0, 0])
    with GradientTape() as tape:
        tape.watch(x)
        y = x[indices]
    indices[:] = 2
    assert tape.gradient(y, x).tolist() == [2.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (5, ["index 5", "axis 0", "size 3"]),
        ((0, 0, 0), ["too many", "3"]),
        ("a", ["integers, slices", "'a'"]),
        (1.5, ["integers, slices", "1.5"]),
        ([0.5], ["integers, slices", "[0.5]"]),
        (Tensor([1.0]), ["integers, slices", "float32[1]"]),
        (([0, 9],), ["9", "size 3"]),
        (np.ones(4, bool), ["4", "3"]),
        (([0, 1], [0, 1, 2]), ["broadcast", "(2,)", "(3,)"]),
        ((..., 0, ...), ["one ellipsis"]),
        (slice(1.5, None), ["slice needs integers", "1.5"]),
        (slice(None, Tensor(2.0)), ["slice needs integers", "float32[]"]),
        ((range(2), "a"), ["integers, slices", "'a'"]),
        ([[0], [0, 1]], ["integers, slices", "[[0], [0, 1]]"]),
    ],
)
def test_errors(key, words):
    with pytest.raises(IndexError) as caught:
        Tensor(np.zeros((3, 2)))[key]
    text = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", ())])
    assert [word for word in words if word not in text] == [], text


def test_masks_give_a_fresh_unknown():
    x = AbstractTensor((4, 3))
    y = x[AbstractTensor((4,), "bool")]
    assert y.shape == (None, 3)
    assert isinstance(y.dims[0], Dim)
    assert y.dims[0] is not x[AbstractTensor((4,), "bool")].dims[0]


@run(100)
@given(st.slices(7) | st.slices(3), st.integers(0, 9))
def test_slices_of_an_unknown_size(item, size):
    n = unknown("n")
    (length,) = AbstractTensor((n,))[item].dims
    found = eval(repr(length), {"min": min, "max": max}, {"n": size})
    assert found == len(range(size)[item]), length


def test_what_cannot_fit_is_refused_without_values():
    n = unknown("n")
    x = AbstractTensor((3, n))
    for key, words in (
        (AbstractTensor((4,), "bool"), ["mask of size 4", "axis 0", "size 3"]),
        ((slice(None, None, 0),), ["step cannot be zero"]),
        ((slice(None), slice(None, None, 0)), ["step cannot be zero"]),
    ):
        with pytest.raises((IndexError, ValueError)) as caught:
            x[key]
        assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)


def test_dimensions_in_keys():
    n = unknown("n")
    x = AbstractTensor((2, n))
    assert x[:, n - 1].dims == (2,)
    assert x[:, : n - 1].dims[1].terms  # a symbol
    with pytest.raises(TraceError, match="has no value"):
        x[: AbstractTensor((), "int32")]


@run(40)
@given(st.sampled_from([1, 3, 2500]), st.integers(1, 5), st.sampled_from(["float16", "bfloat16", "float32", "int32"]))
def test_many_values_are_added_as_few_are(count, width, dtype):
    """Long lists of places take another way through NumPy."""
    rng = np.random.default_rng(count)
    for shape, key in (
        ((7, width), (rng.integers(-7, 7, count),)),
        ((7, 3, width), (rng.integers(-7, 7, count), rng.integers(-3, 3, (1, count)))),
        ((3, 7, width), (slice(None), rng.integers(-7, 7, (count, 1)))),
        ((3, 7), (1, rng.integers(0, 7, (2, count)))),
        ((7,), (rng.integers(0, 7, count).astype("uint8"),)),
    ):
        x = Tensor(np.zeros(shape), dtype)
        values = np.asarray(rng.integers(-2, 3, np.zeros(shape)[key].shape), np.float64)
        template, arrays = indexing.split(key)
        result = REGISTRY["scatter"](Tensor(values, dtype), *arrays, key=template, shape=shape)
        expected = np.zeros(shape)
        np.add.at(expected, key, values)
        assert result.dtype == x.dtype
        np.testing.assert_array_equal(result.numpy().astype(np.float64), expected.astype(x.dtype).astype(np.float64))


def test_an_index_out_of_range_is_found_in_long_lists():
    values = np.ones((2500, 2), np.float32)
    for wrong, axis, size in ((7, 0, 7), (-8, 0, 7), (3, 1, 3)):
        index = [np.zeros(2500, int), np.zeros(2500, int)]
        index[axis][1234] = wrong
        with pytest.raises(IndexError, match=f"index {wrong} is out of bounds for axis {axis} with size {size}"):
            REGISTRY["scatter"](Tensor(values), *index, key=(PLACE, PLACE), shape=(7, 3, 2))


@pytest.mark.parametrize(
    "key",
    [
        (slice(None), 1),
        ([0, 0, 2],),
        (slice(2, 0, -1), None, [1, 0]),
        (np.array([True, False, True]),),
        ([0, 2], [1, 1]),
    ],
)
def test_gradients(key):
    check_gradients(lambda x: ops.square(x)[key], [np.random.default_rng(0).uniform(-1, 1, (3, 2))])
