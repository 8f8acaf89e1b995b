"""Every optimizer beside Keras's, twenty steps on the same gradients; and beside PyTorch's where it means the same."""

import inspect
import zlib

import keras
import numpy as np
import pytest
import torch

import eagerly
from eagerly import optim
from parity.comparing import unequal
from parity.drawing import FLOATS, Draw
from parity.running import from_torch, to_torch

STEPS = 20
SHAPES = ((3, 2), (2,), ())
# The options of each that are tried one after the other.
OPTIONS = {
    "SGD": [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}],
    "RMSprop": [
        {},
        {"rho": 0.8, "momentum": 0.5},
        {"centered": True, "epsilon": 1e-3},
        {"centered": True, "momentum": 0.5},
    ],
    "Adam": [{}, {"amsgrad": True, "beta_1": 0.8}, {"beta_2": 0.95, "epsilon": 1e-4}],
    "AdamW": [{}, {"weight_decay": 0.05, "amsgrad": True}],
}
COMMON = [
    {},
    {"weight_decay": 0.1},
    {"clipnorm": 0.7},
    {"clipvalue": 0.3},
    {"global_clipnorm": 0.9},
    {"weight_decay": 0.1, "clipnorm": 0.7},
]
CASES = [(name, {**options, **common}) for name, rows in OPTIONS.items() for options in rows for common in COMMON]


def told(options):
    return ",".join(f"{key}={value}" for key, value in options.items()) or "-" if isinstance(options, dict) else None


def start(dtype):
    return [np.linspace(-1, 1, int(np.prod(shape))).reshape(shape).astype(dtype) for shape in SHAPES]


def gradients(step, dtype):
    d = Draw(zlib.crc32(f"optimizers/{step}".encode()), dtype)
    return [d.array(shape) for shape in SHAPES]


def test_every_optimizer_has_rows():
    classes = {name for name, value in vars(optim).items() if inspect.isclass(value) and name[0] != "_"}
    assert classes - {"Optimizer"} == set(OPTIONS)
    assert [name for name in OPTIONS if not hasattr(keras.optimizers, name)] == []


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("name", "options"), CASES, ids=told)
def test_twenty_steps_are_keras(name, options, dtype):
    ours = getattr(optim, name)(learning_rate=0.0625, **options)
    theirs = getattr(keras.optimizers, name)(learning_rate=0.0625, **options)
    mine = [eagerly.Variable(value, dtype=dtype) for value in start(dtype)]
    others = [keras.Variable(value, dtype=dtype) for value in start(dtype)]
    for step in range(STEPS):
        ours.apply([eagerly.Tensor(g) for g in gradients(step, dtype)], mine)
        theirs.apply([to_torch(g) for g in gradients(step, dtype)], others)
        if step == STEPS // 2:
            ours.learning_rate = theirs.learning_rate = 0.03125
    # Keras keeps rates and epsilon in 32 bits on the way.
    factor = 1e3 if dtype == "float64" else 10
    for i, (x, y) in enumerate(zip(mine, others, strict=True)):
        assert unequal(x.numpy(), from_torch(y.value), factor) == "", f"variable {i}"
    assert int(ours.iterations) == int(theirs.iterations) == STEPS


# Ours, PyTorch's, and how it says the same. Its epsilon stands elsewhere, so it is made too small to matter.
TORCH = [
    ("SGD", {"momentum": 0.0}, torch.optim.SGD, {}),
    ("Adam", {"epsilon": 1e-14}, torch.optim.Adam, {"eps": 1e-14}),
    ("Adam", {"epsilon": 1e-14, "beta_1": 0.8, "beta_2": 0.9}, torch.optim.Adam, {"eps": 1e-14, "betas": (0.8, 0.9)}),
    ("AdamW", {"epsilon": 1e-14, "weight_decay": 0.1}, torch.optim.AdamW, {"eps": 1e-14, "weight_decay": 0.1}),
    ("RMSprop", {"epsilon": 1e-20, "rho": 0.8}, torch.optim.RMSprop, {"eps": 1e-20, "alpha": 0.8}),
]


@pytest.mark.parametrize(("name", "options", "theirs", "same"), TORCH, ids=told)
def test_twenty_steps_are_those_of_pytorch(name, options, theirs, same):
    ours = getattr(optim, name)(learning_rate=0.0625, **options)
    mine = [eagerly.Variable(value, dtype="float64") for value in start("float64")]
    others = [to_torch(value).requires_grad_() for value in start("float64")]
    optimizer = theirs(others, lr=0.0625, **same)
    for step in range(STEPS):
        ours.apply([eagerly.Tensor(g) for g in gradients(step, "float64")], mine)
        for x, g in zip(others, gradients(step, "float64"), strict=True):
            x.grad = to_torch(g)
        optimizer.step()
    for i, (x, y) in enumerate(zip(mine, others, strict=True)):
        assert unequal(x.numpy(), from_torch(y)) == "", f"variable {i}"
