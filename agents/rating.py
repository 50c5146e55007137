"""The pointwise judge: how well one reply suits this user, from 1 to 5.

A benchmark needs levels, not only preferences. A single sampled digit is a coarse answer: most
replies get the same one. Where the server gives log-probabilities, the rating is the expected
digit, the mean of 1 to 5 weighted by their probabilities (Liu et al. 2023, arXiv 2303.16634), which
tells apart what the digit alone does not. Elsewhere one digit is parsed strictly. What cannot be
read has no rating and is counted; no level is ever made up for it.
"""

import re
from dataclasses import dataclass, field
from math import exp

from agents.prompt import Prompt, shipped
from agents.transcript import Path, as_text
from aloe.calls import CallLog
from aloe.models import Model, Reply
from aloe.schema import AssistantNode, Persona, UserNode, derived_seed

LEVELS = ("1", "2", "3", "4", "5")

_ANSWER = re.compile(r"\W*(?:(?:score|rating)\b\W*)?([1-5])(?:\s*/\s*5)?\W*", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Rating:
    """What a pointwise judge made of one reply."""

    value: float | None
    """Within 1..5; None if the reply is empty or the answer unreadable."""
    raw: str = ""
    """What the judge answered, untouched; empty if it was not asked."""
    mass: float | None = None
    """Probability that the answer begins with one of the digits; None for parsed text."""


@dataclass(frozen=True, kw_only=True)
class PointwiseJudge:
    """Rates single replies for one persona."""

    model: Model
    calls: CallLog
    prompt: Prompt = field(default_factory=lambda: shipped("judge_score"))

    async def rate(
        self, persona: Persona, tree: str, path: Path, user: UserNode, reply: AssistantNode
    ) -> Rating:
        """Rate a reply to `user`, which follows `path`; an empty one without a call.

        Raises:
            CallError: the call failed.
        """
        if not reply.content:
            return Rating(value=None)
        messages = self.prompt.render(
            persona=persona.text,
            history=as_text(path),
            message=user.content,
            reply=reply.content,
        )
        async with self.calls.call("judge", self.model, tree=tree, node=reply.id) as call:
            answer = await call.ask(
                messages,
                seed=derived_seed("rate", tree, reply.id),
                logprobs=True,
                max_tokens=1 if self.model.config.logprobs else None,
            )
            rating = read_rating(answer)
            if rating.value is None:
                call.event.outcome = "unreadable"
        return rating


def read_rating(reply: Reply) -> Rating:
    """Read one answer: the expected digit, else a digit that stands alone, else nothing."""
    found = {
        level: exp(logprob) for level, logprob in (reply.logprobs or {}).items() if level in LEVELS
    }
    if mass := sum(found.values()):
        value = sum(int(level) * share for level, share in found.items()) / mass
        return Rating(value=value, raw=reply.text, mass=mass)
    match = _ANSWER.fullmatch(reply.text)
    return Rating(value=float(match[1]) if match else None, raw=reply.text)
