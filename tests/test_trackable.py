"""Trackables: what is a child, by which name, and what a restore may set."""

import collections
import re

import numpy as np
import pytest

from eagerly.tensor import Tensor
from eagerly.trackable import Trackable, all_variables, attributes, container_items, direct_children, holds_trackable
from eagerly.variable import Variable

Both = collections.namedtuple("Both", "left right")


class Node(Trackable):
    def __init__(self, **attributes):
        for name, value in attributes.items():
            setattr(self, name, value)


def ids(items):
    return sorted(map(id, items))


PLAIN = [
    None,
    True,
    1,
    1.5,
    "a",
    b"b",
    Tensor([1.0]),
    np.zeros(2),
    int,
    len,
    lambda: 0,
    [],
    {},
    [1, "a"],
    {"k": (1,)},
    {1},
]


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: type(value).__name__)
def test_plain_values_are_no_children(value):
    assert not holds_trackable(value)
    assert Node(attribute=value).children() == {}


def test_every_attribute_that_holds_state_is_a_child_whatever_its_name():
    v = Variable(1.0)
    values = {
        "variable": v,
        "_private": Node(),
        "__odd": [v],
        "deep": {"a": [1, (2, {"b": Node()})]},
        "tuple_": (v, 1),
        "both": Both(1, v),
    }
    node = Node(**values, plain=3, text="x", numbers=[1, 2])
    assert node.children() == values
    assert list(node.children()) == list(values)


def test_children_are_read_at_the_moment_of_asking():
    node = Node(items=[])
    assert node.children() == {}
    node.items.append(Variable(1.0))
    assert list(node.children()) == ["items"]
    node.items.clear()
    node.late = Node()
    assert list(node.children()) == ["late"]
    del node.late
    assert node.children() == {}


def test_bookkeeping_opts_out():
    class Quiet(Node):
        _untracked = Trackable._untracked | {"cache"}

    quiet = Quiet(cache=Variable(1.0), kept=Variable(2.0))
    assert list(quiet.children()) == ["kept"]


class Slotted(Trackable):
    __slots__ = ("__odd", "quiet", "unset", "w")
    _untracked = Trackable._untracked | {"quiet"}

    def __init__(self):
        self.plain, self.v, self.w, self.__odd, self.quiet = 3, Variable(1.0), Variable(2.0), [Node()], Variable(0.0)


class MoreSlots(Slotted):
    __slots__ = "more"


def test_attributes_in_slots_are_children_like_others():
    first, second = Slotted(), MoreSlots()
    assert first.children() == {"v": first.v, "w": first.w, "_Slotted__odd": first._Slotted__odd}
    second.more = {"a": Variable(4.0)}
    assert set(second.children()) == {"v", "w", "_Slotted__odd", "more"}
    assert len(all_variables(first)) == 2 and len(all_variables(second)) == 3
    assert attributes(first).keys() == {"plain", "v", "w", "_Slotted__odd", "quiet"}
    del first.w
    assert set(first.children()) == {"v", "_Slotted__odd"}
    assert attributes(node := Node(a=1)) is vars(node)


def test_container_items():
    v, w = Variable(1.0), Variable(2.0)
    assert container_items([1, v, [w], "x"]) == {1: v, 2: [w]}
    assert container_items((v,)) == {0: v}
    assert container_items({"a": v, "b": 2, 3: {"c": w}}) == {"a": v, 3: {"c": w}}


def test_direct_children_opens_containers_and_gives_each_once():
    v, w = Variable(1.0), Variable(2.0)
    shared = [v, v]
    inner = Node(hidden=Variable(3.0))
    node = Node(a=v, b=shared, c=shared, d={"x": (w, [inner])}, e=inner)
    assert ids(direct_children(node)) == ids([v, w, inner])
    assert list(direct_children(Node())) == []


def test_all_variables_through_cycles_and_shared_parts():
    v, w, u = Variable(1.0), Variable(2.0), Variable(3.0)
    first, second = Node(v=v, again=[v]), Node(w=w)
    first.friend, second.friend, second.list = second, first, [{"u": u}, first]
    assert ids(all_variables(first)) == ids(all_variables(second)) == ids([v, w, u])
    first.me = first
    assert ids(all_variables(first)) == ids([v, w, u])


def test_equal_variables_are_different_children():
    node = Node(a=Variable(1.0), b=Variable(1.0))
    assert len(all_variables(node)) == len(list(direct_children(node))) == 2


def test_plain_state_needs_both_hooks():
    class Counter(Trackable):
        steps = 0

        def get_state(self):
            return {"steps": self.steps}

        def set_state(self, state):
            self.steps = state["steps"]

    assert Node().get_state() is None
    counter, other = Counter(), Counter()
    counter.steps = 3
    other.set_state(counter.get_state())
    assert other.steps == 3 and counter.children() == {}
    message = "Node: expected no state, got {'steps': 3}. Define set_state beside get_state."
    with pytest.raises(ValueError, match=re.escape(message)):
        Node().set_state({"steps": 3})


def test_the_defaults_of_the_hooks():
    assert Node().bound_children() == []
    assert Node().may_grow("anything") is False


def test_pending_values_are_offered_to_every_new_attribute():
    class Pending:
        def __init__(self):
            self.seen = []

        def resolve(self, owner):
            self.seen.append(sorted(owner.children()))

    node, pending = Node(), Pending()
    node.before = Variable(0.0)
    node.resolve_pending()
    node._pending = pending
    node.after = Variable(1.0)
    node.plain = 3
    assert pending.seen[-2:] == [["after", "before"]] * 2
    assert "_pending" not in node.children()
    del node._pending
    node.more = Variable(2.0)
    assert ["after", "before", "more"] not in pending.seen
