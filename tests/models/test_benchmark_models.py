"""The benchmark's models, smaller: compiled, their steps run no Python and few kernels, and give what eager ones do."""

import numpy as np
import pytest

import eagerly
from eagerly import Input, Model, Sequential, layers, losses, ops, optim
from eagerly.layers import BatchNormalization, Dense


def recurrent(kind):
    x = Input((7,), dtype="int32")
    return Model(x, Dense(5)(getattr(layers, kind)(8, name="recurrent")(layers.Embedding(11, 6)(x))))


def transformer():
    inputs = Input((16,), dtype="int32")
    positions = ops.cumsum(ops.ones_like(inputs), axis=1) - 1
    x = layers.Embedding(11, 32)(inputs) + layers.Embedding(16, 32)(positions)
    for _ in range(2):
        y = layers.LayerNormalization()(x)
        x = x + layers.MultiHeadAttention(4, 8)(y, y, use_causal_mask=True)
        y = Dense(128, activation="gelu")(layers.LayerNormalization()(x))
        x = x + Dense(32)(y)
    return Model(inputs, Dense(5)(layers.LayerNormalization()(x)))


def vgg():
    x = inputs = Input((8, 8, 3))
    for i, filters in enumerate((8, 8, 16, 16)):
        x = layers.Conv2D(filters, 3, padding="same")(x)
        x = layers.Activation("relu")(BatchNormalization()(x))
        x = layers.MaxPooling2D()(x) if i % 2 else x
    return Model(inputs, Dense(5)(Dense(16, activation="relu")(layers.Flatten()(x))))


def mnist():
    x = inputs = Input((12, 12, 1))
    x = layers.MaxPooling2D()(layers.Conv2D(8, 3, activation="relu")(x))
    x = layers.MaxPooling2D()(layers.Conv2D(16, 3, activation="relu")(x))
    return Model(inputs, Dense(5)(layers.Flatten()(x)))


def mlp():
    return Sequential([Input((20,)), Dense(16, "relu"), Dense(16, "relu"), Dense(5)])


BENCHMARKS = {
    "mlp": (mlp, (20,), 0),
    "mnist": (mnist, (12, 12, 1), 0),
    "vgg": (vgg, (8, 8, 3), 0),
    "lstm": (lambda: recurrent("LSTM"), (7,), 11),
    "gru": (lambda: recurrent("GRU"), (7,), 11),
    "transformer": (transformer, (16,), 11),
}


@pytest.mark.parametrize("name", BENCHMARKS)
def test_the_benchmarks_models_take_no_step_of_python(name):
    make, shape, symbols = BENCHMARKS[name]
    rng = np.random.default_rng(0)
    x = rng.integers(0, symbols, (16, *shape)) if symbols else rng.normal(size=(16, *shape))
    x = x.astype("int32" if symbols else "float32")
    y = rng.integers(0, 5, (16, 16) if name == "transformer" else 16).astype("int32")
    results = []
    for eager in (False, True):
        eagerly.random.set_seed(1)
        model = make()
        loss = losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optim.Adam(1e-3), loss, run_eagerly=eager)
        results.append(model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0).history["loss"])
        if eager:
            continue
        traced = list(model._steps._functions["train"]._traces.values())[-1]
        ((plan,),) = traced._idle.values()
        assert [str(task) for task in plan.tasks if task.launch is None] == [] and plan.native
        assert len({task.launch.address for task in plan.tasks}) <= 24
    np.testing.assert_allclose(*results, rtol=1e-4)


def gan():
    """A DCGAN's step, smaller: generator and discriminator with an optimizer each."""
    x = noise = Input((8,))
    x = layers.Reshape((7, 7, 8))(Dense(7 * 7 * 8, use_bias=False)(x))
    x = layers.Activation("relu")(BatchNormalization()(x))
    x = layers.Conv2DTranspose(16, 4, strides=2, padding="same", use_bias=False)(x)
    x = layers.Activation("relu")(BatchNormalization()(x))
    generator = Model(noise, layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="tanh")(x))
    x = images = Input((28, 28, 1))
    x = layers.LeakyReLU(0.2)(layers.Conv2D(16, 4, strides=2, padding="same")(x))
    x = layers.Conv2D(8, 4, strides=2, padding="same", use_bias=False)(x)
    x = layers.LeakyReLU(0.2)(BatchNormalization()(x))
    discriminator = Model(images, Dense(1)(layers.Flatten()(x)))
    cross_entropy = losses.BinaryCrossentropy(from_logits=True)
    g_optimizer, d_optimizer = optim.Adam(1e-3), optim.Adam(1e-3)

    def step(images, noise):
        with eagerly.GradientTape() as g_tape, eagerly.GradientTape() as d_tape:
            fake = discriminator(generator(noise, training=True), training=True)
            real = discriminator(images, training=True)
            g_loss = cross_entropy(ops.ones_like(fake), fake)
            d_loss = cross_entropy(ops.ones_like(real), real) + cross_entropy(ops.zeros_like(fake), fake)
        for optimizer, tape, loss, model in (
            (g_optimizer, g_tape, g_loss, generator),
            (d_optimizer, d_tape, d_loss, discriminator),
        ):
            optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return g_loss + d_loss

    return step


def test_a_gans_step_takes_no_step_of_python():
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (3, 8, 28, 28, 1)).astype("float32")
    noise = rng.normal(size=(3, 8, 8)).astype("float32")
    results = []
    for eager in (False, True):
        eagerly.random.set_seed(1)
        step = gan()
        compiled_step = eagerly.function(step)
        results.append([float((step if eager else compiled_step)(*batch)) for batch in zip(images, noise, strict=True)])
        if eager:
            continue
        traced = list(compiled_step._traces.values())[-1]
        ((plan,),) = traced._idle.values()
        assert [str(task) for task in plan.tasks if task.launch is None] == [] and plan.native
        assert len({task.launch.address for task in plan.tasks}) <= 36  # two models, each with an optimizer of its own
    np.testing.assert_allclose(*results, rtol=1e-3)
