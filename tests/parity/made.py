"""What the rows of layers are made of."""

from dataclasses import dataclass, field
from typing import Any

from parity.drawing import FLOATS


@dataclass
class Made:
    """A layer's constructor arguments, its inputs, and the arguments of the call.

    Where layers are among the constructor's arguments, `nested` makes those from a side's `layers` and the dtype.
    """

    make: dict[str, Any]
    inputs: Any
    call: dict[str, Any] = field(default_factory=dict)
    nested: Any = None

    def arguments(self, side, dtype):
        """The constructor's arguments for a side's layer."""
        return {**self.make, **(self.nested(side, dtype) if self.nested else {})}


@dataclass(frozen=True)
class LayerRow:
    """One way to make a layer.

    draw: from a Draw to what was Made.
    dtypes: of the layer, and of its floating inputs.
    draws: how many for each dtype.
    training: whether to compare the call in training too, with the weights that it leaves behind.
    gradient: whether there are gradients.
    tolerance: the factor on the usual one.
    """

    draw: Any
    dtypes: tuple[str, ...] = FLOATS
    draws: int = 6
    training: bool = False
    gradient: bool = True
    tolerance: float = 1.0
