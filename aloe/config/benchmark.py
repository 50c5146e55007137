"""What is benchmarked, and under which condition."""

from typing import Any, Literal

from pydantic import Field, field_validator

from aloe.config.models import CANDIDATE_DEFAULTS, ModelConfig, fill_in_model
from aloe.config.settings import Settings

Condition = Literal["candidate", "floor", "ceiling", "no-history", "concise", "shuffled"]
"""What a benchmarked model works under; see `aloe.agents.candidate`."""


class BenchmarkConfig(Settings):
    """What is benchmarked; the simulated user and the judges are those of `models`."""

    candidate: ModelConfig = Field(
        default_factory=lambda: ModelConfig.model_validate(CANDIDATE_DEFAULTS)
    )
    """The model under test."""
    condition: Condition = "candidate"
    """`candidate`: it gets only the conversation. The others are controls, each of which writes its
    own into its folder: name them with `--control`, not here."""
    cases: str = "aloe-100"
    """A suite (see `aloe bench list`), or a file of cases."""
    seeds: int = Field(default=3, ge=1)
    """Dialogues per case."""
    limit: int | None = Field(default=None, ge=1)
    """Maximum number of cases, always the same ones; None for all."""

    @field_validator("candidate", mode="before")
    @classmethod
    def _fill_in(cls, raw: Any) -> Any:
        return fill_in_model(raw, CANDIDATE_DEFAULTS)
