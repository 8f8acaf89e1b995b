"""`check_numerics`: the first NaN or infinity is named with all that surrounds it, and nothing has changed."""

import inspect

import numpy as np
import pytest

from eagerly import Model, Sequential, debugging, layers, losses, ops, optim
from eagerly.context import context
from eagerly.debugging import check_numerics, is_finite
from eagerly.errors import NumericsError
from eagerly.tape import GradientTape
from eagerly.tensor import Tensor
from eagerly.variable import Variable

HERE = "test_debugging.py:"


def line():
    """The number of the caller's line."""
    return inspect.currentframe().f_back.f_lineno


def failing(call):
    with pytest.raises(NumericsError) as caught, check_numerics():
        call()
    assert context.is_clean()
    return str(caught.value)


def test_a_forward_operation_is_named_with_its_inputs_and_line():
    x = Tensor([1.0, -1.0, 4.0])
    text = failing(lambda: ops.log(x)), line()
    assert text[0].startswith("log gave NaN in 1 of 3 elements (")
    assert f"{HERE}{text[1]} in <lambda>)" in text[0]
    assert "Its inputs: float32[3] in [-1, 4]." in text[0]
    assert "Variables (weights, statistics, optimizer) are what they were before the step." in text[0]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ops.exp(Tensor([1e4])), "exp gave infinity in 1 of 1 elements"),
        (lambda: Tensor([1.0, 0.0]) / Tensor([0.0, 0.0]), "divide gave NaN in 2 of 2 elements"),
        (lambda: ops.cast(Tensor([1e6]), "float16"), "cast gave infinity"),
        (lambda: ops.cast(Tensor([1e30]), "float16") * 0.0, "cast gave infinity"),
        (lambda: ops.sum(Tensor(np.full(4, 3e38, "float32"))), "sum gave infinity"),
        (lambda: ops.sqrt(Tensor([-1.0], "bfloat16")), "sqrt gave NaN"),
        (lambda: ops.sqrt(Tensor([[-1.0]], "float64")), "sqrt gave NaN"),
        (lambda: ops.max_pool(ops.log(Tensor(np.zeros((1, 2, 2, 1), "float32"))), 2), "log gave infinity"),
    ],
)
def test_what_is_not_finite(call, words):
    assert failing(call).startswith(words)


def test_values_that_came_in_so_are_blamed_on_the_input():
    text = failing(lambda: Tensor([1.0, np.nan, np.inf, -np.inf]) * 2.0)
    assert text.startswith("multiply gave NaN in 3 of 4 elements") and "but an input was not finite before" in text
    assert "Its inputs: float32[4] in [1, 1], 1 NaN, 2 infinite; 2.0." in text


def test_infinities_that_code_wrote_are_meant():
    scores, mask = Tensor([[1.0, 2.0, 3.0]]), Tensor([[True, True, False]])
    with check_numerics():
        masked = ops.where(mask, scores, -np.inf)
        assert ops.softmax(masked).tolist()[0][2] == 0.0
        assert (masked - 1.0).tolist()[0][2] == -np.inf
        assert ops.max_pool(Tensor(-np.ones((1, 3, 3, 1), "float32")), 2, padding="same").tolist()[0][0][0] == [-1.0]
        assert float(ops.max(ops.full_like(scores, -np.inf))) == -np.inf
        assert ops.divide_no_nan(scores, 0.0).tolist() == [[0.0] * 3]
        assert ops.logsumexp(masked).shape == ()
    text = failing(lambda: ops.where(mask, scores, np.inf) - ops.where(mask, scores, np.inf))
    assert text.startswith("subtract gave NaN in 1 of 3 elements")


def test_a_backward_operation_is_named_with_the_forward_one_its_layer_and_line():
    dense = layers.Dense(1, use_bias=False, kernel_initializer="zeros", name="root")

    class Root(layers.Layer):
        def __init__(self):
            super().__init__(name="outer")
            self.dense = dense

        def call(self, inputs):
            return ops.sqrt(self.dense(inputs))

    layer = Root()
    layer(np.ones((2, 3), "float32"))

    def step():
        with GradientTape() as tape:
            y = layer(np.ones((2, 3), "float32"))
        tape.gradient(y, dense.kernel)

    text = failing(step)
    assert text.startswith("divide, in the backward pass of sqrt in layer 'outer' (")
    assert f"{HERE}" in text and " in call), gave infinity in 2 of 2 elements" in text
    assert "float32[2, 1] in [0, 0]" in text


def test_gradients_of_higher_order_are_checked_too():
    x = Variable(0.0)

    def step():
        with GradientTape() as outer:
            with GradientTape() as inner:
                y = x**1.5
            first = inner.gradient(y, x)
        outer.gradient(first, x)

    assert "in the backward pass of" in failing(step)


def test_variables_are_what_they_were_when_the_step_began():
    norm, w = layers.BatchNormalization(), Variable([2.0])
    norm(np.ones((2, 1), "float32"))
    optimizer = optim.SGD(0.5)

    def step(factor):
        with GradientTape() as tape:
            y = ops.sum(ops.log(w * factor) + norm(np.array([[1.0], [5.0]], "float32"), training=True))
        optimizer.apply([tape.gradient(y, w)], [w])

    with pytest.raises(NumericsError, match="log gave NaN"), check_numerics():
        step(1.0)
        after = [v.numpy().tolist() for v in (w, norm.moving_mean, optimizer.iterations)]
        with GradientTape():
            w.assign_add([10.0])
            norm(np.array([[100.0], [5.0]], "float32"), training=True)
            ops.log(w * -1.0)
    assert [v.numpy().tolist() for v in (w, norm.moving_mean, optimizer.iterations)] == after
    assert after[0] == [1.5] and after[2] == 1


def test_the_update_of_an_optimizer_is_checked():
    class Explodes(optim.Optimizer):
        slots = ("power",)

        def rule(self, value, grad, step, learning_rate, *, power):
            return value - learning_rate * grad, ops.exp(grad * 1e4)

    for optimizer, name in ((Explodes(0.1), "exp"), (optim.SGD(1e38), "multiply")):
        v = Variable([1.0])
        with pytest.raises(NumericsError, match=f"^{name} gave infinity in 1 of 1"), check_numerics():
            optimizer.apply([[100.0]], [v])
        assert v.numpy().tolist() == [1.0] and int(optimizer.iterations) == 0


class Log(layers.Layer):
    def call(self, inputs):
        return ops.log(inputs)


def compiled(**options):
    model = Sequential([Log(name="log"), layers.Dense(2, name="head"), layers.BatchNormalization()], name="net")
    model.compile(optim.Adam(0.1), losses.MeanSquaredError(), metrics=["mae"], **options)
    return model


def data(bad=None):
    x = np.random.default_rng(0).uniform(1, 2, (12, 3)).astype("float32")
    if bad is not None:
        x[bad] = 0.0
    return x, np.ones((12, 2), "float32")


def everything(model):
    return [v.numpy().tobytes() for v in (*model.variables, *model.optimizer.variables)]


@pytest.mark.parametrize("switch", ["compile", "block"])
def test_in_fit_the_epoch_batch_and_step_are_told_and_the_step_is_undone(switch):
    model = compiled(check_numerics=switch == "compile")
    model.fit(*data(), batch_size=3, verbose=0)
    before = everything(model)

    def fit():
        model.fit(*data(bad=7), batch_size=3, verbose=0, shuffle=False, epochs=2)

    with pytest.raises(NumericsError) as caught:
        if switch == "compile":
            fit()
        else:
            with check_numerics():
                fit()
    text = str(caught.value)
    assert text.startswith("log gave infinity in 3 of 9 elements in layer 'net/log' (")
    assert f"{HERE}" in text and " in call), in epoch 0, batch 2, after 6 steps.\n" in text
    assert everything(model) != before and int(model.optimizer.iterations) == 6
    assert context.is_clean()
    model.fit(*data(), batch_size=3, verbose=0)  # goes on as if nothing had been
    assert int(model.optimizer.iterations) == 10


def test_a_step_that_fails_leaves_what_it_found():
    model = compiled(check_numerics=True)
    model.fit(*data(), batch_size=12, verbose=0, shuffle=False)
    before = everything(model)
    with pytest.raises(NumericsError, match="in epoch 0, batch 0, after 1 steps"):
        model.fit(*data(bad=0), batch_size=12, verbose=0, shuffle=False)
    assert everything(model) == before


def test_evaluation_tells_the_batch():
    model = compiled(check_numerics=True)
    model.fit(*data(), batch_size=3, verbose=0)
    with pytest.raises(NumericsError, match="log gave infinity .* in batch 3[.]"):
        model.evaluate(*data(bad=11), batch_size=3, verbose=0)


def test_a_whole_model_trains_under_the_check_with_the_same_result():
    results = []
    for check in (False, True):
        model = Sequential(
            [
                layers.Conv2D(4, 3, padding="same", activation="relu"),
                layers.MaxPooling2D(2, padding="same"),
                layers.BatchNormalization(),
                layers.Dropout(0.3, seed=3),
                layers.Flatten(),
                layers.Dense(3, activation="softmax"),
            ]
        )
        x = np.random.default_rng(0).normal(size=(8, 5, 5, 1)).astype("float32")
        model(x)
        rng = np.random.default_rng(1)
        model.set_weights([rng.normal(size=w.shape) * 0.1 for w in model.get_weights()])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], check_numerics=check)
        model.fit(x, np.arange(8) % 3, batch_size=3, epochs=2, verbose=0, shuffle=False)
        results.append(model.get_weights())
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_a_model_of_a_user_with_its_own_step():
    class Mine(Model):
        def __init__(self):
            super().__init__()
            self.head = layers.Dense(1, kernel_initializer="zeros", use_bias=False)

        def call(self, inputs):
            return self.head(inputs)

        def train_step(self, x):
            with GradientTape() as tape:
                loss = ops.mean(ops.sqrt(self(x)))
            self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
            return {"loss": loss}

    model = Mine()
    model.compile("sgd", check_numerics=True)
    with pytest.raises(NumericsError, match="divide, .* of sqrt .* in train_step.*in epoch 0, batch 0"):
        model.fit(np.ones((2, 2), "float32"), verbose=0)


def test_off_there_is_no_trace_of_it():
    assert context.recorders == () and not context.lines
    with check_numerics():
        assert len(context.recorders) == 1 and context.lines
        with check_numerics():
            ops.exp(Tensor(1.0))
    assert context.is_clean()
    assert ops.log(Tensor(-1.0)).shape == ()
    assert debugging.__all__ == ["check_numerics"]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "int32", "bool"])
def test_is_finite_looks_at_every_element_of_any_layout(dtype):
    from eagerly import dtypes

    array = np.ones((5, 4), dtypes.dtype(dtype))
    assert is_finite(array) and is_finite(array.T) and is_finite(array[::2, ::-1]) and is_finite(array[:0])
    assert is_finite(array[0, 0, ...])
    if "float" in dtype:
        for place in [(0, 0), (4, 3), (2, 1)]:
            for value in (np.nan, np.inf, -np.inf):
                bad = array.copy()
                bad[place] = value
                assert not is_finite(bad) and not is_finite(bad.T) and not is_finite(np.asfortranarray(bad))
        assert is_finite(np.full((2, 2), 3e4 if dtype == "float16" else 3e38, array.dtype))
