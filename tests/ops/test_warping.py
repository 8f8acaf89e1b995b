"""Images read at other places: fill modes, rounding, transforms, homographies, noise, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import image_references as reference
from eagerly import ops, random
from eagerly.dimensions import unknown
from eagerly.ops import warping
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from eagerly.variable import Variable
from gradients import check_gradients

map_coordinates = ops.image.map_coordinates
affine_transform = ops.image.affine_transform
perspective_transform = ops.image.perspective_transform
elastic_transform = ops.image.elastic_transform
IDENTITY = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]
SQUARE = np.array([[0.0, 0], [4, 0], [0, 3], [4, 3]])


@pytest.mark.parametrize(
    ("mode", "expected"),
    [  # keras 3.15 on PyTorch and on JAX, of [0, 1, 2, 3] at -7 … 10
        ("constant", [-1, -1, -1, -1, -1, -1, -1, 0, 1, 2, 3, -1, -1, -1, -1, -1, -1, -1]),
        ("nearest", [0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 3, 3, 3, 3, 3, 3, 3]),
        ("wrap", [1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2]),
        ("mirror", [1, 0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2]),
        ("reflect", [1, 2, 3, 3, 2, 1, 0, 0, 1, 2, 3, 3, 2, 1, 0, 0, 1, 2]),
    ],
)
def test_what_lies_beyond_the_border(mode, expected):
    for dtype in ("float32", "int32", "int8"):
        for places in (np.arange(-7, 11, dtype=np.float32), np.arange(-7, 11)):
            for order in (0, 1):
                y = map_coordinates(Tensor(np.arange(4), dtype), places[None], order, mode, -1)
                assert y.dtype == dtype and y.tolist() == expected


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=3),
    st.sampled_from(warping.FILL_MODES),
    st.integers(0, 1),
    st.integers(0, 99),
)
def test_grids_of_any_rank_against_loops(shape, mode, order, seed):
    rng = np.random.default_rng(seed)
    x, places = rng.normal(size=shape), rng.uniform(-9, 9, (len(shape), 2, 3))
    expected = reference.map_coordinates(x, places, order, mode, 0.5)
    np.testing.assert_allclose(map_coordinates(x, places, order, mode, 0.5).numpy(), expected, rtol=1e-9, atol=1e-9)


def test_halves_go_to_the_even_pixel():
    x = np.arange(5)
    assert map_coordinates(x, [[0.5, 1.5, 2.5, 3.5, 4.5, -0.5]], 0, fill_value=9).tolist() == [0, 2, 2, 4, 4, 0]


def test_integers_are_rounded_and_held_in_range():
    x = np.array([0, 1, 4, 255], np.uint8)
    y = map_coordinates(x, [[0.5, 1.5, 2.2, 3.5, 9.0]], 1, fill_value=300.7)
    assert y.dtype == "uint8" and y.tolist() == [0, 2, 54, 255, 255]
    assert map_coordinates(x, [[9.0]], 0, fill_value=2.7).tolist() == [2]
    assert map_coordinates(np.array([2**60 + 1]), [[0.0]], 0).tolist() == [2**60 + 1]
    truth = map_coordinates(np.array([True, False]), [[0.4, 0.5, 0.6, 7.0]], 1, fill_value=1)
    assert truth.dtype == "bool" and truth.tolist() == [True, False, False, True]
    with pytest.raises(ValueError, match="map_coordinates: expected a finite fill_value for uint8 images, got inf"):
        map_coordinates(x, [[9.0]], 0, fill_value=float("inf"))


@pytest.mark.parametrize("mode", warping.FILL_MODES)
def test_coordinates_that_are_no_numbers_or_far_away(mode):
    x = np.ones(3)
    y = map_coordinates(x, [[np.nan, 1e30, -1e30, 1.0]], 1, mode, 1.0)
    assert np.isnan(y.numpy()[0]) and y.tolist()[1:] == [1.0, 1.0, 1.0]
    assert map_coordinates(np.ones(3, np.int32), [[np.inf, np.nan]], 0, mode, 1).tolist() == [1, 1]


def test_a_pixel_of_no_weight_beyond_the_border_does_not_count():
    x = np.array([np.nan, 1.0])
    assert map_coordinates(x, [[1.0, 5.0]], 1, fill_value=2.0).tolist() == [1.0, 2.0]


def test_the_fill_value_may_be_a_tensor_with_a_gradient():
    x, value = Variable([1.0, 2.0]), Variable(3.0)
    with GradientTape() as tape:
        y = map_coordinates(x, [[-0.25, 1.5, 9.0]], 1, "constant", value)
    assert y.tolist() == [1.5, 2.5, 3.0]
    of_x, of_value = tape.gradient(y, [x, value])
    assert of_x.tolist() == [0.75, 0.5] and float(of_value) == 1.75


def test_coordinates_have_gradients_unless_order_is_0():
    x, places = Variable(np.arange(4.0) ** 2), Variable([[0.25, 1.5, 2.75]])
    with GradientTape(persistent=True) as tape:
        linear, nearest = map_coordinates(x, places, 1), map_coordinates(x, places, 0)
    assert tape.gradient(linear, places).tolist() == [[1.0, 3.0, 5.0]]
    assert tape.gradient(nearest, places) is None
    assert tape.gradient(nearest, x).tolist() == [1.0, 0.0, 1.0, 1.0]


def test_coordinates_of_any_dtype():
    x = Tensor([0.0, 1.0, 4.0], "float16")
    for dtype in ("float16", "bfloat16", "float32", "float64"):
        y = map_coordinates(x, Tensor([[0.5, 1.25]], dtype), 1)
        assert y.dtype == "float16" and y.tolist() == [0.5, 1.75]
    assert map_coordinates(np.ones(4), Tensor([[1, 2]], "uint8"), 1).dtype == "float64"
    rows = [Variable([0.0, 1.0]), [1, 0]]
    assert map_coordinates(np.array([[1.0, 2.0], [3.0, 4.0]]), rows, 1).tolist() == [2.0, 3.0]


def test_perspective_of_an_affine_transform():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 5, 6, 3))
    t = np.array([[1.03, 0.12, -0.37, 0.21, 0.93, 0.41, 0.06, -0.03], [0.91, 0.02, 0.23, 0.01, 1.13, 0.31, 0.0, 0.05]])
    np.testing.assert_allclose(affine_transform(x, t).numpy(), reference.affine_transform(x, t), rtol=1e-9, atol=1e-12)
    check_gradients(affine_transform, [x, t])


def test_the_horizon_is_not_in_the_image():
    x = np.ones((2, 4, 1))
    y = affine_transform(x, [1.0, 0, 0, 0, 1.0, 0, -0.5, 0])  # k = 0 in the third column
    assert y[..., 0].tolist()[0][2] == 0.0
    with GradientTape() as tape:
        source = Tensor(x)
        tape.watch(source)
        y = affine_transform(source, Variable([1.0, 0, 0, 0, 1.0, 0, -0.5, 0]))
    assert np.isfinite(tape.gradient(y, source).numpy()).all()


def test_one_transform_for_all_images():
    x = np.random.default_rng(0).normal(size=(3, 4, 5, 2)).astype(np.float32)
    t = np.array([1.0, 0.25, 0.5, -0.125, 1.0, 0.25, 0, 0], np.float32)
    expected = affine_transform(x, np.tile(t, (3, 1))).numpy()
    for one in (t, t[None]):
        np.testing.assert_array_equal(affine_transform(x, one).numpy(), expected)
    assert affine_transform(x, [1, 0, 1, 0, 1, 0, 0, 0])[0, 0, :, 0].tolist()[:4] == x[0, 0, 1:, 0].tolist()
    points = np.broadcast_to(SQUARE, (3, 4, 2))
    moved = SQUARE + 0.5
    for one in ((SQUARE, moved), (points[:1], moved[None]), (points, np.broadcast_to(moved, (3, 4, 2)))):
        np.testing.assert_array_equal(perspective_transform(x, *one).numpy(), perspective_transform(x, SQUARE, moved))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 999))
def test_homographies_take_four_points_to_four(seed):
    rng = np.random.default_rng(seed)
    start, end = (SQUARE * 100 + rng.uniform(-120, 120, (2, 4, 2))).reshape(2, 1, 4, 2)
    h = warping._homography(start, end)
    np.testing.assert_allclose(h[0], reference.homography(start[0], end[0]), rtol=1e-6, atol=1e-9)
    k = h[0, 6] * end[0, :, 0] + h[0, 7] * end[0, :, 1] + 1
    found = [(h[0, 3 * i] * end[0, :, 0] + h[0, 3 * i + 1] * end[0, :, 1] + h[0, 3 * i + 2]) / k for i in range(2)]
    np.testing.assert_allclose(np.stack(found, -1), start[0], rtol=1e-6, atol=1e-6)


def test_the_perspective_of_large_images_is_exact():
    corners = np.array([[0, 0], [2000, 0], [0, 1500], [2000, 1500]], np.float32)
    moved = corners + np.array([[31, 17], [-40, 5], [12, -9], [-3, -25]], np.float32)
    h = warping._homography(corners[None].astype(np.float64), moved[None].astype(np.float64))[0]
    np.testing.assert_allclose(h, reference.homography(corners, moved), rtol=1e-9, atol=1e-15)
    x = np.zeros((1, 1, 1), np.float32)
    assert perspective_transform(x, corners, moved).dtype == "float32"


def test_the_elastic_field_is_blurred_noise():
    x = np.random.default_rng(0).normal(size=(2, 6, 7, 2))
    noise = random.normal((2, 2, 6, 7), 0.0, 0.75, "float64", seed=5).numpy()
    kernel = np.outer(reference.bell(5, 0.75), reference.bell(5, 0.75))
    field = 3.0 * reference.filtered(np.moveaxis(noise, 0, -1), kernel)
    for interpolation, order in (("nearest", 0), ("bilinear", 1)):
        for mode in ("reflect", "constant"):
            y = elastic_transform(x, 3.0, 0.75, interpolation, mode, 0.5, seed=5).numpy()
            rows, columns = np.meshgrid(np.arange(6), np.arange(7), indexing="ij")
            for i, c in np.ndindex(2, 2):
                places = np.stack([rows + field[i, ..., 0], columns + field[i, ..., 1]])
                expected = reference.map_coordinates(x[i, ..., c], places, order, mode, 0.5)
                np.testing.assert_allclose(y[i, ..., c], expected, rtol=1e-9, atol=1e-9)


def test_elastic_seeds():
    x = np.random.default_rng(0).uniform(size=(6, 6, 1)).astype(np.float32)
    assert elastic_transform(x, seed=1).tolist() == elastic_transform(x, seed=1).tolist()
    assert elastic_transform(x, seed=1).tolist() != elastic_transform(x, seed=2).tolist()
    generator = random.SeedGenerator(3)
    assert elastic_transform(x, seed=generator).tolist() != elastic_transform(x, seed=generator).tolist()
    assert elastic_transform(x).tolist() != elastic_transform(x).tolist()
    assert elastic_transform(x, 0.0).tolist() == x.tolist()
    random.set_seed(4)
    first = elastic_transform(x).tolist()
    random.set_seed(4)
    assert elastic_transform(x).tolist() == first


def test_the_strength_of_an_elastic_transform_has_a_gradient():
    x = np.random.default_rng(0).uniform(size=(6, 6, 1))
    check_gradients(lambda x, alpha: elastic_transform(x, alpha, 1.0, seed=2), [x, 1.5])


def test_elastic_integers():
    x = np.random.default_rng(0).integers(0, 256, (2, 6, 6, 3), dtype=np.uint8)
    y = elastic_transform(x, 2.0, 1.0, seed=2)
    assert y.dtype == "uint8"
    exact = elastic_transform(x.astype(np.float32), 2.0, 1.0, seed=2).numpy()
    np.testing.assert_array_equal(y.numpy(), np.rint(exact).astype(np.uint8))


def test_one_unknown_batch_for_another():
    n = unknown("n")
    x = AbstractTensor((n, 4, 5, 3), "uint8")
    for transform in (AbstractTensor((n, 8)), AbstractTensor((8,)), AbstractTensor((1, 8)), IDENTITY):
        y = affine_transform(x, transform)
        assert y.dims == (n, 4, 5, 3) and y.dtype == "uint8"
    assert perspective_transform(x, AbstractTensor((n, 4, 2)), AbstractTensor((n, 4, 2))).dims == (n, 4, 5, 3)
    assert map_coordinates(AbstractTensor((n, 3)), AbstractTensor((2, n)), 1, "mirror").dims == (n,)
    assert elastic_transform(x).dims == (n, 4, 5, 3)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda x: map_coordinates(x[0, ..., 0], [[0.0], [1.0]], 2),
            "map_coordinates: expected order to be one of 0, 1, got 2",
        ),
        (
            lambda x: map_coordinates(x[0, ..., 0], [[0.0], [1.0]], 1, "edge"),
            "map_coordinates: expected fill_mode to be one of 'constant', 'nearest', .*, 'reflect', got 'edge'",
        ),
        (
            lambda x: map_coordinates(x[0, ..., 0], [[0.0]], 1),
            r"map_coordinates: expected coordinates \[2, …\], with a row for each axis of the inputs float64\[4, 5\], "
            r"got float32\[1, 1\]",
        ),
        (
            lambda x: map_coordinates(x[0, 0, :, 0], [0.0], 1),
            r"map_coordinates: expected coordinates \[1, …\].*got float32\[1\]",
        ),
        (lambda x: map_coordinates(1.0, [[0.0]], 1), r"map_coordinates: expected coordinates \[0, …\]"),
        (
            lambda x: map_coordinates(np.ones((0, 2)), [[0.0], [1.0]], 1),
            r"map_coordinates: expected inputs with elements, got float64\[0, 2\]",
        ),
        (
            lambda x: affine_transform(x, IDENTITY, "bicubic"),
            "affine_transform: expected interpolation to be one of 'nearest', 'bilinear', got 'bicubic'",
        ),
        (
            lambda x: affine_transform(x, IDENTITY, fill_mode="edge"),
            "affine_transform: expected fill_mode to be one of",
        ),
        (
            lambda x: affine_transform(x, IDENTITY[:6]),
            r"affine_transform: expected eight numbers, or \[n, 8\], as transform, got float32\[6\]",
        ),
        (
            lambda x: affine_transform(x, np.ones((1, 1, 8))),
            r"affine_transform: expected eight numbers.*got float64\[1, 1, 8\]",
        ),
        (
            lambda x: affine_transform(x, [IDENTITY] * 3),
            r"affine_transform: expected a transform for each image or one for all, got 3 for float64\[2, 4, 5, 3\]",
        ),
        (
            lambda x: affine_transform(x[0], [IDENTITY] * 2),
            r"affine_transform: expected a transform for each image or one for all, got 2 for float64\[4, 5, 3\]",
        ),
        (
            lambda x: affine_transform(x.astype("int8"), IDENTITY, fill_value=float("nan")),
            "affine_transform: expected a finite fill_value for int8 images, got nan",
        ),
        (
            lambda x: perspective_transform(x, SQUARE, SQUARE, "area"),
            "perspective_transform: expected interpolation to be one of 'nearest', 'bilinear', got 'area'",
        ),
        (
            lambda x: perspective_transform(x, SQUARE[:3], SQUARE),
            r"perspective_transform: expected \[4, 2\] or \[n, 4, 2\] as start_points, got float64\[3, 2\]",
        ),
        (
            lambda x: perspective_transform(x, SQUARE, SQUARE[0]),
            r"perspective_transform: expected \[4, 2\] or \[n, 4, 2\] as end_points, got float64\[2\]",
        ),
        (
            lambda x: perspective_transform(x, SQUARE, SQUARE[None]),
            r"perspective_transform: expected as many end_points as start_points, got float64\[1, 4, 2\] for f",
        ),
        (
            lambda x: perspective_transform(x, np.stack([SQUARE] * 3), np.stack([SQUARE] * 3)),
            r"perspective_transform: expected points for each image or one for all, got 3 for float64\[2, 4, 5, 3\]",
        ),
        (lambda x: elastic_transform(x, sigma=0), "elastic_transform: expected a number > 0 as sigma, got 0"),
        (
            lambda x: elastic_transform(x, sigma=Tensor(1.0)),
            r"elastic_transform: expected a number > 0 as sigma, got float32\[\]",
        ),
        (
            lambda x: elastic_transform(x, interpolation="cubic"),
            "elastic_transform: expected interpolation to be one of",
        ),
        (lambda x: elastic_transform(x, fill_mode="zero"), "elastic_transform: expected fill_mode to be one of"),
        (lambda x: elastic_transform(x, seed="a"), "seed: expected an integer, a SeedGenerator or None, got 'a'"),
    ],
)
def test_refusals(call, text):
    with pytest.raises(ValueError, match=f"^{text}"):
        call(np.ones((2, 4, 5, 3)))
