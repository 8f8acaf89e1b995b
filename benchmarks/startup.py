"""Seconds and peak memory of `import eagerly` beside those of `import numpy`, each in processes of its own.

python benchmarks/startup.py
"""

import statistics
import subprocess
import sys

import children

ROUNDS = 15
CHILD = """
import resource, time
start = time.perf_counter()
{statement}
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
STATEMENTS = (
    "import numpy",
    "import eagerly",
    "from eagerly import Model, layers, losses, metrics, optim, checkpoint",
)


def measure(statement):
    child = subprocess.run(
        [sys.executable, "-c", CHILD.format(statement=statement)],
        env=children.clean_environment(),
        check=True,
        capture_output=True,
        text=True,
    )
    return tuple(map(float, child.stdout.split()))


def main():
    rounds = [[measure(statement) for statement in STATEMENTS] for _ in range(ROUNDS)]
    print("| statement | s | peak MB |")
    print("|---|---|---|")
    for statement, samples in zip(STATEMENTS, zip(*rounds, strict=True), strict=True):
        seconds, megabytes = (statistics.median(column) for column in zip(*samples, strict=True))
        print(f"| `{statement}` | {seconds:.3f} | {megabytes:.1f} |")


if __name__ == "__main__":
    main()
