"""Tensors: nothing changes them, everything converts to them or is refused, and operators work on either side."""

import copy
import operator
import pickle
import sys
import weakref

import numpy as np
import pytest

from eagerly import ops
from eagerly.tensor import AbstractTensor, Operand, Tensor, abstract, dims, wrap
from eagerly.variable import Variable

VALUES = [[1.0, 2.0], [3.0, 4.0]]


class Unchanged:
    """Holds tensors, and fails if they differ afterwards from what they were."""

    def __init__(self, *tensors):
        self.tensors = tensors

    def __enter__(self):
        self.before = [x.numpy() for x in self.tensors]

    def __exit__(self, *exc_info):
        for x, before in zip(self.tensors, self.before, strict=True):
            np.testing.assert_array_equal(x.numpy(), before)


def test_what_comes_in_is_copied():
    array = np.array(VALUES)
    x, y, z = Tensor(array), ops.convert_to_tensor(array), ops.array(array)
    v, w = Variable(array), ops.reshape(array, (4,))
    array[:] = 9
    for held in (x, y, z, v, w):
        assert 9 not in held.numpy()
    row = np.zeros(2)
    stacked = Tensor([row, row])
    added = x + row
    indexed = x[np.array([0])]
    row[:] = 9
    assert 9 not in stacked.numpy() and 9 not in added.numpy() and 9 not in indexed.numpy()


def test_numpy_gives_a_copy():
    x = Tensor(VALUES)
    with Unchanged(x):
        x.numpy()[:] = 9
        x.tolist()[0][0] = 9


@pytest.mark.parametrize("make", [np.asarray, lambda x: x.__array__(), lambda x: np.array(x, copy=False)])
def test_array_gives_a_view_that_cannot_be_written(make):
    x = Tensor(VALUES)
    view = make(x)
    assert np.shares_memory(view, x._array)
    with Unchanged(x), pytest.raises(ValueError, match="read-only"):
        view[0, 0] = 9
    with Unchanged(x), pytest.raises(ValueError):
        np.add(view, 1, out=view)
    with Unchanged(x), pytest.raises(ValueError):
        view.sort()


def test_array_with_a_dtype_or_a_copy_is_one_s_own():
    x = Tensor(VALUES)
    with Unchanged(x):
        np.array(x)[:] = 9
        np.array(x, copy=True)[:] = 9
        np.asarray(x, dtype=np.float64)[:] = 9
        x.__array__(np.float32, copy=True)[:] = 9
    assert np.asarray(x, dtype=np.float64).dtype == np.float64
    assert not np.asarray(x, dtype=np.float32).flags.writeable
    with pytest.raises(ValueError, match=r"float32\[2, 2\] Tensor cannot be seen as int32 without a copy"):
        x.__array__(np.int32, copy=False)


def test_dlpack_of_the_old_protocol_gives_a_copy():
    x = Tensor(VALUES)

    class OldConsumer:
        def __dlpack__(self, **options):
            return x.__dlpack__()

        def __dlpack_device__(self):
            return x.__dlpack_device__()

    array = np.from_dlpack(OldConsumer())
    np.testing.assert_array_equal(array, VALUES)
    assert not np.shares_memory(array, x._array)


def test_dlpack_of_the_new_protocol_gives_a_view_that_cannot_be_written():
    x = Tensor(VALUES)
    array = np.from_dlpack(x)
    np.testing.assert_array_equal(array, VALUES)
    assert x.__dlpack_device__() == (1, 0)
    with Unchanged(x), pytest.raises(ValueError, match="read-only"):
        array[0, 0] = 9
    with Unchanged(x):
        np.from_dlpack(x, copy=True)[:] = 9


@pytest.mark.parametrize(
    "attack",
    [
        lambda x: operator.setitem(x, 0, 9),
        lambda x: operator.delitem(x, 0),
        lambda x: setattr(x, "shape", (4,)),
        lambda x: setattr(x, "dtype", np.float64),
        lambda x: setattr(x, "size", 3),
        lambda x: setattr(x, "anything", 3),
        lambda x: memoryview(x),
        lambda x: np.add(1.0, 1.0, out=x),
        lambda x: np.copyto(x, 9),
    ],
)
def test_no_other_door(attack):
    x = Tensor(VALUES)
    with Unchanged(x), pytest.raises((TypeError, AttributeError, ValueError, NotImplementedError)):
        attack(x)


def test_augmented_assignment_makes_a_new_tensor():
    x = Tensor(VALUES)
    alias = x
    with Unchanged(alias):
        x += 1
        x *= 2
        x -= 3
        x /= 4
        x **= 2
        x @= x
    assert x is not alias
    array = np.array(VALUES, np.float32)
    before = array.copy()
    array += Tensor(VALUES)
    np.testing.assert_array_equal(array, before * 2)


def test_views_among_tensors_share_memory_and_never_change():
    x = Tensor(np.arange(6.0).reshape(2, 3))
    views = [x[0], ops.transpose(x), ops.reshape(x, (3, 2)), ops.broadcast_to(x, (4, 2, 3)), x[:, ::-1]]
    assert all(np.shares_memory(view._array, x._array) for view in views)
    with Unchanged(x, *views):
        for view in views:
            ops.square(view)
            view = view + 1
            view *= 2


BINARY = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.floordiv,
    operator.mod,
    operator.pow,
    operator.lt,
    operator.le,
    operator.gt,
    operator.ge,
    operator.eq,
    operator.ne,
    operator.and_,
    operator.or_,
    operator.xor,
]
LOGICAL = {operator.and_: np.logical_and, operator.or_: np.logical_or, operator.xor: np.logical_xor}
OTHERS = [
    2,
    2.5,
    True,
    np.float32(2),
    np.float64(2.5),
    np.int64(3),
    np.bool_(True),
    np.array(3.0, np.float32),
    np.array([1.0, 2.0], np.float32),
    np.array([[1], [2]]),
    [1, 2],
    (1.5, 2.5),
    [[1.0], [2.0]],
]


@pytest.mark.parametrize("function", BINARY)
@pytest.mark.parametrize("other", OTHERS, ids=lambda other: f"{type(other).__name__}{np.shape(other)}")
@pytest.mark.parametrize("make", [Tensor, Variable])
def test_operators_on_either_side(function, other, make):
    array = np.array(VALUES, np.float32)
    x = make(array)
    expected = LOGICAL.get(function, function)
    for result, reference in (
        (function(x, other), expected(array, np.asarray(other))),
        (function(other, x), expected(np.asarray(other), array)),
    ):
        assert type(result) is Tensor
        np.testing.assert_allclose(result.numpy(), reference, rtol=1e-6)


def test_operators_between_tensors_and_variables():
    x, v = Tensor(VALUES), Variable(VALUES)
    for y in (x @ v, v @ x, x @ np.array(VALUES), np.array(VALUES) @ x, VALUES @ x, x @ VALUES):
        assert type(y) is Tensor
        np.testing.assert_allclose(y.numpy(), np.array(VALUES) @ VALUES)
    assert type(np.array(VALUES) * x) is Tensor
    assert type(np.float32(2) * x) is Tensor
    assert type(np.float64(2) * v) is Tensor
    for y, expected in ((-x, -1.0), (+x, 1.0), (abs(-x), 1.0), (~(x > 5), True), (-v, -1.0), (abs(v), 1.0)):
        assert y.numpy()[0, 0] == expected
    assert (np.float64(2) * x).dtype == "float64"
    assert (2.0 * x).dtype == "float32"
    assert (x == x).tolist() == [[True, True], [True, True]]


@pytest.mark.parametrize("other", ["text", None, object(), {"a": 1}, b"bytes"])
def test_operators_leave_other_things_to_python(other):
    x = Tensor(VALUES)
    with pytest.raises(TypeError):
        x + other
    with pytest.raises(TypeError):
        other - x
    with pytest.raises(TypeError):
        operator.lt(x, other)
    assert (x == other) is False
    assert (x != other) is True


def test_the_other_operand_may_take_over():
    class Mine:
        def __radd__(self, other):
            return "mine"

    assert Tensor(1.0) + Mine() == "mine"


def test_values_as_python_numbers():
    assert float(Tensor(2.5)) == 2.5
    assert int(Tensor([3])) == 3
    assert complex(Tensor(2.0)) == 2 + 0j
    assert bool(Tensor([[1]])) is True
    assert Tensor([[7]]).item() == 7
    assert type(Tensor(7).item()) is int
    assert [10, 20, 30][Tensor(1)] == 20
    assert list(range(Tensor(3))) == [0, 1, 2]
    assert f"{Tensor(1.5):.2f}" == "1.50"
    assert f"{Tensor([1.5])}" == "Tensor([1.5], shape=(1,), dtype=float32)"
    assert 2.0 in Tensor(VALUES) and 9.0 not in Tensor(VALUES)
    assert len(Tensor(VALUES)) == 2
    assert [row.tolist() for row in Tensor(VALUES)] == VALUES
    assert Tensor(VALUES).tolist() == VALUES
    assert (Tensor(VALUES).size, Tensor(VALUES).ndim, Tensor(5).ndim) == (4, 2, 0)
    first, second = Tensor([1, 2])
    assert (first.item(), second.item()) == (1, 2)


@pytest.mark.parametrize(
    ("use", "error", "words"),
    [
        (bool, ValueError, ["truth value", "float32[2, 2]", "ops.any", "ops.all"]),
        (float, ValueError, ["one element", "float32[2, 2]"]),
        (int, ValueError, ["one element", "float32[2, 2]"]),
        (lambda x: x.item(), ValueError, ["one element", "float32[2, 2]"]),
        (lambda x: range(x[0, 0]), TypeError, ["integer scalar", "float32[]"]),
        (lambda x: [1, 2][Tensor([1])], TypeError, ["integer scalar", "int32[1]"]),
        (lambda x: len(x[0, 0]), TypeError, ["scalar Tensor has no length"]),
        (lambda x: iter(x[0, 0]), TypeError, ["scalar Tensor", "iterated"]),
        (hash, TypeError, ["Tensor is not hashable", "id(x)"]),
        (lambda x: bool(Tensor([])), ValueError, ["truth value", "float32[0]"]),
    ],
)
def test_what_has_no_single_value(use, error, words):
    with pytest.raises(error) as caught:
        use(Tensor(VALUES))
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)


def test_repr_shows_values_shape_and_dtype():
    assert repr(Tensor([1, 2])) == "Tensor([1, 2], shape=(2,), dtype=int32)"
    assert repr(Tensor(1.5)) == "Tensor(1.5, shape=(), dtype=float32)"
    assert repr(Tensor([True])) == "Tensor([ True], shape=(1,), dtype=bool)"
    assert "..." in repr(Tensor(np.zeros(10_000)))
    assert str(Tensor([1, 2])) == repr(Tensor([1, 2]))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int64", "bool"])
def test_copies_and_pickles(dtype):
    x = Tensor([[0, 1], [1, 0]], dtype)
    assert copy.copy(x) is x
    assert copy.deepcopy({"x": [x]})["x"][0] is x
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        y = pickle.loads(pickle.dumps(x, protocol))
        assert (type(y), y.dtype, y.shape) == (Tensor, x.dtype, x.shape)
        np.testing.assert_array_equal(y.numpy(), x.numpy())
    assert weakref.ref(x)() is x


@pytest.mark.parametrize(
    ("value", "dtype", "shape"),
    [
        (1, "int32", ()),
        (1.5, "float32", ()),
        (True, "bool", ()),
        ([], "float32", (0,)),
        ([[]], "float32", (1, 0)),
        ([1, 2.5], "float32", (2,)),
        ([True, 2], "int32", (2,)),
        ([np.float64(1), 2.0], "float64", (2,)),
        ([np.float16(1), 2], "float16", (2,)),
        ([np.zeros(2, np.int8), [1, 2]], "int8", (2, 2)),
        ([[1, 2], (3, 4)], "int32", (2, 2)),
        (np.float64(2), "float64", ()),
        (np.arange(3), "int64", (3,)),
        (np.zeros((0, 2), np.uint16), "uint16", (0, 2)),
        (np.array([1.0], ">f4"), "float32", (1,)),
        (np.asfortranarray(np.ones((2, 3))), "float64", (2, 3)),
        (np.ma.masked_array([1.0, 2.0]), "float64", (2,)),
        ([Tensor([1.0]), Tensor([2.0])], "float32", (2, 1)),
        ([Variable(1.0), 2], "float32", (2,)),
        (range(3), "int64", (3,)),
    ],
)
def test_what_becomes_a_tensor(value, dtype, shape):
    for x in (Tensor(value), ops.convert_to_tensor(value)):
        assert (x.dtype, x.shape) == (dtype, shape)
        assert type(x._array) is np.ndarray
        assert x.dtype.isnative


def test_anything_with_an_array_interface_becomes_a_tensor():
    class Foreign:
        dtype = "foreign.float32"
        shape = (2,)

        def __array__(self, dtype=None, copy=None):
            return np.array([1, 2], np.int16)

    assert Tensor(Foreign()).dtype == "int16"
    assert (Tensor([1.0, 2.0]) + Tensor(Foreign())).tolist() == [2.0, 4.0]


def test_a_list_of_anything_has_the_dtype_of_what_it_holds():
    small, wide, whole = np.float32(1), np.float64(1), np.int64(1)
    for value, dtype in (
        ([], "float32"),
        ([[], []], "float32"),
        ([1, True], "int32"),
        ([[1], [2.5]], "float32"),
        ((1, [2.5][0]), "float32"),
        ([whole, 2], "int64"),
        ([small, 2.5], "float32"),
        ([wide, 2.5], "float64"),
        ([[1, 2], np.array([1.0, 2.0], "float16")], "float16"),
        ([[[1.0]], [np.array([2], "int8")]], "float32"),
        ([Tensor(1.0, "float64"), 2], "float64"),
        ([[Variable(1.0)], [2]], "float32"),
        ([np.zeros(0, "float64"), []], "float64"),
        ([True, np.True_], "bool"),
    ):
        assert (Tensor(value).dtype, Tensor(value).shape) == (dtype, np.shape(np.array(value))), value


def test_no_python_code_runs_for_each_number_of_a_list():
    value = [[1.0, 2.0, 3.0]] * 1000
    calls = []
    sys.setprofile(lambda frame, event, argument: calls.append(event) if event == "call" else None)
    try:
        Tensor(value)
        ops.convert_to_tensor(value)
    finally:
        sys.setprofile(None)
    assert len(calls) < 100


def test_the_message_about_a_huge_list_is_short():
    value = [[1.0] * 1000 for _ in range(100)]
    value[-1] = [1.0]
    with pytest.raises(ValueError, match="Cannot make a Tensor of") as caught:
        Tensor(value)
    assert len(str(caught.value)) < 700


def test_a_given_dtype_converts():
    assert Tensor([1.7], "int32").tolist() == [1]
    assert Tensor([0, 2], bool).tolist() == [False, True]
    assert Tensor(np.arange(2), np.float16).dtype == "float16"
    assert Tensor(Tensor([1.5]), "float64").dtype == "float64"
    assert Tensor(1e300, "float32").tolist() == np.inf
    assert Tensor(np.array([300]), "uint8").tolist() == [44]
    assert Tensor(2**40, "int64").tolist() == 2**40


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([[1, 2], [3]], ["[[1, 2], [3]]", "inhomogeneous"]),
        ("text", ["'text'", "numbers or truth values"]),
        (["a", "b"], ["['a', 'b']"]),
        ([None, 1], ["[None, 1]"]),
        (None, ["None"]),
        (object(), ["object"]),
        ({"a": 1}, ["{'a': 1}"]),
        (np.array([1, None]), ["object[2]"]),
        (np.array(["2020-01-01"], "datetime64[D]"), ["datetime64"]),
        (2**70, [str(2**70)]),
        (2**40, [str(2**40), "fits into int32"]),
        ([1, -(2**33)], [str(-(2**33)), "fits into int32"]),
    ],
)
@pytest.mark.parametrize("make", [Tensor, ops.convert_to_tensor, Variable])
def test_what_is_refused(value, words, make):
    with pytest.raises(ValueError) as caught:
        make(value)
    message = str(caught.value)
    assert "Cannot make a Tensor of" in message
    assert [word for word in words if word not in message] == [], message


@pytest.mark.parametrize("value", [["1", "2"], np.array(["1"]), np.array([1.0], object), "3"])
def test_a_dtype_does_not_make_numbers_of_what_is_none(value):
    with pytest.raises(ValueError, match="numbers or truth values"):
        Tensor(value, "float32")


def test_numbers_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="300: not all of it fits into uint8"):
        Tensor(300, "uint8")
    with pytest.raises(ValueError, match="fits into uint8"):
        Tensor([1, -1], "uint8")


def test_an_operand_of_no_kind_says_what_to_derive_from():
    class Strange(Operand):
        pass

    with pytest.raises(TypeError, match="Strange is no tensor: derive from"):
        Strange().read()
    with pytest.raises(TypeError, match="Strange is no tensor"):
        Tensor(1.0) + Strange()


def test_zero_dimensional_results_are_arrays():
    x = Tensor(VALUES)
    for y in (ops.sum(x), x[0, 0], ops.max(x), x[0] @ x[0], ops.mean(x), Tensor(1.0) + 1, -Tensor(1.0), ops.argmax(x)):
        assert type(y) is Tensor
        assert type(y._array) is np.ndarray
        assert y.shape == ()


def test_helpers_see_shapes():
    assert dims(np.zeros((2, 3))) == (2, 3)
    assert dims(5) == ()
    assert dims(AbstractTensor((4,))) == (4,)
    assert wrap(np.float32(3)).shape == ()
    assert abstract(3) == 3
    assert repr(abstract(np.zeros(3, np.int8))) == "<AbstractTensor shape=(3,), dtype=int8>"
