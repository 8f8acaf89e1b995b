"""Convolutions; one abstract base for every number of axes of space, and for the kinds of convolution."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..ops.linear import finished
from .arguments import activation as known_activation
from .arguments import fits_window, one_of, positive, sizes, weight_options
from .base import Layer
from .input_spec import InputSpec

FORMATS = ("channels_last", "channels_first")


class BaseConvolution(Layer):
    """What convolutions of any kind share: the window, the bias and the activation."""

    rank: int
    paddings: tuple[str, ...] = ("valid", "same")

    def __init__(
        self,
        kernel_size: Any,
        strides: Any,
        padding: str,
        data_format: str | None,
        dilation_rate: Any,
        activation: Any,
        use_bias: bool,
        bias_options: tuple[Any, Any, Any],
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.kernel_size = sizes(self, "kernel_size", kernel_size, self.rank)
        self.strides = sizes(self, "strides", strides, self.rank)
        self.dilation_rate = sizes(self, "dilation_rate", dilation_rate, self.rank)
        self.padding = one_of(self, "padding", padding, self.paddings)
        self.data_format = one_of(self, "data_format", data_format or "channels_last", FORMATS)
        self.activation = known_activation(self, activation)
        self.use_bias = use_bias
        self.bias_options = weight_options(self, "bias", *bias_options)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def channel_axis(self) -> int:
        """The axis of the channels, from the end if they are last."""
        return -1 if self.data_format == "channels_last" else 1

    def refuse_dilated_steps(self) -> None:
        """Refuses strides and dilation together."""
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"{self._title()}: expected strides or dilation_rate to be 1, "
                f"got {self.strides} and {self.dilation_rate}."
            )

    def make_bias(self, channels: int, filters: int) -> None:
        """The bias, and the input the layer takes from now on."""
        self.bias = self._weight("bias", (filters,), *self.bias_options) if self.use_bias else None
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={self.channel_axis: channels})

    def check_image(self, inputs: Any) -> None:
        """Refuses an image that is smaller than the window, where nothing is padded."""
        if self.padding == "valid":
            fits_window(self, inputs, self.kernel_size, self.dilation_rate)

    def finish(self, y: Any) -> Any:
        """The bias added and the activation applied."""
        if self.bias is None or self.channel_axis != 1:
            return finished(y, self.bias, self.activation)
        return self.activation(y + ops.reshape(self.bias, (-1, *(1,) * self.rank)))


class BaseConv(BaseConvolution):
    """What convolutions over all channels, or groups of them, share."""

    def __init__(self, filters: int, groups: int, *arguments: Any, kernel_options: tuple[Any, Any, Any], **kwargs: Any):
        super().__init__(*arguments, **kwargs)
        self.refuse_dilated_steps()
        self.filters = positive(self, "filters", filters)
        self.groups = positive(self, "groups", groups)
        if self.filters % self.groups:
            raise ValueError(f"{self._title()}: filters must be a multiple of groups, got {filters} and {groups}.")
        self.kernel_options = weight_options(self, "kernel", *kernel_options)

    def build(self, input_shape: Any) -> None:
        channels = input_shape[self.channel_axis]
        if channels is not None and channels % self.groups:
            raise ValueError(
                f"{self._title()}: the input's channels must be a multiple of groups = {self.groups}, got {channels}."
            )
        depth = None if channels is None else channels // self.groups
        self.kernel = self._weight("kernel", (*self.kernel_size, depth, self.filters), *self.kernel_options)
        self.make_bias(channels, self.filters)

    def call(self, inputs: Any) -> Any:
        self.check_image(inputs)
        y = ops.conv(inputs, self.kernel, self.strides, self.padding, self.data_format, self.dilation_rate)
        return self.finish(y)


class Conv1D(BaseConv):
    """y[b, i, f] = activation(Σ x[b, i·s + m·d, c] · kernel[m, c, f] + bias[f]).

    Args:
      filters: number of output channels, > 0, a multiple of `groups`.
      kernel_size: length of the window, > 0.
      strides: steps of the window, > 0.
      padding: "valid" (none), "same" (zeros, for an output of ceil(size / stride)),
        or "causal" (zeros before, so that no output sees a later input).
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
      x: float[batch, steps, channels]
      kernel: float[*kernel_size, channels / groups, filters]; bias: float[filters]
      y: float[batch, out_steps, filters]

    Raises:
      ValueError: if x has not 3 axes, other channels than at the first call, channels no multiple of `groups`, or is
        smaller than the window with padding "valid".

    Example:
      >>> Conv1D(8, 3, padding="same")(np.zeros((2, 10, 1))).shape
      (2, 10, 8)

    Reference: Dumoulin & Visin 2016.
    """

    rank = 1
    paddings = ("valid", "same", "causal")

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
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
            groups,
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


class Conv2D(BaseConv):
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
            groups,
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


class Conv3D(BaseConv):
    """y[b, i, j, k, f] = activation(Σ x[b, i·s + m·d, j·s + n·d, k·s + o·d, c] · kernel[m, n, o, c, f] + bias[f]).

    Args:
      filters: number of output channels, > 0, a multiple of `groups`.
      kernel_size: depth, height and width of the window, > 0; one integer for all.
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
      x: float[batch, depth, height, width, channels]
      kernel: float[*kernel_size, channels / groups, filters]; bias: float[filters]
      y: float[batch, out_depth, out_height, out_width, filters]

    Raises:
      ValueError: if x has not 5 axes, other channels than at the first call, channels no multiple of `groups`, or is
        smaller than the window with padding "valid".

    Example:
      >>> Conv3D(8, 3, padding="same")(np.zeros((2, 4, 4, 4, 1))).shape
      (2, 4, 4, 4, 8)

    Reference: Dumoulin & Visin 2016.
    """

    rank = 3

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1, 1),
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
            groups,
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
