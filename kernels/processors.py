"""How many threads this process may keep busy."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def cpus(cgroup: Path | None = None) -> int:
    """The CPUs that this process may keep busy: its affinity, or a container's quota if that is less."""
    available = affinity()
    return max(1, min(available, math.ceil(quota(cgroup) or available)))


def affinity() -> int:
    """The CPUs that this process may run on."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def quota(cgroup: Path | None = None) -> float | None:
    """The CPUs' worth of time that a cgroup allows, versions 2 and 1; None without a limit."""
    cgroup = cgroup or CGROUP
    try:
        if (cgroup / "cpu.max").exists():
            time, period = (cgroup / "cpu.max").read_text().split()[:2]
        else:
            time, period = ((cgroup / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return int(time) / int(period) if int(time) > 0 else None
    except (OSError, ValueError, ArithmeticError):  # no cgroup, or "max"
        return None
