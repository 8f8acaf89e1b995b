"""Image operations on float64 arrays, pixel by pixel in loops: slow, obvious, and made in another way than ours.

Images have their channels last; `layouts` makes the other formats of these.
"""

import colorsys
import itertools
import math

import numpy as np


def layouts(function):
    """The function for images with channels first, made of one for channels last."""
    return lambda x, *args, **options: np.moveaxis(function(np.moveaxis(x, -3, -1), *args, **options), -1, -3)


def triangle(x):
    return max(0.0, 1 - abs(x))


def cubic(x, a=-0.5):
    x = abs(x)
    if x < 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0


def lanczos(radius):
    return lambda x: float(np.sinc(x) * np.sinc(x / radius)) if abs(x) < radius else 0.0


KERNELS = {"bilinear": triangle, "bicubic": cubic, "lanczos3": lanczos(3), "lanczos5": lanczos(5)}


def weighted(x, axis, weights):
    """For each row of weights the weighted mean of the slices along an axis."""
    slices = np.moveaxis(x, axis, 0)
    rows = [sum((w * s for w, s in zip(row, slices, strict=True)), start=0 * slices[0]) for row in weights]
    return np.moveaxis(np.stack(rows), 0, axis)


def resized_axis(x, axis, count, interpolation, antialias=False):
    size = x.shape[axis]
    step = size / count
    if interpolation == "nearest":
        return np.take(x, [math.floor((i + 0.5) * step + 1e-9) for i in range(count)], axis)
    if interpolation == "area":
        rows = []
        for i in range(count):
            ends = [min(max(edge, j), j + 1) for j in range(size) for edge in (i * step, (i + 1) * step)]
            rows.append([(high - low) / step for low, high in zip(ends[::2], ends[1::2], strict=True)])
        return weighted(x, axis, rows)
    return scaled_axis(x, axis, count, 1 / step, 0.0, KERNELS[interpolation], antialias)


def scaled_axis(x, axis, count, scale, translation, kernel, antialias):
    size = x.shape[axis]
    stretch = max(1 / scale, 1.0) if antialias else 1.0
    rows = []
    for i in range(count):
        center = (i + 0.5 - translation) / scale
        row = [kernel((j + 0.5 - center) / stretch) for j in range(size)]
        rows.append([w / sum(row) for w in row] if 0 <= center <= size and sum(row) else [0.0] * size)
    return weighted(x, axis, rows)


def resize(x, size, interpolation="bilinear", antialias=False):
    return resized_axis(resized_axis(x, -3, size[0], interpolation, antialias), -2, size[1], interpolation, antialias)


def scale_and_translate(x, shape, scale, translation, axes, kernel, antialias=True):
    for axis, factor, offset in zip(axes, scale, translation, strict=True):
        x = scaled_axis(x, axis, shape[axis], factor, offset, kernel, antialias)
    return x


PADDING = {"constant": "constant", "nearest": "edge", "wrap": "wrap", "mirror": "reflect", "reflect": "symmetric"}
MARGIN = 40


def at(x, place, order, fill_mode="constant", fill_value=0.0):
    """The value of a grid at one place: read in a grid with a wide margin."""
    options = {"constant_values": fill_value} if fill_mode == "constant" else {}
    wide = np.pad(x, MARGIN, PADDING[fill_mode], **options)
    place = [c + MARGIN for c in place]
    if order == 0:
        return wide[tuple(round(c) for c in place)]
    total = 0.0
    for corner in itertools.product(*[(math.floor(c), math.floor(c) + 1) for c in place]):
        total += math.prod(1 - abs(c - i) for c, i in zip(place, corner, strict=True)) * wide[corner]
    return total


def map_coordinates(x, coordinates, order, fill_mode="constant", fill_value=0.0):
    places = np.moveaxis(coordinates, 0, -1)
    result = np.empty(places.shape[:-1])
    for i in np.ndindex(result.shape):
        result[i] = at(x, places[i], order, fill_mode, fill_value)
    return result


def affine_transform(x, transform, order=1, fill_mode="constant", fill_value=0.0):
    if x.ndim == 4:
        rows = np.broadcast_to(transform, (len(x), 8))
        return np.stack([affine_transform(y, t, order, fill_mode, fill_value) for y, t in zip(x, rows, strict=True)])
    a0, a1, a2, b0, b1, b2, c0, c1 = np.reshape(transform, 8)
    result = np.empty(x.shape)
    for row, column, channel in np.ndindex(x.shape):
        k = c0 * column + c1 * row + 1
        place = (b0 * column + b1 * row + b2) / k, (a0 * column + a1 * row + a2) / k
        result[row, column, channel] = at(x[..., channel], place, order, fill_mode, fill_value)
    return result


def homography(start, end):
    """The eight numbers of the map from four end points to four start points, by solving their equations."""
    rows, values = [], []
    for (u, v), (x, y) in zip(start, end, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return np.linalg.solve(np.array(rows, float), np.array(values, float))


def perspective_transform(x, start, end, order=1, fill_value=0.0):
    if x.ndim == 4:
        points = (np.broadcast_to(p, (len(x), 4, 2)) for p in (start, end))
        return np.stack([perspective_transform(y, *p, order, fill_value) for y, *p in zip(x, *points, strict=True)])
    return affine_transform(
        x, homography(np.reshape(start, (4, 2)), np.reshape(end, (4, 2))), order, "constant", fill_value
    )


def filtered(x, kernel):
    """Each pixel's neighbors times a kernel [height, width], with zeros beyond the border."""
    rows, columns = kernel.shape
    margins = [(0, 0)] * (x.ndim - 3) + [((n - 1) // 2, n // 2) for n in (rows, columns)] + [(0, 0)]
    padded = np.pad(x, margins)
    height, width = x.shape[-3:-1]
    total = np.zeros(x.shape)
    for i, j in np.ndindex(rows, columns):
        total += kernel[i, j] * padded[..., i : i + height, j : j + width, :]
    return total


def bell(size, sigma):
    values = np.array([math.exp(-((i - (size - 1) / 2) ** 2) / (2 * sigma**2)) for i in range(size)])
    return values / values.sum()


def gaussian_blur(x, kernel_size=(3, 3), sigma=(1.0, 1.0)):
    return filtered(x, np.outer(bell(kernel_size[1], sigma[1]), bell(kernel_size[0], sigma[0])))


def sobel_edges(x):
    down = np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]])
    return np.stack([filtered(x, down), filtered(x, down.T)], -1)


def ssim(a, b, max_val=1.0, size=11, sigma=1.5, k1=0.01, k2=0.03):
    if a.ndim == 4:
        return np.array([ssim(*pair, max_val, size, sigma, k1, k2) for pair in zip(a, b, strict=True)])
    weights = np.outer(bell(size, sigma), bell(size, sigma))
    c1, c2 = (k1 * max_val) ** 2, (k2 * max_val) ** 2
    found = []
    for i, j, c in np.ndindex(a.shape[0] - size + 1, a.shape[1] - size + 1, a.shape[2]):
        p, q = (x[i : i + size, j : j + size, c] for x in (a, b))
        mean_p, mean_q = (weights * p).sum(), (weights * q).sum()
        covariance = (weights * (p - mean_p) * (q - mean_q)).sum()
        variances = (weights * (p - mean_p) ** 2).sum() + (weights * (q - mean_q) ** 2).sum()
        similar = (2 * mean_p * mean_q + c1) * (2 * covariance + c2)
        found.append(similar / ((mean_p**2 + mean_q**2 + c1) * (variances + c2)))
    return np.mean(found)


def extract_patches(x, size, strides=None, dilation=1, padding="valid"):
    """Patches of a batch [n, *space, channels]; every option is a tuple but the padding."""
    rank = len(size)
    strides = strides or size
    dilation = (dilation,) * rank
    reach = [(n - 1) * d + 1 for n, d in zip(size, dilation, strict=True)]
    if padding == "same":
        needed = [max((-(-n // s) - 1) * s + r - n, 0) for n, s, r in zip(x.shape[1:-1], strides, reach, strict=True)]
        x = np.pad(x, [(0, 0), *((n // 2, n - n // 2) for n in needed), (0, 0)])
    counts = [(n - r) // s + 1 for n, s, r in zip(x.shape[1:-1], strides, reach, strict=True)]
    result = np.empty((len(x), *counts, math.prod(size) * x.shape[-1]))
    for place in np.ndindex(*counts):
        key = tuple(slice(i * s, i * s + r, d) for i, s, r, d in zip(place, strides, reach, dilation, strict=True))
        result[(slice(None), *place)] = x[(slice(None), *key)].reshape(len(x), -1)
    return result


def grayscale(x):
    return x @ np.array([[0.2989], [0.587], [0.114]])


def by_color(convert):
    return lambda x: np.array([convert(*color) for color in x.reshape(-1, 3)]).reshape(x.shape)


rgb_to_hsv = by_color(colorsys.rgb_to_hsv)
hsv_to_rgb = by_color(colorsys.hsv_to_rgb)
