"""Padding in NumPy's modes. Every mode works axis by axis, as in NumPy: later axes pad what earlier ones added too.

Modes that repeat elements are a `take` at places that `ranges.positions` continues; the others join the tensor with
constants, ramps or statistics of each line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dimensions, dtypes
from ..dimensions import Dim, Size
from ..errors import describe, suggest
from ..primitive import cast
from ..tensor import Operand, TensorLike, dims
from . import arrays, elementwise, indexing, quantiles, ranges, reductions

Widths = list[tuple[Size, Size]]


def _pairs(value: Any, rank: int, what: str, x: Any) -> list[tuple[Any, Any]]:
    """(before, after) for each axis, of a number, [number], [before, after], or one or `rank` such pairs."""
    if isinstance(value, (Operand, np.ndarray)) and value.ndim:
        value = list(value)
    if not isinstance(value, (list, tuple)):
        return [(value, value)] * rank
    nested = [isinstance(item, (list, tuple)) or bool(getattr(item, "ndim", 0)) for item in value]
    if not any(nested):
        value, nested = [value], [True]
    pairs = [tuple(item) * 2 if len(item) == 1 else tuple(item) for item in value] if all(nested) else []
    if len(pairs) not in (1, rank) or any(len(pair) != 2 for pair in pairs):
        raise ValueError(
            f"pad: expected {what} as a number, (before, after), or such a pair for each of the {rank} axes of "
            f"{describe(x)}, got {describe(value)}."
        )
    return pairs * rank if len(pairs) == 1 else pairs  # type: ignore[return-value]


def _widths(pad_width: Any, x: Any) -> Widths:
    if isinstance(pad_width, (Operand, np.ndarray)):
        pad_width = np.asarray(pad_width).tolist()
    pairs = _pairs(pad_width, len(dims(x)), "pad_width", x)
    for width in (width for pair in pairs for width in pair):
        if not isinstance(width, (int, np.integer, Dim)) or (not isinstance(width, Dim) and width < 0):
            raise ValueError(f"pad: expected integers >= 0 as pad_width, got {describe(pad_width)}.")
    return pairs


def pad(x: TensorLike, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Any:
    """The tensor with further elements before and after along each axis.

    Args:
      x: the tensor.
      pad_width: how many; a number, (before, after), or such a pair for each axis.
      mode: "constant"; "edge" repeats the outermost element, "reflect" mirrors at it, "symmetric" mirrors it too,
        "wrap" (or "circular") continues from the other side; "maximum", "minimum", "mean", "median" and "linear_ramp"
        (to 0) are as in NumPy, and "empty" leaves zeros.
      constant_values: what "constant" pads with, 0 if None; a number or scalar tensor, or pairs as for `pad_width`.

    Raises:
      ValueError: for another mode, widths that do not fit, or constant values in another mode.

    >>> eagerly.ops.pad([1, 2, 3], (2, 1), "reflect").tolist()
    [3, 2, 1, 2, 3, 2]
    """
    if mode not in _MODES:
        raise ValueError(
            f"pad: expected mode to be one of {', '.join(_MODES)}, got {mode!r}.{suggest(str(mode), _MODES)}"
        )
    if constant_values is not None and mode != "constant":
        raise ValueError(f"pad: expected constant_values with mode 'constant' alone, got mode {mode!r}.")
    widths = _widths(pad_width, x)
    if mode in ("constant", "empty"):
        return _constant(x, widths, 0 if constant_values is None else constant_values)
    y = elementwise.identity(x)
    for axis, (before, after) in enumerate(widths):
        if not (dimensions.same(before, 0) and dimensions.same(after, 0)):
            if dimensions.same(dims(x)[axis], 0):
                raise ValueError(f"pad: expected elements along axis {axis} for mode {mode!r}, got {describe(x)}.")
            y = _MODES[mode](y, axis, before, after)
    return y


def _constant(x: Any, widths: Widths, values: Any) -> Any:
    if isinstance(values, (bool, int, float, np.number, np.bool_)):
        return arrays.pad(x, widths=tuple(widths), value=values)
    for axis, ((before, after), ends) in enumerate(
        zip(widths, _pairs(values, x.ndim, "constant_values", x), strict=True)
    ):
        x = _joined(x, axis, before, after, *(elementwise.cast_like(end, x) for end in ends))
    return x


def _joined(x: Any, axis: int, before: Size, after: Size, first: Any, last: Any) -> Any:
    """The tensor between what `first` and `last` broadcast to."""
    shape = dims(x)
    ends = [
        arrays.broadcast_to(value, shape=(*shape[:axis], width, *shape[axis + 1 :]))
        for value, width in ((first, before), (last, after))
    ]
    return arrays.concatenate(ends[0], x, ends[1], axis=axis)


def _repeating(mode: str) -> Callable[..., Any]:
    def along(x: Any, axis: int, before: Size, after: Size) -> Any:
        places = ranges.positions(x, axis=axis, before=before, after=after, mode=mode)
        return arrays.getitem(x, places, key=(*(slice(None),) * axis, indexing.PLACE))

    return along


def _statistic(function: Callable[..., Any]) -> Callable[..., Any]:
    def along(x: Any, axis: int, before: Size, after: Size) -> Any:
        value = function(x, axis=axis, keepdims=True)
        return _joined(x, axis, before, after, value, value)

    return along


def _average(function: Callable[..., Any]) -> Callable[..., Any]:
    """A statistic in the dtype of x, rounded if that is an integer."""

    def average(x: Any, axis: int, keepdims: bool) -> Any:
        value = function(x, axis, keepdims)
        return cast(value if dtypes.is_float(x.dtype) else elementwise.rint(value), dtype=x.dtype)

    return _statistic(average)


def _ramp(x: Any, axis: int, before: Size, after: Size) -> Any:
    """Values at equal distances from 0, at the outer end, to the outermost element; the floor for integers."""

    def rising(place: Size, width: Size) -> Any:
        edge = elementwise.cast_like(arrays.narrow(x, axis, place, 1), np.dtype(np.float64))
        count = ranges.arange(width, dtype="float64")
        count = arrays.reshape(count, newshape=tuple(-1 if i == axis else 1 for i in range(x.ndim)))
        ramp = edge * count / dimensions.maximum(width, 1)
        return cast(ramp if dtypes.is_float(x.dtype) else elementwise.floor(ramp), dtype=x.dtype)

    last = arrays.getitem(rising(dims(x)[axis] - 1, after), key=(*(slice(None),) * axis, slice(None, None, -1)))
    return arrays.concatenate(rising(0, before), x, last, axis=axis)


_MODES: dict[str, Any] = {
    "constant": None,
    "empty": None,
    "edge": _repeating("edge"),
    "reflect": _repeating("reflect"),
    "symmetric": _repeating("symmetric"),
    "wrap": _repeating("wrap"),
    "circular": _repeating("wrap"),
    "linear_ramp": _ramp,
    "maximum": _statistic(reductions.max),
    "minimum": _statistic(reductions.min),
    "mean": _average(reductions.mean),
    "median": _average(quantiles.median),
}
