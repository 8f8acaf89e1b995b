"""Global pooling: all of space becomes one place; one abstract base for every number of its axes."""

from __future__ import annotations

from typing import Any

from .. import dtypes, ops
from .arguments import one_of
from .base import Layer
from .convolutional import FORMATS
from .input_spec import InputSpec


class BaseGlobalPooling(Layer):
    """What global pooling layers share: the axes of space, and whether they stay with size 1."""

    rank: int

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.data_format = one_of(self, "data_format", data_format or "channels_last", FORMATS)
        self.keepdims = keepdims
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def space(self) -> tuple[int, ...]:
        """The axes of space."""
        first = 2 if self.data_format == "channels_first" else 1
        return tuple(range(first, first + self.rank))


class GlobalMaxPooling1D(BaseGlobalPooling):
    """y[b, c] = the largest x[b, …, c] over all of space.

    Args:
      data_format: "channels_last" (also if None) or "channels_first".
      keepdims: whether the axes of space stay, with size 1.
      **kwargs: name, dtype.

    Shapes:
      x: float[batch, steps, channels]
      y: float[batch, channels], with keepdims float[batch, 1, channels]

    Raises:
      ValueError: if x has not 3 axes.

    Example:
      >>> GlobalMaxPooling1D()(np.zeros((2, 4, 3))).shape
      (2, 3)
    """

    rank = 1

    def call(self, inputs: Any) -> Any:
        return ops.max(inputs, self.space, self.keepdims)


class GlobalMaxPooling2D(BaseGlobalPooling):
    """y[b, c] = the largest x[b, …, c] over all of space.

    Args:
      data_format: "channels_last" (also if None) or "channels_first".
      keepdims: whether the axes of space stay, with size 1.
      **kwargs: name, dtype.

    Shapes:
      x: float[batch, height, width, channels]
      y: float[batch, channels], with keepdims float[batch, 1, 1, channels]

    Raises:
      ValueError: if x has not 4 axes.

    Example:
      >>> GlobalMaxPooling2D()(np.zeros((2, 4, 4, 3))).shape
      (2, 3)
    """

    rank = 2

    def call(self, inputs: Any) -> Any:
        return ops.max(inputs, self.space, self.keepdims)


class GlobalMaxPooling3D(BaseGlobalPooling):
    """y[b, c] = the largest x[b, …, c] over all of space.

    Args:
      data_format: "channels_last" (also if None) or "channels_first".
      keepdims: whether the axes of space stay, with size 1.
      **kwargs: name, dtype.

    Shapes:
      x: float[batch, depth, height, width, channels]
      y: float[batch, channels], with keepdims float[batch, 1, 1, 1, channels]

    Raises:
      ValueError: if x has not 5 axes.

    Example:
      >>> GlobalMaxPooling3D()(np.zeros((2, 4, 4, 4, 3))).shape
      (2, 3)
    """

    rank = 3

    def call(self, inputs: Any) -> Any:
        return ops.max(inputs, self.space, self.keepdims)


class GlobalAveragePooling1D(BaseGlobalPooling):
    """y[b, c] = the mean of x[b, :, c] over the steps that are not masked.

    Args:
      data_format: "channels_last" (also if None) or "channels_first".
      keepdims: whether the axes of space stay, with size 1.
      **kwargs: name, dtype.

    Shapes:
      x: float[batch, steps, channels]; mask: bool[batch, steps]
      y: float[batch, channels], with keepdims float[batch, 1, channels]; without a mask

    Raises:
      ValueError: if x has not 3 axes.

    Example:
      >>> GlobalAveragePooling1D()(np.zeros((2, 4, 3))).shape
      (2, 3)
    """

    rank = 1

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any):
        super().__init__(data_format, keepdims, **kwargs)
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        if mask is None:
            return ops.mean(inputs, self.space, self.keepdims)
        kept = ops.expand_dims(ops.cast(mask, "bool"), 1 if self.data_format == "channels_first" else 2)
        x = ops.cast(inputs, "float32") if inputs.dtype.itemsize <= 2 else inputs  # sums overflow in 16 bits
        total = ops.sum(ops.where(kept, x, 0), self.space, self.keepdims)
        y = total / ops.sum(ops.cast(kept, x.dtype), self.space, self.keepdims)
        return ops.cast(y, inputs.dtype) if x is not inputs and dtypes.is_float(inputs.dtype) else y

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return None


class GlobalAveragePooling2D(BaseGlobalPooling):
    """y[b, c] = the mean of x[b, …, c] over all of space.

    Args:
      data_format: "channels_last" (also if None) or "channels_first".
      keepdims: whether the axes of space stay, with size 1.
      **kwargs: name, dtype.

    Shapes:
      x: float[batch, height, width, channels]
      y: float[batch, channels], with keepdims float[batch, 1, 1, channels]

    Raises:
      ValueError: if x has not 4 axes.

    Example:
      >>> GlobalAveragePooling2D()(np.zeros((2, 4, 4, 3))).shape
      (2, 3)
    """

    rank = 2

    def call(self, inputs: Any) -> Any:
        return ops.mean(inputs, self.space, self.keepdims)


class GlobalAveragePooling3D(BaseGlobalPooling):
    """y[b, c] = the mean of x[b, …, c] over all of space.

    Args:
      data_format: "channels_last" (also if None) or "channels_first".
      keepdims: whether the axes of space stay, with size 1.
      **kwargs: name, dtype.

    Shapes:
      x: float[batch, depth, height, width, channels]
      y: float[batch, channels], with keepdims float[batch, 1, 1, 1, channels]

    Raises:
      ValueError: if x has not 5 axes.

    Example:
      >>> GlobalAveragePooling3D()(np.zeros((2, 4, 4, 4, 3))).shape
      (2, 3)
    """

    rank = 3

    def call(self, inputs: Any) -> Any:
        return ops.mean(inputs, self.space, self.keepdims)
