"""Masks and sums of max-pooling's gradient are taken before it is spread, where that is less and means the same."""

import numpy as np
import pytest

import eagerly
from eagerly import GradientTape, Tensor, TensorSpec, ops

X = Tensor(np.random.default_rng(0).integers(-3, 4, (2, 9, 8, 3)).astype(np.float32))  # with many equal ones
K = Tensor(np.random.default_rng(1).normal(size=(3, 3, 3, 4)).astype(np.float32))
B = Tensor(np.random.default_rng(2).normal(size=4).astype(np.float32))


def layer(pool_size, strides, padding):
    """The gradients of a convolution with relu and pooling."""

    def step(x, k, b):
        with GradientTape() as tape:
            tape.watch([k, b])
            y = ops.max_pool(ops.relu(ops.conv(x, k) + b), pool_size, strides, padding)
            loss = ops.sum(ops.sin(y) * 3)
        return loss, *tape.gradient(loss, [k, b])

    return step


def alike(function, *args):
    """The graph, after its results have been compared with eager ones."""
    compiled = eagerly.function(function)
    for got, want in zip(compiled(*args), function(*args), strict=True):
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-4, atol=1e-4)
    return compiled.graph(*args)


def order(graph):
    """The operations around the spreading of the gradient."""
    names = [node.primitive.name for node in graph.nodes]
    return [name for name in names if name in ("greater", "max_pool_gradient", "sum")][1:]  # after the loss


def operand_sizes(graph, name):
    return [tuple(node.inputs[0].shape) for node in graph.nodes if node.primitive.name == name]


@pytest.mark.parametrize("padding", ("valid", "same"))
@pytest.mark.parametrize("strides", (1, 2, 3))
@pytest.mark.parametrize("size", (2, 3, (3, 1)))
def test_mask_and_sum_come_first(size, strides, padding):
    graph = alike(layer(size, strides, padding), X, K, B)
    assert order(graph) == ["greater", "max_pool_gradient", "sum"]
    (g, _), *_ = (node.inputs for node in graph.nodes if node.primitive.name == "max_pool_gradient")
    assert operand_sizes(graph, "greater") == [tuple(g.shape)] == operand_sizes(graph, "sum")[1:]


def test_one_axis_of_space_and_a_batch_of_unknown_size():
    @eagerly.function(input_signature=[TensorSpec((None, 9, 3)), TensorSpec((3, 3, 4)), TensorSpec((4,))])
    def step(x, k, b):
        return layer(2, 2, "valid")(x, k, b)

    for size in (1, 2):
        x = X[:size, :, 0]
        for got, want in zip(step(x, K[0], B), layer(2, 2, "valid")(x, K[0], B), strict=True):
            np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-4, atol=1e-4)
        assert order(step.graph(x, K[0], B)) == ["greater", "max_pool_gradient", "sum"]


def test_what_is_no_number():
    x = X.numpy()
    x[0, 1, 1], x[0, 5, 5], x[1, 2, 2] = np.nan, np.inf, -np.inf
    alike(layer(2, 2, "valid"), Tensor(x), K, B)


def test_a_mask_that_a_loop_over_the_pixels_applies_stays():
    def step(x, k, b):
        with GradientTape() as tape:
            tape.watch([k, b])
            y = ops.max_pool(ops.relu(ops.sin(ops.conv(x, k) + b)), 2)
            loss = ops.sum(y * y)
        return loss, *tape.gradient(loss, [k, b])

    graph = alike(step, X, K, B)
    assert operand_sizes(graph, "greater") == [(2, 7, 6, 4)] == operand_sizes(graph, "sum")[1:]


def test_other_masks_and_sums_stay():
    def other(spread):
        def step(x, k, b):
            with GradientTape() as tape:
                y = ops.relu(ops.conv(x, k) + b)
                tape.watch(y)
                loss = ops.sum(ops.max_pool(y, 2) ** 2)
            return (loss, *spread(tape.gradient(loss, y), y, k))

        return step

    def gradient(x, k):
        return ops.conv(x, ops.transpose(k, (0, 1, 3, 2)))

    for spread in (
        lambda g, y, k: [gradient(g * ops.cast(ops.relu(y * 2) > 0, "float32"), k)],  # of another image
        lambda g, y, k: [gradient(g * ops.cast(y > g, "float32"), k)],  # no number
        lambda g, y, k: [gradient(g * ops.cast(y > 0, "float32"), k), gradient(g, k)],  # both are needed
        lambda g, y, k: [g * ops.cast(y > 0, "float32")],  # a result
    ):
        graph = alike(other(spread), X, K, B)
        assert operand_sizes(graph, "greater") == [(2, 7, 6, 4)]
    for axis in (0, 1, (0, 1), (0, 3), 3):
        graph = alike(other(lambda g, y, k, axis=axis: [ops.sum(g, axis=axis)]), X, K, B)
        assert operand_sizes(graph, "sum")[1:] == [(2, 7, 6, 4)]
    for axis in ((1, 2), (0, 1, 2), (-2, -3), None):
        for keepdims in (False, True):
            made = other(lambda g, y, k, axis=axis, keep=keepdims: [ops.sum(g, axis=axis, keepdims=keep)])
            graph = alike(made, X, K, B)
            assert operand_sizes(graph, "sum")[1:] == [(2, 3, 3, 4)] and not operand_sizes(graph, "max_pool_gradient")
