"""The gradient of a float32 convolution by its kernel: sums over pixels of what a tap saw times the output's gradient.

A task has a slab of the images and some of the filters. Its sums stay near while the slab's bands pass; in the end the
slabs' sums are added in order. Slabs are cut by the sizes alone, so that the bits do not depend on the threads.
"""

from __future__ import annotations

import functools
import math
from typing import Any

from . import convolution_plan as plan
from . import emitter
from .bands import Band, band_item, divided, maximum
from .cache import emitted
from .convolution import emit_entry, product
from .emitter import F32, I64, POINTER, Emitter
from .launches import Launch
from .microkernel import Operand, emit_tile, heights

Sizes = tuple[int, ...]
Value = Any
MOST_SLABS = 16
PIXELS_IN_SLAB = 1024  # at least: each slab's sums are written and read once more
CHUNK = 4096  # floats that a task adds


def _emit_tile(module: Any, height: int, vectors: int) -> None:
    """tile_<height>(sums, x, g, skip, rows, columns, images, lines, pixels, distance, more, block, phase).

    Puts into rows `skip` to `rows` of a tile of the sums what images a `distance` apart give; adds it if `more`.
    """
    arguments = [POINTER, POINTER, POINTER, *[I64] * 8, POINTER, POINTER]
    emit = Emitter(module, f"tile_{height}", arguments, internal=True)
    build, lanes = emit.build, emit.lanes
    sums, x, g, skip, rows, columns, images, lines, pixels, distance, more, block, phase = emit.args
    filters = emit.field(block, plan.OUT_CHANNELS)
    a = Operand(x, distance, emit.field(phase, plan.A_ROW), emit.field(phase, plan.A_PIXEL))
    b = Operand(g, emit.field(block, plan.OUT_IMAGE), emit.field(phase, plan.OUT_ROW), filters)
    masks = [emit.bits(build.sub(columns, emit.integer(n * lanes))) for n in range(vectors)]
    before = [emit.bits(build.sub(build.mul(more, columns), emit.integer(n * lanes))) for n in range(vectors)]
    aside = emit.at(emit.variable(emitter.ir.ArrayType(F32, lanes * vectors)), emit.integer(0))  # for the other rows

    def write(m: int, n: int, value: Value) -> None:
        row = emit.integer(m)
        wanted = build.and_(build.icmp_signed("<=", skip, row), build.icmp_signed("<", row, rows))
        there = emit.at(build.select(wanted, emit.at(sums, build.mul(filters, row)), aside), emit.integer(n * lanes))
        emit.store(build.fadd(emit.load(there, before[n]), value), there, masks[n])

    def tile(masks: list[Value] | None) -> None:
        emit_tile(emit, height, vectors, (images, lines, pixels), a, b, emit.integer(1), write, masks=masks)

    if lanes == 16:
        tile(masks)
    else:  # AVX2 has no registers for masks
        with build.if_else(build.icmp_signed(">=", columns, emit.integer(lanes * vectors))) as (whole, part):
            with whole:
                tile(None)
            with part:
                tile(masks)
    emit.finish()


def _emit_item(module: Any, vectors: int) -> None:
    """What a band gives, or some whole images, for some panels."""
    with band_item(module) as (emit, band, arguments):
        _emit_sums(emit, band, vectors, *arguments)


def _emit_sums(emit: Emitter, band: Band, vectors: int, sums: Any, begin: Any, end: Any, more: Any) -> None:
    build, zero, module, block, phase = emit.build, emit.integer(0), emit.module, band.block, band.phase
    flat = build.icmp_signed("!=", emit.field(phase, plan.FLAT), zero)
    columns = emit.field(phase, plan.COLUMNS)
    pixels = build.select(flat, build.mul(band.rows, columns), columns)
    lines = build.select(flat, emit.integer(1), band.rows)
    filters, wide = emit.field(block, plan.FILTERS), emit.integer(emit.lanes * vectors)
    depth, along = emit.field(phase, plan.LOOP_DEPTH), emit.field(phase, plan.LOOP_ALONG)
    row = emit.field(block, plan.OUT_CHANNELS)
    with emit.loop(begin, end) as panel:
        group, part = divided(emit, panel, emit.field(block, plan.PANELS_IN_GROUP))
        n = build.mul(part, wide)
        channel = build.add(build.mul(group, filters), n)
        g, to = emit.at(band.result, channel), emit.at(sums, channel)
        of_group = emit.at(band.source, build.mul(group, emit.field(phase, plan.A_GROUP)))
        with emit.loop(zero, emit.field(phase, plan.LOOP_DOWN)) as down, emit.loop(zero, along) as tap:
            shift = build.add(
                build.mul(down, emit.field(phase, plan.A_DOWN)), build.mul(tap, emit.field(phase, plan.A_ALONG))
            )
            of_tap = emit.at(of_group, shift)
            to_tap = emit.at(to, build.mul(build.mul(build.add(build.mul(down, along), tap), depth), row))
            done = emit.variable(I64, zero)
            for i, tall in enumerate(heights(emit.lanes)):
                with emit.loop(zero, emit.field(phase, plan.TILES + i)):
                    size, m = emit.integer(tall), build.load(done, typ=I64)
                    start = maximum(emit, emit.minimum(m, build.sub(depth, size)), zero)
                    build.store(build.add(start, size), done)
                    there, here = emit.at(to_tap, build.mul(start, row)), emit.at(of_tap, start)
                    arguments = [there, here, g, build.sub(m, start), build.sub(depth, start), build.sub(filters, n)]
                    tile = module.globals[f"tile_{tall}"]
                    build.call(tile, [*arguments, band.images, lines, pixels, band.distance, more, block, phase])


def emit_slab_task(module: Any) -> None:
    """The sums of a slab, which is its number's share of the items, for a share of the panels."""
    emit = Emitter(module, "slab_task", [POINTER, I64])
    build, (block, number) = emit.build, emit.args
    slabs, splits, zero, one = (
        emit.field(block, plan.SLABS),
        emit.field(block, plan.SPLITS),
        emit.integer(0),
        emit.integer(1),
    )
    slab, split = divided(emit, number, splits)
    alone = build.icmp_signed("==", slabs, one)
    place = build.mul(slab, emit.field(block, plan.SLAB_SIZE))
    sums = build.select(
        alone, emit.field(block, plan.KERNEL, POINTER), emit.at(emit.field(block, plan.SCRATCH, POINTER), place)
    )
    together = emit.field(block, plan.ITEM_IMAGES)
    images = build.add(emit.field(block, plan.IMAGES), build.sub(together, one))
    items = build.mul(build.udiv(images, together), emit.field(block, plan.BANDS))

    def share(part: Value, whole: Value, parts: Value) -> list[Value]:
        return [build.udiv(build.mul(bound, whole), parts) for bound in (part, build.add(part, one))]

    panels = share(split, emit.field(block, plan.PANELS), splits)
    first, last = share(slab, items, slabs)
    with emit.loop(first, last) as item:
        more = build.select(build.icmp_signed("==", item, first), zero, one)
        build.call(module.globals["item"], [block, sums, item, *panels, more])
    emit.finish()


def emit_sum_task(module: Any) -> None:
    """A chunk of the slabs' sums, added in the order of the slabs."""
    emit = Emitter(module, "sum_task", [POINTER, I64])
    build, (block, number) = emit.build, emit.args
    size, slabs = emit.field(block, plan.SLAB_SIZE), emit.field(block, plan.SLABS)
    sums, to = emit.field(block, plan.SCRATCH, POINTER), emit.field(block, plan.KERNEL, POINTER)
    first = build.mul(number, emit.integer(CHUNK))
    last = emit.minimum(build.add(first, emit.integer(CHUNK)), size)
    with emit.loop(first, last, emit.lanes) as i:
        mask = emit.bits(build.sub(last, i))
        total = emit.variable(emit.vector, emit.load(emit.at(sums, i), mask))
        with emit.loop(emit.integer(1), slabs) as slab:
            value = emit.load(emit.at(sums, build.add(build.mul(slab, size), i)), mask)
            build.store(build.fadd(build.load(total, typ=emit.vector), value), total)
        emit.store(build.load(total, typ=emit.vector), emit.at(to, i), mask)
    emit.finish()


def chunks(emit: Emitter, words: Value) -> Value:
    """Emits the number of tasks that add the slabs' sums: none for one slab."""
    size = emit.field(words, plan.SLAB_SIZE)
    count = emit.build.udiv(emit.build.add(size, emit.integer(CHUNK - 1)), emit.integer(CHUNK))
    several = emit.build.icmp_signed(">", emit.field(words, plan.SLABS), emit.integer(1))
    return emit.build.select(several, count, emit.integer(0))


def module(vectors: int) -> Any:
    """The code for tiles of so many vectors a row."""
    made = emitter.new_module("kernel_gradient")
    for height in heights(emitter.host().lanes):
        _emit_tile(made, height, vectors)
    _emit_item(made, vectors)
    emit_slab_task(made)
    emit_sum_task(made)
    stages = ("slab_task", product(plan.SLABS, plan.SPLITS)), ("sum_task", chunks)
    emit_entry(made, (plan.KERNEL, plan.Y, plan.X), stages)
    return made


@functools.cache
def _code(vectors: int) -> int:
    """The address of the entry."""
    (address,) = emitted(module, (vectors,), ("kernel_3",))
    return address


def launch(
    images: Sizes, kernel: Sizes, strides: Sizes, pads: tuple[Sizes, Sizes], dilation: Sizes, groups: int = 1
) -> Launch | None:
    """The kernel for it; the output's gradient, images. See `convolution.launch` for the arguments."""
    batch, *space, channels = images
    filters = kernel[-1]
    axes = [plan.forward_axis(*option) for option in zip(space, kernel[:2], strides, pads, dilation, strict=True)]
    counts = tuple(axis[0].count for axis in axes)
    if min(batch, *space, *counts, *kernel) < 1:
        return None
    lanes = emitter.host().lanes
    vectors = 1 if filters // groups <= lanes else 2
    problem = plan.Problem(
        batch, tuple(space), counts, channels, filters, groups, kernel, lanes * vectors, heights(lanes), lanes
    )
    found = plan.plan(problem, axes[0], axes[1], of_kernel=True)
    if found is None:
        return None
    common, phases, _ = found
    of_slabs, size = slabs(problem, common, phases, axes), math.prod(kernel)
    words = (0, 0, 0, 0, 0, *common, *of_slabs, 0, *phases)
    return Launch(_code(vectors), 3, words, 4 * size * of_slabs[1])


def slabs(problem: plan.Problem, common: list[int], phases: list[int], axes: list[list[plan.Axis]]) -> Sizes:
    """The images of an item, the number of slabs, the floats of one, the shares of the panels.

    Small images are taken together, so that it pays to fetch a tile of the sums.
    """
    bands = common[plan.BANDS - plan.IMAGES]
    size = math.prod(problem.kernel)
    together = 1
    if bands == 1:
        pixels = math.prod(problem.result)
        rows = axes[0][0].seen(problem.result[0])
        local = 4 * problem.channels * max(phases[plan.LOCAL_COLUMNS] * rows, pixels)
        together = max(1, min(plan.PIXELS // pixels, plan.LOCAL // local, problem.batch // MOST_SLABS))
    items = -(-problem.batch // together) * bands
    if problem.alone:  # its sums are few, and a copy of the band costs as much as a share of the channels
        return together, min(items, MOST_SLABS), size, 1
    wanted = min(items, MOST_SLABS, problem.batch * math.prod(problem.result) // PIXELS_IN_SLAB)
    count = 1 << max(wanted, 1).bit_length() - 1
    return together, count, size, min(problem.groups * problem.panels, -(-MOST_SLABS // count))
