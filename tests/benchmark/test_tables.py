import re
from io import StringIO

import numpy as np
import pytest
from rich.console import Console, RenderableType
from rows import table

from aloe.benchmark.card import format_named
from aloe.benchmark.compare import ComparisonRow, Side, compare
from aloe.benchmark.figures import Figure
from aloe.benchmark.markdown import format_interval, format_percent
from aloe.benchmark.suite_result import SuiteResult, compute_suites
from aloe.benchmark.tables import LABELS, SHARES, comparison_view, interval, suite_view

RISING = np.linspace(2, 4, 10) + np.random.default_rng(1).normal(0, 0.2, (12, 10))


def text(view: RenderableType, width: int = 80) -> str:
    out = StringIO()
    Console(file=out, width=width).print(view)
    return out.getvalue()


def found(rows) -> dict[str, SuiteResult]:
    return compute_suites(rows)["s"]


def test_everything_fits_eighty_columns_without_colour() -> None:
    rows = [
        row
        for control in ("candidate", "ceiling", "no-history")
        for row in table(RISING, RISING - 1, judges={"a": 0.0, "b": 0.5}, control=control)
    ]
    shown = text(suite_view("s", found(rows), 80))
    assert max(map(len, shown.splitlines())) <= 80
    assert "\x1b" not in shown
    assert "…" not in shown
    for words in ("gain: AL own - swapped", "no-history", "ICC", "missing ratings: 0 of 480"):
        assert words in shown


@pytest.mark.parametrize("width", [60, 80, 160])
def test_the_curve_rises_where_the_levels_do(width: int) -> None:
    shown = text(suite_view("s", found(table(RISING, RISING - 1)), width), width)
    lines = [line for line in shown.splitlines() if "●" in line and "○" in line][:10]
    places = [line.index("●") for line in lines]
    assert places == sorted(places)
    assert places[0] < places[-1]
    assert all(line.index("○") < line.index("●") for line in lines)


def test_an_incomplete_run_says_so() -> None:
    holes = np.where(RISING > 3, np.nan, RISING)
    shown = text(suite_view("s", found(table(holes)), 80))
    assert "INCOMPLETE" in shown
    assert "judge)" in shown


def test_an_incomplete_control_says_so() -> None:
    holes = np.where(RISING > 3, np.nan, RISING)
    rows = [*table(RISING, RISING - 1), *table(holes, holes - 1, control="ceiling")]
    shown = text(suite_view("s", found(rows), 80))
    assert "missing ratings: 0 of 240\n" in shown
    assert re.search(r"^ceiling\s.*\(incomplete\)", shown, re.MULTILINE | re.DOTALL)
    assert re.search(r"missing ratings, ceiling: \d+ of 240 \(\d+ judge\)", shown)
    assert "…" not in shown


def test_comparisons_show_signs_and_both_p_values() -> None:
    sides = [Side(name="a", rows=table(RISING)), Side(name="b", rows=table(RISING + 0.5))]
    shown = text(comparison_view(compare(sides)))
    assert "b minus a" in shown
    assert "+0.500" in shown
    assert "Holm" in shown
    assert "<0.001" in shown


def test_a_sentence_says_what_is_significant_and_what_could_not_be_compared() -> None:
    def line(metric: str, value: float | None, p: float | None) -> ComparisonRow:
        figure = Figure(value=value, count=3)
        return ComparisonRow(
            suite="s", metric=metric, base="a", other="b", difference=figure, p_value=p, p_holm=p
        )

    gain, needless = line("gain", 0.1, 0.01), line("needless", None, None)
    asked, late = line("questions", -0.2, 0.02), line("al_last", 0.1, 0.3)
    shown = " ".join(text(comparison_view([gain, asked, late, needless]), 200).split())
    assert (
        "after Holm's correction, at 5%, b is higher in 1 of 3 figures (gain: AL own - swapped) "
        "and lower in 1 of 3 figures (questions per reply); the rest may be chance" in shown
    )
    assert "left out: 1 figure that no dialogue has on both sides (needless" in shown
    assert shown.count("needless") == 1
    assert "higher or lower in none: all may be chance" in text(comparison_view([late]), 200)
    assert "Holm's" not in text(comparison_view([needless]))


def test_intervals_have_no_signed_zero() -> None:
    assert interval(Figure(value=1.0, count=3)) == "-"
    noise = Figure(value=-1e-9, low=-1e-17, high=0.5, count=3)
    assert format_interval(noise) == "0.000 [0.000, 0.500]"
    assert format_percent(noise) == "0% [0%, +50%]"
    assert format_named("gain", noise) == "0.000 (0.000 to 0.500)"


def test_every_share_has_a_label() -> None:
    assert LABELS.keys() >= SHARES
