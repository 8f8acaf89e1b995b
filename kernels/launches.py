"""Kernels made ready to run: a native function, and the block of parameters that it takes.

Every kernel is a function `kernel(pool, block)`. Its block is words of 8 bytes: the addresses of the outputs, of the
inputs, and of working memory, then what its driver has put there, such as sizes and strides in elements. A launch is
good for any operands of those sizes: eagerly it is called with arrays, in a compiled graph its block is kept and the
addresses are set once. Its code may write to its block, which belongs to one run at a time.

A kernel that can fail has a status among its words: 0 after a run, unless that met what it could not do. It has then
touched nothing out of bounds, and its outputs mean nothing. Its launch's address tells where in the block the status
is, in the bits below 16, since functions lie at multiples of 16: whatever runs a table of launches looks by itself.

Operands are handed over as objects, in whose place native code puts their addresses.
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

from . import emitter, headers, scratch
from .cache import emitted
from .emitter import I32, I64, POINTER, Emitter
from .pool import RUN, pool

Array = np.ndarray[Any, Any]
_SIGNATURE = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)
# Words before the block of a launch that is called with arrays.
KIND, KERNEL, OPERANDS, POOL = range(4)
CALL = POOL + 1
# Words of what runs a table: the type of arrays; the places where addresses go, and their number; in each run its first
# launch, how many launches, the pool, and the operands.
PLACES, PLACE_COUNT, TABLE, COUNT, TABLE_POOL, FIRST = range(1, 7)


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
    _put: Any = field(init=False, compare=False, repr=False)
    _blocks: list[Any] = field(init=False, compare=False, repr=False, default_factory=list)  # of calls that have ended

    def __post_init__(self) -> None:
        if (self.fault is None) is not (self.address % 16 == 0):
            raise ValueError("a kernel that can fail has a status and an error, any other one has neither")
        if self.fault is not None:
            _FAULTS[self.address] = self.fault
        object.__setattr__(self, "_put", struct.Struct(f"{self.operands + 2}q").pack_into)

    def __call__(self, *operands: Array) -> None:
        """Runs it on arrays, C-contiguous where its key says no more: the outputs, which it fills, then the inputs."""
        try:
            block = self._blocks.pop()
        except IndexError:
            words = headers.ARRAY, self.address & -16, self.operands, 0, *[0] * (self.operands + 1), *self.words
            block = (ctypes.c_int64 * len(words))(*words)
        memory = scratch.take(self.scratch)
        self._put(block, 8 * POOL, pool().address, *map(id, operands), memory.start)
        other = _natives()[0](block)
        if other >= 0:
            raise TypeError(f"expected arrays as operands of a kernel, got {operands[other]!r}")
        scratch.give(memory)
        if self.fault is not None and block[CALL + self.address % 16]:
            raise self.fault((ctypes.c_int64 * (len(block) - CALL)).from_buffer(block, 8 * CALL))
        self._blocks.append(block)


_FAULTS: dict[int, Callable[[Any], Exception]] = {}  # by the launches' addresses


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
def _natives() -> tuple[Any, Any]:
    """What calls one launch, and what runs a table of them; each takes the address of its words."""
    invoke, execute = emitted(execute_module, (), ("invoke", "execute"))
    return _SIGNATURE(invoke), _SIGNATURE(execute)


class Table:
    """Launches that run one after the other, each told by its address and its block's.

    Args:
      launches: an array of these pairs.
      places: an array with four numbers for each word of a block that is an operand's address: the operand's number,
        the word's own address, what is added to the operand's, and the flags that the operand must have.
      operands: the number of operands.
    """

    def __init__(self, launches: Array, places: Array, operands: int):
        self._held = launches, places
        self._start = launches.ctypes.data
        words = headers.ARRAY, places.ctypes.data, places.size // 4, *[0] * (3 + operands)
        self._words = (ctypes.c_int64 * len(words))(*words)
        self._put = struct.Struct(f"{3 + operands}q").pack_into
        self._execute = _natives()[1]

    def run(self, objects: Sequence[int], first: int, count: int) -> int:
        """Runs launches on the operands with these ids; gives the number of one that lacks a flag, or -1.

        It stops after a launch that has failed, and raises its error.
        """
        table = self._start + 16 * first
        self._put(self._words, 8 * TABLE, table, count, pool().address, *objects)
        done: int = self._execute(self._words)
        if done == count:
            return -1
        if done < 0:
            return -1 - done
        kernel, block = (ctypes.c_int64 * 2).from_address(table + 16 * done)
        raise _FAULTS[kernel](ctypes.cast(block, ctypes.POINTER(ctypes.c_int64)))


def execute_module() -> Any:
    """invoke(words) gives the number of an operand that is no array, or -1.

    execute(words) gives -1 - the number of an operand that is no array or lacks a flag, else the number of the launch
    that has failed, or the count.
    """
    module = emitter.new_module("execute")
    _emit_invoke(module)
    _emit_execute(module)
    return module


def _emit_invoke(module: Any) -> None:
    emit = Emitter(module, "invoke", [POINTER], aliases=True, result=I64)
    build, (words,) = emit.build, emit.args
    kind, count = emit.field(words, KIND), emit.field(words, OPERANDS)
    block = emit.at(words, emit.integer(CALL), I64)
    with emit.loop(emit.integer(0), count) as number:
        place = emit.at(block, number, I64)
        array = build.load(place, typ=I64)
        with build.if_then(build.not_(_is_array(emit, array, kind)), likely=False):
            build.ret(number)
        build.store(_data_of(emit, array), place)
    emit.call_address(emit.field(words, KERNEL), emitter.VOID, emit.field(words, POOL, POINTER), block)
    emit.finish(emit.integer(-1))


def _emit_execute(module: Any) -> None:
    emit = Emitter(module, "execute", [POINTER], aliases=True, result=I64)
    build, (words,), zero = emit.build, emit.args, emit.integer(0)
    kind, places, state = (
        emit.field(words, KIND),
        emit.field(words, PLACES, POINTER),
        emit.field(words, TABLE_POOL, POINTER),
    )
    with emit.loop(zero, emit.field(words, PLACE_COUNT)) as number:
        place = emit.at(places, build.mul(number, emit.integer(4)), I64)
        operand = emit.field(place, 0)
        array = build.load(emit.at(words, build.add(operand, emit.integer(FIRST)), I64), typ=I64)
        with build.if_then(build.not_(_is_array(emit, array, kind)), likely=False):
            build.ret(build.sub(emit.integer(-1), operand))
        with build.if_then(build.not_(_has_flags(emit, array, emit.field(place, 3))), likely=False):
            build.ret(build.sub(emit.integer(-1), operand))
        build.store(build.add(_data_of(emit, array), emit.field(place, 2)), emit.field(place, 1, POINTER))
    table, count = emit.field(words, TABLE, POINTER), emit.field(words, COUNT)
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


def _data_of(emit: Emitter, array: Any) -> Any:
    """The address of the data of the array object at an address."""
    return _word(emit, array, headers.DATA, I64)


def _is_array(emit: Emitter, array: Any, kind: Any) -> Any:
    """Whether the object at an address is an array, given the address of that type."""
    return emit.build.icmp_signed("==", _word(emit, array, headers.TYPE, I64), kind)


def _has_flags(emit: Emitter, array: Any, flags: Any) -> Any:
    """Whether the array object at an address has all of some flags."""
    found = emit.build.zext(_word(emit, array, headers.FLAGS, I32), I64)
    return emit.build.icmp_signed("==", emit.build.and_(found, flags), flags)


def _word(emit: Emitter, address: Any, place: int, kind: Any) -> Any:
    build = emit.build
    return build.load(build.inttoptr(build.add(address, emit.integer(place)), POINTER), typ=kind)
