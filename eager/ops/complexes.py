"""Complex numbers in polar form, and the closed list of operations that pass their gradient.

Every other primitive refuses a complex operand whose gradient is asked for: its rules were made for real numbers, and
would be wrong without a word. A primitive gets onto the list when its rules have the conjugates they need (see `parts`)
and a row in `tests/ops/test_complexes.py`.
"""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..primitive import cast
from ..tensor import TensorLike
from . import arrays, diagonals, elementwise, linear, parts, pools, reductions, transcendental, windows
from .convolution_primitives import convolution, convolution_input_gradient, convolution_kernel_gradient


def angle(x: TensorLike) -> Any:
    """The angle of x in the complex plane, in [-π, π]: 0 or π for real numbers. Its gradient is 0 at 0.

    >>> eagerly.ops.angle([1j, -1.0, 2 + 2j])
    Tensor([1.5707964, 3.1415927, 0.7853981], shape=(3,), dtype=float32)
    """
    if x.dtype.kind == "c":
        return transcendental.arctan2(parts.imag(x), parts.real(x))
    return transcendental.arctan2(0, elementwise.add(x, 0))  # the sum makes 0 of -0


def isreal(x: TensorLike) -> Any:
    """Whether the imaginary part is 0.

    >>> eagerly.ops.isreal([1 + 1j, 2 + 0j])
    Tensor([False,  True], shape=(2,), dtype=bool)
    """
    return elementwise.equal(parts.imag(x), 0)


def polar(abs_: TensorLike, angle: TensorLike) -> Any:
    """abs_ · exp(i · angle): complex64, or complex128 where float64 is among them.

    >>> eagerly.ops.polar(2.0, 0.0)
    Tensor(2.+0.j, shape=(), dtype=complex64)
    """
    target = dtypes.real_part(dtypes.with_imaginary_part(dtypes.result_type(abs_, angle, float)))
    size, turn = elementwise.cast_like(abs_, target), elementwise.cast_like(angle, target)
    return parts.from_parts(size * elementwise.cos(turn), size * elementwise.sin(turn))


for _primitive in (
    *(parts.view_as_complex, parts.view_as_real, parts.conjugate, cast),
    *(elementwise.add, elementwise.subtract, elementwise.multiply, elementwise.divide, elementwise.negative),
    *(elementwise.absolute, elementwise.exp, elementwise.identity, elementwise.select),
    *(reductions.sum, linear.matmul),
    *(arrays.reshape, arrays.transpose, arrays.broadcast_to, arrays.concatenate, arrays.getitem, arrays.scatter),
    *(arrays.take_along_axis, arrays.add_along_axis, arrays.pad, windows.unfold, windows.fold),
    *(diagonals.diagonal, diagonals.from_diagonal),
    *(pools.average_pool_windows, pools.average_pool_gradient),
    *(convolution, convolution_input_gradient, convolution_kernel_gradient),
):
    _primitive.complex_rules = True
