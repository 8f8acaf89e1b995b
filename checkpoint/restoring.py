"""Restoring: all or nothing now, and the rest when the objects that it is for come to exist.

First everything is read and compared; only then is anything assigned, and what was assigned is taken back if a
`set_state` raises. Values for objects that may still appear stay in a Restoration, which hangs on the Trackable that
is going to hold them (`_pending`) and goes through the same two phases each time something has appeared.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from ..errors import RestoreError, suggest
from ..tensor import wrap
from ..trackable import Trackable
from ..variable import Variable
from .differences import report
from .format import Objects
from .matching import Matcher, Plan, Rules, Wait, show, values_below
from .source import Source


class Restoration:
    """One restore: the file's objects, what they were matched with, and the values that wait."""

    def __init__(self, path: str, entries: Objects, rules: Rules | None = None):
        self.path = path
        self.entries = entries
        self.rules = rules or Rules()
        self.partial = False
        self.live: dict[int, Any] = {}
        self.paths: dict[int, str] = {}
        self.values: dict[int, np.ndarray[Any, Any]] = {}
        self.waits: dict[int, list[Wait]] = {}
        self.slot_waits: dict[int, list[Wait]] = {}
        self.undecided: set[int] = set()
        self.pendings: dict[int, Pending] = {}
        self._numbers: dict[int, int] = {}
        self._undo: list[Callable[[], None]] = []
        self._again: list[int] = []
        self._busy = False

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._numbers = {id(value): number for number, value in self.live.items()}  # a copy's objects are others

    def begin(self, file: Source, value: Any, path: str) -> None:
        """Restores the object that the rules start at, and everything below it, into a live one.

        Raises:
          RestoreError: if they differ. Nothing has changed then.
        """
        with self._transaction():
            matcher = self._matcher()
            matcher.start(self.rules.start, value, path)
            self._check_moves(matcher.plan)
            problem = "the file does not fit the objects, and nothing was restored"
            if isinstance(value, Trackable) and not matcher.plan.changed:
                problem += "; strict=False restores what fits, and lets what only the file has wait"
            plan = self._accept(matcher.plan, problem)
            waits = [wait for waits in (*plan.waits.values(), *plan.slot_waits.values()) for wait in waits]
            needed = set(plan.pairs)
            for wait in waits:
                needed.update(number for number, _ in values_below(self.entries, wait, plan.pairs.get))
            self.values = file.read_all(each for each in sorted(needed) if self.entries[each].tensor is not None)
            self._commit(plan)

    def _check_moves(self, plan: Plan) -> None:
        open_paths = [wait.path for waits in plan.waits.values() for wait in waits]
        mine = [*plan.paths.values(), *(path for path, _ in plan.extra)]
        for path in self.rules.moves:
            if path not in plan.found and not any(f"{path}/".startswith(f"{wait}/") for wait in open_paths):
                raise RestoreError(
                    f"{self.path}: expected map to name what you have, got {path!r}.{suggest(path, mine)} "
                    "Write map={your path: path in the file}. Nothing was restored."
                )

    def resolve(self, number: int) -> None:
        """Gives what has appeared below a Trackable since the last look the values that wait for it.

        Raises:
          RestoreError: if it differs from the file. Nothing has changed then, and the values still wait.
        """
        if self._busy:
            self._again.append(number)
            return
        with self._transaction():
            self._look(number)

    def _look(self, number: int) -> None:
        if number in self.pendings:
            matcher = self._matcher()
            matcher.again(number)
            self._commit(self._accept(matcher.plan, "what was created does not fit the values that wait for it"))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing; what a `set_state` makes appear is looked at before it ends."""
        self._busy = True
        try:
            yield
            while self._again:
                self._look(self._again.pop())
        except BaseException:
            for step in reversed(self._undo):
                step()
            raise
        finally:
            self._undo.clear()
            self._again.clear()
            self._busy = False

    def _matcher(self) -> Matcher:
        plan = Plan(waits=dict(self.waits), slot_waits=dict(self.slot_waits), undecided=set(self.undecided))
        return Matcher(self.entries, self.live, self._numbers, self.paths, plan, self.rules)

    def _accept(self, plan: Plan, problem: str) -> Plan:
        if not plan.fits(self.rules.strict):
            raise RestoreError(f"{self.path}: {problem}.\n{report(self.entries, plan, self.rules.strict)}")
        return plan

    def _commit(self, plan: Plan) -> None:
        self._undo.append(self._recover(self.waits, self.slot_waits, self.undecided))
        self.waits, self.slot_waits, self.undecided = plan.waits, plan.slot_waits, plan.undecided
        self._undo.append(partial(self._forget, list(plan.pairs.items())))  # a number gets its object once
        self.live.update(plan.pairs)
        self.paths.update(plan.paths)
        self._numbers.update((id(value), number) for number, value in plan.pairs.items())
        for number in sorted(plan.looked_at):
            self._attach(number, taking_over=number in plan.pairs)
        variables = [(number, value) for number, value in plan.pairs.items() if isinstance(value, Variable)]
        before = [(number, variable, variable._value, self.values[number]) for number, variable in variables]
        self._undo.append(partial(self._take_back, before))
        for number, variable in variables:
            # Not assign: values arrive even while a layer is built by a symbolic call, which assigns nothing.
            variable._value = wrap(self.values.pop(number))
        for number, old_state in plan.old_states.items():
            self._set_state(number, old_state)

    def _forget(self, pairs: list[tuple[int, Any]]) -> None:
        for number, value in pairs:
            self.live.pop(number, None)
            self.paths.pop(number, None)
            self._numbers.pop(id(value), None)

    def _take_back(self, before: list[tuple[int, Variable, Any, np.ndarray[Any, Any]]]) -> None:
        for number, variable, value, waiting in before:
            variable._value = value
            self.values[number] = waiting

    def _recover(self, *before: Any) -> Callable[[], None]:
        def recover() -> None:
            self.waits, self.slot_waits, self.undecided = before

        return recover

    def _put(self, mapping: dict[Any, Any], key: Any, value: Any) -> None:
        """Sets an item, or removes it if the value is None, until the transaction fails."""
        before = mapping.get(key)
        if before is not value:
            self._undo.append(partial(_put, mapping, key, before))
            _put(mapping, key, value)

    def _attach(self, number: int, taking_over: bool) -> None:
        """Hangs what waits on its owner; takes off what is done, and what an earlier restore left."""
        owner, pending = self.live[number], self.pendings.get(number)
        if not taking_over and owner.__dict__.get("_pending") is not pending:
            self._put(self.pendings, number, None)  # a later restore has taken the owner over
            return
        waits = [*self.waits.get(number, ()), *self.slot_waits.get(number, ())]
        names = {wait.name for wait in waits}.union(pending.names if pending else ())
        pending = None
        if waits or number in self.undecided or any(map(owner.may_grow, sorted(names))):
            pending = Pending(self, number, frozenset(names))
        self._put(self.pendings, number, pending)
        self._put(owner.__dict__, "_pending", pending)

    def _set_state(self, number: int, old_state: dict[str, Any]) -> None:
        value, state = self.live[number], self.entries[number].state
        self._undo.append(partial(_set_back, value, old_state))
        try:
            value.set_state(copy.deepcopy(state))  # theirs to keep and to change
        except Exception as error:
            raise RestoreError(
                f"{self.path}: {self.paths[number]}: {type(value).__name__}.set_state raised "
                f"{type(error).__name__}: {error}. Nothing was restored."
            ) from error

    def snapshot(self) -> Callable[[], None]:
        """What makes the Restoration as it is now: for a first call that fails after values have arrived."""
        before = {name: value.copy() for name, value in vars(self).items() if isinstance(value, (dict, set))}

        def rewind() -> None:
            vars(self).update(before)
            for number, pending in self.pendings.items():
                self.live[number].__dict__["_pending"] = pending

        return rewind

    def pending_paths(self, number: int) -> list[str]:
        """The paths of what waits below one Trackable, a value that several names lead to once."""
        found: list[str] = []
        seen: set[int] = set()
        for wait in (*self.waits.get(number, ()), *self.slot_waits.get(number, ())):
            below = list(values_below(self.entries, wait, self.live.get))
            if not below:  # an object without values, or another name of one that has them already
                found.append(wait.path)
            found += [show(self.entries, trail) for each, trail in below if each not in seen]
            seen.update(each for each, _ in below)
        return found


class Pending:
    """What a Trackable's `_pending` is: its place in a Restoration, and the names that it has waited for."""

    def __init__(self, restoration: Restoration, number: int, names: frozenset[str]):
        self.restoration = restoration
        self.number = number
        self.names = names

    def resolve(self, trackable: Trackable) -> None:
        """Called when children of the Trackable may have appeared."""
        self.restoration.resolve(self.number)

    def snapshot(self) -> Callable[[], None]:
        """What makes everything wait again that waits now."""
        return self.restoration.snapshot()

    def paths(self) -> list[str]:
        """The paths of what waits."""
        return self.restoration.pending_paths(self.number)


def _put(mapping: dict[Any, Any], key: Any, value: Any) -> None:
    if value is None:
        mapping.pop(key, None)
    else:
        mapping[key] = value


def _set_back(value: Trackable, state: dict[str, Any]) -> None:
    with contextlib.suppress(Exception):  # the exception that made this necessary is the one to report
        value.set_state(state)
