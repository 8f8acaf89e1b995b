"""eagerly: Keras-style model building on an eager NumPy core.

The tensor core loads at once, the rest when it is first asked for, so that `import eagerly` stays quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import ops as ops
from .errors import suggest as _suggest
from .gradients import custom_gradient as custom_gradient
from .gradients import gradients_function as gradients_function
from .gradients import hvp as hvp
from .gradients import implicit_gradients as implicit_gradients
from .gradients import implicit_value_and_gradients as implicit_value_and_gradients
from .gradients import jvp as jvp
from .gradients import recompute_grad as recompute_grad
from .gradients import value_and_gradients_function as value_and_gradients_function
from .ops import draws as _draws
from .ops import fused as _fused
from .slices import IndexedSlices as IndexedSlices
from .tape import GradientTape as GradientTape
from .tensor import Tensor as Tensor
from .variable import Variable as Variable

if TYPE_CHECKING:
    from . import activations as activations
    from . import callbacks as callbacks
    from . import checkpoint as checkpoint
    from . import constraints as constraints
    from . import data as data
    from . import datasets as datasets
    from . import debugging as debugging
    from . import initializers as initializers
    from . import layers as layers
    from . import losses as losses
    from . import metrics as metrics
    from . import models as models
    from . import optim as optim
    from . import random as random
    from . import regularizers as regularizers
    from .graph import Function as Function
    from .graph import TensorSpec as TensorSpec
    from .graph import function as function
    from .layers import Input as Input
    from .layers import Layer as Layer
    from .losses import Loss as Loss
    from .metrics import Metric as Metric
    from .models import Model as Model
    from .models import Sequential as Sequential
    from .ops import convert_to_tensor as convert_to_tensor
    from .ops import stop_gradient as stop_gradient
    from .optim import Optimizer as Optimizer
    from .trackable import Trackable as Trackable

__version__ = "0.1.0"

# Where each name that loads on demand is defined; a module's own name stands for the module.
_LAZY = {
    **dict.fromkeys(
        (
            "activations",
            "callbacks",
            "checkpoint",
            "constraints",
            "data",
            "datasets",
            "debugging",
            "initializers",
            "layers",
        ),
        "",
    ),
    **dict.fromkeys(("losses", "metrics", "models", "optim", "random", "regularizers"), ""),
    "Function": "graph",
    "Input": "layers",
    "Layer": "layers",
    "Loss": "losses",
    "Metric": "metrics",
    "Model": "models",
    "Optimizer": "optim",
    "Sequential": "models",
    "TensorSpec": "graph",
    "Trackable": "trackable",
    "convert_to_tensor": "ops",
    "function": "graph",
    "stop_gradient": "ops",
}

# Keras's names for what has another one here.
_ELSEWHERE = {
    "optimizers": "eagerly.optim",
    "KerasTensor": "eagerly.tensor.AbstractTensor",
}


def _normal(*args: Any, **kwargs: Any) -> Any:
    return importlib.import_module(".random", __name__).normal(*args, **kwargs)


def _made(*args: Any) -> Any:
    return importlib.import_module(".graph.fused", __name__).made(*args)


_draws.normal = _normal
_fused.make = _made


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        hint = f" It is {_ELSEWHERE[name]} here." if name in _ELSEWHERE else _suggest(name, __dir__())
        raise AttributeError(f"module 'eagerly' has no attribute {name!r}.{hint}")
    home = _LAZY[name]
    value = (
        importlib.import_module(f".{name}", __name__)
        if not home
        else getattr(importlib.import_module(f".{home}", __name__), name)
    )
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY} - {"TYPE_CHECKING", "Any", "annotations", "importlib"})
