"""Numbered saves, roots, maps, restores that are not strict, and what the status says about them."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from eagerly import kernels
from eagerly.checkpoint import Checkpoint, blocks, pending_paths
from eagerly.checkpoint.reading import CheckpointFile
from eagerly.errors import RestoreError
from eagerly.variable import Variable
from trackables import Box, Counter, Lazy, Momentum, filled


def test_saves_are_numbered_and_counted_over_all_runs(tmp_path):
    checkpoint = Checkpoint(v=filled(2))
    assert checkpoint.save(tmp_path / "c") == str(tmp_path / "c-1.h5")
    assert checkpoint.save(str(tmp_path / "c.h5")) == str(tmp_path / "c-2.h5")
    assert checkpoint.save(tmp_path / "c.hdf5") == str(tmp_path / "c-3.hdf5")
    assert int(checkpoint.save_counter) == 3 and checkpoint.save_counter.dtype == np.int64
    later = Checkpoint(v=filled(2, value=0))
    counter = later.save_counter
    later.restore(tmp_path / "c-2.h5").assert_consumed()
    assert later.save_counter is counter and int(counter) == 2
    fresh = Checkpoint(v=filled(2, value=0))
    fresh.restore(tmp_path / "c-3.hdf5").assert_consumed()
    assert fresh.save(tmp_path / "d.e") == str(tmp_path / "d.e-4.h5")


def test_write_and_read_leave_the_counter_alone(tmp_path):
    checkpoint = Checkpoint(v=filled(2))
    written = checkpoint.write(tmp_path / "c.h5")
    with CheckpointFile(written) as file:
        assert list(file.objects[0].children) == ["v"]
    saved = checkpoint.save(tmp_path / "c.h5")
    other = Checkpoint(v=filled(2, value=0))
    other.read(saved).assert_consumed()
    assert int(other.save_counter) == 0 and other.v.numpy().tolist() == [1, 2]
    checkpoint.restore(written).assert_consumed()
    assert int(checkpoint.save_counter) == 1


def test_a_save_that_fails_is_not_counted(tmp_path):
    checkpoint = Checkpoint(v=filled(2))
    with pytest.raises(OSError, match="Could not write the checkpoint"):
        checkpoint.save(tmp_path / "nowhere" / "c")
    assert int(checkpoint.save_counter) == 0
    assert checkpoint.save(tmp_path / "c") == str(tmp_path / "c-1.h5")


def test_a_restore_that_fails_leaves_the_counter(tmp_path):
    path = Checkpoint(v=filled(2)).save(tmp_path / "c")
    checkpoint = Checkpoint(v=filled(3))
    with pytest.raises(RestoreError):
        checkpoint.restore(path)
    assert int(checkpoint.save_counter) == 0


def test_a_child_of_the_users_own_called_save_counter(tmp_path):
    class Own(Box):
        pass

    own = Own(save_counter=filled(1, value=7))
    path = Checkpoint(own).write(tmp_path / "c.h5")
    own.save_counter.assign([0])
    Checkpoint(own).restore(path)
    assert own.save_counter.numpy() == [7]
    with pytest.raises(
        ValueError, match=r"a name that the root leaves free, got 'save_counter', which is float32\[1\]"
    ):
        Checkpoint(own).save(tmp_path / "d")


def test_none_restores_nothing_and_says_so_when_asked(tmp_path):
    status = Checkpoint(v=filled(2)).restore(None)
    assert status.pending == [] and status.path is None and status.expect_partial() is status
    for check in (status.assert_consumed, status.assert_existing_objects_matched, status.assert_nontrivial_match):
        with pytest.raises(RestoreError, match="expected a file to have been restored, got None as its path"):
            check()


class Model(Box):
    pass


def test_a_root_has_its_children_at_the_top(tmp_path):
    model = Model(kernel=filled(2), inner=Lazy(fill=2.0).build(2))
    model.me = model
    path = Checkpoint(model, step=Variable(5)).save(tmp_path / "m")
    with CheckpointFile(path) as file:
        assert file.objects[0].kind == "Model"
        assert sorted(file.objects[0].children) == ["inner", "kernel", "me", "save_counter", "step"]
        assert file.objects[0].children["me"] == 0
    restored = Model(kernel=filled(2, value=0), inner=Lazy())
    restored.me = restored
    step = Variable(0)
    status = Checkpoint(restored, step=step).restore(path)
    assert restored.kernel.numpy().tolist() == [1, 2] and int(step) == 5
    assert status.pending == ["inner/bias", "inner/kernel"]
    restored.inner.build(2)
    status.assert_consumed()
    named = Box(kernel=filled(2, value=0))
    Checkpoint(kernel=named.kernel).restore(path, only="kernel")
    assert named.kernel.numpy().tolist() == [1, 2]
    Checkpoint(restored, step=Variable(0)).restore(path, only="step")


def test_a_root_is_one_trackable_and_keeps_its_names(tmp_path):
    with pytest.raises(ValueError, match="expected root to be a Trackable such as a model, got .*Give other objects a"):
        Checkpoint([filled(1)])
    with pytest.raises(ValueError, match="expected root to be a Trackable"):
        Checkpoint(Checkpoint(v=filled(1)))
    with pytest.raises(ValueError, match=r"expected a name that the root leaves free, got 'kernel', which is float32"):
        Checkpoint(Model(kernel=filled(1)), kernel=filled(2)).write(tmp_path / "c.h5")


def objects(value):
    return {"net": Box(a=filled(2, value=value), b=filled(3, value=value)), "list": [filled(1, value=value)]}


MAPS = {
    "a whole object": (lambda o: {"model": o["net"], "list": o["list"]}, {"model": "net"}),
    "one value": (lambda o: {"net": Box(c=o["net"].a, b=o["net"].b), "list": o["list"]}, {"net/c": "net/a"}),
    "into a list": (lambda o: {"net": o["net"], "list": [3, o["list"][0]]}, {"list/1": "list/0"}),
    "elsewhere": (
        lambda o: {"net": Box(b=o["net"].b), "list": o["list"], "deep": Box(x=Box(a=o["net"].a))},
        {"deep/x/a": "net/a"},
    ),
}


@pytest.mark.parametrize("name", MAPS)
def test_a_map_finds_what_has_another_path(name, tmp_path):
    arrange, moves = MAPS[name]
    path = Checkpoint(**objects(5)).write(tmp_path / "c.h5")
    restored = objects(0)
    arranged = arrange(restored)
    Checkpoint(**arranged).restore(path, map=moves).assert_consumed()
    assert restored["net"].a.numpy().tolist() == [5, 6] and restored["net"].b.numpy().tolist() == [5, 6, 7]
    assert restored["list"][0].numpy() == [5]


def test_a_map_may_swap_and_its_slots_follow(tmp_path):
    a, b = filled(2, value=1), filled(2, value=5)
    path = Checkpoint(a=a, b=b, o=Momentum().build([a], fill=7.0)).write(tmp_path / "c.h5")
    x, y = filled(2, value=0), filled(2, value=0)
    optimizer = Momentum().build([y])
    Checkpoint(a=x, b=y, o=optimizer).restore(path, map={"a": "b", "b": "a"}).assert_consumed()
    assert x.numpy().tolist() == [5, 6] and y.numpy().tolist() == [1, 2]
    assert optimizer.slots[0][1]["momentum"].numpy().tolist() == [7, 7]


def test_the_error_says_which_map_to_pass_and_that_works(tmp_path):
    path = Checkpoint(model=Box(a=filled(2), b=filled(3))).write(tmp_path / "c.h5")
    net = Box(a=filled(2, value=0), b=filled(3, value=0))
    with pytest.raises(RestoreError) as caught:
        Checkpoint(net=net).restore(path)
    line = str(caught.value).splitlines()[-1]
    assert line == "The file has model/..., you have net/...: pass map={'net': 'model'}."
    Checkpoint(net=net).restore(path, map=eval(line.rpartition("map=")[2][:-1])).assert_consumed()
    assert net.a.numpy().tolist() == [1, 2]


def test_a_map_below_what_is_not_built_yet(tmp_path):
    path = Checkpoint(dense=Lazy(fill=3.0).build(2)).write(tmp_path / "c.h5")

    class Renamed(Box):
        built = False

        def may_grow(self, name):
            return not self.built

    layer = Renamed()
    status = Checkpoint(dense=layer).restore(path, map={"dense/weight": "dense/kernel"})
    assert status.pending == ["dense/bias", "dense/weight"]
    layer.weight, layer.bias = filled(2, 3, value=0), filled(3, value=0)
    layer.built = True
    assert layer.weight.numpy()[0, 0] == 3
    status.assert_consumed()


@pytest.mark.parametrize(
    ("moves", "error", "message"),
    [
        (
            {"net": "modell"},
            RestoreError,
            r"'modell', which map names, to be in the file, got model in the file. Did you",
        ),
        (
            {"nets": "model"},
            RestoreError,
            r"expected map to name what you have, got 'nets'. Did you mean 'net'\? Write",
        ),
        ({"net": 3}, ValueError, r"expected map to be a dictionary from your paths to the file's.*got \{'net': 3\}"),
        ({"": "model"}, ValueError, "expected map to be a dictionary from your paths"),
    ],
    ids=["not in the file", "not in the objects", "number", "empty"],
)
def test_a_wrong_map_is_refused(moves, error, message, tmp_path):
    path = Checkpoint(model=Box(a=filled(2))).write(tmp_path / "c.h5")
    net = Box(a=filled(2, value=0))
    with pytest.raises(error, match=message):
        Checkpoint(net=net).restore(path, map=moves)
    assert net.a.numpy().tolist() == [0, 1]


def test_attributes_not_set_yet_wait_on_any_trackable_unless_strict(tmp_path):
    path = Checkpoint(m=Box(a=filled(2), b=filled(2, value=5), list=[filled(1), filled(1, value=9)])).save(
        tmp_path / "c"
    )
    model = Box(a=filled(2, value=0), c=filled(4), list=[filled(1, value=0)])
    checkpoint = Checkpoint(m=model)
    with pytest.raises(RestoreError) as caught:
        checkpoint.restore(path)
    head, *differences = str(caught.value).splitlines()
    assert head == (
        f"{path}: the file does not fit the objects, and nothing was restored; strict=False restores what fits, and "
        "lets what only the file has wait."
    )
    assert differences[:3] == ["In the file, but not in the objects:", "  m/b: float32[2]", "  m/list/1: float32[1]"]
    status = checkpoint.restore(path, strict=False)
    assert model.a.numpy().tolist() == [1, 2] and model.c.numpy().tolist() == [4 - 3, 2, 3, 4]
    assert status.pending == ["m/b", "m/list/1"] == pending_paths(checkpoint)
    with pytest.raises(RestoreError, match=r"got 2 that wait for objects not built yet: m/b, m/list/1"):
        status.assert_consumed()
    with pytest.raises(RestoreError, match=r"everything that the objects hold, got no m/c. Restore before"):
        status.assert_existing_objects_matched()
    assert status.assert_nontrivial_match() is status
    with pytest.raises(RestoreError, match="expected every restored value to be in use before saving, got 2 waiting"):
        checkpoint.save(tmp_path / "d")
    model.b = filled(2, value=0)
    assert model.b.numpy().tolist() == [5, 6]
    model.list.append(filled(1, value=0))
    assert status.pending == [] and model.list[1].numpy() == [9]
    del model.c
    status.assert_consumed()
    checkpoint.save(tmp_path / "d")


def test_what_is_not_strict_still_refuses_what_differs(tmp_path):
    path = Checkpoint(m=Box(a=filled(2), b=filled(2))).write(tmp_path / "c.h5")
    model = Box(a=filled(2, value=0), b=filled(3), c=filled(1))
    with pytest.raises(RestoreError) as caught:
        Checkpoint(m=model).restore(path, strict=False)
    assert str(caught.value).splitlines()[1:] == ["Different:", "  m/b: the file has float32[2], you have float32[3]"]
    assert model.a.numpy().tolist() == [0, 1]


def test_slots_wait_unless_strict(tmp_path):
    a, b = filled(2), filled(2)
    path = Checkpoint(a=a, b=b, o=Momentum().build([a, b], fill=7.0)).write(tmp_path / "c.h5")
    x, y = filled(2, value=0), filled(2, value=0)
    optimizer = Momentum().build([x])
    status = Checkpoint(a=x, b=y, o=optimizer).restore(path, strict=False)
    assert optimizer.slots[0][1]["momentum"].numpy()[0] == 7 and status.pending == ["o/momentum of b"]
    optimizer.slots.append((y, {"momentum": filled(2, value=0)}))
    assert status.pending == [] and optimizer.slots[1][1]["momentum"].numpy().tolist() == [7, 7]


def test_nontrivial_match(tmp_path):
    path = Checkpoint(m=Box(a=filled(2))).write(tmp_path / "c.h5")
    status = Checkpoint(x=Box(b=filled(2))).restore(path, strict=False)
    with pytest.raises(RestoreError, match="expected at least one value to be restored, got none. It has m; compare"):
        status.assert_nontrivial_match()
    Checkpoint(c=Counter(1)).restore(Checkpoint(c=Counter(2)).write(path)).assert_nontrivial_match()


def test_objects_added_after_a_restore_are_not_matched(tmp_path):
    path = Checkpoint(m=Box(a=filled(2))).write(tmp_path / "c.h5")
    model = Box(a=filled(2))
    status = Checkpoint(m=model).restore(path).assert_existing_objects_matched()
    model.counter = Counter()
    model.plain = Box()
    with pytest.raises(RestoreError, match="got no m/counter. Restore before these are added, or save them too"):
        status.assert_existing_objects_matched()


def test_a_file_without_waiting_for_the_disk_is_the_same(tmp_path, monkeypatch):
    checkpoint = Checkpoint(v=filled(2))
    first = checkpoint.write(tmp_path / "a.h5")
    monkeypatch.setattr(os, "fsync", lambda descriptor: pytest.fail("flushed"))
    second = checkpoint.write(tmp_path / "b.h5", sync=False)
    with open(first, "rb") as one, open(second, "rb") as two:
        assert one.read() == two.read()


def test_values_of_several_blocks_come_back_whatever_the_threads(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(size).astype(np.float32) for size in (3_000_000, 0, 1, 262_144, 700_001)]
    files = []
    for threads in (1, 2, 3):
        monkeypatch.setattr(blocks, "cpus", lambda threads=threads: threads)
        monkeypatch.setattr(blocks, "_LARGE", 2**22)
        if threads == 3:  # without a kernel
            monkeypatch.setattr(kernels, "launch", lambda *key: None)
        files.append(Checkpoint(v=[Variable(array) for array in arrays]).write(tmp_path / f"{threads}.h5"))
        restored = [Variable(np.zeros_like(array)) for array in arrays]
        Checkpoint(v=restored).restore(files[-1])
        assert all(np.array_equal(a, b) for a, b in zip(arrays, restored, strict=True))
    contents = [Path(path).read_bytes() for path in files]
    assert contents[0] == contents[1] == contents[2]
    # An error on a thread is the error of the whole.
    damaged = bytearray(contents[0])
    damaged[damaged.index(arrays[0][2_000_000:2_000_010].tobytes())] ^= 1
    Path(files[0]).write_bytes(damaged)
    with pytest.raises(ValueError, match="damaged values at byte .*: a block of 'v/0' has another CRC-32"):
        Checkpoint(v=restored).restore(files[0])


CHILD = """
import sys
sys.path[:0] = {paths!r}
import eagerly.checkpoint
print(eagerly.checkpoint.extract(*sys.argv[1:]))
"""


STRANGER = """
import sys
sys.path[:0] = {paths!r}
import eagerly
from eagerly.checkpoint import Checkpoint, load_into

class Other(eagerly.Trackable):
    def __init__(self):
        self.kernel = eagerly.Variable([0.0, 0.0])

one, two = Other(), Other()
Checkpoint(generator=one).restore(sys.argv[1], only="gan/generator").assert_consumed()
load_into(two, sys.argv[1], at="gan/generator").assert_consumed()
print(one.kernel.numpy().tolist(), two.kernel.numpy().tolist(), "trackables" in sys.modules)
"""


def test_a_part_is_restored_where_no_class_of_the_file_exists(tmp_path):
    path = Checkpoint(gan=Box(generator=Model(kernel=filled(2)), other=Lazy().build(2))).save(tmp_path / "gan")
    code = STRANGER.format(paths=[*filter(None, sys.path)])
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert done.stdout == "[1.0, 2.0] [1.0, 2.0] False\n"


def test_extracting_needs_no_class_of_the_users(tmp_path):
    gan = Box(generator=Model(kernel=filled(2), c=Counter(3)), other=Lazy().build(2))
    path = Checkpoint(gan=gan).save(tmp_path / "gan")
    done = subprocess.run(
        [sys.executable, "-c", CHILD.format(paths=[*filter(None, sys.path)]), path, "gan/generator", tmp_path / "g.h5"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{tmp_path / 'g.h5'}\n"
    generator = Model(kernel=filled(2, value=0), c=Counter())
    Checkpoint(generator=generator).restore(tmp_path / "g.h5").assert_consumed()
    assert generator.kernel.numpy().tolist() == [1, 2] and generator.c.state == {"count": 3}


def test_an_object_that_only_held_what_has_moved_is_not_missed(tmp_path):
    path = Checkpoint(old=Box(a=filled(2), deep=Box(b=filled(3))), c=filled(1)).write(tmp_path / "c.h5")
    a, b = filled(2, value=0), filled(3, value=0)
    checkpoint = Checkpoint(a=a, b=b, c=filled(1))
    checkpoint.restore(path, map={"a": "old/a", "b": "old/deep/b"}).assert_consumed()
    assert a.numpy()[0] == b.numpy()[0] == 1
    with pytest.raises(RestoreError, match=r"(?s)not in the objects:\n  old: Box with 2 Variables"):
        Checkpoint(a=a, c=filled(1)).restore(path, map={"a": "old/a"})


def test_large_values_need_no_llvm(tmp_path, monkeypatch):
    monkeypatch.setattr(kernels, "launch", lambda *key: None)
    value = np.arange(2_000_000, dtype=np.float32)
    checkpoint = Checkpoint(v=Variable(value))
    path = checkpoint.write(tmp_path / "c.h5")
    checkpoint.v.assign(np.zeros_like(value))
    checkpoint.restore(path)
    assert np.array_equal(checkpoint.v, value)
