"""The command line: `python -m eagerly doctor` and `python -m eagerly ckpt`."""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Sequence

import numpy as np

from . import __version__
from .checkpoint import commands as checkpoint_commands
from .kernels.diagnosis import Fact, facts


def doctor() -> int:
    """Prints what runs here and why, one fact a line; gives 1 if something is wrong, else 0."""
    found = [
        Fact("eagerly", __version__),
        Fact("python", f"{platform.python_version()}, {platform.platform()}"),
        Fact("numpy", np.__version__),
        *facts(),
    ]
    for fact in found:
        print(f"{'!' if fact.wrong else ' '} {fact.name:8} {fact.text}")
    return int(any(fact.wrong for fact in found))


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m eagerly", description="Keras-style models on an eager NumPy core.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    what = "say what runs where and why; the exit code is 1 if something is wrong"
    commands.add_parser("doctor", help=what).set_defaults(run=lambda options: doctor())
    checkpoint_commands.add_parser(commands)
    options = parser.parse_args(arguments)
    return int(options.run(options))


if __name__ == "__main__":
    sys.exit(main())
