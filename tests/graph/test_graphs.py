"""Graphs: how they print, what passes leave out, and that every error planted in one is found."""

import numpy as np
import pytest

import eagerly
from eagerly import Variable, kernels, ops
from eagerly.graph import passes
from eagerly.graph.graph import Graph, Node
from eagerly.ops import elementwise
from eagerly.tensor import AbstractTensor, Tensor

X = Tensor([1.0, 2.0, 3.0])


def test_print():
    w, v = Variable(2.0, name="w"), Variable([1.0, 2.0, 3.0], name="v")

    def function(x, k):
        y = ops.exp(x * k + w)
        return {"s": ops.sum(y, axis=0), "v": v.assign_sub(ops.broadcast_to(y[1], (3,)))}

    assert str(eagerly.function(function, name="step").graph(X, 2)) == (
        "step(x0: float32[3]):\n"
        "  read w: float32[]\n"
        "  read v: float32[3]\n"
        "  %0: float32[3] = multiply(x0, 2)\n"
        "  %1: float32[3] = add(%0, w)\n"
        "  %2: float32[3] = exp(%1)\n"
        "  %3: float32[] = sum(%2, axis=0)\n"
        "  %4: float32[] = getitem(%2, key=(1,))\n"
        "  %5: float32[3] = broadcast_to(%4, shape=(3,))\n"
        "  %6: float32[3] = subtract(v, %5)\n"
        "  assign v = %6\n"
        "  return %3, %6"
    )


def test_passes_leave_out_what_changes_nothing():
    def function(x):
        unused = ops.exp(x)  # noqa: F841
        y = ops.reshape(x * 1 + ops.zeros(3) * 2, (3,))
        return ops.tanh(y) + ops.tanh(y), ops.sqrt(Tensor(4.0))

    graph = eagerly.function(function).graph(X)
    assert [node.primitive.name for node in graph.nodes] == ["add", "tanh", "add"]


def planted():
    x = AbstractTensor((3,), "float32")
    y, z = AbstractTensor((3,), "float32"), AbstractTensor((3,), "float32")
    nodes = [Node(elementwise.exp, (x,), {}, (y,)), Node(elementwise.add, (x, y), {}, (z,))]
    return Graph([x], [], nodes, [z], [])


ERRORS = {
    "used before": lambda g: g.nodes.reverse(),
    "before it is made": lambda g: g.nodes.pop(0),
    "never made": lambda g: g.outputs.append(AbstractTensor((3,))),
    "made twice": lambda g: g.nodes.append(Node(elementwise.exp, (g.inputs[0],), {}, g.nodes[0].outputs)),
    "cannot become": lambda g: g.updates.append((Variable([1, 2, 3]), g.outputs[0])),
}


@pytest.mark.parametrize("name", ERRORS)
def test_checks_catch_planted_errors(name):
    graph = planted().check()
    ERRORS[name](graph)
    with pytest.raises(AssertionError, match=name if name != "used before" else "before it is made"):
        graph.check()


@pytest.mark.parametrize("name", ["prune", "simplify", "share"])
def test_every_pass_is_checked(name, monkeypatch):
    def wrong(graph):
        graph.outputs = [AbstractTensor((3,))]
        return graph

    monkeypatch.setattr(passes, name, wrong)
    with pytest.raises(AssertionError, match="is never made"):
        passes.optimize(planted())


@pytest.mark.parametrize(
    "function",
    {
        "rows cut by a vector": lambda x, c: ops.sum(ops.relu(x + c[0, 0]), axis=(1, 2)),
        "a row of another order": lambda x, c: ops.sum(x * x + ops.transpose(c, (1, 0, 2)), axis=1),
        "two ways at once": lambda x, c: ops.exp(ops.transpose(x, (1, 0, 2)) + c) - x[:, :, :1],
        "where it is computed again": lambda x, c: (
            (y := x + c[:, :1]) * ops.sum(y, axis=(1, 2), keepdims=True) + y * ops.sum(y, axis=0, keepdims=True)
        ),
        "after a reduction": lambda x, c: ops.sum(x, axis=2, keepdims=True) * c[:, :1, :1] + c[:1, :, :1],
    }.values(),
)
def test_constants_are_gone_through_as_values_are(function):
    """Whether a loop can go through an operand does not depend on when its elements are known."""
    x, c = (Tensor(np.random.default_rng(seed).normal(size=(6, 6, 4)).astype("float32")) for seed in (1, 2))
    got = eagerly.function(lambda x: function(x, c))(x)
    np.testing.assert_allclose(got, function(x, c), rtol=1e-5, atol=1e-5)
    assert not kernels.failures
