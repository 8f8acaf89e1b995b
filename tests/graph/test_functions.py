"""`function`: signatures, traces, arguments and results, Variables, randomness, gradients, control flow, errors."""

import collections
import copy
import pickle
import weakref

import numpy as np
import pytest

import eagerly
import eagerly.random
from eagerly import GradientTape, Variable, ops
from eagerly.context import context
from eagerly.errors import TraceError
from eagerly.graph import Function, TensorSpec, functions
from eagerly.random import SeedGenerator
from eagerly.tensor import Tensor

X = Tensor([1.0, 2.0, 3.0])


def values(structure):
    return [np.asarray(x).tolist() for x in eagerly.nest.flatten(structure)]


class Counting:
    """A Python function that counts how often it runs."""

    def __init__(self, function):
        self.function, self.runs = function, 0

    def __call__(self, *args, **kwargs):
        self.runs += 1
        return self.function(*args, **kwargs)


def counted(function, **options):
    counting = Counting(function)
    return counting, eagerly.function(counting, name="f", **options)


# --- calls and signatures


def test_decorator_call_and_options():
    @eagerly.function
    def plain(x):
        """Doubles."""
        return x * 2

    @eagerly.function(name="mine")
    def named(x):
        return x * 3

    assert isinstance(plain, Function) and plain.__doc__ == "Doubles." and plain.__name__ == "plain"
    assert (plain.name, named.name) == ("plain", "mine")
    assert values(plain(X)) == [[2, 4, 6]] and values(named(X)) == [[3, 6, 9]]
    assert repr(named) == "<function 'mine' with 1 traces>"
    with pytest.raises(TypeError, match="expected a function to compile, got"):
        eagerly.function(3)


def test_a_trace_for_each_signature_only():
    counting, f = counted(lambda x, k=2: x * k)
    for _ in range(3):
        f(X), f(X, 3), f(X, k=3), f(X[:2]), f(ops.cast(X, "int32")), f(X, 3.0), f(X, True)
    assert counting.runs == 7
    f(np.ones(3, "float32")), f(Tensor([0.0, 1.0, 2.0]))  # an array is a tensor
    assert counting.runs == 7


@pytest.mark.parametrize(("first", "second"), [(0.0, -0.0), (1, 1.0), (1, True), ("1", b"1")])
def test_equal_python_values_may_mean_different_things(first, second):
    counting, f = counted(lambda x, k: x / k if isinstance(k, (int, float)) else x)
    got = [f(X, first), f(X, second)]
    assert counting.runs == 2
    for y, k in zip(got, (first, second), strict=True):
        want = counting.function(X, k)
        assert y.dtype == want.dtype and y.numpy().tobytes() == want.numpy().tobytes()


EXPLANATIONS = [
    ((X,), (X[:2],), "argument [0] was float32[3] and is float32[2]"),
    ((X,), (ops.cast(X, "int32"),), "argument [0] was float32[3] and is int32[3]"),
    ((X, 1), (X, 2), "argument [1] was 1 and is 2"),
    ((X, [X, X]), (X, [X]), "the structure of its arguments is another one"),
    (({"a": X},), ({"a": X[:1]},), "argument [0]['a'] was float32[3] and is float32[1]"),
    ((Variable(1.0, name="v"),), (Variable(1.0, name="v"),), "argument [0] is another object"),
    ((Variable(1.0, name="v"),), (Variable(1.0, name="w"),), "argument [0] was Variable 'v' and is Variable 'w'"),
]


@pytest.mark.parametrize(("first", "second", "why"), EXPLANATIONS, ids=[row[2] for row in EXPLANATIONS])
def test_explain(first, second, why):
    f = eagerly.function(lambda *args: X * 1, name="f")
    assert f.explain() == "f has not been called."
    f(*first), f(*second)
    lines = f.explain().splitlines()
    assert len(lines) == 2 and lines[0].endswith(": the first call.")
    assert lines[1].startswith("f traced for ") and lines[1].endswith(f": {why}.")


def test_explain_a_keyword():
    f = eagerly.function(lambda x, k: x * k, name="f")
    f(X, k=2), f(X, k=3)
    assert f.explain().splitlines()[1] == "f traced for float32[3], 3: argument ['k'] was 2 and is 3."


def test_traces_are_bounded():
    counting, f = counted(lambda x, k: x * k)
    for k in range(functions.MOST_TRACES + 5):
        f(X, k)
    assert len(f._traces) == functions.MOST_TRACES
    f(X, functions.MOST_TRACES)  # still there
    runs = counting.runs
    assert values(f(X, 0)) == [[0, 0, 0]] and counting.runs == runs + 1
    assert f.explain().splitlines()[-1].endswith(f"was {functions.MOST_TRACES} and is 0.")


def test_sizes_are_bounded():
    counting, f = counted(lambda x: ops.sum(x), input_signature=[TensorSpec((None,))])
    for n in [*range(functions.MOST_SIZES + 5), 0, 1]:
        assert float(f(ops.ones(n))) == n
    (traced,) = f._traces.values()
    assert len(traced._idle) == functions.MOST_SIZES and counting.runs == 1


def test_traces_keep_no_data():
    f = eagerly.function(lambda x, more: x + more["k"])
    x, k = ops.ones(3), ops.ones(3)
    f(x, {"k": k})
    gone = [weakref.ref(x), weakref.ref(k)]
    del x, k
    assert [ref() for ref in gone] == [None, None]


class TestInputSignature:
    SIGNATURE = ({"a": TensorSpec((None, 2)), "b": TensorSpec((None,), "int32")}, TensorSpec((3, None)))

    def make(self):
        return counted(lambda d, x: (ops.sum(d["a"]) + ops.sum(d["b"]), x * 2), input_signature=self.SIGNATURE)

    def data(self, n=4, m=2, k=5, c=2, dtype="float32"):
        return {"a": ops.ones((n, c), dtype), "b": ops.ones(m, "int32")}, ops.ones((3, k))

    def test_traced_once_for_every_size(self):
        counting, f = self.make()
        for n, k in [(4, 5), (1, 5), (0, 0), (33, 2)]:
            total, doubled = f(*self.data(n, n, k))
            assert float(total) == 3 * n and doubled.shape == (3, k)
        assert counting.runs == 1

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            ({"c": 3}, r"f: expected float32\[None, 2\] as tensor 0 of its input_signature, got float32\[4, 3\]"),
            (
                {"dtype": "float64"},
                r"expected float32\[None, 2\] as tensor 0 of its input_signature, got float64\[4, 2\]",
            ),
            ({"n": 4, "m": 3}, "expected one size of the dimension .* in all tensors, got 4 and 3"),
        ],
    )
    def test_refuses_what_does_not_fit(self, data, message):
        _, f = self.make()
        data = {"m": 4, **data}
        with pytest.raises(ValueError, match=message):
            f(*self.data(**data))
        assert float(f(*self.data(2, 2))[0]) == 6

    def test_refuses_another_number_of_tensors(self):
        _, f = self.make()
        with pytest.raises(ValueError, match="expected 3 tensors, as its input_signature says, got 2"):
            f(X, X)
        with pytest.raises(TypeError, match="expected TensorSpecs"):
            eagerly.function(lambda x: x, input_signature=[3])(X)

    def test_sizes_in_computations(self):
        @eagerly.function(input_signature=[TensorSpec((None, 3))])
        def f(x):
            n = ops.shape(x)[0]
            return ops.reshape(x, (n * 3,)), ops.ones((n, 2)), ops.mean(x), x[: n // 2]

        for n in (4, 1, 7):
            x = Tensor(np.arange(3.0 * n).reshape(n, 3), "float32")
            flat, ones, mean, half = f(x)
            assert flat.shape == (3 * n,) and values(ones) == [[[1, 1]] * n] and half.shape == (n // 2, 3)
            assert float(mean) == pytest.approx(float(ops.mean(x)))


# --- methods, copies


class Scaled:
    def __init__(self, k):
        self.k, self.v = k, Variable(ops.ones(3))

    @eagerly.function
    def scale(self, x):
        return x * self.k + self.v


class Shifted(Scaled):
    @eagerly.function
    def scale(self, x):
        return super().scale(x) + 10


def test_methods_have_traces_of_their_own():
    a, b = Scaled(2), Scaled(3)
    assert values(a.scale(X)) == [[3, 5, 7]] and values(b.scale(X)) == [[4, 7, 10]]
    assert a.scale is a.scale is not b.scale and len(a.scale._traces) == 1
    assert values(Scaled.scale(a, X)) == [[3, 5, 7]]


def test_a_method_that_calls_the_one_it_overrides():
    a = Shifted(2)
    for _ in range(3):
        assert values(a.scale(X)) == [[13, 15, 17]]
    assert len(a.scale._traces) == 1


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"])
def test_copies_of_owners(copied):
    for kind in (Scaled, Shifted):
        a = kind(2)
        before = values(a.scale(X))
        b = copied(a)
        b.k = 5
        b.v.assign_add(ops.ones(3))
        assert values(a.scale(X)) == before and b.scale is not a.scale
        assert values(b.scale(X)) == values(np.array(before[0]) + 3 * np.array([1, 2, 3]) + 1)


@eagerly.function
def of_the_module(x):
    return x * 2


def test_a_function_is_copied_as_python_functions_are():
    of_the_module(X)
    assert copy.deepcopy(of_the_module) is of_the_module
    assert pickle.loads(pickle.dumps(of_the_module)) is of_the_module


# --- nested, recursion


def test_functions_inside_are_parts_of_the_outer_graph():
    counting, inner = counted(lambda x: x * 2)
    outer = eagerly.function(lambda x: inner(x) + inner(x), name="outer")
    assert values(outer(X)) == [[4, 8, 12]] and inner._traces == {}
    assert [node.primitive.name for node in outer.graph(X).nodes] == ["multiply", "add"]


def test_recursion():
    @eagerly.function
    def power(x, n):
        return x if n == 0 else x * power(x, n - 1)

    assert values(power(X, 3)) == [[1, 16, 81]] and len(power._traces) == 1
    endless = eagerly.function(lambda x: endless(x))
    with pytest.raises(RecursionError):
        endless(X)
    assert context.is_clean()


# --- arguments and results

Pair = collections.namedtuple("Pair", "first second")


def test_structures():
    f = eagerly.function(lambda p, *, d=None, k=1: {"b": [p.second * k, None, "s"], "a": Pair(p.first, d), "n": 2.5})
    result = f(Pair(X, X + 1), d={"z": X, "y": (3, None)}, k=2)
    assert list(result) == ["b", "a", "n"] and isinstance(result["a"], Pair)
    assert values(result["b"][0]) == [[4, 6, 8]] and result["b"][1:] == [None, "s"] and result["n"] == 2.5
    assert result["a"].second["y"] == (3, None) and values(result["a"].second["z"]) == [[1, 2, 3]]
    assert f(Pair(X, X))["a"].second is None


def test_dictionaries_in_any_order():
    f = eagerly.function(lambda d: d["a"] - d["b"])
    assert values([f({"a": X, "b": X * 2}), f({"b": X * 2, "a": X})]) == [[-1, -2, -3]] * 2


def test_python_results_and_constants():
    table = Tensor([5.0, 6.0])
    f = eagerly.function(lambda x: (table, np.float32(2), 7, ops.ones(2), x, x, ops.shape(x)))
    constant, two, seven, ones, x, again, shape = f(X)
    assert values([constant, ones, x, again]) == [[5, 6], [1, 1], [1, 2, 3], [1, 2, 3]]
    assert float(two) == 2 and seven == 7 and tuple(shape) == (3,)
    assert constant is not table and not np.shares_memory(np.asarray(constant), np.asarray(table))
    assert not np.shares_memory(np.asarray(x), np.asarray(X))


def test_no_arguments_no_results():
    v = Variable(1.0)
    f = eagerly.function(lambda: None)
    assert f() is None
    g = eagerly.function(lambda: [v.assign_add(1.0)] and None)
    g(), g()
    assert float(v) == 3


def test_masks_come_in_and_go_out():
    x, mask = Tensor([[1.0, 2.0], [3.0, 4.0]]), Tensor([[True, False], [True, True]])
    x._mask = mask

    def function(x):
        y = x * 2
        mask = getattr(x, "_mask", None)
        if mask is not None:
            y._mask = ops.logical_not(mask)
        return y, ops.sum(x) if mask is None else ops.sum(ops.where(mask, x, 0))

    for f in (
        function,
        eagerly.function(function),
        eagerly.function(function, input_signature=[TensorSpec((None, 2))]),
    ):
        y, total = f(x)
        assert values(y._mask) == [[[False, True], [False, False]]] and float(total) == 8
        plain, total = f(Tensor(x))
        assert getattr(plain, "_mask", None) is None and float(total) == 10
        with GradientTape() as tape:
            tape.watch(x)
            y, total = f(x)
        assert values(tape.gradient(total, x)) == [[[1, 0], [1, 1]]]
        assert values(y._mask) == [[[False, True], [False, False]]]


# --- Variables


def test_variables_as_arguments_and_captured():
    v, w = Variable([1.0, 2.0, 3.0], name="v"), Variable([0.0, 0.0, 1.0], name="w")
    f = eagerly.function(lambda a, x: a.assign(x + w) * 2)
    assert values([f(v, X), v]) == [[2, 4, 8], [1, 2, 4]]
    assert values([f(w, X), w, v]) == [[2, 4, 8], [1, 2, 4], [1, 2, 4]]
    w.assign([0.0, 0.0, 0.0])
    assert values(f(v, X)) == [[2, 4, 6]]


def test_variables_made_in_the_first_call():
    made = []

    @eagerly.function
    def step(x):
        if not made:
            made.append(Variable(ops.ones(3), name="made"))
        return made[0].assign_add(x)

    assert values([step(X), step(X), made[0]]) == [[2, 3, 4], [3, 5, 7], [3, 5, 7]]


def test_reads_see_assignments_and_all_take_effect_at_the_end():
    v, w = Variable(1.0), Variable(10.0)

    def function(x):
        first = v * 1
        v.assign(w)
        w.assign(first)  # exchanged
        v.assign_sub(x)
        return v * 2, w.value

    assert values([*eagerly.function(function)(Tensor(1.0)), v, w]) == [18, 1, 9, 1]


def test_nothing_changes_if_a_step_raises():
    v, w = Variable(ops.ones(3)), Variable(2.0)
    before = v._value, w._value

    @eagerly.function
    def step(x):
        v.assign(v * 2)
        y = ops.cholesky(x)
        w.assign_add(ops.sum(y))
        return y

    with pytest.raises(np.linalg.LinAlgError, match="positive"):
        step(-ops.eye(2))
    assert (v._value, w._value) == before and context.is_clean()
    assert values([v, w]) == [[1, 1, 1], 2]
    step(ops.eye(2))
    assert values([v, w]) == [[2, 2, 2], 4]


def test_an_error_of_the_traced_code_leaves_nothing():
    v = Variable(ops.ones(3))

    def function(x):
        v.assign(x)
        raise KeyError("no")

    f = eagerly.function(function)
    for _ in range(2):
        with pytest.raises(KeyError, match="no"):
            f(X)
    assert values(v) == [[1, 1, 1]] and context.is_clean() and f._traces == {}
    with pytest.raises(ValueError, match=r"expected a value of shape \(3,\), got float32\[2\]"):
        eagerly.function(lambda x: v.assign(x[:2]))(X)
    assert context.is_clean()


INDEXED = {
    "take_along_axis": lambda x, i: ops.take_along_axis(x, i[:, None], axis=1),
    "take_along_axis of flattened": lambda x, i: ops.take_along_axis(ops.reshape(x, (-1,)), i * 4, axis=0),
    "take": lambda x, i: ops.take(x, i, axis=0),
    "take columns": lambda x, i: ops.take(x, i, axis=1),
    "getitem": lambda x, i: x[i],
    "scatter": lambda x, i: ops.scatter(i[:, None], x, (3, 4)),
    "labels that are computed": lambda x, i: ops.sparse_categorical_crossentropy(i + 0, x, from_logits=True),
    "labels of a loss": lambda x, i: ops.sparse_categorical_crossentropy(i, x, from_logits=True),
}


@pytest.mark.parametrize("name", INDEXED)
@pytest.mark.parametrize("wrong", [9, -9])
def test_a_wrong_index_raises_as_eagerly_and_changes_nothing(name, wrong):
    x, v = Tensor(np.arange(12.0).reshape(3, 4), "float32"), Variable(0.0)
    f = eagerly.function(lambda x, i: (v.assign_add(1.0), INDEXED[name](x, i))[1])
    good, bad = Tensor([0, 2, 1]), Tensor([0, wrong, 1])
    np.testing.assert_allclose(f(x, good), INDEXED[name](x, good), rtol=1e-6)
    with pytest.raises((IndexError, ValueError)):
        INDEXED[name](x, bad)
    with pytest.raises((IndexError, ValueError)):
        f(x, bad)
    assert float(v) == 1
    np.testing.assert_allclose(f(x, good), INDEXED[name](x, good), rtol=1e-6)


def test_integers_are_assigned_as_eagerly():
    v = Variable([1, 2, 3])
    eagerly.function(lambda x: v.assign(x * 1.5))(X)
    assert v.dtype == "int32" and values(v) == [[1, 3, 4]]


# --- randomness


def draws(generator, x):
    return (
        eagerly.random.uniform((3,), seed=generator), eagerly.random.uniform((2,)),
        eagerly.random.uniform((2,), seed=5),
        eagerly.random.dropout(x, 0.5, seed=generator), eagerly.random.shuffle(x),
        eagerly.random.randint((4,), 0, 9, seed=generator),
    )  # fmt: skip


def test_random_streams_advance_as_eagerly():
    runs = []
    for f in (draws, eagerly.function(draws)):
        eagerly.random.set_seed(3)
        generator = SeedGenerator(7)
        runs.append([values(f(generator, X)) for _ in range(3)] + [values(draws(generator, X))])
    assert runs[0] == runs[1] and runs[0][0] != runs[0][1]


@pytest.mark.parametrize("law", ["normal", "truncated_normal"])
def test_laws_follow_within_rounding(law):
    """Their logarithms and cosines are those of loops."""
    draw = getattr(eagerly.random, law)
    got, want = (f() for f in (eagerly.function(lambda: draw((1000,), seed=3)), lambda: draw((1000,), seed=3)))
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-7)


# --- what needs values


ESCAPES = {
    "if": lambda x, v: 1 if ops.sum(x) > 0 else 2,
    "while": lambda x, v: next(iter(())) if not ops.all(x) else 0,
    "float": lambda x, v: float(x[0]),
    "int": lambda x, v: int(x[0]),
    "numpy": lambda x, v: x.numpy(),
    "NumPy": lambda x, v: np.sum(x),
    "item": lambda x, v: x[0].item(),
    "in": lambda x, v: 1.0 in x,
    "range": lambda x, v: range(ops.cast(x[0], "int32")),
    "Variable.numpy": lambda x, v: v.numpy(),
    "a Variable's float": lambda x, v: float(v[0] if v.shape else v),
    "a Variable in NumPy": lambda x, v: np.asarray(v),
    "a Variable's if": lambda x, v: 1 if Variable(1.0) else 2,
}


@pytest.mark.parametrize("name", ESCAPES)
def test_values_leave_no_trace(name):
    v, function = Variable([1.0, 2.0]), ESCAPES[name]
    with pytest.raises(TraceError) as caught:
        eagerly.function(lambda x: function(x, v))(X)
    message = str(caught.value)
    assert f"{__file__}:{function.__code__.co_firstlineno} in <lambda>" in message
    assert "ops.where" in message and context.is_clean()


@pytest.mark.parametrize("start", [2, 5, -1, -7])
def test_parts_that_begin_where_none_lie_are_refused(start):
    x = np.arange(12, dtype="float32").reshape(3, 4)
    part = eagerly.function(lambda x, i: ops.slice(x, [i, 1], [2, 2]))
    updated = eagerly.function(lambda x, i: ops.slice_update(x, [i, 1], ops.ones((2, 2))))
    np.testing.assert_array_equal(part(x, np.int32(1)), x[1:, 1:3])
    assert updated(x, np.int32(1)).numpy()[1:, 1:3].tolist() == [[1, 1], [1, 1]]
    for function in (part, updated):
        with pytest.raises(IndexError, match="out of bounds for axis 0 with size 3"):
            function(x, np.int32(start))
