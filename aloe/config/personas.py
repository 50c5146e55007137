"""How the persona pool grows."""

from pathlib import Path

from pydantic import Field

from aloe.config.settings import Settings


class PersonasConfig(Settings):
    """How the persona pool grows."""

    target: int = Field(default=100, ge=1)
    """Target number of personas."""
    seeds: Path | None = None
    """Folder with profiles.jsonl and personalities.jsonl; None: the shipped seeds."""
    threshold: float = Field(default=0.71, gt=0, le=1)
    """Cosine similarity at which two descriptions count as the same. It is specific to the
    embedder; `aloe personas calibrate` shows the errors of both kinds."""
    batch: int | None = Field(default=None, ge=1)
    """Writer calls in flight at once; None: 4, or 64 where sentences are composed."""
    window: int = Field(default=60, ge=1)
    """Number of recent candidates over which the acceptance rate is computed."""
    min_acceptance: float = Field(default=0.05, ge=0, le=1)
    """Acceptance rate over the window under which the pool counts as saturated."""
    examples: int = Field(default=3, ge=0)
    """Earlier descriptions shown to the writer with each brief."""
    embedder: str = "minilm"
    """What makes the vectors: `minilm` (in this process) or `openai:NAME[@BASE_URL]`."""
    store: str | None = None
    """URL of a Chroma server that several machines fill; None: a folder beside the pool."""
    validators: tuple[str, ...] = ()
    """Custom rules: `MODULE:FUNCTION` or entry points of `aloe.validators`. Each gets a description
    (`aloe.memory.descriptions`) and returns why to reject it, or None to keep it."""
