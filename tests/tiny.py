"""Tiny models and data for the tests of training, the same in every process."""

import numpy as np

from eagerly import Input, Model, Sequential
from eagerly.layers import Dense
from eagerly.regularizers import L2
from eagerly.trackable import all_variables

X = np.sin(np.arange(40, dtype="float32")).reshape(10, 4)
Y = np.cos(np.arange(10, dtype="float32")).reshape(10, 1)
CLASSES = np.arange(10) % 3


def with_cosines(model):
    """The model with weights that are cosines of their positions."""
    shapes = [weight.shape for weight in model.weights]
    model.set_weights([np.cos(np.arange(np.prod(shape), dtype="float32")).reshape(shape) for shape in shapes])
    return model


def functional(units=1, activation=None):
    x = Input((4,))
    hidden = Dense(3, activation="tanh", kernel_regularizer=L2(0.01))(x)
    return with_cosines(Model(x, Dense(units, activation=activation)(hidden)))


def compiled(*args, layers=None, **kwargs):
    """A compiled stack, by default of one layer of known weights."""
    model = Sequential(layers or [Input((4,)), Dense(1)])
    if model.built:
        with_cosines(model)
    model.compile(*(args or ("sgd", "mse")), **kwargs)
    return model


def two_outputs(as_dict=True):
    x = Input((4,))
    p, q = Dense(1, name="a")(x), Dense(2, name="b", activation="softmax")(x)
    return with_cosines(Model(x, {"p": p, "q": q} if as_dict else [p, q]))


def values(root):
    """The bytes of every Variable below an object."""
    return [variable.numpy().tobytes() for variable in all_variables(root)]


def same_bits(a, b):
    a, b = np.asarray(a), np.asarray(b)
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
