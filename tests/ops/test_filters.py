"""Blur, edges and similarity: borders, dtypes, gradients of sigma, refusals."""

import numpy as np
import pytest

import image_references as reference
from eagerly import dtypes, ops
from eagerly.dimensions import unknown
from eagerly.ops import filters
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from eagerly.variable import Variable
from gradients import check_gradients

gaussian_blur, sobel_edges, ssim = ops.image.gaussian_blur, ops.image.sobel_edges, ops.image.ssim


@pytest.mark.parametrize("shape", [(3, 5, 4), (40, 5), (5, 40), (3, 3, 4, 5)])
def test_correlation_along_every_axis(shape):
    x = np.random.default_rng(0).normal(size=shape)
    for axis in range(-len(shape), len(shape)):
        for kernel in ([2.0], [1.0, -3.0], [0.5, 1.0, 2.0]):
            kernel = np.array(kernel)
            margins = [(0, 0)] * len(shape)
            margins[axis] = ((len(kernel) - 1) // 2, len(kernel) // 2)
            windows = np.lib.stride_tricks.sliding_window_view
            place = axis % len(shape)
            for padding, wide in (("same", np.pad(x, margins)), ("valid", x)):
                expected = windows(wide, len(kernel), place) @ kernel
                np.testing.assert_allclose(filters.correlated(x, kernel, axis, padding), expected, rtol=1e-12)


def test_the_first_number_is_across_as_keras_computes():
    point = np.zeros((1, 5, 5, 1), np.float32)
    point[0, 2, 2] = 1
    blurred = gaussian_blur(point, (5, 5), (2.0, 0.3)).numpy()[0, ..., 0]
    # keras 3.15 on PyTorch and JAX
    np.testing.assert_allclose(blurred[2], [0.15129931, 0.22013921, 0.24945040, 0.22013921, 0.15129931], rtol=1e-5)
    np.testing.assert_allclose(blurred[:, 2], [5.5718e-11, 9.64356e-4, 0.2494504, 9.64356e-4, 5.5718e-11], rtol=1e-4)
    assert gaussian_blur(point, (3, 1)).numpy()[0, ..., 0].nonzero()[0].tolist() == [2, 2, 2]


def test_no_spread_is_no_blur():
    x = np.random.default_rng(0).normal(size=(4, 4, 2))
    np.testing.assert_array_equal(gaussian_blur(x, (3, 3), (0.0, 0.0)).numpy(), x)


def test_blurred_integers_are_rounded():
    x = np.random.default_rng(0).integers(0, 256, (2, 6, 7, 3))
    for dtype in ("uint8", "int32", "int64"):
        y = gaussian_blur(x.astype(dtype), (3, 3), (1.0, 2.0))
        assert y.dtype == dtype
        np.testing.assert_array_equal(y.numpy(), np.rint(reference.gaussian_blur(x, (3, 3), (1.0, 2.0))))


def test_sigma_has_a_gradient_and_any_dtype():
    x = np.random.default_rng(0).normal(size=(5, 6, 2))
    check_gradients(lambda x, s: gaussian_blur(x, 5, s), [x, [0.8, 1.7]])
    image, sigma = Variable(x, dtype="float16"), Variable([0.8, 1.7], dtype="float64")
    with GradientTape() as tape:
        y = gaussian_blur(image, 3, sigma)
    assert [g.dtype.name for g in tape.gradient(y, [image, sigma])] == ["float16", "float64"]
    assert gaussian_blur(x, 3, (1, 2)).dtype == "float64"
    parts = [Variable(1.0), Variable(2.0)]
    with GradientTape() as tape:
        y = gaussian_blur(x, 3, parts)
    assert all(g is not None for g in tape.gradient(y, parts))
    assert gaussian_blur(AbstractTensor((unknown("n"), 4, 4, 3)), 3, AbstractTensor((2,))).shape == (None, 4, 4, 3)


def test_edges_of_integers_are_held_in_range():
    x = np.array([[[0], [100], [0]]], np.uint8)
    assert sobel_edges(x)[..., 0, 1].tolist() == [[200, 0, 0]]
    assert sobel_edges(x.astype(np.int32))[..., 0, 1].tolist() == [[200, 0, -200]]
    assert sobel_edges(x.astype(np.int8))[..., 0, 1].tolist() == [[127, 0, -128]]


def test_the_same_image_is_similar_and_its_negative_is_not():
    x = np.random.default_rng(0).uniform(size=(2, 14, 12, 3)).astype(np.float32)
    np.testing.assert_allclose(ssim(x, x).numpy(), 1.0, rtol=1e-6)
    assert (ssim(x, 1 - x).numpy() < 0).all()
    assert ssim(x[0], x[1]).shape == ()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_similarity_in_every_float(dtype):
    rng = np.random.default_rng(0)
    a, b = (np.asarray(rng.uniform(size=(1, 12, 12, 2)), dtypes.dtype(dtype)) for _ in range(2))
    y = ssim(a, b)
    expected = reference.ssim(a.astype(np.float64), b.astype(np.float64))
    assert y.dtype == dtype
    np.testing.assert_allclose(y.numpy().astype(np.float64), expected, atol=1e-3 if "16" in dtype else 1e-6)


def test_similarity_of_integers_is_no_integer():
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 256, (2, 12, 13, 3)).astype(np.uint8) for _ in range(2))
    y = ssim(a, b, 255)
    assert y.dtype == "float32"
    np.testing.assert_allclose(y.numpy(), reference.ssim(a.astype(float), b.astype(float), 255), atol=1e-4)
    assert ssim(a, b.astype(np.float64), 255).dtype == "float64"
    assert ssim(AbstractTensor((2, 12, 12, 3), "uint8"), AbstractTensor((2, 12, 12, 3), "uint8")).dtype == "float32"


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: gaussian_blur(x, (3,)), r"gaussian_blur: kernel_size: expected 2 integers > 0, got \(3,\)"),
        (lambda x: gaussian_blur(x, (3, 0)), r"gaussian_blur: kernel_size: expected 2 integers > 0, got \(3, 0\)"),
        (
            lambda x: gaussian_blur(x, sigma=1.0),
            "gaussian_blur: expected two numbers, across and down, as sigma, got 1.0",
        ),
        (
            lambda x: gaussian_blur(x, sigma=(1.0, 1.0, 1.0)),
            r"gaussian_blur: expected two numbers, .* got float32\[3\]",
        ),
        (
            lambda x: ssim(x, x[:1]),
            r"ssim: expected images of the same shape, got float64\[2, 12, 13, 3\] and float64\[1, 12, 13, 3\]",
        ),
        (
            lambda x: ssim(x[0], x),
            r"ssim: expected images of the same shape, got float64\[12, 13, 3\] and float64\[2, 12,",
        ),
        (
            lambda x: ssim(x[:, :10], x[:, :10]),
            r"ssim: expected images of at least 11 pixels down and across, as many as the filter has, "
            r"got float64\[2, 10, 13, 3\]. Give a smaller filter_size.",
        ),
        (
            lambda x: ssim(x, x, filter_size=0),
            "ssim: expected an integer filter_size >= 1 and a filter_sigma > 0, got 0, 1.5",
        ),
        (lambda x: ssim(x, x, filter_size=2.5), "ssim: expected an integer filter_size >= 1 and .*, got 2.5, 1.5"),
        (lambda x: ssim(x, x, filter_sigma=0.0), "ssim: expected an integer filter_size >= 1 and .*, got 11, 0.0"),
    ],
)
def test_refusals(call, text):
    with pytest.raises(ValueError, match=f"^{text}"):
        call(np.ones((2, 12, 13, 3)))


def test_half_as_wide_is_half_the_bell():
    assert filters.bell(1, np.float64(3)).tolist() == [1.0]
    np.testing.assert_allclose(filters.bell(7, np.float64(1.3)), reference.bell(7, 1.3), rtol=1e-12)
    assert filters.bell(4, np.float32(1)).dtype == "float32" and type(gaussian_blur(np.ones((2, 2, 1)))) is Tensor
