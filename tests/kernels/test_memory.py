"""What is given back is kept, unless the user has said otherwise: each case in a process of its own."""

import os
import subprocess
import sys

import pytest

FAULTS = """
import resource
import numpy as np
from eagerly.kernels import memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.ones(4 << 20, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

np.ones(4 << 20, np.uint8)
print(memory.keep(), faults())
"""
GLIBC = sys.platform == "linux" and "glibc" in os.confstr("CS_GNU_LIBC_VERSION")


@pytest.mark.parametrize("variable", [None, "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"])
def test_blocks_are_kept_unless_the_user_says_otherwise(variable):
    environment = {key: value for key, value in os.environ.items() if "MALLOC" not in key and key != "GLIBC_TUNABLES"}
    if variable:
        environment[variable] = "131072" if variable != "GLIBC_TUNABLES" else "glibc.malloc.trim_threshold=131072"
    run = [sys.executable, "-c", FAULTS]
    kept, faults = subprocess.run(run, env=environment, check=True, capture_output=True, text=True).stdout.split()
    assert kept == str(GLIBC and variable is None)
    if GLIBC:
        pages = 20 * (4 << 20) // os.sysconf("SC_PAGE_SIZE")
        assert int(faults) < pages / 4 if variable is None else int(faults) > pages / 4
