"""Normalization, attention and losses of networks."""

import numpy as np

from parity.drawing import FLOATS, Row, given

NO_GRADIENT = ("value", "dtype")
SHORT_TOO = (*FLOATS, "float16", "bfloat16")


def batch_norm(d):
    """An array, the statistics of an axis, and what to shift and scale by."""
    shape = d.shape(2, 4)
    axis = d.axis(len(shape))
    n = shape[axis]
    options = d.maybe(offset=d.array((n,)), scale=d.array((n,)), epsilon=d.pick(1e-3, 0.5))
    return given(d.array(shape), d.array((n,)), d.array((n,), 0.1, 2), axis, **options)


def layer_norm(d):
    """An array, one axis or the last ones, and what to scale and shift by."""
    shape = d.shape(2, 3, least=3)
    axis = d.pick(-1, len(shape) - 1, [-2, -1])
    inner = shape[-2:] if isinstance(axis, list) else shape[-1:]
    options = d.maybe(gamma=d.array(inner), beta=d.array(inner), epsilon=d.pick(1e-3, 1e-5))
    return given(d.array(shape), axis=axis, **options)


def rms_norm(d):
    """An array, an axis, and what to scale by."""
    shape = d.shape(2, 3, least=2)
    return given(d.array(shape), axis=-1, **d.maybe(scale=d.array(shape[-1:]), epsilon=d.pick(1e-3, 1e-5)))


def attention(d):
    """Queries, keys and values of some heads, with a mask or a bias."""
    batch, heads, width = d.size(1, 2), d.pick(1, 2, 4), d.size(2, 4)
    queries, keys = d.size(2, 4), d.size(2, 4)
    groups = d.pick(heads, 1) if heads > 1 else 1
    groups = 2 if heads == 4 and d.flip() else groups
    q = d.array((batch, queries, heads, width))
    k, v = d.array((batch, keys, groups, width)), d.array((batch, keys, groups, width))
    options = d.maybe(scale=d.pick(0.5, 1.0), is_causal=True)
    mask = d.truth((batch, heads, queries, keys))
    mask[..., 0] = True
    chosen = d.pick("none", "mask", "bias")
    if chosen == "mask":
        options["mask"] = mask[:, :1] if d.flip() else mask
    if chosen == "bias":
        options.pop("is_causal", None)
        options["bias"] = d.array((batch, heads, queries, keys))
    return given(q, k, v, **options)


def probabilities(d, shape, axis=-1):
    """Positive numbers that sum to one."""
    x = d.array(shape, 0.1, 1)
    return x / x.sum(axis, keepdims=True, dtype=x.dtype)


def binary(d):
    """Labels and predictions."""
    shape = d.shape(1, 3)
    if d.flip():
        return given(d.array(shape, 0, 1), d.array(shape, -3, 3), from_logits=True)
    return given(d.array(shape, 0, 1), d.array(shape, 0.05, 0.95))


def categorical(d):
    """Distributions of labels and of predictions."""
    shape = d.shape(1, 3, least=2)
    axis = d.axis(len(shape))
    if d.flip():
        return given(probabilities(d, shape, axis), d.array(shape, -3, 3), from_logits=True, axis=axis)
    return given(probabilities(d, shape, axis), d.array(shape, 0.1, 1), axis=axis)


def sparse(d):
    """Labels as numbers, and predictions."""
    shape = (*d.shape(1, 2), d.size(2, 4))
    labels = d.integers(shape[:-1], 0, shape[-1], d.pick("int32", "int64", "uint8"))
    if d.flip():
        labels = labels[..., None]
    if d.flip():
        return given(labels, d.array(shape, -3, 3), from_logits=True)
    return given(labels, d.array(shape, 0.1, 1))


def aligned(d):
    """Labels, predictions over time, and the lengths of both."""
    batch, labels, classes = d.size(1, 3), d.size(1, 3), d.size(3, 5)
    steps = 2 * labels + d.size(0, 2)  # there is room for a blank between repeated labels
    blank = d.pick(0, classes - 1)
    target = d.integers((batch, labels), 1, classes) if blank == 0 else d.integers((batch, labels), 0, classes - 1)
    lengths = d.integers((batch,), 1, labels + 1)
    steps_of = d.integers((batch,), 2 * labels, steps + 1)
    return given(target, d.array((batch, steps, classes)), lengths, steps_of, mask_index=blank)


def too_long(d):
    """More labels than there is time for: no path, and an infinite loss."""
    lengths = np.array([3, 3], np.int32)
    return given(d.integers((2, 3), 1, 4), d.array((2, 4, 4)), lengths, np.array([2, 4], np.int32))


def decoded(d):
    """Predictions over time, and how to read them."""
    batch, steps, classes = 2, 5, 4
    options = d.maybe(merge_repeated=False, mask_index=d.pick(0, classes - 1))
    return given(d.distinct((batch, steps, classes)), d.integers((batch,), 1, steps + 1), strategy="greedy", **options)


def searched(d):
    """Predictions over time, and a beam so wide that nothing is cut off it: what to cut is no part of the contract."""
    options = {"beam_width": 128, "top_paths": d.size(1, 2), "mask_index": d.pick(0, 3)}
    return given(d.array((2, 4, 4)), d.integers((2,), 2, 5), strategy="beam_search", **options)


ROWS = {
    "batch_normalization": [Row(batch_norm, draws=20)],
    "layer_normalization": [
        Row(layer_norm, dtypes=SHORT_TOO, draws=12, tolerance=10),
    ],
    "rms_normalization": [Row(rms_norm, dtypes=SHORT_TOO, draws=12)],
    "normalize": [
        Row(
            lambda d: given(
                d.array(d.shape(1, 3, least=2), away=0.1), **d.maybe(axis=-1, order=d.pick(1, 2, 3), epsilon=1e-3)
            ),
            draws=12,
        ),
        Row(lambda d: given(d.array((2, 3, 2), away=0.1), axis=d.pick(0, (0, 1), (-1, 0))), dtypes=(*FLOATS, "int32")),
    ],
    "dot_product_attention": [Row(attention, draws=40), Row(attention, dtypes=("float16", "bfloat16"), draws=8)],
    "binary_crossentropy": [Row(binary, draws=16)],
    "categorical_crossentropy": [Row(categorical, draws=16)],
    "sparse_categorical_crossentropy": [Row(sparse, draws=16)],
    "ctc_loss": [Row(aligned, draws=30), Row(too_long, compare=NO_GRADIENT)],
    "ctc_decode": [
        Row(decoded, draws=12, compare=NO_GRADIENT),
        Row(searched, dtypes=("float32",), draws=12, compare=NO_GRADIENT),
    ],
}
