"""Abstract tensors: every public operation on unknown dimensions, what has no value, and the arithmetic of sizes."""

import copy
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eagerly import dimensions, nest, ops
from eagerly.dimensions import Dim, unknown
from eagerly.errors import TraceError
from eagerly.tensor import AbstractTensor, Tensor
from eagerly.variable import Variable
from public_ops import CALLS, ROWS

QUICK = settings(max_examples=200, deadline=None, derandomize=True)
n, m = unknown("n"), unknown("m")


def evaluated(size, **values):
    """A size with integers for its unknowns, found in two ways; a dimension prints as the expression that it is."""
    if not isinstance(size, Dim):
        return size
    printed = eval(repr(size), {"min": min, "max": max}, values)
    symbols = {"n": n, "m": m}
    assert printed == dimensions.evaluate(
        size, dimensions.bind(tuple(symbols[k] for k in values), tuple(values.values()))
    )
    return printed


@pytest.mark.parametrize(("name", "index"), [call for call in CALLS if ROWS[call[0]][call[1]].shapes(2, 2)])
def test_every_public_operation_on_unknown_dimensions(name, index):
    row = ROWS[name][index]
    rng = np.random.default_rng(zlib.crc32(f"{name} {index}".encode()))
    for sizes in ((2, 3), (4, 2)):
        arrays = row.draw(rng, *sizes)
        results = nest.flatten(row.call(*map(Tensor, arrays)))
        for symbols in ((n, sizes[1]), (sizes[0], m), (n, m)):
            inputs = [AbstractTensor(s, x.dtype) for s, x in zip(row.shapes(*symbols), arrays, strict=True)]
            outputs = nest.flatten(row.call(*inputs))
            for result, symbol in zip(results, outputs, strict=True):
                if row.sized:
                    found = tuple(evaluated(size, n=sizes[0], m=sizes[1]) for size in symbol.dims)
                else:
                    found = tuple(
                        a if isinstance(b, Dim) else b for a, b in zip(result.shape, symbol.dims, strict=True)
                    )
                assert (found, symbol.dtype) == (result.shape, result.dtype), symbol.dims


@pytest.mark.parametrize(("name", "index"), [call for call in CALLS if ROWS[call[0]][call[1]].shapes(2, 2)])
def test_a_call_is_a_node_that_runs_again(name, index):
    row = ROWS[name][index]
    arrays = row.draw(np.random.default_rng(3), 2, 3)
    inputs = [AbstractTensor(shape, x.dtype) for shape, x in zip(row.shapes(n, 3), arrays, strict=True)]
    outputs = row.call(*inputs)
    known = {id(symbol): Tensor(x) for symbol, x in zip(inputs, arrays, strict=True)}

    def run(symbol):
        if not isinstance(symbol, AbstractTensor):
            return evaluated(symbol, n=2)
        if id(symbol) not in known:
            node = symbol.node
            args, kwargs = nest.map_structure(run, (node.args, node.kwargs))
            known[id(symbol)] = nest.flatten(node.operation(*args, **kwargs))[symbol.node_index]
        return known[id(symbol)]

    for x, y in zip(map(run, nest.flatten(outputs)), nest.flatten(row.call(*map(Tensor, arrays))), strict=True):
        np.testing.assert_array_equal(x.numpy(), y.numpy())


def test_operators_keep_nodes_on_either_side():
    x = AbstractTensor((n, 3))
    for y in (
        2 - x,
        x - np.ones(3, np.float32),
        np.ones(3) * x,
        [1, 2, 3] + x,
        x @ np.ones((3, 3)),
        Tensor([1.0]) / x,
        -x,
    ):
        assert isinstance(y, AbstractTensor)
        assert y.shape == (None, 3)
        assert list(map(id, y.node.inputs())) == [id(x)]
    assert (x > 0).dtype == "bool"
    assert x[:, 0].shape == (None,)
    assert x[:, 1:].shape == (None, 2)
    assert Tensor(np.zeros((4, 2)))[AbstractTensor((n,), "int32")].shape == (None, 2)
    assert (x * ops.shape(x)[0]).shape == (None, 3)
    assert (ops.shape(x)[0] * x).shape == (None, 3)
    assert isinstance(Tensor([1.0, 2.0]) * n, AbstractTensor)
    assert (n * Tensor([1, 2])).dtype == "int32"


@pytest.mark.parametrize(
    "use",
    [
        bool,
        float,
        int,
        complex,
        list,
        np.asarray,
        Tensor,
        Variable,
        lambda x: x.numpy(),
        lambda x: x.item(),
        lambda x: x.tolist(),
        lambda x: [1, 2][x],
        lambda x: 1 in x,
        lambda x: [row for row in x],
        lambda x: len(x),
        lambda x: np.add(x, 1),
        lambda x: Variable(np.zeros((2, 2))).assign(x),
        lambda x: np.zeros(3) * ops.shape(x)[0],
    ],
)
def test_no_value_and_the_way_out(use):
    x = AbstractTensor((n, 2), name="image")
    with pytest.raises(TraceError) as caught:
        use(x)
    message = str(caught.value)
    if "dimension" not in message:
        assert "'image' shape=(None, 2), dtype=float32" in message
        assert "ops.where" in message
    else:
        assert "dimension n has no value before run time" in message


def test_length_and_iteration_where_the_size_is_known():
    x = AbstractTensor((2, n))
    assert len(x) == 2
    assert [row.shape for row in x] == [(None,), (None,)]


def test_shape_shows_none_and_ops_shape_has_symbols():
    x = AbstractTensor((n, 3))
    assert x.shape == (None, 3)
    assert x.ndim == 2
    assert ops.shape(x)[0] is n
    assert ops.shape(np.zeros((4, 5))) == (4, 5)
    assert ops.ndim(x) == 2
    assert ops.reshape(x, (ops.shape(x)[0] * 3,)).dims == (n * 3,)


def test_tensors_of_unknown_shape_are_abstract():
    for y in (ops.zeros((n, 2)), ops.ones((n, 2), "int32"), ops.full((n, 2), 7), ops.broadcast_to(1.0, (n, 2))):
        assert y.dims == (n, 2)
    with pytest.raises(ValueError, match=r"broadcast_to: shapes \(3,\) and \(None, 2\) do not broadcast"):
        ops.broadcast_to([1.0, 2.0, 3.0], (n, 2))
    assert ops.zeros_like(AbstractTensor((n, 2))).dims == (n, 2)
    assert ops.arange(n).dims == (n,) and ops.arange(n).dtype == "int32"


def test_identity_copies_and_repr():
    x = AbstractTensor((n, 3), "int32", "tokens")
    assert copy.copy(x) is x
    assert copy.deepcopy(x) is x
    assert repr(x) == "<AbstractTensor 'tokens' shape=(None, 3), dtype=int32>"
    with pytest.raises(TypeError, match="AbstractTensor is not hashable"):
        hash(x)


def test_shapes_that_cannot_fit_are_refused_with_the_operation_and_the_operands():
    x = AbstractTensor((n, 3))
    for call, words in (
        (lambda: x + np.zeros(4, np.float32), ["add", "axis -1", "3 and 4", "float32[None, 3]"]),
        (lambda: ops.matmul(x, np.zeros((4, 2), np.float32)), ["matmul", "3 and 4", "float32[4, 2]"]),
        (lambda: ops.reshape(x, (2, 2, -1, -1)), ["reshape", "at most one -1"]),
        (lambda: ops.reshape(AbstractTensor((2, 3)), (5,)), ["reshape", "(2, 3)", "6 elements against 5"]),
        (lambda: ops.sum(x, axis=2), ["sum", "axis", "[-2, 2)", "got 2"]),
        (lambda: ops.sum(x, axis=(0, -2)), ["sum", "different axes"]),
        (lambda: ops.transpose(x, (0,)), ["transpose", "all 2 axes"]),
        (lambda: ops.concatenate([x, AbstractTensor((n, 2))], axis=0), ["concatenate", "axis 0"]),
        (lambda: ops.broadcast_to(x, (2,)), ["broadcast_to", "(None, 3)", "(2,)"]),
        (lambda: ops.squeeze(x, 1), ["squeeze", "size 1 along axis 1"]),
    ):
        with pytest.raises(ValueError) as caught:
            call()
        assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)
    for call, words in (
        (lambda: x[:, 3], ["getitem", "index 3", "axis 1 of size 3"]),
        (lambda: x[0, 0, 0], ["getitem", "too many indices", "3 for 2"]),
        (lambda: x[::-1, "a"], ["integers, slices", "'a'"]),
    ):
        with pytest.raises(IndexError) as caught:
            call()
        assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)


# Sizes as expressions: a tree that both integers and dimensions can evaluate.
LEAVES = st.sampled_from(["n", "m"]) | st.integers(-4, 6)


def expressions(parts):
    sign = st.sampled_from(["+", "-", "*", "min", "max"])
    divisor = st.integers(-3, 4).filter(bool)
    return st.tuples(sign, parts, parts) | st.tuples(st.sampled_from(["//", "%"]), parts, divisor)


def compute(tree, values):
    if not isinstance(tree, tuple):
        return values.get(tree, tree)
    a, b = compute(tree[1], values), compute(tree[2], values)
    match tree[0]:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "//":
            return a // b
        case "%":
            return a % b
        case "min":
            return dimensions.minimum(a, b)
        case _:
            return dimensions.maximum(a, b)


TREES = st.recursive(LEAVES, expressions, max_leaves=8)
SIZES = st.integers(0, 7)


@QUICK
@given(TREES, SIZES, SIZES)
def test_arithmetic_of_dimensions_is_that_of_integers(tree, first, second):
    symbolic = compute(tree, {"n": n, "m": m})
    assert evaluated(symbolic, n=first, m=second) == compute(tree, {"n": first, "m": second})


@QUICK
@given(TREES, TREES, st.lists(st.tuples(SIZES, SIZES), min_size=1, max_size=6))
def test_what_is_decided_holds_for_every_size(left, right, sizes):
    a, b = (compute(tree, {"n": n, "m": m}) for tree in (left, right))
    decided = dimensions.same(a, b)
    for first, second in sizes:
        values = {"n": first, "m": second}
        x, y = compute(left, values), compute(right, values)
        assert decided is None or decided == (x == y)
        for compare in (lambda p, q: p < q, lambda p, q: p <= q, lambda p, q: p > q, lambda p, q: p >= q):
            try:
                answer = compare(a, b)
            except TraceError:
                continue
            assert answer == compare(x, y)


@QUICK
@given(TREES)
def test_equal_expressions_are_equal_and_hash_equally(tree):
    a, b = compute(tree, {"n": n, "m": m}), compute(tree, {"n": n, "m": m})
    assert dimensions.same(a, b)
    assert hash(a) == hash(b)
    assert dimensions.same(a - b, 0)


def test_identities_that_shape_rules_need():
    assert n != n + 1
    assert n + 1 > 0
    assert (n * 12) // 4 == n * 3
    assert (n * m * 6) // (m * 2) == n * 3
    assert (n * 2 + 3) // 2 == n + 1
    assert n // 1 is n
    assert (n + m) * (n - m) == n * n - m * m
    assert n - n == 0 and isinstance(n - n, int)
    assert n * 0 == 0
    assert 5 - n + n == 5
    assert (n + 1) // (n + 1) == 1
    assert n % 1 == 0
    assert -(-n // 2) >= 0
    assert {n: 1}[n] == 1
    assert dimensions.product(()) == 1
    assert dimensions.product((2, n, 3)) == n * 6
    assert dimensions.known((1, 2)) and not dimensions.known((1, n))
    assert unknown("n") is not n and dimensions.same(unknown("n"), n) is None
    with pytest.raises(ZeroDivisionError):
        n // 0


def test_half_of_an_unknown_size_can_be_any_size():
    half = -(-n // 2)
    assert dimensions.same(half, 5) is None
    assert dimensions.same(half, -1) is False
    assert evaluated(dimensions.maximum((half - 1) * 2 + 2 - n, 0), n=3) == 1
    x = AbstractTensor((1, n, 1))
    assert ops.conv(x, np.ones((2, 1, 1), np.float32), strides=2, padding="same").shape == (1, None, 1)
    y = AbstractTensor((half,)) + np.zeros(5, np.float32)
    assert y.shape == (5,)


@pytest.mark.parametrize(
    ("ask", "question"),
    [
        (lambda: n == m, "n == m"),
        (lambda: n == 3, "n == 3"),
        (lambda: n < 3, "n < 3"),
        (lambda: n >= m, "n >= m"),
        (lambda: bool(n), "n == 0"),
        (lambda: range(n), "dimension n has no value"),
        (lambda: [0] * n, "dimension n has no value"),
    ],
)
def test_what_cannot_be_decided_is_an_error(ask, question):
    with pytest.raises(TraceError) as caught:
        ask()
    assert question in str(caught.value)
    assert "before run time" in str(caught.value)


def test_broadcasting_of_sizes():
    assert dimensions.broadcast((n, 1), (3,)) == (n, 3)
    assert dimensions.broadcast((n,), (4,)) == (4,)
    assert dimensions.broadcast((4,), (n,)) == (4,)
    assert dimensions.broadcast((), (n, m)) == (n, m)
    assert dimensions.broadcast((n, 0), (1, 1)) == (n, 0)
    with pytest.raises(ValueError, match=r"\(None, 3\) and \(4,\) do not broadcast: axis -1 has sizes 3 and 4"):
        dimensions.broadcast((n, 3), (4,))
