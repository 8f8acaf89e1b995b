"""What a Tensor can see never changes, though compiled steps update Variables where they are."""

import numpy as np
import pytest

import eagerly
from eagerly import GradientTape, Variable, kernels, ops
from eagerly.checkpoint import Checkpoint
from eagerly.graph.functions import Traced
from eagerly.tensor import Tensor, wrap

N = 1000


@pytest.fixture(autouse=True)
def no_other_thread(monkeypatch):
    """What runs the tests may have threads, which would keep Variables from being updated where they are."""
    monkeypatch.setattr(kernels, "has_other_threads", lambda: False)


def fresh():
    return Variable(np.arange(N, dtype="float32"), name="v")


def plan_of(function, *args):
    """The plan that ran last."""
    (traced,) = function._traces.values()
    assert isinstance(traced, Traced)
    return traced.plan([x for x in args if isinstance(x, Tensor)])


def none(*_):
    """No result, which would be one more that sees the value."""


def make_step(*variables):
    @eagerly.function
    def step(x):
        for v in variables:
            v.assign(v * 2 + x)

    return step


def test_nobody_sees_it_so_it_is_updated_where_it_is():
    v = fresh()
    step, x = make_step(v), Tensor(1.0)
    step(x)
    places = set()
    for _ in range(5):
        step(x)
        places.add(np.asarray(v).ctypes.data)
    assert len(places) == 1 and [entry[0] is v for entry in plan_of(step, x).in_place] == [True]
    np.testing.assert_array_equal(v, np.arange(N) * 64 + 63)


# Each holds something that shows the value of a Variable, and gives a function that reads it.
def tensor_of(v):
    x = v.value
    return lambda: x.numpy()


def inner_tensor(v):
    x = v._value
    return lambda: x.numpy()


def numpy_view(v):
    x = np.asarray(v)
    return lambda: x.copy()


def slice_of_view(v):
    x = np.asarray(v)[10:20]
    return lambda: x.copy()


def buffer(v):
    x = memoryview(np.asarray(v))
    return lambda: np.array(x)


def dlpack(v):
    x = np.from_dlpack(v)
    return lambda: x.copy()


def another_variable(v):
    x = Variable(np.zeros(N, "float32"))
    x.assign(v)
    return lambda: x.numpy()


def result_of_assignment(v):
    x = v.assign(v * 1)
    return lambda: x.numpy()


def reshaped(v):
    x = ops.reshape(v, (10, 100))
    return lambda: x.numpy()


def sliced(v):
    x = v[5:]
    return lambda: x.numpy()


def output_of_a_function(v):
    x = eagerly.function(lambda: v.value)()
    return lambda: x.numpy()


def output_of_an_update(v):
    x = eagerly.function(lambda: v.assign(v * 1))()
    return lambda: x.numpy()


def assigned_output(v):
    x = eagerly.function(lambda: v * 3)()
    v.assign(x)
    return lambda: x.numpy()


def iterator(v):
    x = ops.unstack(v[:3])
    return lambda: np.stack([t.numpy() for t in x])


HOLDERS = [tensor_of, inner_tensor, numpy_view, slice_of_view, buffer, dlpack, another_variable, result_of_assignment,
           reshaped, sliced, output_of_a_function, output_of_an_update, assigned_output, iterator]  # fmt: skip


@pytest.mark.parametrize("hold", HOLDERS, ids=lambda hold: hold.__name__)
@pytest.mark.parametrize("warm", [0, 3])
def test_what_is_held_stays(hold, warm):
    v = fresh()
    step = make_step(v)
    for _ in range(warm):
        step(Tensor(1.0))
    look = hold(v)
    before, expected = look().copy(), v.numpy()
    for _ in range(4):
        step(Tensor(1.0))
        expected = expected * 2 + 1
        np.testing.assert_array_equal(look(), before)
        np.testing.assert_array_equal(v, expected)


def test_a_tape_that_read_the_variable():
    v = fresh()
    step = make_step(v)
    step(Tensor(0.0))
    with GradientTape() as t:
        y = ops.sum(v * v)
    before = v.numpy()
    step(Tensor(0.0))
    np.testing.assert_array_equal(t.gradient(y, v), 2 * before)


def test_a_step_within_a_tape():
    v = fresh()
    step = make_step(v)
    before = v.numpy()
    with GradientTape() as t:
        y = ops.sum(v * v)
        step(Tensor(0.0))
        z = y + ops.sum(v * v)
    np.testing.assert_array_equal(t.gradient(z, v), 2 * before + 4 * before)
    np.testing.assert_array_equal(v, 2 * before)


def test_checkpoints_between_steps(tmp_path):
    v = fresh()
    step, checkpoint = make_step(v), Checkpoint(v=v)
    values = []
    for i in range(4):
        checkpoint.write(tmp_path / f"{i}.h5")
        values.append(v.numpy())
        step(Tensor(1.0))
    for i, value in enumerate(values):
        checkpoint.restore(tmp_path / f"{i}.h5")
        np.testing.assert_array_equal(v, value)
        step(Tensor(1.0))
        np.testing.assert_array_equal(v, value * 2 + 1)


def test_two_functions_update_one_variable():
    v = fresh()
    double, add = eagerly.function(lambda: none(v.assign(v * 2))), eagerly.function(lambda x: none(v.assign_add(x)))
    expected = v.numpy()
    for i in range(6):
        held = v.value if i % 3 == 0 else None
        before = None if held is None else held.numpy()
        double(), add(Tensor(1.0))
        expected = expected * 2 + 1
        np.testing.assert_array_equal(v, expected)
        if held is not None:
            np.testing.assert_array_equal(held, before)


def test_inputs_that_are_the_variables_values():
    """The argument is what the Variable holds, and stays it while the Variable is updated."""
    v, w = fresh(), fresh()
    step = eagerly.function(lambda x: (v.assign(v * 2 + x), w.assign(x - v)))
    step(v.value)
    for _ in range(3):
        x, y, old = v.value, v._value, v.numpy()
        new, difference = step(y)
        np.testing.assert_array_equal(new, old * 3)
        np.testing.assert_array_equal(difference, -2 * old)
        np.testing.assert_array_equal(x, old)
        np.testing.assert_array_equal(w, difference)
        del x, y


def test_read_after_its_update():
    """The old value is read by what runs after the new one is made."""
    v, w = fresh(), fresh()

    @eagerly.function
    def step(x):
        old = v * 1.5
        v.assign(v + x)
        w.assign(w + ops.sum(ops.exp(old * 1e-3)) + ops.cumsum(old)[0])
        return ops.flip(old)

    for _ in range(4):
        old, other = v.numpy(), w.numpy()
        flipped = step(Tensor(1.0))
        np.testing.assert_array_equal(flipped, old[::-1] * 1.5)
        np.testing.assert_array_equal(v, old + 1)
        added = np.exp(old.astype("f8") * 1.5e-3).sum() + old[0] * 1.5
        np.testing.assert_allclose(w, other + added, rtol=1e-5)


def test_exchanged_and_shifted():
    v, w = fresh(), Variable(np.ones(N, "float32"))

    @eagerly.function
    def step():
        v.assign(w * 2), w.assign(v * 3)

    for _ in range(3):
        a, b = v.numpy(), w.numpy()
        step()
        np.testing.assert_array_equal(v, b * 2)
        np.testing.assert_array_equal(w, b * 6)
    swap = eagerly.function(lambda: [x.assign(y) for x, y in zip((v, w), (w * 1, v * 1), strict=True)] and None)
    a, b = v.numpy(), w.numpy()
    for _ in range(3):
        swap()
        a, b = b, a
        np.testing.assert_array_equal([v, w], [a, b])
    turn = eagerly.function(lambda: none(v.assign(ops.concatenate([v[1:], v[:1]]) + ops.flip(v))))
    for _ in range(3):
        a = v.numpy()
        turn()
        np.testing.assert_array_equal(v, np.roll(a, -1) + a[::-1])


@pytest.mark.parametrize("shape", [(N,), (10, 100), (1, N), ()])
def test_updates_that_look_at_other_elements(shape):
    """The new value depends on the whole old one, or on it in another order."""
    rng = np.random.default_rng(0)
    v = Variable(rng.normal(size=shape).astype("float32"))
    functions = [
        lambda v: v / (1 + ops.sum(v * v)),
        lambda v: v - ops.max(v, axis=-1, keepdims=True) if v.shape else v * 2,
        lambda v: v - ops.mean(v, axis=0, keepdims=True) if v.shape else v * 2,
        lambda v: ops.reshape(ops.transpose(v), v.shape) + v,
        lambda v: ops.flip(v) - v if v.shape else -v,
    ]
    for function in functions:
        step = eagerly.function(lambda f=function: none(v.assign(f(v))))
        for _ in range(3):
            want = function(Tensor(v))
            step()
            np.testing.assert_allclose(v, want, rtol=1e-5, atol=1e-6)


def test_outputs_that_are_inputs_or_variables():
    v, w, x = fresh(), Variable(np.zeros(N, "float32")), ops.ones(N)
    step = eagerly.function(lambda x: (x, v, v.assign(x), w.assign(v), v.value))
    first = step(x)
    values = [y.numpy() for y in first]
    arrays = [np.asarray(y) for y in (*first, x)]
    update = make_step(v, w)
    for _ in range(3):
        update(Tensor(1.0))
        for y, value, array in zip(first, values, arrays, strict=False):
            np.testing.assert_array_equal(y, value)
            np.testing.assert_array_equal(array, value)
    np.testing.assert_array_equal(values, np.ones((5, N)))  # a Variable is read at the end
    np.testing.assert_array_equal(x, np.ones(N))


def test_outputs_of_earlier_calls():
    """The arena and the blocks are used again; results are not among them."""
    f = eagerly.function(lambda x: (ops.exp(x), ops.exp(x)[::2], ops.transpose(ops.reshape(x * 2, (10, 100))), x[3:]))
    kept = []
    for i in range(5):
        x = Tensor(np.full(N, i / 5, "float32"))
        result = f(x)
        kept.append((result, [y.numpy() for y in result]))
    for result, values in kept:
        for y, value in zip(result, values, strict=True):
            np.testing.assert_array_equal(y, value)


def test_arrays_given_are_left_alone_and_may_change():
    v = fresh()
    step = eagerly.function(lambda x: v.assign(x) * 1)
    x = np.ones(N, "float32")
    y = step(x)
    x[...] = 7
    np.testing.assert_array_equal(v, np.ones(N))
    np.testing.assert_array_equal(y, np.ones(N))


def test_a_variable_of_elements_in_another_order():
    v = Variable(np.zeros((3, 2), "float32"))
    seen = eagerly.function(lambda: v.assign_add(ops.ones((3, 2))) * 1)
    unseen = eagerly.function(lambda: none(v.assign_add(ops.ones((3, 2)))))
    for step in (seen, unseen, seen, unseen):
        x = ops.transpose(Tensor(np.arange(6.0).reshape(2, 3), "float32"))
        v.assign(x)
        expected = x.numpy()
        for _ in range(3):
            y = step()
            expected = expected + 1
            np.testing.assert_array_equal(v, expected)
            assert y is None or np.array_equal(y, expected)
        np.testing.assert_array_equal(x, np.arange(6).reshape(2, 3).T)


def test_a_step_that_raises_has_updated_nothing_in_place():
    v, w = fresh(), fresh()

    @eagerly.function
    def step(x):
        v.assign(v * 2)
        y = ops.cholesky(x)
        w.assign(w + ops.sum(y))

    step(ops.eye(2))
    for _ in range(3):
        before = v.numpy(), w.numpy()
        with pytest.raises(np.linalg.LinAlgError):
            step(-ops.eye(2))
        np.testing.assert_array_equal(before, [v, w])
    step(ops.eye(2))
    np.testing.assert_array_equal(v, np.arange(N) * 4)


def test_two_models_share_a_variable():
    from eagerly import Model, Sequential
    from eagerly.layers import Dense, Input

    shared = Dense(4, name="shared")
    shared.build((None, 4))
    models = [Sequential([Input((4,)), shared, Dense(1)]) for _ in range(2)]
    for model in models:
        model.compile("sgd", "mse")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 4)).astype("float32"), rng.normal(size=(8, 1)).astype("float32")
    for i in range(6):
        held = [w.value for w in models[0].weights + models[1].weights]
        before, kernel = [w.numpy() for w in held], shared.kernel.numpy()
        models[i % 2].fit(x, y, verbose=0)
        for w, value in zip(held, before, strict=True):
            np.testing.assert_array_equal(w, value)
        assert not np.array_equal(shared.kernel, kernel)
        del held
        models[i % 2].fit(x, y, verbose=0)
    outputs = [isinstance(model, Model) and model.predict(x) for model in models]
    for model, y in zip(models, outputs, strict=True):
        np.testing.assert_allclose(model(x), y, rtol=1e-5)


@pytest.mark.parametrize("start", [np.zeros((N + 1,), "float32")[1:], np.broadcast_to(np.float32(0), (N,))])
def test_memory_that_is_another_arrays_or_not_to_be_written_to(start):
    v = fresh()
    step = make_step(v)
    step(Tensor(0.0))
    v._value = wrap(start)
    for expected in (1.0, 3.0, 7.0):
        step(Tensor(1.0))
        np.testing.assert_array_equal(v, np.full(N, expected))
    np.testing.assert_array_equal(start, np.zeros(N))
