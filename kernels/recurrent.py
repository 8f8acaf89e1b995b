"""What the kernels of recurrent sequences share: packed weights, a small matrix product, activations.

Rows of a batch know nothing of each other, so a task takes a slab of them, as many as the product's tile is high,
through all steps, and no thread waits for another. The weights are packed once into panels, two vectors wide; a tile is
the sum over k in order, whatever its height, so that each row has the same bits in any batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from . import emitter
from .activations import sigmoid as _sigmoid
from .emitter import F32, I8, I64, POINTER, Emitter
from .expressions import Vector, absolute, fma, minimum, polynomial, with_sign

# (e^r - 1 - r) / r², fitted on |r| <= ln(2) / 2 for the least error of the whole.
_EXPM1 = (0.00138131354, 0.00836941972, 0.041668456, 0.166665152, 0.49999994)
WORDS = ("batch", "steps", "units", "backwards")  # what follows the addresses in a block
_ROUNDING = 12582912.0  # 1.5 · 2²³: a float32 near it is an integer, which its low bits hold


def heights() -> tuple[int, int]:
    """Rows of the tile of two vectors that fills the registers, and of a lower one for a batch's last rows."""
    return (8, 4) if emitter.host().lanes == 16 else (6, 3)


def sigmoid(x: Vector) -> Vector:
    """1 / (1 + exp(-x)), within 3 ulps in both tails."""
    return _sigmoid.function(x)


def tanh(x: Vector) -> Vector:
    """tanh(x) = -m / (m + 2) with the sign of x, where m = exp(-2|x|) - 1 without loss near 0; within 3 ulps."""
    emit, build = x.emit, x.emit.build
    double = minimum(absolute(x), 10.0) * -2.0  # from 9.02 on the nearest float32 is 1
    shifted = fma(double, 1.4426950408889634, _ROUNDING)
    n = shifted - _ROUNDING
    r = fma(n, -1.42860677e-06, fma(n, -0.693145752, double))  # ln 2 in two parts
    small = fma(r * r, polynomial(r, *_EXPM1), r)
    integers = emitter.ir.VectorType(emitter.I32, emit.lanes)
    # The exponent of 2ⁿ is n + 127, and the low bits of `shifted` are n.
    power = build.shl(build.bitcast(shifted.value, integers), emit.integers(23))
    scale = Vector(emit, build.bitcast(build.add(power, emit.integers(127 << 23)), emit.vector))
    m = fma(scale, small, scale - 1.0)
    return with_sign(absolute(m) / (m + 2.0), x)


def place(emit: Emitter, pointer: Any, *terms: Any, kind: Any = F32) -> Any:
    """The address of the element whose number is the sum of the terms; a tuple stands for the product of its parts."""
    build = emit.build
    total: Any = None
    for term in terms:
        product: Any = None
        for factor in term if isinstance(term, tuple) else (term,):
            factor = emit.integer(factor) if isinstance(factor, int) else factor
            product = factor if product is None else build.mul(product, factor)
        total = product if total is None else build.add(total, product)
    return emit.at(pointer, total, kind)


def whole_vectors(emit: Emitter, size: Any) -> Any:
    """A size rounded up to whole vectors."""
    return emit.build.and_(emit.build.add(size, emit.integer(emit.lanes - 1)), emit.integer(-emit.lanes))


def each_vector(emit: Emitter, size: Any, write: Callable[[Any, Any], None]) -> None:
    """Calls `write(first, mask)` in a loop over the vectors of so many elements.

    AVX-512 has masks for nothing; else what is left after whole vectors, with mask None, is written by itself.
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


def emit_product(module: Any, height: int, add: bool) -> None:
    """product_<height>(to, to_row, a, a_row, rows, panel, depth): to[m, n] = Σ a[m, k] · panel[k, n], or that added.

    `to` has the height's rows and two vectors of columns. Of `a`, which has fewer rows, the last one stands for those
    that lack.
    """
    arguments = [POINTER, I64, POINTER, I64, I64, POINTER, I64]
    emit = Emitter(module, f"product_{height}", arguments, internal=True)
    build, lanes = emit.build, emit.lanes
    to, to_row, a, a_row, rows, panel, depth = emit.args
    last = build.sub(rows, emit.integer(1))
    left = [place(emit, a, (emit.minimum(emit.integer(m), last), a_row)) for m in range(height)]
    there = [[place(emit, to, (m, to_row), n * lanes) for n in range(2)] for m in range(height)]
    tile = [
        [emit.variable(emit.vector, emit.load(address) if add else emit.floats(0.0)) for address in row]
        for row in there
    ]
    with emit.loop(emit.integer(0), depth) as k:
        right = [emit.load(place(emit, panel, (k, 2 * lanes), n * lanes)) for n in range(2)]
        for m in range(height):
            value = emit.broadcast(build.load(emit.at(left[m], k), typ=F32))
            for n in range(2):
                build.store(emit.fma(value, right[n], build.load(tile[m][n], typ=emit.vector)), tile[m][n])
    for m in range(height):
        for n in range(2):
            emit.store(build.load(tile[m][n], typ=emit.vector), there[m][n])
    emit.finish()


def call_product(emit: Emitter, rows: Any, to: Any, to_row: Any, a: Any, a_row: Any, panel: Any, depth: Any) -> None:
    """Calls the product of the height that so many rows need."""
    build, (high, low) = emit.build, heights()
    few = build.icmp_signed("<=", rows, emit.integer(low))
    with build.if_else(few) as branches:
        for branch, height in zip(branches, (low, high), strict=True):
            with branch:
                build.call(emit.module.globals[f"product_{height}"], [to, to_row, a, a_row, rows, panel, depth])


class Block:
    """The fields of a block by name, read at a function's start."""

    def __init__(self, emit: Emitter, block: Any, operands: tuple[str, ...]):
        for index, name in enumerate((*operands, "scratch", *WORDS)):
            setattr(self, name, emit.field(block, index, I64 if name in WORDS else POINTER))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


def emit_pack_transposed(module: Any, operands: tuple[str, ...], gates: int) -> None:
    """pack(block, number): the weights' rows, 2 vectors of them side by side, as panels[number][gate and unit][row]."""
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
    """The rows of a batch that a task takes.

    number: the first one's.
    rows: how many.
    """

    def __init__(self, emit: Emitter, number: Any, batch: Any):
        height = emit.integer(heights()[0])
        self.emit = emit
        self.number = emit.build.mul(number, height)
        self.rows = emit.minimum(emit.build.sub(batch, self.number), height)

    @contextmanager
    def each(self) -> Iterator[tuple[Any, Any]]:
        """A loop over the rows; gives a row's number within the slab, and that in the batch."""
        with self.emit.loop(self.emit.integer(0), self.rows) as m:
            yield m, self.emit.build.add(self.number, m)


class Taken:
    """Which rows of a slab take the step at hand, and which have taken one before; all, if there is no mask."""

    def __init__(self, emit: Emitter, slab: Slab, of: Block, masked: bool):
        self.emit, self.slab, self.of, self.masked = emit, slab, of, masked
        if masked:
            self.first = emit.array(I64, heights()[0])
            with slab.each() as (m, _):  # the first step that each row takes
                emit.build.store(of.steps, emit.at(self.first, m, I64))
            with emit.loop(emit.integer(0), of.steps) as back:
                step = emit.build.sub(emit.build.sub(of.steps, emit.integer(1)), back)
                with slab.each() as (m, row):
                    there = self._mask(row, self.place_of(step))
                    before = emit.build.load(emit.at(self.first, m, I64), typ=I64)
                    emit.build.store(emit.build.select(there, step, before), emit.at(self.first, m, I64))

    def place_of(self, step: Any) -> Any:
        """Where the inputs of a step stand."""
        build, of = self.emit.build, self.of
        backwards = build.icmp_signed("!=", of.backwards, self.emit.integer(0))
        return build.select(backwards, build.sub(build.sub(of.steps, self.emit.integer(1)), step), step)

    def _mask(self, row: Any, t: Any) -> Any:
        build = self.emit.build
        value = build.load(place(self.emit, self.of.mask, (row, self.of.steps), t, kind=I8), typ=I8)
        return build.icmp_signed("!=", value, emitter.ir.Constant(I8, 0))

    def either(self, row: Any, t: Any, take: Callable[[], None], hold: Callable[[], None]) -> None:
        """Emits both, where a row takes the step and where it does not."""
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
        first = self.emit.build.load(self.emit.at(self.first, m, I64), typ=I64)
        return self.emit.build.icmp_signed(">=", step, first)


def tasks_of(word: str, operands: tuple[str, ...], size: int) -> Callable[[Emitter, Any], Any]:
    """How many tasks there are if each takes `size` of what the word counts."""

    def count(emit: Emitter, block: Any) -> Any:
        whole = emit.field(block, len(operands) + 1 + WORDS.index(word))
        return emit.build.sdiv(emit.build.add(whole, emit.integer(size - 1)), emit.integer(size))

    return count
