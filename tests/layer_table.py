"""One row for each public layer class: how to make it, what to call it on, and what must come out.

The names of the weights stand in Keras 3's order, read off Keras itself.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from eagerly import layers


@dataclass
class Row:
    """A layer class, ready for the conformance tests.

    make: the constructor's arguments.
    shape: the input's shape; a list of them for a layer of several inputs.
    output: the output's shape.
    free: the axes whose size may be unknown until data come.
    integers: None, or the bound of integer inputs.
    weights: the names of the weights in Keras's order; the first `trainable` of them are trained.
    states: the names of further variables.
    inside: the path from the layer to each weight, where weights belong to layers inside; `weights` are the names then.
    mixed: the names of all variables, where states of a layer inside stand before the weights of the next one.
    several: whether the layer's inputs are several arguments of `call`: the tests give a list, `spread` spreads it.
    """

    make: dict[str, Any]
    shape: Any
    output: tuple[int, ...]
    free: tuple[int, ...] = (0,)
    integers: int | None = None
    weights: tuple[str, ...] = ()
    trainable: int = 0
    states: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()
    mixed: tuple[str, ...] = ()
    several: bool = False

    @property
    def variables(self):
        """The names of all variables in order."""
        return self.mixed or (*self.weights, *self.states)


KERNEL = ("kernel", "bias")
RECURRENT = ("kernel", "recurrent_kernel", "bias")
SEED = "seed_generator_state"
CELL = {"weights": RECURRENT, "trainable": 3, "states": (SEED,), "several": True}


def sequence(cell, make, units=3, **options):
    """A recurrent layer with a cell of its own, for sequences of four features."""
    steps = options.get("return_sequences", False)
    return Row(
        {"units": units, **make, **options},
        (2, 5, 4),
        (2, 5, units) if steps else (2, units),
        free=(0, 1),
        weights=RECURRENT,
        trainable=3,
        states=(SEED,),
        inside=tuple(f"{cell}/{name}" for name in RECURRENT),
    )


def nested(class_name, **config):
    """A layer as an argument, which the tests make anew each time."""
    return {"class_name": class_name, "config": config}


ROWS = {
    "Activation": Row({"activation": "tanh"}, (2, 3), (2, 3), free=(0, 1)),
    "BatchNormalization": Row(
        {"momentum": 0.5},
        (4, 5, 3),
        (4, 5, 3),
        free=(0, 1),
        weights=("gamma", "beta", "moving_mean", "moving_variance"),
        trainable=2,
    ),
    "Concatenate": Row({"axis": 1}, [(2, 3, 2), (2, 1, 2)], (2, 4, 2), free=(0, 1)),
    "Conv2D": Row(
        {"filters": 4, "kernel_size": 3, "padding": "same", "strides": 2, "activation": "tanh"},
        (2, 5, 4, 2),
        (2, 3, 2, 4),
        free=(0, 1, 2),
        weights=KERNEL,
        trainable=2,
    ),
    "Conv2DTranspose": Row(
        {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"},
        (2, 3, 2, 2),
        (2, 6, 4, 3),
        free=(0, 1, 2),
        weights=KERNEL,
        trainable=2,
    ),
    "Dense": Row({"units": 4, "activation": "tanh"}, (2, 5, 3), (2, 5, 4), free=(0, 1), weights=KERNEL, trainable=2),
    "Dropout": Row({"rate": 0.5, "seed": 3}, (3, 4), (3, 4), free=(0, 1), states=("seed_generator_state",)),
    "Embedding": Row(
        {"input_dim": 6, "output_dim": 3},
        (2, 4),
        (2, 4, 3),
        free=(0, 1),
        integers=6,
        weights=("embeddings",),
        trainable=1,
    ),
    "Flatten": Row({}, (2, 3, 4), (2, 12), free=(0, 1, 2)),
    "LeakyReLU": Row({"negative_slope": 0.2}, (2, 3), (2, 3), free=(0, 1)),
    "MaxPooling2D": Row({"pool_size": 2}, (2, 5, 4, 3), (2, 2, 2, 3), free=(0, 1, 2)),
    "Reshape": Row({"target_shape": (2, -1)}, (3, 4, 3), (3, 2, 6), free=(0,)),
    "Conv1D": Row(
        {"filters": 4, "kernel_size": 3, "padding": "causal", "strides": 2, "activation": "tanh"},
        (2, 5, 2),
        (2, 3, 4),
        free=(0, 1),
        weights=KERNEL,
        trainable=2,
    ),
    "Conv1DTranspose": Row(
        {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"},
        (2, 3, 2),
        (2, 6, 3),
        free=(0, 1),
        weights=KERNEL,
        trainable=2,
    ),
    "MaxPooling1D": Row({"pool_size": 2}, (2, 5, 3), (2, 2, 3), free=(0, 1)),
    "Conv3D": Row(
        {"filters": 4, "kernel_size": 3, "padding": "same", "strides": 2, "activation": "tanh"},
        (2, 4, 3, 4, 2),
        (2, 2, 2, 2, 4),
        free=(0, 1, 2, 3),
        weights=KERNEL,
        trainable=2,
    ),
    "Conv3DTranspose": Row(
        {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"},
        (2, 2, 3, 2, 2),
        (2, 4, 6, 4, 3),
        free=(0, 1, 2, 3),
        weights=KERNEL,
        trainable=2,
    ),
    "MaxPooling3D": Row({"pool_size": 2}, (2, 4, 3, 4, 3), (2, 2, 1, 2, 3), free=(0, 1, 2, 3)),
    "DepthwiseConv1D": Row(
        {"kernel_size": 3, "depth_multiplier": 2, "padding": "same", "activation": "tanh"},
        (2, 5, 2),
        (2, 5, 4),
        free=(0, 1),
        weights=KERNEL,
        trainable=2,
    ),
    "SeparableConv1D": Row(
        {"filters": 3, "kernel_size": 2, "depth_multiplier": 2},
        (2, 5, 2),
        (2, 4, 3),
        free=(0, 1),
        weights=("depthwise_kernel", "pointwise_kernel", "bias"),
        trainable=3,
    ),
    "DepthwiseConv2D": Row(
        {"kernel_size": 3, "depth_multiplier": 2, "padding": "same", "activation": "tanh"},
        (2, 5, 4, 2),
        (2, 5, 4, 4),
        free=(0, 1, 2),
        weights=KERNEL,
        trainable=2,
    ),
    "SeparableConv2D": Row(
        {"filters": 3, "kernel_size": 2, "depth_multiplier": 2},
        (2, 5, 4, 2),
        (2, 4, 3, 3),
        free=(0, 1, 2),
        weights=("depthwise_kernel", "pointwise_kernel", "bias"),
        trainable=3,
    ),
    "AveragePooling1D": Row({"pool_size": 2, "strides": 1, "padding": "same"}, (2, 5, 2), (2, 5, 2), free=(0, 1)),
    "GlobalAveragePooling1D": Row({}, (2, 5, 2), (2, 2), free=(0, 1)),
    "GlobalMaxPooling1D": Row({}, (2, 5, 2), (2, 2), free=(0, 1)),
    "UpSampling1D": Row({"size": 3}, (2, 5, 2), (2, 15, 2), free=(0, 1)),
    "ZeroPadding1D": Row({"padding": (0, 2)}, (2, 5, 2), (2, 7, 2), free=(0, 1)),
    "Cropping1D": Row({"cropping": (0, 2)}, (2, 5, 2), (2, 3, 2), free=(0, 1)),
    "SpatialDropout1D": Row(
        {"rate": 0.5, "seed": 3}, (2, 5, 2), (2, 5, 2), free=(0, 1), states=("seed_generator_state",)
    ),
    "AveragePooling2D": Row(
        {"pool_size": 2, "strides": 1, "padding": "same"}, (2, 5, 4, 2), (2, 5, 4, 2), free=(0, 1, 2)
    ),
    "GlobalAveragePooling2D": Row({"keepdims": True}, (2, 5, 4, 2), (2, 1, 1, 2), free=(0, 1, 2)),
    "GlobalMaxPooling2D": Row({"keepdims": True}, (2, 5, 4, 2), (2, 1, 1, 2), free=(0, 1, 2)),
    "UpSampling2D": Row({"size": (2, 3)}, (2, 5, 4, 2), (2, 10, 12, 2), free=(0, 1, 2)),
    "ZeroPadding2D": Row({"padding": ((1, 0), (2, 1))}, (2, 5, 4, 2), (2, 6, 7, 2), free=(0, 1, 2)),
    "Cropping2D": Row({"cropping": ((1, 0), (2, 1))}, (2, 5, 4, 2), (2, 4, 1, 2), free=(0, 1, 2)),
    "SpatialDropout2D": Row(
        {"rate": 0.5, "seed": 3}, (2, 5, 4, 2), (2, 5, 4, 2), free=(0, 1, 2), states=("seed_generator_state",)
    ),
    "AveragePooling3D": Row(
        {"pool_size": 2, "strides": 1, "padding": "same"}, (2, 4, 3, 4, 2), (2, 4, 3, 4, 2), free=(0, 1, 2, 3)
    ),
    "GlobalAveragePooling3D": Row({}, (2, 4, 3, 4, 2), (2, 2), free=(0, 1, 2, 3)),
    "GlobalMaxPooling3D": Row({}, (2, 4, 3, 4, 2), (2, 2), free=(0, 1, 2, 3)),
    "UpSampling3D": Row({"size": 3}, (2, 4, 3, 4, 2), (2, 12, 9, 12, 2), free=(0, 1, 2, 3)),
    "ZeroPadding3D": Row({"padding": (1, 2, 0)}, (2, 4, 3, 4, 2), (2, 6, 7, 4, 2), free=(0, 1, 2, 3)),
    "Cropping3D": Row({"cropping": (1, 1, 0)}, (2, 4, 3, 4, 2), (2, 2, 1, 4, 2), free=(0, 1, 2, 3)),
    "SpatialDropout3D": Row(
        {"rate": 0.5, "seed": 3}, (2, 4, 3, 4, 2), (2, 4, 3, 4, 2), free=(0, 1, 2, 3), states=("seed_generator_state",)
    ),
    "AlphaDropout": Row({"rate": 0.5, "seed": 3}, (3, 4), (3, 4), free=(0, 1), states=("seed_generator_state",)),
    "GaussianDropout": Row({"rate": 0.5, "seed": 3}, (3, 4), (3, 4), free=(0, 1), states=("seed_generator_state",)),
    "GaussianNoise": Row({"stddev": 0.5, "seed": 3}, (3, 4), (3, 4), free=(0, 1), states=("seed_generator_state",)),
    "Add": Row({}, [(2, 3, 2), (2, 1, 2), (2, 2)], (2, 3, 2), free=(0, 1)),
    "Average": Row({}, [(2, 3, 2), (2, 1, 2), (2, 2)], (2, 3, 2), free=(0, 1)),
    "Maximum": Row({}, [(2, 3, 2), (2, 1, 2), (2, 2)], (2, 3, 2), free=(0, 1)),
    "Minimum": Row({}, [(2, 3, 2), (2, 1, 2), (2, 2)], (2, 3, 2), free=(0, 1)),
    "Multiply": Row({}, [(2, 3, 2), (2, 1, 2), (2, 2)], (2, 3, 2), free=(0, 1)),
    "Subtract": Row({}, [(2, 3, 2), (2, 1, 2)], (2, 3, 2), free=(0, 1)),
    "Dot": Row({"axes": (2, 1), "normalize": True}, [(2, 3, 4), (2, 4, 5)], (2, 3, 5), free=(0, 1)),
    "Permute": Row({"dims": (3, 1, 2)}, (2, 3, 4, 5), (2, 5, 3, 4), free=(0, 1, 2, 3)),
    "RepeatVector": Row({"n": 3}, (2, 4), (2, 3, 4), free=(0, 1)),
    "LayerNormalization": Row(
        {"axis": [2, 1]}, (4, 5, 3), (4, 5, 3), free=(0,), weights=("gamma", "beta"), trainable=2
    ),
    "RMSNormalization": Row({"axis": -1}, (4, 5, 3), (4, 5, 3), free=(0, 1), weights=("scale",), trainable=1),
    "GroupNormalization": Row({"groups": 2}, (3, 5, 4), (3, 5, 4), free=(0, 1), weights=("gamma", "beta"), trainable=2),
    "UnitNormalization": Row({"axis": (1, 2)}, (3, 5, 4), (3, 5, 4), free=(0, 1, 2)),
    "AdditiveAttention": Row(
        {"use_scale": True}, [(2, 3, 4), (2, 5, 4)], (2, 3, 4), free=(0,), weights=("scale",), trainable=1
    ),
    "Attention": Row(
        {"use_scale": True, "score_mode": "concat"},
        [(2, 3, 4), (2, 5, 4), (2, 5, 4)],
        (2, 3, 4),
        free=(0,),
        weights=("scale", "concat_score_weight"),
        trainable=2,
    ),
    "Bidirectional": Row(
        {"layer": nested("GRU", units=3, return_sequences=True), "merge_mode": "sum"},
        (2, 5, 4),
        (2, 5, 3),
        free=(0, 1),
        weights=RECURRENT * 2,
        trainable=6,
        states=(SEED, SEED),
        mixed=(*RECURRENT, SEED) * 2,
        inside=tuple(f"{way}_gru/gru_cell/{name}" for way in ("forward", "backward") for name in RECURRENT),
    ),
    "GRU": sequence("gru_cell", {}, return_sequences=True),
    "GRUCell": Row({"units": 3, "activation": "softsign"}, [(2, 4), (2, 3)], (2, 3), **CELL),
    "LSTM": sequence("lstm_cell", {"go_backwards": True}),
    "LSTMCell": Row({"units": 3, "unit_forget_bias": False}, [(2, 4), (2, 3), (2, 3)], (2, 3), **CELL),
    "MultiHeadAttention": Row(
        {"num_heads": 2, "key_dim": 3, "value_dim": 2},
        [(2, 3, 4), (2, 5, 4)],
        (2, 3, 4),
        free=(0, 1),
        weights=KERNEL * 4,
        trainable=8,
        inside=tuple(f"{part}/{name}" for part in ("query", "key", "value", "attention_output") for name in KERNEL),
        several=True,
    ),
    "RNN": Row(
        {"cell": [nested("SimpleRNNCell", units=3, name="first"), nested("LSTMCell", units=2, name="second")]},
        (2, 5, 4),
        (2, 2),
        free=(0, 1),
        weights=RECURRENT * 2,
        trainable=6,
        states=(SEED, SEED),
        mixed=(*RECURRENT, SEED) * 2,
        inside=tuple(f"stacked_rnn_cells/{cell}/{name}" for cell in ("first", "second") for name in RECURRENT),
    ),
    "SimpleRNN": sequence("simple_rnn_cell", {"activation": "softsign"}),
    "SimpleRNNCell": Row({"units": 3}, [(2, 4), (2, 3)], (2, 3), **CELL),
    "StackedRNNCells": Row(
        {"cells": [nested("GRUCell", units=3, name="first"), nested("SimpleRNNCell", units=2, name="second")]},
        [(2, 4), (2, 3), (2, 2)],
        (2, 2),
        weights=RECURRENT * 2,
        trainable=6,
        states=(SEED, SEED),
        mixed=(*RECURRENT, SEED) * 2,
        inside=tuple(f"{cell}/{name}" for cell in ("first", "second") for name in RECURRENT),
        several=True,
    ),
    "TimeDistributed": Row(
        {"layer": nested("Dense", units=3, activation="tanh", name="one")},
        (2, 5, 4),
        (2, 5, 3),
        free=(0, 1),
        weights=KERNEL,
        trainable=2,
        inside=("one/kernel", "one/bias"),
    ),
}


def spread(cls):
    """A layer class to call on a list of what its `call` takes as several arguments: x and the states of a cell."""

    def run(self, first, *rest, **options):
        if not isinstance(first, (list, tuple)):
            return super(made, self)._run(first, *rest, **options)
        if hasattr(self, "state_size"):
            return super(made, self)._run(first[0], list(first[1:]), **options)[0]
        return super(made, self)._run(*first, **options)

    made = type(cls.__name__, (cls,), {"_run": run})
    return made


SPREAD = {name: spread(getattr(layers, name)) for name, row in ROWS.items() if row.several}


def with_dtype(value, dtype):
    """Configurations of layers with a dtype in them, as a user has to give it to layers inside."""
    if isinstance(value, list):
        return [with_dtype(item, dtype) for item in value]
    if isinstance(value, dict) and "class_name" in value:
        return {**value, "config": {**value["config"], "dtype": dtype}}
    return value


def make(name, /, **options):
    """A layer of a class, with the arguments of its row."""
    arguments = ROWS[name].make
    if "dtype" in options:
        arguments = {key: with_dtype(value, options["dtype"]) for key, value in arguments.items()}
    return SPREAD.get(name, getattr(layers, name))(**{**arguments, **options})


def data(name, seed=0, dtype="float32"):
    """An input for a class: an array, or a list of them; its elements differ, and none is near 0."""
    row, rng = ROWS[name], np.random.default_rng(seed)
    if row.integers is not None:
        return rng.integers(0, row.integers, row.shape).astype(np.int32)

    def values(shape):
        spread = rng.permutation(np.arange(1, int(np.prod(shape)) + 1)).reshape(shape) / np.prod(shape)
        return (spread * rng.choice([-1, 1], shape)).astype(dtype)

    return [values(shape) for shape in row.shape] if isinstance(row.shape, list) else values(row.shape)


def spread_weights(layer, seed=1):
    """Gives a layer weights that tell every element apart; positive ones, as a variance has to be."""
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.uniform(0.3, 1.3, weight.shape) for weight in layer.weights])
    return layer


def built(name, /, **options):
    """A layer that has been called, with weights of `spread_weights`."""
    layer = make(name, **options)
    layer(data(name))
    return spread_weights(layer)


def unknown(name, axes):
    """The shapes of a class's input with None at the axes."""
    shapes = ROWS[name].shape

    def blur(shape):
        return tuple(None if i in axes else size for i, size in enumerate(shape))

    return [blur(shape) for shape in shapes] if isinstance(shapes, list) else blur(shapes)
