"""Convolutions by kernels equal those in float64 within what float32 sums may lose, for any sizes and options."""

import numpy as np
import pytest

from eagerly.kernels import convolution, convolution_plan, depthwise, kernel_gradient

ONES, NONE = (1, 1), ((0, 0), (0, 0))
AROUND = ((1, 1), (1, 1))
UNEVEN = ((0, 3), (2, 1))
# Images, kernel, strides, pads, dilation, groups.
CASES = {
    "one pixel": ((1, 1, 1, 1), (1, 1, 1, 1), ONES, NONE, ONES, 1),
    "first layer": ((3, 12, 11, 1), (3, 3, 1, 20), ONES, NONE, ONES, 1),
    "colors": ((2, 9, 17, 3), (3, 3, 3, 33), ONES, AROUND, ONES, 1),
    "odd channels": ((2, 7, 16, 37), (3, 2, 37, 53), ONES, AROUND, ONES, 1),
    "small images": ((35, 4, 4, 17), (3, 3, 17, 40), ONES, AROUND, ONES, 1),
    "strides": ((2, 11, 14, 5), (3, 3, 5, 34), (2, 3), UNEVEN, ONES, 1),
    "strides over the window": ((2, 11, 14, 5), (1, 2, 5, 34), (2, 3), NONE, ONES, 1),
    "narrower than a stride": ((2, 7, 1, 17), (2, 2, 17, 4), (1, 3), ((2, 2), (0, 1)), ONES, 1),
    "dilation": ((2, 15, 30, 6), (3, 3, 6, 18), ONES, UNEVEN, (2, 3), 1),
    "dilation and strides": ((2, 20, 19, 6), (3, 3, 6, 18), (2, 3), AROUND, (4, 2), 1),
    "groups": ((2, 10, 11, 12), (3, 3, 4, 21), ONES, AROUND, ONES, 3),
    "wide groups": ((2, 10, 11, 8), (2, 3, 4, 70), (1, 2), UNEVEN, (2, 1), 2),
    "one row": ((4, 1, 50, 7), (1, 5, 7, 9), (1, 2), ((0, 0), (4, 0)), ONES, 1),
    "long window": ((2, 5, 40, 30), (1, 7, 30, 32), ONES, ((0, 0), (3, 3)), ONES, 1),
    "pixels left out": ((2, 8, 9, 4), (3, 3, 4, 16), ONES, ((1, -2), (0, -3)), ONES, 1),
    "some bands": ((2, 40, 40, 32), (3, 3, 32, 32), ONES, AROUND, ONES, 1),
    "matrix product": ((2, 6, 43, 40), (1, 1, 40, 100), ONES, NONE, ONES, 1),
}
WIDTHS = [(width, filters) for width in (*range(1, 18), 27, 28, 29, 43) for filters in (1, 15, 16, 17, 31, 32, 33, 65)]


def counts(images, kernel, strides, pads, dilation):
    sizes = zip(images[1:3], kernel[:2], strides, pads, dilation, strict=True)
    return [(size + sum(pad) - (window - 1) * gap - 1) // stride + 1 for size, window, stride, pad, gap in sizes]


def taps(images, kernel, strides, pads, dilation, groups):
    """For each tap and group: its place in the kernel, the pixels of a padded image that it sees."""
    high, wide = counts(images, kernel, strides, pads, dilation)
    depth, filters = kernel[2], kernel[3] // groups
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            rows = slice(i * dilation[0], i * dilation[0] + (high - 1) * strides[0] + 1, strides[0])
            columns = slice(j * dilation[1], j * dilation[1] + (wide - 1) * strides[1] + 1, strides[1])
            for g in range(groups):
                channels, outputs = slice(g * depth, (g + 1) * depth), slice(g * filters, (g + 1) * filters)
                yield (i, j, slice(None), outputs), (slice(None), rows, columns, channels), (..., outputs)


def padded(x, pads):
    kept = tuple(slice(0, size + min(after, 0)) for size, (_, after) in zip(x.shape[1:3], pads, strict=True))
    widths = ((0, 0), *((before, max(after, 0)) for before, after in pads), (0, 0))
    return np.pad(x[(slice(None), *kept)].astype(np.float64), widths)


def expected(x, w, g, *options):
    """The output, and the gradients by images and kernel, in float64."""
    key = x.shape, w.shape, *options
    image, weights, gradient = padded(x, options[1]), w.astype(np.float64), g.astype(np.float64)
    y, by_image, by_kernel = np.zeros(g.shape), np.zeros_like(image), np.zeros(w.shape)
    for place, seen, outputs in taps(*key):
        y[outputs] += image[seen] @ weights[place]
        by_image[seen] += gradient[outputs] @ weights[place].T
        by_kernel[place] += np.tensordot(image[seen], gradient[outputs], ((0, 1, 2), (0, 1, 2)))
    (top, below), (left, right) = options[1]
    by_image = np.pad(by_image, ((0, 0), (0, max(-below, 0)), (0, max(-right, 0)), (0, 0)))
    return y, by_image[:, top : top + x.shape[1], left : left + x.shape[2]], by_kernel


def operands(images, kernel, strides, pads, dilation, groups, seed=0):
    rng = np.random.default_rng(seed)
    shapes = images, kernel, (images[0], *counts(images, kernel, strides, pads, dilation), kernel[3])
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


def run(launch, shape, *inputs):
    y = np.full(shape, np.nan, np.float32)
    launch(y, *inputs)
    return y


def results(x, w, g, *options):
    key = x.shape, w.shape, *options
    return (
        run(convolution.launch("forward", *key), g.shape, x, w),
        run(convolution.launch("gradient", *key), x.shape, g, w),
        run(kernel_gradient.launch(*key), w.shape, g, x),
    )


def check(found, exact, scales, terms):
    """Sums of so many terms, one after the other, lose no more (Higham 2002, eq. 3.13)."""
    for y, right, scale, count in zip(found, exact, scales, terms, strict=True):
        assert np.isfinite(y).all()
        assert (np.abs(y - right) <= scale * (count + 8) * 2.0**-24).all()


def check_case(case):
    images, kernel, *options = case
    x, w, g = operands(*case)
    high, wide = g.shape[1:3]
    taps_seen = kernel[0] * kernel[1]
    terms = taps_seen * kernel[2], taps_seen * kernel[3] // options[-1], images[0] * high * wide
    check(results(x, w, g, *options), expected(x, w, g, *options), expected(*map(np.abs, (x, w, g)), *options), terms)


@pytest.mark.parametrize("name", CASES)
def test_equals_float64(made, name):
    check_case(CASES[name])


def test_every_tail(made):
    for number, (width, filters) in enumerate(WIDTHS):
        channels = 1 + number % 7
        check_case(((2, 3, width, channels), (2, 1, channels, filters), ONES, NONE, ONES, 1))


@pytest.mark.parametrize("way", convolution_plan.WAYS)
def test_every_way_to_spread_a_band(made, way, monkeypatch):
    ways = convolution_plan._plan
    monkeypatch.setattr(convolution_plan, "_plan", lambda *args: ways(*args) if args[3] == way else None)
    for name in ("first layer", "colors", "dilation", "groups", "some bands"):
        images, kernel, *options = CASES[name]
        x, w, g = operands(*CASES[name])
        y = run(convolution.launch("forward", images, kernel, *options), g.shape, x, w)
        np.testing.assert_allclose(y, expected(x, w, g, *options)[0], rtol=1e-4, atol=1e-4)


def test_bias_and_relu(made):
    case = CASES["groups"]
    x, w, g = operands(*case)
    output, by_image, _ = expected(x, w, g, *case[2:])
    for kind, exact, inputs in (("forward", output, (x, w)), ("gradient", by_image, (g, w))):
        bias = np.random.default_rng(1).normal(size=exact.shape[-1]).astype(np.float32)
        for biased, relu in ((True, False), (True, True), (False, True)):
            y = run(convolution.launch(kind, *case, biased, relu), exact.shape, *inputs, *[bias] * biased)
            sums = exact + bias * biased
            np.testing.assert_allclose(y, np.maximum(sums, 0) if relu else sums, rtol=1e-4, atol=1e-4)


DEPTHWISE = [
    ((2, 9, 26, 40), (3, 3), ONES, NONE, ONES),
    ((2, 9, 11, 7), (3, 3), ONES, AROUND, ONES),
    ((3, 10, 12, 33), (3, 2), (2, 2), UNEVEN, ONES),
    ((2, 12, 12, 16), (2, 5), ONES, AROUND, (3, 2)),
    ((2, 3, 2, 100), (1, 1), (1, 2), NONE, ONES),
    ((2, 1, 33, 5), (1, 4), (1, 3), ((0, 0), (3, 0)), ONES),
]


@pytest.mark.parametrize("case", DEPTHWISE)
def test_depthwise(made, case):
    images, window, *rest = case
    kernel, groups = (*window, 1, images[-1]), images[-1]
    x, w, g = operands(images, kernel, *rest, groups)
    inputs = {"forward": (g.shape, x, w), "gradient": (x.shape, g, w), "kernel": (w.shape, g, x)}
    found = [run(depthwise.launch(kind, images, kernel, *rest), *given) for kind, given in inputs.items()]
    pixels = g.size // groups
    terms = window[0] * window[1], window[0] * window[1], pixels
    options = (*rest, groups)
    check(found, expected(x, w, g, *options), expected(*map(np.abs, (x, w, g)), *options), terms)


def test_same_bits_for_any_number_of_threads(made, threads):
    for name in ("some bands", "small images", "strides", "colors"):
        images, kernel, *options = CASES[name]
        x, w, g = operands(*CASES[name])
        found = []
        for number in (1, 2, 3):
            threads(number)
            found.append([y.tobytes() for y in results(x, w, g, *options)])
        assert found[0] == found[1] == found[2]


def test_not_a_number_and_infinity_stay_where_they_belong(made):
    images, kernel, *options = CASES["colors"]
    x, w, g = operands(*CASES["colors"])
    x[0, 4, 5, 1], g[1, 3, 16, 7] = np.nan, np.inf
    found = results(x, w, g, *options)
    with np.errstate(invalid="ignore"):
        exact = expected(x, w, g, *options)
    for y, right in zip(found, exact, strict=True):
        np.testing.assert_array_equal(np.isnan(y), np.isnan(right))
        np.testing.assert_array_equal(np.isinf(y), np.isinf(right))
    y = run(convolution.launch("forward", images, kernel, *options, False, True), g.shape, x, w)
    np.testing.assert_array_equal(np.isnan(y), np.isnan(exact[0]))


def test_operands_stay_as_they_are(made):
    images, kernel, *options = CASES["dilation and strides"]
    given = operands(*CASES["dilation and strides"])
    before = [x.tobytes() for x in given]
    results(*given, *options)
    assert [x.tobytes() for x in given] == before


def test_there_is_no_kernel_for_empty_images_or_rows_that_no_stack_holds():
    assert convolution.launch("forward", (0, 5, 5, 3), (3, 3, 3, 4), ONES, NONE, ONES) is None
    assert convolution.launch("forward", (2, 2, 5, 3), (3, 3, 3, 4), ONES, NONE, ONES) is None
    huge = (1, 3, 4096, 512), (3, 3, 512, 4), ONES, AROUND, ONES
    assert convolution.launch("forward", *huge) is None and kernel_gradient.launch(*huge) is None
