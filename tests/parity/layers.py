"""How to make and call every layer: arguments, inputs, and which of their aspects to compare.

A layer that is not here fails `test_layers.py`. Rows of a family that grows move to a module of their own.
"""

from dataclasses import dataclass, field
from typing import Any

from parity.drawing import FLOATS

CONVOLUTION = {"strides": (1, 2), "padding": ("valid", "same"), "use_bias": (True, False)}


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


def dense(d):
    """Features along the last axis."""
    options = d.maybe(use_bias=False, activation=d.pick("relu", "tanh", "softmax", "silu", "linear"))
    return Made({"units": d.size(2), **options}, d.array(d.shape(2, 3)))


def embedding(d):
    """Numbers of vectors."""
    return Made({"input_dim": 5, "output_dim": d.size()}, d.integers(d.shape(1, 3), 0, 5))


def convolution(space, groups=True):
    """Images in either layout."""

    def draw(d):
        first, group = d.flip(), d.pick(1, 2) if groups else 1
        sizes = tuple(d.size(5, 6) for _ in range(space))
        shape = (2, 2 * group, *sizes) if first else (2, *sizes, 2 * group)
        make = {"filters": 2 * group, "kernel_size": d.size(1, 3), "data_format": "channels_first" if first else None}
        make |= d.maybe(**{name: d.pick(*values) for name, values in CONVOLUTION.items()}, activation="tanh")
        if group > 1:
            make["groups"] = group
        if make.get("strides", 1) == 1 and d.flip():
            make["dilation_rate"] = 2
        return Made(make, d.array(shape))

    return draw


def transposed(space):
    """Images in either layout, to be enlarged."""

    def draw(d):
        first = d.flip()
        sizes = tuple(d.size(2, 4) for _ in range(space))
        make = {"filters": 3, "kernel_size": d.size(1, 4), "data_format": "channels_first" if first else None}
        make |= d.maybe(**{name: d.pick(*values) for name, values in CONVOLUTION.items()}, activation="relu")
        return Made(make, d.array((2, 2, *sizes) if first else (2, *sizes, 2)))

    return draw


def pool(space):
    """Images in either layout."""

    def draw(d):
        first = d.flip()
        sizes = tuple(d.size(4, 6) for _ in range(space))
        make = {"data_format": "channels_first"} if first else {}
        make |= d.maybe(pool_size=d.size(1, 3), strides=d.size(1, 3), padding=d.pick("valid", "same"))
        return Made(make, d.distinct((2, 2, *sizes) if first else (2, *sizes, 2)))

    return draw


def batch_norm(d):
    """Features along any axis."""
    shape = d.shape(2, 4, least=2)
    options = {"axis": d.pick(-1, 1), **d.maybe(momentum=0.5, epsilon=0.1, center=False, scale=False)}
    return Made(options, d.array(shape))


def dropped(d):
    """Anything; what is left out is random, so only the call outside of training is compared."""
    return Made({"rate": d.pick(0.0, 0.5), "seed": 1}, d.array(d.shape(1, 3)))


def joined(d):
    """Arrays of one shape but along an axis."""
    axis = d.size(1, 2)
    shapes = [[2, 3, 4], [2, 3, 4]]
    shapes[1][axis] = 1
    return Made({"axis": d.pick(axis, axis - 3)}, [d.array(tuple(shape)) for shape in shapes])


def reshaped(d):
    """Twelve elements each."""
    return Made({"target_shape": d.pick((12,), (3, -1), (2, 3, 2), (-1,), (1, 12))}, d.array((2, 3, 4)))


def flattened(d):
    """Any shape, in either layout."""
    return Made(d.maybe(data_format=d.pick("channels_last", "channels_first")), d.array(d.shape(1, 4)))


LAYERS: dict[str, list[LayerRow]] = {
    "Activation": [LayerRow(lambda d: Made({"activation": d.pick("relu", "softplus", "elu")}, d.array(d.shape(1, 3))))],
    "BatchNormalization": [LayerRow(batch_norm, draws=12, training=True, tolerance=3)],
    "Concatenate": [LayerRow(joined)],
    "Conv2D": [LayerRow(convolution(2), draws=16)],
    "Conv2DTranspose": [LayerRow(transposed(2), draws=16)],
    "Dense": [LayerRow(dense, draws=12), LayerRow(dense, dtypes=("bfloat16",), gradient=False)],
    "Dropout": [LayerRow(dropped)],
    "Embedding": [LayerRow(embedding)],
    "Flatten": [LayerRow(flattened)],
    "LeakyReLU": [LayerRow(lambda d: Made(d.maybe(negative_slope=0.1), d.array(d.shape(1, 3))))],
    "MaxPooling2D": [LayerRow(pool(2), draws=12)],
    "Reshape": [LayerRow(reshaped)],
}
