"""What the kernels of recurrent sequences share: packed weights, a small matrix product, slabs of rows, masks.

Rows of a batch know nothing of each other, so a task takes a slab of them, as many as the product's tile is high,
through all steps, and no thread waits for another. The weights are packed once into panels; an element of a product is
one sum over k in order, whatever the tile's height, so that a row has the same bits in any batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from . import emitter
from .emitter import F32, I8, I64, POINTER, Emitter

WORDS = ("batch", "steps", "units", "backwards")  # what follows the addresses in a block
COLLECTED = 64  # units in a task that collects sums


def place(emit: Emitter, pointer: Any, *terms: Any, kind: Any = F32) -> Any:
    """The address of the element whose number is the sum of the terms; a tuple stands for the product of its parts."""
    build = emit.build
    total: Any = emit.integer(0)
    for term in terms:
        product: Any = emit.integer(1)
        for factor in term if isinstance(term, tuple) else (term,):
            product = build.mul(product, emit.integer(factor) if isinstance(factor, int) else factor)
        total = build.add(total, product)
    return emit.at(pointer, total, kind)


def rounded_up(emit: Emitter, size: Any, to: int) -> Any:
    """A size rounded up to a power of 2's multiple."""
    return emit.build.and_(emit.build.add(size, emit.integer(to - 1)), emit.integer(-to))


def each_vector(emit: Emitter, size: Any, write: Callable[[Any, Any], None]) -> None:
    """Calls `write(first, mask)` in a loop over the vectors of so many elements.

    Masks cost nothing with AVX-512; else what is left after whole vectors, whose mask is None, is written by itself.
    """
    build, lanes = emit.build, emit.lanes
    if lanes == 16:
        with emit.loop(emit.integer(0), size, lanes) as first:
            write(first, emit.tail(build.sub(size, first)))
        return
    whole = build.and_(size, emit.integer(-lanes))
    with emit.loop(emit.integer(0), whole, lanes) as first:
        write(first, None)
    with build.if_then(build.icmp_signed("<", whole, size)):
        write(whole, emit.tail(build.sub(size, whole)))


def copy_vectors(emit: Emitter, size: Any, *pairs: tuple[Any, Any]) -> None:
    """Copies so many elements from the first address of each pair to the second."""

    def write(j: Any, mask: Any) -> None:
        for source, to in pairs:
            emit.store(emit.load(emit.at(source, j), mask), emit.at(to, j), mask)

    each_vector(emit, size, write)


def heights(vectors: int) -> tuple[int, int]:
    """Rows of the tile, so many vectors wide, that fills the registers, and of a lower one for a batch's last rows."""
    if emitter.host().lanes == 16:
        return 8, 4
    return (6, 3) if vectors == 2 else (4, 2)


def emit_products(module: Any, vectors: int, add: bool) -> None:
    """product_<height>(to, to_row, a, a_row, rows, panel, depth): to[m, n] = Σ a[m, k] · panel[k, n], or that added.

    `to` has the height's rows, and so many vectors of columns. Of `a`, which may have fewer rows, the last one stands
    for those that lack.
    """
    for height in heights(vectors):
        arguments = [POINTER, I64, POINTER, I64, I64, POINTER, I64]
        emit = Emitter(module, f"product_{height}", arguments, internal=True)
        build, lanes = emit.build, emit.lanes
        to, to_row, a, a_row, rows, panel, depth = emit.args
        last = build.sub(rows, emit.integer(1))
        left = [place(emit, a, (emit.minimum(emit.integer(m), last), a_row)) for m in range(height)]
        there = [[place(emit, to, (m, to_row), n * lanes) for n in range(vectors)] for m in range(height)]
        tile = [
            [emit.variable(emit.vector, emit.load(address) if add else emit.floats(0.0)) for address in row]
            for row in there
        ]
        with emit.loop(emit.integer(0), depth) as k:
            right = [emit.load(place(emit, panel, (k, vectors * lanes), n * lanes)) for n in range(vectors)]
            for m in range(height):
                value = emit.broadcast(build.load(emit.at(left[m], k), typ=F32))
                for n in range(vectors):
                    build.store(emit.fma(value, right[n], build.load(tile[m][n], typ=emit.vector)), tile[m][n])
        for m in range(height):
            for n in range(vectors):
                emit.store(build.load(tile[m][n], typ=emit.vector), there[m][n])
        emit.finish()


class Block:
    """The fields of a block by name, read at a function's start: the operands' addresses, then `WORDS`."""

    def __init__(self, emit: Emitter, block: Any, operands: Sequence[str]):
        for index, name in enumerate((*operands, "scratch", *WORDS)):
            setattr(self, name, emit.field(block, index, I64 if name in WORDS else POINTER))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


def emit_pack(module: Any, operands: Sequence[str], groups: Sequence[Sequence[int]]) -> None:
    """pack(block, number): the panels of a vector's units, one for each group of gates, which stand side by side."""
    emit = Emitter(module, "pack", [POINTER, I64])
    build, lanes = emit.build, emit.lanes
    of = Block(emit, emit.args[0], operands)
    first = build.mul(emit.args[1], emit.integer(lanes))
    mask = emit.tail(build.sub(of.units, first))
    gates = sum(map(len, groups))
    panels = place(emit, of.scratch, (first, gates, of.units))
    with emit.loop(emit.integer(0), of.units) as k:
        for group in groups:
            for n, gate in enumerate(group):
                value = emit.load(place(emit, of.weights, (k, gates, of.units), (gate, of.units), first), mask)
                emit.store(value, place(emit, panels, (group[0], lanes, of.units), (k, len(group) * lanes), n * lanes))
    emit.finish()


def emit_pack_transposed(module: Any, operands: Sequence[str], gates: int) -> None:
    """pack(block, number): two vectors of the weights' rows, as columns of a panel."""
    emit = Emitter(module, "pack", [POINTER, I64])
    build, wide = emit.build, 2 * emit.lanes
    of = Block(emit, emit.args[0], operands)
    width = build.mul(of.units, emit.integer(gates))
    panel = place(emit, of.scratch, (emit.args[1], wide, width))
    with emit.loop(emit.integer(0), emit.integer(wide)) as n:
        row = build.add(build.mul(emit.args[1], emit.integer(wide)), n)
        with build.if_else(build.icmp_signed("<", row, of.units)) as (inside, outside):
            with inside, emit.loop(emit.integer(0), width) as k:
                value = build.load(place(emit, of.weights, (row, width), k), typ=F32)
                build.store(value, place(emit, panel, (k, wide), n))
            with outside, emit.loop(emit.integer(0), width) as k:
                build.store(emitter.ir.Constant(F32, 0.0), place(emit, panel, (k, wide), n))
    emit.finish()


class Slab:
    """The rows of a batch that a task takes, and what they know of a mask.

    height: how many a whole slab has.
    number: the first one's, in the batch.
    rows: how many there are.
    """

    def __init__(self, emit: Emitter, number: Any, of: Block, vectors: int, masked: bool):
        self.emit, self.of, self.vectors, self.masked = emit, of, vectors, masked
        self.height = heights(vectors)[0]
        self.number = emit.build.mul(number, emit.integer(self.height))
        self.rows = emit.minimum(emit.build.sub(of.batch, self.number), emit.integer(self.height))
        if masked:
            self._first = emit.array(I64, self.height)  # the first step that each row takes
            with self.each() as (m, _):
                emit.build.store(of.steps, emit.at(self._first, m, I64))
            with self.each_step_back() as step, self.each() as (m, row):
                with emit.build.if_then(self._mask(row, self.place_of(step))):
                    emit.build.store(step, emit.at(self._first, m, I64))

    @contextmanager
    def each(self) -> Iterator[tuple[Any, Any]]:
        """A loop over the rows; gives a row's number within the slab, and that in the batch."""
        with self.emit.loop(self.emit.integer(0), self.rows) as m:
            yield m, self.emit.build.add(self.number, m)

    @contextmanager
    def each_step_back(self) -> Iterator[Any]:
        """A loop over the steps from the last to the first."""
        build, one = self.emit.build, self.emit.integer(1)
        with self.emit.loop(self.emit.integer(0), self.of.steps) as k:
            yield build.sub(build.sub(self.of.steps, one), k)

    def place_of(self, step: Any) -> Any:
        """Where the inputs of a step stand."""
        build, of = self.emit.build, self.of
        backwards = build.icmp_signed("!=", of.backwards, self.emit.integer(0))
        return build.select(backwards, build.sub(build.sub(of.steps, self.emit.integer(1)), step), step)

    def to_the_next(self, size: Any) -> Any:
        """How far the inputs of the next step are from those of one, given the size of a step's."""
        build = self.emit.build
        backwards = build.icmp_signed("!=", self.of.backwards, self.emit.integer(0))
        return build.select(backwards, build.neg(size), size)

    def copy(self, *pairs: tuple[tuple[Any, Any], tuple[Any, Any]]) -> None:
        """Copies the units of all rows, from and to a slab's own memory, given with how far its rows are apart.

        An operand, whose rows are the batch's, stands with None.
        """
        emit, of = self.emit, self.of

        def here(memory: Any, apart: Any, m: Any, row: Any) -> Any:
            return place(emit, memory, (row, of.units) if apart is None else (m, apart))

        with self.each() as (m, row):
            copy_vectors(emit, of.units, *((here(*source, m, row), here(*to, m, row)) for source, to in pairs))

    def product(self, to: Any, to_row: Any, a: Any, a_row: Any, panel: Any, depth: Any) -> None:
        """The product of the rows of `a` and a panel, by the tile of the height that they need."""
        emit, build = self.emit, self.emit.build
        high, low = heights(self.vectors)
        with build.if_else(build.icmp_signed(">", self.rows, emit.integer(low))) as branches:
            for branch, height in zip(branches, (high, low), strict=True):
                with branch:
                    function = emit.module.globals[f"product_{height}"]
                    build.call(function, [to, to_row, a, a_row, self.rows, panel, depth])

    def _mask(self, row: Any, t: Any) -> Any:
        value = self.emit.build.load(place(self.emit, self.of.mask, (row, self.of.steps), t, kind=I8), typ=I8)
        return self.emit.build.icmp_signed("!=", value, emitter.ir.Constant(I8, 0))

    def either(self, row: Any, t: Any, take: Callable[[], None], hold: Callable[[], None]) -> None:
        """Emits both, where a row takes the step whose inputs stand at t, and where it does not."""
        if not self.masked:
            take()
            return
        with self.emit.build.if_else(self._mask(row, t)) as (yes, no):
            with yes:
                take()
            with no:
                hold()

    def begun(self, m: Any, step: Any) -> Any:
        """Whether a row has taken a step up to this one."""
        if not self.masked:
            return emitter.ir.Constant(emitter.I1, 1)
        first = self.emit.build.load(self.emit.at(self._first, m, I64), typ=I64)
        return self.emit.build.icmp_signed(">=", step, first)


def emit_collect(module: Any, operands: Sequence[str], to: str, gates: int, partial: Callable[..., Any]) -> None:
    """collect(block, number): `to` of 64 units, the sums over all slabs of what each has summed at `partial`."""
    emit = Emitter(module, "collect", [POINTER, I64])
    build = emit.build
    of = Block(emit, emit.args[0], operands)
    start = build.mul(emit.args[1], emit.integer(gates * COLLECTED))
    columns = emit.minimum(build.sub(build.mul(of.units, emit.integer(gates)), start), emit.integer(gates * COLLECTED))
    slabs = tasks_of("batch", operands, heights(2)[0])(emit, emit.args[0])

    def write(j: Any, mask: Any) -> None:
        total = emit.variable(emit.vector, emit.floats(0.0))
        with emit.loop(emit.integer(0), slabs) as number:
            part = emit.load(place(emit, partial(emit, of, number), start, j), mask)
            build.store(build.fadd(build.load(total, typ=emit.vector), part), total)
        emit.store(build.load(total, typ=emit.vector), place(emit, getattr(of, to), start, j), mask)

    each_vector(emit, columns, write)
    emit.finish()


def tasks_of(word: str, operands: Sequence[str], size: int) -> Callable[[Emitter, Any], Any]:
    """How many tasks there are if each takes `size` of what the word counts."""

    def count(emit: Emitter, block: Any) -> Any:
        whole = emit.field(block, len(operands) + 1 + WORDS.index(word))
        return emit.build.sdiv(emit.build.add(whole, emit.integer(size - 1)), emit.integer(size))

    return count
