"""`python -m eagerly ckpt`: what it prints, as text and as JSON, and its exit codes."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from eagerly.checkpoint import Checkpoint, commands
from eagerly.variable import Variable
from trackables import Box, Counter, Momentum, filled

main = importlib.import_module("eagerly.__main__").main


def objects(value=1.0):
    w = filled(2, 3, value=value)
    odd = Variable(np.float32([1, np.nan, np.inf, 3]))
    model = Box(
        w=w, list=[Variable([True, False]), Counter(3)], odd=odd, empty=filled(0), z=Variable(np.complex64([3 + 4j]))
    )
    model.me, model.again = model, w
    return Checkpoint(model=model, o=Momentum().build([w], fill=value))


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return objects().write("c.h5")


@pytest.fixture
def run(capsys):
    def run(*arguments):
        code = main(["ckpt", *arguments])
        return code, capsys.readouterr()

    return run


def test_ls(path, run):
    code, output = run("ls", path)
    assert code == 0 and output.out.splitlines() == [
        "path                       dtype      shape   bytes",
        "model/again                float32    [2, 3]  24",
        "model/empty                float32    [0]     0",
        "model/list/0               bool       [2]     2",
        "model/odd                  float32    [4]     16",
        "model/z                    complex64  [1]     8",
        "o/momentum of model/again  float32    [2, 3]  24",
        "o/step                     int32      []      4",
        f"7 tensors, 78 bytes, file {os.path.getsize(path):,} bytes",
    ]
    code, output = run("ls", "--json", "--stats", path)
    rows = {row.pop("path"): row for row in json.loads(output.out)}
    assert rows["model/odd"] == {
        "dtype": "float32", "shape": [4], "bytes": 16, "min": 1, "max": 3, "mean": 2, "std": 1, "nan": 1, "inf": 1,
    }  # fmt: skip
    assert rows["model/empty"]["min"] is None and rows["model/z"]["max"] == 5 and rows["model/list/0"]["mean"] == 0.5
    code, output = run("ls", "--stats", path)
    assert ["model/empty", "float32", "[0]", "0", *"----", "0", "0"] in map(str.split, output.out.splitlines())
    Checkpoint(c=Counter()).write("none.h5")
    assert run("ls", "none.h5")[1].out.startswith("path\n0 tensors, 0 bytes")


def test_tree(path, run):
    code, output = run("tree", path)
    assert code == 0 and output.out.splitlines() == [
        "Checkpoint",
        "  model: Box",
        "    again: float32[2, 3]",
        "    empty: float32[0]",
        "    list: list",
        "      0: bool[2]",
        '      1: Counter {"count": 3}',
        "    me: = model",
        "    odd: float32[4]",
        "    w: = model/again",
        "    z: complex64[1]",
        "  o: Momentum",
        "    step: int32[]",
        "    momentum of model/again: float32[2, 3]",
    ]
    code, output = run("tree", "--json", path)
    assert {"path": "model/list/0", "what": "bool[2]"} in json.loads(output.out)


def test_verify(path, run):
    assert run("verify", path) == (0, (f"{path}: whole, 7 tensors, 78 bytes\n", ""))
    content = bytearray(Path(path).read_bytes())
    content[content.index(np.float32([1, 2, 3]).tobytes())] ^= 1
    Path("d.h5").write_bytes(content)
    code, output = run("verify", path, "d.h5")
    assert code == 1 and "c.h5: whole" in output.out and "d.h5:\n  d.h5: damaged values at byte" in output.out
    code, output = run("verify", "--json", "d.h5", "nowhere.h5")
    found = json.loads(output.out)
    assert code == 2 and [item["code"] for item in found] == [1, 2] and "No such file" in found[1]["problems"][0]
    with h5py.File(path, "r+") as file:
        file["model"].attrs.modify("class", "Bax")
    os.truncate(path, len(content))
    code, output = run("verify", path)
    assert code == 1 and "  model: expected the attributes {'class': 'Box'}, got {'class': 'Bax'}" in output.out
    assert run("verify", "--values-only", path)[0] == 0


def test_a_large_file_shows_its_progress_in_a_terminal(path, run, monkeypatch):
    monkeypatch.setattr(commands, "_LARGE", 10)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    code, output = run("verify", "--values-only", path)
    assert code == 0 and "verifying: 100%" in output.out


def test_diff(path, run):
    assert run("diff", path, path) == (0, ("", ""))
    other = objects()
    other.model.w.assign_add([[0, 0, 0], [0, 0, 0.5]])
    other.model.list[1].state = {"count": 4}
    other.model.new = Box(v=filled(3))
    other.model.again = filled(2, 3)
    del other.model.empty
    other.model.z = filled(2)
    other.write("d.h5")
    code, output = run("diff", path, "d.h5")
    assert code == 1 and output.out.splitlines() == [
        "model: shared otherwise: w",
        "model/empty: only in c.h5: float32[0]",
        'model/list/1: state {"count": 3} and {"count": 4}',
        "model/new: only in d.h5: Box",
        "model/new/v: only in d.h5: float32[3]",
        "model/w: only in d.h5: float32[2, 3]",
        "model/z: complex64[1] and float32[2]",
        "o/momentum of model/again: only in c.h5: float32[2, 3]",
        "o/momentum of model/w: only in d.h5: float32[2, 3]",
    ]
    changed = objects()
    changed.model.w.assign_add([[0, 0, 0], [0, 0, 0.5]])
    changed.model.odd.assign([1, np.nan, 0, 3])
    changed.model.list[0].assign([True, True])
    changed.write("e.h5")
    code, output = run("diff", "--json", path, "e.h5")
    assert json.loads(output.out) == [
        {"path": "model/again", "difference": "1 of 6 values differ, by up to 0.5"},
        {"path": "model/list/0", "difference": "1 of 2 values differ, by up to 1"},
        {"path": "model/odd", "difference": "1 of 4 values differ, by up to inf"},
    ]


def test_extract_and_reseal(path, run):
    assert run("extract", path, "model/list", "list.h5") == (0, ("list.h5\n", ""))
    assert run("tree", "list.h5")[1].out.splitlines()[1] == "  list: list"
    assert run("reseal", path) == (0, (f"{path}: valid again, edited: nothing\n", ""))
    with h5py.File(path, "r+") as file:
        file["model/w"][0, 0] = 7
    code, output = run("verify", path)
    assert code == 1 and f"run python -m eagerly ckpt reseal {path}" in output.out
    code, output = run("reseal", "--json", path)
    assert code == 0 and json.loads(output.out) == {"file": "c.h5", "edited": ["model/again"]}
    assert run("verify", path)[0] == 0
    assert json.loads(run("extract", "--json", path, "model/w", "w.h5")[1].out) == {"file": "w.h5"}


def test_errors_go_to_stderr_or_into_the_json(path, run):
    assert run("ls", "nowhere.h5") == (2, ("", "[Errno 2] No such file or directory: 'nowhere.h5'\n"))
    code, output = run("extract", path, "model/lst", "x.h5")
    assert code == 2 and "Did you mean 'list'?" in output.err
    Path("x.h5").write_bytes(b"x")
    code, output = run("tree", "--json", "x.h5")
    found = json.loads(output.out)
    assert code == 1 and found["kind"] == "header" and "no checkpoint of eagerly begins so" in found["error"]


@pytest.mark.parametrize("arguments", [[], ["ckpt"], ["ckpt", "lst"], ["ckpt", "ls"], ["ckpt", "diff", "a"]])
def test_wrong_use_ends_in_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2 and "usage: python -m eagerly" in capsys.readouterr().err


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    path = Checkpoint(v=[filled(1) for _ in range(3000)]).write(tmp_path / "c.h5")
    command = f"set -o pipefail; {sys.executable} -m eagerly ckpt ls {path} | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == "" and done.stdout.startswith("path") and done.returncode == 0


def test_it_runs_as_a_module(path):
    done = subprocess.run([sys.executable, "-m", "eagerly", "ckpt", "tree", path], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("Checkpoint\n")
    done = subprocess.run([sys.executable, "-m", "eagerly", "ckpt", "ls", "nowhere"], capture_output=True, text=True)
    assert done.returncode == 2
