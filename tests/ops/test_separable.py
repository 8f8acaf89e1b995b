"""Convolutions of single channels, and images as columns: against loops, their duals, and what they refuse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eagerly import ops
from eagerly.tensor import AbstractTensor, Tensor
from gradients import check_gradients
from window_references import FORMATS, WINDOWS, image, kernel, plain_conv


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
@pytest.mark.parametrize(("strides", "dilation"), [(1, 1), (2, 1), (1, 2), (2, 2)])
def test_depthwise_and_separable_conv(rank, data_format, padding, strides, dilation):
    for channels, multiplier in ((3, 1), (3, 2), (1, 2)):
        x, k = image(rank, channels, data_format), kernel(rank, channels, multiplier)
        options = {"strides": strides, "padding": padding, "data_format": data_format, "dilation_rate": dilation}
        expected = plain_conv(x, k.reshape(*WINDOWS[rank], 1, channels * multiplier), **options)
        result = ops.depthwise_conv(x, k, **options)
        np.testing.assert_allclose(result.numpy(), expected, rtol=1e-12, atol=1e-12)
        assert ops.depthwise_conv(AbstractTensor(x.shape, "float64"), k, **options).shape == expected.shape
        points = np.random.default_rng(1).uniform(-1, 1, (*(1,) * rank, channels * multiplier, 4))
        expected = plain_conv(expected, points, data_format=data_format)
        result = ops.separable_conv(x, k, points, **options)
        np.testing.assert_allclose(result.numpy(), expected, rtol=1e-12, atol=1e-12)


def test_depthwise_conv_is_a_convolution_in_groups_of_one():
    x, k = image(2, 3), kernel(2, 3, 2)
    grouped = ops.conv(x, k.reshape(3, 2, 1, 6), 2, "same")
    np.testing.assert_array_equal(ops.depthwise_conv(x, k, 2, "same").numpy(), grouped.numpy())


@pytest.mark.parametrize(
    "function",
    [
        lambda x, k, p: ops.depthwise_conv(x, k),
        lambda x, k, p: ops.depthwise_conv(x, k, (2, 1), "same", dilation_rate=(1, 2)),
        lambda x, k, p: ops.depthwise_conv(ops.transpose(x, (0, 3, 1, 2)), k, 2, "same", "channels_first"),
        lambda x, k, p: ops.depthwise_conv(x, k[..., :1]),
        lambda x, k, p: ops.separable_conv(x, k, p, 2, "same"),
        lambda x, k, p: ops.unfold(x, (2, 1), (1, 2), 1, 2),
        lambda x, k, p: ops.fold(ops.reshape(x, (2, 6, 4)), (4, 4), (1, 2), padding=(1, 0), stride=(3, 2)),
    ],
)
def test_gradients(function):
    rng = np.random.default_rng(9)
    shapes = ((2, 4, 3, 2), (2, 2, 2, 2), (1, 1, 4, 3))
    check_gradients(function, [rng.uniform(-1, 1, shape) for shape in shapes])


def test_sixteen_bits_are_summed_in_thirty_two():
    for dtype in ("float16", "bfloat16"):
        x = Tensor(np.full((1, 4096, 2), 1.0), dtype)
        y = ops.depthwise_conv(x, Tensor(np.ones((4096, 2, 1)), dtype))
        assert y.dtype == dtype
        assert y.tolist() == [[[4096.0, 4096.0]]]


def test_dtypes_promote():
    for x, k, expected in (
        ("float32", "float64", "float64"),
        ("float16", "float32", "float32"),
        ("float16", "bfloat16", "float32"),
        ("int32", "float16", "float16"),
        ("int32", "int32", "int32"),
    ):
        y = ops.depthwise_conv(Tensor(np.ones((1, 3, 2)), x), Tensor(np.ones((2, 2, 1)), k))
        assert y.dtype == expected


PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(PAIRS, PAIRS, st.tuples(st.integers(0, 2), st.integers(0, 2)), PAIRS, st.integers(0, 99))
def test_fold_is_the_transpose_of_unfold(kernel_size, dilation, padding, stride, seed):
    rng = np.random.default_rng(seed)
    size = tuple(
        (k - 1) * d + 1 + int(rng.integers(0, 5)) for k, d in zip(kernel_size, dilation, strict=True)
    )  # so that at least one window fits
    x = rng.uniform(-1, 1, (2, 3, *size))
    columns = ops.unfold(x, kernel_size, dilation, padding, stride)
    counts = [
        (n + 2 * p - (k - 1) * d - 1) // s + 1
        for n, k, d, p, s in zip(size, kernel_size, dilation, padding, stride, strict=True)
    ]
    assert columns.shape == (2, 3 * kernel_size[0] * kernel_size[1], counts[0] * counts[1])
    other = rng.uniform(-1, 1, columns.shape)
    back = ops.fold(other, size, kernel_size, dilation, padding, stride)
    assert back.shape == x.shape
    np.testing.assert_allclose(np.sum(columns.numpy() * other), np.sum(x * back.numpy()), rtol=1e-10, atol=1e-10)


def test_unfold_makes_a_convolution_a_matrix_product():
    x, k = image(2, 3, "channels_first"), kernel(2, 3, 4)
    columns = ops.unfold(x, (3, 2), stride=(1, 2)).numpy()
    y = k.transpose(3, 2, 0, 1).reshape(4, -1) @ columns
    np.testing.assert_allclose(y.reshape(2, 4, 4, 2), plain_conv(x, k, (1, 2), "valid", "channels_first"), rtol=1e-12)


def test_unfold_of_any_dtype_and_of_nothing():
    x = np.arange(16).reshape(1, 1, 4, 4)
    for dtype in ("int32", "uint8", "bool", "float16"):
        assert ops.unfold(Tensor(x, dtype), 2).dtype == dtype
        assert ops.fold(Tensor(np.ones((1, 4, 9)), dtype), 4, 2).dtype == dtype
    assert ops.unfold(np.ones((0, 2, 3, 3)), 2).shape == (0, 8, 4)
    assert ops.unfold(np.ones((2, 2, 1, 3)), 2).shape == (2, 8, 0)
    assert ops.fold(np.ones((2, 4, 0)), (1, 3), 2).tolist() == np.zeros((2, 1, 1, 3)).tolist()
    ones = np.ones((1, 4, 9))
    assert ops.fold(ones, 4, 2).tolist() == [[[[1, 2, 2, 1], [2, 4, 4, 2], [2, 4, 4, 2], [1, 2, 2, 1]]]]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: ops.depthwise_conv(np.ones((2, 5, 3)), np.ones((3, 2, 1))),
            ["depthwise_conv", "3 axes and 2 channels", "float64[3, 2, 1]", "float64[2, 5, 3]"],
        ),
        (
            lambda: ops.depthwise_conv(np.ones((2, 5, 3, 2)), np.ones((3, 2, 1))),
            ["depthwise_conv", "3 axes", "float64[2, 5, 3, 2]"],
        ),
        (lambda: ops.depthwise_conv(np.ones((2, 5, 2)), np.ones((3, 2, 1)), padding="full"), ["padding", "'full'"]),
        (
            lambda: ops.separable_conv(np.ones((2, 5, 2)), np.ones((3, 2, 2)), np.ones((1, 2, 3))),
            ["separable_conv", "[1, 4, filters]", "float64[3, 2, 2]", "float64[1, 2, 3]"],
        ),
        (
            lambda: ops.separable_conv(np.ones((2, 5, 2)), np.ones((3, 2, 1)), np.ones((2, 2, 3))),
            ["separable_conv", "[1, 2, filters]", "float64[2, 2, 3]"],
        ),
        (
            lambda: ops.separable_conv(np.ones((2, 5, 2)), np.ones((3, 2, 1)), np.ones((2, 3))),
            ["separable_conv", "[1, 2, filters]", "float64[2, 3]"],
        ),
        (lambda: ops.unfold(np.ones((2, 3, 4)), 2), ["unfold", "[batch, channels, height, width]", "float64[2, 3, 4]"]),
        (lambda: ops.unfold(np.ones((2, 3, 4, 4)), (2, 2, 2)), ["kernel_size", "2 integers > 0", "(2, 2, 2)"]),
        (lambda: ops.unfold(np.ones((2, 3, 4, 4)), 2, padding=-1), ["padding", "2 integers >= 0", "got -1"]),
        (lambda: ops.unfold(np.ones((2, 3, 4, 4)), 2, stride=0), ["stride", "2 integers > 0", "got 0"]),
        (lambda: ops.unfold(np.ones((2, 3, 4, 4)), 2, dilation=0.5), ["dilation", "got 0.5"]),
        (lambda: ops.fold(np.ones((2, 3)), 4, 2), ["fold", "[batch, channels * window, count]", "float64[2, 3]"]),
        (lambda: ops.fold(np.ones((2, 4, 8)), 4, 2), ["fold", "channels * 4, 9", "(4, 4)", "float64[2, 4, 8]"]),
        (lambda: ops.fold(np.ones((2, 6, 9)), 4, 2), ["fold", "channels * 4, 9", "float64[2, 6, 9]"]),
        (lambda: ops.fold(np.ones((2, 4, 9)), 0, 2), ["output_size", "got 0"]),
    ],
)
def test_errors_name_what_is_wrong(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)
