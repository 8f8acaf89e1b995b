"""What every public operation does with what it cannot take: an error that names it and what came, or a result."""

import inspect
import zlib

import numpy as np
import pytest

from domains.values import ALL
from eagerly import dtypes, nest
from eagerly.context import context
from eagerly.errors import TraceError
from eagerly.tensor import AbstractTensor, Tensor
from public_ops import ROWS, find

REFUSALS = (TypeError, ValueError, IndexError, OverflowError)  # TraceError and GradientError are some of these
NAMES = sorted(name for name, rows in ROWS.items() if rows[0].shapes(2, 2))


def arguments(name, index=0, dtype="float32"):
    row = ROWS[name][index]
    return row, row.draw(np.random.default_rng(zlib.crc32(name.encode())), 4, 3, dtype)


def said(error):
    """All that a traceback shows of an error."""
    return "\n".join([str(error), *getattr(error, "__notes__", ())])


def assert_named(error, name):
    """The operation is named, or the one that a row puts around it; no scope is left open."""
    text = said(error)
    assert name.rpartition(".")[2] in text or "In ops." in text or text.partition(": ")[0] in ROWS, text
    assert context.is_clean()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [*ALL, "complex64", "uint64", "int8"])
def test_any_dtype_gives_what_the_shape_rule_says_or_is_refused_by_name(name, dtype):
    for index in range(min(len(ROWS[name]), 3)):
        row, arrays = arguments(name, index)
        with np.errstate(invalid="ignore"):  # of NaNs made integers
            first = arrays[0].astype(dtypes.dtype(dtype))
        tensors = [Tensor(first, dtype), *map(Tensor, arrays[1:])]
        try:
            results = nest.flatten(row.call(*tensors))
        except REFUSALS as error:
            assert_named(error, name)
            continue
        if not row.sized:
            continue
        symbols = nest.flatten(row.call(*(AbstractTensor(x.shape, x.dtype) for x in tensors)))
        assert [x.dtype for x in symbols] == [x.dtype for x in results]


def with_axis():
    found = []
    for name in NAMES:
        parameters = inspect.signature(find(name)).parameters
        found += [(name, axis) for axis in ("axis", "axes", "axis1") if axis in parameters]
    return found


@pytest.mark.parametrize(("name", "axis"), with_axis())
def test_an_axis_that_is_not_there_is_named(name, axis):
    required = [p for p in inspect.signature(find(name)).parameters.values() if p.default is p.empty and p.name != axis]
    _, arrays = arguments(name)
    given = arrays[: len(required)]
    if len(given) < len(required):
        given += [1] * (len(required) - len(given))
    if name in ("concatenate", "stack"):
        given = [[Tensor(x) for x in arrays]]
    for value in (99, -99):
        for convert in (Tensor, lambda x: AbstractTensor(x.shape, x.dtype)):
            inputs = [convert(x) if isinstance(x, np.ndarray) else x for x in given]
            with pytest.raises(REFUSALS) as caught:
                find(name)(*inputs, **{axis: value})
            assert_named(caught.value, name)
            assert str(value) in said(caught.value)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", ["text", None, object(), {"a": 1}, [[1.0, [2.0]], [3.0]], ["a", 1.0]])
def test_what_is_no_tensor_is_refused_by_name(name, value):
    parameters = list(inspect.signature(find(name)).parameters.values())
    if parameters[0].default is None:
        pytest.fail("an operation whose first argument may be missing needs a test of its own")
    _, arrays = arguments(name)
    required = [p for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    others = [Tensor(x) for x in arrays[1 : len(required)]]
    others += [1] * (len(required) - 1 - len(others))
    with pytest.raises((*REFUSALS, AttributeError)) as caught:
        find(name)(value, *others)
    assert_named(caught.value, name)


@pytest.mark.parametrize("name", [name for name in NAMES if len(ROWS[name][0].shapes(2, 2)) > 1])
def test_shapes_that_do_not_fit_are_shown(name):
    row, arrays = arguments(name)
    odd = np.ones((5, 7, 11, 13), arrays[1].dtype)
    for convert in (Tensor, lambda x: AbstractTensor(x.shape, x.dtype)):
        inputs = [convert(x) for x in (arrays[0], odd, *arrays[2:])]
        try:
            row.call(*inputs)
        except TraceError:
            raise
        except REFUSALS as error:
            assert_named(error, name)
            assert "5, 7, 11, 13" in said(error) or "[5" in said(error), said(error)
