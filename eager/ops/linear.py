"""Matrix products, and windows: the two linear maps that convolutions and pooling are made of.

`unfold` lists the windows of an image, `fold` adds windows back into one; each is the other's gradient. Layout is
channels last: [batch, *space, channels].
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dimensions
from ..dimensions import Shape, Size
from ..primitive import primitive, promote_together
from ..tensor import AbstractTensor, TensorLike, dims
from . import arrays, rules
from .reductions import unbroadcast


@primitive(shape=rules.matmul, promote=promote_together)
def matmul(x1: TensorLike, x2: TensorLike) -> Any:
    """The matrix product x1 @ x2 over the last two axes; a vector is a row on the left, a column on the right."""
    y = np.matmul(x1, x2)
    return y if y.dtype == x1.dtype else y.astype(x1.dtype)  # bfloat16 comes as float32


def _as_matrices(g: Any, a: Any, b: Any) -> tuple[Any, Any, Any]:
    """Operands and gradient with vectors made matrices."""
    if a.ndim == 1:
        a, g = arrays.expand_dims(a, 0), arrays.expand_dims(g, -1 if b.ndim == 1 else -2)
    if b.ndim == 1:
        b, g = arrays.expand_dims(b, 1), arrays.expand_dims(g, -1)
    return g, a, b


def _swap(x: Any) -> Any:
    order = tuple(range(x.ndim))
    return arrays.transpose(x, axes=(*order[:-2], order[-1], order[-2]))


def _matmul_left(g: Any, y: Any, x1: Any, x2: Any) -> Any:
    g, left, right = _as_matrices(g, x1, x2)
    return arrays.reshape(unbroadcast(matmul(g, _swap(right)), left), newshape=dims(x1))


def _matmul_right(g: Any, y: Any, x1: Any, x2: Any) -> Any:
    g, left, right = _as_matrices(g, x1, x2)
    return arrays.reshape(unbroadcast(matmul(_swap(left), g), right), newshape=dims(x2))


matmul.defvjp(_matmul_left, _matmul_right)


def window_count(size: Size, window: int, stride: int, dilation: int = 1) -> Size:
    """How many windows fit along an axis."""
    reach = (window - 1) * dilation + 1
    if isinstance(size, int) and size < reach:
        return 0
    return (size - reach) // stride + 1


def _counts(shape: Shape, window: Sequence[int], strides: Sequence[int], dilation: Sequence[int]) -> Shape:
    return tuple(itertools.starmap(window_count, zip(shape[1:-1], window, strides, dilation, strict=True)))


def _unfolded(x: Any, window: Any, strides: Any, dilation: Any) -> AbstractTensor:
    counts = _counts(x.dims, window, strides, dilation)
    return AbstractTensor((x.dims[0], *counts, *window, x.dims[-1]), x.dtype)


def _folded(g: Any, space: Any, strides: Any, dilation: Any) -> AbstractTensor:
    return AbstractTensor((g.dims[0], *space, g.dims[-1]), g.dtype)


@primitive(shape=_unfolded)
def unfold(x: TensorLike, window: Sequence[int], strides: Sequence[int], dilation: Sequence[int]) -> Any:
    """All windows of an image: [batch, *counts, *window, channels], a view."""
    x = np.asarray(x)
    counts = _counts(x.shape, window, strides, dilation)
    steps = x.strides[1:-1]
    return np.lib.stride_tricks.as_strided(
        x,
        (x.shape[0], *counts, *window, x.shape[-1]),
        (
            x.strides[0],
            *(step * stride for step, stride in zip(steps, strides, strict=True)),
            *(step * gap for step, gap in zip(steps, dilation, strict=True)),
            x.strides[-1],
        ),
        writeable=False,
    )


@primitive(shape=_folded)
def fold(g: TensorLike, space: Sequence[Any], strides: Sequence[int], dilation: Sequence[int]) -> Any:
    """Windows added into an image of the given extent: the dual of `unfold`."""
    g = np.asarray(g)
    rank = len(space)
    result = np.zeros((g.shape[0], *space, g.shape[-1]), g.dtype)
    counts, window = g.shape[1 : 1 + rank], g.shape[1 + rank : 1 + 2 * rank]
    if 0 in counts:
        return result
    for place in itertools.product(*map(range, window)):
        target = tuple(
            slice(i * gap, i * gap + (n - 1) * stride + 1, stride)
            for i, n, stride, gap in zip(place, counts, strides, dilation, strict=True)
        )
        result[(slice(None), *target)] += g[(slice(None),) * (1 + rank) + place]
    return result


unfold.defvjp(
    lambda g, y, x, window, strides, dilation: fold(g, space=dims(x)[1:-1], strides=strides, dilation=dilation)
)


def _fold_back(g: Any, y: Any, x: Any, space: Any, strides: Any, dilation: Any) -> Any:
    rank = len(space)
    return unfold(g, window=dims(x)[1 + rank : 1 + 2 * rank], strides=strides, dilation=dilation)


fold.defvjp(_fold_back)


def _pooled(x: Any, window: Any, strides: Any) -> tuple[AbstractTensor, AbstractTensor]:
    counts = _counts(x.dims, window, strides, (1,) * len(window))
    shape = (x.dims[0], *counts, x.dims[-1])
    return AbstractTensor(shape, x.dtype), AbstractTensor(shape, np.dtype(np.int32))


@primitive(shape=_pooled, residuals=1)
def max_pool_windows(x: TensorLike, window: Sequence[int], strides: Sequence[int]) -> Any:
    """The largest element of each window, and which of them it was: the first of equal ones, or of NaNs."""
    x = np.asarray(x)
    counts = _counts(x.shape, window, strides, (1,) * len(window))
    best = where = None
    for position, place in enumerate(itertools.product(*map(range, window))):
        key = tuple(
            slice(i, i + (n - 1) * stride + 1 if n else i, stride)
            for i, n, stride in zip(place, counts, strides, strict=True)
        )
        candidate = x[(slice(None), *key)]
        if best is None or where is None:
            best, where = candidate.copy(), np.zeros(candidate.shape, np.int32)
            continue
        larger = (candidate > best) | ((candidate != candidate) & (best == best))
        np.copyto(best, candidate, where=larger)
        where[larger] = position
    return best, where


def _max_pool_back(g: Any, y: Any, x: Any, window: Any, strides: Any) -> Any:
    rank = len(window)
    shape = dims(g)
    positions = np.arange(dimensions.product(window), dtype=np.int32).reshape((*window, 1))
    spread = (*shape[:-1], *(1,) * rank, shape[-1])
    chosen = arrays.reshape(y[1], newshape=spread) == positions
    windows = arrays.reshape(g, newshape=spread) * chosen
    return fold(windows, space=dims(x)[1:-1], strides=strides, dilation=(1,) * rank)


max_pool_windows.defvjp(_max_pool_back)
