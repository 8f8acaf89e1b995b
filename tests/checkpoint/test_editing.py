"""Files that an HDF5 tool has changed are refused with that reason, and valid after a reseal; trees are verified."""

import os
import signal
from pathlib import Path

import h5py
import numpy as np
import pytest

from eagerly.checkpoint import Checkpoint, load_into, reseal, tree
from eagerly.checkpoint.reading import CheckpointFile
from eagerly.errors import CorruptCheckpointError, RestoreError
from eagerly.variable import Variable
from trackables import Box, Counter, Momentum, filled


def objects(value=1.0):
    w = filled(2, 3, value=value)
    model = Box(w=w, again=w, flags=Variable([True, False]), half=filled(2, dtype="bfloat16"), c=Counter(3))
    model.empty, model.z = Variable(np.zeros((0, 2))), Variable(np.ones(2, np.complex64))
    return Checkpoint(model=model, o=Momentum().build([w], fill=value))


@pytest.fixture
def path(tmp_path):
    return objects().write(tmp_path / "c.h5")


def edit(path, change):
    with h5py.File(path, "r+") as file:
        change(file)


def refused(path, detail):
    target = objects(0.0)
    with pytest.raises(CorruptCheckpointError) as caught:
        target.restore(path)
    assert caught.value.kind == "edited" and target.model.w.numpy()[0, 0] == 0
    text = str(caught.value)
    assert text.startswith(f"{path}: edited with an HDF5 tool, damaged at byte {caught.value.offset} if not: {detail}")
    assert text.endswith(f"or if the edit is meant, run python -m eagerly ckpt reseal {path}")


def test_opening_for_writing_does_no_harm(path):
    edit(path, lambda file: None)
    objects(0.0).restore(path).assert_consumed()
    assert reseal(path) == []


def test_resealing_an_unchanged_file_changes_nothing(path):
    before = Path(path).read_bytes()
    assert reseal(path, sync=False) == [] and Path(path).read_bytes() == before


def in_place(file):
    file["model/w"][0, 0] = 7


def through_another_name(file):
    file["model/again"][0, 0] = 7


def slot(file):
    file["o/%slots/model/again/momentum"][...] = 7


def flags(file):
    file["model/flags"][...] = [False, False]


def half(file):
    file["model/half"][...] = np.array([7, 7], "uint16")


@pytest.mark.parametrize(
    "change", [in_place, through_another_name, slot, flags, half], ids=lambda change: change.__name__
)
def test_edited_values_are_refused_and_resealed(change, path):
    names = {slot: "o/momentum of model/again", flags: "model/flags", half: "model/half"}
    name = names.get(change, "model/again")
    edit(path, change)
    refused(path, f"a block of '{name}' has another CRC-32")
    assert reseal(path) == [name]
    restored = objects(0.0)
    restored.restore(path).assert_consumed()
    values = {in_place: restored.model.w, through_another_name: restored.model.w, flags: restored.model.flags}
    values |= {slot: restored.o.slots[0][1]["momentum"], half: restored.model.half}
    with h5py.File(path) as file:
        assert file["model/c"].attrs["class"] == "Counter"
    expected = {flags: False, half: np.array(7, np.uint16).view(restored.model.half.dtype)}.get(change, 7)
    assert values[change].numpy().reshape(-1)[0] == expected and restored.model.c.state == {"count": 3}
    assert reseal(path) == []


def test_new_shapes_and_dtypes_are_resealed(path):
    def change(file):
        for name in ("w", "again"):
            del file["model"][name]
        file["model/w"] = np.arange(8.0).reshape(2, 4)
        file["model/again"] = file["model/w"]
        del file["o/%slots/model/again/momentum"]
        file["o/%slots/model/again/momentum"] = np.zeros((2, 4))
        file["o/%slots"].attrs["note"] = "x"

    edit(path, change)
    refused(path, "expected ")
    assert reseal(path) == ["model/again", "o/momentum of model/again"]
    target = Variable(np.zeros((2, 4)))
    load_into(target, path, at="model/w")
    assert target.numpy()[1, 3] == 7


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            lambda file: file.create_dataset("model/new", data=[1.0]),
            RestoreError,
            r"got others:\n  model/new: only in the tree",
        ),
        (
            lambda file: file["model"].pop("flags"),
            RestoreError,
            r"got others:\n  model/flags: only in the index\nOnly values",
        ),
        (
            lambda file: file.move("model/w", "model/v"),
            RestoreError,
            r"model/v: only in the tree\n  model/w: only in the ind",
        ),
        (
            lambda file: (file.pop("model/w"), file.create_dataset("model/w", data=np.ones((2, 3)))),
            RestoreError,
            "two in the",
        ),
        (
            lambda file: (file.pop("model/z"), file.__setitem__("model/z", file["o/step"])),
            RestoreError,
            "are one in the tree",
        ),
        (
            lambda file: (file.pop("model/z"), file.create_dataset("model/z", data=np.ones(9), chunks=(3,))),
            CorruptCheckpointError,
            "/model/z: expected contiguous values without filters",
        ),
        (
            lambda file: file.__setitem__("model/x", h5py.SoftLink("/model")),
            CorruptCheckpointError,
            "/model/x: expected a hard",
        ),
        (
            lambda file: (file.pop("model/z"), file.create_dataset("model/z", data=["text"])),
            CorruptCheckpointError,
            "/model/z: expected numbers or truth values",
        ),
        (
            lambda file: (file.pop("model/z"), file.create_dataset("model/z", data=np.ones(2, ">f4"))),
            RestoreError,
            "model/z: expected a little-endian dtype of Variables, got >float32",
        ),
    ],
    ids=["new", "removed", "renamed", "unshared", "shared", "chunks", "soft link", "text", "big-endian"],
)
def test_edits_that_cannot_be_resealed(change, error, message, path):
    edit(path, change)
    before = Path(path).read_bytes()
    with pytest.raises(error, match=message):
        reseal(path)
    assert Path(path).read_bytes() == before


def test_a_flipped_bit_is_damage_and_no_edit(path):
    content = bytearray(Path(path).read_bytes())
    content[content.index(np.float32([1, 2, 3]).tobytes())] ^= 1
    Path(path).write_bytes(content)
    with pytest.raises(CorruptCheckpointError, match="damaged values at byte") as caught:
        objects(0.0).restore(path)
    assert caught.value.kind == "values"


def test_truth_values_that_are_none_are_not_resealed(path):
    with CheckpointFile(path) as file:
        offset = file.offsets[file.find("model/flags", "")]
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(b"\x05")
    with pytest.raises(
        CorruptCheckpointError, match="model/flags: expected truth values, got numbers other than 0 and 1"
    ):
        reseal(path)


def test_a_damaged_index_cannot_be_resealed(path):
    content = bytearray(Path(path).read_bytes())
    content[-3] ^= 1
    Path(path).write_bytes(content)
    with pytest.raises(CorruptCheckpointError, match="damaged index"):
        reseal(path)


def problems(path):
    with CheckpointFile(path) as file:
        file.verify_values()
        return tree.differences(file, tree.survey(path))


def test_the_tree_of_a_saved_file_is_what_the_index_says(path):
    assert problems(path) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda file: file["model"].attrs.modify("class", "Bax"),
            "model: expected the attributes {'class': 'Box'}, got",
        ),
        (lambda file: file.move("model/w", "model/v"), "model/v: only in the tree"),
        (lambda file: file["model/half"].attrs.modify("dtype", "float016x"), "model/half: expected the attributes"),
    ],
    ids=["class", "name", "dtype"],
)
def test_a_tree_that_lies_is_found(change, expected, path):
    edit(path, change)
    os.truncate(path, min(os.path.getsize(path), _size(path)))
    assert any(problem.startswith(expected) for problem in problems(path))


def _size(path):
    with CheckpointFile(path, sealed=False) as file:
        return file.index_offset + int.from_bytes(Path(path).read_bytes()[20:28], "little")


@pytest.mark.parametrize("end", ["crash", "hang", "error"])
def test_a_library_that_crashes_or_hangs_does_no_harm(end, path, monkeypatch):
    script = {
        "crash": f"import os; os.kill(os.getpid(), {int(signal.SIGSEGV)})",
        "hang": "import time; time.sleep(60)",
        "error": 'print(\'{"problem": "OSError: bad header"}\')',
    }
    run = tree.subprocess.run
    monkeypatch.setattr(tree, "_SECONDS", 0.5)
    monkeypatch.setattr(
        tree.subprocess, "run", lambda command, **options: run([command[0], "-c", script[end]], **options)
    )
    messages = {
        "crash": r"crashed on it \(exit status -11\)",
        "hang": "has not read it in 0.5 s",
        "error": "OSError: bad",
    }
    with pytest.raises(CorruptCheckpointError, match=f"c.h5: damaged tree: .*{messages[end]}") as caught:
        tree.survey(path)
    assert caught.value.kind == "tree"


def test_the_last_good_file_is_named(tmp_path):
    checkpoint = Checkpoint(v=filled(3, value=7))
    paths = [checkpoint.save(tmp_path / "c") for _ in range(4)]
    Checkpoint(v=filled(3)).write(tmp_path / "c-x.h5")
    for path in (paths[1], paths[3]):
        content = bytearray(Path(path).read_bytes())
        content[content.index(np.float32(7).tobytes())] ^= 1
        Path(path).write_bytes(content)
    with pytest.raises(CorruptCheckpointError, match=f"The last good file is {paths[2]}.$") as caught:
        checkpoint.restore(paths[3])
    assert caught.value.last_good == paths[2]
    for path in (paths[0], paths[2]):
        os.unlink(path)
    with pytest.raises(CorruptCheckpointError) as caught:
        load_into(filled(3), paths[3], at="v")
    assert caught.value.last_good is None and "last good" not in str(caught.value)
