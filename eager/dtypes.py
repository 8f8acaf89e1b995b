"""Dtypes: their names, the default ones, and how they promote.

Promotion follows Keras 3's `result_type`, which is JAX's lattice: Python scalars are weak, an integer with a float
gives that float, and float64 appears only where the user brings it. A Python complex number is a complex64, and makes
float64 a complex128. NumPy's own rule is never consulted.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from .dimensions import Dim
from .errors import suggest

FLOATX = np.dtype(np.float32)
INTX = np.dtype(np.int32)
BOOL = np.dtype(np.bool_)

# Each type's immediate superiors (JAX "Type promotion semantics"); "int" and "float" are the weak Python scalars.
_LATTICE: dict[str, tuple[str, ...]] = {
    "bool": ("int",),
    "int": ("uint8", "int8"),
    "uint8": ("int16", "uint16"),
    "uint16": ("int32", "uint32"),
    "uint32": ("int64", "uint64"),
    "uint64": ("float",),
    "int8": ("int16",),
    "int16": ("int32",),
    "int32": ("int64",),
    "int64": ("float",),
    "float": ("bfloat16", "float16"),
    "bfloat16": ("float32",),
    "float16": ("float32",),
    "float32": ("float64", "complex64"),
    "float64": ("complex128",),
    "complex64": ("complex128",),
    "complex128": (),
}
_COMPLEX = np.dtype(np.complex64)
_PYTHON = {None: FLOATX, bool: BOOL, int: INTX, "int": INTX, float: FLOATX, "float": FLOATX, complex: _COMPLEX}
_DEFAULTS = {"int": INTX, "float": FLOATX}
NAMES = tuple(name for name in _LATTICE if name not in _DEFAULTS)


@functools.cache
def _upper_bounds(name: str) -> frozenset[str]:
    return frozenset((name,)).union(*(_upper_bounds(above) for above in _LATTICE[name]))


@functools.cache
def _join(names: frozenset[str]) -> str:
    common = frozenset.intersection(*(_upper_bounds(name) for name in names))
    return next(name for name in common if common <= _upper_bounds(name))


@functools.cache
def _bfloat16() -> np.dtype[Any]:
    import ml_dtypes

    return np.dtype(ml_dtypes.bfloat16)


def dtype(value: Any) -> np.dtype[Any]:
    """The NumPy dtype for a name, a dtype, a NumPy or Python scalar type, or anything that has a `dtype`.

    Raises:
      ValueError: for an unknown name, or a dtype no operation is defined for.

    >>> dtype("float32"), dtype(int), dtype(float)
    (dtype('float32'), dtype('int32'), dtype('float32'))
    """
    if value is None or isinstance(value, (type, str)):
        if value in _PYTHON:
            return _PYTHON[value]
        found = _bfloat16() if value == "bfloat16" else value
    else:
        found = getattr(value, "dtype", value)
    try:
        return _ours(np.dtype(found))
    except (TypeError, ValueError):
        raise ValueError(
            f"dtype: expected one of {', '.join(NAMES)}, got {value!r}.{suggest(str(value), NAMES)}"
        ) from None


@functools.cache
def _ours(found: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in this machine's byte order, if operations are defined for it; NumPy makes the name anew each time."""
    if found.name not in _LATTICE:
        raise ValueError(found.name)
    return found if found.isnative else found.newbyteorder("=")


@functools.cache
def is_known(found: np.dtype[Any]) -> bool:
    """Whether operations are defined for a NumPy dtype, in any byte order."""
    return found.name in NAMES


@functools.cache
def is_ours(found: np.dtype[Any]) -> bool:
    """Whether operations are defined for a NumPy dtype as it is."""
    return found.name in NAMES and found.isnative


@functools.cache
def _name_of(found: np.dtype[Any]) -> str:
    return dtype(found).name


def _name(value: Any) -> str:
    kind = value if isinstance(value, type) else type(value)
    if kind is bool or kind is int or kind is float:
        return "bool" if kind is bool else kind.__name__
    if kind is complex:
        return "complex64"
    if kind is Dim:
        return "int"
    found = value if isinstance(value, type) else getattr(value, "dtype", value)
    return _name_of(found if isinstance(found, np.dtype) else dtype(found))


def result_type(*values: Any) -> np.dtype[Any]:
    """The dtype that operands promote to; each is a dtype, a name, a Python scalar (type), or has a `dtype`.

    >>> result_type("int32", "float16"), result_type("float16", 1.5), result_type(1, 2.0)
    (dtype('float16'), dtype('float16'), dtype('float32'))
    """
    joined = _join(frozenset(map(_name, values)))
    return _DEFAULTS.get(joined) or dtype(joined)


def is_float(value: Any) -> bool:
    """Whether a dtype, or the dtype of a value, is one of the floating types (bfloat16 included, complex ones not)."""
    return "float" in _name(value)


def has_gradient(value: Any) -> bool:
    """Whether a gradient can flow through values of a dtype: the floating types and the complex ones."""
    return is_float(value) or "complex" in _name(value)


def to_compute_in(value: Any) -> np.dtype[Any]:
    """The floating type to compute in for values of a dtype: 32 bits for floats of 16, in which sums overflow.

    >>> to_compute_in("bfloat16"), to_compute_in("float64"), to_compute_in("uint8")
    (dtype('float32'), dtype('float64'), dtype('float32'))
    """
    found = dtype(value)
    return found if found.kind in "fc" and found.itemsize > 2 else FLOATX


def real_part(value: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of the parts of a complex number; a dtype that is not complex stays as it is."""
    return np.dtype(f"float{value.itemsize * 4}") if value.kind == "c" else value


def with_imaginary_part(value: np.dtype[Any]) -> np.dtype[Any]:
    """The complex dtype whose parts are float32 or float64; those that are neither become float32."""
    return value if value.kind == "c" else np.dtype(np.complex128) if value == np.float64 else _COMPLEX
