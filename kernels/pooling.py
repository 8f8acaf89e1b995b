"""Max and average pooling of float32 images with channels last, forward and backward: one launch each.

A vector holds neighboring channels of one pixel. Forward, each output pixel walks over its window; backward, each input
pixel over the windows that it lies in, so that nothing is added to memory, in the order of `windows.fold`. What lies
outside of the image is not looked at: it is never the largest, and does not count in a mean.

Operands: "max": y, where, x. "max_back": dx, g, where. "average": y, x. "average_back": dx, g. `where` is the place of
the largest element in its window, row by row: the first of equal ones, or of NaNs; bytes if 256 places suffice.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from . import emitter
from .cache import emitted
from .emitter import F32, I32, I64, POINTER, Emitter
from .launches import Launch, emit_kernel

VISITS = 65536  # elements that a task looks at
UNROLLED = 4  # vectors of a pixel at a time, for as long as there are so many
OPERANDS = {"max": 3, "max_back": 3, "average": 2, "average_back": 2}
NAMES = "batch height width channels high wide down right top left rows columns per_task".split()
I8 = emitter.ir.IntType(8)


def launch(
    kind: str,
    image: tuple[int, int, int, int],
    window: tuple[int, int],
    strides: tuple[int, int],
    before: tuple[int, int],
    counts: tuple[int, int],
) -> Launch | None:
    """The kernel for images of one size.

    Args:
      kind: "max", "max_back", "average" or "average_back".
      image: batch, height, width and channels of x.
      window: rows and columns of a window.
      strides: the steps from window to window.
      before: the rows above and the columns left of x that the first window takes in.
      counts: the rows and columns of y.
    """
    batch, height, width, channels = image
    forward = kind in ("max", "average")
    rows, pixels = counts if forward else (height, width)
    visits = channels * pixels * (window[0] * window[1] if forward else UNROLLED)
    per_task = max(1, VISITS // max(visits, 1))
    words = (*image, *window, *strides, *before, *counts, per_task)
    bits = 8 if window[0] * window[1] <= 256 else 32
    return Launch(_code(kind, bits if kind.startswith("max") else 0), OPERANDS[kind], words)


@functools.cache
def _code(kind: str, bits: int) -> int:
    (address,) = emitted(module, (kind, bits), ("kernel",))
    return address


def module(kind: str, bits: int = 0) -> Any:
    """The code of one kind; `bits`: of a place in a window."""
    made = emitter.new_module(f"pooling_{kind}")
    emit = Emitter(made, "task", [POINTER, I64])
    forward = kind in ("max", "average")
    image = _Image(emit, kind, bits)
    number, build = emit.args[1], emit.build
    first = build.mul(number, image["per_task"])
    height = image["rows" if forward else "height"]
    last = emit.minimum(build.add(first, image["per_task"]), build.mul(image["batch"], height))
    with emit.loop(first, last) as row:
        picture = build.sdiv(row, height)
        (_forward if forward else _backward)(image, row, picture, build.sub(row, build.mul(picture, height)))
    emit.finish()

    def tasks(emit: Emitter, block: Any) -> Any:
        words = _Image(emit, kind, bits, block)
        rows = emit.build.mul(words["batch"], words["rows" if forward else "height"])
        less = emit.build.sub(emit.build.add(rows, words["per_task"]), emit.integer(1))
        return emit.build.sdiv(less, words["per_task"])

    emit_kernel(made, [("task", tasks)])
    return made


class _Image:
    """The words of a launch, and access to vectors of channels."""

    def __init__(self, emit: Emitter, kind: str, bits: int, block: Any = None):
        self.emit, self.kind, self.bits = emit, kind, bits
        self.block = emit.args[0] if block is None else block
        self.operands = [emit.field(self.block, i, POINTER) for i in range(OPERANDS[kind])]
        self._words = {name: emit.field(self.block, OPERANDS[kind] + 1 + i) for i, name in enumerate(NAMES)}

    def __getitem__(self, name: str) -> Any:
        return self._words[name]

    def over_channels(self, body: Callable[[Any, int, Any], None]) -> None:
        """Emits `body(channel, vectors, mask)` for all channels of a pixel."""
        emit, build, channels = self.emit, self.emit.build, self["channels"]
        reached = emit.integer(0)
        for vectors in (UNROLLED, 1):
            step = vectors * emit.lanes
            end = build.sub(channels, build.srem(channels, emit.integer(step)))
            with emit.loop(reached, end, step) as channel:
                body(channel, vectors, None)
            reached = end
        with build.if_then(build.icmp_signed("<", reached, channels)):
            body(reached, 1, emit.tail(build.sub(channels, reached)))

    def places(self, pointer: Any, mask: Any) -> Any:
        """A vector of places as int32."""
        emit, build = self.emit, self.emit.build
        kind = emitter.ir.VectorType(I8 if self.bits == 8 else I32, emit.lanes)
        if mask is None:
            found = build.load(pointer, typ=kind, align=self.bits // 8)
        else:
            zeros = emitter.ir.Constant(kind, None)
            found = emit.call(f"llvm.masked.load.v{emit.lanes}i{self.bits}.p0", kind, pointer, mask, zeros)
        return build.zext(found, emitter.ir.VectorType(I32, emit.lanes)) if self.bits == 8 else found

    def put_places(self, places: Any, pointer: Any, mask: Any) -> None:
        """The contrary of `places`."""
        emit, build = self.emit, self.emit.build
        if self.bits == 8:
            places = build.trunc(places, emitter.ir.VectorType(I8, emit.lanes))
        if mask is None:
            build.store(places, pointer, align=self.bits // 8)
        else:
            emit.call(f"llvm.masked.store.v{emit.lanes}i{self.bits}.p0", emitter.VOID, places, pointer, mask)

    def at_place(self, pointer: Any, index: Any) -> Any:
        """The address of a place."""
        return self.emit.at(pointer, index, I8 if self.bits == 8 else I32)


def _spread(emit: Emitter, value: Any) -> Any:
    """An int64 as a vector of int32."""
    return emit.broadcast(emit.build.trunc(value, I32))


def _greater(emit: Emitter, a: Any, b: Any) -> Any:
    return emit.build.select(emit.build.icmp_signed(">", a, b), a, b)


def _within(image: _Image, start: Any, window: str, size: str) -> tuple[Any, Any]:
    """The part of a window that lies in the image."""
    emit = image.emit
    end = emit.minimum(emit.build.add(start, image[window]), image[size])
    return _greater(emit, start, emit.integer(0)), end


def _forward(image: _Image, row: Any, picture: Any, y: Any) -> None:
    """Emits a row of windows."""
    emit, build = image.emit, image.emit.build
    source = image.operands[-1]
    above = build.sub(build.mul(y, image["down"]), image["top"])
    top, bottom = _within(image, above, "high", "height")
    lines = build.mul(picture, image["height"])
    with emit.loop(emit.integer(0), image["columns"]) as x:
        before = build.sub(build.mul(x, image["right"]), image["left"])
        left, right = _within(image, before, "wide", "width")
        target = build.mul(build.add(build.mul(row, image["columns"]), x), image["channels"])
        area = build.mul(build.sub(bottom, top), build.sub(right, left))

        def window(channel: Any, vectors: int, mask: Any) -> None:
            ceiling = image.kind == "max"
            best = [emit.variable(emit.vector, emit.floats(float("-inf") if ceiling else 0.0)) for _ in range(vectors)]
            unset = emitter.ir.Constant(
                emitter.ir.VectorType(I32, emit.lanes), [emitter.ir.Constant(I32, -1)] * emit.lanes
            )
            where = [emit.variable(unset.type, unset) for _ in range(vectors if ceiling else 0)]
            with emit.loop(top, bottom) as line:
                pixels = build.mul(build.add(lines, line), image["width"])
                place = build.sub(build.mul(build.sub(line, above), image["wide"]), before)
                with emit.loop(left, right) as column:
                    start = build.add(build.mul(build.add(pixels, column), image["channels"]), channel)
                    here = _spread(emit, build.add(place, column)) if ceiling else None
                    for i in range(vectors):
                        at = emit.at(source, build.add(start, emit.integer(i * emit.lanes)))
                        value, held = emit.load(at, mask), build.load(best[i], typ=emit.vector)
                        if not ceiling:
                            build.store(build.fadd(held, value), best[i])
                            continue
                        taken = build.load(where[i], typ=unset.type)
                        larger = build.fcmp_unordered(">", value, held)  # or one of them is NaN
                        first = build.icmp_signed("<", taken, emitter.ir.Constant(unset.type, None))
                        number = build.fcmp_ordered("==", held, held)
                        wins = build.or_(build.and_(larger, number), first)
                        build.store(build.select(wins, value, held), best[i])
                        build.store(build.select(wins, here, taken), where[i])
            for i in range(vectors):
                start = build.add(build.add(target, channel), emit.integer(i * emit.lanes))
                result = build.load(best[i], typ=emit.vector)
                if ceiling:
                    image.put_places(
                        build.load(where[i], typ=unset.type), image.at_place(image.operands[1], start), mask
                    )
                else:
                    result = build.fdiv(result, emit.broadcast(build.sitofp(area, F32)))
                emit.store(result, emit.at(image.operands[0], start), mask)

        image.over_channels(window)


def _backward(image: _Image, row: Any, picture: Any, line: Any) -> None:
    """Emits a row of pixels."""
    emit, build = image.emit, image.emit.build
    zero, one = emit.integer(0), emit.integer(1)
    below = build.add(line, image["top"])
    highest = _greater(emit, build.sdiv(build.add(build.sub(below, image["high"]), image["down"]), image["down"]), zero)
    lowest = emit.minimum(build.sdiv(below, image["down"]), build.sub(image["rows"], one))
    leftmost = emit.variable(I64, zero)  # the first and the last window that a pixel lies in, without divisions
    rightmost = emit.variable(I64, build.sdiv(image["left"], image["right"]))
    windows = build.mul(picture, image["rows"])
    with emit.loop(zero, image["width"]) as x:
        behind = build.add(x, image["left"])
        left, right = build.load(leftmost, typ=I64), build.load(rightmost, typ=I64)
        passed = build.icmp_signed("<=", build.add(build.mul(left, image["right"]), image["wide"]), behind)
        left = build.add(left, build.zext(passed, I64))
        reached = build.icmp_signed("<=", build.mul(build.add(right, one), image["right"]), behind)
        right = build.add(right, build.zext(reached, I64))
        build.store(left, leftmost)
        build.store(right, rightmost)
        right = emit.minimum(right, build.sub(image["columns"], one))
        target = build.mul(build.add(build.mul(row, image["width"]), x), image["channels"])

        def pixel(channel: Any, vectors: int, mask: Any) -> None:
            sums = [emit.variable(emit.vector, emit.floats(0.0)) for _ in range(vectors)]
            with emit.loop(zero, build.add(build.sub(lowest, highest), one)) as i:
                y = build.sub(lowest, i)
                place = build.mul(build.sub(below, build.mul(y, image["down"])), image["wide"])
                with emit.loop(zero, build.add(build.sub(right, left), one)) as j:
                    column = build.sub(right, j)
                    here = build.add(place, build.sub(behind, build.mul(column, image["right"])))
                    at = build.add(build.mul(build.add(windows, y), image["columns"]), column)
                    start = build.add(build.mul(at, image["channels"]), channel)
                    share = None if image.kind == "max_back" else _share(image, y, column)
                    for k in range(vectors):
                        at = build.add(start, emit.integer(k * emit.lanes))
                        gradient = emit.load(emit.at(image.operands[1], at), mask)
                        if share is None:
                            places = image.places(image.at_place(image.operands[2], at), mask)
                            chosen = build.icmp_signed("==", places, _spread(emit, here))
                            gradient = build.select(chosen, gradient, emit.floats(0.0))
                        else:
                            gradient = build.fmul(gradient, share)
                        build.store(build.fadd(build.load(sums[k], typ=emit.vector), gradient), sums[k])
            for k in range(vectors):
                at = emit.at(image.operands[0], build.add(build.add(target, channel), emit.integer(k * emit.lanes)))
                emit.store(build.load(sums[k], typ=emit.vector), at, mask)

        image.over_channels(pixel)


def _share(image: _Image, y: Any, x: Any) -> Any:
    """One over the number of elements of a window that lie in the image."""
    emit, build = image.emit, image.emit.build
    sizes = []
    for place, step, before, window, size in (
        (y, "down", "top", "high", "height"),
        (x, "right", "left", "wide", "width"),
    ):
        start, end = _within(image, build.sub(build.mul(place, image[step]), image[before]), window, size)
        sizes.append(build.sub(end, start))
    area = build.sitofp(build.mul(*sizes), F32)
    return emit.broadcast(build.fdiv(emitter.ir.Constant(F32, 1.0), area))
