"""How to call the activations that are no core operations."""

import math

import numpy as np

from domains.values import nonzero
from eagerly import ops
from public_ops.core import sigmoid
from public_ops.rows import Row, one, unary
from public_ops.transcendental import erf


def celu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * (np.exp(x / alpha) - 1))


def gelu(x):
    return x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2


def glu(x, axis=-1):
    a, b = np.split(x, 2, axis)
    return a * sigmoid(b)


def sparsemax(x, axis=-1):
    """By bisection of the threshold."""
    low, high = x.max(axis, keepdims=True) - 1, x.max(axis, keepdims=True)
    for _ in range(60):
        middle = (low + high) / 2
        many = np.maximum(x - middle, 0).sum(axis, keepdims=True) > 1
        low, high = np.where(many, middle, low), np.where(many, high, middle)
    return np.maximum(x - low, 0)


ROWS: dict[str, list[Row]] = {
    "celu": [unary("celu", celu), Row(one, lambda x: ops.celu(x, 0.5), lambda x: celu(x, 0.5))],
    "gelu": [
        unary("gelu", gelu),
        Row(one, lambda x: ops.gelu(x, False), lambda x: x * (1 + erf(x / math.sqrt(2))) / 2),
    ],
    "glu": [
        Row(lambda n, m: [(n, 4)], ops.glu, glu),
        Row(lambda n, m: [(n, m * 2, 3)], lambda x: ops.glu(x, 1), lambda x: glu(x, 1)),
    ],
    "hard_shrink": [
        unary("hard_shrink", lambda x: np.where(abs(x) > 0.5, x, 0)),
        Row(one, lambda x: ops.hard_shrink(x, 1.25), lambda x: np.where(abs(x) > 1.25, x, 0)),
    ],
    "soft_shrink": [
        unary("soft_shrink", lambda x: np.sign(x) * np.maximum(abs(x) - 0.5, 0)),
        Row(one, lambda x: ops.soft_shrink(x, 1.25), lambda x: np.sign(x) * np.maximum(abs(x) - 1.25, 0)),
    ],
    "tanh_shrink": [unary("tanh_shrink", lambda x: x - np.tanh(x))],
    "sparse_plus": [
        unary("sparse_plus", lambda x: np.where(x <= -1, 0, np.where(x < 1, (x + 1) ** 2 / 4, x))),
    ],
    "sparse_sigmoid": [unary("sparse_sigmoid", lambda x: np.clip((x + 1) / 2, 0, 1))],
    "sparsemax": [
        unary("sparsemax", sparsemax),
        Row(lambda n, m: [(n, 4, m)], lambda x: ops.sparsemax(x, 1), lambda x: sparsemax(x, 1), (nonzero,)),
        Row(lambda n, m: [(n, 4, m)], lambda x: ops.sparsemax(x, -2), lambda x: sparsemax(x, -2)),
    ],
    "squareplus": [
        unary("squareplus", lambda x: (x + np.sqrt(x * x + 4)) / 2),
        Row(one, lambda x: ops.squareplus(x, 0.5), lambda x: (x + np.sqrt(x * x + 0.5)) / 2),
    ],
    "threshold": [
        Row(one, lambda x: ops.threshold(x, 0.5, 7.0), lambda x: np.where(x > 0.5, x, 7)),
        Row(one, lambda x: ops.threshold(x, threshold=-0.5, default_value=0), lambda x: np.where(x > -0.5, x, 0)),
    ],
}
