"""How to call the operations on images."""

import numpy as np

import image_references as reference
from domains.values import real
from eagerly import ops
from image_references import KERNELS, layouts
from public_ops.rows import Row


def unit(rng, shape, dtype):
    """Values in [0, 1]."""
    return np.asarray(rng.uniform(0.05, 0.95, shape), dtype)


def around(rng, shape, dtype):
    """Coordinates in and around a small image, at sixteenths, so that float32 holds them and their weights."""
    return np.asarray((rng.integers(-5 * 16, 9 * 16, shape) * 2 + 1) / 32, dtype)


def near_identity(rng, shape, dtype):
    """Affine transforms that move a small image a little, and no pixel onto another."""
    change = np.round(rng.uniform(-1, 1, shape) * [2, 2, 8, 2, 2, 8, 0, 0]) / 8 + 1 / 128
    return np.asarray(change * [1, 1, 1, 1, 1, 1, 0, 0] + [1, 0, 0, 0, 1, 0, 0, 0], dtype)


def corners(rng, shape, dtype):
    """Four points near the corners of an image."""
    return np.asarray([[0, 0], [4, 0], [0, 3], [4, 3]] + np.round(rng.uniform(-1, 1, shape) * 4) / 8, dtype)


def batch(n, m):
    return [(n, 5, 4, m)]


def single(n, m):
    return [(5, m, 3)]


def first(n, m):
    return [(n, 3, m, 5)]


def row(shapes, name, expected, values=(real,), **options):
    """A row of an operation with options."""
    return Row(shapes, lambda *xs: getattr(ops.image, name)(*xs, **options), expected, values)


def resize_row(shapes, size, interpolation="bilinear", antialias=False, like=lambda f: f, **options):
    return row(
        shapes,
        "resize",
        lambda x: like(reference.resize)(x, size, interpolation, antialias),
        size=size,
        interpolation=interpolation,
        antialias=antialias,
        **options,
    )


def cropped_then_resized(x):
    height, width = x.shape[-3:-1]  # to a square
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return reference.resize(x[..., top : top + side, left : left + side, :], (3, 3))


def padded_then_resized(x):
    height, width = x.shape[-3:-1]  # to a square
    extra = abs(height - width) // 2
    margins = [(0, 0), (0, 0), (extra, extra), (0, 0)] if height > width else [(0, 0), (extra, extra), (0, 0), (0, 0)]
    return reference.resize(np.pad(x, margins, constant_values=0.5), (3, 3))


SCALE, TRANSLATION = np.array([0.75, 1.5], np.float32), np.array([0.5, -1.25], np.float32)
GRID = {"constant": -2.0, "nearest": 0.0, "wrap": 0.0, "mirror": 0.0, "reflect": 0.0}

ROWS: dict[str, list[Row]] = {
    "image.resize": [
        *(resize_row(batch, (3, 7), method) for method in ("nearest", *KERNELS, "area")),
        *(resize_row(batch, (2, 3), method, True) for method in ("nearest", *KERNELS, "area")),
        resize_row(single, (4, 6)),
        resize_row(single, (4, 2), "nearest"),
        resize_row(first, (2, 7), "bicubic", like=layouts, data_format="channels_first"),
        resize_row(first, (2, 7), "nearest", like=layouts, data_format="channels_first"),
        row(lambda n, m: [(n, m, 5, 2)], "resize", cropped_then_resized, size=(3, 3), crop_to_aspect_ratio=True),
        row(
            lambda n, m: [(n, m, 5, 2)],
            "resize",
            padded_then_resized,
            size=(3, 3),
            pad_to_aspect_ratio=True,
            fill_value=0.5,
        ),
    ],
    "image.scale_and_translate": [
        *(
            row(
                lambda n, m: [(n, 5, m)],
                "scale_and_translate",
                lambda x, kernel=KERNELS[kernel], antialias=antialias: reference.scale_and_translate(
                    x, (0, 4, 7), SCALE, TRANSLATION, (1, 2), kernel, antialias
                ),
                output_shape=(None, 4, 7),
                scale=SCALE,
                translation=TRANSLATION,
                spatial_dims=(1, -1),
                method=method,
                antialias=antialias,
            )
            for method, kernel in (("linear", "bilinear"), ("cubic", "bicubic"), ("lanczos3",) * 2, ("lanczos5",) * 2)
            for antialias in (True, False)
        ),
        Row(
            lambda n, m: [(5, m), (1,), (1,)],
            lambda x, s, t: ops.image.scale_and_translate(x, (3, ops.shape(x)[1]), s, t, [0], "triangle"),
            lambda x, s, t: reference.scale_and_translate(x, (3, 0), s, t, (0,), KERNELS["bilinear"]),
            (real, lambda rng, shape, dtype: np.full(shape, 0.625, dtype)),
        ),
    ],
    "image.map_coordinates": [
        *(
            row(
                lambda n, m: [(4, 3), (2, n, m)],
                "map_coordinates",
                lambda x, c, order=order, mode=mode, value=value: reference.map_coordinates(x, c, order, mode, value),
                (real, around),
                order=order,
                fill_mode=mode,
                fill_value=value,
            )
            for order in (0, 1)
            for mode, value in GRID.items()
        ),
        Row(
            lambda n, m: [(n,), (1, m)],
            lambda x, c: ops.image.map_coordinates(x, c, 1),
            lambda x, c: reference.map_coordinates(x, c, 1),
            (real, around),
        ),
        Row(
            lambda n, m: [(n, 2, m), (3, 5)],
            lambda x, c: ops.image.map_coordinates(x, c, 1, "reflect"),
            lambda x, c: reference.map_coordinates(x, c, 1, "reflect"),
            (real, around),
        ),
    ],
    "image.affine_transform": [
        *(
            row(
                lambda n, m: [(n, 4, 5, m), (n, 8)],
                "affine_transform",
                lambda x, t, order=order, mode=mode, value=value: reference.affine_transform(x, t, order, mode, value),
                (real, near_identity),
                interpolation=("nearest", "bilinear")[order],
                fill_mode=mode,
                fill_value=value,
            )
            for order in (0, 1)
            for mode, value in GRID.items()
        ),
        row(lambda n, m: [(n, m, 5, 2), (8,)], "affine_transform", reference.affine_transform, (real, near_identity)),
        row(lambda n, m: [(4, m, 2), (1, 8)], "affine_transform", reference.affine_transform, (real, near_identity)),
        row(
            lambda n, m: [(n, 2, m, 5), (1, 8)],
            "affine_transform",
            layouts(reference.affine_transform),
            (real, near_identity),
            data_format="channels_first",
        ),
    ],
    "image.perspective_transform": [
        row(
            lambda n, m: [(n, 4, 5, m), (n, 4, 2), (n, 4, 2)],
            "perspective_transform",
            lambda x, s, e: reference.perspective_transform(x, s, e, 1, 0.5),
            (real, corners),
            fill_value=0.5,
        ),
        row(
            lambda n, m: [(n, 4, 5, m), (4, 2), (4, 2)],
            "perspective_transform",
            lambda x, s, e: reference.perspective_transform(x, s, e, 0),
            (real, corners),
            interpolation="nearest",
        ),
        row(
            lambda n, m: [(m, 4, 5), (1, 4, 2), (1, 4, 2)],
            "perspective_transform",
            layouts(reference.perspective_transform),
            (real, corners),
            data_format="channels_first",
        ),
    ],
    "image.elastic_transform": [
        row(lambda n, m: [(n, 5, m, 2)], "elastic_transform", None, seed=3),
        row(lambda n, m: [(3, 6, m)], "elastic_transform", None, seed=3, sigma=1, data_format="channels_first"),
    ],
    "image.rgb_to_grayscale": [
        row(lambda n, m: [(n, 2, m, 3)], "rgb_to_grayscale", reference.grayscale),
        row(lambda n, m: [(n, m, 1)], "rgb_to_grayscale", lambda x: x),
        row(
            lambda n, m: [(n, 3, m, 2)],
            "rgb_to_grayscale",
            layouts(reference.grayscale),
            data_format="channels_first",
        ),
    ],
    **{
        f"image.{name}": [
            row(lambda n, m: [(n, 2, m, 3)], name, function, (unit,)),
            row(lambda n, m: [(3, m, 4)], name, layouts(function), (unit,), data_format="channels_first"),
        ]
        for name, function in (("rgb_to_hsv", reference.rgb_to_hsv), ("hsv_to_rgb", reference.hsv_to_rgb))
    },
    "image.gaussian_blur": [
        row(batch, "gaussian_blur", reference.gaussian_blur),
        row(
            lambda n, m: [(n, 5, m, 20)],
            "gaussian_blur",
            lambda x: reference.gaussian_blur(x, (3, 5), (1.0, 2.0)),
            kernel_size=(3, 5),
            sigma=(1.0, 2.0),
        ),
        row(single, "gaussian_blur", lambda x: reference.gaussian_blur(x, (4, 2)), kernel_size=(4, 2)),
        Row(
            lambda n, m: [(n, m, 5, 4), (2,)],
            lambda x, s: ops.image.gaussian_blur(x, (5, 3), s, "channels_first"),
            lambda x, s: layouts(reference.gaussian_blur)(x, (5, 3), s),
            (real, unit),
        ),
    ],
    "image.sobel_edges": [
        row(batch, "sobel_edges", reference.sobel_edges),
        row(single, "sobel_edges", reference.sobel_edges),
        row(
            first,
            "sobel_edges",
            lambda x: np.moveaxis(reference.sobel_edges(np.moveaxis(x, 1, -1)), -2, 1),
            data_format="channels_first",
        ),
    ],
    "image.ssim": [
        row(lambda n, m: [(n, 12, 13, m)] * 2, "ssim", reference.ssim, (unit,)),
        row(
            lambda n, m: [(6, 7, m)] * 2,
            "ssim",
            lambda a, b: reference.ssim(a, b, 2.0, 5, 1.0, 0.1, 0.2),
            (unit,),
            max_val=2.0,
            filter_size=5,
            filter_sigma=1.0,
            k1=0.1,
            k2=0.2,
        ),
        row(
            lambda n, m: [(n, m, 5, 6)] * 2,
            "ssim",
            lambda a, b: reference.ssim(np.moveaxis(a, 1, -1), np.moveaxis(b, 1, -1), size=4),
            (unit,),
            filter_size=4,
            data_format="channels_first",
        ),
    ],
    "image.extract_patches": [
        row(batch, "extract_patches", lambda x: reference.extract_patches(x, (2, 2)), size=2),
        row(
            lambda n, m: [(n, m, 7, 2)],
            "extract_patches",
            lambda x: reference.extract_patches(x, (2, 3), (1, 2), 1, "same"),
            size=(2, 3),
            strides=(1, 2),
            padding="same",
        ),
        row(
            lambda n, m: [(7, 6, m)],
            "extract_patches",
            lambda x: reference.extract_patches(x[None], (2, 2), (1, 1), 2)[0],
            size=(2, 2),
            strides=1,
            dilation_rate=2,
        ),
        row(
            lambda n, m: [(n, m, 4, 4)],
            "extract_patches",
            layouts(lambda x: reference.extract_patches(x, (2, 2))),
            size=2,
            data_format="channels_first",
        ),
        row(
            lambda n, m: [(n, 4, 4, 4, m)],
            "extract_patches",
            lambda x: reference.extract_patches(x, (2, 2, 1)),
            size=(2, 2, 1),
        ),
    ],
    "image.extract_patches_3d": [
        row(
            lambda n, m: [(n, 4, 5, 4, m)],
            "extract_patches_3d",
            lambda x: reference.extract_patches(x, (2,) * 3),
            size=2,
        ),
        row(
            lambda n, m: [(m, 4, 5, 6)],
            "extract_patches_3d",
            lambda x: np.moveaxis(
                reference.extract_patches(np.moveaxis(x, 0, -1)[None], (1, 2, 3), (2, 1, 1), 1, "same")[0], -1, 0
            ),
            size=[1, 2, 3],
            strides=[2, 1, 1],
            padding="same",
            data_format="channels_first",
        ),
    ],
    "image.pad_images": [
        row(
            lambda n, m: [(n, m, 5, 2)],
            "pad_images",
            lambda x: np.pad(x, [(0, 0), (1, 7 - 1 - x.shape[1]), (3, 2), (0, 0)]),
            top_padding=1,
            target_height=7,
            left_padding=3,
            right_padding=2,
        ),
        row(
            lambda n, m: [(2, n, m)],
            "pad_images",
            lambda x: np.pad(x, [(0, 0), (1, 0), (6 - x.shape[2], 0)]),
            top_padding=1,
            bottom_padding=0,
            right_padding=0,
            target_width=6,
            data_format="channels_first",
        ),
    ],
    "image.crop_images": [
        row(
            lambda n, m: [(n, 6, m, 2)],
            "crop_images",
            lambda x: x[:, 1:4, 1:],
            top_cropping=1,
            target_height=3,
            left_cropping=1,
            right_cropping=0,
        ),
        row(
            lambda n, m: [(2, n, 7)],
            "crop_images",
            lambda x: x[:, x.shape[1] - 2 : x.shape[1] - 1, 2:5],
            bottom_cropping=1,
            target_height=1,
            right_cropping=2,
            target_width=3,
            data_format="channels_first",
        ),
    ],
}
