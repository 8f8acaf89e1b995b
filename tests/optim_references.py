"""Every optimizer once more, as a loop over NumPy arrays in float64, written from the papers' formulas.

And what the tests of optimizers step on: three variables and their gradients.
"""

import numpy as np

from eagerly import optim
from eagerly.variable import Variable

SHAPES = ((3, 2), (2,), ())


def make(optimizer, options=None, /, **kwargs):
    return getattr(optim, optimizer)(**{**(options or {}), **kwargs})


def variables(dtype="float32"):
    return [
        Variable(np.linspace(-1, 1, int(np.prod(s))).reshape(s), dtype=dtype, name=f"v{i}")
        for i, s in enumerate(SHAPES)
    ]


def gradients(step):
    rng = np.random.default_rng(step)
    return [rng.normal(size=s).astype("float32") for s in SHAPES]


class Reference:
    """Steps of one optimizer on a list of arrays."""

    def __init__(
        self, learning_rate, weight_decay=None, clipnorm=None, clipvalue=None, global_clipnorm=None, **options
    ):
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.options = options
        self.time = 0
        self.state = {}

    def apply(self, gradients, values):
        self.time += 1
        gradients = [g.astype("float64") for g in gradients]
        if self.clipvalue:
            gradients = [np.clip(g, -self.clipvalue, self.clipvalue) for g in gradients]
        if self.clipnorm:
            gradients = [g * min(1, self.clipnorm / np.linalg.norm(g)) for g in gradients]
        if self.global_clipnorm:
            length = np.linalg.norm(np.concatenate([g.ravel() for g in gradients]))
            gradients = [g * min(1, self.global_clipnorm / length) for g in gradients]
        for i, (g, value) in enumerate(zip(gradients, values, strict=True)):
            if self.weight_decay:
                value -= self.learning_rate * self.weight_decay * value
            self.update(g, value, self.state.setdefault(i, {}), **self.options)

    def memory(self, state, name, value):
        return state.setdefault(name, np.zeros_like(value))


class SGD(Reference):
    def update(self, g, value, state, momentum=0.0, nesterov=False):
        m = self.memory(state, "m", value)
        m *= momentum
        m -= self.learning_rate * g
        value += momentum * m - self.learning_rate * g if nesterov else m


class RMSprop(Reference):
    def update(self, g, value, state, rho=0.9, momentum=0.0, epsilon=1e-7, centered=False):
        v, m, a = (self.memory(state, name, value) for name in "vma")
        v += (1 - rho) * (g**2 - v)
        a += (1 - rho) * (g - a)
        m *= momentum
        m += self.learning_rate * g / np.sqrt(v - a**2 * centered + epsilon)
        value -= m


class Adam(Reference):
    def update(self, g, value, state, beta_1=0.9, beta_2=0.999, epsilon=1e-7, amsgrad=False):
        m, v, top = (self.memory(state, name, value) for name in "mvt")
        m += (1 - beta_1) * (g - m)
        v += (1 - beta_2) * (g**2 - v)
        np.maximum(top, v, out=top)
        correction = np.sqrt(1 - beta_2**self.time) / (1 - beta_1**self.time)
        value -= self.learning_rate * correction * m / (np.sqrt(top if amsgrad else v) + epsilon)


class AdamW(Adam):
    def __init__(self, learning_rate, weight_decay=0.004, **options):
        super().__init__(learning_rate, weight_decay, **options)
