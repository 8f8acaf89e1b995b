"""Softmax, cross-entropies, normalization: extreme values, gradients, and refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eagerly import ops
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from eagerly.variable import Variable
from gradients import check_gradients

EXTREME = [-1e4, -100.0, -1.0, 0.0, 1.0, 100.0, 1e4]
EPSILON = 1e-7


def gradient(function, *arrays):
    tensors = [Tensor(x) for x in arrays]
    with GradientTape() as tape:
        tape.watch(tensors)
        y = function(*tensors)
    return [None if g is None else g.numpy() for g in tape.gradient(y, tensors)]


def exact_softmax(x, axis=-1):
    x = np.asarray(x, np.longdouble)
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def exact_log_softmax(x, axis=-1):
    x = np.asarray(x, np.longdouble)
    shifted = x - x.max(axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))


@pytest.mark.parametrize("axis", [(0, 1), (0, 2), (-1, 0), [1, 2], (0, 1, 2), (2,)])
def test_softmax_over_several_axes(axis):
    x = np.random.default_rng(1).normal(size=(2, 3, 4))
    np.testing.assert_allclose(ops.softmax(x, axis).numpy(), exact_softmax(x, tuple(axis)).astype(float))
    np.testing.assert_allclose(ops.log_softmax(x, axis).numpy(), exact_log_softmax(x, tuple(axis)).astype(float))


@pytest.mark.parametrize("operation", [ops.softmax, ops.log_softmax])
def test_softmax_of_few_bits_of_nothing_and_of_infinities(operation):
    for dtype in ("float16", "bfloat16"):
        y = operation(Tensor(np.zeros(2**17), dtype))  # more ones than float16 can add up
        assert y.dtype == dtype
        assert y.numpy().astype(float)[0] == pytest.approx(
            2.0**-17 if operation is ops.softmax else -17 * np.log(2), 1e-2
        )
    assert operation(np.zeros((2, 0))).shape == (2, 0)
    assert operation(np.zeros((0, 2))).shape == (0, 2)
    assert operation([1, 2]).dtype == "float32"
    (g,) = gradient(operation, np.array([-np.inf, 1.0, 2.0]))
    assert np.isfinite(g).all() and g[0] in (0.0, 1.0)
    assert np.isnan(operation([-np.inf, -np.inf]).numpy()).all()  # as in Keras


LOGITS = st.lists(
    st.lists(st.sampled_from(EXTREME) | st.floats(-50, 50, width=32), min_size=3, max_size=3), min_size=1, max_size=4
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(LOGITS, st.sampled_from([0, 1, -1, None]))
def test_softmax_and_log_softmax_of_anything(rows, axis):
    x = np.array(rows, np.float32)
    flat = axis if axis is not None else (0, 1)
    y, logs = ops.softmax(x, axis).numpy(), ops.log_softmax(x, axis).numpy()
    np.testing.assert_allclose(y, exact_softmax(x, flat).astype(np.float64), rtol=2e-6, atol=1e-37)
    np.testing.assert_allclose(logs, exact_log_softmax(x, flat).astype(np.float64), rtol=2e-6, atol=2e-6)
    np.testing.assert_allclose(y.sum(flat), 1, rtol=1e-6)
    (g,) = gradient(lambda t: ops.softmax(t, axis), x)
    assert np.isfinite(g).all()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(LOGITS, st.data())
def test_cross_entropies_from_extreme_logits(rows, data):
    x = np.array(rows, np.float32)
    labels = np.array(data.draw(st.lists(st.integers(0, 2), min_size=len(x), max_size=len(x))), np.int32)
    one_hot = np.eye(3, dtype=np.float32)[labels]
    expected = -exact_log_softmax(x)[np.arange(len(x)), labels].astype(np.float64)
    sparse = ops.sparse_categorical_crossentropy(labels, x, from_logits=True)
    full = ops.categorical_crossentropy(one_hot, x, from_logits=True)
    np.testing.assert_allclose(sparse.numpy(), expected, rtol=2e-6, atol=2e-6)
    np.testing.assert_allclose(full.numpy(), expected, rtol=2e-6, atol=2e-6)
    expected_gradient = (exact_softmax(x) - one_hot).astype(np.float64)
    (g,) = gradient(lambda t: ops.sparse_categorical_crossentropy(labels, t, from_logits=True), x)
    np.testing.assert_allclose(g, expected_gradient, rtol=1e-5, atol=1e-6)
    (g,) = gradient(lambda t: ops.categorical_crossentropy(one_hot, t, from_logits=True), x)
    np.testing.assert_allclose(g, expected_gradient, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("target", [0.0, 0.3, 1.0])
def test_binary_cross_entropy_from_extreme_logits(target):
    x = np.array(EXTREME, np.float32)
    wide = x.astype(np.longdouble)
    expected = np.logaddexp(0, wide) - target * wide
    loss = ops.binary_crossentropy(np.full(x.shape, target, np.float32), x, from_logits=True)
    np.testing.assert_allclose(loss.numpy(), expected.astype(np.float64), rtol=1e-6, atol=1e-37)
    (g,) = gradient(lambda t: ops.binary_crossentropy(np.full(x.shape, target, np.float32), t, from_logits=True), x)
    np.testing.assert_allclose(g, (1 / (1 + np.exp(-wide)) - target).astype(np.float64), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("labels", "given"),
    [
        ([0, 3], r"3 at \(1,\)"),
        ([-1, 0], r"-1 at \(0,\)"),
        (np.array([0.0, 1.7]), r"1.7 at \(1,\)"),
        (np.array([np.nan, 1.0]), r"nan at \(0,\)"),
        (np.array([0, np.inf]), r"inf at \(1,\)"),
        (np.array([[0], [200]], "uint8"), r"200 at \(1,\)"),
        (np.array([2**40, 0]), r"1099511627776 at \(0,\)"),
    ],
)
@pytest.mark.parametrize("from_logits", [False, True])
def test_labels_that_are_no_class_are_refused(labels, given, from_logits):
    output = np.full((2, 3), 1 / 3, "float32")
    text = (
        rf"^sparse_categorical_crossentropy: expected integer labels in \[0, 3\), for the 3 classes .*, got {given}\. "
    )
    for make in (Tensor, lambda x: Variable(x, trainable=False), lambda x: x):
        with pytest.raises(ValueError, match=text):
            ops.sparse_categorical_crossentropy(make(labels), output, from_logits)


def test_labels_that_are_classes_in_any_dtype():
    output = np.full((2, 3), 1 / 3, "float32")
    for labels in (np.array([0, 2], "uint8"), np.array([0.0, 2.0]), np.array([True, False]), AbstractTensor((2,))):
        assert ops.sparse_categorical_crossentropy(labels, output).shape == (2,)
    assert ops.sparse_categorical_crossentropy(np.zeros(0, "int32"), output[:0]).shape == (0,)


def test_probabilities_are_kept_away_from_zero_and_one():
    certain = np.array([0.0, 1.0], np.float32)
    wrong = ops.binary_crossentropy(certain[::-1], certain).numpy()
    np.testing.assert_allclose(wrong, -np.log(EPSILON), rtol=2e-2)  # in float32, 1 - 1e-7 is 1 - 2⁻²³ or 1 - 2⁻²⁴
    assert np.abs(ops.binary_crossentropy(certain, certain).numpy()).max() < 1e-6
    loss = ops.categorical_crossentropy(certain, certain[::-1].copy()).numpy()
    np.testing.assert_allclose(loss, -np.log(EPSILON), rtol=1e-6)
    loss = ops.sparse_categorical_crossentropy([0], [[0.0, 1.0]]).numpy()
    np.testing.assert_allclose(loss, [-np.log(EPSILON)], rtol=1e-6)
    assert np.isfinite(gradient(lambda p: ops.binary_crossentropy(certain[::-1], p), certain)[0]).all()


def test_probabilities_are_scaled_to_sum_one():
    scaled = ops.categorical_crossentropy([[0.0, 1.0]], [[1.0, 3.0]]).numpy()
    np.testing.assert_allclose(scaled, [-np.log(0.75)], rtol=1e-6)
    np.testing.assert_allclose(ops.sparse_categorical_crossentropy([[1]], [[1.0, 3.0]]).numpy(), scaled, rtol=1e-6)


def test_classes_that_cannot_be_have_no_say():
    logits = np.array([[-np.inf, 1.0, 2.0]], np.float32)
    for axis in (-1, 1):
        loss = ops.sparse_categorical_crossentropy([2], logits, from_logits=True, axis=axis)
        np.testing.assert_allclose(loss.numpy(), np.log1p(np.exp([-1.0])), rtol=1e-6)
    (g,) = gradient(lambda x: ops.sparse_categorical_crossentropy([2], x, from_logits=True), logits)
    assert g[0, 0] == 0 and np.isfinite(g).all()
    assert ops.sparse_categorical_crossentropy([0], logits, from_logits=True).tolist() == [np.inf]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("labels", ["float32", "int32", "float16", "bool"])
def test_sixteen_bits_know_how_far_they_are_from_one(dtype, labels):
    sure, wrong = Tensor([[0.0, 1.0]], dtype), Tensor([[1, 0]], labels)
    expected = "float32" if labels == "float32" or (labels == "float16" and dtype == "bfloat16") else dtype
    for loss in (
        ops.binary_crossentropy(wrong, sure),
        ops.categorical_crossentropy(wrong, sure),
        ops.categorical_crossentropy(wrong, Tensor([[0.0, 16.0]], dtype), from_logits=True),
    ):
        assert loss.dtype == expected
        np.testing.assert_allclose(loss.numpy().astype(float), 16, rtol=2e-2)
    loss = ops.sparse_categorical_crossentropy([0], sure)
    assert loss.dtype == dtype
    np.testing.assert_allclose(loss.numpy().astype(float), 16, rtol=2e-2)
    assert ops.binary_crossentropy(Tensor([0, 1], labels), sure[0]).numpy().astype(float).max() < 1e-6


def test_sparse_targets_may_be_floats_and_have_a_last_axis_of_one():
    logits = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    labels = np.array([[0, 1, 2], [3, 3, 0]])
    expected = ops.sparse_categorical_crossentropy(labels, logits, from_logits=True).numpy()
    for target in (labels.astype(np.float32), labels[..., None], labels.astype(np.uint8)):
        loss = ops.sparse_categorical_crossentropy(target, logits, from_logits=True)
        np.testing.assert_array_equal(loss.numpy(), expected)
    moved = ops.sparse_categorical_crossentropy(labels, np.moveaxis(logits, -1, 1), from_logits=True, axis=1)
    np.testing.assert_allclose(moved.numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ([np.inf, 1.0], np.inf),
        ([-np.inf, 1.0], 1.0),
        ([-np.inf, -np.inf], -np.inf),
        ([np.inf, -np.inf], np.inf),
        ([np.nan, 1.0], np.nan),
        ([1e4, 1e4], 1e4 + np.log(2)),
        ([-1e4, -1e4], -1e4 + np.log(2)),
        ([0, 0], np.log(2)),
    ],
)
def test_logsumexp_of_extremes(x, expected):
    np.testing.assert_allclose(ops.logsumexp(x).numpy(), expected, rtol=1e-6)
    np.testing.assert_allclose(ops.logsumexp([x, x], axis=-1, keepdims=True).numpy(), [[expected]] * 2, rtol=1e-6)
    assert ops.logsumexp(x).dtype == "float32"


def test_logsumexp_gradient_is_softmax():
    x = np.array([[-1e4, 0.0, 1e4], [1.0, 2.0, 3.0]])
    (g,) = gradient(lambda t: ops.logsumexp(t, axis=1), x)
    np.testing.assert_allclose(g, ops.softmax(x).numpy(), rtol=1e-12)
    (g,) = gradient(ops.logsumexp, np.array([-np.inf, 1.0]))
    assert g.tolist() == [0.0, 1.0]


def test_batch_normalization_is_the_formula_along_any_axis():
    rng = np.random.default_rng(3)
    x = rng.normal(2, 3, (4, 3, 5)).astype(np.float32)
    for axis in (0, 1, 2, -1, -2):
        size = x.shape[axis]
        mean, variance, scale, offset = rng.uniform(0.5, 2, (4, size)).astype(np.float32)
        place = [1, 1, 1]
        place[axis] = size
        m, v, s, o = (p.reshape(place) for p in (mean, variance, scale, offset))
        y = ops.batch_normalization(x, mean, variance, axis, offset=offset, scale=scale, epsilon=0.1)
        np.testing.assert_allclose(y.numpy(), (x - m) / np.sqrt(v + 0.1) * s + o, rtol=1e-5, atol=1e-5)
        y = ops.batch_normalization(x, list(mean), list(variance), axis, offset=list(offset))
        np.testing.assert_allclose(y.numpy(), (x - m) / np.sqrt(v + 1e-3) + o, rtol=1e-5, atol=1e-5)


def test_moments_make_a_batch_normal():
    x = np.random.default_rng(4).normal(1e3, 2, (64, 6)).astype(np.float32)
    mean, variance = ops.moments(x, axes=[0])
    assert mean.shape == variance.shape == (6,)
    np.testing.assert_allclose(variance.numpy(), x.astype(np.float64).var(0), rtol=1e-4)
    y = ops.batch_normalization(x, mean, variance, axis=-1, epsilon=0.0).numpy()
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(y.std(0), 1, rtol=1e-4)


@pytest.mark.parametrize(
    "function",
    [
        ops.softmax,
        lambda x: ops.log_softmax(x, axis=0),
        lambda x: ops.softmax(x, axis=None),
        lambda x: ops.softmax(x, axis=(0, 1)),
        lambda x: ops.log_softmax(ops.reshape(x, (2, 3, 2)), axis=(0, 2)),
        ops.logsumexp,
        lambda x: ops.logsumexp(x, axis=(0, 1), keepdims=True),
        lambda x: ops.moments(x, 0),
        lambda x: ops.var(x, axis=1, keepdims=True),
        lambda x: ops.batch_normalization(x, *ops.moments(x, 0), -1, x[0], x[1]),
        lambda x: ops.categorical_crossentropy(ops.softmax(x[::-1]), x, from_logits=True),
        lambda x: ops.categorical_crossentropy(ops.square(x), ops.exp(x)),
        lambda x: ops.sparse_categorical_crossentropy([0, 2, 3], x, from_logits=True),
        lambda x: ops.sparse_categorical_crossentropy([0, 2, 3], ops.exp(x)),
        lambda x: ops.binary_crossentropy(x, x[::-1] * 2.0, from_logits=True),
        lambda x: ops.binary_crossentropy(x, ops.sigmoid(x)),
        lambda x: ops.dense(x, ops.transpose(x), x[:, 0], ops.tanh),
        ops.mish,
        ops.silu,
        ops.selu,
        ops.softsign,
        ops.softplus,
        ops.log_sigmoid,
        ops.hard_silu,
        lambda x: ops.divide_no_nan(x, x - x[:1]),
        lambda x: ops.take_along_axis(x, [[0], [3], [-1]], 1),
        lambda x: ops.take(x, [[2, 2], [0, 2]], axis=0),
        lambda x: ops.stack([x, x * x], axis=1),
        lambda x: ops.clip(x, -0.5, 0.5),
        lambda x: ops.where(x > 0, x * x, x),
    ],
)
def test_gradients_of_compositions(function):
    check_gradients(function, [np.random.default_rng(6).uniform(-1, 1, (3, 4))])


@pytest.mark.parametrize(
    ("call", "expected"), [(ops.relu, 0.0), (ops.absolute, 0.0), (ops.softsign, 1.0), (ops.elu, 1.0)]
)
def test_gradients_at_the_kink(call, expected):
    (g,) = gradient(call, np.zeros(2))
    assert g.tolist() == [expected, expected]


def test_divide_no_nan_has_no_nan_gradient():
    x, y = gradient(ops.divide_no_nan, np.array([1.0, 2.0]), np.array([0.0, 4.0]))
    assert x.tolist() == [0.0, 0.25]
    assert y.tolist() == [0.0, -0.125]


def test_power_at_zero_has_the_gradient_of_the_limit():
    (g,) = gradient(lambda x: ops.power(x, 2), np.array([0.0, 3.0]))
    assert g.tolist() == [0.0, 6.0]
    (g,) = gradient(lambda x: ops.power(x, 0), np.array([0.0, 3.0]))
    assert g.tolist() == [0.0, 0.0]
    x, y = gradient(ops.power, np.array([0.0, 0.0, -2.0]), np.array([0.0, 1.0, 3.0]))
    assert x.tolist() == [0.0, 1.0, 12.0]
    assert np.isfinite(y[:2]).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: ops.binary_crossentropy(np.ones(3), np.ones((3, 1))),
            ["binary_crossentropy", "one shape", "float64[3]", "float64[3, 1]"],
        ),
        (
            lambda: ops.categorical_crossentropy(np.ones((3, 2)), np.ones((3, 4))),
            ["categorical_crossentropy", "float64[3, 2]", "float64[3, 4]"],
        ),
        (
            lambda: ops.sparse_categorical_crossentropy([0, 1], np.ones((3, 4))),
            ["sparse_categorical_crossentropy", "axis 1", "int32[2]", "float64[3]"],
        ),
        (
            lambda: ops.sparse_categorical_crossentropy([0], [[1, 2]]),
            ["sparse_categorical_crossentropy", "floating-point", "int32[1, 2]"],
        ),
    ],
)
def test_refusals_show_both_shapes(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)
