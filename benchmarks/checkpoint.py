"""Saving and restoring beside PyTorch, safetensors, h5py, TensorFlow and Keras, in one run.

make bench-checkpoint

256 MB in 64 tensors, and 10,000 tensors of 16 numbers. "restore" ends when all values are in memory and every one has
been read once, because safetensors maps files and PyTorch may; eagerly's checksums are part of all its times. "1 %"
restores one tensor, or a hundred. Each contestant has a process of its own, and they take turns; a figure is the least
of the rounds. At the end: what a save adds to the steps of a training loop, in the foreground and in the background.
"""

import argparse
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import children
import numpy as np

WORKLOADS = {"256 MB in 64 tensors": (64, 2**20), "10,000 tensors of 16": (10_000, 16)}
MEASURES = ["save", "save, fsync", "restore", "1 %"]


class Eagerly:
    def __init__(self, arrays):
        from eagerly import Variable
        from eagerly.checkpoint import Checkpoint

        self.variables = [Variable(array) for array in arrays]
        self.some = max(1, len(arrays) // 100)
        self.checkpoint = Checkpoint(some=self.variables[: self.some], v=self.variables[self.some :])

    def save(self, path):
        self.checkpoint.write(path, sync=False)

    def save_fsync(self, path):
        self.checkpoint.write(path)

    def restore(self, path):
        self.checkpoint.restore(path)
        return sum(float(variable._value._array.sum()) for variable in self.variables)

    def part(self, path):
        self.checkpoint.restore(path, only="some")
        return sum(float(variable._value._array.sum()) for variable in self.variables[: self.some])


class Plain:
    """Where saving does not reach the disk, fsync is done after it."""

    def __init__(self, arrays):
        self.arrays = {f"t{i}": array for i, array in enumerate(arrays)}
        self.some = [f"t{i}" for i in range(max(1, len(arrays) // 100))]

    def save_fsync(self, path):
        self.save(path)
        for found in Path(path).parent.glob(Path(path).name + "*"):
            descriptor = os.open(found, os.O_RDWR)
            os.fsync(descriptor)
            os.close(descriptor)


class H5py(Plain):
    def save(self, path):
        import h5py

        with h5py.File(path, "w") as file:
            for name, array in self.arrays.items():
                file[name] = array

    def _read(self, path, names):
        import h5py

        with h5py.File(path, "r") as file:
            arrays = [file[name][()] for name in names]
        return sum(float(array.sum()) for array in arrays)

    def restore(self, path):
        return self._read(path, self.arrays)

    def part(self, path):
        return self._read(path, self.some)


class Safetensors(Plain):
    def save(self, path):
        from safetensors.numpy import save_file

        save_file(self.arrays, path)

    def restore(self, path):
        from safetensors.numpy import load_file

        return sum(float(array.sum()) for array in load_file(path).values())

    def part(self, path):
        from safetensors import safe_open

        with safe_open(path, "np") as file:
            arrays = [file.get_tensor(name) for name in self.some]
        return sum(float(array.sum()) for array in arrays)


class PyTorch(Plain):
    def __init__(self, arrays):
        import torch

        super().__init__(arrays)
        self.torch = torch
        self.arrays = {name: torch.from_numpy(array) for name, array in self.arrays.items()}

    def save(self, path):
        self.torch.save(self.arrays, path)

    def restore(self, path):
        return sum(float(tensor.sum()) for tensor in self.torch.load(path).values())

    def part(self, path):
        tensors = self.torch.load(path, mmap=True)
        return sum(float(tensors[name].sum()) for name in self.some)


class TensorFlow(Plain):
    def __init__(self, arrays):
        import tensorflow as tf

        super().__init__(arrays)
        self.tf = tf
        self.variables = [tf.Variable(array) for array in arrays]
        self.checkpoint = tf.train.Checkpoint(v=self.variables)
        self.part_of_it = tf.train.Checkpoint(v=self.variables[: len(self.some)])

    def save(self, path):
        self.checkpoint.write(str(path))

    def restore(self, path):
        self.checkpoint.read(str(path)).assert_consumed()
        return sum(float(self.tf.reduce_sum(variable)) for variable in self.variables)

    def part(self, path):
        self.part_of_it.read(str(path)).expect_partial()
        return sum(float(self.tf.reduce_sum(variable)) for variable in self.variables[: len(self.some)])


class Keras(Plain):
    def __init__(self, arrays):
        os.environ["KERAS_BACKEND"] = "torch"
        import keras

        super().__init__(arrays)

        class Holder(keras.layers.Layer):
            def build(self, shape):
                self.all = [self.add_weight(shape=array.shape, initializer="zeros") for array in arrays]

            def call(self, inputs):
                return inputs

        layer = Holder()
        self.model = keras.Sequential([keras.Input((1,)), layer])
        for weight, array in zip(layer.weights, arrays, strict=True):
            weight.assign(array)
        self.weights = layer.weights

    def save(self, path):
        self.model.save_weights(f"{path}.weights.h5", overwrite=True)

    def restore(self, path):
        self.model.load_weights(f"{path}.weights.h5")
        return sum(float(weight.value.sum()) for weight in self.weights)

    part = None


CONTESTANTS = {
    "eagerly": (Eagerly, "eagerly"),
    "h5py": (H5py, "h5py"),
    "safetensors": (Safetensors, "safetensors"),
    "PyTorch": (PyTorch, "torch"),
    "TensorFlow": (TensorFlow, "tensorflow"),
    "Keras": (Keras, "keras"),
}


def work(name, workload, folder):
    """In a child: one round of a contestant, its times in milliseconds as JSON."""
    count, size = WORKLOADS[workload]
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(size).astype(np.float32) for _ in range(count)]
    expected = sum(float(array.sum()) for array in arrays)
    contestant = CONTESTANTS[name][0](arrays)
    path = Path(folder) / "file"
    times = {}
    for measure, method in zip(MEASURES, ("save", "save_fsync", "restore", "part"), strict=True):
        call = getattr(contestant, method)
        if call is None:
            continue
        best = float("inf")
        for _ in range(4):
            start = time.perf_counter()
            result = call(path)
            best = min(best, time.perf_counter() - start)
        times[measure] = best * 1e3
        if measure == "restore":
            assert abs(result - expected) < 1e-2 * max(1, abs(expected)), "another sum than was saved"
    print(json.dumps(times))


def steps(folder):
    """In a child: milliseconds that a save of 64 MB adds to the ten steps after it."""
    from eagerly import GradientTape, Variable, ops, optim
    from eagerly.checkpoint import Checkpoint

    weights = [
        Variable(np.random.default_rng(i).standard_normal((1024, 1024)).astype(np.float32) / 32) for i in range(16)
    ]
    x = np.ones((8, 1024), np.float32)
    optimizer = optim.SGD(1e-3)
    checkpoint = Checkpoint(weights=weights, optimizer=optimizer)

    def step():
        with GradientTape() as tape:
            y = x
            for weight in weights:
                y = ops.tanh(ops.matmul(y, weight))
            loss = ops.mean(y)
        optimizer.apply(tape.gradient(loss, weights), weights)

    def loop(save):
        start = time.perf_counter()
        save()
        calls.append((time.perf_counter() - start) * 1e3)
        for _ in range(10):
            step()
        taken = (time.perf_counter() - start) * 1e3
        checkpoint.wait()
        return taken

    step()
    path = Path(folder) / "steps.h5"
    ways = {
        "none": lambda: None,
        "foreground": lambda: checkpoint.write(path, sync=False),
        "background": lambda: checkpoint.write(path, sync=False, background=True),
    }
    times = {name: [] for name in ways}
    calls = []
    for _ in range(15):
        for name, way in ways.items():
            times[name].append(loop(way))
    middle = {name: statistics.median(values) for name, values in times.items()}
    small = Checkpoint(v=[Variable(np.zeros((64, 64), np.float32)) for _ in range(6)])
    start = time.perf_counter()
    for _ in range(200):
        small.write(path, sync=False)
    saves = 200 / (time.perf_counter() - start)
    added = {name: middle[name] - middle["none"] for name in ("foreground", "background")}
    call = min(calls[2::3])
    print(json.dumps({"step": middle["none"] / 10, "saves": saves, "call": call, **added}))


def child(python, *arguments):
    environment = {**children.clean_environment(), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [python, __file__, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        raise SystemExit(f"{' '.join(arguments)} failed")
    return json.loads(done.stdout.splitlines()[-1])


def there(python, module):
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    if python == sys.executable:
        return importlib.util.find_spec(module) is not None
    return not subprocess.run([python, "-c", code], check=False).returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", default=None, help="where the files go; a temporary folder if not given")
    parser.add_argument("--peers-python", default=sys.executable, help="runs what this interpreter does not have")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        name, *arguments = options.child
        steps(*arguments) if name == "steps" else work(name, *arguments)
        return
    pythons = {}
    for name, (_, module) in CONTESTANTS.items():
        pythons[name] = next((p for p in (sys.executable, options.peers_python) if there(p, module)), None)
    print(children.machine())
    folder = tempfile.mkdtemp(prefix="eagerly-bench-", dir=options.folder)
    try:
        for workload in WORKLOADS:
            best = {}
            for _ in range(options.rounds):
                for name, python in pythons.items():
                    if python is not None:
                        for measure, value in child(python, "--child", name, workload, folder).items():
                            best[name, measure] = min(value, best.get((name, measure), value))
            print(f"\n{workload}, milliseconds (times eagerly's)")
            print("  ".join(["", *(f"{measure:>17}" for measure in MEASURES)]).rjust(11))
            for name, python in pythons.items():
                cells = []
                for measure in MEASURES:
                    value, ours = best.get((name, measure)), best["eagerly", measure]
                    cells.append("-" if value is None else f"{value:,.1f} ({value / ours:.2f})")
                row = [f"{cell:>17}" for cell in cells] if python else ["not installed"]
                print(f"{name:<11}  " + "  ".join(row), flush=True)
        found = child(sys.executable, "--child", "steps", folder)
        added = f"{found['foreground']:.1f} ms in the foreground, {found['background']:.1f} ms in the background"
        print(f"\nA save of 64 MB before ten steps of {found['step']:.1f} ms adds {added},")
        print(f"where the call returns after {found['call']:.2f} ms.")
        print(f"A small model is saved {found['saves']:,.0f} times a second.")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
