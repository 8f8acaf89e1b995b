"""Complex numbers: what makes them, and what takes them apart.

Keras makes complex64 of float64 too, so the rows that go through complex numbers are of float32 alone.
"""

from parity.drawing import Row, given
from parity.forms import unary

NO_GRADIENT = ("value", "dtype")
SINGLE = ("float32",)


def pairs(d):
    """Real and imaginary parts along the last axis."""
    return given(d.array((*d.shape(), 2), away=0.1))


def radii(d):
    """Absolute values and angles."""
    return given(d.array((2, 3), 0.1, 2), d.array((2, 3)))


def of_complex(name):
    """Rows of a function of complex numbers that gives real ones."""
    return [Row(pairs, lambda ops, x: getattr(ops, name)(ops.view_as_complex(x)), dtypes=SINGLE, draws=8)]


def conjugated(name):
    """Rows of a function of complex numbers that gives such."""
    return [
        Row(pairs, lambda ops, x: ops.view_as_real(getattr(ops, name)(ops.view_as_complex(x))), dtypes=SINGLE, draws=8)
    ]


ROWS = {
    "view_as_complex": [Row(pairs, dtypes=SINGLE, draws=8, compare=NO_GRADIENT)],
    "view_as_real": [
        Row(pairs, lambda ops, x: ops.view_as_real(ops.view_as_complex(x)), dtypes=SINGLE, draws=8),
    ],
    "polar": [
        Row(radii, lambda ops, r, phi: [ops.real(ops.polar(r, phi)), ops.imag(ops.polar(r, phi))]),
        Row(radii, compare=NO_GRADIENT),
    ],
    "real": [*unary(), *of_complex("real")],
    "imag": of_complex("imag"),
    "conj": [*unary(), *conjugated("conj")],
    "conjugate": [*unary(), *conjugated("conjugate")],
    "angle": [*unary(away=0.1), *of_complex("angle")],
    "isreal": [*unary(), *of_complex("isreal")],
}
