"""Layers with state or draws of their own: BatchNormalization, Dropout, Embedding."""

import copy
import re

import numpy as np
import pytest

import eagerly
from eagerly import ops
from eagerly.layers import BatchNormalization, Dense, Dropout, Embedding, Layer
from eagerly.models import Sequential
from eagerly.tape import GradientTape
from eagerly.tensor import Tensor
from eagerly.variable import Variable


def refused(message):
    return pytest.raises(ValueError, match=re.escape(message))


# --- BatchNormalization


def moving(layer):
    return [layer.moving_mean.numpy(), layer.moving_variance.numpy()]


def test_three_steps_of_keras():
    layer = BatchNormalization(momentum=0.9)
    for step in range(3):
        y = layer(np.sin(np.arange(12) + step).reshape(4, 3), training=True)
    # Keras 3: moving statistics and the first row of the third output.
    expected = [
        [0.008485207334160805, -0.003922485280781984, -0.012723864987492561],
        [0.8721200227737427, 0.8667304515838623, 0.8531413674354553],
    ]
    np.testing.assert_allclose(moving(layer), expected, rtol=1e-4)
    np.testing.assert_allclose(y[0], [0.9574564695358276, 0.5615702271461487, -1.1568005084991455], rtol=1e-5)


def test_a_masked_step_of_keras():
    layer = BatchNormalization(momentum=0.5)
    x = np.sin(np.arange(12)).reshape(2, 3, 2)
    y = layer(x, training=True, mask=Tensor([[True, False, True], [True, False, False]]))
    np.testing.assert_allclose(
        moving(layer), [[-0.17270298302173615, 0.0899222120642662], [0.5488178730010986, 0.8270347118377686]], rtol=1e-5
    )
    np.testing.assert_allclose(y.numpy().ravel()[:3], [1.0997974, 0.8174651, 3.9950659], rtol=1e-5)
    layer.trainable = False
    before = moving(layer)
    y = layer(x, training=True)
    np.testing.assert_allclose(y.numpy().ravel()[:3], [0.23291121, 0.82591032, 1.45921063], rtol=1e-5)
    np.testing.assert_array_equal(moving(layer), before)


@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1, -2, -4])
def test_training_normalizes_every_slice_along_the_axis(axis):
    x = np.random.default_rng(0).normal(3, 2, (4, 5, 2, 3))
    layer = BatchNormalization(axis=axis, epsilon=1e-6, dtype="float64")
    y = layer(x, training=True).numpy()
    others = tuple(i for i in range(4) if i != axis % 4)
    np.testing.assert_allclose(y.mean(others), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(others), 1, rtol=1e-4)
    assert layer.gamma.shape == (x.shape[axis],)
    np.testing.assert_allclose(layer.moving_mean, x.mean(others) * 0.01, rtol=1e-12)
    np.testing.assert_allclose(layer.moving_variance, 0.99 + x.var(others) * 0.01, rtol=1e-12)


def test_inference_uses_the_moving_statistics():
    layer = BatchNormalization(epsilon=0.5)
    x = np.array([[1.0, 2.0]])
    layer(x)
    layer.set_weights([[2.0, 3.0], [1.0, -1.0], [0.5, 1.0], [1.5, 3.5]])
    expected = (x - [0.5, 1.0]) / np.sqrt(np.array([1.5, 3.5]) + 0.5) * [2.0, 3.0] + [1.0, -1.0]
    np.testing.assert_allclose(layer(x), expected, rtol=1e-6)
    np.testing.assert_array_equal(moving(layer), [[0.5, 1.0], [1.5, 3.5]])


@pytest.mark.parametrize(("momentum", "mean"), [(0.0, 2.0), (1.0, 0.0), (0.25, 1.5)])
def test_momentum(momentum, mean):
    layer = BatchNormalization(momentum=momentum)
    layer(np.array([[1.0], [3.0]]), training=True)
    assert layer.moving_mean.numpy().tolist() == [mean]


@pytest.mark.parametrize(
    ("center", "scale", "names"), [(True, False, ["beta"]), (False, True, ["gamma"]), (False, False, [])]
)
def test_without_center_or_scale(center, scale, names):
    layer = BatchNormalization(center=center, scale=scale)
    x = np.array([[1.0, 5.0], [3.0, 9.0]])
    y = layer(x, training=True)
    np.testing.assert_allclose(y, [[-1, -1], [1, 1]], rtol=1e-3)
    assert [w.name for w in layer.weights] == [*names, "moving_mean", "moving_variance"]
    assert [w.name for w in layer.trainable_weights] == names


def test_a_frozen_enclosing_layer_freezes_the_statistics():
    norm = BatchNormalization()
    stack = Sequential([norm, Dense(1)])
    x = np.array([[1.0], [3.0]])
    stack(x)
    stack.trainable = False
    stack(x, training=True)
    assert norm.moving_mean.numpy().tolist() == [0.0]
    stack.trainable = True
    stack(x, training=True)
    assert norm.moving_mean.numpy().any()


def test_everything_masked_gives_finite_numbers():
    layer = BatchNormalization()
    y = layer(np.ones((2, 3, 1)), training=True, mask=Tensor(np.zeros((2, 3), bool)))
    assert np.isfinite(y.numpy()).all() and np.isfinite(moving(layer)).all()


def test_statistics_in_half_precision_do_not_overflow():
    layer = BatchNormalization(dtype="float16")
    x = np.full((4000, 1), 100.0, np.float16)
    assert np.isfinite(layer(x, training=True).numpy()).all()
    np.testing.assert_allclose(layer.moving_mean, 1.0, rtol=1e-2)
    masked = BatchNormalization(dtype="float16")
    y = masked(x, training=True, mask=Tensor(np.ones(4000, bool)))
    assert np.isfinite(y.numpy()).all() and np.isfinite(moving(masked)).all()
    np.testing.assert_allclose(masked.moving_mean, 1.0, rtol=1e-2)


def test_old_tensors_keep_the_old_statistics():
    layer = BatchNormalization()
    layer(np.ones((2, 1)))
    before = layer.moving_mean.value
    layer(np.ones((2, 1)), training=True)
    assert before.tolist() == [0.0] and layer.moving_mean.numpy()[0] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"axis": 1.0}, "BatchNormalization 'x': axis must be an integer, got 1.0."),
        ({"axis": [1]}, "BatchNormalization 'x': axis must be an integer, got [1]."),
        ({"momentum": 1.5}, "BatchNormalization 'x': momentum must be in [0, 1], got 1.5."),
        ({"momentum": -0.1}, "BatchNormalization 'x': momentum must be in [0, 1], got -0.1."),
        ({"epsilon": 0}, "BatchNormalization 'x': epsilon must be > 0, got 0."),
        ({"epsilon": float("nan")}, "BatchNormalization 'x': epsilon must be > 0, got nan."),
    ],
)
def test_normalizations_that_are_refused(options, message):
    with refused(message):
        BatchNormalization(**options, name="x")


def test_an_axis_out_of_range():
    with refused("BatchNormalization 'x': axis 2 is out of range for inputs of shape (3, 4)."):
        BatchNormalization(axis=2, name="x")(np.zeros((3, 4)))


# --- Dropout


def test_dropout_keeps_the_expectation():
    x = np.ones((200, 200))
    for rate in (0.1, 0.5, 0.9):
        y = Dropout(rate, seed=1)(x, training=True).numpy()
        np.testing.assert_allclose(np.unique(y), [0, 1 / (1 - rate)], rtol=1e-6)
        assert abs(y.mean() - 1) < 5 * np.sqrt(rate / (1 - rate) / x.size)


def test_dropout_does_nothing_in_inference():
    x = Tensor(np.ones((3, 4)), "float32")
    layer = Dropout(0.5)
    assert layer(x) is x and layer.seed_generator.state.numpy()[1] == 0


def test_rates_at_the_ends():
    x = np.ones((3, 4))
    none, every = Dropout(0), Dropout(1)
    assert none(x, training=True).tolist() == x.tolist() and none.variables == []
    assert every(x, training=True).tolist() == np.zeros((3, 4)).tolist() and every(x).tolist() == x.tolist()


@pytest.mark.parametrize(
    ("shape", "shared"), [((None, 1), 1), ((4, 1), 1), ((1, None), 0), ([1, 6], 0), (None, None), ((None, None), None)]
)
def test_noise_shapes(shape, shared):
    y = Dropout(0.5, noise_shape=shape, seed=3)(np.ones((4, 6)), training=True).numpy()
    for axis in (0, 1):
        assert np.all(y == y.take([0], axis)) == (axis == shared)


def test_a_noise_shape_of_another_rank():
    with refused("expected a noise_shape that broadcasts to (2, 2), got (1, 1, 1)."):
        Dropout(0.5, noise_shape=(1, 1, 1))(np.ones((2, 2)), training=True)


def test_seeds():
    x = np.ones((8, 8))

    def draws(layer, count=3):
        return [layer(x, training=True).tolist() for _ in range(count)]

    first = draws(Dropout(0.5, seed=7))
    assert draws(Dropout(0.5, seed=7)) == first != draws(Dropout(0.5, seed=8))
    assert first[0] != first[1] != first[2]
    eagerly.random.set_seed(1)
    a, b = draws(Dropout(0.5)), draws(Dropout(0.5))
    assert a != b
    eagerly.random.set_seed(1)
    assert draws(Dropout(0.5)) == a
    layer = Dropout(0.5, seed=7)
    draws(layer, 1)
    twin = copy.deepcopy(layer)
    assert draws(twin, 2) == draws(layer, 2) == first[1:]


def test_the_gradient_passes_where_the_value_did():
    x = Tensor(np.ones((5, 5)), "float32")
    layer = Dropout(0.5, seed=2)
    with GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
    assert tape.gradient(y, x).tolist() == y.tolist()


@pytest.mark.parametrize("rate", [-0.1, 1.1, "0.5", None, True, float("nan")])
def test_rates_that_are_refused(rate):
    with refused(f"Dropout 'x': rate must be in [0, 1], got {rate!r}."):
        Dropout(rate, name="x")


# --- Embedding


def test_rows_are_looked_up():
    layer = Embedding(5, 2)
    layer.build((None,))
    layer.set_weights([np.arange(10).reshape(5, 2)])
    for index in ([[4, 0], [1, 1]], np.array([[4, 0], [1, 1]], np.uint8), np.array([[4.0, 0.9], [1, 1]])):
        assert layer(index).tolist() == [[[8.0, 9.0], [0.0, 1.0]], [[2.0, 3.0], [2.0, 3.0]]]
    assert layer(3).tolist() == [6.0, 7.0]
    assert layer(np.zeros((0, 3), np.int32)).shape == (0, 3, 2)


def test_the_gradient_adds_up_over_repeated_rows():
    layer = Embedding(4, 2)
    with GradientTape() as tape:
        y = layer(np.array([1, 3, 1]))
    assert tape.gradient(y, layer.embeddings).tolist() == [[0, 0], [2, 2], [0, 0], [1, 1]]


@pytest.mark.parametrize("index", [-1, 5, 2**31 - 1])
@pytest.mark.parametrize("kind", [np.asarray, Tensor, Variable])
def test_integers_out_of_range(index, kind):
    layer = Embedding(5, 2, name="x")
    for _ in range(2):
        with refused(f"Embedding 'x': expected integers in [0, 5), got {index}."):
            layer(kind([[0, index]]))
    assert not layer.built


def test_options_of_an_embedding():
    layer = Embedding(3, 2, "ones", embeddings_regularizer="l2", embeddings_constraint="unit_norm")
    layer(np.array([0]))
    assert layer.embeddings.numpy().tolist() == [[1.0, 1.0]] * 3 and layer.embeddings.constraint is not None
    assert [round(float(loss), 4) for loss in layer.losses] == [0.06]
    assert Embedding(3, 2, autocast=True).autocast is False


@pytest.mark.parametrize(("options", "name"), [((0, 2), "input_dim"), ((3, 0), "output_dim"), ((3, 2.5), "output_dim")])
def test_embeddings_that_are_refused(options, name):
    with refused(f"Embedding 'x': {name} must be an integer > 0, got"):
        Embedding(*options, name="x")


def test_a_tied_table_collects_both_gradients():
    class Tied(Layer):
        def __init__(self):
            super().__init__()
            self.table = Embedding(3, 2)

        def call(self, x):
            return ops.matmul(self.table(x), ops.transpose(self.table.embeddings))

    layer = Tied()
    with GradientTape() as tape:
        y = layer(np.array([1]))
    assert len(layer.weights) == 1
    table = layer.table.embeddings.numpy()
    expected = np.tile(table[1], (3, 1))
    expected[1] += table.sum(0)
    np.testing.assert_allclose(tape.gradient(y, layer.table.embeddings), expected, rtol=1e-5)
