"""Initial values of weights, by the names and formulas of Keras 3.

An initializer is called with a shape and a dtype. Without a seed each instance draws from a generator of its own on
the stream "init", so every call gives new values; with an integer seed every call with one shape gives the same.
`get` knows each class by the public names of this module, `GlorotUniform` and `glorot_uniform` alike.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np

from . import dtypes, ops, random
from .configurable import Configurable, aliased, resolve
from .errors import describe
from .random import SeedGenerator
from .tensor import Operand, Tensor, TensorLike, wrap

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "IdentityInitializer",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "OrthogonalInitializer",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "constant",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "truncated_normal",
    "variance_scaling",
    "zeros",
]

Mode = Literal["fan_in", "fan_out", "fan_avg"]
Seed = int | SeedGenerator | None


class Initializer(Configurable):
    """A function from shape and dtype to initial values; derive from it and define `__call__`.

    Example:
      >>> class Halves(Initializer):
      ...     def __call__(self, shape, dtype=None):
      ...         return ops.full(shape, 0.5, dtype)
      >>> Halves()((2,)).tolist()
      [0.5, 0.5]
    """

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        """The initial values.

        Args:
          shape: their shape.
          dtype: their dtype; float32 if None.
        """
        raise NotImplementedError(f"{type(self).__name__}: expected a __call__(shape, dtype=None) of its own.")

    def clone(self) -> Self:
        """Another initializer with the same configuration."""
        return type(self).from_config(self.get_config())

    def _sizes(self, shape: Sequence[int]) -> tuple[int, ...]:
        if not all(isinstance(size, (int, np.integer)) and size >= 0 for size in shape):
            raise ValueError(f"{type(self).__name__}: expected a shape of known sizes >= 0, got {tuple(shape)}.")
        return tuple(map(int, shape))

    def _float(self, dtype: Any) -> np.dtype[Any]:
        target = dtypes.dtype(dtype)
        if not dtypes.is_float(target):
            raise ValueError(f"{type(self).__name__}: expected a floating-point dtype, got {target.name}.")
        return target


class Zeros(Initializer):
    """All 0.

    >>> Zeros()((2,)).tolist()
    [0.0, 0.0]
    """

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        return ops.zeros(self._sizes(shape), dtype)


class Ones(Initializer):
    """All 1.

    >>> Ones()((2,)).tolist()
    [1.0, 1.0]
    """

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        return ops.ones(self._sizes(shape), dtype)


class Constant(Initializer):
    """All `value`.

    Args:
      value: a number, or an array that broadcasts to the shape.

    Raises:
      ValueError: if the value is no number or array of numbers, or when it does not broadcast to a shape.

    Example:
      >>> Constant(3)((2,)).tolist()
      [3.0, 3.0]
    """

    def __init__(self, value: TensorLike = 0.0):
        self.value = np.array(value)
        if self.value.dtype.name not in dtypes.NAMES:
            raise ValueError(f"{type(self).__name__}: expected numbers as value, got {describe(value)}.")

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        sizes, target = self._sizes(shape), dtypes.dtype(dtype)
        try:
            return wrap(np.full(sizes, self.value, target))
        except ValueError:
            raise ValueError(
                f"{type(self).__name__}: expected a shape that {describe(self.value)} broadcasts to, got {sizes}."
            ) from None


class Identity(Initializer):
    """gain on the diagonal of a matrix, 0 elsewhere.

    Args:
      gain: the factor.

    Raises:
      ValueError: when called with a shape that is no matrix's.

    Example:
      >>> Identity(2)((2, 3)).tolist()
      [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]
    """

    def __init__(self, gain: float = 1.0):
        self.gain = gain

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        sizes = self._sizes(shape)
        if len(sizes) != 2:
            raise ValueError(f"{type(self).__name__}: expected the shape of a matrix, (rows, columns), got {sizes}.")
        return ops.cast(self.gain * np.eye(*sizes), dtypes.dtype(dtype))


class _Random(Initializer):
    """An initializer with a source of random bits: a seed that repeats, or a generator that moves on."""

    def __init__(self, seed: Seed | Mapping[str, Any] = None):
        if isinstance(seed, Mapping) and seed.get("class_name") == "SeedGenerator":
            seed = SeedGenerator.from_config(seed["config"])
        if isinstance(seed, bool) or not (seed is None or isinstance(seed, (int, np.integer, SeedGenerator))):
            raise ValueError(
                f"{type(self).__name__}: expected an integer, a SeedGenerator or None as seed, got {describe(seed)}."
            )
        self.seed = SeedGenerator(stream="init") if seed is None else seed


class RandomNormal(_Random):
    """Normally distributed values.

    Args:
      mean: their mean.
      stddev: their standard deviation.
      seed: None for new values at each call; an integer for the same ones; or a SeedGenerator to draw from.

    Raises:
      ValueError: for a negative stddev.

    Example:
      >>> RandomNormal(seed=1)((2, 3)).shape
      (2, 3)
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Seed = None):
        super().__init__(seed)
        if not stddev >= 0:
            raise ValueError(f"{type(self).__name__}: expected a stddev >= 0, got {stddev!r}.")
        self.mean = mean
        self.stddev = stddev

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        return random.normal(self._sizes(shape), self.mean, self.stddev, self._float(dtype), self.seed)


class TruncatedNormal(_Random):
    """Normally distributed values, those beyond two standard deviations drawn again.

    Args:
      mean: the mean.
      stddev: the standard deviation before the truncation, which leaves 0.87962566103423978 of it.
      seed: None for new values at each call; an integer for the same ones; or a SeedGenerator to draw from.

    Raises:
      ValueError: for a negative stddev.

    Example:
      >>> bool(abs(TruncatedNormal(stddev=0.5, seed=1)((100,))).numpy().max() <= 1)
      True
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Seed = None):
        super().__init__(seed)
        if not stddev >= 0:
            raise ValueError(f"{type(self).__name__}: expected a stddev >= 0, got {stddev!r}.")
        self.mean = mean
        self.stddev = stddev

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        return random.truncated_normal(self._sizes(shape), self.mean, self.stddev, self._float(dtype), self.seed)


class RandomUniform(_Random):
    """Uniformly distributed values.

    Args:
      minval: the lower bound.
      maxval: the upper bound.
      seed: None for new values at each call; an integer for the same ones; or a SeedGenerator to draw from.

    Raises:
      ValueError: for a minval above maxval.

    Example:
      >>> bool(abs(RandomUniform(-1, 1, seed=1)((100,))).numpy().max() <= 1)
      True
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: Seed = None):
        super().__init__(seed)
        if not minval <= maxval:
            raise ValueError(f"{type(self).__name__}: expected minval <= maxval, got {minval!r} and {maxval!r}.")
        self.minval = minval
        self.maxval = maxval

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        return random.uniform(self._sizes(shape), self.minval, self.maxval, self._float(dtype), self.seed)


class Orthogonal(_Random):
    """gain · Q, with Q uniformly distributed among the matrices of orthonormal columns (rows, if it is wide).

    All axes but the last together count as the rows.

    Args:
      gain: the factor.
      seed: None for new values at each call; an integer for the same ones; or a SeedGenerator to draw from.

    Raises:
      ValueError: when called with a shape of fewer than two axes.

    Example:
      >>> q = Orthogonal(seed=1)((3, 2))
      >>> np.allclose(np.transpose(q) @ q, np.eye(2), atol=1e-6)
      True

    Reference: Saxe et al. 2013, section 3; Mezzadri 2006, section 5 (the signs that make it uniform).
    """

    def __init__(self, gain: float = 1.0, seed: Seed = None):
        super().__init__(seed)
        self.gain = gain

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        sizes, target = self._sizes(shape), self._float(dtype)
        if len(sizes) < 2:
            raise ValueError(f"{type(self).__name__}: expected a shape of at least two axes, got {sizes}.")
        rows, columns = math.prod(sizes[:-1]), sizes[-1]
        flat = (max(rows, columns), min(rows, columns))
        q, r = np.linalg.qr(np.asarray(random.normal(flat, dtype="float64", seed=self.seed)))
        q *= np.where(np.diagonal(r) < 0, -1.0, 1.0)
        return Tensor(self.gain * (q if rows >= columns else q.T).reshape(sizes), target)


# The standard deviation of a standard normal value that is cut off at ±2.
_TRUNCATED_STDDEV = 0.87962566103423978


class _Scaled(_Random):
    """Values of variance scale / fan, a fan being the number of inputs or outputs of a unit, or their mean."""

    scale: float
    mode: Mode
    distribution: str

    def __init__(
        self, seed: Seed = None, input_axes: Sequence[int] | None = None, output_axes: Sequence[int] | None = None
    ):
        super().__init__(seed)
        if (input_axes is None) != (output_axes is None):
            raise ValueError(
                f"{type(self).__name__}: expected input_axes and output_axes, or neither, "
                f"got {input_axes} and {output_axes}."
            )
        self.input_axes = input_axes
        self.output_axes = output_axes

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        sizes, target = self._sizes(shape), self._float(dtype)
        fan_in, fan_out = self._fans(sizes)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        stddev = math.sqrt(self.scale / max(1.0, fan))
        if self.distribution == "uniform":
            limit = math.sqrt(3.0) * stddev
            return random.uniform(sizes, -limit, limit, target, self.seed)
        if self.distribution == "untruncated_normal":
            return random.normal(sizes, 0.0, stddev, target, self.seed)
        return random.truncated_normal(sizes, 0.0, stddev / _TRUNCATED_STDDEV, target, self.seed)

    def _fans(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Inputs and outputs of a unit."""
        if self.input_axes is not None and self.output_axes is not None:
            return self._size(shape, self.input_axes), self._size(shape, self.output_axes)
        if len(shape) < 2:
            return math.prod(shape), math.prod(shape)
        window = math.prod(shape[:-2])
        return window * shape[-2], window * shape[-1]

    def _size(self, shape: tuple[int, ...], axes: Sequence[int]) -> int:
        if not all(-len(shape) <= axis < len(shape) for axis in axes):
            raise ValueError(f"{type(self).__name__}: expected a shape with the axes {tuple(axes)}, got {shape}.")
        return math.prod(shape[axis] for axis in axes)


class VarianceScaling(_Scaled):
    """Values of mean 0 and variance scale / fan.

    The fan is taken from a kernel's shape [*window, in, out]: window · in, window · out, or their mean.

    Args:
      scale: the factor, > 0.
      mode: "fan_in", "fan_out" or "fan_avg".
      distribution: "truncated_normal" (within two standard deviations before scaling; "normal" means the same),
        "untruncated_normal" or "uniform".
      seed: None for new values at each call; an integer for the same ones; or a SeedGenerator to draw from.
      input_axes: with output_axes, the axes whose sizes multiply to the fan of inputs.
      output_axes: the same for the outputs.

    Raises:
      ValueError: for a scale, mode or distribution other than these, or axes that the shape does not have.

    Example:
      >>> VarianceScaling(2.0, "fan_out", "uniform", seed=1)((3, 3, 8, 16)).shape
      (3, 3, 8, 16)

    Reference: He et al. 2015, eq. 10 and 14; Glorot & Bengio 2010, eq. 12.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: Mode = "fan_in",
        distribution: str = "truncated_normal",
        seed: Seed = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ):
        super().__init__(seed, input_axes, output_axes)
        if not scale > 0:
            raise ValueError(f"VarianceScaling: expected a scale > 0, got {scale!r}.")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError(f"VarianceScaling: expected 'fan_in', 'fan_out' or 'fan_avg' as mode, got {mode!r}.")
        law = str(distribution).lower()
        law = "truncated_normal" if law == "normal" else law
        if law not in ("truncated_normal", "untruncated_normal", "uniform"):
            raise ValueError(
                "VarianceScaling: expected 'truncated_normal', 'untruncated_normal' or 'uniform' as distribution, "
                f"got {distribution!r}."
            )
        self.scale = scale
        self.mode = mode
        self.distribution = law


class GlorotUniform(_Scaled):
    """Uniform between ±sqrt(6 / (fan_in + fan_out)); the arguments are VarianceScaling's.

    >>> GlorotUniform(seed=1)((2, 3)).shape
    (2, 3)

    Reference: Glorot & Bengio 2010, eq. 16.
    """

    scale, mode, distribution = 1.0, "fan_avg", "uniform"


class GlorotNormal(_Scaled):
    """Truncated normal of variance 2 / (fan_in + fan_out); the arguments are VarianceScaling's.

    >>> GlorotNormal(seed=1)((2, 3)).shape
    (2, 3)

    Reference: Glorot & Bengio 2010, eq. 12.
    """

    scale, mode, distribution = 1.0, "fan_avg", "truncated_normal"


class HeNormal(_Scaled):
    """Truncated normal of variance 2 / fan_in; the arguments are VarianceScaling's.

    >>> HeNormal(seed=1)((2, 3)).shape
    (2, 3)

    Reference: He et al. 2015, eq. 10.
    """

    scale, mode, distribution = 2.0, "fan_in", "truncated_normal"


class HeUniform(_Scaled):
    """Uniform between ±sqrt(6 / fan_in); the arguments are VarianceScaling's.

    >>> HeUniform(seed=1)((2, 3)).shape
    (2, 3)

    Reference: He et al. 2015, eq. 10.
    """

    scale, mode, distribution = 2.0, "fan_in", "uniform"


class LecunNormal(_Scaled):
    """Truncated normal of variance 1 / fan_in; the arguments are VarianceScaling's.

    >>> LecunNormal(seed=1)((2, 3)).shape
    (2, 3)

    Reference: LeCun et al. 1998, "Efficient BackProp", section 4.6; Klambauer et al. 2017.
    """

    scale, mode, distribution = 1.0, "fan_in", "truncated_normal"


class LecunUniform(_Scaled):
    """Uniform between ±sqrt(3 / fan_in); the arguments are VarianceScaling's.

    >>> LecunUniform(seed=1)((2, 3)).shape
    (2, 3)

    Reference: LeCun et al. 1998, "Efficient BackProp", section 4.6.
    """

    scale, mode, distribution = 1.0, "fan_in", "uniform"


# Keras's other names.
constant = Constant
glorot_normal = GlorotNormal
glorot_uniform = GlorotUniform
he_normal = HeNormal
he_uniform = HeUniform
identity = IdentityInitializer = Identity
lecun_normal = LecunNormal
lecun_uniform = LecunUniform
ones = Ones
orthogonal = OrthogonalInitializer = Orthogonal
random_normal = RandomNormal
random_uniform = RandomUniform
truncated_normal = TruncatedNormal
variance_scaling = VarianceScaling
zeros = Zeros

_KNOWN = aliased(
    {
        name: value
        for name, value in globals().items()
        if inspect.isclass(value) and issubclass(value, Initializer) and value is not Initializer and name[0] != "_"
    },
    {"one": "ones", "zero": "zeros", "normal": "random_normal", "uniform": "random_uniform"},
)


def get(identifier: Any) -> Any:
    """The initializer of a name, a configuration, a class, values, or the callable itself; None stays None.

    Raises:
      ValueError: for an unknown name, with the nearest known one.

    >>> get("he_normal").get_config()
    {'seed': None, 'input_axes': None, 'output_axes': None}
    """
    if isinstance(identifier, (Operand, np.ndarray, np.generic)):
        return Constant(identifier)
    return resolve(identifier, _KNOWN, "initializer")
