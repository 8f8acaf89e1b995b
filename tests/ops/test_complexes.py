"""Complex numbers: dtypes, arithmetic, and gradients as dL/dRe + i dL/dIm for a closed list of operations."""

import numpy as np
import pytest

import eagerly.random  # noqa: F401 - registers the random primitives
from domains import DOMAINS
from domains.complexes import complexes
from eagerly import dtypes, ops
from eagerly.errors import GradientError
from eagerly.ops.indexing import PLACE
from eagerly.primitive import REGISTRY
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from eagerly.variable import Variable
from gradients import check_gradients

REALS = tuple(name for name in dtypes.NAMES if "complex" not in name)


def z_of(*values):
    return Tensor(list(values), "complex64")


def drawn(*shape, seed=0):
    return complexes(np.random.default_rng([seed, *shape]), shape, "complex128")


# Promotion as in Keras 3.15's lattice, without its step from 64 to 32 bits.
@pytest.mark.parametrize("other", [*REALS, "int", "float", "complex64", "complex128"])
def test_promotion_with_complex_numbers(other):
    number = {"int": 2, "float": 2.5}.get(other)
    y = Tensor([1, 2], other) if number is None else number
    for name in ("complex64", "complex128"):
        x = Tensor([1j, 2], name)
        expected = "complex128" if "128" in (name + other) or other == "float64" else "complex64"
        assert dtypes.result_type(x, y) == expected
        for result in (ops.add(x, y), y * x, ops.where([True, False], x, y), ops.add(AbstractTensor((2,), name), y)):
            assert result.dtype == expected
        if number is None:
            assert ops.concatenate([y, x]).dtype == expected


def test_python_complex_numbers_are_as_precise_as_what_they_meet():
    assert ops.convert_to_tensor(1j).dtype == "complex64"
    assert ops.convert_to_tensor([1, 2.5, 3j]).tolist() == [1, 2.5, 3j]
    assert ops.convert_to_tensor([1, 2j]).dtype == "complex64"
    assert ops.convert_to_tensor([[1j], [2]], "complex128").dtype == "complex128"
    assert dtypes.result_type(1j) == dtypes.result_type(complex) == "complex64"
    x = Tensor([1.0], "float64")
    for y in (x * 0.1j, 0.1j * x, ops.multiply(x, 0.1j), ops.multiply(0.1j, np.float64([1.0])), Variable(x) * 0.1j):
        assert y.dtype == "complex128" and y.tolist() == [0.1j]
    assert (Tensor([1], "int32") + 1j).dtype == (Tensor([1.0], "bfloat16") - 1j).dtype == "complex64"
    assert ops.add(1j, 2).tolist() == 2 + 1j
    assert (1j * AbstractTensor((2,))).dtype == ops.divide(AbstractTensor((2,)), 2j).dtype == "complex64"


def test_arithmetic_of_complex_numbers():
    a, b = drawn(3, 4), drawn(4)
    x, y = Tensor(a), Tensor(b)
    for ours, expected in (
        (x + y, a + b),
        (2 - x, 2 - a),
        (x * y, a * b),
        (x / y, a / b),
        (-x, -a),
        (abs(x), abs(a)),
        (x**2, a**2),
        (ops.exp(x), np.exp(a)),
        (x @ y, a @ b),
        (ops.sum(x, axis=0), a.sum(0)),
        (ops.vdot(x, a + 1), np.vdot(a, a + 1)),
        (ops.einsum("ij,j->i", x, y), a @ b),
        (ops.mean(x), a.mean()),
        (ops.var(x, axis=1), a.var(1)),
        (x == a, np.full((3, 4), True)),
        (x[1:, ::2], a[1:, ::2]),
        (ops.transpose(x), a.T),
        (ops.reshape(x, (2, 6)), a.reshape(2, 6)),
        (ops.concatenate([x, x], axis=1), np.concatenate([a, a], 1)),
        (ops.stack([x, x]), np.stack([a, a])),
        (ops.expand_dims(x, 0), a[None]),
        (ops.broadcast_to(y, (3, 4)), np.broadcast_to(b, (3, 4))),
        (ops.where(np.eye(3, 4) > 0, x, 0), np.where(np.eye(3, 4) > 0, a, 0)),
        (ops.take(x, [2, 0], axis=0), a[[2, 0]]),
        (ops.zeros_like(x), np.zeros((3, 4), complex)),
    ):
        np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-12)
    assert abs(z_of(3 + 4j)).dtype == abs(AbstractTensor((2,), "complex64")).dtype == "float32"
    assert abs(AbstractTensor((2,), "complex128")).dtype == "float64"
    assert complex(z_of(1 + 2j)) == 1 + 2j


def test_dtypes_of_parts():
    for name in ("float16", "bfloat16", "float32", "float64", "int32", "bool"):
        x = Tensor(np.ones((2, 2)), name)
        assert ops.real(x).dtype == ops.imag(x).dtype == ops.conj(x).dtype == name
        assert ops.angle(x).dtype == (name if "float" in name else "float32")
        assert ops.isreal(x).dtype == "bool" and ops.isreal(x).numpy().all()
        wide = "complex128" if name == "float64" else "complex64"
        assert ops.view_as_complex(x).dtype == ops.polar(x, x).dtype == wide
        assert ops.view_as_complex(AbstractTensor((2, 2), name)).dtype == wide
    for name, part in (("complex64", "float32"), ("complex128", "float64")):
        z = Tensor([[1j]], name)
        for part_of in (ops.real, ops.imag, ops.angle, ops.view_as_real, ops.absolute):
            assert part_of(z).dtype == part_of(AbstractTensor((1, 1), name)).dtype == part
    assert ops.polar(1.5, 2).dtype == ops.polar(Tensor([1.0], "float32"), 0.5).dtype == "complex64"
    assert ops.polar(Tensor([1], "int32"), Tensor([1.0], "float64")).dtype == "complex128"


def test_angles_at_the_edges():
    assert ops.angle([0.0, -0.0, -1.0, np.inf, -np.inf]).tolist() == np.float32([0, 0, np.pi, 0, np.pi]).tolist()
    assert np.isnan(ops.angle(Tensor([np.nan])).numpy()).all()
    assert ops.angle([-1 + 0j, complex(-1, -0.0), 0j]).tolist() == np.float32([np.pi, -np.pi, 0]).tolist()
    z = Variable([[0.0, 0.0], [-2.0, 0.0], [1e-30, 0.0]])
    with GradientTape(persistent=True) as tape:
        c = ops.view_as_complex(z)
        angle, size = ops.angle(c), ops.absolute(c)
    assert tape.gradient(size, z).tolist() == [[0.0, 0.0], [-1.0, 0.0], [1.0, 0.0]]
    np.testing.assert_allclose(tape.gradient(angle, z).numpy(), [[0, 0], [0, -0.5], [0, 1e30]], rtol=1e-6)
    x = Variable([2.0, -1.0])
    with GradientTape() as tape:
        y = ops.angle(x) * 3.0
    assert tape.gradient(y, x).tolist() == [0.0, 0.0]


def test_casts():
    z = Tensor([1 + 2j, 0, 3j])
    assert ops.cast(z, "float32").tolist() == [1.0, 0.0, 0.0]
    assert ops.cast(z, "int32").tolist() == [1, 0, 0]
    assert ops.cast(z, "bool").tolist() == [True, False, True]
    assert ops.cast(Tensor([1.5], "float16"), "complex64").tolist() == [1.5]
    x = Variable([1.0, 2.0, 3.0])
    with GradientTape(persistent=True) as tape:
        widened = ops.imag(ops.cast(x, "complex128") * Tensor([1j, 2j, 1], "complex128"))
        real = ops.cast(ops.cast(x, "complex64") * z, "float32")
    assert tape.gradient(widened, x).tolist() == [1.0, 2.0, 0.0]
    assert tape.gradient(real, x).tolist() == [1.0, 0.0, 0.0]


def test_the_gradient_of_a_complex_tensor_is_that_of_pytorch():
    pairs = Variable([[3.0, 4.0], [1.0, -1.0]])
    with GradientTape(persistent=True) as tape:
        z = ops.view_as_complex(pairs)
        squared = ops.real(z * z)
        size = ops.absolute(z)
        energy = ops.real(z * ops.conj(z))
    assert tape.gradient(squared, z).tolist() == [6 - 8j, 2 + 2j]  # 2 conj(z)
    np.testing.assert_allclose(tape.gradient(size, z).numpy(), [0.6 + 0.8j, (1 - 1j) / np.sqrt(2)], rtol=1e-6)
    assert tape.gradient(energy, z).tolist() == [6 + 8j, 2 - 2j]
    assert tape.gradient(squared, pairs).tolist() == [[6.0, -8.0], [2.0, 2.0]]
    assert tape.gradient(squared, pairs).dtype == "float32"


INDICES = Tensor([[1, 0, 1]])
PADDED = {"widths": ((1, 0), (0, 2))}
WINDOWS = {"window": (2,), "strides": (1,), "dilation": (1,)}
POOLED = {"window": (2,), "strides": (1,), "padding": "same"}
SEEN = {"strides": (1,), "pads": ((0, 0),), "dilation": (1,), "groups": 1}
FOLDED = {"space": (4,), "strides": (1,), "dilation": (1,)}

# For each primitive that passes complex gradients: something of two complex matrices that needs it. The shapes are
# (2, 3) and (3,), which broadcast.
LISTED = {
    "view_as_complex": lambda p, z, w: ops.view_as_complex(ops.view_as_real(z)) * w,
    "view_as_real": lambda p, z, w: ops.view_as_real(z * w),
    "conjugate": lambda p, z, w: p(z) * w + z,
    "cast": lambda p, z, w: p(ops.real(z), dtype=np.dtype("complex128")) * w + p(z, dtype=np.dtype("float64")),
    "add": lambda p, z, w: p(z, w) * z + p(2.5, z),
    "subtract": lambda p, z, w: p(z, w) * p(w, z),
    "multiply": lambda p, z, w: p(p(z, w), p(z, 2.0)),
    "divide": lambda p, z, w: p(z, w) + p(1.0, z) + p(w, z),
    "negative": lambda p, z, w: p(z) * w,
    "absolute": lambda p, z, w: p(z * w) + p(z),
    "exp": lambda p, z, w: p(z * w),
    "identity": lambda p, z, w: p(z) * w,
    "select": lambda p, z, w: p(np.array([True, False, True]), z, w) * z,
    "sum": lambda p, z, w: p(z * w, axis=1) * p(w) + p(z, keepdims=True),
    "matmul": lambda p, z, w: p(z, w) * p(p(z, ops.transpose(z)), p(z, w)),
    "reshape": lambda p, z, w: p(z * w, newshape=(3, 2)) * p(z, newshape=(-1, 2)),
    "transpose": lambda p, z, w: p(z) * p(z * w),
    "broadcast_to": lambda p, z, w: p(w, shape=(2, 3)) * z,
    "concatenate": lambda p, z, w: p(z, z * w, axis=0) * w,
    "getitem": lambda p, z, w: p(z, key=(slice(None), slice(1, None))) * p(w, key=(slice(None, 2),)),
    "scatter": lambda p, z, w: p(z, INDICES[0], key=(slice(None), PLACE), shape=(2, 4)) * ops.sum(w),
    "take_along_axis": lambda p, z, w: p(z * w, INDICES, axis=1) * w,
    "add_along_axis": lambda p, z, w: p(z * w, INDICES, axis=1, shape=(2, 4)) * ops.sum(w),
    "pad": lambda p, z, w: p(z, **PADDED) * p(z * w, **PADDED),
    "diagonal": lambda p, z, w: p(z * w, offset=1) * w[:2],
    "from_diagonal": lambda p, z, w: p(z * w, axis1=1, axis2=2, shape=(2, 3, 3)) * w,
    "unfold": lambda p, z, w: p(ops.reshape(z, (2, 3, 1)), **WINDOWS) * w[0],
    "fold": lambda p, z, w: p(ops.reshape(z * w, (1, 3, 2, 1)), **FOLDED) * w[0],
    "average_pool_windows": lambda p, z, w: p(ops.reshape(z * w, (2, 3, 1)), **POOLED) * w[0],
    "average_pool_gradient": lambda p, z, w: p(ops.reshape(z * w, (2, 3, 1)), space=(3,), **POOLED) * w[0],
    "convolution": lambda p, z, w: p(ops.reshape(z * w, (2, 3, 1)), ops.reshape(w[:2], (2, 1, 1)), **SEEN),
    "convolution_input_gradient": lambda p, z, w: p(
        ops.reshape(z * w, (2, 3, 1)), ops.reshape(w[:2], (2, 1, 1)), space=(4,), **SEEN
    ),
    "convolution_kernel_gradient": lambda p, z, w: p(
        ops.reshape(z[:, :2], (2, 2, 1)), ops.reshape(z * w, (2, 3, 1)), window=(2,), **SEEN
    ),
    "dft": lambda p, z, w: p(z * w, axes=(0, 1)) * p(z, axes=(1,), inverse=True),
    "rdft": lambda p, z, w: p(ops.real(z * w)) * w[:2],
    "irdft": lambda p, z, w: p(z * w, size=4) * p(z, size=4) + ops.sum(p(w, size=5)),
}


def test_the_list_is_closed():
    listed = {name for name, primitive in REGISTRY.items() if primitive.complex_rules}
    assert listed == set(LISTED)


@pytest.mark.parametrize("name", LISTED)
def test_complex_gradients_agree_with_differences(name):
    first, second = (drawn(*shape).view(np.float64).reshape(*shape, 2) for shape in ((2, 3), (3,)))

    def function(a, b):
        return LISTED[name](REGISTRY[name], ops.view_as_complex(a), ops.view_as_complex(b))

    check_gradients(function, [first, second])


@pytest.mark.parametrize("name", LISTED)
def test_complex_gradients_keep_dtypes_and_are_the_same_when_recorded(name):
    sources = [Tensor(ops.view_as_real(drawn(*shape)), "float32") for shape in ((2, 3), (3,))]
    found = []
    for recording in (False, True):
        with GradientTape(persistent=True) as tape:
            tape.watch(sources)
            z, w = map(ops.view_as_complex, sources)
            y = LISTED[name](REGISTRY[name], z, w)
            loss = ops.sum(ops.view_as_real(y) if y.dtype.kind == "c" else y)
            if recording:
                found.append(tape.gradient(loss, sources, unconnected_gradients="zero"))
        if not recording:
            found.append(tape.gradient(loss, sources, unconnected_gradients="zero"))
    for x, first, second in zip(sources, *found, strict=True):
        assert first.dtype == second.dtype == "float32" and first.shape == second.shape == x.shape
        np.testing.assert_allclose(first.numpy(), second.numpy(), rtol=1e-4, atol=1e-5)


def test_real_numbers_meet_complex_ones():
    def function(x, b):
        z = ops.view_as_complex(b)
        return x * z + ops.matmul(x, ops.exp(z)) + ops.where(x > 0, x, z) - x / z + ops.polar(x, x)

    rng = np.random.default_rng(1)
    check_gradients(function, [rng.uniform(0.5, 1.5, (3, 3)), rng.uniform(0.5, 1.5, (3, 3, 2))])
    check_gradients(lambda b: ops.angle(ops.exp(ops.view_as_complex(b)) * (2 - 1j)), [rng.normal(size=(4, 3, 2))])
    check_gradients(lambda x: ops.var(ops.view_as_complex(x), axis=0), [rng.normal(size=(4, 3, 2))])


@pytest.mark.parametrize(
    "name",
    [
        *("sqrt", "square", "log", "log1p", "expm1", "sin", "cos", "tanh", "max", "min", "relu"),
        *("det", "solve_matrix", "pinv", "slogdet", "qr", "decompose", "singular_values", "eliminate"),
        *("cholesky_lower", "eigh"),
    ],
)
def test_other_operations_refuse_a_complex_gradient(name):
    pairs = Variable(np.stack([np.eye(2) * 3, np.zeros((2, 2))], -1), dtype="float64")
    primitive = REGISTRY[name]
    with GradientTape() as tape:
        z = ops.view_as_complex(pairs)
        result = primitive(z, z) if name == "solve_matrix" else primitive(z)
        result = result[0] if isinstance(result, tuple) and name != "slogdet" else result
        result = result[1] if isinstance(result, tuple) else result
        loss = ops.sum(ops.real(result))
    words = {"decompose": "svd", "singular_values": "svd", "eliminate": "lu_factor"}
    with pytest.raises(GradientError, match=f"^{words.get(name, name)}: no gradient is defined for complex operands"):
        tape.gradient(loss, pairs)


def test_no_operation_makes_real_numbers_of_complex_ones_unless_it_is_listed_or_refuses_their_gradient():
    own_refusal = {
        "slogdet",
        "qr",
        "eigh",
        "eig",
        "decompose",
        "singular_values",
        "eliminate",
    }  # several outputs, or real
    for name, domain in DOMAINS.items():
        primitive = REGISTRY[name]
        if not primitive.differentiable or primitive.complex_rules or name in own_refusal:
            continue
        arrays, params = domain.draw(np.random.default_rng(0), domain.cases[-1], 2, 3, domain.dtypes[0])
        arrays = [x * np.complex64(1 + 0.5j) if x.dtype.kind == "f" else x for x in arrays]
        try:
            result = primitive(*arrays, **params)
        except (TypeError, ValueError, np.exceptions.ComplexWarning):
            continue
        assert primitive.outputs == 1, f"{name} needs a refusal of its own, as in ops/matrices.py"
        y = result[0] if isinstance(result, tuple) else result
        assert y.dtype.kind != "f" or not any(x.dtype.kind == "c" for x in arrays), name


@pytest.mark.parametrize("operation", [ops.power, ops.maximum])
def test_operations_of_two_operands_refuse_a_complex_gradient(operation):
    pairs = Variable([1.0, 2.0])
    for call in (lambda z: operation(z, 2.0), lambda z: operation(2.0, z)):
        with GradientTape() as tape:
            loss = ops.real(call(ops.view_as_complex(pairs)))
        with pytest.raises(GradientError, match=r"no gradient is defined for complex operands\. Compute on ops\.real"):
            tape.gradient(loss, pairs)


def test_complex_tensors_are_no_floats():
    assert not dtypes.is_float("complex64") and dtypes.has_gradient("complex64") and not dtypes.has_gradient("int32")
    z = Tensor([1j])
    with GradientTape() as tape:
        tape.watch(z)
    with pytest.raises(GradientError, match="expected a floating-point target"):
        tape.gradient(z, z)


def test_complex_tensors_and_variables_are_sources():
    values = np.array([1 + 2j, 3 - 1j], "complex64")
    for source in (Variable(values), Tensor(values)):
        with GradientTape(persistent=True) as tape:
            tape.watch(source)
            squares = ops.sum(ops.abs(source) ** 2)
            real = ops.sum(ops.real(source * source))
        np.testing.assert_allclose(tape.gradient(squares, source).numpy(), 2 * values)
        gradient = tape.gradient(real, source)
        np.testing.assert_allclose(gradient.numpy(), 2 * values.conj())  # as PyTorch's z.grad
        assert gradient.dtype == "complex64"


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: ops.view_as_complex(np.ones((2, 3))), ValueError, ["view_as_complex: ", "size 2", "float64[2, 3]"]),
        (lambda: ops.view_as_complex(1.0), ValueError, ["view_as_complex: ", "size 2", "float32[]"]),
        (lambda: ops.view_as_complex([1j, 2]), ValueError, ["view_as_complex: ", "real tensor", "complex64[2]"]),
        (lambda: ops.view_as_complex(AbstractTensor((2, 3))), ValueError, ["view_as_complex: ", "float32[2, 3]"]),
        (lambda: ops.view_as_real([1.0]), ValueError, ["view_as_real: ", "complex", "float32[1]"]),
        (lambda: ops.view_as_real(AbstractTensor((2,))), ValueError, ["view_as_real: ", "complex", "float32[2]"]),
        (lambda: ops.sign([1j]), TypeError, ["sign: ", "real", "complex64[1]", "x / ops.absolute(x)"]),
        (lambda: ops.sign(AbstractTensor((1,), "complex64")), TypeError, ["sign: ", "complex64[1]"]),
        (lambda: ops.sigmoid([1j]), TypeError, ["sigmoid: ", "real", "complex64[1]", "1 / (1 + ops.exp(-x))"]),
        (lambda: ops.sigmoid(AbstractTensor((1,), "complex64")), TypeError, ["sigmoid: ", "complex64[1]"]),
        (lambda: ops.floor([1j]), TypeError, ["floor", "complex64[1]"]),
        (lambda: Tensor([1j], "float32"), ValueError, ["complex 1j", "float32", "ops.real"]),
        (lambda: Tensor(Tensor([1j]), "float32"), ValueError, ["complex64[1]", "float32", "ops.real"]),
        (lambda: ops.polar(np.ones(2), np.ones(3)), ValueError, ["(2,) and (3,)"]),
    ],
)
def test_errors(call, error, words):
    with pytest.raises(error) as caught:
        call()
    text = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", ())])
    assert [word for word in words if word not in text] == [], text
