"""Functions applied to the slices of tensors along an axis: maps, scans, and associative scans in log depth.

`xs` is a tensor or a structure of them, all of one size along the axis; a list is a structure, too. What a function
returns for the slices is stacked. On symbols, and where there is no slice, the function runs once on what has no value,
to tell structure, shapes and dtypes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import dimensions, nest
from ..context import scoped
from ..dimensions import Size
from ..errors import describe
from ..tensor import AbstractTensor, Operand, dims
from . import arrays, creation, rules
from .control import (
    agreed,
    any_unknown,
    expect_callable,
    integer,
    keep_structure,
    spec,
    specs,
    takes_functions,
    to_tensor,
)
from .public import public

_FEW = 8  # slices taken from a tensor one by one

# Public, because a function may give symbols for slices that have values: then these make nodes.
stack, reshape, concatenate = public(arrays.stack), public(arrays.reshape), public(arrays.concatenated)


def _leading(name: str, what: str, structure: Any) -> tuple[list[Any], Size]:
    """The leaves as tensors, and the size that all have along the first axis."""
    leaves = [to_tensor(leaf) for leaf in nest.flatten(structure)]
    if not leaves:
        raise ValueError(f"{name}: expected at least one tensor in {what}, got {describe(structure)}.")
    for leaf in leaves:
        if not isinstance(leaf, Operand) or not dims(leaf):
            raise ValueError(
                f"{name}: expected tensors with at least one axis in {what}, got {describe(leaf)}. "
                "A list is a structure of several tensors; ops.convert_to_tensor makes one of it."
            )
    return leaves, _one_size(name, what, [dims(leaf)[0] for leaf in leaves], leaves)


def _one_size(name: str, what: str, sizes: list[Size], leaves: list[Any]) -> Size:
    """The size that all are, an integer if one of them is known."""
    for size in sizes[1:]:
        if dimensions.same(size, sizes[0]) is False:
            raise ValueError(f"{name}: expected one size along the axis for all of {what}, got {describe(leaves)}.")
    return next((size for size in sizes if isinstance(size, int)), sizes[0])


def slices(x: Any, count: int) -> list[Any]:
    """The slices of x along its first axis.

    Many are taken in halves of halves: the gradient of a slice has the size of what it was taken from, so that taking
    each from x itself would make the cost of the gradient quadratic in their number.
    """
    if count <= _FEW:
        return [x[i] for i in range(count)]
    half = count // 2
    return slices(x[:half], half) + slices(x[half:count], count - half)


def stacked(name: str, results: list[Any]) -> Any:
    """Results of one structure, each leaf stacked along a new first axis; None if it is None in all of them."""
    for result in results[1:]:
        keep_structure(f"{name}: expected results of one structure, to stack them", results[0], result)
    return nest.pack(
        results[0], [_stack(name, column) for column in zip(*(nest.flatten(result) for result in results), strict=True)]
    )


def _stack(name: str, column: Sequence[Any]) -> Any:
    if all(leaf is None for leaf in column):
        return None
    if any(leaf is None for leaf in column):
        raise ValueError(f"{name}: expected results that are None for all slices or for none, got {describe(column)}.")
    tensors = [creation.convert_to_tensor(leaf) for leaf in column]
    for tensor in tensors[1:]:
        if not _alike(tensor, tensors[0]):
            shapes = f"{describe(tensors[0])} and {describe(tensor)}"
            raise ValueError(f"{name}: expected results of one shape, to stack them, got {shapes}.")
    return stack(tensors)


def _alike(x: Any, y: Any) -> bool:
    if len(dims(x)) != len(dims(y)):
        return False
    return all(dimensions.same(a, b) is not False for a, b in zip(dims(x), dims(y), strict=True))


def repeated(structure: Any, sizes: tuple[Size, ...]) -> Any:
    """Specs of results, stacked along new leading axes."""
    return nest.map_structure(
        lambda leaf: leaf if leaf is None else AbstractTensor((*sizes, *leaf.dims), leaf.dtype), structure
    )


def traced(function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function returns for arguments like these, as specs; nothing is recorded, no Variable assigned."""
    with scoped(symbolic_call=True, recorders=()):
        return specs(function(*specs(arguments)))


def nothing(structure: Any, sizes: tuple[Size, ...]) -> Any:
    """Empty tensors of what the specs tell, behind the given leading sizes, of which one is 0."""
    return nest.map_structure(
        lambda leaf: leaf if leaf is None else creation.zeros((*sizes, *leaf.dims), leaf.dtype), structure
    )


def _first(leaf: Any) -> Any:
    """The slice of the first round, or what is known of it."""
    sizes = dims(leaf)
    known = not isinstance(leaf, AbstractTensor) and sizes[0]
    return leaf[0] if known else AbstractTensor(sizes[1:], leaf.dtype)


def _mapped(name: str, what: str, function: Callable[..., Any], xs: Any) -> Any:
    leaves, count = _leading(name, what, xs)
    if any_unknown(leaves):
        return repeated(specs(function(nest.pack(xs, [_first(leaf) for leaf in leaves]))), (count,))
    if not count:
        return nothing(traced(function, nest.pack(xs, [_first(leaf) for leaf in leaves])), (0,))
    rows = zip(*(slices(leaf, int(count)) for leaf in leaves), strict=True)
    return stacked(name, [function(nest.pack(xs, row)) for row in rows])


@takes_functions("f", "xs", "Pass it along in xs.")
def map(f: Callable[..., Any], xs: Any) -> Any:
    """f(x) for each slice x of xs along the first axis, stacked.

    Args:
      f: from a slice, of the structure of xs, to a tensor or a structure of them.
      xs: a tensor with at least one axis, or a structure of them with one size along it.

    Raises:
      TypeError: if f cannot be called.
      ValueError: if there is nothing to slice, sizes differ, or results cannot be stacked.
      TraceError: if xs is a symbol and f captures another one.

    >>> map(lambda x: x * x, Tensor([1.0, 2.0, 3.0]))
    Tensor([1., 4., 9.], shape=(3,), dtype=float32)
    """
    expect_callable("map", "f", f)
    return _mapped("map", "xs", f, xs)


@takes_functions("function", "elements", "Pass it along in elements.")
def vectorized_map(function: Callable[..., Any], elements: Any) -> Any:
    """function(x) for each slice x of elements along the first axis, stacked; as `map`, one slice after another.

    Args:
      function: from a slice, of the structure of elements, to a tensor or a structure of them.
      elements: a tensor with at least one axis, or a structure of them with one size along it.

    Raises:
      TypeError: if the function cannot be called.
      ValueError: if there is nothing to slice, sizes differ, or results cannot be stacked.
      TraceError: if elements is a symbol and the function captures another one.

    >>> vectorized_map(lambda pair: pair[0] @ pair[1], [Tensor(np.ones((2, 3))), Tensor(np.ones((2, 3)))])
    Tensor([3., 3.], shape=(2,), dtype=float64)
    """
    expect_callable("vectorized_map", "function", function)
    return _mapped("vectorized_map", "elements", function, elements)


@takes_functions("f", "init xs length", "Pass it along in init or xs.")
def scan(
    f: Callable[..., Any],
    init: Any,
    xs: Any = None,
    length: Any = None,
    reverse: bool = False,
    unroll: bool | int = 1,
) -> Any:
    """carry, y = f(carry, x) for each slice x of xs along the first axis; the last carry, and all y stacked.

    Args:
      f: from the carry and a slice of xs (None without xs) to a pair: the next carry, in the same structure, and a
        result. If they are symbols, the carry keeps its shapes and dtypes.
      init: the first carry: a tensor, a number, which becomes one, or a structure of them.
      xs: a tensor, or a structure of them with one size along the first axis.
      length: how many slices to take, all if None; needed without xs.
      reverse: whether to go from the last slice to the first; results stay where their slices are.
      unroll: accepted for Keras's sake; a loop of Python's has nothing to unroll.

    Returns:
      The last carry and the stacked results. If f returns None as y, zeros like the leaves of init, in a list.

    Raises:
      TypeError: if f cannot be called.
      ValueError: if xs and length are both missing, length is more than there is, sizes differ, f returns no pair or
        another structure, or unroll is neither a bool nor a positive integer.
      TraceError: if f captures a symbol.

    >>> scan(lambda total, x: (total + x, total), Tensor(0), Tensor([1, 2, 3]))
    (Tensor(6, shape=(), dtype=int32), Tensor([0, 1, 3], shape=(3,), dtype=int32))
    """
    expect_callable("scan", "f", f)
    if not isinstance(unroll, bool) and (not isinstance(unroll, int) or unroll < 1):
        raise ValueError(f"scan: expected a bool or a positive integer as unroll, got {describe(unroll)}.")
    carry = nest.map_structure(to_tensor, init)
    leaves, count = ([], None) if xs is None else _leading("scan", "xs", xs)
    count = _rounds(length, count)
    if any_unknown(count, carry, leaves):
        following, y = _pair(f(carry, None if xs is None else nest.pack(xs, [_first(leaf) for leaf in leaves])), carry)
        rule = "scan: expected f to return a carry like its first argument, of the same structure, shape and dtype"
        return agreed(rule, carry, following), repeated(specs(y), (count,))
    if not count:
        row = None if xs is None else nest.pack(xs, [AbstractTensor(dims(x)[1:], x.dtype) for x in leaves])
        return carry, nothing(traced(lambda c, x: _pair(f(c, x), c)[1], carry, row), (0,))
    rows = [slices(leaf, count) for leaf in leaves]
    ys = []
    for i in range(count)[::-1] if reverse else range(count):
        carry, y = _pair(f(carry, None if xs is None else nest.pack(xs, [row[i] for row in rows])), carry)
        ys.append(y)
    return carry, stacked("scan", ys[::-1] if reverse else ys)


def _rounds(length: Any, count: Any) -> Any:
    """How many slices a scan takes of so many, None if there are none."""
    if length is None:
        if count is None:
            raise ValueError("scan: expected xs to scan over or a length, got neither.")
        return count
    wanted = integer("scan", "length", length)
    if isinstance(wanted, AbstractTensor):
        return dimensions.unknown("length")
    if isinstance(wanted, int) and (wanted < 0 or isinstance(count, int) and wanted > count):
        limit = "" if count is None else f", at most the {count} slices of xs"
        raise ValueError(f"scan: expected a length >= 0{limit}, got {wanted}.")
    return wanted


def _pair(result: Any, carry: Any) -> tuple[Any, Any]:
    """The next carry as tensors, and y; zeros like the carry for None."""
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise ValueError(f"scan: expected f to return a pair of the next carry and a result, got {describe(result)}.")
    following, y = result
    keep_structure("scan: expected f to return a carry of the structure that it was given", carry, following)
    if y is None:
        y = [leaf if leaf is None else creation.zeros(dims(leaf), leaf.dtype) for leaf in nest.flatten(carry)]
    return nest.map_structure(to_tensor, following), y


@takes_functions("f", "elems", "Pass it along in elems.")
def associative_scan(f: Callable[..., Any], elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """y[k] = f(… f(f(x[0], x[1]), x[2]) …, x[k]) along an axis, for an associative f, in log depth.

    Pairs of neighbors are combined, then pairs of pairs, and the places between filled in: f is called about
    2 log2(n) times, on many slices at once (Blelloch 1990, "Prefix sums and their applications", section 1.2).

    Args:
      f: from two structures like elems to a third, elementwise along the axis.
      elems: a tensor, or a structure of them with one size along the axis.
      reverse: whether to start from the last slice.
      axis: which axis.

    Raises:
      TypeError: if f cannot be called.
      ValueError: if sizes differ along the axis, or f returns another structure or other shapes.
      TraceError: if elems is a symbol and f captures another one.

    >>> associative_scan(lambda a, b: a + b, Tensor([1, 2, 3, 4]))
    Tensor([ 1,  3,  6, 10], shape=(4,), dtype=int32)
    """
    expect_callable("associative_scan", "f", f)
    leaves = [to_tensor(leaf) for leaf in nest.flatten(elems)]
    for leaf in leaves:
        if not isinstance(leaf, Operand):
            raise ValueError(f"associative_scan: expected tensors in elems, got {describe(elems)}.")
    if not leaves:
        raise ValueError(f"associative_scan: expected at least one tensor in elems, got {describe(elems)}.")
    axes = [rules.normalize_axis(axis, len(dims(leaf)), "associative_scan: axis") for leaf in leaves]
    count = _one_size("associative_scan", "elems", [dims(x)[i] for x, i in zip(leaves, axes, strict=True)], leaves)

    def combine(first: list[Any], second: list[Any]) -> list[Any]:
        result = f(nest.pack(elems, first), nest.pack(elems, second))
        keep_structure("associative_scan: expected f to return the structure of its arguments", elems, result)
        combined = [creation.convert_to_tensor(leaf) for leaf in nest.flatten(result)]
        for x, y in zip(first, combined, strict=True):
            if not _alike(x, y):
                raise ValueError(
                    "associative_scan: expected f to return the shapes of its arguments, got "
                    f"{describe(y)} for {describe(x)}."
                )
        return combined

    if any_unknown(leaves):
        rows = [_along(leaf, i, slice(0, 1)) for leaf, i in zip(leaves, axes, strict=True)]
        found = [spec(leaf) for leaf in combine(rows, rows)]
        joined = [concatenate([a, b], i) for a, b, i in zip(rows, found, axes, strict=True)]
        results = [AbstractTensor(dims(x), y.dtype) for x, y in zip(leaves, joined, strict=True)]
        return nest.pack(elems, results)
    backwards = slice(None, None, -1)
    if reverse:
        leaves = [_along(leaf, i, backwards) for leaf, i in zip(leaves, axes, strict=True)]
    leaves = _prefixes(combine, leaves, axes, int(count))
    if reverse:
        leaves = [_along(leaf, i, backwards) for leaf, i in zip(leaves, axes, strict=True)]
    return nest.pack(elems, leaves)


def _along(x: Any, axis: int, part: slice) -> Any:
    return x[(*(slice(None),) * axis, part)]


def _prefixes(
    combine: Callable[[list[Any], list[Any]], list[Any]], leaves: list[Any], axes: list[int], count: int
) -> list[Any]:
    """The combinations of the first 1, 2, … slices: odd places from pairs, even ones from those before them."""
    if count < 2:
        return leaves

    def part(xs: list[Any], start: int | None, stop: int | None, step: int = 1) -> list[Any]:
        return [_along(x, axis, slice(start, stop, step)) for x, axis in zip(xs, axes, strict=True)]

    half = count // 2
    odd = _prefixes(combine, combine(part(leaves, 0, 2 * half, 2), part(leaves, 1, None, 2)), axes, half)
    even = part(leaves, 0, 1)
    if count > 2:
        later = combine(part(odd, 0, (count - 1) // 2), part(leaves, 2, None, 2))
        even = [concatenate([a, b], axis) for a, b, axis in zip(even, later, axes, strict=True)]
    return [_interleaved(a, b, axis, half) for a, b, axis in zip(even, odd, axes, strict=True)]


def _interleaved(even: Any, odd: Any, axis: int, half: int) -> Any:
    """even[0], odd[0], even[1], … along an axis, where odd has `half` slices and even as many or one more."""
    pairs = stack([_along(even, axis, slice(0, half)), odd], axis=axis + 1)
    sizes = list(dims(odd))
    sizes[axis] = 2 * half
    woven = reshape(pairs, tuple(sizes))
    if dims(even)[axis] == half:
        return woven
    return concatenate([woven, _along(even, axis, slice(half, None))], axis)
