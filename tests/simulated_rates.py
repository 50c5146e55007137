"""Simulated rates on a page of the documentation: between two marks, which a script writes."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"
BEGIN, END = "<!-- error rates: begin -->", "<!-- error rates: end -->"


def read_rates(page: Path) -> str:
    """Return what stands between the marks of a page."""
    return page.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]


def run(about: str | None, make: Callable[[int], str], page: Path, runs: int, unit: str) -> None:
    """Print simulated rates, or write them into their page.

    Args:
        about: docstring of the script.
        make: returns the rates in Markdown, given the number of simulations.
        page: where they stand.
        runs: simulations unless the command line says otherwise.
        unit: what is simulated.
    """
    parser = argparse.ArgumentParser(description=(about or "").split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=runs, help=f"simulated {unit} a cell")
    parser.add_argument("--write", action="store_true", help=f"write into {page.name}")
    given = parser.parse_args()
    text = make(given.runs)
    if not given.write:
        sys.stdout.write(text + "\n")
        return
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")
