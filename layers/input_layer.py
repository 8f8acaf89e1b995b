"""Input: the symbol that a functional model begins with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import dtypes
from ..dimensions import BATCH, Size, unknown
from ..tensor import AbstractTensor


def Input(  # noqa: N802 - Keras's name
    shape: Sequence[int | None] | None = None,
    batch_size: int | None = None,
    dtype: Any = None,
    name: str | None = None,
    batch_shape: Sequence[int | None] | None = None,
) -> Any:
    """An abstract tensor for data that comes later, to call layers and operations on.

    Args:
      shape: the sizes after the batch's, None where unknown.
      batch_size: the batch's size, None if unknown; all inputs of a model share an unknown one.
      dtype: float32 if None.
      name: the key of this input when a model is called on a dictionary.
      batch_shape: all sizes, instead of `shape` and `batch_size`.

    Raises:
      ValueError: if both or none of shape and batch_shape are given, or a size is no integer >= 0.

    Example:
      >>> Input((28, 28), name="image")
      <AbstractTensor 'image' shape=(None, 28, 28), dtype=float32>
    """
    if (shape is None) == (batch_shape is None):
        raise ValueError(f"Input: expected either shape or batch_shape, got {shape!r} and {batch_shape!r}.")
    if shape is not None:
        batch_shape = (batch_size, *((shape,) if isinstance(shape, int) else shape))
    sizes: list[Size] = []
    for axis, size in enumerate(batch_shape or ()):
        if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 0):
            raise ValueError(f"Input: expected integers >= 0 or None as sizes, got {batch_shape!r}.")
        sizes.append(size if size is not None else unknown() if axis else BATCH)
    return AbstractTensor(tuple(sizes), dtypes.dtype(dtype), name)
