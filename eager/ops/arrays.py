"""Operations that move elements: shapes, joining, indexing, and the duals that put elements back.

Each pair of primitives (`getitem` and `scatter`, `pad` and its slice, `concatenate` and its slices) is the other's
gradient. Views are fine everywhere, because no Tensor ever changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dimensions, dtypes
from ..dimensions import Shape, Size
from ..errors import describe
from ..primitive import primitive
from ..slices import IndexedSlices
from ..tensor import AbstractTensor, Operand, TensorLike, dims
from . import copies, indexing, lookups, rules


def resolve_shape(old: Shape, new: Sequence[Any]) -> Shape:
    """The target of a reshape with its one -1 (or None) computed.

    Raises:
      ValueError: if the numbers of elements cannot agree.
    """
    new = _several(new)
    sizes: list[Size] = [
        -1 if size is None else size if isinstance(size, dimensions.Dim) else int(size) for size in new
    ]
    total = dimensions.product(old)
    free = [i for i, size in enumerate(sizes) if isinstance(size, int) and size == -1]
    if len(free) > 1:
        raise ValueError(f"newshape: expected at most one -1, got {tuple(new)}")
    rest = dimensions.product(size for i, size in enumerate(sizes) if i not in free)
    if free:
        if dimensions.same(rest, 0):
            raise ValueError(f"cannot reshape {dimensions.display(old)} to {tuple(new)}: -1 could be any size")
        sizes[free[0]] = total // rest
        rest = rest * sizes[free[0]]
    if dimensions.same(total, rest) is False:
        raise ValueError(f"cannot reshape {dimensions.display(old)} to {tuple(new)}: {total} elements against {rest}")
    return tuple(sizes)


def _several(sizes: Any) -> Sequence[Any]:
    return sizes if isinstance(sizes, (tuple, list)) else (sizes,)


@primitive(shape=lambda x, newshape: AbstractTensor(resolve_shape(x.dims, newshape), x.dtype))
def reshape(x: TensorLike, newshape: Sequence[Any] | int) -> Any:
    """The elements in row-major order in another shape, or along one axis of a given size; one size may be -1."""
    return np.reshape(x, [-1 if size is None else size for size in _several(newshape)])


reshape.defvjp(lambda g, y, x, newshape: reshape(g, newshape=dims(x)))


def _transposed(x: Any, axes: Sequence[int] | None = None) -> AbstractTensor:
    if isinstance(axes, (int, np.integer)):
        raise ValueError(f"axes: expected all {len(x.dims)} axes, got {axes}")
    order = tuple(range(len(x.dims)))[::-1] if axes is None else rules.normalize_axes(tuple(axes), len(x.dims))
    if len(order) != len(x.dims):
        raise ValueError(f"axes: expected all {len(x.dims)} axes, got {axes}")
    return AbstractTensor(tuple(x.dims[i] for i in order), x.dtype)


@primitive(shape=_transposed)
def transpose(x: TensorLike, axes: Sequence[int] | None = None) -> Any:
    """The axes in another order, reversed if None."""
    return np.transpose(x, axes)


def _transpose_back(g: Any, y: Any, x: Any, axes: Sequence[int] | None = None) -> Any:
    if axes is None:
        return transpose(g)
    order = rules.normalize_axes(tuple(axes), len(axes))
    return transpose(g, axes=tuple(order.index(i) for i in range(len(order))))


transpose.defvjp(_transpose_back)
transpose.defkernel(copies.transpose_launch)


def _broadcast_rule(x: Any, shape: Sequence[Size]) -> AbstractTensor:
    target = tuple(shape)
    result = dimensions.broadcast(x.dims, target)
    if len(result) != len(target) or any(dimensions.same(a, b) is False for a, b in zip(result, target, strict=True)):
        raise ValueError(f"cannot broadcast {x.shape} to {dimensions.display(target)}")
    return AbstractTensor(target, x.dtype)


@primitive(shape=_broadcast_rule)
def broadcast_to(x: TensorLike, shape: Sequence[Any]) -> Any:
    """The tensor repeated along missing axes and axes of size 1, without a copy."""
    return np.broadcast_to(x, shape)


def _broadcast_back(g: Any, y: Any, x: Any, shape: Any) -> Any:
    from .reductions import unbroadcast

    return unbroadcast(g, x)


broadcast_to.defvjp(_broadcast_back)


def _concatenated(*xs: Any, axis: int) -> AbstractTensor:
    if not xs:
        raise ValueError("expected at least one tensor")
    first = xs[0]
    axis = rules.normalize_axis(axis, len(first.dims))
    sizes = list(first.dims)
    for x in xs[1:]:
        if len(x.dims) != len(sizes) or any(
            i != axis and dimensions.same(a, b) is False for i, (a, b) in enumerate(zip(x.dims, sizes, strict=True))
        ):
            raise ValueError(f"expected equal shapes except along axis {axis}")
        sizes[axis] = sizes[axis] + x.dims[axis]
    return AbstractTensor(tuple(sizes), first.dtype)


def _common_dtype(*xs: Any) -> Any:
    target = dtypes.result_type(*xs) if xs else None
    return None if all(x.dtype == target for x in xs) else target


@primitive(shape=_concatenated, promote=_common_dtype)
def concatenate(*xs: Any, axis: int) -> Any:
    """The tensors one after another along an existing axis."""
    return np.concatenate(xs, axis=axis)


def _concatenate_back(wanted: Any, g: Any, y: Any, *xs: Any, axis: int) -> Any:
    axis = rules.normalize_axis(axis, len(dims(g)))
    start: Size = 0
    gradients = []
    for want, x in zip(wanted, xs, strict=True):
        stop = start + dims(x)[axis]
        key = (*(slice(None),) * axis, slice(start, stop))
        gradients.append(getitem(g, key=key) if want else None)
        start = stop
    return gradients


concatenate.defvjp_all(_concatenate_back)
concatenate.defkernel(copies.concatenate_launch)


def concatenated(xs: Sequence[TensorLike], axis: int = 0) -> Any:
    """The tensors one after another along an existing axis."""
    return concatenate(*xs, axis=axis)


def stack(x: Sequence[TensorLike], axis: int = 0) -> Any:
    """The tensors as slices of a new axis."""
    return concatenate(*(expand_dims(item, axis) for item in x), axis=axis)


def expand_dims(x: TensorLike, axis: int | Sequence[int]) -> Any:
    """A new axis of size 1 at each place in `axis`."""
    places = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    rank = len(dims(x)) + len(places)
    new = rules.normalize_axes(places, rank)
    old = iter(dims(x))
    return reshape(x, newshape=tuple(1 if i in new else next(old) for i in range(rank)))


def squeeze(x: TensorLike, axis: int | Sequence[int] | None = None) -> Any:
    """Without the axes of size 1 (all of them, or those in `axis`)."""
    shape = dims(x)
    if axis is None:
        axes: tuple[int, ...] = tuple(i for i, size in enumerate(shape) if dimensions.same(size, 1))
    else:
        axes = rules.normalize_axes(axis, len(shape))
    for i in axes:
        if dimensions.same(shape[i], 1) is False:
            raise ValueError(f"squeeze: expected size 1 along axis {i}, got {describe(x)}.")
    return reshape(x, newshape=tuple(size for i, size in enumerate(shape) if i not in axes))


@primitive(shape=lambda x, *index, key: AbstractTensor(indexing.result_shape(x.dims, index, key), x.dtype))
def getitem(x: TensorLike, *index: Any, key: Any) -> Any:
    """x[key], by NumPy's rules; `key` has a placeholder for each tensor in `index`."""
    x = np.asarray(x)
    rows = lookups.taken(x, index, key) if index else None
    return x[indexing.fill(key, index)] if rows is None else rows


@primitive(shape=lambda g, *index, key, shape: AbstractTensor(tuple(shape), g.dtype))
def scatter(g: TensorLike, *index: Any, key: Any, shape: Sequence[Any]) -> Any:
    """Zeros of the given shape with the values added at `key`; the dual of `getitem`."""
    g = np.asarray(g)
    filled = indexing.fill(key, index)
    if any(item.dtype.kind != "b" for item in index):
        return _added_at(g, filled, shape)
    result = np.zeros(shape, g.dtype)  # slices and masks pick no place twice
    result[filled] = g
    return result


def _added_at(values: Any, key: tuple[Any, ...], shape: Sequence[Any]) -> Any:
    """Zeros with the values added at the key; 16-bit floats are summed in 32 bits."""
    wide = dtypes.FLOATX if dtypes.is_float(values.dtype) and values.dtype.itemsize < 4 else values.dtype
    result = lookups.added(values.astype(wide, copy=False), key, shape)
    if result is None:
        result = np.zeros(shape, wide)
        indexing.combine_at(np.add, result, key, values.astype(wide, copy=False))
    return result.astype(values.dtype, copy=False)


def _getitem_back(wanted: Any, g: Any, y: Any, x: Any, *index: Any, key: Any) -> Any:
    return [scatter(g, *index, key=key, shape=dims(x)) if wanted[0] else None, *[None] * len(index)]


def _scatter_back(wanted: Any, g: Any, y: Any, x: Any, *index: Any, key: Any, shape: Any) -> Any:
    return [getitem(g, *index, key=key) if wanted[0] else None, *[None] * len(index)]


def _rows_back(g: Any, x: Any, *index: Any, key: Any) -> Any:
    """The gradient of looked-up rows: these alone, unless they are as many as the table's."""
    if key != (indexing.PLACE,) or index[0].dtype.kind not in "iu" or index[0].size >= x.shape[0]:
        return None
    rows = np.where(index[0] < 0, index[0] + x.shape[0], index[0]).reshape(-1)
    values = np.asarray(g).astype(x.dtype, copy=False).reshape(len(rows), *x.shape[1:])
    return [IndexedSlices(values, rows, x.shape), None]


getitem.defvjp_all(_getitem_back)
getitem.defrows(_rows_back)
getitem.defkernel(lambda x, *index, key: lookups.take_launch(x, index, key) if index else copies.slice_launch(x, key))
scatter.defvjp_all(_scatter_back)
scatter.defkernel(
    lambda g, *index, key, shape: (
        lookups.add_launch(g, index, key, shape) if index else copies.put_launch(g, key, shape)
    )
)


def index(x: TensorLike, key: Any) -> Any:
    """x[key] with tensors, arrays and lists in the key: the operator's meaning."""
    template, arrays = indexing.split(key)
    return getitem(x, *arrays, key=template)


def narrow(x: Any, axis: int, start: Size, size: Size) -> Any:
    """`size` elements along an axis from `start` on; unlike a slice it has that size where the size of x is unknown."""
    shape = dims(x)
    part = getitem(x, key=(*(slice(None),) * axis, slice(start, start + size)))
    if dimensions.known((shape[axis], start, size)):
        return part
    return reshape(part, newshape=(*shape[:axis], size, *shape[axis + 1 :]))


def take(x: TensorLike, indices: TensorLike, axis: int | None = None) -> Any:
    """The slices of x at `indices` along an axis, of the flattened tensor if None."""
    if axis is None:
        x, axis = reshape(x, newshape=(-1,)), 0
    axis = rules.normalize_axis(axis, len(dims(x)))
    indices = indices if isinstance(indices, Operand) else np.asarray(indices)
    return getitem(x, indices, key=(*(slice(None),) * axis, indexing.PLACE))


def _along(shape: Shape, indices: Shape, axis: int) -> Shape:
    """The shape of elements taken along an axis, where the other axes broadcast."""
    axis = rules.normalize_axis(axis, len(shape))
    if len(indices) != len(shape):
        raise ValueError(f"indices: expected {len(shape)} axes, as many as x has, got {len(indices)}")
    return dimensions.broadcast((*shape[:axis], 1, *shape[axis + 1 :]), indices)


@primitive(shape=lambda x, indices, axis: AbstractTensor(_along(x.dims, indices.dims, axis), x.dtype))
def take_along_axis(x: TensorLike, indices: TensorLike, axis: int) -> Any:
    """The elements of x at `indices` along an axis, one index for each place of the other axes."""
    x, indices = np.asarray(x), np.asarray(indices)
    found = lookups.taken_along(x, indices, axis)
    return np.take_along_axis(x, indices, axis) if found is None else found


@primitive(shape=lambda g, indices, axis, shape: AbstractTensor(tuple(shape), g.dtype))
def add_along_axis(g: TensorLike, indices: TensorLike, axis: int, shape: Sequence[Any]) -> Any:
    """Zeros of the given shape with the values added at `indices` along an axis; the dual of `take_along_axis`."""
    g, indices = np.asarray(g), np.asarray(indices)
    result = lookups.added_along(g, indices, axis, shape)
    if result is not None:
        return result
    places = list(np.ogrid[tuple(map(slice, shape))])
    places[axis] = indices
    return _added_at(g, tuple(places), shape)


take_along_axis.defvjp(
    lambda g, y, x, indices, axis: add_along_axis(g, indices, axis=axis, shape=dims(x)),
    None,
)
add_along_axis.defvjp(
    lambda g, y, x, indices, axis, shape: take_along_axis(g, indices, axis=axis),
    None,
)
take_along_axis.defkernel(lookups.take_along_launch)
add_along_axis.defkernel(lookups.add_along_launch)


def take_along(x: TensorLike, indices: TensorLike, axis: int | None = None) -> Any:
    """`take_along_axis` with an axis, and with both tensors flattened if it is None."""
    if axis is None:
        x, indices, axis = reshape(x, newshape=(-1,)), reshape(indices, newshape=(-1,)), 0
    return take_along_axis(x, indices, axis=axis)


def _padded(x: Any, widths: Any, value: float = 0) -> AbstractTensor:
    if len(widths) != len(x.dims):
        raise ValueError(f"pad_width: expected a pair for each of the {len(x.dims)} axes, got {widths}")
    return AbstractTensor(tuple(size + a + b for size, (a, b) in zip(x.dims, widths, strict=True)), x.dtype)


@primitive(shape=_padded)
def pad(x: TensorLike, widths: Sequence[tuple[int, int]], value: float = 0) -> Any:
    """The tensor with a constant before and after along each axis."""
    x = np.asarray(x)
    result = np.full([n + a + b for n, (a, b) in zip(x.shape, widths, strict=True)], value, x.dtype)
    result[tuple(slice(a, a + n) for n, (a, b) in zip(x.shape, widths, strict=True))] = x
    return result


pad.defvjp(
    lambda g, y, x, widths, value=0: getitem(
        g, key=tuple(slice(a, a + n) for n, (a, b) in zip(dims(x), widths, strict=True))
    )
)
pad.defkernel(copies.pad_launch)


def _viewed(x: Any, dtype: Any) -> AbstractTensor:
    old, new = x.dtype.itemsize, dtype.itemsize
    if old == new:
        return AbstractTensor(x.dims, dtype)
    if not x.dims:
        raise ValueError(f"expected an axis to hold the elements of {dtype}, which have another size")
    if dimensions.same(x.dims[-1] * old % new, 0) is False:
        raise ValueError(f"expected a last axis whose bytes make whole elements of {dtype}")
    return AbstractTensor((*x.dims[:-1], x.dims[-1] * old // new), dtype)


@primitive(shape=_viewed)
def view(x: TensorLike, dtype: Any) -> Any:
    """The bits as elements of another dtype, along the last axis if their sizes differ; no gradient."""
    x = np.ascontiguousarray(x).reshape(np.shape(x))  # ascontiguousarray gives a scalar an axis
    return x.view(np.uint8) != 0 if dtype.kind == "b" else x.view(dtype)


view.defvjp(None)


def viewed(x: TensorLike, dtype: Any = None) -> Any:
    """The bits as elements of another dtype, along the last axis if their sizes differ; x itself for its own dtype.

    Raises:
      ValueError: if the bytes of the last axis do not make whole elements.

    >>> eagerly.ops.view([1.0, -2.0], "int32").tolist()
    [1065353216, -1073741824]
    """
    target = x.dtype if dtype is None else dtypes.dtype(dtype)
    return getitem(x, key=()) if target == x.dtype else view(x, dtype=target)
