"""Sequential: a plain stack of layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from ..errors import describe
from ..layers import Input, Layer
from ..tensor import AbstractTensor
from .graph import named_layers
from .model import Model


class Sequential(Model):
    """Layers called one after another.

    Args:
      layers: the layers; the first may be an `Input`, which builds the model at once.
      name: shown in messages.
      trainable: whether training updates the weights.

    Raises:
      ValueError: if an item is no layer, or two layers have one name.

    Example:
      >>> model = Sequential([Dense(4, activation="relu"), Dense(2)])
      >>> model(np.zeros((3, 5))).shape
      (3, 2)
    """

    _untracked: ClassVar[frozenset[str]] = Model._untracked | {"_stack", "_symbols"}

    def __init__(self, layers: Sequence[Any] | None = None, trainable: bool = True, name: str | None = None):
        super().__init__(name=name, trainable=trainable)
        self._stack: list[Layer] = []
        self._symbols: list[Any] = []  # the Input, if there is one, and what each layer makes of it
        self.autocast = False
        for layer in layers or ():
            self.add(layer)

    def add(self, layer: Any) -> None:
        """Puts a layer on the top of the stack; a stack that knows its input is built at once.

        Raises:
          ValueError: if it is no layer, an `Input` that does not come first, or its name is taken.
        """
        if isinstance(layer, AbstractTensor):
            if self._stack or self._symbols:
                raise ValueError(f"{self._title()}: expected Input first and once, got {layer!r} after {self._stack}.")
            self._symbols.append(layer)
            return
        if not isinstance(layer, Layer):
            raise ValueError(f"{self._title()}: expected a layer, got {describe(layer)}.")
        if any(layer is present for present in self._stack):
            raise ValueError(f"{self._title()}: {layer!r} is in the stack already; a layer can be added once.")
        dict(named_layers([*self._stack, layer]))
        if self._symbols:
            self._symbols.append(layer(self._symbols[-1]))
        self._stack.append(layer)
        self.built = bool(self._symbols)

    def pop(self) -> Layer:
        """Takes the last layer off.

        Raises:
          ValueError: if there is none.
        """
        if not self._stack:
            raise ValueError(f"{self._title()}: there is no layer to take off.")
        del self._symbols[len(self._stack) :]
        self.built = bool(self._symbols)
        return self._stack.pop()

    def _connected(self) -> tuple[Any, Any]:
        return (self._symbols[0], self._symbols[-1]) if self._symbols else super()._connected()

    def _end(self, place: int) -> Any:
        return self._connected()[place] if self._symbols else None

    @property
    def output_names(self) -> list[str] | None:
        """The name of the only output: the last layer's."""
        return [self._stack[-1].name] if self._stack else None

    def children(self) -> dict[Any, Any]:
        return {"layers": dict(named_layers(self._stack)), **super().children()}

    def build(self, input_shape: Any) -> None:
        """Builds every layer for inputs of a shape, by running the stack on a symbol."""
        x: Any = Input(batch_shape=input_shape, dtype=self.dtype)
        for layer in self._stack:
            x = layer(x)

    def _ensure_built(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not self.built:  # the layers build themselves as they are called, so that user's code sees real data first
            self.built = True
            self.resolve_pending()

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        x = inputs[0] if isinstance(inputs, (list, tuple)) and len(inputs) == 1 else inputs
        x = self._fit_input(x, self._symbols[0]) if self._symbols else x
        for layer in self._stack:
            x = layer(x)
        return x

    def get_config(self) -> dict[str, Any]:
        layers = [{"class_name": type(layer).__name__, "config": layer.get_config()} for layer in self._stack]
        return {"name": self.given_name, "trainable": self.trainable, "layers": layers}
