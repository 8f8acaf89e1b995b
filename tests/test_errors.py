"""The words of messages: what came, and what may have been meant."""

import collections
import pickle

import numpy as np
import pytest

from eagerly import errors
from eagerly.dimensions import unknown
from eagerly.errors import describe, suggest
from eagerly.tensor import AbstractTensor, Tensor
from eagerly.variable import Variable


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.zeros((2, 7)), "float64[2, 7]"),
        (np.float32(1), "float32[]"),
        (Tensor([1, 2]), "int32[2]"),
        (Variable(np.zeros((3, 1), bool)), "bool[3, 1]"),
        (AbstractTensor((unknown(), 4)), "float32[None, 4]"),
        ([np.zeros(2), 1], "[float64[2], 1]"),
        ((np.zeros(2), ["a", None]), "(float64[2], ['a', None])"),
        ({"x": np.zeros(2), 3: -1.5}, "{'x': float64[2], 3: -1.5}"),
        ([], "[]"),
        (True, "True"),
        (None, "None"),
        ("text", "'text'"),
        (float("nan"), "nan"),
        (2 + 1j, "complex (2+1j)"),
        (np.float32, "type <class 'numpy.float32'>"),
        (b"x", "bytes b'x'"),
    ],
)
def test_describe(value, words):
    assert describe(value) == words


def test_describe_believes_no_shape_that_is_none():
    odd = collections.namedtuple("Odd", "shape dtype")
    assert describe(odd("round", "soft")) == "('round', 'soft')"
    assert describe(type("Thing", (), {"shape": (1,), "__repr__": lambda self: "it"})()) == "Thing it"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("rellu", "relu"),
        ("RELU", "relu"),
        ("Softmax", "softmax"),
        ("leaky-relu", "LeakyReLU"),
        ("zzz", None),
        ("", None),
        (3, None),
    ],
)
def test_suggest(name, near):
    known = ["tanh", "relu", "softmax", "LeakyReLU"]
    expected = "" if near is None else f" Did you mean {near!r}?"
    assert suggest(name, known) == suggest(name, iter(known)) == suggest(name, dict.fromkeys(known)) == expected
    assert suggest(name, []) == ""


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("TraceError", TypeError),
        ("GradientError", RuntimeError),
        ("RestoreError", ValueError),
        ("CorruptCheckpointError", ValueError),
    ],
)
def test_exceptions_can_be_caught_as_pythons_own(name, base):
    kind = getattr(errors, name)
    assert issubclass(kind, base) and kind.__doc__
    assert str(kind("said")) == "said"


def test_a_mismatch_has_a_subject_and_survives_pickling():
    error = pickle.loads(pickle.dumps(errors.Mismatch("Loss 'a: b'", "expected 1: got 2")))
    assert isinstance(error, ValueError) and str(error) == "Loss 'a: b': expected 1: got 2"
    assert (error.subject, error.text) == ("Loss 'a: b'", "expected 1: got 2")


def test_a_numerics_error_tells_what_when_and_of_what_and_survives_pickling():
    error = errors.NumericsError("log gave NaN", "float32[2] in [-1, 1]")
    error.when = ", in batch 3"
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, FloatingPointError)
    assert str(again).startswith("log gave NaN, in batch 3.\nIts inputs: float32[2] in [-1, 1].\n")


def test_what_is_long_is_not_described_whole():
    class Counted:
        described = 0

        def __repr__(self):
            Counted.described += 1
            return "it"

    for value in ([Counted()] * 10**5, [[Counted()] * 1000] * 1000, {i: Counted() for i in range(10**4)}):
        Counted.described = 0
        text = describe(value)
        assert len(text) < 500 and "…" in text and 0 < Counted.described < 100
    assert describe([1] * 50) == str([1] * 50)
    assert len(describe("x" * 10**6)) < 300 and len(describe(set(range(10**4)))) < 300


def test_the_table_lists_every_exception():
    kinds = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert kinds == {
        "TraceError",
        "GradientError",
        "NumericsError",
        "RestoreError",
        "CorruptCheckpointError",
        "Mismatch",
    }
