"""Reading: a checkpoint's bytes are checked before they are believed.

The header is checked by its checksum, the index by its SHA-256 and then field by field (`index`), the values block by
block. Nothing here parses HDF5, and nothing is allocated that the file does not hold.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import zlib
from typing import Any, BinaryIO, NoReturn, Self

import numpy as np

from ..errors import CorruptCheckpointError, RestoreError
from . import format as layout
from .format import ObjectEntry, path_of
from .index import IndexReader, UnknownFeature


class CheckpointFile:
    """A checkpoint open for reading, its index verified.

    Raises:
      CorruptCheckpointError: if the file is not a whole checkpoint.
      RestoreError: if it was written by a newer version.
    """

    def __init__(self, path: str):
        self.path = path
        self._file: BinaryIO = open(path, "rb", buffering=0)
        try:
            self._size = os.fstat(self._file.fileno()).st_size
            self.objects = self._read_objects()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()

    def corrupt(self, kind: str, offset: int, detail: str) -> NoReturn:
        """Refuses the file."""
        raise CorruptCheckpointError(
            f"{self.path}: damaged {kind} at byte {offset}: {detail}. Nothing was restored; use another checkpoint."
        )

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fills a buffer with the bytes from an offset on."""
        self._file.seek(offset)
        done = 0
        while done < len(buffer):
            count = self._file.readinto(buffer[done:])  # type: ignore[attr-defined]
            if not count:
                self.corrupt("file", offset + done, f"expected {len(buffer) - done} more bytes, got its end")
            done += count

    def read_values(self, number: int) -> np.ndarray[Any, Any]:
        """The values of a Variable as an array of one's own."""
        tensor = self.objects[number].tensor
        assert tensor is not None
        array = np.empty(tensor.shape, tensor.dtype)
        values = array.reshape(-1).view(np.uint8)
        for block, checksum in enumerate(tensor.checksums):
            start = block * layout.BLOCK
            piece = values[start : start + layout.BLOCK].data
            self.read_into(tensor.offset + start, piece)
            if zlib.crc32(piece) != checksum:
                self.corrupt(
                    "values", tensor.offset + start, f"a block of {path_of(self.objects, number)!r} has another CRC-32"
                )
        if tensor.dtype.kind == "b" and values.max(initial=0) > 1:
            self.corrupt(
                "values", tensor.offset, f"{path_of(self.objects, number)!r} holds truth values other than 0 and 1"
            )
        return array if sys.byteorder == "little" else array.byteswap(inplace=True)

    def _read_objects(self) -> list[ObjectEntry]:
        offset, index = self._read_index()
        try:
            content = json.loads(index.decode("ascii"), object_pairs_hook=_without_duplicates)
        except (ValueError, RecursionError) as error:
            self.corrupt("index", offset, f"expected JSON, got {type(error).__name__}: {error}")
        try:
            return IndexReader(content, offset).objects()
        except UnknownFeature as error:
            raise RestoreError(f"{self.path}: {error}") from None
        except ValueError as error:
            self.corrupt("index", offset, str(error))

    def _read_index(self) -> tuple[int, bytearray]:
        """Offset and bytes of the index, after the header and the digest have been checked."""
        header = bytearray(min(layout.USER_BLOCK, self._size))
        self.read_into(0, memoryview(header))
        if not header.startswith(layout.MAGIC):
            start = bytes(header[: len(layout.MAGIC)])
            self.corrupt("header", 0, f"no checkpoint of eagerly begins so: expected {layout.MAGIC!r}, got {start!r}")
        if len(header) < layout.USER_BLOCK:
            self.corrupt("header", self._size, f"expected {layout.USER_BLOCK} bytes, got {self._size}")
        (checksum,) = layout.CHECKSUM.unpack_from(header, layout.USER_BLOCK - layout.CHECKSUM.size)
        if zlib.crc32(header[: -layout.CHECKSUM.size]) != checksum:
            self.corrupt("header", 0, "it has another CRC-32 than it says")
        _, version, offset, length, digest = layout.HEADER.unpack_from(header)
        if version != layout.VERSION:
            raise RestoreError(
                f"{self.path}: expected format version {layout.VERSION}, got {version}. Update eagerly to read it."
            )
        if offset < layout.USER_BLOCK or offset + length != self._size:
            self.corrupt("file", self._size, f"expected {offset + length} bytes, got {self._size}")
        index = bytearray(length)
        self.read_into(offset, memoryview(index))
        if hashlib.sha256(index).digest() != digest:
            self.corrupt("index", offset, "it has another SHA-256 than the header says")
        return offset, index


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a name appears twice in one object")
    return made
