"""The counters of the study of prompts, and a study of scripted agents from end to end."""

import json
from pathlib import Path
from typing import Any

import pytest
from builders import PERSONAS, assistant, user

from aloe.benchmark.gold_pairs import read_gold
from aloe.benchmark.prompt_study import (
    StudiedTurn,
    carries,
    distinct_2,
    gold,
    main,
    measured,
    people,
    tells,
    wants,
)
from aloe.errors import ConfigError
from aloe.schema import Disclosure, Fact, Fault

NOTE = Fact.of("fact", "I mend bicycles in Porto.")


def turn(said: str, *, replies: tuple[str, ...] = (), **given: Any) -> StudiedTurn:
    node = user(said, **given)
    return StudiedTurn(
        persona=PERSONAS[0],
        note=NOTE,
        user=node,
        replies=tuple(assistant(r, node) for r in replies),
    )


def test_the_sets_share_nobody_and_no_pair() -> None:
    test, develop = people("test"), people("develop")
    assert (len(test), len(develop)) == (20, 8)
    assert not {each.id for each in test} & {each.id for each in develop}
    kept, worked_on = gold("test", 1000), gold("develop", 1000)
    assert not {each.group for each in kept} & {each.group for each in worked_on}
    assert len(kept) + len(worked_on) == len(read_gold())
    assert min(len(kept), len(worked_on)) > 80


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("I fix bicycles down in Porto, what oil is best?", True),
        ("As someone who mends bicycles I wonder about oil.", True),
        ("What oil is best?", False),
        ("Is Lisbon nice?", False),
    ],
)
def test_a_note_is_told_by_its_words(text: str, told: bool) -> None:
    assert tells(text, NOTE) == told
    assert carries(turn(text)) == told


def test_a_number_has_to_be_told_and_the_ledger_knows_paraphrases() -> None:
    age = Fact.of("fact", "I am 34 years old.")
    assert tells("At 34 years I feel old.", age)
    assert not tells("I am many years old.", age)
    assert carries(turn("My trade is two wheels.", stated=(NOTE.id,)))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Where do I start?", True),
        ("I need a plan for my garden.", True),
        ("Suggest a soup", True),
        ("Too long. Keep it short.", True),
        ("any tips for my knees", True),
        ("I live in Porto.", False),
        ("That is a beautiful place.", False),
    ],
)
def test_wants_are_seen(text: str, wanted: bool) -> None:
    assert wants(text) == wanted


def test_figures_are_counts_of_turns() -> None:
    mend = "I mend bicycles in Porto."
    repaired: tuple[Fault, ...] = ("role_confusion",)
    turns = [
        turn(f"{mend} Which oil?", replies=("Use wax.",), revealed=(Disclosure(quote=mend),)),
        turn("I can help you with that.", faults=("role_confusion",), replies=("Use wax.",)),
        turn(f"{mend} How?", repaired=repaired, revealed=(Disclosure(quote="Tea is nice."),)),
        turn("Which oil?", replies=("Oil the chain, then wipe it.",)),
    ]
    found = measured(turns)
    said = found["user"]
    assert said["carry the note"].startswith("2/4 = 50%")
    assert said["want something"].startswith("3/4")
    assert said["role confusions, first draft"].startswith("2/4")
    assert said["role confusions, after repair"].startswith("1/4")
    assert found["inducer"]["recall"].startswith("1/2")
    assert found["inducer"]["precision"].startswith("1/2")
    (agent,) = found.keys() - {"user", "inducer"}
    assert found[agent]["repeated"].startswith("2/3")
    assert found[agent]["words, median"] == 2


def test_variety_is_the_share_of_different_pairs_of_words() -> None:
    assert distinct_2(["a b c", "d e"]) == 1
    assert distinct_2(["a b", "a b"]) == 0.5
    assert distinct_2([""]) == 0


def test_a_study_of_scripted_agents_goes_on_where_it_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["--model", "scripted:aloe.agents.scripted:reply", "--personas", "2", "--turns", "2"]
    asked += ["--pairs", "4", "--plain", "--out", str(tmp_path)]
    main(asked)
    found = json.loads(capsys.readouterr().out)
    assert found["user"]["carry the note"].startswith("4/4")
    assert found["inducer"]["recall"].startswith("4/4")
    assert found.keys() >= {"hinted", "plain", "judge"}
    assert len((tmp_path / "turns.jsonl").read_text().splitlines()) == 4
    calls = (tmp_path / "events.jsonl").read_text()
    main(asked)
    assert json.loads(capsys.readouterr().out)["user"] == found["user"]
    assert (tmp_path / "events.jsonl").read_text() == calls
    (tmp_path / "events.models.json").write_text(json.dumps({asked[1]: "before"}))
    monkeypatch.setattr("aloe.benchmark.prompt_study.hash_models", lambda _: {asked[1]: "now"})
    with pytest.raises(ConfigError, match="as it was before its files changed"):
        main(asked)
