"""How to call connectionist temporal classification; the sum over all paths is the reference of the loss."""

import itertools

import numpy as np

from domains.values import below, real
from eagerly import ops
from public_ops.rows import Row


def spelled(path, blank=0):
    """The labels that a path of classes spells: repeats merged, then blanks left out."""
    return tuple(label for label, _ in itertools.groupby(path) if label != blank)


def log_probabilities(x):
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def probabilities(logs, blank=0):
    """The probability of everything that the paths of one example spell."""
    found = {}
    for path in itertools.product(range(logs.shape[1]), repeat=len(logs)):
        text = spelled(path, blank)
        found[text] = found.get(text, 0.0) + np.exp(sum(logs[t, c] for t, c in enumerate(path)))
    return found


def loss(target, output, target_length, output_length, blank=0):
    result = []
    for labels, x, count, reach in zip(target, output, target_length, output_length, strict=True):
        spells = probabilities(log_probabilities(x)[:reach], blank)
        result.append(-np.log(spells.get(tuple(labels[:count].tolist()), 0.0)) if spells else np.inf)
    return np.array(result)


def greedy(x, lengths):
    texts = [spelled(row[:reach]) for row, reach in zip(x.argmax(-1), lengths, strict=True)]
    paths = np.array([[*text, *[-1] * (x.shape[1] - len(text))] for text in texts])
    inside = np.arange(x.shape[1]) < lengths[:, None]
    return paths[None], -(x.max(-1) * inside).sum(1, keepdims=True)


def best(x, lengths, count, blank):
    """Exhaustive search."""
    paths, scores = np.full((count, *x.shape[:2]), -1), np.full((len(x), count), -np.inf)
    for b, (logs, reach) in enumerate(zip(log_probabilities(x), lengths, strict=True)):
        spells = sorted(probabilities(logs[:reach], blank).items(), key=lambda item: -item[1])
        for k, (text, p) in enumerate(spells[:count]):
            paths[k, b, : len(text)] = text
            scores[b, k] = np.log(p)
    return paths, scores


def fit(labels, classes):
    """Labels in [1, classes)."""
    return ops.mod(labels, classes - 1) + 1


def lengths_of(rng, shape, dtype):
    return np.asarray(rng.integers(2, 4, shape), np.int32)


ROWS: dict[str, list[Row]] = {
    "ctc_loss": [
        Row(
            lambda n, m: [(n, 2), (n, 3 + m, 3), (n,), (n,)],
            lambda t, x, a, b: ops.ctc_loss(fit(t, 3), x, ops.subtract(a, 1), ops.add(b, 1)),
            lambda t, x, a, b: loss(t % 2 + 1, x, a - 1, b + 1),
            (below(4), real, lengths_of, lengths_of),
        ),
        Row(
            lambda n, m: [(n, m), (n, 4, 4), (n,), (n,)],
            lambda t, x, a, b: ops.ctc_loss(fit(t, 4) - 1, x, ops.subtract(a, 2), b, mask_index=3),
            lambda t, x, a, b: loss(t % 3, x, a - 2, b, 3),
            (below(4), real, lengths_of, lengths_of),
        ),
    ],
    "ctc_decode": [
        Row(lambda n, m: [(n, m, 3), (n,)], ops.ctc_decode, greedy, (real, lengths_of)),
        Row(
            lambda n, m: [(n, m, 3), (n,)],
            lambda x, n: ops.ctc_decode(x, n, "beam_search", top_paths=2),
            lambda x, n: best(x, n, 2, 0),
            (real, lengths_of),
        ),
        Row(
            lambda n, m: [(n, 3, 4), (n,)],
            lambda x, n: ops.ctc_decode(x, n, strategy="beam_search", top_paths=3, mask_index=None),
            lambda x, n: best(x, n, 3, 3),
            (real, lengths_of),
        ),
    ],
}
