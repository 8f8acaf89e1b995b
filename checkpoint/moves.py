"""What `map` says: which objects have another path in the file than here."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from ..errors import describe
from .format import ObjectEntry, Objects
from .graph import join
from .matching import Rules
from .source import Source


def make_rules(
    file: Source,
    start: int,
    moves: Mapping[str, str] | None,
    strict: bool,
    at: str = "",
    more: Mapping[str, Any] | None = None,
) -> Rules:
    """The rules of a restore, with paths of the file as numbers.

    Raises:
      ValueError: if the map is not one of paths.
      RestoreError: if it names what the file does not have.
    """
    numbers, moved = {}, set()
    for mine, theirs in dict(moves or {}).items():
        if not (isinstance(mine, str) and isinstance(theirs, str) and mine and theirs):
            raise ValueError(
                f"{file.path}: expected map to be a dictionary from your paths to the file's, such as "
                f"{{'net': 'model'}}, got {describe({mine: theirs})}."
            )
        numbers[mine] = file.find(theirs, f"{theirs!r}, which map names,")
        folder, _, name = theirs.rpartition("/")
        moved.add((file.find(folder, "map"), name))
    for path in list(numbers):
        _stand_in(file.objects, start, at, path, numbers, moved)
    return Rules(start, more or {}, numbers, frozenset(moved), strict)


def _stand_in(
    entries: Objects, start: int, at: str, path: str, numbers: dict[str, int], moved: set[tuple[int, str]]
) -> None:
    """Gives objects that only lie on the way to a path, which the file does not have, an empty entry each."""
    if not path.startswith(f"{at}/" if at else ""):
        return  # it leads nowhere, which the restore is going to find
    number = start
    names = path[len(at) :].strip("/").split("/")
    for place in list(accumulate([at, *names[:-1]], join))[1:]:
        name = place.rpartition("/")[2]
        child = numbers.get(place)
        if child is None and (number, name) not in moved:
            child = entries[number].children.get(name)
        if child is None:
            child = numbers[place] = len(entries)
            entries.ways[child] = (number, name, None)
            entries.append(ObjectEntry("object"))
        number = child
