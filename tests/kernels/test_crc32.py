"""The kernel of checksums gives those of zlib, for every length and beginning, with registers of every width."""

import dataclasses
import random
import zlib

import numpy as np
import pytest

from eagerly import kernels
from eagerly.kernels import crc32, emitter

FEATURES = {16: "+pclmul", 32: "+vpclmulqdq", 64: "+vpclmulqdq"}


@pytest.fixture(params=FEATURES)
def checksum(request, compiled_once, monkeypatch):
    """`crc32` with registers of one width, if this CPU has them."""
    width, host = request.param, emitter.host()
    if FEATURES[width] not in host.features.split(",") or width > 4 * host.lanes:
        pytest.skip("this CPU has no such registers")
    monkeypatch.setenv("EAGERLY_CACHE_DIR", str(compiled_once))
    monkeypatch.setattr(crc32, "_width", lambda: width)
    return crc32.launch()


def test_every_length_and_any_beginning(checksum):
    rng = random.Random(0)
    content = rng.randbytes(3000)
    for length in [*range(1100), 2047, 2048, 2049, 3000]:
        data, start = content[:length], rng.getrandbits(32)
        assert checksum(data, 0) == zlib.crc32(data)
        assert checksum(data, start) == zlib.crc32(data, start)


def test_a_whole_in_parts(checksum):
    rng = random.Random(1)
    content = rng.randbytes(2**20 + 77)
    found = place = 0
    while place < len(content):
        size = rng.randint(0, 100_000)
        found = checksum(memoryview(content)[place : place + size], found)
        place += size
    assert found == checksum(content) == zlib.crc32(content)


@pytest.mark.parametrize("value", [0, 255])
def test_bytes_that_are_all_the_same(value, checksum):
    content = np.full(100_003, value, np.uint8)
    assert checksum(content[3:]) == zlib.crc32(content[3:])


def test_a_cpu_without_carry_less_products_has_none(monkeypatch):
    host = dataclasses.replace(emitter.host(), features="-pclmul,+avx2")
    monkeypatch.setattr(emitter, "host", lambda: host)
    monkeypatch.setattr(kernels, "_launches", {})
    with pytest.raises(NotImplementedError, match="this CPU has no carry-less products"):
        crc32.launch()
    assert kernels.launch("crc32") is None
