"""Variables: named, assignable tensors, the state of layers, optimizers and metrics.

Assigning gives the Variable a new Tensor; the old one, and whatever recorded it, stays as it was. Operations read
the Tensor of the moment and tell the recorders, so that a gradient sums over all reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from . import dtypes
from .context import context
from .errors import describe
from .ops import elementwise
from .ownership import is_sole_owner, may_write
from .recorder import told_leaving
from .tensor import Operand, Tensor, TensorLike, to_array, wrap

# How many attributes of Trackables and constraints of Variables were set in this process: what was looked at since the
# last is the same.
changes = [0]


class Variable(Operand):
    """An assignable tensor of fixed shape and dtype.

    Args:
      initializer: the initial value, or a function from shape and dtype to it.
      shape: needed with a function; otherwise the shape the value must have, if given.
      dtype: None takes the value's (float32 for Python floats and for functions).
      trainable: whether tapes watch it and optimizers update it.
      name: shown in messages.

    Raises:
      ValueError: if the value has another shape than asked for.

    Example:
      >>> v = Variable([1.0, 2.0], name="v")
      >>> v.assign_add([1.0, 1.0])
      Tensor([2., 3.], shape=(2,), dtype=float32)
    """

    __slots__ = (
        "__weakref__",
        "_constraint",
        "_value",
        "created_trainable",
        "name",
        "path",
        "regularizer",
        "trainable",
    )

    def __init__(
        self,
        initializer: TensorLike | Callable[..., TensorLike],
        shape: Sequence[int] | None = None,
        dtype: Any = None,
        trainable: bool = True,
        name: str | None = None,
    ):
        self.name = name or "variable"
        self.path = "/".join((*(owner.name for owner in context.scope), self.name))
        self.trainable = self.created_trainable = trainable
        self.regularizer: Callable[[Any], Any] | None = None
        self._constraint: Callable[[Any], Any] | None = None
        if callable(initializer):
            if shape is None:
                raise ValueError(f"Variable {self.path!r}: expected a shape to call the initializer with, got None.")
            dtype = dtypes.dtype(dtype)
            initializer = initializer(tuple(shape), dtype=dtype)
        array = to_array(initializer, dtype)
        if shape is not None and array.shape != tuple(shape):
            raise ValueError(f"Variable {self.path!r}: expected shape {tuple(shape)}, got {describe(array)}.")
        self._value = wrap(array)

    @property
    def shape(self) -> tuple[int, ...]:
        """The size along each axis."""
        return self._value._array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype."""
        return self._value._array.dtype

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._value._array.size

    @property
    def value(self) -> Tensor:
        """The value as a Tensor of its own, which a later assignment does not change."""
        return elementwise.identity(self)

    def read(self) -> Tensor:
        """The Tensor an operation sees, after telling the recorders."""
        value = self._value
        for recorder in context.recorders:
            value = recorder.read(self, value)
        return value

    def numpy(self) -> np.ndarray[Any, Any]:
        """The values as a NumPy array of one's own."""
        return self._leaving("numpy()").numpy()

    def assign(self, value: TensorLike) -> Tensor:
        """Replaces the value; the shape must be the same.

        The value is converted to the Variable's dtype as by `ops.cast`: an integer Variable takes 2.9 as 2, and of an
        integer array beyond its range the low bits.

        Raises:
          ValueError: if the shape differs. The Variable is unchanged then.
        """
        if context.symbolic_call:
            return wrap(self._value._array)
        if context.tracing is not None:
            traced: Tensor = context.tracing.assign_symbol(self, value)
            return traced
        held = self._value._array
        if type(value) is Tensor and value._array.dtype == held.dtype:
            array = value._array
        else:
            array = to_array(value, held.dtype)
        if array.shape != held.shape:
            raise ValueError(
                f"Variable {self.path!r}: expected a value of shape {self.shape}, got {describe(array)}. "
                "A Variable keeps its shape."
            )
        if context.recorders:
            for recorder in context.recorders:
                recorder.assign(self, self._value)
        self._value = wrap(array)
        return wrap(array)  # a tape tells a Variable's reads from other tensors by identity

    def assign_add(self, value: TensorLike) -> Tensor:
        """Adds to the value.

        This reads, adds and assigns: an assignment in another thread in between is lost. Hold a lock of your own
        where several threads update one Variable.
        """
        return self.assign(elementwise.add(self._now(), _operand(value)))

    def assign_sub(self, value: TensorLike) -> Tensor:
        """Subtracts from the value; threads are as for `assign_add`."""
        return self.assign(elementwise.subtract(self._now(), _operand(value)))

    def _now(self) -> Tensor:
        """The value, of which no tape is told."""
        return self._value if context.tracing is None else context.tracing.read(self, self._value)

    def assign_rows(self, rows: np.ndarray[Any, Any], values: TensorLike) -> None:
        """Replaces some rows, without a copy of the others where nobody else can see them.

        Args:
          rows: the indices of different rows, in [0, shape[0]).
          values: what they become.

        Raises:
          ValueError: if the values do not have the rows' shape. The Variable is unchanged then.
        """
        new = to_array(values, self.dtype)
        if new.shape != (len(rows), *self.shape[1:]):
            raise ValueError(
                f"Variable {self.path!r}: expected rows of shape {(len(rows), *self.shape[1:])}, got {describe(new)}."
            )
        for recorder in context.recorders:
            recorder.assign(self, self._value)
        holders = [block for block in context.rollbacks if block.holds(self)]
        if is_sole_owner(self, "_value", others=len(holders)) and may_write(self._value, "_array"):
            array = self._value._array
            old = array[rows]
            for block in holders:
                block.rows.append((array, rows, old))
        else:
            array = self._value._array.copy()
        array[rows] = new
        self._value = wrap(array)

    def _leaving(self, door: str) -> Tensor:
        """The value, after telling the recorders that it leaves for Python or NumPy."""
        if context.recorders:
            told_leaving(self, door)
        return self._value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return self._leaving("NumPy").__array__(dtype, copy)

    def __dlpack__(self, **options: Any) -> Any:
        return self._leaving("NumPy").__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._value.__dlpack_device__()

    def __bool__(self) -> bool:
        return bool(self._leaving("bool()"))

    def __float__(self) -> float:
        return float(self._leaving("float()"))

    def __int__(self) -> int:
        return int(self._leaving("int()"))

    def __round__(self, digits: int | None = None) -> Any:
        return round(self._leaving("round()"), digits)

    def __index__(self) -> int:
        return self._value.__index__()

    def __len__(self) -> int:
        return len(self._value)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __format__(self, spec: str) -> str:
        return format(self._value, spec) if spec else str(self)

    @property
    def constraint(self) -> Callable[[Any], Any] | None:
        """What an optimizer applies to the value after each step; None for nothing."""
        return self._constraint

    @constraint.setter
    def constraint(self, value: Callable[[Any], Any] | None) -> None:
        self._constraint = value
        changes[0] += 1

    def __deepcopy__(self, memo: dict[int, Any]) -> Variable:
        twin = Variable(self._value, trainable=self.created_trainable, name=self.name)
        twin.trainable, twin.path = self.trainable, self.path
        twin.regularizer, twin.constraint = self.regularizer, self.constraint
        memo[id(self)] = twin
        return twin

    def __reduce__(self) -> Any:
        state = {name: getattr(self, name) for name in ("trainable", "path", "regularizer", "constraint")}
        return _rebuild, (self.numpy(), self.created_trainable, self.name, state)

    def __repr__(self) -> str:
        values = np.array2string(self._value._array, separator=", ", prefix="Variable(")
        return f"Variable({values}, path={self.path!r}, shape={self.shape}, dtype={self.dtype.name})"


class rollback:  # noqa: N801 - used as a function
    """Gives Variables the values they had before the `with` block, if it raises.

    It holds the Tensors that they had. `rows` lists what `assign_rows` has written over in them since.
    """

    __slots__ = ("outer", "rows", "values", "variables")

    def __init__(self, variables: Sequence[Variable]):
        self.variables = variables

    def holds(self, variable: Variable) -> bool:
        """Whether the value that the Variable has is the one that it would get back."""
        value = self.values.get(id(variable))
        return value is not None and value is variable._value

    def __enter__(self) -> None:
        self.values = {id(variable): variable._value for variable in self.variables}
        self.rows: list[tuple[Any, Any, Any]] = []
        self.outer = context.rollbacks
        context.rollbacks = (*self.outer, self)

    def __exit__(self, kind: type[BaseException] | None, *exc_info: object) -> None:
        context.rollbacks = self.outer
        if kind is not None:
            for array, rows, old in reversed(self.rows):
                array[rows] = old
            for variable in self.variables:
                variable._value = self.values[id(variable)]


def _operand(value: TensorLike) -> Any:
    return value if isinstance(value, (Operand, bool, int, float)) else Tensor(value)


def _rebuild(value: np.ndarray[Any, Any], trainable: bool, name: str, state: dict[str, Any]) -> Variable:
    variable = Variable(value, trainable=trainable, name=name)
    for attribute, content in state.items():
        setattr(variable, attribute, content)
    return variable
