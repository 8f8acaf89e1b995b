"""Values of layers: those of Keras 3, and of straightforward NumPy code that shares nothing with the library's."""

import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eagerly import layers
from eagerly.layers import Conv2D, Conv2DTranspose, Dense, Input, MaxPooling2D

# Class, arguments, input shape, then what Keras 3 gives for `fingerprint`: the output's shape and one number.
KERAS = [
    ("Dense", {"units": 3}, (2, 4), (2, 3), -0.06663),
    ("Dense", {"units": 3, "activation": "tanh", "use_bias": False}, (2, 3, 4), (2, 3, 3), -0.13758),
    ("Dense", {"units": 2, "activation": "softmax"}, (3, 4), (3, 2), 0.49848),
    ("Conv2D", {"filters": 3, "kernel_size": 3}, (2, 5, 6, 2), (2, 3, 4, 3), -0.88566),
    (
        "Conv2D",
        {"filters": 3, "kernel_size": (2, 3), "strides": (2, 1), "padding": "same"},
        (2, 5, 6, 2),
        (2, 3, 6, 3),
        1.62654,
    ),
    (
        "Conv2D",
        {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same", "activation": "relu"},
        (1, 6, 5, 2),
        (1, 3, 3, 3),
        0.21008,
    ),
    (
        "Conv2D",
        {"filters": 3, "kernel_size": 2, "dilation_rate": (1, 2), "padding": "same"},
        (2, 5, 6, 2),
        (2, 5, 6, 3),
        6.3009,
    ),
    ("Conv2D", {"filters": 3, "kernel_size": 3, "dilation_rate": 2}, (2, 7, 6, 2), (2, 3, 2, 3), -1.16082),
    ("Conv2D", {"filters": 6, "kernel_size": 2, "groups": 2, "use_bias": False}, (2, 4, 5, 4), (2, 3, 4, 6), 1.37935),
    (
        "Conv2D",
        {"filters": 4, "kernel_size": 3, "groups": 4, "strides": 2, "padding": "same"},
        (1, 5, 4, 4),
        (1, 3, 2, 4),
        0.64156,
    ),
    (
        "Conv2D",
        {"filters": 3, "kernel_size": 2, "data_format": "channels_first", "strides": 2},
        (2, 2, 5, 6),
        (2, 3, 2, 3),
        8.73031,
    ),
    (
        "Conv2D",
        {"filters": 2, "kernel_size": 3, "data_format": "channels_first", "groups": 2, "padding": "same"},
        (2, 4, 3, 4),
        (2, 2, 3, 4),
        1.60312,
    ),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": 3}, (2, 4, 3, 2), (2, 6, 5, 3), 0.01753),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": 2, "strides": 3}, (2, 3, 2, 2), (2, 9, 6, 3), -1.55098),
    (
        "Conv2DTranspose",
        {"filters": 3, "kernel_size": 4, "strides": 2, "padding": "same"},
        (2, 3, 2, 2),
        (2, 6, 4, 3),
        0.93614,
    ),
    (
        "Conv2DTranspose",
        {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"},
        (1, 3, 2, 2),
        (1, 6, 4, 3),
        1.12485,
    ),
    (
        "Conv2DTranspose",
        {"filters": 2, "kernel_size": 3, "strides": (2, 3), "padding": "same", "output_padding": (1, 2)},
        (1, 3, 2, 2),
        (1, 6, 6, 2),
        0.98584,
    ),
    (
        "Conv2DTranspose",
        {"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same", "output_padding": 0},
        (1, 3, 2, 2),
        (1, 5, 3, 2),
        -1.34834,
    ),
    (
        "Conv2DTranspose",
        {"filters": 2, "kernel_size": 3, "strides": 2, "output_padding": 1},
        (1, 3, 2, 2),
        (1, 8, 6, 2),
        0.0091,
    ),
    ("Conv2DTranspose", {"filters": 2, "kernel_size": 2, "dilation_rate": 2}, (1, 4, 3, 2), (1, 6, 5, 2), -6.84229),
    (
        "Conv2DTranspose",
        {"filters": 2, "kernel_size": 3, "dilation_rate": 2, "padding": "same"},
        (1, 5, 4, 2),
        (1, 5, 4, 2),
        0.11303,
    ),
    (
        "Conv2DTranspose",
        {"filters": 2, "kernel_size": 3, "strides": 2, "data_format": "channels_first", "activation": "tanh"},
        (1, 2, 3, 2),
        (1, 2, 7, 5),
        0.93851,
    ),
    ("MaxPooling2D", {}, (2, 5, 4, 2), (2, 2, 2, 2), 1.29002),
    ("MaxPooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}, (2, 5, 4, 2), (2, 3, 2, 2), -0.08372),
    (
        "MaxPooling2D",
        {"pool_size": (1, 2), "strides": (2, 1), "data_format": "channels_first"},
        (2, 2, 5, 4),
        (2, 2, 3, 3),
        -0.31051,
    ),
    ("BatchNormalization", {}, (3, 4), (3, 4), -4.50118),
    ("BatchNormalization", {"axis": 1, "epsilon": 0.1}, (2, 3, 4, 2), (2, 3, 4, 2), -4.9004),
    ("BatchNormalization", {"center": False}, (2, 3, 4), (2, 3, 4), -0.23046),
    ("BatchNormalization", {"scale": False}, (2, 3, 4), (2, 3, 4), -0.227),
    ("LeakyReLU", {}, (3, 4), (3, 4), -2.05859),
    ("LeakyReLU", {"negative_slope": 0.0}, (3, 4), (3, 4), -1.56729),
    ("Activation", {"activation": "elu"}, (3, 4), (3, 4), -2.70968),
    ("Activation", {"activation": "softmax"}, (3, 4), (3, 4), -0.54277),
    ("Flatten", {}, (2, 3, 4, 2), (2, 24), -1.52216),
    ("Flatten", {"data_format": "channels_first"}, (2, 3, 4, 2), (2, 24), -1.95187),
    ("Flatten", {}, (3,), (3, 1), -0.55407),
    ("Reshape", {"target_shape": (2, -1)}, (2, 3, 4), (2, 2, 6), -0.11834),
    ("Reshape", {"target_shape": (4, 3, 1)}, (2, 3, 4), (2, 4, 3, 1), -0.11834),
    ("Reshape", {"target_shape": (-1,)}, (2, 3, 4), (2, 12), -0.11834),
]


def refused(message):
    return pytest.raises(ValueError, match=re.escape(message))


def with_known_weights(layer, x):
    layer(x)
    offset = 1 if type(layer).__name__ == "BatchNormalization" else 0
    layer.set_weights(
        [(np.cos(np.arange(w.size) + i) / 2 + offset).reshape(w.shape) for i, w in enumerate(layer.get_weights())]
    )
    return layer


def fingerprint(y):
    """A number that depends on every element and its place."""
    return float((y.ravel().astype("float64") * np.cos(1.3 * np.arange(y.size))).sum())


@pytest.mark.parametrize(("name", "options", "shape", "output", "number"), KERAS)
def test_values_of_keras(name, options, shape, output, number):
    x = np.sin(np.arange(np.prod(shape))).reshape(shape)
    y = with_known_weights(getattr(layers, name)(**options), x)(x).numpy()
    assert y.shape == output
    np.testing.assert_allclose(fingerprint(y), number, atol=5e-5)


# --- the definitions, element by element


def padding_of(size, width, stride, gap, padding):
    """Rows before and after the image: none, or as many as an output of ceil(size / stride) needs."""
    if padding == "valid":
        return 0, 0
    needed = max((int(np.ceil(size / stride)) - 1) * stride + (width - 1) * gap + 1 - size, 0)
    return needed // 2, needed - needed // 2


def convolution(x, kernel, bias, strides, padding, dilation, groups):
    """Each output element as the sum over its window."""
    pads = [padding_of(x.shape[1 + i], kernel.shape[i], strides[i], dilation[i], padding) for i in range(2)]
    x = np.pad(x, ((0, 0), *pads, (0, 0)))
    reach = [(kernel.shape[i] - 1) * dilation[i] + 1 for i in range(2)]
    size = [(x.shape[1 + i] - reach[i]) // strides[i] + 1 for i in range(2)]
    depth, filters = kernel.shape[2], kernel.shape[3]
    y = np.zeros((len(x), *size, filters))
    for b, i, j, f in np.ndindex(y.shape):
        first = f // (filters // groups) * depth
        for m, n in itertools.product(range(kernel.shape[0]), range(kernel.shape[1])):
            place = x[b, i * strides[0] + m * dilation[0], j * strides[1] + n * dilation[1], first : first + depth]
            y[b, i, j, f] += place @ kernel[m, n, :, f]
    return y + bias


def transposed(x, kernel, bias, strides, padding, dilation):
    """Each input element spreads the kernel over the output, which is then cut to its size."""
    reach = [(kernel.shape[i] - 1) * dilation[i] + 1 for i in range(2)]
    space = x.shape[1:3]
    full = [(space[i] - 1) * strides[i] + max(reach[i], strides[i]) for i in range(2)]
    y = np.zeros((len(x), *full, kernel.shape[2]))
    for b, i, j in np.ndindex(x.shape[:3]):
        for m, n in itertools.product(range(kernel.shape[0]), range(kernel.shape[1])):
            y[b, i * strides[0] + m * dilation[0], j * strides[1] + n * dilation[1]] += kernel[m, n] @ x[b, i, j]
    if padding == "same":
        for axis in (0, 1):
            size = space[axis] * strides[axis]
            start = max(((space[axis] - 1) * strides[axis] + reach[axis] - size), 0) // 2
            y = np.take(y, range(start, start + size), axis=1 + axis)
    return y + bias


@st.composite
def geometry(draw):
    """Sizes, window, strides or dilation, padding."""
    window = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    steps = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    strides, dilation = (steps, (1, 1)) if draw(st.booleans()) else ((1, 1), steps)
    space = tuple((w - 1) * d + 1 + draw(st.integers(0, 4)) for w, d in zip(window, dilation, strict=True))
    return space, window, strides, dilation, draw(st.sampled_from(["valid", "same"])), draw(st.booleans())


def check_convolution(layer, x, reference, first):
    layer(np.moveaxis(x, -1, 1) if first else x)
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.weights])
    kernel, bias = layer.get_weights()
    y = layer(np.moveaxis(x, -1, 1) if first else x).numpy()
    expected = reference(x, kernel, bias)
    np.testing.assert_allclose(np.moveaxis(y, 1, -1) if first else y, expected, rtol=1e-9, atol=1e-9)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(sizes=geometry(), counts=st.tuples(*[st.integers(1, 2)] * 4))
def test_convolutions_by_definition(sizes, counts):
    groups, depth, each, batch = counts
    space, window, strides, dilation, padding, first = sizes
    x = np.random.default_rng(0).normal(size=(batch, *space, groups * depth))
    layer = Conv2D(
        groups * each,
        window,
        strides,
        padding,
        "channels_first" if first else None,
        dilation,
        groups,
        dtype="float64",
    )
    check_convolution(layer, x, lambda *a: convolution(*a, strides, padding, dilation, groups), first)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(sizes=geometry(), depth=st.integers(1, 2), filters=st.integers(1, 2))
def test_transposed_convolutions_by_definition(sizes, depth, filters):
    space, window, strides, dilation, padding, first = sizes
    x = np.random.default_rng(0).normal(size=(2, *space, depth))
    layer = Conv2DTranspose(
        filters,
        window,
        strides,
        padding,
        data_format="channels_first" if first else "channels_last",
        dilation_rate=dilation,
        dtype="float64",
    )
    check_convolution(layer, x, lambda *a: transposed(*a, strides, padding, dilation), first)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(sizes=geometry(), own_strides=st.booleans())
def test_pooling_by_definition(sizes, own_strides):
    space, window, strides, _, padding, first = sizes
    strides = strides if own_strides else window
    space = tuple(map(max, space, window))
    x = np.random.default_rng(0).normal(size=(2, *space, 2)) - 5
    layer = MaxPooling2D(window, strides if own_strides else None, padding, "channels_first" if first else None)
    y = layer(np.moveaxis(x, -1, 1) if first else x).numpy()
    pads = [padding_of(space[i], window[i], strides[i], 1, padding) for i in range(2)]
    padded = np.pad(x, ((0, 0), *pads, (0, 0)), constant_values=-np.inf)
    rows, columns = (range(0, padded.shape[1 + i] - window[i] + 1, strides[i]) for i in range(2))
    expected = [[padded[:, i : i + window[0], j : j + window[1]].max(axis=(1, 2)) for j in columns] for i in rows]
    y = np.moveaxis(y, 1, -1) if first else y
    np.testing.assert_allclose(y, np.moveaxis(np.array(expected), 2, 0), rtol=1e-6)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(lead=st.lists(st.integers(0, 3), min_size=1, max_size=3), features=st.integers(1, 4), units=st.integers(1, 4))
def test_dense_by_definition(lead, features, units):
    x = np.random.default_rng(0).normal(size=(*lead, features))
    layer = Dense(units, activation="tanh", dtype="float64", bias_initializer="random_normal")
    y = layer(x).numpy()
    kernel, bias = layer.get_weights()
    expected = np.zeros((*lead, units))
    for place in np.ndindex(*lead):
        for unit in range(units):
            expected[place][unit] = np.tanh(sum(x[place][i] * kernel[i, unit] for i in range(features)) + bias[unit])
    np.testing.assert_allclose(y, expected, rtol=1e-9, atol=1e-12)


def test_pooling_of_integers_and_nan():
    x = np.arange(-8, 8).reshape(1, 4, 4, 1)
    assert MaxPooling2D()(x).numpy().ravel().tolist() == [-3, -1, 5, 7]
    assert MaxPooling2D(3, 1, "same")(x).dtype == x.dtype
    broken = np.where(x == -8, np.nan, x.astype("float32"))
    assert np.isnan(MaxPooling2D()(broken).numpy().ravel()).tolist() == [True, False, False, False]


def test_a_users_activation_is_applied_to_the_result():
    seen = []

    def double(y):
        seen.append(y.shape)
        return y * 2.0

    for layer, x in ((Dense(3, double), np.ones((2, 4))), (Conv2D(3, 2, activation=double), np.ones((1, 3, 3, 1)))):
        plain = type(layer)(3) if isinstance(layer, Dense) else type(layer)(3, 2)
        plain(x)
        layer(x)
        layer.set_weights(plain.get_weights())
        np.testing.assert_allclose(layer(x), 2 * plain(x).numpy(), rtol=1e-6)
    assert seen == [(2, 3)] * 2 + [(1, 2, 2, 3)] * 2


# --- arguments


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dense(0, name="x"), "Dense 'x': units must be an integer > 0, got 0."),
        (lambda: Dense(2.0, name="x"), "Dense 'x': units must be an integer > 0, got 2.0."),
        (lambda: Dense(True, name="x"), "Dense 'x': units must be an integer > 0, got True."),
        (lambda: Dense("3", name="x"), "Dense 'x': units must be an integer > 0, got '3'."),
        (lambda: Conv2D(-1, 2, name="x"), "Conv2D 'x': filters must be an integer > 0, got -1."),
        (
            lambda: Conv2D(1, (1, 2, 3), name="x"),
            "Conv2D 'x': kernel_size must be an integer > 0 or 2 of them, got (1, 2, 3).",
        ),
        (
            lambda: Conv2D(1, 2, (0, 1), name="x"),
            "Conv2D 'x': strides must be an integer > 0 or 2 of them, got (0, 1).",
        ),
        (
            lambda: Conv2D(1, 2, dilation_rate=1.5, name="x"),
            "Conv2D 'x': dilation_rate must be an integer > 0 or 2 of them, got 1.5.",
        ),
        (
            lambda: Conv2D(1, 2, 2, dilation_rate=3, name="x"),
            "Conv2D 'x': expected strides or dilation_rate to be 1, got (2, 2) and (3, 3).",
        ),
        (
            lambda: Conv2D(1, 2, padding="causal", name="x"),
            "Conv2D 'x': padding must be one of ('valid', 'same'), got 'causal'.",
        ),
        (
            lambda: Conv2D(1, 2, data_format="NHWC", name="x"),
            "Conv2D 'x': data_format must be one of ('channels_last', 'channels_first'), got 'NHWC'.",
        ),
        (
            lambda: Conv2D(3, 2, groups=2, name="x"),
            "Conv2D 'x': filters must be a multiple of groups, got 3 and 2.",
        ),
        (lambda: Conv2D(3, 2, groups=0, name="x"), "Conv2D 'x': groups must be an integer > 0, got 0."),
        (
            lambda: Conv2DTranspose(3, 2, 2, output_padding=2, name="x"),
            "Conv2DTranspose 'x': output_padding must be integers >= 0 below the strides (2, 2), got 2.",
        ),
        (
            lambda: Conv2DTranspose(3, 2, 2, output_padding=(0, -1), name="x"),
            "Conv2DTranspose 'x': output_padding must be integers >= 0 below the strides (2, 2), got (0, -1).",
        ),
        (
            lambda: Conv2DTranspose(3, 2, 2, output_padding=(1,), name="x"),
            "Conv2DTranspose 'x': output_padding must be integers >= 0 below the strides (2, 2), got (1,).",
        ),
        (
            lambda: MaxPooling2D(0, name="x"),
            "MaxPooling2D 'x': pool_size must be an integer > 0 or 2 of them, got 0.",
        ),
        (
            lambda: MaxPooling2D(strides=(1,), name="x"),
            "MaxPooling2D 'x': strides must be an integer > 0 or 2 of them, got (1,).",
        ),
    ],
)
def test_arguments_that_are_refused(make, message):
    with refused(message):
        make()


def test_channels_and_groups():
    with refused("Conv2D 'x': the input's channels must be a multiple of groups = 2, got 3."):
        Conv2D(2, 1, groups=2, name="x")(np.zeros((1, 2, 2, 3)))


@pytest.mark.parametrize("kind", ["eager", "symbolic"])
def test_images_smaller_than_the_window(kind):
    batch = 1 if kind == "eager" else None
    for layer, shape, reach in (
        (Conv2D(2, 3, name="x"), (2, 5, 1), "3 x 3"),
        (Conv2D(2, (1, 2), dilation_rate=3, name="x"), (2, 3, 1), "1 x 4"),
        (Conv2D(2, 3, data_format="channels_first", name="x"), (1, 5, 2), "3 x 3"),
        (MaxPooling2D((2, 4), name="x"), (5, 3, 1), "2 x 4"),
    ):
        shown = ", ".join(map(str, (batch, *shape)))
        message = f"expected an image of at least {reach}, which the window covers, got float32[{shown}]."
        with refused(f"{type(layer).__name__} 'x': {message}"):
            layer(np.zeros((1, *shape), np.float32) if kind == "eager" else Input(shape))
    assert MaxPooling2D(3, padding="same")(np.zeros((1, 1, 1, 1))).shape == (1, 1, 1, 1)
    assert Conv2D(2, 3)(np.zeros((0, 3, 3, 1))).shape == (0, 1, 1, 2)


def test_numbers_may_be_numpys_and_cases_may_differ():
    layer = Conv2D(np.int64(2), [np.int32(2), 1], padding="SAME", data_format="Channels_Last")
    assert layer(np.zeros((1, 3, 3, 1))).shape == (1, 3, 3, 2)
    assert (layer.filters, layer.kernel_size, layer.padding) == (2, (2, 1), "same")


def test_without_a_bias():
    for layer, shape in ((Dense(2, use_bias=False), (1, 2)), (Conv2D(2, 1, use_bias=False), (1, 2, 2, 2))):
        layer(np.ones(shape))
        assert [w.name for w in layer.weights] == ["kernel"] and layer.bias is None


def test_initializers_regularizers_and_constraints_reach_their_weights():
    options = {
        "kernel_initializer": "ones",
        "bias_initializer": "ones",
        "kernel_regularizer": "l1",
        "bias_regularizer": "l2",
        "kernel_constraint": "non_neg",
        "bias_constraint": "max_norm",
    }
    for layer, x in (
        (Dense(2, **options), np.ones((1, 2))),
        (Conv2D(2, 1, **options), np.ones((1, 2, 2, 2))),
        (Conv2DTranspose(2, 1, **options), np.ones((1, 2, 2, 2))),
    ):
        layer(x)
        assert all(np.all(w.numpy() == 1) for w in layer.weights)
        assert [type(w.regularizer).__name__ for w in layer.weights] == ["L1", "L2"]
        assert [type(w.constraint).__name__ for w in layer.weights] == ["NonNeg", "MaxNorm"]
        assert [round(float(loss), 3) for loss in layer.losses] == [0.04, 0.02]
