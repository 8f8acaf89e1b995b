"""Gated recurrent units over whole sequences of float32, forward and the gradient, with the reset before the product.

As `gru`, but r multiplies h before the product for n: a step has two, of h for z and r, then of r · h for n, and so has
its gradient. The columns for n are packed two vectors at a time.
"""

from __future__ import annotations

from typing import Any

from .emitter import F32, I64, POINTER, Emitter
from .expressions import Vector, sigmoid, tanh
from .launches import Launch
from .recurrent import Block, Slab, each_vector, place, rounded_up
from .sequence import Sequence

# The operands, outputs first; a mask, if there is one, comes last.
FORWARD = ("y", "last_h", "gates", "z", "h0", "weights", "bias")
GRADIENT = ("dz", "dh0", "dbias", "before", "gated", "gy", "gh", "y", "gates", "z", "h0", "weights", "bias")


def _emit_pack(module: Any, operands: tuple[str, ...]) -> None:
    """pack(block, number): the panels of two vectors' units, two of z and r, a vector of each, and one of n."""
    emit = Emitter(module, "pack", [POINTER, I64])
    build, lanes = emit.build, emit.lanes
    of = Block(emit, emit.args[0], operands)
    start = build.mul(emit.args[1], emit.integer(2 * lanes))
    panels = place(emit, of.scratch, (start, 3, of.units))
    with emit.loop(emit.integer(0), of.units) as k:
        for half in range(2):
            first = build.add(start, emit.integer(half * lanes))
            mask = emit.tail(build.sub(of.units, first))
            for gate, (panel, at) in enumerate(((half, 0), (half, lanes), (2, half * lanes))):
                value = emit.load(place(emit, of.weights, (k, 3, of.units), (gate, of.units), first), mask)
                emit.store(value, place(emit, panels, (panel, 2 * lanes, of.units), (k, 2 * lanes), at))
    emit.finish()


def _emit_forward(module: Any, operands: tuple[str, ...]) -> None:
    """task(block, number): all steps of a slab of rows."""
    emit = Emitter(module, "task", [POINTER, I64])
    build, lanes = emit.build, emit.lanes
    of = Block(emit, emit.args[0], operands)
    slab = Slab(emit, emit.args[1], of, 2, "mask" in operands)
    padded, width = rounded_up(emit, of.units, 2 * lanes), build.mul(of.units, emit.integer(3))
    size = build.mul(padded, emit.integer(slab.height))
    h = place(emit, of.scratch, (padded, width), (emit.args[1], 3, size))
    gated, inner = place(emit, h, size), place(emit, h, (2, size))
    ahead = slab.to_the_next(width)
    sums = emit.array(F32, slab.height * 2 * lanes)
    slab.copy(((of.h0, None), (h, padded)))

    with emit.loop(emit.integer(0), of.steps) as step:
        t = slab.place_of(step)

        def gate(row: Any, which: int, j: Any, mask: Any) -> tuple[Vector, Any]:
            """The inputs' share of a gate, and where its value goes."""
            given = place(emit, of.z, (row, of.steps, width), (t, width), (which, of.units), j)
            emit.prefetch(emit.at(given, ahead))
            bias = emit.load(place(emit, of.bias, (which, of.units), j), mask)
            to = place(emit, of.gates, (row, of.steps, width), (step, width), (which, of.units), j)
            return Vector(emit, build.fadd(emit.load(given, mask), bias)), to

        def open_gates(j: Any, mask: Any) -> None:
            """z and r of some units."""
            pair = build.and_(j, emit.integer(-2 * lanes))
            panel = place(emit, of.scratch, (pair, width), (build.sub(j, pair), 2, of.units))
            slab.product(sums, emit.integer(2 * lanes), h, padded, panel, of.units)
            with slab.each() as (m, row):
                for which in range(2):
                    given, to = gate(row, which, j, mask)
                    opened = sigmoid(given + Vector(emit, emit.load(place(emit, sums, (m, 2 * lanes), which * lanes))))
                    emit.store(opened.value, to, mask)
                held = emit.load(place(emit, h, (m, padded), j), mask)
                emit.store(build.fmul(opened.value, held), place(emit, gated, (m, padded), j), mask)

        def finish(j: Any, mask: Any) -> None:
            """n of some units, and h."""
            with slab.each() as (m, row):
                given, n_to = gate(row, 2, j, mask)
                z_to, r_to = (place(emit, n_to, (of.units, -k)) for k in (2, 1))
                y_to = place(emit, of.y, (row, of.steps, of.units), (step, of.units), j)
                here = place(emit, h, (m, padded), j)
                held = emit.load(here, mask)

                def take() -> None:
                    z = Vector(emit, emit.load(z_to, mask))
                    n = tanh(given + Vector(emit, emit.load(place(emit, inner, (m, padded), j))))
                    y = z * Vector(emit, held) + (1.0 - z) * n
                    for value, to in ((n, n_to), (y, y_to), (y, here)):
                        emit.store(value.value, to, mask)

                def hold() -> None:
                    for to in (z_to, r_to, n_to):
                        emit.store(emit.floats(0.0), to, mask)
                    emit.store(build.select(slab.begun(m, step), held, emit.floats(0.0)), y_to, mask)

                slab.either(row, t, take, hold)

        each_vector(emit, of.units, open_gates)
        with emit.loop(emit.integer(0), of.units, 2 * lanes) as first:
            panel = place(emit, of.scratch, (first, width), (4 * lanes, of.units))
            slab.product(emit.at(inner, first), padded, gated, padded, panel, of.units)
        each_vector(emit, of.units, finish)

    slab.copy(((h, padded), (of.last_h, None)))
    emit.finish()


def _emit_gradient(module: Any, operands: tuple[str, ...]) -> None:
    """task(block, number): all steps of a slab of rows, from the last to the first."""
    emit = Emitter(module, "task", [POINTER, I64])
    build = emit.build
    of = Block(emit, emit.args[0], operands)
    slab = Slab(emit, emit.args[1], of, 2, "mask" in operands)
    padded, width = rounded_up(emit, of.units, 2 * emit.lanes), build.mul(of.units, emit.integer(3))
    dh, dgated, dbias = (_KERNELS.own(emit, of, emit.args[1], part) for part in range(3))
    slab.copy(((of.gh, None), (dh, padded)))
    each_vector(emit, width, lambda j, mask: emit.store(emit.floats(0.0), emit.at(dbias, j), mask))

    with slab.each_step_back() as step:
        t, earlier = slab.place_of(step), build.sub(step, emit.integer(1))

        def rows(write: Any) -> None:
            """Calls `write` for some units of each row, with loads, and stores of dz that are summed."""
            with slab.each() as (m, row):
                start = build.mul(row, of.steps)

                def units(j: Any, mask: Any) -> None:
                    def load(pointer: Any) -> Vector:
                        return Vector(emit, emit.load(pointer, mask))

                    def store(value: Vector, gate: int, summed: bool = True) -> None:
                        to = place(emit, of.dz, (build.add(start, t), width), (gate, of.units), j)
                        emit.store(value.value, to, mask)
                        if summed:
                            total = place(emit, dbias, (gate, of.units), j)
                            emit.store((load(total) + value).value, total, mask)

                    gates = [
                        place(emit, of.gates, (build.add(start, step), width), (gate, of.units), j) for gate in range(3)
                    ]
                    write(m, row, j, mask, load, store, gates)

                each_vector(emit, of.units, units)

        def first(m: Any, row: Any, j: Any, mask: Any, load: Any, store: Any, gates: list[Any]) -> None:
            """dz of z and n, and what begins the other sums."""
            at, at_earlier, at_inputs = (build.add(build.mul(row, of.steps), k) for k in (step, earlier, t))
            initial = build.or_(build.icmp_signed("<", earlier, emit.integer(0)), build.not_(slab.begun(m, earlier)))
            h_before = build.select(
                initial, place(emit, of.h0, (row, of.units)), place(emit, of.y, (at_earlier, of.units))
            )
            before = load(emit.at(h_before, j))
            emit.store(before.value, place(emit, of.before, (at_inputs, of.units), j), mask)
            gy = emit.load(place(emit, of.gy, (at, of.units), j), mask)
            dh_here, dgated_here = (place(emit, x, (m, padded), j) for x in (dh, dgated))
            d = load(dh_here) + Vector(emit, build.select(slab.begun(m, step), gy, emit.floats(0.0)))
            z, r, n = map(load, gates)
            emit.store((r * before).value, place(emit, of.gated, (at_inputs, of.units), j), mask)
            emit.store(emit.floats(0.0), dgated_here, mask)
            for kept in gates:
                emit.prefetch(place(emit, kept, (width, -1)))

            def take() -> None:
                store(d * (before - n) * z * (1.0 - z), 0)
                store(d * (1.0 - z) * (1.0 - n * n), 2)
                emit.store((d * z).value, dh_here, mask)

            def hold() -> None:
                for gate in range(3):
                    store(Vector(emit, emit.floats(0.0)), gate, summed=False)
                emit.store(d.value, dh_here, mask)

            slab.either(row, t, take, hold)

        def second(m: Any, row: Any, j: Any, mask: Any, load: Any, store: Any, gates: list[Any]) -> None:
            """dz of r, and what comes to h by r · h."""

            def take() -> None:
                r, of_gated = load(gates[1]), load(place(emit, dgated, (m, padded), j))
                here = place(emit, of.before, (build.add(build.mul(row, of.steps), t), of.units), j)
                store(of_gated * load(here) * r * (1.0 - r), 1)
                dh_here = place(emit, dh, (m, padded), j)
                emit.store((load(dh_here) + of_gated * r).value, dh_here, mask)

            slab.either(row, t, take, lambda: None)

        def product(to: Any, gate: int, gates: int) -> None:
            """Adds what comes through the weights of some gates."""
            here = place(emit, of.dz, (slab.number, of.steps, width), (t, width), (gate, of.units))
            with emit.loop(emit.integer(0), padded, 2 * emit.lanes) as start:
                panel = place(emit, of.scratch, (start, width), (gate, of.units, 2 * emit.lanes))
                depth = build.mul(of.units, emit.integer(gates))
                slab.product(emit.at(to, start), padded, here, build.mul(of.steps, width), panel, depth)

        rows(first)
        product(dgated, 2, 1)
        rows(second)
        product(dh, 0, 2)

    slab.copy(((dh, padded), (of.dh0, None)))
    emit.finish()


# A slab keeps h, r · h and the sums for n; for the gradient dh and that for r · h, and sums dbias.
_KERNELS = Sequence(
    "gru_reset_before", FORWARD, GRADIENT, gates=3, vectors=2, packed=2, kept=(3, 2), summed=3,
    emit_pack=_emit_pack,
    emit_forward=_emit_forward, emit_gradient=_emit_gradient,
)  # fmt: skip


def module(gradient: bool, masked: bool) -> Any:
    """The code of one of the two, for sequences with a mask or without."""
    return _KERNELS.module(gradient, masked)


def launch(gradient: bool, batch: int, steps: int, units: int, masked: bool, backwards: bool) -> Launch:
    """The kernel of all steps, or of their gradient.

    As for `gru`, with gates z, r, n [batch, steps, 3 · units] and a bias [3 · units]; in the place of dinner, which is
    dz here, the gradient gives gated, r times the h that each step began with, where z has that step, 0 if not taken.
    """
    return _KERNELS.launch(module, gradient, batch, steps, units, masked, backwards)
