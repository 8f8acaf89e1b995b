"""Where each primitive is defined: shapes, params and values to try it with.

A case builds shapes and params from two sizes, n and m, which may be integers or unknown dimensions: the same row tests
values, empty tensors and symbolic shapes. Each module here holds the rows of a family in its `DOMAINS`; a primitive
without a row fails `ops/test_registry.py`.
"""

import importlib
import pkgutil

from domains.values import Domain

DOMAINS: dict[str, Domain] = {}
for _found in pkgutil.iter_modules(__path__):
    _rows = getattr(importlib.import_module(f"{__name__}.{_found.name}"), "DOMAINS", {})
    assert not DOMAINS.keys() & _rows.keys(), f"{_found.name} has rows that stand elsewhere too"
    DOMAINS |= _rows
