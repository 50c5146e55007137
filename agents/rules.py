"""The rule judge: exact verdicts for personas whose wishes a program can check.

A verifiable persona carries its wishes as data, so how many of them a reply satisfies can be
counted. No model is asked: the reply that satisfies more is better, and equal counts are a tie.
Nothing is uncertain, so such a preference has confidence 1. To measure a model judge, judge a run
of verifiable personas once by rule and once by the model, and compare.
"""

import json
from dataclasses import dataclass
from typing import Literal

from aloe.agents.judge import Comparison, Judge
from aloe.memory.verifiable.scoring import check_wishes, measure_satisfaction
from aloe.players import RULE
from aloe.schema import Verdict, Vote


@dataclass(frozen=True, kw_only=True)
class RuleJudge:
    """Counts kept wishes where a persona states them as data; leaves other personas to `other`."""

    other: Judge

    async def compare(self, asked: Comparison) -> Verdict:
        """Count; nothing if there is nothing to count.

        Replies that look alike to a reader may differ in what a program sees, such as paragraphs.

        Raises:
            CallError: a call of the other judge failed.
        """
        wishes = asked.persona.preferences
        if not wishes:
            return await self.other.compare(asked)
        if asked.empty:
            return asked.verdict("abstain")
        if asked.first.content == asked.second.content:
            return asked.verdict("tie")
        texts = {"first": asked.first.content, "second": asked.second.content}
        found = json.dumps({name: check_wishes(wishes, text) for name, text in texts.items()})
        a, b = (measure_satisfaction(wishes, text) for text in texts.values())
        choice: Literal["first", "second", "tie"] = (
            "tie" if a == b else "first" if a > b else "second"
        )
        vote = Vote(judge=RULE, order="first-second", raw=found, choice=choice)
        return asked.verdict(choice, (vote,), confidence=None if choice == "tie" else 1.0)
