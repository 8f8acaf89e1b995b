"""Layers that run another layer: over both directions of a sequence, or on every step by itself."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..configurable import serialize, snake_case
from ..context import context
from ..dimensions import Dim
from ..errors import describe
from ..ops.loops import slices
from ..tensor import AbstractTensor, dims
from .arguments import one_of
from .base import Layer
from .calls import call_signature
from .nesting import nested_layer

MERGES = ("concat", "sum", "ave", "mul", None)
SHARED = ("stateful", "return_sequences", "return_state")


class Bidirectional(Layer):
    """A recurrent layer over a sequence, and another from its end to its beginning, with outputs merged.

    Args:
      layer: a recurrent layer, an example to make the forward layer and the backward one from.
      merge_mode: how outputs become one: "concat", "sum", "ave" (their mean) or "mul"; None returns both.
      weights: values for the weights, the forward layer's first; None for new ones.
      backward_layer: the layer for the other direction, whose go_backwards differs; made from `layer` if None.
      **kwargs: name, trainable, dtype.

    Shapes:
      sequences: float[batch, steps, features]
      y: as that of the layer, with twice the features for "concat"; with return_state, then the states of both

    Raises:
      ValueError: for a layer that is not recurrent, or two that do not go together.

    Example:
      >>> from eagerly.layers import LSTM
      >>> Bidirectional(LSTM(3, return_sequences=True))(np.ones((2, 5, 4))).shape
      (2, 5, 6)

    Reference: Schuster & Paliwal 1997.
    """

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: Any = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        example = self._recurrent("layer", nested_layer(layer))
        self.forward_layer = self._twin(example, "forward")
        if backward_layer is None:
            self.backward_layer = self._twin(example, "backward", go_backwards=True)
        else:
            self.backward_layer = self._recurrent("backward_layer", nested_layer(backward_layer))
        pair = self.forward_layer, self.backward_layer
        if pair[0].go_backwards == pair[1].go_backwards:
            raise ValueError(
                f"{self._title()}: expected layer and backward_layer to go in different directions, got go_backwards="
                f"{pair[0].go_backwards} for both."
            )
        for name in SHARED:
            first, second = (getattr(each, name) for each in pair)
            if first != second:
                raise ValueError(
                    f"{self._title()}: expected the same {name} for layer and backward_layer, got {first} and {second}."
                )
        self.merge_mode = one_of(self, "merge_mode", merge_mode, MERGES)
        for each in pair:
            if hasattr(each, "zero_output_for_mask"):
                each.zero_output_for_mask = each.return_sequences  # where one direction has no output, none has
        self.initial_weights = weights
        self.stateful = example.stateful
        self.return_sequences = example.return_sequences
        self.return_state = example.return_state
        self.supports_masking = True
        self.input_spec = self.forward_layer.input_spec

    def _recurrent(self, name: str, layer: Any) -> Any:
        if not isinstance(layer, Layer) or not all(hasattr(layer, each) for each in ("go_backwards", *SHARED)):
            raise ValueError(f"{self._title()}: {name} must be a recurrent layer, got {layer!r}.")
        return layer

    def _twin(self, layer: Any, prefix: str, **changes: Any) -> Any:
        """A new layer like an example."""
        config = layer.get_config()
        name = (layer.given_name or snake_case(type(layer).__name__)).removeprefix(f"{prefix}_")
        return type(layer).from_config({**config, "name": f"{prefix}_{name}", **changes})

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        for layer in (self.forward_layer, self.backward_layer):
            if not layer.built:
                layer.build(sequences_shape)
        self.input_spec = self.forward_layer.input_spec
        if self.initial_weights:
            half = len(self.initial_weights) // 2
            self.forward_layer.set_weights(self.initial_weights[:half])
            self.backward_layer.set_weights(self.initial_weights[half:])

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool | None = None) -> Any:
        half = 0 if initial_state is None else len(initial_state) // 2
        states = (None, None) if initial_state is None else (initial_state[:half], initial_state[half:])
        options = {"mask": mask, "training": training}
        there = self.forward_layer(sequences, initial_state=states[0], **options)
        back = self.backward_layer(sequences, initial_state=states[1], **options)
        last: tuple[Any, ...] = ()
        if self.return_state:
            last = (*there[1:], *back[1:])
            there, back = there[0], back[0]
        there, back = self._cast(there), self._cast(back)
        merged = self._merged(there, ops.flip(back, axis=1) if self.return_sequences else back)
        both = merged if isinstance(merged, tuple) else (merged,)
        return (*both, *last) if self.return_state else merged

    def _merged(self, there: Any, back: Any) -> Any:
        if self.merge_mode is None:
            return there, back
        if self.merge_mode == "concat":
            return ops.concatenate([there, back], axis=-1)
        if self.merge_mode == "mul":
            return there * back
        return there + back if self.merge_mode == "sum" else (there + back) / 2

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The input's for the outputs of all steps; none for states."""
        mask = previous_mask[0] if isinstance(previous_mask, (list, tuple)) else previous_mask
        mask = mask if self.return_sequences else None
        return [mask, mask] if self.merge_mode is None else [mask]

    @property
    def states(self) -> Any:
        """The states that stateful layers keep, the forward layer's first; None if they keep none."""
        there, back = self.forward_layer.states, self.backward_layer.states
        return None if there is None or back is None else (*there, *back)

    def reset_state(self) -> None:
        """Sets the states of stateful layers to zero.

        Raises:
          AttributeError: if they are not stateful.
        """
        if not self.stateful:
            raise AttributeError(f"{self._title()}: expected a stateful layer to reset the states of.")
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    reset_states = reset_state

    def get_config(self) -> dict[str, Any]:
        layers = {"layer": serialize(self.forward_layer), "backward_layer": serialize(self.backward_layer)}
        return {**super().get_config(), **layers}


class TimeDistributed(Layer):
    """y[:, t] = layer(x[:, t]) for each step t, with the same weights.

    Args:
      layer: the layer for one step.
      **kwargs: name, trainable, dtype.

    Shapes:
      x: [batch, steps, ...], with the layer's input behind the steps; y: [batch, steps, ...]

    Raises:
      ValueError: if the layer is none, x has rank < 3 or no step, or the mask does not fit x.

    Example:
      >>> from eagerly.layers import Dense
      >>> TimeDistributed(Dense(3))(np.ones((2, 5, 4))).shape
      (2, 5, 3)
    """

    def __init__(self, layer: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self.layer = nested_layer(layer)
        if not isinstance(self.layer, Layer):
            raise ValueError(f"{self._title()}: layer must be a layer, got {layer!r}.")
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        if len(input_shape) < 3:
            raise ValueError(
                f"{self._title()}: expected [batch, steps, ...], got inputs of shape {tuple(input_shape)}."
            )
        if not self.layer.built:
            self.layer.build((input_shape[0], *input_shape[2:]))

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        batch, steps, *sizes = dims(inputs)
        if mask is not None:
            mask = ops.convert_to_tensor(mask)
            if len(dims(mask)) < 2 or any(
                isinstance(a, int) and isinstance(b, int) and a != b
                for a, b in zip(dims(mask), (batch, steps), strict=False)
            ):
                raise ValueError(
                    f"{self._title()}: expected a mask [batch, steps, ...] for inputs {describe(inputs)}, "
                    f"got {describe(mask)}."
                )
        if isinstance(steps, Dim) or context.symbolic_call:  # nobody asks for values: shapes need no loop
            y = self._step(AbstractTensor((batch, *sizes), inputs.dtype), None, training)
            return AbstractTensor((dims(y)[0], steps, *dims(y)[1:]), y.dtype)
        if not steps:
            raise ValueError(f"{self._title()}: expected at least one step, got {describe(inputs)}.")
        rows = slices(ops.swapaxes(inputs, 0, 1), steps)
        masks = [None] * steps if mask is None else [mask[:, t] for t in range(steps)]
        return ops.stack([self._step(x, m, training) for x, m in zip(rows, masks, strict=True)], axis=1)

    def _step(self, x: Any, mask: Any, training: bool | None) -> Any:
        takes = mask is not None and call_signature(type(self.layer).call).takes_mask
        return self.layer(x, training=training, **({"mask": mask} if takes else {}))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "layer": serialize(self.layer)}
