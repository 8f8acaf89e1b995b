"""Branches and loops: values, structures, gradients, functional models, and what they refuse."""

import pickle
import re
from collections import namedtuple

import numpy as np
import pytest

from eagerly import Input, Model, nest, ops
from eagerly.errors import TraceError
from eagerly.layers import Dense, Layer
from eagerly.tape import GradientTape
from eagerly.tensor import Tensor
from eagerly.variable import Variable
from gradients import check_gradients

X = np.linspace(-1, 1, 6, dtype="float32").reshape(2, 3)


def never(*args):
    raise AssertionError("this branch must not run")


def refused(error, text):
    return pytest.raises(error, match=re.escape(text))


def plain(structure):
    """Values and dtypes of a structure, its numbers and None as they are."""
    return nest.map_structure(lambda x: (x.tolist(), x.dtype.name) if isinstance(x, Tensor) else x, structure)


# cond


@pytest.mark.parametrize("convert", [bool, int, float, np.bool_, np.asarray, Tensor, Variable, lambda x: Tensor([[x]])])
def test_cond_runs_the_one_branch(convert):
    assert ops.cond(convert(True), lambda: "yes", never) == "yes"
    assert ops.cond(convert(False), never, lambda: "no") == "no"


def test_cond_gives_what_the_branch_gives():
    assert ops.cond(True, lambda: {"a": (1, None)}, never) == {"a": (1, None)}
    assert ops.cond(np.nan, lambda: 1, never) == 1
    x = Tensor([1.0])
    assert ops.cond(x[0] > 0, lambda: x, never) is x
    assert ops.cond(pred=True, false_fn=never, true_fn=lambda: 3) == 3


@pytest.mark.parametrize("pred", [[True, False], np.array([]), Tensor([True, False]), Variable([1.0, 2.0])])
def test_cond_needs_one_truth_value(pred):
    with refused(ValueError, "cond: expected one truth value as pred, got "):
        ops.cond(pred, never, never)
    if not isinstance(pred, list):
        with pytest.raises(ValueError, match=r"(bool|float\d\d)\[[02]\]. Use ops.where to choose for each element.$"):
            ops.cond(pred, never, never)


@pytest.mark.parametrize("pred", [None, "yes", lambda: True, [True]])
def test_cond_refuses_what_is_no_number(pred):
    with refused(ValueError, "cond: expected one truth value as pred, got "):
        ops.cond(pred, never, never)


def test_functions_must_be_functions():
    for call, what in (
        (lambda: ops.cond(True, 1, never), "cond: expected a function as true_fn, got 1."),
        (lambda: ops.cond(True, never, Tensor(1.0)), "cond: expected a function as false_fn, got float32[]."),
        (lambda: ops.switch(0, [never, None]), "switch: expected a function as branches[1], got None."),
        (lambda: ops.while_loop(3, never, 0), "while_loop: expected a function as cond, got 3."),
        (lambda: ops.while_loop(never, [1], 0), "while_loop: expected a function as body, got [1]."),
        (lambda: ops.fori_loop(0, 1, "f", 0), "fori_loop: expected a function as body_fun, got 'f'."),
    ):
        with refused(TypeError, what):
            call()


def test_gradients_through_the_branch_taken():
    def function(x, y):
        return ops.cond(ops.sum(x) > 0, lambda: ops.sin(x) * y, lambda: x * x * x + y)

    for sign in (1, -1):
        check_gradients(function, [sign * np.array([0.3, 0.9]), np.array([1.2, -0.7])])


# switch


@pytest.mark.parametrize(
    ("index", "chosen"), [(-5, 0), (0, 0), (1, 1), (2, 2), (7, 2), (2**40, 2), (True, 1), (-(2**40), 0)]
)
def test_switch_clamps_the_index(index, chosen):
    branches = [lambda x, i=i: (i, x) for i in range(3)]
    converters = [int, np.int64, lambda i: np.array([i], "int64"), lambda i: Tensor(i, "int64")]
    for convert in converters:
        assert ops.switch(convert(index), branches, "x") == (chosen, "x")


def test_switch_hands_the_operands_on():
    add = lambda x, y: x + y  # noqa: E731
    assert plain(ops.switch(0, [add, never], Tensor(2.0), 3)) == (5.0, "float32")
    assert ops.switch(0, [add, never], 2, 3) == 5
    assert isinstance(ops.switch(0, (lambda d: d["a"][0],), {"a": [np.zeros(2)]}), Tensor)
    assert ops.switch(0, [lambda: "none"]) == "none"


@pytest.mark.parametrize(
    ("index", "text"), [(1.0, "got 1.0"), (None, "got None"), (Tensor(1.0), "float32[]"), (Tensor([0, 1]), "int32[2]")]
)
def test_switch_needs_an_integer(index, text):
    with refused(TypeError, "switch: expected an integer as index, got ") as caught:
        ops.switch(index, [never])
    assert text in str(caught.value)


@pytest.mark.parametrize("branches", [[], (), None, never, {"a": never}])
def test_switch_needs_branches(branches):
    with refused(ValueError, "switch: expected a list of at least one function as branches, got "):
        ops.switch(0, branches)


def test_gradients_through_a_switch():
    branches = [lambda x, y: ops.exp(x) * y, lambda x, y: x / y]
    for index in (0, 1):
        check_gradients(lambda x, y, i=index: ops.switch(i, branches, x, y), [[0.4, 1.0], [1.5, -0.8]])


# while_loop


def test_loop_variables_and_what_comes_back():
    """The examples of Keras's documentation, and values that it gives on PyTorch."""
    assert plain(ops.while_loop(lambda i: i < 10, lambda i: i + 1, 0)) == (10, "int32")
    assert plain(ops.while_loop(lambda x, y: x < 10, lambda x, y: (x + 1, y + 1), (0, 1))) == (
        (10, "int32"),
        (11, "int32"),
    )
    assert plain(ops.while_loop(lambda i, j: i < 10, lambda i, j: [i + 1, j * 2.0], [0, 1.0])) == (
        (10, "int32"),
        (1024.0, "float32"),
    )
    assert plain(ops.while_loop(lambda d: d["i"] < 3, lambda d: {"i": d["i"] + 1}, {"i": 0})) == {"i": (3, "int32")}
    nested = ops.while_loop(
        lambda a, b: a["i"] < 3, lambda a, b: ({"i": a["i"] + 1}, (b[0] * 2, None)), ({"i": 0}, (1.0, None))
    )
    assert plain(nested) == ({"i": (3, "int32")}, ((8.0, "float32"), None))
    assert plain(ops.while_loop(lambda i: i < 10, lambda i: (12,), 0)) == (12, "int32")
    pair = namedtuple("pair", "i j")
    assert type(ops.while_loop(lambda i, j: i < 1, lambda i, j: pair(i + 1, j), pair(0, 0))) is tuple


def test_a_loop_that_does_not_run_gives_tensors():
    assert plain(ops.while_loop(lambda i, v: False, never, [2, np.ones(1)])) == ((2, "int32"), ([1.0], "float64"))
    v = Variable(3.0)
    assert type(ops.while_loop(lambda x: x < 0, never, v)) is Tensor


@pytest.mark.parametrize("limit", [0, 3, np.int64(3), Tensor(3), Variable(3), 99])
def test_maximum_iterations(limit):
    found = ops.while_loop(lambda i: i < 5, lambda i: i + 1, 0, maximum_iterations=limit)
    assert int(found) == min(5, int(limit))


def test_gradients_through_a_loop():
    def function(x, y):
        return ops.while_loop(lambda i, z: i < 3, lambda i, z: (i + 1, ops.sin(z) * y + x), (0, x))[1]

    check_gradients(function, [[0.3, -0.8], [1.3, 0.4]])
    check_gradients(lambda x: ops.while_loop(lambda z: ops.sum(z) < 9, lambda z: z * z + z, x), [[0.5, 0.7]])


def test_variables_in_a_loop_are_watched_and_may_be_assigned():
    v, count = Variable(2.0), Variable(0, trainable=False)

    def body(i, x):
        count.assign_add(1)
        return i + 1, x * v

    with GradientTape() as tape:
        y = ops.while_loop(lambda i, x: i < 3, body, (0, v))[1]
    assert float(y) == 16.0 and int(count) == 3
    assert float(tape.gradient(y, v)) == 32.0


def test_what_a_loop_refuses():
    with refused(ValueError, "while_loop: expected one truth value as the result of cond, got bool[2]. Use ops.where"):
        ops.while_loop(lambda x: x < 3, never, Tensor([1, 2]))
    with refused(ValueError, "while_loop: expected one truth value as the result of cond, got None."):
        ops.while_loop(lambda x: None, never, 1)
    with refused(ValueError, "of the same structure, got (int32[], int32[]) and (int32[])") as caught:
        ops.while_loop(lambda i, j: i < 3, lambda i, j: i + 1, (0, 0))
    assert "while_loop: expected body to return values like its arguments" in str(caught.value)
    assert "The structures differ: expected the keys [0, 1], got [0]." in str(caught.value)
    with refused(ValueError, "The structures differ at [0]: expected dict, got Tensor."):
        ops.while_loop(lambda d: d["i"] < 3, lambda d: d["i"], {"i": 0})
    with refused(TypeError, "while_loop: expected an integer as maximum_iterations, got 2.5."):
        ops.while_loop(lambda i: i < 3, lambda i: i + 1, 0, maximum_iterations=2.5)
    with refused(ValueError, "Cannot make a Tensor of 'a'"):
        ops.while_loop(lambda i: i < 3, never, "a")


# fori_loop


def test_fori_loop():
    assert ops.fori_loop(0, 10, lambda i, s: s + i, 0) == 45
    kinds = []
    ops.fori_loop(2, 4, lambda i, s: kinds.append((i, type(i))), None)
    assert kinds == [(2, int), (3, int)]
    assert plain(ops.fori_loop(Tensor(1), np.int32(4), lambda i, s: s + i, Tensor(0.5))) == (6.5, "float32")
    assert plain(ops.fori_loop(3, 3, never, {"a": np.ones(1, "float32")})) == {"a": ([1.0], "float32")}
    assert plain(ops.fori_loop(0, 2, lambda i, s: (s[1], s[0] + 1), (0, Tensor(5)))) == (1, (6, "int32"))


def test_gradients_through_fori_loop():
    check_gradients(lambda x, y: ops.fori_loop(1, 4, lambda i, z: ops.tanh(z) * i + y, x), [[0.3, 0.7], [0.2, -0.4]])


def test_what_fori_loop_refuses():
    for bounds, what in (((0.5, 2), "lower, got 0.5."), ((0, Tensor(2.0)), "upper, got float32[].")):
        with refused(TypeError, "fori_loop: expected an integer as " + what):
            ops.fori_loop(*bounds, never, 0)
    with refused(
        ValueError, "of the same structure, got (1, 2) and 3. The structures differ: expected tuple, got int."
    ):
        ops.fori_loop(0, 1, lambda i, s: 3, (1, 2))


# Functional models: a node that runs the real control flow.


def both(model, function, *inputs):
    """The model's result, after a check that it equals the function's."""
    result = model(list(inputs) if len(inputs) > 1 else inputs[0])
    expected = function(*map(Tensor, inputs))
    for a, b in zip(nest.flatten(result), nest.flatten(expected), strict=True):
        np.testing.assert_array_equal(a.numpy(), np.asarray(b))
        assert type(a) is Tensor
    return result


def made_of(function, *inputs):
    return Model(list(inputs) if len(inputs) > 1 else inputs[0], function(*inputs))


def test_a_switch_in_a_model_runs_one_branch():
    ran = []

    def branch(name, function):
        def run(x, y):
            ran.append(name)
            return {"z": function(x, y), "n": None}

        return run

    branches = [branch("plus", lambda x, y: x + y), branch("minus", lambda x, y: x - y)]

    def function(i, x, y):
        return ops.switch(ops.sum(i), branches, x, y)["z"]

    model = made_of(function, Input((), dtype="int32"), Input((3,)), Input((3,)))
    assert model.output_shape == (None, 3) and ran == ["plus", "minus"]
    for index, name in ((0, "plus"), (9, "minus")):
        ran.clear()
        both(model, function, np.array([index, 0], "int32"), X, X * 2)
        assert ran == [name, name]


def test_a_loop_in_a_model_runs_as_often_as_its_data_say():
    def function(x):
        return ops.while_loop(lambda i, v: ops.logical_and(i < 9, ops.max(v) < 50), lambda i, v: (i + 1, v * 2), (0, x))

    x = Input((3,))
    model = made_of(function, x)
    assert model.output_shape == ((), (None, 3))
    assert [int(both(model, function, data)[0]) for data in (X, X * 0, X * 100, X * 3)] == [6, 9, 0, 5]


def test_loops_of_unknown_length_in_a_model():
    def function(x):
        return ops.fori_loop(0, ops.shape(x)[0], lambda i, v: v * (i + 1), x)

    def to(n, x):
        return ops.fori_loop(1, ops.max(n), lambda i, v: v + i, x)

    model, bounded = made_of(function, Input((3,))), made_of(to, Input((), dtype="int32"), Input((3,)))
    for rows in (0, 1, 2):
        both(model, function, X[:rows])
    for n in (-2, 1, 4):
        both(bounded, to, np.array([n, 0], "int32"), X)
    limited = made_of(lambda x: ops.while_loop(lambda v: True, lambda v: v + 1, x, ops.shape(x)[0]), Input((3,)))
    np.testing.assert_array_equal(limited(X), X + 2)


def test_cond_in_a_model_chooses_between_what_is_no_symbol():
    w = Variable([1.0, 2.0, 3.0])

    def function(x):
        return x * ops.cond(ops.sum(x) > 0, lambda: w, lambda: -w) + ops.cond(ops.any(x > 5), lambda: 1.0, lambda: 2.0)

    model = made_of(function, Input((3,)))
    for data in (X + 1, X - 1, X + 9):
        both(model, function, data)
    with GradientTape() as tape:
        y = model(X - 1)
    np.testing.assert_allclose(tape.gradient(y, w).numpy(), -(X - 1).sum(0), rtol=1e-6)


def test_python_decides_while_a_model_is_made():
    x = Input((3,))
    y = ops.cond(True, lambda: x * 2, never)
    y = ops.fori_loop(0, 2, lambda i, v: v + i, ops.switch(1, [never, lambda v: v + x], y))
    np.testing.assert_allclose(Model(x, y)(X), X * 3 + 1, rtol=1e-6)


def test_layers_as_branches_are_part_of_the_model():
    i, x = Input((), dtype="int32"), Input((3,))
    a, b = Dense(2), Dense(2)
    model = Model([i, x], ops.switch(ops.sum(i), [a, b], x))
    assert model.layers == [a, b] and len(model.weights) == 4
    np.testing.assert_array_equal(model([np.array([1, 0]), X]), b(X))
    with GradientTape() as tape:
        y = model([np.array([0, 0]), X])
    of_a, of_b = tape.gradient(y, [a.kernel, b.kernel])
    assert of_a is not None and of_b is None


def test_a_loop_in_a_model_in_a_model():
    inner = made_of(lambda x: ops.fori_loop(0, 3, lambda i, v: v * 2, x), Input((3,)))
    x = Input((3,))
    outer = Model(x, ops.switch(ops.cast(ops.sum(x) > 0, "int32"), [lambda v: v, inner], inner(x) + 1))
    np.testing.assert_allclose(outer(X + 1), (X * 8 + 9) * 8, rtol=1e-6)
    np.testing.assert_allclose(outer(X - 1), X * 8 - 7, rtol=1e-6)


def test_gradients_through_a_model_with_control_flow():
    def function(x, y):
        z = ops.fori_loop(0, 2, lambda i, v: ops.sin(v) * v, x)
        z = ops.switch(ops.cast(ops.sum(x) > 0, "int32"), [lambda a, b: a - b, lambda a, b: a * b], z, y)
        return ops.while_loop(lambda i, v: i < 2, lambda i, v: (i + 1, v * v), (0, z))[1]

    model = made_of(function, Input((2,), dtype="float64"), Input((2,), dtype="float64"))
    check_gradients(lambda x, y: model([x, y]), [[[0.3, 0.7]], [[1.1, 0.6]]])
    check_gradients(lambda x, y: model([x, y]), [[[-0.3, -0.7]], [[1.1, 0.6]]])


class Steps(Layer):
    """Control flow whose functions use what is around them: a layer's call runs anew each time."""

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1],), initializer="ones")

    def call(self, inputs):
        half = inputs / 2
        x = ops.cond(ops.sum(inputs) > 0, lambda: inputs * self.w, lambda: half)
        return ops.while_loop(lambda v: ops.sum(ops.absolute(v)) > 1, lambda v: v / 2 + half * 0, x)


def test_control_flow_in_a_layer_may_use_everything():
    layer = Steps()
    x = Input((3,))
    model = Model(x, layer(x) * 2)
    assert model.output_shape == (None, 3)
    for data in (X + 1, X - 1):
        np.testing.assert_array_equal(model(data), layer(data) * 2)


def test_nested_control_flow():
    def collatz(n):
        step = lambda k: ops.cond(k % 2 == 0, lambda: k // 2, lambda: 3 * k + 1)  # noqa: E731
        return ops.while_loop(lambda k, count: k != 1, lambda k, count: (step(k), count + 1), (n, 0))[1]

    assert [int(collatz(n)) for n in (1, 6, 27)] == [0, 8, 111]
    counts = ops.map(collatz, Tensor([1, 6, 27]))
    assert counts.tolist() == [0, 8, 111]


# What symbols are refused for.


def test_branches_that_do_not_agree():
    x = Input((3,))
    index = ops.cast(ops.sum(x), "int32")
    rule = "switch: expected results of one structure, shape and dtype, got "
    for other, text in (
        (lambda x: x[:, :2], "float32[None, 3] and float32[None, 2]. float32[None, 3] and float32[None, 2] differ."),
        (lambda x: x > 0, "float32[None, 3] and bool[None, 3]. float32[None, 3] and bool[None, 3] differ."),
        (lambda x: (x, x), "The structures differ: expected AbstractTensor, got tuple."),
        (lambda x: None, "float32[None, 3] and None. float32[None, 3] and None differ."),
        (lambda x: ops.ones((2, 3)), "float32[None, 3] and float32[2, 3] differ."),
        (
            lambda x: ops.concatenate([x, np.zeros((1, 3), "float32")], 0),
            "float32[None, 3] and float32[None, 3] differ: (batch, 3) and (batch + 1, 3).",
        ),
    ):
        with refused(ValueError, text) as caught:
            ops.switch(index, [lambda x: x, other], x)
        assert str(caught.value).startswith(rule)
    with refused(ValueError, "At ['b'][1], float32[None, 3] and int32[] differ."):
        ops.switch(index, [lambda x: {"a": x, "b": (x, x)}, lambda x: {"a": x, "b": [x, 1]}], x)
    with refused(ValueError, "cond: expected results of one structure, shape and dtype, got float32[] and int32[]."):
        ops.cond(ops.sum(x) > 0, lambda: 1.0, lambda: 1)


def test_sizes_unknown_in_both_branches_may_differ():
    x = Input((3,))
    y = ops.switch(ops.cast(ops.sum(x), "int32"), [lambda x: x, lambda x: x[ops.sum(x, axis=1) > 0]], x)
    assert y.shape == (None, 3) and ops.shape(y)[0] is not ops.shape(x)[0]
    model = Model(x, y)
    assert model(X * 0 + 1).shape == (2, 3) and model(X - 1).shape == (2, 3)
    assert model(np.array([[1, 1, 1], [-1, 0, 0]])).shape == (1, 3)


def test_predicates_and_indices_that_are_not_one_symbol():
    x = Input((3,))
    for pred, shown in ((x > 0, "bool[None, 3]"), (x[:, 0] > 0, "bool[None]")):
        with refused(ValueError, f"cond: expected one element as pred, got {shown}. Use ops.where to choose"):
            ops.cond(pred, lambda: 1, lambda: 2)
    with refused(ValueError, "switch: expected one element as index, got int32[None, 3]."):
        ops.switch(ops.cast(x, "int32"), [lambda: 1])
    with refused(TypeError, "switch: expected an integer as index, got float32[]."):
        ops.switch(ops.sum(x), [lambda: 1])
    with refused(TypeError, "fori_loop: expected an integer as upper, got float32[]."):
        ops.fori_loop(0, ops.sum(x), lambda i, v: v, 0)
    with refused(ValueError, "while_loop: expected one element as the result of cond, got bool[None, 3]."):
        ops.while_loop(lambda v: v < 3, lambda v: v, x)
    with refused(ValueError, "while_loop: expected one truth value as the result of cond, got None."):
        ops.while_loop(lambda v: None, lambda v: v, x)


def test_pythons_if_on_a_symbol():
    x = Input((3,))
    with pytest.raises(TraceError, match="has no value: .*Python's if, while.*use ops.where"):
        ops.while_loop(lambda v: True if ops.sum(v) < 3 else False, lambda v: v, x)
    with pytest.raises(TraceError, match="has no value: .*Python's if, while"):
        ops.fori_loop(0, 2, lambda i, v: v if ops.sum(v) > 0 else -v, x)


def test_bodies_that_do_not_keep_shape_and_dtype():
    x = Input((3,))
    rule = (
        "while_loop: expected body to return values like its arguments, of the same structure, shapes and dtypes, got "
    )
    for body, text in (
        (lambda i, v: (i + 1, v[:, :2]), "At [1], float32[None, 3] and float32[None, 2] differ."),
        (lambda i, v: (i + 1.5, v), "At [0], int32[] and float32[] differ."),
        (lambda i, v: v, "The structures differ: expected the keys [0, 1], got [0]."),
    ):
        with refused(ValueError, text) as caught:
            ops.while_loop(lambda i, v: i < 3, body, (0, x))
        assert str(caught.value).startswith(rule)
    with refused(ValueError, "fori_loop: expected body_fun to return a value like its second argument, of the same "):
        ops.fori_loop(0, 3, lambda i, v: v > 0, x)


CAPTURES = {
    "cond": lambda i, x, y: ops.cond(ops.sum(x) > 0, lambda: y, lambda: -y),
    "switch": lambda i, x, y: ops.switch(ops.sum(i), [lambda v: v + y, lambda v: v], x),
    "while_loop": lambda i, x, y: ops.while_loop(lambda v: ops.sum(v) < 9, lambda v: v + y, x),
    "while_loop cond": lambda i, x, y: ops.while_loop(lambda v: ops.sum(v) < ops.sum(y), lambda v: v + 1, x),
    "fori_loop": lambda i, x, y: ops.fori_loop(0, 2, lambda i, v: v * y, x),
    "fori_loop size": lambda i, x, y: ops.fori_loop(0, 2, lambda i, v: v + ops.ones((ops.shape(y)[0], 3)), x),
    "fori_loop nested": lambda i, x, y: ops.fori_loop(0, 2, lambda i, v: ops.cond(i > 0, lambda: v, lambda: v + y), x),
}


@pytest.mark.parametrize("name", CAPTURES)
def test_a_symbol_that_a_function_captures_is_refused(name):
    i, x, y = Input((), dtype="int32"), Input((3,)), Input((3,))
    with pytest.raises(TraceError) as caught:
        Model([i, x, y], CAPTURES[name](i, x, y))([np.zeros(2, "int32"), X, X])
    message = str(caught.value)
    assert message.startswith(f"{name.split()[0]}: ")
    assert "<lambda> uses a symbol or a size of the functional model around it" in message
    assert "Pass it" in message or "ops.switch(ops.cast(pred, 'int32'), [false_fn, true_fn], x)" in message


def test_a_symbol_decides_nothing_while_a_model_is_made():
    x = Input((3,))
    with refused(TraceError, "while_loop: expected a value as the result of cond, got <AbstractTensor"):
        ops.while_loop(lambda i: i < ops.sum(x), lambda i: i + 1, 0)


def test_a_model_with_control_flow_can_be_pickled():
    i, x = Input((), dtype="int32"), Input((3,))
    y = ops.switch(ops.sum(i), [Dense(2), Dense(2)], x)
    model = Model([i, x], [ops.map(ops.sum, y), ops.vectorize(ops.tanh)(x)])
    twin = pickle.loads(pickle.dumps(model))
    for a, b in zip(model([np.array([1]), X[:1]]), twin([np.array([1]), X[:1]]), strict=True):
        np.testing.assert_array_equal(a, b)
