"""The register-tiled inner loop of convolutions, over any strides.

C[m, n] = Σ_r Σ_s Σ_k A[r·a_outer + s·a_middle + k·a_inner + m·a_row] · B[r·b_outer + s·b_middle + k·b_inner + n]:
height × vectors sums stay in registers, on AVX-512 14 × 2 of the 32. The loop over k is not unrolled: the addresses of
a tile's rows would no longer fit the registers.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .emitter import F32, Emitter

Value = Any


@dataclass
class Operand:
    """Where an operand is, and the distances of its elements along the loops, in floats."""

    start: Value
    outer: Value
    middle: Value
    inner: Value


def heights(lanes: int) -> tuple[int, ...]:
    """The heights of tiles that there is code for, the highest first."""
    return (14, 8, 4) if lanes == 16 else (6, 4, 2)


@functools.lru_cache(maxsize=1024)
def cover(size: int, known: tuple[int, ...]) -> tuple[tuple[int, ...], int, float]:
    """How many tiles of each known height cover so many rows at the least cost, the rows that they have, that cost.

    A tile that reaches over the end is to move back over rows that are done already; only a single one cannot.
    """
    high, *_ = known
    rest = size if size < 3 * high else size % high + 2 * high
    best: list[tuple[float, tuple[int, ...]]] = [(0.0, (0,) * len(known))]
    for rows in range(1, rest + 1):
        choices = []
        for i, height in enumerate(known):
            cost, counts = best[max(rows - height, 0)]
            more = tuple(count + (i == j) for j, count in enumerate(counts))
            choices.append((cost + _cost(height), more))
        best.append(min(choices))
    cost, counts = best[-1]
    further = (size - rest) // high
    counts = (counts[0] + further, *counts[1:])
    covered = sum(count * height for count, height in zip(counts, known, strict=True))
    return counts, covered, cost + further * _cost(high)


def _cost(height: int) -> float:
    """Of a tile beside a row of a high one: a low one waits for its own sums, and each has to be begun."""
    return max(height, 5) + 0.5


def emit_tile(
    emit: Emitter,
    height: int,
    vectors: int,
    sizes: tuple[Value, Value, Value],
    a: Operand,
    b: Operand,
    a_row: Value,
    write: Callable[[int, int, Value], None],
    initial: Sequence[Value] | None = None,
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
      initial: for each vector what the sums begin with; None for 0.
      masks: for each vector which lanes of b may be touched; None for all.
    """
    build, zero = emit.build, emit.integer(0)
    begin = [emit.floats(0.0)] * vectors if initial is None else initial
    tile = [[emit.variable(emit.vector, value) for value in begin] for _ in range(height)]
    rows = [build.mul(a_row, emit.integer(m)) for m in range(height)]
    with emit.loop(zero, sizes[0]) as r, emit.loop(zero, sizes[1]) as s:
        row_a, row_b = (
            emit.at(operand.start, build.add(build.mul(r, operand.outer), build.mul(s, operand.middle)))
            for operand in (a, b)
        )
        with emit.loop(zero, sizes[2]) as k:
            left, right = emit.at(row_a, build.mul(k, a.inner)), emit.at(row_b, build.mul(k, b.inner))
            bs = [
                emit.load(emit.at(right, emit.integer(n * emit.lanes)), None if masks is None else masks[n])
                for n in range(vectors)
            ]
            for m in range(height):
                value = emit.broadcast(build.load(emit.at(left, rows[m]), typ=F32))
                for n in range(vectors):
                    build.store(emit.fma(value, bs[n], build.load(tile[m][n], typ=emit.vector)), tile[m][n])
    for m in reversed(range(height)):
        for n in range(vectors):
            write(m, n, build.load(tile[m][n], typ=emit.vector))
