"""Verifiable personas from a seed: a composed life and wishes drawn from the catalogue."""

import random
from collections import Counter
from collections.abc import Collection, Iterable

from aloe.config import Phrases
from aloe.errors import ConfigError, suggest
from aloe.memory.axes import sample
from aloe.memory.composition import compose
from aloe.memory.verifiable.catalogue import DIMENSIONS, Wish
from aloe.memory.verifiable.phrases import find_traits
from aloe.schema import Lineage, Persona, derive_seed


def generate(seed: int, *, wishes: int = 4, about: Collection[str] = DIMENSIONS) -> Persona:
    """Return a verifiable persona with a composed profile and that many wishes.

    Args:
        seed: the same seed gives the same persona.
        wishes: how many of the dimensions it cares about.
        about: the dimensions that are drawn from.
    """
    rng = random.Random(derive_seed("verifiable", seed))
    chosen = _draw_wishes(rng, wishes, about)
    profile = compose("profile", sample("profile", Counter(), rng), rng.randrange(2**31))
    return Persona.of(
        profile.text,
        " ".join(each.trait for each in chosen.values()),
        axes=profile.axes,
        preferences={name: each.value for name, each in chosen.items()},
        lineage={
            "profile": profile.lineage,
            "personality": Lineage(origin="composed", seed=seed),
        },
    )


def generate_all(
    count: int,
    *,
    wishes: int = 4,
    about: Iterable[str] | None = None,
    seed: int = 0,
    sign: str = "",
) -> list[Persona]:
    """Return `count` verifiable personas, each from a seed of its own that follows from `seed`.

    Args:
        count: how many, at least 1.
        wishes: how many of the dimensions each cares about, at least 1.
        about: the dimensions that are drawn from; None for all.
        seed: the same seed gives the same personas.
        sign: what an error puts before the name of an argument.

    Raises:
        ConfigError: a number is too small, a dimension is unknown, or there are fewer than wishes.
    """
    named = list(dict.fromkeys(DIMENSIONS if about is None else about))
    for name, value in (("count", count), ("wishes", wishes)):
        if value < 1:
            raise ConfigError(f"{sign}{name}: {value} is less than 1")
    if unknown := [name for name in named if name not in DIMENSIONS]:
        known = f"'{unknown[0]}' is none of {', '.join(DIMENSIONS)}"
        raise ConfigError(f"{sign}about: {known}{suggest(unknown[0], DIMENSIONS)}")
    if wishes > len(named):
        raise ConfigError(
            f"{sign}wishes: {wishes} is more than the number of dimensions, {len(named)}"
        )
    seeds = (derive_seed("personas verifiable", seed, number) for number in range(count))
    return [generate(each, wishes=wishes, about=named) for each in seeds]


def draw_preferences(
    seed: int, *, wishes: int = 4, about: Collection[str] = DIMENSIONS
) -> dict[str, str]:
    """Return what the persona that `generate` makes of the same arguments wishes, and no life."""
    chosen = _draw_wishes(random.Random(derive_seed("verifiable", seed)), wishes, about)
    return {name: each.value for name, each in chosen.items()}


def _draw_wishes(rng: random.Random, count: int, about: Collection[str]) -> dict[str, Wish]:
    dimensions = sorted(rng.sample([name for name in DIMENSIONS if name in about], count))
    return {name: rng.choice(DIMENSIONS[name]) for name in dimensions}


def reword(persona: Persona, half: Phrases) -> Persona:
    """Return a verifiable persona with its wishes stated in phrases of one half."""
    rng = random.Random(derive_seed("worded", persona.id, half))
    wishes = persona.preferences.items()
    return Persona.of(
        persona.profile,
        " ".join(rng.choice(find_traits(name, value, half)) for name, value in wishes),
        axes=persona.axes,
        preferences=persona.preferences,
        lineage=persona.lineage,
    )
