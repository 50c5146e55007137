"""Training rows, from wherever they are: a run folder, a dataset folder, a JSONL file.

Every source gives the same rows: TRL's conversational columns, the tree that a row belongs to and
the weight of a comparison. An export says which tree a row is from; in a bare JSONL file rows that
open with the same messages are taken to be one tree, which is all that packing needs. Everything
that could spoil a training is looked for here, before a model is loaded, and named with its line.

The weight of a comparison is how sure the judge was (the share of votes for the outcome) divided
by how many comparisons share its prompt: K candidates give K(K-1)/2 pairs on one prompt, and should
not count that much more than two.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from typing_extensions import TypedDict

from aloe.errors import InputError
from aloe.schema import SCHEMA_VERSION, digest
from memory.trees import read_trees
from training.export import COLUMNS, ROWS, ChatMessage, Format, Skipped

Method = Literal["sft", "dpo", "kto", "reward", "grpo"]


class Row(TypedDict, total=False):
    """One row; which of the answer columns are there depends on the method."""

    prompt: list[ChatMessage]
    completion: list[ChatMessage]
    chosen: list[ChatMessage]
    rejected: list[ChatMessage]
    label: bool
    tree: str
    """Rows of one tree share prefixes."""
    weight: float
    """Mean 1 over the data."""
    extra: dict[str, Any]
    """Further columns that TRL's trainer takes, such as a margin or what GRPO's reward reads."""


FORMAT: dict[Method, Format] = {
    "sft": "sft",
    "dpo": "dpo",
    "kto": "kto",
    "reward": "rm",
    "grpo": "grpo",
}
"""The export that each method reads."""

ANSWERS: dict[Method, tuple[str, ...]] = {
    "sft": ("completion",),
    "dpo": ("chosen", "rejected"),
    "kto": ("completion",),
    "reward": ("chosen", "rejected"),
    "grpo": (),
}
"""Columns with a reply, by method."""


def read_rows(data: Path, method: Method) -> list[Row]:
    """Return the rows of `data` for one method.

    Raises:
        InputError: there are none, or a row is unusable (with its line).
    """
    file = _file(data, method)
    trees = file.name == "trees.jsonl" or _holds_trees(file)
    rows = list(_from_trees(file, method) if trees else _from_jsonl(file, method))
    if not rows:
        raise InputError(file, f"holds no rows to train {method} on")
    return _weighted(rows)


def _weighted(rows: list[Row]) -> list[Row]:
    """Return the rows with weights of mean 1, shared among those with one prompt."""
    sharing = Counter(digest(row["prompt"]) for row in rows)
    weights = [row["weight"] / sharing[digest(row["prompt"])] for row in rows]
    scale = len(rows) / sum(weights)
    return [{**row, "weight": w * scale} for row, w in zip(rows, weights, strict=True)]


def held_out_rows(data: Path, method: Method) -> list[Row]:
    """Return the rows that `data` holds out for evaluation; none unless it is a split dataset.

    Raises:
        InputError: a row is unusable (with its line).
    """
    if not data.is_dir() or method == "grpo":
        return []
    train = _file(data, method)
    file = train.with_name("test.jsonl")
    there = train.name == "train.jsonl" and file.is_file()
    rows = list(_from_jsonl(file, method)) if there else []
    return _weighted(rows) if rows else []


def data_hash(rows: Sequence[Row]) -> str:
    """Return a content hash of the rows."""
    return digest(*rows)


def _file(data: Path, method: Method) -> Path:
    if not data.exists():
        raise InputError(data, "does not exist")
    if data.is_file():
        return data
    names = (
        "trees.jsonl",
        f"{FORMAT[method]}.jsonl",
        "train.jsonl",
        f"{FORMAT[method]}/train.jsonl",
    )
    for name in names:
        if (data / name).is_file():
            return data / name
    raise InputError(data, f"holds none of {', '.join(names)}; name a file")


def _holds_trees(file: Path) -> bool:
    with file.open(encoding="utf-8") as lines:
        first = next((line for line in lines if line.strip()), "")
    return '"nodes"' in first and '"verdicts"' in first


def _from_jsonl(file: Path, method: Method) -> Iterator[Row]:
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                raw = json.loads(line)
            except ValueError:
                raise InputError(file, "is not JSON", line=number) from None
            yield _checked(raw, method, file, number)


def _checked(raw: Any, method: Method, file: Path, line: int) -> Row:
    """Return one row of a file as ours.

    Raises:
        InputError: it cannot be trained on.
    """

    def refuse(problem: str) -> InputError:
        return InputError(file, problem, line=line)

    if not isinstance(raw, dict):
        raise refuse("is not an object")
    if raw.get("schema_version", SCHEMA_VERSION) != SCHEMA_VERSION:
        raise refuse(
            f"is of schema version {raw['schema_version']}, this program reads {SCHEMA_VERSION}; "
            "export it again"
        )
    if method == "sft" and "messages" in raw and "prompt" not in raw:
        messages = raw["messages"]
        raw = {**raw, "prompt": messages[:-1], "completion": messages[-1:]}
    if problem := _problem(raw, method):
        raise refuse(problem)
    return _row(raw, method)


def _needed(method: Method) -> tuple[str, ...]:
    return ("prompt", *ANSWERS[method], *(("label",) if method == "kto" else ()))


def _row(raw: dict[str, Any], method: Method) -> Row:
    needed = _needed(method)
    extra = [c for c in COLUMNS[FORMAT[method]] if c not in needed and c in raw]
    row: Any = {column: raw[column] for column in needed}
    row["tree"] = str(raw.get("tree") or digest(_opening(raw["prompt"])))
    row["weight"] = float(raw.get("confidence") or 1.0)
    row["extra"] = {column: raw[column] for column in extra}
    checked: Row = row
    return checked


def _problem(raw: dict[str, Any], method: Method) -> str | None:
    """Return what makes a row unusable, None if nothing does."""
    for column in _needed(method):
        if column not in raw:
            return f"has no '{column}', which {method} needs"
    for column in ("prompt", *ANSWERS[method]):
        if not _are_messages(raw[column]):
            return f"'{column}' is not a list of messages with role and content"
        if not raw[column] or not raw[column][-1]["content"].strip():
            return f"'{column}' is empty"
    if raw["prompt"][-1]["role"] != "user":
        return "'prompt' must end with a user message"
    if "chosen" in ANSWERS[method] and _text(raw["chosen"]) == _text(raw["rejected"]):
        return "'chosen' and 'rejected' are identical: there is nothing to prefer"
    if method == "kto" and not isinstance(raw["label"], bool):
        return "'label' is neither true nor false"
    return None


def _are_messages(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(m, dict) and isinstance(m.get("role"), str) and isinstance(m.get("content"), str)
        for m in value
    )


def _text(messages: list[ChatMessage]) -> str:
    return messages[-1]["content"].strip()


def _opening(prompt: list[ChatMessage]) -> list[ChatMessage]:
    """Return the messages up to the first of the user."""
    first = next(i for i, message in enumerate(prompt) if message["role"] == "user")
    return prompt[: first + 1]


def _from_trees(file: Path, method: Method) -> Iterator[Row]:
    skipped: Skipped = Counter()
    for number, tree in enumerate(read_trees(file), 1):
        if tree.schema_version != SCHEMA_VERSION:
            problem = f"is of schema version {tree.schema_version}, not {SCHEMA_VERSION}"
            raise InputError(file, problem, line=number)
        for row in ROWS[FORMAT[method]](tree, skipped):
            if not _problem(row, method):  # replies that differ in blanks only, say
                yield _row(row, method)
