"""The line of a user's code that is running: the innermost frame outside of this package and NumPy.

Both are told by their modules' names.
"""

from __future__ import annotations

import sys
from types import FrameType
from typing import NamedTuple

_PACKAGE = __name__.partition(".")[0]
_PREFIX = _PACKAGE + "."


class Line(NamedTuple):
    """A line of a user's code; prints as `file:line in function`."""

    file: str
    number: int
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.number} in {self.function}"


def is_ours(frame: FrameType) -> bool:
    """Whether a frame runs code of this package."""
    module = frame.f_globals.get("__name__", "")
    return module == _PACKAGE or module.startswith(_PREFIX)


def user_level() -> int:
    """The `stacklevel` for a warning of the caller's that makes it one of the user's line."""
    level, frame = 1, sys._getframe(1).f_back
    while frame is not None and is_ours(frame):
        level, frame = level + 1, frame.f_back
    return level + 1


def user_line() -> Line | None:
    """The line that called into this package, None if nothing but this package is running."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and (is_ours(frame) or frame.f_globals.get("__name__", "").startswith("numpy.")):
        frame = frame.f_back
    return None if frame is None else Line(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)
