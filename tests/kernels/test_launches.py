"""Native code takes operands from array objects: it knows how they are laid out, and refuses what is no such array."""

import numpy as np
import pytest

from eagerly import kernels
from eagerly.kernels import headers, launches


def floats(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def test_arrays_are_laid_out_as_native_code_reads_them(monkeypatch):
    headers.verify()
    for name in ("TYPE", "DATA", "FLAGS"):
        with monkeypatch.context() as patch:
            patch.setattr(headers, name, getattr(headers, name) + 8)
            with pytest.raises(NotImplementedError, match="laid out in another way"):
                headers.verify()
    monkeypatch.setattr(headers.sys, "implementation", type("other", (), {"name": "other"}))
    with pytest.raises(NotImplementedError, match="64-bit CPython"):
        headers.verify()


def test_without_that_layout_there_are_no_kernels(monkeypatch):
    monkeypatch.setattr(kernels, "failures", {})
    monkeypatch.setattr(kernels, "_launches", {})
    monkeypatch.setattr(headers, "DATA", headers.DATA + 8)
    assert kernels.launch("gemm", 64, 64, 64, (64, 1), (64, 1)) is None
    assert "laid out in another way" in kernels.failures["gemm"]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_launch_refuses_what_is_no_array(place):
    operands = [np.empty((8, 8), np.float32), floats(8, 8), floats(8, 8)]
    launch = kernels.launch("gemm", 8, 8, 8, (8, 1), (8, 1))
    launch(*operands)
    np.testing.assert_allclose(operands[0], operands[1] @ operands[2], rtol=1e-5, atol=1e-6)
    operands[place] = operands[place].tolist()
    with pytest.raises(TypeError, match="expected arrays as operands of a kernel, got "):
        launch(*operands)


def test_a_table_names_the_operand_that_will_not_do():
    launch = kernels.launch("gemm", 8, 8, 8, (8, 1), (8, 1))
    block = np.array([*[0] * 4, *launch.words], np.int64)
    flags = headers.TO_FILL, headers.IN_ORDER, headers.IN_ORDER
    places = [(i, block.ctypes.data + 8 * i, 0, flag) for i, flag in enumerate(flags)]
    entry = np.array([launch.address, block.ctypes.data], np.int64)
    scratch = np.empty(launch.scratch + 64, np.uint8)
    block[3] = -(-scratch.ctypes.data // 64) * 64
    table = launches.Table(entry, np.array(places, np.int64), 3)
    y, a, b = np.zeros((8, 8), np.float32), floats(8, 8), floats(8, 8)
    locked, part = np.zeros((8, 8), np.float32), np.zeros((9, 8), np.float32)[1:]
    locked.flags.writeable = False
    for operands, wrong in (
        ((y, a.T, b), 1),
        ((y, a, np.float32(3)), 2),
        ((y, a, b.view(np.matrix)), 2),
        ((locked, a, b), 0),
        ((part, a, b), 0),
    ):
        assert table.run([*map(id, operands)], 0, 1) == wrong
        assert not y.any() and not locked.any() and not part.any()
    assert table.run([*map(id, (y, a, b))], 0, 1) == -1
    np.testing.assert_allclose(y, a @ b, rtol=1e-5, atol=1e-6)
