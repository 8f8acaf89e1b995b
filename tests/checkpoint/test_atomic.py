"""Whatever happens to a save, the old checkpoint or the new one is there, whole, and no litter stays."""

import errno
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
    return Checkpoint(v=filled(3, value=value)).save(path)


def load(path):
    variable = filled(3, value=-1)
    Checkpoint(v=variable).restore(path)
    return variable.numpy()[0]


# Saves 2.0 over a good file, with the process killed before the n-th of the calls that touch the file system.
KILLED = """
import os, signal, sys
sys.path[:0] = {paths!r}
from eagerly.checkpoint import Checkpoint
from trackables import filled

path, last = sys.argv[1], int(sys.argv[2])
checkpoint = Checkpoint(v=filled(3, value=2))
calls = 0

def deadly(function):
    def call(*args, **kwargs):
        global calls
        calls += 1
        if calls == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return call

def half(descriptor, data):
    return write(descriptor, data[: max(1, len(data) // 2)])

write = os.write
os.write = half
for name in ("open", "write", "fsync", "replace", "chmod", "close", "unlink"):
    setattr(os, name, deadly(getattr(os, name)))
import h5py
checkpoint.save(path)
print(calls)
"""


def run(path, last):
    code = KILLED.format(paths=[*filter(None, sys.path)])
    return subprocess.run([sys.executable, "-c", code, path, str(last)], capture_output=True, text=True)


def test_killed_at_any_call_leaves_the_old_or_the_new_file(tmp_path):
    path = tmp_path / "c.h5"
    save(path, 1)
    done = run(path, 0)
    assert done.returncode == 0, done.stderr
    calls = int(done.stdout)
    assert calls > 20 and load(path) == 2
    found = []
    # Every call near the two ends, and a sample of the writes between them.
    for last in sorted({1, 2, 3, 4, calls // 3, 2 * calls // 3, *range(calls - 6, calls + 1)}):
        save(path, 1)
        assert run(path, last).returncode == -9
        found.append(load(path))
        assert [name for name in os.listdir(tmp_path) if name != "c.h5" and not name.endswith(".partial")] == []
    assert sorted(found) == found and set(found) == {1, 2}  # old files first, new ones from the renaming on
    save(path, 3)
    assert os.listdir(tmp_path) == ["c.h5"] and load(path) == 3


FAULTS = {
    "write": (errno.ENOSPC, "No space left on device"),
    "open": (errno.EACCES, "Permission denied"),
    "fsync": (errno.EIO, "Input/output error"),
    "replace": (errno.ENOENT, "No such file or directory"),
    "chmod": (errno.EPERM, "Operation not permitted"),
    "lseek": (errno.EIO, "Input/output error"),
}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("after", [0, 2])
def test_a_failing_call_names_the_path_and_leaves_the_old_file(name, after, tmp_path, monkeypatch):
    path = tmp_path / "c.h5"
    save(path, 1)
    number, text = FAULTS[name]
    original, left = getattr(os, name), [after if name in ("write", "lseek") else 0]

    def fail(*args, **kwargs):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(number, os.strerror(number))
        return original(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(os, name, fail)
        with pytest.raises(OSError, match=f"Could not write the checkpoint: {text}") as caught:
            save(path, 2)
    assert caught.value.errno == number and caught.value.filename == str(path)
    assert os.listdir(tmp_path) == ["c.h5"] and load(path) == 1


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
    original = os.lseek

    def change(*args):
        b.assign([0, 0])
        return original(*args)

    with monkeypatch.context() as patch:
        patch.setattr(os, "lseek", change)
        path = Checkpoint(a=a, b=b).save(tmp_path / "c.h5")
    Checkpoint(a=a, b=b).restore(path)
    assert b.numpy().tolist() == [5, 6]
