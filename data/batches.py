"""Batches for training: cut from arrays, or taken from any iterable of them.

Everything is checked before the first batch. A batch cut here is a copy of its own, so that nothing a tape keeps can
change with the user's array.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from numbers import Number
from typing import Any

import numpy as np

from .. import dtypes, nest
from ..errors import describe
from ..random import SeedGenerator, permutation
from ..tensor import Operand, wrap

Batch = tuple[Any, Any, Any]


def unpack(data: Any) -> Batch:
    """x, y and sample weights of what a data source gives: `(x,)`, `(x, y)`, `(x, y, sample_weight)` or x alone.

    A list is taken for such a tuple.

    Raises:
      ValueError: for a tuple of another length.
    """
    data = tuple(data) if isinstance(data, list) else data
    if not isinstance(data, tuple):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise ValueError(f"Data: expected (x,), (x, y) or (x, y, sample_weight), got a tuple of {len(data)}.")
    return (*data, *(None,) * (3 - len(data)))


def pack(batch: Batch) -> Any:
    """What a training step is given: `(x, y, sample_weight)` without the last ones that are None; x alone as it is.

    >>> pack((1, 2, None)), pack((1, None, None)), pack(([1, 2], None, None))
    ((1, 2), 1, ([1, 2],))
    """
    x, y, sample_weight = batch
    if sample_weight is not None:
        return batch
    if y is not None:
        return x, y
    return (x,) if isinstance(x, (tuple, list)) else x


def _as_array(leaf: Any, name: str) -> np.ndarray[Any, Any]:
    known = hasattr(leaf, "__array__") or isinstance(leaf, (Number, Sequence))  # NumPy would index others without end
    try:
        array = np.asarray(leaf if known else None)
    except ValueError:  # rows of different lengths
        array = np.asarray(None)
    if not array.ndim or array.dtype.name not in dtypes.NAMES:
        raise ValueError(f"{name}: expected arrays of numbers with a batch axis, got {describe(leaf)[:200]}.")
    return array.astype(dtypes.FLOATX) if array.dtype == np.float64 else array


def _arrays(structure: Any, name: str) -> Any:
    """A structure of arrays; a list of plain numbers is one array."""
    if structure is None:
        return None
    if isinstance(structure, (list, tuple)) and not any(hasattr(leaf, "shape") for leaf in nest.flatten(structure)):
        return _as_array(structure, name)
    return nest.map_structure(lambda leaf: _as_array(leaf, name), structure)


class ArrayBatches:
    """Batches cut from arrays that share their first axis.

    Args:
      x: arrays, in any structure; y and sample_weight likewise, or None.
      batch_size: rows of a batch; the last one may have fewer.
      shuffle: a generator that orders the rows anew in each epoch; None keeps their order.

    Raises:
      ValueError: if the arrays have different numbers of rows, none at all, or the batch size is not > 0.
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        batch_size: int = 32,
        shuffle: SeedGenerator | None = None,
    ):
        if isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)) or batch_size <= 0:
            raise ValueError(f"batch_size: expected an integer > 0, got {batch_size!r}.")
        self.parts = (_arrays(x, "x"), _arrays(y, "y"), _arrays(sample_weight, "sample_weight"))
        leaves = [leaf for part in self.parts if part is not None for leaf in nest.flatten(part)]
        self.rows = len(leaves[0]) if leaves else 0
        if any(len(leaf) != self.rows for leaf in leaves):
            shown = ", ".join(
                f"{n}: {describe(p)}"
                for n, p in zip(("x", "y", "sample_weight"), self.parts, strict=True)
                if p is not None
            )
            raise ValueError(f"Data: expected one number of rows in all arrays, got {shown}.")
        if not self.rows:
            raise ValueError(f"Data: expected at least one row, got {describe(x)}.")
        self.batch_size = int(batch_size)
        self.shuffle = shuffle

    def __len__(self) -> int:
        return -(-self.rows // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        order = None if self.shuffle is None else permutation(self.rows, self.shuffle)
        for start in range(0, self.rows, self.batch_size):
            stop = min(start + self.batch_size, self.rows)
            yield tuple(None if part is None else _cut(part, order, start, stop) for part in self.parts)  # type: ignore[misc]

    def split(self, fraction: float) -> tuple[ArrayBatches, Batch]:
        """Batches of the first rows, and the last `fraction` of the rows as arrays.

        Raises:
          ValueError: if the fraction leaves one side empty.
        """
        at = int(self.rows * (1 - fraction))
        if not 0 < at < self.rows:
            raise ValueError(
                f"validation_split: expected a fraction that leaves rows on both sides of {self.rows}, "
                f"got {fraction!r}."
            )
        x, y, weight = self._rows(slice(at))
        return ArrayBatches(x, y, weight, self.batch_size, self.shuffle), self._rows(slice(at, None))

    def _rows(self, rows: slice) -> Batch:
        x, y, weight = (None if p is None else nest.map_structure(lambda leaf: leaf[rows], p) for p in self.parts)
        return x, y, weight


def _cut(part: Any, order: np.ndarray[Any, Any] | None, start: int, stop: int) -> Any:
    if isinstance(part, np.ndarray):
        return wrap(part[start:stop].copy() if order is None else part[order[start:stop]])
    return nest.map_structure(lambda leaf: _cut(leaf, order, start, stop), part)


class IterableBatches:
    """Batches as an iterable gives them, at most `steps` an epoch.

    An epoch of an iterator goes on where the last one stopped; an epoch of anything else begins anew.

    Args:
      source: an iterable of x, `(x, y)` or `(x, y, sample_weight)`.
      steps: batches in an epoch; None for all there are.
    """

    def __init__(self, source: Iterable[Any], steps: int | None = None):
        if steps is not None and (not isinstance(steps, int) or steps <= 0):
            raise ValueError(f"steps: expected an integer > 0 or None, got {steps!r}.")
        self.source = source
        self.steps = steps

    def __len__(self) -> int:
        """The number of batches in an epoch, 0 if it is not known."""
        return self.steps or (len(self.source) if hasattr(self.source, "__len__") else 0)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Batch]:
        iterator = iter(self.source)
        given = 0
        while self.steps is None or given < self.steps:
            item = next(iterator, _END)
            if item is _END:
                if given == 0 or self.steps is not None:
                    raise ValueError(
                        f"Data: the iterable ended after {given} batches of an epoch"
                        + (f" of {self.steps}. " if self.steps else ". ")
                        + "Pass one that can be iterated over again, or ask for fewer steps."
                    )
                return
            given += 1
            yield tuple(None if part is None else _tensors(part) for part in unpack(item))  # type: ignore[misc]


_END = object()


def repeated(source: Iterable[Any]) -> Iterator[Any]:
    """The batches of one pass over a source after another, for epochs of a given number of steps.

    An iterator cannot be passed over again, so its batches come once.
    """
    while True:
        given = False
        for item in source:
            given = True
            yield item
        if not given or iter(source) is source:
            return


def _tensors(part: Any) -> Any:
    arrays = part if isinstance(part, Operand) else _arrays(part, "data")
    return nest.map_structure(lambda leaf: leaf if isinstance(leaf, Operand) else wrap(leaf.copy()), arrays)


def batches(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    batch_size: int | None = None,
    steps: int | None = None,
    shuffle: SeedGenerator | None = None,
) -> ArrayBatches | IterableBatches:
    """Batches of arrays (or nested arrays, or lists of numbers), or of an iterable that brings y and weights itself.

    Raises:
      ValueError: if x is missing, or y or a batch size come with an iterable.
    """
    if x is None:
        raise ValueError("Data: expected x, got None.")
    is_arrays = hasattr(x, "shape") or isinstance(x, (list, tuple, dict))
    if not is_arrays and hasattr(x, "__iter__"):
        for name, value in (("y", y), ("sample_weight", sample_weight), ("batch_size", batch_size)):
            if value is not None:
                raise ValueError(
                    f"Data: an iterable brings its own {name}, so {name} must be None, got {describe(value)[:200]}."
                )
        return IterableBatches(x, steps)
    source = ArrayBatches(x, y, sample_weight, 32 if batch_size is None else batch_size, shuffle)
    return source if steps is None else IterableBatches(source, steps)


def check_class_weight(class_weight: Any) -> dict[int, float]:
    """Weights by class as `{0: 1.0, 1: 2.5}`.

    Raises:
      ValueError: for anything else.
    """
    if not isinstance(class_weight, dict) or not all(isinstance(k, (int, np.integer)) and k >= 0 for k in class_weight):
        raise ValueError(f"class_weight: expected a dictionary from class numbers to weights, got {class_weight!r}.")
    return {int(k): float(v) for k, v in class_weight.items()}


def with_class_weight(y: Any, sample_weight: Any, class_weight: dict[int, float]) -> Any:
    """Sample weights multiplied by the weight of each label's class; classes that are not named weigh 1.

    Labels are class numbers, to which others are rounded, or one-hot.

    Raises:
      ValueError: if the labels are not those of one output.
    """
    if y is None or nest.is_nested(y):
        raise ValueError(
            f"class_weight: expected labels y for one output, got {describe(y)}. Use sample_weight instead."
        )
    labels = np.asarray(y)
    if labels.ndim > 1:
        labels = labels[..., 0] if labels.shape[-1] == 1 else labels.argmax(-1)
    classes, inverse = np.unique(np.round(labels), return_inverse=True)
    weights = np.array([class_weight.get(int(k), 1.0) for k in classes], dtypes.FLOATX)[inverse].reshape(labels.shape)
    return wrap(weights if sample_weight is None else weights * np.asarray(sample_weight).reshape(weights.shape))
