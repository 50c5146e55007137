"""Nothing with control markup is exported, whoever made the tree, and mentions of it are."""

import json
from collections import Counter

import pytest
from builders import PERSONAS, SCRIPTED, assistant, user

from aloe.schema import Persona, Tree, Verdict
from aloe.training.export import (
    ROWS,
    Format,
    Row,
    Skipped,
    take_all_columns,
    take_trainer_columns,
    wrap_exporter,
)
from aloe.training.usable import MARKUP

CLEAN = "Good.", "Bad.", "And now?", "Yes.", "No."


def tree(*texts: str, opening: str = "Hello", persona: Persona = PERSONAS[0]) -> Tree:
    """Two exchanges, of which the second hangs on the reply that was not preferred."""
    good, bad, now, yes, no = texts
    first = user(opening)
    replies = assistant(good, first, agent="a"), assistant(bad, first, agent="b")
    second = user(now, replies[1].id, turn=2)
    later = assistant(yes, second, agent="a"), assistant(no, second, agent="b")
    verdicts = tuple(
        Verdict(node=one.parent, first=one.id, second=two.id, votes=(), outcome="first")
        for one, two in (replies, later)
    )
    return Tree(
        id="t", persona=persona, seed=0, models={"user": SCRIPTED},
        nodes=(first, *replies, second, *later), verdicts=verdicts,
    )  # fmt: skip


def exported(kind: Format, of: Tree) -> tuple[list[Row], Skipped]:
    skipped: Skipped = Counter()
    return list(ROWS[kind](of, skipped)), skipped


MARKED = [
    "<think>hm</think>Good.",
    "<think>hm",
    "hm</think>Good.",
    "<|channel|>final<|message|>Good.",
    "[THINK]hm[/THINK]Good.",
    "Good.<|im_end|>",
    "Good.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nAnd?",
    "<s>[INST] Good. [/INST]",
]


@pytest.mark.parametrize("kind", sorted(ROWS))
@pytest.mark.parametrize("marked", MARKED)
@pytest.mark.parametrize("place", range(6))
def test_rows_that_hold_marks_anywhere_are_left_out_and_counted(
    kind: Format, marked: str, place: int
) -> None:
    opening, *texts = ("Hello", *CLEAN)
    texts = [marked if at == place - 1 else text for at, text in enumerate(texts)]
    rows, skipped = exported(kind, tree(*texts, opening=marked if place == 0 else opening))
    assert marked not in json.loads(json.dumps(rows)).__str__()
    assert all(json.dumps(marked) not in json.dumps(row) for row in rows)
    clean, _ = exported(kind, tree(*CLEAN))
    assert len(rows) + skipped[MARKUP] == len(clean)
    if place == 0:  # every row has it in its prompt
        assert not rows


@pytest.mark.parametrize("kind", sorted(ROWS))
@pytest.mark.parametrize(
    "text",
    ["What does <|im_end|> do?", "Write `<think>` and `</think>`.",
     "Like so:\n```\n<|im_start|>user\nHi<|im_end|>\n```\nGood.", '"Good."', "```\nx\n```"],
)  # fmt: skip
def test_texts_about_marks_are_exported_as_they_are(kind: Format, text: str) -> None:
    rows, skipped = exported(kind, tree(*CLEAN, opening=text))
    assert len(rows) == len(exported(kind, tree(*CLEAN))[0])
    assert json.dumps(text) in json.dumps(rows)
    assert MARKUP not in skipped


def test_an_exporter_of_ones_own_is_watched_as_well() -> None:
    def make(of: Tree, _: Skipped) -> list[Row]:
        return [{"talk": [{"role": node.role, "content": node.content}]} for node in of.nodes]

    skipped: Skipped = Counter()
    rows = list(wrap_exporter(make)(tree(MARKED[0], *CLEAN[1:]), skipped))
    assert [row["talk"][0]["content"] for row in rows] == ["Hello", *CLEAN[1:]]
    assert skipped == {MARKUP: 1}


def test_an_exporter_of_ones_own_names_its_columns_as_it_likes() -> None:
    own: Row = {"columns": ["a", "b"], "nodes": [1, 2]}
    (row,) = wrap_exporter(lambda *_: [own])(tree(*CLEAN), Counter())
    assert take_trainer_columns(row, "m:f") == own
    assert take_all_columns(row, "m:f").items() >= {**own, "tree": "t"}.items()
    own = {"persona": "turn 1", "margin": "wide", "tree": 7}
    (row,) = wrap_exporter(lambda *_: [own])(tree(*CLEAN), Counter())
    assert (row["persona"], row["margin"]) == (tree(*CLEAN).persona.id, None)
    assert take_trainer_columns(row, "m:f") == own
    assert take_all_columns(row, "m:f").items() >= own.items()
