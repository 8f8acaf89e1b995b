"""Nested structures: flatten and pack are inverse, dictionaries line up, and differences are named."""

import collections
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eagerly import nest
from eagerly.tensor import Tensor

Point = collections.namedtuple("Point", "x y")
LEAVES = st.none() | st.integers() | st.text(max_size=2)
STRUCTURES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.integers() | st.text(max_size=2), inner, max_size=3)
        | st.builds(Point, inner, inner)
    ),
    max_leaves=8,
)


def refused(message):
    return pytest.raises(ValueError, match=re.escape(message))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(STRUCTURES)
def test_pack_is_the_inverse_of_flatten(structure):
    leaves = nest.flatten(structure)
    packed = nest.pack(structure, leaves)
    assert packed == structure and type(packed) is type(structure)
    renamed = nest.pack(structure, range(len(leaves)))
    assert nest.flatten(renamed) == list(range(len(leaves)))
    nest.assert_same(structure, renamed)
    for count in (len(leaves) - 1, len(leaves) + 1):
        if count >= 0:
            with refused(f"pack: expected {len(leaves)} leaves for {structure!r}, got {count}."):
                nest.pack(structure, [0] * count)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(STRUCTURES)
def test_map_structure(structure):
    def show(leaf, *others):
        assert all(leaf is other for other in others)
        return repr(leaf)

    expected = [repr(leaf) for leaf in nest.flatten(structure)]
    assert nest.flatten(nest.map_structure(show, structure)) == expected
    assert nest.flatten(nest.map_structure(show, structure, structure, structure)) == expected


def test_what_is_nested():
    for value in ((), [], {}, Point(1, 2), collections.OrderedDict()):
        assert nest.is_nested(value)
    for value in (None, "ab", 1, np.zeros(2), Tensor([1.0]), {1, 2}, range(3)):
        assert not nest.is_nested(value)
        assert nest.flatten(value) == [value] or isinstance(value, (np.ndarray, Tensor))


def test_types_and_orders_are_kept():
    ordered = collections.OrderedDict([("b", 1), ("a", Point([2], 3))])
    packed = nest.pack(ordered, [10, 20, 30])
    assert type(packed) is collections.OrderedDict and list(packed) == ["b", "a"]
    assert packed == {"b": 30, "a": Point([10], 20)} and type(packed["a"]) is Point
    lists = collections.defaultdict(list, {"a": 1})
    packed = nest.pack(lists, [5])
    assert packed == {"a": 5} and packed["new"] == [] and lists == {"a": 1}


def test_dictionaries_line_up_whatever_the_order_of_insertion():
    assert nest.flatten({"b": 1, "a": 2}) == nest.flatten({"a": 2, "b": 1}) == [2, 1]
    mixed, other = {1: "one", "a": "letter"}, {"a": "letter", 1: "one"}
    assert nest.flatten(mixed) == nest.flatten(other)
    nest.assert_same(mixed, other)
    assert nest.map_structure(lambda a, b: a == b, mixed, other) == {1: True, "a": True}


def test_map_structure_on_leaves():
    assert nest.map_structure(lambda a: a + 1, 1) == 2
    assert nest.map_structure(lambda a, b: a + b, 1, 2) == 3
    with refused("The structures differ: expected int, got list."):
        nest.map_structure(lambda a, b: a, 1, [1])


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ([1], 1, "The structures differ: expected list, got int."),
        ({"a": 1}, [1], "The structures differ: expected dict, got list."),
        ({"a": [1, 2]}, {"a": [1]}, "The structures differ at ['a']: expected the keys [0, 1], got [0]."),
        ({"a": 1}, {"b": 1}, "The structures differ: expected the keys ['a'], got ['b']."),
        ([{"k": (1, 2)}], [{"k": (1, [2])}], "The structures differ at [0]['k'][1]: expected int, got list."),
    ],
)
def test_the_first_difference_is_named(first, second, message):
    with refused(message):
        nest.assert_same(first, second)


def test_lists_tuples_and_leaves_of_any_kind_are_the_same_structure():
    nest.assert_same([1, (2, None)], (np.zeros(3), ["x", Tensor(1)]))


def test_paths_lead_to_the_leaves():
    structure = {"b": (1, [2]), "a": {"c": None}, 3: []}
    assert nest.paths(structure) == ["['a']['c']", "['b'][0]", "['b'][1][0]"]
    assert nest.paths(7) == [""] and nest.paths(()) == []
    for path, leaf in zip(nest.paths(structure), nest.flatten(structure), strict=True):
        assert eval(f"structure{path}") == leaf
