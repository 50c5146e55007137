"""The rule judge: for personas whose wishes a program can check, the exact answer.

A verifiable persona carries its wishes as data, and how many of them a reply keeps is a matter of
counting. So no model is asked: the reply that keeps more is the better one, and as many on both
sides is a tie. There is nothing to be uncertain about; such a preference has confidence 1. Model
judges can be measured against it: judge a run of verifiable personas once by rule and once by the
model, and compare.
"""

import json
from dataclasses import dataclass
from typing import Literal

from aloe.agents.judge import Comparison, Judge
from aloe.memory.verifiable.scoring import check_wishes, measure_satisfaction
from aloe.schema import Verdict, Vote

RULE = "rule"
"""What votes call this judge."""


@dataclass(frozen=True, kw_only=True)
class RuleJudge:
    """Counts kept wishes where a persona states them as data; leaves other personas to `other`."""

    other: Judge

    async def compare(self, asked: Comparison) -> Verdict:
        """Count; nothing if the outcome is settled.

        Raises:
            CallError: a call of the other judge failed.
        """
        wishes = asked.persona.preferences
        if not wishes:
            return await self.other.compare(asked)
        if asked.settled:
            return asked.verdict(asked.settled)
        texts = {"first": asked.first.content, "second": asked.second.content}
        found = json.dumps({name: check_wishes(wishes, text) for name, text in texts.items()})
        a, b = (measure_satisfaction(wishes, text) for text in texts.values())
        choice: Literal["first", "second", "tie"] = (
            "tie" if a == b else "first" if a > b else "second"
        )
        vote = Vote(judge=RULE, order="first-second", raw=found, choice=choice)
        return asked.verdict(choice, (vote,), confidence=None if choice == "tie" else 1.0)
