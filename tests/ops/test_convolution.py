"""Convolutions and pooling against plain loops over output positions."""

import itertools

import numpy as np
import pytest

from eagerly import ops
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from gradients import check_gradients


def each(value, rank):
    return (value,) * rank if isinstance(value, int) else tuple(value)


def first(data_format):
    return data_format == "channels_first"


def to_last(x, data_format):
    return np.moveaxis(x, 1, -1) if first(data_format) else x


def from_last(x, data_format):
    return np.moveaxis(x, -1, 1) if first(data_format) else x


def padded(x, window, strides, dilation, padding, value=0.0):
    """The image with TensorFlow's padding: "same" gives ceil(size / stride) outputs, the odd pixel comes after."""
    pads = []
    for size, width, stride, gap in zip(x.shape[1:-1], window, strides, dilation, strict=True):
        reach = (width - 1) * gap + 1
        if padding == "same":
            total = max((int(np.ceil(size / stride)) - 1) * stride + reach - size, 0)
            pads.append((total // 2, total - total // 2))
        else:
            pads.append((reach - 1, 0) if padding == "causal" else (0, 0))
    return np.pad(x, ((0, 0), *pads, (0, 0)), constant_values=value)


def windows(x, window, strides, dilation):
    """Each output position with the part of the image that it sees."""
    counts = [
        (size - (width - 1) * gap - 1) // stride + 1
        for size, width, stride, gap in zip(x.shape[1:-1], window, strides, dilation, strict=True)
    ]
    for place in itertools.product(*map(range, counts)):
        key = tuple(
            slice(i * stride, i * stride + (width - 1) * gap + 1, gap)
            for i, width, stride, gap in zip(place, window, strides, dilation, strict=True)
        )
        yield counts, place, x[(slice(None), *key)]


def plain_conv(x, kernel, strides=1, padding="valid", data_format=None, dilation_rate=1):
    *window, depth, filters = kernel.shape
    strides, dilation = each(strides, len(window)), each(dilation_rate, len(window))
    x = padded(to_last(x, data_format), window, strides, dilation, padding)
    groups = x.shape[-1] // depth
    result = None
    for counts, place, seen in windows(x, window, strides, dilation):
        if result is None:
            result = np.zeros((len(x), *counts, filters))
        for f in range(filters):
            group = f // (filters // groups)
            part = seen[..., group * depth : (group + 1) * depth]
            result[(slice(None), *place, f)] = (part * kernel[..., f]).reshape(len(x), -1).sum(1)
    return from_last(result, data_format)


def plain_conv_transpose(x, kernel, strides=1, padding="valid", output_padding=None, data_format=None, dilation_rate=1):
    """Every pixel adds the kernel at its place; then the borders that padding would have added are cut off."""
    *window, filters, _ = kernel.shape
    rank = len(window)
    strides, dilation, more = each(strides, rank), each(dilation_rate, rank), output_padding
    more = (None,) * rank if more is None else each(more, rank)
    x = to_last(x, data_format)
    full, targets, cuts = [], [], []
    for size, width, stride, gap, extra in zip(x.shape[1:-1], window, strides, dilation, more, strict=True):
        reach = (width - 1) * gap + 1
        whole = (size - 1) * stride + reach
        if padding == "valid":
            target = whole + (max(stride - reach, 0) if extra is None else extra)
        else:
            target = size * stride if extra is None else (size - 1) * stride + reach % 2 + extra
        cut = max(whole - target, 0) // 2
        full.append(max(whole, cut + target))
        targets.append(target)
        cuts.append(cut)
    result = np.zeros((len(x), *full, filters))
    for place in itertools.product(*map(range, x.shape[1:-1])):
        for offset in itertools.product(*map(range, window)):
            target = tuple(i * s + o * g for i, s, o, g in zip(place, strides, offset, dilation, strict=True))
            result[(slice(None), *target)] += x[(slice(None), *place)] @ kernel[offset].T
    key = tuple(slice(cut, cut + target) for cut, target in zip(cuts, targets, strict=True))
    return from_last(result[(slice(None), *key)], data_format)


def plain_max_pool(x, pool_size, strides=None, padding="valid", data_format=None):
    rank = x.ndim - 2
    window = each(pool_size, rank)
    strides = window if strides is None else each(strides, rank)
    ones = (1,) * rank
    x = padded(to_last(x, data_format), window, strides, ones, padding, -np.inf)
    result = None
    for counts, place, seen in windows(x, window, strides, ones):
        if result is None:
            result = np.zeros((len(x), *counts, x.shape[-1]))
        result[(slice(None), *place)] = seen.max(tuple(range(1, 1 + rank)))
    return from_last(result, data_format)


SPACES = {1: (7,), 2: (6, 5), 3: (4, 3, 5)}
WINDOWS = {1: (3,), 2: (3, 2), 3: (2, 1, 3)}
FORMATS = ("channels_last", "channels_first")


def image(rank, channels, data_format="channels_last", batch=2):
    rng = np.random.default_rng(rank * 10 + channels)
    return from_last(rng.uniform(-1, 1, (batch, *SPACES[rank], channels)), data_format)


def kernel(rank, depth, filters):
    return np.random.default_rng(5).uniform(-1, 1, (*WINDOWS[rank], depth, filters))


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
@pytest.mark.parametrize(("strides", "dilation"), [(1, 1), (2, 1), (3, 1), (1, 2), (2, 2)])
def test_conv(rank, data_format, padding, strides, dilation):
    for groups in (1, 2):
        x, k = image(rank, 4, data_format), kernel(rank, 4 // groups, 6)
        options = {
            "strides": strides,
            "padding": padding,
            "data_format": data_format,
            "dilation_rate": dilation,
        }
        expected = plain_conv(x, k, **options)
        result = ops.conv(x, k, **options)
        np.testing.assert_allclose(result.numpy(), expected, rtol=1e-12, atol=1e-12)
        assert ops.conv(AbstractTensor(x.shape, "float64"), k, **options).shape == expected.shape


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("strides", "dilation"), [(1, 1), (2, 1), (3, 1), (4, 1), (1, 2), (2, 2)])
def test_conv_transpose(rank, data_format, padding, strides, dilation):
    x, k = image(rank, 3, data_format), kernel(rank, 4, 3)
    for extra in (None, 0, 1) if strides > 1 else (None, 0):
        options = {
            "strides": strides,
            "padding": padding,
            "output_padding": extra,
            "data_format": data_format,
            "dilation_rate": dilation,
        }
        expected = plain_conv_transpose(x, k, **options)
        result = ops.conv_transpose(x, k, **options)
        np.testing.assert_allclose(result.numpy(), expected, rtol=1e-12, atol=1e-12)
        assert ops.conv_transpose(AbstractTensor(x.shape, "float64"), k, **options).shape == expected.shape


# What Keras 3.15 on PyTorch gives for x = 1, 2, 3 and a kernel 1, 10, 100 and so on, of one channel:
# (width, strides, padding, output_padding, dilation_rate, values).
KERAS_CONV_TRANSPOSE = [
    (1, 1, "valid", None, 1, [1.0, 2.0, 3.0]),
    (1, 1, "same", 1, 2, [1.0, 2.0, 3.0, 0.0]),
    (1, 2, "same", 1, 1, [1.0, 0.0, 2.0, 0.0, 3.0, 0.0]),
    (1, 3, "same", 0, 2, [1.0, 0.0, 0.0, 2.0, 0.0, 0.0, 3.0]),
    (1, 4, "same", 0, 1, [1.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 3.0]),
    (2, 1, "same", None, 2, [2.0, 13.0, 20.0]),
    (2, 2, "same", None, 1, [1.0, 10.0, 2.0, 20.0, 3.0, 30.0]),
    (2, 3, "valid", None, 1, [1.0, 10.0, 0.0, 2.0, 20.0, 0.0, 3.0, 30.0, 0.0]),
    (2, 3, "valid", None, 2, [1.0, 0.0, 10.0, 2.0, 0.0, 20.0, 3.0, 0.0, 30.0]),
    (2, 3, "valid", 0, 1, [1.0, 10.0, 0.0, 2.0, 20.0, 0.0, 3.0, 30.0]),
    (2, 3, "valid", 0, 2, [1.0, 0.0, 10.0, 2.0, 0.0, 20.0, 3.0, 0.0, 30.0]),
    (2, 3, "valid", 1, 1, [1.0, 10.0, 0.0, 2.0, 20.0, 0.0, 3.0, 30.0, 0.0]),
    (2, 3, "valid", 1, 2, [1.0, 0.0, 10.0, 2.0, 0.0, 20.0, 3.0, 0.0, 30.0, 0.0]),
    (2, 4, "valid", 1, 1, [1.0, 10.0, 0.0, 0.0, 2.0, 20.0, 0.0, 0.0, 3.0, 30.0, 0.0]),
    (3, 1, "valid", 0, 2, [1.0, 2.0, 13.0, 20.0, 130.0, 200.0, 300.0]),
    (3, 2, "valid", 0, 1, [1.0, 10.0, 102.0, 20.0, 203.0, 30.0, 300.0]),
    (3, 2, "same", None, 1, [1.0, 10.0, 102.0, 20.0, 203.0, 30.0]),
    (3, 2, "same", None, 2, [0.0, 12.0, 0.0, 123.0, 0.0, 230.0]),
    (3, 2, "same", 0, 1, [10.0, 102.0, 20.0, 203.0, 30.0]),
    (3, 2, "same", 0, 2, [12.0, 0.0, 123.0, 0.0, 230.0]),
    (3, 2, "same", 1, 1, [1.0, 10.0, 102.0, 20.0, 203.0, 30.0]),
    (3, 2, "same", 1, 2, [0.0, 12.0, 0.0, 123.0, 0.0, 230.0]),
    (3, 3, "valid", None, 2, [1.0, 0.0, 10.0, 2.0, 100.0, 20.0, 3.0, 200.0, 30.0, 0.0, 300.0]),
    (3, 4, "valid", None, 1, [1.0, 10.0, 100.0, 0.0, 2.0, 20.0, 200.0, 0.0, 3.0, 30.0, 300.0, 0.0]),
    (3, 4, "same", 1, 2, [0.0, 10.0, 0.0, 102.0, 0.0, 20.0, 0.0, 203.0, 0.0, 30.0]),
    (4, 1, "same", 1, 1, [12.0, 123.0, 1230.0]),
    (4, 2, "same", 0, 2, [0.0, 123.0, 0.0, 1230.0, 0.0]),
    (4, 3, "same", 0, 1, [100.0, 1002.0, 20.0, 200.0, 2003.0, 30.0]),
    (4, 4, "same", None, 2, [0.0, 10.0, 0.0, 102.0, 0.0, 1020.0, 0.0, 203.0, 0.0, 2030.0, 0.0, 300.0]),
]


@pytest.mark.parametrize(("width", "strides", "padding", "extra", "dilation", "expected"), KERAS_CONV_TRANSPOSE)
def test_conv_transpose_is_keras(width, strides, padding, extra, dilation, expected):
    x = np.array([1.0, 2.0, 3.0]).reshape(1, 3, 1)
    k = (10.0 ** np.arange(width)).reshape(width, 1, 1)
    y = ops.conv_transpose(x, k, strides, padding, extra, dilation_rate=dilation)
    assert y.numpy().reshape(-1).tolist() == expected


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("strides", [1, 2, 3])
def test_conv_transpose_is_the_gradient_of_conv(rank, padding, strides):
    x, k = Tensor(image(rank, 3)), Tensor(kernel(rank, 3, 4))
    with GradientTape() as tape:
        tape.watch(x)
        y = ops.conv(x, k, strides, padding)
    g = Tensor(np.random.default_rng(1).uniform(-1, 1, y.shape))
    gradient = tape.gradient(y, x, output_gradients=g).numpy()
    back = ops.conv_transpose(g, k, strides, padding).numpy()
    if padding == "valid":  # the two differ only in how much of the border, which no window saw, they show
        seen = (slice(None), *map(slice, map(min, gradient.shape[1:-1], back.shape[1:-1])))
        np.testing.assert_allclose(gradient[seen], back[seen], rtol=1e-12, atol=1e-12)
    elif back.shape == gradient.shape:
        np.testing.assert_allclose(gradient, back, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("pool_size", "strides"), [(2, None), (3, 1), (3, 2), (1, 2), (2, 3)])
def test_max_pool(rank, data_format, padding, pool_size, strides):
    x = image(rank, 2, data_format)
    expected = plain_max_pool(x, pool_size, strides, padding, data_format)
    result = ops.max_pool(x, pool_size, strides, padding, data_format)
    np.testing.assert_array_equal(result.numpy(), expected)
    assert (
        ops.max_pool(AbstractTensor(x.shape, "float64"), pool_size, strides, padding, data_format).shape
        == expected.shape
    )


@pytest.mark.parametrize(
    "function",
    [
        lambda x, k: ops.conv(x, k),
        lambda x, k: ops.conv(x, k, (2, 1), "same"),
        lambda x, k: ops.conv(x, k[:, :, :1], dilation_rate=(1, 2)),
        lambda x, k: ops.conv(ops.transpose(x, (0, 3, 1, 2)), k, 2, "same", "channels_first"),
        lambda x, k: ops.conv_transpose(x, ops.transpose(k, (0, 1, 3, 2)), 2, "same"),
        lambda x, k: ops.conv_transpose(x, ops.transpose(k, (0, 1, 3, 2)), (1, 3), "valid", dilation_rate=(2, 1)),
        lambda x, k: ops.max_pool(x, (2, 3), (1, 2), "same") * ops.sum(k),
    ],
)
def test_gradients(function):
    rng = np.random.default_rng(9)
    x = rng.permutation(2 * 4 * 3 * 2).reshape(2, 4, 3, 2) * 0.05
    check_gradients(function, [x, rng.uniform(-1, 1, (2, 2, 2, 4))])


def test_max_pool_gradient_goes_to_the_first_of_equal_ones():
    x = Tensor([[[1.0], [1.0], [0.0], [2.0]]])
    with GradientTape() as tape:
        tape.watch(x)
        y = ops.max_pool(x, 2)
    assert tape.gradient(y, x).numpy().reshape(-1).tolist() == [1, 0, 0, 1]


def test_max_pool_keeps_nan_and_integers():
    x = np.array([1.0, np.nan, 3.0, -np.inf, -np.inf, -np.inf]).reshape(1, 6, 1)
    y = ops.max_pool(x, 2).numpy().reshape(-1)
    assert np.isnan(y[0]) and y[1:].tolist() == [3.0, -np.inf]
    for dtype in ("int32", "uint8"):
        z = ops.max_pool(Tensor([[[3], [1], [2]]], dtype), 2, 2, "same")
        assert z.dtype == dtype
        assert z.numpy().reshape(-1).tolist() == [3, 2]


def test_empty_batches_and_windows_that_do_not_fit():
    k = np.ones((3, 3, 2, 4))
    assert ops.conv(np.ones((0, 5, 5, 2)), k).shape == (0, 3, 3, 4)
    assert ops.conv(np.ones((2, 2, 5, 2)), k).shape == (2, 0, 3, 4)
    assert ops.max_pool(np.ones((2, 2, 5, 2)), 3, 1).shape == (2, 0, 3, 2)
    assert ops.conv_transpose(np.ones((0, 5, 5, 4)), k, 2).shape == (0, 11, 11, 2)


def test_numpy_integers_are_integers():
    x, k = np.ones((1, 5, 1)), np.ones((2, 1, 1))
    assert ops.conv(x, k, strides=np.int64(2)).shape == (1, 2, 1)
    assert ops.max_pool(x, np.int32(2)).shape == (1, 2, 1)


def test_float32_stays_float32():
    x, k = image(2, 2).astype(np.float32), kernel(2, 2, 3).astype(np.float32)
    assert ops.conv(x, k).dtype == "float32"
    assert ops.conv_transpose(x, np.swapaxes(k, 2, 3)[..., :2]).dtype == "float32"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ops.conv(np.ones((2, 5, 2)), np.ones((3, 3, 2, 4))), ["conv", "4 axes", "float64[2, 5, 2]"]),
        (lambda: ops.conv(np.ones((2, 5, 3)), np.ones((3, 2, 4))), ["conv", "3 channels", "kernel's 2"]),
        (lambda: ops.conv(np.ones((2, 5, 4)), np.ones((3, 2, 3))), ["conv", "3 filters", "groups"]),
        (lambda: ops.conv(np.ones((2, 5, 2)), np.ones((3, 2, 4)), strides=0), ["strides", "1 integers > 0", "got 0"]),
        (lambda: ops.conv(np.ones((2, 5, 2)), np.ones((3, 2, 4)), strides=(1, 1)), ["strides", "got (1, 1)"]),
        (lambda: ops.conv(np.ones((2, 5, 2)), np.ones((3, 2, 4)), dilation_rate=-1), ["dilation_rate", "got -1"]),
        (lambda: ops.conv(np.ones((2, 5, 2)), np.ones((3, 2, 4)), padding="full"), ["padding", "'same'", "got 'full'"]),
        (lambda: ops.conv(np.ones((2, 5, 2)), np.ones((3, 2, 4)), data_format="NHWC"), ["data_format", "'NHWC'"]),
        (lambda: ops.conv_transpose(np.ones((2, 5, 2)), np.ones((3, 4, 3))), ["conv_transpose", "3 channels"]),
        (lambda: ops.conv_transpose(np.ones((2, 5, 3)), np.ones((3, 4, 3)), padding="causal"), ["padding", "'causal'"]),
        (lambda: ops.max_pool(np.ones((2, 5, 2)), (2, 2)), ["pool_size", "1 integers > 0", "(2, 2)"]),
        (lambda: ops.max_pool(np.ones((2, 5, 2)), 0), ["pool_size", "got 0"]),
    ],
)
def test_errors_name_what_is_wrong(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)
