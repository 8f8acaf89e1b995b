"""Bias and relu in the kernels of products: where they belong there, and results that are those of the composition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eagerly
from eagerly import GradientTape, Tensor, ops
from eagerly.graph.executor import Plan

RNG = np.random.default_rng(0)


def tensor(*shape, dtype="float32"):
    return Tensor(RNG.normal(size=shape).astype(dtype))


X, W, B, V = tensor(20, 9), tensor(9, 40), tensor(40), tensor(40)
IMAGE, KERNEL, FILTERS = tensor(2, 7, 8, 3), tensor(3, 2, 3, 5), tensor(5)


def tasks(function, *args):
    """What a function runs, after its results have been compared with eager ones."""
    compiled = eagerly.function(function)
    got, want = compiled(*args), function(*args)
    for a, b in zip(got if type(got) is tuple else [got], want if type(want) is tuple else [want], strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-4)
    return [str(task) for task in Plan(compiled.graph(*args)).tasks]


@pytest.mark.parametrize(
    "function, expected",
    {
        "bias": (lambda x, w, b: x @ w + b, ["kernel matmul + add"]),
        "bias first": (lambda x, w, b: b + x @ w, ["kernel matmul + add"]),
        "bias of a row": (lambda x, w, b: x @ w + ops.reshape(b, (1, 40)), ["kernel matmul + add"]),
        "relu": (lambda x, w, b: ops.relu(x @ w), ["kernel matmul + relu"]),
        "both": (lambda x, w, b: ops.relu(x @ w + b), ["kernel matmul + add + relu"]),
        "in another shape": (
            lambda x, w, b: ops.relu(ops.reshape(x @ w, (20, 4, 10)) + ops.reshape(b, (4, 10))),
            ["kernel matmul + add + relu"],
        ),
        "of a batch": (lambda x, w, b: ops.reshape(x, (4, 5, 9)) @ w + b, ["kernel matmul + add"]),
        "the sum is needed too": (
            lambda x, w, b: ((y := x @ w + b), ops.relu(y)),
            ["kernel matmul + add", "loop"],
        ),
        "the sum is for the loop alone": (lambda x, w, b: ops.tanh(x @ w + b), ["kernel matmul", "loop"]),
        "relu is for the loop alone": (lambda x, w, b: ops.tanh(ops.relu(x @ w + b)), ["kernel matmul", "loop"]),
        "the product is needed too": (lambda x, w, b: ((y := x @ w), y + b), ["kernel matmul", "loop"]),
        "relu twice": (lambda x, w, b: ops.relu(ops.relu(x @ w) + b), ["kernel matmul", "loop"]),
        "two vectors": (lambda x, w, b: x @ w + b + 2 * b, ["kernel matmul", "loop", "loop"]),
        "no vector": (lambda x, w, b: x @ w + ops.reshape(b[:20], (20, 1)), ["kernel matmul", "loop"]),
        "every other": (lambda x, w, b: (x @ w)[:, :20] + b[::2], ["kernel matmul", "loop"]),
        "a number": (lambda x, w, b: x @ w + 2, ["kernel matmul", "loop"]),
        "the product is the vector": (
            lambda x, w, b: ops.broadcast_to(b, (3, 20, 40)) + x @ w,
            ["kernel matmul", "loop"],
        ),
        "a vector made late": (
            lambda x, w, b: ops.relu(x @ w + ops.sum(w, axis=0)),
            ["loop", "kernel matmul + add + relu"],
        ),
        "a vector that the product made": (
            lambda x, w, b: ((y := x @ w), y + ops.sum(y, axis=0)),
            ["kernel matmul", "loop", "loop"],
        ),
    }.values(),
)
def test_what_belongs_to_a_product(function, expected):
    assert sorted(tasks(function, X, W, B)) == sorted(expected)


def test_two_products_of_one_loop():
    found = tasks(lambda x, w, b, v: (ops.relu(x @ w + b), ops.relu(x @ (2 * w) + v)), X, W, B, V)
    assert found.count("kernel matmul + add + relu") == 2 and found.count("loop") == 1
    row = tensor(1, 9)
    assert sorted(tasks(lambda x, w: ops.relu(x @ w + (x + 1) @ (2 * w)), row, W))[:2] == [
        "kernel matmul",
        "kernel matmul + add + relu",
    ]


def test_a_product_of_vectors_has_no_axis_for_a_vector():
    x = tensor(9)
    assert tasks(lambda x, b: ops.relu(x @ x + b), x, tensor())[-1] == "loop"


def test_other_dtypes_have_no_endings():
    x, w, b = (Tensor(t.numpy().astype("float64")) for t in (X, W, B))
    assert tasks(lambda x, w, b: ops.relu(x @ w + b), x, w, b) == ["python matmul", "loop"]


@pytest.mark.parametrize("padding", ("valid", "same"))
@pytest.mark.parametrize("strides", (1, 2, 4))
def test_convolutions(strides, padding):
    options = {"strides": strides, "padding": padding}
    ended = "convolution + add + relu"
    found = tasks(lambda x, k, b: ops.relu(ops.conv(x, k, **options) + b), IMAGE, KERNEL, FILTERS)
    assert found == [f"kernel {ended}"]
    back = tensor(3, 2, 5, 3)  # fewer taps than the largest stride: some pixels get the bias alone
    found = tasks(lambda x, k, b: ops.relu(ops.conv_transpose(x, k, **options) + b), IMAGE, back, FILTERS)
    assert found == [f"kernel {ended.replace('convolution', 'convolution_input_gradient')}"]
    alone = tensor(3, 2, 3, 1)  # has no ending
    found = tasks(lambda x, k, b: ops.relu(ops.depthwise_conv(x, k, **options) + b), IMAGE, alone, FILTERS[:3])
    assert found[-1] == "loop" and len(found) == 2


def test_what_is_no_number_and_signed_zeros():
    x = Tensor(np.float32([[np.nan, np.inf, -np.inf, -0.0, 0.0, -1.0, 1.0]]))
    one, zero = Tensor(np.ones((1, 1), np.float32)), Tensor(np.zeros(7, np.float32))
    function = eagerly.function(lambda w, x, b: ops.relu(w @ x + b))
    got = function(one, x, zero).numpy()
    np.testing.assert_array_equal(got, np.float32([[np.nan, np.inf, 0, 0, 0, 0, 1]]))
    image = eagerly.function(lambda w, x, b: ops.relu(ops.conv(w, x, padding="same") + b))
    got = image(ops.ones((1, 1, 1, 1)), ops.reshape(x, (1, 1, 1, 7)), zero).numpy()
    np.testing.assert_array_equal(got, np.float32([[[[np.nan, np.inf, 0, 0, 0, 0, 1]]]]))


def test_gradients_that_look_at_the_result_alone():
    def step(x, w, b):
        with GradientTape() as tape:
            tape.watch([w, b])
            loss = ops.sum(ops.square(ops.relu(x @ w + b) @ ops.transpose(w)))
        return loss, *tape.gradient(loss, [w, b])

    assert "kernel matmul + add + relu" in tasks(step, X, W, B)


KINDS = ("vector", "row", "own", "full", "relu", "tanh", "gelu", "reshape", "sum", "product", "scale")


def run(program, x, w, b):
    """What a program makes of a product, step by step, and the results that it keeps."""
    y, kept = x @ w, []
    for kind, keep in program:
        if kind == "vector":
            y = y + b
        elif kind == "row":
            y = ops.reshape(b * 2, (1, -1)) + y
        elif kind == "own":
            y = y + ops.max(y, axis=0)
        elif kind == "full":
            y = y + x @ w
        elif kind == "reshape":
            y = ops.reshape(ops.reshape(y, (-1, 2, w.shape[1] // 2)) + ops.reshape(b, (2, -1)), (-1, w.shape[1]))
        elif kind == "sum":
            y = y - ops.sum(y, axis=1, keepdims=True)
        elif kind == "product":
            y = (y @ ops.transpose(w)) @ w * 0.01
        elif kind == "scale":
            y = y * 0.5
        else:
            y = getattr(ops, kind)(y)
        if keep:
            kept.append(y)
    return (*kept, y)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.sampled_from(KINDS), st.booleans()), min_size=1, max_size=7),
    st.sampled_from((1, 3, 20)),
    st.sampled_from((2, 6, 40)),
)
def test_random_endings(program, rows, columns):
    tasks(lambda x, w, b: run(program, x, w, b), X[:rows], W[:, :columns], B[:columns])


def test_a_kernel_that_turns_out_not_to_be(monkeypatch):
    """Such as one that fails to compile after others have begun to: the operations run one by one."""
    monkeypatch.setattr("eagerly.graph.lowering.launch_of", lambda *_, **__: None)
    found = tasks(lambda x, w, b: ops.relu(x @ w + b), X, W, B)
    assert found == ["python matmul", "python add", "python relu"]
