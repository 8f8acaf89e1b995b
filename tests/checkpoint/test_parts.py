"""One object of a checkpoint alone: into an object, or into a file of its own."""

import os
from pathlib import Path

import pytest

from eagerly.checkpoint import Checkpoint, extract, load_into
from eagerly.checkpoint import format as layout
from eagerly.checkpoint.reading import CheckpointFile
from eagerly.errors import CorruptCheckpointError, RestoreError
from eagerly.variable import Variable
from trackables import Box, Counter, Lazy, Momentum, filled


def generator(value=1.0):
    shared = filled(2, value=value)
    box = Box(w=shared, again=shared, list=[filled(3, value=value), {(1, "b"): Variable(True)}], c=Counter(int(value)))
    box.me = box
    box.optimizer = Momentum().build([shared], fill=value)
    return box


def gan(value=1.0):
    return Box(z=generator(value), generator=generator(value + 1), a=Box(w=filled(50)))


@pytest.fixture
def path(tmp_path):
    return Checkpoint(gan=gan(), other=filled(9)).save(tmp_path / "gan")


def test_an_extracted_object_is_what_saving_it_alone_gives(path, tmp_path):
    assert extract(path, "gan/generator", tmp_path / "g.h5") == str(tmp_path / "g.h5")
    alone = Checkpoint(generator=generator(2.0)).write(tmp_path / "alone.h5")
    assert (tmp_path / "g.h5").read_bytes() == Path(alone).read_bytes()
    extract(path, "gan/a/w", tmp_path / "w.h5", sync=False)
    assert (tmp_path / "w.h5").read_bytes() == Path(Checkpoint(w=filled(50)).write(alone)).read_bytes()
    extract(path, "gan/generator/list", tmp_path / "l.h5")
    Checkpoint(list=generator(2.0).list).write(alone)
    assert (tmp_path / "l.h5").read_bytes() == Path(alone).read_bytes()


def count_reads(monkeypatch):
    read, original = [], CheckpointFile.read_into
    monkeypatch.setattr(
        CheckpointFile,
        "read_into",
        lambda self, offset, buffer: (read.append((offset, len(buffer))), original(self, offset, buffer))[1],
    )
    return read


@pytest.mark.parametrize("way", ["load", "extract"])
def test_only_its_own_bytes_are_read(way, path, tmp_path, monkeypatch):
    read = count_reads(monkeypatch)
    if way == "load":
        target = generator(0.0)
        load_into(target, path, at="gan/generator").assert_consumed()
        assert target.w.numpy().tolist() == [2, 3] and target.c.state == {"count": 2} and target.again is target.w
        assert target.optimizer.slots[0][1]["momentum"].numpy().tolist() == [2, 2]
    else:
        extract(path, "gan/generator", tmp_path / "g.h5")
    (start, length), (index_at, index_length) = read[:2]
    assert (start, length) == (0, layout.USER_BLOCK) and index_at + index_length == os.path.getsize(path)
    own = 4 * (2 + 3 + 2 + 1) + 1  # weights, list, momentum, step, flag
    assert 0 <= sum(size for _, size in read[2:]) - own < layout.ALIGNED  # what fills up a value among others


def test_damage_elsewhere_does_not_matter_and_damage_inside_does(path, tmp_path):
    content = bytearray(Path(path).read_bytes())
    with CheckpointFile(path) as file:
        inside = file.offsets[file.find("gan/generator/w", "w")]
        outside = file.offsets[file.find("gan/a/w", "w")]
    content[outside] ^= 1
    Path(path).write_bytes(content)
    load_into(generator(0.0), path, at="gan/generator")
    extract(path, "gan/generator", tmp_path / "g.h5")
    before = (tmp_path / "g.h5").read_bytes()
    content[inside] ^= 1
    Path(path).write_bytes(content)
    target = generator(0.0)
    with pytest.raises(CorruptCheckpointError, match="a block of 'gan/generator/.*' has another CRC-32"):
        load_into(target, path, at="gan/generator")
    assert target.w.numpy().tolist() == [0, 1]
    with pytest.raises(CorruptCheckpointError):
        extract(path, "gan/generator", tmp_path / "g.h5")
    assert (tmp_path / "g.h5").read_bytes() == before and sorted(os.listdir(tmp_path)) == ["g.h5", "gan-1.h5"]


def test_the_whole_goes_into_one_object_too(path):
    box = Box(gan=gan(0.0), other=filled(9, value=0))
    load_into(box, path).assert_consumed()
    assert box.other.numpy()[0] == 1 and box.gan.generator.w.numpy()[0] == 2


def test_values_wait_below_what_is_not_built(tmp_path):
    path = Checkpoint(a=Box(dense=Lazy(fill=3.0).build(2))).save(tmp_path / "c")
    layer = Lazy()
    status = load_into(layer, path, at="a/dense")
    assert status.pending == ["a/dense/bias", "a/dense/kernel"]
    layer.build(2)
    status.assert_consumed()
    assert layer.kernel.numpy()[0, 0] == 3


def test_a_map_and_a_list(path):
    variables = [filled(3, value=0), {(1, "b"): Variable(False)}]
    load_into(variables, path, at="gan/generator/list")
    assert variables[0].numpy()[0] == 2 and bool(variables[1][1, "b"])
    renamed = Box(v=filled(50, value=0))
    load_into(renamed, path, at="gan/a", map={"gan/a/v": "gan/a/w"}).assert_consumed()
    assert renamed.v.numpy()[0] == 1


def test_extracting_refuses_what_cannot_stand_alone(path, tmp_path):
    with pytest.raises(
        RestoreError, match="expected 'gan/genrator' to be in the file, got .* in gan. Did you mean 'gen"
    ):
        extract(path, "gan/genrator", tmp_path / "x.h5")
    with pytest.raises(
        RestoreError, match="expected the path of an object to extract, got '', the whole. Copy the file"
    ):
        extract(path, "", tmp_path / "x.h5")
    with pytest.raises(
        RestoreError,
        match="expected 'gan/z/optimizer' to stand alone, got slots in 'optimizer' for a value elsewhere. Extract",
    ):
        extract(path, "gan/z/optimizer", tmp_path / "x.h5")
    with pytest.raises(FileNotFoundError, match="Could not write the checkpoint"):
        extract(path, "gan/a", tmp_path / "nowhere" / "x.h5")
    assert os.listdir(tmp_path) == ["gan-1.h5"]


def test_loading_refuses_other_kinds_of_objects_and_paths(path):
    with pytest.raises(ValueError, match="expected to load into a Variable, a Trackable.*got 3"):
        load_into(3, path)
    with pytest.raises(
        RestoreError, match="expected at='gna' to be in the file, got .* in the file. Did you mean 'gan'"
    ):
        load_into(filled(1), path, at="gna")
    with pytest.raises(RestoreError, match=r"gan/a/w: the file has float32\[50\], you have float32\[1\]"):
        load_into(filled(1), path, at="gan/a/w")
