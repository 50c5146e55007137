"""What a trainer is told by rules, by a judge and by users, on batches as TRL hands them over."""

import asyncio
from typing import Any

import builders
import pytest

from aloe.agents.rating import PointwiseJudge
from aloe.agents.rewards import JudgeReward, Users, check_columns, rules, talks
from aloe.agents.user import UserAgent
from aloe.calls.log import CallLog
from aloe.config import UserConfig
from aloe.errors import CallError, ConfigError, ModelError
from aloe.memory.verifiable.catalogue import find_wish
from aloe.memory.verifiable.manners import find_manners
from aloe.memory.verifiable.phrases import find_questions, find_stated
from aloe.schema import Fact, Persona
from aloe.training.export import ROWS, Skipped, take_trainer_columns

BRIEF = find_wish("length", "brief")
COLUMNS: dict[str, Any] = {
    "profile": ["I mend nets. I have a boat.", "I sell tea."],
    "personality": [BRIEF.trait, "I am shy."],
    "preferences": [[["length", "brief"]], []],
    "tree": ["t1", "t2"],
    "revealed": [[], []],
    "completion_ids": [[1], [2]],
    "log_metric": print,
}
HELP = "Oil the chain first. Then check the brakes, both tyres and the lights before you set off."
PROMPTS = [[{"role": "user", "content": text}] for text in ("Hello.", "Good day.")]


def replies(*texts: str) -> list[list[dict[str, str]]]:
    return [[{"role": "assistant", "content": text}] for text in texts]


def judge(script: Any) -> JudgeReward:
    model = builders.scripted_model(script)
    return JudgeReward(judge=PointwiseJudge(model=model, calls=CallLog()), wait=asyncio.run)


def test_rules_count_the_wishes_kept() -> None:
    wishes = [[["length", "brief"], ["question", "asked"]]] * 3
    said = replies("And you?", "Yes.", " ")
    assert rules(completions=said, preferences=wishes, tree=["t"] * 3) == [1.0, 0.5, 0.0]


@pytest.mark.parametrize("none", [[], None, {}])
def test_a_user_without_wishes_is_no_reason_for_full_marks(none: Any) -> None:
    wishes = [[["length", "brief"]], none]
    with pytest.raises(ConfigError, match="a row has no wishes that a program can check"):
        rules(completions=replies("Yes.", "Yes."), preferences=wishes)


def test_the_judge_rates_from_nought_to_one_and_keeps_quiet_about_what_it_cannot_read() -> None:
    asked = []

    def script(messages: Any, _: Any) -> str:
        asked.append(messages[-1].text)
        return "4" if "fine" in asked[-1] else "who knows"

    reward = judge(script)
    found = reward(prompts=PROMPTS, completions=replies("All is fine.", "Hm."), **COLUMNS)
    assert found == [0.75, None]
    assert "I mend nets." in asked[0]
    assert "Hello." in asked[0]
    assert "I am shy." in asked[1] == asked[2]  # once more, with more room than one token
    assert reward(prompts=PROMPTS, completions=replies("", " "), **COLUMNS) == [0.0, 0.0]
    assert len(asked) == 3
    assert reward.__name__ == "judge"


def test_a_failed_call_is_no_reward_and_a_dead_model_is_an_error() -> None:
    def failing(error: Exception) -> JudgeReward:
        def script(*_: Any) -> str:
            raise error

        return judge(script)

    given = {"prompts": PROMPTS, "completions": replies("a", "b"), **COLUMNS}
    assert failing(CallError("lost"))(**given) == [None, None]
    with pytest.raises(ModelError, match="gone"):
        failing(ModelError("gone"))(**given)


def test_users_answer_by_rule_where_wishes_can_be_checked_and_by_model_elsewhere() -> None:
    user = UserAgent(model=builders.scripted_model(), calls=CallLog())
    said = [
        [*prompt, *reply]
        for prompt, reply in zip(PROMPTS, replies("x " * 80, "Well."), strict=True)
    ]
    by_rule, by_model = Users(model=user, wait=asyncio.run)(said, **COLUMNS)
    assert find_stated(by_rule or "") == {"length": "brief"}
    assert by_model
    alone = Users(model=None, wait=asyncio.run)(said[:1], **COLUMNS)
    assert alone == [by_rule]


@pytest.mark.parametrize("disclosure", ["answering", "reticent"])
def test_users_answer_what_a_policy_asks(disclosure: Any) -> None:
    user = UserAgent(model=builders.scripted_model(), calls=CallLog(),
                     config=UserConfig(disclosure=disclosure))  # fmt: skip
    ask = Users(model=user, wait=asyncio.run, config=user.config)
    said = replies(
        f"{HELP} {find_questions('length', 'test')[0]}", f"{HELP} What do you do for a living?"
    )
    heard = [[*prompt, *reply] for prompt, reply in zip(PROMPTS, said, strict=True)]
    by_rule, by_model = ask(heard, **COLUMNS)
    assert find_stated(by_rule or "") == {"length": "brief"}
    assert "I sell tea." in (by_model or "")
    again = [
        [*talk, {"role": "user", "content": text}, *reply]
        for talk, text, reply in zip(heard, (by_rule, by_model), said, strict=True)
    ]
    repeated, noted = ask(again, **COLUMNS)
    assert find_stated(repeated or "") == {"length": "brief"}
    assert any(opening in (repeated or "") for opening in find_manners("again", "train"))
    assert "I sell tea." not in (noted or "")  # its words told that it was told


def test_a_conversation_becomes_the_path_that_agents_know() -> None:
    system = {"role": "system", "content": "Be kind."}
    turns = [system, *PROMPTS[0], *replies(" Hi. ")[0], {"role": "user", "content": "Bye."}]
    (talk, *_) = talks([turns], COLUMNS)
    assert [(node.role, node.content, node.turn) for node in talk.path] == [
        ("user", "Hello.", 1),
        ("assistant", "Hi.", 1),
        ("user", "Bye.", 2),
    ]
    assert talk.path[1].parent == talk.path[0].id
    assert talk.persona.preferences == {"length": "brief"}


def test_rows_of_a_tree_bring_its_persona_and_its_users_order() -> None:
    fact = Fact.of("fact", "They keep geese.")
    persona = Persona.of("I have geese. I have a boat.", "I am shy.", facts=(fact,))
    tree = builders.grow(builders.config(), persona=persona)
    rows = [take_trainer_columns(row, "grpo") for row in ROWS["grpo"](tree, Skipped())]
    columns = {name: [row[name] for row in rows] for name in rows[0] if name != "prompt"}
    for talk in talks([row["prompt"] for row in rows], columns):
        assert (talk.tree, talk.persona.facts) == (tree.id, (fact,))
    plain = {"profile": ["A."], "personality": ["B."], "facts": [None], "tree": ["t"]}
    assert len(talks([PROMPTS[0]], plain)[0].persona.facts) == 2


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"facts": [{"id": "f", "kind": "rumour", "text": "A."}]}, "facts.0.kind"),
        ({"personality": "I am shy."}, "no 'profile'"),
        ({"profile": "I sell tea.", "personality": " "}, "no 'personality'"),
        ({"preferences": [["length", "endless"]]}, "not pairs"),
        ({"preferences": [["colour", "blue"]]}, "not pairs"),
        ({"preferences": ["length"]}, "not pairs"),
        (
            {
                "profile": "A.",
                "personality": "I like an emoji in every reply.",
                "preferences": [["emoji", "none"]],
            },
            "emoji is 'none' there",
        ),
        ({}, "a judge"),
    ],
)
def test_a_row_that_says_too_little_is_named(row: dict[str, Any], problem: str) -> None:
    whole = row if "personality" in row else {"profile": "A.", "personality": "B.", **row}
    with pytest.raises(ConfigError, match=problem):
        check_columns(whole, by_rule=True)
