"""The preference judge: which of two replies suits this user better.

It sees the persona, the conversation so far and the user's message, and it sees both orders. Where
the server gives log-probabilities, one token is enough: with l = ln P(A) - ln P(B), the margin for
the first reply is (l in order first-second  -  l in order second-first) / 2, so that a constant
liking for "A" cancels, and a margin below the threshold is an abstention. Tiny models say "A" in
both orders nearly always; what is left after the average is what they know. Without
log-probabilities the answer is parsed strictly: if the orders disagree, or one is unreadable, the
judge abstains. Nothing is ever guessed.

One question covers all that matters. Settings can put several criteria in its place, each asked on
its own: then margins are averaged by weight, and of parsed answers the majority by weight counts.

On position bias: Zheng et al. 2023 (arXiv 2306.05685), section 3.3.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, Literal, Protocol

from agents.prompt import Prompt, chosen
from agents.transcript import Path, as_text
from aloe.calls import CallLog
from aloe.config import Criterion
from aloe.models import Model, Reply
from aloe.schema import AssistantNode, Outcome, Persona, UserNode, Verdict, Vote, derived_seed

Order = Literal["first-second", "second-first"]
ORDERS: tuple[Order, Order] = ("first-second", "second-first")

_ANSWER = re.compile(r"\W*(?:(?:reply|answer)\b\W*)?(A|B|TIE)\W*", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two replies to one message, as a judge is asked about them."""

    persona: Persona
    tree: str
    path: Path
    """What was said before `user`."""
    user: UserNode
    first: AssistantNode
    second: AssistantNode

    @property
    def settled(self) -> Outcome | None:
        """The outcome if no judge is needed: identical replies tie, empty ones are not compared."""
        if not (self.first.content and self.second.content):
            return "abstain"
        return "tie" if self.first.content == self.second.content else None

    def verdict(self, outcome: Outcome, votes: tuple[Vote, ...] = (), **given: Any) -> Verdict:
        """Return what a judge found."""
        pair = {"node": self.user.id, "first": self.first.id, "second": self.second.id}
        return Verdict(**pair, outcome=outcome, votes=votes, **given)


class Judge(Protocol):
    """What compares two sibling candidates: a model, a panel of them, or a rule."""

    async def compare(self, asked: Comparison) -> Verdict:
        """Say which of the two replies is better."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a judge is asked about two replies."""

    prompt: Prompt
    criterion: str | None = None
    """None for the question about the whole."""
    weight: float = 1.0

    @classmethod
    def about(
        cls, weights: Mapping[Criterion, float], prompts: Mapping[str, FilePath] | None = None
    ) -> "tuple[Question, ...]":
        """Return a question for each criterion, or the one about the whole if there are none.

        Args:
            weights: by criterion.
            prompts: files in place of shipped prompts, by name.

        Raises:
            ConfigError: such a file cannot be used.
        """
        own = prompts or {}
        if not weights:
            return (cls(prompt=chosen("judge", own)),)
        return tuple(
            cls(prompt=chosen(f"judge_{name}", own), criterion=name, weight=weight)
            for name, weight in weights.items()
        )


@dataclass(frozen=True, kw_only=True)
class PreferenceJudge:
    """Asks a model."""

    model: Model
    calls: CallLog
    min_margin: float
    """Smallest absolute margin, in nats, that is a preference."""
    questions: tuple[Question, ...] = field(default_factory=lambda: Question.about({}))

    async def compare(self, asked: Comparison) -> Verdict:
        """Ask about both orders; nothing if the outcome is settled.

        Raises:
            CallError: a call failed.
        """
        if asked.settled:
            return asked.verdict(asked.settled)
        # One after the other: the second finds their common opening in the server's cache.
        votes = [
            await self._vote(question, asked, order)
            for question in self.questions
            for order in ORDERS
        ]
        weights = {question.criterion: question.weight for question in self.questions}
        outcome, margin = decide(tuple(votes), self.min_margin, weights)
        return asked.verdict(outcome, tuple(votes), margin=margin)

    async def _vote(self, question: Question, asked: Comparison, order: Order) -> Vote:
        first, second, persona = asked.first, asked.second, asked.persona
        a, b = (first, second) if order == "first-second" else (second, first)
        messages = question.prompt.render(
            persona=persona.text,
            history=as_text(asked.path),
            message=asked.user.content,
            a=a.content,
            b=b.content,
        )
        async with self.calls.call(
            "judge", self.model, tree=asked.tree, node=asked.user.id
        ) as call:
            reply = await call.ask(
                messages,
                seed=derived_seed("judge", asked.tree, first.id, second.id, order),
                logprobs=True,
                max_tokens=1 if self.model.config.logprobs else None,
            )
            vote = read_vote(reply, order, judge=self.model.name, criterion=question.criterion)
            if vote.choice is None:
                call.event.outcome = "unreadable"
        return vote


def read_vote(reply: Reply, order: Order, *, judge: str, criterion: str | None = None) -> Vote:
    """Read one answer; `choice` is None if neither log-probabilities nor text say A, B or TIE."""
    logprobs = _letters(reply.logprobs) if reply.logprobs else None
    if logprobs:
        letter = "A" if logprobs[0] > logprobs[1] else "B"
    else:
        match = _ANSWER.fullmatch(reply.text)
        letter = match[1].upper() if match else ""
    shown = order.split("-")
    choices = {"A": shown[0], "B": shown[1], "TIE": "tie"}
    return Vote.model_validate(
        {
            "judge": judge,
            "criterion": criterion,
            "order": order,
            "raw": reply.text,
            "logprobs": logprobs,
            "choice": choices.get(letter),
        }
    )


def _letters(logprobs: dict[str, float]) -> tuple[float, float] | None:
    """Return ln P of A and of B; one that is not listed is at most as likely as the least listed.

    That bound makes the margin smaller than it is, never larger. None if neither is listed.
    """
    if not logprobs.keys() & {"A", "B"}:
        return None
    floor = min(logprobs.values())
    return logprobs.get("A", floor), logprobs.get("B", floor)


def decide(
    votes: tuple[Vote, ...], min_margin: float, weights: Mapping[str | None, float] | None = None
) -> tuple[Outcome, float | None]:
    """Turn one judge's votes into an outcome and, with log-probabilities, a margin.

    Args:
        votes: both orders of every criterion.
        min_margin: smallest absolute margin that is a preference.
        weights: by criterion; None if they count alike.
    """
    weight = [weights[vote.criterion] if weights else 1.0 for vote in votes]
    if votes and all(vote.logprobs for vote in votes):
        odds = (w * _log_odds_for_first(vote) for vote, w in zip(votes, weight, strict=True))
        margin = sum(odds) / sum(weight)
        if abs(margin) < min_margin:
            return "abstain", margin
        return ("first" if margin > 0 else "second"), margin
    by_criterion: dict[str | None, tuple[set[Outcome | None], float]] = {}
    for vote, w in zip(votes, weight, strict=True):
        by_criterion.setdefault(vote.criterion, (set(), w))[0].add(vote.choice)
    agreed = ((c.pop() if len(c) == 1 else None, w) for c, w in by_criterion.values())
    return majority((choice or "abstain", w) for choice, w in agreed), None


def majority(outcomes: Iterable[tuple[Outcome, float]]) -> Outcome:
    """Return the outcome that holds more than half the weight of those that did not abstain."""
    weight: dict[Outcome, float] = {}
    for outcome, w in outcomes:
        if outcome != "abstain":
            weight[outcome] = weight.get(outcome, 0.0) + w
    best = max(weight, key=lambda outcome: weight[outcome], default=None)
    return best if best and 2 * weight[best] > sum(weight.values()) else "abstain"


def _log_odds_for_first(vote: Vote) -> float:
    assert vote.logprobs is not None
    a, b = vote.logprobs
    return a - b if vote.order == "first-second" else b - a
