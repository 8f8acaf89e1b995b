"""Normalization layers by their definitions, in NumPy; what they keep, and what they refuse."""

import re

import numpy as np
import pytest

from eagerly.layers import GroupNormalization, Input, LayerNormalization, RMSNormalization, UnitNormalization
from eagerly.tape import GradientTape


def refused(message):
    return pytest.raises(ValueError, match=re.escape(message))


def known(layer, x):
    """The layer with weights that differ from place to place."""
    layer(x)
    layer.set_weights([np.cos(np.arange(w.size) + i).reshape(w.shape) + 1.5 for i, w in enumerate(layer.get_weights())])
    return layer


AXES = [-1, 2, 1, [1], (1, 2), [2, 1], [-1, 1], [-1, -2, -3], [0]]


@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("options", [{}, {"center": False}, {"scale": False}, {"epsilon": 0.5}], ids=str)
def test_layer_normalization_by_definition(axis, options):
    x = np.random.default_rng(0).normal(2.0, 3.0, (3, 4, 5))
    layer = known(LayerNormalization(axis, dtype="float64", **options), x)
    axes = tuple(sorted(a % 3 for a in (axis if isinstance(axis, (list, tuple)) else [axis])))
    along = [size if i in axes else 1 for i, size in enumerate(x.shape)]
    sizes = tuple(x.shape[a] for a in axes)
    assert [(w.name, w.shape) for w in layer.weights] == [
        (name, sizes) for name, flag in (("gamma", "scale"), ("beta", "center")) if options.get(flag, True)
    ]
    expected = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + options.get("epsilon", 1e-3))
    expected = expected * (1 if layer.gamma is None else layer.gamma.numpy().reshape(along))
    expected = expected + (0 if layer.beta is None else layer.beta.numpy().reshape(along))
    np.testing.assert_allclose(layer(x), expected, rtol=1e-10)


@pytest.mark.parametrize("axis", AXES, ids=str)
def test_rms_normalization_by_definition(axis):
    x = np.random.default_rng(1).normal(2.0, 3.0, (3, 4, 5))
    layer = known(RMSNormalization(axis, epsilon=0.1, dtype="float64"), x)
    axes = tuple(sorted(a % 3 for a in (axis if isinstance(axis, (list, tuple)) else [axis])))
    scale = layer.scale.numpy().reshape([size if i in axes else 1 for i, size in enumerate(x.shape)])
    expected = x / np.sqrt((x**2).mean(axes, keepdims=True) + 0.1) * scale
    np.testing.assert_allclose(layer(x), expected, rtol=1e-10)


@pytest.mark.parametrize(("shape", "axis"), [((3, 6), -1), ((2, 5, 6), 2), ((2, 6, 5), 1), ((2, 6, 3, 2), -3)])
@pytest.mark.parametrize("groups", [1, 2, 3, 6, -1])
@pytest.mark.parametrize("options", [{}, {"center": False, "scale": False}], ids=str)
def test_group_normalization_by_definition(shape, axis, groups, options):
    x = np.random.default_rng(2).normal(2.0, 3.0, shape)
    layer = known(GroupNormalization(groups, axis, epsilon=0.2, dtype="float64", **options), x)
    expected = np.empty_like(x)
    count = 6 if groups == -1 else groups
    inside, out = np.moveaxis(x, axis, -1), np.moveaxis(expected, axis, -1)
    for example in range(len(x)):
        for group in range(count):
            part = slice(group * 6 // count, (group + 1) * 6 // count)
            seen = inside[example][..., part]
            out[example][..., part] = (seen - seen.mean()) / np.sqrt(seen.var() + 0.2)
    if not options:
        out[...] = out * layer.gamma.numpy() + layer.beta.numpy()
    np.testing.assert_allclose(layer(x), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("axis", [-1, 1, [1, 2], (0, 2)], ids=str)
def test_unit_normalization_by_definition(axis):
    x = np.random.default_rng(3).normal(size=(3, 4, 5))
    along = tuple(axis) if isinstance(axis, (list, tuple)) else axis
    expected = x / np.sqrt((x**2).sum(along, keepdims=True))
    np.testing.assert_allclose(UnitNormalization(axis, dtype="float64")(x), expected, rtol=1e-10)


def test_nothing_has_no_length():
    x = np.zeros((2, 3), np.float32)
    layer = UnitNormalization()
    with GradientTape() as tape:
        tensor = layer(x)
        tape.watch(tensor)
        y = layer(tensor)
    assert y.numpy().tolist() == x.tolist() and np.isfinite(tape.gradient(y, tensor).numpy()).all()


# Keras on every backend normalizes 16-bit floats in 32 bits.
@pytest.mark.parametrize("kind", [LayerNormalization, RMSNormalization, lambda **o: GroupNormalization(1, **o)])
def test_large_values_in_sixteen_bits(kind):
    x = np.array([[-600.0, -200.0, 200.0, 600.0]])
    y = kind(dtype="float16")(x)
    assert y.dtype == "float16"
    np.testing.assert_allclose(y, x / np.sqrt((x**2).mean()), rtol=1e-3)


# Dtypes of Keras 3.
def test_integers_become_floats():
    x = np.array([[1, 3]], np.int32)
    for layer in (LayerNormalization(), RMSNormalization(), UnitNormalization(), GroupNormalization(1)):
        assert layer(x).dtype == "float32" and layer(Input((2,), dtype="int32")).dtype == "float32"
    np.testing.assert_allclose(GroupNormalization(1, epsilon=0.0)(x), [[-1.0, 1.0]], rtol=1e-6)


def test_other_ranks_than_at_the_first_call():
    layer = known(LayerNormalization(), np.zeros((2, 4)))
    x = np.random.default_rng(4).normal(size=(2, 3, 4)).astype(np.float32)
    np.testing.assert_allclose(layer(x)[1], layer(x[1]), rtol=1e-6)
    assert RMSNormalization()(np.zeros((4,))).shape == (4,)


def test_options_reach_their_weights():
    options = {
        "gamma_initializer": "zeros",
        "beta_initializer": "ones",
        "gamma_regularizer": "l1",
        "beta_regularizer": "l2",
        "gamma_constraint": "non_neg",
        "beta_constraint": "max_norm",
    }
    for layer in (LayerNormalization(**options), GroupNormalization(2, **options)):
        assert layer(np.random.default_rng(5).normal(size=(2, 4))).tolist() == [[1.0] * 4] * 2
        assert [type(w.regularizer).__name__ for w in layer.weights] == ["L1", "L2"]
        assert [type(w.constraint).__name__ for w in layer.weights] == ["NonNeg", "MaxNorm"]


def test_the_old_kind_of_scaling():
    """`rms_scaling` stands in every file of Keras that has a LayerNormalization."""
    config = LayerNormalization(name="x", rms_scaling=False).get_config()
    assert config["rms_scaling"] is False
    assert [w.name for w in known(LayerNormalization.from_config(config), np.zeros((1, 2))).weights] == [
        "gamma",
        "beta",
    ]
    layer = LayerNormalization(rms_scaling=True, epsilon=0.0, scale=False)
    with pytest.warns(UserWarning, match="rms_scaling"):
        y = layer(np.array([[1.0, 3.0]]))
    assert y.tolist() == [[1.0, 3.0]] and [w.name for w in layer.weights] == ["gamma"]


# --- what they refuse


@pytest.mark.parametrize("kind", [LayerNormalization, RMSNormalization, UnitNormalization])
@pytest.mark.parametrize("axis", [None, 1.0, "1", (), [1, None], True])
def test_axes_that_are_refused(kind, axis):
    with refused(f"{kind.__name__} 'x': axis must be an integer or a list of them, got {axis!r}."):
        kind(axis=axis, name="x")


@pytest.mark.parametrize("kind", [LayerNormalization, RMSNormalization, UnitNormalization])
def test_axes_that_are_not_there(kind):
    name, x = kind.__name__, np.zeros((2, 3))
    with refused(f"{name} 'x': axis 2 is out of range for inputs of shape (2, 3)."):
        kind(axis=2, name="x")(x)
    for axes in ((1, 3), (1, -1)):
        with refused(f"{name} 'x': axis {axes} are out of range or not different for inputs of shape (2, 3)."):
            kind(axis=axes, name="x")(x)
    with refused(f"{name} 'x': axis -3 is out of range for inputs of shape (None, 3)."):
        kind(axis=-3, name="x")(Input((3,)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LayerNormalization(epsilon=-1, name="x"), "LayerNormalization 'x': epsilon must be >= 0, got -1."),
        (lambda: RMSNormalization(epsilon=None, name="x"), "RMSNormalization 'x': epsilon must be >= 0, got None."),
        (lambda: GroupNormalization(epsilon="a", name="x"), "GroupNormalization 'x': epsilon must be >= 0, got 'a'."),
        (
            lambda: GroupNormalization(0, name="x"),
            "GroupNormalization 'x': groups must be an integer > 0 or -1, got 0.",
        ),
        (
            lambda: GroupNormalization(-2, name="x"),
            "GroupNormalization 'x': groups must be an integer > 0 or -1, got -2.",
        ),
        (
            lambda: GroupNormalization(True, name="x"),
            "GroupNormalization 'x': groups must be an integer > 0 or -1, got True.",
        ),
        (lambda: GroupNormalization(2, [1], name="x"), "GroupNormalization 'x': axis must be an integer, got [1]."),
        (
            lambda: LayerNormalization(gamma_initializer="wrong", name="x"),
            "LayerNormalization 'x': gamma_initializer: ",
        ),
    ],
)
def test_arguments_that_are_refused(make, message):
    with refused(message):
        make()


def test_channels_that_are_refused():
    x = np.zeros((2, 6))
    for groups in (4, 32):
        message = f"the input's channels must be a multiple of groups = {groups}, got 6."
        with refused(f"GroupNormalization 'x': {message}"):
            GroupNormalization(groups, name="x")(x)
    with refused("GroupNormalization 'x': expected another axis than the batch's, got 0."):
        GroupNormalization(2, 0, name="x")(x)
    with refused("GroupNormalization 'x': axis 2 is out of range for inputs of shape (2, 6)."):
        GroupNormalization(2, 2, name="x")(x)


@pytest.mark.parametrize("make", [LayerNormalization, RMSNormalization, lambda **o: GroupNormalization(2, **o)])
def test_other_channels_than_at_the_first_call(make):
    layer = make(name="x")
    layer(np.zeros((2, 4)))
    with pytest.raises(ValueError, match=re.escape("4], got float64[2, 6]. It was built for inputs of shape (2, 4).")):
        layer(np.zeros((2, 6)))
    with refused("An unknown size cannot hold a weight."):
        make()(Input((None,)))
