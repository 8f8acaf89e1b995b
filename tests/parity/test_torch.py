"""Operations beside PyTorch itself, without Keras between: where Keras is thin, wrong or silent, this is the judge.

A row is how to draw arguments, our call (or the operation's name) and PyTorch's, on tensors of each side.
"""

import zlib

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name

from eagerly import ops
from parity.comparing import differences
from parity.drawing import FLOATS, Draw, given
from parity.running import run_ours, run_torch

DRAWS = 8


def whole(low=-2.0, high=2.0):
    return lambda d: given(d.array(d.shape(1, 3, least=2), low, high))


def pair(low=-2.0, high=2.0):
    return lambda d: given(*(d.array((3, 4), low, high) for _ in range(2)))


def images(*kernels, space=2, least=5):
    """An image with four channels first, and kernels as Keras lays them out, of shapes from a Draw."""

    def draw(d):
        x = d.array((2, 4, *(d.size(least, 7) for _ in range(space))))
        return given(x, *(d.array(tuple(d.size(1, 3) for _ in range(space)) + kernel) for kernel in kernels))

    return draw


def laid_out(kernel):
    """PyTorch's layout of a kernel: channels first, those that come out before those that go in."""
    return kernel.permute(-1, -2, *range(kernel.ndim - 2))


FIRST = {"data_format": "channels_first"}


def definite(d):
    x = d.array((2, 3, 3), -1, 1)
    return given((x @ np.swapaxes(x, -1, -2) + np.diag([1.0, 2.0, 4.0])).astype(x.dtype))


def regular(d):
    return given((d.array((2, 3, 3)) + 4 * np.eye(3)).astype(d.own()))


def classes(d):
    return given(d.integers((5,), 0, 4), d.array((5, 4)))


def attended(d):
    return given(*(d.array((2, n, 3, 4)) for n in (4, 5, 5)))


def heads_first(function):
    return lambda *arrays, **options: function(*(x.transpose(1, 2) for x in arrays), **options).transpose(1, 2)


def scattered(d):
    return given(d.array((4, 3)), d.integers((5, 1), 0, 4), d.array((5, 3)))


def labelled(d):
    return given(d.array((2, 6, 4)), np.array([[1, 2, 1], [3, 3, 0]], np.int32))


def ctc(ops, x, y):
    return ops.ctc_loss(y, x, np.array([3, 2], np.int32), np.array([6, 5], np.int32))


def same_average(window, stride):
    """The mean over that part of each window that lies on the image, as TensorFlow defines "same"."""

    def pool(x):
        around = []
        for size, wide in zip(x.shape[:1:-1], window[::-1], strict=True):
            extra = max((-(-size // stride) - 1) * stride + wide - size, 0)
            around += [extra // 2, extra - extra // 2]
        total, share = (F.avg_pool2d(F.pad(y, around), window, stride) for y in (x, torch.ones_like(x)))
        return total / share

    return pool


def sparsemax(x):
    """Martins & Astudillo 2016, algorithm 1."""
    ordered = torch.sort(x, -1, descending=True)[0]
    sums, count = ordered.cumsum(-1), torch.arange(1, x.shape[-1] + 1)
    k = (1 + count * ordered > sums).sum(-1, keepdim=True)
    return torch.relu(x - (sums.gather(-1, k - 1) - 1) / k)


ROWS = {
    "conv1d": (images((4, 3), space=1), lambda x, k: ops.conv(x, k, **FIRST), lambda x, k: F.conv1d(x, laid_out(k))),
    "conv2d, strides, groups": (
        images((2, 6)),
        lambda x, k: ops.conv(x, k, (2, 1), **FIRST),
        lambda x, k: F.conv2d(x, laid_out(k), stride=(2, 1), groups=2),
    ),
    "conv2d, dilation": (
        images((4, 3)),
        lambda x, k: ops.conv(x, k, dilation_rate=2, **FIRST),
        lambda x, k: F.conv2d(x, laid_out(k), dilation=2),
    ),
    "conv3d": (images((4, 2), space=3), lambda x, k: ops.conv(x, k, **FIRST), lambda x, k: F.conv3d(x, laid_out(k))),
    "conv_transpose2d": (
        images((3, 4)),
        lambda x, k: ops.conv_transpose(x, k, **FIRST),
        lambda x, k: F.conv_transpose2d(x, laid_out(k)),
    ),
    "max_pool2d": (
        images(),
        lambda x: ops.max_pool(x, (2, 3), 2, **FIRST),
        lambda x: F.max_pool2d(x, (2, 3), 2),
    ),
    "avg_pool2d": (
        images(),
        lambda x: ops.average_pool(x, (2, 3), (1, 2), **FIRST),
        lambda x: F.avg_pool2d(x, (2, 3), (1, 2)),
    ),
    "avg_pool2d, same": (
        images(),
        lambda x: ops.average_pool(x, (2, 3), 2, "same", **FIRST),
        same_average((2, 3), 2),
    ),
    "adaptive_avg_pool2d": (
        images(),
        lambda x: ops.adaptive_average_pool(x, (2, 3), **FIRST),
        lambda x: F.adaptive_avg_pool2d(x, (2, 3)),
    ),
    "adaptive_max_pool2d": (
        images(),
        lambda x: ops.adaptive_max_pool(x, (2, 3), **FIRST),
        lambda x: F.adaptive_max_pool2d(x, (2, 3)),
    ),
    "unfold": (images(), lambda x: ops.unfold(x, 2, 1, 1, 2), lambda x: F.unfold(x, 2, 1, 1, 2)),
    "interpolate, bilinear": (
        images(),
        lambda x: ops.image.resize(x, (4, 9), **FIRST),
        lambda x: F.interpolate(x, (4, 9), mode="bilinear"),
    ),
    "interpolate, bicubic": (
        images(),
        lambda x: ops.image.resize(x, (9, 4), "bicubic", antialias=True, **FIRST),
        lambda x: F.interpolate(x, (9, 4), mode="bicubic", antialias=True),
    ),
    "pad, replicate": (
        images(),
        lambda x: ops.pad(x, ((0, 0), (0, 0), (2, 1), (3, 0)), "edge"),
        lambda x: F.pad(x, (3, 0, 2, 1), "replicate"),
    ),
    "pad, reflect": (
        images(),
        lambda x: ops.pad(x, ((0, 0), (0, 0), (2, 1), (3, 0)), "reflect"),
        lambda x: F.pad(x, (3, 0, 2, 1), "reflect"),
    ),
    "layer_norm": (
        lambda d: given(d.array((3, 4)), d.array((4,)), d.array((4,))),
        lambda x, g, b: ops.layer_normalization(x, g, b, epsilon=1e-3),
        lambda x, g, b: F.layer_norm(x, (4,), g, b, 1e-3),
    ),
    "rms_norm": (
        lambda d: given(d.array((3, 4)), d.array((4,))),
        lambda x, g: ops.rms_normalization(x, g, epsilon=1e-3),
        lambda x, g: F.rms_norm(x, (4,), g, 1e-3),
    ),
    "batch_norm": (
        lambda d: given(d.array((3, 4)), d.array((4,)), d.array((4,), 0.1, 2)),
        lambda x, m, v: ops.batch_normalization(x, m, v, -1),
        lambda x, m, v: (x - m) * torch.rsqrt(v + 1e-3),
    ),
    "normalize": (
        whole(),
        lambda x: ops.normalize(x, -1, 3),
        lambda x: F.normalize(x, p=3, dim=-1),
    ),
    "attention": (attended, "dot_product_attention", heads_first(F.scaled_dot_product_attention)),
    "attention, causal": (
        attended,
        lambda q, k, v: ops.dot_product_attention(q, k, v, scale=0.5, is_causal=True),
        lambda q, k, v: heads_first(F.scaled_dot_product_attention)(q, k, v, scale=0.5, is_causal=True),
    ),
    "cross_entropy": (
        classes,
        lambda y, x: ops.sparse_categorical_crossentropy(y, x, from_logits=True),
        lambda y, x: F.cross_entropy(x, y.long(), reduction="none"),
    ),
    "cross_entropy of distributions": (
        pair(0.1, 1),
        lambda y, x: ops.categorical_crossentropy(y, x, from_logits=True),
        lambda y, x: F.cross_entropy(x, y, reduction="none"),
    ),
    "binary_cross_entropy": (
        pair(0.05, 0.95),
        "binary_crossentropy",
        lambda y, x: F.binary_cross_entropy(x, y, reduction="none"),
    ),
    "ctc_loss": (
        labelled,
        lambda x, y: ctc(ops, x, y),
        lambda x, y: F.ctc_loss(
            F.log_softmax(x, -1).transpose(0, 1), y, torch.tensor([6, 5]), torch.tensor([3, 2]), reduction="none"
        ),
    ),
    "gelu": (whole(-3, 3), lambda x: ops.gelu(x, False), F.gelu),
    "gelu, tanh": (whole(-3, 3), "gelu", lambda x: F.gelu(x, approximate="tanh")),
    "mish": (whole(-3, 3), "mish", F.mish),
    "softplus": (whole(-3, 3), "softplus", F.softplus),
    "logsigmoid": (whole(-9, 9), "log_sigmoid", F.logsigmoid),
    "log_softmax": (whole(-3, 3), "log_softmax", lambda x: F.log_softmax(x, -1)),
    "sparsemax": (whole(), "sparsemax", sparsemax),
    "glu": (lambda d: given(d.array((3, 6))), "glu", F.glu),
    "erf": (whole(), "erf", torch.special.erf),
    "erfc": (whole(-3, 5), "erfc", torch.special.erfc),
    "erfinv": (whole(-0.99, 0.99), "erfinv", torch.special.erfinv),
    "i0": (whole(-9, 9), "i0", torch.special.i0),
    "sinc": (whole(), "sinc", torch.special.sinc),
    "expm1": (whole(-1e-3, 1e-3), "expm1", torch.expm1),
    "log1p": (whole(-1e-3, 1e-3), "log1p", torch.log1p),
    "hypot": (pair(), "hypot", torch.hypot),
    "logaddexp": (pair(-50, 50), "logaddexp", torch.logaddexp),
    "logsumexp": (whole(-50, 50), lambda x: ops.logsumexp(x, -1), lambda x: torch.logsumexp(x, -1)),
    "cumprod": (whole(), lambda x: ops.cumprod(x, 0), lambda x: torch.cumprod(x, 0)),
    "cumsum": (whole(), lambda x: ops.cumsum(x, -1), lambda x: torch.cumsum(x, -1)),
    "std": (
        lambda d: given(d.array((3, 4))),
        lambda x: ops.std(x, 0),
        lambda x: torch.std(x, 0, correction=0),
    ),
    "quantile": (whole(), lambda x: ops.quantile(x, 0.3, -1), lambda x: torch.quantile(x, 0.3, -1)),
    "gather": (
        lambda d: given(d.array((4, 3)), d.integers((5, 3), 0, 4)),
        lambda x, i: ops.take_along_axis(x, i, 0),
        lambda x, i: torch.gather(x, 0, i.long()),
    ),
    "index_add": (
        scattered,
        lambda x, i, u: ops.scatter_update(x, i, u, "add"),
        lambda x, i, u: torch.index_add(x, 0, i[:, 0].long(), u),
    ),
    "topk": (lambda d: given(d.distinct((3, 5))), lambda x: ops.top_k(x, 3)[0], lambda x: torch.topk(x, 3)[0]),
    "einsum": (
        lambda d: given(d.array((2, 3, 4)), d.array((2, 4, 5))),
        lambda x, y: ops.einsum("bij,bjk->bki", x, y),
        lambda x, y: torch.einsum("bij,bjk->bki", x, y),
    ),
    "det": (regular, "det", torch.linalg.det),
    "inv": (regular, "inv", torch.linalg.inv),
    "solve": (
        lambda d: given(*regular(d).args, d.array((2, 3, 2))),
        "solve",
        torch.linalg.solve,
    ),
    "cholesky": (
        definite,
        lambda x: ops.cholesky((x + ops.swapaxes(x, -1, -2)) * 0.5),
        lambda x: torch.linalg.cholesky((x + x.mT) * 0.5),
    ),
    "eigvalsh": (
        definite,
        lambda x: ops.eigh((x + ops.swapaxes(x, -1, -2)) * 0.5)[0],
        lambda x: torch.linalg.eigvalsh((x + x.mT) * 0.5),
    ),
    "svdvals": (regular, lambda x: ops.svd(x, compute_uv=False), torch.linalg.svdvals),
    "pinv": (lambda d: given(d.array((4, 3))), "pinv", torch.linalg.pinv),
    "matrix_norm": (regular, lambda x: ops.norm(x, "nuc", (-2, -1)), lambda x: torch.linalg.matrix_norm(x, "nuc")),
    "rfft": (
        lambda d: given(d.array((2, 7))),
        "rfft",
        lambda x: (torch.fft.rfft(x).real, torch.fft.rfft(x).imag),
    ),
}


@pytest.mark.parametrize("name", sorted(ROWS))
def test_it_does_what_pytorch_does(name):
    draw, ours, theirs = ROWS[name]
    ours = getattr(ops, ours) if isinstance(ours, str) else ours
    new = []
    for dtype in FLOATS:
        for k in range(DRAWS):
            call = draw(Draw(zlib.crc32(f"torch.{name}/{dtype}/{k}".encode()), dtype))
            outcomes = run_ours(ours, call), run_torch(theirs, call)
            new += [f"{name}{call}\n    {text}" for text in differences(*outcomes, call, tolerance=10)]
    assert not new, f"{len(new)} differences\n" + "\n".join(new[:8])
