"""What simulated users tell of themselves, and when."""

from typing import Literal

from pydantic import Field

from aloe.config.settings import Settings

Disclosing = Literal["schedule", "answering", "reticent"]
"""When a user tells something; see `UserConfig.disclosure`."""
Phrases = Literal["train", "test"]
"""Which half of the phrases a user of checkable wishes speaks with."""


class UserConfig(Settings):
    """What simulated users tell of themselves, and when."""

    disclosure: Disclosing = "schedule"
    """`schedule`: one thing a turn, whatever was asked (the paper). `answering`: what a reply asks
    for, without a question the next thing. `reticent`: what a reply asks for or goes against;
    little else."""
    complains: float = Field(default=0.15, ge=0, le=1)
    """Probability that a reticent user objects to a reply that goes against something not said."""
    volunteers: float = Field(default=0.05, ge=0, le=1)
    """Probability that a reticent user brings something up at a turn."""
    phrases: Phrases | None = None
    """Which half of the phrases a user of checkable wishes speaks with: models that were trained on
    the one are tested on the other. None: `test` in the benchmark, `train` elsewhere."""
