"""Maps, scans and associative scans: values, structures, gradients, functional models, and what they refuse."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eagerly import Input, Model, nest, ops
from eagerly.errors import TraceError
from eagerly.layers import Dense
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from eagerly.variable import Variable
from gradients import check_gradients

X = np.linspace(-1, 1, 12, dtype="float32").reshape(4, 3)
MAPS = {"map": ops.map, "vectorized_map": ops.vectorized_map}


def refused(error, text):
    return pytest.raises(error, match=re.escape(text))


def plain(structure):
    return nest.map_structure(lambda x: (x.tolist(), x.dtype.name) if isinstance(x, Tensor) else x, structure)


def add(a, b):
    return a + b


# map and vectorized_map


@pytest.mark.parametrize("name", MAPS)
def test_maps_stack_what_the_function_gives(name):
    apply = MAPS[name]
    assert plain(apply(lambda x: x**2, np.arange(4, dtype="int32"))) == ([0, 1, 4, 9], "int32")
    made = apply(lambda x: {"a": x[0] + x[1], "b": (2.0, None)}, (Tensor([0, 1]), Tensor([0.5, 1.5])))
    assert plain(made) == {"a": ([0.5, 2.5], "float32"), "b": (([2.0, 2.0], "float32"), None)}
    assert plain(apply(lambda pair: pair[0] @ pair[1], [X, X])) == ((X * X).sum(1).tolist(), "float32")
    assert plain(apply(lambda d: type(d["x"]).__name__ == "Tensor", {"x": Variable([1.0, 2.0])})) == (
        [True, True],
        "bool",
    )
    assert plain(apply(lambda row: row[1:], Tensor(X))) == (X[:, 1:].tolist(), "float32")


@pytest.mark.parametrize("name", MAPS)
def test_maps_over_nothing_know_shape_and_dtype(name):
    made = MAPS[name](lambda x: (x["a"][:2] > 0, [ops.sum(x["b"]), None]), {"a": np.ones((0, 3)), "b": Tensor([])})
    assert plain(made) == (([], "bool"), [([], "float32"), None]) and made[0].shape == (0, 2)


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("count", [1, 8, 9, 37])
def test_gradients_through_a_map(name, count):
    def function(x, w):
        return MAPS[name](lambda row: (ops.sin(row) @ w, ops.sum(row * row)), x)

    rng = np.random.default_rng(count)
    check_gradients(function, [rng.normal(size=(count, 2)), rng.normal(size=(2, 3))])


@pytest.mark.parametrize(("name", "what"), [("map", "xs"), ("vectorized_map", "elements")])
def test_what_maps_refuse(name, what):
    apply = MAPS[name]
    for xs, text in (
        ((), f"expected at least one tensor in {what}, got ()."),
        (3.0, f"expected tensors with at least one axis in {what}, got float32[]."),
        ([1, 2, 3], "got int32[]. A list is a structure of several tensors; ops.convert_to_tensor makes one of it."),
        (None, f"expected tensors with at least one axis in {what}, got None."),
        ((X, X[1:]), f"expected one size along the axis for all of {what}, got [float32[4, 3], float32[3, 3]]."),
    ):
        with refused(ValueError, f"{name}: ") as caught:
            apply(lambda x: x, xs)
        assert text in str(caught.value)
    with refused(
        TypeError, f"{name}: expected a function as {'f' if name == 'map' else 'function'}, got float32[4, 3]."
    ):
        apply(X, X)
    odd, more = iter(range(9)), iter(range(9))
    with refused(ValueError, f"{name}: expected results of one shape, to stack them, got float32[0] and float32[1]."):
        apply(lambda x: x[: next(odd)], X)
    with refused(ValueError, f"{name}: expected results of one structure, to stack them, got (") as caught:
        apply(lambda x: (x,) * (1 + next(more)), X)
    assert "The structures differ: expected the keys [0], got [0, 1]." in str(caught.value)
    with refused(ValueError, f"{name}: expected results that are None for all slices or for none, got (None, float"):
        apply(lambda x: x if x[0] > -0.9 else None, X)


# scan


def test_scan_as_keras_documents_it():
    carry, ys = ops.scan(lambda c, x: (c + x, c + x), ops.array(0), ops.array([1, 2, 3, 4, 5]))
    assert plain((carry, ys)) == ((15, "int32"), ([1, 3, 6, 10, 15], "int32"))


def test_scan_like_keras_on_pytorch():
    x = Tensor([1, 2, 3])
    cases = [
        (ops.scan(lambda c, x: (c * 2, c), 1, length=4), ((16, "int32"), ([1, 2, 4, 8], "int32"))),
        (ops.scan(lambda c, x: (c + x, c), 0, x, length=2), ((3, "int32"), ([0, 1], "int32"))),
        (ops.scan(lambda c, x: (c + x, c), 0, x, length=2, reverse=True), ((3, "int32"), ([2, 0], "int32"))),
        (ops.scan(lambda c, x: (c + x, c), 0, x, reverse=True), ((6, "int32"), ([5, 3, 0], "int32"))),
        (
            ops.scan(lambda c, x: (c + x, [c, {"a": x}]), 1, Tensor([1.0, 2.0])),
            ((4.0, "float32"), [([1.0, 2.0], "float32"), {"a": ([1.0, 2.0], "float32")}]),
        ),
        (
            ops.scan(lambda c, x: (c + x["a"], x["b"]), 1.0, {"a": Tensor([1.0, 2.0]), "b": Tensor([[1], [2]])}),
            ((4.0, "float32"), ([[1], [2]], "int32")),
        ),
        (ops.scan(lambda c, x: (c + x, None), 0, x), ((6, "int32"), [([0, 0, 0], "int32")])),
        (
            ops.scan(lambda c, x: [(c[0] + x, c[1]), None], (0, Tensor([1.0, 2.0])), x[:2]),
            (((3, "int32"), ([1.0, 2.0], "float32")), [([0, 0], "int32"), ([[0.0] * 2] * 2, "float32")]),
        ),
        (ops.scan(lambda c, x: (c, x), (), x), ((), ([1, 2, 3], "int32"))),
        (ops.scan(lambda c, x: (c, (x, 2.5)), None, x), (None, (([1, 2, 3], "int32"), ([2.5] * 3, "float32")))),
    ]
    for found, expected in cases:
        assert plain(found) == expected


def test_scan_of_nothing():
    carry, ys = ops.scan(lambda c, x: (c + x, (c, x[0] > 0)), np.zeros(2, "float32"), np.ones((0, 2), "float32"))
    assert plain(carry) == ([0.0, 0.0], "float32")
    assert [(y.shape, y.dtype) for y in ys] == [((0, 2), "float32"), ((0,), "bool")]
    assert plain(ops.scan(lambda c, x: (c * 2, c), 1, length=0)) == ((1, "int32"), ([], "int32"))
    assert plain(ops.scan(lambda c, x: (c * 2, None), 1, length=0)) == ((1, "int32"), [([], "int32")])


@pytest.mark.parametrize("unroll", [True, False, 1, 7])
@pytest.mark.parametrize("length", [3, np.int64(3), Tensor(3)])
def test_lengths_and_unroll(length, unroll):
    assert ops.scan(lambda c, x: (c + 1, c), 0, length=length, unroll=unroll)[1].tolist() == [0, 1, 2]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("count", [2, 19])
def test_gradients_through_a_scan(reverse, count):
    def function(w, x, h):
        def step(h, x):
            h = ops.tanh(h @ w + x["a"] * x["b"])
            return h, ops.sum(h)

        return ops.scan(step, h, {"a": x, "b": x[:, :1]}, reverse=reverse)

    rng = np.random.default_rng(count)
    shapes = [(2, 2), (count, 2), (2,)]
    check_gradients(function, [rng.uniform(0.2, 1, shape) for shape in shapes], order=2 if count < 5 else 1)


def test_the_gradient_of_many_slices_is_that_of_the_whole():
    x = Variable(np.arange(300.0))
    with GradientTape() as tape:
        total, _ = ops.scan(lambda c, x: (c + x * x, None), Tensor(0.0, "float64"), x)
    np.testing.assert_array_equal(tape.gradient(total, x).numpy(), 2 * np.arange(300.0))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda f: ops.scan(f, 0), "scan: expected xs to scan over or a length, got neither."),
        (lambda f: ops.scan(f, 0, X, length=5), "scan: expected a length >= 0, at most the 4 slices of xs, got 5."),
        (lambda f: ops.scan(f, 0, length=-1), "scan: expected a length >= 0, got -1."),
        (lambda f: ops.scan(f, 0, X, unroll=0), "scan: expected a bool or a positive integer as unroll, got 0."),
        (lambda f: ops.scan(f, 0, X, unroll=1.5), "scan: expected a bool or a positive integer as unroll, got 1.5."),
        (lambda f: ops.scan(f, 0, 1.0), "scan: expected tensors with at least one axis in xs, got float32[]."),
        (lambda f: ops.scan(f, 0, (X, X.T)), "scan: expected one size along the axis for all of xs, got ["),
        (
            lambda f: ops.scan(lambda c, x: c, 0, X),
            "expected f to return a pair of the next carry and a result, got int",
        ),
        (
            lambda f: ops.scan(lambda c, x: (c, x, x), 0, X),
            "expected f to return a pair of the next carry and a result,",
        ),
        (
            lambda f: ops.scan(lambda c, x: (c[0], x), (0, 1), X),
            "scan: expected f to return a carry of the structure that it was given, got (int32[], int32[]) and int32[]."
            " The structures differ: expected tuple, got Tensor.",
        ),
    ],
)
def test_what_scan_refuses(call, text):
    with refused(ValueError, text):
        call(lambda c, x: (c, c))


def test_scan_refuses_what_is_no_function_and_no_integer():
    with refused(TypeError, "scan: expected a function as f, got 0."):
        ops.scan(0, X, X)
    with refused(TypeError, "scan: expected an integer as length, got 2.5."):
        ops.scan(lambda c, x: (c, c), 0, length=2.5)


# associative_scan


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    count=st.integers(0, 20),
    width=st.integers(0, 3),
    axis=st.integers(-2, 1),
    reverse=st.booleans(),
    seed=st.integers(0, 9),
)
def test_associative_scan_is_a_scan(count, width, axis, reverse, seed):
    """For products of matrices too, which do not commute."""
    rng = np.random.default_rng(seed)
    shape = (count, width) if axis in (0, -2) else (width, count)
    x = rng.integers(-4, 5, shape).astype("int32")
    step = slice(None, None, -1 if reverse else 1)
    expected = np.flip(np.cumsum(np.flip(x, axis), axis), axis) if reverse else np.cumsum(x, axis)
    y = ops.associative_scan(add, x, reverse=reverse, axis=axis)
    assert y.dtype == "int32"
    np.testing.assert_array_equal(y.numpy(), expected)
    matrices = rng.normal(size=(count, 2, 2))
    products = list(matrices[step])
    for i in range(1, count):
        products[i] = products[i - 1] @ products[i]
    found = ops.associative_scan(ops.matmul, matrices, reverse=reverse)
    np.testing.assert_allclose(found.numpy(), np.reshape(products, (count, 2, 2))[step], rtol=1e-10, atol=1e-10)


def test_structures_and_dtypes_of_associative_scan():
    found = ops.associative_scan(
        lambda a, b: {"s": a["s"] + b["s"], "t": (ops.logical_or(a["t"][0], b["t"][0]),)},
        {"s": Tensor([1, 2, 3], "float16"), "t": (Tensor([False, True, False]),)},
    )
    assert plain(found) == {"s": ([1.0, 3.0, 6.0], "float16"), "t": (([False, True, True], "bool"),)}
    x = [ops.array([1, 2]) for _ in range(3)]
    assert (
        plain(ops.associative_scan(lambda x, y: [a + b for a, b in zip(x, y, strict=True)], x))
        == [([1, 3], "int32")] * 3
    )
    assert plain(ops.associative_scan(lambda a, b: a + b * 1.5, Tensor([2, 4]))) == ([2.0, 8.0], "float32")
    assert plain(ops.associative_scan(add, Tensor([3]))) == ([3], "int32")


@pytest.mark.parametrize("count", [1, 2, 3, 16, 37])
def test_associative_scan_calls_few_times_and_never_with_nothing(count):
    calls = []

    def combine(a, b):
        calls.append(ops.shape(a)[0])
        assert ops.shape(a) == ops.shape(b)
        return a + b

    ops.associative_scan(combine, np.ones(count))
    assert 0 not in calls and len(calls) <= 2 * np.log2(count) and sum(calls) < 2 * count


@pytest.mark.parametrize("reverse", [False, True])
def test_gradients_through_an_associative_scan(reverse):
    """h[t] = a[t]·h[t - 1] + b[t], the linear recurrence."""

    def function(a, b):
        return ops.associative_scan(lambda p, q: (p[0] * q[0], q[0] * p[1] + q[1]), (a, b), reverse, axis=1)

    rng = np.random.default_rng(2)
    for count in (1, 2, 5):
        check_gradients(function, [rng.uniform(0.5, 1.5, (2, count)), rng.normal(size=(2, count))])


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: ops.associative_scan(add, ()), "associative_scan: expected at least one tensor in elems, got ()."),
        (lambda: ops.associative_scan(add, (X, None)), "expected tensors in elems, got (float32[4, 3], None)."),
        (lambda: ops.associative_scan(add, X, axis=2), "associative_scan: axis: expected an integer in [-2, 2)"),
        (lambda: ops.associative_scan(add, [1, 2]), "associative_scan: axis: expected an integer in [0, 0) for 0 axes"),
        (
            lambda: ops.associative_scan(add, (X, X.T)),
            "expected one size along the axis for all of elems, got [float32",
        ),
        (
            lambda: ops.associative_scan(lambda a, b: (a, b), X),
            "expected f to return the structure of its arguments, got float32[4, 3] and (float32[2, 3], float32[2, 3])."
            " The structures differ: expected ndarray, got tuple.",
        ),
        (
            lambda: ops.associative_scan(lambda a, b: ops.sum(a + b, 0), X),
            "associative_scan: expected f to return the shapes of its arguments, got float32[3] for float32[2, 3].",
        ),
    ],
)
def test_what_associative_scan_refuses(call, text):
    with refused(ValueError, text):
        call()
    with refused(TypeError, "associative_scan: expected a function as f, got 1."):
        ops.associative_scan(1, X)


# Functional models.


def agree(function, *data, sizes=None):
    """The function of symbols, run as a model, gives what it gives on values, in the shapes and dtypes foretold."""
    inputs = [Input(x.shape[1:], dtype=x.dtype) for x in data]
    symbols = function(*inputs)
    model = Model(inputs, symbols)
    for rows in sizes or (len(data[0]), 0, 1, 2):
        found = model([x[:rows] for x in data])
        expected = function(*(Tensor(x[:rows]) for x in data))
        nest.assert_same(found, expected)
        for a, b, symbol in zip(*map(nest.flatten, (found, expected, symbols)), strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())
            assert a.dtype == b.dtype == symbol.dtype and len(a.shape) == len(symbol.shape)
            assert all(expect in (None, size) for size, expect in zip(a.shape, symbol.shape, strict=True))
    return symbols


@pytest.mark.parametrize("name", MAPS)
def test_maps_in_a_model(name):
    y = agree(lambda x, n: MAPS[name](lambda r: {"a": r[0] * r[1], "b": [ops.argmax(r[0])]}, (x, n)), X, X[:, :1])
    assert y["a"].shape == (None, 3) and ops.shape(y["a"])[0] is ops.shape(y["b"][0])[0]
    assert MAPS[name](lambda r: r, Input((3,), batch_size=4)).shape == (4, 3)
    fixed = MAPS[name](lambda r: r[0] + r[1], (Input((3,)), X))
    assert fixed.shape == (4, 3)


def test_scans_in_a_model():
    y = agree(lambda x: ops.scan(lambda c, r: (c + r, ops.sum(c)), ops.zeros(3), x, reverse=True), X)
    assert y[0].shape == (3,) and y[1].shape == (None,)
    agree(lambda x: ops.scan(lambda c, r: (c * 2, None), x, length=3), X)
    agree(lambda x: ops.scan(lambda c, r: (c + 1, c), 0, length=ops.shape(x)[0]), X)
    agree(lambda n: ops.scan(lambda c, r: (c + 1, c), 0, length=ops.max(n)), np.array([[4], [5]]), sizes=(1, 2))
    agree(lambda x: ops.scan(lambda c, r: (c + r, r), 0.0, x[:, 0], length=2), X, sizes=(2, 4))


def test_associative_scans_in_a_model():
    y = agree(lambda x: ops.associative_scan(add, x), X)
    assert y.shape == (None, 3)
    y = agree(lambda x: ops.associative_scan(lambda a, b: (a[0] * b[0], a[1] + b[1]), (x, x[:, :2]), axis=0), X)
    assert [part.shape for part in y] == [(None, 3), (None, 2)]
    agree(lambda x: ops.associative_scan(ops.maximum, x, reverse=True, axis=-1), X)


def test_layers_that_are_mapped_belong_to_the_model():
    x = Input((2, 3))
    layer = Dense(2)
    model = Model(x, ops.map(layer, x))
    assert model.layers == [layer]
    data = np.ones((4, 2, 3), "float32")
    np.testing.assert_allclose(model(data).numpy(), layer(data).numpy(), rtol=1e-6)


def test_values_mapped_to_symbols():
    x = Input((3,))
    y = ops.map(lambda w: x * w, np.array([1.0, 2.0], "float32"))
    z = ops.associative_scan(lambda a, b: a + b + 0 * ops.sum(x), np.arange(5, dtype="float32"))
    model = Model(x, [y, z])
    assert [part.shape for part in model(X)] == [(2, 4, 3), (5,)]
    np.testing.assert_array_equal(model(X)[0], np.stack([X, X * 2]))


CAPTURES = {
    "map": lambda x, y: ops.map(lambda r: r + y[0], x),
    "vectorized_map": lambda x, y: ops.vectorized_map(lambda r: r * y, x),
    "scan": lambda x, y: ops.scan(lambda c, r: (c, r + y[0]), 0, x)[1],
    "associative_scan": lambda x, y: ops.associative_scan(lambda a, b: a + b + y[0], x),
}


@pytest.mark.parametrize("name", CAPTURES)
def test_a_symbol_that_a_function_captures_is_refused(name):
    x, y = Input((3,)), Input((3,))
    model = Model([x, y], CAPTURES[name](x, y))
    with pytest.raises(TraceError, match=f"^{name}: .*<lambda> uses a symbol or a size .* Pass it along in "):
        model([X, X])


def test_a_scan_keeps_its_carry():
    x = Input((3,))
    for f, text in (
        (lambda c, r: (r, c), "got float32[] and float32[3]. float32[] and float32[3] differ."),
        (lambda c, r: (ops.sum(r) > c, c), "float32[] and bool[] differ."),
    ):
        with refused(ValueError, text) as caught:
            ops.scan(f, 0.0, x)
        assert (
            "scan: expected f to return a carry like its first argument, of the same structure, shape and dtype"
            in str(caught.value)
        )
    with refused(
        ValueError, "scan: expected f to return a carry of the structure that it was given, got float32[] and ("
    ):
        ops.scan(lambda c, r: ((c, c), c), 0.0, x)
    with refused(ValueError, "expected one size along the axis for all of xs, got [float32[2, 3], float32[4, 3]]"):
        ops.map(lambda pair: pair[0], (AbstractTensor((2, 3)), X))
