"""The process's default random streams as an object that a Checkpoint saves."""

import copy
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest

from eagerly import function, random
from eagerly.checkpoint import Checkpoint
from eagerly.random import SeedGenerator


def same(a, b):
    return np.array_equal(np.asarray(a), np.asarray(b))


def test_restored_streams_go_on_as_they_would_have(tmp_path):
    def following():
        made = [SeedGenerator(), SeedGenerator(stream="dropout")]
        drawn = [random.normal((3,)), random.shuffle(np.arange(9)), *(random.uniform((2,), seed=each) for each in made)]
        return np.concatenate([np.asarray(values).astype(np.float64) for values in drawn])

    checkpoint = Checkpoint(random=random.streams)
    compiled = function(lambda: random.uniform((4,)))
    for draws in (0, 2):  # without a generator of the process's own yet, and with one
        random.set_seed(2**70 + 3)
        SeedGenerator(stream="init")
        for _ in range(draws):
            compiled()
        path = checkpoint.write(tmp_path / "c.h5")
        expected = following()
        first = compiled() if draws else None
        for seed in (None, 4):
            if seed is not None:
                random.set_seed(seed)
            random.normal((7,))
            checkpoint.restore(path).assert_consumed()
            assert same(following(), expected)
            if draws and seed is None:  # what was traced draws from the generator that was restored
                assert same(compiled(), first)


def test_streams_restored_in_another_process(tmp_path):
    code = (
        "import sys, eagerly\n"
        "from eagerly.checkpoint import Checkpoint\n"
        "checkpoint = Checkpoint(random=eagerly.random.streams)\n"
        "if sys.argv[2] == 'save':\n"
        "    eagerly.random.normal((2,)); checkpoint.write(sys.argv[1])\n"
        "else:\n"
        "    checkpoint.restore(sys.argv[1])\n"
        "print(eagerly.random.normal((5,)).tolist(), eagerly.random.SeedGenerator().state.numpy())\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "c.h5")]
    out = [subprocess.run([*command, way], capture_output=True, text=True, check=True).stdout for way in ("save", "")]
    assert out[0] == out[1] and "[" in out[0]


def test_a_state_that_is_none_of_streams_changes_nothing(tmp_path):
    random.set_seed(3)
    random.normal((2,))
    before = random.streams.get_state()
    for wrong in ({}, {**before, "seed": "x"}, {**before, "ordinals": {"user": 1.5}}, {**before, "user": [1]}):
        with pytest.raises((KeyError, ValueError)):
            random.streams.set_state(wrong)
        assert random.streams.get_state() == before
    with pytest.raises(
        ValueError,
        match=re.escape("random.streams: expected an integer seed and numbers of generators, got {'seed': 'x'"),
    ):
        random.streams.set_state({**before, "seed": "x"})


def test_there_is_one_of_the_streams():
    assert copy.deepcopy([random.streams])[0] is random.streams
    assert pickle.loads(pickle.dumps(random.streams)) is random.streams
