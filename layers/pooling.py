"""Pooling layers."""

from __future__ import annotations

from typing import Any

from .. import ops
from .arguments import fits_window, one_of, sizes
from .base import Layer
from .convolutional import FORMATS
from .input_spec import InputSpec


class MaxPooling2D(Layer):
    """y[b, i, j, c] = the largest x[b, i·s + m, j·s + n, c] over the window.

    Args:
      pool_size: height and width of the window, > 0; one integer for both.
      strides: steps of the window; None for the window's size.
      padding: "valid" (incomplete windows are left out) or "same" (they are kept).
      data_format: "channels_last" (also if None) or "channels_first".
      **kwargs: name, dtype.

    Shapes:
      x: float[batch, height, width, channels]
      y: float[batch, out_height, out_width, channels]

    Raises:
      ValueError: if x has not 4 axes, or is smaller than the window with padding "valid".

    Example:
      >>> MaxPooling2D(2)(np.zeros((1, 4, 4, 3))).shape
      (1, 2, 2, 3)
    """

    def __init__(
        self,
        pool_size: Any = (2, 2),
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.pool_size = sizes(self, "pool_size", pool_size, 2)
        self.strides = self.pool_size if strides is None else sizes(self, "strides", strides, 2)
        self.padding = one_of(self, "padding", padding, ("valid", "same"))
        self.data_format = one_of(self, "data_format", data_format or "channels_last", FORMATS)
        self.input_spec = InputSpec(ndim=4)

    def call(self, inputs: Any) -> Any:
        if self.padding == "valid":
            fits_window(self, inputs, self.pool_size, (1, 1))
        return ops.max_pool(inputs, self.pool_size, self.strides, self.padding, self.data_format)
