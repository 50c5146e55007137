"""Model strings, `PROVIDER:NAME[@BASE_URL]`, taken apart; `aloe.models.providers` lists them."""

from dataclasses import dataclass

URL = "@http"
"""How a base URL begins; an `@` before anything else belongs to the name."""


@dataclass(frozen=True, kw_only=True)
class ModelString:
    """A model string in its parts."""

    provider: str
    name: str
    """As the provider writes it, and as `prices` has it; empty if the text names no provider."""
    base_url: str | None

    @classmethod
    def parse(cls, text: str) -> "ModelString":
        """Take a text apart; whether there is such a provider is not looked at."""
        model, found, url = text.partition(URL)
        provider, _, name = model.partition(":")
        return cls(provider=provider, name=name, base_url=f"{URL[1:]}{url}" if found else None)

    def __str__(self) -> str:
        """Return the string without its URL, which says where a model is and not which one."""
        return f"{self.provider}:{self.name}" if self.name else self.provider
