"""Machine code kept on disk, so that a kernel is compiled once per machine.

The cache is code that this process will run, so its directory must belong to this user alone (mode 0700), or it is not
used. An entry is named by the hash of its key: all that the code depends on. That is the CPU, its features, LLVM, and
the IR; or in place of the IR, which takes longer to write than the code takes to load, all the sources that could have
written it, and what they were told. An entry holds a digest of the code and that key; what does not fit is no entry,
and is compiled and written again. Entries are written aside and renamed: readers see a whole one or none. The folder is
bounded: a process that writes removes what has not been used for longest. No failure of a disk ever reaches a caller.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from . import STARTED, emitter
from .crew import Crew, here

MAGIC = b"eagerly kernel 1\n"
SOURCES = Path(__file__).parent
CLOCK = 0.1  # seconds that a file system's clock may be late
MOST_BYTES = 256 << 20  # in the folder, some 10,000 kernels
LEFT_OVER = 3600  # seconds after which nobody is writing an entry any more


def folder() -> Path:
    """Where the entries are: `EAGERLY_CACHE_DIR`, or a folder in the user's cache folder."""
    chosen = os.environ.get("EAGERLY_CACHE_DIR")
    if chosen:
        return Path(chosen) / "kernels"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "eagerly" / "kernels"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "eagerly" / "kernels"


def compiled(module: Any, names: Sequence[str]) -> list[int]:
    """The addresses of a module's functions, from the cache or made now."""
    return _compiled(f"{module}", lambda: module, names)


def emitted(module: Callable[..., Any], told: tuple[Any, ...], names: Sequence[str]) -> list[int]:
    """The addresses of the functions of `module(*told)`, which is not called if the cache has its code.

    Args:
      module: a function of this package, which emits the same whenever it is told the same.
      told: numbers, strings, None, and tuples of them.
      names: the functions.
    """
    written_by = _sources()
    if written_by is None:
        return compiled(module(*told), names)
    return _compiled(f"{written_by}\n{module.__module__}.{module.__qualname__}{told!r}", lambda: module(*told), names)


def _compiled(written: str, module: Callable[[], Any], names: Sequence[str]) -> list[int]:
    key = f"{emitter.host().key}\n{written}".encode()
    place = _trusted_folder()
    code = None if place is None else read(place, key)
    if code is not None:
        return emitter.load(code, names)
    make = functools.partial(_made, place, key, names)
    crew: Crew | None = getattr(here, "crew", None)
    return make(module()) if crew is None else crew.result(key, make, module)


def _made(place: Path | None, key: bytes, names: Sequence[str], module: Any) -> list[int]:
    code = emitter.machine_code(module)
    if place is not None:
        write(place, key, code)
    return emitter.load(code, names)


def _sources() -> str | None:
    """A digest of this package's source, and the target; None if it may not be the one that this process runs.

    Times of change cannot be set back. One after this package was imported says that the files differ from what is
    loaded, or that what is not loaded yet will differ from the digest.
    """
    try:
        files = sorted(SOURCES.glob("*.py"))
        digest = _digest_of(tuple(files))
        latest = max(path.stat().st_ctime for path in files)
    except (OSError, ValueError):  # none there: the package runs from an archive
        return None
    return None if latest > STARTED - CLOCK else f"{digest}\n{emitter.host()}"


@functools.cache
def _digest_of(files: tuple[Path, ...]) -> str:
    """Of the files' contents, and the times of modification by which Python knows whether it has compiled them."""
    whole = hashlib.sha256(emitter.llvmlite_version.encode())
    for path in files:
        whole.update(f"\n{path.name} {path.stat().st_mtime_ns}\n".encode() + path.read_bytes())
    return whole.hexdigest()


def _trusted_folder() -> Path | None:
    """The folder, made if it is missing; None if it cannot be or is not this user's alone."""
    return None if why_not() else folder()


def why_not() -> str:
    """Why the folder, made if it is missing, is not used; nothing if it is."""
    if not hasattr(os, "getuid"):
        return "this system has no modes that would keep others out"
    try:
        place = folder()
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = place.lstat()
    except (OSError, RuntimeError) as error:  # no home, no permission, no room
        return f"it cannot be made: {error}"
    if not stat.S_ISDIR(status.st_mode):
        return "it is no folder"
    if status.st_uid != os.getuid():
        return f"it belongs to user {status.st_uid}"
    if status.st_mode & 0o077:
        return f"its mode is {status.st_mode & 0o777:04o}, not 0700: others may come in"
    return ""


def _entry(place: Path, key: bytes) -> Path:
    return place / hashlib.sha256(key).hexdigest()


def _digest(key: bytes, code: bytes) -> bytes:
    return hashlib.sha256(key + code).digest()


def read(place: Path, key: bytes) -> bytes | None:
    """The code of an entry whose key and digest fit; None if there is no such."""
    try:
        content = _entry(place, key).read_bytes()
    except OSError:
        return None
    head = len(MAGIC) + 32
    length = head + len(key)
    code = content[length:]
    fits = (
        content.startswith(MAGIC) and content[head:length] == key and content[len(MAGIC) : head] == _digest(key, code)
    )
    return code if fits else None


def write(place: Path, key: bytes, code: bytes) -> None:
    """Makes an entry, or none if the disk will not have it."""
    aside = None
    try:
        handle, aside = tempfile.mkstemp(dir=place, prefix="new-")
        with os.fdopen(handle, "wb") as file:
            file.write(MAGIC + _digest(key, code) + key + code)
        os.replace(aside, _entry(place, key))
        _tidy(place)
    except OSError:
        if aside is not None:
            try:
                os.unlink(aside)
            except OSError:
                pass  # whoever cannot write may not delete either


@functools.cache
def _tidy(place: Path) -> None:
    """Once in a process: makes room where a folder has grown too large, and removes what was never finished."""
    now = time.time()
    found = []
    for path in place.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another process tidies
            status = path.lstat()
            found.append((max(status.st_atime, status.st_mtime), status.st_size, path))
    excess = sum(size for _, size, _ in found) - MOST_BYTES
    goal = excess + MOST_BYTES // 2 if excess > 0 else 0
    for used, size, path in sorted(found):
        unfinished = path.name.startswith("new-") and now - used > LEFT_OVER
        if goal > 0 or unfinished:
            path.unlink(missing_ok=True)
            goal -= size
