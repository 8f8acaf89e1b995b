"""Images read at other places than pixels: coordinates, affine and perspective maps, elastic deformation.

Coordinate i is the center of pixel i. Order 0 takes the nearest pixel (halves go to the even one), order 1 the weighted
mean of the pixels around. Gradients flow into the images and, for order 1, into the coordinates and what they are made
of.
"""

from __future__ import annotations

import functools
import itertools
import operator
from typing import Any

import numpy as np

from .. import dimensions, dtypes
from ..dimensions import Size
from ..errors import describe
from ..primitive import cast
from ..tensor import TensorLike, dims
from . import arrays, draws, filters, pixels
from .elementwise import cast_like, clip, equal, floor, greater, minimum, multiply, rint, where

FILL_MODES = ("constant", "nearest", "wrap", "mirror", "reflect")
ORDERS = {"nearest": 0, "bilinear": 1}


def _inside(index: Any, size: Size, fill_mode: str) -> Any:
    """The index in [0, size) of the pixel that stands at an index beyond the border."""
    if fill_mode in ("constant", "nearest"):
        return clip(index, 0, size - 1)  # type: ignore[arg-type] # a size may be a symbol
    if fill_mode == "wrap":
        return index % size
    if fill_mode == "mirror":
        period = dimensions.maximum(size * 2 - 2, 1)
        return minimum(index % period, period - index % period)
    return minimum(index % (size * 2), size * 2 - 1 - index % (size * 2))


def _ends(coordinate: Any, size: Size, stride: Size, order: int, fill_mode: str, kind: Any) -> list[Any]:
    """For the pixels around a coordinate along one axis: the place, whether it is inside, and the weight."""
    if order == 0:
        found = [(cast(rint(coordinate), dtype=pixels.WHOLE), None)]
    else:
        low = floor(coordinate)
        high_weight = cast_like(coordinate - low, kind)
        index = cast(low, dtype=pixels.WHOLE)
        found = [(index, 1.0 - high_weight), (index + 1, high_weight)]
    constant = fill_mode == "constant"
    return [
        (_inside(index, size, fill_mode) * stride, (index >= 0) & (index < size) if constant else None, weight)
        for index, weight in found
    ]


def _sampled(
    pixel: Any, sizes: Any, coordinates: Any, order: int, fill_mode: str, fill_value: Any, start: Any = None
) -> Any:
    """A grid at coordinates, one tensor for each of its axes, which broadcast.

    pixel: the grid's elements [points] or, with channels, [points, channels].
    start: the place of each grid in `pixel`, where there are several.
    """
    dtype = pixel.dtype
    channels = len(dims(pixel)) == 2
    real = order == 1
    pixel = pixels.wide(pixel) if real else pixel
    fill_value = cast_like(fill_value, pixel)

    def with_channels(x: Any) -> Any:
        return arrays.expand_dims(x, -1) if channels else x

    strides = [dimensions.product(sizes[i + 1 :]) for i in range(len(sizes))]
    each = [
        _ends(coordinate, size, stride, order, fill_mode, pixel.dtype)
        for coordinate, size, stride in zip(coordinates, sizes, strides, strict=True)
    ]
    total = None
    for corner in itertools.product(*each):
        places, inside, weights = zip(*corner, strict=True)
        place = functools.reduce(operator.add, places if start is None else (*places, start))
        value = arrays.take(pixel, place, 0)
        if fill_mode == "constant":
            value = where(with_channels(functools.reduce(operator.and_, inside)), value, fill_value)
        if real:
            value = value * with_channels(functools.reduce(operator.mul, weights))
        total = value if total is None else total + value
    return pixels.in_dtype(greater(total, 0.5) if real and dtype.kind == "b" else total, dtype)


def map_coordinates(
    inputs: TensorLike, coordinates: TensorLike, order: int, fill_mode: str = "constant", fill_value: float = 0
) -> Any:
    """The inputs at coordinates between their elements.

    Args:
      inputs: a tensor of r axes, floats or integers; for integers the results are rounded and held in range.
      coordinates: [r, …]: for each axis of the inputs the coordinates along it.
      order: 0 for the nearest element, 1 for linear interpolation.
      fill_mode: what comes after a b c d: "constant" k k k k, "nearest" d d d d, "wrap" a b c d, "mirror" c b a b,
        "reflect" d c b a.
      fill_value: the constant k.

    Raises:
      ValueError: for another order or mode, inputs without elements, or not r coordinates.

    >>> map_coordinates(np.array([0.0, 10.0, 20.0]), np.array([[0.5, 1.75, 3.5]]), 1, "nearest").tolist()
    [5.0, 17.5, 20.0]
    """
    sizes, places = dims(inputs), dims(coordinates)
    pixels.one_of("map_coordinates", "order", order, (0, 1))
    pixels.one_of("map_coordinates", "fill_mode", fill_mode, FILL_MODES)
    if not sizes or len(places) < 2 or dimensions.same(places[0], len(sizes)) is False:
        raise ValueError(
            f"map_coordinates: expected coordinates [{len(sizes)}, …], with a row for each axis of the inputs "
            f"{describe(inputs)}, got {describe(coordinates)}."
        )
    if any(dimensions.same(size, 0) for size in sizes):
        raise ValueError(f"map_coordinates: expected inputs with elements, got {describe(inputs)}.")
    exact = cast_like(coordinates, dtypes.to_compute_in(coordinates.dtype))  # type: ignore[union-attr]
    rows = [arrays.getitem(exact, key=(i,)) for i in range(len(sizes))]
    value = pixels.fill("map_coordinates", fill_value, inputs.dtype)  # type: ignore[union-attr]
    return _sampled(arrays.reshape(inputs, newshape=(-1,)), sizes, rows, int(order), fill_mode, value)


def _warped(images: Any, down: Any, across: Any, interpolation: str, fill_mode: str, fill_value: Any) -> Any:
    """A batch [n, height, width, channels] at coordinates [n or 1, height, width]."""
    count, height, width, channels = dims(images)
    first = multiply(pixels.count_from(count, pixels.WHOLE), height * width)
    return _sampled(
        arrays.reshape(images, newshape=(count * height * width, channels)),
        (height, width),
        (down, across),
        ORDERS[interpolation],
        fill_mode,
        fill_value,
        arrays.reshape(first, newshape=(count, 1, 1)),
    )


def _grid(images: Any, dtype: Any) -> tuple[Any, Any]:
    """The coordinates of a batch's pixels: rows [height, 1] and columns [width]."""
    _, height, width, _ = dims(images)
    return arrays.expand_dims(pixels.count_from(height, dtype), 1), pixels.count_from(width, dtype)


def _projected(images: Any, transform: Any, interpolation: str, fill_mode: str, fill_value: Any) -> Any:
    """A batch read at ((a₀x + a₁y + a₂) / k, (b₀x + b₁y + b₂) / k), k = c₀x + c₁y + 1; transform is [n or 1, 8]."""
    y, x = _grid(images, transform.dtype)
    a0, a1, a2, b0, b1, b2, c0, c1 = (
        arrays.reshape(arrays.getitem(transform, key=(slice(None), i)), newshape=(-1, 1, 1)) for i in range(8)
    )
    scale = c0 * x + c1 * y + 1.0
    horizon = equal(scale, 0.0)
    scale = where(horizon, 1.0, scale)
    across, down = (
        where(horizon, -2.0, line / scale) for line in (a0 * x + a1 * y + a2, b0 * x + b1 * y + b2)
    )  # the horizon is not in the image
    return _warped(images, down, across, interpolation, fill_mode, fill_value)


def _check_modes(name: str, interpolation: str, fill_mode: str) -> None:
    pixels.one_of(name, "interpolation", interpolation, ORDERS)
    pixels.one_of(name, "fill_mode", fill_mode, FILL_MODES)


def _check_count(name: str, option: str, value: Any, batch: Any, images: Any) -> None:
    """Refuses a batch of transforms that is none for each image, nor one for all."""
    count = dims(value)[0]
    if dimensions.same(count, dims(batch)[0]) is False and dimensions.same(count, 1) is False:
        raise ValueError(
            f"{name}: expected {option} for each image or one for all, got {count} for {describe(images)}."
        )


def affine_transform(
    images: TensorLike,
    transform: TensorLike,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: float = 0,
    data_format: str | None = None,
) -> Any:
    """Images whose pixel (x, y) is the input at ((a₀x + a₁y + a₂) / k, (b₀x + b₁y + b₂) / k), k = c₀x + c₁y + 1.

    Gradients flow into the transforms too, but for "nearest".

    Args:
      images: an image or a batch.
      transform: a₀, a₁, a₂, b₀, b₁, b₂, c₀, c₁, for all images [8] or for each one [n, 8].
      interpolation: "nearest" or "bilinear".
      fill_mode: what comes after a b c d: "constant" k k k k, "nearest" d d d d, "wrap" a b c d, "mirror" c b a b,
        "reflect" d c b a.
      fill_value: the constant k.
      data_format: "channels_last" (None too) or "channels_first".

    Raises:
      ValueError: for an unknown option, or if shapes do not fit.

    >>> shift = np.array([1.0, 0, 1, 0, 1, 0, 0, 0])
    >>> affine_transform(np.array([[[1.0], [2.0], [3.0]]]), shift)[..., 0].tolist()
    [[2.0, 3.0, 0.0]]
    """
    name = "affine_transform"
    _check_modes(name, interpolation, fill_mode)
    pixels.axes(name, images, data_format)
    shape = dims(transform)
    if len(shape) not in (1, 2) or dimensions.same(shape[-1], 8) is False:
        raise ValueError(f"{name}: expected eight numbers, or [n, 8], as transform, got {describe(transform)}.")
    batch = pixels.as_batch(images, data_format)
    rows: Any = transform if len(shape) == 2 else arrays.reshape(transform, newshape=(1, 8))
    _check_count(name, "a transform", rows, batch, images)
    value = pixels.fill(name, fill_value, batch.dtype)
    y = _projected(batch, pixels.wide(rows), interpolation, fill_mode, value)
    return pixels.as_given(y, images, data_format)


def _homography(sources: Any, targets: Any) -> Any:
    """The eight numbers [n, 8] of the perspective map that takes four targets to four sources, both [n, 4, 2].

    With homogeneous points p₀ … p₃, and dᵢ the determinant of p₀, p₁, p₂ with p₃ in place of pᵢ, the matrix with the
    columns dᵢ pᵢ takes the unit vectors to p₀, p₁, p₂, and their sum to p₃, up to factors. The map is that matrix of
    the sources times the inverse of that of the targets (Heckbert 1989, section 2.2.3).
    """

    def parts(points: Any) -> tuple[list[Any], list[Any], list[Any]]:
        x, y = ([arrays.getitem(points, key=(slice(None), i, j)) for i in range(4)] for j in range(2))

        def area(i: int, j: int, k: int) -> Any:
            return (x[j] - x[i]) * (y[k] - y[i]) - (y[j] - y[i]) * (x[k] - x[i])

        return x, y, [area(3, 1, 2), area(0, 3, 2), area(0, 1, 3)]

    (source_x, source_y, source_factors), (x, y, factors) = parts(sources), parts(targets)
    rows: list[list[Any]] = [[], [], []]
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        factor = source_factors[i] / factors[i]
        for row, part in zip(rows, (source_x[i] * factor, source_y[i] * factor, factor), strict=True):
            row.append((part, (y[j] - y[k], x[k] - x[j], x[j] * y[k] - x[k] * y[j])))
    entries = [
        functools.reduce(operator.add, (part * cofactors[column] for part, cofactors in row))
        for row in rows
        for column in range(3)
    ]
    return arrays.stack([entry / entries[-1] for entry in entries[:-1]], -1)


def perspective_transform(
    images: TensorLike,
    start_points: TensorLike,
    end_points: TensorLike,
    interpolation: str = "bilinear",
    fill_value: float = 0,
    data_format: str | None = None,
) -> Any:
    """Images seen in the perspective that moves four points of the input to four points of the result.

    Gradients flow into the points too, but for "nearest".

    Args:
      images: an image or a batch.
      start_points: four points (x, y) of the input, for all images [4, 2] or for each one [n, 4, 2].
      end_points: where they lie in the result; no three on a line.
      interpolation: "nearest" or "bilinear".
      fill_value: what lies beyond the border.
      data_format: "channels_last" (None too) or "channels_first".

    Raises:
      ValueError: for an unknown option, or if shapes do not fit.

    >>> corners = np.array([[0.0, 0], [2, 0], [0, 1], [2, 1]])
    >>> perspective_transform(np.arange(6.0).reshape(2, 3, 1), corners, corners[[1, 0, 3, 2]])[..., 0].tolist()
    [[2.0, 1.0, 0.0], [5.0, 4.0, 3.0]]
    """
    name = "perspective_transform"
    _check_modes(name, interpolation, "constant")
    pixels.axes(name, images, data_format)
    shape, other = dims(start_points), dims(end_points)
    for option, found, value in (("start_points", shape, start_points), ("end_points", other, end_points)):
        if len(found) not in (2, 3) or any(
            dimensions.same(a, b) is False for a, b in zip(found[-2:], (4, 2), strict=True)
        ):
            raise ValueError(f"{name}: expected [4, 2] or [n, 4, 2] as {option}, got {describe(value)}.")
    if len(shape) != len(other) or dimensions.same(shape[0], other[0]) is False:
        raise ValueError(
            f"{name}: expected as many end_points as start_points, got {describe(end_points)} for "
            f"{describe(start_points)}."
        )
    batch = pixels.as_batch(images, data_format)
    exact = np.dtype(np.float64)  # for a few numbers, which the differences of products need
    points = [cast_like(x if len(shape) == 3 else arrays.expand_dims(x, 0), exact) for x in (start_points, end_points)]
    _check_count(name, "points", points[0], batch, images)
    kind = dtypes.to_compute_in(dtypes.result_type(start_points, end_points, float))
    transform = cast_like(_homography(*points), kind)
    value = pixels.fill(name, fill_value, batch.dtype)
    return pixels.as_given(_projected(batch, transform, interpolation, "constant", value), images, data_format)


def elastic_transform(
    images: TensorLike,
    alpha: float = 20.0,
    sigma: float = 5.0,
    interpolation: str = "bilinear",
    fill_mode: str = "reflect",
    fill_value: float = 0.0,
    seed: Any = None,
    data_format: str | None = None,
) -> Any:
    """Images read at pixels moved by alpha times a smooth random field (Simard, Steinkraus & Platt 2003).

    The field is normal noise of standard deviation sigma, blurred by a Gaussian of that standard deviation, one down
    and one across for each image.

    Args:
      images: an image or a batch.
      alpha: the strength.
      sigma: the smoothness in pixels, a number > 0.
      interpolation: "nearest" or "bilinear".
      fill_mode: what comes after a b c d: "constant" k k k k, "nearest" d d d d, "wrap" a b c d, "mirror" c b a b,
        "reflect" d c b a.
      fill_value: the constant k.
      seed: an integer, a `random.SeedGenerator`, or None for the user's stream.
      data_format: "channels_last" (None too) or "channels_first".

    Raises:
      ValueError: for an unknown option, or if sigma is no number > 0.

    >>> elastic_transform(np.ones((2, 8, 8, 3)), seed=1).shape
    (2, 8, 8, 3)
    """
    name = "elastic_transform"
    _check_modes(name, interpolation, fill_mode)
    pixels.axes(name, images, data_format)
    if not isinstance(sigma, (int, float, np.number)) or not sigma > 0:
        raise ValueError(f"{name}: expected a number > 0 as sigma, got {describe(sigma)}.")
    batch = pixels.as_batch(images, data_format)
    kind = dtypes.to_compute_in(batch.dtype)
    noise = draws.normal((2, *dims(batch)[:3]), 0.0, float(sigma), kind, seed)
    kernel = filters.bell(int(6 * sigma) | 1, np.asarray(sigma, np.float64)).astype(kind)
    for axis in (-2, -1):
        noise = filters.correlated(noise, kernel, axis)
    y, x = _grid(batch, kind)
    down, across = (arrays.getitem(noise, key=(i,)) * alpha for i in range(2))
    value = pixels.fill(name, fill_value, batch.dtype)
    return pixels.as_given(_warped(batch, down + y, across + x, interpolation, fill_mode, value), images, data_format)
