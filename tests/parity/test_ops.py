"""Every public operation of Keras beside ours: values, dtypes and gradients on drawn arguments."""

import json
import zlib
from pathlib import Path

import pytest

from eagerly import ops as our_ops
from parity.comparing import differences
from parity.drawing import Draw
from parity.known import KNOWN, known
from parity.rows import ROWS
from parity.running import find, run_row

KERAS = json.loads((Path(__file__).parent.parent / "keras_signatures.json").read_text(encoding="utf-8"))["ops"]

TIMES = 4  # how often each row's draws are made


def drawn(name, index):
    """The row's calls: as many draws for each of its dtypes as it asks for, that many times."""
    row = ROWS[name][index]
    for dtype in dict.fromkeys(row.dtypes):
        for k in range(TIMES * row.draws * row.dtypes.count(dtype)):
            given = row.draw(Draw(zlib.crc32(f"{name}/{index}/{dtype}/{k}".encode()), dtype))
            given.dtype = dtype
            yield given


def found_by(name):
    """Each difference between the sides that the calls of a name's rows show, with the call."""
    assert find(our_ops, name) is not None, f"eagerly.ops.{name} is missing"
    for index, row in enumerate(ROWS[name]):
        for given in drawn(name, index):
            ours, theirs = run_row(name, row, given)
            for difference in differences(ours, theirs, given, row.compare, row.tolerance):
                yield given, difference


def test_every_operation_has_a_row():
    assert set(ROWS) == set(KERAS)


@pytest.mark.parametrize("name", sorted(KERAS))
def test_it_does_what_keras_does(name):
    new = [f"{name}{given}\n    {text}" for given, text in found_by(name) if not known(name, given, text)]
    assert not new, f"{len(new)} differences\n" + "\n".join(new[:8])


@pytest.mark.parametrize(("name", "number"), [(name, i) for name, rows in KNOWN.items() for i in range(len(rows))])
def test_a_meant_difference_is_still_there(name, number):
    entry = KNOWN[name][number]
    shown = (difference.aspect == entry.aspect and entry.when(given) for given, difference in found_by(name))
    assert any(shown), f"nothing shows any more that {entry.reason}"
