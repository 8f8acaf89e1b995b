"""GFLOP/s of convolution and matrix multiplication through the public operations, beside PyTorch and the ceiling.

make bench-throughput

Forward alone, and with the gradients; of the first shape, which is a network's first layer, only the kernel's. The
arrays are there before the clock starts. Contestants and rounds are as in train.py.
"""

import importlib.util
import statistics
import sys
import time
from math import prod

import ceiling
import children
import numpy as np

ROUNDS = 5
SECONDS = 0.05

# Images' shape, kernel's shape, options; channels last. The first seven are those that the kernels were planned on.
CONVOLUTIONS = {
    "64×28×28×1 → 32, 3×3, kernel's gradient only": ((64, 28, 28, 1), (3, 3, 1, 32), {"of_images": False}),
    "64×13×13×32 → 64, 3×3": ((64, 13, 13, 32), (3, 3, 32, 64), {}),
    "64×26×26×32 → 64, 3×3": ((64, 26, 26, 32), (3, 3, 32, 64), {}),
    "32×56×56×64 → 64, 3×3": ((32, 56, 56, 64), (3, 3, 64, 64), {}),
    "32×28×28×128 → 128, 3×3": ((32, 28, 28, 128), (3, 3, 128, 128), {}),
    "32×28×28×64 → 256, 1×1": ((32, 28, 28, 64), (1, 1, 64, 256), {}),
    "32×56×56×64 → 128, 3×3, stride 2": ((32, 56, 56, 64), (3, 3, 64, 128), {"strides": 2}),
    "64×32×32×3 → 32, 3×3": ((64, 32, 32, 3), (3, 3, 3, 32), {}),
    "32×28×28×37 → 53, 3×3": ((32, 28, 28, 37), (3, 3, 37, 53), {}),
    "32×28×28×32 → 64, 5×5": ((32, 28, 28, 32), (5, 5, 32, 64), {}),
    "32×28×28×64 → 64, 3×3, dilation 2": ((32, 28, 28, 64), (3, 3, 64, 64), {"dilation": 2}),
    "32×28×28×64 → 64, 3×3, 4 groups": ((32, 28, 28, 64), (3, 3, 16, 64), {"groups": 4}),
    "32×28×28×64, 3×3, depthwise": ((32, 28, 28, 64), (3, 3, 1, 64), {"groups": 64}),
    "64×128×64 → 64, 3": ((64, 128, 64), (3, 64, 64), {}),
}
SIZES = (
    (3200, 128, 512),
    (1024, 1024, 1024),
    (512, 512, 512),
    (2048, 128, 384),
    (128, 784, 512),
    (256, 2048, 2048),
    (4096, 64, 10),
    (64, 64, 64),
)
PRODUCTS = {"×".join(map(str, sizes)): sizes for sizes in SIZES}
CALL_NAME = "64×64×64"  # a call's cost more than its work, so it is in no mean
GRADIENTS = ", with gradients"


def operands(shape, kernel):
    rng = np.random.default_rng(0)
    return (rng.standard_normal(s).astype(np.float32) for s in (shape, kernel))


def operations(shape, kernel, options):
    """Of the convolution forward: a multiplication and an addition for each tap of each output. No padding."""
    stride, dilation = options.get("strides", 1), options.get("dilation", 1)
    sizes = zip(shape[1:-1], kernel[:-2], strict=True)
    places = prod((size - (window - 1) * dilation - 1) // stride + 1 for size, window in sizes)
    return 2 * shape[0] * places * prod(kernel)


def of_eagerly():
    from eagerly import GradientTape, Tensor, ops

    def convolution(shape, kernel, options):
        x, w = map(Tensor, operands(shape, kernel))
        sources = [x, w] if options.get("of_images", True) else [w]
        strides, dilation = options.get("strides", 1), options.get("dilation", 1)
        if options.get("groups") == shape[-1]:
            w = Tensor(w.numpy().swapaxes(-1, -2))
            sources[-1] = w

            def forward():
                return ops.depthwise_conv(x, w, strides)
        else:

            def forward():
                return ops.conv(x, w, strides, dilation_rate=dilation)

        g = Tensor(np.ones(forward().shape, np.float32))

        def both():
            with GradientTape() as tape:
                for source in sources:
                    tape.watch(source)
                y = forward()
            return tape.gradient(y, sources, output_gradients=g)

        return forward, both

    def product(m, k, n):
        a, b = map(Tensor, operands((m, k), (k, n)))
        return lambda: ops.matmul(a, b)

    return convolution, product


def of_torch():
    import torch
    from torch.nn import functional

    def convolution(shape, kernel, options):
        x, w = map(torch.from_numpy, operands(shape, kernel))
        rank = x.ndim - 2
        x, w = x.movedim(-1, 1), w.permute(-1, -2, *range(rank))
        if rank == 2:
            w = w.contiguous(memory_format=torch.channels_last)
        function = {1: functional.conv1d, 2: functional.conv2d}[rank]
        named = {"stride": "strides", "dilation": "dilation", "groups": "groups"}
        given = {name: options.get(key, 1) for name, key in named.items()}

        def forward():
            with torch.no_grad():
                return function(x, w, **given)

        x.requires_grad_(options.get("of_images", True))
        w.requires_grad_()
        sources = [s for s in (x, w) if s.requires_grad]
        g = torch.ones_like(forward())
        return forward, lambda: torch.autograd.grad(function(x, w, **given), sources, g)

    def product(m, k, n):
        a, b = map(torch.from_numpy, operands((m, k), (k, n)))
        return lambda: a @ b

    return convolution, product


def amounts():
    """The operations of each work, by name, in the order of the table."""
    found = {}
    for name, (shape, kernel, options) in CONVOLUTIONS.items():
        found[name] = operations(shape, kernel, options)
        found[name + GRADIENTS] = found[name] * (3 if options.get("of_images", True) else 2)
    return found | {name: 2 * prod(sizes) for name, sizes in PRODUCTS.items()}


def works(convolution, product):
    """What is run for each of those names."""
    for name, arguments in CONVOLUTIONS.items():
        forward, both = convolution(*arguments)
        yield name, forward
        yield name + GRADIENTS, both
    for name, sizes in PRODUCTS.items():
        yield name, product(*sizes)


CONTESTANTS = {"eagerly": of_eagerly, "torch": of_torch}
NEEDS = {"eagerly": "eagerly", "torch": "torch", "ceiling": "llvmlite"}


def answering(name):
    """What a contestant says to each request: the seconds of one call of each work; the ceiling, its GFLOP/s."""
    if name == "ceiling":
        return lambda request: {"ceiling": ceiling.gflops()}
    made = list(works(*CONTESTANTS[name]()))
    counts = {}

    def seconds(key, work, count):
        began = time.perf_counter()
        for _ in range(count):
            work()
        return (time.perf_counter() - began) / count

    for key, work in made:
        work()
        counts[key] = max(1, round(SECONDS / seconds(key, work, 1)))
    return lambda request: {key: seconds(key, work, counts[key]) for key, work in made}


def measure():
    """The samples of each contestant that is there."""
    running = {name: children.Child(__file__, name) for name in NEEDS if importlib.util.find_spec(NEEDS[name])}
    for child in running.values():  # all have settled before the first is timed
        child.ask()
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
    print(children.machine(), end="\n\n")
    ours, theirs = (medians.get(name, {}) for name in CONTESTANTS)
    ratios = {}
    print(f"| GFLOP/s, medians of {ROUNDS} rounds | {' | '.join(CONTESTANTS)} | eagerly / torch |\n|---|---|---|---|")
    for key, amount in amounts().items():
        speeds = [amount / seconds[key] / 1e9 if key in seconds else None for seconds in (ours, theirs)]
        if None not in speeds:
            ratios[key] = speeds[0] / speeds[1]
        cells = ["" if speed is None else f"{speed:.1f}" for speed in speeds]
        print(f"| {key} | {' | '.join(cells)} | {f'{ratios[key]:.2f}' if key in ratios else ''} |")
    ratios.pop(CALL_NAME, None)
    if ratios:
        lowest = min(ratios, key=ratios.get)
        mean = statistics.geometric_mean(ratios.values())
        print(f"\nGeometric mean {mean:.2f}, lowest {ratios[lowest]:.2f} ({lowest}).")
    for name, seconds in zip(CONTESTANTS, (ours, theirs), strict=True):
        if CALL_NAME in seconds:
            print(f"\n{CALL_NAME}, the cost of a call, {name}: {seconds[CALL_NAME] * 1e6:.1f} µs.")
    if "ceiling" in medians:
        print(f"\nThe ceiling: {medians['ceiling']['ceiling']:.0f} GFLOP/s.")
    for name in NEEDS:
        if name not in medians:
            print(f"\nMissing: {name}: {NEEDS[name]} is not installed.")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        children.serve(lambda: answering(sys.argv[1]))
    else:
        children.in_clean_child(main)
