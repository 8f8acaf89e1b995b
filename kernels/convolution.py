"""float32 convolutions of images [batch, height, width, channels], and their gradients by the image.

The kernel is packed first, into panels of as many filters as a tile has columns; then each task computes a band of
rows of one image, which `bands` has made ready. The gradient by the image is a convolution of the output's gradient,
in as many phases as there are strides, with the taps in reverse.
"""

from __future__ import annotations

import functools
import math
from typing import Any

from . import convolution_plan as plan
from . import emitter, gemm
from .bands import Band, band_task, divided, maximum, phase_at
from .cache import emitted
from .emitter import F32, I64, POINTER, VOID, Emitter
from .launches import Launch, lowest
from .microkernel import Operand, emit_tile, heights
from .pool import RUN

Sizes = tuple[int, ...]
Value = Any
NEAR = 1 << 18  # bytes


def _emit_pack_task(module: Any, vectors: int) -> None:
    """One panel of one phase: for each tap and each channel, the weights of as many filters as a tile has columns."""
    emit = Emitter(module, "pack_task", [POINTER, I64])
    build, (block, number), lanes = emit.build, emit.args, emit.lanes
    width = lanes * vectors
    q, panel = divided(emit, number, emit.field(block, plan.PANELS))
    phase = phase_at(emit, block, q)
    group, part = divided(emit, panel, emit.field(block, plan.PANELS_IN_GROUP))
    n = build.mul(part, emit.integer(width))
    valid = build.sub(emit.field(block, plan.FILTERS), n)
    step, k_stride = emit.field(block, plan.W_N), emit.field(block, plan.W_K)
    start = build.add(
        build.add(emit.field(phase, plan.W_START), build.mul(group, emit.field(block, plan.W_GROUP))),
        build.mul(n, step),
    )
    source = emit.at(emit.field(block, plan.KERNEL, POINTER), start)
    to = emit.variable(POINTER, _panel(emit, block, phase, panel))
    masks = [emit.bits(build.sub(valid, emit.integer(v * lanes))) for v in range(vectors)]
    order = emitter.ir.Constant(emitter.ir.VectorType(I64, lanes), [emit.integer(lane) for lane in range(lanes)])
    places = build.mul(order, emit.broadcast(step))
    depth = emit.field(block, plan.DEPTH)

    def rows(tap: Value, load: Any) -> None:
        with emit.loop(emit.integer(0), depth) as k:
            here, there = emit.at(tap, build.mul(k, k_stride)), build.load(to, typ=POINTER)
            for v in range(vectors):
                emit.store(load(here, v), emit.at(there, emit.integer(v * lanes)))
            build.store(emit.at(there, emit.integer(width)), to)

    def gather(here: Value, v: int) -> Value:
        first = emit.at(here, build.mul(step, emit.integer(v * lanes)))
        pointers = build.gep(first, [places], source_etype=F32)
        pointers.type = emitter.ir.VectorType(POINTER, lanes)  # as the text of it says already
        return emit.call(
            f"llvm.masked.gather.v{lanes}f32.v{lanes}p0", emit.vector, pointers, masks[v], emit.floats(0.0)
        )

    with emit.loop(emit.integer(0), emit.field(phase, plan.TAPS_DOWN)) as down:
        with emit.loop(emit.integer(0), emit.field(phase, plan.TAPS_ALONG)) as along:
            place = build.add(
                build.mul(down, emit.field(phase, plan.W_DOWN)), build.mul(along, emit.field(phase, plan.W_ALONG))
            )
            tap = emit.at(source, place)
            with build.if_else(build.icmp_signed("==", step, emit.integer(1))) as (adjacent, apart):
                with adjacent:
                    rows(tap, lambda here, v: emit.load(emit.at(here, emit.integer(v * lanes)), masks[v]))
                with apart:
                    rows(tap, gather)
    emit.finish()


def _panel(emit: Emitter, block: Value, phase: Value, panel: Value) -> Value:
    place = emit.build.add(
        emit.field(phase, plan.PANEL_START), emit.build.mul(panel, emit.field(phase, plan.PANEL_SIZE))
    )
    return emit.at(emit.field(block, plan.SCRATCH, POINTER), place)


def _emit_micro(module: Any, height: int, vectors: int) -> None:
    """micro(y, x, panel, bias, rows, columns, down, block, phase): one tile of the result, of so many rows of taps."""
    arguments = [POINTER, POINTER, POINTER, POINTER, I64, I64, I64, POINTER, POINTER]
    emit = Emitter(module, f"micro_{height}", arguments, internal=True)
    build, lanes = emit.build, emit.lanes
    y, x, panel, bias, rows, columns, down, block, phase = emit.args
    along, depth = (emit.field(phase, index) for index in (plan.LOOP_ALONG, plan.LOOP_DEPTH))
    width = emit.integer(lanes * vectors)
    middle = build.mul(depth, width)
    a = Operand(x, emit.field(phase, plan.A_DOWN), emit.field(phase, plan.A_ALONG), emit.integer(1))
    b = Operand(panel, build.mul(along, middle), middle, width)
    masks = [emit.bits(build.sub(columns, emit.integer(n * lanes))) for n in range(vectors)]
    pixel, last = emit.field(phase, plan.OUT_PIXEL), build.sub(rows, emit.integer(1))
    # A row below the last one is written in the last one's place, which then comes itself.
    places = [emit.at(y, build.mul(pixel, emit.minimum(emit.integer(m), last))) for m in range(height)]
    for place in places:  # on its way while the sums are made
        for n in range(vectors):
            emit.prefetch(emit.at(place, emit.integer(n * lanes)), write=True)
    biased = build.icmp_signed("!=", build.ptrtoint(bias, I64), emit.integer(0))
    bias = build.select(biased, bias, panel)  # a load that nothing may touch takes long if there is no such memory
    none = emitter.ir.Constant(masks[0].type, [emitter.ir.Constant(emitter.I1, 0)] * lanes)
    added = [
        emit.load(emit.at(bias, emit.integer(n * lanes)), build.select(biased, masks[n], none)) for n in range(vectors)
    ]
    lowest = emit.broadcast(build.load(emit.at(block, emit.integer(plan.LOWEST), I64), typ=F32))

    def write(m: int, n: int, sums: Value) -> None:
        value = build.select(build.fcmp_unordered(">", sums, lowest), sums, lowest)
        emit.store(value, emit.at(places[m], emit.integer(n * lanes)), masks[n])

    emit_tile(emit, height, vectors, (down, along, depth), a, b, emit.field(phase, plan.A_PIXEL), write, added)
    emit.finish()


def _emit_task(module: Any, vectors: int) -> None:
    """A band of the result in one phase of one image."""
    with band_task(module) as (emit, band):
        _emit_tiles(emit, band, vectors)


def _emit_tiles(emit: Emitter, band: Band, vectors: int) -> None:
    build, zero, module = emit.build, emit.integer(0), emit.module
    block, phase, rows, source = band.block, band.phase, band.rows, band.source
    flat = build.icmp_signed("!=", emit.field(phase, plan.FLAT), zero)
    columns = emit.field(phase, plan.COLUMNS)
    count = build.select(flat, build.mul(rows, columns), columns)
    short = build.icmp_signed("<", rows, emit.field(block, plan.BAND))
    tiles = [
        build.select(short, emit.field(phase, plan.LAST_TILES + i), emit.field(phase, plan.TILES + i))
        for i in range(len(heights(emit.lanes)))
    ]
    lines = build.select(flat, emit.integer(1), rows)
    out_row, out_pixel = emit.field(phase, plan.OUT_ROW), emit.field(phase, plan.OUT_PIXEL)
    filters, bias = emit.field(block, plan.FILTERS), emit.field(block, plan.BIAS, POINTER)
    unbiased = build.icmp_signed("==", build.ptrtoint(bias, I64), zero)
    wide = emit.integer(emit.lanes * vectors)
    a_row, a_pixel, a_down = (emit.field(phase, index) for index in (plan.A_ROW, plan.A_PIXEL, plan.A_DOWN))
    taps_size = build.mul(build.mul(emit.field(phase, plan.LOOP_ALONG), emit.field(phase, plan.LOOP_DEPTH)), wide)
    in_group, near = emit.field(block, plan.PANELS_IN_GROUP), emit.field(block, plan.NEAR)

    def line_of(line: Value, group: Value, first_part: Value, last_part: Value) -> None:
        """A line of tiles, for some panels that stay in a cache meanwhile."""
        skipped, down = _taps_inside(emit, block, phase, build.add(band.first, line), flat)
        of_group = build.add(build.mul(line, a_row), build.mul(group, emit.field(phase, plan.A_GROUP)))
        of_group = build.add(of_group, build.mul(skipped, a_down))
        skipped_weights = build.mul(skipped, taps_size)
        first_channel, first_panel = build.mul(group, filters), build.mul(group, in_group)
        line_y, line_x = emit.at(band.result, build.mul(line, out_row)), emit.at(source, of_group)
        done = emit.variable(I64, zero)
        for tall, number_of in zip(heights(emit.lanes), tiles, strict=True):
            with emit.loop(zero, number_of):
                size = emit.integer(tall)
                x = maximum(emit, emit.minimum(build.load(done, typ=I64), build.sub(count, size)), zero)
                build.store(build.add(x, size), done)
                to, here = emit.at(line_y, build.mul(x, out_pixel)), emit.at(line_x, build.mul(x, a_pixel))
                inside = emit.minimum(build.sub(count, x), size)
                with emit.loop(first_part, last_part) as part:
                    n = build.mul(part, wide)
                    valid = emit.minimum(build.sub(filters, n), wide)
                    channel = build.add(first_channel, n)
                    weights = emit.at(_panel(emit, block, phase, build.add(first_panel, part)), skipped_weights)
                    added = build.select(unbiased, bias, emit.at(bias, channel))
                    micro = module.globals[f"micro_{tall}"]
                    build.call(micro, [emit.at(to, channel), here, weights, added, inside, valid, down, block, phase])

    with emit.loop(zero, emit.field(block, plan.GROUPS)) as group, emit.loop(zero, in_group, near) as first_part:
        last_part = emit.minimum(build.add(first_part, near), in_group)
        with emit.loop(zero, lines) as line:
            line_of(line, group, first_part, last_part)


def _taps_inside(emit: Emitter, block: Value, phase: Value, row: Value, flat: Value) -> tuple[Value, Value]:
    """For a row of the output, the rows of taps above the image, and how many are inside; all, if rows are flat."""
    build, zero = emit.build, emit.integer(0)
    gap, taps = emit.field(phase, plan.GAP_ROW), emit.field(phase, plan.LOOP_DOWN)
    place = build.add(emit.field(phase, plan.ORIGIN_ROW), build.mul(row, emit.field(phase, plan.STEP_ROW)))
    more = build.sub(gap, emit.integer(1))
    above = build.sdiv(build.add(maximum(emit, build.sub(zero, place), zero), more), gap)
    below = build.sdiv(build.add(maximum(emit, build.sub(emit.field(block, plan.HEIGHT), place), zero), more), gap)
    skipped = emit.minimum(above, taps)
    inside = maximum(emit, build.sub(emit.minimum(below, taps), skipped), zero)
    return build.select(flat, zero, skipped), build.select(flat, taps, inside)


def emit_entry(module: Any, operands: tuple[int, ...], stages: Any) -> None:
    """Emits kernel_<n>(pool, block) for n operands: puts their addresses where the tasks look for them, and runs these.

    Args:
      module: where to.
      operands: the words for the operands' addresses.
      stages: task functions, each with what emits the number of its tasks, given the emitter and the words.
    """
    emit = Emitter(module, f"kernel_{len(operands)}", [POINTER, POINTER], aliases=True)
    build, (state, block) = emit.build, emit.args
    words = emit.at(block, emit.integer(len(operands) + 1), I64)
    for index, place in enumerate((*operands, plan.SCRATCH)):
        build.store(emit.field(block, index), emit.at(words, emit.integer(place), I64))
    for task, count in stages:
        address = build.ptrtoint(module.globals[task], I64)
        emit.call_address(emit.field(state, RUN), VOID, state, address, words, count(emit, words))
    emit.finish()


def product(*fields: int) -> Any:
    """What emits the product of some words."""
    return lambda emit, words: functools.reduce(emit.build.mul, (emit.field(words, index) for index in fields))


def module(vectors: int) -> Any:
    """The code for tiles of so many vectors a row."""
    made = emitter.new_module("convolution")
    for height in heights(emitter.host().lanes):
        _emit_micro(made, height, vectors)
    _emit_pack_task(made, vectors)
    _emit_task(made, vectors)
    stages = ("pack_task", product(plan.PHASES, plan.PANELS)), ("task", product(plan.PHASES, plan.IMAGES, plan.BANDS))
    for operands in ((plan.Y, plan.X, plan.KERNEL), (plan.Y, plan.X, plan.KERNEL, plan.BIAS)):
        emit_entry(made, operands, stages)
    return made


@functools.cache
def _code(vectors: int) -> tuple[int, int]:
    """The addresses of the entries, without bias and with."""
    plain, biased = emitted(module, (vectors,), ("kernel_3", "kernel_4"))
    return plain, biased


def launch(
    kind: str,
    images: Sizes,
    kernel: Sizes,
    strides: Sizes,
    pads: tuple[Sizes, Sizes],
    dilation: Sizes,
    groups: int = 1,
    bias: bool = False,
    relu: bool = False,
) -> Launch | None:
    """The kernel for images [batch, height, width, channels] and weights [height, width, channels / groups, filters].

    Args:
      kind: "forward" (output; images, weights, bias if there is one) or "gradient": of the images (it; the output's
        gradient, weights, bias).
      images: their shape.
      kernel: the weights' shape.
      strides: the steps of the window down and along.
      pads: the rows of zeros before and after, then the columns.
      dilation: the distances of the pixels that a window sees.
      groups: of channels, each with filters of its own.
      bias: whether there is one, for each channel of the result, to which it is added.
      relu: whether what is negative in the result becomes 0.
    """
    batch, *space, channels = images
    filters = kernel[-1]
    options = list(zip(space, kernel[:2], strides, pads, dilation, strict=True))
    counts = [plan.forward_axis(*option)[0].count for option in options]
    forward = kind == "forward"
    if min(batch, *space, *counts, *kernel) < 1:
        return None
    if forward:
        seen, result, into, out_of = space, counts, channels, filters
    else:
        seen, result, into, out_of = counts, space, filters, channels
    if groups == 1 and set((*kernel[:2], *strides)) == {1} and not any(map(any, pads)):  # a product of pixels
        across = (filters, 1) if forward else (1, filters)
        return gemm.launch(batch * math.prod(space), out_of, into, (into, 1), across, bias=bias, relu=relu)
    lanes = emitter.host().lanes
    vectors = 1 if out_of // groups <= lanes else 2
    problem = plan.Problem(
        batch, tuple(seen), tuple(result), into, out_of, groups, kernel, lanes * vectors, heights(lanes), lanes
    )
    downs, alongs = ((plan.forward_axis if forward else plan.backward_axis)(*option) for option in options)
    found = plan.plan(problem, downs, alongs)
    if found is None:
        return None
    common, phases, panels = found
    layout = (filters, 1, out_of // groups) if forward else (1, filters, into // groups)
    words = (0, 0, 0, 0, 0, *common, *layout, lowest(relu), _near(phases), *phases)
    return Launch(_code(vectors)[bias], 4 if bias else 3, words, 4 * panels)


def _near(phases: list[int]) -> int:
    """The panels that tiles pass through while all of them stay in the second cache."""
    largest = max(phases[plan.PANEL_SIZE :: plan.PHASE_WORDS])
    return max(1, NEAR // (4 * max(largest, 1)))
