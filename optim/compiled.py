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
from ..tensor import Tensor
from ..variable import Variable

LEAST = 16384  # elements of all variables from which a compiled step is worth being made
_PLAIN = (bool, int, float, str, tuple, type(None))


class CompiledStep:
    """What one optimizer keeps of its compiled step."""

    def __init__(self) -> None:
        self._key: Any = None
        self._function: Function | None = None

    def run(self, optimizer: Any, gradients: list[Tensor], variables: Sequence[Variable]) -> bool:
        """Takes a step if it is one for a graph; tells whether it was."""
        if context.recorders or context.tracing is not None or kernels.failures.get("loops"):
            return False
        if any(type(gradient) is not Tensor for gradient in gradients):
            return False
        key = (tuple(map(id, variables)), tuple([x for x in vars(optimizer).values() if isinstance(x, _PLAIN)]))
        if key != self._key:
            self._key, self._function = key, _made(optimizer, variables)
        if self._function is None:
            return False
        self._function(gradients)
        return True

    def __reduce__(self) -> Any:
        return CompiledStep, ()  # a copy makes its own


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
