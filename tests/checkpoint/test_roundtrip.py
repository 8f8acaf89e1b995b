"""What is saved comes back, whatever its dtype, shape, key, sharing or state; and the file shows it."""

import inspect
import os
import subprocess
import sys
from collections import UserDict, UserList, deque

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eagerly import checkpoint, dtypes
from eagerly.checkpoint import Checkpoint, RestoreStatus, pending_paths, reading, writing
from eagerly.checkpoint import format as layout
from eagerly.checkpoint.reading import CheckpointFile
from eagerly.tensor import Tensor
from eagerly.trackable import Trackable
from eagerly.variable import Variable
from trackables import Box, Counter, Lazy, Momentum, filled

# Every public name, and how to get one to look at.
PUBLIC = {
    "Checkpoint": lambda path: Checkpoint(a=filled(2)),
    "CheckpointManager": lambda path: checkpoint.CheckpointManager(Checkpoint(a=filled(2)), path),
    "RestoreStatus": lambda path: Checkpoint(a=filled(2)).restore(Checkpoint(a=filled(2)).write(path)),
    "extract": lambda path: checkpoint.extract(Checkpoint(a=filled(2)).write(path), "a", f"{path}.a"),
    "load_into": lambda path: checkpoint.load_into(filled(2), Checkpoint(a=filled(2)).write(path), at="a"),
    "load_keras_weights": lambda path: checkpoint.load_keras_weights(
        Box(a=filled(2)), checkpoint.save_keras_weights(Box(a=filled(2)), f"{path}.weights.h5")
    ),
    "load_safetensors": lambda path: checkpoint.load_safetensors(
        [filled(2)], checkpoint.save_safetensors([filled(2)], path)
    ),
    "pending_paths": lambda path: pending_paths(Box()),
    "reseal": lambda path: checkpoint.reseal(Checkpoint(a=filled(2)).write(path)),
    "save_keras_weights": lambda path: checkpoint.save_keras_weights(Box(a=filled(2)), f"{path}.weights.h5"),
    "save_safetensors": lambda path: checkpoint.save_safetensors([filled(2)], path),
}


def test_conformance_table_lists_every_public_name():
    assert sorted(PUBLIC) == sorted(checkpoint.__all__)


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_is_documented_and_made(name, tmp_path):
    made = PUBLIC[name](tmp_path / "c.h5")
    kind = getattr(checkpoint, name)
    assert inspect.getdoc(kind)
    assert isinstance(made, kind if inspect.isclass(kind) else (list, str, RestoreStatus))


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.numpy().tobytes() == b.numpy().tobytes()


@pytest.mark.parametrize("dtype", dtypes.NAMES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 4), (2, 3)], ids=str)
def test_dtypes_and_shapes(dtype, shape, tmp_path):
    saved = filled(*shape, dtype=dtype)
    restored = Variable(np.zeros(shape), dtype=dtype)
    path = Checkpoint(v=saved).write(tmp_path / "c.h5")
    Checkpoint(v=restored).restore(path).assert_consumed()
    assert same(saved, restored)
    restored.assign(restored)  # what was restored is an ordinary array
    assert restored._value._array.flags.writeable and restored._value._array.flags.owndata


def test_values_of_many_blocks_and_special_values(tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "BLOCK", 16)
    for module in (reading, writing):
        monkeypatch.setattr(module, "_SMALL", 8)
    special = Variable(np.array([np.nan, -np.nan, np.inf, -0.0, 1e-45], np.float32))
    saved = Box(many=filled(3, 7), special=special, exact=filled(8, dtype="float32"))
    restored = Box(many=filled(3, 7, value=9), special=filled(5), exact=filled(8, value=2))
    Checkpoint(m=restored).restore(Checkpoint(m=saved).write(tmp_path / "c.h5"))
    assert all(same(getattr(saved, name), getattr(restored, name)) for name in ("many", "special", "exact"))


def test_order_in_memory_does_not_matter(tmp_path):
    saved = Variable(np.zeros((4, 3), np.float32))
    saved.assign(np.asfortranarray(np.arange(12, dtype=np.float32).reshape(4, 3)))
    restored = Variable(np.zeros((4, 3), np.float32))
    Checkpoint(v=restored).restore(Checkpoint(v=saved).write(tmp_path / "c.h5"))
    assert np.array_equal(saved.numpy(), restored.numpy())


def test_the_file_is_little_endian_everywhere(tmp_path, monkeypatch):
    values = filled(3)
    little = layout.raw(values.numpy()).tobytes()
    monkeypatch.setattr(sys, "byteorder", "big")
    assert layout.raw(values.numpy()).tobytes() == values.numpy().byteswap().tobytes() != little


def model():
    shared = Box(w=filled(2, 2), b=filled(2, value=5))
    made = Box(
        first=shared, list=[Box(v=filled(1)), (filled(2, value=7), 3)], dict={"a": shared, 1: filled(3), "1": filled(4)}
    )
    made.tuple_keys = {("x", 0): filled(2, value=3), ("x,0",): filled(2, value=4), (("x",), 0): filled(1)}
    made.odd = {"a/b": filled(1, value=1), "": filled(1, value=2), ".": filled(1, value=3), "%": filled(1, value=4)}
    made.odd |= {"(x,0)": filled(1, value=5), "ä\0\n": filled(1, value=6), "\ud800": filled(1, value=7)}
    made.parent = made
    made.list[0].parent = made
    made.counter = Counter(3, best=float("inf"), history={"loss": [1.0, 0.5], "a": None}, name="x")
    return made


def values(box):
    return [node.value.numpy().tolist() for node in checkpoint.checkpoint.walk(box) if isinstance(node.value, Variable)]


def zeroed(box):
    for node in checkpoint.checkpoint.walk(box):
        if isinstance(node.value, Variable):
            node.value.assign(np.zeros(node.value.shape))
    return box


def test_containers_keys_sharing_cycles_and_states(tmp_path):
    saved, restored = model(), zeroed(model())
    restored.counter.state = {"count": 0}
    path = Checkpoint(model=saved).write(tmp_path / "c.h5")
    assert Checkpoint(model=restored).restore(path).assert_consumed().pending == []
    assert values(restored) == values(saved) and values(saved)
    assert restored.counter.state == saved.counter.state
    assert list(restored.counter.state["history"]) == ["loss", "a"]


def test_slots_are_found_by_their_variable_whatever_the_order(tmp_path):
    a, b = filled(2), filled(2, value=5)
    saved = Checkpoint(model=Box(a=a, b=b), optimizer=Momentum().build([a, b]))
    saved.optimizer.slots[0][1]["momentum"].assign([10, 11])
    saved.optimizer.slots[1][1]["momentum"].assign([20, 21])
    path = saved.write(tmp_path / "c.h5")
    c, d = filled(2, value=0), filled(2, value=0)
    restored = Checkpoint(model=Box(b=d, a=c), optimizer=Momentum().build([d, c]))
    restored.restore(path).assert_consumed()
    slots = {id(variable): slot["momentum"].numpy().tolist() for variable, slot in restored.optimizer.slots}
    assert slots == {id(c): [10, 11], id(d): [20, 21]}


def test_slot_of_a_variable_outside_is_refused_when_saving(tmp_path):
    outside = filled(2)
    outside.path = "head/kernel"
    with pytest.raises(
        ValueError, match=r"optimizer \(Momentum\): it has slots for 'head/kernel', float32\[2\], which is"
    ):
        Checkpoint(optimizer=Momentum().build([outside])).write(tmp_path / "c.h5")
    assert os.listdir(tmp_path) == []


def test_deep_chains_need_no_recursion(tmp_path):
    def chain(value):
        top = end = Box()
        for _ in range(3000):
            end.next = Box()
            end = end.next
        end.w = filled(1, value=value)
        return top, end

    saved, restored = chain(5), chain(0)
    limit = sys.getrecursionlimit()
    path = Checkpoint(c=saved[0]).write(tmp_path / "c.h5")
    sys.setrecursionlimit(limit // 4)
    try:
        Checkpoint(c=restored[0]).restore(path)
    finally:
        sys.setrecursionlimit(limit)
    assert restored[1].w.numpy() == [5]


def test_same_state_same_bytes_whatever_order_it_was_made_in(tmp_path):
    def made(order):
        box = Box()
        for name in order:
            setattr(box, name, filled(2, value=ord(name)))
        return Checkpoint(box=box, optimizer=Momentum().build([getattr(box, name) for name in order]))

    for order in ("abc", "cab"):
        made(order).write(tmp_path / f"{order}.h5")
    assert (tmp_path / "abc.h5").read_bytes() == (tmp_path / "cab.h5").read_bytes()


SAVE = """
import sys
sys.path[:0] = {paths!r}
from eagerly.checkpoint import Checkpoint
from test_roundtrip import model
Checkpoint(model=model()).write(sys.argv[1])
"""


def test_same_state_same_bytes_in_another_process_with_other_garbage_in_memory(tmp_path):
    paths = [*filter(None, sys.path), os.path.dirname(__file__)]
    files = []
    for garbage in ("85", "170"):
        files.append(tmp_path / f"{garbage}.h5")
        environment = {**os.environ, "MALLOC_PERTURB_": garbage, "PYTHONHASHSEED": garbage}
        subprocess.run([sys.executable, "-c", SAVE.format(paths=paths), files[-1]], check=True, env=environment)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_viewers_see_the_tree(tmp_path):
    saved = model()
    saved.half = filled(2, dtype="bfloat16")
    saved.flags = Variable([True, False])
    saved.empty = Variable(np.zeros((0, 3)))
    optimizer = Momentum().build([saved.first.w], fill=4.0)
    path = Checkpoint(model=saved, optimizer=optimizer).write(tmp_path / "c.h5")
    with h5py.File(path, "r") as file:
        assert file.attrs["class"] == "Checkpoint" and file["model/first"].attrs["class"] == "Box"
        assert file.userblock_size == layout.USER_BLOCK
        np.testing.assert_array_equal(file["model/first/w"], saved.first.w)
        assert file["model/dict/a"] == file["model/first"] and file["model/parent"] == file["model"]
        assert file["model/list/0/parent/list/1/0"][:].tolist() == [7, 8]
        assert file["model/dict/1"].shape == (3,) and file["model/dict/%31"].shape == (4,)
        assert file["model/half"].dtype == np.uint16 and file["model/half"].attrs["dtype"] == "bfloat16"
        assert file["model/flags"].dtype == np.bool_ and file["model/flags"][:].tolist() == [True, False]
        assert file["model/empty"].shape == (0, 3)
        np.testing.assert_array_equal(file["optimizer/%slots/model/first/w/momentum"], np.full((2, 2), 4.0))


def test_saving_and_restoring_need_no_hdf5_library(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    path = Checkpoint(v=filled(3)).write(tmp_path / "c.h5")
    restored = filled(3, value=0)
    Checkpoint(v=restored).restore(path)
    assert restored.numpy().tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("objects", "only"),
    [
        (lambda g: {"generator": g}, "gan/generator"),
        (lambda g: {"gan": Box(generator=g, other=Box(w=filled(9)))}, "gan/generator"),
        (lambda g: {"w": g.w}, "gan/generator/w"),
    ],
    ids=["by its own name", "by its path", "one Variable"],
)
def test_submodel_alone_reads_only_its_own_bytes(objects, only, tmp_path, monkeypatch):
    gan = Box(generator=Box(w=filled(2, 3), list=[filled(4)]), discriminator=Lazy().build(50))
    path = Checkpoint(gan=gan, optimizer=Momentum().build([gan.generator.w])).write(tmp_path / "c.h5")
    generator = zeroed(Box(w=filled(2, 3), list=[filled(4)]))
    read, original = [], CheckpointFile.read_into
    monkeypatch.setattr(
        CheckpointFile,
        "read_into",
        lambda self, offset, buffer: (read.append((offset, len(buffer))), original(self, offset, buffer))[1],
    )
    Checkpoint(**objects(generator)).restore(path, only=only).assert_consumed()
    assert generator.w.numpy().tolist() == gan.generator.w.numpy().tolist()
    (start, length), (index_at, index_length) = read[:2]
    assert (start, length) == (0, layout.USER_BLOCK) and index_at + index_length == os.path.getsize(path)
    assert sum(size for _, size in read[2:]) == (24 if only.endswith("w") else 24 + 16)


def test_path_like_and_existing_permissions(tmp_path):
    path = tmp_path / "c.h5"
    assert Checkpoint(v=filled(1)).write(path) == str(path)
    os.chmod(path, 0o640)
    link = tmp_path / "link.h5"
    link.symlink_to(path)
    assert Checkpoint(v=filled(1, value=2)).write(str(link)) == str(link)
    assert link.is_symlink() and os.stat(path).st_mode & 0o777 == 0o640
    restored = filled(1)
    Checkpoint(v=restored).restore(link)
    assert restored.numpy() == [2]
    assert sorted(os.listdir(tmp_path)) == ["c.h5", "link.h5"]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_any_graph_comes_back(data, tmp_path_factory):
    """Boxes and Variables linked at random: shared, in cycles, or linked to themselves."""
    size = data.draw(st.integers(2, 8))
    is_box = [True, *data.draw(st.lists(st.booleans(), min_size=size - 1, max_size=size - 1))]
    links = data.draw(st.lists(st.tuples(*[st.integers(0, size - 1)] * 2, st.sampled_from("abc")), max_size=16))

    def graph(scale, order):
        objects = [Box() if box else filled(2, value=scale * i) for i, box in enumerate(is_box)]
        for start, end, name in order:
            if is_box[start]:
                setattr(objects[start], name, objects[end])
        return objects

    saved = graph(1.0, links)
    if not checkpoint.graph.edges(saved[0], ""):
        return
    path = Checkpoint(root=saved[0]).write(tmp_path_factory.mktemp("g") / "c.h5")
    restored = graph(0.0, links)
    Checkpoint(root=restored[0]).restore(path).assert_consumed()
    assert values(restored[0]) == values(saved[0])
    with h5py.File(path, "r") as file:
        for node in checkpoint.graph.walk(saved[0]):
            if isinstance(node.value, Variable):
                assert file[node.path][:].tolist() == node.value.numpy().tolist()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(state=st.dictionaries(st.text(), JSON, max_size=4))
def test_any_json_state_comes_back(state, tmp_path_factory):
    path = Checkpoint(c=Counter(**{"count": 1}, **{"x": state})).write(tmp_path_factory.mktemp("s") / "c.h5")
    restored = Counter()
    Checkpoint(c=restored).restore(path)
    assert restored.state == {"count": 1, "x": state}


KEYS = st.recursive(
    st.text(max_size=4) | st.integers(-20, 20) | st.text(alphabet="%/(),.-012\0", max_size=4),
    lambda inner: st.tuples(inner, inner) | st.tuples(inner),
    max_leaves=4,
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(keys=st.lists(KEYS, unique=True, min_size=1, max_size=6))
def test_any_keys_come_back(keys, tmp_path_factory):
    path = tmp_path_factory.mktemp("k") / "c.h5"
    Checkpoint(d={key: filled(1, value=i) for i, key in enumerate(keys)}).write(path)
    restored = {key: filled(1, value=-1) for key in reversed(keys)}
    Checkpoint(d=restored).restore(path)
    assert {key: int(value[0]) for key, value in restored.items()} == {key: i for i, key in enumerate(keys)}
    with h5py.File(path, "r") as file:
        assert len(file["d"]) == len(keys)


class Liar(Box):
    variable = filled(1)

    def __init__(self, slots=False, of=variable):
        self.slots = slots
        self.of = {"x": of} if of is not self.variable else 0

    def children(self):
        return {} if self.slots else {"x": 3}

    def bound_children(self):
        slots = [(self.variable, {"m": self.of["x"] if self.of else Box()})]
        return [*slots, *([(self.of["x"], {"m": filled(1)})] if self.of else [])] if self.slots else []


class Slotted(Trackable):
    __slots__ = ("w",)

    def __init__(self, w):
        self.w = w


def test_attributes_in_slots_are_saved_and_restored(tmp_path):
    path = Checkpoint(s=Slotted(filled(2))).write(tmp_path / "c.h5")
    restored = Slotted(filled(2, value=0))
    Checkpoint(s=restored).restore(path)
    assert restored.w.numpy().tolist() == [1, 2]


def test_other_containers_are_fine_without_trackables(tmp_path):
    loop = [deque([1.5])]
    loop += [loop, (deque([loop]),)]
    plain = {"a": {1, 2}, "b": deque("ab"), "c": UserDict(x=UserList([1])), "d": [loop], "e": range(3), "f": b"b"}
    plain |= {"g": np.array([None, object()]), "h": Tensor([1.0]), "i": bytearray(2), "j": {}.keys(), "k": object()}
    box = Box(v=filled(1), **plain)
    with CheckpointFile(Checkpoint(b=box).write(tmp_path / "c.h5")) as file:
        assert list(file.objects[1].children) == ["v"]


REFUSED = {
    "plain value": (lambda: Checkpoint(step=3), "expected 'step' to be a Variable, a Trackable, .*got 3. Plain values"),
    "array": (lambda: Checkpoint(step=np.zeros(2)), r"expected 'step' to be .*got float64\[2\]"),
    "empty list": (lambda: Checkpoint(items=[]), r"expected 'items' to be .*got \[\]"),
    "own name": (lambda: Checkpoint(save=Box()), "expected a name that is free, got 'save'"),
    "private name": (lambda: Checkpoint(_pending=Box()), "expected a name that is free, got '_pending'"),
    "set": (lambda: Checkpoint(b=Box(s={Box()})).write("c.h5"), "b/s: expected a list, tuple or dictionary.*got a set"),
    "set in a list": (
        lambda: Checkpoint(b=Box(s=[filled(1), frozenset([Box()])])).write("c.h5"),
        "b/s/1: expected a list, tuple or dictionary.*got a frozenset. It gives its items no names",
    ),
    "set in a list of its own": (lambda: Checkpoint(b=Box(s=[{Box()}])).write("c.h5"), "b/s/0: .*got a set"),
    "set deep inside": (
        lambda: Checkpoint(b=Box(s={"k": ({"x": [1, {Box()}]},)})).write("c.h5"),
        "b/s/k/0/x/1: .*got a set",
    ),
    "set of tuples": (lambda: Checkpoint(b=Box(s={(1, (Box(),))})).write("c.h5"), "b/s: .*got a set"),
    "deque": (lambda: Checkpoint(b=Box(s=deque([filled(1)]))).write("c.h5"), "b/s: .*got a deque"),
    "deque of lists": (lambda: Checkpoint(b=Box(s=deque([[Box()]]))).write("c.h5"), "b/s: .*got a deque"),
    "other list": (lambda: Checkpoint(b=Box(s=UserList([Box()]))).write("c.h5"), "b/s: .*got a UserList"),
    "other mapping": (lambda: Checkpoint(b=Box(s=[UserDict(a=Box())])).write("c.h5"), "b/s/0: .*got a UserDict"),
    "view": (lambda: Checkpoint(b=Box(s={"a": Box()}.values())).write("c.h5"), "b/s: .*got a dict_values"),
    "beside an object saved by name": (
        lambda: Checkpoint(b=Box(w=(w := filled(1)), l=[w, [w]], s=deque([[w]]))).write("c.h5"),
        "b/s: .*got a deque",
    ),
    "set in a slot attribute": (lambda: Checkpoint(b=Slotted({Box()})).write("c.h5"), "b/w: .*got a set"),
    "key": (lambda: Checkpoint(b={1.5: filled(1)}).write("c.h5"), "b: expected keys that are strings, .*got 1.5"),
    "truth value as key": (lambda: Checkpoint(b={True: Box(w=filled(1))}).write("c.h5"), "b: expected keys .*got True"),
    "state": (
        lambda: Checkpoint(c=Counter(x=np.float32(1))).write("c.h5"),
        r"c: Counter.get_state\(\): expected None, truth values.*got float32",
    ),
    "tuple in a state": (lambda: Checkpoint(c=Counter(x=(1, 2))).write("c.h5"), r"got tuple \(1, 2\)"),
    "key of a state": (lambda: Checkpoint(c=Counter(x={1: 2})).write("c.h5"), "expected strings as keys, got int 1"),
    "child that is none": (
        lambda: Checkpoint(b=Liar()).write("c.h5"),
        "b/x: expected a Variable, a Trackable or a container, got 3",
    ),
    "slot that is no Variable": (
        lambda: Checkpoint(b=Liar(slots=True), v=Liar.variable).write("c.h5"),
        "b/m: expected a slot to be a Variable, got Box",
    ),
    "slot of a slot": (
        lambda: Checkpoint(b=Liar(slots=True, of=filled(1)), v=Liar.variable).write("c.h5"),
        r"b \(Liar\): it has slots for 'variable', float32\[1\], which is not in the checkpoint",
    ),
    "rank": (
        lambda: Checkpoint(b=Box(v=Variable(np.zeros((1,) * 33)))).write("c.h5"),
        "b/v: expected at most 32 axes, got float64",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_saved_is_refused_by_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        make()
    assert os.listdir(tmp_path) == []


def test_state_that_contains_itself_is_refused(tmp_path):
    class Loop(Counter):
        def get_state(self):
            state = {}
            state["me"] = [state]
            return state

    with pytest.raises(ValueError, match="c: Loop.get_state.*expected at most 64 levels"):
        Checkpoint(c=Loop()).write(tmp_path / "c.h5")


def test_status_shows_itself(tmp_path):
    path = Checkpoint(v=filled(1)).write(tmp_path / "c.h5")
    status = Checkpoint(v=filled(1)).restore(path)
    assert isinstance(status, RestoreStatus) and repr(status) == f"RestoreStatus({path!r}, pending=[])"
