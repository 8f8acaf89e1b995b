"""The comparison itself: it draws the same for the same seed, and each aspect of a difference is noticed."""

import numpy as np
import pytest

from eagerly import ops as our_ops
from parity.comparing import differences, unequal
from parity.drawing import ALL, BFLOAT16, Draw, Row, given
from parity.known import KNOWN
from parity.rows import ROWS
from parity.running import Outcome, run_row


def outcome(*leaves, gradients=()):
    return Outcome([np.asarray(x) for x in leaves], [np.asarray(x) for x in gradients])


def aspects(ours, theirs, call=None, **options):
    return [found.aspect for found in differences(ours, theirs, call or given(), **options)]


ONE = np.ones(2, "float32")


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (outcome(ONE), outcome(ONE), []),
        (outcome(ONE), outcome(ONE + np.float32(1e-6)), []),
        (outcome(ONE), outcome(ONE * np.float32(1.001)), ["value"]),
        (outcome(ONE.astype("float64")), outcome((ONE * (1 + 1e-6)).astype("float64")), ["value"]),
        (outcome(ONE), outcome(ONE, ONE), ["structure"]),
        (outcome(ONE), outcome(ONE[:1]), ["shape"]),
        (outcome(ONE), outcome(ONE.astype("float64")), ["dtype"]),
        (outcome(ONE.astype("int32")), outcome(ONE.astype("int64")), []),
        (outcome(ONE.astype("int64")), outcome(ONE.astype("int32")), ["dtype"]),
        (outcome(ONE.astype("int32")), outcome(ONE.astype("int32") + 1), ["value"]),
        (outcome([np.nan, np.inf]), outcome([np.nan, np.inf]), []),
        (outcome([np.nan, 1.0]), outcome([0.0, 1.0]), ["value"]),
        (outcome([np.inf, 1.0]), outcome([-np.inf, 1.0]), ["value"]),
        (outcome(True), outcome(False), ["value"]),
        (Outcome([], error=ValueError("no")), outcome(ONE), ["error"]),
        (outcome(ONE), Outcome([], error=ValueError("no")), ["keras_error"]),
    ],
)
def test_each_aspect_is_noticed(ours, theirs, expected):
    assert aspects(ours, theirs, compare=("value", "dtype")) == expected


def test_int64_stays_where_it_was_brought():
    ours, theirs = outcome(ONE.astype("int32")), outcome(ONE.astype("int64"))
    for call in (given(np.ones(2, "int64")), given(np.ones(2), dtype="int64")):
        assert aspects(ours, theirs, call, compare=("dtype",)) == ["dtype"]


def test_gradients_are_compared_in_value_and_in_dtype():
    call = given(ONE, np.ones(2, "int32"), ONE)
    theirs = outcome(ONE, gradients=(ONE, ONE))
    assert aspects(outcome(ONE, gradients=(ONE, ONE)), theirs, call) == []
    assert aspects(outcome(ONE, gradients=(ONE, 2 * ONE)), theirs, call) == ["gradient"]
    assert aspects(outcome(ONE, gradients=(ONE, ONE.astype("float64"))), theirs, call) == ["gradient"]
    ours, theirs = outcome(ONE, gradients=(ONE, ONE)), outcome(ONE, gradients=(ONE, ONE))
    ours.of_weights, theirs.of_weights = (ONE,), (ONE + 1,)
    assert aspects(ours, theirs, call) == ["gradient"]


def test_sixteen_bits_bound_what_is_expected():
    short = np.array([1.0, 2.0]).astype(BFLOAT16)
    assert unequal(short, short + BFLOAT16.type(0.0078125)) == ""
    assert unequal(short, short + BFLOAT16.type(0.125)) != ""
    assert unequal(ONE, ONE * np.float32(1.002), short=("float16",)) == ""


def test_an_operation_that_is_a_little_wrong_is_noticed():
    row = Row(lambda d: given(d.array((2, 3))), lambda ops, x: ops.exp(x) * (1.001 if ops is our_ops else 1.0))
    call = row.draw(Draw(0))
    assert aspects(*run_row("exp", row, call), call) == ["value", "gradient"]
    stopped = Row(row.draw, lambda ops, x: ops.exp(ops.stop_gradient(x) if ops is our_ops else x))
    assert aspects(*run_row("exp", stopped, call), call) == ["gradient"]


@pytest.mark.parametrize("name", sorted(ROWS))
def test_the_same_seed_draws_the_same(name):
    for row in ROWS[name]:
        told = {str(row.draw(Draw(7, row.dtypes[0]))) for _ in range(2)}
        assert len(told) == 1


def test_draws_keep_to_their_dtype_and_domain():
    for dtype in ALL:
        d = Draw(1, dtype)
        for x in (d.array((50,), -2, 3, away=0.5), d.grid((50,), -2, 3, away=0.5)):
            assert x.dtype == d.own()
            assert (abs(x.astype("float64")) >= 0.5).all() and (x.astype("float64") <= 3).all()
        assert dtype == "bool" or len(np.unique(d.distinct((6,)).astype("float64"))) == 6


def test_every_known_difference_has_a_reason_and_a_row():
    assert set(KNOWN) <= set(ROWS)
    assert all(len(entry.reason) > 20 for entries in KNOWN.values() for entry in entries)
