"""HDF5, through h5py: what a file holds, told without believing it.

This file also runs as a script, in a process of its own, because libhdf5 may crash or hang on a damaged file.
"""

from __future__ import annotations

import json
import math
import os
import sys
from typing import Any

import numpy as np


def survey(path: str) -> list[dict[str, Any]]:
    """What a file holds, as JSON values: groups and datasets, each once, the root group first.

    Of each: "links" (names to positions in this list), "attributes" (those that are text), and of a dataset "dtype",
    "shape", "offset" and "length" of its values in the file.

    libhdf5 may crash or hang on a damaged file; call this where that does no harm.

    Raises:
      ValueError: for anything but hard links and plain datasets of numbers that are in the file as they are:
        links to other files or paths, values in other files, chunks, filters, other types, values beyond the file.
    """
    import h5py

    size = os.path.getsize(path)
    with h5py.File(path, "r") as file:
        found: list[dict[str, Any]] = []
        positions: dict[int, int] = {}
        queue: list[tuple[str, Any]] = []

        def position(name: str, item: Any) -> int:
            address = h5py.h5o.get_info(item).addr
            if address not in positions:
                positions[address] = len(queue)
                queue.append((name, item))
            return positions[address]

        position("/", file["/"].id)
        room = size
        for place, item in queue:
            if isinstance(item, h5py.h5d.DatasetID):
                entry = _survey_dataset(place, item, size)
                room -= entry["length"]
                if room < 0:
                    raise ValueError(
                        f"{place}: its values and those before claim more than the {size} bytes of the file"
                    )
            elif isinstance(item, h5py.h5g.GroupID):
                entry = {"links": {}}
                for raw in item:
                    name = raw.decode()
                    below = f"{place.rstrip('/')}/{name}"
                    if item.links.get_info(raw).type != h5py.h5l.TYPE_HARD:
                        raise ValueError(f"{below}: expected a hard link, got a soft or external one")
                    entry["links"][name] = position(below, h5py.h5o.open(item, raw))
            else:
                raise ValueError(f"{place}: expected a group or a dataset, got {type(item).__name__}")
            attributes = h5py.AttributeManager(_Owner(item))
            entry["attributes"] = {
                name: value for name in ("class", "dtype") if isinstance(value := attributes.get(name), str)
            }
            found.append(entry)
    return found


class _Owner:
    """What h5py's AttributeManager asks of its owner."""

    def __init__(self, id: Any):
        self.id = id


def _survey_dataset(place: str, item: Any, size: int) -> dict[str, Any]:
    import h5py

    creation, kind = item.get_create_plist(), item.get_type()
    if creation.get_external_count():
        raise ValueError(f"{place}: expected values in the file, got external storage")
    if creation.get_layout() != h5py.h5d.CONTIGUOUS or creation.get_nfilters():
        raise ValueError(
            f"{place}: expected contiguous values without filters, got another layout (chunked, virtual ...)"
        )
    known = (h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.ENUM, h5py.h5t.COMPOUND, h5py.h5t.OPAQUE)
    if kind.get_class() not in known or kind.get_size() > 32:
        raise ValueError(f"{place}: expected numbers or truth values, got another type")
    dtype = kind.dtype
    if dtype.kind not in "biufc" and dtype != np.dtype("V2"):  # Keras's bfloat16
        raise ValueError(f"{place}: expected numbers or truth values, got {dtype}")
    shape = item.shape
    length = math.prod(shape) * dtype.itemsize
    offset = item.get_offset() if length else 0
    if length and (offset is None or item.get_storage_size() != length or offset + length > size):
        raise ValueError(f"{place}: expected {length} bytes of values in the file, got fewer")
    return {"links": {}, "dtype": dtype.name, "order": dtype.str[0], "shape": shape, "offset": offset, "length": length}


def _main(path: str, room: int) -> None:
    """Prints a survey as JSON, in a process that may take so much more memory than the file is long."""
    try:
        import resource

        limit = os.path.getsize(path) + room
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    except (ImportError, ValueError):  # Windows; a limit that is lower already
        pass
    try:
        result: dict[str, Any] = {"objects": survey(path)}
    except Exception as error:
        result = {"problem": f"{type(error).__name__}: {error}"}
    print(json.dumps(result))


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]))
