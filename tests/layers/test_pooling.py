"""Pooling by windows and over all of space, for any number of its axes, by definition; masks; refusals."""

import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eagerly import layers
from eagerly.layers import AveragePooling1D, AveragePooling2D, Embedding, GlobalAveragePooling1D, Input, MaxPooling1D
from eagerly.tensor import Tensor

WINDOWED = [f"{kind}Pooling{rank}D" for kind in ("Max", "Average") for rank in (1, 2, 3)]
GLOBAL = [f"Global{name}" for name in WINDOWED]


def refused(message):
    return pytest.raises(ValueError, match=re.escape(message))


def pooled(x, window, strides, padding, reduce):
    """What `reduce` makes of each window: the part of it that lies inside of the image."""
    rank = len(window)
    starts, counts = [], []
    for size, width, stride in zip(x.shape[1:-1], window, strides, strict=True):
        count = -(-size // stride) if padding == "same" else (size - width) // stride + 1
        before = max((count - 1) * stride + width - size, 0) // 2 if padding == "same" else 0
        counts.append(count)
        starts.append([i * stride - before for i in range(count)])
    y = np.zeros((len(x), *counts, x.shape[-1]))
    for place in itertools.product(*map(range, counts)):
        key = tuple(
            slice(max(starts[axis][place[axis]], 0), starts[axis][place[axis]] + window[axis]) for axis in range(rank)
        )
        y[(slice(None), *place)] = reduce(x[(slice(None), *key)], axis=tuple(range(1, rank + 1)))
    return y


@st.composite
def geometry(draw):
    rank = draw(st.integers(1, 3))
    window = tuple(draw(st.integers(1, 3)) for _ in range(rank))
    strides = tuple(draw(st.integers(1, 3)) for _ in range(rank)) if draw(st.booleans()) else None
    space = tuple(width + draw(st.integers(0, 3)) for width in window)
    return space, window, strides, draw(st.sampled_from(["valid", "same"])), draw(st.booleans())


@settings(max_examples=60, deadline=None, derandomize=True)
@given(kind=st.sampled_from(["Max", "Average"]), sizes=geometry())
def test_windows_by_definition(kind, sizes):
    space, window, strides, padding, first = sizes
    x = np.random.default_rng(0).normal(size=(2, *space, 2)) - 5
    name = f"{kind}Pooling{len(space)}D"
    layer = getattr(layers, name)(window, strides, padding, "channels_first" if first else None, dtype="float64")
    y = layer(np.moveaxis(x, -1, 1) if first else x).numpy()
    expected = pooled(x, window, strides or window, padding, {"Max": np.max, "Average": np.mean}[kind])
    np.testing.assert_allclose(np.moveaxis(y, 1, -1) if first else y, expected, rtol=1e-10)


# Keras 3 on JAX and TensorFlow; on PyTorch it averages over copies of the border.
def test_averages_at_the_border_leave_out_what_is_not_there():
    assert AveragePooling1D(2, 1, "same")(np.array([[[2.0], [4.0], [9.0]]])).numpy().ravel().tolist() == [3.0, 6.5, 9.0]
    assert AveragePooling2D(3, 1, "same")(np.ones((1, 4, 4, 1))).numpy().ravel().tolist() == [1.0] * 16


@pytest.mark.parametrize("name", GLOBAL)
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("keepdims", [False, True])
def test_all_of_space_by_definition(name, first, keepdims):
    rank = int(name[-2])
    x = np.random.default_rng(1).normal(size=(2, *(3, 4, 2)[:rank], 5))
    axes = tuple(range(1, rank + 1))
    expected = (np.max if "Max" in name else np.mean)(x, axis=axes, keepdims=keepdims)
    layer = getattr(layers, name)("channels_first" if first else None, keepdims, dtype="float64")
    y = layer(np.moveaxis(x, -1, 1) if first else x).numpy()
    if first and keepdims:
        y = np.moveaxis(y, 1, -1)
    assert y.shape == expected.shape
    np.testing.assert_allclose(y, expected, rtol=1e-12)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("keepdims", [False, True])
def test_means_of_the_steps_that_are_not_masked(first, keepdims):
    x = np.arange(12.0).reshape(2, 3, 2)
    mask = np.array([[True, False, True], [False, True, False]])
    layer = GlobalAveragePooling1D("channels_first" if first else None, keepdims)
    y = layer(np.moveaxis(x, -1, 1) if first else x, mask=Tensor(mask)).numpy()
    assert y.ravel().tolist() == [2.0, 3.0, 8.0, 9.0]
    assert y.shape == ((2, 2) if not keepdims else (2, 2, 1) if first else (2, 1, 2))


def test_the_mask_of_an_embedding_is_used_and_ends():
    words = np.array([[1, 2, 0], [3, 0, 0]])
    embedded = Embedding(4, 2, mask_zero=True)(words)
    y = GlobalAveragePooling1D()(embedded)
    np.testing.assert_allclose(y, [embedded.numpy()[0, :2].mean(0), embedded.numpy()[1, 0]], rtol=1e-6)
    assert getattr(y, "_mask", None) is None
    short = GlobalAveragePooling1D(dtype="float16")(np.full((1, 4096, 1), 100.0), mask=Tensor(np.ones((1, 4096), bool)))
    assert short.dtype == "float16" and short.tolist() == [[100.0]]
    with pytest.warns(UserWarning, match="GlobalMaxPooling1D 'x' does not support masks"):
        layers.GlobalMaxPooling1D(name="x")(embedded)


# As in Keras 3.
def test_what_is_masked_altogether_has_no_mean():
    y = GlobalAveragePooling1D()(np.ones((2, 2, 1)), mask=Tensor([[True, True], [False, False]]))
    assert y.numpy()[0] == 1 and np.isnan(y.numpy()[1])


def test_integers():
    x = np.array([[[1], [2], [4]]], np.int32)
    assert MaxPooling1D(2, 1)(x).dtype == "int32" and layers.GlobalMaxPooling1D()(x).dtype == "int32"
    assert AveragePooling1D(2, 1)(x).tolist() == [[[1.5], [3.0]]]
    assert GlobalAveragePooling1D()(x).dtype == "float32"
    for dtype in ("int32", "int8"):
        y = GlobalAveragePooling1D()(x.astype(dtype), mask=Tensor([[True, True, False]]))
        assert y.dtype == "float32" and y.tolist() == [[1.5]]


# --- what they refuse


@pytest.mark.parametrize("name", WINDOWED)
def test_arguments_that_are_refused(name):
    kind, rank = getattr(layers, name), int(name[-2])
    short = (1,) * (rank + 1)
    for argument, value in (("pool_size", 0), ("pool_size", short), ("strides", 0.5), ("strides", (0,) * rank)):
        with refused(f"{name} 'x': {argument} must be an integer > 0 or {rank} of them, got {value!r}."):
            kind(**{"pool_size": 2, argument: value}, name="x")
    with refused(f"{name} 'x': padding must be one of ('valid', 'same'), got 'causal'."):
        kind(2, padding="causal", name="x")
    with refused(f"{name} 'x': data_format must be one of ('channels_last', 'channels_first'), got 'x'."):
        kind(2, data_format="x", name="x")


@pytest.mark.parametrize("name", WINDOWED)
def test_images_that_are_refused(name):
    rank = int(name[-2])
    layer = getattr(layers, name)(3, name="x")
    reach = " x ".join("3" * rank)
    for batch, x in ((1, np.zeros((1, *(2,) * rank, 1), np.float32)), (None, Input((*(2,) * rank, 1)))):
        shown = ", ".join(map(str, (batch, *(2,) * rank, 1)))
        message = f"expected an image of at least {reach}, which the window covers, got float32[{shown}]."
        with refused(f"{name} 'x': {message}"):
            layer(x)
    with refused(f"{name} 'x': expected [batch{', *' * (rank + 1)}], got float64[2, 2]."):
        layer(np.zeros((2, 2)))


@pytest.mark.parametrize("name", GLOBAL)
def test_global_pooling_refuses(name):
    rank = int(name[-2])
    with refused(f"{name} 'x': expected [batch{', *' * (rank + 1)}], got float64[2, 2]."):
        getattr(layers, name)(name="x")(np.zeros((2, 2)))
    with refused(f"{name} 'x': data_format must be one of ('channels_last', 'channels_first'), got 'x'."):
        getattr(layers, name)("x", name="x")
