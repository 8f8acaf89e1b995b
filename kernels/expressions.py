"""Fused elementwise kernels of float32, written as expressions.

    @elementwise
    def biased_relu(x, bias):
        return maximum(x + bias, 0)

The function runs once on `Vector`s, whose operators emit machine code; the kernel then takes arrays: a full one, and
others of the same shape, of its last axis (a bias), or of one element. Nothing is contracted, reordered or assumed
finite: only `fma` rounds once, and NaN goes where IEEE 754 sends it. The elements are cut into slabs of a fixed size.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import emitter
from .cache import compiled
from .emitter import F32, I32, I64, POINTER, Emitter
from .pool import RUN, pool

SLAB = 16384  # elements in a task
# The call's block of parameters; the operands' addresses follow.
ROWS, COLUMNS, SIZE, ROWS_IN_TASK, OUTPUT, INPUTS = range(6)

Array = np.ndarray[Any, Any]
Value = Any  # a Vector, or a number for a vector of it


class Vector:
    """So many elements as a register holds, somewhere in the arrays."""

    def __init__(self, emit: Emitter, value: Any):
        self.emit, self.value = emit, value

    def like(self, other: Value) -> Any:
        """The emitted value of a Vector or a number."""
        return other.value if isinstance(other, Vector) else self.emit.floats(float(other))

    def _new(self, value: Any) -> Vector:
        return Vector(self.emit, value)

    def __add__(self, other: Value) -> Vector:
        return self._new(self.emit.build.fadd(self.value, self.like(other)))

    def __sub__(self, other: Value) -> Vector:
        return self._new(self.emit.build.fsub(self.value, self.like(other)))

    def __rsub__(self, other: Value) -> Vector:
        return self._new(self.emit.build.fsub(self.like(other), self.value))

    def __mul__(self, other: Value) -> Vector:
        return self._new(self.emit.build.fmul(self.value, self.like(other)))

    def __truediv__(self, other: Value) -> Vector:
        return self._new(self.emit.build.fdiv(self.value, self.like(other)))

    def __rtruediv__(self, other: Value) -> Vector:
        return self._new(self.emit.build.fdiv(self.like(other), self.value))

    def __neg__(self) -> Vector:
        return self._new(self.emit.build.fneg(self.value))

    def __lt__(self, other: Value) -> Vector:
        """Where it is less; nowhere for NaN."""
        return self._new(self.emit.build.fcmp_ordered("<", self.value, self.like(other)))

    def __gt__(self, other: Value) -> Vector:
        """Where it is greater; nowhere for NaN."""
        return self._new(self.emit.build.fcmp_ordered(">", self.value, self.like(other)))

    __radd__, __rmul__ = __add__, __mul__


def select(condition: Vector, yes: Value, no: Value) -> Vector:
    """`yes` where the comparison holds, else `no`."""
    build = condition.emit.build
    return Vector(condition.emit, build.select(condition.value, condition.like(yes), condition.like(no)))


def maximum(a: Vector, b: Value) -> Vector:
    """The larger; a if it is NaN."""
    return select(a < b, b, a)


def minimum(a: Vector, b: Value) -> Vector:
    """The smaller; a if it is NaN."""
    return select(a > b, b, a)


def fma(a: Vector, b: Value, c: Value) -> Vector:
    """a · b + c, rounded once."""
    return Vector(a.emit, a.emit.fma(a.value, a.like(b), a.like(c)))


def polynomial(x: Vector, *coefficients: float) -> Vector:
    """Horner's rule, highest power first."""
    y: Value = coefficients[0]
    for c in coefficients[1:]:
        y = fma(x, y, c)
    assert isinstance(y, Vector)
    return y


def absolute(x: Vector) -> Vector:
    """|x|."""
    return _bits(x, "and_", 0x7FFFFFFF)


def with_sign(x: Vector, of: Vector) -> Vector:
    """x >= 0 with the sign bit of another vector."""
    sign = _integers(_bits(of, "and_", -0x80000000))
    return _as_floats(x.emit, x.emit.build.or_(_integers(x), sign))


def _integers(x: Vector) -> Any:
    return x.emit.build.bitcast(x.value, emitter.ir.VectorType(I32, x.emit.lanes))


def _as_floats(emit: Emitter, integers: Any) -> Vector:
    return Vector(emit, emit.build.bitcast(integers, emit.vector))


def _constant(emit: Emitter, value: int) -> Any:
    return emitter.ir.Constant(emitter.ir.VectorType(I32, emit.lanes), [emitter.ir.Constant(I32, value)] * emit.lanes)


def _bits(x: Vector, operation: str, value: int) -> Vector:
    return _as_floats(x.emit, getattr(x.emit.build, operation)(_integers(x), _constant(x.emit, value)))


_ROUNDING = 12582912.0  # 1.5 · 2²³: a float32 near it is an integer, which its low bits hold
# e^r = 1 + r + r² · (…), fitted on |r| <= ln(2) / 2 for the least relative error.
_EXP = (0.00138131354, 0.00836941972, 0.041668456, 0.166665152, 0.49999994)


def exp(x: Vector) -> Vector:
    """e to the power of x, within 1 ulp: 2ⁿ · e^r with n = round(x / ln 2) (Cody & Waite 1980, chapter 6)."""
    x = maximum(minimum(x, 89.0), -104.0)  # infinity and 0 from there on
    emit, build = x.emit, x.emit.build
    shifted = fma(x, 1.4426950408889634, _ROUNDING)
    n = shifted - _ROUNDING
    r = fma(n, -1.42860677e-06, fma(n, -0.693145752, x))  # ln 2 in two parts
    y = fma(r * r, polynomial(r, *_EXP), r) + 1.0
    power = build.sub(_integers(shifted), _constant(emit, 0x4B400000))
    half = build.ashr(power, _constant(emit, 1))  # of the power at a time, for 2ⁿ alone may be no float32
    for part in (half, build.sub(power, half)):
        y = y * _as_floats(emit, build.shl(build.add(part, _constant(emit, 127)), _constant(emit, 23)))
    return y


# tanh(x) = x + x³ · (…) in x², and log(1 + f) = f - f² / 2 + f³ · (…), for the least relative errors of the functions.
_TANH = (-0.005704978480935097, 0.020639078691601753, -0.05373971164226532, 0.13331441581249237, -0.3333328068256378)
_LOG = (
    -0.07634429633617401, 0.12761549651622772, -0.131601944565773, 0.14201761782169342, -0.16623356938362122,
    0.20001226663589478, -0.250008225440979, 0.3333333134651184,
)  # fmt: skip


def tanh(x: Vector) -> Vector:
    """The hyperbolic tangent, within 2 ulps: a polynomial up to 0.625, from there 1 - 2 / (exp(2 |x|) + 1)."""
    a = absolute(x)
    square = a * a
    near = fma(a * square, polynomial(square, *_TANH), a)
    return with_sign(select(a < 0.625, near, 1.0 - 2.0 / (exp(a + a) + 1.0)), x)


def sigmoid(x: Vector) -> Vector:
    """1 / (1 + exp(-x)), within 3 ulps in both tails."""
    decay = exp(-absolute(x))
    return select(x < 0.0, decay, 1.0) / (decay + 1.0)


def gelu(x: Vector) -> Vector:
    """x · ½ (1 + tanh(√(2/π) (x + 0.044715 x³))) (Hendrycks & Gimpel 2016), as x · sigmoid(2 …): no digits cancel."""
    return x * sigmoid(x * fma(x * x, 0.07135481627159, 1.5957691216057308))


# Fitted in x² up to 1, and in a from 1 to 4, for the least relative error of the function.
_ERF = (7.88910911e-05, -0.000802083814, 0.00518953521, -0.0268544443, 0.112836003, -0.37612626, 1.12837911)
_LOG_ERFC = (
    -2.16868539e-05, 0.000441336248, -0.00420456007, 0.0252082497, -0.108418562, -0.633219898, -1.12957835,
    0.000188035905,
)  # fmt: skip
# erfc(a) = t · e^(-a²) · (a polynomial in t), t = 1 / (1 + a / 2), fitted on a up to 10 for the least relative error.
_ERFC = (
    0.0116901202, -0.120101295, 0.421703845, -0.660677075, 0.41377449, -0.0944575444, 0.22427164, 0.238901749,
    0.282828122, 0.282065868,
)  # fmt: skip


def erf(x: Vector) -> Vector:
    """2/√π times the integral of exp(-t²) from 0 to x, within 3 ulps.

    Up to 1 it is a polynomial, from there 1 - exp(log(erfc(|x|))).
    """
    a = minimum(absolute(x), 4.0)
    near = x * polynomial(x * x, *_ERF)
    return select(a < 1.0, near, with_sign(1.0 - exp(polynomial(a, *_LOG_ERFC)), x))


def erfc(x: Vector) -> Vector:
    """1 - erf(x), within 6 ulps in both tails."""
    a = minimum(absolute(x), 12.0)  # 0 from there on
    t = 1.0 / fma(a, 0.5, Vector(x.emit, x.emit.floats(1.0)))
    square = a * a
    lost = fma(a, a, -square)  # what rounding took off the square
    decay = exp(-square)
    tail = t * polynomial(t, *_ERFC) * (decay - decay * lost)
    return select(x < 0.0, 2.0 - tail, tail)


def log(x: Vector) -> Vector:
    """The natural logarithm, within 1 ulp: of x = 2ⁿ · (1 + f) with 1 + f from √½ to √2 (Cody & Waite 1980, chapter 5).

    -infinity at 0, NaN below.
    """
    emit, build = x.emit, x.emit.build
    tiny = x < 2.0**-126  # a denormal number, which has fewer digits
    bits = _integers(select(tiny, x * 2.0**23, x))
    power = build.ashr(build.sub(bits, _constant(emit, 0x3F3504F3)), _constant(emit, 23))
    f = _as_floats(emit, build.sub(bits, build.shl(power, _constant(emit, 23)))) - 1.0
    n = Vector(emit, build.sitofp(power, emit.vector)) - select(tiny, 23.0, 0.0)
    square = f * f
    rest = fma(n, 1.42860677e-06, fma(f * square, polynomial(f, *_LOG), square * -0.5))
    y = fma(n, 0.693145752, f + rest)
    y = select(x < math.inf, y, x)
    return select(x < 0.0, math.nan, select(x < 2.0**-149, -math.inf, y))


class Kernel:
    """An elementwise function with machine code for each way in which operands broadcast."""

    def __init__(self, function: Callable[..., Vector]):
        self.name = function.__name__
        self.__doc__ = function.__doc__
        self.function = function
        self._compiled: dict[str, Any] = {}

    def module(self, kinds: str) -> Any:
        """The code for operands that are full ("f"), rows ("r") or scalars ("s")."""
        module = emitter.new_module(f"{self.name}_{kinds}")
        emit = Emitter(module, "task", [POINTER, I64])
        build, (block, number) = emit.build, emit.args
        columns, per_task = emit.field(block, COLUMNS), emit.field(block, ROWS_IN_TASK)
        output = emit.field(block, OUTPUT, POINTER)
        inputs = [emit.field(block, INPUTS + i, POINTER) for i in range(len(kinds))]
        scalars = {i: emit.broadcast(build.load(inputs[i], typ=F32)) for i, kind in enumerate(kinds) if kind == "s"}

        def write(start: Any, column: Any, mask: Any) -> None:
            at = build.add(start, column)
            places = {"f": at, "r": column}
            operands = [
                scalars[i] if kind == "s" else emit.load(emit.at(inputs[i], places[kind]), mask)
                for i, kind in enumerate(kinds)
            ]
            result = self.function(*(Vector(emit, operand) for operand in operands))
            emit.store(result.value, emit.at(output, at), mask)

        first = build.mul(number, per_task)
        last = emit.minimum(build.add(first, per_task), emit.field(block, ROWS))
        with emit.loop(first, last) as row:
            start = build.mul(row, columns)
            count = emit.minimum(columns, build.sub(emit.field(block, SIZE), start))
            whole = build.and_(count, emit.integer(-emit.lanes))
            with emit.loop(emit.integer(0), whole, emit.lanes) as column:
                write(start, column, None)
            with build.if_then(build.icmp_signed("<", whole, count)):
                write(start, whole, emit.tail(build.sub(count, whole)))
        emit.finish()

        emit = Emitter(module, "kernel", [POINTER, POINTER, I64], aliases=True)
        state, block, tasks = emit.args
        task = emit.build.ptrtoint(module.globals["task"], I64)
        emit.call_address(emit.field(state, RUN), emitter.VOID, state, task, block, tasks)
        emit.finish()
        return module

    def code(self, kinds: str) -> Any:
        """The function for such operands, compiled: it takes the pool, a block of parameters, the number of tasks."""
        found = self._compiled.get(kinds)
        if found is None:
            (address,) = compiled(self.module(kinds), ("kernel",))
            signature = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
            found = self._compiled[kinds] = signature(address)
        return found

    def __call__(self, *operands: Array) -> Array:
        """The result for C-contiguous float32 operands, of which the first one is full and not empty."""
        full = operands[0]
        shape, size = full.shape, full.size
        kinds = "".join([_kind(operand, full) for operand in operands])
        if "r" in kinds:
            columns = shape[-1]
            rows, per_task = size // columns, max(1, SLAB // columns)
        else:
            columns, rows, per_task = SLAB, -(-size // SLAB), 1
        y = np.empty(shape, np.float32)
        addresses = [operand.ctypes.data for operand in (y, *operands)]
        block = (ctypes.c_int64 * (INPUTS + len(operands)))(rows, columns, size, per_task, *addresses)
        self.code(kinds)(pool().address, ctypes.addressof(block), -(-rows // per_task))
        return y


def _kind(operand: Array, full: Array) -> str:
    if operand.shape == full.shape:
        return "f"
    if operand.size == 1:
        return "s"
    if operand.shape == full.shape[-1:]:
        return "r"
    raise ValueError(f"an operand of shape {operand.shape} is neither full nor a row nor one number of {full.shape}")


def elementwise(function: Callable[..., Vector]) -> Kernel:
    """A kernel from an expression."""
    return Kernel(function)
