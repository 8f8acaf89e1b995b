"""Files that appear whole or not at all.

The new file is written beside its target under a name of ours, flushed to the disk, and renamed over it; a kill at any
point leaves the old file or the new one. A writer holds a lock on its file, so what has a name of ours and no lock was
left by a killed one and is removed by the next. `ls -a` shows a leftover as `.eagerly-<target>-<random>.partial`.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import stat
import threading
from collections.abc import Iterator
from typing import Any

try:
    import fcntl
except ImportError:  # not a Unix: without locks nobody can tell a leftover from a file being written
    fcntl = None  # type: ignore[assignment]


# What file systems say that know no such call.
_CANNOT_RESERVE = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.ENODEV)


class AtomicFile:
    """What `replacing` gives to write to."""

    def __init__(self, descriptor: int):
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def reserve(self, offset: int, length: int) -> None:
        """Asks the disk for room, so that there is none too little later.

        Without, ext4 looks for it when the file is renamed over another one, and writes everything out meanwhile.
        """
        if hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(self._descriptor, offset, length)
            except OSError as error:
                if error.errno not in _CANNOT_RESERVE:
                    raise

    def write_at(self, offset: int, data: Any) -> None:
        """Writes all the bytes, starting at an offset; several threads may."""
        view = memoryview(data)
        while view:
            count = self._write_some(offset, view)
            offset, view = offset + count, view[count:]

    def _write_some(self, offset: int, view: memoryview) -> int:
        if hasattr(os, "pwrite"):
            return os.pwrite(self._descriptor, view, offset)
        with self._lock:  # Windows has no call that does both
            os.lseek(self._descriptor, offset, os.SEEK_SET)
            return os.write(self._descriptor, view)


@contextlib.contextmanager
def replacing(path: str, sync: bool = True) -> Iterator[AtomicFile]:
    """A file that takes the place of `path` when the block ends without an exception.

    Permissions stay those of the file that is replaced, and a symbolic link goes on leading to it.

    Args:
      path: the file.
      sync: whether to wait until the disk has everything; without, a power cut may take the file, a kill may not.

    Raises:
      OSError: naming the path; nothing has changed then.
    """
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    prefix = f".eagerly-{hashlib.sha256(os.fsencode(os.path.basename(target))).hexdigest()[:16]}-"
    try:
        _remove_leftovers(folder, prefix)
        descriptor, temporary = _create(os.path.join(folder, prefix))
        try:
            with contextlib.suppress(FileNotFoundError):
                os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))
            yield AtomicFile(descriptor)
            if sync:
                os.fsync(descriptor)
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        finally:
            os.close(descriptor)
        if sync:
            _sync_folder(folder)
    except OSError as error:
        raise OSError(error.errno, f"Could not write the checkpoint: {error.strerror or error}", path) from error


def _create(start: str) -> tuple[int, str]:
    """A new locked file; made again if another writer took it for a leftover before it was locked."""
    while True:
        temporary = f"{start}{secrets.token_hex(4)}.partial"
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        _lock(descriptor, wait=True)
        if os.path.exists(temporary):
            return descriptor, temporary
        os.close(descriptor)


def _lock(descriptor: int, wait: bool = False) -> bool:
    """Whether the lock is ours now, until the file is closed or the process ends."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:  # held by its writer, or not known to this file system
        return False
    return True


def _remove_leftovers(folder: str, prefix: str) -> None:
    try:
        names = os.listdir(folder)
    except OSError:  # a folder that may be written to but not listed; one that is gone fails at the next step
        return
    for name in names:
        if name.startswith(prefix) and name.endswith(".partial"):
            with contextlib.suppress(OSError):  # somebody else may remove it first
                descriptor = os.open(os.path.join(folder, name), os.O_RDWR)
                try:
                    if _lock(descriptor):
                        os.unlink(os.path.join(folder, name))
                finally:
                    os.close(descriptor)


def _sync_folder(folder: str) -> None:
    """Makes the renaming itself last; only Unix can."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
