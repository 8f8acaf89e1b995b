"""Images: colors, sizes, warps, filters."""

import numpy as np

from parity.drawing import FLOATS, Row, given

NO_GRADIENT = ("value", "dtype")
COLORS = (*FLOATS, "float16", "uint8")


def picture(d, channels=3, low=0.0, high=1.0, sizes=(4, 7), batch=None):
    """One image or a batch of them, and the option that names its layout."""
    last = d.flip()
    sizes = d.size(*sizes), d.size(*sizes)
    shape = (*sizes, channels) if last else (channels, *sizes)
    if batch or (batch is None and d.flip()):
        shape = (2, *shape)
    high = 255 if d.dtype in ("uint8", "int32") else high
    return d.array(shape, low, high), (
        d.maybe(data_format="channels_last") if last else {"data_format": "channels_first"}
    )


def colored(d):
    """An image in color."""
    x, options = picture(d)
    return given(x, **options)


def resized(*methods):
    """An image, its new size, and how to get there."""

    def draw(d):
        x, options = picture(d, d.size(1, 3))
        chosen = {"interpolation": d.pick(*methods), **d.maybe(antialias=True)}
        fitting = d.pick({}, {}, {"crop_to_aspect_ratio": True}, {"pad_to_aspect_ratio": True, "fill_value": 0.5})
        return given(x, (d.size(2, 9), d.size(2, 9)), **chosen, **fitting, **options)

    return draw


def patched(space):
    """An image, and the patches to cut it into."""

    def draw(d):
        last = d.flip()
        sizes = tuple(d.size(5, 6) for _ in range(space))
        batch = (2,) if d.flip() else ()
        x = d.array((*batch, *sizes, 2) if last else (*batch, 2, *sizes))
        size = d.pick(2, (3,) + (2,) * (space - 1))
        options = {"padding": d.pick("valid", "same"), **d.pick({}, {"strides": 2}, {"strides": 1, "dilation_rate": 2})}
        return given(x, size, **options, **({} if last else {"data_format": "channels_first"}))

    return draw


def framed(crop):
    """An image, and how much to cut off or to put around it."""

    def draw(d):
        x, options = picture(d)
        suffix = "cropping" if crop else "padding"
        height = d.pick(
            {f"top_{suffix}": 1, f"bottom_{suffix}": 2}, {f"top_{suffix}": 1, "target_height": 3 if crop else 10}
        )
        width = d.pick(
            {f"left_{suffix}": 0, f"right_{suffix}": 1}, {f"right_{suffix}": 1, "target_width": 3 if crop else 9}
        )
        return given(x, **height, **width, **options)

    return draw


def moved(d):
    """An image, and an affine map of its pixels."""
    x, options = picture(d, d.size(2, 3))  # PyTorch cannot mirror an axis of one
    batched = x.ndim == 4
    turn = d.array((2, 8) if batched else (8,), -0.3, 0.3, dtype="float32")
    turn += np.array([1, 0, 0.4, 0, 1, -0.6, 0, 0], np.float32)
    turn[..., 6:] = 0.0
    chosen = d.maybe(interpolation=d.pick("nearest", "bilinear"), fill_value=0.5)
    return given(x, turn, **chosen, fill_mode=d.pick("constant", "nearest", "reflect", "wrap", "mirror"), **options)


def affine(ops, x, by, **options):
    """An affine map, whose last two numbers Keras ignores, but not in the gradient.

    The product is there because Keras changes the transform in its place, which PyTorch forbids for what it
    differentiates.
    """
    return ops.image.affine_transform(x, ops.concatenate([by[..., :6] * 1.0, by[..., 6:] * 0.0], axis=-1), **options)


def projected(d):
    """An image, and where its corners go."""
    x, options = picture(d, d.size(1, 2), sizes=(5, 6))
    batch = (2,) if x.ndim == 4 else ()
    corners = np.array([[0, 0], [4, 0], [0, 4], [4, 4]], np.float32) + np.zeros((*batch, 4, 2), np.float32)
    there = corners + d.array((*batch, 4, 2), -0.4, 0.4, dtype="float32")
    return given(x, corners, there, **d.maybe(interpolation=d.pick("nearest", "bilinear"), fill_value=0.5), **options)


def sampled(d):
    """An array, and places between its entries."""
    rank = d.size(1, 3)
    shape = tuple(d.size(3, 5) for _ in range(rank))
    places = d.array((rank, *d.shape(1, 2)), -2, 6, dtype=d.dtype if d.dtype in FLOATS else "float32")
    mode = d.pick("constant", "nearest", "reflect", "wrap", "mirror")
    return given(d.distinct(shape), places, d.pick(0, 1), **d.maybe(fill_value=d.pick(0, 2)), fill_mode=mode)


def blurred(d):
    """An image, and a bell to smooth it with.

    The layout is always named, and the kernel square: without a name Keras on PyTorch takes the channels to be first,
    and it pads by the height on all sides.
    """
    x, options = picture(d)
    options = {"data_format": "channels_last", **options}
    return given(x, **d.maybe(kernel_size=d.pick((5, 5), (3, 3)), sigma=d.pick((0.5, 2.0), (1.0, 1.0))), **options)


def scaled(d):
    """An image, and how far to stretch and shift it."""
    method = d.pick("linear", "bilinear", "cubic", "lanczos3", "lanczos5")
    x = d.array((5, 6, 2))
    size = (d.size(3, 8), d.size(3, 8), 2)
    scale, shift = d.array((2,), 0.5, 2), d.array((2,), -1, 1)
    return given(x, size, scale, shift, (0, 1), method, antialias=d.flip())


def compared(d):
    """Two images that resemble each other."""
    x, options = picture(d, sizes=(12, 14))
    y = np.clip(x + d.array(x.shape, -0.2, 0.2), 0, 1).astype(x.dtype)
    return given(x, y, **d.maybe(filter_size=d.pick(3, 7), filter_sigma=1.0, max_val=2.0, k1=0.05, k2=0.1), **options)


def edged(d):
    """A batch of images."""
    x, options = picture(d, d.size(1, 3), batch=True)
    return given(x, **options)


ROWS = {
    "image.rgb_to_grayscale": [Row(colored, dtypes=COLORS, draws=6)],
    "image.rgb_to_hsv": [Row(colored, draws=6)],
    "image.hsv_to_rgb": [Row(colored, draws=6)],
    "image.resize": [
        Row(resized("bilinear", "nearest"), draws=24),
        Row(resized("bicubic"), draws=12, tolerance=5),
        Row(resized("bilinear", "nearest", "bicubic"), dtypes=("float16", "bfloat16"), draws=8),
        Row(resized("nearest"), dtypes=("uint8",), draws=8),
        Row(
            resized("bilinear", "bicubic"), dtypes=("uint8",), draws=4, compare=("shape", "dtype")
        ),  # halves round anyhow
    ],
    "image.extract_patches": [Row(patched(2), draws=12)],
    "image.extract_patches_3d": [Row(patched(3), draws=8)],
    "image.crop_images": [Row(framed(True), dtypes=COLORS, draws=6)],
    "image.pad_images": [Row(framed(False), dtypes=COLORS, draws=6)],
    "image.affine_transform": [Row(moved, affine, draws=24, tolerance=100)],
    "image.perspective_transform": [Row(projected, dtypes=("float32",), draws=24, tolerance=100)],
    "image.map_coordinates": [Row(sampled, draws=30), Row(sampled, dtypes=("int32", "uint8"), draws=8)],
    "image.gaussian_blur": [Row(blurred, draws=10)],
    "image.elastic_transform": [
        Row(
            lambda d: given((x := picture(d))[0], **x[1], seed=3, **d.maybe(alpha=5.0, sigma=2.0)),
            compare=("shape", "dtype"),
        ),
        Row(lambda d: given((x := picture(d))[0], **x[1], seed=3, alpha=0.0), draws=6),
    ],
    "image.scale_and_translate": [Row(scaled, draws=20, tolerance=10)],
    "image.sobel_edges": [Row(edged, draws=6)],
    "image.ssim": [Row(compared, draws=10, tolerance=10)],
}
