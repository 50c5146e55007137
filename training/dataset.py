"""Training rows, from wherever they are: a run folder, a dataset folder, a JSONL file.

Every source gives the same rows: TRL's conversational columns, the tree that a row belongs to and
the weight of a comparison. From a run folder the tree is known; from a bare JSONL file it is taken
to be what opens with the same messages, which is all that packing needs. Everything that could
spoil a training is looked for here, before a model is loaded, and named with file and line.

The weight of a comparison is how sure the judge was (the share of votes for the outcome) divided
by how many comparisons share its prompt: K candidates give K(K-1)/2 pairs on one prompt, and should
not count that much more than two.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from typing_extensions import TypedDict

from aloe.errors import InputError
from aloe.schema import SCHEMA_VERSION, Tree, Verdict, digest
from memory.trees import read_trees
from training.export import ChatMessage, Skipped, dpo_rows, sft_rows

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


COLUMNS: dict[Method, tuple[str, ...]] = {
    "sft": ("prompt", "completion"),
    "dpo": ("prompt", "chosen", "rejected"),
    "reward": ("prompt", "chosen", "rejected"),
    "kto": ("prompt", "completion", "label"),
    "grpo": ("prompt",),
}
"""What a row of each method must have."""

FILES: dict[Method, tuple[str, ...]] = {
    "sft": ("sft",),
    "dpo": ("dpo",),
    "reward": ("reward", "rm", "dpo"),
    "kto": ("kto",),
    "grpo": ("grpo",),
}
"""File names looked for in a dataset folder, without `.jsonl`."""


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
    mean = sum(row["weight"] for row in rows) / len(rows)
    return [{**row, "weight": row["weight"] / mean} for row in rows]


def data_hash(rows: Sequence[Row]) -> str:
    """Return a content hash of the rows."""
    return digest(*rows)


def _file(data: Path, method: Method) -> Path:
    if not data.exists():
        raise InputError(data, "does not exist")
    if data.is_file():
        return data
    names = [f"{stem}{suffix}" for stem in FILES[method] for suffix in (".jsonl", "/train.jsonl")]
    for name in ("trees.jsonl", *names, "train.jsonl"):
        if (data / name).is_file():
            return data / name
    raise InputError(data, f"holds neither trees.jsonl nor {names[0]}; name a file")


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
    row: Row = {"tree": "", "weight": 1.0}
    for column in COLUMNS[method]:
        if column not in raw:
            raise refuse(f"has no '{column}', which {method} needs")
        row[column] = raw[column]  # type: ignore[literal-required]
    if problem := _problem(row):
        raise refuse(problem)
    row["tree"] = str(raw.get("tree") or digest(_opening(row["prompt"])))
    row["weight"] = float(raw.get("weight") or 1.0)
    return row


def _problem(row: Row) -> str | None:
    """Return what makes a row unusable, None if nothing does."""
    for column in ("prompt", "completion", "chosen", "rejected"):
        messages: Any = row.get(column, [{"role": "assistant", "content": "-"}])
        if not _are_messages(messages):
            return f"'{column}' is not a list of messages with role and content"
        if not messages or not messages[-1]["content"].strip():
            return f"'{column}' is empty"
    if row["prompt"][-1]["role"] != "user":
        return "'prompt' must end with a user message"
    if "chosen" in row and _text(row["chosen"]) == _text(row["rejected"]):
        return "'chosen' and 'rejected' are identical: there is nothing to prefer"
    if not isinstance(row.get("label", True), bool):
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
        for row in TREE_ROWS[method](tree, skipped):
            if not _problem(row):  # identical after stripping, say
                yield {**row, "tree": tree.id}


def _sft(tree: Tree, skipped: Skipped) -> Iterator[Row]:
    for row in sft_rows(tree, skipped):
        yield {"prompt": row["prompt"], "completion": row["completion"], "weight": 1.0}


def _pairs(tree: Tree, skipped: Skipped) -> Iterator[Row]:
    shared = Counter(verdict.node for verdict in tree.verdicts if verdict.preferred)
    for verdict in tree.verdicts:
        alone = tree.model_copy(update={"verdicts": (verdict,)})
        for row in dpo_rows(alone, skipped):
            yield {
                "prompt": row["prompt"],
                "chosen": row["chosen"],
                "rejected": row["rejected"],
                "weight": agreement(verdict) / shared[verdict.node],
            }


def agreement(verdict: Verdict) -> float:
    """Return the share of votes that say what the verdict says; 1 where no vote was needed."""
    votes = [vote.choice for vote in verdict.votes]
    return sum(choice == verdict.outcome for choice in votes) / len(votes) if votes else 1.0


def _unpaired(tree: Tree, skipped: Skipped) -> Iterator[Row]:
    for row in _pairs(tree, skipped):
        for column, label in (("chosen", True), ("rejected", False)):
            answer = row["chosen"] if column == "chosen" else row["rejected"]
            yield {"prompt": row["prompt"], "completion": answer, "label": label, "weight": 1.0}


def _prompts(tree: Tree, _skipped: Skipped) -> Iterator[Row]:
    for node in tree.nodes:
        if node.role == "user":
            path = tree.path(node.id)
            prompt: list[ChatMessage] = [{"role": n.role, "content": n.content} for n in path]
            yield {"prompt": prompt, "weight": 1.0}


TREE_ROWS: dict[Method, Callable[[Tree, Skipped], Iterator[Row]]] = {
    "sft": _sft,
    "dpo": _pairs,
    "reward": _pairs,
    "kto": _unpaired,
    "grpo": _prompts,
}
