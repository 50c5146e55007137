"""The preference judge: which of two replies suits this user better.

It sees the persona, the conversation so far and the user's message, and it sees both orders. Where
the server gives log-probabilities, one token is enough, if the model was about to answer at all
(`aloe.models.words`). A tie counts half for either reply: with l = ln (P(A) + P(TIE)/2) - ln (P(B)
+ P(TIE)/2), the margin for the first reply is (l in order first-second  -  l in order second-first)
/ 2, so that a constant liking for "A" cancels. It is a tie if, on average, TIE is likelier than
either reply, and else a margin below the threshold is an abstention. Tiny models say "A" in both
orders nearly always; what is left after the average is what they know.

A letter that the server did not list has a probability between nothing and the least listed one,
and a preference has to hold for all of that range. So where servers name no token but the one they
chose, the orders have to agree.

Without log-probabilities the answer is parsed strictly: if the orders disagree, or one is
unreadable, the judge abstains. Nothing is ever guessed.

One question covers all that matters. Settings can put several criteria in its place, each asked on
its own: then margins are averaged by weight, and of parsed answers the majority by weight counts.

On position bias: Zheng et al. 2023 (arXiv 2306.05685), section 3.3. On ties as half a win for
either: Elo, The Rating of Chessplayers (1978).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import exp, inf, log
from pathlib import Path
from typing import Any, Literal, Protocol

from aloe.agents.answer import ask_for_word
from aloe.agents.prompt import Prompt, chosen
from aloe.agents.transcript import Turns, as_text
from aloe.calls.log import CallLog
from aloe.calls.together import ask_each
from aloe.config import MIN_MASS, Criterion
from aloe.models.open import Model
from aloe.models.words import COMPARISON, Answer
from aloe.schema import AssistantNode, Outcome, Persona, UserNode, Verdict, Vote, derive_seed
from aloe.wording import same_text, visible

Order = Literal["first-second", "second-first"]
ORDERS: tuple[Order, Order] = ("first-second", "second-first")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two replies to one message, for a judge to compare."""

    persona: Persona
    tree: str
    path: Turns
    """What was said before `user`."""
    user: UserNode
    first: AssistantNode
    second: AssistantNode

    @classmethod
    def between(
        cls, path: Turns, first: str, second: str, *, persona: Persona, tree: str
    ) -> "Comparison":
        """Return a comparison of any two texts as replies to the message that a path ends with."""
        *before, user = path
        assert isinstance(user, UserNode)
        one = AssistantNode.of(user.id, first, agent="first", turn=user.turn)
        two = AssistantNode.of(user.id, second, agent="second", turn=user.turn)
        return cls(persona=persona, tree=tree, path=before, user=user, first=one, second=two)

    def shown(self, order: Order) -> "Comparison":
        """Return it with the replies in the order in which a judge is to see them."""
        return self if order == ORDERS[0] else replace(self, first=self.second, second=self.first)

    @property
    def settled(self) -> Outcome | None:
        """The outcome if nobody need read: replies that look alike tie, empty ones do not count."""
        if self.empty:
            return "abstain"
        return "tie" if same_text(self.first.content, self.second.content) else None

    @property
    def empty(self) -> bool:
        """Whether one of the replies says nothing."""
        return not (visible(self.first.content) and visible(self.second.content))

    def verdict(self, outcome: Outcome, votes: tuple[Vote, ...] = (), **given: Any) -> Verdict:
        """Return what a judge found."""
        pair = {"node": self.user.id, "first": self.first.id, "second": self.second.id}
        return Verdict(**pair, outcome=outcome, votes=votes, **given)


class Judge(Protocol):
    """Compares two sibling candidates: a model, a panel of models, or a rule."""

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
        cls, weights: Mapping[Criterion, float], prompts: Mapping[str, Path] | None = None
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
    """Smallest absolute margin, in nats, that counts as a preference."""
    min_mass: float = MIN_MASS
    """Combined probability of A, B and TIE at which log-probabilities are used."""
    questions: tuple[Question, ...] = field(default_factory=lambda: Question.about({}))

    async def compare(self, asked: Comparison) -> Verdict:
        """Ask about both orders; nothing if the outcome is settled.

        Raises:
            CallError: a call failed.
        """
        if asked.settled:
            return asked.verdict(asked.settled)
        asks = [
            partial(self._vote, question, asked, order)
            for question in self.questions
            for order in ORDERS
        ]
        votes = await ask_each(asks, at_once=self.calls.batches is not None)
        weights = {question.criterion: question.weight for question in self.questions}
        outcome, margin = decide(tuple(votes), self.min_margin, weights)
        return asked.verdict(outcome, tuple(votes), margin=margin)

    async def _vote(self, question: Question, asked: Comparison, order: Order) -> Vote:
        shown = asked.shown(order)
        messages = question.prompt.render(
            persona=asked.persona.text,
            history=as_text(asked.path),
            message=asked.user.content,
            a=shown.first.content,
            b=shown.second.content,
        )
        answer = await ask_for_word(
            COMPARISON,
            messages,
            self.model,
            self.calls,
            seed=derive_seed("judge", asked.tree, asked.first.id, asked.second.id, order),
            tree=asked.tree,
            node=asked.user.id,
            min_mass=self.min_mass,
        )
        return read_vote(answer, order, judge=self.model.name, criterion=question.criterion)


def read_vote(answer: Answer, order: Order, *, judge: str, criterion: str | None = None) -> Vote:
    """Return the vote of one answer; `choice` is None if it says none of A, B and TIE."""
    shown, listed = order.split("-"), answer.logprobs
    choices = {"A": shown[0], "B": shown[1], "TIE": "tie"}
    return Vote.model_validate(
        {
            "judge": judge,
            "criterion": criterion,
            "order": order,
            "raw": answer.raw,
            "logprobs": [listed.get(each, answer.most) for each in "AB"] if listed else None,
            "tie": listed.get("TIE"),
            "unlisted": [each for each in "AB" if listed and each not in listed],
            "mass": answer.mass,
            "choice": choices.get(answer.word or ""),
        }
    )


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
        margin = margin_of(votes, weight)
        if _tied(votes, weight):
            return "tie", margin
        return outcome_of(margin, min_margin), margin
    by_criterion: dict[str | None, tuple[set[Outcome | None], float]] = {}
    for vote, w in zip(votes, weight, strict=True):
        by_criterion.setdefault(vote.criterion, (set(), w))[0].add(vote.choice)
    agreed = ((c.pop() if len(c) == 1 else None, w) for c, w in by_criterion.values())
    return majority((choice or "abstain", w) for choice, w in agreed), None


def outcome_of(margin: float, min_margin: float) -> Outcome:
    """Return what a margin for the first reply comes to, if it is no tie; 0 is too small, too."""
    if margin == 0 or abs(margin) < min_margin:
        return "abstain"
    return "first" if margin > 0 else "second"


def margin_of(votes: Sequence[Vote], weight: Sequence[float]) -> float:
    """Return the log-odds for the first reply, averaged over votes with log-probabilities.

    Of all that unlisted letters leave possible it is the value nearest 0, and 0 if both replies
    can be the better one.
    """
    low = high = 0.0
    for vote, w in zip(votes, weight, strict=True):
        least, greatest = _log_odds(vote)
        low, high = low + w * least, high + w * greatest
    return (max(low, 0.0) + min(high, 0.0)) / sum(weight)


def _log_odds(vote: Vote) -> tuple[float, float]:
    """Return the least and the greatest log-odds for the first reply that a vote allows."""
    assert vote.logprobs is not None
    half = 0.0 if vote.tie is None else exp(vote.tie) / 2
    a, b = (exp(each) + half for each in vote.logprobs)
    least_a, least_b = (
        half if letter in vote.unlisted else share
        for letter, share in zip("AB", (a, b), strict=True)
    )
    low = log(least_a / b) if least_a else -inf
    high = log(a / least_b) if least_b else inf
    return (low, high) if vote.order == "first-second" else (-high, -low)


def _tied(votes: Sequence[Vote], weight: Sequence[float]) -> bool:
    """Whether, averaged over votes with log-probabilities, TIE is likelier than either reply."""
    first = second = tie = 0.0
    for vote, w in zip(votes, weight, strict=True):
        assert vote.logprobs is not None
        a, b = vote.logprobs if vote.order == "first-second" else vote.logprobs[::-1]
        first, second = first + w * exp(a), second + w * exp(b)
        tie += 0.0 if vote.tie is None else w * exp(vote.tie)
    return tie > max(first, second)


def majority(outcomes: Iterable[tuple[Outcome, float]]) -> Outcome:
    """Return the outcome that holds more than half the weight of those that did not abstain."""
    weight: dict[Outcome, float] = {}
    for outcome, w in outcomes:
        if outcome != "abstain":
            weight[outcome] = weight.get(outcome, 0.0) + w
    best = max(weight, key=lambda outcome: weight[outcome], default=None)
    return best if best and 2 * weight[best] > sum(weight.values()) else "abstain"
