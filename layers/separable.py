"""Depthwise and separable convolutions: windows that see one channel each, and a mix of channels at each place."""

from __future__ import annotations

from typing import Any

from .. import ops
from .arguments import positive, weight_options
from .convolutional import BaseConvolution


class BaseDepthwise(BaseConvolution):
    """What convolutions of each channel by itself share."""

    def __init__(self, depth_multiplier: int, *arguments: Any, depthwise_options: tuple[Any, Any, Any], **kwargs: Any):
        super().__init__(*arguments, **kwargs)
        self.depth_multiplier = positive(self, "depth_multiplier", depth_multiplier)
        self.depthwise_options = weight_options(self, "depthwise", *depthwise_options)

    def build(self, input_shape: Any) -> None:
        channels = input_shape[self.channel_axis]
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self.kernel = self._weight("kernel", shape, *self.depthwise_options)
        self.make_bias(channels, channels * self.depth_multiplier)

    def call(self, inputs: Any) -> Any:
        self.check_image(inputs)
        y = ops.depthwise_conv(inputs, self.kernel, self.strides, self.padding, self.data_format, self.dilation_rate)
        return self.finish(y)


class BaseSeparable(BaseConvolution):
    """What convolutions of each channel by itself and then of the channels at each place share."""

    def __init__(
        self,
        filters: int,
        depth_multiplier: int,
        *arguments: Any,
        depthwise_options: tuple[Any, Any, Any],
        pointwise_options: tuple[Any, Any, Any],
        **kwargs: Any,
    ):
        super().__init__(*arguments, **kwargs)
        self.filters = positive(self, "filters", filters)
        self.depth_multiplier = positive(self, "depth_multiplier", depth_multiplier)
        self.depthwise_options = weight_options(self, "depthwise", *depthwise_options)
        self.pointwise_options = weight_options(self, "pointwise", *pointwise_options)

    def build(self, input_shape: Any) -> None:
        channels = input_shape[self.channel_axis]
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self.depthwise_kernel = self._weight("depthwise_kernel", shape, *self.depthwise_options)
        shape = (*(1,) * self.rank, channels * self.depth_multiplier, self.filters)
        self.pointwise_kernel = self._weight("pointwise_kernel", shape, *self.pointwise_options)
        self.make_bias(channels, self.filters)

    def call(self, inputs: Any) -> Any:
        self.check_image(inputs)
        y = ops.separable_conv(
            inputs,
            self.depthwise_kernel,
            self.pointwise_kernel,
            self.strides,
            self.padding,
            self.data_format,
            self.dilation_rate,
        )
        return self.finish(y)


class DepthwiseConv1D(BaseDepthwise):
    """y[b, i, c·q + p] = activation(Σ x[b, i·s + m·d, c] · kernel[m, c, p] + bias[c·q + p]).

    q is the depth multiplier: each channel is convolved with q kernels, by itself.

    Args:
      kernel_size: length of the window, > 0.
      strides: steps of the window, > 0.
      padding: "valid" (none) or "same" (zeros, for an output of ceil(size / stride)).
      depth_multiplier: number of output channels for each of the input, > 0.
      data_format: "channels_last" (also if None) or "channels_first".
      dilation_rate: distance of the window's taps.
      activation: name or function applied to the result; None for none.
      use_bias: whether there is a bias.
      depthwise_initializer: initial kernel; so too `bias_initializer`.
      depthwise_regularizer: a term in `losses`; so too `bias_regularizer`, `activity_regularizer`.
      depthwise_constraint: applied to the kernel after each update; so too `bias_constraint`.
      **kwargs: name, trainable, dtype.

    Shapes:
      x: float[batch, steps, channels]
      kernel: float[*kernel_size, channels, depth_multiplier]; bias: float[channels · depth_multiplier]
      y: float[batch, out_steps, channels · depth_multiplier]

    Raises:
      ValueError: if x has not 3 axes, other channels than at the first call, or is smaller than the window with
        padding "valid".

    Example:
      >>> DepthwiseConv1D(3, depth_multiplier=2)(np.zeros((1, 5, 4))).shape
      (1, 3, 8)

    Reference: Chollet 2017.
    """

    rank = 1

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ):
        super().__init__(
            depth_multiplier,
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            (bias_initializer, bias_regularizer, bias_constraint),
            depthwise_options=(depthwise_initializer, depthwise_regularizer, depthwise_constraint),
            activity_regularizer=activity_regularizer,
            **kwargs,
        )


class DepthwiseConv2D(BaseDepthwise):
    """y[b, i, j, c·q + p] = activation(Σ x[b, i·s + m·d, j·s + n·d, c] · kernel[m, n, c, p] + bias[c·q + p]).

    q is the depth multiplier: each channel is convolved with q kernels, by itself.

    Args:
      kernel_size: height and width of the window, > 0; one integer for both.
      strides: steps of the window, > 0.
      padding: "valid" (none) or "same" (zeros, for an output of ceil(size / stride)).
      depth_multiplier: number of output channels for each of the input, > 0.
      data_format: "channels_last" (also if None) or "channels_first".
      dilation_rate: distance of the window's taps.
      activation: name or function applied to the result; None for none.
      use_bias: whether there is a bias.
      depthwise_initializer: initial kernel; so too `bias_initializer`.
      depthwise_regularizer: a term in `losses`; so too `bias_regularizer`, `activity_regularizer`.
      depthwise_constraint: applied to the kernel after each update; so too `bias_constraint`.
      **kwargs: name, trainable, dtype.

    Shapes:
      x: float[batch, height, width, channels]
      kernel: float[*kernel_size, channels, depth_multiplier]; bias: float[channels · depth_multiplier]
      y: float[batch, out_height, out_width, channels · depth_multiplier]

    Raises:
      ValueError: if x has not 4 axes, other channels than at the first call, or is smaller than the window with
        padding "valid".

    Example:
      >>> DepthwiseConv2D(3, depth_multiplier=2)(np.zeros((1, 5, 5, 4))).shape
      (1, 3, 3, 8)

    Reference: Chollet 2017.
    """

    rank = 2

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ):
        super().__init__(
            depth_multiplier,
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            (bias_initializer, bias_regularizer, bias_constraint),
            depthwise_options=(depthwise_initializer, depthwise_regularizer, depthwise_constraint),
            activity_regularizer=activity_regularizer,
            **kwargs,
        )


class SeparableConv1D(BaseSeparable):
    """A convolution of each channel by itself, as DepthwiseConv1D's, then one of width 1 over all channels.

    Args:
      filters: number of output channels, > 0.
      kernel_size: length of the window, > 0.
      strides: steps of the window, > 0.
      padding: "valid" (none) or "same" (zeros, for an output of ceil(size / stride)).
      data_format: "channels_last" (also if None) or "channels_first".
      dilation_rate: distance of the window's taps.
      depth_multiplier: number of channels between the two for each of the input, > 0.
      activation: name or function applied to the result; None for none.
      use_bias: whether there is a bias.
      depthwise_initializer: initial kernel of the first; so too `pointwise_initializer`, `bias_initializer`.
      depthwise_regularizer: a term in `losses`; so too `pointwise_regularizer`, `bias_regularizer`,
        `activity_regularizer`.
      depthwise_constraint: applied after each update; so too `pointwise_constraint`, `bias_constraint`.
      **kwargs: name, trainable, dtype.

    Shapes:
      x: float[batch, steps, channels]
      depthwise_kernel: float[*kernel_size, channels, depth_multiplier]
      pointwise_kernel: float[1, channels · depth_multiplier, filters]; bias: float[filters]
      y: float[batch, out_steps, filters]

    Raises:
      ValueError: if x has not 3 axes, other channels than at the first call, or is smaller than the window with
        padding "valid".

    Example:
      >>> SeparableConv1D(8, 3)(np.zeros((1, 5, 4))).shape
      (1, 3, 8)

    Reference: Chollet 2017.
    """

    rank = 1

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ):
        super().__init__(
            filters,
            depth_multiplier,
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            (bias_initializer, bias_regularizer, bias_constraint),
            depthwise_options=(depthwise_initializer, depthwise_regularizer, depthwise_constraint),
            pointwise_options=(pointwise_initializer, pointwise_regularizer, pointwise_constraint),
            activity_regularizer=activity_regularizer,
            **kwargs,
        )


class SeparableConv2D(BaseSeparable):
    """A convolution of each channel by itself, as DepthwiseConv2D's, then one of width 1 over all channels.

    Args:
      filters: number of output channels, > 0.
      kernel_size: height and width of the window, > 0; one integer for both.
      strides: steps of the window, > 0.
      padding: "valid" (none) or "same" (zeros, for an output of ceil(size / stride)).
      data_format: "channels_last" (also if None) or "channels_first".
      dilation_rate: distance of the window's taps.
      depth_multiplier: number of channels between the two for each of the input, > 0.
      activation: name or function applied to the result; None for none.
      use_bias: whether there is a bias.
      depthwise_initializer: initial kernel of the first; so too `pointwise_initializer`, `bias_initializer`.
      depthwise_regularizer: a term in `losses`; so too `pointwise_regularizer`, `bias_regularizer`,
        `activity_regularizer`.
      depthwise_constraint: applied after each update; so too `pointwise_constraint`, `bias_constraint`.
      **kwargs: name, trainable, dtype.

    Shapes:
      x: float[batch, height, width, channels]
      depthwise_kernel: float[*kernel_size, channels, depth_multiplier]
      pointwise_kernel: float[1, 1, channels · depth_multiplier, filters]; bias: float[filters]
      y: float[batch, out_height, out_width, filters]

    Raises:
      ValueError: if x has not 4 axes, other channels than at the first call, or is smaller than the window with
        padding "valid".

    Example:
      >>> SeparableConv2D(8, 3)(np.zeros((1, 5, 5, 4))).shape
      (1, 3, 3, 8)

    Reference: Chollet 2017.
    """

    rank = 2

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ):
        super().__init__(
            filters,
            depth_multiplier,
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            (bias_initializer, bias_regularizer, bias_constraint),
            depthwise_options=(depthwise_initializer, depthwise_regularizer, depthwise_constraint),
            pointwise_options=(pointwise_initializer, pointwise_regularizer, pointwise_constraint),
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
