"""What calls cost, and whether it is known."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aloe.config import PAID, Config, Price
from aloe.errors import ConfigError
from aloe.models.model_string import CLASSES, ModelString


def find_price(prices: Mapping[str, Price], model: str) -> Price | None:
    """Return the price of a model; of one that a chat class asks, else the price of the class.

    Args:
        prices: by model string without the provider.
        model: as calls name it.
    """
    found = ModelString.parse(model)
    words = found.name.split(":")[: CLASSES.get(found.provider)]
    return prices.get(found.name) or prices.get(":".join(words))


def cost_of(
    prices: Mapping[str, Price],
    model: str,
    *,
    read: float,
    wrote: float,
    cached: float = 0,
    batched: bool = False,
) -> float | None:
    """Return US dollars; None if the model has to be paid and its price is not known.

    Args:
        prices: by model string without the provider.
        model: as calls name it.
        read: tokens read, those from the server's prefix cache among them.
        wrote: tokens written.
        cached: tokens from that cache.
        batched: whether they came in a batch.
    """
    if price := find_price(prices, model):
        kept = price.input if price.cached is None else price.cached
        whole = (read - cached) * price.input + cached * kept + wrote * price.output
        return whole / 1e6 * (price.batch if batched else 1.0)
    return None if ModelString.parse(model).provider in PAID else 0.0


def cost_of_line(prices: Mapping[str, Price], line: Mapping[str, Any]) -> float | None:
    """Return US dollars of an earlier event: as it says, else at current prices.

    None if neither is known.
    """
    cost: float | None = line["cost"]
    read, wrote, model = line["input_tokens"], line["output_tokens"], line.get("model")
    if cost is None and not (read or wrote):
        return 0.0
    if cost is not None or model is None:
        return cost
    cached = line.get("cached_tokens", 0)
    batched = bool(line.get("batch"))
    return cost_of(prices, model, read=read, wrote=wrote, cached=cached, batched=batched)


def total_cost(costs: Sequence[float | None]) -> float | None:
    """Return the sum; None if one is not known."""
    known = [cost for cost in costs if cost is not None]
    return sum(known, 0.0) if len(known) == len(costs) else None


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
        if parts.provider in PAID and not find_price(config.prices, model):
            raise ConfigError(f"a cap in dollars needs the price of {how_to_price(model)}")


def how_to_price(model: str) -> str:
    """Return how an error about a missing price ends: with the model and what to do."""
    parts = ModelString.parse(model)
    return (
        f'{parts}: add [prices."{parts.name}"] with input and output, in dollars per million '
        "tokens, to the settings"
    )
