"""Random bits: Philox4x32-10 (Salmon et al. 2011), several counters beside each other in a vector.

Operands: bits[size] of uint32, state[2] of uint64, which are the key and the number of the draw. Words 4i to 4i + 3 are
those of block i, so that tasks, whatever runs them, need nothing of each other; `ops/draws.py` says the same in NumPy.
"""

from __future__ import annotations

import functools
from typing import Any

from . import emitter
from .cache import emitted
from .emitter import I1, I32, I64, POINTER, VOID, Emitter
from .launches import Launch, emit_kernel

BITS, STATE, SCRATCH, SIZE = range(4)
BLOCKS = 4096  # in a task
MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
WEYL = 0x9E3779B9, 0xBB67AE85


def launch(size: int) -> Launch | None:
    """The kernel for so many words."""
    return Launch(_code(), 2, (size,))


@functools.cache
def _code() -> int:
    (address,) = emitted(module, (), ("kernel",))
    return address


def module() -> Any:
    """The code for any number of words."""
    made = emitter.new_module("philox")
    _emit_task(made)

    def tasks(emit: Emitter, block: Any) -> Any:
        words = emit.integer(4 * BLOCKS)
        return emit.build.sdiv(emit.build.add(emit.field(block, SIZE), emit.integer(4 * BLOCKS - 1)), words)

    emit_kernel(made, [("task", tasks)])
    return made


def _emit_task(module: Any) -> None:
    emit = Emitter(module, "task", [POINTER, I64])
    build, (block, number), width = emit.build, emit.args, emit.lanes
    vector = emitter.ir.VectorType(I32, width)
    double = emitter.ir.VectorType(I64, width)

    def constant(value: int, kind: Any = vector) -> Any:
        return emitter.ir.Constant(kind, [emitter.ir.Constant(kind.element, value)] * width)

    def halves(word: Any) -> list[Any]:
        """The low and the high half of 64 bits."""
        return [build.trunc(word, I32), build.trunc(build.lshr(word, emit.integer(32)), I32)]

    def product(words: Any, multiplier: int) -> tuple[Any, Any]:
        """The high and the low word of each product."""
        whole = build.mul(build.zext(words, double), constant(multiplier, double))
        high = build.trunc(build.lshr(whole, constant(32, double)), vector)
        return high, build.mul(words, constant(multiplier))

    def interleaved(a: Any, b: Any, groups: int) -> tuple[Any, Any]:
        """Groups of so many lanes of two vectors, in turn."""
        lanes = [
            (lane // (2 * groups) * groups + lane % groups) + width * (lane // groups % 2) for lane in range(2 * width)
        ]
        first, second = (emit.shuffle(a, b, lanes[at : at + width]) for at in (0, width))
        return first, second

    state, bits, size = emit.field(block, STATE, POINTER), emit.field(block, BITS, POINTER), emit.field(block, SIZE)
    keys, draw = halves(emit.field(state, 0)), [emit.broadcast(half) for half in halves(emit.field(state, 1))]
    schedule = []
    for _ in range(10):
        schedule.append([emit.broadcast(word) for word in keys])
        keys = [build.add(word, emitter.ir.Constant(I32, step)) for word, step in zip(keys, WEYL, strict=True)]
    order = emitter.ir.Constant(vector, [emitter.ir.Constant(I32, lane) for lane in range(width)])

    def words(start: Any) -> list[Any]:
        """The words of a vector of blocks, as they follow each other in memory."""
        low, high = halves(start)  # a multiple of the width, so that no sum carries
        even, odd = [build.or_(emit.broadcast(low), order), draw[0]], [emit.broadcast(high), draw[1]]
        for words in schedule:
            (high_0, low_0), (high_1, low_1) = map(product, even, MULTIPLIERS)
            even = [build.xor(build.xor(high_1, odd[0]), words[0]), build.xor(build.xor(high_0, odd[1]), words[1])]
            odd = [low_1, low_0]
        pairs = zip(*(interleaved(a, b, 1) for a, b in zip(even, odd, strict=True)), strict=True)
        return [part for a, b in pairs for part in interleaved(a, b, 2)]

    def store(parts: list[Any], to: Any) -> None:
        for i, part in enumerate(parts):
            build.store(part, emit.at(to, emit.integer(i * width), I32), align=4)

    at_once = 4 * width
    first = build.mul(number, emit.integer(4 * BLOCKS))
    last = emit.minimum(build.add(first, emit.integer(4 * BLOCKS)), size)
    rest = emit.array(I32, at_once)
    whole = build.add(first, build.and_(build.sub(last, first), emit.integer(-at_once)))
    with emit.loop(first, last, at_once) as word:
        fits = build.icmp_signed("<", word, whole)
        store(words(build.lshr(word, emit.integer(2))), build.select(fits, emit.at(bits, word, I32), rest))
    count = build.mul(build.sub(last, whole), emit.integer(4))
    target = emit.at(bits, whole, I32)
    emit.call("llvm.memcpy.p0.p0.i64", VOID, target, rest, count, emitter.ir.Constant(I1, 0))
    emit.finish()
