"""Where the first NaN or infinity comes from.

A check is a recorder: it is told of every operation of the forward pass. Of a backward pass and of an optimizer's rule
it looks at the results first; if they are bad, these run again on Tensors, and it is told of their operations too.
An infinity that code wrote (a mask's or a padding's, given as a number or array) is meant, and so is what it leads to,
until it becomes NaN; anything else that is not finite is an error. Off, nothing of this is there.
"""

from __future__ import annotations

import contextlib
import math
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np

from . import dtypes, explanation, recorder
from .context import context, scoped
from .errors import NumericsError, describe
from .frames import user_line
from .tape import Place
from .tensor import Tensor

__all__ = ["check_numerics"]


# Operations that give finite values for finite ones: what comes out of them was seen before.
_KEEP_FINITE = frozenset(
    "identity stop_gradient reshape transpose broadcast_to getitem concatenate negative absolute sign relu maximum "
    "minimum max min select tanh sigmoid sin cos floor ceil rint unfold max_pool_windows take_along_axis".split()
)


class _Check(recorder.Recorder):
    """Looks at the result of each operation, and can take back what was assigned since the step began."""

    __slots__ = ("before", "meant")
    judges_results = True

    def __init__(self) -> None:
        self.before: dict[int, tuple[Any, Any]] = {}
        self.meant: dict[int, weakref.ref[Tensor]] = {}

    def begin(self) -> None:
        self.before.clear()

    def assign(self, variable: Any, before: Any) -> None:
        self.before.setdefault(id(variable), (variable, before))

    def accepts(self, results: list[Any]) -> bool:
        return all(map(is_finite, results))

    def record(self, primitive: Any, inputs: tuple[Any, ...], params: dict[str, Any], outputs: Any) -> None:
        if primitive.name in _KEEP_FINITE and all(type(x) is Tensor and id(x) not in self.meant for x in inputs):
            return
        for y in outputs if type(outputs) is tuple else (outputs,):
            if type(y) is Tensor and not is_finite(y._array):
                self._judge(primitive, inputs, params, y)

    def _judge(self, primitive: Any, inputs: tuple[Any, ...], params: dict[str, Any], y: Tensor) -> None:
        """Lets a meant infinity pass and marks what it leads to; raises for anything else."""
        sources = [x for x in (*inputs, *params.values()) if not is_finite(_values(x))]
        meant = [x for x in sources if not isinstance(x, Tensor) or self._is_meant(x)]
        if meant and len(meant) == len(sources) and not np.isnan(y._array).any():
            self.meant[id(y)] = weakref.ref(y)
            return
        for variable, before in self.before.values():
            variable._value = before
        raise NumericsError(_what(primitive, y, any(isinstance(x, Tensor) for x in sources)), _ranges(inputs))

    def _is_meant(self, x: Tensor) -> bool:
        ref = self.meant.get(id(x))
        return ref is not None and ref() is x


@contextlib.contextmanager
def check_numerics() -> Iterator[None]:
    """In the `with` block, the first operation that gives NaN or an infinity raises.

    The error names the operation, the layers around it, forward or backward, the line of your code, and the range of
    each input; in `fit` the epoch, batch and step too. What is not finite in a backward pass and reaches none of its
    gradients passes. Variables are what they were when the step began, which is when
    the outermost GradientTape last started, or this block. `compile(check_numerics=True)` does the same in `fit`.

    Raises:
      NumericsError: from the operation.

    Example:
      >>> with check_numerics():
      ...     ops.log(Tensor([1.0, -1.0]))
      Traceback (most recent call last):
      ...
      eagerly.errors.NumericsError: log gave NaN in 1 of 2 elements (...)...
    """
    check = _Check()
    with scoped(lines=True):
        recorder.start(check)
        try:
            yield
        finally:
            recorder.stop(check)


def is_finite(values: Any) -> bool:
    """Whether there is neither NaN nor infinity in an array or a number; True for what is neither.

    >>> is_finite(np.array([1.0, np.inf])), is_finite(3), is_finite("inf")
    (False, True, True)
    """
    if type(values) is not np.ndarray:
        if not isinstance(values, (float, np.generic)):
            return True
        values = np.asarray(values)
    if values.dtype.char in "fd":  # one pass at the speed of memory; what overflows here is looked at again
        flat = values.ravel("K")
        if math.isfinite(context.run(np.dot, flat, flat)):
            return True
    elif not dtypes.is_float(values.dtype):
        return True
    return bool(np.isfinite(values).all())


def _values(x: Any) -> Any:
    return x._array if isinstance(x, Tensor) else x


def _what(primitive: Any, y: Tensor, came_so: bool) -> str:
    """The operation and what it gave: `log gave NaN in 1 of 2 elements (train.py:3 in step)`."""
    bad = ~np.isfinite(y._array)
    kind = "NaN" if np.isnan(y._array).any() else "infinity"
    subject = primitive.name
    if context.backward is not None:
        whose, place = context.backward
        subject += f", in the backward pass of {whose.name}{explanation.shown(place)},"
        place = Place((), None)
    else:
        place = Place(context.scope, user_line())
    text = f"{subject} gave {kind} in {int(bad.sum())} of {bad.size} elements{explanation.shown(place)}"
    return text + (", but an input was not finite before" if came_so else "")


def _ranges(inputs: tuple[Any, ...]) -> str:
    """What each input was: `float32[2] in [-1, 1], 1 NaN`."""
    return "; ".join(map(_range, inputs)) or "none"


def _range(x: Any) -> str:
    values = _values(x)
    if not isinstance(values, np.ndarray):
        return describe(x)
    wide = values.astype(np.float64)
    finite = wide[np.isfinite(wide)]
    text = describe(values) + (f" in [{finite.min():.6g}, {finite.max():.6g}]" if finite.size else "")
    for name, count in (("NaN", np.isnan(wide).sum()), ("infinite", np.isinf(wide).sum())):
        text += f", {count} {name}" if count else ""
    return text
