"""Which of two shipped prompts an agent gets: the one for the smallest models, or for all others.

A prompt that a model of 135M parameters can follow is mostly examples, which a better model copies
instead of thinking; and instructions that work for a better model are lost on the smallest. Both
were measured on three sizes (docs/choices.md), and the limit is set where the better prompt
changes. A model's size is counted in its file, so it is known only for models in this process.
Models on a server are assumed to be larger: nobody serves one this small.
"""

from functools import cache
from pathlib import Path

from aloe.agents.prompt import Prompt, chosen
from aloe.config import Config, ModelConfig, Size
from aloe.errors import AloeError
from aloe.models.gguf_header import count_weights
from aloe.models.local import model_files
from aloe.models.weights import WEIGHTS

FULL_FROM = 300_000_000
"""Weights from which a model is given the full prompts."""


def prompt_for(name: str, config: Config, model: ModelConfig) -> Prompt:
    """Return the prompt `name` for an agent with this model: the settings' own or a shipped one.

    Raises:
        ConfigError: the file cannot be read, or its fields are not those of the shipped prompt.
    """
    return chosen(name, config.prompts, size_for(config, model))


def size_for(config: Config, model: ModelConfig) -> Size:
    """Return for which size of models the prompts of an agent with this model are written."""
    if config.prompt_size != "auto":
        return config.prompt_size
    provider, _, name = model.model.partition(":")
    return "small" if provider == "local" and _is_small(name) else "full"


def _is_small(name: str) -> bool:
    """Whether an embedded model is among the smallest; not if its file cannot be read."""
    if name in WEIGHTS:  # known without its file, which a run that is replayed does not need
        return True
    try:
        return _weights(model_files(name)[0]) < FULL_FROM
    except (AloeError, ValueError, OSError):  # said when the model is opened
        return False


@cache
def _weights(path: Path) -> int:
    return count_weights(path)
