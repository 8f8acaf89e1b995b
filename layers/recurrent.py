"""Recurrent layers: RNN, which runs a cell over the steps of a sequence, and SimpleRNN, LSTM and GRU.

A mask says which steps to take: at others the states stay, and the output is the one before (zeros before the first
step that was taken, or everywhere with zero_output_for_mask). LSTM and GRU with the usual activations run the whole
sequence as one operation, `ops.lstm` or `ops.gru`; everything else goes step by step. Both mean the same.
"""

from __future__ import annotations

from typing import Any

from .. import activations, nest, ops
from ..context import context
from ..dimensions import Dim, same
from ..errors import describe
from ..ops.loops import slices
from ..tensor import AbstractTensor, dims
from ..trackable import Trackable
from ..variable import Variable
from .arguments import one_of
from .base import Layer
from .cells import BaseCell, GRUCell, LSTMCell, SimpleRNNCell, StackedRNNCells, first_states, known_cell, step
from .input_spec import InputSpec


class Memory(Trackable):
    """The states that a stateful layer keeps between calls; saved with it, but none of its weights, as in Keras."""

    def __init__(self, states: Any):
        self.states = nest.map_structure(lambda x: Variable(x, trainable=False, name="rnn_state"), states)


class RNN(Layer):
    """Runs a cell over the steps of a sequence.

    Args:
      cell: a cell or a list of them; any object with `call(inputs, states)`, which gives the output and the next
        states, and `state_size`, an integer or a list of integers; `output_size` and `get_initial_state` if need be.
      return_sequences: whether to return the outputs of all steps, not the last one alone.
      return_state: whether to return the last states too.
      go_backwards: whether to go from the last step to the first; outputs come in that order.
      stateful: whether the next call goes on from the last states; needs a fixed batch size.
      unroll: accepted for Keras's sake; a loop of Python's has nothing to unroll.
      zero_output_for_mask: whether outputs of masked steps are zeros.
      **kwargs: activity_regularizer, name, trainable, dtype.

    Shapes:
      sequences: float[batch, steps, ...]; mask: bool[batch, steps]
      y: float[batch, units], or float[batch, steps, units]; with return_state, followed by the states

    Raises:
      ValueError: if the cell is none, there is no step, or a stateful layer gets another batch size.

    Example:
      >>> RNN([LSTMCell(3), GRUCell(2)])(np.ones((2, 5, 4))).shape
      (2, 2)
    """

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(cell, dtype=self.dtype, name="stacked_rnn_cells")
        self.cell = known_cell(self, "cell", cell)
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.unroll = unroll
        self.zero_output_for_mask = zero_output_for_mask
        self.supports_masking = True
        self.memory: Memory | None = None

    @property
    def state_size(self) -> list[Any]:
        """The sizes of the states, in a list even if there is one."""
        size = self.cell.state_size
        return [size] if isinstance(size, int) else list(size)

    @property
    def states(self) -> Any:
        """The Variables that a stateful layer keeps its states in; None before it is built, and for other layers."""
        return None if self.memory is None else self.memory.states

    def reset_state(self) -> None:
        """Sets the states of a stateful layer to zero."""
        for variable in nest.flatten(self.states):
            if variable is not None:
                variable.assign(ops.zeros_like(variable))

    reset_states = reset_state

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        batch, _, *sizes = sequences_shape
        if isinstance(self.cell, Layer) and not self.cell.built:
            self.cell.build((batch, *sizes))
        if self.stateful and self.memory is None:
            if batch is None:
                raise ValueError(
                    f"{self._title()}: expected a fixed batch size for stateful=True, got inputs of shape "
                    f"{tuple(sequences_shape)}. Give it, as in Input(batch_shape=(32, None, 8))."
                )
            self.memory = Memory(self.get_initial_state(batch))

    def get_initial_state(self, batch_size: Any) -> list[Any]:
        """The states before the first step."""
        states = first_states(self.cell, batch_size, getattr(self.cell, "compute_dtype", self.compute_dtype))
        return list(states) if nest.is_nested(states) else [states]

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        if len(dims(sequences)) < 3 or (not isinstance(dims(sequences)[1], Dim) and not dims(sequences)[1]):
            raise ValueError(f"{self._title()}: expected [batch, steps >= 1, ...], got {describe(sequences)}.")
        states = self._first_states(sequences, initial_state)
        mask = self._known_mask(sequences, mask)
        try:
            last, outputs, states = self.inner_loop(sequences, states, mask, training)
        finally:
            if training:
                self._forget_what_was_dropped()
        output = self._cast(outputs if self.return_sequences else last)
        states = nest.map_structure(self._cast, states)
        if self.stateful:
            for variable, value in zip(nest.flatten(self.states), nest.flatten(states), strict=True):
                variable.assign(value)
        return (output, *states) if self.return_state else output

    def _first_states(self, sequences: Any, given: Any) -> list[Any]:
        """The states to begin with: those given, those of the last call, or the cell's own."""
        batch = dims(sequences)[0]
        if self.stateful:
            kept = nest.flatten(self.states)[0].shape[0]
            if same(batch, kept) is False:
                raise ValueError(
                    f"{self._title()}: expected the batch size {kept}, with which it was built, as it is stateful, "
                    f"got {describe(sequences)}."
                )
        if given is None:
            if not self.stateful:
                return self.get_initial_state(batch)
            given = self.states
        given = list(given) if nest.is_nested(given) else [given]
        sizes = nest.flatten(self.cell.state_size)
        if len(nest.flatten(given)) != len(sizes):
            raise ValueError(
                f"{self._title()}: expected {len(sizes)} initial states, of the sizes {sizes}, got {describe(given)}."
            )
        dtype = getattr(self.cell, "compute_dtype", self.compute_dtype)
        return [nest.map_structure(lambda x: ops.cast(x, dtype), state) for state in given]

    def _known_mask(self, sequences: Any, mask: Any) -> Any:
        """The mask as truth values [batch, steps]."""
        mask = nest.flatten(mask)[0]
        if mask is None:
            return None
        mask = ops.cast(mask, "bool")
        if len(dims(mask)) != 2:
            raise ValueError(
                f"{self._title()}: expected a mask [batch, steps], got {describe(mask)} for {describe(sequences)}."
            )
        return mask

    def _forget_what_was_dropped(self) -> None:
        for layer, _, _ in self._walk():
            if isinstance(layer, BaseCell):
                layer.reset_dropout_mask()
                layer.reset_recurrent_dropout_mask()

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> tuple[Any, Any, Any]:
        """The output of the last step, those of all steps, and the last states."""
        batch, steps, *sizes = dims(sequences)
        if isinstance(steps, Dim) or context.symbolic_call:  # nobody asks for values: shapes need no loop
            first = AbstractTensor((batch, *sizes), sequences.dtype)
            y, states = step(self.cell, first, initial_state, training)
            whole = AbstractTensor((dims(y)[0], steps, *dims(y)[1:]), y.dtype)
            return y, whole, nest.pack(initial_state, nest.flatten(states))
        rows = slices(ops.swapaxes(sequences, 0, 1), steps)
        taken = None if mask is None else slices(ops.swapaxes(mask, 0, 1), steps)
        outputs: list[Any] = []
        states = initial_state
        for t in range(steps)[::-1] if self.go_backwards else range(steps):
            y, new = step(self.cell, rows[t], states, training)
            if taken is not None:
                before = ops.zeros_like(y) if self.zero_output_for_mask or not outputs else outputs[-1]
                y = _where(taken[t], y, before)
                pairs = zip(nest.flatten(new), nest.flatten(states), strict=True)
                new = [_where(taken[t], following, held) for following, held in pairs]
            outputs.append(y)
            states = nest.pack(initial_state, nest.flatten(new))
        return outputs[-1], ops.stack(outputs, axis=1) if self.return_sequences else y, states

    def _whole(self, outputs: Any, states: list[Any], mask: Any) -> tuple[Any, Any, Any]:
        """What `inner_loop` gives, of an operation on the whole sequence."""
        if mask is None:
            return states[0], outputs, states
        if self.zero_output_for_mask:
            outputs = _where(ops.flip(mask, axis=1) if self.go_backwards else mask, outputs, ops.zeros_like(outputs))
        return outputs[:, -1], outputs, states

    def _as_a_whole(self, training: bool) -> bool:
        """Whether an operation on the whole sequence means the same as the cell, step by step."""
        cell: Any = self.cell
        return (
            type(cell) in (LSTMCell, GRUCell)
            and "call" not in vars(cell)
            and cell.activation is activations.tanh
            and cell.recurrent_activation is activations.sigmoid
            and not (training and (cell.recurrent_dropout or (cell.dropout and cell.implementation == 1)))
        )

    def _dropped(self, sequences: Any, training: bool) -> Any:
        """The sequences without what the cell drops of the input of every step."""
        if not training or not self.cell.dropout:
            return sequences
        batch, _, features = dims(sequences)
        mask = self.cell.get_dropout_mask(ops.ones((batch, features), dtype=sequences.dtype))
        return sequences * ops.expand_dims(mask, 1)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        mask = nest.flatten(previous_mask)[0] if self.return_sequences else None
        return [mask, *(None for _ in nest.flatten(self.cell.state_size))] if self.return_state else mask


def _where(taken: Any, x: Any, y: Any) -> Any:
    """x where a step was taken, else y; the mask has the leading axes."""
    shape = dims(taken)
    return ops.where(ops.reshape(taken, (*shape, *(1,) * (len(dims(x)) - len(shape)))), x, y)


def _of_the_cell(name: str) -> Any:
    return property(lambda layer: getattr(layer.cell, name), doc=f"The cell's `{name}`.")


def _for_the_cell(kwargs: dict[str, Any]) -> dict[str, Any]:
    """What a layer's further arguments say about its cell; what is the cell's alone is taken out."""
    own = {"implementation": kwargs.pop("implementation")} if "implementation" in kwargs else {}
    return {"dtype": kwargs.get("dtype"), "trainable": kwargs.get("trainable", True), **own}


class BaseCellLayer(RNN):
    """What RNNs with a cell of their own share."""

    units = _of_the_cell("units")
    activation = _of_the_cell("activation")
    use_bias = _of_the_cell("use_bias")
    dropout = _of_the_cell("dropout")
    recurrent_dropout = _of_the_cell("recurrent_dropout")

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        super().build(sequences_shape, initial_state_shape)
        self.input_spec = InputSpec(ndim=3, axes={-1: sequences_shape[-1]})


class SimpleRNN(BaseCellLayer):
    """h = activation(x[t] @ kernel + h @ recurrent_kernel + bias) for each step t; `SimpleRNNCell` over a sequence.

    Args:
      units: the number of outputs, > 0.
      activation: name or function; None for none.
      use_bias: whether there is a bias.
      kernel_initializer: initial kernel; so too `recurrent_initializer`, `bias_initializer`.
      kernel_regularizer: a term in `losses`; so too `recurrent_regularizer`, `bias_regularizer`,
        `activity_regularizer`.
      kernel_constraint: applied after each update; so too `recurrent_constraint`, `bias_constraint`.
      dropout: probability to drop an element of the input, the same one at every step, in [0, 1].
      recurrent_dropout: probability to drop an element of h, likewise; it makes the layer slower.
      seed: an integer for draws of their own; None derives them from `random.set_seed`'s.
      return_sequences: whether to return the outputs of all steps, not the last one alone.
      return_state: whether to return the last states too.
      go_backwards: whether to go from the last step to the first; outputs come in that order.
      stateful: whether the next call goes on from the last states; needs a fixed batch size.
      unroll: accepted for Keras's sake; a loop of Python's has nothing to unroll.
      **kwargs: zero_output_for_mask, name, trainable, dtype.

    Shapes:
      sequences: float[batch, steps, features]; mask: bool[batch, steps]
      y: float[batch, units], or float[batch, steps, units]; with return_state, followed by the state

    Raises:
      ValueError: for arguments out of range, no step, or another batch size than a stateful layer was built for.

    Example:
      >>> SimpleRNN(3, return_sequences=True)(np.ones((2, 5, 4))).shape
      (2, 5, 3)

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
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ):
        cell = SimpleRNNCell(
            units=units,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            name="simple_rnn_cell",
            **_for_the_cell(kwargs),
        )
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.input_spec = InputSpec(ndim=3)


class LSTM(BaseCellLayer):
    """Long short-term memory: `LSTMCell`, where the formula is, over a sequence.

    Args:
      units: the number of outputs, > 0.
      activation: name or function; None for none.
      recurrent_activation: that of the gates.
      use_bias: whether there is a bias.
      kernel_initializer: initial kernel; so too `recurrent_initializer`, `bias_initializer`.
      unit_forget_bias: whether the bias of the gate f starts with ones.
      kernel_regularizer: a term in `losses`; so too `recurrent_regularizer`, `bias_regularizer`,
        `activity_regularizer`.
      kernel_constraint: applied after each update; so too `recurrent_constraint`, `bias_constraint`.
      dropout: probability to drop an element of the input, the same one at every step, in [0, 1].
      recurrent_dropout: probability to drop an element of h, likewise; it makes the layer slower.
      seed: an integer for draws of their own; None derives them from `random.set_seed`'s.
      return_sequences: whether to return the outputs of all steps, not the last one alone.
      return_state: whether to return the last states too.
      go_backwards: whether to go from the last step to the first; outputs come in that order.
      stateful: whether the next call goes on from the last states; needs a fixed batch size.
      unroll: accepted for Keras's sake; a loop of Python's has nothing to unroll.
      use_cudnn: "auto", True or False, accepted for Keras's sake.
      **kwargs: zero_output_for_mask, name, trainable, dtype; implementation=1 drops elements for each gate by itself.

    Shapes:
      sequences: float[batch, steps, features]; mask: bool[batch, steps]
      y: float[batch, units], or float[batch, steps, units]; with return_state, followed by h and c

    Raises:
      ValueError: for arguments out of range, no step, or another batch size than a stateful layer was built for.

    Example:
      >>> LSTM(3, return_sequences=True)(np.ones((2, 5, 4))).shape
      (2, 5, 3)

    Reference: Hochreiter & Schmidhuber 1997; Jozefowicz et al. 2015, section 4 (bias of the gate f).
    """

    recurrent_activation = _of_the_cell("recurrent_activation")
    unit_forget_bias = _of_the_cell("unit_forget_bias")

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
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ):
        cell = LSTMCell(
            units=units,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            unit_forget_bias=unit_forget_bias,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            name="lstm_cell",
            **_for_the_cell(kwargs),
        )
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.input_spec = InputSpec(ndim=3)
        self.use_cudnn = one_of(self, "use_cudnn", use_cudnn, ("auto", True, False))

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> tuple[Any, Any, Any]:
        if not self._as_a_whole(training):
            return super().inner_loop(sequences, initial_state, mask, training)
        cell, (h, c), back = self.cell, initial_state, self.go_backwards
        x = self._dropped(sequences, training)
        outputs, *states = ops.lstm(x, h, c, cell.kernel, cell.recurrent_kernel, cell.bias, mask, back)
        return self._whole(outputs, states, mask)


class GRU(BaseCellLayer):
    """Gated recurrent units: `GRUCell`, where the formula is, over a sequence.

    Args:
      units: the number of outputs, > 0.
      activation: name or function; None for none.
      recurrent_activation: that of the gates.
      use_bias: whether there is a bias.
      kernel_initializer: initial kernel; so too `recurrent_initializer`, `bias_initializer`.
      kernel_regularizer: a term in `losses`; so too `recurrent_regularizer`, `bias_regularizer`,
        `activity_regularizer`.
      kernel_constraint: applied after each update; so too `recurrent_constraint`, `bias_constraint`.
      dropout: probability to drop an element of the input, the same one at every step, in [0, 1].
      recurrent_dropout: probability to drop an element of h, likewise; it makes the layer slower.
      seed: an integer for draws of their own; None derives them from `random.set_seed`'s.
      return_sequences: whether to return the outputs of all steps, not the last one alone.
      return_state: whether to return the last states too.
      go_backwards: whether to go from the last step to the first; outputs come in that order.
      stateful: whether the next call goes on from the last states; needs a fixed batch size.
      unroll: accepted for Keras's sake; a loop of Python's has nothing to unroll.
      reset_after: whether the gate r multiplies after the matrix product.
      use_cudnn: "auto", True or False, accepted for Keras's sake.
      **kwargs: zero_output_for_mask, name, trainable, dtype; implementation=1 drops elements for each gate by itself.

    Shapes:
      sequences: float[batch, steps, features]; mask: bool[batch, steps]
      y: float[batch, units], or float[batch, steps, units]; with return_state, followed by the state

    Raises:
      ValueError: for arguments out of range, no step, or another batch size than a stateful layer was built for.

    Example:
      >>> GRU(3, return_sequences=True)(np.ones((2, 5, 4))).shape
      (2, 5, 3)

    Reference: Cho et al. 2014.
    """

    recurrent_activation = _of_the_cell("recurrent_activation")
    reset_after = _of_the_cell("reset_after")

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
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = True,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ):
        cell = GRUCell(
            units=units,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            reset_after=reset_after,
            name="gru_cell",
            **_for_the_cell(kwargs),
        )
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.input_spec = InputSpec(ndim=3)
        self.use_cudnn = one_of(self, "use_cudnn", use_cudnn, ("auto", True, False))

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> tuple[Any, Any, Any]:
        if not self._as_a_whole(training):
            return super().inner_loop(sequences, initial_state, mask, training)
        cell, (h,), back = self.cell, initial_state, self.go_backwards
        x = self._dropped(sequences, training)
        outputs, *states = ops.gru(x, h, cell.kernel, cell.recurrent_kernel, cell.bias, mask, cell.reset_after, back)
        return self._whole(outputs, states, mask)
