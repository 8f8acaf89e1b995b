"""Small Trackables that stand for layers, models and optimizers where these are not what is tested."""

import numpy as np

from eagerly.trackable import Trackable
from eagerly.variable import Variable


class Box(Trackable):
    """Anything by attribute."""

    def __init__(self, **children):
        for name, value in children.items():
            setattr(self, name, value)


class Counter(Trackable):
    """Has a plain state and no Variable."""

    def __init__(self, count=0, **more):
        self.state = {"count": count, **more}

    def get_state(self):
        return self.state

    def set_state(self, state):
        self.state = state


class Lazy(Trackable):
    """A layer that makes its Variables at the first call."""

    def __init__(self, units=3, fill=0.0):
        self.units, self.fill, self.built = units, fill, False

    def may_grow(self, name):
        return not self.built

    def build(self, features):
        self.kernel = Variable(np.full((features, self.units), self.fill, np.float32), name="kernel")
        self.bias = Variable(np.full(self.units, self.fill, np.float32), name="bias")
        self.built = True
        return self


class Momentum(Trackable):
    """An optimizer: its slots belong to Variables, in the order that it was built with."""

    _untracked = Trackable._untracked | {"slots"}

    def __init__(self):
        self.step = Variable(0, name="step")
        self.slots = None

    def may_grow(self, name):
        return self.slots is None

    def build(self, variables, fill=0.0):
        self.slots = [(v, {"momentum": Variable(np.full(v.shape, fill, v.dtype))}) for v in variables]
        return self

    def bound_children(self):
        return self.slots or []


def filled(*shape, value=1.0, dtype="float32"):
    """A Variable with values that tell positions apart."""
    return Variable((np.arange(int(np.prod(shape))).reshape(shape) + value).astype("float32"), dtype=dtype)
