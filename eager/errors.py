"""The exceptions of the library and the words its messages share.

Every message names the object, what was expected, what came, and what to do; `describe` and `suggest` keep the
wording of "what came" and "did you mean" the same everywhere.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class TraceError(TypeError):
    """A concrete value was needed where only shape and dtype are known."""


class GradientError(RuntimeError):
    """A gradient was asked for that the tape cannot give."""


class NumericsError(FloatingPointError):
    """A NaN or an infinity came up where numerics are checked; the parts of its message say where."""

    def __init__(self, what: str, inputs: str, when: str = ""):
        super().__init__(what, inputs, when)
        self.what = what
        self.inputs = inputs
        self.when = when

    def __reduce__(self) -> Any:
        return NumericsError, (self.what, self.inputs, self.when)

    def __str__(self) -> str:
        return (
            f"{self.what}{self.when}.\nIts inputs: {self.inputs}.\nVariables (weights, statistics, optimizer) are what "
            "they were before the step."
        )


class RestoreError(ValueError):
    """A checkpoint does not fit the objects it is restored into."""


class CorruptCheckpointError(ValueError):
    """A checkpoint file is damaged: its bytes are not those that were written.

    `kind` says which part of it, or that it was "edited"; `offset` is where. `last_good` is the newest older file of
    the same name that is whole, if there is one.
    """

    def __init__(self, text: str, kind: str = "file", offset: int = 0, last_good: str | None = None):
        super().__init__(text, kind, offset, last_good)
        self.text = text
        self.kind = kind
        self.offset = offset
        self.last_good = last_good

    def __reduce__(self) -> Any:
        return CorruptCheckpointError, (self.text, self.kind, self.offset, self.last_good)

    def __str__(self) -> str:
        return self.text if self.last_good is None else f"{self.text} The last good file is {self.last_good}."


class Mismatch(ValueError):
    """Labels, predictions or weights that do not belong together; `text` is the message without its subject."""

    def __init__(self, subject: str, text: str):
        super().__init__(f"{subject}: {text}")
        self.subject = subject
        self.text = text

    def __reduce__(self) -> Any:
        return Mismatch, (self.subject, self.text)


_LONGEST = 200  # characters after which the rest of a description is left out


def describe(value: Any) -> str:
    """What came, as a message shows it: `float32[2, 7]` for anything with shape and dtype, else value and type.

    >>> import numpy as np
    >>> describe(np.zeros((2, 7), np.float32)), describe(-3), describe(None)
    ('float32[2, 7]', '-3', 'None')
    """
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if isinstance(shape, tuple) and dtype is not None:
        return f"{dtype}[{', '.join(str(size) for size in shape)}]"
    if isinstance(value, (list, tuple)):
        return ("[{}]" if isinstance(value, list) else "({})").format(_listed(map(describe, value)))
    if isinstance(value, dict):
        return "{" + _listed(f"{key!r}: {describe(item)}" for key, item in value.items()) + "}"
    if value is None or isinstance(value, (bool, int, float, str)):
        return _shortened(repr(value))
    return _shortened(f"{type(value).__name__} {value!r}")


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def _listed(items: Iterable[str]) -> str:
    """The items between commas, as many as a message has room for: the others are not even made."""
    parts: list[str] = []
    room = _LONGEST
    for item in items:
        if room <= 0:
            return ", ".join([*parts, "…"])
        parts.append(item)
        room -= len(item) + 2
    return ", ".join(parts)


def suggest(name: str, known: Iterable[str]) -> str:
    """` Did you mean 'x'?` if a known name is near, else the empty string; meant to end a message.

    >>> suggest("rellu", ["tanh", "relu"])
    " Did you mean 'relu'?"
    """
    known = list(known)
    folded = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(str(name).lower(), folded, n=1, cutoff=0.6)
    return f" Did you mean {folded[near[0]]!r}?" if near else ""
