"""A judge asked once about two replies, with log-probabilities as a server would send them."""

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import Any

from builders import PERSONAS, assistant, comparison, scripted_model, user
from langchain_core.messages import AIMessage

from aloe.agents.judge import PreferenceJudge
from aloe.agents.rating import PointwiseJudge, Rating
from aloe.calls.event import Event
from aloe.calls.log import CallLog
from aloe.schema import Verdict

OPENING = user("I hate lists. What is tea?")
GOOD = assistant("A plant, dried.", OPENING, agent="good")
BAD = assistant("- a leaf\n- a drink", OPENING, agent="bad")
FLOOR = math.log(1e-9)


def said(text: str, *places: Mapping[str, float], finish: str = "stop") -> AIMessage:
    """Return a reply with probabilities by token for each place, the chosen token first."""
    content = []
    for place in places:
        top = [{"token": token, "logprob": math.log(p)} for token, p in place.items()]
        content.append({**top[0], "top_logprobs": top})
    metadata = {"finish_reason": finish, "logprobs": {"content": content}}
    return AIMessage(text, response_metadata=metadata)


def raw(text: str, logprobs: Any) -> AIMessage:
    """Return a reply with whatever a server sends for log-probabilities."""
    return AIMessage(text, response_metadata={"finish_reason": "length", "logprobs": logprobs})


def judged(script: Callable[..., Any], **settings: Any) -> tuple[Verdict, list[Event]]:
    events: list[Event] = []
    judge = PreferenceJudge(
        model=scripted_model(script), calls=CallLog(on_event=events.append), min_margin=0.05,
        **settings,
    )  # fmt: skip
    return asyncio.run(judge.compare(comparison(OPENING, GOOD, BAD))), events


def rated(script: Callable[..., Any]) -> tuple[Rating, list[Event]]:
    events: list[Event] = []
    judge = PointwiseJudge(model=scripted_model(script), calls=CallLog(on_event=events.append))
    return asyncio.run(judge.rate(PERSONAS[0], "t", [], OPENING, GOOD)), events


def good_is(messages: Any) -> str:
    return "A" if f"[A] {GOOD.content}" in messages[-1].text else "B"


def other(letter: str) -> str:
    return "B" if letter == "A" else "A"
