"""The built-in data set: real digits, split once and for all."""

import numpy as np

import eagerly


def test_shapes_dtypes_and_ranges():
    (x_train, y_train), (x_test, y_test) = eagerly.datasets.digits.load_data()
    assert (x_train.shape, y_train.shape, x_test.shape, y_test.shape) == ((1437, 8, 8), (1437,), (360, 8, 8), (360,))
    for x, y in ((x_train, y_train), (x_test, y_test)):
        assert x.dtype == y.dtype == np.uint8
        assert (x.min(), x.max(), y.min(), y.max()) == (0, 16, 0, 9)
        assert np.bincount(y).min() >= 25


def test_each_call_gives_arrays_of_ones_own():
    first, _ = eagerly.datasets.digits.load_data()
    first[0][:] = 0
    second, _ = eagerly.datasets.digits.load_data()
    assert second[0].max() == 16


def test_no_image_is_in_both_parts():
    (x_train, _), (x_test, _) = eagerly.datasets.digits.load_data()
    train = {image.tobytes() for image in x_train}
    assert sum(image.tobytes() in train for image in x_test) <= 1


def test_digits_of_one_kind_look_alike():
    (x_train, y_train), (x_test, y_test) = eagerly.datasets.digits.load_data()
    means = np.stack([x_train[y_train == digit].mean(0).ravel() for digit in range(10)])
    distances = ((x_test.reshape(-1, 1, 64) - means) ** 2).sum(-1)
    assert (distances.argmin(-1) == y_test).mean() > 0.85
