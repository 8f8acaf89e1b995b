"""Contestants are processes of their own: no other's threads, no variable that ties OpenBLAS to another CPU.

A child that stays is asked with a line and answers with a line of JSON, so that rounds can go around between several.
"""

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

REMOVED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
DISTRIBUTIONS = ("numpy", "eagerly", "torch", "jax", "tensorflow-cpu", "keras")


def clean_environment():
    """This process's environment without the settings that choose OpenBLAS's kernels and caches."""
    return {name: value for name, value in os.environ.items() if name not in REMOVED}


def in_clean_child(main):
    """Runs `main` here if the environment is clean, else the same script in a child whose environment is."""
    if any(name in os.environ for name in REMOVED):
        raise SystemExit(subprocess.run([sys.executable, *sys.argv], env=clean_environment(), check=False).returncode)
    main()


def machine():
    """A line that says what was measured, and on what."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    parts = [f"{os.cpu_count()} × {models[0] if models else platform.machine()}, Python {platform.python_version()}"]
    for name in DISTRIBUTIONS:
        try:
            parts.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            pass
    return ", ".join(parts) + "."


class Child:
    """`python script *arguments`, which serves; `environment` is added to a clean one."""

    def __init__(self, script, *arguments, environment=None):
        self.process = subprocess.Popen(
            [sys.executable, script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**clean_environment(), "TF_CPP_MIN_LOG_LEVEL": "3", **(environment or {})},
        )

    def ask(self, request=""):
        """The answer; if the process has ended, {"failed": why}."""
        try:
            print(request, file=self.process.stdin, flush=True)
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        return json.loads(line) if line else {"failed": f"the process ended with {self.process.wait()}"}

    def close(self):
        """Ends the process."""
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        self.process.wait()


def serve(make):
    """In a child: answers each request with what `make()` has returned says to it. What libraries print is dropped."""
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    answer = make()
    for line in sys.stdin:
        print(json.dumps(answer(line.strip())), file=channel, flush=True)
