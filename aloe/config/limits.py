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
    batch: bool = False
    """Whether calls go through the server's batch API, at `prices.NAME.batch` of the price: all
    trees wait for each other, call by call, and a batch may take 24 hours. Of models at a server of
    their own (`openai:`); others are called directly."""
    batch_trees: int = Field(default=10_000, ge=1)
    """Trees that wait for a batch together, in place of `simulation.concurrency`; each takes about
    0.25 MB of memory, and those beyond wait for the end of others."""
    batch_requests: int = Field(default=50_000, ge=1)
    """Maximum calls in a batch; OpenAI takes 50,000."""
    batch_bytes: int = Field(default=200_000_000, ge=1)
    """Maximum size of a batch's file in bytes; OpenAI takes 200 MB."""
    batch_lull: float = Field(default=2.0, gt=0)
    """Seconds in which nothing happens before the calls that wait are sent."""
    batch_poll: float = Field(default=30.0, gt=0)
    """Seconds between two looks at a batch."""
