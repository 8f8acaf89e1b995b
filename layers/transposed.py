"""Transposed convolutions, which enlarge: the gradients of convolutions with respect to their input, used forwards."""

from __future__ import annotations

from typing import Any

from .. import ops
from .arguments import positive, weight_options
from .convolutional import BaseConvolution


class BaseTransposed(BaseConvolution):
    """What transposed convolutions share."""

    def __init__(
        self, filters: int, output_padding: Any, *arguments: Any, kernel_options: tuple[Any, Any, Any], **kwargs: Any
    ):
        super().__init__(*arguments, **kwargs)
        self.refuse_dilated_steps()
        self.filters = positive(self, "filters", filters)
        self.output_padding = self._extra(output_padding)
        self.kernel_options = weight_options(self, "kernel", *kernel_options)

    def _extra(self, output_padding: Any) -> tuple[int, ...] | None:
        if output_padding is None:
            return None
        extra = (output_padding,) * self.rank if isinstance(output_padding, int) else tuple(output_padding)
        if len(extra) != self.rank or not all(0 <= e < s for e, s in zip(extra, self.strides, strict=True)):
            raise ValueError(
                f"{self._title()}: output_padding must be integers >= 0 below the strides {self.strides}, "
                f"got {output_padding!r}."
            )
        return extra

    def build(self, input_shape: Any) -> None:
        channels = input_shape[self.channel_axis]
        self.kernel = self._weight("kernel", (*self.kernel_size, self.filters, channels), *self.kernel_options)
        self.make_bias(channels, self.filters)

    def call(self, inputs: Any) -> Any:
        y = ops.conv_transpose(
            inputs, self.kernel, self.strides, self.padding, self.output_padding, self.data_format, self.dilation_rate
        )
        return self.finish(y)


class Conv1DTranspose(BaseTransposed):
    """The gradient of a convolution with respect to its input, used forwards: it enlarges a sequence.

    Args:
      filters: number of output channels, > 0.
      kernel_size: length of the window, > 0.
      strides: the factor by which the sequence grows, > 0.
      padding: "valid" or "same" (an output of size · stride).
      output_padding: extra steps at the end, smaller than the stride; None for the usual size.
      data_format: "channels_last" (also if None) or "channels_first".
      dilation_rate: distance of the window's taps; not together with strides > 1.
      activation: name or function applied to the result; None for none.
      use_bias: whether there is a bias.
      kernel_initializer: initial kernel; so too `bias_initializer`.
      kernel_regularizer: a term in `losses`; so too `bias_regularizer`, `activity_regularizer`.
      kernel_constraint: applied after each update; so too `bias_constraint`.
      **kwargs: name, trainable, dtype.

    Shapes:
      x: float[batch, steps, channels]
      kernel: float[*kernel_size, filters, channels]; bias: float[filters]
      y: float[batch, out_steps, filters]

    Raises:
      ValueError: if x has not 3 axes, or other channels than at the first call.

    Example:
      >>> Conv1DTranspose(3, 4, strides=2, padding="same")(np.zeros((2, 4, 8))).shape
      (2, 8, 3)

    Reference: Zeiler et al. 2010; Dumoulin & Visin 2016.
    """

    rank = 1

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ):
        super().__init__(
            filters,
            output_padding,
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            (bias_initializer, bias_regularizer, bias_constraint),
            kernel_options=(kernel_initializer, kernel_regularizer, kernel_constraint),
            activity_regularizer=activity_regularizer,
            **kwargs,
        )


class Conv2DTranspose(BaseTransposed):
    """The gradient of a convolution with respect to its input, used forwards: it enlarges an image.

    Args:
      filters: number of output channels, > 0.
      kernel_size: height and width of the window, > 0; one integer for both.
      strides: the factor by which the image grows, > 0.
      padding: "valid" or "same" (an output of size · stride).
      output_padding: extra rows and columns at the end, smaller than the stride; None for the usual size.
      data_format: "channels_last" (also if None) or "channels_first".
      dilation_rate: distance of the window's taps; not together with strides > 1.
      activation: name or function applied to the result; None for none.
      use_bias: whether there is a bias.
      kernel_initializer: initial kernel; so too `bias_initializer`.
      kernel_regularizer: a term in `losses`; so too `bias_regularizer`, `activity_regularizer`.
      kernel_constraint: applied after each update; so too `bias_constraint`.
      **kwargs: name, trainable, dtype.

    Shapes:
      x: float[batch, height, width, channels]
      kernel: float[*kernel_size, filters, channels]; bias: float[filters]
      y: float[batch, out_height, out_width, filters]

    Raises:
      ValueError: if x has not 4 axes, or other channels than at the first call.

    Example:
      >>> Conv2DTranspose(3, 4, strides=2, padding="same")(np.zeros((2, 4, 4, 8))).shape
      (2, 8, 8, 3)

    Reference: Zeiler et al. 2010; Dumoulin & Visin 2016.
    """

    rank = 2

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ):
        super().__init__(
            filters,
            output_padding,
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            (bias_initializer, bias_regularizer, bias_constraint),
            kernel_options=(kernel_initializer, kernel_regularizer, kernel_constraint),
            activity_regularizer=activity_regularizer,
            **kwargs,
        )


class Conv3DTranspose(BaseTransposed):
    """The gradient of a convolution with respect to its input, used forwards: it enlarges a volume.

    Args:
      filters: number of output channels, > 0.
      kernel_size: depth, height and width of the window, > 0; one integer for all.
      strides: the factor by which the volume grows, > 0.
      padding: "valid" or "same" (an output of size · stride).
      data_format: "channels_last" (also if None) or "channels_first".
      output_padding: extra planes, rows and columns at the end, smaller than the stride; None for the usual size.
      dilation_rate: distance of the window's taps; not together with strides > 1.
      activation: name or function applied to the result; None for none.
      use_bias: whether there is a bias.
      kernel_initializer: initial kernel; so too `bias_initializer`.
      kernel_regularizer: a term in `losses`; so too `bias_regularizer`, `activity_regularizer`.
      kernel_constraint: applied after each update; so too `bias_constraint`.
      **kwargs: name, trainable, dtype.

    Shapes:
      x: float[batch, depth, height, width, channels]
      kernel: float[*kernel_size, filters, channels]; bias: float[filters]
      y: float[batch, out_depth, out_height, out_width, filters]

    Raises:
      ValueError: if x has not 5 axes, or other channels than at the first call.

    Example:
      >>> Conv3DTranspose(3, 4, strides=2, padding="same")(np.zeros((2, 2, 2, 2, 8))).shape
      (2, 4, 4, 4, 3)

    Reference: Zeiler et al. 2010; Dumoulin & Visin 2016.
    """

    rank = 3

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        output_padding: Any = None,
        dilation_rate: Any = (1, 1, 1),
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ):
        super().__init__(
            filters,
            output_padding,
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            (bias_initializer, bias_regularizer, bias_constraint),
            kernel_options=(kernel_initializer, kernel_regularizer, kernel_constraint),
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
