"""Model strings, `PROVIDER:NAME[@BASE_URL]`, taken apart; `aloe.models.providers` lists them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

URL = "@http"
"""How a base URL begins; an `@` before anything else belongs to the name."""

CLASSES = {"langchain": 2, "community": 1}
"""Providers whose strings name a chat class, by how many words; the model is in its options."""

MODEL_OPTIONS = (
    "model", "model_name", "model_id", "azure_deployment", "deployment_name", "repo_id",
    "model_path",
)  # fmt: skip
"""Options that name a chat class's model; the first that is given counts."""


@dataclass(frozen=True, kw_only=True)
class ModelString:
    """A model string in its parts."""

    provider: str
    name: str
    """As the provider writes it; empty if the text names no provider."""
    base_url: str | None
    model: str | None = None
    """Of a chat class, the model that it asks; None if its options name none."""

    @classmethod
    def parse(cls, text: str, options: Mapping[str, Any] | None = None) -> "ModelString":
        """Take a text apart; whether there is such a provider is not looked at.

        Args:
            text: the model string.
            options: those of the model, where it matters which one a chat class asks.
        """
        model, found, url = text.partition(URL)
        provider, _, name = model.partition(":")
        given = [(options or {}).get(each) for each in MODEL_OPTIONS if provider in CLASSES]
        return cls(
            provider=provider,
            name=name,
            base_url=f"{URL[1:]}{url}" if found else None,
            model=next((each for each in given if isinstance(each, str) and each), None),
        )

    def __str__(self) -> str:
        """Return which model it is: the string without its URL, with the model of a chat class."""
        return ":".join(filter(None, (self.provider, self.name, self.model)))
