"""Activation functions, by the names, arguments and formulas of Keras 3.

Each is an elementwise function but softmax, log_softmax, sparsemax and glu; each takes anything array-like and gives a
Tensor of its shape (glu: half of an axis). Where `ops` has the function already, it is the very same object. `get`
knows each by the public names of this module.
"""

from __future__ import annotations

from typing import Any

from . import ops
from .configurable import resolve
from .tensor import AbstractTensor, Tensor, TensorLike

__all__ = [
    "celu",
    "elu",
    "exponential",
    "gelu",
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
    "sparsemax",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
    "threshold",
]

_IMPORTED = frozenset(globals())

celu = ops.celu
elu = ops.elu  # Clevert et al. 2016, eq. 15
glu = ops.glu
hard_shrink = ops.hard_shrink
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
soft_shrink = ops.soft_shrink
softmax = ops.softmax
softplus = ops.softplus  # Dugas et al. 2001
softsign = ops.softsign  # Bergstra et al. 2009
sparse_plus = ops.sparse_plus
sparse_sigmoid = ops.sparse_sigmoid
sparsemax = ops.sparsemax
squareplus = ops.squareplus
tanh = ops.tanh
tanh_shrink = ops.tanh_shrink
threshold = ops.threshold
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


def gelu(x: TensorLike, approximate: bool = False) -> Tensor:
    """`ops.gelu`, exact unless asked otherwise: x · Φ(x), where Φ is the normal distribution function.

    >>> gelu([-10.0, 0.0]).numpy().round(6).tolist()
    [-0.0, 0.0]
    """
    return ops.gelu(x, approximate)


_KNOWN = {name: value for name, value in globals().items() if name not in _IMPORTED and not name.startswith("_")}


def get(identifier: Any) -> Any:
    """The activation of a name, or the callable itself; None is linear.

    Raises:
      ValueError: for an unknown name, with the nearest known one.

    >>> get("relu")([-1.0, 2.0]).tolist()
    [0.0, 2.0]
    """
    return linear if identifier is None else resolve(identifier, _KNOWN, "activation")
