"""What is trained: data, and first weights that every contestant starts from.

Weights stand by layer, in the shapes and the order of Keras 3. Sizes are per workload, the data are random and the same
for all. No framework is imported here.
"""

from dataclasses import dataclass, field
from math import prod

import numpy as np

LEARNING_RATE, BETA_1, BETA_2, EPSILON = 1e-3, 0.9, 0.999, 1e-7  # Keras's Adam
BN_MOMENTUM, BN_EPSILON, LN_EPSILON, SLOPE = 0.99, 1e-3, 1e-3, 0.2
VOCABULARY, EMBEDDING, UNITS, STEPS = 5000, 64, 128, 50
CHARACTERS, WIDTH, HEADS, POSITIONS, BLOCKS = 96, 128, 4, 64, 2
VGG = (32, 32, 64, 64, 128, 128)
NOISE = 100
# Batches are prepared up to so many bytes and so many: a contestant's peak memory holds them.
DATA_BYTES, DATA_BATCHES = 16e6, 128


def dense(inputs, outputs):
    return [("kernel", (inputs, outputs)), ("zeros", (outputs,))]


def convolution(size, inputs, outputs):
    return [("kernel", (size, size, inputs, outputs)), ("zeros", (outputs,))]


def normalization(width):
    return [("ones", (width,)), ("zeros", (width,))]


def attention():
    size = WIDTH // HEADS
    inner = [("kernel", (WIDTH, HEADS, size)), ("zeros", (HEADS, size))]
    return [*inner * 3, ("kernel", (HEADS, size, WIDTH)), ("zeros", (WIDTH,))]


def recurrent(gates, bias):
    shapes = ("kernel", (EMBEDDING, gates * UNITS)), ("kernel", (UNITS, gates * UNITS)), ("zeros", bias)
    return {"embedding": [("kernel", (VOCABULARY, EMBEDDING))], "recurrent": list(shapes), "head": dense(UNITS, 10)}


def mlp(hidden):
    return {"dense0": dense(784, hidden), "dense1": dense(hidden, hidden), "head": dense(hidden, 10)}


def vgg():
    layers = {}
    for i, (inputs, outputs) in enumerate(zip((3, *VGG), VGG, strict=False)):
        layers |= {f"conv{i}": convolution(3, inputs, outputs), f"norm{i}": normalization(outputs)}
    return {**layers, "dense": dense(4 * 4 * VGG[-1], 128), "head": dense(128, 10)}


def transformer():
    layers = {"tokens": [("kernel", (CHARACTERS, WIDTH))], "positions": [("kernel", (POSITIONS, WIDTH))]}
    for i in range(BLOCKS):
        layers |= {f"norm{i}a": normalization(WIDTH), f"attention{i}": attention(), f"norm{i}b": normalization(WIDTH)}
        layers |= {f"wide{i}": dense(WIDTH, 4 * WIDTH), f"narrow{i}": dense(4 * WIDTH, WIDTH)}
    return {**layers, "norm": normalization(WIDTH), "head": dense(WIDTH, CHARACTERS)}


def gan():
    return {
        "g_dense": [("kernel", (NOISE, 7 * 7 * 128))],
        "g_norm0": normalization(128),
        "g_conv0": [("kernel", (4, 4, 64, 128))],
        "g_norm1": normalization(64),
        "g_conv1": [("kernel", (4, 4, 1, 64)), ("zeros", (1,))],
        "d_conv0": convolution(4, 1, 64),
        "d_conv1": [("kernel", (4, 4, 64, 128))],
        "d_norm": normalization(128),
        "d_head": dense(7 * 7 * 128, 1),
    }


@dataclass
class Workload:
    """`kind` is the model, `hidden` the width of an MLP, `symbols` the size of a vocabulary (0: x is of floats)."""

    title: str
    kind: str
    batch: int
    shape: tuple
    layers: dict = field(repr=False)
    symbols: int = 0
    classes: int = 10
    hidden: int = 0

    def weights(self):
        """The arrays of each layer."""
        rng = np.random.default_rng(1)

        def made(kind, shape):
            if kind == "kernel":
                return (rng.standard_normal(shape) / prod(shape[:-1]) ** 0.5).astype(np.float32)
            return (np.ones if kind == "ones" else np.zeros)(shape, np.float32)

        return {name: [made(*spec) for spec in specs] for name, specs in self.layers.items()}

    def data(self):
        """x and y of all batches, in rows; of a GAN, images and noise."""
        rng = np.random.default_rng(2)
        count = int(max(4, min(DATA_BATCHES, DATA_BYTES // (4 * self.batch * prod(self.shape)))))
        rows = 1 if self.kind == "predict" else count * self.batch
        if self.kind == "gan":
            images = rng.uniform(-1, 1, (rows, *self.shape)).astype(np.float32)
            return images, rng.standard_normal((rows, NOISE)).astype(np.float32)
        if self.symbols:
            x = rng.integers(0, self.symbols, (rows, *self.shape)).astype(np.int32)
        else:
            x = rng.standard_normal((rows, *self.shape)).astype(np.float32)
        labels = (rows, *self.shape) if self.kind == "transformer" else (rows,)
        return x, rng.integers(0, self.classes, labels).astype(np.int32)


def _mlp(hidden, batch):
    return Workload(f"MLP 784-{hidden}-{hidden}-10, {batch} rows", "mlp", batch, (784,), mlp(hidden), hidden=hidden)


_mnist = {"conv0": convolution(3, 1, 32), "conv1": convolution(3, 32, 64), "head": dense(5 * 5 * 64, 10)}
WORKLOADS = {
    "mlp-64": _mlp(64, 32),
    "mlp-512": _mlp(512, 128),
    "mlp-2048": _mlp(2048, 256),
    "mnist": Workload("two convolutions, MNIST, 64", "mnist", 64, (28, 28, 1), _mnist),
    "vgg": Workload("VGG-like with batch normalization, CIFAR, 64", "vgg", 64, (32, 32, 3), vgg()),
    "lstm": Workload("LSTM, 50 steps, 64", "lstm", 64, (STEPS,), recurrent(4, (4 * UNITS,)), VOCABULARY),
    "gru": Workload("GRU, 50 steps, 64", "gru", 64, (STEPS,), recurrent(3, (2, 3 * UNITS)), VOCABULARY),
    "transformer": Workload(
        "transformer, 2 blocks, 32", "transformer", 32, (POSITIONS,), transformer(), CHARACTERS, CHARACTERS
    ),
    "gan": Workload("DCGAN step, 28×28, 64", "gan", 64, (28, 28, 1), gan()),
    "predict": Workload("predict, one row, MLP 784-512-512-10", "predict", 1, (784,), mlp(512), hidden=512),
}
