"""IndexedSlices: a gradient that is zero except in some rows, as that of looked-up vectors is.

It is a Tensor: whatever does not know it sees the dense values, made when first asked for. What knows it (clipping,
optimizers) touches the rows alone, so that an update costs what the batch costs and not what the table costs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .tensor import Tensor, wrap


class IndexedSlices(Tensor):
    """Rows of a Tensor that is zero elsewhere: `dense[indices[i]] += values[i]` for each i.

    Args:
      values: the rows, [n, ...].
      indices: the row that each belongs to, [n], in [0, dense_shape[0]); one may come several times.
      dense_shape: the shape of the whole.

    Example:
      >>> g = IndexedSlices(np.ones((2, 1)), np.array([2, 2]), (4, 1))
      >>> g.tolist(), g.shape
      ([[0.0], [0.0], [2.0], [0.0]], (4, 1))
    """

    __slots__ = ("_dense", "_rows", "_values", "dense_shape")

    def __init__(self, values: np.ndarray[Any, Any], indices: np.ndarray[Any, Any], dense_shape: tuple[int, ...]):
        self._values = values
        self._rows = indices
        self.dense_shape = dense_shape
        self._dense: Tensor | None = None

    @property
    def values(self) -> Tensor:
        """The rows."""
        return wrap(self._values)

    @property
    def indices(self) -> Tensor:
        """The index of each row in the whole."""
        return wrap(self._rows)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.dense_shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._values.dtype

    @property
    def size(self) -> int:
        return int(np.prod(self.dense_shape))

    def merged(self) -> IndexedSlices:
        """The same with each index once, in order, and its rows added up."""
        order = np.argsort(self._rows, kind="stable")
        rows = self._rows[order]
        first = np.flatnonzero(np.diff(rows, prepend=-1))
        if len(first) == len(rows):
            return IndexedSlices(self._values[order], rows, self.dense_shape)
        sums = np.add.reduceat(self._values[order], first, axis=0) if len(rows) else self._values
        return IndexedSlices(sums, rows[first], self.dense_shape)

    def with_values(self, values: Any) -> IndexedSlices:
        """Other values, a Tensor or an array, in the same rows."""
        return IndexedSlices(values._array if isinstance(values, Tensor) else values, self._rows, self.dense_shape)

    def read(self) -> Tensor:
        """The whole as a dense Tensor."""
        if self._dense is None:
            merged = self.merged()
            dense = np.zeros(self.dense_shape, self.dtype)
            dense[merged._rows] = merged._values
            self._dense = wrap(dense)
        return self._dense

    @property
    def _array(self) -> np.ndarray[Any, Any]:  # type: ignore[override]
        return self.read()._array

    def __reduce__(self) -> Any:
        return IndexedSlices, (self._values, self._rows, self.dense_shape)


def add(a: Any, b: Any) -> Any:
    """a + b, which stays row-sparse if both are; else an array or a Tensor, as the dense one is."""
    if type(a) is type(b) is np.ndarray:
        return a + b
    sparse_a, sparse_b = isinstance(a, IndexedSlices), isinstance(b, IndexedSlices)
    if sparse_a and sparse_b:
        return IndexedSlices(np.concatenate([a._values, b._values]), np.concatenate([a._rows, b._rows]), a.dense_shape)
    if sparse_a or sparse_b:
        dense, rows = (b, a.merged()) if sparse_a else (a, b.merged())
        total = np.array(dense._array if isinstance(dense, Tensor) else dense)
        total[rows._rows] += rows._values
        return wrap(total) if isinstance(dense, Tensor) else total
    return a + b
