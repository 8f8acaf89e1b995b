"""Kernels made ready to run: a native function, and the block of parameters that it takes.

Every kernel is a function `kernel(pool, block)`. Its block is words of 8 bytes: the addresses of the outputs, of the
inputs, and of working memory, then what its driver has put there, such as sizes and strides in elements. A launch is
good for any operands of those sizes: eagerly it is called with arrays, in a compiled graph its block is kept and the
addresses are set once. Its code may write to its block, which belongs to one run at a time.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import emitter
from .cache import compiled
from .emitter import I64, POINTER, Emitter
from .pool import RUN, pool

Array = np.ndarray[Any, Any]
_SIGNATURE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)


@dataclass(frozen=True)
class Launch:
    """A kernel for operands of some sizes.

    address: where its function is.
    operands: how many addresses it takes, the outputs' first.
    words: what follows them, and the address of the working memory, in the block.
    scratch: the bytes of working memory, aligned to 64, that it needs.
    fault: what makes an error of the block, for a kernel that can fail. The first of its words, `status` in the block,
      is then not 0 after a run that did; nothing was read or written out of bounds, but the outputs mean nothing.
    """

    address: int
    operands: int
    words: tuple[int, ...]
    scratch: int = 0
    fault: Callable[[Any], Exception] | None = None

    @property
    def status(self) -> int:
        """Where the block tells whether a run failed, if one can: look before anything uses the outputs."""
        return self.operands + 1

    def __call__(self, *operands: Array) -> None:
        """Runs it on C-contiguous arrays: the outputs, which it fills, then the inputs."""
        memory = _take(self.scratch)
        addresses = [address_of(array) for array in operands]
        block = (ctypes.c_int64 * (self.operands + 1 + len(self.words)))(*addresses, memory.start, *self.words)
        _SIGNATURE(self.address)(pool().address, ctypes.addressof(block))
        _free.append(memory)
        if self.fault is not None and block[self.status]:
            raise self.fault(block)


def address_of(array: Array) -> int:
    """The address of an array's first element."""
    flags = array.flags
    if flags.writeable and flags.c_contiguous and array.size and array.dtype.kind != "V":  # bfloat16 has no buffer
        return ctypes.addressof(ctypes.c_char.from_buffer(array))  # type: ignore[arg-type]  # four times as fast
    address: int = array.ctypes.data
    return address


class _Memory:
    """Working memory, aligned to a cache line."""

    def __init__(self, size: int):
        self.size = size
        self._bytes = np.empty(size + 64, np.uint8)
        self.start = -(-self._bytes.ctypes.data // 64) * 64


_free: list[_Memory] = []  # of calls that have ended: one for each thread that calls at once


def _take(size: int) -> _Memory:
    try:
        memory = _free.pop()
    except IndexError:
        return _Memory(size)
    return memory if memory.size >= size else _Memory(size)


def emit_kernel(module: Any, stages: Sequence[tuple[str, Callable[[Emitter, Any], Any]]], name: str = "kernel") -> None:
    """Emits `kernel(pool, block)`: runs tasks in the pool, one stage after the other.

    Args:
      module: where to, and where the task functions `task(block, number)` are.
      stages: for each the name of its task function, and what emits the number of its tasks, given the emitter and the
        block.
      name: the function's name.
    """
    emit = Emitter(module, name, [POINTER, POINTER], aliases=True)
    state, block = emit.args
    for task, count in stages:
        address = emit.build.ptrtoint(module.globals[task], I64)
        emit.call_address(emit.field(state, RUN), emitter.VOID, state, address, block, count(emit, block))
    emit.finish()


@functools.cache
def execute() -> Any:
    """`execute(pool, table, count)`: runs the kernels of a table, each told by its address and its block's."""
    module = emitter.new_module("execute")
    emit = Emitter(module, "execute", [POINTER, POINTER, I64], aliases=True)
    state, table, count = emit.args
    with emit.loop(emit.integer(0), count) as number:
        entry = emit.build.mul(number, emit.integer(2))
        address = emit.build.load(emit.at(table, entry, I64), typ=I64)
        block = emit.build.load(emit.at(table, emit.build.add(entry, emit.integer(1)), I64), typ=POINTER)
        emit.call_address(address, emitter.VOID, state, block)
    emit.finish()
    (address,) = compiled(module, ("execute",))
    return ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(address)
