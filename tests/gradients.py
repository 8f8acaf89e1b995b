"""Gradients against central differences.

Along one random direction a difference quotient, two evaluations of the function, checks all entries of the gradient at
once. Higher orders check the gradient as a function in the same way. Everything is float64.
"""

import numpy as np

from eagerly import nest, ops
from eagerly.tape import GradientTape
from eagerly.tensor import Tensor

STEP = 1e-5


def weighted_sum(function, weights):
    """The function's outputs, summed with fixed random weights: one number that depends on every element."""

    def total(*tensors):
        outputs = [ops.view_as_real(y) if y.dtype.kind == "c" else y for y in nest.flatten(function(*tensors))]
        while len(weights) < len(outputs):
            weights.append(np.random.default_rng(len(weights)).uniform(0.5, 1.5, outputs[len(weights)].shape))
        return sum((ops.sum(y * w) for y, w in zip(outputs, weights, strict=True)), start=ops.zeros((), "float64"))

    return total


def gradient_of(function):
    """The gradients of a scalar function as a function: zeros where there is none."""

    def gradients(*tensors):
        with GradientTape() as tape:
            tape.watch(tensors)
            y = function(*tensors)
        return tape.gradient(y, tensors, unconnected_gradients="zero")

    return gradients


def check_gradients(function, inputs, order=2, rtol=2e-6, atol=2e-7):
    """Fails if a gradient of `function` at `inputs`, up to the order, differs from differences, or an input changed.

    Args:
      function: from Tensors to a floating-point or complex Tensor or a structure of them.
      inputs: arrays of numbers, or Tensors to check at; converted to float64.
      order: how often to differentiate.
      rtol: relative tolerance of the directional derivative.
      atol: absolute tolerance of the directional derivative.
    """
    tensors = [x if isinstance(x, Tensor) else Tensor(x, "float64") for x in inputs]
    before = [x.numpy().tobytes() for x in tensors]
    total = weighted_sum(function, [])
    gradients = gradient_of(total)(*tensors)
    for x, g in zip(tensors, gradients, strict=True):
        assert (g.shape, g.dtype) == (x.shape, x.dtype), f"the gradient of {x.dtype}{x.shape} is {g.dtype}{g.shape}"
    rng = np.random.default_rng(7)
    directions = [rng.uniform(-1, 1, x.shape) for x in tensors]
    ahead, behind = (
        float(total(*(Tensor(x.numpy() + sign * STEP * d) for x, d in zip(tensors, directions, strict=True))))
        for sign in (1, -1)
    )
    expected = (ahead - behind) / (2 * STEP)
    actual = sum(float(np.sum(g.numpy() * d)) for g, d in zip(gradients, directions, strict=True))
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol, err_msg=f"{order} orders left to check")
    if order > 1:
        check_gradients(gradient_of(total), tensors, order - 1, 10 * rtol, 10 * atol)
    assert [x.numpy().tobytes() for x in tensors] == before, "an input has changed"
