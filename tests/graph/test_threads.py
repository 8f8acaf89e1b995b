"""Threads that share a function, and Variables that one of them updates while others look."""

import threading

import numpy as np

import eagerly
from eagerly import Variable, kernels, ops
from eagerly.tensor import Tensor


def test_threads_share_a_function():
    def function(x):
        power = ops.fori_loop(0, ops.cast(x[0, 0], "int32") + 9, lambda i, s: s * x, x)
        return ops.sum(ops.exp(x) * x, axis=0), power

    f, wrong = eagerly.function(function), []

    def work(i):
        x = ops.ones((50 + i % 3, 7)) * (i / 10)
        for _ in range(20):
            for got, want in zip(f(x), function(x), strict=True):
                if not np.allclose(got, want, rtol=1e-4):
                    wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == [] and len(f._traces) == 3


def test_threads_see_whole_values_of_variables():
    """One thread trains, one assigns, one looks and one predicts: nobody sees a value that is half of another."""
    v, n = Variable(ops.zeros(500_000)), 20
    w = Variable(ops.zeros(500_000))
    train = eagerly.function(lambda x: [v.assign(v * 0.5 + x)] and None)
    total = eagerly.function(lambda: ops.max(ops.tanh(w) + v * 0) - ops.min(ops.tanh(w) + v * 0))
    train(Tensor(1.0)), total()
    wrong, running = [], [True]

    def look():
        while running[0]:
            held = v.value
            first = held.numpy()
            if (first != first[0]).any() or (held.numpy() != first).any():
                wrong.append("torn")

    def assign():
        while running[0]:
            w.assign(np.full(500_000, 2.0, "float32"))
            w.assign(np.full(500_000, 1.0, "float32"))

    def predict():
        while running[0]:
            if float(total()) != 0:
                wrong.append("freed")

    threads = [threading.Thread(target=target) for target in (look, assign, predict)]
    for thread in threads:
        thread.start()
    for i in range(n):
        train(Tensor(float(i)))
    running[0] = False
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_pools_threads_look_at_nothing():
    before = kernels.has_other_threads()  # whatever runs the tests may have threads
    ends = threading.Event()
    thread = threading.Thread(target=ends.wait)
    if threading.active_count() == 1 + kernels.module("pool").pool().helpers:
        assert not before
    thread.start()
    assert kernels.has_other_threads()
    ends.set()
    thread.join()
    assert kernels.has_other_threads() == before


def test_a_run_reads_each_variable_once():
    """Results, what is called from Python and kernels take one value, whatever another thread assigns meanwhile."""
    v, wrong, running = Variable(np.zeros((30, 40), "float32")), [], [True]
    functions = {
        "a result": eagerly.function(lambda: (v.value, v * 1)),
        "called from Python": eagerly.function(lambda: (ops.sort(v.value, axis=1), v * 1)),
        "without kernels": eagerly.function(lambda: (ops.sort(v.value, axis=1), v.value)),
    }

    def assign():
        number = 0.0
        while running[0]:
            number += 1
            v.assign(np.full((30, 40), number, "float32"))

    thread = threading.Thread(target=assign)
    thread.start()
    for _ in range(300):
        for name, function in functions.items():
            first, second = function()
            if not np.array_equal(first, second):
                wrong.append(name)
    running[0] = False
    thread.join()
    assert wrong == []
