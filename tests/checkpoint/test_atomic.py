"""Whatever happens to a save, the old checkpoint or the new one is there, whole, and no litter stays."""

import errno
import itertools
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from eagerly.checkpoint import Checkpoint, atomic
from eagerly.variable import Variable
from trackables import filled


def save(path, value):
    return Checkpoint(v=filled(3, value=value)).write(path)


def load(path):
    variable = filled(3, value=-1)
    Checkpoint(v=variable).restore(path)
    return variable.numpy()[0]


# Saves 2.0 over a good file in a forked child that is killed before or after the n-th call that touches the file
# system, for every n; prints how many calls there are and what each child has left.
KILLED = """
import os, signal, sys
sys.path[:0] = {paths!r}
from eagerly.checkpoint import Checkpoint
from trackables import filled
import h5py, eagerly.checkpoint.atomic
import numpy as np

NAMES = {names!r}
path, real = sys.argv[1], {{name: getattr(os, name) for name in NAMES}}
folder = os.path.dirname(path)
checkpoint = Checkpoint(v=filled(3, value=2))
calls = last = 0
after = False

def half(descriptor, data, offset):
    return real["pwrite"](descriptor, data[: max(1, len(data) // 2)], offset)

def deadly(function):
    def call(*args, **kwargs):
        global calls
        calls += 1
        if calls == last and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*args, **kwargs)
        if calls == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return call

def load():
    v = filled(3, value=-1)
    Checkpoint(v=v).restore(path)
    return int(v.numpy()[0])

def attempt():
    for name in NAMES:
        setattr(os, name, deadly(half if name == "pwrite" else real[name]))
    checkpoint.write(path)
    for name in NAMES:
        setattr(os, name, real[name])

attempt()
total, last = calls, 0
for last in range(1, total + 1):
    for after in (False, True):
        Checkpoint(v=filled(3, value=1)).write(path)
        calls, child = 0, os.fork()
        if not child:
            attempt()
            os._exit(3)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, (last, status)
        value = load()
        strangers = [n for n in os.listdir(folder) if n != "c.h5" and not n.endswith(".partial")]
        Checkpoint(v=filled(3, value=4)).write(path)
        assert load() == 4
        print(last, int(after), value, len(strangers), len(os.listdir(folder)))
"""
NAMES = tuple(
    name
    for name in ("open", "posix_fallocate", "pwrite", "fsync", "replace", "chmod", "close", "unlink", "stat", "listdir")
    if hasattr(os, name)
)


def test_killed_before_or_after_any_call_leaves_the_old_or_the_new_file(tmp_path):
    code = KILLED.format(paths=[*filter(None, sys.path)], names=NAMES)
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "c.h5")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    assert len(found) > 90  # each write stands for many, because half of the bytes are taken at a time
    values = [value for _, _, value, _, _ in found]
    assert values == sorted(values) and set(values) == {1, 2}  # old files first, new ones from the renaming on
    assert {strangers for *_, strangers, _ in found} == {0}
    assert {files for *_, files in found} == {1}, "a stray file has stayed after the next save"


FAULTS = [errno.ENOSPC, errno.EIO, errno.EACCES, errno.ENOENT]


class Faulty:
    """The calls of `os`, of which the n-th fails."""

    def __init__(self, place, number):
        self.place, self.number, self.hit = place, number, None

    def __call__(self, name):
        original = getattr(os, name)

        def call(*args, **kwargs):
            self.place -= 1
            if self.place == -1:
                self.hit = name
                if name == "close":
                    original(*args)
                raise OSError(self.number, os.strerror(self.number))
            return original(*args, **kwargs)

        return call


@pytest.mark.parametrize("number", FAULTS, ids=errno.errorcode.get)
def test_any_failing_call_names_the_path_and_leaves_a_whole_file(number, tmp_path, monkeypatch):
    """Each call in turn fails once; calls whose failure does not matter leave the new file."""
    path = tmp_path / "c.h5"
    outcomes = []
    for place in itertools.count():
        save(path, 1)
        faulty, error = Faulty(place, number), None
        with monkeypatch.context() as patch:
            for name in NAMES:
                patch.setattr(os, name, faulty(name))
            try:
                save(path, 2)
            except OSError as caught:
                error = caught
        if faulty.hit is None:
            break
        if error is not None:
            assert error.errno == number and error.filename == str(path)
            assert str(error).startswith(f"[Errno {number}] Could not write the checkpoint: {os.strerror(number)}")
        outcomes.append((faulty.hit, load(path), error is None))
        save(path, 3)
        assert os.listdir(tmp_path) == ["c.h5"] and load(path) == 3
    assert {name for name, *_ in outcomes} >= {"open", "pwrite", "fsync", "replace", "close"}
    for name, value, quiet in outcomes:
        assert value == 2 if quiet else value in (1, 2), name
        if name in ("posix_fallocate", "pwrite", "replace"):
            assert value == 1 and not quiet
        assert not (name == "fsync" and quiet)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system cannot reserve room")
@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS])
def test_a_file_system_that_cannot_reserve_room_needs_none(number, tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    save(tmp_path / "c.h5", 1)
    assert load(tmp_path / "c.h5") == 1


def test_folder_that_is_missing_or_vanishes_is_named(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="Could not write the checkpoint.*nowhere"):
        save(tmp_path / "nowhere" / "c.h5", 1)
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.setattr(os, "fsync", lambda descriptor: [os.unlink(p) for p in folder.iterdir()] and folder.rmdir())
    with pytest.raises(FileNotFoundError, match="Could not write the checkpoint.*folder/c.h5"):
        save(folder / "c.h5", 1)


def test_a_folder_as_the_path_is_refused(tmp_path):
    (tmp_path / "c.h5").mkdir()
    with pytest.raises(IsADirectoryError, match="Could not write the checkpoint"):
        save(tmp_path / "c.h5", 1)
    assert os.listdir(tmp_path) == ["c.h5"]


def test_an_interrupted_save_leaves_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "c.h5"
    save(path, 1)

    def interrupt(descriptor):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            save(path, 2)
    assert os.listdir(tmp_path) == ["c.h5"] and load(path) == 1


def leftovers(folder):
    return [name for name in os.listdir(folder) if name.startswith(".eagerly-")]


def test_only_dead_leftovers_of_the_same_target_are_removed(tmp_path):
    with atomic.replacing(str(tmp_path / "c.h5")) as mine, atomic.replacing(str(tmp_path / "d.h5")) as other:
        names = leftovers(tmp_path)
        assert len(names) == 2
        dead = tmp_path / next(name.rpartition("-")[0] + "-00000000.partial" for name in names)
        dead.write_bytes(b"x")
        stranger = tmp_path / (dead.name + ".txt")
        stranger.write_bytes(b"x")
        save(tmp_path / "c.h5", 1)
        save(tmp_path / "d.h5", 2)
        assert sorted(leftovers(tmp_path)) == sorted([*names, stranger.name])
        mine.write_at(0, b"late")
        other.write_at(0, b"late")
    assert (tmp_path / "c.h5").read_bytes() == (tmp_path / "d.h5").read_bytes() == b"late"


def test_a_file_that_was_taken_for_a_leftover_before_it_was_locked_is_made_again(tmp_path, monkeypatch):
    original, taken = atomic._lock, []

    def steal(descriptor, wait=False):
        if not taken:
            taken.extend(leftovers(tmp_path))
            os.unlink(tmp_path / taken[0])
        return original(descriptor, wait)

    monkeypatch.setattr(atomic, "_lock", steal)
    save(tmp_path / "c.h5", 1)
    assert len(taken) == 1 and load(tmp_path / "c.h5") == 1


def test_without_locks_nothing_is_taken_for_a_leftover(tmp_path, monkeypatch):
    save(tmp_path / "c.h5", 1)
    with atomic.replacing(str(tmp_path / "c.h5")):
        (name,) = leftovers(tmp_path)
    (tmp_path / name).write_bytes(b"x")
    monkeypatch.setattr(atomic, "fcntl", None)
    save(tmp_path / "c.h5", 2)
    assert leftovers(tmp_path) == [name] and load(tmp_path / "c.h5") == 2


def test_saves_from_several_threads_leave_one_whole_file(tmp_path):
    path = tmp_path / "c.h5"
    errors = []

    def work(value):
        try:
            for _ in range(5):
                save(path, value)
                assert load(path) in (1, 2, 3)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(value,)) for value in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == [] and os.listdir(tmp_path) == ["c.h5"]


def test_a_snapshot_is_saved_even_if_variables_change_meanwhile(tmp_path, monkeypatch):
    a, b = filled(2, value=1), Variable(np.float32([5, 6]))
    original = os.pwrite

    def change(*args):
        b.assign([0, 0])
        return original(*args)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", change)
        path = Checkpoint(a=a, b=b).write(tmp_path / "c.h5")
    Checkpoint(a=a, b=b).restore(path)
    assert b.numpy().tolist() == [5, 6]
