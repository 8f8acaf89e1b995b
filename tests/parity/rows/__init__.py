"""How to call every public operation: each module here holds the `ROWS` of a family, by Keras's names."""

import importlib
import pkgutil

from parity.drawing import Row

ROWS: dict[str, list[Row]] = {}
for _found in pkgutil.iter_modules(__path__):
    _module = importlib.import_module(f"{__name__}.{_found.name}")
    assert not ROWS.keys() & _module.ROWS.keys(), f"{_found.name} has rows that stand elsewhere too"
    ROWS |= _module.ROWS
