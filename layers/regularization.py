"""Layers that act in training alone, against overfitting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import random
from .arguments import number, one_of
from .base import Layer
from .convolutional import FORMATS
from .input_spec import InputSpec


class Dropout(Layer):
    """In training, each element is 0 with probability `rate`, else x / (1 - rate); otherwise y = x.

    Args:
      rate: probability of 0, in [0, 1].
      noise_shape: the shape of the draws, broadcast to x; a 1 shares a draw along that axis, None follows x.
      seed: an integer for a stream of its own; None derives it from `random.set_seed`'s.
      **kwargs: name, dtype.

    Raises:
      ValueError: for a rate outside [0, 1].

    Example:
      >>> Dropout(0.5)(np.ones((1, 3)))
      Tensor([[1., 1., 1.]], shape=(1, 3), dtype=float32)

    Reference: Srivastava et al. 2014.
    """

    def __init__(
        self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.rate = number(self, "rate", rate, 0, 1)
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)
        self.supports_masking = True
        if self.rate > 0:
            self.seed_generator = random.SeedGenerator(seed, stream="dropout")

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training or self.rate == 0:
            return inputs
        return random.dropout(inputs, self.rate, self.noise_shape, self.seed_generator)


class BaseSpatialDropout(Layer):
    """What layers that leave out whole channels share."""

    rank: int

    def __init__(self, rate: float, data_format: str | None, seed: int | None, **kwargs: Any):
        super().__init__(**kwargs)
        self.rate = number(self, "rate", rate, 0, 1)
        self.data_format = one_of(self, "data_format", data_format or "channels_last", FORMATS)
        self.supports_masking = True
        self.input_spec = InputSpec(ndim=self.rank + 2)
        if self.rate > 0:
            self.seed_generator = random.SeedGenerator(seed, stream="dropout")

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training or self.rate == 0:
            return inputs
        ones = (1,) * self.rank
        shape = (None, None, *ones) if self.data_format == "channels_first" else (None, *ones, None)
        return random.dropout(inputs, self.rate, shape, self.seed_generator)


class SpatialDropout1D(BaseSpatialDropout):
    """In training, each channel of an example is 0 with probability `rate`, else x / (1 - rate); otherwise y = x.

    Args:
      rate: probability of 0, in [0, 1].
      seed: an integer for a stream of its own; None derives it from `random.set_seed`'s.
      name: shown in messages.
      dtype: the dtype of the computation, float32 if None.
      **kwargs: trainable.

    Shapes:
      x, y: float[batch, steps, channels]

    Raises:
      ValueError: for a rate outside [0, 1], or if x has not 3 axes.

    Example:
      >>> SpatialDropout1D(0.5)(np.ones((1, 1, 3))).shape
      (1, 1, 3)

    Reference: Tompson et al. 2015, section 3.2.
    """

    rank = 1

    def __init__(
        self,
        rate: float,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ):
        super().__init__(rate, None, seed, name=name, dtype=dtype, **kwargs)


class SpatialDropout2D(BaseSpatialDropout):
    """In training, each channel of an example is 0 with probability `rate`, else x / (1 - rate); otherwise y = x.

    Args:
      rate: probability of 0, in [0, 1].
      data_format: "channels_last" (also if None) or "channels_first".
      seed: an integer for a stream of its own; None derives it from `random.set_seed`'s.
      name: shown in messages.
      dtype: the dtype of the computation, float32 if None.
      **kwargs: trainable.

    Shapes:
      x, y: float[batch, height, width, channels]

    Raises:
      ValueError: for a rate outside [0, 1], or if x has not 4 axes.

    Example:
      >>> SpatialDropout2D(0.5)(np.ones((1, 1, 1, 3))).shape
      (1, 1, 1, 3)

    Reference: Tompson et al. 2015, section 3.2.
    """

    rank = 2

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ):
        super().__init__(rate, data_format, seed, name=name, dtype=dtype, **kwargs)


class SpatialDropout3D(BaseSpatialDropout):
    """In training, each channel of an example is 0 with probability `rate`, else x / (1 - rate); otherwise y = x.

    Args:
      rate: probability of 0, in [0, 1].
      data_format: "channels_last" (also if None) or "channels_first".
      seed: an integer for a stream of its own; None derives it from `random.set_seed`'s.
      name: shown in messages.
      dtype: the dtype of the computation, float32 if None.
      **kwargs: trainable.

    Shapes:
      x, y: float[batch, depth, height, width, channels]

    Raises:
      ValueError: for a rate outside [0, 1], or if x has not 5 axes.

    Example:
      >>> SpatialDropout3D(0.5)(np.ones((1, 1, 1, 1, 3))).shape
      (1, 1, 1, 1, 3)

    Reference: Tompson et al. 2015, section 3.2.
    """

    rank = 3

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ):
        super().__init__(rate, data_format, seed, name=name, dtype=dtype, **kwargs)
