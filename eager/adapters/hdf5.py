"""HDF5, through h5py.

`lay_out` makes the skeleton of a file in memory: every byte of metadata, and the places where the values of each
dataset go, without the values. libhdf5 thus never sees a disk that is full or a damaged file; writing is the
caller's. Nothing here reads a file. Times are off everywhere, so the same tree gives the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Entry:
    """A group, or with a dtype a dataset; `links` lead by name to entries by number."""

    attributes: Mapping[str, str] = field(default_factory=dict)
    links: dict[str, int] = field(default_factory=dict)
    dtype: np.dtype[Any] | None = None
    shape: tuple[int, ...] = ()


@dataclass
class Layout:
    """A file without its values: pieces of metadata by offset, where each entry's values start, and its size."""

    pieces: list[tuple[int, bytes]]
    offsets: list[int]
    size: int


def lay_out(entries: Sequence[Entry], user_block: int) -> Layout:
    """The skeleton of an HDF5 file whose root group is the first entry, after a user block of the given size.

    An entry that several links lead to is one HDF5 object with hard links. A dataset without elements has offset 0.
    """
    import h5py

    pages = _Pages()
    offsets = []
    with h5py.File(pages, "w", userblock_size=user_block, libver="earliest") as file:
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_layout(h5py.h5d.CONTIGUOUS)
        creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        creation.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        creation.set_obj_track_times(False)
        objects: list[Any] = []
        for number, entry in enumerate(entries):
            if entry.dtype is None:
                made = file.create_group(None) if number else file["/"]
                offsets.append(0)
            else:
                space = h5py.h5s.create_simple(entry.shape) if entry.shape else h5py.h5s.create(h5py.h5s.SCALAR)
                kind = h5py.h5t.py_create(entry.dtype.newbyteorder("<"), logical=True)
                made = h5py.Dataset(h5py.h5d.create(file.id, None, kind, space, creation))
                offsets.append(made.id.get_offset() if 0 not in entry.shape else 0)
            for name, text in entry.attributes.items():
                made.attrs[name] = text
            objects.append(made)
        for entry, made in zip(entries, objects, strict=True):
            for name, target in entry.links.items():
                made[name] = objects[target]
    return Layout(pages.pieces(), offsets, pages.size)


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
