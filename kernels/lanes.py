"""Elementwise operations on vectors of any dtype, by name: what fused loops are made of.

`OPERATIONS[name](dtype, *operands)` emits one. All operands have the dtype, comparisons give bool, which is one bit in
a register and a byte in memory. float32 functions are those of the expression language, the rest are libm's, one lane
after the other. NaN goes where NumPy sends it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import expressions
from .emitter import F32, I1, I32, I64, Emitter, ir
from .expressions import Vector

F64 = ir.DoubleType()
# What each dtype is in a register, and the bytes that it has in memory.
REGISTERS: dict[str, Any] = {
    "float32": F32, "float64": F64, "bool": I1,
    "int8": ir.IntType(8), "int16": ir.IntType(16), "int32": I32, "int64": I64,
    "uint8": ir.IntType(8), "uint16": ir.IntType(16), "uint32": I32, "uint64": I64,
}  # fmt: skip
BYTES = {"float32": 4, "float64": 8, "bool": 1} | {
    f"{sign}int{bits}": bits // 8 for sign in ("", "u") for bits in (8, 16, 32, 64)
}


def is_float(dtype: str) -> bool:
    """Whether a dtype is a float."""
    return dtype.startswith("float")


def is_unsigned(dtype: str) -> bool:
    """Whether a dtype has no sign."""
    return dtype.startswith("u") or dtype == "bool"


def type_of(emit: Emitter, dtype: str) -> Any:
    """The type of a vector."""
    return ir.VectorType(REGISTERS[dtype], emit.lanes)


def constant(emit: Emitter, dtype: str, value: Any) -> Any:
    """A vector of one number."""
    kind = REGISTERS[dtype]
    number = float(value) if is_float(dtype) else int(value)
    return ir.Constant(ir.VectorType(kind, emit.lanes), [ir.Constant(kind, number)] * emit.lanes)


def splat(emit: Emitter, scalar: Any) -> Any:
    """A vector with a scalar in all lanes."""
    return emit.broadcast(scalar)


def suffix(emit: Emitter, dtype: str) -> str:
    """A vector type as intrinsics name it."""
    kind = REGISTERS[dtype]
    return f"v{emit.lanes}" + (("f32" if kind == F32 else "f64") if is_float(dtype) else f"i{kind.width}")


def load(emit: Emitter, dtype: str, pointer: Any, mask: Any = None) -> Any:
    """A vector from memory; lanes out of the mask are 0 and their memory is not touched."""
    inner = "uint8" if dtype == "bool" else dtype
    kind = type_of(emit, inner)
    if mask is None:
        value = emit.build.load(pointer, typ=kind, align=BYTES[inner])
    else:
        zero = constant(emit, inner, 0)
        value = emit.call(f"llvm.masked.load.{suffix(emit, inner)}.p0", kind, pointer, mask, zero)
    return emit.build.icmp_unsigned("!=", value, constant(emit, inner, 0)) if dtype == "bool" else value


def load_one(emit: Emitter, dtype: str, pointer: Any) -> Any:
    """A vector with one number from memory in all lanes."""
    inner = "uint8" if dtype == "bool" else dtype
    scalar = emit.build.load(pointer, typ=REGISTERS[inner])
    if dtype == "bool":
        scalar = emit.build.icmp_unsigned("!=", scalar, ir.Constant(REGISTERS[inner], 0))
    return splat(emit, scalar)


def store(emit: Emitter, dtype: str, value: Any, pointer: Any, mask: Any = None) -> None:
    """The contrary of `load`."""
    inner = "uint8" if dtype == "bool" else dtype
    if dtype == "bool":
        value = emit.build.zext(value, type_of(emit, inner))
    if mask is None:
        emit.build.store(value, pointer, align=BYTES[inner])
    else:
        emit.call(f"llvm.masked.store.{suffix(emit, inner)}.p0", ir.VoidType(), value, pointer, mask)


def store_one(emit: Emitter, dtype: str, value: Any, pointer: Any) -> None:
    """Writes the first lane."""
    scalar = emit.build.extract_element(value, ir.Constant(I32, 0))
    if dtype == "bool":
        scalar = emit.build.zext(scalar, REGISTERS["uint8"])
    emit.build.store(scalar, pointer)


def convert(emit: Emitter, value: Any, source: str, target: str) -> Any:
    """A vector in another dtype: floats to integers as `_truncated`, anything to bool by comparing with 0."""
    build = emit.build
    if source == target:
        return value
    if target == "bool":
        zero = constant(emit, source, 0)
        return build.fcmp_unordered("!=", value, zero) if is_float(source) else build.icmp_signed("!=", value, zero)
    kind = type_of(emit, target)
    if is_float(source) and is_float(target):
        return build.fpext(value, kind) if BYTES[target] > BYTES[source] else build.fptrunc(value, kind)
    if is_float(target):
        return build.uitofp(value, kind) if is_unsigned(source) else build.sitofp(value, kind)
    if is_float(source):
        return _truncated(emit, value, source, target)
    wide, narrow = REGISTERS[target].width, REGISTERS[source].width
    if wide == narrow:
        return value
    if wide < narrow:
        return build.trunc(value, kind)
    return build.zext(value, kind) if is_unsigned(source) else build.sext(value, kind)


def _truncated(emit: Emitter, value: Any, source: str, target: str) -> Any:
    """Floats as integers, towards zero. What is out of range and NaN become what NumPy's casts give on x86.

    That is the lowest integer of 32 or 64 bits, of which a smaller or unsigned one takes the low bits.
    """
    build, width = emit.build, 64 if BYTES[target] == 8 or target == "uint32" else 32

    def signed(x: Any) -> Any:
        low, kind = float(-(1 << (width - 1))), ir.VectorType(ir.IntType(width), emit.lanes)
        inside = build.fcmp_ordered("<", x, constant(emit, source, -low))
        inside = build.and_(inside, build.fcmp_ordered(">=", x, constant(emit, source, low)))
        whole = build.fptosi(build.select(inside, x, constant(emit, source, 0)), kind)
        return build.select(inside, whole, constant(emit, f"int{width}", -(1 << (width - 1))))

    if target == "uint64":
        half = constant(emit, source, float(1 << 63))
        above = signed(build.fsub(value, half))
        above = build.xor(above, constant(emit, "int64", -(1 << 63)))
        return build.select(build.fcmp_ordered(">=", value, half), above, signed(value))
    result = signed(value)
    return result if 8 * BYTES[target] == width else build.trunc(result, type_of(emit, target))


class _Typed:
    """How one operation is emitted for a dtype.

    `alike` says that all lanes hold the same.
    """

    def __init__(self, emit: Emitter, dtype: str, alike: bool = False):
        self.emit, self.dtype, self.alike = emit, dtype, alike

    @property
    def floating(self) -> bool:
        return is_float(self.dtype)

    def number(self, value: Any) -> Any:
        return constant(self.emit, self.dtype, value)

    def intrinsic(self, name: str, *args: Any) -> Any:
        return self.emit.call(f"llvm.{name}.{suffix(self.emit, self.dtype)}", args[0].type, *args)

    def compared(self, sign: str, a: Any, b: Any) -> Any:
        build = self.emit.build
        if self.floating:
            return build.fcmp_unordered(sign, a, b) if sign == "!=" else build.fcmp_ordered(sign, a, b)
        return build.icmp_unsigned(sign, a, b) if is_unsigned(self.dtype) else build.icmp_signed(sign, a, b)

    def by_lane(self, name: str, *args: Any) -> Any:
        """A function of libm's for each lane."""
        emit, build = self.emit, self.emit.build
        kind = REGISTERS[self.dtype]
        symbol = name if self.dtype == "float64" else name + "f"
        if self.alike:
            first = (build.extract_element(a, ir.Constant(I32, 0)) for a in args)
            return emit.broadcast(emit.call(symbol, kind, *first))
        result: Any = ir.Constant(args[0].type, ir.Undefined)
        for lane in range(emit.lanes):
            place = ir.Constant(I32, lane)
            scalar = emit.call(symbol, kind, *(build.extract_element(a, place) for a in args))
            result = build.insert_element(result, scalar, place)
        return result


Operation = Callable[..., Any]


def _chosen(of_floats: str, of_integers: str) -> Operation:
    """An instruction for floats, and the one for integers."""

    def emit(t: _Typed, a: Any, b: Any) -> Any:
        return getattr(t.emit.build, of_floats if t.floating else of_integers)(a, b)

    return emit


def _comparison(sign: str) -> Operation:
    return lambda t, a, b: t.compared(sign, a, b)


def _expression(function: Callable[[Vector], Vector], of_libm: str | None) -> Operation:
    """A function of the expression language for float32, libm's for the others."""

    def emit(t: _Typed, a: Any) -> Any:
        if t.dtype == "float32":
            return function(Vector(t.emit, a)).value
        if of_libm is None:
            raise NotImplementedError(t.dtype)
        return t.by_lane(of_libm, a)

    return emit


def _libm(name: str) -> Operation:
    return lambda t, *args: t.by_lane(name, *args)


def _extremum(name: str) -> Operation:
    """The larger or the smaller; NaN if one is."""

    def emit(t: _Typed, a: Any, b: Any) -> Any:
        build = t.emit.build
        sign = ">" if name == "maximum" else "<"
        if not t.floating:
            return build.select(t.compared(sign, a, b), a, b)
        wins = build.or_(build.fcmp_ordered(sign, a, b), build.fcmp_unordered("uno", a, a))
        return build.select(wins, a, b)

    return emit


def _negative(t: _Typed, a: Any) -> Any:
    return t.emit.build.fneg(a) if t.floating else t.emit.build.sub(t.number(0), a)


def _absolute(t: _Typed, a: Any) -> Any:
    if t.floating:
        return t.intrinsic("fabs", a)
    return a if is_unsigned(t.dtype) else t.emit.build.select(t.compared("<", a, t.number(0)), _negative(t, a), a)


def _sign(t: _Typed, a: Any) -> Any:
    build, zero = t.emit.build, t.number(0)
    below = zero if is_unsigned(t.dtype) else t.number(-1)
    result = build.select(t.compared(">", a, zero), t.number(1), build.select(t.compared("<", a, zero), below, zero))
    return build.select(build.fcmp_unordered("uno", a, a), a, result) if t.floating else result


def _square(t: _Typed, a: Any) -> Any:
    return t.emit.build.fmul(a, a) if t.floating else t.emit.build.mul(a, a)


def _relu(t: _Typed, a: Any) -> Any:
    build = t.emit.build
    if t.floating:
        return build.select(build.fcmp_unordered(">", a, t.number(0)), a, t.number(0))
    return build.select(t.compared(">", a, t.number(0)), a, t.number(0))


def _sigmoid(t: _Typed, a: Any) -> Any:
    build = t.emit.build
    if t.dtype == "float32":
        return expressions.sigmoid(Vector(t.emit, a)).value
    decay = t.by_lane("exp", _negative(t, _absolute(t, a)))
    top = build.select(build.fcmp_ordered("<", a, t.number(0)), decay, t.number(1))
    return build.fdiv(top, build.fadd(decay, t.number(1)))


def _not_a_number(t: _Typed, a: Any) -> Any:
    return t.emit.build.fcmp_unordered("uno", a, a)


def _infinite(t: _Typed, a: Any) -> Any:
    return t.emit.build.fcmp_ordered("==", _absolute(t, a), t.number(float("inf")))


def _finite(t: _Typed, a: Any) -> Any:
    return t.emit.build.fcmp_ordered("<", _absolute(t, a), t.number(float("inf")))


def _floor_divide(t: _Typed, a: Any, b: Any) -> Any:
    """For a divisor that is a constant > 0, so that no lane divides by 0."""
    build = t.emit.build
    if t.floating or not isinstance(b, ir.Constant):
        raise NotImplementedError("floor_divide by what is no constant integer")
    if is_unsigned(t.dtype):
        return build.udiv(a, b)
    quotient = build.sdiv(a, b)
    below = build.and_(t.compared("!=", build.mul(quotient, b), a), t.compared("<", a, t.number(0)))
    return build.select(below, build.sub(quotient, t.number(1)), quotient)


def _power(t: _Typed, a: Any, b: Any) -> Any:
    if not t.floating:
        raise NotImplementedError("power of integers")
    return t.by_lane("pow", a, b)


def _of_floats(operation: Operation) -> Operation:
    def emit(t: _Typed, *args: Any) -> Any:
        if not t.floating:
            raise NotImplementedError(t.dtype)
        return operation(t, *args)

    return emit


def _bits(name: str) -> Operation:
    def emit(t: _Typed, a: Any, b: Any) -> Any:
        if t.floating:
            raise NotImplementedError(t.dtype)
        return getattr(t.emit.build, name)(a, b)

    return emit


def _add(t: _Typed, a: Any, b: Any) -> Any:
    build = t.emit.build
    if t.floating:
        return build.fadd(a, b)
    return build.or_(a, b) if t.dtype == "bool" else build.add(a, b)


_EMITTERS: dict[str, Operation] = {
    "add": _add,
    "subtract": _chosen("fsub", "sub"),
    "multiply": _chosen("fmul", "mul"),
    "divide": _of_floats(lambda t, a, b: t.emit.build.fdiv(a, b)),
    "floor_divide": _floor_divide,
    "power": _power,
    "maximum": _extremum("maximum"),
    "minimum": _extremum("minimum"),
    "negative": _negative,
    "absolute": _absolute,
    "sign": _sign,
    "square": _square,
    "exp": _of_floats(_expression(expressions.exp, "exp")),
    "expm1": _of_floats(_libm("expm1")),
    "log": _of_floats(_expression(expressions.log, "log")),
    "log1p": _of_floats(_libm("log1p")),
    "sqrt": _of_floats(lambda t, a: t.intrinsic("sqrt", a)),
    "sin": _of_floats(_libm("sin")),
    "cos": _of_floats(_libm("cos")),
    "tanh": _of_floats(_expression(expressions.tanh, "tanh")),
    "erf": _of_floats(_expression(expressions.erf, "erf")),
    "erfc": _of_floats(_expression(expressions.erfc, "erfc")),
    "sinh": _of_floats(_libm("sinh")),
    "cosh": _of_floats(_libm("cosh")),
    "arctan": _of_floats(_libm("atan")),
    "arcsin": _of_floats(_libm("asin")),
    "arccos": _of_floats(_libm("acos")),
    "arcsinh": _of_floats(_libm("asinh")),
    "arccosh": _of_floats(_libm("acosh")),
    "arctan2": _of_floats(_libm("atan2")),
    "hypot": _of_floats(_libm("hypot")),
    "cbrt": _of_floats(_libm("cbrt")),
    "log2": _of_floats(_libm("log2")),
    "log10": _of_floats(_libm("log10")),
    "sigmoid": _of_floats(_sigmoid),
    "relu": _relu,
    "floor": _of_floats(lambda t, a: t.intrinsic("floor", a)),
    "ceil": _of_floats(lambda t, a: t.intrinsic("ceil", a)),
    "rint": _of_floats(lambda t, a: t.intrinsic("rint", a)),
    "equal": _comparison("=="),
    "not_equal": _comparison("!="),
    "less": _comparison("<"),
    "less_equal": _comparison("<="),
    "greater": _comparison(">"),
    "greater_equal": _comparison(">="),
    "isnan": _of_floats(_not_a_number),
    "isinf": _of_floats(_infinite),
    "isfinite": _of_floats(_finite),
    "bitwise_and": _bits("and_"),
    "bitwise_or": _bits("or_"),
    "bitwise_xor": _bits("xor"),
}
NAMES = frozenset(_EMITTERS) | {"select", "cast", "logical_and", "logical_or", "logical_xor", "logical_not"}


def emit_operation(emit: Emitter, name: str, dtype: str, *operands: Any, alike: bool = False) -> Any:
    """One operation on vectors of a dtype, of which all lanes may be alike.

    Raises:
      NotImplementedError: if there is none for it.
    """
    build = emit.build
    if name == "select":
        return build.select(*operands)
    if name == "logical_not":
        return build.not_(operands[0])
    if name.startswith("logical_"):
        return getattr(build, {"and": "and_", "or": "or_", "xor": "xor"}[name[8:]])(*operands)
    return _EMITTERS[name](_Typed(emit, dtype, alike), *operands)


def supports(name: str, dtype: str) -> bool:
    """Whether there is an operation for a dtype; tried on a function that is thrown away."""
    found = _supported.get((name, dtype))
    if found is None:
        found = _supported[name, dtype] = _try(name, dtype)
    return found


_supported: dict[tuple[str, str], bool] = {}
_NOT_OF_TRUTH = frozenset(("subtract", "negative", "sign"))  # which NumPy refuses


def _try(name: str, dtype: str) -> bool:
    if name not in NAMES or dtype not in REGISTERS or (dtype == "bool" and name in _NOT_OF_TRUTH):
        return False
    if name not in _EMITTERS:
        return True
    try:
        emit = Emitter(ir.Module(), "trial", [])
        value = constant(emit, dtype, 1)
        count = 2 if name in _BINARY else 1
        _EMITTERS[name](_Typed(emit, dtype), *[value] * count)
    except NotImplementedError:
        return False
    return True


_BINARY = frozenset(
    ("add", "subtract", "multiply", "divide", "floor_divide", "power", "maximum", "minimum", "arctan2", "hypot",
     "equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "bitwise_and", "bitwise_or",
     "bitwise_xor")
)  # fmt: skip
