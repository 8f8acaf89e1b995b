"""The executor: tasks in one block of memory, run by a native loop.

All blocks of parameters stand in one array, intermediate results in one piece of working memory, whose parts are taken
again when nobody needs them any more. Addresses in it are set when it is another piece than in the last run; those of
inputs, Variables and results are set in each.
Maximal sequences of launches are segments of one native call each; what has no kernel is called between them.

A result gets memory of its own, which it takes along. A Variable whose value nobody else can see is updated where it
is, if only its own update still reads it, nothing runs after that could raise, and there is no other thread.
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
        self._words: Any = (ctypes.c_int64 * len(words)).from_buffer(self.blocks.data) if words else ()
        self._table, self._count = self.table.ctypes.data, len(table) // 2
        self.uses: list[list[tuple[int, int]]] = [[] for _ in self.sources]
        for word, source, distance in patches:
            self.uses[source].append((word, distance))
        self.addresses = [0] * len(self.sources)
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
        start = len(graph.inputs)
        self.read = [(start + place, variable) for place, (variable, _) in enumerate(graph.variables)]
        self.seen: list[Any] = [_nobody] * len(self.sources)
        self.writable = [False] * len(self.sources)
        self.address_of: Any = kernels.module("launches").address_of if self._count else _no_address
        self.native = bool(self.tasks) and all(isinstance(segment, tuple) for segment in self.segments)
        self.is_pure = self.native and not graph.variables and not graph.updates

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

    # --- running

    def _take_memory(self) -> scratch.Memory:
        """Working memory, to which all addresses within are set."""
        memory = scratch.take(self.arena.size)
        if memory.start != self.start:
            self.blocks[self.within] += memory.start - self.start
            self.start = memory.start
        return memory

    def _point(self, source: int, address: int) -> None:
        """Sets the address of a source wherever it is an operand."""
        if self.addresses[source] != address:
            self.addresses[source] = address
            for word, distance in self.uses[source]:
                self._words[word] = address + distance

    def _see(self, source: int, value: Tensor, held: list[Array]) -> None:
        """Takes in another Tensor of a Variable; one with its elements in another order is copied for each run."""
        array = value._array
        in_order = array.flags.c_contiguous
        if not in_order:
            array = np.ascontiguousarray(array)
            held.append(array)
        self.seen[source] = weakref.ref(value) if in_order else _nobody
        self.writable[source] = in_order and array.flags.owndata and array.flags.writeable
        self._point(source, self.address_of(array))

    def run_pure(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs, as arrays, of a plan that `is_pure`, for arrays of the graph's sizes in any layout."""
        point, address_of = self._point, self.address_of
        memory = self._take_memory()
        kept, made = [], []
        for source, array in enumerate(inputs):
            if self.uses[source]:
                if not array.flags.c_contiguous:
                    array = np.ascontiguousarray(array)
                    kept.append(array)
                point(source, address_of(array))
        for source, shape, dtype in self.fresh:
            result = np.empty(shape, dtype)
            point(source, address_of(result))
            made.append(result)
        pool, execute = kernels.executor()
        execute(pool, self._table, self._count)
        scratch.give(memory)
        if self._as_made:
            return made
        arrays = [*inputs, *made]  # an input may be a result, as in rules of gradients
        taken = [np.array(x._array) if isinstance(x, Tensor) else arrays[x] for x, _ in self.outputs]
        return [x if x.shape == shape else x.reshape(shape) for x, (_, shape) in zip(taken, self.outputs, strict=True)]

    def run(self, inputs: Sequence[Array]) -> list[Tensor]:
        """The outputs for inputs, C-contiguous arrays of the graph's sizes; Variables get their new values."""
        point, address_of, first = self._point, self.address_of, self.first
        memory = self.memory = self._take_memory()
        for source, array in enumerate(inputs):
            point(source, address_of(array))
        held: list[Any] = []
        values: list[Tensor] = []
        several = not self._count or kernels.has_other_threads()  # which may see a Variable, or assign it
        value: Any
        for source, variable in self.read:
            value = variable._value
            if several:
                values.append(value)  # and so it is not updated where it is
            if self.seen[source]() is not value:
                self._see(source, value, held)
        value = None  # which would count as a reference
        made: list[Any] = [None] * len(self.results)
        for source, shape, dtype in self.fresh:
            result = made[source - first] = np.empty(shape, dtype)
            point(source, address_of(result))
        new = self.updates
        if self.in_place:
            new = [*new]
            for variable, old, source, taker, shape, dtype in self.in_place:
                if self.writable[old] and is_updatable(variable):
                    point(source, self.addresses[old])
                else:
                    result = made[source - first] = np.empty(shape, dtype)
                    point(source, address_of(result))
                    new.append((variable, taker))
        if self.native:
            pool, execute = kernels.executor()
            execute(pool, self._table, self._count)
        else:
            self._run_segments(inputs, made, values)
        self.memory = None
        scratch.give(memory)
        become = [self._take(taker, inputs, made, values) for _, taker in new]
        outputs = [self._take(taker, inputs, made, values) for taker in self.outputs]
        deque(map(_set_value, [variable for variable, _ in new], become), 0)  # no signal comes between two of them
        return outputs

    def _was(self, number: int, values: Sequence[Tensor]) -> Array:
        """What a Variable was when the run began; `values` are there if it may be another since then."""
        return (values[number] if values else self.read[number][1]._value)._array

    def _run_segments(self, inputs: Sequence[Array], made: list[Any], values: Sequence[Tensor]) -> None:
        """Native segments, and what is called from Python between them."""
        arrays = [*inputs, *(self._was(number, values) for number in range(len(self.read))), *made]
        for _, old, source, *_ in self.in_place:
            if made[source - self.first] is None:
                arrays[source] = arrays[old]
        pool, execute = kernels.executor() if self._count else (0, _nothing)
        for segment in self.segments:
            if isinstance(segment, tuple):
                execute(pool, self._table + 16 * segment[0], segment[1])
            else:
                self._call(segment, arrays)

    def _take(self, taker: Any, inputs: Sequence[Array], made: list[Any], values: Sequence[Tensor]) -> Tensor:
        """A result as a Tensor of its own."""
        source, shape = taker
        if isinstance(source, Tensor):
            return wrap(np.array(source._array))
        if source >= self.first:
            array = made[source - self.first]
        elif source < len(inputs):
            array = inputs[source].copy()
        else:
            array = self._was(source - len(inputs), values).copy()
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


def _nothing(*_: Any) -> Any:
    """Runs no launches, is no Tensor that was seen, or the address of what no launch is told of."""


_nobody = _no_address = _nothing


def _strided(whole: Array, view: View) -> Array:
    flat = whole.reshape(-1)
    strides = [stride * whole.itemsize for stride in view.strides]
    return np.lib.stride_tricks.as_strided(flat[view.offset :], view.shape, strides)
