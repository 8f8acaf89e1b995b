"""The metrics of `eagerly.metrics`, under the names and with the arguments of Keras 3."""

from __future__ import annotations

import inspect as _inspect
from typing import Any as _Any

from .. import configurable as _configurable
from ..losses import binary_crossentropy as binary_crossentropy
from ..losses import categorical_crossentropy as categorical_crossentropy
from ..losses import huber as huber
from ..losses import kl_divergence as kl_divergence
from ..losses import log_cosh as log_cosh
from ..losses import mean_absolute_error as mean_absolute_error
from ..losses import mean_absolute_percentage_error as mean_absolute_percentage_error
from ..losses import mean_squared_error as mean_squared_error
from ..losses import mean_squared_logarithmic_error as mean_squared_logarithmic_error
from ..losses import poisson as poisson
from ..losses import sparse_categorical_crossentropy as sparse_categorical_crossentropy
from .accuracy import Accuracy as Accuracy
from .accuracy import BinaryAccuracy as BinaryAccuracy
from .accuracy import CategoricalAccuracy as CategoricalAccuracy
from .accuracy import SparseCategoricalAccuracy as SparseCategoricalAccuracy
from .accuracy import binary_accuracy as binary_accuracy
from .accuracy import categorical_accuracy as categorical_accuracy
from .accuracy import sparse_categorical_accuracy as sparse_categorical_accuracy
from .base import Metric as Metric
from .errors import BinaryCrossentropy as BinaryCrossentropy
from .errors import CategoricalCrossentropy as CategoricalCrossentropy
from .errors import KLDivergence as KLDivergence
from .errors import LogCoshError as LogCoshError
from .errors import MeanAbsoluteError as MeanAbsoluteError
from .errors import MeanAbsolutePercentageError as MeanAbsolutePercentageError
from .errors import MeanSquaredError as MeanSquaredError
from .errors import MeanSquaredLogarithmicError as MeanSquaredLogarithmicError
from .errors import Poisson as Poisson
from .errors import RootMeanSquaredError as RootMeanSquaredError
from .errors import SparseCategoricalCrossentropy as SparseCategoricalCrossentropy
from .reductions import Mean as Mean
from .reductions import MeanMetricWrapper as MeanMetricWrapper
from .reductions import Sum as Sum

_CLASSES = {name: value for name, value in _configurable.known_names(globals()).items() if _inspect.isclass(value)}
# A name in lower case is the metric's, as in Keras: "binary_accuracy" gives an object with state, not the function.
_KNOWN = _configurable.aliased(
    {**_CLASSES, **{_configurable.snake_case(name): value for name, value in _CLASSES.items()}},
    {
        "acc": "Accuracy",
        "bce": "BinaryCrossentropy",
        "BCE": "BinaryCrossentropy",
        "mae": "MeanAbsoluteError",
        "MAE": "MeanAbsoluteError",
        "mape": "MeanAbsolutePercentageError",
        "MAPE": "MeanAbsolutePercentageError",
        "mse": "MeanSquaredError",
        "MSE": "MeanSquaredError",
        "msle": "MeanSquaredLogarithmicError",
        "MSLE": "MeanSquaredLogarithmicError",
    },
)


def get(identifier: _Any) -> _Any:
    """The metric of a name, a configuration, a class, or the callable itself; None stays None.

    Raises:
      ValueError: for an unknown name, with the nearest known one.

    >>> get("mse"), get({"class_name": "BinaryAccuracy", "config": {"threshold": 0.7}})
    (<MeanSquaredError 'mean_squared_error'>, <BinaryAccuracy 'binary_accuracy'>)
    """
    return _configurable.resolve(identifier, _KNOWN, "metric")
