"""What models cost, and what a run may cost."""

from pydantic import Field

from aloe.config.settings import Settings


class Price(Settings):
    """What a model costs, in US dollars per million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float | None = Field(default=None, ge=0)
    """For input tokens from the server's prefix cache; None: the same as `input`."""
    batch: float = Field(default=0.5, ge=0)
    """Share of the price that a call in a batch costs (`limits.batch`)."""


class BudgetConfig(Settings):
    """What a run folder may cost in total, earlier parts included; None for no limit."""

    max_cost: float | None = Field(default=None, ge=0)
    """US dollars; every model used needs a price."""
    max_calls: int | None = Field(default=None, ge=0)
    max_tokens: int | None = Field(default=None, ge=0)
    """Tokens read and written."""
