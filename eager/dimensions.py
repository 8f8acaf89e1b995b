"""Unknown dimensions: integers known only at run time, with identity and arithmetic.

A `Dim` is a polynomial with integer coefficients over atoms; an atom is an unknown or a floor division, minimum or
maximum of dims. Two dims are equal if their polynomials are; what cannot be decided raises `TraceError`, so no
shape rule can guess. Unknowns are sizes, hence at least 0. Print a dim to see it.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any, NoReturn

from .errors import TraceError

_ordinals = itertools.count()


class Atom:
    """An unknown, or one of `//`, `min`, `max` applied to two dims; compares by identity or by structure.

    `low` and `high` are the least and the greatest value that it can take; `parts` is what it is made of, if anything:
    the operator and its operands.
    """

    __slots__ = ("high", "key", "low", "parts", "text")

    def __init__(
        self,
        text: str,
        key: object = None,
        low: float = 0,
        high: float = math.inf,
        parts: tuple[str, Size, Size] | None = None,
    ):
        self.text = text
        self.parts = parts
        self.key = next(_ordinals) if key is None else key
        self.low = low
        self.high = high

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Atom) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return self.text


def _with_sizes(method: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """The method for sizes, leaving anything else to the other operand."""

    @functools.wraps(method)
    def guarded(self: Any, other: Any) -> Any:
        return method(self, other) if isinstance(other, (Integral, Dim)) else NotImplemented

    return guarded


class Dim:
    """A dimension whose size is not known yet; supports `+ - * // %`, and comparison where it can be decided."""

    __slots__ = ("terms",)

    def __init__(self, terms: dict[tuple[Atom, ...], int]):
        self.terms = {atoms: factor for atoms, factor in terms.items() if factor}

    @_with_sizes
    def __add__(self, other: Size) -> Size:
        terms = dict(self.terms)
        for atoms, factor in _terms(other).items():
            terms[atoms] = terms.get(atoms, 0) + factor
        return _simplest(terms)

    __radd__ = __add__

    @_with_sizes
    def __mul__(self, other: Size) -> Size:
        terms: dict[tuple[Atom, ...], int] = {}
        for (left, a), (right, b) in itertools.product(self.terms.items(), _terms(other).items()):
            atoms = tuple(sorted(left + right, key=lambda atom: str(atom.key)))
            terms[atoms] = terms.get(atoms, 0) + a * b
        return _simplest(terms)

    __rmul__ = __mul__

    def __neg__(self) -> Size:
        return self * -1

    @_with_sizes
    def __sub__(self, other: Size) -> Size:
        return self + other * -1

    @_with_sizes
    def __rsub__(self, other: Size) -> Size:
        return self * -1 + other

    @_with_sizes
    def __floordiv__(self, other: Size) -> Size:
        return _floor_divide(self, other)

    @_with_sizes
    def __rfloordiv__(self, other: Size) -> Size:
        return _floor_divide(other, self)

    @_with_sizes
    def __mod__(self, other: Size) -> Size:
        return self - self // other * other

    @_with_sizes
    def __rmod__(self, other: Size) -> Size:
        return other - other // self * self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (Integral, Dim)):
            return NotImplemented
        decided = same(self, other)  # type: ignore[arg-type] # NumPy's integers are as good
        if decided is None:
            raise TraceError(f"Cannot decide whether {self} == {other}: the sizes are not known before run time.")
        return decided

    def __hash__(self) -> int:
        return hash(frozenset(self.terms.items()))

    @_with_sizes
    def __lt__(self, other: Size) -> bool:
        return _at_most(self - other, -1, f"{self} < {other}")

    @_with_sizes
    def __le__(self, other: Size) -> bool:
        return _at_most(self - other, 0, f"{self} <= {other}")

    @_with_sizes
    def __gt__(self, other: Size) -> bool:
        return _at_most(other - self, -1, f"{self} > {other}")

    @_with_sizes
    def __ge__(self, other: Size) -> bool:
        return _at_most(other - self, 0, f"{self} >= {other}")

    def __index__(self) -> int:
        raise TraceError(f"The dimension {self} has no value before run time. Compute with it instead: + - * // work.")

    def __array__(self, *args: object, **kwargs: object) -> NoReturn:
        raise TraceError(f"The dimension {self} has no value before run time, so no NumPy function can take it.")

    def __bool__(self) -> bool:
        return not self == 0

    def __repr__(self) -> str:
        def show(atoms: tuple[Atom, ...], factor: int) -> str:
            names = [atom.text for atom in atoms]
            return "*".join(names if factor == 1 and names else [str(factor), *names])

        return " + ".join(show(atoms, factor) for atoms, factor in self.terms.items()) or "0"


Size = int | Dim
Shape = tuple[Size, ...]


def unknown(text: str = "?") -> Dim:
    """A fresh unknown, different from every other."""
    return Dim({(Atom(text),): 1})


# The batch dimension of every `Input`: the inputs of a model are rows of one batch.
BATCH = unknown("batch")


def _terms(size: Size) -> dict[tuple[Atom, ...], int]:
    return size.terms if isinstance(size, Dim) else {(): int(size)} if size else {}


def _simplest(terms: dict[tuple[Atom, ...], int]) -> Size:
    terms = {atoms: factor for atoms, factor in terms.items() if factor}
    return terms.get((), 0) if set(terms) <= {()} else Dim(terms)


def _applied(name: str, a: Size, b: Size, low: float, high: float) -> Dim:
    text = f"(({a}) // ({b}))" if name == "//" else f"{name}({a}, {b})"
    key = (
        name,
        *(tuple(sorted((tuple(str(x.key) for x in atoms), f) for atoms, f in _terms(s).items())) for s in (a, b)),
    )
    return Dim({(Atom(text, key, low, high, (name, a, b)),): 1})


def _quotient(a: Size, b: Size) -> Dim:
    low, high = _bounds(a)
    least, greatest = _bounds(b)
    if least == greatest and least > 0:
        return _applied("//", a, b, _floor(low, least), _floor(high, least))
    return _applied("//", a, b, 0 if low >= 0 <= least else -math.inf, math.inf)


def _floor(value: float, divisor: float) -> float:
    return value if math.isinf(value) else value // divisor


def _floor_divide(a: Size, b: Size) -> Size:
    if same(b, 1):
        return a
    quotient: dict[tuple[Atom, ...], int] = {}
    rest: dict[tuple[Atom, ...], int] = {}
    divisor = _terms(b)
    if not divisor:
        raise ZeroDivisionError(f"{a} // 0")
    if len(divisor) != 1:
        return 1 if same(a, b) else _quotient(a, b)
    ((atoms_b, factor_b),) = divisor.items()
    for atoms, factor in _terms(a).items():
        left = list(atoms)
        divides = factor % factor_b == 0
        for atom in atoms_b:
            divides = divides and atom in left
            if divides:
                left.remove(atom)
        (quotient if divides else rest)[tuple(left) if divides else atoms] = factor // factor_b if divides else factor
    if not rest:
        return _simplest(quotient)
    if quotient and not atoms_b:  # (k·n + r) // k = n + r // k
        return _simplest(quotient) + _floor_divide(_simplest(rest), b)
    if set(rest) == {()} and not atoms_b:
        return rest[()] // factor_b
    return _quotient(a, b)


def bind(shape: Shape, sizes: Shape) -> dict[Atom, Size]:
    """The unknowns of a shape with the sizes that they have in a concrete one of its rank."""
    found: dict[Atom, Size] = {}
    for size, actual in zip(shape, sizes, strict=True):
        if isinstance(size, Dim) and len(size.terms) == 1:
            ((atoms, factor),) = size.terms.items()
            if factor == 1 and len(atoms) == 1:
                found[atoms[0]] = actual
    return found


def evaluate(size: Size, known_sizes: Mapping[Atom, Size]) -> Size:
    """A size with unknowns replaced by what they are known to be.

    >>> n = unknown("n")
    >>> evaluate((n + 1) // 2, bind((n,), (5,)))
    3
    """
    total: Size = 0
    for atoms, factor in _terms(size).items():
        term: Size = factor
        for atom in atoms:
            term = term * _value(atom, known_sizes)
        total = total + term
    return total


def _value(atom: Atom, known_sizes: Mapping[Atom, Size]) -> Size:
    if atom.parts is None:
        return known_sizes.get(atom, Dim({(atom,): 1}))
    name, *operands = atom.parts
    a, b = (evaluate(operand, known_sizes) for operand in operands)
    return a // b if name == "//" else minimum(a, b) if name == "min" else maximum(a, b)


def _bounds(size: Size) -> tuple[float, float]:
    """The least and the greatest value a size can take, as far as its terms tell one by one."""
    low = high = 0.0
    for atoms, factor in _terms(size).items():
        ends = (float(factor),) * 2
        for atom in atoms:
            corners = [0.0 if 0 in pair else math.prod(pair) for pair in itertools.product(ends, (atom.low, atom.high))]
            ends = min(corners), max(corners)
        low, high = low + ends[0], high + ends[1]
    return low, high


def _at_most(size: Size, limit: int, question: str) -> bool:
    low, high = _bounds(size)
    if low <= limit < high:
        raise TraceError(f"Cannot decide whether {question}: the sizes are not known before run time.")
    return high <= limit


def same(a: Size, b: Size) -> bool | None:
    """Whether two sizes are equal: True, False, or None where it depends on the run."""
    if type(a) is int and type(b) is int:
        return a == b
    low, high = _bounds(a - b)
    return (low == 0) if low == high else (None if low <= 0 <= high else False)


def minimum(a: Size, b: Size) -> Size:
    """The smaller of two sizes, kept symbolic where it depends on the run."""
    low, high = _bounds(a - b)
    if low >= 0 or high <= 0:
        return b if low >= 0 else a
    return _applied("min", a, b, *(min(ends) for ends in zip(_bounds(a), _bounds(b), strict=True)))


def maximum(a: Size, b: Size) -> Size:
    """The larger of two sizes, kept symbolic where it depends on the run."""
    low, high = _bounds(a - b)
    if low >= 0 or high <= 0:
        return a if low >= 0 else b
    return _applied("max", a, b, *(max(ends) for ends in zip(_bounds(a), _bounds(b), strict=True)))


def product(sizes: Iterable[Size]) -> Size:
    """The number of elements of a shape."""
    return functools.reduce(lambda a, b: b * a if isinstance(b, Dim) else a * b, sizes, 1)


def known(shape: Sequence[Size]) -> bool:
    """Whether every dimension is an integer."""
    return not any(isinstance(size, Dim) for size in shape)


def display(shape: Sequence[Size]) -> tuple[int | None, ...]:
    """The shape as users see it: None for an unknown dimension."""
    return tuple(None if isinstance(size, Dim) else size for size in shape)


def broadcast(*shapes: Shape) -> Shape:
    """The shape that shapes broadcast to by NumPy's rule; an unknown against an integer > 1 must be that or 1.

    Two unknowns that are not known to be equal give the larger, since they are equal or one of them is 1.

    Raises:
      ValueError: if two known sizes differ and neither is 1.
    """
    rank = max(map(len, shapes), default=0)
    result: list[Size] = []
    for axis in range(-rank, 0):
        size: Size = 1
        for shape in shapes:
            if len(shape) < -axis or same(shape[axis], 1):
                continue
            other = shape[axis]
            if same(size, 1) or (isinstance(size, Dim) and isinstance(other, int)):
                size = other
            elif isinstance(size, Dim) and isinstance(other, Dim) and not same(size, other):
                size = maximum(size, other)
            elif isinstance(size, int) and isinstance(other, int) and size != other:
                shown = " and ".join(str(display(s)) for s in shapes)
                raise ValueError(f"shapes {shown} do not broadcast: axis {axis} has sizes {size} and {other}")
        result.append(size)
    return tuple(result)
