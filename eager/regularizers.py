"""Penalties on weights that are added to the loss, by the names and formulas of Keras 3.

A regularizer is called with a weight and gives a scalar, through which gradients flow. Factors are checked when it is
made: finite and not negative. `get` knows each class by the public names of this module.
"""

from __future__ import annotations

import inspect
import math
from typing import Any, Literal

from . import ops
from .configurable import Configurable, aliased, resolve
from .errors import describe
from .tensor import Tensor, TensorLike

__all__ = [
    "L1",
    "L1L2",
    "L2",
    "OrthogonalRegularizer",
    "Regularizer",
    "get",
    "l1",
    "l1_l2",
    "l2",
    "orthogonal_regularizer",
]


class Regularizer(Configurable):
    """A function from a weight to a scalar penalty; derive from it and define `__call__`.

    Example:
      >>> class Sum(Regularizer):
      ...     def __call__(self, x):
      ...         return ops.sum(x)
      >>> float(Sum()([1.0, 2.0]))
      3.0
    """

    def __call__(self, x: TensorLike) -> Tensor:
        """The penalty on a weight."""
        raise NotImplementedError(f"{type(self).__name__}: expected a __call__(x) of its own.")

    def _factor(self, value: Any, name: str) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
            raise ValueError(f"{type(self).__name__}: expected a finite {name} >= 0, got {describe(value)}.")
        return float(value)


class L1(Regularizer):
    """l1 · sum(|x|), which drives weights to 0 (Tibshirani 1996).

    Args:
      l1: the factor, finite and >= 0.

    Raises:
      ValueError: for another factor.

    Example:
      >>> float(L1(0.5)([1.0, -3.0]))
      2.0
    """

    def __init__(self, l1: float = 0.01):
        self.l1 = self._factor(l1, "l1")

    def __call__(self, x: TensorLike) -> Tensor:
        return ops.sum(ops.absolute(x)) * self.l1


class L2(Regularizer):
    """l2 · sum(x²), which drives weights towards 0 (Hoerl & Kennard 1970).

    Args:
      l2: the factor, finite and >= 0.

    Raises:
      ValueError: for another factor.

    Example:
      >>> float(L2(0.5)([1.0, -3.0]))
      5.0
    """

    def __init__(self, l2: float = 0.01):
        self.l2 = self._factor(l2, "l2")

    def __call__(self, x: TensorLike) -> Tensor:
        return ops.sum(ops.square(x)) * self.l2


class L1L2(Regularizer):
    """l1 · sum(|x|) + l2 · sum(x²) (Zou & Hastie 2005, eq. 3).

    Args:
      l1: the factor of the absolute values, finite and >= 0; None is 0.
      l2: the factor of the squares, finite and >= 0; None is 0.

    Raises:
      ValueError: for another factor.

    Example:
      >>> float(L1L2(0.5, 0.5)([1.0, -3.0]))
      7.0
    """

    def __init__(self, l1: float | None = 0.0, l2: float | None = 0.0):
        self.l1 = self._factor(0.0 if l1 is None else l1, "l1")
        self.l2 = self._factor(0.0 if l2 is None else l2, "l2")

    def __call__(self, x: TensorLike) -> Tensor:
        return ops.sum(ops.absolute(x)) * self.l1 + ops.sum(ops.square(x)) * self.l2


class OrthogonalRegularizer(Regularizer):
    """factor · the mean of |cos(a, b)| over all pairs of rows (or columns) of a matrix.

    Args:
      factor: the factor, finite and >= 0.
      mode: "rows" or "columns".

    Shapes:
      x: float[rows, columns]

    Raises:
      ValueError: for another factor or mode, or a weight that is no matrix.

    Example:
      >>> float(OrthogonalRegularizer(1.0)([[1.0, 0.0], [2.0, 0.0]]))
      1.0

    Reference: Bansal et al. 2018, section 3.3 (mutual coherence; here its mean).
    """

    def __init__(self, factor: float = 0.01, mode: Literal["rows", "columns"] = "rows"):
        self.factor = self._factor(factor, "factor")
        if mode not in ("rows", "columns"):
            raise ValueError(f"{type(self).__name__}: expected 'rows' or 'columns' as mode, got {mode!r}.")
        self.mode = mode

    def __call__(self, x: TensorLike) -> Tensor:
        x = ops.convert_to_tensor(x)
        if x.ndim != 2:
            raise ValueError(f"{type(self).__name__}: expected a matrix, got {describe(x)}.")
        vectors = x if self.mode == "rows" else ops.transpose(x)
        lengths = ops.sqrt(ops.maximum(ops.sum(ops.square(vectors), axis=1, keepdims=True), _TINY))
        vectors = vectors / lengths
        cosines = ops.absolute(vectors @ ops.transpose(vectors))
        count = vectors.shape[0]
        others = 1.0 - ops.eye(count, dtype=x.dtype)
        return ops.sum(cosines * others) * (self.factor / max(count * (count - 1), 1))


# The square of Keras's backend.epsilon(): a shorter vector counts as one of that length.
_TINY = 1e-14

# Keras's other names.
l1 = L1
l2 = L2
l1_l2 = L1L2
orthogonal_regularizer = OrthogonalRegularizer

_KNOWN = aliased(
    {
        name: value
        for name, value in globals().items()
        if inspect.isclass(value) and issubclass(value, Regularizer) and value is not Regularizer
    },
    {"l1l2": "L1L2"},
)


def get(identifier: Any) -> Any:
    """The regularizer of a name, a configuration, a class, or the callable itself; None stays None.

    Raises:
      ValueError: for an unknown name, with the nearest known one.

    >>> get("l2").get_config()
    {'l2': 0.01}
    """
    return resolve(identifier, _KNOWN, "regularizer")
