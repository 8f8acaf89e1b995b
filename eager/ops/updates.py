"""Parts of a tensor read and written at places that are data: slices, and elements at lists of indices.

`update` gives a tensor with new values at a key; `scatter_update` and `slice_update` are made of it. Indices of
`scatter` and `scatter_update` are [..., k]: each last-axis row names a place along the first k axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dimensions, dtypes
from ..dimensions import Size
from ..errors import describe, suggest
from ..primitive import cast, primitive
from ..tensor import AbstractTensor, Operand, TensorLike, dims
from . import arrays, creation, elementwise, indexing, ranges, rules
from .arrays import getitem

_COMBINE = {"max": np.maximum, "min": np.minimum, "mul": np.multiply}


def _update_rule(x: Any, values: Any, *index: Any, key: Any, reduction: str | None = None) -> AbstractTensor:
    picked = indexing.result_shape(x.dims, index, key)
    fits = len(picked) == len(values.dims) and not any(
        dimensions.same(a, b) is False for a, b in zip(picked, values.dims, strict=True)
    )
    if not fits:
        raise ValueError(f"expected values of shape {dimensions.display(picked)}")
    return AbstractTensor(x.dims, x.dtype)


@primitive(shape=_update_rule)
def update(x: TensorLike, values: TensorLike, *index: Any, key: Any, reduction: str | None = None) -> Any:
    """x with the values at `key` in place of its own, or combined with them ("max", "min", "mul"); see `getitem`.

    Of several values for one place the last one stays, or all are combined, where the index arrays have one axis.
    """
    filled = indexing.fill(key, index)
    if reduction is None:
        result = np.array(x)
        result[filled] = values
        return result
    result = np.array(x, order="C")
    indexing.combine_at(_COMBINE[reduction], result, filled, np.asarray(values))
    return result


def _update_back(
    wanted: Any, g: Any, y: Any, x: Any, values: Any, *index: Any, key: Any, reduction: str | None = None
) -> Any:
    rule = {None: _set_back, "mul": _product_back}.get(reduction, _extremum_back)
    return [*rule(wanted, g, y, x, values, index, key), *[None] * len(index)]


def _set_back(wanted: Any, g: Any, y: Any, x: Any, values: Any, index: Any, key: Any) -> Any:
    """What is overwritten gets no gradient: x where there are values, a value after which comes another."""
    of_x = update(g, creation.zeros_like(values), *index, key=key) if wanted[0] else None
    if not wanted[1]:
        return of_x, None
    of_values = getitem(g, *index, key=key)
    if index:
        flat = arrays.reshape(values, newshape=(-1,))
        order = arrays.reshape(ranges.positions(flat, axis=0), newshape=dims(values))
        winners = update(creation.zeros_like(x, dtypes.INTX), order, *index, key=key)
        of_values = of_values * cast(elementwise.equal(getitem(winners, *index, key=key), order), dtype=g.dtype)
    return of_x, of_values


def _extremum_back(wanted: Any, g: Any, y: Any, x: Any, values: Any, index: Any, key: Any) -> Any:
    """Equal ones share the gradient."""
    wide = g.dtype if g.dtype.itemsize > 2 else dtypes.FLOATX  # 16 bits cannot count many ties
    ties = cast(elementwise.equal(values, getitem(y, *index, key=key)), dtype=wide)
    mine = cast(elementwise.equal(x, y), dtype=wide)
    count = mine + arrays.scatter(ties, *index, key=key, shape=dims(x))
    shared = elementwise.cast_like(g, wide) / elementwise.maximum(count, 1)  # a NaN equals nothing
    gradients = shared * mine, getitem(shared, *index, key=key) * ties
    return [
        elementwise.cast_like(gradient, g) if want else None for want, gradient in zip(wanted, gradients, strict=False)
    ]


def _product_back(wanted: Any, g: Any, y: Any, x: Any, values: Any, index: Any, key: Any) -> Any:
    """The product of all other factors, without dividing by 0, and correct up to the second order.

    Let P be the product of the values that are not 0 and Z the sum of those that are: Z is 0, but its gradient is not.
    Of factors among which no value is 0 the product is P, with one such it is P · Z, with more it is 0.
    """

    def read(source: Any) -> Any:
        return getitem(source, *index, key=key)

    def add(source: Any) -> Any:
        return arrays.scatter(source, *index, key=key, shape=dims(x))

    def product(others: Any, number: Any, total: Any) -> Any:
        one = creation.ones_like(others)
        rest = elementwise.select(
            elementwise.equal(number, 0), one, elementwise.select(elementwise.equal(number, 1), total, one * 0)
        )
        return others * rest

    zero = elementwise.equal(values, 0)
    nonzero = elementwise.select(zero, creation.ones_like(values), values)
    zeros = elementwise.select(zero, values, creation.zeros_like(values))
    counted = cast(zero, dtype=g.dtype)
    factors = update(creation.ones_like(x), nonzero, *index, key=key, reduction="mul")
    number, total = add(counted), add(zeros)
    of_x = g * product(factors, number, total) if wanted[0] else None
    if not wanted[1]:
        return of_x, None
    others = product(read(factors) / nonzero, read(number) - counted, read(total) - zeros)
    return of_x, read(g * x) * others


update.defvjp_all(_update_back)


def scatter_update(inputs: TensorLike, indices: TensorLike, updates: TensorLike, reduction: str | None = None) -> Any:
    """inputs with the updates at the indices: inputs[indices[i, 0], indices[i, 1], …] is updates[i].

    Args:
      inputs: the tensor to start from.
      indices: integers [..., k] with 1 <= k <= rank; negative ones count from the end.
      updates: what broadcasts to [..., *inputs.shape[k:]]; converted to the dtype of the inputs.
      reduction: None replaces (the last update of a place stays); "add", "max", "min" and "mul" combine all of a place
        with what the inputs have there. Gradients: equal ones share that of an extremum.

    Raises:
      ValueError: for another reduction, or shapes that do not fit.
      IndexError: for an index out of range.

    >>> eagerly.ops.scatter_update([1, 2, 3], [[0], [0]], [10, 20], reduction="add").tolist()
    [31, 2, 3]
    """
    how = reduction.lower() if isinstance(reduction, str) else reduction
    if how not in (None, "add", *_COMBINE):
        raise ValueError(
            f"scatter_update: expected reduction None, 'add', 'max', 'min' or 'mul', got {reduction!r}."
            f"{suggest(str(reduction), ('add', *_COMBINE))}"
        )
    inputs = _tensor(inputs)
    index, values = _listed("scatter_update", indices, elementwise.cast_like(updates, inputs), dims(inputs))
    key = (indexing.PLACE,) * len(index)
    if how == "add":
        return elementwise.add(inputs, arrays.scatter(values, *index, key=key, shape=dims(inputs)))
    return update(inputs, values, *index, key=key, reduction=how)


def _tensor(x: Any) -> Any:
    return creation.convert_to_tensor(x) if isinstance(x, (bool, int, float)) else x


def scatter_nd(indices: TensorLike, values: TensorLike, shape: Sequence[Any]) -> Any:
    """Zeros of a shape with the values added at the indices; see `scatter_update`.

    Args:
      indices: integers [..., k] with 1 <= k <= rank; negative ones count from the end.
      values: what broadcasts to [..., *shape[k:]]; the values of one place are added.
      shape: the shape of the result.

    Raises:
      ValueError: if the shapes do not fit.
      IndexError: for an index out of range.

    >>> eagerly.ops.scatter([[0, 1], [1, 1]], [5, 6], (2, 2)).tolist()
    [[0, 5], [0, 6]]
    """
    sizes = tuple(rules.integers(shape, "scatter: shape"))
    index, values = _listed("scatter", indices, _tensor(values), sizes)
    return arrays.scatter(values, *index, key=(indexing.PLACE,) * len(index), shape=sizes)


def _listed(name: str, indices: Any, values: Any, shape: tuple[Size, ...]) -> tuple[list[Any], Any]:
    """A list of index arrays with one axis, one for each leading axis of the shape, and the values with that axis."""
    found = dims(indices)
    depth = found[-1] if found else 0
    integral = hasattr(indices, "dtype") and indices.dtype.kind in "iu"
    if not integral or not isinstance(depth, int) or not 1 <= depth <= len(shape):
        raise ValueError(
            f"{name}: expected integer indices whose last axis has 1 to {len(shape)} elements, one for each axis of "
            f"{dimensions.display(shape)} that they name, got {describe(indices)}."
        )
    rows = arrays.reshape(indices, newshape=(-1, depth))
    target = (*found[:-1], *shape[depth:])
    if len(dims(values)) != len(target) or any(
        dimensions.same(a, b) is not True for a, b in zip(dims(values), target, strict=True)
    ):
        values = arrays.broadcast_to(values, shape=target)
    values = arrays.reshape(values, newshape=(dimensions.product(found[:-1]), *shape[depth:]))
    return [getitem(rows, key=(slice(None), i)) for i in range(depth)], values


def slice_at(inputs: TensorLike, start_indices: Any, shape: Sequence[Any]) -> Any:
    """The part of a tensor that begins at `start_indices` and has the given shape.

    Args:
      inputs: the tensor.
      start_indices: an integer for each axis; a tensor, or a list that may hold tensors.
      shape: the size along each axis; -1 for all that follows.

    Raises:
      ValueError: if the part does not lie in the tensor.
      IndexError: in a compiled graph, where the start is known as late as the values.

    >>> eagerly.ops.slice([[1, 2, 3], [4, 5, 6]], (0, 1), (2, 2)).tolist()
    [[2, 3], [5, 6]]
    """
    starts = _starts("slice", inputs, start_indices)
    sizes = rules.integers(shape, "slice: shape")
    if len(sizes) != len(starts):
        raise ValueError(f"slice: expected a size for each axis of {describe(inputs)}, got {describe(shape)}.")
    for axis, (start, size) in enumerate(zip(starts, sizes, strict=True)):
        if isinstance(size, int) and size == -1:
            if isinstance(start, Operand):
                raise ValueError(f"slice: expected a size along axis {axis}, where the start has no value, got -1.")
            sizes[axis] = dims(inputs)[axis] - start
    index, key = _window("slice", inputs, starts, sizes)
    part = getitem(inputs, *index, key=key)
    known = dimensions.known((*dims(inputs), *dims(part), *sizes))
    return part if known else arrays.reshape(part, newshape=tuple(sizes))


def slice_update(inputs: TensorLike, start_indices: Any, updates: TensorLike) -> Any:
    """inputs with the updates in place of the part of their shape that begins at `start_indices`; see `slice`.

    Raises:
      ValueError: if the part does not lie in the tensor.
      IndexError: in a compiled graph, where the start is known as late as the values.

    >>> eagerly.ops.slice_update([1, 2, 3, 4], [1], [8, 9]).tolist()
    [1, 8, 9, 4]
    """
    inputs = _tensor(inputs)
    starts = _starts("slice_update", inputs, start_indices)
    updates = elementwise.cast_like(updates, inputs)
    if len(dims(updates)) != len(starts):
        raise ValueError(
            f"slice_update: expected updates with as many axes as the inputs {describe(inputs)}, "
            f"got {describe(updates)}."
        )
    index, key = _window("slice_update", inputs, starts, dims(updates))
    return update(inputs, updates, *index, key=key)


def _starts(name: str, x: Any, start_indices: Any) -> list[Any]:
    """An integer, a dimension or a scalar without a value for each axis."""
    what = f"{name}: start_indices"
    if isinstance(start_indices, AbstractTensor) and start_indices.ndim:
        starts = [getitem(start_indices, key=(i,)) for i in range(len(start_indices))]
    elif isinstance(start_indices, (list, tuple)):
        starts = [i if isinstance(i, AbstractTensor) else rules.integers([i], what)[0] for i in start_indices]
    else:
        starts = rules.integers(start_indices, what)
    if any(isinstance(i, AbstractTensor) and (i.ndim or i.dtype.kind not in "iu") for i in starts):
        raise ValueError(f"{what}: expected integers, got {describe(start_indices)}.")
    if len(starts) != len(dims(x)):
        raise ValueError(f"{name}: expected a start for each axis of {describe(x)}, got {describe(start_indices)}.")
    return starts


def _window(name: str, x: Any, starts: list[Any], sizes: Sequence[Size]) -> tuple[list[Any], tuple[Any, ...]]:
    """The key of a part: slices, or places as an open grid where a start has no value yet."""
    for axis, (start, size) in enumerate(zip(starts, sizes, strict=True)):
        whole = dims(x)[axis]
        outside = any(isinstance(number, int) and number < 0 for number in (start, size))
        if outside or (all(isinstance(number, int) for number in (start, size, whole)) and start + size > whole):
            raise ValueError(
                f"{name}: expected a part within axis {axis} of {describe(x)}, got {size} elements from {start} on."
            )
    if not any(isinstance(start, AbstractTensor) for start in starts):
        return [], tuple(slice(start, start + size) for start, size in zip(starts, sizes, strict=True))
    places = []
    for axis, (start, size) in enumerate(zip(starts, sizes, strict=True)):
        along = tuple(-1 if i == axis else 1 for i in range(len(starts)))
        numbers = start + ranges.arange(size)
        if isinstance(start, AbstractTensor) and isinstance(whole := dims(x)[axis], int):
            numbers = elementwise.select(start >= 0, numbers, whole)  # no place, where -1 would be the last one
        places.append(arrays.reshape(numbers, newshape=along))
    return places, (indexing.PLACE,) * len(places)
