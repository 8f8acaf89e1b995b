"""Layers that act in training alone, against overfitting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import random
from .arguments import number
from .base import Layer


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
