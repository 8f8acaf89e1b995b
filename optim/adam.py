"""Adam, and Adam with weight decay."""

from __future__ import annotations

from typing import Any

from ..ops import elementwise
from .base import LearningRate, Optimizer, as_factor


class _AdamRule(Optimizer):
    """The arguments and the rule that the variants of Adam share."""

    slots: tuple[str, ...] = ("momentum", "velocity")
    elementwise = True
    shows_in_value = ("momentum",)

    def _set(self, beta_1: float, beta_2: float, epsilon: float, amsgrad: bool) -> None:
        self.check_range("beta_1", beta_1, "[0, 1)")
        self.check_range("beta_2", beta_2, "[0, 1)")
        self.check_range("epsilon", epsilon, "[0, inf)")
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.amsgrad = amsgrad
        if amsgrad:
            self.slots = ("momentum", "velocity", "velocity_hat")

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        return self.slots[:2], self.slots[2:]

    def rule(
        self,
        value: Any,
        grad: Any,
        step: Any,
        learning_rate: Any,
        *,
        momentum: Any,
        velocity: Any,
        velocity_hat: Any = None,
    ) -> Any:
        m = self.beta_1 * momentum + (1 - self.beta_1) * grad
        v = self.beta_2 * velocity + (1 - self.beta_2) * grad * grad
        alpha = as_factor(learning_rate * (1 - self.beta_2**step) ** 0.5 / (1 - self.beta_1**step), value)
        if velocity_hat is None:
            return value - alpha * m / (elementwise.sqrt(v) + self.epsilon), m, v
        largest = elementwise.maximum(velocity_hat, v)
        return value - alpha * m / (elementwise.sqrt(largest) + self.epsilon), m, v, largest


class Adam(_AdamRule):
    """Steps along the average gradient, in units of its average size.

    m ← beta_1 · m + (1 - beta_1) · g and v ← beta_2 · v + (1 - beta_2) · g², then
    w ← w - alpha · m / (sqrt(v) + epsilon) with alpha = learning_rate · sqrt(1 - beta_2ᵗ) / (1 - beta_1ᵗ) in step t.

    Args:
      learning_rate: as for `Optimizer`.
      beta_1: share of the old average gradient in the new one, in [0, 1).
      beta_2: share of the old average of squares in the new one, in [0, 1).
      epsilon: added to the root, >= 0.
      amsgrad: whether the greatest average of squares so far is taken instead of the last.
      weight_decay, clipnorm, clipvalue, global_clipnorm, lazy, name: as for `Optimizer`.

    Raises:
      ValueError: for a value out of its range.

    Example:
      >>> from eagerly.variable import Variable
      >>> v = Variable(1.0)
      >>> Adam(0.1).apply([2.0], [v])
      >>> round(float(v), 3)
      0.9

    Reference: Kingma & Ba 2015, algorithm 1 with the reordering of section 2; Reddi et al. 2018 (amsgrad).
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        *,
        lazy: bool = False,
        name: str | None = None,
    ):
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, lazy=lazy, name=name)
        self._set(beta_1, beta_2, epsilon, amsgrad)


class AdamW(_AdamRule):
    """Adam after w ← w - learning_rate · weight_decay · w.

    Args:
      learning_rate: as for `Optimizer`.
      weight_decay: share of each variable, times the learning rate, that is taken off before each step, >= 0.
      beta_1, beta_2, epsilon, amsgrad: as for `Adam`.
      clipnorm, clipvalue, global_clipnorm, lazy, name: as for `Optimizer`.

    Raises:
      ValueError: for a value out of its range.

    Example:
      >>> from eagerly.variable import Variable
      >>> v = Variable(1.0)
      >>> AdamW(0.1, weight_decay=0.5).apply([2.0], [v])
      >>> round(float(v), 3)
      0.85

    Reference: Loshchilov & Hutter 2019, algorithm 2.
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        *,
        lazy: bool = False,
        name: str | None = None,
    ):
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, lazy=lazy, name=name)
        self.check_range("weight_decay", weight_decay, "[0, inf)")
        self._set(beta_1, beta_2, epsilon, amsgrad)
