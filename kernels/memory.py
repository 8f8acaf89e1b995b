"""Memory that an operation gives back is kept for the next one.

glibc returns large blocks to the system at once, and the system clears each page that it gives again: an eager training
step of a transformer spent a fifth of its time there. From the first kernel on, up to `KEPT` bytes at the end of the
heap stay, and blocks up to `LARGEST` come from the heap. Who has set glibc's own variables has it as they say.
"""

from __future__ import annotations

import ctypes
import functools
import os

LARGEST = 64 << 20
KEPT = 512 << 20
# glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_OF_THE_USER = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_", "GLIBC_TUNABLES")


@functools.cache
def keep() -> bool:
    """Sets both limits for this process; whether it did."""
    if any(name in os.environ for name in _OF_THE_USER):
        return False
    libc = ctypes.CDLL(None)
    if not (hasattr(libc, "gnu_get_libc_version") and hasattr(libc, "mallopt")):
        return False
    return bool(libc.mallopt(_MMAP_THRESHOLD, LARGEST) and libc.mallopt(_TRIM_THRESHOLD, KEPT))
