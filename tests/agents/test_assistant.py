import asyncio
from typing import Any

import pytest
from builders import assistant, scripted_model, user
from langchain_core.messages import AIMessage

from aloe.agents.assistant import TRIES, AssistantAgent
from aloe.calls.event import Event
from aloe.calls.log import CallLog
from aloe.schema import AssistantNode, Disclosure

FIRST = user("I am 40. What is tea?", revealed=(Disclosure(quote="I am 40."),))
ANSWER = assistant("A plant.", FIRST)
ASKED = user("I hate lists. And coffee?", ANSWER.id, turn=2)
REVEALED = (Disclosure(quote="I am 40."), Disclosure(quote="I hate lists."))


def answer(
    *replies: str | AIMessage, revealed: tuple[Disclosure, ...] = REVEALED, **given: Any
) -> tuple[AssistantNode, list[Any], list[Event]]:
    prompts: list[Any] = []
    events: list[Event] = []

    def script(messages: Any, arguments: dict[str, Any]) -> str | AIMessage:
        prompts.append([(m.type, m.text) for m in messages] + [arguments["seed"]])
        return replies[min(len(prompts), len(replies)) - 1]

    log = CallLog(on_event=events.append)
    agent = AssistantAgent(**{"name": "a0", "model": scripted_model(script), "calls": log, **given})
    return asyncio.run(agent.reply("t", [FIRST, ANSWER], ASKED, revealed)), prompts, events


def test_without_a_hint_it_sees_what_the_deployed_assistant_would() -> None:
    node, (prompt,), _ = answer("Black.")
    (system, *conversation), _seed = prompt[:-1], prompt[-1]
    assert system[0] == "system"
    assert conversation == [
        ("human", "I am 40. What is tea?"),
        ("ai", "A plant."),
        ("human", "I hate lists. And coffee?"),
    ]
    assert (node.content, node.hint, node.parent, node.turn) == ("Black.", None, ASKED.id, 2)


def test_a_hint_holds_the_users_words_and_is_kept_on_the_node() -> None:
    node, (prompt,), _ = answer("Black.", hinted=True)
    assert node.hint == "I am 40. I hate lists."
    assert prompt[:3] == answer("Black.")[1][0][:3]  # earlier turns hold no hints
    assert node.hint in prompt[3][1]
    assert ASKED.content in prompt[3][1]


def test_there_is_no_hint_while_nothing_is_revealed() -> None:
    node, (prompt,), _ = answer("Black.", hinted=True, revealed=())
    assert node.hint is None
    assert prompt[3] == ("human", ASKED.content)


def test_a_style_is_a_wish_in_the_system_message() -> None:
    _, (prompt,), _ = answer("Black.", style="Rhyme.")
    assert prompt[0][1].endswith("Rhyme.")


def test_silence_is_asked_again_and_then_kept_as_a_fault() -> None:
    node, prompts, events = answer("", " ", "late")
    assert (node.content, node.faults) == ("", ("empty",))
    assert len({prompt[-1] for prompt in prompts}) == TRIES == 2
    assert [event.outcome for event in events] == ["empty", "empty"]
    assert answer("", "Black.")[0].faults == ()


@pytest.mark.parametrize(("text", "kept"), [("It is. And t", "It is."), ("It i", "It i")])
def test_a_reply_cut_at_the_limit_is_marked(text: str, kept: str) -> None:
    cut = AIMessage(text, response_metadata={"finish_reason": "length"})
    node, prompts, events = answer(cut)
    assert (node.content, node.faults) == (kept, ("truncated",))
    assert (len(prompts), events[0].outcome, events[0].node) == (1, "truncated", node.id)


def test_two_assistants_draw_different_seeds() -> None:
    assert answer("x", name="a0")[1][0][-1] != answer("x", name="a1")[1][0][-1]


@pytest.mark.parametrize(("window", "first"), [(0, 3), (1, 1), (5, 1), (None, 1)])
def test_it_rereads_as_many_exchanges_as_it_is_told_to(window: int | None, first: int) -> None:
    _, (prompt,), _ = answer("Black.", window=window)
    assert prompt[1:-1] == answer("Black.")[1][0][first:-1]
    assert prompt[-2] == ("human", ASKED.content)
