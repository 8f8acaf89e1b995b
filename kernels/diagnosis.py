"""What kernels find on this machine, fact by fact, with one made and run: for `python -m eagerly doctor`."""

from __future__ import annotations

import importlib
import os
from typing import Any, NamedTuple

import numpy as np

from . import failures, launch, processors

VECTORS = {16: "AVX-512", 8: "AVX2", 0: "no vectors that kernels are made for"}
# The first block under key 0 (Salmon et al. 2011, the known answers of their library).
KNOWN_BITS = (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)


class Fact(NamedTuple):
    """A line of the report; `wrong` if something should be done about it."""

    name: str
    text: str
    wrong: bool = False


def facts() -> list[Fact]:
    """All about kernels here. Making one starts the thread pool."""
    try:
        emitter = importlib.import_module(".emitter", __package__)
    except Exception as error:
        return [Fact("llvm", f"missing, so NumPy does all the work: {type(error).__name__}: {error}", True)]
    target = emitter.host()
    return [
        Fact("llvm", "{}, by llvmlite {}".format(*emitter.versions())),
        Fact("cpu", f"{target.cpu}, {VECTORS[target.lanes]}", not target.lanes),
        _threads(),
        _kernels(),  # which writes to the cache
        _cache(),
        _memory(),
    ]


def _threads() -> Fact:
    quota = processors.quota()
    limit = "no quota" if quota is None else f"a quota of {quota:g}"
    number = processors.cpus()
    return Fact("threads", f"{number}: {processors.affinity()} of {os.cpu_count()} CPUs by affinity, {limit}")


def _kernels() -> Fact:
    bits = np.zeros(4, np.uint32)
    kernel = launch("philox", 4)
    if kernel is not None:
        kernel(bits, np.zeros(2, np.uint64))
    if failures:
        return Fact("kernels", "; ".join(f"{name}: {why}" for name, why in failures.items()), True)
    if tuple(bits.tolist()) != KNOWN_BITS:
        return Fact("kernels", f"one that makes random bits gave {bits.tolist()}, not {list(KNOWN_BITS)}", True)
    return Fact("kernels", "one was made and is right")


def _cache() -> Fact:
    cache = _module("cache")
    why = cache.why_not()
    place = cache.folder()
    if why:
        return Fact("cache", f"{place} is not used, so each process compiles anew: {why}", True)
    sizes = [entry.stat().st_size for entry in place.iterdir() if not entry.name.startswith("new-")]
    return Fact("cache", f"{place}, the user's alone, {len(sizes)} entries, {_size(sum(sizes))}")


def _memory() -> Fact:
    pool, launches = _module("pool").held(), _module("scratch").held()
    kept = f", up to {_size(_module('memory').KEPT)} kept for reuse" if _module("memory").keep() else ""
    return Fact("memory", f"{_size(pool)} for the thread pool, {_size(launches)} of working memory{kept}")


def _module(name: str) -> Any:
    return importlib.import_module(f".{name}", __package__)


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} KB"
