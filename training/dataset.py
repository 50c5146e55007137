"""Training rows, from wherever they are: a run folder, a dataset folder, a file.

Every source gives the same rows: TRL's conversational columns, the tree that a row belongs to and
the weight of a comparison. An export says which tree a row is from; in a bare file, rows that start
with the same messages are treated as one tree, which is all that packing needs. Everything that
could spoil a training is checked here, before a model is loaded, and reported with its line. A null
column counts as absent; one of the wrong type is refused, never replaced.

The weight of a comparison is how sure the judge was (the share of votes for the outcome) divided
by how many comparisons share its prompt, since K candidates give K(K-1)/2 pairs on one.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from typing_extensions import TypedDict

from aloe.errors import ConfigError, InputError
from aloe.files.lines import Place
from aloe.schema import SCHEMA_VERSION, Tree, digest
from aloe.training.columns import (
    find_others,
    read_extra,
    read_mark,
    read_number,
    read_tree,
    show_value,
)
from aloe.training.export import ROWS, ChatMessage, Format, Skipped
from aloe.training.labels import LOOKING_AHEAD, Label, explain_missing, label_rows
from aloe.training.makers import find_judges
from aloe.training.messages import UnfitError, read_prompt, read_reply, read_turns
from aloe.training.people import read_people, take_people
from aloe.training.release import explain_empty
from aloe.training.source import Source, find_file, open_source
from aloe.training.spreading import spread_prompts
from aloe.wording import same_text

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
    others: dict[str, Any]
    """Columns of a file that only a reward of one's own can read, until `extra` has them."""
    place: Place
    """Where it is from; not part of what is trained on."""


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """The rows of a training."""

    rows: list[Row]
    held_out: list[Row]
    """To be evaluated on; may be empty."""
    skipped: Skipped
    """What is left out, by reason: comparisons that gave no row, prompts that fill no batch."""
    labelled: bool = False
    """Whether the data are rows or conversations, which do not say whose their labels are."""
    confident: bool = False
    """Whether any row to be learnt brought a confidence."""
    judges: frozenset[str] = frozenset()
    """Who judged the trees (`aloe.training.makers`), as far as that is known."""
    levels: frozenset[str] = frozenset()
    """What the labels by return that were taken are made of (`aloe.memory.levels`)."""

    @property
    def all(self) -> list[Row]:
        """Rows to be learnt and rows held out."""
        return [*self.rows, *self.held_out]


FORMAT: dict[Method, Format] = {
    "sft": "sft",
    "dpo": "dpo",
    "kto": "kto",
    "reward": "rm",
    "grpo": "grpo",
}
"""The export that each method reads."""

REPLY_COLUMNS: dict[Method, tuple[str, ...]] = {
    "sft": ("completion",),
    "dpo": ("chosen", "rejected"),
    "kto": ("completion",),
    "reward": ("chosen", "rejected"),
    "grpo": (),
}
"""Columns with a reply, by method."""


def find_replies(row: Mapping[str, Any]) -> list[list[ChatMessage]]:
    """Return the replies of a row of any method or export, each a list of one message."""
    names = dict.fromkeys(chain.from_iterable(REPLY_COLUMNS.values()))
    return [row[name] for name in names if name in row]


MARKS: dict[Method, dict[str, str]] = {"sft": {"label": "kto", "reward": "step"}}
"""Columns that say how good a reply is, by method that would learn it anyway, with their format."""


@dataclass(frozen=True, kw_only=True)
class _Basis:
    """What the labels of trees rest on; fields as in `TrainingData`."""

    judges: set[str] = field(default_factory=set)
    levels: set[str] = field(default_factory=set)


def read_training_data(
    data: Path, method: Method, label: Label = "judge", *, every_column: bool = False
) -> TrainingData:
    """Return all that `data` holds for one method.

    Args:
        data: run folder, dataset folder or file.
        method: what is to be trained.
        label: whose labels trees are read by.
        every_column: whether a reward may ask for columns of a file that are not ours.

    Raises:
        InputError: there is nothing to train on, or a row is unusable (with its line).
    """
    source = open_source(find_file(data, FORMAT[method]))
    skipped: Skipped = Counter()
    basis = _Basis()
    rows = _read(source, method, skipped, label, basis)
    _settle_others(rows, wanted=every_column)
    return TrainingData(
        rows=_weighted(rows),
        held_out=read_held_out_rows(data, method),
        skipped=skipped,
        labelled=source.kind != "trees",
        confident=any("weight" in row for row in rows),
        judges=frozenset(basis.judges),
        levels=frozenset(basis.levels),
    )


def read_rows(
    data: Path, method: Method, skipped: Skipped | None = None, label: Label = "judge"
) -> list[Row]:
    """Return the rows of `data` for one method.

    Args:
        data: run folder, dataset folder or file.
        method: what is to be trained.
        skipped: counts, by reason, the comparisons of trees that give no row.
        label: whose labels trees are read by; rows of a file are labelled already.

    Raises:
        InputError: there are none, or a row is unusable (with its line).
    """
    source = open_source(find_file(data, FORMAT[method]))
    rows = _read(source, method, Counter() if skipped is None else skipped, label, _Basis())
    _settle_others(rows, wanted=False)
    return _weighted(rows)


def _read(
    source: Source, method: Method, skipped: Skipped, label: Label, basis: _Basis
) -> list[Row]:
    """Return the rows of a source; those without a confidence have no weight yet."""
    rows = list(_rows(source, method, skipped, label, basis))
    if not rows:
        raise InputError(source.file, f"holds no rows to train {method} on{explain_empty(skipped)}")
    return spread_prompts(rows) if method == "kto" else rows


def read_held_out_rows(data: Path, method: Method) -> list[Row]:
    """Return the rows that `data` holds out for evaluation; none unless it is a split dataset.

    Raises:
        InputError: a row is unusable (with its line).
    """
    if not data.is_dir() or method == "grpo":
        return []
    train = find_file(data, FORMAT[method])
    file = train.with_name(train.name.replace("train.", "test.", 1))
    if file == train or not file.is_file():
        return []
    rows = list(_rows(open_source(file), method, Counter(), "judge", _Basis()))
    return _weighted(rows) if rows else []


def _rows(
    source: Source, method: Method, skipped: Skipped, label: Label, basis: _Basis
) -> Iterator[Row]:
    """Yield the rows of a source; what its trees' labels rest on is added to `basis`."""
    if source.kind != "rows":
        return _from_trees(source.trees(), method, skipped, label, basis)
    if label != "judge":
        raise InputError(
            source.file,
            "holds rows, whose labels are chosen; leave out --label (label under [training]), or "
            f"export the trees again with --label {label}",
        )
    return _from_records(source.records, method)


def _weighted(rows: list[Row]) -> list[Row]:
    """Return the rows with weights of mean 1, shared among those with one prompt; all may be 0."""
    sharing = Counter(digest(row["prompt"]) for row in rows)
    weights = [row.get("weight", 1.0) / sharing[digest(row["prompt"])] for row in rows]
    total = sum(weights) or 1.0
    return [{**r, "weight": w * len(rows) / total} for r, w in zip(rows, weights, strict=True)]


def _settle_others(rows: list[Row], *, wanted: bool) -> None:
    """Put the columns that are not ours with those that rewards read, or leave them out."""
    for row in rows:
        others = row.pop("others", {})
        if not wanted:
            continue
        for name, value in others.items():
            try:
                digest(value)
            except (TypeError, ValueError):
                raise row["place"].error(
                    f"has {show_value(value)} as '{name}', which is no value of JSON; leave out "
                    "the column, or write it as text"
                ) from None
        row["extra"] = others | row["extra"]


def hash_rows(rows: Sequence[Row]) -> str:
    """Return a content hash of the rows, wherever they are from."""
    return digest(*({k: v for k, v in row.items() if k != "place"} for row in rows))


def _from_records(records: Iterable[tuple[Place, Any]], method: Method) -> Iterator[Row]:
    for place, record in records:
        try:
            for columns in _examples(record, method):
                row = _row(columns, method)
                others = find_others(columns) if method == "grpo" else {}
                yield {**row, **({"others": others} if others else {}), "place": place}
        except UnfitError as error:
            raise place.error(str(error)) from None


def _from_trees(
    trees: Iterable[tuple[Place, Tree]],
    method: Method,
    skipped: Skipped,
    label: Label,
    basis: _Basis,
) -> Iterator[Row]:
    make, labelled, place = label_rows(FORMAT[method], ROWS[FORMAT[method]], label), False, None
    said = None
    for place, tree in trees:
        basis.judges.update(find_judges(tree))
        if label in LOOKING_AHEAD:
            basis.levels.update(v.by_return.levels for v in tree.verdicts if v.by_return)
        if label == "people":
            said = said or read_people(place.path)
            tree = take_people(tree, said, skipped)
        labelled = labelled or any(verdict.by_return for verdict in tree.verdicts)
        if tree.schema_version != SCHEMA_VERSION:
            raise place.error(f"is of schema version {tree.schema_version}, not {SCHEMA_VERSION}")
        for columns in make(tree, skipped):
            try:
                yield {**_row(_present(columns), method), "place": place}
            except UnfitError as error:
                raise place.error(str(error)) from None
    if label in LOOKING_AHEAD and place and not labelled:
        raise ConfigError(explain_missing(str(place.path)))


def _present(columns: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in columns.items() if value is not None}


def _examples(raw: Any, method: Method) -> Iterator[dict[str, Any]]:
    """Yield the columns of a line: of each reply if it is a whole conversation.

    Raises:
        UnfitError: it is neither.
    """
    if not isinstance(raw, dict):
        raise UnfitError("is not an object")
    columns = _present(raw)
    _check_version(columns)
    if method == "sft" and "messages" in columns and "completion" not in columns:
        for prompt, completion in read_turns(columns["messages"]):
            yield {**columns, "prompt": prompt, "completion": completion}
    elif "conversations" in columns and "prompt" not in columns:
        raise UnfitError(
            "'conversations' does not have the paper's layout; rename 'from' and 'value' to "
            "'role' (system, user, assistant) and 'content', and the column to 'messages' for sft"
        )
    else:
        yield columns


def _check_version(columns: dict[str, Any]) -> None:
    version = columns.get("schema_version", SCHEMA_VERSION)
    if isinstance(version, bool) or not isinstance(version, int):
        raise UnfitError(f"'schema_version' is {show_value(version)}, not a whole number")
    if version != SCHEMA_VERSION:
        raise UnfitError(
            f"is of schema version {version}, this program reads {SCHEMA_VERSION}; export it again"
        )


def _row(columns: dict[str, Any], method: Method) -> Row:
    """Return the columns of one example as a row of ours.

    Raises:
        UnfitError: one is missing or holds what it should not.
    """
    for name in ("prompt", *REPLY_COLUMNS[method], *(("label",) if method == "kto" else ())):
        if name not in columns:
            raise UnfitError(f"has no '{name}', which {method} needs")
    for name, marked in MARKS.get(method, {}).items():
        if name in columns:
            raise UnfitError(
                f"has '{name}', as rows of the format {marked} do to mark replies as good or bad, "
                f"and {method} would learn them all; export --format {FORMAT[method]}, or leave "
                "out bad rows and then the column"
            )
    row: Row = {"prompt": read_prompt(columns["prompt"])}
    answers = {name: read_reply(columns[name], name) for name in REPLY_COLUMNS[method]}
    if "chosen" in answers and same_text(*(answer[0]["content"] for answer in answers.values())):
        raise UnfitError("'chosen' and 'rejected' are identical: there is nothing to prefer")
    row.update(answers)  # type: ignore[typeddict-item]
    if method == "kto":
        row["label"] = read_mark(columns["label"])
    row["tree"] = read_tree(columns, row["prompt"])
    if "confidence" in columns:
        row["weight"] = read_number(columns, "confidence", default=1.0, most=1.0)
    row["extra"] = read_extra(columns, method)
    return row
