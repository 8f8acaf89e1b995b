"""The HDF5 part of a checkpoint as viewers see it, compared with the index.

libhdf5 crashes, hangs or lies on damaged metadata, so it reads in a process of its own, with limits, and what it says
comes back as JSON. Restoring needs none of this.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from typing import Any

import numpy as np

from .. import dtypes
from ..adapters import hdf5, hdf5_layout
from ..errors import CorruptCheckpointError
from .graph import join
from .items import Item, below, tree
from .reading import CheckpointFile

_SECONDS = 60  # for libhdf5 to read the tree
_ROOM = 2**31  # bytes that it may use beside the size of the file


def survey(path: str) -> list[dict[str, Any]]:
    """What libhdf5 finds in a file: `adapters.hdf5.survey`, done where it can do no harm.

    Raises:
      CorruptCheckpointError: if it fails, crashes or hangs.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment["OPENBLAS_NUM_THREADS"] = "1"  # whose threads reserve memory, of which the process may not have much
    # The adapter alone, as a script, which takes half the time of importing all of eagerly.
    command = [sys.executable, "-P", hdf5.__file__, path, str(_ROOM)]
    try:
        done = subprocess.run(command, capture_output=True, env=environment, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise _damaged(path, f"libhdf5 has not read it in {_SECONDS} seconds") from None
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise _damaged(path, f"libhdf5 crashed on it (exit status {done.returncode})") from None
    if "problem" in found:
        raise _damaged(path, found["problem"])
    objects: list[dict[str, Any]] = found["objects"]
    return objects


def _damaged(path: str, detail: str) -> CorruptCheckpointError:
    return CorruptCheckpointError(f"{path}: damaged tree: {detail}. Restoring does not need the tree.", "tree")


def align(items: list[Item], found: list[dict[str, Any]]) -> tuple[dict[int, int], list[str]]:
    """Which found object is which of `items.tree`, by the names that lead there, and what is not on both sides."""
    expected = tree(items)
    problems, pairs, queue = [], {0: 0}, [(0, "")]
    for number, path in queue:
        links, others = expected[number].links, found[pairs[number]]["links"]
        for name in sorted(links.keys() | others.keys()):
            place = join(path, name)
            if name not in links or name not in others:
                problems.append(f"{place}: only in the {'index' if name in links else 'tree'}")
            elif links[name] not in pairs:
                pairs[links[name]] = others[name]
                queue.append((links[name], place))
            elif pairs[links[name]] != others[name]:
                problems.append(f"{place}: one object with another in the index, two in the tree")
    if len(set(pairs.values())) < len(pairs):
        problems.append("two objects in the index are one in the tree")
    return pairs, problems


def differences(file: CheckpointFile, found: list[dict[str, Any]]) -> list[str]:
    """Where the tree is not what the index says: what a viewer shows is not what is restored then."""
    numbered = below(file.objects, 0, "")
    items = list(numbered.values())
    pairs, problems = align(items, found)
    expected = tree(items)
    offsets = [file.offsets[number] for number in numbered]
    for mine, theirs in pairs.items():
        offset, place = (offsets[mine], items[mine].path) if mine < len(items) else (0, "%slots")
        problems += _difference(place or "the root", expected[mine], found[theirs], offset)
    return problems


def _difference(place: str, entry: hdf5_layout.Entry, other: dict[str, Any], offset: int) -> list[str]:
    if (entry.dtype is None) != ("dtype" not in other):
        return [f"{place}: a {'group' if entry.dtype is None else 'dataset'} in the index, not so in the tree"]
    if other["attributes"] != dict(entry.attributes):
        return [f"{place}: expected the attributes {dict(entry.attributes)}, got {other['attributes']}"]
    if entry.dtype is None:
        return []
    length = math.prod(entry.shape) * entry.dtype.itemsize
    expected = (entry.dtype.name, list(entry.shape), length)
    got = (other["dtype"], list(other["shape"]), other["length"])
    if expected != got or (length and offset != other["offset"]):
        return [f"{place}: expected {expected} at byte {offset}, got {got} at byte {other['offset']}"]
    return []


def dtype_of(item: dict[str, Any]) -> np.dtype[Any]:
    """The dtype of a surveyed dataset.

    Raises:
      ValueError: if Variables have none like it.
    """
    name = item["dtype"]
    if item["attributes"].get("dtype") == "bfloat16" and name in ("uint16", "void16"):
        name = "bfloat16"
    if name not in dtypes.NAMES or item["order"] == ">":
        raise ValueError(f"expected a little-endian dtype of Variables, got {item['order']}{name}")
    return dtypes.dtype(name)
