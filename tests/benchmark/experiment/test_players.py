"""The players that are rules: who asks, who marks, who edits."""

import asyncio
from typing import Any

import pytest
from builders import user

from aloe.agents.rule_user import QUESTIONS
from aloe.benchmark.experiment.players import (
    AskedOnce,
    Rewriter,
    RuleMarker,
    Trimmed,
    strange_wishes,
    training_questions,
)
from aloe.memory.verifiable.catalogue import DIMENSIONS, find_wish
from aloe.memory.verifiable.manners import find_manners
from aloe.schema import AssistantNode


def test_test_users_ask_what_training_users_never_ask() -> None:
    questions = training_questions()
    assert len(set(questions)) == len(questions) >= 60
    assert not set(questions) & set(QUESTIONS)


def test_every_sentence_that_tells_something_is_marked() -> None:
    questions = frozenset(training_questions())
    remark = find_wish("closing", "next step").remark  # which is a question itself
    shrug, *_ = find_manners("indifferent", "train")
    said = user(f"I mend nets. {remark} {shrug} {min(questions)}")
    marked = asyncio.run(RuleMarker(questions=questions).induce("t", said))
    assert [each.quote for each in marked] == ["I mend nets.", remark]


class Plain:
    name = "plain"
    calls = 0

    def __init__(self, text: str = "Take a walk.", faults: tuple[str, ...] = ()) -> None:
        self.text, self.faults = text, faults

    async def reply(self, tree: str, path: Any, said: Any, revealed: Any) -> AssistantNode:
        self.calls += 1
        return AssistantNode.of(
            said.id, self.text, agent=self.name, turn=said.turn, faults=self.faults
        )


def test_the_rewriter_edits_the_reply_of_another_and_asks_no_more() -> None:
    plain = Plain()
    shared = AskedOnce(source=plain)
    wanted = find_wish("emoji", "some")
    said = user(f"I mend nets. {wanted.trait} What now?")

    async def both() -> list[AssistantNode]:
        agents = (shared, Rewriter(source=shared))
        return await asyncio.gather(*(agent.reply("t", [], said, ()) for agent in agents))

    written, edited = asyncio.run(both())
    assert plain.calls == 1
    assert not wanted.kept(written.content)
    assert wanted.kept(edited.content)
    assert edited.agent == "rewriter"


def test_a_reply_edited_for_a_stranger_keeps_wishes_that_nobody_stated() -> None:
    said = user("I mend nets. I want no emoji. What now?")
    dimensions = ["emoji", "example", "greeting", "thanks"]

    def written(tree: str) -> str:
        agent = Rewriter(source=Plain(), name="stranger", wishes=strange_wishes(dimensions))
        return asyncio.run(agent.reply(tree, [], said, ())).content

    kept = [[d for d in dimensions if find_wish(d, DIMENSIONS[d][0].value).kept(written(str(n)))]
            for n in range(40)]  # fmt: skip
    assert {len(each) for each in kept} == {2}
    assert {name for each in kept for name in each} == set(dimensions)
    assert written("1") == written("1")


@pytest.mark.parametrize(
    ("text", "faults"), [("Take a walk.", ()), ("Take a walk and then", ("truncated",))]
)
def test_what_the_limit_cut_is_learnt_from_if_a_sentence_came_to_its_end(
    text: str, faults: tuple[str, ...]
) -> None:
    trimmed, said = Trimmed(source=Plain(text, ("truncated",))), user("What now?")
    assert asyncio.run(trimmed.reply("t", [], said, ())).faults == faults
    edited = asyncio.run(Rewriter(source=trimmed).reply("t", [], said, ()))
    assert edited.faults == (("empty",) if faults else ())


def test_a_failing_call_is_made_anew() -> None:
    class Failing(Plain):
        async def reply(self, *given: Any) -> AssistantNode:
            self.calls += 1
            if self.calls == 1:
                raise RuntimeError
            return AssistantNode.of(given[2].id, "Yes.", agent="plain", turn=1)

    async def twice() -> AssistantNode:
        shared, said = AskedOnce(source=Failing()), user("Hello?")
        with pytest.raises(RuntimeError):
            await shared.reply("t", [], said, ())
        return await shared.reply("t", [], said, ())

    assert asyncio.run(twice()).content == "Yes."
