"""Layers that add or multiply noise in training alone, against overfitting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import ops, random
from .arguments import below_one, number
from .base import Layer

# What SELU goes to for large negative inputs, with its sign turned: Klambauer et al. 2017, eq. 14.
SATURATION = 1.6732632423543772 * 1.0507009873554805


class BaseNoise(Layer):
    """What layers of noise share: a stream of their own, if they have any strength, and `noisy`, used in training."""

    strength: float

    def draw(self, strength: float, seed: int | None) -> None:
        """Makes the stream of random numbers."""
        self.supports_masking = True
        self.strength = strength
        if strength:
            self.seed_generator = random.SeedGenerator(seed, stream="dropout")

    def noisy(self, inputs: Any) -> Any:
        """The inputs with noise."""
        raise NotImplementedError(f"{type(self).__name__}: expected a noisy() of its own.")

    def call(self, inputs: Any, training: bool = False) -> Any:
        return self.noisy(inputs) if training and self.strength else inputs


class GaussianNoise(BaseNoise):
    """In training y = x + stddev · n, with n ~ N(0, 1); otherwise y = x.

    Args:
      stddev: standard deviation of the noise, in [0, 1].
      seed: an integer for a stream of its own; None derives it from `random.set_seed`'s.
      **kwargs: name, dtype.

    Raises:
      ValueError: for a stddev outside [0, 1].

    Example:
      >>> GaussianNoise(0.1)(np.ones((1, 3)))
      Tensor([[1., 1., 1.]], shape=(1, 3), dtype=float32)
    """

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.stddev = number(self, "stddev", stddev, 0, 1)
        self.draw(self.stddev, seed)

    def noisy(self, inputs: Any) -> Any:
        return inputs + random.normal(ops.shape(inputs), 0.0, self.stddev, self.dtype, self.seed_generator)


class GaussianDropout(BaseNoise):
    """In training y = x · n, with n ~ N(1, rate / (1 - rate)), a variance as that of Dropout; otherwise y = x.

    Args:
      rate: Dropout's probability of 0 of the same variance, in [0, 1).
      seed: an integer for a stream of its own; None derives it from `random.set_seed`'s.
      **kwargs: name, dtype.

    Raises:
      ValueError: for a rate outside [0, 1).

    Example:
      >>> GaussianDropout(0.5)(np.ones((1, 3)))
      Tensor([[1., 1., 1.]], shape=(1, 3), dtype=float32)

    Reference: Srivastava et al. 2014, section 10.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.rate = below_one(self, "rate", rate)
        self.draw(self.rate, seed)

    def noisy(self, inputs: Any) -> Any:
        stddev = math.sqrt(self.rate / (1.0 - self.rate))
        return inputs * random.normal(ops.shape(inputs), 1.0, stddev, self.dtype, self.seed_generator)


class AlphaDropout(BaseNoise):
    """In training, each element becomes SELU's least value -α with probability `rate`; otherwise y = x.

    What comes of that is moved back to the mean 0 and variance 1 that x has: y = a · (x or -α) + b, with
    a = ((1 - rate) · (1 + rate · α²))^(-1/2) and b = a · α · rate.

    Args:
      rate: probability of the least value, in [0, 1).
      noise_shape: the shape of the draws, broadcast to x; a 1 shares a draw along that axis, None follows x.
      seed: an integer for a stream of its own; None derives it from `random.set_seed`'s.
      **kwargs: name, dtype.

    Raises:
      ValueError: for a rate outside [0, 1), or a noise_shape that does not broadcast to x.

    Example:
      >>> AlphaDropout(0.5)(np.ones((1, 3)))
      Tensor([[1., 1., 1.]], shape=(1, 3), dtype=float32)

    Reference: Klambauer et al. 2017, section 3, "New dropout technique".
    """

    def __init__(
        self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.rate = below_one(self, "rate", rate)
        self.draw(self.rate, seed)
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)

    def noisy(self, inputs: Any) -> Any:
        ones = ops.ones_like(inputs)
        kept = ops.greater(random.dropout(ones, self.rate, self.noise_shape, self.seed_generator), 0)
        scale = ((1 - self.rate) * (1 + self.rate * SATURATION**2)) ** -0.5
        return ops.where(kept, inputs, -SATURATION) * scale + scale * SATURATION * self.rate
