"""What a run with API models costs, and how good the forecast is: `make bench-cost`.

A run of the paper's size is forecast with `aloe simulate --dry-run` at three price points. Then the
forecast is held against runs on the load server: a pilot is forecast from the settings alone, and
as many trees again from what the pilot's calls have taken.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aloe.files.writing import replace_text
from aloe.number_format import say_count
from tests.performance.simulate import load_server

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "results" / "cost.md"
TREES, TURNS, USERS = 3000, 10, 3310
"""Of the paper's data."""
PRICES = {"small": (0.15, 0.6), "middle": (1.0, 4.0), "large": (3.0, 15.0)}
"""US dollars for a million tokens read and written."""
MODEL = "priced"
ALOE = [sys.executable, "-m", "aloe"]

Figures = dict[str, float]
COUNTED = {"calls": ("calls",), "tokens": ("input_tokens", "output_tokens")}
"""What is compared, and the figures that are added up for it."""


def run_aloe(*words: object) -> dict[str, Any]:
    """Run a command and return its line of JSON."""
    line = [*ALOE, *map(str, words), "--json"]
    environment = {**os.environ, "OPENAI_API_KEY": "none"}
    ran = subprocess.run(line, check=True, capture_output=True, text=True, env=environment)
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


def write_settings(path: Path, prices: tuple[float, float]) -> Path:
    """Write settings that name nothing but the prices."""
    read, wrote = prices
    path.write_text(f'[prices."{MODEL}"]\ninput = {read}\noutput = {wrote}\n', encoding="utf-8")
    return path


def forecast_paper(place: Path, personas: Path) -> dict[str, dict[str, Any]]:
    """Return the forecast of a run of the paper's size at each price point."""
    found = {}
    for name, prices in PRICES.items():
        config = write_settings(place / f"{name}.toml", prices)
        given = ("--config", config, "--model", f"openai:{MODEL}", "--personas", personas)
        size = ("--trees", TREES, "--turns", TURNS)
        out = place / "none"
        found[name] = run_aloe("simulate", *given, *size, "--out", out, "--dry-run")["forecast"]
    return found


def check_forecast(place: Path, personas: Path, trees: int) -> list[tuple[str, Figures, Figures]]:
    """Return what was forecast and what was taken: of a pilot, and of as many trees again."""
    config = write_settings(place / "pilot.toml", PRICES["small"])
    found = []
    with load_server(0.0) as url:
        for name, count in (("from the settings", trees), ("from the pilot", 2 * trees)):
            given = ("--config", config, "--model", f"openai:{MODEL}@{url}", "--personas", personas)
            size = ("--trees", count, "--turns", TURNS, "--out", place / "pilot")
            ahead = run_aloe("simulate", *given, *size, "--dry-run")["forecast"]["most"]
            took = run_aloe("simulate", *given, *size, "--quiet")
            found.append((name, ahead, took))
    return found


def add_up(figures: Mapping[str, float], names: tuple[str, ...]) -> float:
    """Return the sum of some figures."""
    return sum(figures[name] for name in names)


def markdown(
    paper: Mapping[str, Mapping[str, Any]], checked: list[tuple[str, Figures, Figures]], trees: int
) -> str:
    """Return the page."""
    most = next(iter(paper.values()))["most"]
    costs = "\n".join(
        f"| {name} | {PRICES[name][0]:.2f} / {PRICES[name][1]:.2f} | {each['most']['cost']:,.0f} | "
        f"{each['most']['batched']:,.0f} |"
        for name, each in paper.items()
    )
    rows = []
    for name, ahead, took in checked:
        for what, names in COUNTED.items():
            forecast, real = add_up(ahead, names), add_up(took, names)
            rows.append(
                f"| {name} | {what} | {forecast:,.0f} | {real:,.0f} | {forecast / real - 1:+.1%} |"
            )
    table = "\n".join(rows)
    read, wrote = say_count(most["input_tokens"]), say_count(most["output_tokens"])
    return f"""\
# What a run with API models costs

Written by `make bench-cost`.

A run of the paper's size is {TREES:,} trees of {TURNS} turns with {USERS:,} users to draw from.
With the default settings (two assistants, one judge who reads both orders, one branch)
`aloe simulate --dry-run` forecasts {say_count(most["calls"])} calls, {read} tokens read and
{wrote} written. No call was made for these figures. They take replies to fill 70% of their limit,
and prompts to hold the whole conversation. Cached prompts, which most servers bill at a discount,
are not counted.

| price point | $ a million tokens, read / written | $ | $ with `--batch` |
|---|---:|---:|---:|
{costs}

With `--batch` the run takes {most["rounds"]} rounds, one after the other, of at most 24 hours each.

## How good is the forecast?

Compared with runs of {trees} trees of {TURNS} turns on a server that answers at once. Its replies
are shorter than the settings allow, as real ones may be, so the tokens forecast from the settings
are an upper bound. After a pilot the same command forecasts from what the pilot's calls took. Run
one before a run that costs real money.

| forecast | of | forecast | taken | off by |
|---|---|---:|---:|---:|
{table}
"""


def main() -> None:
    """Forecast, check, print and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trees", type=int, default=20)
    parser.add_argument("--out", type=Path, default=PAGE)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        personas = place / "personas.jsonl"
        run_aloe("personas", "export", "--count", USERS, "--seed", 1, "--out", personas)
        paper = forecast_paper(place, personas)
        checked = check_forecast(place, personas, given.trees)
    page = markdown(paper, checked, given.trees)
    print(page)
    replace_text(given.out, page)


if __name__ == "__main__":
    main()
