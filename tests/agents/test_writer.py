import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage

from aloe.agents.writer import MEANS, PersonaWriter, brief
from aloe.calls.event import Event
from aloe.calls.log import CallLog
from aloe.config import ModelConfig
from aloe.memory.axes import MIX, Axes, Kind
from aloe.memory.descriptions import Description
from aloe.memory.validation import find_reasons
from aloe.models.open import Model, open_model
from aloe.models.scripted import ScriptedChat
from aloe.schema import Lineage

AXES: Axes = {"age": 71, "region": "Oceania", "place": "town", "expertise": "novice: chess"}
SEED = Description(
    kind="profile",
    text="I am 30. I keep bees in Crete.",
    axes={"age": 30, "region": "Southern Europe", "place": "village", "expertise": "expert: bees"},
    lineage=Lineage(origin="seed"),
)


def written(
    answer: str | AIMessage, kind: Kind = "profile", axes: Axes = AXES
) -> tuple[Description, list[BaseMessage], Event]:
    seen: list[BaseMessage] = []
    events: list[Event] = []

    def script(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str | AIMessage:
        seen.extend(messages)
        assert "seed" in arguments
        return answer

    model = Model(
        name="scripted:test",
        config=ModelConfig(),
        chat=ScriptedChat(script=script),
        openai_compatible=True,
    )
    writer = PersonaWriter(model=model, calls=CallLog(on_event=events.append))
    found = asyncio.run(writer.write(kind, axes, [SEED] if kind == "profile" else [], 5))
    return found, seen, events[0]


def test_examples_are_turns_and_the_brief_comes_last() -> None:
    found, seen, event = written("I am 71.\nI live in Fiji.")
    assert [message.type for message in seen] == ["system", "human", "ai", "human"]
    assert "expert in bees" in seen[1].text
    assert seen[2].text == "I am 30.\nI keep bees in Crete."
    assert "of 71 in a town in Oceania who is new to chess" in seen[3].text
    assert found.text == "I am 71. I live in Fiji."
    assert event.role == "writer"
    assert event.outcome == "ok"


def test_lineage_says_where_it_came_from() -> None:
    found, _, _ = written("I am 71.\nI live in Fiji.")
    origin = found.lineage
    assert (origin.origin, origin.model, origin.parents) == ("grown", "scripted:test", (SEED.id,))
    assert origin.prompt
    assert origin.seed is not None


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("- I am 71\n- I sail", "I am 71. I sail."),
        ("1. I am 71.\n2) I sail.", "I am 71. I sail."),
        ("I am 71. I am 71. I sail a boat. I sail my boat.", "I am 71. I sail a boat."),
        ("*I am 71.*\nI sail!\n我会划船。\n我会游泳", "*I am 71.*. I sail! 我会划船。 我会游泳."),
        ("\n".join(f"I own boat {word}." for word in "abcdefghij"), 6),
        ("   ", ""),
    ],
)
def test_lines_are_joined_and_tidied(answer: str, text: str | int) -> None:
    found = written(answer)[0].text
    assert found == text if isinstance(text, str) else len(found.split(". ")) <= text


def test_a_reply_cut_off_loses_its_last_line() -> None:
    cut = AIMessage("I am 71.\nI sail.\nI have been", response_metadata={"finish_reason": "length"})
    assert written(cut)[0].text == "I am 71. I sail."


def test_an_empty_reply_is_counted() -> None:
    found, _, event = written("")
    assert event.outcome == "empty"
    assert find_reasons(found) == ("empty",)


def test_briefs_leave_out_what_is_not_known() -> None:
    assert brief("profile", {}) == "a person"
    assert brief("personality", {}) == "a person"
    assert brief("personality", {"temper": "blunt"}) == "a blunt person"


def test_a_brief_tells_every_attribute_that_is_drawn() -> None:
    for means, words in MEANS.items():
        told = brief("profile", {**AXES, "means": means})
        assert told.endswith(f"in a town in Oceania who is new to chess and has {words}")
        assert brief("profile", {"means": means}) == f"a person who has {words}"
    assert set(MEANS) == set(MIX["profile"]["means"])


@pytest.mark.embedded
def test_the_embedded_model_writes_something_usable() -> None:
    from aloe.memory.descriptions import read_seeds

    seeds = read_seeds(None)["profile"][:3]
    config = ModelConfig(temperature=0.7, top_p=0.9, frequency_penalty=0.4, max_tokens=80)
    writer = PersonaWriter(model=open_model(config), calls=CallLog())

    async def four() -> list[Description]:
        return [await writer.write("profile", AXES, seeds, seed) for seed in range(4)]

    assert any(not find_reasons(each) for each in asyncio.run(four()))


@pytest.mark.parametrize(
    "remark",
    [
        "Sure! Here is a profile:",
        "Profile:",
        "Let me know if you'd like me to change anything.",
        "As an AI, I cannot be a person.",
        "This profile is about the persona that was asked for.",
    ],
)
def test_what_the_writer_says_of_its_work_is_no_fact(remark: str) -> None:
    found, *_ = written(f"{remark}\nI am 71.\nI live in Fiji.\n{remark}")
    assert found.text == "I am 71. I live in Fiji."
