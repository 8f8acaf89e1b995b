"""A restore gives everything or changes nothing, and its error says what differs and what was probably meant."""

import numpy as np
import pytest

from eagerly.checkpoint import Checkpoint
from eagerly.checkpoint.reading import CheckpointFile
from eagerly.errors import RestoreError
from eagerly.trackable import Trackable
from eagerly.variable import Variable
from trackables import Box, Counter, Momentum, filled


def dense(value=1.0):
    return Box(kernel=filled(2, 3, value=value), bias=filled(3, value=value))


def saved():
    return {"model": Box(head=dense(), body=dense(5), counter=Counter(3)), "step": Variable(7)}


def edited(edit):
    objects = saved()
    objects["model"].head.kernel.assign(np.zeros((2, 3)))
    objects["model"].counter.state = {"count": 0}
    objects["step"].assign(0)
    edit(objects)
    return objects


def rename(objects):
    objects["net"] = objects.pop("model")


def rename_inside(objects):
    objects["model"].top = objects["model"].head
    del objects["model"].head


def add(objects):
    objects["model"].extra = dense()


def add_argument(objects):
    objects["epoch"] = Variable(1)


def drop(objects):
    del objects["model"].body.bias


def drop_argument(objects):
    del objects["step"]


def reshape(objects):
    objects["model"].head.kernel = filled(2, 4)


def change_dtype(objects):
    objects["model"].head.kernel = filled(2, 3, dtype="float64")


def share(objects):
    objects["model"].head.bias = objects["model"].body.bias


def replace_by_variable(objects):
    objects["model"].head = filled(2)


def replace_by_object(objects):
    objects["step"] = dense()


def lose_state(objects):
    objects["model"].counter = Box()


def gain_state(objects):
    objects["model"].body = Counter()


def move(objects):
    objects["model"].block = Box(body=objects["model"].body)
    del objects["model"].body


# What was edited, and the lines of the error.
EDITS = {
    rename: [
        "In the file, but not in the objects:",
        "  model: Box with 4 Variables",
        "In the objects, but not in the file:",
        "  net: Box with 4 Variables",
        "The file has model/..., you have net/...: pass map={'net': 'model'}.",
    ],
    rename_inside: [
        "In the file, but not in the objects:",
        "  model/head: Box with 2 Variables",
        "In the objects, but not in the file:",
        "  model/top: Box with 2 Variables",
        "The file has model/head/..., you have model/top/...: pass map={'model/top': 'model/head'}.",
    ],
    add: ["In the objects, but not in the file:", "  model/extra: Box with 2 Variables"],
    add_argument: ["In the objects, but not in the file:", "  epoch: int32[]"],
    drop: ["In the file, but not in the objects:", "  model/body/bias: float32[3]"],
    drop_argument: ["In the file, but not in the objects:", "  step: int32[]"],
    reshape: ["Different:", "  model/head/kernel: the file has float32[2, 3], you have float32[2, 4]"],
    change_dtype: [
        "Different:",
        "  model/head/kernel: the file has float32[2, 3], you have float64[2, 3]; a restore converts no dtypes",
    ],
    share: ["Different:", "  model/head/bias: one object with model/body/bias in yours, two objects in the file"],
    replace_by_variable: ["Different:", "  model/head: the file has a Box, you have float32[2]"],
    replace_by_object: ["Different:", "  step: the file has int32[], you have a Box"],
    lose_state: ["Different:", "  model/counter: the file has a state (get_state), you have none"],
    gain_state: [
        "In the file, but not in the objects:",
        "  model/body/bias: float32[3]",
        "  model/body/kernel: float32[2, 3]",
        "Different:",
        "  model/body: you have a state (get_state), the file has none",
    ],
    move: [
        "In the file, but not in the objects:",
        "  model/body: Box with 2 Variables",
        "In the objects, but not in the file:",
        "  model/block: Box with 2 Variables",
        "The file has model/body/..., you have model/block/body/...: pass map={'model/block/body': 'model/body'}.",
    ],
}


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_edited_objects_are_told_apart_and_stay_as_they_are(edit, tmp_path):
    path = Checkpoint(**saved()).write(tmp_path / "c.h5")
    objects = edited(edit)
    with pytest.raises(RestoreError) as caught:
        Checkpoint(**objects).restore(path)
    first, *lines = str(caught.value).splitlines()
    hint = "" if "Different:" in lines else "; strict=False restores what fits, and lets what only the file has wait"
    assert first == f"{path}: the file does not fit the objects, and nothing was restored{hint}."
    assert lines == EDITS[edit]
    body = getattr(objects.get("model", objects.get("net")), "body", None)
    if isinstance(body, Box):
        assert body.kernel.numpy()[0, 0] == 5
    if isinstance(objects.get("step"), Variable):
        assert int(objects["step"]) == 0


def test_shared_in_the_file_and_not_in_the_objects(tmp_path):
    one = filled(2)
    path = Checkpoint(a=one, b=one).write(tmp_path / "c.h5")
    with pytest.raises(RestoreError, match="b: one object with a in the file, two objects in yours"):
        Checkpoint(a=filled(2), b=filled(2)).restore(path)


def test_equal_places_of_containers_need_not_be_the_same_container(tmp_path):
    """Lists are plain Python: only the Variables and Trackables in them have an identity."""
    shared = [filled(2)]
    path = Checkpoint(a=Box(x=shared, y=shared)).write(tmp_path / "c.h5")
    variable = filled(2, value=0)
    Checkpoint(a=Box(x=[variable], y=(variable,))).restore(path)
    assert variable.numpy().tolist() == [1, 2]


def test_unchanged_and_reordered_objects_are_restored(tmp_path):
    path = Checkpoint(**saved()).write(tmp_path / "c.h5")
    model = Box(counter=Counter(), body=dense(0), head=dense(0))
    Checkpoint(step=Variable(0), model=model).restore(path)
    assert model.body.bias.numpy().tolist() == [5, 6, 7] and model.counter.state == {"count": 3}


def test_slots_that_differ(tmp_path):
    a, b = filled(2), filled(2)
    path = Checkpoint(w=[a, b], optimizer=Momentum().build([a])).write(tmp_path / "c.h5")
    c, d = filled(2), filled(2)
    with pytest.raises(RestoreError) as caught:
        Checkpoint(w=[c, d], optimizer=Momentum().build([d])).restore(path)
    assert str(caught.value).splitlines()[1:5] == [
        "In the file, but not in the objects:",
        "  optimizer/momentum of w/0: float32[2]",
        "In the objects, but not in the file:",
        "  optimizer/momentum of w/1: float32[2]",
    ]
    outside = filled(2)
    outside.path = "outside/kernel"
    with pytest.raises(RestoreError, match="  optimizer/momentum of outside/kernel: float32"):
        Checkpoint(w=[c, d], optimizer=Momentum().build([c, outside])).restore(path)


def test_a_long_list_of_differences_is_cut(tmp_path):
    path = Checkpoint(m=Box(**{f"v{i:03}": filled(i + 1) for i in range(100)}), s=filled(1)).write(tmp_path / "c.h5")
    with pytest.raises(RestoreError, match=r"(?s)m/v000.*m/v029: float32\[30\]\n  and 70 more"):
        Checkpoint(m=Box(), s=filled(1)).restore(path)


def test_similar_names_are_suggested_only_when_near(tmp_path):
    path = Checkpoint(m=Box(encoder=filled(2), bias=filled(3))).write(tmp_path / "c.h5")
    with pytest.raises(RestoreError) as caught:
        Checkpoint(m=Box(encoders=filled(4), z=filled(9))).restore(path)
    assert "The file has m/encoder, you have m/encoders: pass map={'m/encoders': 'm/encoder'}." in str(caught.value)
    assert str(caught.value).count("you have") == 1


class Fragile(Counter):
    def set_state(self, state):
        if state.get("bad"):
            raise KeyError("bad state")
        super().set_state(state)


def test_a_state_that_is_refused_rolls_everything_back(tmp_path):
    path = Checkpoint(a=Counter(1), b=Fragile(bad=True), c=filled(2)).write(tmp_path / "c.h5")
    first, fragile, variable = Counter(9), Fragile(9), filled(2, value=0)
    before = variable._value
    with pytest.raises(RestoreError, match="b: Fragile.set_state raised KeyError: 'bad state'. Nothing was restored."):
        Checkpoint(a=first, b=fragile, c=variable).restore(path)
    assert first.state == {"count": 9} and fragile.state == {"count": 9} and variable._value is before


def test_an_interrupt_rolls_everything_back(tmp_path):
    class Interrupted(Counter):
        def set_state(self, state):
            self.state = state
            if state["count"] == 1:
                raise KeyboardInterrupt

    path = Checkpoint(b=Counter(1), c=filled(2)).write(tmp_path / "c.h5")
    counter, variable = Interrupted(9), filled(2, value=0)
    with pytest.raises(KeyboardInterrupt):
        Checkpoint(b=counter, c=variable).restore(path)
    assert counter.state == {"count": 9} and variable.numpy().tolist() == [0, 1]


def test_damaged_values_found_after_the_comparison_change_nothing(tmp_path):
    path = Checkpoint(a=filled(2), b=filled(2, value=77)).write(tmp_path / "c.h5")
    content = bytearray((tmp_path / "c.h5").read_bytes())
    content[content.index(np.float32(77).tobytes())] ^= 1
    (tmp_path / "c.h5").write_bytes(content)
    a, b = filled(2, value=0), filled(2, value=0)
    with pytest.raises(ValueError, match="damaged values at byte .*'b' has another CRC-32"):
        Checkpoint(a=a, b=b).restore(path)
    assert a.numpy().tolist() == b.numpy().tolist() == [0, 1]


def test_a_tape_does_not_see_a_restored_value_change(tmp_path):
    path = Checkpoint(v=filled(2)).write(tmp_path / "c.h5")
    variable = filled(2, value=0)
    seen = variable.value
    Checkpoint(v=variable).restore(path)
    assert seen.numpy().tolist() == [0, 1] and variable.numpy().tolist() == [1, 2]


def test_only_names_what_is_there(tmp_path):
    path = Checkpoint(gan=Box(generator=dense())).write(tmp_path / "c.h5")
    with pytest.raises(
        RestoreError, match=r"only='gan/gennerator' to be in the file, got generator in gan. Did you mean"
    ):
        Checkpoint(gennerator=dense()).restore(path, only="gan/gennerator")
    with pytest.raises(RestoreError, match="expected only='x' to be in the file, got gan in the file."):
        Checkpoint(x=dense()).restore(path, only="x")
    with pytest.raises(
        RestoreError, match="expected the object 'gan/generator' among the Checkpoint's, got g. Nothing"
    ):
        Checkpoint(g=dense()).restore(path, only="gan/generator")
    with pytest.raises(RestoreError, match=r"(?s)gan/generator/bias: float32\[3\].*gan/generator/biass"):
        Checkpoint(generator=Box(kernel=filled(2, 3), biass=filled(3))).restore(path, only="gan/generator")


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.h5"):
        Checkpoint(v=filled(1)).restore(tmp_path / "nowhere.h5")


def test_tape_and_layers_of_a_users_own(tmp_path):
    """A Trackable that names its children and its state itself."""

    class Odd(Trackable):
        def __init__(self, value):
            self._hidden = filled(1, value=value)
            self.words = ["a", "b"]

        def children(self):
            return {0: self._hidden}

        def get_state(self):
            return {"words": self.words}

        def set_state(self, state):
            self.words = state["words"]

    odd = Odd(3)
    odd.words = ["x"]
    path = Checkpoint(odd=odd).write(tmp_path / "c.h5")
    restored = Odd(0)
    Checkpoint(odd=restored).restore(path)
    assert restored._hidden.numpy() == [3] and restored.words == ["x"]


def test_a_state_is_the_objects_own_to_change(tmp_path):
    class History(Trackable):
        def __init__(self, words):
            self.words = words

        def get_state(self):
            return {"words": self.words}

        def set_state(self, state):
            self.words = state["words"]
            state["other"] = 1

    class Nest(Box):
        def may_grow(self, name):
            return True

    path = Checkpoint(n=Box(a=History([["x"]]), v=filled(1))).write(tmp_path / "c.h5")
    nest = Nest(a=History([]))
    status = Checkpoint(n=nest).restore(path)
    nest.a.words[0].append("y")
    entries = status._restoration.entries
    assert [entry.state for entry in entries if entry.state] == [{"words": [["x"]]}]


def test_a_class_without_set_state_says_so(tmp_path):
    class Half(Trackable):
        def get_state(self):
            return {"a": 1}

    path = Checkpoint(half=Half()).write(tmp_path / "c.h5")
    with pytest.raises(RestoreError, match="half: Half.set_state raised ValueError: Half: expected no state"):
        Checkpoint(half=Half()).restore(path)


def test_nothing_is_read_when_the_objects_differ(tmp_path, monkeypatch):
    path = Checkpoint(v=filled(2)).write(tmp_path / "c.h5")
    monkeypatch.setattr(CheckpointFile, "read_all", lambda *_: pytest.fail("read values"))
    with pytest.raises(RestoreError):
        Checkpoint(v=filled(3)).restore(path)


def test_an_object_without_a_name():
    with pytest.raises(
        ValueError, match=r"root to be a Trackable such as a model, got float32\[\]. .*Checkpoint\(step=step"
    ):
        Checkpoint(Variable(1.0))


@pytest.mark.parametrize("only", [["agent"], 3])
def test_only_is_one_path(tmp_path, only):
    path = Checkpoint(agent=Variable(1.0)).write(tmp_path / "agent.h5")
    with pytest.raises(ValueError, match="expected only to be one path such as 'gan/generator', got "):
        Checkpoint(agent=Variable(2.0)).restore(path, only=only)


def test_another_name_for_an_object_of_the_same_class_is_suggested(tmp_path):
    path = Checkpoint(model=filled(1), counter=Counter()).write(tmp_path / "c.h5")
    with pytest.raises(RestoreError, match=r"The file has counter/\.\.\., you have steps/\.\.\."):
        Checkpoint(model=filled(1), steps=Counter()).restore(path)
    with pytest.raises(RestoreError) as caught:
        Checkpoint(model=filled(1), steps=Momentum()).restore(path)
    assert "The file has" not in str(caught.value)
