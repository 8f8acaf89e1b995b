"""Microseconds of the hot paths on small tensors, beside NumPy, PyTorch eager and TensorFlow eager.

make bench-dispatch

Each contestant is a process of its own that stays; the rounds go around, so that all see the same machine. A
contestant that is not installed is reported as missing. PyTorch's Adam is timed as it comes and with fused=True.
"""

import importlib.util
import statistics
import sys
import time

import children
import numpy as np

ROUNDS = 15
CALLS = {"op": 4000, "recorded": 4000, "chain": 20, "gradient": 100, "Adam": 100, "fused Adam": 100}
TITLES = {
    "op": "tanh on 8×8",
    "recorded": "the same, recorded",
    "chain": "50 × tanh(x @ w), 8×8, forward and backward",
    "gradient": "gradient of a two-layer network, width 64, batch 32",
    "Adam": "Adam step on it",
    "fused Adam": "Adam step on it, PyTorch's fused",
    "layer": "call of a layer whose call() does nothing",
}
TARGETS = ("chain", "gradient", "Adam")
RNG = np.random.default_rng(0)
SQUARE = RNG.standard_normal((8, 8)).astype(np.float32)
WEIGHT = (RNG.standard_normal((8, 8)) * 0.3).astype(np.float32)
X, Y = RNG.standard_normal((2, 32, 64)).astype(np.float32)
KERNELS = RNG.standard_normal((2, 64, 64)).astype(np.float32) * 0.1


def of_numpy():
    """The same computations by hand."""

    def chain():
        ys = [SQUARE]
        for _ in range(50):
            ys.append(np.tanh(ys[-1] @ WEIGHT))
        g, total = np.ones_like(ys[-1]), np.zeros_like(WEIGHT)
        for x, y in zip(ys[-2::-1], ys[:0:-1], strict=True):
            inner = g * (1 - y * y)
            total += x.T @ inner
            g = inner @ WEIGHT.T
        return total

    biases = np.zeros((2, 64), np.float32)

    def gradient():
        hidden = np.maximum(X @ KERNELS[0] + biases[0], 0)
        d = hidden @ KERNELS[1] + biases[1] - Y
        g = d * (2 / d.size)
        inner = (g @ KERNELS[1].T) * (hidden > 0)
        return [X.T @ inner, inner.sum(0), hidden.T @ g, g.sum(0)]

    state = [[w.copy(), np.zeros_like(w), np.zeros_like(w)] for w in (*KERNELS, *biases)]
    gradients = [gradient()[i] for i in (0, 2, 1, 3)]

    def adam():
        for entry, g in zip(state, gradients, strict=True):
            w, m, v = entry
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            entry[:] = w - 0.001 * m / (np.sqrt(v) + 1e-7), m, v

    return {"op": lambda: np.tanh(SQUARE), "chain": chain, "gradient": gradient, "Adam": adam}


def of_eagerly():
    from eagerly import GradientTape, Sequential, Tensor, Variable, layers, ops, optim

    a, w = Tensor(SQUARE), Variable(WEIGHT)
    tape = GradientTape(persistent=True)

    def recorded():
        with tape:
            tape.watch(a)
            for _ in range(100):
                ops.tanh(a)
            tape.reset()

    def chain():
        with GradientTape() as tape:
            y = a
            for _ in range(50):
                y = ops.tanh(y @ w)
            total = ops.sum(y)
        return tape.gradient(total, w)

    model = Sequential([layers.Dense(64, activation="relu"), layers.Dense(64)])
    x, y = Tensor(X), Tensor(Y)
    model(x)
    for layer, kernel in zip(model.layers, KERNELS, strict=True):
        layer.kernel.assign(kernel)
    variables = model.trainable_variables

    def gradient():
        with GradientTape() as tape:
            d = model(x) - y
            loss = ops.mean(d * d)
        return tape.gradient(loss, variables)

    optimizer, gradients = optim.Adam(), gradient()

    class Nothing(layers.Layer):
        def call(self, inputs):
            return inputs

    nothing = Nothing()
    nothing(a)
    return {
        "op": lambda: ops.tanh(a),
        "recorded": recorded,
        "chain": chain,
        "gradient": gradient,
        "Adam": lambda: optimizer.apply(gradients, variables),
        "layer": lambda: nothing(a),
    }


def of_torch():
    import torch

    a, w = torch.tensor(SQUARE), torch.tensor(WEIGHT, requires_grad=True)
    tracked = torch.tensor(SQUARE, requires_grad=True)

    def recorded():
        for _ in range(100):
            torch.tanh(tracked)

    def chain():
        y = a
        for _ in range(50):
            y = torch.tanh(y @ w)
        return torch.autograd.grad(y.sum(), w)

    model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 64))
    x, y, parameters = torch.tensor(X), torch.tensor(Y), list(model.parameters())

    def gradient():
        d = model(x) - y
        return torch.autograd.grad((d * d).mean(), parameters)

    for parameter, found in zip(parameters, gradient(), strict=True):
        parameter.grad = found
    plain, fused = torch.optim.Adam(parameters), torch.optim.Adam(parameters, fused=True)
    steps = {"chain": chain, "gradient": gradient, "Adam": plain.step, "fused Adam": fused.step}
    return {"op": lambda: torch.tanh(a), "recorded": recorded, **steps}


def of_tensorflow():
    import tensorflow as tf

    a, w = tf.constant(SQUARE), tf.Variable(WEIGHT)

    def recorded():
        with tf.GradientTape() as tape:
            tape.watch(a)
            for _ in range(100):
                tf.tanh(a)

    def chain():
        with tf.GradientTape() as tape:
            y = a
            for _ in range(50):
                y = tf.tanh(y @ w)
            total = tf.reduce_sum(y)
        return tape.gradient(total, w)

    model = tf.keras.Sequential([tf.keras.layers.Dense(64, activation="relu"), tf.keras.layers.Dense(64)])
    x, y = tf.constant(X), tf.constant(Y)
    model(x)
    variables = model.trainable_variables

    def gradient():
        with tf.GradientTape() as tape:
            d = model(x) - y
            loss = tf.reduce_mean(d * d)
        return tape.gradient(loss, variables)

    optimizer, gradients = tf.keras.optimizers.Adam(), gradient()
    steps = {"chain": chain, "gradient": gradient, "Adam": lambda: optimizer.apply(gradients, variables)}
    return {"op": lambda: tf.tanh(a), "recorded": recorded, **steps}


CONTESTANTS = {"numpy": of_numpy, "eagerly": of_eagerly, "torch": of_torch, "tensorflow": of_tensorflow}


def answering(name):
    """What a contestant says to each request: a round of all its workloads, in microseconds."""
    workloads = CONTESTANTS[name]()
    for work in workloads.values():
        work()

    def answer(request):
        results = {}
        for key, work in workloads.items():
            calls = CALLS.get(key, 4000) // (100 if key == "recorded" else 1)
            start = time.perf_counter()
            for _ in range(calls):
                work()
            results[key] = (time.perf_counter() - start) / calls * 1e6 / (100 if key == "recorded" else 1)
        return results

    return answer


def measure():
    """The medians of each contestant that is installed, by workload."""
    running = {name: children.Child(__file__, name) for name in CONTESTANTS if importlib.util.find_spec(name)}
    samples = {name: [] for name in running}
    for _ in range(ROUNDS):
        for name, child in running.items():
            samples[name].append(child.ask())
    for child in running.values():
        child.close()
    return {
        name: {key: statistics.median(sample[key] for sample in rounds) for key in rounds[0]}
        for name, rounds in samples.items()
    }


def main():
    medians = measure()
    names = [name for name in CONTESTANTS if name in medians]
    print(f"| µs, medians of {ROUNDS} rounds | {' | '.join(names)} | eagerly / torch |")
    print("|---" * (len(names) + 2) + "|")
    for key, title in TITLES.items():
        ours, theirs = medians["eagerly"].get(key), medians.get("torch", {}).get(key)
        cells = [f"{medians[name][key]:.2f}" if key in medians[name] else "" for name in names]
        print(f"| {title} | {' | '.join(cells)} | {f'{ours / theirs:.2f}' if ours and theirs else ''} |")
    missing = [name for name in CONTESTANTS if name not in medians]
    if missing:
        print(f"\nMissing: {', '.join(missing)}.")
    if "torch" in medians:
        ratios = [medians["eagerly"][key] / medians["torch"][key] for key in TARGETS]
        print(f"\nThe last three against PyTorch: geometric mean {statistics.geometric_mean(ratios):.2f}, ", end="")
        print(f"highest {max(ratios):.2f}.")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        children.serve(lambda: answering(sys.argv[1]))
    else:
        children.in_clean_child(main)
