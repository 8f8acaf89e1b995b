"""The arguments of operations and random functions: names, order and defaults as in Keras 3.15."""

import inspect
import json
from pathlib import Path

import pytest

from eagerly import activations, constraints, initializers, ops, random, regularizers
from public_ops import find, public_names

# What `keras.ops`, `keras.ops.image` and `keras.random` of 3.15 say.
KERAS = json.loads((Path(__file__).parent.parent / "keras_signatures.json").read_text(encoding="utf-8"))
OPS, RANDOM = KERAS["ops"], KERAS["random"]
# What we have beside them, or with other arguments, and why.
OURS = {
    "ops.dense": (
        "inputs, kernel, bias=None, activation=None",
        "the work of a Dense layer as one operation, so that it can be one kernel",
    ),
    "ops.gru": (
        "x, h0, kernel, recurrent_kernel, bias=None, mask=None, reset_after=True, go_backwards=False",
        "the work of a GRU layer as one operation, so that it can be one kernel",
    ),
    "ops.lstm": (
        "x, h0, c0, kernel, recurrent_kernel, bias=None, mask=None, go_backwards=False",
        "the work of an LSTM layer as one operation, so that it can be one kernel",
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


FUNCTIONS_OF_RANDOM = [name for name in random.__all__ if callable(getattr(random, name))]
NAMES = [f"ops.{name}" for name in sorted(public_names())] + [f"random.{name}" for name in FUNCTIONS_OF_RANDOM]


@pytest.mark.parametrize("name", NAMES)
def test_arguments_are_those_of_keras(name):
    module, _, short = name.partition(".")
    expected = OURS[name][0] if name in OURS else {"ops": OPS, "random": RANDOM}[module][short]
    assert arguments(find(short) if module == "ops" else getattr(random, short)) == expected


def test_random_offers_its_streams_beside_functions():
    assert set(random.__all__) - set(FUNCTIONS_OF_RANDOM) == {"streams"}


def test_all_that_keras_offers_is_here():
    keras = {f"ops.{name}" for name in OPS} | {f"random.{name}" for name in RANDOM}
    assert keras | set(OURS) == set(NAMES)
    assert all(OURS[name][0] != OPS.get(name[4:]) and OURS[name][1] for name in OURS)


@pytest.mark.parametrize("name", ["numpy", "nn", "linalg"])
def test_a_namespace_offers_what_ops_offers(name):
    for member, value in vars(getattr(ops, name)).items():
        if not member.startswith("_") and callable(value):
            assert getattr(ops, member) is value


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
        installed = name in ("custom_gradient", "jvp")  # by what knows tapes, as operations do not
        assert find(name).__module__.startswith("eagerly.gradients" if installed else "eagerly.ops"), name
