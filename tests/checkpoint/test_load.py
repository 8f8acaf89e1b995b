"""Many, large and frequent checkpoints."""

import os
import time

import numpy as np
import pytest

from eagerly.checkpoint import Checkpoint
from eagerly.checkpoint.reading import CheckpointFile
from eagerly.variable import Variable
from trackables import Box, filled


def test_ten_thousand_small_variables(tmp_path):
    saved = Checkpoint(v=[Box(w=Variable(np.float32([i, -i]))) for i in range(10_000)])
    path = saved.write(tmp_path / "c.h5", sync=False)
    restored = Checkpoint(v=[Box(w=Variable(np.zeros(2, np.float32))) for _ in range(10_000)])
    restored.restore(path).assert_consumed()
    assert all(box.w.numpy().tolist() == [i, -i] for i, box in enumerate(restored.v))


def test_a_hundred_saves_of_a_small_model_leave_one_file_and_nothing_open(tmp_path):
    checkpoint = Checkpoint(v=[filled(16, 16) for _ in range(6)])
    path = checkpoint.write(tmp_path / "c.h5", sync=False)
    before = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
    for i in range(100):
        checkpoint.v[0].assign(np.full((16, 16), i))
        checkpoint.write(path, sync=False, background=i % 2 == 1)
    checkpoint.wait()
    assert os.listdir(tmp_path) == ["c.h5"]
    assert not before or len(os.listdir("/proc/self/fd")) == before
    checkpoint.restore(path)
    assert checkpoint.v[0].numpy()[0, 0] == 99


@pytest.mark.slow
def test_a_tensor_of_more_than_four_gigabytes(tmp_path):
    size = 2**32 + 2**20 + 3
    array = np.zeros(size, np.uint8)
    array[[0, 2**31, 2**32, -1]] = [1, 2, 3, 4]
    saved = Variable(array)
    start = time.monotonic()
    path = Checkpoint(big=saved, small=filled(3)).write(tmp_path / "c.h5", sync=False)
    with CheckpointFile(path) as file:
        file.verify_values()
    saved.assign(np.zeros(size, np.uint8))
    Checkpoint(big=saved, small=filled(3)).restore(path).assert_consumed()
    values = saved._value._array
    assert values[[0, 2**31, 2**32, -1]].tolist() == [1, 2, 3, 4] and int(np.count_nonzero(values)) == 4
    assert time.monotonic() - start < 300
