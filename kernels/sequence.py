"""The two kernels of a kind of recurrent sequence, all steps and their gradient, put together of a kind's own parts."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import emitter, recurrent
from .cache import emitted
from .emitter import Emitter
from .launches import Launch, emit_kernel
from .recurrent import COLLECTED, Block, heights, place, rounded_up, tasks_of

Operands = tuple[str, ...]


@dataclass(frozen=True)
class Sequence:
    """A kind of sequence.

    name: its module's.
    forward, gradient: the names of the operands, outputs first; a mask, if there is one, comes last.
    gates: how many vectors of units the weights have side by side.
    vectors: in a row of the forward product's tiles; the gradient's have two.
    packed: vectors of units in a task that packs the weights for it.
    kept: for each row the vectors of units that a slab keeps forward, and in the gradient.
    summed: for each slab the vectors of units that the gradient sums, for dbias, behind those.
    emit_pack, emit_forward, emit_gradient: emit pack(block, number) and task(block, number).
    """

    name: str
    forward: Operands
    gradient: Operands
    gates: int
    vectors: int
    packed: int
    kept: tuple[int, int]
    summed: int
    emit_pack: Callable[[Any, Operands], None]
    emit_forward: Callable[[Any, Operands], None]
    emit_gradient: Callable[[Any, Operands], None]

    def own(self, emit: Emitter, of: Block, number: Any, part: int) -> Any:
        """A slab's own memory in the gradient: what it keeps of its rows, part by part, then what it sums."""
        high = heights(2)[0]
        padded = rounded_up(emit, of.units, 2 * emit.lanes)
        slab = number, self.kept[1] * high + self.summed, padded
        return place(emit, of.scratch, (padded, self.gates, of.units), slab, (part * high, padded))

    def module(self, gradient: bool, masked: bool) -> Any:
        """The code of one of the two, for sequences with a mask or without."""
        made = emitter.new_module(f"{self.name}_gradient" if gradient else self.name)
        operands = (self.gradient if gradient else self.forward) + ("mask",) * masked
        vectors, packed = (2, 2) if gradient else (self.vectors, self.packed)
        recurrent.emit_products(made, vectors, add=gradient)
        stages = [
            ("pack", tasks_of("units", operands, packed * emitter.host().lanes)),
            ("task", tasks_of("batch", operands, heights(vectors)[0])),
        ]
        if gradient:
            recurrent.emit_pack_transposed(made, operands, self.gates)
            self.emit_gradient(made, operands)
            recurrent.emit_collect(made, operands, "dbias", self.summed, functools.partial(self.own, part=self.kept[1]))
            stages.append(("collect", tasks_of("units", operands, COLLECTED)))
        else:
            self.emit_pack(made, operands)
            self.emit_forward(made, operands)
        emit_kernel(made, stages)
        return made

    def launch(
        self, module: Any, gradient: bool, batch: int, steps: int, units: int, masked: bool, backwards: bool
    ) -> Launch:
        """The kernel for so many rows, steps and units, whose code is what `module(gradient, masked)` emits."""
        vectors, packed = (2, 2) if gradient else (self.vectors, self.packed)
        high, vector = heights(vectors)[0], packed * emitter.host().lanes
        own = self.kept[gradient] * high + self.summed * gradient
        floats = -(-units // vector) * vector * (self.gates * units + -(-batch // high) * own)
        operands = len(self.gradient if gradient else self.forward) + masked
        words = batch, steps, units, int(backwards)
        return Launch(_code(emitter.host(), module, gradient, masked), operands, words, 4 * floats)


@functools.cache
def _code(target: Any, module: Any, gradient: bool, masked: bool) -> int:
    (address,) = emitted(module, (gradient, masked), ("kernel",))
    return address
