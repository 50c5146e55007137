"""What batches would make of a run: which calls go in them, and how many have to follow each other.

A round is a batch that everything waits for. There are as many as a tree has calls that depend on
each other, however many trees wait together; a call that is repeated adds one.
"""

from collections.abc import Iterable
from math import ceil
from typing import Literal

from aloe.config import Config, ModelConfig
from aloe.models.providers import parse_model

BatchOffer = Literal["used", "offered", "none"]
"""`offered`: calls are made one by one, and some are at OpenAI itself, which has batches."""


def is_batchable(model: ModelConfig) -> bool:
    """Whether the calls of a model go in batches where settings want that."""
    return parse_model(model).provider == "openai"


def count_candidates(config: Config) -> int:
    """Return how many replies a message gets: those of the assistants and of roles among them."""
    among = sum(role.place == "among assistants" for role in config.roles.values())
    return len(config.models.assistants) + among


def offer_batches(config: Config, models: Iterable[ModelConfig]) -> BatchOffer:
    """Return whether calls to `models` go in batches, or could."""
    if config.limits.batch:
        return "used"
    own = (not each.base_url and "@" not in each.model for each in models if is_batchable(each))
    return "offered" if any(own) else "none"


def count_rounds(config: Config, trees: int, turns: int, at: int, *, rollouts: bool = False) -> int:
    """Return how many batches a tree waits for, one after the other.

    Args:
        config: settings of the run.
        trees: how many are still to be grown.
        turns: of a tree that are still to be played.
        at: 0 for the fewest, 1 for the most that a tournament may take.
        rollouts: whether its replies are continued.
    """
    models, judge = config.models, config.judge
    talking = [models.user, models.inducer, *(role.model for role in config.roles.values())]
    talking += [models.reader] if models.reader else []
    talk = sum(map(is_batchable, talking)) + any(map(is_batchable, models.assistants))
    judged = not judge.use and any(map(is_batchable, models.judges().values()))
    rivals = count_candidates(config)
    in_turn = (rivals - 1, rivals * (rivals - 1) // 2)[at] if judge.schedule == "tournament" else 1
    whole = turns * (talk + judged * in_turn)
    further = (config.simulation.rollouts.horizon - 1) * talk if rollouts else 0
    return max(whole, further) * ceil(trees / config.limits.batch_trees)
