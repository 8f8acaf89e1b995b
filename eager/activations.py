"""Activation functions, by the names, arguments and formulas of Keras 3.

Each is an elementwise function but softmax, log_softmax and glu; each takes anything array-like and gives a Tensor of
its shape (glu: half of an axis). Where `ops` has the function already, it is the very same object. `get` knows each by
the public names of this module.
"""

from __future__ import annotations

from typing import Any

from . import dimensions, ops
from .configurable import resolve
from .errors import describe
from .ops.rules import normalize_axis
from .tensor import AbstractTensor, Tensor, TensorLike, dims

__all__ = [
    "celu",
    "elu",
    "exponential",
    "get",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
    "threshold",
]

_IMPORTED = frozenset(globals())

elu = ops.elu  # Clevert et al. 2016, eq. 15
hard_sigmoid = ops.hard_sigmoid  # Courbariaux et al. 2015, section 1.3, with the slope 1/6 of Howard et al. 2019
hard_silu = hard_swish = ops.hard_silu  # Howard et al. 2019, section 5.2
hard_tanh = ops.hard_tanh  # Collobert et al. 2011, section 3.2
leaky_relu = ops.leaky_relu  # Maas et al. 2013, eq. 3
log_sigmoid = ops.log_sigmoid
log_softmax = ops.log_softmax
mish = ops.mish  # Misra 2020, eq. 1
relu6 = ops.relu6  # Krizhevsky 2010, "Convolutional deep belief networks on CIFAR-10"
selu = ops.selu  # Klambauer et al. 2017, eq. 2
sigmoid = ops.sigmoid
silu = swish = ops.silu  # Hendrycks & Gimpel 2016; Ramachandran et al. 2017
softmax = ops.softmax
softplus = ops.softplus  # Dugas et al. 2001
softsign = ops.softsign  # Bergstra et al. 2009
tanh = ops.tanh
exponential = ops.exp


def linear(x: TensorLike) -> Tensor:
    """x.

    >>> linear([-1.0, 2.0]).tolist()
    [-1.0, 2.0]
    """
    return x if isinstance(x, (Tensor, AbstractTensor)) else ops.convert_to_tensor(x)  # type: ignore[return-value]


def relu(x: TensorLike, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Tensor:
    """max(x, 0), generalized: max_value above it, x in between, negative_slope · (x - threshold) below the threshold.

    Args:
      x: the input.
      negative_slope: the slope below the threshold, >= 0.
      max_value: the greatest output, >= 0; None for no bound.
      threshold: the input below which the slope changes, >= 0.

    Raises:
      ValueError: for a negative option.

    Example:
      >>> relu([-1.0, 2.0, 8.0], negative_slope=0.5, max_value=6.0).tolist()
      [-0.5, 2.0, 6.0]

    Reference: Nair & Hinton 2010; Maas et al. 2013, eq. 3 (slope); Krizhevsky 2010 (bound).
    """
    if negative_slope == 0.0 and max_value is None and threshold == 0.0:
        return ops.relu(x)
    for name, value in (("negative_slope", negative_slope), ("max_value", max_value), ("threshold", threshold)):
        if value is not None and not value >= 0:
            raise ValueError(f"relu: expected a {name} >= 0, got {value!r}.")
    above = x if max_value is None else ops.minimum(x, max_value)
    below = (ops.minimum(x, threshold) - threshold) * negative_slope if negative_slope else 0
    return ops.where(ops.greater(x, threshold), above, below)


def celu(x: TensorLike, alpha: float = 1.0) -> Tensor:
    """x if x > 0, else alpha · (exp(x / alpha) - 1): an elu of slope 1 at 0 for every alpha.

    Args:
      x: the input.
      alpha: minus the limit at -inf, > 0.

    Raises:
      ValueError: for an alpha <= 0.

    Example:
      >>> celu([0.0, 2.0]).tolist()
      [0.0, 2.0]

    Reference: Barron 2017, "Continuously differentiable exponential linear units", eq. 2.
    """
    if not alpha > 0:
        raise ValueError(f"celu: expected an alpha > 0, got {alpha!r}.")
    return ops.where(ops.greater(x, 0), x, ops.expm1(ops.minimum(x, 0) / alpha) * alpha)


def glu(x: TensorLike, axis: int = -1) -> Tensor:
    """a · sigmoid(b), for the halves a, b of an axis.

    Args:
      x: the input.
      axis: the axis to halve.

    Raises:
      ValueError: for an axis of odd size.

    Example:
      >>> glu([3.0, 0.0]).tolist()
      [1.5]

    Reference: Dauphin et al. 2017, eq. 1.
    """
    x = ops.convert_to_tensor(x)
    axis = normalize_axis(axis, len(dims(x)))
    size = dims(x)[axis]
    half = size // 2
    if dimensions.same(half * 2, size) is False:
        raise ValueError(f"glu: expected an even size along axis {axis}, got {describe(x)}.")
    before = (slice(None),) * axis
    return x[(*before, slice(None, half))] * ops.sigmoid(x[(*before, slice(half, None))])


def hard_shrink(x: TensorLike, threshold: float = 0.5) -> Tensor:
    """x if |x| > threshold, else 0 (Donoho & Johnstone 1994, eq. 5).

    >>> hard_shrink([-2.0, 0.25, 2.0]).tolist()
    [-2.0, 0.0, 2.0]
    """
    return ops.where(ops.less_equal(ops.absolute(x), threshold), 0, x)  # so that NaN stays


def soft_shrink(x: TensorLike, threshold: float = 0.5) -> Tensor:
    """x moved towards 0 by the threshold, or to 0 if that is nearer (Donoho & Johnstone 1994, eq. 6).

    >>> soft_shrink([-2.0, 0.25, 2.0]).tolist()
    [-1.5, 0.0, 1.5]
    """
    return ops.subtract(x, ops.clip(x, -threshold, threshold))


def tanh_shrink(x: TensorLike) -> Tensor:
    """x - tanh(x).

    >>> tanh_shrink([0.0]).tolist()
    [0.0]
    """
    return ops.subtract(x, ops.tanh(x))


def sparse_plus(x: TensorLike) -> Tensor:
    """0 below -1, (x + 1)² / 4 up to 1, x above: the integral of sparse_sigmoid.

    >>> sparse_plus([-2.0, 0.0, 2.0]).tolist()
    [0.0, 0.25, 2.0]
    """
    return ops.square(ops.clip(x, -1, 1) + 1) / 4.0 + ops.relu(ops.subtract(x, 1))


def sparse_sigmoid(x: TensorLike) -> Tensor:
    """(x + 1) / 2 cut off at 0 and 1: the sparsemax of x and 0 (Martins & Astudillo 2016, section 2.2).

    >>> sparse_sigmoid([-2.0, 0.0, 2.0]).tolist()
    [0.0, 0.5, 1.0]
    """
    return ops.clip(ops.add(x, 1) / 2.0, 0, 1)


def squareplus(x: TensorLike, b: float = 4) -> Tensor:
    """(x + sqrt(x² + b)) / 2, a softplus without exponentials (Barron 2021, eq. 1).

    >>> squareplus([0.0, 1.5]).tolist()
    [1.0, 2.0]
    """
    return ops.add(x, ops.sqrt(ops.square(x) + b)) / 2.0


def threshold(x: TensorLike, threshold: float, default_value: float) -> Tensor:
    """x if x > threshold, else default_value.

    >>> threshold([-1.0, 2.0], 0.0, 9.0).tolist()
    [9.0, 2.0]
    """
    return ops.where(ops.less_equal(x, threshold), default_value, x)  # so that NaN stays


_KNOWN = {name: value for name, value in globals().items() if name not in _IMPORTED and not name.startswith("_")}


def get(identifier: Any) -> Any:
    """The activation of a name, or the callable itself; None is linear.

    Raises:
      ValueError: for an unknown name, with the nearest known one.

    >>> get("relu")([-1.0, 2.0]).tolist()
    [0.0, 2.0]
    """
    return linear if identifier is None else resolve(identifier, _KNOWN, "activation")
