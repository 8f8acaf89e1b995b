"""safetensors files: as the library of that name reads and writes them, strictly checked, all or nothing."""

import json
import os
import random
import struct
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from damages import check_foreign
from eagerly import dtypes
from eagerly.checkpoint import Checkpoint, load_safetensors, save_safetensors
from eagerly.errors import CorruptCheckpointError, RestoreError
from eagerly.layers import BatchNormalization, Dense, Dropout
from eagerly.models import Sequential
from eagerly.variable import Variable
from trackables import Box, Counter, Lazy, Momentum, filled


def model(build=True):
    made = Sequential([Dense(3, activation="relu"), BatchNormalization(), Dropout(0.5), Dense(2)])
    if build:
        made.build((None, 4))
    return made


def zeroed(made):
    for weight in made.weights:
        weight.assign(np.full(weight.shape, -1))
    return made


def test_a_models_weights_come_back_and_the_library_reads_them(tmp_path):
    saved = model()
    saved.compile("adam", "mse")
    saved.fit(np.ones((4, 4)), np.ones((4, 2)), verbose=0)
    path = save_safetensors(saved, tmp_path / "m.safetensors", metadata={"format": "pt", "a": "ä"})
    theirs = safetensors.numpy.load_file(path)
    assert sorted(theirs) == sorted(
        [f"layers.dense_{i}.{name}" for i in (0, 1) for name in ("kernel", "bias")]
        + [f"layers.batch_normalization_0.{n}" for n in ("gamma", "beta", "moving_mean", "moving_variance")]
    )
    np.testing.assert_array_equal(theirs["layers.dense_1.kernel"], saved.layers[3].kernel)
    with safetensors.safe_open(path, "np") as file:
        assert file.metadata() == {"format": "pt", "a": "ä"}
    restored = zeroed(model())
    restored.compile("adam", "mse")
    load_safetensors(restored, path).assert_consumed()
    for a, b in zip(saved.weights, restored.weights, strict=True):
        assert a.numpy().tobytes() == b.numpy().tobytes()


def test_what_the_library_writes_is_read(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        f"layers.{i}.{name}": rng.standard_normal((i + 1, 3)).astype(np.float32) for i in range(3) for name in "wb"
    }
    safetensors.numpy.save_file(arrays, tmp_path / "t.safetensors", metadata={"x": "y"})
    target = Box(layers=[Box(**{n: Variable(np.zeros((i + 1, 3), np.float32)) for n in "wb"}) for i in range(3)])
    load_safetensors(target, tmp_path / "t.safetensors").assert_consumed()
    for i in range(3):
        np.testing.assert_array_equal(target.layers[i].w, arrays[f"layers.{i}.w"])
    assert (
        save_safetensors(target, tmp_path / "again.safetensors")
        and safetensors.numpy.load_file(tmp_path / "again.safetensors").keys() == arrays.keys()
    )


@pytest.mark.parametrize("dtype", [name for name in dtypes.NAMES if name != "complex128"])
@pytest.mark.parametrize("shape", [(), (0, 2), (3, 2)], ids=str)
def test_every_dtype_comes_back(dtype, shape, tmp_path):
    array = (np.arange(int(np.prod(shape))).reshape(shape) % 2 + 0).astype(dtypes.dtype(dtype))
    path = save_safetensors({"x": Variable(array)}, tmp_path / "x", sync=False)
    restored = Variable(np.ones(shape, array.dtype))
    load_safetensors({"x": restored}, path)
    assert restored.dtype == array.dtype and restored.numpy().tobytes() == array.tobytes()
    raw = Path(path).read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    assert length % 8 == 0 and len(raw) == 8 + length + array.nbytes
    if dtype not in ("bfloat16", "complex64"):  # which the library does not give to NumPy
        np.testing.assert_array_equal(safetensors.numpy.load_file(path)["x"], array)


def test_maps_lead_from_paths_to_names(tmp_path):
    saved = Box(encoder=Box(w=filled(2), b=filled(3)), head=filled(4))
    moves = {"encoder": "model.enc", "encoder/b": "bias", "head": "classifier.weight"}
    path = save_safetensors(saved, tmp_path / "m", map=moves)
    assert sorted(safetensors.numpy.load_file(path)) == ["bias", "classifier.weight", "model.enc.w"]
    restored = Box(encoder=Box(w=filled(2, value=0), b=filled(3, value=0)), head=filled(4, value=0))
    load_safetensors(restored, path, map=moves).assert_consumed()
    assert restored.encoder.w.numpy()[0] == restored.encoder.b.numpy()[0] == restored.head.numpy()[0] == 1
    with pytest.raises(RestoreError, match="expected map to name what you have, got 'headd'"):
        load_safetensors(restored, path, map={"headd": "bias"})
    with pytest.raises(ValueError, match="expected map to be a dictionary from your paths"):
        load_safetensors(restored, path, map={"head": 3})


def test_shared_weights_are_written_once(tmp_path):
    shared = filled(2)
    path = save_safetensors(Box(a=shared, b=Box(again=shared)), tmp_path / "s")
    assert list(safetensors.numpy.load_file(path)) == ["a"]
    other = filled(2, value=0)
    load_safetensors(Box(a=other, b=Box(again=other)), path).assert_nontrivial_match()
    assert other.numpy().tolist() == [1, 2]
    with pytest.raises(RestoreError, match=r"In the objects, but not in the file:\n  b: Box with 1 Variable"):
        load_safetensors(Box(a=other, b=Box(again=filled(2))), path)


def test_layers_that_are_not_built_wait(tmp_path):
    path = save_safetensors(Box(dense=Lazy(fill=3.0).build(2)), tmp_path / "l")
    box = Box(dense=Lazy())
    status = load_safetensors(box, path)
    assert status.pending == ["dense/bias", "dense/kernel"]
    box.dense.build(2)
    assert box.dense.kernel.numpy()[0, 0] == 3 and status.assert_consumed()
    fresh = model(build=False)
    load_safetensors(fresh, save_safetensors(model(), tmp_path / "m"))
    assert fresh(np.ones((1, 4))).shape == (1, 2)


def test_differences_are_told_and_change_nothing(tmp_path):
    path = save_safetensors(Box(a=filled(2), old=filled(5), d=filled(1)), tmp_path / "m")
    target = Box(a=filled(3, value=0), new=filled(5, value=0), d=filled(1, value=9))
    with pytest.raises(RestoreError) as caught:
        load_safetensors(target, path)
    assert str(caught.value).splitlines()[1:] == [
        "In the file, but not in the objects:",
        "  old: float32[5]",
        "In the objects, but not in the file:",
        "  new: float32[5]",
        "Different:",
        "  a: the file has float32[2], you have float32[3]",
        "The file has old, you have new: pass map={'new': 'old'}.",
    ]
    assert target.d.numpy() == [9]
    loose = Box(a=filled(2, value=0), extra=filled(1))
    status = load_safetensors(loose, path, strict=False)
    assert status.pending == ["d", "old"] and loose.a.numpy().tolist() == [1, 2]


def test_floats_are_converted_when_asked(tmp_path):
    path = save_safetensors(Box(a=filled(2, dtype="bfloat16"), n=Variable(3)), tmp_path / "h")
    target = Box(a=filled(2, value=0), n=Variable(0))
    with pytest.raises(
        RestoreError, match=r"a: the file has bfloat16\[2\], you have float32\[2\]; a restore converts no"
    ):
        load_safetensors(target, path)
    load_safetensors(target, path, dtype="float32").assert_consumed()
    assert target.a.numpy().tolist() == [1, 2] and int(target.n) == 3


@pytest.mark.parametrize(
    ("value", "options", "message"),
    [
        (lambda: 3, {}, "expected a Trackable, or a list, tuple or dictionary that holds some, got 3"),
        (
            lambda: Box(c=Counter(), v=filled(1)),
            {},
            r"c: expected weights only, got a state \(get_state\). safetensors has",
        ),
        (
            lambda: Checkpoint(v=(v := filled(1)), o=Momentum().build([v])),
            {},
            "o: expected weights only, got slots that belong to other Variables",
        ),
        (
            lambda: Box(v=Variable(np.zeros(2, np.complex128))),
            {},
            r"v: expected a dtype of safetensors, got complex128\[2\]",
        ),
        (lambda: {"a.b": filled(1)}, {}, r"a.b: expected a path without dots, which part names in the file. Use map"),
        (
            lambda: {"a": filled(1), "b": filled(1)},
            {"map": {"b": "a"}},
            "expected one tensor of a name, got 'a' for a and b",
        ),
        (
            lambda: {"a": filled(1)},
            {"metadata": {"epoch": 3}},
            r"expected metadata to be texts by name, got \{'epoch': 3\}",
        ),
    ],
    ids=["number", "state", "slots", "dtype", "dots", "same name", "metadata"],
)
def test_what_the_format_cannot_hold_is_refused(value, options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        save_safetensors(value(), tmp_path / "x", **options)
    assert os.listdir(tmp_path) == []


def raw(header, payload=b"\0" * 8):
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(encoded)) + encoded + payload


def tensor(**changes):
    return {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changes


HOSTILE = {
    "empty": (b"", "expected at least 8 bytes, got 0"),
    "long header": (struct.pack("<Q", 2**60) + b"{}", "expected a header within the 10 bytes of the file"),
    "no brace": (raw(b' {"a": 1}'), "it does not begin with a brace"),
    "no JSON": (raw(b"{"), "expected JSON, got JSONDecodeError"),
    "no UTF-8": (raw(b'{"\xff": 1}'), "expected JSON, got UnicodeDecodeError"),
    "deep": (raw(b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}"), "expected JSON, got RecursionError"),
    "twice": (raw(b'{"a": 1, "a": 2}'), "a name appears twice"),
    "metadata": (raw({"__metadata__": {"a": 1}}, b""), "__metadata__: expected texts by name"),
    "no tensor": (raw({"v": 3}), "'v': expected dtype, shape and data_offsets, got 3"),
    "more fields": (raw({"v": tensor(x=1)}), "'v': expected dtype, shape and data_offsets"),
    "dtype": (raw({"v": tensor(dtype="F8_E4M3")}), "'v': expected one of the dtypes BOOL, .* got 'F8_E4M3'"),
    "dtype list": (raw({"v": tensor(dtype=["F32"])}), "'v': expected one of the dtypes"),
    "negative": (raw({"v": tensor(shape=[-2])}), "'v': expected integers from 0 on as shape"),
    "truth": (raw({"v": tensor(shape=[True, 2])}), "'v': expected integers from 0 on as shape"),
    "offsets": (raw({"v": tensor(data_offsets=[0])}), "'v': expected data_offsets within 8 bytes"),
    "backwards": (raw({"v": tensor(data_offsets=[8, 0])}), "'v': expected data_offsets within 8 bytes"),
    "beyond": (raw({"v": tensor(shape=[4], data_offsets=[0, 16])}), "'v': expected data_offsets within 8 bytes"),
    "length": (raw({"v": tensor(shape=[3])}), "'v': expected 12 bytes for its shape, got 8"),
    "huge": (raw({"v": tensor(shape=[2**40, 2**40])}), "'v': expected a shape that an array can have"),
    "huge and empty": (
        raw({"v": tensor(shape=[0, 2**40, 2**40], data_offsets=[0, 0])}),
        "'v': expected a shape that an array can have",
    ),
    "many axes": (raw({"v": tensor(shape=[2] + [1] * 32)}), "'v': expected a shape that an array can have"),
    "gap": (
        raw({"v": tensor(shape=[1], data_offsets=[4, 8])}),
        "'v': expected its values at 0, where others end, got 4",
    ),
    "overlap": (raw({"v": tensor(), "w": tensor()}), "'w': expected its values at 8, where others end, got 0"),
    "rest": (raw({"v": tensor(shape=[1], data_offsets=[0, 4])}), "bytes, which its tensors take, got"),
    "both": (
        raw({"v": tensor(shape=[1], data_offsets=[0, 4]), "v.w": tensor(shape=[1], data_offsets=[4, 8])}),
        "'v.w': expected a tensor or a part of names, got both",
    ),
    "both, the other way": (
        raw({"v.w": tensor(shape=[1], data_offsets=[0, 4]), "v": tensor(shape=[1], data_offsets=[4, 8])}),
        "'v': expected a tensor or a part of names, got both",
    ),
    "truth values": (
        raw({"v": tensor(dtype="BOOL", shape=[8])}, b"\2" * 8),
        "expected truth values, got numbers other than 0 and 1",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused(name, tmp_path):
    content, message = HOSTILE[name]
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    target = Variable([True] * 8) if name == "truth values" else filled(2, value=7)
    before = target.numpy().tolist()
    with pytest.raises(CorruptCheckpointError, match=message) as caught:
        load_safetensors({"v": target}, path)
    assert str(caught.value).startswith(f"{path}: damaged ") and target.numpy().tolist() == before


def test_random_damage_is_refused_or_gives_some_values(tmp_path):
    rng = random.Random(7)
    found = {check_foreign(tmp_path, rng, "safetensors") for _ in range(300)}
    assert found == {"CorruptCheckpointError", "RestoreError", "restored"}


def test_a_crash_leaves_the_old_file(tmp_path, monkeypatch):
    path = save_safetensors({"v": filled(2)}, tmp_path / "x")
    before = Path(path).read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(OSError, match="No space left on device"):
            save_safetensors({"v": filled(9)}, path)
    assert Path(path).read_bytes() == before and os.listdir(tmp_path) == ["x"]
