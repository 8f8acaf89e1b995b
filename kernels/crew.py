"""Code made by other threads, while the one that needs it goes on to see what else it will need.

A plan asks for all its kernels in turn. Within `ahead()`, code that the cache lacks is emitted at once, which is
Python's work, and compiled by other threads, which is LLVM's, without Python's lock. Who asked for it gets `NotYet`,
goes on with the rest, and asks again after the wait. The threads have ended when the block has.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from . import NotYet

# Seconds after which a thread gives Python's lock away: LLVM's thread needs it some ten times for each kernel, shortly.
_TURN = 1e-4
_one_at_a_time = threading.Lock()
here = threading.local()  # `crew` where there is one


class Crew:
    """What other threads make for this one."""

    def __init__(self, pool: ThreadPoolExecutor):
        self._pool = pool
        self._made: dict[bytes, Future[list[int]]] = {}
        self._waited: set[bytes] = set()

    def result(self, key: bytes, make: Callable[[Any], list[int]], module: Callable[[], Any]) -> list[int]:
        """`make(module())`, by another thread.

        Raises:
          NotYet: until it has been waited for.
        """
        if key not in self._waited:
            if key not in self._made:
                self._made[key] = self._pool.submit(make, module())
            raise NotYet
        return self._made[key].result()

    def wait(self) -> bool:
        """Waits for what is being made; whether there was any."""
        new = self._made.keys() - self._waited
        wait([self._made[key] for key in new])
        self._waited |= new
        return bool(new)


@contextlib.contextmanager
def ahead(threads: int) -> Iterator[Callable[[], bool]]:
    """Lets other threads make code within; gives what waits for it, and tells whether there was any to wait for.

    Where another thread does the same already, nothing is different within.
    """
    if not _one_at_a_time.acquire(blocking=False):
        yield lambda: False
        return
    turn = sys.getswitchinterval()
    try:
        with ThreadPoolExecutor(threads, "eagerly compiler") as pool:
            here.crew = crew = Crew(pool)
            sys.setswitchinterval(_TURN)
            try:
                yield crew.wait
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    finally:
        sys.setswitchinterval(turn)
        here.crew = None
        _one_at_a_time.release()
