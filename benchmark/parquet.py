"""The scores as one flat Parquet table, for data frames: one row for each rating.

`scores.jsonl` remains authoritative; this is the same data, flattened. pyarrow comes with the
extras `parquet` and `train`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aloe.benchmark.folder import Bench

COLUMNS: dict[str, str] = {
    "suite": "text", "condition": "text", "case": "text", "profile": "text", "personality": "text",
    "seed": "number", "turn": "number", "judge": "text", "shown": "text", "value": "level",
    "missing": "text", "raw": "text", "mass": "level", "words": "number", "stated": "texts",
    "used": "texts", "mind_reading": "texts", "parroting": "yes", "personal": "yes",
    "right": "yes", "empty": "yes", "cut_off": "yes", "user_faults": "texts", "dialogue": "text",
    "user": "text", "reply": "text", "knowable": "number", "known": "number", "questions": "number",
    "needless": "number", "answer": "text", "answered": "yes", "broken": "number",
    "leaked": "texts", "on_table": "level", "stand_ins": "texts",
}  # fmt: skip
"""Name and kind of every column. `value` and `mass` are null where a rating is missing, `on_table`
where the user's message is prescribed, `cut_off` where it is not recorded, and `knowable` to
`broken` where it is not recorded what users tell."""

NO_COLUMNS = frozenset({"scores", "recall", "control", "elicitation", "told", "scheduled"})
"""Fields that have none: records of several values, what is the same in a whole condition, and
`control`, which is the column `condition`."""


def write_parquet(bench: Bench, path: Path) -> None:
    """Write the scores of all conditions.

    Raises:
        InputError: a line of the scores is broken.
        ValueError: a field of the scores has no column and is not to have none.
        ImportError: pyarrow is not installed.
    """
    import pyarrow
    from pyarrow import parquet

    kinds = {
        "text": pyarrow.string(),
        "texts": pyarrow.list_(pyarrow.string()),
        "number": pyarrow.int32(),
        "level": pyarrow.float64(),
        "yes": pyarrow.bool_(),
    }
    schema = pyarrow.schema([(name, kinds[kind]) for name, kind in COLUMNS.items()])
    parquet.write_table(pyarrow.Table.from_pylist(list(_ratings(bench)), schema), path)


def _ratings(bench: Bench) -> Iterator[dict[str, Any]]:
    for condition in bench.conditions:
        for row in bench.rows(condition):
            shared = row.model_dump() | {"stand_ins": row.stand_ins, "condition": condition}
            if row.elicitation:
                shared |= row.elicitation.model_dump()
            for score in row.scores:
                yield _fit({**shared, **score.model_dump()})


def _fit(found: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of a rating: pyarrow would drop what has none without a word.

    Raises:
        ValueError: a field has no column and is not to have none.
    """
    if unknown := found.keys() - COLUMNS.keys() - NO_COLUMNS:
        raise ValueError(f"scores.parquet has no column for {', '.join(sorted(unknown))}")
    return {name: value for name, value in found.items() if name in COLUMNS}
