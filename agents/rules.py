"""The rule judge: for personas whose wishes a program can check, the exact answer.

A verifiable persona carries its wishes as data, and how many of them a reply keeps is a matter of
counting. So no model is asked: the reply that keeps more is the better one, and as many on both
sides is a tie. There is nothing to be uncertain about; such a preference has confidence 1. Model
judges can be measured against it: judge a run of verifiable personas once by rule and once by the
model, and compare.
"""

import json
from dataclasses import dataclass

from agents.judge import Judge
from agents.transcript import Path
from aloe.schema import AssistantNode, Outcome, Persona, UserNode, Verdict, Vote
from memory.verifiable import kept, satisfaction

RULE = "rule"
"""What votes call this judge."""


@dataclass(frozen=True, kw_only=True)
class RuleJudge:
    """Counts kept wishes where a persona states them as data; leaves other personas to `other`."""

    other: Judge

    async def compare(
        self,
        persona: Persona,
        tree: str,
        path: Path,
        user: UserNode,
        first: AssistantNode,
        second: AssistantNode,
    ) -> Verdict:
        """Compare two replies to `user`; identical ones tie, empty ones are not compared.

        Raises:
            CallError: a call of the other judge failed.
        """
        if not persona.preferences:
            return await self.other.compare(persona, tree, path, user, first, second)
        votes: tuple[Vote, ...] = ()
        outcome: Outcome = "tie"
        if not (first.content and second.content):
            outcome = "abstain"
        elif first.content != second.content:
            votes = (_vote(persona, first, second),)
            outcome = votes[0].choice or "abstain"
        return Verdict(
            node=user.id,
            first=first.id,
            second=second.id,
            votes=votes,
            outcome=outcome,
            confidence=1.0 if outcome in ("first", "second") else None,
        )


def _vote(persona: Persona, first: AssistantNode, second: AssistantNode) -> Vote:
    wishes = persona.preferences
    a, b = satisfaction(wishes, first.content), satisfaction(wishes, second.content)
    found = {"first": kept(wishes, first.content), "second": kept(wishes, second.content)}
    return Vote(
        judge=RULE,
        order="first-second",
        raw=json.dumps(found),
        choice="first" if a > b else "second" if b > a else "tie",
    )
