"""Packages that only parts of the program need, and the extra of aloe that brings each."""

from collections.abc import Mapping
from importlib.util import find_spec

from aloe.errors import ConfigError

TRAINING = ("torch", "transformers", "trl", "peft", "datasets")

EXTRAS: Mapping[str, str] = {
    **dict.fromkeys(TRAINING, "train"),
    "grandalf": "plots",
    "langgraph-checkpoint-postgres": "postgres",
    "matplotlib": "plots",
    "opentelemetry-sdk": "otel",
    "pyarrow": "parquet",
    "ray": "ray",
    "scikit-learn": "audit",
    "textual": "tui",
}
"""Extras by what pip calls the package."""


def needs(what: str, package: str, missing: str | None = None) -> str:
    """Return that `what` needs a package, or one `missing` that comes with it; how to get it."""
    return f"{what} needs {missing or package}: pip install 'aloe-align[{EXTRAS[package]}]'"


def require(what: str, *packages: str) -> None:
    """Make sure that packages are installed that are imported by the names pip has for them.

    Raises:
        ConfigError: naming the first that `what` needs and that is not there.
    """
    for package in packages:
        if find_spec(package) is None:
            raise ConfigError(needs(what, package))
