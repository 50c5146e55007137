"""A scripted model for every agent: `--model scripted:aloe.agents.scripted:reply`.

It plays all roles by rule, from nothing but the prompt it gets, so a whole simulation can be run
and tested without a model: the user says the fact in its note, the inducer marks sentences in the
first person, a hinted assistant uses the hint, and the judge prefers the reply that reuses more of
the user's words. It is deterministic: the same prompt and seed give the same words.
"""

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from aloe.agents.prompt import shipped
from aloe.schema import digest

_QUESTIONS = ("What should I do?", "Where do I start?", "What would you suggest?", "Any ideas?")
_ANSWERS = ("Start small.", "Ask a neighbour.", "Give it a week.", "Make a plan.", "Try once.")


def reply(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str | AIMessage:
    """Answer as the agent whose prompt opens `messages`."""
    system, last = messages[0].text, messages[-1].text
    chance = int(digest(system, last, arguments.get("seed")), 16)
    if system.startswith(_opening("user")):
        return _speak(last, chance)
    if system.startswith(_opening("inducer")):
        return _mark(last)
    if system.startswith(_opening("judge")):
        return _judge(last)
    if system.startswith(_opening("judge_score")):
        return _rate(last)
    return _answer(last, chance)


def _opening(prompt: str) -> str:
    """Return the first sentence of a shipped prompt, by which its agent is known."""
    return shipped(prompt).messages[0][1].split(".")[0]


def _speak(stimulus: str, chance: int) -> str:
    notes = re.findall(r"^Note: (.+)$", stimulus, re.MULTILINE)
    said = notes[-1] if notes else f"Let us go on to point {chance % 1000}."
    return f"{said} {_QUESTIONS[chance % len(_QUESTIONS)]}"


def _mark(numbered: str) -> str:
    lines = re.findall(r"^(\d+)\. (.*)$", numbered, re.MULTILINE)
    about = {n: "user" if re.match(r"(I|My|I'm)\b", text) else "topic" for n, text in lines}
    about |= {n: "topic" for n, text in lines if text.endswith("?")}
    return json.dumps(about)


def _answer(message: str, chance: int) -> str:
    advice = _ANSWERS[chance % len(_ANSWERS)]
    hint = re.search(
        r"about (?:themselves|myself) so far: (.*?)\.? Let the answer", message, re.DOTALL
    )
    return f"Because you said: {hint[1]}. {advice}" if hint else f"{advice} ({chance % 97})"


def _judge(question: str) -> AIMessage:
    persona = _words(_between(question, "in their own words:", "The conversation so far:"))
    scores = [
        len(persona & _words(_between(question, "[A]", "[B]"))),
        len(persona & _words(_between(question, "[B]", "Which reply"))),
    ]
    # A constant liking for A, as small models have: the average over both orders must cancel it.
    a = 1 / (1 + math.exp(-(2.0 + scores[0] - scores[1])))
    top = [
        {"token": letter, "logprob": math.log(p), "bytes": None}
        for letter, p in (("A", a), ("B", 1 - a))
    ]
    letter = "A" if a > 0.5 else "B"
    content = [{"token": letter, "logprob": math.log(max(a, 1 - a)), "top_logprobs": top}]
    return AIMessage(
        letter, response_metadata={"finish_reason": "stop", "logprobs": {"content": content}}
    )


def _rate(question: str) -> str:
    persona = _words(_between(question, "in their own words:", "The conversation so far:"))
    reply = _words(_between(question, "The reply:", "How well does"))
    return str(min(5, 1 + len(persona & reply)))


def _between(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].partition(end)[0]


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w{4,}", text.lower()))
