"""Pooling over one, two or three axes of space, in the layouts of convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..tensor import TensorLike, dims
from . import windows


def max_pool(
    inputs: TensorLike,
    pool_size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """The largest element of each window; of equal ones, the first gets the gradient."""
    x: Any = windows.channels_last(inputs, data_format)
    window = windows.each(pool_size, x.ndim - 2, "pool_size")
    steps = window if strides is None else windows.each(strides, x.ndim - 2, "strides")
    lowest = -np.inf if x.dtype.kind not in "iub" else np.iinfo(x.dtype).min
    x = windows.padded(x, windows.padding_of(dims(x)[1:-1], window, steps, (1,) * len(window), padding), lowest)
    return windows.as_given(windows.max_pool_windows(x, window=window, strides=steps)[0], data_format)
