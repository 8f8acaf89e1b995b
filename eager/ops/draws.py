"""Random bits, and the uniform and normal numbers that are made of them.

Bits are those of Philox4x32-10, a counter-based generator (Salmon et al. 2011, "Parallel random numbers"): the same
state gives the same bits whatever the number of threads or workers, since bit block i of draw c under key k is a pure
function of (k, c, i). Who holds states, and the public distributions, are in `random.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import dimensions, dtypes, kernels
from ..primitive import cast, primitive
from ..tensor import AbstractTensor, TensorLike
from . import elementwise
from .special import QUANTILE_CENTER, QUANTILE_TAIL

_MASK = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_WORTHWHILE = 1024  # words from which a kernel makes them
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


def words(state: Any, blocks: np.ndarray[Any, Any], attempt: int = 0) -> np.ndarray[Any, Any]:
    """Four 32-bit words for each block of the draw that `state` tells, in uint64 [4, n].

    An attempt below 2¹⁶ has words of its own: what rejects a number takes those of the next attempt.
    """
    key, draw = np.asarray(state, np.uint64)
    counter = np.empty((4, len(blocks)), np.uint64)
    counter[0], counter[1] = blocks & _MASK, blocks >> _SHIFT | np.uint64(attempt << 16)  # fewer than 2⁴⁸ blocks
    counter[2], counter[3] = draw & _MASK, draw >> _SHIFT
    return philox(counter, np.array([key & _MASK, key >> _SHIFT]))


@primitive(shape=lambda state, shape: AbstractTensor(tuple(shape), np.dtype(np.uint32)))
def random_bits(state: TensorLike, shape: Sequence[Any]) -> Any:
    """32 random bits for each element; `state` holds the key and the number of the draw as two uint64."""
    size = int(dimensions.product(shape))
    launch = kernels.launch("philox", size) if size >= _WORTHWHILE else None
    if launch is not None:
        bits = np.empty(tuple(map(int, shape)), np.uint32)
        launch(bits, np.ascontiguousarray(state, np.uint64))
        return bits
    found = words(state, np.arange(-(-size // 4), dtype=np.uint64))
    return found.T.astype(np.uint32).reshape(-1)[:size].reshape(shape)


random_bits.defvjp(None)
random_bits.defkernel(lambda state, shape: kernels.launch("philox", int(dimensions.product(shape))))


def uniform_from(bits: Any, dtype: Any) -> Any:
    """Bits as numbers in the open interval (0, 1): the centers of 2²³ equal cells, of 2³² for float64.

    Rounded to 16 bits they keep clear of 1 all the same.
    """
    target = dtypes.dtype(dtype)
    if target.itemsize > 4:
        return (cast(bits, dtype=target) + 0.5) * 2.0**-32
    cells = elementwise.floor_divide(bits, 512)  # 23 bits, because the half takes one of float32's 24
    unit = (cast(cells, dtype=dtypes.FLOATX) + 0.5) * 2.0**-23
    if target == dtypes.FLOATX:
        return unit
    return elementwise.minimum(cast(unit, dtype=target), np.nextafter(np.ones((), target), np.zeros((), target)))


def normal_from(bits: Any, dtype: Any) -> Any:
    """A standard normal number for each pair of words in bits [2, …] (Box & Muller 1958)."""
    unit = uniform_from(bits, dtypes.to_compute_in(dtype))
    radius = elementwise.sqrt(elementwise.log(unit[0]) * -2.0)
    return cast(radius * elementwise.cos(unit[1] * (2 * math.pi)), dtype=dtypes.dtype(dtype))


def _ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], x: Any) -> Any:
    top, bottom = coefficients[0][0], coefficients[1][0]
    for a, b in zip(coefficients[0][1:], coefficients[1][1:], strict=True):
        top, bottom = x * top + a, x * bottom + b
    return top / bottom


def normal_quantile(p: Any) -> Any:
    """The x below which a normal value lies with probability p, for p in [1e-7, 1 - 1e-7] (AS 241)."""
    q = p - 0.5
    center = q * _ratio(QUANTILE_CENTER, q * q * -1.0 + 0.180625)
    r = elementwise.sqrt(-elementwise.log(elementwise.minimum(p, p * -1.0 + 1.0)))
    tail = _ratio(QUANTILE_TAIL, r - 1.6) * elementwise.sign(q)
    return elementwise.where(elementwise.absolute(q) <= 0.425, center, tail)


# `random.normal`, for the operations that need noise: seeds and streams stand above them, so the façade sets it.
normal: Callable[..., Any]
