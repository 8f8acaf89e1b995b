"""Windows over space: the two linear maps that convolutions and pooling are made of, and their geometry.

`unfold` lists the windows of an image, `fold` adds windows back into one; each is the other's gradient. Layout is
channels last: [batch, *space, channels]. Paddings: "valid", "same" (output ceil(size / stride), the odd pixel after),
"causal" for one axis.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dimensions
from ..dimensions import Shape, Size
from ..primitive import primitive
from ..tensor import AbstractTensor, TensorLike, dims
from . import arrays


def each(value: Any, rank: int, name: str, least: int = 1) -> tuple[int, ...]:
    """The value for each axis: an integer stands for all.

    Raises:
      ValueError: for another number of them, no integers, or one below the least.
    """
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * rank
    whole = all(isinstance(v, (int, np.integer)) for v in values)
    if len(values) != rank or not whole or any(int(v) < least for v in values):
        raise ValueError(f"{name}: expected {rank} integers {'> 0' if least else '>= 0'}, got {value!r}.")
    return tuple(int(v) for v in values)


def one_of(padding: Any, *known: str) -> str:
    """The padding in lower case.

    Raises:
      ValueError: for one that is not known.
    """
    if not isinstance(padding, str) or padding.lower() not in known:
        raise ValueError(f"padding: expected {', '.join(map(repr, known[:-1]))} or {known[-1]!r}, got {padding!r}.")
    return padding.lower()


def padding_of(space: Any, window: Any, strides: Any, dilation: Any, padding: str) -> list[tuple[Size, Size]]:
    """The rows to add before and after along each axis of space."""
    pads: list[tuple[Size, Size]] = []
    for size, width, stride, gap in zip(space, window, strides, dilation, strict=True):
        reach = (width - 1) * gap + 1
        if padding == "same":
            needed = (-(-size // stride) - 1) * stride + reach - size
            total = dimensions.maximum(needed, 0)
            pads.append((total // 2, total - total // 2))
        else:
            pads.append((reach - 1 if padding == "causal" else 0, 0))
    return pads


def padded(x: Any, pads: list[tuple[Size, Size]], value: float = 0) -> Any:
    """The image with a constant around it; only space is padded."""
    if all(dimensions.same(size, 0) for pair in pads for size in pair):
        return x
    return arrays.pad(x, widths=((0, 0), *pads, (0, 0)), value=value)


def channels_last(x: Any, data_format: str | None) -> Any:
    """The image with channels last, from the format that it is given in."""
    if data_format in (None, "channels_last"):
        return x
    if data_format != "channels_first":
        raise ValueError(f"data_format: expected 'channels_last' or 'channels_first', got {data_format!r}.")
    return arrays.transpose(x, axes=(0, *range(2, x.ndim), 1))


def as_given(y: Any, data_format: str | None) -> Any:
    """An image with channels last in the format that the input was given in."""
    return y if data_format != "channels_first" else arrays.transpose(y, axes=(0, y.ndim - 1, *range(1, y.ndim - 1)))


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
    counts, window = dims(x)[1 : 1 + rank], dims(x)[1 + rank : 1 + 2 * rank]
    if any(
        dimensions.same(a, b) is not True
        for a, b in zip(_counts(dims(g), window, strides, dilation), counts, strict=True)
    ):
        # More windows would fit than there were: the image went on behind them.
        seen = [
            slice(0, dimensions.maximum((n - 1) * stride + (width - 1) * gap + 1, 0))
            for n, width, stride, gap in zip(counts, window, strides, dilation, strict=True)
        ]
        g = arrays.getitem(g, key=(slice(None), *seen))
    return unfold(g, window=window, strides=strides, dilation=dilation)


fold.defvjp(_fold_back)
