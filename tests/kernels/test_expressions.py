"""The expression language: every operator, every tail, every way to broadcast; and the kernels written in it."""

import numpy as np
import pytest

from eagerly.kernels import activations, expressions
from eagerly.kernels.expressions import SLAB, Kernel, absolute, elementwise, fma, maximum, minimum, select
from eagerly.ops.elementwise import exp as exp_op
from eagerly.ops.elementwise import sigmoid as sigmoid_op
from eagerly.ops.special import erf as erf_op

EDGES = [*range(1, 36), 63, 64, 65, SLAB - 1, SLAB, SLAB + 1, 2 * SLAB + 17]
SPECIAL = np.float32(
    [0.0, -0.0, np.inf, -np.inf, np.nan, 3e38, -3e38, 1e-45, -1e-45, 88.72284, 88.8, -87.5, -103.9, -104.1]
)


@elementwise
def arithmetic(x, y):
    return maximum(minimum(-x * y + 2.0, absolute(y) / 0.5), 1.0 - x) - select(x < y, x, 1.0 / y) + fma(x, y, x)


def arithmetic_reference(x, y):
    one = np.float32(1)
    product = (x.astype(np.float64) * y + x).astype(np.float32)  # rounded once
    left = np.maximum(np.minimum(-x * y + 2 * one, np.abs(y) / np.float32(0.5)), one - x)
    return left - np.where(x < y, x, one / y) + product


@elementwise
def biased_relu(x, bias):
    return maximum(x + bias, 0.0)


def numbers(size, seed=0):
    return np.random.default_rng(seed).normal(size=size).astype(np.float32)


def test_operators_on_every_tail(target):
    kernel = Kernel(arithmetic.function)
    for size in EDGES:
        x, y = numbers(size), numbers(size, 1)
        np.testing.assert_array_equal(kernel(x, y), arithmetic_reference(x, y))


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (7, 16), (5, 33), (40, 1000), (3, SLAB + 3), (2, 3, 17)])
def test_rows_and_numbers_broadcast(target, shape):
    kernel = Kernel(biased_relu.function)
    x, row, number = numbers(shape), numbers(shape[-1], 1), np.float32([0.25])
    np.testing.assert_array_equal(kernel(x, row), np.maximum(x + row, 0))
    np.testing.assert_array_equal(kernel(x, number), np.maximum(x + number, 0))
    np.testing.assert_array_equal(kernel(x, x), np.maximum(x + x, 0))


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"an operand of shape \(2,\) is neither full nor a row .* of \(2, 3\)"):
        biased_relu(numbers((2, 3)), numbers(2))


def test_nan_of_the_first_operand_stays(target):
    y = Kernel(biased_relu.function)(np.float32([np.nan, np.inf, -np.inf]), np.float32([1.0]))
    np.testing.assert_array_equal(y, np.float32([np.nan, np.inf, 0]))


@pytest.mark.parametrize(
    "function, op, ulps",
    [
        (activations.exp.function, exp_op, 1.0),
        (activations.sigmoid.function, sigmoid_op, 3.0),
        (activations.erf.function, erf_op, 3.0),
        (expressions.tanh, np.tanh, 2.0),
        (expressions.log, np.log, 1.0),
    ],
    ids=lambda x: getattr(x, "__name__", ""),
)
@pytest.mark.filterwarnings("ignore:(divide by zero|invalid value) encountered in log:RuntimeWarning")
def test_function_within_its_ulps(target, function, op, ulps):
    kernel = Kernel(function)
    tiny = np.float32(10.0) ** np.linspace(-44, 2, 20000, dtype=np.float32)
    x = np.concatenate([np.linspace(-110, 110, 200001), np.linspace(-5, 5, 200001), tiny, -tiny, SPECIAL])
    x = x.astype(np.float32)
    y = kernel(x)
    exact = op(x.astype(np.float64))  # the composition, twice as precise
    with np.errstate(over="ignore"):
        rounded = exact.astype(np.float32)
    finite = np.isfinite(rounded) & np.isfinite(y)
    np.testing.assert_array_equal(y[~finite], rounded[~finite])
    assert (np.abs(y[finite] - exact[finite]) <= ulps * np.spacing(np.abs(rounded[finite]))).all()
    np.testing.assert_array_equal(np.signbit(y[~np.isnan(y)]), np.signbit(rounded[~np.isnan(y)]))


def test_one_has_the_logarithm_zero_and_tanh_ends_at_one(target):
    assert Kernel(expressions.log)(np.float32([1.0])) == 0.0
    np.testing.assert_array_equal(Kernel(expressions.tanh)(np.float32([9.5, 1e30, -np.inf])), np.float32([1, 1, -1]))


@pytest.mark.parametrize("name", ["exp", "sigmoid", "erf"])
def test_same_bits_for_any_number_of_threads_and_any_neighbors(target, threads, name):
    kernel = Kernel(getattr(activations, name).function)
    x = numbers(5 * SLAB + 7) * 3
    results = []
    for number in (1, 2, 3, 7):
        threads(number)
        results.append(kernel(x).tobytes())
    assert len(set(results)) == 1
    for size in range(1, 40):
        assert kernel(x[:size]).tobytes() == results[0][: 4 * size]
