"""The generator of the digits GAN: noise and a digit in, an image of 8×8 pixels out."""

from eagerly import Model, ops
from eagerly.layers import BatchNormalization, Concatenate, Conv2DTranspose, Dense, Embedding, LeakyReLU, Reshape

NOISE = 32


class Generator(Model):
    def __init__(self):
        super().__init__()
        self.embed = Embedding(10, 10)
        self.join = Concatenate()
        self.hidden = [Dense(128), Dense(512)]
        self.norms = [BatchNormalization(momentum=0.9), BatchNormalization(momentum=0.9)]
        self.leak = LeakyReLU(0.2)
        self.to_image = Reshape((4, 4, 32))
        self.enlarge = Conv2DTranspose(1, 4, strides=2, padding="same")

    def call(self, noise, digits, training=False):
        x = self.join([noise, self.embed(digits)])
        for dense, norm in zip(self.hidden, self.norms, strict=True):
            x = self.leak(norm(dense(x), training=training))
        return ops.tanh(self.enlarge(self.to_image(x)))
