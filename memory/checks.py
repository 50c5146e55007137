"""What settings say of personas, checked without growing any."""

from aloe.config import Config
from aloe.memory.descriptions import read_seeds
from aloe.memory.embedder import open_embedder
from aloe.plugins import load_plugin


def check_settings(config: Config) -> None:
    """Make sure that seeds, rules and embedder of `config` can be used.

    Raises:
        ConfigError: a rule or the embedder cannot.
        InputError: seeds cannot be read.
    """
    for name in config.personas.validators:
        load_plugin("validators", name)
    read_seeds(config.personas.seeds)
    open_embedder(config.personas.embedder)
