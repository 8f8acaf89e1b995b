"""The bits of a tensor as another dtype."""

import numpy as np
import pytest

from eagerly import dtypes, ops
from eagerly.dimensions import unknown
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from eagerly.variable import Variable

NAMES = [name for name in dtypes.NAMES if name != "bool"]


@pytest.mark.parametrize("old", [*NAMES, "bool"])
@pytest.mark.parametrize("new", NAMES)
def test_bits_are_those_of_numpy(old, new):
    x = np.arange(96).reshape(2, 3, 16).astype(dtypes.dtype(old))
    for array in (x, np.asfortranarray(x), x[:, ::-1], x[..., :16], np.repeat(x, 2, -1)[..., ::2]):
        result = ops.view(Tensor(array), new)
        expected = np.ascontiguousarray(array).view(dtypes.dtype(new))
        assert (result.shape, result.dtype) == (expected.shape, expected.dtype)
        assert result.numpy().tobytes() == expected.tobytes()
        inferred = ops.view(AbstractTensor(array.shape, old), new)
        assert (inferred.shape, inferred.dtype) == (expected.shape, expected.dtype)
        assert ops.view(result, old).numpy().tobytes() == array.tobytes()


def test_truth_values_are_bytes_that_are_not_zero():
    assert ops.view(Tensor([[0, 1, 255, 2]], "uint8"), "bool").tolist() == [[False, True, True, True]]
    assert ops.sum(ops.view(Tensor([2, 2], "uint8"), "bool")).tolist() == 2
    assert ops.view(Tensor([256], "int32"), bool).tolist() == [False, True, False, False]


def test_scalars_and_the_own_dtype():
    assert ops.view(1.0, "int32").tolist() == 1065353216
    x = Variable([1.0, 2.0])
    with GradientTape(persistent=True) as tape:
        same, other = ops.view(x), ops.view(ops.view(x, "int32"), "float32")
    assert type(same) is Tensor and same.tolist() == other.tolist() == [1.0, 2.0]
    assert tape.gradient(same, x).tolist() == [1.0, 1.0]
    assert tape.gradient(other, x) is None


def test_unknown_sizes():
    n = unknown("n")
    assert ops.view(AbstractTensor((n, 4)), "float64").dims == (n, 2)
    assert ops.view(AbstractTensor((2, n)), "int8").dims == (2, n * 4)
    assert ops.view(AbstractTensor((n * 2,), "int8"), "int16").dims == (n,)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ops.view(Tensor(1.0), "float16"), ["view: ", "float16", "float32[]"]),
        (
            lambda: ops.view(Tensor([1.0, 2.0, 3.0]), "float64"),
            ["view: ", "whole elements of float64", "float32[3]"],
        ),
        (lambda: ops.view(AbstractTensor((3,)), "int64"), ["view: ", "whole elements of int64", "float32[3]"]),
        (lambda: ops.view([1.0], "float23"), ["dtype: expected one of", "'float23'"]),
    ],
)
def test_errors_name_operation_expected_and_given(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)
