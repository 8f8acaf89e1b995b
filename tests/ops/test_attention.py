"""Attention: masks, shared heads, precision, gradients, and what it refuses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eagerly import ops
from eagerly.dimensions import unknown
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from gradients import check_gradients
from public_ops.attention import attend

attention = ops.dot_product_attention


def drawn(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in shapes]


def gradient(function, *arrays):
    tensors = [Tensor(x) for x in arrays]
    with GradientTape() as tape:
        tape.watch(tensors)
        y = function(*tensors)
    return [g.numpy() for g in tape.gradient(y, tensors)]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.sampled_from([(1, 1), (4, 4), (4, 2), (6, 1), (6, 3)]),
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, 0.3, 2.0]),
    st.integers(0, 99),
)
def test_attention_is_its_formula(heads, lengths, is_causal, masked, cap, seed):
    n, shared = heads
    queries, places = lengths
    q, k, v, bias = drawn(
        (2, queries, n, 3), (2, places, shared, 3), (2, places, shared, 4), (n, queries, 1), seed=seed
    )
    mask = np.random.default_rng(seed).uniform(size=(2, 1, queries, places)) < 0.7
    mask[..., 0] = True
    options = {"bias": bias, "mask": mask if masked else None, "is_causal": is_causal, "attn_logits_soft_cap": cap}
    y = attention(q, k, v, **options)
    expected = attend(q, k, v, bias, mask if masked else True, is_causal=is_causal, cap=cap)
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    "function",
    [
        lambda q, k, v, b: attention(q, k, v),
        lambda q, k, v, b: attention(q, k[:, :, :2], v[:, :, :2], is_causal=True),
        lambda q, k, v, b: attention(q, k[:, :, :1], v[:, :, :1], b, scale=b[0, 0]),
        lambda q, k, v, b: attention(q, k, v, b, mask=[True, False, True], attn_logits_soft_cap=0.5),
        lambda q, k, v, b: attention(q, k, v, b, mask=[[True, False, True], [False] * 3], is_causal=True),
    ],
)
def test_gradients(function):
    check_gradients(function, drawn((2, 2, 4, 3), (2, 3, 4, 3), (2, 3, 4, 2), (2, 3)))


# What Keras 3.15 gives on PyTorch.
def test_attention_is_keras():
    q = np.arange(12.0).reshape(1, 2, 2, 3) / 10
    k = q[:, ::-1] * 2
    v = np.arange(8.0).reshape(1, 2, 2, 2)
    for options, expected in (
        ({}, [1.7929, 2.7929, 3.21341, 4.21341, 0.75698, 1.75698, 2.44483, 3.44483]),
        ({"mask": [[True, False], [False, False]]}, [0.0, 1.0, 2.0, 3.0, 2.0, 3.0, 4.0, 5.0]),
        (
            {"bias": [[[0.5, -0.5]], [[-1.0, 1.0]]], "scale": 0.1},
            [1.04769, 2.04769, 5.45932, 6.45932, 0.889416, 1.88942, 5.35014, 6.35014],
        ),
    ):
        np.testing.assert_allclose(attention(q, k, v, **options).numpy().reshape(-1), expected, rtol=1e-5)


def test_a_query_without_a_place_gets_the_mean_and_no_nan():
    q, k, v = drawn((1, 2, 1, 3), (1, 4, 1, 3), (1, 4, 1, 2))
    mask = np.array([[False] * 4, [True, False, False, True]])
    y = attention(q, k, v, mask=mask).numpy()
    np.testing.assert_allclose(y[0, 0, 0], v[0, :, 0].mean(0))
    dq, dk, dv = gradient(lambda q, k, v: attention(q, k, v, mask=mask), q, k, v)
    assert all(np.isfinite(g).all() for g in (dq, dk, dv))
    assert (dq[0, 0] == 0).all() and (dq[0, 1] != 0).any()
    assert (dk[0, 1:3] == 0).all()
    np.testing.assert_allclose(dv[0, 1, 0], [0.25, 0.25])
    alone = gradient(lambda q, k, v: attention(q, k, v, mask=mask[:1]), q[:, :1], k, v)
    assert not alone[0].any() and not alone[1].any()


def test_masked_places_have_no_say():
    q, k, v = drawn((2, 3, 2, 4), (2, 5, 2, 4), (2, 5, 2, 4))
    mask = np.array([True, True, False, True, False])
    expected = attention(q, k[:, mask], v[:, mask]).numpy()
    for kind in (np.asarray, Tensor, np.ndarray.tolist, lambda x: x.astype("float32"), lambda x: x[None, None, None]):
        np.testing.assert_allclose(attention(q, k, v, mask=kind(mask)).numpy(), expected, rtol=1e-12)
    for t in range(3):
        early = attention(q[:, t : t + 1], k[:, : t + 1], v[:, : t + 1]).numpy()
        np.testing.assert_allclose(attention(q, k, v, is_causal=True).numpy()[:, t : t + 1], early, rtol=1e-12)


def test_shared_heads_are_repeated_heads():
    q, k, v = drawn((2, 3, 6, 4), (2, 5, 2, 4), (2, 5, 2, 4))
    repeated = attention(q, np.repeat(k, 3, axis=2), np.repeat(v, 3, axis=2), is_causal=True)
    np.testing.assert_allclose(attention(q, k, v, is_causal=True).numpy(), repeated.numpy(), rtol=1e-12)


def test_extreme_logits():
    q, k, v = np.full((1, 1, 1, 1), 1e4), np.array([1e4, -1e4, 0]).reshape(1, 3, 1, 1), drawn((1, 3, 1, 2))[0]
    np.testing.assert_allclose(attention(q, k, v).numpy()[0, 0, 0], v[0, 0, 0])
    half = [x.astype("float16") for x in (q, k, v)]  # the product overflows float16
    np.testing.assert_array_equal(attention(*half).numpy()[0, 0, 0], half[2][0, 0, 0])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("float16",) * 3, "float16"),
        (("bfloat16",) * 3, "bfloat16"),
        (("float64",) * 3, "float64"),
        (("float16", "float32", "float16"), "float32"),
        (("float16", "bfloat16", "float16"), "float32"),
        (("int32", "int32", "int32"), "float32"),
    ],
)
def test_dtypes(given, expected):
    tensors = [Tensor(np.ones((1, 2, 1, 2)), dtype) for dtype in given]
    symbols = [AbstractTensor((1, 2, 1, 2), dtype) for dtype in given]
    for options in ({}, {"bias": np.ones(2)}, {"scale": np.float64(2), "mask": [True, False]}):
        assert attention(*tensors, **options).dtype.name == expected
        assert attention(*symbols, **options).dtype.name == expected
        assert (attention(*tensors, **options).numpy() == 1).all()


def test_no_queries_and_no_places():
    q, k = np.ones((2, 3, 2, 4)), np.ones((2, 0, 2, 4))
    assert attention(q, k, k).tolist() == np.zeros((2, 3, 2, 4)).tolist()
    assert attention(k, q, q, is_causal=True).shape == (2, 0, 2, 4)
    assert attention(q[:0], q[:0], q[:0]).shape == (0, 3, 2, 4)


def test_causal_masks_of_unknown_sizes():
    n, m = unknown("n"), unknown("m")
    q, k = AbstractTensor((2, n, 4, 3)), AbstractTensor((2, m, 2, 3))
    for options in ({}, {"mask": AbstractTensor((n, m), "bool")}, {"bias": AbstractTensor((1, m))}):
        y = attention(q, k, k, is_causal=True, **options)
        assert y.dims == (2, n, 4, 3)


SHAPES = [(2, 3, 4, 5), (2, 6, 2, 5), (2, 6, 2, 5)]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda q, k, v: attention(q, k, v, flash_attention=True), ["flash_attention=False", "True"]),
        (lambda q, k, v: attention(q[0], k, v), ["[batch, length, heads, features]", "float64[3, 4, 5]"]),
        (lambda q, k, v: attention(q[:1], k, v), ["one batch size", "float64[1, 3, 4, 5]"]),
        (lambda q, k, v: attention(q[..., :4], k, v), ["features of the query", "float64[2, 3, 4, 4]"]),
        (lambda q, k, v: attention(q, k, v[:, :5]), ["as many values", "float64[2, 5, 2, 5]"]),
        (lambda q, k, v: attention(q[:, :, :3], k, v), ["multiple", "float64[2, 3, 3, 5]", "float64[2, 6, 2, 5]"]),
        (lambda q, k, v: attention(q, k, v, mask=np.ones((3, 5))), ["mask", "(2, 4, 3, 6)", "float64[3, 5]"]),
        (lambda q, k, v: attention(q, k, v, np.ones((3, 1, 1, 1))), ["bias", "(2, 4, 3, 6)", "float64[3, 1, 1, 1]"]),
        (lambda q, k, v: attention(q, k, v, np.ones((1,) * 5)), ["bias", "float64[1, 1, 1, 1, 1]"]),
    ],
)
def test_errors_name_what_is_wrong(call, words):
    with pytest.raises(ValueError) as caught:
        call(*drawn(*SHAPES))
    assert str(caught.value).startswith("dot_product_attention: expected ")
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)
