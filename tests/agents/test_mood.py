import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from builders import PERSONAS, assistant, config, grow, scripted_model, user
from langchain_core.messages import BaseMessage

from aloe.agents.mood import MANNERS, mood_of, taken_back, with_typos
from aloe.agents.repairs import REPAIRS
from aloe.agents.user import UserAgent
from aloe.calls.log import CallLog
from aloe.config import Mood
from aloe.memory.disclosures import default_checker, order_facts
from aloe.schema import Disclosure, Node, UserNode

PERSONA = PERSONAS[0]


class Seen:
    """A script that keeps what it was asked and answers in turn."""

    def __init__(self, *replies: str) -> None:
        self.replies = replies
        self.prompts: list[Sequence[BaseMessage]] = []

    def __call__(self, messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str:
        self.prompts.append(messages)
        return self.replies[min(len(self.prompts), len(self.replies)) - 1]


def exchange(turn: int, parent: Node | None = None) -> tuple[Node, Node]:
    asked = user(f"Question {turn}?", parent.id if parent else None, turn=turn)
    return asked, assistant(f"Answer {turn}.", asked)


def speak(script: Seen, mood: Mood, path: list[Node]) -> UserNode:
    agent = UserAgent(model=scripted_model(script), calls=CallLog(), moods=(mood,))
    return asyncio.run(agent.speak(PERSONA, "t", path))


def test_the_mood_is_drawn_from_the_tree() -> None:
    moods: tuple[Mood, ...] = ("curt", "chatty", "typos")
    drawn = [mood_of(moods, str(tree)) for tree in range(30)]
    assert set(drawn) == set(moods)
    assert drawn == [mood_of(moods, str(tree)) for tree in range(30)]
    assert mood_of((), "1") is None


def test_a_mood_is_written_in_the_tree() -> None:
    assert grow(config(turns=1, moods=["curt"])).mood == "curt"
    assert grow(config(turns=1)).mood is None


@pytest.mark.parametrize("mood", MANNERS)
def test_a_manner_stands_beside_the_personas(mood: Mood) -> None:
    script = Seen("Hello, and what now?")
    speak(script, mood, [])
    assert f"{PERSONA.personality} {MANNERS[mood]}" in script.prompts[0][-1].text


def test_a_contradictory_user_takes_back_what_it_told() -> None:
    facts = order_facts(PERSONA, "t")
    path: list[Node] = []
    for turn in range(1, 4):
        script = Seen("Hm, and what would you do?")
        speak(script, "contradictory", path)
        last = script.prompts[0][-1].text
        assert facts[turn - 1].text in last
        assert (taken_back(facts[max(turn - 2, 0)].text) in last) == (turn == 2)
        path += exchange(turn, path[-1] if path else None)


def test_the_ledger_finds_what_is_taken_back_as_contradicted() -> None:
    tree = grow(config(turns=2, moods=["contradictory"]))
    (message,) = [n for n in tree.nodes if isinstance(n, UserNode) and n.turn == 2]
    facts = order_facts(PERSONA, tree.id)
    denial = taken_back(facts[0].text)
    assert denial in message.content
    marked = message.model_copy(update={"revealed": (Disclosure(quote=denial),)})
    checked, _ = default_checker().check(PERSONA, tree.id, [], marked, [])
    (found,) = checked.revealed
    assert (found.kind, found.fact) == ("contradicted", facts[0].id)


@pytest.mark.parametrize(
    ("statement", "denial"),
    [
        ("I swim a lot.", "It is not true that I swim a lot."),
        ("My knees hurt.", "It is not true that my knees hurt."),
        ("In May I sail.", "It is not true that in May I sail."),
    ],
)
def test_taking_back(statement: str, denial: str) -> None:
    assert taken_back(statement) == denial


def test_typos_spoil_some_long_words_and_no_more() -> None:
    text = "I repair bicycles in Porto since 1998, mostly without any trouble at all. " * 5
    spoilt = with_typos(text, 1)
    assert spoilt != text
    assert spoilt == with_typos(text, 1)
    assert spoilt != with_typos(text, 2)
    pairs = list(zip(text.split(), spoilt.split(), strict=True))
    assert all(sorted(before) == sorted(after) for before, after in pairs)
    assert all(before[0] == after[0] for before, after in pairs)
    assert all(before == after for before, after in pairs if len(before) < 5 or before == "1998,")
    assert 2 <= sum(before != after for before, after in pairs) <= 10


def test_a_user_with_typos_writes_them() -> None:
    script = Seen("Something considerable happened yesterday evening around the harbour.")
    written = {speak(script, "typos", list(exchange(1))).content}
    first = exchange(1)
    written.add(speak(script, "typos", [*first, *exchange(2, first[1])]).content)
    assert len(written) == 2


def test_it_is_told_why_it_is_asked_again() -> None:
    script = Seen("", "As an AI I know nothing.", "I keep bees.")
    agent = UserAgent(model=scripted_model(script), calls=CallLog())
    node = asyncio.run(agent.speak(PERSONA, "t", []))
    assert (node.repaired, node.faults) == (("empty", "role_confusion"), ())
    first, second, third = (prompt[-1].text for prompt in script.prompts)
    assert not any(repair.reason in first for repair in REPAIRS.values())
    assert REPAIRS["empty"].reason in second
    assert REPAIRS["role_confusion"].reason in third
    assert [p[:-1] for p in script.prompts] == [script.prompts[0][:-1]] * 3


@pytest.mark.parametrize(
    ("text", "turn", "done"),
    [
        ("Thanks, bye!", 1, True),
        ("Goodbye then.", 1, True),
        ("That's all I wanted.", 1, True),
        ("I have what I need.", 2, True),
        ("Is that all?", 2, False),
        ("I buy bikes by the dozen.", 2, False),
        ("And now?", 4, True),
        ("And now?", 3, False),
    ],
)
def test_the_end_of_a_conversation(text: str, turn: int, done: bool) -> None:
    agent = UserAgent(model=scripted_model(Seen("x")), calls=CallLog())
    assert agent.done(PERSONA, "t", [user(text, turn=turn)]) is done


def test_a_branch_ends_early_if_asked_to() -> None:
    short = grow(config(turns=6, stop_when_done=True))
    assert max(node.turn for node in short.nodes) == 4  # the persona has four facts of life
    assert max(node.turn for node in grow(config(turns=6)).nodes) == 6
