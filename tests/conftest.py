"""What holds for every test: random streams start from one seed, and no scope is left open."""

import pytest

import eagerly.random
from eagerly.context import context

SEED = 20240229


@pytest.fixture(autouse=True)
def random_streams():
    """Every test draws the same numbers, whatever ran before it."""
    eagerly.random.set_seed(SEED)


@pytest.fixture(autouse=True)
def sealed_context():
    """A test that leaves a scope open fails, and the next one starts clean all the same."""
    yield
    left = dict(vars(context))
    clean = context.is_clean()
    context.__init__()
    assert clean, f"the test left a scope open: {left}"
