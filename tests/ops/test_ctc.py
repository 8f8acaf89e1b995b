"""Connectionist temporal classification: the loss against all paths and PyTorch's values, decoding against search."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eagerly import ops
from eagerly.dimensions import unknown
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from eagerly.variable import Variable
from gradients import check_gradients
from public_ops.ctc import best, greedy, loss


def gradient(function, x):
    x = Tensor(x)
    with GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return tape.gradient(y, x).numpy()


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(0, 4), st.integers(0, 3), st.integers(2, 3), st.integers(0, 999))
def test_the_loss_is_the_sum_over_all_paths(time, count, classes, seed):
    rng = np.random.default_rng(seed)
    blank = int(rng.integers(classes))
    labels = np.array([c for c in range(classes) if c != blank])
    target = rng.choice(labels, (3, count))
    x = rng.normal(0, 2, (3, time, classes))
    target_length, output_length = rng.integers(0, count + 1, 3), rng.integers(0, time + 1, 3)
    result = ops.ctc_loss(target, x, target_length, output_length, blank)
    with np.errstate(divide="ignore"):
        expected = loss(target, x, target_length, output_length, blank)
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-10, atol=1e-12)


# What Keras 3.15 gives on PyTorch for the logits below: (target, target length, output length, blank, loss).
KERAS = [
    ([1, 2], 2, 5, 0, 3.420781),
    ([1, 1], 2, 5, 0, 5.772863),
    ([1, 1], 2, 3, 0, 6.055895),
    ([1, 1], 2, 2, 0, np.inf),
    ([1, 2, 3], 3, 3, 0, 2.055895),
    ([1, 2, 3], 1, 4, 0, 4.29012),
    ([1, 2], 0, 3, 0, 5.055895),
    ([0, 2], 2, 5, 3, 3.991982),
    ([2, 2], 2, 4, 1, 4.861924),
    ([1, 0, 2], 3, 5, 0, 2.849294),
]
LOGITS = np.array([[[0, 2, -1, 1], [1, 0, 3, -2], [2, -1, 0, 1], [0, 1, 1, -3], [-1, 0, 2, 2]]], "float32")


@pytest.mark.parametrize(("target", "count", "time", "blank", "expected"), KERAS)
def test_the_loss_is_keras(target, count, time, blank, expected):
    result = ops.ctc_loss(np.array([target]), LOGITS, np.array([count]), np.array([time]), blank)
    np.testing.assert_allclose(result.numpy(), [expected], rtol=1e-6)


def test_the_gradient_is_keras():
    g = gradient(lambda x: ops.ctc_loss(np.array([[1, 2]]), x, np.array([2]), np.array([4])), LOGITS)
    np.testing.assert_allclose(
        g[0],
        [
            [0.0753696, -0.344311, 0.0320586, 0.236883],
            [-0.0921632, -0.0472502, 0.13376, 0.0056533],
            [-0.0699432, 0.0273066, -0.194246, 0.236883],
            [-0.390678, 0.419077, -0.0360745, 0.00767567],
            [0, 0, 0, 0],
        ],
        rtol=1e-5,
        atol=1e-7,
    )


@pytest.mark.parametrize(
    ("target", "target_length", "output_length"),
    [
        ([[1, 2], [1, 1], [2, 1]], [2, 2, 1], [5, 4, 2]),
        ([[1, 2, 1], [1, 1, 1], [2, 2, 0]], [3, 3, 0], [5, 5, 1]),
        ([[1], [1], [2]], [1, 0, 1], [1, 0, 0]),
    ],
)
def test_gradients(target, target_length, output_length):
    x = np.random.default_rng(1).normal(size=(3, 5, 3))
    reachable = np.array(output_length) >= np.array(target_length)

    def finite(x):
        return ops.ctc_loss(target, x, target_length, output_length)[Tensor(reachable)]

    check_gradients(finite, [x])


def test_an_output_too_short_has_an_infinite_loss_without_gradient():
    target, x = np.array([[1, 1], [1, 2], [1, 2]]), np.random.default_rng(2).normal(size=(3, 3, 4)).astype("float32")
    lengths = np.array([2, 2, 2]), np.array([2, 2, 0])
    assert np.isinf(ops.ctc_loss(target, x, *lengths).numpy()).tolist() == [True, False, True]
    g = gradient(lambda x: ops.ctc_loss(target, x, *lengths), x)
    assert not g[0].any() and g[1, :2].all() and not g[1, 2].any() and not g[2].any()


def test_what_stands_behind_the_lengths_does_not_matter():
    rng = np.random.default_rng(3)
    x, target = rng.normal(size=(2, 6, 4)), rng.integers(1, 4, (2, 3))
    lengths = np.array([2, 3]), np.array([4, 6])
    expected = ops.ctc_loss(target, x, *lengths).numpy()
    for rest in (-1, 0, 99):
        changed = target.copy()
        changed[0, 2] = rest
        x[0, 4:] = rng.normal(size=(2, 4))
        np.testing.assert_array_equal(ops.ctc_loss(changed, x, *lengths).numpy(), expected)
    assert not gradient(lambda x: ops.ctc_loss(target, x, *lengths), x)[0, 4:].any()


def test_classes_that_cannot_be():
    x = np.array([[[0.0, 1.0, 2.0, -np.inf]] * 5])
    y = ops.ctc_loss([[1, 2]], x, [2], [5])
    np.testing.assert_allclose(y.numpy(), ops.ctc_loss([[1, 2]], x[..., :3], [2], [5]).numpy())
    g = gradient(lambda x: ops.ctc_loss([[1, 2]], x, [2], [5]), x)
    assert np.isfinite(g).all() and not g[..., 3].any()
    assert ops.ctc_loss([[1, 3]], x, [2], [5]).tolist() == [np.inf]


def test_long_outputs_stay_exact():
    rng = np.random.default_rng(4)
    x, target = rng.normal(0, 5, (2, 300, 20)), rng.integers(1, 20, (2, 60))
    lengths = np.array([60, 40]), np.array([300, 250])
    exact = ops.ctc_loss(target, x, *lengths).numpy()
    assert (exact > 500).all()  # far below what a probability could hold
    single = x.astype("float32")
    np.testing.assert_allclose(ops.ctc_loss(target, single, *lengths).numpy(), exact, rtol=1e-5)
    g = gradient(lambda x: ops.ctc_loss(target, x, *lengths), single)
    np.testing.assert_allclose(g, gradient(lambda x: ops.ctc_loss(target, x, *lengths), x), atol=2e-3)
    np.testing.assert_allclose(g.sum(-1), 0, atol=1e-3)  # probabilities stay probabilities


@pytest.mark.parametrize(
    ("given", "expected"), [("float16", "float32"), ("bfloat16", "float32"), ("float64", "float64")]
)
def test_dtypes(given, expected):
    for x in (Tensor(np.ones((2, 4, 3)), given), AbstractTensor((2, 4, 3), given)):
        target, lengths = Tensor([[1], [2]], "uint8"), Tensor([1, 1], "int64")
        assert ops.ctc_loss(target, x, lengths, lengths).dtype == expected
        for strategy in ("greedy", "beam_search"):
            paths, scores = ops.ctc_decode(x, lengths, strategy)
            assert (paths.dtype, scores.dtype) == ("int32", expected)


def test_everything_unknown():
    b, t, c, k = (unknown(name) for name in "btck")
    lengths = AbstractTensor((b,), "int32")
    assert ops.ctc_loss(AbstractTensor((b, k), "int32"), AbstractTensor((b, t, c)), lengths, lengths).dims == (b,)
    for strategy, count in (("greedy", 1), ("beam_search", 3)):
        paths, scores = ops.ctc_decode(AbstractTensor((b, t, c)), lengths, strategy, top_paths=3, mask_index=None)
        assert (paths.dims, scores.dims) == ((count, b, t), (b, count))


def test_greedy_decoding_merges_repeats_and_leaves_out_blanks():
    best_classes = np.array([[1, 1, 0, 1, 2, 2], [0, 0, 3, 3, 3, 1]])
    logits = np.eye(4)[best_classes] * 2.0
    paths, scores = ops.ctc_decode(logits, [6, 5])
    assert paths.tolist() == [[[1, 1, 2, -1, -1, -1], [3, -1, -1, -1, -1, -1]]]
    assert scores.tolist() == [[-12.0], [-10.0]]
    paths, _ = ops.ctc_decode(logits, [6, 5], merge_repeated=False)
    assert paths.tolist() == [[[1, 1, 1, 2, 2, -1], [3, 3, 3, -1, -1, -1]]]
    paths, _ = ops.ctc_decode(logits, [6, 5], mask_index=None)
    assert paths.tolist() == [[[1, 0, 1, 2, -1, -1], [0, -1, -1, -1, -1, -1]]]
    paths, scores = ops.ctc_decode(logits, [0, 1])
    assert paths.tolist() == [[[-1] * 6] * 2] and scores.tolist() == [[0.0], [-2.0]]


def test_the_gradient_of_greedy_scores():
    x = np.random.default_rng(5).permutation(2 * 3 * 4).reshape(2, 3, 4) * 0.1
    check_gradients(lambda x: ops.ctc_decode(x, [3, 2])[1], [x])


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(1, 5), st.integers(2, 3), st.integers(0, 999))
def test_a_wide_beam_is_exhaustive(time, classes, seed):
    rng = np.random.default_rng(seed)
    x, lengths = rng.normal(0, 2, (3, time, classes)), rng.integers(0, time + 1, 3)
    blank = int(rng.integers(classes))
    paths, scores = ops.ctc_decode(x, lengths, "beam_search", 200, 4, mask_index=blank)
    expected_paths, expected_scores = best(x, lengths, 4, blank)
    np.testing.assert_allclose(scores.numpy(), expected_scores, rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(paths.numpy(), expected_paths)


# What Keras 3.15 gives on PyTorch for LOGITS with narrow beams: (width, blank, paths, scores).
BEAMS = [
    (1, 0, [[1, 2, 1, 2], [], []], [-2.58034, -np.inf, -np.inf]),
    (2, 0, [[1, 2, 1, 2], [1, 2, 1, 3], []], [-2.58034, -2.58034, -np.inf]),
    (3, 0, [[1, 2, 2], [1, 2, 1, 2], [1, 2, 1, 3]], [-2.31725, -2.55773, -2.55773]),
    (4, 0, [[1, 2, 2], [1, 2, 1, 2], [1, 2, 1, 3]], [-2.31725, -2.55773, -2.55773]),
    (2, 3, [[1, 2, 0, 2], [1, 2, 0, 1], []], [-2.01412, -2.58034, -np.inf]),
    (3, 1, [[2, 0, 2], [2, 0, 3], [2, 0, 2, 3]], [-1.78969, -2.39401, -2.70727]),
    (100, 2, [[1, 0, 3], [1, 0], [1, 0, 1]], [-2.12346, -2.15946, -2.22906]),
]


@pytest.mark.parametrize(("width", "blank", "expected_paths", "expected_scores"), BEAMS)
def test_narrow_beams_are_keras(width, blank, expected_paths, expected_scores):
    paths, scores = ops.ctc_decode(LOGITS, [5], "beam_search", width, 3, mask_index=blank)
    assert paths.shape == (3, 1, 5) and scores.shape == (1, 3)
    assert [[label for label in path if label >= 0] for path in paths[:, 0].tolist()] == expected_paths
    np.testing.assert_allclose(scores.numpy()[0], expected_scores, rtol=1e-5)


def test_a_beam_finds_what_it_lost_again():
    """A sequence that grows into one that fell out of the beam, or is in it, makes no second one."""
    rng = np.random.default_rng(6)
    x = rng.normal(0, 1, (8, 12, 3))
    for width in (2, 3, 5, 8):
        paths, scores = ops.ctc_decode(x, np.full(8, 12), "beam_search", width, width)
        for b in range(8):
            assert len({tuple(path) for path in paths[:, b].tolist()}) == width
        exact = -np.array(
            [
                ops.ctc_loss(paths.numpy()[k], x, (paths.numpy()[k] >= 0).sum(1), np.full(8, 12)).numpy()
                for k in range(width)
            ]
        ).T
        assert (scores.numpy() <= exact + 1e-9).all()  # a beam sees a part of the paths
        assert (np.diff(scores.numpy(), axis=1) <= 0).all()


def test_equal_scores_give_the_first_classes():
    paths, scores = ops.ctc_decode(np.zeros((1, 1, 4)), [1], "beam_search", 4, 4)
    assert paths[:, 0, 0].tolist() == [-1, 1, 2, 3]
    np.testing.assert_allclose(scores.numpy(), np.log(np.full((1, 4), 0.25)))


def test_fewer_sequences_than_asked_for():
    paths, scores = ops.ctc_decode(np.zeros((2, 1, 2)), [1, 0], "beam_search", 5, 7)
    assert (paths.shape, scores.shape) == ((7, 2, 1), (2, 7))
    assert (scores.numpy() > -np.inf).sum(1).tolist() == [2, 1]
    assert (paths.numpy()[2:] == -1).all()


def test_lists_and_variables():
    x = np.random.default_rng(7).normal(size=(1, 3, 3)).astype("float32")
    expected = ops.ctc_loss(np.array([[1]]), x, np.array([1]), np.array([3])).numpy()
    assert ops.ctc_loss([[1]], x.tolist(), [1], [3]).tolist() == expected.tolist()
    assert ops.ctc_loss(Variable([[1]], trainable=False), Variable(x), Variable([1], dtype="int32"), [3]).tolist() == (
        expected.tolist()
    )
    np.testing.assert_array_equal(ops.ctc_decode(x.tolist(), [3])[0].numpy(), greedy(x, np.array([3]))[0])


X = np.ones((2, 5, 4))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ops.ctc_loss([1, 2], X, [1, 1], [5, 5]), ["ctc_loss", "target int32[2]", "float64[2, 5, 4]"]),
        (lambda: ops.ctc_loss([[1]], X, [1, 1], [5, 5]), ["ctc_loss", "target int32[1, 1]", "float64[2, 5, 4]"]),
        (lambda: ops.ctc_loss([[1], [2]], X, [1], [5, 5]), ["ctc_loss", "target_length int32[1]"]),
        (lambda: ops.ctc_loss([[1], [2]], X, [1, 1], [[5], [5]]), ["ctc_loss", "output_length int32[2, 1]"]),
        (lambda: ops.ctc_loss([[1], [2]], X, [1, 2], [5, 5]), ["lengths in [0, 1] as target_length", "2 at (1,)"]),
        (lambda: ops.ctc_loss([[1], [2]], X, [1, 1], [6, 5]), ["lengths in [0, 5] as output_length", "6 at (0,)"]),
        (lambda: ops.ctc_loss([[1], [2]], X, [1, -1], [5, 5]), ["target_length", "-1 at (1,)"]),
        (lambda: ops.ctc_loss([[1], [4]], X, [1, 1], [5, 5]), ["labels in [0, 4) as target", "4 at (1, 0)"]),
        (lambda: ops.ctc_loss([[-1], [2]], X, [1, 1], [5, 5]), ["labels in [0, 4) as target", "-1 at (0, 0)"]),
        (lambda: ops.ctc_loss([[1], [2]], X, [1, 1], [5, 5], 4), ["[0, 4) as mask_index", "got 4"]),
        (lambda: ops.ctc_decode(X[0], [5]), ["ctc_decode", "[batch, longest, classes]", "float64[5, 4]"]),
        (lambda: ops.ctc_decode(X, [5]), ["ctc_decode", "each of 2 examples", "int32[1]"]),
        (lambda: ops.ctc_decode(X, [5, 5], "best"), ["ctc_decode", "'greedy' or 'beam_search'", "'best'"]),
        (lambda: ops.ctc_decode(X, [5, 5], "beam_search", 0), ["ctc_decode", "beam_width", "got 0"]),
        (lambda: ops.ctc_decode(X, [5, 5], "beam_search", top_paths=0), ["ctc_decode", "top_paths", "got 0"]),
        (lambda: ops.ctc_decode(X, [5, 5], "beam_search", mask_index=4), ["ctc_decode", "mask_index", "got 4"]),
    ],
)
def test_errors_name_what_is_wrong(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)
