"""CRC-32, as zlib's: carry-less products fold a long message into a short one that has the same remainder.

Gopal et al. 2009, "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction". A register of 128 bits is
a polynomial; multiplied by x^distance mod P it may be added to the bits that stand so much later. What is left when all
has been folded, and the bytes that fill no step, zlib takes.
"""

from __future__ import annotations

import ctypes
import functools
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from . import emitter
from .cache import emitted
from .emitter import I8, I64, POINTER, Emitter

POLYNOMIAL = 0x104C11DB7
REGISTERS = 4  # folded beside each other, so that none waits for a product


def launch() -> Callable[[Any, int], int]:
    """`crc32(data, value=0)`, with zlib's results; data have a buffer. It lets other threads run.

    Raises:
      NotImplementedError: if this CPU has no carry-less products.
    """
    width = _width()
    (address,) = emitted(module, (width,), ("fold",))
    fold = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(address)
    step = REGISTERS * width

    def crc32(data: Any, value: int = 0) -> int:
        array: Any = np.frombuffer(data, np.uint8)
        whole = len(array) // step * step
        if whole == 0:
            return zlib.crc32(array, value)
        folded = ctypes.create_string_buffer(step)
        fold(folded, array.__array_interface__["data"][0], whole, value ^ 0xFFFFFFFF)
        return zlib.crc32(array[whole:], zlib.crc32(folded, 0xFFFFFFFF))  # whose register begins with 0

    return crc32


def _width() -> int:
    """The bytes of a register."""
    features = emitter.host().features.split(",")
    if "+vpclmulqdq" in features:
        return 4 * emitter.host().lanes
    if "+pclmul" in features:
        return 16
    raise NotImplementedError("this CPU has no carry-less products")


@functools.cache
def multipliers(distance: int) -> tuple[int, int]:
    """What the first and the last 8 bytes of a register are multiplied by, to stand so many bits later."""

    def power(exponent: int) -> int:
        """x^exponent mod P, its bits the other way round as CRC-32 has them, doubled as the product is a bit short."""
        remainder = 1
        for _ in range(exponent):
            remainder <<= 1
            remainder ^= POLYNOMIAL * (remainder >> 32)
        return int(f"{remainder:032b}"[::-1], 2) << 1

    return power(distance + 32), power(distance - 32)


def module(width: int) -> Any:
    """fold(folded, data, length, register): length is a positive multiple of what all registers hold."""
    made = emitter.new_module("crc32")
    emit = Emitter(made, "fold", [POINTER, POINTER, I64, I64])
    build, (folded, data, length, start) = emit.build, emit.args
    words, step = width // 8, REGISTERS * width
    vector = emitter.ir.VectorType(I64, words)
    name = "llvm.x86.pclmulqdq" + (f".{8 * width}" if width > 16 else "")
    constants = [emitter.ir.Constant(I64, power) for power in multipliers(8 * step)]
    factors = emitter.ir.Constant(vector, constants * (words // 2))

    def loaded(place: Any, register: int) -> Any:
        address = emit.at(data, build.add(place, emit.integer(register * width)), I8)
        return build.load(address, typ=vector, align=1)

    def product(a: Any, halves: int) -> Any:
        return emit.call(name, vector, a, factors, emitter.ir.Constant(I8, halves))

    registers = [emit.variable(vector, loaded(emit.integer(0), i)) for i in range(REGISTERS)]
    first = build.load(registers[0], typ=vector)
    word = build.extract_element(first, emitter.ir.Constant(emitter.I32, 0))
    build.store(build.insert_element(first, build.xor(word, start), emitter.ir.Constant(emitter.I32, 0)), registers[0])
    with emit.loop(emit.integer(step), length, step) as place:
        for i, register in enumerate(registers):
            value = build.load(register, typ=vector)
            moved = build.xor(product(value, 0x00), product(value, 0x11))
            build.store(build.xor(moved, loaded(place, i)), register)
    for i, register in enumerate(registers):
        build.store(build.load(register, typ=vector), emit.at(folded, emit.integer(i * width), I8), align=1)
    emit.finish()
    return made
