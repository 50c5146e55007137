"""Trees whose users answer, and the trees by the schedule, which stay what they were."""

from typing import Any

import pytest
from bags import BAGS
from builders import PERSONAS, SCRIPTED, config, grow, scripted_model

from aloe import simulate
from aloe.agents.disclosing import check_users
from aloe.config import Config, Size
from aloe.errors import ConfigError
from aloe.memory.verifiable.generation import generate
from aloe.memory.verifiable.phrases import find_questions
from aloe.schema import Persona, Telling, Tree, UserNode, digest

HELP = "Oil the chain first. Then check the brakes, both tyres and the lights before you set off."


def settings(disclosure: str, **simulation: Any) -> Config:
    plain = config(SCRIPTED, turns=4, check_ledger=False, **simulation)
    return plain.updated({"user.disclosure": disclosure}, source="test")


def users(tree: Tree) -> list[UserNode]:
    return [node for node in tree.nodes if isinstance(node, UserNode)]


@pytest.mark.parametrize(
    ("size", "ids"), [("small", "c8b5fa9fdf8c26a4"), ("full", "88418b02185b3646")]
)
def test_by_the_schedule_trees_are_what_they_were_before_users_could_answer(
    size: Size, ids: str
) -> None:
    given = config(turns=6, both_turns=1, moods=["contradictory", "typos"])
    tree = grow(given.model_copy(update={"prompt_size": size}), seed=4)
    assert digest([node.id for node in tree.nodes]) == ids
    assert tree.disclosure is None
    facts = [fact.id for fact in PERSONAS[0].facts if fact.kind == "fact"]
    paths = [tree.path(node.id)[::2] for node in users(tree) if node.turn == 6]
    for path in paths:
        told = [each for node in path if isinstance(node, UserNode) for each in node.told]
        assert sorted(each.about for each in told) == sorted(facts)
        assert {each.why for each in told} == {"scheduled"}


@pytest.mark.parametrize("persona", [PERSONAS[0], generate(5)], ids=["text", "wishes"])
@pytest.mark.parametrize("disclosure", ["answering", "reticent"])
def test_trees_note_what_was_told_and_why_and_survive_the_disk(
    persona: Persona, disclosure: str
) -> None:
    tree = grow(settings(disclosure, both_turns=2), persona=persona)
    assert tree.disclosure == disclosure
    assert Tree.model_validate_json(tree.model_dump_json()) == tree
    assert {node.agent for node in users(tree)} == {"rule" if persona.preferences else "user"}
    known = {fact.id for fact in persona.facts} | persona.preferences.keys()
    for node in users(tree):
        assert {each.about for each in node.told} <= known
        for each in node.told:
            assert each.reply in (None, node.parent)
            assert isinstance(each, Telling)


def test_siblings_that_say_the_same_hear_the_same() -> None:
    persona = generate(5)
    name = list(persona.preferences)[-1]
    script = scripted_model(lambda messages, _: f"{HELP} {find_questions(name, 'train')[0]}")
    tree = grow(settings("reticent", both_turns=3), persona=persona, model=script)
    second = [node for node in users(tree) if node.turn == 2]
    assert len(second) == 2
    assert len({node.content for node in second}) == 1
    assert [[(t.about, t.why) for t in node.told if t.about == name] for node in second] == [
        [(name, "asked")]
    ] * 2
    assert {node.asked for node in users(tree) if node.turn > 2} == {"again"}


def test_a_branch_ends_when_a_rule_has_nothing_more_to_tell() -> None:
    persona = generate(5, wishes=2)
    long = settings("answering", stop_when_done=True).updated(
        {"simulation.turns": 24}, source="test"
    )
    life = sum(fact.kind == "fact" for fact in persona.facts)
    tree = grow(long, persona=persona, model=scripted_model(lambda *_: HELP))
    assert max(node.turn for node in tree.nodes) == life


def test_who_states_nothing_cannot_be_asked() -> None:
    nobody = Persona.of("", "")
    with pytest.raises(ConfigError, match=f"persona {nobody.id} states nothing"):
        check_users([nobody], "reticent", "minilm")
    check_users([nobody], "schedule", "minilm")
    with pytest.raises(ConfigError, match="embedder bag-of-words"):
        simulate([PERSONAS[0]], model=SCRIPTED, turns=1,
                 settings={"user.disclosure": "reticent", "personas.embedder": BAGS})  # fmt: skip


@pytest.mark.parametrize("persona", [PERSONAS[0], generate(5)], ids=["text", "wishes"])
def test_a_mood_is_recorded_of_whoever_has_one(persona: Persona) -> None:
    answering = settings("answering", moods=["typos"])
    assert grow(answering, persona=persona).mood == (None if persona.preferences else "typos")
    assert grow(config(moods=["typos"]), persona=persona).mood == "typos"  # a model plays both
