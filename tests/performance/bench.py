"""What a benchmark itself costs: `make bench-bench` holds the 100 cases with scripted models.

Models answer at once, so this is the price of everything else: 300 dialogues of ten turns, 6,000
ratings, the check of what was said, and the intervals. It runs as a process of its own, as a person
starts it.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ALOE = str(Path(sys.executable).parent / "aloe")
MODEL = "scripted:aloe.agents.scripted:reply"
LIMIT = 60.0
"""Seconds that the 100 cases may take on two cores."""


def main() -> None:
    """Time the whole and say what it took."""
    with tempfile.TemporaryDirectory() as folder:
        roles = [flag for role in ("model", "user", "judge") for flag in (f"--{role}", MODEL)]
        command = [ALOE, "bench", "run", *roles, "--out", f"{folder}/run", "--quiet"]
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        wall = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime
    print(
        f"aloe-100, 3 seeds, one judge: {wall:.1f} s, {cpu:.1f} s of CPU on {os.cpu_count()} cores "
        f"(limit {LIMIT:.0f} s); load at the end {os.getloadavg()[0]:.1f}"
    )
    sys.exit(wall > LIMIT)


if __name__ == "__main__":
    main()
