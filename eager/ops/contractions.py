"""Contractions: sums of products of tensors over shared axes. Every operand has a label for each of its axes.

Two operands are contracted at a time, as one batched matrix product [batch, left, shared] · [batch, shared, right], or
as an elementwise product where nothing is summed or nothing is left. The steps depend on labels and shapes alone, so
they are found once, on abstract tensors. 16-bit floats are contracted in 32 bits, small integers and truth values too.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any

from .. import dimensions, dtypes
from ..context import scoped
from ..dimensions import Dim, Shape, Size
from ..errors import describe
from ..recorder import Recorder
from ..tensor import AbstractTensor, dims
from . import arrays, diagonals, elementwise, linear, reductions

Labels = tuple[Any, ...]
Term = tuple[Any, Labels]
_TYPICAL = 64  # what an unknown size counts as where costs are compared
_EXHAUSTIVE = 6  # up to so many operands the best order is found, 3ⁿ/2 steps; further ones are merged greedily first


def contracted(name: str, operands: Sequence[Any], inputs: tuple[Labels, ...], output: Labels, target: Any) -> Any:
    """The sum of products of the operands with these labels, over all labels but those of the result, in a dtype.

    Raises:
      ValueError: if axes of one label differ in size, and none of them is 1.
    """
    work = target
    if target.itemsize < 4:
        work = dtypes.FLOATX if dtypes.is_float(target) else dtypes.INTX
    tensors = [elementwise.cast_like(x, work) for x in operands]
    shapes = tuple(map(dims, tensors))
    if not all(map(dimensions.known, shapes)):
        return elementwise.cast_like(_contract(name, tensors, inputs, output), target)
    try:
        steps = _steps(inputs, output, shapes)
    except ValueError:
        _contract(name, operands, inputs, output)  # says the same of these operands
        raise
    for primitive, places, params in steps:
        tensors.append(primitive(*(tensors[i] for i in places), **params))
    return elementwise.cast_like(tensors[-1], target)


class _Steps(Recorder):
    """Writes down primitives with the places of their inputs in the list of all that there is."""

    __slots__ = ("places", "steps", "values")

    def __init__(self, values: list[Any]):
        self.values = list(values)
        self.places = {id(value): i for i, value in enumerate(values)}
        self.steps: list[tuple[Any, list[int], dict[str, Any]]] = []

    def record(self, primitive: Any, inputs: tuple[Any, ...], params: dict[str, Any], outputs: Any) -> None:
        self.steps.append((primitive, [self.places[id(x)] for x in inputs], params))
        self.places[id(outputs)] = len(self.values)
        self.values.append(outputs)


@functools.lru_cache(maxsize=256)
def _steps(inputs: tuple[Labels, ...], output: Labels, shapes: tuple[Shape, ...]) -> list[Any]:
    """The primitives to run: each with the places of its inputs among operands and earlier results, and its params."""
    operands = [AbstractTensor(shape) for shape in shapes]
    recorder = _Steps(operands)
    with scoped(recorders=(recorder,)):
        _contract("", operands, inputs, output)
    return recorder.steps


def _contract(name: str, operands: Sequence[Any], inputs: tuple[Labels, ...], output: Labels) -> Any:
    terms: list[Term] = list(zip(operands, inputs, strict=True))
    sizes = _sizes(name, terms)
    terms = [_single(name, x, labels, sizes) for x, labels in terms]
    counts = {label: sum(label in labels for _, labels in terms) for label in sizes}
    terms = [_summed(x, labels, {i for i in labels if counts[i] == 1} - set(output)) for x, labels in terms]
    for i, j in _order(tuple(labels for _, labels in terms), output, sizes):
        second, first = terms.pop(j), terms.pop(i)
        needed = set(output).union(*(labels for _, labels in terms))
        terms.append(_pair(first, second, tuple(i for i in sizes if i in needed) if terms else output))
    ((result, labels),) = terms
    return (
        elementwise.identity(result) if result is operands[0] and labels == output else _ordered(result, labels, output)
    )


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


def _single(name: str, x: Any, labels: Labels, sizes: dict[Any, Size]) -> Term:
    """The operand with each label once, without those along which it broadcasts."""
    while len(set(labels)) < len(labels):
        label = next(i for i in labels if labels.count(i) > 1)
        first = labels.index(label)
        second = labels.index(label, first + 1)
        if dimensions.same(dims(x)[first], dims(x)[second]) is False:
            raise ValueError(f"{name}: expected axes of one size for the diagonal {label!r}, got {describe(x)}.")
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
    return summed, tuple(label for label in labels if label not in gone)


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
