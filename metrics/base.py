"""Metric: the base of every metric.

A metric's state sits in its variables, so reset, merge and saving are the base's: `update_state` adds to them, `result`
computes from them. Numerator and denominator accumulate, in float64, so that the result does not depend on how the data
was cut into batches. Updates are no part of a gradient. What a metric merely computes with, a layer or a generator of
random numbers, is saved with it and neither reset nor merged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from .. import dtypes, initializers, ops
from ..configurable import Configurable, snake_case
from ..context import context, scoped
from ..errors import describe
from ..random import SeedGenerator
from ..tensor import Tensor
from ..trackable import Trackable, all_variables, direct_children
from ..variable import Variable


class Metric(Trackable, Configurable):
    """A number computed from all data seen so far; subclass it and define `update_state` and `result`.

    Args:
      dtype: the dtype of the result, float32 if None.
      name: shown in messages and logs; made from the class's name if None.

    Example:
      >>> class Largest(Metric):
      ...     def __init__(self, name="largest"):
      ...         super().__init__(name=name)
      ...         self.largest = self.add_variable(shape=(), initializer="zeros", name="largest")
      ...     def update_state(self, values):
      ...         self.largest.assign(ops.maximum(self.largest, ops.max(values)))
      ...     def result(self):
      ...         return self.largest.value
      >>> largest = Largest()
      >>> largest.update_state([1.0, 3.0])
      >>> largest([2.0, 0.5])
      Tensor(3., shape=(), dtype=float32)
    """

    _untracked: ClassVar[frozenset[str]] = Trackable._untracked | {"_initial"}

    def __init__(self, dtype: Any = None, name: str | None = None):
        self.name = name or snake_case(type(self).__name__)
        self.dtype = dtypes.dtype(dtype)
        self._initial: list[tuple[Variable, Tensor]] = []

    def add_variable(
        self,
        shape: Sequence[int],
        initializer: str | Callable[..., Any] | None = "zeros",
        dtype: Any = None,
        name: str | None = None,
    ) -> Variable:
        """Makes a variable of the metric's state; keep it as an attribute.

        Args:
          shape: its shape.
          initializer: what gives its first value, to which `reset_state` returns.
          dtype: its dtype, float32 if None.
          name: shown in messages.
        """
        if "_initial" not in vars(self):
            raise RuntimeError(f"{type(self).__name__}: expected super().__init__() before the first add_variable().")
        with scoped(scope=(*context.scope, self), recorders=(), tracing=None):
            variable = Variable(
                initializers.get(initializer) or initializers.Zeros(), tuple(shape), dtype, trainable=False, name=name
            )
            self._initial.append((variable, variable.value))
        return variable

    def add_weight(
        self, shape: Sequence[int] = (), initializer: Any = None, dtype: Any = None, name: str | None = None
    ) -> Variable:
        """The same as `add_variable`."""
        return self.add_variable(shape, initializer, dtype, name)

    @property
    def variables(self) -> list[Variable]:
        """The state: the metric's own variables, then those of the metrics it has."""
        own: list[Variable] = []
        others: list[Variable] = []
        for child in direct_children(self):
            if isinstance(child, Variable):
                own.append(child)
            elif isinstance(child, Metric):
                others += child.variables
        return own + others

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Takes new data into account."""
        raise NotImplementedError(f"{type(self).__name__} {self.name!r}: expected an update_state() method of its own.")

    def result(self) -> Any:
        """The metric of all data since the last reset: a scalar tensor, or a dictionary of them."""
        raise NotImplementedError(f"{type(self).__name__} {self.name!r}: expected a result() method of its own.")

    def _check_parts(self) -> None:
        """Refuses a part that may hold state which nobody resets or merges."""
        for child in direct_children(self):
            if isinstance(child, (Variable, Metric, SeedGenerator)) or callable(child):
                continue
            paths = ", ".join(repr(variable.path) for variable in all_variables(child))
            if paths:
                raise ValueError(
                    f"{type(self).__name__} {self.name!r}: expected its state in Variables of its own and in Metrics, "
                    f"got a {type(child).__name__} with {paths}, which would be neither reset nor merged. Make it a "
                    "Metric, or callable if it is a function to compute with."
                )

    def reset_state(self) -> None:
        """Forgets all data: every variable returns to its first value (zeros, if `add_variable` did not make it).

        Raises:
          ValueError: for a Trackable with Variables that is no Metric, unless it is callable, as layers are.
        """
        self._check_parts()
        initial = {id(variable): value for variable, value in self._initial}
        for child in direct_children(self):
            if isinstance(child, Metric):
                child.reset_state()
            elif isinstance(child, Variable):
                child.assign(initial[id(child)] if id(child) in initial else ops.zeros(child.shape, child.dtype))

    def merge_state(self, metrics: Iterable[Metric]) -> None:
        """Adds the states of other metrics of the same class, each of which has seen other data.

        Raises:
          ValueError: for a metric of another class, or with variables of other shapes, or a part as in
            `reset_state`; nothing is changed then.
        """
        self._check_parts()
        metrics = list(metrics)
        mine = self.variables
        for other in metrics:
            if type(other) is not type(self) or [v.shape for v in other.variables] != [v.shape for v in mine]:
                raise ValueError(
                    f"{type(self).__name__} {self.name!r}: expected metrics of its class, with variables of the shapes "
                    f"{[v.shape for v in mine]}, got {describe(other)}."
                )
        for other in metrics:
            for variable, theirs in zip(mine, other.variables, strict=True):
                variable.assign_add(theirs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Takes new data into account and gives the result so far."""
        self.update_state(*args, **kwargs)
        return self.result()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"
