"""Public operations against NumPy on values, and the dtypes that Keras gives."""

import zlib

import numpy as np
import pytest

from eagerly import dtypes, nest, ops
from eagerly.errors import TraceError
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from eagerly.variable import Variable
from public_ops import ALIASES, CALLS, OTHERS, ROWS, find, public_names


def test_every_public_operation_has_a_row():
    assert public_names() == {*ROWS, *ALIASES, *OTHERS}
    for alias, name in ALIASES.items():
        assert find(alias) is find(name)


@pytest.mark.parametrize(("name", "index"), [call for call in CALLS if ROWS[call[0]][call[1]].reference])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values(name, index, dtype):
    row = ROWS[name][index]
    arrays = row.draw(np.random.default_rng(zlib.crc32(f"{name} {index}".encode())), 4, 3, dtype)
    wide = [x.astype(np.float64) if x.dtype.kind == "f" else x for x in arrays]
    expected = nest.flatten(row.reference(*wide))
    before = [x.tobytes() for x in arrays]
    for convert in (Tensor, np.asarray, Variable, lambda x: x.tolist()):
        if convert is Variable or dtype == "float32" or not arrays or not hasattr(convert(arrays[0]), "append"):
            inputs = list(map(convert, arrays))
            results = nest.flatten(row.call(*inputs))
            for x, y in zip(results, expected, strict=True):
                assert type(x) is Tensor
                assert x.shape == y.shape
                np.testing.assert_allclose(x.numpy(), y, rtol=3e-6 if dtype == "float32" else 1e-7, atol=2e-6)
    assert [x.tobytes() for x in arrays] == before


def unary(name, **dtypes_by_input):
    return [(name, given, expected) for given, expected in dtypes_by_input.items()]


SAME = {name: name for name in ("uint8", "int8", "int32", "float16", "bfloat16", "float32")}
FLOAT = {**dict.fromkeys(("bool", "uint8", "int8", "int32"), "float32"), **{n: n for n in SAME if "float" in n}}
TRUTH = dict.fromkeys((*SAME, "bool"), "bool")
INDEX = dict.fromkeys((*SAME, "bool"), "int32")

# The dtypes that `keras.ops` 3.15 gives, on KerasTensors and on PyTorch; where these differ, PyTorch's.
UNARY_DTYPES = [
    *(row for name in ("negative", "square", "relu", "round") for row in unary(name, **SAME)),
    *(
        row
        for name in ("absolute", "max", "min", "ones_like", "zeros_like")
        for row in unary(name, bool="bool", **SAME)
    ),
    *(row for name in ("exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "tanh") for row in unary(name, **FLOAT)),
    *(row for name in ("floor", "ceil", "mean", "var", "sigmoid", "logsumexp") for row in unary(name, **FLOAT)),
    *(row for name in ("isnan", "isinf", "isfinite", "logical_not", "any", "all") for row in unary(name, **TRUTH)),
    *(row for name in ("argmax", "argmin") for row in unary(name, **INDEX)),
    *unary("sum", bool="int32", int8="int32", int16="int32", int32="int32", float16="float16", float32="float32"),
    *unary("square", bool="int32"),
]


@pytest.mark.parametrize(("name", "given", "expected"), UNARY_DTYPES)
def test_dtypes_of_unary_operations(name, given, expected):
    x = Tensor(np.ones((2, 2)), given)
    assert getattr(ops, name)(x).dtype == dtypes.dtype(expected)
    assert getattr(ops, name)(AbstractTensor((2, 2), given)).dtype == dtypes.dtype(expected)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *(
            (name, "bool")
            for name in ("add", "multiply", "maximum", "minimum", "equal", "less", "logical_and", "matmul")
        ),
        *((name, "int32") for name in ("mod", "power", "floor_divide")),
        *((name, "float32") for name in ("divide", "divide_no_nan")),
    ],
)
def test_truth_values_in_arithmetic(name, expected):
    x = Tensor([[True, False], [True, True]])
    y = Tensor([[True, True], [True, True]])
    result = getattr(ops, name)(x, y)
    assert result.dtype == expected
    assert getattr(ops, name)(AbstractTensor((2, 2), "bool"), y).dtype == expected


# `keras.backend.result_type` of Keras 3.15 on PyTorch, without its step from 64 to 32 bits, which Keras takes for JAX's
# sake. Rows and columns are in the order of NAMES, where "int" and "float" are Python's; b is bool, u8 is uint8.
NAMES = tuple(
    "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 bfloat16 float32 float64 int float".split()  # noqa: SIM905
)
TABLE = """
   b   u8  u16  u32  u64   i8  i16  i32  i64  f16 bf16  f32  f64  i32  f32
  u8   u8  u16  u32  u64  i16  i16  i32  i64  f16 bf16  f32  f64   u8  f32
 u16  u16  u16  u32  u64  i32  i32  i32  i64  f16 bf16  f32  f64  u16  f32
 u32  u32  u32  u32  u64  i64  i64  i64  i64  f16 bf16  f32  f64  u32  f32
 u64  u64  u64  u64  u64  f32  f32  f32  f32  f16 bf16  f32  f64  u64  f32
  i8  i16  i32  i64  f32   i8  i16  i32  i64  f16 bf16  f32  f64   i8  f32
 i16  i16  i32  i64  f32  i16  i16  i32  i64  f16 bf16  f32  f64  i16  f32
 i32  i32  i32  i64  f32  i32  i32  i32  i64  f16 bf16  f32  f64  i32  f32
 i64  i64  i64  i64  f32  i64  i64  i64  i64  f16 bf16  f32  f64  i64  f32
 f16  f16  f16  f16  f16  f16  f16  f16  f16  f16  f32  f32  f64  f16  f16
bf16 bf16 bf16 bf16 bf16 bf16 bf16 bf16 bf16  f32 bf16  f32  f64 bf16 bf16
 f32  f32  f32  f32  f32  f32  f32  f32  f32  f32  f32  f32  f64  f32  f32
 f64  f64  f64  f64  f64  f64  f64  f64  f64  f64  f64  f64  f64  f64  f64
 i32   u8  u16  u32  u64   i8  i16  i32  i64  f16 bf16  f32  f64  i32  f32
 f32  f32  f32  f32  f32  f32  f32  f32  f32  f16 bf16  f32  f64  f32  f32
"""
SHORT = {"b": "bool"} | {name[0] + name.strip("abdefilnotu"): name for name in NAMES[1:13] if name != "bfloat16"}
SHORT["bf16"] = "bfloat16"


def promotions():
    rows = [line.split() for line in TABLE.strip().splitlines()]
    return [(a, b, SHORT[rows[i][j]]) for i, a in enumerate(NAMES) for j, b in enumerate(NAMES)]


def operand(name):
    """A value of the dtype: a Python number for "int" and "float"."""
    return {"int": 2, "float": 2.0}.get(name) or Tensor([1, 2], name)


@pytest.mark.parametrize(("a", "b", "expected"), promotions())
def test_promotion_is_keras(a, b, expected):
    kinds = {"int": int, "float": float}
    assert dtypes.result_type(kinds.get(a, a), kinds.get(b, b)) == dtypes.dtype(expected)
    x, y = operand(a), operand(b)
    result = ops.maximum(x, y)
    assert result.dtype == dtypes.dtype(expected)
    if isinstance(x, Tensor):
        assert ops.maximum(AbstractTensor((2,), a), y).dtype == dtypes.dtype(expected)
        assert ops.where([True, False], x, y).dtype == dtypes.dtype(expected)
    if isinstance(x, Tensor) and isinstance(y, Tensor):
        assert ops.concatenate([x, y]).dtype == dtypes.dtype(expected)


def test_promotion_of_one_of_none_and_of_many():
    assert [dtypes.result_type(name).name for name in NAMES[:13]] == list(NAMES[:13])
    assert dtypes.result_type(int) == "int32"
    assert dtypes.result_type(2.5) == "float32"
    assert dtypes.result_type(True) == "bool"
    assert dtypes.result_type("uint8", "int8", 1.0, np.float16) == "float16"
    assert dtypes.result_type(np.float64(3)) == "float64"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (float, "float32"),
        (int, "int32"),
        (bool, "bool"),
        (None, "float32"),
        ("bfloat16", "bfloat16"),
        (np.float16, "float16"),
        (np.dtype(">f4"), "float32"),
        (np.zeros(2, np.uint8), "uint8"),
        (np.int8(3), "int8"),
        ("f4", "float32"),
        (complex, "complex64"),
        (np.complex128, "complex128"),
    ],
)
def test_what_names_a_dtype(value, name):
    assert dtypes.dtype(value).name == name
    assert dtypes.dtype(value).isnative


@pytest.mark.parametrize("value", ["float23", "string", "complex256", object, str, np.longdouble, "float128", "foo"])
def test_what_names_no_dtype(value):
    with pytest.raises(ValueError) as caught:
        dtypes.dtype(value)
    assert "dtype: expected one of bool, " in str(caught.value)
    assert repr(value) in str(caught.value)


def test_a_dtype_almost_right_gets_a_suggestion():
    with pytest.raises(ValueError, match="Did you mean 'float32'"):
        dtypes.dtype("flaot32")


def test_products_of_int8_are_int32():
    x = Tensor(np.full((2, 3), 100), "int8")
    for a, b in ((x, Tensor(np.full((3, 2), 100), "int8")), (x, np.ones((3, 2), bool)), (np.ones((4, 2), bool), x)):
        y = ops.matmul(a, b)
        assert y.dtype == "int32" and y.tolist() == np.matmul(np.asarray(a, "int32"), np.asarray(b, "int32")).tolist()
        assert ops.matmul(AbstractTensor(a.shape, a.dtype), b).dtype == "int32"
    assert ops.matmul(x, Tensor(np.ones((3, 1)), "uint8")).dtype == "int16"
    assert ops.matmul(x, Tensor(np.ones((3, 1)), "float16")).dtype == "float16"


def test_a_number_to_divide_by_is_weak():
    for dtype in ("float16", "bfloat16", "float32", "float64"):
        x = Variable([1.0, np.inf, 3.0], dtype=dtype)
        with GradientTape() as tape:
            y = ops.divide_no_nan(x, 2.0)
        assert y.dtype == dtype and y.numpy().astype("float32").tolist() == [0.5, np.inf, 1.5]
        assert tape.gradient(y, x).numpy().astype("float32").tolist() == [0.5] * 3
        with GradientTape() as tape:
            y = ops.divide_no_nan(x, 0)
        assert y.dtype == dtype and y.numpy().astype("float32").tolist() == [0.0] * 3
        assert tape.gradient(y, x).numpy().astype("float32").tolist() == [0.0] * 3
    assert ops.divide_no_nan(Tensor([4], "int32"), 2).dtype == "float32"


def test_a_shape_may_be_one_size():
    x = Variable(np.arange(6.0).reshape(2, 3), dtype="float32")
    for size in (-1, 6, np.int64(6), Tensor(6)):
        with GradientTape() as tape:
            y = ops.reshape(x, size)
        assert y.shape == (6,) and tape.gradient(y, x).shape == (2, 3)
    assert ops.reshape(AbstractTensor((2, 3)), -1).shape == (6,)


def test_python_numbers_alone_make_tensors():
    assert ops.add(1, 2).tolist() == 3
    assert ops.add(1, 2).dtype == "int32"
    assert ops.divide(1, 2).dtype == "float32"
    assert ops.sqrt(4).tolist() == 2.0
    assert ops.maximum(1, 2.5).dtype == "float32"
    assert ops.where(True, 1, 2.0).dtype == "float32"
    assert ops.clip(5, 0, 3).tolist() == 3
    assert ops.power(2.0, 3).tolist() == 8.0
    assert ops.floor_divide(True, True).dtype == "int32"
    assert ops.logical_not(3).tolist() is False


def test_arguments_may_be_named():
    x = np.arange(6.0).reshape(2, 3)
    assert ops.sum(x=x, axis=0).tolist() == [3.0, 5.0, 7.0]
    assert ops.clip(x=x, x_min=1, x_max=2).tolist() == np.clip(x, 1, 2).tolist()
    assert ops.matmul(x1=x, x2=x.T).shape == (2, 2)
    assert ops.reshape(x, newshape=(3, 2)).shape == (3, 2)
    assert ops.transpose(x, axes=(1, 0)).shape == (3, 2)
    assert ops.cast(x, dtype="int32").dtype == "int32"
    assert ops.sum(x, 0, True).shape == (1, 3)
    assert ops.dense(inputs=x, kernel=np.ones((3, 1)), bias=None, activation=ops.tanh).shape == (2, 1)


def test_one_hot_of_any_integers():
    for dtype in ("uint8", "int8", "int64", "bool", "float32"):
        encoded = ops.one_hot(Tensor([0, 1], dtype), 300)
        assert encoded.dtype == "float32"
        assert [row.nonzero()[0].tolist() for row in encoded.numpy()] == [[0], [1]]
    assert ops.one_hot([-1, 3], 3).tolist() == [[0.0] * 3] * 2


def test_sixteen_bits_are_summed_in_thirty_two():
    x = Tensor(np.full(70_000, 2.0), "float16")
    assert ops.mean(x).tolist() == 2.0
    assert ops.mean(x).dtype == "float16"
    assert ops.var(x).tolist() == 0.0
    assert [y.tolist() for y in ops.moments(x, 0)] == [2.0, 0.0]
    assert ops.mean(Tensor(np.full(1000, 1.0), "bfloat16")).tolist() == 1.0


def test_ties_of_sixteen_bits_are_counted_in_thirty_two():
    for dtype in ("float16", "bfloat16"):
        for extremum in (ops.max, ops.min):
            x = Variable(np.zeros(70_000), dtype=dtype)
            with GradientTape() as tape:
                y = extremum(x) * 1000.0
            gradient = tape.gradient(y, x)
            assert gradient.dtype == dtype
            np.testing.assert_allclose(gradient.numpy().astype("float64"), 1000 / 70_000, rtol=1e-2)


def test_an_initial_value_wins_shares_or_loses():
    x = Variable([[1.0, 3.0], [2.0, 2.0]])
    for initial, expected in ((2.0, [[0.0, 1.0], [1 / 3, 1 / 3]]), (9, [[0.0] * 2] * 2), (-9, [[0.0, 1], [0.5, 0.5]])):
        with GradientTape(persistent=True) as tape:
            y = ops.max(x, axis=1, initial=initial)
            z = ops.min(-x, axis=1, keepdims=True, initial=-initial)
        np.testing.assert_allclose(tape.gradient(y, x).numpy(), expected)
        np.testing.assert_allclose(-tape.gradient(z, x).numpy(), expected)
    assert ops.max(np.zeros((0, 2), "int32"), axis=0, initial=4).tolist() == [4, 4]
    assert ops.max([1, 2], initial=1.5).dtype == "int32"


def test_the_value_of_full_like_has_a_gradient():
    value, row = Variable(2.0), Variable([1.0, 2.0, 3.0], dtype="float64")
    x = np.zeros((2, 3), "float32")
    with GradientTape() as tape:
        y = ops.full_like(x, value) + ops.full_like(x, row)
    assert y.dtype == "float32" and y.tolist() == [[3.0, 4.0, 5.0]] * 2
    first, second = tape.gradient(y, [value, row])
    assert float(first) == 6.0 and second.tolist() == [2.0] * 3 and second.dtype == "float64"


def test_the_ends_of_linspace_have_a_gradient():
    start, stop = Variable([[1.0], [2.0]]), Variable([4.0, 5.0, 0.5])
    with GradientTape() as tape:
        y, step = ops.linspace(start, stop, 3, endpoint=False, retstep=True, axis=-2)
    assert y.dtype == "float32" and step.shape == (2, 3)
    expected = np.linspace(start.numpy(), stop.numpy(), 3, endpoint=False, axis=-2)
    np.testing.assert_allclose(y, expected, rtol=1e-6)
    weights = np.random.default_rng(0).normal(size=(2, 3, 3)).astype("float32")
    first, last = tape.gradient(y, [start, stop], output_gradients=weights)
    part = np.array([0, 1 / 3, 2 / 3])[:, None]
    np.testing.assert_allclose(first, (weights * (1 - part)).sum((1, 2))[:, None], rtol=1e-5)
    np.testing.assert_allclose(last, (weights * part).sum((0, 1)), rtol=1e-5)
    assert ops.linspace(Tensor(0.1), 0.7, 4).tolist()[-1] == np.float32(0.7)
    assert ops.linspace(Tensor(1, "int32"), 2, 3).dtype == "float32"
    assert ops.linspace(Tensor(1.0), np.float64(2), 3).dtype == "float64"
    assert ops.linspace(Tensor(1.0), 2, 3, dtype="float16").dtype == "float16"
    assert np.isnan(ops.linspace(Tensor(1.0), 2, 1, retstep=True)[1])
    with pytest.raises(ValueError, match=r"axis: expected an integer in \[-1, 1\) for 1 axes, got 1"):
        ops.linspace(Tensor(1.0), 2, 3, axis=1)


def test_full_is_float32_if_nothing_else_is_asked_for():
    for value in (2, 2.5, True, np.int64(2), Tensor(2, "int32"), [1, 2, 3]):
        assert ops.full((2, 3), value).dtype == "float32"
    assert ops.full((2,), 7, "int32").tolist() == [7, 7]
    assert ops.full((2,), Tensor([1j])).tolist() == [1j, 1j]
    assert ops.full(2, 1.5, "bool").tolist() == [True, True]


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda t: ops.leaky_relu(np.ones(2, "float32"), t), "leaky_relu: expected a number as negative_slope"),
        (lambda t: ops.max(np.ones(2), initial=t), "max: expected a number as initial"),
        (lambda t: ops.min(AbstractTensor((2,)), initial=t), "min: expected a number as initial"),
        (lambda t: ops.leaky_relu(AbstractTensor((2,)), t), "leaky_relu: expected a number as negative_slope"),
    ],
)
def test_a_tensor_whose_gradient_would_be_lost_is_refused(call, name):
    for tensor in (Tensor(2.0), Variable(2.0)):
        with pytest.raises(ValueError, match=f"^{name}, got float32\\[\\]. No gradient flows into it; for one write "):
            call(tensor)


def test_where_of_a_condition_alone():
    condition = np.array([[True, False, True], [False, False, True]])
    for given in (condition, Tensor(condition), Variable(condition, trainable=False), condition.tolist()):
        places = ops.where(given)
        assert isinstance(places, tuple) and [x.tolist() for x in places] == [[0, 0, 1], [0, 2, 2]]
        assert all(type(x) is Tensor and x.dtype == "int32" for x in places)
    assert ops.where(np.array([0.0, 2.0]))[0].tolist() == [1]
    with pytest.raises(ValueError, match="where: expected both x1 and x2 or neither, got 1 and no x2"):
        ops.where(condition, 1)
    with pytest.raises(ValueError, match="where: expected both x1 and x2 or neither, got 1 and no x1"):
        ops.where(condition, x2=1)
    with pytest.raises(ValueError, match=r"where: expected a condition with at least one axis, got bool\[\]"):
        ops.where(True)
    with pytest.raises(TraceError, match="has no value"):
        ops.where(AbstractTensor((2,), "bool"))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: ops.moments(np.ones(2), 0, synchronized=True), "moments: expected synchronized=False, got True."),
        (lambda: ops.one_hot([1], 2, sparse=True), "one_hot: expected sparse=False, got True."),
    ],
)
def test_options_for_what_there_is_not_are_refused(call, text):
    with pytest.raises(ValueError, match=f"^{text}"):
        call()


def test_elements_along_no_axis_are_those_of_the_flattened_tensor():
    x = Variable([[1.0, 2.0], [3.0, 4.0]])
    with GradientTape() as tape:
        y = ops.take_along_axis(x, [[3, 0, 3]])
    assert y.tolist() == [4.0, 1.0, 4.0]
    assert tape.gradient(y, x).tolist() == [[1.0, 0.0], [0.0, 2.0]]


def test_a_bound_shares_the_gradient_of_clip():
    x, high = Variable([-1.0, 0.0, 0.5, 1.0, 2.0]), Variable(1.0)
    with GradientTape() as tape:
        y = ops.clip(x, 0, high)
    gradient, of_high = tape.gradient(y, [x, high])
    assert gradient.tolist() == [0.0, 0.5, 1.0, 0.5, 0.0] and float(of_high) == 1.5


def test_values_beyond_range_follow_ieee_without_warnings():
    x = Tensor([-1.0, 0.0, 1.0, np.inf, np.nan])
    with np.errstate(all="raise"):
        assert np.isnan(ops.log(x).numpy()[0])
        assert ops.log(x).numpy()[1] == -np.inf
        assert np.isnan(ops.divide(x, 0.0).numpy()[1])
        assert ops.divide_no_nan(x, 0.0).tolist() == [0.0] * 5
        assert ops.exp(x * 1000.0).numpy()[2] == np.inf
        assert ops.sigmoid(Tensor([-1e4, 1e4])).tolist() == [0.0, 1.0]
        assert ops.softplus(Tensor([-1e4, 1e4])).tolist() == [0.0, 1e4]
        assert ops.log_sigmoid(Tensor([-1e4, 1e4])).tolist() == [-1e4, 0.0]
        assert ops.cast(Tensor([np.nan]), "int32").shape == (1,)
        assert ops.cast(Tensor([1e30]), "float16").tolist() == [np.inf]
        assert np.isnan(ops.maximum(x, 0.0).numpy()[4])
        assert np.isnan(ops.max(x).numpy())
        assert ops.floor_divide(Tensor([1, 2]), 0).tolist() == [0, 0]
        assert ops.cast(Tensor([300, -1]), "uint8").tolist() == [44, 255]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: ops.add(np.ones((2, 3)), np.ones(4)), ValueError, ["add", "(2, 3) and (4,)", "float64[2, 3]"]),
        (lambda: ops.matmul(np.ones((2, 3)), np.ones((2, 3))), ValueError, ["matmul", "3 and 2", "float64[2, 3]"]),
        (lambda: ops.matmul(np.ones((2, 3)), 2.0), ValueError, ["matmul", "at least one axis"]),
        (lambda: ops.sum(np.ones(2), axis=1), ValueError, ["axis", "[-1, 1)", "got 1"]),
        (lambda: ops.reshape(np.ones(6), (4, -1)), ValueError, ["reshape", "(6,)", "(4, -1)"]),
        (lambda: ops.reshape(np.ones((0, 2)), (0, -1)), ValueError, ["reshape", "(0, 2)", "-1"]),
        (lambda: ops.concatenate([np.ones((2, 2)), np.ones((3, 3))]), ValueError, ["concatenate", "axis 0"]),
        (lambda: ops.squeeze(np.ones((2, 1)), 0), ValueError, ["squeeze", "axis 0", "float64[2, 1]"]),
        (lambda: ops.take(np.ones(3), 5), IndexError, ["5", "3"]),
        (lambda: ops.max(np.ones((0,))), ValueError, ["zero-size"]),
        (lambda: ops.stack([]), ValueError, ["concatenate", "at least one tensor"]),
        (lambda: ops.batch_normalization(np.ones((2, 3)), [1.0], [1.0], 5), ValueError, ["axis", "[-2, 2)", "got 5"]),
        (lambda: ops.add(Tensor([1], "uint8"), 300), OverflowError, ["300", "uint8", "add"]),
        (lambda: ops.subtract([True], [False]), TypeError, ["subtract"]),
        (lambda: ops.convert_to_tensor(1, sparse=True), ValueError, ["sparse"]),
        (lambda: ops.take_along_axis(np.ones((2, 2)), [0], 1), ValueError, ["take_along_axis", "2 axes", "got 1"]),
        (lambda: ops.power(Tensor([2, 3]), -1), ValueError, ["negative integer powers"]),
    ],
)
def test_errors_name_operation_expected_and_given(call, error, words):
    with pytest.raises(error) as caught:
        call()
    text = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", ())])
    assert [word for word in words if word not in text] == [], text
