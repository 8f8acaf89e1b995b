"""Kernels for this CPU and, on the same CPU, those for AVX2; a pool of every size; a cache of the tests' own."""

import pytest

from eagerly import kernels
from eagerly.kernels import convolution, depthwise, emitter, gemm, kernel_gradient, moves, philox, pool, pooling, rows


@pytest.fixture(params=["host", "avx2"])
def target(request, monkeypatch, tmp_path):
    """Code is made for the target and kept in a fresh cache."""
    monkeypatch.setenv("EAGERLY_CACHE_DIR", str(tmp_path))
    if request.param == "host":
        chosen = emitter.host()
        assert chosen.lanes, "these tests need a CPU with AVX2 or AVX-512"
    else:
        chosen = emitter.Target("haswell", "+avx2,+fma", 8, (6, 16))
    monkeypatch.setattr(emitter, "host", lambda: chosen)
    gemm._code.cache_clear()
    yield chosen
    gemm._code.cache_clear()


@pytest.fixture
def threads():
    """Changes the number of threads; the process's own is back afterwards."""
    before = pool.pool().threads
    yield pool.use
    pool.use(before)


@pytest.fixture(scope="session")
def compiled_once(tmp_path_factory):
    """A cache for all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def made(target, monkeypatch, compiled_once):
    """Launches are made for the target, all that are asked for."""
    drivers = convolution, depthwise, kernel_gradient, moves, philox, pooling, rows
    monkeypatch.setenv("EAGERLY_CACHE_DIR", str(compiled_once))
    monkeypatch.setattr(kernels, "_launches", {})
    monkeypatch.setattr(kernels, "failures", {})
    for driver in drivers:
        driver._code.cache_clear()
    yield
    for driver in drivers:
        driver._code.cache_clear()
    assert not kernels.failures
