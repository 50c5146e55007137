"""Candidates by rule for verifiable users, in place of models: one learns, one does not."""

from collections.abc import Sequence
from typing import Any

from demonstration import demonstrate
from langchain_core.messages import BaseMessage

from aloe.benchmark.case import Case
from aloe.benchmark.experiment.players import OPEN_QUESTIONS
from aloe.memory.verifiable.catalogue import find_wish
from aloe.memory.verifiable.phrases import find_stated
from aloe.schema import Persona

WISHES = {
    "emoji": "some",
    "exclamation": "some",
    "question": "asked",
    "contractions": "relaxed",
    "numbers": "figures",
    "spelling": "British",
    "greeting": "greeted",
    "closing": "next step",
    "emphasis": "bold",
    "thanks": "given",
}
"""Ten wishes that a reply showing nothing special breaks, all of them."""

LIVES = ("I mend nets. I have a boat.", "I drive a tram. I am 50.", "I sell tea. I am a twin.")


def learn(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str:
    """Keep every wish that the user has voiced so far, and no other."""
    said = "\n".join(message.text for message in messages if message.type == "human")
    return demonstrate(find_stated(said))


def ask(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str:
    """Keep what was voiced, and ask for more until five wishes are known."""
    said = [message.text for message in messages if message.type == "human"]
    wishes = find_stated("\n".join(said))
    question = OPEN_QUESTIONS[len(said) % len(OPEN_QUESTIONS)] if len(wishes) < 5 else ""
    return f"{demonstrate(wishes)}\n{question}"


def ignore(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str:
    """Say the same to everybody, always."""
    return demonstrate({})


def repeat(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str:
    """Say all that there is to read."""
    return "\n".join(f"{message.type}: {message.text}" for message in messages)


def cases(turns: int = 10) -> list[Case]:
    """Return nine users, three lives by three tempers, with the ten wishes in three orders."""
    names = list(WISHES)
    return [
        Case.model_validate(
            {
                "suite": "taught",
                "persona": _persona(life, names[at:] + names[:at]),
                "why": "test",
                "profile": life,
                "personality": f"order {at}",
                "turns": turns,
            }
        )
        for life in LIVES
        for at in (0, 3, 7)
    ]


def _persona(life: str, names: list[str]) -> Persona:
    wishes = {name: WISHES[name] for name in names}
    traits = [find_wish(name, value).trait for name, value in wishes.items()]
    return Persona.of(life, " ".join(traits), preferences=wishes)
