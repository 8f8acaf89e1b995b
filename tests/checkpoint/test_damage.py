"""No damaged byte is believed and no hostile file does harm: it is refused, or what comes back is right."""

import json
import os
import pickle
import random
import struct
import tracemalloc
import zlib

import numpy as np
import pytest

from damages import as_version_1, check_forged, forged, header, made, main, mutated, outcome, state
from eagerly.checkpoint import Checkpoint
from eagerly.checkpoint import format as layout
from eagerly.checkpoint.reading import CheckpointFile
from eagerly.errors import CorruptCheckpointError, RestoreError
from eagerly.variable import Variable
from trackables import Lazy, filled


@pytest.fixture(params=[1, layout.VERSION], ids=lambda version: f"v{version}")
def good(request, tmp_path):
    path = tmp_path / "c.h5"
    made().write(path)
    if request.param == 1:
        path.write_bytes(as_version_1(path.read_bytes()))
    return path


def test_every_flipped_byte_is_refused_or_does_not_matter(good):
    content = good.read_bytes()
    with CheckpointFile(str(good)) as file:
        values = {
            i
            for entry, offset in zip(file.objects, file.offsets, strict=True)
            if entry.tensor
            for i in range(offset, offset + entry.tensor.length)
        }
    index_at = struct.unpack_from("<Q", content, 12)[0]
    right, target = state(made()), made(0.0, 0)
    before = state(target)
    with open(good, "r+b", buffering=0) as file:
        for position in range(len(content)):
            flipped = content[position] ^ (1 << position % 8 if position % 3 else 0xFF)
            os.pwrite(file.fileno(), bytes([flipped]), position)
            found = outcome(good, target, before, right)
            os.pwrite(file.fileno(), content[position : position + 1], position)
            expected = "header" if position < layout.USER_BLOCK else "index" if position >= index_at else "right"
            assert found == ("values" if position in values else expected), position
            if found == "right":
                target = made(0.0, 0)


def test_every_truncation_is_refused(good):
    content = good.read_bytes()
    target = made(0.0, 0)
    before = state(target)
    for length in (*range(0, 600), *range(600, len(content), 7), *range(len(content) - 40, len(content))):
        os.truncate(good, length) if length < os.path.getsize(good) else good.write_bytes(content[:length])
        assert outcome(good, target, before, None) in ("header", "file"), length


def test_every_addition_is_refused(good):
    with open(good, "ab") as file:
        file.write(b"\0")
    assert outcome(good, made(0.0), state(made(0.0)), None) == "edited"


def test_random_mutations_are_refused_or_do_not_matter(good):
    """A sample; `make fuzz` goes on for longer."""
    content, rng = good.read_bytes(), random.Random(5)
    right, target = state(made()), made(0.0, 0)
    before, found = state(target), set()
    for _ in range(1000):
        good.write_bytes(mutated(content, rng))
        found.add(outcome(good, target, before, right))
        if "right" in found:
            target = made(0.0, 0)
    assert found >= {"header", "file", "index", "values", "right", "edited"}


def test_forged_indices_do_no_harm(good):
    """They have right digests, so they may differ or hold other values; nothing else may happen."""
    content, rng = good.read_bytes(), random.Random(6)
    found = {check_forged(good, rng, forged(content, rng)) for _ in range(700)}
    assert found == {"CorruptCheckpointError", "RestoreError", "restored"}


def test_the_fuzzer_runs(capsys):
    main(["--seconds", "0.2", "--seed", "1"])
    assert "forged: CorruptCheckpointError" in capsys.readouterr().out


@pytest.mark.parametrize(
    "content", [b"", b"PK\3\4" * 500, b"\x89HDF\r\n\x1a\n" + bytes(2000)], ids=["empty", "zip", "hdf5"]
)
def test_another_kind_of_file_is_refused(content, tmp_path):
    (tmp_path / "c").write_bytes(content)
    with pytest.raises(
        CorruptCheckpointError, match="damaged header at byte 0: no checkpoint of eagerly begins so: expected .*EAGERLY"
    ):
        Checkpoint(v=filled(1)).restore(tmp_path / "c")


def forge(path, index, payload=b"", version=1):
    """A file with right checksums, around whatever index."""
    index = index if isinstance(index, bytes) else json.dumps(index).encode()
    path.write_bytes(header(layout.USER_BLOCK + len(payload), index, version) + payload + index)
    return path


PAYLOAD = np.float32([1, 2]).tobytes()


def tensor(**changes):
    entry = {"dtype": "float32", "shape": [2], "offset": 512, "length": 8, "crc32": [zlib.crc32(PAYLOAD)]}
    return {key: value for key, value in (entry | changes).items() if value is not ...}


def root(**changes):
    return {"class": "Checkpoint", "children": {"v": 1}} | changes


def index(*objects, **changes):
    return {"requires": [], "objects": list(objects)} | changes


def as_version_2(content):
    """The same index in version 2; what cannot be said there is left out."""
    if not isinstance(content, dict) or "objects" not in content:
        return content
    types, objects, checksums = [], [], []
    for item in content["objects"]:
        if not isinstance(item, dict) or "dtype" not in item:
            objects.append(item)
            continue
        kind = {key: item[key] for key in ("dtype", "shape") if key in item}
        if kind not in types:
            types.append(kind)
        objects.append(types.index(kind))
        checksums += item["crc32"]
    return content | {"start": 512 if types else 520, "types": types, "objects": objects, "crc32": checksums}


def test_long_paths_cost_nothing_until_they_are_shown(tmp_path):
    """Chains with long names would otherwise make a small file take memory without end."""
    name, links = "n" * 5000, 2000
    chain = [{"class": "A", "children": {name: i + 1}} for i in range(links)]
    leaves = {str(i): links + 1 + i for i in range(2000)}
    objects = [*chain, {"class": "A", "children": leaves}, *(tensor(shape=[0], length=0, crc32=[]) for _ in leaves)]
    path = forge(tmp_path / "c", index(*objects))
    tracemalloc.start()
    with CheckpointFile(str(path)) as file:
        assert len(layout.path_of(file.objects, len(objects) - 1)) > links * len(name)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * os.path.getsize(path)


@pytest.mark.parametrize("names", [0, 20_000])
def test_many_objects_take_no_more_than_a_multiple_of_the_file(names, tmp_path):
    """An object of version 2 is one digit; its name makes it long enough."""
    objects = [root(children={str(i): i + 1 for i in range(names)}), *[0] * (names or 300_000)]
    content = {
        "requires": [],
        "start": 512,
        "types": [{"dtype": "bool", "shape": [0]}],
        "objects": objects,
        "crc32": [],
    }
    path = forge(tmp_path / "c", content, version=2)
    tracemalloc.start()
    if names:
        with CheckpointFile(str(path)) as file:
            assert len(file.objects) == names + 1
    else:
        with pytest.raises(
            CorruptCheckpointError, match="expected a way to each object, got 0 names for 300001 objects"
        ):
            CheckpointFile(str(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 * os.path.getsize(path)


def test_a_forged_file_with_right_fields_is_a_checkpoint(tmp_path):
    """What the tests below change one field of."""
    variable = filled(2, value=0)
    Checkpoint(v=variable).restore(forge(tmp_path / "c", index(root(), tensor()), PAYLOAD))
    assert variable.numpy().tolist() == [1, 2]
    unknown = index(root(comment=1), tensor(comment=2), comment=3)  # optional additions of later versions
    Checkpoint(v=variable).restore(forge(tmp_path / "c", unknown, PAYLOAD))


def test_a_forged_file_of_version_2_with_right_fields_is_a_checkpoint(tmp_path):
    variable = filled(2, value=0)
    content = as_version_2(index(root(comment=1), tensor(), comment=3))
    content["types"] += [{"dtype": "int8", "shape": [2**61], "comment": 2}]  # of which there are none
    Checkpoint(v=variable).restore(forge(tmp_path / "c", content, PAYLOAD, 2))
    assert variable.numpy().tolist() == [1, 2]


DEEP = b"[" * 200_000 + b"]" * 200_000
HOSTILE = {
    "no JSON": (b"{", "expected JSON, got JSONDecodeError"),
    "no ASCII": (b'{"\xff": 1}', "expected JSON, got UnicodeDecodeError"),
    "too deep": (b'{"requires":[],"objects":' + DEEP + b"}", "expected JSON, got RecursionError"),
    "huge number": (b'{"requires":[],"objects":[' + b"9" * 5000 + b"]}", "expected JSON, got ValueError"),
    "same name twice": (b'{"requires":[],"requires":[]}', "a name appears twice"),
    "list": ([], "the index: expected dict, got list"),
    "no requires": ({"objects": []}, "requires: expected list, got NoneType"),
    "no objects": ({"requires": []}, "objects: expected list, got NoneType"),
    "empty": (index(), "expected object 0 to be the root"),
    "root is a Variable": (index(tensor()), "expected object 0 to be the root"),
    "object is a number": (index(root(), 3), "object 1: expected dict, got int"),
    "no class": (index({"children": {}}), "object 0, class: expected str, got NoneType"),
    "no children": (index({"class": "A"}), "object 0, children: expected dict, got NoneType"),
    "child is a list": (index(root(children={"v": [1]}), tensor()), "object 0, children, 'v': expected an integer"),
    "child is true": (index(root(children={"v": True}), tensor()), "children, 'v': expected an integer"),
    "child is negative": (index(root(children={"v": -1}), tensor()), "children, 'v': expected an integer"),
    "child is a float": (index(root(children={"v": 1.0}), tensor()), "children, 'v': expected an integer"),
    "child is beyond": (index(root(children={"v": 2}), tensor()), "children: expected an object below 2, got 2"),
    "empty name": (
        index(root(children={"": 1}), tensor()),
        "expected names without slashes and control characters, got ''",
    ),
    "slash in a name": (
        index(root(children={"a/b": 1}), tensor()),
        "expected names without slashes and control characters, got 'a/b'",
    ),
    "control character in a name": (
        index(root(children={"a\x1b[2J": 1}), tensor()),
        "expected names without slashes and control characters, got 'a\\x1b[2J'",
    ),
    "control character in a class": (
        index(root(**{"class": "A\x1b[2J"}), tensor()),
        "class: expected text without control characters, got 'A\\x1b[2J'",
    ),
    "tree is a number": (index(root(), tensor(), tree=3), "tree: expected eight hexadecimal digits, got 3"),
    "tree is long": (index(root(), tensor(), tree="0" * 9), "tree: expected eight hexadecimal digits"),
    "about is a list": (index(root(), tensor(), about=[]), "about: expected a dictionary, got list"),
    "unreachable": (
        index(root(children={"a": 0}), tensor()),
        "object 1: expected a way to it from the root",
    ),
    "too few names": (index(root(), tensor(), tensor()), "expected a way to each object, got 1 names for 3 objects"),
    "island": (
        index(root(), tensor(), {"class": "A", "children": {"a": 3}}, {"class": "A", "children": {"a": 2}}),
        "object 2: expected a way to it from the root",
    ),
    "state is a list": (index(root(state=[1]), tensor()), "object 0, state: expected a dictionary, got list"),
    "deep state": (
        index(root(state={"a": json.loads("[" * 70 + "]" * 70)}), tensor()),
        "object 0, state: expected at most 64 levels",
    ),
    "bound is a list": (index(root(bound=[]), tensor()), "object 0, bound: expected dict, got list"),
    "bound to a word": (index(root(bound={"x": {}}), tensor()), "bound: expected an object below 2, got 'x'"),
    "bound with a zero": (index(root(bound={"01": {}}), tensor()), "bound: expected an object below 2, got '01'"),
    "bound to a digit": (index(root(bound={"²": {}}), tensor()), "bound: expected an object below 2"),
    "bound beyond": (index(root(bound={"2": {}}), tensor()), "bound: expected an object below 2, got '2'"),
    "bound far beyond": (index(root(bound={"9" * 4000: {}}), tensor()), "bound: expected an object below 2"),
    "bound to an object": (index(root(bound={"0": {}}), tensor()), "bound: expected Variables, got object 0"),
    "bound to a slot": (
        index(
            root(children={}, bound={"2": {"a": 1}, "1": {"b": 2}}),
            tensor(),
            tensor(shape=[0], length=0, crc32=[]),
        ),
        "object 0, bound: expected a Variable with a name, got object 2",
    ),
    "slot is an object": (index(root(bound={"1": {"m": 0}}), tensor()), "bound: expected Variables, got object 0"),
    "unknown dtype": (index(root(), tensor(dtype="object")), "object 1: expected a known dtype, got 'object'"),
    "structured dtype": (index(root(), tensor(dtype="f4,f4")), "expected a known dtype, got 'f4,f4'"),
    "dtype is a list": (index(root(), tensor(dtype=[["a", "O"]])), "expected a known dtype"),
    "no shape": (index(root(), tensor(shape=...)), "object 1, shape: expected list, got NoneType"),
    "negative size": (index(root(), tensor(shape=[-2])), "object 1, shape: expected an integer from 0 on, got -2"),
    "size is true": (
        index(root(), tensor(shape=[2, True])),
        "object 1, shape: expected an integer from 0 on, got True",
    ),
    "many axes": (index(root(), tensor(shape=[1] * 32 + [2])), "object 1: expected at most 32 axes, got 33"),
    "more than the length": (index(root(), tensor(shape=[3])), "object 1: expected 12 bytes for its shape, got 8"),
    "huge shape": (index(root(), tensor(shape=[2**40, 2**40])), "object 1: expected a shape that an array can have"),
    "huge and empty": (
        index(root(), tensor(shape=[0, 2**40, 2**40], length=0, crc32=[])),
        "object 1: expected a shape that an array can have",
    ),
    "huge length": (
        index(root(), tensor(shape=[2**40], length=2**42, crc32=[0])),
        "object 1: expected values between the bytes 512 and 520, got 4398046511104 bytes from 512 on",
    ),
    "number out of range": (index(root(), tensor(offset=2**63)), "object 1, offset: expected an integer from 0 on"),
    "in the header": (index(root(), tensor(offset=508)), "expected values between the bytes 512 and 520, got 8 bytes"),
    "in the index": (index(root(), tensor(offset=513)), "expected values between the bytes 512 and 520, got 8 bytes"),
    "no offset": (index(root(), tensor(offset=...)), "object 1, offset: expected an integer from 0 on, got None"),
    "no checksum": (index(root(), tensor(crc32=[])), "object 1: expected 1 CRC-32 values, got 0"),
    "two checksums": (index(root(), tensor(crc32=[1, 2])), "object 1: expected 1 CRC-32 values, got 2"),
    "checksum is text": (index(root(), tensor(crc32=["1"])), "object 1, crc32: expected an integer"),
    "wrong checksum": (
        index(root(), tensor(crc32=[1])),
        "damaged values at byte 512: a block of 'v' has another CRC-32",
    ),
    "shared range": (
        index(root(children={"v": 1, "w": 2}), tensor(), tensor()),
        "object 1 and object 2: expected values of their own, got a shared range",
    ),
    "overlap": (
        index(
            root(children={"v": 1, "w": 2}),
            tensor(shape=[1], length=4, offset=514),
            tensor(shape=[1], length=4, offset=512),
        ),
        "object 2 and object 1: expected values of their own",
    ),
    "truth values": (
        index(root(), tensor(dtype="bool", shape=[8])),
        "damaged values at byte 512: 'v' holds truth values other than 0 and 1",
    ),
}


# What version 2 says otherwise, None where it cannot be said.
OTHERWISE = {
    "object is a number": "object 1: expected a type below 0, got 3",
    **dict.fromkeys(
        ("no offset", "in the header", "in the index", "number out of range", "shared range", "overlap", "huge length")
    ),
    "unknown dtype": "type 0: expected a known dtype, got 'object'",
    "no shape": "type 0, shape: expected list, got NoneType",
    "negative size": "type 0, shape: expected an integer from 0 on, got -2",
    "size is true": "type 0, shape: expected an integer from 0 on, got True",
    "many axes": "type 0: expected at most 32 axes, got 33",
    "more than the length": "expected the index after the values, at byte 528, got 520",
    "huge shape": "type 0: expected a shape that an array can have",
    "huge and empty": "type 0: expected a shape that an array can have",
    "no checksum": "expected 1 CRC-32 values, got 0",
    "two checksums": "expected 1 CRC-32 values, got 2",
    "checksum is text": "crc32: expected integers of 32 bits, got '1'",
}
FLOATS = [{"dtype": "float32", "shape": [2]}]
RIGHT = as_version_2(index(root(), tensor()))
NOTHING = RIGHT | {"start": 520, "crc32": []}
HOSTILE_2 = {
    **{
        name: (as_version_2(content), OTHERWISE.get(name, message))
        for name, (content, message) in HOSTILE.items()
        if OTHERWISE.get(name, message)
    },
    "no types": (RIGHT | {"types": 3}, "types: expected list, got int"),
    "type is a list": (RIGHT | {"types": [[]]}, "type 0: expected dict, got list"),
    "type beyond": (RIGHT | {"objects": [root(), 1]}, "object 1: expected a type below 1, got 1"),
    "type far beyond": (RIGHT | {"objects": [root(), 10**40]}, "object 1: expected a type below 1, got 1000000000"),
    "type is negative": (RIGHT | {"objects": [root(), -1]}, "object 1: expected a type below 1, got -1"),
    "type is true": (NOTHING | {"objects": [root(), True]}, "object 1: expected dict, got bool"),
    "type is a float": (NOTHING | {"objects": [root(), 0.0]}, "object 1: expected dict, got float"),
    "no start": (RIGHT | {"start": None}, "start: expected an integer from 512 on, got None"),
    "start is true": (RIGHT | {"start": True}, "start: expected an integer from 512 on, got True"),
    "starts in the header": (
        RIGHT | {"start": 504, "types": FLOATS, "objects": [root(children={"v": 1, "w": 2}), 0, 0], "crc32": [1, 1]},
        "start: expected an integer from 512 on, got 504",
    ),
    "starts late": (RIGHT | {"start": 516}, "expected the index after the values, at byte 524, got 520"),
    "starts far away": (
        RIGHT | {"start": 2**63 - 1},
        "expected the index after the values, at byte 9223372036854775815, got 520",
    ),
    "too few values": (
        RIGHT | {"types": [{"dtype": "float32", "shape": [0]}], "crc32": []},
        "expected the index after the values, at byte 512, got 520",
    ),
    "many large values": (
        RIGHT
        | {
            "types": [{"dtype": "uint8", "shape": [2**61]}],
            "objects": [root(children={str(i): i + 1 for i in range(9)}), *[0] * 9],
        },
        f"expected the index after the values, at byte {512 + 9 * 2**61}, got 520",
    ),
    "no checksums": (RIGHT | {"crc32": {}}, "crc32: expected list, got dict"),
    "checksum is true": (RIGHT | {"crc32": [True]}, "crc32: expected integers of 32 bits, got True"),
    "checksum is negative": (RIGHT | {"crc32": [-1]}, "crc32: expected integers of 32 bits, got -1"),
    "checksum is long": (RIGHT | {"crc32": [2**32]}, "crc32: expected integers of 32 bits, got 4294967296"),
    "checksum is a float": (RIGHT | {"crc32": [1.0]}, "crc32: expected integers of 32 bits, got 1.0"),
}
CASES = [(1, name) for name in HOSTILE] + [(2, name) for name in HOSTILE_2]


@pytest.mark.parametrize(("version", "name"), CASES)
def test_a_hostile_index_is_refused(version, name, tmp_path):
    content, message = (HOSTILE if version == 1 else HOSTILE_2)[name]
    path = forge(tmp_path / "c", content, PAYLOAD, version)
    target = Variable([True] * 8) if name == "truth values" else filled(2, value=7)
    before = target.numpy().tolist()
    with pytest.raises(CorruptCheckpointError) as caught:
        Checkpoint(v=target).restore(path)
    assert message in str(caught.value) and str(path) in str(caught.value)
    assert "damaged index at byte 520:" in str(caught.value) or "damaged values at byte 512:" in str(caught.value)
    assert target.numpy().tolist() == before


@pytest.mark.parametrize(
    ("offset", "length"), [(0, 600), (511, 0), (512, 2**62), (2**64 - 1, 1), (2**63, 2**63)], ids=str
)
def test_a_header_that_leads_elsewhere_is_refused(offset, length, tmp_path):
    fields = struct.pack("<8sIQQ32s", layout.MAGIC, 1, offset, length, bytes(32)).ljust(508, b"\0")
    (tmp_path / "c").write_bytes(fields + struct.pack("<I", zlib.crc32(fields)) + bytes(100))
    with pytest.raises(CorruptCheckpointError, match="damaged file at byte 612: expected .* bytes, got 612"):
        Checkpoint(v=filled(2)).restore(tmp_path / "c")


def test_a_newer_version_and_an_unknown_feature_are_refused_by_name(tmp_path):
    path = forge(tmp_path / "c", index(root(), tensor()), PAYLOAD, version=7)
    with pytest.raises(RestoreError, match="c: expected a format version up to 2, got 7. Update eagerly"):
        Checkpoint(v=filled(2)).restore(path)
    for feature in ("zstd", 3, ["x"]):
        path = forge(tmp_path / "c", index(root(), tensor(), requires=[feature]), PAYLOAD)
        with pytest.raises(RestoreError, match="c: it requires the feature .*Update eagerly"):
            Checkpoint(v=filled(2)).restore(path)


def test_a_file_cut_while_it_is_read_is_refused(tmp_path):
    path = Checkpoint(v=filled(2)).write(tmp_path / "c.h5")
    with CheckpointFile(path) as file:
        os.truncate(path, 600)
        with pytest.raises(CorruptCheckpointError, match="damaged file at byte .*: expected 8 more bytes, got its end"):
            file.read_values(1)


def test_damage_below_what_is_restored_alone_does_not_matter(tmp_path):
    path = tmp_path / "c.h5"
    Checkpoint(a=filled(2), b=filled(2, value=77)).write(path)
    path.write_bytes(path.read_bytes().replace(np.float32(77).tobytes(), np.float32(78).tobytes()))
    a = filled(2, value=0)
    Checkpoint(a=a).restore(path, only="a")
    assert a.numpy().tolist() == [1, 2]
    with pytest.raises(CorruptCheckpointError):
        Checkpoint(b=filled(2)).restore(path, only="b")


def test_damage_in_values_that_would_wait_is_found_at_once(tmp_path):
    path = tmp_path / "c.h5"
    Checkpoint(dense=Lazy(fill=77.0).build(2)).write(path)
    path.write_bytes(path.read_bytes().replace(np.float32(77).tobytes(), np.float32(78).tobytes()))
    layer = Lazy()
    with pytest.raises(CorruptCheckpointError):
        Checkpoint(dense=layer).restore(path)
    assert "_pending" not in vars(layer)


def test_the_error_keeps_its_parts_through_pickle():
    error = CorruptCheckpointError("c.h5: damaged values at byte 7.", "values", 7, "b.h5")
    twin = pickle.loads(pickle.dumps(error))
    assert (twin.kind, twin.offset, twin.last_good) == ("values", 7, "b.h5")
    assert str(twin) == str(error) == "c.h5: damaged values at byte 7. The last good file is b.h5."
