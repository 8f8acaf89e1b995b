"""Dense, Embedding and Activation."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops
from ..context import context
from ..tensor import Tensor
from .arguments import activation as known_activation
from .arguments import number, positive, weight_options
from .base import Layer
from .input_spec import InputSpec


class Dense(Layer):
    """y = activation(x @ kernel + bias).

    Args:
      units: number of output features, > 0.
      activation: name or function applied to the result; None for none.
      use_bias: whether there is a bias.
      kernel_initializer: initial kernel; so too `bias_initializer`.
      kernel_regularizer: a term in `losses`; so too `bias_regularizer`, `activity_regularizer`.
      kernel_constraint: applied after each update; so too `bias_constraint`.
      **kwargs: name, trainable, dtype.

    Shapes:
      x: float[batch, ..., features]
      kernel: float[features, units]; bias: float[units]
      y: float[batch, ..., units]

    Raises:
      ValueError: if x has rank < 2, or other features than at the first call.

    Example:
      >>> Dense(3)(np.zeros((2, 4))).shape
      (2, 3)

    Reference: Glorot & Bengio 2010, eq. 16 (initial kernel).
    """

    def __init__(
        self,
        units: int,
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
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.units = positive(self, "units", units)
        self.activation = known_activation(self, activation)
        self.use_bias = use_bias
        self.kernel_options = weight_options(self, "kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        self.bias_options = weight_options(self, "bias", bias_initializer, bias_regularizer, bias_constraint)
        self.input_spec = InputSpec(min_ndim=2)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        features = input_shape[-1]
        self.kernel = self._weight("kernel", (features, self.units), *self.kernel_options)
        self.bias = self._weight("bias", (self.units,), *self.bias_options) if self.use_bias else None
        self.input_spec = InputSpec(min_ndim=2, axes={-1: features})

    def call(self, inputs: Any) -> Any:
        return ops.dense(inputs, self.kernel, self.bias, self.activation)


class Embedding(Layer):
    """y[..., :] = embeddings[x[...], :]: a vector for each integer.

    Args:
      input_dim: number of integers, > 0.
      output_dim: length of a vector, > 0.
      embeddings_initializer: initial table; so too `embeddings_regularizer`, `embeddings_constraint`.
      mask_zero: whether 0 is padding, which later layers and losses then leave out.
      **kwargs: name, trainable, dtype.

    Shapes:
      x: int[batch, ...]
      embeddings: float[input_dim, output_dim]
      y: float[batch, ..., output_dim]

    Raises:
      ValueError: if an integer is not in [0, input_dim).

    Example:
      >>> Embedding(10, 4)(np.array([[1, 2, 3]])).shape
      (1, 3, 4)
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.input_dim = positive(self, "input_dim", input_dim)
        self.output_dim = positive(self, "output_dim", output_dim)
        self.embeddings_options = weight_options(
            self, "embeddings", embeddings_initializer, embeddings_regularizer, embeddings_constraint
        )
        self.mask_zero = mask_zero
        self.supports_masking = mask_zero
        self.autocast = False

    def build(self, input_shape: Any) -> None:
        shape = (self.input_dim, self.output_dim)
        self.embeddings = self._weight("embeddings", shape, *self.embeddings_options)

    def call(self, inputs: Any) -> Any:
        indices = inputs if inputs.dtype.kind in "iu" else ops.cast(inputs, "int32")
        if isinstance(indices, Tensor):
            self._check_integers(indices._array)
        elif context.tracing is not None:
            context.tracing.check(indices, self._check_integers)
        return ops.take(self.embeddings, indices, axis=0)

    def _check_integers(self, values: np.ndarray[Any, Any]) -> None:
        """Refuses what is no index; in a trace an input, as it came, is looked at when the graph runs."""
        if values.size:
            if values.dtype.kind == "i":  # as unsigned numbers negative ones are the greatest
                most = np.maximum.reduce(values.view(f"u{values.itemsize}"), axis=None)
                if most < self.input_dim:
                    return
            low, high = int(values.min()), int(values.max())
            if low < 0 or high >= self.input_dim:
                raise ValueError(
                    f"{self._title()}: expected integers in [0, {self.input_dim}), got {low if low < 0 else high}."
                )

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return ops.not_equal(inputs, 0) if self.mask_zero else None


class Activation(Layer):
    """y = activation(x).

    Args:
      activation: name or function.
      **kwargs: name, dtype.

    Example:
      >>> Activation("relu")(np.array([[-1.0, 2.0]]))
      Tensor([[0., 2.]], shape=(1, 2), dtype=float32)
    """

    def __init__(self, activation: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self.activation = known_activation(self, activation)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return self.activation(inputs)


class LeakyReLU(Layer):
    """y = x if x > 0, else negative_slope · x.

    Args:
      negative_slope: slope below 0, >= 0.
      **kwargs: name, dtype.

    Raises:
      ValueError: for a negative slope.

    Example:
      >>> LeakyReLU(0.5)(np.array([[-1.0, 2.0]]))
      Tensor([[-0.5,  2. ]], shape=(1, 2), dtype=float32)

    Reference: Maas, Hannun & Ng 2013.
    """

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any):
        super().__init__(**kwargs)
        self.negative_slope = number(self, "negative_slope", negative_slope, 0)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return ops.leaky_relu(inputs, self.negative_slope)
