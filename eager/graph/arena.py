"""The arena: where intermediate results lie in one piece of working memory, whose parts are taken again."""

from __future__ import annotations

from . import views
from .fusion import Fused
from .graph import Graph
from .lowering import Task

ALIGNMENT = 64


class Arena:
    """Places for what is made and needed within a run.

    made: the values that tasks make, by identity; places: where each is, results apart, which have memory of their own.
    scratch: where each task's own working memory is. size: the bytes of all.
    """

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
