"""`tape.explain`: every way in which a gradient ends has its own words, naming operations, layers and lines."""

import gc
import weakref

import numpy as np
import pytest

from eagerly import layers, ops
from eagerly.errors import GradientError
from eagerly.gradients import custom_gradient
from eagerly.tape import GradientTape
from eagerly.tensor import Tensor
from eagerly.variable import Variable


class World:
    """Tensors and Variables to compute with."""

    def __init__(self):
        self.x = Variable(3.0, name="x")
        self.z = Variable(2.0, name="z")
        self.frozen = Variable(1.0, trainable=False, name="frozen")
        self.count = Variable(1, name="count")
        self.tensor = Tensor(1.0)


HEAD = "The gradient of float32[] with respect to Variable 'x' is None: "
CASES = {
    "stopped": (lambda w: ops.stop_gradient(w.x * w.x), "stop_gradient stopped it, after multiply."),
    "stopped at once": (lambda w: ops.stop_gradient(w.x) * w.z, "stop_gradient stopped it."),
    "not used": (lambda w: w.z * 2.0, "it was not used: no operation that the tape watched read the Variable."),
    "through numpy": (
        lambda w: Tensor(np.sin((w.x * w.x).numpy())) * w.z,
        "the target comes from multiply, which does not depend on the source. Where the source's values went: its "
        "values left through numpy(), after multiply, and what was computed from them is a constant.",
    ),
    "through a NumPy function": (
        lambda w: Tensor(np.sin(w.x * w.x)) * w.z,
        "its values left through NumPy, after multiply",
    ),
    "through item": (lambda w: w.z * (w.x * 1.0).item(), "its values left through item(), after multiply"),
    "through a list": (lambda w: w.z * (w.x * 1.0).tolist(), "its values left through tolist(), after multiply"),
    "through float": (
        lambda w: w.z * float(w.x),
        "its values left through float(), and what was computed from them is",
    ),
    "through the Variable": (lambda w: w.z * Tensor(w.x.numpy()), "its values left through numpy(), and what"),
    "integer": (
        lambda w: ops.cast(ops.cast(w.x * 2.0, "int32"), "float32") * w.z,
        "cast gives int32, and no gradient passes integers, after multiply.",
    ),
    "index": (
        lambda w: ops.cast(ops.argmax(ops.stack([w.x, w.z])), "float32") * w.z,
        "argmax gives int32, and no gradient passes integers, after identity → reshape → concatenate",
    ),
    "truth": (lambda w: ops.where(w.x > 0, w.z, 1.0), "greater gives bool, and no gradient passes truth values"),
    "rounding": (lambda w: ops.floor(w.x * w.x) + w.z, "floor has no gradient, after multiply"),
    "argument without a gradient": (
        lambda w: ops.where(w.x, w.z, 1.0),
        "select has no gradient for its argument 0",
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("debug", [False, True])
def test_each_way_has_its_words(name, persistent, debug):
    world = World()
    call, words = CASES[name]
    with GradientTape(persistent=persistent, debug=debug) as tape:
        y = call(world)
    before = tape.explain(y, world.x)
    assert tape.gradient(y, world.x) is None
    text = tape.explain(y, world.x)
    assert text == before and text.startswith(HEAD)
    if debug:  # the exact place, and nothing that lies on another way
        assert "test_explanation.py:" in text or name == "not used"
        for word in words.replace(",", "").replace(".", "").split():
            assert word in text or word in {"Where", "went:"} or "Where the source" in words
    else:
        assert words in text


def test_the_line_and_the_layer_are_named():
    dense, z = layers.Dense(2, name="head"), Variable(1.0)

    class Wrapper(layers.Layer):
        def call(self, inputs):
            return ops.stop_gradient(dense(inputs))

    wrapper = Wrapper(name="wrapper")
    for debug in (False, True):
        with GradientTape(debug=debug) as tape:
            y = ops.sum(wrapper(np.ones((1, 3), "float32"))) * z
        assert tape.gradient(y, [dense.kernel, z])[0] is None
        text = tape.explain(y, dense.kernel)
        assert "Variable 'wrapper/head/kernel'" in text or "Variable 'head/kernel'" in text
        assert "stop_gradient in layer 'wrapper'" in text and "matmul → add" in text
        assert ("test_explanation.py:" in text and " in call)" in text) is debug
        assert "eagerly" not in text.replace("eagerly/", "") or not debug


def test_what_is_not_watched():
    world = World()
    with GradientTape(persistent=True) as tape:
        y = world.z * world.frozen * world.tensor
    assert "not trainable, so that the tape does not watch it by itself" in tape.explain(y, world.frozen)
    assert "the source was not watched. Call tape.watch(x) before it is used." in tape.explain(y, world.tensor)
    with GradientTape(watch_accessed_variables=False) as tape:
        y = world.z * world.x
    assert "watch_accessed_variables=False and was not told to watch it. Call tape.watch" in tape.explain(y, world.x)


def test_outside_of_the_tape():
    world = World()
    before = world.x * world.x
    with GradientTape(persistent=True) as tape:
        inside = world.x * world.z
        with tape.stop_recording():
            unseen = world.x * world.x
    after = world.x * world.x
    for y in (before, after, unseen):
        assert tape.gradient(y, world.x) is None
        assert "the target was computed outside of the tape" in tape.explain(y, world.x)
    assert tape.explain(inside, world.x).endswith("is not None: it flows through multiply.")
    with GradientTape() as tape:
        pass
    assert tape.explain(after, world.x).endswith("and so were all uses of the source.")


def test_used_but_not_for_the_target():
    world = World()
    with GradientTape(persistent=True) as tape:
        world.x * world.x
        y = world.z * world.z
    assert "the target comes from multiply, which does not depend on the source" in tape.explain(y, world.x)


def test_integers_have_no_gradients():
    world = World()
    with GradientTape(persistent=True) as tape:
        y = world.x * ops.cast(world.count, "float32")
        n = ops.cast(y, "int32")
    assert "the source is int32, and only floating-point tensors have gradients" in tape.explain(y, world.count)
    assert "the target is int32" in tape.explain(n, world.x)


def test_a_gradient_that_is_there_is_told_with_its_way():
    world = World()
    with GradientTape(persistent=True) as tape:
        y = world.x
        for _ in range(20):
            y = ops.tanh(y)
        y = y + world.z
    way = tape.explain(y, world.x)
    assert way.endswith("not None: it flows through tanh → tanh → tanh → tanh → … → tanh → tanh → add.")
    watched = Tensor(2.0)
    with GradientTape() as tape:
        tape.watch(watched)
        y = watched * 2.0
    assert "is not None: it flows through multiply" in tape.explain(y, watched)
    assert "is one: the target is the source" in tape.explain(watched, watched)


def test_a_custom_gradient_may_give_none():
    f = custom_gradient(lambda x: (x * 2.0, lambda g: None))
    x = Variable(1.0)
    with GradientTape() as tape:
        y = f(x) + 1.0
    assert tape.gradient(y, x) is None
    assert "a custom gradient on the way gave None" in tape.explain(y, x)


def test_after_the_gradient_only_what_was_asked_for_is_known():
    world = World()
    with GradientTape() as tape:
        y = world.x * 2.0
        u = ops.stop_gradient(world.z) + world.x
    assert tape.gradient(u, [world.z, world.x])[0] is None
    assert "stop_gradient stopped it" in tape.explain(u, world.z)
    with pytest.raises(GradientError, match="explain: this GradientTape has given its gradient and forgotten the rest"):
        tape.explain(y, world.x)
    with pytest.raises(GradientError, match="explain: expected a Tensor or a Variable as target, got 3.0"):
        tape.explain(3.0, world.x)
    with pytest.raises(GradientError, match="explain: expected a Tensor or a Variable as source, got None"):
        tape.explain(y, None)


def test_an_explanation_keeps_nothing_alive():
    x, z = Variable(np.ones(3)), Variable(np.ones(3))
    with GradientTape() as tape:
        middle = x * x
        y = ops.stop_gradient(middle) + z
    refs = [weakref.ref(middle), weakref.ref(y)]
    del middle
    gc.collect()
    assert refs[0]() is not None  # recorded
    assert tape.gradient(y, x) is None
    gc.collect()
    assert refs[0]() is None and refs[1]() is not None
    assert "stop_gradient stopped it" in tape.explain(y, x)
    del y
    gc.collect()
    assert refs[1]() is None


def test_results_without_a_gradient_are_not_held_unless_debugging():
    x = Variable(np.ones(3))
    for debug in (False, True):
        with GradientTape(persistent=True, debug=debug) as tape:
            truth = x > 0
            ref = weakref.ref(truth)
            del truth
            gc.collect()
            assert (ref() is not None) is debug
        assert tape is not None
