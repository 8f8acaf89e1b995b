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


def emit_band(emit: Emitter, block: Value, phase: Value, image: Value, first: Value, rows: Value) -> Value:
    """Emits the copies for output rows `first` to `first + rows`; gives where the first tap of the first one is."""
    build, zero = emit.build, emit.integer(0)
    channels, height, width = (emit.field(block, index) for index in (plan.CHANNELS, plan.HEIGHT, plan.WIDTH))
    pixels = build.mul(width, channels)
    picture = emit.at(emit.field(block, plan.X, POINTER), build.mul(image, build.mul(height, pixels)))
    step = emit.field(phase, plan.STEP_ROW)
    top = build.add(emit.field(phase, plan.ORIGIN_ROW), build.mul(first, step))
    left = emit.field(phase, plan.ORIGIN_COLUMN)
    place = build.add(build.mul(top, pixels), build.mul(left, channels))
    source, row = emit.variable(POINTER, emit.at(picture, place)), emit.variable(I64, pixels)
    reach = build.mul(build.sub(emit.field(phase, plan.TAPS_DOWN), emit.integer(1)), emit.field(phase, plan.GAP_ROW))
    seen = build.add(build.add(build.mul(build.sub(rows, emit.integer(1)), step), reach), emit.integer(1))
    columns = emit.field(phase, plan.LOCAL_COLUMNS)
    with build.if_then(build.icmp_signed(">", columns, zero)):
        size = build.mul(columns, channels)
        memory = _local(emit, build.mul(size, maximum(emit, seen, emit.integer(1))))
        before = emit.minimum(maximum(emit, build.sub(zero, left), zero), columns)
        begin = maximum(emit, left, zero)
        inside = maximum(emit, emit.minimum(build.sub(columns, before), build.sub(width, begin)), zero)
        after = build.sub(build.sub(columns, before), inside)
        before, inside, after = (build.mul(count, channels) for count in (before, inside, after))
        with emit.loop(zero, seen) as r:
            there, here = emit.at(memory, build.mul(r, size)), build.add(top, r)
            outside = build.or_(build.icmp_signed("<", here, zero), build.icmp_signed(">=", here, height))
            with build.if_else(outside) as (empty, full):
                with empty:
                    _clear(emit, there, size)
                with full:
                    _clear(emit, there, before)
                    middle = emit.at(there, before)
                    here = build.add(build.mul(here, pixels), build.mul(begin, channels))
                    _copy(emit, middle, emit.at(picture, here), inside)
                    _clear(emit, emit.at(middle, inside), after)
        build.store(memory, source)
        build.store(size, row)
    with build.if_then(build.icmp_signed("!=", emit.field(phase, plan.SPREADS), zero)):
        whole = build.icmp_signed("==", emit.field(phase, plan.SPREADS), emit.integer(plan.WHOLE))
        count = build.select(whole, rows, seen)
        build.store(_spread(emit, block, phase, build.load(source, typ=POINTER), build.load(row, typ=I64), count), source)
    return build.load(source, typ=POINTER)


def _spread(emit: Emitter, block: Value, phase: Value, source: Value, row: Value, rows: Value) -> Value:
    """Copies what each output pixel sees, side by side; a chunk of vectors at a time."""
    build, zero, lanes = emit.build, emit.integer(0), emit.lanes
    field = lambda index: emit.field(phase, index)  # noqa: E731
    channels, depth, columns = emit.field(block, plan.CHANNELS), emit.field(block, plan.DEPTH), field(plan.COLUMNS)
    pixel, chunk = field(plan.A_PIXEL), field(plan.SPREAD_CHUNK)
    beyond = emit.integer(heights(lanes)[0])  # a tile may read some pixels more
    memory = _local(emit, build.mul(build.add(build.mul(rows, columns), beyond), pixel))
    down_size = build.mul(field(plan.SPREAD_ALONG), chunk)
    group_size = build.mul(field(plan.SPREAD_DOWN), down_size)
    step = build.mul(field(plan.STEP_COLUMN), channels)
    line = build.mul(columns, pixel)
    with emit.loop(zero, rows) as r, emit.loop(zero, emit.field(block, plan.GROUPS)) as g:
        with emit.loop(zero, field(plan.SPREAD_DOWN)) as down, emit.loop(zero, field(plan.SPREAD_ALONG)) as along:
            down_row = build.add(build.mul(r, field(plan.SPREAD_STEP)), build.mul(down, field(plan.GAP_ROW)))
            pixels = build.add(build.mul(build.mul(along, field(plan.GAP_COLUMN)), channels), build.mul(g, depth))
            start = build.add(build.mul(down_row, row), pixels)
            place = build.add(build.mul(down, down_size), build.mul(along, chunk))
            place = build.add(build.add(build.mul(r, line), build.mul(g, group_size)), place)
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


def _copy(emit: Emitter, to: Value, source: Value, floats: Value) -> None:
    emit.call("memcpy", POINTER, to, source, emit.build.mul(floats, emit.integer(4)))


def _clear(emit: Emitter, to: Value, floats: Value) -> None:
    emit.call("memset", POINTER, to, emitter.ir.Constant(I32, 0), emit.build.mul(floats, emit.integer(4)))
