"""How a convolution is cut into tasks and tiles: the words of its block.

A task takes a band of rows of one image. Along a row, the pixels that a window sees lie side by side, so that tiles
of the micro-kernel walk over the image itself. What lies outside of the image is 0 in a copy of the band. Where the
rows' ends would leave tiles empty, or windows are so small that loops over them cost more than they do, the band is
spread: each output pixel gets what it sees of a row, or its whole window, side by side.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from .microkernel import cover

Sizes = tuple[int, ...]

# Words of the block behind the operands; the entry puts the first five there.
Y, X, KERNEL, BIAS, SCRATCH = range(5)
(
    IMAGES, HEIGHT, WIDTH, CHANNELS, DEPTH, GROUPS, OUT_IMAGE, OUT_CHANNELS, FILTERS, PANELS, PANELS_IN_GROUP, BAND,
    BANDS, PHASES, W_K, W_N, W_GROUP, LOWEST, NEAR,
) = range(5, 24)  # fmt: skip
ITEM_IMAGES, SLABS, SLAB_SIZE, SPLITS = W_K, W_N, W_GROUP, LOWEST  # for the kernel's gradient
FIRST_PHASE = 24
# Words of each phase: where its output is, what it sees, where its weights are, its copy, its loops.
(
    OUT_START, OUT_ROW, OUT_PIXEL, ROWS, COLUMNS, ORIGIN_ROW, ORIGIN_COLUMN, STEP_ROW, STEP_COLUMN, GAP_ROW, GAP_COLUMN,
    TAPS_DOWN, TAPS_ALONG, W_START, W_DOWN, W_ALONG, PANEL_START, PANEL_SIZE, LOCAL_COLUMNS,
    SPREADS, SPREAD_STEP, SPREAD_DOWN, SPREAD_ALONG, SPREAD_CHUNK,
    FLAT, LOOP_DOWN, LOOP_ALONG, LOOP_DEPTH, A_DOWN, A_ALONG, A_PIXEL, A_ROW, A_GROUP, TILES, TILES_2, TILES_3,
    LAST_TILES, LAST_TILES_2, LAST_TILES_3, PHASE_WORDS,
) = range(40)  # fmt: skip
WAYS = NEVER, ALONG, WHOLE = range(3)  # how a band is spread
SMALL = 128  # taps times channels up to which whole windows side by side may pay for the kernel's gradient
LOCAL = 3 << 16  # bytes of a task's copies where one row does not need more
MOST_LOCAL = 1 << 20  # a thread's stack has some megabytes
COPY = 3.0  # the cost of a vector copied, beside a row of a tile for a step along k
WORK = 2e6  # operations in a task
PIXELS = 256  # that the kernel's gradient sums before it fetches the next tile of sums


@dataclass(frozen=True)
class Axis:
    """A convolution along one axis: output i sums image[origin + i·step + t·gap] · kernel[first + t·stride] over t.

    `count` outputs go to start, start + spacing ... of the result.
    """

    start: int
    spacing: int
    count: int
    origin: int
    step: int
    gap: int
    taps: int
    first: int
    stride: int

    def reaches_out(self, size: int) -> bool:
        """Whether it sees pixels outside of an image."""
        return self.origin < 0 or self.origin + self.seen(self.count) > size

    def inside(self, size: int) -> float:
        """The share of taps that see pixels of an image, over all outputs."""
        origins = (self.origin + i * self.step for i in range(self.count))
        seen = sum(0 <= origin + t * self.gap < size for origin in origins for t in range(self.taps))
        return seen / max(self.count * self.taps, 1)

    def seen(self, count: int) -> int:
        """The pixels from the first to the last that so many outputs see."""
        return (count - 1) * self.step + (self.taps - 1) * self.gap + 1 if self.taps else 0


def forward_axis(size: int, window: int, stride: int, pads: Sizes, gap: int) -> list[Axis]:
    """The convolution itself."""
    count = max((size + sum(pads) - (window - 1) * gap - 1) // stride + 1, 0)
    return [Axis(0, 1, count, -pads[0], stride, gap, window, 0, 1)]


def backward_axis(size: int, window: int, stride: int, pads: Sizes, gap: int) -> list[Axis]:
    """Its gradient by the image, whose pixels a stride apart are seen by the same taps (Dumoulin & Visin 2016, ch. 4).

    The image that each of these phases sees is the output's gradient, from its last tap to the first.
    """
    phases = []
    common, spacing = math.gcd(gap, stride), min(stride, size)  # one phase has its pixels side by side
    for phase in range(spacing):
        taps = [t for t in range(window) if (phase + pads[0] - t * gap) % stride == 0]
        last = taps[-1] if taps else 0
        origin = (phase + pads[0] - last * gap) // stride
        count = -(-(size - phase) // stride)
        phases.append(Axis(phase, spacing, count, origin, 1, gap // common, len(taps), last, -(stride // common)))
    return phases


@dataclass(frozen=True)
class Problem:
    """What all phases have in common: the image that they see, channels of input and output, the kernel's layout."""

    batch: int
    seen: Sizes
    result: Sizes
    channels: int
    filters: int
    groups: int
    kernel: Sizes
    width: int  # columns of a tile
    known: Sizes  # heights of tiles
    lanes: int
    alone: bool = False  # whether each channel is a group with one filter, which has kernels of its own

    @property
    def depth(self) -> int:
        """Channels that a filter sees."""
        return 1 if self.alone else self.channels // self.groups

    @property
    def panels(self) -> int:
        """Of the kernel, in a group."""
        return -(-self.filters // (self.groups * self.width))


def plan(
    problem: Problem, downs: list[Axis], alongs: list[Axis], of_kernel: bool = False
) -> tuple[list[int], list[int], int] | None:
    """The words from IMAGES to PHASES, those of the phases, and the panels' floats; None if no band is small enough.

    Args:
      problem: what all phases have in common.
      downs: the phases along the height.
      alongs: the phases along the width.
      of_kernel: whether it is the kernel's gradient, whose tiles are of taps and channels instead of pixels.
    """
    small = problem.kernel[0] * problem.kernel[1] * problem.depth <= SMALL
    ways = (NEVER,) if problem.alone or (of_kernel and not small) else (NEVER, WHOLE) if of_kernel else WAYS
    choices = [choice for way in ways if (choice := _plan(problem, downs, alongs, way, of_kernel)) is not None]
    return min(choices)[1:] if choices else None


def _plan(
    problem: Problem, downs: list[Axis], alongs: list[Axis], spread: int, of_kernel: bool
) -> tuple[float, list[int], list[int], int] | None:
    """The cost, in rows of a tile for a step along k, then what `plan` gives."""
    if spread != NEVER and (len(downs) * len(alongs) > 1 or (spread == ALONG and downs[0].step > 1)):
        return None
    rows = max(axis.count for axis in downs)
    band = _band(problem, downs, alongs, spread, of_kernel)
    if band is None:
        return None
    phases: list[int] = []
    cost, panel_start = 0.0, 0
    panels = problem.groups * problem.panels
    for down, along in itertools.product(downs, alongs):
        words, of_phase = _phase(problem, down, along, spread, band, panel_start, of_kernel)
        phases += words
        cost += of_phase * problem.batch
        panel_start += panels * words[PANEL_SIZE]
    common = [
        problem.batch, *problem.seen, problem.channels, problem.depth, problem.groups,
        math.prod(problem.result) * problem.filters, problem.filters, problem.filters // problem.groups,
        panels, problem.panels, band, -(-rows // band), len(downs) * len(alongs),
    ]  # fmt: skip
    return cost, common, phases, panel_start


@dataclass(frozen=True)
class _Tiles:
    """How a line is cut into tiles: of each height how many, in full bands and in the last one.

    cost: for one image, in rows of a tile times steps along k.
    beyond: by how much the only tile of a line reaches over its end.
    """

    of_band: Sizes
    of_last: Sizes
    cost: float
    beyond: int = 0


def _tiles_of_kernel(problem: Problem, down: Axis, along: Axis, spread: int, loops: Sizes) -> _Tiles:
    """Tiles of taps and channels, which go through the pixels."""
    if problem.alone:  # what they add to may not be done twice
        by_tiles = divmod(along.taps, problem.known[0])
        return _Tiles(by_tiles, by_tiles, 0.0)
    counts, covered, cost = cover(loops[2], problem.known)
    steps = down.count * along.count + (down.count if spread == NEVER else 0)
    return _Tiles(counts, counts, cost * loops[0] * loops[1] * steps, max(covered - loops[2], 0))


def _tiles_of_pixels(problem: Problem, down: Axis, along: Axis, spread: int, loops: Sizes, band: int) -> _Tiles:
    """Tiles of pixels, which go through taps and channels: of a row, or of a band whose rows are one line."""
    steps = down.taps * along.taps * problem.depth + loops[0] * loops[1]
    if spread == NEVER:
        counts, covered, cost = cover(along.count, problem.known)
        cost *= down.count * down.inside(problem.seen[0])  # rows of taps outside of the image are left out
        return _Tiles(counts, counts, cost * steps, max(covered - along.count, 0) if sum(counts) == 1 else 0)
    last = down.count % band or band
    of_band, of_last = (cover(rows * along.count, problem.known) for rows in (band, last))
    cost = of_band[2] * (down.count // band) + of_last[2] * (last != band)
    return _Tiles(of_band[0], of_last[0], cost * steps)


def _phase(
    problem: Problem, down: Axis, along: Axis, spread: int, band: int, panel_start: int, of_kernel: bool
) -> tuple[list[int], float]:
    """The words of a phase, and its cost for one image."""
    channels, depth, filters = problem.channels, problem.depth, problem.filters
    flat, whole = spread != NEVER, spread == WHOLE
    merged = problem.groups == 1 and along.gap == 1  # what a window sees of a row lies side by side already
    chunks, chunk = (1, along.taps * depth) if merged else (along.taps, depth)
    spread_down = down.taps if whole else 1
    inner = along.taps * depth * spread_down
    if flat:
        loops = (1 if whole else down.taps), 1, inner
    else:
        loops = down.taps, min(chunks, along.taps), chunk
    if of_kernel:
        tiles = _tiles_of_kernel(problem, down, along, spread, loops)
    else:
        tiles = _tiles_of_pixels(problem, down, along, spread, loops, band)
    cost = tiles.cost * problem.groups * problem.panels

    above = down.reaches_out(problem.seen[0]) and (flat or of_kernel or problem.alone)
    outside = above or along.reaches_out(problem.seen[1]) or (tiles.beyond and not flat)
    more = 0 if of_kernel else tiles.beyond * along.step
    local_columns = along.seen(along.count) + more if outside else 0
    row = (local_columns or problem.seen[1]) * channels
    if flat:
        pixel = inner * problem.groups
        strides = along.count * pixel * (0 if whole else down.gap), 0, pixel, 0, inner
        copies = spread_down * chunks * problem.groups * -(-chunk // problem.lanes)
        cost += COPY * copies * along.count * (down.count if whole else down.seen(down.count))
    else:
        strides = down.gap * row, along.gap * channels, along.step * channels, down.step * row, depth
    spreading = spread, down.step if whole else 1, spread_down, chunks, chunk
    w_rows = problem.kernel[1] * problem.kernel[2] * problem.kernel[3], problem.kernel[2] * problem.kernel[3]
    words = [
        (down.start * problem.result[1] + along.start) * filters,
        down.spacing * problem.result[1] * filters, along.spacing * filters, down.count, along.count,
        down.origin, along.origin, down.step, along.step, down.gap, along.gap, down.taps, along.taps,
        down.first * w_rows[0] + along.first * w_rows[1], down.stride * w_rows[0], along.stride * w_rows[1],
        panel_start, down.taps * along.taps * depth * problem.width, local_columns, *spreading,
        int(flat), *loops, *strides, *_three(tiles.of_band), *_three(tiles.of_last),
    ]  # fmt: skip
    return words, cost


def _three(counts: Sizes) -> Sizes:
    return (*counts, 0, 0, 0)[:3]


def _band(problem: Problem, downs: list[Axis], alongs: list[Axis], spread: int, of_kernel: bool) -> int | None:
    """The rows of a task: as much work as pays, copies that stay near, evenly cut; None if one row is too large.

    For the kernel's gradient it is to have enough pixels that it pays to fetch the sums and put them back.
    """
    rows, columns = (max(axis.count for axis in axes) for axes in (downs, alongs))
    taps = max(down.taps * along.taps for down, along in itertools.product(downs, alongs))
    work = 2.0 * columns * problem.filters * problem.depth * max(taps, 1)
    padded = any(
        axis.reaches_out(size) for axes, size in zip((downs, alongs), problem.seen, strict=True) for axis in axes
    )

    def copied(band: int) -> int:
        seen = max(axis.seen(band) for axis in downs)
        size = seen * max(axis.seen(axis.count) for axis in alongs) if padded else 0
        if spread == ALONG:
            size += seen * columns * alongs[0].taps
        elif spread == WHOLE:
            size += band * columns * taps
        return 4 * size * problem.channels

    least = -(-(PIXELS // 4 if problem.alone else PIXELS) // columns) if of_kernel else 1
    band = min(rows, least if of_kernel and problem.alone else max(math.ceil(WORK / work), least))
    while band > 1 and copied(band) > LOCAL:
        band -= 1
    if copied(band) > MOST_LOCAL:
        return None
    return -(-rows // -(-rows // band))
