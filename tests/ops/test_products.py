"""Contractions against NumPy on random subscripts, the work they take, and what they refuse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eagerly import ops
from eagerly.dimensions import Dim, unknown
from eagerly.ops import contractions
from eagerly.recorder import Recorder, start, stop
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from gradients import check_gradients


def run(max_examples):
    return settings(max_examples=max_examples, deadline=None, derandomize=True)


def normal(*shape):
    return np.random.default_rng(0).standard_normal(shape)


def subscripts(seed):
    """Random subscripts and shapes, with letters repeated, "...", and sizes of 1 among them; some are wrong."""
    rng = np.random.default_rng(seed)
    letters = list("abcdeXY"[: rng.integers(1, 8)])
    size = {letter: int(rng.integers(1, 4)) for letter in letters}
    rest = rng.integers(1, 4, rng.integers(0, 3)).tolist()
    terms, shapes, dots = [], [], False
    for _ in range(rng.integers(1, 5)):
        term = [letters[i] for i in rng.integers(0, len(letters), rng.integers(0, 4))]
        shape = [size[i] if rng.random() < 0.9 or term.count(i) > 1 else 1 for i in term]
        if rng.random() < 0.4:
            place = rng.integers(0, len(term) + 1)
            shape[place:place] = [n if rng.random() < 0.8 else 1 for n in rest[rng.integers(0, len(rest) + 1) :]]
            term[place:place] = ["..."]
            dots = True
        terms.append("".join(term))
        shapes.append(tuple(shape))
    text = ",".join(terms)
    if rng.random() < 0.7:
        output = [i for i in sorted(set(text) & set(letters)) if rng.random() < 0.5]
        rng.shuffle(output)
        if dots and rng.random() < 0.9:
            output.insert(rng.integers(0, len(output) + 1), "...")
        text += "->" + "".join(output)
    return text, shapes


@run(500)
@given(st.integers(0, 2**32))
def test_einsum_is_that_of_numpy(seed):
    text, shapes = subscripts(seed)
    arrays = [np.random.default_rng(i).standard_normal(shape) for i, shape in enumerate(shapes)]
    try:
        expected = np.einsum(text, *arrays)
    except ValueError:
        with pytest.raises(ValueError, match=r"^einsum: .*, got"):
            ops.einsum(text, *arrays)
        return
    result = ops.einsum(text, *arrays)
    assert result.shape == expected.shape
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-10, atol=1e-10)
    symbols = {size: unknown(f"s{size}") for shape in shapes for size in shape}
    symbols[1] = 1
    abstract = ops.einsum(text, *(AbstractTensor(tuple(symbols[n] for n in shape), "float64") for shape in shapes))
    values = {f"s{size}": size for size in symbols}
    assert [eval(repr(d), {"max": max}, values) if isinstance(d, Dim) else d for d in abstract.dims] == [
        *expected.shape
    ]


@run(40)
@given(st.integers(0, 2**32))
def test_gradients_of_einsum(seed):
    text, shapes = subscripts(seed)
    arrays = [np.random.default_rng(i).standard_normal(shape) for i, shape in enumerate(shapes)]
    try:
        np.einsum(text, *arrays)
    except ValueError:
        return
    check_gradients(lambda *tensors: ops.einsum(text, *tensors), arrays, rtol=1e-5, atol=1e-6)


class Listener(Recorder):
    def __init__(self):
        self.names = []

    def record(self, primitive, inputs, params, outputs):
        self.names.append(primitive.name)


def work(text, *shapes):
    """The names of the primitives that a contraction runs."""
    listener = Listener()
    start(listener)
    try:
        ops.einsum(text, *(Tensor(np.ones(shape)) for shape in shapes))
    finally:
        stop(listener)
    return listener.names


@pytest.mark.parametrize(
    ("text", "shapes", "names"),
    [
        ("ij,jk->ik", [(2, 3), (3, 4)], ["matmul"]),
        ("bij,bjk->bik", [(5, 2, 3), (5, 3, 4)], ["matmul"]),
        ("...ij,...jk->...ik", [(6, 5, 2, 3), (6, 5, 3, 4)], ["matmul"]),
        ("ij,kj->ik", [(2, 3), (4, 3)], ["transpose", "matmul"]),
        ("ik,ij->jk", [(2, 3), (2, 4)], ["transpose", "matmul"]),
        ("bqhd,bkhd->bhqk", [(2, 3, 4, 5), (2, 6, 4, 5)], ["transpose", "transpose", "matmul"]),
        ("abc,cd->abd", [(2, 3, 4), (4, 5)], ["reshape", "matmul", "reshape"]),
        ("i,i->", [(3,), (3,)], ["reshape", "reshape", "matmul", "reshape"]),
        ("bi,bi->b", [(2, 3), (2, 3)], ["multiply", "sum"]),
        ("ij,ij->ij", [(2, 3), (2, 3)], ["multiply"]),
        ("i,j->ij", [(2,), (3,)], ["reshape", "reshape", "multiply"]),
        ("ij->ji", [(2, 3)], ["transpose"]),
        ("ij->ij", [(2, 3)], ["identity"]),
        ("ii->i", [(3, 3)], ["diagonal"]),
        ("ij->j", [(2, 3)], ["sum"]),
        ("ij,jk->k", [(2, 3), (3, 4)], ["sum", "reshape", "matmul", "reshape"]),
    ],
)
def test_the_work_of_a_contraction(text, shapes, names):
    assert work(text, *shapes) == names
    arrays = [normal(*shape) for shape in shapes]
    np.testing.assert_allclose(ops.einsum(text, *arrays).numpy(), np.einsum(text, *arrays), atol=1e-12)


def cost(terms, output, extent, steps):
    """The multiplications of contracting two terms at a time."""
    terms, total = [set(term) for term in terms], 0
    for i, j in steps:
        second, first = terms.pop(j), terms.pop(i)
        total += int(np.prod([extent[label] for label in first | second], dtype=object))
        terms.append((first | second) & set(output).union(*terms))
    assert len(terms) == 1
    return total


@run(60)
@given(st.integers(0, 2**32))
def test_operands_are_contracted_in_the_cheapest_order(seed):
    rng = np.random.default_rng(seed)
    extent = {label: int(rng.integers(2, 60)) for label in "abcdef"}
    terms = tuple("".join(rng.choice(list(extent), 2, replace=False)) for _ in range(rng.integers(3, 5)))
    output = "".join(sorted({*terms[0]} | {*terms[-1]}))
    kept = [label for label in extent if label in output or sum(label in term for term in terms) > 1]
    terms = tuple("".join(label for label in term if label in kept) for term in terms)  # others are summed before
    steps = contractions._order(tuple(map(tuple, terms)), tuple(output), extent)

    def every(count):
        if count == 1:
            return [[]]
        pairs = [(i, j) for j in range(count) for i in range(j)]
        return [[pair, *rest] for pair in pairs for rest in every(count - 1)]

    assert cost(terms, output, extent, steps) == min(cost(terms, output, extent, other) for other in every(len(terms)))


def test_a_long_chain_of_matrices_is_cheap_from_the_small_end():
    letters = "abcdefghij"
    text = ",".join(letters[i : i + 2] for i in range(9)) + "->aj"
    matrices = [normal(20, 20) for _ in range(8)] + [normal(20, 1)]
    np.testing.assert_allclose(ops.einsum(text, *matrices).numpy(), np.einsum(text, *matrices, optimize=True))
    extent = {**dict.fromkeys(letters, 20), "j": 1}
    steps = contractions._order(tuple(tuple(letters[i : i + 2]) for i in range(9)), ("a", "j"), extent)
    assert cost([letters[i : i + 2] for i in range(9)], "aj", extent, steps) == 8 * 20 * 20


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("bool", "bool"), "bool"),
        (("int8", "int8"), "int32"),
        (("uint8", "uint8"), "uint8"),
        (("uint8", "int8"), "int16"),
        (("int32", "float16"), "float16"),
        (("bfloat16", "bfloat16"), "bfloat16"),
        (("bfloat16", "float16"), "float32"),
        (("float32", "float64"), "float64"),
    ],
)
def test_dtypes(given, expected):
    x, y = (Tensor(np.ones((2, 2)), dtype) for dtype in given)
    a, b = (AbstractTensor((2, unknown("n")), dtype) for dtype in given)
    for result in (ops.einsum("ij,kj", x, y), ops.einsum("ij,kj->i", x, y), ops.einsum("ij,kj", a, b)):
        assert result.dtype == expected
    plain = "int8" if given == ("int8", "int8") else expected  # Keras widens int8 in einsum alone
    for product in (ops.tensordot, ops.dot, ops.inner, ops.outer, ops.kron, ops.vdot):
        assert product(x, y).dtype == plain, product
    if expected != "bool":
        assert ops.cross(ops.pad(x, ((0, 0), (0, 1))), ops.pad(y, ((0, 0), (0, 1)))).dtype == plain


def test_sums_of_small_dtypes_are_those_of_wide_ones():
    x = Tensor(np.full((1, 300), 20.0), "float16")
    assert ops.einsum("ij,ij->", x, x * 0.1).tolist() == pytest.approx(12000, rel=1e-2)
    assert ops.einsum("ij,ij->i", x * 20, x).tolist() == [np.inf]  # 2.4 million is beyond float16
    assert float(ops.einsum("ij,ij,->i", x * 20, x, 0.001)[0]) == pytest.approx(2400, rel=1e-2)
    ones = Tensor(np.ones(3000), "bfloat16")
    assert ops.dot(ones, ones).tolist() == pytest.approx(3000, rel=1e-2)
    assert ops.dot(Tensor([200, 100], "uint8"), Tensor([2, 1], "uint8")).tolist() == 500 % 256
    assert ops.einsum("ij->i", [[True, True], [False, False]]).tolist() == [True, False]


def test_numbers_among_the_operands():
    x = Tensor([1.0, 2.0], "float16")
    assert ops.einsum("i,->i", x, 2).tolist() == [2.0, 4.0]
    assert ops.einsum(",", 2, 3.5).tolist() == 7.0
    for product in (ops.dot, ops.inner):
        assert product(x, 2).tolist() == product(2, x).tolist() == [2.0, 4.0]
        assert product(2, x).dtype == "float16"
    assert ops.outer(2, [1, 3]).tolist() == [[2, 6]]
    assert ops.kron(2, [[1, 3]]).tolist() == [[2, 6]]
    assert ops.dot(2, 3).tolist() == 6


def test_empty_operands():
    assert ops.einsum("ij,jk->ik", np.ones((2, 0)), np.ones((0, 3))).tolist() == np.zeros((2, 3)).tolist()
    assert ops.einsum("i,i->", np.ones(0), np.ones(0)).tolist() == 0.0
    assert ops.tensordot(np.ones((2, 0)), np.ones((0,)), axes=1).tolist() == [0.0, 0.0]
    assert ops.kron(np.ones((0, 2)), np.ones((3, 1))).shape == (0, 2)


def test_optimize_is_taken_and_changes_nothing():
    assert ops.einsum("i,i", [1, 2], [3, 4], optimize="optimal").tolist() == 11


@run(60)
@given(st.integers(0, 2**32))
def test_tensordot_is_that_of_numpy(seed):
    rng = np.random.default_rng(seed)
    shared = rng.integers(0, 4, rng.integers(0, 3)).tolist()
    shapes, axes = [], []
    for _ in range(2):
        own = rng.integers(1, 4, rng.integers(0, 3)).tolist()
        order = rng.permutation(len(own) + len(shared))
        shapes.append([(*shared, *own)[i] for i in order])
        axes.append([list(order).index(i) - len(order) * int(rng.integers(2)) for i in range(len(shared))])
    x, y = (rng.standard_normal(shape) for shape in shapes)
    expected = np.tensordot(x, y, axes)
    np.testing.assert_allclose(ops.tensordot(x, y, axes).numpy(), expected, atol=1e-12)
    assert ops.tensordot(*map(Tensor, (x, y)), axes=axes).shape == expected.shape


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (lambda x, y: ops.tensordot(x, y, axes=([0, 2], [1, 0])), [(2, 3, 4), (4, 2, 2)]),
        (ops.dot, [(2, 3), (2, 3, 2)]),
        (ops.inner, [(2, 3), (4, 3)]),
        (ops.vdot, [(2, 3), (3, 2)]),
        (ops.outer, [(2, 2), (3,)]),
        (ops.kron, [(2, 3), (2,)]),
        (ops.cross, [(4, 3), (3,)]),
        (ops.cross, [(2, 2), (2, 3)]),
        (ops.cross, [(4, 2), (2,)]),
        (lambda x, y: ops.cross(x, y, axisa=0, axisb=1, axisc=-2), [(3, 4), (2, 3, 4)]),
    ],
)
def test_gradients_of_products(function, shapes):
    check_gradients(function, [normal(*shape) for shape in shapes])


@pytest.mark.parametrize(
    ("first", "second", "options"),
    [
        ((4, 2), (4, 3), {}),
        ((4, 3), (2,), {}),
        ((2, 5), (5, 3), {"axisa": 0, "axisc": 0}),
    ],
)
def test_cross_of_vectors_with_two_components(first, second, options):
    a, b = normal(*first), normal(*second)
    wide = [
        np.concatenate([np.moveaxis(x, axis, -1), np.zeros((*np.moveaxis(x, axis, -1).shape[:-1], 3))], -1)[..., :3]
        for x, axis in ((a, options.get("axisa", -1)), (b, -1))
    ]
    expected = np.moveaxis(np.cross(*wide), -1, options.get("axisc", -1))
    np.testing.assert_allclose(ops.cross(a, b, **options).numpy(), expected)


def test_cross_of_two_components_alone_and_with_infinity():
    assert ops.cross([1.0, 2.0], [3.0, 5.0]).tolist() == -1.0
    assert ops.cross([[1.0], [2.0]], [[3.0], [5.0]], axis=0).tolist() == [-1.0]
    assert ops.cross([np.inf, 1.0], [0.0, 0.0, 1.0]).tolist()[:2] == [1.0, -np.inf]


def test_the_gradient_reaches_each_of_several_operands():
    tensors = [Tensor(normal(*shape)) for shape in ((2, 3), (3, 4), (4, 2))]
    with GradientTape() as tape:
        tape.watch(tensors)
        y = ops.einsum("ab,bc,ca->", *tensors)
    a, b, c = (x.numpy() for x in tensors)
    for gradient, expected in zip(tape.gradient(y, tensors), ((b @ c).T, (c @ a).T, (a @ b).T), strict=True):
        np.testing.assert_allclose(gradient.numpy(), expected)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ops.einsum([0, 0], np.ones((2, 2))), ["einsum", "one string", "[0, 0]"]),
        (lambda: ops.einsum("ij,jk", np.ones((2, 2))), ["einsum", "expected 2 operands", "'ij,jk'", "got 1"]),
        (lambda: ops.einsum("ij", np.ones(2)), ["einsum", "2 axes for 'ij'", "1"]),
        (lambda: ops.einsum("i", np.ones((2, 2))), ["einsum", "1 axes for 'i'", "2"]),
        (lambda: ops.einsum("i1", np.ones((2, 2))), ["einsum", "expected letters", "'i1'"]),
        (lambda: ops.einsum("..i..", np.ones((2, 2))), ["einsum", "expected letters", "'..i..'"]),
        (lambda: ops.einsum("i...j...", np.ones((2, 2))), ["einsum", "expected letters"]),
        (lambda: ops.einsum("ij->ik", np.ones((2, 2))), ["einsum", "expected a result", "'ij->ik'"]),
        (lambda: ops.einsum("ij->ii", np.ones((2, 2))), ["einsum", "each once", "'ij->ii'"]),
        (lambda: ops.einsum("...j->j", np.ones((2, 2))), ["einsum", "'...'", "'...j->j'"]),
        (
            lambda: ops.einsum("ij,jk", np.ones((2, 3)), np.ones((4, 2), "float32")),
            ["einsum", "one size for 'j'", "3 and 4", "float64[2, 3], float32[4, 2]"],
        ),
        (
            lambda: ops.einsum("...,...", np.ones((2, 3)), np.ones((4, 1))),
            ["einsum", "axis -2 of '...'", "2 and 4", "float64[2, 3]"],
        ),
        (lambda: ops.einsum("ii", np.ones((2, 3), "int32")), ["einsum", "'i'", "int32[2, 3]"]),
        (lambda: ops.einsum("ii", np.ones((1, 3))), ["einsum", "diagonal 'i'", "float64[1, 3]"]),
        (lambda: ops.einsum("i", np.ones(2), out=3), ["einsum", "no options but optimize", "got out"]),
        (lambda: ops.tensordot(np.ones((2, 3)), np.ones((2, 3))[0], 2), ["tensordot", "both have", "got 2"]),
        (
            lambda: ops.tensordot(np.ones((2, 3)), np.ones((2, 3)), 1),
            ["tensordot", "axis 1", "axis 0", "float64[2, 3]"],
        ),
        (lambda: ops.tensordot(np.ones((2, 3)), np.ones(2), ([0, 1], [0])), ["tensordot", "as many axes", "[0, 1]"]),
        (lambda: ops.tensordot(np.ones((2, 3)), np.ones(2), ([2], [0])), ["tensordot: axes", "[-2, 2)", "got 2"]),
        (lambda: ops.tensordot(np.ones((2, 3)), np.ones(2), ([0, 0], [0, 0])), ["tensordot: axes", "different axes"]),
        (lambda: ops.tensordot(np.ones(2), np.ones(2), [0]), ["tensordot", "those of x2", "[0]"]),
        (lambda: ops.tensordot(np.ones(2), np.ones(2), 1.5), ["tensordot: axes", "expected integers", "1.5"]),
        (lambda: ops.dot(np.ones(2), np.ones(3)), ["dot", "axis 0 of the first", "float64[2]", "float64[3]"]),
        (lambda: ops.inner(np.ones((2, 1)), np.ones((2, 3))), ["inner", "axis 1", "float64[2, 1]"]),
        (lambda: ops.vdot(np.ones((2, 2)), np.ones(3)), ["vdot", "float64[4]", "float64[3]"]),
        (lambda: ops.cross(np.ones(4), np.ones(3)), ["cross", "2 or 3 components", "axis 0", "float64[4]"]),
        (lambda: ops.cross(np.ones((2, 3)), np.ones(3), axisa=2), ["cross: axis", "[-2, 2)", "got 2"]),
        (lambda: ops.cross(AbstractTensor((2, unknown("n"))), np.ones(3)), ["cross", "components", "None"]),
    ],
)
def test_errors_name_operation_expected_and_given(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)
