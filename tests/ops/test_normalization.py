"""Normalizations at extremes, parameters of all shapes, encodings of labels, and what each refuses."""

import numpy as np
import pytest

from eagerly import ops
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from eagerly.variable import Variable
from gradients import check_gradients

NORMALIZATIONS = (ops.layer_normalization, ops.rms_normalization, ops.normalize)


def gradient(function, *arrays):
    tensors = [Tensor(x) for x in arrays]
    with GradientTape() as tape:
        tape.watch(tensors)
        y = function(*tensors)
    return [None if g is None else g.numpy() for g in tape.gradient(y, tensors)]


@pytest.mark.parametrize(
    "function",
    [
        lambda x, g, b: ops.layer_normalization(x, g, b),
        lambda x, g, b: ops.layer_normalization(x, beta=x * b, axis=(0, 1), epsilon=0.1),
        lambda x, g, b: ops.layer_normalization(x, g[:3], b[:3], axis=0),
        lambda x, g, b: ops.rms_normalization(x, g),
        lambda x, g, b: ops.rms_normalization(x, b[:3], axis=0, epsilon=0.1),
        lambda x, g, b: ops.normalize(x),
        lambda x, g, b: ops.normalize(x, 0, 1),
        lambda x, g, b: ops.normalize(x, (0, 1), 3),
        lambda x, g, b: ops.normalize(x, None, 4),
        lambda x, g, b: ops.normalize(x, epsilon=10.0),
        lambda x, g, b: ops.psnr(x, x[::-1] * g, ops.exp(b[0])),
    ],
)
def test_gradients(function):
    rng = np.random.default_rng(6)
    arrays = [rng.uniform(-1, 1, shape) for shape in ((3, 4), (4,), (4,))]
    check_gradients(function, arrays)


def test_parameters_lie_along_the_normalized_axes_or_broadcast():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 3, 4, 3))
    plain = ops.layer_normalization(x, axis=1).numpy()
    rms = ops.rms_normalization(x, axis=1).numpy()
    vector = rng.normal(size=3)
    place = vector.reshape(1, 3, 1, 1)
    for given in (vector, place):
        np.testing.assert_allclose(ops.rms_normalization(x, given, axis=1).numpy(), rms * place)
        np.testing.assert_allclose(ops.layer_normalization(x, given, given, 1).numpy(), plain * place + place)
    np.testing.assert_allclose(ops.layer_normalization(x, 2.0, 1.0, axis=1).numpy(), plain * 2 + 1)
    square = rng.normal(size=(3, 3))
    both = ops.layer_normalization(x, axis=(3, 1)).numpy()
    result = ops.layer_normalization(x, square, axis=(3, 1)).numpy()  # in the order of the tensor's axes
    np.testing.assert_allclose(result, both * square.reshape(1, 3, 1, 3))


def test_layer_normalization_makes_rows_normal():
    x = np.random.default_rng(1).normal(1e3, 5, (6, 50)).astype("float32")
    y = ops.layer_normalization(x).numpy()
    np.testing.assert_allclose(y.mean(1), 0, atol=1e-4)
    np.testing.assert_allclose(y.std(1), 1, rtol=1e-4)
    np.testing.assert_allclose((ops.rms_normalization(x).numpy() ** 2).mean(1), 1, rtol=1e-5)


def test_constant_rows_and_zeros_have_finite_gradients():
    for x in (np.zeros((2, 3)), np.full((2, 3), 7.0)):
        for operation in NORMALIZATIONS:
            assert np.isfinite(operation(x).numpy()).all()
            assert np.isfinite(gradient(operation, x)[0]).all()
    for order in (1, 2, 3):  # x / epsilon near 0; Keras has NaN for order 2
        (g,) = gradient(lambda x, order=order: ops.normalize(x, order=order, epsilon=0.5), np.zeros(3))
        assert g.tolist() == [2.0, 2.0, 2.0]


def test_normalize_divides_by_no_less_than_epsilon():
    assert ops.normalize([0.0, 0.0]).tolist() == [0.0, 0.0]
    np.testing.assert_allclose(ops.normalize(np.array([3e-9, 4e-9])).numpy(), [0.03, 0.04])
    np.testing.assert_allclose(ops.normalize(np.array([3.0, 4.0]), order=1, epsilon=14.0).numpy(), [3 / 14, 4 / 14])
    assert ops.normalize(3.0).tolist() == [1.0]  # as Keras has it
    assert ops.normalize(np.array(-2.0)).tolist() == [-1.0]


def test_several_axes_are_one_long_vector_for_every_order():
    """Keras takes the matrix norm for order 1 over two axes, and has none for order 3."""
    x = np.random.default_rng(2).normal(size=(2, 3, 4))
    for order in (1, 2, 3):
        norm = (np.abs(x) ** order).sum((0, 2), keepdims=True) ** (1 / order)
        np.testing.assert_allclose(ops.normalize(x, (0, 2), order).numpy(), x / norm)
        np.testing.assert_allclose(ops.normalize(x, [-1, 0], order).numpy(), x / norm)


@pytest.mark.parametrize("given", ["float16", "bfloat16", "float32", "float64", "int32", "uint8", "bool"])
def test_dtypes(given):
    expected = given if "float" in given else "float32"
    for x in (Tensor([[1, 0, 1]], given), AbstractTensor((1, 3), given)):
        for operation in NORMALIZATIONS:
            assert operation(x).dtype.name == expected
        wide = Tensor([1.0, 1.0, 1.0], "float64")
        assert ops.layer_normalization(x, wide, wide).dtype.name == expected
        assert ops.rms_normalization(x, wide).dtype.name == expected
        assert ops.psnr(x, x, 1.0).dtype.name == expected


def test_sixteen_bits_are_summed_in_thirty_two():
    x = Tensor(np.full((2, 70_000), 100.0), "float16")
    assert (ops.rms_normalization(x).numpy() == 1).all()
    assert (ops.layer_normalization(x).numpy() == 0).all()
    np.testing.assert_allclose(ops.normalize(x).numpy().astype(float), 70_000**-0.5, rtol=1e-3)
    assert float(ops.psnr(x, x * 0.5, 100.0)) == pytest.approx(20 * np.log10(2), rel=1e-3)


def test_gradients_reach_parameters_of_other_dtypes():
    x = Tensor(np.random.default_rng(3).normal(size=(2, 3)), "float16")
    gamma, beta = Variable([1.0, 2.0, 3.0]), Variable([0.0, 0.0, 1.0], dtype="float64")
    with GradientTape() as tape:
        y = ops.layer_normalization(x, gamma, beta) + ops.rms_normalization(x, gamma)
    for variable, g in zip((gamma, beta), tape.gradient(y, [gamma, beta]), strict=True):
        assert (g.dtype, g.shape) == (variable.dtype, (3,))


def test_rms_scaling_is_kept_with_a_warning():
    x = np.random.default_rng(4).normal(size=(2, 5))
    with pytest.warns(UserWarning, match="rms_scaling=True .* use rms_normalization"):
        y = ops.layer_normalization(x, np.full(5, 2.0), np.full(5, 9.0), epsilon=0.1, rms_scaling=True)
    np.testing.assert_allclose(y.numpy(), x / np.sqrt(x.var(1, keepdims=True) + 0.1) * 2)
    np.testing.assert_array_equal(
        ops.layer_normalization(x, rms_scaling=False).numpy(), ops.layer_normalization(x).numpy()
    )


def test_empty_tensors():
    for operation in NORMALIZATIONS:
        assert operation(np.ones((0, 3))).shape == (0, 3)
    assert ops.multi_hot(np.zeros((0, 2), "int32"), 4).shape == (0, 4)
    assert ops.multi_hot(np.zeros((2, 0), "int32"), 4).tolist() == [[0.0] * 4] * 2


def test_multi_hot_of_labels_out_of_range_and_axes():
    assert ops.multi_hot([[1, -1], [7, 2]], 3).tolist() == [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    labels = np.random.default_rng(5).integers(0, 4, (2, 3))
    # What Keras 3.15 gives: axis 1 of what `one_hot` gives is reduced, wherever the classes are.
    for axis in (-1, 0, 1, 2):
        expected = ops.one_hot(labels, 4, axis=axis).numpy().max(1)
        np.testing.assert_array_equal(ops.multi_hot(labels, 4, axis).numpy(), expected)
    assert ops.multi_hot(labels, 4).dtype == "float32"
    assert ops.multi_hot(labels, 4, dtype="float16").dtype == "float16"


def test_psnr_of_equal_signals_is_infinite():
    x = np.random.default_rng(6).uniform(size=(2, 3))
    assert float(ops.psnr(x, x, 1.0)) == np.inf
    assert float(ops.psnr(np.zeros(3), np.full(3, 255), 255)) == pytest.approx(0, abs=1e-5)
    assert ops.psnr(x, x, 1.0).shape == ()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: ops.layer_normalization(np.ones((2, 3, 4)), np.ones(4), axis=1),
            ["layer_normalization: expected gamma of shape (3,)", "float64[2, 3, 4]", "float64[4]"],
        ),
        (
            lambda: ops.layer_normalization(np.ones((2, 3, 4)), beta=np.ones((3, 4)), axis=(0, 2)),
            ["layer_normalization: expected beta of shape (2, 4)", "float64[3, 4]"],
        ),
        (
            lambda: ops.rms_normalization(np.ones((2, 3, 4)), np.ones((2, 3)), axis=1),
            ["rms_normalization: expected a scale of shape (3,)", "float64[2, 3]"],
        ),
        (lambda: ops.layer_normalization(np.ones((2, 3)), axis=2), ["axis", "[-2, 2)", "got 2"]),
        (lambda: ops.rms_normalization(np.ones((2, 3)), axis=(0, -2)), ["axis", "different axes"]),
        (lambda: ops.layer_normalization(np.ones((2, 3)), gama=1), ["layer_normalization", "rms_scaling", "'gama'"]),
        (lambda: ops.normalize(np.ones(3), order=0), ["normalize", "integer >= 1", "got 0"]),
        (lambda: ops.normalize(np.ones(3), order=2.0), ["normalize", "integer >= 1", "got 2.0"]),
        (lambda: ops.multi_hot([1]), ["multi_hot", "num_classes"]),
        (lambda: ops.multi_hot([1], 3, classes=4), ["multi_hot", "'classes'"]),
        (lambda: ops.multi_hot([1], 3, sparse=True), ["multi_hot", "sparse=False", "True"]),
        (lambda: ops.psnr(np.ones(3), np.ones((3, 1)), 1), ["psnr", "one shape", "float64[3]", "float64[3, 1]"]),
    ],
)
def test_errors_name_what_is_wrong(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)
