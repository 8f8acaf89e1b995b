"""The kernel of random bits gives those of the NumPy implementation, for every size, state and number of threads."""

import numpy as np
import pytest

from eagerly import kernels, ops, random
from eagerly.kernels import emitter, philox
from eagerly.ops import draws
from eagerly.tensor import AbstractTensor

STATES = [(0, 0), (2**64 - 1, 2**64 - 1), (2**63 + 12345, 2**40 + 7), (1, 2**32), (2**32, 1)]
pytestmark = pytest.mark.usefixtures("made")


def expected(state, size):
    blocks = np.arange(-(-size // 4), dtype=np.uint64)
    return draws.words(state, blocks).T.astype(np.uint32).reshape(-1)[:size]


@pytest.mark.parametrize("state", STATES)
def test_every_tail(state):
    state = np.array(state, np.uint64)
    edges = [4 * philox.BLOCKS + i for i in (-1, 0, 1)]
    for size in [*range(1, 140), *edges, 3 * edges[0] + 5]:
        bits = np.zeros(size + 1, np.uint32)
        kernels.launch("philox", size)(bits, state)
        np.testing.assert_array_equal(bits[:size], expected(state, size))
        assert bits[size] == 0


def test_same_bits_for_any_number_of_threads(threads):
    state = np.array(STATES[2], np.uint64)
    results = set()
    for number in (1, 2, 3, 7):
        threads(number)
        bits = np.empty(20 * philox.BLOCKS + 3, np.uint32)
        kernels.launch("philox", bits.size)(bits, state)
        results.add(bits.tobytes())
    assert len(results) == 1


@pytest.mark.parametrize("shape", [(), (3,), (50, 50), (2, 0), (1023,), (1024,), (7, 331, 3)])
def test_operation_and_its_rule_for_graphs(shape, monkeypatch):
    state = np.array(STATES[2], np.uint64)
    bits = draws.random_bits(state, shape=shape)
    launch = draws.random_bits.kernel_rule(AbstractTensor((2,), np.dtype(np.uint64)), shape=shape)
    result = np.empty(shape, np.uint32)
    launch(result, state)
    monkeypatch.setattr(kernels, "launch", lambda *key: None)
    for found in (bits, result):
        assert (found.shape, found.dtype) == (shape, np.uint32)
        np.testing.assert_array_equal(found, draws.random_bits(state, shape=shape))


def test_dropout_and_normal_numbers_are_the_same_without_the_kernel(monkeypatch):
    x = ops.ones((70, 80))
    drawn = [random.dropout(x, 0.3, seed=5), random.normal((60, 50), seed=6)]
    monkeypatch.setattr(kernels, "launch", lambda *key: None)
    again = [random.dropout(x, 0.3, seed=5), random.normal((60, 50), seed=6)]
    for one, other in zip(drawn, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_products_take_the_quick_instruction(target):
    assert "vpmuludq" in emitter.assembly(philox.module()) and "vpmullq" not in emitter.assembly(philox.module())
