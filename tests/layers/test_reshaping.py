"""Flatten, Reshape, Concatenate, Activation and LeakyReLU: values, and what they refuse."""

import re

import numpy as np
import pytest

from eagerly import activations
from eagerly.layers import Activation, Concatenate, Flatten, Input, LeakyReLU, Reshape


def refused(message):
    return pytest.raises(ValueError, match=re.escape(message))


@pytest.mark.parametrize("shape", [(3,), (3, 1), (2, 3, 4), (0, 3, 2), (2, 0, 3), (2, 2, 2, 2, 2)])
@pytest.mark.parametrize("data_format", [None, "channels_last", "channels_first"])
def test_flatten(shape, data_format):
    x = np.arange(np.prod(shape)).reshape(shape)
    moved = np.moveaxis(x, 1, -1) if data_format == "channels_first" and x.ndim > 1 else x
    y = Flatten(data_format)(x)
    assert y.dtype == x.dtype
    np.testing.assert_array_equal(y, moved.reshape(shape[0], int(np.prod(shape[1:]))))


def test_flatten_needs_a_batch():
    with refused("Flatten 'x': expected [batch, ...], got float64[]."):
        Flatten(name="x")(np.float64(3))
    with refused("Flatten 'x': data_format must be one of ('channels_last', 'channels_first'), got 'first'."):
        Flatten("first", name="x")


@pytest.mark.parametrize(
    ("target", "shape", "expected"),
    [
        ((6,), (2, 2, 3), (2, 6)),
        (6, (2, 2, 3), (2, 6)),
        ((-1,), (2, 2, 3), (2, 6)),
        ([3, -1, 1], (2, 2, 3), (2, 3, 2, 1)),
        ((), (2, 1), (2,)),
        ((2, 3), (0, 6), (0, 2, 3)),
        ((-1, 3), (0, 6), (0, 2, 3)),
    ],
)
def test_reshape(target, shape, expected):
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    y = Reshape(target)(x)
    assert y.shape == expected and y.numpy().ravel().tolist() == x.ravel().tolist()
    assert Reshape(target)(Input(shape[1:])).shape == (None, *expected[1:])


def test_reshape_of_unknown_sizes():
    assert Reshape((-1, 4))(Input((None, 2))).shape == (None, None, 4)
    assert Reshape((4, 2))(Input((None, 2))).shape == (None, 4, 2)
    y = Reshape((-1, 2))(Input((None, 2)))
    assert y.shape == (None, None, 2)


@pytest.mark.parametrize("target", [(-1, -1), (0,), (2.5,), ("3",), (None, 2), (-2,)])
def test_targets_that_are_refused(target):
    message = f"Reshape 'x': target_shape must be integers > 0 with at most one -1, got {target!r}."
    with refused(message):
        Reshape(target, name="x")


@pytest.mark.parametrize("kind", ["eager", "symbolic"])
def test_elements_that_do_not_fit(kind):
    x = np.zeros((2, 5), np.float32) if kind == "eager" else Input((5,))
    batch = "2" if kind == "eager" else "None"
    message = "Reshape 'x': expected 6 elements after the batch for the target shape (2, 3)"
    with refused(f"{message}, got float32[{batch}, 5]."):
        Reshape((2, 3), name="x")(x)
    message = "expected 2 elements times a whole number after the batch for the target shape (2, -1), got"
    with refused(message):
        Reshape((2, -1), name="x")(x)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
def test_concatenate(axis):
    shapes = [(2, 3, 4)] * 3
    x = [np.full(shape, i, np.float32) for i, shape in enumerate(shapes)]
    np.testing.assert_array_equal(Concatenate(axis)(x), np.concatenate(x, axis))
    np.testing.assert_array_equal(Concatenate(axis)(x[:1]), x[0])


def test_concatenated_dtypes():
    assert Concatenate()([np.zeros((1, 1), "float64"), np.zeros((1, 1), "int64")]).dtype == "float32"
    assert Concatenate()([np.zeros((1, 1), "int32"), np.zeros((1, 1), "uint8")]).dtype == "int32"


def test_a_concatenation_needs_a_list():
    layer = Concatenate(name="x")
    for _ in range(2):
        for wrong, shown in ((np.zeros((2, 3)), "float32[2, 3]"), ({"a": np.zeros((2, 3))}, "{'a': float32[2, 3]}")):
            with refused(f"Concatenate 'x': expected a list of tensors, got {shown}."):
                layer(wrong)
        layer([np.zeros((2, 3))])
    with refused("Concatenate 'x': expected a list of tensors, got float32[0]."):
        layer([])


@pytest.mark.parametrize(
    ("shapes", "axis"), [([(2, 3), (3, 3)], -1), ([(2, 3), (2, 3, 1)], -1), ([(2, 3, 1), (2, 3, 2)], 1)]
)
def test_shapes_that_do_not_join(shapes, axis):
    with pytest.raises(ValueError, match=re.escape("Concatenate 'x': expected ")) as raised:
        Concatenate(axis, name="x")([np.zeros(shape, np.float32) for shape in shapes])
    for shape in shapes:
        assert f"float32[{', '.join(map(str, shape))}]" in str(raised.value)


@pytest.mark.parametrize("axis", [2, -3])
def test_an_axis_that_is_not_there(axis):
    with refused(f"Concatenate 'x': axis {axis} is out of range for inputs [float32[2, 3], float32[2, 3]]."):
        Concatenate(axis, name="x")([np.zeros((2, 3), np.float32)] * 2)


def test_activations():
    x = np.linspace(-3, 3, 12).reshape(3, 4).astype(np.float32)
    for given, function in (("relu", activations.relu), (activations.selu, activations.selu)):
        np.testing.assert_array_equal(Activation(given)(x), function(x))
    assert Activation(None)(x).tolist() == x.tolist()
    assert Activation(lambda y: y + 1.0)(x).tolist() == (x + 1).tolist()
    with refused("Unknown activation: 'rellu'. Did you mean 'relu'?"):
        Activation("rellu")


@pytest.mark.parametrize("slope", [0, 0.0, 0.3, 1.0, 2.0])
def test_leaky_relu(slope):
    x = np.array([[-2.0, -0.0, 0.0, 3.0]], np.float32)
    np.testing.assert_allclose(LeakyReLU(slope)(x), np.where(x > 0, x, slope * x), rtol=1e-6)
    assert LeakyReLU().negative_slope == 0.3


@pytest.mark.parametrize("slope", [-0.1, None, float("nan"), "a", True])
def test_slopes_that_are_refused(slope):
    with refused(f"LeakyReLU 'x': negative_slope must be >= 0, got {slope!r}."):
        LeakyReLU(slope, name="x")
