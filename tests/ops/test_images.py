"""What the operations on images have in common: gradients, layouts, dtypes, refusals."""

import zlib

import numpy as np
import pytest

from eagerly import dtypes, nest, ops
from eagerly.dimensions import unknown
from eagerly.errors import TraceError
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from eagerly.variable import Variable
from gradients import check_gradients
from public_ops.image import ROWS

image = ops.image
CALLS = [(name, i) for name, rows in ROWS.items() for i in range(len(rows))]
SHIFT = [1.0, 0.0, 0.5, 0.0, 1.0, 0.25, 0.0, 0.0]
CORNERS = [[0.0, 0.0], [5.0, 0.0], [0.0, 4.0], [5.0, 4.0]]
MOVED = [[0.5, 0.0], [5.0, 0.25], [0.0, 4.0], [5.0, 4.0]]
# An operation on images [height, width, channels] or batches of them, whose format is an option.
ON_IMAGES = {
    **{
        f"resize {method}": lambda x, method=method, **options: image.resize(x, (3, 7), method, **options)
        for method in ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5", "area")
    },
    "resize cropped": lambda x, **options: image.resize(x, (2, 7), crop_to_aspect_ratio=True, **options),
    "resize padded": lambda x, **options: image.resize(x, (2, 7), pad_to_aspect_ratio=True, fill_value=1, **options),
    **{
        f"affine_transform {method}": lambda x, method=method, **options: image.affine_transform(
            x, SHIFT, method, "reflect", **options
        )
        for method in ("nearest", "bilinear")
    },
    "perspective_transform": lambda x, **options: image.perspective_transform(x, CORNERS, MOVED, **options),
    "elastic_transform": lambda x, **options: image.elastic_transform(x, seed=1, **options),
    "gaussian_blur": lambda x, **options: image.gaussian_blur(x, (3, 5), (1.0, 2.0), **options),
    "rgb_to_grayscale": lambda x, **options: image.rgb_to_grayscale(x, **options),
    "extract_patches": lambda x, **options: image.extract_patches(x, 2, **options),
    "pad_images": lambda x, **options: image.pad_images(x, 1, 2, 3, 4, **options),
    "crop_images": lambda x, **options: image.crop_images(x, 1, 2, target_height=2, target_width=3, **options),
}


def pixels(dtype, shape=(2, 5, 6, 3), seed=0):
    values = np.random.default_rng(seed).uniform(0, 1, shape)
    return Tensor(values if dtypes.is_float(dtype) else values > 0.5 if dtype == "bool" else values * 120, dtype)


@pytest.mark.parametrize(("name", "index"), CALLS)
def test_gradients_of_first_and_second_order(name, index):
    row = ROWS[name][index]
    rng = np.random.default_rng(zlib.crc32(f"{name} {index}".encode()))
    check_gradients(row.call, row.draw(rng, 2, 5, "float64"))


EVERY = {
    **ON_IMAGES,
    "sobel_edges": image.sobel_edges,
    "rgb_to_hsv": image.rgb_to_hsv,
    "hsv_to_rgb": image.hsv_to_rgb,
    "ssim": lambda x: image.ssim(x, x, filter_size=3),
    "scale_and_translate": lambda x: image.scale_and_translate(
        x, (None, 3, 7, 3), [0.5] * 2, [0.0] * 2, (1, 2), "cubic"
    ),
}


@pytest.mark.parametrize("name", EVERY)
def test_an_empty_batch_stays_empty(name):
    source = pixels("float32", (0, 5, 6, 3))
    with GradientTape() as tape:
        tape.watch(source)
        y = EVERY[name](source)
    assert y.shape == (0, *EVERY[name](pixels("float32")).shape[1:]) and y.dtype == "float32"
    assert tape.gradient(y, source).shape == source.shape


@pytest.mark.parametrize("name", ON_IMAGES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "uint8", "int8", "int32", "bool"])
def test_every_layout_gives_the_same_in_the_same_dtype(name, dtype):
    call = ON_IMAGES[name]
    x = pixels(dtype, (1, 5, 6, 3))
    expected = call(x).numpy()
    single = call(x[0]).numpy()
    first = call(ops.transpose(x, (0, 3, 1, 2)), data_format="channels_first").numpy()
    single_first = call(ops.transpose(x[0], (2, 0, 1)), data_format="channels_first").numpy()
    last = call(x, data_format="channels_last").numpy()
    rough = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 1e-6, "float64": 1e-12}.get(dtype, 1)
    for y in (single[None], np.moveaxis(first, 1, -1), np.moveaxis(single_first, 0, -1)[None], last):
        assert y.dtype == expected.dtype == dtypes.dtype(dtype) and y.shape == expected.shape
        np.testing.assert_allclose(y.astype(np.float64), expected.astype(np.float64), rtol=0, atol=rough)
    symbol = AbstractTensor((unknown("n"), 5, 6, 3), dtype)
    assert call(symbol).shape == (None, *expected.shape[1:])
    assert call(symbol).dtype == dtypes.dtype(dtype)


@pytest.mark.parametrize("name", ON_IMAGES)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_sixteen_bits_are_computed_in_thirty_two(name, dtype):
    call, x = ON_IMAGES[name], pixels(dtype)
    if name == "elastic_transform":  # the noise is that of float32 too
        assert np.array_equal(call(x).numpy(), ops.cast(call(ops.cast(x, "float32")), dtype).numpy())
    np.testing.assert_array_equal(
        call(x).numpy().astype("float32"), ops.cast(call(ops.cast(x, "float32")), dtype).numpy().astype("float32")
    )


@pytest.mark.parametrize("name", [name for name in ON_IMAGES if "crop" not in name and "pad" not in name])
def test_a_float32_image_meets_no_float64(name, monkeypatch):
    seen = set()

    class Listener:
        def record(self, primitive, inputs, params, outputs):
            seen.update((primitive.name, x.dtype.name) for x in nest.flatten(outputs))

    from eagerly.context import scoped

    with scoped(recorders=(Listener(),)):
        ON_IMAGES[name](pixels("float32"))
    wide = {operation for operation, dtype in seen if dtype == "float64"}
    assert seen and (not wide or name == "perspective_transform")


OTHERS = {  # what else an operation on images has to have
    "resize": {"size": (2, 2)},
    "affine_transform": {"transform": SHIFT},
    "perspective_transform": {"start_points": CORNERS, "end_points": MOVED},
    **{name: {} for name in ("elastic_transform", "gaussian_blur", "sobel_edges", "rgb_to_grayscale", "rgb_to_hsv")},
    **{name: {} for name in ("hsv_to_rgb", "pad_images", "crop_images")},
}


@pytest.mark.parametrize("name", [*OTHERS, "ssim"])
def test_what_is_no_image_is_refused(name):
    options = OTHERS.get(name, {"image2": pixels("float32", (4, 4))})
    with pytest.raises(ValueError, match=rf"^{name}: expected an image with 3 axes .*4, got float32\[4, 4\]"):
        getattr(image, name)(pixels("float32", (4, 4)), **options)


@pytest.mark.parametrize("name", [*OTHERS, "ssim", "extract_patches"])
def test_what_is_no_format_is_refused(name):
    options = OTHERS.get(name, {"image2": pixels("float32")} if name == "ssim" else {"size": 2})
    with pytest.raises(ValueError, match=f"^{name}: .*expected .*'channels_last' or 'channels_first', got 'NHWC'"):
        getattr(image, name)(pixels("float32"), data_format="NHWC", **options)


def test_unknown_channels_have_no_color():
    x = AbstractTensor((unknown("n"), 4, 4, unknown("c")))
    with pytest.raises(TraceError, match="Cannot decide whether c == 1"):
        image.rgb_to_grayscale(x)
    assert image.rgb_to_hsv(x).dims[:3] == x.dims[:3]


def test_variables_and_lists_are_images_too():
    x = Variable(np.ones((2, 2, 1)))
    assert type(image.rgb_to_grayscale(x)) is Tensor
    assert image.resize([[[0.0], [2.0]]], [1, 1]).tolist() == [[[1.0]]]
    with GradientTape() as tape:
        y = image.resize(x, (1, 1)) * 2.0
    assert tape.gradient(y, x).numpy().ravel().tolist() == [0.5] * 4
