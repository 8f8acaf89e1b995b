"""Convolutions and transposed convolutions; one abstract base for every number of axes of space."""

from __future__ import annotations

from typing import Any

from .. import ops
from .arguments import activation as known_activation
from .arguments import fits_window, one_of, positive, sizes, weight_options
from .base import Layer
from .input_spec import InputSpec

FORMATS = ("channels_last", "channels_first")


class BaseConvolution(Layer):
    """What convolutions share: their arguments, weights, bias and activation."""

    rank: int

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any,
        padding: str,
        data_format: str | None,
        dilation_rate: Any,
        activation: Any,
        use_bias: bool,
        kernel_options: tuple[Any, Any, Any],
        bias_options: tuple[Any, Any, Any],
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.filters = positive(self, "filters", filters)
        self.kernel_size = sizes(self, "kernel_size", kernel_size, self.rank)
        self.strides = sizes(self, "strides", strides, self.rank)
        self.dilation_rate = sizes(self, "dilation_rate", dilation_rate, self.rank)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"{self._title()}: expected strides or dilation_rate to be 1, "
                f"got {self.strides} and {self.dilation_rate}."
            )
        self.padding = one_of(self, "padding", padding, ("valid", "same"))
        self.data_format = one_of(self, "data_format", data_format or "channels_last", FORMATS)
        self.activation = known_activation(self, activation)
        self.use_bias = use_bias
        self.kernel_options = weight_options(self, "kernel", *kernel_options)
        self.bias_options = weight_options(self, "bias", *bias_options)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def channel_axis(self) -> int:
        """The axis of the channels, from the end if they are last."""
        return -1 if self.data_format == "channels_last" else 1

    def make_weights(self, channels: int, kernel_shape: tuple[Any, ...]) -> None:
        """The kernel and the bias, and the input the layer takes from now on."""
        self.kernel = self._weight("kernel", kernel_shape, *self.kernel_options)
        self.bias = self._weight("bias", (self.filters,), *self.bias_options) if self.use_bias else None
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={self.channel_axis: channels})

    def finish(self, y: Any) -> Any:
        """The bias added and the activation applied."""
        if self.bias is not None:
            along = (-1, *(1,) * self.rank) if self.channel_axis == 1 else (-1,)
            y = y + (ops.reshape(self.bias, along) if len(along) > 1 else self.bias)
        return self.activation(y)


class Conv2D(BaseConvolution):
    """y[b, i, j, f] = activation(Σ x[b, i·s + m·d, j·s + n·d, c] · kernel[m, n, c, f] + bias[f]).

    Args:
      filters: number of output channels, > 0, a multiple of `groups`.
      kernel_size: height and width of the window, > 0; one integer for both.
      strides: steps of the window, > 0.
      padding: "valid" (none) or "same" (zeros, for an output of ceil(size / stride)).
      data_format: "channels_last" (also if None) or "channels_first".
      dilation_rate: distance of the window's taps; not together with strides > 1.
      groups: number of groups the channels are split in, each with filters of its own.
      activation: name or function applied to the result; None for none.
      use_bias: whether there is a bias.
      kernel_initializer: initial kernel; so too `bias_initializer`.
      kernel_regularizer: a term in `losses`; so too `bias_regularizer`, `activity_regularizer`.
      kernel_constraint: applied after each update; so too `bias_constraint`.
      **kwargs: name, trainable, dtype.

    Shapes:
      x: float[batch, height, width, channels]
      kernel: float[*kernel_size, channels / groups, filters]; bias: float[filters]
      y: float[batch, out_height, out_width, filters]

    Raises:
      ValueError: if x has not 4 axes, other channels than at the first call, channels no multiple of `groups`, or is
        smaller than the window with padding "valid".

    Example:
      >>> Conv2D(8, 3, padding="same")(np.zeros((2, 5, 5, 1))).shape
      (2, 5, 5, 8)

    Reference: Dumoulin & Visin 2016.
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
        groups: int = 1,
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
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            (kernel_initializer, kernel_regularizer, kernel_constraint),
            (bias_initializer, bias_regularizer, bias_constraint),
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.groups = positive(self, "groups", groups)
        if self.filters % self.groups:
            raise ValueError(f"{self._title()}: filters must be a multiple of groups, got {filters} and {groups}.")

    def build(self, input_shape: Any) -> None:
        channels = input_shape[self.channel_axis]
        if channels is not None and channels % self.groups:
            raise ValueError(
                f"{self._title()}: the input's channels must be a multiple of groups = {self.groups}, got {channels}."
            )
        depth = None if channels is None else channels // self.groups
        self.make_weights(channels, (*self.kernel_size, depth, self.filters))

    def call(self, inputs: Any) -> Any:
        if self.padding == "valid":
            fits_window(self, inputs, self.kernel_size, self.dilation_rate)
        y = ops.conv(inputs, self.kernel, self.strides, self.padding, self.data_format, self.dilation_rate)
        return self.finish(y)


class Conv2DTranspose(BaseConvolution):
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
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            (kernel_initializer, kernel_regularizer, kernel_constraint),
            (bias_initializer, bias_regularizer, bias_constraint),
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.output_padding = self._extra(output_padding)

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
        self.make_weights(channels, (*self.kernel_size, self.filters, channels))

    def call(self, inputs: Any) -> Any:
        y = ops.conv_transpose(
            inputs, self.kernel, self.strides, self.padding, self.output_padding, self.data_format, self.dilation_rate
        )
        return self.finish(y)
