"""The thread pool: really parallel, re-entrant, alive after a fork, ended at exit, sized by what it may use."""

import ctypes
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from eagerly.kernels import activations, emitter, pool, processors
from eagerly.kernels.cache import compiled

TASK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)


def address(function):
    return ctypes.cast(function, ctypes.c_void_p).value


def run(owner, function, tasks):
    """Runs a Python function as the pool's task."""
    signature = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64)
    signature(owner._words[pool.RUN])(owner.address, address(function), None, tasks)


@pytest.mark.parametrize("number", [1, 2, 3, 7])
def test_each_task_runs_once(threads, number):
    owner = threads(number)
    for tasks in (0, 1, 2, 3, 50):
        seen = []
        run(owner, TASK(lambda _, task, seen=seen: seen.append(task)), tasks)
        assert sorted(seen) == list(range(tasks))


def test_tasks_run_at_the_same_time(threads):
    owner = threads(3)
    meeting = threading.Barrier(3, timeout=60)
    for _ in range(20):
        run(owner, TASK(lambda _, task: meeting.wait()), 3)
    assert not meeting.broken


def test_sleeping_workers_wake(threads):
    owner = threads(2)
    meeting = threading.Barrier(2, timeout=60)
    while not owner._words[pool.SLEEPERS]:
        pass
    run(owner, TASK(lambda _, task: meeting.wait()), 2)
    assert not meeting.broken


def test_a_task_may_use_the_pool(threads):
    owner = threads(2)
    seen = []
    inner = TASK(lambda _, task: seen.append(task))
    run(owner, TASK(lambda _, task: run(owner, inner, 3)), 4)
    assert sorted(seen) == sorted([0, 1, 2] * 4)


def test_many_threads_call_at_once(threads):
    threads(2)
    rng = np.random.default_rng(0)
    a = rng.normal(size=(400, 400)).astype(np.float32)
    expected = activations.sigmoid(a).tobytes()
    wrong = []

    def work():
        wrong.extend(1 for _ in range(30) if activations.sigmoid(a).tobytes() != expected)

    workers = [threading.Thread(target=work) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_stopped_pool_runs_alone(threads):
    owner = pool.Pool(3)
    owner.stop()
    owner.stop()
    seen = []
    run(owner, TASK(lambda _, task: seen.append(threading.get_ident())), 5)
    assert set(seen) == {threading.get_ident()}


def test_pool_without_threads_to_be_had(monkeypatch):
    def start(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    owner = pool.Pool(4)
    seen = []
    run(owner, TASK(lambda _, task: seen.append(task)), 5)
    assert sorted(seen) == list(range(5))
    owner.stop()


@pytest.mark.parametrize(
    "files, limit",
    [
        ({}, None),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
    ],
)
def test_size_follows_the_quota(tmp_path, monkeypatch, files, limit):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert processors.cpus(tmp_path) == (limit or 8)


def test_size_follows_the_affinity(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3})
    assert processors.cpus(tmp_path) == 1


AFTER_FORK = """
import os, sys
import numpy as np
from eagerly.kernels import activations, pool
pool.use(3)
a = np.linspace(-9, 9, 160000, dtype=np.float32)
expected = activations.sigmoid(a).tobytes()
child = os.fork()
if not child:
    os._exit(0 if activations.sigmoid(a).tobytes() == expected and pool.pool().threads == 1 else 1)
assert os.waitpid(child, 0)[1] == 0
assert activations.sigmoid(a).tobytes() == expected and pool.pool().threads == 3
print("done")
"""


def test_forked_child_works_and_the_process_ends():
    done = subprocess.run([sys.executable, "-c", AFTER_FORK], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.returncode) == ("done\n", 0), done.stderr


AT_EXIT = """
import atexit
import numpy as np
a = np.zeros(100000, np.float32)
def late():
    print(activations.sigmoid(a)[0], [thread.name for thread in threading.enumerate()])
atexit.register(late)
import threading
from eagerly.kernels import activations, pool
pool.use(3)
activations.sigmoid(a)
"""


def test_kernel_called_at_exit_finds_no_workers_left():
    done = subprocess.run([sys.executable, "-c", AT_EXIT], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr, done.returncode) == ("0.5 ['MainThread']\n", "", 0)


def test_emitted_task_sees_its_argument(threads):
    owner = threads(2)
    module = emitter.new_module("counting")
    emit = emitter.Emitter(module, "task", [emitter.POINTER, emitter.I64])
    where = emit.at(*emit.args, emitter.I64)
    emit.build.store(emit.build.add(emit.build.load(where, typ=emitter.I64), emit.args[1]), where)
    emit.finish()
    (task,) = compiled(module, ("task",))
    numbers = np.zeros(100, np.int64)
    signature = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64)
    for _ in range(200):
        signature(owner._words[pool.RUN])(owner.address, task, numbers.ctypes.data, 100)
    assert (numbers == 200 * np.arange(100)).all()
