"""Patterns and blocks: random patterns against NumPy, gradients, unknown sizes, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eagerly import ops
from eagerly.dimensions import unknown
from eagerly.tensor import AbstractTensor, Tensor
from gradients import check_gradients


def numbered(shape):
    return np.arange(int(np.prod(shape)), dtype=np.float64).reshape(shape)


def grouped(names, rng):
    """The names in order, cut into axes of none, one or several of them."""
    cuts = sorted(rng.integers(0, len(names) + 1, rng.integers(1, 4)))
    bounds = [0, *cuts, len(names)]
    groups = [tuple(names[a:b]) for a, b in zip(bounds[:-1], bounds[1:], strict=True)]
    return [group for group in groups if group or rng.random() < 0.3]


def written(groups):
    return " ".join(group[0] if len(group) == 1 else f"({' '.join(group)})" for group in groups)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.integers(0, 2**32))
def test_random_patterns(seed):
    rng = np.random.default_rng(seed)
    names = ["a", "b1", "c_", "Channel", "über"][: rng.integers(0, 6)]
    size = {name: int(rng.integers(1, 4)) for name in names}
    before, after = grouped(names, rng), grouped(list(rng.permutation(names)), rng)
    pattern = f"{written(before)}->  {written(after)}"
    x = numbered([int(np.prod([size[name] for name in group])) for group in before])
    expected = x.reshape([size[name] for name in names])
    expected = expected.transpose([names.index(name) for group in after for name in group])
    expected = expected.reshape([int(np.prod([size[name] for name in group])) for group in after])
    lengths = {name: size[name] for group in before for name in group[1:]}
    np.testing.assert_array_equal(ops.rearrange(x, pattern, **lengths).numpy(), expected)
    np.testing.assert_array_equal(ops.rearrange(x, pattern, **size).numpy(), expected)
    back = ops.rearrange(expected, "->".join(pattern.split("->")[::-1]), **size)
    np.testing.assert_array_equal(back.numpy(), x)


def test_gradients():
    x = numbered((2, 6, 4, 8)) / 9
    check_gradients(lambda x: ops.rearrange(ops.square(x), "b (h s) w c -> (w b) s (c h)", s=3), [x])
    check_gradients(lambda x: ops.space_to_depth(ops.square(x), 2), [x])
    check_gradients(lambda x: ops.depth_to_space(ops.square(x), 2), [x])


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first", None])
@pytest.mark.parametrize("block", [2, 3])
def test_space_and_depth_are_inverse(data_format, block):
    x = numbered((2, 6, 12, 18))
    if block == 2 and data_format == "channels_first":
        x = numbered((2, 4, 12, 18))
    elif block == 3 and data_format == "channels_first":
        x = numbered((2, 9, 12, 18))
    elif block == 2:
        x = numbered((2, 6, 12, 20))
    deep = ops.space_to_depth(x, block, data_format)
    np.testing.assert_array_equal(ops.depth_to_space(deep, block, data_format).numpy(), x)
    wide = ops.depth_to_space(x, Tensor(block), data_format)
    np.testing.assert_array_equal(ops.space_to_depth(wide, block, data_format).numpy(), x)
    assert deep.dtype == "float64" and ops.space_to_depth(x.astype("uint8"), block, data_format).dtype == "uint8"


def test_unknown_sizes():
    n, m = unknown("n"), unknown("m")
    x = AbstractTensor((n, m, 6))
    assert ops.rearrange(x, "a b c -> c (a b)").dims == (6, n * m)
    assert ops.rearrange(x, "a b (c d) -> (a d) b c", d=2).dims == (n * 2, m, 3)
    assert ops.rearrange(x, "a (b two) c -> b a (c two)", two=2).dims == (m // 2, n, 12)
    assert ops.rearrange(AbstractTensor((n * m,)), "(a b) -> b a", b=m).dims == (m, n)
    image = AbstractTensor((n, m * 2, 4, 3))
    assert ops.space_to_depth(image, 2).dims == (n, m, 2, 12)
    assert ops.depth_to_space(AbstractTensor((n, m, m, 8)), 2).dims == (n, m * 2, m * 2, 2)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: ops.rearrange(x, "a b c"), ["one '->'", "'a b c'"]),
        (lambda x: ops.rearrange(x, "a b -> b -> a"), ["one '->'"]),
        (lambda x: ops.rearrange(x, "a b -> b"), ["same names on both sides", "got a on one side", "'a b -> b'"]),
        (lambda x: ops.rearrange(x, "a b -> b a c"), ["same names on both sides", "got c"]),
        (lambda x: ops.rearrange(x, "a a -> a"), ["each name once", "'a a'"]),
        (lambda x: ops.rearrange(x, "a b -> (a b) b"), ["each name once", "'(a b) b'"]),
        (lambda x: ops.rearrange(x, "a b -> a b 1"), ["names of axes", "'a b 1'"]),
        (lambda x: ops.rearrange(x, "... b -> b ..."), ["names of axes", "'... b'"]),
        (lambda x: ops.rearrange(x, "(a b -> b a"), ["names of axes", "'(a b'"]),
        (lambda x: ops.rearrange(x, "((a) b) c -> a b c"), ["names of axes"]),
        (lambda x: ops.rearrange(x, "a b c -> c b a"), ["expected 3 axes", "float64[4, 6]"]),
        (lambda x: ops.rearrange(x, "(a b) c -> a b c"), ["lengths of all but one of a, b", "none for a, b"]),
        (lambda x: ops.rearrange(x, "(a b) c -> a b c", a=3), ["size 4 of (a b)", "{'a': 3}", "float64[4, 6]"]),
        (lambda x: ops.rearrange(x, "(a b) c -> a b c", a=1, b=2), ["size 4 of (a b)", "{'a': 1, 'b': 2}"]),
        (lambda x: ops.rearrange(x, "(a b) c -> a b c", a=0), ["size 4 of (a b)", "{'a': 0}"]),
        (lambda x: ops.rearrange(x, "(a b) c -> a b c", a=-2), ["lengths >= 0", "-2"]),
        (lambda x: ops.rearrange(x, "a b -> b a", a=3), ["size 4 of (a)", "{'a': 3}"]),
        (lambda x: ops.rearrange(x, "a b -> b a", d=3), ["lengths of axes in 'a b -> b a'", "got d"]),
        (lambda x: ops.rearrange(x, "(a b) c -> a b c", a=1.5), ["rearrange: a", "expected integers", "1.5"]),
    ],
)
def test_patterns_that_do_not_fit_are_refused(call, words):
    for x in (np.ones((4, 6)), Tensor(np.ones((4, 6)))):
        with pytest.raises(ValueError, match="^rearrange: ") as caught:
            call(x)
        assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ops.space_to_depth(np.ones((2, 4, 4)), 2), ["space_to_depth", "4 axes", "float64[2, 4, 4]"]),
        (lambda: ops.space_to_depth(np.ones((2, 4, 5, 3)), 2), ["space_to_depth", "that 2 divides", "[2, 4, 5, 3]"]),
        (lambda: ops.space_to_depth(np.ones((2, 4, 4, 3)), 1), ["space_to_depth", "block_size >= 2", "got 1"]),
        (lambda: ops.space_to_depth(np.ones((2, 4, 4, 3)), 2.5), ["space_to_depth: block_size", "2.5"]),
        (lambda: ops.depth_to_space(np.ones((2, 4, 4, 6)), 2), ["depth_to_space", "that 4 divides", "[2, 4, 4, 6]"]),
        (lambda: ops.depth_to_space(np.ones(4), 2), ["depth_to_space", "4 axes", "float64[4]"]),
        (lambda: ops.depth_to_space(np.ones((1, 6, 2, 4)), 2, "channels_first"), ["depth_to_space", "that 4 divides"]),
        (lambda: ops.depth_to_space(np.ones((1, 4, 4, 4)), 2, "last"), ["depth_to_space", "data_format", "'last'"]),
    ],
)
def test_blocks_that_do_not_fit_are_refused(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)
