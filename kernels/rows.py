"""Rows picked by indices and rows added at indices, with each index checked before anything is read or written.

Operands: "take": y[count, columns], x[rows, columns], index[count]. "add": y[rows, columns] of float32, which begins as
zeros, values[count, columns], index[count]. "take_along": y[count, columns], x[count, rows], index[count, columns].
"add_along": y[count, rows] of float32, values[count, columns], index[count, columns]. Negative indices count from the
end. Values for one place are added in their order, as each task owns columns, or rows, of the result.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from . import emitter
from .cache import emitted
from .emitter import F32, I1, I64, POINTER, VOID, Emitter
from .launches import Launch, emit_kernel

# The block: three addresses, scratch, and the words.
Y, X, INDEX = range(3)
STATUS, WRONG, COUNT, ROWS, COLUMNS, AXIS, PER_TASK, TASKS, BYTES = range(4, 13)
SLAB = 65536  # bytes in a task that fills or copies
STRIPE = 32  # columns that a task of "add" owns


def launch(
    kind: str, count: int, rows: int, columns: int, itemsize: int = 4, index_size: int = 8, axis: int = 0
) -> Launch | None:
    """The kernel for operands of one size.

    Args:
      kind: "take", "add", "take_along" or "add_along"; see above for what the sizes are of.
      count: see above.
      rows: what an index is below.
      columns: see above.
      itemsize: bytes of an element: any for "take", 4 or 8 for "take_along", 4 for those that add, which are float32.
      index_size: 4 for int32, 8 for int64.
      axis: the indexed axis, for the error.
    """
    if index_size not in (4, 8) or (kind != "take" and itemsize not in ((4, 8) if kind == "take_along" else (4,))):
        return None
    along = kind.endswith("along")
    if kind == "add":
        per_task, tasks = STRIPE, -(-columns // STRIPE)
    else:
        per_task = max(1, SLAB // max(1, columns * itemsize))
        tasks = -(-count // per_task)
    cleared = (count if along else 1) * rows * (1 if along else columns) * itemsize
    words = (0, 0, count, rows, columns, axis, per_task, tasks, columns * itemsize if kind == "take" else cleared)
    return Launch(_code(kind, itemsize if kind == "take_along" else 4, index_size) + STATUS, 3, words, 0, _fault)


def _fault(block: Sequence[int]) -> Exception:
    return IndexError(f"index {block[WRONG]} is out of bounds for axis {block[AXIS]} with size {block[ROWS]}")


@functools.cache
def _code(kind: str, itemsize: int, index_size: int) -> int:
    (address,) = emitted(module, (kind, itemsize, index_size), ("kernel",))
    return address


def module(kind: str, itemsize: int = 4, index_size: int = 8) -> Any:
    """The code of one kind for indices of 4 or 8 bytes."""
    made = emitter.new_module(f"rows_{kind}")
    integer = emitter.ir.IntType(8 * index_size)
    emit = Emitter(made, "task", [POINTER, I64], aliases=True)
    {"take": _take, "add": _add, "take_along": _take_along, "add_along": _add_along}[kind](emit, integer, itemsize)
    emit.finish()
    stages = [("task", lambda emit, block: _unless_wrong(emit, block, emit.field(block, TASKS)))]
    if kind.startswith("add"):
        _emit_clear(made)
        stages.insert(0, ("clear", lambda emit, block: _unless_wrong(emit, block, _slabs(emit, block))))
    first, count = stages[0]

    def checked(emit: Emitter, block: Any) -> Any:
        _check(emit, block, integer, kind.endswith("along"))
        return count(emit, block)

    emit_kernel(made, [(first, checked), *stages[1:]])
    return made


def _check(emit: Emitter, block: Any, integer: Any, along: bool) -> None:
    """Emits the look at all indices, whose first wrong one goes to the block."""
    build, index = emit.build, emit.field(block, INDEX, POINTER)
    rows, zero, one = emit.field(block, ROWS), emit.integer(0), emit.integer(1)
    count = emit.field(block, COUNT)
    if along:
        count = build.mul(count, emit.field(block, COLUMNS))
    status, wrong = emit.variable(I64, zero), emit.variable(I64, zero)
    with emit.loop(zero, count) as i:
        value = build.sext(build.load(emit.at(index, i, integer), typ=integer), I64)
        outside = build.or_(build.icmp_signed("<", build.add(value, rows), zero), build.icmp_signed(">=", value, rows))
        with build.if_then(outside, likely=False):
            with build.if_then(build.icmp_signed("==", build.load(status, typ=I64), zero)):
                build.store(value, wrong)
                build.store(one, status)
    build.store(build.load(status, typ=I64), emit.at(block, emit.integer(STATUS), I64))
    build.store(build.load(wrong, typ=I64), emit.at(block, emit.integer(WRONG), I64))


def _unless_wrong(emit: Emitter, block: Any, tasks: Any) -> Any:
    right = emit.build.icmp_signed("==", emit.field(block, STATUS), emit.integer(0))
    return emit.build.select(right, tasks, emit.integer(0))


def _slabs(emit: Emitter, block: Any) -> Any:
    return emit.build.sdiv(emit.build.add(emit.field(block, BYTES), emit.integer(SLAB - 1)), emit.integer(SLAB))


def _emit_clear(module: Any) -> None:
    """clear(block, number): a slab of zeros."""
    emit = Emitter(module, "clear", [POINTER, I64], aliases=True)
    build, (block, number) = emit.build, emit.args
    start = build.mul(number, emit.integer(SLAB))
    size = emit.minimum(emit.integer(SLAB), build.sub(emit.field(block, BYTES), start))
    byte = emitter.ir.IntType(8)
    place = emit.at(emit.field(block, Y, POINTER), start, byte)
    emit.call("llvm.memset.p0.i64", VOID, place, emitter.ir.Constant(byte, 0), size, emitter.ir.Constant(I1, 0))
    emit.finish()


def _picked(emit: Emitter, block: Any, at: Any, integer: Any) -> Any:
    """The index at a place, counted from the front."""
    build = emit.build
    found = build.load(emit.at(emit.field(block, INDEX, POINTER), at, integer), typ=integer)
    value = build.sext(found, I64)
    negative = build.icmp_signed("<", value, emit.integer(0))
    return build.select(negative, build.add(value, emit.field(block, ROWS)), value)


def _own(emit: Emitter, whole: int) -> tuple[Any, Any]:
    """What part of a whole, a field of the block, the task has."""
    block, number = emit.args
    per_task = emit.field(block, PER_TASK)
    first = emit.build.mul(number, per_task)
    return first, emit.minimum(emit.build.add(first, per_task), emit.field(block, whole))


def _take(emit: Emitter, integer: Any, itemsize: int) -> None:
    build, block = emit.build, emit.args[0]
    y, x, size = emit.field(block, Y, POINTER), emit.field(block, X, POINTER), emit.field(block, BYTES)
    byte = emitter.ir.IntType(8)
    with emit.loop(*_own(emit, COUNT)) as i:
        source = emit.at(x, build.mul(_picked(emit, block, i, integer), size), byte)
        target = emit.at(y, build.mul(i, size), byte)
        emit.call("llvm.memcpy.p0.p0.i64", VOID, target, source, size, emitter.ir.Constant(I1, 0))


def _add(emit: Emitter, integer: Any, itemsize: int) -> None:
    build, block = emit.build, emit.args[0]
    y, x, columns = emit.field(block, Y, POINTER), emit.field(block, X, POINTER), emit.field(block, COLUMNS)
    first, last = _own(emit, COLUMNS)
    whole = build.add(first, build.and_(build.sub(last, first), emit.integer(-emit.lanes)))
    mask = emit.tail(build.sub(last, whole))
    some = build.icmp_signed("<", whole, last)
    with emit.loop(emit.integer(0), emit.field(block, COUNT)) as i:
        source = build.mul(i, columns)
        target = build.mul(_picked(emit, block, i, integer), columns)

        def add(column: Any, mask: Any, source: Any = source, target: Any = target) -> None:
            place = emit.at(y, build.add(target, column))
            value = emit.load(emit.at(x, build.add(source, column)), mask)
            emit.store(build.fadd(emit.load(place, mask), value), place, mask)

        with emit.loop(first, whole, emit.lanes) as column:
            add(column, None)
        with build.if_then(some):
            add(whole, mask)


def _along(emit: Emitter, integer: Any) -> Any:
    """Loops over the task's elements; gives their places, and those that the indices name."""
    build, block = emit.build, emit.args[0]
    columns, rows = emit.field(block, COLUMNS), emit.field(block, ROWS)
    with emit.loop(*_own(emit, COUNT)) as i, emit.loop(emit.integer(0), columns) as j:
        at = build.add(build.mul(i, columns), j)
        yield at, build.add(build.mul(i, rows), _picked(emit, block, at, integer))


def _take_along(emit: Emitter, integer: Any, itemsize: int) -> None:
    block, item = emit.args[0], emitter.ir.IntType(8 * itemsize)
    y, x = emit.field(block, Y, POINTER), emit.field(block, X, POINTER)
    for at, named in _along(emit, integer):
        emit.build.store(emit.build.load(emit.at(x, named, item), typ=item), emit.at(y, at, item))


def _add_along(emit: Emitter, integer: Any, itemsize: int) -> None:
    block = emit.args[0]
    y, x = emit.field(block, Y, POINTER), emit.field(block, X, POINTER)
    for at, named in _along(emit, integer):
        place = emit.at(y, named)
        value = emit.build.load(emit.at(x, at), typ=F32)
        emit.build.store(emit.build.fadd(emit.build.load(place, typ=F32), value), place)
