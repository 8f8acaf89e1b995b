"""float32 convolutions of images [batch, height, width, channels], and their gradients by the image.

Windows are never written out: the micro-kernel walks over an image's rows, where the pixels of a window lie side by
side. A task takes some rows of one image; what lies outside of it is 0 in a copy on the task's stack. The kernel is
packed first, into panels of as many filters as a tile has columns.

The gradient by the image is a convolution too: each pixel sums gradients times the taps that saw it. With strides,
pixels that lie a stride apart are seen by the same taps; each of these phases is a convolution of its own (Dumoulin &
Visin 2016, chapter 4).
"""

from __future__ import annotations

import functools
import itertools
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import emitter
from .cache import compiled
from .emitter import F32, I64, POINTER, VOID, Emitter
from .launches import Launch
from .microkernel import Operand, clear, copy, cover, divided, emit_tile, heights, local
from .pool import RUN

Sizes = tuple[int, ...]
Value = Any

# Words of the block behind the operands; the entry puts the first five there.
Y, X, KERNEL, BIAS, SCRATCH = range(5)
(
    IMAGES, HEIGHT, WIDTH, CHANNELS, DEPTH, OUT_IMAGE, OUT_CHANNELS, FILTERS, PANELS, PANELS_IN_GROUP, LOWEST,
    BAND, BANDS, COPIES, PHASES, K_STRIDE, N_STRIDE, W_GROUP,
) = range(5, 23)  # fmt: skip
FIRST_PHASE = 23
# Words of each phase.
(
    OUT_START, OUT_ROW, OUT_PIXEL, ROWS, COLUMNS, ORIGIN_ROW, ORIGIN_COLUMN, STEP_ROW, STEP_COLUMN, GAP_ROW, GAP_COLUMN,
    TAPS_DOWN, TAPS_ALONG, LOOP_ALONG, LOOP_DEPTH, W_START, W_DOWN, W_ALONG, PANEL_START, PANEL_SIZE, LOCAL_COLUMNS,
    TILES,
) = range(22)  # fmt: skip
PHASE_WORDS = TILES + 4
LOCAL = 1 << 17  # bytes that a task's copy of its rows takes if one row does not need more
MOST_LOCAL = 1 << 20
WORK = 4e6  # operations in a task


@dataclass(frozen=True)
class Axis:
    """A convolution along one axis: output i sums image[origin + i·step + t·gap] · kernel[first + t·stride] over t."""

    out_start: int
    out_step: int
    count: int
    origin: int
    step: int
    gap: int
    taps: int
    first: int
    stride: int


def forward_axis(size: int, window: int, stride: int, pads: tuple[int, int], gap: int) -> list[Axis]:
    """The convolution itself."""
    count = max((size + sum(pads) - (window - 1) * gap - 1) // stride + 1, 0)
    return [Axis(0, 1, count, -pads[0], stride, gap, window, 0, 1)]


def backward_axis(size: int, window: int, stride: int, pads: tuple[int, int], gap: int) -> list[Axis]:
    """Its gradient by the image, phase by phase; `image` is then the output's gradient, from tap last to first."""
    phases = []
    common = math.gcd(gap, stride)
    for phase in range(min(stride, size)):
        seen = [t for t in range(window) if (phase + pads[0] - t * gap) % stride == 0]
        last = seen[-1] if seen else 0
        origin = (phase + pads[0] - last * gap) // stride
        count = -(-(size - phase) // stride)
        phases.append(Axis(phase, stride, count, origin, 1, gap // common, len(seen), last, -(stride // common)))
    return phases


def _emit_pack_task(module: Any, vectors: int) -> None:
    """One panel of one phase: for each tap and each channel, the weights of as many filters as a tile has columns."""
    emit = Emitter(module, "pack_task", [POINTER, I64])
    build, (block, number), lanes = emit.build, emit.args, emit.lanes
    width = lanes * vectors
    q, panel = divided(emit, number, emit.field(block, PANELS))
    phase = _phase(emit, block, q)
    group, part = divided(emit, panel, emit.field(block, PANELS_IN_GROUP))
    n = build.mul(part, emit.integer(width))
    valid = build.sub(emit.field(block, FILTERS), n)
    step, k_stride = emit.field(block, N_STRIDE), emit.field(block, K_STRIDE)
    start = build.add(
        build.add(emit.field(phase, W_START), build.mul(group, emit.field(block, W_GROUP))), build.mul(n, step)
    )
    source = emit.at(emit.field(block, KERNEL, POINTER), start)
    to = emit.variable(POINTER, _panel(emit, block, phase, panel))
    masks = [emit.tail(build.sub(valid, emit.integer(v * lanes))) for v in range(vectors)]
    order = emitter.ir.Constant(emitter.ir.VectorType(I64, lanes), [emit.integer(lane) for lane in range(lanes)])
    places = build.mul(order, emit.broadcast(step))
    depth = emit.field(block, DEPTH)

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

    with emit.loop(emit.integer(0), emit.field(phase, TAPS_DOWN)) as down:
        with emit.loop(emit.integer(0), emit.field(phase, TAPS_ALONG)) as along:
            place = build.add(
                build.mul(down, emit.field(phase, W_DOWN)), build.mul(along, emit.field(phase, W_ALONG))
            )
            tap = emit.at(source, place)
            with build.if_else(build.icmp_signed("==", step, emit.integer(1))) as (adjacent, apart):
                with adjacent:
                    rows(tap, lambda here, v: emit.load(emit.at(here, emit.integer(v * lanes)), masks[v]))
                with apart:
                    rows(tap, gather)
    emit.finish()


def _phase(emit: Emitter, block: Value, q: Value) -> Value:
    place = emit.build.add(emit.build.mul(q, emit.integer(PHASE_WORDS)), emit.integer(FIRST_PHASE))
    return emit.at(block, place, I64)


def _panel(emit: Emitter, block: Value, phase: Value, panel: Value) -> Value:
    place = emit.build.add(emit.field(phase, PANEL_START), emit.build.mul(panel, emit.field(phase, PANEL_SIZE)))
    return emit.at(emit.field(block, SCRATCH, POINTER), place)


def _emit_micro(module: Any, height: int, vectors: int) -> None:
    """micro(y, x, panel, bias, rows, columns, row, block, phase): one tile of the result; `row` is a row of x."""
    arguments = [POINTER, POINTER, POINTER, POINTER, I64, I64, I64, POINTER, POINTER]
    emit = Emitter(module, f"micro_{height}", arguments, internal=True)
    build, lanes = emit.build, emit.lanes
    y, x, panel, bias, rows, columns, row, block, phase = emit.args
    channels, depth = emit.field(block, CHANNELS), emit.field(phase, LOOP_DEPTH)
    along = emit.field(phase, LOOP_ALONG)
    width = emit.integer(lanes * vectors)
    a = Operand(
        x,
        build.mul(emit.field(phase, GAP_ROW), row),
        build.mul(emit.field(phase, GAP_COLUMN), channels),
        emit.integer(1),
    )
    middle = build.mul(depth, width)
    b = Operand(panel, build.mul(along, middle), middle, width)
    step = build.mul(emit.field(phase, STEP_COLUMN), channels)
    masks = [emit.tail(build.sub(columns, emit.integer(n * lanes))) for n in range(vectors)]
    biased = build.icmp_signed("!=", build.ptrtoint(bias, I64), emit.integer(0))
    none = emitter.ir.Constant(masks[0].type, [emitter.ir.Constant(emitter.I1, 0)] * lanes)
    lowest = emit.broadcast(build.load(emit.at(block, emit.integer(LOWEST), I64), typ=F32))
    pixel, last = emit.field(phase, OUT_PIXEL), build.sub(rows, emit.integer(1))
    added = [
        emit.load(emit.at(bias, emit.integer(n * lanes)), build.select(biased, masks[n], none))
        for n in range(vectors)
    ]

    def write(m: int, n: int, sums: Value) -> None:
        # A row below the last one is written in the last one's place, which then comes itself.
        there = emit.at(y, build.mul(pixel, emit.minimum(emit.integer(m), last)))
        value = build.fadd(sums, added[n])
        value = build.select(build.fcmp_ordered("<", value, lowest), lowest, value)
        emit.store(value, emit.at(there, emit.integer(n * lanes)), masks[n])

    sizes = emit.field(phase, TAPS_DOWN), along, depth
    emit_tile(emit, height, vectors, sizes, a, b, step, write)
    emit.finish()


def _emit_task(module: Any, vectors: int) -> None:
    """Some rows of the result in one phase of one image."""
    emit = Emitter(module, "task", [POINTER, I64])
    build, (block, number) = emit.build, emit.args
    zero, one = emit.integer(0), emit.integer(1)
    bands, images, channels = (emit.field(block, index) for index in (BANDS, IMAGES, CHANNELS))
    rest, band = divided(emit, number, bands)
    q, image = divided(emit, rest, images)
    phase = _phase(emit, block, q)
    first = build.mul(band, emit.field(block, BAND))
    rows = emit.minimum(build.sub(emit.field(phase, ROWS), first), emit.field(block, BAND))
    end = build.append_basic_block("done")
    some = build.append_basic_block("some")
    build.cbranch(build.icmp_signed(">", rows, zero), some, end)
    build.position_at_end(some)

    height, width = emit.field(block, HEIGHT), emit.field(block, WIDTH)
    pixels = build.mul(width, channels)
    picture = emit.at(emit.field(block, X, POINTER), build.mul(image, build.mul(height, pixels)))
    step = emit.field(phase, STEP_ROW)
    top = build.add(emit.field(phase, ORIGIN_ROW), build.mul(first, step))
    left = emit.field(phase, ORIGIN_COLUMN)
    source = emit.variable(POINTER, emit.at(picture, build.add(build.mul(top, pixels), build.mul(left, channels))))
    row = emit.variable(I64, pixels)
    with build.if_then(build.icmp_signed("!=", emit.field(block, COPIES), zero)):
        columns = emit.field(phase, LOCAL_COLUMNS)
        size = build.mul(columns, channels)
        reach = build.mul(build.sub(emit.field(phase, TAPS_DOWN), one), emit.field(phase, GAP_ROW))
        seen = build.add(build.add(build.mul(build.sub(rows, one), step), reach), one)
        memory = local(emit, build.mul(size, _maximum(emit, seen, one)))
        before = emit.minimum(_maximum(emit, build.sub(zero, left), zero), columns)
        begin = _maximum(emit, left, zero)
        inside = _maximum(emit, emit.minimum(build.sub(columns, before), build.sub(width, begin)), zero)
        after = build.sub(build.sub(columns, before), inside)
        with emit.loop(zero, seen) as r:
            there = emit.at(memory, build.mul(r, size))
            place = build.add(top, r)
            out = build.or_(build.icmp_signed("<", place, zero), build.icmp_signed(">=", place, height))
            with build.if_else(out) as (outside, within):
                with outside:
                    clear(emit, there, size)
                with within:
                    clear(emit, there, build.mul(before, channels))
                    there = emit.at(there, build.mul(before, channels))
                    here = build.add(build.mul(place, pixels), build.mul(begin, channels))
                    copy(emit, there, emit.at(picture, here), build.mul(inside, channels))
                    clear(emit, emit.at(there, build.mul(inside, channels)), build.mul(after, channels))
        build.store(memory, source)
        build.store(size, row)

    row = build.load(row, typ=I64)
    source = build.load(source, typ=POINTER)
    out_row, out_pixel = emit.field(phase, OUT_ROW), emit.field(phase, OUT_PIXEL)
    start = build.add(emit.field(phase, OUT_START), build.mul(image, emit.field(block, OUT_IMAGE)))
    target = emit.at(emit.field(block, Y, POINTER), build.add(start, build.mul(first, out_row)))
    filters, bias = emit.field(block, FILTERS), emit.field(block, BIAS, POINTER)
    unbiased = build.icmp_signed("==", build.ptrtoint(bias, I64), zero)
    wide = emit.integer(emit.lanes * vectors)
    stride = build.mul(emit.field(phase, STEP_COLUMN), channels)
    with emit.loop(zero, emit.field(block, PANELS)) as panel:
        group, part = divided(emit, panel, emit.field(block, PANELS_IN_GROUP))
        n = build.mul(part, wide)
        weights = _panel(emit, block, phase, panel)
        columns = emit.minimum(build.sub(filters, n), wide)
        channel = build.add(build.mul(group, filters), n)
        added = build.select(unbiased, bias, emit.at(bias, channel))
        of_group = emit.at(source, build.mul(group, emit.field(block, DEPTH)))
        with emit.loop(zero, rows) as r:
            to = emit.at(target, build.add(build.mul(r, out_row), channel))
            here = emit.at(of_group, build.mul(build.mul(r, step), row))
            done = emit.variable(I64, zero)
            for i, tall in enumerate(heights(emit.lanes)):
                with emit.loop(zero, emit.field(phase, TILES + i)):
                    size = emit.integer(tall)
                    count = emit.field(phase, COLUMNS)
                    x = _maximum(emit, emit.minimum(build.load(done, typ=I64), build.sub(count, size)), zero)
                    build.store(build.add(x, size), done)
                    build.call(
                        module.globals[f"micro_{tall}"],
                        [
                            emit.at(to, build.mul(x, out_pixel)),
                            emit.at(here, build.mul(x, stride)),
                            weights,
                            added,
                            emit.minimum(build.sub(count, x), size),
                            columns,
                            row,
                            block,
                            phase,
                        ],
                    )
    build.branch(end)
    build.position_at_end(end)
    emit.finish()


def _maximum(emit: Emitter, a: Value, b: Value) -> Value:
    return emit.build.select(emit.build.icmp_signed(">", a, b), a, b)


def _emit_kernel(module: Any, operands: int) -> None:
    """The entry for 3 operands, or 4 with the bias: puts their addresses where the tasks expect them, and runs these."""
    emit = Emitter(module, f"kernel_{operands}", [POINTER, POINTER], aliases=True)
    build, (state, block) = emit.build, emit.args
    words = emit.at(block, emit.integer(operands + 1), I64)
    places = (Y, X, KERNEL, BIAS)[:operands] + (SCRATCH,)
    for index, place in enumerate(places):
        build.store(emit.field(block, index), emit.at(words, emit.integer(place), I64))
    phases = emit.field(words, PHASES)
    tasks = build.mul(build.mul(phases, emit.field(words, IMAGES)), emit.field(words, BANDS))
    for task, count in (("pack_task", build.mul(phases, emit.field(words, PANELS))), ("task", tasks)):
        address = build.ptrtoint(module.globals[task], I64)
        emit.call_address(emit.field(state, RUN), VOID, state, address, words, count)
    emit.finish()


def module(vectors: int) -> Any:
    """The code for tiles of so many vectors a row."""
    made = emitter.new_module("convolution")
    for height in heights(emitter.host().lanes):
        _emit_micro(made, height, vectors)
    _emit_pack_task(made, vectors)
    _emit_task(made, vectors)
    for operands in (3, 4):
        _emit_kernel(made, operands)
    return made


@functools.cache
def code(vectors: int) -> dict[int, int]:
    """The addresses of the entries, by the number of operands."""
    return dict(zip((3, 4), compiled(module(vectors), ("kernel_3", "kernel_4")), strict=True))


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
    """The kernel for images [batch, height, width, channels] and a kernel [height, width, channels / groups, filters].

    Args:
      kind: "forward" (output; images, kernel, bias if there is one) or "gradient": of the images (their gradient; the
        output's gradient, kernel).
      images: their shape.
      kernel: its shape.
      strides: the steps of the window down and along.
      pads: the rows of zeros before and after, then the columns.
      dilation: the distance of the pixels that a window sees.
      groups: of channels, each with filters of its own.
      bias: whether there is one, added to the output.
      relu: whether negative outputs become 0.
    """
    batch, *space, channels = images
    filters = kernel[-1]
    forward = kind == "forward"
    axes = [
        (forward_axis if forward else backward_axis)(*of_axis)
        for of_axis in zip(space, kernel[:2], strides, pads, dilation, strict=True)
    ]
    counts = [forward_axis(*of)[0].count for of in zip(space, kernel[:2], strides, pads, dilation, strict=True)]
    if forward:
        seen, result, into, out_of = space, counts, channels, filters
    else:
        seen, result, into, out_of = counts, space, filters, channels
    if 0 in (batch, *seen, *result, into, out_of):
        return None
    lanes = emitter.host().lanes
    depth, wide = into // groups, out_of // groups
    vectors = 1 if wide <= lanes else 2
    in_group = -(-wide // (lanes * vectors))
    panels = groups * in_group
    phases: list[list[int]] = []
    panel_start, copies = 0, False
    band = _band(axes[0], axes[1], into, 2.0 * out_of * depth)
    most_rows = max(axis.count for axis in axes[0])
    for down, along in itertools.product(*axes):
        merged = groups == 1 and along.gap == 1
        tiles, covered = cover(along.count, heights(lanes))
        beyond = max(covered - along.count, 0) if sum(tiles) == 1 else 0
        local_columns = (along.count - 1 + beyond) * along.step + max(along.taps - 1, 0) * along.gap + 1
        copies |= _reaches_out(down, seen[0]) or _reaches_out(along, seen[1]) or beyond > 0
        panel_size = down.taps * along.taps * depth * lanes * vectors
        w_rows = kernel[1] * kernel[2] * filters, kernel[2] * filters
        phases.append(
            [
                (down.out_start * result[1] + along.out_start) * out_of,
                down.out_step * result[1] * out_of, along.out_step * out_of, down.count, along.count,
                down.origin, along.origin, down.step, along.step, down.gap, along.gap,
                down.taps, along.taps, *((min(along.taps, 1), along.taps * depth) if merged else (along.taps, depth)),
                down.first * w_rows[0] + along.first * w_rows[1], down.stride * w_rows[0], along.stride * w_rows[1],
                panel_start, panel_size, local_columns, *tiles,
            ]
        )  # fmt: skip
        panel_start += panels * panel_size
        needed = local_columns * into * ((band - 1) * down.step + max(down.taps - 1, 0) * down.gap + 1)
        if copies and 4 * needed > MOST_LOCAL:
            return None
    lowest = struct.unpack("<q", struct.pack("<fxxxx", 0.0 if relu else -math.inf))[0]
    words = [
        batch, *seen, into, depth, math.prod(result) * out_of, out_of, wide, panels, in_group, lowest,
        band, -(-most_rows // band), int(copies), len(phases),
        *((filters, 1, wide) if forward else (1, filters, depth)),
    ]  # fmt: skip
    operands = 4 if bias else 3
    return Launch(
        code(vectors)[operands],
        operands,
        (0, 0, 0, 0, 0, *words, *itertools.chain.from_iterable(phases)),
        4 * panel_start,
    )


def _reaches_out(axis: Axis, size: int) -> bool:
    return axis.origin < 0 or axis.origin + (axis.count - 1) * axis.step + (axis.taps - 1) * axis.gap >= size


def _band(downs: Sequence[Axis], alongs: Sequence[Axis], channels: int, work: float) -> int:
    """The rows of a task: as much work as pays, no larger a copy than stays near, and evenly cut."""
    rows = max(axis.count for axis in downs)
    columns = max(axis.count for axis in alongs)
    taps = max(axis.taps for axis in downs) * max(axis.taps for axis in alongs)
    band = min(rows, math.ceil(WORK / (work * columns * max(taps, 1))))
    step, reach = downs[0].step, max((axis.taps - 1) * axis.gap + 1 for axis in downs)
    row = 4 * channels * max(axis.count * axis.step + (axis.taps - 1) * axis.gap for axis in alongs)
    band = max(1, min(band, (LOCAL // row - reach) // step + 1))
    return -(-rows // -(-rows // band))
