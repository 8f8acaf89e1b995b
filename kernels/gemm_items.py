"""What one thread computes of a float32 matrix product: an item, a block of C.

By tiles: a micro-kernel keeps 14×32 sums in registers on AVX-512, 6×16 on AVX2. It reads A where it is or from a copy
of a few rows, B where it is or from packed panels that stay in the second cache, a block of K at a time (Goto & van de
Geijn 2008, "Anatomy of high-performance matrix multiplication"). Few rows of C need no tiles: they are sums of rows
of B, or dot products with B's columns. An element of C is one sum over k in order per block of K.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from . import emitter
from .emitter import F32, I1, I32, I64, POINTER, Emitter

DIMS = 3  # of a batch, after those are one that may be
# The block behind the operands' addresses. The kernel puts these there again, in fixed places, and counts items.
(
    SCRATCH, C, A, B, BIAS, NEXT, ITEMS, LANES, LANE_SIZE, M, N, K, A_ROW, A_COLUMN, B_ROW, B_COLUMN,
    BATCH, BATCH_ITEM, ROWS, COLUMNS, DEPTH, COPY, PACK, TURNED, FINISHED, LOWEST, SIZES,
) = range(27)  # fmt: skip
A_STRIDES, B_STRIDES = SIZES + DIMS, SIZES + 2 * DIMS
DEEPEST = 320  # of K in a block: a tile's rows of A stay in the first cache, eight panels of B in the second
STRIP = 4  # tiles' widths of B's rows that are read at a time for few rows of C
LOW = 4  # rows of the tiles that take what is left below the last high one
COPY_ROW = DEEPEST + 16  # the distance of rows in the copy of A


def emit_item(module: Any, kind: str) -> None:
    """item(p, memory, c, a, b, row, last_row, column, last_column): computes a block of C, by `finish`.

    Args:
      module: where to.
      kind: "tiles"; or, where C has few rows, "row" if rows of B lie in one piece each, "dot" if columns of B do.
    """
    if kind == "tiles":
        height = emitter.host().tile[0]
        for rows, vectors in ((height, 2), (height, 1), (LOW, 2)):
            _emit_micro(module, rows, vectors, exact=rows == height)
        _emit_copy(module)
        _emit_pack(module)
        _emit_tiles(module)
    else:
        {"row": _emit_row, "dot": _emit_dot}[kind](module)


def emit_finish(module: Any) -> None:
    """finish(p, c, row, tile, rows, columns, first, more, last): a tile comes to C, whose rows are `row` apart.

    It is added if `more`; bias and the lowest value follow if `last`. `first` is the number of its first column.
    """
    arguments = [POINTER, POINTER, I64, POINTER, I64, I64, I64, I1, I1]
    emit = Emitter(module, "finish", arguments, internal=True)
    build, lanes, width = emit.build, emit.lanes, emitter.host().tile[1]
    p, c, row, tile, rows, columns, first, more, last = emit.args
    bias = emit.field(p, BIAS, POINTER)
    zero = emit.integer(0)
    one = build.and_(  # the only row is C's only column
        build.icmp_signed("!=", emit.field(p, TURNED), zero), build.icmp_signed("==", emit.field(p, M), emit.integer(1))
    )
    biased = build.and_(last, build.icmp_signed("!=", emit.field(p, BIAS), zero))
    # Lanes out of a mask cost nothing where there is memory, and a lot at the address 0.
    bias = build.select(biased, emit.at(bias, build.select(one, zero, first)), tile)
    all_same = emit.broadcast(
        build.extract_element(emit.load(bias, build.and_(emit.tail(emit.integer(1)), emit.broadcast(biased))), I32(0))
    )
    each = build.and_(biased, build.not_(one))
    lowest = build.load(emit.at(p, emit.integer(LOWEST), I64), typ=F32)
    lowest = emit.broadcast(build.select(last, lowest, emitter.ir.Constant(F32, -math.inf)))
    parts = []
    for n in range(0, width, lanes):
        mask = emit.tail(build.sub(columns, emit.integer(n)))
        old, added = (build.and_(mask, emit.broadcast(flag)) for flag in (more, each))
        shift = emit.load(emit.at(bias, emit.integer(n)), added)
        parts.append((n, mask, old, build.select(one, all_same, shift)))
    with emit.loop(emit.integer(0), rows) as m:
        to = emit.at(c, build.mul(m, row))
        source = emit.at(tile, build.mul(m, emit.integer(width)))
        for n, mask, old, shift in parts:
            place, made = emit.at(to, emit.integer(n)), emit.at(source, emit.integer(n))
            before = build.select(more, place, made)  # not C, where it would wait for the row before to be stored
            total = build.fadd(emit.load(before, old), emit.load(made))
            value = build.fadd(total, shift)
            value = build.select(build.fcmp_unordered(">", value, lowest), value, lowest)  # which leaves NaN
            emit.store(value, place, mask)
    emit.finish()


def _emit_micro(module: Any, height: int, vectors: int, exact: bool) -> None:
    """micro(to, to_row, a, a_row, a_step, b, b_row, depth, rows): the products of some rows of A and columns of B.

    Unless `exact` there may be fewer rows than `height`; the last one then stands in for those that lack.
    """
    arguments = [POINTER, I64, POINTER, I64, I64, POINTER, I64, I64, I64]
    emit = Emitter(module, f"micro_{height}_{vectors}", arguments, internal=True)
    build, lanes = emit.build, emit.lanes
    to, to_row, a, a_row, a_step, b, b_row, depth, rows = emit.args
    sums = [[emit.variable(emit.vector, emit.floats(0.0)) for _ in range(vectors)] for _ in range(height)]
    left, right = emit.variable(POINTER, a), emit.variable(POINTER, b)
    row_numbers = [emit.integer(m) for m in range(height)]
    if not exact:
        row_numbers = [emit.minimum(m, build.sub(rows, emit.integer(1))) for m in row_numbers]
    starts = [build.mul(m, a_row) for m in row_numbers]
    with emit.loop(emit.integer(0), depth):
        here, there = build.load(left, typ=POINTER), build.load(right, typ=POINTER)
        columns = [emit.load(emit.at(there, emit.integer(n * lanes))) for n in range(vectors)]
        for start, row in zip(starts, sums, strict=True):
            value = emit.broadcast(build.load(emit.at(here, start), typ=F32))
            for column, total in zip(columns, row, strict=True):
                build.store(emit.fma(value, column, build.load(total, typ=emit.vector)), total)
        build.store(emit.at(here, a_step), left)
        build.store(emit.at(there, b_row), right)
    for m, row in enumerate(sums):
        for n, total in enumerate(row):
            place = build.add(build.mul(emit.integer(m), to_row), emit.integer(n * lanes))
            emit.store(build.load(total, typ=emit.vector), emit.at(to, place))
    emit.finish()


def _emit_copy(module: Any) -> None:
    """copy(to, from, row, rows, depth): a few rows of A, that lie in one piece each, close together."""
    emit = Emitter(module, "copy", [POINTER, POINTER, I64, I64, I64], internal=True)
    build, zero = emit.build, emit.integer(0)
    to, source, row, rows, depth = emit.args
    with emit.loop(zero, rows) as r, emit.loop(zero, depth, emit.lanes) as k:
        value = emit.load(emit.at(source, build.add(build.mul(r, row), k)), emit.tail(build.sub(depth, k)))
        emit.store(value, emit.at(to, build.add(build.mul(r, emit.integer(COPY_ROW)), k)))
    emit.finish()


def _emit_pack(module: Any) -> None:
    """pack(to, from, row, column, depth, columns): panels of B, each as wide as a tile, the last one filled up with 0.

    to[n0 · depth + k · width + n] = from[k · row + (n0 + n) · column]
    """
    emit = Emitter(module, "pack", [POINTER, POINTER, I64, I64, I64, I64], internal=True)
    build, zero, one, width = emit.build, emit.integer(0), emit.integer(1), emitter.host().tile[1]
    to, source, row, column, depth, columns = emit.args
    whole = build.and_(columns, emit.integer(-width))
    starts = range(0, width, emit.lanes)

    def copy(first: Any, k: Any, masks: Sequence[Any]) -> None:
        here = emit.at(source, build.add(build.mul(k, row), first))
        there = emit.at(to, build.add(build.mul(first, depth), build.mul(k, emit.integer(width))))
        for n, mask in zip(starts, masks, strict=True):
            emit.store(emit.load(emit.at(here, emit.integer(n)), mask), emit.at(there, emit.integer(n)))

    def one_by_one(k: Any, n: Any) -> None:
        value = build.load(emit.at(source, build.add(build.mul(k, row), build.mul(n, column))), typ=F32)
        build.store(value, emit.at(to, place(k, n)))

    def place(k: Any, n: Any) -> Any:
        inside = build.and_(n, emit.integer(width - 1))
        return build.add(build.add(build.mul(build.sub(n, inside), depth), build.mul(k, emit.integer(width))), inside)

    four = emitter.ir.VectorType(F32, 4)
    with build.if_else(build.icmp_signed("==", column, one)) as (adjacent, apart):
        with adjacent:
            with emit.loop(zero, depth) as k, emit.loop(zero, whole, width) as first:
                copy(first, k, [None] * len(starts))
            with build.if_then(build.icmp_signed("<", whole, columns)):
                masks = [emit.tail(build.sub(build.sub(columns, whole), emit.integer(n))) for n in starts]
                with emit.loop(zero, depth) as k:
                    copy(whole, k, masks)
        with apart:
            with emit.loop(
                build.mul(whole, depth),
                build.mul(build.and_(build.add(columns, emit.integer(width - 1)), emit.integer(-width)), depth),
                emit.lanes,
            ) as at:
                emit.store(emit.floats(0.0), emit.at(to, at))
            contiguous = build.icmp_signed("==", row, one)
            squares, deep = (
                build.select(contiguous, build.and_(extent, emit.integer(-4)), zero) for extent in (columns, depth)
            )
            with emit.loop(zero, squares, 4) as n, emit.loop(zero, deep, 4) as k:
                lines = [
                    build.load(
                        emit.at(source, build.add(k, build.mul(build.add(n, emit.integer(i)), column))),
                        typ=four,
                        align=4,
                    )
                    for i in range(4)
                ]
                for i, line in enumerate(_transposed(emit, lines)):
                    build.store(line, emit.at(to, place(build.add(k, emit.integer(i)), n)), align=4)
            with emit.loop(zero, squares) as n, emit.loop(deep, depth) as k:
                one_by_one(k, n)
            with emit.loop(squares, columns) as n, emit.loop(zero, depth) as k:
                one_by_one(k, n)
    emit.finish()


def _transposed(emit: Emitter, lines: list[Any]) -> list[Any]:
    """The 4×4 matrix of four vectors, transposed in two rounds that each interleave vectors two apart."""
    kind = emitter.ir.VectorType(I32, 4)
    for _ in range(2):
        pairs = [(lines[i], lines[i + 2], order) for i in (0, 1) for order in ((0, 4, 1, 5), (2, 6, 3, 7))]
        lines = [
            emit.build.shuffle_vector(
                a, b, emitter.ir.Constant(kind, [emitter.ir.Constant(I32, lane) for lane in order])
            )
            for a, b, order in pairs
        ]
    return lines


def _emit_tiles(module: Any) -> None:
    """item: by tiles."""
    emit = Emitter(module, "item", [POINTER] * 5 + [I64] * 4, aliases=True, internal=True)
    p, memory, c, a, b, first_row, last_row, first, last = emit.args
    build, lanes, zero = emit.build, emit.lanes, emit.integer(0)
    height, width = emitter.host().tile
    n_all, k_all, a_row, a_step, b_row, b_column = (emit.field(p, i) for i in (N, K, A_ROW, A_COLUMN, B_ROW, B_COLUMN))
    copied, packed, finished = (build.icmp_signed("!=", emit.field(p, i), zero) for i in (COPY, PACK, FINISHED))
    tile = memory
    copy = emit.at(memory, emit.integer(height * width))
    panels = emit.at(copy, emit.integer(height * COPY_ROW))
    calls = module.globals

    tail = build.add(first, build.and_(build.sub(last, first), emit.integer(-width)))
    start = build.select(packed, first, tail)  # of the packed columns

    def columns_at(j: Any) -> tuple[Any, Any]:
        """How many columns the tile at j has, and whether its panel is packed."""
        return emit.minimum(build.sub(last, j), emit.integer(width)), build.icmp_signed(">=", j, start)

    with emit.loop(zero, k_all, emit.field(p, DEPTH)) as k:
        depth = emit.minimum(build.sub(k_all, k), emit.field(p, DEPTH))
        more = build.icmp_signed("!=", k, zero)
        ends = build.icmp_signed("==", build.add(k, depth), k_all)
        # Sums that nothing is to be done to go from the registers to C.
        untouched = build.not_(build.or_(more, build.and_(ends, finished)))
        a_here, b_here = emit.at(a, build.mul(k, a_step)), emit.at(b, build.mul(k, b_row))

        def panel(j: Any, depth: Any = depth) -> Any:
            return emit.at(panels, build.mul(build.sub(j, first), depth))

        with build.if_then(build.icmp_signed("<", start, last)):
            source = emit.at(b_here, build.mul(start, b_column))
            build.call(calls["pack"], [panel(start), source, b_row, b_column, depth, build.sub(last, start)])
        place = emit.variable(I64, first_row)
        with repeated(emit, lambda: build.icmp_signed("<", build.load(place, typ=I64), last_row)):
            i = build.load(place, typ=I64)
            left = build.sub(last_row, i)
            high = build.icmp_signed(">=", left, emit.integer(height))
            rows = build.select(high, emit.integer(height), emit.minimum(left, emit.integer(LOW)))
            source = emit.at(a_here, build.mul(i, a_row))
            with build.if_then(copied):
                build.call(calls["copy"], [copy, source, a_row, rows, depth])
            source = build.select(copied, copy, source)
            row = build.select(copied, emit.integer(COPY_ROW), a_row)
            with emit.loop(first, last, width) as j:
                columns, due = columns_at(j)
                right = build.select(due, panel(j), emit.at(b_here, j))
                distance = build.select(due, emit.integer(width), b_row)
                there = emit.at(c, build.add(build.mul(i, n_all), j))
                plain = build.and_(build.icmp_signed("==", columns, emit.integer(width)), untouched)
                plain = build.and_(plain, build.or_(high, build.icmp_signed("==", rows, emit.integer(LOW))))
                to, to_row = build.select(plain, there, tile), build.select(plain, n_all, emit.integer(width))
                operands = [to, to_row, source, row, a_step, right, distance, depth, rows]
                with build.if_else(high) as (whole, low):
                    with whole:
                        narrow = build.icmp_signed("<=", columns, emit.integer(lanes))
                        with build.if_else(narrow) as (half, full):
                            with half:
                                build.call(calls[f"micro_{height}_1"], operands)
                            with full:
                                build.call(calls[f"micro_{height}_2"], operands)
                    with low:
                        build.call(calls[f"micro_{LOW}_2"], operands)
                with build.if_then(build.not_(plain)):
                    build.call(calls["finish"], [p, there, n_all, tile, rows, columns, j, more, ends])
            build.store(build.add(i, rows), place)
    emit.finish()


def few_size(kind: str, m: int, k: int) -> int:
    """Floats of working memory for an item of few rows."""
    width = emitter.host().tile[1]
    return STRIP * width * (width + 1) + (m * k if kind == "dot" else 0)


class _Few:
    """An item of C's few rows; of its few columns if the operands are turned.

    Line after line of some numbers is computed to `line`, which goes to C where there is one row, else to a tile of
    the few columns.
    """

    def __init__(self, module: Any, size: int):
        self.emit = emit = Emitter(module, "item", [POINTER] * 5 + [I64] * 4, aliases=True, internal=True)
        self.p, self.line, self.c, self.a, self.b, _, _, self.first, self.last = emit.args
        self.width = emitter.host().tile[1]
        self.size, self.tile = size, emit.at(self.line, emit.integer(STRIP * self.width))
        self.rows = emit.field(self.p, M)

    def each(self, write: Callable[[Any, Any, Any], None]) -> None:
        """Calls `write(row, column, columns)` for each line; ends the function."""
        emit, build, finish = self.emit, self.emit.build, self.emit.module.globals["finish"]
        zero, one, width, no, yes = emit.integer(0), emit.integer(1), emit.integer(self.width), I1(0), I1(1)
        single = build.icmp_signed("==", self.rows, one)
        with emit.loop(self.first, self.last, self.size) as j:
            columns = emit.minimum(build.sub(self.last, j), emit.integer(self.size))
            with emit.loop(zero, self.rows) as i:
                write(i, j, columns)
                with build.if_else(single) as (alone, beside):
                    with alone, emit.loop(zero, columns, self.width) as n:
                        place, rest = build.add(j, n), emit.minimum(build.sub(columns, n), width)
                        target, source = emit.at(self.c, place), emit.at(self.line, n)
                        build.call(finish, [self.p, target, zero, source, one, rest, place, no, yes])
                    with beside, emit.loop(zero, columns) as n:
                        value = build.load(emit.at(self.line, n), typ=F32)
                        build.store(value, emit.at(self.tile, build.add(build.mul(n, width), i)))
            with build.if_then(build.not_(single)):
                target = emit.at(self.c, build.mul(j, self.rows))
                build.call(finish, [self.p, target, self.rows, self.tile, columns, self.rows, zero, no, yes])
        emit.finish()


def _emit_row(module: Any) -> None:
    """item: sums of rows of B, that lie in one piece each and are read where they are."""
    few = _Few(module, STRIP * emitter.host().tile[1])
    emit, p = few.emit, few.p
    build, starts = emit.build, range(0, few.size, emit.lanes)
    a_row, step, b_row = (emit.field(p, index) for index in (A_ROW, A_COLUMN, B_ROW))

    def write(i: Any, j: Any, columns: Any) -> None:
        masks = [emit.tail(build.sub(columns, emit.integer(n))) for n in starts]
        sums = [emit.variable(emit.vector) for _ in starts]
        for total in sums:
            build.store(emit.floats(0.0), total)
        left, right = emit.variable(POINTER), emit.variable(POINTER)
        build.store(emit.at(few.a, build.mul(i, a_row)), left)
        build.store(emit.at(few.b, j), right)
        with emit.loop(emit.integer(0), emit.field(p, K)):
            here, there = build.load(left, typ=POINTER), build.load(right, typ=POINTER)
            value = emit.broadcast(build.load(here, typ=F32))
            for n, mask, total in zip(starts, masks, sums, strict=True):
                line = emit.load(emit.at(there, emit.integer(n)), mask)
                build.store(emit.fma(value, line, build.load(total, typ=emit.vector)), total)
            build.store(emit.at(here, step), left)
            build.store(emit.at(there, b_row), right)
        for n, total in zip(starts, sums, strict=True):
            emit.store(build.load(total, typ=emit.vector), emit.at(few.line, emit.integer(n)))

    few.each(write)


def _emit_dot(module: Any) -> None:
    """item: dot products with columns of B, that lie in one piece each; so do the rows of A, or a copy of them."""
    few = _Few(module, emitter.host().tile[1])
    emit, p, lanes = few.emit, few.p, few.emit.lanes
    build, zero = emit.build, emit.integer(0)
    k_all, a_row, a_step, b_column = (emit.field(p, index) for index in (K, A_ROW, A_COLUMN, B_COLUMN))
    whole = build.and_(k_all, emit.integer(-lanes))
    copy = emit.at(few.tile, emit.integer(STRIP * few.width * few.width))
    apart = build.icmp_signed("!=", a_step, emit.integer(1))
    with build.if_then(apart), emit.loop(zero, few.rows) as i, emit.loop(zero, k_all) as k:
        value = build.load(emit.at(few.a, build.add(build.mul(i, a_row), build.mul(k, a_step))), typ=F32)
        build.store(value, emit.at(copy, build.add(build.mul(i, k_all), k)))
    rows, row = build.select(apart, copy, few.a), build.select(apart, k_all, a_row)

    def write(i: Any, j: Any, columns: Any) -> None:
        a = emit.at(rows, build.mul(i, row))
        with emit.loop(zero, columns, LOW) as n:
            last = build.sub(columns, emit.integer(1))
            numbers = [emit.minimum(build.add(n, emit.integer(q)), last) for q in range(LOW)]
            lines = [emit.at(few.b, build.mul(build.add(j, number), b_column)) for number in numbers]
            sums = [emit.variable(emit.vector) for _ in lines]
            for total in sums:
                build.store(emit.floats(0.0), total)

            def add(k: Any, mask: Any) -> None:
                value = emit.load(emit.at(a, k), mask)
                for line, total in zip(lines, sums, strict=True):
                    factor = emit.load(emit.at(line, k), mask)
                    build.store(emit.fma(value, factor, build.load(total, typ=emit.vector)), total)

            with emit.loop(zero, whole, lanes) as k:
                add(k, None)
            with build.if_then(build.icmp_signed("<", whole, k_all)):
                add(whole, emit.tail(build.sub(k_all, whole)))
            for number, total in zip(numbers, sums, strict=True):
                vector = build.load(total, typ=emit.vector)
                distance = lanes // 2
                while distance:  # the sum of all lanes, in lane 0
                    moved = [(lane + distance) % lanes for lane in range(lanes)]
                    vector, distance = build.fadd(vector, emit.shuffle(vector, vector, moved)), distance // 2
                build.store(build.extract_element(vector, I32(0)), emit.at(few.line, number))

    few.each(write)


@contextlib.contextmanager
def repeated(emit: Emitter, condition: Callable[[], Any]) -> Iterator[None]:
    """A loop for as long as the condition, emitted by the function, holds."""
    build = emit.build
    head, body, end = (build.append_basic_block(name) for name in ("while", "do", "done"))
    build.branch(head)
    build.position_at_end(head)
    build.cbranch(condition(), body, end)
    build.position_at_end(body)
    yield
    build.branch(head)
    build.position_at_end(end)
