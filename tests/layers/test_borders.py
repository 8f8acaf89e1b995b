"""Borders, upsampling, permuted and repeated axes: values by definition, and what they refuse."""

import re

import numpy as np
import pytest

from eagerly import layers
from eagerly.layers import Cropping1D, Input, Permute, RepeatVector, UpSampling1D, UpSampling2D, ZeroPadding1D
from eagerly.models import Model

SIZES = {1: (5,), 2: (5, 6), 3: (5, 6, 4)}
WIDTHS = [
    (1, 2, ((2, 2),)),
    (1, (0, 2), ((0, 2),)),
    (1, [1, 0], ((1, 0),)),
    (2, 1, ((1, 1), (1, 1))),
    (2, (1, 2), ((1, 1), (2, 2))),
    (2, ((1, 0), (0, 2)), ((1, 0), (0, 2))),
    (2, [2, [0, 1]], ((2, 2), (0, 1))),
    (3, 0, ((0, 0),) * 3),
    (3, (1, 0, 1), ((1, 1), (0, 0), (1, 1))),
    (3, ((1, 0), (0, 2), (1, 1)), ((1, 0), (0, 2), (1, 1))),
]
BORDERS = [f"{kind}{rank}D" for kind in ("ZeroPadding", "Cropping") for rank in (1, 2, 3)]


def refused(message):
    return pytest.raises(ValueError, match=re.escape(message))


@pytest.mark.parametrize(("rank", "widths", "pairs"), WIDTHS)
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_padding_by_definition(rank, widths, pairs, first, dtype):
    x = np.arange(1, 2 * np.prod(SIZES[rank]) * 2 + 1).reshape(2, *SIZES[rank], 2).astype(dtype)
    expected = np.pad(x, ((0, 0), *pairs, (0, 0)))
    layer = getattr(layers, f"ZeroPadding{rank}D")(widths, "channels_first" if first else None)
    fed = np.moveaxis(x, -1, 1) if first else x
    y = layer(fed)
    assert y.dtype == dtype
    np.testing.assert_array_equal(np.moveaxis(y.numpy(), 1, -1) if first else y, expected)
    assert layer(Input(fed.shape[1:])).shape == (None, *y.shape[1:])


@pytest.mark.parametrize(("rank", "widths", "pairs"), WIDTHS)
@pytest.mark.parametrize("first", [False, True])
def test_cropping_by_definition(rank, widths, pairs, first):
    first = first and rank > 1
    x = np.arange(2 * np.prod(SIZES[rank]) * 2).reshape(2, *SIZES[rank], 2).astype(np.float32)
    kept = [slice(before, size - after) for size, (before, after) in zip(SIZES[rank], pairs, strict=True)]
    expected = x[(slice(None), *kept)]
    layer = getattr(layers, f"Cropping{rank}D")(widths, **({"data_format": "channels_first"} if first else {}))
    fed = np.moveaxis(x, -1, 1) if first else x
    y = layer(fed)
    np.testing.assert_array_equal(np.moveaxis(y.numpy(), 1, -1) if first else y, expected)
    assert layer(Input(fed.shape[1:])).shape == (None, *y.shape[1:])
    free = Input((None,) * (rank + 1))
    np.testing.assert_array_equal(Model(free, layer(free))(fed), y)


def test_the_widths_as_one_may_ask_for_them():
    assert Cropping1D().cropping == ZeroPadding1D().padding == (1, 1)
    assert layers.Cropping2D().cropping == ((0, 0), (0, 0))
    assert ZeroPadding1D((np.int64(1), 2))(np.zeros((1, 2, 1))).shape == (1, 5, 1)


@pytest.mark.parametrize("name", BORDERS)
def test_widths_that_are_refused(name):
    rank = int(name[-2])
    argument = "padding" if "Padding" in name else "cropping"
    wanted = "an integer >= 0 or 2 of them" if rank == 1 else f"an integer >= 0, {rank} of them, or {rank} pairs"
    for value in (-1, 1.0, None, "1", True, (1,) * (rank + 1 + (rank == 1)), ((1, 2, 3),) * rank, ((1, -1),) * rank):
        with refused(f"{name} 'x': {argument} must be {wanted}, got {value!r}."):
            getattr(layers, name)(value, name="x")
    if name != "Cropping1D":
        with refused(f"{name} 'x': data_format must be one of ('channels_last', 'channels_first'), got 'x'."):
            getattr(layers, name)(data_format="x", name="x")
    with refused(f"{name} 'x': expected [batch{', *' * (rank + 1)}], got float64[2, 2]."):
        getattr(layers, name)(name="x")(np.zeros((2, 2)))


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("kind", ["eager", "symbolic"])
def test_images_that_nothing_is_left_of(rank, kind):
    shape = (*(3,) * (rank - 1), 2, 1)
    layer = getattr(layers, f"Cropping{rank}D")(1, name="x")
    x = np.zeros((1, *shape), np.float32) if kind == "eager" else Input(shape)
    shown = ", ".join(map(str, (1 if kind == "eager" else None, *shape)))
    message = f"expected an image that is larger than what is cut off, {((1, 1),) * rank}, got float32[{shown}]."
    with refused(f"Cropping{rank}D 'x': {message}"):
        layer(x)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("first", [False, True])
def test_repeated_elements(rank, first):
    first = first and rank > 1
    times = (2, 3, 1)[:rank]
    x = np.arange(2 * np.prod(SIZES[rank]) * 2).reshape(2, *SIZES[rank], 2)
    expected = x
    for axis, count in enumerate(times, 1):
        expected = np.repeat(expected, count, axis)
    layer = getattr(layers, f"UpSampling{rank}D")(
        times if rank > 1 else 2, **({"data_format": "channels_first"} if first else {})
    )
    y = layer(np.moveaxis(x, -1, 1) if first else x).numpy()
    np.testing.assert_array_equal(np.moveaxis(y, 1, -1) if first else y, expected)


def test_interpolated_elements():
    x = np.array([[0.0, 4.0], [8.0, 12.0]]).reshape(1, 2, 2, 1)
    y = UpSampling2D(2, interpolation="Bilinear")(x)
    assert y.numpy()[0, ..., 0].tolist() == [[0, 1, 3, 4], [2, 3, 5, 6], [6, 7, 9, 10], [8, 9, 11, 12]]
    first = UpSampling2D(2, "channels_first", "bilinear")(x.reshape(1, 1, 2, 2))
    assert first.numpy().ravel().tolist() == y.numpy().ravel().tolist()
    for interpolation in ("bicubic", "lanczos3", "lanczos5"):
        flat = UpSampling2D((3, 1), interpolation=interpolation)(np.full((2, 4, 3, 2), 5.0))
        np.testing.assert_allclose(flat, np.full((2, 12, 3, 2), 5.0), rtol=1e-5)
    free = Input((None, None, 1))
    model = Model(free, UpSampling2D(2, interpolation="bilinear")(free))
    assert model.output.shape == (None, None, None, 1)
    np.testing.assert_array_equal(model(x), y)


def test_sizes_that_are_refused():
    for value in (0, 1.5, "2", (2,), True):
        with refused(f"UpSampling1D 'x': size must be an integer > 0, got {value!r}."):
            UpSampling1D(value, name="x")
    for rank, value in ((2, 0), (2, (1, 2, 3)), (3, (1, 2)), (3, 0.5)):
        name = f"UpSampling{rank}D"
        with refused(f"{name} 'x': size must be an integer > 0 or {rank} of them, got {value!r}."):
            getattr(layers, name)(value, name="x")
        with refused(f"{name} 'x': data_format must be one of ('channels_last', 'channels_first'), got 'x'."):
            getattr(layers, name)(data_format="x", name="x")
    known = "('nearest', 'bilinear', 'bicubic', 'lanczos3', 'lanczos5')"
    with refused(f"UpSampling2D 'x': interpolation must be one of {known}, got 'linear'."):
        UpSampling2D(interpolation="linear", name="x")
    for rank in (1, 2, 3):
        with refused(f"UpSampling{rank}D 'x': expected [batch{', *' * (rank + 1)}], got float64[2, 2]."):
            getattr(layers, f"UpSampling{rank}D")(name="x")(np.zeros((2, 2)))


@pytest.mark.parametrize("dims", [(1,), (2, 1), [1, 2], (3, 1, 2), (2, 4, 1, 3)])
def test_permuted_axes(dims):
    x = np.arange(2 * np.prod(range(2, 2 + len(dims)))).reshape(2, *range(2, 2 + len(dims)))
    np.testing.assert_array_equal(Permute(dims)(x), x.transpose(0, *dims))


@pytest.mark.parametrize("dims", [(0, 1), (1, 1), (1, 3), (2,), 1, None, "12", (1.0, 2.0), (True,)])
def test_permutations_that_are_refused(dims):
    with refused(f"Permute 'x': dims must hold each of the integers 1 … n once, got {dims!r}."):
        Permute(dims, name="x")


def test_a_permutation_of_other_axes():
    with refused("Permute 'x': expected [batch, *, *], got float64[2, 3]."):
        Permute((2, 1), name="x")(np.zeros((2, 3)))


def test_repeated_vectors():
    x = np.arange(6, dtype=np.int32).reshape(2, 3)
    y = RepeatVector(2)(x)
    assert y.dtype == "int32" and y.tolist() == [[row, row] for row in x.tolist()]
    for value in (0, 2.0, True, "2"):
        with refused(f"RepeatVector 'x': n must be an integer > 0, got {value!r}."):
            RepeatVector(value, name="x")
    with refused("RepeatVector 'x': expected [batch, *], got float64[2, 3, 1]."):
        RepeatVector(2, name="x")(np.zeros((2, 3, 1)))
