import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from builders import PERSONAS, assistant, config, scripted_model, user
from langchain_core.messages import AIMessage, BaseMessage

from aloe.agents.prompt import chosen, shipped
from aloe.agents.repairs import REPAIRS
from aloe.agents.user import TRIES, UNSAID, UserAgent
from aloe.calls.event import Event
from aloe.calls.log import CallLog
from aloe.config import Size
from aloe.errors import CallError
from aloe.memory.disclosures import order_facts
from aloe.schema import Node, UserNode

PERSONA = PERSONAS[0]


class Seen:
    """A script that keeps what it was asked and answers in turn."""

    def __init__(self, *replies: str | AIMessage) -> None:
        self.replies = list(replies)
        self.prompts: list[Sequence[BaseMessage]] = []
        self.seeds: list[int] = []

    def __call__(
        self, messages: Sequence[BaseMessage], arguments: dict[str, Any]
    ) -> str | AIMessage:
        self.prompts.append(messages)
        self.seeds.append(arguments["seed"])
        return self.replies[min(len(self.prompts), len(self.replies)) - 1]


def speak(
    script: Callable[..., Any],
    path: Sequence[Node] = (),
    *,
    window: int | None = None,
    log: CallLog | None = None,
    size: Size = "full",
) -> UserNode:
    agent = UserAgent(
        model=scripted_model(script),
        calls=log or CallLog(),
        window=window,
        prompt=shipped("user", size),
    )
    return asyncio.run(agent.speak(PERSONA, "t", list(path)))


def exchange(turn: int, parent: Node | None = None) -> tuple[Node, Node]:
    asked = user(f"Question {turn}?", parent.id if parent else None, turn=turn)
    return asked, assistant(f"Answer {turn}.", asked)


@pytest.mark.parametrize("size", ["small", "full"])
def test_it_is_told_one_fact_a_turn_and_never_the_rest(size: Size) -> None:
    facts = [fact.text for fact in order_facts(PERSONA, "t")]
    path: list[Node] = []
    for turn in range(1, 7):
        script = Seen("What else is there to know about all this today?")
        speak(script, path, size=size)
        asked = "\n".join(message.text for message in script.prompts[0])
        for position, fact in enumerate(facts, 1):
            said_before = size == "small" and position < turn  # in full prompts by the user alone
            assert (fact in asked) == (said_before or position == turn)
        path += exchange(turn, path[-1] if path else None)


def test_the_order_of_facts_is_the_trees() -> None:
    orders = {tuple(f.text for f in order_facts(PERSONA, str(tree))) for tree in range(20)}
    assert len(orders) > 5
    assert order_facts(PERSONA, "a") == order_facts(PERSONA, "a")
    assert {fact.kind for fact in order_facts(PERSONA, "a")} == {"fact"}


def test_its_prompt_only_grows() -> None:
    path: list[Node] = []
    before: list[str] = []
    for turn in range(1, 4):
        script = Seen("Fine, and what is next?")
        speak(script, path, size="small")
        now = [message.text for message in script.prompts[0]]
        assert now[: len(before)] == before
        before = now
        path += exchange(turn, path[-1] if path else None)


def test_a_prompt_that_shows_the_chat_keeps_its_beginning_and_ends_with_the_note() -> None:
    path: list[Node] = [*exchange(1)]
    shown = []
    for turn in (2, 3):
        script = Seen("Fine, and what is next?")
        speak(script, path)
        *_, last = script.prompts[0]
        shown.append(last.text)
        path += exchange(turn, path[-1])
    told = "User: Question 1?\nAssistant: Answer 1."
    head = shown[0][: shown[0].index(told) + len(told)]
    assert PERSONA.personality in head
    assert shown[1].startswith(f"{head}\nUser: Question 2?\nAssistant: Answer 2.")
    facts = order_facts(PERSONA, "t")
    assert f"Note: {facts[1].text}" in shown[0].removeprefix(head)
    assert f"Note: {facts[1].text}" not in shown[1]


def test_roles_are_flipped_for_the_smallest() -> None:
    first = exchange(1)
    script = Seen("Fine.")
    speak(script, first, size="small")
    *_, mine, theirs = script.prompts[0]
    assert (mine.type, mine.text) == ("ai", "Question 1?")
    assert theirs.type == "human"
    assert theirs.text.startswith("Answer 1.\n\nNote: ")


@pytest.mark.parametrize("size", ["small", "full"])
@pytest.mark.parametrize(("window", "seen"), [(None, {1, 2}), (1, {2}), (0, set()), (9, {1, 2})])
def test_the_window_limits_what_it_rereads(window: int | None, seen: set[int], size: Size) -> None:
    first = exchange(1)
    second = exchange(2, first[1])
    script = Seen("Fine.")
    speak(script, [*first, *second], window=window, size=size)
    said = "\n".join(message.text for message in script.prompts[0])
    assert {turn for turn in (1, 2) if f"Question {turn}?" in said} == seen
    assert "Answer 2." in script.prompts[0][-1].text


def test_a_faulty_message_is_asked_for_again() -> None:
    note = order_facts(PERSONA, "t")[0].text
    events: list[Event] = []
    script = Seen("", "As an AI I know nothing.", note)
    node = speak(script, log=CallLog(on_event=events.append))
    assert (node.content, node.faults, node.turn, node.parent) == (note, (), 1, None)
    assert [event.outcome for event in events] == ["empty", "role_confusion", "ok"]
    assert len(set(script.seeds)) == 3
    assert events[-1].node == node.id


def test_the_best_of_faulty_messages_is_kept_with_its_faults() -> None:
    node = speak(Seen("*sighs* As an AI I am tired.", "*sighs* I am tired.", ""))
    assert (node.content, node.faults) == ("*sighs* I am tired.", ("narration",))


def test_a_long_message_is_asked_for_again_with_the_reason_and_counted() -> None:
    note = order_facts(PERSONA, "t")[0].text
    events: list[Event] = []
    script = Seen(" ".join(f"word{i}" for i in range(61)), note)
    node = speak(script, log=CallLog(on_event=events.append))
    assert (node.content, node.faults, node.repaired) == (note, (), ("over_long",))
    assert [event.outcome for event in events] == ["over_long", "ok"]
    assert REPAIRS["over_long"].reason in script.prompts[1][-1].text
    stays = speak(Seen(" ".join(f"word{i}" for i in range(61))))
    assert (stays.faults, stays.repaired) == (("over_long",), ())
    assert speak(Seen(" ".join(f"word{i}" for i in range(60)))).faults == ()


def test_what_was_wrong_before_stays_where_something_else_is_wrong_at_last() -> None:
    long = " ".join(f"word{i}" for i in range(61))
    node = speak(Seen("As an AI I cannot ride. How can I help you today?", long))
    assert (node.faults, node.repaired) == (("over_long",), ("role_confusion",))


def test_silence_costs_the_tree() -> None:
    script = Seen("")
    with pytest.raises(CallError, match="said nothing"):
        speak(script)
    assert len(script.prompts) == TRIES


def test_a_note_that_the_model_makes_up_is_cut_off() -> None:
    assert speak(Seen("I keep bees.\n\nNote: I also sail.")).content == "I keep bees."


def test_a_persona_with_braces_breaks_nothing() -> None:
    odd = PERSONA.model_copy(update={"personality": "I say {message} and {0} and %s."})
    script = Seen("Fine.")
    agent = UserAgent(model=scripted_model(script), calls=CallLog())
    asyncio.run(agent.speak(odd, "t", []))
    asked = "\n".join(message.text for message in script.prompts[0])
    assert "I say {message} and {0} and %s." in asked


def test_settings_shape_the_user(tmp_path: Path) -> None:
    prompt = tmp_path / "mine.md"
    prompt.write_text("## system\nYou are {personality}\n\n## user\nGo on.\n")
    settings = config(user_window=2, user_words=9, moods=["typos"])
    settings = settings.model_copy(update={"prompts": {"user": prompt}})
    agent = UserAgent.of(settings, scripted_model(), CallLog())
    assert (agent.window, agent.most_words, agent.moods) == (2, 9, ("typos",))
    assert agent.prompt.path == prompt


def test_it_is_made_from_settings_in_one_place() -> None:
    root = Path(__file__).parent.parent.parent
    packages = ("agents", "graphs", "benchmark", "training")
    sources = [file for name in packages for file in (root / name).rglob("*.py")]
    assert any("UserAgent.of(" in file.read_text("utf-8") for file in sources)
    assert [file.name for file in sources if "UserAgent(" in file.read_text("utf-8")] == []


def test_a_message_without_its_note_is_asked_for_once_more_and_the_note_named() -> None:
    note = order_facts(PERSONA, "t")[0].text
    events: list[Event] = []
    script = Seen("Where do I start?", f"{note} Where do I start?")
    node = speak(script, log=CallLog(on_event=events.append))
    assert (node.content, node.faults, node.repaired) == (f"{note} Where do I start?", (), ())
    assert [event.outcome for event in events] == ["no_note", "ok"]
    again = script.prompts[1][-1].text
    assert UNSAID in again
    assert again.index(UNSAID) < again.index(note)
    turned = Seen(f"You say {note.replace('I ', 'you ')} Is that so?", f"{note} Where do I start?")
    assert speak(turned).content == f"{note} Where do I start?"
    stubborn = Seen("Where do I start?")
    assert speak(stubborn).content == "Where do I start?"
    assert len(stubborn.prompts) == TRIES


def test_a_repaired_message_has_to_tell_its_note_as_well() -> None:
    note = order_facts(PERSONA, "t")[0].text
    offers = f"{note} Is there anything else I can help you with?"
    script = Seen(offers, "How fascinating! Where do they live?", f"{note} Where do I start?")
    node = speak(script)
    assert node.content == f"{note} Where do I start?"
    assert node.repaired == ("role_confusion",)
    assert UNSAID in script.prompts[2][-1].text
    left = Seen(offers, "Where do I start?", "As an AI language model, I cannot say.")
    assert speak(left).content == "Where do I start?"


@pytest.mark.parametrize("size", ["small", "own"])
def test_prompts_without_a_place_for_the_note_are_not_so_strict(size: str, tmp_path: Path) -> None:
    own = tmp_path / "user.md"
    own.write_text("## system\nPlay.\n\n## user\nYou: {personality}\n", encoding="utf-8")
    prompt = shipped("user", "small") if size == "small" else chosen("user", {"user": own})
    script = Seen("Where do I start?")
    agent = UserAgent(model=scripted_model(script), calls=CallLog(), prompt=prompt)
    asyncio.run(agent.speak(PERSONA, "t", []))
    (asked,) = script.prompts
    note = order_facts(PERSONA, "t")[0].text
    assert asked[-1].text.endswith(f"{PERSONA.personality}\n\nNote: {note}")
