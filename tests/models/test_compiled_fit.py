"""fit, evaluate and predict compile their steps exactly where all code is the library's, and give the same numbers."""

import functools
import types

import numpy as np
import pytest

import eagerly
from eagerly import Input, Model, Sequential, kernels, layers, losses, metrics, ops, optim, regularizers
from eagerly.callbacks import Callback
from eagerly.context import context
from eagerly.graph import Function
from eagerly.layers import BatchNormalization, Dense, Dropout
from tiny import CLASSES, X, Y, compiled, functional, two_outputs, values, with_cosines


@pytest.fixture(autouse=True)
def every_loop_compiles():
    """A loop that cannot be compiled runs from Python, unnoticed but for this."""
    yield
    assert not kernels.failures


def function_of(model, kind="train"):
    """The compiled step, None if steps run eagerly."""
    return None if model._steps is None else model._steps._functions.get(kind)


def is_compiled(model):
    return function_of(model) is not None


def fitted(model, x=X, y=Y, **options):
    model.fit(x, y, batch_size=4, verbose=0, **options)
    return model


# --- what is compiled


class Own(Dense):
    """A user's layer."""


class OwnCall(layers.Layer):
    def call(self, inputs):
        return inputs * 1


class OwnLoss(losses.Loss):
    def call(self, y_true, y_pred):
        return ops.mean(ops.square(y_true - y_pred), axis=-1)


class OwnMetric(metrics.MeanAbsoluteError):
    def update_state(self, *args, **kwargs):
        return super().update_state(*args, **kwargs)


class OwnOptimizer(optim.SGD):
    """A user's optimizer."""


class OwnRule(optim.SGD):
    def rule(self, *args, **kwargs):
        return super().rule(*args, **kwargs)


class OwnModel(Sequential):
    def train_step(self, data):
        return super().train_step(data)


class OwnL2(regularizers.L2):
    def __call__(self, x):
        return super().__call__(x)


def own_function(y_true, y_pred):
    return ops.mean(ops.abs(y_true - y_pred), axis=-1)


def shrinking(w):
    return w * 0.5


OURS = {
    "names": lambda: compiled("adam", "mse", metrics=["mae"]),
    "objects": lambda: compiled(optim.SGD(0.1), losses.Huber(), metrics=[metrics.MeanSquaredError()]),
    "functions": lambda: compiled("sgd", losses.mean_squared_error, layers=[Dense(1, activation=ops.tanh)]),
    "functional": lambda: with_loss(functional()),
    "all kinds of layers": lambda: compiled(
        layers=[Input((4,)), Dense(3, "relu", kernel_regularizer="l2", kernel_constraint="max_norm"),
                BatchNormalization(), Dropout(0.5), layers.LeakyReLU(), Dense(1, kernel_initializer="zeros")]
    ),
    "unbuilt": lambda: compiled(layers=[Dense(2), Dense(1)]),
    "nested": lambda: compiled(layers=[Sequential([Dense(3), Dense(2)]), Dense(1)]),
}  # fmt: skip
THEIRS = {
    "a layer": lambda: compiled(layers=[Own(1)]),
    "a layer's call": lambda: compiled(layers=[OwnCall(), Dense(1)]),
    "a layer inside": lambda: compiled(layers=[Sequential([Dense(3), OwnCall()]), Dense(1)]),
    "an activation": lambda: compiled(layers=[Dense(1, activation=lambda x: x * 2)]),
    "a loss": lambda: compiled("sgd", OwnLoss()),
    "a loss function": lambda: compiled("sgd", own_function),
    "a metric": lambda: compiled("sgd", "mse", metrics=[OwnMetric()]),
    "a metric function": lambda: compiled("sgd", "mse", metrics=[own_function]),
    "an optimizer": lambda: compiled(OwnOptimizer(0.1), "mse"),
    "an optimizer's rule": lambda: compiled(OwnRule(0.1), "mse"),
    "a regularizer": lambda: compiled(layers=[Dense(1, kernel_regularizer=OwnL2(0.1))]),
    "a regularizer function": lambda: compiled(layers=[Dense(1, kernel_regularizer=lambda w: ops.sum(w * w))]),
    "a constraint": lambda: compiled(layers=[Dense(1, kernel_constraint=shrinking)]),
    "a partial function": lambda: compiled("sgd", functools.partial(own_function)),
    "a model": lambda: with_loss(OwnModel([Dense(1)])),
    "a method of the model": lambda: patched(compiled(), "train_step"),
    "a method of a layer": lambda: patched_layer(),
}  # fmt: skip


def with_loss(model):
    model.compile("sgd", "mse")
    return model


def patched(owner, name):
    before = getattr(owner, name)
    setattr(owner, name, lambda *args, **kwargs: before(*args, **kwargs))
    return owner


def patched_layer():
    model = compiled()
    layer = model.layers[-1]
    layer.call = types.MethodType(lambda self, x: Dense.call(self, x), layer)
    return model


@pytest.mark.parametrize("name", OURS)
def test_library_code_is_compiled(name):
    model = fitted(OURS[name]())
    assert isinstance(function_of(model), Function)
    model.evaluate(X, Y, verbose=0), model.predict(X, verbose=0)
    assert function_of(model, "test") is not None and function_of(model, "predict") is not None
    assert function_of(model)._traces and context.is_clean()


@pytest.mark.parametrize("name", THEIRS)
def test_code_of_a_user_runs_eagerly(name):
    model = fitted(THEIRS[name]())
    assert not is_compiled(model)
    model.evaluate(X, Y, verbose=0), model.predict(X, verbose=0)
    assert function_of(model, "test") is None and function_of(model, "predict") is None


@pytest.mark.parametrize("name", THEIRS)
def test_code_of_a_user_is_compiled_if_asked_for(name):
    results = []
    for jit in (True, False):
        eagerly.random.set_seed(2)
        model = THEIRS[name]()
        model.jit_compile = jit
        fitted(model, epochs=2, shuffle=False)
        assert is_compiled(model) == jit
        results.append([v.numpy() for v in model.variables])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "options", [{"run_eagerly": True}, {"check_numerics": True}, {"jit_compile": False}], ids=lambda o: next(iter(o))
)
def test_what_keeps_steps_eager(options):
    assert not is_compiled(fitted(compiled("sgd", "mse", **options)))


def test_lazy_optimizers_run_eagerly():
    model = compiled(optim.Adam(0.1, lazy=True), "mse")
    assert not is_compiled(fitted(model))


@pytest.mark.parametrize("kind", ["function", "wrapped"])
def test_replaced_methods_of_classes_run(kind, monkeypatch):
    """A method replaced by a user's runs, whatever it looks like."""
    ran = []
    original = Dense.call

    def call(self, inputs, *args, **kwargs):
        ran.append(type(inputs).__name__)
        return original(self, inputs, *args, **kwargs)

    model = fitted(compiled())
    assert is_compiled(model)
    if kind == "wrapped":
        functools.update_wrapper(call, original)
    monkeypatch.setattr(Dense, "call", call)
    fitted(model)
    assert ran and set(ran) == {"Tensor"}
    monkeypatch.undo()
    ran.clear()
    fitted(model)
    assert not ran and is_compiled(model)


def test_callbacks_see_the_weights_of_their_step():
    """A callback is no part of a step; what it holds stays as it is."""
    seen = []

    class Look(Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append((self.model.layers[-1].kernel.value, self.model.layers[-1].kernel.numpy(), dict(logs)))

    model = compiled("sgd", "mse", metrics=["mae"])
    model.fit(X, Y, batch_size=2, verbose=0, callbacks=[Look()])
    assert is_compiled(model) and len(seen) == 5
    for held, value, _ in seen:
        np.testing.assert_array_equal(held, value)
    assert len({value.tobytes() for _, value, _ in seen}) == 5
    assert all(type(number) is float for *_, logs in seen for number in logs.values())


def test_a_decision_is_made_before_tracing():
    """No error turns a compiled step into an eager one."""
    model = compiled("sgd", "mse")
    model.fit(X, Y, verbose=0)
    with pytest.raises(ValueError):
        model.fit(X, np.ones((10, 3)), verbose=0)
    assert is_compiled(model)
    asked = compiled("sgd", lambda t, p: ops.mean(t - p) if float(ops.mean(p)) > 0 else ops.mean(p), jit_compile=True)
    with pytest.raises(eagerly.errors.TraceError, match="test_compiled_fit.py"):
        asked.fit(X, Y, verbose=0)
    assert context.is_clean()


# --- retracing


def traces(model):
    return sum(len(f._traces) for f in model._steps._functions.values()), id(function_of(model))


CHANGES = {
    "trainable": lambda m: setattr(m.layers[0], "trainable", False),
    "rate of a Dropout": lambda m: setattr(m.layers[1], "rate", 0.25),
    "weight decay": lambda m: setattr(m.optimizer, "weight_decay", 0.1),
    "momentum of a normalization": lambda m: setattr(m.layers[2], "momentum", 0.5),
    "a clip": lambda m: setattr(m.optimizer, "clipnorm", 0.5),
    "compile": lambda m: m.compile("sgd", "mse"),
}
SAME = {
    "nothing": lambda m: None,
    "learning rate": lambda m: setattr(m.optimizer, "learning_rate", 0.02),
    "its Variable": lambda m: m.optimizer.learning_rate.assign(0.03),
    "weights": lambda m: m.set_weights([w * 0.5 for w in m.get_weights()]),
    "evaluate": lambda m: m.evaluate(X, Y, verbose=0),
    "a ragged batch": lambda m: m.fit(X[:3], Y[:3], verbose=0),
    "another fit": lambda m: m.fit(X, Y, batch_size=5, epochs=2, verbose=0),
}


def changeable():
    eagerly.random.set_seed(4)
    return compiled(
        optim.SGD(0.1, momentum=0.9),
        "mse",
        layers=[Input((4,)), Dense(3, "tanh"), Dropout(0.5, seed=1), BatchNormalization(), Dense(1)],
    )


@pytest.mark.parametrize("name", [*CHANGES, *SAME])
def test_retracing(name):
    histories = []
    for eager in (False, True):
        model = fitted(changeable(), shuffle=False)
        model.run_eagerly = eager
        before = None if eager else function_of(model)
        runs = None if eager else len(function_of(model)._reasons)
        (CHANGES | SAME)[name](model)
        model.run_eagerly = eager
        histories.append(model.fit(X, Y, batch_size=4, epochs=2, verbose=0, shuffle=False).history["loss"])
        if not eager:
            retraced = function_of(model) is not before or len(function_of(model)._reasons) != runs
            assert retraced == (name in CHANGES)
    np.testing.assert_allclose(*histories, rtol=1e-5)


def test_a_schedule_in_place_of_a_rate_is_traced_anew():
    model = fitted(changeable())
    f = function_of(model)
    model.optimizer.learning_rate = 0.05
    fitted(model)
    assert function_of(model) is f
    fitted(compiled(optim.SGD(0.05), "mse"))


# --- the same numbers


def pair(make, *args, **options):
    """Losses and all Variables after fit, evaluate and predict: compiled and eagerly."""
    results = []
    for eager in (False, True):
        eagerly.random.set_seed(7)
        model = make(run_eagerly=eager)
        history = model.fit(*args, **{"batch_size": 4, "epochs": 2, "verbose": 0, **options}).history
        assert is_compiled(model) != eager
        test = model.evaluate(*args, batch_size=3, verbose=0, return_dict=True)
        predicted = model.predict(args[0], batch_size=3, verbose=0)
        results.append((history, test, predicted, [v.numpy() for v in (*model.variables, *model.optimizer.variables)]))
    return results


def assert_same(results):
    for a, b in zip(*map(eagerly.nest.flatten, results), strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)


class Making:
    """Ways to make a model; `run_eagerly` is passed on."""

    def plain(**kw):
        return compiled("adam", "mse", layers=[Input((4,)), Dense(5, "relu"), Dense(1)], metrics=["mae", "mse"], **kw)

    def regularized(**kw):
        model = functional()
        model.compile("rmsprop", "huber", **kw)
        return model

    def noisy(**kw):
        return compiled("sgd", "mse", layers=[Input((4,)), Dense(8, "tanh"), Dropout(0.5), Dense(1)], **kw)

    def normalized(**kw):
        return compiled("sgd", "mse", layers=[Input((4,)), Dense(8), BatchNormalization(), Dense(1)], **kw)

    def frozen(**kw):
        model = Making.normalized(**kw)
        model.layers[1].trainable = False
        return model

    def classes(**kw):
        model = functional(3, "softmax")
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], **kw)
        return model

    def two_outputs(**kw):
        model = two_outputs()
        model.compile("sgd", {"p": "mae", "q": "sparse_categorical_crossentropy"}, loss_weights={"p": 1.0, "q": 0.3},
                      metrics={"q": ["accuracy"]}, **kw)  # fmt: skip
        return model

    def two_inputs(**kw):
        a, b = Input((4,), name="a"), Input((4,), name="b")
        model = with_cosines(Model({"a": a, "b": b}, Dense(1)(layers.Concatenate()([a, Dense(2)(b)]))))
        model.compile("sgd", "mse", **kw)
        return model

    def masked(**kw):
        model = Sequential(
            [Input((6,), dtype="int32"), layers.Embedding(9, 3, mask_zero=True), layers.LSTM(4), Dense(1)]
        )
        with_cosines(model).compile("adam", "mse", **kw)
        return model

    def stateful(**kw):
        model = Sequential([Input(batch_shape=(2, 5, 3)), layers.GRU(4, stateful=True), Dense(1)])
        with_cosines(model).compile("sgd", "mse", **kw)
        return model


NUMBERS = [
    ("plain", (X, Y), {}),
    ("plain", (X, Y), {"sample_weight": np.linspace(0, 2, 10)}),
    ("plain", (X, Y), {"validation_split": 0.3}),
    ("regularized", (X, Y), {}),
    ("noisy", (X, Y), {}),
    ("normalized", (X, Y), {}),
    ("frozen", (X, Y), {}),
    ("classes", (X, CLASSES), {}),
    ("classes", (X, CLASSES), {"class_weight": {0: 1.0, 1: 2.0, 2: 0.5}}),
    ("two_outputs", (X, {"p": Y, "q": CLASSES % 2}), {}),
    ("two_inputs", ({"a": X, "b": X[::-1].copy()}, Y), {}),
    ("masked", (np.arange(60).reshape(10, 6) % 9 * (np.arange(6) < 4), Y), {}),
]


@pytest.mark.parametrize(
    ("name", "args", "options"),
    NUMBERS,
)
def test_the_numbers_of_eager_steps(name, args, options):
    assert_same(pair(getattr(Making, name), *args, **options))


def test_stateful_layers():
    x = np.sin(np.arange(120, dtype="float32")).reshape(8, 5, 3)
    results = []
    for eager in (False, True):
        eagerly.random.set_seed(7)
        model = Making.stateful(run_eagerly=eager)
        history = model.fit(x, Y[:8], batch_size=2, epochs=2, shuffle=False, verbose=0).history
        assert is_compiled(model) != eager
        results.append((history, [v.numpy() for v in model.variables], model.predict(x, batch_size=2, verbose=0)))
    assert_same(results)


def test_terms_that_layers_add():
    class Adding(layers.Layer):
        def call(self, x):
            self.add_loss(ops.sum(x * x) * 0.01)
            return x

    def make(**kw):
        jit = None if kw["run_eagerly"] else True
        return compiled(
            "sgd",
            "mse",
            layers=[Input((4,)), Dense(3), Adding(), Dense(1)],
            **kw,
            **({"jit_compile": jit} if jit else {}),
        )

    assert_same(pair(make, X, Y))


def test_labels_out_of_range_raise_as_eagerly():
    for eager in (False, True):
        model = fitted(Making.classes(run_eagerly=eager), X, CLASSES)
        before = [w.numpy() for w in model.weights]
        wrong = np.where(np.arange(10) == 9, 3, CLASSES)
        with pytest.raises(ValueError, match=r"expected integer labels in \[0, 3\)"):
            model.fit(X, wrong, batch_size=10, verbose=0, shuffle=False)
        np.testing.assert_equal([w.numpy() for w in model.weights], before)
        fitted(model, X, CLASSES)


def test_sizes_of_batches_share_a_trace():
    model = compiled("sgd", "mse")
    for size in (10, 4, 3, 1, 7):
        model.fit(X, Y, batch_size=size, verbose=0)
    assert len(function_of(model)._reasons) == 1


@pytest.mark.parametrize("epochs", [1, 2])
def test_training_is_resumed_bit_for_bit(epochs, tmp_path):
    def make():
        eagerly.random.set_seed(9)
        stack = [Input((4,)), Dense(8, "tanh"), Dropout(0.5), BatchNormalization(), Dense(1)]
        return compiled("adam", "mse", layers=stack, metrics=["mae"])

    whole = make()
    whole.fit(X, Y, batch_size=3, epochs=4, verbose=0)
    first = make()
    first.fit(X, Y, batch_size=3, epochs=epochs, verbose=0)
    path = eagerly.checkpoint.Checkpoint(model=first).save(tmp_path / "half.h5")
    second = make()
    eagerly.checkpoint.Checkpoint(model=second).restore(path)
    second.fit(X, Y, batch_size=3, epochs=4, initial_epoch=epochs, verbose=0)
    assert is_compiled(second) and values(second) == values(whole)
