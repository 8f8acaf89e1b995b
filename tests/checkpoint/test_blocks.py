"""Values in blocks and in crowds, on threads, and where the system has no calls for reading and writing at a place."""

import os
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from eagerly import kernels
from eagerly.checkpoint import Checkpoint, blocks, reading
from eagerly.checkpoint import format as layout
from eagerly.checkpoint.reading import CheckpointFile
from eagerly.errors import CorruptCheckpointError
from eagerly.variable import Variable
from trackables import Box, filled


def crowd(count=200, value=1.0):
    """Small values of several dtypes, and a large one among them."""
    made = [filled(i % 5 + 1, value=value * i) for i in range(count)]
    made[50] = Variable(np.full(60_000, value, np.float32))
    made[60] = Variable([value > 0, False])
    made[70] = filled(0)
    made[80] = filled(3, value=value, dtype="bfloat16")
    return made


def same(one, two):
    return all(a.numpy().tobytes() == b.numpy().tobytes() for a, b in zip(one, two, strict=True))


def test_a_crowd_of_small_values_comes_back(tmp_path):
    saved, restored = crowd(), crowd(value=0.0)
    Checkpoint(v=restored).restore(Checkpoint(v=saved).write(tmp_path / "c.h5"))
    assert same(saved, restored)
    assert all(variable._value._array.base is None and variable._value._array.flags.owndata for variable in restored)


@pytest.mark.parametrize("number", [0, 33, 60, 199])
def test_damage_in_a_crowd_is_found_and_named(number, tmp_path):
    path = Checkpoint(v=crowd()).write(tmp_path / "c.h5")
    with CheckpointFile(path) as file:
        offset = file.offsets[file.find(f"v/{number}", "it")]
    content = bytearray(Path(path).read_bytes())
    content[offset] ^= 2
    Path(path).write_bytes(content)
    restored = crowd(value=0.0)
    with pytest.raises(CorruptCheckpointError, match=f"at byte {offset}: a block of 'v/{number}' has another CRC-32"):
        Checkpoint(v=restored).restore(path)
    assert same(restored, crowd(value=0.0))


def test_a_crowd_reads_nothing_that_belongs_to_others(tmp_path, monkeypatch):
    path = Checkpoint(a=crowd(), b=Box(x=filled(9)), c=crowd()).write(tmp_path / "c.h5")
    read, original = [], CheckpointFile.read_into
    monkeypatch.setattr(
        CheckpointFile,
        "read_into",
        lambda self, offset, buffer: (read.append((offset, offset + len(buffer))), original(self, offset, buffer))[1],
    )
    restored = crowd(value=0.0)
    Checkpoint(c=restored).restore(path, only="c")
    assert same(restored, crowd()) and 2 < len(read) < 10
    with CheckpointFile(path) as file:
        others = [
            (file.offsets[number], file.offsets[number] + entry.tensor.length)
            for number, entry in enumerate(file.objects)
            if entry.tensor and entry.tensor.length and not reading.path_of(file.objects, number).startswith("c/")
        ]
    for start, end in read[2:]:
        assert all(end <= other_start or other_end <= start for other_start, other_end in others)


def test_without_calls_that_read_and_write_at_a_place(tmp_path, monkeypatch):
    for name in ("pwrite", "preadv"):
        monkeypatch.delattr(os, name)
    monkeypatch.setattr(blocks, "cpus", lambda: 3)
    monkeypatch.setattr(blocks, "_LARGE", 2**22)
    saved = [*crowd(), Variable(np.arange(3_000_000, dtype=np.float32))]
    restored = [*crowd(value=0.0), Variable(np.zeros(3_000_000, np.float32))]
    Checkpoint(v=restored).restore(Checkpoint(v=saved).write(tmp_path / "c.h5"))
    assert same(saved, restored)


def test_an_error_on_a_thread_is_the_error_of_the_save(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "cpus", lambda: 3)
    monkeypatch.setattr(blocks, "_LARGE", 2**22)
    original, left = os.pwrite, [4]

    def full(descriptor, data, offset):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        return original(descriptor, data, offset)

    path = Checkpoint(v=filled(3)).write(tmp_path / "c.h5")
    before = Path(path).read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(OSError, match="Could not write the checkpoint: No space left on device"):
            Checkpoint(v=Variable(np.zeros(3_000_000, np.float32))).write(path)
    assert Path(path).read_bytes() == before and os.listdir(tmp_path) == ["c.h5"]


def test_short_reads_and_writes_go_on(tmp_path, monkeypatch):
    write, read = os.pwrite, os.preadv
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: write(file, data[: max(1, len(data) // 3)], at))
    monkeypatch.setattr(
        os, "preadv", lambda file, buffers, at: read(file, [buffers[0][: max(1, len(buffers[0]) // 3)]], at)
    )
    saved, restored = crowd(), crowd(value=0.0)
    Checkpoint(v=restored).restore(Checkpoint(v=saved).write(tmp_path / "c.h5"))
    assert same(saved, restored)


def test_a_crowd_that_fills_several_blocks(tmp_path):
    """Values of odd lengths, so that blocks end between them; large ones among them, at both ends too."""
    rng = np.random.default_rng(0)
    sizes = [100_001, *rng.integers(1, 4000, 1500).tolist(), 70_000, *[3999] * 400, 100_003]
    saved = [Variable(rng.integers(0, 255, size).astype(np.uint8)) for size in sizes]
    restored = [Variable(np.zeros(size, np.uint8)) for size in sizes]
    path = Checkpoint(v=saved).write(tmp_path / "c.h5")
    Checkpoint(v=restored).restore(path).assert_consumed()
    assert same(saved, restored)
    with h5py.File(path, "r") as file:
        assert all(np.array_equal(file[f"v/{i}"][()], saved[i]) for i in (0, 1, 700, 1500, 1501, 1502, 1902))
    some = (1902, 3, 6, 0, 5, 1501)
    with CheckpointFile(path) as file:
        numbers = [file.find(f"v/{i}", "it") for i in some]
        arrays = file.read_all(numbers)
    assert all(np.array_equal(arrays[number], saved[i]) for number, i in zip(numbers, some, strict=True))


@pytest.mark.parametrize(("loaded", "megabytes"), [(True, 4), (False, 128)])
def test_checksums_come_from_a_kernel_where_that_pays(loaded, megabytes, monkeypatch):
    asked = []
    monkeypatch.setattr(kernels, "launch", lambda name: asked.append(name) or sum)
    if loaded:
        monkeypatch.setitem(sys.modules, "llvmlite", None)
    else:
        monkeypatch.delitem(sys.modules, "llvmlite", raising=False)
    assert blocks.checksum_for(megabytes * 2**20 - 1) is layout.checksum and not asked
    assert blocks.checksum_for(megabytes * 2**20) is sum and asked == ["crc32"]
    monkeypatch.setattr(kernels, "launch", lambda name: None)
    assert blocks.checksum_for(2**40) is layout.checksum
