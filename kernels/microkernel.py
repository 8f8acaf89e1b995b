"""The register-tiled inner loop of convolutions, over any strides, so that no windows are ever written to memory.

C[m, n] = Σ_r Σ_s Σ_k A[r·a_r + s·a_s + m·a_m + k·a_k] · B[n, …]: height × vectors accumulators stay in registers. The
loop over k is not unrolled: the addresses of a tile's rows would no longer fit the registers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from . import emitter
from .emitter import F32, I64, Emitter

Value = Any


@dataclass
class Operand:
    """Where an operand is, and the distance of its elements along the loops, in floats."""

    start: Value
    outer: Value
    middle: Value
    inner: Value


def heights(lanes: int) -> tuple[int, ...]:
    """The heights of tiles, of two vectors a row, that a kernel has code for."""
    return (14, 11, 8, 4) if lanes == 16 else (6, 5, 4, 2)


def cover(size: int, known: Sequence[int]) -> tuple[tuple[int, ...], int]:
    """How many tiles of each known height cover so many rows at the least cost, and the rows that they have.

    A tile that reaches over the end moves back over rows that are done already; only a single one cannot.
    """
    rest = size if size < 3 * known[0] else size % known[0] + 2 * known[0]
    best: list[tuple[float, tuple[int, ...]]] = [(0.0, (0,) * len(known))]
    for rows in range(1, rest + 1):
        choices = []
        for i, height in enumerate(known):
            cost, counts = best[max(rows - height, 0)]
            more = tuple(count + (i == j) for j, count in enumerate(counts))
            choices.append((cost + max(height, 5) + 0.5, more))
        best.append(min(choices))
    counts = best[-1][1]
    counts = (counts[0] + (size - rest) // known[0], *counts[1:])
    return counts, sum(count * height for count, height in zip(counts, known, strict=True))


def emit_tile(
    emit: Emitter,
    height: int,
    vectors: int,
    sizes: tuple[Value, Value, Value],
    a: Operand,
    b: Operand,
    a_row: Value,
    write: Callable[[int, int, Value], None],
    masks: Sequence[Value] | None = None,
) -> None:
    """Emits the loops for a tile; `write(m, n, vector)` then gets the sums, the last row first.

    Args:
      emit: where to.
      height: rows of the tile.
      vectors: vectors in a row.
      sizes: how often each loop runs, from the outermost.
      a: the operand whose elements are spread over a row of the tile.
      b: the operand whose vectors meet all rows of the tile.
      a_row: the distance of a's elements from row to row.
      write: what becomes of the sums.
      masks: for each vector which lanes of b may be touched; None for all.
    """
    build, zero = emit.build, emit.integer(0)
    tile = [[emit.variable(emit.vector, emit.floats(0.0)) for _ in range(vectors)] for _ in range(height)]
    with emit.loop(zero, sizes[0]) as r, emit.loop(zero, sizes[1]) as s:
        place_a, place_b = (
            build.add(build.mul(r, operand.outer), build.mul(s, operand.middle)) for operand in (a, b)
        )
        row_a, row_b = emit.at(a.start, place_a), emit.at(b.start, place_b)
        with emit.loop(zero, sizes[2]) as k:
            left = emit.at(row_a, build.mul(k, a.inner))
            right = emit.at(row_b, build.mul(k, b.inner))
            bs = [
                emit.load(emit.at(right, emit.integer(n * emit.lanes)), None if masks is None else masks[n])
                for n in range(vectors)
            ]
            for m in range(height):
                here = emit.at(left, build.mul(a_row, emit.integer(m)))
                value = emit.broadcast(build.load(here, typ=F32))
                for n in range(vectors):
                    build.store(emit.fma(value, bs[n], build.load(tile[m][n], typ=emit.vector)), tile[m][n])
    for m in reversed(range(height)):
        for n in range(vectors):
            write(m, n, build.load(tile[m][n], typ=emit.vector))


def divided(emit: Emitter, number: Value, by: Value) -> tuple[Value, Value]:
    """Quotient and remainder of two int64 >= 0."""
    return emit.build.udiv(number, by), emit.build.urem(number, by)


def local(emit: Emitter, floats: Value) -> Value:
    """Memory for so many floats on the stack of the thread, until the function ends."""
    memory = emit.build.alloca(emitter.ir.IntType(8), emit.build.mul(floats, emit.integer(4)))
    memory.align = 64
    return memory


def copy(emit: Emitter, to: Value, source: Value, floats: Value) -> None:
    """Copies floats."""
    emit.call("memcpy", emitter.POINTER, to, source, emit.build.mul(floats, emit.integer(4)))


def clear(emit: Emitter, to: Value, floats: Value) -> None:
    """Makes floats 0."""
    emit.call("memset", emitter.POINTER, to, emitter.ir.Constant(emitter.I32, 0), emit.build.mul(floats, emit.integer(4)))


__all__ = ["I64", "Operand", "clear", "copy", "cover", "divided", "emit_tile", "heights", "local"]
