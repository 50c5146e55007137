"""A scripted model for the writer: `--model scripted:aloe.agents.scripted_writer:reply`.

It answers the writer's brief with composed sentences, one per line, so that growth can be tested
and timed without a model, through the same graph and the same code path.
"""

import re
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import BaseMessage

from aloe.agents.writer import MEANS
from aloe.memory.axes import Axes
from aloe.memory.composition import compose
from aloe.schema import sentences

_BRIEF = re.compile(r"a person of (\d+) in a (\w+) in ([\w ]+?) who (is new to|is an|knows)")
_TEMPER = re.compile(r"Invent an? ([\w\- ]+) person")
_LEVELS = {"is new to": "novice", "is an": "expert", "knows": "intermediate"}


def reply(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str:
    """Compose what the last message asks for; the call's seed decides the words."""
    asked = messages[-1].text
    seed = int(arguments["seed"])
    if brief := _BRIEF.search(asked):
        age, place, region, verb = brief.groups()
        means = next((each for each, has in MEANS.items() if f" has {has}" in asked), "modest")
        axes: Axes = {"age": int(age), "place": place, "region": region, "means": means}
        text = compose("profile", {**axes, "expertise": _LEVELS[verb]}, seed).text
    else:
        temper = _TEMPER.search(asked)
        text = compose("personality", {"temper": temper[1] if temper else "calm"}, seed).text
    return "\n".join(sentences(text))
