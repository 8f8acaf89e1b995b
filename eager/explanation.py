"""Why a gradient is None, in words: what a tape noted, walked from the source to where its gradient ends.

An Account holds names, places and the identities of tensors, but no tensor, so that it may outlive the records. Its
entries are in the order in which the operations ran: one pass over them finds all that a source reaches.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from . import dtypes
from .errors import describe
from .tensor import Tensor


class End(NamedTuple):
    """An operation that carries no gradient on; `untracked` if nothing that it took was tracked either."""

    primitive: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    place: Any
    order: int
    dtype: Any
    held: tuple[Any, ...]
    untracked: bool


class Exit(NamedTuple):
    """Values that left for Python or NumPy."""

    operand: Any
    door: str
    place: Any


class Entry(NamedTuple):
    """An operation: for each input what bars a gradient from passing to it, None if nothing does."""

    name: str
    inputs: tuple[tuple[int, str | None], ...]
    outputs: tuple[int, ...]
    where: str
    custom: bool = False


def shown(place: Any) -> str:
    """` in layer 'model/dense' (train.py:12 in loss)`, as far as it is known."""
    line = getattr(place, "line", None)
    scope = getattr(place, "scope", place)
    text = f" in layer '{'/'.join(layer.name for layer in scope)}'" if scope else ""
    return f"{text} ({line})" if line is not None else text


def _barrier(name: str, dtype: Any, where: str) -> str | None:
    """What bars a gradient for the dtype's sake, if anything does."""
    if dtypes.has_gradient(dtype):
        return None
    kind = "truth values" if dtype.kind == "b" else "integers"
    return f"{name}{where} gives {dtype.name}, and no gradient passes {kind}"


def _entry_of_record(record: Any) -> Entry:
    primitive, inputs, _, outputs, place = record
    results = outputs if isinstance(outputs, tuple) else (outputs,)
    where = shown(place)
    barrier = _barrier(primitive.name, results[0].dtype, where)
    rules = () if primitive.rule_for_all is not None else primitive.rules
    bars = []
    for i, x in enumerate(inputs):
        missing = bool(rules) and rules[min(i, len(rules) - 1)] is None
        reason = f"{primitive.name}{where} has no gradient for its argument {i}" if missing else None
        bars.append((id(x), barrier or reason))
    ids = tuple(map(id, results[: primitive.outputs]))
    return Entry(primitive.name, tuple(bars), ids, where, primitive.custom)


def _entry_of_end(end: End) -> Entry:
    name, where = end.primitive.name, shown(end.place)
    dead = {
        key for key, ref in zip(end.outputs, end.held, strict=False) if isinstance(ref, weakref.ref) and ref() is None
    }
    reason = f"stop_gradient{where} stopped it" if name == "stop_gradient" else _barrier(name, end.dtype, where)
    reason = reason or f"{name}{where} has no gradient"
    outputs = tuple(key for key in end.outputs if key not in dead)
    return Entry(name, tuple((key, reason) for key in end.inputs), outputs, where)


def account(
    records: Sequence[Any],
    ends: Sequence[End],
    exits: Sequence[Exit],
    reads: dict[int, tuple[int, ...]],
    tracked: Iterable[int],
    watched: Iterable[int],
    watches_all: bool,
) -> Account:
    """What a tape holds, without its tensors."""
    entries: list[Entry] = []
    rest = iter(ends)
    end = next(rest, None)
    for order, record in enumerate(records):
        while end is not None and end.order <= order:
            entries.append(_entry_of_end(end))
            end = next(rest, None)
        entries.append(_entry_of_record(record))
    entries += [_entry_of_end(e) for e in ([] if end is None else [end, *rest])]
    doors = [(id(e.operand), e.door, shown(e.place)) for e in exits]
    return Account(entries, doors, reads, frozenset(tracked), frozenset(watched), watches_all)


class Account:
    """What a tape knows of the operations that it saw."""

    def __init__(
        self,
        entries: list[Entry],
        exits: list[tuple[int, str, str]],
        reads: dict[int, tuple[int, ...]],
        tracked: frozenset[int],
        watched: frozenset[int],
        watches_all: bool,
    ):
        self.entries = entries
        self.exits = exits
        self.reads = reads
        self.tracked = tracked
        self.watched = watched
        self.watches_all = watches_all
        self.subjects: list[Any] = []

    def about(self, targets: list[Any], sources: list[Any]) -> Account:
        """The account for questions about these tensors alone, since the others may die and their ids come again."""
        self.subjects = [weakref.ref(x) for x in (*targets, *sources)]
        return self

    def knows(self, target: Any, source: Any) -> bool:
        """Whether the account can still tell about the two."""
        known = [ref() for ref in self.subjects]
        return all(any(x is y for y in known) for x in (_tensor(target), source))

    def explain(self, target: Any, source: Any) -> str:
        """Why the gradient is None, or along which operations it flows."""
        path = getattr(source, "path", None)
        who = describe(source) if path is None else f"Variable {path!r}"
        head = f"The gradient of {describe(target)} with respect to {who} is"
        reason = self._reason(target, source)
        return f"{head} {reason}."

    def _reason(self, target: Any, source: Any) -> str:
        for role, x, fits in (("target", target, dtypes.is_float), ("source", source, dtypes.has_gradient)):
            if not fits(x.dtype):
                return f"None: the {role} is {x.dtype.name}, and only floating-point tensors have gradients. Cast it"
        key = id(_tensor(target))
        starts = {id(source)} if isinstance(source, Tensor) else set(self.reads.get(id(source), ()))
        if key in starts:
            return "one: the target is the source"
        if not starts & self.tracked:
            return "None: " + self._unwatched(key, source)
        reached, tainted, ends = self._walk(starts)
        if key in reached:
            names = reached[key]
            hint = ""
            if any(entry.custom for entry in self.entries if entry.name in names):
                hint = "; if it is None all the same, a custom gradient on the way gave None"
            return f"not None: it flows through {_chain(names)}{hint}"
        if key in tainted:
            return "None: " + tainted[key]
        return "None: " + self._lost(key, starts, reached, ends)

    def _unwatched(self, key: int, source: Any) -> str:
        if isinstance(source, Tensor):
            return "the source was not watched. Call tape.watch(x) before it is used"
        left = [f"{door}{where}" for operand, door, where in self.exits if operand == id(source)]
        if left:
            return f"its values left through {left[0]}, and what was computed from them is a constant for the tape"
        if not self.watches_all and id(source) not in self.watched:
            return "the tape has watch_accessed_variables=False and was not told to watch it. Call tape.watch(v)"
        if not source.trainable and id(source) not in self.watched:
            return "the Variable is not trainable, so that the tape does not watch it by itself. Call tape.watch(v)"
        made = self._made(key)
        if made is None and key not in self.tracked:
            return f"{_OUTSIDE}, and so were all uses of the source"
        return "it was not used: no operation that the tape watched read the Variable"

    def _made(self, key: int) -> Entry | None:
        """The operation that gave a tensor."""
        return next((entry for entry in self.entries if key in entry.outputs), None)

    def _walk(self, starts: set[int]) -> tuple[dict[int, tuple[str, ...]], dict[int, str], list[str]]:
        """What gradients reach, by which operations; what values reach past a barrier, and which; all barriers."""
        reached: dict[int, tuple[str, ...]] = dict.fromkeys(starts, ())
        tainted: dict[int, str] = {}
        ends: list[str] = []
        for entry in self.entries:
            stopped: str | None = None
            through: tuple[str, ...] | None = None
            for key, barrier in entry.inputs:
                if key in reached and barrier is None:
                    through = (*reached[key], entry.name)
                elif key in reached:
                    after = f", after {_chain(reached[key])}" if reached[key] else ""
                    stopped = f"{barrier}{after}"
                    ends.append(stopped)
                elif key in tainted:
                    stopped = stopped or tainted[key]
            for output in entry.outputs:
                if through is not None:
                    reached[output] = through
                elif stopped is not None:
                    tainted[output] = stopped
        return reached, tainted, ends

    def _lost(self, key: int, starts: set[int], reached: dict[int, Any], ends: list[str]) -> str:
        """The target is nowhere on the way: what may have happened to the values of the source."""
        for exit_key, door, where in self.exits:
            if exit_key in reached:
                after = f", after {_chain(reached[exit_key])}" if reached[exit_key] else ""
                ends.append(
                    f"its values left through {door}{where}{after}, and what was computed from them is a constant"
                )
        made = self._made(key)
        lead = _OUTSIDE
        if made is not None:
            lead = f"the target comes from {made.name}{made.where}, which does not depend on the source"
        if not ends and len(reached) == len(starts):
            return f"no operation that the tape recorded used the source; {lead}"
        if not ends:
            return lead
        return f"{lead}. Where the source's values went: {'; '.join(dict.fromkeys(ends))}"


_OUTSIDE = (
    "the target was computed outside of the tape (before or after its with block, or inside stop_recording()) or from "
    "nothing that it watches"
)


def _tensor(target: Any) -> Any:
    return getattr(target, "_value", target)


def _chain(names: tuple[str, ...]) -> str:
    """The operations in order, the middle left out if they are many."""
    shown = names if len(names) <= 8 else (*names[:4], "…", *names[-3:])
    return " → ".join(shown)
