"""The corpus of user turns, what the rules make of its kept half, and that nothing caught leaks."""

import json
from collections import Counter
from collections.abc import Callable
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest
from builders import assistant, user

from aloe.agents.faults import Part, tidied, user_faults
from aloe.benchmark.user_audit import CORPUS, GOOD, CorpusPart, audit_users, read_turns
from aloe.errors import InputError
from aloe.models.open import Reply
from aloe.schema import SPOILING, Persona, Tree, Verdict
from aloe.training.export import ROWS, Format

REACHED = {
    "develop": {"caught": 0.9, "false_alarms": 0.005},
    "test": {"caught": 0.92, "false_alarms": 0.0161},
    "fresh": {"caught": 0.5, "false_alarms": 0.0661},
}
"""What is reached, which falls short of what is aimed at: 95% and 1%; see docs/users.md."""
PARTS: tuple[CorpusPart, ...] = ("develop", "test", "fresh")


def test_the_corpus_is_what_its_datasheet_says() -> None:
    halves = {half: list(read_turns(half)) for half in PARTS}
    turns = [turn for each in halves.values() for turn in each]
    good = sum(turn.kind == GOOD for turn in turns)
    assert min(good, len(turns) - good) >= 500
    assert len({turn.id for turn in turns}) == len(turns)
    assert all(turn.half == half for half, each in halves.items() for turn in each)
    kinds = {half: Counter(turn.kind for turn in each) for half, each in halves.items()}
    assert kinds["develop"].keys() == kinds["test"].keys() == kinds["fresh"].keys()
    assert min(kinds["test"].values()) >= 8
    for one, other in combinations(PARTS, 2):
        assert not {t.profile for t in halves[one]} & {t.profile for t in halves[other]}
        said = [{(t.profile, t.message) for t in halves[half]} for half in (one, other)]
        assert not said[0] & said[1]
    assert {turn.source for turn in halves["fresh"]} > {"written"}
    assert sum(path.stat().st_size for path in CORPUS.iterdir()) < 1_500_000


@pytest.mark.parametrize("half", PARTS)
def test_what_the_rules_reach(
    half: CorpusPart, record_property: Callable[[str, object], None]
) -> None:
    report = audit_users(read_turns(half), half)
    record_property("milliseconds", report.milliseconds)
    assert report.caught >= REACHED[half]["caught"]
    assert report.false_alarms <= REACHED[half]["false_alarms"]


@cache
def grown() -> tuple[tuple[str, bool, Tree], ...]:
    """Return the messages of the kept half as agents make them: caught or not, and their trees."""
    found = []
    for turn in read_turns("test"):
        reply = Reply(
            text=turn.message, finish="stop", input_tokens=0, cached_tokens=0, output_tokens=0
        )
        persona = Persona.of(turn.profile, turn.personality)
        text, part = tidied(reply), Part(persona=persona)
        faults = user_faults(text, reply, turn.conversation, most_words=60, part=part)
        said = user(text, faults=faults)
        one, two = assistant("One.", said, agent="a"), assistant("Two.", said, agent="b")
        verdict = Verdict(node=said.id, first=one.id, second=two.id, votes=(), outcome="first")
        tree = Tree(
            id="t", persona=persona, seed=0, models={}, nodes=(said, one, two), verdicts=(verdict,)
        )
        found.append((text, bool(SPOILING & set(faults)), tree))
    return tuple(found)


@pytest.mark.parametrize("row_format", sorted(ROWS))
def test_nothing_that_is_caught_is_exported(row_format: Format) -> None:
    for message, caught, tree in grown():
        rows = json.dumps(list(ROWS[row_format](tree, Counter())))
        assert (json.dumps(message) in rows) is not caught, message
    assert sum(caught for _, caught, _ in grown()) > 200


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    half: CorpusPart = "test"
    with pytest.raises(InputError, match="corpus"):
        list(read_turns(half, tmp_path))
    (tmp_path / "test.jsonl").write_text('{"id": "x"}\n')
    with pytest.raises(InputError, match=r"test\.jsonl:1"):
        list(read_turns(half, tmp_path))
