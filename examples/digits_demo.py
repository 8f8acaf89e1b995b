"""The main job: a classifier and a conditional GAN on real digits, and the generator alone in a process of its own.

python examples/digits_demo.py [FOLDER]
"""

import subprocess
import sys
import time
from pathlib import Path

import digits_classifier
import digits_gan
import numpy as np


def main(folder="build/digits_demo"):
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    times = {}

    def timed(name, function, *args):
        start = time.perf_counter()
        result = function(*args)
        times[name] = time.perf_counter() - start
        return result

    print("1. A classifier, trained with fit")
    classifier, accuracy = timed("classifier", digits_classifier.train)
    print(f"   test accuracy: {accuracy:.2%}")

    print("2. A GAN, conditional on the digit")
    timed("GAN", digits_gan.main, folder)

    print("3. The generator alone, in a new process")
    script = Path(__file__).with_name("digits_samples.py")
    timed("samples", lambda: subprocess.run([sys.executable, script, folder], check=True))
    with np.load(folder / "samples.npz") as samples:
        read = classifier.predict(samples["images"]).argmax(-1)
        right = int((read == samples["digits"]).sum())
    print(f"   the classifier reads {right} of 100 samples as the digit asked for")

    print("4. Files and times")
    for name in ("gan.h5", "samples.png", "samples.npz"):
        print(f"   {folder / name}")
    print("   " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in times.items()))
    print(f"   in all {sum(times.values()):.1f} s")
    if accuracy < 0.97 or right < 80:
        sys.exit("The demo fell short: at least 97 % and 80 of 100 were expected.")


if __name__ == "__main__":
    main(*sys.argv[1:])
