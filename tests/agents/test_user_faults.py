"""The faults of simulated users and of assistants, each in both directions."""

import asyncio
from typing import get_args

import pytest
from builders import assistant, config, grow, scripted_model, user
from langchain_core.messages import AIMessage
from user_turns import CLEANED, FAULTY, FINE, PERSONA, SAID

from aloe.agents.assistant import AssistantAgent
from aloe.agents.faults import Part, assistant_faults, tidied, user_faults
from aloe.agents.languages import OTHER, language
from aloe.agents.prompt import shipped
from aloe.agents.repairs import ASSISTANT_REASONS, REPAIRS
from aloe.agents.user import UserAgent
from aloe.calls.log import CallLog
from aloe.models.open import Reply
from aloe.schema import BLEMISHES, CUT_OFF, SPOILING, Disclosure, Fault, Persona

PART = Part(persona=Persona.of(*PERSONA), instructions=shipped("user").messages[0][1])
EVERY = [(fault, text) for fault, texts in FAULTY.items() for text in texts]


def reply(text: str) -> Reply:
    return Reply(text=text, finish="stop", input_tokens=1, cached_tokens=0, output_tokens=1)


def faults_of(text: str) -> tuple[Fault, ...]:
    return user_faults(tidied(reply(text)), reply(text), SAID, most_words=60, part=PART)


@pytest.mark.parametrize(("fault", "text"), EVERY)
def test_what_no_person_sends_is_seen(fault: Fault, text: str) -> None:
    assert fault in faults_of(text)


@pytest.mark.parametrize("text", FINE)
def test_what_a_person_may_send_has_no_fault(text: str) -> None:
    assert faults_of(text) == ()


@pytest.mark.parametrize("text", CLEANED)
def test_what_is_taken_away_from_around_a_message_is_no_fault(text: str) -> None:
    assert tidied(reply(text)) == "Nine. What now?"
    assert faults_of(text) == ()


def test_every_fault_has_a_cause_and_a_reason_and_one_severity() -> None:
    assert set(get_args(Fault)) == REPAIRS.keys() == SPOILING | BLEMISHES
    assert not SPOILING & BLEMISHES
    assert set(FAULTY) == SPOILING - CUT_OFF - {"empty", "only_reasoning", "about_user", "doubted"}
    assert REPAIRS.keys() >= ASSISTANT_REASONS.keys()


@pytest.mark.parametrize("fault", FAULTY)
def test_each_is_asked_for_again_with_its_reason(fault: Fault) -> None:
    said: list[str] = []

    def script(messages, arguments):  # type: ignore[no-untyped-def]
        said.append(messages[-1].text)
        return FAULTY[fault][0] if len(said) == 1 else "Nine. What now?"

    opening = user(SAID[0])
    path = [opening, assistant(SAID[1], opening)]
    agent = UserAgent(model=scripted_model(script), calls=CallLog())
    node = asyncio.run(agent.speak(PART.persona, "t", path))
    assert (node.content, node.faults) == ("Nine. What now?", ())
    assert len(node.repaired) == 1
    assert REPAIRS[node.repaired[0]].reason in said[1]


@pytest.mark.parametrize(
    ("text", "finish", "fault"),
    [
        ("Nine of", "length", "truncated"),
        ("Nine of", "content_filter", "filtered"),
        ("Nine.", "error", "failed"),
        ("<think>Nine", "length", "only_reasoning"),
        ("", "stop", "empty"),
    ],
)
def test_what_did_not_end_by_itself_is_asked_for_again(
    text: str, finish: str, fault: Fault
) -> None:
    said: list[str] = []

    def script(messages, arguments):  # type: ignore[no-untyped-def]
        said.append(messages[-1].text)
        if len(said) < 3:  # thoughts that leave no room are answered with more room at once
            return AIMessage(text, response_metadata={"finish_reason": finish})
        return "Nine. What now?"

    agent = UserAgent(model=scripted_model(script), calls=CallLog())
    node = asyncio.run(agent.speak(PART.persona, "t", []))
    assert (node.content, node.faults) == ("Nine. What now?", ())
    assert set(node.repaired) == {fault}
    assert fault in SPOILING
    assert REPAIRS[fault].reason in said[2]


def test_of_faulty_messages_one_that_spoils_nothing_is_kept() -> None:
    long = "I count " + " ".join(f"egg{i}" for i in range(60))
    answers = iter(["As an AI I have no hotel.", long, "**User:** Nine."])
    agent = UserAgent(model=scripted_model(lambda *_: next(answers)), calls=CallLog())
    node = asyncio.run(agent.speak(PART.persona, "t", []))
    assert node.faults == ("over_long",)


def test_who_is_to_contradict_themselves_may() -> None:
    text = "I have no children to help me in the kitchen."
    told = Part(persona=PART.persona, contradictory=True)
    assert "contradiction" in faults_of(text)
    assert user_faults(text, reply(text), SAID, most_words=60, part=told) == ()


def test_a_note_that_the_model_goes_on_with_is_cut_off_and_leaves_nothing() -> None:
    agent = UserAgent(
        model=scripted_model(lambda *_: "Nine of them. What now?\n\nNote: I sell soap."),
        calls=CallLog(),
    )
    node = asyncio.run(agent.speak(PART.persona, "t", []))
    assert (node.content, node.faults) == ("Nine of them. What now?", ())


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Wie lange hält der Verband denn noch?", "de"),
        ("¿Cuánto cuesta el pasaje para mi hija?", "es"),
        ("Combien de temps est-ce que je dois attendre ?", "fr"),
        ("你好,请问今天几点开门?", "zh"),
        ("मेरी बेटी को बुखार है।", "hi"),
        ("Mennyi ideig kell pihentetni a kenyér tésztáját?", OTHER),
        ("How long does the bandage hold?", "en"),
        ("lol ok", None),
        ("Gruyère, Emmental, Comté.", None),
    ],
)
def test_the_language_of_a_message(text: str, code: str | None) -> None:
    assert language(text) == code


def test_a_person_may_write_the_language_it_says_it_writes() -> None:
    text = "Es sind neun. Was soll ich jetzt mit ihnen machen?"
    german = Part(persona=Persona.of(PERSONA[0] + " I write in German.", PERSONA[1]))
    assert user_faults(text, reply(text), [], most_words=60, part=german) == ()


HINT = "I keep bees behind my house. I hate long answers."


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("The user keeps bees, so a hive tool suits them.", "about_user"),
        ("Since this user's answers should be short: yes.", "about_user"),
        ("I keep bees behind my house too, so try a hive tool.", "role_confusion"),
        ("Yes. I hate long answers.", "role_confusion"),
        ("As a fellow keeper of bees, I would take a hive tool.", "role_confusion"),
        ("As someone who keeps bees, I like a hive tool.", "role_confusion"),
        ("I'm also a keeper of bees. Take a hive tool.", "role_confusion"),
        ("Based on the profile, a hive tool.", "about_user"),
        ("This person keeps bees, so a hive tool.", "about_user"),
        ("Use a hive tool.\nUser: Which one?", "both_sides"),
        (
            "Let the answer suit this person, without reciting any of it: a hive tool.",
            "prompt_leak",
        ),
    ],
)
def test_a_hinted_assistant_that_takes_its_hint_for_its_part(text: str, fault: Fault) -> None:
    assert fault in assistant_faults(text, reply(text), hint=HINT, asked="Which tool do I need?")


@pytest.mark.parametrize(
    "text",
    [
        "You said: I keep bees behind my house. A hive tool, then.",
        "I think a hive tool is best for your bees.",
        'As you put it, "I hate long answers", so: a hive tool.',
        "I would keep it short: a hive tool.",
        "As a rule, I take a hive tool.",
        "Ask somebody who keeps bees near you; this person will know.",
    ],
)
def test_a_hinted_assistant_that_uses_it_well(text: str) -> None:
    assert assistant_faults(text, reply(text), hint=HINT, asked="Which tool?") == ()
    spoken = "The user table needs an index."
    assert assistant_faults(spoken, reply(spoken), hint=HINT, asked="Where do users live?") == ()
    assert assistant_faults(spoken, reply(spoken)) == ()


def test_an_assistant_is_asked_again_with_the_reason() -> None:
    prompts: list[str] = []

    def script(messages, arguments):  # type: ignore[no-untyped-def]
        prompts.append(messages[-1].text)
        return "The user needs a tool." if len(prompts) == 1 else "A hive tool."

    agent = AssistantAgent(
        name="a0", model=scripted_model(script), calls=CallLog(), hinted=True
    )  # fmt: skip
    asked = user("Which tool do I need?")
    node = asyncio.run(agent.reply("t", [], asked, [Disclosure(quote="I keep bees.")]))
    assert (node.content, node.faults) == ("A hive tool.", ())
    assert ASSISTANT_REASONS["about_user"] in prompts[1]
    assert ASSISTANT_REASONS["about_user"] not in prompts[0]


def test_a_faulty_user_spoils_the_tree_from_there_on() -> None:
    from aloe.agents.scripted import reply as usual

    def script(messages, arguments):  # type: ignore[no-untyped-def]
        speaks = messages[0].text.startswith("You write the messages")
        second = "Assistant:" in messages[-1].text
        return "**User:** Fine." if speaks and second else usual(messages, arguments)

    tree = grow(config(turns=2), model=scripted_model(script))
    first, second = (node for node in tree.nodes if node.role == "user")
    assert not tree.spoiled(first.id)
    assert second.faults == ("label",)
    assert tree.spoiled(second.id)
