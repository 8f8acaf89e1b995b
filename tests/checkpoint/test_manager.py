"""Which files a manager keeps, what it takes for the latest, and that it only ever removes what it wrote."""

import json
import os
import shutil
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest

from eagerly.checkpoint import Checkpoint, CheckpointManager
from eagerly.checkpoint import manager as module
from eagerly.errors import CorruptCheckpointError, RestoreError
from eagerly.variable import Variable
from trackables import Lazy, filled


def make(folder, value=0, **options):
    return CheckpointManager(Checkpoint(v=filled(3, value=value)), folder, **options)


def names(manager):
    return [os.path.basename(path) for path in manager.checkpoints]


def numbers(manager):
    return [int(name[5:-3]) for name in names(manager)]


def save(manager, count, metrics=None):
    for i in range(count):
        manager.checkpoint.v.assign(np.full(3, int(manager.checkpoint.save_counter) + 1))
        manager.save(None if metrics is None else metrics[i])


def value(manager):
    return int(manager.checkpoint.v.numpy()[0])


def damage(path, place=700):
    with open(path, "r+b") as file:
        content = bytearray(file.read())
        content[place] ^= 0xFF
        file.seek(0)
        file.write(content)


def damage_values(path, number):
    with open(path, "rb") as file:
        damage(path, file.read().index(np.full(3, number, np.float32).tobytes()))


def test_the_last_ones_are_kept(tmp_path):
    manager = make(tmp_path / "new" / "folder", max_to_keep=2)
    assert manager.checkpoints == [] and manager.latest is None and manager.best is None
    save(manager, 5)
    assert names(manager) == ["ckpt-4.h5", "ckpt-5.h5"]
    assert manager.latest == manager.latest_checkpoint == str(tmp_path / "new" / "folder" / "ckpt-5.h5")
    assert sorted(os.listdir(manager.directory)) == ["ckpt-4.h5", "ckpt-5.h5", "ckpt.json"]
    everything = make(tmp_path / "all", max_to_keep=None)
    save(everything, 7)
    assert numbers(everything) == list(range(1, 8))


LOSSES = [3.0, 1.0, 2.0, float("nan"), 5.0, 4.0, 1.0]


def test_the_best_ones_are_kept_too(tmp_path):
    manager = make(tmp_path / "min", max_to_keep=1, best_to_keep=2)
    save(manager, 7, LOSSES)
    assert numbers(manager) == [2, 7]
    assert manager.best == str(tmp_path / "min" / "ckpt-2.h5")
    manager = make(tmp_path / "max", max_to_keep=2, best_to_keep=2, mode="max", checkpoint_name="ckpt")
    save(manager, 7, LOSSES)
    assert numbers(manager) == [5, 6, 7] and manager.best.endswith("ckpt-5.h5")
    manager = make(tmp_path / "nan", max_to_keep=1, best_to_keep=1)
    save(manager, 3, [float("nan"), 7.0, float("nan")])
    assert numbers(manager) == [2, 3]
    loose = make(tmp_path / "loose", max_to_keep=1)
    save(loose, 2, LOSSES)
    assert loose.best.endswith("ckpt-2.h5")


def test_one_every_few_hours_is_kept_too(tmp_path, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(module.time, "time", lambda: clock[0])
    manager = make(tmp_path, max_to_keep=2, keep_checkpoint_every_n_hours=1)
    for _ in range(10):  # every 25 minutes
        save(manager, 1)
        clock[0] += 25 * 60
    assert numbers(manager) == [1, 4, 7, 9, 10]


def test_the_union_of_the_rules(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(module.time, "time", lambda: clock[0])
    manager = make(tmp_path, max_to_keep=1, best_to_keep=1, keep_checkpoint_every_n_hours=2)
    for loss in (5, 4, 1, 6, 7, 8):
        save(manager, 1, [loss])
        clock[0] += 3600
    assert numbers(manager) == [1, 3, 5, 6]


@pytest.mark.parametrize("loss", ["removed", "empty", "no json", "other json", "deep", "wrong fields"])
def test_a_lost_list_is_made_again_from_the_files(loss, tmp_path):
    manager = make(tmp_path, max_to_keep=3, best_to_keep=1)
    save(manager, 5, [9.0, 1.0, 5.0, 6.0, 7.0])
    assert numbers(manager) == [2, 3, 4, 5]
    path = tmp_path / "ckpt.json"
    contents = {
        "empty": "",
        "no json": "{",
        "other json": "[1]",
        "deep": "[" * 100_000,
        "wrong fields": '{"checkpoints": [{"number": "../x", "time": 0.0, "metric": null}]}',
    }
    path.unlink() if loss == "removed" else path.write_text(contents[loss])
    again = make(tmp_path, max_to_keep=2, best_to_keep=1)
    assert numbers(again) == [2, 3, 4, 5] and again.best == manager.best
    again.restore_or_initialize().assert_consumed()
    save(again, 1, [8.0])
    assert numbers(again) == [2, 5, 6]
    assert [item["number"] for item in json.loads(path.read_text())["checkpoints"]] == [2, 5, 6]


def test_only_what_it_wrote_is_removed(tmp_path):
    manager = make(tmp_path, max_to_keep=1)
    save(manager, 1)
    shutil.copy(manager.latest, tmp_path / "ckpt-7.h5")  # a copy under another number
    shutil.copy(manager.latest, tmp_path / "ckpt-1 copy.h5")
    other = make(tmp_path, checkpoint_name="other", max_to_keep=2)
    save(other, 1)
    Checkpoint(v=filled(3)).save(tmp_path / "plain")
    plain = Checkpoint(v=filled(3)).write(tmp_path / "ckpt-3.h5")
    (tmp_path / "ckpt-4.h5").write_bytes(b"no checkpoint")
    (tmp_path / "ckpt-05.h5").write_bytes(b"x")
    (tmp_path / "notes.txt").write_text("x")
    save(manager, 3)
    strangers = ["ckpt-05.h5", "ckpt-1 copy.h5", "ckpt-3.h5", "ckpt-4.h5", "ckpt-7.h5", "notes.txt"]
    mine = ["ckpt-10.h5", "ckpt.json", "other-1.h5", "other.json", "plain-1.h5"]
    assert sorted(os.listdir(tmp_path)) == sorted(strangers + mine)
    assert numbers(manager) == [3, 4, 7, 10] and os.path.exists(plain)


def test_a_run_that_starts_anew_overwrites_nothing(tmp_path):
    save(make(tmp_path), 3)
    fresh = make(tmp_path)
    save(fresh, 1)
    assert numbers(fresh) == [1, 2, 3, 4] and int(fresh.checkpoint.save_counter) == 4


def test_the_latest_is_the_newest_that_is_whole(tmp_path):
    manager = make(tmp_path)
    save(manager, 4)
    damage_values(manager.checkpoints[3], 4)
    damage(manager.checkpoints[2], 20)
    with pytest.warns(UserWarning) as caught:
        assert manager.latest == manager.checkpoints[1]
    texts = [str(warning.message) for warning in caught]
    assert len(texts) == 2 and "ckpt-4.h5: damaged values" in texts[0] and "ckpt-3.h5: damaged header" in texts[1]
    assert all(text.endswith("An older checkpoint takes its place.") for text in texts)
    reader = make(tmp_path)
    with pytest.warns(UserWarning):
        status = reader.restore_or_initialize()
    assert status.path == manager.checkpoints[1] and value(reader) == 2 and status.assert_consumed()


def test_a_damaged_file_is_told_even_if_the_list_is_lost(tmp_path):
    manager = make(tmp_path)
    save(manager, 2)
    (tmp_path / "ckpt.json").unlink()
    damage(manager.checkpoints[1], 20)
    with pytest.warns(UserWarning, match="ckpt-2.h5: damaged header"):
        assert manager.latest == manager.checkpoints[0]
    save(manager, 1)
    assert numbers(manager) == [1, 2, 3]


def test_only_damaged_files_are_an_error_and_not_a_start_from_nothing(tmp_path):
    manager = make(tmp_path, init_fn=lambda: pytest.fail("initialized"))
    save(manager, 1)
    damage_values(manager.checkpoints[0], 1)
    with (
        pytest.warns(UserWarning),
        pytest.raises(
            CorruptCheckpointError,
            match="expected a checkpoint that is whole, got 1 damaged: .*ckpt-1.h5. Move them away",
        ),
    ):
        manager.restore_or_initialize()
    with pytest.warns(UserWarning):
        assert manager.latest is None


def test_restore_or_initialize(tmp_path):
    called = []
    manager = make(tmp_path, init_fn=lambda: called.append(1))
    status = manager.restore_or_initialize()
    assert status.path is None and called == [1]
    save(manager, 2)
    again = make(tmp_path, value=9, init_fn=lambda: called.append(2))
    assert again.restore_or_initialize().assert_consumed().path == again.latest
    assert value(again) == 2 and called == [1] and int(again.checkpoint.save_counter) == 2
    other = CheckpointManager(Checkpoint(w=filled(3)), tmp_path)
    with pytest.raises(RestoreError, match=r"ckpt-2.h5: the file does not fit the objects"):
        other.restore_or_initialize()
    assert other.restore_or_initialize(map={"w": "v"}).path == again.latest
    layer = CheckpointManager(Checkpoint(v=filled(3), dense=Lazy()), tmp_path)
    assert layer.restore_or_initialize(strict=False).path == again.latest


def test_files_that_vanish_have_newer_ones(tmp_path, monkeypatch):
    writer, reader = make(tmp_path, max_to_keep=1), make(tmp_path)
    save(writer, 1)
    for look in (lambda: reader.latest, lambda: reader.restore_or_initialize().path):
        original, left = CheckpointManager._numbers, [1]

        def stale(self, original=original, left=left):
            found = original(self)
            if left:
                left.clear()
                save(writer, 1)
            return found

        with monkeypatch.context() as patch:
            patch.setattr(CheckpointManager, "_numbers", stale)
            assert look() == writer.checkpoints[-1]
    assert value(reader) == 3


def test_a_whole_file_is_read_once(tmp_path, monkeypatch):
    manager = make(tmp_path)
    save(manager, 1)
    assert manager.latest
    with monkeypatch.context() as patch:
        patch.setattr(module.CheckpointFile, "verify_values", lambda *_: pytest.fail("read again"))
        assert manager.latest
    damage_values(manager.checkpoints[0], 1)
    with pytest.warns(UserWarning):
        assert manager.latest is None


def test_a_failed_save_removes_nothing(tmp_path, monkeypatch):
    manager = make(tmp_path, max_to_keep=1)
    save(manager, 1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(OSError, match="No space left on device.*ckpt-2.h5"):
            manager.save()
    assert numbers(manager) == [1] and int(manager.checkpoint.save_counter) == 1


def test_what_cannot_be_removed_stays_and_is_told(tmp_path, monkeypatch):
    manager = make(tmp_path, max_to_keep=1)
    save(manager, 1)
    with monkeypatch.context() as patch:
        patch.setattr(module.os, "unlink", lambda *_: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
        with pytest.warns(UserWarning, match="ckpt-1.h5: could not be removed: Permission denied. It stays"):
            manager.save()
    assert numbers(manager) == [1, 2]
    manager.save()
    assert numbers(manager) == [3]


KILLED = """
import os, signal, sys
sys.path[:0] = {paths!r}
from eagerly.checkpoint import Checkpoint, CheckpointManager
from trackables import filled
import h5py

manager = CheckpointManager(Checkpoint(v=filled(3)), sys.argv[1], max_to_keep=2)
for _ in range(3):
    manager.save()
calls = last = 0

def deadly(function):
    def call(*args, **kwargs):
        global calls
        calls += 1
        if calls == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return call

for name in ("open", "posix_fallocate", "pwrite", "fsync", "replace", "unlink", "listdir"):
    if hasattr(os, name):
        setattr(os, name, deadly(getattr(os, name)))
last = int(1e9)
manager.save()
total = calls
for last in range(1, total + 1):
    calls, child = 0, os.fork()
    if not child:
        manager.save()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), last
    calls, last = 0, 0
    after = CheckpointManager(Checkpoint(v=filled(3)), sys.argv[1], max_to_keep=2)
    files = after.checkpoints
    assert 2 <= len(files) <= 3 and after.latest == files[-1], files
    after.restore_or_initialize().assert_consumed()
    after.save()
    assert len(after.checkpoints) == 2 and len(os.listdir(sys.argv[1])) == 3, os.listdir(sys.argv[1])
print(total)
"""


def test_killed_at_any_call_the_next_save_cleans_up(tmp_path):
    code = KILLED.format(paths=[*filter(None, sys.path)])
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and int(done.stdout) > 20, done.stderr


def test_readers_see_whole_checkpoints_while_files_come_and_go(tmp_path):
    manager = make(tmp_path, max_to_keep=2)
    save(manager, 1)
    errors, done = [], threading.Event()

    def read():
        try:
            reader, last = make(tmp_path), 0
            while not done.is_set():
                status = reader.restore_or_initialize()
                assert status.path and last <= value(reader) == int(reader.checkpoint.save_counter)
                last = value(reader)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save(manager, 20)
    done.set()
    for thread in threads:
        thread.join()
    assert errors == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_to_keep": 0}, "expected max_to_keep to be None or an integer from 1 on, got 0"),
        ({"max_to_keep": True}, "expected max_to_keep to be None or an integer from 1 on, got True"),
        ({"best_to_keep": -1}, "expected best_to_keep to be an integer from 0 on, got -1"),
        (
            {"keep_checkpoint_every_n_hours": 0},
            "expected keep_checkpoint_every_n_hours to be None or a number > 0, got 0",
        ),
        ({"mode": "auto"}, "expected mode to be 'min' or 'max', got 'auto'"),
        ({"checkpoint_name": "a/b"}, "expected checkpoint_name to be a file's name without a folder, got 'a/b'"),
        ({"checkpoint_name": ""}, "expected checkpoint_name to be a file's name"),
    ],
)
def test_wrong_arguments_are_refused(options, message, tmp_path):
    with pytest.raises(ValueError, match=f"CheckpointManager: {message}"):
        make(tmp_path, **options)
    assert os.listdir(tmp_path) == []


def test_wrong_metrics_and_checkpoints_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"expected a Checkpoint, got float32\[\]. Write Checkpoint\(model=model\)"):
        CheckpointManager(Variable(1.0), tmp_path)
    manager = make(tmp_path, best_to_keep=1)
    with pytest.raises(ValueError, match="expected a metric to tell the 1 best by, got None"):
        manager.save()
    with pytest.raises(ValueError, match="expected a number as the metric, got 'loss'"):
        manager.save("loss")
    assert os.listdir(tmp_path) == []
    manager.save(Variable(2.5))
    assert manager.best


READERS = """
import os, sys
sys.path[:0] = {paths!r}
from eagerly.checkpoint import Checkpoint, CheckpointManager
from trackables import filled

def make():
    return CheckpointManager(Checkpoint(v=filled(100)), sys.argv[1], max_to_keep=2)

def read():
    reader, last = make(), 0
    while last < 60:
        assert reader.restore_or_initialize().path
        values = set(reader.checkpoint.v.numpy().tolist())
        (value,) = values
        assert value == int(reader.checkpoint.save_counter) >= last, (values, last)
        last = value

writer = make()
writer.checkpoint.v.assign([1.0] * 100)
writer.save(sync=False)
children = []
for _ in range(8):
    child = os.fork()
    if not child:
        try:
            read()
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    children.append(child)
for i in range(2, 61):
    writer.checkpoint.v.assign([float(i)] * 100)
    writer.save(sync=False, background=i % 2 == 0)
writer.checkpoint.wait()
print([os.waitpid(child, 0)[1] for child in children])
"""


def test_eight_processes_read_while_one_saves(tmp_path):
    code = READERS.format(paths=[*filter(None, sys.path)])
    # Python 3.12 warns of forks beside any thread, and OpenBLAS has some.
    command = [sys.executable, "-W", "error::UserWarning", "-W", "ignore::DeprecationWarning", "-c", code, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"{[0] * 8}\n", "")
