"""Random numbers from counter-based streams.

Every generator's key derives from one seed by (seed, stream, ordinal): `set_seed` makes a program's draws the same
again, adding a layer leaves the other streams alone, and no draw touches NumPy's global state. Bits are Philox's
(`ops/draws.py`); distributions follow Keras's definitions. Without a seed the root is entropy.
"""

from __future__ import annotations

import hashlib
import math
import secrets
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import dimensions, dtypes
from .configurable import Configurable
from .errors import describe
from .ops import arrays, creation, draws, elementwise
from .ops.rules import normalize_axis
from .primitive import cast
from .tensor import AbstractTensor, Tensor, TensorLike, dims, wrap
from .trackable import Trackable
from .variable import Variable

__all__ = [
    "SeedGenerator",
    "dropout",
    "normal",
    "randint",
    "set_seed",
    "shuffle",
    "truncated_normal",
    "uniform",
]


class _Streams:
    """The process's root seed and the number of generators made on each stream."""

    def __init__(self) -> None:
        self.lock = threading.RLock()  # of all generators too, which can then be copied
        self.reset(secrets.randbits(63))

    def reset(self, seed: int) -> None:
        with self.lock:
            self.seed = seed
            self.ordinals: dict[str, int] = {}
            self.default: SeedGenerator | None = None

    def key(self, stream: str) -> int:
        with self.lock:
            ordinal = self.ordinals.get(stream, 0)
            self.ordinals[stream] = ordinal + 1
            return derive_key(self.seed, stream, ordinal)

    def user(self) -> SeedGenerator:
        with self.lock:
            if self.default is None:
                self.default = SeedGenerator()
            return self.default


def derive_key(seed: int, stream: str, ordinal: int = 0) -> int:
    """The 64-bit key of the ordinal-th generator of a stream under a seed."""
    digest = hashlib.blake2b(f"{seed}/{stream}/{ordinal}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def _is_integer(seed: Any) -> bool:
    return isinstance(seed, (int, np.integer)) and not isinstance(seed, bool)


class SeedGenerator(Trackable, Configurable):
    """The state of one random stream: a key and the number of draws so far.

    Args:
      seed: an integer for a stream of its own; None derives the key from `set_seed`'s seed.
      name: shown in messages.
      stream: which family of streams a derived key belongs to: "init", "dropout", "shuffle", "user".

    Raises:
      ValueError: if the seed is no integer.

    Example:
      >>> generator = SeedGenerator(seed=7)
      >>> bool(uniform((), seed=generator) == uniform((), seed=SeedGenerator(seed=7)))
      True
    """

    def __init__(self, seed: int | None = None, name: str | None = None, stream: str = "user"):
        if seed is not None and not _is_integer(seed):
            raise ValueError(f"SeedGenerator: expected an integer seed or None, got {describe(seed)}.")
        self.name = name or "seed_generator"
        key = _streams.key(stream) if seed is None else derive_key(int(seed), "seed")
        self.state = Variable(np.array([key, 0], np.uint64), trainable=False, name="seed_generator_state")

    def next(self) -> Tensor:
        """The state for one draw; the generator moves on. No two threads get the same."""
        with _streams.lock:
            state = self.state.read()
            self.state.assign(elementwise.add(state, _STEP))
            return state


_STEP = np.array([0, 1], np.uint64)
_streams = _Streams()


def set_seed(seed: int) -> None:
    """Seeds every stream of this process; generators made from now on repeat.

    Raises:
      ValueError: if the seed is no integer.
    """
    if not _is_integer(seed):
        raise ValueError(f"set_seed: expected an integer, got {describe(seed)}.")
    _streams.reset(int(seed))


def _bits(shape: Sequence[Any], seed: Any) -> Any:
    """32 random bits for each element, from a generator, an integer seed, or the user stream."""
    if seed is None:
        seed = _streams.user()
    if isinstance(seed, SeedGenerator):
        state: Any = seed.next()
    elif _is_integer(seed):
        state = wrap(np.array([derive_key(int(seed), "seed"), 0], np.uint64))
    else:
        raise ValueError(f"seed: expected an integer, a SeedGenerator or None, got {describe(seed)}.")
    if not dimensions.known(shape):
        state = AbstractTensor((2,), np.dtype(np.uint64))
    return draws.random_bits(state, shape=tuple(shape))


def _float_dtype(dtype: Any) -> Any:
    target = dtypes.dtype(dtype)
    if not dtypes.is_float(target):
        raise ValueError(f"dtype: expected a floating-point dtype, got {target.name}.")
    return target


def uniform(
    shape: Sequence[Any], minval: float = 0.0, maxval: float = 1.0, dtype: Any = None, seed: Any = None
) -> Tensor:
    """Uniformly distributed values in [minval, maxval), integers for an integer dtype.

    Raises:
      ValueError: if minval > maxval, or the range of integers is empty.

    >>> uniform((2, 3), seed=1).shape
    (2, 3)
    """
    if not dtypes.is_float(dtypes.dtype(dtype)):
        return randint(shape, int(minval), int(maxval), dtype, seed)
    target = _float_dtype(dtype)
    if not minval <= maxval:
        raise ValueError(f"uniform: expected minval <= maxval, got {minval}, {maxval}.")
    unit = draws.uniform_from(_bits(shape, seed), draws.wide(target))
    values = cast(unit * (maxval - minval) + minval, dtype=target)
    highest = np.nextafter(np.asarray(maxval, target), np.asarray(minval, target))
    return elementwise.minimum(values, highest)  # rounding may have reached maxval


def normal(shape: Sequence[Any], mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None) -> Tensor:
    """Normally distributed values.

    >>> normal((2, 3), seed=1).shape
    (2, 3)
    """
    target = _float_dtype(dtype)
    standard = draws.normal_from(_bits((2, *shape), seed), draws.wide(target))
    return cast(standard * stddev + mean, dtype=target)


def truncated_normal(
    shape: Sequence[Any], mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None
) -> Tensor:
    """Normally distributed values within two standard deviations of the mean.

    >>> bool(abs(truncated_normal((100,), seed=1)).numpy().max() <= 2)
    True
    """
    target = _float_dtype(dtype)
    low = 0.5 * math.erfc(math.sqrt(2.0))  # the probability beyond two standard deviations on one side
    p = draws.uniform_from(_bits(shape, seed), draws.wide(target)) * (1 - 2 * low) + low
    values = elementwise.clip(draws.normal_quantile(p), -2.0, 2.0)
    return cast(values * stddev + mean, dtype=target)


def randint(shape: Sequence[Any], minval: int, maxval: int, dtype: Any = "int32", seed: Any = None) -> Tensor:
    """Integers in [minval, maxval), uniformly distributed up to a bias below (maxval - minval) / 2³².

    Raises:
      ValueError: if the range is empty, wider than 2³² or beyond the dtype's, or the dtype is no integer.

    >>> randint((3,), 0, 10, seed=1).shape
    (3,)
    """
    target = dtypes.dtype(dtype)
    if target.kind not in "iu":
        raise ValueError(f"randint: expected an integer dtype, got {target.name}.")
    low, high, limits = int(minval), int(maxval), np.iinfo(target)
    if not limits.min <= low < high <= limits.max + 1 or high - low > 2**32:
        raise ValueError(
            f"randint: expected minval < maxval, at most 2**32 apart and in the range of {target.name}, "
            f"got {low}, {high}."
        )
    wide = cast(_bits(shape, seed), dtype=np.dtype(np.uint64)) * np.array(high - low, np.uint64)
    steps = elementwise.floor_divide(wide, np.array(2**32, np.uint64))
    base = np.dtype(np.uint64 if target.kind == "u" else np.int64)
    return cast(cast(steps, dtype=base) + np.array(low, base), dtype=target)


def dropout(inputs: TensorLike, rate: float, noise_shape: Sequence[Any] | None = None, seed: Any = None) -> Tensor:
    """Each element is 0, even for NaN, with probability `rate`, else divided by 1 - rate.

    One draw serves all elements along the axes where noise_shape is 1.

    Raises:
      ValueError: if the rate is not in [0, 1], or noise_shape has another rank than the inputs.
    """
    x = creation.convert_to_tensor(inputs)
    if not 0 <= rate <= 1:
        raise ValueError(f"dropout: expected a rate in [0, 1], got {rate!r}.")
    if rate in (0, 1):
        return x if rate == 0 else elementwise.where(np.False_, x, 0.0)
    sizes = dims(x)
    if noise_shape is not None:
        if len(noise_shape) != len(sizes):
            raise ValueError(f"dropout: expected a noise_shape of rank {len(sizes)}, got {tuple(noise_shape)}.")
        sizes = tuple(mine if asked is None else asked for mine, asked in zip(sizes, noise_shape, strict=True))
    kept = _bits(sizes, seed) >= int(rate * 2**32)
    return elementwise.where(kept, x * (1.0 / (1.0 - rate)), 0)


def permutation(n: int, seed: Any = None) -> np.ndarray[Any, Any]:
    """The integers below n in random order, as an array."""
    bits = _bits((2, n), seed)._array.astype(np.uint64)
    return np.argsort((bits[0] << np.uint64(32)) | bits[1], kind="stable")


def shuffle(x: TensorLike, axis: int = 0, seed: Any = None) -> Tensor:
    """The slices along an axis in random order.

    >>> sorted(shuffle([3, 1, 2], seed=1).tolist())
    [1, 2, 3]
    """
    tensor = creation.convert_to_tensor(x)
    axis = normalize_axis(axis, len(tensor.shape))
    return arrays.take(tensor, permutation(tensor.shape[axis], seed), axis)
