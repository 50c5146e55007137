"""The user model: it is told what it puts on the table now, and nothing else of the persona."""

import asyncio
import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from builders import PERSONAS, assistant, scripted_model, user
from langchain_core.messages import BaseMessage

from aloe.agents.prompt import shipped
from aloe.agents.rule_user import QUESTIONS
from aloe.agents.user import (
    AGAIN,
    AGAINST,
    LEAVES_OPEN,
    NO_NOTE,
    NOTE,
    PRESSES,
    UNKNOWN,
    WANTS,
    UserAgent,
)
from aloe.calls.log import CallLog
from aloe.config import Size, UserConfig
from aloe.memory.disclosures import order_facts
from aloe.schema import Node, Persona, Telling, UserNode

PERSONA = PERSONAS[0]
SON = next(fact for fact in PERSONA.facts if "Rui" in fact.text)
PLAIN = next(fact for fact in PERSONA.facts if fact.text == "I want plain answers.")
HELP = "Oil the chain first. Then check the brakes, both tyres and the lights before you set off."
ASKS = "Do you have any children?"
REPLIES = (
    HELP,
    ASKS,
    f"{HELP} {ASKS}",
    f"{HELP} How would you like me to answer?",
    f"{HELP} Tell me about yourself.",
    f"You are 52 years old. {HELP}",
)


class Script:
    """Says what its note says, or goes on, and keeps what it was asked."""

    def __init__(self) -> None:
        self.prompts: list[list[str]] = []

    def __call__(self, messages: Sequence[BaseMessage], _: dict[str, Any]) -> str:
        self.prompts.append([message.text for message in messages])
        _, _, note = self.prompts[-1][-1].rpartition(f"\n{NOTE} ")
        said = note if note != self.prompts[-1][-1] else ""
        return f"{said} What do I do on day {len(self.prompts)}?".strip()


def agent(script: Script, size: Size = "full", **given: Any) -> UserAgent:
    return UserAgent(
        model=scripted_model(script),
        calls=CallLog(),
        prompt=shipped("user", size),
        config=UserConfig(**given),
    )


def talk(
    persona: Persona, replies: Sequence[str], size: Size = "full", tree: str = "t", **given: Any
) -> tuple[list[UserNode], list[list[str]]]:
    """Return what is said before and after each reply, and the first prompt of each turn."""
    script, path, said, prompts = Script(), list[Node](), list[UserNode](), list[list[str]]()
    speaker = agent(script, size, **given)
    for reply in (*replies, None):
        before = len(script.prompts)
        said.append(asyncio.run(speaker.speak(persona, tree, path)))
        prompts.append(script.prompts[before])
        if reply is not None:
            path += [said[-1], assistant(reply, said[-1])]
    return said, prompts


@pytest.mark.parametrize("size", ["small", "full"])
@pytest.mark.parametrize("disclosure", ["answering", "reticent"])
def test_its_prompts_hold_nothing_that_was_not_put_on_the_table(
    disclosure: str, size: Size
) -> None:
    whys = set()
    for number, persona in enumerate(PERSONAS[:3]):
        rng = random.Random(number)
        replies = [rng.choice(REPLIES) for _ in range(6)]
        said, prompts = talk(
            persona, replies, size, disclosure=disclosure, complains=0.6, volunteers=0.4
        )
        on_table: set[str] = set()
        for node, prompt in zip(said, prompts, strict=True):
            on_table |= {each.about for each in node.told}
            whys |= {each.why for each in node.told}
            shown = "\n".join(prompt)
            assert not [f.text for f in persona.facts if f.id not in on_table and f.text in shown]
            now = [fact.text for fact in persona.facts if fact.id in {t.about for t in node.told}]
            assert all(text in prompt[-1] and text in node.content for text in now)
    assert whys >= {"asked", "scheduled" if disclosure == "answering" else "volunteered"}


def test_by_the_schedule_its_nodes_say_what_they_were_told() -> None:
    said, prompts = talk(PERSONA, [HELP] * 4)
    facts = order_facts(PERSONA, "t")
    assert [node.told for node in said[:4]] == [
        (Telling(about=fact.id, why="scheduled"),) for fact in facts
    ]
    assert (said[4].told, {node.asked for node in said}) == ((), {None})
    assert prompts[4][-1].endswith(NO_NOTE)
    assert PERSONA.personality in prompts[0][-1]


def test_a_trait_is_told_when_it_is_asked_for_and_is_the_manner_from_then_on() -> None:
    asks = f"{HELP} How would you like me to answer?"
    said, prompts = talk(PERSONA, [HELP, asks, HELP], disclosure="reticent", volunteers=0,
                         complains=0)  # fmt: skip
    traits = [fact for fact in PERSONA.facts if fact.kind == "trait"]
    assert [each.about for each in said[2].told] == [traits[0].id]
    assert said[2].asked == "told"
    assert [UNKNOWN in prompt[-1] for prompt in prompts] == [True, True, True, False]
    assert traits[0].text in prompts[3][-1]
    assert traits[1].text not in prompts[3][-1]


def test_without_a_note_it_is_told_what_to_do() -> None:
    said, prompts = talk(
        PERSONA,
        [ASKS, f"{HELP} {ASKS}", f"{HELP} What is your favourite colour?", HELP, ASKS, ASKS],
        disclosure="reticent", volunteers=0, complains=0,
    )  # fmt: skip
    ends = [prompt[-1].rpartition("\n")[2] for prompt in prompts]
    assert ends[0].startswith(WANTS)
    assert any(question in ends[0] for question in QUESTIONS)
    assert ends[1] == f"{NOTE} {SON.text}"
    assert ends[2] == f"{AGAIN} {SON.text})"
    assert ends[3:5] == [LEAVES_OPEN, NO_NOTE]
    assert ends[5].startswith(AGAIN)
    assert ends[6] == PRESSES
    assert [node.asked for node in said] == [None, "told", "again", None, None, "again", None]


def test_it_says_again_what_a_reply_goes_against_and_that_is_no_echo() -> None:
    wrong = f"{HELP} You mend bicycles in Lisbon."
    path: list[Node] = [user("Hello.", told=(Telling(about=PERSONA.facts[1].id, why="asked"),))]
    path.append(assistant(wrong, path[0]))
    said = PERSONA.facts[1].text
    path[0] = path[0].model_copy(update={"content": said})

    def script(messages: Sequence[BaseMessage], _: dict[str, Any]) -> str:
        assert f"{AGAINST} {said})" in messages[-1].text
        return said

    speaker = UserAgent(model=scripted_model(script), calls=CallLog(),
                        config=UserConfig(disclosure="reticent", complains=1))  # fmt: skip
    node = asyncio.run(speaker.speak(PERSONA, "t", path))
    assert (node.content, node.faults, node.told) == (said, (), ())


def test_flipped_prompts_show_the_notes_that_the_path_says_were_told() -> None:
    _, prompts = talk(PERSONA, [f"{HELP} {ASKS}", HELP, HELP], "small", disclosure="reticent",
                      volunteers=0, complains=0)  # fmt: skip
    for earlier, later in pairwise(prompts):
        assert later[: len(earlier)] == earlier
    *_, wanted, _, told, _, nothing, _, now = prompts[3]
    assert WANTS in wanted
    assert told.endswith(f"{NOTE} {SON.text}")
    assert nothing.endswith(NO_NOTE)
    assert now.endswith(NO_NOTE)


def test_it_is_done_when_nothing_comes_up_any_more() -> None:
    facts = order_facts(PERSONA, "t")
    opening = user("Hello.", told=tuple(Telling(about=f.id, why="asked") for f in facts[1:]))
    reply = assistant(HELP, opening)
    more = user("Well.", reply.id, turn=2, told=(Telling(about=facts[0].id, why="volunteered"),))
    speaker = agent(Script(), disclosure="reticent")
    assert not speaker.done(PERSONA, "t", [opening])
    assert speaker.done(PERSONA, "t", [opening, reply, more])
    assert speaker.done(PERSONA, "t", [user("Goodbye.")])
