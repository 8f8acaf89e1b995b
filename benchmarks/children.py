"""Contestants start without the variables that tie OpenBLAS to the kernels and caches of another CPU."""

import os
import subprocess
import sys

REMOVED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def clean_environment():
    """This process's environment without those settings."""
    return {name: value for name, value in os.environ.items() if name not in REMOVED}


def in_clean_child(main):
    """Runs `main` here if the environment is clean, else the same script in a child whose environment is."""
    if any(name in os.environ for name in REMOVED):
        raise SystemExit(subprocess.run([sys.executable, *sys.argv], env=clean_environment(), check=False).returncode)
    main()
