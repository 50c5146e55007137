"""Models by rule for the experiment: each name stands for what its training is to have made of
it."""

import random
import re
from collections.abc import Sequence
from typing import Any

from demonstration import demonstrate
from langchain_core.messages import BaseMessage

from aloe.benchmark.experiment.players import OPEN_QUESTIONS
from aloe.memory.verifiable.phrases import find_all_stated


def base(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str:
    """Say the same to everybody."""
    return demonstrate({})


def sft(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str:
    """Keep each of the wishes voiced so far with some probability."""
    chance = random.Random(arguments["seed"])
    wishes = find_all_stated([message.text for message in messages if message.type == "human"])
    kept = {name: value for name, value in wishes.items() if chance.random() < 0.7}
    return f"{demonstrate(kept)}"


def dpo(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str:
    """Keep all wishes voiced so far."""
    return demonstrate(find_all_stated([m.text for m in messages if m.type == "human"]))


def asking(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str:
    """Keep all wishes voiced so far, and ask for another until there are four."""
    said = [message.text for message in messages if message.type == "human"]
    wishes = find_all_stated(said)
    question = OPEN_QUESTIONS[len(said) % len(OPEN_QUESTIONS)] if len(wishes) < 4 else ""
    return f"{demonstrate(wishes)}\n{question}"


rejection = sft
shuffled = base


def assistant(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str:
    """Write a plain reply that differs from one call to the next."""
    words = ("Begin small.", "Ask a friend.", "Make a plan.", "Wait a day.", "Look around first.")
    return " ".join(random.Random(arguments["seed"]).sample(words, 2))


def mumbler(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str:
    """Judge without naming the better reply."""
    return "TIE"


def judge(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str:
    """Prefer the longer reply in words alone, and name none where both are as long."""
    found = re.search(r"\[A\] (.*)\n\n\[B\] (.*)\n\nWhich", messages[-1].text, re.DOTALL)
    assert found
    a, b = map(len, found.groups())
    return "Hard to say." if a == b else "A" if a > b else "B"


def __getattr__(name: str) -> Any:
    """Return a model that has no function: of a stage, that learnt nothing, or an ablation's."""
    prefix, dash, rest = name.partition("-")
    if prefix == "merged":
        return globals()[rest.partition("-")[0]]
    if prefix == "idle":
        return base
    if dash:
        return sft
    raise AttributeError(name)
