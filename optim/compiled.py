"""Steps of an optimizer as one compiled graph: the rule of each variable is one pass over its memory.

There is no second definition: the graph is the trace of `Optimizer._step`, with `rule` in it. It is kept as long as the
variables and the optimizer's settings stay what they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import kernels
from ..context import context
from ..graph import Function
from ..ops import arrays
from ..ops.indexing import PLACE
from ..slices import IndexedSlices
from ..tensor import Tensor, wrap
from ..trackable import changes
from ..variable import Variable

LEAST = 1024  # elements of all variables from which a compiled step is worth being made: it soon takes a quarter
_KINDS = {Tensor, IndexedSlices}
_PLAIN = (bool, int, float, str, tuple, type(None))


class CompiledStep:
    """What one optimizer keeps of its compiled step."""

    def __init__(self) -> None:
        self._ids: list[int] = []
        self._settings: list[Any] = []
        self._looked_at = -1  # what had changed when the settings were looked at
        self._function: Function | None = None

    def run(self, optimizer: Any, gradients: list[Tensor], variables: Sequence[Variable]) -> bool:
        """Takes a step if it is one for a graph; tells whether it was."""
        if context.recorders or context.tracing is not None or kernels.failures.get("loops"):
            return False
        kinds = set(map(type, gradients))
        sparse = IndexedSlices in kinds
        if not kinds <= _KINDS or (sparse and (optimizer.lazy or not optimizer.slots)):  # which moves the rows alone
            return False
        ids = [*map(id, variables)]
        if ids != self._ids or self._looked_at != changes[0]:
            settings = [x for x in vars(optimizer).values() if isinstance(x, _PLAIN)]
            if ids != self._ids or settings != self._settings:
                self._ids, self._settings, self._function = ids, settings, _made(optimizer, variables)
            self._looked_at = changes[0]
        if self._function is None:
            return False
        self._function(
            tuple([_dense(g) if type(g) is IndexedSlices else g for g in gradients] if sparse else gradients)
        )
        return True

    def __reduce__(self) -> Any:
        return CompiledStep, ()  # a copy makes its own


def _dense(gradient: IndexedSlices) -> Tensor:
    """The whole of a row-sparse gradient."""
    rows, shape = gradient.indices._array, gradient.dense_shape
    return wrap(arrays.scatter(gradient.values._array, rows, key=(PLACE,), shape=shape))


def _made(optimizer: Any, variables: Sequence[Variable]) -> Function | None:
    """The step as a function; None where it stays as it is written."""
    if sum(variable.size for variable in variables) < LEAST or not isinstance(optimizer.learning_rate, Variable):
        return None
    for variable in variables:
        if variable.dtype != "float32" or variable.constraint is not None:
            return None

    def step(gradients: list[Tensor]) -> None:
        optimizer._step(gradients, variables)
        optimizer.iterations.assign_add(1)

    return Function(step, name=f"{optimizer.name}_step")
