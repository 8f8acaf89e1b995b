"""Every metric: any batching gives the result of the whole, merge, reset, restore midway, weights, shapes and names."""

import copy
import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eagerly import losses, metrics, ops
from eagerly.context import context
from eagerly.random import SeedGenerator
from eagerly.tape import GradientTape
from eagerly.tensor import Tensor
from eagerly.trackable import Trackable, all_variables
from eagerly.variable import Variable

N, CLASSES = 12, 4


def error(function):
    """The values of each example that a loss function gives; its own tests check them."""
    return lambda t, p: np.asarray(getattr(losses, function)(t, p)).astype("float64")


def matches(t, p):
    return (t == p).astype("float64")


# Each public class: the labels it takes, and its values for each example; a few have a result other than their mean.
TABLE = {
    "Accuracy": ("numbers", matches),
    "BinaryAccuracy": ("binary", lambda t, p: matches(t, p > 0.5)),
    "CategoricalAccuracy": ("onehot", lambda t, p: matches(t.argmax(-1), p.argmax(-1))),
    "SparseCategoricalAccuracy": ("sparse", lambda t, p: matches(t, p.argmax(-1))),
    "MeanSquaredError": ("numbers", error("mean_squared_error")),
    "MeanAbsoluteError": ("numbers", error("mean_absolute_error")),
    "MeanAbsolutePercentageError": ("numbers", error("mean_absolute_percentage_error")),
    "MeanSquaredLogarithmicError": ("numbers", error("mean_squared_logarithmic_error")),
    "RootMeanSquaredError": ("numbers", error("mean_squared_error")),
    "LogCoshError": ("numbers", error("log_cosh")),
    "Poisson": ("numbers", error("poisson")),
    "KLDivergence": ("numbers", error("kl_divergence")),
    "BinaryCrossentropy": ("binary", error("binary_crossentropy")),
    "CategoricalCrossentropy": ("onehot", error("categorical_crossentropy")),
    "SparseCategoricalCrossentropy": ("sparse", error("sparse_categorical_crossentropy")),
}
VALUES = {"Mean", "Sum"}  # metrics of values, not of labels and predictions
BASES = {"Metric", "MeanMetricWrapper"}
ALL = sorted({*TABLE, *VALUES})


def make(metric, /, **kwargs):
    return getattr(metrics, metric)(**kwargs)


def data(name, shape=(N,), seed=0):
    """The arguments of update_state: values, or labels and predictions."""
    rng = np.random.default_rng(seed)
    y_pred = rng.uniform(0.05, 0.95, (*shape, CLASSES)).astype("float32")
    if name in VALUES:
        return (rng.normal(size=shape).astype("float32"),)
    labels = rng.integers(0, CLASSES, shape)
    kind = TABLE[name][0]
    if kind == "sparse":
        return labels, y_pred
    if kind == "onehot":
        return np.eye(CLASSES, dtype="float32")[labels], y_pred
    if kind == "binary":
        return rng.integers(0, 2, y_pred.shape), y_pred
    numbers = y_pred.copy()
    numbers[rng.random(shape) < 0.5] *= 0.5
    return numbers, y_pred


def reference(name, args, weight=None):
    """The result for the whole data at once, in float64."""
    values = args[0].astype("float64") if name in VALUES else TABLE[name][1](*args)
    weight = np.ones(len(values)) if weight is None else weight.astype("float64")
    if name == "Sum":
        return (values.reshape(len(values), -1).sum(1) * weight).sum()
    mean = (values.reshape(len(values), -1).mean(1) * weight).sum() / weight.sum()
    return np.sqrt(mean) if name == "RootMeanSquaredError" else mean


def parts(args, weight, edges):
    for a, b in zip(edges, edges[1:], strict=False):
        yield tuple(x[a:b] for x in args), None if weight is None else weight[a:b]


def test_the_table_is_the_public_names():
    classes = {name for name, value in vars(metrics).items() if inspect.isclass(value) and name[0] != "_"}
    assert classes == {*TABLE, *VALUES, *BASES}
    functions = {name for name, value in vars(metrics).items() if inspect.isfunction(value) and name[0] != "_"}
    of_losses = {name for name, value in vars(losses).items() if inspect.isfunction(value) and name[0] != "_"}
    assert functions == of_losses | {"binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy"}


# The arguments of Keras 3 (its BinaryCrossentropy has no axis yet).
SIGNATURES = {
    "BinaryAccuracy": "name dtype threshold",
    "BinaryCrossentropy": "name dtype from_logits label_smoothing axis",
    "CategoricalCrossentropy": "name dtype from_logits label_smoothing axis",
    "SparseCategoricalCrossentropy": "name dtype from_logits ignore_class axis",
    "Metric": "dtype name",
    "MeanMetricWrapper": "fn name dtype kwargs",
}


@pytest.mark.parametrize("name", [*ALL, *sorted(BASES)])
def test_constructors_have_the_arguments_of_keras(name):
    parameters = list(inspect.signature(getattr(metrics, name)).parameters)
    assert parameters == SIGNATURES.get(name, "name dtype").split()


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=10, deadline=None, derandomize=True)
@given(cuts=st.sets(st.integers(0, N)), weighted=st.booleans(), axes=st.sampled_from([(N,), (N, 3)]))
def test_any_batching_gives_the_result_of_the_whole(name, cuts, weighted, axes):
    args = data(name, axes)
    weight = np.random.default_rng(1).uniform(0, 2, N).astype("float32") if weighted else None
    metric = make(name)
    for batch, w in parts(args, weight, sorted({0, N} | cuts)):
        metric.update_state(*batch, sample_weight=w)
    result = metric.result()
    assert result.shape == () and result.dtype == "float32"
    np.testing.assert_allclose(result, reference(name, args, weight), rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("name", ALL)
def test_state_merges_resets_and_is_restored_midway(name):
    args, weight = data(name), np.random.default_rng(2).uniform(0, 2, N).astype("float32")
    first, second = parts(args, weight, [0, 5, N])
    metric, other, twin = make(name), make(name), make(name)
    assert float(metric.result()) == 0
    metric.update_state(*first[0], sample_weight=first[1])
    other.update_state(*second[0], sample_weight=second[1])
    for mine, theirs in zip(twin.variables, metric.variables, strict=True):
        mine.assign(theirs)  # what restoring a checkpoint does
    metric.update_state(*second[0], sample_weight=second[1])
    twin.update_state(*second[0], sample_weight=second[1])
    assert twin.result().numpy().tobytes() == metric.result().numpy().tobytes()
    fresh = make(name)
    fresh.update_state(*first[0], sample_weight=first[1])
    fresh.merge_state([other, make(name)])
    np.testing.assert_allclose(fresh.result(), metric.result(), rtol=1e-6)
    metric.reset_state()
    assert all((v.numpy() == 0).all() for v in metric.variables)
    assert float(metric(*args, sample_weight=weight)) == pytest.approx(reference(name, args, weight), rel=2e-6)


@pytest.mark.parametrize("name", ALL)
def test_state_is_reached_through_attributes(name):
    metric = make(name)
    assert len(metric.variables) == (1 if name == "Sum" else 2)
    assert not any(v.trainable for v in metric.variables)
    assert set(metric.children()) == {
        "Mean": {"total", "count"},
        "Sum": {"total"},
        "RootMeanSquaredError": {"squares"},
    }.get(name, {"mean"})
    clone = copy.deepcopy(metric)
    clone.update_state(*data(name))
    assert all((v.numpy() == 0).all() for v in metric.variables)


@pytest.mark.parametrize("name", ALL)
def test_no_tape_records_an_update(name):
    args = data(name)
    x = Variable(args[-1])
    expected = make(name)(*args)
    metric = make(name)
    with GradientTape(persistent=True) as tape:
        metric.update_state(*args[:-1], x * 1.0)
        result = metric.result()
    np.testing.assert_array_equal(result, expected)
    assert tape.gradient(result, x) is None
    assert len(tape._records) <= 1, "the product is the one thing that depends on x"


@pytest.mark.parametrize("name", ALL)
def test_config_makes_the_same_metric(name):
    metric = make(name, name="mine", dtype="float64")
    twin = type(metric).from_config(metric.get_config())
    assert twin.get_config() == metric.get_config()
    assert (twin.name, twin.dtype, repr(twin)) == ("mine", "float64", f"<{name} 'mine'>")
    assert twin(*data(name)).dtype == "float64"
    default = inspect.signature(type(metric)).parameters["name"].default
    assert make(name).name == default


@pytest.mark.parametrize("name", sorted(TABLE))
@pytest.mark.parametrize("shape", [(N, CLASSES + 1), (1, CLASSES), (N - 1, CLASSES), (CLASSES,), (N, 1, CLASSES)])
def test_other_shapes_are_refused_with_both(name, shape):
    _, y_pred = data(name)
    metric = make(name, name="mine")
    with pytest.raises(ValueError) as caught:
        metric.update_state(np.ones(shape, "int32"), y_pred)
    message = str(caught.value)
    owner = "MeanSquaredError" if name == "RootMeanSquaredError" else name
    assert message.startswith(f"{owner} 'mine': expected ")
    assert f"[{', '.join(map(str, shape))}]" in message and f"[{N}, {CLASSES}]" in message
    assert all((v.numpy() == 0).all() for v in metric.variables)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("shape", [(N + 1,), (1,), (1, N), (3,), (N, 2), (N, 3, 2)])
def test_other_weights_are_refused_with_both_shapes(name, shape):
    metric = make(name, name="mine")
    args = data(name, (N, 3))
    with pytest.raises(ValueError) as caught:
        metric.update_state(*args, sample_weight=np.ones(shape))
    message = str(caught.value)
    assert "'mine': expected sample_weight of shape (12, 3" in message and f"[{', '.join(map(str, shape))}]" in message
    assert all((v.numpy() == 0).all() for v in metric.variables)


@pytest.mark.parametrize("name", ALL)
def test_weights_of_several_shapes(name):
    args, weight = data(name, (N, 3)), np.random.default_rng(3).uniform(0, 2, N)
    expected = make(name)(*args, sample_weight=weight)
    for shape in ((N, 1), (N, 3), (N, 1, 1), (N, 3, 1)):
        full = np.broadcast_to(weight[:, None], (N, 3)).reshape(shape) if 3 in shape else weight.reshape(shape)
        np.testing.assert_allclose(make(name)(*args, sample_weight=full), expected, rtol=1e-6)
    scaled = make(name)(*args, sample_weight=2.0)
    np.testing.assert_allclose(scaled, make(name)(*args) * (2 if name == "Sum" else 1), rtol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_a_mask_leaves_values_out(name):
    args = data(name)
    keep = np.random.default_rng(4).random(N) < 0.5
    masked = Tensor(args[-1])
    masked._mask = Tensor(keep)
    weight = np.random.default_rng(5).uniform(0, 2, N)
    for w in (None, weight):
        result = make(name)(*args[:-1], masked, sample_weight=w)
        expected = make(name)(*(x[keep] for x in args), sample_weight=None if w is None else w[keep])
        np.testing.assert_allclose(result, expected, rtol=1e-6)


@pytest.mark.parametrize("name", sorted(TABLE))
def test_labels_and_predictions_are_aligned(name):
    y_true, y_pred = data(name)
    if TABLE[name][0] == "sparse":
        np.testing.assert_array_equal(make(name)(y_true[:, None], y_pred), make(name)(y_true, y_pred))
    elif TABLE[name][0] != "onehot" and name != "KLDivergence":
        expected = make(name)(y_true[:, :1], y_pred[:, :1], sample_weight=np.arange(N))
        for true, pred in ((0, slice(1)), (slice(1), 0), (0, 0)):
            result = make(name)(y_true[:, true], y_pred[:, pred], sample_weight=np.arange(N))
            np.testing.assert_array_equal(result, expected)


# --- one by one


def test_means_are_called_with_new_data():
    mean = metrics.Mean("loss")
    mean(0)
    mean(5)
    assert float(mean.result()) == 2.5
    assert float(mean([8, 9])) == 5.5
    assert float(mean.result()) == 5.5


def test_counts_are_exact_beyond_single_precision():
    mean = metrics.Mean()
    mean.total.assign(2.0**24)
    mean.count.assign(2.0**24)
    for _ in range(3):
        mean.update_state(1.0)
    assert float(mean.count) == 2**24 + 3 and float(mean.result()) == 1
    total = metrics.Sum(dtype="float64")
    assert float(total(np.array([2**40, 1]))) == 2**40 + 1


def test_a_large_number_of_batches_rounds_no_more_than_one():
    values = np.full(1000, 0.1, "float32")
    one, many = metrics.Mean(dtype="float64"), metrics.Mean(dtype="float64")
    one.update_state(values)
    for value in values:
        many.update_state(value)
    assert float(one.result()) == pytest.approx(float(many.result()), rel=1e-13)


def test_half_precision_predictions_are_judged_in_single_precision():
    y_pred = np.array([[300.0], [1.0]], "float16")
    assert float(metrics.MeanSquaredError()([[0.0], [1.0]], y_pred)) == 45000


def test_integer_predictions_do_not_round_the_labels():
    assert float(metrics.Accuracy()([0.5, 1.0], [0, 1])) == 0.5


def test_thresholds_and_options():
    assert float(metrics.BinaryAccuracy(threshold=0.8)([1, 0], [[0.7], [0.7]])) == 0.5
    assert float(metrics.BinaryAccuracy(threshold=0)([True, False], [[2.0], [-2.0]])) == 1
    logits = metrics.BinaryCrossentropy(from_logits=True)([[1.0]], [[0.0]])
    assert float(logits) == pytest.approx(np.log(2))


def test_ignored_classes_do_not_count():
    y_pred = np.random.default_rng(6).uniform(0.1, 1, (6, 3, 4))
    labels = np.random.default_rng(7).integers(0, 4, (6, 3))
    values = losses.sparse_categorical_crossentropy(labels, y_pred).numpy()
    metric = metrics.SparseCategoricalCrossentropy(ignore_class=2)
    metric.update_state(labels[:2], y_pred[:2])
    metric.update_state(labels[2:], y_pred[2:])
    assert float(metric.result()) == pytest.approx(values[labels != 2].mean())


def test_labels_that_are_no_class_are_refused_by_name():
    with pytest.raises(ValueError, match=r"SparseCategoricalCrossentropy 'head': expected integer labels in \[0, 2\)"):
        metrics.SparseCategoricalCrossentropy(name="head")([0, 2], np.ones((2, 2)))


# --- the base


class Largest(metrics.Metric):
    def __init__(self, name="largest", **kwargs):
        super().__init__(name=name, **kwargs)
        self.largest = self.add_variable((), lambda shape, dtype: np.full(shape, -np.inf), name="largest")
        self.seen = self.add_weight(initializer="ones", dtype="int32", name="seen")
        self.extra = Variable([5.0], trainable=False)
        self.parts = [metrics.Sum(), {"mean": metrics.Mean()}]

    def update_state(self, values, sample_weight=None):
        self.largest.assign(ops.maximum(self.largest, ops.max(values)))
        self.seen.assign_add(1)
        for part in (self.parts[0], self.parts[1]["mean"]):
            part.update_state(values)

    def result(self):
        return {"largest": self.largest.value, "mean": self.parts[1]["mean"].result()}


def test_a_users_metric():
    metric = Largest()
    assert [v.name for v in metric.variables] == ["largest", "seen", "variable", "total", "total", "count"]
    assert metric.largest.path == "largest/largest" and metric.seen.dtype == "int32"
    assert {k: float(v) for k, v in metric([1.0, 3.0]).items()} == {"largest": 3.0, "mean": 2.0}
    metric.reset_state()
    assert [v.numpy().item() for v in metric.variables] == [-np.inf, 1, 0, 0, 0, 0]
    assert set(metric.children()) == {"largest", "seen", "extra", "parts"}
    assert metric.get_config() == {"name": "largest"}
    assert context.is_clean()


def test_what_a_users_metric_lacks_is_said():
    class Empty(metrics.Metric):
        pass

    class Early(metrics.Metric):
        def __init__(self):
            self.total = self.add_variable((), "zeros")

    assert Empty().name == "empty" and Empty().variables == []
    with pytest.raises(NotImplementedError, match=r"Empty 'empty': expected an update_state\(\)"):
        Empty()([1.0])
    with pytest.raises(NotImplementedError, match=r"Empty 'empty': expected a result\(\)"):
        Empty().result()
    with pytest.raises(RuntimeError, match=r"Early: expected super\(\).__init__\(\) before the first add_variable"):
        Early()


def test_merging_something_else_is_refused_and_changes_nothing():
    mean, other = metrics.Mean(name="mine"), metrics.Mean()
    other.update_state(1.0)
    with pytest.raises(ValueError, match=r"Mean 'mine': expected metrics of its class.*<Sum 'sum'>"):
        mean.merge_state([other, metrics.Sum()])
    assert float(mean.count) == 0


def test_a_function_as_a_metric():
    def distance(y_true, y_pred, scale=1.0):
        return ops.abs(y_true - y_pred) * scale

    metric = metrics.MeanMetricWrapper(distance, scale=2.0)
    assert metric.name == "distance"
    assert float(metric([1.0, 2.0], [[1.0], [4.0]])) == 2.0
    assert float(metrics.MeanMetricWrapper(losses.mean_squared_error)([1.0, 2.0], [1.0, 4.0], [1.0, 3.0])) == 3.0
    with pytest.raises(ValueError, match="expected a function of labels and predictions, got 'mse'"):
        metrics.MeanMetricWrapper("mse")


def test_unknown_arguments_are_refused():
    with pytest.raises(TypeError, match=r"BinaryAccuracy: .*'treshold'"):
        metrics.BinaryAccuracy(treshold=0.4)


@pytest.mark.parametrize("name", ALL)
def test_get_by_the_names_of_keras(name):
    kind = getattr(metrics, name)
    snake = {"LogCoshError": "log_cosh_error", "KLDivergence": "kl_divergence"}.get(name, make(name).name)
    for identifier in (name, snake, kind, {"class_name": name, "config": {"name": "mine"}}):
        assert type(metrics.get(identifier)) is kind
    assert metrics.get({"class_name": name, "config": {"name": "mine"}}).name == "mine"


def test_get_of_other_things():
    for alias, name in {"acc": "Accuracy", "mse": "MeanSquaredError", "MAE": "MeanAbsoluteError"}.items():
        assert type(metrics.get(alias)) is getattr(metrics, name)
    metric = metrics.Mean()
    assert metrics.get(metric) is metric and metrics.get(None) is None
    assert metrics.get(metrics.binary_accuracy) is metrics.binary_accuracy
    assert metrics.get("mean") is not metrics.get("mean")
    with pytest.raises(ValueError, match="Unknown metric: 'acuracy'. Did you mean 'accuracy'?"):
        metrics.get("acuracy")
    with pytest.raises(ValueError, match="got 3"):
        metrics.get(3)


class Part(Trackable):
    def __init__(self):
        self.seen = Variable(0.0, trainable=False, name="seen")
        self.metric = metrics.Mean()


class Holder(metrics.Metric):
    def __init__(self, part, name="holder"):
        super().__init__(name=name)
        self.total = self.add_variable((), name="total")
        self.parts = [part]

    def update_state(self, values):
        self.total.assign_add(ops.sum(values))

    def result(self):
        return self.total.value


def test_state_that_nobody_resets_or_merges_is_refused_by_name():
    message = (
        "Holder 'holder': expected its state in Variables of its own and in Metrics, got a Part with .*'seen', which"
    )
    for act in (lambda metric: metric.reset_state(), lambda metric: metric.merge_state([Holder(Part())])):
        metric = Holder(Part())
        metric.update_state([1.0])
        with pytest.raises(ValueError, match=message):
            act(metric)
        assert float(metric.result()) == 1


def test_what_a_metric_computes_with_is_neither_reset_nor_merged():
    class Embedding(Part):
        def __call__(self, values):
            return values

    for part in (Embedding(), SeedGenerator(5), Trackable()):
        metric, other = Holder(part), Holder(part)
        before = [v.numpy().tolist() for v in all_variables(part)]
        metric.update_state([1.0])
        other.update_state([2.0])
        metric.merge_state([other])
        assert float(metric.result()) == 3
        metric.reset_state()
        assert float(metric.result()) == 0 and [v.name for v in metric.variables] == ["total"]
        assert [v.numpy().tolist() for v in all_variables(part)] == before
