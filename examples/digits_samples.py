"""Draws ten samples of each digit with the generator alone, restored out of the GAN's checkpoint.

python examples/digits_samples.py [FOLDER]
"""

import sys
from pathlib import Path

import matplotlib
import numpy as np
from digits_generator import NOISE, Generator

from eagerly import random
from eagerly.checkpoint import Checkpoint


def main(folder="build/digits_demo"):
    folder = Path(folder)
    generator = Generator()
    Checkpoint(generator=generator).restore(folder / "gan.h5", only="generator")
    digits = np.repeat(np.arange(10), 10)
    images = generator(random.normal((100, NOISE), seed=2026), digits).numpy()
    np.savez(folder / "samples.npz", images=images, digits=digits)

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(10, 10, figsize=(6, 6))
    for axis, image in zip(axes.flat, images, strict=True):
        axis.imshow(image[..., 0], cmap="gray_r", vmin=-1, vmax=1)
        axis.axis("off")
    figure.tight_layout(pad=0.3)
    figure.savefig(folder / "samples.png", dpi=100)


if __name__ == "__main__":
    main(*sys.argv[1:2])
