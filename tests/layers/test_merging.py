"""Merging layers: values and masks of Keras 3, broadcasting, sums along axes, and what they refuse."""

import re

import numpy as np
import pytest

from eagerly import layers, losses, ops
from eagerly.layers import Add, Average, Dense, Dot, Embedding, Input, Maximum, Minimum, Multiply, Subtract
from eagerly.models import Model
from eagerly.tape import GradientTape
from eagerly.tensor import Tensor

MERGING = [Add, Subtract, Multiply, Average, Maximum, Minimum]
BY_CLASS = pytest.mark.parametrize("kind", MERGING, ids=lambda kind: kind.__name__)
FIRST, SECOND = np.array([[1, 2, 0], [3, 0, 0]]), np.array([[0, 2, 0], [1, 1, 0]])


def refused(message):
    return pytest.raises(ValueError, match=re.escape(message))


def masked(words, table):
    layer = Embedding(4, 2, mask_zero=True)
    layer.build(words.shape)
    layer.set_weights([np.array(table)])
    return layer(words)


def mask_of(x):
    mask = getattr(x, "_mask", None)
    return None if mask is None else mask.tolist()


X = masked(FIRST, [[9, -9], [1, -2], [3, 4], [-5, 6]])
Y = masked(SECOND, [[8, -7], [2, 1], [-3, 5], [0, 0]])
Z = Tensor(np.full((2, 3, 2), 0.5, np.float32))
EITHER = [[True, True, False], [True, True, False]]

# What Keras 3 gives, masked elements included.
KERAS = [
    (Add, (X, Y), [9, -9, 0, 9, 17, -16, -3, 7, 11, -8, 17, -16], EITHER),
    (Add, (X, Z), [1.5, -1.5, 3.5, 4.5, 9.5, -8.5, -4.5, 6.5, 9.5, -8.5, 9.5, -8.5], None),
    (Subtract, (X, Y), [-7, 5, 6, -1, 1, -2, -7, 5, 7, -10, 1, -2], EITHER),
    (Multiply, (X, Y), [1, -2, -9, 20, 0, 0, -10, 6, 2, 1, 0, 0], EITHER),
    (Multiply, (Z, X), [0.5, -1, 1.5, 2, 0.5, 0.5, -2.5, 3, 0.5, 0.5, 0.5, 0.5], None),
    (Multiply, (X, Z, Y), [0.5, -1, -4.5, 10, 0.5, 0.5, -5, 3, 1, 0.5, 0.5, 0.5], None),
    (Average, (X, Y), [4.5, -4.5, 0, 4.5, 8.5, -8, -1.5, 3.5, 5.5, -4, 8.5, -8], EITHER),
    (Maximum, (X, Y), [1, -2, 3, 5, 9, -9, 2, 6, 2, 1, 9, -9], EITHER),
    (Maximum, (Z, X), [1, 0.5, 3, 4, 0.5, 0.5, 0.5, 6, 0.5, 0.5, 0.5, 0.5], None),
    (Maximum, (X, Y, Z), [1, 0.5, 3, 5, 0.5, 0.5, 2, 6, 2, 1, 0.5, 0.5], None),
    (Minimum, (X, Y), [1, -2, -3, 4, 9, -9, -5, 1, 2, 1, 9, -9], EITHER),
    (Minimum, (X, Z), [0.5, -2, 0.5, 0.5, 0.5, 0.5, -5, 0.5, 0.5, 0.5, 0.5, 0.5], None),
    (Minimum, (X, Z, Y), [0.5, -2, -3, 0.5, 0.5, 0.5, -5, 0.5, 0.5, 0.5, 0.5, 0.5], None),
]


@pytest.mark.parametrize(("kind", "inputs", "values", "mask"), KERAS)
def test_masked_values_of_keras(kind, inputs, values, mask):
    y = kind()(list(inputs))
    assert y.numpy().ravel().tolist() == values and mask_of(y) == mask
    assert mask_of(X) == (FIRST != 0).tolist()


@BY_CLASS
@pytest.mark.parametrize("shapes", [[(2, 3), (2, 3)], [(2, 3, 4), (2, 1, 4)], [(2, 3, 4), (2, 4)], [(2,), (2, 3, 4)]])
def test_values_and_broadcasting(kind, shapes):
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=shape).astype(np.float32) for shape in shapes)
    rank = max(a.ndim, b.ndim)
    wide = [x.reshape(x.shape[0], *(1,) * (rank - x.ndim), *x.shape[1:]) for x in (a, b)]
    expected = {
        Add: np.add,
        Subtract: np.subtract,
        Multiply: np.multiply,
        Average: lambda p, q: (p + q) / 2,
        Maximum: np.maximum,
        Minimum: np.minimum,
    }[kind](*wide)
    y = kind()([a, b])
    np.testing.assert_allclose(y, expected, rtol=1e-6)
    assert kind()([Input(a.shape[1:]), Input(b.shape[1:])]).shape == (None, *expected.shape[1:])
    assert getattr(layers, kind.__name__.lower())([a, b], name="here").numpy().tobytes() == y.numpy().tobytes()


def test_many_inputs_and_one():
    x = [np.full((1, 2), float(i)) for i in (3, 1, 5)]
    found = [kind()(x).numpy().ravel().tolist()[0] for kind in (Add, Multiply, Average, Maximum, Minimum)]
    assert found == [9.0, 15.0, 3.0, 5.0, 1.0]
    for kind in (Add, Multiply, Average, Maximum, Minimum):
        assert kind()([x[0]]).tolist() == x[0].tolist()


# Dtypes of Keras 3.
def test_integers_stay_but_in_averages():
    x = np.array([[1, 2]], np.int32)
    assert {kind.__name__: kind()([x, x]).dtype.name for kind in MERGING} == {
        **dict.fromkeys(["Add", "Subtract", "Multiply", "Maximum", "Minimum"], "int32"),
        "Average": "float32",
    }
    assert Dot(1)([x, x]).dtype == "int32"


def test_masks_of_fewer_axes_stand_where_their_inputs_do():
    narrow = Tensor([[1.0, 2.0], [3.0, 4.0]])
    narrow._mask = Tensor([True, False])
    assert mask_of(Add()([X, narrow])) == [[True, True, True], [True, False, False]]
    assert Maximum()([X, narrow])[1, 0].tolist() == [-5.0, 6.0]


def test_masks_through_a_functional_model():
    a, b = Input((3,), dtype="int32"), Input((3,), dtype="int32")
    embed = Embedding(4, 2, mask_zero=True)
    model = Model([a, b], Dense(1)(Multiply()([embed(a), embed(b)])))
    y = model([FIRST, SECOND])
    assert mask_of(y) == EITHER
    kept = np.array(EITHER)[..., None]
    expected = ((y.numpy() ** 2) * kept).sum() / kept.sum()
    np.testing.assert_allclose(losses.MeanSquaredError()(np.zeros((2, 3, 1)), y), expected, rtol=1e-6)


def _cosine(p, q):
    return p / np.sqrt((p**2).sum(-1, keepdims=True)), q / np.sqrt((q**2).sum(-1, keepdims=True))


@pytest.mark.parametrize(
    ("shapes", "axes", "formula"),
    [
        ([(2, 3), (2, 3)], 1, "bk,bk->b"),
        ([(2, 3), (2, 3)], -1, "bk,bk->b"),
        ([(2, 4, 3), (2, 3, 5)], (2, 1), "bik,bkj->bij"),
        ([(2, 4, 3), (2, 3, 5)], (-1, -2), "bik,bkj->bij"),
        ([(2, 3, 4), (2, 3)], 1, "bki,bk->bi"),
        ([(2, 3), (2, 5, 4, 3)], (1, 3), "bk,bijk->bij"),
        ([(2, 3, 2, 4), (2, 5, 3, 2)], (1, 2), "bkij,bmkn->bijmn"),
        ([(0, 3, 2), (0, 3, 4)], 1, "bki,bkj->bij"),
    ],
)
def test_dot(shapes, axes, formula):
    rng = np.random.default_rng(1)
    a, b = (rng.normal(size=shape) for shape in shapes)
    y = Dot(axes, dtype="float64")([a, b]).numpy()
    expected = np.einsum(formula, a, b)
    np.testing.assert_allclose(y, expected if expected.ndim > 1 else expected[:, None], rtol=1e-10, atol=1e-12)
    free = [Input((None,) * (len(shape) - 1)) for shape in shapes]
    assert Dot(axes)(free).shape == (None, *((1,) if expected.ndim == 1 else (None,) * (y.ndim - 1)))
    np.testing.assert_allclose(layers.dot([a, b], axes, dtype="float64"), y)


def test_a_batch_that_is_known_of_one_input_alone():
    known, free = Input(batch_shape=(4, 3)), Input(batch_shape=(None, 3))
    for inputs in ([known, free], [free, known]):
        assert Dot(1)(inputs).shape[1:] == (1,) and Add()(inputs).shape[1:] == (3,)


def test_cosines():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 4, 3)), rng.normal(size=(2, 5, 3))
    expected = np.einsum("bik,bjk->bij", *_cosine(a, b))
    np.testing.assert_allclose(Dot(2, normalize=True, dtype="float64")([a, b]), expected, rtol=1e-6)
    assert mask_of(Dot(2)([X, Y])) is None


def test_concatenation_by_its_function():
    x = [np.ones((2, 1)), np.zeros((2, 2))]
    assert layers.concatenate(x).tolist() == [[1.0, 0.0, 0.0]] * 2
    assert layers.concatenate(x[:1] * 2, axis=0).shape == (4, 1)


# --- what they refuse


@BY_CLASS
def test_inputs_that_are_no_list(kind):
    layer = kind(name="x")
    with refused(f"{kind.__name__} 'x': expected a list of tensors, got float32[2, 3]."):
        layer(np.zeros((2, 3), np.float32))
    with refused(f"{kind.__name__} 'x': expected a list of tensors, got "):
        layer({"a": np.zeros((2, 3))})
    with refused(f"{kind.__name__} 'x': expected tensors of shape [batch, ...], got [float32[], float32[]]."):
        layer([np.float32(1), np.float32(2)])


@BY_CLASS
def test_sizes_that_do_not_fit(kind):
    layer = kind(name="x")
    shown = "[float32[2, 3], float32[2, 4]]"
    with refused(f"{kind.__name__} 'x': expected sizes behind the batch's that are equal or 1, got {shown}."):
        layer([np.zeros((2, 3), np.float32), np.zeros((2, 4), np.float32)])
    with refused("expected sizes behind the batch's that are equal or 1, got [float32[None, 3], float32[None, 4]]."):
        layer([Input((3,)), Input((4,))])
    with refused(f"{kind.__name__} 'x': expected inputs of one batch size, got [float32[1, 3], float32[2, 3]]."):
        layer([np.zeros((1, 3), np.float32), np.zeros((2, 3), np.float32)])


def test_two_inputs_and_no_other_number():
    x = np.zeros((1, 1), np.float32)
    for layer in (Subtract(name="x"), Dot(1, name="x")):
        for count in (1, 3):
            with refused(f"{type(layer).__name__} 'x': expected a list of 2 tensors, got {count}: ["):
                layer([x] * count)


@pytest.mark.parametrize("axes", [1.0, "1", None, (1,), (1, 2, 3), (1, "2"), True])
def test_axes_that_are_refused(axes):
    with refused(f"Dot 'x': axes must be an integer or 2 of them, got {axes!r}."):
        Dot(axes, name="x")


def test_axes_that_do_not_fit():
    x = np.zeros((2, 3), np.float32)
    for axes, shown in ((0, "(0, 0)"), (2, "(2, 2)"), ((1, -2), "(1, -2)")):
        message = "Dot 'x': expected axes that the inputs have, and not the batch's, got "
        with refused(f"{message}{shown} for [float32[2, 3], float32[2, 3]]."):
            Dot(axes, name="x")([x, x])
    with refused("Dot 'x': expected equal sizes along the axes (1, 1), got [float32[2, 3], float32[2, 4]]."):
        Dot(1, name="x")([x, np.zeros((2, 4), np.float32)])


def test_gradients_go_to_every_input():
    a, b = Tensor([[1.0, 2.0]]), Tensor([[3.0, 1.0]])
    with GradientTape() as tape:
        tape.watch([a, b])
        y = ops.sum(Maximum()([a, b]) * Tensor([[10.0, 100.0]]))
    assert [g.tolist() for g in tape.gradient(y, [a, b])] == [[[0.0, 100.0]], [[10.0, 0.0]]]
