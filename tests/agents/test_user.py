import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from builders import PERSONAS, assistant, config, scripted_model, user
from langchain_core.messages import AIMessage, BaseMessage

from aloe.agents.repairs import REPAIRS
from aloe.agents.user import TRIES, UserAgent, facts_in_order
from aloe.calls.event import Event
from aloe.calls.log import CallLog
from aloe.errors import CallError
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
) -> UserNode:
    agent = UserAgent(model=scripted_model(script), calls=log or CallLog(), window=window)
    return asyncio.run(agent.speak(PERSONA, "t", list(path)))


def exchange(turn: int, parent: Node | None = None) -> tuple[Node, Node]:
    asked = user(f"Question {turn}?", parent.id if parent else None, turn=turn)
    return asked, assistant(f"Answer {turn}.", asked)


def test_it_is_told_one_fact_a_turn_and_never_the_rest() -> None:
    facts = [fact.text for fact in facts_in_order(PERSONA, "t")]
    path: list[Node] = []
    for turn in range(1, 7):
        script = Seen("What else is there to know about all this today?")
        speak(script, path)
        asked = "\n".join(message.text for message in script.prompts[0])
        for position, fact in enumerate(facts, 1):
            assert (fact in asked) == (position <= turn)
        path += exchange(turn, path[-1] if path else None)


def test_the_order_of_facts_is_the_trees() -> None:
    orders = {tuple(f.text for f in facts_in_order(PERSONA, str(tree))) for tree in range(20)}
    assert len(orders) > 5
    assert facts_in_order(PERSONA, "a") == facts_in_order(PERSONA, "a")
    assert {fact.kind for fact in facts_in_order(PERSONA, "a")} == {"fact"}


def test_its_prompt_only_grows() -> None:
    path: list[Node] = []
    before: list[str] = []
    for turn in range(1, 4):
        script = Seen("Fine, and what is next?")
        speak(script, path)
        now = [message.text for message in script.prompts[0]]
        assert now[: len(before)] == before
        before = now
        path += exchange(turn, path[-1] if path else None)


def test_roles_are_flipped() -> None:
    first = exchange(1)
    script = Seen("Fine.")
    speak(script, first)
    *_, mine, theirs = script.prompts[0]
    assert (mine.type, mine.text) == ("ai", "Question 1?")
    assert theirs.type == "human"
    assert theirs.text.startswith("Answer 1.\n\nNote: ")


@pytest.mark.parametrize(("window", "seen"), [(None, {1, 2}), (1, {2}), (0, set()), (9, {1, 2})])
def test_the_window_limits_what_it_rereads(window: int | None, seen: set[int]) -> None:
    first = exchange(1)
    second = exchange(2, first[1])
    script = Seen("Fine.")
    speak(script, [*first, *second], window=window)
    said = [message.text for message in script.prompts[0]]
    assert {turn for turn in (1, 2) if f"Question {turn}?" in said} == seen
    assert "Answer 2." in said[-1]


def test_a_faulty_message_is_asked_for_again() -> None:
    events: list[Event] = []
    script = Seen("", "As an AI I know nothing.", "I keep bees.")
    node = speak(script, log=CallLog(on_event=events.append))
    assert (node.content, node.faults, node.turn, node.parent) == ("I keep bees.", (), 1, None)
    assert [event.outcome for event in events] == ["empty", "role_confusion", "ok"]
    assert len(set(script.seeds)) == 3
    assert events[-1].node == node.id


def test_the_best_of_faulty_messages_is_kept_with_its_faults() -> None:
    node = speak(Seen("*sighs* As an AI I am tired.", "*sighs* I am tired.", ""))
    assert (node.content, node.faults) == ("*sighs* I am tired.", ("narration",))


def test_a_long_message_is_asked_for_again_with_the_reason_and_counted() -> None:
    events: list[Event] = []
    script = Seen(" ".join(f"word{i}" for i in range(61)), "I keep bees.")
    node = speak(script, log=CallLog(on_event=events.append))
    assert (node.content, node.faults, node.repaired) == ("I keep bees.", (), ("over_long",))
    assert [event.outcome for event in events] == ["over_long", "ok"]
    assert REPAIRS["over_long"].reason in script.prompts[1][-1].text
    stays = speak(Seen(" ".join(f"word{i}" for i in range(61))))
    assert (stays.faults, stays.repaired) == (("over_long",), ())
    assert speak(Seen(" ".join(f"word{i}" for i in range(60)))).faults == ()


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
