"""What looks at an element's place along the last axis is in loops whose columns are that axis."""

import numpy as np
import pytest

import eagerly
from eagerly import GradientTape, Tensor, kernels, ops

RNG = np.random.default_rng(0)


def tensor(*shape):
    return Tensor(RNG.integers(-9, 9, shape).astype(np.float32))


def index(size, *shape):
    return Tensor(RNG.integers(-size, size, shape).astype(np.int32))


def spread(x, i):
    """The gradient of what is taken along the last axis."""
    with GradientTape() as tape:
        tape.watch(x)
        y = ops.sum(3 * ops.take_along_axis(x, i, axis=-1))
    return tape.gradient(y, x)


CASES = {
    "another operand cuts the axis": (
        lambda x, i, b: ops.reshape(spread(x, i), (5, 2, 3)) + b,
        (tensor(5, 6), index(6, 5, 1), tensor(3)),
    ),
    "one row of more elements than a task's": (spread, (tensor(1, 40_000), Tensor([[30_000]], "int32"))),
    "with what has the same elements": (
        lambda x, i: spread(x, i) + ops.exp(x),
        (tensor(1, 40_000), Tensor([[30_000]], "int32")),
    ),
    "of what a loop has for each row": (
        lambda x, i: ops.take_along_axis(2 * ops.max(x, axis=-1), i, axis=-1),
        (tensor(5, 4, 3), index(4, 5, 1)),
    ),
    "of one element for each row": (
        lambda x, i: ops.take_along_axis(ops.max(x, axis=-1, keepdims=True), i, axis=-1) + x,
        (tensor(5, 4), index(1, 5, 1)),
    ),
    "the gradient of a row's element": (
        lambda x, i: spread(ops.max(x, axis=-1, keepdims=True), i) * x,
        (tensor(5, 4), index(1, 5, 1)),
    ),
    "cut before": (
        lambda x, i, b: ops.take_along_axis(ops.reshape(ops.exp(x) + b, (5, 6)), i, axis=-1),
        (tensor(5, 2, 3), index(6, 5, 1), tensor(3)),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_places_along_the_last_axis(name):
    function, args = CASES[name]
    np.testing.assert_allclose(eagerly.function(function)(*args).numpy(), function(*args).numpy(), rtol=1e-5)
    assert not kernels.failures
