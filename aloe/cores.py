"""The processor cores that this process may use, and how many of them others keep busy."""

import os
import time
from pathlib import Path

LOOKS = (0.02, 0.03, 0.05)
"""Seconds between looks at what is running."""


def count_cores() -> int:
    """Return how many cores this process may run on; where no system says that, all there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def count_free_cores() -> int:
    """Return how many of them nobody else keeps busy, at least 1.

    What only comes and goes is not counted: of several looks within a tenth of a second, the one
    that found most cores free. Where the system does not list what is running (macOS), the mean of
    the last minute stands for it.
    """
    counts = Path("/proc/loadavg")
    if counts.exists():
        busy = min(_count_running(counts, after=pause) for pause in (0, *LOOKS))
    else:
        busy = int(os.getloadavg()[0])
    return max(1, count_cores() - max(0, busy))


def _count_running(counts: Path, *, after: float) -> int:
    """Return how many others run on a core now, `after` as many seconds."""
    time.sleep(after)
    return int(counts.read_text(encoding="ascii").split()[3].partition("/")[0]) - 1
