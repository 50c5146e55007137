"""How gently a server is treated."""

from pydantic import Field

from aloe.config.settings import Settings


class LimitsConfig(Settings):
    """How gently a server is treated; each server, identified by its base URL, has these limits."""

    concurrency: int | None = Field(default=None, ge=1)
    """Maximum calls at once; None: as many as the run has, fewer once the server shows strain."""
    requests_per_minute: float | None = Field(default=None, gt=0)
    """None: the limit in the server's headers, if any."""
    tokens_per_minute: float | None = Field(default=None, gt=0)
    """Tokens read and written; None: the limit in the server's headers, if any."""
    slow: float | None = Field(default=None, gt=0)
    """Seconds after which an answer is a sign of strain; None: half of the model's timeout."""
    tries: int = Field(default=5, ge=1)
    """Attempts for a call that fails on its own; waiting for the server does not count."""
    backoff: float = Field(default=0.5, gt=0)
    """Seconds before the second attempt, doubled for each further one up to 30, minus up to
    half."""
    patience: float = Field(default=300.0, gt=0)
    """Seconds that a server may be down, or ask us to wait, before the run stops."""
