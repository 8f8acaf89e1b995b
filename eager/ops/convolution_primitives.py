"""A convolution and its two gradients: three bilinear maps of which each one's gradients are the other two.

Layout is channels last: images [batch, *space, channels], a kernel [*window, channels / groups, filters]. Padding is
what stands before and after along each axis of space; less than 0 after it leaves pixels out. float32 over one or two
axes has kernels; the rest is made of windows and matrix products.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dimensions, dtypes, kernels
from ..dimensions import Shape, Size
from ..primitive import primitive
from ..tensor import AbstractTensor, TensorLike, dims
from . import arrays, windows
from .linear import promote_product
from .parts import conj

_Array = np.ndarray[Any, Any]
Pads = Sequence[tuple[Any, Any]]
_FLOAT32 = np.dtype(np.float32)
_WORTHWHILE = (
    1 << 14
)  # multiplications from which a kernel is; on fewer it is too, but a process's first one takes its time


def _counts(space: Shape, window: Shape, strides: Sequence[int], pads: Pads, dilation: Sequence[int]) -> Shape:
    return tuple(
        windows.window_count(size + before + after, width, stride, gap)
        for size, width, stride, (before, after), gap in zip(space, window, strides, pads, dilation, strict=True)
    )


def _fitting(space: Any, window: Any, counts: Any, strides: Any, pads: Pads, dilation: Any) -> Pads:
    """The padding with which so many windows end where the padded image ends."""
    return tuple(
        (before, (count - 1) * stride + (width - 1) * gap + 1 - size - before)
        for size, width, count, stride, (before, _), gap in zip(
            space, window, counts, strides, pads, dilation, strict=True
        )
    )


def _convolved(x: Any, kernel: Any, strides: Any, pads: Pads, dilation: Any, groups: Size) -> AbstractTensor:
    batch, *space, channels = x.dims
    *window, depth, filters = kernel.dims
    if len(window) != len(space) or dimensions.same(channels, depth * groups) is False:
        raise ValueError(f"expected images with {len(window)} axes of space and {depth} · {groups} channels")
    return AbstractTensor((batch, *_counts(tuple(space), tuple(window), strides, pads, dilation), filters), x.dtype)


def _spread_back(g: Any, kernel: Any, space: Any, strides: Any, pads: Pads, dilation: Any, groups: Size) -> Any:
    if len(kernel.dims) != len(g.dims) or dimensions.same(kernel.dims[-1], g.dims[-1]) is False:
        raise ValueError("expected a gradient with an axis for each of the kernel's, and as many filters")
    return AbstractTensor((g.dims[0], *space, kernel.dims[-2] * groups), g.dtype)


def _correlated(g: Any, x: Any, window: Any, strides: Any, pads: Pads, dilation: Any, groups: Size) -> AbstractTensor:
    return AbstractTensor((*window, x.dims[-1] // groups, g.dims[-1]), g.dtype)


def launch(
    kind: str,
    images: Shape,
    kernel: Shape,
    counts: Any,
    strides: Any,
    pads: Pads,
    dilation: Any,
    groups: Any,
    bias: bool = False,
    relu: bool = False,
) -> Any:
    """The kernel for "forward", "gradient" (of the images) or "kernel" (its gradient); None if there is none."""
    *window, _, filters = kernel
    if len(window) > 2:
        return None
    fitting = _fitting(images[1:-1], window, counts, strides, pads, dilation)
    if len(window) == 1:  # an image one pixel high
        images, kernel = (images[0], 1, *images[1:]), (1, *kernel)
        strides, dilation, fitting = (1, *strides), (1, *dilation), ((0, 0), *fitting)
    key = images, kernel, tuple(strides), fitting, tuple(dilation)
    if images[-1] == filters == groups > 1:
        return None if bias or relu else kernels.launch("depthwise", kind, *key)
    if kind == "kernel":
        return kernels.launch("kernel_gradient", *key, groups)
    return kernels.launch("convolution", kind, *key, groups, bias, relu)


def _launch_on(
    kind: str, x: Any, images: Shape, kernel: Shape, counts: Any, strides: Any, pads: Pads, dilation: Any, groups: Any
) -> Any:
    """The same where an operand is of float32 and the work is worth it."""
    if x.dtype is not _FLOAT32 or images[0] * dimensions.product((*counts, *kernel)) < _WORTHWHILE:
        return None
    return launch(kind, images, kernel, counts, strides, pads, dilation, groups)


@primitive(shape=_convolved, promote=promote_product)
def convolution(
    x: TensorLike,
    kernel: TensorLike,
    strides: Sequence[int],
    pads: Pads,
    dilation: Sequence[int],
    groups: Size,
) -> Any:
    """The sums over windows of pixels times weights."""
    x, kernel = np.asarray(x), np.asarray(kernel)
    *window, depth, filters = kernel.shape
    batch, *space, channels = x.shape
    if channels != depth * groups:
        raise ValueError("the groups do not fit the channels")
    counts = _counts(tuple(space), tuple(window), strides, pads, dilation)
    native = _launch_on("forward", x, x.shape, kernel.shape, counts, strides, pads, dilation, groups)
    if native is not None:
        y = np.empty((batch, *counts, filters), np.float32)
        native(y, np.ascontiguousarray(x), np.ascontiguousarray(kernel))
        return y
    x, kernel, dtype = _wide(x, kernel)
    patches = _patches(x, window, counts, strides, pads, dilation)
    rank = len(window)
    shape = (batch, *counts, filters)
    if depth == 1 and groups > 1:
        products = patches[..., None] * kernel.reshape(*window, channels, filters // channels)
        return products.sum(axis=tuple(range(1 + rank, 1 + 2 * rank))).reshape(shape).astype(dtype, copy=False)
    y = np.matmul(_rows(patches, rank, groups), _columns(kernel, groups))
    return np.moveaxis(y, 0, 1).reshape(shape).astype(dtype, copy=False)


@primitive(shape=_spread_back, promote=promote_product)
def convolution_input_gradient(
    g: TensorLike,
    kernel: TensorLike,
    space: Sequence[Any],
    strides: Sequence[int],
    pads: Pads,
    dilation: Sequence[int],
    groups: Size,
) -> Any:
    """The gradient of `convolution` by images of an extent, given its output's: each pixel adds the kernel."""
    g, kernel = np.asarray(g), np.asarray(kernel)
    *window, depth, filters = kernel.shape
    batch, *counts, _ = g.shape
    shape = (batch, *space, depth * groups)
    native = _launch_on("gradient", g, shape, kernel.shape, counts, strides, pads, dilation, groups)
    if native is not None:
        y = np.empty(shape, np.float32)
        native(y, np.ascontiguousarray(g), np.ascontiguousarray(kernel))
        return y
    g, kernel, dtype = _wide(g, kernel)
    rank = len(window)
    if depth == 1 and groups > 1:
        each = filters // groups
        spread = g.reshape(batch, *counts, *(1,) * rank, groups, each) * kernel.reshape(*window, groups, each)
        patches = spread.sum(axis=-1)
    else:
        rows = np.moveaxis(g.reshape(batch * dimensions.product(counts), groups, filters // groups), 1, 0)
        patches = np.matmul(rows, np.swapaxes(_columns(kernel, groups), 1, 2))
        patches = np.moveaxis(patches.reshape(groups, batch, *counts, *window, depth), 0, -2)
    patches = patches.reshape(batch, *counts, *window, depth * groups)
    reach = [
        max(size + before, (count - 1) * stride + (width - 1) * gap + 1)
        for size, (before, _), count, stride, width, gap in zip(
            space, pads, counts, strides, window, dilation, strict=True
        )
    ]
    image = windows.fold.implementation(patches, space=reach, strides=strides, dilation=dilation)
    seen = (slice(before, before + size) for size, (before, _) in zip(space, pads, strict=True))
    return np.ascontiguousarray(image[(slice(None), *seen)]).astype(dtype, copy=False)


@primitive(shape=_correlated, promote=promote_product)
def convolution_kernel_gradient(
    g: TensorLike,
    x: TensorLike,
    window: Sequence[int],
    strides: Sequence[int],
    pads: Pads,
    dilation: Sequence[int],
    groups: Size,
) -> Any:
    """The gradient of `convolution` by a kernel with a window, given its output's: sums over pixels of the batch."""
    g, x = np.asarray(g), np.asarray(x)
    channels, filters, counts = x.shape[-1], g.shape[-1], g.shape[1:-1]
    shape = (*window, channels // groups, filters)
    native = _launch_on("kernel", g, x.shape, shape, counts, strides, pads, dilation, groups)
    if native is not None:
        y = np.empty(shape, np.float32)
        native(y, np.ascontiguousarray(g), np.ascontiguousarray(x))
        return y
    g, x, dtype = _wide(g, x)
    rank, depth = len(window), channels // groups
    patches = _patches(x, window, counts, strides, pads, dilation)
    if depth == 1 and groups > 1:
        products = patches[..., None] * g.reshape(*g.shape[:-1], *(1,) * rank, channels, filters // channels)
        return products.sum(axis=tuple(range(1 + rank))).reshape(shape).astype(dtype, copy=False)
    columns = np.moveaxis(g.reshape(dimensions.product(g.shape[:-1]), groups, filters // groups), 1, 0)
    y = np.matmul(np.swapaxes(_rows(patches, rank, groups), 1, 2), columns)
    y = np.moveaxis(y, 0, 1).reshape(shape)
    return np.ascontiguousarray(y).astype(dtype, copy=False)


def _wide(a: _Array, b: _Array) -> tuple[_Array, _Array, np.dtype[Any]]:
    """The operands in a dtype that NumPy sums them in, and the dtype of the result."""
    dtype = a.dtype
    if dtype.kind in "iub":
        return a, b, dtype
    within = dtypes.to_compute_in(dtype)
    return a.astype(within, copy=False), b.astype(within, copy=False), dtype


def _patches(x: _Array, window: Any, counts: Any, strides: Any, pads: Pads, dilation: Any) -> _Array:
    """[batch, *counts, *window, channels], a view of the padded image."""
    fitting = _fitting(x.shape[1:-1], window, counts, strides, pads, dilation)
    key = tuple(slice(0, max(size + min(after, 0), 0)) for size, (_, after) in zip(x.shape[1:-1], fitting, strict=True))
    x = x[(slice(None), *key)]
    if any(before > 0 or after > 0 for before, after in fitting):
        x = np.pad(x, ((0, 0), *((before, max(after, 0)) for before, after in fitting), (0, 0)))
    patches: _Array = windows.unfold.implementation(x, window=window, strides=strides, dilation=dilation)
    return patches


def _rows(patches: _Array, rank: int, groups: int) -> _Array:
    """[groups, windows, what a filter sees]."""
    reach = int(np.prod(patches.shape[1 + rank : -1]))
    rows = patches.reshape(int(np.prod(patches.shape[: 1 + rank])), reach, groups, patches.shape[-1] // groups)
    return np.moveaxis(rows, 2, 0).reshape(groups, rows.shape[0], reach * rows.shape[-1])


def _columns(kernel: _Array, groups: int) -> _Array:
    """[groups, what a filter sees, filters of a group]."""
    *window, depth, filters = kernel.shape
    reach = int(np.prod(window)) * depth
    return np.moveaxis(kernel.reshape(reach, groups, filters // groups), 1, 0)


def _forward_again(g: Any, x: Any, kernel: Any, given: Any, **params: Any) -> Any:
    """`convolution` of an image-like, for as many windows as `given` has: more may fit."""
    y = convolution(x, kernel, **params)
    counts = dims(given)[1:-1]
    if all(dimensions.same(a, b) is True for a, b in zip(dims(y)[1:-1], counts, strict=True)):
        return y
    return arrays.getitem(y, key=(slice(None), *(slice(0, count) for count in counts)))


def _by_images(g: Any, y: Any, x: Any, kernel: Any, **params: Any) -> Any:
    return convolution_input_gradient(g, conj(kernel), space=dims(x)[1:-1], **params)


def _by_kernel(g: Any, y: Any, x: Any, kernel: Any, **params: Any) -> Any:
    return convolution_kernel_gradient(g, conj(x), window=dims(kernel)[:-2], **params)


convolution.defvjp(_by_images, _by_kernel)
convolution_input_gradient.defvjp(
    lambda g, y, given, kernel, space, **params: _forward_again(g, g, conj(kernel), given, **params),
    lambda g, y, given, kernel, space, **params: convolution_kernel_gradient(
        conj(given), g, window=dims(kernel)[:-2], **params
    ),
)
convolution_kernel_gradient.defvjp(
    lambda g, y, given, x, window, **params: _forward_again(g, conj(x), g, given, **params),
    lambda g, y, given, x, window, **params: convolution_input_gradient(conj(given), g, space=dims(x)[1:-1], **params),
)


def _forward_kernel(
    x: Any, kernel: Any, strides: Any, pads: Pads, dilation: Any, groups: int, bias: bool = False, relu: bool = False
) -> Any:
    if x.dtype != _FLOAT32:
        return None
    counts = _counts(x.shape[1:-1], kernel.shape[:-2], strides, pads, dilation)
    return launch("forward", x.shape, kernel.shape, counts, strides, pads, dilation, groups, bias, relu)


def _images_kernel(g: Any, kernel: Any, space: Any, groups: int, **params: Any) -> Any:
    if g.dtype != _FLOAT32:
        return None
    shape = (g.shape[0], *space, kernel.shape[-2] * groups)
    return launch("gradient", shape, kernel.shape, g.shape[1:-1], groups=groups, **params)


def _kernels_kernel(g: Any, x: Any, window: Any, groups: int, **params: Any) -> Any:
    if g.dtype != _FLOAT32:
        return None
    shape = (*window, x.shape[-1] // groups, g.shape[-1])
    return launch("kernel", x.shape, shape, g.shape[1:-1], groups=groups, **params)


convolution.defkernel(_forward_kernel)
convolution_input_gradient.defkernel(_images_kernel)
convolution_kernel_gradient.defkernel(_kernels_kernel)
