"""Trains a GAN on the handwritten digits, conditional on the digit.

Everything is in one checkpoint, which is saved every ten epochs; run again, the training goes on where it stopped.

    python examples/digits_gan.py [FOLDER] [EPOCHS]
"""

import sys
from pathlib import Path

import numpy as np
from digits_generator import NOISE, Generator
from tqdm import tqdm

from eagerly import GradientTape, Model, Variable, datasets, ops, random
from eagerly.checkpoint import Checkpoint
from eagerly.layers import Conv2D, Dense, Dropout, Flatten, LeakyReLU
from eagerly.losses import BinaryCrossentropy
from eagerly.metrics import Mean
from eagerly.optim import Adam

BATCH = 64


class Discriminator(Model):
    """One logit per digit; the asked digit's says how real the image is."""

    def __init__(self):
        super().__init__()
        self.conv = Conv2D(32, 3, strides=2, padding="same")
        self.flatten = Flatten()
        self.hidden = Dense(128)
        self.leak = LeakyReLU(0.2)
        self.drop = Dropout(0.3)
        self.logits = Dense(10)

    def call(self, images, digits, training=False):
        x = self.leak(self.conv(images))
        x = self.leak(self.hidden(self.flatten(x)))
        return ops.sum(self.logits(self.drop(x, training=training)) * ops.one_hot(digits, 10), axis=-1)


def main(folder="build/digits_demo", epochs=90):
    random.set_seed(7)
    (images, digits), _ = datasets.digits.load_data()
    images = images[..., None].astype("float32") / 8 - 1

    generator, discriminator = Generator(), Discriminator()
    g_optimizer, d_optimizer = Adam(1e-3, beta_1=0.5), Adam(1e-3, beta_1=0.5)
    g_mean, d_mean = Mean(name="generator_loss"), Mean(name="discriminator_loss")
    noise_stream, order_stream = random.SeedGenerator(), random.SeedGenerator()
    epoch = Variable(0, trainable=False, name="epoch")
    cross_entropy = BinaryCrossentropy(from_logits=True)

    def train_step(real, labels):
        noise = random.normal((len(labels), NOISE), seed=noise_stream)
        with GradientTape() as g_tape, GradientTape() as d_tape:
            fake = generator(noise, labels, training=True)
            d_real = discriminator(real, labels, training=True)
            d_fake = discriminator(fake, labels, training=True)
            g_loss = cross_entropy(ops.ones_like(d_fake), d_fake)
            d_loss = cross_entropy(ops.ones_like(d_real), d_real) + cross_entropy(ops.zeros_like(d_fake), d_fake)
        g_gradients = g_tape.gradient(g_loss, generator.trainable_variables)
        d_gradients = d_tape.gradient(d_loss, discriminator.trainable_variables)
        g_optimizer.apply(g_gradients, generator.trainable_variables)
        d_optimizer.apply(d_gradients, discriminator.trainable_variables)
        g_mean(g_loss)
        d_mean(d_loss)

    checkpoint = Checkpoint(
        generator=generator,
        discriminator=discriminator,
        g_optimizer=g_optimizer,
        d_optimizer=d_optimizer,
        means=[g_mean, d_mean],
        streams=[noise_stream, order_stream],
        epoch=epoch,
    )
    path = Path(folder) / "gan.h5"
    if path.exists():
        checkpoint.restore(path)
        print(f"resumed from {path} at epoch {int(epoch)}")

    bar = tqdm(total=epochs, initial=int(epoch), desc="GAN epochs", file=sys.stdout, mininterval=0.5)
    while int(epoch) < epochs:
        order = random.permutation(len(images), seed=order_stream)
        for start in range(0, len(images) - BATCH + 1, BATCH):
            rows = order[start : start + BATCH]
            train_step(images[rows], digits[rows].astype(np.int32))
        epoch.assign_add(1)
        bar.set_postfix_str(f"generator {float(g_mean.result()):.3f}, discriminator {float(d_mean.result()):.3f}")
        bar.update()
        g_mean.reset_state()
        d_mean.reset_state()
        if int(epoch) % 10 == 0 or int(epoch) == epochs:
            checkpoint.write(path)
    bar.close()
    return path


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
