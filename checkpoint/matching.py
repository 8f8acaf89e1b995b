"""Matching: which object of a file is which live object, found by following equal names from a common start.

Nothing is changed here. The outcome is a Plan: new pairs, what waits for objects that do not exist yet, and every
difference. Sharing is part of the graph: one object on one side is one object on the other.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..errors import describe
from ..trackable import Trackable
from ..variable import Variable
from .format import Objects, bound_slots, path_of
from .graph import edges, encode, inside, slot_path, weights, with_more


@dataclass
class Wait:
    """A place in the objects that the file has something for and that is still empty."""

    path: str
    target: int
    name: str  # what the owner's may_grow is asked


@dataclass
class Plan:
    """What a restore is going to do, and what speaks against it."""

    pairs: dict[int, Any] = field(default_factory=dict)
    paths: dict[int, str] = field(default_factory=dict)
    old_states: dict[int, dict[str, Any]] = field(default_factory=dict)
    waits: dict[int, list[Wait]] = field(default_factory=dict)
    slot_waits: dict[int, list[Wait]] = field(default_factory=dict)
    found: set[str] = field(default_factory=set)  # the paths of `Rules.moves` that the objects have
    undecided: set[int] = field(default_factory=set)  # owners of slots for Variables that may still be matched
    looked_at: set[int] = field(default_factory=set)  # the Trackables whose children were compared
    missing: list[tuple[str, int]] = field(default_factory=list)
    extra: list[tuple[str, Any]] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    def fits(self, strict: bool) -> bool:
        """Whether there is no difference that matters."""
        return not (self.missing or self.changed or (strict and self.extra))


@dataclass
class Rules:
    """How the two sides are compared.

    `more` are children of the object at the start beside its own. `moves` leads from paths in the objects to what has
    another path in the file, `moved` are the edges (owner, name) that it is thus not found by. Unless `strict`, what
    only the file has waits, and what only the objects have is left alone. With
    `weights_of`, the file is of a format that holds the weights of this object and nothing else: neither states nor
    slots, nor objects without a weight, and a weight that has several names under one of them.
    """

    start: int = 0
    more: Mapping[str, Any] = field(default_factory=dict)
    moves: Mapping[str, int] = field(default_factory=dict)
    moved: frozenset[tuple[int, str]] = frozenset()
    strict: bool = True
    weights_of: Any = None


@dataclass
class _Visit:
    """A pair whose children are compared next; `owner` is the Trackable that a container belongs to, `top` where."""

    number: int
    value: Any
    path: str
    owner: tuple[int, Trackable] | None
    top: str
    known: bool  # whether the owner was matched before: its extra children count only while it may grow


class Matcher:
    """Makes a Plan.

    Args:
      entries: the file's objects.
      matched: what earlier plans have matched, by number.
      numbers: the same the other way round, by id.
      paths: where they were matched.
      plan: holds what earlier plans left waiting.
      rules: how to compare.
    """

    def __init__(
        self,
        entries: Objects,
        matched: dict[int, Any],
        numbers: dict[int, int],
        paths: dict[int, str],
        plan: Plan,
        rules: Rules,
    ):
        self.entries = entries
        self.rules = rules
        self.matched = matched
        self.paths = paths
        self.plan = plan
        self.old_numbers = numbers
        self.numbers: dict[int, int] = {}  # of the new pairs
        self.containers: dict[tuple[int, int], Any] = {}
        self.queue: deque[_Visit] = deque()

    def start(self, number: int, value: Any, path: str) -> None:
        """Matches a first pair and everything below it."""
        self._pair(number, value, path, None, "", False)
        self._run()

    def again(self, number: int) -> None:
        """Looks for new children of a Trackable that was matched before."""
        owner = self.matched[number]
        self.queue.append(_Visit(number, owner, self.paths[number], None, "", True))
        self._run()

    def _run(self) -> None:
        looked_at = self.plan.looked_at
        while self.queue:
            visit = self.queue.popleft()
            if isinstance(visit.value, Trackable):
                looked_at.add(visit.number)
                self.plan.waits[visit.number] = []
            self._compare(visit)
        if any(isinstance(value, Variable) for value in self.plan.pairs.values()):
            looked_at |= self.plan.undecided
            looked_at |= {n for n, waits in self.plan.slot_waits.items() if waits and self._live(n).bound_children()}
        if self.rules.moves:  # what only held things that have moved is not missed
            self.plan.missing = [(path, n) for path, n in self.plan.missing if self._has_more(path, n)]
        if self.rules.weights_of is not None:
            wanted = weights(self.rules.weights_of)
            self.plan.extra = [(path, value) for path, value in self.plan.extra if self._lacks(value, wanted)]
            return
        for number in sorted(looked_at):
            self._compare_bound(number)

    def _has_more(self, path: str, number: int) -> bool:
        """Whether the file has a value below an object that has got no live one."""
        return next(values_below(self.entries, Wait(path, number, ""), self._live), None) is not None

    def _lacks(self, value: Any, wanted: dict[int, Variable]) -> bool:
        """Whether there is a weight below an object that has got no value."""
        seen, waiting = {id(value): value}, [value]
        while waiting:
            item = waiting.pop()
            if id(item) in wanted and self._number(item) is None:
                return True
            for child in inside(item).values():
                if id(child) not in seen:
                    seen[id(child)] = child
                    waiting.append(child)
        return False

    @cached_property
    def _open_variables(self) -> set[int]:
        """The file's Variables that wait for their objects; asked for when all objects there are have been matched."""
        return {
            number
            for waits in self.plan.waits.values()
            for wait in waits
            for number, _ in values_below(self.entries, wait, self._live)
            if self.entries[number].tensor is not None
        }

    def _live(self, number: int) -> Any:
        return self.plan.pairs.get(number, self.matched.get(number))

    def _number(self, value: Any) -> int | None:
        number = self.numbers.get(id(value))
        return self.old_numbers.get(id(value)) if number is None else number

    def _where(self, number: int) -> str:
        return self.plan.paths.get(number) or self.paths.get(number, "")

    def _pair(self, number: int, value: Any, path: str, owner: Any, top: str, known: bool) -> None:
        entry = self.entries[number]
        variable = isinstance(value, Variable)
        if variable is (entry.tensor is None):
            theirs = str(entry.tensor or f"a {entry.kind}")
            mine = describe(value) if variable else f"a {type(value).__name__}"
            self.plan.changed.append(f"{path}: the file has {theirs}, you have {mine}")
        elif variable or isinstance(value, Trackable):
            new = number not in self.plan.pairs and number not in self.matched and self._number(value) is None
            if new or self._identify(number, value, path):
                self._add(number, value, path)
        elif (number, id(value)) not in self.containers:
            self.containers[number, id(value)] = value
            self.queue.append(_Visit(number, value, path, owner, top, known))

    def _identify(self, number: int, value: Any, path: str) -> bool:
        """Whether a pair is new and keeps the sharing of both sides."""
        live, other = self._live(number), self._number(value)
        if live is value:
            return False
        if live is not None and self._where(number) == path:
            self.plan.changed.append(f"{path}: it was replaced by another object after its value had been restored")
        elif live is not None:
            self.plan.changed.append(f"{path}: one object with {self._where(number)} in the file, two objects in yours")
        elif other is not None:
            self.plan.changed.append(f"{path}: one object with {self._where(other)} in yours, two objects in the file")
        else:
            return True
        return False

    def _add(self, number: int, value: Any, path: str) -> None:
        self.plan.pairs[number] = value
        self.plan.paths[number] = path
        self.numbers[id(value)] = number
        tensor = self.entries[number].tensor
        if tensor is None:
            self._add_state(number, value, path)
            self.queue.append(_Visit(number, value, path, None, "", False))
            return
        array = value._value._array
        if array.shape != tensor.shape or array.dtype != tensor.dtype:
            hint = "" if array.dtype == tensor.dtype else "; a restore converts no dtypes"
            self.plan.changed.append(f"{path}: the file has {tensor}, you have {describe(value)}{hint}")

    def _add_state(self, number: int, value: Trackable, path: str) -> None:
        if self.rules.weights_of is not None:
            return
        state = value.get_state()
        if (state is None) != (self.entries[number].state is None):
            sides = ("the file has", "you have none") if state is None else ("you have", "the file has none")
            self.plan.changed.append(f"{path}: {sides[0]} a state (get_state), {sides[1]}")
        elif state is not None:
            self.plan.old_states[number] = copy.deepcopy(state)

    def _sides(self, visit: _Visit) -> tuple[Mapping[str, int], dict[str, Any]]:
        """The children in the file and in the objects, by the names that they have in the objects."""
        theirs: Mapping[str, int] = self.entries[visit.number].children
        mine = edges(visit.value, visit.path)
        rules = self.rules
        if visit.number == rules.start and rules.more:
            mine = with_more(mine, rules.more)
        if rules.moves:
            theirs = moved = {name: n for name, n in theirs.items() if (visit.number, name) not in rules.moved}
            for path, number in rules.moves.items():
                folder, _, name = path.rpartition("/")
                if folder == visit.path:
                    moved[name] = number
                    if name in mine:
                        self.plan.found.add(path)
        return theirs, mine

    def _compare(self, visit: _Visit) -> None:
        theirs, mine = self._sides(visit)
        owner, top, start = visit.owner, visit.top, f"{visit.path}/" if visit.path else ""
        whole = isinstance(visit.value, Trackable)
        if whole:
            owner = visit.number, visit.value
        for name in mine if theirs.keys() == mine.keys() else sorted(theirs.keys() | mine.keys()):
            path = start + name
            top = name if whole else top
            if name in theirs and name in mine:
                self._pair(theirs[name], mine[name], path, owner, top, visit.known)
                continue
            grows = owner is not None and owner[1].may_grow(top)
            if name in mine:
                if grows or not visit.known:
                    self.plan.extra.append((path, mine[name]))
            elif owner is not None and (grows or not self.rules.strict):
                self.plan.waits[owner[0]].append(Wait(path, theirs[name], top))
            else:
                self.plan.missing.append((path, theirs[name]))

    def _compare_bound(self, number: int) -> None:
        """Compares Variables that belong to other Variables, which are found by what these were matched with."""
        owner, path = self._live(number), self._where(number)
        waits: list[Wait] = []
        self.plan.undecided.discard(number)
        found: set[tuple[int, str]] = set()
        bound = self.entries[number].bound
        for variable, slots in owner.bound_children():
            of = self._number(variable)
            for name, slot in ((encode(key), slot) for key, slot in slots.items()):
                if of is not None and of in bound and name in bound[of]:
                    found.add((of, name))
                    self._pair(bound[of][name], slot, slot_path(path, name, self._where(of)), None, "", False)
                elif of is None and self._open_variables:
                    self.plan.undecided.add(number)
                else:
                    self.plan.extra.append(
                        (slot_path(path, name, variable.path if of is None else self._where(of)), slot)
                    )
        for of, name, target in bound_slots(self.entries[number]):
            if (of, name) not in found:
                place = slot_path(path, name, self._where(of) or path_of(self.entries, of))
                if not self.rules.strict or owner.may_grow(name) or of in self._open_variables:
                    waits.append(Wait(place, target, name))
                else:
                    self.plan.missing.append((place, target))
        self.plan.slot_waits[number] = waits


@dataclass
class _Trail:
    """A path that is put together only when it is shown."""

    before: _Trail | None
    name: str
    variable: int | None = None


def values_below(entries: Objects, wait: Wait, live: Callable[[int], Any]) -> Iterator[tuple[int, _Trail]]:
    """Each object below a place that has a value in the file and no live object yet, and how it is reached."""
    seen = {wait.target}
    queue = deque([(wait.target, _Trail(None, wait.path))])
    while queue:
        number, trail = queue.popleft()
        entry = entries[number]
        if live(number) is not None:
            continue
        if entry.tensor is not None or entry.state is not None:
            yield number, trail
        below = [(target, name, None) for name, target in entry.children.items()]
        for target, name, variable in (*below, *((target, name, of) for of, name, target in bound_slots(entry))):
            if target not in seen:
                seen.add(target)
                queue.append((target, _Trail(trail, name, variable)))


def show(entries: Objects, trail: _Trail | None) -> str:
    """A trail as a path."""
    names = []
    while trail is not None:
        of = "" if trail.variable is None else f" of {path_of(entries, trail.variable)}"
        names.append(trail.name + of)
        trail = trail.before
    return "/".join(reversed(names))
