"""Gradient descent, with momentum."""

from __future__ import annotations

from typing import Any

from .base import LearningRate, Optimizer


class SGD(Optimizer):
    """w ← w - learning_rate · g; with momentum m ← momentum · m - learning_rate · g and w ← w + m.

    Args:
      learning_rate: as for `Optimizer`.
      momentum: share of the last step that goes into the next, in [0, 1].
      nesterov: whether the gradient's place is looked ahead for: w ← w + momentum · m - learning_rate · g.
      weight_decay, clipnorm, clipvalue, global_clipnorm, lazy, name: as for `Optimizer`.

    Raises:
      ValueError: for a value out of its range.

    Example:
      >>> from eagerly.variable import Variable
      >>> v = Variable(1.0)
      >>> SGD(0.1).apply([2.0], [v])
      >>> round(float(v), 3)
      0.8

    Reference: Polyak 1964; Sutskever et al. 2013, eq. 1-4 (the form of Nesterov's method).
    """

    elementwise = True
    shows_in_value = ("momentum",)

    def __init__(
        self,
        learning_rate: LearningRate = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        *,
        lazy: bool = False,
        name: str | None = None,
    ):
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, lazy=lazy, name=name)
        self.check_range("momentum", momentum, "[0, 1]")
        self.momentum = momentum
        self.nesterov = nesterov
        self.slots = ("momentum",) if momentum else ()

    def rule(self, value: Any, grad: Any, step: Any, learning_rate: Any, *, momentum: Any = None) -> Any:
        if momentum is None:
            return value - learning_rate * grad
        m = self.momentum * momentum - learning_rate * grad
        return value + (self.momentum * m - learning_rate * grad if self.nesterov else m), m
