"""docs/checkpoint_format.md says what the files are: the reader that it shows reads them."""

import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from eagerly.checkpoint import Checkpoint, graph
from eagerly.variable import Variable
from trackables import Box, Counter, Momentum, filled

PAGE = (Path(__file__).parents[2] / "docs" / "checkpoint_format.md").read_text(encoding="utf-8")


@pytest.fixture
def read():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names = {}
    exec(code, names)
    return names["read"]


def test_the_reader_on_the_page_reads_what_is_saved(read, tmp_path):
    shared = filled(2, 3)
    model = Box(
        w=shared, again=shared, list=[Variable([True, False]), Counter()], big=filled(300_000), empty=filled(0, 2)
    )
    model.half, model.me, model.scalar = filled(2, dtype="bfloat16"), model, filled(dtype="float16")
    model.odd = {"0": filled(1), 0: filled(1, value=5), ("a", "b,c"): filled(1, value=6)}
    path = Checkpoint(model=model, o=Momentum().build([shared], fill=3.0)).write(tmp_path / "c.h5")
    values = read(path)
    with h5py.File(path, "r") as file:
        for name, array in values.items():
            np.testing.assert_array_equal(array, file[name][()])
    assert len(values) == sum(isinstance(node.value, Variable) for node in graph.walk(Checkpoint(m=model))) + 2
    assert values["/model/odd/(a,b%2Cc)"] == 6 and values["/model/odd/0"] == 5 and values["/model/odd/%30"] == 1


@pytest.mark.parametrize("place", [3, 100, 511, -5])
def test_the_reader_on_the_page_refuses_damage(place, read, tmp_path):
    path = Path(Checkpoint(v=filled(2, value=77)).write(tmp_path / "c.h5"))
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.write_bytes(content)
    with pytest.raises(ValueError):
        read(path)


def test_names_are_as_on_the_page():
    names = {
        "%": "%25",
        "a/b": "a%2Fb",
        "\n": "%0A",
        "\x7f": "%7F",
        "\x9b": "%9B",
        "\ud800": "%uD800",
        "(": "%28",
        ".": "%2E",
    }
    names |= {"..": "%2E.", "-5": "%2D5", "5": "%35", "": "%", "5a": "5a", "a(b": "a(b", "ä": "ä", ".a": ".a"}
    names |= {5: "5", -5: "-5", (): "()", ("(", 1, ("x",)): "(%28,1,(x))", ("a,b",): "(a%2Cb)", ("5", ""): "(%35,%)"}
    assert {key: graph.encode(key) for key in names} == names
