"""Machine code at run time: arrays in, arrays out.

A caller asks for a kernel's result and gets None where there is none to be had: for small arrays, other dtypes and
layouts, a CPU that none is made for, without llvmlite, or after a kernel has failed to compile. It then runs its
composition, which means the same. llvmlite loads, and code is made, when the first kernel is due.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import math
import os
import time
from collections.abc import Callable, Iterator
from threading import active_count
from typing import Any

import numpy as np

STARTED = time.time()  # before the rest of this package is read
Array = np.ndarray[Any, Any]
_FLOAT32 = np.dtype(np.float32)
# Elements from which a kernel is worth its call, and a process's first one its compilation.
_WORTHWHILE = {"exp": 65536, "sigmoid": 16384, "erf": 16384, "relu": 65536}
# Multiplications from which on BLAS would use threads of its own: two pools of threads are in each other's way. Up to
# there it is as fast as the kernel's call. OpenBLAS counts alike (interface/gemm.c, interface/gemv.c, version 0.3).
_LEAST_PRODUCT, _LEAST_ROW = 1 << 18, 9 << 10

failures: dict[str, str] = {}  # why each kernel that could not be made was not
MOST_LAUNCHES = 4096  # kept; each takes less than a kilobyte
_OF_MANY = frozenset(("loops",))  # drivers of which one kernel may fail and the next one be made
_launches: dict[tuple[Any, ...], Any] = {}
_products: dict[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], Any] | None] = {}
_ready: dict[str, Callable[..., Array] | None] = {}


@functools.cache
def module(name: str) -> Any:
    """A module of this folder, which loads llvmlite."""
    return importlib.import_module(f".{name}", __name__)


def elementwise(name: str, x: Any) -> Array | None:
    """exp, sigmoid, erf or relu of an array, by its kernel; None where the caller has to compute it."""
    if type(x) is not np.ndarray or x.size < _WORTHWHILE[name] or x.dtype is not _FLOAT32:
        return None
    if not (x.flags.c_contiguous and x.flags.aligned):
        return None
    kernel = _ready[name] if name in _ready else _make(name, _elementwise_kernel)
    return None if kernel is None else kernel(x)


def product(a: Any, b: Any) -> Array | None:
    """a @ b of float32 matrices, or of stacks of them, by its kernel; None where the caller has to compute it."""
    if type(a) is not np.ndarray or type(b) is not np.ndarray or not a.dtype is b.dtype is _FLOAT32:
        return None
    if a.size * b.size <= _LEAST_ROW:  # which are no fewer than the multiplications
        return None
    key = a.shape, b.shape, a.strides, b.strides
    try:
        found = _products[key]
    except KeyError:
        if len(_products) >= MOST_LAUNCHES:
            _products.clear()
        found = _products[key] = _product(*key)
    if found is None:
        return None
    y = np.empty(found[0], np.float32)
    found[1](y, a, b)
    return y


def _product(
    a: tuple[int, ...], b: tuple[int, ...], a_strides: tuple[int, ...], b_strides: tuple[int, ...]
) -> tuple[tuple[int, ...], Any] | None:
    """The shape of a product, and its launch; None where there is no kernel, or nothing to be won."""
    if len(a) < 2 or len(b) < 2 or a[-1] != b[-2] or any(stride % 4 for stride in (*a_strides, *b_strides)):
        return None
    try:
        batch = np.broadcast_shapes(a[:-2], b[:-2])
    except ValueError:
        return None
    (m, k), n = a[-2:], b[-1]
    least = _LEAST_ROW if 1 in (m, n) else _LEAST_PRODUCT
    if math.prod(batch) * m * n * k <= least:
        return None

    def distances(shape: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, ...]:
        """The batch's strides in elements, 0 where the operand is the same."""
        own = [0 if size == 1 else stride // 4 for size, stride in zip(shape[:-2], strides[:-2], strict=True)]
        return (0,) * (len(batch) - len(own)) + tuple(own)

    rows, columns = (tuple(stride // 4 for stride in strides[-2:]) for strides in (a_strides, b_strides))
    made = launch("gemm", m, n, k, rows, columns, batch, distances(a, a_strides), distances(b, b_strides))
    return None if made is None else ((*batch, m, n), made)


def launch(name: str, *key: Any) -> Any:
    """`launch(*key)` of the module of that name here, made once; None where there is no kernel to be had.

    Args:
      name: the module.
      key: what its driver makes a kernel for: sizes, strides, options. A driver that has none for it returns None.

    Raises:
      NotYet: within `ahead()`, while its code is being made.
    """
    whole = (name, key)
    try:
        return _launches[whole]
    except KeyError:
        pass
    if name in failures and name not in _OF_MANY:
        return None
    if len(_launches) >= MOST_LAUNCHES:
        _launches.clear()
    made: Any = None
    try:
        _check_host()
        with contextlib.suppress(NotImplementedError):  # this driver has none for such a key
            made = module(name).launch(*key)
    except NotYet:
        raise
    except Exception as error:  # whatever a compiler may say, the composition means the same
        failures[name] = f"{type(error).__name__}: {error}"
    _launches[whole] = made
    return made


SLAB = 16384  # elements in a task of a loop
LONGEST_KEPT = 4096  # columns of a row whose intermediate results a loop keeps from pass to pass


def supported(name: str, dtype: str) -> bool:
    """Whether loops have an elementwise operation for a dtype."""
    key = (name, dtype)
    if key not in _supported:
        try:
            _check_host()
            _supported[key] = module("lanes").supports(name, dtype)
        except Exception as error:
            failures["loops"] = f"{type(error).__name__}: {error}"
            _supported[key] = False
    return _supported[key]


_supported: dict[tuple[str, str], bool] = {}


class NotYet(Exception):
    """The code that was asked for is being made."""


@contextlib.contextmanager
def ahead() -> Iterator[Callable[[], bool]]:
    """Lets other threads compile what is asked for within; gives what waits for it, and tells whether there was any.

    A caller goes on after `NotYet`, and asks for all of it again after the wait.
    """
    try:
        _check_host()
        threads = module("pool").pool().threads
    except Exception:  # `launch` tells of it
        threads = 1
    with module("crew").ahead(threads) if threads > 1 else contextlib.nullcontext(lambda: False) as wait:
        yield wait


def has_other_threads() -> bool:
    """Whether Python has threads besides this one and those of the pool."""
    return active_count() > 1 + module("pool").pool().helpers


def _check_host() -> None:
    """Raises what keeps this machine from having kernels."""
    if os.name != "posix":
        raise NotImplementedError("the thread pool is made of POSIX threads")
    if not module("emitter").host().lanes:
        raise NotImplementedError("no kernels are made for this CPU")
    module("headers").verify()
    module("pool").pool()
    module("memory").keep()


def _make(name: str, make: Callable[[str], Callable[..., Array]]) -> Callable[..., Array] | None:
    """A kernel ready to be called, or None and a line in `failures`."""
    try:
        _check_host()
        _ready[name] = make(name)
    except Exception as error:  # whatever a compiler may say, the composition means the same
        failures[name] = f"{type(error).__name__}: {error}"
        _ready[name] = None
    return _ready[name]


def _elementwise_kernel(name: str) -> Callable[..., Array]:
    kernel = getattr(module("activations"), name)
    kernel.code("f")
    made: Callable[..., Array] = kernel
    return made
