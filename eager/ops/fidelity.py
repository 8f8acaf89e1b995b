"""How near one signal is to another."""

from __future__ import annotations

import math
from typing import Any

from .. import dimensions, dtypes
from ..errors import describe
from ..tensor import TensorLike, dims
from . import reductions
from .elementwise import cast_like, log


def psnr(x1: TensorLike, x2: TensorLike, max_val: TensorLike) -> Any:
    """10 · log10(max_val² / mean((x1 - x2)²)), the peak signal-to-noise ratio in decibels; infinite for equal signals.

    Args:
      x1: a signal.
      x2: another one, of the same shape.
      max_val: the largest value that a signal can have.

    Raises:
      ValueError: if the shapes differ.

    Example:
      >>> f"{psnr(np.array([0.0, 1.0]), np.array([0.1, 0.9]), 1.0):.3f}"
      '20.000'
    """
    a, b = dims(x1), dims(x2)
    if len(a) != len(b) or any(dimensions.same(m, n) is False for m, n in zip(a, b, strict=True)):
        raise ValueError(f"psnr: expected two signals of one shape, got {describe(x1)} and {describe(x2)}.")
    target = dtypes.result_type(x1, x2, float)
    within = dtypes.to_compute_in(target)
    difference = cast_like(x1, within) - cast_like(x2, within)
    peak = log(cast_like(max_val, within)) * (20 / math.log(10))
    noise = log(reductions.mean(difference * difference)) * (10 / math.log(10))
    return cast_like(peak - noise, target)
