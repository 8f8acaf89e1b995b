"""The executor: tasks in one block of memory, run by a native loop.

All blocks of parameters stand in one array, intermediate results in one piece of working memory, whose parts are taken
again when nobody needs them any more. Addresses in it are set when it is another piece than in the last run; those of
inputs, Variables and results are set in each.
Maximal sequences of launches are segments of one native call each; what has no kernel is called between them.

A result gets memory of its own, which it takes along. A Variable whose value nobody else can see is updated where it
is, if only its own update still reads it and nothing runs after that could raise.
"""

from __future__ import annotations

import ctypes
import weakref
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import kernels
from ..context import context
from ..kernels import scratch
from ..ownership import is_updatable
from ..tensor import AbstractTensor, Tensor, wrap
from ..variable import Variable
from . import views
from .fusion import Fused, fuse
from .graph import Graph
from .lowering import Task, lower
from .views import View

ALIGNMENT = 64
addressof, from_buffer = ctypes.addressof, ctypes.c_char.from_buffer
Array = np.ndarray[Any, Any]


class Plan:
    """A graph of known sizes, ready to run; one run at a time."""

    def __init__(self, graph: Graph):
        self.graph = graph
        fused = fuse(graph)
        self.tasks = lower(graph, fused)
        self.arena = _Arena(graph, fused, self.tasks)
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
        first = len(self.sources)
        self.sources |= {id(base): first + place for place, base in enumerate(self.results)}
        self.constants: list[Array] = []
        words: list[int] = []
        table: list[int] = []
        self.segments: list[tuple[int, int] | Task] = []
        patches: list[tuple[int, int, int]] = []
        within: list[int] = []
        for task in self.tasks:
            if task.launch is None:
                self.segments.append(task)
                continue
            block = len(words)
            operands = [*(views.whole(y) for y in task.outputs), *task.inputs]
            assert len(operands) == task.launch.operands, f"{task}: {len(operands)} operands"
            for view in operands:
                words.append(self._address(view, len(words), patches, within))
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
        self.table = np.array(table, np.int64)
        self.table[1::2] = self.table[1::2] * 8 + self.blocks.ctypes.data
        self.within = np.array(within, np.int64)  # the words that are addresses in working memory
        self.start = 0  # where that was in the last run
        self.places = np.array([place for place, _, _ in patches], np.int64)
        self.of = np.array([source for _, source, _ in patches], np.int64)
        self.offsets = np.array([offset for _, _, offset in patches], np.int64)
        self.addresses: list[int] = [0] * len(self.sources)
        self.outputs = [self._taker(fused.result(x)) for x in graph.outputs]
        inplace = self._find_in_place(graph, fused)
        updates = [(variable, self._taker(fused.result(x))) for variable, x in graph.updates]
        self.updates = [(variable, taker) for variable, taker in updates if id(variable) not in inplace]
        self.in_place = [
            (variable, *inplace[id(variable)], taker, variable.shape, variable.dtype)
            for variable, taker in updates
            if id(variable) in inplace
        ]
        written = {place for _, place in inplace.values()}
        self.fresh = [(place, x) for place, x in enumerate(self.results, first) if place not in written]
        start = len(graph.inputs)
        self.read = [(start + place, variable) for place, (variable, _) in enumerate(graph.variables)]
        self.first = first
        self.nothing: list[Any] = [None] * len(self.sources)
        self.arrays = list(self.nothing)
        self.seen: list[Any] = [_nobody] * len(self.sources)
        self.writable = [False] * len(self.sources)
        self.address_of: Any = kernels.module("launches").address_of if self.table.size else _no_address
        self.native = bool(self.tasks) and all(isinstance(segment, tuple) for segment in self.segments)
        self.is_pure = self.native and not graph.variables and not graph.updates
        if self.is_pure:
            self._make_lean(patches)

    def _address(self, view: View, word: int, patches: list[tuple[int, int, int]], within: list[int]) -> int:
        """The address of an operand, within working memory or of a constant; or 0 and a note to set it in each run."""
        base = view.base
        distance = view.offset * base.dtype.itemsize
        if isinstance(base, Tensor):
            self.constants.append(base._array)
            return base._array.ctypes.data + distance
        if id(base) in self.sources:
            patches.append((word, self.sources[id(base)], distance))
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

    def _make_lean(self, patches: list[tuple[int, int, int]]) -> None:
        """What `run_pure` needs, in the form that takes the least time."""
        first = len(self.graph.inputs)
        self._words = (ctypes.c_int64 * len(self.blocks)).from_buffer(self.blocks.data)
        by_source: dict[int, list[tuple[int, int]]] = {}
        for word, source, distance in patches:
            by_source.setdefault(source, []).append((word, distance))
        self._given = [(source, words) for source, words in by_source.items() if source < first]
        self._made = [
            (views.shape_of(base), base.dtype, by_source.get(source, []))
            for source, base in enumerate(self.results, first)
        ]
        takers = [(source, views.shape_of(base)) for source, base in enumerate(self.results, first)]
        self._as_made = all(type(source) is int for source, _ in self.outputs) and self.outputs == takers
        self._table = self.table.ctypes.data

    # --- running

    def _take_memory(self) -> scratch.Memory:
        """Working memory, to which all addresses within are set."""
        memory = scratch.take(self.arena.size)
        if memory.start != self.start:
            self.blocks[self.within] += memory.start - self.start
            self.start = memory.start
        return memory

    def run_pure(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs, as arrays, of a plan that `is_pure`, for arrays of the graph's sizes in any layout."""
        words, kept, results = self._words, [], []
        memory = self._take_memory()
        for source, places in self._given:
            array = inputs[source]
            if not array.flags.c_contiguous:
                array = np.ascontiguousarray(array)
                kept.append(array)
            if array.flags.writeable:
                address = addressof(from_buffer(array))
            else:
                address = array.ctypes.data
            for word, distance in places:
                words[word] = address + distance
        for shape, dtype, places in self._made:
            array = np.empty(shape, dtype)
            address = addressof(from_buffer(array))
            for word, distance in places:
                words[word] = address + distance
            results.append(array)
        pool, execute = kernels.executor()
        execute(pool, self._table, len(self.table) // 2)
        scratch.give(memory)
        if self._as_made:
            return results
        arrays = [*inputs, *results]  # an input may be a result, as in rules of gradients
        taken = [np.array(x._array) if isinstance(x, Tensor) else arrays[x] for x, _ in self.outputs]
        return [x if x.shape == shape else x.reshape(shape) for x, (_, shape) in zip(taken, self.outputs, strict=True)]

    def run(self, inputs: Sequence[Array]) -> list[Tensor]:
        """The outputs for inputs, C-contiguous arrays of the graph's sizes; Variables get their new values."""
        addresses, arrays, address_of = self.addresses, self.arrays, self.address_of
        array: Any
        value: Any
        for place, array in enumerate(inputs):
            arrays[place] = array
            addresses[place] = address_of(array)
        for place, variable in self.read:
            value = variable._value
            if self.seen[place]() is not value:
                array = value._array
                in_order = array.flags.c_contiguous
                array = arrays[place] = array if in_order else np.ascontiguousarray(array)
                self.seen[place] = weakref.ref(value) if in_order else _nobody
                self.writable[place] = in_order and array.flags.owndata and array.flags.writeable
                addresses[place] = address_of(array)
            elif arrays[place] is None:
                arrays[place] = value._array
        for place, base in self.fresh:
            array = arrays[place] = np.empty(views.shape_of(base), base.dtype)
            addresses[place] = address_of(array)
        new = self.updates
        value = array = None  # which would count as references
        if self.in_place:
            new = [*new]
            for variable, old, place, taker, shape, dtype in self.in_place:
                if self.writable[old]:
                    arrays[old] = None
                    if is_updatable(variable):
                        arrays[place] = arrays[old] = variable._value._array
                        addresses[place] = addresses[old]
                        continue
                    arrays[old] = variable._value._array
                arrays[place] = np.empty(shape, dtype)
                addresses[place] = address_of(arrays[place])
                new.append((variable, taker))
        if self.places.size:
            self.blocks[self.places] = np.array(addresses, np.int64)[self.of] + self.offsets
        pool, execute = kernels.executor() if self.table.size else (0, _nothing)
        memory = self.memory = self._take_memory()
        for segment in self.segments:
            if isinstance(segment, tuple):
                execute(pool, self.table.ctypes.data + 16 * segment[0], segment[1])
            else:
                self._call(segment, arrays)
        self.memory = None
        scratch.give(memory)
        values = [self._take(taker, arrays) for _, taker in new]
        outputs = [self._take(taker, arrays) for taker in self.outputs]
        deque(map(_set_value, [variable for variable, _ in new], values), 0)  # no signal comes between two of them
        arrays[:] = self.nothing
        return outputs

    def _take(self, taker: Any, arrays: list[Any]) -> Tensor:
        source, shape = taker
        if isinstance(source, Tensor):
            return wrap(np.array(source._array))
        array = arrays[source]
        if source < self.first:
            array = array.copy()  # an input, or what a Variable was
        return wrap(array if array.shape == shape else array.reshape(shape))

    def _call(self, task: Task, arrays: list[Any]) -> None:
        """Runs an operation that has no kernel."""
        node = task.node
        assert node is not None
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


def _nothing(*_: Any) -> None:
    """Runs no launches, or is no Tensor that was seen."""


_nobody = _no_address = _nothing


def _strided(whole: Array, view: View) -> Array:
    flat = whole.reshape(-1)
    strides = [stride * whole.itemsize for stride in view.strides]
    return np.lib.stride_tricks.as_strided(flat[view.offset :], view.shape, strides)


class _Arena:
    """Places in one block of memory for what is made and needed within a run."""

    def __init__(self, graph: Graph, fused: Fused, tasks: list[Task]):
        self.made = {id(y) for task in tasks for y in task.outputs}
        own = {id(fused.result(x).base) for x in graph.results()}
        last: dict[int, int] = {}
        for number, task in enumerate(tasks):
            for view in task.inputs:
                last[id(view.base)] = number
        self.places: dict[int, int] = {}
        self.scratch: dict[int, int] = {}
        self.size = 0
        free: list[tuple[int, int]] = []
        until: dict[int, list[tuple[int, int]]] = {}  # parts by the task that needs them last
        for number, task in enumerate(tasks):
            for y in task.outputs:
                if id(y) not in own:
                    part = self._take(free, views.size_of(y) * y.dtype.itemsize)
                    self.places[id(y)] = part[0]
                    until.setdefault(last.get(id(y), number), []).append(part)
            if task.launch is not None and task.launch.scratch:
                part = self._take(free, task.launch.scratch)
                self.scratch[id(task)] = part[0]
                _give(free, *part)
            for part in until.pop(number, []):
                _give(free, *part)

    def _take(self, free: list[tuple[int, int]], size: int) -> tuple[int, int]:
        """A free place, the smallest that is large enough, or a new one at the end."""
        size = -(-max(size, 1) // ALIGNMENT) * ALIGNMENT
        fitting = [part for part in free if part[1] >= size]
        if not fitting:
            place = self.size
            if free and free[-1][0] + free[-1][1] == self.size:
                place = free.pop()[0]
            self.size = place + size
            return place, size
        part = min(fitting, key=lambda part: part[1])
        free.remove(part)
        if part[1] > size:
            _give(free, part[0] + size, part[1] - size)
        return part[0], size


def _give(free: list[tuple[int, int]], place: int, size: int) -> None:
    """Puts a part back, as one with its neighbors."""
    free.append((place, size))
    free.sort()
    merged: list[tuple[int, int]] = []
    for start, length in free:
        if merged and merged[-1][0] + merged[-1][1] == start:
            merged[-1] = (merged[-1][0], merged[-1][1] + length)
        else:
            merged.append((start, length))
    free[:] = merged
