"""Calls one side on drawn arguments: results and gradients as arrays, or the error.

The gradient is that of a weighted sum of all floating outputs, with respect to all floating arrays among the arguments;
the weights are drawn once and are the same for both sides.
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import torch
from keras.src.backend.common import dtypes as keras_dtypes

import eagerly
from eagerly import ops as our_ops
from parity.drawing import BFLOAT16, is_float

# Keras narrows 64 bits to 32 in what it promotes, for JAX's sake, but on TensorFlow; we do what it does there. So this
# step is off, or float64 would be lost on the way of many a comparison; `test_promotion.py` looks at it by itself.
NARROWED = dict(keras_dtypes.BIT64_TO_BIT32_DTYPE)
keras_dtypes.BIT64_TO_BIT32_DTYPE.clear()


@dataclass
class Outcome:
    """What a call gave: the leaves of its result, the gradients of floating arguments and of weights; or the error."""

    leaves: list[Any]
    gradients: list[Any] | None = None
    error: BaseException | None = None
    of_weights: tuple[Any, ...] = ()


def find(ops, name):
    """The operation `name` of a side's `ops`, "image." included; None if it is not there."""
    for part in name.split("."):
        ops = getattr(ops, part, None)
    return ops


def flatten(x):
    """The leaves of tuples, lists and dictionaries."""
    if isinstance(x, dict):
        return [leaf for key in sorted(x) for leaf in flatten(x[key])]
    if isinstance(x, (tuple, list)):
        return [leaf for item in x for leaf in flatten(item)]
    return [x]


def _mapped(x, function):
    if isinstance(x, dict):
        return {key: _mapped(value, function) for key, value in x.items()}
    if isinstance(x, (tuple, list)):
        return type(x)([_mapped(item, function) for item in x])
    return function(x) if isinstance(x, np.ndarray) else x


def weights_of(leaves):
    """The weights of the sum that is differentiated: one array for each leaf, by its shape alone."""
    rng = np.random.default_rng(5)
    return [rng.normal(size=np.shape(leaf)) for leaf in leaves]


def to_torch(x):
    """A torch tensor with the values of an array."""
    if x.dtype == BFLOAT16:
        return torch.from_numpy(x.astype("float32")).to(torch.bfloat16)
    return torch.from_numpy(np.array(x))


def from_torch(x):
    """The array of a torch tensor, or the Python value itself."""
    if not isinstance(x, torch.Tensor):
        return x
    x = x.detach().resolve_conj()
    return x.float().numpy().astype(BFLOAT16) if x.dtype == torch.bfloat16 else x.numpy()


def run_torch(function, given, gradient=True, weights=()):
    """A call on torch tensors, with the gradients that autograd gives; of the weights (Keras's Variables) too."""
    sources = []

    def convert(x):
        tensor = to_torch(x)
        if gradient and is_float(x.dtype):
            sources.append(tensor.requires_grad_())
        return tensor

    args, kwargs = _mapped(given.args, convert), _mapped(given.kwargs, convert)
    try:
        leaves = flatten(function(*args, **kwargs))
        values = [from_torch(x) for x in leaves]
        if not gradient:
            return Outcome(values)
        targets = [
            (x, torch.from_numpy(np.asarray(w)).to(x.dtype))
            for x, w in zip(leaves, weights_of(values), strict=True)
            if isinstance(x, torch.Tensor) and x.requires_grad and not x.dtype.is_complex
        ]
        wanted = [*sources, *[weight.value for weight in weights]]
        found = [None] * len(wanted)
        if targets and wanted:
            outputs, sums = zip(*targets, strict=True)
            found = torch.autograd.grad(outputs, wanted, grad_outputs=sums, allow_unused=True)
        gradients = [from_torch(torch.zeros_like(x) if g is None else g) for x, g in zip(wanted, found, strict=True)]
        return Outcome(values, gradients[: len(sources)], of_weights=tuple(gradients[len(sources) :]))
    except Exception as error:
        return Outcome([], error=error)


def run_ours(function, given, gradient=True, weights=()):
    """A call on our tensors, with the gradients that a tape gives; of the weights (our Variables) too."""
    sources = []

    def convert(x):
        tensor = eagerly.Tensor(x)
        if gradient and is_float(x.dtype):
            sources.append(tensor)
        return tensor

    args, kwargs = _mapped(given.args, convert), _mapped(given.kwargs, convert)
    try:
        with eagerly.GradientTape() as tape:
            tape.watch(sources)
            leaves = flatten(function(*args, **kwargs))
        values = [_array(x) for x in leaves]
        if not gradient:
            return Outcome(values)
        pairs = [
            (x, w.astype(value.dtype))
            for x, value, w in zip(leaves, values, weights_of(values), strict=True)
            if isinstance(x, eagerly.Tensor) and is_float(value.dtype)
        ]
        wanted = [*sources, *weights]
        found = [None] * len(wanted)
        if pairs and wanted:
            found = tape.gradient([x for x, _ in pairs], wanted, output_gradients=[w for _, w in pairs])
        gradients = [np.zeros_like(_array(x)) if g is None else _array(g) for x, g in zip(wanted, found, strict=True)]
        return Outcome(values, gradients[: len(sources)], of_weights=tuple(gradients[len(sources) :]))
    except Exception as error:
        return Outcome([], error=error)


def _array(x):
    return x.numpy() if isinstance(x, (eagerly.Tensor, eagerly.Variable)) else x


def run_row(name, row, given):
    """Ours and Keras's outcome of a row's call."""
    gradient = "gradient" in row.compare

    def of(ops):
        if row.call is None:
            return find(ops, name)
        return lambda *args, **kwargs: row.call(ops, *args, **kwargs)

    return run_ours(of(our_ops), given, gradient), run_torch(of(keras.ops), given, gradient)
