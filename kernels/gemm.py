"""The float32 matrix product C = A · B, of any sizes and strides, alone or in batches.

C is cut into items, blocks that one thread computes whole (`gemm_items.py`), so threads meet only at the end: each
takes the next item that nobody has. An element of C is a sum in an order that depends on K alone, so the bits are the
same for any number of threads.
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

from . import emitter
from . import gemm_items as items
from .cache import emitted
from .emitter import I64, POINTER, Emitter
from .launches import Launch, lowest
from .pool import RUN, pool

WIDEST = 16  # tiles' widths in an item
TALLEST = 560  # rows of an item
FAR = 1024  # from this distance in elements on, rows lie in pages of their own and in each other's way in the caches
TALL = 256  # rows of an item for which B is packed even if its rows are near to each other
FEW = 4  # columns that are computed one by one, as tiles would be wide for them
# Multiplications that an item should have at least, some 5 to 10 µs; of few rows, for which B comes from memory.
ITEM, ITEM_OF_FEW = 1 << 20, 1 << 17


def module(kind: str) -> Any:
    """The code of products of a kind: "tiles", or C's one "row" by rows of B, or by "dot" products with its columns."""
    made = emitter.new_module(f"gemm_{kind}")
    items.emit_finish(made)
    items.emit_item(made, kind)
    _emit_task(made)
    _emit_kernel(made, "product", 3)
    _emit_kernel(made, "biased", 4)
    return made


@functools.cache
def _code(kind: str) -> tuple[int, int]:
    product, biased = emitted(module, (kind,), ("product", "biased"))
    return product, biased


def _emit_task(module: Any) -> None:
    """task(p, lane): computes items, each the next that nobody has, until none is left."""
    emit = Emitter(module, "task", [POINTER, I64], aliases=True)
    build, (p, lane), one, zero = emit.build, emit.args, emit.integer(1), emit.integer(0)
    memory = emit.at(emit.field(p, items.SCRATCH, POINTER), build.mul(lane, emit.field(p, items.LANE_SIZE)))
    m, n, rows, columns, batch, group = (
        emit.field(p, i) for i in (items.M, items.N, items.ROWS, items.COLUMNS, items.BATCH, items.BATCH_ITEM)
    )
    across, down = _up(emit, n, columns), _up(emit, m, rows)
    number = emit.variable(I64)

    def another() -> Any:
        build.store(build.atomic_rmw("add", emit.at(p, emit.integer(items.NEXT), I64), one, "monotonic"), number)
        return build.icmp_signed("<", build.load(number, typ=I64), emit.field(p, items.ITEMS))

    with items.repeated(emit, another):
        item = build.load(number, typ=I64)
        column = build.mul(build.srem(item, across), columns)
        rest = build.sdiv(item, across)
        row = build.mul(build.srem(rest, down), rows)
        start = build.mul(build.sdiv(rest, down), group)
        last_row, last_column = emit.minimum(build.add(row, rows), m), emit.minimum(build.add(column, columns), n)
        with emit.loop(start, emit.minimum(build.add(start, group), batch)) as index:
            c = emit.at(emit.field(p, items.C, POINTER), build.mul(index, build.mul(m, n)))
            a_start, b_start, left = zero, zero, index
            for dim in reversed(range(items.DIMS)):
                size = emit.field(p, items.SIZES + dim)
                at, left = build.srem(left, size), build.sdiv(left, size)
                a_start = build.add(a_start, build.mul(at, emit.field(p, items.A_STRIDES + dim)))
                b_start = build.add(b_start, build.mul(at, emit.field(p, items.B_STRIDES + dim)))
            a, b = emit.at(emit.field(p, items.A, POINTER), a_start), emit.at(emit.field(p, items.B, POINTER), b_start)
            build.call(module.globals["item"], [p, memory, c, a, b, row, last_row, column, last_column])
    emit.finish()


def _emit_kernel(module: Any, name: str, operands: int) -> None:
    """The launch's function for so many operands."""
    emit = Emitter(module, name, [POINTER, POINTER], aliases=True)
    build, (state, block) = emit.build, emit.args
    p = emit.at(block, emit.integer(operands), I64)
    zero = emit.integer(0)
    c, a, b, bias = [emit.field(block, i) for i in range(operands)] + [zero] * (4 - operands)
    turned = build.icmp_signed("!=", emit.field(p, items.TURNED), zero)
    values = c, build.select(turned, b, a), build.select(turned, a, b), bias, zero
    for index, value in zip((items.C, items.A, items.B, items.BIAS, items.NEXT), values, strict=True):
        build.store(value, emit.at(p, emit.integer(index), I64))
    task = build.ptrtoint(module.globals["task"], I64)
    emit.call_address(emit.field(state, RUN), emitter.VOID, state, task, p, emit.field(p, items.LANES))
    emit.finish()


def _up(emit: Emitter, a: Any, by: Any) -> Any:
    """a / by, rounded up."""
    return emit.build.sdiv(emit.build.add(a, emit.build.sub(by, emit.integer(1))), by)


def _cut(m: int, n: int, k: int, batch: int, threads: int, least: int) -> tuple[int, int, int]:
    """Rows, columns and products of an item, which make no difference to C's bits."""
    height, width = emitter.host().tile
    work = m * n * k
    if work < least:
        return m, -(-n // width) * width, max(1, min(batch, least // work))
    down, across = -(-m // TALLEST), -(-n // (WIDEST * width))
    # Two for each thread if packing costs little in items of such a size; one for each if they are large enough at all.
    for most, least_rows, least_columns in ((2 * threads, 20 * height, 4 * width), (threads, 2 * height, width)):
        wanted = min(most, work * batch // least)
        while batch * down * across < wanted:
            if n >= 2 * across * least_columns:
                across *= 2
            elif m >= 2 * down * least_rows:
                down *= 2
            else:
                break
    return -(-m // (down * height)) * height, -(-n // (across * width)) * width, 1


def launch(
    m: int,
    n: int,
    k: int,
    a_strides: tuple[int, int],
    b_strides: tuple[int, int],
    batch: tuple[int, ...] = (),
    a_batch: tuple[int, ...] = (),
    b_batch: tuple[int, ...] = (),
    bias: bool = False,
    relu: bool = False,
) -> Launch | None:
    """The kernel of C[batch..., m, n] = A @ B; operands: C, which is contiguous, A, B, [bias of n].

    None where a size is 0, or a batch has too many dims that cannot be merged.

    Args:
      m: rows of A and C.
      n: columns of B and C.
      k: columns of A, and rows of B.
      a_strides: the distances of A's rows and of its columns, in elements.
      b_strides: those of B.
      batch: the sizes of a batch.
      a_batch: the distances of the matrices A in each of them; 0 if there is one for all.
      b_batch: those of B.
      bias: whether there is one, added to each row of C.
      relu: whether negative elements of C become 0.
    """
    dims = [(s, x, y) for s, x, y in zip(batch, a_batch, b_batch, strict=True) if s != 1]
    merged: list[tuple[int, int, int]] = []
    for size, x, y in dims:
        if merged and merged[-1][1:] == (size * x, size * y):
            merged[-1] = (merged[-1][0] * size, x, y)
        else:
            merged.append((size, x, y))
    if len(merged) == 1 and merged[0][2] == 0 and (m == 1 or merged[0][1] == m * a_strides[0]):
        size, x, _ = merged.pop()
        a_strides = (x if m == 1 else a_strides[0], a_strides[1])
        m *= size
    products = math.prod(size for size, _, _ in merged)
    if len(merged) > items.DIMS or m * n * k * products == 0:
        return None
    turned = int(n <= FEW and n < m and 1 in a_strides)
    if turned:  # the few columns as the rows of the product of the transposed operands
        m, n, a_strides, b_strides = n, m, b_strides[::-1], a_strides[::-1]
        merged = [(size, y, x) for size, x, y in merged]
    kind = "tiles"
    if turned or m == 1:
        kind = "row" if b_strides[1] == 1 and n > 1 else "dot" if b_strides[0] == 1 else "tiles"
    least = ITEM if kind == "tiles" else ITEM_OF_FEW
    rows, columns, group = _cut(m, n, k, products, pool().threads, least)
    count = -(-m // rows) * -(-n // columns) * -(-products // group)
    lanes = min(pool().threads, count)
    height, width = emitter.host().tile
    depth = -(-k // -(-k // items.DEEPEST))
    if kind == "tiles":
        floats = height * (width + items.COPY_ROW) + depth * -(-columns // width) * width
    else:
        floats = items.few_size(kind, m, k)
    size = -(-floats // 16) * 16
    copy = int(a_strides[1] == 1 and a_strides[0] >= FAR)
    pack = int(b_strides[1] != 1 or b_strides[0] >= FAR or min(m, rows) >= TALL)
    dims = [(1, 0, 0)] * (items.DIMS - len(merged)) + merged
    words = (
        0, 0, 0, 0, 0, count, lanes, size, m, n, k, *a_strides, *b_strides, products, group, rows, columns, depth,
        copy, pack, turned, int(bias or relu), lowest(relu), *itertools.chain(*zip(*dims, strict=True)),
    )  # fmt: skip
    return Launch(_code(kind)[int(bias)], 3 + bias, words, 4 * size * lanes)
