"""Accumulators of reductions: a vector that takes in others, and is one result across its lanes at the end.

NaN is the largest and the smallest, as in NumPy; of equal elements argmax and argmin name the first. A long sum is made
of sums of chunks, since one long sum rounds too often.
"""

from __future__ import annotations

from typing import Any

from . import lanes
from .emitter import I32, Emitter, ir

CHUNK = 2048  # columns whose sum is one sum in each lane


class Reduction:
    """The accumulator of one reduction: a vector, and one of places for argmax and argmin."""

    def __init__(self, emit: Emitter, op: Any, dtype: str):
        self.emit, self.op, self.dtype = emit, op, dtype
        kind = lanes.type_of(emit, dtype)
        self.start = lanes.constant(emit, dtype, _neutral(op.name, dtype))
        self.value = emit.variable(kind)
        self.before = emit.variable(kind)
        self.places = emit.variable(ir.VectorType(I32, emit.lanes)) if op.name.startswith("arg") else None

    def reset(self) -> None:
        """Begins anew."""
        self.emit.build.store(self.start, self.value)
        self.emit.build.store(self.start, self.before)
        if self.places is not None:
            self.emit.build.store(lanes.constant(self.emit, "int32", 0), self.places)

    def flush(self) -> None:
        """Adds the sum of a chunk to that of the chunks before."""
        if self.op.name == "sum":
            build = self.emit.build
            chunk = build.load(self.value, typ=self.start.type)
            before = build.load(self.before, typ=self.start.type)
            build.store(combined(self.emit, "sum", self.dtype, before, chunk), self.before)
            build.store(self.start, self.value)

    def take(self, x: Any, mask: Any, numbers: Any) -> None:
        """Takes in a vector."""
        emit, build = self.emit, self.emit.build
        if mask is not None:
            x = build.select(mask, x, self.start)
        before = build.load(self.value, typ=x.type)
        if self.places is not None:
            wins = self.beats(x, before)
            places = build.load(self.places, typ=ir.VectorType(I32, emit.lanes))
            build.store(build.select(wins, x, before), self.value)
            build.store(build.select(wins, numbers, places), self.places)
        else:
            build.store(combined(emit, self.op.name, self.dtype, before, x), self.value)

    def beats(self, x: Any, best: Any) -> Any:
        """Where an element comes before the best so far."""
        build = self.emit.build
        sign = ">" if self.op.name == "argmax" else "<"
        if not lanes.is_float(self.dtype):
            signed = not lanes.is_unsigned(self.dtype)
            return build.icmp_signed(sign, x, best) if signed else build.icmp_unsigned(sign, x, best)
        return build.and_(build.fcmp_unordered(sign, x, best), build.fcmp_ordered("ord", best, best))

    def result(self) -> Any:
        """The result for the row, in all lanes."""
        emit, build = self.emit, self.emit.build
        if self.op.name == "sum":
            self.flush()
            build.store(build.load(self.before, typ=self.start.type), self.value)
        value = build.load(self.value, typ=lanes.type_of(emit, self.dtype))
        if self.places is None:
            return self.across(self.op.name, self.dtype, value)
        best = self.across("max" if self.op.name == "argmax" else "min", self.dtype, value)
        places = build.load(self.places, typ=ir.VectorType(I32, emit.lanes))
        far = lanes.constant(emit, "int32", (1 << 31) - 1)
        return self.across("min", "int32", build.select(self.same(value, best), places, far))

    def across(self, name: str, dtype: str, value: Any) -> Any:
        """All lanes combined, in every lane."""
        emit = self.emit
        half = emit.lanes // 2
        while half:
            order = [*range(half, emit.lanes), *range(half)]
            value = combined(emit, name, dtype, value, emit.shuffle(value, value, order))
            half //= 2
        return lanes.splat(emit, emit.build.extract_element(value, ir.Constant(I32, 0)))

    def same(self, a: Any, b: Any) -> Any:
        """Where two are equal, NaN included."""
        build = self.emit.build
        if not lanes.is_float(self.dtype):
            return build.icmp_signed("==", a, b)
        both = build.and_(build.fcmp_unordered("uno", a, a), build.fcmp_unordered("uno", b, b))
        return build.or_(build.fcmp_ordered("==", a, b), both)


def _neutral(name: str, dtype: str) -> Any:
    """What a reduction begins with."""
    if name in ("sum", "any"):
        return 0
    if name == "all":
        return 1
    low = name in ("max", "argmax")
    if lanes.is_float(dtype):
        return float("-inf") if low else float("inf")
    if dtype == "bool":
        return 0 if low else 1
    bits = 8 * lanes.BYTES[dtype]
    if lanes.is_unsigned(dtype):
        return 0 if low else (1 << bits) - 1
    return -(1 << (bits - 1)) if low else (1 << (bits - 1)) - 1


def combined(emit: Emitter, name: str, dtype: str, a: Any, b: Any) -> Any:
    """Two partial results of a reduction as one."""
    if name in ("any", "all"):
        return emit.build.or_(a, b) if name == "any" else emit.build.and_(a, b)
    operation = {"sum": "add", "max": "maximum", "min": "minimum"}[name]
    return lanes.emit_operation(emit, operation, dtype, a, b)
