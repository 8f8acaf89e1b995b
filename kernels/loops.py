"""Fused loops: elementwise expressions over rows and columns, with reductions along either, as one kernel.

A loop is described by a `Spec`, plain data that is the key of its code: operations in their order, each for all
elements ("f") or once for each row ("r"). In "rows" loops a reduction goes along the columns and gives one value a row,
which later passes over the same row may use: a softmax or a normalization is one kernel. In "columns" loops it goes
down the rows, in slabs whose partial results are added up in a fixed order. Sizes, strides and numbers are words of the
block. Tasks are cut by sizes alone.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

from . import LONGEST_KEPT, SLAB, emitter, lanes
from .cache import emitted
from .emitter import I32, I64, POINTER, Emitter, ir
from .launches import Launch, emit_kernel
from .reductions import CHUNK, Reduction

ROWS, COLUMNS, SIZE, PER_TASK, TASKS, OUTER, SLABS, FIXED = range(8)

REDUCTIONS = frozenset(("sum", "max", "min", "any", "all", "argmax", "argmin"))
# Operations that cost more than a load: a later pass keeps their results.
_HEAVY = frozenset(
    ("exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "tanh", "erf", "erfc", "sigmoid", "power", "divide")
)
# Threads share a loop of more than some 10 µs, in operations on elements; a heavy one counts as several. Where cores
# are far from each other, handing a task over and the data back costs some µs.
_WORTH_SHARING, _HEAVY_AS = 1 << 20, 8


class Op(NamedTuple):
    """One operation: its name, result's dtype, arguments by number, "f" or "r", and what else it needs.

    `extra` is the operand's number of a "load", the value of a "constant", the number of a "parameter".
    """

    name: str
    dtype: str
    args: tuple[int, ...]
    over: str
    extra: Any = None


class Spec(NamedTuple):
    """A loop.

    kind: "rows" or "columns".
    axes: how many axes the rows have.
    ops: the operations.
    inner: for each input how it lies along the columns: "v" next to each other, "s" one for the row, "g" any stride.
    stores: the numbers of the operations whose results are outputs, in order.
    keeps: whether rows are short enough that results are kept from pass to pass.
    """

    kind: str
    axes: int
    ops: tuple[Op, ...]
    inner: tuple[str, ...]
    stores: tuple[int, ...]
    keeps: bool


def levels(ops: Sequence[Op]) -> list[int]:
    """For each operation how many reductions along the row come before it."""
    found: list[int] = []
    for op in ops:
        level = max((found[i] for i in op.args), default=0)
        found.append(level + 1 if op.name in REDUCTIONS else level)
    return found


class _Loop:
    """Emits the task functions of one spec."""

    def __init__(self, spec: Spec, module: Any):
        self.spec, self.module = spec, module
        self.outputs, self.inputs = len(spec.stores), len(spec.inner)
        self.first = self.outputs + self.inputs + 1  # of the words after the addresses
        self.levels = levels(spec.ops)

    # --- the block

    def word(self, emit: Emitter, index: int) -> Any:
        return emit.field(emit.args[0], self.first + index)

    def pointer(self, emit: Emitter, operand: int) -> Any:
        return emit.field(emit.args[0], operand, POINTER)

    def size_of_axis(self, axis: int) -> int:
        return FIXED + axis

    def stride(self, operand: int, axis: int) -> int:
        """The word of an input's stride: along an axis of the rows, or along the columns for the axis after these."""
        return FIXED + self.spec.axes + operand * (self.spec.axes + 1) + axis

    def parameter(self, number: int) -> int:
        return FIXED + self.spec.axes + self.inputs * (self.spec.axes + 1) + number

    # --- parts

    def begin(self, name: str) -> Emitter:
        emit = Emitter(self.module, name, [POINTER, I64], internal=False)
        self.constants: dict[int, Any] = {}
        for number, op in enumerate(self.spec.ops):
            if op.name == "constant":
                self.constants[number] = lanes.constant(emit, op.dtype, op.extra)
            elif op.name == "parameter":
                value = emit.build.load(
                    emit.at(emit.args[0], emit.integer(self.first + self.parameter(op.extra)), I64),
                    typ=lanes.REGISTERS[op.dtype if op.dtype != "bool" else "uint8"],
                )
                if op.dtype == "bool":
                    value = emit.build.icmp_unsigned("!=", value, ir.Constant(value.type, 0))
                self.constants[number] = lanes.splat(emit, value)
        self.strides = [
            [self.word(emit, self.stride(i, axis)) for axis in range(self.spec.axes + 1)] for i in range(self.inputs)
        ]
        self.sizes = [self.word(emit, self.size_of_axis(axis)) for axis in range(self.spec.axes)]
        self.bases = [self.pointer(emit, i) for i in range(self.outputs + self.inputs)]
        return emit

    def row_pointers(self, emit: Emitter, row: Any) -> list[Any]:
        """Where each input's row begins."""
        build = emit.build
        places = []
        rest = row
        for axis in reversed(range(1, self.spec.axes)):
            places.append(build.srem(rest, self.sizes[axis]))
            rest = build.sdiv(rest, self.sizes[axis])
        places.append(rest)
        places.reverse()
        pointers = []
        for i in range(self.inputs):
            offset: Any = emit.integer(0)
            for axis, place in enumerate(places):
                offset = build.add(offset, build.mul(place, self.strides[i][axis]))
            pointers.append(emit.at(self.bases[self.outputs + i], offset, self.memory(self.dtype_of_input(i))))
        return pointers

    def dtype_of_input(self, number: int) -> str:
        return next(op.dtype for op in self.spec.ops if op.name == "load" and op.extra == number)

    @staticmethod
    def memory(dtype: str) -> Any:
        return lanes.REGISTERS["uint8" if dtype == "bool" else dtype]

    def load_full(self, emit: Emitter, op: Op, pointer: Any, column: Any, mask: Any) -> Any:
        """Elements of an input's row from a column on."""
        build, kind = emit.build, self.memory(op.dtype)
        if self.spec.inner[op.extra] == "v":
            return lanes.load(emit, op.dtype, emit.at(pointer, column, kind), mask)
        stride = self.strides[op.extra][self.spec.axes]
        value: Any = ir.Constant(ir.VectorType(kind, emit.lanes), ir.Undefined)
        for lane in range(emit.lanes):
            place = build.mul(build.add(column, emit.integer(lane)), stride)
            if mask is not None:
                inside = build.extract_element(mask, ir.Constant(I32, lane))
                place = build.select(inside, place, emit.integer(0))
            scalar = build.load(emit.at(pointer, place, kind), typ=kind)
            value = build.insert_element(value, scalar, ir.Constant(I32, lane))
        if op.dtype == "bool":
            return build.icmp_unsigned("!=", value, lanes.constant(emit, "uint8", 0))
        return value

    def compute(self, emit: Emitter, op: Op, args: list[Any]) -> Any:
        ops = self.spec.ops
        if op.name == "cast":
            return lanes.convert(emit, args[0], ops[op.args[0]].dtype, op.dtype)
        of = op.args[1] if op.name == "select" else op.args[0]
        return lanes.emit_operation(emit, op.name, ops[of].dtype, *args, alike=op.over == "r")

    def column_numbers(self, emit: Emitter, column: Any) -> Any:
        order = ir.Constant(ir.VectorType(I32, emit.lanes), [ir.Constant(I32, lane) for lane in range(emit.lanes)])
        return emit.build.add(lanes.splat(emit, emit.build.trunc(column, I32)), order)


class _Rows(_Loop):
    """Passes over each row, one after the other."""

    def task(self) -> None:
        spec, ops = self.spec, self.spec.ops
        emit = self.begin("task")
        build, (_, number) = emit.build, emit.args
        columns, per_task = self.word(emit, COLUMNS), self.word(emit, PER_TASK)
        kept = self.kept()
        self.buffers = {i: emit.array(self.memory(ops[i].dtype), LONGEST_KEPT) for i in sorted(kept)}
        passes = max(self.levels[i] for i in range(len(ops))) + 1
        reductions = {
            i: Reduction(emit, op, ops[op.args[0]].dtype) for i, op in enumerate(ops) if op.name in REDUCTIONS
        }
        first = build.mul(number, per_task)
        last = emit.minimum(build.add(first, per_task), self.word(emit, ROWS))
        with emit.loop(first, last) as row:
            start = build.mul(row, columns)
            count = emit.minimum(columns, build.sub(self.word(emit, SIZE), start))
            whole = build.and_(count, emit.integer(-emit.lanes))
            pointers = self.row_pointers(emit, row)
            values: dict[int, Any] = dict(self.constants)
            for level in range(passes):
                self.row_values(emit, level, values, pointers)
                due = [i for i in reductions if self.levels[i] == level + 1]
                stored = [s for s in range(self.outputs) if self.is_stored_in(s, level)]
                keep = [i for i in kept if self.levels[i] == level]
                if not (due or stored or keep):
                    continue
                for i in due:
                    reductions[i].reset()

                def body(column: Any, mask: Any, due: Any = due, stored: Any = stored, keep: Any = keep,
                         level: int = level) -> None:  # fmt: skip
                    here = dict(values)
                    for i in due:
                        x = self.full(emit, ops[i].args[0], here, pointers, column, mask, level)
                        needs_numbers = reductions[i].places is not None
                        reductions[i].take(x, mask, self.column_numbers(emit, column) if needs_numbers else None)
                    results = [
                        (s, self.full(emit, spec.stores[s], here, pointers, column, mask, level)) for s in stored
                    ]
                    for i in keep:
                        x = self.full(emit, i, here, pointers, column, mask, level)
                        place = emit.at(self.buffers[i], column, self.memory(ops[i].dtype))
                        lanes.store(emit, ops[i].dtype, x, place)
                    for s, x in results:
                        dtype = ops[spec.stores[s]].dtype
                        place = emit.at(self.bases[s], build.add(start, column), self.memory(dtype))
                        lanes.store(emit, dtype, x, place, mask)

                with emit.loop(emit.integer(0), whole, CHUNK) as begin:
                    with emit.loop(begin, emit.minimum(build.add(begin, emit.integer(CHUNK)), whole), emit.lanes) as at:
                        body(at, None)
                    for i in due:
                        reductions[i].flush()
                with build.if_then(build.icmp_signed("<", whole, count)):
                    body(whole, emit.tail(build.sub(count, whole)))
                for i in due:
                    values[i] = reductions[i].result()
            self.row_values(emit, passes, values, pointers)
            for s, i in enumerate(spec.stores):
                if ops[i].over == "r":
                    place = emit.at(self.bases[s], row, self.memory(ops[i].dtype))
                    lanes.store_one(emit, ops[i].dtype, values[i], place)
        emit.finish()

    def is_stored_in(self, output: int, level: int) -> bool:
        i = self.spec.stores[output]
        return self.spec.ops[i].over == "f" and self.levels[i] == level

    def row_values(self, emit: Emitter, level: int, values: dict[int, Any], pointers: list[Any]) -> None:
        """What there is once for each row, as far as the reductions up to a level allow it."""
        for i, op in enumerate(self.spec.ops):
            if i in values or op.over != "r" or self.levels[i] > level or op.name in REDUCTIONS:
                continue
            if op.name == "load":
                values[i] = lanes.load_one(emit, op.dtype, pointers[op.extra])
            else:
                values[i] = self.compute(emit, op, [values[a] for a in op.args])

    def kept(self) -> set[int]:
        """The operations whose results a later pass takes from a buffer."""
        if not self.spec.keeps:
            return set()
        ops = self.spec.ops
        kept: set[int] = set()

        def visit(i: int, level: int) -> None:
            op = ops[i]
            if op.over != "f" or op.name in ("load", "constant", "parameter", "column"):
                return
            if op.name in _HEAVY and self.levels[i] < level:
                kept.add(i)
                return
            for a in op.args:
                visit(a, level)

        for i, op in enumerate(ops):
            if op.name in REDUCTIONS:
                visit(op.args[0], self.levels[i] - 1)
        for i in self.spec.stores:
            if ops[i].over == "f":
                visit(i, self.levels[i])
        return kept

    def full(
        self, emit: Emitter, i: int, here: dict[int, Any], pointers: list[Any], column: Any, mask: Any, level: int
    ) -> Any:
        """The elements of an operation at a column, computed from what is there."""
        if i in here:
            return here[i]
        op = self.spec.ops[i]
        if i in self.buffers and self.levels[i] < level:
            value = lanes.load(emit, op.dtype, emit.at(self.buffers[i], column, self.memory(op.dtype)))
        elif op.name == "load":
            value = self.load_full(emit, op, pointers[op.extra], column, mask)
        elif op.name == "column":
            value = self.column_numbers(emit, column)
        else:
            value = self.compute(emit, op, [self.full(emit, a, here, pointers, column, mask, level) for a in op.args])
        here[i] = value
        return value


class _Columns(_Loop):
    """Sums and the like down the rows: partial results of slabs, then of these."""

    def __init__(self, spec: Spec, module: Any):
        super().__init__(spec, module)
        self.reduced = list(dict.fromkeys(i for i in spec.stores if spec.ops[i].name in REDUCTIONS))

    def partial(self, emit: Emitter, slab: Any, which: int, column: Any, dtype: str) -> Any:
        """Where a slab's partial results are: eight bytes for each."""
        build = emit.build
        row = build.add(build.mul(slab, emit.integer(len(self.reduced))), emit.integer(which))
        place = build.mul(row, self.word(emit, COLUMNS))
        scratch = self.pointer(emit, self.outputs + self.inputs)
        return emit.at(emit.at(scratch, place, I64), column, self.memory(dtype))

    def task(self) -> None:
        spec, ops = self.spec, self.spec.ops
        emit = self.begin("task")
        build, (_, number) = emit.build, emit.args
        columns, rows = self.word(emit, COLUMNS), self.word(emit, ROWS)
        slabs, per_task = self.word(emit, SLABS), self.word(emit, PER_TASK)
        outer, slab = build.sdiv(number, slabs), build.srem(number, slabs)
        first = build.mul(slab, per_task)
        last = emit.minimum(build.add(first, per_task), rows)
        begin = build.mul(outer, rows)
        sums = {i: Reduction(emit, ops[i], ops[ops[i].args[0]].dtype) for i in self.reduced}
        with emit.loop(emit.integer(0), columns, emit.lanes) as column:
            mask = emit.tail(build.sub(columns, column))
            for i in self.reduced:
                sums[i].reset()
            with emit.loop(build.add(begin, first), build.add(begin, last)) as row:
                pointers = self.row_pointers(emit, row)
                values: dict[int, Any] = dict(self.constants)
                for i, op in enumerate(ops):
                    if i in values or op.name in REDUCTIONS:
                        continue
                    if op.name == "load" and spec.inner[op.extra] == "s":
                        values[i] = lanes.load_one(emit, op.dtype, pointers[op.extra])
                    elif op.name == "load":
                        values[i] = self.load_full(emit, op, pointers[op.extra], column, mask)
                    elif op.name == "column":
                        values[i] = self.column_numbers(emit, column)
                    else:
                        values[i] = self.compute(emit, op, [values[a] for a in op.args])
                for i in self.reduced:
                    sums[i].take(values[ops[i].args[0]], None, None)
                for s, i in enumerate(spec.stores):
                    if i not in sums:
                        at = build.add(build.mul(row, columns), column)
                        place = emit.at(self.bases[s], at, self.memory(ops[i].dtype))
                        lanes.store(emit, ops[i].dtype, values[i], place, mask)
            for which, i in enumerate(self.reduced):
                dtype = ops[i].dtype
                value = build.load(sums[i].value, typ=lanes.type_of(emit, dtype))
                lanes.store(emit, dtype, value, self.partial(emit, number, which, column, dtype), mask)
        emit.finish()
        self.finish()

    def finish(self) -> None:
        """Adds the slabs up: task n for the outer index n."""
        spec, ops = self.spec, self.spec.ops
        emit = self.begin("finish")
        build, (_, outer) = emit.build, emit.args
        columns, slabs = self.word(emit, COLUMNS), self.word(emit, SLABS)
        begin = build.mul(outer, slabs)
        with emit.loop(emit.integer(0), columns, emit.lanes) as column:
            mask = emit.tail(build.sub(columns, column))
            for which, i in enumerate(self.reduced):
                dtype = ops[i].dtype
                total = Reduction(emit, ops[i], dtype)
                total.reset()
                with emit.loop(begin, build.add(begin, slabs)) as slab:
                    place = self.partial(emit, slab, which, column, dtype)
                    total.take(lanes.load(emit, dtype, place, mask), None, None)
                at = build.add(build.mul(outer, columns), column)
                value = build.load(total.value, typ=lanes.type_of(emit, dtype))
                for s in (s for s, stored in enumerate(spec.stores) if stored == i):
                    lanes.store(emit, dtype, value, emit.at(self.bases[s], at, self.memory(dtype)), mask)
        emit.finish()


def _plain(spec: Spec) -> tuple[Any, ...]:
    """A spec as tuples, whose text is the same in every process."""
    kind, axes, ops, inner, stores, keeps = spec
    return (kind, axes, tuple(tuple(op) for op in ops), inner, stores, keeps)


def _spec(plain: Any) -> Spec:
    kind, axes, ops, inner, stores, keeps = plain
    return Spec(kind, axes, tuple(Op(*op) for op in ops), inner, stores, keeps)


def module(plain: tuple[Any, ...]) -> Any:
    """The code of a loop, told by its spec as plain tuples."""
    spec = _spec(plain)
    by_row = spec.kind == "rows"  # the others need what is the same for all rows moved out of the loop over them
    made = emitter.new_module(f"loop_{spec.kind}", passes="sharing" if by_row else "all")
    loop: Any = _Rows(spec, made) if spec.kind == "rows" else _Columns(spec, made)
    loop.task()
    stages = [("task", lambda emit, block: emit.field(block, loop.first + TASKS))]
    if spec.kind == "columns":
        stages.append(("finish", lambda emit, block: emit.field(block, loop.first + OUTER)))
    emit_kernel(made, stages)
    return made


@functools.cache
def code(spec: Spec) -> int:
    """The address of a loop's function, compiled."""
    (address,) = emitted(module, (_plain(spec),), ("kernel",))
    return address


def launch(
    spec: Any,
    outer: int,
    rows: int,
    columns: int,
    sizes: Sequence[int],
    strides: Sequence[Sequence[int]],
    parameters: Sequence[tuple[str, Any]] = (),
    size: int | None = None,
) -> Launch:
    """The launch of a loop for operands of these sizes; its operands are the outputs, then the inputs.

    Args:
      spec: the loop, a `Spec` or a tuple like it.
      outer: in a "columns" loop how many times rows and columns there are, else 1.
      rows: the rows.
      columns: the columns.
      sizes: of the rows' axes, `outer` among them; their product is outer · rows.
      strides: for each input in elements along each of those axes, then along the columns.
      parameters: dtype and value of each number that is not in the code.
      size: the elements of a row that ends early, if it is the last; all if None.
    """
    spec = _spec(spec)
    per_task = max(1, SLAB // max(columns, 1))
    if spec.kind == "rows" and rows * columns * _cost(spec) < _WORTH_SHARING:
        per_task = max(1, rows)
    slabs = -(-rows // per_task) if spec.kind == "columns" else 0
    tasks = outer * slabs if spec.kind == "columns" else -(-rows // per_task)
    total = outer * rows * columns if size is None else size
    fixed = (rows, columns, total, per_task, tasks, outer, slabs)
    numbers = [_bits(dtype, value) for dtype, value in parameters]
    words = (*fixed, *sizes, *(stride for operand in strides for stride in operand), *numbers)
    reduced = sum(spec.ops[i].name in REDUCTIONS for i in set(spec.stores)) if spec.kind == "columns" else 0
    return Launch(code(spec), len(spec.stores) + len(spec.inner), words, 8 * tasks * reduced * columns)


def _cost(spec: Spec) -> int:
    """Of an element."""
    return sum(_HEAVY_AS if op.name in _HEAVY else 1 for op in spec.ops)


def _bits(dtype: str, value: Any) -> int:
    """A number as the low bytes of a word."""
    if lanes.is_float(dtype):
        packed = struct.pack("<fxxxx" if dtype == "float32" else "<d", value)
    else:
        packed = struct.pack("<q", int(value)) if int(value) < 1 << 63 else struct.pack("<Q", int(value))
    return int.from_bytes(packed, "little", signed=True)
