"""The report of a bench run: one HTML page to look at, and the files to cite and compute from.

    report.html        numbers, curves, and every dialogue with its ratings, in one page
    card.md            the snippet for a model card
    scores.parquet     one row a rating, where pyarrow is installed
    plots/SUITE.{png,svg}   the curves, where matplotlib is installed

The page is computed from the folder and holds nothing that the folder does not. Dialogues travel in
it as data and are drawn when a case is opened, so that a page of a thousand dialogues opens fast.
"""

import importlib.util
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aloe.benchmark.card import (
    UNKNOWN_JUDGE,
    card,
    figure_rows,
    missing,
    repeating,
    shown,
    suites,
)
from aloe.benchmark.cases import Case
from aloe.benchmark.figures import Figure
from aloe.benchmark.folder import Bench
from aloe.benchmark.parquet import write_parquet
from aloe.benchmark.plots import write_plots
from aloe.benchmark.results import SuiteResult
from aloe.benchmark.scores import ReplyScores, Shown
from aloe.benchmark.tables import LABELS
from aloe.chart import Curve
from aloe.config import Condition
from aloe.files.writing import replace_text
from aloe.graphs.dialogue import PRESCRIBED
from aloe.page import (
    Html,
    escaped,
    fold,
    heading,
    joined,
    line_chart,
    page,
    paragraph,
    section,
    strip,
    table,
    tag,
    tiles,
    warning,
)
from aloe.passport import Passport
from aloe.schema import Tree

MEANINGS = {
    "AL(k)": "mean rating of the k-th reply over the dialogues that have one",
    "gain": "AL for the user's own persona minus AL for a swapped one: a good answer that would "
    "suit anybody scores 0. This is the primary figure.",
    "IR": "slope of a least-squares line through AL(k), in levels a turn",
    "N-IR": "the same slope after AL(k) is stretched onto 0..1; it forgets how large a gain is",
    "R2": "share of the variance of AL(k) that the line explains; N-R2 is the same number",
    "intervals": "95%, with profiles and personalities as clusters: what a sign-flip test does not "
    "reject; none with fewer than six of them",
    "missing": "a failed call or an unreadable answer; nothing is put in its place",
}

_SCRIPT = Path(__file__).with_name("report.js")


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
    replace_text(written[0], html(bench, passports))
    replace_text(written[1], card(bench, passports))
    if importlib.util.find_spec("pyarrow"):
        written.append(bench.path / "scores.parquet")
        write_parquet(bench, written[-1])
    else:
        lacking.append("pyarrow")
    if importlib.util.find_spec("matplotlib"):
        (bench.path / "plots").mkdir(exist_ok=True)
        written += write_plots(bench, bench.path / "plots")
    else:
        lacking.append("matplotlib")
    return written, lacking


def html(bench: Bench, passports: Sequence[Passport] = ()) -> str:
    """Return the page of a bench."""
    result, model = bench.result, next(iter(bench.result["conditions"].values()))["model"]
    note = f"{result['cases']}: {len(bench.cases)} cases, repetitions of each: {result['seeds']}"
    rows = {condition: bench.rows(condition) for condition in bench.conditions}
    parts = [heading(f"ALOE benchmark: {model}", note)]
    if not result["complete"]:
        parts.append(warning("Incomplete: more than 5% of the ratings are missing."))
    parts += [warning(text) for text in result["warnings"]]
    for suite, by_condition in suites(bench).items():
        parts += _suite(suite, by_condition, result["conditions"])
    parts += [
        section("Judges", *_judges(bench, passports)),
        section("Cases", *_cases(bench.cases, rows.get("candidate") or next(iter(rows.values())))),
        section("To repeat it", table(["", ""], repeating(bench).items(), numeric=False)),
        section("What the words mean", table(["", ""], MEANINGS.items(), numeric=False)),
    ]
    facts = {
        fact.id: fact.text
        for case in bench.cases
        for persona in (case.persona, case.persona_at(case.turns))
        for fact in persona.facts
    }
    data = {"facts": facts, "dialogues": _dialogues(bench, rows), "judges": _judge_names(rows)}
    script = _SCRIPT.read_text(encoding="utf-8")
    return page(f"ALOE benchmark: {model}", *parts, script=script, data=data)


def _suite(
    name: str, by_condition: Mapping[str, SuiteResult], conditions: Mapping[str, Any]
) -> list[Html]:
    main = next(iter(by_condition.values()))
    low, high = main.scale
    about = (
        f"{main.cases} cases, {main.dialogues} dialogues, levels {low:g} to {high:g}. Intervals "
        f"are 95% and rest on {main.clusters} clusters."
    )
    legend = [
        [name, str(conditions[name]["model"]), str(conditions[name]["about"])]
        for name in by_condition
    ]
    return [
        section(
            name,
            paragraph(about, "dim"),
            tiles(_tiles(main)),
            tag("div", *_charts(by_condition), class_="charts"),
            table(["", *by_condition], figure_rows(dict(by_condition))),
            tag("h3", escaped("Conditions")),
            table(["condition", "model", "what it is"], legend, numeric=False),
            tag("h3", escaped("What is missing, and what went wrong")),
            table(["condition", *_FAULTS], [_faults(*each) for each in by_condition.items()]),
        )
    ]


def _tiles(result: SuiteResult) -> list[tuple[str, str, str]]:
    found = []
    for name in ("gain", "al_mean", "ir", "recall", "over_personalisation"):
        if name in result.figures:
            value, _, interval = shown(name, result.figures[name]).partition(" ")
            found.append((LABELS[name].strip(), value, interval))
    count, _, reasons = missing(result).partition(" (")
    return [*found, ("missing ratings", count, reasons.rstrip(")"))]


_FAULTS = ("missing ratings", "empty replies", "cases the user spoiled", "the user's faults")


def _faults(name: str, result: SuiteResult) -> list[str]:
    faults = ", ".join(f"{count} {fault}" for fault, count in result.user_faults.items())
    return [name, missing(result), str(result.empty), str(result.spoiled_cases), faults or "none"]


def _charts(by_condition: Mapping[str, SuiteResult]) -> list[Html]:
    main = next(iter(by_condition.values()))
    own = [_curve(name, result.curves["own"]) for name, result in by_condition.items()]
    swapped = _curve("swapped persona", main.curves["swapped"], band=False)
    gains = [_curve(name, result.curves["gain"]) for name, result in by_condition.items()]
    return [
        line_chart([*own, swapped], title="AL(k)", x_label="turn k", y_label="level"),
        line_chart(gains, title="Gain: own - swapped", x_label="turn k", y_label="levels"),
    ]


def _curve(name: str, figures: Sequence[Figure], *, band: bool = True) -> Curve:
    return Curve(
        name=name,
        levels=[figure.value for figure in figures],
        low=[figure.low for figure in figures] if band else (),
        high=[figure.high for figure in figures] if band else (),
        dashed=not band,
    )


def _judges(bench: Bench, passports: Sequence[Passport]) -> list[Html]:
    parts = []
    for suite, by_condition in suites(bench).items():
        agreement = next(iter(by_condition.values())).agreement
        rows = [
            [name, _number(level), _number(agreement.gains[name])]
            for name, level in agreement.judges.items()
        ]
        parts.append(table([f"judge, {suite}", "mean level", "gain"], rows))
        if agreement.single is not None:
            parts.append(
                paragraph(
                    f"Agreement, ICC: {agreement.single:.2f} of a single judge, "
                    f"{_number(agreement.average)} of their mean."
                )
            )
    parts += [
        joined(
            tag("h3", escaped("Passport")),
            table(["", ""], each.summary().items(), numeric=False),
        )
        for each in passports
    ]
    return parts if passports else [*parts, paragraph(UNKNOWN_JUDGE.replace("`", ""))]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _cases(cases: Sequence[Case], rows: Iterable[ReplyScores]) -> list[Html]:
    by_case: dict[str, list[ReplyScores]] = defaultdict(list)
    for row in rows:
        by_case[row.case].append(row)
    options = {"number": "in the order of the suite", "gain": "least gain first"}
    options |= {"level": "lowest level first", "missing": "most missing first"}
    tools = tag(
        "div",
        tag(
            "select",
            *(tag("option", escaped(text), value=name) for name, text in options.items()),
            id="order",
            aria_label="order of the cases",
        ),
        tag("input", id="filter", type="search", placeholder="only cases that say ..."),
        class_="tools",
    )
    folds = [_case(number, case, by_case[case.id]) for number, case in enumerate(cases)]
    about = (
        "One line a case: AL(k) by turn (darker is higher, dotted is missing), life x temper, mean "
        "level and gain. Open one to read its dialogues with every rating."
    )
    return [paragraph(about, "dim"), tools, tag("div", *folds, id="cases")]


def _case(number: int, case: Case, rows: Sequence[ReplyScores]) -> Html:
    levels = [_mean(row for row in rows if row.turn == k + 1) for k in range(case.turns)]
    own, gain = _mean(rows), _gain(rows)
    unrated = sum(score.value is None for row in rows for score in row.scores)
    low, high = (0.0, 1.0) if case.persona.preferences else (1.0, 5.0)
    figures = f"AL {_number(own)}, gain {_number(gain)}" + (
        f", {unrated} missing" if unrated else ""
    )
    return fold(
        joined(
            strip(levels, low, high),
            tag("b", escaped(f"{case.profile} x {case.personality}")),
            tag("span", escaped(f" {figures}"), class_="small"),
        ),
        tag("p", escaped(case.why), class_="small dim"),
        *_played(case),
        class_="case",
        id=f"case-{case.id}",
        data_case=case.id,
        data_number=number,
        data_gain="" if gain is None else f"{gain:.4f}",
        data_level="" if own is None else f"{own:.4f}",
        data_missing=-unrated,
    )


def _played(case: Case) -> list[Html]:
    said = {"Life": case.persona.profile, "Temper": case.persona.personality}
    if case.flip:
        said[f"From turn {case.flip.turn}"] = case.flip.persona.personality
    if case.mood:
        said["Mood"] = case.mood
    return [
        tag("p", tag("b", escaped(f"{name}: ")), escaped(text), class_="small")
        for name, text in said.items()
    ]


def _level(row: ReplyScores, whose: Shown) -> float | None:
    """Return the mean over the judges; None if one of them is missing, as in the figures."""
    values = [score.value for score in row.of(whose)]
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None


def _mean(rows: Iterable[ReplyScores], whose: Shown = "own") -> float | None:
    levels = [level for row in rows if (level := _level(row, whose)) is not None]
    return float(np.mean(levels)) if levels else None


def _gain(rows: Iterable[ReplyScores]) -> float | None:
    pairs = [(_level(row, "own"), _level(row, "swapped")) for row in rows]
    gains = [own - swapped for own, swapped in pairs if own is not None and swapped is not None]
    return float(np.mean(gains)) if gains else None


def _judge_names(rows: Mapping[Condition, Sequence[ReplyScores]]) -> list[str]:
    return sorted({score.judge for each in rows.values() for row in each for score in row.scores})


def _dialogues(
    bench: Bench, rows: Mapping[Condition, Sequence[ReplyScores]]
) -> dict[str, list[dict[str, Any]]]:
    """Return the dialogues by case, as the script reads them."""
    judges = {name: number for number, name in enumerate(_judge_names(rows))}
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for condition, each in rows.items():
        held: dict[str, list[ReplyScores]] = defaultdict(list)
        for row in each:
            held[row.dialogue].append(row)
        trees = {tree.id: tree for tree in bench.trees(condition)}
        for name, replies in held.items():
            replies.sort(key=lambda row: row.turn)
            found[replies[0].case].append(
                {
                    "title": _title(condition, replies),
                    "turns": [_turn(row, trees.get(name), judges) for row in replies],
                }
            )
    return found


def _title(condition: str, rows: Sequence[ReplyScores]) -> str:
    level, gain = _number(_mean(rows)), _number(_gain(rows))
    return f"{condition}, repetition {rows[0].seed + 1}: AL {level}, gain {gain}"


def _turn(row: ReplyScores, tree: Tree | None, judges: Mapping[str, int]) -> dict[str, Any]:
    nodes = tree.by_id if tree else {}
    user, reply = nodes.get(row.user or ""), nodes.get(row.reply or "")
    return {
        "k": row.turn,
        "u": user.content if user else "(the dialogue failed before this message)",
        "p": bool(user and user.agent == PRESCRIBED),
        "f": row.user_faults,
        "r": reply.content if reply else None,
        "w": row.words,
        "s": [[judges[s.judge], s.shown, s.value, s.missing, s.raw] for s in row.scores],
        "used": row.used,
        "mind": row.mind_reading,
        "n": _notes(row),
        "after": _afterwards(row, tree),
    }


def _afterwards(row: ReplyScores, tree: Tree | None) -> dict[str, str] | None:
    """Return what the candidate was asked after the last turn, and what came of it."""
    answer = tree.by_id.get(row.recall.answer) if tree and row.recall else None
    if tree is None or row.recall is None or answer is None or answer.parent is None:
        return None
    found = f"{row.recall.found} of {row.recall.stated} statements recalled, "
    found += f"{row.recall.right} of {row.recall.listed} sentences right"
    question = tree.by_id[answer.parent].content
    return {"question": question, "answer": answer.content, "found": found}


def _notes(row: ReplyScores) -> list[tuple[str, bool]]:
    """Return what else was found in a reply, each with whether it is a fault."""
    said = {
        ("said nothing", True): row.empty,
        ("repeats the user", True): row.parroting,
        ("personal where it should not be", True): row.personal,
        ("answers the probe wrongly", True): row.right is False,
        ("answers the probe rightly", False): row.right,
    }
    return [note for note, true in said.items() if true]
