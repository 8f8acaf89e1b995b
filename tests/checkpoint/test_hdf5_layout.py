"""The HDF5 that is made without libhdf5 is what libhdf5 reads, extends and writes itself."""

import h5py
import numpy as np
import pytest

from eagerly import dtypes
from eagerly.adapters import hdf5_layout
from eagerly.adapters.hdf5_layout import Entry, lay_out
from eagerly.checkpoint import Checkpoint
from trackables import Box, filled


def write(path, entries, user_block=0, values=None):
    made = lay_out(entries, user_block)
    with open(path, "wb") as file:
        file.truncate(made.size)
        file.seek(user_block)
        file.write(made.metadata(made.size))
        for entry, offset, value in zip(entries, made.offsets, values or [None] * len(entries), strict=True):
            if value is not None:
                file.seek(offset)
                file.write(np.asarray(value, entry.dtype).tobytes())
    return made


NATIVE = [dtypes.dtype(name) for name in dtypes.NAMES if name != "bfloat16"] + [np.dtype("V2")]


@pytest.mark.parametrize("dtype", NATIVE, ids=lambda dtype: dtype.name)
def test_types_are_encoded_as_libhdf5_does(dtype):
    theirs = h5py.h5t.py_create(dtype.newbyteorder("<"), logical=True).encode()
    assert hdf5_layout._DATATYPES[dtype.name] == theirs[2:]


@pytest.mark.parametrize("user_block", [0, 512])
@pytest.mark.parametrize("dtype", NATIVE[:-1], ids=lambda dtype: dtype.name)
def test_datasets_are_read(dtype, user_block, tmp_path):
    values = [(np.arange(size) % 2).astype(dtype).reshape(shape) for size, shape in ((1, ()), (6, (2, 3)), (0, (0, 4)))]
    entries = [Entry(links={"a": 1, "b": 2, "c": 3}), *(Entry(dtype=dtype, shape=value.shape) for value in values)]
    made = write(tmp_path / "x.h5", entries, user_block, [None, *values])
    with h5py.File(tmp_path / "x.h5", "r") as file:
        for name, value, offset in zip("abc", values, made.offsets[1:], strict=True):
            assert file[name].dtype == dtype and file[name].shape == value.shape and offset % 8 == 0
            np.testing.assert_array_equal(file[name][()], value)
            assert not value.size or file[name].id.get_offset() == offset


def test_groups_attributes_and_hard_links_are_read(tmp_path):
    long = "é" * 200  # more than 255 bytes
    entries = [
        Entry({"class": "Röot"}, {"g": 1, "me": 0, long: 1, "x": 2}),
        Entry({"class": ""}, {"up": 0, "x": 2, "e": 3}),
        Entry({"dtype": "bfloat16", "class": "two"}, dtype=np.dtype(np.uint16), shape=(3,)),
        Entry(),
    ]
    write(tmp_path / "x.h5", entries, 0, [None, None, [1, 2, 3], None])
    with h5py.File(tmp_path / "x.h5", "r") as file:
        assert sorted(file) == sorted(["g", "me", long, "x"]) and file.attrs["class"] == "Röot"
        assert file["g"] == file[long] and file["g/up/me"] == file["/"] and file["g/x"] == file["x"]
        assert dict(file["x"].attrs) == {"dtype": "bfloat16", "class": "two"} and file["g"].attrs["class"] == ""
        counts = {name: h5py.h5o.get_info(file[name].id).rc for name in ("/", "g", "x", "g/e")}
        assert counts == {"/": 3, "g": 2, "x": 2, "g/e": 1}


def test_libhdf5_extends_such_files(tmp_path):
    """Groups grow beyond what stays in a header, links go, attributes come, and everything else stays."""
    entries = [Entry({"class": "A"}, {"g": 1}), Entry(links={f"v{i}": i + 2 for i in range(20)})]
    entries += [Entry({"class": f"c{i}"}, dtype=np.dtype(np.float32), shape=(2,)) for i in range(20)]
    write(tmp_path / "x.h5", entries, 512, [None, None, *([i, -i] for i in range(20))])
    with h5py.File(tmp_path / "x.h5", "r+") as file:
        for i in range(50):
            file["g"][f"new{i}"] = np.full(3, i)
        del file["g/v3"]
        file["g"].move("v4", "moved")
        file["g/v5"].attrs["note"] = "x" * 1000
        file["g/v5"].attrs["class"] = "other"
        file["g/v6"][0] = 100
        file.attrs["class"] = "B"
    with h5py.File(tmp_path / "x.h5", "r") as file:
        assert len(file["g"]) == 69 and file["g/new49"][0] == 49 and file["g/moved"][:].tolist() == [4, -4]
        assert file["g/v5"].attrs["note"] == "x" * 1000 and file["g/v7"].attrs["class"] == "c7"
        assert file["g/v6"][:].tolist() == [100, -6] and file.attrs["class"] == "B"


def test_many_texts_fill_several_heaps(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5_layout, "_MAX_TEXTS", 300)
    count = 1000
    entries = [Entry({"class": "root"}, {str(i): i + 1 for i in range(count)})]
    entries += [Entry({"class": f"class {i}"}) for i in range(count)]
    write(tmp_path / "x.h5", entries)
    with h5py.File(tmp_path / "x.h5", "r") as file:
        assert all(file[str(i)].attrs["class"] == f"class {i}" for i in range(count))


def test_as_many_children_as_there_is_room_for(tmp_path, monkeypatch):
    entries = [Entry(links={f"{i:05}": 1 for i in range(hdf5_layout.MAX_LINKS)}), Entry()]
    write(tmp_path / "x.h5", entries)
    with h5py.File(tmp_path / "x.h5", "r") as file:
        assert len(file) == hdf5_layout.MAX_LINKS and file["64999"] == file["00000"]
    with pytest.raises(ValueError, match="expected at most 65000 children of one object, got 65001"):
        lay_out([Entry(links={str(i): 1 for i in range(hdf5_layout.MAX_LINKS + 1)}), Entry()], 0)
    with pytest.raises(ValueError, match="expected names of at most 65000 bytes, got one of 65001"):
        lay_out([Entry(links={"n" * 65001: 1}), Entry()], 0)
    monkeypatch.setattr(hdf5_layout, "MAX_LINKS", 2)
    with pytest.raises(
        ValueError, match="b/items: expected at most 2 children of one object, got 3. Keep them in several"
    ):
        Checkpoint(b=Box(items=[filled(1) for _ in range(3)])).write(tmp_path / "c.h5")
    with pytest.raises(ValueError, match="b: expected names of at most 65000 bytes, got 70000"):
        Checkpoint(b={"n" * 70000: filled(1)}).write(tmp_path / "c.h5")
    assert not (tmp_path / "c.h5").exists()


def test_a_name_as_long_as_there_is_room_for(tmp_path):
    name = "n" * hdf5_layout.MAX_NAME
    write(tmp_path / "x.h5", [Entry(links={name: 1}), Entry()])
    with h5py.File(tmp_path / "x.h5", "r") as file:
        assert list(file) == [name]


def test_opening_for_writing_leaves_a_mark_and_reading_none(tmp_path):
    path = tmp_path / "x.h5"
    write(path, [Entry(links={"a": 1}), Entry(dtype=np.dtype(np.float32), shape=(2,))], 0, [None, [1, 2]])
    before = path.read_bytes()
    with h5py.File(path, "r") as file:
        assert file["a"][:].tolist() == [1, 2]
    assert path.read_bytes() == before
    with h5py.File(path, "r+"):
        pass
    after = path.read_bytes()
    assert [b ^ a for b, a in zip(before, after, strict=True) if b != a] == [0x20]
