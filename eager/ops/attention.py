"""Attention: values averaged by how well their keys answer a query."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dimensions, dtypes
from ..dimensions import Dim, Size
from ..errors import describe
from ..tensor import TensorLike, dims
from . import arrays, creation, linear, reductions
from .elementwise import cast_like, logical_and, sqrt, tanh, where
from .fused import fused
from .nonlinear import softmax
from .windows import unfold


def dot_product_attention(
    query: TensorLike,
    key: TensorLike,
    value: TensorLike,
    bias: TensorLike | None = None,
    mask: TensorLike | None = None,
    scale: TensorLike | None = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    attn_logits_soft_cap: float | None = None,
) -> Any:
    """softmax(query · key · scale + bias) · value for each head, over the places that the mask allows.

    A query that may attend to no place gets the mean of all values, as in Keras.

    Args:
      query: [batch, queries, heads, features].
      key: [batch, places, key heads, features]; each serves heads / key heads neighboring heads of the query.
      value: [batch, places, key heads, features of the result].
      bias: is added to the logits; broadcasts to [batch, heads, queries, places].
      mask: true where a query may attend to a place; broadcasts as the bias does.
      scale: a number for the logits; 1 / sqrt(features) if None.
      is_causal: whether query i may attend to places 0 … i alone.
      flash_attention: False or None: there is one algorithm.
      attn_logits_soft_cap: if given, logits before bias and mask become cap · tanh(logits / cap).

    Raises:
      ValueError: if shapes do not belong together, or for flash_attention=True.

    Example:
      >>> x = np.array([1.0, 2.0]).reshape(1, 2, 1, 1)
      >>> [f"{y:.3f}" for y in dot_product_attention(x, x, x, is_causal=True)[0, :, 0, 0]]
      ['1.000', '1.881']

    Reference: Vaswani et al. 2017, eq. 1; Ainslie et al. 2023 for heads that share keys.
    """
    if flash_attention:
        raise ValueError(
            "dot_product_attention: expected flash_attention=False or None, got True. It is an algorithm for GPUs; "
            "without it the results are the same."
        )
    _check(query, key, value, bias=bias, mask=mask)
    if scale is None:
        features = dims(query)[3]
        within = dtypes.to_compute_in(dtypes.result_type(query, key, value, float))
        scale = features**-0.5 if isinstance(features, int) else 1.0 / sqrt(creation.ones((), within) * features)
    return _attention(query, key, value, bias, mask, scale, is_causal, attn_logits_soft_cap)[0]


def _by_heads(x: Any, heads: Size) -> Any:
    """[batch, length, heads, features] as [batch, key heads, rows, features].

    Heads that share a key stand below each other as further queries, so that one product serves them.
    """
    batch, length, own, features = dims(x)
    x = arrays.transpose(x, axes=(0, 2, 1, 3))
    return (
        x
        if dimensions.same(own, heads) is True
        else arrays.reshape(x, newshape=(batch, heads, own // heads * length, features))
    )


def _allowed(mask: Any, is_causal: bool, length: Size, places: Size) -> Any:
    allowed = None if mask is None else cast_like(mask, dtypes.BOOL)
    if is_causal:
        earlier = _no_later(length, places)
        allowed = earlier if allowed is None else logical_and(allowed, earlier)
    return allowed


def _attention_gradient(
    g: Any, y: Any, query: Any, key: Any, value: Any, bias: Any, mask: Any, scale: Any, is_causal: bool, cap: Any
) -> Any:
    """Through the weights that were kept; None where more than these would be needed."""
    if bias is not None or cap is not None:
        return None
    batch, length, heads, features = dims(query)
    places, shared = dims(key)[1:3]
    rows = heads // shared * length
    weights = arrays.reshape(y[1], newshape=(batch, shared, rows, places))
    q, k, v, g = (_by_heads(x, shared) for x in (query, key, value, g))
    of_weights = linear.matmul(g, linear.swapped(v))
    of_logits = weights * (of_weights - reductions.sum(of_weights * weights, axis=-1, keepdims=True))
    allowed = _allowed(mask, is_causal, length, places)
    if allowed is not None:
        of_logits = arrays.reshape(of_logits, newshape=(batch, heads, length, places))
        of_logits = arrays.reshape(where(allowed, of_logits, 0), newshape=(batch, shared, rows, places))
    of_query = arrays.reshape(linear.matmul(of_logits, k) * scale, newshape=(batch, heads, length, features))
    of_key = linear.matmul(linear.swapped(of_logits), q) * scale
    of_value = linear.matmul(linear.swapped(weights), g)
    return [arrays.transpose(x, axes=(0, 2, 1, 3)) for x in (of_query, of_key, of_value)]


@fused(gradient=_attention_gradient, seen=1)
def _attention(
    query: Any, key: Any, value: Any, bias: Any, mask: Any, scale: Any, is_causal: bool, cap: Any
) -> tuple[Any, Any]:
    """What is attended, and the weights."""
    target = dtypes.result_type(query, key, value, float)
    within = dtypes.to_compute_in(target)
    q, k, v = (cast_like(x, within) for x in (query, key, value))
    batch, length, heads, _ = dims(q)
    places, shared = dims(k)[1:3]
    logits = linear.matmul(_by_heads(q * cast_like(scale, within), shared), arrays.transpose(k, axes=(0, 2, 3, 1)))
    logits = arrays.reshape(logits, newshape=(batch, heads, length, places))
    if cap is not None:
        logits = cap * tanh(logits / cap)
    if bias is not None:
        logits = logits + cast_like(bias, within)
    allowed = _allowed(mask, is_causal, length, places)
    if allowed is not None:  # finite, so that a query without a place gives no NaN
        logits = where(allowed, logits, float(np.finfo(within).min) * 0.7)
    weights = softmax(logits)
    rows = arrays.reshape(weights, newshape=(batch, shared, heads // shared * length, places))
    y = linear.matmul(rows, arrays.transpose(v, axes=(0, 2, 1, 3)))
    y = arrays.reshape(y, newshape=(batch, heads, length, dims(v)[-1]))
    return cast_like(arrays.transpose(y, axes=(0, 2, 1, 3)), target), weights


def _check(query: Any, key: Any, value: Any, **added: Any) -> None:
    got = f"got query {describe(query)}, key {describe(key)} and value {describe(value)}."
    if any(len(dims(x)) != 4 for x in (query, key, value)):
        raise ValueError(f"dot_product_attention: expected tensors [batch, length, heads, features], {got}")
    batch, length, heads, features = dims(query)
    _, places, shared, _ = dims(key)
    pairs = [(batch, dims(key)[0]), (features, dims(key)[3]), *zip(dims(key)[:3], dims(value)[:3], strict=True)]
    if any(dimensions.same(a, b) is False for a, b in pairs) or dimensions.same(heads % shared, 0) is False:
        raise ValueError(
            "dot_product_attention: expected one batch size, keys with the features of the query, as many values as "
            f"keys, and a number of query heads that is a multiple of theirs, {got}"
        )
    logits = (batch, heads, length, places)
    for name, x in added.items():
        shape = () if x is None else dims(x)
        fits = zip(reversed(shape), reversed(logits), strict=False)
        if len(shape) > 4 or any(dimensions.same(a, 1) is False and dimensions.same(a, b) is False for a, b in fits):
            raise ValueError(
                f"dot_product_attention: expected a {name} that broadcasts to [batch, heads, queries, places], here "
                f"{dimensions.display(logits)}, got {describe(x)}."
            )


def _no_later(length: Size, places: Size) -> Any:
    """Whether place j is no later than query i, [i, j]; of unknown sizes too."""
    if not isinstance(length, Dim) and not isinstance(places, Dim):
        return np.tri(length, places, dtype=bool)
    # Row i of such a matrix is a part of the one sequence true … true false … false, one step further back than row
    # i - 1: its windows, last one first.
    sequence = arrays.pad(creation.ones((length,), dtypes.BOOL), widths=((0, places - 1),))
    image = arrays.reshape(sequence, newshape=(1, -1, 1))
    rows = arrays.reshape(unfold(image, window=(places,), strides=(1,), dilation=(1,)), newshape=(length, places))
    return arrays.getitem(rows, key=(slice(None, None, -1),))
