"""Tensors: immutable arrays with a dtype of ours, and abstract ones that have shape and dtype only.

The array inside a Tensor stays writable for the kernels' sake, so every door guards it: what comes in is copied,
`__array__` gives a read-only view, `numpy()` a copy; each tells the recorders, so that a tape can say where a gradient
ended. The operators of `Operand` are installed by `ops/operators.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from . import dtypes
from .context import context
from .dimensions import Dim, Shape, display
from .errors import TraceError, describe
from .frames import user_line
from .recorder import told_leaving


class Operand:
    """What Python's operators work on: Tensor, AbstractTensor and Variable."""

    __slots__ = ()
    __array_priority__ = 1000  # so that NumPy leaves `array * tensor` to us

    if TYPE_CHECKING:

        @property
        def shape(self) -> tuple[Any, ...]: ...
        @property
        def dtype(self) -> np.dtype[Any]: ...
        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __floordiv__(self, other: Any) -> Tensor: ...
        def __rfloordiv__(self, other: Any) -> Tensor: ...
        def __mod__(self, other: Any) -> Tensor: ...
        def __rmod__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __rmatmul__(self, other: Any) -> Tensor: ...
        def __and__(self, other: Any) -> Tensor: ...
        def __or__(self, other: Any) -> Tensor: ...
        def __xor__(self, other: Any) -> Tensor: ...
        def __lshift__(self, other: Any) -> Tensor: ...
        def __rlshift__(self, other: Any) -> Tensor: ...
        def __rshift__(self, other: Any) -> Tensor: ...
        def __rrshift__(self, other: Any) -> Tensor: ...
        def __divmod__(self, other: Any) -> tuple[Tensor, Tensor]: ...
        def __rdivmod__(self, other: Any) -> tuple[Tensor, Tensor]: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...
        def __eq__(self, other: Any) -> Tensor: ...  # type: ignore[override]
        def __ne__(self, other: Any) -> Tensor: ...  # type: ignore[override]
        def __neg__(self) -> Tensor: ...
        def __pos__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __invert__(self) -> Tensor: ...
        def __getitem__(self, key: Any) -> Tensor: ...
        @property
        def T(self) -> Tensor: ...  # noqa: N802

    def __hash__(self) -> int:
        raise TypeError(
            f"{type(self).__name__} is not hashable, because == compares elementwise. Use id(x) as a key, and keep x."
        )

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def read(self) -> Tensor:
        """The Tensor that an operation on this operand sees."""
        raise TypeError(f"{type(self).__name__} is no tensor: derive from Tensor, AbstractTensor or Variable.")


class Tensor(Operand):
    """An immutable array of numbers or truth values, on which operations run at once.

    Args:
      value: an array, a Tensor, numbers, or nested lists of them. It is copied: changing it later changes no Tensor.
      dtype: the dtype to convert to. None keeps an array's dtype; Python numbers become float32, int32 or bool.

    Example:
      >>> x = Tensor([[1.0, 2.0], [3.0, 4.0]])
      >>> x @ x + 1
      Tensor([[ 8., 11.],
              [16., 23.]], shape=(2, 2), dtype=float32)
    """

    __slots__ = ("__weakref__", "_array", "_mask")

    _array: np.ndarray[Any, Any]
    _mask: Tensor | None

    def __init__(self, value: Any, dtype: Any = None):
        self._array = to_array(value, dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """The size along each axis."""
        return self._array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype; equal to its name: `x.dtype == "float32"`."""
        return self._array.dtype

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._array.size

    def read(self) -> Tensor:
        """The Tensor itself."""
        return self

    def numpy(self) -> np.ndarray[Any, Any]:
        """The values as a NumPy array of one's own."""
        if context.recorders:
            told_leaving(self, "numpy()")
        return self._array.copy()

    def item(self) -> Any:
        """The only element, as a Python number.

        Raises:
          ValueError: if there are more elements than one.
        """
        if self._array.size != 1:
            raise ValueError(f"item: expected a Tensor with one element, got {describe(self)}.")
        if context.recorders:
            told_leaving(self, "item()")
        return self._array.item()

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers."""
        if context.recorders:
            told_leaving(self, "tolist()")
        return self._array.tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        if context.recorders:
            told_leaving(self, "NumPy")
        array = self._array
        if copy or (dtype is not None and np.dtype(dtype) != array.dtype):
            if copy is False:
                raise ValueError(f"A {describe(self)} Tensor cannot be seen as {np.dtype(dtype)} without a copy.")
            return array.astype(array.dtype if dtype is None else dtype)
        view = array.view()
        view.flags.writeable = False
        return view

    def __dlpack__(self, *, max_version: tuple[int, int] | None = None, **options: Any) -> Any:
        if max_version is None or max_version < (1, 0):  # that protocol has no read-only flag
            return self.numpy().__dlpack__(**options)
        return self.__array__().__dlpack__(max_version=max_version, **options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._array.__dlpack_device__()

    def __bool__(self) -> bool:
        if self._array.size != 1:
            raise ValueError(f"The truth value of {describe(self)} is ambiguous. Use ops.any(x) or ops.all(x).")
        if context.recorders:
            told_leaving(self, "bool()")
        return bool(self._array.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        if self._array.dtype.kind not in "iu" or self._array.ndim:
            raise TypeError(f"Only an integer scalar Tensor can be an index, got {describe(self)}.")
        return int(self._array)

    def __round__(self, digits: int | None = None) -> Any:
        return round(self.item(), digits)

    def __len__(self) -> int:
        if not self._array.ndim:
            raise TypeError("A scalar Tensor has no length.")
        return len(self._array)

    def __iter__(self) -> Iterator[Tensor]:
        if not self._array.ndim:
            raise TypeError("A scalar Tensor cannot be iterated over.")
        return (self[i] for i in range(len(self._array)))

    def __contains__(self, item: Any) -> bool:
        return bool(np.any(self._array == np.asarray(item)))

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec and self._array.size == 1 else format(str(self), spec)

    def __copy__(self) -> Tensor:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return self

    def __reduce__(self) -> Any:
        return Tensor, (self._array,)

    def __repr__(self) -> str:
        values = np.array2string(self._array, separator=", ", prefix="Tensor(")
        return f"Tensor({values}, shape={self.shape}, dtype={self.dtype.name})"


class AbstractTensor(Operand):
    """A tensor of which only shape and dtype are known: the symbol that `Input` gives and graphs are traced with.

    Args:
      shape: a size for each axis; an integer or a `Dim`.
      dtype: the dtype, float32 if None.
      name: shown in messages and summaries.

    Example:
      >>> AbstractTensor((2, 3)) + 1
      <AbstractTensor shape=(2, 3), dtype=float32>
    """

    __slots__ = ("__weakref__", "_dtype", "_mask", "dims", "name", "node", "node_index")

    _mask: Any

    def __init__(self, shape: Shape, dtype: Any = None, name: str | None = None):
        self.dims = shape
        self._dtype = dtype if isinstance(dtype, np.dtype) else dtypes.dtype(dtype)
        self.name = name
        self.node: Any = None
        self.node_index = 0

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The size along each axis, None where it is unknown; `ops.shape(x)` has symbols to compute with instead."""
        return display(self.dims)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype."""
        return self._dtype

    def read(self) -> Any:
        """The symbol itself."""
        return self

    def _no_value(self, *_: Any, **__: Any) -> NoReturn:
        """Raises TraceError: there is no value."""
        line = None if context.tracing is None else user_line()
        place = "" if line is None else f" ({line})"
        raise TraceError(
            f"{self!r} has no value: it stands for data that comes later{place}. Python's if, while, float(), int(), "
            "iteration and NumPy need values; use ops.where or a layer, or compute outside of the model."
        )

    __bool__ = __float__ = __int__ = __complex__ = __index__ = __array__ = numpy = item = tolist = _no_value
    __contains__ = _no_value

    def __len__(self) -> int:
        if not self.dims or not isinstance(self.dims[0], int):
            self._no_value()
        return self.dims[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __copy__(self) -> AbstractTensor:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> AbstractTensor:
        return self

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        return f"<AbstractTensor{name} shape={self.shape}, dtype={self.dtype.name}>"


TensorLike = Operand | np.ndarray | np.generic | bool | int | float | complex | list | tuple

_new = Tensor.__new__


def wrap(array: Any) -> Tensor:
    """A Tensor around an array that the library made itself, without a copy."""
    tensor = _new(Tensor)
    tensor._array = array if type(array) is np.ndarray else np.asarray(array)
    return tensor


def to_array(value: Any, dtype: Any = None) -> np.ndarray[Any, Any]:
    """An array of ours for any value: a copy, in a dtype that operations are defined for.

    Raises:
      TraceError: for an abstract tensor, which has no values.
      ValueError: for ragged lists, strings, objects.
    """
    if isinstance(value, Operand):
        value = value.read()
        if isinstance(value, AbstractTensor):
            value.numpy()
        array = value._array
        return array if dtype is None else array.astype(_target(value, array, dtype), copy=False)
    try:
        array = np.array(value)
        if type(value) is np.ndarray and dtypes.is_ours(array.dtype) and (dtype is None or dtype is array.dtype):
            return array
    except (ValueError, OverflowError) as error:
        raise ValueError(f"Cannot make a Tensor of {describe(value)}: {error}") from error
    if not dtypes.is_known(array.dtype):
        raise ValueError(f"Cannot make a Tensor of {describe(value)}: expected numbers or truth values.")
    target = _target(value, array, dtype) if dtype is not None else dtypes.result_type(*_leaf_dtypes(value, array))
    if target == array.dtype:
        return array.astype(target, copy=False)
    with np.errstate(all="ignore"):
        converted = array.astype(target)
    if array.dtype.kind in "iu" and target.kind in "iu" and not hasattr(value, "dtype") and np.any(converted != array):
        raise ValueError(f"Cannot make a Tensor of {describe(value)}: not all of it fits into {target}.")
    return converted


def _target(value: Any, array: np.ndarray[Any, Any], dtype: Any) -> np.dtype[Any]:
    target = dtypes.dtype(dtype)
    if array.dtype.kind == "c" and target.kind not in "cb":
        raise ValueError(f"Cannot make a Tensor of {describe(value)} in {target}: take ops.real(x) or ops.imag(x).")
    return target


def leaf_types(value: Any) -> set[type]:
    """The types of what nested lists hold; no Python code runs for each element."""
    leaves: set[type] = set()
    items = [value]
    while items:
        found = set(map(type, items))
        nested = {kind for kind in found if issubclass(kind, (list, tuple))}
        leaves |= found - nested
        inner = items if nested == found else [item for item in items if type(item) in nested] if nested else ()
        items = list(itertools.chain.from_iterable(inner))
    return leaves


_NUMBERS = frozenset((bool, int, float, complex))


def _leaf_dtypes(value: Any, array: np.ndarray[Any, Any]) -> set[Any]:
    """The dtypes that a nested list brings; Python's own numbers are weak."""
    if isinstance(value, (list, tuple)):
        kinds = leaf_types(value)
        return (kinds or {float}) if kinds <= _NUMBERS else set().union(*(_leaf_dtypes(x, array) for x in value))
    if type(value) in _NUMBERS:
        return {type(value)}
    found = getattr(value, "dtype", array.dtype)
    return {found if isinstance(found, np.dtype) else array.dtype}


def abstract(value: Any) -> Any:
    """What a shape rule sees of an operand: an AbstractTensor; Python scalars stay."""
    if isinstance(value, (AbstractTensor, Dim, bool, int, float)):
        return value
    array = value if hasattr(value, "dtype") else np.asarray(value)
    return AbstractTensor(tuple(array.shape), array.dtype)


def dims(value: Any) -> Shape:
    """The shape of an array or a tensor, with symbols for unknown dimensions."""
    if type(value) is Tensor:
        return value._array.shape
    return value.dims if isinstance(value, AbstractTensor) else tuple(np.shape(value))
