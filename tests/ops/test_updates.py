"""Slices and elements at places that are data: NumPy on random places, gradients with ties and zeros, refusals."""

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

COMBINE = {None: lambda old, new: new, "add": np.add, "max": np.maximum, "min": np.minimum, "mul": np.multiply}


def run(max_examples):
    return settings(max_examples=max_examples, deadline=None, derandomize=True)


def one_by_one(x, indices, updates, reduction):
    y = x.copy()
    depth = indices.shape[-1]
    for place, value in zip(indices.reshape(-1, depth), updates.reshape(-1, *x.shape[depth:]), strict=True):
        y[tuple(place)] = COMBINE[reduction](y[tuple(place)], value)
    return y


def drawn(seed, leading=2):
    """A tensor, places in it of which many are the same, and values for them."""
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 4, rng.integers(1, 4)))
    depth = int(rng.integers(1, len(shape) + 1))
    count = tuple(rng.integers(0, 4, rng.integers(0, leading + 1)))
    places = np.stack([rng.integers(-size, size, count) for size in shape[:depth]], -1)
    return rng.standard_normal(shape), places, rng.standard_normal((*count, *shape[depth:]))


@run(200)
@given(st.integers(0, 2**32), st.sampled_from(list(COMBINE)))
def test_updates_one_after_another(seed, reduction):
    x, places, values = drawn(seed)
    expected = one_by_one(x, places, values, reduction)
    for kind in (Tensor, Variable, lambda x: x):
        result = ops.scatter_update(kind(x), kind(places), kind(values), reduction)
        assert type(result) is Tensor
        np.testing.assert_allclose(result.numpy(), expected, rtol=1e-12)
    zeros = np.zeros_like(x)
    scattered = ops.scatter(places, values, x.shape)
    np.testing.assert_allclose(scattered.numpy(), one_by_one(zeros, places, values, "add"), rtol=1e-12, atol=1e-12)


@run(40)
@given(st.integers(0, 2**32), st.sampled_from(list(COMBINE)))
def test_gradients_of_updates(seed, reduction):
    x, places, values = drawn(seed)
    check_gradients(lambda x, v: ops.scatter_update(ops.square(x), places, v * 2, reduction), [x, values])
    check_gradients(lambda v: ops.scatter(places, ops.square(v), x.shape), [values])


@pytest.mark.parametrize("zeros", [(), (0,), (1,), (3,), (1, 2), (0, 1), (0, 1, 2), (1, 2, 3), (4, 5), (0, 4, 5)])
def test_gradients_of_products_with_zeros(zeros):
    """To the second order, wherever zeros are: at x, at a value, at two of one place, at all."""
    rng = np.random.default_rng(0)
    everything = rng.uniform(0.5, 2, 8)
    everything[list(zeros)] = 0
    x, values = everything[:1].repeat(2), everything[1:]
    places = [[0], [0], [0], [1], [1], [0], [1]]
    check_gradients(lambda x, v: ops.scatter_update(x, places, v, "mul"), [x, values])


def test_equal_ones_share_the_gradient_of_an_extremum():
    x, values = Variable([1.0, 2.0, 0.0]), Variable([2.0, 2.0, 1.0, -1.0])
    for sign, how in ((1, "max"), (-1, "min")):
        with GradientTape() as tape:
            y = ops.scatter_update(x * sign, [[1], [1], [0], [2]], values * sign, how)
        assert (y * sign).tolist() == [1.0, 2.0, 0.0]
        of_x, of_values = tape.gradient(y, [x, values])
        np.testing.assert_allclose(of_x.numpy() * sign, [0.5, 1 / 3, 1.0])
        np.testing.assert_allclose(of_values.numpy() * sign, [1 / 3, 1 / 3, 0.5, 0.0])


def test_many_ties_of_sixteen_bits():
    x, values = Variable(np.zeros(1), dtype="float16"), Variable(np.zeros(3999), dtype="float16")
    with GradientTape() as tape:
        y = ops.scatter_update(x, np.zeros((3999, 1), int), values, "max") * 4000
    for gradient in tape.gradient(y, [x, values]):
        assert gradient.dtype == "float16"
        np.testing.assert_allclose(gradient.numpy(), 1, rtol=1e-3)


def test_a_value_after_which_comes_another_has_no_gradient():
    x, values = Variable([1.0, 2.0]), Variable([3.0, 4.0, 5.0])
    with GradientTape() as tape:
        y = ops.scatter_update(x, [[0], [0], [-2]], values) * 7.0
    assert y.tolist() == [35.0, 14.0]
    of_x, of_values = tape.gradient(y, [x, values])
    assert of_x.tolist() == [0.0, 7.0] and of_values.tolist() == [0.0, 0.0, 7.0]


@pytest.mark.parametrize("reduction", list(COMBINE))
def test_what_is_not_a_number(reduction):
    x = Variable([1.0, 2.0])
    with GradientTape() as tape:
        y = ops.scatter_update(x, [[0]], [np.nan], reduction)
    assert np.isnan(y.numpy()).tolist() == [True, False]
    assert tape.gradient(y, x).tolist()[1] == 1.0


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int32", "float16", "bfloat16", "float32", "float64"])
def test_the_dtype_of_the_inputs_stays(dtype):
    x = Tensor([1, 0, 1], dtype)
    for reduction in COMBINE:
        for updates in (Tensor([1.7, 0.2]), Tensor([1, 0], "int32"), 1):
            assert ops.scatter_update(x, [[0], [1]], updates, reduction).dtype == dtype
    assert ops.scatter_update(x, [[0], [1]], [1.7, 0.2]).tolist() == ops.cast([1.7, 0.2, 1], dtype).tolist()
    assert ops.slice_update(x, [1], [1.7]).dtype == dtype
    assert ops.scatter([[0], [0]], Tensor([1, 1], dtype), (2,)).dtype == dtype
    assert ops.scatter([[0]], 2.5, (2,)).tolist() == [2.5, 0.0]


def test_updates_that_broadcast_and_names_in_capitals():
    x = np.zeros((2, 3))
    assert ops.scatter_update(x, [[0, 0], [1, 2]], 5).tolist() == [[5, 0, 0], [0, 0, 5]]
    assert ops.scatter_update(x, [[1]], [1.0, 2.0, 3.0], "ADD").tolist() == [[0, 0, 0], [1, 2, 3]]
    assert ops.slice_update(5, (), 3.7).tolist() == 3
    assert ops.scatter([[1], [1]], [1.0, 2.0, 3.0], (2, 3)).tolist() == [[0, 0, 0], [2, 4, 6]]


def test_sums_of_sixteen_bits_at_one_place():
    ones = Tensor(np.ones(3000), "float16")
    assert ops.scatter(np.zeros((3000, 1), int), ones, (1,)).tolist() == [3000.0]
    assert ops.scatter_update(Tensor([0], "bfloat16"), np.zeros((3000, 1), int), ones, "add").tolist() == [3008.0]


@run(100)
@given(st.integers(0, 2**32))
def test_slices_are_those_of_numpy(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(0, 5, rng.integers(0, 4)))
    starts = [int(rng.integers(0, size + 1)) for size in shape]
    sizes = [int(rng.integers(0, size - start + 1)) for start, size in zip(starts, shape, strict=True)]
    x = rng.standard_normal(shape)
    key = tuple(slice(a, a + n) for a, n in zip(starts, sizes, strict=True))
    values = rng.standard_normal(sizes)
    updated = x.copy()
    updated[key] = values
    for given_as in (starts, tuple(starts), np.array(starts, int), Tensor(starts, "int32"), list(map(Tensor, starts))):
        np.testing.assert_array_equal(ops.slice(x, given_as, sizes).numpy(), x[key])
        np.testing.assert_array_equal(ops.slice(Tensor(x), given_as, np.array(sizes, int)).numpy(), x[key])
        np.testing.assert_array_equal(ops.slice_update(x, given_as, values).numpy(), updated)
    rest = [-1 if rng.random() < 0.5 else n for n in sizes]
    whole = tuple(slice(a, None if n == -1 else a + n) for a, n in zip(starts, rest, strict=True))
    np.testing.assert_array_equal(ops.slice(x, starts, rest).numpy(), x[whole])


def test_gradients_of_slices():
    rng = np.random.default_rng(0)
    x, values = rng.standard_normal((3, 4)), rng.standard_normal((2, 2))
    check_gradients(lambda x: ops.slice(ops.square(x), (1, 1), (2, 2)), [x])
    check_gradients(lambda x, v: ops.slice_update(ops.square(x), Tensor([1, 2]), v * v), [x, values])


def test_starts_without_a_value():
    n = unknown("n")
    x, i = AbstractTensor((n, 4)), AbstractTensor((), "int32")
    for starts in (AbstractTensor((2,), "int32"), [i, 0], [i, i]):
        assert ops.slice(x, starts, (3, 2)).dims == (3, 2)
        assert ops.slice(x, starts, (n, 2)).dims == (n, 2)
        assert ops.slice_update(x, starts, AbstractTensor((3, 2))).dims == (n, 4)
        assert ops.slice(inputs=Tensor(np.ones((5, 5))), start_indices=starts, shape=(3, 2)).dims == (3, 2)
    assert ops.slice(x, (n - 2, 1), (2, -1)).dims == (2, 3)
    assert ops.slice(x, (0, 1), (-1, 2)).dims == (n, 2)
    node = ops.slice(np.ones((5, 5)), start_indices=AbstractTensor((2,), "int32"), shape=(3, 2)).node
    assert node.operation is ops.slice


def test_unknown_sizes_of_scattering():
    n = unknown("n")
    indices = AbstractTensor((n, 2), "int32")
    assert ops.scatter(indices, AbstractTensor((n, 3)), (n, 5, 3)).dims == (n, 5, 3)
    for reduction in COMBINE:
        result = ops.scatter_update(AbstractTensor((4, n)), indices, AbstractTensor((n,)), reduction)
        assert result.dims == (4, n)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: ops.scatter_update(x, [[0]], [1.0], "sum"), ValueError, ["scatter_update", "'add', 'max'", "'sum'"]),
        (lambda x: ops.scatter_update(x, [[0]], [1.0], "maxx"), ValueError, ["Did you mean 'max'?"]),
        (lambda x: ops.scatter_update(x, [[0]], [1.0], 3), ValueError, ["scatter_update", "expected reduction", "3"]),
        (lambda x: ops.scatter_update(x, [[0.5]], [1.0]), ValueError, ["integer indices", "float32[1, 1]"]),
        (lambda x: ops.scatter_update(x, 3, [1.0]), ValueError, ["scatter_update", "1 to 2 elements", "got 3"]),
        (lambda x: ops.scatter_update(x, [[0, 0, 0]], [1.0]), ValueError, ["1 to 2 elements", "(3, 2)", "int32[1, 3]"]),
        (lambda x: ops.scatter_update(x, [[0, 0]], np.ones(2)), ValueError, ["broadcast", "(2,)", "(1,)"]),
        (lambda x: ops.scatter_update(x, [[3]], 1.0), IndexError, ["3", "axis 0", "size 3"]),
        (lambda x: ops.scatter_update(x, [[-4]], 1.0, "max"), IndexError, ["-4", "axis 0", "size 3"]),
        (lambda x: ops.scatter([[0]], 1.0, (2.5,)), ValueError, ["scatter: shape", "expected integers", "2.5"]),
        (lambda x: ops.scatter([[0, 0]], 1.0, (2,)), ValueError, ["scatter", "1 to 1 elements", "int32[1, 2]"]),
        (lambda x: ops.scatter([[5]], 1.0, (2,)), IndexError, ["5", "axis 0", "size 2"]),
        (lambda x: ops.slice(x, (0,), (1, 1)), ValueError, ["slice", "a start for each axis", "float64[3, 2]", "(0)"]),
        (lambda x: ops.slice(x, (0, 0), (1,)), ValueError, ["slice", "a size for each axis", "float64[3, 2]", "(1)"]),
        (lambda x: ops.slice(x, (2, 0), (2, 1)), ValueError, ["slice", "within axis 0", "2 elements from 2 on"]),
        (lambda x: ops.slice(x, (-1, 0), (1, 1)), ValueError, ["slice", "within axis 0", "1 elements from -1 on"]),
        (lambda x: ops.slice(x, (0, 0), (1, -2)), ValueError, ["slice", "within axis 1", "-2 elements"]),
        (lambda x: ops.slice(x, (0.5, 0), (1, 1)), ValueError, ["slice: start_indices", "expected integers", "0.5"]),
        (lambda x: ops.slice(x, Tensor([0.5, 0]), (1, 1)), ValueError, ["slice: start_indices", "expected integers"]),
        (lambda x: ops.slice(x, (0, 0), "ab"), ValueError, ["slice: shape", "expected integers", "'ab'"]),
        (
            lambda x: ops.slice(x, AbstractTensor((2,), "int32"), (1, -1)),
            ValueError,
            ["slice", "along axis 1", "has no value", "-1"],
        ),
        (lambda x: ops.slice(x, AbstractTensor((2,)), (1, 1)), ValueError, ["slice: start_indices", "float32[2]"]),
        (lambda x: ops.slice(x, [[0, 1], 0], (1, 1)), ValueError, ["slice: start_indices", "[[0, 1]]"]),
        (lambda x: ops.slice(x, AbstractTensor((3,), "int32"), (1, 1)), ValueError, ["slice", "int32[3]"]),
        (lambda x: ops.slice_update(x, (2, 0), np.ones((2, 1))), ValueError, ["slice_update", "2 elements from 2 on"]),
        (lambda x: ops.slice_update(x, (0, 0), np.ones(2)), ValueError, ["slice_update", "as many axes", "float64[2]"]),
        (lambda x: ops.slice_update(x, 0, np.ones((1, 1))), ValueError, ["slice_update", "a start for each axis"]),
    ],
)
def test_errors_name_operation_expected_and_given(call, error, words):
    with pytest.raises(error) as caught:
        call(np.ones((3, 2)))
    text = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", ())])
    assert [word for word in words if word not in text] == [], text
