"""Keras 3's .weights.h5: its own files are read, ours have its names, and hostile ones do nothing.

The files in golden/ are by Keras 3.15 itself. Every weight in them has a number of its own, counted through
`model.weights`.
"""

import os
import random
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest

from damages import check_foreign
from eagerly import Input, Model, Sequential, ops
from eagerly.checkpoint import Checkpoint, load_keras_weights, save_keras_weights, tree
from eagerly.errors import CorruptCheckpointError, RestoreError
from eagerly.layers import LSTM, BatchNormalization, Bidirectional, Dense, Dropout, MultiHeadAttention
from trackables import Box, Lazy, filled

GOLDEN = Path(__file__).parent / "golden"


def sequential(compiled=True):
    model = Sequential([Input((4,)), Dense(3), BatchNormalization(), Sequential([Dense(2)])])
    if compiled:
        model.compile("adam", "mse")
        model.fit(np.ones((4, 4)), np.ones((4, 2)), verbose=0)
    return model


class Subclass(Model):
    def __init__(self):
        super().__init__()
        self.blocks = [Dense(3), Dense(3, dtype="bfloat16")]
        self.scale = self.add_weight(shape=(2,), name="scale")
        self.nested = [[Dense(1)]]
        self.rnn = Bidirectional(LSTM(1))

    def call(self, x):
        for block in self.blocks:
            x = block(x)
        self.rnn(ops.ones((2, 3, 1)))
        return self.nested[0][0](x) * self.scale


def subclass():
    model = Subclass()
    model(np.ones((2, 4)))
    return model


def numbered(weights):
    """Whether the weights hold 0, 1, 2 and so on."""
    values = np.concatenate([np.asarray(weight).astype(np.float64).reshape(-1) for weight in weights])
    return values.tolist() == list(range(len(values)))


def test_a_sequential_model_of_keras_with_its_optimizer():
    model = sequential()
    load_keras_weights(model, GOLDEN / "keras3_sequential.weights.h5").assert_consumed()
    assert numbered(model.weights)
    iterations, rate, *slots = model.optimizer.variables
    assert int(iterations) == 1 and float(rate) == 0.25
    assert np.concatenate([slot.numpy().reshape(-1) for slot in slots])[:3].tolist() == [1000, 1001, 1002]
    assert slots[1].numpy().reshape(-1)[0] == 1012  # the second moment follows the first, variable by variable


def test_the_optimizer_may_be_left_out():
    model = sequential(compiled=False)
    path = GOLDEN / "keras3_sequential.weights.h5"
    with pytest.raises(
        RestoreError, match=r"In the file, but not in the objects:\n  optimizer: object with 14 Variables"
    ):
        load_keras_weights(model, path)
    load_keras_weights(model, path, optimizer=False)
    assert numbered(model.weights)
    trained = sequential()
    load_keras_weights(trained, path, optimizer=False)
    assert float(trained.optimizer.learning_rate) != 0.25


def test_a_subclassed_model_of_keras():
    model = subclass()
    load_keras_weights(model, GOLDEN / "keras3_subclass.weights.h5").assert_consumed()
    assert numbered(model.weights) and model.blocks[1].kernel.dtype.name == "bfloat16"


def datasets(path):
    found = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = (item.dtype, dict(item.attrs), item[()].tobytes())

    with h5py.File(path) as file:
        file.visititems(visit)
    return found


@pytest.mark.parametrize(("name", "make"), [("sequential", sequential), ("subclass", subclass)])
def test_what_is_written_has_keras_names_and_values(name, make, tmp_path):
    golden = GOLDEN / f"keras3_{name}.weights.h5"
    model = make()
    load_keras_weights(model, golden)
    path = save_keras_weights(model, tmp_path / "m.weights.h5", sync=False)
    ours, theirs = datasets(path), datasets(golden)
    if name == "sequential":  # whose count of steps is 32 bits long
        ours.pop("optimizer/vars/0"), theirs.pop("optimizer/vars/0")
    assert ours == theirs
    again = make()
    load_keras_weights(again, path).assert_consumed()
    assert numbered(again.weights)


def test_a_functional_model_comes_back(tmp_path):
    def make():
        x = y = Input((5, 4))
        for layer in (MultiHeadAttention(2, 3), Bidirectional(LSTM(2)), Dropout(0.5), Dense(2, name="head"), Dense(1)):
            y = layer(y, y) if isinstance(layer, MultiHeadAttention) else layer(y)
        return Model(x, y)

    saved, restored = make(), make()
    path = save_keras_weights(saved, tmp_path / "f.weights.h5")
    assert {"layers/dense/vars/0", "layers/dense_1/vars/1", "layers/multi_head_attention/query_dense/vars/0"} <= set(
        datasets(path)
    )
    load_keras_weights(restored, path)
    for a, b in zip(saved.weights, restored.weights, strict=True):
        assert a.numpy().tobytes() == b.numpy().tobytes()


def test_swapped_layers_are_refused_with_the_difference(tmp_path):
    path = save_keras_weights(Sequential([Input((4,)), Dense(3), Dense(2)]), tmp_path / "m.weights.h5")
    model = Sequential([Input((4,)), Dense(2), Dense(3)])
    before = model.get_weights()
    with pytest.raises(RestoreError) as caught:
        load_keras_weights(model, path)
    assert "  layers/dense/vars/0: the file has float32[4, 3], you have float32[4, 2]" in str(caught.value).splitlines()
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    fewer = Sequential([Input((4,)), Dense(3)])
    with pytest.raises(
        RestoreError, match=r"In the file, but not in the objects:\n  layers/dense_1: object with 2 Var"
    ):
        load_keras_weights(fewer, path)
    more = Sequential([Input((4,)), Dense(3), Dense(2), Dense(2)])
    with pytest.raises(RestoreError, match=r"In the objects, but not in the file:\n  layers/dense_2: dict with 2 Var"):
        load_keras_weights(more, path)


def test_wrong_arguments_are_refused(tmp_path):
    model = Sequential([Input((4,)), Dense(3)])
    with pytest.raises(ValueError, match=r"m.h5: expected a name that ends in '.weights.h5', as Keras wants it"):
        save_keras_weights(model, tmp_path / "m.h5")
    with pytest.raises(ValueError, match=r"expected a layer or a model, got 3"):
        load_keras_weights(3, tmp_path / "m.weights.h5")
    with pytest.raises(ValueError, match=r"expected weights to save, got Lazy.*without any. Build it first"):
        save_keras_weights(Lazy(), tmp_path / "m.weights.h5")
    with pytest.raises(FileNotFoundError):
        load_keras_weights(model, tmp_path / "m.weights.h5")
    assert os.listdir(tmp_path) == []


# What may be in a hostile file, beside the values that are looked for.


def external_link(file, folder):
    del file["a/vars/0"]
    file["a/vars/0"] = h5py.ExternalLink(str(folder / "secret.h5"), "/a/vars/0")


def soft_link(file, folder):
    file["a/vars/1"] = h5py.SoftLink("/a/vars/0")


def external_storage(file, folder):
    del file["a/vars/0"]
    (folder / "secret.bin").write_bytes(bytes(12))
    file.create_dataset("a/vars/0", (3,), "float32", external=[(str(folder / "secret.bin"), 0, 12)])


def virtual(file, folder):
    del file["a/vars/0"]
    layout = h5py.VirtualLayout((3,), "float32")
    layout[:] = h5py.VirtualSource(str(folder / "secret.h5"), "a/vars/0", (3,))
    file.create_virtual_dataset("a/vars/0", layout)


def chunks(file, folder):
    del file["a/vars/0"]
    file.create_dataset("a/vars/0", (2**40,), "float32", chunks=(2**20,))


def filters(file, folder):
    del file["a/vars/0"]
    file.create_dataset("a/vars/0", data=np.ones(3, "float32"), compression="gzip")


def never_written(file, folder):
    del file["a/vars/0"]
    file.create_dataset("a/vars/0", (2**40,), "float32")


def compact(file, folder):
    del file["a/vars/0"]
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_layout(h5py.h5d.COMPACT)
    h5py.h5d.create(file["a/vars"].id, b"0", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((3,)), creation)


def cycle(file, folder):
    file["a/loop"] = file["a"]


def shared(file, folder):
    file["a/vars/1"] = file["a/vars/0"]


def text(file, folder):
    del file["a/vars/0"]
    file["a/vars/0"] = "text"


def reference(file, folder):
    del file["a/vars/0"]
    file.create_dataset("a/vars/0", data=file["a"].ref, dtype=h5py.ref_dtype)


def named_type(file, folder):
    file["a/type"] = np.dtype("float32")


def big_endian(file, folder):
    del file["a/vars/0"]
    file["a/vars/0"] = np.ones(3, ">f4")


def opaque(file, folder):
    del file["a/vars/0"]
    file["a/vars/0"] = np.zeros(3, "V2")


HOSTILE = {
    external_link: "/a/vars/0: expected a hard link, got a soft or external one",
    soft_link: "/a/vars/1: expected a hard link, got a soft or external one",
    external_storage: "/a/vars/0: expected values in the file, got external storage",
    virtual: "/a/vars/0: expected contiguous values without filters, got another layout",
    chunks: "/a/vars/0: expected contiguous values without filters",
    filters: "/a/vars/0: expected contiguous values without filters",
    never_written: "/a/vars/0: expected 4398046511104 bytes of values in the file, got fewer",
    compact: "/a/vars/0: expected contiguous values without filters",
    cycle: "loop: expected every object under one name, got two",
    shared: "1: expected every object under one name, got two",
    text: "/a/vars/0: expected numbers or truth values, got another type",
    reference: "/a/vars/0: expected numbers or truth values, got another type",
    named_type: "/a/type: expected a group or a dataset, got TypeFloatID",
    big_endian: "a/vars/0: expected a little-endian dtype of Variables, got >float32",
    opaque: "a/vars/0: expected a little-endian dtype of Variables, got |void16",
}


@pytest.mark.parametrize("edit", HOSTILE, ids=lambda edit: edit.__name__)
def test_a_hostile_file_is_refused_and_opens_no_other(edit, tmp_path):
    box = Box(a=Box(v=filled(3)))
    path = save_keras_weights(box, tmp_path / "m.weights.h5")
    load_keras_weights(box, path)
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["a/vars/0"] = np.full(3, 42, np.float32)
    with h5py.File(path, "r+") as file:
        edit(file, tmp_path)
    tracemalloc.start()
    with pytest.raises((CorruptCheckpointError, RestoreError)) as caught:
        load_keras_weights(box, path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert HOSTILE[edit] in str(caught.value) and str(path) in str(caught.value)
    assert "Nothing was restored" in str(caught.value) and box.a.v.numpy().tolist() == [1, 2, 3]
    assert peak < 2**22


def test_a_damaged_file_does_no_harm(tmp_path):
    box = Box(a=Box(v=filled(3)))
    path = Path(save_keras_weights(box, tmp_path / "m.weights.h5"))
    content = path.read_bytes()
    for length in (0, 100, len(content) // 2):
        path.write_bytes(content[:length])
        with pytest.raises(CorruptCheckpointError, match="m.weights.h5: damaged tree: .*Nothing was restored"):
            load_keras_weights(box, path)


def test_random_damage_is_refused_or_gives_some_values(tmp_path):
    rng = random.Random(8)
    found = {check_foreign(tmp_path, rng, "weights.h5") for _ in range(15)}
    assert "CorruptCheckpointError" in found and found <= {"CorruptCheckpointError", "RestoreError", "restored"}


def test_a_file_cut_after_the_survey_is_refused(tmp_path, monkeypatch):
    box = Box(a=Box(v=filled(3)))
    path = save_keras_weights(box, tmp_path / "m.weights.h5")
    found = tree.survey(path)
    monkeypatch.setattr("eagerly.checkpoint.keras_weights.survey", lambda path: (os.truncate(path, 500), found)[1])
    with pytest.raises(CorruptCheckpointError, match="damaged file at byte .*expected .* more bytes, got its end"):
        load_keras_weights(box, path)


def test_a_checkpoint_of_ours_is_no_weights_file_but_tells_its_difference(tmp_path):
    path = Checkpoint(v=filled(3)).write(tmp_path / "c.weights.h5")
    with pytest.raises(RestoreError, match=r"(?s)In the file, but not in the objects:\n  v: float32\[3\]"):
        load_keras_weights(Box(a=filled(3)), path)
