"""A long short-term memory over whole sequences of float32: forward, and the gradient.

The inputs come projected, z [batch, steps, 4 · units], all gates i, f, g, o side by side; what is left of a step is a
product with the recurrent weights, whose columns are packed so that a tile holds all gates of its units, and the gates.
`launch` says what the operands are.
"""

from __future__ import annotations

import functools
from typing import Any

from . import emitter
from .cache import compiled
from .emitter import F32, I8, I64, POINTER, Emitter
from .expressions import Vector
from .launches import Launch, emit_kernel
from .recurrent import (
    Flags,
    Slab,
    call_product,
    each_vector,
    emit_product,
    heights,
    place,
    sigmoid,
    tanh,
    tasks,
    whole_vectors,
)

FORWARD = ("y", "last_h", "last_c", "gates", "cells", "z", "h0", "c0", "weights")
WORDS = ("batch", "steps", "units", "backwards")


class _Block:
    """A block's fields by name; they are read where they are first asked for, at a function's start."""

    def __init__(self, emit: Emitter, block: Any, names: tuple[str, ...]):
        for index, name in enumerate((*names, "scratch")):
            setattr(self, name, emit.field(block, index, POINTER))
        for index, name in enumerate(WORDS):
            setattr(self, name, emit.field(block, len(names) + 1 + index))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


def _emit_pack(module: Any, names: tuple[str, ...]) -> None:
    """pack(block, j): the panels of a vector's units, first of gates i and f, then of g and o."""
    emit = Emitter(module, "pack", [POINTER, I64])
    build, lanes = emit.build, emit.lanes
    of = _Block(emit, emit.args[0], names)
    first = build.mul(emit.args[1], emit.integer(lanes))
    mask = emit.tail(build.sub(of.units, first))
    with emit.loop(emit.integer(0), of.units) as k:
        for gate in range(4):
            value = emit.load(place(emit, of.weights, (k, 4, of.units), (gate, of.units), first), mask)
            panel = (of.units, 2, build.add(build.mul(first, emit.integer(2)), emit.integer(gate // 2 * lanes)))
            emit.store(value, place(emit, of.scratch, panel, (k, 2 * lanes), gate % 2 * lanes))
    emit.finish()


def _emit_forward(module: Any, names: tuple[str, ...]) -> None:
    """forward(block, number): all steps of a slab of rows."""
    emit = Emitter(module, "forward", [POINTER, I64])
    build, lanes, high = emit.build, emit.lanes, heights()[0]
    of = _Block(emit, emit.args[0], names)
    masked = "mask" in names
    zero, one = emit.integer(0), emit.integer(1)
    slab = Slab(emit, emit.args[1], of.batch)
    padded = whole_vectors(emit, of.units)
    size = build.mul(padded, emit.integer(high))
    own = place(emit, of.scratch, (padded, 4, of.units), (emit.args[1], 3, size))
    cell = place(emit, own, (2, size))
    before = emit.variable(emit.args[0].type, own)  # h, where the last step has left it
    after = emit.variable(emit.args[0].type, place(emit, own, size))
    sums = emit.array(F32, high * 4 * lanes)
    width = build.mul(of.units, emit.integer(4))
    taken, begun = (Flags(emit), Flags(emit)) if masked else (None, None)

    with slab.each() as (m, row):
        for source, to in ((of.h0, own), (of.c0, cell)):
            def copy(j: Any, mask: Any, source: Any = source, to: Any = to) -> None:
                emit.store(emit.load(place(emit, source, (row, of.units), j), mask), place(emit, to, (m, padded), j), mask)
            each_vector(emit, of.units, copy)
        if begun is not None:
            begun.write(m, emitter.ir.Constant(I8, 0))

    with emit.loop(zero, of.steps) as step:
        t = build.select(build.icmp_signed("!=", of.backwards, zero), build.sub(build.sub(of.steps, one), step), step)
        h, new = (build.load(slot, typ=POINTER) for slot in (before, after))
        if taken is not None and begun is not None:
            with slab.each() as (m, row):
                here = build.load(place(emit, of.mask, (row, of.steps), t, kind=I8), typ=I8)
                taken.write(m, here)
                begun.write(m, build.or_(here, build.zext(begun.read(m), I8)))

        def units(j: Any, mask: Any) -> None:
            for pair in range(2):
                panel = place(emit, of.scratch, (j, 4, of.units), (of.units, pair * 2 * lanes))
                to = place(emit, sums, pair * 2 * lanes)
                call_product(emit, slab.rows, to, emit.integer(4 * lanes), h, padded, panel, of.units)
            with slab.each() as (m, row):
                if taken is None:
                    gates(j, mask, m, row)
                else:
                    with build.if_else(taken.read(m)) as (yes, no):
                        with yes:
                            gates(j, mask, m, row)
                        with no:
                            hold(j, mask, m, row)

        def gates(j: Any, mask: Any, m: Any, row: Any) -> None:
            """One step of some units of a row."""
            at = build.add(build.mul(row, of.steps), step)
            inputs = place(emit, of.z, (build.add(build.mul(row, of.steps), t), width), j)
            z = []
            for gate in range(4):
                own = emit.load(place(emit, sums, (m, 4 * lanes), gate * lanes))
                given = emit.load(place(emit, inputs, (gate, of.units)), mask)
                z.append(Vector(emit, build.fadd(given, own)))
            i, f, g, o = sigmoid(z[0]), sigmoid(z[1]), tanh(z[2]), sigmoid(z[3])
            c = Vector(emit, emit.load(place(emit, cell, (m, padded), j), mask))
            c = f * c + i * g
            y = o * tanh(c)
            for gate, value in enumerate((i, f, g, o)):
                emit.store(value.value, place(emit, of.gates, (at, width), (gate, of.units), j), mask)
            for value, to in ((c, of.cells), (y, of.y)):
                emit.store(value.value, place(emit, to, (at, of.units), j), mask)
            for value, to in ((c, cell), (y, new)):
                emit.store(value.value, place(emit, to, (m, padded), j), mask)

        def hold(j: Any, mask: Any, m: Any, row: Any) -> None:
            """A step that is not taken."""
            at = build.add(build.mul(row, of.steps), step)
            for gate in range(4):
                emit.store(emit.floats(0.0), place(emit, of.gates, (at, width), (gate, of.units), j), mask)
            held = emit.load(place(emit, h, (m, padded), j), mask)
            emit.store(held, place(emit, new, (m, padded), j), mask)
            c = emit.load(place(emit, cell, (m, padded), j), mask)
            emit.store(c, place(emit, of.cells, (at, of.units), j), mask)
            assert begun is not None
            held = build.select(begun.read(m), held, emit.floats(0.0))
            emit.store(held, place(emit, of.y, (at, of.units), j), mask)

        each_vector(emit, of.units, units)
        build.store(new, before)
        build.store(h, after)

    h = build.load(before, typ=POINTER)
    with slab.each() as (m, row):
        for source, to in ((h, of.last_h), (cell, of.last_c)):
            def copy(j: Any, mask: Any, source: Any = source, to: Any = to) -> None:
                emit.store(emit.load(place(emit, source, (m, padded), j), mask), place(emit, to, (row, of.units), j), mask)
            each_vector(emit, of.units, copy)
    emit.finish()


@functools.cache
def _code(target: Any, masked: bool) -> int:
    names = (*FORWARD, "mask") if masked else FORWARD
    (address,) = compiled(module(names), ("kernel",))
    return address


def module(names: tuple[str, ...]) -> Any:
    """The code."""
    made = emitter.new_module("lstm")
    for height in heights():
        emit_product(made, height, add=False)
    _emit_pack(made, names)
    _emit_forward(made, names)
    batch, units = len(names) + 1, len(names) + 3
    lanes = emitter.host().lanes
    emit_kernel(made, [
        ("pack", lambda emit, block: emit.build.sdiv(emit.build.add(emit.field(block, units), emit.integer(lanes - 1)), emit.integer(lanes))),
        ("forward", tasks(batch)),
    ])
    return made


def launch(batch: int, steps: int, units: int, masked: bool = False, backwards: bool = False) -> Launch:
    lanes = emitter.host().lanes
    padded = -(-units // lanes) * lanes
    high = heights()[0]
    scratch = 4 * (4 * padded * units + -(-batch // high) * 3 * high * padded)
    return Launch(_code(emitter.host(), masked), len(FORWARD) + masked, (batch, steps, units, int(backwards)), scratch)
