"""Whole recurrent sequences: gradients, dtypes, what masks hold, and refusals. Values stand in `public_ops`."""

import re

import numpy as np
import pytest

from eagerly import function, ops
from eagerly.context import scoped
from eagerly.dimensions import unknown
from eagerly.ops import recurrences, unrolled
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from gradients import check_gradients
from public_ops import recurrent as references

RNG = np.random.default_rng(0)
MASK = np.array([[True, False, True, True], [False, False, True, False]])


def drawn(gates, steps=4, batch=2, features=3, units=2, biases=()):
    """x, first states for LSTM (two) or GRU, kernel, recurrent kernel, bias."""
    width = gates * units
    states = [(batch, units)] * (2 if gates == 4 else 1)
    shapes = [(batch, steps, features), *states, (features, width), (units, width), (*biases, width)]
    return [RNG.uniform(-1, 1, shape) for shape in shapes]


CALLS = {
    "lstm": lambda *given, mask=None: ops.lstm(*given, mask, True),
    "gru": lambda *given, mask=None: ops.gru(*given, mask, True, True),
    "gru_reset_before": lambda *given, mask=None: ops.gru(*given, mask, False, True),
}


def large(name):
    """Inputs that a kernel is made for, and a mask."""
    biases = (2,) if name == "gru" else ()
    inputs = drawn(4 if name == "lstm" else 3, steps=9, batch=11, features=5, units=12, biases=biases)
    return inputs, RNG.random((11, 9)) < 0.7


def first_and_second_order(call, inputs, dtype):
    """Outputs, gradients, and the gradients of the gradients' sum of squares."""
    tensors = [Tensor(x, dtype) for x in inputs]
    with GradientTape() as outer:
        outer.watch(tensors)
        with GradientTape() as tape:
            tape.watch(tensors)
            outputs = call(*tensors)
            loss = sum(ops.sum(y * y) for y in outputs)
        gradients = tape.gradient(loss, tensors)
        total = sum(ops.sum(g * g) for g in gradients)
    return [*outputs, *gradients, *outer.gradient(total, tensors)]


@pytest.mark.parametrize("masked", [False, True], ids=["all", "masked"])
@pytest.mark.parametrize("name", CALLS)
def test_kernels_mean_what_float64_does_to_second_order(name, masked):
    inputs, mask = large(name)

    def call(*tensors):
        return CALLS[name](*tensors, mask=mask if masked else None)

    found, exact = (first_and_second_order(call, inputs, dtype) for dtype in ("float32", "float64"))
    for y, expected in zip(found, exact, strict=True):
        scale = np.abs(expected.numpy()).max()
        np.testing.assert_allclose(y.numpy() / scale, expected.numpy() / scale, rtol=0, atol=3e-5)


@pytest.mark.parametrize("name", CALLS)
def test_a_compiled_step_runs_the_same_kernels(name, monkeypatch):
    inputs, mask = large(name)
    tensors = [Tensor(x, "float32") for x in inputs]

    def step(*tensors):
        with GradientTape() as tape:
            tape.watch(tensors)
            loss = ops.sum(CALLS[name](*tensors, mask=mask)[0])
        return [loss, *tape.gradient(loss, tensors)]

    eager, compiled = step(*tensors), function(step)
    monkeypatch.setattr(recurrences, "_by_kernel", None)  # no step of Python's is left
    monkeypatch.setattr(recurrences, "_taken", None)
    for y, expected in zip(compiled(*tensors), eager, strict=True):
        np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", CALLS)
def test_sequences_are_kernels_work_where_they_are_large_float32_ones(name, monkeypatch):
    asked = []
    monkeypatch.setattr(recurrences.kernels, "launch", lambda kernel, *key: asked.append((kernel, key)))
    inputs, mask = large(name)
    CALLS[name](*(Tensor(x, "float64") for x in inputs))
    CALLS[name](*(Tensor(x[:2], "float32") if x.shape[0] == 11 else Tensor(x, "float32") for x in inputs))
    assert not asked
    CALLS[name](*(Tensor(x, "float32") for x in inputs), mask=mask)  # NumPy does what there is no launch for
    assert asked == [(name, (False, 11, 9, 12, True, True))]


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "masked"])
def test_gradients_of_lstm(mask, backwards):
    check_gradients(lambda *given: ops.lstm(*given, mask, backwards), drawn(4))


@pytest.mark.parametrize("reset_after", [False, True])
@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "masked"])
def test_gradients_of_gru(mask, reset_after):
    inputs = drawn(3, biases=(2,) if reset_after else ())
    check_gradients(lambda *given: ops.gru(*given, mask, reset_after), inputs)


def test_no_mask_and_no_bias():
    x, h, c, kernel, recurrent, _ = drawn(4)
    for y, expected in zip(
        ops.lstm(x, h, c, kernel, recurrent), references.lstm(x, h, c, kernel, recurrent), strict=True
    ):
        np.testing.assert_allclose(y, expected, rtol=1e-12)


@pytest.mark.parametrize("backwards", [False, True])
def test_a_row_that_is_masked_whole_keeps_its_states_and_gives_zeros(backwards):
    x, h, c, *weights = drawn(4)
    mask = np.array([[False] * 4, [True] * 4])
    y, last_h, last_c = ops.lstm(x, h, c, *weights, mask, backwards)
    assert not y.numpy()[0].any() and y.numpy()[1].all()
    np.testing.assert_array_equal(last_h[0], h[0])
    np.testing.assert_array_equal(last_c[0], c[0])


def test_what_stands_in_skipped_steps_does_not_matter():
    x, h, *weights = drawn(3, biases=(2,))
    other = np.where(MASK[..., None], x, np.nan)
    for y, same in zip(ops.gru(x, h, *weights, MASK), ops.gru(other, h, *weights, MASK), strict=True):
        np.testing.assert_array_equal(y, same)


def test_numbers_serve_as_mask():
    x, h, *weights = drawn(3, biases=(2,))
    first, second = (ops.gru(x, h, *weights, mask)[0] for mask in (MASK, MASK.astype("float32")))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_dtypes(dtype):
    x, h, c, *weights = (Tensor(value, dtype) for value in drawn(4))
    assert {y.dtype.name for y in ops.lstm(x, h, c, *weights, MASK)} == {dtype}
    assert {y.dtype.name for y in ops.gru(x, h, *(w[..., :6] for w in weights[:2]), mask=MASK)} == {dtype}


def test_integers_are_numbers_too():
    _, h, c, *weights = (Tensor(value, "float32") for value in drawn(4))
    y, _, _ = ops.lstm(np.ones((2, 4, 3), "int32"), h, c, *weights)
    assert y.dtype == "float32"


def test_no_steps_and_no_rows():
    y, h, c = ops.lstm(*(v[:, :0] if i == 0 else v for i, v in enumerate(with_mask(drawn(4), None))))
    assert y.shape == (2, 0, 2) and h.shape == c.shape == (2, 2)
    y, h = ops.gru(*with_mask(drawn(3, batch=0, biases=(2,)), np.zeros((0, 4), bool)))
    assert y.shape == (0, 4, 2) and h.shape == (0, 2)


def with_mask(inputs, mask):
    return [*inputs, mask]


def test_sizes_that_are_not_known():
    batch, steps = unknown("batch"), unknown("steps")
    x, mask = AbstractTensor((batch, steps, 3), np.dtype("float32")), AbstractTensor((batch, steps), np.dtype(bool))
    h = AbstractTensor((batch, 2), np.dtype("float32"))
    weights = [np.ones(shape, "float32") for shape in ((3, 8), (2, 8), (8,))]
    y, last, c = ops.lstm(x, h, h, *weights, mask)
    assert y.dims == (batch, steps, 2) and last.dims == c.dims == (batch, 2)
    assert y.dtype == last.dtype == c.dtype == "float32"


def test_shapes_of_long_sequences_are_not_run(monkeypatch):
    monkeypatch.setattr(unrolled, "slices", None)
    x = AbstractTensor((2, 100_000, 3), np.dtype("float32"))
    h, weights = np.ones((2, 2), "float32"), [np.ones(shape, "float32") for shape in ((3, 6), (2, 6), (2, 6))]
    assert ops.gru(x, h, *weights)[0].shape == (2, 100_000, 2)
    with scoped(symbolic_call=True):
        assert ops.gru(x, h, *weights[:2], reset_after=False)[0].shape == (2, 100_000, 2)


def test_the_records_of_a_tape_grow_with_the_steps_and_no_faster():
    counts = []
    for steps in (50, 100, 200):
        inputs = [Tensor(value, "float16") for value in drawn(4, steps=steps)]
        with GradientTape() as tape:
            tape.watch(inputs)
            y = ops.lstm(*with_mask(inputs, None))[0]
        counts.append(len(tape._records))
        assert tape.gradient(y, inputs)[0].shape == (2, steps, 3)
    assert counts[2] - counts[1] < 2.2 * (counts[1] - counts[0])


WRONG = {
    "x": (0, (2, 3), "expected x [batch, steps, features], got float64[2, 3]"),
    "mask": (6, (2, 3), "expected mask of shape (2, 4) for x float64[2, 4, 3] and 2 units, got float64[2, 3]"),
    "h0": (1, (1, 2), "expected h0 of shape (2, 2) for x"),
    "c0": (2, (2, 3), "expected c0 of shape (2, 2) for x"),
    "kernel": (3, (3, 6), "expected kernel of shape (3, 8) for x"),
    "recurrent_kernel": (4, (2, 6), "expected recurrent_kernel of shape (2, 8) for x"),
    "rank": (4, (2, 2, 4), "expected recurrent_kernel [units, 4 * units], got float64[2, 2, 4]"),
    "bias": (5, (2, 8), "expected bias of shape (8,) for x"),
}


@pytest.mark.parametrize(("place", "shape", "message"), WRONG.values(), ids=WRONG)
def test_shapes_that_do_not_belong_together_are_refused(place, shape, message):
    inputs = with_mask(drawn(4), MASK)
    inputs[place] = np.ones(shape)
    with pytest.raises(ValueError, match=re.escape(f"lstm: {message}")):
        ops.lstm(*inputs)


@pytest.mark.parametrize(("reset_after", "wanted", "biases"), [(True, "(2, 6)", ()), (False, "(6,)", (2,))])
def test_gru_has_as_many_biases_as_reset_after_asks_for(reset_after, wanted, biases):
    inputs = with_mask(drawn(3, biases=biases), None)
    with pytest.raises(ValueError, match=re.escape(f"gru: expected bias of shape {wanted} for x float64[2, 4, 3]")):
        ops.gru(*inputs, reset_after=reset_after)


def test_complex_sequences_are_refused():
    inputs = [x.astype("complex64") for x in drawn(3, biases=(2,))]
    with pytest.raises(TypeError, match="sigmoid"):
        ops.gru(*inputs)
    z, h0 = inputs[0][..., :2].repeat(3, axis=-1), inputs[1]
    for primitive, operands in (
        (recurrences.gru_steps, (z, h0, *inputs[3:])),
        (recurrences.gru_steps_gradient, (z[..., :2], h0, z[..., :2], z, z, h0, *inputs[3:])),
    ):
        with pytest.raises(TypeError, match=f"{primitive.name}: expected real numbers"):
            primitive(*operands)
