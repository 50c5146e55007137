"""What settings say of growing trees, checked without growing any."""

from aloe.agents.registry import models_in_use
from aloe.config import Config
from aloe.graphs.context import check_prices
from aloe.graphs.expansion import check_expansion


def check_settings(config: Config) -> None:
    """Make sure that the expansion policy of `config` can be used, and a cap on cost be kept.

    Raises:
        ConfigError: it cannot.
    """
    check_expansion(config.simulation)
    check_prices(config, (each.model for each in models_in_use(config).values()))
