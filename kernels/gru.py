"""Gated recurrent units over whole sequences of float32, forward and the gradient, with the reset after the product.

The inputs come projected, z [batch, steps, 3 · units], the gates z, r, n side by side. What is left of a step is the
product of h and the recurrent weights, whose columns are packed so that a tile holds all gates of a vector's units, and
the gates. The gradient goes back from the last step: that for the product, then that times the weights transposed.
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
FORWARD = ("y", "last_h", "gates", "z", "h0", "weights", "bias")
GRADIENT = ("dz", "dh0", "dbias", "before", "dinner", "gy", "gh", "y", "gates", "z", "h0", "weights", "bias")


def _emit_forward(module: Any, operands: tuple[str, ...]) -> None:
    """task(block, number): all steps of a slab of rows."""
    emit = Emitter(module, "task", [POINTER, I64])
    build, lanes = emit.build, emit.lanes
    of = Block(emit, emit.args[0], operands)
    slab = Slab(emit, emit.args[1], of, 3, "mask" in operands)
    padded, width = rounded_up(emit, of.units, lanes), build.mul(of.units, emit.integer(3))
    size = build.mul(padded, emit.integer(slab.height))
    own = place(emit, of.scratch, (padded, width), (emit.args[1], 2, size))  # h before and after a step
    ahead = slab.to_the_next(width)
    sums = emit.array(F32, slab.height * 3 * lanes)
    slab.copy(((of.h0, None), (own, padded)))

    with emit.loop(emit.integer(0), of.steps) as step:
        t = slab.place_of(step)
        turn = build.and_(step, emit.integer(1))
        h = place(emit, own, (turn, size))
        new = place(emit, own, (build.sub(emit.integer(1), turn), size))

        def units(j: Any, mask: Any) -> None:
            panel = place(emit, of.scratch, (j, width))
            slab.product(sums, emit.integer(3 * lanes), h, padded, panel, of.units)
            with slab.each() as (m, row):
                at = build.add(build.mul(row, of.steps), step)
                inputs = place(emit, of.z, (row, of.steps, width), (t, width), j)
                gates_to = [place(emit, of.gates, (at, 4, of.units), (gate, of.units), j) for gate in range(4)]
                y_to = place(emit, of.y, (at, of.units), j)
                before, after = (place(emit, to, (m, padded), j) for to in (h, new))

                def take() -> None:
                    given: list[Vector] = []
                    inner: list[Vector] = []
                    for gate in range(3):
                        here = place(emit, inputs, (gate, of.units))
                        emit.prefetch(emit.at(here, ahead))
                        product = emit.load(place(emit, sums, (m, 3 * lanes), gate * lanes))
                        for parts, value, which in ((given, emit.load(here, mask), 0), (inner, product, 3)):
                            bias = emit.load(place(emit, of.bias, (gate + which, of.units), j), mask)
                            parts.append(Vector(emit, build.fadd(value, bias)))
                    z, r = (sigmoid(given[gate] + inner[gate]) for gate in range(2))
                    n = tanh(given[2] + r * inner[2])
                    y = z * Vector(emit, emit.load(before, mask)) + (1.0 - z) * n
                    for value, to in zip((z, r, n, inner[2], y, y), (*gates_to, y_to, after), strict=True):
                        emit.store(value.value, to, mask)

                def hold() -> None:
                    for to in gates_to:
                        emit.store(emit.floats(0.0), to, mask)
                    held = emit.load(before, mask)
                    emit.store(held, after, mask)
                    emit.store(build.select(slab.begun(m, step), held, emit.floats(0.0)), y_to, mask)

                slab.either(row, t, take, hold)

        each_vector(emit, of.units, units)

    last = place(emit, own, (build.and_(of.steps, emit.integer(1)), size))
    slab.copy(((last, padded), (of.last_h, None)))
    emit.finish()


def _emit_gradient(module: Any, operands: tuple[str, ...]) -> None:
    """task(block, number): all steps of a slab of rows, from the last to the first."""
    emit = Emitter(module, "task", [POINTER, I64])
    build = emit.build
    of = Block(emit, emit.args[0], operands)
    slab = Slab(emit, emit.args[1], of, 2, "mask" in operands)
    padded, width = rounded_up(emit, of.units, 2 * emit.lanes), build.mul(of.units, emit.integer(3))
    dh, dbias = (_KERNELS.own(emit, of, emit.args[1], part) for part in range(2))
    slab.copy(((of.gh, None), (dh, padded)))
    both = build.mul(width, emit.integer(2))
    each_vector(emit, both, lambda j, mask: emit.store(emit.floats(0.0), emit.at(dbias, j), mask))

    with slab.each_step_back() as step:
        t, earlier = slab.place_of(step), build.sub(step, emit.integer(1))
        with slab.each() as (m, row):
            start = build.mul(row, of.steps)
            at, at_inputs, at_earlier = (build.add(start, k) for k in (step, t, earlier))
            initial = build.or_(build.icmp_signed("<", earlier, emit.integer(0)), build.not_(slab.begun(m, earlier)))
            h_before = build.select(
                initial, place(emit, of.h0, (row, of.units)), place(emit, of.y, (at_earlier, of.units))
            )

            def units(j: Any, mask: Any) -> None:
                def load(pointer: Any) -> Vector:
                    return Vector(emit, emit.load(pointer, mask))

                dz_to, dinner_to = (
                    [place(emit, to, (at_inputs, width), (gate, of.units), j) for gate in range(3)]
                    for to in (of.dz, of.dinner)
                )
                dh_here = place(emit, dh, (m, padded), j)
                before = load(emit.at(h_before, j))
                emit.store(before.value, place(emit, of.before, (at_inputs, of.units), j), mask)
                gy = emit.load(place(emit, of.gy, (at, of.units), j), mask)
                d = load(dh_here) + Vector(emit, build.select(slab.begun(m, step), gy, emit.floats(0.0)))

                def take() -> None:
                    gates = [place(emit, of.gates, (at, 4, of.units), (gate, of.units), j) for gate in range(4)]
                    for gate in gates:
                        emit.prefetch(place(emit, gate, (of.units, -4)))
                    for kept in (of.gy, of.y):
                        emit.prefetch(place(emit, kept, (at_earlier, of.units), j))
                    z, r, n, inner = map(load, gates)
                    dn = d * (1.0 - z) * (1.0 - n * n)
                    dz = d * (before - n) * z * (1.0 - z)
                    dr = dn * inner * r * (1.0 - r)
                    for k, (to, values) in enumerate(((dz_to, (dz, dr, dn)), (dinner_to, (dz, dr, dn * r)))):
                        for gate, value in enumerate(values):
                            emit.store(value.value, to[gate], mask)
                            total = place(emit, dbias, (k, width), (gate, of.units), j)
                            emit.store((load(total) + value).value, total, mask)
                    emit.store((d * z).value, dh_here, mask)

                def hold() -> None:
                    for to in (*dz_to, *dinner_to):
                        emit.store(emit.floats(0.0), to, mask)
                    emit.store(d.value, dh_here, mask)

                slab.either(row, t, take, hold)

            each_vector(emit, of.units, units)
        here = place(emit, of.dinner, (slab.number, of.steps, width), (t, width))
        with emit.loop(emit.integer(0), padded, 2 * emit.lanes) as first:
            panel = place(emit, of.scratch, (first, width))
            slab.product(emit.at(dh, first), padded, here, build.mul(of.steps, width), panel, width)

    slab.copy(((dh, padded), (of.dh0, None)))
    emit.finish()


# A slab keeps h before and after a step; for the gradient dh, and sums dbias, which has two rows.
_KERNELS = Sequence(
    "gru", FORWARD, GRADIENT, gates=3, vectors=3, packed=1, kept=(2, 1), summed=6,
    emit_pack=functools.partial(recurrent.emit_pack, groups=((0, 1, 2),)),
    emit_forward=_emit_forward, emit_gradient=_emit_gradient,
)  # fmt: skip


def module(gradient: bool, masked: bool) -> Any:
    """The code of one of the two, for sequences with a mask or without."""
    return _KERNELS.module(gradient, masked)


def launch(gradient: bool, batch: int, steps: int, units: int, masked: bool, backwards: bool) -> Launch:
    """The kernel of all steps, or of their gradient.

    Forward it takes y [batch, steps, units], last_h [batch, units], gates [batch, steps, 4 · units], which are z, r, n
    and what r multiplies; z [batch, steps, 3 · units], h0 [batch, units], weights [units, 3 · units], bias
    [2, 3 · units] and, if masked, bool mask [batch, steps].

    For the gradient it takes dz, dh0, dbias, before, the h that each step began with, and dinner, the gradient for its
    product with the weights, both where z has that step; the gradients of y, last_h; y, gates; and all that the forward
    one took, of which it reads no z and no bias.
    """
    return _KERNELS.launch(module, gradient, batch, steps, units, masked, backwards)
