"""Masks: who makes them, who hands them on, who gets them, and that no tensor of the caller's changes."""

import re
import warnings

import numpy as np
import pytest

from eagerly import losses, ops
from eagerly.layers import (
    Activation,
    BatchNormalization,
    Concatenate,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GroupNormalization,
    Input,
    Layer,
    LayerNormalization,
    LeakyReLU,
    UnitNormalization,
)
from eagerly.models import Model, Sequential
from eagerly.tensor import Tensor

WORDS = np.array([[1, 2, 0], [3, 0, 0]])
MASK = (WORDS != 0).tolist()


def mask_of(x):
    mask = getattr(x, "_mask", None)
    return None if mask is None else mask.tolist()


def embedded(**options):
    return Embedding(4, 2, mask_zero=True, **options)(WORDS)


class Asks(Layer):
    """Takes the mask."""

    def call(self, x, training=None, mask=None):
        self.seen = mask
        return x * 1.0


class Marks(Layer):
    """Makes a mask and returns its very input."""

    def call(self, x):
        return x

    def compute_mask(self, inputs, previous_mask):
        return ops.not_equal(inputs, 0)


def test_an_embedding_masks_zeros_only_if_told():
    assert mask_of(embedded()) == MASK
    assert mask_of(Embedding(4, 2)(WORDS)) is None


@pytest.mark.parametrize(
    "layer",
    [
        Dense(2),
        Dropout(0.5),
        BatchNormalization(),
        LayerNormalization(),
        GroupNormalization(2),
        UnitNormalization(),
        Activation("relu"),
        Activation("linear"),
        LeakyReLU(),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_that_hand_masks_on(layer):
    assert layer.supports_masking
    for training in (False, True):
        assert mask_of(layer(embedded(), training=training)) == MASK
    assert mask_of(layer(embedded()._array)) is None


def test_plain_operations_drop_masks():
    assert mask_of(embedded() * 2.0) is None and mask_of(+embedded()) is None


def test_masks_survive_a_change_of_dtype():
    assert mask_of(Dense(2)(embedded(dtype="float64"))) == MASK


def test_a_layer_that_cannot_take_masks_says_so():
    x = embedded()
    message = "Flatten 'flat' does not support masks; the mask of its input ends here."
    with pytest.warns(UserWarning, match=re.escape(message)) as caught:
        y = Flatten(name="flat")(x)
    assert mask_of(y) is None and caught[0].filename == __file__
    flat = Flatten(name="flat")
    with pytest.warns(UserWarning, match=re.escape(message)) as caught:
        flat(x)
        flat(x)
    assert {warning.filename for warning in caught} == {__file__}


def test_a_mask_that_ends_is_gone_even_if_the_input_comes_back():
    class Same(Layer):
        def call(self, x):
            return x

    x = embedded()
    with pytest.warns(UserWarning, match="does not support masks"):
        y = Same()(x)
    assert mask_of(y) is None and mask_of(x) == MASK


def test_the_callers_tensor_gets_no_mask():
    x = Tensor([[1.0, 0.0]])
    y = Marks()(x)
    assert mask_of(y) == [[True, False]] and y.tolist() == x.tolist()
    assert mask_of(x) is None


@pytest.mark.parametrize("how", ["alone", "name", "position"])
def test_call_gets_the_mask_it_names(how):
    layer, x, other = Asks(), embedded(), Tensor([[True] * 3] * 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if how == "alone":
            layer(x)
        elif how == "name":
            layer(x, mask=other)
        else:
            layer(x, True, other)
    assert (layer.seen.tolist() if how == "alone" else layer.seen is other) == (MASK if how == "alone" else True)
    layer(x, False, None)
    assert layer.seen.tolist() == MASK
    layer(+x)
    assert layer.seen is None


def test_masks_of_several_inputs():
    class Pair(Layer):
        def call(self, inputs, mask=None):
            self.seen = mask
            return inputs["a"] * 1.0, inputs["b"][0] * 1.0

        def compute_mask(self, inputs, previous_mask):
            return previous_mask["a"], None

    layer = Pair()
    first, second = layer({"a": embedded(), "b": [ops.ones((2, 2))]})
    assert layer.seen["a"].tolist() == MASK and layer.seen["b"] == [None]
    assert mask_of(first) == MASK and mask_of(second) is None


# Values from Keras 3.
@pytest.mark.parametrize(
    ("axis", "masked", "expected"),
    [
        (-1, (True, True), MASK),
        (-1, (True, False), [[True] * 3] * 2),
        (1, (True, False), [row + [True] * 3 for row in MASK]),
        (1, (True, True), [row + row for row in MASK]),
        (1, (False, False), None),
    ],
)
def test_concatenate_joins_masks(axis, masked, expected):
    inputs = [embedded() if each else ops.ones((2, 3, 2)) for each in masked]
    assert mask_of(Concatenate(axis)(inputs)) == expected


def test_masks_go_through_models_to_the_loss():
    truth = np.arange(6.0).reshape(2, 3, 1)
    head = Dense(1)
    stack = Sequential([Embedding(4, 2, mask_zero=True), Dense(3, "tanh"), head])
    x = Input((3,), dtype="int32")
    functional = Model(x, stack(x))
    prediction = stack(WORDS)
    kept = np.array(MASK)[..., None]
    expected = (((prediction.numpy() - truth) ** 2) * kept).sum() / kept.sum()
    for model in (stack, functional):
        assert mask_of(model(WORDS)) == MASK
        np.testing.assert_allclose(losses.MeanSquaredError()(truth, model(WORDS)), expected, rtol=1e-6)


def test_masked_places_do_not_count_in_batch_statistics():
    norm = BatchNormalization(momentum=0.0)
    x = np.where(np.array(MASK)[..., None], np.arange(12.0).reshape(2, 3, 2), 1e6)
    norm(x, training=True, mask=Tensor(MASK))
    kept = np.arange(12.0).reshape(2, 3, 2)[np.array(MASK)]
    np.testing.assert_allclose(norm.moving_mean, kept.mean(0), rtol=1e-6)
    np.testing.assert_allclose(norm.moving_variance, kept.var(0), rtol=1e-5)
