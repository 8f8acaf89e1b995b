"""Kernels that a plan needs are compiled by other threads while it asks for the rest; nothing else is different."""

import sys
import threading

import numpy as np
import pytest

from eagerly import function, kernels, ops
from eagerly.kernels import crew, emitter, loops, pool, pooling

X = np.linspace(-2, 2, 3000, dtype=np.float32).reshape(30, 100)


@pytest.fixture
def cold(tmp_path, monkeypatch):
    """No code in memory or on the disk, and at least two threads; gives (module, thread) of each compilation."""
    before = pool.pool().threads
    pool.use(2)
    monkeypatch.setenv("EAGERLY_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(kernels, "_launches", {})
    monkeypatch.setattr(kernels, "failures", {})
    loops.code.cache_clear()
    made = []
    compile_module = emitter.machine_code

    def compiled(module, target=None):
        made.append((module, threading.current_thread().name))
        return compile_module(module, target)

    monkeypatch.setattr(emitter, "machine_code", compiled)
    yield made
    loops.code.cache_clear()
    pool.use(before)


def several(x):
    """Four kernels, one of them twice."""
    rows = ops.sum(ops.exp(x), axis=1)
    again = ops.sum(ops.exp(x * 3), axis=1)
    return rows, again, ops.max(ops.sqrt(ops.abs(x)), axis=0), ops.matmul(x, ops.transpose(x))


def values(results):
    return [result.numpy().tobytes() for result in results]


def test_kernels_are_compiled_elsewhere_and_once_each(cold):
    turn, threads = sys.getswitchinterval(), threading.active_count()
    first = values(function(several)(X))
    of_loops = [thread for module, thread in cold if module.name.startswith("loop")]
    assert len(of_loops) >= 3 and all(name.startswith("eagerly compiler") for name in of_loops)
    assert len({str(module) for module, _ in cold}) == len(cold)
    assert not kernels.failures
    assert (sys.getswitchinterval(), threading.active_count()) == (turn, threads)
    count = len(cold)
    kernels._launches.clear()
    loops.code.cache_clear()
    assert values(function(several)(X)) == first  # from the disk
    assert len(cold) == count


def test_same_graph_with_and_without_other_threads(cold, monkeypatch):
    fn = function(several)
    plan = fn.graph(X)
    first = values(fn(X))
    kernels._launches.clear()
    loops.code.cache_clear()
    pool.use(1)
    monkeypatch.setenv("EAGERLY_CACHE_DIR", "/proc/none")
    cold.clear()
    alone = function(several)
    assert values(alone(X)) == first and str(alone.graph(X)) == str(plan)
    assert cold and not any(name.startswith("eagerly compiler") for _, name in cold)


def test_kernel_that_fails_elsewhere_has_its_composition(cold, monkeypatch):
    compile_module = emitter.machine_code

    def failing(module, target=None):
        if module.name == "loop_columns":
            raise RuntimeError("no such instruction")
        return compile_module(module, target)

    monkeypatch.setattr(emitter, "machine_code", failing)
    results = function(several)(X)
    assert kernels.failures == {"loops": "RuntimeError: no such instruction"}
    np.testing.assert_allclose(results[2].numpy(), np.sqrt(np.abs(X)).max(0), rtol=1e-6)
    np.testing.assert_allclose(results[0].numpy(), np.exp(X).sum(1), rtol=1e-5)


def test_interrupted_block_leaves_nothing_behind(cold):
    turn, threads = sys.getswitchinterval(), threading.active_count()
    with pytest.raises(KeyboardInterrupt), kernels.ahead():
        pooling._code.cache_clear()
        with pytest.raises(kernels.NotYet):
            kernels.launch("pooling", "max", (1, 8, 8, 4), (2, 2), (2, 2), (0, 0), (4, 4))
        raise KeyboardInterrupt
    assert (sys.getswitchinterval(), threading.active_count()) == (turn, threads)
    assert crew.here.crew is None and not kernels.failures


def test_one_thread_at_a_time_has_a_crew(cold):
    found = []

    def other():
        with kernels.ahead() as wait:
            found.append((getattr(crew.here, "crew", None), wait()))

    with kernels.ahead() as wait:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert crew.here.crew is not None and not wait()
    assert found == [(None, False)]
