"""What becomes of a file when the program has been edited since: every kind of edit, and its outcome."""

import numpy as np
import pytest

from eagerly import Sequential
from eagerly.checkpoint import Checkpoint
from eagerly.errors import RestoreError
from eagerly.layers import Dense, LayerNormalization
from eagerly.variable import Variable
from trackables import Box, filled


class Block(Box):
    """Another class with the same children."""


def pair(first=1.0, second=5.0):
    return [filled(2, value=first), filled(2, value=second)]


def saved():
    a, b = pair()
    shared = filled(3)
    return Box(
        items=[a, b],
        named={"x": filled(1), 3: filled(1, value=3)},
        block=Box(w=filled(4)),
        twins=Box(p=shared, q=shared),
    )


def zeroed(edit):
    model = saved()
    for variable in (*model.items, *model.named.values(), model.block.w, model.twins.p):
        variable.assign(np.zeros(variable.shape))
    edit(model)
    return model


def set_all(**changes):
    def edit(model):
        for name, make in changes.items():
            if make is None:
                delattr(model, name)
            else:
                setattr(model, name, make(model))

    return edit


def rows(*lines):
    return list(lines)


# The name of the edit, the edit, and None if everything is restored, or else the lines of the error.
MATRIX = {
    "nothing": (set_all(), None),
    "attributes in another order": (
        lambda m: [setattr(m, n, m.__dict__.pop(n)) for n in ("twins", "block", "named", "items")],
        None,
    ),
    "dictionary in another order": (set_all(named=lambda m: dict(reversed(m.named.items()))), None),
    "a list becomes a tuple": (set_all(items=lambda m: tuple(m.items)), None),
    "a list becomes a dictionary by number": (set_all(items=lambda m: dict(enumerate(m.items))), None),
    "a dictionary becomes an object": (
        set_all(named=lambda m: Box(**{"x": m.named["x"]})),
        rows("In the file, but not in the objects:", "  named/3: float32[1]"),
    ),
    "another class with the same children": (set_all(block=lambda m: Block(w=m.block.w)), None),
    "an object becomes a dictionary": (set_all(block=lambda m: {"w": m.block.w}), None),
    "the items of a list are swapped": (set_all(items=lambda m: m.items[::-1]), None),  # an item is its place
    "an item in front": (
        set_all(items=lambda m: [filled(2), *m.items]),
        rows("In the objects, but not in the file:", "  items/2: float32[2]"),
    ),
    "an item less": (
        set_all(items=lambda m: m.items[:1]),
        rows("In the file, but not in the objects:", "  items/1: float32[2]"),
    ),
    "another key": (
        set_all(named=lambda m: {"y": m.named["x"], 3: m.named[3]}),
        rows(
            "In the file, but not in the objects:",
            "  named/x: float32[1]",
            "In the objects, but not in the file:",
            "  named/y: float32[1]",
            "The file has named/x, you have named/y: pass map={'named/y': 'named/x'}.",
        ),
    ),
    "a number becomes a text": (
        set_all(named=lambda m: {"x": m.named["x"], "3": m.named[3]}),
        rows(
            "In the file, but not in the objects:",
            "  named/3: float32[1]",
            "In the objects, but not in the file:",
            "  named/%33: float32[1]",
            "The file has named/3, you have named/%33: pass map={'named/%33': 'named/3'}.",
        ),
    ),
    "renamed": (
        set_all(unit=lambda m: m.block, block=None),
        rows(
            "In the file, but not in the objects:",
            "  block: Box with 1 Variable",
            "In the objects, but not in the file:",
            "  unit: Box with 1 Variable",
            "The file has block/..., you have unit/...: pass map={'unit': 'block'}.",
        ),
    ),
    "put into a new object": (
        set_all(outer=lambda m: Box(block=m.block), block=None),
        rows(
            "In the file, but not in the objects:",
            "  block: Box with 1 Variable",
            "In the objects, but not in the file:",
            "  outer: Box with 1 Variable",
            "The file has block/..., you have outer/block/...: pass map={'outer/block': 'block'}.",
        ),
    ),
    "added": (
        set_all(more=lambda m: Box(w=filled(7))),
        rows("In the objects, but not in the file:", "  more: Box with 1 Variable"),
    ),
    "dropped": (set_all(block=None), rows("In the file, but not in the objects:", "  block: Box with 1 Variable")),
    "another shape": (
        set_all(block=lambda m: Box(w=filled(2, 2))),
        rows("Different:", "  block/w: the file has float32[4], you have float32[2, 2]"),
    ),
    "another dtype": (
        set_all(block=lambda m: Box(w=filled(4, dtype="float16"))),
        rows("Different:", "  block/w: the file has float32[4], you have float16[4]; a restore converts no dtypes"),
    ),
    "unshared": (
        set_all(twins=lambda m: Box(p=filled(3), q=filled(3))),
        rows("Different:", "  twins/q: one object with twins/p in the file, two objects in yours"),
    ),
    "shared": (
        set_all(items=lambda m: [m.items[0], m.items[0]]),
        rows("Different:", "  items/1: one object with items/0 in yours, two objects in the file"),
    ),
    "a Variable becomes an object": (
        set_all(items=lambda m: [Box(w=m.items[0]), m.items[1]]),
        rows("Different:", "  items/0: the file has float32[2], you have a Box"),
    ),
}


@pytest.mark.parametrize("name", MATRIX)
def test_every_edit_has_its_outcome(name, tmp_path):
    edit, lines = MATRIX[name]
    path = Checkpoint(saved()).write(tmp_path / "c.h5")
    model = zeroed(edit)
    if lines is None:
        Checkpoint(model).restore(path).assert_consumed()
        assert [v.numpy()[0] for v in (model.items[0], model.items[1], model.twins.q)] == [1, 5, 1]
        return
    with pytest.raises(RestoreError) as caught:
        Checkpoint(model).restore(path)
    first, *found = str(caught.value).splitlines()
    hint = "" if "Different:" in lines else "; strict=False restores what fits, and lets what only the file has wait"
    assert first.endswith(f"the file does not fit the objects, and nothing was restored{hint}.") and found == lines
    if not isinstance(model.items[0], Box):
        assert not model.items[0].numpy()[1:].any() or name == "an item in front"


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([LayerNormalization(), Dense(3)], None),
        ([Dense(3), Dense(3)], r"(?s)In the file.*layers/layer_normalization_0.*In the objects.*layers/dense_1"),
    ],
    ids=["layers of two classes are swapped", "a layer of another class"],
)
def test_a_models_layers_go_by_their_class_and_place(layers, message, tmp_path):
    def made(layers):
        model = Sequential(layers)
        model.build((None, 3))
        return model

    path = Checkpoint(made([Dense(3), LayerNormalization()])).write(tmp_path / "m.h5")
    if message is None:
        Checkpoint(made(layers)).restore(path).assert_consumed()
        return
    with pytest.raises(RestoreError, match=message):
        Checkpoint(made(layers)).restore(path)


def test_two_layers_of_one_class_and_other_sizes_that_are_swapped_are_refused(tmp_path):
    def made(*units):
        model = Sequential([Dense(count) for count in units])
        model.build((None, 4))
        return model

    path = Checkpoint(made(3, 2)).write(tmp_path / "m.h5")
    with pytest.raises(
        RestoreError, match=r"layers/dense_0/kernel: the file has float32\[4, 3\], you have float32\[4, 2\]"
    ):
        Checkpoint(made(2, 3)).restore(path)


def test_a_variable_by_any_other_class_of_trackable(tmp_path):
    path = Checkpoint(step=Variable(3)).write(tmp_path / "c.h5")
    step = Variable(0, trainable=False, name="other")
    Checkpoint(step=step).restore(path)
    assert int(step) == 3 and step.name == "other"
