"""Rows of scores for tests, one by one or from a table."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from aloe.benchmark.scores import ReplyScores, Score


def row(
    *,
    scores: list[tuple[str, str, float | None]] | None = None,
    missing: str = "judge",
    **given: Any,
) -> ReplyScores:
    """Return one row; `scores` are (judge, shown, value), and None is missing for that reason."""
    failed = missing in ("user", "candidate")
    listed = scores if scores is not None else [("a", "own", None if failed else 3.0)]
    raw = {
        "suite": "s",
        "case": "c",
        "profile": "p",
        "personality": "q",
        "control": "candidate",
        "seed": 0,
        "turn": 1,
        "dialogue": "d",
        "user": None if failed else "u",
        "reply": None if failed else "r",
        "scores": [
            Score.model_validate(
                {
                    "judge": judge,
                    "shown": shown,
                    "value": value,
                    "missing": missing if value is None else None,
                }
            )
            for judge, shown, value in listed
        ],
        **given,
    }
    if raw.get("recall"):
        raw["recall"] = {"answer": "x", **raw["recall"]}
    return ReplyScores.model_validate(raw)


def table(
    own: np.ndarray,
    swapped: np.ndarray | None = None,
    judges: Mapping[str, float] | None = None,
    **given: Any,
) -> list[ReplyScores]:
    """Return the rows of tables of shape (dialogues, turns), each dialogue a user of its own.

    Args:
        own: NaN where missing.
        swapped: the same shape; None for no such ratings.
        judges: by name, what the judge adds to every rating.
        given: what every row has beside.
    """
    found = []
    for number, levels in enumerate(own):
        for turn, level in enumerate(levels, 1):
            scores = [
                (judge, shown, None if np.isnan(value) else float(value) + more)
                for judge, more in (judges or {"a": 0.0}).items()
                for shown, value in (
                    ("own", level),
                    *((("swapped", swapped[number, turn - 1]),) if swapped is not None else ()),
                )
            ]
            who = {"case": f"c{number}", "profile": f"p{number}", "personality": f"q{number}"}
            found.append(row(scores=scores, turn=turn, dialogue=f"d{number}", **{**who, **given}))
    return found
