"""The executor: tasks in one block of memory, run by a native loop.

All blocks of parameters stand in one array, intermediate results in one piece of working memory, whose parts are taken
again when nobody needs them any more. Addresses in it are set when it is another piece than in the last run; those of
inputs, Variables and results are set in each, by native code that is told the arrays.
Maximal sequences of launches are segments of one native call each; what has no kernel is called between them.

A result gets memory of its own, which it takes along. A Variable whose value nobody else can see is updated where it
is, if only its own update still reads it, nothing runs after that could raise, and there is no other thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import kernels
from ..context import context
from ..kernels import headers, scratch
from ..ownership import updatable
from ..tensor import AbstractTensor, Tensor, wrap
from ..variable import Variable
from . import views
from .arena import Arena
from .fusion import Fused, fuse
from .graph import Graph
from .lowering import Task, lower
from .views import View

Array = np.ndarray[Any, Any]


class Plan:
    """A graph of known sizes, ready to run; one run at a time."""

    def __init__(self, graph: Graph):
        self.graph = graph
        fused = fuse(graph)
        self.tasks = lower(graph, fused)
        self.arena = Arena(graph, fused, self.tasks)
        self.memory: scratch.Memory | None = None
        self._lay_out(graph, fused)

    # --- making

    def _lay_out(self, graph: Graph, fused: Fused) -> None:
        arena = self.arena
        self.sources = {id(x): place for place, x in enumerate([*graph.inputs, *(v for _, v in graph.variables)])}
        self.results: list[Any] = []  # bases that get memory of their own
        for x in graph.results():
            base = fused.result(x).base
            if id(base) in arena.made and not any(base is other for other in self.results):
                self.results.append(base)
        self.first = len(self.sources)
        self.sources |= {id(base): self.first + place for place, base in enumerate(self.results)}
        self.constants: list[Array] = []
        words: list[int] = []
        table: list[int] = []
        self.segments: list[Any] = []  # a Task without a launch, or the first of a row of launches and their number
        places: list[tuple[int, int, int, int]] = []
        within: list[int] = []
        for task in self.tasks:
            if task.launch is None:
                self.segments.append(task)
                continue
            block = len(words)
            operands = [*(views.whole(y) for y in task.outputs), *task.inputs]
            assert len(operands) == task.launch.operands, f"{task}: {len(operands)} operands"
            for view in operands:
                words.append(self._address(view, len(words), places, within))
            if task.launch.scratch:
                within.append(len(words))
            words.append(arena.scratch.get(id(task), 0))
            words += task.launch.words
            if self.segments and isinstance(self.segments[-1], tuple):
                self.segments[-1] = (self.segments[-1][0], self.segments[-1][1] + 1)
            else:
                self.segments.append((len(table) // 2, 1))
            table += [task.launch.address, block]
        self.blocks = np.array(words, np.int64)
        launches = np.array(table, np.int64)
        launches[1::2] = launches[1::2] * 8 + self.blocks.ctypes.data
        set_in_runs = np.array(places, np.int64).reshape(-1, 4)
        set_in_runs[:, 1] = set_in_runs[:, 1] * 8 + self.blocks.ctypes.data
        self.within = np.array(within, np.int64)  # the words that are addresses in working memory
        self.start = 0  # where that was in the last run
        count = len(self.sources)
        self.table: Any = kernels.module("launches").Table(launches, set_in_runs, count) if table else None
        self.outputs = [self._taker(fused.result(x)) for x in graph.outputs]
        in_place = self._find_in_place(graph, fused)
        updates = [(variable, self._taker(fused.result(x))) for variable, x in graph.updates]
        self.updates = [(variable, taker) for variable, taker in updates if id(variable) not in in_place]
        self.in_place = [
            (variable, *in_place[id(variable)], taker, variable.shape, variable.dtype)
            for variable, taker in updates
            if id(variable) in in_place
        ]
        written = {source for _, source in in_place.values()}
        own = [(source, views.shape_of(x), x.dtype) for source, x in enumerate(self.results, self.first)]
        self.fresh = [result for result in own if result[0] not in written]
        takers = [(source, shape) for source, shape, _ in own]
        self._as_made = all(type(source) is int for source, _ in self.outputs) and self.outputs == takers
        self.read = [variable for variable, _ in graph.variables]
        self.updatable = [variable for variable, *_ in self.in_place]
        self.native = all(isinstance(segment, tuple) for segment in self.segments)
        self.is_pure = self.native and not graph.variables and not graph.updates

    def _address(self, view: View, word: int, places: list[tuple[int, int, int, int]], within: list[int]) -> int:
        """The address of an operand, within working memory or of a constant; or 0 and a note to set it in each run."""
        base = view.base
        distance = view.offset * base.dtype.itemsize
        if isinstance(base, Tensor):
            self.constants.append(base._array)
            return base._array.ctypes.data + distance
        if id(base) in self.sources:
            source = self.sources[id(base)]
            places.append((source, word, distance, headers.IN_ORDER if source < self.first else headers.TO_FILL))
            return 0
        within.append(word)
        return self.arena.places[id(base)] + distance

    def _taker(self, view: View) -> Any:
        """How a result is taken: from which source, and in which shape; constants are themselves."""
        if isinstance(view.base, Tensor):
            return view.base, view.shape
        return self.sources[id(view.base)], view.shape

    def _find_in_place(self, graph: Graph, fused: Fused) -> dict[int, tuple[int, int]]:
        """The Variables that may be updated where they are: pairs of sources, by Variable."""
        in_place: dict[int, tuple[int, int]] = {}
        fallible = [i for i, task in enumerate(self.tasks) if task.launch is None or task.launch.fault is not None]
        last = max(fallible, default=-1)  # that may raise
        reads: dict[int, list[int]] = {}
        makers: dict[int, int] = {}
        for number, task in enumerate(self.tasks):
            for view in task.inputs:
                reads.setdefault(id(view.base), []).append(number)
            makers.update((id(y), number) for y in task.outputs)
        values = {id(variable): value for variable, value in graph.variables}
        bases = [id(fused.result(x).base) for x in graph.results()]
        for variable, x in graph.updates:
            value = values.get(id(variable))
            new = fused.result(x)
            maker = makers.get(id(new.base), -1)
            if value is None or maker <= last or not self.tasks[maker].in_place:
                continue
            alone = bases.count(id(new.base)) == 1 and id(value) not in bases and new.is_whole
            before = [n for n in reads.get(id(value), []) if n > maker]
            alike = all(v.is_whole for v in self.tasks[maker].inputs if v.base is value)
            if alone and not before and alike:
                in_place[id(variable)] = (self.sources[id(value)], self.sources[id(new.base)])
        return in_place

    # --- running

    def _move_to(self, memory: scratch.Memory) -> None:
        """Sets all addresses within working memory."""
        self.blocks[self.within] += memory.start - self.start
        self.start = memory.start

    def _launch(self, objects: list[int], other: Callable[[int], Array], held: list[Any], segment: Any) -> None:
        """Runs launches on the sources with these ids; on what `other` gives for one that will not do."""
        while (source := self.table.run(objects, *segment)) >= 0:
            held.append(other(source))
            objects[source] = id(held[-1])

    def run_pure(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs, as arrays, of a plan that `is_pure`, for arrays of the graph's sizes in any layout."""
        memory = scratch.take(self.arena.size)
        if memory.start != self.start:
            self._move_to(memory)
        made = [np.empty(shape, dtype) for _, shape, dtype in self.fresh]
        objects = [*map(id, inputs), *map(id, made)]
        for segment in self.segments:  # one, or none where each output is an input
            if self.table.run(objects, *segment) >= 0:
                self._launch(objects, lambda source: np.ascontiguousarray(inputs[source]), [], segment)
        scratch.give(memory)
        if self._as_made:
            return made
        arrays = [*inputs, *made]  # an input may be a result, as in rules of gradients
        taken = [np.array(x._array) if isinstance(x, Tensor) else arrays[x] for x, _ in self.outputs]
        return [x if x.shape == shape else x.reshape(shape) for x, (_, shape) in zip(taken, self.outputs, strict=True)]

    def run(self, inputs: Sequence[Array]) -> list[Tensor]:
        """The outputs for inputs, arrays of the graph's sizes in any layout; Variables get their new values."""
        first = self.first
        memory = self.memory = scratch.take(self.arena.size)
        if memory.start != self.start:
            self._move_to(memory)
        held: list[Array] = []
        values = [variable._value for variable in self.read]
        objects = [*map(id, inputs), *[id(value._array) for value in values], *[0] * len(self.results)]
        if self.table is not None and not kernels.has_other_threads():  # which may see a Variable, or assign it
            values.clear()  # what is held is not updated where it is
        made: list[Any] = [None] * len(self.results)
        for source, shape, dtype in self.fresh:
            result = made[source - first] = np.empty(shape, dtype)
            objects[source] = id(result)
        for alone, (_, old, source, _, shape, dtype) in zip(updatable(self.updatable), self.in_place, strict=True):
            if alone:
                objects[source] = objects[old]
            else:
                result = made[source - first] = np.empty(shape, dtype)
                objects[source] = id(result)

        def other(source: int) -> Array:
            """A copy in order; for a result an array of its own, not a Variable's that must not be written to."""
            if source >= first:
                shape, dtype = next(entry[4:] for entry in self.in_place if entry[2] == source)
                made[source - first] = np.empty(shape, dtype)
                return made[source - first]
            return np.ascontiguousarray(self._arrays(inputs, values)[source])

        if self.native:
            for segment in self.segments:
                self._launch(objects, other, held, segment)
        else:
            self._run_segments(objects, other, held, [*self._arrays(inputs, values), *made])
        self.memory = None
        scratch.give(memory)
        moved = [(entry[0], entry[3]) for entry in self.in_place if made[entry[2] - first] is not None]
        new = [*self.updates, *moved]
        become = [self._take(taker, inputs, made, values) for _, taker in new]
        outputs = [self._take(taker, inputs, made, values) for taker in self.outputs]
        deque(map(_set_value, [variable for variable, _ in new], become), 0)  # no signal comes between two of them
        return outputs

    def _arrays(self, inputs: Sequence[Array], values: Sequence[Tensor]) -> list[Array]:
        """Those of inputs and of what Variables were at the start, which is `values` if they may have changed."""
        return [*inputs, *(value._array for value in values or [variable._value for variable in self.read])]

    def _run_segments(self, objects: list[int], other: Any, held: list[Any], arrays: list[Any]) -> None:
        """Native segments, and what is called from Python between them."""
        for _, old, source, *_ in self.in_place:
            if arrays[source] is None:
                arrays[source] = arrays[old]
        for segment in self.segments:
            if isinstance(segment, tuple):
                self._launch(objects, other, held, segment)
            else:
                self._call(segment, arrays)

    def _take(self, taker: Any, inputs: Sequence[Array], made: list[Any], values: Sequence[Tensor]) -> Tensor:
        """A result as a Tensor of its own."""
        source, shape = taker
        if isinstance(source, Tensor):
            return wrap(np.array(source._array))
        if source >= self.first:
            array = made[source - self.first]
        else:
            array = self._arrays(inputs, values)[source].copy()
        return wrap(array if array.shape == shape else array.reshape(shape))

    def _call(self, task: Task, arrays: list[Any]) -> None:
        """Runs an operation that has no kernel."""
        (node,) = task.nodes
        found = iter(task.inputs)
        given = [
            self._array(next(found), arrays) if isinstance(x, (AbstractTensor, Tensor)) else x for x in node.inputs
        ]
        results = context.run(node.primitive.implementation, *given, **node.params)
        results = results if type(results) is tuple else (results,)
        for y, result in zip(task.outputs, results, strict=True):
            self._array(views.whole(y), arrays)[...] = result

    def _array(self, view: View, arrays: list[Any]) -> Array:
        """A view as an array."""
        base = view.base
        size, dtype = views.size_of(base), base.dtype
        if isinstance(base, Tensor):
            whole = base._array
            return whole if view.shape == whole.shape and view.is_whole else _strided(whole, view)
        if id(base) in self.sources:
            whole = arrays[self.sources[id(base)]]
        elif id(base) in self.arena.places:
            assert self.memory is not None
            at = self.arena.places[id(base)]
            whole = self.memory.bytes[at : at + size * dtype.itemsize].view(dtype)
        else:
            return np.empty(view.shape, dtype)  # nobody needs it
        return _strided(whole, view)


_set_value = vars(Variable)["_value"].__set__


def _strided(whole: Array, view: View) -> Array:
    flat = np.ascontiguousarray(whole).reshape(-1)
    strides = [stride * whole.itemsize for stride in view.strides]
    return np.lib.stride_tricks.as_strided(flat[view.offset :], view.shape, strides)
