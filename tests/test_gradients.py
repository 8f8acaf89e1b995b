"""Functions of gradients: by arguments and by Variables, one's own and recomputed ones, products with J and H."""

import gc
import pickle
import tracemalloc

import numpy as np
import pytest

import eagerly.random
from eagerly import gradients as module
from eagerly import layers, ops
from eagerly.context import context
from eagerly.errors import GradientError
from eagerly.gradients import (
    custom_gradient,
    gradients_function,
    hvp,
    implicit_gradients,
    implicit_value_and_gradients,
    jvp,
    recompute_grad,
    value_and_gradients_function,
)
from eagerly.optim import SGD
from eagerly.tape import GradientTape
from eagerly.tensor import Tensor
from eagerly.variable import Variable
from gradients import check_gradients


def cube(x, y):
    return x * x * x * y


def test_gradients_by_all_positional_arguments():
    gx, gy = gradients_function(cube)(2.0, 3.0)
    assert (gx.tolist(), gy.tolist()) == (36.0, 8.0)
    value, gradients = value_and_gradients_function(cube)(2.0, 3.0)
    assert float(value) == 24.0 and [g.tolist() for g in gradients] == [36.0, 8.0]


@pytest.mark.parametrize(
    ("params", "expected"),
    [([0], [36.0]), (["y"], [8.0]), (["y", "x"], [8.0, 36.0]), ([1, "x"], [8.0, 36.0]), ([], [])],
)
def test_gradients_by_number_or_name(params, expected):
    assert [g.tolist() for g in gradients_function(cube, params)(2.0, 3.0)] == expected


def test_arguments_may_be_arrays_lists_structures_and_variables():
    array = np.array([1.0, 2.0], "float32")
    for argument in (array, [1.0, 2.0], Tensor(array), Variable(array)):
        (g,) = gradients_function(lambda x: ops.sum(x * x) if hasattr(x, "dtype") else None)(argument)
        assert g.tolist() == [2.0, 4.0] and g.dtype == "float32"
    (g,) = gradients_function(lambda pair: pair["a"] * pair["b"][0])({"a": Tensor(2.0), "b": [Tensor(3.0)]})
    assert g["a"].tolist() == 3.0 and g["b"][0].tolist() == 2.0


def test_one_tensor_given_twice_is_two_arguments():
    x = Tensor(3.0)
    first, second = gradients_function(lambda a, b: a * a * b)(x, x)
    assert (first.tolist(), second.tolist()) == (18.0, 9.0)


def test_weights_of_the_results_elements():
    (g,) = gradients_function(lambda x: x * x)([1.0, 2.0], dy=[1.0, 10.0])
    assert g.tolist() == [2.0, 40.0]


def test_gradients_of_gradients_down_to_none():
    grad = gradients_function(ops.square)
    second = gradients_function(lambda x: grad(x)[0])
    third = gradients_function(lambda x: second(x)[0])
    assert float(grad(3.0)[0]) == 6.0 and float(second(3.0)[0]) == 2.0 and third(3.0) == [None]


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: gradients_function(cube, ["z"])(1.0, 2.0), ValueError, "cube: expected an argument's name, got 'z'"),
        (lambda: gradients_function(cube, [2])(1.0, 2.0), ValueError, r"cube: expected an argument in \[0, 2\)"),
        (lambda: gradients_function(cube, [0, "x"])(1.0, 2.0), ValueError, "cube: expected each argument once"),
        (lambda: gradients_function(cube)(1, 2), GradientError, r"watch: expected floating-point .* got int32\[\]"),
        (lambda: gradients_function(lambda x: None)(1.0), GradientError, "Is its return missing"),
        (lambda: implicit_gradients(lambda: None)(), GradientError, "Is its return missing"),
        (lambda: implicit_gradients(lambda: Tensor(1.0))(), GradientError, "reads a trainable Variable, and this one"),
        (lambda: jvp(ops.sin, 1.0, 1.0), ValueError, "jvp: expected lists or tuples of primals and tangents, got 1.0"),
        (lambda: jvp(ops.sin, (1.0,), ()), ValueError, "jvp: expected a tangent for each of 1 primals, got 0"),
        (lambda: jvp(ops.sin, ([1.0, 2.0],), (1.0,)), ValueError, r"tangent of the primal's shape \(2,\), got float32"),
        (
            lambda: hvp(ops.sin, ([1.0, 2.0],), ([1.0, 2.0],)),
            ValueError,
            r"hvp: expected .* scalar, got float32\[2",
        ),
    ],
)
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call()
    assert context.is_clean()


def test_gradients_by_the_variables_that_are_read():
    w, b, frozen = Variable(3.0), Variable(1.0), Variable(5.0, trainable=False)

    def model(x):
        return w * x + b + frozen

    value, pairs = implicit_value_and_gradients(model)(2.0)
    assert float(value) == 12.0
    assert [(g.tolist(), v) for g, v in pairs] == [(2.0, w), (1.0, b)]
    SGD(1.0).apply_gradients(implicit_gradients(model)(2.0))
    assert (float(w), float(b)) == (1.0, 0.0)


# --- gradients of one's own


def log1pexp(x):
    return ops.log(1 + ops.exp(x))


@custom_gradient
def stable_log1pexp(x):
    e = ops.exp(x)
    return ops.log(1 + e), lambda upstream: upstream * (1 - 1 / (1 + e))


def test_a_gradient_of_ones_own_replaces_the_computed_one():
    plain, stable = gradients_function(log1pexp), gradients_function(stable_log1pexp)
    assert float(plain(0.0)[0]) == 0.5 and np.isnan(float(plain(100.0)[0]))
    assert float(stable(0.0)[0]) == 0.5 and float(stable(100.0)[0]) == 1.0
    assert stable_log1pexp(np.float32(0)).tolist() == pytest.approx(np.log(2))


def test_a_gradient_of_ones_own_has_gradients():
    check_gradients(lambda x: stable_log1pexp(x) * x, [np.array([0.3, -1.0])], order=3)


def test_what_is_computed_around_it_keeps_its_gradient():
    double = custom_gradient(lambda x: (x * 1.0, lambda g: g * 2))
    x = Variable(3.0)
    with GradientTape() as tape:
        y = ops.square(double(x * x)) + x
    assert float(tape.gradient(y, x)) == 2 * 9 * 2 * 6 + 1


def test_several_arguments_results_and_options():
    seen = {}

    @custom_gradient
    def f(pair, z, *, scale, label):
        seen["types"] = [type(pair[0]), type(z), type(scale), label]

        def grad(g_sum, g_product):
            seen["upstream"] = [type(g_sum), type(g_product)]
            return [g_sum, g_product * scale], None

        return [pair[0] + pair[1], {"product": pair[0] * z}], grad

    a, b, c = Variable([1.0, 2.0]), Variable([3.0, 4.0]), Variable([5.0, 6.0])
    with GradientTape(persistent=True) as tape:
        total, rest = f((a, b), c, scale=10.0, label="x")
        loss = ops.sum(total * 2 + rest["product"])
    assert seen["types"] == [Tensor, Tensor, float, "x"]
    ga, gb, gc_ = tape.gradient(loss, [a, b, c])
    assert (ga.tolist(), gb.tolist(), gc_) == ([2.0, 2.0], [10.0, 10.0], None)
    assert seen["upstream"] == [Tensor, Tensor]
    assert "a custom gradient on the way gave None" in tape.explain(loss, c)
    assert tape.gradient(total, b).tolist() == [0.0, 0.0]  # the other result's gradient is zeros


def test_variables_inside_are_differentiated_by_name():
    w, unused = Variable(2.0), Variable(1.0)

    @custom_gradient
    def scale(x):
        def grad(upstream, variables=None):
            assert variables == [w]
            return upstream * w, [upstream * x * 100]

        return x * w, grad

    x = Variable(3.0)
    with GradientTape() as tape:
        y = scale(x) * 1.0
    gx, gw, none = tape.gradient(y, [x, w, unused])
    assert (float(gx), float(gw), none) == (2.0, 300.0, None)


def test_keras_form_of_the_gradient_function():
    @ops.custom_gradient
    def f(x):
        def grad(*args, upstream=None):
            (upstream,) = args if upstream is None else (upstream,)
            return ops.multiply(upstream, 7.0)

        return x * 2, grad

    assert float(gradients_function(f)(1.0)[0]) == 7.0


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda x: x, r"expected <lambda> to give \(results, grad\), with a function grad, got float32\[2\]"),
        (lambda x: (x, x), r"expected <lambda> to give \(results, grad\)"),
        (lambda x: (x * 1, lambda g: [g, g]), "expected 1 gradients, one for each of the tensors of <lambda>, got 2"),
        (
            lambda x: (x * 1, lambda g: ops.sum(g)),
            r"gradient of shape \(2,\) for float32\[2\] of <lambda>, got f",
        ),
        (lambda x: (x * WEIGHT, lambda g: g), r"reads the Variables 'weight', so its gradient must take variables="),
        (lambda x: (x * WEIGHT, lambda g, variables: g), r"to give \(gradients, gradients of the variables\), got"),
        (
            lambda x: (x * WEIGHT, lambda g, variables: (g, [])),
            "expected 1 gradients, one for each of the Variables",
        ),
    ],
)
def test_refusals_of_gradients_of_ones_own(function, text):
    with pytest.raises(GradientError, match=text):
        gradients_function(custom_gradient(function))([1.0, 2.0])
    assert context.is_clean()


WEIGHT = Variable(1.0, name="weight")


# --- recomputing


def deep(x, w, depth):
    for _ in range(depth):
        x = ops.tanh(x @ w)
    return x


def test_recomputing_gives_the_same_gradients_of_any_order():
    w = Variable(np.random.default_rng(0).normal(size=(3, 3)), dtype="float64")
    x = np.random.default_rng(1).normal(size=(2, 3))

    def recomputed(x):
        return recompute_grad(lambda x: deep(x, w, 3))(x)

    found = []
    for function in (lambda x: deep(x, w, 3), recomputed):
        with GradientTape() as outer:
            with GradientTape() as inner:
                y = ops.sum(function(Tensor(x)) ** 2)
            first = inner.gradient(y, w)
            slope = ops.sum(first * first)
        second = outer.gradient(slope, w)
        found.append((first.numpy(), second.numpy()))
    np.testing.assert_allclose(found[1][0], found[0][0], rtol=1e-12)
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=1e-12)
    check_gradients(recomputed, [x], order=2)


def test_recomputing_needs_memory_for_the_results_alone():
    w = Variable(np.eye(64, dtype="float32"))
    x = Tensor(np.ones((512, 64), "float32") * 0.1)

    def peak(block):
        gc.collect()
        tracemalloc.start()
        with GradientTape() as tape:
            y = x
            for _ in range(8):
                y = block(y)
            loss = ops.sum(y)
        held = tracemalloc.get_traced_memory()[0]
        gradient = tape.gradient(loss, w).numpy()
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return held, highest, gradient

    held, highest, gradient = peak(lambda y: deep(y, w, 8))
    held_less, lower, same = peak(recompute_grad(lambda y: deep(y, w, 8)))
    np.testing.assert_allclose(same, gradient, rtol=1e-5)
    assert held_less < held / 6, (held, held_less)
    assert lower < highest / 2, (highest, lower)


def test_the_second_run_draws_the_same_random_numbers_and_reads_the_same_values():
    dropout = layers.Dropout(0.5, seed=3)
    x, w = Variable(np.ones((4, 50), "float32")), Variable(2.0)
    states = dropout.seed_generator.state

    @recompute_grad
    def block(x):
        return dropout(x, training=True) * w

    with GradientTape() as tape:
        y = block(x)
    after = states.numpy()
    w.assign(100.0)
    dropout(x, training=True)
    later = states.numpy()
    gx, gw = tape.gradient(y, [x, w])
    np.testing.assert_array_equal(gx.numpy(), y.numpy())  # 2 / (1 - rate) where kept, as in the first run
    assert float(gw) == y.numpy().sum() / 2
    assert float(w) == 100.0 and states.numpy().tolist() == later.tolist() != after.tolist()


def test_a_layer_can_be_recomputed_with_integers_and_options():
    embedding = layers.Embedding(7, 3)
    embedding(np.array([[0]]))
    both = []
    for call in (embedding, recompute_grad(embedding)):
        with GradientTape() as tape:
            y = ops.sum(call(np.array([[1, 2, 1]])) ** 2)
        both.append(tape.gradient(y, embedding.embeddings).numpy())
    np.testing.assert_array_equal(*both)


# --- products with the Jacobian and the Hessian


def test_a_jacobian_times_a_vector_and_structures():
    x, w = np.array([0.5, -1.0, 2.0]), np.array([[1.0, 2.0, 3.0], [0.0, 1.0, -1.0]])

    def f(x, w):
        return {"y": ops.tanh(w @ x), "x2": x * x}

    t, u = np.array([1.0, 0.5, -2.0]), np.ones((2, 3))
    value, tangent = jvp(f, (x, w), (t, u))
    np.testing.assert_allclose(value["x2"].numpy(), x * x)
    np.testing.assert_allclose(tangent["x2"].numpy(), 2 * x * t)
    np.testing.assert_allclose(tangent["y"].numpy(), (1 - np.tanh(w @ x) ** 2) * (w @ t + u @ x))
    assert jvp(lambda x: (x * 2, "more"), (1.0,), (3.0,), has_aux=True)[1:] == (Tensor(6.0), "more")
    assert ops.jvp is jvp and ops.linalg.jvp is jvp


def test_a_tangent_of_integers_is_none_of_the_products():
    value, tangent = jvp(lambda x, n: x * n, (2.0, 3), (1.0, 1))
    assert (float(value), float(tangent)) == (6.0, 3.0)


def test_a_jacobian_product_has_a_gradient():
    check_gradients(lambda x: jvp(lambda x: ops.sin(x) * x, (x,), (np.array([1.0, 2.0]),))[1], [np.array([0.3, 0.7])])


def test_a_hessian_times_a_vector_is_that_of_the_whole_hessian():
    rng = np.random.default_rng(0)
    a, x, v = rng.normal(size=(4, 4)), rng.normal(size=4), rng.normal(size=4)

    def f(x):
        return ops.sum(ops.tanh(a @ x) ** 3)

    with GradientTape() as outer:
        z = Tensor(x)
        outer.watch(z)
        with GradientTape() as inner:
            inner.watch(z)
            y = f(z)
        slope = inner.gradient(y, z)
    hessian = outer.jacobian(slope, z).numpy()
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-12)
    value, (product,) = hvp(f, (x,), (v,))
    np.testing.assert_allclose(product.numpy(), hessian @ v)
    assert float(value) == pytest.approx(float(y))


def test_hessian_products_of_several_arguments_and_variables():
    w = Variable([1.0, 2.0])
    value, (pw, px) = hvp(lambda w, x: ops.sum(w * w * x), (w, [3.0, 4.0]), ([1.0, 0.0], [0.0, 1.0]))
    assert float(value) == 19.0
    assert pw.tolist() == [6.0, 4.0] and px.tolist() == [2.0, 0.0]


def test_the_functions_are_offered_at_the_top():
    for name in module.__all__:
        assert getattr(eagerly, name) is getattr(module, name)
    assert pickle.loads(pickle.dumps(jvp)) is jvp
