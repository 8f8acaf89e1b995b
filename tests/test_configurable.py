"""Captured configuration: what is remembered, how it is written down, and how names are looked up."""

import copy
import gc
import json
import pickle
import re
import weakref

import numpy as np
import pytest

from eagerly import configurable
from eagerly.configurable import Configurable, aliased, known_names, resolve, serialize, snake_case
from eagerly.tensor import Tensor
from eagerly.variable import Variable


class Plain(Configurable):
    pass


class Pair(Configurable):
    def __init__(self, first, second=2, *, third=None):
        self.total = first + second


class Open(Pair):
    def __init__(self, first, **kwargs):
        super().__init__(first)
        self.more = kwargs


class Many(Configurable):
    def __init__(self, *items, flag=False):
        self.items = items


class Holder(Configurable):
    def __init__(self, content):
        self.content = content


class Renamed(Configurable):
    def __init__(this, size, self=0):
        this.size = size


class Bare(Configurable):
    def __init__(*arguments):
        pass


def double(x):
    return 2 * x


KNOWN = {"Pair": Pair, "pair": Pair, "Plain": Plain, "double": double, "halves": Pair(1, 1)}


def refused(message, kind=ValueError):
    return pytest.raises(kind, match=re.escape(message))


# What is captured.


def test_the_instance_is_no_argument_whatever_its_name():
    assert Renamed(3).get_config() == {"size": 3, "self": 0}
    assert repr(Renamed(3)) == "Renamed(size=3)" and repr(Renamed(3, self=1)) == "Renamed(size=3, self=1)"
    assert Bare().get_config() == {} and repr(Bare()) == "Bare()"


def test_arguments_are_captured_with_their_defaults():
    assert Pair(1).get_config() == {"first": 1, "second": 2, "third": None}
    assert Pair(second=5, first=1, third="x").get_config() == {"first": 1, "second": 5, "third": "x"}
    assert Plain().get_config() == {}
    assert Many().get_config() == {"flag": False}
    assert Open(1, rate=0.5).get_config() == {"first": 1, "rate": 0.5}


def test_the_constructor_of_the_class_that_was_called_counts():
    class Deeper(Pair):
        def __init__(self, only):
            super().__init__(only, 10, third=3)

    assert Deeper(7).get_config() == {"only": 7}
    assert Deeper.from_config({"only": 7}).total == 17


def test_from_config():
    for instance in (Pair(1, 5), Plain(), Many(flag=True), Open(1, rate=0.5)):
        twin = type(instance).from_config(json.loads(json.dumps(instance.get_config())))
        assert type(twin) is type(instance) and twin.get_config() == instance.get_config()
    assert Pair.from_config({"first": 1}).total == 3


def test_bad_arguments_are_refused_by_the_constructor():
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'first'"):
        Pair()
    with pytest.raises(TypeError, match="unexpected keyword argument 'fourth'"):
        Pair(1, fourth=4)
    with refused("Plain: expected no arguments, got [1, 'x'].", TypeError):
        Plain(1, key="x")


def test_many_positional_arguments_need_a_config_written_by_hand():
    with refused("Many: expected a get_config() of its own, because the constructor takes *items."):
        Many(1, 2).get_config()


def test_later_changes_do_not_reach_the_config():
    items, table, array = [1, [2]], {"a": [3]}, np.array([4.0])
    holders = [Holder(items), Holder(table), Holder(array), Holder((items, table))]
    before = [holder.get_config() for holder in holders]
    items[1].append(9)
    items.append(9)
    table["a"].append(9)
    array[:] = 9
    assert [holder.get_config() for holder in holders] == before
    assert holders[0].content is items  # the constructor got the object itself
    before[0]["content"].append("mine")
    assert holders[0].get_config() == {"content": [1, [2]]}


def test_an_object_that_is_no_longer_used_is_freed_at_once():
    gc.disable()
    try:
        instance = Pair(1)
        gone = weakref.ref(instance)
        del instance
        assert gone() is None
    finally:
        gc.enable()


def test_copies_keep_the_config():
    instance = Pair(1, third=[2])
    for twin in (copy.copy(instance), copy.deepcopy(instance), pickle.loads(pickle.dumps(instance))):
        assert twin.get_config() == instance.get_config() and twin.total == 3


def test_repr_shows_what_differs_from_the_defaults():
    assert repr(Pair(1)) == "Pair(first=1)"
    assert repr(Pair(1, 2, third=[3])) == "Pair(first=1, third=[3])"
    assert repr(Open(1, rate=0.5)) == "Open(first=1, rate=0.5)"
    assert repr(Plain()) == "Plain()"
    assert repr(Many(1, 2)) == "Many(items=(1, 2))"
    assert repr(Many()) == "Many()"
    assert repr(Holder(np.arange(2))) == "Holder(content=array([0, 1]))"


# How it is written down.


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1, 1),
        ("a", "a"),
        (None, None),
        ((1, (2,)), [1, [2]]),
        ({"a": (1,)}, {"a": [1]}),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.dtype("float16"), "float16"),
        (np.array([[1, 2]]), [[1, 2]]),
        (Tensor([1.0, 2.0]), [1.0, 2.0]),
        (Variable([1.0]), [1.0]),
        (double, "double"),
        (Pair, "Pair"),
        (Pair(1), {"class_name": "Pair", "config": {"first": 1, "second": 2, "third": None}}),
        ([Plain()], [{"class_name": "Plain", "config": {}}]),
    ],
)
def test_serialize(value, written):
    assert serialize(value) == written
    assert json.loads(json.dumps(serialize(value))) == written
    assert Holder(value).get_config() == {"content": written}


# Names.


@pytest.mark.parametrize(
    ("name", "snake"),
    [
        ("Dense", "dense"),
        ("Conv2D", "conv2d"),
        ("Conv2DTranspose", "conv2d_transpose"),
        ("MaxPooling2D", "max_pooling2d"),
        ("BatchNormalization", "batch_normalization"),
        ("LSTM", "lstm"),
        ("LeakyReLU", "leaky_re_lu"),
        ("ConvLSTM2D", "conv_lstm2d"),
        ("L1L2", "l1l2"),
        ("already_snake", "already_snake"),
    ],
)
def test_snake_case(name, snake):
    assert snake_case(name) == snake


def test_resolve_takes_names_configurations_classes_and_things():
    assert resolve(None, KNOWN, "thing") is None
    assert resolve("double", KNOWN, "thing") is double
    assert resolve(double, KNOWN, "thing") is double
    assert type(resolve("Plain", KNOWN, "thing")) is Plain
    assert type(resolve(Plain, KNOWN, "thing")) is Plain
    for config in ({"first": 1}, {"first": 1, "second": 5}):
        resolved = resolve({"class_name": "pair", "config": config}, KNOWN, "thing")
        assert type(resolved) is Pair and config.items() <= resolved.get_config().items()
    assert type(resolve({"class_name": "Plain", "config": None}, KNOWN, "thing")) is Plain
    assert type(resolve({"class_name": "Plain"}, KNOWN, "thing")) is Plain


@pytest.mark.parametrize(
    ("identifier", "message"),
    [
        ("duoble", "Unknown thing: 'duoble'. Did you mean 'double'? Pass a known name or a callable."),
        ("zzz", "Unknown thing: 'zzz'. Pass a known name or a callable."),
        ({"class_name": "Plane", "config": {}}, "Unknown thing: 'Plane'. Did you mean 'Plain'?"),
        (3, "Expected the name of a known thing or a callable, got 3."),
        ({"config": {}}, "Expected the name of a known thing or a callable, got {'config': {}}."),
        ("halves", "Expected the name of a known thing or a callable, got 'halves'."),
        (np.zeros(2), "Expected the name of a known thing or a callable, got float64[2]."),
    ],
)
def test_resolve_refuses(identifier, message):
    with refused(message):
        resolve(identifier, KNOWN, "thing")


def test_wrong_arguments_in_a_configuration_are_refused():
    with pytest.raises(TypeError, match="unexpected keyword argument 'fourth'"):
        resolve({"class_name": "Pair", "config": {"first": 1, "fourth": 4}}, KNOWN, "thing")


def test_aliased():
    table = aliased(KNOWN, {"twice": "double"})
    assert table["twice"] is double and table["double"] is double and "twice" not in KNOWN
    with pytest.raises(KeyError):
        aliased(KNOWN, {"thrice": "triple"})


def test_known_names():
    names = known_names({"a": double, "B": Pair, "_c": double, "d": 3, "get": double, "text": "x"})
    assert names == {"a": double, "B": Pair}
    assert known_names(vars(configurable)).keys() >= {"Configurable", "resolve", "serialize"}
