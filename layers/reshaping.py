"""Layers that rearrange: Flatten, Reshape, Permute, RepeatVector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import dimensions, ops
from ..errors import describe
from .arguments import one_of, positive
from .base import Layer
from .convolutional import FORMATS
from .input_spec import InputSpec


class Flatten(Layer):
    """All axes but the first joined into one.

    Args:
      data_format: "channels_last" (also if None), or "channels_first" to move the channels last before.
      **kwargs: name, dtype.

    Shapes:
      x: [batch, ...]
      y: [batch, features]

    Example:
      >>> Flatten()(np.zeros((2, 3, 4))).shape
      (2, 12)
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.data_format = one_of(self, "data_format", data_format or "channels_last", FORMATS)
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Any) -> Any:
        if self.data_format == "channels_first" and inputs.ndim > 1:
            inputs = ops.transpose(inputs, (0, *range(2, inputs.ndim), 1))
        batch, *sizes = ops.shape(inputs)
        return ops.reshape(inputs, (batch, dimensions.product(sizes)))


class Reshape(Layer):
    """All axes but the first in another shape.

    Args:
      target_shape: the sizes after the batch's; one may be -1.
      **kwargs: name, dtype.

    Shapes:
      x: [batch, ...]
      y: [batch, *target_shape]

    Raises:
      ValueError: if the numbers of elements differ.

    Example:
      >>> Reshape((2, -1))(np.zeros((5, 6))).shape
      (5, 2, 3)
    """

    def __init__(self, target_shape: Sequence[int], **kwargs: Any):
        super().__init__(**kwargs)
        target = (target_shape,) if isinstance(target_shape, int) else tuple(target_shape)
        if not all(isinstance(size, int) and (size > 0 or size == -1) for size in target) or target.count(-1) > 1:
            raise ValueError(
                f"{self._title()}: target_shape must be integers > 0 with at most one -1, got {target_shape!r}."
            )
        self.target_shape = target

    def call(self, inputs: Any) -> Any:
        batch, *sizes = ops.shape(inputs)
        fixed = dimensions.product(size for size in self.target_shape if size != -1)
        total = dimensions.product(sizes)
        if dimensions.same(total % fixed if -1 in self.target_shape else total - fixed, 0) is False:
            times = " times a whole number" if -1 in self.target_shape else ""
            raise ValueError(
                f"{self._title()}: expected {fixed} elements{times} after the batch for the target shape "
                f"{self.target_shape}, got {describe(inputs)}."
            )
        return ops.reshape(inputs, (batch, *(total // fixed if size == -1 else size for size in self.target_shape)))


class Permute(Layer):
    """The axes behind the batch's in another order.

    Args:
      dims: for each axis of y behind the batch's, which of x it is, counted from 1.
      **kwargs: name, dtype.

    Shapes:
      x: [batch, ...], with as many axes behind the batch's as `dims` has
      y: [batch, ...], where axis i has the size of x's axis dims[i - 1]

    Raises:
      ValueError: if `dims` does not hold each of 1 … n once, or x has another number of axes.

    Example:
      >>> Permute((2, 1))(np.zeros((5, 3, 4))).shape
      (5, 4, 3)
    """

    def __init__(self, dims: Sequence[int], **kwargs: Any):
        super().__init__(**kwargs)
        places = tuple(dims) if isinstance(dims, (list, tuple)) else None
        if places is None or sorted(map(repr, places)) != sorted(map(repr, range(1, len(places) + 1))):
            raise ValueError(f"{self._title()}: dims must hold each of the integers 1 … n once, got {dims!r}.")
        self.dims = places
        self.input_spec = InputSpec(ndim=len(places) + 1)

    def call(self, inputs: Any) -> Any:
        return ops.transpose(inputs, (0, *self.dims))


class RepeatVector(Layer):
    """y[b, i, :] = x[b, :], for i in 0 … n - 1.

    Args:
      n: how often, > 0.
      **kwargs: name, dtype.

    Shapes:
      x: [batch, features]
      y: [batch, n, features]

    Raises:
      ValueError: if x has not 2 axes.

    Example:
      >>> RepeatVector(3)(np.zeros((2, 4))).shape
      (2, 3, 4)
    """

    def __init__(self, n: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.n = positive(self, "n", n)
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs: Any) -> Any:
        return ops.repeat(ops.expand_dims(inputs, 1), self.n, 1)
