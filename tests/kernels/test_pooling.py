"""The kernels of pooling equal the NumPy path, which float64 takes, for every tail, window, border and tie."""

import itertools

import numpy as np
import pytest

from eagerly.ops import pools
from eagerly.primitive import REGISTRY
from eagerly.tensor import AbstractTensor

SPACE = (9, 7)
WINDOWS = [
    ((2, 2), (2, 2), "valid"),
    ((2, 2), (2, 2), "same"),
    ((3, 3), (2, 2), "same"),
    ((3, 2), (1, 3), "same"),
    ((2, 2), (3, 3), "valid"),  # some pixels lie in no window
    ((4, 5), (3, 1), "valid"),
    ((1, 1), (2, 1), "valid"),
    ((5, 6), (2, 2), "same"),
]
CHANNELS = [*range(1, 19), 31, 32, 33, 63, 64, 65, 81]
NAMES = ("max_pool_windows", "max_pool_gradient", "average_pool_windows", "average_pool_gradient")


@pytest.fixture(autouse=True)
def any_size(made, monkeypatch):
    """Kernels are asked for, whatever the size."""
    monkeypatch.setattr(pools, "_WORTHWHILE", 1)


def image(shape, seed=0):
    """Numbers of which many are equal, some infinite or no number."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-3, 4, shape).astype(np.float32)
    x[rng.random(shape) < 0.03] = np.nan
    x[rng.random(shape) < 0.05] = -np.inf
    x[rng.random(shape) < 0.01] = np.inf
    return x


def forth_and_back(x, g_seed=1, **options):
    """What the four primitives give."""
    best, where = pools.max_pool_windows(x, **options)
    g = np.random.default_rng(g_seed).normal(size=best.shape).astype(np.float32).astype(x.dtype)
    space = x.shape[1:-1]
    return (
        best,
        where,
        pools.max_pool_gradient(g, where, space=space, **options),
        pools.average_pool_windows(x, **options),
        pools.average_pool_gradient(g, space=space, **options),
    )


def check(x, **options):
    found = forth_and_back(x, **options)
    with np.errstate(invalid="ignore"):
        expected = forth_and_back(x.astype(np.float64), **options)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])
    assert found[1].dtype == expected[1].dtype
    for one, other in zip(found[2:], expected[2:], strict=True):
        np.testing.assert_allclose(one, other, rtol=3e-6, atol=3e-6)


@pytest.mark.parametrize(("window", "strides", "padding"), WINDOWS)
def test_every_tail_of_channels(window, strides, padding):
    for channels in CHANNELS:
        check(image((2, *SPACE, channels)), window=window, strides=strides, padding=padding)


def test_one_axis_of_space():
    for size, width, stride, padding in itertools.product((1, 5, 8), (1, 2, 3), (1, 2, 4), ("valid", "same")):
        if padding == "same" or size >= width:
            check(image((3, size, 20)), window=(width,), strides=(stride,), padding=padding)


def test_windows_of_more_places_than_a_byte_counts():
    check(image((2, 20, 21, 5)), window=(17, 16), strides=(1, 2), padding="valid")
    check(image((1, 300, 3)), window=(257,), strides=(20,), padding="same")


def test_first_of_equal_ones_and_nothing_outside_of_the_image():
    x = np.full((1, 3, 3, 1), -np.inf, np.float32)
    options = {"window": (3, 3), "strides": (1, 1), "padding": "same"}
    for dtype in (np.float32, np.float64):
        best, where = pools.max_pool_windows(x.astype(dtype), **options)
        assert (best == -np.inf).all()
        assert where[0, :, :, 0].tolist() == [[4, 3, 3], [1, 0, 0], [1, 0, 0]]


def test_views_are_read_as_they_are():
    x = image((8, 4, 6, 40)).transpose(2, 0, 1, 3)[::-1]
    check(x, window=(2, 2), strides=(2, 2), padding="same")


def test_same_bits_for_any_number_of_threads(threads):
    x = image((4, 30, 31, 70))
    results = []
    for number in (1, 2, 3, 7):
        threads(number)
        found = forth_and_back(x, window=(3, 3), strides=(2, 2), padding="same")
        results.append([y.tobytes() for y in found])
    assert all(result == results[0] for result in results)


@pytest.mark.parametrize("name", NAMES)
def test_rule_for_graphs(name):
    primitive = REGISTRY[name]
    for space, window, strides, known in [
        ((8, 6), (2, 3), (2, 2), True),
        ((9,), (2,), (1,), True),
        ((3, 4, 5), (2, 2, 2), (1, 1, 1), False),
        ((2, 2), (3, 3), (1, 1), False),  # no window fits
    ]:
        x = image((2, *space, 5))
        y = AbstractTensor(pools._pooled(AbstractTensor(x.shape, x.dtype), window, strides).dims, np.float32)
        options = {"window": window, "strides": strides, "padding": "valid"}
        operands = (AbstractTensor(x.shape, x.dtype),)
        if "gradient" in name:
            options["space"] = space
            operands = (y, AbstractTensor(y.dims, np.uint8)) if "max" in name else (y,)
        launch = primitive.kernel_rule(*operands, **options)
        assert (launch is not None) is known
        assert primitive.kernel_rule(*(AbstractTensor(x.dims, np.float64) for x in operands), **options) is None
        if known:
            arrays = [np.ones(x.dims, x.dtype) for x in operands]
            expected = primitive(*arrays, **options)
            expected = expected if isinstance(expected, tuple) else (expected,)
            results = [np.empty_like(array) for array in expected]
            launch(*results, *arrays)
            for one, other in zip(results, expected, strict=True):
                np.testing.assert_array_equal(one, other)
