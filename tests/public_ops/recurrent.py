"""How to call whole recurrent sequences; the references go step by step, row by row."""

import numpy as np

from domains.values import real, truth
from eagerly import ops
from public_ops.rows import Row


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def run(x, mask, states, step, go_backwards):
    """Outputs and last states of a recurrence, one row of the batch after the other."""
    count = x.shape[1]
    units = states[0].shape[1]
    outputs, last = np.zeros((x.shape[0], count, units)), [np.array(s) for s in states]
    for row in range(x.shape[0]):
        y = np.zeros(units)
        for place, t in enumerate(reversed(range(count)) if go_backwards else range(count)):
            if mask is None or mask[row, t]:
                after = step(x[row, t], [s[row] for s in last])
                for s, new in zip(last, after, strict=True):
                    s[row] = new
                y = after[0]
            outputs[row, place] = y
    return outputs, *last


def lstm(x, h0, c0, kernel, recurrent, bias=0.0, mask=None, go_backwards=False):
    def step(x, states):
        i, f, g, o = np.split(x @ kernel + states[0] @ recurrent + bias, 4)
        c = sigmoid(f) * states[1] + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c

    return run(x, mask, (h0, c0), step, go_backwards)


def gru(x, h0, kernel, recurrent, bias=None, mask=None, reset_after=True, go_backwards=False):
    bias = np.zeros((2, kernel.shape[1])) if bias is None else bias
    first, second = bias if reset_after else (bias * np.ones(kernel.shape[1]), np.zeros(kernel.shape[1]))

    def step(x, states):
        (h,) = states
        z, r, n = np.split(x @ kernel + first, 3)
        a, b, m = np.split(h @ recurrent + second, 3)
        z, r = sigmoid(z + a), sigmoid(r + b)
        n = np.tanh(n + (r * m if reset_after else (r * h) @ recurrent[:, 2 * len(h) :]))
        return (z * h + (1 - z) * n,)

    return run(x, mask, (h0,), step, go_backwards)


LSTM_VALUES = (*(real,) * 6, truth)
GRU_VALUES = (*(real,) * 5, truth)
ROWS: dict[str, list[Row]] = {
    "lstm": [
        Row(
            lambda n, m: [(n, m, 3), (n, 2), (n, 2), (3, 8), (2, 8), (8,), (n, m)],
            lambda *given, b=backwards: ops.lstm(*given, go_backwards=b),
            lambda *given, b=backwards: lstm(*given, go_backwards=b),
            LSTM_VALUES,
        )
        for backwards in (False, True)
    ]
    + [
        Row(
            lambda n, m: [(n, 3, m), (n, 2), (n, 2), (m, 8), (2, 8)],
            ops.lstm,
            lstm,
        )
    ],
    "gru": [
        Row(
            lambda n, m: [(n, m, 3), (n, 2), (3, 6), (2, 6), (2, 6), (n, m)],
            lambda x, *rest: ops.gru(x, *rest, go_backwards=True),
            lambda x, *rest: gru(x, *rest, go_backwards=True),
            GRU_VALUES,
        ),
        Row(
            lambda n, m: [(n, m, 3), (n, 2), (3, 6), (2, 6), (6,), (n, m)],
            lambda *given: ops.gru(*given, reset_after=False),
            lambda *given: gru(*given, reset_after=False),
            GRU_VALUES,
        ),
        Row(
            lambda n, m: [(n, 3, m), (n, 2), (m, 6), (2, 6)],
            ops.gru,
            gru,
        ),
    ],
}
