"""Saving on another thread: at most one file at a time, and no error is lost.

What a Tensor holds never changes, so the items of a snapshot stay what they were while training goes on.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable
from typing import Any


class Saver:
    """Writes the files of one Checkpoint, at once or in the background."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def write(self, work: Callable[[], None], background: bool) -> None:
        """Does the work now or on a thread; `wait` has to be called before."""
        if not background:
            work()
            return
        thread = threading.Thread(target=self._run, args=(work,), name="eagerly checkpoint", daemon=False)
        thread.start()
        self._thread = thread
        _unfinished.add(self)

    def wait(self) -> None:
        """Waits for the file that is being written, and raises the error that it ended in."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            _unfinished.discard(self)
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # raised by the next `wait`
            self._error = error

    def __deepcopy__(self, memo: Any) -> Saver:
        return Saver()

    def __reduce__(self) -> Any:
        return Saver, ()


# Strong, so that the error of a Checkpoint that nobody holds any more is raised at exit too.
_unfinished: set[Saver] = set()


@atexit.register
def _raise_at_exit() -> None:
    errors: list[BaseException] = []
    for saver in list(_unfinished):
        try:
            saver.wait()
        except BaseException as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        # At exit Python shows the message of a group and not its parts.
        raise BaseExceptionGroup(f"checkpoints were not written: {'; '.join(map(str, errors))}", errors)
