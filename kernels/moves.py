"""Copies of parts of arrays to parts of an array, along strides: joining, padding, transposing, slices put back.

Operands: y, then the arrays to copy from, all of items of one size. A launch fills y first, if it is told to, and
copies part after part. A part has up to six axes; the last two are loops, of which each task takes some rows, and where
both sides go on item by item, a row is one block of memory. Tiles of 4-byte items are transposed in registers.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from . import emitter
from .cache import emitted
from .emitter import I1, I64, POINTER, VOID, Emitter
from .launches import Launch
from .pool import RUN

AXES = 6
SLAB = 65536  # bytes in a task
# The words after the operands' addresses and the scratch address; then those of each part.
BYTES, FILL, FILL_TASKS, PARTS, NOW = range(5)
SOURCE, TO, FROM, OUTERS, OUTERS_IN_TASK, ROWS_IN_TASK, SLABS, TASKS, SIZES = range(9)
PART_WORDS = SIZES + 3 * AXES


class Part(NamedTuple):
    """Items of y, and where they come from, with offsets and strides in items.

    source: which of the arrays, from 1 on.
    """

    shape: tuple[int, ...]
    to: int
    to_strides: tuple[int, ...]
    source: int
    start: int
    strides: tuple[int, ...]


def launch(itemsize: int, size: int, arrays: int, parts: Sequence[Any], fill: bytes | None = None) -> Launch | None:
    """The kernel for one list of copies.

    Args:
      itemsize: bytes of an item: 1, 2, 4 or 8.
      size: the items of y.
      arrays: how many arrays there are beside y.
      parts: what is copied, each a `Part` or a tuple like it.
      fill: the bytes of the item that y is filled with first; None if the parts cover it.
    """
    given = [(Part(*part), axes_of(Part(*part))) for part in parts if 0 not in part[0]]
    merged = [piece for part, axes in given for piece in _pieces(part, axes, SLAB // itemsize)]
    if itemsize not in (1, 2, 4, 8) or any(len(axes) > AXES for _, axes in merged):
        return None
    words = [size * itemsize, 0, 0, len(merged), 0]
    if fill is not None:
        words[FILL] = int.from_bytes(fill * (8 // itemsize), "little", signed=True)
        words[FILL_TASKS] = -(-words[BYTES] // SLAB)
    for part, axes in merged:
        words += _words_of(part, [(1, 0, 0)] * (AXES - len(axes)) + axes, itemsize)
    return Launch(_code(itemsize, arrays), 1 + arrays, tuple(words))


def axes_of(part: Part) -> list[tuple[int, int, int]]:
    """Sizes and both strides without axes of one, adjacent ones merged that go on in one step on both sides."""
    axes: list[tuple[int, int, int]] = []
    for size, to, start in zip(part.shape, part.to_strides, part.strides, strict=True):
        if size == 1:
            continue
        if axes and axes[-1][1] == to * size and axes[-1][2] == start * size:
            axes[-1] = (axes[-1][0] * size, to, start)
        else:
            axes.append((size, to, start))
    return axes


def _pieces(part: Part, axes: list[tuple[int, int, int]], most: int) -> list[tuple[Part, list[tuple[int, int, int]]]]:
    """The part with a long last axis cut into blocks, and what is left of it, so that tasks can share it."""
    if not axes or axes[-1][1:] != (1, 1) or axes[-1][0] < 2 * most or len(axes) >= AXES:
        return [(part, axes)]
    *others, (size, _, _) = axes
    blocks = size // most
    pieces = [(part, [*others, (blocks, most, most), (most, 1, 1)])]
    if size % most:
        done = blocks * most
        rest = part._replace(to=part.to + done, start=part.start + done)
        pieces.append((rest, [*others, (size - done, 1, 1)]))
    return pieces


def _words_of(part: Part, axes: Sequence[tuple[int, int, int]], itemsize: int) -> list[int]:
    sizes, to_strides, strides = zip(*axes, strict=True)
    outers, rows, columns = math.prod(sizes[:-2]), sizes[-2], sizes[-1]
    rows_in_task = min(rows, max(16, SLAB // (columns * itemsize) // 16 * 16))  # whole tiles
    slabs = -(-rows // rows_in_task)
    outers_in_task = max(1, SLAB // (rows * columns * itemsize)) if slabs == 1 else 1
    tasks = -(-outers // outers_in_task) * slabs
    head = (part.source, part.to, part.start, outers, outers_in_task, rows_in_task, slabs, tasks)
    return [*head, *sizes, *to_strides, *strides]


@functools.cache
def _code(itemsize: int, arrays: int) -> int:
    (address,) = emitted(module, (itemsize, arrays), ("kernel",))
    return address


def module(itemsize: int, arrays: int) -> Any:
    """The code for items of a size and a number of arrays."""
    made = emitter.new_module("moves")
    first = arrays + 2  # of the words
    _emit_fill(made, first)
    _emit_copy(made, first, itemsize)
    emit = Emitter(made, "kernel", [POINTER, POINTER], aliases=True)
    build, (state, block) = emit.build, emit.args

    def run(name: str, tasks: Any) -> None:
        address = build.ptrtoint(made.globals[name], I64)
        emit.call_address(emit.field(state, RUN), VOID, state, address, block, tasks)

    run("fill", emit.field(block, first + FILL_TASKS))
    with emit.loop(emit.integer(0), emit.field(block, first + PARTS)) as number:
        now = build.add(build.mul(number, emit.integer(PART_WORDS)), emit.integer(first + NOW + 1))
        build.store(now, emit.at(block, emit.integer(first + NOW), I64))
        run("copy", build.load(emit.at(block, build.add(now, emit.integer(TASKS)), I64), typ=I64))
    emit.finish()
    return made


def _emit_fill(module: Any, first: int) -> None:
    """fill(block, number): a slab of y, 8 bytes at a time."""
    emit = Emitter(module, "fill", [POINTER, I64], aliases=True)
    build, (block, number) = emit.build, emit.args
    byte = emitter.ir.IntType(8)
    y, size, value = emit.field(block, 0, POINTER), emit.field(block, first + BYTES), emit.field(block, first + FILL)
    start = build.mul(number, emit.integer(SLAB))
    end = emit.minimum(build.add(start, emit.integer(SLAB)), size)
    width = 4 * emit.lanes  # bytes in a vector
    vector = emitter.ir.VectorType(I64, emit.lanes // 2)
    pattern = emitter.ir.Constant(vector, emitter.ir.Undefined)
    for lane in range(emit.lanes // 2):
        pattern = build.insert_element(pattern, value, emitter.ir.Constant(emitter.ir.IntType(32), lane))
    whole = build.add(start, build.and_(build.sub(end, start), emit.integer(-width)))
    with emit.loop(start, whole, width) as at:
        build.store(pattern, emit.at(y, at, byte), align=1)
    left = build.sub(end, whole)
    rest = emit.array(I64, emit.lanes // 2)
    build.store(pattern, rest, align=8)
    emit.call("llvm.memcpy.p0.p0.i64", VOID, emit.at(y, whole, byte), rest, left, emitter.ir.Constant(I1, 0))
    emit.finish()


def _emit_copy(module: Any, first: int, itemsize: int) -> None:
    """copy(block, number): some rows of the part at hand."""
    emit = Emitter(module, "copy", [POINTER, I64], aliases=True)
    build, (block, number) = emit.build, emit.args
    zero, one = emit.integer(0), emit.integer(1)
    item = emitter.ir.IntType(8 * itemsize)
    part = emit.at(block, emit.field(block, first + NOW), I64)
    sizes, to_strides, strides = (
        [emit.field(part, SIZES + group * AXES + axis) for axis in range(AXES)] for group in range(3)
    )
    y = emit.field(block, 0, POINTER)
    x = build.load(emit.at(block, emit.field(part, SOURCE), I64), typ=POINTER)
    slabs, rows_in_task = emit.field(part, SLABS), emit.field(part, ROWS_IN_TASK)
    group = build.sdiv(number, slabs)
    top = build.mul(build.sub(number, build.mul(group, slabs)), rows_in_task)
    bottom = emit.minimum(build.add(top, rows_in_task), sizes[-2])
    outer = build.mul(group, emit.field(part, OUTERS_IN_TASK))
    end = emit.minimum(build.add(outer, emit.field(part, OUTERS_IN_TASK)), emit.field(part, OUTERS))
    columns, to_step, step = sizes[-1], to_strides[-1], strides[-1]
    both = build.and_(build.icmp_signed("==", to_step, one), build.icmp_signed("==", step, one))
    across = build.and_(build.icmp_signed("==", to_step, one), build.icmp_signed("==", strides[-2], one))

    def rows(to: Any, start: Any, above: Any, below: Any, left: Any) -> None:
        """Item by item, from a column on."""
        with emit.loop(above, below) as row:
            target, source = (
                build.add(to, build.mul(row, to_strides[-2])),
                build.add(start, build.mul(row, strides[-2])),
            )
            with emit.loop(left, columns) as column:
                value = build.load(emit.at(x, build.add(source, build.mul(column, step)), item), typ=item)
                build.store(value, emit.at(y, build.add(target, build.mul(column, to_step)), item))

    with emit.loop(outer, end) as place:
        to, start, rest = emit.field(part, TO), emit.field(part, FROM), place
        for axis in reversed(range(AXES - 2)):
            quotient = build.sdiv(rest, sizes[axis]) if axis else zero
            at = build.sub(rest, build.mul(quotient, sizes[axis])) if axis else rest
            to = build.add(to, build.mul(at, to_strides[axis]))
            start, rest = build.add(start, build.mul(at, strides[axis])), quotient
        with build.if_else(both) as (by_blocks, by_items):
            with by_blocks, emit.loop(top, bottom) as row:
                target = emit.at(y, build.add(to, build.mul(row, to_strides[-2])), item)
                source = emit.at(x, build.add(start, build.mul(row, strides[-2])), item)
                size = build.mul(columns, emit.integer(itemsize))
                emit.call("llvm.memcpy.p0.p0.i64", VOID, target, source, size, emitter.ir.Constant(I1, 0))
            with by_items:
                below, right = top, columns
                if itemsize == 4:
                    below = build.add(top, build.select(across, _whole(emit, build.sub(bottom, top)), zero))
                    right = _whole(emit, columns)
                    with emit.loop(top, below, emit.lanes) as row, emit.loop(zero, right, emit.lanes) as column:
                        source = build.add(start, build.add(build.mul(column, step), row))
                        lines = [build.add(source, build.mul(step, emit.integer(i))) for i in range(emit.lanes)]
                        tile = transposed(emit, [emit.load(emit.at(x, line)) for line in lines])
                        target = build.add(to, build.add(build.mul(row, to_strides[-2]), column))
                        for i, line in enumerate(tile):
                            at = build.add(target, build.mul(to_strides[-2], emit.integer(i)))
                            emit.store(line, emit.at(y, at))
                    rows(to, start, top, below, right)
                rows(to, start, below, bottom, zero)
    emit.finish()


def _whole(emit: Emitter, count: Any) -> Any:
    """The part of a count that whole vectors take."""
    return emit.build.and_(count, emit.integer(-emit.lanes))


def transposed(emit: Emitter, lines: list[Any]) -> list[Any]:
    """A square matrix of vectors transposed: in each round pairs of lines exchange their blocks off the diagonal."""
    lanes, block = emit.lanes, 1
    while block < lanes:
        upper = [lane if not lane & block else lanes + lane - block for lane in range(lanes)]
        lower = [lane + block if not lane & block else lanes + lane for lane in range(lanes)]
        for i in range(lanes):
            if not i & block:
                pair = lines[i], lines[i + block]
                lines[i], lines[i + block] = emit.shuffle(*pair, upper), emit.shuffle(*pair, lower)
        block *= 2
    return lines
