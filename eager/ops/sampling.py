"""Primitives that draw from gamma, binomial and categorical laws, in float64.

Element i of a draw is a pure function of (key, draw, i) and its own parameters: each attempt of a rejection takes the
words of block i at the next sub-counter, however many other elements are still waiting. Draws are constants, so no
gradient passes to the parameters. The public distributions are in `random.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..primitive import primitive
from ..tensor import AbstractTensor, TensorLike
from .draws import random_bits, words

_Array = np.ndarray[Any, Any]
_DOUBLE = np.dtype(np.float64)


def _unit(high: _Array, low: _Array) -> _Array:
    """Two words as a number in the open interval (0, 1): the centers of 2⁵² equal cells."""
    cells = (high >> np.uint64(6)).astype(_DOUBLE) * 2.0**26 + (low >> np.uint64(6)).astype(_DOUBLE)
    return (cells + 0.5) * 2.0**-52


def _reject(state: Any, pending: _Array, attempt: Callable[..., tuple[_Array, _Array]], values: _Array) -> None:
    """Puts into `values` at the pending places what `attempt(places, words)` gives first that it accepts."""
    number = 1
    while pending.size:
        found, accepted = attempt(pending, words(state, pending.astype(np.uint64), number))
        values[pending[accepted]] = found[accepted]
        pending = pending[~accepted]
        number += 1


def _drawn(shape: Sequence[Any]) -> AbstractTensor:
    return AbstractTensor(tuple(shape), _DOUBLE)


def _flat(x: Any, shape: Sequence[Any]) -> _Array:
    return np.broadcast_to(np.asarray(x).astype(_DOUBLE), shape).reshape(-1)


@primitive(shape=lambda state, alpha, shape: _drawn(shape))
def random_log_gamma(state: TensorLike, alpha: TensorLike, shape: Sequence[Any]) -> Any:
    """Logarithms of gamma numbers of shape alpha > 0 and scale 1 (Marsaglia & Tsang 2000).

    For alpha < 1 the number for alpha + 1 is multiplied by u to the power of 1 / alpha (their section 6); as a
    logarithm it does not underflow.
    """
    given = _flat(alpha, shape)
    small = given < 1
    d = np.where(small, given + 1, given) - 1 / 3
    c = 1 / np.sqrt(9 * d)
    logs = np.empty(given.shape)

    def attempt(places: _Array, found: _Array) -> tuple[_Array, _Array]:
        normal = np.sqrt(-2 * np.log(_unit(found[0], found[1]))) * np.cos(2 * math.pi * 2.0**-32 * found[2])
        t = c[places] * normal
        log_v = 3 * np.log1p(t)  # of v = (1 + t)³, NaN where v would not be positive
        # x²/2 + d·(1 - v + log v), with the terms in t, which cancel, taken out: d may be huge
        bound = normal * normal / 2 + d[places] * (log_v - 3 * t - t * t * (3 + t))
        return np.log(d[places]) + log_v, np.log((found[3] + 0.5) * 2.0**-32) < bound

    _reject(state, np.arange(given.size), attempt, logs)
    boosted = np.flatnonzero(small)
    first = words(state, boosted.astype(np.uint64))
    logs[boosted] += np.log(_unit(first[0], first[1])) / np.maximum(given[boosted], 1e-300)
    return logs.reshape(shape)


# What is missing in Stirling's formula for log(k!), exact for small k: Hörmann 1993, section 2.
_SMALL_TAILS = np.array(
    [math.lgamma(k + 1) - (k + 0.5) * math.log(k + 1) + (k + 1) - 0.5 * math.log(2 * math.pi) for k in range(10)]
)


def _stirling_tail(k: _Array) -> _Array:
    n = k + 1
    series = (1 / 12 - (1 / 360 - 1 / 1260 / (n * n)) / (n * n)) / n
    return np.where(k < 10, _SMALL_TAILS[np.clip(k, 0, 9).astype(np.intp)], series)


_FEW_SUCCESSES = 10.0  # expected ones, up to which counting along the distribution function is quick


@primitive(shape=lambda state, counts, probabilities, shape: _drawn(shape))
def random_binomial(state: TensorLike, counts: TensorLike, probabilities: TensorLike, shape: Sequence[Any]) -> Any:
    """How many of `counts` trials succeed with the given probability each.

    By inversion where few are expected, else by transformed rejection with squeeze, BTRS (Hörmann 1993, "The generation
    of binomial random variates", section 4).
    """
    n, given = _flat(counts, shape), _flat(probabilities, shape)
    p = np.minimum(given, 1 - given)
    successes = np.zeros(n.shape)
    few = n * p < _FEW_SUCCESSES
    _invert(state, np.flatnonzero(few & (p > 0)), n, p, successes)
    _reject(state, np.flatnonzero(~few), lambda places, found: _btrs(n[places], p[places], found), successes)
    return np.where(given > 0.5, n - successes, successes).reshape(shape)


def _invert(state: Any, places: _Array, n: _Array, p: _Array, successes: _Array) -> None:
    """Subtracts the probabilities of 0, 1, 2, … successes from a uniform number until it is used up."""
    found = words(state, places.astype(np.uint64))
    rest = _unit(found[0], found[1])
    probability = np.exp(n[places] * np.log1p(-p[places]))
    odds = p[places] / (1 - p[places])
    k = 0
    while places.size:
        # More than 128 successes where fewer than 10 are expected: what is left of `rest` is rounding.
        found_one = (rest <= probability) | (k >= np.minimum(n[places], 128))
        successes[places[found_one]] = k
        going = ~found_one
        places, rest, probability, odds = (
            places[going],
            rest[going] - probability[going],
            probability[going],
            odds[going],
        )
        k += 1
        probability = probability * (odds * ((n[places] - k + 1) / k))


def _btrs(n: _Array, p: _Array, found: _Array) -> tuple[_Array, _Array]:
    """One attempt at a binomial number with n·p >= 10, p <= 1/2: the number, and whether it is accepted."""
    u, v = _unit(found[0], found[1]) - 0.5, _unit(found[2], found[3])
    spread = np.sqrt(n * p * (1 - p))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    us = 0.5 - np.abs(u)
    k = np.floor((2 * a / us + b) * u + n * p + 0.5)
    m = np.floor((n + 1) * p)
    height = np.log(v * (2.83 + 5.1 / b) * spread / (a / (us * us) + b))
    # log of P(k) / P(m), each quotient near 1 as log1p so that n may be huge
    bound = (
        (m + 0.5) * (np.log1p((m - k) / (k + 1)) + np.log1p((m - k) / (n - m + 1)))
        + (k - m) * np.log(p / (1 - p) * (n - k + 1) / (k + 1))
        + (n + 1) * np.log1p((k - m) / (n - k + 1))
        + (_stirling_tail(m) + _stirling_tail(n - m) - _stirling_tail(k) - _stirling_tail(n - k))
    )
    squeezed = (us >= 0.07) & (v <= 0.92 - 4.2 / b)
    return k, (k >= 0) & (k <= n) & (squeezed | (height <= bound))


def _categories(state: Any, logits: Any, num_samples: Any) -> AbstractTensor:
    return AbstractTensor((logits.dims[0], num_samples), dtypes.INTX)


@primitive(shape=_categories)
def random_category(state: TensorLike, logits: TensorLike, num_samples: Any) -> Any:
    """For each row, so many independent indices, of which k has a probability proportional to exp(logits[k]).

    By inversion: the first k whose cumulated weight is above a uniform number's share of all, found in log2 steps.
    """
    wide = np.asarray(logits).astype(_DOUBLE)
    rows, classes = wide.shape
    if not rows or not num_samples:
        return np.zeros((rows, num_samples), dtypes.INTX)
    weights = np.cumsum(np.exp(wide - wide.max(axis=1, keepdims=True)), axis=1)
    bits = random_bits.implementation(state, shape=(2, rows, num_samples)).astype(np.uint64)
    total = weights[:, -1:]
    share = np.minimum(_unit(bits[0], bits[1]) * total, np.nextafter(total, 0))
    below = np.zeros(share.shape, np.intp)  # how many of the cumulated weights are at most the share
    for step in (1 << power for power in reversed(range(classes.bit_length()))):
        further = below + step
        last = np.take_along_axis(weights, np.minimum(further, classes) - 1, axis=1)
        below = np.where((further <= classes) & (last <= share), further, below)
    return below.astype(dtypes.INTX)


for _draw in (random_log_gamma, random_binomial, random_category):
    _draw.defvjp(None)
