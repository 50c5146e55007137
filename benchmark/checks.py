"""What settings say of a benchmark, checked without holding a dialogue."""

from aloe.benchmark.cases import load_cases
from aloe.benchmark.conditions import check_condition
from aloe.calls.prices import check_prices
from aloe.config import Config
from aloe.models.providers import parse_model


def check_settings(config: Config) -> None:
    """Make sure that `config` is of a candidate, its cases can be read, and a cap on cost be kept.

    Raises:
        ConfigError, InputError: it is not, or they cannot.
    """
    check_condition(config, "settings")
    load_cases(config.benchmark.cases)
    check_prices(config, [str(parse_model(config.benchmark.candidate))])
