"""The report of a bench run: an HTML page, and files to cite and compute from.

    report.html        numbers, curves, and every dialogue with its ratings, in one page
    card.md            the snippet for a model card
    scores.parquet     one row a rating, where pyarrow is installed
    plots/SUITE.{png,svg}   the curves, where matplotlib is installed

The page is computed from the folder alone; `report.html` beside this file is its template.
"""

import importlib.util
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from aloe.benchmark.bench_result import PlayedCondition
from aloe.benchmark.card import (
    collect_provenance,
    describe_judges,
    figure_rows,
    format_named,
    render_card,
)
from aloe.benchmark.case import Case
from aloe.benchmark.figures import SCALES, Figure, sample
from aloe.benchmark.folder import SCORES, Bench, find_parts
from aloe.benchmark.parquet import write_parquet
from aloe.benchmark.plots import write_plots
from aloe.benchmark.reply_levels import mean_gain, mean_level
from aloe.benchmark.report_dialogues import collect_dialogues, format_level
from aloe.benchmark.scores import ReplyScores
from aloe.benchmark.suite_result import SuiteResult, tabulate_turns
from aloe.benchmark.tables import LABELS, name_columns
from aloe.chart import Chart, Curve, format_counts
from aloe.config import Condition
from aloe.files.writing import replace_text
from aloe.number_format import counted
from aloe.page import Live, render_page
from aloe.passport import Passport

MEANINGS = {
    "AL(k)": "mean rating of the k-th reply over the dialogues that have one",
    "gain": "AL for the user's own persona minus AL for a swapped one: a good answer that would "
    "suit anybody scores 0. This is the primary figure.",
    "known of user": "share of the wishes (or statements) that the user has told; what came up "
    "on schedule would have been told whatever the model said",
    "IR": "slope of a least-squares line through AL(k), in levels a turn",
    "N-IR": "the same slope after AL(k) is stretched onto 0..1; it forgets how large a gain is",
    "R2": "share of the variance of AL(k) that the line explains; N-R2 is the same number",
    "intervals": "95%, with profiles and personalities as clusters: what a sign-flip test does not "
    "reject; none with fewer than six of them",
    "missing": "a failed call or an unreadable answer; nothing is put in its place",
}

TEMPLATE = Path(__file__).with_name("report.html")


def write_report(bench: Bench, passports: Sequence[Passport] = ()) -> tuple[list[Path], list[str]]:
    """Write the report into the bench folder.

    Args:
        bench: a finished bench.
        passports: of its judges, as far as there are any.

    Returns:
        The files that were written, and the packages that others would have needed.

    Raises:
        InputError: the bench has no result yet, or a file of it is broken.
        StoreError: a file cannot be written.
    """
    written, lacking = [bench.path / "report.html", bench.path / "card.md"], []
    replace_text(written[0], render_report(bench, passports))
    replace_text(written[1], render_card(bench, passports))
    if importlib.util.find_spec("pyarrow"):
        written.append(bench.path / "scores.parquet")
        write_parquet(bench, written[-1])
    else:
        lacking.append("pyarrow")
    if importlib.util.find_spec("matplotlib"):
        written += write_plots(bench, bench.path / "plots")
    else:
        lacking.append("matplotlib")
    return written, lacking


def render_report(
    bench: Bench, passports: Sequence[Passport] = (), live: Live | None = None
) -> str:
    """Return the page of a bench; of one that has no result yet, what is rated so far.

    Args:
        bench: the bench.
        passports: of its judges, as far as there are any.
        live: where a served page asks for news.
    """
    result = bench.result if bench.finished else None
    rows = {condition: bench.rows(condition) for condition in bench.conditions}
    suites = result.suites.items() if result else ()
    sections = {f"suite-{place}": name for place, (name, _) in enumerate(suites, 1)}
    return render_page(
        TEMPLATE,
        f"ALOE benchmark: {bench.config.benchmark.candidate.model}",
        collect_dialogues(bench, rows),
        live=live,
        note=_note(bench, rows),
        status=describe_state(bench),
        sections=[*sections.items(), ("cases-list", "Cases"), ("trust", "How far to trust it")],
        warnings=_warnings(bench) if result else [],
        suites=[_suite(*each, result.conditions, rows) for each in suites] if result else [],
        passports=[each.summary() for each in passports],
        about_judges=describe_judges(bench).replace("`", ""),
        cases=list(_cases(bench.cases, rows.get("candidate") or next(iter(rows.values()), []))),
        repeating=collect_provenance(bench) if result else {},
        meanings=MEANINGS,
    )


def describe_state(bench: Bench) -> str:
    """Return how a bench stands; empty if it is finished and nobody is at work."""
    return "running" if bench.running else "" if bench.finished else "unfinished"


def _note(bench: Bench, rows: Mapping[Condition, Sequence[ReplyScores]]) -> str:
    settings = bench.config.benchmark
    cases = counted(len(bench.cases), "case")
    said = f"{settings.cases}: {cases}, repetitions of each: {settings.seeds}"
    if bench.finished:
        return said
    planned = len(bench.cases) * settings.seeds
    begun = [part.name for part in find_parts(bench.path)[1:] if not (part / SCORES).exists()]
    rated = [
        *(
            f"{name} {len({r.dialogue for r in found})} of {planned}"
            for name, found in rows.items()
        ),
        *(f"{name} 0 of {planned}" for name in begun),
    ]
    return f"{said}. Rated so far: {', '.join(rated)}. Figures come with the last dialogue."


def _warnings(bench: Bench) -> list[str]:
    gaps = bench.result.describe_gaps()
    return [*([f"Incomplete: {gaps}."] if gaps else []), *bench.warnings]


def _suite(
    name: str,
    by_condition: Mapping[Condition, SuiteResult],
    conditions: Mapping[Condition, PlayedCondition],
    rows: Mapping[Condition, Sequence[ReplyScores]],
) -> dict[str, Any]:
    """Return what the page says of one suite."""
    main = next(iter(by_condition.values()))
    low, high = main.scale
    counts = {c: _count_cells(name, rows[c]) for c in by_condition if c in rows}
    return {
        "name": name,
        "about": f"{counted(main.cases, 'case')}, {counted(main.dialogues, 'dialogue')}, "
        f"levels {low:g} to {high:g}. "
        f"Intervals are 95% and rest on {counted(main.clusters, 'cluster')}.",
        "tiles": list(_tiles(main)),
        "charts": _charts(by_condition, counts),
        "conditions": name_columns(by_condition),
        "figures": figure_rows(by_condition),
        "legend": [(each, conditions[each].model, conditions[each].about) for each in by_condition],
        "faults": [_faults(*each) for each in by_condition.items()],
        "judges": _judges(main),
        "agreement": _agreement(main),
    }


def _tiles(result: SuiteResult) -> Iterator[tuple[str, str, str]]:
    for name in ("gain", "al_mean", "ir", "known", "recall", "over_personalisation"):
        if name in result.figures:
            value, _, interval = format_named(name, result.figures[name]).partition(" ")
            yield LABELS[name].strip(), value, interval
    count, _, reasons = result.describe_missing().partition(" (")
    yield "missing ratings", count, reasons.rstrip(")")


def _faults(name: str, result: SuiteResult) -> list[str]:
    faults = ", ".join(f"{count} {fault}" for fault, count in result.user_faults.items())
    return [
        name,
        result.describe_missing(),
        str(result.empty),
        format_named("cut_off", result.figures.get("cut_off")),
        str(result.spoiled_cases),
        faults or "none",
    ]


def _count_cells(suite: str, rows: Iterable[ReplyScores]) -> dict[str, list[int]]:
    """Return on how many dialogues of a suite each curve rests, by turn."""
    tables = tabulate_turns(sample([row for row in rows if row.suite == suite]))
    return {name: (~np.isnan(table)).sum(axis=0).tolist() for name, table in tables.items()}


def _charts(
    by_condition: Mapping[Condition, SuiteResult],
    counts: Mapping[Condition, Mapping[str, Sequence[int]]],
) -> list[Chart]:
    """Return the curves of a suite, on axes that are the same for every bench of its scale."""
    main = next(iter(by_condition.values()))
    low, high = main.scale
    quarter = (high - low) / 4
    charts = (
        ("Alignment: AL(k)", "own", "level", main.scale),
        ("Gain: own minus swapped persona", "gain", "levels", (-quarter, quarter)),
        ("What is known of the user", "known", "share", (0.0, 1.0)),
    )
    found = []
    for title, name, unit, axis in charts:
        within = None if name == "gain" else axis
        curves = [
            _curve(condition, result.curves[name], within)
            for condition, result in by_condition.items()
            if name in result.curves
        ]
        rests = [each[name] for each in counts.values() if name in each]
        if name == "own":
            rests += [each["swapped"] for each in counts.values()][:1]
            swapped = _curve("swapped persona", main.curves["swapped"])
            curves.append(replace(swapped, low=(), high=(), dashed=True))
        if curves:
            found.append(
                Chart(
                    title=title,
                    x_label="turn k",
                    y_label=unit,
                    curves=curves,
                    axis=axis,
                    counts=[*map(format_counts, zip_longest(*filter(any, rests), fillvalue=0))],
                    counted="dialogues",
                )
            )
    return found


def _curve(
    name: str, figures: Sequence[Figure], within: tuple[float, float] | None = None
) -> Curve:
    """Return a curve with its band, cut off where no level can be."""
    least, greatest = within or (-inf, inf)
    return Curve(
        name=name,
        levels=[figure.value for figure in figures],
        low=[None if each.low is None else max(each.low, least) for each in figures],
        high=[None if each.high is None else min(each.high, greatest) for each in figures],
    )


def _judges(result: SuiteResult) -> list[list[str]]:
    levels, gains = result.agreement.judges, result.agreement.gains
    return [[name, format_level(levels[name]), format_level(gains[name])] for name in levels]


def _agreement(result: SuiteResult) -> str:
    agreement = result.agreement
    if agreement.single is None:
        return ""
    return (
        f"Agreement, ICC: {format_level(agreement.single)} of a single judge, "
        f"{format_level(agreement.average)} of their mean."
    )


def _cases(cases: Sequence[Case], rows: Iterable[ReplyScores]) -> Iterator[dict[str, Any]]:
    """Yield what is shown of each case before it is opened."""
    by_case: dict[str, list[ReplyScores]] = defaultdict(list)
    for row in rows:
        by_case[row.case].append(row)
    for case in cases:
        replies = by_case[case.id]
        level, gain = mean_level(replies), mean_gain(replies)
        unrated = sum(score.value is None for row in replies for score in row.scores)
        figures = f"AL {format_level(level)}, gain {format_level(gain)}"
        yield {
            "id": case.id,
            "name": f"{case.profile} x {case.personality}",
            "figures": figures + (f", {unrated} missing" if unrated else ""),
            "levels": [
                mean_level(row for row in replies if row.turn == k + 1) for k in range(case.turns)
            ],
            "scale": SCALES["rule" if case.by_rule else "model"],
            "gain": "" if gain is None else f"{gain:.4f}",
            "level": "" if level is None else f"{level:.4f}",
            "missing": unrated,
        }
