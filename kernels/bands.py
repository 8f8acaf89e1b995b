"""A band of an image as a convolution sees it: with zeros around, and spread so that windows lie side by side.

Copies are on the stack of the task's thread, where they stay near; `convolution_plan` bounds their size.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from . import convolution_plan as plan
from . import emitter
from .emitter import I32, I64, POINTER, Emitter
from .microkernel import heights

Value = Any


def divided(emit: Emitter, number: Value, by: Value) -> tuple[Value, Value]:
    """Quotient and remainder of two int64 >= 0."""
    return emit.build.udiv(number, by), emit.build.urem(number, by)


def maximum(emit: Emitter, a: Value, b: Value) -> Value:
    """The larger of two int64."""
    return emit.build.select(emit.build.icmp_signed(">", a, b), a, b)


def phase_at(emit: Emitter, block: Value, q: Value) -> Value:
    """The address of a phase's words."""
    place = emit.build.add(emit.build.mul(q, emit.integer(plan.PHASE_WORDS)), emit.integer(plan.FIRST_PHASE))
    return emit.at(block, place, I64)


class Band(NamedTuple):
    """Some rows of the output, in one phase, of one image or of some, and what is there for them.

    first, rows: the first of the rows, and how many there are; images: how many.
    source, distance: where the first tap of the first image is, and how far it is from there to the next image's.
    result: the address of the first of the rows in y, or in its gradient.
    """

    block: Value
    phase: Value
    first: Value
    rows: Value
    images: Value
    source: Value
    distance: Value
    result: Value


@contextmanager
def band_task(module: Any) -> Iterator[tuple[Emitter, Band]]:
    """task(block, number): what is emitted within, for the band of one phase of one image, if it has rows."""
    emit = Emitter(module, "task", [POINTER, I64])
    build, (block, number) = emit.build, emit.args
    rest, band = divided(emit, number, emit.field(block, plan.BANDS))
    q, image = divided(emit, rest, emit.field(block, plan.IMAGES))
    phase = phase_at(emit, block, q)
    first, rows = _rows_of(emit, block, phase, band)
    some, end = build.append_basic_block("some"), build.append_basic_block("done")
    build.cbranch(build.icmp_signed(">", rows, emit.integer(0)), some, end)
    build.position_at_end(some)
    yield emit, _ready(emit, block, phase, image, emit.integer(1), first, rows)
    build.branch(end)
    build.position_at_end(end)
    emit.finish()


@contextmanager
def band_item(module: Any) -> Iterator[tuple[Emitter, Band, tuple[Value, Value, Value, Value]]]:
    """item(block, sums, number, begin, end, more): what is emitted within, for a band of an image, or of some images.

    Gives the arguments but the block and the number too.
    """
    emit = Emitter(module, "item", [POINTER, POINTER, I64, I64, I64, I64], internal=True)
    build, (block, sums, number, begin, end, more) = emit.build, emit.args
    phase = phase_at(emit, block, emit.integer(0))
    together = emit.field(block, plan.ITEM_IMAGES)
    group_of, band = divided(emit, number, emit.field(block, plan.BANDS))
    image = build.mul(group_of, together)
    images = emit.minimum(build.sub(emit.field(block, plan.IMAGES), image), together)
    first, rows = _rows_of(emit, block, phase, band)
    yield emit, _ready(emit, block, phase, image, images, first, rows), (sums, begin, end, more)
    emit.finish()


def _rows_of(emit: Emitter, block: Value, phase: Value, band: Value) -> tuple[Value, Value]:
    first = emit.build.mul(band, emit.field(block, plan.BAND))
    left = emit.build.sub(emit.field(phase, plan.ROWS), first)
    return first, emit.minimum(left, emit.field(block, plan.BAND))


def _ready(emit: Emitter, block: Value, phase: Value, image: Value, images: Value, first: Value, rows: Value) -> Band:
    build = emit.build
    source, distance = emit_band(emit, block, phase, image, first, rows, images)
    start = build.add(emit.field(phase, plan.OUT_START), build.mul(image, emit.field(block, plan.OUT_IMAGE)))
    place = build.add(start, build.mul(first, emit.field(phase, plan.OUT_ROW)))
    result = emit.at(emit.field(block, plan.Y, POINTER), place)
    return Band(block, phase, first, rows, images, source, distance, result)


def emit_band(
    emit: Emitter, block: Value, phase: Value, image: Value, first: Value, rows: Value, images: Value
) -> tuple[Value, Value]:
    """Emits the copies for output rows `first` to `first + rows` of some images.

    Gives where the first tap of the first one is, and the distance from image to image.
    """
    build, zero, one = emit.build, emit.integer(0), emit.integer(1)
    channels, height, width = (emit.field(block, index) for index in (plan.CHANNELS, plan.HEIGHT, plan.WIDTH))
    pixels = build.mul(width, channels)
    picture = build.mul(height, pixels)
    begin = emit.at(emit.field(block, plan.X, POINTER), build.mul(image, picture))
    step = emit.field(phase, plan.STEP_ROW)
    top = build.add(emit.field(phase, plan.ORIGIN_ROW), build.mul(first, step))
    left = emit.field(phase, plan.ORIGIN_COLUMN)
    place = build.add(build.mul(top, pixels), build.mul(left, channels))
    source, row, distance = (
        emit.variable(POINTER, emit.at(begin, place)),
        emit.variable(I64, pixels),
        emit.variable(I64),
    )
    build.store(picture, distance)
    reach = build.mul(build.sub(emit.field(phase, plan.TAPS_DOWN), one), emit.field(phase, plan.GAP_ROW))
    seen = maximum(emit, build.add(build.add(build.mul(build.sub(rows, one), step), reach), one), zero)
    columns = emit.field(phase, plan.LOCAL_COLUMNS)
    with build.if_then(build.icmp_signed(">", columns, zero)):
        size = build.mul(columns, channels)
        all_rows = build.mul(seen, size)
        beyond = emit.integer(heights(emit.lanes)[0])
        memory = _local(emit, build.add(build.mul(all_rows, images), beyond))
        before = emit.minimum(maximum(emit, build.sub(zero, left), zero), columns)
        from_column = maximum(emit, left, zero)
        inside = maximum(emit, emit.minimum(build.sub(columns, before), build.sub(width, from_column)), zero)
        after = build.sub(build.sub(columns, before), inside)
        before, inside, after = (build.mul(count, channels) for count in (before, inside, after))
        with emit.loop(zero, images) as n, emit.loop(zero, seen) as r:
            there = emit.at(memory, build.add(build.mul(n, all_rows), build.mul(r, size)))
            here = build.add(top, r)
            outside = build.or_(build.icmp_signed("<", here, zero), build.icmp_signed(">=", here, height))
            with build.if_else(outside) as (empty, full):
                with empty:
                    clear(emit, there, size)
                with full:
                    clear(emit, there, before)
                    middle = emit.at(there, before)
                    here = build.add(build.mul(here, pixels), build.mul(from_column, channels))
                    copy(emit, middle, emit.at(begin, build.add(build.mul(n, picture), here)), inside)
                    clear(emit, emit.at(middle, inside), after)
        build.store(memory, source)
        build.store(size, row)
        build.store(all_rows, distance)
    with build.if_then(build.icmp_signed("!=", emit.field(phase, plan.SPREADS), zero)):
        whole = build.icmp_signed("==", emit.field(phase, plan.SPREADS), emit.integer(plan.WHOLE))
        count = build.select(whole, rows, seen)
        spread = build.mul(count, build.mul(emit.field(phase, plan.COLUMNS), emit.field(phase, plan.A_PIXEL)))
        before_it = build.load(source, typ=POINTER), build.load(distance, typ=I64), build.load(row, typ=I64)
        build.store(_spread(emit, block, phase, before_it, images, count, spread), source)
        build.store(spread, distance)
    return build.load(source, typ=POINTER), build.load(distance, typ=I64)


def _spread(
    emit: Emitter,
    block: Value,
    phase: Value,
    given: tuple[Value, Value, Value],
    images: Value,
    rows: Value,
    size: Value,
) -> Value:
    """Copies what each output pixel sees, side by side; `given` has images a distance apart, then rows."""
    source, distance, row = given
    build, zero, lanes = emit.build, emit.integer(0), emit.lanes
    field = lambda index: emit.field(phase, index)  # noqa: E731
    channels, depth, columns = emit.field(block, plan.CHANNELS), emit.field(block, plan.DEPTH), field(plan.COLUMNS)
    pixel, chunk = field(plan.A_PIXEL), field(plan.SPREAD_CHUNK)
    beyond = emit.integer(heights(lanes)[0])  # a tile may read some pixels more
    memory = _local(emit, build.add(build.mul(size, images), build.mul(beyond, pixel)))
    down_size = build.mul(field(plan.SPREAD_ALONG), chunk)
    group_size = build.mul(field(plan.SPREAD_DOWN), down_size)
    step = build.mul(field(plan.STEP_COLUMN), channels)
    line = build.mul(columns, pixel)
    groups = emit.field(block, plan.GROUPS)
    with emit.loop(zero, images) as image, emit.loop(zero, rows) as r, emit.loop(zero, groups) as g:
        with emit.loop(zero, field(plan.SPREAD_DOWN)) as down, emit.loop(zero, field(plan.SPREAD_ALONG)) as along:
            down_row = build.add(build.mul(r, field(plan.SPREAD_STEP)), build.mul(down, field(plan.GAP_ROW)))
            pixels = build.add(build.mul(build.mul(along, field(plan.GAP_COLUMN)), channels), build.mul(g, depth))
            start = build.add(build.add(build.mul(down_row, row), pixels), build.mul(image, distance))
            place = build.add(build.mul(down, down_size), build.mul(along, chunk))
            place = build.add(build.add(build.mul(r, line), build.mul(g, group_size)), place)
            place = build.add(place, build.mul(image, size))
            with emit.loop(zero, chunk, lanes) as n:
                here, there = emit.at(source, build.add(start, n)), emit.at(memory, build.add(place, n))
                mask = emit.tail(build.sub(chunk, n))
                with emit.loop(zero, columns) as x:
                    value = emit.load(emit.at(here, build.mul(x, step)), mask)
                    emit.store(value, emit.at(there, build.mul(x, pixel)), mask)
    return memory


def _local(emit: Emitter, floats: Value) -> Value:
    memory = emit.build.alloca(emitter.ir.IntType(8), emit.build.mul(floats, emit.integer(4)))
    memory.align = 64
    return memory


def copy(emit: Emitter, to: Value, source: Value, floats: Value) -> None:
    """Copies floats."""
    emit.call("memcpy", POINTER, to, source, emit.build.mul(floats, emit.integer(4)))


def clear(emit: Emitter, to: Value, floats: Value) -> None:
    """Makes floats 0."""
    emit.call("memset", POINTER, to, emitter.ir.Constant(I32, 0), emit.build.mul(floats, emit.integer(4)))
