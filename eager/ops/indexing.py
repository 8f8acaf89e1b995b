"""Index keys: splitting tensors off, filling them back in, and the shape that indexing gives.

A key is what stands between the brackets: integers, slices, None, an ellipsis, and arrays (integer or boolean) whose
places are held by `PLACE` so that they can be inputs of a primitive.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from .. import dimensions
from ..dimensions import Dim, Shape, Size
from ..errors import TraceError, describe
from ..tensor import AbstractTensor, Operand, to_array


class _Place:
    """Stands in a key for an array that is an input."""

    def __repr__(self) -> str:
        return "PLACE"

    def __reduce__(self) -> str:
        return "PLACE"


PLACE = _Place()


def split(key: Any) -> tuple[tuple[Any, ...], list[Any]]:
    """The key as a tuple with places, and the arrays that belong there."""
    items: list[Any] = []
    arrays: list[Any] = []
    for item in key if isinstance(key, tuple) else (key,):
        if isinstance(item, Operand) and not item.ndim and item.dtype.kind in "iu" and not _symbolic(item):
            items.append(int(item))  # type: ignore[call-overload]
        elif isinstance(item, (list, tuple, range, np.ndarray, Operand)):
            array = item if isinstance(item, Operand) else _array(item)
            if array.dtype.kind not in "iub":
                raise IndexError(_REFUSED.format(describe(item)))
            items.append(PLACE)
            arrays.append(array)
        elif isinstance(item, slice):
            items.append(slice(*(_bound(i, item) for i in (item.start, item.stop, item.step))))
        elif isinstance(item, (bool, np.bool_)):
            items.append(PLACE)
            arrays.append(np.array(item))
        elif item is None or item is Ellipsis or isinstance(item, (int, np.integer, Dim)):
            items.append(int(item) if isinstance(item, np.integer) else item)
        else:
            raise IndexError(_REFUSED.format(describe(item)))
    if sum(item is Ellipsis for item in items) > 1:
        raise IndexError("An index can have one ellipsis (...) only.")
    return tuple(items), arrays


_REFUSED = "Only integers, slices, None, ... and integer or boolean arrays index, got {}."


def _symbolic(item: Any) -> bool:
    return isinstance(item, AbstractTensor)


def _array(item: Any) -> Any:
    """The index array that a sequence stands for; an empty one holds integers."""
    if isinstance(item, range):
        return np.array(item, np.intp)
    try:
        return np.array(item, np.intp) if isinstance(item, (list, tuple)) and np.size(item) == 0 else to_array(item)
    except ValueError:
        raise IndexError(_REFUSED.format(describe(item))) from None


def _bound(value: Any, item: slice) -> Any:
    """A bound of a slice as a Python integer, a dimension, or None."""
    if value is None or type(value) is int or isinstance(value, Dim):
        return value
    try:
        return operator.index(value)
    except TraceError:
        raise
    except TypeError:
        raise IndexError(f"A slice needs integers, None or dimensions, got {describe(value)} in {item}.") from None


def fill(key: tuple[Any, ...], arrays: Any) -> tuple[Any, ...]:
    """The key with arrays in their places."""
    if not arrays:
        return key
    iterator = iter(arrays)
    return tuple(next(iterator) if item is PLACE else item for item in key)


def _sliced(size: Size, item: slice) -> Size:
    """The length of `range(size)[item]`, symbolic where the size is unknown."""
    if isinstance(size, int) and not any(isinstance(i, Dim) for i in (item.start, item.stop, item.step)):
        return len(range(*item.indices(size)))
    step = 1 if item.step is None else item.step
    if step == 0:
        raise ValueError("slice step cannot be zero")
    forward = step > 0
    first, low, high = (0, 0, size) if forward else (size - 1, -1, size - 1)

    def bound(value: Size | None, default: Size) -> Size:
        if value is None:
            return default
        from_end = isinstance(value, int) and value < 0
        return dimensions.maximum(size + value, low) if from_end else dimensions.minimum(value, high)

    start, stop = bound(item.start, first), bound(item.stop, size if forward else -1)
    length = dimensions.maximum(stop - start if forward else start - stop, 0)
    return -(-length // (step if forward else -step))


def result_shape(shape: Shape, arrays: tuple[Any, ...], key: tuple[Any, ...]) -> Shape:
    """The shape of x[key] by NumPy's rules, basic and advanced; a boolean mask gives a fresh unknown."""
    items = list(fill(key, arrays))
    used = sum(_axes_used(item) for item in items)
    if used > len(shape):
        raise IndexError(f"too many indices: {used} for {len(shape)} axes")
    if not any(item is Ellipsis for item in items):
        items.append(Ellipsis)
    result: list[Any] = []
    advanced: list[Shape] = []
    position: int | None = None
    apart = separated = False
    axis = 0
    for item in items:
        if hasattr(item, "dtype") or isinstance(item, (int, Dim)):
            advanced.append(_index_shape(item, shape, axis))
            separated = separated or apart
            position = len(result) if position is None else position
        else:
            apart = position is not None  # an ellipsis for no axis stands between indices too
            if item is None:
                result.append(1)
            elif item is Ellipsis:
                result += shape[axis : axis + len(shape) - used]
                axis += len(shape) - used
            else:
                result.append(_sliced(shape[axis], item))
        axis += _axes_used(item)
    if position is not None:
        place = 0 if separated else position
        try:
            result[place:place] = dimensions.broadcast(*advanced)
        except ValueError as error:
            raise IndexError(f"indices of {error}") from None
    return tuple(result)


def _axes_used(item: Any) -> int:
    if item is None or item is Ellipsis:
        return 0
    if hasattr(item, "dtype") and item.dtype.kind == "b":
        return len(item.shape)
    return 1


def _index_shape(item: Any, shape: Shape, axis: int) -> Shape:
    if isinstance(item, Dim):
        return ()
    if isinstance(item, int):
        size = shape[axis]
        if isinstance(size, int) and not -size <= item < size:
            raise IndexError(f"index {item} is out of bounds for axis {axis} of size {size}")
        return ()
    if item.dtype.kind != "b":
        return item.dims
    empty = len(item.dims) == 1 and dimensions.same(item.dims[0], 0)  # which is no mask for NumPy and fits any axis
    for i, size in enumerate(item.dims, axis):
        if dimensions.same(size, shape[i]) is False and not empty:
            raise IndexError(f"a mask of size {size} does not fit axis {i} of size {shape[i]}")
    return (dimensions.unknown("nonzero"),)


def combine_at(function: Any, target: Any, key: tuple[Any, ...], values: Any) -> None:
    """`function.at(target, key, values)` for a contiguous target: values for one place are combined one after another.

    NumPy is several times faster for one array of places in a flat target than for other keys, once it is long.
    """
    flat = _flat_places(target.shape, key, values.size) if values.size > 2000 else None
    if flat is None:
        function.at(target, key, values)
    else:
        function.at(target.reshape(-1), flat.reshape(-1), values.reshape(-1))


def _flat_places(shape: tuple[int, ...], key: tuple[Any, ...], count: int) -> Any:
    """The places that a key picks in the flattened array, None where `function.at` does as well without them."""
    total, rest = math.prod(shape), math.prod(shape[len(key) :])
    if not all(isinstance(item, np.ndarray) and item.dtype.kind in "iu" for item in key):
        return np.arange(total).reshape(shape)[key] if total <= 4 * count else None
    if len(key) == rest == 1:
        return None
    flat: Any = 0
    for axis, (item, size) in enumerate(zip(key, shape, strict=False)):
        item = item.astype(np.intp, copy=False)
        low, high = item.min(), item.max()
        if low < -size or high >= size:
            outside = low if low < -size else high
            raise IndexError(f"index {outside} is out of bounds for axis {axis} with size {size}")
        flat = flat * size + (np.where(item < 0, item + size, item) if low < 0 else item)
    return flat if rest == 1 else flat[..., np.newaxis] * rest + np.arange(rest)
