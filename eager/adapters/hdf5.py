"""HDF5, through h5py.

`lay_out` makes the skeleton of a file in memory: every byte of metadata, and the places where the values of each
dataset go, without the values. libhdf5 thus never sees a disk that is full or a damaged file; writing is the
caller's. Nothing here reads a file. Times are off everywhere, so the same tree gives the same bytes.
"""

from __future__ import annotations

import io
import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_END = 40  # where a superblock of version 0 has the end of the file, HDF5 File Format Specification II.A


@dataclass
class Entry:
    """A group, or with a dtype a dataset; `links` lead by name to entries by number."""

    attributes: Mapping[str, str] = field(default_factory=dict)
    links: dict[str, int] = field(default_factory=dict)
    dtype: np.dtype[Any] | None = None
    shape: tuple[int, ...] = ()


class Layout:
    """A file without its values: its metadata, where each entry's values start, and its size."""

    def __init__(self, pages: _Pages, offsets: list[int], user_block: int):
        self._pages = pages
        self._end_field = user_block + _END
        self.offsets = offsets
        self.size = pages.size

    def pieces(self) -> list[tuple[int, bytes]]:
        """The metadata by offset."""
        return self._pages.pieces()

    def read(self, start: int, end: int) -> bytearray:
        """The bytes of a range, zeros where the values go."""
        data = bytearray(end - start)
        self._pages.seek(start)
        self._pages.readinto(data)
        return data

    def end(self) -> tuple[int, bytearray]:
        """Offset and bytes of what `extend` changes."""
        return self._end_field, self.read(self._end_field, self._end_field + 8)

    def extend(self, size: int) -> None:
        """Makes HDF5 take the file for longer, so that a tool that edits it does not cut off what follows."""
        self._pages.seek(self._end_field)
        self._pages.write(size.to_bytes(8, "little"))


def lay_out(entries: Sequence[Entry], user_block: int) -> Layout:
    """The skeleton of an HDF5 file whose root group is the first entry, after a user block of the given size.

    An entry that several links lead to is one HDF5 object with hard links. A dataset without elements has offset 0.
    """
    import h5py

    pages = _Pages()
    offsets = []
    # h5py's low level all along: its high one takes five times as long for a link.
    with h5py.File(pages, "w", userblock_size=user_block, libver="earliest") as file:
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_layout(h5py.h5d.CONTIGUOUS)
        creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        creation.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        creation.set_obj_track_times(False)
        in_unicode = h5py.h5p.create(h5py.h5p.LINK_CREATE)
        in_unicode.set_char_encoding(h5py.h5t.CSET_UTF8)
        types: dict[Any, Any] = {}
        objects: list[Any] = []
        for number, entry in enumerate(entries):
            if entry.dtype is None:
                made = h5py.h5g.create(file.id, None) if number else h5py.h5g.open(file.id, b"/")
                offsets.append(0)
            else:
                space = h5py.h5s.create_simple(entry.shape) if entry.shape else h5py.h5s.create(h5py.h5s.SCALAR)
                if entry.dtype not in types:
                    types[entry.dtype] = h5py.h5t.py_create(entry.dtype.newbyteorder("<"), logical=True)
                made = h5py.h5d.create(file.id, None, types[entry.dtype], space, creation)
                offsets.append(made.get_offset() if 0 not in entry.shape else 0)
            if entry.attributes:
                attributes = h5py.AttributeManager(_Owner(made))
                for name, text in entry.attributes.items():
                    attributes[name] = text
            objects.append(made)
        for entry, made in zip(entries, objects, strict=True):
            for name, target in entry.links.items():
                h5py.h5o.link(objects[target], made, name.encode(), lcpl=in_unicode)
    return Layout(pages, offsets, user_block)


class _Owner:
    """What h5py's AttributeManager asks of its owner."""

    def __init__(self, id: Any):
        self.id = id


class _Pages(io.RawIOBase):
    """A file in memory of which only the pages that were written exist."""

    _SIZE = 4096

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}
        self._position = 0
        self.size = 0

    def pieces(self) -> list[tuple[int, bytes]]:
        ends = {number: min(self._SIZE, self.size - number * self._SIZE) for number in sorted(self._pages)}
        return [(number * self._SIZE, bytes(self._pages[number][:end])) for number, end in ends.items() if end > 0]

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = offset + (0, self._position, self.size)[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def truncate(self, size: int | None = None) -> int:
        self.size = self._position if size is None else size
        return self.size

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        for start, page, at, end in self._spans(len(view)):
            stored = self._pages.setdefault(page, bytearray(self._SIZE))
            stored[at:end] = view[start : start + end - at]
        self._position += len(view)
        self.size = max(self.size, self._position)
        return len(view)

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        count = max(0, min(len(view), self.size - self._position))
        for start, page, at, end in self._spans(count):
            stored = self._pages.get(page)
            view[start : start + end - at] = bytes(end - at) if stored is None else stored[at:end]
        self._position += count
        return count

    def _spans(self, count: int) -> list[tuple[int, int, int, int]]:
        """From the position on: (place in the data, page, first and last place in the page)."""
        spans, start = [], 0
        while start < count:
            page, at = divmod(self._position + start, self._SIZE)
            end = min(self._SIZE, at + count - start)
            spans.append((start, page, at, end))
            start += end - at
        return spans


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
