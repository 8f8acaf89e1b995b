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

    _untracked: ClassVar[frozenset[str]] = Model._untracked | {"_stack", "_symbol"}

    def __init__(self, layers: Sequence[Any] | None = None, trainable: bool = True, name: str | None = None):
        super().__init__(name=name, trainable=trainable)
        self._stack: list[Layer] = []
        self._symbol: Any = None
        self.autocast = False
        for layer in layers or ():
            self.add(layer)

    def add(self, layer: Any) -> None:
        """Puts a layer on the top of the stack; a stack that knows its input is built at once.

        Raises:
          ValueError: if it is no layer, an `Input` that does not come first, or its name is taken.
        """
        if isinstance(layer, AbstractTensor):
            if self._stack or self._symbol is not None:
                raise ValueError(f"{self._title()}: expected Input first and once, got {layer!r} after {self._stack}.")
            self._symbol = layer
            return
        if not isinstance(layer, Layer):
            raise ValueError(f"{self._title()}: expected a layer, got {describe(layer)}.")
        if any(layer is present for present in self._stack):
            raise ValueError(f"{self._title()}: {layer!r} is in the stack already; a layer can be added once.")
        dict(named_layers([*self._stack, layer]))
        if self._symbol is not None and all(present.built for present in self._stack):
            symbol = self._symbol
            for present in [*self._stack, layer]:
                symbol = present(symbol)
        self._stack.append(layer)
        self.built = self._symbol is not None

    def pop(self) -> Layer:
        """Takes the last layer off.

        Raises:
          ValueError: if there is none.
        """
        if not self._stack:
            raise ValueError(f"{self._title()}: there is no layer to take off.")
        return self._stack.pop()

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
        x = inputs if self._symbol is None else self._fit_input(inputs, self._symbol)
        for layer in self._stack:
            x = layer(x)
        return x

    def get_config(self) -> dict[str, Any]:
        layers = [{"class_name": type(layer).__name__, "config": layer.get_config()} for layer in self._stack]
        return {"name": self.given_name, "trainable": self.trainable, "layers": layers}
