"""The events that tapes, graphs and checks listen to.

Running a primitive on tensors tells each active recorder of the thread `(primitive, inputs, params, outputs)`; reading
a Variable asks each, innermost last, which tensor stands for its value; assigning one, and values that leave for Python
or NumPy, are told too. A recorder is active between `start` and `stop`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .context import context

if TYPE_CHECKING:
    from .primitive import Primitive


class Recorder:
    """Listens to the operations of one thread; the base of GradientTape and of graph tracing."""

    __slots__ = ()

    def record(self, primitive: Primitive[...], inputs: tuple[Any, ...], params: dict[str, Any], outputs: Any) -> None:
        """Told of one operation: its inputs (tensors, Python numbers), params, and output tensor or tuple of them."""

    def read(self, variable: Any, value: Any) -> Any:
        """Told that an operation reads a Variable; returns the tensor that stands for its value."""
        return value

    def assign(self, variable: Any, before: Any) -> None:
        """Told that a Variable is about to get another value than the tensor `before`."""

    def begin(self) -> None:
        """Told that a step begins: a tape is about to record while none does."""

    def leave(self, operand: Any, door: str) -> None:
        """Told that the values of a tensor or Variable leave for Python or NumPy, by the door of that name."""


def start(recorder: Recorder) -> None:
    """Makes a recorder the innermost of this thread."""
    context.recorders = (*context.recorders, recorder)


def stop(recorder: Recorder) -> None:
    """Takes a recorder off the stack, wherever it is; taking off an inactive one does nothing."""
    context.recorders = tuple(active for active in context.recorders if active is not recorder)


def told_leaving(operand: Any, door: str) -> Any:
    """Tells the recorders that values leave, and gives the operand."""
    for recorder in context.recorders:
        recorder.leave(operand, door)
    return operand
