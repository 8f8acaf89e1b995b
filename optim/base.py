"""Optimizer: the base of every optimizer.

An optimizer of the library is a tuple of `slots` and a `rule`, a pure function made of operations from a value, its
gradient and its slots to the new ones; the base moves the state. Slots belong to a variable, found by its identity and
never by its position. A step is checked as a whole before it changes anything, and taken back if it raises all the
same. `optimizer.variables` shows the state.
"""

from __future__ import annotations

import contextlib
import inspect
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from .. import initializers, ops, recorder
from ..configurable import Configurable, serialize, snake_case
from ..context import context, quiet, scoped
from ..errors import describe
from ..slices import IndexedSlices
from ..tape import GradientTape
from ..tensor import AbstractTensor, Operand, Tensor, TensorLike, wrap
from ..trackable import Trackable, all_variables
from ..variable import Variable, rollback
from . import clipping
from .compiled import CompiledStep

LearningRate = float | Callable[..., Any]


class Optimizer(Trackable, Configurable):
    """Moves variables against their gradients; subclass it and define `slots` and `rule`, or `build` and `update_step`.

    Args:
      learning_rate: how far a step goes, >= 0; or a schedule, called with the number of steps taken so far.
      weight_decay: share of each variable, times the learning rate, that is taken off before each step; None for none.
      clipnorm: greatest length of the gradient of one variable, > 0; longer ones are shortened.
      clipvalue: greatest size of an element of a gradient, > 0.
      global_clipnorm: greatest length of all gradients together, > 0.
      lazy: whether a row-sparse gradient, as that of an Embedding, moves only the rows that it has, and their slots:
        rows that are not looked up then keep their momentum until they are. Without it they move as in Keras, at the
        cost of the whole table; an optimizer without slots needs only the rows in any case.
      name: shown in messages; made from the class's name if None.

    Raises:
      ValueError: for a value out of its range, or more than one kind of clipping.

    Example:
      >>> class SignDescent(Optimizer):
      ...     def rule(self, value, grad, step, learning_rate):
      ...         return value - learning_rate * ops.sign(grad)
      >>> v = Variable([1.0, 2.0])
      >>> SignDescent(0.5).apply([[3.0, -0.1]], [v])
      >>> v
      Variable([0.5, 2.5], path='variable', shape=(2,), dtype=float32)
    """

    _untracked: ClassVar[frozenset[str]] = Trackable._untracked | {
        "_slots",
        "_variables",
        "_excluded",
        "_compiled_step",
    }
    slots: tuple[str, ...] = ()
    # Whether the rule treats each element for itself, in arrays as in tensors: then it may see some rows alone, and
    # bare arrays while nobody listens.
    elementwise: ClassVar[bool] = False
    # The slots that are finite wherever the new value is.
    shows_in_value: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        learning_rate: LearningRate,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        *,
        lazy: bool = False,
        name: str | None = None,
    ):
        self.name = name or snake_case(type(self).__name__)
        self.built = False
        self._variables: list[Variable] = []
        self._slots: dict[int, tuple[Variable, dict[str, Variable]]] = {}
        self._compiled_step = CompiledStep()
        self._excluded: tuple[list[Variable], re.Pattern[str] | None] = ([], None)
        self.iterations = self.add_variable((), "zeros", "int64", "iteration")
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.lazy = lazy
        if weight_decay is not None:
            self.check_range("weight_decay", weight_decay, "[0, inf)")
        clips = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
        clips = {argument: value for argument, value in clips.items() if value is not None}
        for argument, value in clips.items():
            self.check_range(argument, value, "(0, inf)")
        if len(clips) > 1:
            given = " and ".join(f"{argument}={value!r}" for argument, value in clips.items())
            raise ValueError(
                f"{self._label}: expected at most one of clipnorm, clipvalue and global_clipnorm, got {given}."
            )

    @property
    def _label(self) -> str:
        return f"{type(self).__name__} {self.name!r}"

    def check_range(self, argument: str, value: Any, interval: str) -> None:
        """Refuses an argument that is no number in an interval such as "[0, 1)" or "(0, inf)".

        Raises:
          ValueError: naming the argument and its value.
        """
        low, high = map(float, interval[1:-1].split(","))
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float, np.number))
            or not (
                low < value < high or (value == low and interval[0] == "[") or (value == high and interval[-1] == "]")
            )
        ):
            raise ValueError(f"{self._label}: expected {argument} in {interval}, got {describe(value)}.")

    # --- what subclasses define

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        """The slots in the order in which `variables` lists them: group by group, within one variable by variable."""
        return (self.slots,)

    def rule(self, value: Any, grad: Any, step: Any, learning_rate: Any, *_: Any, **slots: Any) -> Any:
        """The new value of a variable and its new slots, in the order of `slots`; made of operations alone.

        Args:
          value: the variable's value.
          grad: its gradient, of the same shape and dtype.
          step: the number of this step, counted from 1.
          learning_rate: the learning rate of this step.
          **slots: the values of the variable's slots.
        """
        raise NotImplementedError(f"{self._label}: expected a rule() or an update_step() of its own.")

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Any) -> None:
        """Updates one variable and its slots by `rule`; a subclass may define another update instead."""
        self._follow_rule(gradient, variable, self._next_step(), _number(learning_rate))

    @property
    def _follows_rule(self) -> bool:
        """Whether steps are the base's, so that `variables` is all of the optimizer's own that changes."""
        return type(self).update_step is Optimizer.update_step and "update_step" not in vars(self)

    def _next_step(self) -> Any:
        return _number(self.iterations.read(), "float64") + 1

    def _follow_rule(self, gradient: Tensor, variable: Variable, step: Any, learning_rate: Any) -> None:
        slots = self._slots[id(variable)][1]
        if isinstance(gradient, IndexedSlices) and self.elementwise and (self.lazy or not self.slots):
            self._follow_rule_in_rows(
                gradient.merged(), variable, [slots[name] for name in self.slots], step, learning_rate
            )
            return
        self._assign_new((variable, *[slots[name] for name in self.slots]), gradient, step, learning_rate)

    def _assign_new(self, targets: tuple[Variable, ...], gradient: Tensor, step: Any, learning_rate: Any) -> None:
        """Gives the variable and its slots what the rule says."""

        def run() -> list[Any]:
            if self.elementwise and not context.recorders and targets[0].dtype.kind == "f":
                arrays: list[Any] = [target._value._array for target in targets]
                return self._apply_rule(arrays, gradient._array, step, learning_rate)
            return self._apply_rule([target.read() for target in targets], gradient, step, learning_rate)

        for target, value in zip(targets, recorder.as_one(run, self._telling), strict=True):
            target.assign(value if isinstance(value, Operand) else wrap(value))

    def _apply_rule(self, values: list[Any], gradient: Any, step: Any, learning_rate: Any) -> list[Any]:
        new = self.rule(values[0], gradient, step, learning_rate, **dict(zip(self.slots, values[1:], strict=True)))
        return list(new) if isinstance(new, tuple) else [new]

    def _telling(self, new: list[Any]) -> list[Any]:
        """Of the value and the slots those that must be finite so that all are."""
        shows = self.shows_in_value
        return [new[0], *(x for name, x in zip(self.slots, new[1:], strict=True) if name not in shows)]

    def _follow_rule_in_rows(
        self, gradient: IndexedSlices, variable: Variable, slots: list[Variable], step: Any, learning_rate: Any
    ) -> None:
        """The rule for the rows that have a gradient; the others stay, in the variable and in its slots."""
        rows = np.asarray(gradient.indices)
        values = [wrap(target._value._array[rows]) for target in (variable, *slots)]
        new = recorder.as_one(lambda: self._apply_rule(values, gradient.values, step, learning_rate), self._telling)
        for target, value in zip((variable, *slots), new, strict=True):
            target.assign_rows(rows, value)

    # --- state

    def build(self, variables: Sequence[Variable]) -> None:
        """Makes the slots of the variables to train, zeros; the first `apply` does it by itself.

        Raises:
          ValueError: for a variable that is not trainable or comes twice, or others than it was built for before.
        """
        variables = list(variables)
        self._check_targets(variables)
        if self.built:
            self._check_known(variables)
            return
        for variable in variables:
            self._slots[id(variable)] = (variable, {})
        for names in self.slot_groups():
            for variable in variables:
                for name in names:
                    self.add_variable_from_reference(variable, name)
        self.built = True
        self.resolve_pending()

    def add_variable(
        self, shape: Sequence[int], initializer: Any = "zeros", dtype: Any = None, name: str | None = None
    ) -> Variable:
        """Makes a variable of the optimizer's own state; keep it as an attribute.

        Args:
          shape: its shape.
          initializer: what gives its first value.
          dtype: its dtype, float32 if None.
          name: shown in messages.
        """
        if "_variables" not in vars(self):
            raise RuntimeError(f"{type(self).__name__}: expected super().__init__() before the first add_variable().")
        with scoped(scope=(*context.scope, self), recorders=(), tracing=None):
            variable = Variable(initializers.get(initializer), tuple(shape), dtype, trainable=False, name=name)
        self._variables.append(variable)
        return variable

    def add_variable_from_reference(
        self, reference_variable: Variable, name: str | None = None, initializer: Any = "zeros"
    ) -> Variable:
        """Makes a slot: a variable that belongs to another one and has its shape and dtype.

        Args:
          reference_variable: one of the variables that the optimizer is built for.
          name: the slot's name, "var" if None; a number follows if the variable has a slot of this name.
          initializer: what gives its first value.

        Raises:
          ValueError: if the optimizer is not built for the variable.
        """
        self._check_known([reference_variable])
        slots = self._slots[id(reference_variable)][1]
        name = base = name or "var"
        while name in slots:
            name = f"{base}_{len(slots)}"
        path = f"{reference_variable.path.replace('/', '_')}_{name}"
        slots[name] = self.add_variable(reference_variable.shape, initializer, reference_variable.dtype, path)
        self.resolve_pending()
        return slots[name]

    def add_optimizer_variables(
        self, trainable_variables: Sequence[Variable], name: str | Sequence[str], initializer: Any = "zeros"
    ) -> Any:
        """A slot for each variable as a list; for several names a tuple of such lists."""
        names = (name,) if isinstance(name, str) else tuple(name)
        firsts = initializer if isinstance(initializer, (list, tuple)) else (initializer,) * len(names)
        rows = [
            [self.add_variable_from_reference(v, n, first) for n, first in zip(names, firsts, strict=True)]
            for v in trainable_variables
        ]
        lists = tuple([row[i] for row in rows] for i in range(len(names)))
        return lists[0] if isinstance(name, str) else lists

    def bound_children(self) -> list[tuple[Variable, dict[str, Variable]]]:
        return [(variable, dict(slots)) for variable, slots in self._slots.values()]

    def may_grow(self, name: Any) -> bool:
        return not self.built or type(self).build is not Optimizer.build

    @property
    def variables(self) -> list[Variable]:
        """The state: iterations, the learning rate unless it is a schedule, and the slots."""
        rate = self.__dict__["learning_rate"]
        iterations, *others = self._variables
        return [iterations, *([rate] if isinstance(rate, Variable) else []), *others]

    @property
    def learning_rate(self) -> Any:
        """The learning rate: a Variable, or what the schedule gives for the next step; a number can be assigned."""
        rate = self.__dict__["learning_rate"]
        if isinstance(rate, Variable):
            return rate
        return rate(self.iterations) if self._schedule_takes_step else rate()

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        if callable(value):
            self._schedule_takes_step = bool(inspect.signature(value).parameters)
            self.__dict__["learning_rate"] = value
            return
        number = value.numpy().item() if isinstance(value, Operand) and not value.ndim else value  # type: ignore[attr-defined]
        self.check_range("learning_rate", number, "[0, inf)")
        rate = self.__dict__.get("learning_rate")
        if isinstance(rate, Variable):
            rate.assign(number)
        else:
            with scoped(scope=(*context.scope, self)):
                self.__dict__["learning_rate"] = Variable(
                    number, dtype="float32", trainable=False, name="learning_rate"
                )

    def get_config(self) -> dict[str, Any]:
        rate = self.__dict__["learning_rate"]
        return {**super().get_config(), "learning_rate": float(rate) if isinstance(rate, Variable) else serialize(rate)}

    def exclude_from_weight_decay(
        self, var_list: Iterable[Variable] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """Leaves variables out of the weight decay, instead of those left out before.

        Args:
          var_list: the variables.
          var_names: regular expressions; a variable is left out if one is found anywhere in its name, as by
            `re.search`. "bias" is in "bias" and in "bias_1".

        Raises:
          ValueError: if `var_names` is a single text, or one is no regular expression.
        """
        if isinstance(var_names, str):
            raise ValueError(f"{self._label}: expected a list of texts as var_names, got {var_names!r}.")
        names = list(var_names or ())
        for name in names:
            try:
                re.compile(name)
            except re.error as error:
                raise ValueError(f"{self._label}: expected regular expressions, got {name!r}: {error}.") from None
        self._excluded = (list(var_list or ()), re.compile("|".join(names)) if names else None)

    # --- steps

    def apply(self, grads: Iterable[TensorLike | None], trainable_variables: Iterable[Variable] | None = None) -> None:
        """Takes one step.

        Args:
          grads: a gradient for each variable; None leaves the variable as it is, with a warning.
          trainable_variables: the variables, in the order of the gradients; those given to `build` if None.

        Raises:
          ValueError: if gradients and variables do not belong together, there is no gradient at all, or a variable is
            not trainable or unknown. Nothing is changed then.

        Whatever else raises on the way, a rule, a schedule or a constraint, the variables and the optimizer's own are
        what they were before; the optimizer is built then.
        """
        grads = list(grads)
        if trainable_variables is None:
            if not self.built:
                raise ValueError(
                    f"{self._label}: expected trainable_variables, or a call of build() before, got neither."
                )
            variables = [variable for variable, _ in self._slots.values()]
        else:
            variables = list(trainable_variables)
        if len(grads) != len(variables):
            raise ValueError(
                f"{self._label}: expected a gradient for each of the {len(variables)} variables, got {len(grads)}."
            )
        if not grads:
            return
        self._check_targets(variables)
        if self.built:
            self._check_known(variables)
        with scoped(recorders=_without_tapes()) if context.recorders else _nothing:
            checked = [self._checked(grad, v) for grad, v in zip(grads, variables, strict=True)]
            gradients, moved = [g for g in checked if g is not None], variables
            if len(gradients) < len(checked):
                moved = [v for g, v in zip(checked, variables, strict=True) if g is not None]
                self._report_missing([v for g, v in zip(checked, variables, strict=True) if g is None], variables)
            if not self.built:
                self.build(variables)
                self.built = True
            if self.elementwise and self._follows_rule and self._compiled_step.run(self, gradients, moved):
                return
            with quiet(), rollback([*variables, *(self.variables if self._follows_rule else all_variables(self))]):
                self._step(gradients, moved)
                self.iterations.assign_add(1)

    def apply_gradients(self, grads_and_vars: Iterable[tuple[TensorLike | None, Variable]]) -> Variable:
        """`apply` for pairs of gradient and variable; gives `iterations`."""
        pairs = list(grads_and_vars)
        self.apply([grad for grad, _ in pairs], [variable for _, variable in pairs])
        return self.iterations

    def assign(self, variable: Variable, value: TensorLike) -> None:
        """Replaces a variable's value."""
        variable.assign(value)

    def assign_add(self, variable: Variable, value: TensorLike) -> None:
        """Adds to a variable's value."""
        variable.assign_add(value)

    def assign_sub(self, variable: Variable, value: TensorLike) -> None:
        """Subtracts from a variable's value."""
        variable.assign_sub(value)

    def _step(self, gradients: list[Tensor], variables: list[Variable]) -> None:
        if self.clipnorm is not None:
            gradients = [clipping.by_norm(g, self.clipnorm) for g in gradients]
        elif self.global_clipnorm is not None:
            gradients = clipping.by_global_norm(gradients, self.global_clipnorm)
        elif self.clipvalue is not None:
            gradients = [clipping.by_value(g, self.clipvalue) for g in gradients]
        learning_rate = ops.convert_to_tensor(self.learning_rate)
        if self.weight_decay is not None:
            share = _number(learning_rate) * self.weight_decay
            for variable in filter(self._decays, variables):
                variable.assign_sub(variable.read() * share)
        if self._follows_rule:
            step, rate = self._next_step(), _number(learning_rate)
            for gradient, variable in zip(gradients, variables, strict=True):
                self._follow_rule(gradient, variable, step, rate)
        else:
            for gradient, variable in zip(gradients, variables, strict=True):
                self.update_step(gradient, variable, learning_rate)
        for variable in variables:
            if variable.constraint is not None:
                variable.assign(variable.constraint(variable))

    def _decays(self, variable: Variable) -> bool:
        listed, pattern = self._excluded
        return not (any(v is variable for v in listed) or (pattern is not None and pattern.search(variable.name)))

    def _get_variable_index(self, variable: Variable) -> int:
        return list(self._slots).index(id(variable))

    def _checked(self, grad: Any, variable: Variable) -> Tensor | None:
        """A gradient as a tensor of the variable's dtype, after a look at its shape."""
        if grad is None:
            return None
        if type(grad) is Tensor:
            array, held = grad._array, variable._value._array
            if array.dtype is held.dtype and array.shape == held.shape:
                return grad
        fits = type(grad) is Tensor and grad.dtype == variable.dtype
        gradient = grad if fits else ops.convert_to_tensor(grad, variable.dtype)
        if gradient.shape != variable.shape:
            raise ValueError(
                f"{self._label}: expected a gradient of shape {variable.shape} for the variable {variable.path!r}, got "
                f"{describe(gradient)}."
            )
        return gradient

    def _check_targets(self, variables: list[Variable]) -> None:
        seen: set[int] = set()
        for variable in variables:
            if type(variable) is Variable and variable.trainable and id(variable) not in seen:
                seen.add(id(variable))
                continue
            if not isinstance(variable, Variable):
                raise ValueError(f"{self._label}: expected Variables to update, got {describe(variable)}.")
            if not variable.trainable:
                raise ValueError(
                    f"{self._label}: expected trainable variables, got {variable.path!r}, which is not trainable."
                )
            if id(variable) in seen:
                raise ValueError(f"{self._label}: expected each variable once, got {variable.path!r} twice.")
            seen.add(id(variable))

    def _check_known(self, variables: list[Variable]) -> None:
        for variable in variables:
            if id(variable) not in self._slots:
                raise ValueError(
                    f"{self._label}: expected one of the {len(self._slots)} variables it was built for, got "
                    f"{variable.path!r}. Give all variables to build(), or make another optimizer for other ones."
                )

    def _report_missing(self, missing: list[Variable], variables: list[Variable]) -> None:
        paths = ", ".join(repr(v.path) for v in missing)
        if len(missing) == len(variables):
            raise ValueError(f"{self._label}: expected a gradient, got None for every variable: {paths}.")
        if missing:
            warnings.warn(
                f"{self._label}: no gradient for {paths}; they stay as they are. Does the loss depend on them?",
                stacklevel=3,
            )

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._slots = {id(variable): (variable, slots) for variable, slots in self._slots.values()}  # a copy's own ids

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"


def _number(scalar: Any, dtype: str = "float32") -> Any:
    """A Python number, so that a rule's scalar arithmetic is cheap and weak; a symbol stays, in a dtype."""
    return ops.cast(scalar, dtype) if isinstance(scalar, AbstractTensor) else scalar.item()


def as_factor(scalar: Any, value: Any) -> Any:
    """A scalar that a rule has computed, to multiply a value with: a Python number, or a symbol in the value's dtype.

    The number of a step is float64 in a trace, as Python's numbers are: 1 - 0.999 has three digits less in float32.
    """
    return ops.cast(scalar, value.dtype) if isinstance(scalar, AbstractTensor) else scalar


_nothing = contextlib.nullcontext()


def _without_tapes() -> tuple[Any, ...]:
    """The active recorders that are no tapes: updates are no part of a gradient, but of a traced graph."""
    return tuple(recorder for recorder in context.recorders if not isinstance(recorder, GradientTape))
