"""Saving in the background: the values of the call, one file at a time, no error lost."""

import copy
import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest

from eagerly import Sequential
from eagerly.checkpoint import Checkpoint, CheckpointManager, atomic
from eagerly.layers import BatchNormalization, Dense
from eagerly.variable import Variable
from trackables import Box, Counter, filled


class Gate:
    """Holds every write until it is opened."""

    def __init__(self, monkeypatch):
        self.opened, self.entered = threading.Event(), threading.Event()
        original = atomic.AtomicFile.write_at

        def write_at(file, offset, data):
            self.entered.set()
            assert self.opened.wait(30)
            original(file, offset, data)

        monkeypatch.setattr(atomic.AtomicFile, "write_at", write_at)


@pytest.fixture
def gate(monkeypatch):
    gate = Gate(monkeypatch)
    yield gate
    gate.opened.set()


def load(path, count=3):
    variable = filled(count, value=-1)
    Checkpoint(v=variable).read(path, only="v")
    return variable.numpy().tolist()


def test_what_is_saved_is_what_was_there_at_the_call(tmp_path, gate):
    variable, counter = filled(3), Counter(1, list=[1])
    rows = Variable(np.zeros((4, 2), np.float32))
    checkpoint = Checkpoint(v=variable, c=counter, rows=rows)
    path = checkpoint.write(tmp_path / "c.h5", background=True)
    assert gate.entered.wait(30) and not os.path.exists(path)
    variable.assign([7, 7, 7])
    variable.assign_add([1, 1, 1])
    rows.assign_rows(np.array([0, 2]), np.ones((2, 2)))
    counter.state["count"] = 9
    counter.state["list"].append(2)
    gate.opened.set()
    checkpoint.wait()
    checkpoint.restore(path)
    assert variable.numpy().tolist() == [1, 2, 3] and counter.state == {"count": 1, "list": [1]}
    assert not rows.numpy().any()


def test_the_next_save_waits_so_there_is_one_at_a_time(tmp_path, gate):
    checkpoint = Checkpoint(v=filled(3))
    first = checkpoint.save(tmp_path / "c", background=True)
    assert gate.entered.wait(30)
    paths = []
    second = threading.Thread(target=lambda: paths.append(checkpoint.save(tmp_path / "c", background=True)))
    second.start()
    second.join(0.1)
    assert second.is_alive() and paths == []
    assert len([name for name in os.listdir(tmp_path) if name.endswith(".partial")]) == 1
    gate.opened.set()
    second.join()
    checkpoint.wait()
    assert first.endswith("c-1.h5") and paths == [str(tmp_path / "c-2.h5")]
    assert load(first) == load(paths[0]) == [1, 2, 3]


@pytest.mark.parametrize("next_call", ["wait", "write", "save", "manager"])
def test_an_error_is_raised_by_the_next_call_once(next_call, tmp_path):
    checkpoint = Checkpoint(v=filled(3))
    checkpoint.write(tmp_path / "nowhere" / "c.h5", background=True)
    manager = CheckpointManager(checkpoint, tmp_path)
    calls = {
        "wait": checkpoint.wait,
        "write": lambda: checkpoint.write(tmp_path / "d.h5"),
        "save": lambda: checkpoint.save(tmp_path / "d"),
        "manager": manager.save,
    }
    with pytest.raises(FileNotFoundError, match="Could not write the checkpoint: No such file.*nowhere/c.h5"):
        calls[next_call]()
    assert os.listdir(tmp_path) == []
    calls[next_call]()
    checkpoint.wait()


def test_what_cannot_be_saved_is_refused_at_the_call(tmp_path):
    checkpoint = Checkpoint(v=Counter(x=object()))
    with pytest.raises(ValueError, match=r"v: Counter.get_state\(\): expected None"):
        checkpoint.save(tmp_path / "c", background=True)
    checkpoint.wait()
    assert int(checkpoint.save_counter) == 0


def test_a_manager_cleans_up_when_the_file_is_there(tmp_path):
    manager = CheckpointManager(Checkpoint(v=filled(3)), tmp_path, max_to_keep=2, best_to_keep=1)
    for loss in (1.0, 2.0, 3.0, 4.0, 5.0):
        manager.checkpoint.v.assign(np.full(3, loss))
        manager.save(loss, background=True)
    manager.checkpoint.wait()
    assert [path[-4] for path in manager.checkpoints] == ["1", "4", "5"]
    assert [load(path)[0] for path in manager.checkpoints] == [1, 4, 5]


def test_a_checkpoint_that_saves_is_copied_and_pickled_without_its_thread(tmp_path, gate):
    checkpoint = Checkpoint(v=filled(3), b=Box(w=filled(2)))
    checkpoint.write(tmp_path / "c.h5", background=True)
    for twin in (copy.deepcopy(checkpoint), pickle.loads(pickle.dumps(checkpoint))):
        twin.wait()
        assert twin.v.numpy().tolist() == [1, 2, 3]
    gate.opened.set()
    checkpoint.wait()


AT_EXIT = """
import sys
sys.path[:0] = {paths!r}
from eagerly.checkpoint import Checkpoint
from trackables import filled
for path in sys.argv[1:]:
    Checkpoint(v=filled(3)).write(path, background=True)
print("done")
"""


def test_a_program_that_ends_waits_for_its_file_and_tells_its_error(tmp_path):
    code = AT_EXIT.format(paths=[*filter(None, sys.path)])

    def run(*paths):
        return subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=False)

    done = run(tmp_path / "c.h5")
    assert (done.stdout, done.stderr) == ("done\n", "") and load(tmp_path / "c.h5") == [1, 2, 3]
    done = run(tmp_path / "nowhere" / "c.h5")
    assert done.stdout == "done\n" and "FileNotFoundError: [Errno 2] Could not write the checkpoint" in done.stderr
    done = run(tmp_path / "nowhere" / "c.h5", tmp_path / "d.h5", tmp_path / "there" / "e.h5")
    assert "checkpoints were not written: [Errno 2] Could not write" in done.stderr and load(tmp_path / "d.h5") == [
        1,
        2,
        3,
    ]
    assert "nowhere/c.h5" in done.stderr and "there/e.h5" in done.stderr


def test_an_interrupt_while_waiting_forgets_nothing(tmp_path, gate, monkeypatch):
    checkpoint = Checkpoint(v=filled(3))
    checkpoint.write(tmp_path / "nowhere" / "c.h5", background=True)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "join", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            checkpoint.wait()
    gate.opened.set()
    with pytest.raises(FileNotFoundError):
        checkpoint.wait()


def test_compiled_steps_leave_the_snapshot_alone(tmp_path, gate):
    """They write over the memory of variables that nobody else can see; a snapshot sees them."""
    model = Sequential([Dense(4, activation="relu"), BatchNormalization(), Dense(1)])
    model.compile("adam", "mse", jit_compile=True)
    x, y = np.random.default_rng(0).standard_normal((2, 32, 3)).astype(np.float32), np.ones((2, 32, 1), np.float32)
    model.fit(x[0], y[0], batch_size=16, verbose=0)
    before = [variable.numpy() for variable in (*model.weights, *model.optimizer.variables)]
    checkpoint = Checkpoint(model=model)
    path = checkpoint.write(tmp_path / "m.h5", background=True)
    assert gate.entered.wait(30)
    model.fit(x[1], y[1], batch_size=8, epochs=2, verbose=0)
    gate.opened.set()
    checkpoint.wait()
    after = [variable.numpy() for variable in (*model.weights, *model.optimizer.variables)]
    assert not all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    checkpoint.restore(path)
    for value, variable in zip(before, (*model.weights, *model.optimizer.variables), strict=True):
        assert value.tobytes() == variable.numpy().tobytes()
