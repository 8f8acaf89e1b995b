"""Where a kernel answers and where it leaves the work to the composition; the operations agree either way."""

import subprocess
import sys

import numpy as np
import pytest

from eagerly import GradientTape, Tensor, kernels, ops
from eagerly.kernels import activations, emitter


@pytest.fixture
def unmade(monkeypatch):
    """No kernel is ready yet."""
    monkeypatch.setattr(kernels, "_ready", {})
    monkeypatch.setattr(kernels, "failures", {})


def floats(*shape, dtype=np.float32):
    return np.random.default_rng(0).normal(size=shape).astype(dtype)


@pytest.mark.parametrize("name", ["exp", "sigmoid", "erf"])
def test_elementwise_that_is_answered_or_left(name):
    x = floats(300, 300)
    assert kernels.elementwise(name, x).shape == x.shape
    packed = np.zeros(x.size, np.dtype([("byte", "i1"), ("x", "f4")]))
    for other in [x[:10, :10], x.astype(np.float64), x.T, packed["x"], 1.0, x.astype(">f4")]:
        assert kernels.elementwise(name, other) is None


def test_product_that_is_answered_or_left():
    a, b = floats(70, 80), floats(80, 90)
    batch = floats(3, 1, 70, 80)
    for left, right in [
        (a, b),
        (a.copy("F"), b),
        (a, floats(90, 80).T),
        (batch, floats(2, 80, 90)),
        (a, floats(5, 80, 90)),
    ]:
        np.testing.assert_allclose(kernels.product(left, right), left @ right, rtol=1e-4, atol=1e-4)
    for left, right in [(a[:1], floats(80, 300)), (floats(300, 80), b[:, :1])]:
        np.testing.assert_allclose(kernels.product(left, right), left @ right, rtol=1e-4, atol=1e-4)
    packed = np.zeros((70, 80), np.dtype([("byte", "i1"), ("x", "f4")]))["x"]
    for other in [a[:10, :], a.astype(np.float64), a[0], packed, a.astype(">f4"), a[:, :70], a[:0], Tensor(a), 1.0]:
        assert kernels.product(other, b) is None


def test_products_that_are_wrong_are_explained():
    with pytest.raises(ValueError, match="matmul: "):
        ops.matmul(floats(300, 70), floats(80, 300))
    with pytest.raises(ValueError, match="matmul: "):
        ops.matmul(floats(3, 300, 80), floats(2, 80, 300))


def test_training_step_with_kernels_equals_one_without(monkeypatch):
    x, w = floats(256, 256), floats(256, 256)

    def step():
        a, b = Tensor(x), Tensor(w)
        with GradientTape() as tape:
            tape.watch([a, b])
            loss = ops.mean(ops.sigmoid(ops.matmul(a, b)) * ops.erf(a))
        return loss, *tape.gradient(loss, [a, b])

    with_kernels = step()
    monkeypatch.setattr(kernels, "elementwise", lambda name, x: None)
    monkeypatch.setattr(kernels, "product", lambda a, b: None)
    for one, other in zip(with_kernels, step(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-7)


def test_kernel_that_does_not_compile_is_done_without(unmade, monkeypatch, tmp_path):
    monkeypatch.setenv("EAGERLY_CACHE_DIR", str(tmp_path))
    calls = []

    def fail(module):
        calls.append(module)
        raise RuntimeError("LLVM ERROR")

    monkeypatch.setattr(emitter, "machine_code", fail)
    monkeypatch.setattr("eagerly.kernels.activations.erf._compiled", {})
    x = floats(200, 200)
    for _ in range(2):
        np.testing.assert_allclose(ops.erf(x), np.asarray(ops.erf(x.astype(np.float64))), rtol=1e-6)
    assert kernels.failures == {"erf": "RuntimeError: LLVM ERROR"}
    assert len(calls) == 1


def test_cpu_without_kernels_is_done_without(unmade, monkeypatch):
    monkeypatch.setattr(emitter, "host", lambda: emitter.target_for("generic", {}))
    assert kernels.elementwise("sigmoid", floats(200, 200)) is None
    assert kernels.failures == {"sigmoid": "NotImplementedError: no kernels are made for this CPU"}


def test_system_without_posix_threads_is_done_without(unmade, monkeypatch):
    monkeypatch.setattr(kernels.os, "name", "nt")
    assert kernels.elementwise("sigmoid", floats(200, 200)) is None
    assert kernels.failures == {"sigmoid": "NotImplementedError: the thread pool is made of POSIX threads"}


class Features(dict):
    def flatten(self):
        return ",".join(f"+{name}" for name in self)


@pytest.mark.parametrize(
    "names, lanes",
    [
        (["avx512f", "avx512vl", "avx512dq", "avx2", "fma"], 16),
        (["avx512f", "avx2", "fma"], 8),
        (["avx2"], 0),
        (["neon"], 0),
    ],
)
def test_target_follows_the_features(names, lanes):
    assert emitter.target_for("cpu", Features(dict.fromkeys(names, True))).lanes == lanes


def test_assembly_holds_the_vectors(target):
    kernel = activations.sigmoid
    register = "zmm" if target.lanes == 16 else "ymm"
    assert f"%{register}" in emitter.assembly(kernel.module("f"))


WITHOUT = """
import sys
sys.modules["llvmlite"] = None
import numpy as np
from eagerly import kernels, ops
x = np.ones((300, 300), np.float32)
assert ops.sigmoid(x).shape == ops.exp(x).shape == ops.matmul(x, x).shape == (300, 300)
print(sorted(kernels.failures))
"""


def test_without_llvmlite_compositions_run():
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("['exp', 'gemm', 'sigmoid']\n", "")
