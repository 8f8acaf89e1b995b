"""Jacobians: of a target by all sources, and of each example of a batch by itself."""

import numpy as np
import pytest

from eagerly import ops
from eagerly.dimensions import unknown
from eagerly.errors import GradientError
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from eagerly.variable import Variable


def test_a_jacobian_has_the_targets_shape_and_then_the_sources():
    rng = np.random.default_rng(0)
    a, b = Tensor(rng.normal(size=(2, 3))), Variable(rng.normal(size=(3, 4)), name="b")
    with GradientTape(persistent=True) as tape:
        tape.watch(a)
        y = ops.matmul(a, b)
    da, (db,) = tape.jacobian(y, (a, [b]))
    assert da.shape == (2, 4, 2, 3) and db.shape == (2, 4, 3, 4)
    expected = np.einsum("ik,lj->ijkl", np.eye(2), b.numpy())  # dy[i, j] / da[k, l] = 1[i = k] b[l, j]
    np.testing.assert_allclose(da.numpy(), np.einsum("ijkl->ijkl", expected))
    np.testing.assert_allclose(db.numpy(), np.einsum("il,jk->ijlk", a.numpy(), np.eye(4)))
    total = ops.sum(da, axis=(0, 1))
    np.testing.assert_allclose(total.numpy(), tape.gradient(y, a).numpy())


def test_jacobians_of_scalars_of_nothing_and_of_the_unrelated():
    x, other = Variable([1.0, 2.0]), Variable(1.0)
    with GradientTape(persistent=True) as tape:
        y = ops.sum(x * x)
        empty = x[:0] * 2.0
    assert tape.jacobian(y, x).tolist() == [2.0, 4.0]
    assert tape.jacobian(y, [other]) == [None]
    assert tape.jacobian(x * x, [other], unconnected_gradients="zero")[0].tolist() == [0.0, 0.0]
    assert tape.jacobian(empty, x).shape == (0, 2)


def test_a_batch_jacobian_is_the_diagonal_of_the_jacobian():
    x = Variable(np.random.default_rng(0).normal(size=(3, 4)))
    w = np.random.default_rng(1).normal(size=(4, 2))
    with GradientTape(persistent=True) as tape:
        y = ops.reshape(ops.tanh(x @ w), (3, 2, 1))
    whole, rows = tape.jacobian(y, x).numpy(), tape.batch_jacobian(y, x).numpy()
    assert rows.shape == (3, 2, 1, 4)
    for i in range(3):
        np.testing.assert_allclose(rows[i], whole[i, :, :, i])
        assert not whole[i, :, :, (i + 1) % 3].any()
    assert tape.batch_jacobian(y[:, :0], x).shape == (3, 0, 1, 4)
    with pytest.raises(ValueError, match=r"batch_jacobian: expected .* one first axis, got target float64\[2, 4\]"):
        tape.batch_jacobian(x[:2], x)
    with pytest.raises(GradientError, match="jacobian: expected a target of known size"):
        symbol = AbstractTensor((unknown("n"), 2))
        tape.jacobian(symbol, x)


def test_a_jacobian_counts_as_the_one_gradient_and_has_gradients():
    x = Variable([1.0, 2.0], dtype="float64")
    with GradientTape() as tape:
        y = x * x
    assert tape.jacobian(y, x).tolist() == [[2.0, 0.0], [0.0, 4.0]]
    with pytest.raises(GradientError, match="gives one gradient"):
        tape.jacobian(y, x)
    with GradientTape() as outer:
        with GradientTape() as inner:
            y = x * x * x
        first = inner.jacobian(y, x)
    second = outer.jacobian(first, x)  # d2 y[i] / dx[j] dx[k] = 6 x[i] where all are equal
    assert second.shape == (2, 2, 2)
    assert second.numpy()[0, 0].tolist() == [6.0, 0.0] and second.numpy()[1, 1].tolist() == [0.0, 12.0]
