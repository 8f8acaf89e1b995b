"""Convolutions of every kind and number of axes, by definition; what they refuse. See `test_values.py` too."""

import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eagerly import layers
from eagerly.layers import Conv1D, DepthwiseConv1D, DepthwiseConv2D, Input, SeparableConv1D, SeparableConv2D

PLAIN = ["Conv1D", "Conv3D", "Conv1DTranspose", "Conv3DTranspose", "SeparableConv1D", "SeparableConv2D"]
DEPTHWISE = ["DepthwiseConv1D", "DepthwiseConv2D"]
RANK = {name: int(re.search(r"\d", name)[0]) for name in PLAIN + DEPTHWISE}


def refused(message):
    return pytest.raises(ValueError, match=re.escape(message))


def make(name, /, **options):
    """A layer of a class; with filters only if it has them."""
    return getattr(layers, name)(**({} if name in DEPTHWISE else {"filters": 2}), **{"kernel_size": 2, **options})


def borders_of(space, window, strides, dilation, padding):
    pads = []
    for size, width, stride, gap in zip(space, window, strides, dilation, strict=True):
        reach = (width - 1) * gap + 1
        needed = max((-(-size // stride) - 1) * stride + reach - size, 0) if padding == "same" else 0
        pads.append((reach - 1, 0) if padding == "causal" else (needed // 2, needed - needed // 2))
    return pads


def windows(x, window, strides, dilation, padding):
    """For each place of the output, the pixels that its window sees: [batch, *window, channels]."""
    x = np.pad(x, ((0, 0), *borders_of(x.shape[1:-1], window, strides, dilation, padding), (0, 0)))
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


def convolved(x, kernel, strides, dilation, padding, formula):
    rank = kernel.ndim - 2
    y = None
    for counts, place, seen in windows(x, kernel.shape[:rank], strides, dilation, padding):
        flat = seen.reshape(len(x), -1, x.shape[-1])
        value = np.einsum(formula, flat, kernel.reshape(flat.shape[1], *kernel.shape[rank:])).reshape(len(x), -1)
        y = np.zeros((len(x), *counts, value.shape[-1])) if y is None else y
        y[(slice(None), *place)] = value
    return y


def transposed(x, kernel, strides, dilation, padding):
    """Each input element spreads the kernel over the output, which is then cut to its size."""
    rank = kernel.ndim - 2
    reach = [(width - 1) * gap + 1 for width, gap in zip(kernel.shape, dilation, strict=False)]
    space = x.shape[1:-1]
    y = np.zeros(
        (len(x), *((space[i] - 1) * strides[i] + max(reach[i], strides[i]) for i in range(rank)), kernel.shape[-2])
    )
    for place in itertools.product(*map(range, space)):
        for tap in itertools.product(*map(range, kernel.shape[:rank])):
            target = tuple(place[i] * strides[i] + tap[i] * dilation[i] for i in range(rank))
            y[(slice(None), *target)] += x[(slice(None), *place)] @ kernel[tap].T
    if padding == "same":
        for axis in range(rank):
            size = space[axis] * strides[axis]
            start = max((space[axis] - 1) * strides[axis] + reach[axis] - size, 0) // 2
            y = np.take(y, range(start, start + size), axis=1 + axis)
    return y


@st.composite
def geometry(draw, name):
    rank = RANK[name]
    most = 2 if rank == 3 else 3
    window = tuple(draw(st.integers(1, most)) for _ in range(rank))
    steps = tuple(draw(st.integers(1, most)) for _ in range(rank))
    strides, dilation = (steps, (1,) * rank) if draw(st.booleans()) else ((1,) * rank, steps)
    space = tuple((w - 1) * d + 1 + draw(st.integers(0, most)) for w, d in zip(window, dilation, strict=True))
    padding = draw(st.sampled_from(["valid", "same", "causal"] if name == "Conv1D" else ["valid", "same"]))
    return space, window, strides, dilation, padding, draw(st.booleans())


def definition(name, layer, x, strides, dilation, padding):
    weights = layer.get_weights()
    if name.endswith("Transpose"):
        return transposed(x, weights[0], strides, dilation, padding) + weights[1]
    if name in DEPTHWISE:
        return convolved(x, weights[0], strides, dilation, padding, "bkc,kcp->bcp") + weights[1]
    if name.startswith("Separable"):
        between = convolved(x, weights[0], strides, dilation, padding, "bkc,kcp->bcp")
        return between @ weights[1].reshape(weights[1].shape[-2:]) + weights[2]
    return convolved(x, weights[0], strides, dilation, padding, "bkc,kcf->bf") + weights[1]


@pytest.mark.parametrize("name", RANK)
@settings(max_examples=15, deadline=None, derandomize=True)
@given(data=st.data())
def test_it_does_what_its_definition_says(name, data):
    space, window, strides, dilation, padding, first = data.draw(geometry(name))
    x = np.random.default_rng(0).normal(size=(2, *space, 2))
    fed = np.moveaxis(x, -1, 1) if first else x
    more = {} if name.startswith("Conv") else {"depth_multiplier": data.draw(st.integers(1, 3))}
    layer = make(
        name,
        kernel_size=window,
        strides=strides,
        padding=padding,
        dilation_rate=dilation,
        data_format="channels_first" if first else None,
        activation="tanh",
        dtype="float64",
        **more,
    )
    layer(fed)
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.weights])
    y = layer(fed).numpy()
    expected = np.tanh(definition(name, layer, x, strides, dilation, padding))
    np.testing.assert_allclose(np.moveaxis(y, 1, -1) if first else y, expected, rtol=1e-9, atol=1e-9)


def test_causal_outputs_see_no_later_input():
    layer = Conv1D(2, 3, padding="causal", dilation_rate=2)
    x = np.random.default_rng(2).normal(size=(1, 8, 2))
    later = x.copy()
    later[:, 5:] += 1
    np.testing.assert_array_equal(layer(x)[:, :5], layer(later)[:, :5])
    assert np.all(layer(x).numpy()[:, 5:] != layer(later).numpy()[:, 5:])
    assert layer(x[:, :1]).shape == (1, 1, 2)


def test_groups_of_every_number_of_axes():
    for name, shape in (("Conv1D", (1, 4, 4)), ("Conv3D", (1, 3, 3, 3, 4))):
        layer = make(name, groups=2)
        x = np.random.default_rng(3).normal(size=shape)
        y = layer(x).numpy()
        x[..., 2:] += 1
        assert np.array_equal(layer(x).numpy()[..., 0], y[..., 0]) and not np.array_equal(layer(x).numpy(), y)


# What Keras 3 names them.
def test_names_and_shapes_of_weights():
    shapes = {}
    for name in RANK:
        layer = make(name, **({} if name.startswith("Conv") else {"depth_multiplier": 3}))
        layer(np.zeros((1, *(3,) * RANK[name], 4)))
        shapes[name] = [(w.name, w.shape) for w in layer.weights]
    assert shapes == {
        "Conv1D": [("kernel", (2, 4, 2)), ("bias", (2,))],
        "Conv3D": [("kernel", (2, 2, 2, 4, 2)), ("bias", (2,))],
        "Conv1DTranspose": [("kernel", (2, 2, 4)), ("bias", (2,))],
        "Conv3DTranspose": [("kernel", (2, 2, 2, 2, 4)), ("bias", (2,))],
        "DepthwiseConv1D": [("kernel", (2, 4, 3)), ("bias", (12,))],
        "DepthwiseConv2D": [("kernel", (2, 2, 4, 3)), ("bias", (12,))],
        "SeparableConv1D": [("depthwise_kernel", (2, 4, 3)), ("pointwise_kernel", (1, 12, 2)), ("bias", (2,))],
        "SeparableConv2D": [("depthwise_kernel", (2, 2, 4, 3)), ("pointwise_kernel", (1, 1, 12, 2)), ("bias", (2,))],
    }


def test_options_reach_their_weights():
    shared = {"bias_initializer": "ones", "bias_regularizer": "l2", "bias_constraint": "max_norm"}
    depthwise = {"depthwise_initializer": "ones", "depthwise_regularizer": "l1", "depthwise_constraint": "non_neg"}
    pointwise = {"pointwise_initializer": "zeros", "pointwise_regularizer": "l1l2", "pointwise_constraint": "unit_norm"}
    for layer, x in (
        (DepthwiseConv1D(1, **depthwise, **shared), np.ones((1, 2, 2))),
        (DepthwiseConv2D(1, **depthwise, **shared), np.ones((1, 2, 2, 2))),
        (SeparableConv1D(2, 1, **depthwise, **pointwise, **shared), np.ones((1, 2, 2))),
        (SeparableConv2D(2, 1, **depthwise, **pointwise, **shared), np.ones((1, 2, 2, 2))),
    ):
        layer(x)
        values = [np.unique(w.numpy()).tolist() for w in layer.weights]
        kinds = (
            [type(w.regularizer).__name__ for w in layer.weights],
            [type(w.constraint).__name__ for w in layer.weights],
        )
        between = len(values) == 3
        assert values == [[1.0], *([[0.0]] if between else []), [1.0]]
        assert kinds == (
            ["L1", *(["L1L2"] if between else []), "L2"],
            ["NonNeg", *(["UnitNorm"] if between else []), "MaxNorm"],
        )


@pytest.mark.parametrize("name", RANK)
def test_without_a_bias_and_with_a_users_activation(name):
    layer = make(name, use_bias=False, activation=lambda y: y * 0.0 + 3.0)
    y = layer(np.ones((1, *(3,) * RANK[name], 2)))
    assert np.all(y.numpy() == 3) and layer.bias is None and layer.weights[-1].name != "bias"


# --- what they refuse


@pytest.mark.parametrize("name", RANK)
def test_arguments_that_are_refused(name):
    rank = RANK[name]
    several = f"an integer > 0 or {rank} of them" if rank > 1 else "an integer > 0 or 1 of them"
    for argument in ("kernel_size", "strides", "dilation_rate"):
        for value in (0, (1,) * (rank + 1), "2"):
            with refused(f"{name} 'x': {argument} must be {several}, got {value!r}."):
                make(name, name="x", **{argument: value})
    known = ("valid", "same", "causal") if name == "Conv1D" else ("valid", "same")
    with refused(f"{name} 'x': padding must be one of {known}, got 'full'."):
        make(name, padding="full", name="x")
    if name in DEPTHWISE or name.startswith("Separable"):
        with refused(f"{name} 'x': depth_multiplier must be an integer > 0, got 0."):
            make(name, depth_multiplier=0, name="x")
        with refused(f"{name} 'x': depthwise_initializer: "):
            make(name, depthwise_initializer="wrong", name="x")
        assert make(name, strides=2, dilation_rate=2, padding="same")(np.ones((1, *(5,) * rank, 1))).shape[1] == 3
    else:
        message = f"expected strides or dilation_rate to be 1, got {(2,) * rank} and {(3,) * rank}."
        with refused(f"{name} 'x': {message}"):
            make(name, strides=2, dilation_rate=3, name="x")
    if name not in DEPTHWISE:
        with refused(f"{name} 'x': filters must be an integer > 0, got -1."):
            getattr(layers, name)(-1, 2, name="x")
    if name.endswith("Transpose"):
        message = f"output_padding must be integers >= 0 below the strides {(2,) * rank}, got 2."
        with refused(f"{name} 'x': {message}"):
            make(name, strides=2, output_padding=2, name="x")


@pytest.mark.parametrize("name", [name for name in RANK if not name.endswith("Transpose")])
def test_images_smaller_than_the_window(name):
    rank = RANK[name]
    layer = make(name, kernel_size=2, dilation_rate=3, name="x")
    message = f"expected an image of at least {' x '.join('4' * rank)}, which the window covers, got float32["
    for x in (np.zeros((1, *(3,) * rank, 2), np.float32), Input((*(3,) * rank, 2))):
        with refused(f"{name} 'x': {message}"):
            layer(x)


@pytest.mark.parametrize("name", RANK)
def test_other_channels_and_unknown_ones(name):
    rank = RANK[name]
    layer = make(name, name="x")
    layer(np.zeros((1, *(3,) * rank, 2)))
    with refused(f"{name} 'x': expected [batch{', *' * rank}, 2], got float64[1{', 3' * rank}, 4]."):
        layer(np.zeros((1, *(3,) * rank, 4)))
    with refused("An unknown size cannot hold a weight."):
        make(name)(Input((None,) * (rank + 1)))
