"""Convolutions, pools and windows, in one to three dimensions of space."""

import numpy as np

from parity.drawing import FLOATS, Row, given

NO_GRADIENT = ("value", "dtype")
SHORT_TOO = (*FLOATS, "bfloat16")


def images(d, sizes, channels, last):
    """A batch, its channels where the layout has them."""
    batch = d.size(1, 2)
    return d.array((batch, *sizes, channels) if last else (batch, channels, *sizes))


def layout(d, last):
    """The option that names the layout."""
    return d.maybe(data_format="channels_last") if last else {"data_format": "channels_first"}


def per_axis(d, space, low, high):
    """One number for all axes of space, or one for each."""
    return d.size(low, high) if d.flip() else tuple(d.size(low, high) for _ in range(space))


def steps(d, space):
    """Strides or dilation, as both together are refused."""
    strides, dilation = d.pick((1, 1), (per_axis(d, space, 1, 3), 1), (1, per_axis(d, space, 1, 2)))
    return {"strides": strides, "dilation_rate": dilation}


def convolution(space):
    """An image, a kernel, and how one slides over the other; in groups now and then."""

    def draw(d):
        last, groups = d.flip(), d.pick(1, 1, 2, 3)
        inner, outer = d.size(1, 2), groups * d.size(1, 2)
        sizes = tuple(d.size(5, 7 if space < 3 else 6) for _ in range(space))
        kernel = d.array((*(d.size(1, 3) for _ in range(space)), inner, outer))
        padding = d.pick("valid", "same")
        return given(
            images(d, sizes, inner * groups, last), kernel, padding=padding, **steps(d, space), **layout(d, last)
        )

    return draw


def depthwise(space, separable):
    """An image and a kernel for each channel; then one for each pixel."""

    def draw(d):
        last, channels, multiplier = d.flip(), d.size(1, 3), d.size(1, 2)
        sizes = tuple(d.size(5, 7) for _ in range(space))
        kernels = [d.array((*(d.size(1, 3) for _ in range(space)), channels, multiplier))]
        if separable:
            kernels.append(d.array((*[1] * space, channels * multiplier, d.size(1, 3))))
        stride = d.size(1, 2)
        options = {"strides": stride, "padding": d.pick("valid", "same")}
        if not separable and stride == 1:
            options["dilation_rate"] = d.size(1, 2)
        return given(images(d, sizes, channels, last), *kernels, **options, **layout(d, last))

    return draw


def transposed(space):
    """An image, a kernel, and how they give a larger image."""

    def draw(d):
        last = d.flip()
        sizes = tuple(d.size(2, 4 if space < 3 else 3) for _ in range(space))
        inner, outer = d.size(1, 2), d.size(1, 2)
        strides, dilation = d.pick((d.size(1, 3), 1), (1, 2))
        kernel = d.array((*(d.size(1, 4) for _ in range(space)), outer, inner))
        options = {"strides": strides, "padding": d.pick("valid", "same"), "dilation_rate": dilation}
        if strides > 1 and d.flip():
            options["output_padding"] = d.size(0, strides - 1)
        return given(images(d, sizes, inner, last), kernel, **options, **layout(d, last))

    return draw


def pooled(space):
    """An image, a window, and how it moves."""

    def draw(d):
        last = d.flip()
        sizes = tuple(d.size(4, 7 if space < 3 else 5) for _ in range(space))
        shape = (d.size(1, 2), *sizes, 2) if last else (d.size(1, 2), 2, *sizes)
        options = {"padding": d.pick("valid", "same"), **d.maybe(strides=per_axis(d, space, 1, 3))}
        return given(d.distinct(shape), per_axis(d, space, 1, 3), **options, **layout(d, last))

    return draw


def adapted(space):
    """An image, and the size to pool it to."""

    def draw(d):
        last = d.flip()
        sizes = tuple(d.size(3, 6) for _ in range(space))
        shape = (2, *sizes, 2) if last else (2, 2, *sizes)
        return given(d.distinct(shape), per_axis(d, space, 1, 3), **layout(d, last))

    return draw


def unfolded(d):
    """An image, and the windows to cut it into."""
    options = {"dilation": d.size(1, 2), "padding": d.size(0, 1), "stride": d.pick(1, 2, (1, 2))}
    return given(d.array((2, 2, 5, 6)), d.pick(2, (2, 3), 1), **{k: v for k, v in options.items() if d.flip()})


def folded(d):
    """Windows, and the image to add them up to."""
    kernel, stride, padding, dilation = d.pick(2, 3), d.size(1, 2), d.size(0, 1), d.size(1, 2)
    sizes = (6, 7)
    counts = [(n + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1 for n in sizes]
    x = d.array((2, 2 * kernel**2, int(np.prod(counts))))
    return given(x, sizes, kernel, dilation=dilation, padding=padding, stride=stride)


ROWS = {
    "conv": [
        Row(convolution(1), draws=20),
        Row(convolution(2), draws=30),
        Row(convolution(3), draws=10),
        Row(convolution(2), dtypes=("bfloat16",), draws=4),
    ],
    "depthwise_conv": [Row(depthwise(1, False), draws=12), Row(depthwise(2, False), draws=20)],
    "separable_conv": [Row(depthwise(1, True), draws=12), Row(depthwise(2, True), draws=20)],
    "conv_transpose": [Row(transposed(1), draws=30), Row(transposed(2), draws=30), Row(transposed(3), draws=10)],
    "max_pool": [
        Row(
            lambda d: given(d.grid((1, 6, 6, 2), -1, 1), 3, d.size(1, 2), d.pick("valid", "same")), dtypes=("float64",)
        ),
        Row(pooled(1), draws=20),
        Row(pooled(2), dtypes=SHORT_TOO, draws=20),
        Row(pooled(3), draws=8),
    ],
    "average_pool": [Row(pooled(1), draws=20), Row(pooled(2), dtypes=SHORT_TOO, draws=20), Row(pooled(3), draws=8)],
    "adaptive_max_pool": [Row(adapted(space), draws=8) for space in (1, 2, 3)],
    "adaptive_average_pool": [Row(adapted(space), draws=8) for space in (1, 2, 3)],
    "unfold": [Row(unfolded, draws=12)],
    "fold": [Row(folded, draws=12)],
}
