"""The rows of a convolution and its gradients: n images, m channels or rows."""

from domains.values import ALL, Domain


def _options(strides, pads, dilation, groups=1, **more):
    return {"strides": strides, "pads": pads, "dilation": dilation, "groups": groups, **more}


ONE, TWO, TIGHT = ((0, 0),), ((1, 2), (0, 1)), ((0, -1), (2, 0))

DOMAINS: dict[str, Domain] = {
    "convolution": Domain(
        (
            lambda n, m: ([(n, 6, m), (3, m, 4)], _options((1,), ONE, (1,))),
            lambda n, m: ([(n, m + 4, 5, 4), (3, 2, 2, 6)], _options((2, 1), TWO, (1, 2), 2)),
            lambda n, m: ([(n, 4, 5, 3), (2, 2, 1, 6)], _options((1, 2), TWO, (1, 1), 3)),
            lambda n, m: ([(n, 4, 3, 2, m), (2, 1, 2, m, 2)], _options((1, 2, 1), ((0, 0),) * 3, (1, 1, 1))),
            lambda n, m: ([(n, 5, 4, m), (2, 3, m, 2)], _options((1, 1), TIGHT, (1, 1))),
        ),
        dtypes=ALL,
    ),
    "convolution_input_gradient": Domain(
        (
            lambda n, m: ([(n, 4, 4), (3, m, 4)], _options((1,), ONE, (1,), space=(6,))),
            lambda n, m: ([(n, 3, 4, 6), (3, 2, 2, 6)], _options((2, 1), TWO, (1, 2), 2, space=(6, 5))),
            lambda n, m: ([(n, 6, 3, 6), (2, 2, 1, 6)], _options((1, 2), TWO, (1, 1), 3, space=(4, 5))),
            lambda n, m: ([(n, 2, 3), (2, m, 3)], _options((2,), ONE, (1,), space=(9,))),  # as if more windows fitted
            lambda n, m: ([(n, m, 3), (2, 2, 3)], _options((3,), ((1, 0),), (1,), space=(3 * m,))),
        ),
        dtypes=ALL,
    ),
    "convolution_kernel_gradient": Domain(
        (
            lambda n, m: ([(n, 4, 4), (n, 6, m)], _options((1,), ONE, (1,), window=(3,))),
            lambda n, m: ([(n, 3, 4, 6), (n, 6, 5, 4)], _options((2, 1), TWO, (1, 2), 2, window=(3, 2))),
            lambda n, m: ([(n, 6, 3, 6), (n, 4, 5, 3)], _options((1, 2), TWO, (1, 1), 3, window=(2, 2))),
            lambda n, m: ([(n, 2, 3), (n, 9, m)], _options((2,), ONE, (1,), window=(2,))),  # as if more windows fitted
        ),
        dtypes=ALL,
    ),
}
