"""Normalization layers."""

from __future__ import annotations

from typing import Any

from .. import ops
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
        if training and self.trainable:
            mean, variance = self._moments(inputs, mask)
            self._follow(self.moving_mean, mean)
            self._follow(self.moving_variance, variance)
        else:
            mean, variance = self.moving_mean, self.moving_variance
        return ops.batch_normalization(inputs, mean, variance, self.axis, self.beta, self.gamma, self.epsilon)

    def _moments(self, inputs: Any, mask: Any) -> tuple[Any, Any]:
        """Mean and variance over all axes but one's own, over the unmasked places alone."""
        axes = [i for i in range(inputs.ndim) if i != self.axis % inputs.ndim]
        if mask is None:
            mean, variance = ops.moments(inputs, axes)
            return mean, variance
        x = inputs if inputs.dtype.itemsize > 2 else ops.cast(inputs, "float32")  # sums overflow in 16 bits
        weights = ops.cast(mask, x.dtype)
        weights = ops.reshape(weights, (*ops.shape(weights), *(1,) * (x.ndim - weights.ndim)))
        count = ops.sum(ops.broadcast_to(weights, ops.shape(x)), axes, keepdims=True)
        mean = ops.divide_no_nan(ops.sum(x * weights, axes, keepdims=True), count)
        variance = ops.divide_no_nan(ops.sum(ops.square(x - mean) * weights, axes, keepdims=True), count)
        return ops.cast(ops.squeeze(mean, axes), inputs.dtype), ops.cast(ops.squeeze(variance, axes), inputs.dtype)

    def _follow(self, moving: Any, batch: Any) -> None:
        moving.assign(moving * self.momentum + ops.stop_gradient(batch) * (1.0 - self.momentum))
