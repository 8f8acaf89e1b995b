"""Kernels made ready to run: a native function, and the block of parameters that it takes.

Every kernel is a function `kernel(pool, block)`. Its block is words of 8 bytes: the addresses of the outputs, of the
inputs, and of working memory, then what its driver has put there, such as sizes and strides in elements. A launch is
good for any operands of those sizes: eagerly it is called with arrays, in a compiled graph its block is kept and the
addresses are set once. Its code may write to its block, which belongs to one run at a time.

A kernel that can fail has a status among its words: 0 after a run, unless that met what it could not do. It has then
touched nothing out of bounds, and its outputs mean nothing. Its launch's address tells where in the block the status
is, in the bits below 16, since functions lie at multiples of 16: whatever runs a table of launches looks by itself.
"""

from __future__ import annotations

import ctypes
import functools
import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import emitter, scratch
from .cache import emitted
from .emitter import I64, POINTER, Emitter
from .pool import RUN, pool

Array = np.ndarray[Any, Any]
_SIGNATURE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)


@dataclass(frozen=True)
class Launch:
    """A kernel for operands of some sizes.

    address: where its function is, plus the place of its status in the block if it can fail.
    operands: how many addresses it takes, the outputs' first.
    words: what follows them, and the address of the working memory, in the block.
    scratch: the bytes of working memory, aligned to 64, that it needs.
    fault: for a kernel that can fail, what makes an error of the block after a run that did.
    """

    address: int
    operands: int
    words: tuple[int, ...]
    scratch: int = 0
    fault: Callable[[Any], Exception] | None = None
    _function: Any = field(init=False, compare=False, repr=False)
    _blocks: list[Any] = field(init=False, compare=False, repr=False, default_factory=list)  # of calls that have ended

    def __post_init__(self) -> None:
        if (self.fault is None) is not (self.address % 16 == 0):
            raise ValueError("a kernel that can fail has a status and an error, any other one has neither")
        if self.fault is not None:
            _FAULTS[self.address] = self.fault
        object.__setattr__(self, "_function", _SIGNATURE(self.address & -16))

    def __call__(self, *operands: Array) -> None:
        """Runs it on arrays, C-contiguous where its key says no more: the outputs, which it fills, then the inputs."""
        try:
            block = self._blocks.pop()
        except IndexError:
            count = self.operands + 1
            block = (ctypes.c_int64 * (count + len(self.words)))(*[0] * count, *self.words)
        memory = scratch.take(self.scratch)
        place = 0
        for array in operands:
            block[place] = address_of(array)
            place += 1
        block[place] = memory.start
        self._function(pool().address, ctypes.addressof(block))
        scratch.give(memory)
        if self.fault is not None and block[self.address % 16]:
            raise self.fault(block)
        self._blocks.append(block)


_FAULTS: dict[int, Callable[[Any], Exception]] = {}  # by the launches' addresses


def address_of(array: Any) -> int:
    """The address of an array's first element."""
    flags = array.flags
    if flags.writeable and flags.forc and array.size and array.dtype.kind != "V":  # bfloat16 has no buffer
        return ctypes.addressof(ctypes.c_char.from_buffer(array if flags.c_contiguous else array.T))
    address: int = array.ctypes.data  # four times as slow
    return address


def lowest(relu: bool) -> int:
    """The word that holds the least value a product's kernel gives, a float32: what is less becomes it, NaN stays."""
    word: int = struct.unpack("<q", struct.pack("<fxxxx", 0.0 if relu else -math.inf))[0]
    return word


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
def execute() -> Callable[[int, int, int], None]:
    """`execute(pool, table, count)`: runs the kernels of a table, each told by its address and its block's.

    It stops after one that has failed, and raises its error.
    """
    (address,) = emitted(execute_module, (), ("execute",))
    native = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(address)

    def run(pool: int, table: int, count: int) -> None:
        failed = native(pool, table, count)
        if failed < count:
            kernel, block = (ctypes.c_int64 * 2).from_address(table + 16 * failed)
            raise _FAULTS[kernel](ctypes.cast(block, ctypes.POINTER(ctypes.c_int64)))

    return run


def execute_module() -> Any:
    """execute(pool, table, count): gives the number of the kernel that has failed, or the count."""
    module = emitter.new_module("execute")
    emit = Emitter(module, "execute", [POINTER, POINTER, I64], aliases=True, result=I64)
    build, (state, table, count) = emit.build, emit.args
    zero = emit.integer(0)
    with emit.loop(zero, count) as number:
        entry = build.mul(number, emit.integer(2))
        address = build.load(emit.at(table, entry, I64), typ=I64)
        block = build.load(emit.at(table, build.add(entry, emit.integer(1)), I64), typ=POINTER)
        emit.call_address(build.and_(address, emit.integer(-16)), emitter.VOID, state, block)
        status = build.and_(address, emit.integer(15))
        with build.if_then(build.icmp_signed("!=", status, zero), likely=False):
            failed = build.icmp_signed("!=", build.load(emit.at(block, status, I64), typ=I64), zero)
            with build.if_then(failed, likely=False):
                build.ret(number)
    emit.finish(count)
    return module
