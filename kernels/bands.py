"""A band of an image as a convolution sees it: with zeros around, and spread so that windows lie side by side.

Copies are on the stack of the task's thread, where they stay near; `convolution_plan` bounds their size.
"""

from __future__ import annotations

from typing import Any

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
