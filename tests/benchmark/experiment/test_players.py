"""The players that are rules: who asks, who marks, who edits."""

import asyncio
from typing import Any

import pytest
from builders import assistant, user

from aloe.agents.marker import RuleMarker
from aloe.agents.rule_user import QUESTIONS
from aloe.benchmark.experiment.players import (
    OPEN_QUESTIONS,
    AskedOnce,
    Asker,
    Rewriter,
    Trimmed,
    strange_wishes,
    training_questions,
)
from aloe.memory.questions import find_questions_in
from aloe.memory.verifiable.asking import OPEN, find_asked
from aloe.memory.verifiable.catalogue import DIMENSIONS, find_wish
from aloe.memory.verifiable.manners import find_manners
from aloe.memory.verifiable.phrases import find_questions, find_remarks, find_traits
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
    assert {name for each in kept for name in each} == {"example", "greeting", "thanks"}
    assert written("1") == written("1")


def test_a_stranger_never_wants_what_this_user_stated() -> None:
    wishes = strange_wishes(["emoji", "example", "greeting", "thanks"])
    wanted = [(name, DIMENSIONS[name][0].value) for name in ("emoji", "thanks")]
    stated = [find_traits(*each, "train")[0] for each in wanted]
    assert {frozenset(wishes(stated, seed)) for seed in range(20)} == {
        frozenset({"example", "greeting"})
    }
    assert wishes([*stated, find_traits("greeting", "none", "train")[0]], 1).keys() == {"example"}


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


ASKED_ABOUT = ("emoji", "example", "greeting", "thanks")


def ask(
    *said: str, tree: str = "t", text: str = "Take a walk.", wishes: int = 3, needless: float = 0.0
) -> str:
    """Return the asker's reply after messages and replies in turn, the user's first and last."""
    nodes: list[Any] = []
    for number, words in enumerate(said):
        if number % 2:
            nodes.append(assistant(words, nodes[-1]))
        else:
            nodes.append(user(words, nodes[-1].id if nodes else None, turn=number // 2 + 1))
    source = Rewriter(source=Plain(text))
    asker = Asker(source=source, dimensions=ASKED_ABOUT, wishes=wishes, needless=needless)
    return asyncio.run(asker.reply(tree, nodes[:-1], nodes[-1], ())).content


def asked(reply: str) -> list[str | None]:
    return [find_asked(each) for each in find_questions_in(reply)]


def test_the_asker_adds_one_question_to_what_the_rewriter_says() -> None:
    found = set()
    for tree in map(str, range(60)):
        said = f"I mend nets. {find_remarks('emoji', 'some', 'test')[0]}"
        reply = ask(said, tree=tree)
        (about,) = asked(reply)
        assert reply.startswith("Take a walk.")
        assert find_wish("emoji", "some").kept(reply)
        assert reply == ask(said, tree=tree)
        found.add(about)
    assert found == {OPEN, "example", "greeting", "thanks"}  # emoji is known


def test_the_asker_speaks_the_half_of_training() -> None:
    replies = [ask("I mend nets.", tree=str(n)) for n in range(200)]
    questions = {each for reply in replies for each in find_questions_in(reply)}
    trained = {q for name in ASKED_ABOUT for q in find_questions(name, "train")}
    assert questions <= trained | set(OPEN_QUESTIONS)
    assert len(questions & trained) > 20


@pytest.mark.parametrize("question", OPEN_QUESTIONS)
def test_open_questions_are_open_and_spoil_no_other_wish(question: str) -> None:
    reply = f"Take a walk. {question}"
    assert asked(reply) == [OPEN]
    for name, (_, without) in DIMENSIONS.items():
        assert without.kept(reply) == (name != "question") or not without.kept("Take a walk.")


def test_the_asker_asks_nothing_twice() -> None:
    first = {name: find_questions(name, "train")[0] for name in ASKED_ABOUT}
    for name, question in first.items():
        for tree in map(str, range(15)):
            assert name not in asked(ask("I mend nets.", question, "I do not mind.", tree=tree))
    every = " ".join(first.values())
    reply = ask("I mend nets.", every, "No matter.", OPEN_QUESTIONS[0], "No matter.")
    assert asked(reply) == []


def test_a_question_that_a_reply_only_repeats_was_not_asked_by_it() -> None:
    about = {
        each
        for n in range(60)
        for each in asked(ask("How do I thank a teacher?", "How do I thank a teacher? So.", "Ah.",
                              tree=str(n)))
    }  # fmt: skip
    assert "thanks" in about


def test_an_open_question_is_asked_again_only_if_it_brought_something() -> None:
    wish = find_traits("emoji", "some", "train")[2]
    for answer, again in ((wish, True), ("I have said all I want.", False)):
        said = ("I mend nets.", f"Fine. {OPEN_QUESTIONS[1]}", answer)
        found = {each for n in range(30) for each in asked(ask(*said, tree=str(n)))}
        assert (OPEN in found) == again, answer


@pytest.mark.parametrize(
    "said",
    [
        [find_traits(n, DIMENSIONS[n][1].value, "test")[0] for n in ASKED_ABOUT[:3]],
        [find_traits("question", "none", "train")[0]],
    ],
)
def test_the_asker_stops_when_it_knows_all_or_is_told_to(said: list[str]) -> None:
    assert asked(ask(" ".join(["I mend nets.", *said]))) == []


def test_the_asker_can_ask_on_when_it_knows_all() -> None:
    said = [find_traits(n, DIMENSIONS[n][1].value, "test")[0] for n in ASKED_ABOUT[:3]]
    for share, low, high in ((1.0, 120, 120), (0.5, 45, 75)):
        replies = [ask(*said[:1], "So?", " ".join(said), tree=str(n), needless=share)
                   for n in range(120)]  # fmt: skip
        about = [each for reply in replies for each in asked(reply)]
        assert low <= len(about) <= high
        assert {*about} == {OPEN, *ASKED_ABOUT}
    unasked = find_traits("question", "none", "train")[0]
    assert asked(ask(" ".join([*said, unasked]), wishes=4, needless=1.0)) == []


def test_a_list_stays_a_list_and_nothing_is_asked_of_no_reply() -> None:
    wish = find_traits("lists", "list", "train")[0]
    reply = ask(f"I mend nets. {wish}", text="Take a walk. Call a friend.")
    assert len(asked(reply)) == 1
    assert find_wish("lists", "list").kept(reply)
    assert ask("I mend nets.", text="") == ""
