"""What all optimizers share: arguments and steps that are refused, learning rates, clipping, and users' subclasses."""

import numpy as np
import pytest

from eagerly import ops, optim
from eagerly.tape import GradientTape
from eagerly.tensor import Tensor
from eagerly.variable import Variable
from optim_references import gradients, make, variables

# --- bad arguments

RANGES = [
    ("SGD", {"learning_rate": -0.1}, r"learning_rate in \[0, inf\), got -0.1"),
    ("SGD", {"learning_rate": float("nan")}, r"learning_rate in \[0, inf\), got nan"),
    ("SGD", {"learning_rate": float("inf")}, r"learning_rate in \[0, inf\), got inf"),
    ("Adam", {"learning_rate": "fast"}, r"learning_rate in \[0, inf\), got 'fast'"),
    ("Adam", {"learning_rate": None}, r"learning_rate in \[0, inf\), got None"),
    ("Adam", {"learning_rate": True}, r"learning_rate in \[0, inf\), got True"),
    ("SGD", {"momentum": 1.5}, r"momentum in \[0, 1\], got 1.5"),
    ("SGD", {"momentum": -0.5}, r"momentum in \[0, 1\], got -0.5"),
    ("RMSprop", {"rho": 1.0}, r"rho in \[0, 1\), got 1.0"),
    ("RMSprop", {"momentum": 1.0}, r"momentum in \[0, 1\), got 1.0"),
    ("RMSprop", {"epsilon": -1e-7}, r"epsilon in \[0, inf\), got -1e-07"),
    ("Adam", {"beta_1": 1.0}, r"beta_1 in \[0, 1\), got 1.0"),
    ("Adam", {"beta_2": -0.1}, r"beta_2 in \[0, 1\), got -0.1"),
    ("AdamW", {"epsilon": None}, r"epsilon in \[0, inf\), got None"),
    ("AdamW", {"weight_decay": None}, r"weight_decay in \[0, inf\), got None"),
    ("SGD", {"weight_decay": -1}, r"weight_decay in \[0, inf\), got -1"),
    ("SGD", {"clipnorm": 0}, r"clipnorm in \(0, inf\), got 0"),
    ("SGD", {"clipvalue": -1.0}, r"clipvalue in \(0, inf\), got -1.0"),
    ("SGD", {"global_clipnorm": "x"}, r"global_clipnorm in \(0, inf\), got 'x'"),
    ("SGD", {"clipnorm": 1.0, "clipvalue": 2.0}, "at most one of clipnorm, .*got clipnorm=1.0 and clipvalue=2.0"),
]


@pytest.mark.parametrize(("name", "options", "message"), RANGES)
def test_arguments_out_of_range_are_refused_with_their_value(name, options, message):
    with pytest.raises(ValueError, match=f"^{name} 'mine': expected {message}"):
        make(name, options, name="mine")


def test_arguments_that_do_not_exist_yet_are_refused():
    for argument in ("use_ema", "gradient_accumulation_steps", "loss_scale_factor"):
        with pytest.raises(TypeError, match=argument):
            make("SGD", {argument: None})


def refused(message, grads, targets, values, optimizer):
    """A refused step leaves everything as it is."""
    optimizer = optimizer or make("Adam", name="mine")
    before = [v.numpy().tobytes() for v in (*values, *optimizer.variables)]
    with pytest.raises(ValueError, match=message):
        optimizer.apply(grads, targets)
    assert [v.numpy().tobytes() for v in (*values, *optimizer.variables)][: len(before)] == before
    return optimizer


@pytest.mark.parametrize("built", [False, True])
def test_bad_steps_are_refused_by_name_and_change_nothing(built):
    values, g = variables(), gradients(0)
    optimizer = make("Adam", name="mine", weight_decay=0.1)
    if built:
        optimizer.apply(g, values)
    shapes = r"^Adam 'mine': expected a gradient of shape \(2,\) for the variable 'v1', got float32\[3\]"
    refused(shapes, [g[0], np.ones(3), g[2]], values, values, optimizer)
    refused(r"shape \(\) for the variable 'v2', got float32\[1\]", [g[0], g[1], [1.0]], values, values, optimizer)
    refused("a gradient for each of the 3 variables, got 2", g[:2], values, values, optimizer)
    refused("expected each variable once, got 'v0' twice", [g[0], g[0]], [values[0], values[0]], values, optimizer)
    refused("expected Variables to update, got float32", g, [values[0], values[1], Tensor(1.0)], values, optimizer)
    refused("got None for every variable: 'v0', 'v1', 'v2'", [None] * 3, values, values, optimizer)
    values[1].trainable = False
    refused("expected trainable variables, got 'v1', which is not trainable", g, values, values, optimizer)
    assert optimizer.built == built and int(optimizer.iterations) == int(built)


def test_unknown_variables_are_refused_by_name():
    values, g = variables(), gradients(0)
    optimizer = make("SGD", name="mine")
    optimizer.apply(g, values)
    stranger = Variable(np.zeros(2, "float32"), name="stranger")
    message = r"SGD 'mine': expected one of the 3 variables it was built for, got 'stranger'"
    refused(message, [g[0], g[1]], [values[0], stranger], values, optimizer)
    with pytest.raises(ValueError, match=message):
        optimizer.build([stranger])
    with pytest.raises(ValueError, match=message):
        optimizer.add_variable_from_reference(stranger, "momentum")
    optimizer.build(values[:2])  # known ones are fine
    with pytest.raises(ValueError, match=r"expected trainable_variables, or a call of build\(\) before"):
        make("SGD").apply(g)


def test_missing_gradients_are_told_and_their_variables_stay():
    optimizer, values = make("SGD", momentum=0.9), variables()
    before = values[1].numpy()
    with pytest.warns(UserWarning, match="SGD 'sgd': no gradient for 'v1'; they stay"):
        optimizer.apply([gradients(0)[0], None, gradients(0)[2]], values)
    np.testing.assert_array_equal(values[1].numpy(), before)
    assert int(optimizer.iterations) == 1


def test_nothing_to_do_is_no_step():
    optimizer = make("SGD")
    optimizer.apply([], [])
    assert int(optimizer.iterations) == 0


def state(optimizer, values):
    return [v.numpy().tobytes() for v in (*values, *optimizer.variables)]


class Failing(optim.Optimizer):
    slots = ("seen",)
    fails = False

    def rule(self, value, grad, step, learning_rate, *, seen):
        if self.fails and not value.ndim:  # the last one
            raise ArithmeticError("rule")
        return value - grad, seen + 1.0


class FailingStep(Failing):
    def __init__(self, learning_rate=0.1, **options):
        super().__init__(learning_rate, **options)
        self.odd = [Variable(0.0, trainable=False)]

    def update_step(self, gradient, variable, learning_rate):
        self.odd[0].assign_add(1.0)
        super().update_step(gradient, variable, learning_rate)


@pytest.mark.parametrize("kind", [Failing, FailingStep])
@pytest.mark.parametrize("built", [False, True])
def test_a_step_whose_rule_fails_is_taken_back_as_a_whole(kind, built):
    values, optimizer = variables(), kind(0.1, weight_decay=0.5)
    if built:
        optimizer.apply(gradients(0), values)
    else:
        optimizer.build(values)
    before, odd = state(optimizer, values), [float(v) for v in getattr(optimizer, "odd", [])]
    optimizer.fails = True
    with pytest.raises(ArithmeticError):
        optimizer.apply(gradients(1), values)
    assert state(optimizer, values) == before and int(optimizer.iterations) == int(built)
    assert [float(v) for v in getattr(optimizer, "odd", [])] == odd
    optimizer.fails = False
    optimizer.apply(gradients(1), values)
    assert int(optimizer.iterations) == built + 1


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_step_whose_constraint_fails_is_taken_back_as_a_whole(name, error):
    def fail(_):
        raise error

    options = {"momentum": 0.9} if name in ("SGD", "RMSprop") else {"amsgrad": True}
    values, optimizer = variables(), make(name, options, learning_rate=0.1, weight_decay=0.1)
    optimizer.apply(gradients(0), values)
    before = state(optimizer, values)
    values[2].constraint = fail
    with pytest.raises(error):
        optimizer.apply(gradients(1), values)
    assert state(optimizer, values) == before
    values[2].constraint = lambda w: Tensor([1.0, 2.0])  # of another shape
    with pytest.raises(ValueError, match="'v2': expected a value of shape"):
        optimizer.apply(gradients(1), values)
    assert state(optimizer, values) == before


def test_a_step_reads_its_number_and_the_learning_rate_once(monkeypatch):
    calls = []

    class Rule(optim.Optimizer):
        def rule(self, value, grad, step, learning_rate):
            calls.append((step, learning_rate))
            return value

    def schedule(step):
        calls.append(int(step))
        return 0.25

    optimizer, values = Rule(schedule), variables()
    monkeypatch.setattr("inspect.signature", lambda _: pytest.fail("inspected again"))
    for _ in range(2):
        optimizer.apply(gradients(0), values)
    assert calls == [0, *[(1, 0.25)] * 3, 1, *[(2, 0.25)] * 3]
    assert {type(number) for pair in calls if isinstance(pair, tuple) for number in pair} == {int, float}


# --- the base


def test_pairs_and_implied_variables():
    optimizer, values = make("SGD", learning_rate=1.0), variables()
    optimizer.build(values)
    steps = optimizer.apply_gradients((np.ones(v.shape), v) for v in values)
    assert steps is optimizer.iterations and int(steps) == 1
    optimizer.apply([np.ones(v.shape) for v in values])
    np.testing.assert_allclose(values[1].numpy(), [-3, -1])
    optimizer.apply([Variable(np.ones(v.shape)) for v in values[1:]], values[1:])
    np.testing.assert_allclose(values[1].numpy(), [-4, -2])


def test_the_learning_rate_is_a_variable_or_a_schedule():
    optimizer, x = make("SGD"), Variable([0.0])
    rate = optimizer.learning_rate
    for value in (1, 0.5, np.float32(0.25), Tensor(0.125), Variable(2.0)):
        optimizer.learning_rate = value
        assert float(optimizer.learning_rate) == float(value) and optimizer.learning_rate is rate
    rate.assign(0.5)
    assert optimizer.get_config()["learning_rate"] == 0.5
    with pytest.raises(ValueError, match="got -1"):
        optimizer.learning_rate = -1
    assert float(rate) == 0.5
    optimizer.learning_rate = lambda step: 1.0 / (ops.cast(step, "float32") + 1.0)
    optimizer.apply([[1.0]], [x])
    optimizer.apply([[1.0]], [x])
    assert float(x.numpy()[0]) == -1.5
    assert float(optimizer.learning_rate) == pytest.approx(1 / 3)
    assert [v.name for v in optimizer.variables] == ["iteration"]
    optimizer.learning_rate = lambda: 0.5
    optimizer.apply([[1.0]], [x])
    assert float(x.numpy()[0]) == -2
    optimizer.learning_rate = 3.0
    assert float(optimizer.learning_rate) == 3


def test_constraints_hold_after_the_update():
    values = variables()
    values[1].constraint = lambda w: ops.maximum(w, 0.0)
    make("SGD", learning_rate=1.0).apply([np.zeros(v.shape) for v in values], values)
    assert values[1].numpy().tolist() == [0.0, 1.0] and values[0].numpy().min() == -1


def test_variables_are_left_out_of_the_decay_by_object_or_name():
    values = variables()
    optimizer = make("AdamW", learning_rate=1.0, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_list=[values[0]], var_names=["1"])
    before = [v.numpy() for v in values]
    optimizer.apply([np.zeros(v.shape) for v in values], values)
    assert [np.array_equal(v.numpy(), b) for v, b in zip(values, before, strict=True)] == [True, True, False]
    assert float(values[2]) == float(before[2]) / 2


def test_names_left_out_of_the_decay_are_regular_expressions():
    values = [Variable([1.0], name=name) for name in ("bias", "kernel_1", "a.b", "kernel")]
    optimizer = make("SGD", learning_rate=1.0, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["^b", "k.*[0-9]$"])
    optimizer.apply([[0.0]] * 4, values)
    assert [v.numpy().item() for v in values] == [1, 1, 0.5, 0.5]
    with pytest.raises(ValueError, match="SGD 'mine': expected a list of texts as var_names, got 'bias'"):
        make("SGD", name="mine").exclude_from_weight_decay(var_names="bias")
    with pytest.raises(ValueError, match=r"SGD 'mine': expected regular expressions, got '\(a': missing \)"):
        make("SGD", name="mine").exclude_from_weight_decay(var_names=["b", "(a"])


def test_clipping_leaves_short_gradients_and_shows_bad_ones():
    for clip in ("clipnorm", "global_clipnorm", "clipvalue"):
        values = [Variable([0.0, 0.0]), Variable([0.0])]
        make("SGD", {clip: 10.0}, learning_rate=1.0).apply([[3.0, 4.0], [0.0]], values)
        assert values[0].numpy().tolist() == [-3, -4] and values[1].numpy().tolist() == [0]
        make("SGD", {clip: 10.0}, learning_rate=1.0).apply([[0.0, 0.0], [0.0]], values)
        assert values[0].numpy().tolist() == [-3, -4]
        make("SGD", {clip: 1.0}, learning_rate=1.0).apply([[float("nan"), 1.0], [1.0]], values)
        assert np.isnan(values[0].numpy()[0])
    values = [Variable([0.0]), Variable([0.0])]
    make("SGD", global_clipnorm=1.0).apply([[float("inf")], [1.0]], values)
    assert np.isnan([v.numpy()[0] for v in values]).all()


def test_no_tape_records_a_step():
    optimizer, x = make("Adam"), Variable([1.0, 2.0])
    with GradientTape(persistent=True) as tape:
        y = ops.sum(x * x)
        gradient = tape.gradient(y, x)
        count = len(tape._records)
        optimizer.apply([gradient], [x])
        assert len(tape._records) == count
        z = ops.sum(x * 3.0)
    assert tape.gradient(z, x).tolist() == [3.0, 3.0]


def test_values_seen_before_a_step_do_not_change():
    optimizer, values = make("Adam"), variables()
    optimizer.build(values)
    seen = [v.value for v in (*values, *optimizer.variables)]
    copies = [x.numpy() for x in seen]
    given = [Tensor(g) for g in gradients(0)]
    optimizer.apply(given, values)
    assert all((a.numpy() == b).all() for a, b in zip(seen, copies, strict=True))
    assert all((a.numpy() == b).all() for a, b in zip(given, gradients(0), strict=True))


# --- subclasses of users


class KerasSGD(optim.Optimizer):
    """As a subclass is written for Keras 3."""

    def __init__(self, learning_rate=0.01, momentum=0.9, name="keras_sgd", **kwargs):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.momentum = momentum

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.momentums = []
        for variable in variables:
            self.momentums.append(self.add_variable_from_reference(reference_variable=variable, name="momentum"))
        self.counts = self.add_optimizer_variables(variables, "count", initializer="ones")
        self.total = self.add_variable(shape=(), name="total")

    def update_step(self, gradient, variable, learning_rate):
        learning_rate = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)
        m = self.momentums[self._get_variable_index(variable)]
        self.assign(m, ops.subtract(ops.multiply(m, self.momentum), ops.multiply(gradient, learning_rate)))
        self.assign_add(variable, m)
        self.assign_add(self.counts[self._get_variable_index(variable)], ops.ones(variable.shape))
        self.assign_sub(self.total, 1.0)


def test_a_subclass_written_for_keras():
    ours, theirs = variables(), variables()
    common = {"learning_rate": 0.05, "weight_decay": 0.1, "clipnorm": 1.0}
    mine, library = KerasSGD(**common), make("SGD", momentum=0.9, **common)
    for step in range(5):
        order = (0, 1, 2) if step % 2 else (2, 0, 1)
        mine.apply([gradients(step)[i] for i in order], [ours[i] for i in order])
        library.apply(gradients(step), theirs)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6)
    assert {name for _, slots in mine.bound_children() for name in slots} == {"momentum", "count"}
    assert all((slots["count"].numpy() == 6).all() for _, slots in mine.bound_children())
    assert float(mine.total) == -15
    assert set(mine.children()) == {"iterations", "learning_rate", "momentums", "counts", "total"}
    assert len(mine.variables) == 2 + 6 + 1
    assert mine.may_grow("momentums")


def test_slots_of_one_name_are_told_apart():
    optimizer, (v, w, _) = make("SGD"), variables()
    optimizer.build([v, w])
    pairs = optimizer.add_optimizer_variables([v, w], ["a", "a"], ["zeros", "ones"])
    assert [[slot.shape for slot in row] for row in pairs] == [[v.shape, w.shape]] * 2
    assert set(optimizer.bound_children()[0][1]) == {"a", "a_1"}
    assert optimizer.add_variable_from_reference(v).name == "v0_var"


def test_what_a_subclass_lacks_is_said():
    class Empty(optim.Optimizer):
        pass

    class Early(optim.Optimizer):
        def __init__(self):
            self.total = self.add_variable(())

    with pytest.raises(NotImplementedError, match=r"Empty 'empty': expected a rule\(\) or an update_step\(\)"):
        Empty(0.1).apply([[1.0]], [Variable([1.0])])
    with pytest.raises(RuntimeError, match=r"Early: expected super\(\).__init__\(\) before the first add_variable"):
        Early()


def test_pending_values_reach_slots_when_they_appear():
    class Pending:
        def __init__(self):
            self.seen = []

        def resolve(self, owner):
            self.seen.append([sorted(slots) for _, slots in owner.bound_children()])

    optimizer, pending = make("Adam"), Pending()
    optimizer._pending = pending
    optimizer.apply(gradients(0), variables())
    assert pending.seen[-1] == [["momentum", "velocity"]] * 3
    late = KerasSGD()
    late._pending = pending
    late.build(variables())  # whose slots are made after the base's build
    late.add_variable_from_reference(late.bound_children()[0][0], "late")
    assert pending.seen[-1] == [["count", "late", "momentum"], ["count", "momentum"], ["count", "momentum"]]


def test_constraint_set_after_a_compiled_step_holds():
    weights = Variable(np.full((40, 40), 2.0, np.float32), name="weights")
    optimizer = optim.SGD(0.5)
    optimizer.apply([np.ones((40, 40), np.float32)], [weights])
    assert float(weights[0, 0]) == 1.5
    weights.constraint = lambda value: ops.minimum(value, 0.25)
    optimizer.apply([np.ones((40, 40), np.float32)], [weights])
    assert float(weights[0, 0]) == 0.25
    weights.constraint = None
    optimizer.apply([np.full((40, 40), -1.0, np.float32)], [weights])
    assert float(weights[0, 0]) == 0.75
