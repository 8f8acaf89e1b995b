"""How to call trigonometry, hyperbolic functions, roots, logarithms, and the special functions."""

import math
import statistics

import numpy as np

from domains.transcendental import above_one, within_one
from domains.values import nonzero, positive
from eagerly import ops
from public_ops.rows import Row, binary, one, unary

erf = np.vectorize(math.erf, otypes=[float])
erfc = np.vectorize(math.erfc, otypes=[float])
erfinv = np.vectorize(lambda x: statistics.NormalDist().inv_cdf((x + 1) / 2) / math.sqrt(2), otypes=[float])

ROWS: dict[str, list[Row]] = {
    **{name: [unary(name)] for name in ("arctan", "sinh", "cosh", "tan", "arcsinh", "exp2", "deg2rad", "rad2deg")},
    **{name: [unary(name, values=(within_one,))] for name in ("arcsin", "arccos", "arctanh")},
    "arccosh": [unary("arccosh", values=(above_one,))],
    **{name: [unary(name, values=(nonzero,))] for name in ("cbrt", "reciprocal")},
    **{name: [unary(name, values=(positive,))] for name in ("log2", "log10")},
    "rsqrt": [unary("rsqrt", lambda x: 1 / np.sqrt(x), (positive,))],
    **{name: [binary(name, values=(nonzero,))] for name in ("arctan2", "hypot")},
    **{name: [binary(name)] for name in ("logaddexp", "logaddexp2")},
    "erf": [unary("erf", erf)],
    "erfc": [unary("erfc", erfc)],
    "erfinv": [unary("erfinv", erfinv, (within_one,))],
    "i0": [unary("i0"), Row(one, lambda x: ops.i0(ops.multiply(x, 10)), lambda x: np.i0(x * 10))],
    "sinc": [unary("sinc"), Row(one, lambda x: ops.sinc(ops.multiply(x, 0.01)), lambda x: np.sinc(x * 0.01))],
    **{
        name: [
            Row(
                lambda n, m: [],
                lambda name=name, n=n: getattr(ops, name)(n),
                lambda name=name, n=n: getattr(np, name)(n),
            )
            for n in (0, 1, 2, 9)
        ]
        for name in ("bartlett", "blackman", "hamming", "hanning")
    },
    "kaiser": [
        Row(lambda n, m: [], lambda n=n: ops.kaiser(n, 14.0), lambda n=n: np.kaiser(n, 14.0)) for n in (0, 1, 2, 9)
    ],
}
