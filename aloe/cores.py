"""The processor cores that this process may use, and how many of them others keep busy."""

import os
from pathlib import Path


def count_cores() -> int:
    """Return how many cores this process may run on; where no system says that, all there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def count_free_cores() -> int:
    """Return how many of them nobody else keeps busy right now, at least 1.

    Where the system does not list what is running (macOS), the mean of the last minute stands for
    it.
    """
    counts = Path("/proc/loadavg")
    if counts.exists():
        busy = int(counts.read_text(encoding="ascii").split()[3].partition("/")[0]) - 1
    else:
        busy = int(os.getloadavg()[0])
    return max(1, count_cores() - max(0, busy))
