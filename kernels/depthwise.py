"""float32 convolutions of each channel by itself, and their gradients by the image and by the kernel.

There is nothing to multiply matrices of: vectors of channels are summed for some pixels at a time, or, for the kernel's
gradient, for some taps. Bands and phases are those of the other convolutions.
"""

from __future__ import annotations

import functools
import math
from typing import Any

from . import convolution_plan as plan
from . import emitter
from .bands import Band, band_item, band_task, maximum
from .cache import emitted
from .convolution import emit_entry, product
from .emitter import I64, POINTER, Emitter
from .kernel_gradient import chunks, emit_slab_task, emit_sum_task, slabs
from .launches import Launch

Sizes = tuple[int, ...]
Value = Any
PIXELS, TAPS = (6, 3), (3, 1)  # heights of tiles, forward and for the kernel's gradient


def _emit_pixels(module: Any, tall: int, vectors: int) -> None:
    """tile_<tall>(y, x, weights, rows, channels, phase): so many pixels, for vectors of channels."""
    emit = Emitter(module, f"tile_{tall}", [POINTER, POINTER, POINTER, I64, I64, POINTER], internal=True)
    build, lanes, zero = emit.build, emit.lanes, emit.integer(0)
    y, x, weights, rows, channels, phase = emit.args
    masks = [emit.bits(build.sub(channels, emit.integer(v * lanes))) for v in range(vectors)]
    pixel, out_pixel = emit.field(phase, plan.A_PIXEL), emit.field(phase, plan.OUT_PIXEL)
    sums = [[emit.variable(emit.vector, emit.floats(0.0)) for _ in range(vectors)] for _ in range(tall)]
    taps, step = emit.field(phase, plan.TAPS_ALONG), emit.field(phase, plan.A_ALONG)

    def load(pointer: Value) -> list[Value]:
        return [emit.load(emit.at(pointer, emit.integer(v * lanes)), masks[v]) for v in range(vectors)]

    def add(m: int, values: list[Value], weights: list[Value]) -> None:
        for total, value, weight in zip(sums[m], values, weights, strict=True):
            build.store(emit.fma(value, weight, build.load(total, typ=emit.vector)), total)

    def three(here: Value, of_row: Value) -> None:
        """Three taps beside each other: each pixel is loaded once."""
        ws = [load(emit.at(of_row, build.mul(emit.field(phase, plan.W_ALONG), emit.integer(t)))) for t in range(3)]
        for j in range(tall + 2):
            values = load(emit.at(here, build.mul(pixel, emit.integer(j))))
            for t in range(3):
                if 0 <= j - t < tall:
                    add(j - t, values, ws[t])

    def any_number(row: Value, of_row: Value) -> None:
        with emit.loop(zero, taps) as along:
            here = emit.at(row, build.mul(along, step))
            ws = load(emit.at(of_row, build.mul(along, emit.field(phase, plan.W_ALONG))))
            for m in range(tall):
                add(m, load(emit.at(here, build.mul(pixel, emit.integer(m)))), ws)

    def rows_of(emit_row: Any) -> None:
        with emit.loop(zero, emit.field(phase, plan.TAPS_DOWN)) as down:
            row = emit.at(x, build.mul(down, emit.field(phase, plan.A_DOWN)))
            emit_row(row, emit.at(weights, build.mul(down, emit.field(phase, plan.W_DOWN))))

    is_three = build.and_(build.icmp_signed("==", taps, emit.integer(3)), build.icmp_signed("==", step, pixel))
    with build.if_else(is_three) as (yes, no):
        with yes:
            rows_of(three)
        with no:
            rows_of(any_number)
    last = build.sub(rows, emit.integer(1))
    for m in reversed(range(tall)):  # a row below the last one is written in its place, before it
        there = emit.at(y, build.mul(out_pixel, emit.minimum(emit.integer(m), last)))
        for v in range(vectors):
            emit.store(build.load(sums[m][v], typ=emit.vector), emit.at(there, emit.integer(v * lanes)), masks[v])
    emit.finish()


def _emit_task(module: Any, vectors: int) -> None:
    """A band of the result in one phase of one image."""
    with band_task(module) as (emit, band):
        _emit_lines(emit, band, vectors)


def _emit_lines(emit: Emitter, band: Band, vectors: int) -> None:
    build, zero, module, block, phase = emit.build, emit.integer(0), emit.module, band.block, band.phase
    out_row, count = emit.field(phase, plan.OUT_ROW), emit.field(phase, plan.COLUMNS)
    weights = emit.at(emit.field(block, plan.KERNEL, POINTER), emit.field(phase, plan.W_START))
    channels = emit.field(block, plan.CHANNELS)
    with emit.loop(zero, band.rows) as line, emit.loop(zero, channels, emit.lanes * vectors) as channel:
        to = emit.at(band.result, build.add(build.mul(line, out_row), channel))
        here = emit.at(band.source, build.add(build.mul(line, emit.field(phase, plan.A_ROW)), channel))
        taps, left = emit.at(weights, channel), build.sub(channels, channel)
        done = emit.variable(I64, zero)
        for i, tall in enumerate(PIXELS):
            with emit.loop(zero, emit.field(phase, plan.TILES + i)):
                size = emit.integer(tall)
                x = maximum(emit, emit.minimum(build.load(done, typ=I64), build.sub(count, size)), zero)
                build.store(build.add(x, size), done)
                there = emit.at(to, build.mul(x, emit.field(phase, plan.OUT_PIXEL)))
                seen = emit.at(here, build.mul(x, emit.field(phase, plan.A_PIXEL)))
                inside = emit.minimum(build.sub(count, x), size)
                build.call(module.globals[f"tile_{tall}"], [there, seen, taps, inside, left, phase])


def _emit_taps(module: Any, tall: int, vectors: int) -> None:
    """taps_<tall>(sums, x, g, channels, images, lines, distance, more, block, phase): for so many taps along a row."""
    arguments = [POINTER, POINTER, POINTER, *[I64] * 5, POINTER, POINTER]
    emit = Emitter(module, f"taps_{tall}", arguments, internal=True)
    build, lanes, zero = emit.build, emit.lanes, emit.integer(0)
    to, x, g, left, images, lines, distance, more, block, phase = emit.args
    masks = [emit.bits(build.sub(left, emit.integer(v * lanes))) for v in range(vectors)]
    channels = emit.field(block, plan.CHANNELS)
    places = [
        emit.at(to, build.add(build.mul(channels, emit.integer(t)), emit.integer(v * lanes)))
        for t in range(tall)
        for v in range(vectors)
    ]
    before = [emit.bits(build.sub(build.mul(more, left), emit.integer(v * lanes))) for v in range(vectors)]
    sums = [emit.variable(emit.vector, emit.load(place, before[i % vectors])) for i, place in enumerate(places)]
    gap, pixel = emit.field(phase, plan.A_ALONG), emit.field(phase, plan.A_PIXEL)
    columns = emit.field(phase, plan.COLUMNS)

    def load(pointer: Value) -> list[Value]:
        return [emit.load(emit.at(pointer, emit.integer(v * lanes)), masks[v]) for v in range(vectors)]

    def add(t: int, values: list[Value], gs: list[Value]) -> None:
        for total, value, given in zip(sums[t * vectors :], values, gs, strict=False):
            build.store(emit.fma(value, given, build.load(total, typ=emit.vector)), total)

    def apart(row_x: Value, row_g: Value) -> None:
        with emit.loop(zero, columns) as k:
            seen, gs = emit.at(row_x, build.mul(k, pixel)), load(emit.at(row_g, build.mul(k, channels)))
            for t in range(tall):
                add(t, load(emit.at(seen, build.mul(gap, emit.integer(t)))), gs)

    def beside(row_x: Value, row_g: Value) -> None:
        """Taps that a pixel passes through one after the other: it is loaded once."""
        passing = [
            [emit.variable(emit.vector, value) for value in load(emit.at(row_x, build.mul(gap, emit.integer(t))))]
            for t in range(tall - 1)
        ]
        ahead = emit.at(row_x, build.mul(gap, emit.integer(tall - 1)))
        with emit.loop(zero, columns) as k:
            gs = load(emit.at(row_g, build.mul(k, channels)))
            seen = [[build.load(value, typ=emit.vector) for value in values] for values in passing]
            seen.append(load(emit.at(ahead, build.mul(k, pixel))))
            for t in range(tall):
                add(t, seen[t], gs)
            for values, places in zip(seen[1:], passing, strict=True):
                for value, place in zip(values, places, strict=True):
                    build.store(value, place)

    def rows_of(emit_row: Any) -> None:
        with emit.loop(zero, images) as image, emit.loop(zero, lines) as line:
            here = build.add(build.mul(image, distance), build.mul(line, emit.field(phase, plan.A_ROW)))
            there = build.add(
                build.mul(image, emit.field(block, plan.OUT_IMAGE)), build.mul(line, emit.field(phase, plan.OUT_ROW))
            )
            emit_row(emit.at(x, here), emit.at(g, there))

    if tall == 1:
        rows_of(apart)
    else:
        with build.if_else(build.icmp_signed("==", gap, pixel)) as (yes, no):
            with yes:
                rows_of(beside)
            with no:
                rows_of(apart)
    for i, place in enumerate(places):
        emit.store(build.load(sums[i], typ=emit.vector), place, masks[i % vectors])
    emit.finish()


def _emit_item(module: Any, vectors: int) -> None:
    """What a band gives, or some images, for some vectors of channels."""
    with band_item(module) as (emit, band, arguments):
        _emit_sums(emit, band, vectors, *arguments)


def _emit_sums(emit: Emitter, band: Band, vectors: int, sums: Any, begin: Any, end: Any, more: Any) -> None:
    build, zero, module, block, phase = emit.build, emit.integer(0), emit.module, band.block, band.phase
    channels, along = emit.field(block, plan.CHANNELS), emit.field(phase, plan.TAPS_ALONG)
    with emit.loop(begin, end) as panel:
        channel = build.mul(panel, emit.integer(emit.lanes * vectors))
        g, left = emit.at(band.result, channel), build.sub(channels, channel)
        with emit.loop(zero, emit.field(phase, plan.TAPS_DOWN)) as down:
            row = emit.at(band.source, build.add(build.mul(down, emit.field(phase, plan.A_DOWN)), channel))
            to = emit.at(sums, build.add(build.mul(build.mul(down, along), channels), channel))
            done = emit.variable(I64, zero)
            for i, tall in enumerate(TAPS):
                with emit.loop(zero, emit.field(phase, plan.TILES + i)):
                    tap = build.load(done, typ=I64)
                    build.store(build.add(tap, emit.integer(tall)), done)
                    here = emit.at(row, build.mul(tap, emit.field(phase, plan.A_ALONG)))
                    there = emit.at(to, build.mul(tap, channels))
                    taps = module.globals[f"taps_{tall}"]
                    build.call(taps, [there, here, g, left, band.images, band.rows, band.distance, more, block, phase])


def module(vectors: int) -> Any:
    """The code for a convolution and its gradient by the image."""
    made = emitter.new_module("depthwise")
    for tall in PIXELS:
        _emit_pixels(made, tall, vectors)
    _emit_task(made, vectors)
    tasks = "task", product(plan.PHASES, plan.IMAGES, plan.BANDS)
    emit_entry(made, (plan.Y, plan.X, plan.KERNEL), [tasks])
    return made


def module_for_kernel(vectors: int) -> Any:
    """The code for the gradient by the kernel."""
    made = emitter.new_module("depthwise_kernel")
    for tall in TAPS:
        _emit_taps(made, tall, vectors)
    _emit_item(made, vectors)
    emit_slab_task(made)
    emit_sum_task(made)
    emit_entry(
        made, (plan.KERNEL, plan.Y, plan.X), (("slab_task", product(plan.SLABS, plan.SPLITS)), ("sum_task", chunks))
    )
    return made


@functools.cache
def _code(vectors: int, of_kernel: bool) -> int:
    """The address of an entry."""
    (address,) = emitted(module_for_kernel if of_kernel else module, (vectors,), ("kernel_3",))
    return address


def launch(
    kind: str, images: Sizes, kernel: Sizes, strides: Sizes, pads: tuple[Sizes, Sizes], dilation: Sizes
) -> Launch | None:
    """The kernel for images [batch, height, width, channels] and weights [height, width, 1, channels].

    Args:
      kind: "forward" (output; images, weights), "gradient" of the images (it; the output's gradient, weights), or
        "kernel" for its gradient (it; the output's gradient, images).
      images: their shape.
      kernel: the weights' shape.
      strides: the steps of the window down and along.
      pads: the rows of zeros before and after, then the columns.
      dilation: the distances of the pixels that a window sees.
    """
    batch, *space, channels = images
    options = list(zip(space, kernel[:2], strides, pads, dilation, strict=True))
    counts = tuple(plan.forward_axis(*option)[0].count for option in options)
    if min(batch, *space, *counts, *kernel) < 1:
        return None
    seen, result = (counts, tuple(space)) if kind == "gradient" else (tuple(space), counts)
    lanes = emitter.host().lanes
    of_kernel = kind == "kernel"
    vectors = 1 if channels <= lanes or (lanes < 16 and not of_kernel) else 2  # as many as there are registers for
    known = TAPS if of_kernel else PIXELS
    problem = plan.Problem(batch, seen, result, channels, channels, 1, kernel, lanes * vectors, known, lanes, True)
    axes = [(plan.backward_axis if kind == "gradient" else plan.forward_axis)(*option) for option in options]
    found = plan.plan(problem, axes[0], axes[1], of_kernel=of_kernel)
    if found is None:
        return None
    common, phases, _ = found
    if of_kernel:
        of_slabs, size = slabs(problem, common, phases, axes), math.prod(kernel)
        words = (0, 0, 0, 0, 0, *common, *of_slabs, 0, *phases)
        return Launch(_code(vectors, True), 3, words, 4 * size * of_slabs[1])
    return Launch(_code(vectors, False), 3, (0, 0, 0, 0, 0, *common, 0, 0, 0, 0, 0, *phases))
