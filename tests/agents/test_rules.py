import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from builders import PERSONAS, SCRIPTED, assistant, comparison, config, scripted_model, user
from command import RunAloe
from hypothesis import given
from hypothesis import strategies as st

from aloe.agents.panel import make_judge
from aloe.calls.event import Event
from aloe.calls.log import CallLog
from aloe.memory.run_folder import read_trees
from aloe.memory.verifiable.generation import generate
from aloe.memory.verifiable.scoring import measure_satisfaction
from aloe.schema import AssistantNode, Persona, Tree, Verdict
from aloe.wording import visible

OPENING = user("What is tea?")
WISHES = {"length": "brief", "question": "asked", "exclamation": "none"}
PERSONA = Persona.of("I am 40.", "I am brief.", preferences=WISHES)


def compare(
    a: str, b: str, *, persona: Persona = PERSONA, rules: bool = True
) -> tuple[Verdict, list[Event]]:
    events: list[Event] = []
    settings = config().updated({"judge.rules": rules}, source="test")
    judge = make_judge(settings, {"judge": scripted_model()}, CallLog(on_event=events.append))
    replies = assistant(a, OPENING, agent="a"), assistant(b, OPENING, agent="b")
    return asyncio.run(judge.compare(comparison(OPENING, *replies, persona=persona))), events


@pytest.mark.parametrize(
    ("a", "b", "outcome"),
    [
        ("A drink. Black or green?", "A drink.", "first"),
        ("A drink!", "A drink. Black or green?", "second"),
        ("A drink, of leaves.", "A drink.", "tie"),
        ("A drink.", "A drink.", "tie"),
        ("", "A drink. Black or green?", "abstain"),
    ],
)
def test_the_reply_that_keeps_more_wishes_is_better(a: str, b: str, outcome: str) -> None:
    verdict, events = compare(a, b)
    assert (verdict.outcome, verdict.margin) == (outcome, None)
    assert verdict.confidence == (1 if outcome in ("first", "second") else None)
    assert events == []


def test_the_vote_says_which_wishes_are_kept() -> None:
    verdict, _ = compare("A drink. Black or green?", "A drink!")
    (vote,) = verdict.votes
    assert vote.judge == "rule"
    assert json.loads(vote.raw)["second"] == {
        "length": True, "question": False, "exclamation": False,
    }  # fmt: skip


def test_other_personas_and_runs_without_rules_are_judged_by_the_model() -> None:
    for persona, rules in ((PERSONAS[0], True), (PERSONA, False)):
        verdict, events = compare("A drink.", "A leaf.", persona=persona, rules=rules)
        assert len(events) == len(verdict.votes) == 2


@given(st.text(max_size=200), st.text(max_size=200), st.integers(0, 50))
def test_the_outcome_is_the_order_of_the_shares(a: str, b: str, seed: int) -> None:
    persona = generate(seed)
    verdict, _ = compare(a, b, persona=persona)
    share_a, share_b = (measure_satisfaction(persona.preferences, text) for text in (a, b))
    if not (visible(a) and visible(b)):
        assert verdict.outcome == "abstain"
    else:
        expected = "first" if share_a > share_b else "second" if share_b > share_a else "tie"
        assert verdict.outcome == expected


def labels(tree: Tree) -> list[tuple[float, float, str]]:
    wishes = tree.persona.preferences
    return [
        (
            measure_satisfaction(wishes, tree.by_id[v.first].content),
            measure_satisfaction(wishes, tree.by_id[v.second].content),
            v.outcome,
        )
        for v in tree.verdicts
    ]


def test_a_run_of_twenty_verifiable_personas_is_labelled_without_a_mistake(
    aloe: RunAloe, tmp_path: Path
) -> None:
    personas = tmp_path / "v.jsonl"
    personas.write_text("".join(generate(seed).model_dump_json() + "\n" for seed in range(20)))
    ran = aloe(
        "simulate", "--personas", personas, "--trees", 20, "--turns", 2, "--model", SCRIPTED,
        "--out", tmp_path / "run", "--quiet", "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert "judge:ok" not in ran.result["outcomes"]
    found: list[Any] = [row for tree in read_trees(tmp_path / "run") for row in labels(tree)]
    assert len(found) >= 40
    for first, second, outcome in found:
        wanted = "first" if first > second else "second" if second > first else "tie"
        assert outcome == wanted
    _check_exports(aloe, tmp_path / "run")
    # A model judge can then be held against the truth.
    again = aloe(
        "rejudge", tmp_path / "run", "--judge", SCRIPTED, "--out", tmp_path / "new", "--json"
    )
    assert again.result["calls"] > 0
    assert again.result["comparisons"] == len(found)


def _check_exports(aloe: RunAloe, run: Path) -> None:
    """Check that every exported label is the truth, and that nobody was told what was not said."""
    personas = {tree.persona.id: tree.persona for tree in read_trees(run)}
    ran = aloe("export", run, "--format", "dpo", "--columns", "--out", run / "dpo.jsonl", "--json")
    assert ran.result["rows"] > 0
    for line in (run / "dpo.jsonl").read_text().splitlines():
        row = json.loads(line)
        wishes = personas[row["persona"]].preferences
        chosen, rejected = (row[name][0]["content"] for name in ("chosen", "rejected"))
        assert measure_satisfaction(wishes, chosen) > measure_satisfaction(wishes, rejected)
        assert row["confidence"] == 1
    for tree in read_trees(run):
        for node in tree.nodes:
            if isinstance(node, AssistantNode) and node.hint:
                assert node.hint == " ".join(told.quote for told in tree.revealed(node.id))


def test_what_only_a_program_sees_is_counted() -> None:
    wishes = Persona.of("I am 40.", "I want paragraphs.", preferences={"paragraphs": "several"})
    verdict, events = compare("Eat oats.\n\nWalk daily.", "Eat oats. Walk daily.", persona=wishes)
    assert (verdict.outcome, len(verdict.votes), events) == ("first", 1, [])
    assert compare("Eat oats.", "Eat oats.", persona=wishes)[0].votes == ()
    assert compare("Eat oats.", "\u200b", persona=wishes)[0].outcome == "abstain"
