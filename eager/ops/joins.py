"""Putting tensors together and cutting them apart, along any axis and along NumPy's first three; choices and grids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import dimensions, dtypes
from ..dimensions import Size
from ..errors import describe
from ..tensor import TensorLike, dims, to_array
from . import arrays, elementwise, moves, rules


def append(x1: TensorLike, x2: TensorLike, axis: int | None = None) -> Any:
    """x2 after x1 along an axis; both flattened if it is None."""
    tensors = [elementwise.cast_like(x, dtypes.result_type(x1, x2)) for x in (x1, x2)]
    if axis is None:
        tensors, axis = [moves.ravel(x) for x in tensors], 0
    return arrays.concatenate(*tensors, axis=axis)


def _with_rank(x: Any, rank: int) -> Any:
    """At least `rank` axes, as NumPy's `atleast_1d`, `atleast_2d` and `atleast_3d` add them."""
    shape = dims(x)
    if len(shape) >= rank:
        return x
    before = (1,) * max(min(rank, 2) - len(shape), 0)
    return arrays.reshape(x, newshape=(*before, *shape, *(1,) * (rank - len(before) - len(shape))))


def hstack(xs: Sequence[TensorLike]) -> Any:
    """The tensors one after another along axis 1; along axis 0 if they have but one."""
    tensors = [_with_rank(x, 1) for x in xs]
    return arrays.concatenated(tensors, axis=1 if tensors and len(dims(tensors[0])) > 1 else 0)


def vstack(xs: Sequence[TensorLike]) -> Any:
    """The tensors one below another along axis 0; vectors are rows."""
    return arrays.concatenated([_with_rank(x, 2) for x in xs], axis=0)


def dstack(xs: Sequence[TensorLike]) -> Any:
    """The tensors one behind another along axis 2; matrices [n, m] become [n, m, 1], vectors [1, n, 1]."""
    return arrays.concatenated([_with_rank(x, 3) for x in xs], axis=2)


def select_first(condlist: Sequence[TensorLike], choicelist: Sequence[TensorLike], default: TensorLike = 0) -> Any:
    """Each element from the choice that belongs to the first true condition, `default` where none is true.

    Raises:
      ValueError: if the two are no lists of one length, or empty.

    >>> eagerly.ops.select([[True, False, False], [True, True, False]], [[1, 2, 3], [4, 5, 6]], 9).tolist()
    [1, 5, 9]
    """
    lists = all(isinstance(given, (list, tuple)) for given in (condlist, choicelist))
    if not lists or not condlist or len(condlist) != len(choicelist):
        raise ValueError(
            f"select: expected as many choices as conditions, in two lists that are not empty, got "
            f"{describe(condlist)} and {describe(choicelist)}."
        )
    target = dtypes.result_type(*choicelist, default)
    y = elementwise.cast_like(default, target)
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        y = elementwise.select(condition, elementwise.cast_like(choice, target), y)
    return y


def _parts(name: str, x: Any, indices_or_sections: Any, axis: int, even: bool) -> list[Any]:
    """The parts of `split`, and those of `array_split` if they need not be even."""
    axis = rules.normalize_axis(axis, len(dims(x)), f"{name}: axis")
    cuts = rules.integers(indices_or_sections, f"{name}: indices_or_sections")
    if isinstance(indices_or_sections, (list, tuple, range)) or getattr(indices_or_sections, "ndim", 0):
        bounds = [0, *cuts, None]
        return [_slice(x, axis, slice(*ends)) for ends in zip(bounds[:-1], bounds[1:], strict=True)]
    (count,) = cuts
    if not isinstance(count, int) or count <= 0:
        raise ValueError(f"{name}: expected a number of sections > 0 or a list of indices, got {count}.")
    shape = dims(x)
    size = shape[axis]
    if even and dimensions.same(size % count, 0) is False:
        raise ValueError(
            f"{name}: expected a size that {count} sections divide along axis {axis}, got {describe(x)}. "
            "array_split makes parts that are not even."
        )
    if even and not isinstance(size, int):  # the reshape refuses a size that they do not divide
        x = arrays.reshape(x, newshape=(*shape[:axis], count, size // count, *shape[axis + 1 :]))
        return [_slice(x, axis, i) for i in range(count)]
    start: Size = 0
    parts = []
    for i in range(count):
        length = (size - i + count - 1) // count
        parts.append(arrays.narrow(x, axis, start, length))
        start = start + length
    return parts


def _slice(x: Any, axis: int, item: Any) -> Any:
    return arrays.getitem(x, key=(*(slice(None),) * axis, item))


def split(x: TensorLike, indices_or_sections: Any, axis: int = 0) -> Any:
    """A list of parts along an axis: that many equal ones, or those between the given indices.

    Raises:
      ValueError: if the size is no multiple of the number of sections.

    >>> [part.tolist() for part in eagerly.ops.split([1, 2, 3, 4], [1, 3])]
    [[1], [2, 3], [4]]
    """
    return _parts("split", x, indices_or_sections, axis, even=True)


def array_split(x: TensorLike, indices_or_sections: Any, axis: int = 0) -> Any:
    """As `split`, but of a size that is no multiple, the first parts are longer by one.

    >>> [part.tolist() for part in eagerly.ops.array_split([1, 2, 3, 4, 5], 3)]
    [[1, 2], [3, 4], [5]]
    """
    return _parts("array_split", x, indices_or_sections, axis, even=False)


def hsplit(x: TensorLike, indices_or_sections: Any) -> Any:
    """`split` along axis 1; along axis 0 if there is but one."""
    return _split_along("hsplit", x, indices_or_sections, 1 if len(dims(x)) > 1 else 0, 1)


def vsplit(x: TensorLike, indices_or_sections: Any) -> Any:
    """`split` along axis 0 of a tensor with at least two axes."""
    return _split_along("vsplit", x, indices_or_sections, 0, 2)


def dsplit(x: TensorLike, indices_or_sections: Any) -> Any:
    """`split` along axis 2."""
    return _split_along("dsplit", x, indices_or_sections, 2, 3)


def _split_along(name: str, x: Any, indices_or_sections: Any, axis: int, rank: int) -> list[Any]:
    if len(dims(x)) < rank:
        raise ValueError(f"{name}: expected at least {rank} axes, got {describe(x)}.")
    return _parts(name, x, indices_or_sections, axis, even=True)


def unstack(x: TensorLike, num: int | None = None, axis: int = 0) -> Any:
    """A list of the slices along an axis, which they lack.

    Raises:
      ValueError: if `num` is not the size of the axis, or is None where the size is unknown.

    >>> [row.tolist() for row in eagerly.ops.unstack([[1, 2], [3, 4]])]
    [[1, 2], [3, 4]]
    """
    axis = rules.normalize_axis(axis, len(dims(x)), "unstack: axis")
    size = dims(x)[axis]
    count = size if num is None else num
    if not isinstance(count, int):
        raise ValueError(f"unstack: expected num for an axis of unknown size, got {describe(x)} and axis {axis}.")
    if dimensions.same(size, count) is False:
        raise ValueError(f"unstack: expected num to be the size {size} of axis {axis}, got {num} for {describe(x)}.")
    return [_slice(x, axis, i) for i in range(count)]


def meshgrid(*x: TensorLike, indexing: str = "xy") -> Any:
    """For each vector a grid in which it varies along its own axis: axis i, but 0 and 1 exchanged for "xy".

    Raises:
      ValueError: for another indexing than "xy" and "ij".

    >>> [grid.tolist() for grid in eagerly.ops.meshgrid([1, 2], [3, 4, 5], indexing="ij")]
    [[[1, 1, 1], [2, 2, 2]], [[3, 4, 5], [3, 4, 5]]]
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: expected indexing 'xy' or 'ij', got {indexing!r}.")
    vectors = [moves.ravel(v if hasattr(v, "dtype") else to_array(v)) for v in x]
    order = list(range(len(vectors)))
    if indexing == "xy" and len(order) > 1:
        order[:2] = 1, 0
    shape = tuple(dims(vectors[i])[0] for i in order)
    grids = []
    for vector, place in zip(vectors, order, strict=True):
        own = tuple(size if i == place else 1 for i, size in enumerate(shape))
        grids.append(arrays.broadcast_to(arrays.reshape(vector, newshape=own), shape=shape))
    return grids
