"""Resizing: what Keras gives, how integers are rounded, aspect ratios, weights, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import image_references as reference
from eagerly import ops
from eagerly.dimensions import unknown
from eagerly.ops import resizing
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from eagerly.variable import Variable
from gradients import check_gradients

resize, scale_and_translate = ops.image.resize, ops.image.scale_and_translate
METHODS = ("bilinear", "bicubic", "lanczos3", "lanczos5", "area")


def line(values, count, *args, **options):
    """A row of pixels resized."""
    return resize(np.asarray(values)[None, :, None], (1, count), *args, **options)[0, :, 0]


@pytest.mark.parametrize(
    ("method", "antialias", "count", "expected"),
    [  # keras 3.15 on JAX, but for area, which TensorFlow alone has
        ("nearest", False, 6, [1.0, 5.0, 5.0, 2.0, 8.0, 8.0]),
        ("nearest", False, 2, [5.0, 8.0]),
        ("bilinear", False, 6, [1.0, 3.0, 4.5, 2.5, 5.0, 8.0]),
        ("bilinear", True, 2, [2.8571431636810303, 5.000000476837158]),
        ("bilinear", False, 2, [3.0, 5.0]),
        ("bicubic", False, 6, [0.7368432283, 3.0588235855, 4.8009257317, 2.0601844788, 5.0, 8.3947372437]),
        ("bicubic", True, 2, [2.6942148208618164, 5.1487603187561035]),
        ("lanczos3", False, 6, [0.5460681319, 3.2322735786, 4.7828326225, 1.9133164883, 4.9119806290, 8.6381368637]),
        ("lanczos3", True, 2, [2.512611150741577, 5.277182579040527]),
        ("lanczos5", False, 6, [0.2930070758, 3.5102424622, 4.7287430763, 1.8607815504, 4.7183809280, 8.8741636276]),
        ("lanczos5", True, 2, [2.4273173809051514, 5.3376946449279785]),
        ("area", False, 2, [3.0, 5.0]),
        ("area", False, 3, [2.0, 3.5, 6.5]),
        ("area", True, 6, [1.0, 3.0, 5.0, 2.0, 5.0, 8.0]),
    ],
)
def test_what_keras_gives(method, antialias, count, expected):
    result = line(np.array([1, 5, 2, 8], np.float32), count, method, antialias)
    np.testing.assert_allclose(result.numpy(), expected, rtol=2e-6)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.sampled_from(("nearest", *METHODS)),
    st.booleans(),
    st.integers(0, 99),
)
def test_any_size_against_loops(size, count, method, antialias, seed):
    x = np.random.default_rng(seed).normal(size=(2, size, 3, 2))
    result = resize(x, (count, 4), method, antialias).numpy()
    np.testing.assert_allclose(result, reference.resize(x, (count, 4), method, antialias), rtol=1e-9, atol=1e-12)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(METHODS), st.booleans())
def test_a_flat_image_stays_flat_and_an_old_size_changes_nothing(size, count, method, antialias):
    np.testing.assert_allclose(line(np.full(size, 3.0), count, method, antialias).numpy(), 3.0, rtol=1e-12)
    values = np.random.default_rng(size).normal(size=size)
    np.testing.assert_allclose(line(values, size, method, antialias).numpy(), values, atol=1e-12)


def test_nearest_is_exact_at_every_boundary():
    for size, count in ((2, 61), (10, 25), (30, 29), (4, 41)):  # where float32 takes the pixel before
        expected = [(2 * i + 1) * size // (2 * count) for i in range(count)]
        assert line(np.arange(size), count, "nearest").tolist() == expected


def test_nearest_keeps_what_float32_has_not():
    values = np.array([2**53 + 1, -(2**62)], np.int64)
    assert line(values, 4, "nearest").tolist() == [2**53 + 1] * 2 + [-(2**62)] * 2
    odd = np.array([np.nan, 1.0, np.inf])
    np.testing.assert_array_equal(line(odd, 6, "nearest").numpy(), np.repeat(odd, 2))


def test_integers_are_rounded_to_even_and_held_in_range():
    assert line(np.array([0, 1], np.uint8), 1).tolist() == [0]  # 0.5
    assert line(np.array([1, 2], np.int32), 1).tolist() == [2]  # 1.5
    assert line(np.array([0, 255, 255, 0], np.uint8), 8, "bicubic").tolist() == [0, 48, 199, 255, 255, 199, 48, 0]
    steps = line(np.array([-128, 127, 127, -128], np.int8), 8, "bicubic")
    assert steps.dtype == "int8" and steps.tolist() == [-128, -80, 71, 127, 127, 71, -80, -128]
    highest = np.array([2**31 - 1, -(2**31)], np.int32)
    assert line(highest, 4).tolist()[0] == 2**31 - 128  # what float32 has below 2**31
    assert line(highest, 4).tolist()[3] == -(2**31)
    assert line(np.array([True, False]), 3).tolist() == [True, True, False]


@pytest.mark.parametrize("method", ["nearest", "bilinear"])
def test_aspect_ratios_as_keras_keeps_them(method):
    x = np.arange(5 * 8, dtype=np.float32).reshape(5, 8, 1)
    for size in ((3, 3), (4, 2), (2, 9), (10, 3), (1, 20), (30, 1)):
        rows, columns = size
        height = max(min(5, int(8 * rows / columns)), 1)
        width = max(min(8, int(5 * columns / rows)), 1)
        top, left = int((5 - height) / 2), int((8 - width) / 2)
        expected = reference.resize(x[top : top + height, left : left + width], size, method)
        cropped = resize(x, size, method, crop_to_aspect_ratio=True)
        np.testing.assert_allclose(cropped.numpy(), expected, rtol=1e-6)
        down = int((max(5, int(8 * rows / columns)) - 5) / 2)
        across = int((max(8, int(5 * columns / rows)) - 8) / 2)
        wide = np.pad(x, [(down, down), (across, across), (0, 0)], constant_values=2.5)
        padded = resize(x, size, method, pad_to_aspect_ratio=True, fill_value=2.5)
        np.testing.assert_allclose(padded.numpy(), reference.resize(wide, size, method), rtol=1e-6, atol=1e-6)


def test_the_border_of_integers_is_rounded_and_held_in_range():
    x = np.zeros((1, 3, 1), np.uint8)
    for value, expected in ((300, 255), (-4, 0), (7.6, 8), (2.5, 2)):
        for method in ("nearest", "bilinear"):
            padded = resize(x, (3, 3), method, pad_to_aspect_ratio=True, fill_value=value)
            assert padded.dtype == "uint8" and padded[..., 0].tolist() == [[expected] * 3, [0] * 3, [expected] * 3]
    with pytest.raises(ValueError, match="resize: expected a finite fill_value for uint8 images, got nan"):
        resize(x, (3, 3), "nearest", pad_to_aspect_ratio=True, fill_value=float("nan"))


def test_an_unknown_height_is_cropped_and_padded():
    n = unknown("n")
    x = AbstractTensor((n, unknown("height"), 5, 3))
    for options in ({"crop_to_aspect_ratio": True}, {"pad_to_aspect_ratio": True}, {"interpolation": "area"}):
        assert resize(x, (4, 6), **options).dims == (n, 4, 6, 3)


def test_matrices_along_every_axis():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    for axis in range(-4, 4):
        matrix = np.random.default_rng(1).normal(size=(6, x.shape[axis]))
        expected = np.moveaxis(np.tensordot(matrix, x, (1, axis)), 0, axis)
        np.testing.assert_allclose(resizing.along(x, matrix, axis), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("method", "name"),
    [("linear", "bilinear"), ("bilinear",) * 2, ("trilinear", "bilinear"), ("triangle", "bilinear")]
    + [("cubic", "bicubic"), ("bicubic",) * 2, ("tricubic", "bicubic"), ("lanczos3",) * 2, ("lanczos5",) * 2],
)
def test_resizing_is_scaling(method, name):
    x = np.random.default_rng(0).normal(size=(2, 5, 7, 3)).astype(np.float32)
    for size in ((3, 9), (8, 4)):
        for antialias in (True, False):
            scale = np.array(size) / (5, 7)
            y = scale_and_translate(x, (2, *size, 3), scale, np.zeros(2), (1, 2), method, antialias)
            assert y.dtype == "float32"
            np.testing.assert_allclose(y.numpy(), resize(x, size, name, antialias).numpy(), atol=1e-6)


def test_scales_of_any_dtype():
    x = np.arange(6.0, dtype=np.float32)
    expected = scale_and_translate(x, (3,), np.float32([0.5]), np.float32([0.0]), (0,), "linear").tolist()
    for dtype in ("float16", "bfloat16", "float64", "float32"):
        for kind in ("float16", "float64", "int32"):
            y = scale_and_translate(Tensor(x, dtype), (3,), Tensor([0.5], dtype), Tensor([0], kind), (0,), "linear")
            assert y.dtype == dtype
            np.testing.assert_allclose(y.numpy().astype("float64"), expected, rtol=1e-2)
    assert scale_and_translate(x, (6,), [1], [0], (0,), "cubic").tolist() == x.tolist()


def test_nothing_lies_where_no_pixel_comes_to_lie():
    x = np.ones(4, np.float32)
    y = scale_and_translate(x, (8,), [1.0], [2.0], (0,), "linear")
    assert y.tolist() == [0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0]
    assert scale_and_translate(x, (2,), [1.0], [9.0], (0,), "lanczos3").tolist() == [0.0, 0.0]


def test_scaled_integers_stay_between_the_least_and_the_largest():
    x = np.array([10, 90, 90, 10], np.uint8)
    y = scale_and_translate(x, (8,), [2.0], [0.0], (0,), "cubic")
    assert y.dtype == "uint8" and y.tolist() == [10, 25, 72, 90, 90, 72, 25, 10]
    moved = scale_and_translate(x[:2], (8,), [2.0], [3.0], (0,), "linear")
    assert moved.tolist() == [10, 10, 10, 10, 30, 70, 90, 10]  # as in Keras, whose range has no 0 then
    empty = scale_and_translate(np.zeros((0, 4), np.int32), (0, 2), [0.5], [0.0], (1,), "linear")
    assert empty.shape == (0, 2) and empty.dtype == "int32"
    assert scale_and_translate(np.array([2.5]), (1,), [], [], (), "linear").tolist() == [2.5]


@pytest.mark.parametrize("method", ["linear", "cubic", "lanczos3", "lanczos5"])
@pytest.mark.parametrize("antialias", [True, False])
def test_scale_and_translation_have_gradients(method, antialias):
    x = np.random.default_rng(0).normal(size=(5, 6, 2))

    def scaled(x, scale, translation):
        return scale_and_translate(x, (4, 7, 2), scale, translation, (0, 1), method, antialias)

    check_gradients(scaled, [x, [0.73, 1.21], [0.31, -0.77]])


def test_a_gradient_in_the_dtypes_of_what_it_is_for():
    x, scale, translation = (
        Variable(np.ones((4, 1)), dtype="float16"),
        Variable([0.7]),
        Variable([0.1], dtype="float64"),
    )
    with GradientTape() as tape:
        y = scale_and_translate(x, (3, 1), scale, translation, (0,), "linear")
    found = tape.gradient(y, [x, scale, translation])
    assert [g.dtype.name for g in found] == ["float16", "float32", "float64"]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: resize(x, (2, 2), "cubic"), "resize: expected interpolation to be one of 'nearest', 'bilinear', "),
        (
            lambda x: resize(x, (2, 2), fill_mode="edge"),
            "resize: expected fill_mode to be one of 'constant', got 'edge'.",
        ),
        (lambda x: resize(x, (2,)), r"resize: expected two integers, height and width, as size, got \(2,\)\."),
        (lambda x: resize(x, 2), "resize: expected two integers, height and width, as size, got 2."),
        (lambda x: resize(x, (0, 2)), r"resize: expected a height and a width >= 1 as size, got \(0, 2\)\."),
        (
            lambda x: resize(x, (2, 2), crop_to_aspect_ratio=True, pad_to_aspect_ratio=True),
            "resize: expected at most one of crop_to_aspect_ratio and pad_to_aspect_ratio to be True.",
        ),
        (lambda x: resize(x[:, :0], (2, 2)), r"resize: expected an image with pixels, got float64\[2, 0, 5, 3\]"),
        (
            lambda x: resize(x, (2, 2), pad_to_aspect_ratio=True, fill_value=Tensor(1.0)),
            r"resize: expected a number as fill_value, got float32\[\]. No gradient flows into it; for one write ",
        ),
        (
            lambda x: scale_and_translate(x, x.shape, [1.0], [0.0], (1,), "area"),
            "scale_and_translate: expected method to be one of 'linear', 'bilinear', .*, got 'area'",
        ),
        (
            lambda x: scale_and_translate(x, x.shape, [1.0] * 2, [0.0] * 2, (1, 1), "linear"),
            r"scale_and_translate: expected different axes in \[-4, 4\) as spatial_dims, got \(1, 1\)",
        ),
        (
            lambda x: scale_and_translate(x, x.shape, [1.0], [0.0], (4,), "linear"),
            r"scale_and_translate: expected different axes in \[-4, 4\) as spatial_dims, got \(4,\)",
        ),
        (
            lambda x: scale_and_translate(x, x.shape, [1.0], [0.0], (1, 2), "linear"),
            r"scale_and_translate: expected a number for each of the 2 spatial_dims as scale, got float32\[1\]",
        ),
        (
            lambda x: scale_and_translate(x, x.shape, [1.0, 1.0], 0.0, (1, 2), "linear"),
            r"scale_and_translate: expected a number for each of the 2 spatial_dims as translation, got 0.0",
        ),
        (
            lambda x: scale_and_translate(x, (2, 9, 9, 4), [1.0] * 2, [0.0] * 2, (1, 2), "linear"),
            r"scale_and_translate: expected an output_shape as that of the images but for the axes \(1, 2\), "
            r"got \(2, 9, 9, 4\) for float64\[2, 4, 5, 3\]",
        ),
        (
            lambda x: scale_and_translate(x, (9, 9), [1.0] * 2, [0.0] * 2, (1, 2), "linear"),
            r"scale_and_translate: expected an output_shape .*, got \(9, 9\)",
        ),
    ],
)
def test_refusals(call, text):
    with pytest.raises(ValueError, match=f"^{text}"):
        call(np.ones((2, 4, 5, 3)))
