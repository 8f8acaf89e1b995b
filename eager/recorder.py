"""The events that tapes, graphs and checks listen to.

Running a primitive on tensors tells each active recorder of the thread `(primitive, inputs, params, outputs)`; reading
a Variable asks each, innermost last, which tensor stands for its value; assigning one, and values that leave for Python
or NumPy, are told too. A recorder is active between `start` and `stop`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from .context import context, scoped

if TYPE_CHECKING:
    from .primitive import Primitive


class Recorder:
    """Listens to the operations of one thread; the base of GradientTape and of graph tracing."""

    __slots__ = ()
    judges_results = False  # whether `accepts` is asked of a whole computation before its operations are told
    takes_whole = False  # whether a fused operation may be told as one, which no other recorder would understand

    def record(self, primitive: Primitive[...], inputs: tuple[Any, ...], params: dict[str, Any], outputs: Any) -> None:
        """Told of one operation: its inputs (tensors, Python numbers), params, and output tensor or tuple of them."""

    def read(self, variable: Any, value: Any) -> Any:
        """Told that an operation reads a Variable; returns the tensor that stands for its value."""
        return value

    def assign(self, variable: Any, before: Any) -> None:
        """Told that a Variable is about to get another value than the tensor `before`."""

    def begin(self) -> None:
        """Told that a step begins: a tape is about to record while none does."""

    def accepts(self, results: list[Any]) -> bool:
        """Whether the results of a computation, as arrays, are such that its operations need not be told."""
        return True

    def leave(self, operand: Any, door: str) -> None:
        """Told that the values of a tensor or Variable leave for Python or NumPy, by the door of that name."""


def start(recorder: Recorder) -> None:
    """Makes a recorder the innermost of this thread."""
    context.recorders = (*context.recorders, recorder)


def stop(recorder: Recorder) -> None:
    """Takes a recorder off the stack, wherever it is; taking off an inactive one does nothing."""
    context.recorders = tuple(active for active in context.recorders if active is not recorder)


def as_one(run: Callable[[], Any], results_of: Callable[[Any], Iterable[Any]]) -> Any:
    """run(), of a pure function, untold to the recorders that judge by the results; told if one does not accept them.

    Args:
      run: the computation; it is run again to be told.
      results_of: from what it gives to the tensors, arrays or None to judge by.
    """
    judges = [active for active in context.recorders if active.judges_results]
    if not judges:
        return run()
    with scoped(recorders=tuple(active for active in context.recorders if not active.judges_results)):
        results = run()
    arrays = [getattr(x, "_array", x) for x in results_of(results)]
    return results if all(judge.accepts(arrays) for judge in judges) else run()


def told_leaving(operand: Any, door: str) -> Any:
    """Tells the recorders that values leave, and gives the operand."""
    for recorder in context.recorders:
        recorder.leave(operand, door)
    return operand
