"""What a restore tells afterwards: which values wait, and whether everything found its match."""

from __future__ import annotations

from typing import Any

from ..errors import RestoreError
from ..trackable import Trackable
from ..variable import Variable
from .graph import trackables, walk, weights
from .restoring import Pending, Restoration


class RestoreStatus:
    """What `Checkpoint.restore` returns: which values still wait for objects that do not exist yet.

    A strict restore has given a value to everything that the objects have by the time that it returns; what these
    methods find then has come later, or was left out by `strict=False`.

    Example:
      >>> from eagerly.checkpoint import Checkpoint
      >>> path = Checkpoint(step=Variable(3)).write("step.h5")
      >>> Checkpoint(step=Variable(0)).restore(path).assert_consumed().pending
      []
    """

    def __init__(self, restoration: Restoration | None, root: Any = None, at: str = ""):
        self._restoration = restoration
        self._root = root
        self._at = at

    @property
    def path(self) -> str | None:
        """The file; None if there was none to restore."""
        return None if self._restoration is None else self._restoration.path

    @property
    def pending(self) -> list[str]:
        """The paths of the values that wait."""
        restoration = self._restoration
        if restoration is None:
            return []
        for number, pending in list(restoration.pendings.items()):
            if self._holds(number, pending):
                restoration.live[number].resolve_pending()
        return sorted(
            path
            for number, pending in restoration.pendings.items()
            if self._holds(number, pending)
            for path in pending.paths()
        )

    def assert_consumed(self) -> RestoreStatus:
        """The status itself, if every value of the file has its object and every object its value.

        Raises:
          RestoreError: listing what waits, or what the file does not have.
        """
        self._restored()
        pending = self.pending
        if pending:
            raise RestoreError(
                f"{self.path}: expected every value to be restored, got {len(pending)} that "
                f"{'wait' if len(pending) > 1 else 'waits'} for objects not built yet: {', '.join(pending)}."
            )
        return self.assert_existing_objects_matched()

    def assert_existing_objects_matched(self) -> RestoreStatus:
        """The status itself, if everything that the objects hold by now has come out of the file.

        Raises:
          RestoreError: listing what the file does not have.
        """
        restoration = self._restored()
        self.pending  # noqa: B018 - it looks at what has appeared
        known = {id(value) for value in restoration.live.values()}
        rules = restoration.rules
        wanted = None if rules.weights_of is None else weights(rules.weights_of)
        unmatched = [
            "/".join(filter(None, (self._at, node.path)))
            for node in walk(self._root, rules.more)
            if id(node.value) not in known and (_has_values(node.value) if wanted is None else id(node.value) in wanted)
        ]
        if unmatched:
            raise RestoreError(
                f"{self.path}: expected it to have everything that the objects hold, got no {', no '.join(unmatched)}."
                " Restore before these are added, or save them too."
            )
        return self

    def assert_nontrivial_match(self) -> RestoreStatus:
        """The status itself, if at least one value has been restored.

        Raises:
          RestoreError: if none has.
        """
        restoration = self._restored()
        self.pending  # noqa: B018 - it looks at what has appeared
        if not any(_has_values(value) for value in restoration.live.values()):
            raise RestoreError(
                f"{self.path}: expected at least one value to be restored, got none. It has "
                f"{', '.join(restoration.entries[0].children) or 'nothing'}; compare these names with yours."
            )
        return self

    def expect_partial(self) -> RestoreStatus:
        """Says that what waits may go on waiting: saving, and ending `fit`, are then no errors."""
        if self._restoration is not None:
            self._restoration.partial = True
        return self

    def _restored(self) -> Restoration:
        if self._restoration is None:
            raise RestoreError("Checkpoint: expected a file to have been restored, got None as its path.")
        return self._restoration

    def _holds(self, number: int, pending: Pending) -> bool:
        """Whether no later restore has taken the object over."""
        assert self._restoration is not None
        return self._restoration.live[number].__dict__.get("_pending") is pending

    def __repr__(self) -> str:
        return f"RestoreStatus({self.path!r}, pending={self.pending})"


def _has_values(value: Any) -> bool:
    return isinstance(value, Variable) or (isinstance(value, Trackable) and value.get_state() is not None)


def pending_paths(root: Any) -> list[str]:
    """The paths of restored values that wait for something below an object to be built; partial restores left out.

    >>> pending_paths(Trackable())
    []
    """
    waiting = [owner for owner in trackables(root) if owner.__dict__.get("_pending") is not None]
    if not waiting:
        return []
    for owner in waiting:
        owner.resolve_pending()
    found = set()
    for owner in trackables(root):
        pending = owner.__dict__.get("_pending")
        if pending is not None and not pending.restoration.partial:
            found.update(pending.paths())
    return sorted(found)
