"""Gradient descent in units of the gradient's recent size."""

from __future__ import annotations

from typing import Any

from ..ops import elementwise
from .base import LearningRate, Optimizer


class RMSprop(Optimizer):
    """w ← w - learning_rate · g / sqrt(v + epsilon), with v ← rho · v + (1 - rho) · g².

    Args:
      learning_rate: as for `Optimizer`.
      rho: share of the old average of squares in the new one, in [0, 1).
      momentum: share of the last step that goes into the next, in [0, 1).
      epsilon: added below the root, >= 0.
      centered: whether the squared average of the gradients is taken off v, which leaves their variance.
      weight_decay, clipnorm, clipvalue, global_clipnorm, lazy, name: as for `Optimizer`.

    Raises:
      ValueError: for a value out of its range.

    Example:
      >>> from eagerly.variable import Variable
      >>> v = Variable(1.0)
      >>> RMSprop(0.1, rho=0.75).apply([2.0], [v])
      >>> round(float(v), 3)
      0.8

    Reference: Tieleman & Hinton 2012, lecture 6.5; Graves 2013, eq. 38-41 (centered, momentum).
    """

    elementwise = True

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        *,
        lazy: bool = False,
        name: str | None = None,
    ):
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, lazy=lazy, name=name)
        self.check_range("rho", rho, "[0, 1)")
        self.check_range("momentum", momentum, "[0, 1)")
        self.check_range("epsilon", epsilon, "[0, inf)")
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon
        self.centered = centered
        self.slots = ("velocity", *(("momentum",) if momentum else ()), *(("average_gradient",) if centered else ()))

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        return tuple((name,) for name in self.slots)

    def rule(
        self,
        value: Any,
        grad: Any,
        step: Any,
        learning_rate: Any,
        *,
        velocity: Any,
        momentum: Any = None,
        average_gradient: Any = None,
    ) -> Any:
        v = self.rho * velocity + (1 - self.rho) * grad * grad
        variance, averages = v, ()  # type: tuple[Any, tuple[Any, ...]]
        if average_gradient is not None:
            average = self.rho * average_gradient + (1 - self.rho) * grad
            variance, averages = v - average * average, (average,)
        change = learning_rate * grad / elementwise.sqrt(variance + self.epsilon)
        if momentum is None:
            return value - change, v, *averages
        m = self.momentum * momentum + change
        return value - m, v, m, *averages
