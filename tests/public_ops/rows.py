"""What the rows of public operations are made of: the row itself, and rows that families share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from domains.values import real
from eagerly import ops


@dataclass(frozen=True)
class Row:
    """One way to call an operation.

    shapes: from two sizes to the shapes of the tensors.
    call: from the tensors to the result.
    reference: from float64 arrays to the result; None where another file checks values.
    values: how the tensors are drawn, the last entry for all further ones.
    sized: whether the result's shape is known without the values; if not, an unknown size may stand for any.
    """

    shapes: Callable[[Any, Any], list[Any]]
    call: Callable[..., Any]
    reference: Callable[..., Any] | None
    values: tuple[Callable[..., Any], ...] = (real,)
    sized: bool = True

    def draw(self, rng, n, m, dtype="float32"):
        """Arrays to call with."""
        last = len(self.values) - 1
        return [self.values[min(i, last)](rng, shape, dtype) for i, shape in enumerate(self.shapes(n, m))]


def one(n, m):
    return [(n, m)]


def two(n, m):
    return [(n, m), (m,)]


def unary(name, reference=None, values=(real,)):
    return Row(one, getattr(ops, name), reference or getattr(np, name), values)


def binary(name, reference=None, values=(real,)):
    return Row(two, getattr(ops, name), reference or getattr(np, name), values)


def as_numpy(options):
    """Options as NumPy wants them: no lists."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}


def reduction(name, *rows):
    function, reference = getattr(ops, name), getattr(np, name)
    return [
        Row(
            lambda n, m: [(n, m, 2)],
            lambda x, options=options: function(x, **options),
            lambda x, options=options: reference(x, **as_numpy(options)),
        )
        for options in ({}, {"axis": 1}, {"axis": -1, "keepdims": True}, *rows)
    ]
