"""The per-thread Context: all state that a scope switches on and off again.

Scopes are `with` blocks that restore what they found, so an exception can leave nothing behind; the test suite
fails any test after which `context.is_clean()` is false. Look at `vars(context)` to see where you are.
"""

from __future__ import annotations

import contextlib
import contextvars
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np


class Context(threading.local):
    """One thread's recorders, training mode, name scope and flags.

    recorders: listeners told of every operation, innermost last.
    training: the enclosing call's training mode; None outside of any call.
    scope: the layers being called or built, outermost first; their names make a path.
    run: how a single operation runs, function and arguments: without NumPy's floating-point warnings.
    journal: the layers that the running first call has built, with what they were before; None outside of one.
    tracing: what traces the running function into a graph; None outside of one.
    lines: whether tapes note the user's line of each operation.
    backward: the operation whose gradient is being computed, and where it ran; kept only while recorders listen.
    rollbacks: the blocks, innermost last, that give Variables back what they were if they raise.
    symbolic_call: whether a call on abstract tensors is running: it makes no nodes and assigns no Variable.
    """

    def __init__(self) -> None:
        self.recorders: tuple[Any, ...] = ()
        self.training: bool | None = None
        self.scope: tuple[Any, ...] = ()
        silent = contextvars.copy_context()  # entering it takes a tenth of what np.errstate does
        silent.run(np.seterr, all="ignore")
        self.run: Callable[..., Any] = silent.run
        self.symbolic_call = False
        self.tracing: Any = None
        self.journal: list[Any] | None = None
        self.rollbacks: tuple[Any, ...] = ()
        self.lines = False
        self.backward: tuple[Any, Any] | None = None

    def is_clean(self) -> bool:
        """Whether every scope has been left."""
        return self.run is not _directly and {**vars(self), "run": None} == _CLEAN


def _directly(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)


context = Context()
_CLEAN = {**vars(context), "run": None}


@contextlib.contextmanager
def scoped(**values: Any) -> Iterator[None]:
    """Sets attributes of the Context for a `with` block."""
    before = {name: getattr(context, name) for name in values}
    for name, value in values.items():
        setattr(context, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(context, name, value)


class quiet:  # noqa: N801 - used as a function
    """Turns NumPy's floating-point warnings off once per outer scope; inner scopes cost an attribute look-up."""

    __slots__ = ("errstate", "run")

    def __enter__(self) -> None:
        self.run = context.run
        self.errstate = None if self.run is _directly else np.errstate(all="ignore")
        if self.errstate is not None:
            self.errstate.__enter__()
            context.run = _directly

    def __exit__(self, *exc_info: Any) -> None:
        if self.errstate is not None:
            context.run = self.run
            self.errstate.__exit__(*exc_info)
