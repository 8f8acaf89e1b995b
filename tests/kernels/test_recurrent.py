"""The kernels of recurrent sequences equal what the primitives compute in float64, for any sizes, masks and order."""

import itertools

import numpy as np
import pytest

from eagerly.kernels import gru, gru_reset_before, lstm
from eagerly.ops import recurrences

SIZES = [*itertools.product((1, 3, 4, 5, 8, 9, 21), (1, 16, 17)), *itertools.product((2, 7), (7, 8, 9, 15, 33, 70))]
ROUNDING = 2.0**-24
OPTIONS = {"lstm": {}, "gru": {}, "gru_reset_before": {"reset_after": False}}
KINDS = {
    "lstm": (lstm, recurrences.lstm_steps, recurrences.lstm_steps_gradient),
    "gru": (gru, recurrences.gru_steps, recurrences.gru_steps_gradient),
    "gru_reset_before": (gru_reset_before, recurrences.gru_steps, recurrences.gru_steps_gradient),
}


def drawn(kind, batch, steps, units, masked):
    """What the forward primitive takes, and gradients of its outputs."""
    rng = np.random.default_rng([batch, steps, units])
    gates, states, biases = {"lstm": (4, 2, ()), "gru": (3, 1, (2,)), "gru_reset_before": (3, 1, ())}[kind]
    width = gates * units
    shapes = [(batch, steps, width), *[(batch, units)] * states, (units, width), (*biases, width)]
    inputs = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    inputs[-2] /= np.float32(np.sqrt(units))
    given = [rng.normal(size=shape).astype(np.float32) for shape in [(batch, steps, units), *[(batch, units)] * states]]
    return inputs + [rng.random((batch, steps)) < 0.6] * masked, given


def run(kind, inputs, given, backwards, masked):
    """What both kernels make of it, the forward one's results first."""
    module, forward, gradient = KINDS[kind]
    sizes = (*given[0].shape, masked, backwards)
    results = [np.full(x.shape, np.nan, np.float32) for x in forward(*inputs, **OPTIONS[kind])]
    module.launch(False, *sizes)(*results, *inputs)
    operands = [*given, results[0], *results[forward.outputs :], *inputs]
    found = [np.full(x.shape, np.nan, np.float32) for x in gradient(*operands, **OPTIONS[kind])]
    module.launch(True, *sizes)(*found, *operands)
    return results, found


def wide(arrays):
    return [x.astype(np.float64) if x.dtype == np.float32 else x for x in arrays]


def check(kind, inputs, given, backwards, masked):
    _, forward, gradient = KINDS[kind]
    results, found = run(kind, inputs, given, backwards, masked)
    steps, units = given[0].shape[1:]
    for y, exact in zip(results, forward(*wide(inputs), backwards=backwards, **OPTIONS[kind]), strict=True):
        np.testing.assert_allclose(y, exact, rtol=0, atol=8 * steps * (1 + np.abs(exact).max()) * ROUNDING)
    kept = wide([*given, results[0], *results[forward.outputs :], *inputs])
    for y, exact in zip(found, gradient(*kept, backwards=backwards, **OPTIONS[kind]), strict=True):
        np.testing.assert_allclose(y, exact, rtol=0, atol=16 * steps * (1 + np.abs(exact).max()) * ROUNDING)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("masked", [False, True], ids=["all", "masked"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_tail(target, kind, masked, backwards):
    for batch, units in SIZES:
        check(kind, *drawn(kind, batch, 3, units, masked), backwards, masked)
    check(kind, *drawn(kind, 3, 1, 5, masked), backwards, masked)


@pytest.mark.parametrize("kind", KINDS)
def test_long_sequences_stay_exact(target, kind):
    check(kind, *drawn(kind, 9, 60, 40, True), False, True)


@pytest.mark.parametrize("kind", KINDS)
def test_same_bits_for_any_number_of_threads_and_rows(target, threads, kind):
    inputs, given = drawn(kind, 43, 7, 37, True)
    results = []
    for number in (1, 2, 3, 7):
        threads(number)
        results.append([x.tobytes() for y in run(kind, inputs, given, False, True) for x in y])
    assert all(other == results[0] for other in results)
    whole = run(kind, inputs, given, False, True)
    of_rows = [x.shape[0] == 43 for x in inputs]
    for rows in (1, 3, 4, 8, 13):
        some = [x[:rows] if batched else x for x, batched in zip(inputs, of_rows, strict=True)]
        part = run(kind, some, [x[:rows] for x in given], False, True)
        for x, y in zip(itertools.chain(*part), itertools.chain(*whole), strict=True):
            if y.shape[0] == 43:  # not the sums over all rows
                assert x.tobytes() == y[:rows].tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_not_a_number_stays_in_its_row_and_infinity_saturates(target, kind):
    inputs, given = drawn(kind, 11, 4, 18, False)
    clean = run(kind, inputs, given, False, False)
    z = inputs[0].copy()
    z[2, 1, 3], z[7, 2] = np.nan, np.inf
    _, forward, _ = KINDS[kind]
    results, found = run(kind, [z, *inputs[1:]], given, False, False)
    exact = forward(*wide([z, *inputs[1:]]), **OPTIONS[kind])
    for y, expected in zip(results, exact, strict=True):
        np.testing.assert_array_equal(np.isnan(y), np.isnan(expected))
        np.testing.assert_allclose(y, expected, rtol=0, atol=1e-5)
    others = [row for row in range(11) if row not in (2, 7)]
    for x, y in zip(itertools.chain(results, found), itertools.chain(*clean), strict=True):
        if y.shape[0] == 11:
            assert x[others].tobytes() == y[others].tobytes()
    assert np.isnan(found[0][2]).any() and not np.isnan(found[0][7]).any()


@pytest.mark.parametrize("kind", KINDS)
def test_operands_stay_as_they_are(target, kind):
    inputs, given = drawn(kind, 9, 3, 20, True)
    before = [x.tobytes() for x in (*inputs, *given)]
    run(kind, inputs, given, True, True)
    assert [x.tobytes() for x in (*inputs, *given)] == before
