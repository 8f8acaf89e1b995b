"""Every primitive against its own shape rule, gradients against differences, for the rows of `domains.py`."""

import itertools
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import eagerly.random  # noqa: F401 - registers the random primitives
from domains import DOMAINS
from domains.values import FLOATS
from eagerly import dtypes, nest
from eagerly.dimensions import Dim, unknown
from eagerly.primitive import REGISTRY
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor, wrap
from gradients import check_gradients

CASES = [(name, i) for name, domain in DOMAINS.items() for i in range(len(domain.cases))]
TYPED = [(name, dtype) for name, domain in DOMAINS.items() for dtype in domain.dtypes]
FLOATING = [name for name, domain in DOMAINS.items() if "float64" in domain.dtypes]
DIFFERENTIABLE = [name for name in FLOATING if REGISTRY[name].differentiable]
ROWS = [(name, i) for name in DIFFERENTIABLE for i in range(len(DOMAINS[name].cases))]
GRADED = [(name, dtype) for name in DIFFERENTIABLE for dtype in FLOATS if dtype in DOMAINS[name].dtypes]
TOLERANCE = {"float16": 2e-2, "bfloat16": 2e-1}


def drawn(name, index, n=2, m=3, dtype="float64", seed=0):
    domain = DOMAINS[name]
    rng = np.random.default_rng([zlib.crc32(f"{name} {index}".encode()), seed])
    return domain.draw(rng, domain.cases[index], n, m, dtype)


def outputs_of(result):
    return list(result) if isinstance(result, tuple) else [result]


def evaluated(size, **values):
    """A size with integers for its unknowns; a dimension prints as the expression that it is. None for another's."""
    if not isinstance(size, Dim):
        return size
    try:
        return eval(repr(size), {"min": min, "max": max}, values)
    except NameError:
        return None


def stands_for(name, inferred, shape):
    """Whether an inferred shape is the one found, or may be, where sizes depend on values."""
    open_end = not DOMAINS[name].sized
    return len(inferred) == len(shape) and all(
        size == found or (open_end and not isinstance(size, int)) for size, found in zip(inferred, shape, strict=True)
    )


def wide(array):
    """The values in double precision."""
    return np.asarray(array, np.complex128 if array.dtype.kind == "c" else np.float64)


def apart(array):
    """The same values, with a gap between any two elements and in the other order."""
    if not array.ndim:
        return array
    spread = np.zeros((*(2 * size for size in array.shape),), array.dtype, order="F")
    view = spread[(slice(None, None, 2),) * array.ndim]
    view[...] = array
    return view


def test_every_primitive_has_a_row():
    ours = {name for name, primitive in REGISTRY.items() if primitive.__module__.startswith("eagerly.")}
    assert set(DOMAINS) == ours


@pytest.mark.parametrize("name", DOMAINS)
def test_every_primitive_says_what_its_gradient_is(name):
    assert REGISTRY[name].differentiable is not None, f"{name} needs defvjp; defvjp(None) if it has no gradient"
    assert REGISTRY[name].__doc__


def spaces(name):
    """The sizes n and m to try a primitive with."""
    return [(2, 3), (1, 1), (5, 2), *([(0, 3)] if DOMAINS[name].empty else [])]


def cases(name, dtype="float64", sizes=((2, 3),)):
    """Inputs and params of every case."""
    for index, (n, m) in itertools.product(range(len(DOMAINS[name].cases)), sizes):
        yield drawn(name, index, n, m, dtype)


@pytest.mark.parametrize(("name", "dtype"), TYPED)
def test_shape_rule_is_what_happens(name, dtype):
    for arrays, params in cases(name, dtype, spaces(name)):
        results = outputs_of(REGISTRY[name](*map(Tensor, arrays), **params))
        inferred = outputs_of(REGISTRY[name](*(AbstractTensor(x.shape, x.dtype) for x in arrays), **params))
        assert [x.dtype for x in inferred] == [x.dtype for x in results]
        assert all(stands_for(name, x.shape, y.shape) for x, y in zip(inferred, results, strict=True))
        assert all(type(x) is Tensor and type(x._array) is np.ndarray for x in results)


@pytest.mark.parametrize(("name", "dtype"), TYPED)
def test_bare_arrays_in_bare_arrays_out_and_nothing_changes(name, dtype):
    for arrays, params in cases(name, dtype):
        before = [x.tobytes() for x in arrays]
        tensors = [wrap(x.copy()) for x in arrays]
        bare = outputs_of(REGISTRY[name](*arrays, **params))
        wrapped = outputs_of(REGISTRY[name](*tensors, **params))
        spread = outputs_of(REGISTRY[name](*(wrap(apart(x)) for x in arrays), **params))
        for x, y, z in zip(bare, wrapped, spread, strict=True):
            assert isinstance(x, np.ndarray | np.generic)
            assert (x.shape, x.dtype) == (y.shape, y.dtype)
            np.testing.assert_array_equal(x, y)
            rtol = TOLERANCE.get(x.dtype.name, 1e-6)
            np.testing.assert_allclose(wide(z), wide(x), rtol=rtol)
        assert [x.tobytes() for x in arrays] == before
        assert [x.numpy().tobytes() for x in tensors] == before


@pytest.mark.parametrize(("name", "index"), CASES)
def test_unknown_dimensions_stand_for_any_size(name, index):
    domain = DOMAINS[name]
    dtype = domain.dtypes[0]
    n, m = unknown("n"), unknown("m")
    for sizes in [(2, 3), (4, 2), *([(0, 3)] if domain.empty else [])]:
        arrays, params = drawn(name, index, *sizes, dtype)
        results = outputs_of(REGISTRY[name](*map(Tensor, arrays), **params))
        for symbols in ((n, sizes[1]), (sizes[0], m), (n, m)):
            shapes, params = domain.cases[index](*symbols)
            abstract = [AbstractTensor(shape, x.dtype) for shape, x in zip(shapes, arrays, strict=True)]
            inferred = outputs_of(REGISTRY[name](*abstract, **params))
            for result, symbol in zip(results, inferred, strict=True):
                found = tuple(evaluated(size, n=sizes[0], m=sizes[1]) for size in symbol.dims)
                assert stands_for(name, found, result.shape) and symbol.dtype == result.dtype, symbol.dims


def visible(name, result):
    """What the caller of a primitive sees: no residuals."""
    primitive = REGISTRY[name]
    if not isinstance(result, tuple):
        return result
    return result[0] if primitive.outputs == 1 else result[: primitive.outputs]


def is_float(result):
    return all(dtypes.is_float(y.dtype) for y in nest.flatten(result))


def floats(tensors):
    return [x for x in tensors if dtypes.is_float(x.dtype)]


@pytest.mark.parametrize(("name", "index"), ROWS)
@settings(max_examples=4, deadline=None, derandomize=True)
@given(n=st.integers(0, 4), m=st.integers(1, 4), seed=st.integers(0, 2**32 - 1))
def test_gradients_agree_with_differences(name, index, n, m, seed):
    arrays, params = drawn(name, index, n if DOMAINS[name].empty else max(n, 1), m, seed=seed)
    sources = floats(arrays)

    def function(*tensors):
        remaining = iter(tensors)
        inputs = [next(remaining) if dtypes.is_float(x.dtype) else Tensor(x) for x in arrays]
        return visible(name, REGISTRY[name](*inputs, **params))

    if name != "cast" or params["dtype"] == np.float64:  # other casts are too coarse for differences
        check_gradients(function, sources)


def test_the_gradient_of_a_cast_is_cast_back():
    x = Tensor([1.0, 2.0], "float64")
    with GradientTape(persistent=True) as tape:
        tape.watch(x)
        narrow = REGISTRY["cast"](x, dtype="float16") * 3.0
        whole = REGISTRY["cast"](REGISTRY["cast"](x, dtype="int32"), dtype="float64")
    assert tape.gradient(narrow, x).tolist() == [3.0, 3.0]
    assert tape.gradient(whole, x) is None


@pytest.mark.parametrize(("name", "dtype"), GRADED)
def test_gradients_have_the_inputs_shape_and_dtype(name, dtype):
    for arrays, params in cases(name, dtype, spaces(name)):
        tensors = [wrap(apart(x)) for x in arrays]
        sources = floats(tensors)
        for recording in (False, True):
            with GradientTape(persistent=True) as tape:
                tape.watch(sources)
                y = visible(name, REGISTRY[name](*tensors, **params))
                if recording and is_float(y):  # the rules run on Tensors here, on arrays below
                    gradients = tape.gradient(y, sources)
            if not is_float(y):
                continue
            gradients = gradients if recording else tape.gradient(y, sources)
            for x, g in zip(sources, gradients, strict=True):
                assert type(g) is Tensor
                assert (g.shape, g.dtype) == (x.shape, x.dtype)


@pytest.mark.parametrize(("name", "index"), ROWS)
def test_gradients_of_unknown_dimensions(name, index):
    sizes = {"n": 2, "m": 3}
    arrays, _ = drawn(name, index)
    for n, m in itertools.product((unknown("n"), 2), (unknown("m"), 3)):
        shapes, params = DOMAINS[name].cases[index](n, m)
        tensors = [AbstractTensor(shape, x.dtype) for shape, x in zip(shapes, arrays, strict=True)]
        sources = floats(tensors)
        with GradientTape() as tape:
            tape.watch(sources)
            y = visible(name, REGISTRY[name](*tensors, **params))
        if not is_float(y):
            continue
        for x, g in zip(sources, tape.gradient(y, sources), strict=True):
            assert g.dtype == x.dtype
            assert [evaluated(size, **sizes) for size in g.dims] == [evaluated(size, **sizes) for size in x.dims]


@pytest.mark.parametrize("name", [name for name in FLOATING if name not in DIFFERENTIABLE])
def test_no_gradient_where_none_is_defined(name):
    for arrays, params in cases(name):
        tensors = [Tensor(a) for a in arrays]
        with GradientTape() as tape:
            tape.watch(floats(tensors))
            y = [output * 1.0 for output in nest.flatten(visible(name, REGISTRY[name](*tensors, **params)))]
        assert tape.gradient(y, tensors) == [None] * len(tensors)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.sampled_from(["add", "subtract", "multiply", "divide", "mod", "power", "maximum", "minimum"]),
    npst.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=3),
    st.integers(0, 99),
)
def test_binary_gradients_under_broadcasting(name, shapes, seed):
    rng = np.random.default_rng(seed)
    values = (DOMAINS[name].values * 2)[:2]
    arrays = [draw(rng, shape, "float64") for draw, shape in zip(values, shapes.input_shapes, strict=True)]
    assert REGISTRY[name](*map(Tensor, arrays)).shape == shapes.result_shape
    assert REGISTRY[name](*(AbstractTensor(x.shape, x.dtype) for x in arrays)).shape == shapes.result_shape
    check_gradients(REGISTRY[name], arrays)


BINARY_NAMES = ["add", "subtract", "multiply", "divide", "floor_divide", "mod", "power", "maximum", "minimum"]


@pytest.mark.parametrize("name", BINARY_NAMES)
@pytest.mark.parametrize("number", [2, 2.5, True])
@pytest.mark.parametrize("swapped", [False, True])
def test_python_numbers_are_weak(name, number, swapped):
    for dtype in ("float16", "float32", "float64", "bfloat16", "int32", "uint8"):
        x = Tensor([1, 2, 3], dtype)
        operands = (number, x) if swapped else (x, number)
        expected = dtypes.result_type(x, number)
        if name == "divide":
            expected = dtypes.result_type(expected, float)
        result = REGISTRY[name](*operands)
        assert result.dtype == expected
        assert (
            REGISTRY[name](*(v if v is number else AbstractTensor((3,), v.dtype) for v in operands)).dtype == expected
        )
        bare = REGISTRY[name](*(v if v is number else v.numpy() for v in operands))
        assert bare.dtype == expected
        np.testing.assert_array_equal(bare, result.numpy())


@pytest.mark.parametrize("name", [name for name in BINARY_NAMES if name != "floor_divide"])
@pytest.mark.parametrize("swapped", [False, True])
def test_gradients_with_python_numbers_and_other_dtypes(name, swapped):
    for other in (3, 2.5, Tensor([2], "int32"), Tensor([2.5], "float64"), Tensor([2.5], "bfloat16")):
        for dtype in ("float16", "float32", "bfloat16"):
            x = Tensor([[1.5], [2.25]], dtype)
            with GradientTape() as tape:
                tape.watch(x)
                y = REGISTRY[name](*((other, x) if swapped else (x, other)))
            g = tape.gradient(y, x)
            assert (g.shape, g.dtype) == (x.shape, x.dtype)
