"""Pages in a real browser, without a window and without a network.

Debian's `chromium` is used where it is installed; elsewhere the tests that need it are skipped.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")

needs_chromium = pytest.mark.skipif(
    PROGRAM is None, reason="there is no chromium here: apt-get install chromium"
)


def open_page(page: Path, *arguments: str, profile: Path) -> subprocess.CompletedProcess[str]:
    """Open a file in the browser, with no server to ask: names resolve to nothing."""
    assert PROGRAM is not None
    return subprocess.run(
        [
            PROGRAM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--enable-logging=stderr",
            "--virtual-time-budget=5000",
            f"--user-data-dir={profile}",
            *arguments,
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


def dom(page: Path, *, profile: Path) -> str:
    """Return the document as it is after the scripts of `page` have run.

    Raises:
        AssertionError: a script failed, or the page asked for something it may not have.
    """
    opened = open_page(page, "--dump-dom", profile=profile)
    said = [line for line in opened.stderr.splitlines() if "CONSOLE" in line]
    assert said == [], said
    return opened.stdout
