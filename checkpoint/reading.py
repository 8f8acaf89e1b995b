"""Reading: a checkpoint's bytes are checked before they are believed.

The header is checked by its checksum, the index by its SHA-256 and then field by field (`index`), the values block by
block. Nothing here parses HDF5, and nothing is allocated that the file does not hold.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, NoReturn, Self

import numpy as np

from ..errors import CorruptCheckpointError, RestoreError
from . import format as layout
from .blocks import Job, checksum_for, run
from .format import TensorType, path_of
from .index import UnknownFeature, read_index
from .source import Source

_SMALL = 2**16  # bytes of values that are read together with their neighbors
_PIECE = 16 * layout.BLOCK  # values that `verify_values` holds at a time


class RawFile:
    """A file that is read at offsets, from several threads."""

    def __init__(self, path: str):
        self.path = path
        self._file: BinaryIO = open(path, "rb", buffering=0)
        self._lock = threading.Lock()
        self.size = os.fstat(self._file.fileno()).st_size

    def close(self) -> None:
        """Ends it."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def corrupt(self, kind: str, offset: int, detail: str) -> NoReturn:
        """Refuses the file."""
        raise NotImplementedError

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fills a buffer with the bytes from an offset on; several threads may."""
        done = 0
        while done < len(buffer):
            count = self._read_some(offset + done, buffer[done:])
            if not count:
                self.corrupt("file", offset + done, f"expected {len(buffer) - done} more bytes, got its end")
            done += count

    def _read_some(self, offset: int, buffer: memoryview) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self._file.fileno(), [buffer], offset)
        with self._lock:  # Windows has no call that does both
            self._file.seek(offset)
            return self._file.readinto(buffer)  # type: ignore[attr-defined]


class CheckpointFile(RawFile, Source):
    """A checkpoint open for reading, its index verified.

    Args:
      path: the file.
      sealed: whether the file has to end where its index does, and not where an HDF5 tool has added something.

    Raises:
      CorruptCheckpointError: if the file is not a whole checkpoint.
      RestoreError: if it was written by a newer version.
    """

    def __init__(self, path: str, sealed: bool = True):
        super().__init__(path)
        self._sealed = sealed
        try:
            self._read_objects()
        except BaseException:
            self.close()
            raise

    def corrupt(self, kind: str, offset: int, detail: str) -> NoReturn:
        """Refuses the file."""
        text = f"{self.path}: damaged {kind} at byte {offset}: {detail}. Nothing was restored; use another checkpoint."
        raise CorruptCheckpointError(text, kind, offset)

    def edited(self, offset: int, detail: str) -> NoReturn:
        """Refuses a file that an HDF5 tool has changed."""
        command = f"python -m eagerly ckpt reseal {shlex.quote(self.path)}"
        text = (
            f"{self.path}: edited with an HDF5 tool, damaged at byte {offset} if not: {detail}. Nothing was restored; "
            f"use another checkpoint, or if the edit is meant, run {command}"
        )
        raise CorruptCheckpointError(text, "edited", offset)

    def tree_is_as_written(self) -> bool:
        """Whether the HDF5 part holds what was written, values apart; a tool that opens it for writing changes that."""
        found = 0
        for start, end in self._values.outside:
            while start < end:
                piece = bytearray(min(end - start, layout.BLOCK))
                self.read_into(start, memoryview(piece))
                found = layout.checksum(piece, found)
                start += len(piece)
        return found == self.tree

    def checksums(self, number: int) -> list[int]:
        """The checksums of a Variable's values."""
        first = self._values.first[number]
        return self._values.checksums[first : first + self._tensor(number).blocks]

    def read_values(self, number: int) -> np.ndarray[Any, Any]:
        """The values of a Variable as an array of one's own."""
        return self.read_all([number])[number]

    def read_all(self, numbers: Iterable[int]) -> dict[int, np.ndarray[Any, Any]]:
        """The values of Variables as arrays of one's own, by their numbers."""
        small: list[int] = []
        jobs, arrays = {}, {}
        for number in numbers:
            tensor = self._tensor(number)
            if 0 < tensor.length <= _SMALL:
                small.append(number)
            else:
                arrays[number] = array = np.empty(tensor.shape, tensor.dtype)
                jobs[number] = Job(self.offsets[number], array.reshape(-1).view(np.uint8), [])
        self._read_small(small, arrays)
        self._read(list(jobs.values()), sum(len(job.values) for job in jobs.values()))
        for number, job in jobs.items():
            self._check(number, job)
            arrays[number] = layout.native(arrays[number])
        return arrays

    def _tensor(self, number: int) -> TensorType:
        tensor = self.objects[number].tensor
        assert tensor is not None
        return tensor

    def _read_small(self, numbers: list[int], arrays: dict[int, np.ndarray[Any, Any]]) -> None:
        """Many small values, those that lie side by side with one read."""
        objects, offsets = self.objects, self.offsets
        first, checksums = self._values.first, self._values.checksums
        for together in self._neighbors(numbers):
            start, last = offsets[together[0]], together[-1]
            buffer = np.empty(offsets[last] + self._tensor(last).length - start, np.uint8)
            view = buffer.data
            self.read_into(start, view)
            for number in together:
                tensor: Any = objects[number].tensor
                place, dtype = offsets[number] - start, tensor.dtype
                checksum = layout.checksum(view[place : place + tensor.length])
                if checksum != checksums[first[number]] or dtype.kind == "b":
                    values = buffer[place : place + tensor.length]
                    self._check(number, Job(offsets[number], values, [checksum]))
                arrays[number] = layout.native(np.ndarray(tensor.shape, dtype, buffer, place).copy())

    def _neighbors(self, numbers: list[int]) -> Iterator[list[int]]:
        """Values in the order of the file, together those that have no others between them, up to a block."""
        together: list[int] = []
        start = end = 0
        for offset, number in sorted((self.offsets[number], number) for number in numbers):
            length = self._tensor(number).length
            if together and (offset >= end + layout.ALIGNED or offset + length > start + layout.BLOCK):
                yield together
                together = []
            if not together:
                start = offset
            together.append(number)
            end = offset + length
        if together:
            yield together

    def verify_values(self, told: Callable[[int], None] = lambda count: None) -> None:
        """Reads all values, in little memory, and raises if any is damaged; tells how many bytes are done each time."""
        pieces = [
            (number, start, min(tensor.length - start, _PIECE))
            for number, tensor in enumerate(entry.tensor for entry in self.objects)
            if tensor
            for start in range(0, tensor.length, _PIECE)
        ]
        buffer = np.empty(max((size for *_, size in pieces), default=0), np.uint8)
        total = sum(size for *_, size in pieces)
        for number, start, size in pieces:
            job = Job(self.offsets[number] + start, buffer[:size], [])
            self._read([job], total)
            self._check(number, job, start // layout.BLOCK)
            told(size)

    def _read(self, jobs: list[Job], total: int) -> None:
        """Reads blocks, each checked while it is in the cache; `total` are the bytes that are going to be read."""
        checksum = checksum_for(total)

        def get(offset: int, block: memoryview) -> int:
            self.read_into(offset, block)
            return checksum(block)

        run(jobs, get)

    def _check(self, number: int, job: Job, first: int = 0) -> None:
        tensor = self._tensor(number)
        expected = self.checksums(number)[first : first + len(job.results)]
        if job.results != expected:
            block = next(i for i, found in enumerate(job.results) if found != expected[i])
            offset = job.offset + block * layout.BLOCK
            detail = f"a block of {path_of(self.objects, number)!r} has another CRC-32"
            if self.tree is not None and not self.tree_is_as_written():
                self.edited(offset, detail)
            self.corrupt("values", offset, detail)
        if tensor.dtype.kind == "b" and job.values.max(initial=0) > 1:
            self.corrupt(
                "values",
                self.offsets[number],
                f"{path_of(self.objects, number)!r} holds truth values other than 0 and 1",
            )

    def _read_objects(self) -> None:
        version, offset, encoded = self._read_index()
        self.index_offset = offset
        try:
            content = json.loads(encoded.decode("ascii"), object_pairs_hook=without_duplicates)
        except (ValueError, RecursionError) as error:
            self.corrupt("index", offset, f"expected JSON, got {type(error).__name__}: {error}")
        try:
            index = read_index(content, version, offset)
        except UnknownFeature as error:
            raise RestoreError(f"{self.path}: {error}") from None
        except ValueError as error:
            self.corrupt("index", offset, str(error))
        self.objects, self._values, self.about, self.tree = index.objects, index.values, index.about, index.tree
        self.offsets = index.values.offsets

    def _read_index(self) -> tuple[int, int, bytearray]:
        """Version, offset and bytes of the index, after the header and the digest have been checked."""
        header = bytearray(min(layout.USER_BLOCK, self.size))
        self.read_into(0, memoryview(header))
        if not header.startswith(layout.MAGIC):
            start = bytes(header[: len(layout.MAGIC)])
            self.corrupt("header", 0, f"no checkpoint of eagerly begins so: expected {layout.MAGIC!r}, got {start!r}")
        if len(header) < layout.USER_BLOCK:
            self.corrupt("header", self.size, f"expected {layout.USER_BLOCK} bytes, got {self.size}")
        (checksum,) = layout.CHECKSUM.unpack_from(header, layout.USER_BLOCK - layout.CHECKSUM.size)
        if zlib.crc32(header[: -layout.CHECKSUM.size]) != checksum:
            self.corrupt("header", 0, "it has another CRC-32 than it says")
        _, version, offset, length, digest = layout.HEADER.unpack_from(header)
        if not 1 <= version <= layout.VERSION:
            raise RestoreError(
                f"{self.path}: expected a format version up to {layout.VERSION}, got {version}. Update eagerly to read "
                "this file."
            )
        if offset < layout.USER_BLOCK or offset + length > self.size:
            self.corrupt("file", self.size, f"expected {offset + length} bytes, got {self.size}")
        index = bytearray(length)
        self.read_into(offset, memoryview(index))
        if hashlib.sha256(index).digest() != digest:
            self.corrupt("index", offset, "it has another SHA-256 than the header says")
        if self._sealed and offset + length < self.size:
            self.edited(offset + length, f"expected {offset + length} bytes, got {self.size}")
        return version, offset, index


def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, if it has no name twice."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a name appears twice in one object")
    return made
