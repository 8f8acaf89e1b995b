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
    """Calls `write(first, mask)` for vectors of so many elements: in a loop without a mask, and for what is left."""
    build = emit.build
    whole = build.and_(size, emit.integer(-emit.lanes))
    with emit.loop(emit.integer(0), whole, emit.lanes) as first:
        write(first, None)
    with build.if_then(build.icmp_signed("<", whole, size)):
        write(whole, emit.tail(build.sub(size, whole)))


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


class Flags:
    """A truth value for each row of a slab, kept on the stack."""

    def __init__(self, emit: Emitter):
        self.emit = emit
        self.memory = emit.array(I8, heights()[0])

    def write(self, m: Any, value: Any) -> None:
        """Sets that of a row."""
        build = self.emit.build
        build.store(build.zext(value, I8) if value.type != I8 else value, self.emit.at(self.memory, m, I8))

    def read(self, m: Any) -> Any:
        """That of a row."""
        build = self.emit.build
        return build.icmp_signed("!=", build.load(self.emit.at(self.memory, m, I8), typ=I8), emitter.ir.Constant(I8, 0))


def tasks(batch: Any) -> Callable[[Emitter, Any], Any]:
    """How many slabs a batch makes, given the block's word that holds it."""

    def count(emit: Emitter, block: Any) -> Any:
        high = heights()[0]
        return emit.build.sdiv(emit.build.add(emit.field(block, batch), emit.integer(high - 1)), emit.integer(high))

    return count
