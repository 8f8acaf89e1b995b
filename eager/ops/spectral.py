"""Fourier transforms along the last axes, and the short-time transforms made of them.

The public ones take and give pairs (real, imag), as in Keras. `dft` is its own gradient. `rdft` and `irdft`, for real
numbers, are each other's, but for the elements that stand for two; composed of `dft`, `istft` takes seven times as
long. All divide by the number of points, in either direction: NumPy computes an undivided transform of float32 in
double precision, which takes eight times as long.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dimensions, dtypes
from ..dimensions import Size
from ..errors import describe
from ..primitive import primitive, promote_to_float
from ..tensor import AbstractTensor, Operand, TensorLike, dims
from . import arrays, elementwise, parts, reductions, rules, windows

LAST = (-1,)


def _points(x: Any, axes: Sequence[int]) -> None:
    if any(dimensions.same(x.dims[axis], 0) for axis in axes):
        raise ValueError("expected one point or more along the axes")


def _transformed(x: Any, axes: Sequence[int], inverse: bool = False) -> AbstractTensor:
    _points(x, axes)
    return rules.same_as_input(x)


@primitive(shape=_transformed)
def dft(x: TensorLike, axes: Sequence[int], inverse: bool = False) -> Any:
    """1/n Σⱼ exp(∓2πijk/n) xⱼ over the axes of a complex tensor."""
    x = np.asarray(x)
    return np.fft.ifftn(x, axes=axes) if inverse else np.fft.fftn(x, axes=axes, norm="forward")


dft.defvjp(lambda g, y, x, axes, inverse=False: dft(g, axes=axes, inverse=not inverse))
dft.complex_rules = True


def _half(x: Any) -> AbstractTensor:
    _points(x, LAST)
    return AbstractTensor((*x.dims[:-1], x.dims[-1] // 2 + 1), dtypes.with_imaginary_part(x.dtype))


@primitive(shape=_half)
def rdft(x: TensorLike) -> Any:
    """The first n // 2 + 1 elements of `dft` of real numbers, along the last axis; the others are their conjugates."""
    return np.fft.rfft(np.asarray(x), norm="forward")


def _whole(z: Any, size: Size) -> AbstractTensor:
    if dimensions.same(z.dims[-1], size // 2 + 1) is False:
        raise ValueError(f"expected {size // 2 + 1} elements along the last axis for {size} points")
    return AbstractTensor((*z.dims[:-1], size), dtypes.real_part(z.dtype))


@primitive(shape=_whole)
def irdft(z: TensorLike, size: Size) -> Any:
    """1/n Σₖ exp(2πijk/n) zₖ for n = size real numbers, of whose spectrum z is the first half."""
    return np.fft.irfft(np.asarray(z), operator.index(size))


rdft.defvjp(lambda g, y, x: irdft(_inner(g, dims(x)[-1], 0.5), size=dims(x)[-1]))
irdft.defvjp(lambda g, y, z, size: _inner(rdft(g), size, 2.0))
rdft.complex_rules = irdft.complex_rules = True


def _inner(z: Any, size: Size, factor: float) -> Any:
    """Half of a spectrum with a factor on the elements that stand for two, themselves and their conjugates."""
    end = (size + 1) // 2
    return arrays.concatenate(z[..., :1], elementwise.multiply(z[..., 1:end], factor), z[..., end:], axis=-1)


def _fitted(x: Any, size: Size) -> Any:
    """The last axis cut or filled with zeros to a size."""
    old = dims(x)[-1]
    if dimensions.same(old, size):
        return x
    cut = x if dimensions.same(dimensions.minimum(old, size), old) else x[..., :size]
    missing = size - dims(cut)[-1]
    return cut if dimensions.same(missing, 0) else arrays.pad(cut, widths=(*((0, 0),) * (x.ndim - 1), (0, missing)))


def _signal(name: str, x: Any) -> Any:
    """Real numbers in float32 or float64, with at least one axis."""
    target = x.dtype if x.dtype.kind == "c" else promote_to_float(x) or x.dtype
    if target.kind == "c" or target.itemsize == 2 or not dims(x):
        raise ValueError(f"{name}: expected float32 or float64 numbers along an axis, got {describe(x)}.")
    return elementwise.cast_like(x, target)


def _pair(name: str, x: Any, rank: int = 1) -> Any:
    """A complex tensor of (real, imag)."""
    if not isinstance(x, (tuple, list)) or len(x) != 2:
        raise ValueError(f"{name}: expected a pair (real, imag), got {describe(x)}.")
    real, imag = (_signal(name, part) for part in x)
    shape = dims(real)
    if len(shape) != len(dims(imag)) or any(
        dimensions.same(a, b) is False for a, b in zip(shape, dims(imag), strict=True)
    ):
        raise ValueError(f"{name}: expected real and imag of one shape, got {describe(real)} and {describe(imag)}.")
    if len(shape) < rank:
        raise ValueError(f"{name}: expected {rank} axes or more, got {describe(real)}.")
    target = dtypes.result_type(real, imag)
    return parts.from_parts(elementwise.cast_like(real, target), elementwise.cast_like(imag, target))


def _parted(z: Any) -> tuple[Any, Any]:
    return parts.real(z), parts.imag(z)


def _length(name: str, value: Any, option: str = "fft_length") -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name}: expected an integer > 0 as {option}, got {describe(value)}.")
    return int(value)


def fft(x: Sequence[TensorLike]) -> Any:
    """The discrete Fourier transform Σⱼ exp(-2πijk/n) xⱼ along the last axis, of a pair (real, imag).

    >>> eagerly.ops.fft(([1.0, 2.0], [0.0, 1.0]))
    (Tensor([ 3., -1.], shape=(2,), dtype=float32), Tensor([ 1., -1.], shape=(2,), dtype=float32))
    """
    z = _pair("fft", x)
    return _parted(dft(z, axes=LAST) * dims(z)[-1])


def fft2(x: Sequence[TensorLike]) -> Any:
    """The discrete Fourier transform along the last two axes, of a pair (real, imag).

    >>> eagerly.ops.fft2(([[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]]))[0]
    Tensor([[10., -2.],
            [-4.,  0.]], shape=(2, 2), dtype=float32)
    """
    z = _pair("fft2", x, 2)
    return _parted(dft(z, axes=(-2, -1)) * dimensions.product(dims(z)[-2:]))


def ifft2(x: Sequence[TensorLike]) -> Any:
    """The inverse of `fft2`, of a pair (real, imag).

    >>> eagerly.ops.ifft2(([[4.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]))[0]
    Tensor([[1., 1.],
            [1., 1.]], shape=(2, 2), dtype=float32)
    """
    return _parted(dft(_pair("ifft2", x, 2), axes=(-2, -1), inverse=True))


def rfft(x: TensorLike, fft_length: int | None = None) -> Any:
    """The first n // 2 + 1 elements of the Fourier transform of real numbers along the last axis, as (real, imag).

    Args:
      x: a signal along the last axis.
      fft_length: n; the signal is cut or filled with zeros to it. Its own length if None.

    >>> eagerly.ops.rfft([0.0, 1.0, 0.0, 0.0])[1]
    Tensor([ 0., -1.,  0.], shape=(3,), dtype=float32)
    """
    return _parted(_real_spectrum("rfft", x, fft_length))


def _real_spectrum(name: str, x: Any, fft_length: int | None) -> Any:
    x = _signal(name, x)
    if fft_length is not None:
        x = _fitted(x, _length(name, fft_length))
    return rdft(x) * dims(x)[-1]


def irfft(x: Sequence[TensorLike], fft_length: int | None = None) -> Any:
    """The n real numbers along the last axis whose Fourier transform begins with a pair (real, imag).

    The imaginary parts that such a transform cannot have, those of the first element and of element n / 2, are ignored.

    Args:
      x: the first n // 2 + 1 elements, or more or fewer, which are cut or filled with zeros.
      fft_length: n; an even one that fits the elements if None.

    >>> eagerly.ops.irfft(eagerly.ops.rfft([0.0, 1.0, 2.0, 3.0]))
    Tensor([0., 1., 2., 3.], shape=(4,), dtype=float32)
    """
    return _from_spectrum("irfft", _pair("irfft", x), fft_length)


def _from_spectrum(name: str, z: Any, fft_length: int | None) -> Any:
    size = 2 * (dims(z)[-1] - 1) if fft_length is None else _length(name, fft_length)
    if dimensions.same(size, 0):
        raise ValueError(f"{name}: expected fft_length for a spectrum of one element, got {describe(z)}.")
    return irdft(_fitted(z, size // 2 + 1), size=size)


def extract_sequences(x: TensorLike, sequence_length: int, sequence_stride: int) -> Any:
    """The sequences x[..., i · stride : i · stride + length] of the last axis: [..., count, length].

    Raises:
      ValueError: if there is not one sequence, or an option is not > 0.

    >>> eagerly.ops.extract_sequences([1, 2, 3, 4, 5, 6], 3, 2)
    Tensor([[1, 2, 3],
            [3, 4, 5]], shape=(2, 3), dtype=int32)
    """
    length = _length("extract_sequences", sequence_length, "sequence_length")
    stride = _length("extract_sequences", sequence_stride, "sequence_stride")
    return _frames("extract_sequences", x, length, stride)


def _frames(name: str, x: Any, length: int, stride: int) -> Any:
    """Sequences as windows over blocks of one stride, of which each covers a few."""
    if not dims(x) or (isinstance(dims(x)[-1], int) and dims(x)[-1] < length):
        raise ValueError(f"{name}: expected {length} elements or more along the last axis, got {describe(x)}.")
    batch, size = dims(x)[:-1], dims(x)[-1]
    count, covered = (size - length) // stride + 1, -(-length // stride)
    blocks = count + covered - 1
    spaced = arrays.reshape(_fitted(x, blocks * stride), newshape=(dimensions.product(batch), blocks, stride))
    framed = windows.unfold(spaced, window=(covered,), strides=(1,), dilation=(1,))
    return arrays.reshape(framed, newshape=(*batch, count, covered * stride))[..., :length]


def _overlapped(x: Any, stride: int) -> Any:
    """Sequences [..., count, length] added at their places: the dual of `_frames`."""
    *batch, count, length = dims(x)
    covered = -(-length // stride)
    blocks = count + covered - 1
    framed = arrays.reshape(_fitted(x, covered * stride), newshape=(dimensions.product(batch), count, covered, stride))
    spaced = windows.fold(framed, space=(blocks,), strides=(1,), dilation=(1,))
    return arrays.reshape(spaced, newshape=(*batch, blocks * stride))[..., : (count - 1) * stride + length]


def _window(name: str, window: Any, length: int, fft_length: int, dtype: np.dtype[Any]) -> Any:
    """The window's values, with zeros before and after to the length of the transform."""
    if window is None:
        values: Any = np.ones(length, dtype)
    elif isinstance(window, str):
        if window not in ("hann", "hamming"):
            raise ValueError(f"{name}: expected 'hann', 'hamming', an array or None as window, got {window!r}.")
        # Harris 1978, "On the use of windows for harmonic analysis with the discrete Fourier transform", eq. 27, 30.
        mean = 0.5 if window == "hann" else 0.54
        turns = np.arange(length) / length
        values = (mean - (1 - mean) * np.cos(2 * np.pi * turns) if length > 1 else np.ones(1)).astype(dtype)
    else:
        values = window if isinstance(window, Operand) else np.asarray(window)
        if dims(values) != (length,):
            raise ValueError(f"{name}: expected a window of sequence_length={length} elements, got {describe(values)}.")
        values = elementwise.cast_like(values, dtype)
    before = (fft_length - length) // 2
    return arrays.pad(values, widths=((before, fft_length - length - before),)) if fft_length > length else values


def _options(name: str, sequence_length: Any, sequence_stride: Any, fft_length: Any) -> tuple[int, int, int]:
    length = _length(name, sequence_length, "sequence_length")
    stride = _length(name, sequence_stride, "sequence_stride")
    size = _length(name, fft_length)
    if size < length:
        raise ValueError(f"{name}: expected fft_length >= sequence_length, got {size} and {length}.")
    return length, stride, size


def stft(
    x: TensorLike,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    window: Any = "hann",
    center: bool = True,
) -> Any:
    """The short-time Fourier transform: `rfft` of windowed pieces of the last axis, as (real, imag).

    Args:
      x: a signal along the last axis.
      sequence_length: elements of a piece.
      sequence_stride: from the start of one piece to that of the next.
      fft_length: points of each transform; pieces lie in their middle.
      window: "hann", "hamming", `sequence_length` factors, or None for ones.
      center: whether piece t has its middle at t · sequence_stride, the signal being mirrored at its ends.

    Returns:
      Two tensors [..., pieces, fft_length // 2 + 1].

    Raises:
      ValueError: if an option is no integer > 0, fft_length < sequence_length, or the signal is too short.

    >>> eagerly.ops.stft([0.0, 1.0, 2.0, 3.0, 4.0], 3, 2, 3)[0]
    Tensor([[ 0.75 , -0.375],
            [ 3.75 , -1.875],
            [ 5.25 , -2.625]], shape=(3, 2), dtype=float32)
    """
    length, stride, size = _options("stft", sequence_length, sequence_stride, fft_length)
    x = _signal("stft", x)
    factors = _window("stft", window, length, size, x.dtype)
    if center:
        x = _mirrored(x, size // 2)
    pieces = _frames("stft", x, size, stride)
    return _parted(_real_spectrum("stft", elementwise.multiply(pieces, factors), None))


def _mirrored(x: Any, width: int) -> Any:
    """The last axis continued by its mirror image on both sides."""
    size = dims(x)[-1]
    if isinstance(size, int) and size <= width:
        raise ValueError(f"stft: expected more than {width} elements to mirror for center=True, got {describe(x)}.")
    before, after = x[..., 1 : width + 1], x[..., size - 1 - width : size - 1]
    back = (..., slice(None, None, -1))
    return arrays.concatenate(before[back], x, after[back], axis=-1)


def istft(
    x: Sequence[TensorLike],
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    length: int | None = None,
    window: Any = "hann",
    center: bool = True,
) -> Any:
    """The signal whose `stft` with the same options is a pair (real, imag).

    Pieces are windowed again and added, and divided by the sum of the squared windows over each element: that of the
    pieces there are if center is true and fft_length is sequence_length, else that of endlessly many, so that the
    signal fades at its ends. With window=None nothing is divided, and pieces must not overlap.

    Args:
      x: two tensors [..., pieces, fft_length // 2 + 1].
      sequence_length: as for `stft`.
      sequence_stride: as for `stft`.
      fft_length: as for `stft`.
      length: the number of elements of the result, which is cut or filled with zeros; as many as there are if None.
      window: as for `stft`.
      center: as for `stft`.

    Raises:
      ValueError: if an option does not fit, or no window reaches some element.

    >>> eagerly.ops.istft(eagerly.ops.stft([0.0, 1.0, 2.0, 3.0, 4.0], 2, 1, 2), 2, 1, 2)
    Tensor([0., 1., 2., 3., 4.], shape=(5,), dtype=float32)
    """
    piece, stride, size = _options("istft", sequence_length, sequence_stride, fft_length)
    cut = None if length is None else _length("istft", length, "length")
    z = _pair("istft", x, 2)
    count = dims(z)[-2]
    if dimensions.same(count, 0):
        raise ValueError(f"istft: expected one piece or more, got {describe(z)}.")
    pieces = _from_spectrum("istft", z, size)
    start = size // 2 if center else 0
    stop = (count - 1) * stride + size - start if cut is None else start + cut

    def placed(sequences: Any) -> Any:
        return _overlapped(sequences, stride)[..., start:stop]

    if window is None:
        y = placed(pieces)
    else:
        factors = _window("istft", window, piece, size, pieces.dtype)
        squares = elementwise.multiply(factors, factors)
        if center and piece == size:
            weight = placed(arrays.broadcast_to(squares, shape=(count, size)))
            y = elementwise.divide(placed(elementwise.multiply(pieces, factors)), _reached(weight))
        else:
            weight = _reached(_repeated(squares, stride))
            y = placed(elementwise.multiply(pieces, elementwise.divide(factors, weight)))
    return y if cut is None else _fitted(y, cut)


def _repeated(squares: Any, stride: int) -> Any:
    """The sum of endlessly many copies of the squares, one stride apart, where one of them is."""
    size = dims(squares)[0]
    covered = -(-size // stride)
    blocks = arrays.reshape(_fitted(squares, covered * stride), newshape=(covered, stride))
    total = arrays.broadcast_to(reductions.sum(blocks, axis=0), shape=(covered, stride))
    return arrays.reshape(total, newshape=(covered * stride,))[:size]


def _reached(weight: Any) -> Any:
    """The weights, none of which is 0 as far as they are known."""
    if not isinstance(weight, AbstractTensor) and np.min(np.asarray(weight), initial=1) < 1e-11:
        raise ValueError(
            "istft: expected windows whose squares reach every element; some sum up to 0. Try a smaller stride."
        )
    return weight
