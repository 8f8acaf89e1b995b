"""How a restore that does not fit is told: as a diff of paths, with what was probably meant."""

from __future__ import annotations

import difflib
from collections import deque
from typing import Any

from ..errors import describe
from ..variable import Variable
from .format import ObjectEntry, Objects
from .graph import encode, inside, join
from .matching import Plan

_MOST_LINES = 30


def report(entries: Objects, plan: Plan, strict: bool = True) -> str:
    """The differences that matter, one path a line."""
    count_extra = len(plan.extra) if strict else 0
    missing, extra = plan.missing[:_MOST_LINES], plan.extra[: min(_MOST_LINES, count_extra)]
    theirs = {path: _tensors_of_entry(entries, number) for path, number in missing}
    mine = {path: _tensors_of_object(value) for path, value in extra}
    in_file = [f"{path}: {_of_entry(entries[number], theirs[path])}" for path, number in missing]
    in_objects = [f"{path}: {_of_object(value, mine[path])}" for path, value in extra]
    parts = []
    for title, lines, count in (
        ("In the file, but not in the objects:", in_file, len(plan.missing)),
        ("In the objects, but not in the file:", in_objects, count_extra),
        ("Different:", plan.changed[:_MOST_LINES], len(plan.changed)),
    ):
        if lines:
            more = [f"and {count - _MOST_LINES} more"] if count > _MOST_LINES else []
            parts.append("\n  ".join([title, *lines, *more]))
    files, objects = dict(missing), dict(extra)
    alike = {(path, other) for path in files for other in objects if entries[files[path]].kind == _kind(objects[other])}
    for path, other in _near_misses(theirs, mine, alike):
        end = "" if entries[files[path]].tensor else "/..."
        other_end = "" if isinstance(objects[other], Variable) else "/..."
        by_name = entries.ways[files[path]][2] is None  # and not as the slot of a Variable
        place = _unwrapped(entries[files[path]], other, objects[other])
        hint = f": pass map={{{place!r}: {path!r}}}" if by_name else ""
        parts.append(f"The file has {path}{end}, you have {place}{other_end}{hint}.")
    return "\n".join(parts)


def _unwrapped(entry: ObjectEntry, path: str, value: Any) -> str:
    """The path below a live one where what the file has now lies, if it has been put into a new object."""
    while True:
        children = {encode(key): child for key, child in inside(value).items()}
        if len(children) != 1 or set(children) & set(entry.children) or isinstance(value, Variable):
            return path
        ((name, value),) = children.items()
        path = join(path, name)


def _count(tensors: list[str]) -> str:
    return f"{len(tensors)} Variable{'s' * (len(tensors) != 1)}"


def _of_entry(entry: ObjectEntry, tensors: list[str]) -> str:
    return str(entry.tensor) if entry.tensor else f"{entry.kind} with {_count(tensors)}"


def _kind(value: Any) -> str:
    """A live object's class as a file names it; containers and Variables are too common to tell anything."""
    return "" if isinstance(value, (Variable, list, tuple, dict)) else type(value).__name__


def _of_object(value: Any, tensors: list[str]) -> str:
    return describe(value) if isinstance(value, Variable) else f"{type(value).__name__} with {_count(tensors)}"


def _tensors_of_entry(entries: Objects, number: int) -> list[str]:
    """The dtypes and shapes below an object of the file, sorted: equal ones suggest that something was renamed."""
    queue, seen, tensors = deque([number]), {number}, []
    while queue:
        entry = entries[queue.popleft()]
        if entry.tensor:
            tensors.append(str(entry.tensor))
        new = [target for target in entry.children.values() if target not in seen]
        seen.update(new)
        queue.extend(dict.fromkeys(new))
    return sorted(tensors)


def _tensors_of_object(value: Any) -> list[str]:
    queue, seen, tensors = deque([value]), {id(value): value}, []
    while queue:
        value = queue.popleft()
        if isinstance(value, Variable):
            tensors.append(describe(value))
        new = {id(child): child for child in inside(value).values() if id(child) not in seen}
        seen.update(new)
        queue.extend(new.values())
    return sorted(tensors)


def _near_misses(
    theirs: dict[str, list[str]], mine: dict[str, list[str]], alike: set[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Pairs of paths that probably mean the same: equal tensors below, or in one place a similar name or one class."""
    pairs = []
    free = dict(mine)
    for path, tensors in theirs.items():
        scores = {other: _likeness(path, tensors, other, free[other], (path, other) in alike) for other in free}
        best = max(scores, key=lambda other: scores[other], default=None)
        if best is not None and scores[best] >= 1:
            pairs.append((path, best))
            del free[best]
    return pairs


def _likeness(path: str, tensors: list[str], other: str, other_tensors: list[str], one_class: bool) -> float:
    (folder, _, name), (other_folder, _, other_name) = path.rpartition("/"), other.rpartition("/")
    same_tensors = bool(tensors) and tensors == other_tensors
    similar = difflib.SequenceMatcher(None, name.lower(), other_name.lower()).ratio()
    here = folder == other_folder
    return same_tensors + (here and (similar >= 0.6 or one_class)) + similar / 2 + here / 4
