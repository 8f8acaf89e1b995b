"""`vectorize`: broadcasting, signatures, excluded arguments, gradients, functional models, and what it refuses."""

import re

import numpy as np
import pytest

from eagerly import Input, Model, nest, ops
from eagerly.errors import TraceError
from eagerly.layers import Dense
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from eagerly.variable import Variable
from gradients import check_gradients

X = np.linspace(-1, 1, 12, dtype="float32").reshape(4, 3)


def refused(error, text):
    return pytest.raises(error, match=re.escape(text))


def plain(structure):
    return nest.map_structure(lambda x: (x.tolist(), x.dtype.name) if isinstance(x, Tensor) else x, structure)


def test_a_function_of_scalars():
    def function(a, b):
        """A sum."""
        assert a.shape == b.shape == ()
        return a + b

    vectorized = ops.vectorize(function)
    assert vectorized.__name__ == "function" and vectorized.__doc__ == "A sum."
    assert plain(vectorized([1, 2, 3, 4], 2)) == ([3, 4, 5, 6], "int32")
    assert plain(vectorized(1.5, 2)) == (3.5, "float32")
    assert plain(vectorized(Variable([[1.0], [2.0]]), b=np.array([10.0, 20.0], "float32"))) == (
        [[11.0, 21.0], [12.0, 22.0]],
        "float32",
    )
    assert vectorized(np.ones((1, 3)), np.ones((1, 1))).shape == (1, 3)
    assert vectorized(np.ones((2, 0)), np.ones((1, 1), "float32")).shape == (2, 0)


def test_results_may_be_structures_and_numbers():
    vectorized = ops.vectorize(lambda a: {"x": (a, 2.5), "n": None})
    assert plain(vectorized([1, 2])) == {"x": (([1, 2], "int32"), ([2.5, 2.5], "float32")), "n": None}
    empty = vectorized(np.ones((0, 2)))
    assert empty["x"][0].shape == (0, 2) and empty["x"][1].dtype == "float32" and empty["n"] is None


def test_a_python_if_decides_for_each_element():
    relu = ops.vectorize(lambda x: x if x > 0 else x * 0)
    np.testing.assert_array_equal(relu(X), np.maximum(X, 0))


@pytest.mark.parametrize(
    ("signature", "function", "shapes", "result"),
    [
        ("(m,n),(n)->(m)", np.matmul, [(5, 2, 3), (3,)], (5, 2)),
        ("(m,n),(n)->(m)", np.matmul, [(2, 3), (4, 1, 3)], (4, 1, 2)),
        (" (n), (n) -> () ", np.dot, [(4, 3), (2, 1, 3)], (2, 4)),
        ("(n)->(n)", np.cumsum, [(3,)], (3,)),
        ("(m,n),(n,k)->(m,k)", np.matmul, [(0, 2, 3), (3, 4)], (0, 2, 4)),
    ],
)
def test_signatures_mean_what_numpy_means(signature, function, shapes, result):
    named = {np.matmul: ops.matmul, np.dot: lambda a, b: ops.sum(a * b)}
    named[np.cumsum] = lambda a: ops.associative_scan(lambda x, y: x + y, a)
    rng = np.random.default_rng(3)
    arrays = [rng.normal(size=shape) for shape in shapes]
    found = ops.vectorize(named[function], signature=signature)(*arrays)
    assert found.shape == result and found.dtype == "float64"
    if 0 not in result:
        np.testing.assert_allclose(found.numpy(), np.vectorize(function, signature=signature)(*arrays))


def test_several_results_of_a_signature():
    ends = ops.vectorize(lambda x: (x[0], x[1:]), signature="(n)->(),(k)")
    first, rest = ends(X)
    np.testing.assert_array_equal(first, X[:, 0])
    np.testing.assert_array_equal(rest, X[:, 1:])


def test_excluded_arguments_arrive_as_they_are():
    def polynomial(coefficients, x, scale=None, *, mode="sum"):
        assert coefficients == [1, 2, 3] and mode == "sum"
        return sum((c * x**i for i, c in enumerate(coefficients)), start=x * 0) * (1 if scale is None else scale)

    vectorized = ops.vectorize(polynomial, excluded={0, "mode"})
    assert plain(vectorized([1, 2, 3], [0.0, 1.0], mode="sum")) == ([1.0, 6.0], "float32")
    assert plain(vectorized([1, 2, 3], [0.0, 1.0], None)) == ([1.0, 6.0], "float32")
    assert plain(vectorized([1, 2, 3], 1.0, scale=[2.0, 3.0])) == ([12.0, 18.0], "float32")
    assert plain(vectorized([1, 2, 3], 1.0, scale=None)) == (6.0, "float32")
    assert plain(ops.vectorize(lambda a: 3.0)(None)) == (3.0, "float32")


def test_gradients_through_a_vectorized_function():
    """Of arguments that many calls share, too."""
    function = ops.vectorize(lambda m, v: ops.sin(m @ v), signature="(m,n),(n)->(m)")
    rng = np.random.default_rng(1)
    check_gradients(function, [rng.normal(size=(2, 3)), rng.normal(size=(4, 1, 3))])
    check_gradients(ops.vectorize(lambda a, b: a * b * b), [rng.normal(size=(3, 1)), rng.normal(size=(12,))])
    w = Variable(2.0)
    with GradientTape() as tape:
        y = ops.vectorize(lambda a: a * w)(X)
    np.testing.assert_allclose(float(tape.gradient(y, w)), X.sum(), atol=1e-6)


def test_a_vectorized_function_in_a_model():
    function = ops.vectorize(lambda a, b, c: (ops.sum(a * b), b + c), signature="(n),(n),()->(),(n)")
    x, y = Input((3,)), Input((5, 3), dtype="float64")
    first, second = function(x[:, None], y, 1)
    assert (first.shape, first.dtype, second.shape) == ((None, 5), "float64", (None, 5, 3))
    model = Model([x, y], [first, second])
    for rows in (4, 0, 1):
        data = X[:rows], np.random.default_rng(2).normal(size=(rows, 5, 3))
        found = model(list(data))
        np.testing.assert_allclose(found[0], (data[0][:, None] * data[1]).sum(-1))
        np.testing.assert_array_equal(found[1], data[1] + 1)
    z = ops.vectorize(lambda a, b: a + b)(x, b=x[:, :1])
    np.testing.assert_array_equal(Model(x, z)(X), X + X[:, :1])


def test_a_layer_that_is_vectorized_belongs_to_the_model():
    layer = Dense(2)
    x = Input((4, 5, 3))
    model = Model(x, ops.vectorize(layer, signature="(m,n)->(m,k)")(x))
    assert model.layers == [layer] and model.output_shape == (None, 4, 5, 2)
    data = np.random.default_rng(0).normal(size=(2, 4, 5, 3)).astype("float32")
    np.testing.assert_allclose(model(data), layer(data), rtol=1e-5, atol=1e-6)


def test_a_symbol_that_the_function_captures_is_refused():
    x, y = Input((3,)), Input((3,))
    model = Model([x, y], ops.vectorize(lambda a: a + y[0, 0])(x))
    with pytest.raises(
        TraceError, match=r"^vectorize: .*<lambda> uses a symbol or a size .*\. Pass it as an argument\."
    ):
        model([X, X])


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: ops.vectorize(3), ValueError, "vectorize: expected a function as pyfunc, got 3."),
        (
            lambda: ops.vectorize(abs, signature="(n)-(n)"),
            ValueError,
            "vectorize: expected a signature such as '(m,n),(n)->(m)', got '(n)-(n)'.",
        ),
        (lambda: ops.vectorize(abs, signature="n->n"), ValueError, "vectorize: expected a signature"),
        (
            lambda: ops.vectorize(abs, excluded={-1}),
            ValueError,
            "vectorize: expected positions and names as excluded, got -1.",
        ),
        (lambda: ops.vectorize(abs, excluded=[1.5]), ValueError, "expected positions and names as excluded, got 1.5."),
        (lambda: ops.vectorize(abs)(), ValueError, "vectorize: expected at least one argument that is not excluded"),
        (
            lambda: ops.vectorize(abs, excluded={0})(X),
            ValueError,
            "vectorize: expected at least one argument that is not excluded, got none.",
        ),
        (
            lambda: ops.vectorize(abs, signature="(n),(n)->()")(X),
            TypeError,
            "vectorize: expected 2 arguments for (n),(n)->(), got 1.",
        ),
        (
            lambda: ops.vectorize(abs, signature="(n)->()")(None),
            ValueError,
            "vectorize: expected a tensor as argument 0 of (n)->(), got None.",
        ),
        (
            lambda: ops.vectorize(abs, signature="(m,n)->()")(X[0]),
            ValueError,
            "vectorize: expected argument 0 to have the axes (m,n), got float32[3].",
        ),
        (
            lambda: ops.vectorize(abs, signature="(n),(n)->()")(X, X.T),
            ValueError,
            "vectorize: expected size 3 along 'n' of argument 1, got 4.",
        ),
        (
            lambda: ops.vectorize(abs)(X, X[:2]),
            ValueError,
            "vectorize: shapes (4, 3) and (2, 3) do not broadcast: axis -2 has sizes 4 and 2.",
        ),
        (
            lambda: ops.vectorize(lambda x: ops.stack([x, x]))(X),
            ValueError,
            "vectorize: expected a result with the axes (), got float32[2].",
        ),
        (
            lambda: ops.vectorize(lambda x: x[:2], signature="(n)->(n)")(X),
            ValueError,
            "vectorize: expected size 3 along 'n' of a result, got 2.",
        ),
        (
            lambda: ops.vectorize(lambda x: (x, x), signature="(n)->(n)")(X),
            ValueError,
            "vectorize: expected 1 results by the signature, got (float32[3], float32[3]).",
        ),
        (
            lambda: ops.vectorize(lambda x: x, signature="(n)->(n),()")(X),
            ValueError,
            "vectorize: expected 2 results by the signature, got float32[3].",
        ),
        (
            lambda: ops.vectorize(lambda x: (x, [x]), signature="(n)->(n),(n)")(X),
            ValueError,
            "vectorize: expected 2 results by the signature, got (float32[3], [float32[3]]).",
        ),
        (
            lambda: ops.vectorize(lambda x: x[1:], signature="(n)->(n)")(AbstractTensor((2, 3))),
            ValueError,
            "vectorize: expected size 3 along 'n' of a result, got 2.",
        ),
    ],
)
def test_what_vectorize_refuses(call, error, text):
    with refused(error, text):
        call()
