"""Patches, borders cut off and added: any geometry, exact copies, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import image_references as reference
from eagerly import ops
from eagerly.dimensions import unknown
from eagerly.tensor import AbstractTensor, Tensor

extract_patches, extract_patches_3d = ops.image.extract_patches, ops.image.extract_patches_3d
pad_images, crop_images = ops.image.pad_images, ops.image.crop_images
SMALL = st.tuples(st.integers(1, 3), st.integers(1, 3))


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.integers(6, 9), SMALL, SMALL | st.none(), st.integers(1, 2), st.sampled_from(["valid", "same"]))
def test_patches_of_any_geometry(height, size, strides, dilation, padding):
    x = np.random.default_rng(height).integers(0, 99, (2, height, 7, 2))
    y = extract_patches(x, size, strides, dilation, padding)
    np.testing.assert_array_equal(y.numpy(), reference.extract_patches(x, size, strides, dilation, padding))


def test_patches_are_copies_of_any_dtype():
    x = np.arange(16).reshape(1, 4, 4, 1)
    for dtype in ("uint8", "int64", "bool", "bfloat16", "float64"):
        y = extract_patches(Tensor(x, dtype), (2, 4))
        assert y.dtype == dtype and y.shape == (1, 2, 1, 8)
        assert (
            y.numpy().astype("int64")[0, 0, 0].tolist()
            == Tensor(x, dtype).numpy().astype("int64")[0, :2].ravel().tolist()
        )
    assert extract_patches(x, 5).shape == (1, 0, 0, 25)


def test_patches_of_volumes():
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 6, 3))
    expected = reference.extract_patches(x, (2, 1, 3))
    assert np.array_equal(extract_patches_3d(x, (2, 1, 3)).numpy(), expected)
    assert np.array_equal(extract_patches(x[0], (2, 1, 3)).numpy(), expected[0])
    assert extract_patches_3d(np.moveaxis(x, -1, 1), 2, data_format="channels_first").shape == (2, 24, 2, 2, 3)


def test_unknown_heights():
    n, h = unknown("n"), unknown("h")
    x = AbstractTensor((n, h, 6, 3))
    assert pad_images(x, 1, 2, target_height=9, right_padding=0).dims == (n, 9, 8, 3)
    assert pad_images(x, 1, 2, 3, 4).dims == (n, h + 4, 12, 3)
    assert crop_images(x, target_height=3, bottom_cropping=2, left_cropping=1, target_width=2).dims == (n, 3, 2, 3)
    assert extract_patches(x, 2).dims == (n, (h - 2) // 2 + 1, 3, 12)
    assert extract_patches(x, 2, padding="same").shape == (None, None, 3, 12)


PADDING = {"left_padding": 0, "right_padding": 0}
CROPPING = {"left_cropping": 0, "right_cropping": 0}


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda x: extract_patches(x, (2, 2, 2, 2)),
            "extract_patches: expected an integer, or two or three, as size, got",
        ),
        (
            lambda x: extract_patches(x, (2,)),
            r"extract_patches: expected an integer, or two or three, as size, got \(2,\)",
        ),
        (lambda x: extract_patches(x, (2, 0)), r"extract_patches: size: expected 2 integers > 0, got \(2, 0\)"),
        (lambda x: extract_patches(x, 2, 0), "extract_patches: strides: expected 2 integers > 0, got 0"),
        (
            lambda x: extract_patches(x, 2, 1, (1,)),
            r"extract_patches: dilation_rate: expected 2 integers > 0, got \(1,\)",
        ),
        (
            lambda x: extract_patches(x, 2, padding="causal"),
            "extract_patches: expected padding 'valid' or 'same', got 'causal'",
        ),
        (
            lambda x: extract_patches(x[0, 0], 2),
            r"extract_patches: expected 3 axes, or 4 with a batch, got float64\[6, 3\]",
        ),
        (
            lambda x: extract_patches(x[0], (2, 2, 2)),
            r"extract_patches: expected 4 axes, or 5 with a batch, got float64\[5, 6, 3\]",
        ),
        (
            lambda x: extract_patches_3d(x, (2, 2)),
            r"extract_patches_3d: expected an integer, or three, as size, got \(2, 2\)",
        ),
        (
            lambda x: extract_patches_3d(x[0], 2),
            r"extract_patches_3d: expected 4 axes, or 5 with a batch, got float64\[5, 6, 3\]",
        ),
        (
            lambda x: pad_images(x, 1, bottom_padding=1, target_height=7, **PADDING),
            "pad_images: expected exactly two of top_padding, bottom_padding, target_height, got 1, 1, 7",
        ),
        (
            lambda x: pad_images(x, 1, 1, 1),
            "pad_images: expected exactly two of left_padding, right_padding, target_width, got 1, None, None",
        ),
        (
            lambda x: pad_images(x, -1, bottom_padding=1, **PADDING),
            r"pad_images: expected top_padding >= 0, got -1 for float64\[2, 5, 6, 3\]",
        ),
        (
            lambda x: pad_images(x, 3, target_height=7, **PADDING),
            "pad_images: expected bottom_padding >= 0, got -1 for",
        ),
        (lambda x: pad_images(x, 0, 0, 0, target_width=5), "pad_images: expected right_padding >= 0, got -1 for"),
        (
            lambda x: crop_images(x, target_height=2, **CROPPING),
            "crop_images: expected exactly two of top_cropping, bottom_cropping, target_height, got None, None, 2",
        ),
        (
            lambda x: crop_images(x, 3, target_height=4, **CROPPING),
            "crop_images: expected bottom_cropping >= 0, got -2 for",
        ),
        (
            lambda x: crop_images(x, bottom_cropping=3, target_height=4, **CROPPING),
            "crop_images: expected top_cropping >= 0, got -2 for",
        ),
        (
            lambda x: crop_images(x, 3, bottom_cropping=3, **CROPPING),
            "crop_images: expected target_height >= 0, got -1 for",
        ),
        (lambda x: crop_images(x, 0, -1, 0, 0), "crop_images: expected left_cropping >= 0, got -1 for"),
    ],
)
def test_refusals(call, text):
    with pytest.raises(ValueError, match=f"^{text}"):
        call(np.ones((2, 5, 6, 3)))
