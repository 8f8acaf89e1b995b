"""What the eager guide of TensorFlow 1.7 shows works here, with the values that it prints."""

import numpy as np
import pytest

import eagerly.random
from eagerly import ops
from eagerly.tape import GradientTape
from eagerly.tensor import Tensor
from eagerly.variable import Variable


def test_operations_run_at_once():
    x = [[2.0]]
    m = ops.matmul(x, x)
    assert m.tolist() == [[4.0]]
    assert ops.matmul([[2.0]], [[2.0]]).numpy() == 4


def test_python_control_flow_works_on_values():
    counter, lines = Tensor(0), []
    for number in range(1, 16):
        number = Tensor(number)
        if int(number % 3) == 0 and int(number % 5) == 0:
            lines.append("FizzBuzz")
        elif number % 3 == 0:
            lines.append("Fizz")
        elif number % 5 == 0:
            lines.append("Buzz")
        else:
            lines.append(int(number))
        counter = counter + 1
    assert lines[-1] == "FizzBuzz"
    assert lines[:5] == [1, 2, "Fizz", 4, "Buzz"]
    assert int(counter) == 15


def test_numpy_takes_tensors_and_tensors_take_arrays():
    a = Tensor([[1, 2], [3, 4]])
    b = a + 1
    assert b.tolist() == [[2, 3], [4, 5]]
    assert (a * b).tolist() == [[2, 6], [12, 20]]
    assert np.multiply(a, b).tolist() == [[2, 6], [12, 20]]
    assert a.numpy().tolist() == [[1, 2], [3, 4]]


def test_gradient_of_square():
    x = Tensor(3.0)
    with GradientTape() as tape:
        tape.watch(x)
        y = ops.square(x)
    assert tape.gradient(y, x).tolist() == 6.0


def test_gradient_tape_of_a_variable():
    w = Variable([[1.0]])
    with GradientTape() as tape:
        loss = w * w
    gradient = tape.gradient(loss, w)
    assert gradient.tolist() == [[2.0]]


def test_second_derivative():
    x = Variable(3.0)
    with GradientTape() as outer:
        with GradientTape() as inner:
            y = ops.square(x)
        first = inner.gradient(y, x)
    assert (first.tolist(), outer.gradient(first, x).tolist()) == (6.0, 2.0)


def test_absolute_value_has_a_gradient_on_either_side():
    def gradient(value):
        x = Tensor(value)
        with GradientTape() as tape:
            tape.watch(x)
            y = x if x > 0.0 else -x
        return tape.gradient(y, x).tolist()

    assert gradient(3.0) == 1.0
    assert gradient(-3.0) == -1.0


def test_linear_regression():
    inputs = eagerly.random.normal((1000,), seed=1)
    outputs = inputs * 3 + 2 + eagerly.random.normal((1000,), seed=2)
    weight, bias = Variable(5.0), Variable(10.0)

    def loss():
        return ops.mean(ops.square(inputs * weight + bias - outputs))

    first = float(loss())
    for _ in range(300):
        with GradientTape() as tape:
            value = loss()
        weight_gradient, bias_gradient = tape.gradient(value, [weight, bias])
        weight.assign_sub(0.01 * weight_gradient)
        bias.assign_sub(0.01 * bias_gradient)
    assert first > 60
    assert float(loss()) == pytest.approx(1.0, abs=0.1)
    assert float(weight) == pytest.approx(3.0, abs=0.1)
    assert float(bias) == pytest.approx(2.0, abs=0.1)
