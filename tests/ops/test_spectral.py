"""Fourier transforms: round trips, gradients, dtypes, edges, messages."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eagerly import ops
from eagerly.dimensions import unknown
from eagerly.ops import parts, spectral
from eagerly.tape import GradientTape
from eagerly.tensor import AbstractTensor, Tensor
from eagerly.variable import Variable
from gradients import check_gradients


def drawn(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape)


PAIR = [drawn(2, 3, 4), drawn(2, 3, 4, seed=1)]


@pytest.mark.parametrize(
    ("function", "arrays"),
    [
        (lambda a, b: ops.fft((a, b)), PAIR),
        (lambda a, b: ops.fft2((a, b)), PAIR),
        (lambda a, b: ops.ifft2((a, b)), PAIR),
        *((lambda x, n=n: ops.rfft(x, fft_length=n), [drawn(2, 5)]) for n in (None, 1, 3, 4, 8)),
        *((lambda a, b, n=n: ops.irfft((a, b), fft_length=n), PAIR) for n in (None, 1, 3, 4, 6, 7, 9)),
        *((lambda x, o=o: ops.extract_sequences(x, *o), [drawn(2, 9)]) for o in ((3, 2), (2, 3), (4, 1), (9, 5))),
        *(
            (lambda x, o=o: ops.stft(x, *o), [drawn(2, 12)])
            for o in ((4, 2, 4), (3, 2, 6, "hamming"), (4, 3, 5, None, False), (5, 1, 5, drawn(5), True))
        ),
        *(
            (lambda a, b, o=o: ops.istft((a, b), *o), [drawn(3, 3), drawn(3, 3, seed=1)])
            for o in ((4, 2, 4), (4, 2, 4, 9), (3, 2, 5), (4, 3, 4, None, "hamming", False), (4, 4, 4, 5, None))
        ),
        (lambda x, w: ops.stft(x, 3, 2, 4, window=w), [drawn(9), drawn(3) + 2]),
        (
            lambda a, b, w: ops.istft((a, b), 4, 2, 4, window=w),
            [*[drawn(3, 3, seed=s) for s in (0, 1)], drawn(4) ** 2 + 1],
        ),
        (
            lambda a, b, w: ops.istft((a, b), 4, 2, 5, window=w),
            [*[drawn(3, 3, seed=s) for s in (0, 1)], drawn(4) ** 2 + 1],
        ),
    ],
)
def test_gradients(function, arrays):
    check_gradients(function, arrays)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    length=st.integers(2, 9),
    overlap=st.integers(2, 4),
    samples=st.integers(9, 30),
    window=st.sampled_from(["hann", "hamming", "array"]),
    batch=st.sampled_from([(), (2,), (2, 1)]),
)
def test_short_time_transforms_there_and_back(length, overlap, samples, window, batch):
    stride = -(-length // overlap)
    if window == "hann" and stride > length // 2:
        return  # its squares do not add up to one value
    factors = np.linspace(0.5, 1.5, length) if window == "array" else window
    x = drawn(*batch, samples).astype(np.float32)
    spectrum = ops.stft(x, length, stride, length, window=factors)
    back = ops.istft(spectrum, length, stride, length, window=factors)
    assert spectrum[0].shape == (*batch, 1 + (samples - length % 2) // stride, length // 2 + 1)
    covered = back.shape[-1]
    assert samples - stride <= covered <= samples
    np.testing.assert_allclose(back.numpy(), x[..., :covered], atol=2e-5)
    whole = ops.istft(spectrum, length, stride, length, length=samples, window=factors).numpy()
    np.testing.assert_allclose(whole[..., :covered], x[..., :covered], atol=2e-5)
    assert whole.shape == x.shape


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(1, 12), st.integers(1, 12), st.booleans())
def test_transforms_there_and_back(rows, columns, double):
    dtype = np.float64 if double else np.float32
    a, b = (drawn(rows, columns, seed=s).astype(dtype) for s in (0, 1))
    tolerance = 1e-12 if double else 1e-5
    for x, y in zip((a, b), ops.ifft2(ops.fft2((a, b))), strict=True):
        assert y.dtype == dtype
        np.testing.assert_allclose(y.numpy(), x, atol=tolerance)
    np.testing.assert_allclose(ops.irfft(ops.rfft(a), columns).numpy(), a, atol=tolerance)
    real, imag = ops.fft((a, b))
    energy = float(ops.sum(real * real + imag * imag)) / columns
    np.testing.assert_allclose(energy, np.sum(a * a + b * b), rtol=1e-4)  # Parseval


def test_pairs_of_any_kind():
    a, b = [1.0, 2.0, 0.0], [0.0, 1.0, 0.0]
    expected = np.fft.fft(np.array(a) + 1j * np.array(b))
    for pair in ((a, b), [a, b], (Tensor(a), Variable(b)), np.float32([a, b]), [np.float32(a), Tensor(b)]):
        real, imag = ops.fft(pair)
        assert real.dtype == "float32"
        np.testing.assert_allclose(real.numpy() + 1j * imag.numpy(), expected, atol=1e-6)
    assert ops.fft((Tensor(a, "float64"), b))[0].dtype == "float64"
    assert ops.fft(([1, 2], [0, 1]))[1].tolist() == [1.0, -1.0]
    assert ops.rfft([1, 2])[0].tolist() == [3.0, -1.0]
    assert ops.rfft(Tensor([1, 2], "int32"))[0].dtype == ops.rfft(AbstractTensor((4,), "bool"))[1].dtype == "float32"
    assert ops.stft(np.ones(9, "int32"), 4, 2, 4)[0].dtype == "float32"
    assert ops.extract_sequences(Tensor([True, False, True]), 2, 1).tolist() == [[True, False], [False, True]]
    assert ops.extract_sequences(Tensor([1, 2, 3], "bfloat16"), 2, 1).dtype == "bfloat16"
    assert [x.shape for x in ops.fft((np.zeros((0, 4)), np.zeros((0, 4))))] == [(0, 4)] * 2
    assert ops.stft(np.zeros((0, 9)), 4, 2, 4)[0].shape == (0, 5, 3)


def test_windows_of_one_element_and_of_what_they_reach():
    x = np.float32([1, 2, 3])
    for window in ("hann", "hamming", None, [1.0]):
        real, imag = ops.stft(x, 1, 1, 1, window=window)
        assert real.tolist() == [[1.0], [2.0], [3.0]] and imag.tolist() == [[0.0]] * 3
        assert ops.istft((real, imag), 1, 1, 1, window=window).tolist() == [1.0, 2.0, 3.0]
    # With gaps between pieces, nothing is there.
    y = ops.istft(
        ops.stft(np.ones(8, "float32"), 2, 4, 2, window=None, center=False), 2, 4, 2, window=None, center=False
    )
    assert y.tolist() == [1.0, 1.0, 0.0, 0.0, 1.0, 1.0]
    longer = ops.istft(ops.stft(x, 2, 1, 2), 2, 1, 2, length=6)  # what was mirrored comes back, then zeros
    np.testing.assert_allclose(longer.numpy(), [1, 2, 3, 2, 0, 0], atol=1e-6)


def test_a_window_and_a_signal_have_gradients():
    x, window = Variable(drawn(12).astype("float32")), Variable([0.5, 1.0, 0.5, 0.25])
    with GradientTape() as tape:
        real, imag = ops.stft(x, 4, 2, 4, window=window)
        loss = ops.sum(ops.square(real) + ops.square(imag))
    of_signal, of_window = tape.gradient(loss, [x, window])
    assert of_signal.dtype == of_window.dtype == "float32"
    assert of_signal.shape == (12,) and of_window.shape == (4,) and of_window.numpy().all()


def test_unknown_sizes():
    n = unknown("n")
    x = AbstractTensor((n, n))
    assert [y.shape for y in ops.fft((x, x))] == [(None, None)] * 2
    assert ops.rfft(x, fft_length=8)[0].shape == (None, 5)
    assert ops.irfft((x, x), fft_length=8).shape == (None, 8)
    assert ops.stft(x, 4, 2, 4)[0].shape == (None, None, 3)
    spectrum = AbstractTensor((n, n, 3))
    assert ops.istft((spectrum, spectrum), 4, 2, 4, length=7).shape == (None, 7)
    with GradientTape() as tape:
        tape.watch(x)
        y = parts.view_as_real(spectral.dft(spectral.rdft(x), axes=(-1,)))
    assert tape.gradient(y, x).dims == (n, n)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: ops.fft((x,)), r"fft: expected a pair \(real, imag\), got \[float32\[3, 8\]\]"),
        (lambda x: ops.fft(Tensor(x)), r"fft: expected a pair \(real, imag\), got float32\[3, 8\]"),
        (
            lambda x: ops.fft((x, x[0])),
            r"fft: expected real and imag of one shape, got float32\[3, 8\] and float32\[8\]",
        ),
        (lambda x: ops.ifft2((x, x[:2])), r"ifft2: expected real and imag of one shape"),
        (lambda x: ops.fft2((x[0], x[0])), r"fft2: expected 2 axes or more, got float32\[8\]"),
        (lambda x: ops.fft((1.0, 1.0)), r"fft: expected float32 or float64 numbers along an axis, got float32\[\]"),
        (lambda x: ops.fft((x.astype("float16"), x)), r"fft: expected float32 or float64 .* got float16\[3, 8\]"),
        (lambda x: ops.rfft(Tensor(x, "bfloat16")), r"rfft: expected float32 or float64 .* got bfloat16\[3, 8\]"),
        (lambda x: ops.rfft([1j]), r"rfft: expected float32 or float64 .* got complex64\[1\]"),
        (lambda x: ops.rfft(x, fft_length=0), "rfft: expected an integer > 0 as fft_length, got 0"),
        (lambda x: ops.rfft(x[:, :0]), "rdft: expected one point or more"),
        (lambda x: ops.fft((x[:, :0], x[:, :0])), "dft: expected one point or more"),
        (lambda x: ops.irfft((x, x), fft_length=2.5), "irfft: expected an integer > 0 as fft_length, got 2.5"),
        (lambda x: ops.irfft((x[:, :1], x[:, :1])), "irfft: expected fft_length for a spectrum of one element"),
        (
            lambda x: ops.extract_sequences(x, 9, 1),
            r"extract_sequences: expected 9 elements or more .* float32\[3, 8\]",
        ),
        (lambda x: ops.extract_sequences(1.0, 1, 1), "extract_sequences: expected 1 elements or more"),
        (lambda x: ops.extract_sequences(x, 0, 1), "extract_sequences: expected an integer > 0 as sequence_length"),
        (lambda x: ops.extract_sequences(x, 2, True), "extract_sequences: expected an integer > 0 as sequence_stride"),
        (lambda x: ops.stft(x, 4, 0, 4), "stft: expected an integer > 0 as sequence_stride, got 0"),
        (lambda x: ops.stft(x, 4, 1, 3), "stft: expected fft_length >= sequence_length, got 3 and 4"),
        (lambda x: ops.stft(x, 4, 1, 4, window="blackman"), "stft: expected 'hann', 'hamming', .* got 'blackman'"),
        (
            lambda x: ops.stft(x, 4, 1, 4, window=np.ones(3)),
            r"stft: expected a window of .*=4 elements, got float64\[3\]",
        ),
        (lambda x: ops.stft(x, 4, 1, 4, window=np.ones((1, 4))), "stft: expected a window of sequence_length=4"),
        (lambda x: ops.stft(x, 4, 1, 16), r"stft: expected more than 8 elements to mirror .* got float32\[3, 8\]"),
        (lambda x: ops.stft(x, 9, 1, 9, center=False), r"stft: expected 9 elements or more .* got float32\[3, 8\]"),
        (lambda x: ops.stft(Tensor(x, "float16"), 4, 1, 4), "stft: expected float32 or float64 numbers"),
        (lambda x: ops.istft((x, x), 14, 2.5, 14), "istft: expected an integer > 0 as sequence_stride, got 2.5"),
        (lambda x: ops.istft((x, x), 14, 2, 14, length=0), "istft: expected an integer > 0 as length, got 0"),
        (lambda x: ops.istft((x[0], x[0]), 14, 2, 14), r"istft: expected 2 axes or more, got float32\[8\]"),
        (lambda x: ops.istft((x[:0], x[:0]), 14, 2, 14), "istft: expected one piece or more"),
        (lambda x: ops.istft((x, x), 14, 14, 14), "istft: expected windows whose squares reach every element"),
        (lambda x: ops.istft((x, x), 14, 14, 14, center=False), "istft: expected windows whose squares reach"),
    ],
)
def test_bad_arguments_are_refused(call, text):
    with pytest.raises(ValueError, match=f"^{text}"):
        call(drawn(3, 8).astype("float32"))
