"""Working memory for kernels and graphs: taken for a call, given back after it, and taken by the next.

There are as many pieces as calls run at once, each as large as the largest of them needs.
"""

from __future__ import annotations

import numpy as np

LINE = 64  # bytes of a cache line, to which all is aligned


class Memory:
    """Working memory; `start` is its address, `bytes` are what can be used, from there on."""

    def __init__(self, size: int):
        self.size = size
        room = np.empty(size + LINE, np.uint8)
        place = -room.ctypes.data % LINE
        self.start = room.ctypes.data + place
        self.bytes = room[place:]


_free: list[Memory] = []


def take(size: int) -> Memory:
    """Memory of at least so many bytes, which mean nothing."""
    try:
        memory = _free.pop()
    except IndexError:
        return Memory(size)
    return memory if memory.size >= size else Memory(size)


def give(memory: Memory) -> None:
    """Gives memory back."""
    _free.append(memory)


def held() -> int:
    """The bytes that wait for calls."""
    return sum(memory.size for memory in _free)
