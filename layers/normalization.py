"""Normalization: inputs less their mean, in units of their deviation, root mean square or norm.

Batch statistics, those of each example, of groups of its channels, or none but a length; a scale and an offset may
follow. 16-bit floats are normalized in 32 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import dtypes, ops
from ..ops.normalization import normalization_by_batch
from .arguments import number, weight_options
from .base import Layer
from .input_spec import InputSpec


class BatchNormalization(Layer):
    """y = (x - mean) / sqrt(variance + epsilon) · gamma + beta, for each slice along `axis`.

    In training, mean and variance are those of the batch, and the moving ones follow:
    moving = moving · momentum + batch's · (1 - momentum). Otherwise, and when `trainable` is False, the moving
    ones serve.

    Args:
      axis: the axis that keeps its statistics apart, usually the channels'.
      momentum: share of the old moving statistics, in [0, 1].
      epsilon: added to the variance, > 0.
      center: whether beta is added.
      scale: whether gamma multiplies.
      beta_initializer: initial beta; so too `gamma_initializer`, `moving_mean_initializer`,
        `moving_variance_initializer`.
      beta_regularizer: a term in `losses`; so too `gamma_regularizer`.
      beta_constraint: applied after each update; so too `gamma_constraint`.
      **kwargs: name, trainable, dtype.

    Shapes:
      x, y: float[batch, ..., channels]
      gamma, beta, moving_mean, moving_variance: float[channels]

    Raises:
      ValueError: for an axis out of range, or other channels than at the first call.

    Example:
      >>> BatchNormalization()(np.array([[1.0], [3.0]]), training=True).numpy().round(2).tolist()
      [[-1.0], [1.0]]

    Reference: Ioffe & Szegedy 2015, Algorithm 1.
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if not isinstance(axis, int):
            raise ValueError(f"{self._title()}: axis must be an integer, got {axis!r}.")
        if not epsilon > 0:
            raise ValueError(f"{self._title()}: epsilon must be > 0, got {epsilon!r}.")
        self.axis = axis
        self.momentum = number(self, "momentum", momentum, 0, 1)
        self.epsilon = epsilon
        self.center = center
        self.scale = scale
        self.beta_options = weight_options(self, "beta", beta_initializer, beta_regularizer, beta_constraint)
        self.gamma_options = weight_options(self, "gamma", gamma_initializer, gamma_regularizer, gamma_constraint)
        self.moving_initializers = (moving_mean_initializer, moving_variance_initializer)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        rank = len(input_shape)
        if not -rank <= self.axis < rank:
            raise ValueError(f"{self._title()}: axis {self.axis} is out of range for inputs of shape {input_shape}.")
        shape = (input_shape[self.axis],)
        self.gamma = self._weight("gamma", shape, *self.gamma_options) if self.scale else None
        self.beta = self._weight("beta", shape, *self.beta_options) if self.center else None
        mean, variance = self.moving_initializers
        self.moving_mean = self.add_weight(shape, mean, trainable=False, name="moving_mean")
        self.moving_variance = self.add_weight(shape, variance, trainable=False, name="moving_variance")
        self.input_spec = InputSpec(ndim=rank, axes={self.axis: shape[0]})

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        y = None
        if not training or not self.trainable:
            mean, variance = self.moving_mean, self.moving_variance
        elif mask is None:
            axis = self.axis % inputs.ndim
            y, mean, variance = normalization_by_batch(inputs, self.beta, self.gamma, axis, self.epsilon)
        else:
            mean, variance = self._moments(inputs, mask)
        if training and self.trainable:
            self._follow(self.moving_mean, mean)
            self._follow(self.moving_variance, variance)
        if y is not None:
            return y
        return ops.batch_normalization(inputs, mean, variance, self.axis, self.beta, self.gamma, self.epsilon)

    def _moments(self, inputs: Any, mask: Any) -> tuple[Any, Any]:
        """Mean and variance over all axes but one's own, over the unmasked places alone."""
        axes = [i for i in range(inputs.ndim) if i != self.axis % inputs.ndim]
        x = inputs if inputs.dtype.itemsize > 2 else ops.cast(inputs, "float32")  # sums overflow in 16 bits
        weights = ops.cast(mask, x.dtype)
        weights = ops.reshape(weights, (*ops.shape(weights), *(1,) * (x.ndim - weights.ndim)))
        count = ops.sum(ops.broadcast_to(weights, ops.shape(x)), axes, keepdims=True)
        mean = ops.divide_no_nan(ops.sum(x * weights, axes, keepdims=True), count)
        variance = ops.divide_no_nan(ops.sum(ops.square(x - mean) * weights, axes, keepdims=True), count)
        return ops.cast(ops.squeeze(mean, axes), inputs.dtype), ops.cast(ops.squeeze(variance, axes), inputs.dtype)

    def _follow(self, moving: Any, batch: Any) -> None:
        moving.assign(moving * self.momentum + ops.stop_gradient(batch) * (1.0 - self.momentum))


def _axes(layer: Any, axis: Any) -> tuple[int, ...]:
    """One axis or several, as given.

    Raises:
      ValueError: if that is no integer, and no list of them.
    """
    axes = tuple(axis) if isinstance(axis, (list, tuple)) else (axis,)
    if not axes or not all(isinstance(a, int) and not isinstance(a, bool) for a in axes):
        raise ValueError(f"{layer._title()}: axis must be an integer or a list of them, got {axis!r}.")
    return axes


def _sizes_along(layer: Any, axes: tuple[int, ...], shape: Any) -> dict[int, Any]:
    """The sizes along the axes, in the order of the shape; each must be there and given once.

    Raises:
      ValueError: if one is not.
    """
    rank = len(shape)
    places = sorted(axis % rank for axis in axes if -rank <= axis < rank)
    if len(set(places)) != len(axes):
        shown = axes[0] if len(axes) == 1 else axes
        wrong = "are out of range or not different" if len(axes) > 1 else "is out of range"
        raise ValueError(f"{layer._title()}: axis {shown} {wrong} for inputs of shape {tuple(shape)}.")
    return {place: shape[place] for place in places}


class LayerNormalization(Layer):
    """y = (x - mean) / sqrt(variance + epsilon) · gamma + beta, with the moments of each example over `axis`.

    Args:
      axis: the axis or axes to normalize over.
      epsilon: added to the variance, >= 0.
      center: whether beta is added.
      scale: whether gamma multiplies.
      beta_initializer: initial beta; so too `gamma_initializer`.
      beta_regularizer: a term in `losses`; so too `gamma_regularizer`.
      beta_constraint: applied after each update; so too `gamma_constraint`.
      **kwargs: name, trainable, dtype; `rms_scaling`, deprecated in Keras: if true, y = x / sqrt(variance + epsilon) ·
        gamma.

    Shapes:
      x, y: float[batch, ..., features]
      gamma, beta: float[sizes of the axes]

    Raises:
      ValueError: for an axis out of range, or other sizes along `axis` than at the first call.

    Example:
      >>> LayerNormalization(epsilon=0.0)(np.array([[1.0, 3.0]])).numpy().tolist()
      [[-1.0, 1.0]]

    Reference: Ba, Kiros & Hinton 2016, eq. 3.
    """

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ):
        rms_scaling = kwargs.pop("rms_scaling", False)
        super().__init__(**kwargs)
        self.rms_scaling = rms_scaling
        self.axis = _axes(self, axis)
        self.epsilon = number(self, "epsilon", epsilon, 0)
        self.center = center
        self.scale = scale
        self.beta_options = weight_options(self, "beta", beta_initializer, beta_regularizer, beta_constraint)
        self.gamma_options = weight_options(self, "gamma", gamma_initializer, gamma_regularizer, gamma_constraint)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        along = _sizes_along(self, self.axis, input_shape)
        shape = tuple(along.values())
        scaled, centered = self.scale or self.rms_scaling, self.center and not self.rms_scaling
        self.gamma = self._weight("gamma", shape, *self.gamma_options) if scaled else None
        self.beta = self._weight("beta", shape, *self.beta_options) if centered else None
        self.input_spec = InputSpec(axes={axis: input_shape[axis] for axis in self.axis})

    def call(self, inputs: Any) -> Any:
        options = {"rms_scaling": True} if self.rms_scaling else {}
        y = ops.layer_normalization(inputs, self.gamma, self.beta, self.axis, self.epsilon, **options)
        return y if y.dtype == self._dtype else ops.cast(y, self.dtype)


class RMSNormalization(Layer):
    """y = x / sqrt(mean(x²) + epsilon) · scale, with the mean over `axis`.

    Args:
      axis: the axis or axes to normalize over.
      epsilon: added to the mean square, >= 0.
      **kwargs: name, trainable, dtype.

    Shapes:
      x, y: float[batch, ..., features]
      scale: float[sizes of the axes]

    Raises:
      ValueError: for an axis out of range, or other sizes along `axis` than at the first call.

    Example:
      >>> RMSNormalization(epsilon=0.0)(np.array([[4.0, 0.0, 0.0, 0.0]])).numpy().tolist()
      [[2.0, 0.0, 0.0, 0.0]]

    Reference: Zhang & Sennrich 2019, eq. 4.
    """

    def __init__(self, axis: int | Sequence[int] = -1, epsilon: float = 1e-6, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = _axes(self, axis)
        self.epsilon = number(self, "epsilon", epsilon, 0)

    def build(self, input_shape: Any) -> None:
        along = _sizes_along(self, self.axis, input_shape)
        self.scale = self.add_weight(tuple(along.values()), "ones", name="scale")
        self.input_spec = InputSpec(axes={axis: input_shape[axis] for axis in self.axis})

    def call(self, inputs: Any) -> Any:
        return ops.rms_normalization(inputs, self.scale, self.axis, self.epsilon)


class GroupNormalization(Layer):
    """y = (x - mean) / sqrt(variance + epsilon) · gamma + beta, with the moments of each example and group of channels.

    Args:
      groups: number of groups that the channels are split in; -1 for one for each channel.
      axis: the axis of the channels.
      epsilon: added to the variance, >= 0.
      center: whether beta is added.
      scale: whether gamma multiplies.
      beta_initializer: initial beta; so too `gamma_initializer`.
      beta_regularizer: a term in `losses`; so too `gamma_regularizer`.
      beta_constraint: applied after each update; so too `gamma_constraint`.
      **kwargs: name, trainable, dtype.

    Shapes:
      x, y: float[batch, ..., channels]
      gamma, beta: float[channels]

    Raises:
      ValueError: if the channels are no multiple of `groups`, or others than at the first call, or the axis is the
        batch's or out of range.

    Example:
      >>> GroupNormalization(groups=2, epsilon=0.0)(np.array([[1.0, 3.0, 10.0, 30.0]])).numpy().tolist()
      [[-1.0, 1.0, -1.0, 1.0]]

    Reference: Wu & He 2018.
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if not isinstance(groups, int) or isinstance(groups, bool) or (groups <= 0 and groups != -1):
            raise ValueError(f"{self._title()}: groups must be an integer > 0 or -1, got {groups!r}.")
        if not isinstance(axis, int) or isinstance(axis, bool):
            raise ValueError(f"{self._title()}: axis must be an integer, got {axis!r}.")
        self.groups = groups
        self.axis = axis
        self.epsilon = number(self, "epsilon", epsilon, 0)
        self.center = center
        self.scale = scale
        self.beta_options = weight_options(self, "beta", beta_initializer, beta_regularizer, beta_constraint)
        self.gamma_options = weight_options(self, "gamma", gamma_initializer, gamma_regularizer, gamma_constraint)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        ((place, channels),) = _sizes_along(self, (self.axis,), input_shape).items()
        if place == 0:
            raise ValueError(f"{self._title()}: expected another axis than the batch's, got {self.axis}.")
        if channels is not None and self.groups != -1 and (channels < self.groups or channels % self.groups):
            raise ValueError(
                f"{self._title()}: the input's channels must be a multiple of groups = {self.groups}, got {channels}."
            )
        self.gamma = self._weight("gamma", (channels,), *self.gamma_options) if self.scale else None
        self.beta = self._weight("beta", (channels,), *self.beta_options) if self.center else None
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: channels})

    def call(self, inputs: Any) -> Any:
        place = self.axis % inputs.ndim
        shape = ops.shape(inputs)
        groups = shape[place] if self.groups == -1 else self.groups
        each = shape[place] // groups
        x = ops.reshape(inputs, (*shape[:place], groups, each, *shape[place + 1 :]))
        x = ops.cast(x, "float32") if x.dtype.itemsize <= 2 or not dtypes.is_float(x.dtype) else x
        mean, variance = ops.moments(x, [i for i in range(1, x.ndim) if i != place], keepdims=True)
        along = tuple({place: groups, place + 1: each}.get(i, 1) for i in range(x.ndim))
        factor = ops.rsqrt(variance + self.epsilon)
        factor = factor if self.gamma is None else factor * ops.reshape(ops.cast(self.gamma, x.dtype), along)
        y = (x - mean) * factor
        y = y if self.beta is None else y + ops.reshape(ops.cast(self.beta, x.dtype), along)
        return ops.cast(ops.reshape(y, shape), self.dtype)


class UnitNormalization(Layer):
    """y = x / norm(x), with the Euclidean norm over `axis`; what is 0 stays 0.

    Args:
      axis: the axis or axes that a vector lies along.
      **kwargs: name, dtype.

    Raises:
      ValueError: for an axis out of range.

    Example:
      >>> UnitNormalization()(np.array([[3.0, 4.0]]))
      Tensor([[0.6, 0.8]], shape=(1, 2), dtype=float32)
    """

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = _axes(self, axis)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        _sizes_along(self, self.axis, inputs.shape)
        return ops.normalize(inputs, self.axis, order=2, epsilon=1e-12)
