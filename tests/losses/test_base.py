"""Losses of users: subclasses, wrapped functions, and what they are refused for."""

import numpy as np
import pytest

from eagerly import losses, ops


class Distance(losses.Loss):
    def call(self, y_true, y_pred):
        assert y_true.dtype == y_pred.dtype == "float32"
        return ops.mean(ops.abs(y_true - y_pred), axis=-1)


def test_a_users_loss():
    assert Distance().name == "distance"
    assert float(Distance()(np.array([[1], [2]], "uint8"), [[0], [0]])) == 1.5
    assert float(Distance("mine", "sum")([[1.0], [2.0]], [[0.0], [0.0]], [1.0, 0.5])) == 2.0
    assert repr(Distance(name="mine")) == "<Distance 'mine', reduction='sum_over_batch_size'>"
    assert Distance(name="a").get_config() == {"name": "a", "reduction": "sum_over_batch_size", "dtype": None}
    with pytest.raises(NotImplementedError, match=r"Loss 'loss': expected a call\(\)"):
        losses.Loss()([[1.0]], [[1.0]])
    with pytest.raises(ValueError, match="Distance 'distance': expected a reduction to one number, got None"):
        Distance(reduction=None).total_and_count([[1.0]], [[1.0]])


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", None])
def test_labels_keep_their_values_in_every_dtype(dtype):
    seen = []

    class Looking(losses.Loss):
        def call(self, y_true, y_pred):
            seen.append(y_true.tolist())
            return ops.sum(y_pred, axis=-1)

    labels = np.array([257, 2049])
    Looking(dtype=dtype)(labels, np.zeros((2, 3)))
    assert seen == [[257.0, 2049.0]]
    y_pred = np.full((2, 3000), -50.0, "float32")
    y_pred[[0, 1], labels] = 50.0
    for loss in (
        losses.SparseCategoricalCrossentropy(from_logits=True, dtype=dtype),
        losses.LossFunctionWrapper(losses.sparse_categorical_crossentropy, dtype=dtype, from_logits=True),
    ):
        assert float(loss(labels, y_pred)) == 0.0


def test_unsigned_labels_do_not_wrap_around():
    def hinge(y_true, y_pred):
        return ops.mean(ops.maximum(1.0 - (2 * y_true - 1) * y_pred, 0.0), axis=-1)

    for dtype in ("uint8", "bool", "int64"):
        assert float(losses.LossFunctionWrapper(hinge)(np.array([[0], [1]], dtype), [[0.5], [0.5]])) == 1.0


def test_reductions_that_are_unknown_are_refused():
    with pytest.raises(ValueError, match="MeanSquaredError: expected one of 'sum_over_batch_size'.*got 'avg'"):
        losses.MeanSquaredError("avg")
    with pytest.raises(ValueError, match="Did you mean 'mean'?"):
        losses.Loss(reduction="men")


def test_a_function_as_a_loss():
    def scaled(y_true, y_pred, factor):
        return ops.mean(ops.abs(y_true - y_pred), axis=-1) * factor

    loss = losses.LossFunctionWrapper(scaled, factor=3.0)
    assert loss.name == "scaled"
    assert float(loss([1.0, 1.0], [[0.0], [1.0]])) == 1.5
    # a user's function sees two vectors as they are, as in Keras
    assert losses.LossFunctionWrapper(scaled, reduction=None, factor=1.0)([1.0, 1.0], [0.0, 1.0]).shape == ()
    wrapped = losses.LossFunctionWrapper(losses.mean_squared_error, reduction=None)
    assert wrapped([1.0, 1.0], [0.0, 1.0]).tolist() == [1.0, 0.0]
    with pytest.raises(
        ValueError, match="LossFunctionWrapper 'mean_squared_error': expected y_true and y_pred of one shape"
    ):
        wrapped([1.0, 1.0], [1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="expected a function of labels and predictions, got 'mse'"):
        losses.LossFunctionWrapper("mse")


def test_a_users_subclass_of_a_library_loss():
    class Scaled(losses.Huber):
        def __init__(self, factor):
            super().__init__(delta=2.0, name="scaled")
            self.factor = factor

        def call(self, y_true, y_pred):
            return super().call(y_true, y_pred) * self.factor

    assert float(Scaled(10.0)([[0.0]], [[1.0]])) == 5.0
    assert Scaled(10.0).get_config() == {"factor": 10.0}


def test_unknown_arguments_are_refused():
    with pytest.raises(TypeError, match=r"BinaryCrossentropy: .*'from_logit'"):
        losses.BinaryCrossentropy(from_logit=True)
