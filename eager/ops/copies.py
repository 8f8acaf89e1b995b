"""The launches, for compiled graphs, of operations that move elements along axes; eagerly NumPy is as fast.

Each is a list of copies between strided parts of arrays. The strides of a slice are NumPy's own, found on an array
whose elements nobody reads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import kernels
from . import rules

_Way = tuple[tuple[int, ...], int, tuple[int, ...]]  # shape, offset and strides in elements
_BYTE = np.zeros(1, np.uint8)


def _whole(shape: Sequence[int]) -> _Way:
    strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    return tuple(map(int, shape)), 0, tuple(strides)


def _sliced(shape: Sequence[int], key: Any) -> _Way:
    fake = np.lib.stride_tricks.as_strided(_BYTE, *_whole(shape)[::2], writeable=False)
    part = fake[(*key, Ellipsis)] if Ellipsis not in key else fake[key]
    return part.shape, _address(part) - _address(fake), part.strides


def _address(x: Any) -> int:
    address: int = x.__array_interface__["data"][0]
    return address


def _launch(x: Any, size: int, arrays: int, copies: Sequence[tuple[_Way, int, _Way]], fill: Any = None) -> Any:
    """Copies (where to, of which array, from where) of items like those of x; `fill` comes before, if it is given."""
    dtype = x.dtype
    if dtype.hasobject:
        return None
    parts = tuple((to[0], *to[1:], source, *way[1:]) for to, source, way in copies)
    value = None if fill is None else np.asarray(fill).astype(dtype).tobytes()
    return kernels.launch("moves", dtype.itemsize, size, arrays, parts, value)


def transpose_launch(x: Any, axes: Any = None) -> Any:
    """For `transpose`."""
    rank = len(x.shape)
    order = tuple(range(rank))[::-1] if axes is None else rules.normalize_axes(tuple(axes), rank)
    shape, _, strides = _whole(x.shape)
    target = tuple(shape[axis] for axis in order)
    way = target, 0, tuple(strides[axis] for axis in order)
    return _launch(x, math.prod(shape), 1, [(_whole(target), 1, way)])


def slice_launch(x: Any, key: Any) -> Any:
    """For x[key] with a key of integers, slices, None and an ellipsis."""
    way = _sliced(x.shape, key)
    return _launch(x, math.prod(way[0]), 1, [(_whole(way[0]), 1, way)])


def put_launch(values: Any, key: Any, shape: Any) -> Any:
    """For zeros of a shape with the values at such a key."""
    to = _sliced(shape, key)
    if tuple(values.shape) != to[0]:
        return None
    return _launch(values, math.prod(shape), 1, [(to, 1, _whole(to[0]))], 0)


def pad_launch(x: Any, widths: Any, value: Any = 0) -> Any:
    """For `pad`."""
    shape = tuple(size + a + b for size, (a, b) in zip(x.shape, widths, strict=True))
    key = tuple(slice(a, a + size) for size, (a, _) in zip(x.shape, widths, strict=True))
    return _launch(x, math.prod(shape), 1, [(_sliced(shape, key), 1, _whole(x.shape))], value)


def concatenate_launch(*xs: Any, axis: int) -> Any:
    """For `concatenate`."""
    axis = rules.normalize_axis(axis, len(xs[0].shape))
    if any(x.dtype != xs[0].dtype for x in xs):
        return None
    shape = [*xs[0].shape]
    shape[axis] = sum(x.shape[axis] for x in xs)
    start, copies = 0, []
    for number, x in enumerate(xs, 1):
        key = (*(slice(None),) * axis, slice(start, start + x.shape[axis]))
        copies.append((_sliced(shape, key), number, _whole(x.shape)))
        start += x.shape[axis]
    return _launch(xs[0], math.prod(shape), len(xs), copies)
