"""Row-sparse gradients: when they arise, that they are Tensors, and updates that touch the rows alone."""

import copy
import gc
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eagerly import Sequential, callbacks, kernels, layers, ops, optim
from eagerly.context import context
from eagerly.ownership import is_sole_owner, may_write, updatable
from eagerly.slices import IndexedSlices, add
from eagerly.tape import GradientTape
from eagerly.tensor import Tensor
from eagerly.variable import Variable, rollback

ROWS = 40


def table(dtype="float32"):
    return Variable(np.random.default_rng(0).normal(size=(ROWS, 3)), dtype=dtype, name="table")


def looked_up(variable, ids, power=3):
    with GradientTape() as tape:
        y = ops.sum(ops.take(variable, ids, axis=0) ** power)
    return tape.gradient(y, variable)


def random_ids(seed, shape=(4, 3)):
    return np.random.default_rng(seed).integers(-ROWS, ROWS, shape)


def test_looked_up_rows_of_a_variable_have_a_row_sparse_gradient():
    v = table()
    g = looked_up(v, [[1, 5], [-1, 5]])
    assert type(g) is IndexedSlices and isinstance(g, Tensor)
    assert (g.shape, g.dtype, g.size, g.ndim) == ((ROWS, 3), np.float32, ROWS * 3, 2)
    assert g.values.shape == (4, 3) and g.indices.tolist() == [1, 5, ROWS - 1, 5]
    dense = np.zeros((ROWS, 3), "float32")
    np.add.at(dense, [1, 5, -1, 5], 3 * v.numpy()[[1, 5, -1, 5]] ** 2)
    np.testing.assert_allclose(g.numpy(), dense, rtol=1e-6)
    np.testing.assert_allclose((g * 2 + 1).numpy(), dense * 2 + 1, rtol=1e-6)
    np.testing.assert_allclose(np.asarray(g), dense, rtol=1e-6)
    assert ops.sum(g).shape == () and ops.convert_to_tensor(g) is g
    assert f"{g!r}".startswith("Tensor([[")
    for twin in (pickle.loads(pickle.dumps(g)), copy.deepcopy(g)):
        np.testing.assert_array_equal(twin.numpy(), g.numpy())


def test_what_is_dense_stays_dense():
    v, watched = table(), Tensor(np.ones((ROWS, 3)), "float32")
    with GradientTape(persistent=True) as tape:
        tape.watch(watched)
        both = ops.sum(ops.take(v, [1], axis=0)) + ops.sum(v)
        of_tensor = ops.sum(ops.take(watched, [1], axis=0))
        many = ops.sum(ops.take(v, np.arange(ROWS), axis=0))
        columns = ops.sum(ops.take(v, [1], axis=1))
        intermediate = ops.sum(ops.take(v * 2.0, [1], axis=0))
    for y, source in ((both, v), (of_tensor, watched), (many, v), (columns, v), (intermediate, v)):
        assert type(tape.gradient(y, source)) is Tensor
    np.testing.assert_array_equal(tape.gradient(both, v).numpy(), np.ones((ROWS, 3)) + np.eye(ROWS)[1][:, None])


def test_several_look_ups_add_up_and_higher_orders_are_dense():
    v = table("float64")
    with GradientTape() as tape:
        y = ops.sum(ops.take(v, [1, 2], axis=0)) + 2.0 * ops.sum(v[np.array([2, 3])])
    g = tape.gradient(y, v)
    assert type(g) is IndexedSlices
    assert g.merged().indices.tolist() == [1, 2, 3] and g.merged().values.numpy()[:, 0].tolist() == [1.0, 3.0, 2.0]
    with GradientTape() as outer:
        with GradientTape() as inner:
            y = ops.sum(ops.take(v, [1, 2, 1], axis=0) ** 3)
        first = inner.gradient(y, v)
        slope = ops.sum(first * first)
    assert type(first) is Tensor
    expected = 2 * 3 * v.numpy() ** 2 * 6 * v.numpy() * np.bincount([1, 2, 1], minlength=ROWS)[:, None] ** 2
    np.testing.assert_allclose(outer.gradient(slope, v).numpy(), expected)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 5), max_size=12), st.lists(st.integers(0, 5), max_size=12))
def test_merging_and_adding_keep_the_sum(first, second):
    rng = np.random.default_rng(len(first))
    a, b = (
        IndexedSlices(rng.integers(-9, 9, (len(i), 2)).astype("float32"), np.array(i, int), (6, 2))
        for i in (first, second)
    )
    dense = [x.numpy() for x in (a, b)]
    assert (np.diff(a.merged().indices.numpy()) > 0).all()
    np.testing.assert_array_equal(a.merged().numpy(), dense[0])
    for x, y in ((a, b), (a, dense[1]), (dense[0], b), (a, Tensor(dense[1]))):
        total = add(x, y)
        np.testing.assert_array_equal(np.asarray(total), dense[0] + dense[1])
    assert type(add(a, b)) is IndexedSlices and type(add(a, dense[1])) is np.ndarray
    np.testing.assert_array_equal(b.numpy(), dense[1])


OPTIMIZERS = {
    "SGD": lambda: optim.SGD(0.1),
    "clipnorm": lambda: optim.SGD(0.1, clipnorm=0.5),
    "global_clipnorm": lambda: optim.SGD(0.1, global_clipnorm=0.5),
    "clipvalue": lambda: optim.SGD(0.1, clipvalue=0.2),
    "weight decay": lambda: optim.SGD(0.1, weight_decay=0.1),
    "momentum": lambda: optim.SGD(0.1, momentum=0.9),
    "Adam": lambda: optim.Adam(0.1),
    "RMSprop": lambda: optim.RMSprop(0.1),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_updates_are_those_of_the_dense_gradient(name):
    found = []
    for densify in (False, True):
        v, other, optimizer = table(), Variable(1.0), OPTIMIZERS[name]()
        for seed in range(4):
            g = looked_up(v, random_ids(seed))
            optimizer.apply([g.read() if densify else g, 0.5], [v, other])
        found.append(v.numpy())
    np.testing.assert_allclose(*found, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("make", [optim.Adam, optim.AdamW, optim.RMSprop, lambda r, lazy: optim.SGD(r, 0.9, lazy=lazy)])
def test_lazy_updates_leave_other_rows_and_their_slots(make):
    v, optimizer = table(), make(0.1, lazy=True)
    reference, dense = table(), make(0.1, lazy=False)
    before = v.numpy()
    ids = np.array([3, 7, 3])
    for _ in range(3):
        optimizer.apply([looked_up(v, ids)], [v])
        dense.apply([looked_up(reference, ids).read()], [reference])
    rest = np.setdiff1d(np.arange(ROWS), ids)
    if make is not optim.AdamW:  # which takes the decay off everything
        np.testing.assert_array_equal(v.numpy()[rest], before[rest])
    np.testing.assert_allclose(v.numpy()[ids], reference.numpy()[ids], rtol=1e-6)
    for slot in optimizer.variables[2:]:
        assert not slot.numpy()[rest].any() and slot.numpy()[ids].any()


def test_lazy_is_part_of_the_configuration():
    assert optim.Adam.from_config(optim.Adam(lazy=True).get_config()).lazy is True
    assert optim.Adam().lazy is False


def test_a_user_rule_that_looks_at_the_whole_gets_the_dense_gradient():
    class Scaled(optim.Optimizer):
        def rule(self, value, grad, step, learning_rate):
            return value - learning_rate * grad / ops.sum(ops.abs(value))

    v, reference = table(), table()
    Scaled(0.1).apply([looked_up(v, [1, 2])], [v])
    expected = reference.numpy() - 0.1 * looked_up(reference, [1, 2]).numpy() / np.abs(reference.numpy()).sum()
    np.testing.assert_allclose(v.numpy(), expected, rtol=1e-6)


# --- memory that nobody else sees


def address(variable):
    return variable._value._array.ctypes.data


def updated(v, ids=(1, 2)):
    """The table's memory before and after an update."""
    g = looked_up(v, np.array(ids))
    optimizer = optim.SGD(0.1)
    before = address(v)
    optimizer.apply([g], [v])
    return before, address(v)


def test_rows_are_written_in_place_where_nobody_sees_it():
    v = table()
    first = v.numpy()
    updated(v)
    before, after = updated(v)
    assert before == after
    assert (v.numpy() != first).any(axis=1).nonzero()[0].tolist() == [1, 2]


@pytest.mark.parametrize(
    "see",
    [
        lambda v: v.value,
        lambda v: v * 1.0,
        lambda v: np.asarray(v),
        lambda v: np.asarray(v)[3:5],
        lambda v: v[1:3],
        lambda v: ops.reshape(v, (-1,)),
        lambda v: memoryview(np.asarray(v)),
        lambda v: np.from_dlpack(v),
        lambda v: Variable(v),
        lambda v: v.assign(v.numpy()),
        lambda v: copy.deepcopy(v),
        lambda v: [v._value],
    ],
)
def test_what_somebody_can_see_never_changes(see):
    v = table()
    updated(v)
    seen = see(v)
    leaf = seen[0] if isinstance(seen, list) else seen
    before = np.array(leaf)
    updated(v)
    updated(v)
    np.testing.assert_array_equal(np.array(leaf), before)


def test_a_tape_that_lives_sees_the_old_values():
    v = table()
    updated(v)
    with GradientTape(persistent=True) as tape:
        y = ops.sum(ops.take(v, [1, 2], axis=0) ** 2)
    expected = tape.gradient(y, v).numpy()
    optim.SGD(0.1).apply([tape.gradient(y, v)], [v])
    np.testing.assert_array_equal(tape.gradient(y, v).numpy(), expected)
    with GradientTape() as outer:
        z = ops.sum(ops.take(v, [1, 2], axis=0) ** 2)
        before = v.numpy()
        optim.SGD(0.1).apply([looked_up(v, [1, 2])], [v])
    np.testing.assert_allclose(outer.gradient(z, v).numpy()[1], 2 * before[1])


def test_a_step_that_fails_gives_the_rows_back():
    v, w = table(), table()
    optimizer = optim.SGD(0.1)
    optimizer.apply([looked_up(v, [1]), looked_up(w, [1])], [v, w])
    gc.collect()
    before, place = v.numpy(), address(v)

    class Fails:
        def __call__(self, value):
            assert (v.numpy() != before).any()
            raise RuntimeError("no")

    w.constraint = Fails()
    with pytest.raises(RuntimeError, match="no"):
        optimizer.apply([looked_up(v, [1, 2]), looked_up(w, [1])], [v, w])
    np.testing.assert_array_equal(v.numpy(), before)
    assert address(v) == place  # written in place, and back
    assert context.is_clean()


def test_nested_blocks_give_back_what_each_found():
    v = table()
    v.assign_rows(np.array([0]), np.ones((1, 3)))
    start = v.numpy()
    with pytest.raises(KeyError):
        with rollback([v]):
            v.assign_rows(np.array([1, 4]), np.full((2, 3), 2.0))
            middle = v.numpy()
            with pytest.raises(ValueError):
                with rollback([v]):
                    v.assign_rows(np.array([4, 5]), np.full((2, 3), 3.0))
                    v.assign_rows(np.array([5]), np.full((1, 3), 4.0))
                    v.assign_add(np.ones((ROWS, 3)))
                    raise ValueError
            np.testing.assert_array_equal(v.numpy(), middle)
            raise KeyError
    np.testing.assert_array_equal(v.numpy(), start)


def test_rows_of_a_wrong_shape_change_nothing():
    v = table()
    before = v.numpy()
    with pytest.raises(ValueError, match=r"Variable 'table': expected rows of shape \(2, 3\), got float32\[2, 4\]"):
        v.assign_rows(np.array([0, 1]), np.ones((2, 4)))
    np.testing.assert_array_equal(v.numpy(), before)


def test_sole_ownership_is_seen_through_references_views_and_buffers():
    class Box:
        pass

    box = Box()
    box.content = np.zeros(4)
    assert is_sole_owner(box, "content") and may_write(box, "content")
    for see in (lambda x: x, lambda x: x[1:], memoryview, lambda x: [x], lambda x: x.reshape(2, 2)):
        seen = see(box.content)
        assert not may_write(box, "content"), see
        assert is_sole_owner(box, "content", others=1)
        del seen
        assert may_write(box, "content")
    box.content = np.zeros(4)[1:]
    assert not may_write(box, "content")  # memory of another array
    box.content = np.zeros(4)
    box.content.flags.writeable = False
    assert not may_write(box, "content")


def test_variables_that_nobody_else_sees_are_told_from_others():
    variables = [Variable(np.zeros(3)) for _ in range(3)]
    assert updatable(variables) == [True] * 3 and updatable([]) == []
    tensor, array = variables[0]._value, variables[2]._value._array
    assert updatable(variables) == [False, True, False]
    del tensor
    view = np.asarray(variables[1])
    assert updatable(variables) == [True, False, False]
    del array, view
    assert updatable(variables) == [True] * 3


def test_an_embedding_trained_by_fit_moves_its_rows_alone(monkeypatch):
    monkeypatch.setattr(kernels, "has_other_threads", lambda: False)  # whatever runs the tests has threads
    model = Sequential([layers.Embedding(1000, 4), layers.Flatten(), layers.Dense(1)])
    model.compile(optim.SGD(0.1), "mse")
    x, y = np.arange(16).reshape(8, 2), np.ones((8, 1))
    model.fit(x, y, batch_size=2, verbose=0)
    embeddings = model.layers[0].embeddings
    before, places = embeddings.numpy(), []

    class Places(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            places.append(address(embeddings))

    model.fit(x, y, batch_size=2, verbose=0, epochs=2, callbacks=[Places()])
    moved = (embeddings.numpy() != before).any(axis=1)
    assert moved[:16].all() and not moved[16:].any()
    assert len(places) == 8 and len(set(places)) == 1  # a fit's first step, which may fail as a whole, copies
