"""A long short-term memory over whole sequences of float32: forward, and the gradient.

The inputs come projected, z [batch, steps, 4 · units], the gates i, f, g, o side by side. What is left of a step is the
product of h and the recurrent weights, whose columns are packed so that two tiles hold all gates of a vector's units,
and the gates. The gradient goes back from the last step: dz, then dz times the weights transposed.
"""

from __future__ import annotations

import functools
from typing import Any

from . import emitter
from .cache import compiled
from .emitter import F32, I64, POINTER, Emitter
from .expressions import Vector
from .launches import Launch, emit_kernel
from .recurrent import (
    Block,
    Slab,
    Taken,
    call_product,
    copy_vectors,
    each_vector,
    emit_pack_transposed,
    emit_product,
    heights,
    place,
    sigmoid,
    tanh,
    tasks_of,
    whole_vectors,
)

# The operands, outputs first; a mask, if there is one, comes last.
FORWARD = ("y", "last_h", "last_c", "gates", "cells", "z", "h0", "c0", "weights")
GRADIENT = ("dz", "dh0", "dc0", "before", "gy", "gh", "gc", "y", "gates", "cells", "z", "h0", "c0", "weights")


def _emit_pack(module: Any, operands: tuple[str, ...]) -> None:
    """pack(block, j): the panels of a vector's units, first of the gates i and f, then of g and o."""
    emit = Emitter(module, "pack", [POINTER, I64])
    build, lanes = emit.build, emit.lanes
    of = Block(emit, emit.args[0], operands)
    first = build.mul(emit.args[1], emit.integer(lanes))
    mask = emit.tail(build.sub(of.units, first))
    panels = place(emit, of.scratch, (first, 4, of.units))
    with emit.loop(emit.integer(0), of.units) as k:
        for gate in range(4):
            value = emit.load(place(emit, of.weights, (k, 4, of.units), (gate, of.units), first), mask)
            to = place(emit, panels, (of.units, gate // 2 * 2 * lanes), (k, 2 * lanes), gate % 2 * lanes)
            emit.store(value, to)
    emit.finish()


def _emit_forward(module: Any, operands: tuple[str, ...]) -> None:
    """task(block, number): all steps of a slab of rows."""
    emit = Emitter(module, "task", [POINTER, I64])
    build, lanes, high = emit.build, emit.lanes, heights()[0]
    of = Block(emit, emit.args[0], operands)
    slab = Slab(emit, emit.args[1], of.batch)
    taken = Taken(emit, slab, of, "mask" in operands)
    padded, width = whole_vectors(emit, of.units), build.mul(of.units, emit.integer(4))
    size = build.mul(padded, emit.integer(high))
    own = place(emit, of.scratch, (padded, width), (emit.args[1], 3, size))
    cell = place(emit, own, (2, size))
    sums = emit.array(F32, high * 4 * lanes)
    with slab.each() as (m, row):
        pairs = [(place(emit, x, (row, of.units)), place(emit, to, (m, padded))) for x, to in ((of.h0, own), (of.c0, cell))]
        copy_vectors(emit, of.units, *pairs)

    with emit.loop(emit.integer(0), of.steps) as step:
        t = taken.place_of(step)
        turn = build.and_(step, emit.integer(1))
        h = place(emit, own, (turn, size))
        new = place(emit, own, (build.sub(emit.integer(1), turn), size))

        def units(j: Any, mask: Any, step: Any = step, t: Any = t, h: Any = h, new: Any = new) -> None:
            for pair in range(2):
                panel = place(emit, of.scratch, (j, width), (of.units, pair * 2 * lanes))
                to = place(emit, sums, pair * 2 * lanes)
                call_product(emit, slab.rows, to, emit.integer(4 * lanes), h, padded, panel, of.units)
            with slab.each() as (m, row):
                at = build.add(build.mul(row, of.steps), step)
                gates_out = [place(emit, of.gates, (at, width), (gate, of.units), j) for gate in range(4)]
                cells_out, y_out = (place(emit, to, (at, of.units), j) for to in (of.cells, of.y))
                here, c_here, h_next = (place(emit, to, (m, padded), j) for to in (h, cell, new))

                def take() -> None:
                    inputs = place(emit, of.z, (build.add(build.mul(row, of.steps), t), width), j)
                    z = []
                    for gate in range(4):
                        given = emit.load(place(emit, inputs, (gate, of.units)), mask)
                        emit.prefetch(place(emit, inputs, (gate, of.units), width))
                        inner = emit.load(place(emit, sums, (m, 4 * lanes), gate * lanes))
                        z.append(Vector(emit, build.fadd(given, inner)))
                    i, f, g, o = sigmoid(z[0]), sigmoid(z[1]), tanh(z[2]), sigmoid(z[3])
                    c = f * Vector(emit, emit.load(c_here, mask)) + i * g
                    y = o * tanh(c)
                    for value, to in zip((i, f, g, o, c, c, y, y), (*gates_out, cells_out, c_here, y_out, h_next), strict=True):
                        emit.store(value.value, to, mask)

                def hold() -> None:
                    for to in gates_out:
                        emit.store(emit.floats(0.0), to, mask)
                    emit.store(emit.load(c_here, mask), cells_out, mask)
                    held = emit.load(here, mask)
                    emit.store(held, h_next, mask)
                    emit.store(build.select(taken.begun(m, step), held, emit.floats(0.0)), y_out, mask)

                taken.either(row, t, take, hold)

        each_vector(emit, of.units, units)

    last = place(emit, own, (build.and_(of.steps, emit.integer(1)), size))
    with slab.each() as (m, row):
        pairs = [(place(emit, x, (m, padded)), place(emit, to, (row, of.units))) for x, to in ((last, of.last_h), (cell, of.last_c))]
        copy_vectors(emit, of.units, *pairs)
    emit.finish()


def _emit_gradient(module: Any, operands: tuple[str, ...]) -> None:
    """task(block, number): all steps of a slab of rows, from the last to the first."""
    emit = Emitter(module, "task", [POINTER, I64])
    build, lanes, high = emit.build, emit.lanes, heights()[0]
    of = Block(emit, emit.args[0], operands)
    slab = Slab(emit, emit.args[1], of.batch)
    taken = Taken(emit, slab, of, "mask" in operands)
    wide = emit.integer(2 * lanes)
    padded = build.and_(build.add(of.units, emit.integer(2 * lanes - 1)), emit.integer(-2 * lanes))
    width = build.mul(of.units, emit.integer(4))
    size = build.mul(padded, emit.integer(high))
    dh = place(emit, of.scratch, (padded, width), (emit.args[1], 2, size))
    dc = place(emit, dh, size)
    with slab.each() as (m, row):
        pairs = [(place(emit, x, (row, of.units)), place(emit, to, (m, padded))) for x, to in ((of.gh, dh), (of.gc, dc))]
        copy_vectors(emit, of.units, *pairs)

    with emit.loop(emit.integer(0), of.steps) as back:
        step = build.sub(build.sub(of.steps, emit.integer(1)), back)
        t = taken.place_of(step)
        earlier = build.sub(step, emit.integer(1))
        with slab.each() as (m, row):
            start = build.mul(row, of.steps)
            at, at_inputs, at_earlier = (build.add(start, k) for k in (step, t, earlier))
            initial = build.icmp_signed("<", earlier, emit.integer(0))
            c_before = build.select(initial, place(emit, of.c0, (row, of.units)), place(emit, of.cells, (at_earlier, of.units)))
            begun_before = build.and_(build.not_(initial), taken.begun(m, earlier))
            h_before = build.select(begun_before, place(emit, of.y, (at_earlier, of.units)), place(emit, of.h0, (row, of.units)))

            def units(j: Any, mask: Any) -> None:
                dz_out = [place(emit, of.dz, (at_inputs, width), (gate, of.units), j) for gate in range(4)]
                dh_here, dc_here = (place(emit, x, (m, padded), j) for x in (dh, dc))
                emit.store(emit.load(emit.at(h_before, j), mask), place(emit, of.before, (at_inputs, of.units), j), mask)
                gy = emit.load(place(emit, of.gy, (at, of.units), j), mask)
                gy = build.select(taken.begun(m, step), gy, emit.floats(0.0))
                d = Vector(emit, build.fadd(emit.load(dh_here, mask), gy))

                def take() -> None:
                    gates = [place(emit, of.gates, (at, width), (gate, of.units), j) for gate in range(4)]
                    for gate in gates:
                        emit.prefetch(place(emit, gate, (width, -1)))
                    emit.prefetch(place(emit, of.gy, (at_earlier, of.units), j))
                    emit.prefetch(place(emit, of.cells, (at_earlier, of.units), (of.units, -1), j))
                    emit.prefetch(place(emit, of.y, (at_earlier, of.units), (of.units, -1), j))
                    i, f, g, o = (Vector(emit, emit.load(gate, mask)) for gate in gates)
                    before = Vector(emit, emit.load(emit.at(c_before, j), mask))
                    active = tanh(Vector(emit, emit.load(place(emit, of.cells, (at, of.units), j), mask)))
                    e = Vector(emit, emit.load(dc_here, mask)) + d * o * (1.0 - active * active)
                    dz = (
                        e * g * i * (1.0 - i),
                        e * before * f * (1.0 - f),
                        e * i * (1.0 - g * g),
                        d * active * o * (1.0 - o),
                    )
                    for value, to in zip(dz, dz_out, strict=True):
                        emit.store(value.value, to, mask)
                    emit.store((e * f).value, dc_here, mask)
                    emit.store(emit.floats(0.0), dh_here, mask)

                def hold() -> None:
                    for to in dz_out:
                        emit.store(emit.floats(0.0), to, mask)
                    emit.store(d.value, dh_here, mask)

                taken.either(row, t, take, hold)

            each_vector(emit, of.units, units)
        here = place(emit, of.dz, (build.add(build.mul(slab.number, of.steps), t), width))
        with emit.loop(emit.integer(0), padded, wide) as first:
            panel = place(emit, of.scratch, (first, width))
            call_product(emit, slab.rows, emit.at(dh, first), padded, here, build.mul(of.steps, width), panel, width)

    with slab.each() as (m, row):
        pairs = [(place(emit, x, (m, padded)), place(emit, to, (row, of.units))) for x, to in ((dh, of.dh0), (dc, of.dc0))]
        copy_vectors(emit, of.units, *pairs)
    emit.finish()


def module(gradient: bool, masked: bool) -> Any:
    """The code of one of the two, for sequences with or without a mask."""
    made = emitter.new_module("lstm_gradient" if gradient else "lstm")
    operands = _operands(gradient, masked)
    lanes = emitter.host().lanes
    for height in heights():
        emit_product(made, height, add=gradient)
    if gradient:
        emit_pack_transposed(made, operands, 4)
        _emit_gradient(made, operands)
    else:
        _emit_pack(made, operands)
        _emit_forward(made, operands)
    packing = tasks_of("units", operands, 2 * lanes if gradient else lanes)
    emit_kernel(made, [("pack", packing), ("task", tasks_of("batch", operands, heights()[0]))])
    return made


def _operands(gradient: bool, masked: bool) -> tuple[str, ...]:
    return (GRADIENT if gradient else FORWARD) + ("mask",) * masked


@functools.cache
def _code(target: Any, gradient: bool, masked: bool) -> int:
    (address,) = compiled(module(gradient, masked), ("kernel",))
    return address


def launch(gradient: bool, batch: int, steps: int, units: int, masked: bool, backwards: bool) -> Launch:
    """The kernel of all steps, or of their gradient.

    Forward it takes y [batch, steps, units], last_h, last_c [batch, units], gates [batch, steps, 4 · units], cells
    [batch, steps, units]; z [batch, steps, 4 · units], h0, c0 [batch, units], weights [units, 4 · units], and bool
    mask [batch, steps] if masked. For the gradient dz, dh0, dc0, and before, the h that each step began with, where z
    has that step; the gradients of y, last_h, last_c; y, gates, cells; z, which it does not read, and the rest as before.
    """
    lanes, high = emitter.host().lanes, heights()[0]
    vector = 2 * lanes if gradient else lanes
    padded = -(-units // vector) * vector
    scratch = 4 * padded * (4 * units + -(-batch // high) * (2 if gradient else 3) * high)
    words = (batch, steps, units, int(backwards))
    return Launch(_code(emitter.host(), gradient, masked), len(_operands(gradient, masked)), words, scratch)
