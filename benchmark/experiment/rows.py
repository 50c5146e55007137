"""The same rows, changed on purpose: a control, smaller amounts, and the defects of the original.

A defect is only ever made here, in a copy of exported rows or of stored verdicts, so no path of the
program can fall into it, and what it costs is measured on the very data that the sound recipe had.
"""

import json
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import cycle, product
from pathlib import Path
from typing import Any, get_args

from aloe.config import Phrases
from aloe.errors import ConfigError
from aloe.files.records import read_records
from aloe.files.writing import replace_text, row_lines
from aloe.memory.verifiable.phrases import (
    find_phrases,
    find_remarks,
    find_traits,
    index_by_ending,
)
from aloe.schema import Outcome, Persona, Tree, Verdict, derive_seed

Row = dict[str, Any]
"""A line of `aloe export --columns`."""
Change = Callable[[list[Row]], list[Row]]
Relabel = Callable[[Verdict], Outcome]


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a file."""
    return [row for _, row in read_records(path)]


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write rows to a file.

    Raises:
        StoreError: the file cannot be written.
    """
    replace_text(path, row_lines(rows))


def shuffle_wishes(rows: Sequence[Row], personas: Sequence[Persona], seed: int) -> list[Row]:
    """Let every user voice somebody else's wishes while the replies stay what they were.

    Nothing else changes: the same replies, as many messages. What a user says about replies just
    has nothing to do any more with the replies that are preferred: it is as often the same as the
    opposite, since whose wishes they are is drawn without a look at them.

    Raises:
        ConfigError: there is nobody else.
    """
    order = random.Random(derive_seed("shuffled", seed)).sample(list(personas), len(personas))
    if len(order) < 2:
        raise ConfigError("there are too few personas to shuffle their wishes")
    pairs = zip(order, [*order[1:], order[0]], strict=True)
    voices = {own.id: _swap_phrases(own, donor) for own, donor in pairs}
    return [_with_users(row, voices[row["persona"]]) for row in rows]


def _swap_phrases(own: Persona, donor: Persona) -> Callable[[str], str]:
    """Return what puts the donor's wishes, in order, in the place of one's own."""
    pairs = zip(own.preferences.items(), donor.preferences.items(), strict=True)
    kinds = product(pairs, (find_traits, find_remarks), get_args(Phrases))
    said = {
        mine: theirs
        for (one, other), find, half in kinds
        for mine, theirs in zip(find(*one, half), cycle(find(*other, half)))
    }
    endings = index_by_ending(said)

    def voice(text: str) -> str:
        if not (found := [*find_phrases(text, endings)]):
            return text
        return re.sub("|".join(map(re.escape, found)), lambda match: said[match[0]], text)

    return voice


def _with_users(row: Row, change: Callable[[str], str]) -> Row:
    """Return a row with other words in the user's mouth."""
    prompt = [
        {**message, "content": change(message["content"])} if message["role"] == "user" else message
        for message in row["prompt"]
    ]
    return {**row, "prompt": prompt}


def keep_unbeaten(compared: Sequence[Row], labelled: Sequence[Row], seed: int) -> list[Row]:
    """Return SFT rows: for each conversation a reply that a label does not put below another.

    Where several are left, one is drawn: a label that cannot tell replies apart must not be made to
    look as if it liked the one that happens to stand first.

    Args:
        compared: pairs of replies, which say what replies there are to choose from.
        labelled: pairs by the label, which say what is put below another.
        seed: the same seed draws the same replies.
    """
    beaten: dict[str, set[str]] = {}
    for row in labelled:
        beaten.setdefault(_conversation(row), set()).add(json.dumps(row["rejected"]))
    prompts: dict[str, Row] = {}
    replies: dict[str, set[str]] = {}
    for row in compared:
        key = _conversation(row)
        prompts.setdefault(key, row)
        replies.setdefault(key, set()).update(json.dumps(row[p]) for p in ("chosen", "rejected"))
    found = []
    for key, row in prompts.items():
        if left := sorted(replies[key] - beaten.get(key, set())):
            text = random.Random(derive_seed("best", seed, key)).choice(left)
            origin = {name: row[name] for name in ("tree", "persona", "turn")}
            found.append({**origin, "prompt": row["prompt"], "completion": json.loads(text)})
    return found


def _conversation(row: Row) -> str:
    return json.dumps([row["tree"], row["prompt"]])


def first_message_everywhere(rows: Sequence[Row]) -> list[Row]:
    """Defect: every turn is trained with the user's opening message in place of its own."""
    return [
        _with_users(row, lambda _, first=row["prompt"][0]["content"]: first)  # type: ignore[misc]
        for row in rows
    ]


def one_character_rejected(rows: Sequence[Row], seed: int) -> list[Row]:
    """Defect: of the rejected reply one character is left, drawn at random."""
    changed = []
    for number, row in enumerate(rows):
        (message,) = row["rejected"]
        rng = random.Random(derive_seed("character", seed, number))
        letter = rng.choice(re.sub(r"\s", "", message["content"]))
        changed.append({**row, "rejected": [{**message, "content": letter}]})
    return changed


def of_first_trees(rows: Sequence[Row], count: int) -> list[Row]:
    """Return the rows of the first `count` trees."""
    kept = set(list(dict.fromkeys(row["tree"] for row in rows))[:count])
    return [row for row in rows if row["tree"] in kept]


def prefer_anew(rows: Sequence[Row], labelled: Iterable[Row], seed: int) -> list[Row]:
    """Return the same pairs of replies with the preferences of another label.

    Args:
        rows: pairs of replies.
        labelled: pairs by the other label. What it does not decide, a coin does: so one label has
            as many pairs to learn from as the other, and the same.
        seed: of the coins.
    """
    chosen = {identify_pair(row): row["chosen"] for row in labelled}

    def prefer(row: Row) -> Row:
        key = identify_pair(row)
        coin = random.Random(derive_seed("coin", seed, *key)).choice(sorted(key[1:]))
        if (chosen[key] if key in chosen else json.loads(coin)) == row["chosen"]:
            return row
        return {**row, "chosen": row["rejected"], "rejected": row["chosen"]}

    return [prefer(row) for row in rows]


def identify_pair(row: Row) -> tuple[str, ...]:
    """Return what a pair is about: the conversation and two replies, whichever is preferred."""
    return _conversation(row), *sorted(json.dumps(row[part]) for part in ("chosen", "rejected"))


def up_to_turn(rows: Sequence[Row], turns: int) -> list[Row]:
    """Return the rows of the first `turns` turns."""
    return [row for row in rows if row["turn"] <= turns]


def fixed_order(verdict: Verdict) -> Outcome:
    """Defect: one order only is asked, so a liking for a place counts as a liking for a reply."""
    choices = (vote.choice for vote in verdict.votes if vote.order == "first-second")
    return next(choices, None) or "abstain"


def unparsed_is_second(verdict: Verdict) -> Outcome:
    """Defect: an answer that names no reply counts for the one that was shown second."""
    shown_second: Mapping[str, Outcome] = {"first-second": "second", "second-first": "first"}
    choices = {vote.choice or shown_second[vote.order] for vote in verdict.votes}
    return choices.pop() if len(choices) == 1 else "abstain"


def relabelled(trees: Iterable[Tree], relabel: Relabel) -> Iterator[Tree]:
    """Yield the trees with the outcome of each verdict made anew from its votes."""
    for tree in trees:
        verdicts = [
            v.model_copy(update={"outcome": relabel(v), "margin": None}) if v.votes else v
            for v in tree.verdicts
        ]
        yield tree.model_copy(update={"verdicts": tuple(verdicts)})
