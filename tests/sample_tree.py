"""A small tree with one of everything that a view can show, and the calls that made it."""

from typing import Any

from builders import assistant, user

from aloe.calls.recorded_call import RecordedCall
from aloe.calls.totals import Totals
from aloe.schema import (
    AssistantNode,
    Disclosure,
    Node,
    Outcome,
    Persona,
    Tree,
    Verdict,
    Vote,
    digest,
)

PERSONA = Persona.of(
    "I mend bicycles in Porto. I have a son called Rui. I swim every morning.",
    "I am short with people. I want plain answers.",
)
SON = PERSONA.facts[1].id


def _verdict(
    parent: Node, first: AssistantNode, second: AssistantNode, outcome: Outcome, **given: Any
) -> Verdict:
    votes = tuple(
        Vote(judge="openai:judge", order=order, raw="A", logprobs=logprobs, choice=choice, **found)  # type: ignore[arg-type]
        for order, logprobs, choice, found in (
            ("first-second", (-0.1, -2.4), "first", {"mass": 0.9955}),
            ("second-first", (-0.4, -1.2), "second", {"mass": 0.9745, "tie": -5.5}),
        )
    )
    return Verdict(
        node=parent.id, first=first.id, second=second.id, votes=votes, outcome=outcome, **given
    )


OPENING = user(
    "I mend bicycles in Porto. My [bold]chain[/bold] slips; what now?",
    revealed=(Disclosure(quote="I mend bicycles in Porto.", kind="revealed"),),
    repaired=("echo",),
)
HINTED = assistant(
    "Check the wear of the chain first. In Porto's hills it stretches soon.",
    OPENING,
    agent="hinted",
    hint="I mend bicycles in Porto.",
)
PLAIN = assistant(
    "Ask your son Rui to hold the wheel.", OPENING, agent="plain", mind_reading=(SON,)
)
SECOND = user(
    "I swim every evening. Shorter, please.",
    HINTED.id,
    turn=2,
    revealed=(Disclosure(quote="I swim every evening.", kind="contradicted"),),
)
SHORT = assistant("Replace the chain.", SECOND, agent="hinted")
CUT = assistant("Well, the chain is a part that", SECOND, agent="plain", faults=("truncated",))
OTHER = user("Leave Rui out of it!", PLAIN.id, turn=2, faults=("narration",))
SORRY = assistant("Understood.", OTHER, agent="hinted")
MUTE = assistant("", OTHER, agent="plain", faults=("empty",))

TREE = Tree(
    id="51ce74a8d4ca905d",
    persona=PERSONA,
    seed=1,
    models={"user": "openai:small", "hinted": "openai:small", "judge": "openai:judge"},
    nodes=(OPENING, HINTED, PLAIN, SECOND, SHORT, CUT, OTHER, SORRY, MUTE),
    verdicts=(
        _verdict(OPENING, HINTED, PLAIN, "first", margin=0.75, confidence=0.8),
        _verdict(SECOND, SHORT, CUT, "tie", margin=0.0),
        _verdict(OTHER, SORRY, MUTE, "abstain").model_copy(update={"votes": ()}),
    ),
    mood="curt",
)


def exchange(role: str, node: str | None, *messages: tuple[str, str], **given: Any) -> RecordedCall:
    """Return a call as the log would give it back."""
    reply = {"text": "A", "finish": "stop", "logprobs": {"A": -0.1, "B": -2.4}}
    event = {
        "role": role,
        "model": "openai:small",
        "tree": TREE.id,
        "node": node,
        "outcome": "ok",
        "started": 1_700_000_000.0,
        "latency": 0.512,
        "input_tokens": 120,
        "cached_tokens": 40,
        "output_tokens": 7,
        "cost": 0.000123,
        "key": "0123456789abcdef",
        "arguments": {"seed": 5},
        "reply": reply,
        "error": None,
    }
    return RecordedCall(event={**event, **given}, messages=messages)  # type: ignore[arg-type]


CALLS = [
    exchange("hinted", HINTED.id, ("system", "You answer."), ("user", OPENING.content)),
    exchange("judge", OPENING.id, ("user", f"A: {HINTED.content}\nB: {PLAIN.content}")),
    exchange("plain", PLAIN.id, outcome="error", reply=None, error="HTTP 500"),
]


def totals() -> Totals:
    """Return sums of a run under way."""
    found = Totals(
        calls=1234, replayed=5, errors=2, input_tokens=100_000, cached_tokens=57_000, cost=0.5
    )
    found.outcomes.update({("user", "ok"): 900, ("user", "echo"): 30, ("judge", "error"): 2})
    return found


def spelled_out() -> list[dict[str, Any]]:
    """Return the lines of a log that holds `CALLS`."""
    lines = []
    for call in CALLS:
        names = [digest(role, text) for role, text in call.messages]
        texts = dict(zip(names, call.messages, strict=True))
        lines.append({**call.event, "prompt": names, "texts": texts})
    return lines
