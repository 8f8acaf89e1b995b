"""Projections that keep weights in a set after each update, by the names and formulas of Keras 3.

A constraint is called with a weight and gives the one to replace it with. A vector is what lies along `axis`: for a
kernel [in, out] axis 0 holds the inputs of each unit. `get` knows each class by the public names of this module.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from . import ops
from .configurable import Configurable, resolve
from .tensor import Tensor, TensorLike

__all__ = [
    "Constraint",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "UnitNorm",
    "get",
    "max_norm",
    "min_max_norm",
    "non_neg",
    "unit_norm",
]

Axis = int | Sequence[int] | None

# Added to a length before dividing by it (Keras's backend.epsilon()).
_EPSILON = 1e-7


class Constraint(Configurable):
    """A function from a weight to an allowed one; derive from it and define `__call__`.

    Example:
      >>> class Rounded(Constraint):
      ...     def __call__(self, w):
      ...         return ops.round(w)
      >>> Rounded()([1.2, 2.9]).tolist()
      [1.0, 3.0]
    """

    def __call__(self, w: TensorLike) -> Tensor:
        """The weight after the projection."""
        raise NotImplementedError(f"{type(self).__name__}: expected a __call__(w) of its own.")


def _lengths(w: Any, axis: Axis) -> Any:
    return ops.sqrt(ops.sum(ops.square(w), axis=axis, keepdims=True))


class NonNeg(Constraint):
    """max(w, 0).

    >>> NonNeg()([-1.0, 2.0]).tolist()
    [0.0, 2.0]
    """

    def __call__(self, w: TensorLike) -> Tensor:
        return ops.maximum(w, 0)


class MaxNorm(Constraint):
    """w, shortened along the axis to a length of at most max_value.

    Args:
      max_value: the greatest length, >= 0.
      axis: the axis or axes that a vector lies along.

    Raises:
      ValueError: for a negative max_value.

    Example:
      >>> MaxNorm(1.0)([3.0, 4.0]).numpy().round(3).tolist()
      [0.6000000238418579, 0.800000011920929]

    Reference: Srebro & Shraibman 2005; Srivastava et al. 2014, section 5.1.
    """

    def __init__(self, max_value: float = 2, axis: Axis = 0):
        if not max_value >= 0:
            raise ValueError(f"MaxNorm: expected a max_value >= 0, got {max_value!r}.")
        self.max_value = max_value
        self.axis = axis

    def __call__(self, w: TensorLike) -> Tensor:
        w = ops.convert_to_tensor(w)
        lengths = _lengths(w, self.axis)
        return w / (lengths + _EPSILON) * ops.minimum(lengths, self.max_value)


class UnitNorm(Constraint):
    """w / (its length along the axis).

    Args:
      axis: the axis or axes that a vector lies along.

    Example:
      >>> UnitNorm()([3.0, 4.0]).numpy().round(3).tolist()
      [0.6000000238418579, 0.800000011920929]
    """

    def __init__(self, axis: Axis = 0):
        self.axis = axis

    def __call__(self, w: TensorLike) -> Tensor:
        w = ops.convert_to_tensor(w)
        return w / (_lengths(w, self.axis) + _EPSILON)


class MinMaxNorm(Constraint):
    """w with its length along the axis moved towards [min_value, max_value].

    The new length is rate · clip(length, min_value, max_value) + (1 - rate) · length.

    Args:
      min_value: the least length, >= 0.
      max_value: the greatest length, >= min_value.
      rate: how much of the way to go, in [0, 1].
      axis: the axis or axes that a vector lies along.

    Raises:
      ValueError: for bounds or a rate other than these.

    Example:
      >>> MinMaxNorm(0.0, 1.0, rate=0.5)([3.0, 4.0]).numpy().round(3).tolist()
      [1.7999999523162842, 2.4000000953674316]
    """

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Axis = 0):
        if not 0 <= min_value <= max_value:
            raise ValueError(f"MinMaxNorm: expected 0 <= min_value <= max_value, got {min_value!r} and {max_value!r}.")
        if not 0 <= rate <= 1:
            raise ValueError(f"MinMaxNorm: expected a rate in [0, 1], got {rate!r}.")
        self.min_value = min_value
        self.max_value = max_value
        self.rate = rate
        self.axis = axis

    def __call__(self, w: TensorLike) -> Tensor:
        w = ops.convert_to_tensor(w)
        lengths = _lengths(w, self.axis)
        wanted = self.rate * ops.clip(lengths, self.min_value, self.max_value) + (1 - self.rate) * lengths
        return w / (lengths + _EPSILON) * wanted


# Keras's other names.
max_norm = MaxNorm
min_max_norm = MinMaxNorm
non_neg = NonNeg
unit_norm = UnitNorm

_KNOWN = {
    name: value
    for name, value in globals().items()
    if inspect.isclass(value) and issubclass(value, Constraint) and value is not Constraint
}


def get(identifier: Any) -> Any:
    """The constraint of a name, a configuration, a class, or the callable itself; None stays None.

    Raises:
      ValueError: for an unknown name, with the nearest known one.

    >>> get("max_norm").get_config()
    {'max_value': 2, 'axis': 0}
    """
    return resolve(identifier, _KNOWN, "constraint")
