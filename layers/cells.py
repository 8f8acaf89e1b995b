"""Recurrent cells: one step of a recurrence. `RNN` runs them over the steps of a sequence.

A cell is called on the input of a step and the states, and gives the output and the next states. What is dropped is
drawn at the first call and stays for the following ones, until `reset_dropout_mask`, which `RNN` calls.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from .. import nest, ops, random
from ..tensor import Operand, dims
from .arguments import activation as known_activation
from .arguments import number, positive, weight_options
from .base import Layer
from .nesting import nested_layer


class BaseCell(Layer):
    """What cells share: arguments, weights for a number of gates side by side, and dropout."""

    gates = 1

    def __init__(
        self,
        units: int,
        activation: Any,
        use_bias: bool,
        kernel: tuple[Any, Any, Any],
        recurrent: tuple[Any, Any, Any],
        bias: tuple[Any, Any, Any],
        dropout: float,
        recurrent_dropout: float,
        seed: int | None,
        **kwargs: Any,
    ):
        implementation = kwargs.pop("implementation", 2)
        super().__init__(**kwargs)
        if implementation not in (1, 2):
            raise ValueError(f"{self._title()}: implementation must be 1 or 2, got {implementation!r}.")
        self.units = positive(self, "units", units)
        self.activation = known_activation(self, activation)
        self.use_bias = use_bias
        self.kernel_options = weight_options(self, "kernel", *kernel)
        self.recurrent_options = weight_options(self, "recurrent", *recurrent)
        self.bias_options = weight_options(self, "bias", *bias)
        self.dropout = number(self, "dropout", dropout, 0, 1)
        self.recurrent_dropout = number(self, "recurrent_dropout", recurrent_dropout, 0, 1)
        self.implementation = 1 if recurrent_dropout else implementation  # 1: each gate drops elements of its own
        self.seed = seed
        self.seed_generator = random.SeedGenerator(seed, stream="dropout")
        self.state_size: Any = self.units
        self.output_size = self.units
        self._dropout_mask: Any = None
        self._recurrent_dropout_mask: Any = None

    def build(self, input_shape: Any) -> None:
        width = self.gates * self.units
        self.kernel = self._weight("kernel", (input_shape[-1], width), *self.kernel_options)
        self.recurrent_kernel = self._weight("recurrent_kernel", (self.units, width), *self.recurrent_options)
        self.bias = self._weight("bias", self._bias_shape(), *self.bias_options) if self.use_bias else None

    def _bias_shape(self) -> tuple[int, ...]:
        return (self.gates * self.units,)

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        """The states before the first step: zeros."""
        sizes = self.state_size if isinstance(self.state_size, list) else [self.state_size]
        return [ops.zeros((batch_size, size), dtype=self.compute_dtype) for size in sizes]

    # --- dropout

    def get_dropout_mask(self, step_input: Any) -> Any:
        """Factors for the input of every step, a list of them if each gate has its own; None without dropout."""
        self._dropout_mask = self._drawn(self._dropout_mask, step_input, self.dropout)
        return self._dropout_mask

    def get_recurrent_dropout_mask(self, step_input: Any) -> Any:
        """Factors for the first state before every step, likewise."""
        mask = self._drawn(self._recurrent_dropout_mask, step_input, self.recurrent_dropout)
        self._recurrent_dropout_mask = mask
        return mask

    def reset_dropout_mask(self) -> None:
        """Lets the next call draw anew what it drops of the input."""
        self._dropout_mask = None

    def reset_recurrent_dropout_mask(self) -> None:
        """Lets the next call draw anew what it drops of the state."""
        self._recurrent_dropout_mask = None

    def _drawn(self, before: Any, like: Any, rate: float) -> Any:
        if not rate:
            return None
        first = before[0] if isinstance(before, list) else before
        if type(first) is type(like) and dims(first) == dims(like):
            return before
        ones = ops.ones_like(like)
        masks = [random.dropout(ones, rate, seed=self.seed_generator) for _ in range(self.gates)]
        return masks if self.implementation == 1 and self.gates > 1 else masks[0]

    def _known(self, state: Any) -> Any:
        """A state as a tensor in the dtype of the computation."""
        return self._cast(state if isinstance(state, Operand) else ops.convert_to_tensor(state))

    def _of_input(self, inputs: Any, training: bool) -> Any:
        """The input's share of all gates."""
        return _product(inputs, self.kernel, self.get_dropout_mask(inputs) if training else None)


def _product(x: Any, kernel: Any, mask: Any) -> Any:
    """(x · mask) @ kernel, where each of several masks belongs to its part of the kernel."""
    if not isinstance(mask, list):
        return ops.matmul(x if mask is None else x * mask, kernel)
    parts = ops.split(kernel, len(mask), axis=1)
    return ops.concatenate([ops.matmul(x * m, part) for m, part in zip(mask, parts, strict=True)], axis=-1)


def _states_like(states: Any, new: Any) -> Any:
    """One state, in a list if it came in one."""
    return [new] if nest.is_nested(states) else new


class SimpleRNNCell(BaseCell):
    """h = activation(x @ kernel + h @ recurrent_kernel + bias), which is the output too.

    Args:
      units: the number of outputs, > 0.
      activation: name or function; None for none.
      use_bias: whether there is a bias.
      kernel_initializer: initial kernel; so too `recurrent_initializer`, `bias_initializer`.
      kernel_regularizer: a term in `losses`; so too `recurrent_regularizer`, `bias_regularizer`.
      kernel_constraint: applied after each update; so too `recurrent_constraint`, `bias_constraint`.
      dropout: probability to drop an element of x, in [0, 1].
      recurrent_dropout: probability to drop an element of h, in [0, 1].
      seed: an integer for draws of their own; None derives them from `random.set_seed`'s.
      **kwargs: name, trainable, dtype.

    Shapes:
      x: float[batch, features]; states: [float[batch, units]]
      y: float[batch, units], [float[batch, units]]

    Raises:
      ValueError: for units that are no integer > 0, or a rate outside [0, 1].

    Example:
      >>> y, states = SimpleRNNCell(3)(np.ones((2, 4)), [np.zeros((2, 3))])
      >>> y.shape
      (2, 3)

    Reference: Elman 1990.
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(
            units,
            activation,
            use_bias,
            (kernel_initializer, kernel_regularizer, kernel_constraint),
            (recurrent_initializer, recurrent_regularizer, recurrent_constraint),
            (bias_initializer, bias_regularizer, bias_constraint),
            dropout,
            recurrent_dropout,
            seed,
            **kwargs,
        )

    def call(self, sequence: Any, states: Any, training: bool = False) -> Any:
        h = self._known(states[0] if nest.is_nested(states) else states)
        y = self._of_input(sequence, training)
        y = y if self.bias is None else y + self.bias
        y = self.activation(
            y + _product(h, self.recurrent_kernel, self.get_recurrent_dropout_mask(h) if training else None)
        )
        return y, _states_like(states, y)


class LSTMCell(BaseCell):
    """One step of a long short-term memory, with the states h, which is the output too, and c.

    i, f, g, o = split(x @ kernel + h @ recurrent_kernel + bias); with s for recurrent_activation,
    c = s(f) · c + s(i) · activation(g) and h = s(o) · activation(c).

    Args:
      units: the number of outputs, > 0.
      activation: name or function; None for none.
      recurrent_activation: that of the gates.
      use_bias: whether there is a bias.
      kernel_initializer: initial kernel; so too `recurrent_initializer`, `bias_initializer`.
      unit_forget_bias: whether the bias of f starts with ones.
      kernel_regularizer: a term in `losses`; so too `recurrent_regularizer`, `bias_regularizer`.
      kernel_constraint: applied after each update; so too `recurrent_constraint`, `bias_constraint`.
      dropout: probability to drop an element of x, in [0, 1].
      recurrent_dropout: probability to drop an element of h, for each gate by itself, in [0, 1].
      seed: an integer for draws of their own; None derives them from `random.set_seed`'s.
      **kwargs: name, trainable, dtype; implementation=1 drops elements of x for each gate by itself.

    Shapes:
      x: float[batch, features]; states: two of float[batch, units]
      kernel: float[features, 4 units]; recurrent_kernel: float[units, 4 units]; bias: float[4 units]

    Raises:
      ValueError: for units that are no integer > 0, or a rate outside [0, 1].

    Example:
      >>> y, states = LSTMCell(3)(np.ones((2, 4)), [np.zeros((2, 3)), np.zeros((2, 3))])
      >>> y.shape, len(states)
      ((2, 3), 2)

    Reference: Hochreiter & Schmidhuber 1997; Jozefowicz et al. 2015, section 4 (bias of f).
    """

    gates = 4

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(
            units,
            activation,
            use_bias,
            (kernel_initializer, kernel_regularizer, kernel_constraint),
            (recurrent_initializer, recurrent_regularizer, recurrent_constraint),
            (bias_initializer, bias_regularizer, bias_constraint),
            dropout,
            recurrent_dropout,
            seed,
            **kwargs,
        )
        self.recurrent_activation = known_activation(self, recurrent_activation)
        self.unit_forget_bias = unit_forget_bias
        self.state_size = [self.units, self.units]
        if unit_forget_bias:
            first, *others = self.bias_options
            self.bias_options = (functools.partial(_with_ones, first), *others)

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        h, c = map(self._known, states)
        mask = self.get_recurrent_dropout_mask(h) if training else None
        z = self._of_input(inputs, training) + _product(h, self.recurrent_kernel, mask)
        i, f, g, o = ops.split(z if self.bias is None else z + self.bias, 4, axis=1)
        c = self.recurrent_activation(f) * c + self.recurrent_activation(i) * self.activation(g)
        h = self.recurrent_activation(o) * self.activation(c)
        return h, [h, c]


def _with_ones(given: Any, shape: Any, dtype: Any = None) -> Any:
    """The initial bias of an LSTM with ones for the gate f, the second of four."""
    units = shape[0] // 4
    return ops.concatenate([given((units,), dtype), ops.ones((units,), dtype), given((2 * units,), dtype)])


class GRUCell(BaseCell):
    """One step of gated recurrent units, with the state h, which is the output too.

    z, r, n = split(x @ kernel + bias[0]) and a, b, m = split(h @ recurrent_kernel + bias[1]); with s for
    recurrent_activation, z = s(z + a), r = s(r + b) and h = z · h + (1 - z) · activation(n + r · m).
    With reset_after=False there is one bias, and (r · h) @ the last third of recurrent_kernel stands for r · m.

    Args:
      units: the number of outputs, > 0.
      activation: name or function; None for none.
      recurrent_activation: that of the gates.
      use_bias: whether there is a bias.
      kernel_initializer: initial kernel; so too `recurrent_initializer`, `bias_initializer`.
      kernel_regularizer: a term in `losses`; so too `recurrent_regularizer`, `bias_regularizer`.
      kernel_constraint: applied after each update; so too `recurrent_constraint`, `bias_constraint`.
      dropout: probability to drop an element of x, in [0, 1].
      recurrent_dropout: probability to drop an element of h, for each gate by itself, in [0, 1].
      reset_after: whether r multiplies after the matrix product.
      seed: an integer for draws of their own; None derives them from `random.set_seed`'s.
      **kwargs: name, trainable, dtype; implementation=1 drops elements of x for each gate by itself.

    Shapes:
      x: float[batch, features]; states: [float[batch, units]]
      kernel: float[features, 3 units]; recurrent_kernel: float[units, 3 units]
      bias: float[2, 3 units], with reset_after=False float[3 units]

    Raises:
      ValueError: for units that are no integer > 0, or a rate outside [0, 1].

    Example:
      >>> y, states = GRUCell(3)(np.ones((2, 4)), [np.zeros((2, 3))])
      >>> y.shape
      (2, 3)

    Reference: Cho et al. 2014.
    """

    gates = 3

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        reset_after: bool = True,
        seed: int | None = None,
        **kwargs: Any,
    ):
        self.reset_after = reset_after
        super().__init__(
            units,
            activation,
            use_bias,
            (kernel_initializer, kernel_regularizer, kernel_constraint),
            (recurrent_initializer, recurrent_regularizer, recurrent_constraint),
            (bias_initializer, bias_regularizer, bias_constraint),
            dropout,
            recurrent_dropout,
            seed,
            **kwargs,
        )
        self.recurrent_activation = known_activation(self, recurrent_activation)

    def _bias_shape(self) -> tuple[int, ...]:
        width = self.gates * self.units
        return (2, width) if self.reset_after else (width,)

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        h = self._known(states[0] if nest.is_nested(states) else states)
        mask = self.get_recurrent_dropout_mask(h) if training else None
        first, second = (self.bias, None) if self.bias is None or not self.reset_after else (self.bias[0], self.bias[1])
        x = self._of_input(inputs, training)
        z, r, n = ops.split(x if first is None else x + first, 3, axis=1)
        if self.reset_after:
            inner = _product(h, self.recurrent_kernel, mask)
            a, b, m = ops.split(inner if second is None else inner + second, 3, axis=1)
        else:
            gates, last = ops.split(self.recurrent_kernel, [2 * self.units], axis=1)
            a, b = ops.split(_product(h, gates, None if mask is None else mask[:2]), 2, axis=1)
        z, r = self.recurrent_activation(z + a), self.recurrent_activation(r + b)
        if not self.reset_after:
            m = _product(r * h, last, None if mask is None else mask[2])
        n = self.activation(n + (r * m if self.reset_after else m))
        h = z * h + (1 - z) * n
        return h, _states_like(states, h)


class StackedRNNCells(Layer):
    """Cells as one cell: each gets the output of the one before, and its own states.

    Args:
      cells: cells, first one first.
      **kwargs: name, trainable, dtype.

    Raises:
      ValueError: if there is no cell, or one has no `call` or no `state_size`.

    Example:
      >>> cell = StackedRNNCells([LSTMCell(3), GRUCell(2)])
      >>> cell.state_size, cell.output_size
      ([[3, 3], 2], 2)
    """

    def __init__(self, cells: Sequence[Any], **kwargs: Any):
        super().__init__(**kwargs)
        if not isinstance(cells, (list, tuple)) or not cells:
            raise ValueError(f"{self._title()}: cells must be a list of at least one cell, got {cells!r}.")
        self.cells = [known_cell(self, "cells", cell) for cell in cells]

    @property
    def state_size(self) -> list[Any]:
        """The sizes of the states of each cell."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> Any:
        """The size of the last cell's output."""
        return output_size(self.cells[-1])

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        """The states before the first step, for each cell."""
        return [first_states(cell, batch_size, self.compute_dtype) for cell in self.cells]

    def build(self, input_shape: Any) -> None:
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                cell.build(input_shape)
            input_shape = (input_shape[0], output_size(cell))

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        following = []
        for cell, own in zip(self.cells, states, strict=True):
            inputs, new = step(cell, inputs, own, training)
            following.append(new if nest.is_nested(own) else nest.flatten(new)[0])
        return inputs, following


# --- what `RNN` and `StackedRNNCells` ask of a cell, be it a layer or any object


def known_cell(layer: Any, name: str, cell: Any) -> Any:
    """A cell, or the one of a configuration.

    Raises:
      ValueError: if it has no `call`, or no `state_size` of integers.
    """
    cell = nested_layer(cell)
    for attribute in ("call", "state_size"):
        if not hasattr(cell, attribute):
            raise ValueError(
                f"{layer._title()}: {name} must have {attribute!r}, as a recurrent cell has, got {cell!r}."
            )
    sizes = nest.flatten(cell.state_size)
    if not sizes or not all(isinstance(size, int) for size in sizes):
        raise ValueError(f"{layer._title()}: {name} must have integers as state_size, got {cell.state_size!r}.")
    return cell


def output_size(cell: Any) -> Any:
    """The size of a cell's output: its `output_size`, else that of its first state."""
    size = getattr(cell, "output_size", None)
    return nest.flatten(cell.state_size)[0] if size is None else size


def first_states(cell: Any, batch_size: Any, dtype: Any) -> Any:
    """A cell's states before the first step: its own, else zeros."""
    own = getattr(cell, "get_initial_state", None)
    if own is not None:
        return own(batch_size=batch_size)
    return nest.map_structure(lambda size: ops.zeros((batch_size, size), dtype=dtype), cell.state_size)


def step(cell: Any, inputs: Any, states: Any, training: bool) -> tuple[Any, Any]:
    """The output of a cell for one step, and the next states."""
    states = states if nest.is_nested(states) else [states]
    if isinstance(cell, Layer):
        y, states = cell(inputs, states, training=training)
    else:
        y, states = (cell if callable(cell) else cell.call)(inputs, states)
    return y, states if nest.is_nested(states) else [states]
