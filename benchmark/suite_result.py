"""All numbers of one suite under one condition, from its rows.

Primary is the gain: how much better replies suit the user they were written for than somebody
else. The levels of the paper stand beside it for comparison, and what may explain them away stands
below: length, parroting, mind-reading, the simulated user's faults, ratings that are missing.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Self

import numpy as np
from pydantic import model_validator

from aloe.benchmark.agreement import intraclass_correlation
from aloe.benchmark.elicitation_figures import compute_elicitation, measure_known
from aloe.benchmark.figures import Figure, Sample, length_terms, sample
from aloe.benchmark.inference import count_clusters
from aloe.benchmark.rare_events import COUNT, FREE, SHARE
from aloe.benchmark.scores import ReplyScores
from aloe.benchmark.statistics import (
    Array,
    average_level,
    divide,
    explained_variance,
    level_slope,
    normalised_slope,
)
from aloe.config import Condition
from aloe.schema import SPOILING, Record

LOW = {"rule": 0.25, "model": 2.0}
"""Highest level that is low, by who gives it: the lower quarter of the scale."""
MOST_MISSING = 0.05
"""Share of missing ratings above which a run is incomplete."""


class Agreement(Record):
    """How far the judges agree about the same replies."""

    judges: dict[str, float | None]
    """Mean rating for the own persona by judge, over the replies that all judges rated."""
    gains: dict[str, float | None]
    """The gain by judge: judges may differ in level and agree about who gains."""
    single: float | None
    """ICC(2,1): of one judge; None for a single judge."""
    average: float | None
    """ICC(2,k): of the mean of all."""

    @model_validator(mode="after")
    def _judges_are_the_same(self) -> Self:
        if self.judges.keys() != self.gains.keys():
            raise ValueError("judges and gains are not of the same judges")
        return self


class SuiteResult(Record):
    """The numbers of one suite under one condition."""

    scale: tuple[float, float]
    """Lowest and highest level that a judge can give."""
    cases: int
    dialogues: int
    clusters: int
    """Profiles or personalities, whichever are fewer but more than one: what the intervals rest
    on."""
    curves: dict[str, tuple[Figure, ...]]
    """AL(k) by turn: `own`, `swapped`, `gain`; and `known`, the share of what there is to find out
    that the user has told by then, where that is recorded."""
    figures: dict[str, Figure]
    """By name; see docs/benchmark.md."""
    ratings: int
    """Ratings that there should be."""
    missing: dict[str, int]
    """Ratings that are missing, by reason."""
    incomplete: bool
    """Whether more than `MOST_MISSING` of them are."""
    user_faults: dict[str, int]
    """The simulated user's messages by fault."""
    spoiled_cases: int
    """Cases with a dialogue that the simulated user spoiled."""
    empty: int
    """Replies in which the candidate said nothing."""
    agreement: Agreement
    by_seed: tuple[float | None, ...]
    """The gain (the level, if there is no swap) of each repetition."""

    def describe_missing(self) -> str:
        """Return how many ratings are missing, and why, as a person reads it."""
        count = sum(self.missing.values())
        reasons = ", ".join(f"{number} {why}" for why, number in sorted(self.missing.items()))
        return f"{count} of {self.ratings}" + (f" ({reasons})" if reasons else "")

    @model_validator(mode="after")
    def _curves_are_there(self) -> Self:
        if lacking := {"own", "swapped", "gain"} - self.curves.keys():
            raise ValueError(f"curves lack {', '.join(sorted(lacking))}")
        if len({len(curve) for curve in self.curves.values()}) > 1:
            raise ValueError("curves differ in their number of turns")
        return self


def compute_suites(
    rows: Iterable[ReplyScores],
) -> dict[str, dict[Condition, SuiteResult]]:
    """Return the numbers by suite and condition.

    Args:
        rows: of all conditions.
    """
    found: dict[tuple[str, Condition], list[ReplyScores]] = {}
    for row in rows:
        found.setdefault((row.suite, row.control), []).append(row)
    table: dict[str, dict[Condition, SuiteResult]] = {}
    for (suite, condition), each in found.items():
        table.setdefault(suite, {})[condition] = compute_suite(each)
    return table


def compute_suite(rows: Sequence[ReplyScores]) -> SuiteResult:
    """Return the numbers of one suite under one condition."""
    data = sample(rows)
    scores = [score for row in rows for score in row.scores]
    missing = Counter(score.missing for score in scores if score.missing)
    tables = tabulate_turns(data)
    own, gain = tables["own"], tables["gain"]
    limits = {"own": data.scale, "swapped": data.scale, "gain": FREE, "known": SHARE}
    faults = Counter(fault for row in rows for fault in row.user_faults)
    return SuiteResult(
        scale=data.scale,
        cases=len({row.case for row in rows}),
        dialogues=len(data.dialogues),
        clusters=count_clusters(data.profiles, data.personalities),
        curves={name: data.curve(table, bounds=limits[name]) for name, table in tables.items()},
        figures=_figures(data, own, gain),
        ratings=len(scores),
        missing={str(reason): count for reason, count in missing.items()},
        incomplete=is_incomplete(rows),
        user_faults=dict(faults),
        spoiled_cases=len({row.case for row in rows if SPOILING & set(row.user_faults)}),
        empty=sum(row.empty for row in rows),
        agreement=compute_agreement(data),
        by_seed=_by_seed(data, own, gain),
    )


def tabulate_turns(data: Sample) -> dict[str, Array]:
    """Return what the curves are means of, by name; each has the shape (dialogues, turns)."""
    tables = {"own": data.cells("own"), "swapped": data.cells("swapped"), "gain": data.gain}
    known = measure_known(data)
    return tables if np.isnan(known).all() else {**tables, "known": known}


def is_incomplete(rows: Iterable[ReplyScores]) -> bool:
    """Whether more than `MOST_MISSING` of the ratings that there should be are missing."""
    scores = [score for row in rows for score in row.scores]
    return sum(score.value is None for score in scores) > MOST_MISSING * len(scores)


def _figures(data: Sample, own: Array, gain: Array) -> dict[str, Figure]:
    length, at_equal_length = length_terms(own, data.each("words"))
    per_dialogue = {name: _recalls(data, name) for name in ("listed", "right", "found", "stated")}
    figures = {
        "gain": data.figure(average_level, gain),
        "gain_ir": data.figure(level_slope, gain),
        "al_mean": data.figure(average_level, own, bounds=data.scale),
        "swapped_mean": data.figure(average_level, data.cells("swapped"), bounds=data.scale),
        "ir": data.figure(level_slope, own),
        "n_ir": data.figure(normalised_slope, own),
        "r2": data.figure(explained_variance, own, bounds=SHARE),
        "words": data.figure(average_level, data.each("words"), bounds=COUNT),
        "length_effect": data.figure(length, own),
        "ir_at_equal_length": data.figure(at_equal_length, own),
        "cut_off": data.rate("cut_off"),
        "recall": data.ratio(per_dialogue["found"], per_dialogue["stated"]),
        "precision": data.ratio(per_dialogue["right"], per_dialogue["listed"]),
        "f1": _f1(data, per_dialogue),
        "taking_up": data.rate("used"),
        "mind_reading": data.rate("mind_reading"),
        "parroting": data.rate("parroting"),
        "over_personalisation": data.rate("personal"),
        "probes_right": data.rate("right"),
        "spoiled": _spoiled(data),
        "blamed": _blamed(data),
        "user_leaks": data.rate("leaked"),
        "user_drift": data.figure(level_slope, data.each("on_table")),
        **compute_elicitation(data),
    }
    return {name: figure for name, figure in figures.items() if figure.count}


def _recalls(data: Sample, name: str) -> Array:
    last = (row[-1].recall for row in data.rows)
    return np.array([getattr(each, name) if each else 0 for each in last], dtype=np.float64)


def _f1(data: Sample, counts: Mapping[str, Array]) -> Figure:
    def f1(_: Array, weights: Array) -> Array:
        recall, precision = (
            divide(weights @ counts[hits], weights @ counts[of])
            for hits, of in (("found", "stated"), ("right", "listed"))
        )
        total = recall + precision
        return np.where(total == 0, 0.0, divide(2 * recall * precision, total))

    asked = counts["stated"] + counts["listed"]
    whole = data.figure(f1, counts["stated"][:, None], mass=asked, bounds=SHARE)
    return whole.model_copy(update={"count": int(counts["stated"].sum())})


def _spoiled(data: Sample) -> Figure:
    """Return the share of the dialogues that the simulated user spoiled."""
    held = [[row for row in rows if row.reply] for rows in data.rows]
    hits = [any(SPOILING & set(row.user_faults) for row in rows) for rows in held]
    return data.ratio(
        np.array(hits, dtype=np.float64), np.array([bool(rows) for rows in held]) * 1.0
    )


def _blamed(data: Sample) -> Figure:
    """Return the share of the low levels that fall on messages in which the user erred.

    Where a user has spoiled the dialogue models rate no more, so there the rule alone gives levels.
    """
    top = LOW[data.judged_by]
    low = [
        [
            bool(row.user_faults)
            for row in rows
            for score in row.of("own")
            if score.value is not None and score.value <= top
        ]
        for rows in data.rows
    ]
    return data.ratio(
        np.array([sum(each) for each in low], dtype=np.float64),
        np.array([len(each) for each in low], dtype=np.float64),
    )


def compute_agreement(data: Sample) -> Agreement:
    """Return how far the judges agree."""
    own = data.by_judge["own"].reshape(-1, len(data.judges))
    swapped = data.by_judge["swapped"].reshape(own.shape)
    both = intraclass_correlation(own)
    rated = own[~np.isnan(own).any(axis=1)]
    gains = (own - swapped)[~np.isnan(own - swapped).any(axis=1)]
    return Agreement(
        judges=dict(zip(data.judges, _means(rated, len(data.judges)), strict=True)),
        gains=dict(zip(data.judges, _means(gains, len(data.judges)), strict=True)),
        single=both[0] if both else None,
        average=both[1] if both else None,
    )


def _means(table: Array, columns: int) -> list[float | None]:
    return [float(each) for each in table.mean(axis=0)] if len(table) else [None] * columns


def _by_seed(data: Sample, own: Array, gain: Array) -> tuple[float | None, ...]:
    table = own if np.isnan(gain).all() else gain
    seeds = np.array([seed for _, seed in data.dialogues])
    levels = average_level(table, (np.unique(seeds)[:, None] == seeds) * 1.0)
    return tuple(None if np.isnan(level) else level for level in levels.tolist())
