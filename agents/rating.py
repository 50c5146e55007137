"""The pointwise judge: how well one reply suits this user, from 1 to 5.

A benchmark needs levels, not only preferences. A single sampled digit is coarse: most replies get
the same one. If the server returns log-probabilities, the rating is the expected digit, the mean of
1 to 5 weighted by their probabilities (Liu et al. 2023, arXiv 2303.16634), which distinguishes
replies that share a digit; but only if the model was about to say a digit (`aloe.models.words`).
Otherwise one digit is parsed strictly. An unreadable answer is counted and gets no rating; none is
ever made up.
"""

from dataclasses import dataclass, field
from typing import Self

from aloe.agents.answer import ask_for_word
from aloe.agents.prompt import Prompt, chosen, shipped
from aloe.agents.transcript import Turns, as_text
from aloe.calls.log import CallLog
from aloe.config import MIN_MASS, Config
from aloe.models.open import Model
from aloe.models.words import RATING, Answer, read_level
from aloe.schema import AssistantNode, Persona, UserNode, derive_seed

LEVELS = RATING.words


@dataclass(frozen=True, kw_only=True)
class Rating:
    """What a pointwise judge made of one reply."""

    value: float | None
    """Within 1..5; None if the reply is empty or the answer unreadable."""
    raw: str = ""
    """What the judge answered, untouched; empty if it was not asked."""
    mass: float | None = None
    """Probability that the answer begins with one of the digits; None if not known."""


@dataclass(frozen=True, kw_only=True)
class PointwiseJudge:
    """Rates single replies for one persona."""

    model: Model
    calls: CallLog
    prompt: Prompt = field(default_factory=lambda: shipped("judge_score"))
    min_mass: float = MIN_MASS
    """Probability that the digits must have together for the expected digit to be the rating."""

    @classmethod
    def of(cls, config: Config, model: Model, calls: CallLog) -> Self:
        """Return the judge that `config` describes.

        Raises:
            ConfigError: a custom prompt cannot be used.
        """
        prompt = chosen("judge_score", config.prompts)
        return cls(model=model, calls=calls, prompt=prompt, min_mass=config.judge.min_mass)

    async def share(
        self, persona: Persona, tree: str, path: Turns, user: UserNode, reply: AssistantNode
    ) -> float | None:
        """Return how good a reply is, in [0, 1]; None if its rating cannot be read.

        An empty reply is worth 0, without a call.

        Raises:
            CallError: the call failed.
        """
        if not reply.content:
            return 0.0
        value = (await self.rate(persona, tree, path, user, reply)).value
        return None if value is None else (value - 1) / (len(LEVELS) - 1)

    async def rate(
        self, persona: Persona, tree: str, path: Turns, user: UserNode, reply: AssistantNode
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
        answer = await ask_for_word(
            RATING,
            messages,
            self.model,
            self.calls,
            seed=derive_seed("rate", tree, reply.id),
            tree=tree,
            node=reply.id,
            min_mass=self.min_mass,
        )
        return read_rating(answer)


def read_rating(answer: Answer) -> Rating:
    """Return the rating of one answer: the expected digit, else a digit that stands alone."""
    return Rating(value=read_level(answer), raw=answer.raw, mass=answer.mass)
