"""Model: a layer that can be trained and saved; by subclassing, or from `Input` to outputs."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import dimensions, nest, ops
from ..dimensions import Shape
from ..errors import describe
from ..layers import Input, Layer
from ..layers.calls import map_shapes
from ..primitive import cast
from ..tensor import dims
from .graph import Graph, named_layers
from .training import Trainer


class Model(Trainer, Layer):
    """A layer with `compile`, `fit`, `evaluate` and `predict`.

    Subclass it and define `call`, or give inputs and outputs of the functional API.

    Args:
      inputs: symbols of `Input`, in any structure.
      outputs: symbols computed from them, in any structure.
      name: shown in messages.
      **kwargs: trainable, dtype.

    Raises:
      ValueError: if the outputs need an input that is not given, or two layers have one name.

    Example:
      >>> x = Input((4,))
      >>> Model(x, Dense(3)(x))(np.zeros((2, 4))).shape
      (2, 3)
    """

    _untracked: ClassVar[frozenset[str]] = Layer._untracked | Trainer._untracked | {"_graph", "_graph_layers"}
    _graph: Graph | None = None
    _graph_layers: dict[str, Layer] | None = None

    def __init__(self, inputs: Any = None, outputs: Any = None, name: str | None = None, **kwargs: Any):
        super().__init__(name=name, **kwargs)
        if (inputs is None) != (outputs is None):
            raise ValueError(f"{self._title()}: expected both inputs and outputs, or none of them.")
        if inputs is not None:
            self._connect(Graph(inputs, outputs))

    def _connect(self, graph: Graph) -> None:
        """Takes a graph, whose layers are built already, as what `call` runs."""
        self._graph_layers = dict(named_layers(graph.layers()))
        self._graph = graph
        self.autocast = False
        self.built = True

    @property
    def layers(self) -> list[Layer]:
        """The layers held directly, in order."""
        return self.sublayers()

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """One of the layers, by name or index.

        Raises:
          ValueError: if there is no such layer.
        """
        if (name is None) == (index is None):
            raise ValueError(f"{self._title()}: get_layer expects a name or an index, got {name!r} and {index!r}.")
        layers = self.layers
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ValueError(f"{self._title()}: expected an index of its {len(layers)} layers, got {index}.")
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        raise ValueError(f"{self._title()}: no layer {name!r}. It has {[layer.name for layer in layers]}.")

    def _connected(self) -> tuple[Any, Any]:
        return super()._connected() if self._graph is None else (self._graph.inputs, self._graph.outputs)

    def _end(self, place: int) -> Any:
        """The input or output symbols of a model that begins with `Input`, None for another."""
        return None if self._graph is None else self._connected()[place]

    @property
    def inputs(self) -> list[Any] | None:
        """The input symbols of a model that begins with `Input`."""
        ends = self._end(0)
        return None if ends is None else nest.flatten(ends)

    @property
    def outputs(self) -> list[Any] | None:
        """The output symbols of a model that begins with `Input`."""
        ends = self._end(1)
        return None if ends is None else nest.flatten(ends)

    @property
    def input_shape(self) -> Any:
        """The shapes of the inputs of a model that begins with `Input`."""
        ends = self._end(0)
        return None if ends is None else nest.map_structure(lambda symbol: symbol.shape, ends)

    @property
    def output_shape(self) -> Any:
        """The shapes of the outputs of a model that begins with `Input`."""
        ends = self._end(1)
        return None if ends is None else nest.map_structure(lambda symbol: symbol.shape, ends)

    @property
    def output_names(self) -> list[str] | None:
        """A name for each output of a functional model."""
        return None if self._graph is None else self._graph.output_names()

    def children(self) -> dict[Any, Any]:
        found = super().children()
        if self._graph is None:
            return found
        free = self._graph.variables()
        return {"layers": self._graph_layers, **({"variables": free} if free else {}), **found}

    def may_grow(self, name: Any) -> bool:
        """Layers may still appear until the model is built, what training needs until it is compiled."""
        return Layer.may_grow(self, name) or Trainer.may_grow(self, name)

    def build(self, input_shape: Any) -> None:
        """Builds every layer inside for inputs of a shape, or a structure of shapes, by running `call` on symbols.

        Raises:
          TraceError: if `call` needs values. Call the model on data then.
        """
        if self._graph is None and type(self).build is Model.build:
            self(map_shapes(lambda sizes: Input(batch_shape=sizes, dtype=self.dtype), input_shape))

    def _ensure_built(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """The layers build themselves as they are called, so that user's code sees real data first."""
        if not self.built and type(self).build is Model.build:
            self.built = True
            self.resolve_pending()
        else:
            super()._ensure_built(args, kwargs)

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        if self._graph is None:
            return super().call(inputs)
        try:
            values = self._graph.arrange(inputs)
        except ValueError as error:
            raise ValueError(f"{self._title()}: {error}.") from None
        symbols = self._graph.input_symbols
        return self._graph.run([self._fit_input(x, symbol) for x, symbol in zip(values, symbols, strict=True)])

    def _fit_input(self, x: Any, symbol: Any) -> Any:
        """A value as its input wants it: `(n,)` as `(n, 1)` or back, in its dtype; other differences are refused."""
        shape, wanted = dims(x), symbol.dims
        if _agrees(shape, wanted) and x.dtype is symbol.dtype:
            return x
        if len(shape) + 1 == len(wanted) and dimensions.same(wanted[-1], 1):
            x = ops.expand_dims(x, -1)
        elif len(shape) == len(wanted) + 1 and dimensions.same(shape[-1], 1):
            x = ops.squeeze(x, -1)
        shape = dims(x)
        sizes_differ = any(
            isinstance(size, int) and dimensions.same(mine, size) is False
            for mine, size in zip(shape, wanted, strict=False)
        )
        if len(shape) != len(wanted) or sizes_differ:
            name = f" for the input {symbol.name!r}" if symbol.name else ""
            sizes = ["batch" if i == 0 and size is None else size or "*" for i, size in enumerate(symbol.shape)]
            expected = f"[{', '.join(map(str, sizes))}]"
            raise ValueError(f"{self._title()}: expected {expected}{name}, got {describe(x)}.")
        return x if x.dtype == symbol.dtype else cast(x, dtype=symbol.dtype)

    def get_config(self) -> dict[str, Any]:
        if self._graph is not None:
            raise ValueError(f"{self._title()}: a functional model has no configuration yet; rebuild it with its code.")
        return super().get_config()

    def __repr__(self) -> str:
        state = "built" if self.built else "not built"
        return f"<{type(self).__name__} {self.name!r}, {len(self.layers)} layers, {state}>"


def _agrees(shape: Shape, wanted: Shape) -> bool:
    """Whether a shape is one that is wanted, at a glance: no size is compared with an unknown one."""
    if len(shape) != len(wanted):
        return False
    for mine, size in zip(shape, wanted, strict=True):
        if type(size) is int and (type(mine) is not int or mine != size):
            return False
    return True
