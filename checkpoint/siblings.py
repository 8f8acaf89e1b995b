"""Which older file is whole, for the message about a damaged one."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator

from ..errors import CorruptCheckpointError, RestoreError
from .reading import CheckpointFile

_NUMBERED = re.compile(r"(.*-)([0-9]{1,18})(\.\w+)")


@contextlib.contextmanager
def naming_last_good(path: str) -> Iterator[None]:
    """Makes the error about a damaged file name the newest older one that is whole."""
    try:
        yield
    except CorruptCheckpointError as error:
        error.last_good = last_good(path)
        raise


def last_good(path: str) -> str | None:
    """Of the files with the same name and lower numbers, the newest of which every byte that matters is right."""
    folder, name = os.path.split(path)
    numbered = _NUMBERED.fullmatch(name)
    if numbered is None:
        return None
    start, number, ending = numbered.groups()
    try:
        names = os.listdir(folder or ".")
    except OSError:
        return None
    found = (_NUMBERED.fullmatch(other) for other in names)
    others = {int(other[2]): other[0] for other in found if other and (other[1], other[3]) == (start, ending)}
    for older in sorted((other for other in others if other < int(number)), reverse=True):
        candidate = os.path.join(folder, others[older])
        with contextlib.suppress(OSError, CorruptCheckpointError, RestoreError), CheckpointFile(candidate) as file:
            file.verify_values()
            return candidate
    return None
