"""Pooling by windows of a size; one abstract base for every number of axes of space."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from .. import ops
from .arguments import fits_window, one_of, sizes
from .base import Layer
from .convolutional import FORMATS
from .input_spec import InputSpec


class BasePooling(Layer):
    """What pooling layers share: a window that steps over space, and the operation that makes one number of it."""

    rank: int
    operation: ClassVar[Callable[..., Any]]

    def __init__(self, pool_size: Any, strides: Any, padding: str, data_format: str | None, **kwargs: Any):
        super().__init__(**kwargs)
        self.pool_size = sizes(self, "pool_size", pool_size, self.rank)
        self.strides = self.pool_size if strides is None else sizes(self, "strides", strides, self.rank)
        self.padding = one_of(self, "padding", padding, ("valid", "same"))
        self.data_format = one_of(self, "data_format", data_format or "channels_last", FORMATS)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs: Any) -> Any:
        if self.padding == "valid":
            fits_window(self, inputs, self.pool_size, (1,) * self.rank)
        return type(self).operation(inputs, self.pool_size, self.strides, self.padding, self.data_format)


class MaxPooling1D(BasePooling):
    """y[b, i, c] = the largest x[b, i·s + m, c] over the window.

    Args:
      pool_size: length of the window, > 0.
      strides: steps of the window; None for the window's size.
      padding: "valid" (incomplete windows are left out) or "same" (they are kept).
      data_format: "channels_last" (also if None) or "channels_first".
      name: shown in messages.
      **kwargs: dtype.

    Shapes:
      x: float[batch, steps, channels]
      y: float[batch, out_steps, channels]

    Raises:
      ValueError: if x has not 3 axes, or is smaller than the window with padding "valid".

    Example:
      >>> MaxPooling1D(2)(np.zeros((1, 4, 3))).shape
      (1, 2, 3)
    """

    rank = 1
    operation = staticmethod(ops.max_pool)

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(pool_size, strides, padding, data_format, name=name, **kwargs)


class MaxPooling2D(BasePooling):
    """y[b, i, j, c] = the largest x[b, i·s + m, j·s + n, c] over the window.

    Args:
      pool_size: height and width of the window, > 0; one integer for both.
      strides: steps of the window; None for the window's size.
      padding: "valid" (incomplete windows are left out) or "same" (they are kept).
      data_format: "channels_last" (also if None) or "channels_first".
      name: shown in messages.
      **kwargs: dtype.

    Shapes:
      x: float[batch, height, width, channels]
      y: float[batch, out_height, out_width, channels]

    Raises:
      ValueError: if x has not 4 axes, or is smaller than the window with padding "valid".

    Example:
      >>> MaxPooling2D(2)(np.zeros((1, 4, 4, 3))).shape
      (1, 2, 2, 3)
    """

    rank = 2
    operation = staticmethod(ops.max_pool)

    def __init__(
        self,
        pool_size: Any = (2, 2),
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(pool_size, strides, padding, data_format, name=name, **kwargs)


class MaxPooling3D(BasePooling):
    """y[b, i, j, k, c] = the largest x[b, i·s + m, j·s + n, k·s + o, c] over the window.

    Args:
      pool_size: depth, height and width of the window, > 0; one integer for all.
      strides: steps of the window; None for the window's size.
      padding: "valid" (incomplete windows are left out) or "same" (they are kept).
      data_format: "channels_last" (also if None) or "channels_first".
      name: shown in messages.
      **kwargs: dtype.

    Shapes:
      x: float[batch, depth, height, width, channels]
      y: float[batch, out_depth, out_height, out_width, channels]

    Raises:
      ValueError: if x has not 5 axes, or is smaller than the window with padding "valid".

    Example:
      >>> MaxPooling3D(2)(np.zeros((1, 4, 4, 4, 3))).shape
      (1, 2, 2, 2, 3)
    """

    rank = 3
    operation = staticmethod(ops.max_pool)

    def __init__(
        self,
        pool_size: Any = (2, 2, 2),
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(pool_size, strides, padding, data_format, name=name, **kwargs)


class AveragePooling1D(BasePooling):
    """y[b, i, c] = the mean of x[b, i·s + m, c] over the window.

    Args:
      pool_size: length of the window, > 0.
      strides: steps of the window; None for the window's size.
      padding: "valid" (incomplete windows are left out) or "same" (they are kept, over what lies inside).
      data_format: "channels_last" (also if None) or "channels_first".
      name: shown in messages.
      **kwargs: dtype.

    Shapes:
      x: float[batch, steps, channels]
      y: float[batch, out_steps, channels]

    Raises:
      ValueError: if x has not 3 axes, or is smaller than the window with padding "valid".

    Example:
      >>> AveragePooling1D(2)(np.zeros((1, 4, 3))).shape
      (1, 2, 3)
    """

    rank = 1
    operation = staticmethod(ops.average_pool)

    def __init__(
        self,
        pool_size: Any,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(pool_size, strides, padding, data_format, name=name, **kwargs)


class AveragePooling2D(BasePooling):
    """y[b, i, j, c] = the mean of x[b, i·s + m, j·s + n, c] over the window.

    Args:
      pool_size: height and width of the window, > 0; one integer for both.
      strides: steps of the window; None for the window's size.
      padding: "valid" (incomplete windows are left out) or "same" (they are kept, over what lies inside).
      data_format: "channels_last" (also if None) or "channels_first".
      name: shown in messages.
      **kwargs: dtype.

    Shapes:
      x: float[batch, height, width, channels]
      y: float[batch, out_height, out_width, channels]

    Raises:
      ValueError: if x has not 4 axes, or is smaller than the window with padding "valid".

    Example:
      >>> AveragePooling2D(2)(np.zeros((1, 4, 4, 3))).shape
      (1, 2, 2, 3)
    """

    rank = 2
    operation = staticmethod(ops.average_pool)

    def __init__(
        self,
        pool_size: Any,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(pool_size, strides, padding, data_format, name=name, **kwargs)


class AveragePooling3D(BasePooling):
    """y[b, i, j, k, c] = the mean of x[b, i·s + m, j·s + n, k·s + o, c] over the window.

    Args:
      pool_size: depth, height and width of the window, > 0; one integer for all.
      strides: steps of the window; None for the window's size.
      padding: "valid" (incomplete windows are left out) or "same" (they are kept, over what lies inside).
      data_format: "channels_last" (also if None) or "channels_first".
      name: shown in messages.
      **kwargs: dtype.

    Shapes:
      x: float[batch, depth, height, width, channels]
      y: float[batch, out_depth, out_height, out_width, channels]

    Raises:
      ValueError: if x has not 5 axes, or is smaller than the window with padding "valid".

    Example:
      >>> AveragePooling3D(2)(np.zeros((1, 4, 4, 4, 3))).shape
      (1, 2, 2, 2, 3)
    """

    rank = 3
    operation = staticmethod(ops.average_pool)

    def __init__(
        self,
        pool_size: Any,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(pool_size, strides, padding, data_format, name=name, **kwargs)
