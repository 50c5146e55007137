"""What decides some stages and not others, as inputs that name them.

Where there is nothing to say nothing is added, so that stages from before it counted are found
again.
"""

from collections.abc import Iterator
from typing import Any

from aloe.config import Config, ExperimentConfig
from aloe.models.model_string import ModelString


def describe_judge(config: Config) -> dict[str, Any]:
    """Return the settings of the judge, with what those that leave it out say of rules."""
    return {**config.judge.model_dump(mode="json"), "rules": config.rules_judge}


def describe_roles(config: Config) -> Iterator[object]:
    """Yield the custom roles in order, if there are any: where they stand, and their model."""
    if config.roles:
        yield [[name, role.model_dump(mode="json")] for name, role in config.roles.items()]


def describe_served(config: Config, *, trained: bool) -> Iterator[object]:
    """Yield how a trained model is served, unless that is as by default; no server's address."""
    served = config.experiment.served
    if trained and served != ExperimentConfig().served:
        yield {"served": str(ModelString.parse(served))}
