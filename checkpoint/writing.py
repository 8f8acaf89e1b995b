"""Writing a checkpoint: items become an HDF5 file without values, then come the values, then the index."""

from __future__ import annotations

from typing import Any

from ..adapters import hdf5_layout
from . import format as layout
from .atomic import AtomicFile, replacing
from .blocks import Job, checksum_for, run
from .format import TensorEntry
from .items import Item, tree


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
        for offset, piece in skeleton.pieces():
            file.write_at(offset, piece)
        jobs = []
        for item, offset in zip(items, skeleton.offsets, strict=False):  # the tree has groups of its own
            if item.dtype is not None and item.values is not None:
                values = layout.raw(item.values())
                item.entry.tensor = TensorEntry(item.dtype, item.shape, offset, len(values), [])
                jobs.append(Job(offset, values, item.entry.tensor.checksums))
        _write_values(file, jobs)
        entries = [item.entry for item in items]
        skeleton.extend(skeleton.size + len(layout.encode_index(entries, 0, about)))
        checksum = 0
        for start, end in layout.outside(entries, skeleton.size):
            checksum = layout.checksum(skeleton.read(start, end), checksum)
        index = layout.encode_index(entries, checksum, about)
        file.reserve(skeleton.size, len(index))
        file.write_at(*skeleton.end())
        file.write_at(skeleton.size, index)
        file.write_at(0, layout.encode_header(skeleton.size, index))


def _write_values(file: AtomicFile, jobs: list[Job]) -> None:
    """Writes blocks, each with its checksum while it is in the cache."""
    checksum = checksum_for(sum(len(job.values) for job in jobs))

    def put(offset: int, block: memoryview) -> int:
        result = checksum(block)
        file.write_at(offset, block)
        return result

    run(jobs, put)
