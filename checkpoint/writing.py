"""Writing a checkpoint: items become an HDF5 file without values, then come the values, then the index."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np

from ..adapters import hdf5_layout
from . import format as layout
from .atomic import AtomicFile, replacing
from .blocks import Job, checksum_for, run
from .items import Item, tree

_SMALL = 2**16  # bytes of values that are written together with their neighbors
_PADS = [bytes(-length % layout.ALIGNED) for length in range(layout.ALIGNED)]


def write(path: str, items: list[Item], sync: bool = True, about: dict[str, Any] | None = None) -> None:
    """Writes the objects to a file that appears whole or not at all.

    Args:
      path: the file.
      items: the objects; links lead to them by their numbers in this list.
      sync: whether to wait until the disk has everything.
      about: what the index says of the file as a whole.

    Raises:
      OSError: if the file cannot be written; it names the path.
    """
    skeleton = hdf5_layout.lay_out(tree(items), layout.USER_BLOCK)
    with replacing(path, sync) as file:
        file.reserve(0, skeleton.size)
        checksums = _write_values(file, [item.values for item in items if item.values is not None], skeleton.start)
        index = layout.encode_index([item.entry for item in items], skeleton.start, checksums, about)
        file.reserve(skeleton.size, len(index))
        metadata = skeleton.metadata(skeleton.size + len(index))
        index = layout.set_tree(index, layout.checksum(metadata))
        file.write_at(layout.USER_BLOCK, metadata)
        file.write_at(skeleton.size, index)
        file.write_at(0, layout.encode_header(skeleton.size, index))


def _write_values(file: AtomicFile, arrays: list[np.ndarray[Any, Any]], offset: int) -> list[int]:
    """Writes values one after the other; the checksums of their blocks."""
    found: list[list[int]] = []
    jobs: list[Job] = []
    pieces: list[Any] = []
    start = offset
    for array in arrays:
        length = array.nbytes
        if 0 < length <= _SMALL:
            values: Any = layout.buffer(array)
            found.append([layout.checksum(values)])
            pieces += values, _PADS[length % layout.ALIGNED]
        else:
            if pieces:
                file.write_at(start, b"".join(pieces))
            jobs.append(Job(offset, layout.raw(array), []))
            found.append(jobs[-1].results)
            pieces, start = [], offset + length + -length % layout.ALIGNED
        offset += length + -length % layout.ALIGNED
        if offset - start >= layout.BLOCK and pieces:
            file.write_at(start, b"".join(pieces))
            pieces, start = [], offset
    if pieces:
        file.write_at(start, b"".join(pieces))
    checksum = checksum_for(sum(len(job.values) for job in jobs))

    def put(offset: int, block: memoryview) -> int:
        """Writes a block, with its checksum while it is in the cache."""
        result = checksum(block)
        file.write_at(offset, block)
        return result

    run(jobs, put)
    return list(chain.from_iterable(found))
