"""Models that think aloud, in every role: thoughts are on record and in no message."""

import asyncio
from collections.abc import Callable
from typing import Any

import builders
import pytest
from builders import PERSONAS, scripted_model, user
from langchain_core.messages import AIMessage

from aloe.agents.assistant import AssistantAgent
from aloe.agents.candidate import CandidateAgent
from aloe.agents.inducer import Inducer
from aloe.agents.prompt import shipped
from aloe.agents.rewards import Users, rules, said_in, talks
from aloe.agents.roles import RoleModel
from aloe.agents.user import TRIES, UserAgent
from aloe.agents.writer import PersonaWriter
from aloe.calls.event import Event
from aloe.calls.log import CallLog
from aloe.errors import CallError
from aloe.memory.verifiable.catalogue import find_wish
from aloe.models.open import Model
from aloe.schema import Fault

ASKED = user("I am 40. What is tea?")
SAID = "I am fine, and you?"
Speak = Callable[[Model, CallLog], str]


def as_user(model: Model, calls: CallLog) -> str:
    agent = UserAgent(model=model, calls=calls, prompt=shipped("user", "small"))
    return asyncio.run(agent.speak(PERSONAS[0], "t", [])).content


def as_assistant(model: Model, calls: CallLog) -> str:
    agent = AssistantAgent(name="a0", model=model, calls=calls)
    return asyncio.run(agent.reply("t", [], ASKED, ())).content


def as_candidate(model: Model, calls: CallLog) -> str:
    return asyncio.run(CandidateAgent(model=model, calls=calls).reply("t", [], ASKED)).content


def as_writer(model: Model, calls: CallLog) -> str:
    writer = PersonaWriter(model=model, calls=calls)
    return asyncio.run(writer.write("personality", {}, [], 1)).text.replace(" And you?", "")


def as_own_role(model: Model, calls: CallLog) -> str:
    prompt = AssistantAgent(name="a0", model=model, calls=calls).prompt
    role = RoleModel(name="r", prompt=prompt, model=model, calls=calls, tree="t", about=None)
    return asyncio.run(role.ask(style=""))


def as_inducer(model: Model, calls: CallLog) -> str:
    found = asyncio.run(Inducer(model=model, calls=calls).induce("t", ASKED))
    return SAID if [each.quote for each in found] == ["I am 40."] else str(found)


ROLES = (as_user, as_assistant, as_candidate, as_writer, as_own_role, as_inducer)


def said_by(speak: Speak) -> str:
    return '{"1": "user", "2": "topic"}' if speak is as_inducer else SAID


@pytest.mark.parametrize("speak", ROLES)
@pytest.mark.parametrize(
    "form",
    ["<think>hm {1}</think>\n\n%s", "hm {1}</think>%s", "%s<|im_end|>\n<|im_start|>user\nhm {1}",
     "```\n%s\n```", "[THINK]hm {1}[/THINK]%s</s>"],
)  # fmt: skip
def test_no_role_hears_more_than_the_message(speak: Speak, form: str) -> None:
    reply = form % said_by(speak)
    events: list[Event] = []
    model = scripted_model(lambda *_: reply)
    assert speak(model, CallLog(on_event=events.append)) == SAID
    (event,) = events
    assert event.outcome == "ok"
    assert event.reply is not None
    assert event.reply["raw"] == reply


@pytest.mark.parametrize("speak", ROLES)
def test_who_only_thought_is_asked_again_with_room(speak: Speak) -> None:
    rooms: list[Any] = []

    def script(_: Any, arguments: dict[str, Any]) -> AIMessage:
        rooms.append(arguments.get("max_tokens"))
        if rooms[-1] is None:
            return AIMessage("<think>hm, now", response_metadata={"finish_reason": "length"})
        return AIMessage(f"<think>hm, now</think>{said_by(speak)}")

    events: list[Event] = []
    assert speak(scripted_model(script), CallLog(on_event=events.append)) == SAID
    assert rooms == [None, 2048]
    assert [event.outcome for event in events] == ["only_reasoning", "ok"]


def test_a_model_that_never_stops_thinking_is_a_fault_and_says_so() -> None:
    events: list[Event] = []
    model = scripted_model(lambda *_: AIMessage("", additional_kwargs={"reasoning": "hm"}))
    log = CallLog(on_event=events.append)
    node = asyncio.run(AssistantAgent(name="a0", model=model, calls=log).reply("t", [], ASKED, ()))
    only: Fault = "only_reasoning"
    assert (node.content, node.faults) == ("", (only,))
    with pytest.raises(CallError, match=f"only reasoned in {TRIES} tries; raise its max_tokens"):
        as_user(model, log)
    assert {event.outcome for event in events} == {only}


def test_a_policys_thoughts_are_neither_heard_nor_rewarded() -> None:
    thought = "<think>It is not so, is it? No!</think>"
    said = [[{"role": "assistant", "content": f"{thought}Yes."}]]
    assert rules(completions=said, preferences=[[["question", "none"]]]) == [1.0]
    assert rules(completions=[[{"role": "assistant", "content": thought[:9]}]],
                 preferences=[[["question", "none"]]]) == [0.0]  # fmt: skip
    columns = {"profile": ["I sell tea."], "personality": [find_wish("length", "brief").trait],
               "tree": ["t"], "preferences": [[]]}  # fmt: skip
    talk = [{"role": "user", "content": "Is <think> a tag?"}, *said[0]]
    assert [node.content for node in talks([talk], columns)[0].path] == [talk[0]["content"], "Yes."]
    assert said_in(talk[0]) == "Is <think> a tag?"

    heard: list[str] = []

    def script(messages: Any, _: Any) -> str:
        heard.extend(message.text for message in messages)
        return SAID

    agent = UserAgent(model=builders.scripted_model(script), calls=CallLog())
    assert Users(model=agent, wait=asyncio.run)([talk], **columns) == [SAID]
    assert "Yes." in "".join(heard)
    assert "It is not so" not in "".join(heard)
