import asyncio
from dataclasses import replace
from typing import get_args

import pytest
from bags import BagOfWords
from builders import PERSONAS, scripted_model
from learners import cases

from aloe.agents.candidate import CONDITIONS, CandidateAgent
from aloe.agents.scripted import reply as scripted_reply
from aloe.agents.user import UserAgent
from aloe.benchmark.case import Case, Flip, Probe
from aloe.benchmark.cases import load_cases
from aloe.benchmark.dialogues import RECALL, plan
from aloe.benchmark.swaps import assign_stand_ins
from aloe.calls.log import CallLog
from aloe.config import Disclosing, UserConfig
from aloe.errors import CallError
from aloe.graphs.dialogue import DialogueContext, hold
from aloe.memory.disclosures import DisclosureChecker
from aloe.memory.verifiable.phrases import find_questions, find_traits
from aloe.memory.wish_checks import check_replies, find_words
from aloe.schema import Tree
from aloe.views.report_tree import describe_user
from aloe.views.tellings import describe_tellings

HELP = "Oil the chain first. Then check the brakes, both tyres and the lights before you set off."


def context(script=scripted_reply, condition: str = "candidate") -> DialogueContext:
    calls = CallLog()
    return DialogueContext(
        user=UserAgent(model=scripted_model(), calls=calls),
        candidate=CandidateAgent(
            model=scripted_model(script), calls=calls, terms=CONDITIONS[condition]
        ),
        checker=DisclosureChecker(BagOfWords()),
    )


def case(**given) -> Case:
    raw = {
        "suite": "s",
        "persona": PERSONAS[0],
        "why": "test",
        "profile": "p",
        "personality": "q",
        "turns": 4,
    }
    return Case.model_validate(raw | given)


def held(each: Case, seed: int = 0, agents: DialogueContext | None = None) -> Tree:
    (planned,) = plan([each], {}, 1, "candidate")
    dialogue = replace(planned.dialogue, seed=seed)
    return asyncio.run(hold(dialogue, {"user": "u", "candidate": "c"}, agents or context()))


def test_a_dialogue_is_one_path_with_the_question_at_its_end() -> None:
    tree = held(case())
    assert [node.role for node in tree.nodes] == ["user", "assistant"] * 5
    assert [node.turn for node in tree.nodes] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    for before, node in zip(tree.nodes, tree.nodes[1:], strict=False):
        assert node.parent == before.id
    assert tree.nodes[-2].content == RECALL
    assert [node.agent for node in tree.nodes[::2]] == ["user"] * 4 + ["case"]
    assert tree.verdicts == ()
    assert tree.persona == PERSONAS[0]


def test_what_was_said_is_checked_against_the_persona() -> None:
    tree = held(case())
    facts = {fact.id for fact in PERSONAS[0].facts}
    stated = [fact for node in tree.nodes[:8:2] for fact in node.stated]
    assert len(set(stated)) == 4
    assert set(stated) <= facts
    assert all(node.consistency for node in tree.nodes[:8:2])


def test_every_model_and_control_meets_the_same_user() -> None:
    openings = {
        held(case(), agents=context(script)).nodes[0].content
        for script in (scripted_reply, lambda *_: "No.", lambda *_: "Yes.")
    }
    assert len(openings) == 1
    dialogues = [plan([case()], {case().id: (case(),)}, 2, name) for name in CONDITIONS]
    assert len({tuple(each.dialogue.id for each in planned) for planned in dialogues}) == 1
    assert len({each.dialogue.id for each in dialogues[0]}) == 2


def test_prescribed_messages_stand_as_they_are() -> None:
    probe = Probe(message="What is 7 times 12?", kind="fact", accept=("84",))
    tree = held(case(probes={2: probe}))
    assert tree.nodes[2].content == probe.message
    assert tree.nodes[2].agent == "case"
    assert tree.nodes[4].agent == "user"


def test_a_user_who_changes_says_so_and_is_another_from_then_on() -> None:
    seen = []

    def spy(messages, arguments):
        seen.append(" ".join(message.text for message in messages))
        return scripted_reply(messages, arguments)

    other = PERSONAS[1].model_copy(update={"profile": PERSONAS[0].profile})
    flip = Flip(turn=3, persona=other, note="From now on I want every step.")
    each = case(flip=flip)
    agents = replace(context(), user=UserAgent(model=scripted_model(spy), calls=CallLog()))
    tree = held(each, agents=agents)
    assert tree.nodes[4].content == flip.note
    manners = [[who.personality in text for who in (PERSONAS[0], other)] for text in seen]
    assert manners == [[True, False], [True, False], [False, True]]  # turns 1, 2 and 4
    assert [each.persona_at(turn) for turn in (1, 2, 3, 4)] == [PERSONAS[0]] * 2 + [other] * 2
    assert [node.played for node in tree.nodes[::2]] == [None, None, *[other] * 3]


def test_what_a_user_tells_is_said_as_who_it_was_then() -> None:
    each = load_cases("flip-verifiable")[0].model_copy(update={"disclosure": "answering"})
    tree = held(each, agents=context(lambda *_: "So be it."))
    words = [find_words(each.persona_at(turn)) for turn in (1, each.turns)]
    wishes = check_replies(tree, each.persona_at)
    assert wishes == check_replies(tree)  # the tree knows as much as the case
    both = set[str]()
    for node in tree.nodes[: 2 * each.turns : 2]:
        assert each.flip
        assert node.role == "user"
        now, other = words if node.turn < each.flip.turn else words[::-1]
        marks = [mark[1] for mark in describe_user(tree, node, wishes)]
        lines = describe_tellings(tree, node)
        for told in node.told:
            if told.about in now:
                both |= {f"{told.about} {node.turn < each.flip.turn}"}
                assert now[told.about] in marks
                assert other[told.about] not in marks
                wanted = each.persona_at(node.turn).preferences[told.about]
                assert any(line.endswith(f"{told.about}, {wanted}") for line in lines)
    assert {name for name in words[0] if {f"{name} True", f"{name} False"} <= both}


def test_rules_play_whose_wishes_a_program_can_check() -> None:
    agents = context(lambda *_: "So be it.")
    tree = held(cases()[0], agents=agents)
    assert {node.agent for node in tree.nodes[:20:2]} == {"rule"}
    assert agents.candidate.calls.totals.calls == 11  # and none of a user


def test_a_case_says_when_its_user_tells_something_and_the_settings_where_it_does_not() -> None:
    question = f"{HELP} {find_questions('thanks', 'train')[0]}"
    for disclosure in get_args(Disclosing):
        for named, config in ((disclosure, {}), (None, {"disclosure": disclosure})):
            agents = context(lambda *_: question)
            agents = replace(agents, user=replace(agents.user, config=UserConfig(**config)))
            each = cases()[0].model_copy(update={"id": f"{disclosure}", "disclosure": named})
            tree = held(each, agents=agents)
            assert tree.disclosure == (None if disclosure == "schedule" else disclosure)
            why = {e.why for n in tree.nodes[2:4] for e in getattr(n, "told", ())
                   if e.about == "thanks"}  # fmt: skip
            assert why == (set() if disclosure == "schedule" else {"asked"})


def test_in_the_benchmark_rules_speak_with_phrases_that_no_training_heard() -> None:
    for named, half in ((None, "test"), ("train", "train")):
        agents = context(lambda *_: "So be it.")
        agents = replace(agents, user=replace(agents.user, config=UserConfig(phrases=named)))
        opening = held(cases()[0], agents=agents).nodes[0].content
        assert any(text in opening for text in find_traits("emoji", "some", half))


def test_what_a_reticent_user_kept_to_itself_is_hidden() -> None:
    agents = context(lambda *_: HELP)
    tree = held(case(disclosure="reticent"), agents=agents)
    opening = tree.nodes[0]
    assert (opening.told, opening.consistency) == ((), None)
    assert held(case(), agents=agents).nodes[0].consistency


def test_moods_are_those_of_the_case() -> None:
    tree = held(case(mood="contradictory"))
    assert tree.mood == "contradictory"
    assert "not true" in " ".join(node.content for node in tree.nodes[::2])
    assert held(case()).mood is None


def test_who_is_told_is_told_the_right_persona() -> None:
    whole = cases()
    swaps = assign_stand_ins(whole)
    for condition, expected in (("ceiling", whole[0]), ("shuffled", swaps[whole[0].id][0])):
        dialogue = plan(whole, swaps, 1, condition)[0].dialogue
        assert {persona.id for persona in dialogue.told} == {expected.persona.id}
        assert len(dialogue.told) == dialogue.turns == 11
    assert plan(whole, {}, 1, "shuffled") == []


def test_a_candidate_that_fails_for_good_costs_its_dialogue() -> None:
    def broken(messages, arguments):
        raise CallError("the context is too long")

    with pytest.raises(CallError, match="too long"):
        held(case(), agents=context(broken))
