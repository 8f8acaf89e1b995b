"""Upsampling: each element of space becomes several, equal or interpolated."""

from __future__ import annotations

from typing import Any

from .. import ops
from .arguments import one_of, positive, sizes
from .base import Layer
from .convolutional import FORMATS
from .input_spec import InputSpec

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")


def _repeated(x: Any, times: tuple[int, ...], data_format: str) -> Any:
    """Each element of space so often along each axis."""
    for axis, count in enumerate(times, 2 if data_format == "channels_first" else 1):
        x = ops.repeat(x, count, axis)
    return x


class UpSampling1D(Layer):
    """y[b, i, c] = x[b, i // size, c]: each step repeated.

    Args:
      size: how often, > 0.
      **kwargs: name, dtype.

    Shapes:
      x: [batch, steps, channels]
      y: [batch, steps · size, channels]

    Raises:
      ValueError: if x has not 3 axes.

    Example:
      >>> UpSampling1D(3)(np.zeros((2, 4, 1))).shape
      (2, 12, 1)
    """

    def __init__(self, size: int = 2, **kwargs: Any):
        super().__init__(**kwargs)
        self.size = positive(self, "size", size)
        self.input_spec = InputSpec(ndim=3)

    def call(self, inputs: Any) -> Any:
        return _repeated(inputs, (self.size,), "channels_last")


class UpSampling2D(Layer):
    """y[b, i, j, c] = x[b, i // size₁, j // size₂, c]: each pixel repeated, or an interpolation between pixels.

    Args:
      size: how often along height and width, > 0; one integer for both.
      data_format: "channels_last" (also if None) or "channels_first".
      interpolation: "nearest" (each pixel repeated), "bilinear", "bicubic", "lanczos3" or "lanczos5".
      **kwargs: name, dtype.

    Shapes:
      x: [batch, height, width, channels]
      y: [batch, height · size₁, width · size₂, channels]

    Raises:
      ValueError: if x has not 4 axes, or for an unknown interpolation.

    Example:
      >>> UpSampling2D((2, 3))(np.zeros((1, 4, 4, 1))).shape
      (1, 8, 12, 1)
    """

    def __init__(
        self, size: Any = (2, 2), data_format: str | None = None, interpolation: str = "nearest", **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.size = sizes(self, "size", size, 2)
        self.data_format = one_of(self, "data_format", data_format or "channels_last", FORMATS)
        self.interpolation = one_of(self, "interpolation", interpolation, INTERPOLATIONS)
        self.input_spec = InputSpec(ndim=4)

    def call(self, inputs: Any) -> Any:
        if self.interpolation == "nearest":
            return _repeated(inputs, self.size, self.data_format)
        shape = ops.shape(inputs)
        space = shape[2:] if self.data_format == "channels_first" else shape[1:3]
        target = tuple(old * times for old, times in zip(space, self.size, strict=True))
        return ops.image.resize(inputs, target, self.interpolation, data_format=self.data_format)

    def compute_output_spec(self, inputs: Any, **kwargs: Any) -> Any:
        """That of repeated pixels, whatever lies between them: an unknown size has no interpolation yet."""
        return _repeated(inputs, self.size, self.data_format)


class UpSampling3D(Layer):
    """y[b, i, j, k, c] = x[b, i // size₁, j // size₂, k // size₃, c]: each element of space repeated.

    Args:
      size: how often along depth, height and width, > 0; one integer for all.
      data_format: "channels_last" (also if None) or "channels_first".
      **kwargs: name, dtype.

    Shapes:
      x: [batch, depth, height, width, channels]
      y: [batch, depth · size₁, height · size₂, width · size₃, channels]

    Raises:
      ValueError: if x has not 5 axes.

    Example:
      >>> UpSampling3D(2)(np.zeros((1, 2, 3, 4, 1))).shape
      (1, 4, 6, 8, 1)
    """

    def __init__(self, size: Any = (2, 2, 2), data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.size = sizes(self, "size", size, 3)
        self.data_format = one_of(self, "data_format", data_format or "channels_last", FORMATS)
        self.input_spec = InputSpec(ndim=5)

    def call(self, inputs: Any) -> Any:
        return _repeated(inputs, self.size, self.data_format)
