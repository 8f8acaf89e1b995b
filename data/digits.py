"""The optical handwritten digits of UCI, as shipped in `digits.npz`; source, license and split are in `digits.md`."""

from __future__ import annotations

from importlib import resources
from typing import Any

import numpy as np

Arrays = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


def load_data() -> tuple[Arrays, Arrays]:
    """The images and labels as `(x_train, y_train), (x_test, y_test)`, split once and for all.

    Shapes:
      x_train: uint8[1437, 8, 8], x_test: uint8[360, 8, 8]; pixels from 0 to 16
      y_train: uint8[1437], y_test: uint8[360]; labels from 0 to 9

    Example:
      >>> (x_train, y_train), (x_test, y_test) = load_data()
      >>> x_train.shape, y_test.shape
      ((1437, 8, 8), (360,))

    Reference: Alpaydin & Kaynak 1998, "Optical Recognition of Handwritten Digits", UCI, doi:10.24432/C50P49.
    """
    with (
        resources.files(__package__).joinpath("digits.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as data,
    ):
        return (data["x_train"], data["y_train"]), (data["x_test"], data["y_test"])
