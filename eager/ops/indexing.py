"""Index keys: splitting tensors off, filling them back in, and the shape that indexing gives.

A key is what stands between the brackets: integers, slices, None, an ellipsis, and arrays (integer or boolean) whose
places are held by `PLACE` so that they can be inputs of a primitive.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dimensions
from ..dimensions import Dim, Shape, Size
from ..errors import describe
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
    items, arrays = [], []
    for item in key if isinstance(key, tuple) else (key,):
        if (
            isinstance(item, Operand)
            and not item.ndim
            and item.dtype.kind in "iu"
            and not isinstance(item, AbstractTensor)
        ):
            items.append(int(item))  # type: ignore[call-overload]
        elif isinstance(item, (list, np.ndarray, Operand)):
            empty = isinstance(item, list) and np.size(item) == 0
            array = item if isinstance(item, Operand) else np.array(item, np.intp) if empty else to_array(item)
            if array.dtype.kind not in "iub":
                raise IndexError(
                    f"Only integers, slices, None, ... and integer or boolean arrays index, got {describe(item)}."
                )
            items.append(PLACE)
            arrays.append(array)
        elif isinstance(item, slice):
            items.append(slice(*(int(i) if isinstance(i, Operand) else i for i in (item.start, item.stop, item.step))))  # type: ignore[call-overload]
        elif isinstance(item, (bool, np.bool_)):
            items.append(PLACE)
            arrays.append(np.array(item))
        elif item is None or item is Ellipsis or isinstance(item, (int, np.integer)):
            items.append(item)
        else:
            raise IndexError(
                f"Only integers, slices, None, ... and integer or boolean arrays index, got {describe(item)}."
            )
    return tuple(items), arrays


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
    if step < 0:
        if item.start is None and item.stop is None:
            return -(-size // -step)
        raise IndexError(f"a negative step with bounds needs a known size, got {item} on an unknown one")

    def bound(value: Size | None, default: Size) -> Size:
        if value is None:
            return default
        from_end = isinstance(value, int) and value < 0
        return dimensions.maximum(size + value, 0) if from_end else dimensions.minimum(value, size)

    length = dimensions.maximum(bound(item.stop, size) - bound(item.start, 0), 0)
    return -(-length // step)


def result_shape(shape: Shape, arrays: tuple[Any, ...], key: tuple[Any, ...]) -> Shape:
    """The shape of x[key] by NumPy's rules, basic and advanced; a boolean mask gives a fresh unknown."""
    items = list(fill(key, arrays))
    used = sum(_axes_used(item) for item in items)
    if used > len(shape):
        raise IndexError(f"too many indices: {used} for {len(shape)} axes")
    at = next((i for i, item in enumerate(items) if item is Ellipsis), len(items))
    items[at : at + 1] = [slice(None)] * (len(shape) - used)
    result: list[Any] = []
    advanced: list[Shape] = []
    position: int | None = None
    separated = False
    axis = 0
    for item in items:
        if hasattr(item, "dtype") or isinstance(item, int):
            advanced.append(_index_shape(item, shape, axis))
            separated = separated or (position is not None and position != len(result))
            position = len(result) if position is None else position
        elif item is None:
            result.append(1)
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
    if isinstance(item, (int, np.integer)):
        size = shape[axis]
        if isinstance(size, int) and not -size <= item < size:
            raise IndexError(f"index {item} is out of bounds for axis {axis} of size {size}")
        return ()
    return (dimensions.unknown("nonzero"),) if item.dtype.kind == "b" else item.dims
