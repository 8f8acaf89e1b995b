"""Variables: assignment replaces, shapes and dtypes stay, and failures change nothing."""

import copy
import pickle
from types import SimpleNamespace

import numpy as np
import pytest

from eagerly import ops
from eagerly.context import scoped
from eagerly.tape import GradientTape
from eagerly.tensor import Tensor
from eagerly.variable import Variable


def test_values_shapes_and_dtypes():
    v = Variable([[1.0, 2.0]], name="weights")
    assert (v.shape, v.dtype, v.size, v.ndim, len(v)) == ((1, 2), "float32", 2, 2, 1)
    assert (v.name, v.path, v.trainable) == ("weights", "weights", True)
    assert Variable(3).dtype == "int32"
    assert Variable(np.arange(3)).dtype == "int64"
    assert Variable([1, 2], dtype="float16").dtype == "float16"
    assert Variable(True).dtype == "bool"
    assert Variable(2.0, shape=()).shape == ()
    assert repr(v) == "Variable([[1., 2.]], path='weights', shape=(1, 2), dtype=float32)"
    assert f"{Variable(1.25):.1f}" == "1.2"
    assert f"{v}" == repr(v)


def test_initializers_are_called_with_shape_and_dtype():
    calls = []

    def initializer(shape, dtype):
        calls.append((shape, dtype))
        return np.ones(shape)

    v = Variable(initializer, shape=[2, 3], dtype="float64")
    assert calls == [((2, 3), np.dtype("float64"))]
    assert (v.shape, v.dtype) == ((2, 3), "float64")
    assert Variable(initializer, shape=(2,), name="v").dtype == "float32"


def test_the_name_scope_is_in_the_path():
    with scoped(scope=(SimpleNamespace(name="model"), SimpleNamespace(name="dense"))):
        assert Variable(1.0, name="kernel").path == "model/dense/kernel"


def test_assignments():
    v = Variable([1.0, 2.0])
    assert v.assign([3, 4]).tolist() == [3.0, 4.0]
    assert v.assign_add([1.0, 1.0]).tolist() == [4.0, 5.0]
    assert v.assign_sub(Tensor([1.0, 2.0])).tolist() == [3.0, 3.0]
    assert v.assign_add(1).tolist() == [4.0, 4.0]
    assert v.assign(Variable([7.0, 8.0])).tolist() == [7.0, 8.0]
    assert v.assign_sub(v).tolist() == [0.0, 0.0]
    assert v.assign(np.array([1.5, 2.5])).dtype == "float32"
    assert v.dtype == "float32"
    n = Variable(5)
    assert n.assign_add(np.int64(2)).dtype == "int32"
    assert n.assign(7.9).tolist() == 7


def test_assignment_gives_a_new_tensor_and_leaves_the_old_one():
    v = Variable([1.0, 2.0])
    old, view, read = v.read(), np.asarray(v), v.value
    row = v[0]
    source = np.array([5.0, 6.0], np.float32)
    v.assign(source)
    source[:] = 9
    assert v.numpy().tolist() == [5.0, 6.0]
    assert old.tolist() == read.tolist() == view.tolist() == [1.0, 2.0]
    assert row.tolist() == 1.0
    tensor = Tensor([7.0, 8.0])
    v.assign(tensor)
    v.assign_add([1.0, 1.0])
    assert tensor.tolist() == [7.0, 8.0]
    v.numpy()[:] = 100
    assert v.numpy().tolist() == [8.0, 9.0]
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(v)[0] = 1


def test_two_variables_of_one_tensor_are_independent():
    x = Tensor([1.0])
    a, b = Variable(x), Variable(x)
    with GradientTape() as tape:
        y = a * 2.0 + b * 3.0
    assert [g.tolist() for g in tape.gradient(y, [a, b])] == [[2.0], [3.0]]
    a.assign([5.0])
    assert (x.tolist(), b.numpy().tolist()) == ([1.0], [1.0])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda v: v.assign([1.0, 2.0, 3.0]), ["model/w", "(2,)", "float32[3]", "keeps its shape"]),
        (lambda v: v.assign(1.0), ["model/w", "(2,)", "float32[]"]),
        (lambda v: v.assign_add([[1.0, 2.0]]), ["model/w", "(2,)", "float32[1, 2]"]),
        (lambda v: v.assign_sub([1.0, 2.0, 3.0]), ["subtract", "(2,) and (3,)"]),
        (lambda v: v.assign("text"), ["'text'"]),
        (lambda v: Variable([1.0], shape=(2,), name="b"), ["'model/b'", "(2,)", "float32[1]"]),
        (lambda v: Variable(np.zeros, name="b"), ["'model/b'", "shape", "None"]),
        (lambda v: Variable(lambda shape, dtype: np.zeros((3,)), (2,), name="b"), ["'model/b'", "(2,)", "[3]"]),
    ],
)
def test_refusals_name_the_variable_and_change_nothing(make, words):
    with scoped(scope=(SimpleNamespace(name="model"),)):
        v = Variable([1.0, 2.0], name="w")
        with pytest.raises(ValueError) as caught:
            make(v)
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)
    assert v.numpy().tolist() == [1.0, 2.0]


def test_conversions_are_those_of_cast():
    v = Variable(1, dtype="uint8", trainable=False)
    for value in (2.9, np.array(300), np.array(-1)):
        assert v.assign(value) == ops.cast(value, "uint8") and v.dtype == "uint8"


def test_dlpack_gives_the_value_of_the_moment():
    v = Variable([1.0, 2.0])
    seen = np.from_dlpack(v)
    assert v.__dlpack_device__() == (1, 0) and not seen.flags.writeable
    v.assign([3.0, 4.0])
    assert seen.tolist() == [1, 2] and np.from_dlpack(v).tolist() == [3, 4]


def test_python_sees_numbers_rows_and_truth():
    v = Variable([1.0, 2.0])
    assert [row.tolist() for row in v] == [1.0, 2.0]
    assert v[1].tolist() == 2.0
    assert float(Variable(2.5)) == 2.5
    assert int(Variable(2)) == 2
    assert bool(Variable(0)) is False
    assert [10, 20][Variable(1)] == 20
    with pytest.raises(TypeError, match="Variable is not hashable"):
        hash(v)
    with pytest.raises(ValueError, match="truth value"):
        bool(v)
    with pytest.raises(TypeError):
        v[0] = 1.0
    with pytest.raises(AttributeError):
        v.valeu = 1.0


def test_operations_and_tapes_read_variables():
    v = Variable([1.0, 2.0])
    assert ops.sum(v).tolist() == 3.0
    assert ops.stack([v, v]).shape == (2, 2)
    with GradientTape(persistent=True) as tape:
        parts = [ops.sum(v), ops.stack([v, v]), v[0], v.value * 3.0, ops.dense([v], [[1.0], [1.0]], v[1:]), v + v]
    expected = [[1, 1], [2, 2], [1, 0], [3, 3], [1, 2], [2, 2]]
    assert [tape.gradient(part, v).tolist() for part in parts] == expected


def test_copies():
    v = Variable([1.0, 2.0], trainable=False, name="w")
    v.path = "model/w"
    v.constraint = abs
    twin = copy.deepcopy(v)
    assert (twin.name, twin.path, twin.trainable, twin.constraint) == ("w", "model/w", False, abs)
    twin.assign([5.0, 6.0])
    assert v.numpy().tolist() == [1.0, 2.0]
    shared = copy.deepcopy([v, v])
    assert shared[0] is shared[1] and shared[0] is not v
    loaded = pickle.loads(pickle.dumps(v))
    assert (loaded.name, loaded.path, loaded.trainable, loaded.dtype) == ("w", "model/w", False, "float32")
    assert loaded.numpy().tolist() == [1.0, 2.0]


def test_nothing_is_assigned_while_a_call_on_symbols_runs():
    v = Variable(1.0)
    with scoped(symbolic_call=True):
        assert v.assign(5.0).tolist() == 1.0
    assert float(v) == 1.0
