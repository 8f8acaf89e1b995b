"""GradientTape: orders, sources, targets, reads of Variables, refusals, and what it keeps in memory."""

import gc
import threading
import weakref
from collections import namedtuple

import numpy as np
import pytest

from eagerly import custom_gradient, ops
from eagerly.context import context
from eagerly.dimensions import unknown
from eagerly.errors import GradientError
from eagerly.ops import linear
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from eagerly.variable import Variable


def test_watched_tensors_and_read_variables_have_gradients():
    x, v = Tensor([1.0, 2.0]), Variable([3.0, 4.0])
    with GradientTape() as tape:
        tape.watch(x)
        y = ops.sum(x * x * v)
    gx, gv = tape.gradient(y, [x, v])
    assert type(gx) is type(gv) is Tensor
    assert gx.tolist() == [6.0, 16.0]
    assert gv.tolist() == [1.0, 4.0]


def test_sources_keep_their_structure():
    Pair = namedtuple("Pair", "a b")
    x, y = Variable(2.0), Variable(3.0)
    with GradientTape(persistent=True) as tape:
        z = x * y
    assert tape.gradient(z, {"x": x, "rest": [(y,)]}) == {"x": Tensor(3.0), "rest": [(Tensor(2.0),)]}
    pair = tape.gradient(z, Pair(x, y))
    assert isinstance(pair, Pair) and pair.b.tolist() == 2.0
    assert tape.gradient(z, []) == []
    assert tape.gradient([], [x]) == [None]


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_any_order_by_nesting(order):
    x = Tensor(2.0, "float64")
    power = 5

    def derivative(times):
        if not times:
            return x**power
        with GradientTape() as tape:
            tape.watch(x)
            y = derivative(times - 1)
        return tape.gradient(y, x)

    factor = np.prod(range(power - order + 1, power + 1))
    assert derivative(order).tolist() == factor * 2.0 ** (power - order)


def test_the_inner_gradient_may_be_asked_inside_or_outside_of_the_outer_tape():
    x = Variable(3.0)
    with GradientTape(persistent=True) as outer:
        with GradientTape(persistent=True) as inner:
            y = x * x * x
        inside = inner.gradient(y, x)
    outside = inner.gradient(y, x)
    assert inside.tolist() == outside.tolist() == 27.0
    assert outer.gradient(inside, x).tolist() == 18.0
    assert outer.gradient(outside, x) is None


def test_tapes_may_overlap_in_any_order():
    x = Variable(2.0)
    first, second = GradientTape(), GradientTape()
    first.__enter__()
    y = x * x
    second.__enter__()
    z = x * x * x
    first.__exit__()
    w = x * 5.0
    second.__exit__()
    assert first.gradient(y, x).tolist() == 4.0
    assert second.gradient([z, w], x).tolist() == 17.0


def test_a_persistent_tape_records_its_own_gradient():
    x = Variable(3.0)
    with GradientTape(persistent=True) as tape:
        y = x * x * x
        first = tape.gradient(y, x)
    assert tape.gradient(first, x).tolist() == 18.0


def test_gradient_inside_the_with_block_of_a_tape_that_is_not_persistent():
    x = Variable(3.0)
    with GradientTape() as tape:
        y = x * x
        assert tape.gradient(y, x).tolist() == 6.0
        x * x
    assert tape._records == []


def test_entering_again_goes_on_recording():
    x = Variable(3.0)
    tape = GradientTape()
    with tape:
        y = x * x
    y2 = x * 100.0
    with tape:
        z = y * x
    assert tape.gradient([z, y2], x).tolist() == 27.0


def test_reset_forgets():
    x = Variable(3.0)
    with GradientTape() as tape:
        y = x * x
        tape.reset()
        z = x * 2.0
    assert tape.gradient([y, z], x).tolist() == 2.0


def test_watch_takes_structures_and_starts_when_called():
    a, b = Tensor(1.0), Tensor(2.0)
    with GradientTape() as tape:
        early = a * b
        tape.watch({"a": a, "b": [b]})
        late = a * b
    assert [g.tolist() for g in tape.gradient([early, late], [a, b])] == [2.0, 1.0]


def test_variables_that_are_not_trainable_or_not_asked_for():
    frozen, free = Variable(2.0, trainable=False), Variable(3.0)
    with GradientTape(persistent=True) as tape:
        y = frozen * free
    assert tape.gradient(y, frozen) is None
    assert tape.gradient(y, free).tolist() == 2.0
    assert list(map(id, tape.watched_variables())) == [id(free)]
    with GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(frozen)
        y = frozen * free
    assert [None if g is None else g.tolist() for g in tape.gradient(y, [frozen, free])] == [3.0, None]


def test_stop_recording():
    x = Variable(3.0)
    with GradientTape(persistent=True) as tape:
        y = x * x
        with tape.stop_recording():
            hidden = y * x
            assert tape.gradient(y, x).tolist() == 6.0
        z = y + hidden
    assert tape.gradient(hidden, x) is None
    assert tape.gradient(z, x).tolist() == 6.0


def test_stop_recording_stops_one_tape_only():
    x = Variable(3.0)
    with GradientTape() as outer, GradientTape() as inner:
        with outer.stop_recording():
            y = x * x
    assert outer.gradient(y, x) is None
    assert inner.gradient(y, x).tolist() == 6.0


def test_stop_gradient_and_values_that_left():
    x = Variable(3.0)
    with GradientTape(persistent=True) as tape:
        kept = ops.stop_gradient(x) * x
        left = Tensor((x * x).numpy()) * 2.0
        rounded = ops.floor(x) * x
    assert tape.gradient(kept, x).tolist() == 3.0
    assert tape.gradient(left, x) is None
    assert tape.gradient(rounded, x).tolist() == 3.0


def test_unconnected_gradients():
    x, y, z = Variable([1.0, 2.0]), Variable([[3.0]], dtype="float64"), Tensor([1.0])
    with GradientTape(persistent=True) as tape:
        loss = ops.sum(x)
    assert tape.gradient(loss, [y, z]) == [None, None]
    gy, gz = tape.gradient(loss, [y, z], unconnected_gradients="zero")
    assert (gy.tolist(), gy.dtype) == ([[0.0]], "float64")
    assert gz.tolist() == [0.0]
    with pytest.raises(ValueError, match="expected 'none' or 'zero', got 'nothing'"):
        tape.gradient(loss, x, unconnected_gradients="nothing")


def test_a_second_call_needs_a_persistent_tape():
    x = Variable(3.0)
    with GradientTape() as tape:
        y = x * x
    tape.gradient(y, x)
    with pytest.raises(GradientError, match="not persistent.*persistent=True"):
        tape.gradient(y, x)
    with GradientTape(persistent=True) as tape:
        y = x * x
    assert tape.gradient(y, x).tolist() == tape.gradient(y, x).tolist() == 6.0


def test_a_refused_call_does_not_use_the_tape_up():
    x = Variable(3.0)
    with GradientTape() as tape:
        y = x * x
    with pytest.raises(GradientError):
        tape.gradient(y, "x")
    assert tape.gradient(y, x).tolist() == 6.0


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda tape, y, x: tape.gradient(ops.cast(y, "int32"), x), ["floating-point target", "int32[]"]),
        (lambda tape, y, x: tape.gradient(y > 0, x), ["floating-point target", "bool[]"]),
        (lambda tape, y, x: tape.gradient(y.numpy(), x), ["Tensor as target", "float32[]", "NumPy"]),
        (lambda tape, y, x: tape.gradient(float(y), x), ["Tensor as target", "9.0"]),
        (lambda tape, y, x: tape.gradient(y, 3.0), ["Tensors or Variables as sources", "3.0"]),
        (lambda tape, y, x: tape.gradient(y, [x, None]), ["sources", "None"]),
        (lambda tape, y, x: tape.watch(Tensor([1])), ["watch", "floating-point", "int32[1]"]),
        (lambda tape, y, x: tape.watch(Variable([1])), ["watch", "int32[1]"]),
        (lambda tape, y, x: tape.watch([2.0]), ["watch", "2.0"]),
        (lambda tape, y, x: tape.watch(np.ones(2)), ["watch", "float64[2]"]),
    ],
)
def test_refusals(ask, words):
    x = Variable(3.0)
    with GradientTape(persistent=True) as tape:
        y = x * x
    with pytest.raises(GradientError) as caught:
        ask(tape, y, x)
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)


def test_entering_a_tape_that_records_is_refused():
    with GradientTape() as tape, pytest.raises(GradientError, match="recording already"):
        tape.__enter__()


def test_output_gradients_weigh_the_targets():
    x = Variable([1.0, 2.0])
    with GradientTape(persistent=True) as tape:
        y, z = x * x, x * 3.0
    assert tape.gradient(y, x, output_gradients=Tensor([1.0, 10.0])).tolist() == [2.0, 40.0]
    both = tape.gradient({"y": y, "z": z}, x, output_gradients={"y": Tensor([1.0, 0.0]), "z": None})
    assert both.tolist() == [5.0, 3.0]
    assert tape.gradient(y, x, output_gradients=Variable([1.0, 0.0])).tolist() == [2.0, 0.0]
    with pytest.raises(ValueError, match=r"expected shape \(2,\), got float32\[3\]"):
        tape.gradient(y, x, output_gradients=Tensor([1.0, 2.0, 3.0]))
    with pytest.raises(ValueError, match="expected 2 of them, got 1"):
        tape.gradient([y, z], x, output_gradients=[Tensor([1.0, 2.0])])


def test_output_gradients_are_differentiable():
    x, weight = Variable(3.0), Tensor(2.0)
    with GradientTape() as outer:
        outer.watch(weight)
        with GradientTape() as inner:
            y = x * x
        first = inner.gradient(y, x, output_gradients=weight)
    assert outer.gradient(first, weight).tolist() == 6.0


def test_several_targets_sum_and_targets_may_be_intermediate():
    x = Variable(2.0)
    with GradientTape(persistent=True) as tape:
        y = x * x
        z = y * y
    assert tape.gradient([y, z], x).tolist() == 4.0 + 32.0
    assert tape.gradient({"a": y, "b": (y,)}, x).tolist() == 8.0
    assert tape.gradient(z, [y, x, z])[0].tolist() == 8.0
    assert [g.tolist() for g in tape.gradient(z, [z, y])] == [1.0, 8.0]
    assert tape.gradient([z, y], y).tolist() == 9.0


def test_a_variable_may_be_the_target():
    x = Variable([2.0, 3.0])
    with GradientTape() as tape:
        x * 1.0
    assert tape.gradient(x, x).tolist() == [1.0, 1.0]


def test_gradients_sum_over_every_read_of_a_variable_that_is_assigned_between():
    x = Variable(2.0)
    with GradientTape() as tape:
        y = x * x
        x.assign(5.0)
        y = y + x * x * x
        x.assign_add(1.0)
        y = y + x
    assert tape.gradient(y, x).tolist() == 4.0 + 75.0 + 1.0


def test_what_was_recorded_does_not_change_when_a_variable_does():
    x = Variable([2.0, 3.0])
    with GradientTape() as tape:
        y = x * x
    x.assign([100.0, 100.0])
    assert tape.gradient(y, x).tolist() == [4.0, 6.0]


def test_a_tensor_used_often_and_with_itself():
    x = Variable([1.0, 2.0])
    with GradientTape() as tape:
        y = ops.concatenate([x, x, x * x]) * ops.concatenate([x, x, x])
    assert tape.gradient(y, x).tolist() == [2 + 2 + 3, 4 + 4 + 12]


def test_unused_branches_cost_nothing_and_change_nothing():
    x, y = Variable(2.0), Variable(3.0)
    with GradientTape() as tape:
        z = x * y
        ops.exp(z) / 0.0
        ops.log(y - 3.0)
    assert tape.gradient(z, x).tolist() == 3.0


def test_gradients_of_unknown_dimensions():
    x = AbstractTensor((unknown("batch"), 3))
    w = Variable(np.ones((3, 4), np.float32))
    with GradientTape() as tape:
        tape.watch(x)
        y = linear.matmul(x, w)
    gx, gw = tape.gradient(y, [x, w])
    assert (y.shape, gx.shape, gw.shape) == ((None, 4), (None, 3), (3, 4))


def test_exceptions_leave_the_context_clean():
    x = Variable(2.0)
    tape = GradientTape(persistent=True)
    with pytest.raises(ValueError, match="broadcast"), tape:
        with tape.stop_recording():
            x + np.zeros((2, 3)) + np.zeros(4)
    assert context.is_clean()
    with pytest.raises(ZeroDivisionError):
        with GradientTape(), GradientTape() as inner:
            with inner.stop_recording():
                1 / 0  # noqa: B018
    assert context.is_clean()
    with tape:
        y = x * x
    with pytest.raises(ValueError):
        tape.gradient(y, x, output_gradients=Tensor([1.0, 2.0]))
    assert context.is_clean()
    assert tape.gradient(y, x).tolist() == 4.0


def test_a_failing_gradient_rule_leaves_the_context_clean(monkeypatch):
    x = Variable(2.0)
    with GradientTape() as tape:
        y = ops.exp(x)

    def fail(*_):
        raise RuntimeError("rule")

    before = np.geterr()

    monkeypatch.setattr(tape._records[0][0], "rules", (fail,))
    with pytest.raises(RuntimeError, match="rule"):
        tape.gradient(y, x)
    assert context.is_clean()
    assert np.geterr() == before


def test_threads_have_their_own_tapes():
    x = Variable(3.0)
    found, barrier = {}, threading.Barrier(2)

    def work(name, power):
        with GradientTape() as tape:
            barrier.wait(10)
            y = x**power
            barrier.wait(10)
        found[name] = (len(tape._records), float(tape.gradient(y, x)), context.is_clean())

    threads = [threading.Thread(target=work, args=(name, name)) for name in (2, 3)]
    with GradientTape() as tape:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert tape._records == []
    assert found == {2: (1, 6.0, True), 3: (1, 27.0, True)}


def step(x, order):
    """One training step's worth of recording; gives weak references to what it made."""
    with GradientTape() as outer:
        with GradientTape() as inner:
            h = ops.tanh(ops.matmul(x, x))
            y = ops.sum(h * h)
        first = inner.gradient(y, x)
        z = ops.sum(first * first)
    second = outer.gradient(z, x) if order == 2 else first
    return [weakref.ref(t) for t in (h, y, first, z, second)], (inner, outer)


@pytest.fixture
def no_gc():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("order", [1, 2])
def test_nothing_is_kept_after_the_gradient(no_gc, order):
    x = Variable(np.eye(3, dtype=np.float32))
    references, tapes = step(x, 2)
    assert [reference() for reference in references] == [None] * len(references)
    assert [tape._records for tape in tapes] == [[], []]
    references, tapes = step(x, order)
    del tapes
    assert [reference() for reference in references] == [None] * len(references)


def test_a_step_makes_no_reference_cycles(no_gc):
    x = Variable(np.eye(3, dtype=np.float32))
    step(x, 2)
    gc.collect()
    for _ in range(3):
        step(x, 2)
        x.assign_sub(x * 0.1)
    assert gc.collect() == 0


def test_a_tape_that_is_dropped_frees_what_it_recorded(no_gc):
    x = Variable([1.0])
    with GradientTape(persistent=True) as tape:
        y = x * x
        z = y * y
    tape.gradient(z, x)
    reference = weakref.ref(y)
    del y, z
    assert reference() is not None
    del tape
    assert reference() is None


def test_only_what_depends_on_a_source_is_recorded():
    x, other = Variable(2.0), Tensor(3.0)
    with GradientTape() as tape:
        other * other
        ops.zeros((2, 2)) + 1.0
        x * other
        ops.greater(x, other)
        ops.cast(x, "int32")
    assert [record[0].name for record in tape._records][:1] == ["multiply"]
    assert "greater" not in [record[0].name for record in tape._records]


def test_ids_of_dead_tensors_are_not_mistaken():
    x = Variable(1.0)
    with GradientTape() as tape:
        y = x * 2.0
        for _ in range(50):
            ops.exp(Tensor(1.0) * 3.0)
        z = y + Tensor(1.0) * 3.0
    assert tape.gradient(z, x).tolist() == 2.0


def test_output_gradients_of_one_target_may_be_a_list_of_numbers():
    x = Variable([1.0, 2.0])
    with GradientTape(persistent=True) as tape:
        y = x * x
    assert tape.gradient(y, x, output_gradients=[1.0, 10.0]).tolist() == [2.0, 40.0]
    assert tape.gradient([y, x], x, output_gradients=[np.ones(2), None]).tolist() == [3.0, 5.0]


def test_gradients_that_lead_to_no_source_are_not_computed():
    calls = []

    @custom_gradient
    def doubled(x):
        return 2 * x, lambda g: calls.append(1) or 2 * g

    x, w = Variable(3.0), Variable(5.0)
    with GradientTape(persistent=True) as tape:
        unrelated = doubled(w)
        y = doubled(x) * unrelated
    assert tape.gradient(y, x).tolist() == 20.0 and len(calls) == 1
    assert tape.gradient(unrelated, x) is None and len(calls) == 1
    assert [g.tolist() for g in tape.gradient(y, [x, w])] == [20.0, 12.0] and len(calls) == 3
