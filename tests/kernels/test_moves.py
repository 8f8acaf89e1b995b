"""Strided copies equal NumPy's for every item size, tail, order of axes and number of threads."""

import itertools

import numpy as np
import pytest

from eagerly import dtypes, kernels
from eagerly.kernels import moves
from eagerly.primitive import REGISTRY
from eagerly.tensor import AbstractTensor

DTYPES = [np.uint8, np.int16, np.float32, np.float64]
pytestmark = pytest.mark.usefixtures("made")


def numbers(*shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).integers(0, 200, shape).astype(dtype)


def copied(x, base):
    """The elements of a view of a contiguous array, by a launch."""
    strides = tuple(stride // x.itemsize for stride in x.strides)
    start = (x.__array_interface__["data"][0] - base.__array_interface__["data"][0]) // x.itemsize
    part = (x.shape, 0, tuple(s // x.itemsize for s in np.empty(x.shape, x.dtype).strides), 1, start, strides)
    y = np.zeros(x.shape, x.dtype)
    kernels.launch("moves", x.itemsize, x.size, 1, (part,))(y, base)
    return y


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_order_of_axes(dtype):
    base = numbers(2, 3, 5, 7, dtype=dtype)
    for axes in itertools.permutations(range(4)):
        x = base.transpose(axes)
        np.testing.assert_array_equal(copied(x, base), x)
    wide = numbers(2, 3, 2, 3, 2, 3, dtype=dtype)
    np.testing.assert_array_equal(copied(wide.transpose(5, 3, 1, 4, 2, 0), wide), wide.transpose(5, 3, 1, 4, 2, 0))


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_tail_of_a_transposed_matrix(dtype):
    for rows, columns in itertools.product([1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 50], repeat=2):
        base = numbers(rows, columns, dtype=dtype)
        np.testing.assert_array_equal(copied(base.T, base), base.T)
    base = numbers(3, 300, 170, dtype=dtype)
    np.testing.assert_array_equal(copied(base.swapaxes(1, 2), base), base.swapaxes(1, 2))


@pytest.mark.parametrize("dtype", DTYPES)
def test_strides_of_all_kinds(dtype):
    base = numbers(6, 10, 40, dtype=dtype)
    for x in (
        base[::-1, ::3, 5:],
        base[..., ::-1],
        base[2:3],
        base[:, 4],
        np.broadcast_to(base[:1, :, :1], base.shape),
    ):
        np.testing.assert_array_equal(copied(x, base), x)


def test_a_long_axis_is_shared_by_tasks(threads):
    for size in (2**15, 2**17 + 3):
        base = numbers(size + 5)
        for number in (1, 2, 3):
            threads(number)
            np.testing.assert_array_equal(copied(base[5:], base), base[5:])
    part = moves.Part((2**17 + 3,), 0, (1,), 1, 5, (1,))
    assert len(moves._pieces(part, moves.axes_of(part), moves.SLAB // 4)) == 2


def test_what_has_no_kernel():
    seven = ((2,) * 7, 0, tuple(3**i for i in range(7)), 1, 0, tuple(3**i for i in reversed(range(7))))
    assert kernels.launch("moves", 4, 2**7, 1, (seven,)) is None
    assert kernels.launch("moves", 16, 4, 1, (((4,), 0, (1,), 1, 0, (1,)),)) is None


def check(name, *arrays, **options):
    """The rule for graphs gives what the operation gives."""
    primitive = REGISTRY[name]
    expected = np.asarray(primitive(*arrays, **options))
    launch = primitive.kernel_rule(*(AbstractTensor(x.shape, x.dtype) for x in arrays), **options)
    y = np.full(expected.shape, 77, expected.dtype)
    launch(y, *arrays)
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "bfloat16", "float16", "float32", "float64", "int64"])
@pytest.mark.parametrize("n", [0, 1, 3, 40])
def test_rules_for_graphs(dtype, n):
    x, z = (numbers(n, 5, size, dtype=dtypes.dtype(dtype)) for size in (9, 20))
    check("transpose", x)
    check("transpose", x, axes=(1, -1, 0))
    check("getitem", x, key=(slice(None), 2))
    check("getitem", x, key=(Ellipsis, slice(6, None, -2), None))
    check("getitem", x, key=())
    check("pad", x, widths=((0, 2), (1, 0), (3, 4)), value=1)
    check("pad", x, widths=((0, 0), (0, 0), (0, 0)))
    check("concatenate", x, axis=0)
    check("concatenate", x, z, x, axis=-1)
    check("concatenate", x, x, axis=0)
    check("concatenate", z, z, axis=1)
    if dtype != "bool":
        check("scatter", x, key=(slice(None), slice(0, 10, 2), slice(1, 10)), shape=(n, 10, 11))
        check("scatter", x, key=(2,), shape=(4, *x.shape))
        check("scatter", x, key=(Ellipsis, slice(None, None, -1)), shape=x.shape)


def test_filling_reaches_each_byte(threads):
    for number, dtype in itertools.product((1, 3), DTYPES):
        threads(number)
        for size in (1, 5, 31, 100, 70001):
            x = numbers(1, size, dtype=dtype)
            check("pad", x, widths=((1, 2), (0, 1)), value=200)


def test_scalars():
    check("transpose", np.array(3.0, np.float32))
    check("pad", np.array(3.0, np.float32), widths=())
    check("getitem", numbers(4), key=(2,))
