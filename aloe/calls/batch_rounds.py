"""What batches would make of a run: which calls go in them, and how many have to follow each other.

A round is a batch that everything waits for. There are as many as a tree has calls that depend on
each other, however many trees wait together; a call that is repeated adds one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Literal

from aloe.config import Config, ModelConfig
from aloe.judge_names import is_judge
from aloe.models.model_string import ModelString
from aloe.models.providers import parse_model

BatchOffer = Literal["used", "offered", "none"]
"""`offered`: calls are made one by one, and some are at OpenAI itself, which has batches."""


def is_batchable(model: ModelConfig | ModelString) -> bool:
    """Whether the calls of a model go in batches where settings want that."""
    parsed = model if isinstance(model, ModelString) else parse_model(model)
    return parsed.provider == "openai"


@dataclass(frozen=True, kw_only=True)
class Cast:
    """Who takes part in the exchanges of a run."""

    models: Mapping[str, ModelConfig]
    """Model of every agent that asks one, by name."""
    writers: tuple[str, ...]
    """Names of those that write replies: the assistants, and roles among them."""
    orders: int = 2
    """In how many orders a judge sees two replies."""

    @classmethod
    def named_in(cls, config: Config) -> "Cast":
        """Return who takes part as far as settings tell: custom code is not looked at."""
        models, roles = config.models, config.roles
        judges = {} if config.judge.use else models.judges()
        agents = {name: each for name, each in models.by_role().items() if not is_judge(name)}
        among = (name for name, role in roles.items() if role.place == "among assistants")
        return cls(
            models={**agents, **judges, **{name: role.model for name, role in roles.items()}},
            writers=(*(each.name for each in models.assistants), *among),
        )

    @property
    def judges(self) -> dict[str, ModelConfig]:
        """Model of every judge that asks one, by name."""
        return {name: model for name, model in self.models.items() if is_judge(name)}


def offer_batches(config: Config, models: Iterable[ModelConfig]) -> BatchOffer:
    """Return whether calls to `models` go in batches, or could."""
    if config.limits.batch:
        return "used"
    own = (not each.base_url and "@" not in each.model for each in models if is_batchable(each))
    return "offered" if any(own) else "none"


def count_rounds(
    config: Config, cast: Cast, trees: int, turns: int, at: int, *, rollouts: bool = False
) -> int:
    """Return how many batches a tree waits for, one after the other.

    Args:
        config: settings of the run.
        cast: who takes part, with the models that are asked.
        trees: how many are still to be grown.
        turns: of a tree that are still to be played.
        at: 0 for the fewest, 1 for the most that a tournament may take.
        rollouts: whether its replies are continued.
    """
    batched = {name for name, model in cast.models.items() if is_batchable(model)}
    talk = len(batched - {*cast.writers, *cast.judges}) + (not batched.isdisjoint(cast.writers))
    judged = not batched.isdisjoint(cast.judges)
    rivals, schedule = len(cast.writers), config.judge.schedule
    in_turn = (rivals - 1, rivals * (rivals - 1) // 2)[at] if schedule == "tournament" else 1
    whole = turns * (talk + judged * in_turn)
    further = (config.simulation.rollouts.horizon - 1) * talk if rollouts else 0
    return max(whole, further) * ceil(trees / config.limits.batch_trees)
