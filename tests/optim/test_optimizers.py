"""Every optimizer: equal to its reference, solves small problems, resumes bit for bit, follows identity."""

import copy
import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import optim_references as references
from eagerly import ops, optim
from eagerly.dimensions import BATCH
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from eagerly.variable import Variable

# Each public class: the options to try, the slots they give, and learning rate and steps for the small problems.
TABLE = {
    "SGD": [
        ({}, (), 0.002, 4000),
        ({"momentum": 0.9}, ("momentum",), 0.001, 1500),
        ({"momentum": 0.9, "nesterov": True}, ("momentum",), 0.001, 1500),
    ],
    "RMSprop": [
        ({}, ("velocity",), 0.002, 3000),
        ({"rho": 0.8, "momentum": 0.5}, ("velocity", "momentum"), 0.001, 3000),
        ({"centered": True, "epsilon": 1e-3}, ("velocity", "average_gradient"), 0.001, 3000),
        ({"centered": True, "momentum": 0.5}, ("velocity", "momentum", "average_gradient"), 0.0005, 4000),
    ],
    "Adam": [
        ({}, ("momentum", "velocity"), 0.02, 1500),
        ({"amsgrad": True, "beta_1": 0.8}, ("momentum", "velocity", "velocity_hat"), 0.05, 2500),
        ({"beta_2": 0.95, "epsilon": 1e-4}, ("momentum", "velocity"), 0.02, 1500),
    ],
    "AdamW": [
        ({}, ("momentum", "velocity"), 0.02, 1500),
        ({"weight_decay": 0.0, "amsgrad": True}, ("momentum", "velocity", "velocity_hat"), 0.05, 2500),
    ],
}
CASES = [(name, options, slots) for name, rows in TABLE.items() for options, slots, *_ in rows]
PROBLEMS = [(name, options, rate, steps) for name, rows in TABLE.items() for options, _, rate, steps in rows]
COMMON = [
    {},
    {"weight_decay": 0.1},
    {"clipnorm": 0.7},
    {"clipvalue": 0.3},
    {"global_clipnorm": 0.9},
    {"weight_decay": 0.1, "clipnorm": 0.7},
]
SHAPES = ((3, 2), (2,), ())


def case_id(value):
    return ",".join(f"{k}={v}" for k, v in value.items()) or "-" if isinstance(value, dict) else None


def make(optimizer, options=None, /, **kwargs):
    return getattr(optim, optimizer)(**{**(options or {}), **kwargs})


def variables(dtype="float32"):
    return [
        Variable(np.linspace(-1, 1, int(np.prod(s))).reshape(s), dtype=dtype, name=f"v{i}")
        for i, s in enumerate(SHAPES)
    ]


def gradients(step):
    rng = np.random.default_rng(step)
    return [rng.normal(size=s).astype("float32") for s in SHAPES]


def test_the_table_is_the_public_names():
    classes = {name for name, value in vars(optim).items() if inspect.isclass(value) and name[0] != "_"}
    assert classes == {*TABLE, "Optimizer"}


# The arguments of Keras 3 up to those of the base.
SIGNATURES = {
    "Optimizer": "learning_rate weight_decay",
    "SGD": "learning_rate momentum nesterov weight_decay",
    "RMSprop": "learning_rate rho momentum epsilon centered weight_decay",
    "Adam": "learning_rate beta_1 beta_2 epsilon amsgrad weight_decay",
    "AdamW": "learning_rate weight_decay beta_1 beta_2 epsilon amsgrad",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_constructors_have_the_arguments_of_keras(name):
    parameters = list(inspect.signature(getattr(optim, name)).parameters)
    assert parameters == [*SIGNATURES[name].split(), "clipnorm", "clipvalue", "global_clipnorm", "name"]


def test_defaults_are_those_of_keras():
    rates = {name: float(make(name).learning_rate) for name in TABLE}
    assert rates == pytest.approx({"SGD": 0.01, "RMSprop": 0.001, "Adam": 0.001, "AdamW": 0.001})
    adam = make("AdamW").get_config()
    assert {**adam, "learning_rate": None} == {
        "learning_rate": None,
        "weight_decay": 0.004,
        "beta_1": 0.9,
        "beta_2": 0.999,
        "epsilon": 1e-7,
        "amsgrad": False,
        "clipnorm": None,
        "clipvalue": None,
        "global_clipnorm": None,
        "name": None,
    }


@pytest.mark.parametrize("common", COMMON, ids=case_id)
@pytest.mark.parametrize(("name", "options", "slots"), CASES, ids=case_id)
def test_twenty_steps_equal_the_reference(name, options, slots, common):
    options = {**options, **common}
    optimizer = make(name, options, learning_rate=0.05)
    reference = getattr(references, name)(0.05, **options)
    ours, theirs = variables(), [v.numpy() for v in variables("float64")]
    for step in range(20):
        if step == 10:
            optimizer.learning_rate = reference.learning_rate = 0.02
        optimizer.apply(gradients(step), ours)
        reference.apply(gradients(step), theirs)
    for v, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(v.numpy(), expected, rtol=2e-4, atol=2e-5)
    assert int(optimizer.iterations) == 20


@pytest.mark.parametrize(("name", "options", "slots"), CASES, ids=case_id)
@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_other_dtypes_stay(name, options, slots, dtype):
    optimizer = make(name, options, learning_rate=0.0625)
    reference = getattr(references, name)(0.0625, **options)
    ours, theirs = variables(dtype), [v.numpy() for v in variables("float64")]
    for step in range(5):
        optimizer.apply(gradients(step), ours)
        reference.apply(gradients(step), theirs)
    assert {v.dtype.name for v in (*ours, *optimizer.variables[2:])} == {dtype}
    if dtype == "float64":
        for v, expected in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(v.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize(("name", "options", "rate", "steps"), PROBLEMS, ids=case_id)
def test_a_parabola_is_solved(name, options, rate, steps):
    optimizer = make(name, {**options, "weight_decay": None} if name != "AdamW" else {**options, "weight_decay": 0.0})
    optimizer.learning_rate = 0.05
    target = np.array([0.3, -0.2], "float32")
    x = Variable(np.zeros(2), dtype="float32")
    for step in range(150):
        if step == 75:
            optimizer.learning_rate = 0.005
        with GradientTape() as tape:
            y = ops.sum(ops.square(x - target))
        optimizer.apply([tape.gradient(y, x)], [x])
    np.testing.assert_allclose(x.numpy(), target, atol=0.02)


@pytest.mark.parametrize(("name", "options", "rate", "steps"), PROBLEMS, ids=case_id)
def test_rosenbrock_is_descended(name, options, rate, steps):
    """From (-1, 1), with a value of 4, along the curved valley; its gradient is written out, to be quick."""
    optimizer = make(name, {**options, "weight_decay": 0.0}, learning_rate=rate)
    x = Variable(np.array([-1.0, 1.0]), dtype="float32")
    for _ in range(steps):
        a, b = x.numpy().astype("float64")
        optimizer.apply([np.array([2 * (a - 1) - 400 * a * (b - a * a), 200 * (b - a * a)], "float32")], [x])
        if abs(a - 1) < 0.1:
            break
    assert abs(a - 1) < 0.1 and abs(b - a * a) < 0.1


@pytest.mark.parametrize(("name", "options", "slots"), CASES, ids=case_id)
def test_a_run_resumes_bit_for_bit(name, options, slots):
    def run(optimizer, values, steps):
        for step in steps:
            optimizer.apply(gradients(step), values)
        return [v.numpy().tobytes() for v in (*values, *optimizer.variables)]

    whole = run(make(name, options), variables(), range(8))
    first, values = make(name, options), variables()
    run(first, values, range(5))
    second, others = make(name, options), variables()
    second.build(others[::-1])  # another order, as another program may have
    for mine, theirs in zip(others, values, strict=True):
        mine.assign(theirs)
    second.iterations.assign(first.iterations)
    second.learning_rate.assign(first.learning_rate)
    saved = {v.name: slots for v, slots in first.bound_children()}
    for variable, mine in second.bound_children():
        assert tuple(sorted(mine)) == tuple(sorted(slots))
        for key, slot in mine.items():
            slot.assign(saved[variable.name][key])
    resumed = run(second, others, range(5, 8))
    assert resumed[:3] == whole[:3] and sorted(resumed) == sorted(whole)


@pytest.mark.parametrize(("name", "options", "slots"), CASES, ids=case_id)
@settings(max_examples=8, deadline=None, derandomize=True)
@given(orders=st.lists(st.permutations(range(3)), min_size=4, max_size=4))
def test_slots_follow_the_variable_whatever_the_order(name, options, slots, orders):
    results = []
    for permuted in (False, True):
        optimizer, values = make(name, options), variables()
        for step, order in enumerate(orders):
            order = order if permuted else range(3)
            optimizer.apply([gradients(step)[i] for i in order], [values[i] for i in order])
        results.append([v.numpy().tobytes() for v in values])
    assert results[0] == results[1]


@pytest.mark.parametrize(("name", "options", "slots"), CASES, ids=case_id)
def test_state_is_listed_bound_and_tracked(name, options, slots):
    optimizer, values = make(name, options), variables()
    assert optimizer.may_grow("anything") and not optimizer.built
    assert optimizer.bound_children() == []
    optimizer.build(values)
    assert optimizer.built and not optimizer.may_grow("anything")
    assert set(optimizer.children()) == {"iterations", "learning_rate"}
    bound = optimizer.bound_children()
    assert [id(v) for v, _ in bound] == [id(v) for v in values]
    for variable, found in bound:
        assert set(found) == set(slots)
        assert all(s.shape == variable.shape and not s.trainable and not s.numpy().any() for s in found.values())
    assert len(optimizer.variables) == 2 + 3 * len(slots)
    assert optimizer.variables[0] is optimizer.iterations and optimizer.variables[1] is optimizer.learning_rate
    assert not any(v.trainable for v in optimizer.variables)
    assert optimizer.iterations.dtype == "int64" and optimizer.learning_rate.dtype == "float32"


# The order of Keras's `variables`, after the name of the weight.
ORDERS = [
    ("Adam", {}, "v0_momentum v0_velocity v1_momentum v1_velocity"),
    ("Adam", {"amsgrad": True}, "v0_momentum v0_velocity v1_momentum v1_velocity v0_velocity_hat v1_velocity_hat"),
    ("SGD", {"momentum": 0.5}, "v0_momentum v1_momentum"),
    ("RMSprop", {"momentum": 0.5}, "v0_velocity v1_velocity v0_momentum v1_momentum"),
]


@pytest.mark.parametrize(("name", "options", "order"), ORDERS)
def test_variables_come_in_the_order_of_keras(name, options, order):
    optimizer = make(name, options)
    optimizer.build(variables()[:2])
    assert [v.name for v in optimizer.variables] == ["iteration", "learning_rate", *order.split()]
    assert optimizer.variables[2].path == f"{optimizer.name}/{order.split()[0]}"


@pytest.mark.parametrize(("name", "options", "slots"), CASES, ids=case_id)
def test_rules_are_pure_and_run_on_symbols(name, options, slots):
    optimizer = make(name, options)
    args = [AbstractTensor((BATCH, 2)), AbstractTensor((BATCH, 2)), AbstractTensor(()), AbstractTensor(())]
    new = optimizer.rule(*args, **{slot: AbstractTensor((BATCH, 2)) for slot in slots})
    new = new if isinstance(new, tuple) else (new,)
    assert len(new) == 1 + len(slots) and all((x.shape, x.dtype) == ((None, 2), "float32") for x in new)
    held = [Tensor(np.ones(2, "float32")) for _ in range(2 + len(slots))]
    optimizer.rule(held[0], held[1], 1, 0.1, **dict(zip(slots, held[2:], strict=True)))
    assert all((x.numpy() == 1).all() for x in held)


@pytest.mark.parametrize(("name", "options", "slots"), CASES, ids=case_id)
def test_config_makes_the_same_optimizer(name, options, slots):
    optimizer = make(name, options, clipnorm=0.5, name="mine")
    optimizer.learning_rate = 0.25
    config = optimizer.get_config()
    assert config["learning_rate"] == 0.25 and config["name"] == "mine"
    twin = type(optimizer).from_config(config)
    assert twin.get_config() == config
    assert optim.get({"class_name": name, "config": config}).get_config() == config
    assert repr(twin) == f"<{name} 'mine'>"


@pytest.mark.parametrize(("name", "options", "slots"), CASES, ids=case_id)
def test_a_deep_copy_has_variables_of_its_own(name, options, slots):
    optimizer, values = make(name, options), variables()
    optimizer.apply(gradients(0), values)
    twin, twins = copy.deepcopy((optimizer, values))
    twin.apply(gradients(1), twins)
    assert int(optimizer.iterations) == 1 and int(twin.iterations) == 2
    optimizer.apply(gradients(1), values)
    assert [v.numpy().tobytes() for v in values] == [v.numpy().tobytes() for v in twins]


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


def refused(message, grads, targets, values, optimizer=None):
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


# --- names


@pytest.mark.parametrize("name", TABLE)
def test_get_by_name_in_any_case(name):
    kind = getattr(optim, name)
    for identifier in (name, name.lower(), name.upper(), kind, {"class_name": name.lower(), "config": {}}):
        assert type(optim.get(identifier)) is kind


def test_get_of_other_things():
    optimizer = make("SGD")
    assert optim.get(optimizer) is optimizer and optim.get(None) is None
    assert optim.get("rmsprop").name == "rm_sprop"
    with pytest.raises(ValueError, match="Unknown optimizer: 'adm'. Did you mean 'adam'?"):
        optim.get("adm")
    with pytest.raises(ValueError, match="Expected the name of a known optimizer or an Optimizer, got 3"):
        optim.get(3)
    with pytest.raises(ValueError, match="Expected the name of a known optimizer or an Optimizer"):
        optim.get(lambda: None)
