"""How layers are called: training mode, conversion and checks of the data, further arguments, errors."""

import collections
import re
import threading

import numpy as np
import pytest

from eagerly import Input, ops
from eagerly.context import context, scoped
from eagerly.layers import BatchNormalization, Conv2D, Dense, Dropout, Embedding, InputSpec, Layer
from eagerly.models import Sequential
from eagerly.tape import GradientTape
from eagerly.tensor import Tensor
from eagerly.variable import Variable

X = np.array([[1.0, -2.0], [0.5, 3.0]], np.float32)
Pair = collections.namedtuple("Pair", "left right")


def refused(message, kind=ValueError):
    return pytest.raises(kind, match=re.escape(message))


class Spy(Layer):
    """Keeps the training mode of each call."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seen = []

    def call(self, x, training=None):
        self.seen.append(training)
        return x


class Around(Layer):
    """Calls another layer and does not name the training mode."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def call(self, x):
        return self.inner(x)


class Passing(Around):
    """Hands the training mode on in the way it is told to."""

    def __init__(self, inner, how):
        super().__init__(inner)
        self.how = how

    def call(self, x, training=None):
        if self.how == "position":
            return self.inner(x, training)
        return self.inner(x, training=not training if self.how == "negated" else training)


# --- training mode


@pytest.mark.parametrize(("given", "expected"), [(True, True), (False, False), (None, False), (np.bool_(True), True)])
def test_training_outside_of_any_call(given, expected):
    spy = Spy()
    spy(X, training=given)
    spy(X, given)
    spy(x=X, training=given)
    assert [type(seen) for seen in spy.seen] == [bool] * 3 and spy.seen == [expected] * 3


def test_training_is_false_by_default():
    spy = Spy()
    spy(X)
    assert spy.seen == [False]


@pytest.mark.parametrize("training", [True, False])
def test_training_comes_from_the_enclosing_call(training):
    spy = Spy()
    for outer in (Around(spy), Around(Around(spy)), Sequential([spy]), Passing(spy, "position"), Passing(spy, "name")):
        outer(X, training=training)
    assert spy.seen == [training] * 5
    Passing(spy, "negated")(X, training=training)
    assert spy.seen[-1] is not training


def test_none_by_position_means_the_enclosing_mode():
    class Fixed(Around):
        def call(self, x):
            return self.inner(x, None)

    spy, norm = Spy(), BatchNormalization()
    Fixed(spy)(X, training=True)
    Fixed(norm)(X, training=True)
    assert spy.seen == [True] and norm.moving_mean.numpy().any()


def test_the_explicit_mode_wins_and_ends_with_the_call():
    class Mixed(Around):
        def call(self, x):
            self.inner(x, training=False)
            self.inner(x)
            Around(self.inner)(x, training=False)
            return self.inner(x)

    spy = Spy()
    Mixed(spy)(X, training=True)
    assert spy.seen == [False, True, False, True]
    assert context.training is None


def test_a_default_of_the_layers_own():
    class Eager(Spy):
        def call(self, x, training=True):
            return super().call(x, training)

    spy = Eager()
    spy(X)
    Around(spy)(X)
    Around(spy)(X, training=False)
    spy(X, training=None)
    assert spy.seen == [True, False, False, True]


def test_keyword_only_training():
    class Strict(Spy):
        def call(self, x, scale=1.0, *, training):
            return super().call(x * scale, training)

    spy = Strict()
    spy(X)
    spy(X, 2.0, training=True)
    assert spy.seen == [False, True]


def test_only_a_call_that_names_training_gets_it():
    class Open(Layer):
        def call(self, x, **kwargs):
            self.kwargs = kwargs
            return x

    layer, spy = Open(), Spy()
    layer(X, training=True, other=3)
    assert layer.kwargs == {"other": 3}
    Sequential([layer, spy])(X, training=True)
    assert layer.kwargs == {} and spy.seen == [True]


def test_an_unknown_argument_of_call_is_refused():
    for given in ({"trainin": True}, {"scale": 2}):
        with refused(f"unexpected keyword argument '{next(iter(given))}'", TypeError):
            Spy()(X, **given)


def test_a_failed_call_leaves_no_mode():
    with pytest.raises(TypeError):
        Around(Around(Spy()))(X, 1, 2, training=True)
    assert context.is_clean()


def test_threads_have_modes_of_their_own():
    spies, start = [Spy() for _ in range(4)], threading.Barrier(4)

    class Meeting(Around):
        def call(self, x):
            start.wait()
            return self.inner(x)

    layers = [Meeting(spy) for spy in spies]
    threads = [
        threading.Thread(target=layer, args=(X,), kwargs={"training": bool(i % 2)}) for i, layer in enumerate(layers)
    ]
    with scoped(training=True):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [spy.seen for spy in spies] == [[False], [True], [False], [True]]


# --- data


class Keep(Layer):
    """Keeps its arguments."""

    def call(self, *args, **kwargs):
        self.args, self.kwargs = args, kwargs
        return args[0]


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (X, "float32"),
        (X.astype("float64"), "float32"),
        (X.astype("float16"), "float32"),
        (X.tolist(), "float32"),
        (Tensor(X, "bfloat16"), "float32"),
        (Variable(X, dtype="float64"), "float32"),
        (np.float64(2.5), "float32"),
        (2.5, "float32"),
        ([1, 2], "int32"),
        (np.array([1, 2]), "int64"),
        (np.array([1, 2], np.uint8), "uint8"),
        (np.array([True]), "bool"),
        (True, "bool"),
        ((1.0, 2.0), "float32"),
    ],
)
def test_floats_are_cast_and_integers_stay(value, dtype):
    layer = Keep()
    y = layer(value)
    assert type(y) is Tensor and y.dtype == dtype
    np.testing.assert_allclose(np.asarray(y, np.float64), np.asarray(Tensor(value), np.float64), rtol=1e-2)


def test_without_autocast_dtypes_stay():
    layer = Keep(autocast=False)
    for dtype in ("float16", "float64", "int64"):
        assert layer(np.zeros(2, dtype)).dtype == dtype
    assert layer([1.0]).dtype == "float32" and type(layer([1.0])) is Tensor


def test_casts_are_differentiable():
    x = Tensor(X, "float64")
    with GradientTape() as tape:
        tape.watch(x)
        y = ops.sum(Dense(1, kernel_initializer="ones")(x))
    gradient = tape.gradient(y, x)
    assert gradient.dtype == "float64" and gradient.tolist() == [[1.0, 1.0]] * 2


def test_structures_are_converted_leaf_by_leaf():
    layer = Keep()
    data = {"b": X.astype("float64"), "a": [np.array([1]), (Variable(X), None)], "c": Pair(X, 2.0), "d": "text"}
    y = layer(data)
    assert list(y) == ["b", "a", "c", "d"] and type(y["a"]) is list and type(y["c"]) is Pair
    leaves = [y["b"], y["a"][0], y["a"][1][0], y["c"].left, y["c"].right]
    assert [type(leaf) for leaf in leaves] == [Tensor] * 5
    assert [leaf.dtype.name for leaf in leaves] == ["float32", "int64", "float32", "float32", "float32"]
    assert y["a"][1][1] is None and y["d"] == "text"
    assert type(data["b"]) is np.ndarray and data["b"].dtype == "float64"


def test_further_arguments_pass_as_they_are():
    layer, options, weights = Keep(), {"k": [1]}, X.astype("float64")
    layer(X, weights, options, [1, 2], scale=weights, training_step=3)
    assert layer.args[1] is weights and layer.args[2] is options and layer.args[3] == [1, 2]
    assert layer.kwargs["scale"] is weights and layer.kwargs["training_step"] == 3


def test_gradients_flow_through_further_tensors():
    class Gate(Layer):
        def call(self, x, gate, *, shift):
            return x * gate + shift

    gate, shift = Tensor([2.0, 3.0]), Tensor(1.0)
    with GradientTape() as tape:
        tape.watch([gate, shift])
        y = Gate()(X, gate, shift=shift)
    dgate, dshift = tape.gradient(y, [gate, shift])
    assert dgate.tolist() == [1.5, 1.0] and dshift.item() == 4.0


def test_nested_inputs_and_outputs():
    class Both(Layer):
        def __init__(self):
            super().__init__()
            self.left, self.right = Dense(2), Dense(3)

        def call(self, inputs):
            return {"sum": inputs["a"][0] + inputs["b"], "parts": [self.left(inputs["b"]), self.right(inputs["a"][0])]}

    layer = Both()
    y = layer({"a": [X, X], "b": X.tolist()} | {"b": X})
    assert y["sum"].tolist() == (2 * X).tolist() and [part.shape for part in y["parts"]] == [(2, 2), (2, 3)]


def test_calls_without_data():
    class Constant(Layer):
        def call(self):
            return ops.ones(2)

    assert Constant()().tolist() == [1.0, 1.0]


@pytest.mark.parametrize("data", [None, "abc", Keep(name="other")])
def test_what_is_no_data(data):
    with pytest.raises(ValueError, match="Keep 'keep': expected tensors, arrays or numbers, got "):
        Keep(name="keep")(data)
    with pytest.raises(ValueError, match=r"got None. Does the call\(\) before it return something\?"):
        Keep(name="keep")(None)


def test_training_is_a_truth_value():
    with pytest.raises(
        ValueError, match=r"training: expected True, False or None, got float64\[2\]. Several inputs go"
    ):
        Keep()(X, training=np.ones(2))


def test_the_symbols_that_a_layer_was_connected_to():
    layer, symbol = Dense(3, name="feature"), Input((4,))
    with pytest.raises(AttributeError, match="Dense 'feature': expected a layer called on an Input"):
        _ = layer.output
    result = layer(symbol)
    assert layer.input is symbol and layer.output is result


def test_a_tensor_does_not_replace_a_variable():
    class Total(Layer):
        def __init__(self):
            super().__init__()
            self.total = self.add_weight((), "zeros", name="total")

        def call(self, inputs):
            self.total += ops.sum(inputs)
            return inputs

    layer = Total()
    with pytest.raises(AttributeError, match=r"Total.total is a Variable; .* Use self.total.assign"):
        layer(X)
    assert len(layer.weights) == 1


@pytest.mark.parametrize("argument", ["kernel_initializer", "bias_regularizer", "kernel_constraint", "activation"])
def test_an_unknown_name_is_refused_where_it_enters(argument):
    with pytest.raises(ValueError, match=f"Dense 'head': {argument}: Unknown {argument.split('_')[-1]}: 'nonsense'"):
        Dense(3, name="head", **{argument: "nonsense"})


# --- checks


def test_the_message_of_an_input_that_does_not_fit():
    head = Dense(3, name="head")
    head(np.zeros((2, 4)))
    with refused(
        "Dense 'head': expected [batch, ..., 4], got float64[2, 7]. It was built for inputs of shape (2, 4)."
    ) as raised:
        head(np.zeros((2, 7)))
    assert not hasattr(raised.value, "__notes__")


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (Dense(3, name="x"), (4,), "Dense 'x': expected [batch, *, ...], got float64[4]."),
        (Dense(3, name="x"), (), "Dense 'x': expected [batch, *, ...], got float64[]."),
        (Conv2D(3, 2, name="x"), (4, 4, 1), "Conv2D 'x': expected [batch, *, *, *], got float64[4, 4, 1]."),
    ],
)
def test_ranks_are_checked_before_building(layer, shape, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        layer(np.zeros(shape))
    assert not layer.built


def test_built_layers_show_where_sizes_are_fixed():
    first = Conv2D(3, 2, data_format="channels_first", name="x")
    first(np.zeros((1, 2, 4, 4)))
    with refused("Conv2D 'x': expected [batch, 2, *, *], got float64[1, 3, 4, 4]. It was built for inputs of shape"):
        first(np.zeros((1, 3, 4, 4)))
    norm = BatchNormalization(axis=1, name="x")
    norm(np.zeros((2, 3, 4)))
    with refused("BatchNormalization 'x': expected [batch, 3, *], got float64[2, 4, 4]."):
        norm(np.zeros((2, 4, 4)))


@pytest.mark.parametrize(
    ("spec", "text", "good", "bad"),
    [
        (InputSpec(), "[batch, ...]", (3, 4), None),
        (InputSpec(ndim=2), "[batch, *]", (3, 4), (3,)),
        (InputSpec(min_ndim=3), "[batch, *, *, ...]", (3, 4, 5, 6), (3, 4)),
        (InputSpec(max_ndim=2), "[batch, ...] with at most 2 axes", (3,), (3, 4, 5)),
        (InputSpec(axes={-1: 4}), "[batch, ..., 4]", (4,), (4, 3)),
        (InputSpec(axes={-2: 4}), "[batch, ..., 4, *]", (4, 3), (4,)),
        (InputSpec(axes={1: 4}), "[batch, 4, ...]", (3, 4, 1), (4, 3)),
        (InputSpec(min_ndim=3, axes={1: 4, -1: 2}), "[batch, 4, ..., 2]", (3, 4, 2), (3, 4, 4)),
        (InputSpec(ndim=3, axes={-1: 4, 1: 2}), "[batch, 2, 4]", (5, 2, 4), (5, 3, 4)),
        (InputSpec(shape=(None, 4)), "[batch, 4]", (3, 4), (3, 5)),
        (InputSpec(shape=(3, None)), "[3, *]", (3, 4), (4, 4)),
        (InputSpec(dtype="int32", ndim=1), "int32[batch]", None, (3,)),
    ],
)
def test_input_specs(spec, text, good, bad):
    assert str(spec) == text
    assert good is None or spec.fits(Tensor(np.zeros(good)))
    assert bad is None or not spec.fits(Tensor(np.zeros(bad)))


def test_a_layers_own_specs():
    class Two(Layer):
        def __init__(self, spec, **kwargs):
            super().__init__(**kwargs)
            self.input_spec = spec

        def call(self, inputs):
            return inputs

    each = Two([InputSpec(ndim=1), InputSpec(shape=(None, 2))], name="pair")
    assert [y.shape for y in each([np.zeros(3), np.zeros((3, 2))])] == [(3,), (3, 2)]
    with refused("Two 'pair': expected [batch, 2], got float32[3, 3]."):
        each([np.zeros(3), np.zeros((3, 3), np.float32)])
    with refused("Two 'pair': expected 2 inputs, got 1: [float64[3]]."):
        each([np.zeros(3)])
    one = Two(InputSpec(ndim=1), name="all")
    assert len(one([np.zeros(3), np.zeros(4)])) == 2
    with refused("Two 'all': expected [batch], got float64[1, 1]."):
        one([np.zeros(3), np.zeros((1, 1))])


# --- errors


def test_errors_say_where_they_were_raised():
    class Inner(Layer):
        def call(self, x, scale):
            raise KeyError("lost")

    class Outer(Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.inner = Inner(name="inner")

        def call(self, x):
            return self.inner(x["a"], 2)

    with pytest.raises(KeyError) as raised:
        Outer(name="outer")({"a": X})
    assert raised.value.args == ("lost",)
    assert raised.value.__notes__ == [
        "In Inner 'inner' (outer/inner), called on (float32[2, 2], 2).",
        "In Outer 'outer' (outer), called on {'a': float32[2, 2]}.",
    ]


def test_numbers_out_of_range_say_where():
    table = Embedding(3, 2, name="words")
    with refused("Embedding 'words': expected integers in [0, 3), got 3.") as raised:
        Sequential([table, Dropout(0.5)], name="model")(np.array([[1, 3]]))
    assert raised.value.__notes__[0] == "In Embedding 'words' (model/words), called on int64[1, 2]."


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "int64", "uint64", "float32"])
@pytest.mark.parametrize("size", [5, 200])
def test_indices_out_of_range_in_every_dtype(dtype, size):
    table = Embedding(size, 2, name="words")
    table(np.zeros((1, 2), dtype))
    given = [size - 1] if size < 100 or dtype != "int8" else [127]
    assert table(np.array([[*given, 0]], dtype)).shape == (1, 2, 2)
    for wrong in (size, -1):
        if np.dtype(dtype).kind == "f" or np.iinfo(dtype).min <= wrong <= np.iinfo(dtype).max:
            with pytest.raises(ValueError, match=rf"expected integers in \[0, {size}\), got {wrong}\."):
                table(np.array([[0, wrong]], dtype))
