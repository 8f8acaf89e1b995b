"""What linear algebra shares: checks of matrices, LAPACK's failures in words, diagonals.

A matrix is the last two axes; all axes before it are a batch. LAPACK has no 16-bit numbers, and nothing here computes
with them under another name: they are refused, as in Keras on PyTorch. Integers become float32.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import dimensions
from ..dimensions import Shape, Size
from ..errors import GradientError, describe
from ..primitive import no_complex_gradient, promote_to_float
from ..tensor import AbstractTensor, Operand, dims
from . import arrays, diagonals, elementwise, linear, parts, rules


def to_lapack(*operands: Any) -> np.dtype[Any] | None:
    """The dtype that matrices are computed in: as for division."""
    if len(operands) == 1 and operands[0].dtype.kind == "c":
        return None
    return promote_to_float(*operands)


def problem(x: Any, square: bool) -> str | None:
    """What is wrong with x as a matrix, None if nothing is."""
    shape = dims(x)
    if len(shape) < 2:
        return "expected matrices, which have two axes or more"
    if square and dimensions.same(shape[-1], shape[-2]) is False:
        return f"expected square matrices, but {shape[-2]} rows and {shape[-1]} columns differ"
    if (promote_to_float(x) or x.dtype).itemsize == 2:
        return "expected float32, float64 or complex numbers; cast 16-bit ones first"
    return None


def check(name: str, x: Any, square: bool = False) -> None:
    """Refuses what is no matrix, in the name of an operation that is made of others.

    Raises:
      ValueError: saying what was expected.
    """
    if wrong := problem(x, square):
        raise ValueError(f"{name}: {wrong}, got {describe(x)}.")


def split(x: Any, square: bool = False) -> tuple[Shape, Size, Size]:
    """For shape rules: batch, rows and columns of matrices.

    Raises:
      ValueError: if they are none.
    """
    if wrong := problem(x, square):
        raise ValueError(wrong)
    return x.dims[:-2], x.dims[-2], x.dims[-1]


def like_square(x: Any) -> AbstractTensor:
    """The shape rule of what maps square matrices to ones of their shape."""
    split(x, square=True)
    return rules.same_as_input(x)


def lapack(name: str, expected: str, function: Callable[..., Any], x: Any, *operands: Any, **options: Any) -> Any:
    """function(x, *operands) of NumPy, its failure said in words.

    Raises:
      numpy.linalg.LinAlgError: a ValueError, naming the operation and what it expected of x.
    """
    x = np.asarray(x)
    if x.dtype.itemsize == 2:
        raise ValueError("16 bits")  # the shape rule says it better
    try:
        return function(x, *operands, **options)
    except np.linalg.LinAlgError as error:
        raise np.linalg.LinAlgError(
            f"{name}: expected {expected}, but not all of {describe(x)} are: {error}."
        ) from None


@contextlib.contextmanager
def renamed(name: str) -> Iterator[None]:
    """Tells such a failure in the name of the operation that is made of others."""
    try:
        yield
    except np.linalg.LinAlgError as error:
        raise np.linalg.LinAlgError(f"{name}: {str(error).partition(': ')[2]}") from None


def refuse_tensor(name: str, option: str, value: Any) -> None:
    """Refuses a tensor where an option is a number."""
    if isinstance(value, Operand):
        raise ValueError(f"{name}: expected a number or None as {option}, got {describe(value)}; it has no gradient.")


@contextlib.contextmanager
def gradient_of(name: str, x: Any) -> Iterator[None]:
    """Refuses the gradient at complex matrices, and at those where it needs an inverse that is not there."""
    if x.dtype.kind == "c":
        raise no_complex_gradient(name)
    try:
        yield
    except np.linalg.LinAlgError:
        raise GradientError(
            f"{name}: its gradient needs an inverse, but there are singular matrices among {describe(x)}."
        ) from None


def identity_like(x: Any) -> Any:
    """Identity matrices of the shape and dtype of square ones."""
    return diagonal_matrix(arrays.broadcast_to(np.ones((), x.dtype), shape=dims(x)[:-1]))


def diagonal_matrix(x: Any) -> Any:
    """Matrices with the rows of x on their diagonal."""
    return diagonals.from_diagonal(x, axis1=-2, axis2=-1, shape=(*dims(x), dims(x)[-1]))


def adjoint(x: Any) -> Any:
    """The conjugate transpose."""
    return parts.conj(linear.swapped(x))


def symmetric(x: Any) -> Any:
    """(x + xᴴ) / 2."""
    return (x + adjoint(x)) * 0.5


def over_gaps(x: Any, gaps: Any) -> Any:
    """x / gaps off the diagonal, 0 on it; 0 / 0 is 0, so that what nobody asked for at equal values is no NaN."""
    x = x - diagonal_matrix(diagonals.diagonal(x, axis1=-2, axis2=-1))
    equal = elementwise.equal(gaps, 0)
    degenerate = elementwise.where(elementwise.equal(x, 0), 0, np.asarray(np.nan, x.dtype))
    return elementwise.where(equal, degenerate, x / elementwise.where(equal, 1, gaps))
