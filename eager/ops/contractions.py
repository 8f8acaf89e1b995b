"""Sums of products over shared axes: `einsum`, and the products of NumPy that are cases of it.

Every operand has a label for each axis. Two operands are contracted at a time, as one batched matrix product of
[batch, left, shared] and [batch, shared, right], or as an elementwise product where nothing is summed. 16-bit floats
are contracted in 32 bits, truth values as integers.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any

from .. import dimensions, dtypes
from ..dimensions import Dim, Size
from ..errors import describe
from ..tensor import TensorLike, dims, to_array
from . import arrays, creation, diagonals, elementwise, linear, moves, reductions, rules

Labels = tuple[Any, ...]
Term = tuple[Any, Labels]
_TYPICAL = 64  # what an unknown size counts as where costs are compared
_EXHAUSTIVE = 6  # up to so many operands the best order is found, 3ⁿ/2 steps; further ones are merged greedily first


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
    tensors = [x if hasattr(x, "dtype") else to_array(x) for x in operands]
    inputs, output = _parsed(subscripts, tuple(len(dims(x)) for x in tensors))
    target = dtypes.result_type(*tensors)
    if all(x.dtype == "int8" for x in tensors):
        target = dtypes.INTX  # as in Keras
    return _contracted("einsum", list(zip(tensors, inputs, strict=True)), output, target)


@functools.lru_cache(maxsize=256)
def _parsed(subscripts: str, ranks: tuple[int, ...]) -> tuple[list[Labels], Labels]:
    """The labels of each operand and of the result: letters, and -1, -2, … for the axes of "..." from the last on."""
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise ValueError(f"einsum: expected {len(terms)} operands for {subscripts!r}, got {len(ranks)}.")
    inputs = [_labels(term, rank, subscripts) for term, rank in zip(terms, ranks, strict=True)]
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


def _contracted(name: str, terms: list[Term], output: Labels, target: Any) -> Any:
    """The contraction of any number of operands, in the given dtype."""
    single, work = len(terms) == 1, target
    if dtypes.is_float(target) and target.itemsize < 4:
        work = dtypes.FLOATX
    elif target.kind == "b":
        work = dtypes.INTX
    sizes = _sizes(name, terms)
    terms = [_single(elementwise.cast_like(x, work), labels, sizes) for x, labels in terms]
    counts = {label: sum(label in labels for _, labels in terms) for label in sizes}
    terms = [_summed(x, labels, {i for i in labels if counts[i] == 1} - set(output)) for x, labels in terms]
    for i, j in _order(tuple(labels for _, labels in terms), output, sizes):
        second, first = terms.pop(j), terms.pop(i)
        needed = set(output).union(*(labels for _, labels in terms))
        terms.append(_pair(first, second, tuple(i for i in sizes if i in needed) if terms else output))
    ((result, labels),) = terms
    result = _ordered(elementwise.identity(result) if single else result, labels, output)
    return elementwise.cast_like(result, target)


def _sizes(name: str, terms: list[Term]) -> dict[Any, Size]:
    """The size of each label; axes of size 1 broadcast."""
    sizes: dict[Any, Size] = {}
    for x, labels in terms:
        for label, size in zip(labels, dims(x), strict=True):
            try:
                (sizes[label],) = dimensions.broadcast((sizes.get(label, 1),), (size,))
            except ValueError:
                where = repr(label) if isinstance(label, str) else f"axis {label} of '...'"
                raise ValueError(
                    f"{name}: expected axes of one size for {where}, got {sizes[label]} and {size} in "
                    f"{', '.join(describe(y) for y, _ in terms)}."
                ) from None
    return sizes


def _single(x: Any, labels: Labels, sizes: dict[Any, Size]) -> Term:
    """The operand with each label once, without those along which it broadcasts."""
    while len(set(labels)) < len(labels):
        label = next(i for i in labels if labels.count(i) > 1)
        first = labels.index(label)
        second = labels.index(label, first + 1)
        if dimensions.same(dims(x)[first], dims(x)[second]) is False:
            raise ValueError(f"einsum: expected axes of one size for the diagonal {label!r}, got {describe(x)}.")
        x = diagonals.diagonal(x, axis1=first, axis2=second)
        labels = (*(i for place, i in enumerate(labels) if place not in (first, second)), label)
    kept = [i for i, size in enumerate(dims(x)) if not _broadcasts(size, sizes[labels[i]])]
    if len(kept) < len(labels):
        x, labels = arrays.reshape(x, newshape=[dims(x)[i] for i in kept]), tuple(labels[i] for i in kept)
    return x, labels


def _broadcasts(size: Size, whole: Size) -> bool:
    return dimensions.same(size, 1) is True and dimensions.same(whole, 1) is not True


def _summed(x: Any, labels: Labels, gone: set[Any]) -> Term:
    if not gone:
        return x, labels
    summed = reductions.sum(x, axis=tuple(i for i, label in enumerate(labels) if label in gone))
    return elementwise.cast_like(summed, x), tuple(label for label in labels if label not in gone)


def _pair(first: Term, second: Term, needed: Labels) -> Term:
    """The contraction of two operands to the labels that are needed, in their order as far as it costs nothing."""
    (a, a_labels), (b, b_labels) = first, second
    wanted = [i for i in needed if i in a_labels or i in b_labels]
    shared = [i for i in a_labels if i in b_labels and i not in needed]
    batch = [i for i in wanted if i in a_labels and i in b_labels]
    left = [i for i in wanted if i not in b_labels]
    right = [i for i in wanted if i not in a_labels]
    if not shared or (batch and not left and not right):
        product = elementwise.multiply(_laid_out(a, a_labels, wanted + shared), _laid_out(b, b_labels, wanted + shared))
        return _summed(product, (*wanted, *shared), set(shared))
    if left and wanted and wanted[-1] == left[-1]:  # then the result needs no reordering
        (a, a_labels, left), (b, b_labels, right) = (b, b_labels, right), (a, a_labels, left)
    rows = _matrices(a, a_labels, batch, left, shared)
    columns = _matrices(b, b_labels, batch, shared, right)
    product = linear.matmul(rows, columns)
    labels = (*batch, *left, *right)
    size = {**dict(zip(a_labels, dims(a), strict=True)), **dict(zip(b_labels, dims(b), strict=True))}
    shape = tuple(size[i] for i in labels)
    return (product if len(left) == len(right) == 1 else arrays.reshape(product, newshape=shape)), labels


def _laid_out(x: Any, labels: Labels, order: list[Any]) -> Any:
    """The operand with its axes in that order, and axes of size 1 for the labels that it lacks."""
    own = [i for i in order if i in labels]
    x = _ordered(x, labels, own)
    sizes = iter(dims(x))
    return (
        x if len(own) == len(order) else arrays.reshape(x, newshape=[next(sizes) if i in labels else 1 for i in order])
    )


def _ordered(x: Any, labels: Labels, order: Sequence[Any]) -> Any:
    return x if list(labels) == list(order) else arrays.transpose(x, axes=[labels.index(i) for i in order])


def _matrices(x: Any, labels: Labels, batch: list[Any], rows: list[Any], columns: list[Any]) -> Any:
    """The operand as [*batch, rows, columns], with one axis for all labels of each."""
    x = _ordered(x, labels, (*batch, *rows, *columns))
    if len(rows) == len(columns) == 1:
        return x
    shape = dims(x)
    cut = len(batch) + len(rows)
    merged = dimensions.product(shape[len(batch) : cut]), dimensions.product(shape[cut:])
    return arrays.reshape(x, newshape=(*shape[: len(batch)], *merged))


def _order(terms: tuple[Labels, ...], output: Labels, sizes: dict[Any, Size]) -> Sequence[tuple[int, int]]:
    """Which two operands to contract, time after time, for the least work; their product comes last."""
    if len(terms) < 3:
        return [(0, 1)] if len(terms) == 2 else []
    extents = tuple((label, _TYPICAL if isinstance(size, Dim) else int(size)) for label, size in sizes.items())
    return _best_order(tuple(map(frozenset, terms)), frozenset(output), extents)


@functools.lru_cache(maxsize=256)
def _best_order(
    terms: tuple[frozenset[Any], ...], output: frozenset[Any], extents: tuple[tuple[Any, int], ...]
) -> list[tuple[int, int]]:
    extent = dict(extents)

    def cost(labels: frozenset[Any]) -> int:
        return math.prod(extent[label] for label in labels)

    remaining = list(terms)
    steps = []
    while len(remaining) > _EXHAUSTIVE:  # the pair with the cheapest product
        pairs = itertools.combinations(range(len(remaining)), 2)
        i, j = min(pairs, key=lambda pair: cost(remaining[pair[0]] | remaining[pair[1]]))
        steps.append((i, j))
        second, first = remaining.pop(j), remaining.pop(i)
        remaining.append((first | second) & output.union(*remaining))

    @functools.cache
    def best(group: frozenset[int]) -> tuple[int, Any]:
        """The least cost of contracting a group of operands, and the tree that has it."""
        if len(group) == 1:
            return 0, next(iter(group))
        choices = []
        for part in _halves(group):
            other = group - part
            price = best(part)[0] + best(other)[0] + cost(result(part) | result(other))
            choices.append((price, best(part)[1], best(other)[1]))
        price, *tree = min(choices, key=lambda choice: choice[0])
        return price, tuple(tree)

    def result(group: frozenset[int]) -> frozenset[Any]:
        inside = frozenset().union(*(remaining[i] for i in group))
        return inside & output.union(*(labels for i, labels in enumerate(remaining) if i not in group))

    names: list[Any] = list(range(len(remaining)))

    def walk(tree: Any) -> Any:
        if isinstance(tree, int):
            return tree
        parts = [walk(part) for part in tree]
        places = sorted(map(names.index, parts))
        steps.append((places[0], places[1]))
        for place in reversed(places):
            names.pop(place)
        names.append(tree)
        return tree

    walk(best(frozenset(names))[1])
    return steps


def _halves(group: frozenset[int]) -> list[frozenset[int]]:
    """Every way to cut a group in two, once."""
    first, *others = sorted(group)
    return [
        frozenset((first, *chosen)) for count in range(len(others)) for chosen in itertools.combinations(others, count)
    ]


def _product(name: str, x1: Any, x2: Any, first: Labels, second: Labels, output: Labels) -> Any:
    target = dtypes.result_type(x1, x2)
    return _contracted(name, [(x1, first), (x2, second)], output, target)


def _tensor(x: Any) -> Any:
    return x if hasattr(x, "dtype") else to_array(x)


def _summed_over(name: str, x1: Any, x2: Any, axes1: Sequence[int], axes2: Sequence[int]) -> Any:
    """The product with the i-th of axes1 summed against the i-th of axes2, and all others one after another."""
    first: list[Any] = list(range(len(dims(x1))))
    second: list[Any] = [len(first) + i for i in range(len(dims(x2)))]
    for i, j in zip(axes1, axes2, strict=True):
        if dimensions.same(dims(x1)[i], dims(x2)[j]) is False:
            raise ValueError(
                f"{name}: expected axis {i} of the first and axis {j} of the second operand to have one size, got "
                f"{describe(x1)} and {describe(x2)}."
            )
        second[j] = first[i]
    output = [i for i in first if i not in second] + [i for i in second if i not in first]
    return _product(name, x1, x2, tuple(first), tuple(second), tuple(output))


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
    ranks = len(dims(x1)), len(dims(x2))
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
    if not dims(x1) or not dims(x2):
        return elementwise.multiply(x1, x2)
    return _summed_over("dot", x1, x2, (len(dims(x1)) - 1,), (max(len(dims(x2)) - 2, 0),))


def inner(x1: TensorLike, x2: TensorLike) -> Any:
    """The sum of products over the last axes of both; x1 · x2 if one is a scalar."""
    x1, x2 = _tensor(x1), _tensor(x2)
    if not dims(x1) or not dims(x2):
        return elementwise.multiply(x1, x2)
    return _summed_over("inner", x1, x2, (len(dims(x1)) - 1,), (len(dims(x2)) - 1,))


def vdot(x1: TensorLike, x2: TensorLike) -> Any:
    """The sum of products of all elements of two tensors, in row-major order."""
    return _summed_over("vdot", moves.ravel(_tensor(x1)), moves.ravel(_tensor(x2)), (0,), (0,))


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
