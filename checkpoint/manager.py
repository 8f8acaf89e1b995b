"""CheckpointManager: a folder of numbered checkpoints, of which the old ones go.

Each file says itself which manager wrote it, its number and its metric, so the list of them, `<name>.json`, holds
nothing that the files do not; it only keeps times and saves looking into files. Only `save` writes or removes
anything, and it removes only what says so; any number of readers may have managers of the folder too. A kill at any
point leaves at most one file more than the rules want, which the next save removes.
"""

from __future__ import annotations

import json
import math
import os
import re
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import CorruptCheckpointError, RestoreError, describe
from .atomic import replacing
from .checkpoint import Checkpoint
from .reading import CheckpointFile
from .status import RestoreStatus


@dataclass(frozen=True)
class Saved:
    """A file that a manager has written."""

    number: int
    time: float
    metric: float | None


class CheckpointManager:
    """Saves numbered checkpoints in a folder and keeps the last ones, the best ones, and one every few hours.

    Args:
      checkpoint: the Checkpoint.
      directory: the folder; `save` makes it.
      max_to_keep: how many of the newest files to keep, > 0; None for all.
      keep_checkpoint_every_n_hours: also keep the first file, and then each that is so much later than the one kept
        before it; None for none.
      checkpoint_name: the files are `<name>-<number>.h5`.
      best_to_keep: how many of those with the best metric to keep too.
      mode: whether the best metric is the "min" or the "max"; NaN is the worst.
      init_fn: what `restore_or_initialize` calls where there is nothing to restore.

    Raises:
      ValueError: for arguments out of these ranges.

    Example:
      >>> from eagerly.checkpoint import Checkpoint
      >>> manager = CheckpointManager(Checkpoint(step=Variable(3)), "saved", max_to_keep=2)
      >>> for loss in (0.5, 0.4, 0.3):
      ...     path = manager.save(metric=loss)
      >>> [os.path.basename(path) for path in manager.checkpoints]
      ['ckpt-2.h5', 'ckpt-3.h5']
      >>> manager.restore_or_initialize().path == manager.latest
      True
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        directory: str | os.PathLike[str],
        max_to_keep: int | None = 5,
        keep_checkpoint_every_n_hours: float | None = None,
        checkpoint_name: str = "ckpt",
        best_to_keep: int = 0,
        mode: str = "min",
        init_fn: Callable[[], Any] | None = None,
    ):
        if not isinstance(checkpoint, Checkpoint):
            raise ValueError(
                f"CheckpointManager: expected a Checkpoint, got {describe(checkpoint)}. Write Checkpoint(model=model)."
            )
        _check(
            "max_to_keep", "None or an integer from 1 on", max_to_keep is None or _is_count(max_to_keep, 1), max_to_keep
        )
        _check("best_to_keep", "an integer from 0 on", _is_count(best_to_keep, 0), best_to_keep)
        hours = keep_checkpoint_every_n_hours
        _check("keep_checkpoint_every_n_hours", "None or a number > 0", hours is None or hours > 0, hours)
        _check("mode", "'min' or 'max'", mode in ("min", "max"), mode)
        _check(
            "checkpoint_name",
            "a file's name without a folder",
            bool(checkpoint_name)
            and os.path.basename(checkpoint_name) == checkpoint_name
            and "\0" not in checkpoint_name,
            checkpoint_name,
        )
        self.checkpoint = checkpoint
        self.directory = os.fspath(directory)
        self.max_to_keep = max_to_keep
        self.best_to_keep = best_to_keep
        self.mode = mode
        self.init_fn = init_fn
        self._name = checkpoint_name
        self._hours = hours
        self._pattern = re.compile(rf"{re.escape(checkpoint_name)}-([1-9][0-9]{{0,17}})\.h5")
        self._lock = threading.RLock()
        self._verified: dict[str, Any] = {}
        self._strangers: dict[str, Any] = {}

    def save(self, metric: float | None = None, *, sync: bool = True, background: bool = False) -> str:
        """Saves a new file, then removes those that need not be kept.

        Args:
          metric: what "best" goes by; needed if `best_to_keep` is not 0.
          sync: as for `Checkpoint.write`.
          background: as for `Checkpoint.write`.

        Returns:
          The path of the file. Its number is higher than any in the folder.

        Raises:
          ValueError: if a metric is needed, or it is no number.
          RestoreError, OSError: as by `Checkpoint.write`. No file has been removed then.
        """
        if metric is None and self.best_to_keep:
            raise ValueError(f"CheckpointManager: expected a metric to tell the {self.best_to_keep} best by, got None.")
        try:
            value = None if metric is None else float(metric)
        except (TypeError, ValueError):
            raise ValueError(f"CheckpointManager: expected a number as the metric, got {describe(metric)}.") from None
        self.checkpoint.wait()
        os.makedirs(self.directory, exist_ok=True)
        about = {"name": self._name} if value is None else {"name": self._name, "metric": value}
        number: list[int] = []

        def name(new: int) -> str:
            number.append(new)
            return self._path(new)

        return self.checkpoint.save_as(
            name,
            sync=sync,
            background=background,
            after=max(self._numbers(), default=0),
            about=about,
            then=lambda: self._clean(Saved(number[0], time.time(), value), sync),
        )

    @property
    def checkpoints(self) -> list[str]:
        """The paths of the files with this name, oldest first: damaged ones, and what others have put there, too."""
        return [self._path(number) for number in self._numbers()]

    @property
    def latest(self) -> str | None:
        """The newest file that is whole, every byte of it read; None if there is none.

        Warns: naming each damaged file that is newer.
        """
        files = self.checkpoints
        for path in reversed(files):
            if self._is_whole(path):
                return path
        # Who saves here has newer ones, if it has removed all that were listed.
        return self.latest if files and not any(map(os.path.exists, files)) else None

    latest_checkpoint = latest

    @property
    def best(self) -> str | None:
        """The file with the best metric; None if none has one."""
        best = self._best(self._list(), 1)
        return self._path(best[0].number) if best else None

    def restore_or_initialize(self, **options: Any) -> RestoreStatus:
        """Restores the newest file that is whole; calls `init_fn` if there is no file.

        Args:
          **options: map and strict, as for `Checkpoint.restore`.

        Returns:
          The status; its path is None if there was no file.

        Raises:
          CorruptCheckpointError: if there are files and all of them are damaged.
          RestoreError: if the newest whole one does not fit the objects.

        Warns: naming each damaged file that is newer.
        """
        self.checkpoint.wait()
        files, damaged = self.checkpoints, []
        for path in reversed(files):
            try:
                return self.checkpoint.restore(path, **options)
            except FileNotFoundError:  # removed by who saves here
                continue
            except CorruptCheckpointError as error:
                damaged.append(path)
                _warn_of_damage(error)
        if damaged:
            raise CorruptCheckpointError(
                f"{self.directory}: expected a checkpoint that is whole, got {len(damaged)} damaged: "
                f"{', '.join(damaged)}. Move them away to start anew."
            )
        if files:  # all were removed, so there are newer ones
            return self.restore_or_initialize(**options)
        if self.init_fn is not None:
            self.init_fn()
        return RestoreStatus(None)

    def _path(self, number: int) -> str:
        return os.path.join(self.directory, f"{self._name}-{number}.h5")

    def _is_whole(self, path: str) -> bool:
        try:
            seen = _identity(path)
            if self._verified.get(path) != seen:
                with CheckpointFile(path) as file:
                    file.verify_values()
                self._verified[path] = seen
        except FileNotFoundError:  # removed by who saves here
            return False
        except CorruptCheckpointError as error:
            _warn_of_damage(error)
            return False
        return True

    def _numbers(self) -> list[int]:
        """The numbers of the files that are there."""
        try:
            names = os.listdir(self.directory)
        except FileNotFoundError:
            return []
        return sorted(int(match[1]) for match in map(self._pattern.fullmatch, names) if match)

    def _list(self) -> list[Saved]:
        """The files that a manager of this name wrote; those of a killed save and of a lost list included."""
        listed = self._read_list()
        found = (listed.get(number) or self._recognize(number) for number in self._numbers())
        return [saved for saved in found if saved is not None]

    def _recognize(self, number: int) -> Saved | None:
        """A file that is not in the list, if it says that a manager of this name wrote it under this number."""
        path = self._path(number)
        try:
            seen = _identity(path)
            if self._strangers.get(path) == seen:
                return None
            with CheckpointFile(path) as file:
                about = file.about
            if about.get("name") == self._name and about.get("number") == number:
                metric = about.get("metric")
                return Saved(number, seen[0] / 1e9, metric if isinstance(metric, float) else None)
            self._strangers[path] = seen
        except (OSError, CorruptCheckpointError, RestoreError):  # nobody can tell whose it is, so it stays
            pass
        return None

    def _read_list(self) -> dict[int, Saved]:
        """What the list says; nothing if it is lost or not what a manager writes."""
        try:
            with open(self._list_path(), encoding="utf-8") as file:
                items = [Saved(**item) for item in json.load(file)["checkpoints"]]
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return {}
        right = all(
            _is_count(saved.number, 1)
            and isinstance(saved.time, float)
            and (saved.metric is None or isinstance(saved.metric, float))
            for saved in items
        )
        return {saved.number: saved for saved in items} if right else {}

    def _list_path(self) -> str:
        return os.path.join(self.directory, f"{self._name}.json")

    def _clean(self, new: Saved, sync: bool) -> None:
        """Removes what need not be kept, and writes the list."""
        with self._lock:
            files = [saved for saved in self._list() if saved.number != new.number] + [new]
            kept = self._kept(files)
            for saved in [saved for saved in files if saved not in kept]:
                path = self._path(saved.number)
                try:
                    os.unlink(path)
                except FileNotFoundError:
                    pass
                except OSError as error:
                    warnings.warn(f"{path}: could not be removed: {error.strerror}. It stays.", stacklevel=2)
                    kept.append(saved)
            kept.sort(key=lambda saved: saved.number)
            content = json.dumps({"checkpoints": [asdict(saved) for saved in kept]}, indent=1)
            with replacing(self._list_path(), sync) as file:
                file.write_at(0, content.encode())

    def _kept(self, files: list[Saved]) -> list[Saved]:
        """The last ones, the best ones, and one every few hours."""
        kept = set(files if self.max_to_keep is None else files[-self.max_to_keep :])
        kept.update(self._best(files, self.best_to_keep))
        if self._hours is not None:
            last = -math.inf
            for saved in files:
                if saved.time >= last + self._hours * 3600:
                    kept.add(saved)
                    last = saved.time
        return sorted(kept, key=lambda saved: saved.number)

    def _best(self, files: list[Saved], count: int) -> list[Saved]:
        sign = 1 if self.mode == "min" else -1

        def rank(saved: Saved) -> float:
            assert saved.metric is not None
            return math.inf if math.isnan(saved.metric) else sign * saved.metric

        return sorted((saved for saved in files if saved.metric is not None), key=rank)[:count]


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _check(name: str, expected: str, right: bool, value: Any) -> None:
    if not right:
        raise ValueError(f"CheckpointManager: expected {name} to be {expected}, got {describe(value)}.")


def _identity(path: str) -> tuple[int, int, int]:
    status = os.stat(path)
    return status.st_mtime_ns, status.st_size, status.st_ino


def _warn_of_damage(error: CorruptCheckpointError) -> None:
    warnings.warn(f"{error} An older checkpoint takes its place.", stacklevel=3)
