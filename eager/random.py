"""Random numbers from counter-based streams.

Every generator's key derives from one seed by (seed, stream, ordinal): `set_seed` makes a program's draws the same
again, adding a layer leaves the other streams alone, and no draw touches NumPy's global state. Bits are Philox's
(`ops/draws.py`); distributions follow Keras's definitions. Without a seed the root is entropy.
"""

from __future__ import annotations

import hashlib
import math
import operator
import secrets
import threading
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from . import dimensions, dtypes
from .configurable import Configurable
from .context import context
from .errors import describe
from .ops import arrays, creation, draws, elementwise, integers, sampling, sorting
from .ops.fused import fused
from .ops.rules import normalize_axis
from .primitive import cast
from .tensor import AbstractTensor, Tensor, TensorLike, dims, wrap
from .trackable import Trackable
from .variable import Variable

__all__ = [
    "SeedGenerator",
    "beta",
    "binomial",
    "categorical",
    "dropout",
    "gamma",
    "normal",
    "randint",
    "set_seed",
    "shuffle",
    "streams",
    "truncated_normal",
    "uniform",
]


class Streams(Trackable):
    """The process's root seed, the number of generators made on each stream, and the generator of draws without a seed.

    There is one, `eagerly.random.streams`. Checkpoint(model=model, random=eagerly.random.streams) saves it: after a
    restore, draws without a seed and generators made from then on are those that would have followed. Generators that
    objects hold are saved with these.
    """

    _untracked: ClassVar[frozenset[str]] = Trackable._untracked | {"default"}  # its state is among this one's

    def __init__(self) -> None:
        self.lock = threading.RLock()  # of all generators too, which can then be copied
        self.seed = secrets.randbits(63)
        self.ordinals: dict[str, int] = {}
        self.default: SeedGenerator | None = None

    def get_state(self) -> dict[str, Any]:
        with self.lock:
            user = None if self.default is None else [int(word) for word in self.default.state.numpy()]
            return {"seed": self.seed, "ordinals": dict(self.ordinals), "user": user}

    def set_state(self, state: dict[str, Any]) -> None:
        seed, ordinals, user = state["seed"], dict(state["ordinals"]), state["user"]
        words = None if user is None else np.array(user, np.uint64).reshape(2)
        if not (_is_integer(seed) and all(map(_is_integer, ordinals.values()))):
            raise ValueError(f"random.streams: expected an integer seed and numbers of generators, got {state!r:.200}.")
        with self.lock:
            self.seed, self.ordinals = seed, ordinals
            if words is None:
                self.default = None
            else:
                self.default = self.default or SeedGenerator(0)  # compiled functions may hold the one that there is
                self.default.state.assign(words)

    def __deepcopy__(self, memo: dict[int, Any]) -> Streams:
        return self

    def __reduce__(self) -> str:
        return "streams"

    def reset(self, seed: int) -> None:
        """Begins anew under a seed."""
        with self.lock:
            self.seed, self.ordinals, self.default = seed, {}, None

    def key(self, stream: str) -> int:
        """The key of a stream's next generator."""
        with self.lock:
            ordinal = self.ordinals.get(stream, 0)
            self.ordinals[stream] = ordinal + 1
            return derive_key(self.seed, stream, ordinal)

    def user(self) -> SeedGenerator:
        """The generator of draws without a seed."""
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
        key = streams.key(stream) if seed is None else derive_key(int(seed), "seed")
        self.state = Variable(np.array([key, 0], np.uint64), trainable=False, name="seed_generator_state")

    def next(self, ordered: bool = True) -> Tensor:
        """The state for one draw; the generator moves on. No two threads get the same.

        Args:
          ordered: accepted for Keras's sake, whose unordered states come at less cost; ours always count the draws.
        """
        with streams.lock:
            state = self.state.read()
            self.state.assign(elementwise.add(state, _STEP))
            return state


_STEP = np.array([0, 1], np.uint64)
streams = Streams()


def set_seed(seed: int) -> None:
    """Seeds every stream of this process; generators made from now on repeat.

    Raises:
      ValueError: if the seed is no integer.
    """
    if not _is_integer(seed):
        raise ValueError(f"set_seed: expected an integer, got {describe(seed)}.")
    streams.reset(int(seed))


def _state(seed: Any, sizes: Sequence[Any], *parameters: Any) -> Any:
    """Key and counter of a draw, from a generator, an integer seed, or the user stream.

    A symbol stands for them if a size is not known, or a parameter is a symbol.
    """
    if seed is None:
        seed = streams.user()
    if isinstance(seed, SeedGenerator):
        state: Any = seed.next()
    elif _is_integer(seed):
        state = wrap(np.array([derive_key(int(seed), "seed"), 0], np.uint64))
    else:
        raise ValueError(f"seed: expected an integer, a SeedGenerator or None, got {describe(seed)}.")
    symbolic = not dimensions.known(sizes) or any(isinstance(x, AbstractTensor) for x in parameters)
    if symbolic and context.tracing is None:
        return AbstractTensor((2,), np.dtype(np.uint64))
    return state


def _bits(shape: Sequence[Any], seed: Any) -> Any:
    """32 random bits for each element."""
    return draws.random_bits(_state(seed, shape), shape=tuple(shape))


def _float_dtype(name: str, dtype: Any) -> Any:
    target = dtypes.dtype(dtype)
    if not dtypes.is_float(target):
        raise ValueError(f"{name}: expected a floating-point dtype, got {target.name}.")
    return target


def _sizes(name: str, shape: Any) -> tuple[Any, ...]:
    """A shape as a tuple of integers and symbols."""
    given = shape.tolist() if isinstance(shape, (Tensor, np.ndarray)) else shape
    try:
        sizes = tuple(size if isinstance(size, dimensions.Dim) else operator.index(size) for size in given)
    except TypeError:
        sizes = (-1,)
    if any(isinstance(size, int) and size < 0 for size in sizes):
        raise ValueError(f"{name}: expected a shape, a sequence of integers >= 0, got {describe(shape)}.")
    return sizes


def _parameter(
    name: str,
    what: str,
    value: Any,
    sizes: tuple[Any, ...],
    valid: Callable[[Any], Any] | None = None,
    expected: str = "",
) -> Any:
    """A parameter of a distribution: a Python number, or a tensor that broadcasts to the shape of the draw.

    Raises:
      ValueError: if it does not broadcast, or `valid` is not true of all its values.
    """
    if isinstance(value, (bool, int, float, np.generic)):
        value = value.item() if isinstance(value, np.generic) else value
    else:
        value = creation.convert_to_tensor(value)
        if not _broadcasts(dims(value), sizes):
            shape = dimensions.display(sizes)
            raise ValueError(f"{name}: expected {what} to broadcast to the shape {shape}, got {describe(value)}.")
    if valid and not isinstance(value, AbstractTensor) and not np.all(valid(np.asarray(value).astype(np.float64))):
        raise ValueError(f"{name}: expected {what} {expected}, got {_shown(value)}.")
    return value


def _broadcasts(sizes: tuple[Any, ...], shape: tuple[Any, ...]) -> bool:
    """Whether sizes broadcast to a shape, or may."""
    aligned = zip(reversed(sizes), reversed(shape), strict=False)
    return len(sizes) <= len(shape) and not any(
        size is None or (dimensions.same(size, 1) is False and dimensions.same(size, other) is False)
        for size, other in aligned
    )


def _shown(value: Any) -> str:
    return describe(value) if np.ndim(value) else str(np.asarray(value))


def uniform(
    shape: Sequence[Any], minval: TensorLike = 0.0, maxval: TensorLike = 1.0, dtype: Any = None, seed: Any = None
) -> Tensor:
    """Uniformly distributed values in [minval, maxval), bounds that may be tensors; gradients flow to them.

    Raises:
      ValueError: if minval > maxval, a bound does not broadcast to the shape, or the dtype is not floating.

    >>> uniform((2, 3), seed=1).shape
    (2, 3)
    """
    target, sizes = _float_dtype("uniform", dtype), _sizes("uniform", shape)
    low = _parameter("uniform", "minval", minval, sizes)
    high = _parameter("uniform", "maxval", maxval, sizes)
    concrete = not isinstance(low, AbstractTensor) and not isinstance(high, AbstractTensor)
    if concrete and not np.all(np.asarray(low) <= np.asarray(high)):
        raise ValueError(f"uniform: expected minval <= maxval, got {_shown(low)}, {_shown(high)}.")
    unit = draws.uniform_from(_bits(sizes, seed), dtypes.to_compute_in(target))
    values = cast(unit * (high - low) + low, dtype=target)
    if not concrete:
        return values
    highest = np.nextafter(np.asarray(high).astype(target), np.asarray(low).astype(target))
    return elementwise.minimum(values, highest)  # rounding may have reached maxval


def _spread(name: str, mean: Any, stddev: Any, sizes: tuple[Any, ...]) -> tuple[Any, Any]:
    return (
        _parameter(name, "mean", mean, sizes),
        _parameter(name, "stddev", stddev, sizes, lambda x: x >= 0, "to be >= 0"),
    )


def normal(
    shape: Sequence[Any], mean: TensorLike = 0.0, stddev: TensorLike = 1.0, dtype: Any = None, seed: Any = None
) -> Tensor:
    """Normally distributed values. Mean and standard deviation may be tensors; gradients flow to them.

    Raises:
      ValueError: if stddev < 0, a parameter does not broadcast to the shape, or the dtype is not floating.

    >>> normal((2, 3), seed=1).shape
    (2, 3)
    """
    target, sizes = _float_dtype("normal", dtype), _sizes("normal", shape)
    center, scale = _spread("normal", mean, stddev, sizes)
    standard = draws.normal_from(_bits((2, *sizes), seed), dtypes.to_compute_in(target))
    return cast(standard * scale + center, dtype=target)


def truncated_normal(
    shape: Sequence[Any], mean: TensorLike = 0.0, stddev: TensorLike = 1.0, dtype: Any = None, seed: Any = None
) -> Tensor:
    """Normally distributed values within two standard deviations of the mean; parameters as for `normal`.

    Raises:
      ValueError: if stddev < 0, a parameter does not broadcast to the shape, or the dtype is not floating.

    >>> bool(abs(truncated_normal((100,), seed=1)).numpy().max() <= 2)
    True
    """
    target, sizes = _float_dtype("truncated_normal", dtype), _sizes("truncated_normal", shape)
    center, scale = _spread("truncated_normal", mean, stddev, sizes)
    low = 0.5 * math.erfc(math.sqrt(2.0))  # the probability beyond two standard deviations on one side
    p = draws.uniform_from(_bits(sizes, seed), dtypes.to_compute_in(target)) * (1 - 2 * low) + low
    values = elementwise.clip(draws.normal_quantile(p), -2.0, 2.0)
    return cast(values * scale + center, dtype=target)


def randint(shape: Sequence[Any], minval: Any, maxval: Any, dtype: Any = "int32", seed: Any = None) -> Tensor:
    """Integers in [minval, maxval), uniformly distributed up to a bias below 2⁻¹⁶.

    Raises:
      ValueError: if a bound is no integer, the range is empty or beyond the dtype's, or the dtype is no integer.

    >>> randint((3,), 0, 10, seed=1).shape
    (3,)
    """
    target, sizes = dtypes.dtype("int32" if dtype is None else dtype), _sizes("randint", shape)
    if target.kind not in "iu":
        raise ValueError(f"randint: expected an integer dtype, got {target.name}.")
    low, high = _whole("minval", minval), _whole("maxval", maxval)
    limits = np.iinfo(target)
    if not limits.min <= low < high <= limits.max + 1:
        raise ValueError(f"randint: expected minval < maxval in the range of {target.name}, got {low}, {high}.")
    span = high - low
    count = 1 if span <= 2**16 else 2 if span <= 2**32 else 3
    steps = _scaled(_bits((count, *sizes), seed), count, span)
    base = np.dtype(np.uint64)
    return cast(steps + np.array(low % 2**64, base), dtype=target)  # modulo 2⁶⁴, as the cast is


def _whole(what: str, value: Any) -> int:
    number = value.item() if getattr(value, "size", 0) == 1 and hasattr(value, "item") else value
    if not isinstance(number, (int, float)) or number != number // 1:
        raise ValueError(f"randint: expected an integer as {what}, got {describe(value)}.")
    return int(number)


def _scaled(bits: Any, count: int, span: int) -> Any:
    """floor(0.w₀w₁… · span) for words w of bits [count, …], by long multiplication in 64 bits; span <= 2⁶⁴."""
    word = np.array(2**32, np.uint64)
    if span == 2**64:
        return cast(bits[0], dtype=word.dtype) * word + cast(bits[1], dtype=word.dtype)
    upper, lower = (np.array(part, np.uint64) for part in divmod(span, 2**32))
    total: Any = np.array(0, np.uint64)
    for i in reversed(range(count)):
        digit = cast(bits[i], dtype=word.dtype)
        carried = elementwise.floor_divide(digit * lower + elementwise.mod(total, word), word)
        total = digit * upper + elementwise.floor_divide(total, word) + carried
    return total


def dropout(inputs: TensorLike, rate: float, noise_shape: Sequence[Any] | None = None, seed: Any = None) -> Tensor:
    """Each element is 0, even for NaN, with probability `rate`, else divided by 1 - rate.

    One draw serves all elements along the axes where noise_shape is 1, or which it lacks in front.

    Raises:
      ValueError: if the rate is not in [0, 1], or noise_shape does not broadcast to the shape of the inputs.
    """
    x = creation.convert_to_tensor(inputs)
    if not 0 <= rate <= 1:
        raise ValueError(f"dropout: expected a rate in [0, 1], got {rate!r}.")
    if rate in (0, 1):
        return x if rate == 0 else elementwise.where(np.False_, x, 0.0)
    sizes = dims(x)
    if noise_shape is not None:
        sizes = _noise_sizes(sizes, tuple(noise_shape))
    return _dropped(x, _bits(sizes, seed), int(rate * 2**32), 1.0 / (1.0 - rate))


@fused()
def _dropped(x: Any, bits: Any, least: int, factor: float) -> Any:
    return elementwise.where(bits >= least, x * factor, 0)


def _noise_sizes(shape: tuple[Any, ...], asked: tuple[Any, ...]) -> tuple[Any, ...]:
    """The shape of the draws that dropout makes; None stands for the size of the inputs along that axis."""
    sizes = tuple(shape[i] if size is None and i < len(shape) else size for i, size in enumerate(asked))
    if not _broadcasts(sizes, shape):
        raise ValueError(
            f"dropout: expected a noise_shape that broadcasts to {dimensions.display(shape)}, got {asked}."
        )
    return sizes


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
    axis = normalize_axis(axis, len(tensor.shape), "shuffle: axis")
    if not isinstance(tensor, AbstractTensor):
        order: Any = permutation(tensor.shape[axis], seed)
    elif context.tracing is None:
        order = AbstractTensor((dims(tensor)[axis],), dtypes.INTX)
    else:
        high, low = cast(_bits((2, dims(tensor)[axis]), seed), dtype=np.dtype(np.uint64))
        order = sorting.argsort(integers.bitwise_or(integers.left_shift(high, 32), low))
    return arrays.take(tensor, order, axis)


def _inside(values: Any, target: Any, below_one: bool = False) -> Any:
    """Values in a dtype, none of which rounds to 0, the end of where the law lives, or to 1 if that is one too."""
    smallest = np.asarray({"float16": 2.0**-14, "float64": 2.0**-1022}.get(target.name, 2.0**-126), target)
    values = elementwise.maximum(cast(values, dtype=target), smallest)
    if not below_one:
        return values
    return elementwise.minimum(values, np.nextafter(np.ones((), target), np.zeros((), target)))


def _positive(name: str, what: str, value: Any, sizes: tuple[Any, ...]) -> Any:
    return _parameter(name, what, value, sizes, lambda x: (x > 0) & np.isfinite(x), "to be > 0 and finite")


def gamma(shape: Sequence[Any], alpha: TensorLike, dtype: Any = None, seed: Any = None) -> Tensor:
    """Values of density x^(alpha - 1) · exp(-x) / Γ(alpha) on x > 0; none is 0, however small alpha is.

    Draws are constants: no gradient flows to alpha.

    Args:
      shape: the shape of the result.
      alpha: a number > 0, or a tensor of them that broadcasts to the shape.
      dtype: a floating-point dtype, float32 if None.
      seed: an integer, a SeedGenerator, or None for the user stream.

    Raises:
      ValueError: if alpha is not positive and finite or does not broadcast, or the dtype is not floating.

    >>> gamma((2, 3), 2.5, seed=1).shape
    (2, 3)
    """
    target, sizes = _float_dtype("gamma", dtype), _sizes("gamma", shape)
    alpha = _positive("gamma", "alpha", alpha, sizes)
    logs = sampling.random_log_gamma(_state(seed, sizes, alpha), alpha, shape=sizes)
    return _inside(elementwise.exp(logs), target)


def beta(shape: Sequence[Any], alpha: TensorLike, beta: TensorLike, dtype: Any = None, seed: Any = None) -> Tensor:
    """Values of density proportional to x^(alpha - 1) · (1 - x)^(beta - 1), inside of (0, 1).

    X / (X + Y) for gamma values X and Y, whose logarithms do not underflow for small parameters. Draws are constants:
    no gradient flows to alpha and beta.

    Args:
      shape: the shape of the result.
      alpha: a number > 0, or a tensor of them that broadcasts to the shape.
      beta: likewise.
      dtype: a floating-point dtype, float32 if None.
      seed: an integer, a SeedGenerator, or None for the user stream.

    Raises:
      ValueError: if a parameter is not positive and finite or does not broadcast, or the dtype is not floating.

    >>> beta((2, 3), 0.5, 2.0, seed=1).shape
    (2, 3)
    """
    target, sizes = _float_dtype("beta", dtype), _sizes("beta", shape)
    both = [_positive("beta", "alpha", alpha, sizes), _positive("beta", "beta", beta, sizes)]
    both = arrays.stack([arrays.broadcast_to(creation.convert_to_tensor(x, "float64"), shape=sizes) for x in both])
    logs = sampling.random_log_gamma(_state(seed, sizes, both), both, shape=(2, *sizes))
    return _inside(elementwise.sigmoid(logs[0] - logs[1]), target, below_one=True)


def binomial(
    shape: Sequence[Any], counts: TensorLike, probabilities: TensorLike, dtype: Any = None, seed: Any = None
) -> Tensor:
    """How many of `counts` independent trials succeed, each with the given probability.

    Draws are constants: no gradient flows to the probabilities.

    Args:
      shape: the shape of the result.
      counts: whole numbers >= 0, one or a tensor of them that broadcasts to the shape.
      probabilities: numbers in [0, 1], likewise.
      dtype: a dtype of numbers, float32 if None.
      seed: an integer, a SeedGenerator, or None for the user stream.

    Raises:
      ValueError: if a parameter is out of range or does not broadcast.

    >>> binomial((3,), 10, [0.0, 0.5, 1.0], seed=1).tolist()[::2]
    [0.0, 10.0]
    """
    target, sizes = dtypes.dtype(dtype), _sizes("binomial", shape)
    n = _parameter("binomial", "counts", counts, sizes, _are_counts, "to be whole numbers >= 0")
    p = _parameter("binomial", "probabilities", probabilities, sizes, lambda x: (x >= 0) & (x <= 1), "to be in [0, 1]")
    return cast(sampling.random_binomial(_state(seed, sizes, n, p), n, p, shape=sizes), dtype=target)


def _are_counts(x: Any) -> Any:
    return (x >= 0) & np.isfinite(x) & (x == np.floor(x))


def categorical(logits: TensorLike, num_samples: int, dtype: Any = "int32", seed: Any = None) -> Tensor:
    """Indices k, each with a probability proportional to exp(logits[row, k]): num_samples of them for each row.

    Draws are constants: no gradient flows to the logits.

    Args:
      logits: float[rows, classes]; -inf for what never comes.
      num_samples: the number of columns of the result.
      dtype: the dtype of the result, int32 if None.
      seed: an integer, a SeedGenerator, or None for the user stream.

    Raises:
      ValueError: if logits have not two axes, or a row has NaN, +inf, or nothing above -inf.

    >>> categorical([[-np.inf, 0.0], [0.0, -np.inf]], 3, seed=1).tolist()
    [[1, 1, 1], [0, 0, 0]]
    """
    x = creation.convert_to_tensor(logits)
    if len(dims(x)) != 2:
        raise ValueError(f"categorical: expected logits [rows, classes], got {describe(x)}.")
    (count,) = _sizes("categorical: num_samples", (num_samples,))
    if not isinstance(x, AbstractTensor):
        highest = np.max(np.asarray(x).astype(np.float64), axis=1, initial=-np.inf)
        if not np.all(np.isfinite(highest)):
            raise ValueError(
                "categorical: expected rows of logits with a largest one that is finite, got rows with "
                f"{sorted(set(map(float, highest[~np.isfinite(highest)])))} in {describe(x)}."
            )
    indices = sampling.random_category(_state(seed, (count,), x), x, num_samples=count)
    return cast(indices, dtype=dtypes.dtype("int32" if dtype is None else dtype))
