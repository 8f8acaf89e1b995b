"""Fused operations equal their compositions: values, gradients of two orders, and when they run at all."""

import threading
from functools import partial

import numpy as np
import pytest

import eagerly
from eagerly import GradientTape, Tensor, Variable, activations, ops
from eagerly import random as draws
from eagerly.debugging import check_numerics
from eagerly.graph.fused import FusedCall
from eagerly.ops import attention, crossentropy, elementwise, fused, linear, nonlinear, normalization

RNG = np.random.default_rng(7)


def floats(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def labels(rows, classes):
    return RNG.integers(0, classes, rows).astype(np.float32)


def shares(rows, classes):
    x = RNG.random((rows, classes)).astype(np.float32) + 0.1
    return x / x.sum(-1, keepdims=True)


def rows(width):
    """So many rows of a width that a plan is worth it."""
    return -(-1100 // width)


def of(loss, target, *options):
    return lambda x: loss(target, x, *options)


# For a width: the function that runs a fused operation, and its operands; the gradient is taken for floats.
CASES = {
    "leaky_relu": lambda n: (ops.leaky_relu, [floats(rows(n), n)]),
    "relu6": lambda n: (ops.relu6, [floats(rows(n), n) * 4]),
    "elu": lambda n: (ops.elu, [floats(rows(n), n)]),
    "silu": lambda n: (ops.silu, [floats(rows(n), n)]),
    "mish": lambda n: (ops.mish, [floats(rows(n), n)]),
    "softsign": lambda n: (ops.softsign, [floats(rows(n), n)]),
    "hard_sigmoid": lambda n: (ops.hard_sigmoid, [floats(rows(n), n) * 4]),
    "hard_silu": lambda n: (ops.hard_silu, [floats(rows(n), n) * 4]),
    "hard_tanh": lambda n: (ops.hard_tanh, [floats(rows(n), n)]),
    "gelu": lambda n: (ops.gelu, [floats(rows(n), n)]),
    "exact gelu": lambda n: (lambda x: ops.gelu(x, False), [floats(rows(n), n)]),
    "softmax": lambda n: (ops.softmax, [floats(rows(n), n)]),
    "softmax of columns": lambda n: (lambda x: ops.softmax(x, 0), [floats(rows(n), n)]),
    "softmax of all": lambda n: (lambda x: ops.softmax(x, (0, 1)), [floats(rows(n), n)]),
    "log_softmax": lambda n: (ops.log_softmax, [floats(rows(n), n)]),
    "log_softmax in the middle": lambda n: (lambda x: ops.log_softmax(x, 1), [floats(3, rows(n), n)]),
    "layer normalization": lambda n: (
        lambda x, a, b: ops.layer_normalization(x, a, b, -1, 1e-2),
        [floats(rows(n), n), floats(n), floats(n)],
    ),
    "layer normalization of two axes": lambda n: (
        lambda x, a: ops.layer_normalization(x, a, axis=(1, 2), epsilon=1e-2),
        [floats(rows(n), 2, n), floats(2, n)],
    ),
    "rms normalization": lambda n: (
        lambda x, a: ops.rms_normalization(x, a, epsilon=1e-2),
        [floats(rows(n), n), floats(n)],
    ),
    "batch normalization": lambda n: (
        lambda x, m, v, a, b: ops.batch_normalization(x, m, v * v, -1, a, b),
        [floats(rows(n), n), *(floats(n) for _ in range(4))],
    ),
    "batch normalization of channels first": lambda n: (
        lambda x, m, v: ops.batch_normalization(x, m, v * v, 1, None, m),
        [floats(4, n, rows(n)), floats(n), floats(n)],
    ),
    "normalization by batch": lambda n: (
        lambda x, a, b: normalization.normalization_by_batch(x, a, b, 1, 1e-2)[0],
        [floats(rows(n), n), floats(n), floats(n)],
    ),
    "normalization by batch of channels first": lambda n: (
        lambda x, a: normalization.normalization_by_batch(x, None, a, 1, 1e-2)[0],
        [floats(4, n, rows(n)), floats(n)],
    ),
    "dense": lambda n: (ops.dense, [floats(rows(n), n), floats(n, 5)]),
    "dense with relu": lambda n: (
        lambda x, w, b: ops.dense(x, w, b, activations.relu),
        [floats(2, rows(n), n), floats(n, 5), floats(5)],
    ),
    "dense with tanh": lambda n: (
        lambda x, w, b: ops.dense(x, w, b, ops.tanh),
        [floats(rows(n), n), floats(n, 3), floats(3)],
    ),
    "a bias and relu": lambda n: (
        lambda y, b: linear.finished(y, b, activations.relu),
        [floats(2, rows(n), n), floats(n)],
    ),
    "a bias": lambda n: (
        lambda y, b: linear.finished(y, b, activations.linear),
        [floats(2, rows(n), n), floats(n)],
    ),
    "sparse cross-entropy": lambda n: (
        of(ops.sparse_categorical_crossentropy, labels(rows(n), n + 1), True),
        [floats(rows(n), n + 1)],
    ),
    "sparse cross-entropy of probabilities": lambda n: (
        of(ops.sparse_categorical_crossentropy, labels(rows(n), n + 1)),
        [shares(rows(n), n + 1)],
    ),
    "cross-entropy": lambda n: (
        of(ops.categorical_crossentropy, shares(rows(n), n + 1), True),
        [floats(rows(n), n + 1)],
    ),
    "cross-entropy of probabilities": lambda n: (
        ops.categorical_crossentropy,
        [shares(rows(n), n + 1), shares(rows(n), n + 1)],
    ),
    "binary cross-entropy": lambda n: (
        of(ops.binary_crossentropy, shares(rows(n), n + 1), True),
        [floats(rows(n), n + 1)],
    ),
    "attention": lambda n: (ops.dot_product_attention, [floats(2, 9, 2, 64), floats(2, n, 2, 64), floats(2, n, 2, 64)]),
    "causal attention": lambda n: (
        lambda q, k, v: ops.dot_product_attention(q, k, v, is_causal=True),
        [floats(2, 9, 4, 64), floats(2, n, 2, 64), floats(2, n, 2, 8)],
    ),
    "masked attention": lambda n: (
        partial(ops.dot_product_attention, mask=RNG.random((2, 1, 9, n)) > 0.6),
        [floats(2, 9, 4, 64), floats(2, n, 4, 64), floats(2, n, 4, 8)],
    ),
    "attention with bias and cap": lambda n: (
        lambda q, k, v, b: ops.dot_product_attention(q, k, v, b, attn_logits_soft_cap=2.0),
        [floats(2, 9, 2, 64), floats(2, n, 2, 64), floats(2, n, 2, 64), floats(2, 9, n)],
    ),
    "dropout": lambda n: (
        partial(draws._dropped, bits=draws._bits((rows(n), n), 3), least=1 << 31, factor=2.0),
        [floats(rows(n), n)],
    ),
    "gradient of relu": lambda n: (elementwise._relu_gradient, [floats(rows(n), n), floats(rows(n), n)]),
    "gradient of tanh": lambda n: (elementwise._tanh_gradient, [floats(rows(n), n), floats(rows(n), n)]),
    "gradient of sigmoid": lambda n: (elementwise._sigmoid_gradient, [floats(rows(n), n), floats(rows(n), n)]),
}
OPERATIONS = [
    operation
    for module in (attention, crossentropy, draws, elementwise, linear, nonlinear, normalization)
    for operation in vars(module).values()
    if hasattr(operation, "plans")
]


@pytest.fixture
def compositions(monkeypatch):
    """Switches plans off, and tells how many ran."""
    plans, run = [], fused._run

    def counted(*args):
        result = fused._UNDONE if counted.off else run(*args)
        plans.append(result is not fused._UNDONE)
        return result

    counted.off = False

    def off(value):
        counted.off = value
        plans.clear()

    off.plans = plans
    monkeypatch.setattr(fused, "_run", counted)
    return off


def results(function, arrays, order=2):
    """The value, the gradients, and the gradients of these for the squares of them."""
    inputs = [Tensor(x) for x in arrays]
    with GradientTape(persistent=True) as outer:
        outer.watch(inputs)
        with GradientTape() as tape:
            tape.watch(inputs)
            y = function(*inputs)
        if order == 2:
            first = tape.gradient(y, inputs, weights_of(y))
            total = sum(ops.sum(g * g) for g in first if g is not None)
    if order == 1:
        return [y, *tape.gradient(y, inputs, weights_of(y))]
    return [y, *first, *outer.gradient(total, inputs, unconnected_gradients="zero")]


def weights_of(y):
    return Tensor(np.cos(np.arange(y.size, dtype=np.float32)).reshape(y.shape))


def assert_alike(found, expected, rtol=2e-4):
    assert len(found) == len(expected)
    assert [x is None for x in found] == [y is None for y in expected]
    for x, y in zip(found, expected, strict=True):
        if x is None:
            continue
        assert x.dtype == y.dtype and x.shape == y.shape
        a, b = x.numpy(), y.numpy()
        scale = np.abs(b[np.isfinite(b)]).max(initial=1e-3)
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * scale)


@pytest.mark.parametrize("width", [1, 2, 7, 8, 16, 17, 33])
@pytest.mark.parametrize("name", CASES)
def test_gradients_of_first_order_are_those_of_the_composition(name, width, compositions):
    function, arrays = CASES[name](width)
    found = results(function, arrays, order=1)
    assert compositions.plans[0]
    compositions(True)
    assert_alike(found, results(function, arrays, order=1))


@pytest.mark.parametrize("name", CASES)
def test_gradients_of_second_order_are_those_of_the_composition(name, compositions):
    function, arrays = CASES[name](5)
    found = results(function, arrays)
    assert compositions.plans[0]
    compositions(True)
    assert_alike(found, results(function, arrays), rtol=1e-3)


def test_cases_cover_every_fused_operation():
    for operation in OPERATIONS:
        operation.plans.clear()
    for make in CASES.values():
        function, arrays = make(8)
        function(*map(Tensor, arrays))
    assert [operation.__name__ for operation in OPERATIONS if not operation.plans] == []


@pytest.mark.parametrize(
    "name", ["silu", "gelu", "exact gelu", "softmax", "log_softmax", "layer normalization", "rms normalization", "elu"]
)
def test_nan_and_infinity_as_in_the_composition(name, compositions):
    function, arrays = CASES[name](16)
    arrays[0][0, 3], arrays[0][1, 4], arrays[0][2, 5] = np.nan, np.inf, -np.inf
    found = results(function, arrays, order=1)
    compositions(True)
    expected = results(function, arrays, order=1)
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_array_equal(np.isnan(x.numpy()), np.isnan(y.numpy()))
    assert_alike(found[:1], expected[:1])


def test_small_or_other_operands_run_the_composition(compositions):
    for x in (floats(10), floats(64, 64).astype(np.float64), floats(64, 64).astype(np.float16)):
        assert ops.silu(Tensor(x)).dtype == x.dtype
    ops.silu(RNG.integers(0, 9, (64, 64)).astype(np.int32))
    ops.dot_product_attention(floats(2, 9, 2, 64), floats(2, 0, 2, 64), floats(2, 0, 2, 64))
    assert True not in compositions.plans
    assert ops.silu(Tensor(floats(64, 64))).shape == (64, 64)
    assert compositions.plans[-1]


def test_bare_arrays_give_bare_arrays(compositions):
    x = floats(64, 64)
    assert type(nonlinear.silu(x)) is np.ndarray and compositions.plans == [True]


def test_who_wants_every_step_is_told_of_every_step(compositions):
    x = Tensor(floats(64, 64))
    with GradientTape(debug=True) as tape:
        tape.watch(x)
        y = ops.silu(x)
    assert "sigmoid" in tape.explain(y, x)
    with check_numerics(), pytest.raises(FloatingPointError, match="softmax|exp|subtract"):
        ops.softmax(Tensor(np.full((64, 64), np.nan, np.float32)))
    assert compositions.plans == [False, False]


def test_explanations_name_the_operation():
    x = Variable(floats(64, 64), name="x")
    with GradientTape() as tape:
        y = ops.stop_gradient(ops.gelu(ops.exp(x)))
    assert tape.explain(y, x).endswith("is None: stop_gradient stopped it, after exp → gelu.")


def test_a_traced_function_has_the_composition_in_its_graph(compositions):
    @eagerly.function
    def activated(x):
        return ops.silu(x)

    x = Tensor(floats(64, 64))
    np.testing.assert_allclose(activated(x).numpy(), ops.silu(x).numpy(), rtol=1e-6)
    assert "sigmoid" in str(activated.graph(x))
    assert compositions.plans == [True]


def test_no_compiler_no_difference(monkeypatch):
    monkeypatch.setattr(fused, "make", lambda *args: None)
    nonlinear.silu.plans.clear()
    x = floats(64, 64)
    np.testing.assert_allclose(ops.silu(x).numpy(), x / (1 + np.exp(-x)), rtol=1e-5)
    nonlinear.silu.plans.clear()


def test_operands_in_any_layout_and_their_aliases_stay_as_they_are():
    x = floats(64, 96)
    y, before = Tensor(x), x.copy()
    turned = ops.transpose(y)
    part = y[:, 8:72]
    with GradientTape() as tape:
        tape.watch([turned, part])
        results = ops.softmax(turned), ops.silu(part), ops.gelu(turned)
    gradients = tape.gradient(results, [turned, part], [Tensor(floats(96, 64)).T.T, ops.ones((64, 64)), turned])
    held = [g.numpy() for g in gradients]
    np.testing.assert_array_equal(y.numpy(), before)
    e = np.exp(before.T - before.T.max(-1, keepdims=True))
    np.testing.assert_allclose(results[0].numpy(), e / e.sum(-1, keepdims=True), rtol=1e-5)
    again = ops.softmax(ops.ones((96, 64))), ops.silu(part)
    assert again[0].numpy()[0, 0] == 1 / 64
    for g, kept in zip(gradients, held, strict=True):
        np.testing.assert_array_equal(g.numpy(), kept)


def test_variables_get_gradients():
    gamma, beta = Variable(floats(64)), Variable(floats(64))
    x = Tensor(floats(32, 64))
    with GradientTape() as tape:
        y = ops.layer_normalization(x, gamma, beta)
    of_gamma, of_beta = tape.gradient(y, [gamma, beta])
    np.testing.assert_array_equal(of_beta.numpy(), np.full(64, 32, np.float32))
    mean, deviation = x.numpy().mean(-1, keepdims=True), x.numpy().std(-1, keepdims=True)
    np.testing.assert_allclose(of_gamma.numpy(), ((x.numpy() - mean) / deviation).sum(0), rtol=1e-4, atol=1e-4)


def test_any_of_the_operands_says_that_a_plan_is_worth_it(compositions):
    for x, kernel in ((floats(1, 64), floats(64, 64)), (floats(1000, 4), floats(4, 2))):
        y = ops.dense(Tensor(x), Variable(kernel), None, activations.relu)
        np.testing.assert_allclose(y, np.maximum(x @ kernel, 0), rtol=1e-4, atol=1e-5)
    assert compositions.plans == [True, True]
    ops.dense(Tensor(floats(1, 8)), floats(8, 4))
    assert compositions.plans == [True, True]


def test_a_gradient_that_passes_through_computes_nothing_again(monkeypatch):
    monkeypatch.setattr(FusedCall, "_by_operations", lambda *_: pytest.fail("ran the composition again"))
    y, bias = Tensor(floats(64, 64)), floats(64)
    with GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(y)
        result = linear.finished(y, Variable(bias), activations.linear)
    weights = weights_of(result)
    np.testing.assert_array_equal(tape.gradient(result, y, weights), weights)


def test_labels_are_looked_at_in_every_call():
    x = Tensor(floats(200, 8))
    good = labels(200, 8)
    for _ in range(2):
        ops.sparse_categorical_crossentropy(good, x, True)
        with pytest.raises(ValueError, match=r"integer labels in \[0, 8\).*got 8 at \(3,\)"):
            ops.sparse_categorical_crossentropy(np.where(np.arange(200) == 3, 8, good), x, True)


def test_errors_are_those_of_the_composition():
    with pytest.raises(ValueError, match="target and output of one shape"):
        ops.categorical_crossentropy(floats(64, 8), floats(64, 9))
    with pytest.raises(ValueError, match="expected gamma of shape"):
        ops.layer_normalization(floats(64, 8, 64), floats(3, 8), axis=(0, 1))


def test_options_that_are_equal_but_not_the_same_have_plans_of_their_own():
    x = floats(64, 64) * 3
    nonlinear.elu.plans.clear()
    for alpha in (1, 1.0, True, 2.0):
        assert ops.elu(x, alpha).dtype == np.float32
    assert len(nonlinear.elu.plans) == 4


def test_plans_are_bounded(monkeypatch):
    monkeypatch.setattr(fused, "MOST", 3)
    nonlinear.silu.plans.clear()
    for n in range(2000, 2010):
        ops.silu(floats(n))
    assert len(nonlinear.silu.plans) <= 3


def test_several_threads_share_a_plan():
    inputs = [floats(128, 128) for _ in range(4)]
    expected = [ops.gelu(x).numpy() for x in inputs]
    wrong = []

    def work(x, y):
        for _ in range(50):
            with GradientTape() as tape:
                t = Tensor(x)
                tape.watch(t)
                z = ops.gelu(t)
            tape.gradient(z, t)
            if not np.array_equal(z.numpy(), y):
                wrong.append(x)

    threads = [threading.Thread(target=work, args=pair) for pair in zip(inputs, expected, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_unknown_sizes_run_the_composition():
    model = eagerly.Sequential(
        [eagerly.Input((64,)), eagerly.layers.Dense(64, "gelu"), eagerly.layers.Activation("softmax")]
    )
    assert model(floats(100, 64)).shape == (100, 64)
