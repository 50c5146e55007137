"""Whether what calls cost is known."""

from collections.abc import Iterable

from aloe.config import PAID, Config
from aloe.errors import ConfigError
from aloe.models.model_string import ModelString


def check_prices(config: Config, models: Iterable[str]) -> None:
    """Make sure that a cap in dollars can be kept.

    Args:
        config: settings of the run.
        models: model strings of all that will be asked.

    Raises:
        ConfigError: there is such a cap, and a model has no price.
    """
    if config.budget.max_cost is None:
        return
    for model in models:
        parts = ModelString.parse(model)
        if parts.provider in PAID and parts.name not in config.prices:
            raise ConfigError(
                f'a cap in dollars needs the price of {parts}: add [prices."{parts.name}"] '
                "with input and output, in dollars per million tokens, to the settings"
            )
