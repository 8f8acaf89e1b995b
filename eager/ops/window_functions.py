"""Windows to multiply a piece of a signal with: symmetric, float32, of as many points as an integer says.

Harris 1978, "On the use of windows for harmonic analysis with the discrete Fourier transform", describes them all.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..errors import describe
from ..primitive import cast
from ..tensor import Operand, to_array, wrap
from .elementwise import divide, multiply
from .special import i0


def _points(name: str, x: Any) -> int:
    """The number of points that x stands for: an integer, or a tensor or array of one without axes."""
    value = x if isinstance(x, int) else to_array(x)
    if isinstance(value, np.ndarray) and value.dtype.kind in "iu" and not value.ndim:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name}: expected a number of points, an integer >= 0, got {describe(x)}.")
    return value


def bartlett(x: Any) -> Any:
    """The triangle 1 - |t| at x points t from -1 to 1.

    Raises:
      ValueError: if x is no integer >= 0.

    >>> bartlett(5).tolist()
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    return wrap(np.bartlett(_points("bartlett", x)).astype(dtypes.FLOATX))


def hanning(x: Any) -> Any:
    """0.5 + 0.5 · cos(πt) at x points t from -1 to 1.

    Raises:
      ValueError: if x is no integer >= 0.

    >>> hanning(5).tolist()
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    return wrap(np.hanning(_points("hanning", x)).astype(dtypes.FLOATX))


def hamming(x: Any) -> Any:
    """0.54 + 0.46 · cos(πt) at x points t from -1 to 1.

    Raises:
      ValueError: if x is no integer >= 0.

    >>> hamming(3)
    Tensor([0.08, 1.  , 0.08], shape=(3,), dtype=float32)
    """
    return wrap(np.hamming(_points("hamming", x)).astype(dtypes.FLOATX))


def blackman(x: Any) -> Any:
    """0.42 + 0.5 · cos(πt) + 0.08 · cos(2πt) at x points t from -1 to 1.

    Raises:
      ValueError: if x is no integer >= 0.

    >>> blackman(5)[2].item()
    1.0
    """
    return wrap(np.blackman(_points("blackman", x)).astype(dtypes.FLOATX))


def kaiser(x: Any, beta: Any) -> Any:
    """I0(beta · sqrt(1 - t²)) / I0(beta) at x points t from -1 to 1.

    Args:
      x: the number of points.
      beta: the shape: 0 gives a rectangle, greater ones narrower bells. A tensor gets a gradient.

    Raises:
      ValueError: if x is no integer >= 0.

    Example:
      >>> kaiser(3, 0.0).tolist()
      [1.0, 1.0, 1.0]
    """
    count = _points("kaiser", x)
    t = np.linspace(-1.0, 1.0, count) if count > 1 else np.zeros(count)
    height = np.sqrt(1 - t * t)
    exact = np.dtype(np.float64)
    beta = cast(beta, dtype=exact) if isinstance(beta, Operand) else np.asarray(beta, exact)
    return cast(divide(i0(multiply(height, beta)), i0(beta)), dtype=dtypes.FLOATX)
