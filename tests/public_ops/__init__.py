"""How to call each public operation, and what NumPy says the result is.

`shapes` are built from two sizes, integers or unknown dimensions, so that one row tests values and symbolic shapes.
Each module here holds the `ROWS` of a family, and its `ALIASES`; an operation without a row fails
`ops/test_numpy_oracle.py`.
"""

import importlib
import operator
import pkgutil

from eagerly import ops
from public_ops.rows import Row

ROWS: dict[str, list[Row]] = {}
ALIASES: dict[str, str] = {}
OTHERS = {"shape", "ndim"}  # they give Python values, or take functions: a test of their own
for _found in pkgutil.iter_modules(__path__):
    _module = importlib.import_module(f"{__name__}.{_found.name}")
    assert not ROWS.keys() & getattr(_module, "ROWS", {}).keys(), f"{_found.name} has rows that stand elsewhere too"
    ROWS |= getattr(_module, "ROWS", {})
    ALIASES |= getattr(_module, "ALIASES", {})
    OTHERS |= getattr(_module, "OTHERS", set())
CALLS = [(name, i) for name, rows in ROWS.items() for i in range(len(rows))]


def public_names():
    """The operations that `eagerly.ops` offers; those of `ops.image` alone with its name before theirs."""

    def offered(module):
        return {name for name, value in vars(module).items() if not name.startswith("_") and callable(value)}

    return offered(ops) | {f"image.{name}" for name in offered(ops.image)}


def find(name):
    """The operation that `public_names` calls so."""
    return operator.attrgetter(name)(ops)
