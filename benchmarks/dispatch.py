"""Microseconds per operation on 8x8 float32: NumPy's own, eagerly's, and eagerly's recorded by a tape.

python benchmarks/dispatch.py
"""

import statistics
import time

import children
import numpy as np

from eagerly import GradientTape, Tensor, ops
from eagerly.layers import Dense, Layer

ROUNDS, CALLS = 15, 2000


def microseconds(function, *args):
    start = time.perf_counter()
    for _ in range(CALLS):
        function(*args)
    return (time.perf_counter() - start) / CALLS * 1e6


def recorded(function, *args):
    with GradientTape() as tape:
        tape.watch([x for x in args if isinstance(x, Tensor)])
        return microseconds(function, *args)


class Nothing(Layer):
    def call(self, inputs):
        return inputs


def main():
    a = np.random.default_rng(0).standard_normal((8, 8)).astype(np.float32)
    x = Tensor(a)
    rows = {
        "add": (np.add, lambda u, v: u + v, (a, a), (x, x)),
        "multiply by 2.0": (lambda u: u * 2.0, lambda u: u * 2.0, (a,), (x,)),
        "tanh": (np.tanh, ops.tanh, (a,), (x,)),
        "matmul": (np.matmul, lambda u, v: u @ v, (a, a), (x, x)),
    }
    times = {name: ([], [], []) for name in rows}
    for _ in range(ROUNDS):  # interleaved, so that all see the same machine
        for name, (theirs, ours, arrays, tensors) in rows.items():
            for column, measured in zip(
                times[name],
                (microseconds(theirs, *arrays), microseconds(ours, *tensors), recorded(ours, *tensors)),
                strict=True,
            ):
                column.append(measured)
    print("| 8x8 float32 | NumPy µs | eager µs | recorded µs | eager - NumPy | recorded - NumPy |")
    print("|---|---|---|---|---|---|")
    for name, columns in times.items():
        numpy, eager, tape = map(statistics.median, columns)
        print(f"| {name} | {numpy:.2f} | {eager:.2f} | {tape:.2f} | {eager - numpy:.2f} | {tape - numpy:.2f} |")

    layer, dense = Nothing(), Dense(8)
    layer(x), dense(x)
    calls = {"layer that does nothing": (layer.call, layer), "Dense(8)": (dense.call, dense)}
    print("\n| layer on 8x8 | call() µs | layer() µs | difference |")
    print("|---|---|---|---|")
    for name, (call, whole) in calls.items():
        pairs = [(microseconds(call, x), microseconds(whole, x)) for _ in range(ROUNDS)]
        inner, outer = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"| {name} | {inner:.2f} | {outer:.2f} | {outer - inner:.2f} |")


if __name__ == "__main__":
    children.in_clean_child(main)
