"""Primitives: rules of every kind, residuals, several outputs, refusals, and what recorders hear."""

import inspect

import numpy as np
import pytest

from eagerly import ops
from eagerly.errors import GradientError, TraceError
from eagerly.ops import arrays, elementwise, linear, rules
from eagerly.primitive import REGISTRY, primitive, promote_numbers, promote_to_float, promote_together
from eagerly.recorder import Recorder, start, stop
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from eagerly.variable import Variable
from gradients import check_gradients


@pytest.fixture
def registry():
    """Primitives that a test defines are gone afterwards."""
    before = dict(REGISTRY)
    yield
    REGISTRY.clear()
    REGISTRY.update(before)


class Listener(Recorder):
    """Keeps every event."""

    def __init__(self):
        self.events = []

    def record(self, primitive, inputs, params, outputs):
        self.events.append((primitive.name, inputs, params, outputs))


def test_a_primitive_is_its_implementation_with_rules(registry):
    @primitive(shape=rules.same_as_input)
    def triple_(x, times=1):
        """3 · x, again and again."""
        return x * 3**times

    assert REGISTRY["triple"] is triple_
    assert repr(triple_) == "<primitive triple>"
    assert triple_.__doc__ == "3 · x, again and again."
    assert str(inspect.signature(triple_)) == "(x, times=1)"
    assert triple_.__module__ == __name__
    assert triple_(Tensor([1.0])).tolist() == [3.0]
    assert triple_(Tensor([1.0]), times=2).tolist() == [9.0]
    assert triple_(np.array([1.0])).tolist() == [3.0]
    assert triple_(AbstractTensor((2, 3))).shape == (2, 3)


def test_defvjp_gives_one_rule_per_input_and_repeats_the_last(registry):
    @primitive(shape=rules.broadcast)
    def weighted(*xs):
        return sum((i + 1) * x for i, x in enumerate(xs))

    weighted.defvjp(lambda g, y, *xs: g, lambda g, y, *xs: g * 2, lambda g, y, *xs: g * 10)
    xs = [Tensor([1.0]) for _ in range(4)]
    with GradientTape() as tape:
        tape.watch(xs)
        y = weighted(*xs)
    assert [g.tolist() for g in tape.gradient(y, xs)] == [[1.0], [2.0], [10.0], [10.0]]


def test_rules_run_only_for_gradients_that_are_wanted(registry):
    @primitive(shape=rules.broadcast)
    def pair(a, b):
        return a + b

    def never(*_):
        raise AssertionError("this gradient is not wanted")

    pair.defvjp(lambda g, y, a, b: g, never)
    x = Tensor([1.0])
    with GradientTape() as tape:
        tape.watch(x)
        y = pair(x, Tensor([2.0]))
    assert tape.gradient(y, x).tolist() == [1.0]


def test_a_gradient_through_a_primitive_without_rules_is_refused(registry):
    @primitive(shape=rules.same_as_input)
    def opaque(x):
        return np.array(x)

    @primitive(shape=rules.same_as_input)
    def half_opaque(x, y):
        return x * y

    half_opaque.defvjp(None, lambda g, out, x, y: g * x)
    x = Variable([2.0])
    with GradientTape() as tape:
        with pytest.raises(GradientError, match=r"<primitive opaque> has no gradient rule: .*defvjp\(None\)"):
            opaque(x)
        z = half_opaque(x, Tensor([3.0]))
    assert tape.gradient(z, x) is None
    assert (opaque.differentiable, half_opaque.differentiable) == (None, True)


def test_defvjp_all_is_told_what_is_wanted(registry):
    told = []

    @primitive(shape=rules.broadcast)
    def product(a, b, c):
        return a * b * c

    def rule(wanted, g, y, a, b, c):
        told.append(wanted)
        rest = (b * c, a * c, a * b)
        return [g * other if want else None for want, other in zip(wanted, rest, strict=True)]

    product.defvjp_all(rule)
    a, c = Tensor(2.0), Tensor(5.0)
    with GradientTape() as tape:
        tape.watch([a, c])
        y = product(a, 3.0, c)
    assert [g.tolist() for g in tape.gradient(y, [a, c])] == [15.0, 6.0]
    assert told == [(True, False, True)]
    check_gradients(product, [np.array(2.0), np.array(3.0), np.array(5.0)], order=3)


def split_rule(x):
    first, *rest = x.dims
    return AbstractTensor((first, *rest), x.dtype), AbstractTensor((first, *rest), x.dtype)


def define_polar():
    @primitive(shape=split_rule, outputs=2)
    def sine_and_cosine(x):
        return np.sin(x), np.cos(x)

    def rule(g, y, x):
        (g_sine, g_cosine), (sine, cosine) = g, y
        return g_sine * cosine - g_cosine * sine

    sine_and_cosine.defvjp(rule)
    return sine_and_cosine


def test_several_outputs(registry):
    sine_and_cosine = define_polar()
    sine, cosine = sine_and_cosine(Tensor([0.5]))
    assert type(sine) is type(cosine) is Tensor
    assert [x.shape for x in sine_and_cosine(AbstractTensor((4,)))] == [(4,), (4,)]
    assert isinstance(sine_and_cosine(np.zeros(2))[0], np.ndarray)
    x = Tensor([0.5], "float64")
    for pick, expected in ((0, np.cos(0.5)), (1, -np.sin(0.5))):
        with GradientTape() as tape:
            tape.watch(x)
            y = sine_and_cosine(x)[pick]
        np.testing.assert_allclose(tape.gradient(y, x).tolist(), [expected])


def test_several_outputs_to_third_order(registry):
    polar = define_polar()
    y = np.array([0.3, 1.2])

    def composition(x):
        sine, cosine = ops.sin(x), ops.cos(x)
        return -sine + cosine

    polar.defvjp(lambda g, y, x: g[0] * elementwise.cos(x) - g[1] * elementwise.sin(x))
    check_gradients(lambda x: polar(x), [y], order=2)
    check_gradients(composition, [y], order=3)


def test_residuals_are_hidden_from_recorders_of_gradients_and_seen_by_rules(registry):
    seen = []

    @primitive(shape=lambda x: (AbstractTensor(x.dims, x.dtype), AbstractTensor(x.dims, x.dtype)), residuals=1)
    def cached_square(x):
        return x * x, x + x

    def rule(g, y, x):
        seen.append(type(y))
        return g * y[1]

    cached_square.defvjp(rule)
    x = Variable([3.0])
    with GradientTape(persistent=True) as tape:
        y, residual = cached_square(x)
        z = residual * 2.0
    assert tape.gradient(y, x).tolist() == [6.0]
    assert tape.gradient(z, x) is None
    assert seen == [tuple]


def test_a_failing_implementation_gets_the_shape_rules_words():
    with pytest.raises(ValueError) as caught:
        linear.matmul(Tensor(np.ones((2, 3))), Tensor(np.ones((4, 5))))
    assert str(caught.value) == (
        "matmul: the last axis of the first operand must equal the second-last of the second, but 3 and 4 differ "
        "(got float64[2, 3], float64[4, 5])"
    )
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_failure_that_the_shape_rule_does_not_know_says_where_it_happened(registry):
    @primitive(shape=rules.same_as_input)
    def fragile(x, option=None):
        raise ArithmeticError("inside")

    with pytest.raises(ArithmeticError, match="^inside") as caught:
        fragile(Tensor([1.0, 2.0]))
    assert caught.value.__notes__ == ["In the operation fragile on float32[2]."]

    @primitive(shape=rules.same_as_input)
    def fussy(x):
        raise ValueError("values")

    with pytest.raises(ValueError, match="^values") as caught:
        fussy(np.zeros((2, 2)))
    assert caught.value.__notes__ == ["In the operation fussy on float64[2, 2]."]
    with pytest.raises(ValueError, match="^values"):
        fussy(3.0)  # of which the shape rule can say nothing


def test_wrong_params_name_the_operation():
    with pytest.raises(TypeError, match="reshape: .*shape"):
        arrays.reshape(Tensor([1.0]), shape=(1,))
    with pytest.raises(TypeError, match="reshape: .*newshape"):
        arrays.reshape(AbstractTensor((1,)))


def test_names_are_defined_once(registry):
    def add(x):
        return x

    with pytest.raises(ValueError, match="Primitive 'add' is defined twice"):
        primitive(shape=rules.same_as_input)(add)
    assert REGISTRY["add"] is elementwise.add


def test_recorders_hear_inputs_params_and_outputs():
    listener, x, v = Listener(), Tensor([[1.0, 2.0]]), Variable([1.0, 1.0])
    start(listener)
    try:
        y = x * 2.0
        z = linear.matmul(x, v)
        ops.sum(z, axis=0, keepdims=True)
        np.ones(2) + np.ones(2)
        elementwise.add(np.ones(2), 1.0)
        elementwise.add(AbstractTensor((2,)), 1.0)
    finally:
        stop(listener)
    x + 1.0
    names = [event[0] for event in listener.events]
    assert names == ["multiply", "matmul", "sum", "add"]
    _, inputs, params, outputs = listener.events[0]
    assert (inputs[0] is x, inputs[1], params, outputs is y) == (True, 2.0, {}, True)
    assert (listener.events[1][1][1] is v.read(), listener.events[1][3] is z) == (True, True)
    assert listener.events[2][2] == {"axis": 0, "keepdims": True}
    assert isinstance(listener.events[3][3], AbstractTensor)


def test_a_recorder_may_stand_in_for_a_variable():
    class Substitute(Listener):
        def read(self, variable, value):
            return Tensor([100.0])

    recorder, v = Substitute(), Variable([1.0])
    start(recorder)
    try:
        assert (v + 1.0).tolist() == [101.0]
    finally:
        stop(recorder)
    assert (v + 1.0).tolist() == [2.0]


def test_stopping_an_inactive_recorder_does_nothing():
    stop(Listener())


@pytest.mark.parametrize(
    ("promote", "operands", "expected"),
    [
        (promote_together, (np.ones(2, "f4"), np.ones(2, "f4")), None),
        (promote_together, (np.ones(2, "f4"), 2), None),
        (promote_together, (np.ones(2, "i4"), 2), None),
        (promote_together, (np.ones(2, "i4"), 2.0), "float32"),
        (promote_together, (2.0, np.ones(2, "i4")), "float32"),
        (promote_together, (np.ones(2, "?"), True), None),
        (promote_together, (np.ones(2, "?"), 1), "int32"),
        (promote_together, (np.ones(2, "i8"), np.ones(2, "f2")), "float16"),
        (promote_together, (1, 2.0), None),
        (promote_numbers, (np.ones(2, "?"),), "int32"),
        (promote_numbers, (np.ones(2, "i1"),), None),
        (promote_numbers, (np.ones(2, "?"), np.ones(2, "?")), "int32"),
        (promote_numbers, (np.ones(2, "?"), True), "int32"),
        (promote_numbers, (True, np.ones(2, "?")), "int32"),
        (promote_numbers, (np.ones(2, "?"), np.ones(2, "f4")), "float32"),
        (promote_numbers, (np.ones(2, "f4"), np.ones(2, "?")), "float32"),
        (promote_numbers, (2, 3), None),
        (promote_to_float, (np.ones(2, "f2"),), None),
        (promote_to_float, (np.ones(2, "i8"),), "float32"),
        (promote_to_float, (np.ones(2, "i8"), np.ones(2, "i8")), "float32"),
        (promote_to_float, (np.ones(2, "f8"), 3), None),
        (promote_to_float, (3,), None),
    ],
)
def test_promotion(promote, operands, expected):
    target = promote(*operands)
    assert target == expected if expected else target is None


def test_bare_numbers_go_through():
    assert elementwise.power(2.0, 3) == 8.0
    assert elementwise.add(1, 2) == 3
    assert elementwise.divide(1, 2) == 0.5
    assert elementwise.exp(0.0) == 1.0
    assert elementwise.sigmoid(0) == 0.5


def test_warnings_are_off_inside_only():
    with pytest.warns(RuntimeWarning):
        np.log(np.zeros(1))
    before = np.geterr()
    ops.log([0.0])
    ops.divide([1.0], [0.0])
    assert np.geterr() == before


def test_values_are_never_taken_from_symbols():
    with pytest.raises(TraceError):
        elementwise.add(AbstractTensor((2,)), np.ones(2)).numpy()
