"""Pooling, looked-up rows and random bits in compiled functions: native throughout, equal to eager ones, atomic."""

import numpy as np
import pytest

import eagerly
from eagerly import GradientTape, Tensor, Variable, ops, random
from eagerly.graph import executor
from eagerly.layers import Embedding

X = np.random.default_rng(0).normal(size=(2, 9, 8, 5)).astype(np.float32)
INDEX = np.random.default_rng(1).integers(-50, 50, (4, 6))


@pytest.fixture
def plans(monkeypatch):
    """The plans that are made."""
    made = []
    begin = executor.Plan.__init__

    def spy(plan, *arguments):
        begin(plan, *arguments)
        made.append(plan)

    monkeypatch.setattr(executor.Plan, "__init__", spy)
    return made


@pytest.fixture
def step():
    """A step of training that looks rows up, drops some of their elements and pools."""
    table = Variable(np.random.default_rng(2).normal(size=(50, 12)).astype(np.float32), name="table")
    seed = random.SeedGenerator(3)

    def step(index, x):
        with GradientTape() as tape:
            tape.watch(x)
            rows = random.dropout(ops.take(table, index, axis=0), 0.4, seed=seed)
            best, mean = ops.max_pool(x, 2, 2, "same"), ops.average_pool(x, (3, 2), 2, "same")
            loss = ops.sum(rows * rows) * ops.sum(best * mean)
        gradients = [ops.convert_to_tensor(g) for g in tape.gradient(loss, [table, x])]
        table.assign_sub(gradients[0] * 0.01)
        return [loss, *gradients]

    return step, table, seed


def test_step_equals_the_eager_one_without_a_step_of_python(step, plans):
    run, table, seed = step
    before = table.numpy(), seed.state.numpy()
    found = eagerly.function(run)(Tensor(INDEX), Tensor(X))
    after = table.numpy(), seed.state.numpy()
    table.assign(before[0])
    seed.state.assign(before[1])
    expected = run(Tensor(INDEX), Tensor(X))
    for one, other in zip([*found, *after], [*expected, table, seed.state], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    (plan,) = plans
    assert plan.native, [str(task) for task in plan.tasks if task.launch is None]


def test_index_out_of_range_raises_and_changes_nothing(step):
    run, table, seed = step
    compiled = eagerly.function(run)
    compiled(Tensor(INDEX), Tensor(X))
    before = table.numpy(), seed.state.numpy()
    for wrong in (50, -51):
        index = INDEX.copy()
        index[2, 3] = wrong
        for function in (compiled, run):
            with pytest.raises(IndexError, match=f"index {wrong} is out of bounds for axis 0 with size 50"):
                function(Tensor(index), Tensor(X))
        np.testing.assert_array_equal(table.numpy(), before[0])
        seed.state.assign(before[1])  # an eager draw comes before the failure
    compiled(Tensor(INDEX), Tensor(X))
    assert (table.numpy() != before[0]).any()


def test_embedding_refuses_what_is_no_index_in_a_compiled_function_too():
    layer = Embedding(50, 3, name="words")
    compiled = eagerly.function(lambda index: [layer(index)])
    layer(np.zeros((2, 2), int))
    for dtype in ("int32", "int64", "float32"):
        for wrong in (-1, 50):
            for function in (compiled, layer):
                with pytest.raises(ValueError, match=rf"Embedding 'words': expected .* in \[0, 50\), got {wrong}\."):
                    function(Tensor([[1, wrong]], dtype))
        np.testing.assert_array_equal(compiled(Tensor([[1, 49]], dtype))[0], layer(np.array([[1, 49]])))


def slices(x):
    """The gradient is a part of a value that is made for it, and a copy of that."""
    with GradientTape() as tape:
        tape.watch(x)
        y = ops.concatenate([ops.max_pool(x, 2, 2, "same"), ops.average_pool(x, 2, 2, "same")], axis=-1)
        loss = ops.sum(ops.square(ops.pad(y, ((0, 0), (1, 1), (0, 2), (0, 0)))))
    return [loss, tape.gradient(loss, x)]


def totals(x):
    """The first and the last sum could be one loop, but for the addition that stands between them."""
    return [ops.sum(x * x) + ops.sum(ops.average_pool(x, 2)) + ops.sum(ops.exp(x))]


@pytest.mark.parametrize("function", [slices, totals])
def test_steps_wait_for_what_they_read(function):
    for one, other in zip(eagerly.function(function)(Tensor(X)), function(Tensor(X)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
