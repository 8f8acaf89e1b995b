"""Convolutions against plain loops over output positions."""

import itertools

import numpy as np
import pytest

from eagerly import kernels, ops
from eagerly.ops.convolution_primitives import (
    convolution,
    convolution_input_gradient,
    convolution_kernel_gradient,
)
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from gradients import check_gradients
from window_references import FORMATS, each, from_last, image, kernel, plain_conv, to_last


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


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
@pytest.mark.parametrize(("strides", "dilation"), [(1, 1), (2, 1), (3, 1), (1, 2), (2, 2)])
def test_conv(rank, data_format, padding, strides, dilation):
    for groups in (1, 2, 4):
        x, k = image(rank, 4, data_format), kernel(rank, 4 // groups, 8)
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


@pytest.mark.parametrize(
    "function",
    [
        lambda x, k: ops.conv(x, k),
        lambda x, k: ops.conv(x, k, (2, 1), "same"),
        lambda x, k: ops.conv(x, k[:, :, :1], dilation_rate=(1, 2)),
        lambda x, k: ops.conv(ops.transpose(x, (0, 3, 1, 2)), k, 2, "same", "channels_first"),
        lambda x, k: ops.conv_transpose(x, ops.transpose(k, (0, 1, 3, 2)), 2, "same"),
        lambda x, k: ops.conv_transpose(x, ops.transpose(k, (0, 1, 3, 2)), (1, 3), "valid", dilation_rate=(2, 1)),
        lambda x, k: ops.conv_transpose(x, ops.transpose(k, (0, 1, 3, 2)), 2, output_padding=(3, 1)),
    ],
)
def test_gradients(function):
    rng = np.random.default_rng(9)
    x = rng.permutation(2 * 4 * 3 * 2).reshape(2, 4, 3, 2) * 0.05
    check_gradients(function, [x, rng.uniform(-1, 1, (2, 2, 2, 4))])


def test_empty_batches_and_windows_that_do_not_fit():
    k = np.ones((3, 3, 2, 4))
    assert ops.conv(np.ones((0, 5, 5, 2)), k).shape == (0, 3, 3, 4)
    assert ops.conv(np.ones((2, 2, 5, 2)), k).shape == (2, 0, 3, 4)
    assert ops.conv_transpose(np.ones((0, 5, 5, 4)), k, 2).shape == (0, 11, 11, 2)


def test_padding_in_any_case_of_letters():
    x, k = image(2, 3), kernel(2, 3, 4)
    np.testing.assert_array_equal(ops.conv(x, k, 2, "SAME").numpy(), ops.conv(x, k, 2, "same").numpy())
    y = ops.conv_transpose(x, np.swapaxes(k, 2, 3), 2, "Same")
    np.testing.assert_array_equal(y.numpy(), ops.conv_transpose(x, np.swapaxes(k, 2, 3), 2, "same").numpy())


def test_strides_and_dilation_beside_each_other_are_no_error():
    """Keras's layers refuse the pair, its operation on PyTorch computes it."""
    assert ops.conv(np.arange(7.0).reshape(1, 7, 1), np.ones((2, 1, 1)), 2, dilation_rate=2).tolist() == [
        [[2.0], [6.0], [10.0]]
    ]


def test_numpy_integers_are_integers():
    x, k = np.ones((1, 5, 1)), np.ones((2, 1, 1))
    assert ops.conv(x, k, strides=np.int64(2)).shape == (1, 2, 1)


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
        (lambda: ops.conv(np.ones((2, 3)), np.ones((3, 4))), ["conv", "2 axes", "float64[3, 4]"]),
        (lambda: ops.conv(np.ones((2, 5, 2)), np.ones((3, 2, 4)), strides=1.5), ["strides", "got 1.5"]),
    ],
)
def test_errors_name_what_is_wrong(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)


LARGE = {
    "conv2d": (lambda x, k: ops.conv(x, k, padding="same"), (8, 24, 24, 16), (3, 3, 16, 32)),
    "strides": (lambda x, k: ops.conv(x, k, (2, 3), "same"), (16, 24, 24, 16), (3, 3, 16, 32)),
    "conv1d": (lambda x, k: ops.conv(x, k, padding="causal", dilation_rate=3), (16, 100, 16), (5, 16, 32)),
    "channels first": (lambda x, k: ops.conv(x, k, data_format="channels_first"), (8, 16, 24, 24), (3, 3, 16, 32)),
    "groups": (lambda x, k: ops.conv(x, k, 2, "same"), (32, 24, 24, 16), (3, 3, 4, 32)),
    "depthwise": (lambda x, k: ops.depthwise_conv(x, k, 1, "same"), (8, 40, 40, 20), (3, 3, 20, 1)),
    "multiplier": (lambda x, k: ops.depthwise_conv(x, k, 2), (8, 40, 40, 20), (3, 3, 20, 3)),
    "transposed": (lambda x, k: ops.conv_transpose(x, k, 2, "same"), (8, 12, 12, 32), (3, 3, 16, 32)),
    "further apart": (lambda x, k: ops.conv_transpose(x, k, 4, output_padding=2), (16, 12, 12, 32), (3, 3, 16, 32)),
}


@pytest.mark.parametrize("name", LARGE)
def test_large_float32_images_and_their_gradients_agree_with_float64(name, monkeypatch):
    function, *shapes = LARGE[name]
    rng = np.random.default_rng(0)
    x, k = (rng.normal(size=shape) for shape in shapes)
    launches = []
    find = kernels.launch
    monkeypatch.setattr(kernels, "launch", lambda *key: launches.append(find(*key)) or launches[-1])

    def results(dtype):
        sources = [Tensor(x, dtype), Tensor(k, dtype)]
        with GradientTape(persistent=True) as outer:
            outer.watch(sources)
            with GradientTape() as tape:
                tape.watch(sources)
                y = function(*sources)
                loss = ops.mean(y * y)
            first = tape.gradient(loss, sources)
            size = ops.sum(first[0] * first[0]) + ops.sum(first[1] * first[1])
        return [y, *first, *outer.gradient(size, sources)]

    found = results("float32")
    assert len(launches) >= 6 and None not in launches
    count = len(launches)
    for y, exact in zip(found, results("float64"), strict=True):
        assert y.dtype == "float32"
        scale = np.abs(exact.numpy()).max()
        np.testing.assert_allclose(y.numpy(), exact.numpy(), rtol=1e-3, atol=3e-5 * scale)
    assert len(launches) == count  # float64 has none


def test_compiled_graphs_have_kernels():
    options = {"strides": (1, 2), "pads": ((1, 1), (0, 1)), "dilation": (1, 1), "groups": 1}
    x, k, g = AbstractTensor((2, 4, 7, 3)), AbstractTensor((3, 2, 3, 5)), AbstractTensor((2, 4, 4, 5))
    assert convolution(x, k, **options).shape == g.shape
    assert convolution.kernel_rule(x, k, **options).operands == 3
    assert convolution_input_gradient.kernel_rule(g, k, space=(4, 7), **options).operands == 3
    assert convolution_kernel_gradient.kernel_rule(g, x, window=(3, 2), **options).operands == 3
    assert convolution.kernel_rule(AbstractTensor((2, 4, 7, 3), "float64"), k, **options) is None
    volume = {"strides": (1,) * 3, "pads": ((0, 0),) * 3, "dilation": (1,) * 3, "groups": 1}
    assert convolution.kernel_rule(AbstractTensor((2, 4, 4, 4, 3)), AbstractTensor((2, 2, 2, 3, 5)), **volume) is None
