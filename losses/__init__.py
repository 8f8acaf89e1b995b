"""The losses of `eagerly.losses`, under the names and with the arguments of Keras 3.

Each is a function, with a value for each example, and a class that weights and reduces these.
"""

from __future__ import annotations

from typing import Any as _Any

from .. import configurable as _configurable
from .base import Loss as Loss
from .base import LossFunctionWrapper as LossFunctionWrapper
from .probabilistic import BinaryCrossentropy as BinaryCrossentropy
from .probabilistic import CategoricalCrossentropy as CategoricalCrossentropy
from .probabilistic import KLDivergence as KLDivergence
from .probabilistic import Poisson as Poisson
from .probabilistic import SparseCategoricalCrossentropy as SparseCategoricalCrossentropy
from .probabilistic import binary_crossentropy as binary_crossentropy
from .probabilistic import categorical_crossentropy as categorical_crossentropy
from .probabilistic import kl_divergence as kl_divergence
from .probabilistic import poisson as poisson
from .probabilistic import sparse_categorical_crossentropy as sparse_categorical_crossentropy
from .regression import Huber as Huber
from .regression import LogCosh as LogCosh
from .regression import MeanAbsoluteError as MeanAbsoluteError
from .regression import MeanAbsolutePercentageError as MeanAbsolutePercentageError
from .regression import MeanSquaredError as MeanSquaredError
from .regression import MeanSquaredLogarithmicError as MeanSquaredLogarithmicError
from .regression import huber as huber
from .regression import log_cosh as log_cosh
from .regression import mean_absolute_error as mean_absolute_error
from .regression import mean_absolute_percentage_error as mean_absolute_percentage_error
from .regression import mean_squared_error as mean_squared_error
from .regression import mean_squared_logarithmic_error as mean_squared_logarithmic_error

# Keras's short names, each in lower and upper case.
_SHORT = {
    "bce": "binary_crossentropy",
    "kld": "kl_divergence",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "mse": "mean_squared_error",
    "msle": "mean_squared_logarithmic_error",
}
_KNOWN = _configurable.aliased(
    _configurable.known_names(globals()), {**_SHORT, **{short.upper(): name for short, name in _SHORT.items()}}
)


def get(identifier: _Any) -> _Any:
    """The loss of a name, a configuration, a class, or the callable itself; None stays None.

    Raises:
      ValueError: for an unknown name, with the nearest known one.

    >>> get("mse").__name__, get({"class_name": "Huber", "config": {"delta": 2.0}})
    ('mean_squared_error', <Huber 'huber_loss', reduction='sum_over_batch_size'>)
    """
    return _configurable.resolve(identifier, _KNOWN, "loss")
