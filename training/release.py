"""A dataset folder to share: rows by split, and a card that describes them.

The layout is the one that `datasets.load_dataset(FOLDER)` reads: one file a split and a README.md
whose front matter names them and declares what the columns hold, so that a column which is empty in
one split loads with both. Who is on which side, `aloe.training.sides` decides. The card states
counts, sources, and the judge's passport where the run has one.
"""

import gzip
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from aloe.errors import ConfigError, StoreError
from aloe.extras import needs
from aloe.files.writing import explain_failure, replace_bytes, replace_text, row_lines
from aloe.number_format import counted
from aloe.players import find_players
from aloe.schema import Tree
from aloe.training.export import Row
from aloe.training.features import (
    KINDS,
    Features,
    fits,
    infer_features,
    make_table,
    render_features,
)
from aloe.training.labels import Label, render_agreement
from aloe.training.makers import (
    PEOPLE,
    UNKNOWN,
    find_assistants,
    find_judges,
    find_users,
    find_without_model,
    join_makers,
)
from aloe.training.usable import NOTHING

Split = Literal["train", "test"]

SPLITS: tuple[Split, ...] = ("train", "test")

SUFFIXES = (".jsonl", ".parquet")
"""Of the files of a folder."""

CARD, PART = "README.md", ".part"
"""Of a folder: its card, and where files are until all are written."""

WIDTH = 500
"""Characters of a bin in the table of lengths."""

RESTRAINT = """
{} rows teach not to be personal: a message that has nothing to do with the user, and of two replies
the one that drags in what the user said loses. A program made them.
"""
APART = (
    "No persona is in both splits, and none has the profile, the personality or the first message\n"
    "of one in the other, word for word.\n"
)
"""What a card says of a split (`aloe.training.sides`)."""
IMPORTED = "Some were imported, so it is not known\nhere {}."
"""What a card says where trees do not name their makers (see `aloe trees import`)."""


def describe_makers(trees: Sequence[Tree], label: Label) -> str:
    """Return who spoke and who judged, in a sentence or two: models, rules or people.

    That no human took part is said only where all makers are known.
    """
    made: dict[str, set[str]] = {
        "users": set().union(*map(find_users, trees)),
        "assistants": set().union(*map(find_assistants, trees)),
        "judges": {PEOPLE} if label == "people" else set().union(*map(find_judges, trees)),
    }
    known = {part: makers for part, makers in made.items() if UNKNOWN not in makers}
    said = ", ".join(f"{part} {join_makers(makers)}" for part, makers in known.items())
    said = said[:1].upper() + said[1:].replace(" ", " are ", 1)
    if known.keys() == made.keys():
        human = PEOPLE in made["users"] | made["judges"]
        no_human = "" if human else "; no human took part, and no label here is a human's"
        return f"{said}{no_human}."
    spoken = "" if {"users", "assistants"} <= known.keys() else "who spoke in them"
    judged = "" if "judges" in known else "who judged"
    unknown = IMPORTED.format(" and ".join(filter(None, (spoken, judged))))
    return f"{unknown} {said}." if said else unknown


def format_left_out(skipped: Mapping[str, int]) -> str:
    """Return what was left out, each reason with its count; empty if nothing was."""
    return ", ".join(f"{reason}: {count}" for reason, count in sorted(skipped.items()))


def explain_empty(skipped: Mapping[str, int]) -> str:
    """Return why there is no row, as the end of a sentence; empty if nobody knows."""
    if not skipped:
        return ""
    way = (
        "; replies without siblings show no preference; `aloe train sft --data FILE` learns chats "
        "with 'messages' as they are"
    )
    return f"; left out: {format_left_out(skipped)}{way if NOTHING in skipped else ''}"


def write_rows(path: Path, rows: Sequence[Row], known: Features | None = None) -> None:
    """Write rows as JSONL, gzipped if the name ends in .gz, or as Parquet if it ends so, at once.

    Args:
        path: the file.
        rows: what to write.
        known: kinds of columns that hold whatever these rows have, for Parquet.

    Raises:
        ConfigError: Parquet is wanted and pyarrow is missing.
        StoreError: the file cannot be written.
    """
    if path.suffix != ".parquet":
        text = row_lines(rows).encode()
        replace_bytes(path, gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)
        return
    try:
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise ConfigError(needs("Parquet", "pyarrow")) from None
    data = BytesIO()
    pyarrow.parquet.write_table(make_table(rows, infer_features(rows, known or {})), data)
    replace_bytes(path, data.getvalue())


def write_folder(
    out: Path,
    rows: Mapping[Split, Sequence[Row]],
    card: str,
    suffix: str = ".jsonl",
    known: Features | None = None,
) -> dict[Split, int]:
    """Write one file a split and the card; return the number of rows by split.

    What an earlier export left there goes, its card first, when all is written: wherever this one
    ends early, no persona is on both sides and no card describes other files.

    Args:
        out: the folder.
        rows: what is to be written, by split.
        card: its README.md.
        suffix: kind of the files, `.jsonl` or `.parquet`.
        known: what the columns hold, over all splits.

    Raises:
        StoreError: the folder holds other things than a dataset, or cannot be written.
    """
    held_there = {file.name for file in out.iterdir()} if out.is_dir() else set()
    ours = {f"{split}{kind}" for split in SPLITS for kind in SUFFIXES}
    if strange := held_there - {CARD, PART, *ours}:
        raise StoreError(f"{out} holds {min(strange)}, so it is not a dataset; name another folder")
    by_split: dict[Split, Sequence[Row]] = {split: rows.get(split, ()) for split in SPLITS}
    part = out / PART
    try:
        shutil.rmtree(part, ignore_errors=True)  # of an export that was killed
        for split, held in by_split.items():
            if held:
                write_rows(part / f"{split}{suffix}", held, known)
        replace_text(part / CARD, card)
        with explain_failure(out):
            for name in (CARD, *sorted(ours)):
                (out / name).unlink(missing_ok=True)
            for name in (*sorted(ours), CARD):
                if (part / name).exists():
                    (part / name).rename(out / name)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return {split: len(held) for split, held in by_split.items()}


def render_dataset_card(
    trees: Sequence[Tree],
    rows: Mapping[Split, Sequence[Row]],
    skipped: Counter[str],
    row_format: str,
    *,
    label: Label = "judge",
    features: Features,
    passport: str | None,
    licence: str,
    suffix: str = ".jsonl",
    settings: Sequence[str] = (),
    restraint: int = 0,
) -> str:
    """Return the card as Markdown with the front matter of the Hub.

    Args:
        trees: what the rows were made from.
        rows: full rows (with their origin) by split.
        skipped: comparisons left out, by reason.
        row_format: which trainer's rows.
        label: whose labels the rows were made from.
        features: what the columns that are written hold.
        passport: the judge's passport as JSON text; None if the run has none.
        licence: identifier for the front matter.
        suffix: kind of the files.
        settings: what the trainer has to be told to read them, line by line.
        restraint: how many rows teach not to be personal.
    """
    files = "".join(
        f"      - {{split: {split}, path: {split}{suffix}}}\n" for split in rows if rows[split]
    )
    lengths = [_prompt_length(row.get("prompt")) for held in rows.values() for row in held]
    made = describe_makers(trees, label)
    personas = {split: len({row["persona"] for row in held}) for split, held in rows.items()}
    told = "\n".join(["## Settings\n", "```", *settings, "```", "", ""]) if settings else ""
    judged = f"```json\n{passport.strip()}\n```" if passport else "The run has no judge passport."
    return f"""---
license: {licence}
task_categories: [text-generation]
tags: [preference, personalization, multi-turn, synthetic]
configs:
  - config_name: default
    data_files:
{files}{render_features(features)}---

# {row_format} rows from conversation trees

Made with aloe from {counted(len(trees), "conversation tree")}. {made}

| split | rows | personas |
|---|---|---|
{"".join(f"| {split} | {len(held)} | {personas[split]} |{chr(10)}" for split, held in rows.items())}
{APART if rows.get("test") else ""}Left out: {format_left_out(skipped) or "nothing"}.

{told}## Models

{"".join(f"- {each}{chr(10)}" for each in _list_speakers(trees, chain(*rows.values())))}
## Labels

{render_agreement(trees, label)}{RESTRAINT.format(restraint) if restraint else ""}
## Judge

{judged}

## Prompt length

{_histogram(lengths)}
"""


def _list_speakers(trees: Sequence[Tree], rows: Iterable[Row]) -> Iterator[str]:
    """Yield the agents with their models and trees, then those without a model with their rows."""
    known = [_names_speakers(tree) for tree in trees]
    models = Counter(
        f"{role}: {name}" for tree in trees for role, name in find_players(tree).items()
    )
    models.update({"not known": known.count(False)} if not all(known) else {})
    for name, count in sorted(models.items()):
        yield f"{name} ({counted(count, 'tree')})"
    others = {agent: who for tree in trees for agent, who in find_without_model(tree).items()}
    agents = {node.id: node.agent for tree in trees if others for node in tree.nodes}
    taught = Counter(agents.get(_find_taught(row)) for row in rows)
    for agent, who in sorted(others.items()):
        yield f"{agent}: {who} (its replies are taught in {counted(taught[agent], 'row')})"


def _find_taught(row: Row) -> str:
    """Return the id of the reply that a row teaches; empty where it names none."""
    nodes = row.get("nodes", {}) if row.get("label", True) else {}
    return nodes.get("chosen") or nodes.get("completion") or ""


def _names_speakers(tree: Tree) -> bool:
    """Whether a tree says which models spoke in it."""
    return bool(tree.models) and UNKNOWN not in find_users(tree) | find_assistants(tree)


def _prompt_length(prompt: Any) -> int:
    """Return the characters of a prompt; 0 where a custom exporter calls something else one."""
    if not fits(KINDS["prompt"], prompt):
        return 0
    return sum(len(message.get("content") or "") for message in prompt or ())


def _histogram(lengths: Sequence[int]) -> str:
    """Return a Markdown table of lengths in bins of `WIDTH` characters."""
    if not any(lengths):
        return "These rows have no prompts."
    bins = Counter(length // WIDTH for length in lengths)
    lines = [f"| {b * WIDTH}-{b * WIDTH + WIDTH - 1} | {bins[b]} |" for b in range(max(bins) + 1)]
    return "\n".join(["| characters | rows |", "|---|---|", *lines])
