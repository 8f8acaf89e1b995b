"""What a layer expects of its input, and how a message shows it: `[batch, ..., 4]`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import dtypes
from ..tensor import Tensor


class InputSpec:
    """Rank, sizes and dtype that every input of a layer must have; what is None is free.

    Args:
      dtype: the dtype.
      shape: the full shape, None for a free size.
      ndim: the number of axes.
      max_ndim: the largest number of axes.
      min_ndim: the smallest number of axes.
      axes: sizes by axis; negative axes count from the end.

    Example:
      >>> str(InputSpec(min_ndim=2, axes={-1: 4}))
      '[batch, ..., 4]'
    """

    def __init__(
        self,
        dtype: Any = None,
        shape: Sequence[int | None] | None = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: Mapping[int, int | None] | None = None,
    ):
        self.dtype = None if dtype is None else dtypes.dtype(dtype)
        self.ndim = ndim if shape is None else len(shape)
        self.max_ndim = max_ndim
        self.min_ndim = min_ndim
        self.axes = dict(enumerate(shape)) if shape is not None else dict(axes or {})

    def fits(self, value: Any) -> bool:
        """Whether a tensor agrees with everything that is not free; an unknown size agrees."""
        shape = value._array.shape if type(value) is Tensor else value.shape
        rank = len(shape)
        if self.ndim is not None and rank != self.ndim:
            return False
        if rank < (self.min_ndim or 0) or (self.max_ndim is not None and rank > self.max_ndim):
            return False
        if self.dtype is not None and value.dtype != self.dtype:
            return False
        for axis, size in self.axes.items():
            if size is not None:
                mine = shape[axis] if -rank <= axis < rank else -1
                if mine != size and mine is not None:
                    return False
        return True

    def __str__(self) -> str:
        rank = self.ndim
        if rank is None:
            known = {axis: str(size) for axis, size in self.axes.items() if size is not None}
            tail = [known.get(axis, "*") for axis in range(min(self.axes, default=0), 0)]
            lead = max((self.min_ndim or 0) - len(tail), max(self.axes, default=0) + 1, 1)
            sizes = [*(known.get(axis, "*" if axis else "batch") for axis in range(lead)), "...", *tail]
        else:
            free = {axis % rank: size for axis, size in self.axes.items() if size is not None}
            sizes = [str(free.get(axis, "*" if axis else "batch")) for axis in range(rank)]
        dtype = "" if self.dtype is None else self.dtype.name
        limit = "" if self.max_ndim is None else f" with at most {self.max_ndim} axes"
        return f"{dtype}[{', '.join(sizes)}]{limit}"
