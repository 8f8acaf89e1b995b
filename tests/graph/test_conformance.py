"""Every layer, loss, metric and optimizer is compiled what it is eagerly: results, gradients and state."""

import inspect
import itertools

import numpy as np
import pytest

import eagerly
import eagerly.random
from eagerly import GradientTape, kernels, losses, metrics, nest, ops, optim
from eagerly.graph import TensorSpec
from eagerly.tensor import Tensor
from eagerly.variable import Variable
from layer_table import ROWS, built, data, unknown
from optim_references import gradients, variables

N, CLASSES = 37, 5


@pytest.fixture(autouse=True)
def every_loop_compiles():
    """A loop that cannot be compiled runs from Python, unnoticed but for this."""
    yield
    assert not kernels.failures


def assert_close(got, want, rtol=1e-5):
    got, want = nest.flatten(got), nest.flatten(want)
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        assert (a is None) == (b is None)
        if a is None:
            continue
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        a, b = np.asarray(a), np.asarray(b)
        if a.dtype.kind in "biu":
            np.testing.assert_array_equal(a, b)
        else:
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * max(1, np.abs(b).max(initial=0)))


def classes(module, *bases):
    """The public classes of a module."""
    found = [name for name, value in vars(module).items() if inspect.isclass(value) and not name.startswith("_")]
    return [name for name in found if name not in bases]


# --- layers


def whole_step(layer, x, training):
    """Output, state afterwards, and the gradients of a loss that tells the output's elements apart."""
    sources = [leaf for leaf in nest.flatten(x) if leaf.dtype.kind == "f"]
    with GradientTape() as tape:
        tape.watch(sources)
        y = layer(x, training=training)
        weights = ops.reshape(ops.cos(ops.cast(ops.arange(int(np.prod(y.shape))), "float32")), y.shape)
        loss = ops.sum(y * weights)
        for term in layer.losses:
            loss = loss + term
    watched = layer.trainable_weights
    return y, tape.gradient(loss, [*sources, *watched], unconnected_gradients="zero"), loss


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", ROWS)
def test_layers(name, training):
    results = []
    for compiled in (False, True):
        eagerly.random.set_seed(5)
        layer = built(name)
        x = nest.map_structure(Tensor, data(name))
        step = eagerly.function(whole_step) if compiled else whole_step
        steps = [step(layer, x, training) for _ in range(2)]  # the second one with the state that the first one left
        results.append((steps, [v.value for v in layer.variables]))
    (want, state), (got, state_after) = results
    assert_close(got, want, 3e-5)
    assert_close(state_after, state)
    for before, after in zip(nest.flatten(want), nest.flatten(got), strict=True):
        if name.endswith("Dropout") or "SpatialDropout" in name:
            np.testing.assert_array_equal(np.asarray(before) == 0, np.asarray(after) == 0)


@pytest.mark.parametrize("name", ROWS)
def test_layers_of_unknown_sizes(name):
    """One trace serves all sizes that a symbolic call leaves open."""
    layer, x = built(name), data(name)
    several = isinstance(x, list)
    dtype = "int32" if ROWS[name].integers is not None else "float32"
    shapes = unknown(name, (0,))
    specs = [TensorSpec(shape, dtype) for shape in (shapes if several else [shapes])]
    f = eagerly.function(lambda x: layer(x), input_signature=[specs] if several else specs)
    for rows in (slice(None), slice(0, 1)):
        part = nest.map_structure(lambda leaf, rows=rows: Tensor(leaf[rows]), x)
        assert_close(f(part), layer(part))
    assert len(f._traces) == 1


@pytest.mark.parametrize("name", ["LSTM", "GRU", "SimpleRNN", "Bidirectional", "RNN"])
def test_recurrent_layers_with_masks_and_states(name):
    layer = built(name)
    x = Tensor(data(name))
    x._mask = Tensor(np.array([[True] * 3 + [False] * 2, [True] * 5]))

    def step(x, seed):
        with GradientTape() as tape:
            tape.watch(x)
            y = ops.sum(ops.sin(layer(x, training=True)))
        return y, tape.gradient(y, [x, *layer.trainable_weights])

    assert_close(eagerly.function(step)(x, 0), step(x, 0))


def test_stateful_layers_keep_their_state():
    results = []
    for compiled in (False, True):
        layer = eagerly.layers.LSTM(3, stateful=True, return_sequences=True, seed=1)
        x = Tensor(np.sin(np.arange(40.0)).reshape(2, 5, 4), "float32")
        layer(x), layer.reset_states()
        layer.set_weights([np.cos(np.arange(w.size)).reshape(w.shape) for w in layer.weights])
        f = eagerly.function(lambda x, layer=layer: layer(x)) if compiled else layer
        results.append([f(x) for _ in range(3)])
    assert_close(*reversed(results))
    assert not np.allclose(results[0][0], results[0][1])


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
@pytest.mark.parametrize("name", ["Dense", "BatchNormalization", "LayerNormalization", "Conv2D", "LSTM", "Embedding"])
def test_layers_of_other_dtypes(name, dtype):
    layer, x = built(name, dtype=dtype), nest.map_structure(Tensor, data(name))
    got = eagerly.function(lambda x: layer(x, training=False))(x)
    want = layer(x, training=False)
    assert got.dtype == want.dtype
    assert_close(ops.cast(got, "float32"), ops.cast(want, "float32"), {"float64": 1e-6}.get(dtype, 2e-2))


# --- losses

OPTIONS = {
    "Huber": [{}, {"delta": 0.3}],
    "BinaryCrossentropy": [{}, {"from_logits": True, "label_smoothing": 0.1}],
    "CategoricalCrossentropy": [{}, {"from_logits": True}, {"label_smoothing": 0.2}],
    "SparseCategoricalCrossentropy": [{}, {"from_logits": True}, {"ignore_class": 2}],
}
LOSSES = [
    (name, options) for name in classes(losses, "Loss", "LossFunctionWrapper") for options in OPTIONS.get(name, [{}])
]


def labelled(name, seed=0):
    rng = np.random.default_rng(seed)
    y_pred = rng.uniform(0.05, 0.95, (N, CLASSES)).astype("float32")
    if name.startswith("Sparse"):
        return Tensor(rng.integers(0, CLASSES, N), "int32"), Tensor(y_pred)
    if name.startswith("Categorical"):
        return Tensor(np.eye(CLASSES, dtype="float32")[rng.integers(0, CLASSES, N)]), Tensor(y_pred)
    return Tensor(rng.integers(0, 2, (N, CLASSES)) if name.startswith("Binary") else y_pred[::-1]), Tensor(y_pred)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "none", "sum"])
@pytest.mark.parametrize(("name", "options"), LOSSES, ids=str)
def test_losses(name, options, reduction):
    loss = getattr(losses, name)(reduction=reduction, **options)
    y_true, y_pred = labelled(name)
    weight = Tensor(np.linspace(0, 2, N), "float32")

    def step(y_true, y_pred, weight):
        with GradientTape() as tape:
            tape.watch(y_pred)
            value = loss(y_true, y_pred, sample_weight=weight)
        return value, tape.gradient(value, y_pred)

    for given in (weight, None):
        assert_close(eagerly.function(step)(y_true, y_pred, given), step(y_true, y_pred, given))


def test_labels_out_of_range_raise_as_eagerly():
    loss = losses.SparseCategoricalCrossentropy()
    compiled = eagerly.function(lambda t, p: loss(t, p))
    y_true, y_pred = labelled("SparseCategoricalCrossentropy")
    assert_close(compiled(y_true, y_pred), loss(y_true, y_pred))
    wrong = Tensor(np.where(np.arange(N) == 3, CLASSES, y_true), "int32")
    messages = []
    for f in (loss, compiled):
        with pytest.raises(ValueError, match=str(CLASSES)) as caught:
            f(wrong, y_pred)
        messages.append(str(caught.value))
    assert messages[0].partition(": ")[2] == messages[1].partition(": ")[2]
    assert_close(compiled(y_true, y_pred), loss(y_true, y_pred))


# --- metrics

METRICS = classes(metrics, "Metric", "MeanMetricWrapper")


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("weighted", [False, True])
def test_metrics(name, weighted):
    results = []
    for compiled in (False, True):
        metric = getattr(metrics, name)()

        def update(*args, metric=metric):
            *batch, weight = args
            metric.update_state(*batch, sample_weight=weight)
            return metric.result()

        step = eagerly.function(update) if compiled else update
        seen = []
        for seed in range(3):
            y_true, y_pred = labelled(name, seed)
            if name == "Accuracy":
                y_true = ops.where(y_true > 0.5, y_pred, y_true)
            batch = (y_pred[:, 0],) if name in ("Mean", "Sum") else (y_true, y_pred)
            seen.append(step(*batch, Tensor(np.linspace(0, 2, N), "float32") if weighted else None))
        results.append((seen, [v.value for v in metric.variables]))
    assert_close(*reversed(results))


# --- optimizers

KINDS = {
    "SGD": [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}],
    "RMSprop": [{}, {"centered": True, "momentum": 0.5}],
    "Adam": [{}, {"amsgrad": True}],
    "AdamW": [{}, {"amsgrad": True, "weight_decay": 0.1}],
}
COMMON = [
    {},
    {"weight_decay": 0.1},
    {"clipnorm": 0.7},
    {"clipvalue": 0.3},
    {"global_clipnorm": 0.9, "weight_decay": 0.05},
]
OPTIMIZERS = [
    (name, {**options, **common})
    for name in classes(optim, "Optimizer")
    for options, common in itertools.product(KINDS[name], COMMON)
]


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS, ids=str)
def test_optimizers(name, options):
    results = []
    for compiled in (False, True):
        optimizer, owned = getattr(optim, name)(0.05, **options), variables()
        optimizer.build(owned)

        def apply(found, optimizer=optimizer, owned=owned):
            optimizer.apply(found, owned)

        step = eagerly.function(apply) if compiled else apply
        for number in range(3):
            if number == 2:
                optimizer.learning_rate = 0.02
            step([Tensor(g) for g in gradients(number)])
        assert int(optimizer.iterations) == 3
        results.append([v.value for v in (*owned, *optimizer.variables)])
    assert_close(*reversed(results))


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS[::5] + OPTIMIZERS[1::5], ids=str)
def test_steps_of_large_variables_are_compiled_by_themselves(name, options, monkeypatch):
    """`apply` called eagerly is a graph for large variables; it is what the same rule is operation by operation."""
    from eagerly.optim import compiled

    results = []
    rng = np.random.default_rng(0)
    found = [[rng.normal(size=s).astype("float32") for s in ((200, 100), (100,), ())] for _ in range(3)]
    for least in (1 << 62, 1):
        monkeypatch.setattr(compiled, "LEAST", least)
        owned = [Variable(np.cos(np.arange(g.size)).reshape(g.shape), dtype="float32") for g in found[0]]
        optimizer = getattr(optim, name)(0.05, **options)
        for number, step in enumerate(found):
            if number == 2:
                optimizer.learning_rate = 0.02
            optimizer.apply([Tensor(g) for g in step], owned)
        assert (optimizer._compiled_step._function is not None) == (least == 1)
        results.append([v.value for v in (*owned, *optimizer.variables)])
    assert_close(*reversed(results))


def test_a_compiled_step_follows_settings_and_variables_that_change(monkeypatch):
    from eagerly.optim import compiled

    results = []
    for least in (1 << 62, 1):
        monkeypatch.setattr(compiled, "LEAST", least)
        a, b = (Variable(np.linspace(0, 1, 300, dtype="float32")) for _ in range(2))
        optimizer = optim.Adam(0.05)
        optimizer.build([a, b])
        gradient = Tensor(np.cos(np.arange(300, dtype="float32")))
        functions = []
        for step, owned in enumerate([(a, b), (a, b), (a, b), (b, a), (b,)]):
            if step == 2:
                optimizer.beta_1 = 0.5
            optimizer.apply([gradient * (step + i) for i in range(len(owned))], owned)
            functions.append(optimizer._compiled_step._function)
        kept = [left is right for left, right in zip(functions, functions[1:], strict=False)]
        assert kept == ([True] + [False] * 3 if least == 1 else [True] * 4)
        results.append([v.value for v in (a, b, *optimizer.variables)])
    assert_close(*reversed(results))


@pytest.mark.parametrize("options", [{}, {"clipnorm": 0.1}, {"global_clipnorm": 0.1}, {"clipvalue": 0.1}], ids=str)
def test_row_sparse_gradients_in_a_compiled_step(options, monkeypatch):
    from eagerly.optim import compiled
    from eagerly.slices import IndexedSlices

    results = []
    values = np.sin(np.arange(600, dtype="float32")).reshape(200, 3)
    for least in (1 << 62, 1):
        monkeypatch.setattr(compiled, "LEAST", least)
        v, w = Variable(np.ones((500, 3), "float32")), Variable(np.ones(4, "float32"))
        optimizer = optim.Adam(0.05, **options)
        for start in range(3):
            rows = np.arange(start, start + 200) * 7 % 50
            optimizer.apply([IndexedSlices(values, rows, v.shape), Tensor(np.ones(4, "float32"))], [v, w])
        assert (optimizer._compiled_step._function is not None) == (least == 1)
        results.append([x.value for x in (v, w, *optimizer.variables)])
    assert_close(*reversed(results))


@pytest.mark.parametrize("make", [lambda: optim.Adam(0.1, lazy=True), lambda: optim.SGD(0.1)], ids=["lazy", "no slots"])
def test_steps_that_move_rows_alone_are_not_compiled(make, monkeypatch):
    from eagerly.optim import compiled
    from eagerly.slices import IndexedSlices

    monkeypatch.setattr(compiled, "LEAST", 1)
    v, optimizer = Variable(np.ones((500, 3), "float32")), make()
    for _ in range(2):
        optimizer.apply([IndexedSlices(np.ones((2, 3), "float32"), np.array([4, 4]), v.shape)], [v])
    assert optimizer._compiled_step._function is None
    assert (v.numpy() != 1).any(axis=1).nonzero()[0].tolist() == [4]
