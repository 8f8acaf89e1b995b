"""What goes wrong around kernels: forks, signals, few CPUs, many threads, no LLVM; processes stay usable."""

import hashlib
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from eagerly import Tensor, kernels, ops, random
from eagerly.kernels import emitter, philox, pool, pooling, processors, rows
from eagerly.ops import pools

X = np.random.default_rng(0).normal(size=(4, 20, 20, 30)).astype(np.float32)
INDEX = np.random.default_rng(1).integers(0, 30, 3000)


def everything():
    """What kernels of several kinds give, as bytes."""
    table = X.reshape(-1, 30)
    best, where = pools.max_pool_windows(X, window=(3, 3), strides=(2, 2), padding="same")
    back = pools.max_pool_gradient(best, where, space=(20, 20), window=(3, 3), strides=(2, 2), padding="same")
    taken = ops.take(Tensor(table), INDEX, axis=0).numpy()
    added = ops.scatter(INDEX[:, None], taken, table.shape).numpy()
    drawn = random.uniform((50, 70), seed=3).numpy()
    return [np.ascontiguousarray(y).tobytes() for y in (best, where, back, taken, added, drawn)]


def script(text, tmp_path, **environment):
    """Runs a program in a process of its own; gives its lines."""
    path = tmp_path / "program.py"
    path.write_text(text)
    done = subprocess.run(
        [sys.executable, str(path)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.path.dirname(__file__), **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


# --- threads and processes


def test_eight_threads_call_at_once(threads):
    threads(3)
    expected = everything()
    start, wrong = threading.Barrier(8, timeout=60), []

    def work():
        start.wait()
        wrong.extend(1 for _ in range(10) if everything() != expected)

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


PROCESSES = """
import hashlib, multiprocessing, sys, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads, which is what this is about
from test_faults import everything
from eagerly.kernels import pool

def child(queue):
    found = [hashlib.sha256(b"".join(everything())).hexdigest() for _ in range(3)]
    queue.put((found, pool.pool().threads))

if __name__ == "__main__":
    method = sys.argv[1] if len(sys.argv) > 1 else METHOD
    pool.use(3)
    expected = hashlib.sha256(b"".join(everything())).hexdigest()
    context, running = multiprocessing.get_context(method), True

    def work():
        while running:
            everything()

    worker = threading.Thread(target=work)
    worker.start()
    for _ in range(3 if method == "fork" else 1):
        queue = context.Queue()
        process = context.Process(target=child, args=(queue,))
        process.start()
        found, threads = queue.get(timeout=60)
        process.join()
        assert process.exitcode == 0 and found == [expected] * 3
        assert threads == 1 if method == "fork" else threads >= 1
    running = False
    worker.join()
    assert hashlib.sha256(b"".join(everything())).hexdigest() == expected and pool.pool().threads == 3
    print("done")
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_children_of_a_process_whose_kernels_run(method, tmp_path):
    assert script(PROCESSES.replace("METHOD", repr(method)), tmp_path) == ["done"]


FORKED_WHILE_COMPILING = """
import os, threading
from eagerly.kernels import cache, pool, pooling
pool.pool()
running = True

def work():
    while running:
        cache.compiled(pooling.module("average"), ("kernel",))

worker = threading.Thread(target=work)
worker.start()
for _ in range(5):
    child = os.fork()
    if not child:
        cache.compiled(pooling.module("average_back"), ("kernel",))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
running = False
worker.join()
print("done")
"""


def test_child_compiles_though_a_thread_was_compiling(tmp_path):
    assert script(FORKED_WHILE_COMPILING, tmp_path, EAGERLY_CACHE_DIR="/proc/none") == ["done"]


# --- few CPUs


ONE_CPU = """
import hashlib, os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from test_faults import everything
from eagerly.kernels import pool
print(hashlib.sha256(b"".join(everything())).hexdigest(), pool.pool().threads)
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_one_cpu_gives_the_same_bits(tmp_path):
    expected = hashlib.sha256(b"".join(everything())).hexdigest()
    assert script(ONE_CPU, tmp_path) == [f"{expected} 1"]


@pytest.fixture
def eight_cpus(monkeypatch, tmp_path, threads):
    """A machine with eight CPUs, and the folder of its cgroup."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    monkeypatch.setattr(processors, "CGROUP", tmp_path)
    return tmp_path


@pytest.mark.parametrize(("quota", "expected"), [("120000 100000", 2), ("20000 100000", 1), ("700000 200000", 4)])
def test_quota_below_the_cpus_sizes_the_pool(eight_cpus, monkeypatch, quota, expected):
    before = everything()
    (eight_cpus / "cpu.max").write_text(quota)
    owner = pool.use(processors.cpus())
    assert owner.threads == expected and everything() == before


@pytest.mark.parametrize("text", ["", "max", "a b", "100000", "100000 0", "-1 100000", "\0\0"])
def test_quota_that_cannot_be_read_is_none(eight_cpus, text):
    (eight_cpus / "cpu.max").write_text(text)
    assert processors.cpus() == 8


# --- signals


INTERRUPTED = """
import ctypes, os, signal, threading, time
import numpy as np
from test_faults import everything
from eagerly import kernels
from eagerly.kernels import pool

expected = everything()
pool.use(3)
size, window = 160, 40
count = size - window + 1
x = np.random.default_rng(0).normal(size=(1, size, size, 32)).astype(np.float32)
y, where = np.full((1, count, count, 32), -7, np.float32), np.zeros((1, count, count, 32), np.int32)
long = kernels.launch("pooling", "max", x.shape, (window, window), (1, 1), (0, 0), (count, count))
begin = time.perf_counter()
long(y, where, x)
took = time.perf_counter() - begin
for _ in range(3):
    y[:] = -7
    timer = threading.Timer(took / 5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        long(y, where, x)
        timer.join()
        time.sleep(5)
    except KeyboardInterrupt:
        print("interrupted", bool((y > -7).all()))  # the kernel came to its end
    timer.join()
    assert everything() == expected
    assert pool.pool().threads == 3 and pool.pool()._words[pool.LOCK] == 0
    assert pool.pool()._words[pool.REMAINING] == 0
"""


def test_interrupt_comes_after_the_kernel_and_leaves_all_usable(tmp_path):
    assert script(INTERRUPTED, tmp_path) == ["interrupted True"] * 3


def test_interrupted_compilation_is_made_up_for(monkeypatch, tmp_path):
    monkeypatch.setenv("EAGERLY_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(kernels, "_launches", {})
    monkeypatch.setattr(kernels, "failures", {})
    compile_module, calls = emitter.machine_code, []

    def interrupted(module):
        calls.append(module)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return compile_module(module)

    monkeypatch.setattr(emitter, "machine_code", interrupted)
    philox._code.cache_clear()
    with pytest.raises(KeyboardInterrupt):
        kernels.launch("philox", 7)
    assert not kernels.failures and not emitter.using_llvm._depths
    assert kernels.launch("philox", 7) is not None and len(calls) == 2


# --- no kernels


WITHOUT = """
import sys
sys.modules["llvmlite"] = None
import numpy as np
from eagerly import kernels, ops, random
x = np.random.default_rng(0).normal(size=(4, 20, 20, 30))
for _ in range(2):
    for pooled in (ops.max_pool, ops.average_pool):
        np.testing.assert_allclose(pooled(x.astype(np.float32), 2), pooled(x, 2), 1e-5, 1e-5)
    assert ops.take(x.astype(np.float32), np.zeros((60, 20), int), axis=0).shape == (60, 20, 20, 20, 30)
    assert random.uniform((50, 70), seed=3).shape == (50, 70)
print(sorted(kernels.failures))
print(*set(kernels.failures.values()))
"""


def composed():
    """Operations with kernels agree with themselves in float64, which has none."""
    for name, options in (("max_pool", {}), ("average_pool", {"strides": 2})):
        y = getattr(ops, name)(X, 3, padding="same", **options)
        np.testing.assert_allclose(
            y, getattr(ops, name)(X.astype(np.float64), 3, padding="same", **options), 1e-5, 1e-5
        )
    for _ in range(2):
        everything()


def test_without_llvm_compositions_run(tmp_path):
    names, reasons = script(WITHOUT, tmp_path)
    assert names == "['philox', 'pooling', 'rows']"
    assert reasons == "ModuleNotFoundError: import of llvmlite halted; None in sys.modules"


def test_kernels_that_fail_are_asked_for_once(monkeypatch, tmp_path):
    monkeypatch.setenv("EAGERLY_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(kernels, "_launches", {})
    monkeypatch.setattr(kernels, "failures", {})
    expected = everything()
    monkeypatch.setattr(kernels, "_launches", {})
    for driver in (philox, pooling, rows):
        driver._code.cache_clear()
    calls = []

    def fail(module):
        calls.append(module)
        raise RuntimeError("LLVM ERROR")

    monkeypatch.setattr(emitter, "machine_code", fail)
    composed()
    found = everything()
    assert kernels.failures == dict.fromkeys(("pooling", "rows", "philox"), "RuntimeError: LLVM ERROR")
    assert len(calls) == 3
    assert [found[i] for i in (0, 1, 3, 4, 5)] == [expected[i] for i in (0, 1, 3, 4, 5)]
    np.testing.assert_allclose(*(np.frombuffer(y[2], np.float32) for y in (found, expected)), rtol=1e-6)
