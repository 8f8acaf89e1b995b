"""Cheap operations on what is in memory anyway stand in every loop that needs them, and are stored nowhere."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eagerly
from eagerly import Tensor, Variable, ops
from eagerly.graph.executor import Plan

X = Tensor(np.random.default_rng(0).normal(size=(40, 30)).astype(np.float32))
ROW = Tensor(np.random.default_rng(1).normal(size=30).astype(np.float32))


def stored(function, *args, size=1200):
    """How often a function's tasks store as many elements, after its results have been compared with eager ones."""
    compiled = eagerly.function(function)
    got, want = compiled(*args), function(*args)
    for a, b in zip(got if type(got) is tuple else [got], want if type(want) is tuple else [want], strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-4)
    tasks = Plan(compiled.graph(*args)).tasks
    assert all(task.launch is not None for task in tasks), [str(task) for task in tasks]
    return sum(math.prod(map(int, y.shape)) == size for task in tasks for y in task.outputs)


def normalized(x):
    """Normalized columns, of which only the sums are needed."""
    less = x - ops.mean(x, axis=0)
    return ops.sum(less / ops.sqrt(ops.mean(less * less, axis=0) + 1e-3), axis=0)


def test_a_difference_is_computed_in_each_loop():
    assert stored(normalized, X) == 0
    assert stored(lambda x: normalized(x * 0.5 + 1), X) == 1  # of two cheap ones the second
    assert stored(lambda x: (normalized(ops.tanh(x)), ops.tanh(x)), X) == 1  # which is stored anyway


@pytest.mark.parametrize(
    "function",
    (
        lambda x: (normalized(x), x - ops.mean(x, axis=0)),  # a result
        lambda x: normalized(ops.exp(x)),  # what it is made of is not in memory
        lambda x: ops.sum((y := ops.exp(x)) - ops.mean(y, axis=0), axis=0),  # no cheap one
        lambda x: normalized(ops.transpose(ops.reshape(x, (30, 40)))),  # in another order
    ),
)
def test_what_has_to_be_stored_is_stored_once(function):
    assert stored(function, X) == 1


def test_an_operation_that_a_call_needs_too():
    def function(x, row):
        less = x - row
        return ops.sum(less * ops.sum(less, axis=0), axis=0), less @ ops.transpose(less)

    assert stored(function, X, ROW) == 1


def test_elements_in_another_order_are_loaded():
    def function(x, row):
        less = x + row
        total = ops.sum(less, axis=0)
        turned = ops.transpose(less) * ops.max(total)
        return total, ops.sum(turned * turned, axis=1)

    assert stored(function, X, ROW) <= 1


def test_a_variable_that_is_updated_where_it_is():
    v = Variable(X)

    @eagerly.function
    def step(row):
        less = v - row
        total = ops.sum(less, axis=0)
        v.assign(v * 0.5)
        return total, ops.sum(less * total, axis=0)

    less = X.numpy() - ROW.numpy()
    total, other = step(ROW)
    np.testing.assert_allclose(total, less.sum(axis=0), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(other, (less * less.sum(axis=0)).sum(axis=0), rtol=1e-4, atol=1e-3)
    np.testing.assert_array_equal(v, X.numpy() * 0.5)
    assert Plan(step.graph(ROW)).in_place


def test_a_loop_is_not_made_too_long():
    def function(x):
        less = x - ops.mean(x, axis=0)
        y = less
        for n in range(100):
            y = y * less + n
        return ops.sum(less, axis=0), y

    stored(function, X)


KINDS = ("center rows", "center columns", "add", "scale", "relu", "square", "tanh", "turn", "sum", "flat")


def run(program, x, row):
    y, kept = x, []
    for kind, keep in program:
        before = y
        if kind == "center rows":
            y = y - ops.mean(y, axis=1, keepdims=True)
        elif kind == "center columns":
            y = y - ops.mean(y, axis=0)
        elif kind == "add":
            y = y + row
        elif kind == "scale":
            y = y * 0.5
        elif kind == "turn":
            y = ops.transpose(ops.reshape(y, x.shape[::-1]))
        elif kind == "sum":
            kept.append(ops.sum(y * x, axis=0))
        elif kind == "flat":
            y = ops.reshape(ops.reshape(y, (-1,)) * 0.7, x.shape)
        else:
            y = getattr(ops, kind)(y)
        if keep == 1:
            kept.append(y)
        elif keep == 2:
            y = y + ops.max(before, axis=0) * before
    return (*kept, ops.sum(y, axis=1), ops.sum(y * y, axis=0))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 3)), min_size=1, max_size=7), st.sampled_from((9, 40)))
def test_random_programs(program, rows):
    stored(lambda x, row: run(program, x, row), X[:rows] * 0.3, ROW)
