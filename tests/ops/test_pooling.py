"""Pooling against plain loops over windows, and what happens at borders, ties and extremes."""

import functools

import numpy as np
import pytest

from eagerly import ops
from eagerly.dimensions import unknown
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from gradients import check_gradients
from window_references import FORMATS, from_last, image, plain_pool, to_last

plain_max_pool = functools.partial(plain_pool, lambda seen, axes: seen.max(axes), -np.inf)
plain_average_pool = functools.partial(plain_pool, np.nanmean, np.nan)  # the border does not count


def plain_adaptive(reduce, x, parts, data_format=None):
    x = to_last(x, data_format)
    for axis, count in enumerate(parts, 1):
        size = x.shape[axis]
        windows = [range(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]
        x = np.stack([reduce(x.take(list(window), axis), axis) for window in windows], axis)
    return from_last(x, data_format)


def gradient(function, *arrays):
    tensors = [Tensor(x) for x in arrays]
    with GradientTape() as tape:
        tape.watch(tensors)
        y = function(*tensors)
    return [g.numpy() for g in tape.gradient(y, tensors)]


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("pool_size", "strides"), [(2, None), (3, 1), (3, 2), (1, 2), (2, 3), (4, 1)])
def test_pools(rank, data_format, padding, pool_size, strides):
    x = image(rank, 2, data_format)
    if padding == "valid" and pool_size > 3 and rank == 3:
        return
    for operation, plain in ((ops.max_pool, plain_max_pool), (ops.average_pool, plain_average_pool)):
        expected = plain(x, pool_size, strides, padding, data_format)
        result = operation(x, pool_size, strides, padding, data_format)
        np.testing.assert_allclose(result.numpy(), expected, rtol=1e-13)
        symbol = operation(AbstractTensor(x.shape, "float64"), pool_size, strides, padding.upper(), data_format)
        assert symbol.shape == expected.shape


# What Keras 3.15 gives on PyTorch, where the border is of equal width on both sides.
@pytest.mark.parametrize(
    ("window", "strides", "expected"),
    [(3, 1, [1.5, 2.0, 4.0, 5.0]), (3, 3, [1.5, 5.0]), (1, 2, [1.0, 3.0]), (2, 2, [1.5, 5.0])],
)
def test_average_pool_is_keras(window, strides, expected):
    x = np.array([1.0, 2.0, 3.0, 7.0]).reshape(1, 4, 1)
    assert ops.average_pool(x, window, strides, "same").numpy().reshape(-1).tolist() == expected


def test_average_pool_counts_real_elements_where_keras_on_torch_repeats_the_last():
    x = np.array([1.0, 2.0, 4.0]).reshape(1, 3, 1)
    assert ops.average_pool(x, 2, 2, "same").tolist() == [[[1.5], [4.0]]]
    assert ops.average_pool(x, 4, 1, "same").tolist() == [[[7 / 3], [7 / 3], [3.0]]]  # Keras on PyTorch: 2, 2.75, 3.5


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("parts", [1, 2, 3, 4, 9])
def test_adaptive_pools(rank, data_format, parts):
    x = image(rank, 2, data_format)
    for operation, reduce in ((ops.adaptive_max_pool, np.max), (ops.adaptive_average_pool, np.mean)):
        for sizes in ((parts,) * rank, (parts, 2, 3)[:rank]):
            expected = plain_adaptive(reduce, x, sizes, data_format)
            result = operation(x, sizes if len(set(sizes)) > 1 else parts, data_format)
            np.testing.assert_allclose(result.numpy(), expected, rtol=1e-13)
            assert operation(AbstractTensor(x.shape, "float64"), sizes, data_format).shape == expected.shape


def test_adaptive_pools_of_unknown_sizes():
    n = unknown("n")
    for operation in (ops.adaptive_max_pool, ops.adaptive_average_pool):
        x = AbstractTensor((n, n, n * 2, 3))
        assert operation(x, 2).dims == (n, 2, 2, 3)
        assert operation(x, (3, 5), "channels_first").dims == (n, n, 3, 5)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: ops.max_pool(x, (2, 3), (1, 2), "same"),
        lambda x: ops.average_pool(x, (2, 3), (1, 2), "same"),
        lambda x: ops.average_pool(x, 2, 3),
        lambda x: ops.average_pool(x, 2, 1, data_format="channels_first"),
        lambda x: ops.adaptive_average_pool(x, (2, 3)),
        lambda x: ops.adaptive_average_pool(x, (3, 2), "channels_first"),
        lambda x: ops.adaptive_max_pool(x, (3, 2)),
    ],
)
def test_gradients(function):
    rng = np.random.default_rng(9)
    check_gradients(function, [rng.permutation(2 * 4 * 3 * 2).reshape(2, 4, 3, 2) * 0.05])


def test_max_pool_gradient_goes_to_the_first_of_equal_ones():
    (g,) = gradient(lambda x: ops.max_pool(x, 2), np.array([[[1.0], [1.0], [0.0], [2.0]]]))
    assert g.reshape(-1).tolist() == [1, 0, 0, 1]
    (g,) = gradient(lambda x: ops.max_pool(x, 2), np.zeros((1, 2, 2, 1)))
    assert g.reshape(-1).tolist() == [1, 0, 0, 0]
    (g,) = gradient(lambda x: ops.max_pool(x, 3), np.array([[[0.0], [np.nan], [np.nan]]]))
    assert g.reshape(-1).tolist() == [0, 1, 0]


def test_adaptive_max_pool_shares_the_gradient_of_equal_ones():
    (g,) = gradient(lambda x: ops.adaptive_max_pool(x, 1), np.array([[[1.0], [1.0], [0.0], [1.0]]]))
    np.testing.assert_allclose(g.reshape(-1), [1 / 3, 1 / 3, 0, 1 / 3])


def test_max_pool_keeps_nan_and_integers():
    x = np.array([1.0, np.nan, 3.0, -np.inf, -np.inf, -np.inf]).reshape(1, 6, 1)
    y = ops.max_pool(x, 2).numpy().reshape(-1)
    assert np.isnan(y[0]) and y[1:].tolist() == [3.0, -np.inf]
    for dtype in ("int32", "uint8"):
        z = ops.max_pool(Tensor([[[3], [1], [2]]], dtype), 2, 2, "same")
        assert z.dtype == dtype
        assert z.numpy().reshape(-1).tolist() == [3, 2]
    assert ops.max_pool(Tensor([[[True], [False], [False]]]), 2, 2, "same").tolist() == [[[True], [False]]]


def test_nan_and_infinity_stay_in_their_windows():
    x = np.array([1.0, np.nan, 3.0, np.inf, 1.0, 2.0]).reshape(1, 6, 1)
    for y in (ops.average_pool(x, 2), ops.adaptive_average_pool(x, 3), ops.adaptive_max_pool(x, 3)):
        values = y.numpy().reshape(-1)
        assert np.isnan(values[0]) and values[1] == np.inf and np.isfinite(values[2])
    y = ops.adaptive_average_pool(x, 4).numpy().reshape(-1)  # windows 0-2, 1-3, 3-5, 4-6
    assert np.isnan(y[:2]).all() and y[2:].tolist() == [np.inf, 1.5]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "int32", "uint8", "bool"])
def test_dtypes(dtype):
    x = Tensor(np.ones((1, 4, 4, 2)), dtype)
    average = dtype if "float" in dtype else "float32"
    for y in (ops.average_pool(x, 2), ops.average_pool(x, 3, padding="same"), ops.adaptive_average_pool(x, 3)):
        assert y.dtype.name == average
        assert (y.numpy() == 1).all()
    for y in (ops.max_pool(x, 2), ops.adaptive_max_pool(x, 3)):
        assert y.dtype.name == dtype


def test_sixteen_bits_are_summed_in_thirty_two():
    x = Tensor(np.full((1, 4, 4, 1), 6e4), "float16")
    for y in (ops.average_pool(x, 4), ops.average_pool(x, 3, 1, "same"), ops.adaptive_average_pool(x, 1)):
        assert (y.numpy() == np.float16(6e4)).all()


def test_empty_batches_and_windows_that_do_not_fit():
    for operation in (ops.max_pool, ops.average_pool):
        assert operation(np.ones((2, 2, 5, 2)), 3, 1).shape == (2, 0, 3, 2)
        assert operation(np.ones((0, 4, 4, 2)), 2).shape == (0, 2, 2, 2)
    for operation in (ops.adaptive_max_pool, ops.adaptive_average_pool):
        assert operation(np.ones((0, 4, 5, 2)), 2).shape == (0, 2, 2, 2)
    assert ops.max_pool(np.ones((1, 5, 1)), np.int32(2)).shape == (1, 2, 1)


@pytest.mark.parametrize("name", ["max_pool", "average_pool", "adaptive_max_pool", "adaptive_average_pool"])
def test_errors_of_all(name):
    operation = getattr(ops, name)
    option = "output_size" if "adaptive" in name else "pool_size"
    for call, words in (
        (lambda: operation(np.ones((2, 5)), 2), [name, "batch, space and channels", "float64[2, 5]"]),
        (lambda: operation(np.ones((2, 5, 2)), (2, 2)), [option, "1 integers > 0", "(2, 2)"]),
        (lambda: operation(np.ones((2, 5, 2)), 0), [option, "got 0"]),
        (lambda: operation(np.ones((2, 5, 2)), 2.0), [option, "got 2.0"]),
        (lambda: operation(np.ones((2, 5, 2)), 2, data_format="NCHW"), ["data_format", "'channels_last'", "'NCHW'"]),
    ):
        with pytest.raises(ValueError) as caught:
            call()
        assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)


@pytest.mark.parametrize("operation", [ops.max_pool, ops.average_pool])
def test_errors_of_windows(operation):
    for call, words in (
        (lambda: operation(np.ones((2, 5, 2)), 2, padding="causal"), ["padding", "'valid' or 'same'", "'causal'"]),
        (lambda: operation(np.ones((2, 5, 2)), 2, padding=1), ["padding", "got 1"]),
        (lambda: operation(np.ones((2, 5, 2)), 2, strides=(1, 1)), ["strides", "got (1, 1)"]),
    ):
        with pytest.raises(ValueError) as caught:
            call()
        assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)
