import asyncio
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from builders import PERSONAS, SCRIPTED, assistant, comparison, config, scripted_model, user
from command import RunAloe
from hypothesis import given
from hypothesis import strategies as st

from aloe import draw_personas, simulate
from aloe.agents.panel import make_judge
from aloe.calls.event import Event
from aloe.calls.log import CallLog
from aloe.config import shaping
from aloe.errors import ConfigError
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


NAMED = [
    {"judge.use": "tests_own:longer"},
    {"judge.criteria": {"style": 1}},
    {"models.panel": [SCRIPTED]},
]
"""Settings that say who judges."""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tests_own.py").write_text(
        "def longer(asked, model):\n"
        "    return len(asked.first.content) - len(asked.second.content)\n\n"
        "def says(messages, arguments):\n"
        "    return 'A'\n"
    )
    monkeypatch.delitem(sys.modules, "tests_own", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("named", NAMED, ids=lambda each: next(iter(each)))
def test_who_is_named_as_a_judge_judges_everybody(named: dict[str, Any]) -> None:
    """Whether a file or the call names it; rules do only where settings ask for them."""
    plain = config(trees=1, turns=1)
    Path("plain.toml").write_text(plain.toml())
    Path("named.toml").write_text(plain.updated(named, source="test").toml())
    people = draw_personas(1, seed=7)
    asked: list[tuple[str, dict[str, Any]]] = [("named.toml", {}), ("plain.toml", named)]
    for file, settings in asked:
        judges = judges_of(simulate(people, config=file, settings=settings))
        assert judges
        assert judges <= {SCRIPTED, "tests_own:longer"}
        ruled = {**settings, "judge.rules": True}
        assert judges_of(simulate(people, config=file, settings=ruled)) == {"rule"}
    assert plain.updated({"models.judge": "openai:x"}, source="test").rules_judge


def judges_of(trees: Iterable[Tree]) -> set[str]:
    return {v.judge for tree in trees for verdict in tree.verdicts for v in verdict.votes}


def test_it_is_said_before_a_run_who_judges(aloe: RunAloe, own: Path, personas_file: Path) -> None:
    lines = [generate(1).model_dump_json(), *personas_file.read_text().splitlines()[:2]]
    for name, count in (("some", 3), ("all", 1)):
        (own / f"{name}.jsonl").write_text("\n".join(lines[:count]) + "\n")
    part = f"rules judge 1 of 3 personas, {SCRIPTED} the others"
    whole = f"rules judge 1 of 1 persona; judge.rules = false leaves them to {SCRIPTED}"
    for name, trees, said in (("some", 4, part), ("all", 2, whole)):
        command = ["simulate", "--personas", f"{name}.jsonl", "--trees", trees, "--turns", 1,
                   "--model", SCRIPTED, "--out", name]  # fmt: skip
        assert said in " ".join(aloe(*command, "--dry-run").out.split())
        assert said in " ".join(aloe(*command).err.split())
        assert "rules judge" not in aloe(*command, "--quiet").err
    Path("own.toml").write_text('[judge]\nuse = "tests_own:longer"\n')
    Path("both.toml").write_text('[judge]\nuse = "tests_own:longer"\nrules = true\n')
    own_judge = aloe("rejudge", "some", "--config", "own.toml", "--out", "new")
    assert own_judge.code == 0, own_judge.err
    assert "rules judge" not in own_judge.err
    assert judges_of(read_trees(Path("new"))) == {"tests_own:longer"}
    both = aloe("rejudge", "some", "--config", "both.toml", "--out", "both")
    assert "rules judge 1 of 3 personas, tests_own:longer the others" in " ".join(both.err.split())
    for name, ruled in (("own", False), ("both", True)):
        checked = aloe("config", "check", f"{name}.toml")
        words = "rules judge personas with checkable wishes, tests_own:longer the others"
        assert (words in " ".join(checked.out.split())) == ruled
        assert aloe("config", "check", f"{name}.toml", "--json").result["rules_judge"] == ruled


@pytest.mark.usefixtures("own")
def test_a_judge_of_its_own_in_the_settings_is_missed_aloud() -> None:
    judge = "scripted:tests_own:says"
    people = [*draw_personas(1, seed=7), PERSONAS[0]]
    given: dict[str, Any] = {"settings": {"models.judge": judge}, "model": SCRIPTED, "turns": 1}
    for users, asked in ((people, "1 of 2 personas"), (people[:1], "0 of 1 persona")):
        told = f"^models.judge: is asked for {asked}: rules judge the replies to .*judge.rules"
        with pytest.warns(UserWarning, match=told):
            assert simulate(users, **given)
    simulate(people, **{**given, "settings": {"models.judge": judge, "judge.rules": False}})
    simulate(people, **{**given, "settings": {"models.judge": SCRIPTED}})


@pytest.mark.usefixtures("own")
def test_a_run_from_before_goes_on_by_rule_or_says_why_not() -> None:
    """Runs used to store `rules = true` for whoever said nothing of rules."""
    for name, named in (("plain", {}), *((f"{at}", each) for at, each in enumerate(NAMED))):
        settings = config(trees=1, turns=1).updated(named, source="test")
        before = settings.updated({"judge.rules": True}, source="test")
        people, now = draw_personas(2, seed=7), Path(f"{name}.toml")
        now.write_text(before.toml())
        assert len(simulate(people[:1], config=now, out=name)) == 1
        now.write_text(settings.toml())
        if not named:
            assert shaping(settings) == shaping(before)
            more = simulate(people, config=now, out=name, trees=2)
            assert len(more) == 2
            continue
        with pytest.raises(ConfigError, match=r"judge\.rules: True there, False now\); name"):
            simulate(people, config=now, out=name)


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
