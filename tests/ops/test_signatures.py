"""The arguments of operations and random functions: names, order and defaults as in Keras 3.15."""

import inspect

import pytest

from eagerly import activations, constraints, initializers, ops, random, regularizers
from public_ops import public_names

# What `keras.ops` and `keras.random` of 3.15 say.
OPS = {
    "abs": "x",
    "absolute": "x",
    "add": "x1, x2",
    "all": "x, axis=None, keepdims=False",
    "any": "x, axis=None, keepdims=False",
    "arange": "start, stop=None, step=None, dtype=None",
    "argmax": "x, axis=None, keepdims=False",
    "argmin": "x, axis=None, keepdims=False",
    "array": "x, dtype=None",
    "batch_normalization": "x, mean, variance, axis, offset=None, scale=None, epsilon=0.001",
    "binary_crossentropy": "target, output, from_logits=False",
    "broadcast_to": "x, shape",
    "cast": "x, dtype",
    "categorical_crossentropy": "target, output, from_logits=False, axis=-1",
    "ceil": "x",
    "clip": "x, x_min, x_max",
    "concatenate": "xs, axis=0",
    "conv": "inputs, kernel, strides=1, padding='valid', data_format=None, dilation_rate=1",
    "conv_transpose": "inputs, kernel, strides=1, padding='valid', output_padding=None, data_format=None, "
    "dilation_rate=1",
    "convert_to_tensor": "x, dtype=None, sparse=None, ragged=None",
    "cos": "x",
    "divide": "x1, x2",
    "divide_no_nan": "x1, x2",
    "elu": "x, alpha=1.0",
    "equal": "x1, x2",
    "exp": "x",
    "expand_dims": "x, axis",
    "expm1": "x",
    "eye": "N, M=None, k=0, dtype=None",
    "floor": "x",
    "floor_divide": "x1, x2",
    "full": "shape, fill_value, dtype=None",
    "full_like": "x, fill_value, dtype=None",
    "greater": "x1, x2",
    "greater_equal": "x1, x2",
    "hard_sigmoid": "x",
    "hard_silu": "x",
    "hard_swish": "x",
    "hard_tanh": "x",
    "identity": "n, dtype=None",
    "isfinite": "x",
    "isinf": "x",
    "isnan": "x",
    "leaky_relu": "x, negative_slope=0.2",
    "less": "x1, x2",
    "less_equal": "x1, x2",
    "linspace": "start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0",
    "log": "x",
    "log1p": "x",
    "log_sigmoid": "x",
    "log_softmax": "x, axis=-1",
    "logical_and": "x1, x2",
    "logical_not": "x",
    "logical_or": "x1, x2",
    "logical_xor": "x1, x2",
    "logsumexp": "x, axis=None, keepdims=False",
    "matmul": "x1, x2",
    "max": "x, axis=None, keepdims=False, initial=None",
    "max_pool": "inputs, pool_size, strides=None, padding='valid', data_format=None",
    "maximum": "x1, x2",
    "mean": "x, axis=None, keepdims=False",
    "min": "x, axis=None, keepdims=False, initial=None",
    "minimum": "x1, x2",
    "mod": "x1, x2",
    "moments": "x, axes, keepdims=False, synchronized=False",
    "multiply": "x1, x2",
    "ndim": "x",
    "negative": "x",
    "not_equal": "x1, x2",
    "one_hot": "x, num_classes, axis=-1, dtype=None, sparse=False",
    "ones": "shape, dtype=None",
    "ones_like": "x, dtype=None",
    "power": "x1, x2",
    "relu": "x",
    "relu6": "x",
    "reshape": "x, newshape",
    "round": "x, decimals=0",
    "selu": "x",
    "shape": "x",
    "sigmoid": "x",
    "sign": "x",
    "silu": "x",
    "sin": "x",
    "softmax": "x, axis=-1",
    "softplus": "x",
    "softsign": "x",
    "sparse_categorical_crossentropy": "target, output, from_logits=False, axis=-1",
    "sqrt": "x",
    "square": "x",
    "squeeze": "x, axis=None",
    "stack": "x, axis=0",
    "stop_gradient": "variable",
    "subtract": "x1, x2",
    "sum": "x, axis=None, keepdims=False",
    "swish": "x",
    "take": "x, indices, axis=None",
    "take_along_axis": "x, indices, axis=None",
    "tanh": "x",
    "transpose": "x, axes=None",
    "true_divide": "x1, x2",
    "var": "x, axis=None, keepdims=False",
    "where": "condition, x1=None, x2=None",
    "zeros": "shape, dtype=None",
    "zeros_like": "x, dtype=None",
}
RANDOM = {
    "SeedGenerator": "seed=None, name=None, **kwargs",
    "dropout": "inputs, rate, noise_shape=None, seed=None",
    "normal": "shape, mean=0.0, stddev=1.0, dtype=None, seed=None",
    "randint": "shape, minval, maxval, dtype='int32', seed=None",
    "shuffle": "x, axis=0, seed=None",
    "truncated_normal": "shape, mean=0.0, stddev=1.0, dtype=None, seed=None",
    "uniform": "shape, minval=0.0, maxval=1.0, dtype=None, seed=None",
}
# What we have beside them, or with other arguments, and why.
OURS = {
    "ops.dense": (
        "inputs, kernel, bias=None, activation=None",
        "the work of a Dense layer as one operation, so that it can be one kernel",
    ),
    "ops.mish": ("x", "Keras has it among the activations alone"),
    "random.SeedGenerator": (
        "seed=None, name=None, stream='user'",
        "Keras's **kwargs are names of before; a stream keeps the draws of each purpose apart",
    ),
    "random.set_seed": ("seed", "Keras's utils.set_random_seed seeds other libraries too"),
}


def arguments(function):
    """The parameters of a function as they are written, without types."""
    marks = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return ", ".join(
        marks.get(p.kind, "") + p.name + ("" if p.default is p.empty else f"={p.default!r}")
        for p in inspect.signature(function).parameters.values()
    )


NAMES = [f"ops.{name}" for name in sorted(public_names())] + [f"random.{name}" for name in random.__all__]


@pytest.mark.parametrize("name", NAMES)
def test_arguments_are_those_of_keras(name):
    module, _, short = name.partition(".")
    expected = OURS[name][0] if name in OURS else {"ops": OPS, "random": RANDOM}[module][short]
    assert arguments(getattr({"ops": ops, "random": random}[module], short)) == expected


def test_the_tables_list_nothing_else():
    keras = {f"ops.{name}" for name in OPS} | {f"random.{name}" for name in RANDOM}
    assert keras | set(OURS) == set(NAMES)
    assert all(OURS[name][0] != OPS.get(name[4:]) and OURS[name][1] for name in OURS)


@pytest.mark.parametrize("module", [activations, constraints, initializers, random, regularizers])
def test_a_module_offers_what_it_defines_and_nothing_that_it_imports(module):
    assert len(set(module.__all__)) == len(module.__all__)
    scope = {}
    exec(f"from {module.__name__} import *", scope)
    assert set(scope) - {"__builtins__"} == set(module.__all__)
    for name in module.__all__:
        home = getattr(module, name).__module__
        assert home == module.__name__ or (module is activations and home == "eagerly.ops"), name


def test_operations_offer_nothing_that_they_import():
    for name in public_names():
        assert getattr(ops, name).__module__ == "eagerly.ops", name
