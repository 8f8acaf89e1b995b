"""Every loss: its values against NumPy in float64, gradients, weights, masks, reductions, shapes and names."""

import inspect
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eagerly import losses
from eagerly.dimensions import BATCH
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from eagerly.variable import Variable
from gradients import check_gradients

N, CLASSES = 5, 4


def clipped(p):
    return np.clip(p, 1e-7, 1 - 1e-7)


def normalized(p):
    return clipped(p / p.sum(-1, keepdims=True))


def entropy(true, p):
    return -(true * np.log(normalized(p))).sum(-1)


def binary(true, p):
    return -(true * np.log(clipped(p)) + (1 - true) * np.log(1 - clipped(p))).mean(-1)


# Each public class: its function, its options, and what it computes for each example.
TABLE = {
    "MeanSquaredError": ("mean_squared_error", {}, lambda t, p: ((t - p) ** 2).mean(-1)),
    "MeanAbsoluteError": ("mean_absolute_error", {}, lambda t, p: np.abs(t - p).mean(-1)),
    "MeanAbsolutePercentageError": (
        "mean_absolute_percentage_error",
        {},
        lambda t, p: 100 * np.abs((t - p) / np.maximum(np.abs(t), 1e-7)).mean(-1),
    ),
    "MeanSquaredLogarithmicError": (
        "mean_squared_logarithmic_error",
        {},
        lambda t, p: ((np.log(1 + np.maximum(t, 1e-7)) - np.log(1 + np.maximum(p, 1e-7))) ** 2).mean(-1),
    ),
    "Huber": (
        "huber",
        {"delta": 0.3},
        lambda t, p: np.where(np.abs(t - p) <= 0.3, (t - p) ** 2 / 2, 0.3 * np.abs(t - p) - 0.045).mean(-1),
    ),
    "LogCosh": ("log_cosh", {}, lambda t, p: np.log(np.cosh(p - t)).mean(-1)),
    "Poisson": ("poisson", {}, lambda t, p: (p - t * np.log(p + 1e-7)).mean(-1)),
    "KLDivergence": ("kl_divergence", {}, lambda t, p: (t * np.log(t / p)).sum(-1)),
    "BinaryCrossentropy": (
        "binary_crossentropy",
        {"label_smoothing": 0.2},
        lambda t, p: binary(t * 0.8 + 0.1, p),
    ),
    "CategoricalCrossentropy": (
        "categorical_crossentropy",
        {"label_smoothing": 0.2},
        lambda t, p: entropy(t * 0.8 + 0.05, p),
    ),
    "SparseCategoricalCrossentropy": (
        "sparse_categorical_crossentropy",
        {},
        lambda t, p: entropy(np.eye(CLASSES)[t], p),
    ),
}
BASES = {"Loss", "LossFunctionWrapper"}
ALL = sorted(TABLE)
MEANS = ("sum_over_batch_size", "mean")


def batch(name, seed=0, shape=(N,), dtype="float32"):
    """Labels and predictions; values in (0, 1), so that every formula is defined."""
    rng = np.random.default_rng(seed)
    y_pred = rng.uniform(0.05, 0.95, (*shape, CLASSES)).astype(dtype)
    if name == "SparseCategoricalCrossentropy":
        return rng.integers(0, CLASSES, shape), y_pred
    return rng.uniform(0.05, 0.95, (*shape, CLASSES)).astype(dtype), y_pred


def make(loss, /, **kwargs):
    return getattr(losses, loss)(**TABLE[loss][1], **kwargs)


def test_the_table_is_the_public_names():
    classes = {name for name, value in vars(losses).items() if inspect.isclass(value) and name[0] != "_"}
    assert classes == set(TABLE) | BASES
    functions = {name for name, value in vars(losses).items() if inspect.isfunction(value) and name[0] != "_"}
    assert functions == {row[0] for row in TABLE.values()} | {"get"}


# The arguments of Keras 3.
SIGNATURES = {
    "BinaryCrossentropy": "from_logits label_smoothing axis reduction name dtype",
    "CategoricalCrossentropy": "from_logits label_smoothing axis reduction name dtype",
    "SparseCategoricalCrossentropy": "from_logits ignore_class reduction axis name dtype",
    "Huber": "delta reduction name dtype",
    "Loss": "name reduction dtype",
    "LossFunctionWrapper": "fn reduction name dtype kwargs",
}


@pytest.mark.parametrize("name", [*ALL, *sorted(BASES)])
def test_constructors_have_the_arguments_of_keras(name):
    parameters = list(inspect.signature(getattr(losses, name)).parameters)
    assert parameters == SIGNATURES.get(name, "reduction name dtype").split()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("shape", [(N,), (N, 3), (1,)])
def test_values_of_each_example(name, shape):
    y_true, y_pred = batch(name, shape=shape)
    function, options, reference = TABLE[name]
    exact = y_true if y_true.dtype.kind == "i" else y_true.astype("float64")
    expected = reference(exact, y_pred.astype("float64"))
    np.testing.assert_allclose(getattr(losses, function)(y_true, y_pred, **options), expected, rtol=2e-5, atol=1e-6)
    values = make(name, reduction="none")(y_true, y_pred)
    assert values.dtype == "float32" and values.shape == shape
    np.testing.assert_allclose(values, expected, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_reductions(name):
    y_true, y_pred = batch(name, shape=(N, 3))
    values = make(name, reduction=None)(y_true, y_pred).numpy().astype("float64")
    weight = np.random.default_rng(1).uniform(0, 2, N)
    weighted = values * weight[:, None]
    results = {
        "sum": weighted.sum(),
        "sum_over_batch_size": weighted.mean(),
        "mean": weighted.mean(),
        "mean_with_sample_weight": weighted.sum() / (3 * weight.sum()),
        "none": weighted,
    }
    for reduction, expected in results.items():
        loss = make(name, reduction=reduction)
        for shape in ((N,), (N, 1), (N, 3), (N, 3, 1)):
            full = np.broadcast_to(weight.reshape(N, 1), (N, 3)) if 3 in shape else weight
            result = loss(y_true, y_pred, sample_weight=full.reshape(shape))
            np.testing.assert_allclose(result, expected, rtol=1e-5)
    np.testing.assert_allclose(make(name)(y_true, y_pred), values.mean(), rtol=1e-5)
    np.testing.assert_allclose(make(name)(y_true, y_pred, 2.0), 2 * values.mean(), rtol=1e-5)
    np.testing.assert_allclose(make(name, reduction="sum")(y_true, y_pred), values.sum(), rtol=1e-5)
    np.testing.assert_allclose(
        make(name, reduction="mean_with_sample_weight")(y_true, y_pred, 3.0), values.mean(), rtol=1e-5
    )


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=10, deadline=None, derandomize=True)
@given(cuts=st.sets(st.integers(0, 12)), reduction=st.sampled_from([*MEANS, "mean_with_sample_weight", "sum"]))
def test_totals_and_counts_add_up_over_any_batches(name, cuts, reduction):
    y_true, y_pred = batch(name, shape=(12, 2))
    weight = np.random.default_rng(2).uniform(0, 2, 12)
    loss = make(name, reduction=reduction)
    edges = sorted({0, 12} | cuts)
    parts = [
        loss.total_and_count(y_true[a:b], y_pred[a:b], weight[a:b]) for a, b in zip(edges, edges[1:], strict=False)
    ]
    total = sum(float(part[0]) for part in parts)
    whole = float(loss(y_true, y_pred, weight))
    if reduction == "sum":
        assert {part[1] for part in parts} == {None}
        assert total == pytest.approx(whole, rel=1e-5)
    else:
        assert total / sum(float(part[1]) for part in parts) == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_a_mask_leaves_values_out_of_sums_and_counts(name):
    y_true, y_pred = batch(name, shape=(N, 3))
    keep = np.random.default_rng(3).random((N, 3)) < 0.5
    weight = np.random.default_rng(4).uniform(0, 2, N)
    masked = Tensor(y_pred)
    masked._mask = Tensor(keep)
    values = make(name, reduction="none")(y_true, y_pred).numpy().astype("float64")
    for reduction in MEANS:
        loss = make(name, reduction=reduction)
        np.testing.assert_allclose(loss(y_true, masked), values[keep].mean(), rtol=1e-5)
        weighted = (values * weight[:, None])[keep]
        np.testing.assert_allclose(loss(y_true, masked, weight), weighted.mean(), rtol=1e-5)
    weighted_mean = (values * weight[:, None])[keep].sum() / (keep * weight[:, None]).sum()
    loss = make(name, reduction="mean_with_sample_weight")
    np.testing.assert_allclose(loss(y_true, masked, weight), weighted_mean, rtol=1e-5)
    np.testing.assert_allclose(make(name, reduction="none")(y_true, masked), values * keep, rtol=1e-5)
    masked._mask = Tensor(np.zeros((N, 3), bool))
    assert float(make(name)(y_true, masked)) == 0


@pytest.mark.parametrize("name", ALL)
def test_gradients(name):
    y_true, y_pred = batch(name, shape=(3,))
    weight = np.array([0.5, 2.0, 0.0])
    loss = make(name)
    check_gradients(lambda p: loss(y_true, p, weight), [y_pred], order=2)


@pytest.mark.parametrize("name", ALL)
def test_integers_lists_and_variables_are_taken(name):
    y_true, y_pred = batch(name)
    expected = make(name)(y_true, y_pred)
    np.testing.assert_array_equal(make(name)(y_true.tolist(), Variable(y_pred)), expected)
    assert make(name)(y_true, y_pred.astype("float64")).dtype == "float64"
    assert make(name, dtype="float32")(y_true, y_pred.astype("float64")).dtype == "float32"
    assert make(name)(y_true, y_pred.astype("float16")).dtype == "float32"


def test_integer_predictions_do_not_round_the_labels():
    assert losses.mean_squared_error([[0.5]], [[1]]).tolist() == [0.25]
    assert losses.mean_absolute_error(np.array([[3]]), np.array([[1]])).tolist() == [2.0]


@pytest.mark.parametrize("name", ALL)
def test_an_empty_batch_gives_zero(name):
    y_true, y_pred = batch(name, shape=(0,))
    for reduction in (*MEANS, "mean_with_sample_weight", "sum"):
        assert float(make(name, reduction=reduction)(y_true, y_pred)) == 0
    assert make(name, reduction=None)(y_true, y_pred).shape == (0,)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("reduction", ["mean", "mean_with_sample_weight"])
def test_symbols_have_a_loss(name, reduction):
    y_pred = AbstractTensor((BATCH, CLASSES))
    sparse = name == "SparseCategoricalCrossentropy"
    y_true = AbstractTensor((BATCH,), "int32") if sparse else AbstractTensor((BATCH, CLASSES))
    for weight in (None, AbstractTensor((BATCH,)), AbstractTensor((BATCH, 1))):
        result = make(name, reduction=reduction)(y_true, y_pred, weight)
        assert (result.shape, result.dtype) == ((), "float32")


@pytest.mark.parametrize("name", ALL)
def test_config_makes_the_same_loss(name):
    loss = make(name, reduction="sum", name="mine")
    twin = type(loss).from_config(loss.get_config())
    assert twin.get_config() == loss.get_config()
    assert (twin.name, twin.reduction, twin.options) == ("mine", "sum", loss.options)
    assert losses.get({"class_name": name, "config": loss.get_config()}).get_config() == loss.get_config()
    assert make(name).name == {"Huber": "huber_loss"}.get(name, TABLE[name][0])


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("shape", [(N, CLASSES + 1), (1, CLASSES), (N + 1, CLASSES), (CLASSES,), (N, 1, CLASSES), ()])
def test_other_shapes_are_refused_with_both(name, shape):
    y_true, y_pred = batch(name)
    if name == "SparseCategoricalCrossentropy":
        wrong = np.zeros(shape, "int64")
        described = f"int64[{', '.join(map(str, shape))}]"
    else:
        wrong = np.ones(shape, "float32")
        described = f"float32[{', '.join(map(str, shape))}]"
    with pytest.raises(ValueError) as caught:
        make(name, name="head")(wrong, y_pred)
    message = str(caught.value)
    assert message.startswith(f"{name} 'head': expected ")
    assert described in message and f"float32[{N}, {CLASSES}]" in message
    with pytest.raises(ValueError, match=f"^{TABLE[name][0]}: expected "):
        getattr(losses, TABLE[name][0])(wrong, y_pred)


ELEMENTWISE = [name for name in ALL if getattr(getattr(losses, TABLE[name][0]), "elementwise", False)]


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_a_missing_last_axis_of_size_one_is_aligned(name):
    y_true, y_pred = (x[:, :1] for x in batch(name))
    values = make(name, reduction="none")(y_true, y_pred).numpy()
    assert values.shape == (N,)
    for true, pred in ((y_true[:, 0], y_pred), (y_true, y_pred[:, 0]), (y_true[:, 0], y_pred[:, 0])):
        np.testing.assert_array_equal(make(name, reduction="none")(true, pred), values)
        weight = np.arange(N)
        np.testing.assert_allclose(make(name)(true, pred, weight), (values * weight).mean(), rtol=1e-6)


def test_sequences_may_lack_a_last_axis_of_size_one():
    y = np.random.default_rng(5).random((3, 2, 1))
    assert losses.MeanSquaredError(reduction="none")(y[..., 0], y).shape == (3,)


@pytest.mark.parametrize(
    ("shape", "given"),
    [((N + 1,), "6"), ((1, 3), "1, 3"), ((3,), "3"), ((N, 2), "5, 2"), ((N, 3, 2), "5, 3, 2"), ((1, 1), "1, 1")],
)
def test_other_weights_are_refused_with_both_shapes(shape, given):
    y_true, y_pred = batch("MeanSquaredError", shape=(N, 3))
    with pytest.raises(ValueError) as caught:
        losses.MeanSquaredError(name="head")(y_true, y_pred, np.ones(shape))
    message = str(caught.value)
    assert "MeanSquaredError 'head': expected sample_weight of shape (5, 3)" in message and f"[{given}]" in message
    y_pred = Tensor(y_pred)
    y_pred._mask = Tensor(np.ones(shape, bool))
    with pytest.raises(ValueError, match="expected a mask of shape"):
        losses.MeanSquaredError()(y_true, y_pred)


def test_one_weight_of_shape_one_is_not_broadcast():
    y_true, y_pred = batch("MeanSquaredError")
    with pytest.raises(ValueError, match="expected sample_weight"):
        losses.MeanSquaredError()(y_true, y_pred, [2.0])


# --- binary and categorical crossentropy


@pytest.mark.parametrize("axis", [-1, 0, 1, 2])
def test_logits_and_axes(axis):
    rng = np.random.default_rng(6)
    logits = rng.normal(size=(3, 4, 2)) * 3
    true = rng.uniform(size=(3, 4, 2))
    exp = np.exp(logits)
    softmax = exp / exp.sum(axis, keepdims=True)
    np.testing.assert_allclose(
        losses.categorical_crossentropy(true, logits, from_logits=True, axis=axis), -(true * np.log(softmax)).sum(axis)
    )
    labels = rng.integers(0, logits.shape[axis], np.delete(logits.shape, axis))
    picked = np.take_along_axis(softmax, np.expand_dims(labels, axis), axis).squeeze(axis)
    for shape in (labels, np.expand_dims(labels, axis)):
        result = losses.sparse_categorical_crossentropy(shape, logits, from_logits=True, axis=axis)
        np.testing.assert_allclose(result, -np.log(picked))
    sigmoid = 1 / (1 + np.exp(-logits))
    expected = -(true * np.log(sigmoid) + (1 - true) * np.log(1 - sigmoid)).mean(axis)
    np.testing.assert_allclose(losses.binary_crossentropy(true, logits, from_logits=True, axis=axis), expected)


def test_smoothing_divides_by_the_classes_of_the_axis():
    true = np.eye(3)[None, :, :2]  # 3 classes along axis 1
    pred = np.full((1, 3, 2), 0.25)
    pred[:, 0] = 0.5
    smooth = true * 0.7 + 0.1
    result = losses.categorical_crossentropy(true, pred, label_smoothing=0.3, axis=1)
    np.testing.assert_allclose(result, -(smooth * np.log(pred)).sum(1))


def test_extreme_logits_and_probabilities_stay_finite():
    true = np.array([[1.0, 0.0], [0.0, 1.0]])
    for logits in (1e4, -1e4):
        pred = np.array([[logits, -logits]] * 2, "float32")
        for name in ("binary_crossentropy", "categorical_crossentropy"):
            assert np.isfinite(np.asarray(getattr(losses, name)(true, pred, from_logits=True))).all()
        assert np.isfinite(np.asarray(losses.sparse_categorical_crossentropy([0, 1], pred, from_logits=True))).all()
    for name in ("binary_crossentropy", "categorical_crossentropy"):
        assert np.isfinite(np.asarray(getattr(losses, name)(true, 1 - true))).all()
    assert np.isfinite(np.asarray(losses.huber([[0.0]], [[1e30]]))).all()
    assert losses.log_cosh([[0.0]], [[1e4]]).item() == pytest.approx(1e4 - math.log(2))


@pytest.mark.parametrize("smoothing", [-0.1, 1.5, float("nan")])
@pytest.mark.parametrize("name", ["binary_crossentropy", "categorical_crossentropy"])
def test_smoothing_out_of_range_is_refused(name, smoothing):
    with pytest.raises(ValueError, match=rf"^{name}: expected label_smoothing in \[0, 1\], got {smoothing}"):
        getattr(losses, name)(np.ones((2, 2)), np.ones((2, 2)), label_smoothing=smoothing)


def test_one_class_is_refused():
    with pytest.raises(
        ValueError, match=r"CategoricalCrossentropy 'c': expected two or more classes .*\[2, 1\].*binary"
    ):
        losses.CategoricalCrossentropy(name="c")(np.ones((2, 1)), np.ones((2, 1)))
    with pytest.raises(ValueError, match="along axis 2"):
        losses.categorical_crossentropy(np.ones((2, 2)), np.ones((2, 2)), axis=2)
    with pytest.raises(ValueError, match="along axis 2"):
        losses.sparse_categorical_crossentropy([0, 0], np.ones((2, 2)), axis=2)


@pytest.mark.parametrize(
    ("labels", "given"),
    [
        ([0, 4, 1], r"got 4 at \(1,\)"),
        ([0, -1, 9], r"got -1 at \(1,\)"),
        ([0.0, 1.0, 2.5], r"got 2.5 at \(2,\)"),
        ([0.0, float("nan"), 1.0], r"got nan at \(1,\)"),
        ([0, 2**20, 1], "got 1048576 at"),
    ],
)
def test_labels_that_are_no_class_are_refused(labels, given):
    y_pred = np.full((3, 4), 0.25)
    with pytest.raises(
        ValueError, match=rf"^sparse_categorical_crossentropy: expected integer labels in \[0, 4\).*{given}"
    ):
        losses.sparse_categorical_crossentropy(labels, y_pred)
    with pytest.raises(ValueError, match=rf"^SparseCategoricalCrossentropy 'head': expected integer labels.*{given}"):
        losses.SparseCategoricalCrossentropy(name="head")(labels, y_pred)


@pytest.mark.parametrize("ignored", [-1, 2, 255])
def test_ignored_classes_are_left_out_of_means(ignored):
    rng = np.random.default_rng(8)
    labels = rng.integers(0, 4, (6, 3))
    labels[labels == 2] = ignored
    y_pred = rng.uniform(0.1, 1, (6, 3, 4))
    keep = labels != ignored
    values = losses.sparse_categorical_crossentropy(np.where(keep, labels, 0), y_pred).numpy()
    loss = losses.SparseCategoricalCrossentropy(ignore_class=ignored)
    np.testing.assert_allclose(loss(labels, y_pred), values[keep].mean())
    np.testing.assert_array_equal(
        losses.sparse_categorical_crossentropy(labels, y_pred, ignore_class=ignored), values * keep
    )
    y_pred[~keep] = np.nan
    x = Variable(y_pred)
    with GradientTape() as tape:
        y = loss(labels, x)
    gradient = tape.gradient(y, x).numpy()
    assert (gradient[~keep] == 0).all() and np.isfinite(gradient).all() and (gradient[keep] != 0).any()


@pytest.mark.parametrize("name", ALL)
def test_get_by_the_names_of_the_function_and_the_class(name):
    function = getattr(losses, TABLE[name][0])
    assert losses.get(TABLE[name][0]) is function
    assert losses.get(function) is function
    assert type(losses.get(name)) is getattr(losses, name)
    assert type(losses.get(getattr(losses, name))) is getattr(losses, name)


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("mse", "mean_squared_error"),
        ("MSE", "mean_squared_error"),
        ("mae", "mean_absolute_error"),
        ("MAPE", "mean_absolute_percentage_error"),
        ("msle", "mean_squared_logarithmic_error"),
        ("bce", "binary_crossentropy"),
        ("BCE", "binary_crossentropy"),
        ("kld", "kl_divergence"),
    ],
)
def test_keras_aliases(alias, name):
    assert losses.get(alias) is getattr(losses, name)


def test_get_of_other_things():
    loss = losses.MeanSquaredError()
    assert losses.get(loss) is loss
    assert losses.get(None) is None
    with pytest.raises(ValueError, match="Unknown loss: 'mean_square_error'. Did you mean 'mean_squared_error'?"):
        losses.get("mean_square_error")
    with pytest.raises(ValueError, match="got 3"):
        losses.get(3)
