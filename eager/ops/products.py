"""NumPy's products of tensors: `einsum` and its cases, which sum over shared axes; Kronecker's, and that of vectors."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from .. import dimensions, dtypes
from ..errors import describe
from ..tensor import TensorLike, dims, to_array
from . import arrays, creation, elementwise, moves, parts, rules
from .contractions import Labels, contracted


def einsum(subscripts: str, *operands: TensorLike, **kwargs: Any) -> Any:
    """The sum of products that subscripts in Einstein's convention describe.

    Each letter names an axis of the operands; the result has the axes after "->", and is summed over all others.
    Without "->" it has the letters that occur once, in alphabetical order. "..." stands for any further axes, which
    broadcast and come first unless the result places them. A letter twice in one operand takes its diagonal.

    Args:
      subscripts: the letters of each operand between commas, and those of the result.
      *operands: as many tensors.
      **kwargs: `optimize` may be given; the order of contractions is always a good one.

    Raises:
      ValueError: for subscripts that are not of this form or do not fit the operands.

    >>> eagerly.ops.einsum("ij,jk->ik", [[1, 2], [3, 4]], [[1, 0], [0, 1]]).tolist()
    [[1, 2], [3, 4]]
    """
    unknown = sorted(kwargs.keys() - {"optimize"})
    if unknown:
        raise ValueError(f"einsum: expected no options but optimize, got {', '.join(unknown)}.")
    if not isinstance(subscripts, str):
        raise ValueError(f"einsum: expected the subscripts as one string, 'ij,jk->ik', got {describe(subscripts)}.")
    tensors = [_tensor(x) for x in operands]
    inputs, output = _parsed(subscripts, tuple(x.ndim for x in tensors))
    target = dtypes.result_type(*tensors)
    if all(x.dtype == "int8" for x in tensors):
        target = dtypes.INTX  # as in Keras
    return contracted("einsum", tensors, inputs, output, target)


@functools.lru_cache(maxsize=256)
def _parsed(subscripts: str, ranks: tuple[int, ...]) -> tuple[tuple[Labels, ...], Labels]:
    """The labels of each operand and of the result: letters, and -1, -2, … for the axes of "..." from the last on."""
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise ValueError(f"einsum: expected {len(terms)} operands for {subscripts!r}, got {len(ranks)}.")
    inputs = tuple(_labels(term, rank, subscripts) for term, rank in zip(terms, ranks, strict=True))
    found = [label for labels in inputs for label in labels]
    rest = sorted({label for label in found if isinstance(label, int)})
    if arrow:
        output = _labels(right, len(right.replace("...", "")) + (len(rest) if "..." in right else 0), subscripts)
    else:
        output = (*rest, *sorted(x for x in set(found) if isinstance(x, str) and found.count(x) == 1))
    if len(set(output)) != len(output) or not set(output) <= set(found) or not set(rest) <= set(output):
        raise ValueError(
            f"einsum: expected a result that has letters of the operands, each once, and '...' if they have axes for "
            f"it, got {subscripts!r}."
        )
    return inputs, output


def _labels(term: str, rank: int, subscripts: str) -> Labels:
    before, dots, after = term.partition("...")
    letters = before + after
    if letters and not (letters.isascii() and letters.isalpha()):
        raise ValueError(f"einsum: expected letters, commas, one '...' an operand and '->', got {subscripts!r}.")
    if len(letters) > rank or (len(letters) < rank and not dots):
        raise ValueError(f"einsum: expected an operand with {len(letters)} axes for {term!r}, got one with {rank}.")
    return (*before, *range(len(letters) - rank, 0), *after)


def _tensor(x: Any) -> Any:
    return x if hasattr(x, "dtype") else to_array(x)


def _summed_over(name: str, x1: Any, x2: Any, axes1: Sequence[int], axes2: Sequence[int]) -> Any:
    """The product with the i-th of axes1 summed against the i-th of axes2, and all others one after another."""
    left, right = dims(x1), dims(x2)
    first: list[Any] = list(range(len(left)))
    second: list[Any] = list(range(len(left), len(left) + len(right)))
    for i, j in zip(axes1, axes2, strict=True):
        if dimensions.same(left[i], right[j]) is False:
            raise ValueError(
                f"{name}: expected axis {i} of the first and axis {j} of the second operand to have one size, got "
                f"{describe(x1)} and {describe(x2)}."
            )
        second[j] = first[i]
    output = [i for i in first if i not in second] + [i for i in second if i not in first]
    labels = tuple(first), tuple(second)
    return contracted(name, (x1, x2), labels, tuple(output), dtypes.result_type(x1, x2))


def tensordot(x1: TensorLike, x2: TensorLike, axes: Any = 2) -> Any:
    """The sum of products over some axes of x1 and as many of x2, with the other axes of both one after another.

    Args:
      x1: the first tensor.
      x2: the second tensor.
      axes: n for the last n of x1 and the first n of x2 in order, or the axes of x1 and those of x2.

    Raises:
      ValueError: if the axes do not fit each other.

    >>> eagerly.ops.tensordot([[1, 2], [3, 4]], [10, 1], axes=1).tolist()
    [12, 34]
    """
    x1, x2 = _tensor(x1), _tensor(x2)
    ranks = x1.ndim, x2.ndim
    if isinstance(axes, (list, tuple)):
        if len(axes) != 2:
            raise ValueError(f"tensordot: expected a number of axes, or those of x1 and those of x2, got {axes}.")
        first, second = (
            rules.normalize_axes(tuple(rules.integers(own, "tensordot: axes")), rank, "tensordot: axes")
            for own, rank in zip(axes, ranks, strict=True)
        )
    else:
        (count,) = rules.integers(axes, "tensordot: axes")
        if not 0 <= count <= min(ranks):
            raise ValueError(
                f"tensordot: expected a number of axes that both have, got {axes} for {describe(x1)} and "
                f"{describe(x2)}."
            )
        first, second = tuple(range(ranks[0] - count, ranks[0])), tuple(range(count))
    if len(first) != len(second):
        raise ValueError(f"tensordot: expected as many axes of x1 as of x2, got {axes}.")
    return _summed_over("tensordot", x1, x2, first, second)


def dot(x1: TensorLike, x2: TensorLike) -> Any:
    """The sum of products over the last axis of x1 and the second-last (only) one of x2; x1 · x2 if one is a scalar."""
    x1, x2 = _tensor(x1), _tensor(x2)
    if not x1.ndim or not x2.ndim:
        return elementwise.multiply(x1, x2)
    return _summed_over("dot", x1, x2, (x1.ndim - 1,), (max(x2.ndim - 2, 0),))


def inner(x1: TensorLike, x2: TensorLike) -> Any:
    """The sum of products over the last axes of both; x1 · x2 if one is a scalar."""
    x1, x2 = _tensor(x1), _tensor(x2)
    if not x1.ndim or not x2.ndim:
        return elementwise.multiply(x1, x2)
    return _summed_over("inner", x1, x2, (x1.ndim - 1,), (x2.ndim - 1,))


def vdot(x1: TensorLike, x2: TensorLike) -> Any:
    """The sum of products of all elements of two tensors, in row-major order; those of x1 are conjugated."""
    return _summed_over("vdot", parts.conj(moves.ravel(_tensor(x1))), moves.ravel(_tensor(x2)), (0,), (0,))


def outer(x1: TensorLike, x2: TensorLike) -> Any:
    """The matrix of products of the elements of x1, in rows, and those of x2, in columns."""
    rows = arrays.reshape(_tensor(x1), newshape=(-1, 1))
    return elementwise.multiply(rows, arrays.reshape(_tensor(x2), newshape=(1, -1)))


def kron(x1: TensorLike, x2: TensorLike) -> Any:
    """Kronecker's product: x1 with each element replaced by its product with x2.

    >>> eagerly.ops.kron([1, 10], [1, 2]).tolist()
    [1, 2, 10, 20]
    """
    x1, x2 = _tensor(x1), _tensor(x2)
    rank = max(len(dims(x1)), len(dims(x2)))
    first, second = ((*(1,) * (rank - len(dims(x))), *dims(x)) for x in (x1, x2))
    a = arrays.reshape(x1, newshape=[part for size in first for part in (size, 1)])
    b = arrays.reshape(x2, newshape=[part for size in second for part in (1, size)])
    return arrays.reshape(elementwise.multiply(a, b), newshape=[m * n for m, n in zip(first, second, strict=True)])


def cross(
    x1: TensorLike, x2: TensorLike, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    """The cross product of vectors with two or three components; a vector of two has 0 as its third.

    Args:
      x1: the first vectors.
      x2: the second vectors, which broadcast with the first.
      axisa: the axis of x1 that the components are along.
      axisb: the axis of x2 that the components are along.
      axisc: that axis of the result; where both have two components the result is the third, without an axis for it.
      axis: one axis for all three.

    Raises:
      ValueError: if there are not two or three components.

    >>> eagerly.ops.cross([1, 0, 0], [0, 1, 0]).tolist()
    [0, 0, 1]
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    first, second = (_components(x, place) for x, place in ((_tensor(x1), axisa), (_tensor(x2), axisb)))
    last = first[0] * second[1] - first[1] * second[0]
    if len(first) == len(second) == 2:
        return last
    (a0, a1, a2), (b0, b1, b2) = ((*v, creation.zeros_like(v[0]))[:3] for v in (first, second))
    return arrays.stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, last], axisc)


def _components(x: Any, axis: int) -> list[Any]:
    axis = rules.normalize_axis(axis, len(dims(x)), "cross: axis")
    size = dims(x)[axis]
    if not isinstance(size, int) or size not in (2, 3):
        raise ValueError(f"cross: expected 2 or 3 components along axis {axis}, got {describe(x)}.")
    return [arrays.getitem(x, key=(*(slice(None),) * axis, i)) for i in range(size)]
