"""What settings say of a benchmark, checked without holding a dialogue."""

from aloe.benchmark.cases import load_cases
from aloe.config import Config


def check_settings(config: Config) -> None:
    """Make sure that the cases of `config` can be read.

    Raises:
        ConfigError, InputError: they cannot.
    """
    load_cases(config.benchmark.cases)
