"""What the eager guide of TensorFlow 1.7 shows works here, with the values that it prints."""

import gc
import weakref

import numpy as np
import pytest

import eagerly.random
from eagerly import (
    Layer,
    Model,
    custom_gradient,
    gradients_function,
    implicit_gradients,
    implicit_value_and_gradients,
    ops,
    value_and_gradients_function,
)
from eagerly.checkpoint import Checkpoint
from eagerly.layers import Dense
from eagerly.metrics import Mean
from eagerly.optim import SGD
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


def test_gradients_of_functions():
    def square(x):
        return ops.multiply(x, x)

    grad = gradients_function(square)
    assert square(3.0).tolist() == 9.0
    assert [g.tolist() for g in grad(3.0)] == [6.0]
    gradgrad = gradients_function(lambda x: grad(x)[0])
    assert [g.tolist() for g in gradgrad(3.0)] == [2.0]
    gradgradgrad = gradients_function(lambda x: gradgrad(x)[0])
    assert gradgradgrad(3.0) == [None]

    def absolute(x):
        return x if x > 0.0 else -x

    grad = gradients_function(absolute)
    assert [g.tolist() for g in grad(3.0)] == [1.0]
    assert [g.tolist() for g in grad(-3.0)] == [-1.0]


def test_custom_gradients():
    def log1pexp(x):
        return ops.log(1 + ops.exp(x))

    grad_log1pexp = gradients_function(log1pexp)
    assert grad_log1pexp(0.0)[0].tolist() == 0.5
    assert np.isnan(grad_log1pexp(100.0)[0].tolist())

    @custom_gradient
    def log1pexp(x):
        e = ops.exp(x)

        def grad(dy):
            return dy * (1 - 1 / (1 + e))

        return ops.log(1 + e), grad

    grad_log1pexp = gradients_function(log1pexp)
    assert grad_log1pexp(0.0)[0].tolist() == 0.5
    assert grad_log1pexp(100.0)[0].tolist() == 1.0

    @custom_gradient
    def clip_gradient_by_norm(x, norm):
        def grad_fn(dresult):
            return [dresult * ops.minimum(norm / ops.norm(dresult), 1.0), None]

        return ops.multiply(x, 1.0), grad_fn

    (clipped,) = gradients_function(lambda x: ops.sum(clip_gradient_by_norm(x, 0.5) * 3.0), [0])([1.0, 1.0])
    np.testing.assert_allclose(np.linalg.norm(clipped.numpy()), 0.5, rtol=1e-6)


def test_a_layer_and_a_model_of_ones_own():
    class MySimpleLayer(Layer):
        def __init__(self, output_units):
            super().__init__()
            self.output_units = output_units

        def build(self, input_shape):
            self.kernel = self.add_weight(name="kernel", shape=[input_shape[-1], self.output_units])

        def call(self, inputs):
            return ops.matmul(inputs, self.kernel)

    class MNISTModel(Model):
        def __init__(self):
            super().__init__()
            self.dense1 = Dense(units=10)
            self.dense2 = Dense(units=10)

        def call(self, inputs):
            result = self.dense1(inputs)
            result = self.dense2(result)
            result = self.dense2(result)  # reuse variables from dense2 layer
            return result

    assert MySimpleLayer(3)(np.ones((2, 4))).shape == (2, 3)
    model = MNISTModel()
    batch = ops.zeros([1, 1, 784])
    result = model(batch)
    assert result.shape == (1, 1, 10) and not result.numpy().any()
    assert len(model.trainable_variables) == 4


def linear_data(count):
    inputs = eagerly.random.normal((count,), seed=1)
    return inputs, inputs * 3 + 2 + eagerly.random.normal((count,), seed=2)


def test_linear_regression_of_arguments():
    training_inputs, training_outputs = linear_data(1000)

    def loss(weight, bias):
        return ops.mean(ops.square(training_inputs * weight + bias - training_outputs))

    grad = gradients_function(loss)
    weight, bias = 5.0, 10.0
    first = float(loss(weight, bias))
    for _ in range(200):
        weight_gradient, bias_gradient = grad(weight, bias)
        weight, bias = weight - weight_gradient * 0.01, bias - bias_gradient * 0.01
    assert first > 60 and float(loss(weight, bias)) < 1.3
    assert float(weight) == pytest.approx(3.0, abs=0.15) and float(bias) == pytest.approx(2.0, abs=0.3)
    value, gradients = value_and_gradients_function(loss)(weight, bias)
    assert float(value) == float(loss(weight, bias)) and len(gradients) == 2


def test_linear_regression_of_a_model_with_an_optimizer():
    class Linear(Model):
        def __init__(self):
            super().__init__()
            self.W = Variable(5.0, name="weight")
            self.B = Variable(10.0, name="bias")

        def call(self, inputs):
            return inputs * self.W + self.B

    training_inputs, training_outputs = linear_data(2000)
    model, optimizer = Linear(), SGD(learning_rate=0.01)

    def loss():
        return ops.mean(ops.square(model(training_inputs) - training_outputs))

    first = float(loss())
    value_and_gradients, gradients = implicit_value_and_gradients(loss), implicit_gradients(loss)
    for i in range(300):
        pairs = gradients() if i % 2 else value_and_gradients()[1]
        optimizer.apply_gradients(pairs)
    assert first > 60 and float(loss()) == pytest.approx(1.0, abs=0.1)
    assert float(model.W) == pytest.approx(3.0, abs=0.1)
    assert float(model.B) == pytest.approx(2.0, abs=0.1)


def test_variables_are_objects(tmp_path):
    v = Variable(ops.ones((2, 2)))
    ref = weakref.ref(v)
    del v
    gc.collect()
    assert ref() is None
    x = Variable(10.0)
    checkpoint = Checkpoint(x=x)
    x.assign(2.0)
    path = checkpoint.save(tmp_path / "ckpt.h5")
    x.assign(11.0)
    checkpoint.restore(tmp_path / "ckpt.h5" if path is None else path)
    assert float(x) == 2.0


def test_metrics_are_called_with_new_data():
    m = Mean("loss")
    m(0)
    m(5)
    assert m.result().tolist() == 2.5
    m([8, 9])
    assert m.result().tolist() == 5.5


def test_a_dynamic_model_searches_along_a_line():
    def line_search_step(fn, init_x, rate=1.0):
        with GradientTape() as tape:
            tape.watch(init_x)
            value = fn(init_x)
        grad = tape.gradient(value, init_x)
        grad_norm = ops.sum(grad * grad)
        init_value = value
        while value > init_value - rate * grad_norm:
            x = init_x - rate * grad
            value = fn(x)
            rate /= 2.0
        return x, value

    x, value = Tensor([3.0, -4.0]), None
    for _ in range(20):
        if value is not None and float(value) < 1e-6:
            break
        x, value = line_search_step(lambda x: ops.sum(x**4), x)
    assert float(value) < 1e-3


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
