"""What serves the models of `local:`."""

from pydantic import Field

from aloe.config.settings import Settings


class LocalConfig(Settings):
    """What serves the models of `local:`."""

    server: str | None = None
    """A `llama-server` to run: its path or name; `auto`: one on PATH if there is one. None: the
    llama.cpp in this process."""
    gpu_layers: int | None = Field(default=None, ge=0)
    """Layers to keep on a GPU. None: as many as fit, where llama.cpp was built for the GPU."""
    load_timeout: float = Field(default=300.0, gt=0)
    """Seconds that a `llama-server` has to load a model."""
