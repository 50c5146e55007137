"""How gently a server is treated."""

from pydantic import Field

from aloe.config.settings import Settings


class LimitsConfig(Settings):
    """How a server is spared; every server, known by its base URL, has these limits of its own."""

    concurrency: int | None = Field(default=None, ge=1)
    """Most calls at once; None: as many as the run has, fewer once the server shows strain."""
    requests_per_minute: float | None = Field(default=None, gt=0)
    """None: what the server says in its headers, if it does."""
    tokens_per_minute: float | None = Field(default=None, gt=0)
    """Tokens read and written; None: what the server says in its headers, if it does."""
    slow: float | None = Field(default=None, gt=0)
    """Seconds after which an answer is a sign of strain; None: half of the model's timeout."""
    tries: int = Field(default=5, ge=1)
    """How often a call is made that fails by itself; waiting for the server does not count."""
    backoff: float = Field(default=0.5, gt=0)
    """Seconds before the second try, doubled with each further one up to 30, less up to half."""
    patience: float = Field(default=300.0, gt=0)
    """Seconds for which a server may be gone, or ask us to wait, before the run stops."""
