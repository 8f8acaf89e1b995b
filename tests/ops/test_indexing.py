"""Indexing against NumPy, for keys of every kind."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from eagerly import ops
from eagerly.dimensions import Dim, unknown
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
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


@run(300)
@given(indexed(advanced=False))
def test_basic_keys(case):
    check(*case)


@run(500)
@given(indexed(advanced=True))
def test_mixed_keys(case):
    check(*case)


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
