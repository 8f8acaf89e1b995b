"""Fields of an index, checked one by one, in every version."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from .. import dtypes
from . import format as layout
from .format import ObjectEntry, TensorType


@dataclass
class Values:
    """Of each object: its entry, None for a node; the offset of its values; which of all checksums is their first."""

    entries: list[ObjectEntry | None]
    offsets: list[int]
    first: list[int]
    checksums: list[int]
    outside: list[tuple[int, int]]  # the ranges of the HDF5 part that hold no values


_DTYPES = {name: dtypes.dtype(name) for name in dtypes.NAMES}


def tensor_type(item: dict[str, Any], where: str) -> TensorType:
    """The dtype and shape that an item of an index names.

    Raises:
      ValueError: if there are no such arrays.
    """
    name, sizes = item.get("dtype"), expect(item.get("shape"), list, f"{where}, shape")
    dtype = _DTYPES.get(name) if isinstance(name, str) else None
    if dtype is None:
        raise ValueError(f"{where}: expected a known dtype, got {name!r:.80}")
    for size in sizes:
        if not is_natural(size):
            raise no_natural(size, f"{where}, shape")
    if len(sizes) > layout.MAX_RANK:
        raise ValueError(f"{where}: expected at most {layout.MAX_RANK} axes, got {len(sizes)}")
    # NumPy refuses a shape whose other axes are too large even where one of them is 0.
    if math.prod(size for size in sizes if size) * dtype.itemsize >= 2**62:
        raise ValueError(f"{where}: expected a shape that an array can have, got {tuple(sizes)!r:.80}")
    return TensorType(dtype, tuple(sizes), math.prod(sizes) * dtype.itemsize)


def expect(value: Any, kind: type, where: str) -> Any:
    """The value itself, if it is of a kind.

    Raises:
      ValueError: if not.
    """
    if not isinstance(value, kind):
        raise ValueError(f"{where}: expected {kind.__name__}, got {type(value).__name__}")
    return value


def is_natural(value: Any) -> bool:
    """Whether a value is a number that something in a file may have."""
    return type(value) is int and 0 <= value < 2**63


def no_natural(value: Any, where: str) -> ValueError:
    """What is raised for one that is not."""
    return ValueError(f"{where}: expected an integer from 0 on, got {value!r:.80}")
