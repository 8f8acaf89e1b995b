"""Gradients through functions and functions of gradients, of any order; control flow and what it captures."""

import numpy as np
import pytest

import eagerly
from eagerly import GradientTape, Variable, ops
from eagerly.context import context
from eagerly.errors import GradientError, TraceError
from eagerly.graph import TensorSpec
from eagerly.tensor import Tensor

X = Tensor([1.0, 2.0, 3.0])


def values(structure):
    return [np.asarray(x).tolist() for x in eagerly.nest.flatten(structure)]


def mixed(a, b, v):
    return ops.sum(a * b * v), ops.argmax(a), ops.tanh(a) * v


def gradients_of(function, *args, watched=()):
    with GradientTape(persistent=True) as tape:
        floating = [x for x in args if x.dtype.kind == "f"]
        tape.watch(floating)
        y = function(*args)
    targets = [leaf for leaf in eagerly.nest.flatten(y) if leaf.dtype.kind == "f"]
    return y, tape.gradient(targets, [*floating, *watched], unconnected_gradients="zero")


def assert_same_gradients(function, *args, watched=()):
    before = [v._value for v in watched]
    want = gradients_of(function, *args, watched=watched)
    after = values(list(watched))
    for f in (
        lambda *args: gradients_of(eagerly.function(function), *args, watched=watched),  # through a function
        eagerly.function(lambda *args: gradients_of(function, *args, watched=watched)),  # a function of gradients
    ):
        for v, value in zip(watched, before, strict=True):
            v._value = value
        got = f(*args)
        assert len(values(got)) == len(values(want))
        for a, b in zip(values(got), values(want), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
        assert values(list(watched)) == after


def test_gradients():
    v = Variable([2.0, 0.5, 1.0])
    assert_same_gradients(lambda a, b: mixed(a, b, v), X, X + 1, watched=[v])
    want, got = (gradients_of(f, X, X)[1] for f in (lambda a, b: a * b * b, eagerly.function(lambda a, b: a * b * b)))
    assert values(got) == values(want) == [[3, 12, 27]] * 2  # of one tensor in two places
    assert_same_gradients(lambda a, unused, n: ops.sum(a * ops.cast(n, "float32")), X, X + 1, Tensor([1, 2, 3]))
    assert_same_gradients(lambda a: ops.sum(ops.transpose(a[:, ::2]) @ a), Tensor(np.ones((3, 4)), "float32"))


def test_gradients_of_assigned_variables():
    """Eagerly, a gradient sums over all reads and ends at an assignment; and so compiled."""
    v, w = Variable([1.0, 2.0, 3.0]), Variable([1.0, 1.0, 1.0])

    def function(a):
        before = v * a
        given = v.assign_add(a * a)
        w.assign(v * a)  # never read before
        return ops.sum(before + v * a * 3) + ops.sum(given * a) + ops.sum(w * w)

    assert_same_gradients(function, X, watched=[v, w])


def nth(function, n):
    """The n-th derivative, by tapes within tapes."""
    if n == 0:
        return function

    def derivative(x):
        with GradientTape() as tape:
            tape.watch(x)
            y = ops.sum(nth(function, n - 1)(x))
        return tape.gradient(y, x)

    return derivative


@pytest.mark.parametrize("order", [1, 2, 3])
def test_higher_orders(order):
    v = Variable(2.0)

    def function(x):
        return ops.sin(x) * x * v

    want = nth(function, order)(X)
    compiled = eagerly.function(function)
    for f in (nth(compiled, order), eagerly.function(nth(function, order)), eagerly.function(nth(compiled, order))):
        np.testing.assert_allclose(f(X), want, rtol=1e-5)


def test_gradients_with_unknown_sizes():
    @eagerly.function(input_signature=[TensorSpec((None, 3))])
    def f(x):
        n = ops.shape(x)[0]
        return ops.sum(ops.reshape(x, (n * 3,)) ** 2) * 2

    for n in (2, 5):
        _, (g,) = gradients_of(f, ops.ones((n, 3)))
        np.testing.assert_allclose(g, np.full((n, 3), 4))


# --- control flow

FLOWS = {
    "cond": lambda x, v: ops.cond(ops.sum(x) > 3, lambda: x * v, lambda: x - 1.0),
    "cond, the other way": lambda x, v: ops.cond(ops.sum(x) > 30, lambda: x * v, lambda: x - 1.0),
    "switch": lambda x, v: ops.switch(ops.argmax(x), [lambda z: z, lambda z: z * 2, lambda z: z * v], x),
    "while_loop": lambda x, v: ops.while_loop(lambda s: ops.sum(s) < 50, lambda s: (s * v + x,), (x,)),
    "fori_loop": lambda x, v: ops.fori_loop(0, ops.argmax(x) + 1, lambda i, s: s * v + ops.cast(i, "float32"), x),
    "scan": lambda x, v: ops.scan(lambda c, z: (c * z + v[0], c + x[0]), x[1], x),
    "map": lambda x, v: ops.map(lambda z: z * v + x, x),
    "associative_scan": lambda x, v: ops.associative_scan(lambda a, b: a * b, x * v),
    "vectorized_map": lambda x, v: ops.vectorized_map(lambda z: z * v[1], x),
    "nested": lambda x, v: ops.cond(
        ops.sum(x) > 1, lambda: ops.fori_loop(0, ops.argmax(x), lambda i, s: s * v, x), lambda: x
    ),
}


@pytest.mark.parametrize("name", FLOWS)
def test_control_flow(name):
    v = Variable([1.5, 1.0, 2.0])
    assert_same_gradients(lambda x: FLOWS[name](x, v), X, watched=[v])


def test_control_flow_of_unknown_sizes():
    v = Variable([1.5, 1.0, 2.0])

    def function(x):
        n = ops.shape(x)[0]
        flat = ops.fori_loop(0, 2, lambda i, s: ops.reshape(s, (n * 3,)) * 1.5, ops.reshape(x * v, (n * 3,)))
        return ops.cond(ops.sum(x) > 0, lambda: ops.reshape(flat, (n, 3)) * x, lambda: ops.zeros((n, 3)))

    f = eagerly.function(function, input_signature=[TensorSpec((None, 3))])
    for n in (1, 4):
        x = Tensor(np.arange(3.0 * n).reshape(n, 3), "float32")
        for got, want in zip(*(values(gradients_of(g, x, watched=[v])) for g in (f, function)), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-5)


def test_what_control_flow_cannot_do():
    v = Variable(ops.ones(3), name="v")
    with pytest.raises(TraceError, match="functions that assign no Variable, got an assignment of 'v'"):
        eagerly.function(lambda x: ops.cond(ops.sum(x) > 0, lambda: v.assign(x), lambda: x))(X)
    looped = eagerly.function(lambda x: ops.while_loop(lambda s: ops.sum(s) < 50, lambda s: (s * x,), (x,))[0])
    with pytest.raises(GradientError, match="no second-order gradient through control flow"):
        nth(looped, 2)(X * 2)
    assert context.is_clean()
