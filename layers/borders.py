"""Borders: ZeroPadding adds them around space, Cropping takes them off; one abstract base for both and any rank."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..errors import describe
from .arguments import borders, one_of
from .base import Layer
from .convolutional import FORMATS
from .input_spec import InputSpec


class BaseBorders(Layer):
    """What layers that change the border of space share: how much of it there is on each side."""

    rank: int

    def __init__(self, name_of_widths: str, widths: Any, data_format: str | None, **kwargs: Any):
        super().__init__(**kwargs)
        self.data_format = one_of(self, "data_format", data_format or "channels_last", FORMATS)
        self.widths = borders(self, name_of_widths, widths, self.rank)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def around(self, value: Any, widths: tuple[Any, ...]) -> tuple[Any, ...]:
        """What holds for each axis of the input: `value` for batch and channels, `widths` for space."""
        return (value, value, *widths) if self.data_format == "channels_first" else (value, *widths, value)


class BaseZeroPadding(BaseBorders):
    """What layers that add zeros share."""

    def call(self, inputs: Any) -> Any:
        return ops.pad(inputs, self.around((0, 0), self.widths))


class BaseCropping(BaseBorders):
    """What layers that cut off share."""

    def call(self, inputs: Any) -> Any:
        known = self.around((0, 0), self.widths)
        if any(
            size is not None and size <= sum(pair) for size, pair in zip(inputs.shape, known, strict=True) if any(pair)
        ):
            raise ValueError(
                f"{self._title()}: expected an image that is larger than what is cut off, {self.widths}, "
                f"got {describe(inputs)}."
            )
        return inputs[
            tuple(
                slice(before, size - after) if before or after else slice(None)
                for size, (before, after) in zip(ops.shape(inputs), known, strict=True)
            )
        ]


class ZeroPadding1D(BaseZeroPadding):
    """y = x with zeros before and after it along its steps.

    Args:
      padding: how much is added: an integer for both ends, or one for each.
      data_format: "channels_last" (also if None) or "channels_first".
      **kwargs: name, dtype.

    Shapes:
      x: [batch, steps, channels]
      y: [batch, out_steps, channels]

    Raises:
      ValueError: if x has not 3 axes.

    Example:
      >>> ZeroPadding1D(1)(np.zeros((2, 3, 1))).shape
      (2, 5, 1)
    """

    rank = 1

    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs: Any):
        super().__init__("padding", padding, data_format, **kwargs)
        (self.padding,) = self.widths


class ZeroPadding2D(BaseZeroPadding):
    """y = x with zeros before and after it along each axis of space.

    Args:
      padding: how much is added: an integer for all sides, two for the axes, or a pair for the
        ends of each axis.
      data_format: "channels_last" (also if None) or "channels_first".
      **kwargs: name, dtype.

    Shapes:
      x: [batch, height, width, channels]
      y: [batch, out_height, out_width, channels]

    Raises:
      ValueError: if x has not 4 axes.

    Example:
      >>> ZeroPadding2D(1)(np.zeros((2, 3, 3, 1))).shape
      (2, 5, 5, 1)
    """

    rank = 2

    def __init__(self, padding: Any = (1, 1), data_format: str | None = None, **kwargs: Any):
        super().__init__("padding", padding, data_format, **kwargs)
        self.padding = self.widths


class ZeroPadding3D(BaseZeroPadding):
    """y = x with zeros before and after it along each axis of space.

    Args:
      padding: how much is added: an integer for all sides, three for the axes, or a pair for the
        ends of each axis.
      data_format: "channels_last" (also if None) or "channels_first".
      **kwargs: name, dtype.

    Shapes:
      x: [batch, depth, height, width, channels]
      y: [batch, out_depth, out_height, out_width, channels]

    Raises:
      ValueError: if x has not 5 axes.

    Example:
      >>> ZeroPadding3D(1)(np.zeros((2, 3, 3, 3, 1))).shape
      (2, 5, 5, 5, 1)
    """

    rank = 3

    def __init__(self, padding: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None, **kwargs: Any):
        super().__init__("padding", padding, data_format, **kwargs)
        self.padding = self.widths


class Cropping1D(BaseCropping):
    """y = x without what lies at its ends along its steps.

    Args:
      cropping: how much is cut off: an integer for both ends, or one for each.
      **kwargs: name, dtype.

    Shapes:
      x: [batch, steps, channels]
      y: [batch, out_steps, channels]

    Raises:
      ValueError: if x has not 3 axes, or nothing would be left.

    Example:
      >>> Cropping1D(1)(np.zeros((2, 5, 1))).shape
      (2, 3, 1)
    """

    rank = 1

    def __init__(self, cropping: Any = (1, 1), **kwargs: Any):
        super().__init__("cropping", cropping, None, **kwargs)
        (self.cropping,) = self.widths


class Cropping2D(BaseCropping):
    """y = x without what lies at its ends along each axis of space.

    Args:
      cropping: how much is cut off: an integer for all sides, two for the axes, or a pair for the
        ends of each axis.
      data_format: "channels_last" (also if None) or "channels_first".
      **kwargs: name, dtype.

    Shapes:
      x: [batch, height, width, channels]
      y: [batch, out_height, out_width, channels]

    Raises:
      ValueError: if x has not 4 axes, or nothing would be left.

    Example:
      >>> Cropping2D(1)(np.zeros((2, 5, 5, 1))).shape
      (2, 3, 3, 1)
    """

    rank = 2

    def __init__(self, cropping: Any = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any):
        super().__init__("cropping", cropping, data_format, **kwargs)
        self.cropping = self.widths


class Cropping3D(BaseCropping):
    """y = x without what lies at its ends along each axis of space.

    Args:
      cropping: how much is cut off: an integer for all sides, three for the axes, or a pair for the
        ends of each axis.
      data_format: "channels_last" (also if None) or "channels_first".
      **kwargs: name, dtype.

    Shapes:
      x: [batch, depth, height, width, channels]
      y: [batch, out_depth, out_height, out_width, channels]

    Raises:
      ValueError: if x has not 5 axes, or nothing would be left.

    Example:
      >>> Cropping3D(1)(np.zeros((2, 5, 5, 5, 1))).shape
      (2, 3, 3, 3, 1)
    """

    rank = 3

    def __init__(self, cropping: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None, **kwargs: Any):
        super().__init__("cropping", cropping, data_format, **kwargs)
        self.cropping = self.widths
