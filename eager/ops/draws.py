"""Random bits: Philox4x32-10, a counter-based generator (Salmon et al. 2011, "Parallel random numbers").

The same state gives the same bits whatever the number of threads or workers: bit block i of draw c under key k is a
pure function of (k, c, i). Distributions are made of these bits in `random.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dimensions
from ..primitive import primitive
from ..tensor import AbstractTensor, TensorLike

_MASK = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
# Multipliers and key increments of Salmon et al., section 3.3.
_MULTIPLIERS = np.array([[0xD2511F53], [0xCD9E8D57]], np.uint64)
_WEYL = np.array([[0x9E3779B9], [0xBB67AE85]], np.uint64)


def philox(counter: np.ndarray[Any, Any], key: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Ten rounds on counters [4, n] and a key [2], all 32-bit words held in uint64; gives words [4, n]."""
    even, odd = counter[0::2], counter[1::2]
    words = key.reshape(2, 1)
    for _ in range(10):
        products = even * _MULTIPLIERS
        even = (products[::-1] >> _SHIFT) ^ odd ^ words
        odd = products[::-1] & _MASK
        words = (words + _WEYL) & _MASK
    return np.stack([even[0], odd[0], even[1], odd[1]])


@primitive(shape=lambda state, shape: AbstractTensor(tuple(shape), np.dtype(np.uint32)))
def random_bits(state: TensorLike, shape: Sequence[Any]) -> Any:
    """32 random bits for each element; `state` holds the key and the number of the draw as two uint64."""
    key, draw = np.asarray(state, np.uint64)
    size = int(dimensions.product(shape))
    blocks = np.arange(-(-size // 4), dtype=np.uint64)
    counter = np.empty((4, len(blocks)), np.uint64)
    counter[0], counter[1] = blocks & _MASK, blocks >> _SHIFT
    counter[2], counter[3] = draw & _MASK, draw >> _SHIFT
    words = philox(counter, np.array([key & _MASK, key >> _SHIFT]))
    return words.T.astype(np.uint32).reshape(-1)[:size].reshape(shape)


random_bits.defvjp(None)
