"""How to call arithmetic, reductions, moves, products and the first nn operations."""

import numpy as np

from domains.values import below, nonzero, positive, real, truth
from eagerly import ops
from public_ops.rows import Row, binary, one, reduction, two, unary


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x, axis=-1):
    return np.exp(x) / np.exp(x).sum(axis, keepdims=True)


def elu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * (np.exp(x) - 1))


SEVERAL = ({"axis": (0, 2)}, {"axis": [1, -1], "keepdims": True})
LEAKY = 0.2

ROWS: dict[str, list[Row]] = {
    "convert_to_tensor": [Row(one, ops.convert_to_tensor, lambda x: x)],
    "array": [Row(one, ops.array, lambda x: x)],
    "cast": [
        Row(one, lambda x: ops.cast(x, "float64"), lambda x: x),
        Row(one, lambda x: ops.cast(x, "int32"), np.trunc),
    ],
    "zeros": [Row(lambda n, m: [], lambda: ops.zeros((2, 3)), lambda: np.zeros((2, 3)))],
    "ones": [Row(lambda n, m: [], lambda: ops.ones(3), lambda: np.ones(3))],
    "full": [Row(lambda n, m: [], lambda: ops.full((2, 3), 7.5), lambda: np.full((2, 3), 7.5))],
    "eye": [
        Row(lambda n, m: [], lambda: ops.eye(3), lambda: np.eye(3)),
        Row(lambda n, m: [], lambda: ops.eye(2, 4, 1, "int32"), lambda: np.eye(2, 4, 1)),
    ],
    "identity": [
        Row(lambda n, m: [], lambda: ops.identity(3), lambda: np.eye(3)),
        Row(lambda n, m: [], lambda: ops.identity(2, "int32"), lambda: np.eye(2)),
    ],
    "zeros_like": [
        Row(one, ops.zeros_like, np.zeros_like),
        Row(one, lambda x: ops.zeros_like(x, "int32"), np.zeros_like),
    ],
    "ones_like": [Row(one, ops.ones_like, np.ones_like)],
    "full_like": [
        Row(one, lambda x: ops.full_like(x, 3), lambda x: np.full_like(x, 3)),
        Row(two, ops.full_like, np.full_like),
        Row(two, lambda x, y: ops.full_like(x, y, "float64"), np.full_like),
    ],
    "one_hot": [
        Row(one, lambda x: ops.one_hot(x, 4), lambda x: (x[..., None] == np.arange(4)) * 1.0, (below(6),)),
        Row(
            one,
            lambda x: ops.one_hot(x, 4, axis=0, dtype="bool"),
            lambda x: x == np.arange(4).reshape(4, 1, 1),
            (below(4),),
        ),
    ],
    **{name: [unary(name)] for name in ("negative", "absolute", "sign", "exp", "expm1", "square")},
    **{name: [unary(name, values=(positive,))] for name in ("log", "log1p", "sqrt")},
    **{
        name: [unary(name)]
        for name in ("sin", "cos", "tanh", "floor", "ceil", "isnan", "isinf", "isfinite", "logical_not")
    },
    **{name: [binary(name)] for name in ("add", "subtract", "multiply", "maximum", "minimum")},
    **{name: [binary(name, values=(real, nonzero))] for name in ("divide", "floor_divide", "mod")},
    **{name: [binary(name)] for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")},
    **{name: [binary(name, values=(truth,))] for name in ("logical_and", "logical_or", "logical_xor")},
    "divide_no_nan": [
        binary("divide_no_nan", np.divide, (real, nonzero)),
        Row(two, lambda x, y: ops.divide_no_nan(x, ops.multiply(y, 0.0)), lambda x, y: x * y * 0),
    ],
    "power": [binary("power", values=(positive, real))],
    "stop_gradient": [unary("stop_gradient", lambda x: x)],
    "round": [
        unary("round", np.round),
        Row(one, lambda x: ops.round(x, 1), lambda x: np.round(x, 1)),
        Row(one, lambda x: ops.round(x, -1), lambda x: np.round(x, -1), (below(99),)),
    ],
    "clip": [
        Row(one, lambda x: ops.clip(x, -1, 0.5), lambda x: np.clip(x, -1, 0.5)),
        Row(lambda n, m: [(n, m), (m,), ()], lambda x, a, b: ops.clip(x, a, b), np.clip, (real, nonzero, positive)),
    ],
    "where": [
        Row(lambda n, m: [(n, m), (m,), (n, 1)], ops.where, np.where, (truth, real)),
        Row(
            lambda n, m: [(n, m), (m,)], lambda c, x: ops.where(c, x, 0), lambda c, x: np.where(c, x, 0), (truth, real)
        ),
    ],
    "sum": reduction("sum", *SEVERAL),
    "mean": reduction("mean", *SEVERAL),
    "var": reduction("var", *SEVERAL),
    "max": reduction("max", {"axis": (0, 2)}, {"axis": 1, "initial": 0.5}),
    "min": reduction("min", {"axis": (0, 2)}, {"keepdims": True, "initial": 0.5}),
    "any": reduction("any", {"axis": (0, 2)}),
    "all": reduction("all", {"axis": (0, 2)}),
    "argmax": reduction("argmax"),
    "argmin": reduction("argmin"),
    "logsumexp": [
        Row(one, ops.logsumexp, lambda x: np.log(np.exp(x).sum())),
        Row(one, lambda x: ops.logsumexp(x, axis=(0,)), lambda x: np.log(np.exp(x).sum(0))),
        Row(one, lambda x: ops.logsumexp(x, 1, keepdims=True), lambda x: np.log(np.exp(x).sum(1, keepdims=True))),
    ],
    "moments": [
        Row(lambda n, m: [(n, m, 2)], lambda x: ops.moments(x, 1), lambda x: (x.mean(1), x.var(1))),
        Row(
            lambda n, m: [(n, m, 2)],
            lambda x: ops.moments(x, [0, -1], keepdims=True),
            lambda x: (x.mean((0, 2), keepdims=True), x.var((0, 2), keepdims=True)),
        ),
    ],
    "reshape": [
        Row(lambda n, m: [(n, m, 2)], lambda x: ops.reshape(x, (ops.shape(x)[0], -1)), lambda x: x.reshape(len(x), -1)),
        Row(lambda n, m: [(n, 4)], lambda x: ops.reshape(x, (-1, 2)), lambda x: x.reshape(-1, 2)),
    ],
    "transpose": [
        unary("transpose"),
        Row(lambda n, m: [(n, m, 2)], lambda x: ops.transpose(x, (1, 2, 0)), lambda x: x.transpose(1, 2, 0)),
    ],
    "broadcast_to": [
        Row(
            lambda n, m: [(n, 1)],
            lambda x: ops.broadcast_to(x, (2, ops.shape(x)[0], 3)),
            lambda x: np.broadcast_to(x, (2, len(x), 3)),
        )
    ],
    "expand_dims": [
        Row(one, lambda x: ops.expand_dims(x, 1), lambda x: np.expand_dims(x, 1)),
        Row(one, lambda x: ops.expand_dims(x, (0, -1)), lambda x: np.expand_dims(x, (0, -1))),
    ],
    "squeeze": [
        Row(lambda n, m: [(1, n, 1)], ops.squeeze, lambda x: x[0, :, 0]),
        Row(lambda n, m: [(1, n, 1)], lambda x: ops.squeeze(x, -1), lambda x: np.squeeze(x, -1)),
    ],
    "concatenate": [
        Row(
            lambda n, m: [(n, m), (n, 2)], lambda x, y: ops.concatenate([x, y], axis=-1), lambda x, y: np.hstack([x, y])
        )
    ],
    "stack": [
        Row(lambda n, m: [(n, m)] * 2, lambda x, y: ops.stack([x, y]), lambda x, y: np.stack([x, y])),
        Row(lambda n, m: [(n, m)] * 2, lambda x, y: ops.stack([x, y], axis=-1), lambda x, y: np.stack([x, y], -1)),
    ],
    "take": [
        Row(lambda n, m: [(n, 4), (3, m)], lambda x, i: ops.take(x, i, 1), lambda x, i: x[:, i], (real, below(4))),
        Row(lambda n, m: [(2, 2), (n,)], ops.take, lambda x, i: x.reshape(-1)[i], (real, below(4))),
    ],
    "take_along_axis": [
        Row(
            lambda n, m: [(n, 4, m), (n, 2, m)],
            lambda x, i: ops.take_along_axis(x, i, 1),
            lambda x, i: np.take_along_axis(x, i, 1),
            (real, below(4)),
        ),
        Row(
            lambda n, m: [(2, 2), (n, m)],
            ops.take_along_axis,
            lambda x, i: np.take_along_axis(x.ravel(), i.ravel(), 0),
            (real, below(4)),
        ),
    ],
    "matmul": [Row(lambda n, m: [(n, 2, m), (m, 4)], ops.matmul, np.matmul)],
    "conv": [
        Row(lambda n, m: [(n, 6, 6, 2), (3, 3, 2, 4)], ops.conv, None),
        Row(lambda n, m: [(n, 6, m + 4, 2), (3, 2, 2, 4)], lambda x, k: ops.conv(x, k, (2, 3), "same"), None),
        Row(lambda n, m: [(n, 4, m + 2), (2, 2, 6)], lambda x, k: ops.conv(x, k, 1, "causal", "channels_first"), None),
        Row(lambda n, m: [(n, m + 4, 4), (2, 2, 6)], lambda x, k: ops.conv(x, k, dilation_rate=2), None),
    ],
    "conv_transpose": [
        Row(lambda n, m: [(n, m, 4, 2), (3, 3, 4, 2)], lambda x, k: ops.conv_transpose(x, k, 2, "same"), None),
        Row(lambda n, m: [(n, m, 2), (3, 4, 2)], lambda x, k: ops.conv_transpose(x, k, 3), None),
    ],
    "max_pool": [
        Row(lambda n, m: [(n, m + 3, 4, 2)], lambda x: ops.max_pool(x, 2), None),
        Row(lambda n, m: [(n, m + 3, 4, 2)], lambda x: ops.max_pool(x, (3, 2), (2, 1), "same"), None),
    ],
    "relu": [unary("relu", lambda x: np.maximum(x, 0))],
    "relu6": [unary("relu6", lambda x: np.clip(x, 0, 6))],
    "leaky_relu": [
        unary("leaky_relu", lambda x: np.where(x > 0, x, LEAKY * x)),
        Row(one, lambda x: ops.leaky_relu(x, 0.5), lambda x: np.where(x > 0, x, 0.5 * x)),
    ],
    "elu": [unary("elu", elu), Row(one, lambda x: ops.elu(x, 2.0), lambda x: elu(x, 2.0))],
    "selu": [unary("selu", lambda x: 1.05070098 * elu(x, 1.67326324))],
    "silu": [unary("silu", lambda x: x * sigmoid(x))],
    "mish": [unary("mish", lambda x: x * np.tanh(np.log1p(np.exp(x))))],
    "softplus": [unary("softplus", lambda x: np.log1p(np.exp(x)))],
    "softsign": [unary("softsign", lambda x: x / (1 + abs(x)))],
    "sigmoid": [unary("sigmoid", sigmoid)],
    "log_sigmoid": [unary("log_sigmoid", lambda x: np.log(sigmoid(x)))],
    "hard_sigmoid": [unary("hard_sigmoid", lambda x: np.clip(x / 6 + 0.5, 0, 1))],
    "hard_silu": [unary("hard_silu", lambda x: x * np.clip(x / 6 + 0.5, 0, 1))],
    "hard_tanh": [unary("hard_tanh", lambda x: np.clip(x, -1, 1))],
    "softmax": [
        unary("softmax", softmax),
        Row(one, lambda x: ops.softmax(x, axis=0), lambda x: softmax(x, 0)),
        Row(one, lambda x: ops.softmax(x, axis=None), lambda x: np.exp(x) / np.exp(x).sum()),
    ],
    "log_softmax": [
        unary("log_softmax", lambda x: np.log(softmax(x))),
        Row(one, lambda x: ops.log_softmax(x, axis=0), lambda x: np.log(softmax(x, 0))),
    ],
    "dense": [
        Row(lambda n, m: [(n, 2, m), (m, 4)], ops.dense, np.matmul),
        Row(
            lambda n, m: [(n, m), (m, 4), (4,)],
            lambda x, k, b: ops.dense(x, k, b, activation=ops.relu),
            lambda x, k, b: np.maximum(x @ k + b, 0),
        ),
    ],
    "batch_normalization": [
        Row(
            lambda n, m: [(n, 2, m), (m,), (m,), (m,), (m,)],
            lambda x, mean, variance, b, s: ops.batch_normalization(x, mean, variance, -1, b, s),
            lambda x, mean, variance, b, s: (x - mean) / np.sqrt(variance + 1e-3) * s + b,
            (real, real, positive, real),
        ),
        Row(
            lambda n, m: [(n, 3, m), (3,), (3,)],
            lambda x, mean, variance: ops.batch_normalization(x, mean, variance, axis=1, epsilon=0.5),
            lambda x, mean, variance: (x - mean[:, None]) / np.sqrt(variance[:, None] + 0.5),
            (real, real, positive),
        ),
    ],
    "binary_crossentropy": [
        Row(
            lambda n, m: [(n, m)] * 2,
            lambda t, x: ops.binary_crossentropy(t, x, from_logits=True),
            lambda t, x: -t * np.log(sigmoid(x)) - (1 - t) * np.log(sigmoid(-x)),
        ),
        Row(
            lambda n, m: [(n, m)] * 2,
            lambda t, x: ops.binary_crossentropy(t, ops.divide(x, 4)),
            lambda t, x: -t * np.log(x / 4) - (1 - t) * np.log(1 - x / 4),
            (real, positive),
        ),
    ],
    "categorical_crossentropy": [
        Row(
            lambda n, m: [(n, m)] * 2,
            lambda t, x: ops.categorical_crossentropy(t, x, from_logits=True),
            lambda t, x: -(t * np.log(softmax(x))).sum(-1),
        ),
        Row(
            lambda n, m: [(n, m)] * 2,
            lambda t, x: ops.categorical_crossentropy(t, x, axis=0),
            lambda t, x: -(t * np.log(x / x.sum(0))).sum(0),
            (positive,),
        ),
    ],
    "sparse_categorical_crossentropy": [
        Row(
            lambda n, m: [(n,), (n, 4)],
            lambda t, x: ops.sparse_categorical_crossentropy(ops.mod(t, 4), x, from_logits=True),
            lambda t, x: -np.log(np.take_along_axis(softmax(x), (t % 4)[:, None], 1))[:, 0],
            (below(4), real),
        ),
        Row(
            lambda n, m: [(n, 1), (n, 4)],
            lambda t, x: ops.sparse_categorical_crossentropy(ops.mod(t, 4), x),
            lambda t, x: -np.log(np.take_along_axis(x / x.sum(1, keepdims=True), t % 4, 1))[:, 0],
            (below(4), positive),
        ),
    ],
}
ALIASES = {
    "true_divide": "divide",
    "abs": "absolute",
    "swish": "silu",
    "hard_swish": "hard_silu",
}
OTHERS = {"custom_gradient", "jvp"}  # in test_gradients.py
