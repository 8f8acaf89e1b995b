"""Color spaces: what Keras gives, edges, gradients, refusals."""

import colorsys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eagerly import ops
from eagerly.tape import GradientTape
from eagerly.tensor import Tensor
from eagerly.variable import Variable

rgb_to_grayscale, rgb_to_hsv, hsv_to_rgb = ops.image.rgb_to_grayscale, ops.image.rgb_to_hsv, ops.image.hsv_to_rgb
COLORS = st.tuples(*[st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])] * 3)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(COLORS)
def test_colors_with_ties_and_pure_ones(color):
    np.testing.assert_allclose(rgb_to_hsv([[color]]).numpy()[0, 0], colorsys.rgb_to_hsv(*color), atol=1e-6)
    np.testing.assert_allclose(hsv_to_rgb([[color]]).numpy()[0, 0], colorsys.hsv_to_rgb(*color), atol=1e-6)
    np.testing.assert_allclose(hsv_to_rgb(rgb_to_hsv([[color]])).numpy()[0, 0], color, atol=1e-6)


def test_hues_repeat():
    for hue in (-0.75, 1.25, 3.25):
        np.testing.assert_allclose(hsv_to_rgb([[[hue, 0.5, 1.0]]]).numpy()[0, 0], [0.75, 1.0, 0.5], atol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "epsilon"), [("float16", 2.0**-10), ("bfloat16", 2.0**-7), ("float32", 2.0**-23), ("float64", 2.0**-52)]
)
def test_numbers_below_epsilon_are_0(dtype, epsilon):
    for least, expected in ((epsilon * 0.75, [0.0, 0.0, 0.0]), (epsilon, [2 / 3, 1.0, epsilon])):
        found = rgb_to_hsv(Tensor([[[0.0, 0.0, least]]], dtype))
        assert found.dtype == dtype
        np.testing.assert_allclose(found.numpy().astype("float64")[0, 0], expected, rtol=1e-2)


def test_grays_are_cut_off_as_in_keras():
    pixels = np.array([[[255, 255, 255], [10, 20, 30], [1, 0, 0], [0, 2, 0]]])
    for dtype, expected in (("uint8", [254, 18, 0, 1]), ("int32", [254, 18, 0, 1])):
        y = rgb_to_grayscale(pixels.astype(dtype))
        assert y.dtype == dtype and y[0, :, 0].tolist() == expected
    assert rgb_to_grayscale(-pixels.astype(np.int32))[0, :, 0].tolist() == [-254, -18, 0, -1]
    gray = np.ones((2, 2, 1), np.int8)
    assert rgb_to_grayscale(gray).dtype == "int8" and rgb_to_grayscale(gray).shape == (2, 2, 1)


def test_gradients_where_a_gray_has_no_hue():
    x = Variable([[[0.5, 0.5, 0.5], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]])
    with GradientTape() as tape:
        y = rgb_to_hsv(x)
    assert np.isfinite(tape.gradient(y, x).numpy()).all()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: rgb_to_grayscale(np.ones((2, 2, 2))),
            r"rgb_to_grayscale: expected 1 or 3 channels along axis -1, got float64\[2, 2, 2\]",
        ),
        (
            lambda: rgb_to_grayscale(np.ones((2, 2, 3)), "channels_first"),
            r"rgb_to_grayscale: expected 1 or 3 channels along axis -3, got float64\[2, 2, 3\]",
        ),
        (
            lambda: rgb_to_hsv(np.ones((2, 2, 1))),
            r"rgb_to_hsv: expected 3 channels along axis -1, got float64\[2, 2, 1\]",
        ),
        (
            lambda: hsv_to_rgb(np.ones((2, 2, 4))),
            r"hsv_to_rgb: expected 3 channels along axis -1, got float64\[2, 2, 4\]",
        ),
        (
            lambda: rgb_to_hsv(np.ones((2, 2, 3), np.uint8)),
            r"rgb_to_hsv: expected floats in \[0, 1\], got uint8\[2, 2, 3\]. Cast and divide by 255 first.",
        ),
        (
            lambda: hsv_to_rgb(np.ones((2, 2, 3), np.int32)),
            r"hsv_to_rgb: expected floats in \[0, 1\], got int32\[2, 2, 3\]",
        ),
    ],
)
def test_refusals(call, text):
    with pytest.raises(ValueError, match=f"^{text}"):
        call()
