"""Rows of a table at indices, and values added to rows, by kernels: what `arrays` asks for before it lets NumPy do it.

Each function gives an array, or None where there is no kernel or NumPy is as fast; an index out of range raises what
NumPy raises. Those called `..._launch` are for compiled graphs.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import kernels

_FLOAT = np.dtype(np.float32)
_INDICES = (np.dtype(np.int32), np.dtype(np.int64))
# Elements from which a kernel takes less time than NumPy.
_MANY, _SOME = 32768, 256


def _picks_rows(index: Any, key: Any) -> bool:
    return len(index) == len(key) == 1 and index[0].dtype in _INDICES


def _rows_launch(kind: str, index: Any, shape: Any, itemsize: int) -> Any:
    columns = math.prod(shape[1:])
    return kernels.launch("rows", kind, math.prod(index.shape), shape[0], columns, itemsize, index.dtype.itemsize)


def _along_launch(kind: str, index: Any, shape: Any, axis: int, itemsize: int) -> Any:
    """For the last axis, with an index for each of so many places of the other axes."""
    rank = len(shape)
    if axis not in (-1, rank - 1) or tuple(index.shape[:-1]) != tuple(shape[:-1]) or not index.shape[-1]:
        return None
    count, columns = math.prod(index.shape[:-1]), index.shape[-1]
    return kernels.launch("rows", kind, count, shape[-1], columns, itemsize, index.dtype.itemsize, rank - 1)


def take_launch(x: Any, index: Any, key: Any) -> Any:
    """For the rows x[index]."""
    if not _picks_rows(index, key) or not len(x.shape) or x.dtype.hasobject:
        return None
    return _rows_launch("take", index[0], x.shape, x.dtype.itemsize)


def add_launch(values: Any, index: Any, key: Any, shape: Any) -> Any:
    """For the values added to those rows of zeros."""
    if not _picks_rows(index, key) or values.dtype != _FLOAT:
        return None
    fits = tuple(values.shape) == (*index[0].shape, *shape[1:])
    return _rows_launch("add", index[0], shape, 4) if fits else None


def take_along_launch(x: Any, index: Any, axis: int) -> Any:
    """For `take_along_axis`."""
    if index.dtype not in _INDICES or x.dtype.itemsize not in (4, 8):
        return None
    return _along_launch("take_along", index, x.shape, axis, x.dtype.itemsize)


def add_along_launch(values: Any, index: Any, axis: int, shape: Any) -> Any:
    """For `add_along_axis`."""
    if index.dtype not in _INDICES or values.dtype != _FLOAT or values.shape != index.shape:
        return None
    return _along_launch("add_along", index, shape, axis, 4)


def _run(launch: Any, shape: Any, dtype: Any, *operands: Any) -> Any:
    if launch is None:
        return None
    result = np.empty(shape, dtype)
    launch(result, *map(np.ascontiguousarray, operands))
    return result


def taken(x: Any, index: Any, key: Any) -> Any:
    """The rows x[index]."""
    if not x.flags.c_contiguous or len(index) != 1 or index[0].size * math.prod(x.shape[1:]) < _MANY:
        return None
    return _run(take_launch(x, index, key), (*index[0].shape, *x.shape[1:]), x.dtype, x, index[0])


def added(values: Any, key: Any, shape: Any) -> Any:
    """Zeros of a shape with the values added at a key."""
    if len(key) != 1 or type(key[0]) is not np.ndarray or values.size < _SOME:
        return None
    return _run(add_launch(values, key, key, shape), shape, _FLOAT, values, key[0])


def taken_along(x: Any, index: Any, axis: int) -> Any:
    """`take_along_axis`."""
    if not x.flags.c_contiguous or index.size < _SOME:
        return None
    return _run(take_along_launch(x, index, axis), index.shape, x.dtype, x, index)


def added_along(values: Any, index: Any, axis: int, shape: Any) -> Any:
    """`add_along_axis`."""
    if values.size < _SOME:
        return None
    return _run(add_along_launch(values, index, axis, shape), shape, _FLOAT, values, index)
