"""The largest and the mean element of each window of an image, and what they give back to it.

Layout is channels last: [batch, *space, channels]. With padding "same" the windows at the border see what lies inside
of the image alone. Each forward operation and its gradient are one kernel for float32 images of one or two axes; each
gradient is linear, and its dual takes a gradient of higher order back.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .. import dimensions, kernels
from ..dimensions import Shape
from ..primitive import primitive
from ..tensor import AbstractTensor, TensorLike, dims
from . import arrays, elementwise, reductions, windows

_Array = np.ndarray[Any, Any]
_FLOAT = np.dtype(np.float32)
_WORTHWHILE = 4096  # elements from which a kernel is


def _pads(space: Any, window: Any, strides: Any, padding: str) -> list[Any]:
    return windows.padding_of(space, window, strides, (1,) * len(window), padding)


def _counts(space: Any, window: Any, strides: Any, padding: str) -> Shape:
    pads = _pads(space, window, strides, padding)
    sizes = zip(space, pads, window, strides, strict=True)
    return tuple(windows.window_count(size + a + b, width, stride) for size, (a, b), width, stride in sizes)


def _place_dtype(window: Sequence[int]) -> np.dtype[Any]:
    return np.dtype(np.uint8 if dimensions.product(window) <= 256 else np.int32)


def _launch(kind: str, shape: Any, window: Any, strides: Any, padding: str) -> Any:
    """The kernel for images x of a shape, None if there is none."""
    rank = len(window)
    space = tuple(shape[1:-1])
    if rank > 2:
        return None
    counts = _counts(space, window, strides, padding)
    if 0 in (*shape, *counts):
        return None
    before = [a for a, _ in _pads(space, window, strides, padding)]
    one, none = (1,) * (2 - rank), (0,) * (2 - rank)
    image = (shape[0], *one, *space, shape[-1])
    return kernels.launch("pooling", kind, image, (*one, *window), (*one, *strides), (*none, *before), (*one, *counts))


def _launch_on(kind: str, x: Any, shape: Any, window: Any, strides: Any, padding: str) -> Any:
    """The same for an array, if it is a large one of float32."""
    if x.dtype is not _FLOAT or x.size < _WORTHWHILE:
        return None
    return _launch(kind, shape, window, strides, padding)


def _image_shape(g: Any, space: Any) -> Shape:
    return (dims(g)[0], *space, dims(g)[-1])


def _parts(counts: Any, window: Any, strides: Any) -> Iterator[tuple[Any, ...]]:
    """For each place in a window, the key of the pixels there."""
    for place in itertools.product(*map(range, window)):
        along = zip(place, counts, strides, strict=True)
        yield (slice(None), *(slice(i, i + (n - 1) * stride + 1 if n else i, stride) for i, n, stride in along))


def _pooled(x: Any, window: Any, strides: Any, padding: str = "valid") -> AbstractTensor:
    return AbstractTensor((x.dims[0], *_counts(x.dims[1:-1], window, strides, padding), x.dims[-1]), x.dtype)


def _pooled_with_places(
    x: Any, window: Any, strides: Any, padding: str = "valid"
) -> tuple[AbstractTensor, AbstractTensor]:
    y = _pooled(x, window, strides, padding)
    return y, AbstractTensor(y.dims, _place_dtype(window))


@primitive(shape=_pooled_with_places, residuals=1)
def max_pool_windows(x: TensorLike, window: Sequence[int], strides: Sequence[int], padding: str = "valid") -> Any:
    """The largest element of each window, and which of them it was: the first of equal ones, or of NaNs."""
    x = np.asarray(x)
    counts = _counts(x.shape[1:-1], window, strides, padding)
    shape = (x.shape[0], *counts, x.shape[-1])
    launch = _launch_on("max", x, x.shape, window, strides, padding)
    if launch is not None:
        best, where = np.empty(shape, x.dtype), np.empty(shape, _place_dtype(window))
        launch(best, where, np.ascontiguousarray(x))
        return best, where
    lowest = np.iinfo(x.dtype).min if x.dtype.kind in "iu" else False if x.dtype.kind == "b" else -np.inf
    image, inside = _bordered(x, lowest, window, strides, padding), None
    if image is not x:
        inside = _bordered(np.ones((1, *x.shape[1:-1], 1), bool), False, window, strides, padding)
    where = np.zeros(shape, _place_dtype(window))
    keys = list(_parts(counts, window, strides))
    candidates = [image[key] for key in keys]
    best = functools.reduce(np.maximum, candidates[1:], candidates[0].copy())
    with_nan = bool(np.isnan(best).any())
    for position in reversed(range(len(candidates))):  # the first of equal ones is written last
        candidate = candidates[position]
        chosen = (candidate == best) | (candidate != candidate) if with_nan else candidate == best
        np.putmask(where, chosen if inside is None else chosen & inside[keys[position]], position)
    return best, where


def _bordered(x: _Array, value: Any, window: Any, strides: Any, padding: str) -> _Array:
    """The image with a constant around it; x itself without padding."""
    pads = _pads(x.shape[1:-1], window, strides, padding)
    if not any(a or b for a, b in pads):
        return x
    return np.pad(x, ((0, 0), *pads, (0, 0)), constant_values=value)


def _given_back(shares: Iterator[_Array], dtype: Any, shape: Any, window: Any, strides: Any, padding: str) -> _Array:
    """An image of the given shape, to which each place of a window has its shares added."""
    space = shape[1:-1]
    pads = _pads(space, window, strides, padding)
    image = np.zeros((shape[0], *(n + a + b for n, (a, b) in zip(space, pads, strict=True)), shape[-1]), dtype)
    for key, share in zip(_parts(_counts(space, window, strides, padding), window, strides), shares, strict=True):
        image[key] += share
    return image[(slice(None), *(slice(a, a + n) for n, (a, _) in zip(space, pads, strict=True)))]


@primitive(
    shape=lambda g, where, space, window, strides, padding="valid": AbstractTensor(_image_shape(g, space), g.dtype)
)
def max_pool_gradient(
    g: TensorLike,
    where: TensorLike,
    space: Sequence[Any],
    window: Sequence[int],
    strides: Sequence[int],
    padding: str = "valid",
) -> Any:
    """An image with each value of g added at the place of its window that `where` tells, 0 elsewhere."""
    g, where = np.asarray(g), np.asarray(where)
    shape = _image_shape(g, map(int, space))
    launch = _launch_on("max_back", g, shape, window, strides, padding)
    if launch is not None:
        x = np.empty(shape, g.dtype)
        launch(x, np.ascontiguousarray(g), np.ascontiguousarray(where))
        return x
    zero = g.dtype.type(0)
    shares = (np.where(where == position, g, zero) for position in range(int(np.prod(window))))
    return _given_back(shares, g.dtype, shape, window, strides, padding)


def _chosen(x: Any, where: Any, window: Any, strides: Any, padding: str) -> Any:
    """Of each window of x the element that `where` tells: the dual of `max_pool_gradient`."""
    rank = len(window)
    image = windows.padded(x, _pads(dims(x)[1:-1], window, strides, padding))
    seen = windows.unfold(image, window=window, strides=strides, dilation=(1,) * rank)
    positions = np.arange(dimensions.product(window), dtype=_place_dtype(window)).reshape((*window, 1))
    shape = dims(where)
    chosen = elementwise.equal(arrays.reshape(where, newshape=(*shape[:-1], *(1,) * rank, shape[-1])), positions)
    return reductions.sum(elementwise.where(chosen, seen, 0), axis=tuple(range(1 + rank, 1 + 2 * rank)))


max_pool_windows.defvjp(
    lambda g, y, x, window, strides, padding="valid": max_pool_gradient(
        g, y[1], space=dims(x)[1:-1], window=window, strides=strides, padding=padding
    )
)
max_pool_gradient.defvjp(
    lambda g, y, gradient, where, space, window, strides, padding="valid": _chosen(g, where, window, strides, padding),
    None,
)


@primitive(shape=_pooled)
def average_pool_windows(x: TensorLike, window: Sequence[int], strides: Sequence[int], padding: str = "valid") -> Any:
    """The mean of each window's elements."""
    x = np.asarray(x)
    counts = _counts(x.shape[1:-1], window, strides, padding)
    launch = _launch_on("average", x, x.shape, window, strides, padding)
    if launch is not None:
        y = np.empty((x.shape[0], *counts, x.shape[-1]), x.dtype)
        launch(y, np.ascontiguousarray(x))
        return y
    image = _bordered(x, 0, window, strides, padding)
    parts = [image[key] for key in _parts(counts, window, strides)]
    return functools.reduce(np.add, parts[1:], parts[0]) / _areas(x.shape[1:-1], window, strides, padding, x.dtype)


def _areas(space: Any, window: Any, strides: Any, padding: str, dtype: Any) -> _Array:
    """How many elements of each window lie in the image, as real numbers [1, *counts, 1]."""
    inside = _bordered(np.ones((1, *space, 1), dtype), 0, window, strides, padding).real
    return sum(inside[key] for key in _parts(_counts(space, window, strides, padding), window, strides))


@primitive(shape=lambda g, space, window, strides, padding="valid": AbstractTensor(_image_shape(g, space), g.dtype))
def average_pool_gradient(
    g: TensorLike, space: Sequence[Any], window: Sequence[int], strides: Sequence[int], padding: str = "valid"
) -> Any:
    """An image to which each value of g is added in equal shares all over its window: the dual of the means."""
    g = np.asarray(g)
    shape = _image_shape(g, map(int, space))
    launch = _launch_on("average_back", g, shape, window, strides, padding)
    if launch is not None:
        x = np.empty(shape, g.dtype)
        launch(x, np.ascontiguousarray(g))
        return x
    share = g / _areas(shape[1:-1], window, strides, padding, g.dtype)
    return _given_back(itertools.repeat(share, int(np.prod(window))), g.dtype, shape, window, strides, padding)


average_pool_windows.defvjp(
    lambda g, y, x, window, strides, padding="valid": average_pool_gradient(
        g, space=dims(x)[1:-1], window=window, strides=strides, padding=padding
    )
)
average_pool_gradient.defvjp(
    lambda g, y, gradient, space, window, strides, padding="valid": average_pool_windows(
        g, window=window, strides=strides, padding=padding
    )
)


def _launch_in_graph(kind: str, x: Any, shape: Any, window: Any, strides: Any, padding: str = "valid") -> Any:
    return _launch(kind, shape, window, strides, padding) if x.dtype == _FLOAT else None


max_pool_windows.defkernel(lambda x, **options: _launch_in_graph("max", x, x.shape, **options))
max_pool_gradient.defkernel(
    lambda g, where, space, **options: _launch_in_graph("max_back", g, _image_shape(g, space), **options)
)
average_pool_windows.defkernel(lambda x, **options: _launch_in_graph("average", x, x.shape, **options))
average_pool_gradient.defkernel(
    lambda g, space, **options: _launch_in_graph("average_back", g, _image_shape(g, space), **options)
)
