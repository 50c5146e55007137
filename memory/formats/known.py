"""The formats of conversations that are known, and which of them a file has.

A file's name says nothing: its first records do. A format is taken if it is the only one whose
fields all of them have, or if they have no other's; then whichever has not is refused by its line.
Otherwise the user chooses.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from textwrap import shorten
from typing import Any

from aloe.errors import ConfigError, InputError
from aloe.files.lines import OnBad, Place
from aloe.files.records import read_records
from aloe.memory.conversations import is_conversation, read_paths, unite
from aloe.memory.formats.chats import (
    convert_arena,
    convert_messages,
    convert_sharegpt,
    convert_wildchat,
    count_reasoning,
    has_messages,
)
from aloe.memory.formats.conversation import Conversation
from aloe.memory.formats.fields import Fields, read_objects
from aloe.memory.formats.pairs import SIDES, convert_pair
from aloe.memory.formats.prism import part_of, read_prism
from aloe.schema import Tree

LOOKED_AT = 20
"""Records from which a format is told."""

Found = Iterator[tuple[Place, Tree]]
Read = Callable[[Sequence[Path], OnBad, Counter[str]], Found]
"""Yields the trees of files; counts what had no place in them."""

SYSTEM = "system messages left out, for which trees have no place"
REASONING = "pieces of reasoning left out, for which trees have no place"


@dataclass(frozen=True, kw_only=True)
class ConversationFormat:
    """One layout of conversations."""

    fits: Callable[[Any], bool]
    """Whether a record has its fields."""
    read: Read


@dataclass(kw_only=True)
class Imported:
    """What became of the records of an import."""

    format: str
    trees: list[Tree] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    """What had no place in a tree, by what it was."""
    bad: list[str] = field(default_factory=list)
    """What is wrong with the conversations that were set aside."""
    records: int = 0
    """Conversations in the files, with those set aside; those of one id are one tree."""
    repeated: int = 0
    """How many of them say nothing but what others before them say."""


def import_trees(
    files: Sequence[Path], name: str | None = None, *, skip_bad: bool = False
) -> Imported:
    """Return the trees of all conversations in `files`.

    Args:
        files: all of one format.
        name: the format; None: told from the first records.
        skip_bad: whether to set aside conversations that cannot be read.

    Raises:
        ConfigError: there is no such format.
        InputError: the format cannot be told, there are no conversations, or trees of ours, one is
            broken, or two contradict each other.
    """
    if name is not None and name not in FORMATS:
        raise ConfigError(f"--format '{name}' is none of {', '.join(FORMATS)}")
    for file in files:
        _refuse_trees(file)
    chosen = name or tell(files)
    found = Imported(format=chosen)

    def on_bad(error: InputError) -> None:
        if not skip_bad:
            raise error
        found.bad.append(str(error))

    united = unite(FORMATS[chosen].read(files, on_bad, found.left_out), on_bad)
    found.trees = [tree for _, tree in united.trees]
    found.records, found.repeated = united.paths + len(found.bad), united.repeated
    if not found.trees:
        said = f"; the first problem is {found.bad[0]}" if found.bad else ""
        raise InputError(files[0], f"holds no conversations{said}")
    return found


def _refuse_trees(file: Path) -> None:
    """Make sure that a file does not begin with a tree of ours, which needs no import."""
    _, first = next(read_records(file, _pass_over), (None, None))
    if isinstance(first, dict) and {"nodes", "verdicts"} <= first.keys():
        raise InputError(file, "holds trees of aloe's own; join them with `aloe trees merge`")


def tell(files: Sequence[Path]) -> str:
    """Return the format that the first records of every file have.

    Raises:
        InputError: they have none, several, or not all the same.
    """
    fitting = {file: _fitting(file) for file in files}
    (first, one), *others = fitting.items()
    for file, other in others:
        if one != other:
            raise InputError(file, f"is {other} and {first} is {one}; import them one by one")
    return one


def _pass_over(_error: InputError) -> None:
    """Take no notice: whoever reads the records for good is told."""


def _fitting(file: Path) -> str:
    seen = [record for _, record in islice(read_records(file, _pass_over), LOOKED_AT)]
    if not seen:
        raise InputError(file, "holds no conversations")
    fits = {name: sum(map(each.fits, seen)) for name, each in FORMATS.items()}
    whole = [name for name, count in fits.items() if count == len(seen)]
    partly = [name for name, count in fits.items() if count]
    if len(told := whole or partly) == 1:
        return told[0]
    names = ", ".join(seen[0]) if isinstance(seen[0], dict) else "no fields"
    fields = shorten(names, 200, placeholder=" ...")
    if whole:
        problem = f"could be {' or '.join(whole)}"
    elif partly:
        problem = f"holds records of {' and '.join(partly)} among its first {len(seen)}"
    else:
        problem = "has the shape of no format known"
    raise InputError(
        file, f"{problem}: its first record has {fields}; choose with --format {'|'.join(FORMATS)}"
    )


def _one_by_one(talk: Callable[[Fields, Place], Conversation]) -> Read:
    """Return the reader of a format in which every record is a conversation."""

    def talks(files: Sequence[Path], on_bad: OnBad) -> Iterator[tuple[Place, Conversation]]:
        for file in files:
            for place, record in read_objects(file, on_bad):
                try:
                    yield place, replace(talk(record, place), reasoning=count_reasoning(record))
                except InputError as error:
                    on_bad(error)

    return partial(_trees, talks)


def _trees(
    talks: Callable[[Sequence[Path], OnBad], Iterator[tuple[Place, Conversation]]],
    files: Sequence[Path],
    on_bad: OnBad,
    left_out: Counter[str],
) -> Found:
    for place, talk in talks(files, on_bad):
        counts = {SYSTEM: int(talk.system), REASONING: talk.reasoning}
        left_out.update({what: count for what, count in counts.items() if count})
        yield place, talk.tree()


def _aloe(files: Sequence[Path], on_bad: OnBad, _left_out: Counter[str]) -> Found:
    for file in files:
        yield from read_paths(read_records(file, on_bad), on_bad)


def _has(record: Any, name: str, keys: set[str]) -> bool:
    return isinstance(record, dict) and has_messages(record.get(name), keys)


def _is_pair(record: Any) -> bool:
    return isinstance(record, dict) and (
        record.keys() >= set(SIDES) or {"instruction", "completions"} <= record.keys()
    )


FORMATS: Mapping[str, ConversationFormat] = {
    "prism": ConversationFormat(
        fits=lambda record: part_of(record) is not None, read=partial(_trees, read_prism)
    ),
    "ultrafeedback": ConversationFormat(fits=_is_pair, read=_one_by_one(convert_pair)),
    "sharegpt": ConversationFormat(
        fits=lambda record: _has(record, "conversations", {"from", "value"}),
        read=_one_by_one(convert_sharegpt),
    ),
    "messages": ConversationFormat(
        fits=lambda record: _has(record, "messages", {"role"}) and not _is_pair(record),
        read=_one_by_one(convert_messages),
    ),
    "wildchat": ConversationFormat(
        fits=lambda record: _has(record, "conversation", {"role", "content"}),
        read=_one_by_one(convert_wildchat),
    ),
    "simulatorarena": ConversationFormat(
        fits=lambda record: (
            isinstance(record, dict) and record.keys() >= {"user_queries", "ai_responses", "model"}
        ),
        read=_one_by_one(convert_arena),
    ),
    "aloe": ConversationFormat(fits=is_conversation, read=_aloe),
}
"""By the name that `--format` takes."""
