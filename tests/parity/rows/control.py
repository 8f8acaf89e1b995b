"""What takes functions: conditions, loops, scans, maps."""

from parity.drawing import FLOATS, Row, given

NO_GRADIENT = ("value", "dtype")


def chosen(ops, x, at):
    """A branch by a truth value."""
    return ops.cond(ops.any(x > at), lambda: ops.sin(x), lambda: x * 2)


def switched(ops, index, x):
    """A branch by its number; one out of range is the nearest."""
    return ops.switch(index, [lambda y: y * 2, lambda y: ops.sin(y), lambda y: -y], x)


def looped(ops, x):
    """A loop until a bound is reached."""
    return ops.while_loop(lambda i, y: ops.sum(ops.abs(y)) < 100, lambda i, y: (i + 1, y * 1.5), (0, x))


def bounded(ops, x, most):
    """A loop with a largest number of steps."""
    return ops.while_loop(lambda y: True, lambda y: y * 0.5 + 1, x, maximum_iterations=most)


def recurrent(ops, x, start, **options):
    """A running state, with what it says of each step."""

    def step(carry, x):
        carry = carry * 0.5 + ops.sin(x)
        return carry, carry * x

    return ops.scan(step, start, x, **options)


def nested(ops, x, y):
    """A state and inputs that are structures."""

    def step(carry, inputs):
        a, b = carry
        return (a + inputs[0], b * inputs[1]), a * b

    return ops.scan(step, (ops.zeros_like(x[0]), ops.ones_like(y[0])), (x, y))


def custom(ops, x):
    """A function with a gradient of one's own, which is not the true one."""

    @ops.custom_gradient
    def double(x):
        def grad(*args, upstream=None):
            return (upstream if upstream is not None else args[0]) * 7

        return x * 2, grad

    return double(x)


def sampled(d):
    """A few steps, and the state before the first."""
    return given(d.array((4, 3)), d.array((3,)), **d.maybe(reverse=True))


ROWS = {
    "cond": [
        Row(lambda d: given(d.array((3,)), d.number()), chosen),
        Row(lambda d: given(d.flip(), d.array((3,))), lambda ops, p, x: ops.cond(p, lambda: x * 2, lambda: x + 1)),
    ],
    "switch": [Row(lambda d: given(d.size(-1, 3), d.array((3,))), switched, draws=8)],
    "while_loop": [
        Row(lambda d: given(d.array((3,), away=0.1)), looped),
        Row(lambda d: given(d.array((3,)), d.size(0, 4)), bounded),
    ],
    "fori_loop": [
        Row(
            lambda d: given(d.array((3,)), d.size(0, 1), d.size(1, 4)),
            lambda ops, x, low, high: ops.fori_loop(low, high, lambda i, y: y * 0.5 + ops.cast(i, y.dtype), x),
        ),
    ],
    "scan": [
        Row(sampled, recurrent, draws=8),
        Row(lambda d: given(d.array((4, 3)), d.array((4, 3))), nested),
        Row(
            lambda d: given(d.array((3,)), d.size(1, 4)),
            lambda ops, x, n: ops.scan(lambda carry, _: (carry * 0.5, carry), x, length=n),
        ),
    ],
    "associative_scan": [
        Row(
            lambda d: given(d.array((d.size(1, 7), 3)), **d.maybe(reverse=True)),
            lambda ops, x, **options: ops.associative_scan(lambda a, b: a + b, x, **options),
            dtypes=(*FLOATS, "int32"),
            draws=8,
        ),
        Row(
            lambda d: given(d.array((3, d.size(1, 7)))),
            lambda ops, x: ops.associative_scan(ops.maximum, x, axis=1),
            draws=8,
        ),
        Row(
            lambda d: given(d.array((5, 2)), d.array((5, 2))),
            lambda ops, x, y: ops.associative_scan(lambda a, b: (a[0] * b[0], a[1] * b[0] + b[1]), (x, y)),
        ),
    ],
    "map": [
        Row(lambda d: given(d.array((4, 3))), lambda ops, x: ops.map(lambda row: ops.sum(row * row), x)),
        Row(
            lambda d: given(d.array((4, 3)), d.array((4,))),
            lambda ops, x, y: ops.map(lambda both: both[0] * both[1], (x, y)),
        ),
    ],
    "vectorized_map": [
        Row(lambda d: given(d.array((4, 3))), lambda ops, x: ops.vectorized_map(lambda row: ops.sum(row * row), x)),
        Row(
            lambda d: given(d.array((4, 3, 2)), d.array((4, 2, 3))),
            lambda ops, x, y: ops.vectorized_map(lambda both: ops.matmul(both[0], both[1]), (x, y)),
        ),
    ],
    "vectorize": [
        Row(lambda d: given(d.array((4, 3))), lambda ops, x: ops.vectorize(lambda v: ops.sin(v) * 2)(x)),
        Row(
            lambda d: given(d.array((4, 3)), d.array((4, 3))),
            lambda ops, x, y: ops.vectorize(lambda a, b: ops.sum(a * b), signature="(n),(n)->()")(x, y),
        ),
    ],
    "custom_gradient": [Row(lambda d: given(d.array((3,))), custom)],
}
