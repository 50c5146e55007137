"""Which candidates of a turn are continued: the policy that gives a tree its shape."""

import random
from collections.abc import Callable, Sequence

from aloe.config import SimulationConfig
from aloe.schema import AssistantNode, Verdict

Expansion = Callable[[Sequence[AssistantNode], Sequence[Verdict], random.Random], list[str]]
"""Takes the siblings that can be continued, the verdicts on them and a random source of its own,
and returns the ids of those to continue."""


def sample(
    candidates: Sequence[AssistantNode], _verdicts: Sequence[Verdict], rng: random.Random
) -> list[str]:
    """Continue one candidate at random, as the paper does (section 3)."""
    return [rng.choice(candidates).id]


def preferred(
    candidates: Sequence[AssistantNode], verdicts: Sequence[Verdict], rng: random.Random
) -> list[str]:
    """Continue the candidate with the most wins, one at random among equals."""
    wins = {candidate.id: 0 for candidate in candidates}
    for verdict in verdicts:
        if verdict.preferred in wins:
            wins[verdict.preferred] += 1
    best = max(wins.values())
    return [rng.choice([node for node, won in wins.items() if won == best])]


def both(
    candidates: Sequence[AssistantNode], _verdicts: Sequence[Verdict], _rng: random.Random
) -> list[str]:
    """Continue every candidate."""
    return [candidate.id for candidate in candidates]


EXPANSIONS: dict[str, Expansion] = {"sample": sample, "preferred": preferred, "both": both}


def frontier(
    config: SimulationConfig,
    turn: int,
    candidates: Sequence[AssistantNode],
    verdicts: Sequence[Verdict],
    rng: random.Random,
) -> list[str]:
    """Return which of the siblings of `turn` are continued; empty replies never are."""
    usable = [candidate for candidate in candidates if candidate.content]
    if not usable:
        return []
    name = "both" if turn <= config.both_turns else config.expansion
    return EXPANSIONS[name](usable, verdicts, rng)
