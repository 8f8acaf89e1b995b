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
from optim_references import gradients, make, variables

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


def case_id(value):
    return ",".join(f"{k}={v}" for k, v in value.items()) or "-" if isinstance(value, dict) else None


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
    ours = ["lazy"]  # row-sparse gradients move their rows alone, as in TensorFlow Addons' LazyAdam
    assert parameters == [*SIGNATURES[name].split(), "clipnorm", "clipvalue", "global_clipnorm", *ours, "name"]


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
        "lazy": False,
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
