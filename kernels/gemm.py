"""The float32 matrix product C = A · B, for operands of any size and any strides.

Both operands are packed, a block of K at a time, into panels that one register-tiled micro-kernel reads from front to
end: 14×32 accumulators on AVX-512, 6×16 on AVX2 (Goto & van de Geijn 2008, "Anatomy of high-performance matrix
multiplication"). Blocks of K depend on K alone, and each element of C is one sum over k in order per block: the bits
are the same for any number of threads, any M and N.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
from typing import Any

import numpy as np

from . import emitter
from .cache import compiled
from .emitter import F32, I64, POINTER, Emitter
from .pool import RUN, pool

# The call's block of parameters, in words of 8 bytes: operands with strides in elements, panels, and the block at hand,
# which is columns J to J + JB of C, P to P + PB of K, rows TOP to TOP + TB of C.
A, B, C, M, N, K, A_ROW, A_COLUMN, B_ROW, B_COLUMN, A_PANELS, B_PANELS, POOL, J, JB, P, PB, TOP, TB, WORDS = range(20)
DEPTH = 320  # of K in a block: a panel of A stays in the first cache, eight of B in the second
WIDTH = 2048  # of N in a block
HEIGHT = 1120  # of M in a block, in whole tiles of 14 rows
COLUMN_TILES = 8  # tiles beside each other in one task

Array = np.ndarray[Any, Any]


def _small(rows: int) -> int:
    """The height of the tiles that take what is left below the last high one."""
    return 4 if rows > 6 else 2


def _transposed(emit: Emitter, vectors: list[Any]) -> list[Any]:
    """The square matrix of the vectors, transposed in log2(lanes) rounds that exchange ever larger blocks."""
    lanes, half = emit.lanes, 1
    while half < lanes:
        low = [lane if not lane & half else lanes + lane - half for lane in range(lanes)]
        high = [lane + half if not lane & half else lanes + lane for lane in range(lanes)]
        result = list(vectors)
        for i in range(lanes):
            if not i & half:
                pair = vectors[i], vectors[i + half]
                result[i], result[i + half] = emit.shuffle(*pair, low), emit.shuffle(*pair, high)
        vectors, half = result, half * 2
    return vectors


def _emit_pack(module: Any, height: int) -> None:
    """pack(to, from, valid, depth, stride, step): to[k · height + r] = from[r · stride + k · step], 0 from valid on."""
    emit = Emitter(module, f"pack_{height}", [POINTER, POINTER, I64, I64, I64, I64], internal=True)
    build, lanes = emit.build, emit.lanes
    to, source, valid, depth, stride, step = emit.args
    zero, one, size = emit.integer(0), emit.integer(1), emit.integer(height)
    starts = range(0, height, lanes)
    parts = [None if height - r >= lanes else emit.tail(emit.integer(height - r)) for r in starts]
    done = emit.variable(I64, zero)  # the k's that are packed

    def side_by_side() -> None:
        masks = [emit.tail(emit.minimum(build.sub(valid, emit.integer(r)), emit.integer(height - r))) for r in starts]
        with emit.loop(zero, depth) as k:
            here = emit.at(source, build.mul(k, step))
            there = emit.at(to, build.mul(k, size))
            for r, part, mask in zip(starts, parts, masks, strict=True):
                emit.store(emit.load(emit.at(here, emit.integer(r)), mask), emit.at(there, emit.integer(r)), part)
        build.store(depth, done)

    def transposed() -> None:
        whole = build.and_(depth, emit.integer(-lanes))
        with emit.loop(zero, whole, lanes) as k:
            for r, part in zip(starts, parts, strict=True):
                rows = [build.add(build.mul(emit.integer(row), stride), k) for row in range(r, min(r + lanes, height))]
                vectors = [emit.load(emit.at(source, row)) for row in rows]
                vectors += [emit.floats(0.0)] * (lanes - len(vectors))
                for n, vector in enumerate(_transposed(emit, vectors)):
                    there = build.add(build.mul(build.add(k, emit.integer(n)), size), emit.integer(r))
                    emit.store(vector, emit.at(to, there), part)
        build.store(whole, done)

    adjacent, contiguous = (build.icmp_signed("==", distance, one) for distance in (stride, step))
    with build.if_else(adjacent) as (columns, other):
        with columns:
            side_by_side()
        with other:
            if 2 * height > lanes:
                with build.if_then(build.and_(contiguous, build.icmp_signed("==", valid, size))):
                    transposed()
    with emit.loop(build.load(done, typ=I64), depth) as k, emit.loop(zero, size) as r:
        value = emit.variable(F32)
        build.store(emitter.ir.Constant(F32, 0.0), value)
        with build.if_then(build.icmp_signed("<", r, valid)):
            here = build.add(build.mul(r, stride), build.mul(k, step))
            build.store(build.load(emit.at(source, here), typ=F32), value)
        build.store(build.load(value, typ=F32), emit.at(to, build.add(build.mul(k, size), r)))
    emit.finish()


def _emit_micro(module: Any, height: int, width: int) -> None:
    """micro(c, row, a, b, depth, rows, columns, more): a tile of C from two panels, added to it if `more`."""
    arguments = [POINTER, I64, POINTER, POINTER, I64, I64, I64, I64]
    emit = Emitter(module, f"micro_{height}", arguments, internal=True)
    build, lanes = emit.build, emit.lanes
    c, row, a, b, depth, rows, columns, more = emit.args
    vectors = width // lanes
    tile = [[emit.variable(emit.vector, emit.floats(0.0)) for _ in range(vectors)] for _ in range(height)]
    with emit.loop(emit.integer(0), depth) as k:
        left = emit.at(a, build.mul(k, emit.integer(height)))
        right = emit.at(b, build.mul(k, emit.integer(width)))
        bs = [emit.load(emit.at(right, emit.integer(n * lanes))) for n in range(vectors)]
        for m in range(height):
            value = emit.broadcast(build.load(emit.at(left, emit.integer(m)), typ=F32))
            for n in range(vectors):
                build.store(emit.fma(value, bs[n], build.load(tile[m][n], typ=emit.vector)), tile[m][n])

    whole = build.and_(
        build.icmp_signed("==", rows, emit.integer(height)), build.icmp_signed("==", columns, emit.integer(width))
    )
    aside = emit.variable(emitter.ir.ArrayType(F32, height * width))  # a tile that reaches over C's edge is built here
    target, stride = build.select(whole, c, aside), build.select(whole, row, emit.integer(width))
    further = build.icmp_signed("!=", more, emit.integer(0))

    def copy(to: Any, to_row: Any, source: Any, source_row: Any) -> None:
        """Copies what is inside of C."""
        with emit.loop(emit.integer(0), rows) as m:
            for n in range(vectors):
                there, here = (
                    emit.at(pointer, build.add(build.mul(m, distance), emit.integer(n * lanes)))
                    for pointer, distance in ((to, to_row), (source, source_row))
                )
                mask = emit.tail(build.sub(columns, emit.integer(n * lanes)))
                emit.store(emit.load(here, mask), there, mask)

    with build.if_then(build.and_(build.not_(whole), further)):
        copy(aside, emit.integer(width), c, row)
    with build.if_else(further) as branches:
        for branch, add in zip(branches, (True, False), strict=True):
            with branch:
                for m, n in itertools.product(range(height), range(vectors)):
                    to = emit.at(target, build.add(build.mul(stride, emit.integer(m)), emit.integer(n * lanes)))
                    value = build.load(tile[m][n], typ=emit.vector)
                    emit.store(build.fadd(emit.load(to), value) if add else value, to)
    with build.if_then(build.not_(whole)):
        copy(c, row, aside, emit.integer(width))
    emit.finish()


class _Tiles:
    """How a block of rows is cut: high tiles first, then low ones for the rest."""

    def __init__(self, emit: Emitter, rows: Any, high: int):
        self.emit, self.rows, self.heights = emit, rows, (high, _small(high))
        build, one = emit.build, emit.integer(1)
        self.high = build.sdiv(build.add(rows, one), emit.integer(high))  # one row short still makes a high one
        rest = build.sub(rows, build.mul(self.high, emit.integer(high)))
        low = build.sdiv(build.add(rest, emit.integer(self.heights[1] - 1)), emit.integer(self.heights[1]))
        self.count = build.add(self.high, low)

    def each(self, number: Any, write: Any) -> None:
        """Calls `write(height, first row, rows)` where the tile is high, and where it is low."""
        emit, build = self.emit, self.emit.build
        with build.if_else(build.icmp_signed("<", number, self.high)) as branches:
            for branch, height in zip(branches, self.heights, strict=True):
                with branch:
                    first = build.mul(number, emit.integer(height))
                    if height == self.heights[1]:
                        skipped = build.mul(self.high, emit.integer(self.heights[0] - height))
                        first = build.add(first, skipped)
                    write(height, first, emit.minimum(build.sub(self.rows, first), emit.integer(height)))


def _up(emit: Emitter, a: Any, by: int) -> Any:
    """a / by, rounded up."""
    return emit.build.sdiv(emit.build.add(a, emit.integer(by - 1)), emit.integer(by))


def _emit_pack_task(module: Any, tile: tuple[int, int]) -> None:
    """A panel of A, or the panels of B that a later task multiplies."""
    emit = Emitter(module, "pack_task", [POINTER, I64])
    build, (block, number), (high, width) = emit.build, emit.args, tile
    depth, p = emit.field(block, PB), emit.field(block, P)
    tiles = _Tiles(emit, emit.field(block, TB), high)

    def pack(
        height: int, operand: int, strides: tuple[int, int], panels: int, first: Any, begin: Any, rows: Any
    ) -> None:
        """Packs from row `first` of the block that begins at `begin`."""
        stride, step = (emit.field(block, index) for index in strides)
        start = build.add(build.mul(build.add(begin, first), stride), build.mul(p, step))
        here = emit.at(emit.field(block, operand, POINTER), start)
        there = emit.at(emit.field(block, panels, POINTER), build.mul(first, depth))
        emit.build.call(module.globals[f"pack_{height}"], [there, here, rows, depth, stride, step])

    with build.if_else(build.icmp_signed("<", number, tiles.count)) as (left, right):
        with left:
            tiles.each(
                number,
                lambda height, first, rows: pack(
                    height, A, (A_ROW, A_COLUMN), A_PANELS, first, emit.field(block, TOP), rows
                ),
            )
        with right:
            start = build.mul(build.sub(number, tiles.count), emit.integer(COLUMN_TILES * width))
            end = emit.minimum(emit.field(block, JB), build.add(start, emit.integer(COLUMN_TILES * width)))
            with emit.loop(start, end, width) as first:
                columns = emit.minimum(build.sub(end, first), emit.integer(width))
                pack(width, B, (B_COLUMN, B_ROW), B_PANELS, first, emit.field(block, J), columns)
    emit.finish()


def _emit_multiply_task(module: Any, tile: tuple[int, int]) -> None:
    """One tile of rows times a few of columns.

    Tasks that follow one another take turns with two groups of columns, as those that packed them did: two threads in
    step each keep to a group that is in their own cache already.
    """
    emit = Emitter(module, "multiply_task", [POINTER, I64])
    build, (block, number), (high, width) = emit.build, emit.args, tile
    depth, row, jb = emit.field(block, PB), emit.field(block, N), emit.field(block, JB)
    tiles = _Tiles(emit, emit.field(block, TB), high)
    pair = build.mul(tiles.count, emit.integer(2))
    turn, tile_number = build.srem(number, emit.integer(2)), build.sdiv(build.srem(number, pair), emit.integer(2))
    group = build.add(build.mul(build.sdiv(number, pair), emit.integer(2)), turn)  # the last may have no columns
    left = build.mul(group, emit.integer(COLUMN_TILES * width))
    right = emit.minimum(jb, build.add(left, emit.integer(COLUMN_TILES * width)))

    def multiply(height: int, first: Any, rows: Any) -> None:
        a = emit.at(emit.field(block, A_PANELS, POINTER), build.mul(first, depth))
        start = build.mul(build.add(emit.field(block, TOP), first), row)
        with emit.loop(left, right, width) as column:
            b = emit.at(emit.field(block, B_PANELS, POINTER), build.mul(column, depth))
            c = emit.at(emit.field(block, C, POINTER), build.add(start, build.add(emit.field(block, J), column)))
            columns = emit.minimum(build.sub(jb, column), emit.integer(width))
            build.call(module.globals[f"micro_{height}"], [c, row, a, b, depth, rows, columns, emit.field(block, P)])

    tiles.each(tile_number, multiply)
    emit.finish()


def _emit_gemm(module: Any, tile: tuple[int, int]) -> None:
    """gemm(block): the loops over blocks; each is packed, then multiplied, by the pool."""
    emit = Emitter(module, "gemm", [POINTER], aliases=True)
    build, (block,), (high, width) = emit.build, emit.args, tile
    state, zero = emit.field(block, POOL, POINTER), emit.integer(0)
    m, n, k = (emit.field(block, index) for index in (M, N, K))

    def set_field(index: int, value: Any) -> None:
        build.store(value, emit.at(block, emit.integer(index), I64))

    def run(task: str, count: Any) -> None:
        address = build.ptrtoint(module.globals[task], I64)
        emit.call_address(emit.field(state, RUN), emitter.VOID, state, address, block, count)

    blocks = _up(emit, k, DEPTH)
    even = build.sdiv(build.add(k, build.sub(blocks, emit.integer(1))), blocks)
    with emit.loop(zero, n, WIDTH) as j:
        set_field(J, j)
        jb = emit.minimum(build.sub(n, j), emit.integer(WIDTH))
        set_field(JB, jb)
        with emit.loop(zero, k, even) as p:
            set_field(P, p)
            set_field(PB, emit.minimum(build.sub(k, p), even))
            with emit.loop(zero, m, HEIGHT) as i:
                set_field(TOP, i)
                ib = emit.minimum(build.sub(m, i), emit.integer(HEIGHT))
                set_field(TB, ib)
                tiles = _Tiles(emit, ib, high).count
                first = build.icmp_signed("==", i, zero)
                groups = _up(emit, jb, COLUMN_TILES * width)
                run("pack_task", build.add(tiles, build.select(first, groups, zero)))
                run("multiply_task", build.mul(tiles, build.mul(_up(emit, groups, 2), emit.integer(2))))
    emit.finish()


def module() -> Any:
    """All the code of a product."""
    made = emitter.new_module("gemm")
    tile = high, width = emitter.host().tile
    for height in (high, _small(high), width):
        _emit_pack(made, height)
    for height in (high, _small(high)):
        _emit_micro(made, height, width)
    _emit_pack_task(made, tile)
    _emit_multiply_task(made, tile)
    _emit_gemm(made, tile)
    return made


@functools.cache
def code() -> Any:
    """The function that takes a block of parameters, compiled."""
    (address,) = compiled(module(), ("gemm",))
    return ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address)


_free: list[tuple[Array, int, int]] = []  # panels of calls that have ended: one pair per thread that calls at once


def _new_panels() -> tuple[Array, int, int]:
    """Memory for a block's panels, with the addresses of A's and B's."""
    of_a = DEPTH * (HEIGHT + 16)
    memory = np.empty(of_a + DEPTH * (WIDTH + 32) + 32, np.float32)
    start = -(-memory.ctypes.data // 64) * 64
    return memory, start, start + 4 * of_a


def matmul(a: Array, b: Array) -> Array:
    """The product of two float32 matrices that are not empty."""
    (m, k), n = a.shape, b.shape[1]
    y = np.empty((m, n), np.float32)
    gemm = code()
    try:
        panels = _free.pop()
    except IndexError:
        panels = _new_panels()
    strides = (stride // 4 for stride in (*a.strides, *b.strides))
    addresses = a.ctypes.data, b.ctypes.data, y.ctypes.data
    block = (ctypes.c_int64 * WORDS)(*addresses, m, n, k, *strides, *panels[1:], pool().address)
    gemm(ctypes.addressof(block))
    _free.append(panels)
    return y
