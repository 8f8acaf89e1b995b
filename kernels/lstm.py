"""A long short-term memory over whole sequences of float32: forward, and the gradient.

The inputs come projected, z [batch, steps, 4 · units], the gates i, f, g, o side by side. What is left of a step is the
product of h and the recurrent weights, whose columns are packed so that two tiles hold all gates of a vector's units,
and the gates. The gradient goes back from the last step: dz, then dz times the weights transposed.
"""

from __future__ import annotations

import functools
from typing import Any

from . import recurrent
from .emitter import F32, I64, POINTER, Emitter
from .expressions import Vector, sigmoid, tanh
from .launches import Launch
from .recurrent import Block, Slab, each_vector, place, rounded_up
from .sequence import Sequence

# The operands, outputs first; a mask, if there is one, comes last.
FORWARD = ("y", "last_h", "last_c", "gates", "cells", "z", "h0", "c0", "weights", "bias")
GRADIENT = (
    "dz", "dh0", "dc0", "dbias", "before",
    "gy", "gh", "gc", "y", "gates", "cells", "z", "h0", "c0", "weights", "bias",
)  # fmt: skip


def _emit_forward(module: Any, operands: tuple[str, ...]) -> None:
    """task(block, number): all steps of a slab of rows."""
    emit = Emitter(module, "task", [POINTER, I64])
    build, lanes = emit.build, emit.lanes
    of = Block(emit, emit.args[0], operands)
    slab = Slab(emit, emit.args[1], of, 2, "mask" in operands)
    padded, width = rounded_up(emit, of.units, lanes), build.mul(of.units, emit.integer(4))
    size = build.mul(padded, emit.integer(slab.height))
    own = place(emit, of.scratch, (padded, width), (emit.args[1], 3, size))  # h before and after a step, and c
    cell = place(emit, own, (2, size))
    ahead = slab.to_the_next(width)
    sums = emit.array(F32, slab.height * 4 * lanes)
    slab.copy(((of.h0, None), (own, padded)), ((of.c0, None), (cell, padded)))

    with emit.loop(emit.integer(0), of.steps) as step:
        t = slab.place_of(step)
        turn = build.and_(step, emit.integer(1))
        h = place(emit, own, (turn, size))
        new = place(emit, own, (build.sub(emit.integer(1), turn), size))

        def units(j: Any, mask: Any) -> None:
            for pair in range(2):
                panel = place(emit, of.scratch, (j, width), (pair, 2 * lanes, of.units))
                to = place(emit, sums, pair * 2 * lanes)
                slab.product(to, emit.integer(4 * lanes), h, padded, panel, of.units)
            with slab.each() as (m, row):
                at = build.add(build.mul(row, of.steps), step)
                inputs = place(emit, of.z, (row, of.steps, width), (t, width), j)
                gates_to = [place(emit, of.gates, (at, width), (gate, of.units), j) for gate in range(4)]
                cells_to, y_to = (place(emit, to, (at, of.units), j) for to in (of.cells, of.y))
                before, cell_here, after = (place(emit, to, (m, padded), j) for to in (h, cell, new))

                def take() -> None:
                    z = []
                    for gate in range(4):
                        given, bias = place(emit, inputs, (gate, of.units)), place(emit, of.bias, (gate, of.units), j)
                        projected = build.fadd(emit.load(given, mask), emit.load(bias, mask))
                        inner = emit.load(place(emit, sums, (m, 4 * lanes), gate * lanes))
                        z.append(Vector(emit, build.fadd(projected, inner)))
                        emit.prefetch(emit.at(given, ahead))
                    i, f, g, o = sigmoid(z[0]), sigmoid(z[1]), tanh(z[2]), sigmoid(z[3])
                    c = f * Vector(emit, emit.load(cell_here, mask)) + i * g
                    y = o * tanh(c)
                    for value, to in zip((i, f, g, o), gates_to, strict=True):
                        emit.store(value.value, to, mask)
                    for value, to in ((c, cells_to), (c, cell_here), (y, y_to), (y, after)):
                        emit.store(value.value, to, mask)

                def hold() -> None:
                    for to in gates_to:
                        emit.store(emit.floats(0.0), to, mask)
                    emit.store(emit.load(cell_here, mask), cells_to, mask)
                    held = emit.load(before, mask)
                    emit.store(held, after, mask)
                    emit.store(build.select(slab.begun(m, step), held, emit.floats(0.0)), y_to, mask)

                slab.either(row, t, take, hold)

        each_vector(emit, of.units, units)

    last = place(emit, own, (build.and_(of.steps, emit.integer(1)), size))
    slab.copy(((last, padded), (of.last_h, None)), ((cell, padded), (of.last_c, None)))
    emit.finish()


def _emit_gradient(module: Any, operands: tuple[str, ...]) -> None:
    """task(block, number): all steps of a slab of rows, from the last to the first."""
    emit = Emitter(module, "task", [POINTER, I64])
    build = emit.build
    of = Block(emit, emit.args[0], operands)
    slab = Slab(emit, emit.args[1], of, 2, "mask" in operands)
    padded, width = rounded_up(emit, of.units, 2 * emit.lanes), build.mul(of.units, emit.integer(4))
    dh, dc, dbias = (_KERNELS.own(emit, of, emit.args[1], part) for part in range(3))
    slab.copy(((of.gh, None), (dh, padded)), ((of.gc, None), (dc, padded)))
    each_vector(emit, width, lambda j, mask: emit.store(emit.floats(0.0), emit.at(dbias, j), mask))

    with slab.each_step_back() as step:
        t, earlier = slab.place_of(step), build.sub(step, emit.integer(1))
        with slab.each() as (m, row):
            start = build.mul(row, of.steps)
            at, at_inputs, at_earlier = (build.add(start, k) for k in (step, t, earlier))
            first = build.icmp_signed("<", earlier, emit.integer(0))
            initial = build.or_(first, build.not_(slab.begun(m, earlier)))
            h_before, c_before = (
                build.select(where, place(emit, given, (row, of.units)), place(emit, kept, (at_earlier, of.units)))
                for where, given, kept in ((initial, of.h0, of.y), (first, of.c0, of.cells))
            )

            def units(j: Any, mask: Any) -> None:
                def load(pointer: Any) -> Vector:
                    return Vector(emit, emit.load(pointer, mask))

                dz_to = [place(emit, of.dz, (at_inputs, width), (gate, of.units), j) for gate in range(4)]
                dh_here, dc_here = (place(emit, x, (m, padded), j) for x in (dh, dc))
                before = load(emit.at(h_before, j))
                emit.store(before.value, place(emit, of.before, (at_inputs, of.units), j), mask)
                gy = emit.load(place(emit, of.gy, (at, of.units), j), mask)
                d = load(dh_here) + Vector(emit, build.select(slab.begun(m, step), gy, emit.floats(0.0)))

                def take() -> None:
                    gates = [place(emit, of.gates, (at, width), (gate, of.units), j) for gate in range(4)]
                    cells = place(emit, of.cells, (at, of.units), j)
                    for gate in gates:
                        emit.prefetch(place(emit, gate, (width, -1)))
                    for kept in (of.gy, of.cells, of.y):
                        emit.prefetch(place(emit, kept, (at_earlier, of.units), j))
                    i, f, g, o = map(load, gates)
                    active = tanh(load(cells))
                    e = load(dc_here) + d * o * (1.0 - active * active)
                    dz = (
                        e * g * i * (1.0 - i),
                        e * load(emit.at(c_before, j)) * f * (1.0 - f),
                        e * i * (1.0 - g * g),
                        d * active * o * (1.0 - o),
                    )
                    for gate, (value, to) in enumerate(zip(dz, dz_to, strict=True)):
                        emit.store(value.value, to, mask)
                        total = place(emit, dbias, (gate, of.units), j)
                        emit.store((load(total) + value).value, total, mask)
                    emit.store((e * f).value, dc_here, mask)
                    emit.store(emit.floats(0.0), dh_here, mask)

                def hold() -> None:
                    for to in dz_to:
                        emit.store(emit.floats(0.0), to, mask)
                    emit.store(d.value, dh_here, mask)

                slab.either(row, t, take, hold)

            each_vector(emit, of.units, units)
        here = place(emit, of.dz, (slab.number, of.steps, width), (t, width))
        with emit.loop(emit.integer(0), padded, 2 * emit.lanes) as first:
            panel = place(emit, of.scratch, (first, width))
            slab.product(emit.at(dh, first), padded, here, build.mul(of.steps, width), panel, width)

    slab.copy(((dh, padded), (of.dh0, None)), ((dc, padded), (of.dc0, None)))
    emit.finish()


# A slab keeps h before and after a step, and c; for the gradient dh and dc, and sums dbias.
_KERNELS = Sequence(
    "lstm", FORWARD, GRADIENT, gates=4, vectors=2, packed=1, kept=(3, 2), summed=4,
    emit_pack=functools.partial(recurrent.emit_pack, groups=((0, 1), (2, 3))),
    emit_forward=_emit_forward, emit_gradient=_emit_gradient,
)  # fmt: skip


def module(gradient: bool, masked: bool) -> Any:
    """The code of one of the two, for sequences with a mask or without."""
    return _KERNELS.module(gradient, masked)


def launch(gradient: bool, batch: int, steps: int, units: int, masked: bool, backwards: bool) -> Launch:
    """The kernel of all steps, or of their gradient.

    Forward it takes y [batch, steps, units], last_h, last_c [batch, units], gates [batch, steps, 4 · units], cells
    [batch, steps, units]; z [batch, steps, 4 · units], h0, c0 [batch, units], weights [units, 4 · units], bias
    [4 · units] and, if masked, bool mask [batch, steps].

    For the gradient it takes dz, dh0, dc0, dbias and before, the h that each step began with, where z has that step;
    the gradients of y, last_h, last_c; y, gates, cells; and all that the forward one took, of which it reads no z.
    """
    return _KERNELS.launch(module, gradient, batch, steps, units, masked, backwards)
