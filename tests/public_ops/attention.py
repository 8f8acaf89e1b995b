"""How to call attention."""

import numpy as np

from domains.values import real, truth
from eagerly import ops
from public_ops.rows import Row


def attend(q, k, v, bias=0.0, mask=True, scale=None, is_causal=False, cap=None):
    """Attention in sums over letters; heads that share keys repeat them."""
    k, v = (np.repeat(x, q.shape[2] // x.shape[2], axis=2) for x in (k, v))
    logits = np.einsum("btnh,bsnh->bnts", q, k) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if cap is not None:
        logits = cap * np.tanh(logits / cap)
    mask = np.logical_and(mask, np.tri(*logits.shape[-2:]) > 0) if is_causal else mask
    logits = np.where(mask, logits + bias, -1e30)
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    return np.einsum("bnts,bsnv->btnv", weights / weights.sum(-1, keepdims=True), v)


ROWS: dict[str, list[Row]] = {
    "dot_product_attention": [
        Row(
            lambda n, m: [(n, 3, 2, 4), (n, m, 2, 4), (n, m, 2, 5)],
            ops.dot_product_attention,
            attend,
        ),
        Row(
            lambda n, m: [(n, m, 4, 3), (n, m, 2, 3), (n, m, 2, 3)],
            lambda q, k, v: ops.dot_product_attention(q, k, v, is_causal=True, scale=0.3),
            lambda q, k, v: attend(q, k, v, is_causal=True, scale=0.3),
        ),
        Row(
            lambda n, m: [(2, n + 2, 3, 2), (2, m, 1, 2), (2, m, 1, 2), (2, 1, n + 2, m), (m,)],
            lambda q, k, v, b, mask: ops.dot_product_attention(q, k, v, b, mask, is_causal=True),
            lambda q, k, v, b, mask: attend(q, k, v, b, mask, is_causal=True),
            (real, real, real, real, truth),
        ),
        Row(
            lambda n, m: [(n, m, 2, 3), (n, 4, 2, 3), (n, 4, 2, 3), ()],
            lambda q, k, v, s: ops.dot_product_attention(q, k, v, scale=s, attn_logits_soft_cap=0.5),
            lambda q, k, v, s: attend(q, k, v, scale=s, cap=0.5),
        ),
        Row(
            lambda n, m: [(n, 2, 1, m), (n, 4, 1, m), (n, 4, 1, 2), (2, 4)],
            lambda q, k, v, b: ops.dot_product_attention(q, k, v, bias=b, flash_attention=False),
            attend,
        ),
    ],
}
