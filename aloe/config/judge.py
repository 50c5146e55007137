"""How two replies are compared."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from aloe.config.own_code import own_code
from aloe.config.settings import Settings
from aloe.secrets import refuse_secrets

Criterion = Literal["style", "content", "humanness", "no_mind_reading"]
"""What a judge can be asked about instead of the reply as a whole."""


MIN_MASS = 0.5
"""Probability that a judge's answer begins with a word that it may say, from which its
log-probabilities are read. Below that the model was about to say something else."""


Schedule = Literal["round_robin", "tournament"]
"""Which of more than two candidates are compared; see `aloe.agents.schedule`."""


class JudgeConfig(Settings):
    """How two replies are compared."""

    min_margin: float = Field(default=0.05, ge=0)
    """Smallest absolute log-odds, averaged over both orders, that counts as a preference."""
    min_mass: float = Field(default=MIN_MASS, ge=0, le=1)
    """Smallest combined probability of A, B and TIE (for a rating, of the digits) at which
    log-probabilities are used; below it the judge's text is parsed."""
    criteria: dict[Criterion, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """Weight of each criterion, each asked about separately; empty: one question for all."""
    passport: Path | None = None
    """The passport that `aloe judge audit` wrote about this judge; gives verdicts a confidence."""
    rules: bool | None = None
    """Whether personas whose wishes a program can check are judged by counting, without a model.
    None: unless `use`, `criteria` or `models.panel` say who judges."""
    schedule: Schedule = "round_robin"
    """With more than two candidates: `round_robin` compares every pair, `tournament` only those
    whose order earlier verdicts do not imply."""
    use: Annotated[str | None, own_code("judges")] = None
    """A custom judge in place of the model: `MODULE:NAME` or an entry point of `aloe.judges`
    (see `aloe.agents.roles`); in Python, also the function, class or object itself."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Arguments of the judge that `use` names."""

    @model_validator(mode="after")
    def _no_secrets(self) -> Self:
        refuse_secrets("options", self.options)
        return self
