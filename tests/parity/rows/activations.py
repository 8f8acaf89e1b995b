"""Activation functions."""

from parity.drawing import FLOATS, SHORT, Row, given
from parity.forms import unary

KINDS = (*FLOATS, *SHORT)


def shifted(tolerance=1.0, **options):
    """Rows of a function with options, drawn from those given; at the corners with none."""

    def draw(d):
        return given(
            d.array(d.shape(1), -3, 3), **d.maybe(**{name: d.pick(*values) for name, values in options.items()})
        )

    return [Row(draw, dtypes=KINDS, draws=6, tolerance=tolerance), *unary(-3, 3, dtypes=FLOATS)[1:]]


def along_an_axis(d):
    """An array and an axis of it."""
    shape = d.shape(1, 3, least=2)
    return given(d.array(shape), **d.maybe(axis=d.axis(len(shape))))


def along_any(d):
    """An array and an axis of it, or all of them."""
    shape = d.shape(1, 3, least=2)
    return given(d.array(shape), axis=d.pick(None, d.axis(len(shape))))


ROWS = {
    **{
        name: unary(-3, 3, dtypes=KINDS)
        for name in ("relu", "selu", "silu", "swish", "softplus", "softsign", "sigmoid")
    },
    **{
        name: unary(-9, 9, dtypes=KINDS) for name in ("relu6", "hard_sigmoid", "hard_silu", "hard_swish", "log_sigmoid")
    },
    **{name: unary(-3, 3, dtypes=KINDS) for name in ("hard_tanh", "tanh_shrink", "sparse_plus", "sparse_sigmoid")},
    "leaky_relu": shifted(negative_slope=(0.0, 0.5)),
    "elu": shifted(alpha=(0.5, 2.0)),
    "celu": shifted(alpha=(0.5, 2.0)),
    "gelu": shifted(approximate=(True, False)),
    "hard_shrink": shifted(threshold=(0.25, 1.0)),
    "soft_shrink": shifted(threshold=(0.25, 1.0)),
    "squareplus": shifted(b=(1, 4.5), tolerance=4),
    "threshold": [
        Row(lambda d: given(d.array(d.shape(), -3, 3), d.pick(0.5, -1.0), d.pick(0.0, 7.0)), dtypes=KINDS, draws=6)
    ],
    "glu": [Row(lambda d: given(d.array((4, 2, 6)), **d.maybe(axis=d.pick(0, 1, -1, 2))), dtypes=KINDS)],
    "softmax": [Row(along_any, dtypes=KINDS, draws=6)],
    "log_softmax": [Row(along_any, dtypes=KINDS, draws=6)],
    "sparsemax": [Row(along_an_axis, dtypes=FLOATS, draws=6)],
}
