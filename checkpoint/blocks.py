"""Values block by block: each is checked while it is in the cache, several at once on threads.

A file's blocks are 1 MiB under one CRC-32. Reading and writing, and zlib's checksum, let other threads run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import kernels
from ..kernels.processors import cpus
from . import format as layout

# Bytes from which a kernel of checksums pays, threads do, and a kernel that has to load LLVM.
_SOME, _LARGE, _HUGE = 4 * layout.BLOCK, 32 * layout.BLOCK, 128 * layout.BLOCK
_MOST_THREADS = 4


@dataclass
class Job:
    """Bytes in memory, their place in a file, and the list that their blocks' results go to."""

    offset: int
    values: np.ndarray[Any, Any]
    results: list[int]


Checksum = Callable[[Any], int]


def checksum_for(size: int) -> Checksum:
    """CRC-32 of a block: by a kernel where so many bytes pay for its loading."""
    least = _SOME if "llvmlite" in sys.modules else _HUGE
    return (kernels.launch("crc32") if size >= least else None) or layout.checksum


def run(jobs: Sequence[Job], work: Callable[[int, memoryview], int]) -> None:
    """Calls `work(offset in the file, bytes)` for every block of every job, and keeps what it returns in order."""
    blocks = []
    for job in jobs:
        count = -(-len(job.values) // layout.BLOCK)
        job.results[:] = [0] * count
        view = job.values.data
        for number in range(count):
            start = number * layout.BLOCK
            blocks.append((job, number, job.offset + start, view[start : start + layout.BLOCK]))
    total = sum(len(job.values) for job in jobs)
    threads = min(_MOST_THREADS, cpus()) if total >= _LARGE else 1
    if threads == 1:
        _work_off(blocks, work)
        return
    waiting = iter(blocks)  # `next` on a list's iterator is one step for all threads
    with ThreadPoolExecutor(threads - 1) as pool:
        others = [pool.submit(_work_off, waiting, work) for _ in range(threads - 1)]
        _work_off(waiting, work)
        for done in others:
            done.result()


def _work_off(blocks: Any, work: Callable[[int, memoryview], int]) -> None:
    for job, number, offset, view in blocks:
        job.results[number] = work(offset, view)
